"""
The measuring kit of `hookline bench` and benchmarks/: paid orders in a sandbox, and the times of their vendor calls.

Measured is a trigger: a function that gets a paid order and starts the main job for it, to be done now or later.
"""

import asyncio
import json
import statistics
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import cycle
from typing import Any, Final, Protocol, Self, TypeAlias, TypeVar

import httpx
from rich.console import Console
from rich.progress import Progress

from hookline.clients.jiwa import JiwaClient
from hookline.clients.jiwa.debtors import Debtor
from hookline.clients.jiwa.models import NewLine, SalesOrder
from hookline.clients.paging import pages
from hookline.clients.sensorpro.models import NewContact
from hookline.clients.zentitle import ZentitleClient
from hookline.errors import HooklineError
from hookline.sandbox.stack import SandboxStack, sandbox_stack
from hookline.source_secrets import webhook_secrets

CUSTOMERS = 50
"""Customers of the orders: work for one customer is serial where a counting read-back needs it."""
FIRST, LAST = "get_sales_order", "create_sales_order_note"
STALL_TIMEOUT_SECONDS = 120.0
"""Seconds without any order's last call after which the measurement fails."""

SENDERS: Final = 8
"""Most connections of a sender of webhooks."""

Trigger: TypeAlias = Callable[[SalesOrder], Awaitable[None]]
T = TypeVar("T")


class Step(Protocol):
    """Something that makes one call of a job, by the call's name."""

    def __call__(self, name: str, call: Callable[[], Awaitable[T]], /) -> Awaitable[T]:
        """Make the call."""


@contextmanager
def measured_sandbox(out: Console, **variables: Any) -> Iterator[tuple[SandboxStack, Progress]]:
    """Run a sandbox without first runs of schedules, and show the progress of what is measured in it."""
    with Progress(console=out, transient=True) as progress:
        starting = progress.add_task("starting the sandbox", total=None)
        with sandbox_stack(HOOKLINE_FIRST_RUNS="false", **variables) as sandbox:
            progress.remove_task(starting)
            yield sandbox, progress


@dataclass(frozen=True)
class Timing:
    """The times of one order: due, trigger returned, first and last vendor call as Jiwa logged them."""

    invoice: str
    """Its InvoiceID."""
    due: float
    """Seconds since the epoch, as are the others."""
    triggered: float
    first: float
    last: float

    @property
    def to_triggered(self) -> float:
        """Seconds until the trigger returned: for a webhook, until it was acknowledged."""
        return self.triggered - self.due

    @property
    def to_first(self) -> float:
        """Seconds until the first vendor call."""
        return self.first - self.due

    @property
    def to_last(self) -> float:
        """Seconds until the last vendor call."""
        return self.last - self.due


class PaidOrders:
    """A source of paid orders in Jiwa, which passes them to a trigger and times them by Jiwa's log of requests."""

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
        """Prepare the orders of a sandbox, whose Jiwa sends no webhooks of its own from now on."""
        from blocks.jiwa import JiwaCredentials  # Prefect's settings

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
        """Run an order of each customer, so that its company exists at Zentitle."""
        await self.at_once("warming up", trigger, CUSTOMERS, most=most)

    async def paced(self, what: str, trigger: Trigger, number: int, *, rate: float) -> list[Timing]:
        """
        Trigger orders at a fixed rate, without waiting for the orders before.

        Raises:
            HooklineError: some are not done, and there is no progress.
        """
        orders = await self.pay_orders(what, number)
        began = time.time()
        dues = [began + place / rate for place in range(number)]
        return await self._run(what, trigger, orders, dues, most=number)

    async def at_once(
        self, what: str, trigger: Trigger, number: int, *, most: int | None = None
    ) -> list[Timing]:
        """
        Trigger orders now, at most `most` at a time.

        Raises:
            HooklineError: some are not done, and there is no progress.
        """
        orders = await self.pay_orders(what, number)
        return await self._run(what, trigger, orders, [time.time()] * number, most=most or number)

    async def _run(
        self, what: str, trigger: Trigger, orders: list[SalesOrder], dues: list[float], *, most: int
    ) -> list[Timing]:
        slots = asyncio.Semaphore(most)

        async def start(order: SalesOrder, due: float) -> float:
            await asyncio.sleep(max(0.0, due - time.time()))
            async with slots:
                await trigger(order)
            return time.time()

        invoices = [order.InvoiceID for order in orders]
        triggered, _ = await asyncio.gather(
            asyncio.gather(*map(start, orders, dues)), self.until_done(what, invoices)
        )
        return [
            Timing(invoice, due, at, self.log.first[invoice], self.log.last[invoice])
            for invoice, due, at in zip(invoices, dues, triggered, strict=True)
        ]

    async def pay_orders(self, what: str, number: int) -> list[SalesOrder]:
        """Return new paid orders, of which no trigger knows."""
        making = self.progress.add_task(f"{what}: paying orders", total=number)
        orders = []
        for _ in range(number):
            orders.append(await self._pay_order())
            self.progress.advance(making)
        self.progress.remove_task(making)
        return orders

    async def _pay_order(self) -> SalesOrder:
        order = await self.jiwa.create_sales_order(
            DebtorAccountNo=next(self.customers).AccountNo,
            Lines=[NewLine(PartNo="LIC-PRO", QuantityOrdered=1)],
        )
        await pay(self.jiwa, order)
        return order

    async def until_done(self, what: str, invoices: list[str]) -> None:
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
            elif time.monotonic() - since > STALL_TIMEOUT_SECONDS:
                raise HooklineError(
                    f"{what}: {len(invoices) - done} of {len(invoices)} orders are not done, without progress for "
                    f"{STALL_TIMEOUT_SECONDS:g} s:\n{self.log.sandbox.last_lines()}"
                )
        self.progress.remove_task(waiting)


class _JiwaLog:
    """The times of the first and the last call about each order, by InvoiceID, from Jiwa's log of requests."""

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


async def pay(jiwa: JiwaClient, order: SalesOrder) -> None:
    """Enter the full payment of an order at Jiwa."""
    history = order.Histories[0]
    await jiwa.create_sales_order_payment(
        InvoiceID=order.InvoiceID,
        InvoiceHistoryID=history.InvoiceHistoryID,
        AmountPaid=history.HistoryTotal,
        PaymentRef=order.InvoiceNo,
    )


@asynccontextmanager
async def webhooks(sandbox: SandboxStack) -> AsyncIterator[Trigger]:
    """Return the trigger of Hookline: it sends Jiwa's webhook and waits for the acknowledgement."""
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
    """Return a trigger that awaits the same flow in this process, with the same Prefect server."""
    from prefect.events.worker import EventsWorker
    from prefect.logging.handlers import APILogHandler

    from flows.order_to_license import order_to_license  # Prefect's settings

    async def run(order: SalesOrder) -> None:
        await order_to_license(order.InvoiceID, return_state=True)

    try:
        yield run
    finally:  # Prefect's threads in this process must send their rest before the server stops
        await APILogHandler.aflush()
        await asyncio.to_thread(EventsWorker.drain_all, timeout=10)


async def directly(_name: str, call: Callable[[], Awaitable[T]]) -> T:
    """Make a step, and nothing beside it."""
    return await call()


class BareJob:
    """The vendor calls of the main job alone: no Prefect, no journal, no webhook."""

    def __init__(self, jiwa: JiwaClient, step: Step = directly) -> None:
        """
        Read the catalog.

        Args:
            jiwa: where the orders are.
            step: makes one of the calls, by its name; it returns what the call returns, plain data.
        """
        from blocks.sensorpro import SensorproCredentials  # Prefect's settings
        from blocks.zentitle import ZentitleCredentials  # Prefect's settings
        from hookline.catalog import load_catalog
        from hookline.settings import settings

        self.jiwa, self.step = jiwa, step
        self.zentitle, self.sensorpro = (
            ZentitleCredentials.from_environment(),
            SensorproCredentials.from_environment(),
        )
        self.catalog = load_catalog(settings().catalog)
        self.product = self.catalog.products[0].product_id
        self.companies: dict[str, int] = {}

    async def run(self, invoice_id: str) -> None:
        """Make the calls for one order."""
        name, address = await self.step("order", partial(self._customer, invoice_id))
        async with self.zentitle.get_client() as zentitle:
            company = await self.step("company", partial(self._company, zentitle, name))
            code = await self.step("license", partial(self._license, zentitle, company))
            await self.step("terms", partial(self._terms, zentitle, code))
            await self.step("consumer", partial(self._consumer, zentitle, code, invoice_id))
        await self.step("mail", partial(self._mail, address))
        await self.step("note", partial(self._note, invoice_id))

    async def _customer(self, invoice_id: str) -> tuple[str, str]:
        order = await self.jiwa.get_sales_order(InvoiceID=invoice_id)
        return order.DebtorName, order.DebtorEmailAddress

    async def _company(self, zentitle: ZentitleClient, name: str) -> int:
        if name not in self.companies:
            self.companies[name] = (await zentitle.get_company_id(company=name)).companyID
        return self.companies[name]

    async def _license(self, zentitle: ZentitleClient, company: int) -> str:
        await zentitle.list_license_codes(productid=self.product, companyId=company)
        codes = await zentitle.create_license_codes(productid=self.product, companyid=company, numcodes=1)
        return str(codes[0])

    async def _terms(self, zentitle: ZentitleClient, code: str) -> None:
        await zentitle.update_license_code(
            productid=self.product,
            licensecode=code,
            licensetype="perpetual",
            clientsallowed=1,
            enabledforuse=True,
        )
        await zentitle.create_license_note(productid=self.product, licensecode=code, description="bench")

    async def _consumer(self, zentitle: ZentitleClient, code: str, invoice_id: str) -> None:
        await zentitle.create_consumer_data(
            productid=self.product,
            computerid=invoice_id,
            licensecode=code,
            clientinfo={"email": "a@b.example"},
        )

    async def _mail(self, address: str) -> None:
        async with self.sensorpro.get_client() as sensorpro:
            await sensorpro.trigger_email(
                CampId=self.catalog.mail.campaign_id,
                BroadcastId=self.catalog.mail.broadcast_id,
                ContactData=NewContact(PersonalEMail=address),
            )

    async def _note(self, invoice_id: str) -> None:
        await self.jiwa.create_sales_order_note(InvoiceID=invoice_id, NoteText="bench")


def bare_calls(jiwa: JiwaClient) -> Trigger:
    """Return a trigger that makes only the flow's vendor calls."""
    job = BareJob(jiwa)

    async def call(order: SalesOrder) -> None:
        await job.run(order.InvoiceID)

    return call


def per_second(timings: Sequence[Timing]) -> float:
    """Return the orders a second, from the time of the first order to the last call of the last one."""
    return len(timings) / (max(each.last for each in timings) - min(each.due for each in timings))


def milliseconds(seconds: Sequence[float], percentile: int) -> float:
    """Return a percentile of times, in milliseconds."""
    if len(seconds) == 1:
        return round(seconds[0] * 1000, 1)
    return round(statistics.quantiles(seconds, n=100, method="inclusive")[percentile - 1] * 1000, 1)


def _invoice(path: str) -> str:
    """Return the InvoiceID in `/SalesOrders/{InvoiceID}/…`."""
    parts = path.split("/")
    return parts[2] if len(parts) > 2 else ""  # noqa: PLR2004
