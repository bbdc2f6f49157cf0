"""Going back in time with everything running: what was done and forgotten is found, and nothing is done twice."""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import asynccontextmanager, contextmanager

import httpx
import pytest

from hookline.clients.jiwa import JiwaClient, JiwaKey
from hookline.database import pool
from hookline.database.connection import close_pool
from hookline.sandbox.stack import SandboxStack, own_ports
from hookline.settings import JiwaSettings, settings, simulator_environment
from tests.conftest import BusinessKey, until

START_SECONDS = 240
ONE_OF_EACH = {"licenses": 1, "consumer_records": 1, "mails": 1, "notes": 1}


class Installation:
    """A home with `hookline up` on it, beside simulators that live on when it stops."""

    def __init__(self, folder, monkeypatch):
        self.folder = folder
        ports = own_ports()
        variables = {
            **ports,
            "HOOKLINE_HOME": str(folder / "home"),
            "HOOKLINE_SECRET_JIWA": "secret-of-jiwa-for-this-test",
            "HOOKLINE_READBACK_GRACE_SECONDS": "0.5",
            "HOOKLINE_RETRY_SECONDS": "0.2",
            "HOOKLINE_FIRST_RUNS": "false",
        }
        for name in [
            name for name in os.environ if name.startswith(("PREFECT_", "HOOKLINE_", "JIWA_", "ZENTITLE_"))
        ]:
            monkeypatch.delenv(name)
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        settings.cache_clear()
        for name, value in simulator_environment(settings()).items():
            monkeypatch.setenv(name, value)
        settings.cache_clear()
        self.settings = settings()

    def run(self, *words, code=0):
        done = subprocess.run(
            [sys.executable, "-m", "hookline", *words],
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )
        assert code == done.returncode, (words, done.stdout, done.stderr)
        return done.stdout

    def json(self, *words):
        return json.loads(self.run(*words, "--json").splitlines()[-1])

    @contextmanager
    def process(self, *words, ready, stop=signal.SIGTERM):
        """A command that runs until the end of the context."""
        log = self.folder / f"{words[0]}-{time.monotonic_ns()}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "hookline", *words],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        try:
            deadline = time.monotonic() + START_SECONDS
            while not ready(log.read_text(errors="replace")):
                so_far = log.read_text(errors="replace")[-4000:]
                assert process.poll() is None, so_far
                assert time.monotonic() < deadline, so_far
                time.sleep(0.1)
            yield process, log
        finally:
            process.send_signal(stop)
            process.wait(90)

    @contextmanager
    def sandbox(self):
        def answers(_log):
            try:
                return httpx.get(f"http://127.0.0.1:{self.settings.sandbox_port}/healthz").is_success
            except httpx.HTTPError:
                return False

        with self.process("sandbox", ready=answers) as (process, log), httpx.Client(timeout=30) as http:
            yield SandboxStack(self.settings, process, log, http)

    def up(self, **options):
        return self.process("up", ready=lambda log: "hookline ready" in log, **options)


@asynccontextmanager
async def business(sandbox):
    given = JiwaSettings.from_environment()
    async with JiwaClient(given.base_url, JiwaKey(given.api_key)) as jiwa:
        yield BusinessKey(sandbox, jiwa)


@pytest.fixture
def installation(tmp_path, environment):
    return Installation(tmp_path, environment)


async def deliveries(installation, state):
    database = await pool(installation.settings)
    return await database.fetchval("SELECT count(*) FROM deliveries WHERE state = $1", state)


async def test_what_was_done_after_the_backup_is_found_and_only_the_mail_asks(installation):
    file = str(installation.folder / "monday.backup")
    with installation.sandbox() as sandbox:
        async with business(sandbox) as firm:
            with installation.up():
                installation.run("apply", "--subscribe", "--url", installation.settings.gateway_url)
                installation.run("backup", file)
                order = await firm.order(("LIC-PRO", 1))
                await firm.noted(order)
                await close_pool()
            assert ONE_OF_EACH == firm.counts(order)
            installation.run("restore", file, "--yes")

            with installation.up() as (_, log):
                assert "HELD      The database was restored from the backup of" in log.read_text()
                await edit(firm, order)
                await until(lambda: deliveries(installation, "received"), "the delivery is not stored")
                assert ONE_OF_EACH == firm.counts(order)
                assert "held" == installation.json("hold", "show")["state"]
                assert "database's age" in installation.run("doctor", code=1)

                installation.run("hold", "release", "--yes")
                [mail] = await until(
                    lambda: installation.json("effects", "list", "--state", "uncertain"), "nobody asks"
                )
                installation.run("effects", "resolve", str(mail["id"]), "--happened")
                await until(lambda: all_done(installation), "it does not end")
                after = await firm.order(("LIC-PRO", 1))
                await firm.noted(after)

                assert "mail" == mail["step"]
                assert ONE_OF_EACH == firm.counts(order)
                assert ONE_OF_EACH == firm.counts(after)
                assert [] == installation.json("effects", "list", "--state", "uncertain")
                await close_pool()


async def edit(firm, order):
    """A person changes a word of the order in Jiwa, which tells of it."""
    await firm.jiwa.update_sales_order(InvoiceID=order.InvoiceID, SOReference="changed")


async def all_done(installation):
    database = await pool(installation.settings)
    return not await database.fetchval(
        "SELECT count(*) FROM deliveries WHERE state NOT IN ('done', 'unrouted')"
    )
