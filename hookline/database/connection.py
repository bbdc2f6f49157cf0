"""Connections to PostgreSQL: the embedded server or the one of `HOOKLINE_DATABASE_URL`."""

import asyncio
import json
import os
import re
import socket
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from weakref import WeakKeyDictionary

import asyncpg
from asyncpg.pool import PoolConnectionProxy
from pydantic import SecretStr

from hookline.database import embedded
from hookline.database.types import Connection
from hookline.errors import HooklineError
from hookline.settings import Settings

CLOSE_SECONDS = 5.0
"""What connections are given to end in order."""

_Where = tuple[SecretStr | None, Path]
"""What of the settings says where the database is."""
_Pools = dict[_Where, "asyncio.Future[asyncpg.Pool]"]
_pools: WeakKeyDictionary[asyncio.AbstractEventLoop, _Pools] = WeakKeyDictionary()


class DatabaseUnavailable(HooklineError):
    """PostgreSQL does not answer, or the connection to it fell: the work is not to blame, and may go on later."""

    transient = True


# Between a server's last word and the end of the connection, asyncpg takes each further query for an error of its
# own making ("cannot switch to state 12; another operation (2) is in progress"): an InternalClientError.
CONNECTION_ERRORS = (
    DatabaseUnavailable,
    OSError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.PostgresConnectionError,
    asyncpg.AdminShutdownError,
    asyncpg.CannotConnectNowError,
    asyncpg.CrashShutdownError,
    asyncpg.DatabaseDroppedError,
    asyncpg.DiskFullError,
    asyncpg.IdleSessionTimeoutError,
    asyncpg.TooManyConnectionsError,
)
"""
What a connection to PostgreSQL that is lost or refused raises: the only errors that a loop may take for an outage.

Any other error of the database is about the one thing that was asked, and must end that thing alone. A value that
asyncpg cannot encode is an `InterfaceError` as well; `is_connection_error` tells it apart.
"""


def is_connection_error(error: BaseException) -> bool:
    """Return True if this error says that a connection to PostgreSQL is lost or refused."""
    return isinstance(error, CONNECTION_ERRORS) and not isinstance(error, ValueError)


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
        return for_sqlalchemy(embedded.url(settings.home, "prefect"))
    address, _, query = settings.database_url.get_secret_value().partition("?")
    beside = f"{address}_prefect" + (f"?{query}" if query else "")
    return for_sqlalchemy(beside)


def for_sqlalchemy(url: str) -> str:
    """The same address as SQLAlchemy and the asyncpg below it read it: they know `sslmode` as `ssl`."""
    rest = url.partition("://")[2]
    return re.sub(r"(?<=[?&])sslmode=", "ssl=", f"postgresql+asyncpg://{rest}")


async def connect(settings: Settings) -> asyncpg.Connection:
    """
    One connection of its own, for listening or for long transactions.

    Raises:
        DatabaseUnavailable: no server answers, or it refuses; says which and what to do.
    """
    try:
        connection = await asyncpg.connect(database_url(settings), timeout=10)
    except (asyncpg.PostgresError, *CONNECTION_ERRORS) as error:
        raise unreachable(settings, error) from None
    await _speak_json(connection)
    return connection


async def pool(settings: Settings) -> asyncpg.Pool:
    """
    The pool of this event loop for this database, made on first use; it closes with its process.

    Raises:
        DatabaseUnavailable: no server answers, or it refuses; says which and what to do.
    """
    where = (settings.database_url, settings.home)
    mine = _pools.setdefault(asyncio.get_running_loop(), {})
    making = mine.get(where)
    if making is None:
        # A run may hold two, and a lane carries twice as many; ten times as many may wait, with one each.
        size = 14 * settings.engine_concurrency + 10
        making = mine[where] = asyncio.ensure_future(_make_pool(database_url(settings), size))
    try:
        return await asyncio.shield(making)
    except (asyncpg.PostgresError, *CONNECTION_ERRORS) as error:
        mine.pop(where, None)
        raise unreachable(settings, error) from None


@asynccontextmanager
async def lent(settings: Settings) -> AsyncIterator[Connection]:
    """
    Within, a connection of the pool.

    Raises:
        DatabaseUnavailable: there is none to be had, or it fell; what was asked last may have been done.
    """
    connection = await borrow(settings)
    try:
        with reaching(settings):
            yield connection
    finally:
        await give_back(settings, connection)


async def borrow(settings: Settings) -> PoolConnectionProxy:
    """
    A connection of the pool, to be given back.

    Raises:
        DatabaseUnavailable: there is none to be had.
    """
    database = await pool(settings)
    try:
        return await database.acquire()
    except CONNECTION_ERRORS as error:
        raise unreachable(settings, error) from error


async def give_back(settings: Settings, connection: PoolConnectionProxy) -> None:
    """Give a connection back, and with it whatever its session holds; one that fell gives nothing to tell."""
    database = await pool(settings)
    with suppress(*CONNECTION_ERRORS):
        await database.release(connection)


@contextmanager
def reaching(settings: Settings) -> Iterator[None]:
    """
    Within, a connection that falls is told in one way.

    Raises:
        DatabaseUnavailable: it fell; what was asked last may have been done.
    """
    try:
        yield
    except CONNECTION_ERRORS as error:
        if isinstance(error, DatabaseUnavailable) or not is_connection_error(error):
            raise
        raise unreachable(settings, error) from error


async def close_pool() -> None:
    """Close the pools of this event loop."""
    for made in _pools.pop(asyncio.get_running_loop(), {}).values():
        with suppress(TimeoutError):  # then asyncpg cuts them off
            async with asyncio.timeout(CLOSE_SECONDS):
                await (await made).close()


async def _make_pool(url: str, size: int) -> asyncpg.Pool:
    named = {"application_name": process_name()}
    return await asyncpg.create_pool(
        url, min_size=1, max_size=size, timeout=10, init=_speak_json, server_settings=named
    )


def process_name() -> str:
    """What PostgreSQL and the audit trail call this process, such as `engine 4711 at server`."""
    ours = "hookline" in Path(sys.argv[0]).parts[-2:] and sys.argv[1:]
    return f"{sys.argv[1] if ours else 'hookline'} {os.getpid()} at {socket.gethostname()}"[:63]


async def _speak_json(connection: asyncpg.Connection) -> None:
    await connection.set_type_codec(
        "jsonb", schema="pg_catalog", encoder=json.dumps, decoder=json.loads, format="text"
    )


def unreachable(settings: Settings, error: Exception) -> DatabaseUnavailable:
    """The error for a database that does not answer: which one, and what to do."""
    where = "the embedded PostgreSQL" if settings.database_url is None else "the PostgreSQL server"
    remedy = (
        f"Start it with `hookline up` on HOOKLINE_HOME={settings.home}."
        if settings.database_url is None
        else "Check HOOKLINE_DATABASE_URL."
    )
    return DatabaseUnavailable(f"Cannot reach {where}: {error or type(error).__name__}. {remedy}")
