"""Prefect's process worker, which can be drained."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Container
from typing import Final
from uuid import UUID

import anyio
from prefect.client.schemas.objects import FlowRun
from prefect.client.schemas.responses import WorkerFlowRunResponse
from prefect.workers.process import ProcessJobConfiguration, ProcessWorker, ProcessWorkerResult
from typing_extensions import override

logger = logging.getLogger(__name__)

POLL_SECONDS: Final = 0.1


class DrainableWorker(ProcessWorker):
    """A process worker that knows what it runs, and can be drained."""

    def __init__(
        self, work_pool: str, name: str, allowed: Callable[[], Awaitable[Container[UUID] | None]]
    ) -> None:
        """`allowed` returns the flows that may start now; None: all."""
        super().__init__(work_pool_name=work_pool, name=name, create_pool_if_not_found=False)
        self.running: set[UUID] = set()
        self.stopping = False
        self._allowed = allowed

    @classmethod
    @override
    def __dispatch_key__(cls) -> str:
        """Return the key of this class in Prefect's registry, which has Prefect's own worker under the type."""
        return "hookline"

    @override
    async def get_and_submit_flow_runs(self) -> list[FlowRun]:
        """Take what is due, unless it is stopping."""
        return [] if self.stopping else await super().get_and_submit_flow_runs()

    @override
    async def run(
        self,
        flow_run: FlowRun,
        configuration: ProcessJobConfiguration,
        task_status: anyio.abc.TaskStatus[int] | None = None,
    ) -> ProcessWorkerResult:
        """Run one flow run in a process of its own, to its end."""
        self.running.add(flow_run.id)
        try:
            return await super().run(flow_run, configuration, task_status)
        finally:
            self.running.discard(flow_run.id)

    @override
    async def _get_scheduled_flow_runs(self) -> list[WorkerFlowRunResponse]:
        """Return the due runs of those flows that may start now."""
        due = await super()._get_scheduled_flow_runs()
        flows = await self._allowed() if due else None
        return due if flows is None else [each for each in due if each.flow_run.flow_id in flows]

    async def drain(self, seconds: float) -> set[UUID]:
        """Take nothing more and wait for what runs; return the ids of what did not end in time."""
        self.stopping = True
        if self._is_busy():
            logger.info("stopping: what runs is given %d s to end", seconds)
        with anyio.move_on_after(seconds):
            while self._is_busy():
                await asyncio.sleep(POLL_SECONDS)
        return set(self.running)

    def _is_busy(self) -> bool:
        return bool(self.running or self._submitting_flow_run_ids)
