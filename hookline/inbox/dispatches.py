"""Dispatches: a delivery on one of its routes, claimed by an engine under a lease, run once."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg

from hookline import text
from hookline.database.types import Connection, Row
from hookline.inbox.debounce import FIRST_ROUTED, Debounce, lock_keys, replace_earlier
from hookline.inbox.deliveries import CHANNEL, NOT_HELD
from hookline.labels import UNLABELLED, Label
from hookline.states import DISPATCHES, ENDED, Phase, in_sql

QUARANTINE_AT, LAST = 2, 3
"""Lost by so many engines a dispatch is run with no other beside it; after so many of them died, no more."""
LOST_TOO_OFTEN = 10
"""Taken over so often without an end in between a dispatch is run no more, though its engines may all live."""
MAX_DELAY = timedelta(minutes=2)
"""A longer delay was written before the database's clock was set back: the dispatch is due."""

GAVE_UP = (
    f"The engine died, or had to be ended, {LAST} times while this ran, the last time by itself. It may need too much "
    "memory, or block the engine; the log of that time says more. Correct its flow, then replay it, or discard it."
)
LOST_EACH_TIME = (
    f"Its engine was lost {LOST_TOO_OFTEN} times while this ran, at last by itself. It may block the engine for "
    "longer than a lease; the log of that time says more. Correct its flow, then replay it, or discard it."
)
TAKEN_OVER = "its engine died, or sent no heartbeat, while this ran; it begins again"
FATE_UNKNOWN = (
    f"{LAST} engines died, or sent no heartbeat, while this ran; it begins again when one is known to live"
)

_OPEN = in_sql(DISPATCHES.of(Phase.OPEN))
_ENDED = in_sql(ENDED)
ACQUITTED = "engine_deaths = 0, takeovers = 0, lost_by = '{}'"
"""What the engine survived is suspected of nothing."""
# What would be queued again ends instead, where a person discards it.
_QUEUED = f"""state = CASE WHEN discard_reason IS NULL THEN 'dispatched' ELSE 'discarded' END,
                finished_at = CASE WHEN discard_reason IS NOT NULL THEN now() END, {ACQUITTED}"""
# A dispatch whose turn it is under its ordering key.
FIRST_OF_KEY = f"""NOT EXISTS (SELECT FROM dispatches e WHERE e.key = d.key AND e.seq < d.seq
                                  AND e.state IN {_OPEN})"""
LOST = """
    EXISTS (SELECT FROM dispatches WHERE state = 'running' AND (lease_until < now() OR lease_until > now() + 2 * lease))
    OR EXISTS (SELECT FROM dispatches WHERE lost_by <> '{}')
    OR EXISTS (SELECT FROM dispatches WHERE state = 'dispatched' AND takeovers > 0)"""
"""The condition that a lease ended, or lasts for too long, or that a dispatch waits whose engine was lost."""
# Nothing starts where the database is older than it was.
_NOT_PAUSED = f"source NOT IN (SELECT source FROM pauses) AND {NOT_HELD}"  # noqa: S608  (constants)


@dataclass(frozen=True)
class NewDispatch:
    """A dispatch that is to be added: a delivery on one route."""

    delivery_id: UUID
    route: str
    deployment: str
    parameters: Mapping[str, Any]
    key: str | None
    label: Label = UNLABELLED
    debounce: Debounce | None = None
    """Of a route that debounces, whose dispatches have a key."""


async def add_all(connection: Connection, new: Sequence[NewDispatch]) -> None:
    """Add dispatches in this order, except those that exist from an earlier routing."""
    debounces = {(each.route, each.key): each.debounce for each in new if each.key and each.debounce}
    await lock_keys(connection, debounces)
    await connection.execute(
        f"""
        INSERT INTO dispatches (delivery_id, source, route, deployment, parameters, key, label, about, label_problem,
                                quiet, quiet_since, traceparent)
        SELECT n.delivery_id, d.source, n.route, n.deployment, n.parameters, n.key, n.label, n.about, n.label_problem,
               CASE WHEN {FIRST_ROUTED} THEN n.quiet END, now(), d.traceparent
        FROM unnest($1::uuid[], $2::text[], $3::text[], $4::jsonb[], $5::text[], $6::text[], $7::jsonb[], $8::text[],
                    $9::interval[]) WITH ORDINALITY
            AS n (delivery_id, route, deployment, parameters, key, label, about, label_problem, quiet, number)
            JOIN deliveries d ON d.id = n.delivery_id
        ORDER BY n.number
        ON CONFLICT (delivery_id, route) DO NOTHING
        """,  # noqa: S608  (constants)
        [each.delivery_id for each in new],
        [each.route for each in new],
        [each.deployment for each in new],
        [each.parameters for each in new],
        [each.key for each in new],
        [each.label.text for each in new],
        [each.label.about for each in new],
        [each.label.problem for each in new],
        [each.debounce and each.debounce.quiet for each in new],
    )
    if debounces:
        await replace_earlier(connection, list(debounces), list(debounces.values()))


async def of_flow_run(connection: Connection, flow_run_id: UUID) -> UUID | None:
    """Return the dispatch of a flow run; None if it has none, or is a batch, which has many."""
    rows = await connection.fetch("SELECT id FROM dispatches WHERE flow_run_id = $1 LIMIT 2", flow_run_id)
    return rows[0]["id"] if len(rows) == 1 else None


async def add_label(connection: Connection, dispatch_id: UUID, label: Label) -> Label | None:
    """
    Add to a dispatch's label what is known by now.

    Returns:
        The label as it is now; None where nothing changed.
    """
    row = await connection.fetchrow(
        """
        UPDATE dispatches SET label = coalesce($2, label), about = about || $3::jsonb,
            label_problem = CASE WHEN $2::text IS NULL THEN label_problem END
        WHERE id = $1 AND (coalesce($2, label), about || $3::jsonb) IS DISTINCT FROM (label, about)
        RETURNING label, about
        """,
        dispatch_id,
        label.text,
        label.about,
    )
    return None if row is None else Label(row["label"], row["about"])


async def claim(
    database: asyncpg.Pool,
    owner: str,
    *,
    limit: int,
    lease: timedelta,
    claimed_ids: Collection[UUID] = (),
    deployments: Collection[str] | None = None,
    takeovers: tuple[int, int] = (0, 0),
) -> list[asyncpg.Record]:
    """
    Claim dispatches that may run now: queued, and first of their ordering key.

    Sources take turns, so that a burst of one does not keep the others waiting; those of a paused source wait.
    The lease must be renewed before it ends, or the dispatch is taken over (`take_over`).

    Args:
        database: where the inbox is.
        owner: the engine's name.
        limit: how many at most.
        lease: for how long, by the database's clock.
        claimed_ids: dispatches that this engine still works on, though they were taken over.
        deployments: only dispatches for these; absent: for all.
        takeovers: only those that were taken over so often, at least and at most.

    Returns:
        The dispatches as they are now; `left_by` is the engine that left its flow run open, if one did.
    """
    return await database.fetch(
        f"""
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
                WHERE d.source = s.source AND d.state = 'dispatched' AND d.waits_account IS NULL
                  AND (d.not_before <= now() OR d.not_before > now() + greatest($6::interval, d.quiet))
                  AND d.takeovers BETWEEN $7 AND $8
                  AND (d.lost_by = '{{}}' OR d.engine_deaths + cardinality(d.lost_by) < {LAST})
                  AND d.id <> ALL($4) AND ($5::text[] IS NULL OR d.deployment = ANY($5))
                  AND {FIRST_OF_KEY}
                ORDER BY d.seq LIMIT $2 FOR UPDATE OF d SKIP LOCKED
            ) d
            WHERE s.{_NOT_PAUSED}
        )
        UPDATE dispatches d
        SET state = 'running', attempts = d.attempts + 1, quiet = NULL, lease_owner = $1, lease_until = now() + $3,
            lease = $3, started_at = coalesce(d.started_at, now())
        FROM (SELECT id, lease_owner FROM free ORDER BY turn, seq LIMIT $2) AS chosen WHERE d.id = chosen.id
        RETURNING d.*, chosen.lease_owner AS left_by,
                  (SELECT received_at FROM deliveries WHERE id = d.delivery_id) AS received_at
        """,  # noqa: S608  (constants)
        owner,
        limit,
        lease,
        list(claimed_ids),
        None if deployments is None else list(deployments),
        MAX_DELAY,
        *takeovers,
    )


async def take_over(
    database: asyncpg.Pool,
    *,
    dead: Collection[str] = (),
    fallen: Collection[str] = (),
    unheard: Collection[str] = (),
    silent: Collection[UUID] = (),
    claimed_ids: Collection[UUID] = (),
) -> list[asyncpg.Record]:
    """
    Queue dispatches again whose engine died or sends no heartbeat, and wake the engines.

    A death is counted if it is known; else the engine is noted, for `count_deaths` and `is_alive`. After the last death
    that is allowed a dispatch is failed. One that a person discards is discarded.

    Args:
        database: where the inbox is.
        dead: engines that are known to have died; of the others, dispatches whose lease has expired.
        fallen: those of the dead that died with all that ran beside them: whatever the cause was, it is hardly one of
            these. A dispatch's first such death is not counted: it keeps its turn.
        unheard: engines that lost their session, and may live behind a broken network.
        silent: dispatches whose lease nobody renews, though by the clock it lasts.
        claimed_ids: dispatches that the calling engine works on, even if it was too late to renew their leases.
    """
    return await database.fetch(
        """
        WITH lost AS (
            SELECT *, lease_owner AS engine, lease_owner = ANY($1) AS died,
                   lease_owner = ANY($2) AND NOT spared AS is_spared
            FROM dispatches
            WHERE state = 'running' AND lease_owner IS NOT NULL AND id <> ALL($5)
              AND (lease_until < now() OR lease_owner = ANY($1) OR lease_owner = ANY($3) OR id = ANY($4))
            FOR UPDATE SKIP LOCKED
        ), suspected AS (
            SELECT id, engine, is_spared, engine_deaths + (died AND NOT is_spared)::int AS deaths,
                   takeovers + (NOT is_spared)::int AS times,
                   array_remove(lost_by, engine) || CASE WHEN died THEN '{}' ELSE ARRAY[engine] END AS unknown
            FROM lost
        ), judged AS (
            SELECT *, CASE WHEN deaths >= $6 THEN $8 WHEN times >= $7 THEN $9 END AS verdict,
                   CASE WHEN deaths + cardinality(unknown) >= $6 AND unknown <> '{}' THEN $11 ELSE $10 END AS why
            FROM suspected
        ), taken_over AS (
            UPDATE dispatches d
            SET engine_deaths = deaths, takeovers = times, lost_by = unknown, spared = spared OR is_spared,
                not_before = now(), lease_until = NULL,
                state = CASE WHEN discard_reason IS NOT NULL THEN 'discarded'
                             WHEN verdict IS NOT NULL THEN 'failed' ELSE 'dispatched' END,
                reason = coalesce(discard_reason, verdict, why),
                lease_owner = CASE WHEN discard_reason IS NOT NULL OR verdict IS NULL THEN lease_owner END,
                finished_at = CASE WHEN discard_reason IS NOT NULL OR verdict IS NOT NULL THEN now() END
            FROM judged WHERE d.id = judged.id
            RETURNING d.id, d.delivery_id, d.state, d.engine_deaths, d.takeovers, judged.engine
        )
        SELECT taken_over.*, pg_notify($12, '') FROM taken_over
        """,
        list(dead),
        list(fallen),
        list(unheard),
        list(silent),
        list(claimed_ids),
        LAST,
        LOST_TOO_OFTEN,
        GAVE_UP,
        LOST_EACH_TIME,
        TAKEN_OVER,
        FATE_UNKNOWN,
        CHANNEL,
    )


async def count_deaths(
    database: asyncpg.Pool, *, dead: Collection[str] = (), fallen: Collection[str] = ()
) -> None:
    """
    Count the deaths of engines from which dispatches were taken over earlier, if they are known by now.

    Those of `engines.beat` that are no longer listed are dead; the fallen are counted against nothing. After the last
    death that is allowed a dispatch is failed, unless it runs by now.
    """
    await database.execute(
        """
        WITH unknown AS (
            SELECT id, lost_by FROM dispatches
            WHERE lost_by <> '{}' AND state IN ('dispatched', 'running') ORDER BY id FOR UPDATE SKIP LOCKED
        ), known AS (
            SELECT id, count(*) FILTER (WHERE is_dead AND name <> ALL($2)) AS deaths,
                   coalesce(array_agg(name) FILTER (WHERE NOT is_dead), '{}') AS still_unknown
            FROM unknown CROSS JOIN LATERAL (
                SELECT name, name = ANY($1) OR NOT EXISTS (SELECT FROM engines e WHERE e.name = names.name) AS is_dead
                FROM unnest(lost_by) AS names (name)
            ) AS engine
            GROUP BY id HAVING bool_or(is_dead)
        ), judged AS (
            SELECT known.*, state = 'dispatched' AND engine_deaths + deaths >= $5 AS is_over
            FROM known JOIN dispatches USING (id)
        )
        UPDATE dispatches d
        SET engine_deaths = engine_deaths + deaths, lost_by = still_unknown,
            state = CASE WHEN is_over THEN 'failed' ELSE state END,
            reason = CASE WHEN is_over THEN $6 WHEN reason = $3 THEN $4 ELSE reason END,
            lease_owner = CASE WHEN NOT is_over THEN lease_owner END,
            finished_at = CASE WHEN is_over THEN now() END
        FROM judged WHERE d.id = judged.id
        """,
        list(dead),
        list(fallen),
        FATE_UNKNOWN,
        TAKEN_OVER,
        LAST,
        GAVE_UP,
    )


async def is_alive(database: asyncpg.Pool, engine: str) -> None:
    """Clear dispatches that were taken over from this engine of its death: it lives."""
    await database.execute(
        """
        UPDATE dispatches
        SET lost_by = array_remove(lost_by, $1), reason = CASE WHEN reason = $2 THEN $3 ELSE reason END
        WHERE id IN (SELECT id FROM dispatches WHERE lost_by <> '{}' AND $1 = ANY(lost_by)
                     ORDER BY id FOR UPDATE SKIP LOCKED)
        """,
        engine,
        FATE_UNKNOWN,
        TAKEN_OVER,
    )


async def leased_for_too_long(database: asyncpg.Pool) -> list[asyncpg.Record]:
    """
    Return dispatches whose lease is from before the database's clock was set back, and may last for hours.

    Each with how long a lease of its engine lasts.
    """
    return await database.fetch(
        "SELECT id, lease_until, lease FROM dispatches WHERE state = 'running' AND lease_until > now() + 2 * lease"
    )


async def suspects(database: asyncpg.Pool) -> int:
    """Return how often the queued dispatch was taken over that was so most often."""
    takeovers: int | None = await database.fetchval(
        "SELECT max(takeovers) FROM dispatches WHERE state = 'dispatched' AND takeovers > 0"
    )
    return takeovers or 0


async def to_be_discarded(database: asyncpg.Pool, claimed_ids: Collection[UUID]) -> set[UUID]:
    """Return those of these dispatches that a person discards while they run."""
    rows = await database.fetch(
        "SELECT id FROM dispatches WHERE id = ANY($1) AND discard_reason IS NOT NULL", list(claimed_ids)
    )
    return {row["id"] for row in rows}


async def renew(
    database: asyncpg.Pool, owner: str, claimed_ids: Collection[UUID], lease: timedelta
) -> set[UUID]:
    """Renew the leases of dispatches that this engine has claimed; return those that are still its own."""
    renewed = await database.fetch(
        """
        UPDATE dispatches SET lease_until = now() + $3, lease = $3
        WHERE id = ANY($2) AND state = 'running' AND lease_owner = $1 RETURNING id
        """,
        owner,
        list(claimed_ids),
        lease,
    )
    return {row["id"] for row in renewed}


async def note_flow_run(database: asyncpg.Pool, dispatch_id: UUID, flow_run_id: UUID) -> None:
    """Store the flow run of a dispatch."""
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
    End this engine's work on a dispatch, and wake the engines.

    It may be held (for a person's answer) or running (elsewhere, without a lease); else it has ended. Where it is
    uncertain, it waits for the effect of this number. If a person discards it meanwhile it is discarded, unless done.

    Returns:
        False if another engine has taken it over: then nothing is written.
    """
    ended = await connection.fetchval(
        f"""
        WITH ended AS (
            UPDATE dispatches d
            SET state = ends.state, reason = CASE ends.state WHEN $3 THEN $4 ELSE discard_reason END, waits_for = $5,
                finished_at = CASE WHEN ends.state IN {_ENDED} THEN now() END,
                discard_reason = CASE ends.state WHEN 'running' THEN discard_reason END,
                discard_actor = CASE WHEN ends.state <> $3 OR $3 = 'running' THEN discard_actor END,
                {ACQUITTED}, lease_owner = NULL, lease_until = NULL, vendor_wait_since = NULL
            FROM (SELECT id, CASE WHEN discard_reason IS NOT NULL AND $3 IN ('held', 'failed', 'uncertain')
                                  THEN 'discarded' ELSE $3 END AS state
                  FROM dispatches WHERE id = $1 FOR UPDATE) AS ends
            WHERE d.id = ends.id AND lease_owner = $2 AND d.state = 'running' RETURNING 1
        )
        SELECT pg_notify($6, '') IS NOT NULL FROM ended
        """,  # noqa: S608  (constants)
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
    Discard a dispatch whose run was stopped because a person discards it.

    Its owner stays stored: its flow run is still to be cancelled.
    """
    await database.execute(
        f"""
        UPDATE dispatches SET state = 'discarded', reason = discard_reason, {ACQUITTED}, finished_at = now(),
            lease_until = NULL
        WHERE id = $1 AND lease_owner = $2 AND state = 'running' AND discard_reason IS NOT NULL
        """,  # noqa: S608  (constants)
        dispatch_id,
        owner,
    )


async def requeue(
    database: asyncpg.Pool, dispatch_id: UUID, owner: str, reason: str, delay: timedelta
) -> None:
    """
    Queue a dispatch again: a service it needs does not answer, or the engine stops, which is not its fault.

    Its owner stays stored, without a lease: the flow run was left open by an engine.
    """
    await database.execute(
        f"""
        WITH waiting AS (
            UPDATE dispatches
            SET {_QUEUED}, reason = coalesce(discard_reason, $3), not_before = now() + $4, lease_until = NULL
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
    """Queue a dispatch of a batch again, for a flow run of its own."""
    await database.execute(
        f"""
        WITH waiting AS (
            UPDATE dispatches
            SET {_QUEUED}, reason = coalesce(discard_reason, $3), unbatched = true, flow_run_id = NULL,
                not_before = now(), lease_owner = NULL, lease_until = NULL
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
    Set the reason of dispatches that run here: what they wait for; None: they wait no more.

    Those that another transaction has locked are left out.

    Returns:
        Those whose reason was set.
    """
    async with database.acquire() as connection, connection.transaction():
        rows = await connection.fetch(
            """
            UPDATE dispatches d SET reason = new.reason
            FROM unnest($2::uuid[], $3::text[]) AS new (id, reason)
            WHERE d.id = new.id AND d.id IN (
                SELECT id FROM dispatches WHERE id = ANY($2) AND state = 'running' AND lease_owner = $1
                ORDER BY id FOR UPDATE SKIP LOCKED)
            RETURNING d.id, d.delivery_id
            """,
            owner,
            list(reasons),
            list(reasons.values()),
        )
        await _set_reason_of_deliveries(connection, {row["delivery_id"] for row in rows})
    return {row["id"] for row in rows}


async def in_pools(database: asyncpg.Pool) -> list[asyncpg.Record]:
    """Return the dispatches that run outside of the engines, with their reasons."""
    return await database.fetch(
        """
        SELECT id, flow_run_id, reason FROM dispatches
        WHERE state = 'running' AND lease_owner IS NULL AND flow_run_id IS NOT NULL
        """
    )


async def say_in_pool(database: asyncpg.Pool, reasons: Mapping[UUID, str]) -> None:
    """Set the reason of dispatches that run outside of the engines: what they wait for there."""
    async with database.acquire() as connection, connection.transaction():
        rows = await connection.fetch(
            """
            UPDATE dispatches d SET reason = new.reason
            FROM unnest($1::uuid[], $2::text[]) AS new (id, reason)
            WHERE d.id = new.id AND d.id IN (
                SELECT id FROM dispatches WHERE id = ANY($1) AND state = 'running' AND lease_owner IS NULL
                ORDER BY id FOR UPDATE SKIP LOCKED)
            RETURNING d.delivery_id
            """,
            list(reasons),
            list(reasons.values()),
        )
        await _set_reason_of_deliveries(connection, {row["delivery_id"] for row in rows})


async def say_why_unclaimed(database: asyncpg.Pool, deployments: Collection[str], reason: str) -> None:
    """Set the reason why no engine claims dispatches for these deployments, though they may run now."""
    async with database.acquire() as connection, connection.transaction():
        rows = await connection.fetch(
            f"""
            UPDATE dispatches SET reason = $2 WHERE id IN (
                SELECT d.id FROM dispatches d
                WHERE d.state = 'dispatched' AND d.waits_account IS NULL AND d.reason IS NULL
                  AND d.not_before <= now() AND d.deployment = ANY($1)
                  AND d.{_NOT_PAUSED} AND {FIRST_OF_KEY}
                ORDER BY d.seq LIMIT 500 FOR UPDATE SKIP LOCKED)
            RETURNING delivery_id
            """,  # noqa: S608  (constants)
            list(deployments),
            reason,
        )
        await _set_reason_of_deliveries(connection, {row["delivery_id"] for row in rows})


async def _set_reason_of_deliveries(connection: Connection, delivery_ids: Collection[UUID]) -> None:
    """Give each of these deliveries the reason of the dispatch whose state it has."""
    await connection.execute(
        """
        UPDATE deliveries d SET reason = (SELECT p.reason FROM dispatches p
                                          WHERE p.delivery_id = d.id AND p.state = d.state ORDER BY p.seq LIMIT 1)
        WHERE d.id IN (SELECT id FROM deliveries WHERE id = ANY($1) AND state IN ('dispatched', 'running')
                       ORDER BY id FOR UPDATE SKIP LOCKED)
        """,
        list(delivery_ids),
    )


async def backlog(database: asyncpg.Pool, count_cap: int) -> int:
    """Return the number of dispatches that may run now and have no engine, counted up to the cap."""
    count: int = await database.fetchval(
        f"""
        SELECT count(*) FROM (
            SELECT FROM dispatches d WHERE state = 'dispatched' AND waits_account IS NULL AND not_before <= now()
              AND takeovers = 0 AND {_NOT_PAUSED} AND {FIRST_OF_KEY} LIMIT $1
        ) AS due
        """,  # noqa: S608  (constants)
        count_cap,
    )
    return count


async def seconds_to_next(database: asyncpg.Pool) -> float | None:
    """Return the seconds until the next queued dispatch is due; None if none is to come."""
    seconds: float | None = await database.fetchval(
        """
        SELECT extract(epoch FROM min(not_before) - now())::float
        FROM dispatches WHERE state = 'dispatched' AND waits_account IS NULL AND not_before > now()
        """
    )
    return seconds


async def in_progress(
    connection: Connection, *, after: int, held_after: int, limit: int, held_limit: int, within: timedelta
) -> list[asyncpg.Record]:
    """
    Return dispatches whose flow runs may change without an engine at work on them.

    First those that run elsewhere, those that were discarded while their flow run was open, and the oldest that are
    queued again; then in turns some of those that wait, of which there may be thousands; then some of those that have
    ended and are not done, which a person may retry: the latest, and the others in turns.

    Args:
        connection: to the inbox.
        after: the `seq` up to which those that have ended had their turn.
        held_after: the `seq` up to which those that wait had their turn.
        limit: the number of the latest, and of the others.
        held_limit: the number of those that wait.
        within: those that ended longer ago are left out.
    """
    columns = "id, seq, state, flow_run_id, lease_owner, reason, discard_reason"
    return await connection.fetch(
        f"""
        WITH ended AS (
            SELECT *, row_number() OVER (ORDER BY finished_at DESC) AS age FROM dispatches
            WHERE state IN ('failed', 'uncertain', 'discarded') AND flow_run_id IS NOT NULL
              AND finished_at > now() - $3::interval
        )
        SELECT {columns}, false AS in_turn FROM dispatches
        WHERE flow_run_id IS NOT NULL
          AND ((state = 'running' AND lease_owner IS NULL) OR (state = 'discarded' AND lease_owner IS NOT NULL))
        UNION ALL
        (SELECT {columns}, false FROM dispatches
         WHERE flow_run_id IS NOT NULL AND state = 'held' AND seq > $4 ORDER BY seq LIMIT $5)
        UNION ALL
        (SELECT {columns}, false FROM dispatches
         WHERE flow_run_id IS NOT NULL AND state = 'dispatched' ORDER BY seq LIMIT $2)
        UNION ALL
        (SELECT {columns}, false FROM ended WHERE age <= $2 AND lease_owner IS NULL)
        UNION ALL
        (SELECT {columns}, true FROM ended WHERE age > $2 AND lease_owner IS NULL AND seq > $1 ORDER BY seq LIMIT $2)
        """,  # noqa: S608  (constants)
        after,
        limit,
        within,
        held_after,
        held_limit,
    )


async def held_with(connection: Connection, flow_run_ids: Collection[UUID]) -> list[asyncpg.Record]:
    """Return the held dispatches of these flow runs, as `in_progress` does."""
    return await connection.fetch(
        """
        SELECT id, seq, state, flow_run_id, lease_owner, reason, discard_reason, false AS in_turn FROM dispatches
        WHERE flow_run_id = ANY($1) AND state = 'held'
        """,
        list(flow_run_ids),
    )


async def sync_from_prefect(
    connection: Connection, dispatch: Row, state: str, reason: str | None, *, waits_for: int | None = None
) -> None:
    """
    Give a dispatch the state that its flow run has in Prefect, unless it changed meanwhile, and wake the engines.

    One that is queued again has a flow run of its own already.
    """
    await connection.execute(
        f"""
        WITH changed AS (
            UPDATE dispatches
            SET state = $4, reason = $5, waits_for = $6, unbatched = unbatched OR $4 = 'dispatched', not_before = now(),
                {ACQUITTED}, lease_owner = NULL, lease_until = NULL, discard_reason = NULL,
                discard_actor = CASE WHEN $4 = 'discarded' THEN discard_actor END,
                finished_at = CASE WHEN $4 IN {_ENDED} THEN now() END
            WHERE id = $1 AND state = $2 AND flow_run_id = $3 RETURNING 1
        )
        SELECT pg_notify($7, '') FROM changed
        """,  # noqa: S608  (constants)
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
    Return those of these dispatches that ended some time ago, or as far ahead by a clock that was set back since.

    Until the transaction ends, none of them begins again.
    """
    return await connection.fetch(
        f"""
        SELECT id, state, reason FROM dispatches
        WHERE id = ANY($1) AND state IN {_ENDED}
          AND finished_at NOT BETWEEN now() - $2::interval AND now() + $2::interval
        FOR UPDATE SKIP LOCKED
        """,  # noqa: S608  (constants)
        list(dispatch_ids),
        since,
    )


async def mark_run_closed(connection: Connection, dispatch_id: UUID) -> None:
    """Store that the flow run of a discarded dispatch is no longer open."""
    await connection.execute(
        "UPDATE dispatches SET lease_owner = NULL, discard_reason = NULL WHERE id = $1 AND state = 'discarded'",
        dispatch_id,
    )


async def flag_unroutable(connection: Connection, deployments: Collection[str]) -> None:
    """Set the reason of queued dispatches for other deployments than these: no engine like this one claims them."""
    await connection.execute(
        """
        UPDATE dispatches SET reason = 'waits for an engine whose prefect.yaml has ' || deployment
        WHERE state = 'dispatched' AND reason IS NULL AND deployment <> ALL($1)
        """,
        list(deployments),
    )


_UNDECIDED = """
jsonb_build_object('state', state, 'reason', reason, 'waits_for', waits_for, 'unbatched', unbatched,
                   'finished_at', finished_at, 'attempts', attempts)
"""
"""A dispatch as it is before a person decides about an effect that it waits for."""


async def lock_of_effect(connection: Connection, effect: Row) -> None:
    """Let none of the dispatches change that a decision about this effect lets go on, until the transaction ends."""
    await connection.execute(
        f"""
        SELECT FROM dispatches WHERE id = $1 OR (waits_for = $5 AND state = 'uncertain') OR {_FAILED_OF_BUSINESS}
        ORDER BY seq FOR UPDATE
        """,
        *_of_business(effect),
        effect["id"],
    )


async def lock(connection: Connection, dispatch_ids: Iterable[UUID]) -> None:
    """Let no engine claim these dispatches until the transaction ends."""
    await connection.execute(
        "SELECT FROM dispatches WHERE id = ANY($1) ORDER BY seq FOR UPDATE", list(dispatch_ids)
    )


_FAILED_OF_BUSINESS = """
(state = 'failed' AND (id = $1 OR flow_run_id = $2
                       OR (split_part(key, ' ', -1) = $3 AND split_part(deployment, '/', 1) = $4)))
"""


def _of_business(effect: Row) -> tuple[Any, ...]:
    return effect["dispatch_id"], effect["flow_run_id"], effect["key"], effect["workflow"]


async def failed_of_business(connection: Connection, effect: Row) -> list[asyncpg.Record]:
    """Return what failed of an effect's run and of its business: one step may have failed for several deliveries."""
    return await connection.fetch(
        f"""
        SELECT id, delivery_id, route, {_UNDECIDED} AS before FROM dispatches WHERE {_FAILED_OF_BUSINESS} ORDER BY seq
        """,  # noqa: S608  (constants)
        *_of_business(effect),
    )


async def number_waiting(connection: Connection, effect: Row, *, failed: bool) -> int:
    """Return how many dispatches wait for a decision about an effect; also how many `failed` over it."""
    waiting: int = await connection.fetchval(
        "SELECT count(*) FROM dispatches WHERE waits_for = $1 AND state = 'uncertain'", effect["id"]
    )
    return waiting + (len(await failed_of_business(connection, effect)) if failed else 0)


async def release_resolved(
    connection: Connection, effect_id: int, goes_on_at: datetime
) -> dict[str, dict[str, Any]]:
    """
    Queue every dispatch that waited for this effect, which is resolved; not claimed before that time.

    Returns:
        What they were before, by their ids.
    """
    released = await connection.fetch(
        f"""
        WITH waiting AS (
            SELECT id, {_UNDECIDED} AS before FROM dispatches WHERE waits_for = $1 AND state = 'uncertain'
            ORDER BY seq FOR UPDATE
        )
        UPDATE dispatches d
        SET state = 'dispatched', reason = NULL, waits_for = NULL, unbatched = true, not_before = $2, finished_at = NULL
        FROM waiting WHERE d.id = waiting.id RETURNING d.id, before
        """,  # noqa: S608  (constants)
        effect_id,
        goes_on_at,
    )
    await connection.execute("SELECT pg_notify($1, '')", CHANNEL)
    return {str(row["id"]): row["before"] for row in released}


async def postpone(connection: Connection, dispatch_ids: Collection[UUID], until: datetime) -> None:
    """Let no engine claim these queued dispatches before that time."""
    await connection.execute(
        "UPDATE dispatches SET not_before = $2 WHERE id = ANY($1) AND state = 'dispatched'",
        list(dispatch_ids),
        until,
    )


async def before_keeping(connection: Connection, effect: Row) -> dict[str, dict[str, Any]]:
    """Return an effect's dispatch as it is before the effect's double is kept, by its id; none if it is not doubled."""
    rows = await connection.fetch(
        f"SELECT id, {_UNDECIDED} AS before FROM dispatches WHERE id = $1 AND state = 'doubled'",  # noqa: S608
        effect["dispatch_id"],
    )
    return {str(row["id"]): row["before"] for row in rows}


async def take_back(connection: Connection, before: Mapping[str, Mapping[str, Any]]) -> None:
    """Make dispatches that are locked, and that nobody has changed since a decision, what they were before it."""
    await connection.execute(
        """
        UPDATE dispatches d
        SET state = b.before ->> 'state', reason = b.before ->> 'reason',
            waits_for = (b.before ->> 'waits_for')::bigint, unbatched = (b.before ->> 'unbatched')::boolean,
            finished_at = (b.before ->> 'finished_at')::timestamptz
        FROM jsonb_each($1::jsonb) AS b (id, before) WHERE d.id = b.id::uuid
        """,
        before,
    )
