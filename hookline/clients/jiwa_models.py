"""What goes into and comes out of Jiwa, in its own spelling (type export of June 2025, Jiwa 8)."""

# ruff: noqa: RUF012  (pydantic copies a model's defaults)

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, ClassVar, Generic, Literal, TypeVar

from pydantic import BaseModel, Field, SecretStr, model_validator

from hookline.clients.models import Amount, Answer, Flag, Input, Moment, Money, Secret, Whole
from hookline.clients.paging import Paged

R = TypeVar("R")

ZERO = Decimal(0)
LARGEST_TAKE = 1000


# Sessions ---------------------------------------------------------------------------------------------------


class Credentials(Input):
    """A Jiwa user; `provider` is one of Jiwa's authentication providers."""

    UserName: str
    Password: Secret
    provider: str = "credentials"
    RememberMe: bool | None = None


class LoggedIn(Answer):
    """A session of a user."""

    SessionId: SecretStr
    UserName: str = ""
    DisplayName: str = ""


class LoggedOut(Answer):
    """The session that ended."""

    Username: str = ""
    LoginDateTime: Moment = None
    LogoutDateTime: Moment = None


class CurrentSession(Answer):
    """Who the key or session belongs to; `Id` opens the session."""

    Id: SecretStr = SecretStr("")
    UserName: str = ""
    DisplayName: str = ""
    APIKey_Type: str = ""
    DebtorID: str = ""
    DebtorName: str = ""


class SystemInfo(Answer):
    """The installation behind the address."""

    JiwaVersion: str = ""
    JiwaRESTAPIPluginVersion: str = ""
    ServiceStackVersion: str = ""
    SQLServerDateTime: Moment = None
    DatabaseName: str = ""
    LicensedCompany: str = ""
    CurrencyShortName: str = ""
    MoneyDecimalPlaces: Whole = None


# Sales orders -----------------------------------------------------------------------------------------------


class OneSalesOrder(Input):
    """An order by its id."""

    InvoiceID: str


class CustomField(Input):
    """A custom field's new content; identify it by `SettingID`."""

    SettingID: str
    Contents: str


class NewNote(Input):
    """A note; Jiwa uses the default type where none is given."""

    NoteText: str
    NoteType: dict[str, str] | None = None


class NewLine(Input):
    """A line; Jiwa prices it unless `DiscountedPrice` says otherwise."""

    InventoryID: str | None = None
    PartNo: str | None = None
    QuantityOrdered: Amount | None = None
    DiscountedPrice: Amount | None = None
    Description: str | None = None
    CommentLine: bool | None = None
    CommentText: str | None = None
    Aux2: str | None = None
    CustomFieldValues: list[CustomField] | None = None


class ChangedLine(NewLine):
    """A line to change, or to append where `InvoiceLineID` is absent."""

    InvoiceLineID: str | None = None


class OnePaymentType(Input):
    """One of the installation's ways to pay."""

    PaymentTypeID: str


class NewPayment(Input):
    """A payment; `PaymentRef` is what a repeat is recognised by. Card fields are never sent."""

    AmountPaid: Amount
    PaymentRef: str
    PaymentType: OnePaymentType | None = None
    PaymentDate: datetime | None = None
    AuthorisationNumber: str | None = None
    AuthorisationStatus: (
        Literal["NoAuthorisationNeeded", "AuthorisationRequired", "Authorised", "Declined", "Error"] | None
    ) = None
    ProcessPayment: bool | None = None


class _SalesOrderFields(Input):
    OrderNo: str | None = None
    SOReference: str | None = None
    InvoiceInitDate: datetime | None = None
    ExpectedDeliveryDate: datetime | None = None
    DeliveryAddressee: str | None = None
    DeliveryAddress1: str | None = None
    DeliveryAddress2: str | None = None
    DeliveryAddressSuburb: str | None = None
    DeliveryAddressState: str | None = None
    DeliveryAddressPostcode: str | None = None
    DeliveryAddressCountry: str | None = None
    DeliveryAddressContactName: str | None = None
    DeliveryAddressPhone: str | None = None
    DeliveryAddressEmailAddress: str | None = None
    Notes: list[NewNote] | None = None
    Payments: list[NewPayment] | None = None
    CustomFieldValues: list[CustomField] | None = None


class NewSalesOrder(_SalesOrderFields):
    """An order for the debtor named by `DebtorID` or `DebtorAccountNo`."""

    DebtorID: str | None = None
    DebtorAccountNo: str | None = None
    LogicalID: str | None = None
    CreditNote: bool | None = None
    Lines: list[NewLine] | None = None

    @model_validator(mode="after")
    def _for_somebody(self) -> "NewSalesOrder":
        if not (self.DebtorID or self.DebtorAccountNo):
            raise ValueError("name the debtor with DebtorID or DebtorAccountNo")
        return self


class ChangedSalesOrder(_SalesOrderFields):
    """Only what is given changes; lines without `InvoiceLineID` and notes are appended."""

    InvoiceID: str
    Status: str | None = None
    Lines: list[ChangedLine] | None = None


class NewSalesOrderNote(NewNote):
    """A note for an order."""

    InvoiceID: str


class NewSalesOrderPayment(NewPayment):
    """A payment for a delivery (history) of an order."""

    InvoiceID: str
    InvoiceHistoryID: str


class CustomFieldValue(Answer):
    """A custom field's content, always text."""

    SettingID: str = ""
    SettingName: str = ""
    Contents: str = ""
    PluginName: str = ""


class Note(Answer):
    """A note on a document."""

    NoteID: str = ""
    NoteText: str = ""
    LastSavedDateTime: Moment = None


class SalesOrderLine(Answer):
    """A line of an order."""

    InvoiceLineID: str = ""
    ItemNo: Whole = None
    InventoryID: str = ""
    PartNo: str = ""
    Description: str = ""
    CommentLine: Flag = False
    CommentText: str = ""
    QuantityOrdered: Money = ZERO
    QuantityThisDel: Money = ZERO
    PriceExGst: Money = ZERO
    PriceIncGst: Money = ZERO
    DiscountedPrice: Money = ZERO
    LineTotal: Money = ZERO
    Aux2: str = ""
    CustomFieldValues: list[CustomFieldValue] = []


class SalesOrderHistory(Answer):
    """A delivery of an order; `AmountPaid` counts what was paid with the order, not in the debtor ledger."""

    InvoiceHistoryID: str
    HistoryNo: Whole = None
    Status: str = ""
    HistoryTotal: Money = ZERO
    AmountPaid: Money = ZERO
    Ref: str = ""
    DateCreated: Moment = None
    DateProcessed: Moment = None


class SalesOrderPayment(Answer):
    """A payment on an order."""

    PaymentID: str = ""
    AmountPaid: Money = ZERO
    PaymentDate: Moment = None
    PaymentRef: str = ""
    AuthorisationNumber: str = ""
    AuthorisationStatus: str = ""
    ProcessPayment: Flag = False
    Processed: Flag = False
    HistoryNo: Whole = None
    PaymentType: dict[str, Any] = {}


class CashSale(Answer):
    """The customer of an order on a cash account."""

    Name: str = ""
    Company: str = ""
    Phone: str = ""
    EmailAddress: str = ""


class SalesOrder(Answer):
    """An order as it stands. Jiwa has no flag for "paid": see `Payments`, `Histories` and the order list."""

    InvoiceID: str
    InvoiceNo: str = ""
    Status: str = ""
    Type: str = ""
    OrderType: str = ""
    SalesOrderType: str = ""
    BillType: str = ""
    CreditNote: Flag = False
    OrderNo: str = ""
    SOReference: str = ""
    InitiatedDate: Moment = None
    InvoiceInitDate: Moment = None
    DebtorID: str = ""
    DebtorAccountNo: str = ""
    DebtorName: str = ""
    DebtorEmailAddress: str = ""
    DebtorContactName: str = ""
    DeliveryAddressee: str = ""
    DeliveryAddressContactName: str = ""
    DeliveryAddressEmailAddress: str = ""
    CurrencyShortName: str = ""
    LastSavedDateTime: Moment = None
    CashSales: CashSale | None = None
    Lines: list[SalesOrderLine] = []
    Notes: list[Note] = []
    Payments: list[SalesOrderPayment] = []
    Histories: list[SalesOrderHistory] = []
    CustomFieldValues: list[CustomFieldValue] = []


# Debtors ----------------------------------------------------------------------------------------------------


class OneDebtor(Input):
    """A customer by its id."""

    DebtorID: str


class NewContactName(Input):
    """A contact of a customer; `ExternalAppRecID` is the place for a foreign key."""

    FName: str | None = None
    SName: str | None = None
    EmailAddress: str | None = None
    Phone: str | None = None
    ExternalAppRecID: str | None = None


class NewDebtor(Input):
    """A customer; `AccountNo` is what a repeat is recognised by."""

    AccountNo: str
    Name: str
    AltAccountNo: str | None = None
    CompanyName: str | None = None
    TradingName: str | None = None
    Address1: str | None = None
    Address2: str | None = None
    Address3: str | None = None
    Address4: str | None = None
    Postcode: str | None = None
    Country: str | None = None
    Phone: str | None = None
    EmailAddress: str | None = None
    ABN: str | None = None
    ContactNames: list[NewContactName] | None = None
    CustomFieldValues: list[CustomField] | None = None


class Debtor(Answer):
    """A customer."""

    DebtorID: str
    AccountNo: str = ""
    AltAccountNo: str = ""
    Name: str = ""
    CompanyName: str = ""
    TradingName: str = ""
    Phone: str = ""
    EmailAddress: str = ""
    AccountOnHold: Flag = False
    IsCashOnly: Flag = False
    CurrentBalance: Money = ZERO
    CreditLimit: Money = ZERO
    LastSavedDateTime: Moment = None
    CustomFieldValues: list[CustomFieldValue] = []


# Queries ----------------------------------------------------------------------------------------------------


class QueryResponse(Answer, Generic[R]):
    """A page of rows; `Total` is set only where `Include="Total"` was asked."""

    Offset: int = 0
    Total: int | None = None
    Results: list[R] = []


class SalesOrderRow(Answer):
    """A row of the order list, one for each delivery (history), so an order may appear several times."""

    InvoiceID: str
    InvoiceNo: str = ""
    InvoiceHistoryID: str = ""
    HistoryNo: Whole = None
    OrderNo: str = ""
    SOReference: str = ""
    Status: str = ""
    CreditNote: Flag = False
    InvoiceInitDate: Moment = None
    DueDate: Moment = None
    LastSavedDateTime: Moment = None
    LocalInvoiceTotalIncTax: Money = ZERO
    TotalAllocated: Money = ZERO
    DebtorID: str = ""
    AccountNo: str = ""
    DebtorName: str = ""
    EmailAddress: str = ""
    HistoryStatus: str = ""
    Delivered: Flag = False


class DebtorRow(Answer):
    """A row of the customer list."""

    DebtorID: str
    AccountNo: str = ""
    Name: str = ""
    EmailAddress: str = ""
    CurrentBalance: Money = ZERO
    AccountOnHold: Flag = False
    LastSavedDateTime: Moment = None


class SkipTake(Paged):
    """Jiwa's paging. `Take=0` with `Include="Total"` only counts."""

    Skip: int | None = Field(default=None, ge=0)
    Take: int | None = Field(default=None, ge=0, le=LARGEST_TAKE)
    OrderBy: str | None = None
    OrderByDesc: str | None = None
    Include: Literal["Total"] | None = None

    page_size: ClassVar[int | None] = 100

    @classmethod
    def page(cls, start: int, number: int, before: Any) -> dict[str, Any]:
        """Rows after the first `start`."""
        del number, before
        return {"Skip": start, "Take": cls.page_size, "Include": "Total"}


_SUFFIXES = (
    *("", "StartsWith", "EndsWith", "Contains", "Like", "Between", "In"),
    *("GreaterThan", "GreaterThanOrEqualTo", "LessThan", "LessThanOrEqualTo", "NotEqualTo"),
)


class Query(SkipTake):
    """
    A query: the usual filters by name, any other in `where`, as `{"InvoiceNoStartsWith": "10"}`.

    Jiwa ignores a filter it does not know and returns everything, so only fields of the row, with one of
    Jiwa's suffixes, are let through.
    """

    Fields: str | None = None
    LastSavedDateTimeGreaterThan: datetime | None = None
    LastSavedDateTimeGreaterThanOrEqualTo: datetime | None = None
    where: Mapping[str, str | int | bool | datetime] | None = None

    row: ClassVar[type[BaseModel]]

    @model_validator(mode="after")
    def _known_filters(self) -> "Query":
        known = {field + suffix for field in self.row.model_fields for suffix in _SUFFIXES}
        if unknown := sorted(set(self.where or {}) - known):
            raise ValueError(f"Jiwa does not know the filter {', '.join(unknown)}")
        return self

    def values(self) -> dict[str, Any]:
        """The inputs, with those in `where` among them."""
        values = super().values()
        filters: dict[str, Any] = values.pop("where", {})
        return values | filters


class QuerySalesOrders(Query):
    """Filters of the order list."""

    InvoiceID: str | None = None
    InvoiceNo: str | None = None
    OrderNo: str | None = None
    SOReference: str | None = None
    DebtorID: str | None = None
    AccountNo: str | None = None

    row: ClassVar[type[BaseModel]] = SalesOrderRow
    order: ClassVar[dict[str, str]] = {"OrderBy": "InvoiceID,InvoiceHistoryID"}


class QueryDebtors(Query):
    """Filters of the customer list."""

    DebtorID: str | None = None
    AccountNo: str | None = None
    Name: str | None = None
    EmailAddress: str | None = None

    row: ClassVar[type[BaseModel]] = DebtorRow
    order: ClassVar[dict[str, str]] = {"OrderBy": "DebtorID"}


# Webhooks ---------------------------------------------------------------------------------------------------


class Header(Input):
    """A header Jiwa sends with each message: the place for our shared secret."""

    Name: str
    Value: str


class OneSubscriber(Input):
    """A subscriber by its id, which is also its only credential: keep it secret."""

    SubscriberID: str


class NewSubscriber(Input):
    """A receiver of messages."""

    Name: str
    IsEnabled: bool = True


class ChangedSubscriber(OneSubscriber):
    """Only what is given changes."""

    Name: str | None = None
    IsEnabled: bool | None = None
    ItemNo: int | None = None


class OneSubscription(OneSubscriber):
    """A subscription of a subscriber."""

    SubscriptionID: str


class NewSubscription(OneSubscriber):
    """An event and the address it is sent to."""

    URL: str
    EventName: str
    RequestHeaders: list[Header] | None = None


class ChangedSubscription(OneSubscription):
    """Only what is given changes."""

    URL: str | None = None
    EventName: str | None = None


class SubscriberMessages(SkipTake):
    """A page of the messages of a subscriber."""

    SubscriberID: str


class WebhookEvent(Answer):
    """An event Jiwa can tell of."""

    Name: str
    Description: str = ""


class WebhookSubscription(Answer):
    """An event and the address it is sent to; creation calls the id `RecID`."""

    SubscriptionID: str
    SubscriberID: str = ""
    EventName: str = ""
    URL: str = ""
    LastHTTPResponseCode: Whole = None
    RetryAfterDateTime: Moment = None

    @model_validator(mode="before")
    @classmethod
    def _either_name(cls, given: Any) -> Any:
        return _also_named(given, SubscriptionID="RecID", SubscriberID="SY_WebhookSubscriber_RecID")


class WebhookSubscriber(Answer):
    """A receiver of messages; creation calls the id `RecID`."""

    SubscriberID: str
    Name: str = ""
    IsEnabled: Flag = False
    ItemNo: Whole = None
    Subscriptions: list[WebhookSubscription] = []

    @model_validator(mode="before")
    @classmethod
    def _either_name(cls, given: Any) -> Any:
        return _also_named(given, SubscriberID="RecID")


class WebhookMessage(Answer):
    """A message and what became of it; `Body` is the document, so a missed one can be read back."""

    MessageID: str
    SubscriptionID: str = ""
    EventName: str = ""
    URL: str = ""
    Body: str = ""
    Status: str = ""
    Retries: Whole = None
    AddedDateTime: Moment = None
    LastMessageResponseHTTPCode: Whole = None
    LastMessageResponseMessage: str = ""


def _also_named(given: Any, **names: str) -> Any:
    if not isinstance(given, Mapping):
        return given
    return {ours: given[theirs] for ours, theirs in names.items() if theirs in given} | dict(given)
