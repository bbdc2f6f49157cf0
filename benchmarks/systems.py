"""
The compared systems, each run only while it is measured: our engine, stock Prefect in two ways, and DBOS.

Stock Prefect receives no webhooks: its runs are created through Prefect's API.
"""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import psutil

from hookline.clients.jiwa.models import SalesOrder
from hookline.database import embedded
from hookline.errors import HooklineError
from hookline.sandbox.paid_orders import Trigger, webhooks
from hookline.sandbox.stack import SandboxStack, free_port

if TYPE_CHECKING:
    from prefect.client.orchestration import PrefectClient

START_TIMEOUT_SECONDS = 60.0
STOP_SECONDS = 60.0
CONCURRENCY = 8
"""The orders at work at once in one process."""
SERVER_VARIABLES = ("PREFECT_API_URL", "PREFECT_API_AUTH_STRING", "PREFECT_HOME", "PREFECT_PROFILES_PATH")
"""The only settings of ours that stock Prefect gets; all others, such as its poll interval, are its defaults."""
VENDOR_SECONDS = 0.3
OPERATIONS = {
    "jiwa": ("get_sales_order", "create_sales_order_note"),
    "zentitle": ("*",),
    "sensorpro": ("*",),
}
"""The operations of the job by vendor: those by which the driver makes orders are left out."""
DBOS_DATABASE = "DBOS_DATABASE_URL"
OUR_FLOW = "flows/order_to_license.py:order_to_license"


def batch_backlog(*, batch: bool) -> str:
    """Return HOOKLINE_BATCH_BACKLOG: its default, or no batches."""
    return "" if batch else "0"


@contextmanager
def own_engine_paused(sandbox: SandboxStack) -> Iterator[None]:
    """Suspend the sandbox's own engine, so that another gets its work."""
    engine = supervised(sandbox, "hookline engine")
    engine.suspend()
    try:
        yield
    finally:
        engine.resume()


@asynccontextmanager
async def hookline(sandbox: SandboxStack, *, batch: bool = True, engines: int = 1) -> AsyncIterator[Trigger]:
    """Run engines with or without batches; the trigger is the gateway."""
    async with AsyncExitStack() as stack:
        for number in range(engines):
            await stack.enter_async_context(_engine(sandbox, number, batch=batch))
        yield await stack.enter_async_context(webhooks(sandbox))


@asynccontextmanager
async def hookline_with_slow_vendors(sandbox: SandboxStack) -> AsyncIterator[Trigger]:
    """Run an engine whose vendors take their time for each call of the job."""
    for vendor, operations in OPERATIONS.items():
        for operation in operations:
            sandbox.fault(vendor, operation=operation, kind="latency", seconds=VENDOR_SECONDS, times=0)
    try:
        async with hookline(sandbox) as webhook:
            yield webhook
    finally:
        for vendor in OPERATIONS:
            sandbox.clear_faults(vendor)


@asynccontextmanager
async def _engine(sandbox: SandboxStack, number: int, *, batch: bool) -> AsyncIterator[None]:
    ready = sandbox.settings.home / f"benchmarked-engine-{number}-ready"
    ready.unlink(missing_ok=True)
    variables = os.environ | {
        "HOOKLINE_BATCH_BACKLOG": batch_backlog(batch=batch),
        "HOOKLINE_READY_FILE": str(ready),
    }

    async def is_ready() -> bool:
        return ready.exists()

    async with _running(sandbox, ["hookline", "engine"], variables, is_ready):
        yield


@asynccontextmanager
async def served(sandbox: SandboxStack) -> AsyncIterator[Trigger]:
    """Run stock Prefect's `serve()`: a process of the flow's own, which polls and starts a process for each run."""
    from prefect.client.orchestration import get_client  # Prefect's settings

    name = "order-to-license/served"
    async with get_client() as client:

        async def is_ready() -> bool:
            return await _is_there(client, name)

        async with _running(sandbox, ["benchmarks.serve_stock"], _stock(), is_ready):
            yield await _run_trigger(client, name)


@asynccontextmanager
async def worker(sandbox: SandboxStack) -> AsyncIterator[Trigger]:
    """Run stock Prefect's process worker on a pool of its own, which polls and starts a process for each run."""
    from prefect.client.orchestration import get_client  # Prefect's settings

    pool = "stock"
    command = ["prefect", "worker", "start", "--pool", pool, "--type", "process"]
    async with get_client() as client:
        name = await _deploy_to(client, pool)

        async def is_ready() -> bool:
            return bool(await client.read_workers_for_work_pool(pool))

        async with _running(sandbox, command, _stock(), is_ready):
            yield await _run_trigger(client, name)


@asynccontextmanager
async def dbos(sandbox: SandboxStack) -> AsyncIterator[Trigger]:
    """Run the job's calls as a durable workflow of DBOS, in a database of its own beside ours."""
    port = free_port()
    variables = os.environ | {DBOS_DATABASE: embedded.url(sandbox.settings.home, "dbos")}
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:

        async def is_ready() -> bool:
            try:
                return (await client.get("/")).status_code == httpx.codes.NOT_FOUND
            except httpx.TransportError:
                return False

        async def begin(order: SalesOrder) -> None:
            (await client.post(f"/orders/{order.InvoiceID}")).raise_for_status()

        async with _running(sandbox, ["benchmarks.serve_dbos", str(port)], variables, is_ready):
            yield begin


def supervised(sandbox: SandboxStack, command: str) -> psutil.Process:
    """
    Return the process of the sandbox's supervisor with these words in its command line.

    Raises:
        HooklineError: there is none.
    """
    for process in psutil.Process(sandbox.process.pid).children():
        if command in " ".join(process.cmdline()):
            return process
    raise HooklineError(f"the sandbox runs no {command}:\n{sandbox.last_lines()}")


async def _deploy_to(client: "PrefectClient", pool: str) -> str:
    """Make the pool and the flow's deployment on it; return the deployment's full name."""
    from prefect.client.schemas.actions import WorkPoolCreate
    from prefect.workers.process import ProcessWorker

    from flows.order_to_license import order_to_license

    template = ProcessWorker.get_default_base_job_template()
    await client.create_work_pool(WorkPoolCreate(name=pool, type="process", base_job_template=template))
    here = {"prefect.deployments.steps.set_working_directory": {"directory": str(Path.cwd())}}
    await client.create_deployment(
        await client.create_flow(order_to_license),
        name=pool,
        work_pool_name=pool,
        entrypoint=OUR_FLOW,
        pull_steps=[here],
        parameter_openapi_schema=order_to_license.parameters.model_dump_for_openapi(),
    )
    return f"{order_to_license.name}/{pool}"


async def _run_trigger(client: "PrefectClient", deployment: str) -> Trigger:
    identifier = (await client.read_deployment_by_name(deployment)).id

    async def create_run(order: SalesOrder) -> None:
        await client.create_flow_run_from_deployment(identifier, parameters={"invoice_id": order.InvoiceID})

    return create_run


async def _is_there(client: "PrefectClient", deployment: str) -> bool:
    from prefect.exceptions import ObjectNotFound

    try:
        await client.read_deployment_by_name(deployment)
    except ObjectNotFound:
        return False
    return True


def _stock() -> dict[str, str]:
    """Return an environment in which Prefect has its own defaults, with our server and our vendors."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("PREFECT_") or name in SERVER_VARIABLES
    }


@asynccontextmanager
async def _running(
    sandbox: SandboxStack, module: list[str], variables: dict[str, str], ready: Callable[[], Awaitable[bool]]
) -> AsyncIterator[None]:
    """
    Run a Python module until it is no longer needed; within, it is ready.

    Raises:
        HooklineError: it does not start; with what it wrote.
    """
    log = sandbox.settings.home / "benchmarked.log"
    with log.open("wb") as output:
        process = await asyncio.to_thread(
            subprocess.Popen,
            [sys.executable, "-m", *module],
            env=variables,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    try:
        deadline = time.monotonic() + START_TIMEOUT_SECONDS
        while not await ready():
            if process.poll() is not None or time.monotonic() > deadline:
                raise HooklineError(
                    f"{' '.join(module)} does not start:\n{log.read_text(errors='replace')[-4000:]}"
                )
            await asyncio.sleep(0.1)
        yield
    finally:
        process.terminate()
        try:
            await asyncio.to_thread(process.wait, STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
