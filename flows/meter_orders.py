"""The bills of meters and their Jiwa orders: one for a customer and month, and the readings in the journal with it."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from blocks.jiwa import JiwaCredentials
from flows.meter_report import WORKFLOW, recorded
from flows.meters import Bill, Ledger, Plan, comments
from hookline.account_keys import account_in, id_of
from hookline.catalog import Meters
from hookline.clients.jetadvice.models import Customer
from hookline.clients.jiwa.models import NewLine, SalesOrder
from hookline.errors import HooklineError
from hookline.record_links import Record
from tasks import jiwa as jiwa_tasks
from tasks.effects import BusinessKey, keys_of, steps_of

KEY: Final = "meters of customer "
MAX_COMMENTS: Final = 200
"""The devices whose readings stand on an order one by one."""


@dataclass(frozen=True)
class Made:
    """The bills of one customer that are written down, and the orders of them."""

    customer: Customer
    jetadvice: str
    """The name of the block of its JetAdvice."""
    bills: Mapping[str, Bill]
    orders: Mapping[str, str]
    """Jiwa's number, by month; "" where it was resolved by a person without one."""

    def unfinished(self) -> list[Bill]:
        """Return the bills whose order is missing, the oldest first."""
        return [
            bill
            for month, bill in sorted(self.bills.items())
            if bill.needs_order and month not in self.orders
        ]


@dataclass
class Books:
    """All that is billed, by customer."""

    ledger: Ledger = field(default_factory=Ledger)
    made: dict[str, Made] = field(default_factory=dict)


def meters_of(customer: Customer, jetadvice: str, period: str = "") -> BusinessKey:
    """Return the key of a customer's bills; each month has its steps."""
    name = f"meters {period} of {customer.name}, customer {customer.customerId}"
    return BusinessKey(WORKFLOW, f"{KEY}{customer.customerId}", name).at(jetadvice=jetadvice)


async def read_books(customers: Iterable[Customer], jetadvice: str) -> Books:
    """Return what the journal has of the bills of all customers: of these, and of those who are deleted by now."""
    books = Books()
    known = {each.customerId: each for each in customers}
    keys = [key for key in await keys_of(WORKFLOW, KEY) if account_in(key, "jetadvice") == jetadvice]
    billed = [id_of(key).removeprefix(KEY) for key in keys]
    for customer_id in (*known, *(each for each in billed if each not in known)):
        customer = known.get(customer_id) or Customer(customerId=customer_id)
        bills: dict[str, Bill] = {}
        orders: dict[str, str] = {}
        for step in await steps_of(meters_of(customer, jetadvice), ""):
            what, _, month = step.name.partition(" ")
            if what == "bill":
                bills[month] = Bill.model_validate(step.request)
            elif what == "order" and step.is_done:
                orders[month] = next(iter(step.reference), "")
        for _, bill in sorted(bills.items()):
            books.ledger.add(customer.customerId, bill)
        books.made[customer.customerId] = Made(customer, jetadvice, bills, orders)
    return books


def plans_for(names: Collection[str], books: Books, plans: Iterable[Plan]) -> list[Plan]:
    """
    Return the plans of the customers that a person named, by id or external number; all where none is named.

    A customer with an order that a broken-off run left out has a plan too.
    """
    found = {plan.customer: plan for plan in plans}
    found |= {
        each: Plan(each) for each, made in books.made.items() if each not in found and made.unfinished()
    }
    ids = {made.customer.externalNumber: each for each, made in books.made.items()} | {
        each: each for each in books.made
    }
    if unknown := [name for name in names if name not in ids]:
        raise HooklineError(f"customers: JetAdvice has no customer {', '.join(unknown)}. Nothing was billed.")
    chosen = {ids[name] for name in names}
    return [plan for _, plan in sorted(found.items()) if not names or plan.customer in chosen]


def account_of(rules: Meters, customer: Customer) -> str:
    """Return the customer's account number in Jiwa."""
    account = rules.debtors.get(customer.customerId) or customer.externalNumber
    if not account:
        raise HooklineError(
            f"{customer.name} has no external number in JetAdvice. Enter it there, or add "
            f"`{customer.customerId}: ` and the account number in Jiwa to meters.debtors in catalog.yaml."
        )
    return account


class AtJiwa:
    """What Jiwa has of what the orders will name, asked once each."""

    def __init__(self, jiwa: JiwaCredentials) -> None:
        self.jiwa = jiwa
        self._parts: dict[str, bool] = {}

    async def require(self, rules: Meters, customer: Customer, bill: Bill) -> None:
        """Raise HooklineError unless Jiwa has the customer's account, and the parts of its order."""
        account = account_of(rules, customer)
        debtors = await jiwa_tasks.query_debtors(self.jiwa, AccountNo=account)
        if not any(row.AccountNo.casefold() == account.casefold() for row in debtors.Results):
            raise HooklineError(
                f"Jiwa has no account {account!r} of {customer.name}. Correct the external number in JetAdvice, or "
                "meters.debtors in catalog.yaml."
            )
        for kind, clicks in bill.quantities.items():
            part = part_of(rules, kind)
            if clicks and not await self._has_part(part):
                raise HooklineError(
                    f"Jiwa has no part {part!r} for {kind}. Correct meters.parts in catalog.yaml."
                )

    async def _has_part(self, part: str) -> bool:
        if part not in self._parts:
            items = await jiwa_tasks.query_inventory_items(self.jiwa, PartNo=part)
            self._parts[part] = any(row.PartNo.casefold() == part.casefold() for row in items.Results)
        return self._parts[part]


def part_of(rules: Meters, kind: str) -> str:
    """Return Jiwa's part of a kind of click."""
    if kind not in rules.parts:
        raise HooklineError(
            f"{kind} is in a bill whose order is not made, and no longer in meters.parts of catalog.yaml. Put it back."
        )
    return rules.parts[kind]


async def write_down(made: Made, bill: Bill) -> Bill:
    """Write a bill down; from then on its readings are those that are billed, whatever dies."""
    step = meters_of(made.customer, made.jetadvice, bill.period).step(f"bill {bill.period}")
    return Bill.model_validate(await recorded(step, bill.model_dump(mode="json")))


async def order_of(jiwa: JiwaCredentials, rules: Meters, made: Made, bill: Bill) -> Record:
    """Make the order of a bill that is written down, once; return it."""
    quantities: dict[str, int] = {}
    for kind, clicks in sorted(bill.quantities.items()):  # the journal does not keep their order
        if clicks:
            quantities[part_of(rules, kind)] = quantities.get(part_of(rules, kind), 0) + clicks
    order = await jiwa_tasks.create_sales_order(
        jiwa,
        meters_of(made.customer, made.jetadvice, bill.period).step(f"order {bill.period}"),
        DebtorAccountNo=account_of(rules, made.customer),
        OrderNo=f"METERS-{bill.period}-{made.customer.customerId}",
        SOReference=f"Meters {bill.period}",
        Lines=[
            *(NewLine(PartNo=part, QuantityOrdered=clicks) for part, clicks in quantities.items()),
            *(NewLine(CommentLine=True, CommentText=text) for text in texts_of(bill)),
        ],
    )
    ensure_is_ours(order, quantities)
    return Record("jiwa", "sales-order", order.InvoiceID, jiwa.stored_as, order.InvoiceNo)


def texts_of(bill: Bill) -> list[str]:
    """Return the texts on the order: the readings of each device that printed anything."""
    texts = comments(line for line in bill.lines if line.clicks)
    rest = len(texts) - MAX_COMMENTS
    return texts if rest <= 0 else [*texts[:MAX_COMMENTS], f"and {rest} more devices"]


def ensure_is_ours(order: SalesOrder, quantities: Mapping[str, int]) -> None:
    """Raise if Jiwa's order of this number has other clicks: one of before a restore, or that a person changed."""
    found = {
        part: sum(line.QuantityOrdered for line in order.Lines if line.PartNo.casefold() == part.casefold())
        for part in quantities
    }
    if order.Lines and found != quantities:
        raise HooklineError(
            f"Jiwa has order {order.InvoiceNo} of this customer and month already, with "
            f"{_in_words(found)} in place of {_in_words(quantities)}. Make the difference good by hand in Jiwa."
        )


def _in_words(quantities: Mapping[str, object]) -> str:
    return ", ".join(f"{clicks} {part}" for part, clicks in quantities.items())
