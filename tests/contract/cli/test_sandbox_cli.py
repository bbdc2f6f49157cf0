"""`hookline sandbox` says where its simulators are."""

import json
import os
import signal
import socket
import subprocess
import sys
from contextlib import ExitStack, contextmanager

import httpx
import pytest

from hookline.clients import CLIENTS

VENDORS = list(CLIENTS)


@pytest.fixture
def sandbox(tmp_path):
    """A sandbox on ports that were free a moment ago; ends by Ctrl-C."""

    @contextmanager
    def sandbox(*words):
        port = free_ports(len(VENDORS))
        environment = os.environ | {"HOOKLINE_HOME": str(tmp_path), "HOOKLINE_SANDBOX_PORT": str(port)}
        process = subprocess.Popen(
            [sys.executable, "-m", "hookline", "sandbox", *words],
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
            cwd=tmp_path,
        )
        try:
            yield port, process.stdout
        finally:
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=60)

    return sandbox


def free_ports(count):
    """The first of some free ports, one after another."""
    while True:
        with ExitStack() as stack:
            first = stack.enter_context(socket.socket())
            first.bind(("127.0.0.1", 0))
            port = first.getsockname()[1]
            try:
                for number in range(1, count):
                    stack.enter_context(socket.socket()).bind(("127.0.0.1", port + number))
            except (OSError, OverflowError):
                continue
            return port


def test_it_prints_a_table_of_its_addresses(sandbox):
    with sandbox() as (port, output):
        lines = [output.readline().split() for _ in range(1 + len(VENDORS))]

    expected = [[vendor, f"http://127.0.0.1:{port + number}"] for number, vendor in enumerate(VENDORS)]
    assert [["vendor", "address"], *expected] == lines


def test_as_json_it_prints_them_once_they_answer(sandbox):
    with sandbox("--json") as (_, output):
        text = output.readline()
        while not text.rstrip().endswith("]"):
            text += output.readline()
        answers = [httpx.get(f"{each['address']}/healthz").status_code for each in json.loads(text)]

    assert [200] * len(VENDORS) == answers
