"""A database whose schema another version has changed: this version's processes leave it alone, and lose nothing."""

import asyncio
import html
import os
import re
import subprocess
import sys

import asyncpg
import pytest
from commands import run_here
from pydantic import SecretStr

from hookline.cli import app, rehearse
from hookline.cli.inbox.filters import database_errors
from hookline.database import connect, embedded, schema
from hookline.database.connection import database_url, pool
from hookline.database.errors import OtherSchema
from hookline.database.migrate import upgrade
from hookline.errors import HooklineError
from hookline.health.servers import check_database
from hookline.sandbox.stack import free_port
from hookline.version import this_hookline
from tests.conftest import until

HEADERS = {"X-Hookline-Key": "the-secret-of-jiwa", "Content-Type": "application/json"}
SENTENCE = re.compile(
    r"The database has the schema 9999, made by Hookline 9\.0\.0 \(0123456789ab\), and this code, Hookline \S+( \(\S+\))?, "
    r"knows 0004: no work is done on it\. Run the code that made it; or go back to a backup of this code, as "
    r"docs/backup-and-upgrade\.md says\."
)
ID = "11111111-1111-4111-8111-111111111111"
OPEN_IT = {
    "apply": "apply",
    "backup": "backup {folder}/monday.backup",
    "effects list": "effects list",
    "effects resolve": "effects resolve 1 --happened",
    "effects show": "effects show 1",
    "effects take-back": "effects take-back 1",
    "effects undo": "effects undo 1",
    "hold close": "hold close --yes",
    "hold release": "hold release --yes",
    "hold show": "hold show",
    "inbox discard": f"inbox discard {ID} --reason wrong --yes",
    "inbox export": "inbox export",
    "inbox list": "inbox list",
    "inbox pause": "inbox pause jiwa --reason holiday",
    "inbox prune": "inbox prune",
    "inbox replay": f"inbox replay {ID}",
    "inbox resume": "inbox resume jiwa",
    "inbox show": f"inbox show {ID}",
    "inbox stats": "inbox stats",
    "inbox tail": "inbox tail",
    "issues ack": "issues ack 1",
    "issues discard": "issues discard 1 --reason wrong",
    "issues list": "issues list",
    "issues replay": "issues replay 1",
    "issues resolve": "issues resolve 1 --happened",
    "issues show": "issues show 1",
    "people add": "people add anna",
    "people change": "people change anna --role decide",
    "people list": "people list",
    "people remove": "people remove anna --yes",
    "poll": "poll jiwa-orders",
    "route try": f"route try --delivery {ID}",
    "sources": "sources",
    "sources forget": "sources forget jiwa",
    "trace": "trace 1001",
    "vendors": "vendors",
    "waits answer": "waits answer 11111111 approved=yes",
    "waits cancel": "waits cancel 11111111 --reason wrong",
    "waits list": "waits list",
    "waits reopen": "waits reopen 11111111 --reason wrong",
    "waits show": "waits show 1",
}
"""Every command that opens the database, as it is typed."""
BEHIND = {"listen", "prefect-services", "render", "secrets rotate", "sources confirm"}
"""Those that ask another server or a person before they open it, by the same pool, or need a Redis."""
PROCESSES = {"engine", "gateway", "prefect", "worker"}
OTHERS = {
    "bench",
    "call",
    "demo",
    "doctor",
    "init",
    "mcp",
    "new flow",
    "new source",
    "new vendor",
    "operations",
    "probe",
    "restart",
    "restore",
    "sandbox",
    "secrets shared",
    "send",
    "service install",
    "service status",
    "service uninstall",
    "up",
}
"""Those that do not; `restore` replaces it, `up` starts processes, and each tool of `mcp` answers with the sentence."""


@pytest.fixture(autouse=True)
def secret(monkeypatch):
    monkeypatch.setenv("HOOKLINE_SECRET_JIWA", HEADERS["X-Hookline-Key"])


@pytest.fixture
async def newer(database):
    """Changes the schema as a newer version does, and changes it back at the end."""
    before = await database.fetchval("SELECT version_num FROM alembic_version")

    async def newer():
        await database.execute("UPDATE alembic_version SET version_num = '9999'")
        await database.execute("COMMENT ON TABLE alembic_version IS 'Hookline 9.0.0 (0123456789ab)'")

    yield newer
    await database.execute("UPDATE alembic_version SET version_num = $1", before)
    await database.execute(schema.signature())


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


def typed(words, settings, folder, **more):
    variables = {
        name: value for name, value in os.environ.items() if not name.startswith(("HOOKLINE_", "PREFECT_"))
    }
    ours = {
        "HOOKLINE_HOME": str(settings.home),
        "HOOKLINE_DATABASE_URL": database_url(settings),  # `backup` would start the embedded one
        "HOOKLINE_SANDBOX": "true",
        "PREFECT_API_URL": "http://127.0.0.1:9/api",
    }
    return run_here(*words.format(folder=folder).split(), env=variables | ours | more)


@pytest.mark.parametrize("name", OPEN_IT)
async def test_each_command_says_which_version_is_needed(newer, database_settings, tmp_path, name):
    await newer()

    done = typed(OPEN_IT[name], database_settings, tmp_path)

    assert 1 == done.returncode, done
    assert SENTENCE.search(re.sub(r"\s+", " ", done.stdout + done.stderr)), done
    assert [] == [*tmp_path.iterdir()]


def test_every_command_is_tried_or_opens_no_database():
    assert sorted([*OPEN_IT, *BEHIND, *PROCESSES, *OTHERS, "rehearse"]) == sorted(
        " ".join(path) for path in commands(app)
    )


def commands(node, path=()):
    for name in node:
        if not name.startswith("-"):
            below = [*commands(node[name], (*path, name))]
            if node[name].default_command or not below:
                yield (*path, name)
            yield from below


async def test_doctor_says_so_and_looks_at_nothing_else_in_it(newer, database_settings):
    await newer()

    _, finding, work = await check_database(database_settings)

    assert ("problem", "skipped") == (finding.state, work.state)
    assert SENTENCE.search(f"{finding.detail}. {finding.advice}"), finding


async def test_the_code_that_makes_a_schema_says_which_it_is(database):
    assert f"Hookline {this_hookline()}" == await schema.made_by(database)


async def test_an_older_schema_is_one_to_bring_up_to_date(database, monkeypatch):
    monkeypatch.setattr(schema, "KNOWN", [*schema.KNOWN, "0005"])

    with pytest.raises(OtherSchema, match="has the schema 0004, and this code needs 0005"):
        await schema.require(database)


async def test_a_database_of_a_newer_prefect_is_left_alone(database, database_settings, newer_prefect):
    with pytest.raises(
        OtherSchema, match="database prefect has the schema ffffffffffff, which the installed"
    ):
        await asyncio.to_thread(upgrade, database_settings)


@pytest.fixture
async def newer_prefect(database_settings):
    connection = await asyncpg.connect(embedded.url(database_settings.home, "prefect"))
    await connection.execute("CREATE TABLE alembic_version (version_num text)")
    await connection.execute("INSERT INTO alembic_version VALUES ('ffffffffffff')")
    yield
    await connection.execute("DROP TABLE alembic_version")
    await connection.close()


@pytest.mark.parametrize("name", sorted(PROCESSES))
async def test_one_that_starts_ends_and_says_which_version_is_needed(database, newer, start, name):
    await newer()

    code, said = await ended(start(name, HOOKLINE_GATEWAY_PORT=str(free_port())))

    assert 1 == code, said
    assert SENTENCE.search(said), said


async def test_a_rehearsal_says_so_and_begins_nothing(database, newer, start):
    await newer()

    code, said = await ended(start("rehearse", "--since", "30d"))

    assert 2 == code, said
    assert SENTENCE.search(re.sub(r"\s+", " ", said)), said


async def test_a_rehearsal_reads_an_older_schema_and_never_asks_to_change_it(
    database, database_settings, monkeypatch
):
    monkeypatch.setattr(schema, "KNOWN", [*schema.KNOWN, "0005"])
    await rehearse._require_reachable(database_settings)
    with pytest.raises(OtherSchema, match="Bring it up to date"):
        await connect(database_settings)

    with pytest.raises(HooklineError) as told, database_errors(database_settings), rehearse._old_schema():
        await database.execute("SELECT what_comes_later FROM effects")

    assert (2, rehearse.OLDER) == (told.value.exit_code, str(told.value))
    assert "hookline.database" not in rehearse.OLDER


async def test_an_engine_that_runs_ends_by_itself_and_leaves_all_that_waits(database, newer, start):
    process = start("engine")
    await until(lambda: listed(database), "the engine does not begin")

    await newer()
    code, said = await ended(process)

    assert 1 == code, said
    assert SENTENCE.search(said), said
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


async def test_the_pages_of_a_gateway_that_runs_do_nothing_on_it_and_say_why(
    database, newer, serve, database_settings
):
    settings = database_settings.model_copy(update={"admin_token": SecretStr("a-token-of-this-test")})
    async with serve(settings) as gateway:
        here = {"Origin": str(gateway.base_url).rstrip("/")}
        login = await gateway.post("/login", data={"token": "a-token-of-this-test"}, headers=here)
        await newer()
        await database.execute("ALTER TABLE issues RENAME TO of_newer_code")
        try:
            page = await gateway.get("/issues")
            act = await gateway.post("/hold/release", headers=here)
        finally:
            await database.execute("ALTER TABLE of_newer_code RENAME TO issues")

    assert 303 == login.status_code, login.text
    assert [503, 503] == [page.status_code, act.status_code], page.text
    assert [True, True] == [bool(SENTENCE.search(html.unescape(each.text))) for each in (page, act)], act.text


async def reason_of(gateway):
    answer = await gateway.get("/readyz")
    return answer.json()["status"] if answer.status_code == 503 else None


async def test_no_new_connection_works_on_it(newer, database_settings):
    await newer()
    elsewhere = SecretStr(database_url(database_settings))  # a pool that is not made yet

    with pytest.raises(OtherSchema, match=SENTENCE):
        await pool(database_settings.model_copy(update={"database_url": elsewhere}))
