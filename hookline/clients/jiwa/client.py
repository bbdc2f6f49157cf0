"""The operations, keys, log-in, drafts and errors of Jiwa's REST API."""

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Literal, Self, TypeVar, Unpack, get_origin

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
from hookline.clients.jiwa import debtors, models, queries, quotes, webhooks
from hookline.clients.models import Input, NoInput
from hookline.clients.operation import Operation, delete, get, patch, post, put
from hookline.clients.transport import Options, VendorClient
from hookline.errors import ConfigurationError
from hookline.shipped.jiwa import JiwaSettings

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
    login = post("/auth", models.Credentials, models.LoggedIn,
        "Open a session for a user.", repeat="safe", session="opens")
    logout = get("/auth/logout", NoInput, models.LoggedOut,
        "End the session.", repeat="safe", trust="public", session="ends")
    keep_alive = get("/KeepAlive", NoInput, type(None),
        "Extend the session.", repeat="safe")
    get_current_session = get("/Sessions/Current", NoInput, models.CurrentSession,
        "Read who the key or session belongs to.", repeat="safe", trust="public")
    get_system_info = get("/SystemInfo/", NoInput, models.SystemInfo,
        "Read versions, database and the server's clock.", repeat="safe", trust="public")
    list_rest_paths = get("/RestPaths", NoInput, list[models.RestPath],
        "Read the routes that this installation offers.", repeat="safe", trust="public")

    # Sales orders
    create_sales_order = post("/SalesOrders", models.NewSalesOrder, models.SalesOrder,
        "Create an order; a repeat creates another.", repeat="readback")
    get_sales_order = get("/SalesOrders/{InvoiceID}", models.OneSalesOrder, models.SalesOrder,
        "Read an order with its lines, notes, payments and deliveries.", repeat="safe",
        shows="InvoiceID InvoiceNo CreditNote DebtorAccountNo DebtorName Histories Histories.HistoryTotal "
        "Histories.AmountPaid Lines Lines.PartNo|CommentLine Lines.QuantityOrdered|CommentLine "
        "Payments.AmountPaid Payments.AuthorisationStatus")
    update_sales_order = patch("/SalesOrders/{InvoiceID}", models.ChangedSalesOrder, models.SalesOrder,
        "Change the given fields of an order; lines and notes without an id are appended.", repeat="readback")
    delete_sales_order = delete("/SalesOrders/{InvoiceID}", models.OneSalesOrder, type(None),
        "Delete an order with all that is on it.", repeat="readback")
    process_sales_order = get("/SalesOrders/{InvoiceID}/Process", models.OneSalesOrder, models.SalesOrder,
        "Invoice an order for good: although it reads like a GET, it writes.", repeat="readback",
        trust="public")
    save_sales_order = get("/SalesOrders/{InvoiceID}/Save", models.OneSalesOrder, models.SalesOrder,
        "Write to the database what this session changed of an order; see `editing`.", repeat="readback",
        headers=STATEFUL)
    abandon_sales_order = delete("/SalesOrders/{InvoiceID}/Abandon", models.OneSalesOrder, type(None),
        "Drop what this session changed of an order and has not saved.", repeat="safe", headers=STATEFUL)
    list_sales_order_histories = get("/SalesOrders/{InvoiceID}/Historys", models.OneSalesOrder,
        list[models.SalesOrderHistory], "Read the deliveries of an order.", repeat="safe", trust="public")
    get_sales_order_history = get("/SalesOrders/{InvoiceID}/Historys/{InvoiceHistoryID}",
        models.OneSalesOrderHistory, models.SalesOrderHistory, "Read a delivery of an order.", repeat="safe",
        trust="public")
    list_sales_order_lines = get("/SalesOrders/{InvoiceID}/Historys/{InvoiceHistoryID}/Lines",
        models.OneSalesOrderHistory, list[models.SalesOrderLine], "Read the lines of a delivery.",
        repeat="safe", trust="public")
    create_sales_order_line = post("/SalesOrders/{InvoiceID}/Historys/{InvoiceHistoryID}/Lines",
        models.NewSalesOrderLine, models.SalesOrderLine,
        "Append a line to a delivery; a repeat appends another.", repeat="readback")
    get_sales_order_line = get("/SalesOrders/{InvoiceID}/Historys/{InvoiceHistoryID}/Lines/{InvoiceLineID}",
        models.OneSalesOrderLine, models.SalesOrderLine, "Read a line of a delivery.", repeat="safe")
    update_sales_order_line = patch(
        "/SalesOrders/{InvoiceID}/Historys/{InvoiceHistoryID}/Lines/{InvoiceLineID}",
        models.ChangedSalesOrderLine, models.SalesOrderLine, "Change the given fields of a line.", repeat="safe")
    delete_sales_order_line = delete(
        "/SalesOrders/{InvoiceID}/Historys/{InvoiceHistoryID}/Lines/{InvoiceLineID}", models.OneSalesOrderLine,
        type(None), "Remove a line from a delivery.", repeat="readback")
    list_sales_order_notes = get("/SalesOrders/{InvoiceID}/Notes", models.OneSalesOrder, list[models.Note],
        "Read the notes of an order.", repeat="safe", shows="NoteID NoteText")
    get_sales_order_note = get("/SalesOrders/{InvoiceID}/Notes/{NoteID}", models.OneSalesOrderNote, models.Note,
        "Read a note of an order.", repeat="safe")
    create_sales_order_note = post("/SalesOrders/{InvoiceID}/Notes", models.NewSalesOrderNote, models.Note,
        "Add a note to an order; a repeat adds another.", repeat="readback", shows="NoteID")
    update_sales_order_note = patch("/SalesOrders/{InvoiceID}/Notes/{NoteID}", models.ChangedSalesOrderNote,
        models.Note, "Change the given fields of a note.", repeat="safe")
    delete_sales_order_note = delete("/SalesOrders/{InvoiceID}/Notes/{NoteID}", models.OneSalesOrderNote,
        type(None), "Delete a note of an order.", repeat="readback")
    list_sales_order_payments = get("/SalesOrders/{InvoiceID}/Payments", models.OneSalesOrder,
        list[models.SalesOrderPayment], "Read the payments of an order.", repeat="safe", trust="public")
    create_sales_order_payment = post("/SalesOrders/{InvoiceID}/Historys/{InvoiceHistoryID}/Payments",
        models.NewSalesOrderPayment, models.SalesOrderPayment,
        "Add a payment to a delivery of an order; a repeat pays twice.", repeat="readback", trust="public")
    list_sales_order_custom_field_values = get("/SalesOrders/{InvoiceID}/CustomFieldValues",
        models.OneSalesOrder, list[models.CustomFieldValue], "Read the custom fields of an order.",
        repeat="safe", trust="public")
    get_sales_order_custom_field_value = get("/SalesOrders/{InvoiceID}/CustomFieldValues/{SettingID}",
        models.OneSalesOrderCustomField, models.CustomFieldValue, "Read a custom field of an order.",
        repeat="safe", trust="public")
    update_sales_order_custom_field_value = patch("/SalesOrders/{InvoiceID}/CustomFieldValues/{SettingID}",
        models.ChangedSalesOrderCustomField, models.CustomFieldValue, "Change a custom field of an order.",
        repeat="safe", trust="public")

    # Sales quotes
    create_sales_quote = post("/SalesQuotes", quotes.NewSalesQuote, quotes.SalesQuote,
        "Create a quote; a repeat creates another.", repeat="readback")
    get_sales_quote = get("/SalesQuotes/{QuoteID}", quotes.OneSalesQuote, quotes.SalesQuote,
        "Read a quote with its lines, notes and versions.", repeat="safe")
    update_sales_quote = patch("/SalesQuotes/{QuoteID}", quotes.ChangedSalesQuote, quotes.SalesQuote,
        "Change the given fields of a quote; lines and notes without an id are appended.", repeat="readback")
    save_sales_quote = get("/SalesQuotes/{QuoteID}/Save", quotes.OneSalesQuote, quotes.SalesQuote,
        "Write to the database what this session changed of a quote; see `editing`.", repeat="readback",
        headers=STATEFUL)
    abandon_sales_quote = delete("/SalesQuotes/{QuoteID}/Abandon", quotes.OneSalesQuote, type(None),
        "Drop what this session changed of a quote and has not saved.", repeat="safe", headers=STATEFUL)
    create_sales_quote_line = post("/SalesQuotes/{QuoteID}/Historys/{QuoteHistoryID}/Lines",
        quotes.NewSalesQuoteLine, quotes.SalesQuoteLine,
        "Append a line to a version of a quote; a repeat appends another.", repeat="readback")
    get_sales_quote_line = get("/SalesQuotes/{QuoteID}/Historys/{QuoteHistoryID}/Lines/{QuoteLineID}",
        quotes.OneSalesQuoteLine, quotes.SalesQuoteLine, "Read a line of a quote.", repeat="safe")
    update_sales_quote_line = patch("/SalesQuotes/{QuoteID}/Historys/{QuoteHistoryID}/Lines/{QuoteLineID}",
        quotes.ChangedSalesQuoteLine, quotes.SalesQuoteLine, "Change the given fields of a line of a quote.",
        repeat="safe")
    delete_sales_quote_line = delete("/SalesQuotes/{QuoteID}/Historys/{QuoteHistoryID}/Lines/{QuoteLineID}",
        quotes.OneSalesQuoteLine, type(None), "Remove a line from a quote.", repeat="readback")

    # Debtors
    get_api_key_debtor = get("/Debtors", NoInput, debtors.Debtor,
        "Read the customer whom the API key belongs to; not a list of customers.", repeat="safe")
    create_debtor = post("/Debtors", debtors.NewDebtor, debtors.Debtor,
        "Create a customer.", repeat="readback", trust="public")
    get_debtor = get("/Debtors/{DebtorID}", debtors.OneDebtor, debtors.Debtor,
        "Read a customer.", repeat="safe")
    update_debtor = patch("/Debtors/{DebtorID}", debtors.ChangedDebtor, debtors.Debtor,
        "Change the given fields of a customer.", repeat="safe")
    save_debtor = get("/Debtors/{DebtorID}/Save", debtors.OneDebtor, debtors.Debtor,
        "Write to the database what this session changed of a customer; see `editing`.", repeat="readback",
        headers=STATEFUL)

    # Inventory
    create_inventory_item = post("/Inventory", debtors.NewInventoryItem, debtors.InventoryItem,
        "Create a part.", repeat="readback", trust="public")
    get_inventory_item = get("/Inventory/{InventoryID}", debtors.OneInventoryItem, debtors.InventoryItem,
        "Read a part.", repeat="safe")
    update_inventory_item = patch("/Inventory/{InventoryID}", debtors.ChangedInventoryItem,
        debtors.InventoryItem, "Change the given fields of a part.", repeat="safe", trust="public")

    # Queries
    query_sales_orders = get("/Queries/SalesOrderList", queries.QuerySalesOrders,
        queries.QueryResponse[queries.SalesOrderRow], "Find orders, a row for each of their deliveries.",
        repeat="safe")
    query_sales_quotes = get("/Queries/SalesQuoteList", queries.QuerySalesQuotes,
        queries.QueryResponse[queries.SalesQuoteRow], "Find quotes.", repeat="safe")
    query_debtor_transactions = get("/Queries/DebtorTransactionList", queries.QueryDebtorTransactions,
        queries.QueryResponse[queries.DebtorTransactionRow],
        "Find entries of the debtor ledger: invoices, payments, and what is outstanding.", repeat="safe")
    query_debtors = get("/Queries/DebtorList", queries.QueryDebtors, queries.QueryResponse[queries.DebtorRow],
        "Find customers.", repeat="safe", trust="public")
    query_inventory_items = get("/Queries/InventoryItemList", queries.QueryInventoryItems,
        queries.QueryResponse[queries.InventoryItemRow],
        "Find parts and what is in stock, without their pictures.", repeat="safe", trust="public")

    # Webhooks
    list_webhook_events = get("/Webhooks/Events/", NoInput, list[webhooks.WebhookEvent],
        "Read the events that Jiwa can send.", repeat="safe", trust="public")
    list_webhook_subscribers = get("/Webhooks/Subscribers/", queries.SkipTake,
        queries.QueryResponse[webhooks.WebhookSubscriber], "Read the subscribers.", repeat="safe",
        trust="public")
    create_webhook_subscriber = post("/Webhooks/Subscribers/", webhooks.NewSubscriber,
        webhooks.WebhookSubscriber, "Create a subscriber; a repeat creates another.", repeat="readback",
        trust="public")
    get_webhook_subscriber = get("/Webhooks/Subscribers/{SubscriberID}", webhooks.OneSubscriber,
        webhooks.WebhookSubscriber, "Read a subscriber with its subscriptions.", repeat="safe", trust="public")
    update_webhook_subscriber = patch("/Webhooks/Subscribers/{SubscriberID}", webhooks.ChangedSubscriber,
        webhooks.WebhookSubscriber, "Change the given fields of a subscriber.", repeat="safe", trust="public")
    delete_webhook_subscriber = delete("/Webhooks/Subscribers/{SubscriberID}", webhooks.OneSubscriber,
        type(None), "Delete a subscriber with its subscriptions.", repeat="readback", trust="public")
    list_webhook_subscriptions = get("/Webhooks/Subscribers/{SubscriberID}/Subscriptions/",
        webhooks.OneSubscriber, list[webhooks.WebhookSubscription], "Read the subscriptions of a subscriber.",
        repeat="safe", trust="public")
    create_webhook_subscription = post("/Webhooks/Subscribers/{SubscriberID}/Subscriptions/",
        webhooks.NewSubscription, webhooks.WebhookSubscription,
        "Subscribe an address to an event; a repeat makes Jiwa send each message twice.", repeat="readback",
        trust="public")
    get_webhook_subscription = get("/Webhooks/Subscribers/{SubscriberID}/Subscriptions/{SubscriptionID}/",
        webhooks.OneSubscription, webhooks.WebhookSubscription,
        "Read a subscription and how its last message went.", repeat="safe", trust="public")
    update_webhook_subscription = patch("/Webhooks/Subscribers/{SubscriberID}/Subscriptions/{SubscriptionID}/",
        webhooks.ChangedSubscription, webhooks.WebhookSubscription, "Change the given fields of a subscription.",
        repeat="safe", trust="public")
    replace_webhook_request_headers = put(
        "/Webhooks/Subscribers/{SubscriberID}/Subscriptions/{SubscriptionID}/RequestHeaders/",
        webhooks.ReplacedHeaders, list[webhooks.RequestHeader],
        "Replace all headers that are sent with the messages of a subscription.", repeat="safe", trust="public")
    delete_webhook_subscription = delete("/Webhooks/Subscribers/{SubscriberID}/Subscriptions/{SubscriptionID}/",
        webhooks.OneSubscription, type(None), "Delete a subscription.", repeat="readback", trust="public")
    list_webhook_messages = get("/Webhooks/Subscribers/{SubscriberID}/Messages", webhooks.SubscriberMessages,
        queries.QueryResponse[webhooks.WebhookMessage],
        "Read messages with their bodies and what the receiver answered.", repeat="safe", trust="public")
    # fmt: on

    @classmethod
    def connect(cls, account: JiwaSettings, **options: Unpack[Options]) -> Self:
        """Return a client of an account, with the API key if there is one."""
        if account.api_key is not None:
            return cls(account.base_url, JiwaKey(account.api_key), **options)
        user = JiwaUser(account.username or "", account.password or SecretStr(""))
        return cls(account.base_url, user, **options)

    def editing(self) -> "JiwaDraft":
        """
        Return a draft: changes that are saved together at its end, or dropped if an exception ends it.

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
        """Return the JSON of a good answer; a good status with an `ErrorCode` in the body is none."""
        value = loose_json(response)
        status = _response_status(value)
        if not response.is_success or status.get("ErrorCode"):
            raise _failure(operation, response, status)
        if operation.answer is type(None):
            return None
        if value is None and response.content.strip() not in (b"", b"null"):
            raise operation.error(UnexpectedAnswer, response, start_of(response))
        return _empty_answer(operation, response) if value is None else _rows(operation, value)


# Credentials ------------------------------------------------------------------------------------------------


class JiwaKey(HeaderKey):
    """An API key of a staff member or of a debtor (Jiwa 7.2 and later); never sent in an address."""

    def login_request(self, base_url: str) -> httpx.Request:
        """Return the request that reads the session which a key opens beside it."""
        return self._with_key(JiwaClient.get_current_session.request(base_url))

    def session_id(self, answer: httpx.Response) -> str:
        """Return the session's id in the log-in's answer; raise `UnexpectedAnswer` if it cannot be sent."""
        token = JiwaClient.get_current_session.read(answer).Id.get_secret_value()
        return _sendable_in("header", token, JiwaClient.get_current_session, answer)

    def authenticate(self, request: httpx.Request, session: Session) -> httpx.Request:
        """Return the request with the key and the session."""
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

    def login_request(self, base_url: str) -> httpx.Request:
        """Return the log-in, with the credentials in its body, never in the address."""
        return JiwaClient.login.request(base_url, UserName=self.username, Password=self.password)

    def session_id(self, answer: httpx.Response) -> str:
        """Return the session's id in the log-in's answer; raise `UnexpectedAnswer` if it cannot be sent."""
        token = JiwaClient.login.read(answer).SessionId.get_secret_value()
        return _sendable_in(self.form, token, JiwaClient.login, answer)

    def open_session(self, _base_url: str, answer: httpx.Response, session: Session) -> None:
        """Use the session until Jiwa refuses it: its length is not known."""
        session.open(self.session_id(answer), seconds=_UNTIL_REFUSED)

    def authenticate(self, request: httpx.Request, session: Session) -> httpx.Request:
        """Return the request with the session in its header or cookie."""
        if self.form == "cookie":
            request.headers["Cookie"] = f"ss-id={session.token}"
        else:
            request.headers["X-ss-id"] = session.token
        return request

    def session_ended(self, answer: httpx.Response) -> bool:
        """Return True for a 401, which did nothing."""
        return answer.status_code == httpx.codes.UNAUTHORIZED


def _sendable_in(form: str, token: str, operation: Operation[..., Any], answer: httpx.Response) -> str:
    if not (_COOKIE_VALUE.fullmatch(token) if form == "cookie" else is_sendable(token)):
        raise operation.error(UnexpectedAnswer, answer, "the session id cannot be sent")
    return token


# Drafts -----------------------------------------------------------------------------------------------------


class DraftSession(SessionAuth):
    """
    A session that only one draft uses.

    Jiwa keeps one copy of a record in a session: in a shared one, two drafts of a record would save each
    other's changes. It is not renewed: a new session would not hold the changes.
    """

    def __init__(self, auth: JiwaKey | JiwaUser) -> None:
        self.auth = auth
        self.own = Session()

    def session(self, _base_url: str) -> Session:
        """Return the draft's own session."""
        return self.own

    def secrets(self, base_url: str) -> list[str]:
        """Return every value that must not be shown."""
        return [*self.auth.secrets(base_url), *self.own.tokens]

    def login_request(self, base_url: str) -> httpx.Request:
        """Return the log-in request of the credentials."""
        return self.auth.login_request(base_url)

    def open_session(self, _base_url: str, answer: httpx.Response, session: Session) -> None:
        """Use the session until Jiwa refuses it."""
        session.open(self.auth.session_id(answer), seconds=_UNTIL_REFUSED)

    def authenticate(self, request: httpx.Request, session: Session) -> httpx.Request:
        """Return the request with the credentials and the session."""
        return self.auth.authenticate(request, session)

    def session_ended(self, _answer: httpx.Response) -> bool:
        """Return False: the caller gets the refusal."""
        return False


@dataclass(frozen=True, slots=True)
class _Record:
    """A kind of record that a draft may change: its key, and its operations to save and to abandon."""

    key: str
    save: Operation[..., Any]
    abandon: Operation[..., Any] | None  # None: Jiwa's documents have none


_RECORDS: Final = {
    "SalesOrders": _Record("InvoiceID", JiwaClient.save_sales_order, JiwaClient.abandon_sales_order),
    "SalesQuotes": _Record("QuoteID", JiwaClient.save_sales_quote, JiwaClient.abandon_sales_quote),
    "Debtors": _Record("DebtorID", JiwaClient.save_debtor, None),
}
_NOT_REVERSIBLE: Final = (JiwaClient.process_sales_order, JiwaClient.delete_sales_order)


class JiwaDraft(JiwaClient):
    """
    Changes of orders, quotes and customers that Jiwa keeps in a session until they are saved.

    Made by `JiwaClient.editing`, for one `async with`. At its end each record that was written is saved, in
    the order in which they were first written; a save that fails (a `Conflict`, a rule) raises, and those
    after it are dropped. If an exception ends it, all are dropped. Other writes are refused: they could not be
    dropped. Jiwa does not say how long a session lasts; `keep_alive` extends it.
    """

    auth: DraftSession

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._unsaved: dict[tuple[_Record, str], None] = {}  # in the order of their first write

    async def __aexit__(self, *error: object) -> None:
        try:
            if error[0] is None:
                for record, key in list(self._unsaved):
                    await self.send(record.save, record.save.validate(**{record.key: key}))
        finally:
            await self._discard_unsaved()
            await super().__aexit__(*error)

    async def send(self, operation: Operation[..., T], inputs: Input) -> T:
        """Send one call in stateful mode; raise `InvalidInput` for a write that a draft could not drop."""
        record = _RECORDS.get(operation.path.split("/")[1])
        if operation in _NOT_REVERSIBLE or (record is None and not _only_reads(operation)):
            raise InvalidInput(
                f"jiwa {operation.name} was not sent: a draft could not drop it again. Call it on a client "
                "that is no draft."
            )
        try:
            if record is None:
                return await super().send(operation, inputs)
            return await self._send_for(record, operation, inputs)
        except NotAuthenticated as error:
            if self.auth.own.token:
                error.detail = f"the session has ended, and what was not saved is gone; {error.detail}"
            raise

    async def _send_for(self, record: _Record, operation: Operation[..., T], inputs: Input) -> T:
        key = getattr(inputs, record.key, None)
        writes = operation.verb != "GET"
        if key and writes:
            self._unsaved[record, key] = None  # before it is sent: its answer may be lost
        answer = await super().send(operation.with_headers(STATEFUL), inputs)
        if operation in (record.save, record.abandon):
            self._unsaved.pop((record, str(key)), None)
        elif writes:
            self._unsaved[record, key or getattr(answer, record.key)] = None
        return answer

    async def _discard_unsaved(self) -> None:
        """Drop unsaved changes and end the session; failures are ignored, as the session also ends by itself."""
        for record, key in list(self._unsaved):
            if record.abandon is not None:
                with suppress(VendorError):
                    await self.send(record.abandon, record.abandon.validate(**{record.key: key}))
        if self.auth.own.token:
            with suppress(VendorError):
                await super().send(JiwaClient.logout, NoInput())


def _only_reads(operation: Operation[..., Any]) -> bool:
    return operation.verb == "GET" and operation.session == "uses"


# Answers ----------------------------------------------------------------------------------------------------


def _response_status(value: Any) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        return {}
    status = next((part for name, part in value.items() if name.lower() == "responsestatus"), None)
    return dict(status) if isinstance(status, Mapping) else {}


def _failure(operation: Operation[..., Any], response: httpx.Response, status: dict[str, Any]) -> Exception:
    errors = status.get("Errors")
    rows = [row for row in errors if isinstance(row, Mapping)] if isinstance(errors, list) else []
    texts = [str(part) for part in (status.get("Message") or status.get("ErrorCode"), *_texts(rows)) if part]
    detail = "; ".join(dict.fromkeys(texts)) or start_of(response)
    kind = Refused if response.is_success else kind_of(response.status_code)
    if kind is Refused and response.status_code == httpx.codes.CONFLICT:
        kind = Conflict if _CHANGED_MEANWHILE.search(f"{status.get('ErrorCode')} {detail}") else Refused
    facts = {"rows": rows} if kind is Refused else {}
    return operation.error(kind, response, detail, **facts)


def _texts(rows: list[Any]) -> list[str]:
    return [f"{row.get('FieldName') or ''} {row.get('Message') or ''}".lstrip() for row in rows]


def _empty_answer(operation: Operation[..., Any], response: httpx.Response) -> Any:
    """Return the meaning of a 204: an empty list, nothing found, or, after a write, unknown."""
    if get_origin(operation.answer) is list:
        return []
    if issubclass(operation.answer, queries.QueryResponse):
        return {}
    raise operation.error(NotFound if operation.reads else UnexpectedAnswer, response, "an empty answer")


def _rows(operation: Operation[..., Any], value: Any) -> Any:
    """Return the rows of a list, which may come with or without a query's envelope."""
    if get_origin(operation.answer) is list and isinstance(value, Mapping):
        return next((part for name, part in value.items() if name.lower() == "results"), value)
    bare = isinstance(value, list) and get_origin(operation.answer) is not list
    return {"Results": value} if bare else value
