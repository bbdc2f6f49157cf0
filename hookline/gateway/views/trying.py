"""The page that tries a delivery or a pasted body by its routes: those in force, or those of a changed file."""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response

from hookline.database import pool
from hookline.gateway.engine_process import TIMEOUT_SECONDS, NotAnswered, answer_of
from hookline.gateway.views.base import AdminViews, Refused, delivery_id, not_found, read_bounded
from hookline.hooks.bodies import parts_of
from hookline.inbox import search
from hookline.inbox.tries import Result
from hookline.text import one_line, typed

MAX_TEXT = 1_048_576
"""Bytes of a body, or of a hooks.yaml."""
MAX_FORM = 3 * MAX_TEXT
MAX_HEADERS = 50
TRY_TIMEOUT_SECONDS = TIMEOUT_SECONDS
MAX_MESSAGE = 200
JSON = "application/json"

PROCESS = "hookline.engine.try_process"


@dataclass(frozen=True)
class Question:
    """What is to be tried: a stored delivery, or a body of a source."""

    source: str
    delivery: UUID | None = None
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    hooks: str = ""
    """The text of a changed hooks.yaml; empty for the files in force."""

    def record(self) -> dict[str, Any]:
        """Return it as JSON can hold it."""
        delivery = None if self.delivery is None else str(self.delivery)
        return {**vars(self), "delivery": delivery, "body": base64.b64encode(self.body).decode()}


class NotTried(Exception):
    """A try that has no result; says why."""


async def show_delivery(views: AdminViews, request: Request) -> Response:
    """Show the form for a stored delivery."""
    delivery, source = await _delivery(views, request)
    return await _page(views, request, Question(source, delivery))


async def try_delivery(views: AdminViews, request: Request) -> Response:
    """Try a stored delivery on all routes of its source."""
    fields = await _fields(request)
    delivery, source = await _delivery(views, request)
    return await _tried(views, request, Question(source, delivery, hooks=_text(fields, "hooks")), fields)


async def show_source(views: AdminViews, request: Request) -> Response:
    """Show the form for a body of a source."""
    return await _page(views, request, Question(_source(request)))


async def try_source(views: AdminViews, request: Request) -> Response:
    """Try a pasted body, as if the source's sender had sent it."""
    fields = await _fields(request)
    hooks = _text(fields, "hooks")
    try:
        headers = _headers(_text(fields, "headers"))
    except ValueError as error:
        return await _page(views, request, Question(_source(request)), fields, problem=str(error))
    body = fields.get("body_file") or _pasted(fields, "body")
    question = Question(_source(request), body=body, headers=headers, hooks=hooks)
    return await _tried(views, request, question, fields)


async def _tried(
    views: AdminViews, request: Request, question: Question, fields: Mapping[str, bytes]
) -> Response:
    try:
        result = await _answer(question)
    except NotTried as error:
        return await _page(views, request, question, fields, problem=str(error))
    return await _page(views, request, question, fields, result=result)


async def _page(
    views: AdminViews,
    request: Request,
    question: Question,
    fields: Mapping[str, bytes] | None = None,
    *,
    result: Result | None = None,
    problem: str | None = None,
) -> Response:
    fields = fields or {}
    return await views.page(
        request,
        "try.html",
        question=question,
        body=_text(fields, "body"),
        headers=_text(fields, "headers") or f"Content-Type: {JSON}",
        hooks=question.hooks or _text(fields, "hooks"),
        result=result,
        problem=problem,
    )


async def _answer(question: Question) -> Result:
    """Return the result of a try, made in a process of its own; one at a time. Raises NotTried."""
    written = json.dumps(question.record()).encode()
    try:
        return _result(await answer_of(PROCESS, written, seconds=TRY_TIMEOUT_SECONDS))
    except NotAnswered as error:
        raise NotTried(f"{error} It can be tried in a shell, too: hookline route try") from None


def _result(answer: bytes) -> Result:
    try:
        record = json.loads(answer)
    except ValueError:
        raise NotTried(
            "The process that tries it ended without a result; the gateway's log says more."
        ) from None
    if message := record.get("message"):
        raise NotTried(message)
    return Result.of(record)


async def _delivery(views: AdminViews, request: Request) -> tuple[UUID, str]:
    row = await search.read(await pool(views.settings), str(delivery_id(request)))
    if row is None:
        raise not_found("delivery")
    return row["id"], row["source"]


def _source(request: Request) -> str:
    return one_line(request.path_params["source"], 100)


async def _fields(request: Request) -> dict[str, bytes]:
    """Return the fields of the form, files included; raises Refused where it is longer than it may be."""
    content = await read_bounded(request, MAX_FORM)
    try:
        fields = {
            part.name: part.content for part in parts_of(request.headers.get("content-type", ""), content)
        }
    except ValueError as error:
        raise Refused(400, "Not tried", one_line(error, MAX_MESSAGE)) from None
    if long := [name for name, value in fields.items() if len(value) > MAX_TEXT]:
        raise Refused(413, "Too long", f"{one_line(long[0], 50)} has more than {MAX_TEXT:,} bytes.")
    return fields


def _pasted(fields: Mapping[str, bytes], name: str) -> bytes:
    """Return a pasted text with the line ends that it had: a browser sends each as two characters."""
    return fields.get(name, b"").replace(b"\r\n", b"\n")


def _text(fields: Mapping[str, bytes], name: str) -> str:
    """Return the text of a field, or of the file that was chosen in its place."""
    return (fields.get(f"{name}_file") or _pasted(fields, name)).decode(errors="replace")


def _headers(text: str) -> dict[str, str]:
    """Return pasted headers by names in lower case; raises ValueError, for people."""
    headers = {}
    for number, line in enumerate(filter(None, map(typed, text.splitlines())), 1):
        name, colon, value = line.partition(":")
        if not colon or not name.strip():
            raise ValueError(f"Line {number} of the headers is not “Name: value”: {one_line(line, 80)}")
        if number > MAX_HEADERS:
            raise ValueError(f"At most {MAX_HEADERS} headers are accepted here.")
        headers[name.strip().lower()] = value.strip()
    return headers
