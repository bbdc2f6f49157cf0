"""Bring the database to the schema of this version; safe when several processes do so at once."""

import asyncio
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg
from alembic import command
from alembic.config import Config

from hookline.database.connection import database_url, prefect_database_url
from hookline.settings import Settings

MIGRATIONS = Path(__file__).with_name("migrations")


def upgrade(settings: Settings) -> None:
    """
    Create the database where it is missing and apply every migration that it lacks.

    Must be called outside a running event loop. Processes that start together wait for each other.
    """
    asyncio.run(ensure_database(database_url(settings)))
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["url"] = database_url(settings)
    command.upgrade(config, "head")


async def ensure_prefect_database(settings: Settings) -> None:
    """Create the database for the Prefect server where it is missing; its schema is Prefect's business."""
    await ensure_database(prefect_database_url(settings).replace("+asyncpg", "", 1))


async def ensure_database(url: str) -> None:
    """Create the database that `url` names, on its server, unless it exists."""
    try:
        await (await asyncpg.connect(url, timeout=10)).close()
    except asyncpg.InvalidCatalogNameError:
        parts = urlsplit(url)
        name = parts.path.removeprefix("/")
        connection = await asyncpg.connect(urlunsplit(parts._replace(path="/postgres")), timeout=10)
        try:
            await connection.execute(f'CREATE DATABASE "{name.replace(chr(34), chr(34) * 2)}"')
        except (asyncpg.DuplicateDatabaseError, asyncpg.UniqueViolationError):
            pass  # another process was quicker
        finally:
            await connection.close()
