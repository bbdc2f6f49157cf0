"""
Authentication: API keys, and sessions opened by a log-in.

A log-in request is yielded inside the `httpx.Auth` flow, so there is one way to the network. Sessions are
shared by every client of the process (one event loop) with the same vendor, address and account: making a
client costs no log-in, and an expired session is renewed once however many calls notice.
"""

import asyncio
import copy
import time
from collections import deque
from collections.abc import AsyncGenerator, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, ClassVar
from weakref import WeakKeyDictionary

import httpx
from pydantic import SecretStr

from hookline import context
from hookline.clients.errors import NotAllowed, NotAuthenticated, Refused, VendorError
from hookline.clients.operation import Operation
from hookline.errors import ConfigurationError


@dataclass(slots=True)
class Exchange:
    """A call in progress, attached to its request so that auth and transport know the operation."""

    operation: Operation[..., Any]
    base_url: str
    sending: bool = False  # the bytes of the call, not those of a log-in, have begun to leave

    @classmethod
    def of(cls, request: httpx.Request) -> "Exchange | None":
        """Return the exchange of a request; None for the log-in requests in between."""
        exchange = request.extensions.get("hookline")
        return exchange if isinstance(exchange, cls) else None

    async def trace(self, event: str, _info: dict[str, Any]) -> None:
        """
        Note that the request begins to leave; httpcore calls this at each step.

        Raises:
            NotSent: it must not leave.
        """
        if event.endswith("send_request_headers.started"):
            await context.leaving()
            self.sending = True


class VendorAuth(httpx.Auth):
    """The credentials of a vendor's account."""

    def stored_secrets(self) -> list[str]:
        """Return the secrets among the credentials themselves."""
        return [value.get_secret_value() for value in vars(self).values() if isinstance(value, SecretStr)]

    def secrets(self, _base_url: str) -> list[str]:
        """Return every value that must not be shown."""
        return self.stored_secrets()

    def permit(self, operation: Operation[..., Any]) -> None:
        """Raise `NotAllowed` for an operation these credentials are known not to open."""


class HeaderKey(VendorAuth):
    """A key sent in the `Authorization` header of each call, without a session."""

    scheme: ClassVar[str] = "Bearer"

    def __init__(self, api_key: SecretStr) -> None:
        self.api_key = sendable("API key", api_key)

    def credentials(self) -> str:
        """Return the header's text after the scheme."""
        return self.api_key.get_secret_value()

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        """Send the request with the key."""
        request.headers["Authorization"] = f"{self.scheme} {self.credentials()}"
        yield request


@dataclass(slots=True)
class Session:
    """The session of one account."""

    token: str = ""
    base_url: str = ""  # the vendor's address for later calls, if it named one
    since: float = 0.0
    ends: float = 0.0
    idle: float = 0.0  # seconds it lives on after an answered call, where sessions end by idleness
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    tokens: deque[str] = field(default_factory=lambda: deque(maxlen=8))  # so that they can be masked
    refusal: VendorError | None = None
    refused_at: float = 0.0

    def usable(self) -> bool:
        """Return True if calls may be sent with the current token."""
        return bool(self.token) and time.monotonic() < self.ends

    def open(self, token: str, *, seconds: float, base_url: str = "", sliding: bool = False) -> None:
        """Use this token for so many seconds; with `sliding`, for so many after each answered call."""
        self.token, self.base_url, self.since = token, base_url, time.monotonic()
        self.ends, self.idle = self.since + seconds, seconds if sliding else 0.0
        self.tokens.append(token)

    def extend(self, token: str, sent: float) -> None:
        """Prolong a session that ends by idleness: a call sent then with this token was answered."""
        if self.token == token:
            self.ends = max(self.ends, sent + self.idle)

    def expire(self, token: str) -> None:
        """Make the next call log in again, unless another call already has."""
        if self.token == token:
            self.token = ""


_sessions: "WeakKeyDictionary[asyncio.AbstractEventLoop, dict[Hashable, Session]]" = WeakKeyDictionary()


class SessionAuth(VendorAuth):
    """
    Credentials that are exchanged for a session before the first call.

    A call that the vendor refuses because the session has ended did nothing: it is repeated once after a new
    log-in.
    """

    fresh_is_alive: ClassVar[bool] = False
    """True where a refusal cannot mean an ended session if that session was opened after the call began."""

    def session(self, base_url: str) -> Session:
        """Return the session shared by all clients with these credentials at this address, in this event loop."""
        credentials = tuple(
            value.get_secret_value() if isinstance(value, SecretStr) else value
            for value in vars(self).values()
        )
        known = _sessions.setdefault(asyncio.get_running_loop(), {})
        return known.setdefault((type(self), base_url, credentials), Session())

    def secrets(self, base_url: str) -> list[str]:
        """Return every value that must not be shown."""
        return [*super().secrets(base_url), *self.session(base_url).tokens]

    def prepare_login(self, request: httpx.Request) -> httpx.Request:
        """Return the log-in request, with the headers or form that this vendor needs."""
        return request

    def login_request(self, base_url: str) -> httpx.Request:
        """Return the request that opens a session."""
        raise NotImplementedError

    def open_session(self, base_url: str, answer: httpx.Response, session: Session) -> None:
        """Read the answer of the log-in into the session, or raise a `VendorError`."""
        raise NotImplementedError

    def authenticate(self, request: httpx.Request, session: Session) -> httpx.Request:
        """Return the request with the session's token."""
        raise NotImplementedError

    def session_ended(self, answer: httpx.Response) -> bool:
        """Return True if the vendor refused the call, and did nothing, because the session has ended."""
        raise NotImplementedError

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        """Log in if necessary and send; log in and send again, once, if the session had ended."""
        exchange = Exchange.of(request)
        if exchange is None or exchange.operation.session == "opens":
            yield self.prepare_login(request)
            return
        session = self.session(exchange.base_url)
        started = time.monotonic()
        for _ in range(2):
            waiting_since = time.monotonic()
            if not session.usable():
                async with session.lock:
                    if not session.usable():
                        _raise_shared_refusal(session, waiting_since)
                        answer = yield self.prepare_login(self.login_request(exchange.base_url))
                        await answer.aread()
                        with _remembered_refusal(session):
                            self.open_session(exchange.base_url, answer, session)
            token, sent = session.token, time.monotonic()
            alive = self.fresh_is_alive and session.since >= started
            answer = yield self.authenticate(request, session)
            await answer.aread()
            ended = self.session_ended(answer) and not alive
            if not ended:
                session.extend(token, sent)
            if ended or exchange.operation.session == "ends":
                session.expire(token)
            if not ended:
                return
            exchange.sending = False


def _raise_shared_refusal(session: Session, waiting_since: float) -> None:
    """Raise the refusal of a log-in that another call made meanwhile: a second try could lock the account."""
    if session.refusal is not None and session.refused_at >= waiting_since:
        raise copy.copy(session.refusal)


@contextmanager
def _remembered_refusal(session: Session) -> Iterator[None]:
    """Store a refused log-in for the calls that wait for it."""
    try:
        yield
    except (NotAuthenticated, NotAllowed, Refused) as error:
        session.refusal, session.refused_at = copy.copy(error), time.monotonic()  # without its frames
        raise


def sendable(what: str, secret: SecretStr) -> SecretStr:
    """Return the secret if it can be sent in a header; raise `ConfigurationError`, without the secret, if not."""
    if not is_sendable(secret.get_secret_value()):
        raise ConfigurationError(
            f"The {what} is empty or holds a character that cannot be sent. Set it again."
        )
    return secret


def is_sendable(value: str) -> bool:
    """Return True if a key or token can be sent in a header."""
    return bool(value) and value.isascii() and value.isprintable() and " " not in value
