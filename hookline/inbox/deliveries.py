"""Deliveries: accepted requests, kept as they came."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields
from operator import itemgetter
from typing import Any
from uuid import UUID

import asyncpg

from hookline import text
from hookline.database.types import Connection, Row

CHANNEL = "hookline"
"""Notified when there is something for an engine to do."""

ROUTING_SECONDS = 10
"""So long a claimed delivery is its engine's to route, unless that is renewed."""
LARGE_BODY = 65_536
"""Bytes; a larger body is read only when its turn has come."""

_LEASE = f"interval '{ROUTING_SECONDS} seconds'"
_LONGEST = "interval '30 seconds'"
# What lies further ahead than anything is ever put off was written by a clock that was set back since.
_FREE = f"(d.routing_until IS NULL OR NOT d.routing_until BETWEEN now() AND now() + {_LONGEST})"
_COUNTED = f"routing_until = now() + {_LEASE}, routing_attempts = d.routing_attempts"
# The count must outlive this process, not the server's: it need not wait for the disk.
_QUICKLY = "(SELECT set_config('synchronous_commit', 'off', true)) AS quickly"
_TO_ROUTE = f"""
    d.id, d.seq, d.source, d.external_id, d.method, d.query, d.headers, d.content_type, d.altered, d.received_at,
    d.only_route, d.routing_attempts, d.body IS NOT NULL AS has_body,
    CASE WHEN octet_length(d.body) <= {LARGE_BODY} THEN d.body END AS body
"""


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


async def claim_received(
    connection: Connection, limit: int, *, busy: Collection[str] = (), counted: Collection[UUID] = ()
) -> list[asyncpg.Record]:
    """
    Claim deliveries that no route has seen yet, in order of arrival; sources take turns.

    Each attempt is counted before it is made: whoever dies of one has left a trace. Where an attempt of a source was
    counted and did not end, all of that source waits (`claim_suspect`), so that its order stays.

    Args:
        connection: outside a transaction.
        limit: how many at most.
        busy: sources that are left alone.
        counted: deliveries whose attempt by this same process was counted before; it is alive.

    Returns:
        The deliveries; `body` is absent where it is large (`body_of`).
    """
    claimed = await connection.fetch(
        f"""
        WITH RECURSIVE sources AS (
            (SELECT source FROM deliveries WHERE state = 'received' ORDER BY source LIMIT 1)
            UNION ALL
            SELECT (SELECT source FROM deliveries WHERE state = 'received' AND source > s.source
                    ORDER BY source LIMIT 1)
            FROM sources s WHERE s.source IS NOT NULL
        ),
        due AS (
            SELECT d.*, row_number() OVER (PARTITION BY s.source ORDER BY d.seq) AS turn
            FROM sources s CROSS JOIN LATERAL (
                SELECT d.id, d.seq FROM deliveries d
                WHERE d.state = 'received' AND d.source = s.source AND ({_FREE} OR d.id = ANY($3))
                ORDER BY d.seq LIMIT $1 FOR UPDATE SKIP LOCKED
            ) d
            WHERE s.source <> ALL($2) AND NOT EXISTS (
                SELECT FROM deliveries e WHERE e.state = 'received' AND e.routing_attempts > 0
                AND e.source = s.source AND e.id <> ALL($3))
        )
        UPDATE deliveries d SET {_COUNTED} + CASE WHEN d.id = ANY($3) THEN 0 ELSE 1 END
        FROM (SELECT id FROM due ORDER BY turn, seq LIMIT $1) AS chosen, {_QUICKLY}
        WHERE d.id = chosen.id RETURNING {_TO_ROUTE}
        """,  # noqa: S608  (only texts of ours)
        limit,
        list(busy),
        list(counted),
    )
    return sorted(claimed, key=itemgetter("seq"))


async def claim_suspect(connection: Connection, counted: Collection[UUID] = ()) -> asyncpg.Record | None:
    """Claim the first delivery whose routing was begun by an engine and did not end: it is to be routed alone."""
    return await connection.fetchrow(
        f"""
        UPDATE deliveries d SET {_COUNTED} + 1
        FROM (SELECT d.id FROM deliveries d
              WHERE d.state = 'received' AND d.routing_attempts > 0 AND d.id <> ALL($1) AND {_FREE}
              ORDER BY d.seq LIMIT 1 FOR UPDATE SKIP LOCKED) AS chosen, {_QUICKLY}
        WHERE d.id = chosen.id RETURNING {_TO_ROUTE}
        """,  # noqa: S608  (only texts of ours)
        list(counted),
    )


async def has_suspect(database: asyncpg.Pool, counted: Collection[UUID] = ()) -> bool:
    """Return True if `claim_suspect` would find one."""
    found: bool = await database.fetchval(
        f"""
        SELECT EXISTS (SELECT FROM deliveries d WHERE d.state = 'received' AND d.routing_attempts > 0
                       AND d.id <> ALL($1) AND {_FREE})
        """,  # noqa: S608  (only texts of ours)
        list(counted),
    )
    return found


async def renew_routing(database: asyncpg.Pool, delivery_ids: Collection[UUID]) -> None:
    """Go on routing these deliveries: no other engine takes them for left alone."""
    await database.execute(
        """
        UPDATE deliveries SET routing_until = now() + make_interval(secs => $2)
        WHERE id = ANY($1) AND state = 'received'
        """,
        list(delivery_ids),
        ROUTING_SECONDS,
    )


async def release_routing(database: asyncpg.Pool, delivery_ids: Collection[UUID]) -> None:
    """Give back deliveries whose routing was not begun."""
    await database.execute(
        """
        UPDATE deliveries SET routing_attempts = greatest(routing_attempts - 1, 0), routing_until = NULL
        WHERE id = ANY($1) AND state = 'received'
        """,
        list(delivery_ids),
    )


async def postpone_routing(connection: Connection, delivery_id: UUID, reason: str) -> None:
    """Let a delivery wait for something that a person must put right before it can be routed."""
    await connection.execute(
        f"""
        UPDATE deliveries SET routing_attempts = 0, routing_until = now() + {_LONGEST}, reason = $2
        WHERE id = $1 AND state = 'received'
        """,  # noqa: S608  (only texts of ours)
        delivery_id,
        text.reason(reason),
    )


async def lock_claimed(connection: Connection, claimed: Mapping[UUID, int]) -> set[UUID]:
    """
    Lock those of these deliveries that are still this engine's to route, until the transaction ends.

    Args:
        connection: in a transaction.
        claimed: the number of the attempt of each, by which another engine's is told apart.
    """
    rows = await connection.fetch(
        """
        SELECT d.id FROM deliveries d JOIN unnest($1::uuid[], $2::int[]) AS c (id, attempt)
            ON d.id = c.id AND d.routing_attempts = c.attempt
        WHERE d.state = 'received' ORDER BY d.seq FOR UPDATE OF d
        """,
        list(claimed),
        list(claimed.values()),
    )
    return {row["id"] for row in rows}


async def body_of(database: asyncpg.Pool, delivery_id: UUID) -> bytes | None:
    """Return a body as it is kept."""
    body: bytes | None = await database.fetchval("SELECT body FROM deliveries WHERE id = $1", delivery_id)
    return body


async def set_state(connection: Connection, delivery_id: UUID, state: str, reason: str | None = None) -> None:
    """Note what became of a delivery that has no dispatch: one that has is where its dispatches are."""
    await connection.execute(
        "UPDATE deliveries SET state = $2, reason = $3, only_route = NULL WHERE id = $1",
        delivery_id,
        state,
        None if reason is None else text.reason(reason),
    )


async def hold(connection: Connection, delivery_id: UUID, why: str) -> None:
    """Let a delivery wait unrouted until what it waits for is there; a route that it was replayed to stays chosen."""
    await connection.execute(
        """
        UPDATE deliveries SET state = 'held', reason = $2, routing_attempts = 0, routing_until = NULL WHERE id = $1
        """,
        delivery_id,
        text.reason(why),
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
