"""Problems in the files of running processes, stored where all of them and people can see them."""

import socket
from collections.abc import Mapping, Sequence
from datetime import timedelta

import asyncpg

from hookline.database.types import Connection
from hookline.in_force import Problem
from hookline.inbox.deliveries import CHANNEL
from hookline.text import reason

RELOAD = "hookline_reload"
"""Channel: running processes read their files again."""
SILENT = timedelta(minutes=2)
"""After so long without a report the process is gone, or its file is right."""


def process_on_this_machine(kind: str) -> str:
    """Return the name of a process on this machine: the same after its restart."""
    return f"{kind} at {socket.gethostname()}"


async def ask_to_reload(connection: Connection) -> None:
    """Ask every running gateway and engine to read its files again."""
    await connection.execute("SELECT pg_notify($1, '')", RELOAD)


async def report(database: asyncpg.Pool, process: str, problems: Sequence[Problem]) -> None:
    """Store the problems that the files of a process have now, and delete its earlier ones."""
    rows = {(problem.kind, problem.name): reason(problem) for problem in problems}
    kinds, names, details = [key[0] for key in rows], [key[1] for key in rows], list(rows.values())
    async with database.acquire() as connection, connection.transaction():
        await connection.execute(
            """
            DELETE FROM configuration_problems
            WHERE (process = $1 AND (kind, name) NOT IN (SELECT * FROM unnest($2::text[], $3::text[])))
               OR seen_at < now() - 10 * $4::interval
            """,
            process,
            kinds,
            names,
            SILENT,
        )
        await connection.execute(
            """
            INSERT INTO configuration_problems AS before (process, kind, name, detail)
            SELECT $1, * FROM unnest($2::text[], $3::text[], $4::text[])
            ON CONFLICT (process, kind, name) DO UPDATE
            SET detail = EXCLUDED.detail, seen_at = now(),
                since = CASE WHEN before.detail = EXCLUDED.detail THEN before.since ELSE now() END,
                event_due = before.event_due OR before.detail <> EXCLUDED.detail
            """,
            process,
            kinds,
            names,
            details,
        )


async def problems(database: "Connection | asyncpg.Pool") -> list[asyncpg.Record]:
    """Return the current problems: `kind`, `name`, `detail`, `since` and the `processes` that report them."""
    return await database.fetch(
        """
        SELECT kind, name, detail, min(since) AS since, array_agg(process ORDER BY process) AS processes
        FROM configuration_problems WHERE seen_at > now() - $1::interval
        GROUP BY kind, name, detail ORDER BY kind, name, detail
        """,
        SILENT,
    )


async def release(database: asyncpg.Pool, routes: Sequence[str]) -> int:
    """Release deliveries that wait for routes which are in force now; return their number."""
    released = await database.fetch(
        """
        WITH released AS (
            UPDATE deliveries SET state = 'received', reason = NULL
            WHERE state = 'held' AND reason LIKE 'route % waits %' AND split_part(reason, ' ', 2) = ANY($1)
              AND source NOT IN (SELECT source FROM pauses)
            RETURNING id
        )
        SELECT pg_notify($2, '') FROM released
        """,
        list(routes),
        CHANNEL,
    )
    return len(released)


async def note_broken(database: asyncpg.Pool, broken: Mapping[str, str]) -> None:
    """Set the reason of queued dispatches whose flow cannot be loaded."""
    await database.execute(
        """
        UPDATE dispatches p SET reason = broken.reason
        FROM unnest($1::text[], $2::text[]) AS broken (deployment, reason)
        WHERE p.state = 'dispatched' AND p.deployment = broken.deployment
          AND p.reason IS DISTINCT FROM broken.reason
        """,
        list(broken),
        list(broken.values()),
    )
