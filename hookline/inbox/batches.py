"""Which batches carry a backlog just now, so that the flow run of none stays open when its engine dies."""

from datetime import timedelta
from uuid import UUID

import asyncpg

from hookline.database.types import Connection


async def keep(database: asyncpg.Pool, batch_id: UUID, lease: timedelta) -> None:
    """Write down that an engine is at this lane for so long, by the database's clock; before its flow run is made."""
    await database.execute(
        """
        INSERT INTO batches (id, lease_until) VALUES ($1, now() + $2)
        ON CONFLICT (id) DO UPDATE SET lease_until = excluded.lease_until
        """,
        batch_id,
        lease,
    )


async def ended(connection: "Connection | asyncpg.Pool", batch_id: UUID) -> None:
    """Write down that this lane and its flow run are over."""
    await connection.execute("DELETE FROM batches WHERE id = $1", batch_id)


async def abandoned(connection: Connection) -> list[UUID]:
    """The batches whose engine fell silent."""
    rows = await connection.fetch("SELECT id FROM batches WHERE lease_until < now()")
    return [row["id"] for row in rows]
