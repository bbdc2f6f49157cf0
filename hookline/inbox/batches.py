"""Batches that are running, each under a lease, so that the flow run of none stays open when its engine dies."""

from datetime import timedelta
from uuid import UUID

import asyncpg

from hookline.database.types import Connection


async def renew_lease(database: asyncpg.Pool, batch_id: UUID, lease: timedelta) -> None:
    """Store that an engine runs this batch, from before its flow run is made; the database's clock ends the lease."""
    await database.execute(
        """
        INSERT INTO batches (id, lease_until) VALUES ($1, now() + $2)
        ON CONFLICT (id) DO UPDATE SET lease_until = excluded.lease_until
        """,
        batch_id,
        lease,
    )


async def close(connection: "Connection | asyncpg.Pool", batch_id: UUID) -> None:
    """Store that this batch and its flow run have ended."""
    await connection.execute("DELETE FROM batches WHERE id = $1", batch_id)


async def abandoned(connection: Connection) -> list[UUID]:
    """Return the batches whose lease has expired."""
    rows = await connection.fetch("SELECT id FROM batches WHERE lease_until < now()")
    return [row["id"] for row in rows]
