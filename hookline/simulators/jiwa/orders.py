"""Jiwa's sales order: its sums, its payments, its invoices, and its rows in lists and in the ledger."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from hookline.simulators.control import folded
from hookline.simulators.jiwa import autoquery
from hookline.simulators.jiwa.documents import (
    LINE,
    PATCHED,
    SalesDocument,
    charge,
)
from hookline.simulators.jiwa.inventory import Items
from hookline.simulators.jiwa.values import (
    NEVER,
    STAFF,
    later,
    missing,
    money,
    now,
    objects,
    read_fields,
    record_id,
    rule_violation,
    today,
)
from hookline.simulators.records import Document, names

ORDER_STATUS = tuple(
    f"e_SalesOrder{each}" for each in ("Entered", "Processed", "Closed", "UnprocessedPrinted")
)
HISTORY_STATUS = tuple(
    f"e_SalesOrderHistoryStatus{each}"
    for each in names("Entering Entered ReadyForPicking Picking Picked Delivery Delivered Invoicing Invoiced")
)
ENTERED, PROCESSED = ORDER_STATUS[:2]
INVOICED = HISTORY_STATUS[-1]

PAYMENT_TYPES = (
    {"PaymentTypeID": "f5a1d07c3e924b6d8a41", "Name": "EFT", "Code": "EFT", "IsDefault": True},
    {"PaymentTypeID": "2c8e6b90d14f47a3b5c2", "Name": "Credit card", "Code": "CC", "IsDefault": False},
)
ACCEPTED = ("Authorised", "NoAuthorisationNeeded")
"""Authorisation states of payments that count as paid."""

PAYMENT = names("""
    AmountPaid PaymentDate PaymentRef AuthorisationNumber AuthorisationStatus ProcessPayment BankName AccountName
""")

SALES_ORDER_LIST = autoquery.columns(
    text="""
        InvoiceID InvoiceNo InvoiceNoDashHistoryNo OrderNo SOReference DebtorID AccountNo DebtorName EmailAddress
        IN_LogicalID StaffID StaffUsername CurrencyShortName InvoiceHistoryID
    """,
    number="Status LocalInvoiceTotalIncTax TotalAllocated HistoryNo HistoryStatus",
    flag="CreditNote Delivered",
    date="InvoiceInitDate LastSavedDateTime DueDate",
)


@dataclass(slots=True)
class Order(SalesDocument):
    """A sales order."""

    payments: list[Document] = field(default_factory=list)
    receipts: list[Document] = field(default_factory=list)
    """Cash allocated to its histories in the debtor ledger."""

    key_name: ClassVar[str] = "InvoiceID"
    number_name: ClassVar[str] = "InvoiceNo"
    history_key: ClassVar[str] = "InvoiceHistoryID"
    line_key: ClassVar[str] = "InvoiceLineID"
    event: ClassVar[str] = "salesorder"
    patched: ClassVar[tuple[str, ...]] = (*PATCHED, "CreditNote", "CreditNoteFromInvoiceHistoryID")
    line_fields: ClassVar[tuple[str, ...]] = (*LINE, "QuantityThisDel")

    @classmethod
    def new_header(cls, number: str) -> Document:
        """Return the part of a header that only an order has."""
        return {
            "InvoiceID": record_id(),
            "InvoiceNo": number,
            "SalesOrderType": "e_SalesOrderNormalSalesOrder",
            "OrderType": "e_SalesOrderOrderTypeReserveOrder",
            "Status": ENTERED,
            "BillType": "e_SalesOrderShipAndBill",
            "CreditNote": False,
            "CreditNoteFromInvoiceHistoryID": "",
            "Delivered": False,
            "DeliveredDate": NEVER,
        }

    @staticmethod
    def new_history(serial: int) -> Document:
        """Return a delivery without lines."""
        return {
            "InvoiceHistoryID": record_id(),
            "HistoryNo": serial,
            "Status": HISTORY_STATUS[1],
            "Ref": "",
            "Delivered": False,
            "DateCreated": today(),
            **dict.fromkeys(("DeliveredDate", "DateProcessed", "DatePosted"), NEVER),
            "CustomFieldValues": [],
        }

    # `super()` finds no class in one with slots, so the parent is named.

    def document(self, debtor: Document) -> Document:
        """Return the full SalesOrder."""
        return SalesDocument.document(self, debtor) | {"Payments": self.payments}

    def history_document(self, history: Document) -> Document:
        """Return one history, with its lines, its total and the payments made with the order."""
        return SalesDocument.history_document(self, history) | {"AmountPaid": self.paid(history)}

    def paid(self, history: Document) -> float:
        """Return the sum paid with the order, and not refused."""
        return money(payment["AmountPaid"] for payment in self._accepted(history))

    def allocated(self, history: Document) -> float:
        """Return the sum allocated to a history in the debtor ledger."""
        return money(each["Amount"] for each in _of(history, self.receipts))

    def _accepted(self, history: Document) -> Iterator[Document]:
        return (each for each in _of(history, self.payments) if each["AuthorisationStatus"] in ACCEPTED)

    def all_payments(self) -> list[Document]:
        """Return its payments."""
        return self.payments

    # Changes

    def change(self, body: Mapping[str, Any], items: Items) -> None:
        """Set the fields of a POST or a PATCH, its lists and its payments."""
        SalesDocument.change(self, body, items)
        for payment in objects(body, "Payments"):
            if not folded(payment).get("paymentid"):
                self.add_payment(self.current_key, payment)

    def check_open(self, history: Document) -> None:
        """Refuse to change the lines of a history that was invoiced."""
        if history["Status"] == INVOICED:
            raise rule_violation("The sales order has been processed.")

    def check_deletable(self) -> None:
        """Refuse to delete an order of which anything was invoiced or paid."""  # fact: order-deletion
        self.check_open(self.histories[0])
        if self.payments:
            raise rule_violation("The sales order has payments.")

    def price(self, line: Document, changes: Document) -> None:
        """Work out a line: everything ordered is delivered unless QuantityThisDel differs, now or before."""
        ordered: float = line["QuantityOrdered"]
        source = changes if "QuantityOrdered" in changes else line
        this: float = source.get("QuantityThisDel", ordered)
        line |= {"QuantityThisDel": this, "QuantityBackOrd": ordered - this}
        charge(line, this)

    def write_line(self, line: Document, body: Mapping[str, Any]) -> Document:
        """Write a line, with the pieces of the stock that the request names for it."""
        SalesDocument.write_line(self, line, body)
        if details := objects(body, "LineDetails"):
            line["LineDetails"] = [
                {"LineDetailID": record_id()} | read_fields(each, ("SerialNo", "Quantity"))
                for each in details
            ]
        return line

    def add_payment(self, history: str, body: Mapping[str, Any]) -> Document:
        """Add a payment, another one each time. Card numbers are not even stored."""
        of = self.history(history)
        payment = {
            "PaymentID": record_id(),
            "PaymentType": _payment_type(body),
            "AmountPaid": 0,
            "PaymentDate": today(),
            "PaymentRef": "",
            "AuthorisationStatus": "NoAuthorisationNeeded",
            "ProcessPayment": False,
            "Processed": False,
            "HistoryNo": of["HistoryNo"],
        } | read_fields(body, PAYMENT)
        self.payments.append(payment)
        return payment

    def process(self) -> None:
        """Invoice the current history; what is on back order goes into the next one."""
        history, lines = self.current, self.lines[self.current_key]
        self.check_open(history)
        if not lines:
            raise rule_violation("A sales order without lines cannot be processed.")
        history |= {
            "Status": INVOICED,
            "DBTransID": record_id(),
            "DateProcessed": now(),
            "DatePosted": now(),
            "ProcessedBy": {"StaffID": STAFF["StaffID"], "Username": STAFF["StaffUserName"]},
            "Delivered": True,
            "DeliveredDate": today(),
        }
        waiting = [line for line in lines if line.get("QuantityBackOrd")]
        if waiting:
            self._open_history(waiting)
        else:
            self.header |= {"Status": PROCESSED, "Delivered": True, "DeliveredDate": today()}

    def _open_history(self, waiting: list[Document]) -> None:
        history = self.new_history(len(self.histories) + 1)
        rest = [
            line
            | {"InvoiceLineID": record_id(), "ItemNo": number, "QuantityOrdered": line["QuantityBackOrd"]}
            for number, line in enumerate(waiting, start=1)
        ]
        for line in rest:
            self.price(line, {"QuantityOrdered": line["QuantityOrdered"]})
        self.histories.append(history)
        self.lines[history["InvoiceHistoryID"]] = rest

    def allocate(self, amount: float | None) -> None:
        """Allocate cash to the oldest histories first; without an amount, all that is outstanding."""
        for history in self.histories:
            outstanding = money((self.total(history), -self.allocated(history)))
            part = outstanding if amount is None else min(amount, outstanding)
            if part > 0:
                self.receipts.append(_receipt(history, part))
                amount = amount if amount is None else amount - part

    # Lists

    def row(self, history: Document, debtor: Document) -> Document:
        """Return the columns of a history that only the list of orders has; Status is a number."""
        header = self.header
        return {
            "SOReference": header["SOReference"],
            "Status": ORDER_STATUS.index(header["Status"]),
            "CreditNote": header["CreditNote"],
            "DueDate": later(header["InvoiceInitDate"], debtor["TermsDays"]),
            "TotalAllocated": self.allocated(history),
            "HistoryStatus": HISTORY_STATUS.index(history["Status"]),
            "Delivered": history["Delivered"],
        }

    def transactions(self, debtor: Document) -> Iterator[Document]:
        """Yield the order's rows in the debtor ledger: an invoice for each history invoiced, and receipts."""
        for history in self.histories:
            if history["Status"] == INVOICED:
                yield self._invoice(debtor, history)
            for each in self._accepted(history):
                paid = each["PaymentID"], each["PaymentDate"], each["AmountPaid"], each["PaymentRef"]
                yield self._cash(debtor, *paid)
            for each in _of(history, self.receipts):
                yield self._cash(debtor, each["TransID"], each["TranDate"], each["Amount"], "")

    def _invoice(self, debtor: Document, history: Document) -> Document:
        total = self.total(history)
        cleared = min(total, money((self.paid(history), self.allocated(history))))
        lines = self.lines[history["InvoiceHistoryID"]]
        what = "Credit note" if self.header["CreditNote"] else "Invoice"
        return _transaction(
            debtor,
            {
                "TransID": history["DBTransID"],
                "TranDate": history["DateProcessed"],
                "DueDate": later(history["DateProcessed"], debtor["TermsDays"]),
                "InvRemitNo": self.header["InvoiceNo"],
                "Amount": total,
                "AllocatedAmount": cleared,
                "GSTAmount": money(line.get("TaxToCharge", 0) for line in lines),
                "Description": f"{what} {self.header['InvoiceNo']}",
                "SourceID": history["InvoiceHistoryID"],
                "Ref": self.header["OrderNo"],
                "Remark": self.header["SOReference"],
            },
            credit=self.header["CreditNote"],
        )

    def _cash(self, debtor: Document, key: str, day: str, amount: float, ref: str) -> Document:
        return _transaction(
            debtor,
            {
                "TransID": key,
                "TranDate": day,
                "DueDate": day,
                "InvRemitNo": self.header["InvoiceNo"],
                "Amount": amount,
                "AllocatedAmount": amount,
                "GSTAmount": 0,
                "Description": "Payment",
                "SourceID": self.key,
                "Ref": ref,
                "Remark": "",
            },
            credit=not self.header["CreditNote"],
        )


def _of(history: Document, rows: Iterable[Document]) -> Iterator[Document]:
    """Return the payments or receipts that belong to a history."""
    return (row for row in rows if row["HistoryNo"] == history["HistoryNo"])


def _receipt(history: Document, amount: float) -> Document:
    return {
        "TransID": record_id(),
        "TranDate": today(),
        "Amount": amount,
        "HistoryNo": history["HistoryNo"],
    }


def _transaction(debtor: Document, fields: Document, *, credit: bool) -> Document:
    """Return a row of the debtor ledger."""  # fact: ledger-sides
    amount = fields["Amount"]
    return fields | {
        "DebtorID": debtor["DebtorID"],
        "AccountNo": debtor["AccountNo"],
        "Name": debtor["Name"],
        "DebitCredit": credit,
        "OutstandingAmount": money((amount, -fields["AllocatedAmount"])),
        "DebitAmountIncTax": 0 if credit else amount,
        "CreditAmountIncTax": amount if credit else 0,
        "Note": "",
        "AgedOut": False,
        "CurrencyShortName": "AUD",
    }


def _payment_type(body: Mapping[str, Any]) -> Document:
    raw = folded(body).get("paymenttype") or {}
    key = read_fields(raw, ("PaymentTypeID",)).get("PaymentTypeID") if isinstance(raw, dict) else str(raw)
    for each in PAYMENT_TYPES:
        if each["PaymentTypeID"] == key or (not key and each["IsDefault"]):
            return dict(each)
    raise missing(f"Payment type {key}")
