"""
Read-backs at Jiwa, where every POST creates, and little but our own references tells one record from another.

A record without one, or with one that others have too, is counted before and after: see `RecordReadback`.
"""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Final

from hookline.clients import pages
from hookline.clients.jiwa import JiwaClient
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
from hookline.clients.jiwa.webhooks import NewSubscriber, NewSubscription, WebhookSubscription
from hookline.journal import Outcome
from tasks.operations import RecordReadback

CENT: Final = Decimal("0.01")


# New orders and quotes --------------------------------------------------------------------------------------


def orders_so_numbered(client: JiwaClient, inputs: NewSalesOrder) -> RecordReadback:
    """Count the customer's orders with the same numbers of ours; many use one number for all their orders."""
    filters = _numbers(inputs) | {"SOReference": inputs.SOReference or None}

    async def count() -> set[str]:
        rows = pages(client.query_sales_orders, **filters)
        return {row.InvoiceNo async for row in rows if _is_so_numbered(row, row.SOReference, inputs)}

    async def read(brought: list[str]) -> SalesOrder | None:
        async for row in pages(client.query_sales_orders, InvoiceNo=brought[0]):
            if row.InvoiceNo == brought[0]:
                return await client.get_sales_order(InvoiceID=row.InvoiceID)
        return None

    return RecordReadback(
        f"orders {filters} at {client.base_url}", count, lambda order: {order.InvoiceNo}, read
    )


def quotes_so_numbered(client: JiwaClient, inputs: NewSalesQuote) -> RecordReadback:
    """Count the customer's quotes with the same numbers of ours; the list has other names for a quote's."""
    filters = _numbers(inputs) | {"QOReference": inputs.SOReference or None}

    async def count() -> set[str]:
        rows = pages(client.query_sales_quotes, **filters)
        return {row.InvoiceNo async for row in rows if _is_so_numbered(row, row.QOReference, inputs)}

    async def read(brought: list[str]) -> SalesQuote | None:
        async for row in pages(client.query_sales_quotes, InvoiceNo=brought[0]):
            if row.InvoiceNo == brought[0]:
                return await client.get_sales_quote(QuoteID=row.InvoiceID)
        return None

    return RecordReadback(
        f"quotes {filters} at {client.base_url}", count, lambda quote: {quote.QuoteNo}, read
    )


def _numbers(inputs: NewSalesOrder | NewSalesQuote) -> dict[str, Any]:
    """Return filters for the customer's documents of the number; Jiwa uses the customer's id where both are there."""
    debtor = {"DebtorID": inputs.DebtorID} if inputs.DebtorID else {"AccountNo": inputs.DebtorAccountNo}
    return debtor | {"OrderNo": inputs.OrderNo or None}


def _is_so_numbered(
    row: SalesOrderRow | SalesQuoteRow, reference: str, inputs: NewSalesOrder | NewSalesQuote
) -> bool:
    # Jiwa ignores a filter that it does not know: take none but ours.
    debtor = (row.DebtorID, inputs.DebtorID) if inputs.DebtorID else (row.AccountNo, inputs.DebtorAccountNo)
    numbers = ((row.OrderNo, inputs.OrderNo), (reference, inputs.SOReference))
    return _same(*debtor) and all(_same(existing, ours) for existing, ours in numbers if ours)


# Changed orders and quotes ----------------------------------------------------------------------------------


async def order_as_given(client: JiwaClient, inputs: ChangedSalesOrder, _token: str) -> Outcome | None:
    """Find the order as it was to be; if it seems not to be, the same change again does no harm."""
    order = await client.get_sales_order(InvoiceID=inputs.InvoiceID)
    return Outcome(answer=order) if _has_all(order.model_dump(mode="json"), inputs.values()) else None


async def quote_as_given(client: JiwaClient, inputs: ChangedSalesQuote, _token: str) -> Outcome | None:
    """Find the quote as it was to be; if it seems not to be, the same change again does no harm."""
    quote = await client.get_sales_quote(QuoteID=inputs.QuoteID)
    return Outcome(answer=quote) if _has_all(quote.model_dump(mode="json"), inputs.values()) else None


def added_to_order(client: JiwaClient, inputs: ChangedSalesOrder) -> RecordReadback | None:
    """Count what is on the order like what is appended to it; None where nothing is."""

    async def read(_brought: list[str] | None = None) -> SalesOrder:
        return await client.get_sales_order(InvoiceID=inputs.InvoiceID)

    return _added(_scope(inputs.InvoiceID), inputs, inputs.Payments or [], read)


def added_to_quote(client: JiwaClient, inputs: ChangedSalesQuote) -> RecordReadback | None:
    """Count what is on the quote like what is appended to it; None where nothing is."""

    async def read(_brought: list[str] | None = None) -> SalesQuote:
        return await client.get_sales_quote(QuoteID=inputs.QuoteID)

    return _added(_scope(inputs.QuoteID), inputs, [], read)


def _added(
    scope: str,
    inputs: ChangedSalesOrder | ChangedSalesQuote,
    payments: list[NewPayment],
    read: Callable[..., Any],
) -> RecordReadback | None:
    lines = [line for line in inputs.Lines or () if not _id_of_input(line)]
    notes = [note for note in inputs.Notes or () if not note.NoteID]
    expected = len(lines) + len(notes) + len(payments)

    def counted(existing: SalesOrder | SalesQuote) -> set[str]:
        found = {_id(line) for line in existing.Lines if any(_is_same_part(line, new) for new in lines)}
        found |= {
            note.NoteID for note in existing.Notes if any(_has_text(note.NoteText, new) for new in notes)
        }
        paid = existing.Payments if isinstance(existing, SalesOrder) else []
        return found | {each.PaymentID for each in paid if any(_is_payment(each, new) for new in payments)}

    async def count() -> set[str]:
        return counted(await read())

    return RecordReadback(scope, count, counted, read, expected) if expected else None


def _has_all(existing: Any, inputs: Any) -> bool:
    """Return True if a JSON value has all that another has; a row of a list may be in any row."""
    if isinstance(inputs, Mapping):
        return isinstance(existing, Mapping) and all(
            _has_all(existing.get(name), inputs[name]) for name in inputs
        )
    if isinstance(inputs, list):
        return isinstance(existing, list) and all(
            any(_has_all(one, each) for one in existing) for each in inputs
        )
    return bool(existing == inputs)


# Lines ------------------------------------------------------------------------------------------------------


def lines_of_order(client: JiwaClient, inputs: NewSalesOrderLine) -> RecordReadback:
    """Count the lines of the delivery with the same part; no text on a line is ours for a token."""
    delivery = {"InvoiceID": inputs.InvoiceID, "InvoiceHistoryID": inputs.InvoiceHistoryID}

    async def count() -> set[str]:
        lines = await client.list_sales_order_lines(**delivery)
        return {line.InvoiceLineID for line in lines if _is_same_part(line, inputs)}

    async def read(brought: list[str]) -> SalesOrderLine:
        return await client.get_sales_order_line(**delivery, InvoiceLineID=brought[0])

    return RecordReadback(_scope(inputs.InvoiceID), count, lambda line: {line.InvoiceLineID}, read)


def lines_of_quote(client: JiwaClient, inputs: NewSalesQuoteLine) -> RecordReadback:
    """Count the lines of the quote with the same part; no text on a line is ours for a token."""

    async def count() -> set[str]:
        quote = await client.get_sales_quote(QuoteID=inputs.QuoteID)
        lines = [*quote.Lines, *(line for version in quote.Histories for line in version.Lines)]
        return {line.QuoteLineID for line in lines if _is_same_part(line, inputs)}

    async def read(brought: list[str]) -> SalesQuoteLine:
        return await client.get_sales_quote_line(
            QuoteID=inputs.QuoteID, QuoteHistoryID=inputs.QuoteHistoryID, QuoteLineID=brought[0]
        )

    return RecordReadback(_scope(inputs.QuoteID), count, lambda line: {line.QuoteLineID}, read)


def _scope(document: str) -> str:
    """Return one scope for all that appends to a document, so that no two such writes are taken for one another."""
    return f"additions to {document}"


def _is_same_part(line: SalesOrderLine | SalesQuoteLine, inputs: LineFields) -> bool:
    """Return True if a line is of the part; not by its quantity and price, which Jiwa may round."""
    if inputs.CommentLine:
        return line.CommentLine
    return _same(line.InventoryID, inputs.InventoryID) or _same(line.PartNo, inputs.PartNo)


def _id(line: SalesOrderLine | SalesQuoteLine) -> str:
    return line.InvoiceLineID if isinstance(line, SalesOrderLine) else line.QuoteLineID


def _id_of_input(line: ChangedLine | ChangedQuoteLine) -> str | None:
    return line.InvoiceLineID if isinstance(line, ChangedLine) else line.QuoteLineID


# Invoicing, payments, notes ---------------------------------------------------------------------------------


def invoiced_deliveries(client: JiwaClient, inputs: OneSalesOrder) -> RecordReadback:
    """Count the deliveries of the order that are invoiced: a back order is invoiced another time."""

    def counted(order: SalesOrder) -> set[str]:
        return {each.InvoiceHistoryID for each in order.Histories if _is_invoiced(each)}

    async def count() -> set[str]:
        return counted(await client.get_sales_order(InvoiceID=inputs.InvoiceID))

    async def read(_brought: list[str]) -> SalesOrder:
        return await client.get_sales_order(InvoiceID=inputs.InvoiceID)

    return RecordReadback(f"invoiced deliveries of {inputs.InvoiceID}", count, counted, read)


async def payment_of_delivery(
    client: JiwaClient, inputs: NewSalesOrderPayment, _token: str
) -> Outcome | None:
    """Find a payment of the delivery with the same reference and amount."""
    order = await client.get_sales_order(InvoiceID=inputs.InvoiceID)
    delivery = {
        each.HistoryNo for each in order.Histories if each.InvoiceHistoryID == inputs.InvoiceHistoryID
    }
    for payment in order.Payments:
        if payment.HistoryNo in {None, *delivery} and _is_payment(payment, inputs):
            return Outcome(answer=payment)
    return None


async def noted_order(client: JiwaClient, inputs: NewSalesOrderNote, token: str) -> Outcome | None:
    """Find a note on the order with the token, whatever else it says; Jiwa lists notes in the order they came."""
    notes = await client.list_sales_order_notes(InvoiceID=inputs.InvoiceID)
    ours = [note for note in notes if token in note.NoteText]
    return Outcome(answer=ours[0], copies=[note.NoteID for note in ours]) if ours else None


def _is_invoiced(delivery: SalesOrderHistory) -> bool:
    return delivery.DateProcessed is not None or delivery.Status.endswith("Invoiced")


def _is_payment(payment: SalesOrderPayment, inputs: NewPayment) -> bool:
    same_amount = abs(payment.AmountPaid - inputs.AmountPaid) < CENT  # Jiwa may round it
    return same_amount and _same(payment.PaymentRef, inputs.PaymentRef)


def _has_text(text: str, inputs: ChangedNote | NewSalesOrderNote) -> bool:
    """Return True if a note has this text; how lines end is up to Jiwa."""
    return text.split() == (inputs.NoteText or "").split()


# Customers and parts ----------------------------------------------------------------------------------------


async def debtor_of_account(client: JiwaClient, inputs: NewDebtor, _token: str) -> Outcome | None:
    """Find the customer with the account number and the name: Jiwa gives no number twice."""
    async for row in pages(client.query_debtors, AccountNo=inputs.AccountNo):
        if _same(row.AccountNo, inputs.AccountNo) and _same(row.Name, inputs.Name):
            return Outcome(answer=await client.get_debtor(DebtorID=row.DebtorID))
    return None


async def item_of_part(client: JiwaClient, inputs: NewInventoryItem, _token: str) -> Outcome | None:
    """Find the part with the number and the description: Jiwa gives no number twice."""
    async for row in pages(client.query_inventory_items, PartNo=inputs.PartNo):
        if _same(row.PartNo, inputs.PartNo) and _same(row.Description, inputs.Description):
            return Outcome(answer=await client.get_inventory_item(InventoryID=row.InventoryID))
    return None


# Webhooks ---------------------------------------------------------------------------------------------------


async def subscriber_so_named(client: JiwaClient, inputs: NewSubscriber, _token: str) -> Outcome | None:
    """Find a subscriber of the name, switched on or off as it was to be."""
    async for row in pages(client.list_webhook_subscribers):
        if (row.Name, row.IsEnabled) == (inputs.Name, inputs.IsEnabled):
            return Outcome(answer=row)
    return None


async def subscribed(client: JiwaClient, inputs: NewSubscription, _token: str) -> Outcome | None:
    """Find a subscription of the subscriber to the event, at the address, that sends the headers if Jiwa shows them."""
    for row in await client.list_webhook_subscriptions(SubscriberID=inputs.SubscriberID):
        if (row.EventName, row.URL) != (inputs.EventName, inputs.URL):
            continue
        one = await client.get_webhook_subscription(
            SubscriberID=inputs.SubscriberID, SubscriptionID=row.SubscriptionID
        )
        if _sends(one, inputs):
            return Outcome(answer=one)
    return None


def _sends(existing: WebhookSubscription, inputs: NewSubscription) -> bool:
    if existing.RequestHeaders is None or not inputs.RequestHeaders:
        return True
    sent = {(each.Name, each.Value.get_secret_value()) for each in existing.RequestHeaders}
    return all((each.Name, each.Value) in sent for each in inputs.RequestHeaders)


def _same(existing: str, inputs: str | None) -> bool:
    """Return True if two numbers or names are the same to Jiwa's database, which ignores case."""
    return inputs is not None and existing.strip().casefold() == inputs.strip().casefold()
