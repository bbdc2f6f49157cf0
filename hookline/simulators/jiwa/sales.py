"""Calls about Jiwa's sales orders and sales quotes, whose documents are read and changed in the same ways."""

import json
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Any

from hookline.simulators.control import Call, Operation, RefusedError, control, control_order, operation
from hookline.simulators.faults import InvalidControlError, is_number
from hookline.simulators.jiwa.debtors import Debtor, DebtorRoutes
from hookline.simulators.jiwa.documents import SalesDocument
from hookline.simulators.jiwa.inventory import InventoryRoutes
from hookline.simulators.jiwa.orders import SALES_ORDER_LIST, Order
from hookline.simulators.jiwa.quotes import SALES_QUOTE_LIST, Quote
from hookline.simulators.jiwa.sessions import Caller, Table
from hookline.simulators.jiwa.values import body_of
from hookline.simulators.records import Document, names

CLOSED_TO_DEBTORS = frozenset(("creditnote", "invoiceinitdate", "systemsettings", "payments"))
"""The fields that are dropped from a customer's order."""
CARRIED_OVER = names("PartNo QuantityOrdered DiscountedPrice CommentLine CommentText")
"""The fields of a quote's line that the order made from it has."""
CREDITED = "CreditNoteFromInvoiceHistoryID"


class SalesDocuments(DebtorRoutes, InventoryRoutes):
    """The sales documents, and the acts that calls about orders and calls about quotes have in common."""

    def seed(self) -> None:
        """Forget the orders and quotes."""
        super().seed()
        self.orders: Table[Order] = Table("Sales order", self._saved)
        self.quotes: Table[Quote] = Table("Sales quote", self._saved)
        self.sales: dict[type[SalesDocument], Table[Any]] = {Order: self.orders, Quote: self.quotes}
        # The list view of each document, made when first asked for after a change.
        self._rows: dict[str, list[Document]] = {}

    def records(self) -> dict[str, Any]:
        """Return every sales order and sales quote besides, in full."""
        orders, quotes = map(self.document_of, self.orders), map(self.document_of, self.quotes)
        copied = json.loads(json.dumps({"orders": list(orders), "quotes": list(quotes)}))
        return super().records() | dict(copied)

    def debtor_saved(self, _debtor: Debtor, _new: bool) -> None:
        """Forget the lists, which show the debtor's name and address."""
        self._rows.clear()

    def transactions(self, debtor: Debtor) -> Iterator[Document]:
        """Yield a debtor's invoices and payments."""
        for order in self.orders:
            if order.debtor_id == debtor.key:
                yield from order.transactions(debtor.document)

    def document_of(self, document: SalesDocument) -> Document:
        """Return a document as every answer and every webhook carries it."""
        written = document.document(self.debtors.named(document.debtor_id).document)
        return self._as_credit_note(written) if written.get("CreditNote") else written

    def _as_credit_note(self, written: Document) -> Document:
        """Return a credit note as this installation shows it."""
        if self.dialect["credit-note-origin"] == "absent":
            written = {name: value for name, value in written.items() if name != CREDITED}
        if self.dialect["credit-quantities"] == "positive":
            return written
        lines = [line | {"QuantityOrdered": -line["QuantityOrdered"]} for line in written["Lines"]]
        return written | {"Lines": lines}

    def rows_of(self, document: SalesDocument) -> list[Document]:
        """Return a document in the list view."""
        if document.key not in self._rows:
            debtor = self.debtors.named(document.debtor_id).document
            self._rows[document.key] = document.rows(debtor)
        return self._rows[document.key]

    def _saved(self, document: SalesDocument, new: bool) -> None:
        self._rows.pop(document.key, None)
        if document.event:
            self.webhooks.notify(
                f"{document.event}.{'created' if new else 'updated'}", self.document_of(document)
            )

    # The acts

    def create(self, sales: "Sales", call: Call) -> Any:
        """Create a document, another one each time."""
        caller, body = self.caller(call), self._body(sales, call)
        debtor = self.debtor_named_by(caller, body).document
        document = sales.kind.new(self.next_number(), debtor, body, self.items)
        return self.document_of(self.sales[sales.kind].add(caller, document))

    def get(self, sales: "Sales", call: Call) -> Any:
        """Answer a document in full."""
        return self.document_of(self.read(sales, call))

    def update(self, sales: "Sales", call: Call) -> Any:
        """Change a document; lines and notes without a key are appended, at each repeat again."""
        body = self._body(sales, call)
        self.change(sales, call, lambda document: document.change(body, self.items))
        return self.get(sales, call)

    def save(self, sales: "Sales", call: Call) -> Any:
        """Save the document that the session has in work."""
        return self.document_of(self.sales[sales.kind].save(self.caller(call), _keys(call)[0]))

    def abandon(self, sales: "Sales", call: Call) -> None:
        """Drop the document that the session has in work."""
        self.sales[sales.kind].abandon(self.caller(call), _keys(call)[0])

    def read(self, sales: "Sales", call: Call) -> SalesDocument:
        """Return the document in the path."""
        document: SalesDocument = self.sales[sales.kind].read(self.caller(call), _keys(call)[0])
        return document

    def change(self, sales: "Sales", call: Call, change: Callable[[Any], Any]) -> Any:
        """Change the document in the path."""
        return self.sales[sales.kind].change(self.caller(call), _keys(call)[0], change)

    def _body(self, sales: "Sales", call: Call) -> Document:
        body = body_of(call)
        closed = sales.closed_to_debtors if self.caller(call).session.debtor_id else ()
        return {name: value for name, value in body.items() if name.lower() not in closed}


@dataclass(frozen=True, slots=True)
class Sales:
    """One kind of sales document, to declare the calls about it."""

    kind: type[SalesDocument]
    path: str
    """The path of all of them."""
    closed_to_debtors: Collection[str] = ()
    """The fields that are dropped from a customer's request."""

    def call(self, verb: str, path: str, act: Callable[..., Any]) -> Operation:
        """Declare the call for an act on the document."""
        return self._declare(verb, path, act, lambda documents, call: act(documents, self, call))

    def part(self, path: str, read: Callable[..., Any]) -> Operation:
        """Declare the call that reads a part of the document, named by the other keys in the path."""
        return self._declare(
            "GET", path, read, lambda documents, call: read(documents.read(self, call), *_keys(call)[1:])
        )

    def change(self, verb: str, path: str, change: Callable[..., Any], *, items: bool = False) -> Operation:
        """Declare the call that changes a part: by the keys in the path, and by the body unless it deletes."""

        def handler(documents: SalesDocuments, call: Call) -> Any:
            body = () if verb == "DELETE" else (body_of(call),)
            inputs = (*_keys(call)[1:], *body, *((documents.items,) if items else ()))
            return documents.change(self, call, lambda document: change(document, *inputs))

        return self._declare(verb, path, change, handler)

    def query(self, path: str, columns: dict[str, type]) -> Operation:
        """Declare the call that lists the documents: a row for each history of each document."""

        def handler(documents: SalesDocuments, call: Call) -> Any:
            """Answer a row for each history of each document."""
            seen = documents.sales[self.kind].seen_by(documents.caller(call))
            rows = (row for document in seen for row in documents.rows_of(document))
            return documents.queried(rows, columns, call)

        return operation("GET", path)(handler)

    def _declare(
        self, verb: str, path: str, described: Callable[..., Any], handler: Callable[[Any, Call], Any]
    ) -> Operation:
        handler.__doc__ = described.__doc__
        return operation(verb, self.path + path)(handler)


def _keys(call: Call) -> list[str]:
    """Return the keys in the path: the document's, then those of its part."""
    return list(call.path.values())


ORDERS = Sales(Order, "/SalesOrders", CLOSED_TO_DEBTORS)
DELIVERY = "/{InvoiceID}/Historys/{InvoiceHistoryID}"
LINE = f"{DELIVERY}/Lines/{{InvoiceLineID}}"
NOTE, FIELD = "/{InvoiceID}/Notes/{NoteID}", "/{InvoiceID}/CustomFieldValues/{SettingID}"
QUOTES = Sales(Quote, "/SalesQuotes")
QUOTE_LINE = "/{QuoteID}/Historys/{QuoteHistoryID}/Lines/{QuoteLineID}"


class SalesRoutes(SalesDocuments):
    """The calls about sales orders and sales quotes."""

    # fmt: off
    create_sales_order  = ORDERS.call("POST", "", SalesDocuments.create)
    get_sales_order     = ORDERS.call("GET", "/{InvoiceID}", SalesDocuments.get)
    update_sales_order  = ORDERS.call("PATCH", "/{InvoiceID}", SalesDocuments.update)
    save_sales_order    = ORDERS.call("GET", "/{InvoiceID}/Save", SalesDocuments.save)
    abandon_sales_order = ORDERS.call("DELETE", "/{InvoiceID}/Abandon", SalesDocuments.abandon)
    query_sales_orders  = ORDERS.query("/Queries/SalesOrderList", SALES_ORDER_LIST)

    list_sales_order_histories = ORDERS.part("/{InvoiceID}/Historys", Order.history_documents)
    get_sales_order_history    = ORDERS.part(DELIVERY, Order.history_document_of)
    create_sales_order_payment = ORDERS.change("POST", f"{DELIVERY}/Payments", Order.add_payment)
    list_sales_order_payments  = ORDERS.part("/{InvoiceID}/Payments", Order.all_payments)
    list_sales_order_lines  = ORDERS.part(f"{DELIVERY}/Lines", Order.lines_of)
    create_sales_order_line = ORDERS.change("POST", f"{DELIVERY}/Lines", Order.add_line, items=True)
    get_sales_order_line    = ORDERS.part(LINE, Order.line)
    update_sales_order_line = ORDERS.change("PATCH", LINE, Order.change_line)
    delete_sales_order_line = ORDERS.change("DELETE", LINE, Order.delete_line)
    list_sales_order_notes  = ORDERS.part("/{InvoiceID}/Notes", Order.all_notes)
    get_sales_order_note    = ORDERS.part(NOTE, Order.note)
    create_sales_order_note = ORDERS.change("POST", "/{InvoiceID}/Notes", Order.add_note)
    update_sales_order_note = ORDERS.change("PATCH", NOTE, Order.change_note)
    delete_sales_order_note = ORDERS.change("DELETE", NOTE, Order.delete_note)
    list_sales_order_custom_field_values  = ORDERS.part("/{InvoiceID}/CustomFieldValues", Order.custom_values)
    get_sales_order_custom_field_value    = ORDERS.part(FIELD, Order.custom_value)
    update_sales_order_custom_field_value = ORDERS.change("PATCH", FIELD, Order.set_custom)

    create_sales_quote  = QUOTES.call("POST", "", SalesDocuments.create)
    get_sales_quote     = QUOTES.call("GET", "/{QuoteID}", SalesDocuments.get)
    update_sales_quote  = QUOTES.call("PATCH", "/{QuoteID}", SalesDocuments.update)
    save_sales_quote    = QUOTES.call("GET", "/{QuoteID}/Save", SalesDocuments.save)
    abandon_sales_quote = QUOTES.call("DELETE", "/{QuoteID}/Abandon", SalesDocuments.abandon)
    query_sales_quotes  = QUOTES.query("/Queries/SalesQuoteList", SALES_QUOTE_LIST)
    create_sales_quote_line = QUOTES.change(
        "POST", "/{QuoteID}/Historys/{QuoteHistoryID}/Lines", Quote.add_line, items=True)
    get_sales_quote_line    = QUOTES.part(QUOTE_LINE, Quote.line)
    update_sales_quote_line = QUOTES.change("PATCH", QUOTE_LINE, Quote.change_line)
    delete_sales_quote_line = QUOTES.change("DELETE", QUOTE_LINE, Quote.delete_line)
    # fmt: on

    @operation("DELETE", "/SalesOrders/{InvoiceID}")
    def delete_sales_order(self, call: Call) -> Any:
        """Delete an order that is not processed."""
        if self.dialect["order-deletion"] == "no-route":
            raise RefusedError(405, "There is no such route.", "MethodNotAllowed")
        caller, key = self.caller(call), call.path["InvoiceID"]
        self.orders.read(Caller(caller.session, stateful=False), key).check_deletable()
        self.orders.delete(caller, key)
        self._rows.pop(key, None)

    @operation("GET", "/SalesOrders/{InvoiceID}/Process")
    def process_sales_order(self, call: Call) -> Any:
        """Invoice an order. A GET, and yet it changes something."""
        caller, key = self.caller(call), call.path["InvoiceID"]
        self.orders.change(caller, key, Order.process)
        return self.document_of(self.orders.read(caller, key))

    # An order to the simulator itself

    @control("POST", "/_sandbox/quotes/{QuoteID}/order")
    def _make_order(self, call: Call) -> Any:
        return self.make_order(call.path["QuoteID"])

    def make_order(self, quote_id: str) -> Document:
        """
        Make an order from a quote, as a person does on Jiwa's screens; return it.

        Raises:
            InvalidControlError: there is no such quote.
        """
        quote = next((each for each in self.quotes if each.key == quote_id), None)
        if quote is None:
            raise InvalidControlError(f"QuoteID: there is no sales quote {quote_id}")
        lines = [
            {name: line[name] for name in CARRIED_OVER if name in line}
            for line in quote.lines[quote.current_key]
            if self.dialect["quote-to-order"] != "reference" or not line["CommentLine"]
        ]
        reference = "" if self.dialect["quote-to-order"] == "lines" else quote.header["SOReference"]
        debtor = self.debtors.named(quote.debtor_id).document
        order = Order.new(self.next_number(), debtor, {"SOReference": reference, "Lines": lines}, self.items)
        order.stamp()
        self.orders.put(order)
        self._saved(order, True)
        return self.document_of(order)

    @control("POST", "/_sandbox/orders/{InvoiceID}/allocate")
    def _allocate(self, call: Call) -> Any:
        amount, key = control_order(call, "amount").get("amount"), call.path["InvoiceID"]
        self.allocate(key, amount)
        return self.rows_of(self.orders.named(key))

    def allocate(self, invoice_id: str, amount: float | None = None) -> None:
        """
        Allocate cash to an order in the debtor ledger; all that is outstanding unless an amount is named.

        It shows in the lists alone: no webhook is sent about it and the order's LastSavedDateTime stays.

        Raises:
            InvalidControlError: there is no such order, or the amount is no amount.
        """
        order = next((each for each in self.orders if each.key == invoice_id), None)
        if order is None:
            raise InvalidControlError(f"InvoiceID: there is no sales order {invoice_id}")
        if amount is not None and not (is_number(amount) and amount):
            raise InvalidControlError("amount: must be a number above 0")
        draft = order.draft()
        draft.allocate(amount)
        self.orders.put(draft)
        self._rows.pop(invoice_id, None)
