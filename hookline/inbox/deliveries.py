"""Deliveries: accepted requests, stored as they came, and claimed by an engine for their routing."""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, fields, replace
from datetime import timedelta
from operator import itemgetter
from typing import Any
from uuid import UUID

import asyncpg

from hookline import text, tracing
from hookline.database.types import Connection, Row
from hookline.labels import Label

CHANNEL = "hookline"
"""Notified when there is something for an engine to do."""

ROUTING_SECONDS = 10
"""A claimed delivery belongs to its engine for so long, unless that is renewed."""
LARGE_BODY = 65_536
"""Bytes; a larger body is read only when its delivery is routed."""

OTHER_BODY = (
    "it came under the id of an earlier delivery with another body; replay it if it is one of its own"
)
COPY = " copy "
"""What follows in the id of a copy on the sender's own: nothing that a sender sends has such an id."""
NOT_HELD = "NOT EXISTS (SELECT FROM lineage WHERE held_since IS NOT NULL)"
"""True unless the database is older than it was (`hookline.inbox.holding`)."""

_LEASE = f"interval '{ROUTING_SECONDS} seconds'"
MAX_CLAIM = "5s"
"""An engine that stops in the middle of a claim, and so keeps the others from claiming, loses its connection."""
_MAX_DELAY = "interval '30 seconds'"
# A later time was written before the database's clock was set back.
_UNCLAIMED = f"(d.routing_until IS NULL OR NOT d.routing_until BETWEEN now() AND now() + {_MAX_DELAY})"
_CLAIM = f"routing_until = now() + {_LEASE}, routing_attempts = d.routing_attempts"
# The count must outlive this process, not the server: it need not wait for the disk.
_WITHOUT_FSYNC = "(SELECT set_config('synchronous_commit', 'off', true)) AS without_fsync"
# An engine began it and did not end; of each source the first, for the others come after it.
_IS_SUSPECT = f"""
    d.state = 'received' AND d.routing_attempts > 0 AND d.id <> ALL($1) AND {_UNCLAIMED} AND {NOT_HELD}
    AND NOT EXISTS (SELECT FROM deliveries e WHERE e.state = 'received' AND e.routing_attempts > 0
                    AND e.source = d.source AND e.seq < d.seq AND e.id <> ALL($1))
"""
_TO_ROUTE = f"""
    d.id, d.seq, d.source, d.external_id, d.method, d.query, d.headers, d.content_type, d.altered, d.received_at,
    d.only_route, d.routing_attempts, d.ordering_keys, d.envelope, d.changed, d.traceparent,
    d.body IS NOT NULL AS has_body,
    CASE WHEN octet_length(d.body) <= {LARGE_BODY} THEN d.body END AS body
"""


@dataclass(frozen=True)
class Arrival:
    """A request that was authenticated and is to be stored; its secrets are out of the query and the headers."""

    source: str
    external_id: str
    method: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    content_type: str
    body: bytes
    altered: Sequence[str] = ()
    """The changes of the body before it was stored (`bodies.seal`)."""
    fingerprints: Sequence[bytes] = ()
    """
    Of the body before it was encrypted, by each key that there is; the first is stored.

    What shares none with the delivery whose id it has is another body, and stored beside it.
    """
    within: timedelta | None = None
    """Only for so long is another one with its id a repeat of it."""
    repeats_id: UUID | None = None
    """The first delivery, where it came under that one's id with another body."""
    bundle_id: UUID | None = None
    """The delivery that it is an item of."""
    envelope: Mapping[str, Any] | None = None
    """The plain values around an item in its bundle; None: it is no item."""
    copy_of: UUID | None = None
    """The item that it is a copy of, where a person changed the bundle."""
    changed: Mapping[str, Any] | None = None
    """What a person changed of it (`hookline.inbox.copies`); None: it is no copy."""
    listened_from: str | None = None
    """The other Hookline that verified it; None: this one did."""
    listened_id: UUID | None = None
    """Its id there."""
    traceparent: str | None = field(default_factory=tracing.traceparent, compare=False)
    """The span in which it arrives."""

    @property
    def key(self) -> tuple[str, str]:
        """Return the key by which a repeat is deduplicated."""
        return self.source, self.external_id


@dataclass(frozen=True)
class Receipt:
    """The answer to the sender."""

    id: UUID
    duplicate: bool
    apart: bool = False
    """It came under the id of this delivery with another body, and was stored beside it."""


async def accept(database: asyncpg.Pool, arrival: Arrival) -> Receipt:
    """Store one delivery; see `accept_all`."""
    async with database.acquire() as connection:
        [receipt] = await accept_all(connection, [arrival])
    return receipt


async def accept_all(
    connection: Connection, arrivals: Sequence[Arrival], *, seconds: float | None = None
) -> list[Receipt]:
    """
    Store deliveries, or count them as duplicates of stored ones, and wake the engines.

    In one statement, for PostgreSQL commits transactions that notify one after another, each with a wait for the
    disk. The deliveries of a paused source are held. A repeat with another body is stored too, and set aside.

    Args:
        connection: of the inbox.
        arrivals: no two of them with the same key.
        seconds: after these the database counts as dead.

    Returns:
        The receipts, in the order of the arrivals.
    """
    await _end_windows(connection, [each for each in arrivals if each.within], seconds)
    rows = await _insert(connection, arrivals, seconds)
    others = [
        replace(arrival, repeats_id=row["id"])
        for arrival in arrivals
        if (row := rows[arrival.key])["duplicate"]
        and arrival.fingerprints
        and row["fingerprint"]
        and row["fingerprint"] not in arrival.fingerprints
    ]
    if others:
        await _insert(connection, await _with_ids_of_their_own(connection, others, seconds), seconds)
    apart = {arrival.key for arrival in others}
    return [
        Receipt((row := rows[arrival.key])["id"], row["duplicate"], arrival.key in apart)
        for arrival in arrivals
    ]


async def _with_ids_of_their_own(
    connection: Connection, others: Sequence[Arrival], seconds: float | None
) -> list[Arrival]:
    """Return deliveries that came under the id of another one with ids of their own: the same body has the same."""
    rows = await connection.fetch(
        "SELECT repeats_id, fingerprint, external_id FROM deliveries WHERE repeats_id = ANY($1)"
        " AND fingerprint = ANY($2) ORDER BY seq DESC",
        [each.repeats_id for each in others],
        [fingerprint for each in others for fingerprint in each.fingerprints],
        timeout=seconds,
    )
    known = {(row["repeats_id"], row["fingerprint"]): row["external_id"] for row in rows}
    return [
        replace(
            each,
            external_id=next(
                (known[each.repeats_id, by] for by in each.fingerprints if (each.repeats_id, by) in known),
                f"{each.external_id} #{each.fingerprints[0].hex()[:12]}",
            ),
        )
        for each in others
    ]


async def _end_windows(connection: Connection, arrivals: Sequence[Arrival], seconds: float | None) -> None:
    """Take the ids away from deliveries that came too long ago to be repeated by these."""
    if arrivals:
        await connection.execute(
            """
            UPDATE deliveries d SET external_id = d.external_id || ' until ' || d.seq
            FROM unnest($1::text[], $2::text[], $3::interval[]) AS a (source, external_id, within)
            WHERE d.source = a.source AND d.external_id = a.external_id AND d.received_at < now() - a.within
            """,
            [each.source for each in arrivals],
            [each.external_id for each in arrivals],
            [each.within for each in arrivals],
            timeout=seconds,
        )


async def _insert(
    connection: Connection, arrivals: Sequence[Arrival], seconds: float | None
) -> dict[tuple[str, str], asyncpg.Record]:
    """Insert deliveries, or count them as duplicates; return their rows by key."""
    rows = await connection.fetch(
        """
        WITH arrived AS (   -- numbered as they came, though not inserted in that order
            SELECT nextval(pg_get_serial_sequence('deliveries', 'seq')) AS seq, a.*
            FROM unnest($1::text[], $2::text[], $3::text[], $4::jsonb[], $5::jsonb[], $6::text[], $7::bytea[],
                        $8::text[], $9::bytea[], $10::uuid[], $11::uuid[], $12::jsonb[], $13::uuid[], $14::jsonb[],
                        $15::text[], $16::uuid[], $17::text[])
                AS a (source, external_id, method, query, headers, content_type, body, altered, fingerprint,
                      repeats_id, bundle_id, envelope, copy_of, changed, listened_from, listened_id, traceparent)
        ), paused AS (      -- a resume waits, or is waited for
            SELECT source FROM pauses WHERE source = ANY ($1) FOR SHARE
        ), accepted AS (
            INSERT INTO deliveries (seq, source, external_id, method, query, headers, content_type, body, altered,
                                    fingerprint, repeats_id, bundle_id, envelope, copy_of, changed, listened_from,
                                    listened_id, traceparent, state, reason)
            OVERRIDING SYSTEM VALUE
            SELECT seq, source, external_id, method, query, headers, content_type, body,
                   string_to_array(altered, ','), fingerprint, repeats_id, bundle_id, envelope, copy_of, changed,
                   listened_from, listened_id, traceparent,
                   CASE WHEN repeats_id IS NOT NULL THEN 'discarded'
                        WHEN source IN (SELECT source FROM paused) THEN 'held' ELSE 'received' END,
                   CASE WHEN repeats_id IS NOT NULL THEN $19 END
            FROM arrived ORDER BY source, external_id   -- so that two gateways do not wait for each other
            ON CONFLICT (source, external_id)
                DO UPDATE SET duplicates = deliveries.duplicates + 1, duplicate_at = now()
            RETURNING id, source, external_id, fingerprint, xmax <> 0 AS duplicate
        )
        SELECT *, CASE WHEN duplicate THEN NULL ELSE pg_notify($18, '') END FROM accepted
        """,
        *zip(*map(_columns, arrivals), strict=True),
        CHANNEL,
        OTHER_BODY,
        timeout=seconds,
    )
    return {(row["source"], row["external_id"]): row for row in rows}


async def claim_received(
    connection: Connection,
    limit: int,
    *,
    busy: Collection[str] = (),
    counted: Collection[UUID] = (),
    owner: str | None = None,
) -> list[asyncpg.Record]:
    """
    Claim deliveries that are to be routed, in order of arrival; sources take turns.

    Each attempt is counted before it is made, so that an engine that dies of one has left a trace. While an attempt of
    a source is counted and did not end, all of that source waits, for its engine or for `claim_suspect`: its order
    stays, however many engines route.

    Args:
        connection: of the inbox.
        limit: of the number.
        busy: sources that are left out.
        counted: deliveries whose attempt by this same process was counted before; it is alive.
        owner: the engine's name.

    Returns:
        The deliveries; `body` is None where it is large (`body_of`).
    """
    async with _claiming(connection):
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
                SELECT d.*, s.source, row_number() OVER (PARTITION BY s.source ORDER BY d.seq) AS turn
                FROM sources s CROSS JOIN LATERAL (
                    SELECT d.id, d.seq FROM deliveries d
                    WHERE d.state = 'received' AND d.source = s.source AND ({_UNCLAIMED} OR d.id = ANY($3))
                    ORDER BY d.seq LIMIT $1
                ) d
                WHERE s.source <> ALL($2) AND {NOT_HELD} AND NOT EXISTS (
                    SELECT FROM deliveries e WHERE e.state = 'received' AND e.routing_attempts > 0
                    AND e.source = s.source AND e.id <> ALL($3))
                ORDER BY turn, seq LIMIT $1
            ),
            free AS (
                SELECT id FROM deliveries WHERE id IN (SELECT id FROM due) AND state = 'received'
                FOR UPDATE SKIP LOCKED
            )
            UPDATE deliveries d SET routing_owner = $4, {_CLAIM} + CASE WHEN d.id = ANY($3) THEN 0 ELSE 1 END
            FROM (SELECT due.* FROM due JOIN free USING (id)) AS chosen, {_WITHOUT_FSYNC}
            WHERE d.id = chosen.id AND NOT EXISTS (     -- it would overtake one that is just being changed
                SELECT FROM due e WHERE e.source = chosen.source AND e.seq < chosen.seq AND e.id NOT IN (TABLE free))
            RETURNING {_TO_ROUTE}
            """,  # noqa: S608  (constants)
            limit,
            list(busy),
            list(counted),
            owner,
        )
    return sorted(claimed, key=itemgetter("seq"))


async def claim_suspect(
    connection: Connection, counted: Collection[UUID] = (), *, owner: str | None = None
) -> asyncpg.Record | None:
    """Claim the first delivery whose routing an engine began and did not end, to be routed with no other beside it."""
    async with _claiming(connection):
        return await connection.fetchrow(
            f"""
            UPDATE deliveries d SET routing_owner = $2, {_CLAIM} + 1
            FROM (SELECT d.id FROM deliveries d WHERE {_IS_SUSPECT}
                  ORDER BY d.seq LIMIT 1 FOR UPDATE SKIP LOCKED) AS chosen, {_WITHOUT_FSYNC}
            WHERE d.id = chosen.id RETURNING {_TO_ROUTE}
            """,  # noqa: S608  (constants)
            list(counted),
            owner,
        )


@asynccontextmanager
async def _claiming(connection: Connection) -> AsyncIterator[None]:
    """
    Open a transaction in which this engine alone claims deliveries.

    Two statements at a time would both see a source as free, and skip each other's rows: of one source, the later
    deliveries could be routed first.
    """
    async with connection.transaction():
        await connection.execute(
            """
            SELECT set_config('idle_in_transaction_session_timeout', $1, true),
                   pg_advisory_xact_lock(hashtextextended('routing', 0))
            """,
            MAX_CLAIM,
        )
        yield


async def release_routing_of(database: asyncpg.Pool, dead: Collection[str]) -> None:
    """Release deliveries that these engines were routing when they died; their attempts stay counted."""
    await database.execute(
        """
        WITH released AS (
            UPDATE deliveries SET routing_until = NULL
            WHERE state = 'received' AND routing_attempts > 0 AND routing_until IS NOT NULL AND routing_owner = ANY($1)
            RETURNING 1
        )
        SELECT pg_notify($2, '') FROM released
        """,
        list(dead),
        CHANNEL,
    )


async def has_suspect(database: asyncpg.Pool, counted: Collection[UUID] = ()) -> bool:
    """Return True if `claim_suspect` would find one."""
    found: bool = await database.fetchval(
        f"SELECT EXISTS (SELECT FROM deliveries d WHERE {_IS_SUSPECT})",  # noqa: S608  (constants)
        list(counted),
    )
    return found


async def renew_routing(database: asyncpg.Pool, delivery_ids: Collection[UUID]) -> None:
    """Renew the claim on deliveries that are being routed."""
    await database.execute(
        """
        UPDATE deliveries SET routing_until = now() + make_interval(secs => $2)
        WHERE id = ANY($1) AND state = 'received'
        """,
        list(delivery_ids),
        ROUTING_SECONDS,
    )


async def release_routing(database: "Connection | asyncpg.Pool", delivery_ids: Collection[UUID]) -> None:
    """Release deliveries whose routing was not begun, or came too late."""
    await database.execute(
        """
        UPDATE deliveries SET routing_attempts = greatest(routing_attempts - 1, 0), routing_until = NULL
        WHERE id = ANY($1) AND state = 'received'
        """,
        list(delivery_ids),
    )


async def postpone_routing(
    connection: Connection, delivery_id: UUID, reason: str, ordering_keys: Collection[str] = ()
) -> None:
    """Let a delivery wait for what must come or be fixed before it can be routed; it is tried again soon."""
    await connection.execute(
        f"""
        UPDATE deliveries
        SET routing_attempts = 0, routing_until = now() + {_MAX_DELAY}, reason = $2, ordering_keys = $3
        WHERE id = $1 AND state = 'received'
        """,  # noqa: S608  (constants)
        delivery_id,
        text.reason(reason),
        list(ordering_keys),
    )


async def waiting_with(
    connection: Connection, ordering_keys: Collection[str], *, has_waited: bool
) -> list[asyncpg.Record]:
    """
    Return the deliveries that cannot be routed yet and have one of these keys, in order of arrival.

    Where there are any, what waits and what is let follow takes turns until the transaction ends.

    Args:
        connection: in a transaction.
        ordering_keys: the keys.
        has_waited: True if one that waited is to be routed.
    """
    question = """
        SELECT id, seq, ordering_keys FROM deliveries
        WHERE ordering_keys && $1 AND ordering_keys <> '{}' AND state IN ('received', 'held') ORDER BY seq
    """
    found = await connection.fetch(question, list(ordering_keys))
    if not (found or has_waited):
        return []
    await connection.execute("SELECT pg_advisory_xact_lock(hashtextextended('ordering keys', 0))")
    return await connection.fetch(question, list(ordering_keys))


async def let_follow(connection: Connection, waited: Sequence[Row]) -> None:
    """Let what waits behind these deliveries, which are routed now, be tried at once."""
    ids = [row["id"] for row in waited]
    await connection.execute("UPDATE deliveries SET ordering_keys = '{}' WHERE id = ANY($1)", ids)
    await connection.execute(
        """
        UPDATE deliveries SET routing_until = NULL
        WHERE id IN (SELECT id FROM deliveries
                     WHERE ordering_keys && $1 AND ordering_keys <> '{}' AND state = 'received'
                       AND routing_attempts = 0 ORDER BY seq FOR UPDATE SKIP LOCKED)
        """,
        list({key for row in waited for key in row["ordering_keys"]}),
    )


async def lock_claimed(connection: Connection, claimed: Mapping[UUID, int]) -> dict[UUID, bool]:
    """
    Lock those of these deliveries that are still to be routed, until the transaction ends.

    Args:
        connection: in a transaction.
        claimed: the number of each one's attempt, which tells it from another engine's.

    Returns:
        For each of them whether its claim is still this engine's.
    """
    rows = await connection.fetch(
        """
        SELECT d.id, d.routing_attempts = c.attempt AS is_ours
        FROM deliveries d JOIN unnest($1::uuid[], $2::int[]) AS c (id, attempt) ON d.id = c.id
        WHERE d.state = 'received' ORDER BY d.seq FOR UPDATE OF d
        """,
        list(claimed),
        list(claimed.values()),
    )
    return {row["id"]: row["is_ours"] for row in rows}


async def unclaimed(database: asyncpg.Pool, delivery_ids: Sequence[UUID]) -> list[asyncpg.Record]:
    """Return deliveries as `claim_received` does, in order of arrival; none is claimed."""
    return await database.fetch(
        f"""
        SELECT {_TO_ROUTE} FROM (SELECT * FROM deliveries WHERE id = ANY($1)) d ORDER BY d.seq
        """,  # noqa: S608  (constants)
        delivery_ids,
    )


async def body_of(database: asyncpg.Pool, delivery_id: UUID) -> bytes | None:
    """Return a body as it is stored."""
    body: bytes | None = await database.fetchval("SELECT body FROM deliveries WHERE id = $1", delivery_id)
    return body


async def set_state(connection: Connection, delivery_id: UUID, state: str, reason: str | None = None) -> None:
    """Set the state of a delivery that has no dispatch: any other follows its dispatches."""
    await connection.execute(
        "UPDATE deliveries SET state = $2, reason = $3, only_route = NULL WHERE id = $1",
        delivery_id,
        state,
        None if reason is None else text.reason(reason),
    )


async def set_label(connection: Connection, delivery_id: UUID, label: Label) -> None:
    """Store what a delivery is called that has no dispatch: any other has the labels of its dispatches."""
    await connection.execute(
        "UPDATE deliveries SET label = $2, about = $3, label_problem = $4 WHERE id = $1",
        delivery_id,
        label.text,
        label.about,
        label.problem,
    )


async def hold(
    connection: Connection, delivery_id: UUID, reason: str, ordering_keys: Collection[str] = ()
) -> None:
    """Hold a delivery unrouted until its route is on; a route that it was replayed to stays chosen."""
    await connection.execute(
        """
        UPDATE deliveries
        SET state = 'held', reason = $2, routing_attempts = 0, routing_until = NULL, ordering_keys = $3 WHERE id = $1
        """,
        delivery_id,
        text.reason(reason),
        list(ordering_keys),
    )


def sender_id(row: Row) -> str:
    """Return the sender's id of a delivery; of a copy, that of what was copied: keys made of it are the same."""
    identifier: str = row["external_id"]
    return identifier if row["changed"] is None else identifier.rpartition(COPY)[0]


def template_context(row: Row, body: Any) -> dict[str, Any]:
    """Return what the templates of `hooks.yaml` may use of a delivery."""
    return {
        "body": body,
        "headers": row["headers"],
        "query": row["query"],
        "method": row["method"],
        "source": row["source"],
        "delivery_id": sender_id(row),
        "received_at": row["received_at"].isoformat(),
        "envelope": row["envelope"] or {},
    }


def _columns(arrival: Arrival) -> tuple[object, ...]:
    values = {field.name: getattr(arrival, field.name) for field in fields(arrival) if field.name != "within"}
    values["altered"] = ",".join(arrival.altered)  # a list would be a dimension more
    values["fingerprints"] = arrival.fingerprints[0] if arrival.fingerprints else b""
    return tuple(values.values())
