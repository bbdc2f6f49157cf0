"""`/hooks/{source}`: verify the raw bytes, store them, answer."""

import asyncio
import logging
import time
from collections.abc import Callable
from functools import partial

import asyncpg
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from hookline import tracing
from hookline.database import is_connection_error
from hookline.gateway.body_reader import Reader
from hookline.gateway.fetching import KEPT_SECONDS, Fetcher, NotFetched, NotThere
from hookline.gateway.handshakes import NO_PAGE, NotVerified, Reply
from hookline.gateway.incoming import IncomingRequest, resolve_request
from hookline.gateway.intake import Intake, RequestData, arrival_of, request_data
from hookline.gateway.refusals import Refusals
from hookline.gateway.request_parsing import (
    CHECK_HEADER,
    IncompleteBody,
    InFlight,
    Rejection,
    read_body,
    retry_later,
)
from hookline.gateway.writer import Writer
from hookline.health import metrics
from hookline.health.pressure import Pressure
from hookline.hooks import Hooks
from hookline.inbox.deliveries import Receipt
from hookline.peers import Attempts, network
from hookline.settings import Settings
from hookline.text import one_line

logger = logging.getLogger(__name__)

NO_CONTENT = 204
LONG = 262_144
"""Bytes; a signature over more is verified in a thread, so that no other request waits."""
UNSTORABLE = (asyncpg.DataError, asyncpg.ProgramLimitExceededError, ValueError, OverflowError)
"""The errors of PostgreSQL and its driver for a value that they can never store."""
MB = 1_048_576


class Receiver:
    """The receiver for every source of `hooks.yaml`; plain ASGI, for a framework would cost more than its work."""

    def __init__(self, settings: Settings, hooks: Hooks, pressure: Pressure) -> None:
        self._settings = settings
        self._hooks = hooks
        self._pressure = pressure
        self._writer = Writer(settings)
        self._attempts = Attempts(settings.max_failed_auth)
        self.refusals = Refusals(settings)
        self.reader = Reader(hooks.sources)
        self.fetcher = Fetcher()
        self._unverified, self._verified = InFlight(), InFlight()
        self.fit()

    def fit(self) -> None:
        """Set the limits of memory by the longest body that a source may send."""
        sources = self._hooks.sources
        self.reader.fit(sources)
        longest = max((source.max_body for source in sources.values()), default=0)
        maximum = max(self._settings.max_unproven_mb * MB, 2 * longest)
        self._unverified.resize(maximum, max(maximum // 4, longest))
        self._verified.resize(maximum, maximum // 2)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; 2xx only for a delivery that is on disk, and for handshakes."""
        started = time.perf_counter()
        incoming = resolve_request(self._hooks, self._settings, scope)
        try:
            response = await self._answer(incoming, receive)
        except Rejection as rejection:
            response = rejection.response
            if incoming is not None:
                self.refusals.note(incoming, rejection)
        name = scope["path_params"]["source"]
        known = name if name in self._hooks.sources else "unknown"
        metrics.REQUESTS.labels(known, response.status_code).inc()
        if response.status_code < 300:  # noqa: PLR2004  (HTTP)
            metrics.ACK_SECONDS.labels(known).observe(time.perf_counter() - started)
        await response(scope, receive, send)

    async def _answer(self, incoming: IncomingRequest | None, receive: Receive) -> Response:
        if incoming is None:
            raise _not_found()
        try:
            if reply := await self._reply_unverified(incoming):
                return _handshake_response(reply)
            if not incoming.can_authenticate:
                raise _not_found()
            if incoming.source.auth_scheme.reads_body:
                body = await self._verified_body(incoming, receive)
                with self._verified.reserving(incoming.name) as reserve:
                    reserve(len(body))
                    return await self._process(incoming, body)
            await self._require_verified(incoming)
            with self._verified.reserving(incoming.name) as reserve:
                return await self._process(incoming, await self._body(incoming, receive, reserve))
        except NotVerified:
            raise self._unauthorized(incoming) from None

    async def _reply_unverified(self, incoming: IncomingRequest) -> Reply | None:
        """Return the reply to a handshake that needs no verified sender."""
        if not any(
            not each.verified and each.method == incoming.method for each in incoming.source.handshakes
        ):
            return None
        return await self.reader.reply_unverified(incoming.name, self._data(incoming, b""))

    async def _verified_body(self, incoming: IncomingRequest, receive: Receive) -> bytes:
        """Return the body of a request that is signed over it; raises NotVerified or Rejection."""
        self._require_attempts_left(incoming)  # a wrong secret that needs no body costs nothing to refuse
        with self._unverified.reserving(network(incoming.peer)) as reserve:
            try:
                body = await self._body(incoming, receive, reserve)
            except IncompleteBody:
                self._count_failure(incoming)
                raise
            await self._require_verified(incoming, body)
        return body

    async def _require_verified(self, incoming: IncomingRequest, body: bytes = b"") -> None:
        """Raise NotVerified unless the sender has authenticated, Rejection where that cannot be told now."""
        address = await _address_of(incoming, body)
        question = incoming.question(body) if address else None
        document = await self._fetched(incoming, address, question) if address else None
        if await _is_verified(incoming, body, document):
            return
        if address and self.fetcher.is_renewable(address, question):  # it may sign with another key by now
            document = await self._fetched(incoming, address, question, newer_than=0)
            if await _is_verified(incoming, body, document):
                return
        raise NotVerified

    async def _fetched(
        self,
        incoming: IncomingRequest,
        address: str,
        question: bytes | None,
        *,
        newer_than: float = KEPT_SECONDS,
    ) -> bytes | None:
        """Return what verifies a request; None if it is not there; raises Rejection where it cannot be fetched now."""
        try:
            return await self.fetcher.document(address, question, newer_than=newer_than, source=incoming.name)
        except NotThere as error:
            logger.warning("%s does not verify %s: %s", address, incoming.name, error)
            return None
        except NotFetched as error:
            logger.warning("cannot fetch %s, which verifies %s: %s", address, incoming.name, error)
            raise retry_later("Cannot fetch now what verifies this; send it again.") from None

    async def _body(
        self, incoming: IncomingRequest, receive: Receive, reserve: Callable[[int], None]
    ) -> bytes:
        if self._pressure.reason:
            raise retry_later()
        return await read_body(
            receive,
            incoming.headers,
            limit=incoming.source.max_body,
            seconds=self._settings.send_seconds,
            reserve=reserve,
        )

    async def _process(self, incoming: IncomingRequest, body: bytes) -> Response:
        """Answer a handshake or a question, or store a delivery."""
        if CHECK_HEADER in incoming.headers:
            return Response(status_code=NO_CONTENT)
        intake = await self.reader.read(incoming.name, self._data(incoming, body))
        if intake.reply:
            return _handshake_response(intake.reply)
        return await self._store(incoming, body, intake)

    def _data(self, incoming: IncomingRequest, body: bytes) -> RequestData:
        return request_data(incoming, body, self._settings.body_keys)

    async def _store(self, incoming: IncomingRequest, body: bytes, intake: Intake) -> Response:
        # Only here: its sender is proven, so a trace that it began goes on.
        parent = tracing.sent(incoming.headers)
        with tracing.span(
            f"receive {incoming.name}", "server", parent=parent, began=incoming.began, source=incoming.name
        ) as note:
            try:
                with tracing.span("store"):
                    receipt = await self._writer.store(arrival_of(incoming, body, intake))
            except Exception as error:  # noqa: BLE001  (whatever it is, the sender waits for an answer)
                raise _not_stored(incoming, error) from None
            note(delivery=receipt.id, duplicate=receipt.duplicate)
        logger.info(
            "delivery %s from %s%s",
            receipt.id,
            incoming.name,
            " came again" if receipt.duplicate else "",
            extra={"delivery": str(receipt.id), "source": incoming.name},
        )
        return _accepted(incoming, receipt)

    def _unauthorized(self, incoming: IncomingRequest) -> Rejection:
        metrics.NOT_VERIFIED.labels(incoming.name).inc()
        self._require_attempts_left(incoming)
        self._count_failure(incoming)
        return Rejection(401, "Unauthorized")

    def _count_failure(self, incoming: IncomingRequest) -> None:
        if self._attempts.count_failure(incoming.peer, time.monotonic(), at=incoming.name):
            logger.warning(
                "%s has failed to authenticate %d times at %s in a minute and is answered 429 there until it is over; "
                "if it is a proxy, name it in HOOKLINE_TRUSTED_PROXIES",
                incoming.peer,
                self._attempts.maximum,
                incoming.name,
                extra={"source": incoming.name},
            )

    def _require_attempts_left(self, incoming: IncomingRequest) -> None:
        """Raise Rejection where the peer failed too often at this source in this minute."""
        if seconds := self._attempts.seconds_to_wait(incoming.peer, time.monotonic(), at=incoming.name):
            raise Rejection(429, "Too many failed attempts.", {"Retry-After": str(seconds)})


async def _address_of(incoming: IncomingRequest, body: bytes) -> str | None:
    find = partial(incoming.source.auth_scheme.address_of, incoming.signed(body))
    return await asyncio.to_thread(find) if len(body) > LONG else find()


async def _is_verified(incoming: IncomingRequest, body: bytes, document: bytes | None) -> bool:
    if len(body) > LONG:
        return await asyncio.to_thread(incoming.verify, body, document)
    return incoming.verify(body, document)


def _handshake_response(reply: Reply) -> Response:
    headers = {**reply.headers, **NO_PAGE}
    return Response(reply.text, reply.status, headers, reply.content_type)


def _not_stored(incoming: IncomingRequest, error: Exception) -> Rejection:
    """Return the answer where the database did not store a delivery: 503 unless it never will."""
    if is_connection_error(error):
        logger.warning(
            "cannot store a delivery of %s: %s", incoming.name, str(error) or "the database does not answer"
        )
        return retry_later()
    if isinstance(error, UNSTORABLE):
        return Rejection(400, f"The database cannot store this: {one_line(error, 200)}.")
    logger.error("cannot store a delivery of %s", incoming.name, exc_info=error)
    return retry_later()


def _accepted(incoming: IncomingRequest, receipt: Receipt) -> Response:
    """Return the answer to a delivery that is on disk: the standard one, or the source's own."""
    declared = incoming.source.response
    status = declared.status or (200 if receipt.duplicate else 202)
    if status == NO_CONTENT:
        return Response(status_code=status)
    if declared.body is not None:
        return Response(declared.body, status, media_type=declared.content_type)
    return JSONResponse({"id": str(receipt.id), "duplicate": receipt.duplicate}, status)


def _not_found() -> Rejection:
    """Return the same answer for everything that does not exist."""
    return Rejection(404, "Not Found")
