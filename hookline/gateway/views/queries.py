# ruff: noqa: S608  (statements are built from constants; values are arguments)
"""Queries of the pages; those of the shell as well are in `hookline.inbox`."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import asyncpg

from hookline.database.types import Row
from hookline.inbox import full_rows
from hookline.journal import choices
from hookline.states import NEED_A_PERSON, OPEN

MAX_COUNT = 10_000
"""Up to so many are counted."""
PAGE = 50
MAX_CHANGES = 500
MAX_REQUEST = 8_000
"""Characters of an effect's request that are shown."""

EFFECT_STATES = ("uncertain", "doubled")
"""States of effects that a person decides about, on a page of their own."""
COUNTED_STATES = (*OPEN, *NEED_A_PERSON, "unrouted")

# The states stand in the SQL as they are: as parameters they would be planned for the average state.
_COUNTS = ", ".join(
    f"(SELECT count(*) FROM (SELECT FROM deliveries WHERE state = '{state}' ORDER BY seq LIMIT {MAX_COUNT + 1}) n)"
    f" AS {state}"
    for state in COUNTED_STATES
    if state not in EFFECT_STATES  # the effects are counted instead
)

_EFFECT_COUNTS = ", ".join(
    f"(SELECT count(*) FROM (SELECT FROM effects WHERE state = '{state}' LIMIT {MAX_COUNT + 1}) n) AS {state}"
    for state in EFFECT_STATES
)

_REQUEST = f"left(jsonb_pretty(e.request), {MAX_REQUEST}) AS request"


async def counts(database: asyncpg.Pool) -> dict[str, int]:
    """Count the deliveries in each open or unwanted state, and the effects to decide about; up to `MAX_COUNT`."""
    row = await database.fetchrow(f"SELECT {_COUNTS}, {_EFFECT_COUNTS}")
    return dict(row or {})


async def end(database: asyncpg.Pool) -> int:
    """Return a `seq` after that of every delivery."""
    return (await database.fetchval("SELECT max(seq) FROM deliveries") or 0) + 1


async def effects_of(database: asyncpg.Pool, dispatches: Sequence[Row]) -> list[dict[str, Any]]:
    """Return the effects of these dispatches, and the others of the same business keys."""
    effects = await full_rows.effects(database, dispatches)
    requests = await database.fetch(
        f"SELECT id, {_REQUEST} FROM effects e WHERE id = ANY($1)", [effect["id"] for effect in effects]
    )
    of = {row["id"]: row["request"] for row in requests}
    return await _with_facts(database, [{**effect, "request": of[effect["id"]]} for effect in effects])


async def _with_facts(
    database: asyncpg.Pool, effects: Iterable[Mapping[str, Any] | Row]
) -> list[dict[str, Any]]:
    """Add to effects that a person decides about whom they concern."""
    rows = [dict(effect) for effect in effects]
    known = await choices.facts(database, [row["id"] for row in rows if row["state"] in EFFECT_STATES])
    return [{**row, "facts": known.get(row["id"], {})} for row in rows]


async def uncertain(database: asyncpg.Pool) -> list[dict[str, Any]]:
    """Return the uncertain and the doubled effects, the oldest first, each with its delivery if it has one."""
    rows = await database.fetch(
        f"""
        SELECT e.id, e.state, e.label, e.step, e.operation, e.reason, e.reference, e.surplus, e.undo_actor, e.expected,
               e.attempted_at, e.flow_run_id, {_REQUEST}, of.delivery_id, of.label AS delivery_label
        FROM effects e LEFT JOIN LATERAL (
            SELECT p.delivery_id, p.label FROM dispatches p
            WHERE p.id = e.dispatch_id OR p.flow_run_id = e.flow_run_id LIMIT 1) of ON true
        WHERE e.state IN ('uncertain', 'doubled') ORDER BY e.id LIMIT {PAGE}
        """
    )
    return await _with_facts(database, rows)
