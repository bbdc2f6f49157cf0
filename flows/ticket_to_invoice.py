"""A Jiwa sales order for a closed Jifeline ticket, and a survey for the workshop."""

from dataclasses import dataclass
from datetime import UTC
from typing import Final

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed

from blocks import JifelineCredentials, JiwaCredentials, SensorproCredentials
from flows.mail import Mailer, contact_of
from flows.report import name_run
from hookline.catalog import Mail, Tickets, load_catalog
from hookline.clients import NotFound
from hookline.clients.jifeline.models import Customer, ProductLine, Ticket
from hookline.clients.jiwa.models import NewLine
from hookline.errors import HooklineError
from hookline.settings import settings
from tasks import jifeline as jifeline_tasks
from tasks import jiwa as jiwa_tasks
from tasks.effects import BusinessKey

WORKFLOW: Final = "ticket-to-invoice"


@dataclass(frozen=True)
class Accounts:
    """The vendors' accounts that billing works with."""

    jifeline: JifelineCredentials
    jiwa: JiwaCredentials
    sensorpro: SensorproCredentials


@flow(name=WORKFLOW, persist_result=False)
async def ticket_to_invoice(
    ticket_id: str, jifeline: str = "default", jiwa: str = "default", sensorpro: str = "default"
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
    rules = load_catalog(settings().catalog).tickets
    if rules is None:
        raise HooklineError("catalog.yaml has no part `tickets`, which says how they are billed. Add it.")
    accounts = Accounts(
        await JifelineCredentials.named(jifeline),
        await JiwaCredentials.named(jiwa),
        await SensorproCredentials.named(sensorpro),
    )
    async with BusinessKey(WORKFLOW, ticket_id, f"ticket {ticket_id}").exclusive():
        ticket = await _ticket(accounts.jifeline, ticket_id)
        label = f"ticket {ticket.ticket_number}"
        if reason := _nothing_to_do(rules, ticket):
            await name_run(f"{label}: {reason}")
            return Completed(name="Nothing to bill", message=f"{label}: {reason}; nothing was done.")
        workshop = await jifeline_tasks.get_customer(accounts.jifeline, id=ticket.customer_id)
        await name_run(f"{label} of {workshop.name}")
        order = await _bill(accounts, rules, ticket, workshop)
        return Completed(message=f"{label} of {workshop.name}: {order}")


async def _ticket(jifeline: JifelineCredentials, ticket_id: str) -> Ticket:
    try:
        return await jifeline_tasks.get_ticket(jifeline, id=ticket_id)
    except NotFound:
        raise HooklineError(
            f"Jifeline has no ticket with the id {ticket_id!r}. It may be another account's."
        ) from None


def _nothing_to_do(rules: Tickets, ticket: Ticket) -> str | None:
    """Return the reason why a ticket is not billed; None if it is."""
    if ticket.externally_processed:
        return "processed already"
    if ticket.finished_at is None:
        return "not closed"
    if ticket.finished_at.astimezone(UTC).date() < rules.closed_since:
        return "closed before the day in the catalog"
    return None


async def _bill(accounts: Accounts, rules: Tickets, ticket: Ticket, workshop: Customer) -> str:
    """Make the order, send the survey, then mark the ticket as processed; return what was done, in words."""
    business = BusinessKey(WORKFLOW, ticket.id, f"ticket {ticket.ticket_number}")
    order = await jiwa_tasks.create_sales_order(
        accounts.jiwa,
        business.step("invoice"),
        DebtorAccountNo=_debtor(rules, workshop),
        OrderNo=f"JF-{ticket.ticket_number}",
        Lines=[_line(rules, line) for line in _product_lines(ticket)],
    )
    if rules.survey is not None and workshop.email:
        await _send_survey(accounts.sensorpro, business, rules.survey, ticket, workshop)
    await jifeline_tasks.mark_ticket_processed(
        accounts.jifeline, id=ticket.id, external_reference=order.InvoiceNo, externally_processed=True
    )
    return f"order {order.InvoiceNo}"


def _debtor(rules: Tickets, workshop: Customer) -> str:
    account = rules.debtors.get(workshop.id) or workshop.debtor_number
    if not account:
        raise HooklineError(
            f"{workshop.name} has no debtor number in Jifeline. Enter it there, or add `{workshop.id}: ` and the "
            "account number in Jiwa to tickets.debtors in catalog.yaml."
        )
    return account


def _product_lines(ticket: Ticket) -> list[ProductLine]:
    if not ticket.product_lines:
        raise HooklineError(
            "It was closed without a product, so it is not known what to bill. Bill it by hand, then mark it as "
            "processed: hookline call jifeline mark_ticket_processed "
            f"id={ticket.id} externally_processed=true"
        )
    return ticket.product_lines


def _line(rules: Tickets, line: ProductLine) -> NewLine:
    part_no = rules.services.get(line.name) or rules.services.get(line.product_id)
    if part_no is None:
        raise HooklineError(
            f"catalog.yaml names no part for {line.name!r} ({line.product_id}). Add it to tickets.services."
        )
    return NewLine(PartNo=part_no, QuantityOrdered=line.quantity or 1)


async def _send_survey(
    sensorpro: SensorproCredentials, business: BusinessKey, survey: Mail, ticket: Ticket, workshop: Customer
) -> None:
    contact = contact_of(
        workshop.name, workshop.email, workshop.name, kept_in="Jifeline", so_far="The order is made already."
    )
    services = ", ".join(line.name for line in ticket.product_lines)
    mailer = Mailer(sensorpro, contact)
    await mailer.send(business.step("survey"), survey, ticket=str(ticket.ticket_number), services=services)
