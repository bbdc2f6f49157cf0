"""One dispatch that cannot be stored, run or survived ends alone; what is beside it ends well."""

import asyncio

import httpx
import pytest
from prefect.client.base import PrefectHttpxAsyncClient
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
from prefect.states import Running

from hookline.engine import engine as engine_module
from hookline.engine import events
from hookline.engine.loop_watchdog import EXIT_CODE
from hookline.inbox import commands, dispatches

BLOCKED_SECONDS = {"kills": 60, "hogs": 6}
"""A busy machine blocks a loop for a while as well: only where that is the point is the limit short."""


async def becomes(admin, flow, state, **parameters):
    """A dispatch of this flow, and an innocent one beside it, when both have ended."""
    work, innocent = await admin.dispatch(flow, **parameters), await admin.dispatch("steps")
    innocent.open()
    async with admin.engine():
        await innocent.is_("done")
        return work, await work.is_(state)


# What Prefect is told


@pytest.mark.parametrize("in_task", [True, False])
async def test_an_error_that_no_database_takes_fails_its_run_and_its_words_are_kept(admin, in_task):
    work, row = await becomes(admin, "quotes", "failed", task=in_task)

    flow_run = await work.flow_run()
    assert ("FAILED", ["first"]) == (flow_run.state_type.value, work.written)
    assert "ValueError: refused: a\ufffdb \ufffd" in flow_run.state.message
    assert "refused: a\ufffdb \ufffd" in row["reason"]

    of_run = FlowRunFilter(id=FlowRunFilterId(any_=[flow_run.id]))
    found = await admin.client.read_artifacts(flow_run_filter=of_run)
    [table] = [artifact for artifact in found if artifact.type == "table"]
    assert ("a\ufffdb", True) == (table.description, str(10**30) in table.data)

    if in_task:
        await admin.until(lambda: _task_runs_are(admin, of_run, "Failed"), "the task run does not end")


async def _task_runs_are(admin, of_run, name):
    runs = await admin.client.read_task_runs(flow_run_filter=of_run)
    return runs and {name} == {run.state_name for run in runs if run.name.startswith("refuses")}


async def test_what_a_flow_returns_needs_no_database_that_takes_it(admin):
    work, _ = await becomes(admin, "answers", "done")

    assert "COMPLETED" == (await work.flow_run()).state_type.value


# What would end its engine


@pytest.mark.parametrize("how", ["exit", "interrupt", "cancel", "exit in a task"])
async def test_a_flow_that_wants_to_end_its_process_fails_alone(admin, how):
    work, row = await becomes(admin, "leaves", "failed", how=how)

    assert (["begun"], True) == (work.written, (await work.flow_run()).state.is_final())
    assert ("cancelled" if how == "cancel" else "wanted to end the process") in row["reason"]


async def test_a_flow_that_wants_to_end_its_process_has_a_run_of_its_own_after_the_batch(admin):
    works = [*[await admin.dispatch("leaves", how=how) for how in ("exit", "cancel")]]
    innocent = [await admin.dispatch("steps", key=f"thing {n}") for n in range(6)]
    for work in innocent:
        work.open()
    async with admin.engine(batch_backlog=3, engine_concurrency=2):
        for work in works:
            await work.is_("failed")
        for work in innocent:
            await work.is_("done")

    assert {"leaves"} == {await admin.flow_of((await work.row())["flow_run_id"]) for work in works}


# What Prefect refuses


async def test_what_prefect_refuses_for_good_is_failed_at_once_with_a_short_reason(admin):
    _, row = await becomes(admin, "steps", "failed", answer="too long" * 100_000)

    assert (1, None) == (row["attempts"], row["lease_owner"])
    assert row["reason"].startswith("Prefect refuses it: 422 to POST /api/flow_runs/")
    assert len(row["reason"]) < 500


async def test_what_is_no_parameter_of_the_flow_fails_its_run_at_once_with_a_short_reason(admin):
    work, row = await becomes(admin, "steps", "failed", record=7, answer={"too": "long" * 1000})

    assert (1, None) == (row["attempts"], row["lease_owner"])
    assert row["reason"].startswith("Validation of flow parameters failed")
    assert len(row["reason"]) < 500
    assert "Failed" == (await work.flow_run()).state_name


async def test_what_prefect_fails_over_each_time_though_it_is_well_is_failed(admin, monkeypatch):
    monkeypatch.setattr(engine_module, "MAX_BACKOFF_SECONDS", 0)
    poison = await admin.dispatch("steps", answer="poison")
    monkeypatch.setattr(PrefectHttpxAsyncClient, "send", _fails_over_poison(PrefectHttpxAsyncClient.send))
    innocent = await admin.dispatch("steps")
    innocent.open()

    async with admin.engine():
        await innocent.is_("done")
        row = await poison.is_("failed")

    assert engine_module.MAX_ATTEMPTS == row["attempts"]
    assert row["reason"].startswith("Prefect fails on it each time, though it is ready: 500 to POST")


def _fails_over_poison(send):
    async def failing(self, request, *arguments, **named):
        if b"poison" in request.content:
            answer = httpx.Response(500, json={"exception_message": "Internal Server Error"}, request=request)
            raise httpx.HTTPStatusError("500", request=request, response=answer)
        return await send(self, request, *arguments, **named)

    return failing


async def test_a_flow_run_that_prefect_cannot_show_keeps_the_reconciler_from_no_other(admin, monkeypatch):
    blind, cancelled = await admin.dispatch("approval"), await admin.dispatch("approval")
    async with admin.engine() as engine:
        for work in (blind, cancelled):
            await work.is_("held")
        hidden = (await blind.row())["flow_run_id"]
        monkeypatch.setattr(PrefectClient, "read_flow_runs", _blind_to(hidden, PrefectClient.read_flow_runs))
        await cancelled.cancel()
        await cancelled.is_("discarded")
        await admin.until(lambda: engine.troubles.now[0], "nobody is told")
        said = await admin.until(lambda: _trouble_of(admin, engine), "it is not listed")
        monkeypatch.undo()

    assert str(hidden) in said
    assert "held" == (await blind.row())["state"]


def _blind_to(hidden, read):
    async def blind(self, **named):
        wanted = named["flow_run_filter"].id
        if wanted and hidden in wanted.any_:
            await self.request("GET", "/admin/no-such-page-so-that-the-answer-is-real")
        return await read(self, **named)

    async def failing(self, **named):
        try:
            return await blind(self, **named)
        except httpx.HTTPStatusError as error:
            error.response.status_code = 500
            raise

    return failing


async def _trouble_of(admin, engine):
    return await admin.database.fetchval("SELECT trouble FROM engines WHERE name = $1", engine.name)


async def test_an_event_that_prefect_refuses_keeps_back_no_other(admin, monkeypatch):
    work, other = await admin.dispatch("fragile"), await admin.dispatch("fragile")
    monkeypatch.setattr(events, "_event", _refused_for(work.delivery, events._event))

    async with admin.engine():
        for each in (work, other):
            await each.is_("failed")
        await admin.until(lambda: _nothing_is_due(admin), "events stay due")


def _refused_for(delivery, event):
    def made(row, keys):
        return event(row, keys) | ({"occurred": "never"} if row["delivery_id"] == delivery else {})

    return made


async def _nothing_is_due(admin):
    return 0 == await admin.database.fetchval("SELECT count(*) FROM changes WHERE event_due")


# What a person sets aside


async def test_what_runs_is_discarded_before_its_next_effect_with_the_persons_reason(admin):
    work = await admin.dispatch("steps")
    async with admin.engine():
        await work.has_written("first")
        discarded = await work.act(commands.discard, reason="test order")
        row = await work.is_("discarded")
        work.open()
        await admin.until(lambda: work.is_named("Cancelled"), "its flow run is left open")

    assert (True, ["first"], "test order") == (discarded, work.written, row["reason"])
    assert ("discarded", "ann", "test order") == (await work.trail())[-1]
    assert "Discarded in the inbox: test order" == (await work.flow_run()).state.message


async def test_what_a_batch_carries_is_discarded_alone(admin):
    works = [await admin.dispatch("steps", key=f"thing {n}") for n in range(6)]
    async with admin.engine(batch_backlog=3, engine_concurrency=2):
        await works[0].has_written("first")
        await works[0].act(commands.discard, reason="test order")
        row = await works[0].is_("discarded")
        for work in works[1:]:
            work.open()
        for work in works[1:]:
            await work.is_("done")

    assert ("test order", ["first"]) == (row["reason"], works[0].written)
    assert "COMPLETED" == (await works[1].flow_run()).state_type.value


async def test_what_waits_for_its_own_retry_is_discarded(admin):
    work = await admin.dispatch("impatient")
    async with admin.engine():
        await admin.until(lambda: _is_named(work, "AwaitingRetry"), "it does not wait")
        await work.act(commands.discard, reason="test order")
        await work.is_("discarded")
        await admin.until(lambda: work.is_named("Cancelled"), "its flow run is left open")


async def _is_named(work, name):
    return (await work.row())["flow_run_id"] is not None and await work.is_named(name)


async def test_what_a_dead_engine_held_is_discarded_when_it_is_taken_over(admin):
    work = await admin.dispatch("steps")
    await work.begin_elsewhere()
    await dispatches.claim(
        admin.database, "gone", limit=1, lease=engine_module.timedelta(seconds=1), deployments=["steps/test"]
    )
    await work.act(commands.discard, reason="test order")
    async with admin.engine():
        row = await work.is_("discarded")
        await admin.until(lambda: work.is_named("Cancelled"), "its flow run is left open")

    assert ("test order", []) == (row["reason"], work.written)


async def test_a_run_that_waits_for_an_engine_is_cancelled_in_the_prefect_ui(admin):
    work = await admin.dispatch("steps")
    await work.begin_elsewhere()
    await admin.client.set_flow_run_state((await work.row())["flow_run_id"], Running())
    await admin.database.execute(
        "UPDATE dispatches SET not_before = now() + interval '1 minute' WHERE delivery_id = $1", work.delivery
    )
    await work.cancel()
    async with admin.engine():
        row = await work.is_("discarded")

    assert ("cancelled in the Prefect UI", []) == (row["reason"], work.written)
    assert "CANCELLED" == (await work.flow_run()).state_type.value


# What ends its engine


async def lives(admin, repository, works, log, blocked_seconds):
    """Start an engine again whenever it ends, until all of these are over; how each life ended."""
    codes = []
    while True:
        with admin.engine_process(repository, log, HOOKLINE_BLOCKED_SECONDS=str(blocked_seconds)) as engine:
            await admin.until(lambda: _ended_or_over(engine, works), "it neither ends nor works")
            if await _are_over(works):
                # An engine that died just now may have been taken over by another at once.
                await asyncio.sleep(0.5)
                return codes if engine.poll() is None else [*codes, engine.poll()]
            codes.append(engine.wait())


async def _ended_or_over(engine, works):
    return engine.poll() is not None or await _are_over(works)


async def _are_over(works):
    return {"done", "failed"} >= {(await work.row())["state"] for work in works}


@pytest.mark.parametrize(("flow", "code"), [("kills", -9), ("hogs", EXIT_CODE)])
async def test_a_flow_that_ends_its_engine_three_times_is_failed_and_all_others_are_done(
    admin, repository, flow, code
):
    works = [await admin.dispatch(flow), *[await admin.dispatch("answers") for _ in range(5)]]

    with (admin.folder / "engine.log").open("wb") as log:
        codes = await lives(admin, repository, works, log, BLOCKED_SECONDS[flow])

    rows = [await work.row() for work in works]
    said = (admin.folder / "engine.log").read_text()
    assert [code] * 3 == codes
    assert ["failed", *["done"] * 5] == [row["state"] for row in rows]
    assert (dispatches.GAVE_UP, ["begun"] * 3) == (rows[0]["reason"], works[0].written)
    assert [{"first"}] * 5 == [set(work.written) for work in works[1:]]
    assert (flow == "hogs") == ("in hogs" in said and "ending this process" in said)
