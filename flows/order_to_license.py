"""A paid Jiwa order becomes Zentitle licenses, consumer records, one Sensorpro mail and one note on the order."""

import asyncio
from collections import Counter
from dataclasses import dataclass
from decimal import Decimal

from prefect import flow
from prefect.artifacts import acreate_markdown_artifact
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import State
from prefect.runtime import flow_run
from prefect.states import Completed
from pydantic import ValidationError

from blocks import JiwaCredentials, SensorproCredentials, ZentitleCredentials
from flows.customers import Account, company_of
from flows.report import has_own_run
from hookline.catalog import Catalog, Product, load_catalog
from hookline.clients import NotFound
from hookline.clients.jiwa.models import SalesOrder
from hookline.clients.jiwa.queries import MAX_TAKE, SalesOrderRow
from hookline.clients.sensorpro.models import NewContact
from hookline.errors import HooklineError
from hookline.settings import settings
from hookline.text import markdown, one_line
from tasks import jiwa as jiwa_tasks
from tasks import sensorpro as sensorpro_tasks
from tasks import zentitle as zentitle_tasks
from tasks.effects import Business

WORKFLOW = "order-to-license"


@dataclass(frozen=True)
class Customer:
    """Who an order is for."""

    account_no: str
    name: str
    contact: NewContact

    @property
    def email(self) -> str:
        """Where the licenses are sent."""
        return self.contact.PersonalEMail

    @property
    def account(self) -> Account:
        """The customer, for what is done once for all orders."""
        return Account(self.account_no, self.name, self.email)


@dataclass(frozen=True)
class Wanted:
    """What one line of an order calls for."""

    step: str
    product: Product
    quantity: int


# No stored results: the journal keeps what matters, and asking for their storage costs two calls a run.
@flow(name=WORKFLOW, persist_result=False)
async def order_to_license(
    invoice_id: str, jiwa: str = "default", zentitle: str = "default", sensorpro: str = "default"
) -> State[None]:
    """
    License what a paid order calls for, and tell the customer.

    Run again, it completes what is missing and repeats nothing.

    Args:
        invoice_id: Jiwa's InvoiceID of the order.
        jiwa: name of the Jiwa Credentials block.
        zentitle: name of the Zentitle Credentials block.
        sensorpro: name of the Sensorpro Credentials block.
    """
    # Before the order is read: another run may be at it, for an update and a payment come as two deliveries.
    async with Business(WORKFLOW, invoice_id, f"order {invoice_id}").alone():
        return await _licensed(invoice_id, jiwa, zentitle, sensorpro)


async def _licensed(invoice_id: str, jiwa: str, zentitle: str, sensorpro: str) -> State[None]:
    catalog = load_catalog(settings().catalog)
    jiwa_account = await JiwaCredentials.named(jiwa)
    order = await _order(jiwa_account, invoice_id)
    label = f"order {order.InvoiceNo or order.InvoiceID}"
    business = Business(WORKFLOW, order.InvoiceID, label)

    if reason := await _nothing_to_do(catalog, jiwa_account, order):
        await _name_run(f"{label}: {reason}", order)
        return Completed(name=reason.capitalize(), message=f"{label}: {reason}; nothing was done.")
    wanted = _wanted(catalog, order)
    customer = await _customer(jiwa_account, order)

    zentitle_account = await ZentitleCredentials.named(zentitle)
    company = await company_of(zentitle_account, customer.account, wanted[0].product.product_id)
    codes: dict[str, list[str]] = {}
    for line in wanted:
        codes[line.step] = await _license(zentitle_account, business, order, customer, company, line, catalog)

    listing = _listing(wanted, codes)
    await sensorpro_tasks.trigger_email(
        await SensorproCredentials.named(sensorpro),
        business.at("mail", resend=catalog.mail.if_unknown == "send-again"),
        CampId=catalog.mail.campaign_id,
        BroadcastId=catalog.mail.broadcast_id,
        ContactData=customer.contact,
        NamedPairsParameters={"order": order.InvoiceNo, "licenses": listing},
    )
    await jiwa_tasks.create_sales_order_note(
        jiwa_account,
        business.at("order note"),
        InvoiceID=order.InvoiceID,
        NoteText=f"Licenses allocated and mailed:\n{listing}",
    )
    await _report(order, customer, wanted, codes)
    return Completed(message=f"{label} for {customer.name}: {sum(map(len, codes.values()))} license codes.")


async def _order(jiwa: JiwaCredentials, invoice_id: str) -> SalesOrder:
    try:
        return await jiwa_tasks.get_sales_order(jiwa, InvoiceID=invoice_id)
    except NotFound:
        raise HooklineError(
            f"Jiwa has no order with the InvoiceID {invoice_id!r}. It may be deleted, or the webhook came from "
            "another company's database."
        ) from None


async def _nothing_to_do(catalog: Catalog, jiwa: JiwaCredentials, order: SalesOrder) -> str | None:
    """Why an order calls for nothing, if it does not."""
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
    return paid_by_allocation([row for row in found.Results if row.InvoiceID == order.InvoiceID])


def paid_by_payments(order: SalesOrder) -> bool:
    """Whether the payments on an order cover it (cash sales). A declined or pending payment does not count."""
    total = sum((history.HistoryTotal for history in order.Histories), Decimal(0))
    settled = {"Authorised", "NoAuthorisationNeeded"}
    paid = sum((p.AmountPaid for p in order.Payments if p.AuthorisationStatus in settled), Decimal(0))
    covered = all(history.AmountPaid >= history.HistoryTotal for history in order.Histories)
    return total > 0 and (paid >= total or covered)


def paid_by_allocation(rows: list[SalesOrderRow]) -> bool:
    """Whether money allocated in the debtor ledger covers every delivery of an order (account customers)."""
    return any(row.LocalInvoiceTotalIncTax > 0 for row in rows) and all(
        row.TotalAllocated >= row.LocalInvoiceTotalIncTax for row in rows
    )


def _wanted(catalog: Catalog, order: SalesOrder) -> list[Wanted]:
    """
    What the lines of an order call for.

    A step is known by its part, and by its number among the lines of that part: line ids change when Jiwa
    splits an order into deliveries, and a license must not be given again for that.
    """
    seen: Counter[str] = Counter()
    wanted = []
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
        wanted.append(Wanted(f"license {line.PartNo}{number}", product, int(line.QuantityOrdered)))
    return wanted


async def _customer(jiwa: JiwaCredentials, order: SalesOrder) -> Customer:
    """
    Who an order is for; known to be complete before anything is allocated.

    Raises:
        HooklineError: the customer has no e-mail address, or one that cannot be one.
    """
    email = (
        order.DebtorEmailAddress
        or order.DeliveryAddressEmailAddress
        or (await jiwa_tasks.get_debtor(jiwa, DebtorID=order.DebtorID)).EmailAddress
    )
    if not email:
        raise HooklineError(
            f"Customer {order.DebtorName} ({order.DebtorAccountNo}) of order {order.InvoiceNo} has no e-mail "
            "address, so the licenses could not be sent. Nothing was allocated. Enter one in Jiwa, then run "
            "this again."
        )
    try:
        contact = NewContact(PersonalEMail=email, FirstName=order.DebtorContactName or order.DebtorName)
    except ValidationError:
        raise HooklineError(
            f"The e-mail address {email!r} of customer {order.DebtorName} ({order.DebtorAccountNo}) cannot be "
            f"one, so the licenses of order {order.InvoiceNo} could not be sent. Nothing was allocated. Mend it "
            "in Jiwa, then run this again."
        ) from None
    return Customer(account_no=order.DebtorAccountNo, name=order.DebtorName, contact=contact)


async def _license(
    zentitle: ZentitleCredentials,
    business: Business,
    order: SalesOrder,
    customer: Customer,
    company: int,
    line: Wanted,
    catalog: Catalog,
) -> list[str]:
    """Allocate and set up what one line calls for; its license codes."""
    product = line.product
    codes = await zentitle_tasks.create_license_codes(
        zentitle,
        business.at(line.step, uses=[company]),
        productid=product.product_id,
        companyid=company,
        numcodes=product.codes(line.quantity),
        profilename=product.profile,
        reference=f"{business.label} {line.step}",
    )
    for code in codes:
        await zentitle_tasks.set_license_terms(
            zentitle,
            business,
            product.product_id,
            code,
            clients=product.clients(line.quantity),
            days=product.days,
        )
        await zentitle_tasks.create_license_note(
            zentitle,
            business.at(f"license note of {code}"),
            productid=product.product_id,
            licensecode=code,
            description=f"Order {order.InvoiceNo}",
        )
        await zentitle_tasks.create_consumer_data(
            zentitle,
            business.at(f"consumer record of {code}"),
            productid=product.product_id,
            licensecode=code,
            computerid=_computer_id(catalog, order),
            clientinfo={
                "firstname": customer.contact.FirstName or "",
                "company": customer.name,
                "email": customer.email,
                "order": order.InvoiceNo,
            },
        )
    return codes


def _computer_id(catalog: Catalog, order: SalesOrder) -> str:
    field = catalog.computer_id_field
    contents = [value.Contents for value in order.CustomFieldValues if field and value.SettingID == field]
    return next(filter(None, contents), order.InvoiceID)


def _listing(wanted: list[Wanted], codes: dict[str, list[str]]) -> str:
    """The license codes of an order, a line each."""
    return "\n".join(f"{line.product.part_no}: {code}" for line in wanted for code in codes[line.step])


async def _report(
    order: SalesOrder, customer: Customer, wanted: list[Wanted], codes: dict[str, list[str]]
) -> None:
    """Say in the Prefect UI what was done: in the run's name and tags, and in an artifact."""
    if not has_own_run():
        return
    rows = [
        f"| {markdown(line.product.part_no)} | {line.quantity} | {markdown(', '.join(codes[line.step]))} |"
        for line in wanted
    ]
    artifact = acreate_markdown_artifact(
        key=f"order-{order.InvoiceNo or order.InvoiceID}".lower(),
        description=f"Licenses of order {markdown(order.InvoiceNo)}",
        markdown="\n".join(
            [
                f"# Order {markdown(order.InvoiceNo)}",
                markdown(f"{customer.name} ({customer.account_no}), {customer.email}") + "\n",
                "| part | quantity | license codes |",
                "| --- | --- | --- |",
                *rows,
            ]
        ),
    )
    await asyncio.gather(artifact, _name_run(f"order {order.InvoiceNo} · {customer.name}", order))


async def _name_run(name: str, order: SalesOrder) -> None:
    if not has_own_run():
        return
    async with get_client() as client:
        tags = {*flow_run.tags, f"order:{order.InvoiceNo}", f"customer:{order.DebtorAccountNo}"}
        await client.update_flow_run(flow_run.id, name=one_line(name), tags=sorted(map(one_line, tags)))
