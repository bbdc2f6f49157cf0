"""What an engine cannot run is a flow run of its deployment's work pool, once, and is followed to its end."""

import os
import subprocess
import sys
from contextlib import suppress
from datetime import timedelta

import pytest
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterIdempotencyKey
from prefect.exceptions import ObjectAlreadyExists
from prefect.settings import get_current_settings
from prefect.states import Completed, Crashed, Failed, Running

from hookline.engine.pool_runs import watch_pools
from hookline.inbox import commands

POOL = "containers"
OWN_POOL = "own-containers"
"""The one that has a worker: Prefect counts a worker as there for a minute after its end."""


@pytest.fixture
async def elsewhere(operator_of_flows):
    """A deployment whose pool no engine serves; the test is its worker."""
    return await in_pool(operator_of_flows, POOL)


async def in_pool(operator_of_flows, pool):
    nobody = await operator_of_flows({})
    with suppress(ObjectAlreadyExists):
        await nobody.client.create_work_pool(WorkPoolCreate(name=pool, type="process"))
    return await operator_of_flows({"pooled": "tests/flows/plain.py:pooled"}, work_pool=pool)


async def scheduled(admin):
    """A dispatch that an engine has left to the pool."""
    work = await admin.dispatch("pooled")
    async with admin.engine():
        await admin.until(lambda: _is_in_pool(work), "it is not in the pool")
    return work


async def _is_in_pool(work):
    row = await work.row()
    return row["state"] == "running" and (row["reason"] or "").startswith(f"in the work pool {POOL}")


async def flow_runs_of(admin, work):
    key = FlowRunFilterIdempotencyKey(any_=[str((await work.row())["id"])])
    return await admin.client.read_flow_runs(flow_run_filter=FlowRunFilter(idempotency_key=key))


@pytest.fixture
def worker(tmp_path, repository, sandbox):
    """Prefect's own process worker, as a person starts one for a pool of theirs."""
    log = tmp_path / "worker.log"
    with log.open("wb") as written:
        process = subprocess.Popen(
            [sys.executable, "-m", "prefect", "worker", "start", "--pool", OWN_POOL, "--type", "process"],
            env=os.environ | get_current_settings().to_environment_variables(exclude_unset=True),
            cwd=repository,
            stdout=written,
            stderr=subprocess.STDOUT,
        )
    yield log
    process.kill()  # its run has ended; asked to stop, it may take half a minute
    process.wait()


async def test_a_worker_of_ones_own_pool_runs_what_a_webhook_started(operator_of_flows, worker):
    admin = await in_pool(operator_of_flows, OWN_POOL)
    work = await admin.dispatch("pooled")
    async with admin.engine():
        await work.is_("done")

    [flow_run] = await flow_runs_of(admin, work)
    assert ("COMPLETED", OWN_POOL) == (flow_run.state_type.value, flow_run.work_pool_name), worker.read_text()
    assert work.written


async def test_a_dispatch_for_a_pool_is_scheduled_there_once_and_its_end_is_the_dispatchs(elsewhere):
    work = await scheduled(elsewhere)
    row, flow_run = await work.row(), await work.flow_run()
    async with elsewhere.engine():
        await elsewhere.client.set_flow_run_state(flow_run.id, Running(), force=True)
        await elsewhere.client.set_flow_run_state(flow_run.id, Completed(), force=True)
        await work.is_("done")

    assert ("SCHEDULED", POOL, None, []) == (
        flow_run.state_type.value,
        flow_run.work_pool_name,
        row["lease_owner"],
        work.written,
    )
    assert [flow_run.id] == [each.id for each in await flow_runs_of(elsewhere, work)]
    assert "Prefect's worker" == (await work.trail())[-1][1]


@pytest.mark.parametrize(
    ("end", "reason"),
    [(Failed(message="the disk is full"), "the disk is full"), (Crashed(message="out"), "out")],
)
async def test_what_fails_in_a_pool_stays_failed_until_a_replay_schedules_it_again(elsewhere, end, reason):
    work = await scheduled(elsewhere)
    flow_run = await work.flow_run()
    async with elsewhere.engine():
        await elsewhere.client.set_flow_run_state(flow_run.id, end, force=True)
        failed = await work.is_("failed")
        await work.act(commands.replay, reason="again")
        await elsewhere.until(lambda: _is_in_pool(work), "it is not in the pool again")

    again = await work.flow_run()
    assert (reason, flow_run.id, "AwaitingRetry") == (failed["reason"], again.id, again.state_name)


@pytest.mark.parametrize("noted", [False, True])
async def test_an_engine_that_died_on_the_way_to_the_pool_makes_no_second_run(elsewhere, noted):
    work = await elsewhere.dispatch("pooled")
    row = await work.row()
    deployment = await elsewhere.client.read_deployment_by_name("pooled/test")
    flow_run = await elsewhere.client.create_flow_run_from_deployment(
        deployment.id, parameters=row["parameters"], idempotency_key=str(row["id"])
    )
    await elsewhere.client.set_flow_run_state(flow_run.id, Failed(message="it ran meanwhile"), force=True)
    await elsewhere.database.execute(
        "UPDATE dispatches SET lease_owner = 'a dead engine', flow_run_id = $2 WHERE id = $1",
        row["id"],
        flow_run.id if noted else None,
    )
    async with elsewhere.engine():
        await work.is_("failed")

    assert [(flow_run.id, "FAILED")] == [
        (each.id, each.state_type.value) for each in await flow_runs_of(elsewhere, work)
    ]


async def test_what_is_discarded_in_a_pool_is_cancelled_there(elsewhere):
    work = await scheduled(elsewhere)
    async with elsewhere.engine():
        await work.act(commands.discard, reason="no longer needed")
        await elsewhere.until(lambda: _is_ending(work), "Prefect is not asked")
        await work.set_state({"type": "CANCELLED", "name": "Cancelled"})
        await work.is_("discarded")


async def _is_ending(work):
    return (await work.flow_run()).state_type.value in {"CANCELLING", "CANCELLED"}


async def test_a_pool_that_no_worker_polls_is_an_issue_until_nothing_waits_for_it(elsewhere):
    work = await scheduled(elsewhere)
    await watch_pools(elsewhere.client, elsewhere.database, timedelta(hours=1))
    not_yet = await issues(elsewhere)
    await watch_pools(elsewhere.client, elsewhere.database, timedelta(0))
    await watch_pools(elsewhere.client, elsewhere.database, timedelta(0))
    opened, reason = await issues(elsewhere), (await work.row())["reason"]
    delivery = await elsewhere.database.fetchval("SELECT reason FROM deliveries WHERE id = $1", work.delivery)
    await elsewhere.client.set_flow_run_state((await work.flow_run()).id, Running(), force=True)
    await watch_pools(elsewhere.client, elsewhere.database, timedelta(0))

    assert ([], [(1, f"no worker polls the work pool {POOL}")]) == (
        not_yet,
        [(issue["count"], issue["title"].partition(",")[0]) for issue in opened],
    )
    assert [f"in the work pool {POOL}: waits for a worker, and none polls it"] * 2 == [reason, delivery]
    assert f"prefect worker start --pool {POOL}" in opened[0]["advice"]
    assert ([], f"in the work pool {POOL}: runs") == (await issues(elsewhere), (await work.row())["reason"])


async def issues(admin):
    return await admin.database.fetch(
        "SELECT * FROM issues WHERE cause = $1 AND closed_at IS NULL", f"work pool {POOL}"
    )
