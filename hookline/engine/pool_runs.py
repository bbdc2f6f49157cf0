"""
Dispatches that the workers of a pool run: what each waits for, and an issue where no worker polls their pool.

The reconciler follows them to their end, as it does each run that no engine has.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

import asyncpg
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
from prefect.client.schemas.objects import State, WorkerStatus
from prefect.exceptions import ObjectNotFound

from hookline.engine.outcomes import in_pool, pool_of
from hookline.inbox import dispatches
from hookline.issues import store as issues
from hookline.local_time import local_time
from hookline.provisioning.placement import WORK_POOL

LATE: Final = timedelta(minutes=2)
"""The time for which a flow run may wait for a worker until it is an issue, if no worker polls its pool."""
KIND: Final = "work pool"
PAGE: Final = 200
"""The most flow runs that Prefect returns at once."""


async def watch_pools(client: PrefectClient, database: asyncpg.Pool, late: timedelta = LATE) -> None:
    """
    Write what each dispatch in a pool waits for, and open or close the issue of each pool.

    Raises:
        httpx.HTTPError: Prefect is unavailable.
    """
    rows = {row["id"]: row for row in await dispatches.in_pools(database) if pool_of(row["reason"])}
    states = await _states(client, [row["flow_run_id"] for row in rows.values()])
    online = {
        pool: await _has_worker(client, pool) for pool in {pool_of(row["reason"]) for row in rows.values()}
    }
    reasons, waiting = {}, dict[str, list[datetime]]()
    for dispatch_id, row in rows.items():
        if (state := states.get(row["flow_run_id"])) is None:
            continue
        pool = pool_of(row["reason"])
        what = "runs"
        if state.is_scheduled() or state.is_pending():
            what = "waits for a worker" if online[pool] else "waits for a worker, and none polls it"
            if not online[pool]:
                waiting.setdefault(pool, []).append(state.timestamp)
        if (reason := in_pool(pool, what)) != row["reason"]:
            reasons[dispatch_id] = reason
    if reasons:
        await dispatches.say_in_pool(database, reasons)
    await _report(database, {pool: since for pool, since in waiting.items() if _is_late(since, late)})


async def _report(database: asyncpg.Pool, waiting: Mapping[str, list[datetime]]) -> None:
    """Open the issue of each pool that is waited for; close those of the others."""
    async with database.acquire() as connection, connection.transaction():
        known = await issues.open_causes(connection, KIND)
        for cause in known - {_cause(pool) for pool in waiting}:
            await issues.close(connection, cause=cause)
        for pool, since in waiting.items():
            if _cause(pool) in known:
                continue
            start = "hookline worker" if pool == WORK_POOL else f"prefect worker start --pool {pool}"
            await issues.report(
                connection,
                cause=_cause(pool),
                title=f"no worker polls the work pool {pool}, and dispatches wait for one, the first since "
                f"{local_time(min(since), seconds=False)}",
                advice=f"Start a worker: {start}. Or let an engine run the deployment: see docs/plain-flows.md.",
                kind=KIND,
            )


async def _states(client: PrefectClient, flow_run_ids: list[UUID]) -> dict[UUID, State[Any]]:
    found: dict[UUID, State[Any]] = {}
    for start in range(0, len(flow_run_ids), PAGE):
        by_id = FlowRunFilter(id=FlowRunFilterId(any_=flow_run_ids[start : start + PAGE]))
        page = await client.read_flow_runs(flow_run_filter=by_id, limit=PAGE)
        found |= {flow_run.id: flow_run.state for flow_run in page if flow_run.state is not None}
    return found


async def _has_worker(client: PrefectClient, pool: str) -> bool:
    try:
        workers = await client.read_workers_for_work_pool(pool)
    except ObjectNotFound:
        return False
    return any(worker.status == WorkerStatus.ONLINE for worker in workers)


def _is_late(since: list[datetime], late: timedelta) -> bool:
    return min(since) < datetime.now(UTC) - late


def _cause(pool: str) -> str:
    return f"work pool {pool}"
