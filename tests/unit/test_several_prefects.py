"""Several Prefect servers that share a Redis: what the settings make of them, and what they must have in common."""

import importlib
import os
import subprocess
import sys
from pathlib import Path

import prefect.settings
import pytest
from prefect_redis.cleanup_queue import RedisWorkerCleanupQueueSettings
from prefect_redis.client import RedisMessagingSettings
from pydantic import SecretStr

from hookline.cli.up import processes
from hookline.errors import ConfigurationError
from hookline.prefect_adapter.serving import names
from hookline.runtime import SHARED_SECRETS, bootstrap, prefect_environment, shared_secrets
from hookline.settings import Settings, settings

REDIS = "rediss://hookline:a-password-of-redis@redis.example.com:6380/3"
API = "http://prefect.internal:4200/api"
OURS = ("HOOKLINE_", "PREFECT_")


@pytest.fixture(autouse=True)
def environment(own_environment, tmp_path):
    """An environment without any variable of ours but the home."""
    for name in list(os.environ):
        if name.startswith(OURS):
            own_environment.delenv(name)
    own_environment.chdir(tmp_path)
    own_environment.setenv("HOOKLINE_HOME", str(tmp_path / "home"))
    settings.cache_clear()
    return own_environment


@pytest.fixture
def several(environment):
    """The `.env` of each of several machines."""
    variables = {
        "HOOKLINE_DATABASE_URL": "postgresql://hookline@db.example.com/hookline",
        "HOOKLINE_PREFECT_REDIS_URL": REDIS,
        "PREFECT_API_URL": API,
        **dict.fromkeys(SHARED_SECRETS, "something-of-16-characters"),
    }
    for name, value in variables.items():
        environment.setenv(name, value)


def test_with_a_redis_prefect_keeps_events_leases_and_due_work_there(several, environment):
    for name, value in prefect_environment(Settings.from_environment()).items():
        environment.setenv(name, value)
    server = prefect.settings.Settings().server

    assert [REDIS] * 3 == [
        RedisMessagingSettings().url,
        RedisWorkerCleanupQueueSettings().url,
        server.docket.url,
    ]
    assert ["messaging", "messaging", "ordering", "lease_storage", "cleanup_queue"] == [
        chosen.removeprefix("prefect_redis.")
        for chosen in (
            server.events.messaging_broker,
            server.events.messaging_cache,
            server.events.causal_ordering,
            server.concurrency.lease_storage,
            server.worker_channel.cleanup_queue_storage,
        )
    ]


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("messaging", "Publisher"),
        ("messaging", "Consumer"),
        ("messaging", "Cache"),
        ("ordering", "CausalOrdering"),
        ("lease_storage", "ConcurrencyLeaseStorage"),
        ("cleanup_queue", "WorkerCleanupQueue"),
    ],
)
def test_what_prefect_looks_for_in_each_module_is_there(module, name):
    assert hasattr(importlib.import_module(f"prefect_redis.{module}"), name)


def test_with_one_server_nothing_of_prefect_is_elsewhere():
    made = prefect_environment(Settings(home=Path("home")))

    assert [] == [name for name, value in made.items() if "redis" in (name + value).lower()]


def test_the_servers_behind_the_address_of_the_api_are_ours_and_their_ui_is_behind_the_gateway(several):
    found = Settings.from_environment()

    assert (True, API, "http://127.0.0.1:8400/prefect") == (
        found.has_own_prefect,
        found.prefect_api_url,
        found.prefect_ui_url,
    )


@pytest.mark.parametrize("url", ["redis.example.com", "http://redis.example.com", "unix:///run/redis"])
def test_a_redis_is_named_by_an_address_of_redis(environment, url):
    environment.setenv("HOOKLINE_PREFECT_REDIS_URL", url)
    with pytest.raises(ConfigurationError) as refused:
        Settings.from_environment()

    assert "HOOKLINE_PREFECT_REDIS_URL: Value error, must begin with redis://" in str(refused.value)


@pytest.mark.parametrize("missing", SHARED_SECRETS)
def test_a_machine_of_several_makes_no_secret_of_its_own(several, environment, tmp_path, missing):
    environment.delenv(missing)
    with pytest.raises(ConfigurationError) as refused:
        bootstrap()

    assert missing in str(refused.value)
    assert not (tmp_path / "home").exists()


def test_what_one_machine_prints_makes_another_the_same(environment, tmp_path):
    first = {
        name: value
        for name, value in prefect_environment(Settings(home=tmp_path)).items()
        if "AUTH" in name or "ENCRYPTION" in name
    }
    for name, value in shared_secrets(Settings(home=tmp_path)).items():
        environment.setenv(name, value)
    second = bootstrap()

    assert first == {name: os.environ[name] for name in first}
    assert (tmp_path / "secrets" / "admin-token").read_text() == second.admin_token.get_secret_value()
    assert not (tmp_path / "home" / "secrets").exists()


def test_the_command_prints_lines_for_an_env_file(environment, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    printed = subprocess.run(
        [sys.executable, "-m", "hookline", "secrets", "shared"],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path / "elsewhere",
    ).stdout
    folder = tmp_path / "home" / "secrets"

    assert {
        "HOOKLINE_ADMIN_TOKEN": (folder / "admin-token").read_text(),
        "PREFECT_SERVER_API_AUTH_STRING": (folder / "prefect-auth").read_text(),
        "PREFECT_API_AUTH_STRING": (folder / "prefect-auth").read_text(),
        "PREFECT_SERVER_ENCRYPTION_KEY": (folder / "prefect-encryption-key").read_text(),
    } == dict(line.split("=", 1) for line in printed.splitlines())


def test_with_a_redis_up_runs_the_services_beside_the_server(several, environment):
    together = [each.name for each in processes(Settings.from_environment())]
    for name in ("HOOKLINE_PREFECT_REDIS_URL", "PREFECT_API_URL"):
        environment.delenv(name)
    alone = [each.name for each in processes(Settings.from_environment())]

    assert "prefect" in alone
    assert ["prefect-services"] == [name for name in together if name not in alone]


def test_a_single_server_does_its_services_itself(tmp_path):
    refused = subprocess.run(
        [sys.executable, "-m", "hookline", "prefect-services"], capture_output=True, text=True, cwd=tmp_path
    )

    assert 2 == refused.returncode
    assert "HOOKLINE_PREFECT_REDIS_URL" in refused.stderr


def test_a_server_answers_to_this_machine_to_its_own_address_and_to_that_of_the_api(several):
    bootstrap()

    assert {"127.0.0.1", "::1", "localhost", "10.0.0.11", "prefect.internal"} == names("10.0.0.11")


def test_the_address_of_a_server_that_listens_elsewhere_is_that(tmp_path):
    assert "http://10.0.0.11:4200/api" == Settings(home=tmp_path, prefect_host="10.0.0.11").prefect_api_url


def test_the_password_of_redis_is_a_secret(several):
    from hookline.redaction import redact

    bootstrap()

    assert "a-password-of-redis" not in redact(f"cannot connect to {REDIS} with a-password-of-redis")
    assert SecretStr(REDIS) == settings().prefect_redis_url
    assert "a-password" not in repr(settings())


def test_the_proxy_of_the_page_leads_to_two_of_each():
    text = (Path(__file__).parents[2] / "deploy" / "nginx-many-machines.conf").read_text()

    assert (2, 2) == (text.count(":8400 max_fails"), text.count(":4200 max_fails"))
