"""The schema is applied at start, by however many processes."""

import subprocess
import sys

import asyncpg

from hookline.database.connection import database_url
from hookline.settings import Settings

TABLES = [
    "alembic_version",
    "batches",
    "changes",
    "compensation_steps",
    "configuration_problems",
    "deliveries",
    "dispatches",
    "effects",
    "engines",
    "pauses",
    "refusals",
    "sessions",
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
