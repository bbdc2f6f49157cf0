"""Look-ups at Jiwa, where every POST creates and nothing but our own references tells one from another."""

from hookline.clients import JiwaClient
from hookline.clients.jiwa_models import NewSalesOrderNote
from hookline.journal import Outcome


async def noted_order(client: JiwaClient, given: NewSalesOrderNote, mark: str) -> Outcome | None:
    """A note on the order that bears the mark."""
    for note in await client.list_sales_order_notes(InvoiceID=given.InvoiceID):
        if mark in note.NoteText:
            return Outcome(answer=note)
    return None
