"""
The Prefect server, for requests to its own names alone, and with Python's garbage collector tuned.

Where there is a Redis, several of them serve the API, and what one alone does beside it has a process of its own.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import entry_points
from urllib.parse import urlsplit

import asyncpg
import prefect
import prefect.settings
import uvicorn
from prefect.server.api.server import create_app
from prefect.server.database import provide_database_interface
from prefect.server.models.block_registration import run_block_auto_registration
from prefect.server.models.configuration import read_configuration, write_configuration
from prefect.server.schemas.core import Configuration
from redis.asyncio import Redis
from redis.exceptions import RedisError
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from hookline import garbage
from hookline.database.connection import for_asyncpg, prefect_database_url
from hookline.hosts import LOOPBACK, KnownHosts
from hookline.settings import settings

BLOCK_TYPES = "HOOKLINE_BLOCK_TYPES"
"""The key in Prefect's own configuration under which it stands who brought the block types."""
MIGRATING = 0x686F6F6B6C696E65
"""The number of the lock in Prefect's database under which one server migrates it and the others wait."""
POLL_SECONDS = 0.5
REDIS_SECONDS = 2.0
"""The time in which Redis must answer."""


class ReadyWithRedis:
    """
    A middleware that answers 503 to `/api/ready` while Redis is away.

    Prefect asks its database alone, and answers 500 to what needs Redis: from a server that is ready, that would mean
    that the request is at fault.
    """

    def __init__(self, app: ASGIApp, url: str) -> None:
        self.app = app
        self.redis = Redis.from_url(url, socket_timeout=REDIS_SECONDS, socket_connect_timeout=REDIS_SECONDS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer 503."""
        if scope["type"] == "http" and scope["path"] == "/api/ready" and not await self._answers():
            await PlainTextResponse("Redis does not answer.", 503)(scope, receive, send)
        else:
            await self.app(scope, receive, send)

    async def _answers(self) -> bool:
        try:
            return bool(await self.redis.ping())
        except (RedisError, OSError):
            return False


def serve(host: str, port: int) -> None:
    """Serve Prefect's API and UI, as `prefect server start` does; where it is the only server, its services, too."""
    asyncio.run(migrate())
    redis = settings().prefect_redis_url
    app: ASGIApp = create_app(final=True, webserver_only=redis is not None)
    if redis is not None:
        app = ReadyWithRedis(app, redis.get_secret_value())
    app = KnownHosts(app, names(host))
    garbage.collect_less()
    uvicorn.run(
        app,
        host=host,
        port=port,
        timeout_keep_alive=prefect.settings.PREFECT_SERVER_API_KEEPALIVE_TIMEOUT.value(),
        ws_ping_interval=prefect.settings.PREFECT_SERVER_API_WEBSOCKET_PING_INTERVAL.value(),
        ws_ping_timeout=prefect.settings.PREFECT_SERVER_API_WEBSOCKET_PING_TIMEOUT.value(),
        log_level=prefect.settings.PREFECT_SERVER_LOGGING_LEVEL.value().lower(),
    )


def serve_in_background() -> None:
    """Do what a single server does beside its API, as `prefect server services start` does."""
    from prefect.cli._server_utils import _run_all_services  # 0.2 s that a server does not wait for

    asyncio.run(migrate())
    garbage.collect_less()
    asyncio.run(_run_all_services())


def names(host: str) -> frozenset[str]:
    """Return the names to which a server answers that listens at `host`: this machine's own, and that of the API."""
    api = urlsplit(settings().prefect_api_url).hostname
    return LOOPBACK | {host, *([api] if api else [])}


async def migrate() -> None:
    """
    Bring Prefect's database to its schema, and the block types of Prefect and its collections into it.

    One server after another: two at once would each begin, and one fail. Block types that the same packages have
    brought before are left as they are: there are a hundred, and each start would wait for them.
    """
    database, brought = provide_database_interface(), {"by": _collections()}
    async with _migrating():
        await database.create_db()
        async with await database.session() as session:
            async with session.begin():
                before = await read_configuration(session=session, key=BLOCK_TYPES)  # type: ignore[attr-defined]
            if before is not None and before.value == brought:
                return
            await run_block_auto_registration(session=session)
            async with session.begin():
                now = Configuration(key=BLOCK_TYPES, value=brought)
                await write_configuration(session=session, configuration=now)  # type: ignore[attr-defined]


def _collections() -> dict[str, str]:
    """Return Prefect and the packages with block types for it, with their versions."""
    found = {each.dist for each in entry_points(group="prefect.collections")}
    return {"prefect": prefect.__version__} | {each.name: each.version for each in found if each}


@asynccontextmanager
async def _migrating() -> AsyncIterator[None]:
    url = prefect_database_url(settings())
    if not url.startswith("postgres"):  # a database that only one server can use
        yield
        return
    connection = await asyncpg.connect(for_asyncpg(url), timeout=10)
    try:
        # Not pg_advisory_lock: a statement that waits has a snapshot, and Prefect's migrations build indexes
        # concurrently, which wait for the end of every older snapshot: both would wait for ever.
        while not await connection.fetchval("SELECT pg_try_advisory_lock($1)", MIGRATING):
            await asyncio.sleep(POLL_SECONDS)
        yield
    finally:
        await connection.close()
