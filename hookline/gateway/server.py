"""How the gateway is served: uvicorn, with the limits that it lacks for whoever has not proved who they are."""

import asyncio
from typing import Any

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from hookline.gateway.reading import RETRY_AFTER
from hookline.settings import PREFECT_PATH, Settings

LONGEST_HEAD = 65_536
"""Bytes of a request's target and headers."""
MOST_HEADERS = 100
MAX_MESSAGE = 1_048_576
"""Bytes of a websocket's message; websockets are for whoever has logged in."""
IDLE_SECONDS = 5
"""Between two requests on one connection."""


class Limits(uvicorn.Config):
    """What uvicorn needs to know to serve the gateway."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        super().__init__(
            app,
            host=settings.gateway_host,
            port=settings.gateway_port,
            http=BoundedProtocol,
            ws="websockets-sansio",
            ws_max_size=MAX_MESSAGE,
            ws_per_message_deflate=False,
            lifespan="on",
            access_log=False,  # what is accepted is logged with its id; what is not must not fill the disk
            log_level="error",  # the same: a warning for each request that is no HTTP
            proxy_headers=False,  # hookline.gateway.peers knows whom to believe
            server_header=False,
            timeout_keep_alive=IDLE_SECONDS,
            timeout_graceful_shutdown=10,
        )
        self.send_seconds = settings.send_seconds
        self.max_connections = settings.max_connections


class BoundedProtocol(HttpToolsProtocol):
    """
    uvicorn's protocol with an end to everything.

    To the time for sending and for taking the answer, to the length of headers, to the number of connections.
    """

    config: Limits
    _in_head = False
    _head = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's
        """Begin to count the sender's seconds, or send it away when there are too many."""
        super().connection_made(transport)
        self._to_send, self._to_take = _Clock(transport), _Clock(transport)
        self._to_send.start(self.config.send_seconds)
        if len(self.connections) > self.config.max_connections:
            self._refuse("503 Service Unavailable", f"retry-after: {RETRY_AFTER}\r\n")

    def data_received(self, data: bytes) -> None:
        """Take bytes, but no endless head; whoever begins to send must come to an end."""
        if not self._to_send.runs:
            self._to_send.start(self.config.send_seconds)
        super().data_received(data)
        if self._in_head:
            self._head += len(data)
            if self._head > LONGEST_HEAD:
                self._refuse("431 Request Header Fields Too Large")

    def on_message_begin(self) -> None:
        """Begin to count the head's bytes."""
        super().on_message_begin()
        self._in_head, self._head = True, 0

    def on_headers_complete(self) -> None:
        """Let the application answer, unless the head is too long; the body has its own seconds."""
        self._in_head = False
        length = len(self.url) + sum(len(name) + len(value) for name, value in self.headers)
        if length > LONGEST_HEAD or len(self.headers) > MOST_HEADERS:
            self.app = too_large
        super().on_headers_complete()
        # The second more is the application's, to say what it thinks of a slow body.
        self._to_send.start(self.config.send_seconds + 1)

    def on_message_complete(self) -> None:
        """All is said; the application may take its time."""
        super().on_message_complete()
        self._to_send.stop()

    def handle_websocket_upgrade(self) -> None:
        """Hand the connection over: what follows is for the application to end."""
        self._to_send.stop()
        super().handle_websocket_upgrade()

    def _should_upgrade_to_ws(self) -> bool:
        return self.url.startswith(PREFECT_PATH.encode() + b"/")

    def pause_writing(self) -> None:
        """Count the seconds of a client that does not take its answer."""
        super().pause_writing()
        self._to_take.start(self.config.send_seconds)

    def resume_writing(self) -> None:
        """The client takes its answer."""
        super().resume_writing()
        self._to_take.stop()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        super().connection_lost(exc)
        self._to_send.stop()
        self._to_take.stop()

    def _refuse(self, status: str, more: str = "") -> None:
        answer = f"HTTP/1.1 {status}\r\n{more}content-length: 0\r\nconnection: close\r\n\r\n"
        self.transport.write(answer.encode())
        self.transport.close()


class _Clock:
    """Cuts a connection off when it has run down."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._handle: asyncio.TimerHandle | None = None

    @property
    def runs(self) -> bool:
        return self._handle is not None

    def start(self, seconds: float) -> None:
        self.stop()
        self._handle = asyncio.get_running_loop().call_later(seconds, self._transport.abort)

    def stop(self) -> None:
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None


async def too_large(scope: Any, receive: Any, send: Any) -> None:  # noqa: ARG001  (as ASGI calls it)
    """The application of a request whose head is too long."""
    headers = [(b"content-length", b"0"), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": 431, "headers": headers})
    await send({"type": "http.response.body", "body": b""})


def server(app: ASGIApp, settings: Settings) -> uvicorn.Server:
    """The gateway's server; `run` it, or `serve` it on sockets that are open already."""
    return uvicorn.Server(Limits(app, settings))
