"""How the gateway is served: uvicorn, with the limits that it lacks for whoever has not proved who they are."""

import asyncio
from typing import Any

import httptools
import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from hookline.gateway.request_parsing import RETRY_AFTER
from hookline.peers import is_in, network
from hookline.settings import PREFECT_PATH, Settings

PROXIES = "proxies"
MAX_HEAD = 65_536
"""Bytes of a request's target and headers; and of whatever else comes without a byte of a body, such as trailers."""
MAX_HEADERS = 100
MAX_MESSAGE = 1_048_576
"""Bytes of a websocket's message; websockets are for whoever has logged in."""
COST_OF_A_CHUNK = 64
"""Bytes of framing that a chunk is counted as, beside its own: each costs a call, whatever it holds."""
MAX_PIPELINED = 32
"""Requests on one connection that wait for the answer to the one before them."""
MAX_UNWANTED = 4_194_304
"""Bytes of a body that are thrown away after its request was answered: enough for most senders to hear why."""
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
            proxy_headers=False,  # hookline.peers knows whom to believe
            server_header=False,
            timeout_keep_alive=IDLE_SECONDS,
            timeout_graceful_shutdown=10,
        )
        self.send_seconds = settings.send_seconds
        self.crowd = Crowd(settings)


class BoundedProtocol(HttpToolsProtocol):
    """
    uvicorn's protocol with an end to everything.

    To the time for sending and for taking the answer, to the length of headers, trailers and framing, to requests
    that wait for one another, to the number of connections.
    """

    config: Limits
    _in_head = False
    _empty = 0
    """Bytes since the last one of a body, or since the last request was complete."""
    _framing = 0
    """What chunks cost beyond the bytes that they brought."""
    _unwanted = 0

    @property
    def is_silent(self) -> bool:
        """Return True if nobody waits for an answer here."""
        return self.cycle is None or self.cycle.response_complete

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's
        """Begin to count the sender's seconds, or send it away when there are too many."""
        super().connection_made(transport)
        self._to_send, self._to_take = _Clock(transport), _Clock(transport)
        self._to_send.start(self.config.send_seconds)
        if not self.config.crowd.admit(self, self.client[0] if self.client else ""):
            self._refuse("503 Service Unavailable", f"retry-after: {RETRY_AFTER}\r\n")

    def data_received(self, data: bytes) -> None:
        """Take bytes, but no endless head, trailer or framing; whoever begins to send must come to an end."""
        if not self._to_send.runs:
            self._to_send.start(self.config.send_seconds)
        self._empty += len(data)
        super().data_received(data)
        if self._empty > MAX_HEAD and not self.transport.is_closing():
            self._refuse("431 Request Header Fields Too Large")

    def on_message_begin(self) -> None:
        """Begin to count the head's bytes; raises where too many requests wait, which ends the connection."""
        if len(self.pipeline) >= MAX_PIPELINED:
            raise httptools.HttpParserError("too many requests at once")
        super().on_message_begin()
        self._in_head = True
        self._framing = self._unwanted = 0

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header of the head; what comes after a chunked body is counted, and no header of the request."""
        if self._in_head and len(self.headers) <= MAX_HEADERS:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Let the application answer, unless the head is too long; the body has its own seconds."""
        self._in_head = False
        length = len(self.url) + sum(len(name) + len(value) for name, value in self.headers)
        if length > MAX_HEAD or len(self.headers) > MAX_HEADERS:
            self.app = too_large
        super().on_headers_complete()
        # The second more is the application's, to say what it thinks of a slow body.
        self._to_send.start(self.config.send_seconds + 1)

    def on_chunk_header(self) -> None:
        """Count a chunk; raises where the body comes in so many small ones, which ends the connection."""
        self._framing += COST_OF_A_CHUNK
        if self._framing > MAX_HEAD:
            raise httptools.HttpParserError("too many small chunks")

    def on_body(self, body: bytes) -> None:
        """Take bytes of the body; of one that nobody wants any more, only so many."""
        self._empty = 0
        self._framing = max(0, self._framing - len(body))
        if self.is_silent:
            self._unwanted += len(body)
            if self._unwanted > MAX_UNWANTED:
                self.flow.pause_reading()  # the answer is on its way; the clock cuts the connection off
                self._to_send.start(1)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """All is said; the application may take its time."""
        super().on_message_complete()
        self._empty = self._framing = 0
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
        self.config.crowd.leave(self)
        self._to_send.stop()
        self._to_take.stop()

    def cut_off(self) -> None:
        """End the connection at once."""
        self.transport.abort()

    def _refuse(self, status: str, more: str = "") -> None:
        answer = f"HTTP/1.1 {status}\r\n{more}content-length: 0\r\nconnection: close\r\n\r\n"
        self.transport.write(answer.encode())
        self.transport.close()


class Crowd:
    """
    The connections, by the address at their other end: so many in all, and so many of one address.

    One too many takes the place of a silent one of the same crowd, the longest there: whoever opens connections and
    says nothing loses them, and keeps nobody else out. A trusted proxy speaks for many and may have them all.
    """

    def __init__(self, settings: Settings) -> None:
        self._max = settings.max_connections
        self._max_of_one = min(settings.max_address_connections, settings.max_connections)
        self._proxies = settings.trusted_proxies
        self._of: dict[str, dict[BoundedProtocol, None]] = {}
        self._place: dict[BoundedProtocol, str] = {}

    def admit(self, connection: "BoundedProtocol", address: str) -> bool:
        """Count a connection in, and make room for it; False where there is none."""
        place = PROXIES if is_in(address, self._proxies) else network(address)
        self._place[connection] = place
        mine = self._of.setdefault(place, {})
        mine[connection] = None
        if place != PROXIES and len(mine) > self._max_of_one:
            return self._make_room(mine, connection)
        if len(self._place) > self._max:
            strangers = (crowd for place, crowd in self._of.items() if place != PROXIES)
            return self._make_room(max(strangers, key=len, default={}), connection)
        return True

    def leave(self, connection: "BoundedProtocol") -> None:
        """Forget a connection; one that was forgotten already is none."""
        place = self._place.pop(connection, None)
        if place is not None:
            del self._of[place][connection]
            if not self._of[place]:
                del self._of[place]

    def _make_room(self, crowd: dict["BoundedProtocol", None], newest: "BoundedProtocol") -> bool:
        silent = next((each for each in crowd if each is not newest and each.is_silent), None)
        if silent is None:
            return False
        self.leave(silent)
        silent.cut_off()
        return True


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
