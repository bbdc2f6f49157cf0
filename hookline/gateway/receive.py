"""`/hooks/{source}`: verify the raw bytes, put them on disk, answer."""

import logging
import time
from collections.abc import Mapping
from typing import Any

from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from hookline.database import CONNECTION_ERRORS
from hookline.gateway import metrics, schemes
from hookline.gateway.asked import Asked, asked_for
from hookline.gateway.handshakes import NotProven, handshake
from hookline.gateway.peers import Attempts
from hookline.gateway.pressure import Pressure
from hookline.gateway.reading import RETRY_AFTER, Rejection, read_body, require_plain
from hookline.gateway.writer import Writer
from hookline.hooks import Hooks
from hookline.hooks.bodies import parse
from hookline.inbox import bodies
from hookline.inbox.deliveries import Arrival, Receipt
from hookline.settings import Settings

logger = logging.getLogger(__name__)

NO_CONTENT = 204
CONTENT_TYPES = {
    "json": "application/json",
    "form": "application/x-www-form-urlencoded",
    "xml": "application/xml",
    "any": "anything",
}


class Receiver:
    """Receives for every source of `hooks.yaml`; an ASGI application, for its framework would cost more than it."""

    def __init__(self, settings: Settings, hooks: Hooks, pressure: Pressure) -> None:
        self._settings = settings
        self._hooks = hooks
        self._pressure = pressure
        self._writer = Writer(settings)
        self._attempts = Attempts(settings.max_failed_proofs)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; 2xx only for what is on disk, and for handshakes."""
        started = time.perf_counter()
        try:
            response = await self._answer(scope, receive)
        except Rejection as rejection:
            response = rejection.response
        name = scope["path_params"]["source"]
        known = name if name in self._hooks.sources else "unknown"
        metrics.REQUESTS.labels(known, response.status_code).inc()
        if response.status_code < 300:  # noqa: PLR2004  (HTTP)
            metrics.ACK_SECONDS.labels(known).observe(time.perf_counter() - started)
        await response(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive) -> Response:
        asked = asked_for(self._hooks, self._settings.trusted_proxies, scope)
        if asked is None:
            raise _not_there()
        try:
            if reply := handshake(asked, asked.names, verified=False):
                return reply
            if not asked.may_go_on:
                raise _not_there()
            body = await self._proven_body(asked, receive)
        except NotProven:
            raise self._not_proven(asked) from None
        names = {**asked.names, "body": _said(asked, body)}
        if reply := handshake(asked, names, verified=True):
            return reply
        if asked.method != "POST":
            raise _not_there()
        return await self._keep(asked, body, names)

    async def _proven_body(self, asked: Asked, receive: Receive) -> bytes:
        """The body of a request whose sender has proved itself; raises NotProven or Rejection."""
        on_body = schemes.needs_body(asked.source.proof)
        if on_body:
            self._require_patience(asked)  # a wrong secret that needs no body costs nothing to refuse
        elif not asked.is_proven():
            raise NotProven
        require_plain(asked.headers)
        if self._pressure.reason:
            raise _come_again()
        body = await read_body(
            receive, asked.headers, limit=asked.source.max_body, seconds=self._settings.send_seconds
        )
        if on_body and not asked.is_proven(body):
            raise NotProven
        return body

    async def _keep(self, asked: Asked, body: bytes, names: Mapping[str, Any]) -> Response:
        kept, altered = self._to_keep(asked, body)
        arrival = Arrival(
            source=asked.name,
            external_id=schemes.external_id(asked.source, asked.signed(body), names),
            method=asked.method,
            query=names["query"],
            headers=names["headers"],
            content_type=asked.content_type,
            body=kept,
            altered=altered,
        )
        try:
            receipt = await self._writer.keep(arrival)
        except CONNECTION_ERRORS as error:
            logger.warning(
                "cannot keep a delivery of %s: %s", asked.name, str(error) or "the database does not answer"
            )
            raise _come_again() from None
        logger.info(
            "delivery %s from %s%s",
            receipt.id,
            asked.name,
            " came again" if receipt.duplicate else "",
            extra={"delivery": str(receipt.id), "source": asked.name},
        )
        return _taken(asked, receipt)

    def _to_keep(self, asked: Asked, body: bytes) -> tuple[bytes, list[str]]:
        """The body as it is kept, and what was done to it; raises Rejection where it cannot be redacted."""
        try:
            return bodies.keep(asked.source, self._settings.body_keys, asked.content_type, body)
        except ValueError as error:
            raise Rejection(400, str(error)) from None

    def _not_proven(self, asked: Asked) -> Rejection:
        metrics.NOT_VERIFIED.labels(asked.name).inc()
        self._require_patience(asked)
        if self._attempts.failed(asked.peer, time.monotonic()):
            logger.warning(
                "%s has failed %d proofs in a minute and is answered 429 for the rest of it; if it is a proxy, "
                "name it in HOOKLINE_TRUSTED_PROXIES",
                asked.peer,
                self._attempts.most,
                extra={"source": asked.name},
            )
        return Rejection(401, "Unauthorized")

    def _require_patience(self, asked: Asked) -> None:
        """Raise Rejection where the peer failed too often in this minute."""
        if seconds := self._attempts.seconds_to_wait(asked.peer, time.monotonic()):
            raise Rejection(429, "Too many failed attempts.", {"Retry-After": str(seconds)})


def _said(asked: Asked, body: bytes) -> Any:
    """What the body says; raises Rejection where the source does not take it."""
    if asked.method != "POST":
        return None
    if not asked.source.takes(asked.content_type):
        wanted = " or ".join(CONTENT_TYPES[kind] for kind in asked.source.accept)
        raise Rejection(415, f"Send {wanted}, not {asked.content_type.partition(';')[0] or 'nothing'}.")
    try:
        return parse(asked.content_type, body)
    except ValueError as error:
        if "any" in asked.source.accept:
            return None  # it is kept as bytes, whatever it calls itself
        raise Rejection(400, str(error)) from None


def _taken(asked: Asked, receipt: Receipt) -> Response:
    """The answer to what is on disk: the contract's, or the source's own."""
    wanted = asked.source.response
    status = wanted.status or (200 if receipt.duplicate else 202)
    if status == NO_CONTENT:
        return Response(status_code=status)
    if wanted.body is not None:
        return Response(wanted.body, status, media_type=wanted.content_type)
    return JSONResponse({"id": str(receipt.id), "duplicate": receipt.duplicate}, status)


def _not_there() -> Rejection:
    """The same for everything that is not there."""
    return Rejection(404, "Not Found")


def _come_again() -> Rejection:
    return Rejection(503, "Cannot keep this now; send it again.", {"Retry-After": RETRY_AFTER})
