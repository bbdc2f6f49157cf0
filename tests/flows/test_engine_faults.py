"""Engines and Prefect servers that die, and what must be true afterwards: nothing lost, nothing twice, no zombie."""

import asyncio
import os
import signal
import subprocess
import sys
from contextlib import ExitStack
from datetime import timedelta
from uuid import uuid4

import pytest
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterTags
from prefect.client.schemas.sorting import FlowRunSort
from prefect.states import Running

from hookline.engine import engine as engine_module
from hookline.engine import reconcile
from hookline.engine.batch import NAME
from hookline.engine.leases import Leases
from hookline.engine.outcomes import LeaseLost
from hookline.engine.runs import FlowRuns
from hookline.engine.threads import Threads
from hookline.inbox import dispatches
from hookline.inbox.dispatches import LAST
from hookline.journal.resolution import resolve
from hookline.prefect_adapter import opening
from hookline.prefect_adapter.control import Stop

BURST, MANY = 8, 120
ONE_OF_EACH = {"licenses": 1, "consumer_records": 1, "mails": 1, "notes": 1}


class Engines:
    """Engines beside the sandbox's own, each in a process of its own."""

    def __init__(self, stack, folder):
        self.stack = stack
        self.folder = folder

    def start(self):
        ready = self.folder / uuid4().hex
        engine = subprocess.Popen(
            [sys.executable, "-m", "hookline", "engine"],
            env=os.environ | {"HOOKLINE_READY_FILE": str(ready)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self.stack.callback(engine.wait)
        self.stack.callback(engine.kill)
        return engine, ready


@pytest.fixture
def engines(tmp_path):
    with ExitStack() as stack:
        yield Engines(stack, tmp_path)


@pytest.mark.long
async def test_three_engines_that_are_killed_in_turn_leave_one_license_and_one_flow_run_an_order(
    business, sandbox, admin, engines, until
):
    others = [engines.start(), engines.start()]
    for _, ready in others:
        await until(ready.exists, "an engine does not start")
    sandbox.fault("zentitle", operation="create_license_codes", kind="latency", seconds=1, times=0)
    orders = []
    while (at_once := await _engines_at_work(admin)) < 3 and len(orders) < MANY:
        orders += await asyncio.gather(*(business.order(("LIC-PRO", 1)) for _ in range(BURST)))
        await asyncio.sleep(0.3)  # the engines claim what has come, before it is asked who is at work

    for victim in [business.process("hookline", "engine").pid, *(engine.pid for engine, _ in others)]:
        os.kill(victim, signal.SIGKILL)
        orders.append(await business.order(("LIC-PRO", 1)))
    engines.start()
    sandbox.clear_faults("zentitle")
    await asyncio.gather(*(business.noted(order) for order in orders))
    finished = await asyncio.gather(*(business.finished(order) for order in orders))
    dispatched = [d for deliveries in finished for row in deliveries for d in row["dispatches"]]

    runs = await _runs_of(admin, dispatched)
    taken_up = [d for d in dispatched if d["attempts"] > 1]
    assert (3, True) == (at_once, len(taken_up) > 0)
    assert [ONE_OF_EACH] * len(orders) == [business.counts(order) for order in orders]
    assert {"done"} == {dispatch["state"] for dispatch in dispatched}
    assert {"COMPLETED"} == {run.state_type.value for run in runs}
    own = [str(run.id) for run in runs]
    carried = {dispatch["flow_run_id"] for dispatch in dispatched} - {*own}
    assert sorted(own) == sorted(d["flow_run_id"] for d in dispatched if d["flow_run_id"] not in carried)
    assert {NAME} >= {await admin.flow_of(flow_run_id) for flow_run_id in carried}


@pytest.mark.long
async def test_while_prefect_is_away_for_long_everything_waits_and_then_ends(business, admin, until):
    kinds = ("steps", "curious", "steps", "curious")
    begun = [await admin.dispatch(kind) for kind in kinds]
    async with admin.engine():
        for each in begun:
            await each.has_written("first")
        business.process("hookline.prefect_adapter.server").send_signal(signal.SIGKILL)
        for each in begun:
            each.open()  # they go on, and Prefect does not answer
        later = [await admin.dispatch(kind) for kind in kinds[:2]]
        for each in later:
            each.open()
        waiting = [await each.is_("dispatched") for each in begun]
        await until(lambda: _answers(admin), "Prefect does not come back")
        for each in begun + later:
            await each.is_("done")

    runs = [await each.flow_run() for each in begun + later]
    assert all("Prefect is away" in row["reason"] for row in waiting)
    assert [["first", "second"]] * 6 == [each.written for each in begun + later]
    assert {"COMPLETED"} == {run.state_type.value for run in runs}
    assert [row["flow_run_id"] for row in waiting] == [run.id for run in runs[: len(begun)]]


async def test_an_engine_that_is_told_to_stop_puts_back_what_does_not_end(admin, monkeypatch):
    monkeypatch.setattr(engine_module, "DRAIN_SECONDS", 0.1)
    work = await admin.dispatch("steps")
    async with admin.engine():
        await work.has_written("first")
    stopped = await work.row(), (await work.flow_run()).state_type.value
    work.open()
    async with admin.engine():
        await work.is_("done")

    flow_run = await work.flow_run()
    assert ("dispatched", "this engine is stopping") == (stopped[0]["state"], stopped[0]["reason"])
    assert ("PENDING", "COMPLETED") == (stopped[1], flow_run.state_type.value)
    assert (["first", "second"], stopped[0]["flow_run_id"]) == (work.written, flow_run.id)


async def test_a_run_whose_lease_is_lost_is_neither_ended_nor_gone_on_with(admin, until):
    work = await admin.dispatch("steps")
    async with admin.engine() as engine:
        await work.has_written("first")
        await admin.database.execute(
            "UPDATE dispatches SET lease_owner = 'another', lease_until = now() + interval '5 seconds' WHERE id = $1",
            (row := await work.row())["id"],
        )
        [claimed] = engine.leases.claimed.values()
        await until(lambda: claimed.stop, "it is not noticed")
        work.open()
        await until(lambda: not engine.running, "it does not end")
        left, state = await work.row(), (await work.flow_run()).state_type.value
        written = work.written

        await admin.database.execute("UPDATE dispatches SET lease_until = now() WHERE id = $1", row["id"])
        await admin.wake()
        await work.is_("done")

    assert (Stop.LEASE_LOST, "running", "another") == (claimed.stop, left["state"], left["lease_owner"])
    assert (["first"], "RUNNING") == (written, state)
    assert (["first", "second"], "COMPLETED") == (work.written, (await work.flow_run()).state_type.value)


async def test_an_engine_that_was_lost_and_lives_has_not_died_of_what_it_ran(admin, until):
    work = await admin.dispatch("steps")
    async with admin.engine() as engine:
        await work.has_written("first")
        await dispatches.take_over(admin.database, unheard=[engine.name])
        lost_by = [(await work.row())["lost_by"]]

        while lost_by[-1]:
            lost_by.append((await work.row())["lost_by"])
            await asyncio.sleep(0.1)
        deaths = (await work.row())["engine_deaths"]
        work.open()
        await work.is_("done")

    assert ([engine.name], [], 0) == (lost_by[0], lost_by[-1], deaths)


async def test_an_engine_that_slept_through_its_lease_forces_nothing_upon_the_run_of_another(admin):
    work = await admin.dispatch("steps")
    left = await work.begin_elsewhere()
    await admin.client.set_flow_run_state(left.id, Running())
    await _is_anothers(work)
    await admin.database.execute(
        "UPDATE dispatches SET lease_until = now() WHERE id = $1", (await work.row())["id"]
    )
    leases = Leases(admin.sandbox.settings, "sleeper")
    await leases.take_over()
    [claimed] = await leases.claim(1, admin.deployments, (0, LAST))
    await _is_anothers(work)  # it slept
    claimed.until = 0

    outcome = await FlowRuns(admin.database, admin.client, admin.deployments, Threads(1)).run(claimed)

    assert (LeaseLost(), "another", "RUNNING") == (
        outcome,
        (await work.row())["lease_owner"],
        (await work.flow_run()).state_type.value,
    )


async def test_an_engine_that_slept_through_its_lease_does_not_end_the_run_of_another(admin, until):
    work = await admin.dispatch("ends")
    async with admin.engine(lease_seconds=60) as engine:
        await work.has_written("first")
        await _is_anothers(work)  # it slept
        [claimed] = engine.leases.claimed.values()
        claimed.until = 0
        work.open()
        await until(lambda: not engine.running, "it does not end")
        left, state = await work.row(), (await work.flow_run()).state_type.value

    assert (Stop.LEASE_LOST, "another", "RUNNING") == (claimed.stop, left["lease_owner"], state)


async def test_a_flow_run_that_a_late_call_opened_again_is_closed_as_its_dispatch_says(admin, monkeypatch):
    monkeypatch.setattr(reconcile, "OPEN_EVERY", 1)
    monkeypatch.setattr(reconcile, "LEFT_OPEN", timedelta(0))
    done, failed, retried = [await admin.dispatch(flow) for flow in ("steps", "fragile", "steps")]
    done.open()
    retried.open()
    async with admin.engine():
        await done.is_("done")
        await retried.is_("done")
        before = await failed.is_("failed")

        await retried.retry()
        await retried.set_state({"type": "RUNNING"})  # by Prefect's worker
        for late in (done, failed):
            await late.set_state({"type": "PENDING", "message": "Goes on where it stopped."})
        await admin.until(lambda: failed.is_named("Failed"), "it is not closed")
        await admin.until(lambda: done.is_named("Completed"), "it is not closed")
        running = await retried.is_named("Running")

    after = await failed.row()
    assert ("Its dispatch is done.", f"Its dispatch is failed: {before['reason']}") == (
        (await done.flow_run()).state.message,
        (await failed.flow_run()).state.message,
    )
    assert (True, "failed", before["reason"]) == (running, after["state"], after["reason"])


async def test_a_run_that_loses_its_connection_to_the_database_waits_and_goes_on(admin):
    work = await admin.dispatch("severed")
    async with admin.engine():
        row = await admin.until(lambda: _was_cut_off(work), "it does not lose its connection")
        work.open("fixed")
        await work.is_("done")

    flow_run = await work.flow_run()
    assert "failed" != row["state"]
    assert ("COMPLETED", row["flow_run_id"]) == (flow_run.state_type.value, flow_run.id)
    assert (["first", "second"], True) == (work.written, flow_run.run_count > 1)


async def test_a_deployment_that_was_made_anew_is_found_though_its_id_is_another(
    admin, repository, monkeypatch
):
    monkeypatch.setattr(opening, "FRESH_SECONDS", 0)
    async with admin.engine():
        before = await admin.dispatch("steps")
        before.open()
        await before.is_("done")
        known = await admin.client.read_deployment_by_name("steps/test")
        await admin.client.delete_deployment(known.id)

        work = await admin.dispatch("steps")
        work.open()
        waiting = await admin.until(lambda: _waits_for_apply(work), "it is not told")
        await admin.deploy(admin.deployments["steps/test"], repository)
        await work.is_("done")

    assert "Make it with: hookline apply" in waiting["reason"]


async def _waits_for_apply(work):
    row = await work.row()
    return row if "has no deployment steps/test" in (row["reason"] or "") else None


async def test_all_that_wait_for_one_uncertain_effect_are_uncertain_and_go_on_when_it_is_resolved(admin):
    first = await admin.dispatch("mails", key="one")
    async with admin.engine():
        await first.is_("uncertain")
        second = await admin.dispatch("mails", key="one", record=str(first.record))
        rows = [await each.is_("uncertain", "failed") for each in (first, second)]
        effect = rows[0]["waits_for"]
        said = await resolve(admin.sandbox.settings, effect, happened=True, reference=[], actor="ann")
        for each in (first, second):
            await each.is_("done")

    assert [("uncertain", effect)] * 2 == [(row["state"], row["waits_for"]) for row in rows]
    assert "The 2 runs that waited for it go on now." in said
    assert ["mail"] == first.written


async def _was_cut_off(work):
    row = await work.row()
    return row if "Cannot reach the embedded PostgreSQL" in (row["reason"] or "") else None


async def _is_anothers(work):
    """Another engine has the dispatch, and a long lease."""
    await work.admin.database.execute(
        """
        UPDATE dispatches SET state = 'running', lease_owner = 'another', lease_until = now() + interval '5 seconds'
        WHERE id = $1
        """,
        (await work.row())["id"],
    )


async def _engines_at_work(admin):
    """The number of engines with a claimed dispatch."""
    return await admin.database.fetchval(
        "SELECT count(DISTINCT lease_owner) FROM dispatches WHERE state = 'running' AND lease_until > now()"
    )


async def _runs_of(admin, dispatched):
    """All flow runs that carry the deliveries of these dispatches, however many."""
    runs = []
    for delivery in {dispatch["delivery_id"] for dispatch in dispatched}:
        tagged = FlowRunFilter(tags=FlowRunFilterTags(all_=[f"delivery:{delivery}"]))
        runs += await admin.client.read_flow_runs(flow_run_filter=tagged, sort=FlowRunSort.ID_DESC)
    return runs


async def _answers(admin):
    return await admin.client.api_healthcheck() is None
