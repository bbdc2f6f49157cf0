"""`compensated()` on a real Prefect server: which run has its no again, and which asks again."""

import pytest
from prefect import flow
from prefect.context import AsyncClientContext
from prefect.flow_engine import run_flow_async
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.states import Pending

from blocks.jiwa import JiwaCredentials
from hookline.database import pool
from hookline.journal import BusinessFailure
from tasks import jiwa as jiwa_tasks
from tasks.effects import BusinessKey

RULE = "the moon is full"
MOON = {"full": True, "mail": True}


def look_up():
    if MOON["full"]:
        raise BusinessFailure(RULE)


@flow(name="test-compensated", persist_result=False)
async def note_and_perhaps_undo(invoice_id: str, debtor_id: str, *, caught: bool = False) -> None:
    """Note on an order, undone by two steps: a deletion, and a call that is safe to repeat."""
    jiwa = await JiwaCredentials.named("default")
    try:
        async with BusinessKey("test-compensated", invoice_id, f"order {invoice_id}").compensated() as saga:
            noted = saga.step("note")
            note = await jiwa_tasks.create_sales_order_note(
                jiwa, noted, InvoiceID=invoice_id, NoteText="reserved"
            )
            saga.compensate(noted).by(
                jiwa_tasks.delete_sales_order_note, jiwa, InvoiceID=invoice_id, NoteID=note.NoteID
            )
            saga.compensate(noted).by(
                jiwa_tasks.update_debtor, jiwa, DebtorID=debtor_id, AltAccountNo="declined"
            )
            look_up()
    except BusinessFailure:
        if not caught:
            raise
        if not MOON["mail"]:
            raise RuntimeError("the mail did not go out") from None


@pytest.fixture
def moon(monkeypatch):
    monkeypatch.setitem(MOON, "full", True)
    monkeypatch.setitem(MOON, "mail", True)
    return MOON


@pytest.fixture
def run_again(sandbox):
    """Run the flow once more in the same flow run, as a retry or an engine does; its final state."""

    async def run_again(state, **parameters):
        with temporary_settings({PREFECT_API_URL: sandbox.settings.prefect_api_url}):
            async with AsyncClientContext.get_or_create() as context:
                flow_run_id = state.state_details.flow_run_id
                await context.client.set_flow_run_state(flow_run_id, Pending(), force=True)
                flow_run = await context.client.read_flow_run(flow_run_id)
                return await run_flow_async(
                    note_and_perhaps_undo, flow_run=flow_run, parameters=parameters, return_type="state"
                )

    return run_again


@pytest.fixture
async def order(vendors):
    return await vendors.order(("LIC-PRO", 1), paid=False)


async def steps(sandbox, order):
    database = await pool(sandbox.settings)
    rows = await database.fetch(
        "SELECT * FROM effects WHERE workflow = 'test-compensated' AND key = $1 ORDER BY id", order.InvoiceID
    )
    return [(row["step"].partition(": ")[2] or row["step"], row["state"]) for row in rows]


UNDONE = [
    ("note", "undone"),
    ("update debtor", "done"),
    ("delete sales order note (2)", "done"),
]


async def test_a_no_that_the_flow_does_not_catch_fails_the_run_and_a_retry_asks_anew(
    sandbox, run_flow, run_again, vendors, order, moon
):
    parameters = {"invoice_id": order.InvoiceID, "debtor_id": order.DebtorID}
    failed = await run_flow(note_and_perhaps_undo, **parameters)
    undone = await steps(sandbox, order)
    notes = vendors.held(order).notes
    debtor = await vendors.jiwa.get_debtor(DebtorID=order.DebtorID)
    moon["full"] = False

    again = await run_again(failed, caught=False, **parameters)

    assert ("Failed", UNDONE, [], "declined") == (failed.name, undone, notes, debtor.AltAccountNo)
    assert f"BusinessFailure: {RULE}. Given back: note of order {order.InvoiceID}" in failed.message
    assert ("Completed", [*UNDONE, ("note", "done")], 1) == (
        again.name,
        await steps(sandbox, order),
        len(vendors.held(order).notes),
    )


async def test_a_run_that_failed_for_something_else_after_its_no_has_it_again(
    sandbox, run_flow, run_again, vendors, order, moon
):
    parameters = {"invoice_id": order.InvoiceID, "debtor_id": order.DebtorID, "caught": True}
    moon["mail"] = False
    failed = await run_flow(note_and_perhaps_undo, **parameters)
    moon |= {"full": False, "mail": True}

    again = await run_again(failed, **parameters)

    assert ("Failed", "Completed") == (failed.name, again.name)
    assert "the mail did not go out" in failed.message
    assert (UNDONE, []) == (await steps(sandbox, order), vendors.held(order).notes)
