"""Paid orders in Jiwa, the journal, and the licenses in Zentitle compared, both ways; and repaired if asked for."""

import json
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final

from prefect import flow
from prefect.artifacts import acreate_table_artifact
from prefect.client.schemas.objects import State
from prefect.runtime import flow_run
from prefect.states import Completed
from pydantic import Field

from blocks import JiwaCredentials, ZentitleCredentials
from flows.licenses import UP_TO
from flows.order_to_license import WORKFLOW as ORDER_TO_LICENSE
from flows.order_to_license import paid_by_allocation, paid_by_payments
from hookline import issues
from hookline.catalog import Catalog, load_catalog
from hookline.clients import JiwaClient, NotFound, ZentitleClient, pages
from hookline.clients.jiwa.models import SalesOrder
from hookline.clients.jiwa.queries import FilterValue, SalesOrderRow
from hookline.database import lent
from hookline.database.types import Connection
from hookline.hooks import Source
from hookline.inbox import bodies
from hookline.inbox.deliveries import Arrival, accept_all
from hookline.journal.compare import ExpectedCodes, Journaled, of_keys
from hookline.settings import settings
from hookline.text import markdown
from tasks.readback.zentitle_records import rows_of

WORKFLOW: Final = "reconcile"
SOURCE: Final = "reconcile"
"""The source of the deliveries by which what is missing is repaired."""
MAX_SHOWN: Final = 500
PAGE: Final = 100
IN_WORK_FOR: Final = timedelta(minutes=15)
"""An order that was saved later than this may be in work at a place that nobody sees."""
Where = dict[str, FilterValue | list[FilterValue]]
CAUSE: Final = "differences found by reconcile"


@dataclass(frozen=True)
class Difference:
    """One thing that is at one place and not at the other."""

    what: str
    problem: str
    invoice_id: str = ""
    """Of an order that `order-to-license` may complete; "" where a person must look."""


@dataclass
class Comparison:
    """What was counted, and the differences."""

    counts: Counter[str] = field(default_factory=Counter)
    differences: list[Difference] = field(default_factory=list)
    """The first of them."""
    number: int = 0
    to_repair: list[str] = field(default_factory=list)

    def add(self, difference: Difference) -> None:
        """Add a difference; beyond the first ones only their number and what can be repaired is kept."""
        self.number += 1
        if len(self.differences) < MAX_SHOWN:
            self.differences.append(difference)
        if difference.invoice_id:
            self.to_repair.append(difference.invoice_id)

    def line(self) -> str:
        """Return the result in one line."""
        counted = ", ".join(f"{self.counts[name]:,} {name}" for name in ("paid", "licensed", "mailed"))
        in_work = f", {self.counts['in work']:,} in work" if self.counts["in work"] else ""
        return f"{counted}{in_work}; differences: {f'{self.number:,}' if self.number else 'none'}"


@flow(name=WORKFLOW, persist_result=False)
async def reconcile(
    days: Annotated[int, Field(ge=1, le=3650)] = 14,
    until: datetime | None = None,
    repair: bool = False,
    jiwa: str = "default",
    zentitle: str = "default",
) -> State[None]:
    """
    Compare the paid orders of a window with the journal and with Zentitle, both ways.

    It reads only. With `repair`, each order that lacks something becomes a delivery of the source `reconcile`, which
    starts order-to-license: what the journal has as done is not repeated.

    Args:
        days: how far back orders were entered, or saved since, as they are when they are paid.
        until: the end of the window; none: now.
        repair: let order-to-license complete what is missing; else it is only reported.
        jiwa: name of the Jiwa Credentials block.
        zentitle: name of the Zentitle Credentials block.
    """
    catalog = load_catalog(settings().catalog)
    end = (until or datetime.now(UTC)).astimezone(UTC)
    begin = end - timedelta(days=days)
    accounts = await JiwaCredentials.named(jiwa), await ZentitleCredentials.named(zentitle)
    found = Comparison()
    async with lent(settings()) as connection:
        codes = ExpectedCodes(connection)
        await codes.make()
        async with accounts[0].get_client() as client:
            await _compare_orders(client, catalog, (begin, end), codes, found)
        async with accounts[1].get_client() as client:
            await _compare_licenses(client, catalog, (begin, end), codes, found)
        if repair and found.to_repair:
            found.counts["repaired"] = await _repair(connection, found.to_repair)
        about = f"{days} days{f' until {until}' if until else ''}, {jiwa}, {zentitle}"
        await _report_issue(connection, found, about, repaired=repair)
    return await _conclude(found, begin, end)


# Jiwa and the journal


async def _compare_orders(
    jiwa: JiwaClient,
    catalog: Catalog,
    window: tuple[datetime, datetime],
    codes: ExpectedCodes,
    found: Comparison,
) -> None:
    """Compare each order of the window with the journal, a page of orders at a time."""
    page: list[list[SalesOrderRow]] = []
    async for order in _orders(jiwa, window):
        page.append(order)
        if len(page) >= PAGE:
            await _compare_page(jiwa, catalog, page, codes, found)
            page = []
    if page:
        await _compare_page(jiwa, catalog, page, codes, found)


async def _orders(jiwa: JiwaClient, window: tuple[datetime, datetime]) -> AsyncIterator[list[SalesOrderRow]]:
    """
    Yield the rows of each order: one for each of its deliveries.

    Those that were entered in the window; then those that are older, and were saved since it began, as at a payment.
    """
    begin, end = window[0].date(), window[1].date()
    entered: Where = {"InvoiceInitDateBetween": [begin, end]}
    saved: Where = {"LastSavedDateTimeGreaterThanOrEqualTo": begin, "InvoiceInitDateLessThan": begin}
    for where in (entered, saved):
        rows: list[SalesOrderRow] = []
        async for row in pages(jiwa.query_sales_orders, where={**where, "CreditNote": False}):
            if rows and row.InvoiceID != rows[0].InvoiceID:
                yield rows
                rows = []
            if row.InvoiceHistoryID not in [each.InvoiceHistoryID for each in rows]:
                rows.append(row)
        if rows:
            yield rows


async def _compare_page(
    jiwa: JiwaClient,
    catalog: Catalog,
    page: list[list[SalesOrderRow]],
    codes: ExpectedCodes,
    found: Comparison,
) -> None:
    keys = [rows[0].InvoiceID for rows in page]
    known = await of_keys(codes.connection, ORDER_TO_LICENSE, keys, step="license ", ordering="jiwa order ")
    for rows in page:
        await _compare_order(jiwa, catalog, rows, known[rows[0].InvoiceID], codes, found)


async def _compare_order(
    jiwa: JiwaClient,
    catalog: Catalog,
    rows: list[SalesOrderRow],
    known: Journaled,
    codes: ExpectedCodes,
    found: Comparison,
) -> None:
    try:
        order = await jiwa.get_sales_order(InvoiceID=rows[0].InvoiceID)
    except NotFound:
        return  # deleted while the list was read
    what = f"order {order.InvoiceNo}"
    await codes.add(what, known.codes)
    calls_for = 0 if order.CreditNote else _codes_of(catalog, order)
    if not calls_for and not known.codes:
        return
    if not _is_paid(catalog, order, rows):
        if known.codes:
            found.add(Difference(what, f"not paid, and {len(known.codes)} licenses were given"))
        return
    if calls_for:
        found.counts["paid"] += 1
        _judge(order, calls_for, known, found)


def _judge(order: SalesOrder, calls_for: int, known: Journaled, found: Comparison) -> None:
    """Count a paid order that calls for licenses, or add what it lacks."""
    what = f"order {order.InvoiceNo}"
    is_licensed, is_mailed = len(known.codes) >= calls_for, "mail" in known.done
    is_noted = "order note" in known.done
    # What was added to it later is mailed and noted once more.
    for added in (step for step in known.done if step.startswith("license ") and UP_TO in step):
        reported = [step for step in known.done if f"{added})" in step or f"{added}," in step]
        is_mailed = is_mailed and any(step.startswith("mail") for step in reported)
        is_noted = is_noted and any(step.startswith("order note") for step in reported)
    found.counts["licensed"] += is_licensed
    found.counts["mailed"] += is_mailed
    if len(known.codes) > calls_for:
        found.add(Difference(what, f"{len(known.codes)} licenses were given; it calls for {calls_for}"))
    if is_licensed and is_mailed and is_noted:
        return
    if known.in_work or _is_young(order):
        found.counts["in work"] += 1
        return
    parts = (
        ("no license" if not known.codes else f"{len(known.codes)} of {calls_for} licenses", is_licensed),
        ("no mail", is_mailed),
        ("no note", is_noted),
    )
    lacks = "paid, with " + ", ".join(part for part, is_there in parts if not is_there)
    if known.needs_a_person:
        found.add(Difference(what, f"{lacks}; its delivery is {known.needs_a_person}: see the inbox"))
    else:
        found.add(Difference(what, lacks, order.InvoiceID))


def _codes_of(catalog: Catalog, order: SalesOrder) -> int:
    """Return how many license codes an order calls for."""
    products = ((catalog.product(line.PartNo), line.QuantityOrdered) for line in order.Lines)
    return sum(product.codes(int(quantity)) for product, quantity in products if product and quantity > 0)


def _is_paid(catalog: Catalog, order: SalesOrder, rows: list[SalesOrderRow]) -> bool:
    by_payments = catalog.paid_when != "allocated" and paid_by_payments(order)
    return by_payments or (catalog.paid_when != "payments" and paid_by_allocation(rows))


def _is_young(order: SalesOrder) -> bool:
    saved = order.LastSavedDateTime
    return saved is not None and datetime.now(UTC) - _utc(saved) < IN_WORK_FOR


# Zentitle and the journal


async def _compare_licenses(
    zentitle: ZentitleClient,
    catalog: Catalog,
    window: tuple[datetime, datetime],
    codes: ExpectedCodes,
    found: Comparison,
) -> None:
    """Compare the codes of the catalog's products with the journal, both ways, a part of a page at a time."""
    # A code of a product that the catalog has no more is not gone for that.
    for product in sorted({product.product_id for product in catalog.products} | await codes.products()):
        made_here: list[str] = []
        async for code in rows_of(zentitle.list_license_codes, productid=product):
            made_here.append(code.licenseCode)
            in_window = code.created is not None and window[0] <= _utc(code.created) <= window[1]
            if (code.company or code.companyID) and in_window and await codes.unknown([code.licenseCode]):
                found.add(
                    Difference(
                        f"license {code.licenseCode}",
                        f"given to {code.company or code.companyID} at Zentitle, and not in the journal: made by "
                        "hand, or twice",
                    )
                )
            if len(made_here) >= PAGE:
                await codes.seen(made_here)
                made_here = []
        await codes.seen(made_here)
    number, first = await codes.left(MAX_SHOWN)
    found.number += max(0, number - len(first))
    for business, gone in first:
        found.add(Difference(business, f"license {gone} is in the journal, and no more at Zentitle"))


# What comes of it


async def _repair(connection: Connection, invoices: list[str]) -> int:
    """Let each order that lacks something be a delivery of ours; return how many are new."""
    run, made = str(flow_run.id or datetime.now(UTC).isoformat()), 0
    for start in range(0, len(invoices), PAGE):
        page = invoices[start : start + PAGE]
        receipts = await accept_all(connection, [_delivery(invoice, run) for invoice in page])
        made += sum(not receipt.duplicate for receipt in receipts)
    return made


def _delivery(invoice: str, run: str) -> Arrival:
    body = json.dumps({"InvoiceID": invoice}).encode()
    sealed = bodies.seal(Source.ours(), settings().body_keys, "application/json", body)
    return Arrival(SOURCE, f"{invoice} {run}", "POST", {}, {}, "application/json", *sealed)


async def _report_issue(connection: Connection, found: Comparison, about: str, *, repaired: bool) -> None:
    """Report what is left, or close the issue; a look at another window or account says nothing of this one."""
    cause = f"{CAUSE}: {about}"
    left = found.number - (found.counts["repaired"] if repaired else 0)
    if left <= 0:
        await issues.close(connection, cause=cause)
        return
    await issues.report(
        connection,
        cause=cause,
        title=f"reconcile: {found.line()}",
        advice="See the table `reconcile` under Artifacts in the Prefect UI. Run reconcile with repair for what is "
        "missing; look at the vendor for the rest.",
        kind=WORKFLOW,
    )


async def _conclude(found: Comparison, begin: datetime, end: datetime) -> State[None]:
    """Make the table and the final state."""
    line = found.line()
    if found.counts["repaired"]:
        line += f"; {found.counts['repaired']:,} given to order-to-license"
    rows = [
        {"what": markdown(each.what), "problem": markdown(each.problem), "repairable": bool(each.invoice_id)}
        for each in found.differences
    ]
    await acreate_table_artifact(
        key=WORKFLOW,
        description=f"Orders from {begin:%Y-%m-%d} to {end:%Y-%m-%d}: {line}",
        table=rows or [{"what": "all", "problem": "none", "repairable": False}],
    )
    if found.number:
        first = "\n".join(f"{each.what}: {each.problem}" for each in found.differences[:20])
        return Completed(name="Differences", message=f"{line}\n{first}")
    return Completed(name="No differences", message=line)


def _utc(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
