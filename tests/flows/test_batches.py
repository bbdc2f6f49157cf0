"""While many dispatches wait, one flow run carries them; what does not end well there has a flow run of its own."""

import asyncio
from collections import Counter
from contextlib import AsyncExitStack
from datetime import timedelta
from functools import partial
from uuid import uuid4

import pytest
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
from prefect.states import Running

from hookline.database import connect
from hookline.engine.batch import CALM, NAME
from hookline.engine.engine import BATCH_SLOTS, RAMP_UP
from hookline.hooks import Route
from hookline.hooks.templates import Template
from hookline.inbox import batches, engines, search
from hookline.prefect_adapter.control import Stop

BACKLOG = 3
BATCH = {"batch_backlog": BACKLOG, "engine_concurrency": 2}


async def waiting(admin, flow, number, **parameters):
    """So many dispatches that nobody works on yet; they may go through."""
    works = [await admin.dispatch(flow, key=f"thing {n}", **parameters) for n in range(number)]
    for work in works:
        work.open()
    return works


async def go_on(works):
    """Let all go through, and wait until they are done."""
    for work in works:
        work.open()
    for work in works:
        await work.is_("done")


async def runs_of(works):
    return {(await work.row())["flow_run_id"] for work in works}


async def is_alone(work):
    return (await work.row())["unbatched"]


async def task_runs(admin, flow_run_id):
    wanted = FlowRunFilter(id=FlowRunFilterId(any_=[flow_run_id]))
    return await admin.client.read_task_runs(flow_run_filter=wanted, limit=200)


async def test_one_flow_run_carries_a_backlog_and_each_dispatch_is_a_task_run_of_its_name(admin, until):
    works = await waiting(admin, "steps", 2 * BACKLOG)

    async with admin.engine(**BATCH):
        for work in works:
            await work.is_("done")

    async def recorded():
        found = [run for run in await task_runs(admin, flow_run_id) if run.name.startswith("thing")]
        ended = all(run.state.is_completed() for run in found)
        return sorted(run.name for run in found) if ended and len(found) == len(works) else None

    [flow_run_id] = await runs_of(works)
    of_one = await search.find(admin.database, search.Filter(key=str(works[0].record)))
    flow_run = await admin.client.read_flow_run(flow_run_id)
    assert [["first", "second"]] * len(works) == [work.written for work in works]
    assert [f"thing {n}" for n in range(len(works))] == await until(
        recorded, "not all task runs are recorded"
    )
    assert ("COMPLETED", "6 dispatches: 6 done.") == (flow_run.state_type.value, flow_run.state.message)
    assert [works[0].delivery] == [row["id"] for row in of_one.deliveries]
    assert 0 == await admin.database.fetchval("SELECT count(*) FROM batches")


async def test_at_light_load_every_dispatch_has_a_flow_run_of_its_own(admin):
    works = await waiting(admin, "steps", BACKLOG - 1)

    async with admin.engine(**BATCH):
        for work in works:
            await work.is_("done")

    assert {"steps"} == {await admin.flow_of(flow_run_id) for flow_run_id in await runs_of(works)}
    assert len(works) == len(await runs_of(works))


@pytest.mark.parametrize(("seconds", "flows"), [(60, {NAME}), (0, {"steps"})])
async def test_a_batch_stays_open_while_many_come_though_none_waits(admin, monkeypatch, seconds, flows):
    monkeypatch.setattr("hookline.engine.batch.CALM_SECONDS", seconds)
    first = await waiting(admin, "steps", CALM + BACKLOG)
    later = []

    async with admin.engine(**BATCH):
        for work in first:
            await work.is_("done")
        for _ in range(3):
            [work] = await waiting(admin, "steps", 1)
            await work.is_("done")
            later.append(work)

    assert flows == {await admin.flow_of(flow_run_id) for flow_run_id in await runs_of(later)}


@pytest.mark.parametrize(("seconds", "flows"), [(60, {NAME}), (0, {"steps"})])
async def test_a_batch_is_opened_when_many_come_one_after_another_though_none_waits(
    admin, monkeypatch, seconds, flows
):
    monkeypatch.setattr("hookline.engine.batch.CALM_SECONDS", seconds)
    monkeypatch.setattr("hookline.engine.engine.CALM_SECONDS", 0.5)

    async with admin.engine(**BATCH):
        for _ in range(BACKLOG):
            [work] = await waiting(admin, "steps", 1)
            await work.is_("done")
        [last] = await waiting(admin, "steps", 1)
        await last.is_("done")

    [flow_run_id] = await runs_of([last])
    assert flows == {await admin.flow_of(flow_run_id)}


@pytest.mark.parametrize(("claims", "flows"), [(True, {NAME}), (False, {"steps"})])
async def test_engines_that_share_what_comes_begin_a_batch_when_much_comes_to_all_of_them(
    admin, monkeypatch, until, claims, flows
):
    monkeypatch.setattr("hookline.engine.batch.CALM_SECONDS", 60)
    monkeypatch.setattr("hookline.engine.engine.HEARTBEAT_SECONDS", 0.2)
    async with AsyncExitStack() as stack:
        connection = await connect(admin.sandbox.settings)
        stack.push_async_callback(connection.close)
        session = await engines.begin_session(connection)
        other = partial(engines.beat, admin.database, "other", host="host", pid=1, trouble=None, since=None)
        await other(session=session, claims=claims)
        engine = await stack.enter_async_context(admin.engine(batch_backlog=4, engine_concurrency=2))
        await until(lambda: engine.backlog.engines == 1 + claims, "it does not know of the other one")

        works = []
        for _ in range(3):
            [work] = await waiting(admin, "steps", 1)
            await work.is_("done")
            works.append(work)

    [flow_run_id] = await runs_of(works[-1:])
    assert flows == {await admin.flow_of(flow_run_id)}


async def test_an_engine_tells_the_others_whether_it_takes_dispatches(admin, monkeypatch, until):
    monkeypatch.setattr("hookline.engine.engine.HEARTBEAT_SECONDS", 0.2)

    async with admin.engine(**BATCH) as engine:

        async def claims():
            return await admin.database.fetchval("SELECT claims FROM engines WHERE name = $1", engine.name)

        async def is_idle():
            return await claims() is False

        await until(is_idle, "it claims, though there is nothing")
        [work] = await waiting(admin, "steps", 1)
        await work.is_("done")
        await until(claims, "it does not say that it claims")


async def test_a_burst_is_begun_in_steps_so_that_the_rest_of_it_is_for_a_batch(admin):
    works = await waiting(admin, "steps", RAMP_UP + 2)

    async with admin.engine(batch_backlog=0, engine_concurrency=2 * RAMP_UP):
        for work in works:
            await work.is_("done")

    begun = Counter([(await work.row())["started_at"] for work in works])
    assert [RAMP_UP, 2] == [number for _, number in sorted(begun.items())]


async def test_in_a_batch_twice_as_many_are_at_work_at_once(admin):
    works = [await admin.dispatch("steps", key=f"thing {n}") for n in range(4 + BACKLOG)]

    async with admin.engine(**BATCH):
        for work in works[:4]:
            await work.has_written("first")
        await go_on(works)

    assert 1 == len(await runs_of(works))


async def test_a_batch_stays_open_while_others_have_locked_what_waits(admin, monkeypatch):
    monkeypatch.setattr("hookline.engine.batch.CALM_SECONDS", 60)
    works = [await admin.dispatch("steps", key=f"thing {n}") for n in range(4 + BACKLOG)]
    locked = [(await work.row())["id"] for work in works[2:]]

    async with admin.engine(**BATCH), admin.database.acquire() as another:
        async with another.transaction():
            await another.execute("SELECT FROM dispatches WHERE id = ANY($1) FOR UPDATE", locked)
            for work in works[:2]:
                await work.has_written("first")
        for work in works[2:4]:
            await work.has_written("first")
        await go_on(works)

    assert 1 == len(await runs_of(works))


async def test_a_batch_ends_though_many_wait_that_this_engine_cannot_run(admin, monkeypatch, until):
    monkeypatch.setattr("hookline.engine.batch.CALM_SECONDS", 0.2)
    monkeypatch.setattr("hookline.engine.engine.CALM_SECONDS", 0.2)
    works = await waiting(admin, "steps", 2 * BACKLOG)
    foreign = [await admin.dispatch("another engine's", key=f"foreign {n}") for n in range(2 * BACKLOG)]

    async def ended():
        return 0 == await admin.database.fetchval("SELECT count(*) FROM batches")

    async with admin.engine(**BATCH):
        for work in works:
            await work.is_("done")
        await until(ended, "the batch is left open")

    assert {NAME} == {await admin.flow_of(flow_run_id) for flow_run_id in await runs_of(works)}
    assert {"dispatched"} == {(await work.row())["state"] for work in foreign}


async def test_one_that_fails_fails_again_in_a_flow_run_of_its_own_and_repeats_no_effect(admin):
    bad = await admin.dispatch("fragile", key="bad thing")
    good = await waiting(admin, "steps", 2 * BACKLOG)

    async with admin.engine(**BATCH):
        for work in good:
            await work.is_("done")
        await bad.is_("failed")

    [carried_by] = await runs_of(good)
    message = (await admin.client.read_flow_run(carried_by)).state.message
    assert "fragile" == await admin.flow_of((await bad.row())["flow_run_id"])
    assert "not fixed" in (await bad.row())["reason"]
    assert ["first"] == bad.written
    assert "7 dispatches: 6 done, 1 given a flow run of their own." == message
    assert ["dispatched", "running", "dispatched", "running", "failed"] == [
        row[0] for row in await bad.trail()
    ]


async def test_what_passes_by_itself_is_tried_again_in_the_batch(admin):
    works = await waiting(admin, "passing", 2 * BACKLOG)

    async with admin.engine(**BATCH):
        for work in works:
            await work.is_("done")

    assert [["first"]] * len(works) == [work.written for work in works]
    assert {NAME} == {await admin.flow_of(flow_run_id) for flow_run_id in await runs_of(works)}


async def test_one_that_waits_for_a_person_waits_in_a_flow_run_of_its_own(admin):
    works = [*await waiting(admin, "steps", 2 * BACKLOG), await admin.dispatch("approval", key="to be asked")]

    async with admin.engine(**BATCH):
        await works[-1].is_("held")
        await works[-1].resume("yes")
        await works[-1].is_("done")

    assert "approval" == await admin.flow_of((await works[-1].row())["flow_run_id"])


async def test_what_may_be_undone_has_a_flow_run_of_its_own(admin):
    works = [await admin.dispatch("undoable", key="loan"), *await waiting(admin, "steps", 2 * BACKLOG)]

    async with admin.engine(**BATCH):
        for work in works:
            await work.is_("done")

    assert "undoable" == await admin.flow_of((await works[0].row())["flow_run_id"])
    assert ["first"] == works[0].written


async def test_one_key_is_worked_on_one_at_a_time_also_in_a_batch(admin):
    works = [await admin.dispatch("steps", key="the same") for _ in range(2)]
    others = await waiting(admin, "steps", 2 * BACKLOG)

    async with admin.engine(**BATCH):
        for work in others:
            await work.is_("done")
        before = works[1].written
        works[0].open()
        await works[0].is_("done")
        works[1].open()
        await works[1].is_("done")

    assert [] == before


async def test_whoever_ends_the_run_of_a_backlog_leaves_each_dispatch_a_flow_run_of_its_own(admin):
    works = [await admin.dispatch("steps", key=f"thing {n}") for n in range(2 * BACKLOG)]

    async with admin.engine(**BATCH):
        await works[0].has_written("first")
        carried_by = (await works[0].row())["flow_run_id"]
        await works[0].cancel()
        await admin.until(lambda: is_alone(works[0]), "it goes on")
        for work in works:
            work.open()
        for work in works:
            await work.is_("done")

    assert "CANCELLED" == (await admin.client.read_flow_run(carried_by)).state_type.value
    assert {"steps"} == {await admin.flow_of(flow_run_id) for flow_run_id in await runs_of(works)}
    assert [["first", "second"]] * len(works) == [work.written for work in works]


async def test_an_engine_that_stops_leaves_what_it_carried_to_the_next_one(admin, monkeypatch):
    monkeypatch.setattr("hookline.engine.engine.DRAIN_SECONDS", 0.1)
    works = [await admin.dispatch("steps", key=f"thing {n}") for n in range(2 * BACKLOG)]

    async with admin.engine(**BATCH):
        await works[0].has_written("first")
    carried_by = (await works[0].row())["flow_run_id"]
    for work in works:
        work.open()
    async with admin.engine(**BATCH):
        for work in works:
            await work.is_("done")

    assert "COMPLETED" == (await admin.client.read_flow_run(carried_by)).state_type.value
    assert [["first", "second"]] * len(works) == [work.written for work in works]


async def test_a_batch_whose_last_dispatches_take_longer_than_its_lease_is_not_taken_for_abandoned(admin):
    works = [await admin.dispatch("steps", key=f"thing {n}") for n in range(2 * BACKLOG)]
    for work in works[:-2]:
        work.open()

    async with admin.engine(**BATCH, lease_seconds=1):
        for work in works[-2:]:
            await work.has_written("first")
        await asyncio.sleep(2.5)
        for work in works[-2:]:
            work.open()
        for work in works:
            await work.is_("done")

    [flow_run_id] = await runs_of(works)
    assert "COMPLETED" == (await admin.client.read_flow_run(flow_run_id)).state_type.value


async def test_a_batch_that_is_full_takes_no_more_and_another_carries_the_rest(admin):
    works = await waiting(admin, "steps", 6 * BACKLOG)

    async with admin.engine(**BATCH, batch_size=BACKLOG):
        for work in works:
            await work.is_("done")

    carried = Counter([(await work.row())["flow_run_id"] for work in works])
    in_batches = [n for flow_run, n in carried.items() if NAME == await admin.flow_of(flow_run)]
    assert (True, True) == (len(in_batches) > 1, max(in_batches) < 2 * BACKLOG + BATCH_SLOTS * 2)


async def test_what_another_engine_took_out_of_a_batch_is_left_to_it(admin, until):
    works = [await admin.dispatch("steps", key=f"thing {n}") for n in range(2 * BACKLOG)]

    async with admin.engine(**BATCH, lease_seconds=60) as engine:
        await works[0].has_written("first")
        claimed = engine.leases.claimed[(await works[0].row())["id"]]
        await is_anothers(admin, works[0])
        claimed.until = 0
        for work in works:
            work.open()
        await until(lambda: claimed.id not in engine.leases.claimed, "it does not end")
        left = await works[0].row()
        for work in works[1:]:
            await work.is_("done")

    assert (Stop.LEASE_LOST, "another", "running") == (claimed.stop, left["lease_owner"], left["state"])
    assert ["first"] == works[0].written


ANOTHERS = """
    UPDATE dispatches SET state = 'running', lease_owner = 'another', lease_until = now() + interval '30 seconds'
    WHERE id = $1
"""


async def is_anothers(admin, work):
    """Another engine has the dispatch."""
    await admin.database.execute(ANOTHERS, (await work.row())["id"])


async def test_the_run_of_a_backlog_whose_engine_died_is_ended(admin, until):
    batch, flow = uuid4(), admin.deployments["steps/test"].flow()
    flow_run = await admin.client.create_flow_run(flow, state=Running(), tags=[f"batch:{batch}"])
    await batches.renew_lease(admin.database, batch, timedelta(seconds=-1))

    async def ended():
        return 0 == await admin.database.fetchval("SELECT count(*) FROM batches")

    async with admin.engine():
        await until(ended, "it is still running")

    state = (await admin.client.read_flow_run(flow_run.id)).state
    assert ("Interrupted", "CANCELLED") == (state.name, state.type.value)


@pytest.mark.parametrize(("flow", "unbatched"), [("steps", True), ("impatient", False)])
async def test_what_wants_flow_runs_of_its_own_gets_them_however_many_wait(
    admin, monkeypatch, flow, unbatched
):
    monkeypatch.setattr("hookline.engine.engine.DRAIN_SECONDS", 0.1)
    route = Route(
        name="admin",
        source="admin",
        deployment=f"{flow}/test",
        when=Template("true", expression=True),
        parameters={},
        key=None,
        spec="{}",
        unbatched=unbatched,
    )
    works = await waiting(admin, flow, 2 * BACKLOG)

    async with admin.engine(routes=[route], **BATCH):
        await works[0].is_("running", "done")
        await works[0].has_written("first")

    assert flow == await admin.flow_of((await works[0].row())["flow_run_id"])
