"""`hookline bench`: how quick the main job is, beside the same flow without Hookline and beside the bare calls."""

import asyncio
import json
import statistics
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated

import httpx
from cyclopts import Parameter
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from hookline.cli.output import AsJson, console, print_json
from hookline.cli.stage import Stage, stage
from hookline.clients.jiwa import JiwaClient
from hookline.clients.jiwa.models import NewLine, SalesOrder
from hookline.clients.paging import pages
from hookline.clients.sensorpro.models import NewContact
from hookline.errors import HooklineError
from hookline.settings import webhook_secrets

CONCURRENCY = 8
FIRST, LAST = "get_sales_order", "create_sales_order_note"
PATIENCE = 300.0


@dataclass(frozen=True)
class Timing:
    """One order: when its webhook left, and when Jiwa saw the first and the last call about it (seconds)."""

    sent: float
    acknowledged: float
    first: float
    last: float


def bench(
    *,
    orders: Annotated[int, Parameter(help="Orders at light load, one a second.")] = 30,
    burst: Annotated[int, Parameter(help="Orders at once.")] = 100,
    as_json: AsJson = False,
) -> None:
    """
    Measure in one run: acknowledgement, first and last vendor call, orders a second; and what they compare to.

    Everything runs in a sandbox of its own. Timings of different runs or machines do not compare: the ratios do.
    Run it on a machine that does nothing else.

    Try:
        hookline bench
        hookline bench --orders 60 --burst 300 --json
    """
    out = console(stderr=as_json)
    with Progress(console=out, transient=True) as progress:
        starting = progress.add_task("starting the sandbox", total=None)
        with stage(HOOKLINE_ENGINE_CONCURRENCY=str(CONCURRENCY), HOOKLINE_FIRST_RUNS="false") as sandbox:
            progress.remove_task(starting)
            result = asyncio.run(_measure(sandbox, orders, burst, progress))
    _show(out, result)
    if as_json:
        print_json(result)


async def _measure(sandbox: Stage, orders: int, burst: int, progress: Progress) -> dict[str, float]:
    from blocks import JiwaCredentials  # Prefect's settings

    async with JiwaCredentials.from_environment().get_client() as jiwa:
        await _unsubscribe(jiwa)  # only our own webhooks count
        bench_run = _Bench(sandbox, jiwa, progress)
        await bench_run.one_after_another("warming up", 3, pause=0)
        light = await bench_run.one_after_another("one order a second", orders, pause=1)
        many = await bench_run.at_once(burst)
        in_process = await bench_run.in_process(burst)
        bare = await bench_run.bare_calls(orders)
    await _let_prefect_finish()
    ack = [order.acknowledged - order.sent for order in light]
    first = [order.first - order.sent for order in light]
    last = [order.last - order.sent for order in light]
    return {
        "ack_ms_p50": _ms(ack, 50),
        "ack_ms_p99": _ms(ack, 99),
        "first_call_ms_p50": _ms(first, 50),
        "last_call_ms_p50": _ms(last, 50),
        "last_call_ms_p95": _ms(last, 95),
        "orders_per_second": round(many, 2),
        "in_process_orders_per_second": round(in_process, 2),
        "bare_calls_ms_p50": _ms(bare, 50),
    }


class _Bench:
    """Drives orders through the sandbox and reads the times from Jiwa's own log of requests."""

    def __init__(self, sandbox: Stage, jiwa: JiwaClient, progress: Progress) -> None:
        self.sandbox = sandbox
        self.jiwa = jiwa
        self.progress = progress
        self.secret = webhook_secrets("jiwa")[0].get_secret_value()

    async def one_after_another(self, what: str, number: int, *, pause: float) -> list[Timing]:
        """Webhooks of paid orders, each `pause` seconds after the one before."""
        orders = await self._paid_orders(number)
        sent: dict[str, tuple[float, float]] = {}
        async with httpx.AsyncClient() as sender:
            for order in self.progress.track(orders, description=what):
                sent[order.InvoiceID] = await self._post(sender, order)
                await asyncio.sleep(pause)
        calls = await self._calls(orders, what)
        return [Timing(*sent[order.InvoiceID], *calls[order.InvoiceID]) for order in orders]

    async def at_once(self, number: int) -> float:
        """Webhooks of paid orders all at once; orders a second until the last call of the last."""
        orders = await self._paid_orders(number)
        began = time.time()
        async with httpx.AsyncClient(timeout=60) as sender:
            await asyncio.gather(*(self._post(sender, order) for order in orders))
        calls = await self._calls(orders, f"{number} orders at once")
        return number / (max(last for _, last in calls.values()) - began)

    async def in_process(self, number: int) -> float:
        """The same flow awaited in this process, eight at a time, against the same Prefect server."""
        from flows.order_to_license import order_to_license  # Prefect's settings

        orders = await self._paid_orders(number)

        async def run(order: SalesOrder) -> None:
            await order_to_license(order.InvoiceID, return_state=True)

        await run((await self._paid_orders(1))[0])
        began = time.time()
        await _eight_at_a_time(run, orders)
        return number / (time.time() - began)

    async def bare_calls(self, number: int) -> list[float]:
        """The vendor calls of the job alone, one order after another: no Prefect, no journal, no webhook."""
        took = []
        for order in await self._paid_orders(number):
            began = time.time()
            await _bare(self.jiwa, order)
            took.append(time.time() - began)
        return took

    async def _paid_orders(self, number: int) -> list[SalesOrder]:
        orders = []
        for _ in range(number):
            order = await self.jiwa.create_sales_order(
                DebtorAccountNo="1001", Lines=[NewLine(PartNo="LIC-PRO", QuantityOrdered=1)]
            )
            history = order.Histories[0]
            await self.jiwa.create_sales_order_payment(
                InvoiceID=order.InvoiceID,
                InvoiceHistoryID=history.InvoiceHistoryID,
                AmountPaid=history.HistoryTotal,
                PaymentRef=order.InvoiceNo,
            )
            orders.append(order)
        return orders

    async def _post(self, sender: httpx.AsyncClient, order: SalesOrder) -> tuple[float, float]:
        headers = {"X-Hookline-Key": self.secret, "Content-Type": "application/json"}
        body = json.dumps({"InvoiceID": order.InvoiceID, "InvoiceNo": order.InvoiceNo}).encode()
        sent = time.time()
        answer = await sender.post(
            f"{self.sandbox.settings.gateway_url}/hooks/jiwa", content=body, headers=headers
        )
        acknowledged = time.time()
        if answer.status_code != httpx.codes.ACCEPTED:
            raise HooklineError(f"The gateway did not accept a webhook: {answer.status_code} {answer.text}")
        return sent, acknowledged

    async def _calls(self, orders: list[SalesOrder], what: str) -> dict[str, tuple[float, float]]:
        """When Jiwa saw the first and the last call about each order; waits until it has."""
        deadline = time.monotonic() + PATIENCE
        waiting = self.progress.add_task(f"{what}: waiting for the last call", total=len(orders))
        while True:
            first: dict[str, float] = {}
            last: dict[str, float] = {}
            for request in await asyncio.to_thread(self.sandbox.requests, "jiwa"):
                invoice = _invoice(request["path"])
                if request["operation"] == FIRST:
                    first.setdefault(invoice, request["at"])
                elif request["operation"] == LAST:
                    last[invoice] = request["at"]
            done = [order for order in orders if order.InvoiceID in last]
            self.progress.update(waiting, completed=len(done))
            if len(done) == len(orders):
                self.progress.remove_task(waiting)
                return {o.InvoiceID: (first[o.InvoiceID], last[o.InvoiceID]) for o in orders}
            if time.monotonic() > deadline:
                raise HooklineError(
                    f"{len(orders) - len(done)} orders are not done:\n{self.sandbox.last_lines()}"
                )
            await asyncio.sleep(0.5)


async def _bare(jiwa: JiwaClient, order: SalesOrder) -> None:
    """The calls that the flow makes for an order of one code by a customer who has a company already."""
    from blocks import SensorproCredentials, ZentitleCredentials  # Prefect's settings
    from hookline.catalog import load_catalog
    from hookline.settings import settings

    catalog = load_catalog(settings().catalog)
    product = catalog.products[0].product_id
    await jiwa.get_sales_order(InvoiceID=order.InvoiceID)
    async with ZentitleCredentials.from_environment().get_client() as zentitle:
        company = (await zentitle.get_company_id(company=order.DebtorName)).companyID
        await zentitle.get_company(companyid=company)
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


async def _eight_at_a_time(run: Callable[[SalesOrder], Awaitable[None]], orders: list[SalesOrder]) -> None:
    slots = asyncio.Semaphore(CONCURRENCY)

    async def one(order: SalesOrder) -> None:
        async with slots:
            await run(order)

    await asyncio.gather(*map(one, orders))


async def _let_prefect_finish() -> None:
    """Send what Prefect's threads in this process still hold, before their server goes."""
    from prefect.events.worker import EventsWorker
    from prefect.logging.handlers import APILogHandler

    await APILogHandler.aflush()
    await asyncio.to_thread(EventsWorker.drain_all, timeout=10)


async def _unsubscribe(jiwa: JiwaClient) -> None:
    for subscriber in [row async for row in pages(jiwa.list_webhook_subscribers)]:
        await jiwa.delete_webhook_subscriber(SubscriberID=subscriber.SubscriberID)


def _invoice(path: str) -> str:
    """The InvoiceID in `/SalesOrders/{InvoiceID}/…`."""
    parts = path.split("/")
    return parts[2] if len(parts) > 2 else ""  # noqa: PLR2004


def _ms(seconds: list[float], percentile: int) -> float:
    if len(seconds) == 1:
        return round(seconds[0] * 1000, 1)
    return round(statistics.quantiles(seconds, n=100, method="inclusive")[percentile - 1] * 1000, 1)


def _show(out: Console, result: dict[str, float]) -> None:
    bare, in_process = result["bare_calls_ms_p50"], result["in_process_orders_per_second"]
    table = Table(box=None, header_style="bold")
    for column in ("", "p50", "p95 or p99", "times the bare calls"):
        table.add_column(column, justify="left" if not column else "right")
    table.add_row("webhook acknowledged", f"{result['ack_ms_p50']} ms", f"{result['ack_ms_p99']} ms", "")
    table.add_row("first vendor call", f"{result['first_call_ms_p50']} ms", "", "")
    last = result["last_call_ms_p50"]
    table.add_row("last vendor call", f"{last} ms", f"{result['last_call_ms_p95']} ms", f"{last / bare:.1f}")
    table.add_row("the bare calls", f"{bare} ms", "", "1.0")
    out.print(table)
    rate = result["orders_per_second"]
    out.print(
        f"\norders a second: {rate}, that is {rate / in_process:.2f} of the same flow awaited in one process "
        f"({in_process})"
    )
