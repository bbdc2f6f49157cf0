"""The embedded PostgreSQL: real servers, real kills; as anyone who runs the tests and, for root, as nobody too."""

import asyncio
import os
import pwd
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from pathlib import Path

import asyncpg
import psutil
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from hookline.database import embedded, namespace
from hookline.errors import HooklineError
from hookline.supervisor import Process


@contextmanager
def new_home():
    """Not below pytest's own folder, which no other user may pass."""
    with tempfile.TemporaryDirectory(prefix="hookline-test-") as folder:
        Path(folder).chmod(0o711)
        yield Path(folder) / "home"


@pytest.fixture
def home():
    with new_home() as home:
        yield home


@pytest.fixture(scope="module")
def prepared():
    """A home with its data folder made; its server runs where a test says so."""
    with new_home() as home:
        embedded.prepare(home)
        yield home


def test_data_of_another_major_version_is_left_alone_and_the_way_out_is_told(tmp_path):
    data = tmp_path / "postgres" / "data"
    data.mkdir(parents=True)
    (data / "PG_VERSION").write_text("17\n")

    with pytest.raises(HooklineError, match=r"is of PostgreSQL 17; .* dump both databases"):
        embedded._require_version(data)

    assert ["PG_VERSION"] == [path.name for path in data.iterdir()]


def test_the_version_that_is_named_is_the_one_in_the_wheel(prepared):
    assert embedded.MAJOR_VERSION == (prepared / "postgres/data/PG_VERSION").read_text().strip()


def prepare_elsewhere(home):
    program = "import sys; from pathlib import Path; from hookline.database import embedded; "
    return subprocess.Popen(
        [sys.executable, "-c", program + "embedded.prepare(Path(sys.argv[1]))", str(home)]
    )


def server(home):
    return Process(**embedded.process(home))


def start(home):
    with (home / "log").open("a") as log:
        return server(home).start("test", log.fileno())


@asynccontextmanager
async def serving(home):
    """Start until it stays, as the supervisor does: a killed server's last backends may still be leaving."""
    deadline = time.monotonic() + 30
    while True:
        popen = start(home)
        while popen.poll() is None and not await server(home).ready():
            await asyncio.sleep(0.02)
        if popen.poll() is None:
            break
        assert time.monotonic() < deadline, (home / "log").read_text()
    try:
        yield popen
    finally:
        popen.send_signal(embedded.STOP_SIGNAL)
        popen.wait(30)


async def query(home, sql, database="hookline"):
    connection = await asyncpg.connect(embedded.url(home, database))
    try:
        return await connection.fetchval(sql)
    finally:
        await connection.close()


async def test_both_databases_answer_over_the_socket(prepared):
    async with serving(prepared):
        names = [await query(prepared, "SELECT current_database()", name) for name in ("hookline", "prefect")]

    assert ["hookline", "prefect"] == names


async def test_prefect_s_driver_connects_with_the_same_address(prepared):
    address = embedded.url(prepared, "prefect").replace("postgresql://", "postgresql+asyncpg://")
    async with serving(prepared):
        engine = create_async_engine(address)
        async with engine.connect() as connection:
            name = (await connection.execute(text("SELECT current_database()"))).scalar_one()
        await engine.dispose()

    assert "prefect" == name


async def test_text_is_unicode_and_prefect_s_extension_is_there(prepared):
    async with serving(prepared):
        await query(prepared, "CREATE EXTENSION pg_trgm")
        lower = await query(prepared, "SELECT lower('ÄÉ') || current_setting('server_encoding')")

    assert "äéUTF8" == lower


async def test_variables_for_other_servers_do_not_mislead(prepared, monkeypatch):
    for name, value in {"PGPORT": "1", "PGHOST": "example.com", "PGUSER": "x", "PGDATA": "/nowhere"}.items():
        monkeypatch.setenv(name, value)

    async with serving(prepared):
        name = await query(prepared, "SELECT current_user")

    assert "postgres" == name


async def test_nobody_else_can_connect(prepared):
    async with serving(prepared) as popen:
        ports = psutil.Process(popen.pid).net_connections("inet")
        modes = [stat.S_IMODE(path.stat().st_mode) for path in (prepared / "postgres").iterdir()]
        socket = embedded.socket_dir(prepared) / ".s.PGSQL.5432"
        socket_mode = stat.S_IMODE(socket.stat().st_mode)

    assert [] == ports
    assert [0o700, 0o700] == modes
    assert 0o700 == socket_mode


async def test_preparing_again_changes_nothing(prepared):
    async with serving(prepared):
        await query(prepared, "CREATE TABLE kept AS SELECT 1 AS one")

    embedded.prepare(prepared)

    async with serving(prepared):
        kept = await query(prepared, "SELECT one FROM kept")
    assert 1 == kept


async def test_what_was_committed_survives_a_kill(prepared):
    async with serving(prepared) as popen:
        await query(prepared, "CREATE TABLE survived AS SELECT 1 AS one")
        popen.kill()
        popen.wait()
    stale = (prepared / "postgres" / "data" / "postmaster.pid").exists()

    async with serving(prepared):
        survived = await query(prepared, "SELECT one FROM survived")

    assert stale
    assert 1 == survived


async def test_the_server_of_a_killed_supervisor_is_stopped(prepared):
    async with serving(prepared) as orphan:
        embedded.prepare(prepared)

        code = orphan.wait(30)

    assert 0 == code


async def test_a_server_that_does_not_stop_is_reported(prepared, monkeypatch):
    monkeypatch.setattr(embedded, "_STOP_TIMEOUT_SECONDS", 0.1)
    async with serving(prepared) as orphan:
        orphan.send_signal(signal.SIGSTOP)
        try:
            with pytest.raises(HooklineError, match=f"pid {orphan.pid}"):
                embedded.prepare(prepared)
        finally:
            orphan.send_signal(signal.SIGCONT)


async def test_a_pid_file_whose_number_is_another_program_s_by_now_is_no_obstacle(prepared):
    """After a reboot, or in a container, where numbers are small."""
    process = server(prepared)
    other = replace(process, command=["sleep", "600"]).start("test", 2)
    try:
        (prepared / "postgres" / "data" / "postmaster.pid").write_text(f"{other.pid}\n/somewhere\n")

        embedded.prepare(prepared)
        async with serving(prepared):
            one = await query(prepared, "SELECT 1")

        assert 1 == one
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()


@pytest.mark.parametrize("name", ["long" * 30, "a space, a comma: a 'quote' & ü?"])
async def test_a_home_may_be_anywhere(home, name):
    home = home / name
    embedded.prepare(home)
    folder = embedded.socket_dir(home)
    try:
        async with serving(home):
            one = await query(home, "SELECT 1")
        mode = stat.S_IMODE(folder.stat().st_mode)
    finally:
        shutil.rmtree(folder)

    assert 1 == one
    assert Path("/tmp") == folder.parent
    assert 0o700 == mode


def test_a_socket_folder_that_somebody_else_made_is_refused(home, tmp_path):
    home = home / ("long" * 30)
    embedded.socket_dir(home).symlink_to(tmp_path)
    try:
        with pytest.raises(HooklineError, match=str(embedded.socket_dir(home))):
            embedded.prepare(home)
    finally:
        embedded.socket_dir(home).unlink()


def test_a_data_folder_of_another_user_is_refused(prepared):
    if os.geteuid() != 0:
        pytest.skip("only root can give a folder away")
    folder = embedded.socket_dir(prepared)
    owner = folder.stat().st_uid
    os.chown(folder, pwd.getpwnam("nobody").pw_uid, -1)
    try:
        with pytest.raises(HooklineError, match=r"belongs to another user \(nobody\)"):
            embedded.prepare(prepared)
    finally:
        os.chown(folder, owner, -1)


async def test_an_interrupted_set_up_begins_anew(home):
    first = prepare_elsewhere(home)
    deadline = time.monotonic() + 30
    while not list(home.glob("postgres/new-*/*")):
        assert first.poll() is None
        assert time.monotonic() < deadline
    first.kill()
    first.wait()
    half_made = (home / "postgres" / "data").exists()

    embedded.prepare(home)

    async with serving(home):
        one = await query(home, "SELECT 1", "prefect")
    assert not half_made
    assert 1 == one


def test_a_set_up_that_fails_says_why_and_leaves_no_data_folder(home, monkeypatch):
    monkeypatch.setattr(embedded, "DATABASES", ("hookline", "hookline"))

    with pytest.raises(HooklineError, match='database "hookline" already exists'):
        embedded.prepare(home)

    assert not (home / "postgres" / "data").exists()


needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root needs somebody else to run it")


@needs_root
async def test_as_root_it_runs_without_root_s_powers_and_opens_no_folder(home):
    if not namespace.available():
        pytest.skip("this container forbids user namespaces")
    closed = home.parent / "closed"
    closed.mkdir(mode=0o700)
    places = [closed / "home", closed, *closed.parents, *embedded._binary("postgres").parents]
    (closed / "home").mkdir(mode=0o700)
    before = [stat.S_IMODE(place.stat().st_mode) for place in places]

    embedded.prepare(closed / "home")
    async with serving(closed / "home") as popen:
        status = await asyncio.to_thread(Path(f"/proc/{popen.pid}/status").read_text)

    assert "CapEff:\t0000000000000000" in status
    assert before == [stat.S_IMODE(place.stat().st_mode) for place in places]


@needs_root
async def test_where_root_cannot_become_ordinary_a_system_user_runs_it_in_a_home_it_can_reach(
    home, monkeypatch
):
    monkeypatch.setattr(namespace, "available", lambda: False)
    embedded.prepare(home)

    async with serving(home) as popen:
        owner = psutil.Process(popen.pid).username()

    assert "pgserver" == owner


@needs_root
def test_a_place_that_the_system_user_cannot_reach_is_named_and_stays_closed(home, monkeypatch):
    monkeypatch.setattr(namespace, "available", lambda: False)
    closed = home.parent / "closed"
    closed.mkdir(mode=0o700)

    with pytest.raises(
        HooklineError, match=f"cannot reach {closed}. Run Hookline as an ordinary user"
    ) as refused:
        embedded.prepare(closed / "home")

    assert "HOOKLINE_DATABASE_URL" in str(refused.value)
    assert 0o700 == stat.S_IMODE(closed.stat().st_mode)


@needs_root
async def test_a_folder_of_an_earlier_version_s_system_user_that_is_closed_now_becomes_root_s(
    home, monkeypatch
):
    if not namespace.available():
        pytest.skip("this container forbids user namespaces")
    with monkeypatch.context() as patch:
        patch.setattr(namespace, "available", lambda: False)
        embedded.prepare(home)
    before = (home / "postgres" / "data").owner()
    home.parent.chmod(0o700)

    embedded.prepare(home)
    async with serving(home):
        one = await query(home, "SELECT 1")

    assert ("pgserver", "root", 1) == (before, (home / "postgres" / "data").owner(), one)


def test_it_runs_as_an_ordinary_user(home):
    """Only the PostgreSQL programs are executed after the change: a root's Python is often closed to others."""
    if os.geteuid() != 0:
        pytest.skip("the other tests are this one")
    program = """
import asyncio, os, pwd, sys
from pathlib import Path
import asyncpg, encodings.idna
from hookline.database import embedded
from hookline.supervisor import Process

nobody = pwd.getpwnam("nobody")
os.setgroups([]), os.setgid(nobody.pw_gid), os.setuid(nobody.pw_uid)

async def main(home):
    embedded.prepare(home)
    process = Process(**embedded.process(home))
    popen = process.start("test", 2)
    while not await process.ready():
        assert popen.poll() is None
        await asyncio.sleep(0.02)
    connection = await asyncpg.connect(embedded.url(home, "hookline"))
    print(await connection.fetchval("SELECT current_database()"), (home / "postgres" / "data").owner())
    await connection.close()
    popen.send_signal(process.stop_signal)
    print(popen.wait(30))

asyncio.run(main(Path(sys.argv[1])))
"""
    home.mkdir()
    os.chown(home, pwd.getpwnam("nobody").pw_uid, -1)

    done = subprocess.run(
        [sys.executable, "-c", program, str(home)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd="/",
    )

    assert "hookline nobody\n0\n" == done.stdout, done.stderr
