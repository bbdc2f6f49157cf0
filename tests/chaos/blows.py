"""
What is done to the processes of a sandbox while it works, and to its vendors.

The supervisor starts again what is killed; nothing is told that it was.
"""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO
from uuid import UUID

import asyncpg
import httpx
import psutil

from benchmarks.takeover import Takeover, claimed_by, takeover
from hookline.database import CONNECTION_ERRORS, DatabaseUnavailable, connect
from hookline.errors import HooklineError
from hookline.sandbox.stack import SandboxStack
from tests.chaos import plan
from tests.chaos.lines import Lines
from tests.chaos.machine import NOTHING_GROWS, NOTHING_IS_WRITTEN, Clock, Disk
from tests.chaos.people import hookline
from tests.chaos.plan import Blow, Misdeed
from tests.chaos.trees import Trees

WORDS = {
    "engine": ("hookline", "engine"),
    "gateway": ("hookline", "gateway"),
    "worker": ("hookline", "worker"),
    "prefect": ("hookline.prefect_adapter.server",),
    "simulators": ("hookline", "sandbox"),
}
"""The command line of each of the supervisor's processes holds these."""
AWAY = (*CONNECTION_ERRORS, HooklineError)

Say = Callable[[str], None]


class Kept:
    """A process beside the supervisor's, started again whenever it ends."""

    def __init__(self, log: Path, *words: str, **environment: str) -> None:
        self.log = log
        self.words = words
        self.environment = environment
        self.checkout: Path | None = None
        """The folder of the code that it begins with, the next time."""
        self.process: subprocess.Popen[bytes] | None = None

    async def keep(self) -> None:
        """Let it live, for ever."""
        with self.log.open("ab") as output:
            while True:
                self.process = await asyncio.to_thread(self._start, output)
                try:
                    while self.process.poll() is None:
                        await asyncio.sleep(0.1)
                finally:
                    self.process.kill()
                    self.process.wait()
                await asyncio.sleep(1)

    def _start(self, output: IO[bytes]) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "hookline", *self.words]
        environment = os.environ | self.environment
        return subprocess.Popen(command, env=environment, cwd=self.checkout, stdout=output, stderr=output)


class Havoc:
    """Does to a sandbox what the plan says."""

    def __init__(self, sandbox: SandboxStack, say: Say) -> None:
        self.sandbox = sandbox
        self.kept: dict[str, Kept] = {}
        self.say = say
        self.lines: Mapping[str, Lines] = {}
        self.clocks: dict[str, Clock] = {}
        self.trees: Trees | None = None
        self.disk: Disk | None = None
        self.full: list[tuple[float, float]] = []
        """When nothing at all could be written, by the monotonic clock."""
        self._watching: list[asyncio.Task[Takeover | None]] = []
        self.struck: dict[str, int] = {}
        """How often each blow found what it was meant for."""

    async def strike(self, blows: tuple[Blow, ...]) -> None:
        """Strike each blow at its time, or when the one before is over."""
        began = time.monotonic()
        for blow in blows:
            await asyncio.sleep(max(0, began + blow.at - time.monotonic()))
            try:
                struck = await self._strike(blow)
            except AWAY as error:
                self.say(f"{blow}: {type(error).__name__}")
                continue
            self.say(str(blow) if struck else f"{blow}: it is not there")
            self.struck[str(blow)] = self.struck.get(str(blow), 0) + struck

    async def _strike(self, blow: Blow) -> bool:
        """Strike one blow; return False where there was nothing to strike."""
        strikes: dict[str, Callable[[Blow], Awaitable[bool]]] = {
            plan.CUT: self._cut,
            plan.SET_CLOCK: self._set_clock,
            plan.FILL: self._fill_disk,
            plan.UPGRADE: self._upgrade,
            plan.END: self._end_sessions,
            plan.EXHAUST: self._use_up_connections,
        }
        return await strikes.get(blow.how, self._strike_process)(blow)

    async def _cut(self, blow: Blow) -> bool:
        async with self.lines[blow.target].cut():
            await asyncio.sleep(blow.seconds)
        return True

    async def _set_clock(self, blow: Blow) -> bool:
        clock = self.clocks.get(blow.target)
        return clock is not None and clock.set(blow.seconds)

    async def _strike_process(self, blow: Blow) -> bool:
        process = self.find(blow.target)
        if process is None:
            return False
        with suppress(psutil.NoSuchProcess):
            if blow.how == plan.PAUSE:
                with _stopped(process):
                    await asyncio.sleep(blow.seconds)
            elif blow.how == plan.RESTART:
                process.terminate()
            elif blow.how == plan.RELOAD:
                process.send_signal(signal.SIGHUP)
            elif blow.target.endswith("engine"):
                await self._kill_engine(process)
            else:
                process.kill()
        return True

    async def _kill_engine(self, process: psutil.Process) -> None:
        """Kill it, and watch how soon another one goes on with what it had claimed."""
        claimed: dict[UUID, int] = {}
        with suppress(*CONNECTION_ERRORS):
            claimed = await claimed_by(self.sandbox.settings, process.pid)
        process.kill()
        if claimed:
            watching = takeover(self.sandbox.settings, claimed, time.monotonic())
            self._watching.append(asyncio.create_task(watching))

    async def takeovers(self) -> list[Takeover]:
        """What happened after each kill of an engine that had claimed something."""
        return [found for found in await asyncio.gather(*self._watching) if found is not None]

    async def _upgrade(self, blow: Blow) -> bool:
        """Start a process again with the newer code; those of the supervisor as people do it."""
        target = blow.target
        if self.trees is None:
            return False
        if target not in self.kept:
            await asyncio.to_thread(self.trees.replace)
            await hookline("restart", target)
            return True
        kept, before = self.kept[target], self.find(target)
        kept.checkout = self.trees.newer
        if before is not None:
            before.terminate()
        while (now := self.find(target)) is None or now == before:
            await asyncio.sleep(0.1)
        return True

    async def _fill_disk(self, blow: Blow) -> bool:
        """Leave no room on the disk for so long; or none for what grows, while files that are there can be written."""
        if self.disk is None:
            return False
        began, wholly = time.monotonic(), blow.target == plan.THE_DISK
        with self.disk.full(NOTHING_IS_WRITTEN if wholly else NOTHING_GROWS):
            await asyncio.sleep(blow.seconds)
            if wholly:
                self.full.append((began, time.monotonic()))
        return True

    async def _end_sessions(self, _blow: Blow) -> bool:
        """End all sessions of PostgreSQL as an administrator does; the server itself goes on."""
        connection = await connect(self.sandbox.settings)
        try:
            return bool(
                await connection.fetchval(
                    "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
                    " WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
                )
            )
        finally:
            await connection.close()

    async def _use_up_connections(self, blow: Blow) -> bool:
        """Hold every connection that PostgreSQL gives, for so long."""
        held: list[asyncpg.Connection] = []
        try:
            with suppress(DatabaseUnavailable):  # there are no more
                while True:
                    held.append(await connect(self.sandbox.settings))
            await asyncio.sleep(blow.seconds)
        finally:
            await asyncio.gather(*(each.close() for each in held), return_exceptions=True)
        return bool(held)

    async def misbehave(self, misdeeds: tuple[Misdeed, ...]) -> None:
        """Let each vendor misbehave from the planned time on, as often as planned."""
        began = time.monotonic()
        for misdeed in misdeeds:
            await asyncio.sleep(max(0, began + misdeed.at - time.monotonic()))
            self.say(str(misdeed))
            async with httpx.AsyncClient(timeout=30) as client:
                answer = await client.post(
                    f"{self.sandbox.simulator(misdeed.vendor)}/_sandbox/faults", json=misdeed.fault
                )
            answer.raise_for_status()

    def find(self, target: str) -> psutil.Process | None:
        """The process of this name, if it lives."""
        if target in self.kept:
            process = self.kept[target].process
            return psutil.Process(process.pid) if process is not None and process.poll() is None else None
        if target == "a session of postgres":
            return self._session()
        with suppress(psutil.NoSuchProcess):  # the supervisor itself has ended
            supervised = psutil.Process(self.sandbox.process.pid).children()
            return next((process for process in supervised if _is(process, target)), None)
        return None

    def _session(self) -> psutil.Process | None:
        """The process of one of PostgreSQL's connections; all of them fall when one is killed."""
        server = self.find("postgres")
        sessions = server.children() if server is not None else []
        return next((process for process in sessions if "hookline" in _command(process)), None)


@contextmanager
def _stopped(process: psutil.Process) -> Iterator[None]:
    """Within, a process and all that it started stand still."""
    with ExitStack() as stack:
        for each in (process, *_family(process)):
            with suppress(psutil.NoSuchProcess):
                each.suspend()
                stack.callback(_go_on, each.pid)
        yield


def _family(process: psutil.Process) -> list[psutil.Process]:
    with suppress(psutil.NoSuchProcess):
        return process.children(recursive=True)
    return []


def _go_on(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGCONT)


def _is(process: psutil.Process, target: str) -> bool:
    if target == "postgres":
        return _command(process).startswith("postgres") or "pginstall/bin/postgres" in _command(process)
    return set(WORDS[target]) <= set(_command(process).split())


def _command(process: psutil.Process) -> str:
    with suppress(psutil.Error):
        return " ".join(process.cmdline())
    return ""
