"""A run waits for a delivery without a process, and goes on when it came: through crashes, upgrades and people."""

import json
from uuid import uuid4

import pytest
from rows import arrival

from hookline.inbox import commands, deliveries
from hookline.waits import store


@pytest.fixture
def code():
    return uuid4().hex[:12]


@pytest.fixture
async def comes(admin):
    """A delivery of the source that the flows wait for."""

    async def comes(code):
        body = json.dumps({"licensecode": code}).encode()
        receipt = await deliveries.accept(admin.database, arrival(uuid4().hex, source="standard", body=body))
        return receipt.id

    yield comes
    await admin.database.execute("DELETE FROM deliveries WHERE source = 'standard'")
    await admin.database.execute("DELETE FROM waits")


async def wait_of(admin, work):
    [row] = await store.of(admin.database, dispatches=[await work.row()])
    return row


async def test_a_run_waits_without_a_slot_and_goes_on_when_its_delivery_came(admin, comes, code):
    work = await admin.dispatch("awaits", code=code, key="one")
    behind = await admin.dispatch("ends", key="one")
    async with admin.engine(engine_concurrency=1) as engine:
        held = await work.is_("held")
        suspended = await work.flow_run()
        nothing = dict(engine.leases.claimed)
        other = await admin.dispatch("steps")
        other.open()
        await other.is_("done")
        await comes(code + "x")
        overtook = behind.written
        came = await comes(code)
        await work.is_("done")
        behind.open()
        await behind.is_("done")

    flow_run, row = await work.flow_run(), await wait_of(admin, work)
    states = [state.name for state in await admin.client.read_flow_run_states(flow_run.id)]
    assert f"for a delivery of standard with body.licensecode = {code}." in held["reason"]
    assert ("Suspended", held["reason"]) == (suspended.state_name, suspended.state.message)
    assert ({}, None, []) == (nothing, held["lease_owner"], overtook)  # its ordering key stays its own
    assert ["first", f"activated {code}"] == work.written
    assert (came, "answered") == (row["delivery_id"], row["state"])
    assert "done" == await admin.database.fetchval("SELECT state FROM deliveries WHERE id = $1", came)
    assert ["Running", "Suspended", "Pending", "Running", "Completed"] == states


async def test_what_came_after_the_start_of_the_run_counts_too(admin, comes, code):
    work = await admin.dispatch("awaits", code=code)
    came = await comes(code)
    async with admin.engine():
        await work.is_("done")

    assert came == (await wait_of(admin, work))["delivery_id"]


async def test_a_wait_that_times_out_fails_the_run_and_a_replay_waits_again(admin, comes, code):
    work = await admin.dispatch("awaits", code=code, seconds=1)
    async with admin.engine():
        failed = await work.is_("failed")
        await work.act(commands.replay)
        await work.is_("held")
        await comes(code)
        await work.is_("done")

    assert "TimedOut: It was waited for a delivery of standard" in failed["reason"]
    assert ["first", f"activated {code}"] == work.written


async def test_a_wait_that_the_flow_does_without_stays_timed_out_however_often_it_runs(admin, comes, code):
    work = await admin.dispatch("reminds", code=code)
    async with admin.engine() as engine:
        await work.has_written("reminder")
        await comes(code)
        engine.stop()
    work.open()
    async with admin.engine():
        await work.is_("done")

    assert (["reminder", "second"], "expired") == (work.written, (await wait_of(admin, work))["state"])


@pytest.mark.parametrize("place", ["wait began", "run suspended", "flow run ended"])
async def test_an_engine_that_is_killed_there_loses_no_wait(admin, comes, code, place, repository):
    crash_file, work = admin.folder / "crash", await admin.dispatch("awaits", code=code)
    crash_file.write_text(place)
    with (admin.folder / "engine.log").open("wb") as log:
        with admin.engine_process(repository, log, HOOKLINE_CRASH_FILE=str(crash_file)) as engine:
            await admin.until(lambda: engine.poll() is not None, "it does not come so far")
        came = await comes(code)
    async with admin.engine():
        await work.is_("done")

    assert (-9, ["first", f"activated {code}"]) == (engine.returncode, work.written)
    assert came == (await wait_of(admin, work))["delivery_id"]


async def test_an_engine_that_is_killed_while_a_run_waits_is_missed_by_nobody(admin, comes, code, repository):
    work = await admin.dispatch("awaits", code=code)
    with (admin.folder / "engine.log").open("wb") as log, admin.engine_process(repository, log) as engine:
        await work.is_("held")
        engine.kill()
        engine.wait()
    came = await comes(code)
    async with admin.engine():
        await work.is_("done")

    assert (["first", f"activated {code}"], came) == (
        work.written,
        (await wait_of(admin, work))["delivery_id"],
    )


async def test_a_run_whose_wait_an_older_database_does_not_have_waits_again_and_finds_what_came(
    admin, comes, code
):
    """The database went back to before the wait; Prefect did not."""
    work = await admin.dispatch("awaits", code=code)
    async with admin.engine():
        await work.is_("held")
    await admin.database.execute("DELETE FROM waits")
    came = await comes(code)
    await admin.database.execute(
        "UPDATE dispatches SET state = 'dispatched' WHERE delivery_id = $1", work.delivery
    )
    async with admin.engine():
        await work.is_("done")

    assert (["first", f"activated {code}"], came) == (
        work.written,
        (await wait_of(admin, work))["delivery_id"],
    )


async def test_waits_keep_their_answers_when_the_code_asks_in_another_order(admin, comes, code):
    work = await admin.dispatch("reorders", code=code)
    async with admin.engine():
        await work.is_("held")
        await comes(code + "a")
        await work.has_written("a a")
        await admin.until(lambda: _is_held_for(admin, work, code + "b"), "it does not wait for the second")
    work.open("upgraded")
    await comes(code + "b")
    async with admin.engine():
        await work.is_("done")

    assert ["a a", "b b", "a a"] == work.written


async def _is_held_for(admin, work, code):
    row = await work.row()
    return row["state"] == "held" and code in row["reason"]


async def test_a_name_that_waits_for_something_else_after_an_upgrade_is_a_clear_error(admin, comes, code):
    work = await admin.dispatch("renames", code=code)
    async with admin.engine():
        await work.is_("held")
    work.open("upgraded")
    await comes(code)
    async with admin.engine():
        failed = await work.is_("failed")

    assert "WaitChanged: The run waits at 'activation' for something else than before" in failed["reason"]


async def test_a_person_who_resumes_or_cancels_it_in_prefect_is_honoured(admin, comes, code):
    resumed, cancelled, ended = [await admin.dispatch("awaits", code=f"{code}{n}") for n in range(3)]
    async with admin.engine():
        for work in (resumed, cancelled, ended):
            await work.is_("held")
        await resumed.resume()
        await cancelled.cancel()
        await cancelled.is_("discarded")
        await admin.until(lambda: _suspensions(admin, resumed, 2), "it does not wait again")
        await resumed.is_("held")
        rows = [
            await store.of(admin.database, dispatches=[await work.row()]) for work in (resumed, cancelled)
        ]
        await store.cancel(
            admin.database, (await wait_of(admin, ended))["id"], actor="ann", reason="not needed"
        )
        failed = await ended.is_("failed")
        await comes(f"{code}0")
        await resumed.is_("done")

    assert ["waiting", "cancelled"] == [row["state"] for [row] in rows]
    assert "WaitCancelled" in failed["reason"]
    assert "cancelled by ann: not needed" in failed["reason"]


async def _suspensions(admin, work, number):
    states = await admin.client.read_flow_run_states((await work.row())["flow_run_id"])
    return number == sum(state.name == "Suspended" for state in states)


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("task", "wait_for belongs in the flow, not in a task"),
        ("subflow", "wait_for belongs in the flow that was started, not in a flow that it calls"),
        ("source", "has no source 'standart' (do you mean standard?)"),
        ("timeout", "wait_for: timeout must be more than nothing"),
    ],
)
async def test_a_wait_that_cannot_be_says_so_at_once(admin, how, message):
    work = await admin.dispatch("misplaced", how=how)
    async with admin.engine():
        failed = await work.is_("failed")

    assert message in failed["reason"]


async def test_a_run_in_a_batch_waits_in_a_flow_run_of_its_own(admin, comes, code):
    works = [await admin.dispatch("awaits", code=f"{code}{number}") for number in range(6)]
    async with admin.engine(batch_backlog=2, engine_concurrency=2):
        for number, work in enumerate(works):
            await work.is_("held")
            await comes(f"{code}{number}")
        for work in works:
            await work.is_("done")

    assert [["first", f"activated {code}{number}"] for number in range(6)] == [work.written for work in works]


async def test_a_run_in_the_worker_waits_and_goes_on_there(admin, comes, code, tmp_path):
    record = tmp_path / "worker"
    deployment = await admin.client.read_deployment_by_name("awaits/test")
    flow_run = await admin.client.create_flow_run_from_deployment(
        deployment.id, parameters={"record": str(record), "code": code}
    )

    async def is_named(name):
        return name == (await admin.client.read_flow_run(flow_run.id)).state_name

    async with admin.engine():
        await admin.until(lambda: is_named("Suspended"), "it does not wait")
        came = await comes(code)
        await admin.until(lambda: is_named("Completed"), "it does not go on")

    row = await admin.database.fetchrow("SELECT * FROM waits WHERE flow_run_id = $1", flow_run.id)
    assert ["first", f"activated {code}"] == record.read_text().splitlines()
    assert (came, None) == (row["delivery_id"], row["dispatch_id"])
