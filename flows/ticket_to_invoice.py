"""A Jiwa sales order for a closed Jifeline ticket, and a survey for the workshop."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC
from typing import Annotated, Any, Final, TypeVar

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed

from blocks.jifeline import JifelineCredentials
from blocks.jiwa import JiwaCredentials
from blocks.sensorpro import SensorproCredentials
from flows.mail import Mailer, contact_of
from flows.parameters import JifelineBlock, JiwaBlock, SensorproBlock, identifier
from flows.report import Row, conclude
from flows.texts.ticket_to_invoice import SurveyMail
from hookline.account_keys import label_at
from hookline.catalog import Mail, Tickets, load_catalog
from hookline.clients import NotFound
from hookline.clients.jifeline.models import (
    MAX_LIMIT,
    ContactPoint,
    Customer,
    Employee,
    Envelope,
    Product,
    ProductLine,
    Ticket,
)
from hookline.clients.jiwa.models import NewLine, SalesOrder
from hookline.errors import HooklineError
from hookline.record_links import Record
from hookline.settings import settings
from tasks import jifeline as jifeline_tasks
from tasks import jiwa as jiwa_tasks
from tasks.about import about, begin, say_failed
from tasks.effects import BusinessKey

R = TypeVar("R")

WORKFLOW: Final = "ticket-to-invoice"


@dataclass(frozen=True)
class Accounts:
    """The vendors' accounts that billing works with."""

    jifeline: JifelineCredentials
    jiwa: JiwaCredentials
    sensorpro: SensorproCredentials


@dataclass(frozen=True)
class Service:
    """A product that was done on a ticket, and how many times."""

    product: Product
    quantity: int

    @property
    def name(self) -> str:
        """Return what people call it."""
        return self.product.name or self.product.id


@flow(name=WORKFLOW, persist_result=False, on_failure=[say_failed])
async def ticket_to_invoice(
    ticket_id: Annotated[str, identifier("Ticket: Jifeline's id")],
    jifeline: JifelineBlock = "default",
    jiwa: JiwaBlock = "default",
    sensorpro: SensorproBlock = "default",
) -> State[None]:
    """
    Bill a closed ticket that is not marked as processed.

    Run again, it completes what is missing and repeats nothing.

    Args:
        ticket_id: Jifeline's id of the ticket.
        jifeline: name of the Jifeline Credentials block.
        jiwa: name of the Jiwa Credentials block.
        sensorpro: name of the Sensorpro Credentials block.
    """
    await begin(label_at(f"ticket {ticket_id}", jifeline=jifeline))
    rules = load_catalog(settings().catalog).of(jiwa=jiwa).tickets
    if rules is None:
        raise HooklineError("catalog.yaml has no part `tickets`, which says how they are billed. Add it.")
    accounts = Accounts(
        await JifelineCredentials.named(jifeline),
        await JiwaCredentials.named(jiwa),
        await SensorproCredentials.named(sensorpro),
    )
    async with BusinessKey(WORKFLOW, ticket_id, f"ticket {ticket_id}").at(jifeline=jifeline).exclusive():
        ticket = await _ticket(accounts.jifeline, ticket_id)
        business = BusinessKey(WORKFLOW, ticket.id, f"ticket {ticket.ticket_number}").at(jifeline=jifeline)
        label = business.label
        if reason := _nothing_to_do(rules, ticket):
            await about(f"{label}: {reason}", ticket=ticket.ticket_number)
            return Completed(name="Nothing to bill", message=f"{label}: {reason}; nothing was done.")
        workshop = await _workshop(accounts.jifeline, ticket)
        await about(
            f"{label} of {workshop.company_name}", ticket=ticket.ticket_number, customer=workshop.reference
        )
        order = await _bill(accounts, rules, business, ticket, workshop)
        result = label_at(f"order {order.InvoiceNo}", jiwa=jiwa)
        await about(f"{label} of {workshop.company_name}: {result}")
        records = [
            Record("jifeline", "ticket", ticket.id, jifeline, label),
            Record("jiwa", "sales-order", order.InvoiceID, jiwa, result),
        ]
        row = Row(label, workshop.company_name, result, records=records)
        return await conclude(WORKFLOW, [row], nothing="Nothing to bill")


async def _ticket(jifeline: JifelineCredentials, ticket_id: str) -> Ticket:
    try:
        return await jifeline_tasks.get_ticket(jifeline, id=ticket_id)
    except NotFound:
        raise HooklineError(
            f"Jifeline has no ticket with the id {ticket_id!r}. It may be another account's."
        ) from None


async def _workshop(jifeline: JifelineCredentials, ticket: Ticket) -> Customer:
    if not ticket.customer_id:
        raise HooklineError(
            "It has no customer: another provider may have given it to you. Bill it by hand, then mark it as "
            f"processed: {_mark_by_hand(ticket)}"
        )
    return await jifeline_tasks.get_customer(jifeline, id=ticket.customer_id)


def _nothing_to_do(rules: Tickets, ticket: Ticket) -> str | None:
    """Return the reason why a ticket is not billed; None if it is."""
    if ticket.externally_processed:
        return "processed already"
    if ticket.finished_at is None:
        return "not closed"
    if ticket.finished_at.astimezone(UTC).date() < rules.closed_since:
        return "closed before the day in the catalog"
    return None


async def _bill(
    accounts: Accounts, rules: Tickets, business: BusinessKey, ticket: Ticket, workshop: Customer
) -> SalesOrder:
    """Make the order, send the survey, then mark the ticket as processed; return the order."""
    services = await _services(accounts.jifeline, ticket)
    order = await jiwa_tasks.create_sales_order(
        accounts.jiwa,
        business.step("invoice"),
        DebtorAccountNo=_debtor(rules, workshop),
        OrderNo=f"JF-{ticket.ticket_number}",
        Lines=[_line(rules, service) for service in services],
    )
    if rules.survey is not None:
        await _send_survey(accounts, business, rules.survey, ticket, workshop, services)
    await jifeline_tasks.mark_ticket_processed(
        accounts.jifeline, id=ticket.id, external_reference=order.InvoiceNo, externally_processed=True
    )
    return order


async def _services(jifeline: JifelineCredentials, ticket: Ticket) -> list[Service]:
    """Return what was done on a ticket, by its product lines; lines of other tickets are left out."""
    lines = [
        line
        async for line in _rows(jifeline_tasks.list_product_lines, jifeline, ticket_id=ticket.id)
        if line.ticket_id.lower() == ticket.id.lower()
    ]
    if not lines:
        raise HooklineError(
            "It was closed without a product, so it is not known what to bill. Bill it by hand, then mark it as "
            f"processed: {_mark_by_hand(ticket)}"
        )
    return [await _service(jifeline, line) for line in lines]


async def _service(jifeline: JifelineCredentials, line: ProductLine) -> Service:
    try:
        product = await jifeline_tasks.get_product(jifeline, id=line.product_id)
    except NotFound:  # no longer in the catalog of products, and it was done all the same
        product = Product(id=line.product_id)
    return Service(product, line.quantity)


def _debtor(rules: Tickets, workshop: Customer) -> str:
    account = rules.debtors.get(workshop.id) or workshop.reference
    if not account:
        raise HooklineError(
            f"{workshop.company_name} has no reference in Jifeline. Enter its account number in Jiwa there, or add "
            f"`{workshop.id}: ` and the account number to tickets.debtors in catalog.yaml."
        )
    return account


def _line(rules: Tickets, service: Service) -> NewLine:
    product = service.product
    known_as = (product.name, product.product_number, product.id)
    part_no = next((rules.services[name] for name in known_as if name in rules.services), None)
    if part_no is None:
        raise HooklineError(
            f"catalog.yaml names no part for {service.name!r} ({product.id}). Add it to tickets.services."
        )
    return NewLine(PartNo=part_no, QuantityOrdered=service.quantity)


async def _send_survey(
    accounts: Accounts,
    business: BusinessKey,
    survey: Mail,
    ticket: Ticket,
    workshop: Customer,
    services: list[Service],
) -> None:
    """Ask somebody at the workshop; nobody if none of its people has an address."""
    asked = await _whom_to_ask(accounts.jifeline, workshop)
    if asked is None:
        return
    contact = contact_of(
        workshop.company_name,
        asked.email_address,
        workshop.company_name,
        kept_in="Jifeline",
        so_far="The order is made already.",
    )
    text = SurveyMail(
        ticket=str(ticket.ticket_number),
        customer=workshop.company_name,
        services=[service.name for service in services],
    )
    language = load_catalog(settings().catalog).language.of(workshop.reference, locale=workshop.locale)
    await Mailer(accounts.sensorpro, contact, language).send(business.step("survey"), survey, text)


async def _whom_to_ask(jifeline: JifelineCredentials, workshop: Customer) -> ContactPoint | None:
    """
    Return the address to write to, the same each time: that of an employee, at the main location if there is one.

    A workshop none of whose employees has an address is asked at any that it has.
    """
    points = {
        point.id: point
        async for point in _rows(jifeline_tasks.list_contact_points, jifeline, customer_id=workshop.id)
        if point.customer_id == workshop.id and point.email_address
    }
    people = [
        person
        async for person in _rows(jifeline_tasks.list_employees, jifeline, customer_id=workshop.id)
        if person.customer_id == workshop.id and person.enabled and person.contact_point_id in points
    ]

    def elsewhere(point: ContactPoint) -> bool:
        return not point.location_id or point.location_id != workshop.primary_location_id

    def place(person: Employee) -> tuple[bool, str, str, str]:
        point = points[person.contact_point_id]
        return elsewhere(point), person.family_name, person.given_name, person.id

    if people:
        return points[min(people, key=place).contact_point_id]
    return min(points.values(), key=lambda point: (elsewhere(point), point.label, point.id), default=None)


async def _rows(
    task: Callable[..., Awaitable[Envelope[R]]], jifeline: JifelineCredentials, **filters: Any
) -> AsyncIterator[R]:
    """Yield the rows of a list, read by its task, with the longest pages that there are; a page may not count them."""
    read = 0
    while True:
        page = await task(jifeline, limit=MAX_LIMIT, offset=read, **filters)
        for row in page.result:
            yield row
        read += len(page.result)
        if not page.result or (page.total is not None and read >= page.total):
            return


def _mark_by_hand(ticket: Ticket) -> str:
    return f"hookline call jifeline mark_ticket_processed id={ticket.id} externally_processed=true"
