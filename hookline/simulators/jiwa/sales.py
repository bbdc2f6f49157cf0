"""Calls about Jiwa's sales orders and sales quotes, whose documents are read and changed in the same ways."""

import json
from collections.abc import Callable, Collection, Iterator
from typing import Any

from hookline.simulators.control import Call, Operation, control, control_order, operation
from hookline.simulators.faults import InvalidControlError, is_number
from hookline.simulators.jiwa import autoquery
from hookline.simulators.jiwa.debtors import Debtor, DebtorRoutes
from hookline.simulators.jiwa.documents import SalesDocument
from hookline.simulators.jiwa.inventory import InventoryRoutes
from hookline.simulators.jiwa.orders import SALES_ORDER_LIST, Order
from hookline.simulators.jiwa.quotes import SALES_QUOTE_LIST, Quote
from hookline.simulators.jiwa.sessions import Caller, Table
from hookline.simulators.jiwa.values import body_of
from hookline.simulators.records import Document

CLOSED_TO_DEBTORS = frozenset(("creditnote", "invoiceinitdate", "systemsettings", "payments"))
"""The fields that are dropped from a customer's order."""


class SalesCalls:
    """Declarations of the calls about one kind of sales document, by the path of one of them."""

    def __init__(self, kind: type[SalesDocument], path: str, closed: Collection[str] = ()) -> None:
        self._kind = kind
        self._path = path
        self._closed = closed

    def create(self) -> Operation:
        """Declare the call that creates a document."""

        def handler(self_: "SalesRoutes", call: Call) -> Any:
            """Create a document, another one each time."""
            caller, body = self_.caller(call), self._body(self_, call)
            debtor = self_.debtor_named_by(caller, body).document
            document = self._kind.new(self_.next_number(), debtor, body, self_.items)
            return self_.document_of(self_.sales[self._kind].add(caller, document))

        return operation("POST", self._path.rpartition("/")[0])(handler)

    def get(self) -> Operation:
        """Declare the call that reads a document."""

        def handler(self_: "SalesRoutes", call: Call) -> Any:
            """Answer a document in full."""
            return self_.document_of(self._read(self_, call))

        return operation("GET", self._path)(handler)

    def update(self) -> Operation:
        """Declare the call that changes a document."""

        def handler(self_: "SalesRoutes", call: Call) -> Any:
            """Change a document; lines and notes without a key are appended, at each repeat again."""
            body = self._body(self_, call)
            self._change(self_, call, lambda document: document.change(body, self_.items))
            return self_.document_of(self._read(self_, call))

        return operation("PATCH", self._path)(handler)

    def save(self) -> Operation:
        """Declare the call that saves a document in work."""

        def handler(self_: "SalesRoutes", call: Call) -> Any:
            """Save the document that the session has in work."""
            return self_.document_of(self_.sales[self._kind].save(self_.caller(call), _key(call)))

        return operation("GET", f"{self._path}/Save")(handler)

    def abandon(self) -> Operation:
        """Declare the call that drops a document in work."""

        def handler(self_: "SalesRoutes", call: Call) -> None:
            """Drop the document that the session has in work."""
            self_.sales[self._kind].abandon(self_.caller(call), _key(call))

        return operation("DELETE", f"{self._path}/Abandon")(handler)

    def part(self, path: str, read: Callable[..., Any]) -> Operation:
        """Declare the call that reads a part of a document, named by the other keys in the path."""

        def handler(self_: "SalesRoutes", call: Call) -> Any:
            return read(self._read(self_, call), *_part_keys(call))

        handler.__doc__ = read.__doc__
        return operation("GET", self._path + path)(handler)

    def change(self, verb: str, path: str, change: Callable[..., Any], *, items: bool = False) -> Operation:
        """Declare the call that changes a part: by the keys in the path, and by the body unless it deletes."""

        def handler(self_: "SalesRoutes", call: Call) -> Any:
            body = () if verb == "DELETE" else (body_of(call),)
            inputs = (*_part_keys(call), *body, *((self_.items,) if items else ()))
            return self._change(self_, call, lambda document: change(document, *inputs))

        handler.__doc__ = change.__doc__
        return operation(verb, self._path + path)(handler)

    def query(self, path: str, columns: dict[str, type]) -> Operation:
        """Declare the call that lists the documents: a row for each history of each document."""

        def handler(self_: "SalesRoutes", call: Call) -> Any:
            """Answer a row for each history of each document."""
            documents = self_.sales[self._kind].seen_by(self_.caller(call))
            rows = (row for document in documents for row in self_.rows_of(document))
            return autoquery.answer(rows, columns, call.query)

        return operation("GET", path)(handler)

    def _read(self, simulator: "SalesRoutes", call: Call) -> SalesDocument:
        document: SalesDocument = simulator.sales[self._kind].read(simulator.caller(call), _key(call))
        return document

    def _change(self, simulator: "SalesRoutes", call: Call, change: Callable[[Any], Any]) -> Any:
        return simulator.sales[self._kind].change(simulator.caller(call), _key(call), change)

    def _body(self, simulator: "SalesRoutes", call: Call) -> Document:
        body = body_of(call)
        closed = self._closed if simulator.caller(call).session.debtor_id else ()
        return {name: value for name, value in body.items() if name.lower() not in closed}


def _key(call: Call) -> str:
    return next(iter(call.path.values()))


def _part_keys(call: Call) -> list[str]:
    return list(call.path.values())[1:]


ORDERS = SalesCalls(Order, "/SalesOrders/{InvoiceID}", CLOSED_TO_DEBTORS)
DELIVERY = "/Historys/{InvoiceHistoryID}"
LINE = f"{DELIVERY}/Lines/{{InvoiceLineID}}"
QUOTES = SalesCalls(Quote, "/SalesQuotes/{QuoteID}")
QUOTE_LINE = "/Historys/{QuoteHistoryID}/Lines/{QuoteLineID}"


class SalesRoutes(DebtorRoutes, InventoryRoutes):
    """The calls about sales orders and sales quotes."""

    # fmt: off
    create_sales_order  = ORDERS.create()
    get_sales_order     = ORDERS.get()
    update_sales_order  = ORDERS.update()
    save_sales_order    = ORDERS.save()
    abandon_sales_order = ORDERS.abandon()
    query_sales_orders  = ORDERS.query("/Queries/SalesOrderList", SALES_ORDER_LIST)

    list_sales_order_histories = ORDERS.part("/Historys", Order.history_documents)
    get_sales_order_history    = ORDERS.part(DELIVERY, Order.history_document_of)
    create_sales_order_payment = ORDERS.change("POST", f"{DELIVERY}/Payments", Order.add_payment)
    list_sales_order_payments  = ORDERS.part("/Payments", Order.all_payments)
    list_sales_order_lines  = ORDERS.part(f"{DELIVERY}/Lines", Order.lines_of)
    create_sales_order_line = ORDERS.change("POST", f"{DELIVERY}/Lines", Order.add_line, items=True)
    get_sales_order_line    = ORDERS.part(LINE, Order.line)
    update_sales_order_line = ORDERS.change("PATCH", LINE, Order.change_line)
    delete_sales_order_line = ORDERS.change("DELETE", LINE, Order.delete_line)
    list_sales_order_notes  = ORDERS.part("/Notes", Order.all_notes)
    get_sales_order_note    = ORDERS.part("/Notes/{NoteID}", Order.note)
    create_sales_order_note = ORDERS.change("POST", "/Notes", Order.add_note)
    update_sales_order_note = ORDERS.change("PATCH", "/Notes/{NoteID}", Order.change_note)
    delete_sales_order_note = ORDERS.change("DELETE", "/Notes/{NoteID}", Order.delete_note)
    list_sales_order_custom_field_values  = ORDERS.part("/CustomFieldValues", Order.custom_values)
    get_sales_order_custom_field_value    = ORDERS.part("/CustomFieldValues/{SettingID}", Order.custom_value)
    update_sales_order_custom_field_value = ORDERS.change(
        "PATCH", "/CustomFieldValues/{SettingID}", Order.set_custom)

    create_sales_quote  = QUOTES.create()
    get_sales_quote     = QUOTES.get()
    update_sales_quote  = QUOTES.update()
    save_sales_quote    = QUOTES.save()
    abandon_sales_quote = QUOTES.abandon()
    query_sales_quotes  = QUOTES.query("/Queries/SalesQuoteList", SALES_QUOTE_LIST)
    create_sales_quote_line = QUOTES.change(
        "POST", "/Historys/{QuoteHistoryID}/Lines", Quote.add_line, items=True)
    get_sales_quote_line    = QUOTES.part(QUOTE_LINE, Quote.line)
    update_sales_quote_line = QUOTES.change("PATCH", QUOTE_LINE, Quote.change_line)
    delete_sales_quote_line = QUOTES.change("DELETE", QUOTE_LINE, Quote.delete_line)
    # fmt: on

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
        return document.document(self.debtors.named(document.debtor_id).document)

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

    @operation("DELETE", "/SalesOrders/{InvoiceID}")
    def delete_sales_order(self, call: Call) -> Any:
        """Delete an order that is not processed; version 8 may have no such call."""
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
