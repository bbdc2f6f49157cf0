"""Jiwa sales orders for closed Jifeline tickets, and a survey for the workshop."""

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Final, cast

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.variables import Variable

from blocks import JifelineCredentials, JiwaCredentials, SensorproCredentials
from flows.mail import Mailer, contact_of
from flows.report import Row, conclude
from hookline.catalog import Mail, Tickets, load_catalog
from hookline.clients.jifeline.models import Customer, ProductLine, Ticket
from hookline.clients.jiwa.models import NewLine
from hookline.errors import HooklineError
from hookline.settings import settings
from tasks import jifeline as jifeline_tasks
from tasks import jiwa as jiwa_tasks
from tasks.effects import BusinessKey

WORKFLOW: Final = "ticket-to-invoice"
CURSOR: Final = "ticket-to-invoice-closed-since"
"""The variable in Prefect with a time: every ticket that was closed before it is done."""
OVERLAP: Final = timedelta(days=1)
"""The time that is read again: a ticket may be listed later than it was closed."""
PAGE: Final = 100


@dataclass(frozen=True)
class Accounts:
    """The vendors' accounts that billing works with."""

    jifeline: JifelineCredentials
    jiwa: JiwaCredentials
    sensorpro: SensorproCredentials


@flow(name=WORKFLOW, persist_result=False)
async def ticket_to_invoice(
    jifeline: str = "default", jiwa: str = "default", sensorpro: str = "default"
) -> State[None]:
    """
    Bill every closed ticket that is not marked as processed.

    A ticket that cannot be billed does not stop the others: the run ends Failed and says why, and the next run
    tries it again. What is done is not repeated.

    Args:
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
    tickets = await _closed_tickets(accounts.jifeline, await _cursor(rules))
    rows = [await _billed(accounts, rules, ticket) for ticket in tickets]
    await _move_cursor(tickets, rows)
    return await conclude(WORKFLOW, rows, nothing="Nothing to bill")


async def _cursor(rules: Tickets) -> datetime:
    """Return the time since which closed tickets are read."""
    start = datetime.combine(rules.closed_since, time(), UTC)
    stored = cast("str | None", await Variable.aget(CURSOR))
    return max(start, datetime.fromisoformat(stored) - OVERLAP) if stored else start


async def _move_cursor(tickets: list[Ticket], rows: list[Row]) -> None:
    """Move the cursor to the first ticket that is left over, or past them all."""
    closed = [
        (ticket.finished_at, row) for ticket, row in zip(tickets, rows, strict=True) if ticket.finished_at
    ]
    left = [finished for finished, row in closed if row.problem]
    if closed:
        reached = min(left) if left else max(finished for finished, _ in closed)
        await Variable.aset(CURSOR, reached.isoformat(), overwrite=True)


async def _closed_tickets(jifeline: JifelineCredentials, since: datetime) -> list[Ticket]:
    """Read the closed tickets that are not processed, all before one is marked: that would shift the pages."""
    found: list[Ticket] = []
    while True:
        page = await jifeline_tasks.list_closed_tickets(
            jifeline, finished_after=since, externally_processed=False, limit=PAGE, offset=len(found)
        )
        found += page.Results
        if len(page.Results) < PAGE:
            # Whether Jifeline knows these two filters is not documented: take none but ours.
            return [
                ticket
                for ticket in found
                if not ticket.externally_processed and ticket.finished_at and ticket.finished_at >= since
            ]


async def _billed(accounts: Accounts, rules: Tickets, ticket: Ticket) -> Row:
    what = f"ticket {ticket.ticket_number}"
    customer = ticket.customer_id
    try:
        workshop = await jifeline_tasks.get_customer(accounts.jifeline, id=ticket.customer_id)
        customer = workshop.name
        return Row(what, customer, result=await _bill(accounts, rules, ticket, workshop))
    except HooklineError as error:
        return Row(what, customer, problem=str(error))


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
