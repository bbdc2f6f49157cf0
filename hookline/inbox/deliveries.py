"""Deliveries: accepted requests, kept as they came."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import asyncpg

from hookline.database.types import Connection, Row

CHANNEL = "hookline"
"""Notified when there is something for an engine to do."""


@dataclass(frozen=True)
class Receipt:
    """What the sender is told."""

    id: UUID
    duplicate: bool


async def accept(
    database: asyncpg.Pool,
    *,
    source: str,
    external_id: str,
    headers: Mapping[str, str],
    content_type: str,
    body: bytes,
) -> Receipt:
    """Put a delivery on disk, or count it as a repeat of the one that is there; wakes the engines."""
    [row] = await database.fetch(
        """
        WITH accepted AS (
            INSERT INTO deliveries (source, external_id, headers, content_type, body)
            VALUES ($1, $2, $3, $4, $5)
            ON CONFLICT (source, external_id)
                DO UPDATE SET duplicates = deliveries.duplicates + 1, duplicate_at = now()
            RETURNING id, xmax <> 0 AS duplicate
        )
        SELECT id, duplicate, CASE WHEN duplicate THEN NULL ELSE pg_notify($6, '') END FROM accepted
        """,
        source,
        external_id,
        headers,
        content_type,
        body,
        CHANNEL,
    )
    return Receipt(row["id"], row["duplicate"])


async def claim_received(connection: Connection, limit: int) -> list[asyncpg.Record]:
    """Deliveries that no route has seen yet, in order of arrival; locked until the transaction ends."""
    return await connection.fetch(
        """
        SELECT * FROM deliveries WHERE state = 'received'
        ORDER BY seq LIMIT $1 FOR UPDATE SKIP LOCKED
        """,
        limit,
    )


async def set_state(connection: Connection, delivery_id: UUID, state: str, reason: str | None = None) -> None:
    """Note what routing made of a delivery."""
    await connection.execute(
        "UPDATE deliveries SET state = $2, reason = $3 WHERE id = $1", delivery_id, state, reason
    )


async def find(
    database: asyncpg.Pool,
    *,
    source: str | None = None,
    state: str | None = None,
    key: str | None = None,
    before: int | None = None,
    limit: int = 50,
) -> list[asyncpg.Record]:
    """
    Deliveries for people, the latest first, each with its dispatches as a JSON list.

    `state` is a delivery's or one of its dispatches'; `key` is an id, the sender's id, a dispatch id, a flow
    run or (the end of) an ordering key; `before` is the `seq` that the page before ended with.
    """
    return await database.fetch(
        """
        SELECT d.*, coalesce(s.dispatches, '[]') AS dispatches
        FROM deliveries d LEFT JOIN LATERAL (
            SELECT jsonb_agg(to_jsonb(p) ORDER BY p.seq) AS dispatches FROM dispatches p WHERE p.delivery_id = d.id
        ) s ON true
        WHERE ($1::text IS NULL OR d.source = $1)
          AND ($2::text IS NULL OR d.state = $2
               OR EXISTS (SELECT 1 FROM dispatches p WHERE p.delivery_id = d.id AND p.state = $2))
          AND ($3::text IS NULL OR d.id::text = $3 OR d.external_id = $3
               OR EXISTS (SELECT 1 FROM dispatches p WHERE p.delivery_id = d.id
                          AND (p.id::text = $3 OR p.flow_run_id::text = $3 OR p.key = $3
                               OR split_part(p.key, ' ', -1) = $3)))
          AND ($4::bigint IS NULL OR d.seq < $4)
        ORDER BY d.seq DESC LIMIT $5
        """,
        source,
        state,
        key,
        before,
        limit,
    )


async def read(database: asyncpg.Pool, delivery_id: str) -> asyncpg.Record | None:
    """One delivery with its dispatches, by its id or by the beginning of it."""
    rows = await database.fetch(
        """
        SELECT d.*, coalesce((SELECT jsonb_agg(to_jsonb(p) ORDER BY p.seq) FROM dispatches p
                              WHERE p.delivery_id = d.id), '[]') AS dispatches
        FROM deliveries d WHERE d.id::text LIKE $1 || '%' ORDER BY d.seq LIMIT 2
        """,
        delivery_id.replace("%", "").replace("_", ""),
    )
    return rows[0] if len(rows) == 1 else None


async def replay(connection: Connection, delivery_id: UUID) -> bool:
    """
    Let a delivery go through again.

    One that never became a dispatch is routed again. A dispatch that failed goes on in its own flow run; one
    that is done or discarded gets a new one. What the journal has as done is not repeated.

    Returns:
        Whether there was anything to replay (what waits or runs is left alone).
    """
    async with connection.transaction():
        routed = await connection.execute(
            "UPDATE deliveries SET state = 'received', reason = NULL"
            " WHERE id = $1 AND state IN ('unrouted', 'failed', 'discarded')",
            delivery_id,
        )
        dispatched = await connection.execute(
            """
            UPDATE dispatches
            SET replays = replays + CASE WHEN state IN ('done', 'discarded') THEN 1 ELSE 0 END,
                flow_run_id = CASE WHEN state IN ('done', 'discarded') THEN NULL ELSE flow_run_id END,
                state = 'waiting', reason = NULL, not_before = now(), finished_at = NULL
            WHERE delivery_id = $1 AND state IN ('done', 'failed', 'uncertain', 'discarded')
            """,
            delivery_id,
        )
        await connection.execute("SELECT pg_notify($1, '')", CHANNEL)
    return routed != "UPDATE 0" or dispatched != "UPDATE 0"


async def discard(connection: Connection, delivery_id: UUID, reason: str) -> bool:
    """Set a delivery aside, with the reason; what runs already is left to end. False: nothing was open."""
    async with connection.transaction():
        delivery = await connection.execute(
            "UPDATE deliveries SET state = 'discarded', reason = $2"
            " WHERE id = $1 AND state IN ('received', 'unrouted', 'failed')",
            delivery_id,
            reason,
        )
        dispatches = await connection.execute(
            "UPDATE dispatches SET state = 'discarded', reason = $2, finished_at = now()"
            " WHERE delivery_id = $1 AND state IN ('waiting', 'failed', 'uncertain')",
            delivery_id,
            reason,
        )
    return delivery != "UPDATE 0" or dispatches != "UPDATE 0"


def names(row: Row, body: Any) -> dict[str, Any]:
    """What the templates of `hooks.yaml` may use of a delivery."""
    return {
        "body": body,
        "headers": row["headers"],
        "source": row["source"],
        "delivery_id": row["external_id"],
        "received_at": row["received_at"].isoformat(),
    }
