"""
What took its engine with it runs after all others, then by itself, and then no more.

Whether a dispatch killed its engine, or only was in hand when it died, nobody can know. So each that was in hand is a
suspect: after one death it runs when no innocent waits, in a flow run of its own; after two, by itself in its engine,
so that a third death is its own. An end of any kind that the engine survives acquits it.
"""

import time
from collections.abc import Collection

import asyncpg

from hookline.engine.leases import ClaimedDispatch, Leases
from hookline.inbox import dispatches
from hookline.inbox.dispatches import LAST, QUARANTINE_AT

ALONE_SECONDS = 60.0
"""For so long at most, one that runs by itself keeps its engine from all else."""
ROOM_SECONDS = 30.0
"""After so long, an engine takes nothing new until one that must run by itself had its turn."""


class Quarantine:
    """Gives suspects their turn."""

    def __init__(self, leases: Leases, deployments: Collection[str]) -> None:
        self.leases = leases
        self.deployments = deployments
        self.most_deaths = 0
        """Of what waits."""
        self.waits_since = 0.0
        """Since when one waits that must run by itself."""

    async def look(self, database: asyncpg.Pool) -> None:
        """See whether suspects wait."""
        before, self.most_deaths = self.most_deaths, await dispatches.suspects(database)
        if before < QUARANTINE_AT:
            self.waits_since = time.monotonic()

    @property
    def is_closed(self) -> bool:
        """True while one runs by itself: nothing else is begun."""
        return any(_must_be_alone(claimed) and _is_new(claimed) for claimed in self._at_work)

    @property
    def makes_room(self) -> bool:
        """True if one that must run by itself has waited for so long that nothing else is begun before it."""
        return self.most_deaths >= QUARANTINE_AT and time.monotonic() - self.waits_since > ROOM_SECONDS

    async def claim(self, free_slots: int) -> list[ClaimedDispatch]:
        """Take suspects, where nothing else waits: those of one death, or one of more that is then by itself."""
        if self.most_deaths == 0 or free_slots <= 0:
            return []
        if not self.makes_room and (
            once := await self.leases.claim(free_slots, self.deployments, (1, QUARANTINE_AT - 1))
        ):
            return once
        if self.most_deaths < QUARANTINE_AT or self._at_work:
            return []
        self.waits_since = time.monotonic()
        return await self.leases.claim(1, self.deployments, (QUARANTINE_AT, LAST))

    @property
    def _at_work(self) -> list[ClaimedDispatch]:
        return [claimed for claimed in self.leases.claimed.values() if claimed.is_at_work]


def _must_be_alone(claimed: ClaimedDispatch) -> bool:
    return bool(claimed.dispatch["engine_deaths"] >= QUARANTINE_AT)


def _is_new(claimed: ClaimedDispatch) -> bool:
    return time.monotonic() - claimed.began < ALONE_SECONDS
