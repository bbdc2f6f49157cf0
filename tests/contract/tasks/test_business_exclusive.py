"""Two processes at one order: the writes of the one end before those of the other begin."""

import asyncio
import subprocess
import sys

import pytest
from pydantic import SecretStr

from hookline.clients.jiwa import JiwaClient, JiwaKey
from hookline.clients.jiwa.models import NewLine

RUN = """
import asyncio, sys

from pydantic import SecretStr

from blocks.jiwa import JiwaCredentials
from tasks import jiwa
from tasks.effects import BusinessKey

url, order, run = sys.argv[1:]
account = JiwaCredentials(base_url=url, api_key=SecretStr("sandbox-jiwa-key"))
business = BusinessKey("workflow", order, f"order {order}")


async def work():
    async with business.exclusive():
        for number in range(4):
            step = business.step(f"{run} {number}")
            await jiwa.create_sales_order_note.fn(account, step, InvoiceID=order, NoteText=run)


print("ready", flush=True)
sys.stdin.readline()
asyncio.run(work())
"""


@pytest.fixture
async def order(sandbox):
    async with JiwaClient(sandbox.jiwa.url, JiwaKey(SecretStr("sandbox-jiwa-key"))) as client:
        await client.create_debtor(AccountNo="A1", Name="Acme")
        return await client.create_sales_order(
            DebtorAccountNo="A1", Lines=[NewLine(PartNo="LIC-PRO", QuantityOrdered=1)]
        )


@pytest.fixture
def process(sandbox, order):
    """A process about the order that is ready to begin."""
    begun = []

    def process(run):
        command = [sys.executable, "-c", RUN, sandbox.jiwa.url, order.InvoiceID, run]
        one = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        begun.append(one)
        return one

    yield process
    for one in begun:
        one.kill()
        one.communicate()


@pytest.mark.long
async def test_two_processes_at_one_order_do_not_mix_their_writes(sandbox, order, process, ended):
    sandbox.jiwa.faults.add("create_sales_order_note", "latency", seconds=0.2, times=0)
    both = [process("update"), process("payment")]
    for one in both:
        await ended(one.stdout.readline)

    for one in both:
        print("go", file=one.stdin, flush=True)
    codes = [await ended(one.wait) for one in both]

    [kept] = [row for row in sandbox.jiwa.records()["orders"] if row["InvoiceID"] == order.InvoiceID]
    runs = [note["NoteText"].split()[0] for note in kept["Notes"]]
    assert [0, 0] == codes
    assert ["payment"] * 4 + ["update"] * 4 == sorted(runs)
    assert runs in (sorted(runs), sorted(runs, reverse=True))


@pytest.fixture
def ended():
    """Wait for something in another process while the vendors, which are in this one, go on."""

    async def ended(call):
        return await asyncio.wait_for(asyncio.to_thread(call), 90)

    return ended
