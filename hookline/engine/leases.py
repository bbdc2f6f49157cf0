"""
The leases of an engine: the dispatches that it has claimed, and until when.

A lease is renewed while the dispatch is worked on. If that fails (the event loop was blocked, the process was stopped,
the database was unavailable), another engine may have it by now: then the run here ends before its next effect.
"""

import asyncio
import logging
import threading
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
from hookline.engine.liveness import dead_engines, fallen_engines, forget
from hookline.engine.slots import DispatchSlot, Slots
from hookline.inbox import deliveries, dispatches, engines
from hookline.prefect_adapter.control import Stop
from hookline.settings import Settings
from hookline.states import ENDED
from hookline.timings import ENDS, Received

logger = logging.getLogger(__name__)
T = TypeVar("T")

SESSION_SECONDS = 0.8
"""The time in which a living engine that lost its session begins another."""


class ClaimedDispatch:
    """One dispatch that this engine works on."""

    def __init__(self, dispatch: asyncpg.Record, leases: "Leases", until: float) -> None:
        self.dispatch = dispatch
        self.id: UUID = dispatch["id"]
        self.flow_run_id: UUID | None = dispatch["flow_run_id"]
        self.leases = leases
        self.until = until
        """The end of the lease, by this process's monotonic clock."""
        self.stop: Stop | None = None
        self.awaiting_input = False
        """True if its flow run is paused for a person: it needs no slot."""
        self.slot = DispatchSlot(leases.slots, dispatch["reason"])
        self.seen_over = False
        """True if its flow run was over at the last poll of Prefect, though it still runs here."""
        self.flow: asyncio.Task[object] | None = None
        """The flow, while it runs."""
        self.began = time.monotonic()
        self.received: Received | None = None
        """The receipt of its delivery; None in a replay, which a person may start days later."""
        if not dispatch["replays"]:
            self.received = Received(dispatch["source"], dispatch["received_at"], dispatch["attempts"] > 1)
        self._cut = False
        self._effects: set[object] = set()
        self._effects_lock = threading.Lock()
        """Held while it is decided if an effect may begin, or the run be cut: effects begin in other threads too."""

    def __str__(self) -> str:
        return f"dispatch {self.id} of delivery {self.dispatch['delivery_id']}"

    @property
    def is_at_work(self) -> bool:
        """True if it waits for nothing that is worth telling; a call whose answer is on its way is work."""
        return not self.awaiting_input and self.slot.reason() is None

    def request_stop(self, why: Stop) -> None:
        """Let no further effect begin, and end the run once none is in flight; call it until the run has ended."""
        with self._effects_lock:
            if self.stop is None:
                logger.info("dispatch %s stops: %s", self.id, why.value)
                self.stop = why
            may_cut = not self._effects
        if (flow := self.flow) is not None and may_cut and not self._cut:
            self._cut = True  # a second time would cut into how the flow run is ended
            _cancel(flow)

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

    def note_end(self, state: str) -> None:
        """Count the time from the receipt to the end, if this state is one."""
        if self.received is not None and state in ENDED:
            ENDS.observe_since(self.received.at, self.received.source, state)

    async def ensure_lease(self) -> bool:
        """
        Renew the lease if it may have expired; return False, and stop the run, if it was lost.

        Call it before each change that only the owner of the lease may make: an engine that slept may be late.

        Raises:
            DatabaseUnavailable: it cannot be known.
        """
        if time.monotonic() >= self.until:
            with reaching(self.leases.settings):
                await self.leases.renew([self])
        return self.stop is not Stop.LEASE_LOST

    @asynccontextmanager
    async def write_permit(self) -> AsyncIterator[None]:
        """Count an effect in flight; see `hookline.context.write_permit`."""
        await self.ensure_lease()
        this = object()
        with self._effects_lock:
            if self.stop is not None:
                raise RunStopped(f"Nothing was sent, because this run must not go on: {self.stop.value}.")
            self._effects.add(this)
        try:
            yield
        finally:
            self._effects.discard(this)


class Leases:
    """The dispatches that this engine has claimed."""

    def __init__(self, settings: Settings, owner: str) -> None:
        self.settings = settings
        self.owner = owner
        self.lease = timedelta(seconds=settings.lease_seconds)
        self.claimed: dict[UUID, ClaimedDispatch] = {}
        self.slots = Slots(settings.engine_concurrency, self.claimed)
        self.stable = self.lease
        """The time after a start of PostgreSQL in which living engines have begun their sessions again."""
        self._sessionless: dict[str, float] = {}
        """Engines without a session, and the time since which they were seen so."""
        self._too_long: dict[tuple[UUID, datetime], float] = {}
        """Leases that last for too long, and the time since which they were seen unchanged."""

    async def claim(
        self, limit: int, deployments: Collection[str], takeovers: tuple[int, int] = (0, 0)
    ) -> list[ClaimedDispatch]:
        """Claim due dispatches of these deployments, by how often they were taken over."""
        until = self._end_of_lease()
        claimed = await dispatches.claim(
            await pool(self.settings),
            self.owner,
            limit=limit,
            lease=self.lease,
            claimed_ids=self.claimed,
            deployments=deployments,
            takeovers=takeovers,
        )
        all_claimed = [ClaimedDispatch(dispatch, self, until) for dispatch in claimed]
        self.claimed |= {claimed.id: claimed for claimed in all_claimed}
        if all_claimed:
            self.slots.note_progress()
        return all_claimed

    def release(self, claimed: ClaimedDispatch) -> None:
        """Stop renewing the lease of a dispatch; if no outcome is written, its lease expires."""
        self.claimed.pop(claimed.id, None)
        self.slots.note_progress()

    async def renew(self, all_claimed: Collection[ClaimedDispatch]) -> None:
        """Renew leases; stop the runs of those that another engine has claimed meanwhile."""
        until = self._end_of_lease()
        ids = [claimed.id for claimed in all_claimed]
        renewed = await dispatches.renew(await pool(self.settings), self.owner, ids, self.lease)
        for claimed in all_claimed:
            if claimed.id in renewed:
                claimed.until = until
            else:
                claimed.request_stop(Stop.LEASE_LOST)

    async def renew_all(self) -> None:
        """Renew the leases of all claimed dispatches."""
        if self.claimed:
            await self.renew(list(self.claimed.values()))

    async def take_over(self, *, may_be_lost: bool = True) -> bool:
        """
        Requeue the dispatches of engines that died or fell silent.

        Args:
            may_be_lost: a lease may have ended, or an engine been lost earlier (`dispatches.LOST`).

        Returns:
            False if all engines live, and none was lost.
        """
        database, home = await pool(self.settings), self.settings.home
        fallen = fallen_engines(home)
        dead, unheard = [*fallen, *dead_engines(home)], await self._without_session(database)
        if not (dead or unheard or may_be_lost):
            self._too_long = {}
            return False
        requeued = await dispatches.take_over(
            database,
            dead=dead,
            fallen=fallen,
            unheard=unheard,
            silent=await self._silent(database),
            claimed_ids=self.claimed,
        )
        await dispatches.count_deaths(database, dead=dead, fallen=fallen)
        for row in requeued:
            logger.warning(
                "dispatch %s of delivery %s is %s: engine %s died or fell silent; taken over %d times, deaths: %d",
                row["id"],
                row["delivery_id"],
                row["state"],
                row["engine"],
                row["takeovers"],
                row["engine_deaths"],
            )
        if dead or unheard:
            await deliveries.release_routing_of(database, [*dead, *unheard])
        if dead:
            await engines.forget(database, dead)
            for name in dead:
                forget(home, name)
        return True

    async def stop_discarded(self) -> None:
        """Stop the runs of dispatches that a person discards."""
        if self.claimed:
            for dispatch_id in await dispatches.to_be_discarded(await pool(self.settings), self.claimed):
                if claimed := self.claimed.get(dispatch_id):
                    claimed.request_stop(Stop.DISCARDED)

    async def _without_session(self, database: asyncpg.Pool) -> list[str]:
        """Return engines, also of other homes and machines, that lost their session a moment ago and began no other."""
        now, before = time.monotonic(), self._sessionless
        lost = await engines.without_session(database, self.owner, self.stable)
        self._sessionless = {name: before.get(name, now) for name in lost}
        return [name for name, since in self._sessionless.items() if now - since >= SESSION_SECONDS]

    async def _silent(self, database: asyncpg.Pool) -> list[UUID]:
        """
        Return dispatches with a lease longer than their engine's are, not renewed for as long as one lasts.

        The database's clock was set back; this process's own clock shows that their engine is silent.
        """
        now, before = time.monotonic(), self._too_long
        rows = await dispatches.leased_for_too_long(database)
        seen = {(row["id"], row["lease_until"]): row["lease"].total_seconds() for row in rows}
        self._too_long = {each: before.get(each, now) for each in seen}
        return [each[0] for each, since in self._too_long.items() if now - since > seen[each]]

    def _end_of_lease(self) -> float:
        """Return the end of a lease that begins now; the database's clock begins it later, never sooner."""
        return time.monotonic() + self.lease.total_seconds()


def _cancel(flow: "asyncio.Task[object]") -> None:
    """Cancel a flow, from any thread."""
    try:
        here = asyncio.get_running_loop()
    except RuntimeError:
        here = None
    if flow.get_loop() is here:
        flow.cancel()
    else:
        flow.get_loop().call_soon_threadsafe(flow.cancel)


def is_cancelled() -> bool:
    """Return True if this task itself was cancelled; a flow may raise CancelledError all by itself."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
