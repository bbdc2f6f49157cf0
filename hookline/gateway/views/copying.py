"""Replay with a change: a copy of a delivery with another body or other parameters, seen before it is made."""

import asyncio
import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import asyncpg
from markupsafe import Markup, escape
from starlette.requests import Request
from starlette.responses import Response

from hookline.database import pool
from hookline.errors import HooklineError
from hookline.gateway.engine_process import NotAnswered, answer_of
from hookline.gateway.views.base import MAX_REASON, AdminViews, Refused, delivery_id, not_found, read_form
from hookline.gateway.views.delivery import routes_of
from hookline.gateway.views.formatting import KB, size
from hookline.hooks.bodies import AS_NAMED, parameter
from hookline.hooks.sources import Source
from hookline.inbox import bodies, copies, search
from hookline.inbox.copies import Change, Copy
from hookline.text import one_line, typed, visible

MAX_TEXT = 64 * KB
"""Bytes of a body that a person can change on the page."""
MAX_FORM = 8 * MAX_TEXT
"""Bytes of the form: most characters of a body take three there."""
MAX_FIELDS = 500
PARAMETERS = "parameters of "
PROCESS = "hookline.engine.rehearsal"
NO_ANSWER = "The process that looks at it ended without a result; the gateway's log says more"
DONE = (
    "It runs as a copy. What the journal has as done for a business key, such as an order, is not repeated, by a copy "
    "neither."
)


@dataclass(frozen=True)
class Text:
    """A body as a person can change it, or why not."""

    text: str = ""
    why_not: str | None = None
    charset: str = "utf-8"
    newline: str = "\n"

    def encoded(self, sent: str) -> bytes:
        """Return what a browser sent as bytes of the body; browsers make all line ends two characters."""
        lines = sent.replace("\r\n", "\n").replace("\r", "\n").replace("\n", self.newline)
        try:
            return lines.encode(self.charset)
        except UnicodeEncodeError as error:
            what = one_line(error.object[error.start : error.end], 20)
            raise HooklineError(f"The body is in {self.charset}, which has no {what!r}") from None


async def show(views: AdminViews, request: Request) -> Response:
    """Show the form."""
    return await _form(views, request, {})


async def copy(views: AdminViews, request: Request) -> Response:
    """Show what a copy would start; once that is confirmed, make it."""
    form = await read_form(request, maximum=MAX_FORM, max_fields=MAX_FIELDS)
    if "back" in form:
        return await _form(views, request, form)
    try:
        prepared, dispatches = await _prepared(views, request, form)
        rehearsed = await _rehearsed(views, prepared)
        if "copy" in form:
            return await _store(views, request, prepared, _reason(form))
    except HooklineError as error:
        return await _form(views, request, form, problem=str(error).rstrip("."))
    before = {dispatch["route"]: dispatch["parameters"] for dispatch in dispatches}
    for start in rehearsed["starts"]:
        start["lines"] = _lines(before.get(start["route"], {}), start["parameters"])
    fields = {name: exact(value) for name, value in form.items()} | {"copy": str(prepared.id)}
    return await views.page(
        request, "copy_preview.html", delivery=prepared.row, original=prepared.original_id,
        change=str(prepared.change), rehearsed=rehearsed, fields=fields,
    )  # fmt: skip


async def _rehearsed(views: AdminViews, prepared: Copy) -> dict[str, Any]:
    """Return what a copy would start, as `Rehearsed` has it; raises HooklineError where it must not be stored."""
    settings, copy = views.settings, prepared.unsealed
    question = {
        "home": str(settings.home),
        "hooks": str(settings.hooks),
        "deployments": str(settings.deployments),
        "copy": {name: value for name, value in copy.items() if name != "fingerprint"}
        | {"body": base64.b64encode(copy["body"]).decode()},
    }
    try:
        found: dict[str, Any] = json.loads(
            await answer_of(PROCESS, json.dumps(question, default=str).encode())
        )
    except (NotAnswered, ValueError) as error:
        raise HooklineError(str(error) if isinstance(error, NotAnswered) else NO_ANSWER) from None
    if found["problem"]:
        raise HooklineError(found["problem"])
    return found


async def _store(views: AdminViews, request: Request, prepared: Copy, reason: str) -> Response:
    """Make the copy; a second click finds it made."""
    async with (await pool(views.settings)).acquire() as connection:
        await copies.store(connection, prepared, actor=views.actor(request), reason=reason)
    return views.redirect(request, f"/deliveries/{prepared.id}", DONE)


async def _form(
    views: AdminViews, request: Request, form: Mapping[str, str], *, problem: str | None = None
) -> Response:
    row, original = await _found(views, request)
    text = await asyncio.to_thread(_text, views, original)
    current = {dispatch["route"]: dispatch["parameters"] for dispatch in row["dispatches"]}
    routes = [
        {"name": route, "parameters": json.dumps(current.get(route, {}), indent=2, ensure_ascii=False),
         "field": PARAMETERS + route, "typed": exact(form.get(PARAMETERS + route, ""))}
        for route in sorted(routes_of(views, row) | set(current))
    ]  # fmt: skip
    return await views.page(
        request, "copy.html", delivery=row, text=text, routes=routes, problem=problem,
        body=exact(form.get("body", text.text)), route=form.get("route", ""), reason=exact(form.get("reason", "")),
    )  # fmt: skip


async def _found(views: AdminViews, request: Request) -> tuple[dict[str, Any], asyncpg.Record]:
    database = await pool(views.settings)
    row = await search.read(database, str(delivery_id(request)))
    if row is None:
        raise not_found("delivery")
    return row, await copies.original(database, row["id"])


async def _prepared(
    views: AdminViews, request: Request, form: Mapping[str, str]
) -> tuple[Copy, list[dict[str, Any]]]:
    """Return the copy that a form describes, and the dispatches of what is copied; raises HooklineError."""
    row, original = await _found(views, request)
    body = await asyncio.to_thread(_other_body, views, original, form)
    parameters = {
        name.removeprefix(PARAMETERS): read
        for name, value in form.items()
        if name.startswith(PARAMETERS) and (read := _read_parameters(name, value))
    }
    change = Change(body, parameters, form.get("route") or None)
    known = routes_of(views, row) | {dispatch["route"] for dispatch in row["dispatches"]}
    for route in {*parameters, *([change.route] if change.route else [])}:
        if route not in known:
            raise not_found("route")
    source = views.hooks.sources.get(row["source"])
    keys = views.settings.body_keys
    prepared = await asyncio.to_thread(copies.copied, original, _copy_id(form), change, source, keys)
    return prepared, row["dispatches"]


def _other_body(views: AdminViews, original: asyncpg.Record, form: Mapping[str, str]) -> bytes | None:
    """Return the body of a form; None where it is as it was, or cannot be changed here."""
    text = _text(views, original)
    if text.why_not or "body" not in form:
        return None
    body = text.encoded(form["body"])
    if len(body) > MAX_TEXT:
        raise HooklineError(f"The body has {size(len(body))}; {size(MAX_TEXT)} are accepted here")
    return None if body == text.text.encode(text.charset) else body


def _text(views: AdminViews, original: asyncpg.Record) -> Text:
    """Return the body of a delivery as a person can change it in a browser, exactly, or why not."""
    source = None if original["envelope"] is not None else views.hooks.sources.get(original["source"])
    charset = _charset(original["content_type"], source)
    try:
        text = _decoded(_body(views, original), charset)
    except ValueError as why_not:
        return Text(why_not=str(why_not))
    return Text(text, None, charset, "\r\n" if "\r\n" in text else "\n")


def _body(views: AdminViews, original: asyncpg.Record) -> bytes:
    """Return a body that is as it came, and short enough; raises ValueError, for people."""
    if "redacted" in original["altered"]:
        raise ValueError("some of its values were removed before it was stored")
    body = bodies.unseal(original, views.settings.body_keys)
    if body is None:
        raise ValueError(bodies.REMOVED)
    if len(body) > MAX_TEXT:
        raise ValueError(f"it has {size(len(body))}, and the page takes {size(MAX_TEXT)}")
    return body


def _decoded(body: bytes, charset: str) -> str:
    """Return a body as a text that a browser keeps as it is; raises ValueError, for people."""
    try:
        text = body.decode(charset)
    except (ValueError, LookupError):
        raise ValueError(f"it is no text in {one_line(charset, 40)}") from None
    plain = text.replace("\r\n", "\n")
    if visible(plain) != plain or ("\r\n" in text and text.count("\n") != text.count("\r\n")):
        raise ValueError("it has characters that a browser does not keep as they are")
    return text


def _charset(content_type: str, source: Source | None) -> str:
    reading = AS_NAMED if source is None else source.reading
    if reading.charset is not None:
        return reading.charset
    is_json = reading.kind_of(content_type) == "json"
    return "utf-8" if is_json else parameter(content_type, "charset") or "utf-8"


def _read_parameters(field: str, text: str) -> dict[str, Any]:
    if not text.strip():
        return {}
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise HooklineError(f"The {field} are not JSON: {error}") from None
    if not isinstance(value, dict):
        raise HooklineError(f'The {field} are not a JSON object, such as {{"invoice_id": "…"}}')
    return value


def _lines(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Return each parameter with its value before and after."""
    return [
        (name, _written(before, name), _written(after, name)) for name in dict.fromkeys((*before, *after))
    ]


def _written(parameters: Mapping[str, Any], name: str) -> str:
    return json.dumps(parameters[name], ensure_ascii=False) if name in parameters else ""


def exact(text: str) -> Markup:
    """Return a text for a field of a form, which gives it back as it is: nothing in it is made visible."""
    return escape(text.replace("\r\n", "\n"))


def _copy_id(form: Mapping[str, str]) -> UUID:
    """Return the id that the copy had when the person saw it: sent twice, the form makes one copy."""
    if "copy" not in form:
        return uuid4()
    try:
        return UUID(form["copy"])
    except ValueError:
        raise Refused(400, "Not done", "This is no form of this page. Open the delivery again.") from None


def _reason(form: Mapping[str, str]) -> str:
    return typed(form.get("reason", ""))[:MAX_REASON]
