"""
Exclusive lock of a business key, across processes and machines.

An engine runs the dispatches of one ordering key one after another; but a run that a person retries in the Prefect
UI, or that a schedule starts, is in another process. What they share is the database: an advisory lock of the key,
held by a connection of its own, which is free again when the process dies.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import timedelta

import asyncpg

from hookline import context
from hookline.database.connection import borrow, give_back, process_name, reaching
from hookline.errors import HooklineError
from hookline.journal import locks
from hookline.settings import Settings

logger = logging.getLogger(__name__)

LOCK_TIMEOUT_SECONDS = timedelta(minutes=5)
"""The wait of a run for its turn; a vendor that is away delays another run by about a minute."""


class BusinessBusy(HooklineError):
    """Another run has the lock of the business, and for longer than is waited; trying again helps."""

    transient = True


@dataclass
class ExclusiveLock:
    """The lock of a business that this run works on."""

    settings: Settings
    key: str
    label: str
    holder: str
    max_wait: timedelta
    connection: asyncpg.pool.PoolConnectionProxy | None = None
    acquiring: asyncio.Lock = field(default_factory=asyncio.Lock)
    lost: asyncio.Event = field(default_factory=asyncio.Event)

    async def ensure(self) -> None:
        """
        Acquire the lock, or acquire it again where the connection was lost in between, and the lock with it.

        Raises:
            BusinessBusy: another run has it for longer than is waited; says which.
            DatabaseUnavailable: PostgreSQL is away; trying again helps.
        """
        async with self.acquiring:
            if self.connection is not None and not self.lost.is_set():
                return
            await self.release()
            self.connection = await borrow(self.settings)
            self.lost.clear()
            try:
                with reaching(self.settings):
                    self.connection.add_termination_listener(self._lose)
                    await self._lock(self.connection)
            except BaseException:
                await self.release()
                raise

    async def release(self) -> None:
        """Release the connection, and with it the lock."""
        connection, self.connection = self.connection, None
        if connection is not None:
            with suppress(asyncpg.InterfaceError):  # it is gone, and its listeners with it
                connection.remove_termination_listener(self._lose)
            await give_back(self.settings, connection)

    def _lose(self, _connection: object) -> None:
        self.lost.set()

    async def _lock(self, connection: asyncpg.pool.PoolConnectionProxy) -> None:
        if await locks.try_business(connection, self.key, self.holder):
            return
        holder = await locks.business_holder(connection, self.key)
        logger.info("Another run works on %s: %s; waiting", self.label, holder)
        try:
            with context.waiting(f"waits for {holder}, which works on {self.label}"):
                await locks.lock_business(connection, self.key, self.max_wait)
        except asyncpg.LockNotAvailableError:
            holder = await locks.business_holder(connection, self.key)
            raise BusinessBusy(
                f"Another run works on {self.label}: {holder}. This run waited for "
                f"{self.max_wait.total_seconds():g} s and did nothing. Run it again when the other one has ended."
            ) from None


_current: ContextVar[ExclusiveLock | None] = ContextVar("hookline_exclusive_lock", default=None)


@asynccontextmanager
async def exclusive(
    settings: Settings, key: str, *, label: str, run: str = "", max_wait: timedelta = LOCK_TIMEOUT_SECONDS
) -> AsyncIterator[None]:
    """
    Keep every other run, in any process, away from the business of this key.

    Args:
        settings: where the database is.
        key: the business key; upper and lower case are one.
        label: the key in a person's words.
        run: the name of the run, for those that wait.
        max_wait: how long to wait for another run.

    Raises:
        BusinessBusy: another run worked on it for longer; says which.
        DatabaseUnavailable: PostgreSQL is away; trying again helps.
        HooklineError: this run has another business already: two that wait for each other would wait for ever.
    """
    holder = f"{process_name()}, {run}" if run else process_name()
    lock = ExclusiveLock(settings, key.casefold(), label, holder, max_wait)
    if (outer := _current.get()) is not None:
        if outer.key != lock.key:
            raise HooklineError(
                f"This run has {outer.label} to itself and cannot take {label} as well: two runs that do so the "
                "other way round would wait for each other for ever. Leave the one before entering the other."
            )
        yield
        return
    await lock.ensure()
    token = _current.set(lock)
    try:
        yield
    finally:
        _current.reset(token)
        await lock.release()


async def ensure_exclusive() -> None:
    """
    Ensure, before an effect, that the run still has the lock that it had.

    Raises:
        BusinessBusy: the connection was lost in between, and another run has it.
        DatabaseUnavailable: PostgreSQL is away still.
    """
    if (lock := _current.get()) is not None:
        await lock.ensure()
