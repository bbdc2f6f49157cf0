"""Puts on disk together what arrives at the same time."""

import asyncio
from collections import deque
from typing import TypeAlias

from hookline.crash_points import crash_point
from hookline.database import is_connection_error, pool
from hookline.health.pressure import DATABASE_SECONDS
from hookline.inbox.deliveries import Arrival, Receipt, accept_all
from hookline.settings import Settings

MAX_AT_ONCE = 100
MAX_BYTES_AT_ONCE = 4 * 1_048_576


_Waiting: TypeAlias = tuple[Arrival, "asyncio.Future[Receipt]"]


class Writer:
    """
    Writes arrivals in groups: while one is written, the next gathers.

    One arrival alone is written at once; the more there are, the fewer waits for the disk each of them costs.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._waiting: deque[_Waiting] = deque()
        self._writing: asyncio.Task[None] | None = None

    async def keep(self, arrival: Arrival) -> Receipt:
        """
        Put a delivery on disk; it is there when this returns.

        Raises:
            CONNECTION_ERRORS: it may not be there; whoever sent it must send it again.
        """
        kept: asyncio.Future[Receipt] = asyncio.get_running_loop().create_future()
        self._waiting.append((arrival, kept))
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write())
        async with asyncio.timeout(DATABASE_SECONDS):
            return await kept

    async def _write(self) -> None:
        while group := self._next_group():
            await self._try(group)

    async def _try(self, group: list[_Waiting]) -> None:
        try:
            await self._write_group(group)
        except Exception as error:  # noqa: BLE001  (whatever it is, somebody waits for each of these)
            if len(group) > 1 and not is_connection_error(error):
                for each in group:  # one that PostgreSQL cannot keep takes no other with it
                    await self._try([each])
                return
            for _, kept in group:
                if not kept.done():
                    kept.set_exception(error)

    async def _write_group(self, group: list[_Waiting]) -> None:
        database = await pool(self._settings)
        async with database.acquire(timeout=DATABASE_SECONDS) as connection:
            receipts = await accept_all(
                connection, [arrival for arrival, _ in group], seconds=DATABASE_SECONDS
            )
            crash_point("gateway stored")
            for (_, kept), receipt in zip(group, receipts, strict=True):
                if not kept.done():
                    kept.set_result(receipt)

    def _next_group(self) -> list[_Waiting]:
        """The longest waiting that nobody gave up on; a repeat of one of them waits for the next group."""
        group: list[_Waiting] = []
        keys = set()
        size = 0
        while self._waiting and len(group) < MAX_AT_ONCE and size < MAX_BYTES_AT_ONCE:
            arrival, kept = self._waiting[0]
            if arrival.key in keys:
                break
            self._waiting.popleft()
            if not kept.done():
                group.append((arrival, kept))
                keys.add(arrival.key)
                size += len(arrival.body)
        return group
