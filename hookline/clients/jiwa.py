"""Jiwa's REST API: sales orders, customers, queries and webhooks."""

import re
from collections.abc import Mapping
from typing import Any, ClassVar, get_origin

import httpx
from pydantic import SecretStr

from hookline.clients.answers import loose_json, start_of
from hookline.clients.auth import HeaderKey, Session, SessionAuth
from hookline.clients.errors import Conflict, NotFound, Refused, UnexpectedAnswer, kind_of
from hookline.clients.jiwa_models import (
    ChangedSalesOrder,
    ChangedSubscriber,
    ChangedSubscription,
    Credentials,
    CurrentSession,
    CustomFieldValue,
    Debtor,
    DebtorRow,
    LoggedIn,
    LoggedOut,
    NewDebtor,
    NewSalesOrder,
    NewSalesOrderNote,
    NewSalesOrderPayment,
    NewSubscriber,
    NewSubscription,
    Note,
    OneDebtor,
    OneSalesOrder,
    OneSubscriber,
    OneSubscription,
    QueryDebtors,
    QueryResponse,
    QuerySalesOrders,
    SalesOrder,
    SalesOrderPayment,
    SalesOrderRow,
    SkipTake,
    SubscriberMessages,
    SystemInfo,
    WebhookEvent,
    WebhookMessage,
    WebhookSubscriber,
    WebhookSubscription,
)
from hookline.clients.models import NoInput
from hookline.clients.operation import Operation, delete, get, patch, post
from hookline.clients.transport import VendorClient

_CHANGED_MEANWHILE = re.compile(
    r"(?i)concurren|optimistic|(changed|modified|updated|saved) by (another|someone)"
    r"|has (been )?(changed|modified) since"
)
_UNTIL_REFUSED = float("inf")


class JiwaClient(VendorClient):
    """Jiwa, by an API key (`JiwaKey`) or a user (`JiwaUser`)."""

    vendor: ClassVar[str] = "jiwa"
    reference: ClassVar[str] = "Jiwa REST API"

    # fmt: off
    # Sessions: https://api.jiwa.com.au, "Authentication"
    login = post("/auth", Credentials, LoggedIn,
        "Open a session for a user.", repeat="safe", session="opens")
    logout = get("/auth/logout", NoInput, LoggedOut,
        "End the session.", repeat="safe", trust="public", session="ends")
    keep_alive = get("/KeepAlive", NoInput, type(None),
        "Extend the session.", repeat="safe")
    get_current_session = get("/Sessions/Current", NoInput, CurrentSession,
        "Tell who the key or session belongs to.", repeat="safe", trust="public")
    get_system_info = get("/SystemInfo/", NoInput, SystemInfo,
        "Tell versions, database and the server's clock.", repeat="safe", trust="public")

    # Sales orders
    create_sales_order = post("/SalesOrders", NewSalesOrder, SalesOrder,
        "Create an order; a repeat creates another.", repeat="look")
    get_sales_order = get("/SalesOrders/{InvoiceID}", OneSalesOrder, SalesOrder,
        "Read an order with its lines, notes, payments and deliveries.", repeat="safe")
    update_sales_order = patch("/SalesOrders/{InvoiceID}", ChangedSalesOrder, SalesOrder,
        "Change what is given of an order; lines without an id and notes are appended.", repeat="look")
    list_sales_order_notes = get("/SalesOrders/{InvoiceID}/Notes", OneSalesOrder, list[Note],
        "Read the notes of an order.", repeat="safe")
    create_sales_order_note = post("/SalesOrders/{InvoiceID}/Notes", NewSalesOrderNote, Note,
        "Add a note to an order; a repeat adds another.", repeat="look")
    list_sales_order_payments = get(
        "/SalesOrders/{InvoiceID}/Payments", OneSalesOrder, list[SalesOrderPayment],
        "Read the payments of an order.", repeat="safe", trust="public")
    create_sales_order_payment = post(
        "/SalesOrders/{InvoiceID}/Historys/{InvoiceHistoryID}/Payments", NewSalesOrderPayment,
        SalesOrderPayment, "Add a payment to a delivery of an order; a repeat pays twice.",
        repeat="look", trust="public")
    list_sales_order_custom_field_values = get(
        "/SalesOrders/{InvoiceID}/CustomFieldValues", OneSalesOrder, list[CustomFieldValue],
        "Read the custom fields of an order.", repeat="safe", trust="public")

    # Debtors
    create_debtor = post("/Debtors", NewDebtor, Debtor,
        "Create a customer.", repeat="look", trust="public")
    get_debtor = get("/Debtors/{DebtorID}", OneDebtor, Debtor,
        "Read a customer.", repeat="safe")

    # Queries
    query_sales_orders = get("/Queries/SalesOrderList", QuerySalesOrders, QueryResponse[SalesOrderRow],
        "Find orders, a row for each of their deliveries.", repeat="safe")
    query_debtors = get("/Queries/DebtorList", QueryDebtors, QueryResponse[DebtorRow],
        "Find customers.", repeat="safe", trust="public")

    # Webhooks
    list_webhook_events = get("/Webhooks/Events/", NoInput, list[WebhookEvent],
        "Read the events Jiwa can tell of.", repeat="safe", trust="public")
    list_webhook_subscribers = get("/Webhooks/Subscribers/", SkipTake, QueryResponse[WebhookSubscriber],
        "Read the subscribers.", repeat="safe", trust="public")
    create_webhook_subscriber = post("/Webhooks/Subscribers/", NewSubscriber, WebhookSubscriber,
        "Create a subscriber; a repeat creates another.", repeat="look", trust="public")
    get_webhook_subscriber = get("/Webhooks/Subscribers/{SubscriberID}", OneSubscriber, WebhookSubscriber,
        "Read a subscriber with its subscriptions.", repeat="safe", trust="public")
    update_webhook_subscriber = patch(
        "/Webhooks/Subscribers/{SubscriberID}", ChangedSubscriber, WebhookSubscriber,
        "Change what is given of a subscriber.", repeat="safe", trust="public")
    delete_webhook_subscriber = delete("/Webhooks/Subscribers/{SubscriberID}", OneSubscriber, type(None),
        "Delete a subscriber with its subscriptions.", repeat="look", trust="public")
    list_webhook_subscriptions = get(
        "/Webhooks/Subscribers/{SubscriberID}/Subscriptions/", OneSubscriber, list[WebhookSubscription],
        "Read the subscriptions of a subscriber.", repeat="safe", trust="public")
    create_webhook_subscription = post(
        "/Webhooks/Subscribers/{SubscriberID}/Subscriptions/", NewSubscription, WebhookSubscription,
        "Subscribe an address to an event; a repeat makes Jiwa send each message twice.",
        repeat="look", trust="public")
    get_webhook_subscription = get(
        "/Webhooks/Subscribers/{SubscriberID}/Subscriptions/{SubscriptionID}/", OneSubscription,
        WebhookSubscription, "Read a subscription and how its last message went.",
        repeat="safe", trust="public")
    update_webhook_subscription = patch(
        "/Webhooks/Subscribers/{SubscriberID}/Subscriptions/{SubscriptionID}/", ChangedSubscription,
        WebhookSubscription, "Change what is given of a subscription.", repeat="safe", trust="public")
    delete_webhook_subscription = delete(
        "/Webhooks/Subscribers/{SubscriberID}/Subscriptions/{SubscriptionID}/", OneSubscription, type(None),
        "Delete a subscription.", repeat="look", trust="public")
    list_webhook_messages = get(
        "/Webhooks/Subscribers/{SubscriberID}/Messages", SubscriberMessages, QueryResponse[WebhookMessage],
        "Read messages with their bodies and what the receiver answered.", repeat="safe", trust="public")
    # fmt: on

    @classmethod
    def decode(cls, operation: Operation[..., Any], response: httpx.Response) -> Any:
        """The JSON of a good answer; a good status with an `ErrorCode` in the body is no good answer."""
        value = loose_json(response)
        status = _response_status(value)
        if not response.is_success or status.get("ErrorCode"):
            raise _failure(operation, response, status)
        if operation.answer is type(None):
            return None
        if value is None and response.content.strip() not in (b"", b"null"):
            raise operation.error(UnexpectedAnswer, response, start_of(response))
        return _nothing(operation, response) if value is None else _rows(operation, value)


class JiwaKey(HeaderKey):
    """An API key of a staff member (Jiwa 7.2 and later)."""


class JiwaUser(SessionAuth):
    """A user with a password; the session is renewed when Jiwa answers 401."""

    def __init__(self, username: str, password: SecretStr) -> None:
        self.username = username
        self.password = password

    def log_in(self, base_url: str) -> httpx.Request:
        """Credentials in a body, never in the address."""
        return JiwaClient.login.request(base_url, UserName=self.username, Password=self.password)

    def opened(self, _base_url: str, answer: httpx.Response, session: Session) -> None:
        """Jiwa does not say how long a session lasts."""
        token = JiwaClient.login.read(answer).SessionId.get_secret_value()
        if not (token and token.isascii() and token.isprintable()):
            raise JiwaClient.login.error(UnexpectedAnswer, answer, "the session id cannot be sent")
        session.open(token, seconds=_UNTIL_REFUSED)

    def signed(self, request: httpx.Request, session: Session) -> httpx.Request:
        """The session in its header."""
        request.headers["X-ss-id"] = session.token
        return request

    def ended(self, answer: httpx.Response) -> bool:
        """A 401 did nothing."""
        return answer.status_code == httpx.codes.UNAUTHORIZED


def _response_status(value: Any) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        return {}
    found = next((part for name, part in value.items() if name.lower() == "responsestatus"), None)
    return dict(found) if isinstance(found, Mapping) else {}


def _failure(operation: Operation[..., Any], response: httpx.Response, status: dict[str, Any]) -> Exception:
    errors = status.get("Errors")
    rows = [row for row in errors if isinstance(row, Mapping)] if isinstance(errors, list) else []
    said = [str(part) for part in (status.get("Message") or status.get("ErrorCode"), *_texts(rows)) if part]
    detail = "; ".join(dict.fromkeys(said)) or start_of(response)
    kind = Refused if response.is_success else kind_of(response.status_code)
    if kind is Refused and response.status_code == httpx.codes.CONFLICT:
        kind = Conflict if _CHANGED_MEANWHILE.search(f"{status.get('ErrorCode')} {detail}") else Refused
    facts = {"rows": rows} if kind is Refused else {}
    return operation.error(kind, response, detail, **facts)


def _texts(rows: list[Any]) -> list[str]:
    return [f"{row.get('FieldName') or ''} {row.get('Message') or ''}".strip() for row in rows]


def _nothing(operation: Operation[..., Any], response: httpx.Response) -> Any:
    """What 204 means: an empty list, no such thing, or, after a write, who knows."""
    if get_origin(operation.answer) is list:
        return []
    if issubclass(operation.answer, QueryResponse):
        return {}
    kind = NotFound if operation.verb == "GET" else UnexpectedAnswer
    raise operation.error(kind, response, "an empty answer")


def _rows(operation: Operation[..., Any], value: Any) -> Any:
    """Some lists come bare and some in a query's envelope: take either."""
    if get_origin(operation.answer) is list and isinstance(value, Mapping):
        return next((part for name, part in value.items() if name.lower() == "results"), value)
    bare = isinstance(value, list) and get_origin(operation.answer) is not list
    return {"Results": value} if bare else value
