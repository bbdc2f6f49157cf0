"""`hookline engine`: runs what webhooks started."""

import asyncio
import os
import signal
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import uvloop

from hookline import log, runtime
from hookline.database.migrate import upgrade
from hookline.hooks import load_hooks

if TYPE_CHECKING:
    from hookline.engine.engine import Engine


def engine() -> None:
    """
    Turn deliveries into flow runs and run them here; several may run side by side.

    Try:
        hookline engine
    """
    settings = runtime.enter()
    log.configure(settings.log_format)
    hooks = load_hooks(settings.hooks)

    from hookline.engine.deployments import check_routes, load_deployments  # Prefect's settings
    from hookline.engine.engine import Engine

    deployments = load_deployments(settings.deployments)
    check_routes(hooks, deployments)
    upgrade(settings)
    # Prefect sets a SIGTERM handler of its own while a flow runs. A blocked signal reaches no handler: a
    # thread waits for it.
    runtime.spare_the_collector()
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    uvloop.run(_serve(Engine(settings, hooks, deployments)))


async def _serve(worker: "Engine") -> None:
    from hookline.engine.engine import DRAIN_SECONDS
    from hookline.engine.watch import end_unless_answered

    loop = asyncio.get_running_loop()

    def wait_for_signal() -> None:
        signal.sigwait({signal.SIGTERM, signal.SIGINT})
        end_unless_answered(loop, worker.stop, DRAIN_SECONDS)

    threading.Thread(target=wait_for_signal, daemon=True).start()
    ready = asyncio.Event()
    telling = asyncio.create_task(_tell_when(ready))
    await worker.serve(ready=ready)
    await telling


async def _tell_when(ready: asyncio.Event) -> None:
    """Say so in the file that a supervisor looks for."""
    await ready.wait()
    if path := os.environ.get("HOOKLINE_READY_FILE"):
        await asyncio.to_thread(Path(path).touch)
