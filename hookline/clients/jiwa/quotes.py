"""Jiwa's models for sales quotes, in its own spelling: an order's fields with the quote's ids."""

# ruff: noqa: RUF012  (pydantic copies a model's defaults)

from typing import ClassVar, Literal

from hookline.clients.jiwa.models import (
    ZERO,
    AddedLine,
    ChangedDocument,
    Document,
    DocumentFields,
    DocumentLine,
    ForDebtor,
    LineFields,
    NewNote,
)
from hookline.clients.models import Answer, Input, IntOrNone, Moment, Money


class OneSalesQuote(Input):
    """A quote by its id."""

    QuoteID: str


class OneSalesQuoteHistory(OneSalesQuote):
    """A version (history) of a quote."""

    QuoteHistoryID: str


class OneSalesQuoteLine(OneSalesQuoteHistory):
    """A line of a version of a quote."""

    QuoteLineID: str


class NewQuoteLine(AddedLine):
    """A line of a quote."""


class ChangedQuoteLine(AddedLine):
    """A line to change, or to append where `QuoteLineID` is absent."""

    QuoteLineID: str | None = None

    line_key: ClassVar[str | None] = "QuoteLineID"


class SalesQuoteFields(DocumentFields):
    """The fields of a quote that can be set."""

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


class ChangedSalesQuote(SalesQuoteFields, ChangedDocument, OneSalesQuote):
    """Only the inputs given change, never the debtor; a change by another process meanwhile is overwritten."""

    Status: Literal["e_SalesQuoteEntered", "e_SalesQuoteClosed"] | None = None
    Lines: list[ChangedQuoteLine] | None = None


class NewSalesQuoteLine(NewQuoteLine, OneSalesQuoteHistory):
    """A line for a version (history) of a quote."""


class ChangedSalesQuoteLine(LineFields, OneSalesQuoteLine):
    """A line to change; only the inputs given change."""


class SalesQuoteLine(DocumentLine):
    """A line of a quote."""

    QuoteLineID: str = ""
    LineLinkID: str = ""


class SalesQuoteHistory(Answer):
    """A version of a quote."""

    QuoteHistoryID: str
    HistoryNo: IntOrNone = None
    HistoryTotal: Money = ZERO
    Ref: str = ""
    RecordDate: Moment = None
    ExpiryDate: Moment = None
    ExpiryDays: IntOrNone = None
    Lines: list[SalesQuoteLine] = []


class SalesQuote(Document):
    """A quote."""

    QuoteID: str
    QuoteNo: str = ""
    ExpectedDeliveryDate: Moment = None
    Lines: list[SalesQuoteLine] = []
    Histories: list[SalesQuoteHistory] = []
