"""A flow that a dispatch began starts a run of another deployment, as Prefect's users chain their flows."""

import pytest
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterParentFlowRunId

from hookline.engine import threads

PARENTS = ("starts_another", "starts_another_async")


@pytest.fixture
async def chained(operator_of_flows):
    """An operator of the parents; the sandbox's worker runs the child."""
    return await operator_of_flows({name: f"tests/flows/plain.py:{name}" for name in (*PARENTS, "child_of")})


async def children_of(admin, work):
    parent = FlowRunFilterParentFlowRunId(any_=[(await work.flow_run()).id])
    return await admin.client.read_flow_runs(flow_run_filter=FlowRunFilter(parent_flow_run_id=parent))


@pytest.mark.parametrize("parent", [name.replace("_", "-") for name in PARENTS])
async def test_a_flow_starts_another_deployment_and_has_its_end(chained, parent):
    work = await chained.dispatch(parent)
    async with chained.engine(lease_seconds=30):
        await work.is_("done")

    [child] = await children_of(chained, work)
    assert ("COMPLETED", "hookline") == (child.state_type.value, child.work_pool_name)
    assert ["child", "Completed"] == [line for line in work.written if line != "begun"]


async def test_a_flow_that_begins_again_finds_the_run_that_it_had_started(chained, monkeypatch):
    monkeypatch.setattr("hookline.engine.engine.DRAIN_SECONDS", 0.2)
    monkeypatch.setattr(threads, "LEFT_SECONDS", 0.5)
    work = await chained.dispatch("starts-another", gate="gate")
    async with chained.engine(lease_seconds=30):
        await work.has_written("Completed")
    work.open()
    async with chained.engine(lease_seconds=30):
        await work.is_("done")

    assert ["begun", "child", "Completed", "begun", "Completed"] == work.written
    assert 1 == len(await children_of(chained, work))
