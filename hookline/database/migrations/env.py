"""Alembic's environment: one transaction, under a lock that makes simultaneous starts wait."""

import asyncio

from alembic import context
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import create_async_engine

from hookline.database import schema

MIGRATION_LOCK = 4_801_337  # any number, as long as nothing else in this database uses it


def run(connection: Connection) -> None:
    """Apply the migrations over one connection."""
    context.configure(connection=connection)
    with context.begin_transaction():
        connection.execute(text(f"SELECT pg_advisory_xact_lock({MIGRATION_LOCK})"))
        context.run_migrations()
        connection.execute(text(schema.signature()))


async def main() -> None:
    """Connect with the driver that the rest of Hookline uses, so that no second one is needed."""
    engine = create_async_engine(context.config.attributes["url"])
    async with engine.begin() as connection:
        await connection.run_sync(run)
    await engine.dispose()


asyncio.run(main())
