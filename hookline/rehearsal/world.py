"""The world of a rehearsal: a throwaway home, with a PostgreSQL and a Prefect server that nobody else knows."""

import asyncio
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Final

from hookline import runtime
from hookline.database import embedded
from hookline.errors import HooklineError
from hookline.sandbox.stack import free_port, last_lines
from hookline.settings import NO_DOTENV, Settings, read_dotenv, settings
from hookline.supervisor import Process

NAMES: Final = ("postgres", "migrate", "prefect")
START_SECONDS: Final = 300.0


@contextmanager
def throwaway_home() -> Iterator[Settings]:
    """
    Lead this process to a home of its own, and return its settings; the files and the vendors stay those of here.

    Where nobody is to be reached, nobody is: addresses of people and of a Prefect server are left out.
    """
    read_dotenv()
    home = Path(tempfile.mkdtemp(prefix="hookline-rehearsal-"))
    home.chmod(0o711)  # PostgreSQL is another user where we are root
    before = dict(os.environ)
    for name in [each for each in os.environ if each.startswith("PREFECT_")]:
        del os.environ[name]
    port = free_port()
    os.environ |= {
        NO_DOTENV: "true",
        "HOOKLINE_HOME": str(home),
        "HOOKLINE_HIGH_WATER": "",
        "HOOKLINE_DATABASE_URL": "",
        "HOOKLINE_NOTIFY_URLS": "",
        "HOOKLINE_EVENTS": "false",
        "HOOKLINE_SANDBOX": "false",
        "HOOKLINE_PREFECT_PORT": str(port),
        "PREFECT_API_URL": f"http://127.0.0.1:{port}/api",
        "PREFECT_LOGGING_LEVEL": "CRITICAL",  # what fails is reported once, at the end
        "PREFECT_LOGGING_TO_API_ENABLED": "false",
    }
    settings.cache_clear()
    try:
        current = runtime.bootstrap()
        embedded.prepare(home)
        yield current
    finally:
        os.environ.clear()
        os.environ.update(before)
        settings.cache_clear()
        shutil.rmtree(home, ignore_errors=True)


@contextmanager
def servers(
    home: Path, processes: Sequence[Process], on_start: Callable[[str], None] = lambda _name: None
) -> Iterator[None]:
    """
    Run PostgreSQL and the Prefect server of a home.

    Raises:
        HooklineError: one does not start; with its last lines.
    """
    with ExitStack() as stack, (home / "processes.log").open("wb") as log:
        for process in (each for each in processes if each.name in NAMES):
            on_start(process.name)
            popen = process.start("rehearsal", log.fileno())
            stack.callback(_stop, popen, process)
            asyncio.run(_until_ready(process, popen, home / "processes.log"))
        yield


async def _until_ready(process: Process, popen: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not (await process.ready() if process.ready else popen.poll() == 0):
        if (popen.poll() or 0) != 0 or time.monotonic() > deadline:
            raise HooklineError(f"{process.name} of the rehearsal does not start:\n{last_lines(log)}")
        await asyncio.sleep(0.05)


def _stop(popen: subprocess.Popen[bytes], process: Process) -> None:
    if popen.poll() is None:
        popen.send_signal(process.stop_signal)
        with suppress(subprocess.TimeoutExpired):
            popen.wait(process.stop_seconds)
    if popen.poll() is None:
        popen.send_signal(signal.SIGKILL)
        popen.wait()
