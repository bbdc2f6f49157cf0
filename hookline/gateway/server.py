"""The HTTP server: uvicorn, with the limits that it lacks against senders that are not verified."""

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
"""Bytes of a request's target and headers; and of all else that comes without a byte of a body, such as trailers."""
MAX_HEADERS = 100
MAX_MESSAGE = 1_048_576
"""Bytes of a websocket's message; websockets are for people who have logged in."""
CHUNK_COST = 64
"""Bytes that a chunk is counted for, beside its own: each costs a call, however small it is."""
MAX_PIPELINED = 32
"""Requests on one connection that wait for the answer to the one before them."""
MAX_DISCARDED = 4_194_304
"""Bytes of a body that are thrown away after its request was answered: enough for most senders to read the answer."""
IDLE_SECONDS = 5
"""Between two requests on one connection."""
BEGUN_SECONDS = 1
"""At the end of the gateway: the time for the head of a request that a sender has begun, or is about to send."""


class Limits(uvicorn.Config):
    """The configuration of uvicorn for the gateway."""

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
            access_log=False,  # an accepted delivery is logged with its id; a refused one must not fill the disk
            log_level="error",  # the same: a warning for each request that is no HTTP
            proxy_headers=False,  # hookline.peers knows which proxies to trust
            server_header=False,
            timeout_keep_alive=IDLE_SECONDS,
            timeout_graceful_shutdown=10,
        )
        self.send_seconds = settings.send_seconds
        self.connections = Connections(settings)


class BoundedProtocol(HttpToolsProtocol):
    """
    uvicorn's protocol with a limit to everything.

    The time to send a request and to read the answer, the length of headers, trailers and framing, the requests that
    wait for one another, and the number of connections.
    """

    config: Limits
    _in_head = False
    _empty = 0
    """Bytes since the last one of a body, or since the last request was complete."""
    _framing = 0
    """The cost of chunks beyond the bytes that they brought."""
    _discarded = 0
    _ends = False

    @property
    def is_silent(self) -> bool:
        """Return True if no request waits for an answer."""
        return self.cycle is None or self.cycle.response_complete

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's
        """Start the sender's deadline; refuse the connection when there are too many."""
        super().connection_made(transport)
        self._send_deadline, self._read_deadline = _Deadline(transport), _Deadline(transport)
        self._send_deadline.start(self.config.send_seconds)
        if not self.config.connections.admit(self, self.client[0] if self.client else ""):
            self._refuse("503 Service Unavailable", f"retry-after: {RETRY_AFTER}\r\n")

    def data_received(self, data: bytes) -> None:
        """Read bytes, but no endless head, trailer or framing; a sender that begins must finish in time."""
        if not self._send_deadline.runs:
            self._send_deadline.start(self.config.send_seconds)
        self._empty += len(data)
        super().data_received(data)
        if self._empty > MAX_HEAD and not self.transport.is_closing():
            self._refuse("431 Request Header Fields Too Large")

    def on_message_begin(self) -> None:
        """Start to count the head's bytes; raises where too many requests wait, which ends the connection."""
        if len(self.pipeline) >= MAX_PIPELINED:
            raise httptools.HttpParserError("too many requests at once")
        super().on_message_begin()
        self._in_head = True
        self._framing = self._discarded = 0

    def on_header(self, name: bytes, value: bytes) -> None:
        """Add a header of the head; one that comes after a chunked body is only counted."""
        if self._in_head and len(self.headers) <= MAX_HEADERS:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Let the application answer, unless the head is too long; the body has its own seconds."""
        self._in_head = False
        length = len(self.url) + sum(len(name) + len(value) for name, value in self.headers)
        if length > MAX_HEAD or len(self.headers) > MAX_HEADERS:
            self.app = too_large
        super().on_headers_complete()
        if self._ends:
            self.cycle.keep_alive = False
        # One second more, so that the application can answer a slow body.
        self._send_deadline.start(self.config.send_seconds + 1)

    def on_chunk_header(self) -> None:
        """Count a chunk; raises where the body comes in too many small ones, which ends the connection."""
        self._framing += CHUNK_COST
        if self._framing > MAX_HEAD:
            raise httptools.HttpParserError("too many small chunks")

    def on_body(self, body: bytes) -> None:
        """Read bytes of the body; after the answer, discard a limited number of them."""
        self._empty = 0
        self._framing = max(0, self._framing - len(body))
        if self.is_silent:
            self._discarded += len(body)
            if self._discarded > MAX_DISCARDED:
                self.flow.pause_reading()  # the answer is on its way; the deadline ends the connection
                self._send_deadline.start(1)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Stop the deadline: the request is complete, and the application may take its time."""
        super().on_message_complete()
        self._empty = self._framing = 0
        self._send_deadline.stop()

    def handle_websocket_upgrade(self) -> None:
        """Leave the connection to the application: what follows is its to end."""
        self._send_deadline.stop()
        super().handle_websocket_upgrade()

    def _should_upgrade_to_ws(self) -> bool:
        return self.url.startswith(PREFECT_PATH.encode() + b"/")

    def shutdown(self) -> None:
        """End after the answer, also to a request that is on its way on a connection that was taken just now."""
        if self.is_silent and self._send_deadline.runs:
            self._ends = True
            self._send_deadline.start(BEGUN_SECONDS)
        else:
            super().shutdown()

    def pause_writing(self) -> None:
        """Start the deadline of a client that does not read its answer."""
        super().pause_writing()
        self._read_deadline.start(self.config.send_seconds)

    def resume_writing(self) -> None:
        """Stop the deadline: the client reads its answer."""
        super().resume_writing()
        self._read_deadline.stop()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        super().connection_lost(exc)
        self.config.connections.leave(self)
        self._send_deadline.stop()
        self._read_deadline.stop()

    def cut_off(self) -> None:
        """Close the connection at once."""
        self.transport.abort()

    def _refuse(self, status: str, more: str = "") -> None:
        answer = f"HTTP/1.1 {status}\r\n{more}content-length: 0\r\nconnection: close\r\n\r\n"
        self.transport.write(answer.encode())
        self.transport.close()


class Connections:
    """
    The open connections by peer address: limited in all, and for each address.

    One too many replaces the oldest silent one of the same peer: a peer that opens connections and sends nothing
    loses them, and keeps no other out. A trusted proxy speaks for many and may have them all.
    """

    def __init__(self, settings: Settings) -> None:
        self._max = settings.max_connections
        self._max_of_one = min(settings.max_address_connections, settings.max_connections)
        self._proxies = settings.trusted_proxies
        self._of_peer: dict[str, dict[BoundedProtocol, None]] = {}
        self._peer_of: dict[BoundedProtocol, str] = {}

    def admit(self, connection: "BoundedProtocol", address: str) -> bool:
        """Add a connection, and make room for it; return False where there is none."""
        peer = PROXIES if is_in(address, self._proxies) else network(address)
        self._peer_of[connection] = peer
        same_peer = self._of_peer.setdefault(peer, {})
        same_peer[connection] = None
        if peer != PROXIES and len(same_peer) > self._max_of_one:
            return self._make_room(same_peer, connection)
        if len(self._peer_of) > self._max:
            strangers = (group for peer, group in self._of_peer.items() if peer != PROXIES)
            return self._make_room(max(strangers, key=len, default={}), connection)
        return True

    def leave(self, connection: "BoundedProtocol") -> None:
        """Forget a connection, unless that was done already."""
        peer = self._peer_of.pop(connection, None)
        if peer is not None:
            del self._of_peer[peer][connection]
            if not self._of_peer[peer]:
                del self._of_peer[peer]

    def _make_room(self, group: dict["BoundedProtocol", None], newest: "BoundedProtocol") -> bool:
        silent = next((each for each in group if each is not newest and each.is_silent), None)
        if silent is None:
            return False
        self.leave(silent)
        silent.cut_off()
        return True


class _Deadline:
    """A timer that ends a connection."""

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
    """Answer 431: the application of a request whose head is too long."""
    headers = [(b"content-length", b"0"), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": 431, "headers": headers})
    await send({"type": "http.response.body", "body": b""})


def server(app: ASGIApp, settings: Settings) -> uvicorn.Server:
    """Return the gateway's server; `run` it, or `serve` it on sockets that are open already."""
    return uvicorn.Server(Limits(app, settings))
