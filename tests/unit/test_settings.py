"""Settings: read from the environment and `.env`, and mistakes told by the variable's name."""

import os
from pathlib import Path

import pytest

from hookline.errors import ConfigurationError
from hookline.health.environment import check_variables
from hookline.settings import VENDORS, Settings, settings, simulator_environment
from hookline.shipped.jiwa import JiwaSettings
from hookline.shipped.sensorpro import SensorproSettings
from hookline.shipped.zentitle import ZentitleSettings
from hookline.source_secrets import webhook_secrets

OURS = ("HOOKLINE_", "PREFECT_", "JIWA_", "ZENTITLE_", "SENSORPRO_", "JETADVICE_", "JIFELINE_")
NUMBERS = {
    "gateway_port": (1, 65535),
    "prefect_port": (1, 65535),
    "worker_port": (1, 65535),
    "sandbox_port": (1, 65000),
    "engine_concurrency": (1, 200),
    "engine_threads": (1, 200),
    "batch_backlog": (0, 1_000_000),
    "batch_size": (1, 10_000),
    "lease_seconds": (1, 3600),
    "blocked_seconds": (1, 3600),
    "landing_seconds": (0, 86_400),
    "call_seconds": (1, 300),
    "retry_seconds": (0.1, 3600),
    "probe_seconds": (0.1, 3600),
    "give_up_hours": (0.001, 1000),
    "send_seconds": (0.1, 300),
    "max_connections": (1, 10_000),
    "max_address_connections": (1, 10_000),
    "max_unproven_mb": (1, 100_000),
    "max_failed_auth": (1, 100_000),
    "max_backlog": (1, 100_000_000),
    "min_free_mb": (0, 1_000_000_000),
    "take_back_seconds": (0, 90),
    "keep_days": (1, 3650),
    "keep_runs_days": (1, 3650),
}


@pytest.fixture(autouse=True)
def environment(own_environment, tmp_path):
    """An environment without any variable of ours, in an empty working directory."""
    for name in list(os.environ):
        if name.startswith(OURS):
            own_environment.delenv(name)
    own_environment.chdir(tmp_path)
    return own_environment


@pytest.fixture
def dotenv(tmp_path):
    return (tmp_path / ".env").write_text


@pytest.fixture
def complaint(environment):
    """What is said of the environment; it ends the command with exit code 2."""

    def of(kind=Settings, **variables):
        for name, value in variables.items():
            environment.setenv(name, value)
        with pytest.raises(ConfigurationError) as raised:
            kind.from_environment()
        first, *problems, last = str(raised.value).splitlines()
        assert (2, "The environment is not right.", "See .env.example.") == (
            raised.value.exit_code,
            first,
            last,
        )
        return [problem.strip() for problem in problems]

    return of


def test_with_nothing_set_all_is_on_this_machine_and_under_the_working_directory(tmp_path):
    read = Settings.from_environment()

    assert (tmp_path / ".hookline", None, "http://127.0.0.1:8400", "http://127.0.0.1:4200/api") == (
        read.home,
        read.database_url,
        read.gateway_url,
        read.prefect_api_url,
    )


def test_every_number_has_its_bounds_tested_here():
    assert set(NUMBERS) == {
        name for name, field in Settings.model_fields.items() if field.annotation in (int, float)
    }


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("value", ["many", "1;2", "0x10", "nan", "inf", "1e999", "-1"])
def test_a_number_that_is_none_or_out_of_bounds_is_told_by_its_variable(complaint, name, value):
    variable = f"HOOKLINE_{name.upper()}"

    assert [True] == [
        said.startswith(f"{variable}: Input should be ") for said in complaint(**{variable: value})
    ]


@pytest.mark.parametrize(("name", "bounds"), NUMBERS.items())
def test_a_number_may_be_at_its_bounds_and_not_beyond(environment, complaint, name, bounds):
    variable = f"HOOKLINE_{name.upper()}"
    for bound in bounds:
        environment.setenv(variable, str(bound))

        assert bound == getattr(Settings.from_environment(), name)

    for beyond in (bounds[0] - 1, bounds[1] + 1):
        assert 1 == len(complaint(**{variable: str(beyond)}))


@pytest.mark.parametrize("value", ["perhaps", "2"])
def test_a_switch_that_is_neither_on_nor_off_is_told_by_its_variable(complaint, value):
    assert ["HOOKLINE_SANDBOX: Input should be a valid boolean, unable to interpret input"] == complaint(
        HOOKLINE_SANDBOX=value
    )


def test_all_that_is_wrong_is_told_at_once(complaint):
    said = complaint(HOOKLINE_GATEWAY_PORT="x", HOOKLINE_SANDBOX="x", HOOKLINE_DATABASE_URL="x")

    assert ["HOOKLINE_DATABASE_URL", "HOOKLINE_GATEWAY_PORT", "HOOKLINE_SANDBOX"] == [
        one.split(":")[0] for one in said
    ]


@pytest.mark.parametrize(
    "url", ["postgresql://hookline@db/hookline", "postgres://db/hookline", "postgresql:///h?host=/run"]
)
def test_a_database_is_postgresql(environment, url):
    environment.setenv("HOOKLINE_DATABASE_URL", url)

    assert url == Settings.from_environment().database_url.get_secret_value()


@pytest.mark.parametrize(
    "url",
    [
        "mysql://me:hidden-word@db/h",
        "sqlite:///hidden-word",
        "hidden-word",
        "http://hidden-word",
        "postgresql:hidden-word",
    ],
)
def test_a_database_that_is_not_postgresql_is_refused_and_not_shown(complaint, url):
    assert ["HOOKLINE_DATABASE_URL: Value error, must begin with postgresql://"] == complaint(
        HOOKLINE_DATABASE_URL=url
    )


def test_an_empty_variable_counts_as_unset(environment, tmp_path):
    for name in Settings.model_fields:
        environment.setenv(f"HOOKLINE_{name.upper()}", "")

    assert Settings.from_environment() == Settings(home=tmp_path / ".hookline")


@pytest.mark.parametrize("kind", VENDORS.values())
def test_an_empty_variable_of_a_vendor_is_missing(complaint, kind):
    prefix = kind.prefix

    said = complaint(kind, **{f"{prefix}{name.upper()}": "" for name in kind.model_fields})

    assert f"{prefix}BASE_URL: Field required" in said


@pytest.mark.parametrize(
    ("kind", "variables"),
    [
        (ZentitleSettings, ["ZENTITLE_BASE_URL", "ZENTITLE_CUSTOMER_ID", "ZENTITLE_API_KEY"]),
        (
            SensorproSettings,
            [
                "SENSORPRO_BASE_URL",
                "SENSORPRO_ORGANIZATION",
                "SENSORPRO_USER",
                "SENSORPRO_PASSWORD",
                "SENSORPRO_API_KEY",
            ],
        ),
    ],
)
def test_what_a_vendor_lacks_is_told_by_its_variables(complaint, kind, variables):
    assert [f"{variable}: Field required" for variable in variables] == complaint(kind)


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"JIWA_USERNAME": "me"},
        {"JIWA_PASSWORD": "hidden-word"},
        {"JIWA_USERNAME": "me", "JIWA_PASSWORD": ""},
    ],
)
def test_jiwa_needs_a_key_or_a_user_with_a_password(complaint, given):
    (said,) = complaint(JiwaSettings, JIWA_BASE_URL="https://jiwa.example", **given)

    assert "set JIWA_API_KEY, or JIWA_USERNAME and JIWA_PASSWORD" in said
    assert "hidden-word" not in said


@pytest.mark.parametrize("given", [{"JIWA_API_KEY": "k"}, {"JIWA_USERNAME": "me", "JIWA_PASSWORD": "p"}])
def test_either_way_into_jiwa_is_taken(environment, given):
    for name, value in {"JIWA_BASE_URL": "https://jiwa.example", **given}.items():
        environment.setenv(name, value)

    assert "https://jiwa.example" == JiwaSettings.from_environment().base_url


def test_a_file_in_the_working_directory_fills_in_what_is_open(dotenv):
    dotenv("HOOKLINE_GATEWAY_PORT=9000\nHOOKLINE_SECRET_JIWA=from-the-file\n")

    assert (9000, ["from-the-file"]) == (
        Settings.from_environment().gateway_port,
        [secret.get_secret_value() for secret in webhook_secrets("jiwa")],
    )


def test_the_environment_wins_over_the_file(environment, dotenv):
    dotenv("HOOKLINE_GATEWAY_PORT=9000\n")
    environment.setenv("HOOKLINE_GATEWAY_PORT", "9001")

    assert 9001 == Settings.from_environment().gateway_port


def test_a_file_above_the_working_directory_is_not_read(environment, dotenv, tmp_path):
    dotenv("HOOKLINE_GATEWAY_PORT=9000\n")
    (tmp_path / "below").mkdir()
    environment.chdir(tmp_path / "below")

    assert 8400 == Settings.from_environment().gateway_port


def test_a_mistake_in_the_file_is_told_by_its_variable(complaint, dotenv):
    dotenv("HOOKLINE_GATEWAY_PORT=door\n")

    assert complaint()[0].startswith("HOOKLINE_GATEWAY_PORT: ")


def test_an_empty_variable_keeps_the_file_from_filling_it_in(environment, dotenv):
    """The demo stands on it: whatever `.env` says, it touches nothing real."""
    dotenv("HOOKLINE_GATEWAY_PORT=9000\n")
    environment.setenv("HOOKLINE_GATEWAY_PORT", "")

    assert 8400 == Settings.from_environment().gateway_port


def test_a_file_that_is_not_utf_8_is_named(tmp_path):
    (tmp_path / ".env").write_bytes("HOOKLINE_SECRET_JIWA=schlüssel\n".encode("latin-1"))

    with pytest.raises(ConfigurationError, match=r"\.env"):
        Settings.from_environment()


def test_a_home_of_a_user_that_is_not_there_is_told_by_its_variable(complaint):
    assert complaint(HOOKLINE_HOME="~nobody-of-that-name/hookline")[0].startswith("HOOKLINE_HOME: ")


def test_settings_are_read_once(environment):
    first = settings()
    environment.setenv("HOOKLINE_GATEWAY_PORT", "9000")

    assert first is settings()


def test_the_home_is_whole_wherever_a_process_then_goes(environment, tmp_path):
    environment.setenv("HOME", str(tmp_path))
    homes = []
    for given in ("here", "~/there", "./here/../below"):
        environment.setenv("HOOKLINE_HOME", given)
        homes.append(Settings.from_environment().home)

    assert [tmp_path / "here", tmp_path / "there", tmp_path / "below"] == homes


# Addresses -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("variables", "api", "ui"),
    [
        ({}, "http://127.0.0.1:4200/api", "http://127.0.0.1:8400/prefect"),
        ({"HOOKLINE_PREFECT_PORT": "4300"}, "http://127.0.0.1:4300/api", "http://127.0.0.1:8400/prefect"),
        ({"HOOKLINE_GATEWAY_PORT": "9"}, "http://127.0.0.1:4200/api", "http://127.0.0.1:9/prefect"),
        (
            {"HOOKLINE_PUBLIC_URL": "https://hooks.example.com/"},
            "http://127.0.0.1:4200/api",
            "https://hooks.example.com/prefect",
        ),
        (
            {"PREFECT_API_URL": "https://prefect.example/api"},
            "https://prefect.example/api",
            "https://prefect.example",
        ),
        ({"PREFECT_API_URL": ""}, "http://127.0.0.1:4200/api", "http://127.0.0.1:8400/prefect"),
    ],
)
def test_the_prefect_server_is_our_own_unless_another_is_named(environment, variables, api, ui):
    for name, value in variables.items():
        environment.setenv(name, value)

    assert (api, ui) == (
        Settings.from_environment().prefect_api_url,
        Settings.from_environment().prefect_ui_url,
    )


def test_our_own_prefect_server_keeps_its_address_where_another_is_named(environment):
    environment.setenv("PREFECT_API_URL", "https://prefect.example/api")

    assert "http://127.0.0.1:4200/api" == Settings.from_environment().own_prefect_api_url


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:8400"),
        ("0.0.0.0", "http://127.0.0.1:8400"),
        ("::", "http://127.0.0.1:8400"),
        ("::1", "http://[::1]:8400"),
        ("hooks.example", "http://hooks.example:8400"),
    ],
)
def test_the_gateway_has_an_address_that_this_machine_reaches(environment, host, url):
    environment.setenv("HOOKLINE_GATEWAY_HOST", host)

    assert url == Settings.from_environment().gateway_url


# Secrets ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("one", ["one"]),
        ("new,old", ["new", "old"]),
        (" new , old ", ["new", "old"]),
        ("new,,old,", ["new", "old"]),
        ("", []),
        (" , ", []),
    ],
)
def test_a_source_has_several_secrets_while_they_rotate(environment, value, expected):
    environment.setenv("HOOKLINE_SECRET_JIWA", value)

    assert expected == [secret.get_secret_value() for secret in webhook_secrets("jiwa")]


def test_the_variable_of_a_source_has_no_dashes(environment):
    environment.setenv("HOOKLINE_SECRET_MY_SHOP_2", "one")

    assert ["one"] == [secret.get_secret_value() for secret in webhook_secrets("my-shop-2")]


def test_a_source_without_a_variable_has_no_secret():
    assert [] == webhook_secrets("jiwa")


def test_a_rotation_is_seen_without_a_restart(environment):
    counts = []
    for value in ("one", "two,one"):
        environment.setenv("HOOKLINE_SECRET_JIWA", value)
        counts.append(len(webhook_secrets("jiwa")))

    assert [1, 2] == counts


@pytest.mark.parametrize(
    "shown", [repr, str, lambda read: f"{read.model_dump()}", lambda read: read.model_dump_json()]
)
@pytest.mark.parametrize("kind", [Settings, *VENDORS.values()])
def test_no_secret_is_seen_in_settings_that_are_shown(environment, kind, shown):
    prefix = kind.prefix
    secret = {name for name, field in kind.model_fields.items() if "SecretStr" in str(field.annotation)}
    # tests/database/test_bodies.py looks at the keys, and tests/unit/test_several_prefects.py at Redis: no such text.
    secret -= {"body_keys", "prefect_redis_url"}
    for name in secret:
        environment.setenv(f"{prefix}{name.upper()}", "postgresql://hidden-word/db")
    needed = {name for name, field in kind.model_fields.items() if field.is_required()}
    for name in needed - secret:
        environment.setenv(f"{prefix}{name.upper()}", "1")

    read = kind.from_environment()

    assert {"postgresql://hidden-word/db"} == {getattr(read, name).get_secret_value() for name in secret}
    assert "hidden-word" not in shown(read)


@pytest.mark.parametrize("kind", [Settings, *VENDORS.values()])
def test_whatever_is_named_like_a_secret_is_kept_like_one(kind):
    named = {
        name
        for name in kind.model_fields
        if name.endswith(
            ("password", "key", "keys", "token", "secret", "database_url", "redis_url", "notify_urls")
        )
    }

    assert named == {
        name for name, field in kind.model_fields.items() if "SecretStr" in str(field.annotation)
    }


def test_no_secret_of_a_webhook_is_seen_where_it_is_shown(environment):
    environment.setenv("HOOKLINE_SECRET_JIWA", "hidden-word,older-hidden-word")

    assert "hidden-word" not in f"{webhook_secrets('jiwa')!r} {webhook_secrets('jiwa')[0]}"


# The sandbox -----------------------------------------------------------------------------------------------


def test_in_the_sandbox_every_vendor_that_is_not_set_is_its_simulator():
    added = simulator_environment(Settings(sandbox_port=9000))

    assert {
        "JIWA_BASE_URL": "http://127.0.0.1:9000",
        "ZENTITLE_BASE_URL": "http://127.0.0.1:9001",
        "SENSORPRO_BASE_URL": "http://127.0.0.1:9002",
        "JETADVICE_BASE_URL": "http://127.0.0.1:9003",
        "JIFELINE_BASE_URL": "http://127.0.0.1:9004",
        "HTTP_BASE_URL": "http://127.0.0.1:9005",
    } == {name: value for name, value in added.items() if name.endswith("_BASE_URL")}


@pytest.mark.parametrize("kind", VENDORS.values())
def test_what_the_sandbox_adds_is_all_that_a_vendor_needs(environment, kind):
    for name, value in simulator_environment(Settings()).items():
        environment.setenv(name, value)

    assert kind.from_environment().base_url.startswith("http://127.0.0.1:")


@pytest.mark.parametrize(
    "variable",
    ["JIWA_BASE_URL", "JIWA_PASSWORD", "ZENTITLE_CUSTOMER_ID", "SENSORPRO_API_KEY", "SENSORPRO_WHATEVER"],
)
def test_a_vendor_that_is_half_set_is_left_alone_and_the_others_are_not(environment, variable):
    environment.setenv(variable, "mine")
    vendor = variable.partition("_")[0]

    added = simulator_environment(Settings())

    assert {name.upper() for name in VENDORS} - {vendor} == {name.partition("_")[0] for name in added}


@pytest.mark.parametrize("variable", ["JIWA_BASE_URL", "ZENTITLE_API_KEY"])
def test_an_empty_variable_does_not_make_a_vendor_half_set(environment, variable):
    environment.setenv(variable, "")

    assert variable in simulator_environment(Settings())


def test_the_working_directory_of_the_tests_is_their_own(tmp_path):
    """Else the user's `.env` would be read."""
    assert tmp_path == Path.cwd()


@pytest.mark.parametrize("variable", ["HOOKLINE_ADMIN_TOKEN", "HOOKLINE_METRICS_TOKEN"])
@pytest.mark.parametrize("token", ["1", "a" * 15, " " * 40, f"{' ' * 8}short{' ' * 8}"])
def test_a_token_that_can_be_guessed_is_refused_by_name_and_not_repeated(environment, variable, token):
    environment.setenv(variable, token)

    with pytest.raises(ConfigurationError) as refused:
        Settings.from_environment()

    assert f"{variable}: " in str(refused.value)
    assert "at least 16 characters" in str(refused.value)
    assert token.strip() * 2 not in str(refused.value).replace("16", "") or not token.strip()


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("https://hooks.example.com", "https://hooks.example.com"),
        ("https://hooks.example.com/", "https://hooks.example.com"),
        ("https://Hooks.Example.com:8443", "https://hooks.example.com:8443"),
        ("http://[2001:db8::7]:8400", "http://[2001:db8::7]:8400"),
    ],
)
def test_the_public_url_is_what_links_begin_with(environment, given, expected):
    environment.setenv("HOOKLINE_PUBLIC_URL", given)

    read = Settings.from_environment()

    assert (expected, "http://127.0.0.1:8400") == (read.base_url, read.gateway_url)


@pytest.mark.parametrize(
    "given",
    [
        "hooks.example.com",
        "ftp://hooks.example.com",
        "https://",
        "https://hooks.example.com/hookline",
        "https://hooks.example.com?a=b",
        "https://hooks.example.com#a",
        "https://somebody@hooks.example.com",
        "https://hooks.example.com:port",
        "https://[",
        "javascript:alert(1)",
    ],
)
def test_a_public_url_that_no_link_can_begin_with_is_refused_by_name(environment, given):
    environment.setenv("HOOKLINE_PUBLIC_URL", given)

    with pytest.raises(ConfigurationError, match="HOOKLINE_PUBLIC_URL: "):
        Settings.from_environment()


@pytest.mark.parametrize("name", ["HTTP_PROXY", "http_proxy"])
def test_the_variable_of_a_proxy_is_none_of_an_account(environment, name):
    environment.setenv(name, "http://proxy.example:3128")

    assert "HTTP_BASE_URL" in simulator_environment(Settings())
    assert [] == VENDORS["http"].set_in({name: "http://proxy.example:3128"})
    assert "ok" == check_variables({name: "x"}, None).state
