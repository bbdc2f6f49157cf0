"""A run that meets a vendor which is away: in an engine it leaves, in Prefect's worker it waits; neither fails."""

import pytest

from hookline.database import pool
from hookline.inbox import commands

ACCOUNT = "zentitle/default"


@pytest.fixture
async def zentitle_is_away(admin):
    """Zentitle answers nothing; afterwards it does, and is known to be up."""
    admin.sandbox.fault("zentitle", operation="*", kind="refuse", times=0)
    yield
    admin.sandbox.clear_faults("zentitle")
    await admin.database.execute("DELETE FROM vendor_accounts WHERE account = $1", ACCOUNT)


async def waits(admin, work):
    async def waiting():
        row = await work.row()
        return row if ACCOUNT == row["waits_account"] else None

    return await admin.until(waiting, "it does not wait for Zentitle")


async def called(admin, *, gate=True, **parameters):
    work = await admin.dispatch("calls", **parameters)
    if gate:
        work.open()
    return work


@pytest.mark.usefixtures("zentitle_is_away")
async def test_a_run_in_an_engine_leaves_it_and_others_go_on(admin):
    async with admin.engine(batch_backlog=0) as engine:
        works = [await called(admin) for _ in range(3)]
        rows = [await waits(admin, work) for work in works]
        flow_run = await works[0].flow_run()
        other = await admin.dispatch("steps")
        other.open()
        await other.is_("done")
        claimed = {each.id for each in engine.leases.claimed.values()} & {row["id"] for row in rows}

        admin.sandbox.clear_faults("zentitle")
        ends = [await work.is_("done", "failed") for work in works]

    assert {"dispatched"} == {row["state"] for row in rows}
    assert all(row["reason"].startswith("waits for zentitle/default, away since ") for row in rows)
    assert len(claimed) <= 1  # the one that tries
    assert ("AwaitingRetry", True) == (flow_run.state_name, "It is tried again at" in flow_run.state.message)
    assert ["done"] * 3 == [row["state"] for row in ends]
    assert {"Completed"} == {(await work.flow_run()).state_name for work in works}


@pytest.mark.usefixtures("zentitle_is_away")
async def test_a_dispatch_that_waits_for_a_vendor_is_discarded_as_any_other(admin):
    async with admin.engine(batch_backlog=0):
        work = await called(admin)
        await waits(admin, work)
        await work.act(commands.discard, reason="test")
        row = await work.row()
        await admin.until(lambda: work.is_named("Cancelled"), "its flow run is open")

    assert "discarded" == row["state"]


@pytest.mark.usefixtures("zentitle_is_away")
async def test_what_waited_for_too_long_is_failed_and_is_one_issue(admin, environment):
    environment.setenv("HOOKLINE_GIVE_UP_HOURS", "0.001")
    async with admin.engine(batch_backlog=0, give_up_hours=0.001):
        works = [await called(admin) for _ in range(2)]
        rows = [await work.is_("failed") for work in works]

    assert {True} == {"was given up" in row["reason"] for row in rows}
    assert 1 == len({row["issue_id"] for row in rows})


async def test_a_run_in_prefects_worker_waits_in_its_process_until_the_vendor_is_back(
    sandbox, run, vendors, business
):
    order = await business.order(("LIC-PRO", 1))
    seen = max((row["seq"] for row in sandbox.requests("zentitle")), default=0)
    sandbox.fault("zentitle", operation="create_license_codes", kind="refuse", times=7)
    state = await run(order)
    database = await pool(sandbox.settings)
    away = await database.fetchval("SELECT away_since FROM vendor_accounts WHERE account = $1", ACCOUNT)

    assert (True, None) == (state.is_completed(), away)
    assert 8 == sum(
        row["operation"] == "create_license_codes" for row in sandbox.requests("zentitle", since=seen)
    )
