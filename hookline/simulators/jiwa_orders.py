"""
What Jiwa keeps, in the shape of its documents: sales orders, debtors and inventory items.

An order is drafted, changed and only then put in its place, so a change that fails half way leaves no trace.
"""

import json
import math
import secrets
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from hookline.simulators.control import RefusedError, folded
from hookline.simulators.jiwa_webhooks import row_hash, timestamp

Document = dict[str, Any]

TAX_RATE = 10.0
STAFF = {
    "StaffID": "9d3b0c4a7e514f2f8b10",
    "StaffUserName": "api",
    "StaffTitle": "",
    "StaffFirstName": "Integration",
    "StaffSurname": "User",
}
LOGICAL_ID = "b1c59f0e27d84a6c9e03"

ORDER_STATUS = (
    "e_SalesOrderEntered",
    "e_SalesOrderProcessed",
    "e_SalesOrderClosed",
    "e_SalesOrderUnprocessedPrinted",
)
HISTORY_STATUS = tuple(
    "e_SalesOrderHistoryStatus" + name
    for name in (
        "Entering",
        "Entered",
        "ReadyForPicking",
        "Picking",
        "Picked",
        "Delivery",
        "Delivered",
        "Invoicing",
        "Invoiced",
    )
)
ENTERED, PROCESSED = ORDER_STATUS[:2]
INVOICED = HISTORY_STATUS[-1]

PAYMENT_TYPES = (
    {"PaymentTypeID": "f5a1d07c3e924b6d8a41", "Name": "EFT", "Code": "EFT", "IsDefault": True},
    {"PaymentTypeID": "2c8e6b90d14f47a3b5c2", "Name": "Credit card", "Code": "CC", "IsDefault": False},
)
NOTE_TYPE = {"NoteTypeID": "7be24d108c5f49a1a6d3", "Description": "General", "DefaultType": True, "ItemNo": 1}
CUSTOM_FIELDS = (
    {"SettingID": "4f6a9c1e80b24d7f9a15", "SettingName": "LicenseCodes", "PluginName": "Licensing"},
    {"SettingID": "a83d5e7b296c4f10bd26", "SettingName": "LicenseStatus", "PluginName": "Licensing"},
)
COUNTED = ("Authorised", "NoAuthorisationNeeded")
"""Authorisation states of payments that count as paid."""

DELIVERY = (
    "DeliveryAddressee",
    "DeliveryAddress1",
    "DeliveryAddress2",
    "DeliveryAddressSuburb",
    "DeliveryAddressState",
    "DeliveryAddressPostcode",
    "DeliveryAddressCountry",
    "DeliveryAddressContactName",
    "DeliveryAddressPhone",
    "DeliveryAddressEmailAddress",
    "DeliveryAddressNotes",
    "DeliveryAddressCourierDetails",
)
# What a request may set. Whatever else it holds is dropped without a word, as at the vendor.
ORDER_PATCH = (
    "OrderNo",
    "SOReference",
    "InvoiceInitDate",
    "InitiatedDate",
    "ExpectedDeliveryDate",
    "OrderType",
    "BillType",
    "CreditNote",
    "DebtorContactName",
    "DropShipment",
    "JobCosting",
    *DELIVERY,
)
ORDER_POST = (*ORDER_PATCH, "LogicalID", "LogicalWarehouseDescription", "PhysicalWarehouseDescription")
LINE = (
    "QuantityOrdered",
    "QuantityThisDel",
    "DiscountedPrice",
    "Description",
    "CommentLine",
    "CommentText",
    "FixSellPrice",
    "Aux2",
    "LineLinkID",
    "ForwardOrderDate",
    "ScheduledDate",
    "LineDetails",
    "CustomFieldValues",
)
PAYMENT = (
    "AmountPaid",
    "PaymentDate",
    "PaymentRef",
    "AuthorisationNumber",
    "AuthorisationStatus",
    "ProcessPayment",
    "BankName",
    "AccountName",
)
DEBTOR = (
    "Name",
    "AltAccountNo",
    "CompanyName",
    "TradingName",
    "Address1",
    "Address2",
    "Address3",
    "Address4",
    "Postcode",
    "Country",
    "Phone",
    "EmailAddress",
    "ABN",
    "ACN",
    "CreditLimit",
    "AccountOnHold",
    "IsCashOnly",
    "TermsDays",
    "TermsType",
)
NUMBERS = frozenset(("QuantityOrdered", "QuantityThisDel", "DiscountedPrice", "AmountPaid", "CreditLimit"))


def record_id() -> str:
    """A record's key: 20 characters, drawn at random."""
    return secrets.token_hex(10)


def taken(body: Mapping[str, Any], names: Iterable[str]) -> Document:
    """The fields of a request that the vendor reads, spelt its way; a null counts as left out."""
    given = folded(body)
    return {name: _read(name, given[name.lower()]) for name in names if given.get(name.lower()) is not None}


def _read(name: str, value: Any) -> Any:
    if name in NUMBERS:
        return number(name, value)
    return date(name, value) if name.endswith("Date") else value


def number(name: str, value: Any) -> float:
    """A decimal; one in a string counts too."""
    if isinstance(value, bool):
        raise unreadable(name, value)
    try:
        read = float(value)
    except (TypeError, ValueError):
        raise unreadable(name, value) from None
    if not math.isfinite(read):
        raise unreadable(name, value)
    return int(read) if read.is_integer() else read


def date(name: str, value: Any) -> str:
    """A DateTime as the vendor writes it: seven decimals and no zone."""
    try:
        moment = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        raise unreadable(name, value) from None
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%f") + "0"


def today() -> str:
    """The start of this day."""
    return datetime.now(UTC).strftime("%Y-%m-%dT00:00:00.0000000")


def unreadable(name: str, value: Any) -> RefusedError:
    """The error for a value of the wrong kind."""
    return RefusedError(400, f"{name}: cannot read {value!r}.", "SerializationException")


def missing(what: str) -> RefusedError:
    """The error for something that is not there."""
    return RefusedError(404, f"{what} was not found.", "RecordNotFoundException")


def objects(body: Mapping[str, Any], name: str) -> list[Document]:
    """A list of objects in a request."""
    values = folded(body).get(name.lower()) or []
    if not isinstance(values, list) or not all(isinstance(value, dict) for value in values):
        raise unreadable(name, values)
    return values


@dataclass(slots=True)
class Items:
    """The inventory, by key and by part number."""

    by_id: dict[str, Document]
    by_part: dict[str, Document] = field(init=False)

    def __post_init__(self) -> None:
        self.by_part = {item["PartNo"].lower(): item for item in self.by_id.values()}

    def named_by(self, line: Mapping[str, Any]) -> Document:
        """The item that a line asks for."""
        given = folded(line)
        key, part = given.get("inventoryid"), given.get("partno")
        item = self.by_id.get(str(key)) if key else self.by_part.get(str(part).lower())
        if item is None:
            raise missing(f"Inventory item {key or part}")
        return item


@dataclass(slots=True)
class Order:
    """A sales order; all of it is JSON, each list in its own field."""

    header: Document
    histories: list[Document]
    lines: dict[str, list[Document]]
    """The lines of each history, by its key."""
    notes: list[Document] = field(default_factory=list)
    payments: list[Document] = field(default_factory=list)
    custom: dict[str, str] = field(default_factory=dict)
    allocated: dict[str, float] = field(default_factory=dict)
    """Cash allocated to each history in the debtor ledger."""

    @classmethod
    def new(cls, number: str, debtor: Document) -> "Order":
        """An order without lines."""
        history = _new_history(1)
        header = {
            "InvoiceID": record_id(),
            "InvoiceNo": number,
            "OrderType": "e_SalesOrderOrderTypeReserveOrder",
            "Status": ENTERED,
            "BillType": "e_SalesOrderShipAndBill",
            "CreditNote": False,
            "InitiatedDate": today(),
            "InvoiceInitDate": today(),
            "Delivered": False,
            "OrderNo": "",
            "SOReference": "",
            "DebtorID": debtor["DebtorID"],
            "DebtorAccountNo": debtor["AccountNo"],
            "LogicalID": LOGICAL_ID,
            "LogicalWarehouseDescription": "Main",
            "PhysicalWarehouseDescription": "Warehouse",
            **STAFF,
            "CurrencyShortName": "AUD",
            "CurrencyRate": 1,
        }
        return cls(header, [history], {history["InvoiceHistoryID"]: []})

    def draft(self) -> "Order":
        """A copy to change."""
        parts = (
            self.header,
            self.histories,
            self.lines,
            self.notes,
            self.payments,
            self.custom,
            self.allocated,
        )
        return Order(*json.loads(json.dumps(parts)))

    @property
    def key(self) -> str:
        """The InvoiceID."""
        return str(self.header["InvoiceID"])

    @property
    def current(self) -> Document:
        """The history that is being worked on."""
        return self.histories[-1]

    @property
    def current_lines(self) -> list[Document]:
        """The lines of that history."""
        return self.lines[self.current["InvoiceHistoryID"]]

    def document(self, debtor: Document) -> Document:
        """The full SalesOrder, as every answer and every webhook carries it."""
        return self.header | {
            "DebtorName": debtor["Name"],
            "DebtorEmailAddress": debtor["EmailAddress"],
            "Lines": self.current_lines,
            "Notes": self.notes,
            "Payments": self.payments,
            "Histories": self.histories,
            "CustomFieldValues": self.custom_values(),
            "Documents": [],
        }

    def custom_values(self) -> list[Document]:
        """A value for each custom field, empty where none was set."""
        return [each | {"Contents": self.custom.get(each["SettingID"], "")} for each in CUSTOM_FIELDS]

    def history(self, key: str) -> Document:
        """One of its histories."""
        return _found(self.histories, "InvoiceHistoryID", key)

    def note(self, key: str) -> Document:
        """One of its notes."""
        return _found(self.notes, "NoteID", key)

    # Changes; each ends with `settle`

    def change(self, body: Mapping[str, Any], items: Items, *, fields: tuple[str, ...]) -> None:
        """Take over a POST's or a PATCH's fields and whatever lists come with them."""
        self.header |= taken(body, fields)
        for line in objects(body, "Lines"):
            key = folded(line).get("invoicelineid")
            if key:
                self.change_line(str(key), line)
            else:
                self.add_line(self.current["InvoiceHistoryID"], line, items)
        for note in objects(body, "Notes"):
            key = folded(note).get("noteid")
            if key:
                self.change_note(str(key), note)
            else:
                self.add_note(note)
        for payment in objects(body, "Payments"):
            if not folded(payment).get("paymentid"):
                self.add_payment(self.current["InvoiceHistoryID"], payment)
        for value in objects(body, "CustomFieldValues"):
            self.set_custom(str(folded(value).get("settingid")), value)

    def add_line(self, history: str, body: Mapping[str, Any], items: Items) -> Document:
        """Append a line; its price is the item's unless DiscountedPrice says otherwise."""
        self._check_open(self.history(history))
        lines = self.lines[history]
        line = {"InvoiceLineID": record_id(), "ItemNo": len(lines) + 1}
        if folded(body).get("commentline"):
            line |= {"CommentLine": True, "CommentText": "", "QuantityOrdered": 0, "LineTotal": 0}
            line |= taken(body, ("CommentText",))
        else:
            line |= _from_item(items.named_by(body)) | taken(body, LINE)
            _price(line, delivered="QuantityThisDel" in taken(body, LINE))
        lines.append(line)
        return line

    def change_line(self, key: str, body: Mapping[str, Any]) -> Document:
        """Change a line of the current history."""
        self._check_open(self.current)
        line = _found(self.current_lines, "InvoiceLineID", key)
        changes = taken(body, LINE)
        line |= changes
        if not line["CommentLine"]:
            _price(line, delivered="QuantityThisDel" in changes)
        return line

    def add_note(self, body: Mapping[str, Any]) -> Document:
        """Add a note, another one each time."""
        note = {
            "NoteID": str(uuid.uuid4()),
            "NoteType": NOTE_TYPE,
            "LineNo": len(self.notes) + 1,
            "NoteText": "",
        }
        self.notes.append(note)
        return self._write_note(note, body)

    def change_note(self, key: str, body: Mapping[str, Any]) -> Document:
        """Change a note."""
        return self._write_note(self.note(key), body)

    def _write_note(self, note: Document, body: Mapping[str, Any]) -> Document:
        note |= taken(body, ("NoteText",))
        note |= {
            "LastSavedDateTime": timestamp(),
            "LastModifiedByStaffUserName": STAFF["StaffUserName"],
            "RowHash": row_hash(),
        }
        return note

    def delete_note(self, key: str) -> None:
        """Delete a note."""
        self.notes.remove(self.note(key))

    def add_payment(self, history: str, body: Mapping[str, Any]) -> Document:
        """Add a payment, another one each time. Card numbers are not even kept."""
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
        } | taken(body, PAYMENT)
        self.payments.append(payment)
        return payment

    def set_custom(self, setting: str, body: Mapping[str, Any]) -> Document:
        """Set a custom field; contents are a string whatever the field holds."""
        if setting not in {each["SettingID"] for each in CUSTOM_FIELDS}:
            raise missing(f"Custom field {setting}")
        self.custom[setting] = str(taken(body, ("Contents",)).get("Contents", ""))
        return next(each for each in self.custom_values() if each["SettingID"] == setting)

    def process(self) -> None:
        """Invoice the current history; what is on back order goes into the next one."""
        self._check_open(self.current)
        if not self.current_lines:
            raise RefusedError(409, "A sales order without lines cannot be processed.", "JiwaException")
        history = self.current
        history |= {
            "Status": INVOICED,
            "DateProcessed": date("DateProcessed", timestamp()[:-6]),
            "ProcessedBy": STAFF["StaffUserName"],
            "Delivered": True,
        }
        waiting = [line for line in self.current_lines if line.get("QuantityBackOrd")]
        if waiting:
            self._open_history(waiting)
        else:
            self.header |= {"Status": PROCESSED, "Delivered": True, "DeliveredDate": today()}

    def _open_history(self, waiting: list[Document]) -> None:
        history = _new_history(len(self.histories) + 1)
        lines = []
        for line in waiting:
            rest = line | {"InvoiceLineID": record_id(), "QuantityOrdered": line["QuantityBackOrd"]}
            _price(rest, delivered=False)
            lines.append(rest)
        self.histories.append(history)
        self.lines[history["InvoiceHistoryID"]] = lines

    def _check_open(self, history: Document) -> None:
        if history["Status"] == INVOICED:
            raise RefusedError(409, "The sales order has been processed.", "JiwaException")

    def settle(self) -> None:
        """Work out the totals and put down the time: the end of every change."""
        for history in self.histories:
            lines = self.lines[history["InvoiceHistoryID"]]
            history["HistoryTotal"] = money(line["LineTotal"] for line in lines)
            history["AmountPaid"] = money(
                payment["AmountPaid"]
                for payment in self.payments
                if payment["HistoryNo"] == history["HistoryNo"] and payment["AuthorisationStatus"] in COUNTED
            )
            history["DateLastSaved"] = timestamp()[:-6]
        self.header["LastSavedDateTime"] = timestamp()

    def allocate(self, amount: float | None) -> None:
        """Allocate cash to the oldest histories first; without an amount, all that is outstanding."""
        for history in self.histories:
            key, total = history["InvoiceHistoryID"], history["HistoryTotal"]
            outstanding = max(0.0, total - self.allocated.get(key, 0))
            part = outstanding if amount is None else min(amount, outstanding)
            self.allocated[key] = money((self.allocated.get(key, 0), part))
            amount = amount if amount is None else amount - part

    def rows(self, debtor: Document) -> list[Document]:
        """The order in the list view: a row for each history, Status a number."""
        header = self.header
        shared = {
            "InvoiceID": self.key,
            "InvoiceNo": header["InvoiceNo"],
            "OrderNo": header["OrderNo"],
            "SOReference": header["SOReference"],
            "InvoiceInitDate": header["InvoiceInitDate"],
            "Status": ORDER_STATUS.index(header["Status"]),
            "CreditNote": header["CreditNote"],
            "LastSavedDateTime": header["LastSavedDateTime"],
            "DueDate": _due(header["InvoiceInitDate"], debtor["TermsDays"]),
            "DebtorID": debtor["DebtorID"],
            "AccountNo": debtor["AccountNo"],
            "DebtorName": debtor["Name"],
            "EmailAddress": debtor["EmailAddress"],
            "IN_LogicalID": header["LogicalID"],
            "StaffID": header["StaffID"],
            "StaffUserName": header["StaffUserName"],
            "CurrencyShortName": header["CurrencyShortName"],
        }
        return [
            shared
            | {
                "InvoiceNoDashHistoryNo": f"{header['InvoiceNo']}-{history['HistoryNo']:02}",
                "LocalInvoiceTotalIncTax": history["HistoryTotal"],
                "TotalAllocated": self.allocated.get(history["InvoiceHistoryID"], 0),
                "InvoiceHistoryID": history["InvoiceHistoryID"],
                "HistoryNo": history["HistoryNo"],
                "HistoryStatus": HISTORY_STATUS.index(history["Status"]),
                "Delivered": history["Delivered"],
            }
            for history in self.histories
        ]


SALES_ORDER_LIST: dict[str, type] = {
    "InvoiceID": str,
    "InvoiceNo": str,
    "InvoiceNoDashHistoryNo": str,
    "OrderNo": str,
    "SOReference": str,
    "InvoiceInitDate": datetime,
    "Status": float,
    "CreditNote": bool,
    "LastSavedDateTime": datetime,
    "LocalInvoiceTotalIncTax": float,
    "TotalAllocated": float,
    "DueDate": datetime,
    "DebtorID": str,
    "AccountNo": str,
    "DebtorName": str,
    "EmailAddress": str,
    "IN_LogicalID": str,
    "StaffID": str,
    "StaffUserName": str,
    "CurrencyShortName": str,
    "InvoiceHistoryID": str,
    "HistoryNo": float,
    "HistoryStatus": float,
    "Delivered": bool,
}
DEBTOR_LIST: dict[str, type] = {
    "DebtorID": str,
    "AccountNo": str,
    "Name": str,
    "EmailAddress": str,
    "Phone": str,
    "CurrentBalance": float,
    "AccountOnHold": bool,
    "LastSavedDateTime": datetime,
}
INVENTORY_ITEM_LIST: dict[str, type] = {
    "InventoryID": str,
    "PartNo": str,
    "Description": str,
    "SellPrice": float,
    "InStock": float,
    "AvailableStock": float,
    "Picture": str,
    "LastSavedDateTime": datetime,
}


def item_row(item: Document) -> Document:
    """An item in the list view, with the picture that makes the rows heavy."""
    stock = item["WarehouseSOHs"][0]["QuantityOnHand"]
    return {
        "InventoryID": item["InventoryID"],
        "PartNo": item["PartNo"],
        "Description": item["Description"],
        "SellPrice": item["DefaultPrice"],
        "InStock": stock,
        "AvailableStock": stock,
        "Picture": "AA==",
        "LastSavedDateTime": item["LastSavedDateTime"],
    }


def new_debtor(account: str, fields: Document) -> Document:
    """A debtor with what a request gives it; the rest is empty."""
    return {
        "DebtorID": record_id(),
        "AccountNo": account,
        "Name": "",
        "EmailAddress": "",
        "Phone": "",
        "Country": "Australia",
        "CreditLimit": 0,
        "AccountOnHold": False,
        "IsCashOnly": False,
        "TermsDays": 30,
        "TermsType": "Invoice",
        "CurrentBalance": 0,
        "ContactNames": [],
        "Notes": [],
        "CustomFieldValues": [],
        "LastSavedDateTime": timestamp(),
    } | fields


def money(amounts: Iterable[float]) -> float:
    """A sum in whole cents."""
    total = round(sum(amounts), 2)
    return int(total) if total == int(total) else total


def _new_history(serial: int) -> Document:
    return {
        "InvoiceHistoryID": record_id(),
        "HistoryNo": serial,
        "Status": HISTORY_STATUS[1],
        "HistoryTotal": 0,
        "AmountPaid": 0,
        "Delivered": False,
        "DateCreated": today(),
    }


def _from_item(item: Document) -> Document:
    price = item["DefaultPrice"]
    return {
        "InventoryID": item["InventoryID"],
        "PartNo": item["PartNo"],
        "Description": item["Description"],
        "CommentLine": False,
        "QuantityOrdered": 1,
        "PriceExGst": price,
        "PriceIncGst": money([price * (1 + TAX_RATE / 100)]),
        "DiscountedPrice": price,
        "TaxRate": {"RecID": "c0a5b7e1935d4a2c8f37", "TaxID": "GST", "Rate": TAX_RATE},
        "UnitCost": item["UnitCost"],
        "UnitOfMeasure": "EACH",
        "Aux2": "",
        "LineDetails": [],
        "CustomFieldValues": [],
    }


def _price(line: Document, *, delivered: bool) -> None:
    """Work out a line: everything ordered is delivered unless told otherwise; LineTotal holds the tax."""
    ordered = line["QuantityOrdered"]
    this = line["QuantityThisDel"] if delivered else ordered
    net = this * line["DiscountedPrice"]
    tax = money([net * TAX_RATE / 100])
    full = line["PriceExGst"]
    line |= {
        "QuantityThisDel": this,
        "QuantityBackOrd": ordered - this,
        "DiscountedPercentage": money([100 * (1 - line["DiscountedPrice"] / full)]) if full else 0,
        "TaxToCharge": tax,
        "LineTotal": money((net, tax)),
    }


def _payment_type(body: Mapping[str, Any]) -> Document:
    wanted = folded(folded(body).get("paymenttype") or {}).get("paymenttypeid")
    for each in PAYMENT_TYPES:
        if each["PaymentTypeID"] == wanted or (not wanted and each["IsDefault"]):
            return dict(each)
    raise missing(f"Payment type {wanted}")


def _found(rows: list[Document], name: str, key: str) -> Document:
    for row in rows:
        if row[name] == key:
            return row
    raise missing(f"{name} {key}")


def _due(start: str, days: int) -> str:
    return date("DueDate", (datetime.fromisoformat(start) + timedelta(days=days)).isoformat())


# Seed data: a firm that sells paper, toner and its own software


def seed_debtors() -> dict[str, Document]:
    """Six customers by key; account 1005 has no e-mail address."""
    rows = (
        ("1001", "Baxter & Lowe Architects", "accounts@baxterlowe.example", "02 5550 1101"),
        ("1002", "Marlin Bay Dental", "practice@marlinbaydental.example", "07 5550 1102"),
        ("1003", "Okafor Freight Pty Ltd", "it@okaforfreight.example", "03 5550 1103"),
        ("1004", "Sable Street Primary School", "office@sablestreetps.example", "08 5550 1104"),
        ("1005", "Thornbury Hardware", "", "03 5550 1105"),
        ("1006", "Wirra Creek Winery", "cellar@wirracreek.example", "08 5550 1106"),
    )
    debtors = (
        new_debtor(account, {"Name": name, "EmailAddress": email, "Phone": phone})
        for account, name, email, phone in rows
    )
    return {debtor["DebtorID"]: debtor for debtor in debtors}


def seed_items() -> Items:
    """The goods on sale: two kinds of license among ordinary ones."""
    rows = (
        ("LIC-PRO", "Draftline Pro, perpetual license", 349.0, 0.0, 0),
        ("LIC-TEAM", "Draftline Team, subscription for a year, per seat", 120.0, 0.0, 0),
        ("SUP-STD", "Draftline support, standard, one year", 95.0, 0.0, 0),
        ("PAP-A4-80", "Printer paper A4 80 gsm, box of 5 reams", 18.5, 11.2, 240),
        ("PAP-A3-80", "Printer paper A3 80 gsm, ream", 14.95, 9.1, 85),
        ("TON-BK-12", "Toner black, 12,000 pages", 129.0, 88.0, 36),
        ("CAB-USBC-2", "USB-C cable, 2 m", 16.4, 6.75, 120),
        ("LBL-62", "Label roll 62 mm", 22.8, 13.3, 64),
    )
    items: dict[str, Document] = {}
    for part, description, price, cost, stock in rows:
        key = record_id()
        items[key] = {
            "InventoryID": key,
            "PartNo": part,
            "Description": description,
            "Status": "e_InventoryStatusActive",
            "DefaultPrice": price,
            "SellPriceIncTax": money([price * (1 + TAX_RATE / 100)]),
            "UnitCost": cost,
            "UseSerialNo": False,
            "WarehouseSOHs": [{"IN_LogicalID": LOGICAL_ID, "QuantityOnHand": stock}],
            "CustomFieldValues": [],
            "Notes": [],
            "LastSavedDateTime": timestamp(),
        }
    return Items(items)
