"""
A stand-in for Jiwa's REST API: sessions, sales orders, debtors, inventory, list queries and webhooks.

Facts and how far they are known: the vendor notes, part A.
"""

import copy
import hmac
import json
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, ClassVar, Self

from starlette.responses import HTMLResponse, JSONResponse, Response

from hookline.simulators import autoquery
from hookline.simulators.control import (
    Call,
    RefusedError,
    Simulator,
    control,
    control_body,
    folded,
    operation,
)
from hookline.simulators.faults import InvalidControlError
from hookline.simulators.jiwa_orders import (
    DEBTOR,
    DEBTOR_LIST,
    INVENTORY_ITEM_LIST,
    ORDER_PATCH,
    ORDER_POST,
    SALES_ORDER_LIST,
    Document,
    Order,
    date,
    item_row,
    missing,
    new_debtor,
    objects,
    seed_debtors,
    seed_items,
    taken,
    unreadable,
)
from hookline.simulators.jiwa_webhooks import (
    EVENTS,
    Patience,
    Subscriber,
    Subscription,
    Webhooks,
    row_hash,
    timestamp,
)

API_KEY = "sandbox-jiwa-key"
USER = "api"
PASSWORD = "sandbox-jiwa-password"  # noqa: S105  (opens nothing but the sandbox)

FIRST_INVOICE = datetime(2025, 1, 1, tzinfo=UTC).timestamp()

MESSAGE_LIST: dict[str, type] = {
    "MessageID": str,
    "SubscriptionID": str,
    "EventName": str,
    "URL": str,
    "Body": str,
    "ItemNo": float,
    "Status": float,
    "Retries": float,
    "AddedDateTime": datetime,
    "LastSavedDateTime": datetime,
    "LastMessageResponseHTTPCode": float,
    "LastMessageResponseMessage": str,
}
SUBSCRIBER_LIST: dict[str, type] = {
    "RecID": str,
    "Name": str,
    "IsEnabled": bool,
    "ItemNo": float,
    "LastSavedDateTime": datetime,
    "RowHash": str,
}


@dataclass(slots=True)
class Session:
    """Somebody who is logged in."""

    key: str
    provider: str
    created: str
    until: float


class JiwaSimulator(Simulator):
    """Jiwa, version 8, with one API user."""

    vendor = "jiwa"
    # A subscriber's key opens its subscriptions and messages to whoever knows it.
    secret_placeholders: ClassVar[frozenset[str]] = frozenset({"SubscriberID"})

    def __init__(self, *, session_seconds: float = 1200, patience: Patience | None = None) -> None:
        self.session_seconds = session_seconds
        """Life of a session from log-in or KeepAlive; the vendor's is not known."""
        self.webhooks = Webhooks(patience or Patience())
        self._last_invoice = 0
        super().__init__()

    def seed(self) -> None:
        """Debtors and inventory; no orders, no subscribers, nobody logged in."""
        self._sessions: dict[str, Session] = {}
        self._key_session: Session | None = None
        self._debtors = seed_debtors()
        self._items = seed_items()
        self._orders: dict[str, Order] = {}
        # The list view of each order, made when first asked for after a change.
        self._rows: dict[str, list[Document]] = {}
        self.webhooks.forget()

    def records(self) -> dict[str, Any]:
        """Every sales order, in full."""
        orders = [self._document(order) for order in self._orders.values()]
        return {"orders": json.loads(json.dumps(orders))}

    def end_sessions(self) -> None:
        """Let every session lapse."""
        self._sessions.clear()
        self._key_session = None

    async def __aenter__(self) -> Self:
        self.webhooks.open()
        return await super().__aenter__()

    async def __aexit__(self, *_: object) -> None:
        await super().__aexit__()
        await self.webhooks.close()

    # The vendor's manners

    def authorize(self, call: Call) -> None:
        """Let a session or an API key in."""
        if self._session(call) is None:
            raise RefusedError(401, "Not Authenticated", "Unauthorized")

    def _session(self, call: Call) -> Session | None:
        given = call.headers.get("x-ss-id") or call.request.cookies.get("ss-id", "")
        session = self._sessions.get(given)
        if session and session.until >= time.monotonic():
            # Also with a wrong key beside it: whoever keeps cookies stays logged in. The vendor does so.
            return session
        scheme, _, key = call.headers.get("authorization", "").partition(" ")
        key = key.strip() if scheme.lower() == "bearer" else call.query.get("apikey", "")
        return self._log_in_by_key(call) if _same(key, API_KEY) else None

    def _log_in_by_key(self, call: Call) -> Session:
        """One session for all calls with the key, whose cookie is set although nobody asked for one."""
        if self._key_session is None or self._key_session.until < time.monotonic():
            self._key_session = self._open_session("apikey")
        call.set_cookies |= {"ss-id": self._key_session.key}
        return self._key_session

    def _open_session(self, provider: str) -> Session:
        now = time.monotonic()
        self._sessions = {key: each for key, each in self._sessions.items() if each.until >= now}
        session = Session(secrets.token_urlsafe(15), provider, timestamp(), now + self.session_seconds)
        self._sessions[session.key] = session
        return session

    def render(self, call: Call, value: Any) -> Response:
        """201 for POST, 204 for DELETE and for nothing to say, otherwise 200."""
        verb = call.request.method
        if verb == "DELETE" or value is None or value == []:
            return Response(status_code=204)
        if call.headers.get("accept", "").startswith("text/html"):
            return HTMLResponse("<html><body>Snapshot of the response, for browsers</body></html>")
        return JSONResponse(value, 201 if verb == "POST" else 200)

    def refusal(self, error: RefusedError) -> Response:
        """An error as ServiceStack tells it."""
        status = {"ErrorCode": error.code or str(error.status), "Message": error.message}
        return JSONResponse({"ResponseStatus": status}, error.status)

    # Sessions

    @operation("POST", "GET", "/auth", public=True)
    def login(self, call: Call) -> Response:
        """Open a session for a user's name and password, in the query or in a JSON body, with GET too."""
        given = folded(dict(call.query)) | folded(_body(call))
        name, password = str(given.get("username", "")), str(given.get("password", ""))
        if not (_same(name.lower(), USER) & _same(password, PASSWORD)):
            raise RefusedError(401, "Invalid Username or Password", "Unauthorized")
        session = self._open_session("credentials")
        call.set_cookies |= {"ss-id": session.key}
        return JSONResponse(
            {"SessionId": session.key, "UserName": USER, "DisplayName": "", "ResponseStatus": {}}
        )

    @operation("GET", "/auth/logout")
    def logout(self, call: Call) -> Any:
        """End the session."""
        session = self._live_session(call)
        self._sessions.pop(session.key, None)
        return {"Username": USER, "LoginDateTime": session.created, "LogoutDateTime": timestamp()}

    @operation("GET", "/KeepAlive")
    def keep_alive(self, call: Call) -> Any:
        """Extend the session; nothing else does (assumed)."""
        self._live_session(call).until = time.monotonic() + self.session_seconds

    @operation("GET", "/Sessions/Current")
    def get_current_session(self, call: Call) -> Any:
        """Who is logged in."""
        session = self._live_session(call)
        return {
            "Id": session.key,
            "AuthProvider": session.provider,
            "CreatedAt": session.created,
            "UserName": USER,
            "DisplayName": "Integration User",
        }

    def _live_session(self, call: Call) -> Session:
        session = self._session(call)
        if session is None:
            raise RefusedError(401, "Not Authenticated", "Unauthorized")
        return session

    @operation("GET", "/SystemInfo/")
    def get_system_info(self, _: Call) -> Any:
        """Versions and the server's clock."""
        return {
            "JiwaVersion": "8.0.61.0",
            "JiwaRESTAPIPluginVersion": "8.0.61.0",
            "ServiceStackVersion": "6.10",
            "SQLServerDateTime": date("SQLServerDateTime", timestamp()[:-6]),
            "DatabaseName": "Sandbox",
            "LicensedCompany": "Hookline Sandbox",
            "CurrencyShortName": "AUD",
            "MoneyDecimalPlaces": 2,
        }

    # Sales orders

    @operation("POST", "/SalesOrders")
    def create_sales_order(self, call: Call) -> Any:
        """Create an order, another one each time."""
        body = _body(call)
        order = Order.new(self._invoice_number(), self._debtor_named_by(body))
        order.change(body, self._items, fields=ORDER_POST)
        return self._save(order, "salesorder.created")

    @operation("GET", "/SalesOrders/{InvoiceID}")
    def get_sales_order(self, call: Call) -> Any:
        """An order in full."""
        return self._document(self._order(call))

    @operation("PATCH", "/SalesOrders/{InvoiceID}")
    def update_sales_order(self, call: Call) -> Any:
        """Change an order; lines and notes without a key are appended, at each repeat again."""
        body = _body(call)
        order = self._order(call).draft()
        order.change(body, self._items, fields=ORDER_PATCH)
        return self._save(order)

    @operation("GET", "/SalesOrders/{InvoiceID}/Process")
    def process_sales_order(self, call: Call) -> Any:
        """Invoice an order. A GET, and yet it changes something."""
        order = self._order(call).draft()
        order.process()
        return self._save(order)

    @operation("GET", "/SalesOrders/{InvoiceID}/Historys")
    def list_sales_order_histories(self, call: Call) -> Any:
        """An order's deliveries."""
        return self._order(call).histories

    @operation("GET", "/SalesOrders/{InvoiceID}/Historys/{InvoiceHistoryID}/Lines")
    def list_sales_order_lines(self, call: Call) -> Any:
        """The lines of one delivery."""
        order = self._order(call)
        return order.lines[order.history(call.path["InvoiceHistoryID"])["InvoiceHistoryID"]]

    @operation("POST", "/SalesOrders/{InvoiceID}/Historys/{InvoiceHistoryID}/Lines")
    def create_sales_order_line(self, call: Call) -> Any:
        """Append a line."""
        body, history = _body(call), call.path["InvoiceHistoryID"]
        return self._change(call, lambda order: order.add_line(history, body, self._items))

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
        body = _body(call)
        return self._change(call, lambda order: order.add_note(body))

    @operation("PATCH", "/SalesOrders/{InvoiceID}/Notes/{NoteID}")
    def update_sales_order_note(self, call: Call) -> Any:
        """Change a note."""
        body = _body(call)
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
        body, history = _body(call), call.path["InvoiceHistoryID"]
        return self._change(call, lambda order: order.add_payment(history, body))

    @operation("GET", "/SalesOrders/{InvoiceID}/CustomFieldValues")
    def list_sales_order_custom_field_values(self, call: Call) -> Any:
        """An order's custom fields."""
        return self._order(call).custom_values()

    @operation("PATCH", "/SalesOrders/{InvoiceID}/CustomFieldValues/{SettingID}")
    def update_sales_order_custom_field_value(self, call: Call) -> Any:
        """Set a custom field."""
        body = _body(call)
        return self._change(call, lambda order: order.set_custom(call.path["SettingID"], body))

    def _order(self, call: Call) -> Order:
        order = self._orders.get(call.path["InvoiceID"])
        if order is None:
            raise missing(f"Sales order {call.path['InvoiceID']}")
        return order

    def _change(self, call: Call, change: Callable[[Order], Any]) -> Any:
        """Change a draft of the order and put it in the order's place."""
        order = self._order(call).draft()
        value = change(order)
        self._save(order)
        return value

    def _save(self, order: Order, event: str = "salesorder.updated") -> Document:
        """Put the order in its place and tell the subscribers."""
        order.settle()
        self._orders[order.key] = order
        self._rows.pop(order.key, None)
        document = self._document(order)
        self.webhooks.notify(event, document)
        return document

    def _document(self, order: Order) -> Document:
        return order.document(self._debtors[order.header["DebtorID"]])

    def _invoice_number(self) -> str:
        """The next number. Counted from the clock: a restarted sandbox must not use a number twice."""
        self._last_invoice = max(self._last_invoice + 1, int((time.time() - FIRST_INVOICE) * 1000))
        return str(self._last_invoice)

    @control("POST", "/_sandbox/orders/{InvoiceID}/allocate")
    def _allocate(self, call: Call) -> Any:
        body = control_body(call)
        self.allocate(call.path["InvoiceID"], body.get("amount") if isinstance(body, dict) else body)
        return self._rows[call.path["InvoiceID"]]

    def allocate(self, invoice_id: str, amount: float | None = None) -> None:
        """
        Allocate cash to an order in the debtor ledger; all that is outstanding unless an amount is named.

        It shows in the order list alone: no webhook tells of it and the order's LastSavedDateTime stays.

        Raises:
            InvalidControlError: there is no such order, or the amount is no amount.
        """
        order = self._orders.get(invoice_id)
        if order is None:
            raise InvalidControlError(f"InvoiceID: there is no sales order {invoice_id}")
        if amount is not None and (
            isinstance(amount, bool) or not isinstance(amount, int | float) or amount <= 0
        ):
            raise InvalidControlError("amount: must be a number above 0")
        order.allocate(amount)
        self._rows[invoice_id] = order.rows(self._debtors[order.header["DebtorID"]])

    # Debtors and inventory

    @operation("GET", "/Debtors/{DebtorID}")
    def get_debtor(self, call: Call) -> Any:
        """A debtor."""
        return self._debtor(call.path["DebtorID"])

    @operation("POST", "/Debtors")
    def create_debtor(self, call: Call) -> Any:
        """Add a debtor; an account number that is taken is refused (assumed)."""
        body = _body(call)
        account = str(taken(body, ("AccountNo",)).get("AccountNo", "")).strip()
        fields = taken(body, DEBTOR)
        if not account or not fields.get("Name"):
            raise RefusedError(400, "AccountNo and Name must be given.", "ArgumentException")
        if self._account(account):
            raise RefusedError(409, f"Account number {account} is already in use.", "JiwaException")
        debtor = new_debtor(account, fields)
        self._debtors[debtor["DebtorID"]] = debtor
        return debtor

    @operation("PATCH", "/Debtors/{DebtorID}")
    def update_debtor(self, call: Call) -> Any:
        """Change a debtor; its orders show the new name and address at once."""
        debtor = self._debtor(call.path["DebtorID"])
        debtor |= taken(_body(call), DEBTOR) | {"LastSavedDateTime": timestamp()}
        self._rows.clear()
        return debtor

    def _debtor(self, key: str) -> Document:
        debtor = self._debtors.get(key)
        if debtor is None:
            raise missing(f"Debtor {key}")
        return debtor

    def _account(self, account: str) -> Document | None:
        return next((each for each in self._debtors.values() if each["AccountNo"] == account), None)

    def _debtor_named_by(self, body: Mapping[str, Any]) -> Document:
        """The customer of a new order; its key goes before its account number."""
        given = folded(body)
        key, account = given.get("debtorid"), given.get("debtoraccountno")
        if key:
            return self._debtor(str(key))
        if not account:
            # The vendor tells its business rules with 500, as far as is known.
            raise RefusedError(500, "DebtorID or DebtorAccountNo must be given.", "JiwaException")
        debtor = self._account(str(account))
        if debtor is None:
            raise missing(f"Debtor with account number {account}")
        return debtor

    @operation("GET", "/Inventory/{InventoryID}")
    def get_inventory_item(self, call: Call) -> Any:
        """An inventory item."""
        return self._items.named_by({"InventoryID": call.path["InventoryID"]})

    # Queries

    @operation("GET", "/Queries/SalesOrderList")
    def query_sales_orders(self, call: Call) -> Any:
        """Sales orders: a row for each history of each order."""
        for key, order in self._orders.items():
            if key not in self._rows:
                self._rows[key] = order.rows(self._debtors[order.header["DebtorID"]])
        rows = (row for key in self._orders for row in self._rows[key])
        return autoquery.answer(rows, SALES_ORDER_LIST, call.query)

    @operation("GET", "/Queries/DebtorList")
    def query_debtors(self, call: Call) -> Any:
        """Debtors."""
        rows = ({name: each[name] for name in DEBTOR_LIST} for each in self._debtors.values())
        return autoquery.answer(rows, DEBTOR_LIST, call.query)

    @operation("GET", "/Queries/InventoryItemList")
    def query_inventory_items(self, call: Call) -> Any:
        """Inventory items, each with its picture unless Fields leaves it out."""
        rows = (item_row(item) for item in self._items.by_id.values())
        return autoquery.answer(rows, INVENTORY_ITEM_LIST, call.query)

    # Webhooks. Those below a subscriber need no log-in: its key is all that protects them, as at the vendor.

    @operation("GET", "/Webhooks/Events/")
    def list_webhook_events(self, _: Call) -> Any:
        """The events that there are."""
        return [{"Name": name, "Description": text} for name, text in EVENTS.items()]

    @operation("GET", "/Webhooks/Subscribers/")
    def list_webhook_subscribers(self, call: Call) -> Any:
        """The subscribers, as a query."""
        rows = (_subscriber_row(each) for each in self.webhooks.subscribers.values())
        return autoquery.answer(rows, SUBSCRIBER_LIST, call.query)

    @operation("POST", "/Webhooks/Subscribers/")
    def create_webhook_subscriber(self, call: Call) -> Any:
        """Add a subscriber."""
        given = taken(_body(call), ("Name", "IsEnabled"))
        number = len(self.webhooks.subscribers) + 1
        subscriber = Subscriber(str(given.get("Name", "")), bool(given.get("IsEnabled", False)), number)
        self.webhooks.subscribers[subscriber.key] = subscriber
        return _subscriber_row(subscriber)

    @operation("GET", "/Webhooks/Subscribers/{SubscriberID}")
    def get_webhook_subscriber(self, call: Call) -> Any:
        """A subscriber with its subscriptions."""
        subscriber = self._subscriber(call)
        subscriptions = [_subscription_row(each) for each in subscriber.subscriptions.values()]
        return _subscriber_row(subscriber) | {"Subscriptions": subscriptions}

    @operation("PATCH", "/Webhooks/Subscribers/{SubscriberID}")
    def update_webhook_subscriber(self, call: Call) -> Any:
        """Rename a subscriber, enable or disable it."""
        subscriber = self._subscriber(call)
        given = taken(_body(call), ("Name", "IsEnabled", "ItemNo"))
        subscriber.name = str(given.get("Name", subscriber.name))
        subscriber.enabled = bool(given.get("IsEnabled", subscriber.enabled))
        subscriber.number = given.get("ItemNo", subscriber.number)
        subscriber.saved, subscriber.row_hash = timestamp(), row_hash()
        return _subscriber_row(subscriber)

    @operation("DELETE", "/Webhooks/Subscribers/{SubscriberID}")
    def delete_webhook_subscriber(self, call: Call) -> Any:
        """Delete a subscriber with all that is his."""
        subscriber = self._subscriber(call)
        for each in subscriber.subscriptions.values():
            self.webhooks.stop(each)
        del self.webhooks.subscribers[subscriber.key]

    @operation("GET", "/Webhooks/Subscribers/{SubscriberID}/Subscriptions/", public=True)
    def list_webhook_subscriptions(self, call: Call) -> Any:
        """A subscriber's subscriptions."""
        return [_subscription_row(each) for each in self._subscriber(call).subscriptions.values()]

    @operation("POST", "/Webhooks/Subscribers/{SubscriberID}/Subscriptions/", public=True)
    def create_webhook_subscription(self, call: Call) -> Any:
        """Subscribe to an event; twice the same means two messages for each event."""
        subscriber, body = self._subscriber(call), _body(call)
        given = taken(body, ("URL", "EventName"))
        if not given.get("URL") or not given.get("EventName"):
            raise RefusedError(400, "URL and EventName must be given.", "ArgumentException")
        subscription = Subscription(
            subscriber,
            event=str(given["EventName"]),
            url=str(given["URL"]),
            headers=_request_headers(body),
            number=len(subscriber.subscriptions) + 1,
        )
        subscriber.subscriptions[subscription.key] = subscription
        # Other names than when it is read: the answer to POST is the row as stored.
        return {
            "RecID": subscription.key,
            "SY_WebhookSubscriber_RecID": subscriber.key,
            "EventName": subscription.event,
            "URL": subscription.url,
            "ItemNo": subscription.number,
            "RowHash": subscription.row_hash,
        }

    @operation("GET", "/Webhooks/Subscribers/{SubscriberID}/Subscriptions/{SubscriptionID}/", public=True)
    def get_webhook_subscription(self, call: Call) -> Any:
        """A subscription, and how its last message fared."""
        return _subscription_row(self._subscription(call))

    @operation("PATCH", "/Webhooks/Subscribers/{SubscriberID}/Subscriptions/{SubscriptionID}/", public=True)
    def update_webhook_subscription(self, call: Call) -> Any:
        """Change a subscription's address or event, for messages to come."""
        subscription = self._subscription(call)
        given = taken(_body(call), ("URL", "EventName"))
        subscription.url = str(given.get("URL", subscription.url))
        subscription.event = str(given.get("EventName", subscription.event))
        subscription.row_hash = row_hash()
        return _subscription_row(subscription)

    @operation("DELETE", "/Webhooks/Subscribers/{SubscriberID}/Subscriptions/{SubscriptionID}/", public=True)
    def delete_webhook_subscription(self, call: Call) -> Any:
        """End a subscription; what is still unsent is not sent."""
        subscription = self._subscription(call)
        self.webhooks.stop(subscription)
        del subscription.subscriber.subscriptions[subscription.key]

    @operation("GET", "/Webhooks/Subscribers/{SubscriberID}/Messages", public=True)
    def list_webhook_messages(self, call: Call) -> Any:
        """A subscriber's messages with their bodies, as a query: the way to read what was missed."""
        rows = (each.row() for each in self._subscriber(call).messages)
        return autoquery.answer(rows, MESSAGE_LIST, call.query)

    def _subscriber(self, call: Call) -> Subscriber:
        subscriber = self.webhooks.subscribers.get(call.path["SubscriberID"].lower())
        if subscriber is None:
            raise missing("The webhook subscriber")
        return subscriber

    def _subscription(self, call: Call) -> Subscription:
        subscription = self._subscriber(call).subscriptions.get(call.path["SubscriptionID"].lower())
        if subscription is None:
            raise missing("The webhook subscription")
        return subscription


def _body(call: Call) -> Document:
    try:
        body = call.json()
    except ValueError:
        raise RefusedError(400, "The body is not JSON.", "SerializationException") from None
    if not isinstance(body, dict):
        raise RefusedError(400, "The body is not a JSON object.", "SerializationException")
    return body


def _request_headers(body: Document) -> list[dict[str, str]]:
    """The headers that a subscription's messages carry; version 7 called them Headers."""
    given = objects(body, "RequestHeaders") or objects(body, "Headers")
    headers = [taken(each, ("Name", "Value")) for each in given]
    for each in headers:
        if not each.get("Name"):
            raise unreadable("RequestHeaders", given)
    return [{"Name": str(each["Name"]), "Value": str(each.get("Value", ""))} for each in headers]


def _subscriber_row(each: Subscriber) -> Document:
    return {
        "RecID": each.key,
        "Name": each.name,
        "IsEnabled": each.enabled,
        "ItemNo": each.number,
        "LastSavedDateTime": each.saved,
        "RowHash": each.row_hash,
    }


def _subscription_row(each: Subscription) -> Document:
    row = {
        "SubscriptionID": each.key,
        "SubscriberID": each.subscriber.key,
        "EventName": each.event,
        "URL": each.url,
        "RequestHeaders": copy.deepcopy(each.headers),
        "RowHash": each.row_hash,
        "LastHTTPResponseCode": each.code,
        "RetryAfterDateTime": each.retry_after,
    }
    return {name: value for name, value in row.items() if value is not None}  # nulls are left out


def _same(given: str, wanted: str) -> bool:
    """Compare in a time that tells nothing."""
    return hmac.compare_digest(given.encode(), wanted.encode())
