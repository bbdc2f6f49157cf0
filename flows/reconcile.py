"""Paid orders in Jiwa, the journal, and the licenses in Zentitle compared, both ways; and repaired if asked for."""

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import groupby
from operator import itemgetter
from typing import Annotated, Final

from prefect import flow
from prefect.artifacts import acreate_table_artifact
from prefect.client.schemas.objects import State
from prefect.runtime import flow_run
from prefect.states import Completed

from blocks.jiwa import JiwaCredentials
from blocks.zentitle import ZentitleCredentials
from flows.approval import declined_step
from flows.credits import HELD_BACK, held_back
from flows.handover import arrival
from flows.licenses import CREDITING, UP_TO
from flows.order_to_license import WORKFLOW as ORDER_TO_LICENSE
from flows.order_to_license import paid_by_allocation, paid_by_payments
from flows.parameters import JiwaBlock, ZentitleBlock, titled
from flows.report import artifact_key
from hookline import issues
from hookline.account_keys import DEFAULT, key_at, label_at, other_than_default
from hookline.catalog import Catalog, load_catalog
from hookline.clients import NotFound, pages
from hookline.clients.jiwa import JiwaClient
from hookline.clients.jiwa.models import SalesOrder
from hookline.clients.jiwa.queries import FilterValue, SalesOrderRow
from hookline.clients.zentitle import ZentitleClient
from hookline.database import lent
from hookline.database.types import Connection
from hookline.inbox.deliveries import accept_all
from hookline.journal.compare import ExpectedCodes, Journaled, of_keys
from hookline.record_links import Record, record_link
from hookline.settings import settings
from hookline.text import markdown
from tasks.about import about, begin, say_failed
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

    record: Record
    """The order or license; without an id where only its name is known."""
    problem: str
    repairable: bool = False
    """It is an order that `order-to-license` may complete; else a person must look."""

    @property
    def what(self) -> str:
        """Return what people call it."""
        return self.record.name

    def row(self, addresses: Mapping[str, str]) -> dict[str, object]:
        """Return it as a row of the table, inert in Markdown but for the link to its record."""
        what = record_link(self.record, addresses)
        return {"what": what, "problem": markdown(self.problem), "repairable": self.repairable}


@dataclass
class Comparison:
    """What was counted, and the differences."""

    jiwa: str = DEFAULT
    """The name of the block of the Jiwa that is compared."""
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
        if difference.repairable:
            self.to_repair.append(difference.record.id)

    def outcome(self) -> str:
        """Return the result in a few words, for the name of the run."""
        repaired = f", {self.counts['repaired']:,} handed over" if self.counts["repaired"] else ""
        return f"{f'{self.number:,}' if self.number else 'no'} difference{'s' * (self.number != 1)}{repaired}"

    def line(self) -> str:
        """Return the result in one line."""
        counted = ", ".join(f"{self.counts[name]:,} {name}" for name in ("paid", "licensed", "mailed"))
        also = "".join(
            f", {self.counts[name]:,} {name}" for name in ("declined", "in work") if self.counts[name]
        )
        return f"{counted}{also}; differences: {f'{self.number:,}' if self.number else 'none'}"


@flow(name=WORKFLOW, persist_result=False, on_failure=[say_failed])
async def reconcile(
    days: Annotated[int, titled("Days back", ge=1, le=3650)] = 14,
    until: Annotated[datetime | None, titled("Until")] = None,
    repair: Annotated[bool, titled("Repair")] = False,
    jiwa: JiwaBlock = "default",
    zentitle: ZentitleBlock = "default",
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
    catalog = load_catalog(settings().catalog).of(jiwa=jiwa, zentitle=zentitle)
    end = (until or datetime.now(UTC)).astimezone(UTC)
    start = end - timedelta(days=days)
    accounts = {"jiwa": jiwa, "zentitle": zentitle}
    name = label_at(f"orders of {start:%Y-%m-%d} to {end:%Y-%m-%d}", **accounts)
    await begin(f"{name} compared")
    account = await JiwaCredentials.named(jiwa)
    found = Comparison(jiwa)
    async with lent(settings()) as connection:
        codes = ExpectedCodes(connection)
        await codes.make()
        async with account.get_client() as client:
            await _compare_orders(client, catalog, (start, end), codes, found)
        await _compare_licenses(_zentitle, catalog, (start, end), codes, found)
        if repair and found.to_repair:
            found.counts["repaired"] = await _repair(connection, found.to_repair, accounts)
        of = f"{days} days{f' until {until}' if until else ''}, {jiwa}, {zentitle}"
        whose = label_at(WORKFLOW, **accounts)
        await _report_issue(connection, found, of, whose, repaired=repair)
    return await _conclude(found, artifact_key(whose), name)


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
    keys = [key_at(rows[0].InvoiceID, jiwa=found.jiwa) for rows in page]
    known = await of_keys(codes.connection, ORDER_TO_LICENSE, keys, step="license ", ordering="jiwa order ")
    credited = await of_keys(codes.connection, CREDITING, keys, step=HELD_BACK, ordering="jiwa order ")
    for rows, key in zip(page, keys, strict=True):
        held = held_back(code for code, _ in credited[key].codes)
        await _compare_order(jiwa, catalog, rows, known[key], held, codes, found)


async def _compare_order(
    jiwa: JiwaClient,
    catalog: Catalog,
    rows: list[SalesOrderRow],
    known: Journaled,
    held: Counter[str],
    codes: ExpectedCodes,
    found: Comparison,
) -> None:
    try:
        order = await jiwa.get_sales_order(InvoiceID=rows[0].InvoiceID)
    except NotFound:
        return  # deleted while the list was read
    record = _record(order, found)
    await codes.add(record.name, known.codes)
    calls_for = 0 if order.CreditNote else _codes_of(catalog, order, held, len(known.codes))
    if not calls_for and not known.codes:
        return
    if not _is_paid(catalog, order, rows):
        if known.codes:
            found.add(Difference(record, f"not paid, and {_licensed(len(known.codes))}"))
        return
    if calls_for:
        found.counts["paid"] += 1
        _judge(order, calls_for, known, found)


def _record(order: SalesOrder, found: Comparison) -> Record:
    what = label_at(f"order {order.InvoiceNo}", jiwa=found.jiwa)
    return Record("jiwa", "sales-order", order.InvoiceID, found.jiwa, what)


def _licensed(number: int) -> str:
    return "1 license was given" if number == 1 else f"{number} licenses were given"


def _judge(order: SalesOrder, calls_for: int, known: Journaled, found: Comparison) -> None:
    """Count a paid order that calls for licenses, or add what it lacks."""
    record = _record(order, found)
    is_licensed, is_mailed = len(known.codes) >= calls_for, "mail" in known.done
    is_noted = "order note" in known.done
    # What was added to it later is mailed and noted once more.
    for added in (step for step in known.done if step.startswith("license ") and UP_TO in step):
        reported = [step for step in known.done if f"{added})" in step or f"{added}," in step]
        is_mailed = is_mailed and any(step.startswith("mail") for step in reported)
        is_noted = is_noted and any(step.startswith("order note") for step in reported)
    if not is_licensed and declined_step(order) in known.done:
        found.counts["declined"] += 1  # which is what somebody wants, and no difference
        if not known.codes:
            return
        is_licensed = True
    found.counts["licensed"] += is_licensed
    found.counts["mailed"] += is_mailed
    if len(known.codes) > calls_for:
        found.add(Difference(record, f"{_licensed(len(known.codes))}; it calls for {calls_for}"))
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
        found.add(Difference(record, f"{lacks}; its delivery is {known.needs_a_person}: see the inbox"))
    else:
        found.add(Difference(record, lacks, repairable=True))


def _codes_of(catalog: Catalog, order: SalesOrder, held: Counter[str], licensed: int) -> int:
    """Return how many license codes an order calls for; those that were credited before it had them are not missed."""
    ordered, left = 0, 0
    for line in order.Lines:
        product, quantity = catalog.product(line.PartNo), int(line.QuantityOrdered)
        if product is not None and quantity > 0:
            taken = min(held[line.PartNo], quantity)
            held[line.PartNo] -= taken
            ordered += product.codes(quantity)
            left += product.codes(quantity - taken) if quantity > taken else 0
    return min(ordered, max(left, licensed))


def _is_paid(catalog: Catalog, order: SalesOrder, rows: list[SalesOrderRow]) -> bool:
    by_payments = catalog.paid_when != "allocated" and paid_by_payments(order)
    return by_payments or (catalog.paid_when != "payments" and paid_by_allocation(rows))


def _is_young(order: SalesOrder) -> bool:
    saved = order.LastSavedDateTime
    return saved is not None and datetime.now(UTC) - _utc(saved) < IN_WORK_FOR


# Zentitle and the journal


async def _zentitle(name: str) -> ZentitleClient:
    return (await ZentitleCredentials.named(name)).get_client()


async def _compare_licenses(
    client_of: Callable[[str], Awaitable[ZentitleClient]],
    catalog: Catalog,
    window: tuple[datetime, datetime],
    codes: ExpectedCodes,
    found: Comparison,
) -> None:
    """Compare the codes of the catalog's products with the journal, both ways, account by account."""
    # A code of a product that the catalog has no more is not gone for that.
    products = await codes.products() | {
        (f"zentitle/{product.zentitle}", product.product_id) for product in catalog.products
    }
    for account, of_account in groupby(sorted(products), key=itemgetter(0)):
        async with await client_of(account.partition("/")[2]) as client:
            await _compare_products(client, [product for _, product in of_account], window, codes, found)
    number, first = await codes.left(MAX_SHOWN)
    found.number += max(0, number - len(first))
    for business, gone in first:
        record = Record("jiwa", "sales-order", "", name=business)
        found.add(Difference(record, f"license {gone} is in the journal, and no more at Zentitle"))


async def _compare_products(
    zentitle: ZentitleClient,
    products: list[str],
    window: tuple[datetime, datetime],
    codes: ExpectedCodes,
    found: Comparison,
) -> None:
    """Compare the codes of products of one account with the journal, a part of a page at a time."""
    for product in products:
        made_here: list[str] = []
        async for code in rows_of(zentitle.list_license_codes, productid=product):
            made_here.append(code.licenseCode)
            in_window = code.created is not None and window[0] <= _utc(code.created) <= window[1]
            if (
                (code.company or code.companyID)
                and in_window
                and await codes.unknown(zentitle.account, [code.licenseCode])
            ):
                account = zentitle.account.partition("/")[2]
                what = label_at(f"license {code.licenseCode}", zentitle=account)
                found.add(
                    Difference(
                        Record("zentitle", "license", code.licenseCode, account, what),
                        f"given to {code.company or code.companyID} at Zentitle, and not in the journal: made by "
                        "hand, or twice",
                    )
                )
            if len(made_here) >= PAGE:
                await codes.seen(zentitle.account, made_here)
                made_here = []
        await codes.seen(zentitle.account, made_here)


# What comes of it


async def _repair(connection: Connection, invoices: list[str], blocks: dict[str, str]) -> int:
    """Let each order that lacks something be a delivery of ours; return how many are new."""
    run, made = str(flow_run.id or datetime.now(UTC).isoformat()), 0
    for start in range(0, len(invoices), PAGE):
        page = invoices[start : start + PAGE]
        arrivals = [
            arrival(SOURCE, f"{invoice} {run}", {"InvoiceID": invoice} | other_than_default(**blocks))
            for invoice in page
        ]
        receipts = await accept_all(connection, arrivals)
        made += sum(not receipt.duplicate for receipt in receipts)
    return made


async def _report_issue(
    connection: Connection, found: Comparison, about: str, whose: str, *, repaired: bool
) -> None:
    """Report what is left, or close the issue; a look at another window or account says nothing of this one."""
    cause = f"{CAUSE}: {about}"
    left = found.number - (found.counts["repaired"] if repaired else 0)
    if left <= 0:
        await issues.close(connection, cause=cause)
        return
    await issues.report(
        connection,
        cause=cause,
        title=f"{whose}: {found.line()}",
        advice=f"See the table `{artifact_key(whose)}` under Artifacts in the Prefect UI. Run reconcile with "
        "repair for what is missing; look at the vendor for the rest.",
        kind=WORKFLOW,
    )


async def _conclude(found: Comparison, key: str, name: str) -> State[None]:
    """Make the table and the final state."""
    line = found.line()
    if found.counts["repaired"]:
        line += f"; {found.counts['repaired']:,} given to order-to-license"
    await about(f"{name}: {found.outcome()}")
    rows = [each.row(settings().record_urls) for each in found.differences]
    await acreate_table_artifact(
        key=key,
        description=f"{name[:1].upper()}{name[1:]}: {line}",
        table=rows or [{"what": "all", "problem": "none", "repairable": False}],
    )
    if found.number:
        first = "\n".join(f"{each.what}: {each.problem}" for each in found.differences[:20])
        return Completed(name="Differences", message=f"{line}\n{first}")
    return Completed(name="No differences", message=line)


def _utc(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
