"""A PostgreSQL of HOOKLINE_DATABASE_URL that comes later than the processes which need it, as after a boot."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import pytest

from hookline.database import embedded
from hookline.supervisor.ready import READY_FILE

SECONDS = 200
WAITS = "Cannot reach the PostgreSQL server: "


@pytest.fixture(scope="module")
def elsewhere():
    """The home of a PostgreSQL that is another machine's, as far as the processes know."""
    with tempfile.TemporaryDirectory(prefix="hookline-db-") as folder:
        Path(folder).chmod(0o711)
        embedded.prepare(Path(folder) / "home")
        yield Path(folder) / "home"


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


@contextmanager
def started(elsewhere, folder, *command, user="postgres"):
    """A process of ours whose database is not there yet; its log, and the port of its gateway."""
    port, log = free_port(), folder / "log"
    url = embedded.url(elsewhere, "later").replace("postgres@", f"{user}@")
    env = {
        **os.environ,
        "HOOKLINE_HOME": str(folder / "home"),
        "HOOKLINE_DATABASE_URL": url,
        "HOOKLINE_GATEWAY_PORT": str(port),
        "HOOKLINE_WORKER_PORT": str(free_port()),
        "HOOKLINE_PREFECT_PORT": str(free_port()),
        READY_FILE: str(folder / "ready"),
        "PREFECT_WORKER_WEBSERVER_PORT": str(free_port()),
    }
    with log.open("wb") as output:
        process = subprocess.Popen([sys.executable, "-m", *command], env=env, stdout=output, stderr=output)
    try:
        yield process, log, port
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(SECONDS)
        finally:
            process.kill()


def wait_until(ask, log):
    deadline = time.monotonic() + SECONDS
    while not ask():
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.1)


def is_ready(port):
    with suppress(httpx.HTTPError):
        return httpx.get(f"http://127.0.0.1:{port}/readyz").is_success
    return False


def signs(process, log, port):
    """What shows of each command that it goes on."""
    return {
        "hookline.database": lambda: process.poll() == 0,
        "gateway": lambda: is_ready(port),
        "engine": (log.parent / "ready").exists,
        "worker": lambda: "does not answer: " in log.read_text(),  # Prefect, for which it waits then
    }


@pytest.mark.parametrize("command", ["hookline.database", "gateway", "engine", "worker"])
def test_a_process_waits_with_a_word_for_a_postgresql_that_comes_later(elsewhere, tmp_path, command):
    words = [command] if "." in command else ["hookline", command]
    with started(elsewhere, tmp_path, *words) as (process, log, port):
        wait_until(lambda: "Waiting for it." in log.read_text(), log)
        waited = log.read_text()
        with embedded.served(elsewhere):
            wait_until(lambda: "PostgreSQL answers, after" in log.read_text(), log)
            wait_until(signs(process, log, port)[command], log)
            process.send_signal(signal.SIGTERM)
            process.wait(SECONDS)

    text = log.read_text()

    assert (True, False) == (WAITS in waited, "Traceback" in text), text


def test_a_postgresql_that_refuses_is_not_waited_for(elsewhere, tmp_path):
    with (
        embedded.served(elsewhere),
        started(elsewhere, tmp_path, "hookline.database", user="stranger") as (process, log, _),
    ):
        code = process.wait(SECONDS)

    text = log.read_text()

    assert (1, True, False) == (code, 'role "stranger" does not exist' in text, "Traceback" in text), text
