"""
The firm's customers and the senders of its webhooks, who know nothing of what is killed meanwhile.

An order is given to Jiwa's simulator and paid there. A sender does what senders do: it sends until it is
acknowledged, again where no answer came, and some send the same delivery several times over.
"""

import asyncio
import json
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from uuid import uuid4

import httpx
from standardwebhooks import Webhook

from hookline.clients.jiwa import JiwaClient, JiwaKey
from hookline.clients.jiwa.models import NewLine, SalesOrder
from hookline.clients.paging import pages
from hookline.shipped.jiwa import JiwaSettings
from hookline.source_secrets import webhook_secrets
from tests.chaos.plan import Delivery, Order, Plan

ANSWER_SECONDS = 5.0
AGAIN_SECONDS = 0.5
ASKED_AGAIN = (429, 502, 503, 504)


@dataclass
class Placed:
    """An order that Jiwa has."""

    order: Order
    invoice_id: str
    invoice_no: str
    customer: str
    """The customer's name."""
    paid: bool = False


@dataclass
class Sent:
    """A delivery, as its sender knows it."""

    placed: Placed
    source: str
    attempts: int = 0
    acknowledged: int = 0
    ids: set[str] = field(default_factory=set)
    """What the gateway said that it is in the inbox."""
    refusals: list[str] = field(default_factory=list)
    """Answers after which no sender would try again."""


class Shop:
    """Gives the plan's orders, and sends its webhooks."""

    def __init__(self, jiwa: JiwaClient, http: httpx.AsyncClient, gateways: tuple[str, ...]) -> None:
        self.jiwa = jiwa
        self.http = http
        self.gateways = gateways
        self.placed: list[Placed] = []
        self.sent: list[Sent] = []
        self.answers: list[tuple[float, int]] = []
        """Each answer of a gateway: its time by the monotonic clock, and its status."""
        self.customers: list[tuple[str, str]] = []
        """Account number and name."""

    @classmethod
    @asynccontextmanager
    async def open(cls, gateways: tuple[str, ...], plan: Plan):
        """The shop with its customers, of whom nobody but itself tells the gateway."""
        given = JiwaSettings.from_environment()
        async with AsyncExitStack() as stack:
            jiwa = await stack.enter_async_context(JiwaClient(given.base_url, JiwaKey(given.api_key)))
            http = await stack.enter_async_context(httpx.AsyncClient(timeout=ANSWER_SECONDS))
            shop = cls(jiwa, http, gateways)
            for subscriber in [row async for row in pages(jiwa.list_webhook_subscribers)]:
                await jiwa.delete_webhook_subscriber(SubscriberID=subscriber.SubscriberID)
            for number in range(plan.customers):
                account, name = f"C{plan.seed % 10_000}-{number}", f"Customer {number} of seed {plan.seed}"
                await jiwa.create_debtor(
                    AccountNo=account, Name=name, EmailAddress=f"{account}@customer.example"
                )
                shop.customers.append((account, name))
            yield shop

    async def take(self, orders: tuple[Order, ...]) -> None:
        """Give every order at its time, and send its webhooks until each of them is acknowledged."""
        began = time.monotonic()
        async with asyncio.TaskGroup() as group:
            for order in orders:
                await asyncio.sleep(max(0, began + order.at - time.monotonic()))
                group.create_task(self._give(order))

    async def _give(self, order: Order) -> None:
        account, name = self.customers[order.customer]
        made = await self.jiwa.create_sales_order(
            DebtorAccountNo=account,
            Lines=[NewLine(PartNo=line.part, QuantityOrdered=Decimal(line.quantity)) for line in order.lines],
        )
        placed = Placed(order, made.InvoiceID, made.InvoiceNo, name)
        self.placed.append(placed)
        async with asyncio.TaskGroup() as group:
            self._send_all(group, placed, early=True)
            if order.paid:
                await self._pay(made)
                placed.paid = True
                self._send_all(group, placed, early=False)

    async def _pay(self, order: SalesOrder) -> None:
        [history] = order.Histories
        await self.jiwa.create_sales_order_payment(
            InvoiceID=order.InvoiceID,
            InvoiceHistoryID=history.InvoiceHistoryID,
            AmountPaid=history.HistoryTotal,
            PaymentRef=order.InvoiceNo,
        )

    def _send_all(self, group: asyncio.TaskGroup, placed: Placed, *, early: bool) -> None:
        for number, delivery in enumerate(placed.order.deliveries):
            if delivery.early == early:
                sent = Sent(placed, delivery.source)
                self.sent.append(sent)
                letter = _letter(delivery, placed, number)
                for wait in (0.0, *delivery.copies):
                    group.create_task(self._send(sent, letter, delivery.after + wait))

    async def _send(self, sent: Sent, letter: "Letter", wait: float) -> None:
        await asyncio.sleep(wait)
        while not sent.refusals:
            sent.attempts += 1
            answer = await self._post(letter, self.gateways[sent.attempts % len(self.gateways)])
            if answer is not None:
                self.answers.append((time.monotonic(), answer.status_code))
            if answer is None or answer.status_code in ASKED_AGAIN:
                await asyncio.sleep(AGAIN_SECONDS)
            elif answer.is_success:
                sent.acknowledged += 1
                sent.ids.add(answer.json()["id"])
                return
            else:
                sent.refusals.append(f"{answer.status_code} {answer.text}")

    async def _post(self, letter: "Letter", gateway: str) -> httpx.Response | None:
        """The gateway's answer, if it came."""
        with suppress(httpx.TransportError):
            return await self.http.post(
                f"{gateway}/hooks/{letter.source}", content=letter.body, headers=letter.headers()
            )
        return None


class Letter:
    """What is sent, the same each time but for the signature's time."""

    def __init__(self, source: str, body: dict[str, object]) -> None:
        self.body = json.dumps(body).encode()
        self.identifier = f"msg_{uuid4().hex}"
        self.source = source
        self.secret = webhook_secrets(source)[0].get_secret_value()

    def headers(self) -> dict[str, str]:
        """With the proof that its source asks for."""
        return {"Content-Type": "application/json", **dict(self._proof())}

    def _proof(self) -> Iterator[tuple[str, str]]:
        if self.source == "jiwa":
            yield "X-Hookline-Key", self.secret
            return
        now = datetime.now(UTC)
        yield "webhook-id", self.identifier
        yield "webhook-timestamp", str(int(now.timestamp()))
        yield "webhook-signature", Webhook(self.secret).sign(self.identifier, now, self.body.decode())


def _letter(delivery: Delivery, placed: Placed, number: int) -> Letter:
    if delivery.source == "jiwa":
        return Letter(
            "jiwa", {"InvoiceID": placed.invoice_id, "InvoiceNo": placed.invoice_no, "Change": number}
        )
    return Letter("standard", {"type": "order.paid", "data": {"invoice_id": placed.invoice_id}})
