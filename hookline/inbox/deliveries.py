"""Deliveries: accepted requests, kept as they came."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import asyncpg

from hookline.database.types import Connection, Row

CHANNEL = "hookline"
"""Notified when there is something for an engine to do."""

STATES = (
    "received",
    "held",
    "dispatched",
    "running",
    "done",
    "failed",
    "uncertain",
    "rejected",
    "discarded",
    "unrouted",
)
"""Where a delivery may be; with several dispatches, where the one is that needs a person most."""
OPEN = ("received", "held", "dispatched", "running")
"""Work that is still to be done."""


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
    method: str,
    query: Mapping[str, str],
    headers: Mapping[str, str],
    content_type: str,
    body: bytes,
    altered: Sequence[str] = (),
) -> Receipt:
    """
    Put a delivery on disk, or count it as a repeat of the one that is there; wakes the engines.

    What a paused source sends is held. Secrets must be out of the query and the headers already, and `altered`
    says what was done to the body (`bodies.keep`).
    """
    [row] = await database.fetch(
        """
        WITH pause AS (SELECT FROM pauses WHERE source = $1 FOR SHARE),   -- a resume waits, or is waited for
        accepted AS (
            INSERT INTO deliveries (source, external_id, method, query, headers, content_type, body, altered, state)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8,
                    CASE WHEN EXISTS (SELECT FROM pause) THEN 'held' ELSE 'received' END)
            ON CONFLICT (source, external_id)
                DO UPDATE SET duplicates = deliveries.duplicates + 1, duplicate_at = now()
            RETURNING id, xmax <> 0 AS duplicate
        )
        SELECT id, duplicate, CASE WHEN duplicate THEN NULL ELSE pg_notify($9, '') END FROM accepted
        """,
        source,
        external_id,
        method,
        query,
        headers,
        content_type,
        body,
        altered,
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
    """Note what became of a delivery that has no dispatch: one that has is where its dispatches are."""
    await connection.execute(
        "UPDATE deliveries SET state = $2, reason = $3, only_route = NULL WHERE id = $1",
        delivery_id,
        state,
        reason,
    )


def names(row: Row, body: Any) -> dict[str, Any]:
    """What the templates of `hooks.yaml` may use of a delivery."""
    return {
        "body": body,
        "headers": row["headers"],
        "query": row["query"],
        "method": row["method"],
        "source": row["source"],
        "delivery_id": row["external_id"],
        "received_at": row["received_at"].isoformat(),
    }
