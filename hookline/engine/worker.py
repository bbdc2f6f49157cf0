"""Prefect's process worker, which stops in order and leaves nothing open behind it."""

import asyncio
import logging
import signal
from typing import Any
from uuid import UUID

import anyio
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun
from prefect.workers.process import ProcessJobConfiguration, ProcessWorker, ProcessWorkerResult

from hookline.database import pool
from hookline.engine import worker_runs
from hookline.engine.worker_runs import WORK_POOL, worker_name
from hookline.settings import Settings

logger = logging.getLogger(__name__)

DRAIN_SECONDS = 20.0
"""How long an orderly stop waits for what runs; as long as an engine's."""


class Worker(ProcessWorker):
    """A process worker that knows what it runs, and can be told to take nothing more."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(
            work_pool_name=WORK_POOL, name=worker_name(settings.home), create_pool_if_not_found=False
        )
        self.running: set[UUID] = set()
        self.stopping = False

    @classmethod
    def __dispatch_key__(cls) -> str:
        """Stand beside Prefect's own in its registry, where it is of the same type."""
        return "hookline"

    async def get_and_submit_flow_runs(self) -> list[FlowRun]:
        """Take what is due, unless it is stopping."""
        return [] if self.stopping else await super().get_and_submit_flow_runs()

    async def run(
        self,
        flow_run: FlowRun,
        configuration: ProcessJobConfiguration,
        task_status: anyio.abc.TaskStatus[int] | None = None,
    ) -> ProcessWorkerResult:
        """Run one in a process of its own, to its end."""
        self.running.add(flow_run.id)
        try:
            return await super().run(flow_run, configuration, task_status)
        finally:
            self.running.discard(flow_run.id)

    async def drain(self) -> set[UUID]:
        """Take nothing more and wait for what runs; return what did not end in time."""
        self.stopping = True
        if self._is_busy():
            logger.info("stopping: what runs is given %d s to end", DRAIN_SECONDS)
        with anyio.move_on_after(DRAIN_SECONDS):
            while self._is_busy():
                await asyncio.sleep(0.1)
        return set(self.running)

    def _is_busy(self) -> bool:
        return bool(self.running or self._submitting_flow_run_ids)


async def serve(settings: Settings) -> None:
    """Run what is due in our pool until SIGTERM or SIGINT."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with get_client() as client:
        name = worker_name(settings.home)
        await worker_runs.close_abandoned(client, await pool(settings), name)
        await worker_runs.put_back_unstarted(client, name)
        await worker_runs.free_slots(client)
        worker = Worker(settings)
        serving = asyncio.create_task(worker.start(with_healthcheck=True))
        stopped = asyncio.create_task(stop.wait())
        await asyncio.wait({serving, stopped}, return_when=asyncio.FIRST_COMPLETED)
        if serving.done():
            stopped.cancel()
            await serving
            return
        left = await worker.drain()
        await asyncio.to_thread(worker_runs.kill, left)
        await _cancel(serving)
        await worker_runs.requeue(client, left)


async def _cancel(task: asyncio.Task[Any]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
