"""Tasks on Jiwa: orders and what is written on them."""

from decimal import Decimal

from prefect import task

from blocks import JiwaCredentials
from hookline.clients.errors import NotFound
from hookline.clients.jiwa_models import SalesOrder
from hookline.clients.jiwa_queries_models import SalesOrderRow
from hookline.clients.paging import pages
from hookline.errors import HooklineError
from hookline.journal import Outcome
from tasks.effects import Business, once
from tasks.policies import VENDOR_CALL


@task(**VENDOR_CALL)
async def get_sales_order(jiwa: JiwaCredentials, invoice_id: str) -> SalesOrder:
    """
    Read an order as it stands now.

    Raises:
        HooklineError: Jiwa has no such order.
    """
    async with jiwa.get_client() as client:
        try:
            return await client.get_sales_order(InvoiceID=invoice_id)
        except NotFound:
            raise HooklineError(
                f"Jiwa has no order with the InvoiceID {invoice_id!r}. It may be deleted, or the webhook came "
                "from another company's database."
            ) from None


@task(**VENDOR_CALL)
async def get_debtor_email(jiwa: JiwaCredentials, debtor_id: str) -> str:
    """The e-mail address of a customer; empty if there is none."""
    async with jiwa.get_client() as client:
        return (await client.get_debtor(DebtorID=debtor_id)).EmailAddress


@task(**VENDOR_CALL)
async def query_sales_orders(jiwa: JiwaCredentials, invoice_id: str) -> list[SalesOrderRow]:
    """Read an order's rows of the order list, one a delivery: they tell what was allocated in the ledger."""
    async with jiwa.get_client() as client:
        rows = pages(client.query_sales_orders, InvoiceID=invoice_id, OrderBy="InvoiceHistoryID")
        # Jiwa ignores a filter that it does not know: take none but ours.
        return [row async for row in rows if row.InvoiceID == invoice_id]


@task(**VENDOR_CALL)
async def create_sales_order_note(
    jiwa: JiwaCredentials, business: Business, invoice_id: str, text: str
) -> str:
    """Put a note on an order, once; return its id. The business's token is added, to find it again."""
    token = f"[{business.workflow} {business.key}]"
    async with jiwa.get_client() as client:

        async def send() -> Outcome:
            note = await client.create_sales_order_note(InvoiceID=invoice_id, NoteText=f"{text}\n{token}")
            return Outcome([note.NoteID])

        async def look() -> Outcome | None:
            for note in await client.list_sales_order_notes(InvoiceID=invoice_id):
                if token in note.NoteText:
                    return Outcome([note.NoteID])
            return None

        done = await once(
            business, "order note", "jiwa.create_sales_order_note", {"text": text}, send, look=look
        )
    return next(iter(done.reference), "")


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
