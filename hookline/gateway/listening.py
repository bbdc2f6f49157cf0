"""
`/listen/{source}`: what a source sends here, for another Hookline whose operator has the admin token.

A listener asks again and again: what is new is offered by its number and id, and asked for one by one. Bodies are as
they are stored, redacted; of headers and query, every secret is masked that this process knows.
"""

import asyncio
import json
import time
from base64 import b64encode
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import Any, TypeAlias
from uuid import UUID

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from hookline.database import CONNECTION_ERRORS, pool
from hookline.gateway.endpoints import Endpoint, Open
from hookline.gateway.program_door import ProgramDoor
from hookline.gateway.views.base import AdminViews, Refused, read_bounded
from hookline.inbox import bodies, listening
from hookline.people import ADMIN
from hookline.redaction import mask
from hookline.text import one_line

PATH = "/listen/{source}"
ADMIN_TOKEN = Open("the admin token, of a program")
WAIT_SECONDS = 5.0
"""A listener waits so long for something new; a gateway that stops waits for it, too."""
POLL_SECONDS = 0.5
MAX_REQUEST = 4_096
MAX_WHO = 100
MAX_NUMBER = 2**53
MAX_SECONDS = 10 * 365 * 86_400.0
BODIES_AT_ONCE = 2
AGAIN_SECONDS = 5
NO_STORE = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}

Handler: TypeAlias = Callable[[Request], Awaitable[Response]]


class Listening:
    """The addresses at which other Hooklines listen."""

    def __init__(self, views: AdminViews) -> None:
        self._views = views

        def is_token(text: str) -> bool:  # the token's file is made when somebody first asks
            return views.sessions.is_token(text)

        self._door = ProgramDoor(views.origins, views.attempts, is_token, at=PATH)
        self._bodies = asyncio.Semaphore(BODIES_AT_ONCE)

    def routes(self) -> list[Endpoint]:
        """Return the addresses."""
        return [
            Endpoint(PATH, self._answering(self.begin), needs=ADMIN_TOKEN, methods=["POST"]),
            Endpoint(PATH, self._answering(self.offer), needs=ADMIN_TOKEN, methods=["GET"]),
            Endpoint(PATH, self._answering(self.end), needs=ADMIN_TOKEN, methods=["DELETE"]),
            Endpoint(PATH + "/{delivery_id}", self._answering(self.send), needs=ADMIN_TOKEN, methods=["GET"]),
        ]

    async def begin(self, request: Request) -> Response:
        """Let somebody listen, which the audit trail says."""
        source = request.path_params["source"]
        if source not in self._views.hooks.sources:
            raise HTTPException(404, f"There is no source {one_line(source, 80)} here.")
        wishes = await _wishes(request)
        who = one_line(wishes.get("who") or "", MAX_WHO)
        actor = f"{ADMIN.name} at {self._views.peer(request)}" + (f", {who}" if who else "")
        database = await pool(self._views.settings)
        async with database.acquire() as connection:
            try:
                listener, latest = await listening.begin(connection, source, actor, _since(wishes))
            except listening.TooManyListeners as error:
                raise HTTPException(429, str(error), {"Retry-After": str(listening.GONE_SECONDS)}) from None
        history = await listening.history(database)
        return JSONResponse({"listener": str(listener), "history": str(history), "latest": latest})

    async def offer(self, request: Request) -> Response:
        """Offer what is new, as soon as there is something."""
        source = await self._source_of_listener(request)
        latest = int(_number(request, "latest", MAX_NUMBER))
        late = _number(request, "late", MAX_SECONDS)
        database, until = await pool(self._views.settings), time.monotonic() + WAIT_SECONDS
        while True:
            offers = await listening.offers(database, source, latest, late)
            if any(offer.seq > latest for offer in offers) or time.monotonic() >= until:
                break
            if await request.is_disconnected():
                break
            await asyncio.sleep(POLL_SECONDS)
        rows = [{**asdict(offer), "id": str(offer.id)} for offer in offers]
        reached = max([latest, *(offer.seq for offer in offers)])
        history = await listening.history(database)
        return JSONResponse({"history": str(history), "latest": reached, "offers": rows})

    async def send(self, request: Request) -> Response:
        """Send one delivery."""
        source = await self._source_of_listener(request)
        delivery_id = _id(request.path_params["delivery_id"])
        database, keys = await pool(self._views.settings), self._views.settings.body_keys
        async with self._bodies:
            row = await listening.offered(database, source, delivery_id)
            if row is None:
                raise HTTPException(404, "This delivery, or its body, is not stored any more.")
            try:
                body = bodies.unseal(row, keys) or b""
            except ValueError as error:
                raise HTTPException(409, str(error)) from None
            return JSONResponse(
                {
                    "method": row["method"],
                    "query": _masked(row["query"]),
                    "headers": _masked(row["headers"]),
                    "content_type": row["content_type"],
                    "redacted": "redacted" in row["altered"],
                    "body": b64encode(body).decode(),
                }
            )

    async def end(self, request: Request) -> Response:
        """Let a listener go."""
        await listening.end(await pool(self._views.settings), _id(request.query_params.get("listener", "")))
        return Response(status_code=204)

    async def _source_of_listener(self, request: Request) -> str:
        """Return the source; raises HTTPException where the listener does not listen to it (any more)."""
        source: str = request.path_params["source"]
        listener = _id(request.query_params.get("listener", ""))
        if not await listening.is_listening(await pool(self._views.settings), listener, source):
            raise HTTPException(410, "This listener has gone; begin again.")
        return source

    def _answering(self, handler: Handler) -> Handler:
        """Return the handler behind the admin token, with an answer for every error."""

        async def answer(request: Request) -> Response:
            try:
                self._door.require_token(request, self._views.peer(request), "the admin token")
                response = await handler(request)
            except HTTPException as error:
                response = JSONResponse({"detail": error.detail}, error.status_code, headers=error.headers)
            except Refused as refused:
                response = JSONResponse({"detail": refused.detail}, refused.status)
            except CONNECTION_ERRORS:
                again = {"Retry-After": str(AGAIN_SECONDS)}
                response = JSONResponse({"detail": "The database does not answer."}, 503, headers=again)
            response.headers.update(NO_STORE)
            return response

        return answer


def add_listening(app: Starlette, views: AdminViews) -> None:
    """Add the addresses for listeners to the gateway."""
    app.router.routes += Listening(views).routes()


async def _wishes(request: Request) -> dict[str, Any]:
    try:
        wishes = json.loads(await read_bounded(request, MAX_REQUEST))
    except (ValueError, RecursionError):
        wishes = None
    if not isinstance(wishes, dict) or not isinstance(wishes.get("who", ""), str):
        raise HTTPException(400, "The request is not as hookline listen sends it.")
    return wishes


def _since(wishes: dict[str, Any]) -> float | None:
    since = wishes.get("since")
    if since is None:
        return None
    if not isinstance(since, int | float) or not 0 <= since <= MAX_SECONDS:
        raise HTTPException(400, "`since` is no number of seconds.")
    return float(since)


def _number(request: Request, name: str, maximum: float) -> float:
    try:
        number = float(request.query_params.get(name, ""))
    except ValueError:
        number = -1
    if not 0 <= number <= maximum:
        raise HTTPException(400, f"`{name}` is not a number that is possible.")
    return number


def _id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise HTTPException(404, "There is no such thing.") from None


def _masked(values: dict[str, str]) -> dict[str, str]:
    """Return headers or a query; their secrets are redacted where they are stored, and this is the second look."""
    return {name: mask(value) for name, value in values.items()}
