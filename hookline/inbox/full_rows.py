"""Deliveries with headers, dispatches and bodies, for the page of one and the export of many."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import asyncpg
from pydantic import SecretStr

from hookline.database.types import Row
from hookline.inbox import bodies, search

MAX_EFFECTS = 200


async def read(
    database: asyncpg.Pool, delivery_ids: Sequence[UUID], keys: Sequence[SecretStr]
) -> list[dict[str, Any]]:
    """
    Return deliveries in the order of these ids, each with headers, query, `dispatches` and `body`.

    The body is decrypted with the keys, and None where it cannot be read. An id that does not exist (any more) is
    left out.
    """
    rows = await database.fetch(
        f"""
        SELECT {search.COLUMNS}, d.query, d.headers FROM unnest($1::uuid[]) WITH ORDINALITY AS asked (id, place)
        JOIN deliveries d USING (id) ORDER BY place
        """,  # noqa: S608  (constants)
        delivery_ids,
    )
    found = await search.with_dispatches(database, rows)
    read_bodies = await bodies.read(database, [row["id"] for row in rows], keys)
    return [{**row, "body": read_bodies.get(row["id"])} for row in found]


async def effects(database: asyncpg.Pool, dispatches: Sequence[Row]) -> list[asyncpg.Record]:
    """Return the effects of these dispatches, and all others of the same business keys."""
    workflows, keys = search.businesses(dispatches)
    return await database.fetch(
        f"""
        SELECT id, label, step, operation, state, reason, expected, needs, reference, attempts, surplus, undo_actor,
               flow_run_id, dispatch_id, created_at, attempted_at, finished_at
        FROM effects
        WHERE id IN (SELECT id FROM effects WHERE dispatch_id = ANY($1)
                     UNION SELECT id FROM effects WHERE flow_run_id = ANY($2)
                     UNION SELECT id FROM effects
                           JOIN unnest($3::text[], $4::text[]) AS business (workflow, key) USING (workflow, key))
        ORDER BY id LIMIT {MAX_EFFECTS}
        """,  # noqa: S608  (constants)
        [row["id"] for row in dispatches],
        [row["flow_run_id"] for row in dispatches if row["flow_run_id"]],
        workflows,
        keys,
    )
