"""The journal's SQL for effects: one function a statement."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from hookline.database.types import Connection, Row
from hookline.journal.effect import Effect, Outcome

_BEING_COMPENSATED = """
EXISTS (SELECT FROM compensation_steps s JOIN effects o ON o.id = s.effect_id
        WHERE s.workflow = $1 AND s.key = $2 AND o.state NOT IN ('done', 'kept'))
"""

_AGE = "extract(epoch FROM clock_timestamp() - attempted_at)::float8 AS age"
_LINEAGE = """
(SELECT id FROM lineage) AS lineage, (SELECT held_reason FROM lineage) AS held_reason,
(SELECT look_first_since FROM lineage) AS look_first_since
"""
_AS_USUAL = "NOT EXISTS (SELECT FROM lineage WHERE held_since IS NOT NULL OR look_first_since IS NOT NULL)"
_REQUEST = "label, operation, digest, request, expected, depends_on, generation"
"""The columns of an effect that a person's correction may change."""


def _request_of(effect: Effect) -> tuple[Any, ...]:
    return (
        effect.label,
        effect.operation,
        effect.digest,
        effect.request,
        effect.expected,
        effect.depends_on,
        effect.generation,
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
#   intended               compensation.skip: another business depends on it    kept
#   done, failed, intended compensation (a trigger, effect_compensated)         undone


async def intend(connection: Connection, effect: Effect, *, begin: bool = False) -> Row:
    """
    Write the effect down as intended, unless it is there already.

    Args:
        connection: has the effect's lock, where others may work on it.
        effect: which.
        begin: its first attempt begins now, too, unless its business is being compensated, or the database was older
            than it was (`look_first`).

    Returns:
        Its row, either way; `being_compensated`: its business is, and this is no step of it; `begun`: its first
        attempt began; `lineage`, `held_reason`, `look_first_since`: the state of the database.
    """
    while True:
        row = await connection.fetchrow(
            f"""
            INSERT INTO effects (workflow, key, step, {_REQUEST}, flow_run_id, dispatch_id, attempts, attempted_at)
            SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, begins::int,
                   CASE WHEN begins THEN clock_timestamp() END
            FROM (SELECT $13 AND NOT {_BEING_COMPENSATED} AND {_AS_USUAL}) AS it (begins)
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
    connection: Connection, effect_id: int, effect: Effect, *, scope: str | None, baseline: set[str] | None
) -> int:
    """
    Write down that an attempt begins now, and return its mark; from here on its end is not known.

    Args:
        connection: has the locks.
        effect_id: which.
        effect: what is sent, and by which run.
        scope: where its read-back counts, if it does.
        baseline: what is there now.
    """
    mark: int = await connection.fetchval(
        """
        UPDATE effects
        SET state = 'intended', attempts = attempts + 1, attempted_at = clock_timestamp(), reason = NULL,
            baseline = $2, flow_run_id = coalesce($3, flow_run_id), dispatch_id = coalesce($4, dispatch_id),
            scope = coalesce($5, scope)
        WHERE id = $1 RETURNING mark
        """,
        effect_id,
        None if baseline is None else sorted(baseline),
        effect.flow_run_id,
        effect.dispatch_id,
        scope,
    )
    return mark


async def done(connection: Connection, effect_id: int, outcome: Outcome) -> None:
    """Write down the outcome."""
    await connection.execute(
        """
        UPDATE effects
        SET state = 'done', reference = $2, answer = $3, reason = NULL, finished_at = clock_timestamp()
        WHERE id = $1
        """,
        effect_id,
        outcome.reference,
        outcome.answer,
    )


async def not_applied(connection: Connection, effect_id: int, *, state: str, reason: str) -> None:
    """Write down that the attempt changed nothing: the effect may be sent again without a read-back."""
    await connection.execute(
        "UPDATE effects SET state = $2, reason = $3, attempted_at = NULL WHERE id = $1",
        effect_id,
        state,
        reason,
    )


async def uncertain(connection: Connection, effect_id: int, reason: str, effect: Effect) -> None:
    """Write down that nobody can know, and which flow run and dispatch wait for a person's word on it."""
    await connection.execute(
        """
        UPDATE effects SET state = 'uncertain', reason = $2,
            waiting = ARRAY(SELECT DISTINCT each FROM unnest(waiting || ARRAY[$3, $4]::uuid[]) AS each
                            WHERE each IS NOT NULL)
        WHERE id = $1
        """,
        effect_id,
        reason,
        effect.flow_run_id,
        effect.dispatch_id,
    )


async def resolve(
    connection: Connection, effect_id: int, *, happened: bool, reference: list[str]
) -> Row | None:
    """Write down a person's word; return None if the effect is not uncertain (any more)."""
    return await connection.fetchrow(
        """
        UPDATE effects SET waiting = '{}', state = CASE WHEN $2 THEN 'done' ELSE 'intended' END,
            reason = CASE WHEN $2 THEN 'resolved by a person' ELSE 'to be sent again: resolved by a person' END,
            reference = CASE WHEN $2 THEN $3 ELSE reference END,
            finished_at = CASE WHEN $2 THEN clock_timestamp() ELSE finished_at END,
            attempted_at = CASE WHEN $2 THEN attempted_at END
        WHERE id = $1 AND state = 'uncertain' RETURNING *
        """,
        effect_id,
        happened,
        reference,
    )


# Looking first, after a restore -----------------------------------------------------------------------------


async def looked(connection: Connection, effect_id: int, found: str, scope: str | None) -> None:
    """Write down what was `found` of an effect before its attempt, and where it counts."""
    await connection.execute(
        """
        UPDATE effects SET looked = $2, looked_at = clock_timestamp(), scope = coalesce($3, scope) WHERE id = $1
        """,
        effect_id,
        found,
        scope,
    )


async def began_since(connection: Connection, effect: Effect, since: datetime) -> bool:
    """
    Return True if the business of an effect began since: all of its rows did, and a step before was not at the vendor.

    A flow takes its steps in one order. So where an earlier one was not done, this one was not, either.
    """
    began: bool | None = await connection.fetchval(
        """
        SELECT bool_and(created_at >= $4) AND bool_or(looked = 'absent') AND NOT bool_or(looked IN ('found', 'asked'))
        FROM (SELECT created_at, CASE WHEN looked_at >= $4 THEN coalesce(looked, '') ELSE '' END AS looked
              FROM effects WHERE workflow = $1 AND key = $2 AND step <> $3) AS steps
        """,
        effect.workflow,
        effect.key,
        effect.step,
        since,
    )
    return bool(began)


async def known_of(connection: Connection, scope: str, since: datetime) -> set[str]:
    """
    Return what the journal knows of a scope: what effects brought, and what was there before they began.

    Only those that began before `since`: a later one may have found what nobody knew.
    """
    found = await connection.fetchval(
        """
        SELECT array_agg(DISTINCT known) FROM (
            SELECT unnest(reference) AS known FROM effects WHERE scope = $1
            UNION ALL SELECT jsonb_array_elements_text(baseline) FROM effects
                      WHERE scope = $1 AND jsonb_typeof(baseline) = 'array' AND attempted_at < $2) AS each
        """,
        scope,
        since,
    )
    return set(found or [])


# Corrections ------------------------------------------------------------------------------------------------


async def renew(connection: Connection, effect_id: int, effect: Effect) -> None:
    """Write down the request as it is now, of an effect of which nothing was done."""
    await connection.execute(
        f"UPDATE effects SET ({_REQUEST}) = ($2, $3, $4, $5, $6, $7, $8) WHERE id = $1",  # noqa: S608  (a constant)
        effect_id,
        *_request_of(effect),
    )


async def correct(connection: Connection, workflow: str, key: str, step: str, reference: list[str]) -> None:
    """Write down that what an effect brought has another reference now."""
    await connection.execute(
        """
        UPDATE effects SET reference = $4
        WHERE workflow = $1 AND key = $2 AND step = $3 AND state = 'done' AND reference <> $4
        """,
        workflow,
        key,
        step,
        reference,
    )


# Reading ----------------------------------------------------------------------------------------------------


async def read(connection: Connection, effect_id: int) -> Row | None:
    """Return one effect by its number."""
    return await connection.fetchrow("SELECT * FROM effects WHERE id = $1", effect_id)


async def current(connection: Connection, workflow: str, key: str, step: str) -> Row | None:
    """Return an effect that is done, unless the vendor has refused what depends on it: it may be gone."""
    return await connection.fetchrow(
        """
        SELECT * FROM effects e
        WHERE workflow = $1 AND key = $2 AND step = $3 AND state = 'done'
          AND NOT EXISTS (SELECT FROM effects f
                          WHERE f.depends_on <> '{}' AND f.depends_on && e.reference AND f.state = 'failed')
        """,
        workflow,
        key,
        step,
    )


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
    """Return other effects of the scope that were sent and whose end is not known, the latest first."""
    return await connection.fetch(
        f"""
        SELECT *, {_AGE} FROM effects
        WHERE scope = $2 AND id <> $1 AND state IN ('intended', 'uncertain') AND attempted_at IS NOT NULL
        ORDER BY attempted_at DESC
        """,  # noqa: S608  (a constant)
        effect_id,
        scope,
    )


async def references_of_others(connection: Connection, scope: str, since: datetime) -> set[str]:
    """
    Return the vendor's references of the scope that belong to effects done, or done since and undone.

    What was undone before either is in the baseline or had left the scope, and may have come back since.
    """
    found = await connection.fetchval(
        """
        SELECT array_agg(DISTINCT reference) FROM
            (SELECT unnest(reference) AS reference FROM effects
             WHERE scope = $1 AND (state = 'done' OR (state = 'undone' AND finished_at > $2))) AS done
        """,
        scope,
        since,
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
        WHERE split_part(e.operation, '.', 1) = split_part($2, '.', 1) AND (e.workflow, e.key) <> ($3, $4)
          AND NOT EXISTS (SELECT FROM compensation_steps WHERE effect_id = e.id)
        ORDER BY needed, e.id DESC
        """,
        effect.depends_on,
        effect.operation,
        effect.workflow,
        effect.key,
    )


async def find(connection: Connection, *, state: str | None, key: str | None) -> Sequence[Row]:
    """Return effects for people: by state, and by business key, label, flow run, dispatch or vendor reference."""
    return await connection.fetch(
        """
        SELECT * FROM effects
        WHERE ($1::text IS NULL OR state = $1)
          AND ($2::text IS NULL OR key = $2 OR label = $2 OR split_part(label, ' ', -1) = $2
               OR flow_run_id::text = $2 OR dispatch_id::text = $2 OR reference @> ARRAY[$2])
        ORDER BY id
        """,
        state,
        key,
    )
