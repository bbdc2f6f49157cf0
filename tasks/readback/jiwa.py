"""
Look-ups at Jiwa, where every POST creates, and little but our own references tells one record from another.

What bears none, or one that others bear too, is counted before and after: see `Tally`.
"""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Final

from hookline.clients import JiwaClient, pages
from hookline.clients.jiwa.debtors import NewDebtor, NewInventoryItem
from hookline.clients.jiwa.models import (
    ChangedLine,
    ChangedNote,
    ChangedSalesOrder,
    LineFields,
    NewPayment,
    NewSalesOrder,
    NewSalesOrderLine,
    NewSalesOrderNote,
    NewSalesOrderPayment,
    OneSalesOrder,
    SalesOrder,
    SalesOrderHistory,
    SalesOrderLine,
    SalesOrderPayment,
)
from hookline.clients.jiwa.queries import SalesOrderRow, SalesQuoteRow
from hookline.clients.jiwa.quotes import (
    ChangedQuoteLine,
    ChangedSalesQuote,
    NewSalesQuote,
    NewSalesQuoteLine,
    SalesQuote,
    SalesQuoteLine,
)
from hookline.clients.jiwa.webhooks import NewSubscriber, NewSubscription
from hookline.clients.models import Input
from hookline.journal import Outcome
from tasks.operations import RecordReadback

CENT: Final = Decimal("0.01")


async def never(_client: JiwaClient, _given: Input, _token: str) -> Outcome | None:
    """Never, so a save is sent again: it writes what the session has not saved yet, or nothing."""
    return None


# New orders and quotes --------------------------------------------------------------------------------------


def orders_so_numbered(client: JiwaClient, given: NewSalesOrder) -> RecordReadback:
    """The customer's orders with the same numbers of ours; many have one number for all that they order."""
    wanted = _numbers(given) | {"SOReference": given.SOReference or None}

    async def count() -> set[str]:
        rows = pages(client.query_sales_orders, **wanted)
        return {row.InvoiceNo async for row in rows if _is_so_numbered(row, row.SOReference, given)}

    async def read(brought: list[str]) -> SalesOrder | None:
        async for row in pages(client.query_sales_orders, InvoiceNo=brought[0]):
            if row.InvoiceNo == brought[0]:
                return await client.get_sales_order(InvoiceID=row.InvoiceID)
        return None

    return RecordReadback(
        f"orders {wanted} at {client.base_url}", count, lambda order: {order.InvoiceNo}, read
    )


def quotes_so_numbered(client: JiwaClient, given: NewSalesQuote) -> RecordReadback:
    """The customer's quotes with the same numbers of ours; the list has other names for a quote's."""
    wanted = _numbers(given) | {"QOReference": given.SOReference or None}

    async def count() -> set[str]:
        rows = pages(client.query_sales_quotes, **wanted)
        return {row.InvoiceNo async for row in rows if _is_so_numbered(row, row.QOReference, given)}

    async def read(brought: list[str]) -> SalesQuote | None:
        async for row in pages(client.query_sales_quotes, InvoiceNo=brought[0]):
            if row.InvoiceNo == brought[0]:
                return await client.get_sales_quote(QuoteID=row.InvoiceID)
        return None

    return RecordReadback(f"quotes {wanted} at {client.base_url}", count, lambda quote: {quote.QuoteNo}, read)


def _numbers(given: NewSalesOrder | NewSalesQuote) -> dict[str, Any]:
    """Filters for the customer's documents of the number; Jiwa goes by the customer's id where both are given."""
    debtor = {"DebtorID": given.DebtorID} if given.DebtorID else {"AccountNo": given.DebtorAccountNo}
    return debtor | {"OrderNo": given.OrderNo or None}


def _is_so_numbered(
    row: SalesOrderRow | SalesQuoteRow, reference: str, given: NewSalesOrder | NewSalesQuote
) -> bool:
    # Jiwa ignores a filter that it does not know: take none but ours.
    debtor = (row.DebtorID, given.DebtorID) if given.DebtorID else (row.AccountNo, given.DebtorAccountNo)
    numbers = ((row.OrderNo, given.OrderNo), (reference, given.SOReference))
    return _same(*debtor) and all(_same(existing, wanted) for existing, wanted in numbers if wanted)


# Changed orders and quotes ----------------------------------------------------------------------------------


async def order_as_given(client: JiwaClient, given: ChangedSalesOrder, _token: str) -> Outcome | None:
    """The order, if it is as it was to be; if it seems not to be, the same change again does no harm."""
    order = await client.get_sales_order(InvoiceID=given.InvoiceID)
    return Outcome(answer=order) if _holds(order.model_dump(mode="json"), given.values()) else None


async def quote_as_given(client: JiwaClient, given: ChangedSalesQuote, _token: str) -> Outcome | None:
    """The quote, if it is as it was to be; if it seems not to be, the same change again does no harm."""
    quote = await client.get_sales_quote(QuoteID=given.QuoteID)
    return Outcome(answer=quote) if _holds(quote.model_dump(mode="json"), given.values()) else None


def added_to_order(client: JiwaClient, given: ChangedSalesOrder) -> RecordReadback | None:
    """What stands on the order like what is appended to it; None where nothing is."""

    async def read(_brought: list[str] | None = None) -> SalesOrder:
        return await client.get_sales_order(InvoiceID=given.InvoiceID)

    return _added(_scope(given.InvoiceID), given, given.Payments or [], read)


def added_to_quote(client: JiwaClient, given: ChangedSalesQuote) -> RecordReadback | None:
    """What stands on the quote like what is appended to it; None where nothing is."""

    async def read(_brought: list[str] | None = None) -> SalesQuote:
        return await client.get_sales_quote(QuoteID=given.QuoteID)

    return _added(_scope(given.QuoteID), given, [], read)


def _added(
    scope: str,
    given: ChangedSalesOrder | ChangedSalesQuote,
    payments: list[NewPayment],
    read: Callable[..., Any],
) -> RecordReadback | None:
    lines = [line for line in given.Lines or () if not _given_id(line)]
    notes = [note for note in given.Notes or () if not note.NoteID]
    wanted = len(lines) + len(notes) + len(payments)

    def alike(existing: SalesOrder | SalesQuote) -> set[str]:
        found = {_id(line) for line in existing.Lines if any(_is_like(line, new) for new in lines)}
        found |= {note.NoteID for note in existing.Notes if any(_reads(note.NoteText, new) for new in notes)}
        paid = existing.Payments if isinstance(existing, SalesOrder) else []
        return found | {each.PaymentID for each in paid if any(_is_payment(each, new) for new in payments)}

    async def count() -> set[str]:
        return alike(await read())

    return RecordReadback(scope, count, alike, read, wanted) if wanted else None


def _holds(existing: Any, given: Any) -> bool:
    """Whether a JSON value holds all that another does; a row of a list may be in any row."""
    if isinstance(given, Mapping):
        return isinstance(existing, Mapping) and all(
            _holds(existing.get(name), given[name]) for name in given
        )
    if isinstance(given, list):
        return isinstance(existing, list) and all(
            any(_holds(one, each) for one in existing) for each in given
        )
    return bool(existing == given)


# Lines ------------------------------------------------------------------------------------------------------


def lines_of_order(client: JiwaClient, given: NewSalesOrderLine) -> RecordReadback:
    """The lines of the delivery with the same part; nothing on a line is ours to put a mark into."""
    delivery = {"InvoiceID": given.InvoiceID, "InvoiceHistoryID": given.InvoiceHistoryID}

    async def count() -> set[str]:
        lines = await client.list_sales_order_lines(**delivery)
        return {line.InvoiceLineID for line in lines if _is_like(line, given)}

    async def read(brought: list[str]) -> SalesOrderLine:
        return await client.get_sales_order_line(**delivery, InvoiceLineID=brought[0])

    return RecordReadback(_scope(given.InvoiceID), count, lambda line: {line.InvoiceLineID}, read)


def lines_of_quote(client: JiwaClient, given: NewSalesQuoteLine) -> RecordReadback:
    """The lines of the quote with the same part; nothing on a line is ours to put a mark into."""

    async def count() -> set[str]:
        quote = await client.get_sales_quote(QuoteID=given.QuoteID)
        lines = [*quote.Lines, *(line for version in quote.Histories for line in version.Lines)]
        return {line.QuoteLineID for line in lines if _is_like(line, given)}

    async def read(brought: list[str]) -> SalesQuoteLine:
        return await client.get_sales_quote_line(
            QuoteID=given.QuoteID, QuoteHistoryID=given.QuoteHistoryID, QuoteLineID=brought[0]
        )

    return RecordReadback(_scope(given.QuoteID), count, lambda line: {line.QuoteLineID}, read)


def _scope(document: str) -> str:
    """One for all that appends to a document, so that no two such writes are mistaken for one another."""
    return f"additions to {document}"


def _is_like(line: SalesOrderLine | SalesQuoteLine, given: LineFields) -> bool:
    """Whether a line is of the part that is given; not by its quantity and price, which Jiwa may round."""
    if given.CommentLine:
        return line.CommentLine
    return _same(line.InventoryID, given.InventoryID) or _same(line.PartNo, given.PartNo)


def _id(line: SalesOrderLine | SalesQuoteLine) -> str:
    return line.InvoiceLineID if isinstance(line, SalesOrderLine) else line.QuoteLineID


def _given_id(line: ChangedLine | ChangedQuoteLine) -> str | None:
    return line.InvoiceLineID if isinstance(line, ChangedLine) else line.QuoteLineID


# Invoicing, payments, notes ---------------------------------------------------------------------------------


def invoiced_deliveries(client: JiwaClient, given: OneSalesOrder) -> RecordReadback:
    """The deliveries of the order that are invoiced: what is on back order is invoiced another time."""

    def counted(order: SalesOrder) -> set[str]:
        return {each.InvoiceHistoryID for each in order.Histories if _is_invoiced(each)}

    async def count() -> set[str]:
        return counted(await client.get_sales_order(InvoiceID=given.InvoiceID))

    async def read(_brought: list[str]) -> SalesOrder:
        return await client.get_sales_order(InvoiceID=given.InvoiceID)

    return RecordReadback(f"invoiced deliveries of {given.InvoiceID}", count, counted, read)


async def paid(client: JiwaClient, given: NewSalesOrderPayment, _token: str) -> Outcome | None:
    """A payment of the delivery with the same reference and amount."""
    order = await client.get_sales_order(InvoiceID=given.InvoiceID)
    delivery = {each.HistoryNo for each in order.Histories if each.InvoiceHistoryID == given.InvoiceHistoryID}
    for payment in order.Payments:
        if payment.HistoryNo in {None, *delivery} and _is_payment(payment, given):
            return Outcome(answer=payment)
    return None


async def noted_order(client: JiwaClient, given: NewSalesOrderNote, _token: str) -> Outcome | None:
    """A note on the order of the same words, the mark among them: the business may have noted other things."""
    for note in await client.list_sales_order_notes(InvoiceID=given.InvoiceID):
        if _reads(note.NoteText, given):
            return Outcome(answer=note)
    return None


def _is_invoiced(delivery: SalesOrderHistory) -> bool:
    return delivery.DateProcessed is not None or delivery.Status.endswith("Invoiced")


def _is_payment(payment: SalesOrderPayment, given: NewPayment) -> bool:
    same_amount = abs(payment.AmountPaid - given.AmountPaid) < CENT  # Jiwa may round it
    return same_amount and _same(payment.PaymentRef, given.PaymentRef)


def _reads(text: str, given: ChangedNote | NewSalesOrderNote) -> bool:
    """Whether a note says what is given; how lines end is Jiwa's."""
    return text.split() == (given.NoteText or "").split()


# Customers and parts ----------------------------------------------------------------------------------------


async def debtor_of_account(client: JiwaClient, given: NewDebtor, _token: str) -> Outcome | None:
    """The customer with the account number, if it has the name: another's number Jiwa does not give twice."""
    async for row in pages(client.query_debtors, AccountNo=given.AccountNo):
        if _same(row.AccountNo, given.AccountNo) and _same(row.Name, given.Name):
            return Outcome(answer=await client.get_debtor(DebtorID=row.DebtorID))
    return None


async def item_of_part(client: JiwaClient, given: NewInventoryItem, _token: str) -> Outcome | None:
    """The part with the number, if it has the description: another's number Jiwa does not give twice."""
    async for row in pages(client.query_inventory_items, PartNo=given.PartNo):
        if _same(row.PartNo, given.PartNo) and _same(row.Description, given.Description):
            return Outcome(answer=await client.get_inventory_item(InventoryID=row.InventoryID))
    return None


# Webhooks ---------------------------------------------------------------------------------------------------


async def subscriber_so_named(client: JiwaClient, given: NewSubscriber, _token: str) -> Outcome | None:
    """A subscriber of the name, switched on or off as it was to be."""
    async for row in pages(client.list_webhook_subscribers):
        if (row.Name, row.IsEnabled) == (given.Name, given.IsEnabled):
            return Outcome(answer=row)
    return None


async def subscribed(client: JiwaClient, given: NewSubscription, _token: str) -> Outcome | None:
    """A subscription of the subscriber to the event, at the address."""
    for row in await client.list_webhook_subscriptions(SubscriberID=given.SubscriberID):
        if (row.EventName, row.URL) == (given.EventName, given.URL):
            return Outcome(answer=row)
    return None


def _same(existing: str, given: str | None) -> bool:
    """Whether two numbers or names are the same to Jiwa's database, which has no regard to case."""
    return given is not None and existing.strip().casefold() == given.strip().casefold()
