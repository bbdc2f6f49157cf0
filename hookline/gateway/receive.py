"""`/hooks/{source}`: verify the raw bytes, put them on disk, answer."""

import asyncio
import logging
import time
from collections.abc import Callable

import asyncpg
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from hookline.database import is_connection_error
from hookline.gateway.body_reader import Reader
from hookline.gateway.handshakes import NO_GUESSING, NotProven, Reply
from hookline.gateway.incoming import IncomingRequest, resolve_request
from hookline.gateway.intake import Given, Intake, require_accepted
from hookline.gateway.refusals import Refusals
from hookline.gateway.request_parsing import (
    BrokenOff,
    InFlight,
    Rejection,
    come_again,
    read_body,
    require_plain,
)
from hookline.gateway.writer import Writer
from hookline.health import metrics
from hookline.health.pressure import Pressure
from hookline.hooks import Hooks
from hookline.inbox.deliveries import Arrival, Receipt
from hookline.peers import Attempts, network
from hookline.settings import Settings
from hookline.text import one_line

logger = logging.getLogger(__name__)

NO_CONTENT = 204
LONG = 262_144
"""Bytes; to check a signature over more would hold up the others, so a thread does it."""
UNKEEPABLE = (asyncpg.DataError, asyncpg.ProgramLimitExceededError, ValueError, OverflowError)
"""What PostgreSQL, or the way to it, says of a value that it cannot keep, however often it comes."""
MB = 1_048_576


class Receiver:
    """Receives for every source of `hooks.yaml`; an ASGI application, for its framework would cost more than it."""

    def __init__(self, settings: Settings, hooks: Hooks, pressure: Pressure) -> None:
        self._settings = settings
        self._hooks = hooks
        self._pressure = pressure
        self._writer = Writer(settings)
        self._attempts = Attempts(settings.max_failed_auth)
        self.refusals = Refusals(settings)
        self.reader = Reader(hooks.sources)
        self._unproven, self._proven = InFlight(), InFlight()
        self.fit()

    def fit(self) -> None:
        """Make room for the bodies that the sources may send, which may be others than before."""
        sources = self._hooks.sources
        self.reader.fit(sources)
        longest = max((source.max_body for source in sources.values()), default=0)
        most = max(self._settings.max_unproven_mb * MB, 2 * longest)
        self._unproven.resize(most, max(most // 4, longest))
        self._proven.resize(most, most // 2)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; 2xx only for what is on disk, and for handshakes."""
        started = time.perf_counter()
        incoming = resolve_request(self._hooks, self._settings.trusted_proxies, scope)
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
            raise _not_there()
        try:
            if reply := await self._greet(incoming):
                return _replied(reply)
            if not incoming.can_authenticate:
                raise _not_there()
            if incoming.source.auth_scheme.signs_body:
                body = await self._body_with_proof(incoming, receive)
                with self._proven.held(incoming.name) as more:
                    more(len(body))
                    return await self._take_in(incoming, body)
            _require_proof(incoming)
            with self._proven.held(incoming.name) as more:
                return await self._take_in(incoming, await self._body(incoming, receive, more))
        except NotProven:
            raise self._not_proven(incoming) from None

    async def _greet(self, incoming: IncomingRequest) -> Reply | None:
        """The reply to a handshake that needs no proof."""
        if not any(
            not each.verified and each.method == incoming.method for each in incoming.source.handshakes
        ):
            return None
        return await self.reader.greet(incoming.name, self._given(incoming, b""))

    async def _body_with_proof(self, incoming: IncomingRequest, receive: Receive) -> bytes:
        """The body of a request that proves itself by it; raises NotProven or Rejection."""
        self._require_patience(incoming)  # a wrong secret that needs no body costs nothing to refuse
        with self._unproven.held(network(incoming.peer)) as more:
            try:
                body = await self._body(incoming, receive, more)
            except BrokenOff:
                self._count_failure(incoming)
                raise
            if len(body) > LONG:
                await asyncio.to_thread(_require_proof, incoming, body)
            else:
                _require_proof(incoming, body)
        return body

    async def _body(self, incoming: IncomingRequest, receive: Receive, more: Callable[[int], None]) -> bytes:
        require_plain(incoming.headers)
        if self._pressure.reason:
            raise come_again()
        return await read_body(
            receive,
            incoming.headers,
            limit=incoming.source.max_body,
            seconds=self._settings.send_seconds,
            more=more,
        )

    async def _take_in(self, incoming: IncomingRequest, body: bytes) -> Response:
        """Reply to a handshake, or keep a delivery."""
        if incoming.method == "POST":
            require_accepted(incoming.source, incoming.content_type)
        intake = await self.reader.take_in(incoming.name, self._given(incoming, body))
        if intake.reply:
            return _replied(intake.reply)
        return await self._keep(incoming, body, intake)

    def _given(self, incoming: IncomingRequest, body: bytes) -> Given:
        return Given(
            spec=incoming.source.spec,
            method=incoming.method,
            content_type=incoming.content_type,
            names=incoming.context,
            tokens=incoming.tokens,
            known=incoming.confidential,
            signed=incoming.signed(body),
            body_keys=self._settings.body_keys,
        )

    async def _keep(self, incoming: IncomingRequest, body: bytes, intake: Intake) -> Response:
        arrival = Arrival(
            source=incoming.name,
            external_id=intake.external_id,
            method=incoming.method,
            query=incoming.stored.query,
            headers=incoming.stored.headers,
            content_type=incoming.masked(incoming.content_type),
            body=body if intake.body is None else intake.body,
            altered=intake.altered,
        )
        try:
            receipt = await self._writer.keep(arrival)
        except Exception as error:  # noqa: BLE001  (whatever it is, the sender waits for an answer)
            raise _not_kept(incoming, error) from None
        logger.info(
            "delivery %s from %s%s",
            receipt.id,
            incoming.name,
            " came again" if receipt.duplicate else "",
            extra={"delivery": str(receipt.id), "source": incoming.name},
        )
        return _taken(incoming, receipt)

    def _not_proven(self, incoming: IncomingRequest) -> Rejection:
        metrics.NOT_VERIFIED.labels(incoming.name).inc()
        self._require_patience(incoming)
        self._count_failure(incoming)
        return Rejection(401, "Unauthorized")

    def _count_failure(self, incoming: IncomingRequest) -> None:
        if self._attempts.failed(incoming.peer, time.monotonic(), at=incoming.name):
            logger.warning(
                "%s has failed %d proofs at %s in a minute and is answered 429 there for the rest of it; if it is a "
                "proxy, name it in HOOKLINE_TRUSTED_PROXIES",
                incoming.peer,
                self._attempts.most,
                incoming.name,
                extra={"source": incoming.name},
            )

    def _require_patience(self, incoming: IncomingRequest) -> None:
        """Raise Rejection where the peer failed too often at this source in this minute."""
        if seconds := self._attempts.seconds_to_wait(incoming.peer, time.monotonic(), at=incoming.name):
            raise Rejection(429, "Too many failed attempts.", {"Retry-After": str(seconds)})


def _require_proof(incoming: IncomingRequest, body: bytes = b"") -> None:
    """Raise NotProven unless the sender has proved itself."""
    if not incoming.verify(body):
        raise NotProven


def _replied(reply: Reply) -> Response:
    return Response(reply.text, reply.status, NO_GUESSING, reply.content_type)


def _not_kept(incoming: IncomingRequest, error: Exception) -> Rejection:
    """The answer where the database did not keep a delivery: 503 unless it never will."""
    if is_connection_error(error):
        logger.warning(
            "cannot keep a delivery of %s: %s", incoming.name, str(error) or "the database does not answer"
        )
        return come_again()
    if isinstance(error, UNKEEPABLE):
        return Rejection(400, f"The database cannot keep this: {one_line(error, 200)}.")
    logger.error("cannot keep a delivery of %s", incoming.name, exc_info=error)
    return come_again()


def _taken(incoming: IncomingRequest, receipt: Receipt) -> Response:
    """The answer to what is on disk: the contract's, or the source's own."""
    wanted = incoming.source.response
    status = wanted.status or (200 if receipt.duplicate else 202)
    if status == NO_CONTENT:
        return Response(status_code=status)
    if wanted.body is not None:
        return Response(wanted.body, status, media_type=wanted.content_type)
    return JSONResponse({"id": str(receipt.id), "duplicate": receipt.duplicate}, status)


def _not_there() -> Rejection:
    """The same for everything that is not there."""
    return Rejection(404, "Not Found")
