"""Jiwa's seed data: the sandbox's firm sells software licenses, printer supplies and vehicle diagnostics."""

from typing import Any

from hookline.simulators.jiwa.debtors import Debtor, new_debtor
from hookline.simulators.jiwa.documents import SalesDocument
from hookline.simulators.jiwa.inventory import Items, new_item
from hookline.simulators.jiwa.orders import Order
from hookline.simulators.jiwa.quotes import Quote
from hookline.simulators.jiwa.values import later, today
from hookline.simulators.records import Document

KEY_ACCOUNT = "2001"
"""The customer who has an API key."""

# fmt: off
DEBTORS = (
    ("1001", "Baxter & Lowe Architects", "accounts@baxterlowe.example", "02 5550 1101"),
    ("1002", "Marlin Bay Dental", "practice@marlinbaydental.example", "07 5550 1102"),
    ("1003", "Okafor Freight Pty Ltd", "it@okaforfreight.example", "03 5550 1103"),
    ("1004", "Sable Street Primary School", "office@sablestreetps.example", "08 5550 1104"),
    ("1005", "Thornbury Hardware", "", "03 5550 1105"),  # nobody can mail them
    ("1006", "Wirra Creek Winery", "cellar@wirracreek.example", "08 5550 1106"),
    # With a fleet of printers
    ("2001", "Northgate Printing", "orders@northgateprinting.example", "02 5550 2001"),
    ("2002", "Harbour Architects", "office@harbourarchitects.example", "02 5550 2002"),
    # Garages
    ("3001", "Mill Road Garage", "workshop@millroadgarage.example", "03 5550 3001"),
    ("3002", "Elm Street Motors", "service@elmstreetmotors.example", "03 5550 3002"),
)
CONTACTS = {
    "2001": ("Priya", "Nair", "priya.nair@northgateprinting.example"),
    "2002": ("Tom", "Castell", "tom.castell@harbourarchitects.example"),
    "3001": ("Dana", "Whitlock", "dana@millroadgarage.example"),
    "3002": ("Ruben", "Asher", "ruben@elmstreetmotors.example"),
}

# Part number, description, price without tax, cost, pieces in stock
GOODS = (
    ("PAP-A4-80", "Printer paper A4 80 gsm, box of 5 reams", 18.5, 11.2, 240),
    ("PAP-A3-80", "Printer paper A3 80 gsm, ream", 14.95, 9.1, 85),
    ("TON-BK-12", "Toner black, 12,000 pages", 129.0, 88.0, 36),
    ("TON-BLK-410", "Toner 410 black, 6,500 pages", 118.0, 79.5, 24),
    ("TON-CYN-410", "Toner 410 cyan, 5,000 pages", 142.0, 96.0, 14),
    ("TON-MAG-410", "Toner 410 magenta, 5,000 pages", 142.0, 96.0, 12),
    ("TON-YEL-410", "Toner 410 yellow, 5,000 pages", 142.0, 96.0, 15),
    ("CAB-USBC-2", "USB-C cable, 2 m", 16.4, 6.75, 120),
    ("LBL-62", "Label roll 62 mm", 22.8, 13.3, 64),
)
# Not in any stock
SERVICES = (
    ("LIC-PRO", "Draftline Pro, perpetual license", 349.0),
    ("LIC-TEAM", "Draftline Team, subscription for a year, per seat", 120.0),
    ("REN-TEAM", "Draftline Team, renewal for a year, per seat", 110.0),
    ("SUP-STD", "Draftline support, standard, one year", 95.0),
    ("CLICK-MONO", "Printed page, black and white", 0.0125),
    ("CLICK-COLOR", "Printed page, colour", 0.08),
    ("DIAG-INIT", "Remote diagnosis: module initialisation", 85.0),
    ("DIAG-CODE", "Remote diagnosis: component coding", 95.0),
    ("DIAG-CALIB", "Remote diagnosis: sensor calibration", 120.0),
)

# Account, number, days ago, the header's fields, part numbers with quantities; for an order that was invoiced, the
# cash that came in later, or None for all that was due
Sale = tuple[str, str, int, Document, tuple[tuple[Any, ...], ...]]
ORDERS: tuple[tuple[Sale, bool, float | None], ...] = (
    (("2001", "100101", 41, {"OrderNo": "NP-5521", "SOReference": "web-1180"},
        (("TON-BLK-410", 4), ("PAP-A4-80", 10))), True, None),
    (("2002", "100102", 17, {"OrderNo": "HA-0093", "SOReference": "web-1204",
                             "Notes": [{"NoteText": "Rest of the magenta when it arrives."}]},
        (("TON-CYN-410", 2), ("TON-MAG-410", 3, {"QuantityThisDel": 1}))), True, 200),
    (("3001", "100103", 9, {"SOReference": "phone"}, (("DIAG-INIT", 1), ("DIAG-CODE", 2))), True, 0),
    (("1004", "100104", 2, {"OrderNo": "SSPS-31"},
        (("PAP-A3-80", 6), ("", 0, {"CommentLine": True,
                                    "CommentText": "Deliver to the office, not to the hall"}))), False, 0),
)
QUOTES: tuple[Sale, ...] = (
    ("1001", "200098", 12, {"SOReference": "Ten seats for the new studio"},
        (("LIC-TEAM", 10, {"DiscountedPrice": 108}),)),
    ("2002", "200099", 6, {"OrderNo": "HA-0101"},
        tuple((f"TON-{color}-410", 6) for color in ("BLK", "CYN", "MAG", "YEL"))),
    ("3002", "200100", 1, {}, (("DIAG-CALIB", 4),)),
)
# fmt: on


def debtors() -> list[Debtor]:
    """Build the customers; account 1005 has no e-mail address."""
    made = []
    for account, name, email, phone in DEBTORS:
        debtor = new_debtor(account)
        debtor.change({"Name": name, "EmailAddress": email, "Phone": phone})
        if account in CONTACTS:
            first, last, address = CONTACTS[account]
            contact = {"FirstName": first, "Surname": last, "EmailAddress": address, "DefaultContact": True}
            debtor.change({"ContactNames": [contact]})
        made.append(debtor)
    return made


def items() -> list[Document]:
    """Build the items on sale: goods, and services that are in no stock."""
    return [
        new_item({"PartNo": part, "Description": text, "DefaultPrice": price, "LCost": cost}, stock)
        for part, text, price, cost, stock in GOODS
    ] + [
        new_item({"PartNo": part, "Description": text, "DefaultPrice": price, "PhysicalItem": False})
        for part, text, price in SERVICES
    ]


def order(sale: Sale, debtor: Debtor, items: Items, *, invoiced: bool, received: float | None) -> Order:
    """Build an order as it has been since its last change."""
    order = Order.new(sale[1], debtor.document, _body(sale), items)
    if invoiced:
        order.process()
    if received != 0:
        order.allocate(received)
    order.stamp()
    _age(order, sale, *order.notes, *order.receipts)
    return order


def quote(sale: Sale, debtor: Debtor, items: Items) -> Quote:
    """Build a quote as it has been since it was made."""
    quote = Quote.new(sale[1], debtor.document, _body(sale), items)
    quote.stamp()
    _age(quote, sale)
    return quote


def _body(sale: Sale) -> Document:
    *_, header, lines = sale
    rows = [{"PartNo": part, "QuantityOrdered": number} for part, number, *_ in lines]
    return header | {
        "Lines": [row | (line[2] if len(line) > 2 else {}) for row, line in zip(rows, lines, strict=True)]  # noqa: PLR2004
    }


def _age(document: SalesDocument, sale: Sale, *more: Document) -> None:
    """Let what happened today have happened so many days ago."""
    this_day, that_day = today()[:10], later(today(), -sale[2])[:10]
    for row in (document.header, *document.histories, *more):
        row |= {
            name: that_day + value[10:]
            for name, value in row.items()
            if isinstance(value, str) and value.startswith(this_day)
        }
