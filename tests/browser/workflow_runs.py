"""One run of each workflow in the sandbox of the tests, as its deployment makes it: for the Prefect UI's tests."""

import asyncio
import json
import os
import re
from datetime import UTC, datetime, timedelta
from importlib import import_module
from uuid import uuid4

import httpx
import yaml
from prefect.context import AsyncClientContext
from prefect.flow_engine import run_flow_async
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.states import Pending
from rows import arrival

from hookline.clients.jiwa.models import NewLine
from hookline.database import pool
from hookline.hooks import load_hooks
from hookline.inbox import deliveries
from hookline.settings import settings

PRO, TEAM, DESKTOP = "6453300110", "6872450105", "3659410102"
FRONT_DESK, DRAWING_OFFICE = "730101", "730215"
ENDED = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")
METERS = {"report": "5001", "since": "2020-01", "parts": {"Mono": "CLICK-MONO", "Color": "CLICK-COLOR"}}


class Workflows:
    """A firm in the sandbox: each method, named for a workflow, returns the id of a run of it that has ended."""

    def __init__(self, sandbox, business, prefect_api, until, catalog):
        self.sandbox, self.business, self.prefect_api = sandbox, business, prefect_api
        self.jiwa, self.cli, self.until, self.catalog = business.jiwa, business.cli, until, catalog

    async def run_of(self, workflow):
        return await getattr(self, workflow.replace("-", "_"))()

    async def order_to_license(self):
        return await self.licensed("1001", ("LIC-PRO", 1), ("LIC-TEAM", 5))

    async def credit_to_revoke(self):
        order = await self.order("1002", ("LIC-PRO", 2))
        await self.effects_of(order)
        note = await self.jiwa.create_sales_order(
            DebtorAccountNo="1002",
            CreditNote=True,
            CreditNoteFromInvoiceHistoryID=order.Histories[0].InvoiceHistoryID,
            Lines=[NewLine(PartNo="LIC-PRO", QuantityOrdered=1)],
        )
        await self.jiwa.process_sales_order(InvoiceID=note.InvoiceID)
        return await self.effects_of(note)

    async def renewal_reminder(self):
        await self.ending_team("1003", 3)
        return await self.started("renewal-reminder")

    async def renewal_paid(self):
        code, end = await self.ending_team("1006", 2)
        order = await self.order("1006", ("REN-TEAM", 2), SOReference=f"Renewal {code} {end}")
        return await self.effects_of(order, source="renewals")

    async def trial_nurture(self):
        zentitle = self.sandbox.simulator("zentitle")
        trial = {"computerID": "STUDIO-PC-07", "productID": PRO, "daysAgo": 25}
        httpx.post(f"{zentitle}/_sandbox/trials", json=trial, timeout=30).raise_for_status()
        client = json.dumps({"email": "mara.lind@atelier.example", "firstName": "Mara", "lastName": "Lind"})
        user = (f"productid={PRO}", "computerid=STUDIO-PC-07", f"clientinfo:={client}")
        self.cli("call", "zentitle", "create_consumer_data", *user, "--yes", "--json")
        return await self.started("trial-nurture")

    async def meter_billing(self):
        """Bill the month before the last, let two printers print, and propose the last one."""
        self.catalog(meters=METERS)
        first = datetime.now(UTC).replace(day=1)
        for device in (FRONT_DESK, DRAWING_OFFICE):
            self.reports(device)
        before = f"{(first - timedelta(days=32)).replace(day=1):%Y-%m}"
        for dry_run in (True, False):
            await self.started("meter-billing", period=before, dry_run=dry_run)
        self.reports(FRONT_DESK, mono=1_480, color=612)
        self.reports(DRAWING_OFFICE, mono=240)
        return await self.started("meter-billing")

    async def supply_alert(self):
        devices = self.sandbox.records("jetadvice")["devices"]
        [device] = [each for each in devices if each["deviceId"] == FRONT_DESK]
        return await self.arrived("jetadvice-devices", device)

    async def ticket_to_invoice(self):
        jifeline = self.sandbox.simulator("jifeline")
        lines = [{"product": "DIAG-CODE", "quantity": 2}, {"product": "DIAG-CALIB"}]
        async with httpx.AsyncClient(base_url=jifeline, timeout=30) as client:
            ticket = (await client.post("/_sandbox/tickets", json={"customer": "3001"})).json()
            close = f"/_sandbox/tickets/{ticket['id']}/close"
            closed = (await client.post(close, json={"product_lines": lines})).json()
        return await self.arrived("jifeline-closed-tickets", closed)

    async def customer_sync(self):
        debtor = await self.jiwa.create_debtor(
            AccountNo=f"4{uuid4().int % 1000:03}",
            Name="Larkspur Veterinary Clinic",
            EmailAddress="office@larkspurvets.example",
            Phone="02 5550 4001",
        )
        return await self.started("customer-sync", debtor_id=debtor.DebtorID)

    async def offline_activation(self):
        order = await self.order("1004", ("LIC-PRO", 1))
        code = await self.code_of(order)
        computer = "BLXRrZJ5T9imK7qP"
        made = httpx.post(
            f"{self.sandbox.simulator('zentitle')}/_sandbox/licenses/{code}/certificates",
            json={"computerID": computer},
            timeout=30,
        ).json()
        form = {"request_id": "AC-2071", "product_id": PRO, "license_code": code, "computer_id": computer}
        answer = httpx.post(
            f"{self.sandbox.settings.gateway_url}/hooks/offline",
            data=form | {"email": "office@sablestreetps.example"},
            files={"certificate": ("request.txt", made["activationcertificate"])},
            headers={"X-Hookline-Key": os.environ["HOOKLINE_SECRET_OFFLINE"]},
            timeout=30,
        )
        return await self.run_for(answer.raise_for_status().json()["id"])

    async def credential_check(self):
        return await self.started("credential-check")

    async def activation_reminder(self):
        """A license whose time to be activated is made to be over."""
        raw = yaml.safe_load(self.catalog.text)
        self.catalog(activation={"days": 14, "mail": raw["mail"]})
        order = await self.order("1001", ("LIC-PRO", 1))
        code = await self.code_of(order)
        database = await pool(self.sandbox.settings)
        late = "UPDATE waits SET until = now() - interval '2 days' WHERE dispatch_id = $1 RETURNING 1"
        find = "SELECT id, delivery_id FROM dispatches WHERE source = 'licensed' AND parameters ->> 'license_code' = $1"

        async def waits():
            row = await database.fetchrow(find, code)
            return row and await database.fetchval(late, row["id"]) and row["delivery_id"]

        return await self.run_for(await self.until(waits, f"nothing waits for license {code}"))

    async def license_on_loan(self):
        stock = (f"productid={DESKTOP}", f"licensecodes={str(uuid4().int)[:18]}")
        self.cli("call", "zentitle", "create_license_codes", *stock, "--yes", "--json")
        [debtor] = (await self.jiwa.query_debtors(AccountNo="1003")).Results
        asked = {"request_id": "L-318", "debtor_id": debtor.DebtorID, "part_no": "LIC-DESKTOP"}
        return await self.arrived("standard", {"type": "loan.requested", "data": asked})

    async def reconcile(self):
        """A license that was sold, and two that somebody makes at Zentitle by hand."""
        code = await self.code_of(await self.order("1002", ("LIC-PRO", 1)))
        which = (f"productid={PRO}", f"licensecode={code}")
        existing = self.cli("call", "zentitle", "get_license_code", *which, "--json")
        make = (f"productid={PRO}", f"companyid={existing['companyID']}", "numcodes=2")
        self.cli("call", "zentitle", "create_license_codes", *make, "--yes", "--json")
        return await self.started("reconcile")

    # How a run begins and ends

    async def order(self, account, *lines, **more):
        """A paid order of a customer of the sandbox's firm, when all that it brings is done."""
        order = await self.jiwa.create_sales_order(
            DebtorAccountNo=account,
            Lines=[NewLine(PartNo=part, QuantityOrdered=quantity) for part, quantity in lines],
            **more,
        )
        await self.business.pay(order)
        return order

    async def licensed(self, account, *lines):
        return await self.effects_of(await self.order(account, *lines))

    async def effects_of(self, order, source="jiwa"):
        """The flow run among those of an order's deliveries that wrote something."""

        async def wrote():
            for row in await self.business.finished(order):
                for run in (each["flow_run_id"] for each in row["dispatches"] if row["source"] == source):
                    if self.cli("effects", "list", "--key", run, "--json"):
                        return run
            return None

        return await self.until(wrote, f"no run of order {order.InvoiceNo} wrote anything")

    async def code_of(self, order):
        await self.effects_of(order)
        effects = self.cli("effects", "list", "--key", order.InvoiceNo, "--json")
        return next(
            code for row in effects if row["step"].startswith("license LIC") for code in row["reference"]
        )

    async def ending_team(self, account, seats):
        """A subscription that ends in twenty days: its code, and its end."""
        code = await self.code_of(await self.order(account, ("LIC-TEAM", seats)))
        end = datetime.now(UTC).date() + timedelta(days=20)
        terms = ("licensetype=expirationdate", f"subscriptionenddate={end}")
        which = (f"productid={TEAM}", f"licensecode={code}")
        self.cli("call", "zentitle", "update_license_code", *which, *terms, "--yes", "--json")
        return code, end

    def reports(self, device, **clicks):
        """Let a printer report its counters, with so many clicks more."""
        devices = {each["deviceId"]: each for each in self.sandbox.records("jetadvice")["devices"]}
        counters = {kind: int(devices[device]["counters"][kind]) + number for kind, number in clicks.items()}
        at = datetime.now(UTC) - timedelta(minutes=5 if clicks else 10)
        body = counters | {"lastReport": at.strftime("%Y-%m-%dT%H:%M:%S")}
        url = f"{self.sandbox.simulator('jetadvice')}/_sandbox/devices/{device}/counters"
        httpx.post(url, json=body, timeout=30).raise_for_status()

    async def started(self, workflow, **parameters):
        """A run of the deployment, as its schedule or a person starts it; in this process, not in the worker's."""
        flow = getattr(import_module(f"flows.{workflow.replace('-', '_')}"), workflow.replace("-", "_"))
        with temporary_settings({PREFECT_API_URL: self.sandbox.settings.prefect_api_url}):
            async with AsyncClientContext.get_or_create() as context:
                deployment = await context.client.read_deployment_by_name(f"{workflow}/default")
                run = await context.client.create_flow_run_from_deployment(
                    deployment.id, parameters=parameters, state=Pending()
                )
                values = {**deployment.parameters, **parameters}
                await run_flow_async(flow, flow_run=run, parameters=values, return_type="state")
        return str(run.id)

    async def arrived(self, source, body):
        """The run of a delivery that was stored as a poller or the gateway stores it."""
        rules = load_hooks(settings().hooks).sources[source]
        number = uuid4().hex if rules.poll is None else re.sub(r"\W+", "-", json.dumps(body))[:100]
        database = await pool(self.sandbox.settings)
        receipt = await deliveries.accept(
            database, arrival(number, source=source, body=json.dumps(body).encode())
        )
        return await self.run_for(receipt.id)

    async def run_for(self, delivery):
        database = await pool(self.sandbox.settings)
        find = "SELECT flow_run_id FROM dispatches WHERE delivery_id = $1"

        async def begun():
            return await database.fetchval(find, delivery)

        return await self.ended(str(await self.until(begun, f"delivery {delivery} starts nothing")))

    async def ended(self, run):
        async def state():
            found = self.prefect_api.get(f"flow_runs/{run}").raise_for_status().json()
            return found["state_type"] in ENDED or await asyncio.sleep(0.3)

        await self.until(state, f"flow run {run} does not end")
        return run
