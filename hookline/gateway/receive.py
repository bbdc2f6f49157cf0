"""`POST /hooks/{source}`: verify the raw bytes, put them on disk, answer."""

import asyncio
import json
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass

import asyncpg
from fastapi import Request
from fastapi.responses import JSONResponse, Response
from starlette.requests import ClientDisconnect

from hookline.database import pool
from hookline.errors import HooklineError
from hookline.gateway import metrics, schemes
from hookline.hooks import Hooks
from hookline.hooks.config import SharedSecret
from hookline.inbox import deliveries
from hookline.settings import Settings, webhook_secrets

logger = logging.getLogger(__name__)

SECONDS_TO_SEND = 10
RETRY_AFTER = "5"
DATABASE_AWAY = (HooklineError, OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError)


class Rejection(Exception):  # an answer, not a fault
    """An answer other than 2xx: nothing was kept."""

    def __init__(self, status: int, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.response = JSONResponse({"detail": detail}, status, headers=headers)


@dataclass(frozen=True)
class Receiver:
    """Receives for every source of `hooks.yaml`."""

    settings: Settings
    hooks: Hooks

    async def __call__(self, source: str, request: Request) -> Response:
        """Answer one request; 2xx only for what is on disk."""
        started = time.perf_counter()
        try:
            response = await self._receive(source, request)
        except Rejection as rejection:
            response = rejection.response
        known = source if source in self.hooks.sources else "unknown"
        metrics.REQUESTS.labels(known, response.status_code).inc()
        if response.status_code in (200, 202):
            metrics.ACK_SECONDS.labels(known).observe(time.perf_counter() - started)
        return response

    async def _receive(self, source: str, request: Request) -> Response:
        scheme = self.hooks.sources.get(source)
        secrets = webhook_secrets(source)
        if request.method != "POST" or scheme is None or not secrets:
            raise Rejection(404, "Not Found")  # the same for everything that is not there
        headers = dict(request.headers)
        if isinstance(scheme, SharedSecret) and not schemes.verify(scheme, headers, b"", secrets, now=0):
            raise _not_verified(source)  # before a byte of the body is read
        body = await _read(request, scheme.max_body)
        if not schemes.verify(scheme, headers, body, secrets, now=time.time()):
            raise _not_verified(source)
        content_type = headers.get("content-type", "")
        _require_json(content_type, body)
        return await self._keep(
            source,
            external_id=schemes.external_id(scheme, headers, body),
            headers=schemes.redact(headers, scheme),
            content_type=content_type,
            body=body,
        )

    async def _keep(
        self, source: str, *, external_id: str, headers: Mapping[str, str], content_type: str, body: bytes
    ) -> Response:
        try:
            receipt = await deliveries.accept(
                await pool(self.settings),
                source=source,
                external_id=external_id,
                headers=headers,
                content_type=content_type,
                body=body,
            )
        except DATABASE_AWAY as error:
            logger.warning("cannot keep a delivery of %s: %s", source, error)
            raise Rejection(
                503, "Cannot keep this now; send it again.", {"Retry-After": RETRY_AFTER}
            ) from None
        logger.info("delivery %s from %s%s", receipt.id, source, " came again" if receipt.duplicate else "")
        answer = {"id": str(receipt.id), "duplicate": receipt.duplicate}
        return JSONResponse(answer, 200 if receipt.duplicate else 202)


async def _read(request: Request, limit: int) -> bytes:
    """The body, no longer than the limit and no slower than the sender is given."""
    announced = request.headers.get("content-length", "0")
    too_long = Rejection(413, f"The body is longer than {limit} bytes.")
    if not announced.isdigit() or int(announced[:20]) > limit:
        raise too_long
    body = bytearray()
    try:
        async with asyncio.timeout(SECONDS_TO_SEND):
            async for chunk in request.stream():
                body += chunk
                if len(body) > limit:
                    raise too_long
    except TimeoutError:
        raise Rejection(408, f"The body took longer than {SECONDS_TO_SEND} seconds.") from None
    except ClientDisconnect:
        raise Rejection(400, "The body broke off.") from None
    return bytes(body)


def _not_verified(source: str) -> Rejection:
    metrics.NOT_VERIFIED.labels(source).inc()
    return Rejection(401, "Unauthorized")


def _require_json(content_type: str, body: bytes) -> None:
    kind = content_type.partition(";")[0].strip().lower()
    if kind != "application/json" and not kind.endswith("+json"):
        raise Rejection(415, f"Send application/json, not {kind or 'nothing'}.")
    try:
        json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Rejection(400, f"The body is not JSON: {error}.") from None
