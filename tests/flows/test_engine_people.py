"""What people do to runs in the Prefect UI and to deliveries in the inbox is honoured on both sides."""

from prefect.client.schemas.objects import FlowRunPolicy
from prefect.states import Completed, Paused, Running

from hookline.engine.outcomes import UI
from hookline.inbox import commands


async def test_a_run_that_is_cancelled_ends_what_is_in_flight_and_begins_nothing_more(admin):
    work = await admin.dispatch("steps", answer="answer")
    work.open()
    async with admin.engine() as engine:
        await work.has_written("first")
        await work.cancel()
        await admin.until(
            lambda: [claimed for claimed in engine.leases.claimed.values() if claimed.stop], "not seen"
        )
        work.open("answer")
        row = await work.is_("discarded")

    effect = await admin.database.fetchrow("SELECT state FROM effects WHERE key = $1", str(work.record))
    flow_run = await work.flow_run()
    assert (["first"], "done") == (work.written, effect["state"])
    assert ("CANCELLED", "cancelled in the Prefect UI") == (flow_run.state_type.value, row["reason"])
    assert ("discarded", UI, "cancelled in the Prefect UI") == (await work.trail())[-1]


async def test_a_run_that_waits_for_something_else_is_cancelled_at_once(admin):
    work = await admin.dispatch("steps", answer="answer")
    waiting = await admin.dispatch("impatient")
    async with admin.engine() as engine:
        await work.has_written("first")
        await work.cancel()
        await admin.until(
            lambda: [claimed for claimed in engine.leases.claimed.values() if claimed.stop], "not seen"
        )
        work.open("answer")  # its gate stays shut
        await work.is_("discarded")

        await waiting.has_written("first")
        await admin.until(lambda: waiting.is_named("AwaitingRetry"), "it does not wait")
        await waiting.cancel()
        await waiting.is_("discarded")

    assert (["first"], ["first"]) == (work.written, waiting.written)
    assert ["CANCELLED"] * 2 == [(await each.flow_run()).state_type.value for each in (work, waiting)]


async def test_a_run_that_asks_a_person_frees_its_place_and_goes_on_when_answered(admin):
    asking = await admin.dispatch("approval")
    async with admin.engine(engine_concurrency=1):
        held = await asking.is_("held")
        other = await admin.dispatch("steps")
        other.open()
        await other.is_("done")
        await asking.resume("yes")
        await asking.is_("done")

    flow_run = await asking.flow_run()
    assert "waits for a person's answer in the Prefect UI" == held["reason"]
    assert ["asked", "answered yes"] == asking.written
    assert ("COMPLETED", held["flow_run_id"], 1) == (
        flow_run.state_type.value,
        flow_run.id,
        flow_run.run_count,
    )


async def test_a_run_that_a_person_suspends_is_held_and_one_that_blocks_takes_no_place(admin):
    work = await admin.dispatch("steps")
    pausing = await admin.dispatch("pausing")
    async with admin.engine(engine_concurrency=1) as engine:
        await work.has_written("first")
        details = {"pause_timeout": None, "pause_reschedule": True}
        await work.set_state({"type": "PAUSED", "name": "Suspended", "state_details": details})
        await admin.until(
            lambda: [claimed for claimed in engine.leases.claimed.values() if claimed.awaiting_input],
            "not seen",
        )
        work.open()
        await work.is_("held")

        await pausing.has_written("asked")
        await work.resume()
        await work.is_("done")
        assert "running" == (await pausing.row())["state"]
        await pausing.resume()
        await pausing.is_("done")

    assert (["first", "second"], ["asked", "answered"]) == (work.written, pausing.written)


async def test_a_pause_whose_engine_has_died_is_still_a_question(admin):
    work = await admin.dispatch("pausing")
    left = await work.begin_elsewhere()
    await admin.client.update_flow_run(left.id, empirical_policy=FlowRunPolicy(retry_type="in_process"))
    for state in (Running(), Paused(timeout_seconds=600, pause_key="1")):
        await admin.client.set_flow_run_state(left.id, state)
    await admin.database.execute(
        "UPDATE dispatches SET state = 'running', lease_owner = 'dead', lease_until = now() WHERE delivery_id = $1",
        work.delivery,
    )
    async with admin.engine():
        await work.is_("held")
        unanswered = work.written
        await work.resume()
        await work.is_("done")

    assert ([], ["asked", "answered"]) == (unanswered, work.written)


async def test_a_run_that_waits_is_cancelled_where_a_person_says_so(admin):
    discarded = await admin.dispatch("approval")
    cancelled = await admin.dispatch("approval")
    deleted = await admin.dispatch("approval")
    claimed = await admin.dispatch("steps")
    async with admin.engine():
        for each in (discarded, cancelled, deleted):
            await each.is_("held")
        await claimed.has_written("first")
        await discarded.act(commands.discard, reason="not wanted")
        await cancelled.cancel()
        for each in (deleted, claimed):
            await admin.client.delete_flow_run((await each.row())["flow_run_id"])

        await cancelled.is_("discarded")
        await admin.until(lambda: discarded.is_named("Cancelled"), "its flow run waits still")
        reasons = [(await each.is_("failed"))["reason"] for each in (deleted, claimed)]
        replayed = await claimed.act(commands.replay)
        claimed.open()
        await claimed.is_("done")

    assert "Discarded in the inbox: not wanted" == (await discarded.flow_run()).state.message
    assert "CANCELLED" == (await cancelled.flow_run()).state_type.value
    assert [
        "Its flow run was deleted in the Prefect UI. Replay it for a new one, or discard it."
    ] * 2 == reasons
    assert (True, ["first", "second"]) == (replayed, claimed.written)


async def test_a_failed_run_that_a_person_retries_runs_in_the_worker_and_nowhere_else(admin):
    work = await admin.dispatch("fragile", key="one")
    async with admin.engine():
        await work.is_("failed")
        work.open("fixed")
        await work.retry()
        running = await work.is_("running")
        behind = await admin.dispatch("steps", key="one")
        behind.open()
        await admin.until(lambda: work.is_named("Running"), "the worker does not run it")
        replayed = await work.act(commands.replay)
        overtook = behind.written
        work.open()
        await work.is_("done")
        await behind.is_("done")

    flow_run = await work.flow_run()
    became = [state for state, _, _ in await work.trail()]
    assert (None, "retried in the Prefect UI") == (running["lease_owner"], running["reason"])
    assert (False, [], ["first", "second"]) == (replayed, overtook, work.written)
    assert (2, "COMPLETED") == (flow_run.run_count, flow_run.state_type.value)
    assert ["dispatched", "running", "failed", "running", "done"] == became


async def test_a_replay_that_comes_before_the_retry_was_seen_leaves_the_run_to_the_worker(admin):
    work = await admin.dispatch("steps")
    work.open()
    elsewhere = await work.begin_elsewhere()
    await admin.client.set_flow_run_state(elsewhere.id, Running())
    async with admin.engine():
        running = await work.is_("running")
        await admin.until(lambda: _has_no_owner(work), "the engine runs it")
        await admin.client.set_flow_run_state(elsewhere.id, Completed())
        await work.is_("done")

    assert ([], elsewhere.id) == (work.written, running["flow_run_id"])


async def _has_no_owner(work):
    return (await work.row())["lease_owner"] is None
