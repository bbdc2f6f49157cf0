"""The journal's SQL for effects: one function a statement."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from hookline.database.types import Connection, Row
from hookline.inbox.search import labelled
from hookline.journal.clock import stamp
from hookline.journal.effect import Effect, Outcome

_BEING_COMPENSATED = """
EXISTS (SELECT FROM compensation_steps s JOIN effects o ON o.id = s.effect_id
        WHERE s.workflow = $1 AND s.key = $2 AND o.state NOT IN ('done', 'kept'))
"""

MAY_LEAVE_SECONDS = 5.0
"""The time from the beginning of an attempt until its request has left, or no longer leaves: see `fence`."""

_AGE = """
extract(epoch FROM clock_timestamp() - coalesce(given_up_at, attempted_at))::float8 AS age,
       given_up_at IS NOT NULL AS ended
"""
"""The seconds since nobody waits for the answer; where a process died (not `ended`), since its attempt began."""
_LINEAGE = """
(SELECT id FROM lineage) AS lineage, (SELECT held_reason FROM lineage) AS held_reason,
(SELECT readback_first_since FROM lineage) AS readback_first_since,
(SELECT extract(epoch FROM clock_timestamp() - readback_first_since) FROM lineage)::float8 AS readback_first_age
"""
_AS_USUAL = (
    "NOT EXISTS (SELECT FROM lineage WHERE held_since IS NOT NULL OR readback_first_since IS NOT NULL)"
)
_NOT_HELD = "NOT EXISTS (SELECT FROM lineage WHERE held_since IS NOT NULL)"
_REQUEST = "label, operation, digest, request, expected, needs, depends_on, generation, account, about"
"""The columns of an effect that a person's correction may change."""


def _request_of(effect: Effect) -> tuple[Any, ...]:
    return (
        effect.label,
        effect.operation,
        effect.digest,
        effect.request,
        effect.expected,
        effect.needs,
        effect.depends_on,
        effect.generation,
        effect.account,
        effect.about,
    )


# Transitions ------------------------------------------------------------------------------------------------
#
#   from                   event                                                to
#   (none)                 intend                                               intended
#   intended, failed       begin: an attempt begins, its end is not known       intended, `attempted_at` set
#   intended               done: the vendor answered, or the read-back found it done
#   intended               not_applied: known to have changed nothing           intended (transient) or failed
#   intended, uncertain    uncertain: nobody can know                           uncertain
#   uncertain              resolve: a person says so                            done or intended
#   failed, uncertain, left by its run: done_by_hand: a person did it there     done
#   intended, failed       found_late: a late check found it                    done
#   done, undone           doubled: a late check found more than was wanted     doubled
#   doubled                undoubled: the surplus is undone, or is no double    done, or undone if it was compensated
#   done, intended, undone take_back: a person takes a decision back            what it was before that decision
#   intended               compensation.skip: another business depends on it    kept
#   done, failed, intended compensation (a trigger, effect_compensated)         undone


async def intend(
    connection: Connection, effect: Effect, *, begin: bool = False, check_after: float | None = None
) -> Row:
    """
    Write the effect down as intended, unless it is there already.

    Args:
        connection: has the effect's lock, where others may work on it.
        effect: which.
        begin: its first attempt begins now, too, unless its business is being compensated, or the database was older
            than it was (`readback_first`).
        check_after: the seconds until that attempt is looked for, should nobody go on with it.

    Returns:
        Its row, either way; `being_compensated`: its business is, and this is no step of it; `begun`: its first
        attempt began; `lineage`, `held_reason`, `readback_first_since`, `readback_first_age`: the state of the
        database.
    """
    while True:
        row = await connection.fetchrow(
            f"""
            INSERT INTO effects (workflow, key, step, {_REQUEST}, flow_run_id, dispatch_id, attempts, attempted_at,
                                 clock, call, check_at)
            SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, begins::int,
                   CASE WHEN begins THEN clock_timestamp() END, CASE WHEN begins THEN $17 END, $18::jsonb,
                   CASE WHEN begins AND $18::jsonb IS NOT NULL
                        THEN clock_timestamp() + make_interval(secs => $19) END
            FROM (SELECT $16 AND NOT {_BEING_COMPENSATED} AND {_AS_USUAL}) AS it (begins)
            ON CONFLICT (workflow, key, step) WHERE state NOT IN ('undone', 'kept') DO NOTHING
            RETURNING *, {_BEING_COMPENSATED} AS being_compensated, attempted_at IS NOT NULL AS begun, {_LINEAGE}
            """,  # noqa: S608  (a constant)
            effect.workflow,
            effect.key,
            effect.step,
            *_request_of(effect),
            effect.flow_run_id,
            effect.dispatch_id,
            begin,
            stamp(),
            effect.call,
            check_after,
        ) or await connection.fetchrow(
            f"""
            SELECT *, false AS begun, {_AGE}, {_LINEAGE}, {_BEING_COMPENSATED}
                   AND NOT EXISTS (SELECT FROM compensation_steps WHERE effect_id = effects.id) AS being_compensated
            FROM effects WHERE workflow = $1 AND key = $2 AND step = $3 AND state NOT IN ('undone', 'kept')
            """,  # noqa: S608  (a constant)
            effect.workflow,
            effect.key,
            effect.step,
        )
        if row is not None:  # else it was undone between the two
            return row


async def begin(
    connection: Connection,
    effect_id: int,
    effect: Effect,
    *,
    scope: str | None,
    baseline: set[str] | None,
    check_after: float | None,
) -> Row | None:
    """
    Write down that an attempt begins now, and return the row; from here on its end is not known.

    None: another process wrote down meanwhile, without the lock that it had lost, that it is done.

    Args:
        connection: has the locks.
        effect_id: which.
        effect: what is sent, and by which run.
        scope: where its read-back counts, if it does.
        baseline: what is there now.
        check_after: the seconds until the attempt is looked for, should nobody go on with it.
    """
    return await connection.fetchrow(
        f"""
        UPDATE effects
        SET state = 'intended', attempts = attempts + 1, attempted_at = clock_timestamp(), given_up_at = NULL,
            reason = NULL, baseline = $2, flow_run_id = coalesce($3, flow_run_id),
            dispatch_id = coalesce($4, dispatch_id), scope = coalesce($5, scope),
            call = $6, clock = $7, checks = 0, about = $9,
            check_at = CASE WHEN $6::jsonb IS NOT NULL THEN clock_timestamp() + make_interval(secs => $8) END
        WHERE id = $1 AND state IN ('intended', 'failed') RETURNING *, false AS begun, {_LINEAGE}
        """,  # noqa: S608  (a constant)
        effect_id,
        None if baseline is None else sorted(baseline),
        effect.flow_run_id,
        effect.dispatch_id,
        scope,
        effect.call,
        stamp(),
        check_after,
        effect.about,
    )


async def leaves_now(connection: Connection, effect_id: int) -> int | None:
    """Write down that a request of the open attempt leaves only now, and return its mark; None if none is open."""
    mark: int | None = await connection.fetchval(
        """
        UPDATE effects SET attempted_at = clock_timestamp(), clock = $2
        WHERE id = $1 AND attempted_at IS NOT NULL RETURNING mark
        """,
        effect_id,
        stamp(),
    )
    return mark


async def give_up(
    connection: Connection, effect_id: int, reason: str, effect: Effect, *, check_after: float | None
) -> None:
    """
    Write down that nobody waits any longer for the answer of the open attempt.

    It is looked for after so many seconds, should nobody have gone on with it: its order may be set aside by then.
    """
    await connection.execute(
        """
        UPDATE effects SET given_up_at = clock_timestamp(), reason = $2, call = $3, clock = $4, checks = 0,
            check_at = CASE WHEN $3::jsonb IS NOT NULL THEN clock_timestamp() + make_interval(secs => $5) END
        WHERE id = $1
        """,
        effect_id,
        reason,
        effect.call,
        stamp(),
        check_after,
    )


async def done(
    connection: Connection,
    effect_id: int,
    effect: Effect,
    outcome: Outcome,
    *,
    scope: str | None,
    call: Mapping[str, Any] | None = None,
    check_after: float | None = None,
) -> bool:
    """
    Write down the outcome; return False if another process has written one down.

    Args:
        connection: has the effect's lock.
        effect_id: which.
        effect: which; in a database that went back in time meanwhile, another effect may have its number.
        outcome: what it brought.
        scope: where it is counted.
        call: how it is looked for again.
        check_after: the seconds until it is looked for again, if an attempt before this one may have worked too.
    """
    written = await connection.fetchval(
        """
        UPDATE effects
        SET state = 'done', reference = $2, answer = $3, reason = NULL, finished_at = clock_timestamp(), checks = 0,
            check_at = clock_timestamp() + make_interval(secs => $4),
            call = CASE WHEN $4::float8 IS NOT NULL OR attempts > 1 THEN coalesce($5, call) END,
            scope = coalesce(scope, $9)
        WHERE id = $1 AND (workflow, key, step) = ($6, $7, $8) AND state IN ('intended', 'failed', 'uncertain')
        RETURNING true
        """,
        effect_id,
        outcome.reference,
        outcome.answer,
        check_after,
        call,
        effect.workflow,
        effect.key,
        effect.step,
        scope,
    )
    return written is not None


async def not_applied(
    connection: Connection,
    effect_id: int,
    *,
    state: str,
    reason: str,
    earlier: tuple[datetime | None, datetime | None, str | None] = (None, None, None),
    check_after: float | None = None,
) -> None:
    """
    Write down that the attempt changed nothing.

    Args:
        connection: has the effect's lock.
        effect_id: which.
        state: what it is now.
        reason: why.
        earlier: `attempted_at`, `given_up_at` and `clock` of an attempt before it, whose end is as unknown as it was;
            without one, the effect may be sent again without a read-back.
        check_after: the seconds until that one is looked for, should nobody go on with the effect.
    """
    await connection.execute(
        """
        UPDATE effects
        SET state = $2, reason = $3, attempted_at = $4::timestamptz, given_up_at = $5::timestamptz, clock = $6,
            checks = 0, check_at = CASE WHEN coalesce($4::timestamptz, $5::timestamptz) IS NOT NULL AND call IS NOT NULL
                            THEN clock_timestamp() + make_interval(secs => $7) END
        WHERE id = $1
        """,
        effect_id,
        state,
        reason,
        *earlier,
        check_after,
    )


async def uncertain(connection: Connection, effect_id: int, reason: str, effect: Effect) -> bool:
    """
    Write down that nobody can know, and which flow run and dispatch wait for a person's word; no late check does.

    Return False if it is known meanwhile: a late check has found it.
    """
    written = await connection.fetchval(
        """
        UPDATE effects SET state = 'uncertain', reason = $2, call = $5, check_at = NULL,
            given_up_at = coalesce(given_up_at, clock_timestamp()),
            waiting = ARRAY(SELECT DISTINCT each FROM unnest(waiting || ARRAY[$3, $4]::uuid[]) AS each
                            WHERE each IS NOT NULL)
        WHERE id = $1 AND state IN ('intended', 'failed', 'uncertain') RETURNING true
        """,
        effect_id,
        reason,
        effect.flow_run_id,
        effect.dispatch_id,
        effect.call,
    )
    return written is not None


async def resolve(
    connection: Connection,
    effect_id: int,
    *,
    happened: bool,
    reference: list[str],
    check_after: float | None,
    what: str,
    grace: float,
) -> Row | None:
    """
    Write down a person's word; return None if the effect is not uncertain (any more).

    A person may be wrong: an effect that can be looked for is, after so many seconds.
    """
    return await connection.fetchrow(
        """
        UPDATE effects SET decision = decided(effects, $5, $6), waiting = '{}',
            state = CASE WHEN $2 THEN 'done' ELSE 'intended' END,
            reason = CASE WHEN $2 THEN 'resolved by a person' ELSE 'to be sent again: resolved by a person' END,
            reference = CASE WHEN $2 THEN $3 ELSE reference END,
            finished_at = CASE WHEN $2 THEN clock_timestamp() ELSE finished_at END,
            attempted_at = CASE WHEN $2 THEN attempted_at END,
            check_at = clock_timestamp() + make_interval(secs => $4)
        WHERE id = $1 AND state = 'uncertain' RETURNING *
        """,
        effect_id,
        happened,
        reference,
        check_after,
        what,
        grace,
    )


async def done_by_hand(
    connection: Connection,
    effect_id: int,
    *,
    reason: str,
    reference: list[str],
    answer: Mapping[str, Any] | None,
    check_after: float | None,
    grace: float,
) -> Row | None:
    """
    Write down that a person did it at the vendor; return None if a run may still be at it, or it is done.

    One whose answer was lost may land all the same: where it can be looked for, it is, after so many seconds.
    """
    return await connection.fetchrow(
        """
        UPDATE effects SET decision = decided(effects, $2, $6), waiting = '{}', state = 'done', reason = $2,
            reference = $3, answer = $4,
            finished_at = clock_timestamp(), check_at = clock_timestamp() + make_interval(secs => $5)
        WHERE id = $1 AND (
            state IN ('failed', 'uncertain')
            OR (state = 'intended' AND (attempted_at IS NULL OR given_up_at IS NOT NULL)
                AND dispatch_id IN (SELECT id FROM dispatches WHERE state IN ('failed', 'discarded'))))
        RETURNING *
        """,
        effect_id,
        reason,
        reference,
        answer,
        check_after,
        grace,
    )


async def note_going_on(
    connection: Connection, effect_id: int, dispatches: Mapping[str, Mapping[str, Any]]
) -> None:
    """Write down which dispatches a decision lets go on, and what they were before it, by their ids."""
    await connection.execute(
        "UPDATE effects SET decision = decision || jsonb_build_object('dispatches', $2::jsonb) WHERE id = $1",
        effect_id,
        dispatches,
    )


async def build_on(connection: Connection, effect_id: int, run: str) -> bool:
    """
    Write down that a run goes on from a decision, which is not taken back any more.

    Return False if it was taken back meanwhile.
    """
    built: bool | None = await connection.fetchval(
        """
        UPDATE effects
        SET decision = jsonb_build_object('built_at', clock_timestamp(), 'built_by', $2::text) || decision
        WHERE id = $1 AND decision IS NOT NULL AND state IN ('done', 'doubled') RETURNING true
        """,
        effect_id,
        run,
    )
    return built is not None


async def built_on(connection: Connection, row: Row) -> list[str]:
    """Return what was built on the decision about an effect, in a person's words, the first above; none: nothing."""
    found = await connection.fetch(
        """
        WITH e AS (SELECT *, (decision ->> 'at')::timestamptz AS decided_at FROM effects WHERE id = $1)
        SELECT coalesce(p.label, p.route) || CASE
                   WHEN p.attempts > (was.value ->> 'attempts')::int THEN ' went on'
                   WHEN p.state = 'discarded' THEN ' was set aside' ELSE ' is ' || p.state END
        FROM e CROSS JOIN LATERAL jsonb_each(e.decision -> 'dispatches') AS was
             JOIN dispatches p ON p.id = was.key::uuid
        WHERE (p.attempts, p.state) IS DISTINCT FROM ((was.value ->> 'attempts')::int, was.value ->> 'became')
        UNION ALL
        SELECT f.step || ' of ' || f.label || ' was begun' FROM e JOIN effects f
               ON f.id <> e.id AND f.workflow = e.workflow AND f.key = e.key
        WHERE greatest(f.created_at, f.attempted_at) > e.decided_at
        UNION ALL
        SELECT e.step || ' of ' || e.label || ' was used by ' || (e.decision ->> 'built_by') FROM e
        WHERE e.decision ? 'built_at'
        """,
        row["id"],
    )
    return [each[0] for each in found]


async def take_back(connection: Connection, effect_id: int) -> Row | None:
    """Write an effect down as it was before the last decision; return None if something is built on that."""
    return await connection.fetchrow(
        """
        UPDATE effects e
        SET (state, reason, reference, answer, attempted_at, given_up_at, finished_at, waiting, check_at, surplus,
             decided, undo_actor, undo_surplus, decision)
          = (SELECT b.state, b.reason, b.reference, b.answer, b.attempted_at, b.given_up_at, b.finished_at, b.waiting,
                    b.check_at, b.surplus, b.decided, b.undo_actor, b.undo_surplus, NULL::jsonb
             FROM jsonb_populate_record(NULL::effects, e.decision -> 'before') AS b)
        WHERE id = $1 AND decision IS NOT NULL AND NOT decision ? 'built_at' RETURNING *
        """,
        effect_id,
    )


async def known_about(connection: "Connection | asyncpg.Pool", effect_ids: Sequence[int]) -> Sequence[Row]:
    """Return whom and what effects concern: their own inputs, their run's delivery, and the rest of their business."""
    return await connection.fetch(
        """
        SELECT e.id, e.label, e.operation, e.account, e.about, p.label AS run, p.about AS of_run,
               CASE WHEN pg_column_size(e.request) < 65536 THEN e.request END AS request,
               (SELECT jsonb_agg(o.about) FROM effects o
                WHERE o.workflow = e.workflow AND o.key = e.key AND o.about <> '{}') AS of_others
        FROM effects e LEFT JOIN LATERAL (
            SELECT d.label, d.about FROM dispatches d
            WHERE d.id = e.dispatch_id OR d.flow_run_id = e.flow_run_id LIMIT 1) p ON true
        WHERE e.id = ANY($1)
        """,
        list(effect_ids),
    )


async def open_decisions(
    database: "Connection | asyncpg.Pool", effect_ids: Sequence[int] | None = None
) -> Sequence[Row]:
    """Return the effects, of these or of all, about which a decision of the last day can be taken back."""
    return await database.fetch(
        """
        SELECT e.id, e.step, e.label, e.operation, e.state, e.dispatch_id, e.decision ->> 'what' AS what,
               e.decision ->> 'actor' AS actor, (e.decision ->> 'at')::timestamptz AS decided_at,
               (e.decision ->> 'goes_on_at')::timestamptz AS goes_on_at, e.decision -> 'dispatches' <> '{}' AS has_runs
        FROM effects e
        WHERE decision IS NOT NULL AND NOT decision ? 'built_at' AND ($1::bigint[] IS NULL OR id = ANY($1))
          AND (decision ->> 'at')::timestamptz > now() - interval '1 day'
          AND NOT EXISTS (SELECT FROM jsonb_each(decision -> 'dispatches') AS was
                          LEFT JOIN dispatches p ON p.id = was.key::uuid
                          WHERE (p.attempts, p.state)
                                IS DISTINCT FROM ((was.value ->> 'attempts')::int, was.value ->> 'became'))
          AND NOT EXISTS (SELECT FROM effects f WHERE f.id <> e.id AND f.workflow = e.workflow AND f.key = e.key
                          AND greatest(f.created_at, f.attempted_at) > (e.decision ->> 'at')::timestamptz)
        ORDER BY e.decision ->> 'at' DESC LIMIT 50
        """,
        None if effect_ids is None else list(effect_ids),
    )


# Late checks ------------------------------------------------------------------------------------------------


async def claim_checks(database: "Connection | asyncpg.Pool", limit: int, lease: float) -> Sequence[Row]:
    """
    Claim effects whose late check is due, for so many seconds: after that, another process may have them.

    What happened, or was undone since; and what may have happened, once nobody waits for its answer. None while the
    database is held: it does not know what was done.
    """
    return await database.fetch(
        f"""
        UPDATE effects SET check_at = clock_timestamp() + make_interval(secs => $2)
        WHERE id IN (SELECT id FROM effects
                     WHERE check_at <= clock_timestamp() AND call IS NOT NULL
                       AND state IN ('done', 'doubled', 'undone', 'failed', 'intended')
                       AND {_NOT_HELD}
                     ORDER BY check_at LIMIT $1 FOR UPDATE SKIP LOCKED)
        RETURNING *, check_at AS claimed_until
        """,  # noqa: S608  (a constant)
        limit,
        lease,
    )


async def is_to_check(connection: Connection, row: Row) -> bool:
    """Return True unless the database went back in time since the check was claimed: it may not know the effect."""
    known: bool = await connection.fetchval(
        f"SELECT EXISTS (SELECT FROM effects WHERE id = $1 AND created_at = $2) AND {_NOT_HELD}",  # noqa: S608
        row["id"],
        row["created_at"],
    )
    return known


async def hurry_checks(connection: Connection, effect_ids: Sequence[int]) -> None:
    """Write down that these effects are looked for now: what is there may be of one of them."""
    await connection.execute(
        "UPDATE effects SET check_at = clock_timestamp() WHERE id = ANY($1) AND state IN ('intended', 'failed')",
        list(effect_ids),
    )


async def found_late(
    connection: Connection,
    row: Row,
    reference: Sequence[str],
    reason: str,
    *,
    scope: str | None,
    next_after: float | None,
) -> bool:
    """
    Write down what a late check found of an effect with which nobody went on; return False if somebody has.

    `scope`: where it was counted, for the effect itself may never have begun.
    """
    found = await connection.fetchval(
        """
        UPDATE effects
        SET state = 'done', reference = $2, reason = $3, finished_at = clock_timestamp(), checks = checks + 1,
            check_at = clock_timestamp() + make_interval(secs => $4), scope = coalesce(scope, $7)
        WHERE id = $1 AND state = $5 AND attempts = $6 RETURNING true
        """,
        row["id"],
        list(reference),
        reason,
        next_after,
        row["state"],
        row["attempts"],
        scope,
    )
    return found is not None


async def others_at_step(connection: Connection, row: Row) -> Sequence[Row]:
    """Return the other effects of the same step, from earlier and later tries of its business."""
    return await connection.fetch(
        "SELECT * FROM effects WHERE workflow = $1 AND key = $2 AND step = $3 AND id <> $4 ORDER BY id",
        row["workflow"],
        row["key"],
        row["step"],
        row["id"],
    )


async def postpone_check(connection: Connection, effect_id: int, seconds: float) -> None:
    """Write down that a late check could say nothing, and is made in so many seconds."""
    await connection.execute(
        "UPDATE effects SET check_at = clock_timestamp() + make_interval(secs => $2) WHERE id = $1",
        effect_id,
        seconds,
    )


async def checked(connection: Connection, effect_id: int, *, next_after: float | None) -> None:
    """Write down that a late check found no more than was wanted, and when the next one is due."""
    await connection.execute(
        """
        UPDATE effects SET checks = checks + 1, check_at = clock_timestamp() + make_interval(secs => $2)
        WHERE id = $1
        """,
        effect_id,
        next_after,
    )


async def doubled(
    connection: Connection, effect_id: int, surplus: Sequence[str], reason: str, *, next_after: float | None
) -> bool:
    """
    Write down that the vendor has more than was wanted; return False if the effect is neither done nor undone.

    Its dispatch needs a person too, at once or at its end.
    """
    async with _dispatch_locked(connection, effect_id):
        found = await connection.fetchval(
            """
            WITH found AS (
                UPDATE effects SET state = 'doubled', reason = $3, checks = checks + 1,
                    check_at = clock_timestamp() + make_interval(secs => $4),
                    surplus = ARRAY(SELECT DISTINCT unnest(surplus || $2::text[]) ORDER BY 1)
                WHERE id = $1 AND state IN ('done', 'doubled', 'undone') RETURNING dispatch_id
            ), its_dispatch AS (
                UPDATE dispatches SET state = 'doubled', reason = $3, waits_for = $1
                WHERE id = (SELECT dispatch_id FROM found) AND state = 'done'
            )
            SELECT true FROM found
            """,
            effect_id,
            list(surplus),
            reason,
            next_after,
        )
    return found is not None


async def request_undo(
    connection: Connection, effect_id: int, actor: str, surplus: Sequence[str], grace: float
) -> Row | None:
    """Write down what a person wants undone; return None if that is no surplus of the effect (any more)."""
    return await connection.fetchrow(
        """
        UPDATE effects SET decision = decided(effects, 'undo it', $4), undo_actor = $2, undo_surplus = $3
        WHERE id = $1 AND state = 'doubled' AND surplus @> $3 AND $3 <> '{}' RETURNING *
        """,
        effect_id,
        actor,
        list(surplus),
        grace,
    )


async def requested_undos(database: "Connection | asyncpg.Pool") -> Sequence[Row]:
    """Return the effects whose surplus is to be undone now, the oldest first: the time to take that back is over."""
    return await database.fetch(
        """
        SELECT * FROM effects
        WHERE undo_actor IS NOT NULL AND state = 'doubled'
          AND coalesce((decision ->> 'goes_on_at')::timestamptz <= clock_timestamp(), true)
        ORDER BY id LIMIT 20
        """
    )


async def begin_undo(database: "Connection | asyncpg.Pool", effect_id: int, engine: str) -> Row | None:
    """Write down that the undo begins, which is not taken back any more; return None if it was taken back."""
    return await database.fetchrow(
        """
        UPDATE effects
        SET decision = jsonb_build_object('built_at', clock_timestamp(), 'built_by', $2::text) || decision
        WHERE id = $1 AND undo_actor IS NOT NULL AND state = 'doubled' RETURNING *
        """,
        effect_id,
        engine,
    )


async def undo_failed(connection: Connection, effect_id: int, reason: str) -> None:
    """Write down why the surplus could not be undone; a person decides again."""
    await connection.execute(
        "UPDATE effects SET undo_actor = NULL, reason = $2 WHERE id = $1 AND state = 'doubled'",
        effect_id,
        reason,
    )


async def undoubled(
    connection: Connection,
    effect_id: int,
    surplus: Sequence[str],
    reason: str,
    *,
    decision: str | None = None,
) -> Row | None:
    """
    Write down that this surplus is undone or is no double; return None if the effect is not doubled (any more).

    `decision`: a person's, where it is one. What was found meanwhile is still too much. What was compensated meanwhile
    is undone from now on.
    """
    async with _dispatch_locked(connection, effect_id):
        return await connection.fetchrow(
            """
            WITH rest AS (
                SELECT array(SELECT each FROM unnest(surplus) AS each WHERE each <> ALL($3)) AS of_surplus,
                       EXISTS (SELECT FROM compensation_steps s
                               WHERE s.workflow = e.workflow AND s.key = e.key AND s.generation = e.generation)
                       AND NOT EXISTS (SELECT FROM compensation_steps s JOIN effects o ON o.id = s.effect_id
                                       WHERE s.workflow = e.workflow AND s.key = e.key AND s.generation = e.generation
                                         AND (o.state NOT IN ('done', 'kept')
                                              OR (s.compensates = e.id AND o.state = 'kept'))) AS is_undone
                FROM effects e WHERE id = $1
            ), effect AS (
                UPDATE effects
                SET state = CASE WHEN of_surplus <> '{}' THEN state WHEN is_undone THEN 'undone' ELSE 'done' END,
                    reason = CASE WHEN of_surplus = '{}' THEN $2 ELSE reason END, undo_actor = NULL,
                    surplus = of_surplus,
                    decision = CASE WHEN $4::text IS NULL THEN decision ELSE decided(effects, $4, 0) END,
                    decided = decided || ARRAY(SELECT each FROM unnest(surplus) AS each WHERE each = ANY($3))
                FROM rest WHERE id = $1 AND state = 'doubled' RETURNING effects.*
            ), its_dispatch AS (
                UPDATE dispatches d SET state = 'done', reason = NULL, waits_for = NULL
                FROM effect e
                WHERE d.id = e.dispatch_id AND d.state = 'doubled' AND e.state <> 'doubled'
            )
            SELECT * FROM effect
            """,
            effect_id,
            reason,
            list(surplus),
            decision,
        )


@asynccontextmanager
async def _dispatch_locked(connection: Connection, effect_id: int) -> AsyncIterator[None]:
    """
    Within, in one transaction, an effect's dispatch does not end, so that what is written of the effect is seen there.

    It is locked before the effect by everything that changes both for a double.
    """
    async with connection.transaction():
        await connection.execute(
            "SELECT FROM dispatches WHERE id = (SELECT dispatch_id FROM effects WHERE id = $1) FOR NO KEY UPDATE",
            effect_id,
        )
        yield


# Looking first, after a restore -----------------------------------------------------------------------------


async def note_first_readback(
    connection: Connection, effect_id: int, found: str, scope: str | None, baseline: set[str] | None
) -> None:
    """Write down what was `found` of an effect before its attempt, and where it counts what was there."""
    await connection.execute(
        """
        UPDATE effects SET first_readback = $2, first_readback_at = clock_timestamp(), scope = coalesce($3, scope),
            baseline = coalesce($4, baseline)
        WHERE id = $1
        """,
        effect_id,
        found,
        scope,
        None if baseline is None else sorted(baseline),
    )


async def began_since(connection: Connection, effect: Effect, since: datetime) -> bool:
    """
    Return True if the business of an effect began since: all of its rows did, and a step before was not at the vendor.

    A flow takes its steps in one order. So where an earlier one was not done, this one was not, either.
    """
    began: bool | None = await connection.fetchval(
        """
        SELECT bool_and(created_at >= $4) AND bool_or(found = 'absent') AND NOT bool_or(found IN ('found', 'asked'))
        FROM (SELECT created_at, CASE WHEN first_readback_at >= $4 AND first_readback IS NOT NULL
                                      THEN first_readback ELSE '' END AS found
              FROM effects WHERE workflow = $1 AND key = $2 AND step <> $3) AS steps
        """,
        effect.workflow,
        effect.key,
        effect.step,
        since,
    )
    return bool(began)


async def known_of(connection: Connection, scope: str, began: datetime | None) -> set[str]:
    """
    Return what the journal knows of a scope: what effects brought, and what was there before they began.

    What was there when an effect began that was itself looked for first may be what nobody knew. And what was there
    when one began after the open attempt of another, at `began`, may be what that attempt brought.
    """
    found = await connection.fetchval(
        """
        SELECT array_agg(DISTINCT known) FROM (
            SELECT unnest(reference) AS known FROM effects WHERE scope = $1
            UNION ALL SELECT jsonb_array_elements_text(baseline) FROM effects
                      WHERE scope = $1 AND jsonb_typeof(baseline) = 'array' AND first_readback_at IS NULL
                        AND ($2::timestamptz IS NULL OR attempted_at <= $2)) AS each
        """,
        scope,
        began,
    )
    return set(found or [])


async def is_of_before(connection: Connection, row: Row) -> bool:
    """Return True if an effect was begun before the database went back in time: what came since may be forgotten."""
    before: bool | None = await connection.fetchval(
        "SELECT coalesce($1::timestamptz, $2, $3) < released_at FROM lineage",
        row["attempted_at"],
        row["given_up_at"],
        row["created_at"],
    )
    return bool(before)


# Corrections ------------------------------------------------------------------------------------------------


async def renew(connection: Connection, effect_id: int, effect: Effect) -> None:
    """Write down the request as it is now, of an effect of which nothing was done."""
    await connection.execute(
        f"UPDATE effects SET ({_REQUEST}) = ($2, $3, $4, $5, $6, $7, $8, $9, $10, $11) WHERE id = $1",  # noqa: S608  (a constant)
        effect_id,
        *_request_of(effect),
    )


async def correct(connection: Connection, workflow: str, key: str, step: str, reference: list[str]) -> None:
    """Write down that what an effect brought has another reference now."""
    await connection.execute(
        """
        UPDATE effects SET reference = $4
        WHERE workflow = $1 AND key = $2 AND step = $3 AND state IN ('done', 'doubled') AND reference <> $4
        """,
        workflow,
        key,
        step,
        reference,
    )


# Reading ----------------------------------------------------------------------------------------------------


async def read(connection: Connection, effect_id: int, *, lock: bool = False) -> Row | None:
    """Return one effect by its number; with `lock`, nobody changes it until the transaction ends."""
    locked = "FOR UPDATE" if lock else ""
    return await connection.fetchrow(f"SELECT * FROM effects WHERE id = $1 {locked}", effect_id)  # noqa: S608


async def read_again(connection: Connection, row: Row) -> Row | None:
    """Return an effect as it is now; None where the database went back in time meanwhile, and does not know it."""
    return await connection.fetchrow(
        "SELECT * FROM effects WHERE id = $1 AND created_at = $2", row["id"], row["created_at"]
    )


async def current(connection: Connection, workflow: str, key: str, step: str) -> Row | None:
    """Return an effect that is done, or doubled, unless the vendor has refused what depends on it: it may be gone."""
    return await connection.fetchrow(
        """
        SELECT * FROM effects e
        WHERE workflow = $1 AND key = $2 AND step = $3 AND state IN ('done', 'doubled')
          AND NOT EXISTS (SELECT FROM effects f
                          WHERE f.depends_on <> '{}' AND f.depends_on && e.reference AND f.account = e.account
                            AND f.state = 'failed')
        """,
        workflow,
        key,
        step,
    )


async def steps(connection: Connection, workflow: str, key: str, prefix: str) -> Sequence[Row]:
    """Return the effects of a business whose steps begin so, the oldest first, without what was undone."""
    return await connection.fetch(
        """
        SELECT * FROM effects
        WHERE workflow = $1 AND key = $2 AND starts_with(step, $3) AND state NOT IN ('undone', 'kept') ORDER BY id
        """,
        workflow,
        key,
        prefix,
    )


async def keys(connection: Connection, workflow: str, prefix: str) -> list[str]:
    """Return the business keys of a workflow that begin so."""
    found = await connection.fetch(
        "SELECT DISTINCT key FROM effects WHERE workflow = $1 AND starts_with(key, $2) ORDER BY key",
        workflow,
        prefix,
    )
    return [row["key"] for row in found]


async def uncertain_of(database: "Connection | asyncpg.Pool", flow_run_id: UUID | None) -> int | None:
    """Return the number of the uncertain effect that a flow run met last; None if it met none, or it is resolved."""
    effect_id: int | None = await database.fetchval(
        """
        SELECT max(id) FROM effects
        WHERE state = 'uncertain'
          AND waiting && (ARRAY[$1]::uuid[] || ARRAY(SELECT id FROM dispatches WHERE flow_run_id = $1))
        """,
        flow_run_id,
    )
    return effect_id


async def open_neighbours(connection: Connection, effect_id: int, scope: str) -> Sequence[Row]:
    """
    Return other effects of the scope that were sent and whose end is not known, the latest first.

    `goes_on`: a dispatch of the inbox works on it, or waits for its turn or its vendor.
    """
    return await connection.fetch(
        f"""
        SELECT *, {_AGE}, EXISTS (SELECT FROM dispatches d WHERE d.id = effects.dispatch_id
                                  AND d.state IN ('dispatched', 'running')) AS goes_on FROM effects
        WHERE scope = $2 AND id <> $1 AND state IN ('intended', 'uncertain', 'failed') AND attempted_at IS NOT NULL
        ORDER BY attempted_at DESC
        """,  # noqa: S608  (a constant)
        effect_id,
        scope,
    )


async def references_of_others(connection: Connection, scope: str, since: datetime) -> set[str]:
    """
    Return the vendor's references of the scope that belong to effects done, wanted or not, or done since and undone.

    What was undone before either is in the baseline or had left the scope, and may have come back since.
    """
    found = await connection.fetchval(
        """
        SELECT array_agg(DISTINCT reference) FROM
            (SELECT unnest(reference || surplus || decided) AS reference FROM effects
             WHERE scope = $1 AND (state IN ('done', 'doubled') OR (state = 'undone' AND finished_at > $2))) AS done
        """,
        scope,
        since,
    )
    return set(found or [])


async def references(connection: Connection, scope: str) -> set[str]:
    """Return all of the scope that belongs to an effect, wanted or too much."""
    found = await connection.fetchval(
        """
        SELECT array_agg(DISTINCT reference)
        FROM (SELECT unnest(reference || surplus || decided) AS reference FROM effects WHERE scope = $1) AS known
        """,
        scope,
    )
    return set(found or [])


async def dependencies(connection: Connection, effect: Effect) -> Sequence[Row]:
    """Return the effects that another one depends on, the latest of each reference; `being_undone`: a step is open."""
    if not effect.depends_on:
        return []
    return await connection.fetch(
        """
        SELECT DISTINCT ON (needed) e.id, e.state, e.step || ' of ' || e.label AS what,
               EXISTS (SELECT FROM compensation_steps s JOIN effects o ON o.id = s.effect_id
                       WHERE s.compensates = e.id AND o.state NOT IN ('done', 'kept')) AS being_undone
        FROM unnest($1::text[]) AS needed JOIN effects e ON e.reference @> ARRAY[needed]
        WHERE split_part(e.operation, '.', 1) = split_part($2, '.', 1) AND e.account = $5
          AND (e.workflow, e.key) <> ($3, $4)
          AND NOT EXISTS (SELECT FROM compensation_steps WHERE effect_id = e.id)
        ORDER BY needed, e.id DESC
        """,
        effect.depends_on,
        effect.operation,
        effect.workflow,
        effect.key,
        effect.account,
    )


async def find(
    connection: "Connection | asyncpg.Pool", *, state: str | None, key: str | None, limit: int | None = None
) -> Sequence[Row]:
    """
    Return effects for people: by state; by business key, label, what it is about, flow run, dispatch, reference.

    With a limit, the latest of them.
    """
    return await connection.fetch(
        f"""
        SELECT * FROM (SELECT * FROM effects
        WHERE ($1::text IS NULL OR state = $1) AND {"true" if key is None else f"id = ANY (ARRAY({_NAMED}))"}
        ORDER BY id DESC LIMIT $2) AS latest ORDER BY id
        """,  # noqa: S608  (constants)
        state,
        limit,
        *([] if key is None else [key, key.rpartition(" ")[2], _as_id(key)]),
    )


# Each through an index of its own: one condition of them all would read every effect.
_NAMED = f"""
    SELECT id FROM effects WHERE key = $3
    UNION SELECT id FROM effects WHERE position('@' IN key) > 0 AND split_part(key, '@', 1) = $3
    UNION SELECT id FROM effects WHERE split_part(label, ' ', -1) = $4 AND $3 IN (label, $4)
    UNION SELECT id FROM effects WHERE flow_run_id = $5
    UNION SELECT id FROM effects WHERE dispatch_id = $5
    UNION SELECT id FROM effects WHERE reference @> ARRAY[$3]
    UNION SELECT id FROM effects WHERE dispatch_id = ANY (ARRAY(SELECT id FROM dispatches WHERE {labelled("$3")}))"""  # noqa: S608  (constants)


def _as_id(key: str) -> UUID | None:
    try:
        return UUID(key)
    except ValueError:
        return None
