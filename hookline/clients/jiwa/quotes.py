"""Jiwa's sales quotes, in its own spelling: an order's fields with the quote's ids."""

# ruff: noqa: RUF012  (pydantic copies a model's defaults)

from typing import Literal, Self

from pydantic import Field, model_validator

from hookline.clients.jiwa.models import (
    ZERO,
    CashSale,
    ChangedNote,
    CustomFieldValue,
    DocumentFields,
    ForDebtor,
    LineFields,
    NewNote,
    Note,
    must_be_meant,
)
from hookline.clients.models import Answer, Consent, Flag, Input, Moment, Money, Whole


class OneSalesQuote(Input):
    """A quote by its id."""

    QuoteID: str


class OneSalesQuoteHistory(OneSalesQuote):
    """A version (history) of a quote."""

    QuoteHistoryID: str


class OneSalesQuoteLine(OneSalesQuoteHistory):
    """A line of a version of a quote."""

    QuoteLineID: str


class NewQuoteLine(LineFields):
    """A line of a quote."""

    @model_validator(mode="after")
    def _of_a_part(self) -> Self:
        self.must_name_a_part()
        return self


class ChangedQuoteLine(LineFields):
    """A line to change, or to append where `QuoteLineID` is absent."""

    QuoteLineID: str | None = None

    @model_validator(mode="after")
    def _of_a_part(self) -> Self:
        if not self.QuoteLineID:
            self.must_name_a_part()
        return self


class SalesQuoteFields(DocumentFields):
    """What can be set of a quote."""

    OrderType: (
        Literal[
            "e_SalesQuoteOrderTypeReserveOrder",
            "e_SalesQuoteOrderTypeInvoiceOrder",
            "e_SalesQuoteOrderTypeForwardOrder",
            "e_SalesQuoteOrderTypeActiveOrder",
        ]
        | None
    ) = None
    BillType: (
        Literal["e_SalesQuoteShipAndBill", "e_SalesQuoteBillWhenComplete", "e_SalesQuoteShipWhenComplete"]
        | None
    ) = None


class NewSalesQuote(SalesQuoteFields, ForDebtor):
    """A quote for the debtor named by `DebtorID` or `DebtorAccountNo`."""

    Lines: list[NewQuoteLine] | None = None
    Notes: list[NewNote] | None = None


class ChangedSalesQuote(SalesQuoteFields, OneSalesQuote):
    """
    Only what is given changes, never the debtor; what another process changes meanwhile is overwritten.

    Lines and notes without their ids are added, at each repeat again: say `append`.
    """

    Status: Literal["e_SalesQuoteEntered", "e_SalesQuoteClosed"] | None = None
    Lines: list[ChangedQuoteLine] | None = None
    Notes: list[ChangedNote] | None = None
    append: Consent = Field(default=False, description="Add the lines and notes without ids.")

    @model_validator(mode="after")
    def _adds_only_what_is_meant(self) -> Self:
        lines = [line for line in self.Lines or () if not line.QuoteLineID]
        notes = [note for note in self.Notes or () if not note.NoteID]
        must_be_meant(self.append, Lines=lines, Notes=notes)
        return self


class NewSalesQuoteLine(NewQuoteLine, OneSalesQuoteHistory):
    """A line for a version (history) of a quote."""


class ChangedSalesQuoteLine(LineFields, OneSalesQuoteLine):
    """Only what is given of the line changes."""


class SalesQuoteLine(Answer):
    """A line of a quote."""

    QuoteLineID: str = ""
    ItemNo: Whole = None
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
    LineLinkID: str = ""
    CustomFieldValues: list[CustomFieldValue] = []


class SalesQuoteHistory(Answer):
    """A version of a quote."""

    QuoteHistoryID: str
    HistoryNo: Whole = None
    HistoryTotal: Money = ZERO
    Ref: str = ""
    RecordDate: Moment = None
    ExpiryDate: Moment = None
    ExpiryDays: Whole = None
    Lines: list[SalesQuoteLine] = []


class SalesQuote(Answer):
    """A quote as it stands."""

    QuoteID: str
    QuoteNo: str = ""
    Status: str = ""
    OrderType: str = ""
    BillType: str = ""
    OrderNo: str = ""
    SOReference: str = ""
    InitiatedDate: Moment = None
    InvoiceInitDate: Moment = None
    ExpectedDeliveryDate: Moment = None
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
    Lines: list[SalesQuoteLine] = []
    Notes: list[Note] = []
    Histories: list[SalesQuoteHistory] = []
    CustomFieldValues: list[CustomFieldValue] = []
