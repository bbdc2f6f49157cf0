"""Runs that no route names are named for what they will do, and at their end for what they did."""

from datetime import UTC, datetime

from prefect import flow
from prefect.runtime import flow_run

from flows.notify import notify
from flows.reconcile import reconcile
from flows.renewal_reminder import renewal_reminder
from hookline.database import pool
from hookline.errors import HooklineError
from tasks.about import about


async def name_of(ask_prefect, state):
    run = await ask_prefect(lambda client: client.read_flow_run(state.state_details.flow_run_id))
    return run.name


async def test_a_scheduled_run_is_named_for_its_account_and_what_it_did_also_when_it_fails(
    run_flow, ask_prefect
):
    today = datetime.now(UTC).date()
    states = [
        await run_flow(renewal_reminder),
        await run_flow(renewal_reminder, zentitle="nobody"),
        await run_flow(reconcile, days=1, until=datetime(2001, 2, 3, tzinfo=UTC)),
        await run_flow(reconcile, days=1, until=datetime(2001, 2, 3, tzinfo=UTC), jiwa="nobody"),
        await run_flow(notify, what="Order 7 waits."),
    ]

    names = [await name_of(ask_prefect, state) for state in states]
    assert [
        f"reminders of {today}: nothing ends",
        f"zentitle/nobody reminders of {today}: failed",
        "orders of 2001-02-02 to 2001-02-03: no differences",
        "jiwa/nobody orders of 2001-02-02 to 2001-02-03 compared: failed",
        "nobody to notify: Order 7 waits.",
    ] == names


async def test_what_a_run_in_the_worker_finds_out_stands_in_the_inbox_too(
    sandbox, business, run_flow, ask_prefect
):
    """There its dispatch is not in the context: it is found by the flow run."""
    order = await business.order(("LIC-PRO", 1))
    await business.noted(order)
    await business.finished(order)
    database = await pool(sandbox.settings)
    dispatch = await database.fetchval("SELECT id FROM dispatches ORDER BY seq DESC LIMIT 1")

    @flow
    async def again():
        await database.execute("UPDATE dispatches SET flow_run_id = $2 WHERE id = $1", dispatch, flow_run.id)
        await about("order 7 · Ann", order="7")
        raise HooklineError("no")

    state = await run_flow(again)

    row = await database.fetchrow("SELECT label, about FROM dispatches WHERE id = $1", dispatch)
    assert ("order 7 · Ann", "7") == (row["label"], row["about"]["order"])
    assert "order 7 · Ann" == await name_of(ask_prefect, state)
