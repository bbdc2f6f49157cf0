"""
Listening: what a source sends here is sent on to another Hookline that listens, and this one listens to others.

Deliveries are numbered when they are written and visible when their transaction commits, which may be out of order:
the latest that were offered are offered again for a while, and the listener leaves out what it has.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import asyncpg

from hookline.database.session import changes_session
from hookline.database.types import Connection
from hookline.errors import HooklineError

GONE_SECONDS = 60
"""A listener that asks nothing for so long has gone."""
MAX_LISTENERS = 8
"""At once, to all sources."""
PAGE = 100
"""New deliveries that are offered at once."""
MAX_LATE = 1_000
"""Numbers before the latest that may still be uncommitted when it is offered."""
LATE_SECONDS = 120
"""The longest time for which they may be so."""


class TooManyListeners(HooklineError):
    """As many listen as may."""


@dataclass(frozen=True)
class Offer:
    """A delivery that a listener may ask for."""

    seq: int
    id: UUID
    external_id: str
    size: int


@dataclass(frozen=True)
class Place:
    """How far this Hookline has listened to another."""

    history: UUID
    """The lineage of the other one."""
    latest: int
    age: float = 0.0
    """Seconds since it was there."""
    reach: float = 0.0
    """Seconds since the time before which nothing was asked for."""


async def history(database: "asyncpg.Pool | Connection") -> UUID:
    """Return the id of the history that this database has: no two installations have the same."""
    found: UUID = await database.fetchval("SELECT id FROM lineage")
    return found


# The side that is listened to ---------------------------------------------------------------------------------


async def begin(connection: Connection, source: str, actor: str, since: float | None) -> tuple[UUID, int]:
    """
    Let somebody listen to a source, which the audit trail says.

    Args:
        connection: outside a transaction.
        source: its name.
        actor: who listens.
        since: begin with what came in the last so many seconds; None: with what comes from now on.

    Returns:
        The id of the listener, and the `seq` after which it begins.

    Raises:
        TooManyListeners: as many listen as may.
    """
    async with connection.transaction():
        await connection.execute("LOCK TABLE listeners IN SHARE ROW EXCLUSIVE MODE")
        await forget_gone(connection)
        if await connection.fetchval("SELECT count(*) FROM listeners") >= MAX_LISTENERS:
            raise TooManyListeners(f"{MAX_LISTENERS} listen already. Try again when one of them has ended.")
        listener = await connection.fetchval(
            "INSERT INTO listeners (source, actor) VALUES ($1, $2) RETURNING id", source, actor
        )
        latest = await connection.fetchval(
            """
            SELECT coalesce((SELECT min(seq) - 1 FROM deliveries
                             WHERE source = $1 AND received_at >= now() - make_interval(secs => $2)),
                            (SELECT max(seq) FROM deliveries), 0)
            """,
            source,
            since,
        )
    return listener, latest


async def is_listening(database: asyncpg.Pool, listener: UUID, source: str) -> bool:
    """Renew a listener; return False if it counts as gone."""
    return bool(
        await database.fetchval(
            "UPDATE listeners SET seen_at = now() WHERE id = $1 AND source = $2 RETURNING id",
            listener,
            source,
        )
    )


async def end(database: asyncpg.Pool, listener: UUID) -> None:
    """Let a listener go."""
    await database.execute("DELETE FROM listeners WHERE id = $1", listener)


async def forget_gone(database: "asyncpg.Pool | Connection") -> None:
    """Forget listeners that have gone without a word."""
    await database.execute(
        "DELETE FROM listeners WHERE NOT seen_at BETWEEN now() - $1::interval AND now() + $1::interval",
        timedelta(seconds=GONE_SECONDS),
    )


async def listeners(database: asyncpg.Pool) -> list[asyncpg.Record]:
    """Return those who listen."""
    return await database.fetch("SELECT source, actor, since FROM listeners ORDER BY since")


async def offers(database: asyncpg.Pool, source: str, latest: int, late: float) -> list[Offer]:
    """
    Return what a source sent after a `seq`, and what came late before it in the last so many seconds.

    Neither copies nor the items of bundles, which nobody sent by themselves. What came under the id of another
    delivery has that id.
    """
    rows = await database.fetch(
        """
        SELECT d.seq, d.id, coalesce(f.external_id, d.external_id) AS external_id, octet_length(d.body) AS size
        FROM deliveries d LEFT JOIN deliveries f ON f.id = d.repeats_id
        WHERE d.source = $1 AND d.changed IS NULL AND d.envelope IS NULL AND d.body IS NOT NULL
          AND d.seq > $2::bigint - $4::bigint
          AND (d.seq > $2::bigint OR d.received_at > now() - make_interval(secs => $3))
        ORDER BY d.seq LIMIT $5
        """,
        source,
        latest,
        late,
        MAX_LATE,
        MAX_LATE + PAGE,
    )
    return [Offer(**row) for row in rows]


async def offered(database: asyncpg.Pool, source: str, delivery_id: UUID) -> asyncpg.Record | None:
    """Return one delivery that was offered; None if it, or its body, is there no longer."""
    return await database.fetchrow(
        """
        SELECT id, method, query, headers, content_type, body, altered FROM deliveries
        WHERE id = $1 AND source = $2 AND changed IS NULL AND envelope IS NULL AND body IS NOT NULL
        """,
        delivery_id,
        source,
    )


# The side that listens ----------------------------------------------------------------------------------------


async def place(database: asyncpg.Pool, source: str, address: str) -> Place | None:
    """Return how far this Hookline has listened; None if it never did."""
    row = await database.fetchrow(
        """
        SELECT history, latest, extract(epoch FROM now() - at)::float AS age,
               extract(epoch FROM now() - begins_at)::float AS reach FROM listening
        WHERE source = $1 AND address = $2
        """,
        source,
        address,
    )
    return None if row is None else Place(**row)


async def begin_place(
    database: asyncpg.Pool, source: str, address: str, other: UUID, latest: int, since: float
) -> Place:
    """Begin to listen at a place, with what came in the last so many seconds; return it."""
    await database.execute(
        """
        INSERT INTO listening (source, address, history, latest, begins_at)
        VALUES ($1, $2, $3, $4, now() - make_interval(secs => $5))
        ON CONFLICT (source, address) DO UPDATE
        SET history = $3, latest = $4, at = now(), begins_at = EXCLUDED.begins_at
        """,
        source,
        address,
        other,
        latest,
        since,
    )
    return Place(other, latest, reach=since)


async def note_place(database: asyncpg.Pool, source: str, address: str, latest: int) -> None:
    """Note how far this Hookline has listened."""
    await database.execute(
        "UPDATE listening SET latest = $3, at = now() WHERE source = $1 AND address = $2",
        source,
        address,
        latest,
    )


async def unknown(database: asyncpg.Pool, source: str, offered_: Sequence[Offer]) -> list[Offer]:
    """Return the offers that this inbox does not have, neither by listening nor from the sender itself."""
    rows = await database.fetch(
        """
        SELECT o.id FROM unnest($2::uuid[], $3::text[]) AS o (id, external_id)
        WHERE NOT EXISTS (SELECT FROM deliveries d WHERE d.listened_id = o.id)
          AND NOT EXISTS (SELECT FROM deliveries d
                          WHERE d.source = $1 AND d.external_id = o.external_id AND d.listened_id IS NULL)
        """,
        source,
        [each.id for each in offered_],
        [each.external_id for each in offered_],
    )
    new = {row["id"] for row in rows}
    return [each for each in offered_ if each.id in new]


async def lock(connection: Connection, source: str) -> bool:
    """Lock a source for one listener until the connection ends; return False if another has it."""
    changes_session(connection)
    acquired: bool = await connection.fetchval(
        "SELECT pg_try_advisory_lock(hashtextextended('listen ' || $1, 0))", source
    )
    return acquired
