"""Look-ups at Jiwa, where every POST creates and nothing but our own references tells one from another."""

from hookline.clients import JiwaClient
from hookline.clients.jiwa_models import NewSalesOrder, NewSalesOrderNote
from hookline.journal import Outcome


async def ordered(client: JiwaClient, given: NewSalesOrder, _mark: str) -> Outcome | None:
    """The customer's order with the same numbers of ours."""
    rows = await client.query_sales_orders(OrderNo=given.OrderNo, SOReference=given.SOReference)
    for row in rows.Results:
        # Jiwa ignores a filter that it does not know: take none but ours.
        same = row.OrderNo == (given.OrderNo or row.OrderNo)
        if same and row.SOReference == (given.SOReference or row.SOReference):
            return Outcome(answer=await client.get_sales_order(InvoiceID=row.InvoiceID))
    return None


async def noted_order(client: JiwaClient, given: NewSalesOrderNote, mark: str) -> Outcome | None:
    """A note on the order that bears the mark."""
    for note in await client.list_sales_order_notes(InvoiceID=given.InvoiceID):
        if mark in note.NoteText:
            return Outcome(answer=note)
    return None
