"""
Paid orders for a sandbox, and when Jiwa saw the calls about them: what `bench` and benchmarks/ measure with.

What is measured is a trigger: it is given a paid order, and sees to it that the main job is done, at once or later.
"""

import asyncio
import json
import statistics
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import cycle
from typing import Final, Self, TypeAlias

import httpx
from rich.progress import Progress

from hookline.clients.jiwa import JiwaClient
from hookline.clients.jiwa.debtors import Debtor
from hookline.clients.jiwa.models import NewLine, SalesOrder
from hookline.clients.paging import pages
from hookline.clients.sensorpro.models import NewContact
from hookline.errors import HooklineError
from hookline.sandbox.stack import SandboxStack
from hookline.source_secrets import webhook_secrets

CUSTOMERS = 50
"""What is done for one of them is done one after another, where it is looked up by counting."""
FIRST, LAST = "get_sales_order", "create_sales_order_note"
PATIENCE = 120.0
"""So many seconds without any order's last call, and what is measured is taken for broken."""

SENDERS: Final = 8
"""So many connections a sender of webhooks has at most."""

Trigger: TypeAlias = Callable[[SalesOrder], Awaitable[None]]


@dataclass(frozen=True)
class Timing:
    """One order: when it was due, when its trigger returned, and when Jiwa saw the first and the last call about it."""

    invoice: str
    """Its InvoiceID."""
    due: float
    """Seconds since the epoch, as are the others."""
    taken: float
    first: float
    last: float

    @property
    def to_taken(self) -> float:
        """Seconds until the trigger returned: for a webhook, until it was acknowledged."""
        return self.taken - self.due

    @property
    def to_first(self) -> float:
        """Seconds until the first vendor call."""
        return self.first - self.due

    @property
    def to_last(self) -> float:
        """Seconds until the last vendor call."""
        return self.last - self.due


class PaidOrders:
    """Has orders paid in Jiwa, hands them to a trigger, and reads from Jiwa's own log of requests what came of it."""

    def __init__(
        self, sandbox: SandboxStack, jiwa: JiwaClient, progress: Progress, customers: Sequence[Debtor]
    ) -> None:
        self.jiwa = jiwa
        self.progress = progress
        self.customers = cycle(customers)
        self.log = _JiwaLog(sandbox)

    @classmethod
    @asynccontextmanager
    async def of(cls, sandbox: SandboxStack, progress: Progress) -> AsyncIterator[Self]:
        """The orders of a sandbox, of which Jiwa itself tells nobody any more."""
        from blocks import JiwaCredentials  # Prefect's settings

        async with JiwaCredentials.from_environment().get_client() as jiwa:
            for subscriber in [row async for row in pages(jiwa.list_webhook_subscribers)]:
                await jiwa.delete_webhook_subscriber(SubscriberID=subscriber.SubscriberID)
            customers = [
                await jiwa.create_debtor(
                    AccountNo=f"B{number:03}",
                    Name=f"Customer {number}",
                    EmailAddress=f"c{number}@shop.example",
                )
                for number in range(CUSTOMERS)
            ]
            yield cls(sandbox, jiwa, progress, customers)

    async def warm_up(self, trigger: Trigger, *, most: int | None = None) -> None:
        """An order of each customer, whose company at Zentitle is there from then on."""
        await self.at_once("warming up", trigger, CUSTOMERS, most=most)

    async def paced(self, what: str, trigger: Trigger, number: int, *, rate: float) -> list[Timing]:
        """
        So many a second, each at its time, whether the one before is done or not.

        Raises:
            HooklineError: they are not done, and nothing goes on.
        """
        orders = await self._paid(what, number)
        began = time.time()
        dues = [began + place / rate for place in range(number)]
        return await self._driven(what, trigger, orders, dues, most=number)

    async def at_once(
        self, what: str, trigger: Trigger, number: int, *, most: int | None = None
    ) -> list[Timing]:
        """
        All are due now; the trigger is given no more than `most` at a time.

        Raises:
            HooklineError: they are not done, and nothing goes on.
        """
        orders = await self._paid(what, number)
        return await self._driven(what, trigger, orders, [time.time()] * number, most=most or number)

    async def _driven(
        self, what: str, trigger: Trigger, orders: list[SalesOrder], dues: list[float], *, most: int
    ) -> list[Timing]:
        slots = asyncio.Semaphore(most)

        async def give(order: SalesOrder, due: float) -> float:
            await asyncio.sleep(max(0.0, due - time.time()))
            async with slots:
                await trigger(order)
            return time.time()

        invoices = [order.InvoiceID for order in orders]
        taken, _ = await asyncio.gather(
            asyncio.gather(*map(give, orders, dues)), self._until_done(what, invoices)
        )
        return [
            Timing(invoice, due, took, self.log.first[invoice], self.log.last[invoice])
            for invoice, due, took in zip(invoices, dues, taken, strict=True)
        ]

    async def _paid(self, what: str, number: int) -> list[SalesOrder]:
        making = self.progress.add_task(f"{what}: taking orders", total=number)
        orders = []
        for _ in range(number):
            orders.append(await self._one_paid())
            self.progress.advance(making)
        self.progress.remove_task(making)
        return orders

    async def _one_paid(self) -> SalesOrder:
        order = await self.jiwa.create_sales_order(
            DebtorAccountNo=next(self.customers).AccountNo,
            Lines=[NewLine(PartNo="LIC-PRO", QuantityOrdered=1)],
        )
        history = order.Histories[0]
        await self.jiwa.create_sales_order_payment(
            InvoiceID=order.InvoiceID,
            InvoiceHistoryID=history.InvoiceHistoryID,
            AmountPaid=history.HistoryTotal,
            PaymentRef=order.InvoiceNo,
        )
        return order

    async def _until_done(self, what: str, invoices: list[str]) -> None:
        """Wait until Jiwa has seen the last call about each."""
        waiting = self.progress.add_task(what, total=len(invoices))
        done, since = 0, time.monotonic()
        while done < len(invoices):
            await asyncio.sleep(0.5)
            await self.log.read()
            before, done = done, sum(invoice in self.log.last for invoice in invoices)
            self.progress.update(waiting, completed=done)
            if done > before:
                since = time.monotonic()
            elif time.monotonic() - since > PATIENCE:
                raise HooklineError(
                    f"{what}: {len(invoices) - done} of {len(invoices)} orders are not done, and none was for "
                    f"{PATIENCE:g} s:\n{self.log.sandbox.last_lines()}"
                )
        self.progress.remove_task(waiting)


class _JiwaLog:
    """When Jiwa saw the first and the last call about each order, by InvoiceID; read on from where it was."""

    def __init__(self, sandbox: SandboxStack) -> None:
        self.sandbox = sandbox
        self.first: dict[str, float] = {}
        self.last: dict[str, float] = {}
        self._read = 0

    async def read(self) -> None:
        for request in await asyncio.to_thread(self.sandbox.requests, "jiwa", self._read):
            self._read = request["seq"]
            invoice = _invoice(request["path"])
            if request["operation"] == FIRST:
                self.first.setdefault(invoice, request["at"])
            elif request["operation"] == LAST:
                self.last[invoice] = request["at"]


@asynccontextmanager
async def webhooks(sandbox: SandboxStack) -> AsyncIterator[Trigger]:
    """Hookline: the webhook that Jiwa would send, until it is acknowledged."""
    secret = webhook_secrets("jiwa")[0].get_secret_value()
    headers = {"X-Hookline-Key": secret, "Content-Type": "application/json"}
    free = asyncio.Semaphore(SENDERS)
    async with httpx.AsyncClient(timeout=60, headers=headers) as sender:

        async def post(order: SalesOrder) -> None:
            body = json.dumps({"InvoiceID": order.InvoiceID, "InvoiceNo": order.InvoiceNo}).encode()
            async with free:
                answer = await sender.post(f"{sandbox.settings.gateway_url}/hooks/jiwa", content=body)
            if answer.status_code != httpx.codes.ACCEPTED:
                raise HooklineError(
                    f"The gateway did not accept a webhook: {answer.status_code} {answer.text}"
                )

        yield post


@asynccontextmanager
async def in_process() -> AsyncIterator[Trigger]:
    """The same flow awaited in this process, against the same Prefect server."""
    from prefect.events.worker import EventsWorker
    from prefect.logging.handlers import APILogHandler

    from flows.order_to_license import order_to_license  # Prefect's settings

    async def run(order: SalesOrder) -> None:
        await order_to_license(order.InvoiceID, return_state=True)

    try:
        yield run
    finally:  # what Prefect's threads in this process still hold must be sent before their server goes
        await APILogHandler.aflush()
        await asyncio.to_thread(EventsWorker.drain_all, timeout=10)


def bare_calls(jiwa: JiwaClient) -> Trigger:
    """The vendor calls that the flow makes for an order of a known customer: no Prefect, no journal, no webhook."""
    from blocks import SensorproCredentials, ZentitleCredentials  # Prefect's settings
    from hookline.catalog import load_catalog
    from hookline.settings import settings

    catalog = load_catalog(settings().catalog)
    product = catalog.products[0].product_id
    companies: dict[str, int] = {}

    async def call(order: SalesOrder) -> None:
        await jiwa.get_sales_order(InvoiceID=order.InvoiceID)
        async with ZentitleCredentials.from_environment().get_client() as zentitle:
            company = companies.get(order.DebtorName)
            if company is None:
                company = (await zentitle.get_company_id(company=order.DebtorName)).companyID
                companies[order.DebtorName] = company
            await zentitle.list_license_codes(productid=product, companyId=company)
            codes = await zentitle.create_license_codes(productid=product, companyid=company, numcodes=1)
            await zentitle.update_license_code(
                productid=product,
                licensecode=codes[0],
                licensetype="perpetual",
                clientsallowed=1,
                enabledforuse=True,
            )
            await zentitle.create_license_note(productid=product, licensecode=codes[0], description="bench")
            await zentitle.create_consumer_data(
                productid=product,
                computerid=order.InvoiceID,
                licensecode=codes[0],
                clientinfo={"email": "a@b.example"},
            )
        async with SensorproCredentials.from_environment().get_client() as sensorpro:
            await sensorpro.trigger_email(
                CampId=catalog.mail.campaign_id,
                BroadcastId=catalog.mail.broadcast_id,
                ContactData=NewContact(PersonalEMail=order.DebtorEmailAddress),
            )
        await jiwa.create_sales_order_note(InvoiceID=order.InvoiceID, NoteText="bench")

    return call


def per_second(timings: Sequence[Timing]) -> float:
    """Orders a second, from when the first was due to the last call of the last."""
    return len(timings) / (max(each.last for each in timings) - min(each.due for each in timings))


def milliseconds(seconds: Sequence[float], percentile: int) -> float:
    """A percentile of some times."""
    if len(seconds) == 1:
        return round(seconds[0] * 1000, 1)
    return round(statistics.quantiles(seconds, n=100, method="inclusive")[percentile - 1] * 1000, 1)


def _invoice(path: str) -> str:
    """The InvoiceID in `/SalesOrders/{InvoiceID}/…`."""
    parts = path.split("/")
    return parts[2] if len(parts) > 2 else ""  # noqa: PLR2004
