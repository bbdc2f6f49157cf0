"""
The quarantine: a dispatch whose engine was lost runs after all others, then by itself, and then no more.

Nobody can know if a dispatch killed its engine, or only was claimed when it died. So each that was taken over is a
suspect: the first time it runs when nothing else waits, in a flow run of its own; then by itself in its engine, so that
a third death is its own. An end of any kind that the engine survives clears it. An engine that was lost, by its session
or its lease, and lives on has not died: it costs a dispatch its turn, and nothing else.
"""

import time
from collections.abc import Collection

import asyncpg

from hookline.engine.leases import ClaimedDispatch, Leases
from hookline.inbox import dispatches
from hookline.inbox.dispatches import LOST_TOO_OFTEN, QUARANTINE_AT

MAX_ISOLATED_SECONDS = 60.0
"""The longest time for which a suspect that runs by itself keeps its engine from all else."""
MAKE_ROOM_AFTER_SECONDS = 30.0
"""The wait of a suspect after which its engine claims nothing else before it."""


class Quarantine:
    """Claims suspects, and keeps all else out of the engine while one must run by itself."""

    def __init__(self, leases: Leases, deployments: Collection[str]) -> None:
        self.leases = leases
        self.deployments = deployments
        self.max_takeovers = 0
        """How often one of those that wait was taken over, at most."""
        self.waits_since = time.monotonic()
        """The time since which one waits that must run by itself."""

    async def refresh(self, database: asyncpg.Pool) -> None:
        """Read if suspects wait."""
        before, self.max_takeovers = self.max_takeovers, await dispatches.suspects(database)
        if before < QUARANTINE_AT:
            self.waits_since = time.monotonic()

    @property
    def is_closed(self) -> bool:
        """True while a suspect runs by itself: nothing else is begun."""
        return any(_must_run_by_itself(claimed) and _is_new(claimed) for claimed in self._at_work)

    @property
    def makes_room(self) -> bool:
        """True if one that must run by itself has waited for so long that nothing else is begun before it."""
        waited = time.monotonic() - self.waits_since
        return self.max_takeovers >= QUARANTINE_AT and waited > MAKE_ROOM_AFTER_SECONDS

    async def claim(self, free_slots: int) -> list[ClaimedDispatch]:
        """Claim suspects if nothing else waits: those taken over once, or one of the others, which runs by itself."""
        if self.max_takeovers == 0 or free_slots <= 0:
            return []
        if not self.makes_room and (
            taken_over_once := await self.leases.claim(free_slots, self.deployments, (1, QUARANTINE_AT - 1))
        ):
            return taken_over_once
        if self.max_takeovers < QUARANTINE_AT or self._at_work:
            return []
        self.waits_since = time.monotonic()
        return await self.leases.claim(1, self.deployments, (QUARANTINE_AT, LOST_TOO_OFTEN))

    @property
    def _at_work(self) -> list[ClaimedDispatch]:
        return [claimed for claimed in self.leases.claimed.values() if claimed.is_at_work]


def _must_run_by_itself(claimed: ClaimedDispatch) -> bool:
    return bool(claimed.dispatch["takeovers"] >= QUARANTINE_AT)


def _is_new(claimed: ClaimedDispatch) -> bool:
    return time.monotonic() - claimed.began < MAX_ISOLATED_SECONDS
