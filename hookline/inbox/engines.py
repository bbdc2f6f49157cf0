"""Heartbeats of engines: each sends one every few seconds, with what fails in it just now."""

from collections.abc import Collection
from datetime import datetime, timedelta

import asyncpg

SILENT = timedelta(minutes=10)
"""After so long without a heartbeat an engine is no longer listed."""


async def beat(
    database: asyncpg.Pool, name: str, *, host: str, pid: int, trouble: str | None, since: datetime | None
) -> None:
    """Store a heartbeat of this engine; delete engines that are silent for long, or whose clock was ahead."""
    await database.execute(
        """
        WITH silent AS (
            DELETE FROM engines WHERE name <> $1 AND (seen_at < now() - $6::interval OR seen_at > now() + $6)
        )
        INSERT INTO engines (name, host, pid, trouble, trouble_since) VALUES ($1, $2, $3, $4, $5)
        ON CONFLICT (name) DO UPDATE
        SET seen_at = now(), trouble = excluded.trouble, trouble_since = excluded.trouble_since
        """,
        name,
        host,
        pid,
        trouble,
        since,
        SILENT,
    )


async def forget(database: asyncpg.Pool, names: Collection[str]) -> None:
    """Delete engines: one that stopped in order, or those that are known to be dead."""
    await database.execute("DELETE FROM engines WHERE name = ANY($1)", list(names))
