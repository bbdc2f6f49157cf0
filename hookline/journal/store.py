"""The journal's SQL: one function a statement."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from uuid import UUID

import asyncpg

from hookline.database.types import Connection, Row
from hookline.journal.effect import Effect, EffectBusy, Outcome

LOCK_TIMEOUT = "60s"


async def intend(connection: Connection, effect: Effect) -> Row:
    """Write the effect down as intended, unless it is there already; either way, its row."""
    await connection.execute(
        """
        INSERT INTO effects (workflow, key, step, label, operation, digest, request, wanted, flow_run_id)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
        ON CONFLICT (workflow, key, step) DO NOTHING
        """,
        effect.workflow,
        effect.key,
        effect.step,
        effect.label,
        effect.operation,
        effect.digest,
        effect.request,
        effect.wanted,
        effect.flow_run_id,
    )
    rows = await connection.fetch(
        "SELECT * FROM effects WHERE workflow = $1 AND key = $2 AND step = $3",
        effect.workflow,
        effect.key,
        effect.step,
    )
    return rows[0]


async def read(connection: Connection, effect_id: int) -> Row | None:
    """One effect by its number."""
    return await connection.fetchrow("SELECT * FROM effects WHERE id = $1", effect_id)


async def reread(connection: Connection, effect_id: int) -> Row:
    """An effect that is known to be there, as it stands now."""
    return (await connection.fetch("SELECT * FROM effects WHERE id = $1", effect_id))[0]


@asynccontextmanager
async def exclusive(connection: Connection, *names: str) -> AsyncIterator[None]:
    """
    Hold the named locks; they fall when the connection does, so a killed process leaves none.

    Session locks, not row locks: `intended` must be committed while the lock is held (docs/adr/0005).

    Raises:
        EffectBusy: somebody else held one of them for a minute.
    """
    held: list[str] = []
    try:
        await connection.execute(f"SET lock_timeout = '{LOCK_TIMEOUT}'")
        for name in names:
            await connection.execute("SELECT pg_advisory_lock(hashtextextended($1, 0))", name)
            held.append(name)
        yield
    except asyncpg.LockNotAvailableError:
        raise EffectBusy(f"Another run has been at it for a minute: {names[len(held)]}.") from None
    finally:
        if not connection.is_closed():
            for name in reversed(held):
                await connection.execute("SELECT pg_advisory_unlock(hashtextextended($1, 0))", name)


async def begin(
    connection: Connection, effect_id: int, *, baseline: set[str] | None, flow_run_id: UUID | None
) -> None:
    """Write down that an attempt begins now; from here on its end is not known."""
    await connection.execute(
        """
        UPDATE effects
        SET state = 'intended', attempts = attempts + 1, attempted_at = clock_timestamp(), reason = NULL,
            baseline = $2, flow_run_id = coalesce($3, flow_run_id)
        WHERE id = $1
        """,
        effect_id,
        None if baseline is None else sorted(baseline),
        flow_run_id,
    )


async def enter_scope(connection: Connection, effect_id: int, scope: str) -> None:
    """Note the scope that the effect's look-up searches."""
    await connection.execute("UPDATE effects SET scope = $2 WHERE id = $1", effect_id, scope)


async def renew(connection: Connection, effect_id: int, effect: Effect) -> None:
    """Write down the request as it is now, of an effect of which nothing was done."""
    await connection.execute(
        "UPDATE effects SET digest = $2, request = $3, wanted = $4, operation = $5, label = $6 WHERE id = $1",
        effect_id,
        effect.digest,
        effect.request,
        effect.wanted,
        effect.operation,
        effect.label,
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


async def claimed(connection: Connection, scope: str) -> set[str]:
    """Vendor references of the scope that belong to effects already done."""
    found = await connection.fetchval(
        """
        SELECT array_agg(DISTINCT reference) FROM
            (SELECT unnest(reference) AS reference FROM effects WHERE scope = $1 AND state = 'done') AS done
        """,
        scope,
    )
    return set(found or [])


async def find(connection: Connection, *, state: str | None, key: str | None) -> Sequence[Row]:
    """Effects for people: by state, and by business key, label, flow run or vendor reference."""
    return await connection.fetch(
        """
        SELECT * FROM effects
        WHERE ($1::text IS NULL OR state = $1)
          AND ($2::text IS NULL OR key = $2 OR label = $2 OR split_part(label, ' ', -1) = $2
               OR flow_run_id::text = $2 OR reference @> ARRAY[$2])
        ORDER BY id
        """,
        state,
        key,
    )


async def settle(
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
