"""A process that rehearses reaches nobody: not by a vendor's client, not by a library, not by another program."""

import subprocess
import sys
from textwrap import dedent

import httpx
import pytest
from pydantic import SecretStr

from hookline.clients.jiwa import JiwaClient, JiwaKey
from hookline.clients.sensorpro import SensorproClient
from hookline.rehearsal import doors
from hookline.rehearsal.answers import Recorded
from hookline.rehearsal.doors import NotRecorded
from hookline.rehearsal.writes import Run, following

ORDER = {
    "InvoiceID": "5244dd5e",
    "InvoiceNo": "100123",
    "CreditNote": False,
    "DebtorAccountNo": "1001",
    "DebtorName": "Firm Ltd",
    "Histories": [],
    "Lines": [],
    "Payments": [],
}


class Reached:
    """A network that says what reached it."""

    def __init__(self):
        self.requests = []

    def __call__(self, request):
        self.requests.append((request.method, request.url.path))
        return httpx.Response(200, json=ORDER)


@pytest.fixture
def reached():
    return Reached()


@pytest.fixture
def jiwa(reached):
    return JiwaClient(
        "https://jiwa.example", JiwaKey(SecretStr("a-key-of-jiwa")), transport=httpx.MockTransport(reached)
    )


def rehearsal(*, found=None, read_from_vendors=False):
    outside = Recorded(recorded=None, read_from_vendors=read_from_vendors)

    async def recorded(_client, _operation, _inputs):
        return found

    outside._found = recorded
    return outside


async def test_outside_of_a_rehearsal_a_call_is_sent(jiwa, reached):
    async with jiwa:
        order = await jiwa.get_sales_order(InvoiceID="5244dd5e")

    assert ("100123", [("GET", "/SalesOrders/5244dd5e")]) == (order.InvoiceNo, reached.requests)


@pytest.mark.parametrize("read_from_vendors", [False, True])
async def test_what_was_recorded_is_answered_and_nothing_is_sent(jiwa, reached, read_from_vendors):
    found = {**ORDER, "InvoiceNo": "100999"}
    async with jiwa:
        with doors.rehearsing(rehearsal(found=found, read_from_vendors=read_from_vendors)):
            order = await jiwa.get_sales_order(InvoiceID="5244dd5e")

    assert ("100999", []) == (order.InvoiceNo, reached.requests)


async def test_what_nobody_recorded_is_not_guessed_and_the_run_says_what_it_needed(jiwa, reached):
    run = Run("jiwa-order")
    async with jiwa:
        with doors.rehearsing(rehearsal()), following(run), pytest.raises(NotRecorded, match="not recorded"):
            await jiwa.query_sales_orders(InvoiceID="5244dd5e")

    assert (["the answer to jiwa.query_sales_orders"], []) == (
        [each.what for each in run.unknown],
        reached.requests,
    )


async def test_with_leave_reads_are_sent_and_writes_are_not(jiwa, reached):
    async with jiwa:
        with doors.rehearsing(rehearsal(read_from_vendors=True)):
            await jiwa.get_sales_order(InvoiceID="5244dd5e")
            for write in (
                jiwa.delete_sales_order(InvoiceID="5244dd5e"),
                jiwa.create_sales_order_note(InvoiceID="5244dd5e", NoteText="hello"),
                jiwa.update_debtor(DebtorID="5244dd5e", Name="another"),
            ):
                with pytest.raises(NotRecorded):
                    await write

    assert [("GET", "/SalesOrders/5244dd5e")] == reached.requests


def test_only_operations_that_change_nothing_read():
    """A read by POST is not let through: a rehearsal is rather too strict."""
    assert not SensorproClient.get_contacts.reads
    assert not SensorproClient.trigger_email.reads
    assert JiwaClient.get_sales_order.reads


@pytest.mark.parametrize(
    ("attempt", "what"),
    [
        ("httpx.get('http://127.0.0.1:9/')", "a connection to 127.0.0.1, port 9"),
        ("socket.create_connection(('192.0.2.1', 25), timeout=1)", "a connection to 192.0.2.1, port 25"),
        (
            "socket.socket(type=socket.SOCK_DGRAM).sendto(b'x', ('192.0.2.1', 53))",
            "a connection to 192.0.2.1",
        ),
        ("asyncio.run(dial())", "a connection to 127.0.0.1, port 9"),
        ("subprocess.run(['true'])", "a program"),
        ("os.system('true')", "a program"),
        ("in_thread(lambda: httpx.get('http://127.0.0.1:9/'))", "a connection to 127.0.0.1, port 9"),
    ],
)
def test_a_flow_reaches_nobody_and_starts_nothing(attempt, what):
    code = f"""
        import asyncio, os, socket, subprocess, sys, threading
        import httpx
        from hookline.rehearsal import network

        class Refused(Exception):
            pass

        def in_thread(function):
            raised = []
            def run():
                try:
                    function()
                except BaseException as error:
                    raised.append(error)
            thread = threading.Thread(target=run)
            thread.start()
            thread.join()
            raise raised[0]

        async def dial():
            await asyncio.open_connection("127.0.0.1", 9)

        network.guard({{("127.0.0.1", 1)}}, Refused)
        with network.in_flow():
            try:
                {attempt}
            except BaseException as error:
                print(type(error).__name__, error)
    """
    done = subprocess.run([sys.executable, "-c", dedent(code)], capture_output=True, text=True, timeout=60)

    assert "Refused" == done.stdout.split(" ")[0], done.stderr
    assert what in done.stdout


def test_its_own_servers_are_reached():
    code = """
        import socket
        from hookline.rehearsal import network

        with socket.create_server(("127.0.0.1", 0)) as ours:
            network.guard(network.addresses_of(f"http://127.0.0.1:{ours.getsockname()[1]}/api"), RuntimeError)
            with network.in_flow():
                socket.create_connection(ours.getsockname()).close()
        print("reached")
    """
    done = subprocess.run([sys.executable, "-c", dedent(code)], capture_output=True, text=True, timeout=60)

    assert "reached\n" == done.stdout, done.stderr
