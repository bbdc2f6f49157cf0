"""Requests that the gateway refused: counted by source, status and reason, with the headers of the last."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Any

import asyncpg

from hookline.database.types import Connection

MAX_OF_SOURCE = 50
"""Rows; of a source with more reasons, the latest stay."""


@dataclass
class Refusal:
    """Requests of a source that were refused for the same reason."""

    source: str
    status: int
    reason: str
    count: int
    first_at: datetime
    last_at: datetime
    peer: str
    """Of the last, as the rest."""
    headers: Mapping[str, str]


async def add_all(connection: Connection, refusals: Sequence[Refusal]) -> None:
    """Add to the counts of refusals; delete all but the latest rows of each source."""
    async with connection.transaction():
        await connection.executemany(
            """
            INSERT INTO refusals (source, status, reason, count, first_at, last_at, peer, headers)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
            ON CONFLICT (source, status, reason) DO UPDATE
                SET count = refusals.count + excluded.count, last_at = excluded.last_at,
                    peer = excluded.peer, headers = excluded.headers
            """,
            # In order, so that two gateways do not wait for each other.
            [
                tuple(getattr(each, field.name) for field in fields(Refusal))
                for each in sorted(refusals, key=lambda each: (each.source, each.status, each.reason))
            ],
        )
        await connection.execute(
            """
            DELETE FROM refusals r USING (
                SELECT source, status, reason,
                       row_number() OVER (PARTITION BY source ORDER BY last_at DESC, reason, status) AS place
                FROM refusals WHERE source = ANY ($1)
            ) counted
            WHERE place > $2 AND (r.source, r.status, r.reason) = (counted.source, counted.status, counted.reason)
            """,
            sorted({each.source for each in refusals}),
            MAX_OF_SOURCE,
        )


async def by_source(database: asyncpg.Pool) -> dict[str, list[Refusal]]:
    """Return the refusals of each source that has some, the latest first."""
    rows = await database.fetch("SELECT * FROM refusals ORDER BY source, last_at DESC, status, reason")
    found: dict[str, list[Refusal]] = {}
    for row in rows:
        found.setdefault(row["source"], []).append(Refusal(**dict(row)))
    return found


async def forget(database: asyncpg.Pool, source: str) -> int:
    """Delete the refusals of a source; return the number of rows."""
    return await _deleted(database, "DELETE FROM refusals WHERE source = $1", source)


async def prune(database: asyncpg.Pool, keep_days: int) -> int:
    """Delete refusals that did not happen again for so many days; return the number of rows."""
    return await _deleted(
        database, "DELETE FROM refusals WHERE last_at < now() - $1::interval", timedelta(days=keep_days)
    )


async def _deleted(database: asyncpg.Pool, statement: str, value: Any) -> int:
    status: str = await database.execute(statement, value)
    return int(status.rpartition(" ")[2])
