"""The worker process, which drains when it is stopped and leaves nothing open behind it."""

import asyncio
import logging
import signal
from collections.abc import Container
from contextlib import suppress
from typing import Any
from uuid import UUID

import httpx
from prefect.client.orchestration import PrefectClient, get_client
from prefect.exceptions import ObjectNotFound

from hookline.database import pool
from hookline.engine import worker_runs
from hookline.engine.worker_runs import worker_name
from hookline.inbox import holding
from hookline.prefect_adapter.errors import message
from hookline.prefect_adapter.worker import DrainableWorker
from hookline.provisioning.missed import skip_missed_now
from hookline.provisioning.placement import WORK_POOL
from hookline.settings import Settings

logger = logging.getLogger(__name__)

NOTIFIES = "notify"
"""The flow that tells people, also that nothing starts."""
DRAIN_SECONDS = 20.0
"""The time that runs have to end after SIGTERM; as long as an engine's."""
POLL_SECONDS = 1.0
REMINDER_POLLS = 30
REQUEUE_SECONDS = 60.0
"""Between looks for runs whose worker died before it gave its name."""


async def serve(settings: Settings) -> None:
    """Run the due flow runs of our work pool until SIGTERM or SIGINT."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with get_client() as client:
        if not await _prefect_answers(client, stop):
            return
        name = worker_name(settings.home)
        await worker_runs.close_abandoned(client, await pool(settings), name)
        await worker_runs.requeue_unstarted(client, name)
        await worker_runs.free_slots(client)
        database = await pool(settings)

        async def allowed() -> Container[UUID] | None:
            """Return the flows that may start: while everything is held, only the one that notifies people."""
            if not (await holding.read(database)).held_since:
                return None
            with suppress(ObjectNotFound):
                return {(await client.read_flow_by_name(NOTIFIES)).id}
            return ()

        await skip_missed_now(client, settings.deployments)
        worker = DrainableWorker(WORK_POOL, name, allowed)
        serving = asyncio.create_task(worker.start(with_healthcheck=True))
        stopped = asyncio.create_task(stop.wait())
        requeueing = asyncio.create_task(_requeue_unclaimed(client))
        await asyncio.wait({serving, stopped}, return_when=asyncio.FIRST_COMPLETED)
        await _cancel(requeueing)
        if serving.done():
            stopped.cancel()
            await serving
            return
        left = await worker.drain(DRAIN_SECONDS)
        await asyncio.to_thread(worker_runs.kill, left)
        await _cancel(serving)
        await worker_runs.requeue(client, left)


async def _requeue_unclaimed(client: PrefectClient) -> None:
    """Look now and then for runs whose worker died before it gave its name."""
    while True:
        await asyncio.sleep(REQUEUE_SECONDS)
        try:
            await worker_runs.requeue_unclaimed(client)
        except httpx.HTTPError as error:
            logger.warning("runs that no worker has begun could not be looked for: %s", message(error))


async def _prefect_answers(client: PrefectClient, stop: asyncio.Event) -> bool:
    """Wait until Prefect's API answers, which may start later than we; return False if we are to stop before."""
    polls = 0
    while (error := await client.api_healthcheck()) is not None and not stop.is_set():
        if polls % REMINDER_POLLS == 0:
            reason = str(error) or type(error).__name__
            logger.warning(
                "The Prefect server at %s does not answer: %s. Waiting for it.", client.api_url, reason
            )
        polls += 1
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), POLL_SECONDS)
    return not stop.is_set()


async def _cancel(task: asyncio.Task[Any]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
