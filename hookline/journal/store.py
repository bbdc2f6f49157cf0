"""The journal's SQL: one function a statement."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg

from hookline.database.types import Connection, Row
from hookline.journal.effect import Effect, EffectBusy, Outcome

LOCK_TIMEOUT = "60s"
MAX_NAME = 63
"""Of a session, in PostgreSQL."""


_BEING_UNDONE = """
EXISTS (SELECT FROM effects u WHERE u.workflow = $1 AND u.key = $2 AND u.undoes IS NOT NULL
        AND u.state NOT IN ('done', 'kept'))
"""


async def intend(connection: Connection, effect: Effect, *, begin: bool = False) -> Row:
    """
    Write the effect down as intended, unless it is there already.

    Args:
        connection: holds the effect's lock, where others may be at it.
        effect: which.
        begin: that its first attempt begins now, too, unless its business is being undone.

    Returns:
        Its row, either way; `undoing`: its business is being undone; `begun`: its first attempt began.
    """
    while True:
        row = await connection.fetchrow(
            f"""
            INSERT INTO effects (workflow, key, step, label, operation, digest, request, wanted, flow_run_id,
                                 dispatch_id, uses, round, attempts, attempted_at)
            SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, begins::int,
                   CASE WHEN begins THEN clock_timestamp() END
            FROM (SELECT $13 AND NOT {_BEING_UNDONE}) AS it (begins)
            ON CONFLICT (workflow, key, step) WHERE state NOT IN ('undone', 'kept') DO NOTHING
            RETURNING *, {_BEING_UNDONE} AS undoing, attempted_at IS NOT NULL AS begun
            """,  # noqa: S608  (a constant)
            effect.workflow,
            effect.key,
            effect.step,
            effect.label,
            effect.operation,
            effect.digest,
            effect.request,
            effect.wanted,
            effect.flow_run_id,
            effect.dispatch_id,
            effect.depends_on,
            effect.round,
            begin,
        ) or await connection.fetchrow(
            f"""
            SELECT *, {_BEING_UNDONE} AS undoing, false AS begun FROM effects
            WHERE workflow = $1 AND key = $2 AND step = $3 AND state NOT IN ('undone', 'kept')
            """,  # noqa: S608  (a constant)
            effect.workflow,
            effect.key,
            effect.step,
        )
        if row is not None:  # else it was undone between the two
            return row


async def read(connection: Connection, effect_id: int) -> Row | None:
    """One effect by its number."""
    return await connection.fetchrow("SELECT * FROM effects WHERE id = $1", effect_id)


async def standing(connection: Connection, workflow: str, key: str, step: str) -> Row | None:
    """An effect that is done and not undone, unless the vendor has refused what builds upon it: it may be gone."""
    return await connection.fetchrow(
        """
        SELECT * FROM effects e
        WHERE workflow = $1 AND key = $2 AND step = $3 AND state = 'done' AND undoes IS NULL
          AND NOT EXISTS (SELECT FROM effects f WHERE f.uses <> '{}' AND f.uses && e.reference AND f.state = 'failed')
        """,
        workflow,
        key,
        step,
    )


async def correct(connection: Connection, workflow: str, key: str, step: str, reference: list[str]) -> None:
    """Write down that what an effect brought is known by another reference now."""
    await connection.execute(
        """
        UPDATE effects SET reference = $4
        WHERE workflow = $1 AND key = $2 AND step = $3 AND state = 'done' AND undoes IS NULL AND reference <> $4
        """,
        workflow,
        key,
        step,
        reference,
    )


async def is_uncertain(connection: "Connection | asyncpg.Pool", effect_id: int) -> bool:
    """Whether a person must settle this effect."""
    state: str | None = await connection.fetchval("SELECT state FROM effects WHERE id = $1", effect_id)
    return state == "uncertain"


async def lock(connection: Connection, name: str) -> None:
    """
    Take the named lock; it falls when the connection is given back, or its process is killed.

    A session lock, not a row lock: `intended` must be committed while the lock is held (docs/adr/0005).

    Raises:
        EffectBusy: somebody else held it for a minute.
    """
    try:
        await connection.execute(
            "SELECT set_config('lock_timeout', $2, false), pg_advisory_lock(hashtextextended($1, 0))",
            name,
            LOCK_TIMEOUT,
        )
    except asyncpg.LockNotAvailableError:
        raise EffectBusy(f"Another run has been at it for a minute: {name}.") from None


async def try_business(connection: Connection, key: str, holder: str) -> bool:
    """
    Take the lock of a business, if it is free, until the session ends or is reset.

    Either way the session says from now on who is at it, and lets the server notice soon if its machine is gone.
    """
    taken: bool = await connection.fetchval(
        """
        SELECT pg_try_advisory_lock(hashtextextended('business ' || $1, 0)),
               set_config('application_name', $2, false), set_config('tcp_keepalives_idle', '30', false),
               set_config('tcp_keepalives_interval', '10', false), set_config('tcp_keepalives_count', '3', false)
        """,
        key,
        holder[:MAX_NAME],
    )
    return taken


async def lock_business(connection: Connection, key: str, max_wait: timedelta) -> None:
    """
    Wait for the lock of a business.

    Raises:
        asyncpg.LockNotAvailableError: it did not become free in time.
    """
    await connection.execute(f"SET lock_timeout = {max(1, int(max_wait.total_seconds() * 1000))}")
    await connection.execute("SELECT pg_advisory_lock(hashtextextended('business ' || $1, 0))", key)


async def business_holder(connection: Connection, key: str) -> str:
    """Who has a business to itself, and since when."""
    holder: str | None = await connection.fetchval(
        """
        SELECT a.application_name || ', since ' || to_char(a.state_change, 'HH24:MI:SS')
        FROM pg_locks l JOIN pg_stat_activity a USING (pid)
        WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
          AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
          AND (l.classid::bigint << 32) | l.objid::bigint = hashtextextended('business ' || $1, 0)
        """,
        key,
    )
    return holder or "nobody any more"


async def begin(
    connection: Connection, effect_id: int, effect: Effect, *, scope: str | None, baseline: set[str] | None
) -> None:
    """
    Write down that an attempt begins now; from here on its end is not known.

    Args:
        connection: holds the locks.
        effect_id: which.
        effect: what is sent, and by which run.
        scope: where its look-up counts, if it does.
        baseline: what stands there now.
    """
    await connection.execute(
        """
        UPDATE effects
        SET state = 'intended', attempts = attempts + 1, attempted_at = clock_timestamp(), reason = NULL,
            baseline = $2, flow_run_id = coalesce($3, flow_run_id), dispatch_id = coalesce($4, dispatch_id),
            scope = coalesce($5, scope)
        WHERE id = $1
        """,
        effect_id,
        None if baseline is None else sorted(baseline),
        effect.flow_run_id,
        effect.dispatch_id,
        scope,
    )


async def renew(connection: Connection, effect_id: int, effect: Effect) -> None:
    """Write down the request as it is now, of an effect of which nothing was done."""
    await connection.execute(
        """
        UPDATE effects
        SET digest = $2, request = $3, wanted = $4, operation = $5, label = $6, uses = $7, round = $8
        WHERE id = $1
        """,
        effect_id,
        effect.digest,
        effect.request,
        effect.wanted,
        effect.operation,
        effect.label,
        effect.depends_on,
        effect.round,
    )


async def done(connection: Connection, effect_id: int, outcome: Outcome) -> None:
    """Write down what came of it."""
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
    """The attempt is known to have changed nothing: the effect may be sent again without a look."""
    await connection.execute(
        "UPDATE effects SET state = $2, reason = $3, attempted_at = NULL WHERE id = $1",
        effect_id,
        state,
        reason,
    )


async def uncertain(connection: Connection, effect_id: int, reason: str) -> None:
    """Nobody can know; wait for a person."""
    await connection.execute(
        "UPDATE effects SET state = 'uncertain', reason = $2 WHERE id = $1", effect_id, reason
    )


async def seconds_until(connection: Connection, moment: datetime, after: float) -> float:
    """Seconds from now until `after` seconds past the moment, by the database's clock; at least 0."""
    return float(
        await connection.fetchval(
            """
            SELECT greatest(0, extract(epoch FROM
                $1::timestamptz + make_interval(secs => $2::float8) - clock_timestamp()))
            """,
            moment,
            after,
        )
    )


async def open_neighbours(connection: Connection, effect_id: int, scope: str) -> Sequence[Row]:
    """Other effects of the scope that were sent and whose end is not known, the latest first."""
    return await connection.fetch(
        """
        SELECT * FROM effects
        WHERE scope = $2 AND id <> $1 AND state IN ('intended', 'uncertain') AND attempted_at IS NOT NULL
        ORDER BY attempted_at DESC
        """,
        effect_id,
        scope,
    )


async def claimed(connection: Connection, scope: str, since: datetime) -> set[str]:
    """
    Vendor references of the scope that belong to other effects: those done, and those done since and undone.

    What was undone before either stands in the baseline or had left the scope, and may have come back since.
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


async def depends_on(connection: Connection, effect: Effect) -> Sequence[Row]:
    """The effects that another one builds upon, the latest of each reference; and whether they are being undone."""
    if not effect.depends_on:
        return []
    return await connection.fetch(
        """
        SELECT DISTINCT ON (used) e.id, e.state, e.step || ' of ' || e.label AS what,
               EXISTS (SELECT FROM effects WHERE undoes = e.id AND state NOT IN ('done', 'kept')) AS undoing
        FROM unnest($1::text[]) AS used JOIN effects e ON e.reference @> ARRAY[used]
        WHERE split_part(e.operation, '.', 1) = split_part($2, '.', 1) AND e.undoes IS NULL
          AND (e.workflow, e.key) <> ($3, $4)
        ORDER BY used, e.id DESC
        """,
        effect.depends_on,
        effect.operation,
        effect.workflow,
        effect.key,
    )


async def dependent(connection: Connection, step: Row) -> str | None:
    """An effect of another business that builds upon what this step would undo, in words; None: there is none."""
    what: str | None = await connection.fetchval(
        """
        SELECT e.step || ' of ' || e.label FROM effects x JOIN effects e ON e.uses && x.reference
        WHERE x.id = $1 AND e.uses <> '{}' AND split_part(e.operation, '.', 1) = split_part(x.operation, '.', 1)
          AND e.undoes IS NULL AND e.state IN ('intended', 'done', 'uncertain') AND (e.workflow, e.key) <> ($2, $3)
        ORDER BY e.id LIMIT 1
        """,
        step["undoes"],
        step["workflow"],
        step["key"],
    )
    return what


async def undoing(connection: Connection, workflow: str, key: str) -> Sequence[Row]:
    """The steps that undo the latest round of a business, in their order, with what each of them undoes."""
    return await connection.fetch(
        """
        SELECT u.*, x.state AS state_of_undone, x.reference AS gone, x.step || ' of ' || x.label AS what
        FROM effects u JOIN effects x ON x.id = u.undoes
        WHERE u.workflow = $1 AND u.key = $2
          AND u.round = (SELECT max(round) FROM effects WHERE workflow = $1 AND key = $2 AND undoes IS NOT NULL)
        ORDER BY u.id
        """,
        workflow,
        key,
    )


async def undoable(
    connection: Connection, workflow: str, key: str, step: str, flow_run_id: UUID | None
) -> Row | None:
    """An effect that is done and might be undone; `mine`: by this flow run."""
    return await connection.fetchrow(
        """
        SELECT *, coalesce(flow_run_id = $4, false) AS mine FROM effects
        WHERE workflow = $1 AND key = $2 AND step = $3 AND state = 'done' AND undoes IS NULL
        """,
        workflow,
        key,
        step,
        flow_run_id,
    )


async def steps_against(connection: Connection, effect_id: int, number: int) -> int:
    """How many steps of a round there are to undo an effect."""
    steps: int = await connection.fetchval(
        "SELECT count(*) FROM effects WHERE undoes = $1 AND round = $2", effect_id, number
    )
    return steps


async def intend_compensation(connection: Connection, effect: Effect, compensate: Mapping[str, Any]) -> None:
    """Write down a step of an undoing, and how it is done: that it began is known from here on."""
    row = await intend(connection, effect)
    await connection.execute(
        "UPDATE effects SET undoes = $2, undo = $3 WHERE id = $1", row["id"], effect.undoes, compensate
    )


async def keep(connection: Connection, step: Row, reason: str) -> None:
    """Write down that what a step would undo is kept, and why."""
    await connection.execute(
        "UPDATE effects SET state = 'kept', reason = $2, finished_at = clock_timestamp() WHERE id = $1",
        step["id"],
        reason,
    )


async def commit(connection: Connection, workflow: str, key: str) -> None:
    """Write down that what a business did is not undone any more."""
    await connection.execute(
        """
        UPDATE effects SET round = 0
        WHERE workflow = $1 AND key = $2 AND round > 0 AND undoes IS NULL AND state <> 'undone'
        """,
        workflow,
        key,
    )


async def find(connection: Connection, *, state: str | None, key: str | None) -> Sequence[Row]:
    """Effects for people: by state, and by business key, label, flow run, dispatch or vendor reference."""
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


async def resolve(
    connection: Connection, effect_id: int, *, happened: bool, reference: list[str]
) -> Row | None:
    """Write down what a person found out; None if the effect is not uncertain (any more)."""
    if happened:
        return await connection.fetchrow(
            """
            UPDATE effects
            SET state = 'done', reference = $2, reason = 'settled by a person', finished_at = clock_timestamp()
            WHERE id = $1 AND state = 'uncertain' RETURNING *
            """,
            effect_id,
            reference,
        )
    return await connection.fetchrow(
        """
        UPDATE effects
        SET state = 'intended', reason = 'to be sent again: settled by a person', attempted_at = NULL
        WHERE id = $1 AND state = 'uncertain' RETURNING *
        """,
        effect_id,
    )
