"""
What is due: one question to the database for all that an engine does only now and then.

Each kind of work would ask for itself, some fifty times a second together, and nearly always hear that there is none.
Each says here, by a condition, when there may be some: rather too often than not.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Final, Literal, TypeAlias

import asyncpg

from hookline.engine import events, late_checks, notices
from hookline.inbox import dispatches
from hookline.issues import store as issues
from hookline.outages import waiting
from hookline.waits import people, store

Kind: TypeAlias = Literal[
    "backfill", "events", "late checks", "losses", "questions", "vendors", "vendors away", "waits"
]

CONDITIONS: Final[Mapping[Kind, str]] = {
    "backfill": store.TO_BACKFILL,
    "events": f"{events.DUE} OR {notices.DUE}",
    "late checks": late_checks.DUE,
    "losses": dispatches.LOST,
    "questions": people.DUE,
    "vendors": f"{waiting.DUE} OR {issues.MAY_BE_DONE}",
    "vendors away": waiting.AWAY,
    "waits": store.OVER,
}
_QUESTION: Final = "SELECT " + ", ".join(f'({sql}) AS "{kind}"' for kind, sql in CONDITIONS.items())


class Due:
    """The kinds of work of which some was due when it was asked last; before the first, all may be."""

    def __init__(self, database: asyncpg.Pool) -> None:
        self.database = database
        self._kinds: set[str] = {*CONDITIONS}

    async def refresh(self) -> None:
        """Ask what is due."""
        [row] = await self.database.fetch(_QUESTION)
        self._kinds = {kind for kind, is_due in row.items() if is_due}

    def __contains__(self, kind: Kind) -> bool:
        return kind in self._kinds

    def only(
        self, kind: Kind, do: Callable[[], Awaitable[bool | None]]
    ) -> Callable[[], Awaitable[bool | None]]:
        """Return a function that does this where some of its kind is due."""

        async def when_due() -> bool | None:
            return await do() if kind in self else None

        return when_due
