"""Reading of bodies: costly ones in confined processes, one at a time of each source."""

import asyncio
import os
from collections import defaultdict
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TypeVar

from hookline.confined import Confined, TooCostly
from hookline.gateway.handshakes import Reply
from hookline.gateway.intake import (
    Intake,
    RequestData,
    is_cheap,
    is_plain,
    read_request,
    reply_unverified,
    unread,
)
from hookline.gateway.request_parsing import Rejection, retry_later
from hookline.hooks.sources import Source

T = TypeVar("T")

PROCESSES = 2
TURN_TIMEOUT_SECONDS = 10.0
"""A costly delivery waits so long for those of its own source before it is answered 503."""
MIN_MEGABYTES = 60
MEMORY_FACTOR = 8
"""Bytes of memory for a byte of the longest body."""
MB = 1_048_576


class Reader:
    """
    Reads requests, each within limits of time and memory.

    A source whose bodies are costly waits for itself: it has one process at most, and other sources the rest.
    """

    def __init__(self, sources: Mapping[str, Source]) -> None:
        self._is_needed = any(
            source.redact or "xml" in source.accept or not is_plain(source.spec)
            for source in sources.values()
        )
        self._processes = Confined(
            processes=PROCESSES, megabytes=_megabytes(sources), modules=[read_request.__module__]
        )
        self._turns: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    def fit(self, sources: Mapping[str, Source]) -> None:
        """Set the memory for other sources, whose bodies may be longer."""
        self._processes.megabytes = _megabytes(sources)

    async def warm(self) -> None:
        """Start the processes ahead where each delivery of a source needs one."""
        if self._is_needed:
            with suppress(TooCostly):
                await self._processes.run(os.getpid)

    async def reply_unverified(self, source: str, request: RequestData) -> Reply | None:
        """Call `intake.reply_unverified`, in a confined process unless it is sure to be cheap."""
        if is_plain(request.spec):
            return reply_unverified(request)
        try:
            return await self._run(source, reply_unverified, request)
        except TooCostly as error:
            raise Rejection(413, f"The request is refused: {error}.") from None

    async def read(self, source: str, request: RequestData) -> Intake:
        """Call `intake.read_request`, in a confined process unless it is sure to be cheap; keep what is too costly."""
        if is_cheap(request):
            return read_request(request)
        try:
            return await self._run(source, read_request, request)
        except TooCostly as error:
            return unread(request, slow=error.slow)

    def close(self) -> None:
        """End the processes."""
        self._processes.close()

    async def _run(self, source: str, function: Callable[[RequestData], T], request: RequestData) -> T:
        turn = self._turns[source]
        try:
            async with asyncio.timeout(TURN_TIMEOUT_SECONDS):
                await turn.acquire()
        except TimeoutError:
            raise retry_later() from None
        try:
            return await self._processes.run(function, request)
        finally:
            turn.release()


def _megabytes(sources: Mapping[str, Source]) -> int:
    longest = max((source.max_body for source in sources.values()), default=0)
    return MIN_MEGABYTES + MEMORY_FACTOR * longest // MB
