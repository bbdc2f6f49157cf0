"""Engines and Prefect servers that die, and what must be true afterwards: nothing lost, nothing twice, no zombie."""

import asyncio
import os
import signal
import subprocess
import sys
from contextlib import ExitStack
from uuid import uuid4

import pytest
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterTags
from prefect.client.schemas.sorting import FlowRunSort

from hookline.engine import engine as engine_module
from hookline.engine.leases import Stop

BURST, MANY = 4, 24
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
    business, sandbox, desk, engines, until
):
    others = [engines.start(), engines.start()]
    for _, ready in others:
        await until(ready.exists, "an engine does not start")
    sandbox.fault("zentitle", operation="create_license_codes", kind="latency", seconds=1, times=0)
    orders = []
    while (at_once := await _engines_at_work(desk)) < 3 and len(orders) < MANY:
        orders += await asyncio.gather(*(business.order(("LIC-PRO", 1)) for _ in range(BURST)))

    for victim in [business.process("hookline", "engine").pid, *(engine.pid for engine, _ in others)]:
        os.kill(victim, signal.SIGKILL)
        orders.append(await business.order(("LIC-PRO", 1)))
    engines.start()
    sandbox.clear_faults("zentitle")
    await asyncio.gather(*(business.noted(order) for order in orders))
    settled = await asyncio.gather(*(business.settled(order) for order in orders))
    dispatched = [d for deliveries in settled for row in deliveries for d in row["dispatches"]]

    runs = await _runs_of(desk, dispatched)
    taken_up = [d for d in dispatched if d["attempts"] > 1]
    assert (3, True) == (at_once, len(taken_up) > 0)
    assert [ONE_OF_EACH] * len(orders) == [business.counts(order) for order in orders]
    assert {"done"} == {dispatch["state"] for dispatch in dispatched}
    assert len(dispatched) == len(runs)
    assert {"COMPLETED"} == {run.state_type.value for run in runs}


@pytest.mark.long
async def test_while_prefect_is_away_for_long_everything_waits_and_then_ends(business, desk, until):
    kinds = ("steps", "curious", "steps", "curious")
    begun = [await desk.dispatch(kind) for kind in kinds]
    async with desk.engine():
        for each in begun:
            await each.has_written("first")
        business.process("prefect", "server", "start").send_signal(signal.SIGKILL)
        for each in begun:
            each.open()  # they go on, and Prefect does not answer
        later = [await desk.dispatch(kind) for kind in kinds[:2]]
        for each in later:
            each.open()
        waiting = [await each.is_("dispatched") for each in begun]
        await until(lambda: _answers(desk), "Prefect does not come back")
        for each in begun + later:
            await each.is_("done")

    runs = [await each.flow_run() for each in begun + later]
    assert all("Prefect is away" in row["reason"] for row in waiting)
    assert [["first", "second"]] * 6 == [each.written for each in begun + later]
    assert {"COMPLETED"} == {run.state_type.value for run in runs}
    assert [row["flow_run_id"] for row in waiting] == [run.id for run in runs[: len(begun)]]


async def test_an_engine_that_is_told_to_stop_puts_back_what_does_not_end(desk, monkeypatch):
    monkeypatch.setattr(engine_module, "DRAIN_SECONDS", 0.1)
    work = await desk.dispatch("steps")
    async with desk.engine():
        await work.has_written("first")
    stopped = await work.row(), (await work.flow_run()).state_type.value
    work.open()
    async with desk.engine():
        await work.is_("done")

    flow_run = await work.flow_run()
    assert ("dispatched", "this engine is stopping") == (stopped[0]["state"], stopped[0]["reason"])
    assert ("PENDING", "COMPLETED") == (stopped[1], flow_run.state_type.value)
    assert (["first", "second"], stopped[0]["flow_run_id"]) == (work.written, flow_run.id)


async def test_a_run_whose_lease_is_lost_is_neither_ended_nor_gone_on_with(desk, until):
    work = await desk.dispatch("steps")
    async with desk.engine() as engine:
        await work.has_written("first")
        await desk.database.execute(
            "UPDATE dispatches SET lease_owner = 'another', lease_until = now() + interval '1 hour' WHERE id = $1",
            (row := await work.row())["id"],
        )
        [hand] = engine.leases.in_hand.values()
        await until(lambda: hand.stop, "it is not noticed")
        work.open()
        await until(lambda: not engine.running, "it does not end")
        left, state = await work.row(), (await work.flow_run()).state_type.value
        written = work.written

        await desk.database.execute("UPDATE dispatches SET lease_until = now() WHERE id = $1", row["id"])
        await desk.wake()
        await work.is_("done")

    assert (Stop.LEASE_LOST, "running", "another") == (hand.stop, left["state"], left["lease_owner"])
    assert (["first"], "RUNNING") == (written, state)
    assert (["first", "second"], "COMPLETED") == (work.written, (await work.flow_run()).state_type.value)


async def _engines_at_work(desk):
    """How many engines have something in hand."""
    return await desk.database.fetchval(
        "SELECT count(DISTINCT lease_owner) FROM dispatches WHERE state = 'running' AND lease_until > now()"
    )


async def _runs_of(desk, dispatched):
    """All flow runs that carry the deliveries of these dispatches, however many."""
    runs = []
    for delivery in {dispatch["delivery_id"] for dispatch in dispatched}:
        tagged = FlowRunFilter(tags=FlowRunFilterTags(all_=[f"delivery:{delivery}"]))
        runs += await desk.client.read_flow_runs(flow_run_filter=tagged, sort=FlowRunSort.ID_DESC)
    return runs


async def _answers(desk):
    return await desk.client.api_healthcheck() is None
