"""Backup and restore with real servers: whole or not at all, and what is restored is held."""

import asyncio
import hashlib
import json
import os
import shutil
import stat
import tempfile
import zipfile
from contextlib import contextmanager
from pathlib import Path

import asyncpg
import pytest
from commands import run_here

from hookline.backup.postgres import Database
from hookline.backup.restore import _prefect_revisions
from hookline.database import embedded
from hookline.database.migrate import upgrade
from hookline.settings import Settings
from hookline.supervisor.lock import only_one

ONE_MORE = """
INSERT INTO deliveries (source, external_id, method, query, headers, content_type, state)
VALUES ('jiwa', $1, 'POST', '{}', '{}', '', 'received')
"""
KEYS = {"prefect-encryption-key": "the key", "admin-token": "a token"}


def sql(url, statement, *arguments):
    async def run():
        connection = await asyncpg.connect(url)
        try:
            return await connection.fetch(statement, *arguments)
        finally:
            await connection.close()

    return asyncio.run(run())


def deliver(home, number):
    sql(embedded.url(home, "hookline"), ONE_MORE, number)


def delivered(home):
    return [
        row[0]
        for row in sql(embedded.url(home, "hookline"), "SELECT external_id FROM deliveries ORDER BY seq")
    ]


def make_prefects(url):
    sql(url, "CREATE TABLE IF NOT EXISTS alembic_version (version_num text)")
    sql(url, "INSERT INTO alembic_version VALUES ($1)", min(_prefect_revisions()))
    sql(url, "CREATE TABLE flow_run (name text)")
    sql(url, "INSERT INTO flow_run VALUES ('zealous-otter')")


@contextmanager
def new_home():
    with tempfile.TemporaryDirectory(prefix="hookline-test-") as folder:
        Path(folder).chmod(0o711)
        home = Path(folder) / "home"
        (home / "secrets").mkdir(parents=True, mode=0o700)
        for name, key in KEYS.items():
            (home / "secrets" / name).write_text(key)
        yield home


@pytest.fixture(scope="module")
def made():
    """A home with both databases and one delivery, and a backup of it."""
    with new_home() as home:
        with embedded.served(home):
            upgrade(Settings(home=home))
            make_prefects(embedded.url(home, "prefect"))
            deliver(home, "before")
        command(home, "backup", str(home.parent / "monday.backup"))
        yield home


@pytest.fixture
def home(made):
    """A copy of that home."""
    with new_home() as home:
        shutil.rmtree(home)
        shutil.copytree(made, home)
        yield home


def command(home, *words, code=0, **options):
    done = run_here(
        *words, env=os.environ | {"HOOKLINE_HOME": str(home), "HOOKLINE_DATABASE_URL": ""}, **options
    )
    assert code == done.returncode, done.stderr
    return done


@pytest.fixture
def file(made, home):
    """The backup, beside the copy."""
    return Path(shutil.copy2(made.parent / "monday.backup", home.parent / "monday.backup"))


def test_a_backup_that_is_restored_brings_back_both_databases_and_the_keys_and_is_held(home, file):
    with embedded.served(home):
        deliver(home, "after")
    (home / "secrets" / "admin-token").write_text("another token")

    done = json.loads(command(home, "restore", str(file), "--yes", "--json").stdout)

    with embedded.served(home):
        assert ["before"] == delivered(home)
        assert "zealous-otter" == sql(embedded.url(home, "prefect"), "SELECT name FROM flow_run")[0][0]
        [held] = sql(
            embedded.url(home, "hookline"), "SELECT held_reason FROM lineage WHERE held_since IS NOT NULL"
        )
        old = next(name for name in done["before"] if "hookline_before" in name).removeprefix("database ")
        assert 2 == sql(embedded.url(home, old), "SELECT count(*) FROM deliveries")[0][0]
    assert held[0].startswith("The database was restored from the backup of ")
    assert KEYS == {path.name: path.read_text() for path in (home / "secrets").iterdir() if path.name in KEYS}
    assert {0o600} == {stat.S_IMODE(path.stat().st_mode) for path in (home / "secrets").iterdir()}
    assert {"hookline", "prefect"} == {*done["databases"]}


def test_a_backup_of_another_home_brings_up_an_empty_one(file):
    with new_home() as other:
        shutil.rmtree(other / "secrets")

        command(other, "restore", str(file))

        with embedded.served(other):
            assert ["before"] == delivered(other)
        assert "the key" == (other / "secrets" / "prefect-encryption-key").read_text()


def test_a_backup_is_for_its_owner_alone_and_another_file_stays(home, file):
    content = file.read_bytes()

    refused = command(home, "backup", str(file), code=1)

    assert 0o600 == stat.S_IMODE(file.stat().st_mode)
    assert "is there already" in refused.stderr
    assert content == file.read_bytes()
    assert ["home", "monday.backup"] == sorted(path.name for path in file.parent.iterdir())


def test_what_is_there_is_not_replaced_before_somebody_agrees(home, file):
    refused = command(home, "restore", str(file), code=1)

    assert "hookline: 1 deliveries, 0 effects" in refused.stderr
    assert "Nothing was changed" in refused.stderr
    assert_untouched(home)


def test_nothing_is_restored_while_hookline_runs_on_the_home(home, file):
    with only_one(home):
        refused = command(home, "restore", str(file), "--yes", code=1)

    assert "already running on this home" in refused.stderr


def _changed(path, change):
    """A copy of the backup with its parts changed by a function."""
    with zipfile.ZipFile(path) as old:
        parts = {row.filename: old.read(row) for row in old.infolist()}
    change(parts)
    other = path.with_name("changed.backup")
    with zipfile.ZipFile(other, "w") as new:
        for name, content in parts.items():
            new.writestr(name, content)
    return other


def _newer(parts):
    parts["manifest.json"] = parts["manifest.json"].replace(b'"schema": "0004"', b'"schema": "9999"')


def _newer_format(parts):
    parts["manifest.json"] = parts["manifest.json"].replace(b'"format": 1', b'"format": 2')


def _other_data(parts):
    parts["hookline.dump"] = parts["hookline.dump"][:-1] + b"x"


def _with_path(parts):
    manifest = json.loads(parts["manifest.json"])
    manifest["parts"]["secrets/../../evil"] = manifest["parts"]["secrets/admin-token"]
    parts["manifest.json"] = json.dumps(manifest).encode()
    parts["secrets/../../evil"] = parts["secrets/admin-token"]


def _without_a_database(parts):
    manifest = json.loads(parts["manifest.json"])
    del parts["prefect.dump"], manifest["parts"]["prefect.dump"]
    parts["manifest.json"] = json.dumps(manifest).encode()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (_newer, "has the schema 9999"),
        (_newer_format, "made by a newer Hookline"),
        (_other_data, "hookline.dump is not what was written"),
        (_with_path, "which no backup has"),
        (_without_a_database, "a database is missing"),
    ],
)
def test_a_file_that_was_changed_or_is_newer_is_refused(home, file, change, says):
    refused = command(home, "restore", str(_changed(file, change)), "--yes", code=1)

    assert says in refused.stderr
    assert_untouched(home)


@pytest.mark.parametrize("part", [0, 0.5, 0.99])
def test_a_file_that_was_cut_off_is_refused(home, file, part):
    content = file.read_bytes()
    file.write_bytes(content[: int(len(content) * part)])

    refused = command(home, "restore", str(file), "--yes", code=1)

    assert "is damaged or was changed" in refused.stderr
    assert_untouched(home)


def test_a_restore_that_fails_half_way_leaves_what_was_there(home, file):
    def broken(parts):
        dump = parts["hookline.dump"]
        dump = dump[: int(len(dump) * 0.9)]
        manifest = json.loads(parts["manifest.json"])
        manifest["parts"]["hookline.dump"] = {"bytes": len(dump), "sha256": hashlib.sha256(dump).hexdigest()}
        parts |= {"hookline.dump": dump, "manifest.json": json.dumps(manifest).encode()}

    refused = command(home, "restore", str(_changed(file, broken)), "--yes", code=1)

    assert "failed" in refused.stderr
    assert_untouched(home)


def assert_untouched(home):
    assert KEYS == {path.name: path.read_text() for path in (home / "secrets").iterdir() if path.name in KEYS}
    assert [] == [path.name for path in home.glob("secrets-*")]
    with embedded.served(home):
        assert ["before"] == delivered(home)
        names = sql(
            embedded.url(home, "postgres"),
            "SELECT datname FROM pg_database WHERE datname ~ '_(restoring|before)'",
        )
        assert [] == names
        assert [None] == [
            row[0] for row in sql(embedded.url(home, "hookline"), "SELECT held_since FROM lineage")
        ]


def test_a_server_of_ones_own_is_backed_up_and_restored_while_nobody_is_connected(home):
    url = embedded.url(home, "firm")
    environment = os.environ | {"HOOKLINE_HOME": str(home.parent / "other"), "HOOKLINE_DATABASE_URL": url}
    file = home.parent / "firm.backup"
    with embedded.served(home):
        for name in ("firm", "firm_prefect"):
            sql(embedded.url(home, "postgres"), f"CREATE DATABASE {name}")
        upgrade(Settings(home=home.parent / "other", database_url=url))
        make_prefects(embedded.url(home, "firm_prefect"))
        sql(url, ONE_MORE, "before")
        assert 0 == run_here("backup", str(file), env=environment).returncode
        sql(url, ONE_MORE, "after")

        refused = asyncio.run(
            _while_connected(url, lambda: run_here("restore", str(file), "--yes", env=environment))
        )
        left = sql(url, "SELECT count(*) FROM deliveries")[0][0]
        done = run_here("restore", str(file), "--yes", env=environment)

        assert 0 == done.returncode, done.stderr
        assert "The database firm is in use, by somebody" in refused.stderr
        assert (2, 1) == (left, sql(url, "SELECT count(*) FROM deliveries")[0][0])
        assert "zealous-otter" == sql(embedded.url(home, "firm_prefect"), "SELECT name FROM flow_run")[0][0]


async def _while_connected(url, run):
    connection = await asyncpg.connect(url, server_settings={"application_name": "somebody"})
    try:
        return await asyncio.to_thread(run)
    finally:
        await connection.close()


def test_a_password_stands_in_no_command_line():
    database = Database("postgresql://ann:se%20cret@db.example/hookline?sslmode=require")

    assert "postgresql://ann@db.example/hookline?sslmode=require" == database.address
    assert "se cret" == database.environment()["PGPASSWORD"]
    assert "hookline" == database.name
