"""`hookline doctor`: what each check makes of what it finds."""

import asyncio
import base64
import tomllib
from pathlib import Path

import pytest
from pydantic import SecretStr

from hookline.cli.doctor import line
from hookline.clients import NotAuthenticated
from hookline.errors import ConfigurationError, HooklineError
from hookline.health.environment import check_addresses, check_variables
from hookline.health.finding import Finding, clock, in_time, problem
from hookline.health.machine import PYTHONS, check_dotenv, check_home, check_python
from hookline.health.servers import open_work
from hookline.hooks import Hooks, Source
from hookline.hooks.sources import read_source
from hookline.provisioning.checks import check_vendor
from hookline.schemes.asymmetric import Asymmetric
from hookline.schemes.shared_secret import SharedSecret
from hookline.schemes.standard_webhooks import StandardWebhooks
from hookline.source_secrets import check_secrets

SHARED = SharedSecret()
STANDARD = StandardWebhooks()
ASYMMETRIC = Asymmetric(algorithm="ed25519", header="X-Signature")
HOOKS = Hooks(path=Path("hooks.yaml"), sources={"my-shop": Source(auth_scheme=SHARED)})


@pytest.mark.parametrize(
    ("version", "expected"), [((3, 10), "problem"), ((3, 11), "ok"), ((3, 13), "ok"), ((3, 14), "problem")]
)
def test_python_is_one_that_hookline_runs_on(version, expected):
    assert expected == check_python(version).state


def test_the_pythons_are_those_of_the_project_file():
    project = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text())["project"]

    lowest, below = (".".join(map(str, version)) for version in PYTHONS)

    assert project["requires-python"] == f">={lowest},<{below}"


def test_a_home_is_made_private(tmp_path):
    finding = check_home(tmp_path / "new" / "home")

    assert ("ok", 0o40700) == (finding.state, (tmp_path / "new" / "home").stat().st_mode)


@pytest.mark.parametrize(
    ("mode", "expected"), [(0o700, "ok"), (0o711, "ok"), (0o750, "warning"), (0o777, "warning")]
)
def test_a_home_that_others_may_read_is_pointed_out(tmp_path, mode, expected):
    tmp_path.chmod(mode)

    assert expected == check_home(tmp_path).state


def test_a_secret_that_others_may_read_is_a_problem(tmp_path):
    tmp_path.chmod(0o700)
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "key").touch(mode=0o644)

    finding = check_home(tmp_path)

    assert ("problem", f"chmod 600 {tmp_path}/secrets/key") == (finding.state, finding.advice)


def test_a_home_that_cannot_be_made_is_a_problem(tmp_path):
    (tmp_path / "file").touch()

    finding = check_home(tmp_path / "file" / "home")

    assert "problem" == finding.state
    assert "HOOKLINE_HOME" in finding.advice


def test_known_variables_and_those_of_others_are_fine():
    names = ["HOOKLINE_HOME", "HOOKLINE_SECRET_MY_SHOP", "JIWA_API_KEY", "HOOKLINE_READY_FILE", "PATH"]

    assert "ok" == check_variables(names, HOOKS).state


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("HOOKLINE_GATEWAY_PROT", "Rename HOOKLINE_GATEWAY_PROT to HOOKLINE_GATEWAY_PORT."),
        ("HOOKLINE_SECRET_MYSHOP", "Rename HOOKLINE_SECRET_MYSHOP to HOOKLINE_SECRET_MY_SHOP."),
        ("JIWA_URL", "Rename JIWA_URL to JIWA_BASE_URL."),
    ],
)
def test_an_unknown_variable_is_pointed_out_with_the_nearest_known(name, advice):
    finding = check_variables([name], HOOKS)

    assert ("warning", advice) == (finding.state, finding.advice)


@pytest.mark.parametrize(
    ("scheme", "secrets", "expected"),
    [
        (SHARED, [], "warning"),
        (SHARED, ["x" * 23], "warning"),
        (SHARED, ["x" * 24], "ok"),
        (SHARED, ["x" * 24, "short"], "warning"),
        (SHARED, ["ü" * 24], "problem"),
        (STANDARD, [], "warning"),
        (STANDARD, ["whsec_not base64"], "problem"),
        (STANDARD, ["whsec_" + "QUJD" * 7], "warning"),
        (STANDARD, ["whsec_" + "QUJD" * 8], "ok"),
        (STANDARD, ["whpk_" + base64.b64encode(bytes(32)).decode()], "ok"),
        (STANDARD, ["whpk_QUJD"], "problem"),
        (ASYMMETRIC, ["0" * 64], "ok"),
        (ASYMMETRIC, ["not a key"], "problem"),
    ],
)
def test_a_webhook_secret_is_there_well_formed_and_long(scheme, secrets, expected):
    finding = check_secrets("my-shop", scheme, [SecretStr(secret) for secret in secrets])

    assert expected == finding.state
    assert not [secret for secret in secrets if secret in f"{finding.detail} {finding.advice}"]


@pytest.mark.parametrize(
    ("fields", "public_url", "expected"),
    [
        ({"preset": "square"}, None, ["warning"]),
        ({"preset": "square"}, "https://hooks.example.com", []),
        ({"preset": "square", "url": "https://proxy.example.com/square"}, None, []),
        ({"preset": "stripe"}, None, []),
    ],
)
def test_an_address_that_a_sender_signs_must_be_known(fields, public_url, expected):
    hooks = Hooks(path=Path("hooks.yaml"), sources={"shop": read_source(fields, Path())})

    assert expected == [finding.state for finding in check_addresses(hooks, public_url)]


@pytest.mark.parametrize(
    ("ahead", "expected"),
    [
        (0.4, ("ok", "clock as ours")),
        (-29, ("ok", "clock 29 s behind")),
        (31, ("warning", "clock 31 s ahead")),
        (-600, ("warning", "clock 600 s behind")),
        (36_000.2, ("ok", "clock +10 h: a time zone")),
        (-12_590, ("ok", "clock -3.5 h: a time zone")),
        (36_031, ("warning", "clock 36031 s ahead")),
    ],
)
def test_a_clock_is_told_from_a_time_zone(ahead, expected):
    assert expected == clock(ahead)


def test_nothing_that_waits_is_fine():
    assert "ok" == open_work({("inbox", "failed"): 0}).state


def test_what_waits_for_a_person_is_counted_with_the_command_to_look():
    finding = open_work({("inbox", "failed"): 2, ("effects", "uncertain"): 1})

    assert "effects uncertain: 1, deliveries failed: 2" == finding.detail
    assert "hookline effects list --state uncertain; hookline inbox list --state failed" == finding.advice


async def test_a_check_that_takes_too_long_is_a_problem():
    [finding] = await in_time("gateway", asyncio.sleep(10), seconds=0.01)

    assert ("problem", "no answer within 0.01 s") == (finding.state, finding.detail)


async def test_a_check_that_breaks_does_not_take_the_others_along():
    async def broken():
        raise KeyError("Authorization: Bearer s3cret")

    [finding] = await in_time("gateway", broken())

    assert "problem" == finding.state
    assert "KeyError" in finding.detail
    assert "s3cret" not in finding.detail


@pytest.mark.parametrize(
    ("error", "detail", "advice"),
    [
        (HooklineError("Cannot reach it: no. Start it."), "Cannot reach it: no", "Start it."),
        (ConfigurationError("It is wrong.\n  A: b\nSee there."), "It is wrong; A: b", "See there."),
        (
            NotAuthenticated(vendor="jiwa", operation="login", status=401, detail="No"),
            "jiwa login was not let in (HTTP 401): No",
            "Check the key or the user and password in the vendor's settings.",
        ),
    ],
)
def test_an_error_is_told_as_what_happened_and_what_to_do(error, detail, advice):
    assert Finding("x", "problem", detail, advice) == problem("x", error)


async def test_a_vendor_that_is_not_configured_is_no_error():
    [finding] = await check_vendor("jiwa", {"JIWA_API_KEY": "", "ZENTITLE_API_KEY": "x"})

    assert "skipped" == finding.state


def test_a_finding_is_one_line_with_a_mark_in_words():
    told = line(Finding("gateway", "problem", "away", "Start it."), 10).plain

    assert "✗ problem  gateway     away → Start it." == told


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        (0o600, "ok"),
        (0o400, "ok"),
        (0o644, "problem"),
        (0o640, "problem"),
        (0o604, "problem"),
        (0o602, "problem"),
    ],
)
def test_a_dotenv_that_others_may_read_is_a_problem_with_its_fix(tmp_path, mode, expected):
    file = tmp_path / ".env"
    file.write_text("JIWA_API_KEY=x")
    file.chmod(mode)

    finding = check_dotenv(file)

    advice = f"chmod 600 {file}" if expected == "problem" else ""
    assert (expected, advice) == (finding.state, finding.advice)


def test_without_a_dotenv_there_is_nothing_to_keep(tmp_path):
    assert "skipped" == check_dotenv(tmp_path / ".env").state
