"""Connections to PostgreSQL: the embedded server or the one of `HOOKLINE_DATABASE_URL`."""

import asyncio
import json
import os
from urllib.parse import urlsplit, urlunsplit
from weakref import WeakKeyDictionary

import asyncpg

from hookline.database import embedded
from hookline.errors import HooklineError
from hookline.settings import Settings

_pools: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncpg.Pool] = WeakKeyDictionary()


def database_url(settings: Settings) -> str:
    """Address of Hookline's own database."""
    if settings.database_url is not None:
        return settings.database_url.get_secret_value()
    return embedded.url(settings.home, "hookline")


def prefect_database_url(settings: Settings) -> str:
    """
    Address of Prefect's database, in Prefect's notation.

    `PREFECT_SERVER_DATABASE_CONNECTION_URL` where set; else a second database beside Hookline's own.
    """
    if url := os.environ.get("PREFECT_SERVER_DATABASE_CONNECTION_URL"):
        return url
    if settings.database_url is None:
        plain = embedded.url(settings.home, "prefect")
    else:
        parts = urlsplit(settings.database_url.get_secret_value())
        plain = urlunsplit(parts._replace(path=f"{parts.path}_prefect"))
    return plain.replace(plain.split("://", 1)[0], "postgresql+asyncpg", 1)


async def connect(settings: Settings) -> asyncpg.Connection:
    """
    One connection of its own, for listening or for long transactions.

    Raises:
        HooklineError: no server answers, or it refuses; says which and what to do.
    """
    try:
        connection = await asyncpg.connect(database_url(settings), timeout=10)
    except (OSError, TimeoutError, asyncpg.PostgresError) as error:
        raise unreachable(settings, error) from None
    await _speak_json(connection)
    return connection


async def pool(settings: Settings) -> asyncpg.Pool:
    """
    The pool of this event loop, made on first use; it closes with its process.

    Raises:
        HooklineError: no server answers, or it refuses; says which and what to do.
    """
    loop = asyncio.get_running_loop()
    if loop not in _pools:
        try:
            _pools[loop] = await asyncpg.create_pool(
                database_url(settings), min_size=1, max_size=20, timeout=10, init=_speak_json
            )
        except (OSError, TimeoutError, asyncpg.PostgresError) as error:
            raise unreachable(settings, error) from None
    return _pools[loop]


async def close_pool() -> None:
    """Close the pool of this event loop, if there is one."""
    if found := _pools.pop(asyncio.get_running_loop(), None):
        await found.close()


async def _speak_json(connection: asyncpg.Connection) -> None:
    await connection.set_type_codec(
        "jsonb", schema="pg_catalog", encoder=json.dumps, decoder=json.loads, format="text"
    )


def unreachable(settings: Settings, error: Exception) -> HooklineError:
    """The error for a database that does not answer: which one, and what to do."""
    where = "the embedded PostgreSQL" if settings.database_url is None else "the PostgreSQL server"
    remedy = (
        f"Start it with `hookline up` on HOOKLINE_HOME={settings.home}."
        if settings.database_url is None
        else "Check HOOKLINE_DATABASE_URL."
    )
    return HooklineError(f"Cannot reach {where}: {error or type(error).__name__}. {remedy}")
