"""
Several machines on one: PostgreSQL on a port, Redis, the proxy of deploy/, and roles with a data folder a machine.

Each is a real process, which may be killed and started again. Redis and nginx come from the system.
"""

import asyncio
import base64
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg
import httpx

from hookline import runtime
from hookline.database import embedded
from hookline.errors import HooklineError
from hookline.sandbox.stack import SandboxStack, free_port
from hookline.settings import NO_DOTENV, Settings, settings
from hookline.supervisor.ready import READY_FILE, file_ready, http_ready
from hookline.vendors import sandbox_ports, vendors

PROXY = Path(__file__).parents[1] / "deploy" / "nginx-many-machines.conf"
PROGRAMS = ("nginx", "redis-server")
START_SECONDS = 180.0
SOURCES = ("jiwa", "standard")


@dataclass
class Part:
    """One process, started as often as it has to be."""

    name: str
    command: Sequence[str]
    ready: Callable[[], Awaitable[bool]]
    environment: Mapping[str, str]
    log: Path
    options: Mapping[str, Any] = field(default_factory=dict)
    """Of `subprocess.Popen`."""
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> subprocess.Popen[bytes]:
        """Start it."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(  # noqa: S603
                self.command, env=dict(self.environment), stdout=log, stderr=log, **self.options
            )
        return self.process

    async def until_ready(self) -> None:
        """
        Wait until it answers.

        Raises:
            HooklineError: it ended, or takes too long; with the end of its log.
        """
        deadline = time.monotonic() + START_SECONDS
        while not await self.ready():
            if self.process is None or self.process.poll() is not None or time.monotonic() > deadline:
                raise HooklineError(f"{self.name} does not start:\n{self.last_lines()}")
            await asyncio.sleep(0.1)

    def stop(self, seconds: float = 40.0) -> None:
        """Stop it as systemd does: by SIGTERM, and if that does not help, for good."""
        if self.process is None or self.process.poll() is not None:
            return
        self.process.terminate()
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """Kill it at once, as a power cut would."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def last_lines(self) -> str:
        """Return the end of its log."""
        return self.log.read_text(errors="replace")[-4000:]


class Machines:
    """The parts, by name; those of a role by the number of their machine, such as `engine 2`."""

    def __init__(self, folder: Path, **more: str) -> None:
        self.folder = folder
        self.parts: dict[str, Part] = {}
        self._ports: dict[str, int] = {}
        self._password = secrets.token_urlsafe(16)
        self.shared = self._shared(more)
        """What `.env` of each machine holds."""
        self._add_servers()

    @property
    def gateway_url(self) -> str:
        """The address of the proxy in front of the gateways."""
        return f"http://127.0.0.1:{self._port('gateways')}"

    def add(self, role: str, machine: int, **environment: str) -> Part:
        """Add a process of a role on a machine."""
        name, home = f"{role} {machine}", self.folder / f"machine-{machine}"
        home.mkdir(mode=0o700, exist_ok=True)
        port, ready_file = self._port(name), home / f"{role}-ready"
        own = {
            "HOOKLINE_HOME": str(home),
            "HOOKLINE_GATEWAY_PORT": str(port),
            "HOOKLINE_PREFECT_PORT": str(port),
            **({READY_FILE: str(ready_file)} if role == "engine" else {}),
        }
        ready = {
            "prefect": http_ready(f"http://127.0.0.1:{port}/api/health"),
            "gateway": http_ready(f"http://127.0.0.1:{port}/readyz"),
            "engine": file_ready(ready_file),
            "sandbox": http_ready(f"http://127.0.0.1:{self.shared['HOOKLINE_SANDBOX_PORT']}/healthz"),
        }.get(role, _at_once)
        command = [sys.executable, "-m", "hookline", role]
        return self._part(name, command, ready, environment=self.shared | own | environment)

    async def start(self, *names: str) -> None:
        """Start parts at the same time, and wait until all of them answer."""
        for name in names:
            await asyncio.to_thread(self.parts[name].start)
        await asyncio.gather(*(self.parts[name].until_ready() for name in names))

    async def apply(self) -> None:
        """Make Prefect match the files, as `hookline apply` does."""
        environment = self.shared | {"HOOKLINE_HOME": str(self.folder / "machine-1")}
        done = await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-m", "hookline", "apply", "--keep-going", "--wait", "120"],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise HooklineError(f"hookline apply: {done.stdout}{done.stderr}")

    def stop(self) -> None:
        """Stop everything, PostgreSQL and Redis last."""
        for part in reversed(self.parts.values()):
            part.stop()

    def proxy_to(self, gateways: Sequence[int], prefects: Sequence[int]) -> None:
        """Let the proxy lead to these machines."""
        (self.folder / "nginx.conf").write_text(self._proxy_file(gateways, prefects))
        proxy = self.parts.get("proxy")
        if proxy is not None and proxy.process is not None:
            proxy.process.send_signal(signal.SIGHUP)

    # What is set up once ------------------------------------------------------------------------------------

    def _port(self, name: str) -> int:
        if name not in self._ports:
            port = free_port()
            while port in self._ports.values():
                port = free_port()
            self._ports[name] = port
        return self._ports[name]

    def _shared(self, more: Mapping[str, str]) -> dict[str, str]:
        foreign = ("HOOKLINE_", "PREFECT_", *(vendor.prefix for vendor in vendors().values()))
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
        key = base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()
        secret = f"whsec_{base64.b64encode(secrets.token_bytes(32)).decode()}"
        prefect = f"http://127.0.0.1:{self._port('prefects')}/api"
        return {
            **inherited,
            NO_DOTENV: "true",
            "HOOKLINE_DATABASE_URL": self.database_url("hookline"),
            "HOOKLINE_PREFECT_REDIS_URL": f"redis://:{self._password}@127.0.0.1:{self._port('redis')}/0",
            "PREFECT_API_URL": prefect,
            "PREFECT_SERVER_API_AUTH_STRING": f"hookline:{secrets.token_urlsafe(16)}",
            "PREFECT_SERVER_ENCRYPTION_KEY": key,
            "HOOKLINE_ADMIN_TOKEN": secrets.token_urlsafe(16),
            "HOOKLINE_PUBLIC_URL": self.gateway_url,
            "HOOKLINE_TRUSTED_PROXIES": "127.0.0.1",
            "HOOKLINE_SANDBOX": "true",
            "HOOKLINE_SANDBOX_PORT": str(_simulator_ports()),
            "HOOKLINE_FIRST_RUNS": "false",
            "HOOKLINE_POLLS": "false",
            **{f"HOOKLINE_SECRET_{source.upper()}": secret for source in SOURCES},
            **more,
        }

    def database_url(self, name: str) -> str:
        """Return the address of a database."""
        return f"postgresql://postgres:{self._password}@127.0.0.1:{self._port('postgres')}/{name}"

    def _part(
        self,
        name: str,
        command: Sequence[str],
        ready: Callable[[], Awaitable[bool]],
        environment: Mapping[str, str],
        **options: Any,
    ) -> Part:
        log = self.folder / f"{name.replace(' ', '-')}.log"
        self.parts[name] = Part(name, command, ready, environment, log, options)
        return self.parts[name]

    def _add_servers(self) -> None:
        if missing := [program for program in PROGRAMS if shutil.which(program) is None]:
            raise HooklineError(
                f"Several machines need {' and '.join(missing)}: apt-get install redis-server nginx"
            )
        self._add_postgres()
        folder = self.folder / "redis"
        folder.mkdir()
        words = ["--bind", "127.0.0.1", "--port", str(self._port("redis")), "--requirepass", self._password]
        words += ["--dir", str(folder), "--appendonly", "yes", "--save", ""]
        self._part("redis", ["redis-server", *words], _port_ready(self._port("redis")), _bare())
        self.proxy_to([1, 2], [1, 2])
        nginx = ["nginx", "-c", str(self.folder / "nginx.conf")]
        self._part("proxy", nginx, _port_ready(self._port("gateways")), _bare())

    def _add_postgres(self) -> None:
        home = self.folder / "database"
        embedded.prepare(home)
        run = embedded.process(home)
        data = run["cwd"]
        hba = data / "pg_hba.conf"
        hba.write_text(f"host all all 127.0.0.1/32 scram-sha-256\n{hba.read_text()}")
        port = str(self._port("postgres"))
        options = {"user": run["user"], "group": run["group"], "cwd": data}
        if run["user"] is not None:
            options["extra_groups"] = []
        words = ["-c", "listen_addresses=127.0.0.1", "-c", f"port={port}"]
        self._part("postgres", [*run["command"], *words], run["ready"], run["env"], **options)

    async def start_servers(self) -> None:
        """Start PostgreSQL, with a password, Redis and the proxy."""
        await self.start("postgres", "redis", "proxy")
        folder, port = embedded.socket_dir(self.folder / "database"), self._port("postgres")
        connection = await asyncpg.connect(f"postgresql://postgres@/postgres?host={folder}&port={port}")
        await connection.execute(f"ALTER ROLE postgres PASSWORD '{self._password}'")
        await connection.close()

    def _proxy_file(self, gateways: Sequence[int], prefects: Sequence[int]) -> str:
        """Return the shipped file with the ports of these machines, without TLS."""
        text = PROXY.read_text()
        servers = {"8400": ("gateway", gateways), "4200": ("prefect", prefects)}
        lines = []
        for line in text.splitlines():
            found = next(
                (each for each in servers if line.strip().startswith("server 10.") and f":{each} " in line),
                None,
            )
            if found is None:
                lines.append(line)
                continue
            role, machines = servers[found]
            number = int(line.strip().removeprefix("server 10.0.0.1")[0])
            if number in machines:
                lines.append(
                    line.replace(f"10.0.0.1{number}:{found}", f"127.0.0.1:{self._port(f'{role} {number}')}")
                )
        text = "\n".join(line for line in lines if "ssl_certificate" not in line)
        text = text.replace("listen 443 ssl", f"listen 127.0.0.1:{self._port('gateways')}")
        text = text.replace("listen 10.0.0.10:4200", f"listen 127.0.0.1:{self._port('prefects')}")
        temporary = "".join(
            f"{kind}_temp_path {self.folder}/{kind};"
            for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        user = "user root;" if os.geteuid() == 0 else ""
        return (
            f"daemon off; pid {self.folder}/nginx.pid; error_log {self.folder}/nginx-errors.log; {user}\n"
            f"worker_processes 1; events {{}}\nhttp {{ access_log off; {temporary}\n{text}\n}}\n"
        )


@asynccontextmanager
async def servers(**more: str) -> AsyncIterator[Machines]:
    """
    Run PostgreSQL, Redis and the proxy in a throwaway folder, with nothing of ours yet.

    Args:
        more: further variables of every process.

    Raises:
        HooklineError: a program is missing, or something does not start.
    """
    folder = Path(tempfile.mkdtemp(prefix="hookline-machines-"))
    folder.chmod(0o711)  # noqa: ASYNC240  (PostgreSQL may be another user)
    made = None
    try:
        made = Machines(folder, **more)
        await made.start_servers()
        yield made
    finally:
        if made is not None:
            await asyncio.to_thread(made.stop)
        shutil.rmtree(folder, ignore_errors=True)


@asynccontextmanager
async def machines(**more: str) -> AsyncIterator[Machines]:
    """Run the servers, and simulators in the vendors' places."""
    async with servers(**more) as made:
        made.add("sandbox", 1)
        await made.start("sandbox 1")
        yield made


@asynccontextmanager
async def seen_from_outside(made: Machines) -> AsyncIterator[SandboxStack]:
    """Return the machines as a sandbox for those who send, pay and type commands, through the proxy."""
    home = made.folder / "outside"
    home.mkdir(mode=0o700)
    os.environ |= made.shared | {
        "HOOKLINE_HOME": str(home),
        "HOOKLINE_GATEWAY_PORT": made.gateway_url.rpartition(":")[2],
    }
    settings.cache_clear()
    current: Settings = runtime.bootstrap()
    simulators = made.parts["sandbox 1"]
    if simulators.process is None:
        raise HooklineError("The simulators do not run.")
    with httpx.Client(timeout=30) as http:
        yield SandboxStack(current, simulators.process, simulators.log, http)


def _port_ready(port: int) -> Callable[[], Awaitable[bool]]:
    """Return a probe that is True once something listens on a port."""

    async def ask() -> bool:
        with suppress(OSError):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.close()
            return True
        return False

    return ask


async def _at_once() -> bool:
    return True


def _bare() -> dict[str, str]:
    return {name: os.environ[name] for name in ("PATH", "LC_ALL") if name in os.environ}


def _simulator_ports() -> int:
    """Return the first of as many free ports as there are simulators."""
    while True:
        first = free_port()
        with suppress(OSError, OverflowError), ExitStack() as stack:
            for port in sandbox_ports(first).values():
                stack.enter_context(socket.create_server(("127.0.0.1", port)))
            return first
