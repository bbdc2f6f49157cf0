"""
The flow runs of the worker whose processes have died: with the machine, by a kill, or in an orderly stop.

Prefect stores neither host nor start of a flow run's process, so its number alone may be another program's by now.
But the process has the flow run's id in its environment, and the flow run has the worker's name in its labels. Only
the runs of the worker of this host and this home are closed here; those of another are left alone.
"""

import asyncio
import logging
import os
import socket
from collections.abc import Collection, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import psutil
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.actions import GlobalConcurrencyLimitUpdate
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterDeploymentId,
    FlowRunFilterState,
    FlowRunFilterStateType,
    WorkPoolFilter,
    WorkPoolFilterName,
)
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.client.schemas.sorting import FlowRunSort
from prefect.exceptions import ObjectNotFound
from prefect.states import AwaitingRetry, Cancelled, Crashed, Scheduled

from hookline.engine.run_keys import dispatch_of
from hookline.prefect_adapter.run_marks import FLOW_RUN_VARIABLE, WORKER_LABEL, is_retried
from hookline.provisioning.placement import POOL_TAG, WORK_POOL

logger = logging.getLogger(__name__)

PAGE = 200
UNCLAIMED = timedelta(seconds=60)
"""The age of a Pending run without a worker's name from which its worker died before it gave its name."""


def worker_name(home: Path) -> str:
    """Return the name of this home's worker on this host; the same each time, so that it finds its own runs."""
    return f"hookline at {socket.gethostname()} ({sha256(os.fsencode(home)).hexdigest()[:6]})".replace(
        "/", "-"
    )


async def close_abandoned(client: PrefectClient, database: asyncpg.Pool, worker: str) -> list[UUID]:
    """
    Close the runs of this worker that have no process: Crashed, or Cancelled if a person asked for it.

    Their slots become free with it. A flow run that an engine has claimed is left to the engine.

    Raises:
        httpx.HTTPError: Prefect is unavailable.
    """
    ours = await _runs_of(client, worker, [StateType.RUNNING, StateType.CANCELLING])
    if not ours:
        return []
    alive = await asyncio.to_thread(processes)
    claimed = await _claimed_by_engines(database, [flow_run.id for flow_run in ours])
    abandoned = [flow_run.id for flow_run in ours if flow_run.id not in {*alive, *claimed}]
    return [flow_run_id for flow_run_id in abandoned if await _close(client, flow_run_id)]


async def requeue_unstarted(client: PrefectClient, worker: str) -> None:
    """
    Schedule again the runs that this worker had taken and not begun when it died; call it before a worker polls.

    Raises:
        httpx.HTTPError: Prefect is unavailable.
    """
    for flow_run in await _open_runs(client, [StateType.PENDING]):
        if flow_run.labels.get(WORKER_LABEL) == worker:
            await _requeue_unstarted(client, flow_run)


async def requeue_unclaimed(client: PrefectClient) -> None:
    """
    Schedule again the runs whose worker died between taking them and giving its name.

    They are known by their age alone, so call it now and then: that worker may have died a moment ago.

    Raises:
        httpx.HTTPError: Prefect is unavailable.
    """
    long_ago = datetime.now(UTC) - UNCLAIMED
    for flow_run in await _open_runs(client, [StateType.PENDING]):
        is_claimed = WORKER_LABEL in flow_run.labels or _is_an_engines(flow_run)
        if not is_claimed and _since(flow_run) < long_ago:
            await _requeue_unstarted(client, flow_run)


async def _requeue_unstarted(client: PrefectClient, flow_run: FlowRun) -> None:
    logger.info("flow run %s was taken by a worker that died; it is scheduled again", flow_run.id)
    with suppress(ObjectNotFound):  # deleted since it was found
        await client.set_flow_run_state(flow_run.id, Scheduled(message="Its worker died before it began."))


def _is_an_engines(flow_run: FlowRun) -> bool:
    """Return True if an engine runs it: it is a dispatch's, not left to the pool and not retried in the Prefect UI."""
    is_a_workers = POOL_TAG in flow_run.tags or is_retried(flow_run)
    return dispatch_of(flow_run) is not None and not is_a_workers


async def free_slots(client: PrefectClient) -> None:
    """
    Free the slots of our deployments that no open run has; call it before a worker polls.

    Raises:
        httpx.HTTPError: Prefect is unavailable.
    """
    for deployment in await client.read_deployments(work_pool_filter=_our_pool(), limit=PAGE):
        limit = deployment.global_concurrency_limit
        if limit is None or not limit.active_slots:
            continue
        states = [StateType.PENDING, StateType.RUNNING, StateType.CANCELLING]
        holders = len(await _open_runs(client, states, [deployment.id]))
        if limit.active_slots > holders:
            logger.info("%s: %d slots had no run", deployment.name, limit.active_slots - holders)
            freed = GlobalConcurrencyLimitUpdate(active_slots=holders)
            await client.update_global_concurrency_limit(limit.name, freed)


async def requeue(client: PrefectClient, flow_run_ids: Collection[UUID]) -> None:
    """
    Schedule again the runs for which an orderly stop waits no longer; call it after `kill`.

    A run that ended meanwhile stays as it is, and one that was to be cancelled is cancelled.

    Raises:
        httpx.HTTPError: Prefect is unavailable.
    """
    for flow_run_id in flow_run_ids:
        state = (await client.read_flow_run(flow_run_id)).state
        if state is None or (state.is_final() and not state.is_crashed()):
            continue
        then: State[Any] = AwaitingRetry(message="The worker was stopped; it begins again with the next one.")
        if state.is_cancelling():
            then = Cancelled(message="Cancelled; its worker was stopped.")
        logger.info("flow run %s did not end in time: %s", flow_run_id, then.message)
        await client.set_flow_run_state(flow_run_id, then, force=True)  # also over a Crashed by its death


def processes() -> dict[UUID, list[psutil.Process]]:
    """Find the processes on this host that run a flow run, by its id."""
    found: dict[UUID, list[psutil.Process]] = {}
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError, ValueError):
            flow_run_id = UUID(process.environ().get(FLOW_RUN_VARIABLE, ""))
            if process.status() != psutil.STATUS_ZOMBIE:
                found.setdefault(flow_run_id, []).append(process)
    return found


def kill(flow_run_ids: Collection[UUID]) -> None:
    """Kill the processes of these flow runs, with all that they started."""
    for flow_run_id, running in processes().items():
        if flow_run_id in flow_run_ids:
            for process in running:
                with suppress(psutil.Error):
                    process.kill()


async def _runs_of(client: PrefectClient, worker: str, states: list[StateType]) -> list[FlowRun]:
    open_runs = await _open_runs(client, states)
    return [flow_run for flow_run in open_runs if flow_run.labels.get(WORKER_LABEL) == worker]


async def _open_runs(
    client: PrefectClient, states: list[StateType], deployment_ids: list[UUID] | None = None
) -> list[FlowRun]:
    """Return all runs of our pool in these states."""
    found: list[FlowRun] = []
    while True:
        page = await client.read_flow_runs(
            flow_run_filter=FlowRunFilter(
                state=FlowRunFilterState(type=FlowRunFilterStateType(any_=states)),
                deployment_id=FlowRunFilterDeploymentId(any_=deployment_ids) if deployment_ids else None,
            ),
            work_pool_filter=_our_pool(),
            sort=FlowRunSort.ID_DESC,
            limit=PAGE,
            offset=len(found),
        )
        found += page
        if len(page) < PAGE:
            return found


def _our_pool() -> WorkPoolFilter:
    return WorkPoolFilter(name=WorkPoolFilterName(any_=[WORK_POOL]))


def _since(flow_run: FlowRun) -> datetime:
    return flow_run.state.timestamp if flow_run.state else datetime.now(UTC)


async def _claimed_by_engines(database: asyncpg.Pool, flow_run_ids: Sequence[UUID]) -> set[UUID]:
    """Return the flow runs that an engine runs now, though a worker ran them once."""
    rows = await database.fetch(
        "SELECT flow_run_id FROM dispatches WHERE flow_run_id = ANY($1) AND lease_owner IS NOT NULL",
        flow_run_ids,
    )
    return {row["flow_run_id"] for row in rows}


async def _close(client: PrefectClient, flow_run_id: UUID) -> bool:
    """Close a run that has no process, unless it ended by itself meanwhile."""
    state = (await client.read_flow_run(flow_run_id)).state
    if state is None or not (state.is_running() or state.is_cancelling()):
        return False
    then: State[Any] = Crashed(
        message="Its process has gone: the worker or its machine was stopped in the middle."
    )
    if state.is_cancelling():
        then = Cancelled(message="Cancelled; its process has gone.")
    logger.warning("flow run %s: %s", flow_run_id, then.message)
    await client.set_flow_run_state(flow_run_id, then)
    return True
