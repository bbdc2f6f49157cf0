"""Dispatches: a delivery that fulfilled a route, claimed by an engine under a lease, run once."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg

from hookline import text
from hookline.database.types import Connection, Row
from hookline.inbox.deliveries import CHANNEL

QUARANTINE_AT, LAST = 2, 3
"""A dispatch that took so many engines with it is run by itself; after so many, no more."""
MAX_DELAY = timedelta(minutes=2)
"""What is to wait for longer was written down before the database's clock was set back: it is due."""

GAVE_UP = (
    f"The engine died, or had to be ended, {LAST} times while this ran, the last time by itself. It may need too much "
    "memory, or hold up the engine; the log of that time says more. Correct its flow, then replay it, or discard it."
)
TAKEN_OVER = "its engine died, or fell silent, while this ran; it begins again"

# What is to wait again has ended where a person wants it discarded.
_AGAIN = "state = CASE WHEN discard_reason IS NULL THEN 'dispatched' ELSE 'discarded' END"
_AGAIN_OVER = "finished_at = CASE WHEN discard_reason IS NOT NULL THEN now() END"


@dataclass(frozen=True)
class NewDispatch:
    """What a route makes of a delivery."""

    delivery_id: UUID
    route: str
    deployment: str
    parameters: Mapping[str, Any]
    key: str | None


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
    await add_all(connection, [NewDispatch(delivery_id, route, deployment, parameters, key)])


async def add_all(connection: Connection, new: Sequence[NewDispatch]) -> None:
    """Add dispatches in this order, but for those that exist from an earlier routing."""
    await connection.execute(
        """
        INSERT INTO dispatches (delivery_id, source, route, deployment, parameters, key)
        SELECT n.delivery_id, d.source, n.route, n.deployment, n.parameters, n.key
        FROM unnest($1::uuid[], $2::text[], $3::text[], $4::jsonb[], $5::text[]) WITH ORDINALITY
            AS n (delivery_id, route, deployment, parameters, key, number)
            JOIN deliveries d ON d.id = n.delivery_id
        ORDER BY n.number
        ON CONFLICT (delivery_id, route) DO NOTHING
        """,
        [each.delivery_id for each in new],
        [each.route for each in new],
        [each.deployment for each in new],
        [each.parameters for each in new],
        [each.key for each in new],
    )


async def claim(
    database: asyncpg.Pool,
    owner: str,
    *,
    limit: int,
    lease: timedelta,
    claimed_ids: Collection[UUID] = (),
    deployments: Collection[str] | None = None,
    engine_deaths: tuple[int, int] = (0, 0),
) -> list[asyncpg.Record]:
    """
    Take dispatches that may run now: waiting, and first of their ordering key.

    Sources take turns, so that a burst of one does not keep the others; what a paused source sent waits.
    The lease must be renewed before it ends, or the dispatch is taken over (`take_over`).

    Args:
        database: where the inbox is.
        owner: the engine's name.
        limit: how many at most.
        lease: for how long, by the database's clock.
        claimed_ids: what this engine works on still, though it was taken over.
        deployments: only what is for these; absent, all.
        engine_deaths: only what took so many engines with it, at least and at most.

    Returns:
        The dispatches as they are now; `left_by` is the engine that left its flow run open, if one did.
    """
    return await database.fetch(
        """
        WITH RECURSIVE sources AS (
            (SELECT source FROM dispatches WHERE state IN ('dispatched', 'running') ORDER BY source LIMIT 1)
            UNION ALL
            SELECT (SELECT source FROM dispatches WHERE state IN ('dispatched', 'running') AND source > s.source
                    ORDER BY source LIMIT 1)
            FROM sources s WHERE s.source IS NOT NULL
        ),
        free AS (
            SELECT d.*, row_number() OVER (PARTITION BY s.source ORDER BY d.seq) AS turn
            FROM sources s CROSS JOIN LATERAL (
                SELECT d.id, d.seq, d.lease_owner FROM dispatches d
                WHERE d.source = s.source AND d.state = 'dispatched'
                  AND (d.not_before <= now() OR d.not_before > now() + $6::interval)
                  AND d.engine_deaths BETWEEN $7 AND $8
                  AND d.id <> ALL($4) AND ($5::text[] IS NULL OR d.deployment = ANY($5))
                  AND NOT EXISTS (SELECT FROM dispatches e WHERE e.key = d.key AND e.seq < d.seq
                                  AND e.state IN ('dispatched', 'running', 'held'))
                ORDER BY d.seq LIMIT $2 FOR UPDATE OF d SKIP LOCKED
            ) d
            WHERE s.source NOT IN (SELECT source FROM pauses)
        )
        UPDATE dispatches d
        SET state = 'running', attempts = d.attempts + 1, lease_owner = $1, lease_until = now() + $3,
            started_at = coalesce(d.started_at, now())
        FROM (SELECT id, lease_owner FROM free ORDER BY turn, seq LIMIT $2) AS taken WHERE d.id = taken.id
        RETURNING d.*, taken.lease_owner AS left_by
        """,
        owner,
        limit,
        lease,
        list(claimed_ids),
        None if deployments is None else list(deployments),
        MAX_DELAY,
        *engine_deaths,
    )


async def take_over(
    database: asyncpg.Pool,
    *,
    dead: Collection[str] = (),
    silent: Collection[UUID] = (),
    claimed_ids: Collection[UUID] = (),
) -> list[asyncpg.Record]:
    """
    Let wait again what engines had in hand that died or fell silent, and count it as a death; wakes the engines.

    One that took its engine with it the last time that is allowed is failed. One that a person wants discarded is.

    Args:
        database: where the inbox is.
        dead: engines that are known to have died; of the others, what has a lease that ran out.
        silent: what has a lease that nobody renews, though the clock says that it lasts.
        claimed_ids: what the asking engine works on, even if it was too late to renew the lease.
    """
    return await database.fetch(
        """
        WITH lost AS (
            SELECT id, lease_owner AS engine FROM dispatches
            WHERE state = 'running' AND lease_owner IS NOT NULL AND id <> ALL($3)
              AND (lease_until < now() OR lease_owner = ANY($1) OR id = ANY($2))
            FOR UPDATE SKIP LOCKED
        ), taken AS (
            UPDATE dispatches d
            SET engine_deaths = engine_deaths + 1, not_before = now(), lease_until = NULL,
                state = CASE WHEN discard_reason IS NOT NULL THEN 'discarded'
                             WHEN engine_deaths + 1 >= $4 THEN 'failed' ELSE 'dispatched' END,
                reason = CASE WHEN discard_reason IS NOT NULL THEN discard_reason
                              WHEN engine_deaths + 1 >= $4 THEN $5 ELSE $6 END,
                lease_owner = CASE WHEN discard_reason IS NOT NULL OR engine_deaths + 1 < $4 THEN lease_owner END,
                finished_at = CASE WHEN discard_reason IS NOT NULL OR engine_deaths + 1 >= $4 THEN now() END
            FROM lost WHERE d.id = lost.id RETURNING d.id, d.delivery_id, d.state, d.engine_deaths, lost.engine
        )
        SELECT taken.*, pg_notify($7, '') FROM taken
        """,
        list(dead),
        list(silent),
        list(claimed_ids),
        LAST,
        GAVE_UP,
        TAKEN_OVER,
        CHANNEL,
    )


async def leased_for_too_long(database: asyncpg.Pool, lease: timedelta) -> list[asyncpg.Record]:
    """Dispatches with a lease from before the database's clock was set back: it may last for hours, and be nobody's."""
    return await database.fetch(
        "SELECT id, lease_until FROM dispatches WHERE state = 'running' AND lease_until > now() + 2 * $1::interval",
        lease,
    )


async def suspects(database: asyncpg.Pool) -> int:
    """The most engines that a waiting dispatch took with it."""
    most: int | None = await database.fetchval(
        "SELECT max(engine_deaths) FROM dispatches WHERE state = 'dispatched' AND engine_deaths > 0"
    )
    return most or 0


async def to_be_discarded(database: asyncpg.Pool, claimed_ids: Collection[UUID]) -> set[UUID]:
    """Which of these a person wants discarded."""
    rows = await database.fetch(
        "SELECT id FROM dispatches WHERE id = ANY($1) AND discard_reason IS NOT NULL", list(claimed_ids)
    )
    return {row["id"] for row in rows}


async def renew(
    database: asyncpg.Pool, owner: str, claimed_ids: Collection[UUID], lease: timedelta
) -> set[UUID]:
    """Renew the leases of what this engine has in hand; which of them are still its own."""
    kept = await database.fetch(
        """
        UPDATE dispatches SET lease_until = now() + $3
        WHERE id = ANY($2) AND state = 'running' AND lease_owner = $1 RETURNING id
        """,
        owner,
        list(claimed_ids),
        lease,
    )
    return {row["id"] for row in kept}


async def note_flow_run(database: asyncpg.Pool, dispatch_id: UUID, flow_run_id: UUID) -> None:
    """Write down which flow run a dispatch became."""
    await database.execute("UPDATE dispatches SET flow_run_id = $2 WHERE id = $1", dispatch_id, flow_run_id)


async def finish(
    connection: "Connection | asyncpg.Pool",
    dispatch_id: UUID,
    owner: str,
    state: str,
    reason: str | None,
    *,
    waits_for: int | None = None,
) -> bool:
    """
    Write down how the work on a dispatch ended, and wake the engines.

    It may be held (for a person's answer) or running (elsewhere, without a lease); else it is over. Where it is
    uncertain, it waits for the effect of this number. What a person discards meanwhile is discarded, unless it is done.

    Returns:
        False if another engine has taken it over: then nothing is written.
    """
    ended = await connection.fetchval(
        """
        WITH ended AS (
            UPDATE dispatches d
            SET state = ends.state, reason = CASE ends.state WHEN $3 THEN $4 ELSE discard_reason END, waits_for = $5,
                finished_at = CASE WHEN ends.state NOT IN ('held', 'running') THEN now() END,
                discard_reason = CASE ends.state WHEN 'running' THEN discard_reason END,
                discard_actor = CASE WHEN ends.state <> $3 OR $3 = 'running' THEN discard_actor END,
                engine_deaths = 0, lease_owner = NULL, lease_until = NULL
            FROM (SELECT id, CASE WHEN discard_reason IS NOT NULL AND $3 IN ('held', 'failed', 'uncertain')
                                  THEN 'discarded' ELSE $3 END AS state
                  FROM dispatches WHERE id = $1 FOR UPDATE) AS ends
            WHERE d.id = ends.id AND lease_owner = $2 RETURNING 1
        )
        SELECT pg_notify($6, '') IS NOT NULL FROM ended
        """,
        dispatch_id,
        owner,
        state,
        None if reason is None else text.reason(reason),
        waits_for,
        CHANNEL,
    )
    return ended is not None


async def stopped(database: asyncpg.Pool, dispatch_id: UUID, owner: str) -> None:
    """
    Let a dispatch be discarded that was stopped because a person wants it so.

    Its owner stays written down: its flow run is still to be cancelled.
    """
    await database.execute(
        """
        UPDATE dispatches SET state = 'discarded', reason = discard_reason, engine_deaths = 0, finished_at = now(),
            lease_until = NULL
        WHERE id = $1 AND lease_owner = $2 AND state = 'running' AND discard_reason IS NOT NULL
        """,
        dispatch_id,
        owner,
    )


async def requeue(
    database: asyncpg.Pool, dispatch_id: UUID, owner: str, reason: str, delay: timedelta
) -> None:
    """
    Let a dispatch wait again: what it needs was away, or the engine stops, which is not its fault.

    Its owner stays written down, without a lease: the flow run was left open by an engine.
    """
    await database.execute(
        f"""
        WITH waiting AS (
            UPDATE dispatches
            SET {_AGAIN}, reason = coalesce(discard_reason, $3), engine_deaths = 0, not_before = now() + $4,
                lease_until = NULL, {_AGAIN_OVER}
            WHERE id = $1 AND lease_owner = $2 AND state = 'running' RETURNING 1
        )
        SELECT pg_notify($5, '') FROM waiting
        """,  # noqa: S608  (constants)
        dispatch_id,
        owner,
        text.reason(reason),
        delay,
        CHANNEL,
    )


async def unbatch(database: asyncpg.Pool, dispatch_id: UUID, owner: str, reason: str) -> None:
    """Let a dispatch that was carried in a lane begin anew, in a flow run of its own."""
    await database.execute(
        f"""
        WITH waiting AS (
            UPDATE dispatches
            SET {_AGAIN}, reason = coalesce(discard_reason, $3), engine_deaths = 0, unbatched = true,
                flow_run_id = NULL, not_before = now(), lease_owner = NULL, lease_until = NULL, {_AGAIN_OVER}
            WHERE id = $1 AND lease_owner = $2 AND state = 'running' RETURNING 1
        )
        SELECT pg_notify($4, '') FROM waiting
        """,  # noqa: S608  (constants)
        dispatch_id,
        owner,
        text.reason(reason),
        CHANNEL,
    )


async def say_why(database: asyncpg.Pool, owner: str, reasons: Mapping[UUID, str | None]) -> set[UUID]:
    """
    Say of dispatches that run here what they wait for; None: they wait no more.

    What another transaction has in hand just now is left out.

    Returns:
        Those of which it was said.
    """
    ids, said = list(reasons), list(reasons.values())
    async with database.acquire() as connection, connection.transaction():
        rows = await connection.fetch(
            """
            UPDATE dispatches d SET reason = said.reason
            FROM unnest($2::uuid[], $3::text[]) AS said (id, reason)
            WHERE d.id = said.id AND d.id IN (
                SELECT id FROM dispatches WHERE id = ANY($2) AND state = 'running' AND lease_owner = $1
                ORDER BY id FOR UPDATE SKIP LOCKED)
            RETURNING d.id, d.delivery_id
            """,
            owner,
            ids,
            said,
        )
        await _say_of_deliveries(connection, {row["delivery_id"] for row in rows})
    return {row["id"] for row in rows}


async def say_why_unclaimed(database: asyncpg.Pool, deployments: Collection[str], reason: str) -> None:
    """Say of dispatches for these deployments why no engine takes them, though they may run now."""
    async with database.acquire() as connection, connection.transaction():
        rows = await connection.fetch(
            """
            UPDATE dispatches SET reason = $2 WHERE id IN (
                SELECT d.id FROM dispatches d
                WHERE d.state = 'dispatched' AND d.reason IS NULL AND d.not_before <= now() AND d.deployment = ANY($1)
                  AND d.source NOT IN (SELECT source FROM pauses)
                  AND NOT EXISTS (SELECT FROM dispatches e WHERE e.key = d.key AND e.seq < d.seq
                                  AND e.state IN ('dispatched', 'running', 'held'))
                ORDER BY d.seq LIMIT 500 FOR UPDATE SKIP LOCKED)
            RETURNING delivery_id
            """,
            list(deployments),
            reason,
        )
        await _say_of_deliveries(connection, {row["delivery_id"] for row in rows})


async def _say_of_deliveries(connection: Connection, delivery_ids: Collection[UUID]) -> None:
    """Let each of these deliveries say what the dispatch says whose state it has."""
    await connection.execute(
        """
        UPDATE deliveries d SET reason = (SELECT p.reason FROM dispatches p
                                          WHERE p.delivery_id = d.id AND p.state = d.state ORDER BY p.seq LIMIT 1)
        WHERE d.id IN (SELECT id FROM deliveries WHERE id = ANY($1) AND state IN ('dispatched', 'running')
                       ORDER BY id FOR UPDATE SKIP LOCKED)
        """,
        list(delivery_ids),
    )


async def backlog(database: asyncpg.Pool, most: int) -> int:
    """How many dispatches wait that may run now, as far as they are counted."""
    waiting: int = await database.fetchval(
        """
        SELECT count(*) FROM (
            SELECT FROM dispatches WHERE state = 'dispatched' AND not_before <= now() AND engine_deaths = 0
              AND source NOT IN (SELECT source FROM pauses) LIMIT $1
        ) AS waiting
        """,
        most,
    )
    return waiting


async def seconds_to_next(database: asyncpg.Pool) -> float | None:
    """Seconds until a waiting dispatch wants an engine; None if nothing is due."""
    seconds: float | None = await database.fetchval(
        """
        SELECT extract(epoch FROM min(not_before) - now())::float
        FROM dispatches WHERE state = 'dispatched' AND not_before > now()
        """
    )
    return seconds


async def in_progress(
    connection: Connection, *, after: int, limit: int, within: timedelta
) -> list[asyncpg.Record]:
    """
    Dispatches whose flow runs may change without an engine at work on them.

    First all that wait for a person or run elsewhere, that were discarded while their flow run was open, and the first
    that wait for an engine to go on; then some of those that are over and not done, which a person may retry: the
    latest, and in turns the others.

    Args:
        connection: to the inbox.
        after: the `seq` up to which the others had their turn.
        limit: how many of the latest, and how many of the others.
        within: those that were over longer ago are left alone.
    """
    return await connection.fetch(
        """
        WITH over AS (
            SELECT *, row_number() OVER (ORDER BY finished_at DESC) AS age FROM dispatches
            WHERE state IN ('failed', 'uncertain', 'discarded') AND flow_run_id IS NOT NULL
              AND finished_at > now() - $3::interval
        )
        SELECT id, seq, state, flow_run_id, lease_owner, reason, discard_reason, false AS in_turn FROM dispatches
        WHERE flow_run_id IS NOT NULL
          AND (state = 'held' OR (state = 'running' AND lease_owner IS NULL)
               OR (state = 'discarded' AND lease_owner IS NOT NULL))
        UNION ALL
        (SELECT id, seq, state, flow_run_id, lease_owner, reason, discard_reason, false FROM dispatches
         WHERE flow_run_id IS NOT NULL AND state = 'dispatched' ORDER BY seq LIMIT $2)
        UNION ALL
        (SELECT id, seq, state, flow_run_id, lease_owner, reason, discard_reason, false FROM over
         WHERE age <= $2 AND lease_owner IS NULL)
        UNION ALL
        (SELECT id, seq, state, flow_run_id, lease_owner, reason, discard_reason, true FROM over
         WHERE age > $2 AND lease_owner IS NULL AND seq > $1 ORDER BY seq LIMIT $2)
        """,
        after,
        limit,
        within,
    )


async def sync_from_prefect(
    connection: Connection, dispatch: Row, state: str, reason: str | None, *, waits_for: int | None = None
) -> None:
    """
    Write down what became of a followed dispatch, unless something else became of it meanwhile; wakes the engines.

    One that goes on here (`dispatched`) has a flow run of its own already.
    """
    await connection.execute(
        """
        WITH changed AS (
            UPDATE dispatches
            SET state = $4, reason = $5, waits_for = $6, unbatched = unbatched OR $4 = 'dispatched', not_before = now(),
                engine_deaths = 0, lease_owner = NULL, lease_until = NULL, discard_reason = NULL,
                discard_actor = CASE WHEN $4 = 'discarded' THEN discard_actor END,
                finished_at = CASE WHEN $4 NOT IN ('held', 'running', 'dispatched') THEN now() END
            WHERE id = $1 AND state = $2 AND flow_run_id = $3 RETURNING 1
        )
        SELECT pg_notify($7, '') FROM changed
        """,
        dispatch["id"],
        dispatch["state"],
        dispatch["flow_run_id"],
        state,
        None if reason is None else text.reason(reason),
        waits_for,
        CHANNEL,
    )


async def finished_before(
    connection: Connection, dispatch_ids: Iterable[UUID], *, since: timedelta
) -> list[asyncpg.Record]:
    """
    Of these dispatches, those that have been over for some time.

    Until the transaction ends, none of them begins anew.
    """
    return await connection.fetch(
        """
        SELECT id, state, reason FROM dispatches
        WHERE id = ANY($1) AND state IN ('done', 'failed', 'uncertain', 'discarded')
          AND (finished_at < now() - $2::interval OR finished_at > now())
        FOR UPDATE SKIP LOCKED
        """,
        list(dispatch_ids),
        since,
    )


async def mark_run_closed(connection: Connection, dispatch_id: UUID) -> None:
    """Write down that the flow run of a discarded dispatch is no longer open."""
    await connection.execute(
        "UPDATE dispatches SET lease_owner = NULL, discard_reason = NULL WHERE id = $1 AND state = 'discarded'",
        dispatch_id,
    )


async def flag_unroutable(connection: Connection, deployments: Collection[str]) -> None:
    """Say of dispatches for other deployments than these that no engine like this one will take them."""
    await connection.execute(
        """
        UPDATE dispatches SET reason = 'waits for an engine whose prefect.yaml has ' || deployment
        WHERE state = 'dispatched' AND reason IS NULL AND deployment <> ALL($1)
        """,
        list(deployments),
    )


async def release_resolved(connection: Connection, effect: Row) -> int:
    """Let every dispatch go on that waits for this effect, which is settled; how many there were."""
    released = await connection.fetch(
        """
        UPDATE dispatches
        SET state = 'dispatched', reason = NULL, waits_for = NULL, unbatched = true, not_before = now(),
            finished_at = NULL
        WHERE waits_for = $1 AND state = 'uncertain' RETURNING id
        """,
        effect["id"],
    )
    await connection.execute("SELECT pg_notify($1, '')", CHANNEL)
    return len(released)
