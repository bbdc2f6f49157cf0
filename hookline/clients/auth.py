"""
Keys and log-ins.

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

from hookline.clients.errors import NotAllowed, NotAuthenticated, Refused, VendorError
from hookline.clients.operation import Operation
from hookline.errors import ConfigurationError


@dataclass(slots=True)
class Exchange:
    """One call on its way; rides on the request so that auth and transport know what is being sent."""

    operation: Operation[..., Any]
    base_url: str
    began: bool = False  # its bytes, not those of a log-in, have begun to leave

    @classmethod
    def of(cls, request: httpx.Request) -> "Exchange | None":
        """The exchange a request belongs to; None for the log-in requests in between."""
        found = request.extensions.get("hookline")
        return found if isinstance(found, cls) else None

    async def trace(self, event: str, _info: dict[str, Any]) -> None:
        """Called by httpcore at each step."""
        self.began = self.began or event.endswith("send_request_headers.started")


class VendorAuth(httpx.Auth):
    """What every vendor's credentials have in common."""

    def stored_secrets(self) -> list[str]:
        """The secrets among the credentials themselves."""
        return [value.get_secret_value() for value in vars(self).values() if isinstance(value, SecretStr)]

    def secrets(self, _base_url: str) -> list[str]:
        """Every value that must not be shown."""
        return self.stored_secrets()

    def permit(self, operation: Operation[..., Any]) -> None:
        """Raise `NotAllowed` for an operation these credentials are known not to open."""


class HeaderKey(VendorAuth):
    """A key sent in the `Authorization` header of each call, without a session."""

    scheme: ClassVar[str] = "Bearer"

    def __init__(self, api_key: SecretStr) -> None:
        self.api_key = sendable("API key", api_key)

    def credentials(self) -> str:
        """What follows the scheme."""
        return self.api_key.get_secret_value()

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        """Add the key."""
        request.headers["Authorization"] = f"{self.scheme} {self.credentials()}"
        yield request


@dataclass(slots=True)
class Session:
    """What is known of one account's log-in."""

    token: str = ""
    base_url: str = ""  # where the vendor wants later calls, if it said
    since: float = 0.0
    ends: float = 0.0
    idle: float = 0.0  # seconds it lives on after an answered call, where sessions end by idleness
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    tokens: deque[str] = field(default_factory=lambda: deque(maxlen=8))  # kept to be masked
    refusal: VendorError | None = None
    refused_at: float = 0.0

    def usable(self) -> bool:
        """Whether calls may go out with the token we have."""
        return bool(self.token) and time.monotonic() < self.ends

    def open(self, token: str, *, seconds: float, base_url: str = "", sliding: bool = False) -> None:
        """Use this token for so many seconds; with `sliding`, for so many after each answered call."""
        self.token, self.base_url, self.since = token, base_url, time.monotonic()
        self.ends, self.idle = self.since + seconds, seconds if sliding else 0.0
        self.tokens.append(token)

    def answered(self, token: str, sent: float) -> None:
        """A call sent then with this token was answered: a session that ends by idleness lives on."""
        if self.token == token:
            self.ends = max(self.ends, sent + self.idle)

    def forget(self, token: str) -> None:
        """Log in again before the next call, unless somebody already has."""
        if self.token == token:
            self.token = ""


_sessions: "WeakKeyDictionary[asyncio.AbstractEventLoop, dict[Hashable, Session]]" = WeakKeyDictionary()


class SessionAuth(VendorAuth):
    """
    Credentials that are traded for a session before the first call.

    A call that the vendor refuses because the session has ended did nothing: log in again, once, and repeat
    that call, once.
    """

    fresh_is_alive: ClassVar[bool] = False
    """Whether a refusal that may mean either is no end of a session opened since the call began."""

    def session(self, base_url: str) -> Session:
        """The session shared by everybody with these credentials at this address, in this event loop."""
        credentials = tuple(
            value.get_secret_value() if isinstance(value, SecretStr) else value
            for value in vars(self).values()
        )
        known = _sessions.setdefault(asyncio.get_running_loop(), {})
        return known.setdefault((type(self), base_url, credentials), Session())

    def secrets(self, base_url: str) -> list[str]:
        """Every value that must not be shown."""
        return [*super().secrets(base_url), *self.session(base_url).tokens]

    def introduced(self, request: httpx.Request) -> httpx.Request:
        """A log-in request with what the vendor wants beside the credentials."""
        return request

    def log_in(self, base_url: str) -> httpx.Request:
        """The request that opens a session."""
        raise NotImplementedError

    def opened(self, base_url: str, answer: httpx.Response, session: Session) -> None:
        """Read the answer of `log_in` into the session, or raise a `VendorError`."""
        raise NotImplementedError

    def signed(self, request: httpx.Request, session: Session) -> httpx.Request:
        """The request with the session's token."""
        raise NotImplementedError

    def ended(self, answer: httpx.Response) -> bool:
        """Whether the vendor says that the session has ended (and has done nothing)."""
        raise NotImplementedError

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        """Log in if need be, send, and once more if the session turns out to have ended."""
        exchange = Exchange.of(request)
        if exchange is None or exchange.operation.session == "opens":
            yield self.introduced(request)
            return
        session = self.session(exchange.base_url)
        started = time.monotonic()
        for _ in range(2):
            asked = time.monotonic()
            if not session.usable():
                async with session.lock:
                    if not session.usable():
                        _raise_shared_refusal(session, asked)
                        answer = yield self.introduced(self.log_in(exchange.base_url))
                        await answer.aread()
                        with _remembered_refusal(session):
                            self.opened(exchange.base_url, answer, session)
            token, sent = session.token, time.monotonic()
            alive = self.fresh_is_alive and session.since >= started
            answer = yield self.signed(request, session)
            await answer.aread()
            ended = self.ended(answer) and not alive
            if not ended:
                session.answered(token, sent)
            if ended or exchange.operation.session == "ends":
                session.forget(token)
            if not ended:
                return
            exchange.began = False


def _raise_shared_refusal(session: Session, asked: float) -> None:
    """Raise the refusal of a log-in that was tried while we waited: asking again could lock the account."""
    if session.refusal is not None and session.refused_at >= asked:
        raise copy.copy(session.refusal)


@contextmanager
def _remembered_refusal(session: Session) -> Iterator[None]:
    """Keep a refused log-in for those who wait behind it."""
    try:
        yield
    except (NotAuthenticated, NotAllowed, Refused) as error:
        session.refusal, session.refused_at = copy.copy(error), time.monotonic()  # without its frames
        raise


def sendable(what: str, secret: SecretStr) -> SecretStr:
    """The secret, if it can stand in a header; otherwise `ConfigurationError`, which does not show it."""
    if not is_sendable(secret.get_secret_value()):
        raise ConfigurationError(
            f"The {what} is empty or holds a character that cannot be sent. Set it again."
        )
    return secret


def is_sendable(value: str) -> bool:
    """Whether a key or token can stand in a header."""
    return bool(value) and value.isascii() and value.isprintable() and " " not in value
