"""Reads what proven senders send: what may be costly in a process of its own, one at a time of each source."""

import asyncio
import os
from collections import defaultdict
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TypeVar

from hookline.confined import Confined, TooCostly
from hookline.gateway.handshakes import Reply
from hookline.gateway.intake import Given, Intake, greet, is_cheap, is_plain, take_in
from hookline.gateway.request_parsing import Rejection, come_again
from hookline.hooks.sources import Source

T = TypeVar("T")

PROCESSES = 2
TURN_SECONDS = 10.0
"""A delivery waits for those of its own source before it is asked to come again."""
MIN_MEGABYTES = 60
OF_A_BODY = 8
"""Bytes of memory for a byte of the longest body."""
MB = 1_048_576


class Reader:
    """
    Reads requests, each with an end to what it may cost.

    A source that sends what is costly waits for itself: it has one process at most, and there is another.
    """

    def __init__(self, sources: Mapping[str, Source]) -> None:
        self._is_needed = any(
            source.redact or "xml" in source.accept or not is_plain(source.spec)
            for source in sources.values()
        )
        self._processes = Confined(
            processes=PROCESSES, megabytes=_megabytes(sources), modules=[take_in.__module__]
        )
        self._turns: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    def fit(self, sources: Mapping[str, Source]) -> None:
        """Take other sources, whose bodies may be longer."""
        self._processes.megabytes = _megabytes(sources)

    async def warm(self) -> None:
        """Start the processes ahead where each delivery of a source needs one."""
        if self._is_needed:
            with suppress(TooCostly):
                await self._processes.run(os.getpid)

    async def greet(self, source: str, given: Given) -> Reply | None:
        """See `intake.greet`."""
        return greet(given) if is_plain(given.spec) else await self._run(source, greet, given)

    async def take_in(self, source: str, given: Given) -> Intake:
        """See `intake.take_in`."""
        return take_in(given) if is_cheap(given) else await self._run(source, take_in, given)

    def close(self) -> None:
        """End the processes."""
        self._processes.close()

    async def _run(self, source: str, function: Callable[[Given], T], given: Given) -> T:
        turn = self._turns[source]
        try:
            async with asyncio.timeout(TURN_SECONDS):
                await turn.acquire()
        except TimeoutError:
            raise come_again() from None
        try:
            return await self._processes.run(function, given)
        except TooCostly as error:
            raise Rejection(413, f"The body is refused: {error}.") from None
        finally:
            turn.release()


def _megabytes(sources: Mapping[str, Source]) -> int:
    longest = max((source.max_body for source in sources.values()), default=0)
    return MIN_MEGABYTES + OF_A_BODY * longest // MB
