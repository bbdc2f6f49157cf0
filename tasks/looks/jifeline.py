"""Look-ups at Jifeline."""

from hookline.clients.jifeline_models import NewPreparedTicket

from hookline.clients import JifelineClient, pages
from hookline.journal import Outcome


async def prepared(client: JifelineClient, given: NewPreparedTicket, mark: str) -> Outcome | None:
    """A ticket of the customer that bears the mark, whether it still waits or was picked up."""
    for tickets in (client.list_prepared_tickets, client.list_tickets):
        async for ticket in pages(tickets, customer_id=given.customer_id):
            if mark in ticket.preparer_external_reference:
                return Outcome(answer=ticket)
    return None
