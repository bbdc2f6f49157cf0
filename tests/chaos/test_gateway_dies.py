"""Whatever dies, an accepted delivery is on disk and none is there twice: real processes, real kills."""

import asyncio
import json
import os
import subprocess
from collections import Counter
from contextlib import contextmanager

import httpx
import pytest

from hookline.database import pool
from hookline.sandbox.gateway_stack import SECRET, gateway_stack

HEADERS = {"X-Hookline-Key": SECRET, "Content-Type": "application/json"}


class Sender:
    """Sends numbered deliveries as a sender does: again, until they are accepted."""

    def __init__(self, padding=0):
        self.padding = "x" * padding
        self.accepted = {}
        self.refused = Counter()
        self.duplicates = 0

    async def send(self, address, number, *, tries=200):
        async with httpx.AsyncClient(timeout=10) as client:
            for _ in range(tries):
                try:
                    answer = await client.post(
                        f"{address() if callable(address) else address}/hooks/jiwa",
                        json={"InvoiceID": number, "Remark": self.padding},
                        headers=HEADERS,
                    )
                except httpx.TransportError as error:
                    self.refused[type(error).__name__] += 1
                else:
                    if answer.is_success:
                        self.duplicates += answer.json()["duplicate"]
                        self.accepted[number] = answer.json()["id"]
                        return
                    self.refused[answer.status_code] += 1
                await asyncio.sleep(0.05)

    async def send_all(self, address, numbers, *, at_once=8):
        left = iter(numbers)

        async def one_after_another():
            for number in left:
                await self.send(address, number)

        await asyncio.gather(*(one_after_another() for _ in range(at_once)))


async def stored(running):
    """What is in the inbox: ids by number."""
    database = await pool(running.settings)
    rows = await database.fetch("SELECT id, body FROM deliveries")
    return Counter((json.loads(row["body"])["InvoiceID"], str(row["id"])) for row in rows)


async def assert_all_are_there_once(running, sender, numbers):
    found = await stored(running)
    assert sorted(numbers) == sorted(sender.accepted)
    assert Counter(sender.accepted.items()) == found


@pytest.fixture(scope="module")
async def processes():
    async with gateway_stack() as running:
        yield running


@pytest.fixture
async def running(processes):
    """PostgreSQL with an empty inbox and two gateways on it; one that a test killed is started again."""
    while len(processes.gateways) < 2:
        await processes.start_gateway(HOOKLINE_CRASH_FILE=str(processes.home / "crash"))
    await (await pool(processes.settings)).execute("TRUNCATE deliveries, changes CASCADE")
    return processes


async def test_two_gateways_on_one_inbox_answer_repeats_of_each_other(running):
    sender = Sender()

    await asyncio.gather(
        *(sender.send(address, number) for number in range(50) for address in running.gateways)
    )

    assert 50 == sender.duplicates
    await assert_all_are_there_once(running, sender, range(50))


async def test_a_postgresql_that_restarts_under_load_costs_nothing_that_was_accepted(running):
    sender, numbers = Sender(), range(300)
    sending = asyncio.create_task(sender.send_all(next(iter(running.gateways)), numbers))
    await asyncio.sleep(0.3)
    await asyncio.to_thread(running.stop_postgres)
    await asyncio.sleep(0.3)
    await running.start_postgres()
    await sending

    assert {503} == set(sender.refused)
    await assert_all_are_there_once(running, sender, numbers)


async def test_a_gateway_killed_between_the_insert_and_its_answer_loses_and_doubles_nothing(running):
    sender = Sender()
    first, second = running.gateways
    (running.home / "crash").write_text("gateway stored")

    await sender.send(first, 1, tries=1)
    killed = running.gateways.pop(first).wait(10)
    await sender.send(second, 1)

    assert (-9, 1) == (killed, sender.duplicates)
    await assert_all_are_there_once(running, sender, [1])


async def test_a_gateway_killed_under_load_loses_and_doubles_nothing(running):
    sender, numbers = Sender(), range(400)
    first = next(iter(running.gateways))
    sending = asyncio.create_task(sender.send_all(lambda: next(iter(running.gateways)), numbers, at_once=16))
    await asyncio.sleep(0.3)
    running.kill_gateway(first)
    await sending

    assert sender.refused
    await assert_all_are_there_once(running, sender, numbers)


@contextmanager
def small_disk(folder, megabytes):
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=0711", "tmpfs", folder], capture_output=True
    )
    if mounted.returncode:
        pytest.skip("a small file system can only be mounted by root")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


@pytest.mark.parametrize(
    "least_free", ["0", "20"], ids=["the disk itself says no", "we say no before it does"]
)
async def test_a_full_disk_is_told_to_the_sender_and_costs_nothing_that_was_accepted(
    monkeypatch, tmp_path_factory, least_free
):
    disk = tmp_path_factory.mktemp("disk")
    for parent in (disk, *disk.parents[:3]):
        parent.chmod(parent.stat().st_mode | 0o011)
    with small_disk(disk, 120):
        monkeypatch.setattr("tempfile.tempdir", str(disk))
        async with gateway_stack(HOOKLINE_MIN_FREE_MB=least_free) as running:
            address = await running.start_gateway()
            sender = Sender(padding=900_000)
            await sender.send(address, 0)
            ballast = running.home / "ballast"
            free = os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize
            with ballast.open("wb") as file:
                file.write(b"x" * (free - (19 << 20 if least_free != "0" else 1 << 16)))
            await asyncio.sleep(1.5)
            for number in range(1, 40):
                await sender.send(address, number, tries=1)
            refused = Counter(sender.refused)
            ballast.unlink()
            if (
                running.postgres.poll() is not None
            ):  # it ends where it cannot write its log; `up` starts it again
                await running.start_postgres()
            await sender.send_all(address, range(40))

            assert {503} == set(refused)
            await assert_all_are_there_once(running, sender, range(40))
