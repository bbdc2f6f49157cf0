"""A database whose schema another version has changed: this version's processes leave it alone, and lose nothing."""

import asyncio
import os
import re
import subprocess
import sys

import pytest
from pydantic import SecretStr

from hookline.database.connection import database_url, pool
from hookline.database.errors import OtherSchema
from hookline.sandbox.stack import free_port
from tests.conftest import until

HEADERS = {"X-Hookline-Key": "the-secret-of-jiwa", "Content-Type": "application/json"}
SENTENCE = re.compile(
    r"The database has the schema 9999(, and this version of Hookline knows| now, and this process)"
)


@pytest.fixture(autouse=True)
def secret(monkeypatch):
    monkeypatch.setenv("HOOKLINE_SECRET_JIWA", HEADERS["X-Hookline-Key"])


@pytest.fixture
async def newer(database):
    """Changes the schema as a newer version does, and changes it back at the end."""
    before = await database.fetchval("SELECT version_num FROM alembic_version")

    async def newer():
        await database.execute("UPDATE alembic_version SET version_num = '9999'")

    yield newer
    await database.execute("UPDATE alembic_version SET version_num = $1", before)


@pytest.fixture
def start(database_settings, tmp_path):
    """Starts a process of this version, on this database and no Prefect server."""
    started = []

    def start(*words, **more):
        process = subprocess.Popen(
            [sys.executable, "-m", "hookline", *words],
            env={
                name: value
                for name, value in os.environ.items()
                if not name.startswith(("HOOKLINE_", "PREFECT_"))
            }
            | {
                "HOOKLINE_HOME": str(database_settings.home),
                "HOOKLINE_SECRET_JIWA": HEADERS["X-Hookline-Key"],
                "HOOKLINE_POLLS": "false",
                "PREFECT_API_URL": "http://127.0.0.1:9/api",
                **more,
            },
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


async def ended(process):
    _, said = await asyncio.to_thread(process.communicate, timeout=90)
    return process.returncode, said


async def listed(database):
    return await database.fetchval("SELECT count(*) FROM engines WHERE session IS NOT NULL")


@pytest.mark.parametrize("name", ["engine", "gateway"])
async def test_one_that_starts_ends_and_says_which_version_is_needed(database, newer, start, name):
    await newer()

    code, said = await ended(start(name, HOOKLINE_GATEWAY_PORT=str(free_port())))

    assert 1 == code, said
    assert SENTENCE.search(said), said


async def test_an_engine_that_runs_ends_by_itself_and_leaves_all_that_waits(database, newer, start):
    process = start("engine")
    await until(lambda: listed(database), "the engine does not begin")

    await newer()
    code, said = await ended(process)

    assert 1 == code, said
    assert SENTENCE.search(said), said
    assert "start this process again with its code" in said
    assert 0 == await listed(database), "it left nothing behind"


async def test_a_gateway_that_runs_accepts_nothing_until_the_schema_is_its_own_again(
    database, newer, serve, database_settings
):
    async with serve(database_settings) as gateway:
        before = await gateway.post("/hooks/jiwa", json={"InvoiceID": "1"}, headers=HEADERS)
        await newer()
        reason = await until(lambda: reason_of(gateway), "it stays ready")
        refused = await gateway.post("/hooks/jiwa", json={"InvoiceID": "2"}, headers=HEADERS)

    assert 202 == before.status_code, before.text
    assert "another version of Hookline has the database" == reason
    assert (503, "5") == (refused.status_code, refused.headers["retry-after"])
    assert 1 == await database.fetchval("SELECT count(*) FROM deliveries")


async def reason_of(gateway):
    answer = await gateway.get("/readyz")
    return answer.json()["status"] if answer.status_code == 503 else None


async def test_no_new_connection_works_on_it(newer, database_settings):
    await newer()
    elsewhere = SecretStr(database_url(database_settings))  # a pool that is not made yet

    with pytest.raises(OtherSchema, match="another version of Hookline runs on it"):
        await pool(database_settings.model_copy(update={"database_url": elsewhere}))
