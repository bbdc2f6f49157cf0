"""
Transport: the one way to the network, with connections, credentials, time limits, masking and errors.

Retries belong to the tasks. Only two are here, both of calls that did nothing: a short `Retry-After`, and one new
log-in (in `auth`).
"""

import asyncio
import logging
import ssl
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from datetime import UTC, datetime
from functools import cache
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any, ClassVar, Final, Protocol, Self, TypedDict, TypeVar, Unpack

import httpx

from hookline import tracing
from hookline.clients.answers import MAX_ANSWER_BYTES, AnswerTooLarge, clock_ahead, read_bounded
from hookline.clients.auth import Exchange, VendorAuth
from hookline.clients.errors import AnswerLost, UnexpectedAnswer, Unreachable, VendorError
from hookline.clients.models import Input
from hookline.clients.operation import Operation
from hookline.clients.redaction import in_vendor_call
from hookline.context import NotSent, calling, vendor_slot, waiting, waiting_for_next_attempt
from hookline.errors import ConfigurationError
from hookline.redaction import learn, redact
from hookline.rehearsal import doors
from hookline.timings import CALLS

logger = logging.getLogger(__name__)

T = TypeVar("T")

ANSWER_SECONDS: Final = 0.1
"""A call whose answer takes longer gives its slot in the engine back: the processor is free meanwhile."""
UNTOLD_SECONDS: Final = 5.0
"""The time after which the inbox says that an answer is waited for."""
SHORT_WAIT: Final = 2.0  # seconds of a `Retry-After` that are waited for here; the caller plans a longer wait
IDLE_SECONDS: Final = 2.0
"""
The time after which an idle shared connection is closed. Servers close theirs after 5 s or more: a request that is sent
at that moment is an `AnswerLost`, and a mail that nobody can look up.
"""

_NEVER_SENT = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
    httpx.LocalProtocolError,
)


class Watch(Protocol):
    """The watch over the health of an account."""

    @property
    def account(self) -> str:
        """Its name, such as `zentitle/default`."""

    async def before(self, operation: str) -> None:
        """Let a call begin; raise `VendorAway` where it should wait."""

    async def succeeded(self, operation: str) -> None:
        """Note that a call was answered."""

    async def failed(self, operation: str, error: VendorError) -> None:
        """Note that a call failed; raise `VendorAway` in place of the error where the account is away."""


_shared: ContextVar["SharedConnections | None"] = ContextVar("shared_connections", default=None)


class SharedConnections:
    """
    A store of idle connections: a client reuses those of an earlier one, without new TCP and TLS handshakes.

    Each client has its connections to itself: httpx looks at every connection of a pool before each request, so in one
    pool for all clients every open connection would slow down every call.
    """

    def __init__(self) -> None:
        self._idle: defaultdict[str, deque[tuple[float, httpx.AsyncClient]]] = defaultdict(deque)
        """The idle connections by address, each with the time since when; the latest is last."""
        self._ended = False

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        self._token = _shared.set(self)
        return self

    async def __aexit__(self, *_error: object) -> None:
        _shared.reset(self._token)
        self._ended = True
        for idle in self._idle.values():
            while idle:
                await idle.popleft()[1].aclose()

    @property
    def is_of_this_loop(self) -> bool:
        """True if its connections may be used here."""
        return self._loop is asyncio.get_running_loop()

    def acquire(self, base_url: str) -> httpx.AsyncClient:
        """Return connections to an address; `release` gives them back."""
        if idle := self._idle[base_url]:
            return idle.pop()[1]
        return new_pool(None, httpx.Limits(keepalive_expiry=IDLE_SECONDS))

    async def release(self, base_url: str, http: httpx.AsyncClient) -> None:
        """Store connections for the next client; close those that were idle for long."""
        if self._ended:
            await http.aclose()
            return
        idle, now = self._idle[base_url], time.monotonic()
        idle.append((now, http))
        while idle and now - idle[0][0] > IDLE_SECONDS:
            await idle.popleft()[1].aclose()


def _shared_here() -> SharedConnections | None:
    """Return the store of this event loop: connections of another, such as a flow in a thread has, are of no use."""
    shared = _shared.get()
    return shared if shared is not None and shared.is_of_this_loop else None


class Options(TypedDict, total=False):
    """What the clients of all vendors take alike; `VendorClient` says what each means."""

    limiter: Callable[[], AbstractAsyncContextManager[None]]
    timeout: float
    transport: httpx.AsyncBaseTransport | None
    watch: Watch | None


class VendorClient:
    """
    A vendor's operations over one connection pool; use it in `async with`.

    Making one is cheap: the TLS settings are made once a process; see also `SharedConnections`.

    Args:
        base_url: the vendor's address, with `https` unless it is on this machine or network.
        auth: the credentials.
        limiter: entered around each call, to keep within the limits of the vendor's account.
        timeout: seconds a call may take in all, log-in included; waiting for the limiter is not counted.
        connect_timeout: seconds to wait for a connection.
        transport: another way to the network, for tests.
        watch: asked before each call, and told of its end; None: a call is made whatever the health of the account.
    """

    vendor: ClassVar[str]
    reference: ClassVar[str]
    body_on_every_verb: ClassVar[bool] = False

    def __init__(
        self,
        base_url: str,
        auth: VendorAuth,
        *,
        limiter: Callable[[], AbstractAsyncContextManager[None]] = nullcontext,
        timeout: float = 30.0,
        connect_timeout: float = 5.0,
        transport: httpx.AsyncBaseTransport | None = None,
        watch: Watch | None = None,
    ) -> None:
        self.base_url = checked_address(base_url)
        self.auth = auth
        learn(auth.stored_secrets())
        self.limiter = limiter
        self.timeout = timeout
        self.connect_timeout = connect_timeout
        self.transport = transport
        self.watch = watch
        self.heard: Callable[[httpx.Response], None] | None = None
        """Told of each answer before it is read; for a probe."""
        self._vendor_date: tuple[str | None, datetime] | None = None
        self._http: httpx.AsyncClient | None = None
        self._shared: SharedConnections | None = None

    @classmethod
    def connect(cls, account: Any, **options: Unpack[Options]) -> Self:
        """Return a client for an account, by its settings; every vendor's client defines it."""
        raise NotImplementedError

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.base_url!r})"

    async def __aenter__(self) -> Self:
        self._shared = _shared_here() if self.transport is None else None
        self._http = self._shared.acquire(self.base_url) if self._shared else new_pool(self.transport)
        return self

    async def __aexit__(self, *_error: object) -> None:
        http, self._http = self._http, None
        if http is None:
            return
        if self._shared is None:
            await http.aclose()
        else:
            await self._shared.release(self.base_url, http)

    @property
    def clock_ahead(self) -> float | None:
        """Return the seconds by which the vendor's clock is ahead, by its latest answer; None if that had no date."""
        return None if self._vendor_date is None else clock_ahead(*self._vendor_date)

    @classmethod
    def decode(cls, operation: Operation[..., Any], response: httpx.Response) -> Any:
        """Return the JSON value of a good answer; raise a `VendorError` for any other."""
        raise NotImplementedError

    async def send(self, operation: Operation[..., T], inputs: Input) -> T:
        """
        Send one call and return its answer; wait once if the vendor asks for two seconds at most.

        Raises:
            VendorAway: the account is away; nothing was sent, or the answer was lost.
            VendorError: any other failure.
        """
        self.auth.permit(operation)
        if (rehearsal := doors.current()) is not None:
            answer: T = await rehearsal.answer(self, operation, inputs, self._send_watched)
            return answer
        return await self._send_watched(operation, inputs)

    async def _send_watched(self, operation: Operation[..., T], inputs: Input) -> T:
        if self.watch is None:
            return await self._send_patiently(operation, inputs)
        await self.watch.before(operation.name)
        try:
            answer = await self._send_patiently(operation, inputs)
        except VendorError as error:
            await self.watch.failed(operation.name, error)
            raise
        await self.watch.succeeded(operation.name)
        return answer

    async def _send_patiently(self, operation: Operation[..., T], inputs: Input) -> T:
        try:
            return await self._send_once(operation, inputs)
        except VendorError as error:
            if not _worth_a_short_wait(error):
                raise
            with waiting_for_next_attempt(error.retry_after or 0.0):
                await asyncio.sleep(error.retry_after or 0.0)
        return await self._send_once(operation, inputs)

    @property
    def account(self) -> str:
        """The name of its account, such as `zentitle/default`; "" of credentials that are not stored."""
        return self.watch.account if self.watch else ""

    def slot(self) -> AbstractAsyncContextManager[None]:
        """Hold the account's share of the engine's slots for several calls that belong together."""
        return vendor_slot(self.vendor, self.account or self.base_url)

    async def _send_once(self, operation: Operation[..., T], inputs: Input) -> T:
        request = operation.build(self.base_url, inputs)
        exchange = Exchange(operation, self.base_url)
        timeout = httpx.Timeout(self.timeout, connect=self.connect_timeout).as_dict()
        request.extensions |= {"hookline": exchange, "trace": exchange.trace, "timeout": timeout}
        try:
            async with self.slot(), self.limiter():
                if self.watch is not None:  # again: the wait for the slot may have been long
                    await self.watch.before(operation.name)
                response = await self._exchange(request, exchange)
            return operation.read(response)
        except VendorError as error:
            secrets = [*self.auth.secrets(self.base_url), *inputs.secrets()]
            error.hide(lambda text: redact(text, secrets))
            raise

    async def _exchange(self, request: httpx.Request, exchange: Exchange) -> httpx.Response:
        if self._http is None:
            raise RuntimeError(f"{type(self).__name__} is closed: open it with `async with`.")
        quiet = in_vendor_call.set(True)
        started = time.perf_counter()
        outcome = "stopped"
        calling()
        try:
            with self._span(request, exchange) as note:
                response = await self._answer(self._http, request, exchange)
                note(status=(status := response.status_code))
                if status >= httpx.codes.BAD_REQUEST:
                    note(error=status)
            outcome = str(status)
        except VendorError as error:
            outcome = type(error).__name__
            raise
        else:
            return response
        finally:
            in_vendor_call.reset(quiet)
            self._note_end(request, exchange, outcome, time.perf_counter() - started)

    @contextmanager
    def _span(self, request: httpx.Request, exchange: Exchange) -> Iterator[tracing.Note]:
        """Surround a call with its span, whose context goes with it where the settings say so."""
        operation, url = exchange.operation, request.url
        with tracing.span(
            f"{operation.vendor} {operation.declared}",
            "client",
            vendor=operation.vendor,
            account=self.account or None,
            operation=operation.declared,
            method=request.method,
            server=url.host,
            port=url.port,
        ) as note:
            if (context := tracing.for_vendor(self.vendor, self.account)) is not None:
                request.headers[tracing.HEADER] = context
            yield note

    async def _answer(
        self, http: httpx.AsyncClient, request: httpx.Request, exchange: Exchange
    ) -> httpx.Response:
        """Return the answer to a request, or raise the `VendorError` for there being none."""
        try:
            why = f"waits for an answer of {self.vendor}"
            with waiting(why, grace=ANSWER_SECONDS, untold=UNTOLD_SECONDS):
                async with asyncio.timeout(self.timeout):
                    response = await http.send(request, auth=self.auth)
            if self.heard is not None:
                self.heard(response)
            self._vendor_date = response.headers.get("date"), datetime.now(UTC)
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as failure:
            raise _error_for(failure, exchange) from None
        except NotSent as failure:
            raise exchange.operation.error(Unreachable, None, str(failure)) from failure
        return response

    def _note_end(self, request: httpx.Request, exchange: Exchange, outcome: str, seconds: float) -> None:
        operation = exchange.operation
        group = f"{outcome[0]}xx" if outcome.isdecimal() else outcome
        CALLS.observe(seconds, operation.vendor, operation.declared, group)
        self._log(request, exchange, outcome, seconds)

    def _log(self, request: httpx.Request, exchange: Exchange, outcome: str, seconds: float) -> None:
        if logger.isEnabledFor(logging.DEBUG):
            operation = exchange.operation
            call = f"{operation.vendor} {operation.name} {operation.verb}"
            address = redact(str(request.url), self.auth.secrets(self.base_url))
            logger.debug("%s %s: %s in %d ms", call, address, outcome, round(seconds * 1000))


def new_pool(
    transport: httpx.AsyncBaseTransport | None, limits: httpx.Limits | None = None
) -> httpx.AsyncClient:
    """Return a pool without cookies: a session cookie that a vendor sets beside a key would outlive the key."""
    return httpx.AsyncClient(
        verify=tls(),
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
        follow_redirects=False,
        transport=transport,
        limits=limits or httpx.Limits(),
        event_hooks={"response": [_read_answer]},
    )


async def _read_answer(response: httpx.Response) -> None:
    """Read each answer, also that of a log-in, up to the limit of its operation."""
    exchange = Exchange.of(response.request)
    await read_bounded(response, exchange.operation.max_bytes if exchange else MAX_ANSWER_BYTES)


def _error_for(failure: Exception, exchange: Exchange) -> VendorError:
    """Return the error for a network failure; it depends on whether our bytes had begun to leave."""
    operation = exchange.operation
    detail = f"{type(failure).__name__} {failure}".strip()
    if isinstance(failure, _NEVER_SENT) or _while_logging_in(failure):
        return operation.error(Unreachable, None, detail)
    if isinstance(failure, httpx.DecodingError):
        error = operation.error(UnexpectedAnswer, None, str(failure))
        error.transient = error.transient and not isinstance(failure, AnswerTooLarge)
        return error
    if isinstance(failure, TimeoutError | httpx.InvalidURL) and not exchange.sending:
        return operation.error(Unreachable, None, detail)
    return operation.error(AnswerLost, None, detail)


def _while_logging_in(failure: Exception) -> bool:
    try:
        request = failure.request if isinstance(failure, httpx.RequestError) else None
    except RuntimeError:  # httpx: it was never given one
        return False
    return request is not None and Exchange.of(request) is None


def _worth_a_short_wait(error: VendorError) -> bool:
    wait = error.retry_after
    return error.transient and not error.maybe_applied and wait is not None and wait <= SHORT_WAIT


@cache
def tls() -> ssl.SSLContext:
    """Return the TLS settings of this process, made once: making them takes longer than a call."""
    return httpx.create_ssl_context()


def checked_address(base_url: str) -> str:
    """Return the address without a slash at its end; raise `ConfigurationError` if calls cannot be built on it."""
    try:
        url = httpx.URL(base_url)
    except (httpx.InvalidURL, TypeError, ValueError):
        url = httpx.URL("")
    if url.scheme not in ("http", "https") or not url.host:
        raise ConfigurationError("A vendor's address must begin with https:// (or http://) and name a host.")
    if url.userinfo or url.query or url.fragment:
        raise ConfigurationError(
            "A vendor's address must not hold a user, password, question mark or number sign."
        )
    return base_url.rstrip("/")
