"""The schema is applied at start, by however many processes."""

import asyncio
import subprocess
import sys

import asyncpg
import pytest
from pydantic import SecretStr

from hookline.database.connection import database_url
from hookline.database.migrate import upgrade
from hookline.errors import HooklineError
from hookline.settings import Settings

TABLES = [
    "alembic_version",
    "batches",
    "changes",
    "compensation_steps",
    "configuration_problems",
    "connecting",
    "credentials",
    "deliveries",
    "dispatches",
    "effects",
    "engines",
    "issues",
    "lineage",
    "listeners",
    "listening",
    "pauses",
    "people",
    "poll_items",
    "polls",
    "questions",
    "refusals",
    "sessions",
    "silences",
    "sizes",
    "vendor_accounts",
    "wait_links",
    "waiting_runs",
    "waits",
]


def of(settings: Settings, name: str) -> str:
    return database_url(settings).replace("/hookline?", f"/{name}?")


async def test_processes_that_start_at_once_leave_one_whole_schema(database_settings):
    url = of(database_settings, "started_together")
    starts = [
        subprocess.Popen(
            [sys.executable, "-m", "hookline.database"],
            env={"HOOKLINE_HOME": str(database_settings.home), "HOOKLINE_DATABASE_URL": url, "PATH": ""},
            stderr=subprocess.PIPE,
        )
        for _ in range(4)
    ]
    endings = [(start.wait(60), start.stderr.read()) for start in starts]
    for start in starts:
        start.stderr.close()

    connection = await asyncpg.connect(url)
    tables = await connection.fetch(
        "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename"
    )
    await connection.close()

    assert [0] * 4 == [code for code, _ in endings], endings
    assert TABLES == [row["tablename"] for row in tables]


def test_a_schema_of_another_version_is_told_in_words_and_left_as_it_is(database_settings):
    url = SecretStr(of(database_settings, "of_another_version"))
    settings = database_settings.model_copy(update={"database_url": url})
    upgrade(settings)
    asyncio.run(_set_revision(url, "9999"))

    with pytest.raises(HooklineError, match=r"has the schema 9999, made by .*no work is done on it"):
        upgrade(settings)

    assert "9999" == asyncio.run(_set_revision(url, "9999"))


async def _set_revision(url: SecretStr, revision: str) -> str:
    connection = await asyncpg.connect(url.get_secret_value())
    try:
        before = await connection.fetchval("SELECT version_num FROM alembic_version")
        await connection.execute("UPDATE alembic_version SET version_num = $1", revision)
        return before
    finally:
        await connection.close()
