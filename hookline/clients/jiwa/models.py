"""Jiwa's sessions and sales orders, in its own spelling (type export of June 2025, Jiwa 8)."""

# ruff: noqa: RUF012  (pydantic copies a model's defaults)

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal, Self

from pydantic import Field, SecretStr, model_validator

from hookline.clients.models import Amount, Answer, Consent, Flag, Input, Moment, Money, Secret, Whole

ZERO = Decimal(0)

_CARD_FIELDS = frozenset(("cardnumber", "cardholder", "cardexpiry"))


def must_be_meant(append: bool, **rows: list[Any] | None) -> None:
    """Raise ValueError for rows that each call would add anew, unless that is meant."""
    if (added := [name for name, given in rows.items() if given]) and not append:
        raise ValueError(
            f"{' and '.join(added)} without an id are added again by every such call: say append=true if you "
            "mean to add them, or give the ids of those to change"
        )


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


class RestPath(Answer):
    """A route of the installation: what it really offers."""

    Path: str
    RequestType: str = ""
    Summary: str = ""
    AllowedVerbs: str = ""


# What several documents have in common ----------------------------------------------------------------------


class CustomField(Input):
    """A custom field's new content; identify it by `SettingID`."""

    SettingID: str
    Contents: str


class OneNoteType(Input):
    """One of the installation's kinds of notes."""

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
    def _says_something(self) -> Self:
        if not (self.NoteID or self.NoteText):
            raise ValueError("name the note with NoteID, or give the NoteText of a new one")
        return self


class LineFields(Input):
    """What can be set of a line; Jiwa prices it unless `DiscountedPrice` says otherwise."""

    InventoryID: str | None = None
    PartNo: str | None = None
    QuantityOrdered: Amount | None = None
    DiscountedPrice: Amount | None = None
    Description: str | None = None
    CommentLine: bool | None = None
    CommentText: str | None = None
    LineLinkID: str | None = None
    CustomFieldValues: list[CustomField] | None = None

    def must_name_a_part(self) -> None:
        """Raise ValueError for a line that is neither of a part nor a comment."""
        if not (self.InventoryID or self.PartNo or self.CommentLine):
            raise ValueError("name the part with InventoryID or PartNo, or make it a comment: CommentLine")


class DocumentFields(Input):
    """What can be set of an order as of a quote."""

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


class ForDebtor(Input):
    """Whose document it is; Jiwa goes by `DebtorID` where both are given."""

    DebtorID: str | None = None
    DebtorAccountNo: str | None = None
    LogicalID: str | None = None

    @model_validator(mode="after")
    def _for_somebody(self) -> Self:
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
    LineNo: Whole = None
    NoteType: dict[str, Any] = {}
    LastSavedDateTime: Moment = None
    RowHash: str = ""


class CashSale(Answer):
    """The customer of a document on a cash account."""

    Name: str = ""
    Company: str = ""
    Phone: str = ""
    EmailAddress: str = ""


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
    """A serial number, or how many of it."""

    SerialNo: str | None = None
    Quantity: Amount | None = None


class SalesOrderLineFields(LineFields):
    """What can be set of an order's line."""

    Aux2: str | None = None
    LineDetails: list[LineDetail] | None = None


class NewLine(SalesOrderLineFields):
    """A line of an order."""

    @model_validator(mode="after")
    def _of_a_part(self) -> Self:
        self.must_name_a_part()
        return self


class ChangedLine(SalesOrderLineFields):
    """A line to change, or to append where `InvoiceLineID` is absent."""

    InvoiceLineID: str | None = None

    @model_validator(mode="after")
    def _of_a_part(self) -> Self:
        if not self.InvoiceLineID:
            self.must_name_a_part()
        return self


class OnePaymentType(Input):
    """One of the installation's ways to pay."""

    PaymentTypeID: str


class NewPayment(Input):
    """A payment; `PaymentRef` is what a repeat is recognised by. Card fields are never sent."""

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
    def _no_card(cls, given: Any) -> Any:
        if isinstance(given, Mapping) and _CARD_FIELDS & {str(name).lower() for name in given}:
            raise ValueError("the data of a card is never sent: it would stand on the order in Jiwa")
        return given


class SalesOrderFields(DocumentFields):
    """What can be set of an order."""

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
    Lines: list[NewLine] | None = None
    Notes: list[NewNote] | None = None


class ChangedSalesOrder(SalesOrderFields, OneSalesOrder):
    """
    Only what is given changes, never the debtor; what another process changes meanwhile is overwritten.

    Payments, and lines and notes without their ids, are added, at each repeat again: say `append`.
    """

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
    Notes: list[ChangedNote] | None = None
    append: Consent = Field(default=False, description="Add the lines and notes without ids, and payments.")

    @model_validator(mode="after")
    def _adds_only_what_is_meant(self) -> Self:
        lines = [line for line in self.Lines or () if not line.InvoiceLineID]
        notes = [note for note in self.Notes or () if not note.NoteID]
        must_be_meant(self.append, Lines=lines, Notes=notes, Payments=self.Payments)
        return self


class NewSalesOrderLine(NewLine, OneSalesOrderHistory):
    """A line for a delivery (history) of an order."""


class ChangedSalesOrderLine(SalesOrderLineFields, OneSalesOrderLine):
    """Only what is given of the line changes."""


class NewSalesOrderNote(NewNote, OneSalesOrder):
    """A note for an order."""


class ChangedSalesOrderNote(OneSalesOrderNote):
    """
    Only what is given of the note changes.

    `RowHash`, as it was read: perhaps Jiwa then refuses where somebody changed the note since.
    """

    NoteText: str | None = None
    NoteType: OneNoteType | None = None
    RowHash: str | None = None


class NewSalesOrderPayment(NewPayment, OneSalesOrderHistory):
    """A payment for a delivery (history) of an order."""


class ChangedSalesOrderCustomField(OneSalesOrderCustomField):
    """A custom field's new content, always text."""

    Contents: str


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
    QuantityBackOrd: Money = ZERO
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
    HistoryNo: Whole = None
    PaymentType: dict[str, Any] = {}


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
