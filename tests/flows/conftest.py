"""Flows run here, in the test's own process, on the sandbox's real Prefect server, journal and vendors."""

import asyncio
import json
from dataclasses import dataclass
from uuid import uuid4

import pytest
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.context import AsyncClientContext
from prefect.settings import PREFECT_API_URL, temporary_settings

from hookline.clients.jiwa import JiwaClient, JiwaKey
from hookline.clients.jiwa.models import NewLine
from hookline.clients.paging import pages
from hookline.database import pool
from hookline.shipped.jiwa import JiwaSettings
from tests.flows.admin import SYNC_CLIENT, admin, operator_of_flows

__all__ = ["admin", "operator_of_flows"]


@pytest.fixture
async def jiwa(sandbox):
    """Jiwa, whose webhooks are switched off: what happens is what the test does."""
    given = JiwaSettings.from_environment()
    async with JiwaClient(given.base_url, JiwaKey(given.api_key)) as client:
        subscribers = [row async for row in pages(client.list_webhook_subscribers)]
        for subscriber in subscribers:
            await client.update_webhook_subscriber(SubscriberID=subscriber.SubscriberID, IsEnabled=False)
        yield client
        for subscriber in subscribers:
            await client.update_webhook_subscriber(SubscriberID=subscriber.SubscriberID, IsEnabled=True)


@pytest.fixture
def vendors(sandbox, jiwa, business):
    """What the vendors hold about one order, by their own records; and how to make them misbehave."""
    return Vendors(sandbox, jiwa, business.pay)


@pytest.fixture
def run_flow(sandbox):
    """Run a flow on the sandbox's Prefect server; its final state."""

    async def run_flow(flow, *arguments, **parameters):
        with (
            temporary_settings({PREFECT_API_URL: sandbox.settings.prefect_api_url}),
            pytest.MonkeyPatch.context() as patch,
        ):
            patch.setattr(
                SyncPrefectClient, "__init__", SYNC_CLIENT
            )  # here Prefect itself runs it, no engine
            async with AsyncClientContext.get_or_create():
                return await flow(*arguments, return_state=True, **parameters)

    return run_flow


@pytest.fixture
def run(run_flow):
    """Run the main flow for an order; its final state."""

    async def order_to_license(order, **parameters):
        from flows.order_to_license import order_to_license as flow

        invoice = order if isinstance(order, str) else order.InvoiceID
        return await run_flow(flow, invoice, **parameters)

    return order_to_license


@pytest.fixture
def ask_prefect(sandbox):
    """Ask the sandbox's Prefect server something: `await ask_prefect(lambda client: client.read_flow_run(id))`."""

    async def ask(question):
        with temporary_settings({PREFECT_API_URL: sandbox.settings.prefect_api_url}):
            async with get_client() as client:
                return await question(client)

    return ask


@pytest.fixture
async def listener():
    """Somebody who is told, on a real socket; what they were told."""
    heard = []

    async def answer(reader, writer):
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(
            int(line.split(b":")[1])
            for line in head.splitlines()
            if line.lower().startswith(b"content-length")
        )
        heard.append(json.loads(await reader.readexactly(length)))
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1], heard


@dataclass
class Held:
    """What the vendors hold about one order."""

    codes: list
    licenses: list
    consumer_records: list
    license_notes: list
    mails: list
    notes: list

    @property
    def counts(self):
        return {name: len(value) for name, value in vars(self).items() if name != "codes"}


class Vendors:
    def __init__(self, sandbox, jiwa, pay):
        self.sandbox = sandbox
        self.jiwa = jiwa
        self.pay = pay

    def misbehave(self, vendor, operation, kind="lose", **fault):
        self.sandbox.fault(vendor, operation=operation, kind=kind, **fault)

    async def customer(self, name=None, email="buyer@customer.example"):
        """A customer of its own, so that tests do not meet at Zentitle's companies."""
        number = uuid4().hex[:8]
        return await self.jiwa.create_debtor(
            AccountNo=number, Name=name or f"Customer {number} Ltd", EmailAddress=email or None
        )

    async def order(self, *lines, customer=None, paid=True, **more):
        customer = customer or await self.customer()
        order = await self.jiwa.create_sales_order(
            DebtorAccountNo=customer.AccountNo,
            Lines=[NewLine(PartNo=part, QuantityOrdered=quantity) for part, quantity in lines],
            **more,
        )
        if paid:
            await self.pay(order)
        return order

    def held(self, order):
        zentitle = self.sandbox.records("zentitle")
        licenses = [
            row for row in zentitle["licenses"] if f"order {order.InvoiceNo} " in (row["reference"] or "")
        ]
        codes = [row["licenseCode"] for row in licenses]
        [invoice] = [
            row for row in self.sandbox.records("jiwa")["orders"] if row["InvoiceID"] == order.InvoiceID
        ]
        mails = self.sandbox.records("sensorpro")["mails"]
        return Held(
            codes=codes,
            licenses=licenses,
            consumer_records=[row for row in zentitle["consumer_records"] if row["licenseCode"] in codes],
            license_notes=[row for row in zentitle["notes"] if row["licenseCode"] in codes],
            mails=[mail for mail in mails if mail["parameters"].get("order") == order.InvoiceNo],
            notes=invoice["Notes"],
        )

    async def effects(self, order):
        database = await pool(self.sandbox.settings)
        return await database.fetch("SELECT * FROM effects WHERE key = $1 ORDER BY id", order.InvoiceID)
