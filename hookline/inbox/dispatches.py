"""Dispatches: a delivery that fulfilled a route, claimed by an engine under a lease, run once."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg

from hookline.database.types import Connection
from hookline.inbox.deliveries import CHANNEL


async def add(
    connection: Connection,
    delivery_id: UUID,
    *,
    route: str,
    deployment: str,
    parameters: Mapping[str, Any],
    key: str | None,
) -> None:
    """Add the dispatch of a (delivery, route) pair, unless it exists from an earlier routing."""
    await connection.execute(
        """
        INSERT INTO dispatches (delivery_id, route, deployment, parameters, key) VALUES ($1, $2, $3, $4, $5)
        ON CONFLICT (delivery_id, route) DO NOTHING
        """,
        delivery_id,
        route,
        deployment,
        parameters,
        key,
    )


async def claim(database: asyncpg.Pool, owner: str, *, limit: int, lease: timedelta) -> list[asyncpg.Record]:
    """
    Take dispatches that may run now: waiting, first of their ordering key, or left by an engine that fell silent.

    The lease must be renewed before it ends, or another engine takes them over.
    """
    return await database.fetch(
        """
        WITH free AS (
            SELECT d.id FROM dispatches d
            WHERE ((d.state = 'waiting' AND d.not_before <= now())
                   OR (d.state = 'running' AND d.lease_until < now()))
              AND NOT EXISTS (SELECT 1 FROM dispatches e
                              WHERE e.key = d.key AND e.seq < d.seq AND e.state IN ('waiting', 'running'))
            ORDER BY d.seq LIMIT $2 FOR UPDATE OF d SKIP LOCKED
        )
        UPDATE dispatches d
        SET state = 'running', attempts = d.attempts + 1, lease_owner = $1, lease_until = now() + $3,
            started_at = coalesce(d.started_at, now())
        FROM free WHERE d.id = free.id
        RETURNING d.*
        """,
        owner,
        limit,
        lease,
    )


async def renew(database: asyncpg.Pool, owner: str, lease: timedelta) -> None:
    """Renew the leases of everything this engine has in hand."""
    await database.execute(
        "UPDATE dispatches SET lease_until = now() + $2 WHERE state = 'running' AND lease_owner = $1",
        owner,
        lease,
    )


async def note_flow_run(database: asyncpg.Pool, dispatch_id: UUID, flow_run_id: UUID) -> None:
    """Write down which flow run a dispatch became."""
    await database.execute("UPDATE dispatches SET flow_run_id = $2 WHERE id = $1", dispatch_id, flow_run_id)


async def finish(
    database: asyncpg.Pool, dispatch_id: UUID, owner: str, state: str, reason: str | None
) -> None:
    """Write down how a dispatch ended; nothing, if another engine has taken it over. Wakes the engines."""
    await database.execute(
        """
        WITH ended AS (
            UPDATE dispatches
            SET state = $3, reason = $4, finished_at = now(), lease_owner = NULL, lease_until = NULL
            WHERE id = $1 AND lease_owner = $2 RETURNING 1
        )
        SELECT pg_notify($5, '') FROM ended
        """,
        dispatch_id,
        owner,
        state,
        reason,
        CHANNEL,
    )


async def put_back(
    database: asyncpg.Pool, dispatch_id: UUID, owner: str, reason: str, delay: timedelta
) -> None:
    """Let a dispatch wait again: what it needs was away, which is not its fault."""
    await database.execute(
        """
        UPDATE dispatches
        SET state = 'waiting', reason = $3, not_before = now() + $4, lease_owner = NULL, lease_until = NULL
        WHERE id = $1 AND lease_owner = $2
        """,
        dispatch_id,
        owner,
        reason,
        delay,
    )


async def seconds_to_next(database: asyncpg.Pool) -> float | None:
    """Seconds until a waiting dispatch or an expiring lease wants an engine; None if nothing is due."""
    seconds: float | None = await database.fetchval(
        """
        SELECT extract(epoch FROM min(CASE state WHEN 'waiting' THEN not_before ELSE lease_until END) - now())::float
        FROM dispatches WHERE state IN ('waiting', 'running')
          AND CASE state WHEN 'waiting' THEN not_before ELSE lease_until END > now()
        """
    )
    return seconds


async def ended_badly(database: asyncpg.Pool, within: timedelta) -> list[asyncpg.Record]:
    """Dispatches that ended failed or uncertain of late: a person may retry their flow runs in the Prefect UI."""
    return await database.fetch(
        """
        SELECT id, flow_run_id FROM dispatches
        WHERE state IN ('failed', 'uncertain') AND flow_run_id IS NOT NULL AND finished_at > now() - $1::interval
        """,
        within,
    )


async def adopt(database: asyncpg.Pool, dispatch_id: UUID, state: str, reason: str) -> None:
    """Write down that a flow run ended otherwise after a person retried it in the Prefect UI."""
    await database.execute(
        "UPDATE dispatches SET state = $2, reason = $3, finished_at = now()"
        " WHERE id = $1 AND state IN ('failed', 'uncertain')",
        dispatch_id,
        state,
        reason,
    )


async def release_settled(connection: Connection, flow_run_id: UUID) -> int:
    """Let the dispatch of a flow run go on once its uncertain effect is settled; how many there were."""
    status = await connection.execute(
        "UPDATE dispatches SET state = 'waiting', reason = NULL, not_before = now(), finished_at = NULL"
        " WHERE flow_run_id = $1 AND state IN ('uncertain', 'failed')",
        flow_run_id,
    )
    await connection.execute("SELECT pg_notify($1, '')", CHANNEL)
    return int(status.removeprefix("UPDATE "))
