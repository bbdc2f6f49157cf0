"""The calls about Jiwa's sales orders."""

import json
from collections.abc import Callable, Iterator
from typing import Any

from hookline.simulators.control import Call, control, control_order, operation
from hookline.simulators.faults import InvalidControlError
from hookline.simulators.jiwa import autoquery
from hookline.simulators.jiwa.debtors import Debtor, DebtorRoutes
from hookline.simulators.jiwa.inventory import InventoryRoutes
from hookline.simulators.jiwa.orders import SALES_ORDER_LIST, Order
from hookline.simulators.jiwa.sessions import Caller, Table
from hookline.simulators.jiwa.values import Document, body_of

CLOSED_TO_DEBTORS = frozenset(("creditnote", "invoiceinitdate", "systemsettings", "payments"))
"""What is dropped from a customer's request."""


class OrderRoutes(DebtorRoutes, InventoryRoutes):
    """The calls about sales orders."""

    def seed(self) -> None:
        """No orders."""
        super().seed()
        self.orders: Table[Order] = Table("Sales order", self._order_saved)
        # The list view of each order, made when first asked for after a change.
        self._rows: dict[str, list[Document]] = {}

    def records(self) -> dict[str, Any]:
        """Every sales order besides, in full."""
        orders = [self._document(order) for order in self.orders]
        return super().records() | {"orders": json.loads(json.dumps(orders))}

    def debtor_saved(self, _debtor: Debtor, _new: bool) -> None:
        """The lists of orders show the debtor's name and address."""
        self._rows.clear()

    def transactions(self, debtor: Debtor) -> Iterator[Document]:
        """What a debtor was invoiced and has paid."""
        for order in self.orders:
            if order.debtor_id == debtor.key:
                yield from order.transactions(debtor.document)

    # Orders

    @operation("POST", "/SalesOrders")
    def create_sales_order(self, call: Call) -> Any:
        """Create an order, another one each time."""
        caller, body = self.caller(call), self._order_body(call)
        debtor = self.debtor_named_by(caller, body)
        order = Order.new(self.next_number(), debtor.document, body, self.items)
        return self._document(self.orders.add(caller, order))

    @operation("GET", "/SalesOrders/{InvoiceID}")
    def get_sales_order(self, call: Call) -> Any:
        """An order in full."""
        return self._document(self._order(call))

    @operation("PATCH", "/SalesOrders/{InvoiceID}")
    def update_sales_order(self, call: Call) -> Any:
        """Change an order; lines and notes without a key are appended, at each repeat again."""
        body = self._order_body(call)
        self._change(call, lambda order: order.change(body, self.items))
        return self._document(self._order(call))

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
        self._change(call, Order.process)
        return self._document(self._order(call))

    @operation("GET", "/SalesOrders/{InvoiceID}/Save")
    def save_sales_order(self, call: Call) -> Any:
        """Save what the session has in work of an order."""
        return self._document(self.orders.save(self.caller(call), call.path["InvoiceID"]))

    @operation("DELETE", "/SalesOrders/{InvoiceID}/Abandon")
    def abandon_sales_order(self, call: Call) -> Any:
        """Drop what the session has in work of an order."""
        self.orders.abandon(self.caller(call), call.path["InvoiceID"])

    # Histories and lines

    @operation("GET", "/SalesOrders/{InvoiceID}/Historys")
    def list_sales_order_histories(self, call: Call) -> Any:
        """An order's deliveries."""
        return self._order(call).history_documents()

    @operation("GET", "/SalesOrders/{InvoiceID}/Historys/{InvoiceHistoryID}")
    def get_sales_order_history(self, call: Call) -> Any:
        """One delivery."""
        order = self._order(call)
        return order.history_document(order.history(call.path["InvoiceHistoryID"]))

    @operation("GET", "/SalesOrders/{InvoiceID}/Historys/{InvoiceHistoryID}/Lines")
    def list_sales_order_lines(self, call: Call) -> Any:
        """The lines of one delivery."""
        order = self._order(call)
        return order.lines[order.history(call.path["InvoiceHistoryID"])["InvoiceHistoryID"]]

    @operation("POST", "/SalesOrders/{InvoiceID}/Historys/{InvoiceHistoryID}/Lines")
    def create_sales_order_line(self, call: Call) -> Any:
        """Append a line."""
        body, history = body_of(call), call.path["InvoiceHistoryID"]
        return self._change(call, lambda order: order.add_line(history, body, self.items))

    @operation("GET", "/SalesOrders/{InvoiceID}/Historys/{InvoiceHistoryID}/Lines/{InvoiceLineID}")
    def get_sales_order_line(self, call: Call) -> Any:
        """One line."""
        return self._order(call).line(call.path["InvoiceHistoryID"], call.path["InvoiceLineID"])

    @operation("PATCH", "/SalesOrders/{InvoiceID}/Historys/{InvoiceHistoryID}/Lines/{InvoiceLineID}")
    def update_sales_order_line(self, call: Call) -> Any:
        """Change a line."""
        body, history, line = body_of(call), call.path["InvoiceHistoryID"], call.path["InvoiceLineID"]
        return self._change(call, lambda order: order.change_line(history, line, body))

    @operation("DELETE", "/SalesOrders/{InvoiceID}/Historys/{InvoiceHistoryID}/Lines/{InvoiceLineID}")
    def delete_sales_order_line(self, call: Call) -> Any:
        """Delete a line; a second time it is not found."""
        history, line = call.path["InvoiceHistoryID"], call.path["InvoiceLineID"]
        self._change(call, lambda order: order.delete_line(history, line))

    # Notes, payments and custom fields

    @operation("GET", "/SalesOrders/{InvoiceID}/Notes")
    def list_sales_order_notes(self, call: Call) -> Any:
        """An order's notes."""
        return self._order(call).notes

    @operation("GET", "/SalesOrders/{InvoiceID}/Notes/{NoteID}")
    def get_sales_order_note(self, call: Call) -> Any:
        """One note."""
        return self._order(call).note(call.path["NoteID"])

    @operation("POST", "/SalesOrders/{InvoiceID}/Notes")
    def create_sales_order_note(self, call: Call) -> Any:
        """Add a note."""
        body = body_of(call)
        return self._change(call, lambda order: order.add_note(body))

    @operation("PATCH", "/SalesOrders/{InvoiceID}/Notes/{NoteID}")
    def update_sales_order_note(self, call: Call) -> Any:
        """Change a note."""
        body = body_of(call)
        return self._change(call, lambda order: order.change_note(call.path["NoteID"], body))

    @operation("DELETE", "/SalesOrders/{InvoiceID}/Notes/{NoteID}")
    def delete_sales_order_note(self, call: Call) -> Any:
        """Delete a note; a second time it is not found."""
        self._change(call, lambda order: order.delete_note(call.path["NoteID"]))

    @operation("GET", "/SalesOrders/{InvoiceID}/Payments")
    def list_sales_order_payments(self, call: Call) -> Any:
        """An order's payments."""
        return self._order(call).payments

    @operation("POST", "/SalesOrders/{InvoiceID}/Historys/{InvoiceHistoryID}/Payments")
    def create_sales_order_payment(self, call: Call) -> Any:
        """Add a payment to a delivery."""
        body, history = body_of(call), call.path["InvoiceHistoryID"]
        return self._change(call, lambda order: order.add_payment(history, body))

    @operation("GET", "/SalesOrders/{InvoiceID}/CustomFieldValues")
    def list_sales_order_custom_field_values(self, call: Call) -> Any:
        """An order's custom fields."""
        return self._order(call).custom

    @operation("GET", "/SalesOrders/{InvoiceID}/CustomFieldValues/{SettingID}")
    def get_sales_order_custom_field_value(self, call: Call) -> Any:
        """One custom field."""
        return self._order(call).custom_value(call.path["SettingID"])

    @operation("PATCH", "/SalesOrders/{InvoiceID}/CustomFieldValues/{SettingID}")
    def update_sales_order_custom_field_value(self, call: Call) -> Any:
        """Set a custom field."""
        body = body_of(call)
        return self._change(call, lambda order: order.set_custom(call.path["SettingID"], body))

    # Lists

    @operation("GET", "/Queries/SalesOrderList")
    def query_sales_orders(self, call: Call) -> Any:
        """Sales orders: a row for each history of each order."""
        orders = self.orders.seen_by(self.caller(call))
        return autoquery.answer(
            (row for order in orders for row in self._rows_of(order)), SALES_ORDER_LIST, call.query
        )

    def _rows_of(self, order: Order) -> list[Document]:
        if order.key not in self._rows:
            self._rows[order.key] = order.rows(self.debtors.named(order.debtor_id).document)
        return self._rows[order.key]

    def _order_body(self, call: Call) -> Document:
        body = body_of(call)
        if not self.caller(call).session.debtor_id:
            return body
        return {name: value for name, value in body.items() if name.lower() not in CLOSED_TO_DEBTORS}

    def _order(self, call: Call) -> Order:
        return self.orders.read(self.caller(call), call.path["InvoiceID"])

    def _change(self, call: Call, change: Callable[[Order], Any]) -> Any:
        return self.orders.change(self.caller(call), call.path["InvoiceID"], change)

    def _document(self, order: Order) -> Document:
        return order.document(self.debtors.named(order.debtor_id).document)

    def _order_saved(self, order: Order, new: bool) -> None:
        self._rows.pop(order.key, None)
        event = "salesorder.created" if new else "salesorder.updated"
        self.webhooks.notify(event, self._document(order))

    # An order to the simulator itself

    @control("POST", "/_sandbox/orders/{InvoiceID}/allocate")
    def _allocate(self, call: Call) -> Any:
        amount, key = control_order(call, "amount").get("amount"), call.path["InvoiceID"]
        self.allocate(key, amount)
        return self._rows_of(self.orders.named(key))

    def allocate(self, invoice_id: str, amount: float | None = None) -> None:
        """
        Allocate cash to an order in the debtor ledger; all that is outstanding unless an amount is named.

        It shows in the lists alone: no webhook tells of it and the order's LastSavedDateTime stays.

        Raises:
            InvalidControlError: there is no such order, or the amount is no amount.
        """
        order = next((each for each in self.orders if each.key == invoice_id), None)
        if order is None:
            raise InvalidControlError(f"InvoiceID: there is no sales order {invoice_id}")
        if amount is not None and (
            isinstance(amount, bool) or not isinstance(amount, int | float) or amount <= 0
        ):
            raise InvalidControlError("amount: must be a number above 0")
        draft = order.draft()
        draft.allocate(amount)
        self.orders.put(draft)
        self._rows.pop(invoice_id, None)
