"""A credit note through webhook, inbox and engine; what it takes back in each case is in tests/contract/tasks."""

import json
import signal
from uuid import UUID

import pytest
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterFlowRunId

from hookline.clients.jiwa.models import NewLine
from hookline.database import pool
from hookline.inbox import search


class Credited:
    """A licensed order, and the credit notes of it."""

    def __init__(self, business):
        self.business = business
        self.sandbox = business.sandbox

    async def licensed(self, quantity):
        order = await self.business.order(("LIC-PRO", quantity))
        await self.business.noted(order)
        await self.business.finished(order)
        return order

    async def credit(self, order, quantity):
        jiwa = self.business.jiwa
        note = await jiwa.create_sales_order(
            DebtorAccountNo=order.DebtorAccountNo,
            CreditNote=True,
            CreditNoteFromInvoiceHistoryID=order.Histories[0].InvoiceHistoryID,
            Lines=[NewLine(PartNo="LIC-PRO", QuantityOrdered=quantity)],
        )
        return await jiwa.process_sales_order(InvoiceID=note.InvoiceID)

    def held(self, order, note):
        """How many codes are enabled and disabled, and how many notes and mails are about the credit note."""
        zentitle = self.sandbox.records("zentitle")
        ours = [
            row for row in zentitle["licenses"] if f"order {order.InvoiceNo} " in (row["reference"] or "")
        ]
        codes = [row["licenseCode"] for row in ours]
        noted = [
            each
            for each in zentitle["notes"]
            if each["licenseCode"] in codes and f"credit note {note.InvoiceNo}" in each["description"]
        ]
        documents = {row["InvoiceID"]: row for row in self.sandbox.records("jiwa")["orders"]}
        about = [
            sum("taken back by credit note" in each["NoteText"] for each in documents[one.InvoiceID]["Notes"])
            for one in (order, note)
        ]
        mails = [
            each
            for each in self.sandbox.records("sensorpro")["mails"]
            if each["parameters"].get("credit_note") == note.InvoiceNo
        ]
        enabled = sum(row["enabledforuse"] == "True" for row in ours)
        return enabled, len(ours) - enabled, len(noted), *about, len(mails)

    async def effects(self, order, step):
        database = await pool(self.sandbox.settings)
        return await database.fetch(
            "SELECT * FROM effects WHERE key = $1 AND starts_with(step, $2)", order.InvoiceID, step
        )


@pytest.fixture
def credited(business):
    return Credited(business)


async def test_a_credit_note_takes_its_licenses_back_once_however_often_it_is_sent(
    credited, business, ask_prefect
):
    order = await credited.licensed(3)
    note = await credited.credit(order, 2)
    deliveries = await business.finished(note)

    await business.jiwa.update_sales_order(InvoiceID=note.InvoiceID, SOReference="changed")
    again = await business.finished(note, after=deliveries)

    assert (1, 2, 2, 1, 1, 1) == credited.held(order, note)
    assert {"done"} == {row["state"] for row in again}
    runs = [UUID(each["flow_run_id"]) for row in again for each in row["dispatches"]]
    named = [(await ask_prefect(lambda client, run=run: client.read_flow_run(run))).name for run in runs]
    assert {f"credit note {note.InvoiceNo} of order {order.InvoiceNo} · {order.DebtorName}"} >= {
        name for name in named if "·" in name
    }
    artifacts = await ask_prefect(
        lambda client: client.read_artifacts(
            artifact_filter=ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=runs))
        )
    )
    tables = [json.loads(each.data) for each in artifacts if each.key == f"credit-{note.InvoiceNo}"]
    assert tables
    assert {("LIC\\-PRO", 2)} == {(row["part"], row["credited"]) for table in tables for row in table}


async def test_an_engine_killed_while_it_disables_the_codes_leaves_each_of_them_disabled_once(
    credited, business, until
):
    order = await credited.licensed(3)
    credited.sandbox.fault("zentitle", operation="update_license_code", kind="latency", seconds=3, skip=1)
    note = await credited.credit(order, 2)

    async def disabling():
        return [row for row in await credited.effects(order, "revoke ") if row["state"] == "intended"] and (
            1 == len([row for row in await credited.effects(order, "revoke ") if row["state"] == "done"])
        )

    await until(disabling, "nothing is disabled")
    business.process("hookline", "engine").send_signal(signal.SIGKILL)

    async def ended():
        database = await pool(credited.sandbox.settings)
        found = (await search.find(database, search.Filter(key=note.InvoiceID))).deliveries
        return [row for row in found if row["state"] != "done"] == [] and found

    await until(ended, "its deliveries do not end")

    assert (1, 2, 2, 1, 1, 1) == credited.held(order, note)
    assert ["done", "done"] == [row["state"] for row in await credited.effects(order, "revoke ")]
