"""`hookline call` and `hookline doctor`, against real simulators and a real PostgreSQL."""

import asyncio
import json
import os
import pty
import socket
import subprocess
import tempfile
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import pytest
from commands import run_here, run_process

from hookline.database import embedded
from hookline.database.migrate import upgrade
from hookline.health.servers import check_database
from hookline.provisioning.checks import check_vendor
from hookline.settings import VENDORS, Settings
from hookline.simulators.server import running
from hookline.supervisor import Process

ROOT = Path(__file__).parents[3]
OURS = ("HOOKLINE_", "PREFECT_", "JIWA_", "ZENTITLE_", "SENSORPRO_", "JETADVICE_", "JIFELINE_")
PRO = "6453300110"  # a product of the simulator


@dataclass
class Ended:
    code: int
    out: str
    err: str

    @property
    def json(self):
        return json.loads(self.out)


@pytest.fixture(scope="module")
async def simulators():
    async with running() as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(simulators):
    simulators.reset()
    return simulators


@pytest.fixture
def environment(sandbox, tmp_path):
    """What the vendors need, a home of its own, and nothing of anyone who runs the tests."""
    closed = {f"HOOKLINE_{name}_PORT": str(closed_port()) for name in ("GATEWAY", "PREFECT")}
    files = {
        f"HOOKLINE_{name.upper()}": str(ROOT / "deployments" / f"{file}.yaml")
        for name, file in {"hooks": "hooks", "catalog": "catalog", "deployments": "prefect"}.items()
    }
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith(OURS)},
        **closed,
        **files,
        "HOME": str(tmp_path),
        "HOOKLINE_HOME": str(tmp_path / "home"),
        **of_simulators(sandbox),
    }


def of_simulators(sandbox):
    """The address and log-in of each vendor's simulator, as variables."""
    return {
        VENDORS[each.vendor].prefix + name: value
        for each in sandbox
        for name, value in ({"BASE_URL": each.url} | VENDORS[each.vendor].sandbox_login).items()
    }


@pytest.fixture
def run(environment, tmp_path):
    """Runs a command to its end, beside the simulators in this event loop."""

    async def run(how, *words, variables, **options):
        env = {name: value for name, value in (environment | variables).items() if value}
        # In a folder where no `.env` lies.
        ended = await asyncio.to_thread(how, *words, env=env, cwd=tmp_path, **options)
        assert "Traceback" not in ended.stderr
        return Ended(ended.returncode, ended.stdout, ended.stderr)

    return run


@pytest.fixture
def hookline(run):
    """Runs it in this process."""
    return lambda *words, given="", **variables: run(run_here, *words, given=given, variables=variables)


@pytest.fixture
def process(run):
    """Runs it as one: for secrets, which anything of it could write, for a terminal, and with Prefect."""
    return lambda *words, stdin=subprocess.DEVNULL, **variables: run(
        run_process, *words, stdin=stdin, variables=variables
    )


def closed_port():
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


async def test_a_read_is_answered(hookline):
    ended = await hookline("call", "zentitle", "get_product", f"productid={PRO}", "--json")

    assert (0, PRO, "Draftline Pro") == (ended.code, ended.json["productId"], ended.json["productName"])


async def test_a_write_is_sent_once_when_it_may(hookline, sandbox):
    words = ("call", "zentitle", "create_license_codes", f"productid={PRO}", "numcodes=2")

    refused = await hookline(*words)
    sent = await hookline(*words, "--yes", "--json")

    assert (2, True) == (refused.code, "add --yes" in refused.err)
    assert (0, 2) == (sent.code, len(sent.json))
    assert 1 == len(sandbox.zentitle.requests(operation="create_license_codes"))


async def test_a_person_at_a_terminal_is_asked_before_a_write(process, sandbox):
    ours, theirs = pty.openpty()
    os.write(ours, b"n\n")
    try:
        ended = await process(
            "call", "zentitle", "create_license_codes", f"productid={PRO}", "numcodes=2", stdin=theirs
        )
    finally:
        os.close(ours)
        os.close(theirs)

    assert (1, []) == (ended.code, sandbox.zentitle.requests())
    assert "numcodes = 2" in ended.err
    assert ended.err.rstrip().endswith("Nothing was sent.")


@pytest.mark.parametrize(
    ("words", "nearest"),
    [
        (["jiva", "get_sales_order"], "jiwa"),
        (["jiwa", "get_salesorder"], "get_sales_order"),
        (["jiwa", "get_sales_order", "InvoiceId=1"], "InvoiceID"),
    ],
)
async def test_a_misspelt_name_sends_nothing(hookline, sandbox, words, nearest):
    ended = await hookline("call", *words)

    assert (2, True) == (ended.code, f"Do you mean {nearest}?" in ended.err)
    assert [] == sandbox.jiwa.requests()


async def test_a_vendor_s_refusal_is_told_without_the_password(process):
    ended = await process(
        *("call", "sensorpro", "log_in", "Organization=sandbox", "User=ann", "Password=a-wrong-password")
    )

    assert (1, "") == (ended.code, ended.out)
    assert "sensorpro log_in was not let in" in ended.err
    assert "a-wrong-password" not in ended.err


async def test_secrets_of_an_answer_stay_masked(process, sandbox):
    ended = await process(
        "call",
        "sensorpro",
        "sign_in",
        "--json",
        *("Organization=sandbox", "User=api@sandbox.example", "Password=sandbox-sensorpro-password"),
    )

    assert (0, "***") == (ended.code, ended.json["Token"])
    assert "sandbox-sensorpro-password" not in ended.out + ended.err


async def test_standard_input_becomes_an_input(hookline, sandbox):
    ended = await hookline(
        "call",
        "sensorpro",
        "upsert_contacts",
        "Contact:=@-",
        given='[{"PersonalEMail": "ann@example.com"}]\n',
    )

    assert (0, "") == (ended.code, ended.err)
    assert "ann@example.com" in json.dumps(sandbox.sensorpro.records())


async def test_missing_credentials_are_named(hookline):
    ended = await hookline("call", "jiwa", "get_system_info", JIWA_API_KEY="")

    assert (2, True) == (ended.code, "JIWA_API_KEY" in ended.err)


async def test_a_block_of_a_prefect_that_is_away_is_told(process):
    ended = await process("call", "jiwa", "get_system_info", "--block", "default")

    assert (1, True) == (ended.code, "Cannot read the block jiwa-credentials/default" in ended.err)


async def test_the_doctor_tells_what_is_well_what_is_not_and_what_is_not_there(process, environment):
    secrets = {
        "ZENTITLE_API_KEY": "a-wrong-key",
        "JIFELINE_CLIENT_SECRET": "another-wrong-key",
        "HOOKLINE_SECRET_JIWA": "a-short-secret",
    }
    unset = {name: "" for name in environment if name.startswith("SENSORPRO_")}

    ended = await process("doctor", "--json", HOOKLINE_GATEWAY_PROT="1", **secrets, **unset)

    states = {row["check"]: row["state"] for row in ended.json}
    assert 1 == ended.code
    assert {
        "Hookline": "ok",
        "Python": "ok",
        ".env": "skipped",
        "HOOKLINE_HOME": "ok",
        "vendors": "ok",
        "environment": "warning",
        "hooks.yaml": "ok",
        "catalog.yaml": "ok",
        "texts": "ok",
        "prefect.yaml": "ok",
        "routes": "ok",
        "secret of jiwa": "warning",
        "secret of standard": "warning",
        "secret of offline": "warning",
        "PostgreSQL": "problem",
        "database schema": "skipped",
        "open work": "skipped",
        "Prefect API": "problem",
        "deployments": "skipped",
        "work pool": "skipped",
        "processes": "skipped",
        "encryption key": "ok",
        "gateway": "problem",
        "jiwa": "ok",
        "zentitle": "problem",
        "sensorpro": "skipped",
        "jetadvice": "ok",
        "jifeline": "problem",
        "http": "ok",
        "blocks": "skipped",
    } == states
    assert [] == [row for row in ended.json if row["state"] == "problem" and not row["advice"]]
    assert not [secret for secret in secrets.values() if secret in ended.out + ended.err]


@pytest.mark.parametrize("vendor", VENDORS)
async def test_the_doctor_has_a_line_for_each_vendor_that_says_who_we_are_and_how_its_clock_goes(
    environment, monkeypatch, vendor
):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    [finding] = await check_vendor(vendor, environment)

    assert (vendor, "ok") == (finding.check, finding.state)
    assert "accepts us as" in finding.detail
    assert "clock" in finding.detail


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["jetadvice", "list_devices", "customerId=48211"], "CLD4120-0077315"),
        (["jifeline", "list_closed_tickets", "limit=1"], "YBLCV12A9MB003381"),
        (["http", "read", "path=/records/orders", 'params:={"number": "100123"}'], "100123"),
        (["http", "read", "path=/texts/orders", "answer=text"], "100125"),
    ],
)
async def test_every_vendor_can_be_called_from_the_shell(hookline, words, said):
    ended = await hookline("call", *words, "--json")

    assert (0, True) == (ended.code, said in ended.out)


async def test_the_doctor_says_what_is_wrong_with_the_environment_and_ends(hookline):
    ended = await hookline("doctor", HOOKLINE_GATEWAY_PORT="eighty")

    assert 1 == ended.code
    assert "✗ problem  environment" in ended.out
    assert "HOOKLINE_GATEWAY_PORT" in ended.out


@pytest.fixture
def home():
    """Not below pytest's own folder, which no other user may pass: as root, PostgreSQL runs as another."""
    with tempfile.TemporaryDirectory(prefix="hookline-test-") as folder:
        Path(folder).chmod(0o711)
        yield Path(folder) / "home"


@asynccontextmanager
async def postgresql(home):
    await asyncio.to_thread(embedded.prepare, home)
    process = Process(**embedded.process(home))
    server = process.start("test", 2)
    try:
        while not await process.ready():
            await asyncio.sleep(0.02)
        yield Settings(home=home)
    finally:
        server.send_signal(embedded.STOP_SIGNAL)
        await asyncio.to_thread(server.wait, 30)


async def test_the_doctor_looks_into_the_database(home):
    async with postgresql(home) as settings:
        before = [finding.state for finding in await check_database(settings)]
        await asyncio.to_thread(upgrade, settings)
        after = [finding.state for finding in await check_database(settings)]
        connection = await asyncpg.connect(embedded.url(settings.home, "hookline"))
        await connection.execute(
            """
            INSERT INTO deliveries (source, external_id, method, query, headers, content_type, body, state)
            VALUES ('jiwa', '1', 'POST', '{}', '{}', '', '', 'failed')
            """
        )
        await connection.close()
        work = (await check_database(settings))[2]

    assert ["ok", "problem", "skipped"] == before
    assert ["ok", "ok", "ok"] == after[:3]
    assert ("deliveries failed: 1", "hookline inbox list --state failed") == (work.detail, work.advice)
