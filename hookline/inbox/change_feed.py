"""The change feed: rows of the audit trail as they are written, for those who follow them live."""

from dataclasses import dataclass, field
from typing import Self

import asyncpg

MAX_LATE = 1_000
"""Numbers before the latest change that may still be uncommitted when a feed begins; they are seen once committed."""

# The first transaction that may still be open, and the first that has not begun yet.
_TRANSACTIONS = """
    SELECT pg_snapshot_xmin(s)::text::bigint, pg_snapshot_xmax(s)::text::bigint FROM pg_current_snapshot() AS s"""

_CHANGES = """
    SELECT c.id, c.at, c.subject, c.delivery_id, c.dispatch_id, c.effect_id, c.person,
           coalesce(c.source, d.source) AS source, d.external_id, p.route, p.key, p.flow_run_id,
           coalesce(p.label, d.label) AS label, d.about || coalesce(p.about, '{}') AS about,
           c.was, c.became, c.actor, c.reason
    FROM changes c
    LEFT JOIN deliveries d ON d.id = c.delivery_id LEFT JOIN dispatches p ON p.id = c.dispatch_id
    WHERE c.id > $1 AND c.id <> ALL ($2::bigint[]) ORDER BY c.id"""


@dataclass
class ChangeFeed:
    """
    The audit trail from now on: each change once, as soon as it is committed.

    Changes are numbered when they are written and visible when their transaction commits, which may be out of order:
    a number below the latest may still appear while a transaction of its time is open.
    """

    database: asyncpg.Pool
    floor: int
    """All changes up to this one have been seen."""
    seen: set[int]
    """Changes above the floor that have been seen."""
    next_floor: tuple[int, int] = field(default=(0, 0))
    """The floor to be, and the first transaction after it: once all before that one have ended."""

    @classmethod
    async def begin(cls, database: asyncpg.Pool) -> Self:
        """Follow changes from now on."""
        floor = await database.fetchval(
            "SELECT greatest(0, coalesce(max(id), 0) - $1) FROM changes", MAX_LATE
        )
        seen = await database.fetch("SELECT id FROM changes WHERE id > $1", floor)
        return cls(database, floor, {row["id"] for row in seen})

    async def changes(self) -> list[asyncpg.Record]:
        """Return the changes since the last call, in order, each with its delivery and dispatch."""
        [(open_from, open_to)] = await self.database.fetch(_TRANSACTIONS)
        latest = max(self.seen, default=self.floor)
        rows = await self.database.fetch(_CHANGES, self.floor, self.seen)
        self.seen |= {row["id"] for row in rows}
        number, transaction = self.next_floor
        if open_from >= transaction:
            self.floor = max(self.floor, number)
            self.seen = {each for each in self.seen if each > self.floor}
            self.next_floor = (latest, open_to)
        return rows
