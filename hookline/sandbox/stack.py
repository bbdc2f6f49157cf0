"""The sandbox of the demo, the benchmarks and the tests: everything that `hookline up` runs, on free ports."""

import asyncio
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from hookline import runtime
from hookline.errors import HooklineError
from hookline.project import find_project, put_in_force
from hookline.settings import NO_DOTENV, NOT_OURS, Settings, settings
from hookline.vendors import sandbox_ports, vendors

START_SECONDS = 180
PORTS = {
    "HOOKLINE_GATEWAY_PORT": 8400,
    "HOOKLINE_PREFECT_PORT": 4200,
    "HOOKLINE_WORKER_PORT": 4201,
}
SANDBOX_PORT = 8410
OWN_PORTS = range(20_000, 30_000, 10)


@dataclass
class SandboxStack:
    """A running sandbox."""

    settings: Settings
    process: subprocess.Popen[bytes]
    log: Path
    http: httpx.Client
    """A client for its simulators."""

    def simulator(self, vendor: str) -> str:
        """Return the address of a vendor's simulator."""
        return f"http://127.0.0.1:{sandbox_ports(self.settings.sandbox_port)[vendor]}"

    def records(self, vendor: str) -> dict[str, Any]:
        """Return the simulator's records of a vendor."""
        answer = self.http.get(f"{self.simulator(vendor)}/_sandbox/records")
        return dict(answer.raise_for_status().json())

    def fault(self, vendor: str, **fault: Any) -> None:
        """Inject a fault of the vendor; see docs/sandbox.md."""
        self.http.post(f"{self.simulator(vendor)}/_sandbox/faults", json=fault).raise_for_status()

    def faults(self, vendor: str) -> list[dict[str, Any]]:
        """Return the vendor's faults that have not happened yet."""
        return list(self.http.get(f"{self.simulator(vendor)}/_sandbox/faults").raise_for_status().json())

    def clear_faults(self, vendor: str) -> None:
        """Remove the vendor's faults."""
        self.http.delete(f"{self.simulator(vendor)}/_sandbox/faults").raise_for_status()

    def landing(self, vendor: str) -> list[dict[str, Any]]:
        """Return the calls whose answers were lost and that the vendor has yet to carry out."""
        return list(self.http.get(f"{self.simulator(vendor)}/_sandbox/landing").raise_for_status().json())

    def requests(self, vendor: str, since: int = 0) -> list[dict[str, Any]]:
        """Return the requests to the vendor, each with its time in seconds since the epoch."""
        answer = self.http.get(f"{self.simulator(vendor)}/_sandbox/requests", params={"since": since})
        return list(answer.raise_for_status().json())

    def last_lines(self) -> str:
        """Return the last lines of its log."""
        return last_lines(self.log)


@contextmanager
def sandbox_stack(
    *,
    keep: Callable[[], bool] = lambda: False,
    on_line: Callable[[str], None] = lambda _line: None,
    checkout: Path | None = None,
    **more: str,
) -> Iterator[SandboxStack]:
    """
    Run a sandbox in a throwaway home, on the usual ports or, if those are used, on free ones.

    Vendors, databases and Prefect servers of the user's environment or `.env` are left out: nothing real is touched.

    Args:
        keep: called at the end; True leaves the sandbox running.
        on_line: called with each line of the supervisor until all is ready.
        checkout: the folder with the code that runs; None: the working directory.
        more: further environment variables.

    Raises:
        HooklineError: it does not start; with its last lines.
    """
    home = Path(tempfile.mkdtemp(prefix="hookline-"))
    if project := find_project():
        put_in_force(project)  # its vendors have simulators, too
    os.environ |= _environment(home) | more
    settings.cache_clear()
    current = runtime.bootstrap(sandbox=True)
    log = home / "up.log"
    process = _start(log, checkout)
    leave_running = False
    try:
        _wait(process, log, on_line)
        with httpx.Client(timeout=30) as http:
            yield SandboxStack(current, process, log, http)
        leave_running = keep()
    finally:
        if not leave_running:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                process.kill()
            shutil.rmtree(home, ignore_errors=True)


def _environment(home: Path) -> dict[str, str]:
    """Return settings that isolate the sandbox: `.env` is not read, and an empty one counts as not set."""
    foreign = ("PREFECT_", *(vendor.prefix for vendor in vendors().values()))
    for name in [name for name in os.environ if name.startswith(foreign) and name not in NOT_OURS]:
        del os.environ[name]
    ports = {name: str(port if _is_free(port) else free_port()) for name, port in PORTS.items()}
    first = next(
        port
        for port in range(SANDBOX_PORT, 60_000, 10)
        if all(_is_free(port + n) for n in range(len(vendors())))
    )
    return {
        "HOOKLINE_HOME": str(home),
        "HOOKLINE_DATABASE_URL": "",
        "HOOKLINE_ADMIN_TOKEN": "",
        **dict.fromkeys(("HOOKLINE_HOOKS", "HOOKLINE_CATALOG", "HOOKLINE_DEPLOYMENTS"), ""),
        NO_DOTENV: "true",
        "HOOKLINE_SECRET_JIWA": "",
        "HOOKLINE_SECRET_STANDARD": "",
        "HOOKLINE_POLLS": "false",  # what happens is what the caller does
        "PREFECT_API_URL": f"http://127.0.0.1:{ports['HOOKLINE_PREFECT_PORT']}/api",
        "HOOKLINE_SANDBOX_PORT": str(first),
        **ports,
    }


def _start(log: Path, checkout: Path | None) -> subprocess.Popen[bytes]:
    with log.open("wb") as output:
        return subprocess.Popen(
            [sys.executable, "-m", "hookline", "up", "--sandbox"],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd=checkout,
            start_new_session=True,
        )


def _wait(process: subprocess.Popen[bytes], log: Path, on_line: Callable[[str], None]) -> None:
    """Read the log until it says ready."""
    with log.open(encoding="utf-8", errors="replace") as lines:

        async def follow() -> None:
            while process.poll() is None:
                if line := lines.readline():
                    if line.startswith("hookline ready"):
                        return
                    if line.startswith("hookline"):
                        on_line(line.partition("│")[2].strip())
                else:
                    await asyncio.sleep(0.05)
            raise HooklineError(f"The sandbox ended before it was ready:\n{last_lines(log)}")

        try:
            asyncio.run(asyncio.wait_for(follow(), START_SECONDS))
        except TimeoutError:
            raise HooklineError(
                f"The sandbox is not ready after {START_SECONDS} s:\n{last_lines(log)}"
            ) from None


def last_lines(log: Path, number: int = 25) -> str:
    """Return the last lines of a log."""
    return "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-number:])


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def own_ports() -> dict[str, str]:
    """
    Return ports for a sandbox beside others: another sandbox could use the usual ones during a restart here.

    They are free and next to each other, below those that a system gives to outgoing connections.
    """
    while True:
        first = random.choice(OWN_PORTS)  # noqa: S311
        with ExitStack() as stack, suppress(OSError):
            for port in range(first, first + len(PORTS) + len(vendors())):
                stack.enter_context(socket.create_server(("127.0.0.1", port)))
            break
    ports = {name: str(first + number) for number, name in enumerate([*PORTS, "HOOKLINE_SANDBOX_PORT"])}
    return ports | {"PREFECT_API_URL": f"http://127.0.0.1:{ports['HOOKLINE_PREFECT_PORT']}/api"}


def free_port() -> int:
    """Return a port of this machine that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
