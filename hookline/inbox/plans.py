"""
What a replay or a discard would do to deliveries, told without doing it.

It says of each what `hookline.inbox.commands` would make of it now; a test holds the two together.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import asyncpg


@dataclass(frozen=True)
class Part:
    """So many deliveries of one source and state, which are acted on, or left alone and why."""

    source: str
    state: str
    deliveries: int
    left_alone: str | None


async def of_replay(database: asyncpg.Pool, delivery_ids: Sequence[UUID], route: str | None) -> list[Part]:
    """What a replay of these deliveries would do, to all their routes or to one."""
    return await _parts(
        database,
        """
        CASE
            WHEN EXISTS (SELECT FROM dispatches p WHERE p.delivery_id = d.id AND p.route = coalesce($2, p.route)
                         AND p.state IN ('done', 'failed', 'uncertain', 'discarded')) THEN NULL
            WHEN d.state IN ('received', 'held')
                 OR EXISTS (SELECT FROM dispatches p
                            WHERE p.delivery_id = d.id AND p.route = coalesce($2, p.route)) THEN 'waits or runs'
            WHEN d.body IS NULL THEN 'its body is no longer kept'
        END
        """,
        delivery_ids,
        route,
    )


async def of_discard(database: asyncpg.Pool, delivery_ids: Sequence[UUID]) -> list[Part]:
    """What a discard of these deliveries would do."""
    return await _parts(
        database,
        """
        CASE
            WHEN EXISTS (SELECT FROM dispatches p WHERE p.delivery_id = d.id
                         AND p.state IN ('dispatched', 'running', 'held', 'failed', 'uncertain')) THEN NULL
            WHEN d.state IN ('received', 'held', 'unrouted', 'rejected')
                 AND NOT EXISTS (SELECT FROM dispatches p WHERE p.delivery_id = d.id) THEN NULL
            ELSE 'is over'
        END
        """,
        delivery_ids,
    )


async def _parts(
    database: asyncpg.Pool, why_not: str, delivery_ids: Sequence[UUID], *arguments: str | None
) -> list[Part]:
    rows = await database.fetch(
        f"""
        SELECT d.source, d.state, {why_not} AS left_alone, count(*) AS deliveries
        FROM deliveries d WHERE d.id = ANY($1)
        GROUP BY 1, 2, 3 ORDER BY 3 NULLS FIRST, 1, 2
        """,  # noqa: S608  (constants)
        delivery_ids,
        *arguments,
    )
    return [Part(**row) for row in rows]
