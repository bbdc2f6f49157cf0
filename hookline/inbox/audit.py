"""
The audit trail: every change of a delivery, dispatch, pause or uncertain effect, with time, actor and reason.

Triggers in the database write the rows, so that no way of changing a state can forget them; only a visit of an address
(`confirmations.note`) changes no state, and is written by itself.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

import asyncpg

from hookline import text
from hookline.database.types import Connection, Row


@asynccontextmanager
async def acting(connection: Connection, actor: str, reason: str) -> AsyncIterator[None]:
    """Open a transaction whose changes have this actor and reason in the audit trail."""
    async with connection.transaction():
        await connection.execute(
            "SELECT set_config('hookline.actor', $1, true), set_config('hookline.reason', $2, true)",
            actor,
            text.reason(reason),
        )
        yield


async def note_effect(connection: Connection, effect: Row, reason: str) -> None:
    """Write down what a person wants of an effect that changes no state of it yet; within `acting`."""
    await connection.execute(
        """
        INSERT INTO changes (subject, effect_id, dispatch_id, delivery_id, was, became, actor, reason)
        SELECT 'effect', $1, $2, (SELECT delivery_id FROM dispatches WHERE id = $2), $3, $3, actor(), $4
        """,
        effect["id"],
        effect["dispatch_id"],
        effect["state"],
        text.reason(reason),
    )


async def trail(database: asyncpg.Pool, delivery_id: UUID) -> list[asyncpg.Record]:
    """Return the changes of a delivery, in order; each with the route if it is a dispatch's."""
    return await database.fetch(
        """
        SELECT c.at, c.subject, c.dispatch_id, c.effect_id, c.wait_id, p.route, c.was, c.became, c.actor, c.reason
        FROM changes c LEFT JOIN dispatches p ON p.id = c.dispatch_id
        WHERE c.delivery_id = $1 ORDER BY c.id
        """,
        delivery_id,
    )
