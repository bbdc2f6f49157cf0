"""Two gateways and two Prefect servers behind a proxy, three engines, Redis and PostgreSQL: each is killed in turn."""

import asyncio
import json
import shutil
import subprocess
import sys
from collections import Counter

import asyncpg
import pytest

from benchmarks.machines import servers
from hookline.sandbox.gateway_stack import SECRET
from tests.chaos.test_gateway_dies import Sender

PROGRAMS = ("nginx", "redis-server")
pytestmark = pytest.mark.skipif(
    any(shutil.which(program) is None for program in PROGRAMS),
    reason="nginx or redis-server is not installed",
)


def chaos(*words, seconds):
    return subprocess.run(
        [sys.executable, "-m", "tests.chaos", "--machines", *words],
        capture_output=True,
        text=True,
        timeout=seconds,
    )


async def test_senders_notice_little_of_a_gateway_that_dies_behind_the_proxy():
    """The proxy leads to the other; what was under way with the dead one is answered 502, and sent again."""
    sender, numbers = Sender(), range(300)
    async with servers(HOOKLINE_SECRET_JIWA=SECRET) as made:
        gateways = [made.add("gateway", number) for number in (1, 2)]
        await made.start("gateway 1", "gateway 2")
        sending = asyncio.create_task(sender.send_all(made.gateway_url, numbers))
        await asyncio.sleep(0.3)
        await asyncio.to_thread(gateways[0].kill)
        await sending
        await made.start("gateway 1")
        made.proxy_to([1], [1])  # as for an upgrade of the other
        await asyncio.sleep(0.5)
        await asyncio.to_thread(gateways[1].stop)
        await sender.send_all(made.gateway_url, range(300, 320))
        connection = await asyncpg.connect(made.database_url("hookline"))
        found = await connection.fetch("SELECT id, body FROM deliveries")
        await connection.close()

    assert set(sender.refused) <= {502}
    assert {*range(320)} == {*sender.accepted}
    assert Counter(sender.accepted.items()) == Counter(
        (json.loads(row["body"])["InvoiceID"], str(row["id"])) for row in found
    )


def test_each_process_of_several_machines_is_killed_in_turn_and_nothing_is_lost_or_doubled():
    ended = chaos("--orders", "30", "--seed", "7", seconds=600)

    assert 0 == ended.returncode, ended.stdout + ended.stderr
    assert "Nothing lost, nothing twice" in ended.stdout


@pytest.mark.long
def test_the_same_for_a_long_time():
    ended = chaos("--orders", "300", seconds=3600)

    assert 0 == ended.returncode, ended.stdout + ended.stderr
