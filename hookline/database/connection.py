"""Connections to PostgreSQL: the embedded server or the one of `HOOKLINE_DATABASE_URL`."""

import asyncio
import json
import os
import re
import socket
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from functools import cache
from pathlib import Path
from weakref import WeakKeyDictionary

import asyncpg
from asyncpg.pool import PoolConnectionProxy
from pydantic import SecretStr

from hookline.database import embedded, high_water, schema
from hookline.database.errors import DatabaseUnavailable
from hookline.database.session import Session
from hookline.database.types import Connection
from hookline.settings import Settings

CLOSE_TIMEOUT_SECONDS = 5.0
IDLE_SECONDS = 60.0
"""The time after which a connection that nobody uses is closed: each has a process of PostgreSQL, with 5 MB."""

_Address = tuple[SecretStr | None, Path]
"""The settings that name the database."""
_Pools = dict[_Address, "asyncio.Future[asyncpg.Pool]"]
_pools: WeakKeyDictionary[asyncio.AbstractEventLoop, _Pools] = WeakKeyDictionary()


# Between a server's last message and the end of the connection, asyncpg reports each further query as an error of
# its own ("cannot switch to state 12; another operation (2) is in progress"): an InternalClientError.
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
The errors of a connection to PostgreSQL that is lost or refused: the only ones that a loop may treat as an outage.

Any other error of the database is about one statement, and must end only the work that made it. A value that asyncpg
cannot encode is an `InterfaceError` as well; `is_connection_error` tells it apart.
"""


def is_connection_error(error: BaseException) -> bool:
    """Return True if this error says that a connection to PostgreSQL is lost or refused."""
    return isinstance(error, CONNECTION_ERRORS) and not isinstance(error, ValueError)


def database_url(settings: Settings) -> str:
    """Return the address of Hookline's own database."""
    if settings.database_url is not None:
        return settings.database_url.get_secret_value()
    return embedded.url(settings.home, "hookline")


def outside(settings: Settings) -> high_water.Outside:
    """Return what is remembered outside of Hookline's own database of how far it was."""
    return _outside(settings.high_water or settings.home / "high-water", database_url(settings))


@cache
def _outside(folder: Path, url: str) -> high_water.Outside:
    return high_water.Outside(folder, url)


def prefect_database_url(settings: Settings) -> str:
    """
    Return the address of Prefect's database, in Prefect's notation.

    `PREFECT_SERVER_DATABASE_CONNECTION_URL` where set; else a second database beside Hookline's own.
    """
    if url := os.environ.get("PREFECT_SERVER_DATABASE_CONNECTION_URL"):
        return url
    if settings.database_url is None:
        return for_sqlalchemy(embedded.url(settings.home, "prefect"))
    address, _, query = settings.database_url.get_secret_value().partition("?")
    beside = f"{address}_prefect" + (f"?{query}" if query else "")
    return for_sqlalchemy(beside)


def prefect_postgres_url(settings: Settings) -> str | None:
    """Return the address of Prefect's database for asyncpg; None where another server or database system has it."""
    url = prefect_database_url(settings)
    if not settings.has_own_prefect or not url.startswith("postgres"):
        return None
    return for_asyncpg(url)


def for_asyncpg(url: str) -> str:
    """Return an address in Prefect's notation as asyncpg reads it."""
    return re.sub(r"(?<=[?&])ssl=", "sslmode=", url.replace("+asyncpg", "", 1))


def for_sqlalchemy(url: str) -> str:
    """Return the address as SQLAlchemy and the asyncpg below it read it: they know `sslmode` as `ssl`."""
    rest = url.partition("://")[2]
    return re.sub(r"(?<=[?&])sslmode=", "ssl=", f"postgresql+asyncpg://{rest}")


async def connect(settings: Settings) -> asyncpg.Connection:
    """
    Open a connection outside the pool, for listening or for long transactions.

    Raises:
        DatabaseUnavailable: no server answers, or it refuses, or the schema is another one; says which and what to do.
    """
    connection = await connect_to_any(settings)
    try:
        with reaching(settings):
            await schema.require(connection)
            await _use_json(connection)
    except BaseException:
        connection.terminate()
        raise
    return connection


async def connect_to_any(settings: Settings) -> asyncpg.Connection:
    """
    Open a connection to a database of any schema, for those that find out which it is.

    Raises:
        DatabaseUnavailable: no server answers, or it refuses; says which and what to do.
    """
    try:
        named = {"application_name": process_name()}
        return await asyncpg.connect(database_url(settings), timeout=10, server_settings=named)
    except (asyncpg.PostgresError, *CONNECTION_ERRORS) as error:
        raise unreachable(settings, error) from None


async def pool(settings: Settings) -> asyncpg.Pool:
    """
    Return the pool of this event loop for this database, made on first use; it closes with its process.

    Raises:
        DatabaseUnavailable: no server answers, or it refuses; says which and what to do.
    """
    address = (settings.database_url, settings.home)
    pools = _pools.setdefault(asyncio.get_running_loop(), {})
    making = pools.get(address)
    if making is None:
        # A run may use two, and a batch has twice as many; ten times as many may wait, with one each.
        size = 14 * settings.engine_concurrency + 10
        making = pools[address] = asyncio.ensure_future(_make_pool(settings, size))
    try:
        return await asyncio.shield(making)
    except (asyncpg.PostgresError, *CONNECTION_ERRORS) as error:
        pools.pop(address, None)
        raise unreachable(settings, error) from None


async def read_only_pool(settings: Settings, size: int) -> asyncpg.Pool:
    """
    Return the pool of this event loop for this database, made so that nothing in it can be changed by it.

    The schema may be that of another version: what is read says so where it is missing. `pool` and `lent` return the
    same one afterwards.

    Raises:
        DatabaseUnavailable: no server answers, or it refuses; says which and what to do.
    """
    pools = _pools.setdefault(asyncio.get_running_loop(), {})
    options = {"application_name": process_name(), "default_transaction_read_only": "on"}
    pools[settings.database_url, settings.home] = made = asyncio.ensure_future(
        _make_read_only_pool(settings, size, options)
    )
    try:
        return await made
    except (asyncpg.PostgresError, *CONNECTION_ERRORS) as error:
        del pools[settings.database_url, settings.home]
        raise unreachable(settings, error) from None


async def _make_read_only_pool(settings: Settings, size: int, options: dict[str, str]) -> asyncpg.Pool:
    return await asyncpg.create_pool(
        database_url(settings), min_size=1, max_size=size, timeout=10, init=_use_json, server_settings=options
    )


@asynccontextmanager
async def lent(settings: Settings) -> AsyncIterator[Connection]:
    """
    Lend a connection of the pool.

    Raises:
        DatabaseUnavailable: none can be had, or it was lost; the last statement may have been done.
    """
    connection = await borrow(settings)
    try:
        with reaching(settings):
            yield connection
    finally:
        await give_back(settings, connection)


async def borrow(settings: Settings) -> PoolConnectionProxy:
    """
    Take a connection from the pool; `give_back` returns it.

    Raises:
        DatabaseUnavailable: none can be had.
    """
    database = await pool(settings)
    try:
        return await database.acquire()
    except CONNECTION_ERRORS as error:
        raise unreachable(settings, error) from error


async def give_back(settings: Settings, connection: PoolConnectionProxy) -> None:
    """Return a connection to the pool, which releases what its session has locked; a lost one is dropped silently."""
    database = await pool(settings)
    with suppress(*CONNECTION_ERRORS):
        await database.release(connection)


@contextmanager
def reaching(settings: Settings) -> Iterator[None]:
    """
    Turn every error of a lost connection into one.

    Raises:
        DatabaseUnavailable: it was lost; the last statement may have been done.
    """
    try:
        yield
    except CONNECTION_ERRORS as error:
        if isinstance(error, DatabaseUnavailable) or not is_connection_error(error):
            raise
        raise unreachable(settings, error) from error


async def close_pool(settings: Settings | None = None) -> None:
    """Close the pool of this event loop for a database, or all its pools."""
    pools = _pools.setdefault(asyncio.get_running_loop(), {})
    addresses = [*pools] if settings is None else [(settings.database_url, settings.home)]
    for made in [pools.pop(address) for address in addresses if address in pools]:
        with suppress(TimeoutError):  # then asyncpg cuts them off
            async with asyncio.timeout(CLOSE_TIMEOUT_SECONDS):
                await (await made).close()


async def _make_pool(settings: Settings, size: int) -> asyncpg.Pool:
    url, named = database_url(settings), {"application_name": process_name()}
    remembered = outside(settings)

    async def prepare(connection: asyncpg.Connection) -> None:
        await schema.require(connection)
        # An older copy in the place of the database ends its connections: no new one works unchecked.
        await high_water.check(connection, remembered)
        await _use_json(connection)

    return await asyncpg.create_pool(
        url,
        min_size=1,
        max_size=size,
        max_inactive_connection_lifetime=IDLE_SECONDS,
        timeout=10,
        init=prepare,
        connection_class=Session,
        server_settings=named,
    )


def process_name() -> str:
    """Return the name of this process in PostgreSQL and the audit trail, such as `engine 4711 at server`."""
    ours = "hookline" in Path(sys.argv[0]).parts[-2:] and sys.argv[1:]
    return f"{sys.argv[1] if ours else 'hookline'} {os.getpid()} at {socket.gethostname()}"[:63]


async def _use_json(connection: asyncpg.Connection) -> None:
    await connection.set_type_codec(
        "jsonb", schema="pg_catalog", encoder=json.dumps, decoder=json.loads, format="text"
    )


def unreachable(settings: Settings, error: Exception) -> DatabaseUnavailable:
    """Return the error for a database that does not answer: which one, and what to do."""
    if isinstance(error, DatabaseUnavailable):
        return error
    server = "the embedded PostgreSQL" if settings.database_url is None else "the PostgreSQL server"
    remedy = (
        f"Start it with `hookline up` on HOOKLINE_HOME={settings.home}."
        if settings.database_url is None
        else "Check HOOKLINE_DATABASE_URL."
    )
    return DatabaseUnavailable(f"Cannot reach {server}: {error or type(error).__name__}. {remedy}")
