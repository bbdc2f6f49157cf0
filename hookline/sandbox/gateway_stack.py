"""PostgreSQL and gateways without the rest, in a throwaway home, for benchmarks and tests of receiving."""

import asyncio
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from hookline.database import embedded
from hookline.errors import HooklineError
from hookline.sandbox.stack import free_port
from hookline.settings import Settings, settings
from hookline.supervisor import Process
from hookline.supervisor.ready import http_ready

SECRET = "the-secret-of-a-throwaway-home"  # noqa: S105  (it opens nothing but that)
START_TIMEOUT_SECONDS = 60.0


@dataclass
class GatewayStack:
    """A PostgreSQL and its gateways, each a real process that may be killed."""

    home: Path
    environment: dict[str, str]
    postgres: subprocess.Popen[bytes] | None = None
    gateways: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    """The gateways by their address."""

    @property
    def settings(self) -> Settings:
        """Settings that lead to its database."""
        return settings().model_copy(update={"home": self.home, "database_url": None})

    async def start_postgres(self) -> None:
        """Start the PostgreSQL of the home, made when first started, and wait until it takes connections."""
        await asyncio.to_thread(embedded.prepare, self.home)
        process = Process(**embedded.process(self.home))
        with self._log.open("ab") as log:
            self.postgres = process.start("receiving", log.fileno())
        if process.ready is not None:
            await self._until(process.ready, self.postgres)

    async def start_gateway(self, **environment: str) -> str:
        """Start one more gateway, wait until it is ready, and return its address."""
        port = free_port()
        address = f"http://127.0.0.1:{port}"
        variables = self.environment | {"HOOKLINE_GATEWAY_PORT": str(port)} | environment
        with self._log.open("ab") as log:
            popen = await asyncio.to_thread(
                subprocess.Popen,
                [sys.executable, "-m", "hookline", "gateway"],
                env=variables,
                stdout=log,
                stderr=log,
            )
        self.gateways[address] = popen
        await self._until(http_ready(f"{address}/readyz"), popen)
        return address

    def kill_gateway(self, address: str) -> None:
        """Kill a gateway at once, as a power cut would."""
        popen = self.gateways.pop(address)
        popen.kill()
        popen.wait()

    def stop_postgres(self) -> None:
        """Stop PostgreSQL as `hookline up` does; what is committed stays."""
        if self.postgres is not None and self.postgres.poll() is None:
            self.postgres.send_signal(embedded.STOP_SIGNAL)
            self.postgres.wait(30)

    def stop(self) -> None:
        """Stop everything that still runs."""
        for popen in self.gateways.values():
            popen.terminate()
        for popen in self.gateways.values():
            popen.wait(30)
        self.stop_postgres()

    @property
    def _log(self) -> Path:
        return self.home / "processes.log"

    async def _until(self, ready: Callable[[], Awaitable[bool]], popen: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + START_TIMEOUT_SECONDS
        while not await ready():
            if popen.poll() is not None or time.monotonic() > deadline:
                raise HooklineError(
                    f"A process of the gateway stack does not start:\n{self._log.read_text(errors='replace')[-4000:]}"
                )
            await asyncio.sleep(0.05)


@asynccontextmanager
async def gateway_stack(**environment: str) -> AsyncIterator[GatewayStack]:
    """
    Run a PostgreSQL in a throwaway home, with no gateway yet; the source `jiwa` has the secret `SECRET`.

    Args:
        environment: further variables of the gateways.
    """
    folder = _folder()
    foreign = ("HOOKLINE_", "PREFECT_")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    ours = {"HOOKLINE_HOME": str(folder / "home"), "HOOKLINE_SECRET_JIWA": SECRET}
    stack = GatewayStack(folder / "home", inherited | ours | environment)
    try:
        await stack.start_postgres()
        yield stack
    finally:
        stack.stop()
        shutil.rmtree(folder, ignore_errors=True)


def _folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="hookline-receiving-"))
    folder.chmod(0o711)  # PostgreSQL is another user where we are root
    (folder / "home").mkdir(mode=0o700)
    return folder
