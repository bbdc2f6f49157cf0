"""Jiwa's models for sessions and sales orders, in its own spelling (type export of June 2025, Jiwa 8)."""

# ruff: noqa: RUF012  (pydantic copies a model's defaults)

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, SecretStr, model_validator

from hookline.clients.models import Amount, Answer, Consent, Flag, Input, IntOrNone, Moment, Money, Secret

ZERO = Decimal(0)

_CARD_FIELDS = frozenset(("cardnumber", "cardholder", "cardexpiry"))


# Sessions ---------------------------------------------------------------------------------------------------


class Credentials(Input):
    """A Jiwa user; `provider` is one of Jiwa's authentication providers."""

    UserName: str
    Password: Secret
    provider: Literal[
        "credentials", "debtorcontactnameemailaddresscredentials", "debtorcontactnameidcredentials"
    ] = "credentials"
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
    """The owner of the key or session; `Id` opens the session."""

    Id: SecretStr = SecretStr("")
    UserName: str = ""
    DisplayName: str = ""
    APIKey_Type: str = ""
    DebtorID: str = ""
    DebtorName: str = ""


class SystemInfo(Answer):
    """The Jiwa installation at the address."""

    JiwaVersion: str = ""
    JiwaRESTAPIPluginVersion: str = ""
    ServiceStackVersion: str = ""
    SQLServerDateTime: Moment = None
    DatabaseName: str = ""
    LicensedCompany: str = ""
    CurrencyShortName: str = ""
    MoneyDecimalPlaces: IntOrNone = None


class RestPath(Answer):
    """A route that the installation offers."""

    Path: str
    RequestType: str = ""
    Summary: str = ""
    AllowedVerbs: str = ""


# Orders and quotes ------------------------------------------------------------------------------------------


class CustomField(Input):
    """A custom field's new content; identify it by `SettingID`."""

    SettingID: str
    Contents: str


class OneNoteType(Input):
    """A kind of note of the installation."""

    NoteTypeID: str


class NewNote(Input):
    """A note; Jiwa uses the default type where none is given."""

    NoteText: str
    NoteType: OneNoteType | None = None


class ChangedNote(Input):
    """A note to change, or to add where `NoteID` is absent."""

    NoteID: str | None = None
    NoteText: str | None = None
    NoteType: OneNoteType | None = None

    @model_validator(mode="after")
    def _id_or_text(self) -> Self:
        if not (self.NoteID or self.NoteText):
            raise ValueError("give the NoteID of a note, or the NoteText of a new one")
        return self


class LineFields(Input):
    """The fields of a line that can be set; Jiwa prices it unless `DiscountedPrice` is given."""

    InventoryID: str | None = None
    PartNo: str | None = None
    QuantityOrdered: Amount | None = None
    DiscountedPrice: Amount | None = None
    Description: str | None = None
    CommentLine: bool | None = None
    CommentText: str | None = None
    LineLinkID: str | None = None
    CustomFieldValues: list[CustomField] | None = None


class AddedLine(LineFields):
    """A line that is new unless it has the id that `line_key` names: then it must have a part or be a comment."""

    line_key: ClassVar[str | None] = None

    @model_validator(mode="after")
    def _has_a_part(self) -> Self:
        is_new = self.line_key is None or not getattr(self, self.line_key)
        if is_new and not (self.InventoryID or self.PartNo or self.CommentLine):
            raise ValueError("name the part with InventoryID or PartNo, or make it a comment: CommentLine")
        return self


class DocumentFields(Input):
    """The fields that can be set of an order and of a quote."""

    OrderNo: str | None = None
    SOReference: str | None = None
    InvoiceInitDate: datetime | None = None
    ExpectedDeliveryDate: datetime | None = None
    DebtorContactName: str | None = None
    DropShipment: bool | None = None
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
    DeliveryAddressNotes: str | None = None
    DeliveryAddressCourierDetails: str | None = None
    CustomFieldValues: list[CustomField] | None = None


class ChangedDocument(Input):
    """
    The rows of a document to change.

    Lines and notes without their ids are added, and payments always, at each repeat again: `append` confirms it.
    """

    Notes: list[ChangedNote] | None = None
    append: Consent = Field(default=False, description="Add the lines and notes without ids, and payments.")

    @model_validator(mode="after")
    def _append_is_confirmed(self) -> Self:
        lines: list[AddedLine] = getattr(self, "Lines", None) or []
        rows = {
            "Lines": [line for line in lines if not (line.line_key and getattr(line, line.line_key))],
            "Notes": [note for note in self.Notes or () if not note.NoteID],
            "Payments": getattr(self, "Payments", None),
        }
        if (added := [name for name, new in rows.items() if new]) and not self.append:
            raise ValueError(
                f"{' and '.join(added)} without an id are added again by every such call: say append=true if you "
                "mean to add them, or give the ids of those to change"
            )
        return self


class ForDebtor(Input):
    """The debtor of a document; Jiwa uses `DebtorID` where both are given."""

    DebtorID: str | None = None
    DebtorAccountNo: str | None = None
    LogicalID: str | None = None

    @model_validator(mode="after")
    def _has_a_debtor(self) -> Self:
        if not (self.DebtorID or self.DebtorAccountNo):
            raise ValueError("name the debtor with DebtorID or DebtorAccountNo")
        return self


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
    LineNo: IntOrNone = None
    NoteType: dict[str, Any] = {}
    LastSavedDateTime: Moment = None
    RowHash: str = ""


class CashSale(Answer):
    """The customer of a document on a cash account."""

    Name: str = ""
    Company: str = ""
    Phone: str = ""
    EmailAddress: str = ""


class DocumentLine(Answer):
    """A line of an order or a quote."""

    ItemNo: IntOrNone = None
    InventoryID: str = ""
    PartNo: str = ""
    Description: str = ""
    CommentLine: Flag = False
    CommentText: str = ""
    QuantityOrdered: Money = ZERO
    PriceExGst: Money = ZERO
    PriceIncGst: Money = ZERO
    DiscountedPrice: Money = ZERO
    LineTotal: Money = ZERO
    CustomFieldValues: list[CustomFieldValue] = []


class Document(Answer):
    """The common fields of an order and a quote."""

    Status: str = ""
    OrderType: str = ""
    BillType: str = ""
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
    DeliveryAddressCountry: str = ""
    CurrencyShortName: str = ""
    LastSavedDateTime: Moment = None
    CashSales: CashSale | None = None
    Notes: list[Note] = []
    CustomFieldValues: list[CustomFieldValue] = []


class DebtorFacts(Answer):
    """The common fields of a customer and a row of the customer list."""

    DebtorID: str
    AccountNo: str = ""
    AltAccountNo: str = ""
    Name: str = ""
    Address1: str = ""
    Address2: str = ""
    Address3: str = ""
    Address4: str = ""
    Country: str = ""
    Phone: str = ""
    EmailAddress: str = ""
    CurrentBalance: Money = ZERO
    AccountOnHold: Flag = False
    LastSavedDateTime: Moment = None


# Sales orders -----------------------------------------------------------------------------------------------


class OneSalesOrder(Input):
    """An order by its id."""

    InvoiceID: str


class OneSalesOrderHistory(OneSalesOrder):
    """A delivery (history) of an order."""

    InvoiceHistoryID: str


class OneSalesOrderLine(OneSalesOrderHistory):
    """A line of a delivery of an order."""

    InvoiceLineID: str


class OneSalesOrderNote(OneSalesOrder):
    """A note on an order."""

    NoteID: str


class OneSalesOrderCustomField(OneSalesOrder):
    """A custom field of an order; which there are is the installation's own."""

    SettingID: str


class LineDetail(Input):
    """A serial number, or a quantity of it."""

    SerialNo: str | None = None
    Quantity: Amount | None = None


class SalesOrderLineFields(LineFields):
    """The fields of an order's line that can be set."""

    Aux2: str | None = None
    LineDetails: list[LineDetail] | None = None


class NewLine(SalesOrderLineFields, AddedLine):
    """A line of an order."""


class ChangedLine(SalesOrderLineFields, AddedLine):
    """A line to change, or to append where `InvoiceLineID` is absent."""

    InvoiceLineID: str | None = None

    line_key: ClassVar[str | None] = "InvoiceLineID"


class OnePaymentType(Input):
    """A way to pay of the installation."""

    PaymentTypeID: str


class NewPayment(Input):
    """A payment; a repeat is recognised by `PaymentRef`. Card fields are never sent."""

    AmountPaid: Amount
    PaymentRef: str = Field(min_length=1)
    PaymentType: OnePaymentType | None = None
    PaymentDate: datetime | None = None
    AuthorisationNumber: str | None = None
    AuthorisationStatus: (
        Literal["NoAuthorisationNeeded", "AuthorisationRequired", "Authorised", "Declined", "Error"] | None
    ) = None
    ProcessPayment: bool | None = None

    @model_validator(mode="before")
    @classmethod
    def _no_card(cls, raw: Any) -> Any:
        if isinstance(raw, Mapping) and _CARD_FIELDS & {str(name).lower() for name in raw}:
            raise ValueError("the data of a card is never sent: it would be stored on the order in Jiwa")
        return raw


class SalesOrderFields(DocumentFields):
    """The fields of an order that can be set."""

    OrderType: (
        Literal[
            "e_SalesOrderOrderTypeReserveOrder",
            "e_SalesOrderOrderTypeInvoiceOrder",
            "e_SalesOrderOrderTypeForwardOrder",
            "e_SalesOrderOrderTypeActiveOrder",
        ]
        | None
    ) = None
    BillType: (
        Literal["e_SalesOrderShipAndBill", "e_SalesOrderBillWhenComplete", "e_SalesOrderShipWhenComplete"]
        | None
    ) = None
    Payments: list[NewPayment] | None = None


class NewSalesOrder(SalesOrderFields, ForDebtor):
    """An order for the debtor named by `DebtorID` or `DebtorAccountNo`."""

    CreditNote: bool | None = None
    CreditNoteFromInvoiceHistoryID: str | None = None
    Lines: list[NewLine] | None = None
    Notes: list[NewNote] | None = None


class ChangedSalesOrder(SalesOrderFields, ChangedDocument, OneSalesOrder):
    """Only the inputs given change, never the debtor; a change by another process meanwhile is overwritten."""

    Status: (
        Literal[
            "e_SalesOrderEntered",
            "e_SalesOrderProcessed",
            "e_SalesOrderClosed",
            "e_SalesOrderUnprocessedPrinted",
        ]
        | None
    ) = None
    Lines: list[ChangedLine] | None = None


class NewSalesOrderLine(NewLine, OneSalesOrderHistory):
    """A line for a delivery (history) of an order."""


class ChangedSalesOrderLine(SalesOrderLineFields, OneSalesOrderLine):
    """A line to change; only the inputs given change."""


class NewSalesOrderNote(NewNote, OneSalesOrder):
    """A note for an order."""


class ChangedSalesOrderNote(OneSalesOrderNote):
    """
    A note to change; only the inputs given change.

    With `RowHash` as it was read, Jiwa may refuse a note that another user changed since.
    """

    NoteText: str | None = None
    NoteType: OneNoteType | None = None
    RowHash: str | None = None


class NewSalesOrderPayment(NewPayment, OneSalesOrderHistory):
    """A payment for a delivery (history) of an order."""


class ChangedSalesOrderCustomField(OneSalesOrderCustomField):
    """A custom field's new content, always text."""

    Contents: str


class SalesOrderLine(DocumentLine):
    """A line of an order."""

    InvoiceLineID: str = ""
    QuantityThisDel: Money = ZERO
    QuantityBackOrd: Money = ZERO
    Aux2: str = ""


class SalesOrderHistory(Answer):
    """A delivery of an order; `AmountPaid` is what was paid with the order, without the debtor ledger."""

    InvoiceHistoryID: str
    HistoryNo: IntOrNone = None
    Status: str = ""
    HistoryTotal: Money = ZERO
    AmountPaid: Money = ZERO
    Ref: str = ""
    RunNo: str = ""
    Delivered: Flag = False
    DateCreated: Moment = None
    DatePosted: Moment = None
    DateProcessed: Moment = None
    ConsignmentNote: str = ""
    Lines: list[SalesOrderLine] = []


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
    HistoryNo: IntOrNone = None
    PaymentType: dict[str, Any] = {}


class SalesOrder(Document):
    """An order. Jiwa has no flag for "paid": see `Payments`, `Histories` and the order list."""

    InvoiceID: str
    InvoiceNo: str = ""
    Type: str = ""
    SalesOrderType: str = ""
    CreditNote: Flag = False
    CreditNoteFromInvoiceHistoryID: str = ""
    """Of a credit note that was made from an order: the delivery that it credits."""
    Lines: list[SalesOrderLine] = []
    Payments: list[SalesOrderPayment] = []
    Histories: list[SalesOrderHistory] = []
