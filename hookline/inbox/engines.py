"""Heartbeats of engines: each sends one every few seconds, with what fails in it just now."""

from collections.abc import Collection
from datetime import datetime, timedelta

import asyncpg

SILENT = timedelta(minutes=10)
"""After so long without a heartbeat an engine is no longer listed."""


SESSIONS = 1_212_370_763
"""The first number of the advisory locks that engines hold; the second says which."""
_LIVES = """
EXISTS (SELECT FROM pg_locks l JOIN pg_database d ON d.oid = l.database
        WHERE d.datname = current_database() AND l.locktype = 'advisory' AND l.granted
          AND l.objsubid = 2 AND l.classid::bigint = $1 AND l.objid::bigint = e.session)
"""


async def begin_session(connection: asyncpg.Connection) -> int:
    """
    Lock a new number until this connection ends, however it does; return it.

    PostgreSQL knows at once when a process of its own machine has died. A number is never locked twice, for the end of
    an earlier connection of a living engine may not have been noticed yet.
    """
    session: int = await connection.fetchval("SELECT (random() * 2147483647)::int")
    await connection.execute("SELECT pg_advisory_lock($1::int, $2::int)", SESSIONS, session)
    return session


async def others_that_claim(database: asyncpg.Pool, name: str) -> int:
    """Return the number of other engines that take dispatches just now and live: a killed one does not count."""
    number: int = await database.fetchval(
        f"SELECT count(*) FROM engines e WHERE claims AND name <> $2 AND {_LIVES}",  # noqa: S608  (a constant)
        SESSIONS,
        name,
    )
    return number


async def without_session(database: asyncpg.Pool, name: str, stable: timedelta) -> set[str]:
    """
    Return the other engines than this one whose session has ended; a living one begins another at once.

    None while PostgreSQL itself was started less than `stable` ago: that ended every session.
    """
    rows = await database.fetch(
        f"""
        SELECT name FROM engines e
        WHERE session IS NOT NULL AND name <> $3 AND now() - pg_postmaster_start_time() > $2::interval AND NOT {_LIVES}
        """,  # noqa: S608  (a constant)
        SESSIONS,
        stable,
        name,
    )
    return {row["name"] for row in rows}


async def beat(
    database: asyncpg.Pool,
    name: str,
    *,
    host: str,
    pid: int,
    trouble: str | None,
    since: datetime | None,
    session: int | None = None,
    claims: bool = False,
) -> None:
    """Store a heartbeat of this engine; delete engines that are silent for long, or whose clock was ahead."""
    await database.execute(
        """
        WITH silent AS (
            DELETE FROM engines WHERE name <> $1 AND (seen_at < now() - $6::interval OR seen_at > now() + $6)
        )
        INSERT INTO engines (name, host, pid, trouble, trouble_since, session, claims)
        VALUES ($1, $2, $3, $4, $5, $7, $8)
        ON CONFLICT (name) DO UPDATE
        SET seen_at = now(), session = excluded.session, claims = excluded.claims, trouble = excluded.trouble,
            trouble_since = excluded.trouble_since
        """,
        name,
        host,
        pid,
        trouble,
        since,
        SILENT,
        session,
        claims,
    )


async def forget(database: asyncpg.Pool, names: Collection[str]) -> None:
    """Delete engines: one that stopped in order, or those that are known to be dead."""
    await database.execute("DELETE FROM engines WHERE name = ANY($1)", list(names))
