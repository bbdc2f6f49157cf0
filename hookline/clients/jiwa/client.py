"""Jiwa's REST API: sales orders and quotes, customers, parts, queries and webhooks."""

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Literal, TypeVar, get_origin

import httpx
from pydantic import SecretStr

from hookline.clients.answers import loose_json, start_of
from hookline.clients.auth import HeaderKey, Session, SessionAuth, is_sendable
from hookline.clients.errors import (
    Conflict,
    InvalidInput,
    NotAuthenticated,
    NotFound,
    Refused,
    UnexpectedAnswer,
    VendorError,
    kind_of,
)
from hookline.clients.jiwa.debtors import (
    ChangedDebtor,
    ChangedInventoryItem,
    Debtor,
    InventoryItem,
    NewDebtor,
    NewInventoryItem,
    OneDebtor,
    OneInventoryItem,
)
from hookline.clients.jiwa.models import (
    ChangedSalesOrder,
    ChangedSalesOrderCustomField,
    ChangedSalesOrderLine,
    ChangedSalesOrderNote,
    Credentials,
    CurrentSession,
    CustomFieldValue,
    LoggedIn,
    LoggedOut,
    NewSalesOrder,
    NewSalesOrderLine,
    NewSalesOrderNote,
    NewSalesOrderPayment,
    Note,
    OneSalesOrder,
    OneSalesOrderCustomField,
    OneSalesOrderHistory,
    OneSalesOrderLine,
    OneSalesOrderNote,
    RestPath,
    SalesOrder,
    SalesOrderHistory,
    SalesOrderLine,
    SalesOrderPayment,
    SystemInfo,
)
from hookline.clients.jiwa.queries import (
    DebtorRow,
    DebtorTransactionRow,
    InventoryItemRow,
    QueryDebtors,
    QueryDebtorTransactions,
    QueryInventoryItems,
    QueryResponse,
    QuerySalesOrders,
    QuerySalesQuotes,
    SalesOrderRow,
    SalesQuoteRow,
    SkipTake,
)
from hookline.clients.jiwa.quotes import (
    ChangedSalesQuote,
    ChangedSalesQuoteLine,
    NewSalesQuote,
    NewSalesQuoteLine,
    OneSalesQuote,
    OneSalesQuoteLine,
    SalesQuote,
    SalesQuoteLine,
)
from hookline.clients.jiwa.webhooks import (
    ChangedSubscriber,
    ChangedSubscription,
    NewSubscriber,
    NewSubscription,
    OneSubscriber,
    OneSubscription,
    SubscriberMessages,
    WebhookEvent,
    WebhookMessage,
    WebhookSubscriber,
    WebhookSubscription,
)
from hookline.clients.models import Input, NoInput
from hookline.clients.operation import Operation, delete, get, patch, post
from hookline.clients.transport import VendorClient
from hookline.errors import ConfigurationError

T = TypeVar("T")

STATEFUL: Final = {"jiwa-stateful": "true"}
"""Keeps a change in the session, from where a Save writes it to the database."""

_CHANGED_MEANWHILE = re.compile(
    r"(?i)concurren|optimistic|(changed|modified|updated|saved) by (another|someone)"
    r"|has (been )?(changed|modified) since"
)
_COOKIE_VALUE = re.compile(r"[!#$%&'()*+\-./0-9:<=>?@A-Z\[\]^_`a-z{|}~]+")
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
    list_rest_paths = get("/RestPaths", NoInput, list[RestPath],
        "Tell the routes that this installation offers.", repeat="safe", trust="public")

    # Sales orders
    create_sales_order = post("/SalesOrders", NewSalesOrder, SalesOrder,
        "Create an order; a repeat creates another.", repeat="look")
    get_sales_order = get("/SalesOrders/{InvoiceID}", OneSalesOrder, SalesOrder,
        "Read an order with its lines, notes, payments and deliveries.", repeat="safe")
    update_sales_order = patch("/SalesOrders/{InvoiceID}", ChangedSalesOrder, SalesOrder,
        "Change what is given of an order; lines and notes without an id are appended.", repeat="look",
        assumed="what a change of Status does, and that Payments are taken")
    delete_sales_order = delete("/SalesOrders/{InvoiceID}", OneSalesOrder, type(None),
        "Delete an order with all that is on it.", repeat="look",
        assumed="that it can be done at all: Jiwa 8 lists no such route")
    process_sales_order = get("/SalesOrders/{InvoiceID}/Process", OneSalesOrder, SalesOrder,
        "Invoice an order for good: although it reads like a GET, it writes.", repeat="look", trust="public")
    save_sales_order = get("/SalesOrders/{InvoiceID}/Save", OneSalesOrder, SalesOrder,
        "Write to the database what this session changed of an order; see `editing`.", repeat="look",
        headers=STATEFUL, assumed="that Jiwa 8 still has it")
    abandon_sales_order = delete("/SalesOrders/{InvoiceID}/Abandon", OneSalesOrder, type(None),
        "Drop what this session changed of an order and has not saved.", repeat="safe",
        headers=STATEFUL, assumed="that Jiwa 8 still has it")
    list_sales_order_histories = get(
        "/SalesOrders/{InvoiceID}/Historys", OneSalesOrder, list[SalesOrderHistory],
        "Read the deliveries of an order.", repeat="safe", trust="public")
    get_sales_order_history = get(
        "/SalesOrders/{InvoiceID}/Historys/{InvoiceHistoryID}", OneSalesOrderHistory, SalesOrderHistory,
        "Read a delivery of an order.", repeat="safe", trust="public")
    list_sales_order_lines = get(
        "/SalesOrders/{InvoiceID}/Historys/{InvoiceHistoryID}/Lines", OneSalesOrderHistory,
        list[SalesOrderLine], "Read the lines of a delivery.", repeat="safe", trust="public")
    create_sales_order_line = post(
        "/SalesOrders/{InvoiceID}/Historys/{InvoiceHistoryID}/Lines", NewSalesOrderLine, SalesOrderLine,
        "Append a line to a delivery; a repeat appends another.", repeat="look")
    get_sales_order_line = get(
        "/SalesOrders/{InvoiceID}/Historys/{InvoiceHistoryID}/Lines/{InvoiceLineID}", OneSalesOrderLine,
        SalesOrderLine, "Read a line of a delivery.", repeat="safe")
    update_sales_order_line = patch(
        "/SalesOrders/{InvoiceID}/Historys/{InvoiceHistoryID}/Lines/{InvoiceLineID}", ChangedSalesOrderLine,
        SalesOrderLine, "Change what is given of a line.", repeat="safe")
    delete_sales_order_line = delete(
        "/SalesOrders/{InvoiceID}/Historys/{InvoiceHistoryID}/Lines/{InvoiceLineID}", OneSalesOrderLine,
        type(None), "Remove a line from a delivery.", repeat="look")
    list_sales_order_notes = get("/SalesOrders/{InvoiceID}/Notes", OneSalesOrder, list[Note],
        "Read the notes of an order.", repeat="safe")
    get_sales_order_note = get("/SalesOrders/{InvoiceID}/Notes/{NoteID}", OneSalesOrderNote, Note,
        "Read a note of an order.", repeat="safe")
    create_sales_order_note = post("/SalesOrders/{InvoiceID}/Notes", NewSalesOrderNote, Note,
        "Add a note to an order; a repeat adds another.", repeat="look")
    update_sales_order_note = patch("/SalesOrders/{InvoiceID}/Notes/{NoteID}", ChangedSalesOrderNote, Note,
        "Change what is given of a note.", repeat="safe", assumed="what RowHash does")
    delete_sales_order_note = delete("/SalesOrders/{InvoiceID}/Notes/{NoteID}", OneSalesOrderNote, type(None),
        "Delete a note of an order.", repeat="look")
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
    get_sales_order_custom_field_value = get(
        "/SalesOrders/{InvoiceID}/CustomFieldValues/{SettingID}", OneSalesOrderCustomField, CustomFieldValue,
        "Read a custom field of an order.", repeat="safe", trust="public")
    update_sales_order_custom_field_value = patch(
        "/SalesOrders/{InvoiceID}/CustomFieldValues/{SettingID}", ChangedSalesOrderCustomField,
        CustomFieldValue, "Change a custom field of an order.", repeat="safe", trust="public")

    # Sales quotes
    create_sales_quote = post("/SalesQuotes", NewSalesQuote, SalesQuote,
        "Create a quote; a repeat creates another.", repeat="look")
    get_sales_quote = get("/SalesQuotes/{QuoteID}", OneSalesQuote, SalesQuote,
        "Read a quote with its lines, notes and versions.", repeat="safe")
    update_sales_quote = patch("/SalesQuotes/{QuoteID}", ChangedSalesQuote, SalesQuote,
        "Change what is given of a quote; lines and notes without an id are appended.", repeat="look",
        assumed="what a change of Status does")
    save_sales_quote = get("/SalesQuotes/{QuoteID}/Save", OneSalesQuote, SalesQuote,
        "Write to the database what this session changed of a quote; see `editing`.", repeat="look",
        headers=STATEFUL, assumed="that Jiwa 8 still has it")
    abandon_sales_quote = delete("/SalesQuotes/{QuoteID}/Abandon", OneSalesQuote, type(None),
        "Drop what this session changed of a quote and has not saved.", repeat="safe",
        headers=STATEFUL, assumed="that Jiwa 8 still has it")
    create_sales_quote_line = post(
        "/SalesQuotes/{QuoteID}/Historys/{QuoteHistoryID}/Lines", NewSalesQuoteLine, SalesQuoteLine,
        "Append a line to a version of a quote; a repeat appends another.", repeat="look")
    get_sales_quote_line = get(
        "/SalesQuotes/{QuoteID}/Historys/{QuoteHistoryID}/Lines/{QuoteLineID}", OneSalesQuoteLine,
        SalesQuoteLine, "Read a line of a quote.", repeat="safe")
    update_sales_quote_line = patch(
        "/SalesQuotes/{QuoteID}/Historys/{QuoteHistoryID}/Lines/{QuoteLineID}", ChangedSalesQuoteLine,
        SalesQuoteLine, "Change what is given of a line of a quote.", repeat="safe")
    delete_sales_quote_line = delete(
        "/SalesQuotes/{QuoteID}/Historys/{QuoteHistoryID}/Lines/{QuoteLineID}", OneSalesQuoteLine,
        type(None), "Remove a line from a quote.", repeat="look")

    # Debtors
    get_api_key_debtor = get("/Debtors", NoInput, Debtor,
        "Read the customer whom the API key belongs to; not a list of customers.", repeat="safe",
        assumed="that a staff member's key gets nothing")
    create_debtor = post("/Debtors", NewDebtor, Debtor,
        "Create a customer.", repeat="look", trust="public")
    get_debtor = get("/Debtors/{DebtorID}", OneDebtor, Debtor,
        "Read a customer.", repeat="safe")
    update_debtor = patch("/Debtors/{DebtorID}", ChangedDebtor, Debtor,
        "Change what is given of a customer.", repeat="safe")
    save_debtor = get("/Debtors/{DebtorID}/Save", OneDebtor, Debtor,
        "Write to the database what this session changed of a customer; see `editing`.", repeat="look",
        headers=STATEFUL, assumed="the path, the answer, and that Jiwa 8 still has it")

    # Inventory
    create_inventory_item = post("/Inventory", NewInventoryItem, InventoryItem,
        "Create a part.", repeat="look", trust="public")
    get_inventory_item = get("/Inventory/{InventoryID}", OneInventoryItem, InventoryItem,
        "Read a part.", repeat="safe")
    update_inventory_item = patch("/Inventory/{InventoryID}", ChangedInventoryItem, InventoryItem,
        "Change what is given of a part.", repeat="safe", trust="public")

    # Queries
    query_sales_orders = get("/Queries/SalesOrderList", QuerySalesOrders, QueryResponse[SalesOrderRow],
        "Find orders, a row for each of their deliveries.", repeat="safe")
    query_sales_quotes = get("/Queries/SalesQuoteList", QuerySalesQuotes, QueryResponse[SalesQuoteRow],
        "Find quotes.", repeat="safe")
    query_debtor_transactions = get(
        "/Queries/DebtorTransactionList", QueryDebtorTransactions, QueryResponse[DebtorTransactionRow],
        "Find entries of the debtor ledger: invoices, payments, and what is outstanding.", repeat="safe")
    query_debtors = get("/Queries/DebtorList", QueryDebtors, QueryResponse[DebtorRow],
        "Find customers.", repeat="safe", trust="public")
    query_inventory_items = get(
        "/Queries/InventoryItemList", QueryInventoryItems, QueryResponse[InventoryItemRow],
        "Find parts and what is in stock, without their pictures.", repeat="safe", trust="public",
        assumed="a row for each warehouse")

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
        "Delete a subscriber with its subscriptions.", repeat="look", trust="public",
        assumed="what becomes of its subscriptions")
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

    def editing(self) -> "JiwaDraft":
        """
        A draft: changes that are saved together at its end, or dropped if an exception ends it.

            async with jiwa.editing() as draft:
                order = await draft.create_sales_order(DebtorAccountNo="1001")
                await draft.update_sales_order(InvoiceID=order.InvoiceID, SOReference="x")

        Raises:
            ConfigurationError: this client is a draft itself, or has credentials that open no session.
        """
        if not isinstance(self.auth, JiwaKey | JiwaUser):
            raise ConfigurationError("A draft is made by a client with a JiwaKey or a JiwaUser.")
        return JiwaDraft(
            self.base_url,
            DraftSession(self.auth),
            timeout=self.timeout,
            connect_timeout=self.connect_timeout,
            transport=self.transport,
        )

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


# Credentials ------------------------------------------------------------------------------------------------


class JiwaKey(HeaderKey):
    """An API key of a staff member or of a debtor (Jiwa 7.2 and later); never sent in an address."""

    def log_in(self, base_url: str) -> httpx.Request:
        """The request that tells the session which a key opens beside it."""
        return self._with_key(JiwaClient.get_current_session.request(base_url))

    def session_id(self, answer: httpx.Response) -> str:
        """The session in the answer of `log_in`; raises `UnexpectedAnswer` where it cannot be sent."""
        told = JiwaClient.get_current_session.read(answer).Id.get_secret_value()
        return _sendable_in("header", told, JiwaClient.get_current_session, answer)

    def signed(self, request: httpx.Request, session: Session) -> httpx.Request:
        """The request with the key and the session."""
        request.headers["X-ss-id"] = session.token
        return self._with_key(request)

    def _with_key(self, request: httpx.Request) -> httpx.Request:
        request.headers["Authorization"] = f"{self.scheme} {self.credentials()}"
        return request


class JiwaUser(SessionAuth):
    """
    A user with a password; the session is renewed when Jiwa answers 401.

    Args:
        username: the user's name in Jiwa.
        password: the user's password.
        form: where the session's id stands in a call: the header `X-ss-id`, or the cookie `ss-id`.
    """

    def __init__(
        self, username: str, password: SecretStr, form: Literal["header", "cookie"] = "header"
    ) -> None:
        self.username = username
        self.password = password
        self.form = form

    def log_in(self, base_url: str) -> httpx.Request:
        """Credentials in a body, never in the address."""
        return JiwaClient.login.request(base_url, UserName=self.username, Password=self.password)

    def session_id(self, answer: httpx.Response) -> str:
        """The session in the answer of `log_in`; raises `UnexpectedAnswer` where it cannot be sent."""
        told = JiwaClient.login.read(answer).SessionId.get_secret_value()
        return _sendable_in(self.form, told, JiwaClient.login, answer)

    def opened(self, _base_url: str, answer: httpx.Response, session: Session) -> None:
        """Jiwa does not say how long a session lasts."""
        session.open(self.session_id(answer), seconds=_UNTIL_REFUSED)

    def signed(self, request: httpx.Request, session: Session) -> httpx.Request:
        """The session in its header or cookie."""
        if self.form == "cookie":
            request.headers["Cookie"] = f"ss-id={session.token}"
        else:
            request.headers["X-ss-id"] = session.token
        return request

    def ended(self, answer: httpx.Response) -> bool:
        """A 401 did nothing."""
        return answer.status_code == httpx.codes.UNAUTHORIZED


def _sendable_in(form: str, token: str, operation: Operation[..., Any], answer: httpx.Response) -> str:
    if not (_COOKIE_VALUE.fullmatch(token) if form == "cookie" else is_sendable(token)):
        raise operation.error(UnexpectedAnswer, answer, "the session id cannot be sent")
    return token


# Drafts -----------------------------------------------------------------------------------------------------


class DraftSession(SessionAuth):
    """
    A session that one draft has to itself.

    Jiwa keeps one copy of a record in a session: in a shared one, two drafts of a record would save each
    other's changes. It is not renewed either: a new one would know nothing of the changes.
    """

    def __init__(self, auth: JiwaKey | JiwaUser) -> None:
        self.auth = auth
        self.own = Session()

    def session(self, _base_url: str) -> Session:
        """The draft's."""
        return self.own

    def secrets(self, base_url: str) -> list[str]:
        """Every value that must not be shown."""
        return [*self.auth.secrets(base_url), *self.own.tokens]

    def log_in(self, base_url: str) -> httpx.Request:
        """As the credentials do."""
        return self.auth.log_in(base_url)

    def opened(self, _base_url: str, answer: httpx.Response, session: Session) -> None:
        """Use it until Jiwa refuses it."""
        session.open(self.auth.session_id(answer), seconds=_UNTIL_REFUSED)

    def signed(self, request: httpx.Request, session: Session) -> httpx.Request:
        """As the credentials do."""
        return self.auth.signed(request, session)

    def ended(self, _answer: httpx.Response) -> bool:
        """Never: a refusal is told to the caller."""
        return False


@dataclass(frozen=True, slots=True)
class _Record:
    """A record that a draft may change: how it is named, saved and abandoned."""

    key: str
    save: Operation[..., Any]
    abandon: Operation[..., Any] | None  # None: Jiwa's documents tell of none


_RECORDS: Final = {
    "SalesOrders": _Record("InvoiceID", JiwaClient.save_sales_order, JiwaClient.abandon_sales_order),
    "SalesQuotes": _Record("QuoteID", JiwaClient.save_sales_quote, JiwaClient.abandon_sales_quote),
    "Debtors": _Record("DebtorID", JiwaClient.save_debtor, None),
}
_NOT_HELD_BACK: Final = (JiwaClient.process_sales_order, JiwaClient.delete_sales_order)


class JiwaDraft(JiwaClient):
    """
    Changes of orders, quotes and customers that Jiwa keeps in a session until they are saved.

    Made by `JiwaClient.editing`, for one `async with`. At its end each record that was written is saved, in
    the order in which they were first written; a save that fails (a `Conflict`, a rule) raises, and those
    after it are dropped. If an exception ends it, all are dropped. Other writes are refused: they would not
    be held back. Jiwa does not say how long a session lasts; `keep_alive` extends it.
    """

    auth: DraftSession

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._unsaved: dict[tuple[_Record, str], None] = {}  # in the order of their first write

    async def __aexit__(self, *error: object) -> None:
        try:
            if error[0] is None:
                for record, found in list(self._unsaved):
                    await self.send(record.save, record.save.given(**{record.key: found}))
        finally:
            await self._let_go()
            await super().__aexit__(*error)

    async def send(self, operation: Operation[..., T], given: Input) -> T:
        """Send one call in stateful mode; raises `InvalidInput` for one whose effect is not held back."""
        record = _RECORDS.get(operation.path.split("/")[1])
        if operation in _NOT_HELD_BACK or (record is None and not _only_looks(operation)):
            raise InvalidInput(
                f"jiwa {operation.name} was not sent: a draft could not drop it again. Call it on a client "
                "that is no draft."
            )
        try:
            if record is None:
                return await super().send(operation, given)
            return await self._send_of(record, operation, given)
        except NotAuthenticated as error:
            if self.auth.own.token:
                error.detail = f"the session has ended, and what was not saved is gone; {error.detail}"
            raise

    async def _send_of(self, record: _Record, operation: Operation[..., T], given: Input) -> T:
        found = getattr(given, record.key, None)
        writes = operation.verb != "GET"
        if found and writes:
            self._unsaved[record, found] = None  # before it is sent: its answer may be lost
        answer = await super().send(operation.with_headers(STATEFUL), given)
        if operation in (record.save, record.abandon):
            self._unsaved.pop((record, str(found)), None)
        elif writes:
            self._unsaved[record, found or getattr(answer, record.key)] = None
        return answer

    async def _let_go(self) -> None:
        """Drop what is not saved and end the session, as far as Jiwa lets us: it lapses by itself too."""
        for record, found in list(self._unsaved):
            if record.abandon is not None:
                with suppress(VendorError):
                    await self.send(record.abandon, record.abandon.given(**{record.key: found}))
        if self.auth.own.token:
            with suppress(VendorError):
                await super().send(JiwaClient.logout, NoInput())


def _only_looks(operation: Operation[..., Any]) -> bool:
    return operation.verb == "GET" and operation.session == "uses"


# Answers ----------------------------------------------------------------------------------------------------


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
    return [f"{row.get('FieldName') or ''} {row.get('Message') or ''}".lstrip() for row in rows]


def _nothing(operation: Operation[..., Any], response: httpx.Response) -> Any:
    """What 204 means: an empty list, no such thing, or, after a write, who knows."""
    if get_origin(operation.answer) is list:
        return []
    if issubclass(operation.answer, QueryResponse):
        return {}
    raise operation.error(NotFound if operation.reads else UnexpectedAnswer, response, "an empty answer")


def _rows(operation: Operation[..., Any], value: Any) -> Any:
    """Some lists come bare and some in a query's envelope: take either."""
    if get_origin(operation.answer) is list and isinstance(value, Mapping):
        return next((part for name, part in value.items() if name.lower() == "results"), value)
    bare = isinstance(value, list) and get_origin(operation.answer) is not list
    return {"Results": value} if bare else value
