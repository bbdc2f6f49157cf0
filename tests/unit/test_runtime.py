"""What a process needs around it: keys made here, Prefect's settings, the announcement; and where the databases are."""

import inspect
import json
import os
import stat
import subprocess
import sys
import time
from datetime import timedelta

import asyncpg
import psutil
import pytest
from prefect.settings.models.server.services import ServerServicesDBVacuumSettings
from sqlalchemy import make_url
from sqlalchemy.dialects.postgresql.asyncpg import dialect

from hookline.database import embedded
from hookline.database.connection import database_url, prefect_database_url
from hookline.runtime import bootstrap, local_secret, prefect_environment, remove_pidfile, write_pidfile
from hookline.settings import Settings, settings

OURS = ("HOOKLINE_", "PREFECT_", "JIWA_", "ZENTITLE_", "SENSORPRO_", "JETADVICE_", "JIFELINE_")
OWN_VARIABLE = "PREFECT_SERVER_DATABASE_CONNECTION_URL"


@pytest.fixture(autouse=True)
def environment(own_environment, tmp_path):
    """An environment without any variable of ours but the home."""
    for name in [*os.environ, "DO_NOT_TRACK"]:
        if name.startswith((*OURS, "DO_NOT_TRACK")):
            own_environment.delenv(name, raising=False)
    own_environment.chdir(tmp_path)
    own_environment.setenv("HOOKLINE_HOME", str(tmp_path / "home"))
    return own_environment


@pytest.fixture
def home(tmp_path):
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


# Secrets made on this machine ------------------------------------------------------------------------------


def test_a_secret_is_made_once(home):
    first = local_secret(home, "key")

    assert (first, first) == (local_secret(home, "key"), (home / "secrets" / "key").read_text())


def test_two_secrets_differ_and_cannot_be_guessed(tmp_path):
    made = [local_secret(tmp_path / home, name) for home in ("one", "two") for name in ("a", "b")]

    assert (4, True) == (len(set(made)), all(len(secret) >= 43 for secret in made))


def test_a_secret_begins_as_the_value_it_is_given_and_stays_so(home):
    assert ["given", "given"] == [local_secret(home, "key", make=value) for value in ("given", "another")]


def test_a_secret_that_somebody_put_there_is_used(home):
    (home / "secrets").mkdir()
    (home / "secrets" / "key").write_text("mine\n")

    assert "mine" == local_secret(home, "key")


@pytest.mark.parametrize("mask", [0o000, 0o022, 0o077])
def test_only_the_owner_may_read_a_secret_whatever_the_umask(home, mask):
    before = os.umask(mask)
    try:
        local_secret(home, "key")
    finally:
        os.umask(before)

    assert (0o600, 0o700) == (mode(home / "secrets" / "key"), mode(home / "secrets"))


def test_a_home_that_a_secret_makes_is_its_owner_s_alone(tmp_path):
    local_secret(tmp_path / "new" / "home", "key")

    assert 0o700 == mode(tmp_path / "new" / "home")


def test_no_draft_is_left_beside_a_secret(home):
    local_secret(home, "key")

    assert ["key"] == [path.name for path in (home / "secrets").iterdir()]


def test_many_processes_at_once_get_one_secret(tmp_path, repository):
    """All begin each of fifty homes at the same moment, so that some are too late by a hair."""
    code = (
        "import sys, time; from pathlib import Path; from hookline.runtime import local_secret\n"
        "print('ready', flush=True)\n"
        "start = float(sys.stdin.readline())\n"
        "for n in range(50):\n"
        "    while time.time() < start + n * 0.004: pass\n"
        "    print(local_secret(Path(sys.argv[1]) / str(n), 'key'))\n"
    )
    children = [
        subprocess.Popen(
            [sys.executable, "-c", code, tmp_path],
            cwd=repository,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    for child in children:
        assert "ready\n" == child.stdout.readline()
    start = time.time() + 0.1
    for child in children:
        child.stdin.write(f"{start}\n")
        child.stdin.flush()

    answers = {child.communicate(timeout=60)[0] for child in children}

    assert (1, [0] * 4) == (len(answers), [child.returncode for child in children])
    assert 50 == len(set(answers.pop().split()))


def test_two_containers_that_share_a_home_get_one_secret(home, environment):
    link, others = os.link, []

    def link_after_the_other(*paths):
        environment.setattr(os, "link", link)
        others.append(local_secret(home, "key"))
        link(*paths)

    environment.setattr(os, "link", link_after_the_other)
    mine = local_secret(home, "key")

    assert [mine, mine] == [*others, local_secret(home, "key")]


# Prefect's settings ----------------------------------------------------------------------------------------


def test_prefect_is_kept_under_the_home(home):
    made = prefect_environment(Settings(home=home))

    assert (f"{home}/prefect", f"{home}/prefect/profiles.toml", f"{home}/prefect/ui") == (
        made["PREFECT_HOME"],
        made["PREFECT_PROFILES_PATH"],
        made["PREFECT_SERVER_UI_STATIC_DIRECTORY"],
    )


def test_nothing_phones_home(home):
    made = prefect_environment(Settings(home=home))

    assert ("false", "1", "false") == (
        made["PREFECT_SERVER_ANALYTICS_ENABLED"],
        made["DO_NOT_TRACK"],
        made["PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT"],
    )


def test_the_key_of_the_blocks_is_made_once_and_fits_prefect(home):
    from cryptography.fernet import Fernet

    first, again = (
        prefect_environment(Settings(home=home))["PREFECT_SERVER_ENCRYPTION_KEY"] for _ in range(2)
    )

    Fernet(first)
    assert (first, 0o600) == (again, mode(home / "secrets" / "prefect-encryption-key"))


def test_enter_puts_all_of_it_into_the_environment(home):
    entered = bootstrap()

    made = prefect_environment(entered)
    assert made == {name: os.environ.get(name) for name in made}


def test_enter_leaves_every_variable_alone_that_the_user_set(home, environment):
    names = list(prefect_environment(Settings(home=home)))
    for name in names:
        environment.setenv(name, f"mine {name}")

    bootstrap()

    assert {name: f"mine {name}" for name in names} == {name: os.environ[name] for name in names}


def test_enter_fills_in_a_variable_that_is_empty(home, environment):
    environment.setenv("PREFECT_HOME", "")

    bootstrap()

    assert f"{home}/prefect" == os.environ["PREFECT_HOME"]


def test_entering_twice_changes_nothing(home):
    bootstrap(sandbox=True)
    before = dict(os.environ)

    bootstrap(sandbox=True)

    assert before == dict(os.environ)


def test_without_the_sandbox_no_vendor_and_no_webhook_secret_is_set(home):
    entered = bootstrap()

    assert (False, []) == (
        entered.sandbox,
        [name for name in os.environ if name.startswith((*OURS[2:], "HOOKLINE_SECRET_"))],
    )


def test_in_the_sandbox_the_vendors_are_simulators_and_the_sources_have_secrets(home):
    entered = bootstrap(sandbox=True)

    assert (True, "true", "http://127.0.0.1:8410") == (
        entered.sandbox,
        os.environ["HOOKLINE_SANDBOX"],
        os.environ["JIWA_BASE_URL"],
    )
    assert (home / "secrets" / "webhook-jiwa").read_text() == os.environ["HOOKLINE_SECRET_JIWA"]
    assert os.environ["HOOKLINE_SECRET_STANDARD"].startswith("whsec_")


def test_the_sandbox_leaves_the_user_s_own_vendors_and_secrets_alone(home, environment):
    environment.setenv("JIWA_BASE_URL", "https://jiwa.example")
    environment.setenv("HOOKLINE_SECRET_JIWA", "mine")

    bootstrap(sandbox=True)

    assert ("https://jiwa.example", "mine", None) == (
        os.environ["JIWA_BASE_URL"],
        os.environ["HOOKLINE_SECRET_JIWA"],
        os.environ.get("JIWA_API_KEY"),
    )


def test_settings_read_before_do_not_keep_enter_from_the_sandbox(home):
    assert (False, True) == (settings().sandbox, bootstrap(sandbox=True).sandbox)


# The announcement ------------------------------------------------------------------------------------------


def test_a_command_beside_a_sandbox_that_runs_reaches_the_same_vendors(home):
    write_pidfile(home, sandbox=True)

    assert (True, "http://127.0.0.1:8410") == (bootstrap().sandbox, os.environ["JIWA_BASE_URL"])


def test_a_command_beside_the_real_thing_reaches_no_simulator(home):
    write_pidfile(home, sandbox=False)

    assert (False, None) == (bootstrap().sandbox, os.environ.get("JIWA_BASE_URL"))


def test_an_announcement_that_was_taken_back_counts_no_more(home):
    write_pidfile(home, sandbox=True)
    remove_pidfile(home)

    assert (False, ["secrets"]) == (bootstrap().sandbox, [path.name for path in home.iterdir()])


def test_taking_back_what_was_never_announced_is_no_mistake(home):
    remove_pidfile(home)
    remove_pidfile(home)


def announce_as(pid, home):
    write_pidfile(home, sandbox=True)
    announcement = home / "running.json"
    announcement.write_text(json.dumps(json.loads(announcement.read_text()) | {"pid": pid}))


def test_the_announcement_of_a_process_that_died_is_ignored(home):
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    announce_as(child.pid, home)

    assert (False, False) == (psutil.pid_exists(child.pid), bootstrap().sandbox)


@pytest.mark.parametrize(
    "torn", ["", "{", '{"pid": 12', "not json", "\x00\x00", "null", "[]", "{}", '{"pid": "x"}', '{"pid": -1}']
)
def test_an_announcement_that_was_torn_is_ignored(home, torn):
    (home / "running.json").write_text(torn)

    assert bootstrap().sandbox is False


def test_the_announcement_of_a_process_whose_number_is_another_s_by_now_is_ignored(home):
    announce_as(1, home)

    assert bootstrap().sandbox is False


# Where the databases are -----------------------------------------------------------------------------------


def test_without_a_setting_both_databases_are_in_the_embedded_server(home):
    ours, prefects = database_url(Settings(home=home)), prefect_database_url(Settings(home=home))

    assert (embedded.url(home, "hookline"), embedded.url(home, "prefect")) == (
        ours,
        prefects.replace("postgresql+asyncpg://", "postgresql://"),
    )
    assert "postgresql+asyncpg://" in prefects


@pytest.mark.parametrize(
    ("given", "prefects"),
    [
        ("postgresql://db/hookline", "postgresql+asyncpg://db/hookline_prefect"),
        ("postgres://db/hookline", "postgresql+asyncpg://db/hookline_prefect"),
        ("postgresql://u:p%2Fw@db:5433/hook-line", "postgresql+asyncpg://u:p%2Fw@db:5433/hook-line_prefect"),
        ("postgresql://[::1]:5433/h", "postgresql+asyncpg://[::1]:5433/h_prefect"),
        (
            "postgresql://u@db/h?host=/run/pg&port=5433",
            "postgresql+asyncpg://u@db/h_prefect?host=/run/pg&port=5433",
        ),
        (
            "postgresql://postgres:postgresql@postgresql/postgresql",
            "postgresql+asyncpg://postgres:postgresql@postgresql/postgresql_prefect",
        ),
    ],
)
def test_prefect_gets_a_database_beside_ours_on_the_same_server(home, given, prefects):
    current = Settings(home=home, database_url=given)

    assert (given, prefects) == (database_url(current), prefect_database_url(current))


@pytest.mark.parametrize("given", [None, "postgresql://db/hookline"])
@pytest.mark.parametrize(
    "own", ["postgresql+asyncpg://other/prefect", "sqlite+aiosqlite:////data/prefect.db"]
)
def test_a_database_that_the_user_gave_prefect_wins(home, environment, given, own):
    environment.setenv(OWN_VARIABLE, own)
    current = Settings(home=home, database_url=given)

    assert (own, own) == (prefect_database_url(current), prefect_environment(current)[OWN_VARIABLE])


def test_a_database_on_a_socket_has_one_of_prefect_beside_it(home):
    current = Settings(home=home, database_url="postgresql:///hookline?host=/run/postgresql")

    assert "postgresql+asyncpg:///hookline_prefect?host=/run/postgresql" == prefect_database_url(current)


@pytest.mark.parametrize(
    "given",
    [
        "postgresql://u:p@db:5433/hookline",
        "postgresql://u@db/hookline?host=/run/pg&port=5433",
        "postgresql://u:p@db/hookline?sslmode=require",
    ],
)
def test_what_prefect_s_address_says_is_understood_by_its_driver(home, given):
    url = make_url(prefect_database_url(Settings(home=home, database_url=given)))

    _, arguments = dialect().create_connect_args(url)

    assert set() == set(arguments) - set(inspect.signature(asyncpg.connect).parameters)


@pytest.mark.parametrize("given", ["postgresql://u@db", "postgresql://u@db?sslmode=require"])
def test_an_address_that_names_no_database_leads_to_no_other_server(home, given):
    with pytest.raises(ValueError, match="must name a database"):
        Settings(home=home, database_url=given)


def test_an_ssl_setting_that_prefect_s_driver_does_not_know_is_refused_by_name(home):
    with pytest.raises(ValueError, match="only sslmode is known, not sslrootcert"):
        Settings(home=home, database_url="postgresql://u:p@db/h?sslmode=verify-full&sslrootcert=/etc/ca.pem")


def test_prefects_recorder_is_flushed_in_whole_seconds(home):
    """Prefect cuts a fraction off, and at 0 its server spins: most of a core, for nothing."""
    made = prefect_environment(Settings(home=home))

    assert int(float(made["PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_FLUSH_INTERVAL"])) >= 1


def test_prefect_understands_for_how_long_it_is_to_keep_runs_and_events(home, environment):
    made = prefect_environment(Settings(home=home, keep_runs_days=3))
    for name in made:
        if "DB_VACUUM" in name:
            environment.setenv(name, made[name])

    read = ServerServicesDBVacuumSettings()

    assert ({"events", "flow_runs", "orphans"}, timedelta(days=3)) == (
        read.enabled_vacuum_types,
        read.retention_period,
    )
    assert timedelta(days=1) == read.event_retention_overrides["prefect.task-run.Completed"]
