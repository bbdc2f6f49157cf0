"""The documents that Jiwa's sales orders and quotes are: a header, histories, lines, notes, custom fields."""

import json
import uuid
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, Self

from hookline.simulators.control import folded
from hookline.simulators.jiwa.inventory import Items
from hookline.simulators.jiwa.values import (
    LOGICAL_ID,
    NEVER,
    STAFF,
    TAX_RATE,
    blank,
    conflict,
    contents,
    fill,
    found,
    missing,
    money,
    now,
    objects,
    read_fields,
    record_id,
    row_hash,
    timestamp,
    today,
)
from hookline.simulators.records import Document, names

NOTE_TYPES = (
    {"NoteTypeID": "7be24d108c5f49a1a6d3", "Description": "General", "DefaultType": True, "ItemNo": 1},
    {"NoteTypeID": "d04c92a76e1b4f83b5e8", "Description": "Delivery", "DefaultType": False, "ItemNo": 2},
)
HEADER_FIELDS = (
    {"SettingID": "4f6a9c1e80b24d7f9a15", "SettingName": "LicenseCodes", "PluginName": "Licensing"},
    {"SettingID": "a83d5e7b296c4f10bd26", "SettingName": "LicenseStatus", "PluginName": "Licensing"},
)
LINE_FIELDS = (
    {"SettingID": "e6102b8d4c9f47a5930d", "SettingName": "SourceReference", "PluginName": "Integration"},
)

# The fields that a request may set. Whatever else it holds is dropped without a word, as at the vendor.
PATCHED = names("""
    OrderNo SOReference InvoiceInitDate InitiatedDate ExpectedDeliveryDate OrderType BillType DebtorContactName
    DropShipment DeliveryAddressee DeliveryAddress1 DeliveryAddress2 DeliveryAddressSuburb DeliveryAddressState
    DeliveryAddressPostcode DeliveryAddressCountry DeliveryAddressContactName DeliveryAddressPhone
    DeliveryAddressEmailAddress DeliveryAddressNotes DeliveryAddressCourierDetails
""")
POSTED = names("LogicalID LogicalWarehouseDescription PhysicalWarehouseDescription")
LINE = names("""
    QuantityOrdered DiscountedPrice Description CommentText FixSellPrice Aux2 LineLinkID ForwardOrderDate ScheduledDate
""")


def new_header(debtor: Document) -> Document:
    """Return the part of a header that orders and quotes share."""
    return {
        "InitiatedDate": today(),
        "InvoiceInitDate": today(),
        "ExpectedDeliveryDate": NEVER,
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


@dataclass(slots=True)
class SalesDocument(ABC):
    """A sales document; all of it is JSON, each list in its own field."""

    header: Document
    histories: list[Document]
    lines: dict[str, list[Document]]
    """The lines of each history, by its key."""
    notes: list[Document] = field(default_factory=list)
    custom: list[Document] = field(default_factory=lambda: blank(HEADER_FIELDS))
    """The values of the header's custom fields."""

    key_name: ClassVar[str]
    number_name: ClassVar[str]
    history_key: ClassVar[str]
    line_key: ClassVar[str]
    event: ClassVar[str] = ""
    """The kind of event that a webhook carries when one is saved, if there is one."""
    patched: ClassVar[tuple[str, ...]] = PATCHED
    line_fields: ClassVar[tuple[str, ...]] = LINE

    # Where an order differs from a quote

    def check_open(self, history: Document) -> None:  # noqa: B027  (a quote's history is always open)
        """Refuse to change the lines of a history that is invoiced."""

    def price(self, line: Document, changes: Document) -> None:  # noqa: ARG002  (an order asks what changed)
        """Work out a line after these changes."""
        charge(line, line["QuantityOrdered"])

    # Its parts

    @property
    def key(self) -> str:
        """The vendor's key."""
        return str(self.header[self.key_name])

    @property
    def debtor_id(self) -> str:
        """The debtor that it belongs to."""
        return str(self.header["DebtorID"])

    @property
    def current(self) -> Document:
        """The history that is being worked on."""
        return self.histories[-1]

    @property
    def current_key(self) -> str:
        """The key of that history."""
        return str(self.current[self.history_key])

    def draft(self) -> Self:
        """Return a copy to change."""
        return type(self)(
            **json.loads(json.dumps({each.name: getattr(self, each.name) for each in fields(self)}))
        )

    def stamp(self) -> None:
        """Write down that it is saved now."""
        self.header["LastSavedDateTime"] = timestamp()
        self.current["DateLastSaved"] = now()

    def document(self, debtor: Document) -> Document:
        """Return all of it, as every answer and every webhook carries it."""
        return self.header | {
            "DebtorName": debtor["Name"],
            "DebtorEmailAddress": debtor["EmailAddress"],
            "Lines": self.lines[self.current_key],
            "Notes": self.notes,
            "Histories": self.history_documents(),
            "CustomFieldValues": self.custom,
            "Documents": [],
        }

    def history_documents(self) -> list[Document]:
        """Return its histories, each with its lines and its total."""
        return [self.history_document(each) for each in self.histories]

    def history_document(self, history: Document) -> Document:
        """Return one history, with its lines and its total."""
        return history | {"HistoryTotal": self.total(history), "Lines": self.lines[history[self.history_key]]}

    def total(self, history: Document) -> float:
        """Return the total of a history's lines, tax included."""
        return money(line["LineTotal"] for line in self.lines[history[self.history_key]])

    def history(self, key: str) -> Document:
        """Return one of its histories."""
        return found(self.histories, self.history_key, key)

    def line(self, history: str, key: str) -> Document:
        """Return one of a history's lines."""
        return found(self.lines_of(history), self.line_key, key)

    def lines_of(self, history: str) -> list[Document]:
        """Return a history's lines."""
        return self.lines[self.history(history)[self.history_key]]

    def history_document_of(self, key: str) -> Document:
        """Return one of its histories, with its lines and its total."""
        return self.history_document(self.history(key))

    def all_notes(self) -> list[Document]:
        """Return its notes."""
        return self.notes

    def note(self, key: str) -> Document:
        """Return one of its notes."""
        return found(self.notes, "NoteID", key)

    def custom_value(self, setting: str) -> Document:
        """Return the value of one custom field."""
        return found(self.custom, "SettingID", setting)

    def custom_values(self) -> list[Document]:
        """Return the values of its custom fields."""
        return self.custom

    def rows(self, debtor: Document) -> list[Document]:
        """Return it in the list view, in the spelling of the orders' list: a row for each history."""
        header = self.header
        number = header[self.number_name]
        shared = {
            "InvoiceID": self.key,
            "InvoiceNo": number,
            "LastSavedDateTime": header["LastSavedDateTime"],
            "DebtorName": debtor["Name"],
            "IN_LogicalID": header["LogicalID"],
            "StaffUsername": header["StaffUserName"],
            **{name: header[name] for name in ("OrderNo", "InvoiceInitDate", "StaffID", "CurrencyShortName")},
            **{name: debtor[name] for name in ("DebtorID", "AccountNo", "EmailAddress")},
        }
        return [
            shared
            | {
                "InvoiceNoDashHistoryNo": f"{number}-{history['HistoryNo']:02}",
                "LocalInvoiceTotalIncTax": self.total(history),
                "InvoiceHistoryID": history[self.history_key],
                "HistoryNo": history["HistoryNo"],
            }
            | self.row(history, debtor)
            for history in self.histories
        ]

    @abstractmethod
    def row(self, history: Document, debtor: Document) -> Document:
        """Return the columns of a history that only the list of its kind has."""

    # Changes

    @classmethod
    def new(cls, number: str, debtor: Document, body: Mapping[str, Any], items: Items) -> Self:
        """Create the document that a POST asks for."""
        history = cls.new_history(1)
        header = cls.new_header(number) | new_header(debtor) | read_fields(body, POSTED)
        document = cls(header, [history], {history[cls.history_key]: []})
        document.change(body, items)
        return document

    @classmethod
    @abstractmethod
    def new_header(cls, number: str) -> Document:
        """Return the part of a header that only its kind has."""

    @staticmethod
    @abstractmethod
    def new_history(serial: int) -> Document:
        """Return a history without lines."""

    def change(self, body: Mapping[str, Any], items: Items) -> None:
        """Set the fields of a POST or a PATCH, with the lists in it."""
        self.header |= read_fields(body, self.patched)
        for line in objects(body, "Lines"):
            key = read_fields(line, (self.line_key,)).get(self.line_key)
            if key:
                self.change_line(self.current_key, key, line)
            else:
                self.add_line(self.current_key, line, items)
        for note in objects(body, "Notes"):
            key = read_fields(note, ("NoteID",)).get("NoteID")
            if key:
                self.change_note(key, note)
            else:
                self.add_note(note)
        fill(self.custom, body)

    def add_line(self, history: str, body: Mapping[str, Any], items: Items) -> Document:
        """Append a line; its price is the item's unless there is a DiscountedPrice."""
        self.check_open(self.history(history))
        lines = self.lines[history]
        line: Document = {self.line_key: record_id(), "ItemNo": len(lines) + 1}
        if read_fields(body, ("CommentLine",)).get("CommentLine"):
            line |= {"CommentLine": True, "CommentText": "", "QuantityOrdered": 0, "LineTotal": 0}
        else:
            line |= _from_item(items.named_by(body))
        lines.append(line)
        self.write_line(line, body)
        return line

    def change_line(self, history: str, key: str, body: Mapping[str, Any]) -> Document:
        """Change the fields of a line that are named."""
        self.check_open(self.history(history))
        return self.write_line(self.line(history, key), body)

    def delete_line(self, history: str, key: str) -> None:
        """Delete a line; those behind it move up."""
        self.check_open(self.history(history))
        line, lines = self.line(history, key), self.lines[history]
        lines.remove(line)
        for number, each in enumerate(lines, start=1):
            each["ItemNo"] = number

    def write_line(self, line: Document, body: Mapping[str, Any]) -> Document:
        """Set a line's fields and work it out."""
        if line["CommentLine"]:
            line |= read_fields(body, ("CommentText",))
            return line
        changes = read_fields(body, self.line_fields)
        line |= changes
        self.price(line, changes)
        fill(line["CustomFieldValues"], body)
        return line

    def add_note(self, body: Mapping[str, Any]) -> Document:
        """Add a note, another one each time."""
        note = {
            "NoteID": str(uuid.uuid4()),
            "NoteType": NOTE_TYPES[0],
            "LineNo": len(self.notes) + 1,
            "NoteText": "",
        }
        self.notes.append(note)
        return _write_note(note, body)

    def change_note(self, key: str, body: Mapping[str, Any]) -> Document:
        """
        Change a note.

        Raises:
            RefusedError: the request names a row version, and the note has another by now.
        """
        note = self.note(key)
        if (
            read_fields(body, ("RowHash",)).get("RowHash", note["RowHash"]) != note["RowHash"]
        ):  # fact: note-row-hash
            raise conflict(f"Note {key}")
        return _write_note(note, body)

    def delete_note(self, key: str) -> None:
        """Delete a note."""
        self.notes.remove(self.note(key))

    def set_custom(self, setting: str, body: Mapping[str, Any]) -> Document:
        """Set a custom field; a request that holds no contents empties it."""
        value = self.custom_value(setting)
        value["Contents"] = contents(body)
        return value


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
        "UnitCost": item["LCost"],
        "UnitOfMeasure": {"RecID": "58e7d1c64b0a4c92a3f6", "Name": "EACH"},
        "Aux2": "",
        "NonInventory": False,
        "CustomFieldValues": blank(LINE_FIELDS),
    }


def charge(line: Document, quantity: float) -> None:
    """Charge a line for a quantity; LineTotal includes the tax."""
    net = quantity * line["DiscountedPrice"]
    tax = money([net * TAX_RATE / 100])
    full = line["PriceExGst"]
    line |= {
        "DiscountedPercentage": money([100 * (1 - line["DiscountedPrice"] / full)]) if full else 0,
        "TaxToCharge": tax,
        "LineTotal": money((net, tax)),
    }


def _write_note(note: Document, body: Mapping[str, Any]) -> Document:
    if kind := folded(body).get("notetype"):
        note["NoteType"] = _note_type(kind)
    note |= read_fields(body, ("NoteText",))
    note |= {
        "LastSavedDateTime": timestamp(),
        "LastModifiedByStaffID": STAFF["StaffID"],
        "LastModifiedByStaffUsername": STAFF["StaffUserName"],
        "RowHash": row_hash(),
    }
    return note


def _note_type(raw: Any) -> Document:
    key = read_fields(raw, ("NoteTypeID",)).get("NoteTypeID", "") if isinstance(raw, dict) else ""
    for each in NOTE_TYPES:
        if each["NoteTypeID"] == key:
            return dict(each)
    raise missing(f"Note type {key}")
