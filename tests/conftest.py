"""What the tests stand on: a clean environment, one PostgreSQL, one sandbox, each started when first asked for."""

import asyncio
import json
import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from uuid import uuid4

import certifi

# Test files import from here by this name; loaded a second time, it would make another home and other log-ins.
sys.modules["tests.conftest"] = sys.modules[__name__]

OURS = ("HOOKLINE_", "PREFECT_", "JIWA_", "ZENTITLE_", "SENSORPRO_", "JETADVICE_", "JIFELINE_", "HTTP_")
for _name in [name for name in os.environ if name.startswith(OURS)]:
    del os.environ[_name]
# Before anything imports Prefect: the user's own profile and database are not touched.
os.environ["PREFECT_HOME"] = tempfile.mkdtemp(prefix="hookline-tests-prefect-")
os.environ["PREFECT_SERVER_ANALYTICS_ENABLED"] = "false"
os.environ["DO_NOT_TRACK"] = "1"
os.environ["PREFECT_LOGGING_TO_API_ENABLED"] = "false"
# Prefect reads its settings once, before there is a sandbox whose log-in it could know.
os.environ["PREFECT_API_AUTH_STRING"] = PREFECT_AUTH = f"tests:{secrets.token_urlsafe(32)}"
os.environ["HOOKLINE_HOME"] = tempfile.mkdtemp(prefix="hookline-tests-")
# Nothing here speaks TLS, and to read the whole world's certificates takes every new HTTP client 20 ms.
END_OF_ONE = "-----END CERTIFICATE-----\n"
_certificate = Path(os.environ["HOOKLINE_HOME"], "one-certificate.pem")
_certificate.write_text(certifi.contents().partition(END_OF_ONE)[0] + END_OF_ONE)
os.environ["SSL_CERT_FILE"] = str(_certificate)


def _ours():
    return {name: value for name, value in os.environ.items() if name.startswith(OURS)}


CLEAN = _ours()

import asyncpg
import httpx
import hypothesis
import psutil
import pytest
from commands import run_here
from xdist.scheduler import LoadScopeScheduling

from hookline import redaction, runtime
from hookline.clients.jiwa import JiwaClient, JiwaKey
from hookline.clients.jiwa.models import NewLine
from hookline.database import embedded, pool
from hookline.database.connection import close_pool
from hookline.database.migrate import upgrade
from hookline.errors import HooklineError
from hookline.inbox import search
from hookline.sandbox.stack import SandboxStack, own_ports, sandbox_stack
from hookline.settings import Settings, settings
from hookline.shipped.jiwa import JiwaSettings
from hookline.states import OPEN
from hookline.text import storable
from hookline.vendors import vendors

# Examples of a property where a test does not say; a long run: --hypothesis-profile=thorough
hypothesis.settings.register_profile("thorough", max_examples=500, deadline=None)
hypothesis.settings.register_profile("suite", max_examples=25, deadline=None)
hypothesis.settings.load_profile("suite")

SHIPPED_CATALOG = Path(__file__).parents[1] / "deployments" / "catalog.yaml"


def with_parts(text, *names):
    """The shipped catalog.yaml with these parts switched on, which it has as comments."""
    for name in names:
        part = re.search(rf"^# {name}:\n(?:#  .*\n)+", text, re.MULTILINE)
        text = text.replace(part[0], re.sub(r"^# ", "", part[0], flags=re.MULTILINE))
    return text


def with_routes(text, *names):
    """The shipped hooks.yaml with these routes switched on, which it has as comments."""
    for name in names:
        part = re.search(rf"^  # {name}:\n(?:  #   .*\n)+", text, re.MULTILINE)
        text = text.replace(part[0], re.sub(r"^  # ", "  ", part[0], flags=re.MULTILINE))
    return text


RUNS = ("tests/flows/",)
STORIES = (
    "tests/acceptance/test_main_job.py",
    "tests/acceptance/test_closed.py",
    "tests/acceptance/test_restart.py",
    "tests/acceptance/test_vendor_outage.py",
    "tests/acceptance/test_worker.py",
    "tests/browser/test_prefect_ui.py",
    "tests/browser/test_other_origins.py",
)
SANDBOXED = (*RUNS, *STORIES)
"""What needs a sandbox, which takes long to start: two processes have one each, while others run beside them."""


def pytest_addoption(parser):
    parser.addoption(
        "--dialect",
        type=int,
        default=0,
        help="the seed of the dialect that simulators of contract tests speak",
    )


@pytest.fixture(scope="session")
def dialect(pytestconfig) -> int:
    """The seed of the dialect that simulators speak; 0: what is likeliest."""
    return pytestconfig.getoption("dialect")


class TwoSandboxes(LoadScopeScheduling):
    """Hands out whole files of tests, and all that share a sandbox as if they were one."""

    def _split_scope(self, nodeid):
        if nodeid.startswith(SANDBOXED):
            return "runs" if nodeid.startswith(RUNS) else "stories"
        return nodeid.partition("::")[0]


def pytest_xdist_make_scheduler(config, log):
    return TwoSandboxes(config, log)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: not item.nodeid.startswith(SANDBOXED))  # they take longest: they begin
    for item in items:
        if item.get_closest_marker("long"):
            item.add_marker(pytest.mark.timeout(0))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item):
    """What hostile tests make the log say goes to the process that tells of it as UTF-8."""
    item._report_sections[:] = [
        (when, key, storable(content)) for when, key, content in item._report_sections
    ]
    return (yield)


class OneSandbox:
    """What `hookline up --sandbox` runs, in real processes; the environment of the tests leads to it."""

    def __init__(self):
        self.running: SandboxStack | None = None
        self.failed: Exception | None = None
        self._end = ExitStack()

    def get(self) -> SandboxStack:
        """Return it; started when first asked for, and if that fails not tried again, which takes minutes."""
        if self.failed is not None:
            raise self.failed
        if self.running is None:
            try:
                self.running = self._end.enter_context(_sandbox())
            except HooklineError as error:
                self.failed = error
                raise
        return self.running

    def end(self) -> None:
        """End it, if it runs: after its last test it would only take the time of others."""
        self.running = None
        self._end.close()


def _sandbox():
    import blocks  # noqa: F401  (the address of their logos is read now, before the sandbox has its ports)

    catalog = Path(os.environ["HOOKLINE_HOME"], "catalog.yaml")
    shipped = SHIPPED_CATALOG.read_text(encoding="utf-8")
    catalog.write_text(with_parts(shipped, "credits", "renewals", "trials", "customers", "offline"))
    return sandbox_stack(
        **own_ports(),
        HOOKLINE_CATALOG=str(catalog),
        HOOKLINE_RECORD_URLS=",".join(
            f"{vendor}=https://{vendor}.example/{{kind}}/{{id}}" for vendor in vendors()
        ),
        HOOKLINE_SECRET_OFFLINE=secrets.token_urlsafe(32),
        HOOKLINE_LEASE_SECONDS="3",
        HOOKLINE_LANDING_SECONDS="0.5",
        HOOKLINE_TAKE_BACK_SECONDS="0",
        HOOKLINE_RETRY_SECONDS="0.2",
        HOOKLINE_PROBE_SECONDS="1",
        PREFECT_SERVER_SERVICES_DB_VACUUM_LOOP_SECONDS="5",
        PREFECT_WORKER_QUERY_SECONDS="1",
        PREFECT_API_AUTH_STRING=PREFECT_AUTH,
    )


SANDBOX = OneSandbox()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(nextitem):
    done = yield
    if nextitem is None or not nextitem.nodeid.startswith(SANDBOXED):
        SANDBOX.end()
    return done


@pytest.fixture
def sandbox(request) -> SandboxStack:
    """What `hookline up --sandbox` runs."""
    needed_by = request.node.nodeid
    assert needed_by.startswith(SANDBOXED), "name this file in SANDBOXED, or it starts another sandbox"
    # Only the stories look at the first runs of schedules, which cost a process each.
    alone = needed_by.startswith(RUNS) and "PYTEST_XDIST_WORKER" in os.environ
    os.environ["HOOKLINE_FIRST_RUNS"] = "false" if alone else "true"
    return SANDBOX.get()


class Environment:
    """
    Our variables, and the secrets that are masked, file by file.

    What a sandbox sets for as long as its process lives is for those that need one.
    """

    file = ""
    of_sandbox = CLEAN
    secrets_of_sandbox = redaction._known

    @classmethod
    def enter(cls, file):
        if cls.file.startswith(SANDBOXED):
            cls.of_sandbox, cls.secrets_of_sandbox = _ours(), redaction._known
        cls.file = file
        sandboxed = file.startswith(SANDBOXED)
        redaction._known = cls.secrets_of_sandbox if sandboxed else redaction._Known()
        _replace(cls.of_sandbox if sandboxed else CLEAN)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item):
    file = item.nodeid.partition("::")[0]
    if file != Environment.file:
        Environment.enter(file)


def _replace(variables):
    for name in _ours():
        del os.environ[name]
    os.environ.update(variables)
    settings.cache_clear()


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """The environment, to be changed for one test; settings are read again."""
    settings.cache_clear()
    yield monkeypatch
    monkeypatch.undo()
    settings.cache_clear()


@pytest.fixture
def own_environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """The same, and put back as it was, whatever writes into it meanwhile; so no sandbox may begin in it."""
    before = dict(os.environ)
    settings.cache_clear()
    yield monkeypatch
    monkeypatch.undo()
    os.environ.clear()
    os.environ.update(before)
    settings.cache_clear()


@pytest.fixture(scope="session")
def repository() -> Path:
    """The checkout."""
    return Path(__file__).parents[1]


@pytest.fixture(scope="session")
def database_settings():
    """The settings that lead to an embedded PostgreSQL without Prefect, for the tests that need nothing else."""
    home = Path(tempfile.mkdtemp(prefix="hookline-db-"))
    embedded.prepare(home)
    process = embedded.process(home)
    with (home / "postgres.log").open("wb") as log:
        server = subprocess.Popen(
            process["command"],
            env=process["env"],
            cwd=process["cwd"],
            user=process["user"],
            group=process["group"],
            extra_groups=None if process["user"] is None else [],
            stdout=log,
            stderr=log,
        )
    settings = Settings(home=home, landing_seconds=0.2, call_seconds=1)
    _until_migrated(settings)
    yield settings
    server.send_signal(signal.SIGQUIT)  # at once, without a last checkpoint: nobody will read it again
    server.wait(30)
    shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(scope="session")
async def session_pool(database_settings):
    yield await pool(database_settings)
    await close_pool()


@pytest.fixture
async def database(session_pool):
    """That PostgreSQL, emptied."""
    for _ in range(5):
        with suppress(
            asyncpg.DeadlockDetectedError
        ):  # with what an ended process of an earlier test still does
            await _empty(session_pool)
            return session_pool
    raise AssertionError("something goes on in the database, and it cannot be emptied")


async def _empty(session_pool):
    await session_pool.execute(
        "UPDATE lineage SET held_since = NULL, held_reason = NULL, readback_first_since = NULL, event_due = false"
    )
    await session_pool.execute("DELETE FROM people")
    await session_pool.execute(
        "TRUNCATE deliveries, dispatches, batches, effects, compensation_steps, pauses, changes, engines, configuration_problems, refusals, issues, vendor_accounts, credentials, connecting, polls, poll_items, silences, listeners, listening, sizes, timings, waits RESTART IDENTITY CASCADE"
    )


def _until_migrated(settings: Settings) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            upgrade(settings)
            return
        except Exception:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


TIMEOUT_SECONDS = 90


class BusinessKey:
    """A small firm in the sandbox: customers, orders, and what the vendors and the inbox say of them."""

    def __init__(self, sandbox, jiwa):
        self.sandbox = sandbox
        self.jiwa = jiwa

    async def order(self, *lines, paid=True, email="buyer@customer.example"):
        number = uuid4().hex[:8]
        debtor = await self.jiwa.create_debtor(
            AccountNo=number, Name=f"Customer {number}", EmailAddress=email
        )
        order = await self.jiwa.create_sales_order(
            DebtorAccountNo=debtor.AccountNo,
            Lines=[NewLine(PartNo=part, QuantityOrdered=quantity) for part, quantity in lines],
        )
        if paid:
            await self.pay(order)
        return order

    async def pay(self, order):
        history = order.Histories[0]
        await self.jiwa.create_sales_order_payment(
            InvoiceID=order.InvoiceID,
            InvoiceHistoryID=history.InvoiceHistoryID,
            AmountPaid=history.HistoryTotal,
            PaymentRef=uuid4().hex,
        )

    async def noted(self, order):
        """Wait for the note on the order, the last thing that is done."""
        await until(
            lambda: self.jiwa.list_sales_order_notes(InvoiceID=order.InvoiceID),
            lambda: f"no note on order {order.InvoiceNo}: {self.sandbox.last_lines()}",
        )

    def counts(self, order):
        """What the vendors hold about an order, by their own records."""
        zentitle = self.sandbox.records("zentitle")
        codes = [
            row["licenseCode"]
            for row in zentitle["licenses"]
            if f"order {order.InvoiceNo} " in (row["reference"] or "")
        ]
        [invoice] = [
            row for row in self.sandbox.records("jiwa")["orders"] if row["InvoiceID"] == order.InvoiceID
        ]
        mails = self.sandbox.records("sensorpro")["mails"]
        return {
            "licenses": len(codes),
            "consumer_records": sum(row["licenseCode"] in codes for row in zentitle["consumer_records"]),
            "mails": sum(mail["parameters"].get("order") == order.InvoiceNo for mail in mails),
            "notes": len(invoice["Notes"]),
        }

    async def finished(self, order, *, after=()):
        """
        Wait until nothing of the order waits or runs, and no delivery comes any more; its deliveries.

        Where Jiwa was made to tell more, say after which deliveries: its webhook may take its time.
        """
        seen = None

        async def rest():
            nonlocal seen
            database = await pool(self.sandbox.settings)
            found = await search.find(database, search.Filter(key=order.InvoiceID))
            rows = json.loads(json.dumps(found.deliveries, default=str))
            open_ = [row for row in rows if row["state"] in OPEN]
            before, seen = seen, len(rows)
            if len(rows) > len(after) and not open_ and before == len(rows):
                return rows
            await asyncio.sleep(0.7)  # Jiwa's webhooks are on their way for less
            return None

        return await until(rest, f"order {order.InvoiceNo} does not come to rest")

    def cli(self, *arguments):
        """What a command says as JSON."""
        ended = self.run(*arguments)
        assert 0 == ended.returncode, ended.stderr
        return json.loads(ended.stdout.splitlines()[-1])

    def run(self, *arguments):
        """A command typed beside the sandbox, ended."""
        return run_here(*arguments)

    def process(self, *words):
        """The process of the sandbox whose command line holds these words."""
        for child in psutil.Process(self.sandbox.process.pid).children(recursive=True):
            try:
                if all(word in child.cmdline() for word in words):
                    return child
            except psutil.NoSuchProcess:
                continue
        raise AssertionError(f"there is no process {words}")

    def requested(self, operation, vendor="zentitle", since=0):
        return [row for row in self.sandbox.requests(vendor, since) if row["operation"] == operation]


async def until(ask, complaint):
    """Ask until the answer is something; give up after a minute and a half, with a text or with what is the text then."""
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while True:
        answer = ask()
        if asyncio.iscoroutine(answer):
            answer = await answer
        if answer:
            return answer
        assert time.monotonic() < deadline, complaint() if callable(complaint) else complaint
        await asyncio.sleep(0.1)


@pytest.fixture(name="until", scope="session")
def until_fixture():
    return until


@pytest.fixture
async def business(sandbox):
    given = JiwaSettings.from_environment()
    async with JiwaClient(given.base_url, JiwaKey(given.api_key)) as jiwa:
        yield BusinessKey(sandbox, jiwa)
    for vendor in ("jiwa", "zentitle", "sensorpro"):
        sandbox.clear_faults(vendor)


@pytest.fixture
async def operator(sandbox):
    """Requests of somebody who has logged in at the sandbox's gateway, from a page of it."""
    url = sandbox.settings.gateway_url
    token = runtime.local_secret(sandbox.settings.home, "admin-token")
    async with httpx.AsyncClient(base_url=url, headers={"Origin": url}, timeout=30) as client:
        assert 303 == (await client.post("/login", data={"token": token})).status_code
        yield client


@pytest.fixture
def prefect_api(sandbox):
    log_in = httpx.BasicAuth(*PREFECT_AUTH.split(":"))
    with httpx.Client(base_url=f"{sandbox.settings.prefect_api_url}/", auth=log_in, timeout=30) as client:
        yield client
