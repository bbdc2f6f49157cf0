"""`hookline up`: run all processes in the foreground."""

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import suppress
from multiprocessing import get_context
from pathlib import Path
from typing import Annotated

import asyncpg
from cyclopts import Parameter

from hookline import runtime
from hookline.database import connect, embedded
from hookline.engine.liveness import note_fall
from hookline.errors import HooklineError
from hookline.health import processes as health
from hookline.inbox import holding
from hookline.inbox.holding import ADVICE, Holding
from hookline.settings import Settings
from hookline.supervisor import Port, Process, file_ready, http_ready, only_one, require_free, supervise
from hookline.supervisor.ready import READY_FILE
from hookline.supervisor.supervisor import Troubles
from hookline.supervisor.systemd import notify
from hookline.vendors import sandbox_ports

START_SECONDS = 180
HELD_SECONDS = 3.0


def up(
    *,
    sandbox: Annotated[
        bool, Parameter(negative="", help="Use simulators for vendors that are not set.")
    ] = False,
) -> None:
    """
    Run PostgreSQL, Prefect, gateway, engine and worker in the foreground until Ctrl-C.

    At each start it brings the database's schema up to date and runs `hookline apply --keep-going`.

    Try:
        hookline up --sandbox      try it, no account needed
        hookline up                with your vendors, from the environment or .env
    """
    settings = runtime.bootstrap(sandbox=sandbox)
    # Reported now, instead of by a process that keeps ending; by one that ends, for it takes 30 MB to read them.
    with ProcessPoolExecutor(1, mp_context=get_context("fork")) as process:
        problems = process.submit(_problems, settings).result()
    for problem in problems:
        print(f"hookline starts, but {problem}", file=sys.stderr, flush=True)  # noqa: T201
    notify("starting")
    with only_one(settings.home):
        run(settings, on_change=lambda troubles: _report(settings, troubles))


def _problems(settings: Settings) -> list[str]:
    """Return what is wrong in the files though they can be used; raises ConfigurationError if they cannot."""
    from hookline.catalog import catalog_in_force
    from hookline.gateway.configuration import sources_in_force

    problems = list(sources_in_force(settings).problems)
    _, catalog = catalog_in_force(settings.catalog, settings.home)
    return [str(problem) for problem in (*problems, *([catalog] if catalog else []))]


def run(settings: Settings, *, on_change: Callable[[Troubles], None]) -> None:
    """
    Supervise all processes until a signal comes; the caller holds the home's lock.

    Raises:
        HooklineError: a port is taken, or a process cannot start.
    """
    require_free(_ports(settings))
    if settings.database_url is None:
        embedded.prepare(settings.home)
    os.environ["TMPDIR"] = str(_temporary_folder(settings))
    note_fall(settings.home)
    runtime.write_pidfile(settings.home, sandbox=settings.sandbox)
    try:
        supervise(processes(settings), on_change=on_change, home=settings.home)
    finally:
        health.clear(settings.home)
        runtime.remove_pidfile(settings.home)


def _temporary_folder(settings: Settings) -> Path:
    """Return a folder of our own: Prefect's worker would use the shared one, and fail on files of other users."""
    folder = settings.home / "tmp"
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder


def processes(settings: Settings) -> list[Process]:
    """Return the processes of `up`, in an order in which each finds what it needs."""
    own_database = settings.database_url is None
    own_prefect = settings.has_own_prefect
    return [
        *([Process(**embedded.process(settings.home))] if own_database else []),
        Process(
            name="migrate",
            command=_python("hookline.database"),
            after=["postgres"] if own_database else [],
            restart=False,
        ),
        *(_prefect_servers(settings) if own_prefect else []),
        *([_sandbox(settings)] if settings.sandbox else []),
        Process(
            name="gateway",
            command=_hookline("gateway"),
            ready=http_ready(f"{settings.gateway_url}/readyz"),
            reload_signal=signal.SIGHUP,
            begins_after=["migrate"],
            listens=_gateway_port(settings),
        ),
        Process(
            name="apply",
            command=_hookline(
                "apply", "--keep-going", "--wait", str(START_SECONDS), *_sandbox_options(settings)
            ),
            after=["migrate", "gateway", *(["sandbox"] if settings.sandbox else [])],
            depends_on=["prefect"] if own_prefect else [],
            restart=False,
            tries=4,  # a flow file that ends the process which imports it is left out after three
        ),
        Process(
            name="engine",
            command=_hookline("engine"),
            env=os.environ | {READY_FILE: str(_ready_file(settings))},
            ready=file_ready(_ready_file(settings)),
            begins_after=["migrate"],
            depends_on=["prefect"] if own_prefect else [],
            stop_seconds=30,
            reload_signal=signal.SIGHUP,
        ),
        Process(
            name="worker",
            command=_hookline("worker"),
            env=os.environ | {"PREFECT_WORKER_WEBSERVER_PORT": str(settings.worker_port)},
            ready=http_ready(f"http://127.0.0.1:{settings.worker_port}/health"),
            # Not before: it would take the processor from the Prefect server, for which apply waits.
            after=["prefect"] if own_prefect else [],
            begins_after=["apply"],
            stop_seconds=45,  # 20 of them for running flows (hookline.engine.worker)
        ),
    ]


def _sandbox_options(settings: Settings) -> list[str]:
    if not settings.sandbox:
        return []
    return ["--subscribe", *(["--first-runs"] if settings.first_runs else [])]


def _prefect_servers(settings: Settings) -> list[Process]:
    """Return the Prefect server; with a Redis, also what it then leaves to another process."""
    host, port = settings.prefect_host, str(settings.prefect_port)
    server = Process(
        name="prefect",
        command=_python("hookline.prefect_adapter.server", "--host", host, "--port", port),
        ready=http_ready(f"{settings.own_prefect_api_url}/health"),
        begins_after=["migrate"],
    )
    if settings.prefect_redis_url is None:
        return [server]
    services = Process(
        name="prefect-services",
        command=_python("hookline.prefect_adapter.server", "--services"),
        begins_after=["migrate"],
    )
    return [server, services]


def _sandbox(settings: Settings) -> Process:
    return Process(
        name="sandbox",
        command=_hookline("sandbox"),
        ready=http_ready(f"http://127.0.0.1:{settings.sandbox_port}/healthz"),
    )


def _python(*arguments: str) -> list[str]:
    return [sys.executable, "-m", *arguments]


def _hookline(*arguments: str) -> list[str]:
    return _python("hookline", *arguments)


def _ready_file(settings: Settings) -> Path:
    return settings.home / "engine-ready"


def _ports(settings: Settings) -> list[Port]:
    ports = [
        _gateway_port(settings),
        Port(settings.worker_port, "the worker's health check", "HOOKLINE_WORKER_PORT"),
    ]
    if settings.has_own_prefect:
        ports.append(
            Port(settings.prefect_port, "the Prefect server", "HOOKLINE_PREFECT_PORT", settings.prefect_host)
        )
    if settings.sandbox:
        ports += [
            Port(port, f"the simulator of {vendor}", "HOOKLINE_SANDBOX_PORT")
            for vendor, port in sandbox_ports(settings.sandbox_port).items()
        ]
    return ports


def _report(settings: Settings, troubles: Troubles) -> None:
    """Print whether all processes are ready, and write it to a file for other commands."""
    health.write(settings.home, troubles)
    if troubles:
        details = "; ".join(f"{name} {how}" for name, how in troubles.items())
        print(f"hookline is no longer ready: {details}", flush=True)  # noqa: T201
        notify(f"no longer ready: {details}")
    else:
        notify("ready", ready=True)
        _print_ready(settings)


def _gateway_port(settings: Settings) -> Port:
    return Port(settings.gateway_port, "the gateway", "HOOKLINE_GATEWAY_PORT", settings.gateway_host)


def _print_ready(settings: Settings) -> None:
    where = "HOOKLINE_ADMIN_TOKEN"
    if settings.admin_token is None:
        runtime.local_secret(
            settings.home, "admin-token"
        )  # made now, so that the file exists when it is named
        where = str(settings.home / "secrets" / "admin-token")
    print(f"hookline ready\n  inbox     {settings.base_url}/   (token: {where})")  # noqa: T201
    print(f"  Prefect   {settings.prefect_ui_url}/", flush=True)  # noqa: T201
    if held := _held(settings):
        print(f"  HELD      {held.text}\n            {ADVICE}", flush=True)  # noqa: T201


def _held(settings: Settings) -> Holding | None:
    """Return why everything is held, if it is; this process has a loop already, so it asks in a thread."""

    async def read() -> Holding:
        connection = await connect(settings)
        try:
            return await holding.read(connection, seconds=HELD_SECONDS)
        finally:
            await connection.close()

    with ThreadPoolExecutor(1) as thread, suppress(HooklineError, OSError, asyncpg.PostgresError):
        held = thread.submit(asyncio.run, read()).result()
        return held if held.held_since else None
    return None
