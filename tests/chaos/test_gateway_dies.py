"""Whatever dies, an accepted delivery is on disk and none is there twice: real processes, real kills."""

import asyncio
import json
from collections import Counter

import httpx
import psutil
import pytest

from hookline.database import pool
from hookline.errors import HooklineError
from hookline.sandbox.gateway_stack import SECRET, gateway_stack
from tests.chaos.machine import NOTHING_GROWS, NOTHING_IS_WRITTEN, SAYS_SO, Disk, preloading

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


@pytest.fixture
def disk(tmp_path_factory):
    """A disk that can be full."""
    folder = tmp_path_factory.mktemp("machine")
    for parent in (folder, *folder.parents[:3]):
        parent.chmod(parent.stat().st_mode | 0o011)  # PostgreSQL may run as another user
    made = Disk.made(folder / "disk")
    if made is None:
        pytest.skip("there is no C compiler to make the disk with")
    return made


async def test_a_postgresql_whose_recovery_finds_no_room_ends_and_is_there_again_when_there_is(
    monkeypatch, disk
):
    with monkeypatch.context() as preloaded:
        for name, value in preloading(disk).items():
            preloaded.setenv(name, value)
        async with gateway_stack() as running:
            disk.holds(running.home)
            address = await running.start_gateway()
            sender = Sender()
            await sender.send_all(address, range(20))
            with disk.full():
                kill_a_session(running.postgres)
                await asyncio.to_thread(running.postgres.wait, 60)
                with pytest.raises(HooklineError):
                    await running.start_postgres()
            await running.start_postgres()
            await sender.send_all(address, range(40))

            await assert_all_are_there_once(running, sender, range(40))


def kill_a_session(postgres):
    """Kill one of its sessions, which ends all of them."""
    sessions = [
        child for child in psutil.Process(postgres.pid).children() if "hookline" in " ".join(child.cmdline())
    ]
    sessions[0].kill()


@pytest.mark.parametrize(
    "how",
    [NOTHING_GROWS, NOTHING_IS_WRITTEN, SAYS_SO],
    ids=["nothing grows", "nothing is written", "no room is left"],
)
async def test_a_full_disk_is_reported_to_the_sender_and_costs_nothing_that_was_accepted(
    monkeypatch, disk, how
):
    with monkeypatch.context() as preloaded:
        for name, value in preloading(disk).items():
            preloaded.setenv(name, value)
        async with gateway_stack() as running:
            disk.holds(running.home)
            address = await running.start_gateway()
            sender = Sender(padding=900_000)
            await sender.send(address, 0)
            with disk.full(how):
                await asyncio.sleep(1.5)
                for number in range(1, 40):
                    await sender.send(address, number, tries=1)
            meanwhile, refused = len(sender.accepted), Counter(sender.refused)
            if running.postgres.poll() is not None:  # it ends where it cannot write; `up` starts it again
                await running.start_postgres()
            await sender.send_all(address, range(40))

            assert {503} == set(refused)
            assert meanwhile < 40 if how == NOTHING_GROWS else meanwhile == 1
            await assert_all_are_there_once(running, sender, range(40))
