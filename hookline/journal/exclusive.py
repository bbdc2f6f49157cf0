"""
Have a business to oneself, across processes and machines.

An engine runs the dispatches of one ordering key one after another; but a run that a person retries in the Prefect
UI, or that a schedule starts, is in another process. What they share is the database: a lock of the business's key,
held by a connection of its own, which falls when the process dies.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from contextvars import ContextVar
from datetime import timedelta

import asyncpg

from hookline import context
from hookline.database.connection import borrow, give_back, process_name, reaching
from hookline.errors import HooklineError
from hookline.journal import store
from hookline.settings import Settings

logger = logging.getLogger(__name__)

LOCK_TIMEOUT_SECONDS = timedelta(minutes=5)
"""How long a run waits for its turn; a vendor that is away holds up another run for about a minute."""


class BusinessBusy(HooklineError):
    """Another run has the business to itself, and for longer than is waited; trying again helps."""

    transient = True


class ExclusiveLock:
    """A business that this run has to itself."""

    def __init__(self, settings: Settings, key: str, *, label: str, run: str, max_wait: timedelta) -> None:
        self.settings = settings
        self.key = key
        self.label = label
        self.holder = f"{process_name()}, {run}" if run else process_name()
        self.max_wait = max_wait
        self.connection: asyncpg.pool.PoolConnectionProxy | None = None
        self.taking = asyncio.Lock()
        self.lost = asyncio.Event()

    async def ensure(self) -> None:
        """
        Take the business; take it again where the database fell away in between, and the lock with it.

        Raises:
            BusinessBusy: another run has it for longer than is waited; says which.
            DatabaseUnavailable: PostgreSQL is away; trying again helps.
        """
        async with self.taking:
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
        """Give the connection back, and with it the lock."""
        connection, self.connection = self.connection, None
        if connection is not None:
            with suppress(asyncpg.InterfaceError):  # it is gone, and its listeners with it
                connection.remove_termination_listener(self._lose)
            await give_back(self.settings, connection)

    def _lose(self, _connection: object) -> None:
        self.lost.set()

    async def _lock(self, connection: asyncpg.pool.PoolConnectionProxy) -> None:
        if await store.try_business(connection, self.key, self.holder):
            return
        holder = await store.business_holder(connection, self.key)
        logger.info("%s is in the hands of %s; waiting", self.label, holder)
        try:
            with context.waiting(f"waits for {holder}, which is at {self.label}"):
                await store.lock_business(connection, self.key, self.max_wait)
        except asyncpg.LockNotAvailableError:
            holder = await store.business_holder(connection, self.key)
            raise BusinessBusy(
                f"{self.label} is in the hands of {holder}. This run waited for {self.max_wait.total_seconds():g} s "
                "and did nothing. Run it again when the other one has ended."
            ) from None


_held: ContextVar[ExclusiveLock | None] = ContextVar("hookline_held", default=None)


@asynccontextmanager
async def exclusive(
    settings: Settings, key: str, *, label: str, run: str = "", max_wait: timedelta = LOCK_TIMEOUT_SECONDS
) -> AsyncIterator[None]:
    """
    Within, no other run is at the business of this key, in any process.

    Args:
        settings: where the database is.
        key: the business key; upper and lower case are one.
        label: the key in a person's words.
        run: the name of the run, for whoever waits.
        max_wait: how long to wait for another run.

    Raises:
        BusinessBusy: another run was at it for longer; says which.
        DatabaseUnavailable: PostgreSQL is away; trying again helps.
        HooklineError: this run has another business to itself: two that wait for each other would wait for ever.
    """
    hold, outer = (
        ExclusiveLock(settings, key.casefold(), label=label, run=run, max_wait=max_wait),
        _held.get(),
    )
    if outer is not None:
        if outer.key != hold.key:
            raise HooklineError(
                f"This run has {outer.label} to itself and cannot take {label} as well: two runs that do so the "
                "other way round would wait for each other for ever. Leave the one before entering the other."
            )
        yield
        return
    await hold.ensure()
    token = _held.set(hold)
    try:
        yield
    finally:
        _held.reset(token)
        await hold.release()


async def ensure_exclusive() -> None:
    """
    Before an effect: have the business still to oneself, where one had.

    Raises:
        BusinessBusy: the database fell away in between, and another run took it.
        DatabaseUnavailable: it is away still.
    """
    if (hold := _held.get()) is not None:
        await hold.ensure()
