"""JetAdvice's seed data: a dealer with a print shop and an architects' office for customers."""

from datetime import UTC, datetime, timedelta

from hookline.simulators.jetadvice.devices import alert, report_level, written
from hookline.simulators.jetadvice.records import Document
from hookline.simulators.jetadvice.reports import ALERTS, COLORS, COUNTERS, COUNTERS_AND_TONER, SUPPLIES

NORTHGATE, HARBOUR = "48211", "48236"
OFFICE, PRESS_ROOM, STUDIO, RECEPTION = "60104", "60105", "60131", "60132"
MANAGED, COLOR_PRICE = "911", "912"
GONE_VIEW = "299"

PART_NUMBERS = {
    "black": "TON-BLK-410",
    "cyan": "TON-CYN-410",
    "magenta": "TON-MAG-410",
    "yellow": "TON-YEL-410",
}


def customers() -> list[Document]:
    """Two customers."""
    return [
        {
            "customerId": NORTHGATE,
            "name": "Northgate Printing",
            "externalNumber": "2001",
            "address": "Northgate 8",
            "city": "Aarhus",
            "country": "Denmark",
            "email": "office@northgateprinting.example",
            "phone": "+45 55 50 02 01",
        },
        {
            "customerId": HARBOUR,
            "name": "Harbour Architects",
            "externalNumber": "2002",
            "address": "Harbour Quay 31, 2nd floor",
            "city": "Odense",
            "country": "Denmark",
            "email": "studio@harbourarchitects.example",
            "phone": "+45 55 50 02 02",
        },
    ]


def levels() -> list[Document]:
    """How the customers are divided."""
    rows = (
        (OFFICE, NORTHGATE, None, "Head office"),
        (PRESS_ROOM, NORTHGATE, OFFICE, "Press room"),
        (STUDIO, HARBOUR, None, "Studio"),
        (RECEPTION, HARBOUR, None, "Reception"),
    )
    return [
        {"levelId": key, "customerId": customer, "parentLevelId": parent, "name": name}
        for key, customer, parent, name in rows
    ]


def users() -> list[Document]:
    """People at the customers; none of them may use the API."""
    rows = (
        ("70311", NORTHGATE, OFFICE, "Ellen", "Maes", "northgateprinting.example"),
        ("70312", NORTHGATE, PRESS_ROOM, "Tomas", "Brink", "northgateprinting.example"),
        ("70340", HARBOUR, STUDIO, "Ida", "Solberg", "harbourarchitects.example"),
    )
    return [
        {
            "userId": key,
            "customerId": customer,
            "levelId": level,
            "userName": f"{first}.{last}".lower(),
            "firstName": first,
            "lastName": last,
            "email": f"{first}.{last}@{domain}".lower(),
        }
        for key, customer, level, first, last, domain in rows
    ]


def devices() -> list[Document]:
    """
    Seven printers: four with colour, and three with black toner alone.

    One black cartridge is at 6 % and one cyan at 14 %; the others are comfortable. One device has not been
    heard of for nine days, and one writes its counters as text.
    """
    now = datetime.now(UTC)
    made = [
        _device(
            "730101",
            (NORTHGATE, OFFICE, "Front desk", "192.0.2.21"),
            ("Calder", "C4120 MFP", "CLD4120-0077315"),
            (184_220, 121_504, 62_716, 58_013, 22_190),
            (6, 48, 55, 61),
            now - timedelta(hours=2, minutes=5),
            [MANAGED, COLOR_PRICE],
        ),
        _device(
            "730102",
            (NORTHGATE, OFFICE, "Accounts, room 12", "192.0.2.22"),
            ("Orion", "LX 350dn", "OR35N1190442"),
            (40_871, 40_871, 0, 0, 0),
            (72,),
            now - timedelta(hours=2, minutes=5),
            [MANAGED],
        ),
        _device(
            "730103",
            (NORTHGATE, PRESS_ROOM, "Proofing table", "192.0.2.37"),
            ("Calder", "C7550", "CLD7550-0012006"),
            (902_417, 310_088, 592_329, 0, 0),
            (44, 39, 67, 81),
            now - timedelta(hours=1, minutes=48),
            [MANAGED, COLOR_PRICE],
        ),
        _device(
            "730104",
            (NORTHGATE, PRESS_ROOM, "Dispatch", "192.0.2.38"),
            ("Orion", "LX 350dn", "OR35N1190497"),
            (77_905, 77_905, 0, 0, 0),
            (31,),
            now - timedelta(days=9),
            [],
        ),
        _device(
            "730215",
            (HARBOUR, STUDIO, "Drawing office", "198.51.100.14"),
            ("Tessera", "OfficeColor 560", "TS560X8830021"),
            (58_330, 20_914, 37_416, 19_402, 31_870),
            (58, 14, 66, 70),
            now - timedelta(hours=3, minutes=20),
            [MANAGED, COLOR_PRICE],
        ),
        _device(
            "730216",
            (HARBOUR, STUDIO, "Meeting room 2", "198.51.100.15"),
            ("Tessera", "OfficeColor 320", "TS320X5520167"),
            (12_046, 5_118, 6_928, 2_204, 4_011),
            (88, 91, 79, 84),
            now - timedelta(hours=3, minutes=20),
            [COLOR_PRICE],
        ),
        _device(
            "730217",
            (HARBOUR, RECEPTION, "Reception desk", "198.51.100.30"),
            ("Orion", "LX 210", "OR21N0663310"),
            (9_733, 9_733, 0, 0, 0),
            (53,),
            now - timedelta(hours=3, minutes=20),
            [],
        ),
    ]
    made[3]["alerts"].append(alert("NoContact", "No report for more than 7 days", now - timedelta(days=2)))
    made[5]["counters"] = {name: str(count) for name, count in made[5]["counters"].items()}
    return made


def _device(
    key: str,
    place: tuple[str, str, str, str],
    make: tuple[str, str, str],
    counters: tuple[int, ...],
    toner: tuple[int, ...],
    reported: datetime,
    tags: list[str],
) -> Document:
    customer, level, location, address = place
    manufacturer, model, serial = make
    device: Document = {
        "deviceId": key,
        "customerId": customer,
        "levelId": level,
        "serialNumber": serial,
        "manufacturer": manufacturer,
        "model": model,
        "ipAddress": address,
        "location": location,
        "counters": dict(zip(COUNTERS, counters, strict=True)),
        "supplies": [],
        "alerts": [],
        "tagIds": tags,
    }
    for color, percent in zip(COLORS, toner, strict=False):
        device["supplies"].append(
            {
                "type": "toner",
                "color": color,
                "levelPercent": percent,
                "partNumber": PART_NUMBERS[color],
            }
        )
        report_level(device, color, percent, reported)
    return device


def tags() -> list[Document]:
    """Marks for devices."""
    return [
        {"tagId": MANAGED, "name": "Managed print"},
        {"tagId": COLOR_PRICE, "name": "Colour click price"},
    ]


def views() -> list[Document]:
    """What a report can show."""
    return [
        {"viewId": COUNTERS_AND_TONER, "name": "Devices with counters and toner"},
        {"viewId": SUPPLIES, "name": "Supplies"},
        {"viewId": ALERTS, "name": "Open alerts"},
    ]


def reports() -> list[Document]:
    """Reports; the last one is older than the views, so that its jobs fail."""
    rows = (
        ("5001", None, "Meters and toner, all customers", COUNTERS_AND_TONER),
        ("5002", NORTHGATE, "Supplies at Northgate Printing", SUPPLIES),
        ("5003", None, "Open alerts", ALERTS),
        ("4417", HARBOUR, "Paper use (old)", GONE_VIEW),
    )
    return [
        {"reportId": key, "customerId": customer, "name": name, "viewId": view}
        for key, customer, name, view in rows
    ]


def data_collectors() -> list[Document]:
    """The agents that read the devices, one at each customer."""
    now = datetime.now(UTC)
    rows = (
        ("8801", NORTHGATE, "NORTHGATE-SRV1", "6.4.2", timedelta(minutes=14)),
        ("8815", HARBOUR, "HARBOUR-NUC", "6.4.0", timedelta(minutes=9)),
    )
    return [
        {
            "dataCollectorId": key,
            "customerId": customer,
            "name": name,
            "version": version,
            "lastContact": written(now - ago),
        }
        for key, customer, name, version, ago in rows
    ]


def data_collector_ranges() -> list[Document]:
    """The addresses that they search for devices."""
    rows = (
        ("9001", "8801", NORTHGATE, "192.0.2.20", "192.0.2.60"),
        ("9002", "8815", HARBOUR, "198.51.100.10", "198.51.100.19"),
        ("9003", "8815", HARBOUR, "198.51.100.30", "198.51.100.39"),
    )
    return [
        {
            "rangeId": key,
            "dataCollectorId": collector,
            "customerId": customer,
            "fromAddress": first,
            "toAddress": last,
        }
        for key, collector, customer, first, last in rows
    ]
