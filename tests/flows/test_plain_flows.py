"""Plain Prefect flows, begun by a dispatch, run in threads of the engine, and block nothing else."""

import asyncio
import json
import signal

import pytest
from prefect.client.schemas.filters import (
    ArtifactFilter,
    ArtifactFilterKey,
    FlowRunFilter,
    FlowRunFilterId,
    FlowRunFilterParentFlowRunId,
)

from hookline.engine import threads
from hookline.inbox import commands

FLOWS = (
    "everyday",
    "mixed",
    "blocking",
    "deaf",
    "stubborn",
    "effectful",
    "typed",
    "own_runner",
    "numbers",
    "async_numbers",
    "retried",
    "slow",
    "hooked",
    "says",
    "transacted",
    "asks",
    "pauses",
    "quits",
    "optioned",
)


@pytest.fixture
async def plain(operator_of_flows):
    """An operator whose engines know the plain flows, and an asynchronous one beside them."""
    flows = {name: f"tests/flows/plain.py:{name}" for name in FLOWS}
    return await operator_of_flows({**flows, "steps": "tests/flows/gates.py:steps"})


async def ended(admin, flow, state="done", **parameters):
    """What a flow has written, when its dispatch has ended."""
    work = await admin.dispatch(flow, **parameters)
    async with admin.engine(
        lease_seconds=30
    ):  # what loses its lease on a busy machine begins again, and writes again
        await work.is_(state)
    return work


async def test_a_flow_of_a_tutorial_runs_in_a_thread_with_its_tasks_and_subflows(plain):
    work = await ended(plain, "everyday")

    assert [
        "in the main thread: False",
        "called: 4",
        "submitted: 6",
        "mapped: [2, 4, 6]",
        "subflow: 9",
        "named: True",
        "variable: 7",
    ] == work.written
    flow_run = await work.flow_run()
    children = await plain.client.read_flow_runs(
        flow_run_filter=FlowRunFilter(parent_flow_run_id=FlowRunFilterParentFlowRunId(any_=[flow_run.id]))
    )
    artifacts = await plain.client.read_artifacts(
        artifact_filter=ArtifactFilter(key=ArtifactFilterKey(any_=["everyday"])),
        flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=[flow_run.id])),
    )
    assert ("COMPLETED", ["COMPLETED"], 1) == (
        flow_run.state_type.value,
        [child.state_type.value for child in children],
        len(artifacts),
    )


async def test_a_flow_that_blocks_holds_up_no_other_and_no_heartbeat(plain):
    blocking = [await plain.dispatch(name) for name in ("blocking", "mixed")]
    async with plain.engine(blocked_seconds=3):
        for work in blocking:
            await plain.until(lambda work=work: work.written, "it does not begin")
        innocent = await plain.dispatch("steps")
        innocent.open()
        await innocent.is_("done")
        await asyncio.sleep(4)  # longer than a lease, and than a loop may be blocked
        owners = {(await work.row())["lease_owner"] for work in blocking}
        for work in blocking:
            work.open()
            await work.is_("done")

    assert 1 == len(owners)
    assert ["begun", "ended"] == blocking[0].written
    assert ["in the main thread: False", "through", "subflows: 3 2", "effect"] == blocking[1].written
    assert [(0, 1)] * 2 == [(row["takeovers"], row["attempts"]) for row in [await w.row() for w in blocking]]


async def test_only_so_many_run_in_threads_and_the_others_say_why_they_wait(plain):
    first, second = await plain.dispatch("blocking"), await plain.dispatch("blocking")
    async with plain.engine(engine_threads=1):
        await plain.until(lambda: first.written or second.written, "none begins")
        runs, waits = (first, second) if first.written else (second, first)
        await plain.until(lambda: _says(waits, "waits for a free thread: 1 of 1"), "it does not say so")
        asynchronous = await plain.dispatch("steps")
        asynchronous.open()
        await asynchronous.is_("done")
        nothing_yet = list(waits.written)
        runs.open()
        await runs.is_("done")
        waits.open()
        await waits.is_("done")

    assert [] == nothing_yet


async def _says(work, what):
    return what in ((await work.row())["reason"] or "")


async def test_a_cancelled_thread_is_interrupted_and_its_flow_run_is_cancelled(plain):
    work = await plain.dispatch("blocking")
    async with plain.engine() as engine:
        await work.has_written("begun")
        await work.cancel()
        row = await work.is_("discarded")
        await plain.until(lambda: not engine.threads.running, "its thread does not end")

    assert ("CANCELLED", ["begun"]) == ((await work.flow_run()).state_type.value, work.written)
    assert "cancelled in the Prefect UI" == row["reason"]


async def test_a_thread_that_does_not_end_is_left_and_its_effects_and_states_are_refused(plain, monkeypatch):
    monkeypatch.setattr(threads, "LEFT_SECONDS", 0.5)
    work = await plain.dispatch("stubborn")
    async with plain.engine(engine_threads=1) as engine:
        await work.has_written("begun")
        await work.act(commands.discard, reason="no longer needed")
        await work.is_("discarded")
        left = len(engine.threads.left)
        waits = await plain.dispatch("blocking")
        await plain.until(lambda: _says(waits, "of which 1 were stopped and do not end"), "nobody is told")
        work.open()
        waits.open()
        await waits.is_("done")

    assert (1, ["begun", "RunStopped"]) == (left, work.written)
    assert "CANCELLED" == (await work.flow_run()).state_type.value


async def test_an_engine_that_stops_leaves_a_thread_and_another_engine_begins_its_run_again(
    plain, monkeypatch
):
    monkeypatch.setattr("hookline.engine.engine.DRAIN_SECONDS", 0.2)
    monkeypatch.setattr(threads, "LEFT_SECONDS", 0.5)
    work = await plain.dispatch("deaf", seconds=4)
    async with plain.engine():
        await work.has_written("begun")
    row = await work.row()
    first_run = row["flow_run_id"]
    async with plain.engine():
        await work.is_("done")

    assert ("dispatched", first_run) == (row["state"], (await work.row())["flow_run_id"])
    assert 2 == work.written.count("begun")
    assert "COMPLETED" == (await work.flow_run()).state_type.value


@pytest.mark.parametrize("ends_by", [signal.SIGTERM, signal.SIGKILL])
async def test_an_engine_process_that_ends_leaves_no_thread_and_its_runs_are_done_by_another(
    plain, repository, ends_by
):
    works = [
        *[await plain.dispatch("blocking") for _ in range(2)],
        await plain.dispatch("deaf", seconds=1_000 if ends_by == signal.SIGTERM else 3),
    ]
    environment = {"HOOKLINE_ENGINE_THREADS": "3", "PREFECT_API_URL": plain.sandbox.settings.prefect_api_url}
    with (
        (plain.folder / "engine.log").open("wb") as log,
        plain.engine_process(repository, log, **environment) as engine,
    ):
        for work in works:
            await work.has_written("begun")
        engine.send_signal(ends_by)
        code = await asyncio.to_thread(engine.wait, 60)  # however long a thread blocks
    ours = works if ends_by == signal.SIGKILL else works[:2]
    for work in works:
        work.open()
        if work not in ours:  # it would block for a thousand seconds once more
            await work.act(commands.discard, reason="it blocks")
    async with plain.engine(lease_seconds=30):
        for work in ours:
            await work.is_("done")

    assert (0 if ends_by == signal.SIGTERM else -signal.SIGKILL) == code
    assert [1] * len(ours) == [sum(each in ("ended", "awake") for each in work.written) for work in ours]
    assert {"COMPLETED"} == {(await work.flow_run()).state_type.value for work in ours}
    assert {2} == {work.written.count("begun") for work in ours}


async def test_a_run_is_not_cut_while_an_effect_of_it_is_in_flight_in_another_thread(plain):
    work = await plain.dispatch("effectful")
    async with plain.engine():
        await work.has_written("effect")
        await work.cancel()
        await asyncio.sleep(1)
        still = (await work.row())["state"]
        work.open("answer")
        await work.is_("discarded")

    assert ("running", ["effect"]) == (still, work.written)
    effects = await plain.database.fetch("SELECT state FROM effects WHERE key = $1", str(work.record))
    assert ["done"] == [effect["state"] for effect in effects]


async def test_models_decimals_dates_and_choices_of_a_webhook_lose_no_digit(plain):
    order = {
        "number": 7,
        "total": "12345678901234567.89",
        "colour": "red",
        "lines": [{"part": "A", "price": "0.10", "at": "2026-11-29T10:00:00+01:00"}],
    }
    work = await ended(
        plain, "typed", order=order, limit="99999999999999999999.999999", due="2026-12-01T00:00:00Z"
    )

    assert [
        "12345678901234567.89 99999999999999999999.999999 2026-12-01T00:00:00+00:00 Colour.RED 0.10"
    ] == work.written
    result = await (await work.flow_run()).state.aresult()
    assert order["total"] == json.loads(result.model_dump_json())["total"]


@pytest.mark.parametrize(
    ("flow", "written"),
    [
        ("own-runner", ["20"]),
        ("numbers", ["0", "1", "2"]),
        ("async-numbers", ["0", "1", "2"]),
        ("retried", ["run 1", "run 2"]),
        ("optioned", ["renamed"]),
    ],
)
async def test_what_prefect_offers_works_in_a_thread(plain, flow, written):
    work = await ended(plain, flow)

    assert (written, "COMPLETED") == (work.written, (await work.flow_run()).state_type.value)


async def test_a_state_that_a_flow_returns_is_its_end(plain):
    work = await ended(plain, "says")

    assert ("Said", "said so") == ((await work.flow_run()).state_name, (await work.row())["reason"])


async def test_a_flow_that_takes_too_long_times_out(plain):
    work = await ended(plain, "slow", "failed")

    assert "TimedOut" == (await work.flow_run()).state_name


@pytest.mark.parametrize(("fail", "state"), [(True, "failed"), (False, "done")])
async def test_hooks_run_in_the_thread(plain, fail, state):
    work = await ended(plain, "hooked", state, fail=fail)

    name = "Failed" if fail else "Completed"
    assert [f"hook: {name} in the main thread: False"] == work.written


async def test_a_transaction_that_fails_is_rolled_back(plain):
    work = await ended(plain, "transacted", "failed")

    assert ["done", "undone"] == work.written


async def test_a_flow_that_wants_to_end_its_process_fails_alone_in_its_thread(plain):
    work = await ended(plain, "quits", "failed")

    assert "wanted to end the process" in (await work.row())["reason"]


async def test_a_plain_flow_waits_for_a_person_without_a_thread_and_with_one(plain):
    asks, pauses = await plain.dispatch("asks"), await plain.dispatch("pauses")
    async with plain.engine() as engine:
        await asks.is_("held")
        await pauses.has_written("asked")
        await plain.until(lambda: len(engine.threads.running) == 1, "it keeps its thread")
        await asks.resume("yes")
        await pauses.resume()
        for work in (asks, pauses):
            await work.is_("done")

    assert (["asked", "asked", "answered yes"], ["asked", "answered"]) == (asks.written, pauses.written)


async def test_a_backlog_of_plain_flows_has_runs_of_their_own(plain):
    works = [await plain.dispatch("numbers") for _ in range(6)]
    async with plain.engine(batch_backlog=3, engine_concurrency=2):
        for work in works:
            await work.is_("done")

    assert {"numbers"} == {await plain.flow_of((await work.row())["flow_run_id"]) for work in works}
