"""`hookline engine`: run the flows that webhooks started."""

import asyncio
import signal
import threading
from typing import TYPE_CHECKING

import uvloop

from hookline import log, runtime
from hookline.database.migrate import upgrade
from hookline.supervisor import report_ready

if TYPE_CHECKING:
    from hookline.engine.engine import Engine

SIGNALS = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP}


def engine() -> None:
    """
    Turn deliveries into flow runs and run them here; several may run side by side.

    With SIGHUP it reads its files again.

    Try:
        hookline engine
    """
    # Prefect sets its own SIGTERM handler while a flow runs. A blocked signal reaches no handler: a thread
    # waits for it. A SIGHUP that comes while the files are read waits, too.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
    settings = runtime.bootstrap()
    log.configure(settings.log_format)

    from hookline.cli.poll import client_of_block
    from hookline.engine.configuration import Configuration  # Prefect's settings
    from hookline.engine.engine import Engine

    configuration = Configuration(settings)
    upgrade(settings)
    runtime.tune_gc()
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    worker = Engine(settings, configuration.hooks, configuration.deployments, configuration, client_of_block)
    uvloop.run(_serve(worker))


async def _serve(worker: "Engine") -> None:
    from hookline.engine.engine import DRAIN_SECONDS
    from hookline.engine.loop_watchdog import end_unless_answered

    loop = asyncio.get_running_loop()

    def wait_for_signals() -> None:
        while signal.sigwait(SIGNALS) == signal.SIGHUP:
            loop.call_soon_threadsafe(worker.reload)
        end_unless_answered(loop, worker.stop, DRAIN_SECONDS)

    threading.Thread(target=wait_for_signals, daemon=True).start()
    ready = asyncio.Event()
    reporting = asyncio.create_task(_report_when(ready))
    await worker.serve(ready=ready)
    await reporting


async def _report_when(ready: asyncio.Event) -> None:
    """Report to the supervisor that the engine is ready."""
    await ready.wait()
    await asyncio.to_thread(report_ready)
