"""
The slots of an engine: how many dispatches are at work at once, how many only wait, and the share of one vendor.

Many more dispatches may be claimed than there are slots: one that waits for longer than a moment (for a next attempt,
an answer, a limit, a person) gives its slot back, and goes on at once when its wait is over. So a slow vendor keeps
many dispatches under way, but no more calls in flight to it than there are slots.
"""

import asyncio
import time
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from threading import Lock
from typing import Final, Protocol
from uuid import UUID

import asyncpg

from hookline import context
from hookline.context import GRACE_SECONDS
from hookline.inbox import dispatches

CLAIMED_PER_SLOT: Final = 10
"""
The most dispatches that may be claimed for each slot, at work or waiting.

Each takes memory, and a connection to PostgreSQL if it has an exclusive lock (see `pool`).
"""
WAITS: Final = "waits for a person's answer in the Prefect UI"
_PREFIX: Final = "waits "
"""The beginning of each reason that is written here, and so is removed here."""
UNCLAIMED_SECONDS: Final = 5.0
"""The interval at which the reason of unclaimed dispatches is written while nothing moves."""


class Claimed(Protocol):
    """A claimed dispatch, as far as its slot is concerned."""

    dispatch: asyncpg.Record
    awaiting_input: bool
    slot: "DispatchSlot"


@dataclass(eq=False)
class _Wait:
    reason: str
    lasts_from: float
    """The time, by the monotonic clock, from which it has given its slot back."""
    told_from: float
    """The time from which the inbox says so."""


class VendorShare:
    """The calls to one vendor's account that may be in flight; first come, first served, in any thread."""

    def __init__(self, vendor: str, limit: Callable[[], int]) -> None:
        self.vendor = vendor
        self.limit = limit
        self.in_use = 0
        self._queue: deque[tuple[asyncio.AbstractEventLoop, asyncio.Future[None]]] = deque()
        self._lock = Lock()

    @property
    def reason(self) -> str:
        """The reason of a dispatch that waits for a slot of this vendor."""
        return f"waits for a free slot: {self.in_use} of {self.limit()} calls to {self.vendor} are in flight"

    async def acquire(self) -> None:
        """Acquire a slot, or wait for one."""
        loop = asyncio.get_running_loop()
        with self._lock:
            if self.in_use < self.limit() and not self._queue:
                self.in_use += 1
                return
            turn = loop.create_future()
            self._queue.append((loop, turn))
        try:
            with context.waiting(self.reason):
                await turn
        except asyncio.CancelledError:
            self._leave(turn)
            raise

    def release(self) -> None:
        """Give a slot back, to the first in the queue."""
        with self._lock:
            self.in_use -= 1
            while self._queue and self.in_use < self.limit():
                loop, turn = self._queue.popleft()
                with suppress(RuntimeError):  # its loop has ended, and its run with it
                    loop.call_soon_threadsafe(self._grant, turn)
                    self.in_use += 1

    def _grant(self, turn: asyncio.Future[None]) -> None:
        if turn.done():  # its run was stopped meanwhile
            self.release()
        else:
            turn.set_result(None)

    def _leave(self, turn: asyncio.Future[None]) -> None:
        """Leave the queue; a slot that was given at the same moment is given back."""
        with self._lock:
            self._queue = deque(one for one in self._queue if one[1] is not turn)
        if not turn.cancelled():
            self.release()


class DispatchSlot:
    """The slot of one dispatch, given back while it waits."""

    def __init__(self, slots: "Slots", written: str | None) -> None:
        self._slots = slots
        self._waits: set[_Wait] = set()
        self.written = written if written and written.startswith(_PREFIX) else None
        """The reason of its wait that stands in the inbox."""

    @contextmanager
    def waiting(self, why: str, *, grace: float, untold: float) -> Iterator[None]:
        """Give the slot back while one wait lasts; see `hookline.context.waiting`."""
        lasts_from = time.monotonic() + grace
        wait = _Wait(why, lasts_from, lasts_from + untold)
        self._waits.add(wait)
        try:
            if not grace:
                self._slots.on_free()
            yield
        finally:
            self._waits.discard(wait)

    @asynccontextmanager
    async def vendor_slot(self, vendor: str, address: str) -> AsyncIterator[None]:
        """Acquire a slot of one vendor's share; see `hookline.context.vendor_slot`."""
        share = self._slots.share(vendor, address)
        await share.acquire()
        try:
            yield
        finally:
            share.release()

    def is_given_back(self) -> bool:
        """Return True if the dispatch waits, and others may work meanwhile."""
        now = time.monotonic()
        return any(wait.lasts_from <= now for wait in tuple(self._waits))

    def reason(self) -> str | None:
        """Return the reason of a wait that is worth telling; None if there is none."""
        now = time.monotonic()
        lasting = [wait for wait in tuple(self._waits) if wait.told_from <= now]
        return max(lasting, key=lambda wait: wait.told_from).reason if lasting else None


class Slots:
    """All slots of one engine."""

    def __init__(self, at_once: int, claimed: Mapping[UUID, Claimed]) -> None:
        self.claimed = claimed
        self.at_once = at_once
        """The number that may be at work; the engine raises it for a batch."""
        self.max_claimed = CLAIMED_PER_SLOT * at_once
        self.on_free: Callable[[], object] = lambda: None
        """The callback for a slot that became free before the end of its run."""
        self._free = at_once
        self._progress_at = time.monotonic()
        self._unclaimed_written_at = 0.0
        self._shares: dict[str, VendorShare] = {}

    def share(self, vendor: str, address: str) -> VendorShare:
        """Return the share of a vendor's address."""
        return self._shares.setdefault(address, VendorShare(vendor, lambda: self.at_once))

    def note_progress(self) -> None:
        """Note that a dispatch was claimed or has ended."""
        self._progress_at = time.monotonic()

    def is_moving(self, seconds: float) -> bool:
        """Return True if a dispatch was claimed or has ended within so many seconds."""
        return time.monotonic() - self._progress_at < seconds

    def free_now(self) -> int:
        """Return the number of free slots, as far as more dispatches may be claimed."""
        return min(self.at_once - self.at_work(), self.max_claimed - len(self.claimed))

    def open_to(self, deployments: Collection[str]) -> list[str]:
        """
        Return the deployments of which more dispatches may be claimed.

        One may have half of what the others leave: however many of its dispatches wait, there is room for others.
        """
        claimed = Counter(one.dispatch["deployment"] for one in self.claimed.values())
        total = claimed.total()
        return [
            name
            for name in deployments
            if claimed[name] < max(1, (self.max_claimed - total + claimed[name]) // 2)
        ]

    async def report_waits(self, database: asyncpg.Pool, owner: str, deployments: Collection[str]) -> None:
        """Write the reason of each wait to the inbox, or remove it; wake the engine if a slot was given back."""
        before, self._free = self._free, self.free_now()
        if self._free > before:
            self.on_free()
        await self._report_claimed(database, owner)
        await self._report_unclaimed(database, deployments, is_full=self._free <= 0)

    async def _report_claimed(self, database: asyncpg.Pool, owner: str) -> None:
        claimed = dict(self.claimed)
        changed = {
            id_: reason for id_, one in claimed.items() if (reason := _reason(one)) != one.slot.written
        }
        if changed:
            for id_ in await dispatches.say_why(database, owner, changed):
                claimed[id_].slot.written = changed[id_]

    async def _report_unclaimed(
        self, database: asyncpg.Pool, deployments: Collection[str], *, is_full: bool
    ) -> None:
        """Write the reason of unclaimed dispatches if nothing has moved for some time."""
        now = time.monotonic()
        if self.is_moving(GRACE_SECONDS) or now - self._unclaimed_written_at < UNCLAIMED_SECONDS:
            return
        open_to = [] if is_full else self.open_to(deployments)
        if full := sorted(set(deployments) - set(open_to)):
            self._unclaimed_written_at = now
            await dispatches.say_why_unclaimed(database, full, self._reason_of_unclaimed())

    def _reason_of_unclaimed(self) -> str:
        at_work = self.at_work()
        return (
            f"waits for a free slot: {at_work} of {self.at_once} dispatches are at work in this engine, and "
            f"{len(self.claimed) - at_work} wait"
        )

    def at_work(self) -> int:
        """Return the number of claimed dispatches that do not wait."""
        return sum(not (one.awaiting_input or one.slot.is_given_back()) for one in self.claimed.values())


def _reason(one: Claimed) -> str | None:
    return WAITS if one.awaiting_input else one.slot.reason()
