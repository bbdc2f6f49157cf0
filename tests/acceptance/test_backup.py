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
from commands import run_here, run_process

from hookline.backup.postgres import Database
from hookline.database import embedded, schema
from hookline.database.migrate import upgrade
from hookline.database.prefects import known_revisions
from hookline.sandbox.stack import own_ports
from hookline.settings import Settings
from hookline.supervisor.lock import only_one

ONE_MORE = """
INSERT INTO deliveries (source, external_id, method, query, headers, content_type, state)
VALUES ('jiwa', $1, 'POST', '{}', '{}', '', 'received')
"""
NEWER = """
revision, down_revision, branch_labels, depends_on = "0005", "0004", None, None


def upgrade():
    pass
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
    sql(url, "INSERT INTO alembic_version VALUES ($1)", min(known_revisions()))
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
    parts["manifest.json"] = parts["manifest.json"].replace(b'"format": 2', b'"format": 3')


def _other_data(parts):
    parts["hookline.dump"] = parts["hookline.dump"][:-1] + b"x"


def _with_path(parts):
    manifest = json.loads(parts["manifest.json"])
    manifest["parts"]["secrets/../../evil"] = manifest["parts"]["secrets/admin-token"]
    parts["manifest.json"] = json.dumps(manifest).encode()
    parts["secrets/../../evil"] = parts["secrets/admin-token"]


def _with_a_file_elsewhere(parts):
    manifest = json.loads(parts["manifest.json"])
    manifest["parts"]["files/../evil"] = manifest["parts"]["secrets/admin-token"]
    parts["manifest.json"] = json.dumps(manifest).encode()
    parts["files/../evil"] = parts["secrets/admin-token"]


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
        (_with_a_file_elsewhere, "which no backup has"),
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


@pytest.fixture
def project(home):
    """A firm's project beside the copy of the home, with settings, a flow, a link that leads away, and its data in it."""
    folder = home.parent / "acme"
    for name, text in {
        "hooks.yaml": "sources: {}\n",
        "prefect.yaml": "deployments: []\n",
        ".env": "HOOKLINE_BODY_KEYS=\n",
        "flows/own flow.py": "# ours\n",
        ".git/config": "",
        "flows/__pycache__/x.pyc": "",
    }.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    (folder / "elsewhere").symlink_to(home)
    (folder / ".env").chmod(0o600)
    return folder


OWN = [".env", "flows/own flow.py", "hooks.yaml", "prefect.yaml"]


def in_project(project, home, *words, code=0):
    return command(home, *words, "--project", str(project), code=code)


def content(folder):
    return {name: (folder / name).read_text() for name in OWN}


def test_a_backup_has_the_firm_s_own_files_and_says_what_it_has_not(home, project):
    file = home.parent / "tuesday.backup"

    said = in_project(project, home, "backup", str(file), "--json").stdout

    made = json.loads(said)
    assert (OWN, str(project)) == (made["files"], made["folder"])
    assert [True, f"{project}/elsewhere, a link to a folder"] == [
        made["not_in_it"][0].startswith("the code: Hookline "),
        made["not_in_it"][1],
    ]


def test_its_files_make_the_project_on_another_machine(home, project):
    file, other = home.parent / "tuesday.backup", home.parent / "other" / "acme"
    in_project(project, home, "backup", str(file))

    command(home, "restore", str(file), "--files", str(other))

    assert content(project) == content(other)
    assert 0o600 == stat.S_IMODE((other / ".env").stat().st_mode)
    assert OWN == sorted(path.relative_to(other).as_posix() for path in other.rglob("*") if path.is_file())


def test_a_file_that_was_changed_since_is_replaced_only_if_somebody_agrees_and_stays_beside_it(home, project):
    file = home.parent / "tuesday.backup"
    in_project(project, home, "backup", str(file))
    before = content(project)
    (project / "hooks.yaml").write_text("# newer\n")

    refused = in_project(project, home, "restore", str(file), "--files", str(project), code=1)
    assert "these files are others than in the backup: hooks.yaml" in refused.stderr
    assert "# newer\n" == (project / "hooks.yaml").read_text()
    command(home, "restore", str(file), "--files", str(project), "--yes")

    [kept] = project.glob("hooks.yaml.before-*")
    assert (before, "# newer\n") == (content(project), kept.read_text())


def test_restoring_the_data_leaves_the_files_alone_and_names_those_that_differ(home, project):
    file = home.parent / "tuesday.backup"
    in_project(project, home, "backup", str(file))
    (project / "hooks.yaml").write_text("# newer\n")
    (project / "flows" / "own flow.py").unlink()

    done = in_project(project, home, "restore", str(file), "--yes")

    assert "In the backup, these are others: hooks.yaml, flows/own flow.py." in done.stdout
    assert ("# newer\n", False) == (
        (project / "hooks.yaml").read_text(),
        (project / "flows" / "own flow.py").exists(),
    )


def test_a_file_is_written_to_no_place_that_a_link_leads_to(home, project):
    file, other = home.parent / "tuesday.backup", home.parent / "other"
    in_project(project, home, "backup", str(file))
    other.mkdir()
    (other / "flows").symlink_to(home)

    refused = command(home, "restore", str(file), "--files", str(other), code=1)

    assert "a link leads away" in refused.stderr
    assert not (home / "own flow.py").exists()


def test_a_key_of_dotenv_is_in_the_backup_and_one_of_the_environment_is_named(home, project):
    key = "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LTEyMzQ="
    (project / ".env").write_text(f"HOOKLINE_BODY_KEYS={key}\n")
    env = os.environ | {
        "HOOKLINE_HOME": str(home),
        "HOOKLINE_DATABASE_URL": "",
        "HOOKLINE_ADMIN_TOKEN": "x" * 20,
    }
    words = ("backup", str(home.parent / "keys.backup"), "--json", "--project", str(project))

    made = json.loads(run_here(*words, env=env).stdout)

    assert ["HOOKLINE_ADMIN_TOKEN"] == made["keys_not_in_it"]
    assert "set by the environment, in no file: HOOKLINE_ADMIN_TOKEN" in made["not_in_it"]


def test_a_backup_of_an_older_schema_is_brought_up_to_date_by_newer_code(home, file, monkeypatch, tmp_path):
    versions = tmp_path / "migrations" / "versions"
    shutil.copytree(schema.VERSIONS.parent, versions.parent)
    (versions / "0005_newer.py").write_text(NEWER)
    monkeypatch.setattr(schema, "VERSIONS", versions)
    monkeypatch.setattr(schema, "KNOWN", [*schema.KNOWN, "0005"])

    command(home, "restore", str(file), "--yes")

    with embedded.served(home):
        assert ["before"] == delivered(home)
        own = embedded.url(home, "hookline")
        assert "0005" == sql(own, "SELECT version_num FROM alembic_version")[0][0]
        assert [None] != [row[0] for row in sql(own, "SELECT held_since FROM lineage")]


def test_a_database_of_newer_code_is_replaced_by_a_backup_of_this_one_and_stays(home, file):
    own = embedded.url(home, "hookline")
    with embedded.served(home):
        sql(own, "UPDATE alembic_version SET version_num = '9999'")
        sql(own, "COMMENT ON TABLE alembic_version IS 'Hookline 9.0.0'")
        sql(own, "ALTER TABLE deliveries RENAME TO of_newer_code")

    refused = command(home, "restore", str(file), code=1)
    done = json.loads(command(home, "restore", str(file), "--yes", "--json").stdout)

    assert "hookline: the schema 9999 of Hookline 9.0.0" in refused.stderr
    with embedded.served(home):
        assert ["before"] == delivered(home)
        old = next(name for name in done["before"] if "hookline_before" in name).removeprefix("database ")
        assert 1 == sql(embedded.url(home, old), "SELECT count(*) FROM of_newer_code")[0][0]


def test_up_on_a_database_of_newer_code_ends_and_says_why(home):
    with embedded.served(home):
        own = embedded.url(home, "hookline")
        sql(own, "UPDATE alembic_version SET version_num = '9999'")
        sql(own, "COMMENT ON TABLE alembic_version IS 'Hookline 9.0.0'")

    ended = run_process("up", env=os.environ | own_ports() | {"HOOKLINE_HOME": str(home)})

    assert 1 == ended.returncode
    assert (
        "The database has the schema 9999, made by Hookline 9.0.0, and this code, Hookline " in ended.stderr
    )
    assert "Traceback" not in ended.stdout + ended.stderr


def test_a_password_stands_in_no_command_line():
    database = Database("postgresql://ann:se%20cret@db.example/hookline?sslmode=require")

    assert "postgresql://ann@db.example/hookline?sslmode=require" == database.address
    assert "se cret" == database.environment()["PGPASSWORD"]
    assert "hookline" == database.name
