"""The journal's SQL for compensation steps: one function a statement."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from hookline.database.types import Connection, Row
from hookline.journal import store
from hookline.journal.effect import Effect


async def latest(connection: Connection, workflow: str, key: str) -> Sequence[Row]:
    """Return the steps of the latest compensation of a business, in their order, each with its effect."""
    return await connection.fetch(
        """
        SELECT e.*, s.compensates, s.rule, s.call, s.flow_run_id AS decided_by,
               x.reference AS undone_reference, x.step || ' of ' || x.label AS what
        FROM compensation_steps s JOIN effects e ON e.id = s.effect_id JOIN effects x ON x.id = s.compensates
        WHERE s.workflow = $1 AND s.key = $2
          AND s.generation = (SELECT max(generation) FROM compensation_steps WHERE workflow = $1 AND key = $2)
        ORDER BY e.id
        """,
        workflow,
        key,
    )


async def candidate(
    connection: Connection, workflow: str, key: str, step: str, flow_run_id: UUID | None
) -> Row | None:
    """Return an effect that is done and might be undone; `is_own`: this flow run did it."""
    return await connection.fetchrow(
        """
        SELECT *, coalesce(flow_run_id = $4, false) AS is_own FROM effects
        WHERE workflow = $1 AND key = $2 AND step = $3 AND state IN ('done', 'doubled')
        """,
        workflow,
        key,
        step,
        flow_run_id,
    )


async def plan(
    connection: Connection, effect: Effect, compensates: int, rule: str, call: Mapping[str, Any]
) -> None:
    """Write down a step, and the effect that performs it."""
    row = await store.intend(connection, effect)
    await connection.execute(
        """
        INSERT INTO compensation_steps (effect_id, compensates, workflow, key, generation, rule, flow_run_id, call)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
        """,
        row["id"],
        compensates,
        effect.workflow,
        effect.key,
        effect.generation,
        rule,
        effect.flow_run_id,
        call,
    )


async def dependent(connection: Connection, step: Row) -> str | None:
    """Return an effect of another business that depends on what this step would undo, in words; None: none does."""
    what: str | None = await connection.fetchval(
        """
        SELECT e.step || ' of ' || e.label FROM effects x JOIN effects e ON e.depends_on && x.reference
        WHERE x.id = $1 AND e.depends_on <> '{}'
          AND split_part(e.operation, '.', 1) = split_part(x.operation, '.', 1) AND e.account = x.account
          AND e.state IN ('intended', 'done', 'doubled', 'uncertain') AND (e.workflow, e.key) <> ($2, $3)
        ORDER BY e.id LIMIT 1
        """,
        step["compensates"],
        step["workflow"],
        step["key"],
    )
    return what


async def skip(connection: Connection, step: Row, reason: str) -> None:
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
        UPDATE effects SET generation = 0
        WHERE workflow = $1 AND key = $2 AND generation > 0 AND state <> 'undone'
          AND NOT EXISTS (SELECT FROM compensation_steps WHERE effect_id = effects.id)
        """,
        workflow,
        key,
    )
