"""
A power cut: what PostgreSQL has not synced is gone, and whatever was acknowledged is there.

The disk is one that writes nothing before it is told to: `platter.c`, preloaded into PostgreSQL's processes, copies
each file that is synced to another folder, and that is all that is left of the data afterwards.
"""

import asyncio
import shutil
import subprocess
from contextlib import suppress

import psutil
import pytest

from hookline.database import embedded
from hookline.sandbox.gateway_stack import gateway_stack
from tests.chaos.machine import compiled
from tests.chaos.test_gateway_dies import Sender, stored

BEFORE, AT_ONCE, ACKNOWLEDGED = range(20), range(20, 2000), 60


class Platter:
    """The data folder of a PostgreSQL, and what of it has reached the platter."""

    def __init__(self, home, folder):
        self.data = home / "postgres" / "data"
        self.platter = home / "postgres" / "platter"
        self.folder = folder
        self.library = None

    def make(self):
        """Begin with all that is there, of a server that was stopped; the library for the next one."""
        subprocess.run(["cp", "-a", self.data, self.platter], check=True)
        self.library = compiled("platter.c", self.folder, DATA=self.data, PLATTER=self.platter)
        self.folder.chmod(0o755)

    def lose_power(self):
        """Let nothing be there but what has reached the platter."""
        (self.platter / "postmaster.pid").unlink(missing_ok=True)
        shutil.rmtree(self.data)
        self.platter.rename(self.data)


def cut_power(running):
    """Let PostgreSQL and the gateways stop as they are."""
    server = psutil.Process(running.postgres.pid)
    for process in (server, *server.children(recursive=True)):
        with suppress(psutil.NoSuchProcess):
            process.kill()
    running.postgres.wait()
    for address in [*running.gateways]:
        running.kill_gateway(address)


async def acknowledged_and_found(monkeypatch, tmp_path_factory):
    """What was acknowledged when the power was cut in the middle of it, and what is in the inbox afterwards."""
    if shutil.which("cc") is None:
        pytest.skip("there is no C compiler to make the disk with")
    folder = tmp_path_factory.mktemp("disk")
    for parent in (folder, *folder.parents[:3]):
        parent.chmod(parent.stat().st_mode | 0o011)
    async with gateway_stack() as running:
        address, sender = await running.start_gateway(), Sender()
        await sender.send_all(address, BEFORE)
        await asyncio.to_thread(running.stop_postgres)
        disk = Platter(running.home, folder)
        disk.make()
        with monkeypatch.context() as preloaded:
            preloaded.setenv("LD_PRELOAD", str(disk.library))
            await running.start_postgres()
        sending = asyncio.create_task(sender.send_all(address, AT_ONCE))
        while len(sender.accepted) < ACKNOWLEDGED and not sending.done():
            await asyncio.sleep(0.01)
        cut_power(running)
        sending.cancel()
        acknowledged = dict(sender.accepted)
        disk.lose_power()
        await running.start_postgres()
        return acknowledged, set(await stored(running))


async def test_what_was_acknowledged_before_a_power_cut_is_there_after_it(monkeypatch, tmp_path_factory):
    acknowledged, found = await acknowledged_and_found(monkeypatch, tmp_path_factory)

    assert len(acknowledged) >= ACKNOWLEDGED
    assert set() == set(acknowledged.items()) - found


async def test_without_fsync_it_would_be_seen_to_be_lost(monkeypatch, tmp_path_factory):
    monkeypatch.setitem(embedded._SETTINGS, "fsync", "off")

    acknowledged, found = await acknowledged_and_found(monkeypatch, tmp_path_factory)

    before = {(number, acknowledged[number]) for number in BEFORE}
    assert len(acknowledged) >= ACKNOWLEDGED
    assert before == found
