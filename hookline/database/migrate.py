"""Bring the database to the schema of this version; safe when several processes do so at once."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import unquote

import asyncpg

from hookline.database import high_water, prefects, schema
from hookline.database.connection import (
    database_url,
    for_sqlalchemy,
    is_connection_error,
    outside,
    prefect_postgres_url,
    unreachable,
)
from hookline.settings import Settings

logger = logging.getLogger(__name__)

POLL_SECONDS = 1.0
REMINDER_SECONDS = 30.0


def upgrade_when_up(settings: Settings) -> None:
    """
    Do as `upgrade` does, as soon as the server of HOOKLINE_DATABASE_URL answers: at boot it may come later than we.

    Only for that is waited, without end and with a word now and then. The embedded server is one that we start: where
    it does not run, waiting would not help.

    Raises:
        HooklineError: the server refuses, or another version made the schema; or the embedded one does not run.
    """
    began = time.monotonic()
    reminded = None
    while True:
        try:
            _upgrade(settings)
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            if settings.database_url is None or not is_connection_error(error):
                raise unreachable(settings, error) from None
            if reminded is None or time.monotonic() - reminded >= REMINDER_SECONDS:
                reminded = time.monotonic()
                logger.warning("%s Waiting for it.", unreachable(settings, error))
            time.sleep(POLL_SECONDS)
        else:
            if reminded is not None:
                logger.info("PostgreSQL answers, after %.0f s", time.monotonic() - began)
            return


def upgrade(settings: Settings) -> None:
    """
    Create the databases if they are missing, and apply every migration that Hookline's own lacks.

    Must be called outside a running event loop. Processes that start together wait for each other.

    Raises:
        HooklineError: no server answers, or it refuses, or another version made the schema; says what to do.
    """
    try:
        _upgrade(settings)
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise unreachable(settings, error) from None


def _upgrade(settings: Settings) -> None:
    current = asyncio.run(_prepare(settings))
    if current == schema.head():
        asyncio.run(_check_high_water(settings))
        return
    migrate(database_url(settings))
    asyncio.run(_check_high_water(settings))


def migrate(url: str) -> None:
    """Apply every migration that a database lacks; outside a running event loop."""
    from alembic import command  # 25 MB that a process with nothing to migrate need not load
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(schema.VERSIONS.parent))
    config.attributes["url"] = for_sqlalchemy(url)
    command.upgrade(config, "head")


async def _prepare(settings: Settings) -> str | None:
    """
    Make the databases; return the revision of Hookline's own.

    Raises:
        OtherSchema: this code does not know it, or the installed Prefect not that of its own.
    """
    if of_prefect := prefect_postgres_url(settings):
        await _ensure_database(of_prefect)
        async with _connected(of_prefect) as connection:
            await prefects.require_known(connection)
    await _ensure_database(database_url(settings))
    async with _connected(database_url(settings)) as connection:
        found = await schema.revision(connection)
        await schema.require_known(connection, found)
    return found


async def _check_high_water(settings: Settings) -> None:
    """Hold everything, before any process begins, if the database is older than it was."""
    async with _connected(database_url(settings)) as connection:
        await high_water.check(connection, outside(settings))


@asynccontextmanager
async def _connected(url: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(url, timeout=10)
    try:
        yield connection
    finally:
        await connection.close()


async def _ensure_database(url: str) -> None:
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
