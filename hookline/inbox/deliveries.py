"""Deliveries: accepted requests, kept as they came."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any
from uuid import UUID

import asyncpg

from hookline.database.types import Connection, Row
from hookline.text import reason

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
class Arrival:
    """A request that is believed and can be taken; what proved it is out of the query and the headers."""

    source: str
    external_id: str
    method: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    content_type: str
    body: bytes
    altered: Sequence[str] = ()
    """What was done to the body, which then is not what came (`bodies.keep`)."""

    @property
    def key(self) -> tuple[str, str]:
        """What makes it this delivery and no other."""
        return self.source, self.external_id


@dataclass(frozen=True)
class Receipt:
    """What the sender is told."""

    id: UUID
    duplicate: bool


async def accept(database: asyncpg.Pool, arrival: Arrival) -> Receipt:
    """Put one delivery on disk; see `accept_all`."""
    async with database.acquire() as connection:
        [receipt] = await accept_all(connection, [arrival])
    return receipt


async def accept_all(
    connection: Connection, arrivals: Sequence[Arrival], *, seconds: float | None = None
) -> list[Receipt]:
    """
    Put deliveries on disk, or count them as repeats of those that are there; wakes the engines.

    One transaction, for PostgreSQL lets transactions that notify come to their end one after another, each with
    a wait for the disk. What a paused source sends is held.

    Args:
        connection: not in a transaction.
        arrivals: no two of them with the same key.
        seconds: after these the database is taken for dead.

    Returns:
        The receipts, in the order of the arrivals.
    """
    rows = await connection.fetch(
        """
        WITH arrived AS (   -- numbered as they came, though not inserted in that order
            SELECT nextval(pg_get_serial_sequence('deliveries', 'seq')) AS seq, a.*
            FROM unnest($1::text[], $2::text[], $3::text[], $4::jsonb[], $5::jsonb[], $6::text[], $7::bytea[],
                        $8::text[])
                AS a (source, external_id, method, query, headers, content_type, body, altered)
        ), paused AS (      -- a resume waits, or is waited for
            SELECT source FROM pauses WHERE source = ANY ($1) FOR SHARE
        ), accepted AS (
            INSERT INTO deliveries (seq, source, external_id, method, query, headers, content_type, body, altered,
                                    state)
            OVERRIDING SYSTEM VALUE
            SELECT seq, source, external_id, method, query, headers, content_type, body,
                   string_to_array(altered, ','),
                   CASE WHEN source IN (SELECT source FROM paused) THEN 'held' ELSE 'received' END
            FROM arrived ORDER BY source, external_id   -- so that two gateways do not wait for each other
            ON CONFLICT (source, external_id)
                DO UPDATE SET duplicates = deliveries.duplicates + 1, duplicate_at = now()
            RETURNING id, source, external_id, xmax <> 0 AS duplicate
        )
        SELECT *, CASE WHEN duplicate THEN NULL ELSE pg_notify($9, '') END FROM accepted
        """,
        *zip(*map(_columns, arrivals), strict=True),
        CHANNEL,
        timeout=seconds,
    )
    receipts = {(row["source"], row["external_id"]): Receipt(row["id"], row["duplicate"]) for row in rows}
    return [receipts[arrival.key] for arrival in arrivals]


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


async def hold(connection: Connection, delivery_id: UUID, why: str) -> None:
    """Let a delivery wait unrouted until what it waits for is there; a route that it was replayed to stays chosen."""
    await connection.execute(
        "UPDATE deliveries SET state = 'held', reason = $2 WHERE id = $1", delivery_id, reason(why)
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


def _columns(arrival: Arrival) -> tuple[object, ...]:
    values = {field.name: getattr(arrival, field.name) for field in fields(arrival)}
    return tuple(
        (values | {"altered": ",".join(arrival.altered)}).values()
    )  # a list would be a dimension more
