"""An installation of its own for a test: `hookline up` that may end and start again beside simulators that live on."""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import asynccontextmanager, contextmanager

import httpx
import psutil

from hookline.clients.jiwa import JiwaClient, JiwaKey
from hookline.sandbox.stack import SandboxStack, own_ports, sandbox_stack
from hookline.settings import settings, simulator_environment
from hookline.shipped.jiwa import JiwaSettings
from tests.conftest import BusinessKey

START_SECONDS = 240


@contextmanager
def own_sandbox(**variables):
    """A sandbox beside that of all tests, without first runs of schedules; the environment is as before after it."""
    before = dict(os.environ)
    with sandbox_stack(**own_ports(), HOOKLINE_FIRST_RUNS="false", **variables) as running:
        yield running
    os.environ.clear()
    os.environ.update(before)
    settings.cache_clear()


class Installation:
    """A home with `hookline up` on it, beside simulators that live on when it stops."""

    def __init__(self, folder, monkeypatch, **more):
        self.folder = folder
        ports = own_ports()
        variables = {
            **ports,
            "HOOKLINE_HOME": str(folder / "home"),
            "HOOKLINE_SECRET_JIWA": "secret-of-jiwa-for-this-test",
            "HOOKLINE_LANDING_SECONDS": "2",
            "HOOKLINE_TAKE_BACK_SECONDS": "0",
            "HOOKLINE_RETRY_SECONDS": "0.2",
            "HOOKLINE_FIRST_RUNS": "false",
            **more,
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
    def process(self, *words, ready, stop=signal.SIGTERM, env=None):
        """A command that runs until the end of the context."""
        log = self.folder / f"{words[0]}-{time.monotonic_ns()}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "hookline", *words],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                env=env,
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
            if process.poll() is None:
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
async def business_of(sandbox):
    """The orders of a sandbox."""
    given = JiwaSettings.from_environment()
    async with JiwaClient(given.base_url, JiwaKey(given.api_key)) as jiwa:
        yield BusinessKey(sandbox, jiwa)


def kill_all(process):
    """Kill a process and all below it at the same moment, as a power cut does."""
    everything = [*psutil.Process(process.pid).children(recursive=True), psutil.Process(process.pid)]
    for each in everything:
        each.suspend()  # so that none sees another die
    for each in everything:
        each.kill()
    psutil.wait_procs(everything, 30)
