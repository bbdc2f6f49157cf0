"""
A reverse proxy: the Prefect UI and API under the gateway's own address, for people who have logged in (docs/adr/0027).

Prefect itself listens on this machine only, and asks for a log-in that no person needs to know: it is added here.
The browser's cookies and its own `Authorization` are not passed on. What a person's role allows of Prefect's API says
`prefect_access`; what was judged is what is passed on, in one spelling.
"""

import asyncio
import base64
import json
import logging
import re
from collections.abc import Mapping
from contextlib import suppress
from typing import Self
from urllib.parse import quote

import httpx
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response, StreamingResponse
from starlette.websockets import WebSocket, WebSocketDisconnect
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, WebSocketException

from hookline import runtime
from hookline.database import CONNECTION_ERRORS
from hookline.gateway import prefect_access
from hookline.gateway.browsers import HARMLESS
from hookline.gateway.endpoints import Endpoint, SocketEndpoint
from hookline.gateway.views.base import AdminViews, Refused, answering, read_bounded, require_role
from hookline.people import Role
from hookline.settings import PREFECT_PATH

logger = logging.getLogger(__name__)

API = f"{PREFECT_PATH}/api"
SETTINGS = f"{PREFECT_PATH}/ui-settings"
METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]
SUBPROTOCOL = "prefect"
MAX_BODY = 1_048_576
"""Bytes of a request: Prefect takes parameters of half a megabyte."""
MAX_MESSAGE = 1_048_576
ANSWER_SECONDS = 60
SESSION_POLL_SECONDS = 5.0
REFUSED = 1008

# fmt: off
REQUEST_HEADERS = frozenset({
    "accept", "accept-encoding", "accept-language", "content-type", "if-none-match", "if-modified-since", "range",
    "sec-fetch-dest", "sec-fetch-mode", "x-prefect-api-version",
})
RESPONSE_HEADERS = frozenset({
    "accept-ranges", "cache-control", "content-encoding", "content-length", "content-range", "content-type", "etag",
    "last-modified", "vary",
})
# fmt: on
_ODD = re.compile(r"[\x00-\x1f\x7f\\]")
UI_COOKIE = "prefect_ui_version"
# The drawing of a run (pixi.js) needs eval. Nothing may be fetched from elsewhere: Prefect's second UI asks its
# analytics vendor for settings even where PREFECT_SERVER_ANALYTICS_ENABLED is false.
POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; worker-src 'self' blob:; object-src 'none'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)


class PrefectProxy:
    """Passes requests on to Hookline's own Prefect server; within `async with`."""

    def __init__(self, views: AdminViews) -> None:
        self._views = views
        self._origin = views.settings.prefect_api_url.rstrip("/").removesuffix("/api")
        self._auth = runtime.prefect_auth(views.settings)
        basic = base64.b64encode(self._auth.encode()).decode()
        self._authorization = {"Authorization": f"Basic {basic}"}
        self._http = httpx.AsyncClient(
            base_url=self._origin, headers=self._authorization, trust_env=False, timeout=ANSWER_SECONDS
        )

    async def __aenter__(self) -> Self:
        """Return the proxy."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close its connections."""
        await self._http.aclose()

    async def answer(self, _views: AdminViews, request: Request) -> Response:
        """Pass a request on, and its answer back."""
        if request.scope["path"] == PREFECT_PATH:
            return RedirectResponse(f"{PREFECT_PATH}/", 303)
        try:
            if request.scope["path"] == SETTINGS:
                return await self._ui_settings()
            return await self._pass_on(request)
        except httpx.HTTPError as error:
            detail = f"The request to its server failed ({type(error).__name__}). Look at the log of `hookline up`."
            raise Refused(503, "Prefect does not answer", detail) from None

    async def _ui_settings(self) -> Response:
        """Answer the UI's first question: it finds the API here, and needs no log-in of its own."""
        answer = (await self._http.get(SETTINGS)).raise_for_status()
        return JSONResponse({**answer.json(), "api_url": API, "auth": None})

    async def _pass_on(self, request: Request) -> Response:
        forwarded = self._http.build_request(
            request.method,
            httpx.URL(path=_path_there(request), query=request.scope["query_string"]),
            headers=_headers_there(request),
            content=await self._permitted(request),
        )
        answer = await self._http.send(forwarded, stream=True)
        return StreamingResponse(
            answer.aiter_raw(),
            answer.status_code,
            headers=self._headers_here(request, answer),
            background=BackgroundTask(answer.aclose),
        )

    async def _permitted(self, request: Request) -> bytes:
        """Return the body to pass on; raises Refused where the person's role does not allow the request."""
        person, path = self._views.visit(request).person, request.scope["path"]
        body = await read_bounded(request, MAX_BODY)
        if path.startswith(f"{API}/") and not prefect_access.is_read(request.method, path.removeprefix(API)):
            # Prefect has no users: its trail cannot say who it was.
            logger.info("%s asks Prefect to %s %s", self._views.actor(request), request.method, path)
        if person.role.includes(Role.ADMIN):
            return body
        if not path.startswith(f"{API}/"):
            require_role(person, Role.LOOK if request.method in HARMLESS else Role.ADMIN)
            return b""
        try:
            content = prefect_access.as_json(body)
        except ValueError:
            raise Refused(400, "Not passed on", "The request's body is no JSON.") from None
        query = request.scope["query_string"].decode("latin-1")
        require_role(person, prefect_access.needed(request.method, path.removeprefix(API), query, content))
        return json.dumps(content).encode() if body else b""

    def _headers_here(self, request: Request, answer: httpx.Response) -> dict[str, str]:
        headers = {name: value for name, value in answer.headers.items() if name in RESPONSE_HEADERS}
        headers["content-security-policy"] = POLICY
        if "/assets/" in request.url.path and answer.is_success:
            headers["cache-control"] = "private, max-age=86400"  # their names change with what they hold
        if location := answer.headers.get("location"):
            path = location.removeprefix(self._origin)
            headers["location"] = f"{PREFECT_PATH}{path}" if path.startswith("/api/") else path
        return headers

    async def socket(self, browser: WebSocket) -> None:
        """Join a websocket of the browser to one of Prefect's, for as long as the session lasts."""
        if not await self._may_connect(browser):
            await browser.close(REFUSED)
            return
        try:
            url = self._origin.replace("http", "ws", 1) + _path_there(browser)
        except Refused:
            await browser.close(REFUSED)
            return
        query = browser.scope["query_string"].decode("latin-1")
        try:
            async with connect(
                f"{url}?{query}" if query else url,
                subprotocols=[SUBPROTOCOL],  # type: ignore[list-item]  # a str by another name
                additional_headers=self._authorization,
                max_size=MAX_MESSAGE,
                proxy=None,
            ) as prefect:
                await browser.accept(subprotocol=SUBPROTOCOL)
                await self._join(browser, prefect)
        except (OSError, TimeoutError, WebSocketException):
            with suppress(RuntimeError, WebSocketDisconnect):  # the browser has gone
                await browser.close(1013, "Prefect does not answer")

    async def _may_connect(self, browser: WebSocket) -> bool:
        origins = self._views.origins
        if not origins.knows_host(browser.headers) or not origins.may_connect(browser.headers):
            return False
        offered = browser.scope.get("subprotocols", [])
        return SUBPROTOCOL in offered and await self._may_stay(browser)

    async def _may_stay(self, browser: WebSocket) -> bool:
        """Return True for a person whose role allows the websocket, at this moment."""
        try:
            visit = await self._views.identify(browser)
        except (Refused, *CONNECTION_ERRORS):
            return False
        needed = prefect_access.needed_by_socket(browser.scope["path"].removeprefix(API))
        return visit is not None and visit.person.role.includes(needed)

    async def _join(self, browser: WebSocket, prefect: ClientConnection) -> None:
        """Pass messages on in both directions until one side ends, or the session."""
        parts = [self._to_prefect(browser, prefect), _to_browser(prefect, browser), self._while_open(browser)]
        tasks = [asyncio.create_task(part) for part in parts]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        with suppress(RuntimeError, WebSocketDisconnect):
            await browser.close(prefect.close_code or 1000)

    async def _to_prefect(self, browser: WebSocket, prefect: ClientConnection) -> None:
        with suppress(WebSocketDisconnect, ConnectionClosed, KeyError):
            await prefect.send(_with_token(await browser.receive_text(), self._auth))
            while True:
                await prefect.send(await browser.receive_text())

    async def _while_open(self, browser: WebSocket) -> None:
        while await self._may_stay(browser):
            await asyncio.sleep(SESSION_POLL_SECONDS)


def add_prefect(app: Starlette, views: AdminViews) -> PrefectProxy:
    """Add the Prefect UI and API to the gateway, below `/prefect`; the returned proxy is open while the gateway is."""
    proxy = PrefectProxy(views)
    show = answering(views, Role.LOOK, proxy.answer)
    app.router.routes += [
        Endpoint(PREFECT_PATH, show, needs=Role.LOOK),
        Endpoint(PREFECT_PATH + "/{path:path}", show, needs=Role.LOOK, methods=METHODS),
        SocketEndpoint(PREFECT_PATH + "/{path:path}", proxy.socket, needs=Role.LOOK),
    ]
    return proxy


async def _to_browser(prefect: ClientConnection, browser: WebSocket) -> None:
    with suppress(WebSocketDisconnect, ConnectionClosed, RuntimeError):
        async for message in prefect:
            await browser.send_text(message if isinstance(message, str) else message.decode())


def _with_token(first: str, auth: str) -> str:
    """Return the first message of a websocket; one that logs in gets Prefect's own log-in."""
    with suppress(ValueError):
        message = json.loads(first)
        if isinstance(message, dict) and message.get("type") == "auth":
            return json.dumps({"type": "auth", "token": auth})
    return first


def _path_there(request: Request | WebSocket) -> str:
    """
    Return the path at Prefect, where the API is at another place, in the one spelling of what was judged.

    A path that a server or a library may take for another one is refused: with `..`, an empty part, a backslash.
    """
    path: str = request.scope["path"]
    parts = path.removesuffix("/").split("/")[1:]
    if any(part in {"", ".", ".."} or _ODD.search(part) for part in parts):
        raise Refused(400, "Not passed on", "Prefect has no such address.")
    return quote(
        path.removeprefix(PREFECT_PATH) if path.startswith(f"{API}/") else path, safe="/:@!$&'()*+,;=~"
    )


def _headers_there(request: Request) -> Mapping[str, str]:
    headers = {name: value for name, value in request.headers.items() if name in REQUEST_HEADERS}
    version = request.cookies.get(UI_COOKIE)
    return headers | ({"cookie": f"{UI_COOKIE}={version}"} if version in {"v1", "v2"} else {})
