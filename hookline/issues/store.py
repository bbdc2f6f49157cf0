"""The SQL of issues."""

from collections.abc import Collection
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

import asyncpg

from hookline import text
from hookline.database.types import Connection
from hookline.states import DISPATCHES, NEED_A_PERSON, Phase, in_sql

MAX_CAUSE = 300
COUNT_CAP = 10_000
CLOSED_AT_ONCE = 200

_OPEN = in_sql(DISPATCHES.of(Phase.OPEN, Phase.NEEDS_A_PERSON))
_NEEDS = in_sql(NEED_A_PERSON)

# Up to the cap, by its own index: an issue may have a whole night's deliveries.
_WAITING = f"""
    (SELECT count(*) FROM (SELECT FROM dispatches p WHERE p.issue_id = i.id AND p.state IN {_NEEDS}
                           LIMIT {COUNT_CAP}) AS waiting)
    + (SELECT count(*) FROM (SELECT FROM deliveries d WHERE d.issue_id = i.id AND d.state = 'rejected'
                             LIMIT {COUNT_CAP}) AS waiting)"""  # noqa: S608  (constants)


async def report(
    connection: Connection,
    *,
    cause: str,
    title: str,
    advice: str,
    kind: str,
    delivery_ids: Collection[UUID] = (),
) -> int:
    """
    Open an issue, or count one more of an open one; `close` closes it.

    Args:
        connection: to the inbox.
        cause: what makes it this one, such as `silence of jiwa`.
        title: what happened, for people.
        advice: what to do.
        kind: such as `silence`.
        delivery_ids: deliveries that belong to it.

    Returns:
        Its number.
    """
    number: int = await connection.fetchval(
        """
        INSERT INTO issues AS i (cause, kind, title, advice) VALUES ($1, $2, $3, $4)
        ON CONFLICT (cause) WHERE closed_at IS NULL DO UPDATE
        SET count = i.count + 1, last_at = now(), title = EXCLUDED.title, advice = EXCLUDED.advice
        RETURNING id
        """,
        text.one_line(cause, MAX_CAUSE),
        kind,
        text.reason(title),
        text.reason(advice),
    )
    if delivery_ids:
        await connection.execute(
            "UPDATE deliveries SET issue_id = $1 WHERE id = ANY($2) AND issue_id IS NULL",
            number,
            list(delivery_ids),
        )
    return number


async def open_causes(connection: Connection, kind: str) -> set[str]:
    """Return the causes of the open issues of a kind."""
    rows = await connection.fetch("SELECT cause FROM issues WHERE kind = $1 AND closed_at IS NULL", kind)
    return {row["cause"] for row in rows}


async def close(connection: Connection, *, cause: str) -> bool:
    """Close the open issue of this cause; return False if there is none."""
    closed = await connection.fetchval(
        "UPDATE issues SET closed_at = now() WHERE cause = $1 AND closed_at IS NULL RETURNING id",
        text.one_line(cause, MAX_CAUSE),
    )
    return closed is not None


MAY_BE_DONE: Final = "EXISTS (SELECT FROM issues WHERE closed_at IS NULL AND closes_itself)"
"""The condition that `close_done` has something to look at."""


async def close_done(database: asyncpg.Pool) -> int:
    """Close the issues of which all that belongs to them is done or discarded; return their number."""
    async with database.acquire() as connection, connection.transaction():
        # Locked first, in a statement of its own: what comes to one of them meanwhile is seen, or opens a new one.
        locked = await connection.fetch(
            """
            SELECT id FROM issues WHERE closed_at IS NULL AND closes_itself ORDER BY random() LIMIT $1
            FOR UPDATE SKIP LOCKED
            """,
            CLOSED_AT_ONCE,
        )
        if not locked:
            return 0
        closed = await connection.fetch(
            f"""
            UPDATE issues i SET closed_at = now()
            WHERE id = ANY($1)
              AND NOT EXISTS (SELECT FROM dispatches p WHERE p.issue_id = i.id AND p.state IN {_OPEN})
              AND NOT EXISTS (SELECT FROM deliveries d
                              WHERE d.issue_id = i.id AND d.state IN ('received', 'held', 'rejected'))
            RETURNING id
            """,  # noqa: S608  (constants)
            [row["id"] for row in locked],
        )
    return len(closed)


async def find(
    connection: "Connection | asyncpg.Pool", *, closed: bool = False, limit: int = 100
) -> list[dict[str, Any]]:
    """
    Return issues, the latest first.

    Args:
        connection: to the inbox.
        closed: those that are closed too.
        limit: how many at most.

    Returns:
        Each with `waiting`, the number of deliveries that wait for a person, up to `COUNT_CAP`.
    """
    rows = await connection.fetch(
        f"""
        SELECT i.*, {_WAITING} AS waiting FROM issues i
        WHERE $1 OR closed_at IS NULL ORDER BY closed_at IS NOT NULL, last_at DESC, id DESC LIMIT $2
        """,  # noqa: S608  (constants)
        closed,
        limit,
    )
    return [dict(row) for row in rows]


async def read(connection: "Connection | asyncpg.Pool", number: int) -> dict[str, Any] | None:
    """Return an issue, with `waiting` and how often the same cause was closed `before`; None if there is none."""
    row = await connection.fetchrow(
        f"""
        SELECT i.*, {_WAITING} AS waiting,
               (SELECT count(*) FROM issues o WHERE o.cause = i.cause AND o.id < i.id) AS before
        FROM issues i WHERE id = $1
        """,  # noqa: S608  (constants)
        number,
    )
    return None if row is None else dict(row)


async def members(
    connection: "Connection | asyncpg.Pool", number: int, *, limit: int = 100
) -> list[dict[str, Any]]:
    """Return the deliveries that belong to an issue, with the state on its route; the latest first."""
    rows = await connection.fetch(
        """
        SELECT d.id AS delivery_id, d.source, d.external_id, p.route, p.label, p.state, p.reason, p.waits_for,
               d.received_at
        FROM dispatches p JOIN deliveries d ON d.id = p.delivery_id WHERE p.issue_id = $1
        UNION ALL
        SELECT id, source, external_id, NULL, label, state, reason, NULL, received_at FROM deliveries
        WHERE issue_id = $1
        ORDER BY received_at DESC LIMIT $2
        """,
        number,
        limit,
    )
    return [dict(row) for row in rows]


async def waiting(
    connection: "Connection | asyncpg.Pool", number: int, *, limit: int, skip: Collection[UUID] = ()
) -> list[asyncpg.Record]:
    """
    Return deliveries of an issue that wait for a person, the oldest first.

    Each is `delivery_id`, `route`, `waits_for` and `name`, which is what people call it.
    """
    return await connection.fetch(
        f"""
        SELECT delivery_id, route, waits_for, name FROM (
            SELECT p.delivery_id, p.route, p.waits_for, p.seq, coalesce(p.label, p.key, p.delivery_id::text) AS name
            FROM dispatches p
            WHERE p.issue_id = $1 AND p.state IN {_NEEDS} AND p.delivery_id <> ALL($3)
            UNION ALL
            SELECT d.id, NULL, NULL, d.seq, coalesce(d.label, d.external_id) FROM deliveries d
            WHERE d.issue_id = $1 AND d.state = 'rejected' AND d.id <> ALL($3)
        ) AS waiting ORDER BY seq LIMIT $2
        """,  # noqa: S608  (constants)
        number,
        limit,
        list(skip),
    )


async def acknowledge(connection: "Connection | asyncpg.Pool", number: int, actor: str) -> bool:
    """Note who takes care of an open issue; return False if it is closed, or there is none."""
    acknowledged = await connection.fetchval(
        """
        UPDATE issues SET acknowledged_by = $2, acknowledged_at = now()
        WHERE id = $1 AND closed_at IS NULL RETURNING id
        """,
        number,
        text.one_line(actor, 100),
    )
    return acknowledged is not None


async def count_open(connection: "Connection | asyncpg.Pool") -> dict[str, int]:
    """Return the number of open issues of each kind."""
    rows = await connection.fetch(
        "SELECT kind, count(*) AS number FROM issues WHERE closed_at IS NULL GROUP BY kind"
    )
    return {row["kind"]: row["number"] for row in rows}


async def prune(database: asyncpg.Pool, older_than: timedelta) -> None:
    """Delete issues that were closed so long ago."""
    await database.execute("DELETE FROM issues WHERE closed_at < now() - $1::interval", older_than)
