"""The licenses of a paid Jiwa order: Zentitle codes and consumer records, one Sensorpro mail, one note on the order."""

from collections import Counter
from collections.abc import Sequence
from decimal import Decimal

from prefect import flow
from prefect.artifacts import acreate_markdown_artifact
from prefect.client.schemas.objects import State
from prefect.states import Completed

from blocks.jiwa import JiwaCredentials
from blocks.sensorpro import SensorproCredentials
from flows.approval import is_approved
from flows.credits import without_credited
from flows.handover import hand_over_licenses
from flows.licensed_order import LicensedOrder
from flows.licenses import Licensing, LineItem
from flows.mail import Mailer
from flows.orders import customer_of, order_of
from flows.parameters import JiwaBlock, OrderId, SensorproBlock, ZentitleBlock
from flows.renewals import hand_over_renewals, renewing
from flows.report import artifact_key, with_delivery
from flows.texts import render
from flows.texts.order_to_license import Report
from flows.wording import worded
from hookline.catalog import Catalog, load_catalog
from hookline.clients.jiwa.models import SalesOrder
from hookline.clients.jiwa.queries import MAX_TAKE, SalesOrderRow
from hookline.errors import ConfigurationError, HooklineError
from hookline.prefect_adapter.retries import RETRIES
from hookline.record_links import Record, record_links
from hookline.settings import settings
from hookline.text import markdown
from tasks import jiwa as jiwa_tasks
from tasks.about import about, begin, is_unbatched, say_failed
from tasks.effects import BusinessKey
from tasks.policies import vendor_task

WORKFLOW = "order-to-license"
DECIDING = ("InvoiceID", "LocalInvoiceTotalIncTax", "TotalAllocated")
"""The fields of an order in Jiwa's list by which it is paid; left out, they would be read as 0."""


# No stored results: the journal keeps what matters, and asking for their storage costs two calls a run.
@flow(name=WORKFLOW, persist_result=False, on_failure=[say_failed])
async def order_to_license(
    invoice_id: OrderId,
    jiwa: JiwaBlock = "default",
    zentitle: ZentitleBlock = "default",
    sensorpro: SensorproBlock = "default",
) -> State[None]:
    """
    License what a paid order calls for, and send the licenses to the customer.

    Run again, it completes what is missing and repeats nothing.

    Args:
        invoice_id: Jiwa's InvoiceID of the order.
        jiwa: name of the Jiwa Credentials block.
        zentitle: name of the Zentitle Credentials block.
        sensorpro: name of the Sensorpro Credentials block.
    """
    await begin(f"order {invoice_id}")
    # Before the order is read: another run may work on it, for an update and a payment come as two deliveries.
    async with BusinessKey(WORKFLOW, invoice_id, f"order {invoice_id}").at(jiwa=jiwa).exclusive():
        return await _licensed(invoice_id, jiwa, zentitle, sensorpro)


async def _licensed(invoice_id: str, jiwa: str, zentitle: str, sensorpro: str) -> State[None]:
    catalog = load_catalog(settings().catalog).of(jiwa=jiwa, zentitle=zentitle)
    jiwa_account = await JiwaCredentials.named(jiwa)
    order = await order_of(jiwa_account, invoice_id)
    business = BusinessKey(WORKFLOW, order.InvoiceID, f"order {order.InvoiceNo or order.InvoiceID}").at(
        jiwa=jiwa
    )
    label = business.label
    await about(f"{label} · {order.DebtorName}", order=order.InvoiceNo, customer=order.DebtorAccountNo)

    if reason := await _nothing_to_do(catalog, jiwa_account, order):
        await about(f"{label}: {reason}")
        return Completed(name=reason.capitalize(), message=f"{label}: {reason}; nothing was done.")
    line_items, renewals = line_items_of(catalog, order), renewing(catalog, order)
    blocks = {"jiwa": jiwa, "zentitle": zentitle, "sensorpro": sensorpro}
    if catalog.credits is not None:
        line_items = await without_credited(business, line_items)
    if not line_items and not renewals:
        await about(f"{label}: credited")
        return Completed(
            name="Credited", message=f"{label}: credited before it was licensed; nothing was done."
        )
    if not await is_approved(jiwa_account, business, order, catalog.approval):
        await about(f"{label}: declined")
        return Completed(name="Declined", message=f"{label}: declined; nothing was licensed.")
    if renewals:
        await hand_over_renewals(order, renewals, blocks)
    if not line_items:
        await about(f"{label}: renewal")
        return Completed(name="Renewal", message=f"{label}: handed over to renewal-paid.")
    customer = await customer_of(jiwa_account, order, so_far="Nothing was allocated.")

    licensing = Licensing(catalog, business, order, customer)
    codes = {line.step: await licensing.license_line(line) for line in line_items}

    # What was added later is told once more, with all that there is.
    later = f" ({', '.join(licensing.enlarged)})" if licensing.enlarged else ""
    values = LicensedOrder(order, customer, line_items, codes, licensing.enlarged)
    mailer = Mailer(await SensorproCredentials.named(sensorpro), customer.contact, customer.language)
    await mailer.send(business.step(f"mail{later}"), catalog.mail, values.mail())
    step = business.step(f"order note{later}")
    note = await worded(step, values.note())
    await jiwa_tasks.create_sales_order_note(jiwa_account, step, InvoiceID=order.InvoiceID, NoteText=note)
    await hand_over_licenses(catalog, order.InvoiceID, line_items, codes, blocks)
    await _report(label, values.report(), values.records(jiwa))
    return Completed(
        message=f"{label} for {customer.account.name}: {sum(map(len, codes.values()))} license codes{later}."
    )


async def _nothing_to_do(catalog: Catalog, jiwa: JiwaCredentials, order: SalesOrder) -> str | None:
    """Return the reason why an order calls for nothing; None if it calls for licenses, or renews some."""
    if order.CreditNote:
        return "credit note"
    if not order.Lines:
        return "empty order"
    licenses = any(catalog.product(line.PartNo) and line.QuantityOrdered > 0 for line in order.Lines)
    if not licenses and not renewing(catalog, order):
        return "no licensed part"
    if not await is_paid(catalog, jiwa, order):
        return "not paid"
    return None


async def is_paid(catalog: Catalog, jiwa: JiwaCredentials, order: SalesOrder) -> bool:
    """Return True if an order is paid, as the catalog judges it."""
    # Jiwa has no flag for it: cash sales show in the order's payments, account customers' money in the ledger.
    if catalog.paid_when != "allocated" and paid_by_payments(order):
        return True
    if catalog.paid_when == "payments":
        return False
    rows = await listed(jiwa, order.InvoiceID)
    if any(not row.model_fields_set.issuperset(DECIDING) for row in rows):
        raise HooklineError(
            f"Jiwa's query_sales_orders does not show {', '.join(DECIDING)} of order {order.InvoiceNo}, so it is not "
            "known whether it is paid. Compare the answer with Jiwa's reference, then run this again."
        )
    return paid_by_allocation(rows)


@vendor_task
async def listed(jiwa: JiwaCredentials, invoice_id: str) -> list[SalesOrderRow]:  # fact: list-may-be-late
    """
    Return an order as Jiwa's list shows it, a row for each delivery.

    Raises:
        NotListed: not yet, though the order was read just now: a list may be late. It is asked for again.
    """
    async with jiwa.get_client() as client:
        found = await client.query_sales_orders(
            InvoiceID=invoice_id, OrderBy="InvoiceHistoryID", Take=MAX_TAKE
        )
    # Jiwa ignores a filter that it does not know: take none but ours.
    if rows := [row for row in found.Results if row.InvoiceID == invoice_id]:
        return rows
    landing = jiwa.landing_seconds
    raise NotListed(settings().landing_seconds if landing is None else landing)


class NotListed(HooklineError):
    """Jiwa's list does not show an order that Jiwa has; trying again helps, until it cannot be late any more."""

    transient = True

    def __init__(self, landing_seconds: float) -> None:
        super().__init__(
            "Jiwa's query_sales_orders does not show the order, though get_sales_order does, so it is not known "
            f"whether it is paid. It was waited for, {landing_seconds:g} s and more. Look for the order in Jiwa's "
            "list, then run this again."
        )
        self.landing_seconds = landing_seconds
        self.retry_after = landing_seconds / RETRIES

    def __reduce__(self) -> tuple[type, tuple[float]]:
        """Pickle by its argument: Prefect stores the error of a failed run."""
        return type(self), (self.landing_seconds,)


def paid_by_payments(order: SalesOrder) -> bool:
    """Return True if its payments cover an order (cash sales). A declined or pending payment does not count."""
    total = sum((history.HistoryTotal for history in order.Histories), Decimal(0))
    final = {"Authorised", "NoAuthorisationNeeded"}
    paid = sum((p.AmountPaid for p in order.Payments if p.AuthorisationStatus in final), Decimal(0))
    covered = all(history.AmountPaid >= history.HistoryTotal for history in order.Histories)
    return total > 0 and (paid >= total or covered)


def paid_by_allocation(rows: list[SalesOrderRow]) -> bool:
    """Return True if money allocated in the debtor ledger covers every delivery of an order (account customers)."""
    return any(row.LocalInvoiceTotalIncTax > 0 for row in rows) and all(
        row.TotalAllocated >= row.LocalInvoiceTotalIncTax for row in rows
    )


def line_items_of(catalog: Catalog, order: SalesOrder) -> list[LineItem]:
    """
    Return the lines of an order that call for licenses.

    A step is known by its part, and by its number among the lines of that part: line ids change when Jiwa
    splits an order into deliveries, and a license must not be given again for that.
    """
    seen: Counter[str] = Counter()
    line_items = []
    for line in order.Lines:
        product = catalog.product(line.PartNo)
        if product is None or line.QuantityOrdered <= 0:
            continue
        if line.QuantityOrdered != int(line.QuantityOrdered):
            raise HooklineError(
                f"Line {line.PartNo} of order {order.InvoiceNo} asks for {line.QuantityOrdered} licenses; only "
                "whole numbers can be allocated. Change the line in Jiwa, then run this again."
            )
        seen[line.PartNo] += 1
        number = f" #{seen[line.PartNo]}" if seen[line.PartNo] > 1 else ""
        line_items.append(LineItem(f"license {line.PartNo}{number}", product, int(line.QuantityOrdered)))
    return line_items


async def _report(label: str, report: Report, records: Sequence[Record]) -> None:
    """Report in the Prefect UI what was done, in an artifact; a file that is wrong fails nothing that is done."""
    if not is_unbatched():
        return
    try:
        text = await render(report)
    except ConfigurationError as error:
        text = f"The report cannot be written. {markdown(str(error))}"
    links = record_links(records, settings().record_urls)
    await acreate_markdown_artifact(
        key=artifact_key(label),
        description=with_delivery(f"Licenses of {markdown(label)}"),
        markdown="\n\n".join(filter(None, (text, links))),
    )
