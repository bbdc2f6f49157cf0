"""One embedded PostgreSQL for the tests that need nothing else, emptied before each."""

import os
import subprocess
import tempfile
import time
from pathlib import Path

import asyncpg
import pytest

from hookline.database import embedded, pool
from hookline.database.connection import close_pool, database_url
from hookline.database.migrate import upgrade
from hookline.settings import Settings


@pytest.fixture(scope="session")
def database_settings():
    home = Path(tempfile.mkdtemp(prefix="hookline-db-"))
    embedded.prepare(home)
    process = embedded.process(home)
    with (home / "postgres.log").open("wb") as log:
        server = subprocess.Popen(
            process.command,
            env=process.env or os.environ,
            cwd=process.cwd,
            user=process.user,
            group=process.group,
            extra_groups=None if process.user is None else [],
            stdout=log,
            stderr=log,
        )
    settings = Settings(home=home, settle_seconds=0.2)
    _until_migrated(settings)
    yield settings
    server.send_signal(embedded.STOP_SIGNAL)
    server.wait(30)


@pytest.fixture(scope="session")
async def session_pool(database_settings):
    yield await pool(database_settings)
    await close_pool()


@pytest.fixture
async def database(session_pool):
    await session_pool.execute("TRUNCATE deliveries, dispatches, effects RESTART IDENTITY")
    return session_pool


@pytest.fixture
def connect(database_settings):
    async def make():
        return await asyncpg.connect(database_url(database_settings))

    return make


def _until_migrated(settings: Settings) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            upgrade(settings)
            return
        except Exception:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
