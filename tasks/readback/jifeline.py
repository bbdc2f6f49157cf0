"""Read-backs at Jifeline."""

from hookline.clients import pages
from hookline.clients.jifeline import JifelineClient
from hookline.clients.jifeline.models import ChangedTicket, NewPreparedTicket, Ticket
from hookline.journal import Outcome


def in_one_line(reference: str | None, token: str) -> str:
    """Return our reference with the token behind it."""
    return f"{reference or ''} {token}".lstrip()


async def prepared(client: JifelineClient, inputs: NewPreparedTicket, _token: str) -> Outcome | None:
    """Find a ticket of the customer with our reference, which has the token, waiting or picked up."""
    for tickets in (client.list_prepared_tickets, client.list_tickets):
        async for ticket in pages(tickets, customer_id=inputs.customer_id):
            if _is_prepared(ticket, inputs):
                return Outcome(answer=ChangedTicket.model_validate(ticket.model_dump()))
    return None


def _is_prepared(ticket: Ticket, inputs: NewPreparedTicket) -> bool:
    # The vehicle too: a business may prepare a ticket for each of several.
    reference = ticket.preparer_external_reference == inputs.preparer_external_reference
    return reference and (inputs.vin is None or ticket.vin == inputs.vin)
