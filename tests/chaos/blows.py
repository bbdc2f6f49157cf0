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
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import httpx
import psutil

from hookline.sandbox.stack import SandboxStack
from tests.chaos.plan import Blow, Misdeed

WORDS = {
    "engine": ("hookline", "engine"),
    "gateway": ("hookline", "gateway"),
    "worker": ("hookline", "worker"),
    "prefect": ("hookline.prefect_adapter.server",),
}
"""The command line of each of the supervisor's processes holds these."""

Say = Callable[[str], None]


class SecondEngine:
    """An engine beside the supervisor's, started again whenever it dies."""

    def __init__(self, log: Path) -> None:
        self.log = log
        self.process: subprocess.Popen[bytes] | None = None

    async def keep(self) -> None:
        """Let it live, for ever."""
        with self.log.open("ab") as output:
            while True:
                self.process = subprocess.Popen(
                    [sys.executable, "-m", "hookline", "engine"], stdout=output, stderr=output
                )
                try:
                    while self.process.poll() is None:
                        await asyncio.sleep(0.1)
                finally:
                    self.process.kill()
                    self.process.wait()
                await asyncio.sleep(1)


class Havoc:
    """Does to a sandbox what the plan says."""

    def __init__(self, sandbox: SandboxStack, second: SecondEngine, say: Say) -> None:
        self.sandbox = sandbox
        self.second = second
        self.say = say
        self.struck: dict[str, int] = {}
        """How often each blow found its process alive."""

    async def strike(self, blows: tuple[Blow, ...]) -> None:
        """Strike each blow at its time, or when the one before is over."""
        began = time.monotonic()
        for blow in blows:
            await asyncio.sleep(max(0, began + blow.at - time.monotonic()))
            process = self._find(blow.target)
            if process is None:
                self.say(f"{blow}: it is down already")
                continue
            self.say(f"{blow} (pid {process.pid})")
            self.struck[str(blow)] = self.struck.get(str(blow), 0) + 1
            if blow.pause:
                with _stopped(process):
                    await asyncio.sleep(blow.pause)
            else:
                with suppress(psutil.NoSuchProcess):
                    process.kill()

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

    def _find(self, target: str) -> psutil.Process | None:
        """The process of this name, if it lives."""
        if target == "second engine":
            engine = self.second.process
            return psutil.Process(engine.pid) if engine is not None and engine.poll() is None else None
        if target == "a session of postgres":
            return self._session()
        supervised = psutil.Process(self.sandbox.process.pid).children()
        return next((process for process in supervised if _is(process, target)), None)

    def _session(self) -> psutil.Process | None:
        """The process of one of PostgreSQL's connections; all of them fall when one is killed."""
        server = self._find("postgres")
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
