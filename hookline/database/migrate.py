"""Bring the database to the schema of this version; safe when several processes do so at once."""

import asyncio
import re
from pathlib import Path
from urllib.parse import unquote

import asyncpg

from hookline.database import high_water
from hookline.database.connection import (
    database_url,
    for_sqlalchemy,
    outside,
    prefect_database_url,
    unreachable,
)
from hookline.errors import HooklineError
from hookline.settings import Settings

MIGRATIONS = Path(__file__).with_name("migrations")


def upgrade(settings: Settings) -> None:
    """
    Create the databases if they are missing, and apply every migration that Hookline's own lacks.

    Must be called outside a running event loop. Processes that start together wait for each other.

    Raises:
        HooklineError: no server answers, or it refuses, or another version made the schema; says what to do.
    """
    try:
        current = asyncio.run(_prepare(settings))
    except (OSError, asyncpg.PostgresError) as error:
        raise unreachable(settings, error) from None
    if current == head():
        asyncio.run(_check_high_water(settings))
        return
    if current is not None and current not in _revisions():
        raise HooklineError(
            f"The database has the schema {current}, and this version of Hookline knows {', '.join(_revisions())}: "
            "another version made it. Run that version, or start with an empty database: another "
            "HOOKLINE_DATABASE_URL, or, for the embedded one, another HOOKLINE_HOME. Nothing was changed."
        )
    from alembic import command  # 25 MB that a process with nothing to migrate need not load
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["url"] = for_sqlalchemy(database_url(settings))
    command.upgrade(config, "head")
    asyncio.run(_check_high_water(settings))


async def _prepare(settings: Settings) -> str | None:
    """Make the databases; return the revision of Hookline's own."""
    prefects = prefect_database_url(settings).replace("+asyncpg", "", 1)
    await _ensure_database(re.sub(r"(?<=[?&])ssl=", "sslmode=", prefects))
    await _ensure_database(database_url(settings))
    connection = await asyncpg.connect(database_url(settings), timeout=10)
    try:
        revision: str | None = await connection.fetchval("SELECT version_num FROM alembic_version")
    except asyncpg.UndefinedTableError:
        return None
    else:
        return revision
    finally:
        await connection.close()


async def _check_high_water(settings: Settings) -> None:
    """Hold everything, before any process begins, if the database is older than it was."""
    connection = await asyncpg.connect(database_url(settings), timeout=10)
    try:
        await high_water.check(connection, outside(settings))
    finally:
        await connection.close()


async def _ensure_database(url: str) -> None:
    if not url.startswith("postgres"):
        return  # the user's own choice for Prefect, such as SQLite
    try:
        await (await asyncpg.connect(url, timeout=10)).close()
    except asyncpg.InvalidCatalogNameError:
        address, _, query = url.partition("?")
        server, _, name = address.rpartition("/")
        name = unquote(name).replace('"', '""')
        connection = await asyncpg.connect(f"{server}/postgres?{query}", timeout=10)
        try:
            await connection.execute(f'CREATE DATABASE "{name}"')
        except (asyncpg.DuplicateDatabaseError, asyncpg.UniqueViolationError):
            pass  # another process was quicker
        finally:
            await connection.close()


def head() -> str:
    """Return the latest revision: migrations are numbered, and their files begin with the number."""
    return _revisions()[-1]


def _revisions() -> list[str]:
    return sorted(path.name[:4] for path in (MIGRATIONS / "versions").glob("[0-9]*.py"))
