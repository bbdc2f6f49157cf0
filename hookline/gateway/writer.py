"""Group commit: deliveries that arrive at the same time are written to disk together."""

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

    A single arrival is written at once; the more there are, the fewer waits for the disk each of them costs.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._waiting: deque[_Waiting] = deque()
        self._writing: asyncio.Task[None] | None = None

    async def store(self, arrival: Arrival) -> Receipt:
        """
        Write a delivery to disk; it is there when this returns.

        Raises:
            CONNECTION_ERRORS: it may not be there; the sender must send it again.
        """
        stored: asyncio.Future[Receipt] = asyncio.get_running_loop().create_future()
        self._waiting.append((arrival, stored))
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write())
        async with asyncio.timeout(DATABASE_SECONDS):
            return await stored

    async def _write(self) -> None:
        while group := self._next_group():
            await self._try(group)

    async def _try(self, group: list[_Waiting]) -> None:
        try:
            await self._write_group(group)
        except Exception as error:  # noqa: BLE001  (whatever it is, a sender waits for each of these)
            if len(group) > 1 and not is_connection_error(error):
                for each in group:  # one that PostgreSQL cannot store fails no other
                    await self._try([each])
                return
            for _, stored in group:
                if not stored.done():
                    stored.set_exception(error)

    async def _write_group(self, group: list[_Waiting]) -> None:
        database = await pool(self._settings)
        async with database.acquire(timeout=DATABASE_SECONDS) as connection:
            receipts = await accept_all(
                connection, [arrival for arrival, _ in group], seconds=DATABASE_SECONDS
            )
            crash_point("gateway stored")
            for (_, stored), receipt in zip(group, receipts, strict=True):
                if not stored.done():
                    stored.set_result(receipt)

    def _next_group(self) -> list[_Waiting]:
        """Return the oldest arrivals whose senders still wait; a repeat of one of them waits for the next group."""
        group: list[_Waiting] = []
        keys = set()
        size = 0
        while self._waiting and len(group) < MAX_AT_ONCE and size < MAX_BYTES_AT_ONCE:
            arrival, stored = self._waiting[0]
            if arrival.key in keys:
                break
            self._waiting.popleft()
            if not stored.done():
                group.append((arrival, stored))
                keys.add(arrival.key)
                size += len(arrival.body)
        return group
