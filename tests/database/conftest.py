"""What the tests of the database itself need beside it, and a gateway on it."""

import asyncio
import socket
from contextlib import asynccontextmanager

import asyncpg
import httpx
import pytest

from hookline.confined import Confined
from hookline.database.connection import database_url
from hookline.database.session import Session
from hookline.engine.routing import Router
from hookline.gateway.app import create_app
from hookline.gateway.server import server
from hookline.hooks.matching import match_routes
from hookline.settings import Settings

LEFT_BEHIND = """
SELECT current_setting('lock_timeout') <> '0'
       OR EXISTS (SELECT FROM pg_locks WHERE pid = pg_backend_pid() AND locktype = 'advisory')
"""


@pytest.fixture(scope="session", autouse=True)
def tidy_sessions():
    """Work that leaves something in a pooled session, and does not say so, fails its test."""
    reset = Session.reset

    async def checked(self, **options):
        await reset(self, **options)
        assert not await self.fetchval(LEFT_BEHIND), "a session was given back with its locks or settings"

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Session, "reset", checked)
        yield


@pytest.fixture
def connect(database_settings):
    async def make():
        return await asyncpg.connect(database_url(database_settings))

    return make


@pytest.fixture(scope="session")
def confined():
    """The processes in which bodies are read."""
    made = Confined(processes=2, modules=[match_routes.__module__])
    yield made
    made.close()


@pytest.fixture
def route_received(database, confined):
    """Routes all that was received, as an engine does."""

    async def route_received(hooks, deployments, body_keys=(), **changed):
        router = Router(database, hooks, deployments, body_keys, **{"confined": confined, **changed})
        async with asyncio.timeout(60):  # a fence with a hole routes the same delivery for ever
            await router.route_received()
        return router

    return route_received


@pytest.fixture(scope="session")
def serve():
    """Serves the gateway on a free port of this machine, or on this one, as `hookline gateway` does."""

    @asynccontextmanager
    async def serving(settings: Settings, port=0, **changed):
        with socket.create_server(("127.0.0.1", port)) as listening:
            chosen = settings.model_copy(update=changed)
            serving = server(create_app(chosen), chosen)
            running = asyncio.create_task(serving.serve([listening]))
            while not serving.started:
                await asyncio.sleep(0.01)
            base = f"http://127.0.0.1:{listening.getsockname()[1]}"
            try:
                async with httpx.AsyncClient(base_url=base, timeout=20) as client:
                    yield client
            finally:
                serving.should_exit = True
                await running

    return serving
