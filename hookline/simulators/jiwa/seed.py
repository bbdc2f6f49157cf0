"""What the sandbox's firm has at Jiwa: it sells software licenses, printer supplies and vehicle diagnostics."""

from dataclasses import dataclass

from hookline.simulators.jiwa.debtors import Debtor, new_debtor
from hookline.simulators.jiwa.inventory import Items, new_item
from hookline.simulators.jiwa.orders import Order
from hookline.simulators.jiwa.quotes import Quote
from hookline.simulators.jiwa.values import Document, later, today

KEY_ACCOUNT = "2001"
"""The customer who has an API key."""

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
    ("SUP-STD", "Draftline support, standard, one year", 95.0),
    ("DIAG-INIT", "Remote diagnosis: module initialisation", 85.0),
    ("DIAG-CODE", "Remote diagnosis: component coding", 95.0),
    ("DIAG-CALIB", "Remote diagnosis: sensor calibration", 120.0),
)


@dataclass(frozen=True, slots=True)
class Sale:
    """An order or a quote as it was some days ago."""

    account: str
    number: str
    days_ago: int
    body: Document
    processed: bool = False
    received: float | None = 0
    """Cash that came in later; none of it, or with None all that was due."""


ORDERS = (
    Sale(
        "2001",
        "100101",
        41,
        {
            "OrderNo": "NP-5521",
            "SOReference": "web-1180",
            "Lines": [
                {"PartNo": "TON-BLK-410", "QuantityOrdered": 4},
                {"PartNo": "PAP-A4-80", "QuantityOrdered": 10},
            ],
        },
        processed=True,
        received=None,
    ),
    Sale(
        "2002",
        "100102",
        17,
        {
            "OrderNo": "HA-0093",
            "SOReference": "web-1204",
            "Lines": [
                {"PartNo": "TON-CYN-410", "QuantityOrdered": 2},
                {"PartNo": "TON-MAG-410", "QuantityOrdered": 3, "QuantityThisDel": 1},
            ],
            "Notes": [{"NoteText": "Rest of the magenta when it arrives."}],
        },
        processed=True,
        received=200,
    ),
    Sale(
        "3001",
        "100103",
        9,
        {
            "SOReference": "phone",
            "Lines": [
                {"PartNo": "DIAG-INIT", "QuantityOrdered": 1},
                {"PartNo": "DIAG-CODE", "QuantityOrdered": 2},
            ],
        },
        processed=True,
    ),
    Sale(
        "1004",
        "100104",
        2,
        {
            "OrderNo": "SSPS-31",
            "Lines": [
                {"PartNo": "PAP-A3-80", "QuantityOrdered": 6},
                {"CommentLine": True, "CommentText": "Deliver to the office, not to the hall"},
            ],
        },
    ),
)
QUOTES = (
    Sale(
        "1001",
        "200098",
        12,
        {
            "SOReference": "Ten seats for the new studio",
            "Lines": [{"PartNo": "LIC-TEAM", "QuantityOrdered": 10, "DiscountedPrice": 108}],
        },
    ),
    Sale(
        "2002",
        "200099",
        6,
        {
            "OrderNo": "HA-0101",
            "Lines": [
                {"PartNo": f"TON-{colour}-410", "QuantityOrdered": 6}
                for colour in ("BLK", "CYN", "MAG", "YEL")
            ],
        },
    ),
    Sale("3002", "200100", 1, {"Lines": [{"PartNo": "DIAG-CALIB", "QuantityOrdered": 4}]}),
)


def debtors() -> list[Debtor]:
    """The customers; account 1005 has no e-mail address."""
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
    """What is on sale: goods, and services that are in no stock."""
    return [
        new_item({"PartNo": part, "Description": text, "DefaultPrice": price, "LCost": cost}, stock)
        for part, text, price, cost, stock in GOODS
    ] + [
        new_item({"PartNo": part, "Description": text, "DefaultPrice": price, "PhysicalItem": False})
        for part, text, price in SERVICES
    ]


def order(sale: Sale, debtor: Debtor, items: Items) -> Order:
    """An order as it has stood since its last change."""
    order = Order.new(sale.number, debtor.document, sale.body, items)
    if sale.processed:
        order.process()
    if sale.received != 0:
        order.allocate(sale.received)
    order.stamp()
    for row in (order.header, *order.histories, *order.notes, *order.receipts):
        _age(row, sale.days_ago)
    return order


def quote(sale: Sale, debtor: Debtor, items: Items) -> Quote:
    """A quote as it has stood since it was made."""
    quote = Quote.new(sale.number, debtor.document, sale.body, items)
    quote.stamp()
    for row in (quote.header, *quote.histories):
        _age(row, sale.days_ago)
    return quote


def _age(row: Document, days: int) -> None:
    """What happened today happened so many days ago."""
    this_day, that_day = today()[:10], later(today(), -days)[:10]
    row |= {
        name: that_day + value[10:]
        for name, value in row.items()
        if isinstance(value, str) and value.startswith(this_day)
    }
