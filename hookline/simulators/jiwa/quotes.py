"""Jiwa's sales quote."""

from dataclasses import dataclass
from typing import ClassVar

from hookline.simulators.jiwa import autoquery
from hookline.simulators.jiwa.documents import SalesDocument
from hookline.simulators.jiwa.values import later, record_id, today
from hookline.simulators.records import Document

QUOTE_STATUS = ("e_SalesQuoteEntered", "e_SalesQuoteClosed")
EXPIRY_DAYS = 30

SALES_QUOTE_LIST = autoquery.columns(
    text="""
        InvoiceID InvoiceNo InvoiceNoDashHistoryNo OrderNo QOReference DebtorID AccountNo DebtorName EmailAddress
        IN_LogicalID InvoiceHistoryID StaffID StaffUsername CurrencyShortName
    """,
    number="Status LocalInvoiceTotalIncTax HistoryNo",
    date="InvoiceInitDate LastSavedDateTime",
)


@dataclass(slots=True)
class Quote(SalesDocument):
    """A sales quote."""

    key_name: ClassVar[str] = "QuoteID"
    number_name: ClassVar[str] = "QuoteNo"
    history_key: ClassVar[str] = "QuoteHistoryID"
    line_key: ClassVar[str] = "QuoteLineID"

    @classmethod
    def new_header(cls, number: str) -> Document:
        """Return the part of a header that only a quote has."""
        return {
            "QuoteID": record_id(),
            "QuoteNo": number,
            "SalesQuoteType": "e_SalesQuoteNormalSalesOrder",
            "OrderType": "e_SalesQuoteOrderTypeReserveOrder",
            "Status": QUOTE_STATUS[0],
            "BillType": "e_SalesQuoteShipAndBill",
        }

    @staticmethod
    def new_history(serial: int) -> Document:
        """Return a history without lines."""
        return {
            "QuoteHistoryID": record_id(),
            "HistoryNo": serial,
            "Ref": "",
            "OpportunityStatus": "OnGoing",
            "RecordDate": today(),
            "ExpiryDays": EXPIRY_DAYS,
        }

    def history_document(self, history: Document) -> Document:
        """Return one history, with its lines, its total and the day until which it holds."""
        expiry = later(history["RecordDate"], history["ExpiryDays"])
        return SalesDocument.history_document(self, history) | {"ExpiryDate": expiry}

    def row(self, _history: Document, _debtor: Document) -> Document:
        """Return the columns of a history that only the list of quotes has."""
        return {
            "QOReference": self.header["SOReference"],
            "Status": QUOTE_STATUS.index(self.header["Status"]),
        }
