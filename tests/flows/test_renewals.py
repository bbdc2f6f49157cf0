"""Reminders and renewals on a real Prefect server, and through webhook, inbox and engine; the cases are in contract tests."""

import json
import signal
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterFlowRunId

from flows.renewal_reminder import renewal_reminder
from hookline.clients.jiwa.models import NewLine
from hookline.clients.zentitle import ZentitleClient, ZentitleKey
from hookline.database import pool
from hookline.inbox import search
from hookline.shipped.zentitle import ZentitleSettings

TEAM = "6872450105"


def day(days):
    return datetime.now(UTC).date() + timedelta(days=days)


class Licenses:
    """Licenses that end, and what the vendors hold of them by their own records."""

    def __init__(self, business, zentitle):
        self.business, self.zentitle, self.sandbox = business, zentitle, business.sandbox

    async def license(self, ends_in):
        """A license of three seats that ends in so many days: its order and its code."""
        order = await self.business.order(("LIC-TEAM", 3))
        await self.business.noted(order)
        await self.business.finished(order)
        licenses = self.sandbox.records("zentitle")["licenses"]
        [code] = [
            row["licenseCode"] for row in licenses if f"order {order.InvoiceNo} " in (row["reference"] or "")
        ]
        await self.zentitle.update_license_code(
            productid=TEAM, licensecode=code, licensetype="expirationdate", subscriptionenddate=day(ends_in)
        )
        return order, code

    async def renew(self, of, code):
        order = await self.business.jiwa.create_sales_order(
            DebtorAccountNo=of.DebtorAccountNo,
            SOReference=f"License {code}",
            Lines=[NewLine(PartNo="REN-TEAM", QuantityOrdered=3)],
        )
        await self.business.pay(order)
        return order

    async def end(self, code):
        found = await self.zentitle.get_license_code(productid=TEAM, licensecode=code)
        return found.subscriptionEnddate.date()

    def reminded(self, code):
        quotes = self.sandbox.records("jiwa")["quotes"]
        mails = self.sandbox.records("sensorpro")["mails"]
        return (
            sum(each["SOReference"].startswith(f"Renewal {code} ") for each in quotes),
            sum(each["parameters"].get("license") == code for each in mails),
        )

    def renewed(self, order, code):
        """How many notes at the license and on the order, and mails, there are about a renewal."""
        notes = self.sandbox.records("zentitle")["notes"]
        [found] = [
            row for row in self.sandbox.records("jiwa")["orders"] if row["InvoiceID"] == order.InvoiceID
        ]
        mails = self.sandbox.records("sensorpro")["mails"]
        return (
            sum(each["licenseCode"] == code and "Renewed until" in each["description"] for each in notes),
            sum("Licenses renewed" in each["NoteText"] for each in found["Notes"]),
            sum(each["parameters"].get("order") == order.InvoiceNo for each in mails),
        )

    async def deliveries(self, order):
        """The deliveries about an order that its flow handed over."""
        database = await pool(self.sandbox.settings)
        found = (await search.find(database, search.Filter(key=order.InvoiceID))).deliveries
        return [row for row in found if row["source"] == "renewals"]


@pytest.fixture
async def licenses(business):
    given = ZentitleSettings.from_environment()
    async with ZentitleClient(given.base_url, ZentitleKey(given.customer_id, given.api_key)) as zentitle:
        yield Licenses(business, zentitle)


async def test_the_reminders_of_a_day_stand_in_a_table_and_their_progress_is_seen(
    licenses, run_flow, ask_prefect
):
    (order, code), (_, later) = await licenses.license(20), await licenses.license(200)

    states = [await run_flow(renewal_reminder), await run_flow(renewal_reminder)]

    run = states[0].state_details.flow_run_id
    artifacts = await ask_prefect(
        lambda client: client.read_artifacts(
            artifact_filter=ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=[run]))
        )
    )
    found = {each.type: json.loads(each.data) if each.type == "table" else each.data for each in artifacts}
    assert (["Completed", "Nothing ends"], (1, 1), (0, 0)) == (
        [state.name for state in states],
        licenses.reminded(code),
        licenses.reminded(later),
    )
    assert 100 == float(found["progress"])
    [row] = [row for row in found["table"] if code in row["what"]]
    assert order.DebtorName == row["customer"]


async def test_a_paid_renewal_is_handed_over_by_the_flow_of_orders_and_extends_its_license_once(
    licenses, business, until
):
    sold, code = await licenses.license(20)
    order = await licenses.renew(sold, code)

    async def handed_over():
        rows = await licenses.deliveries(order)
        return rows if rows and {"done"} == {row["state"] for row in rows} else None

    await until(handed_over, "the renewal does not end")
    await business.jiwa.update_sales_order(InvoiceID=order.InvoiceID, DeliveryAddressNotes="gate 2")
    await business.finished(order)
    [delivery] = await licenses.deliveries(order)

    assert ("done", day(20 + 365), (1, 1, 1)) == (
        delivery["state"],
        await licenses.end(code),
        licenses.renewed(order, code),
    )


async def test_an_engine_killed_while_it_extends_a_license_leaves_it_extended_once(
    licenses, business, until, prefect_api
):
    sold, code = await licenses.license(20)
    licenses.sandbox.fault("zentitle", operation="update_license_code", kind="latency", seconds=3)
    order = await licenses.renew(sold, code)
    database = await pool(licenses.sandbox.settings)

    async def extending():
        return await database.fetchval(
            "SELECT count(*) FROM effects WHERE key = $1 AND operation = 'zentitle.update_license_code' "
            "AND state = 'intended'",
            f"license {code}",
        )

    await until(extending, "nothing is extended")
    business.process("hookline", "engine").send_signal(signal.SIGKILL)

    async def ended():
        rows = await licenses.deliveries(order)
        return rows if {"done"} == {row["state"] for row in rows} else None

    [delivery] = await until(ended, "the renewal does not end")

    [dispatch] = delivery["dispatches"]
    run = prefect_api.get(f"flow_runs/{UUID(str(dispatch['flow_run_id']))}").raise_for_status().json()
    assert ("Completed", 2) == (run["state_name"], run["run_count"])
    assert (day(20 + 365), (1, 1, 1)) == (await licenses.end(code), licenses.renewed(order, code))
