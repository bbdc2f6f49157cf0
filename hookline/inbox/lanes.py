"""Which flow runs carry a backlog just now, so that none stays open when its engine dies."""

from datetime import timedelta
from uuid import UUID

import asyncpg

from hookline.database.types import Connection


async def keep(database: asyncpg.Pool, flow_run_id: UUID, lease: timedelta) -> None:
    """Write down that an engine is at this flow run for so long, by the database's clock."""
    await database.execute(
        """
        INSERT INTO lanes (flow_run_id, lease_until) VALUES ($1, now() + $2)
        ON CONFLICT (flow_run_id) DO UPDATE SET lease_until = excluded.lease_until
        """,
        flow_run_id,
        lease,
    )


async def ended(connection: "Connection | asyncpg.Pool", flow_run_id: UUID) -> None:
    """Write down that this flow run is over."""
    await connection.execute("DELETE FROM lanes WHERE flow_run_id = $1", flow_run_id)


async def abandoned(connection: Connection) -> list[UUID]:
    """The flow runs whose engine fell silent."""
    rows = await connection.fetch("SELECT flow_run_id FROM lanes WHERE lease_until < now()")
    return [row["flow_run_id"] for row in rows]
