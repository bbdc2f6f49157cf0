"""Jiwa's sales quotes, and the calls about them."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar

from hookline.simulators.control import Call, operation
from hookline.simulators.jiwa import autoquery
from hookline.simulators.jiwa.debtors import DebtorRoutes
from hookline.simulators.jiwa.documents import POSTED, SalesDocument, new_header
from hookline.simulators.jiwa.inventory import InventoryRoutes, Items
from hookline.simulators.jiwa.sessions import Table
from hookline.simulators.jiwa.values import Document, body_of, later, record_id, taken, today

QUOTE_STATUS = ("e_SalesQuoteEntered", "e_SalesQuoteClosed")
EXPIRY_DAYS = 30

SALES_QUOTE_LIST: dict[str, type] = {
    "InvoiceID": str,
    "InvoiceNo": str,
    "InvoiceNoDashHistoryNo": str,
    "OrderNo": str,
    "QOReference": str,
    "InvoiceInitDate": datetime,
    "Status": float,
    "LastSavedDateTime": datetime,
    "LocalInvoiceTotalIncTax": float,
    "DebtorID": str,
    "AccountNo": str,
    "DebtorName": str,
    "EmailAddress": str,
    "IN_LogicalID": str,
    "InvoiceHistoryID": str,
    "HistoryNo": float,
    "StaffID": str,
    "StaffUsername": str,
    "CurrencyShortName": str,
}


@dataclass(slots=True)
class Quote(SalesDocument):
    """A sales quote."""

    key_name: ClassVar[str] = "QuoteID"
    history_key: ClassVar[str] = "QuoteHistoryID"
    line_key: ClassVar[str] = "QuoteLineID"

    @classmethod
    def new(cls, number: str, debtor: Document, body: Mapping[str, Any], items: Items) -> "Quote":
        """The quote that a POST asks for."""
        history: Document = {
            "QuoteHistoryID": record_id(),
            "HistoryNo": 1,
            "Ref": "",
            "OpportunityStatus": "OnGoing",
            "RecordDate": today(),
            "ExpiryDays": EXPIRY_DAYS,
        }
        header = {
            "QuoteID": record_id(),
            "QuoteNo": number,
            "SalesQuoteType": "e_SalesQuoteNormalSalesOrder",
            "OrderType": "e_SalesQuoteOrderTypeReserveOrder",
            "Status": QUOTE_STATUS[0],
            "BillType": "e_SalesQuoteShipAndBill",
        }
        quote = cls(
            header | new_header(debtor) | taken(body, POSTED),
            [history],
            {history["QuoteHistoryID"]: []},
        )
        quote.change(body, items)
        return quote

    def history_document(self, history: Document) -> Document:
        """One history, with its lines, its total and the day until which it holds."""
        expiry = later(history["RecordDate"], history["ExpiryDays"])
        return SalesDocument.history_document(self, history) | {"ExpiryDate": expiry}

    def rows(self, debtor: Document) -> list[Document]:
        """The quote in the list view, which is spelt like that of the orders."""
        header = self.header
        return [
            {
                "InvoiceID": self.key,
                "InvoiceNo": header["QuoteNo"],
                "InvoiceNoDashHistoryNo": f"{header['QuoteNo']}-{history['HistoryNo']:02}",
                "OrderNo": header["OrderNo"],
                "QOReference": header["SOReference"],
                "InvoiceInitDate": header["InvoiceInitDate"],
                "Status": QUOTE_STATUS.index(header["Status"]),
                "LastSavedDateTime": header["LastSavedDateTime"],
                "LocalInvoiceTotalIncTax": self.total(history),
                "DebtorID": debtor["DebtorID"],
                "AccountNo": debtor["AccountNo"],
                "DebtorName": debtor["Name"],
                "EmailAddress": debtor["EmailAddress"],
                "IN_LogicalID": header["LogicalID"],
                "InvoiceHistoryID": history["QuoteHistoryID"],
                "HistoryNo": history["HistoryNo"],
                "StaffID": header["StaffID"],
                "StaffUsername": header["StaffUserName"],
                "CurrencyShortName": header["CurrencyShortName"],
            }
            for history in self.histories
        ]


class QuoteRoutes(DebtorRoutes, InventoryRoutes):
    """The calls about sales quotes."""

    def seed(self) -> None:
        """No quotes."""
        super().seed()
        self.quotes: Table[Quote] = Table("Sales quote", self._quote_saved)

    def records(self) -> dict[str, Any]:
        """Every sales quote besides, in full."""
        quotes = [self._quote_document(quote) for quote in self.quotes]
        return super().records() | {"quotes": json.loads(json.dumps(quotes))}

    @operation("POST", "/SalesQuotes")
    def create_sales_quote(self, call: Call) -> Any:
        """Create a quote, another one each time."""
        caller, body = self.caller(call), body_of(call)
        debtor = self.debtor_named_by(caller, body)
        quote = Quote.new(self.next_number(), debtor.document, body, self.items)
        return self._quote_document(self.quotes.add(caller, quote))

    @operation("GET", "/SalesQuotes/{QuoteID}")
    def get_sales_quote(self, call: Call) -> Any:
        """A quote in full."""
        return self._quote_document(self._quote(call))

    @operation("PATCH", "/SalesQuotes/{QuoteID}")
    def update_sales_quote(self, call: Call) -> Any:
        """Change a quote; lines and notes without a key are appended, at each repeat again."""
        body = body_of(call)
        self._change_quote(call, lambda quote: quote.change(body, self.items))
        return self._quote_document(self._quote(call))

    @operation("GET", "/SalesQuotes/{QuoteID}/Save")
    def save_sales_quote(self, call: Call) -> Any:
        """Save what the session has in work of a quote."""
        return self._quote_document(self.quotes.save(self.caller(call), call.path["QuoteID"]))

    @operation("DELETE", "/SalesQuotes/{QuoteID}/Abandon")
    def abandon_sales_quote(self, call: Call) -> Any:
        """Drop what the session has in work of a quote."""
        self.quotes.abandon(self.caller(call), call.path["QuoteID"])

    @operation("POST", "/SalesQuotes/{QuoteID}/Historys/{QuoteHistoryID}/Lines")
    def create_sales_quote_line(self, call: Call) -> Any:
        """Append a line."""
        body, history = body_of(call), call.path["QuoteHistoryID"]
        return self._change_quote(call, lambda quote: quote.add_line(history, body, self.items))

    @operation("GET", "/SalesQuotes/{QuoteID}/Historys/{QuoteHistoryID}/Lines/{QuoteLineID}")
    def get_sales_quote_line(self, call: Call) -> Any:
        """One line."""
        return self._quote(call).line(call.path["QuoteHistoryID"], call.path["QuoteLineID"])

    @operation("PATCH", "/SalesQuotes/{QuoteID}/Historys/{QuoteHistoryID}/Lines/{QuoteLineID}")
    def update_sales_quote_line(self, call: Call) -> Any:
        """Change a line."""
        body, history, line = body_of(call), call.path["QuoteHistoryID"], call.path["QuoteLineID"]
        return self._change_quote(call, lambda quote: quote.change_line(history, line, body))

    @operation("DELETE", "/SalesQuotes/{QuoteID}/Historys/{QuoteHistoryID}/Lines/{QuoteLineID}")
    def delete_sales_quote_line(self, call: Call) -> Any:
        """Delete a line; a second time it is not found."""
        history, line = call.path["QuoteHistoryID"], call.path["QuoteLineID"]
        self._change_quote(call, lambda quote: quote.delete_line(history, line))

    @operation("GET", "/Queries/SalesQuoteList")
    def query_sales_quotes(self, call: Call) -> Any:
        """Sales quotes."""
        quotes = self.quotes.seen_by(self.caller(call))
        rows = (row for quote in quotes for row in quote.rows(self.debtors.named(quote.debtor_id).document))
        return autoquery.answer(rows, SALES_QUOTE_LIST, call.query)

    def _quote(self, call: Call) -> Quote:
        return self.quotes.read(self.caller(call), call.path["QuoteID"])

    def _change_quote(self, call: Call, change: Callable[[Quote], Any]) -> Any:
        return self.quotes.change(self.caller(call), call.path["QuoteID"], change)

    def _quote_document(self, quote: Quote) -> Document:
        return quote.document(self.debtors.named(quote.debtor_id).document)

    def _quote_saved(self, _quote: Quote, _new: bool) -> None:
        """Nobody is told: there is no event for quotes."""
