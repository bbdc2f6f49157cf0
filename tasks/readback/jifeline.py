"""Look-ups at Jifeline."""

from hookline.clients import JifelineClient, pages
from hookline.clients.jifeline.models import ChangedTicket, NewPreparedTicket, Ticket
from hookline.journal import Outcome


def in_one_line(reference: str | None, token: str) -> str:
    """Our reference with the mark behind it."""
    return f"{reference or ''} {token}".lstrip()


async def prepared(client: JifelineClient, given: NewPreparedTicket, _token: str) -> Outcome | None:
    """A ticket of the customer with our reference, which holds the mark, whether it waits or was picked up."""
    for tickets in (client.list_prepared_tickets, client.list_tickets):
        async for ticket in pages(tickets, customer_id=given.customer_id):
            if _is_prepared(ticket, given):
                return Outcome(answer=ChangedTicket.model_validate(ticket.model_dump()))
    return None


def _is_prepared(ticket: Ticket, given: NewPreparedTicket) -> bool:
    # The vehicle too: a business may prepare a ticket for each of several.
    reference = ticket.preparer_external_reference == given.preparer_external_reference
    return reference and (given.vin is None or ticket.vin == given.vin)
