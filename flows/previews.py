"""
Previews of texts with real values: read at the vendors and in the journal; nothing is written, sent or recorded.

The vendor's account is the one that is named, else the one of which the inbox or the journal knows the order, else
`default`. What a vendor does not have yet, such as codes before an order is licensed, is an example, and named as one.
"""

import os
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, cast

import httpx

from blocks import BLOCKS
from flows.credits import LICENSE
from flows.licenses import CREDITING, UP_TO
from flows.order_to_license import WORKFLOW as LICENSING
from flows.order_to_license import line_items_of
from flows.renewals import codes_named, renewing
from flows.texts.order_to_license import License, Line
from flows.texts.renewal_paid import Renewed
from hookline.account_keys import DEFAULT, account_in, id_of, key_at, label_at
from hookline.accounts import from_environment
from hookline.catalog import Catalog, load_catalog
from hookline.clients import NotFound, VendorClient
from hookline.clients.jetadvice import JetadviceClient
from hookline.clients.jifeline import JifelineClient
from hookline.clients.jiwa import JiwaClient
from hookline.clients.jiwa.models import SalesOrder
from hookline.clients.zentitle import ZentitleClient
from hookline.database import lent
from hookline.errors import ConfigurationError, HooklineError
from hookline.inbox import search
from hookline.journal import Journal
from hookline.settings import VENDORS, read_dotenv, settings
from hookline.texts import Template
from hookline.texts.in_force import rendered

Values = dict[str, Any]


@dataclass(frozen=True)
class Case:
    """What a text is previewed with."""

    label: str
    language: str
    values: Mapping[str, Any]
    remark: str = ""
    """What of it is no real value, beside what is not in it."""


@dataclass(frozen=True)
class Question:
    """What is to be read."""

    about: str
    """The id or number at the vendor."""
    account: str
    """The name of the vendor's block."""
    catalog: Catalog
    """The rules of that account."""


@dataclass(frozen=True)
class Preview:
    """A text as it would go out."""

    result: str | dict[str, str]
    """Of a mail, its values by name."""
    about: str
    remark: str


async def preview(template: Template, source: str, case: Case | None) -> Preview:
    """
    Return what a template gives: with the values of a case, or with the examples alone.

    Raises:
        ConfigurationError: it cannot be rendered; names file and line.
    """
    if case is None:
        result = await rendered(template, source, template.text.example())
        return Preview(result, "the examples", "All values are examples.")
    text, invented = template.text.filled(case.values)
    remarks = [case.remark, f"Examples: {', '.join(invented)}." if invented else ""]
    result = await rendered(template, source, text)
    return Preview(result, case.label, " ".join(filter(None, remarks)))


async def read_case(workflow: str, about: str, account: str | None = None) -> Case:
    """
    Return the values of what a workflow is about.

    Args:
        workflow: its name.
        about: an id or number, see `CASES`; it may carry the account, as in `100123@jiwa/north`.
        account: the name of the vendor's block; None: that of which the inbox or the journal knows it, else `default`.

    Raises:
        HooklineError: there is no such thing, its vendor does not answer, or the workflow cannot be previewed so.
    """
    if workflow not in CASES:
        raise HooklineError(
            f"The texts of {workflow} can be previewed with the examples only"
            f"{': ' if workflow in NOT_READ else ''}{NOT_READ.get(workflow, '')}."
        )
    vendor, what, read = CASES[workflow]
    named = id_of(about).strip()
    if not named:
        raise HooklineError(f"Say what the text is about: {what}.")
    if account is None:
        account = account_in(about, vendor) if "@" in about else await _account_of(vendor, named)
    rules = load_catalog(settings().catalog)
    catalog = rules.of(jiwa=account) if vendor == "jiwa" else rules.of(jiwa=DEFAULT)
    return await read(Question(named, account, catalog))


# Accounts


async def _account_of(vendor: str, about: str) -> str:
    """
    Return the account of a vendor of which there is something by this id or number; `default` where nothing is known.

    Raises:
        HooklineError: there is in several.
    """
    async with lent(settings()) as connection:
        found = await search.accounts_of(connection, vendor, about)
    if len(found) > 1:
        raise HooklineError(
            f"{about} is known in several accounts of {vendor}: {', '.join(found)}. Name one: --account {found[0]}, "
            f"or {about}@{vendor}/{found[0]}"
        )
    return found[0] if found else DEFAULT


async def _client(vendor: str, account: str) -> VendorClient:
    """
    Return a client for an account of the environment, or else of a stored block.

    Raises:
        HooklineError: there is no such account, or Prefect does not answer.
    """
    read_dotenv()
    if account in VENDORS[vendor].accounts_in(os.environ):
        return from_environment(vendor, account)
    try:
        return (await BLOCKS[vendor].named(account)).get_client()
    except (httpx.HTTPError, OSError, RuntimeError) as error:
        raise ConfigurationError(
            f"The environment has no account {account} of {vendor}, and Prefect, which may have a block of that name, "
            f"does not answer ({type(error).__name__}). Start `hookline up`, or set the variables of the account."
        ) from None


# Jiwa


async def _document(jiwa: JiwaClient, about: str) -> SalesOrder:
    """Return an order or a credit note, by its InvoiceID or its number."""
    try:
        return await jiwa.get_sales_order(InvoiceID=about)
    except NotFound:
        found = await jiwa.query_sales_orders(InvoiceNo=about)
    # Jiwa ignores a filter that it does not know: take none but ours.
    for row in found.Results:
        if row.InvoiceNo == about:
            return await jiwa.get_sales_order(InvoiceID=row.InvoiceID)
    raise HooklineError(f"Jiwa has no order with the InvoiceID or the number {about!r}.")


def _of_document(order: SalesOrder, catalog: Catalog) -> tuple[Values, str]:
    """Return the values that the texts about an order have in common, and the customer's language."""
    values = {
        "order": order.InvoiceNo,
        "customer": order.DebtorName,
        "contact": order.DebtorContactName or order.DebtorName,
        "account": order.DebtorAccountNo,
        "email": order.DebtorEmailAddress or order.DeliveryAddressEmailAddress,
    }
    return values, catalog.language.of(order.DebtorAccountNo, order.DeliveryAddressCountry)


async def _codes(order: SalesOrder, account: str) -> dict[str, list[str]]:
    """Return the codes that an order has by the journal, by the step of its line."""
    codes: dict[str, list[str]] = {}
    for step in await Journal(settings()).steps(LICENSING, key_at(order.InvoiceID, jiwa=account), LICENSE):
        if step.is_done and not step.name.startswith(f"{LICENSE}note of "):
            codes.setdefault(step.name.partition(UP_TO)[0], []).extend(step.reference)
    return codes


async def _order(question: Question) -> Case:
    async with await _jiwa(question) as jiwa:
        order = await _document(jiwa, question.about)
    values, language = _of_document(order, question.catalog)
    known, lines = await _codes(order, question.account), []
    for line in line_items_of(question.catalog, order):
        codes = known.get(line.step) or _examples(line.product.codes(line.quantity))
        lines.append(Line(part=line.product.part_no, quantity=line.quantity, codes=codes))
    values |= {
        "lines": lines,
        "licenses": [License(part=line.part, code=code) for line in lines for code in line.codes],
        "added": [],
    }
    remark = "" if known else "It is not licensed: its codes are examples."
    return Case(_label(question, f"order {order.InvoiceNo}"), language, values, remark)


async def _license_of_order(question: Question) -> Case:
    case, catalog = await _order(question), question.catalog
    if not case.values["licenses"]:
        raise HooklineError(f"{case.label} has no part that the catalog licenses.")
    days = {} if catalog.activation is None else {"days": catalog.activation.days}
    license_ = {"license": case.values["licenses"][0].code}
    return Case(case.label, case.language, {**case.values, **days, **license_}, case.remark)


async def _renewal(question: Question) -> Case:
    catalog = question.catalog
    async with await _jiwa(question) as jiwa:
        order = await _document(jiwa, question.about)
    values, language = _of_document(order, catalog)
    [example] = Renewed.model_fields["until"].examples or []
    parts = [product.part_no for part in renewing(catalog, order) if (product := catalog.renewal(part))]
    codes = sorted(codes_named(order)) or _examples(1)
    values["licenses"] = [Renewed(part=part, code=code, until=example) for part in parts for code in codes]
    remark = "Until when a license is renewed is an example."
    return Case(_label(question, f"order {order.InvoiceNo}"), language, values, remark)


async def _credit(question: Question) -> Case:
    async with await _jiwa(question) as jiwa:
        note = await _document(jiwa, question.about)
    if not note.CreditNote:
        raise HooklineError(f"{note.InvoiceNo} is an order, and this text is about a credit note. Name one.")
    values, language = _of_document(note, question.catalog)
    values |= {"credit_note": note.InvoiceNo, "order": note.SOReference or note.OrderNo or "unknown"}
    return Case(_label(question, f"credit note {note.InvoiceNo}"), language, values)


async def _borrower(question: Question) -> Case:
    async with await _jiwa(question) as jiwa:
        try:
            debtor = await jiwa.get_debtor(DebtorID=question.about)
        except NotFound:
            found = await jiwa.query_debtors(AccountNo=question.about)
            # Jiwa ignores a filter that it does not know: take none but ours.
            key = next((row.DebtorID for row in found.Results if row.AccountNo == question.about), None)
            if key is None:
                raise HooklineError(
                    f"Jiwa has no customer with the account number or the DebtorID {question.about!r}."
                ) from None
            debtor = await jiwa.get_debtor(DebtorID=key)
    values: Values = {"customer": debtor.Name, "contact": debtor.Name, "account": debtor.AccountNo}
    if question.catalog.loans is not None:
        values |= {"days": question.catalog.loans.days}
    language = question.catalog.language.of(debtor.AccountNo, debtor.Country)
    return Case(_label(question, f"customer {debtor.AccountNo}"), language, values)


def _label(question: Question, label: str) -> str:
    return label_at(label, jiwa=question.account)


# Zentitle, JetAdvice and Jifeline


async def _license(question: Question) -> Case:
    async with cast(ZentitleClient, await _client("zentitle", question.account)) as zentitle:
        for product in question.catalog.products:
            if product.zentitle != question.account:
                continue
            try:
                existing = await zentitle.get_license_code(
                    productid=product.product_id, licensecode=question.about
                )
            except NotFound:
                continue
            values: Values = {"license": existing.licenseCode, "part": product.part_no}
            label = label_at(f"license {question.about}", zentitle=question.account)
            if not existing.companyID:
                return Case(label, question.catalog.language.default, values, "It is nobody's yet.")
            company = await zentitle.get_company(companyid=existing.companyID)
            values |= {"customer": company.company, "contact": company.company}
            return Case(label, question.catalog.language.of(id_of(company.search1)), values)
    raise HooklineError(
        f"The Zentitle account {question.account} has no license {question.about!r} of a product in catalog.yaml."
    )


async def _printer(question: Question) -> Case:
    async with cast(JetadviceClient, await _client("jetadvice", question.account)) as jetadvice:
        devices = await jetadvice.list_devices()
        device = next(
            (each for each in devices if question.about in (each.deviceId, each.serialNumber)), None
        )
        if device is None:
            raise HooklineError(f"JetAdvice has no printer with the serial number or id {question.about!r}.")
        customers = await jetadvice.list_customers()
    customer = next((each for each in customers if each.customerId == device.customerId), None)
    values: Values = {
        "printer": f"{device.model} {device.serialNumber}",
        "location": device.location,
    }
    if customer is not None:
        values["customer"] = customer.name
    if device.supplies:
        emptiest = min(
            device.supplies, key=lambda each: 100 if each.levelPercent is None else each.levelPercent
        )
        cartridge = f"{emptiest.color} {emptiest.type} of {device.model} {device.serialNumber}"
        values |= {"color": emptiest.color, "cartridge": cartridge}
    language = question.catalog.language
    chosen = language.of(customer.externalNumber, customer.country) if customer else language.default
    return Case(f"printer {device.serialNumber}", chosen, values)


async def _ticket(question: Question) -> Case:
    async with cast(JifelineClient, await _client("jifeline", question.account)) as jifeline:
        try:
            ticket = await jifeline.get_ticket(id=question.about)
        except NotFound:
            raise HooklineError(f"Jifeline has no ticket with the id {question.about!r}.") from None
        workshop = await jifeline.get_customer(id=ticket.customer_id)
    values = {"ticket": str(ticket.ticket_number), "customer": workshop.company_name}
    language = question.catalog.language.of(workshop.reference, locale=workshop.locale)
    return Case(f"ticket {ticket.ticket_number}", language, values)


async def _jiwa(question: Question) -> JiwaClient:
    return cast(JiwaClient, await _client("jiwa", question.account))


def _examples(number: int) -> list[str]:
    return [f"example-{each}" for each in range(1, number + 1)]


class Reads(NamedTuple):
    """How the values of a workflow are read."""

    vendor: str
    what: str
    """What its texts are about."""
    read: Callable[[Question], Awaitable[Case]]


_AN_ORDER: Final = "an order, by its number or InvoiceID"
_A_LICENSE: Final = "a license, by its code"
CASES: Final[Mapping[str, Reads]] = {
    LICENSING: Reads("jiwa", _AN_ORDER, _order),
    "activation-reminder": Reads("jiwa", _AN_ORDER, _license_of_order),
    "renewal-paid": Reads("jiwa", _AN_ORDER, _renewal),
    CREDITING: Reads("jiwa", "a credit note, by its number or InvoiceID", _credit),
    "license-on-loan": Reads("jiwa", "a customer, by its account number or DebtorID", _borrower),
    "renewal-reminder": Reads("zentitle", _A_LICENSE, _license),
    "offline-activation": Reads("zentitle", _A_LICENSE, _license),
    "supply-alert": Reads("jetadvice", "a printer, by its serial number", _printer),
    "ticket-to-invoice": Reads("jifeline", "a ticket, by its id at Jifeline", _ticket),
}
"""What each workflow is about, and how its values are read."""
NOT_READ: Final[Mapping[str, str]] = {
    "trial-nurture": "a mail is about all trials of an address, by which Zentitle finds none",
}
"""Why the others are previewed with their examples only."""
