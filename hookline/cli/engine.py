"""`hookline engine`: run the flows that webhooks started."""

import asyncio
import logging
import os
import signal
import threading
from typing import TYPE_CHECKING

import uvloop

from hookline import garbage, log, runtime, tracing
from hookline.database.migrate import upgrade_when_up
from hookline.supervisor import report_ready, wait_for_turn

if TYPE_CHECKING:
    from hookline.engine.engine import Engine

logger = logging.getLogger(__name__)

REPORT_SECONDS = 1.0
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
    from hookline.prefect_adapter.run_spans import task_names

    configuration = Configuration(settings)
    if not wait_for_turn():  # else a process of the supervisor has done so
        upgrade_when_up(settings)
    if tracing.is_wanted():
        tracing.start("engine", task_names(), accounts=settings.send_traceparent)
    garbage.collect_less()
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    worker = Engine(settings, configuration.hooks, configuration.deployments, configuration, client_of_block)
    uvloop.run(_serve(worker))
    tracing.stop()
    if worker.threads.running:  # Python would wait for the threads of their tasks, however long those block
        logger.warning("threads that do not end are cut off: %d", len(worker.threads.running))
        logging.shutdown()
        os._exit(0)


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
    reporting.cancel()


async def _report_when(ready: asyncio.Event) -> None:
    """Report to the supervisor that the engine is ready, as soon as that can be written."""
    await ready.wait()
    while True:
        try:
            await asyncio.to_thread(report_ready)
        except OSError as error:
            logger.warning("cannot report that this engine is ready, and tries again: %s", error)
            await asyncio.sleep(REPORT_SECONDS)
        else:
            return
