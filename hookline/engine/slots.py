"""
The slots of an engine: who is at work, who only waits, and how much of the work one vendor may have.

So many dispatches are at work at once, and many more may be claimed: one that waits for longer than a moment (for a
next attempt, an answer, a limit, a person) gives its slot back, and goes on at once when its wait is over. Calls to
one vendor take no more than half of the slots, so that one that hangs leaves room for the others.
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

CLAIMED: Final = 10
"""
So many times as many dispatches as there are slots may be claimed, at work or waiting.

Each takes memory, and a connection to PostgreSQL where it has a business to itself (see `pool`).
"""
WAITS: Final = "waits for a person's answer in the Prefect UI"
_OURS: Final = "waits "
"""How each reason begins that is told here, and so is taken back here."""
UNCLAIMED_SECONDS: Final = 5.0
"""How often those are told that wait to be claimed while nothing moves."""


class Claimed(Protocol):
    """What is asked of a claimed dispatch."""

    dispatch: asyncpg.Record
    waits: bool
    slot: "DispatchSlot"


@dataclass(eq=False)
class _Wait:
    why: str
    lasts_from: float
    """When, by the monotonic clock, it has lasted."""


class VendorShare:
    """The share of the slots that calls to one vendor's address may have; first come, first served, in any thread."""

    def __init__(self, vendor: str, most: Callable[[], int]) -> None:
        self.vendor = vendor
        self.most = most
        self.taken = 0
        self._queue: deque[tuple[asyncio.AbstractEventLoop, asyncio.Future[None]]] = deque()
        self._lock = Lock()

    @property
    def why(self) -> str:
        """What a dispatch waits for that gets none."""
        return f"waits for a free slot: {self.taken} of {self.most()} calls to {self.vendor} are in flight"

    async def acquire(self) -> None:
        """Take a slot, or wait for one."""
        loop = asyncio.get_running_loop()
        with self._lock:
            if self.taken < self.most() and not self._queue:
                self.taken += 1
                return
            turn = loop.create_future()
            self._queue.append((loop, turn))
        try:
            with context.waiting(self.why):
                await turn
        except asyncio.CancelledError:
            self._leave(turn)
            raise

    def release(self) -> None:
        """Give a slot back, to the first of those who wait."""
        with self._lock:
            self.taken -= 1
            while self._queue and self.taken < self.most():
                loop, turn = self._queue.popleft()
                with suppress(RuntimeError):  # its loop has ended, and its run with it
                    loop.call_soon_threadsafe(self._give, turn)
                    self.taken += 1

    def _give(self, turn: asyncio.Future[None]) -> None:
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
    """The slot of one dispatch: given back while it waits."""

    def __init__(self, slots: "Slots", told: str | None) -> None:
        self._slots = slots
        self._waits: set[_Wait] = set()
        self.told = told if told and told.startswith(_OURS) else None
        """What the inbox says that it waits for."""

    @contextmanager
    def waiting(self, why: str, *, grace: float) -> Iterator[None]:
        """Around one wait; see `hookline.context.waiting`."""
        wait = _Wait(why, time.monotonic() + grace)
        self._waits.add(wait)
        try:
            if not grace:
                self._slots.free()
            yield
        finally:
            self._waits.discard(wait)

    @asynccontextmanager
    async def vendor_slot(self, vendor: str, address: str) -> AsyncIterator[None]:
        """Around what is asked of one vendor; see `hookline.context.vendor_slot`."""
        share = self._slots.share(vendor, address)
        await share.acquire()
        try:
            yield
        finally:
            share.release()

    def why(self) -> str | None:
        """What it waits for, where it has for longer than a moment: then it has given its slot back."""
        now = time.monotonic()
        lasting = [wait for wait in tuple(self._waits) if wait.lasts_from <= now]
        return max(lasting, key=lambda wait: wait.lasts_from).why if lasting else None


class Slots:
    """All slots of one engine."""

    def __init__(self, at_once: int, claimed: Mapping[UUID, Claimed]) -> None:
        self.claimed = claimed
        self.at_once = at_once
        """How many may be at work; the engine raises it for a lane."""
        self.most_claimed = CLAIMED * at_once
        self.free: Callable[[], object] = lambda: None
        """Called when a slot became free that was not given back by the end of a run."""
        self._free = at_once
        self._moved = time.monotonic()
        self._told_unclaimed = 0.0
        self._shares: dict[str, VendorShare] = {}

    def share(self, vendor: str, address: str) -> VendorShare:
        """The share of a vendor's address."""
        share = self._shares.get(address)
        return share or self._shares.setdefault(
            address, VendorShare(vendor, lambda: max(1, self.at_once // 2))
        )

    def moved(self) -> None:
        """Note that a dispatch was claimed or is over."""
        self._moved = time.monotonic()

    def free_now(self) -> int:
        """How many are free, as far as more may be claimed."""
        return min(self.at_once - self.at_work(), self.most_claimed - len(self.claimed))

    def open_to(self, deployments: Collection[str]) -> list[str]:
        """
        Those of the deployments of which more may be claimed.

        One may have half of what the others leave: however many of its dispatches wait, there is room for others.
        """
        claimed = Counter(one.dispatch["deployment"] for one in self.claimed.values())
        total = claimed.total()
        return [
            name
            for name in deployments
            if claimed[name] < max(1, (self.most_claimed - total + claimed[name]) // 2)
        ]

    async def tell(self, database: asyncpg.Pool, owner: str, deployments: Collection[str]) -> None:
        """Say in the inbox what waits for what, and take it back; wake the engine where a slot was given back."""
        before, self._free = self._free, self.free_now()
        if self._free > before:
            self.free()
        await self._tell_claimed(database, owner)
        await self._tell_unclaimed(database, deployments, is_full=self._free <= 0)

    async def _tell_claimed(self, database: asyncpg.Pool, owner: str) -> None:
        claimed = dict(self.claimed)
        changed = {id_: why for id_, one in claimed.items() if (why := _why(one)) != one.slot.told}
        if changed:
            for id_ in await dispatches.say_why(database, owner, changed):
                claimed[id_].slot.told = changed[id_]

    async def _tell_unclaimed(
        self, database: asyncpg.Pool, deployments: Collection[str], *, is_full: bool
    ) -> None:
        """Where nothing has moved for some time: a backlog that moves needs no telling."""
        now = time.monotonic()
        if now - self._moved < GRACE_SECONDS or now - self._told_unclaimed < UNCLAIMED_SECONDS:
            return
        open_to = [] if is_full else self.open_to(deployments)
        if shut := sorted(set(deployments) - set(open_to)):
            self._told_unclaimed = now
            await dispatches.say_why_unclaimed(database, shut, self._why_unclaimed())

    def _why_unclaimed(self) -> str:
        at_work = self.at_work()
        return (
            f"waits for a free slot: {at_work} of {self.at_once} dispatches are at work in this engine, and "
            f"{len(self.claimed) - at_work} wait"
        )

    def at_work(self) -> int:
        """How many do not wait."""
        return sum(_why(one) is None for one in self.claimed.values())


def _why(one: Claimed) -> str | None:
    return WAITS if one.waits else one.slot.why()
