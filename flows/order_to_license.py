"""The licenses of a paid Jiwa order: Zentitle codes and consumer records, one Sensorpro mail, one note on the order."""

import asyncio
from collections import Counter
from decimal import Decimal

from prefect import flow
from prefect.artifacts import acreate_markdown_artifact
from prefect.client.schemas.objects import State
from prefect.states import Completed

from blocks import JiwaCredentials, SensorproCredentials, ZentitleCredentials
from flows.customers import Account, company_of
from flows.licenses import Customer, Licensing, LineItem
from flows.mail import Mailer, contact_of
from flows.report import is_unbatched, name_run
from hookline.catalog import Catalog, load_catalog
from hookline.clients import NotFound
from hookline.clients.jiwa.models import SalesOrder
from hookline.clients.jiwa.queries import MAX_TAKE, SalesOrderRow
from hookline.errors import HooklineError
from hookline.settings import settings
from hookline.text import markdown
from tasks import jiwa as jiwa_tasks
from tasks.effects import BusinessKey

WORKFLOW = "order-to-license"
DECIDING = ("InvoiceID", "LocalInvoiceTotalIncTax", "TotalAllocated")
"""The fields of an order in Jiwa's list by which it is paid; left out, they would be read as 0."""


# No stored results: the journal keeps what matters, and asking for their storage costs two calls a run.
@flow(name=WORKFLOW, persist_result=False)
async def order_to_license(
    invoice_id: str, jiwa: str = "default", zentitle: str = "default", sensorpro: str = "default"
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
    # Before the order is read: another run may work on it, for an update and a payment come as two deliveries.
    async with BusinessKey(WORKFLOW, invoice_id, f"order {invoice_id}").exclusive():
        return await _licensed(invoice_id, jiwa, zentitle, sensorpro)


async def _licensed(invoice_id: str, jiwa: str, zentitle: str, sensorpro: str) -> State[None]:
    catalog = load_catalog(settings().catalog)
    jiwa_account = await JiwaCredentials.named(jiwa)
    order = await _order(jiwa_account, invoice_id)
    label = f"order {order.InvoiceNo or order.InvoiceID}"
    business = BusinessKey(WORKFLOW, order.InvoiceID, label)

    if reason := await _nothing_to_do(catalog, jiwa_account, order):
        await _name_run(f"{label}: {reason}", order)
        return Completed(name=reason.capitalize(), message=f"{label}: {reason}; nothing was done.")
    line_items = _line_items(catalog, order)
    customer = await _customer(jiwa_account, order)

    zentitle_account = await ZentitleCredentials.named(zentitle)
    company = await company_of(zentitle_account, customer.account, line_items[0].product.product_id)
    licensing = Licensing(zentitle_account, catalog, business, order, customer, company)
    codes = {line.step: await licensing.license_line(line) for line in line_items}

    # What was added later is told once more, with all that there is.
    later = f" ({', '.join(licensing.enlarged)})" if licensing.enlarged else ""
    listing = _listing(line_items, codes)
    mailer = Mailer(await SensorproCredentials.named(sensorpro), customer.contact)
    await mailer.send(business.step(f"mail{later}"), catalog.mail, order=order.InvoiceNo, licenses=listing)
    await jiwa_tasks.create_sales_order_note(
        jiwa_account,
        business.step(f"order note{later}"),
        InvoiceID=order.InvoiceID,
        NoteText=f"Licenses allocated and mailed{later}:\n{listing}",
    )
    await _report(order, customer, line_items, codes)
    return Completed(
        message=f"{label} for {customer.account.name}: {sum(map(len, codes.values()))} license codes{later}."
    )


async def _order(jiwa: JiwaCredentials, invoice_id: str) -> SalesOrder:
    try:
        return await jiwa_tasks.get_sales_order(jiwa, InvoiceID=invoice_id)
    except NotFound:
        raise HooklineError(
            f"Jiwa has no order with the InvoiceID {invoice_id!r}. It may be deleted, or the webhook came from "
            "another company's database."
        ) from None


async def _nothing_to_do(catalog: Catalog, jiwa: JiwaCredentials, order: SalesOrder) -> str | None:
    """Return the reason why an order calls for nothing; None if it calls for licenses."""
    if order.CreditNote:
        return "credit note"
    if not order.Lines:
        return "empty order"
    if not any(catalog.product(line.PartNo) and line.QuantityOrdered > 0 for line in order.Lines):
        return "no licensed part"
    if not await _is_paid(catalog, jiwa, order):
        return "not paid"
    return None


async def _is_paid(catalog: Catalog, jiwa: JiwaCredentials, order: SalesOrder) -> bool:
    # Jiwa has no flag for it: cash sales show in the order's payments, account customers' money in the ledger.
    if catalog.paid_when != "allocated" and paid_by_payments(order):
        return True
    if catalog.paid_when == "payments":
        return False
    found = await jiwa_tasks.query_sales_orders(
        jiwa, InvoiceID=order.InvoiceID, OrderBy="InvoiceHistoryID", Take=MAX_TAKE
    )
    # Jiwa ignores a filter that it does not know: take none but ours.
    rows = [row for row in found.Results if row.InvoiceID == order.InvoiceID]
    if not rows or any(not row.model_fields_set.issuperset(DECIDING) for row in rows):
        raise HooklineError(
            f"Jiwa's query_sales_orders does not show {', '.join(DECIDING)} of order {order.InvoiceNo}, so it is not "
            "known whether it is paid. Compare the answer with Jiwa's reference, then run this again."
        )
    return paid_by_allocation(rows)


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


def _line_items(catalog: Catalog, order: SalesOrder) -> list[LineItem]:
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


async def _customer(jiwa: JiwaCredentials, order: SalesOrder) -> Customer:
    """
    Return the customer of an order, complete before anything is allocated.

    Raises:
        HooklineError: the customer has no valid e-mail address.
    """
    email = (
        order.DebtorEmailAddress
        or order.DeliveryAddressEmailAddress
        or (await jiwa_tasks.get_debtor(jiwa, DebtorID=order.DebtorID)).EmailAddress
    )
    contact = contact_of(
        f"customer {order.DebtorName} ({order.DebtorAccountNo}) of order {order.InvoiceNo}",
        email,
        order.DebtorContactName or order.DebtorName,
        kept_in="Jiwa",
        so_far="Nothing was allocated.",
    )
    return Customer(Account(order.DebtorAccountNo, order.DebtorName, email), contact)


def _listing(line_items: list[LineItem], codes: dict[str, list[str]]) -> str:
    """Return the license codes of an order, a line each."""
    return "\n".join(f"{line.product.part_no}: {code}" for line in line_items for code in codes[line.step])


async def _report(
    order: SalesOrder, customer: Customer, line_items: list[LineItem], codes: dict[str, list[str]]
) -> None:
    """Report in the Prefect UI what was done: in the run's name and tags, and in an artifact."""
    if not is_unbatched():
        return
    rows = [
        f"| {markdown(line.product.part_no)} | {line.quantity} | {markdown(', '.join(codes[line.step]))} |"
        for line in line_items
    ]
    artifact = acreate_markdown_artifact(
        key=f"order-{order.InvoiceNo or order.InvoiceID}".lower(),
        description=f"Licenses of order {markdown(order.InvoiceNo)}",
        markdown="\n".join(
            [
                f"# Order {markdown(order.InvoiceNo)}",
                markdown(f"{customer.account.name} ({customer.account.account_no}), {customer.account.email}")
                + "\n",
                "| part | quantity | license codes |",
                "| --- | --- | --- |",
                *rows,
            ]
        ),
    )
    await asyncio.gather(artifact, _name_run(f"order {order.InvoiceNo} · {customer.account.name}", order))


async def _name_run(name: str, order: SalesOrder) -> None:
    await name_run(name, (f"order:{order.InvoiceNo}", f"customer:{order.DebtorAccountNo}"))
