"""
What an engine has in hand, and for how long.

A lease is renewed while the dispatch is worked on. Where that fails (the event loop was blocked, the process was
stopped, the database was away), another engine may have it by now: then the run here ends before its next effect.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Collection, Coroutine
from contextlib import asynccontextmanager
from contextvars import Context
from datetime import datetime, timedelta
from typing import TypeVar
from uuid import UUID

import asyncpg

from hookline.context import RunStopped
from hookline.database import pool
from hookline.database.connection import reaching
from hookline.engine.liveness import bury, dead
from hookline.engine.slots import DispatchSlot, Slots
from hookline.inbox import dispatches, engines
from hookline.prefect_adapter.control import Stop
from hookline.settings import Settings

logger = logging.getLogger(__name__)
T = TypeVar("T")


class ClaimedDispatch:
    """One dispatch that this engine works on."""

    def __init__(self, dispatch: asyncpg.Record, leases: "Leases", until: float) -> None:
        self.dispatch = dispatch
        self.id: UUID = dispatch["id"]
        self.flow_run_id: UUID | None = dispatch["flow_run_id"]
        self.leases = leases
        self.until = until
        """When the lease ends, by this process's monotonic clock."""
        self.stop: Stop | None = None
        self.waits = False
        """Its flow run is paused for a person: it needs no slot of its own."""
        self.slot = DispatchSlot(leases.slots, dispatch["reason"])
        self.seen_over = False
        """Its flow run was over when Prefect was last asked, though it is still in hand."""
        self.flow: asyncio.Task[object] | None = None
        """The flow, while it runs."""
        self.began = time.monotonic()
        self._cut = False
        self._effects: set[object] = set()

    @property
    def is_at_work(self) -> bool:
        """True if it has a slot: it waits for nothing that lasts."""
        return not self.waits and self.slot.why() is None

    def request_stop(self, why: Stop) -> None:
        """Begin no further effect, and end the run once none is in flight; to be called until the run has ended."""
        if self.stop is None:
            logger.info("dispatch %s stops: %s", self.id, why.value)
            self.stop = why
        if self.flow is not None and not self._effects and not self._cut:
            self._cut = True  # a second time would cut into how the flow run is ended
            self.flow.cancel()

    async def run(self, flow: Coroutine[None, None, T], context: Context | None = None) -> T | None:
        """Run a flow to its end; return None if it was stopped first."""
        task = self.flow = asyncio.create_task(flow, name=f"dispatch {self.id}", context=context)
        if self.stop is not None:
            self.request_stop(self.stop)
        try:
            return await task
        except asyncio.CancelledError:
            if self.stop is None and is_cancelled():
                raise
            return None
        finally:
            self.flow = None

    async def check(self) -> None:
        """
        Before anything that only one may do who has the lease: where it may have run out, renew it or `halt`.

        Raises:
            DatabaseUnavailable: it cannot be known.
        """
        if time.monotonic() >= self.until:
            with reaching(self.leases.settings):
                await self.leases.renew([self])

    @asynccontextmanager
    async def write_permit(self) -> AsyncIterator[None]:
        """Around one effect; see `hookline.context.write_permit`."""
        await self.check()
        if self.stop is not None:
            raise RunStopped(f"Nothing was sent, because this run must not go on: {self.stop.value}.")
        this = object()
        self._effects.add(this)
        try:
            yield
        finally:
            self._effects.discard(this)


class Leases:
    """The dispatches in hand."""

    def __init__(self, settings: Settings, owner: str) -> None:
        self.settings = settings
        self.owner = owner
        self.lease = timedelta(seconds=settings.lease_seconds)
        self.claimed: dict[UUID, ClaimedDispatch] = {}
        self.slots = Slots(settings.engine_concurrency, self.claimed)
        self._too_long: dict[tuple[UUID, datetime], float] = {}
        """Leases that last for too long, and since when they were seen unchanged."""

    async def claim(
        self, limit: int, deployments: Collection[str], engine_deaths: tuple[int, int] = (0, 0)
    ) -> list[ClaimedDispatch]:
        """Take dispatches that may run now, for these deployments, and took so many engines with them."""
        until = self._end_of_lease()
        claimed = await dispatches.claim(
            await pool(self.settings),
            self.owner,
            limit=limit,
            lease=self.lease,
            claimed_ids=self.claimed,
            deployments=deployments,
            engine_deaths=engine_deaths,
        )
        all_claimed = [ClaimedDispatch(dispatch, self, until) for dispatch in claimed]
        self.claimed |= {claimed.id: claimed for claimed in all_claimed}
        self.slots.moved()
        return all_claimed

    def release(self, claimed: ClaimedDispatch) -> None:
        """It is not worked on here any more; if nothing else was written down, its lease runs out."""
        self.claimed.pop(claimed.id, None)
        self.slots.moved()

    async def renew(self, all_claimed: Collection[ClaimedDispatch]) -> None:
        """Renew their leases; what another engine has meanwhile taken is stopped here."""
        until = self._end_of_lease()
        ids = [claimed.id for claimed in all_claimed]
        kept = await dispatches.renew(await pool(self.settings), self.owner, ids, self.lease)
        for claimed in all_claimed:
            if claimed.id in kept:
                claimed.until = until
            else:
                claimed.request_stop(Stop.LEASE_LOST)

    async def keep(self) -> None:
        """Renew all that is in hand."""
        if self.claimed:
            await self.renew(list(self.claimed.values()))

    async def take_over(self) -> None:
        """Let others begin again what engines left that died or fell silent."""
        database, home = await pool(self.settings), self.settings.home
        gone = dead(home)
        taken = await dispatches.take_over(
            database, dead=gone, silent=await self._silent(database), claimed_ids=self.claimed
        )
        for row in taken:
            logger.warning(
                "dispatch %s of delivery %s is %s: %s left it; engines it took with it: %d",
                row["id"],
                row["delivery_id"],
                row["state"],
                row["engine"],
                row["engine_deaths"],
            )
        if gone:
            await engines.forget(database, gone)
            for name in gone:
                bury(home, name)

    async def honour_discards(self) -> None:
        """Stop what a person wants discarded."""
        if self.claimed:
            for dispatch_id in await dispatches.to_be_discarded(await pool(self.settings), self.claimed):
                if claimed := self.claimed.get(dispatch_id):
                    claimed.request_stop(Stop.DISCARDED)

    async def _silent(self, database: asyncpg.Pool) -> list[UUID]:
        """
        Return what has a lease for longer than any is given, which nobody has renewed for as long as one lasts.

        The database's clock was set back; what this process's own clock measures tells whose engine lives.
        """
        now, before = time.monotonic(), self._too_long
        rows = await dispatches.leased_for_too_long(database, self.lease)
        self._too_long = {
            (row["id"], row["lease_until"]): before.get((row["id"], row["lease_until"]), now) for row in rows
        }
        patience = self.lease.total_seconds()
        return [dispatch_id for (dispatch_id, _), since in self._too_long.items() if now - since > patience]

    def _end_of_lease(self) -> float:
        """Of one given from now on; the database's clock begins it later, never sooner."""
        return time.monotonic() + self.lease.total_seconds()


def is_cancelled() -> bool:
    """Return True if this task itself was cancelled; a flow may raise CancelledError all by itself."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
