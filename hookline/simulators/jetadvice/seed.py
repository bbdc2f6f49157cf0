"""JetAdvice's kinds of records, and its seed data: a dealer with a print shop and an architects' office."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from hookline.simulators.control import RefusedError
from hookline.simulators.jetadvice.reports import ALERTS, COLORS, COUNTERS, COUNTERS_AND_TONER, SUPPLIES
from hookline.simulators.records import Document, Kind, Table

LOW_PERCENT = 10
# fact: toner-is-low
"""At and below this a device reports that its toner is low."""


def text(name: str, raw: Any) -> str | None:
    """
    Read a text, or nothing; a number counts as its digits.

    Raises:
        RefusedError: it is something else.
    """
    if isinstance(raw, bool | list | dict):
        raise RefusedError(400, f"{name} must be a text.")
    return None if raw is None else str(raw)


def texts(name: str, raw: Any) -> list[str | None]:
    """
    Read a list of texts.

    Raises:
        RefusedError: it is something else.
    """
    if not isinstance(raw, list):
        raise RefusedError(400, f"{name} must be a list.")
    return [text(name, each) for each in raw]


# fmt: off
KINDS = {
    "customers": Kind("customer", "customerId name externalNumber address city country email phone",
        required="name", read=text),
    "levels": Kind("level", "levelId customerId parentLevelId name", required="customerId name", read=text),
    "users": Kind("user", "userId customerId levelId userName firstName lastName email",
        required="customerId userName", unique="userName", read=text),
    # A request does not set what the data collector reads from the device.
    "devices": Kind("device", "deviceId customerId levelId location ipAddress manufacturer model serialNumber tagIds",
        required="customerId", read=text, tagIds=texts),
    "tags": Kind("tag", "tagId name", required="name", read=text),
    "views": Kind("view", "viewId name"),
    "reports": Kind("report", "reportId customerId name viewId", required="name viewId", read=text),
    "data_collectors": Kind("data collector", "dataCollectorId customerId name version lastContact"),
    "data_collector_ranges": Kind("data collector range",
        "rangeId dataCollectorId customerId fromAddress toAddress"),
}

NORTHGATE, HARBOUR = "48211", "48236"
OFFICE, PRESS_ROOM, STUDIO, RECEPTION = "60104", "60105", "60131", "60132"
MANAGED, COLOR_PRICE = "911", "912"
GONE_VIEW = "299"
PART_NUMBERS = dict(zip(COLORS, ("TON-BLK-410", "TON-CYN-410", "TON-MAG-410", "TON-YEL-410"), strict=True))

ROWS: dict[str, tuple[tuple[Any, ...], ...]] = {
    "customers": (
        (NORTHGATE, "Northgate Printing", "2001", "Northgate 8", "Aarhus", "Denmark",
         "office@northgateprinting.example", "+45 55 50 02 01"),
        (HARBOUR, "Harbour Architects", "2002", "Harbour Quay 31, 2nd floor", "Odense", "Denmark",
         "studio@harbourarchitects.example", "+45 55 50 02 02"),
    ),
    "levels": (
        (OFFICE, NORTHGATE, None, "Head office"),
        (PRESS_ROOM, NORTHGATE, OFFICE, "Press room"),
        (STUDIO, HARBOUR, None, "Studio"),
        (RECEPTION, HARBOUR, None, "Reception"),
    ),
    # None of them may use the API.
    "users": (
        ("70311", NORTHGATE, OFFICE, "ellen.maes", "Ellen", "Maes", "ellen.maes@northgateprinting.example"),
        ("70312", NORTHGATE, PRESS_ROOM, "tomas.brink", "Tomas", "Brink",
         "tomas.brink@northgateprinting.example"),
        ("70340", HARBOUR, STUDIO, "ida.solberg", "Ida", "Solberg", "ida.solberg@harbourarchitects.example"),
    ),
    "tags": ((MANAGED, "Managed print"), (COLOR_PRICE, "Colour click price")),
    "views": (
        (COUNTERS_AND_TONER, "Devices with counters and toner"),
        (SUPPLIES, "Supplies"),
        (ALERTS, "Open alerts"),
    ),
    # The last one is older than the views, so that its jobs fail.
    "reports": (
        ("5001", None, "Meters and toner, all customers", COUNTERS_AND_TONER),
        ("5002", NORTHGATE, "Supplies at Northgate Printing", SUPPLIES),
        ("5003", None, "Open alerts", ALERTS),
        ("4417", HARBOUR, "Paper use (old)", GONE_VIEW),
    ),
    "data_collector_ranges": (
        ("9001", "8801", NORTHGATE, "192.0.2.20", "192.0.2.60"),
        ("9002", "8815", HARBOUR, "198.51.100.10", "198.51.100.19"),
        ("9003", "8815", HARBOUR, "198.51.100.30", "198.51.100.39"),
    ),
}
# Minutes since its last contact
COLLECTORS = (
    ("8801", NORTHGATE, "NORTHGATE-SRV1", "6.4.2", 14),
    ("8815", HARBOUR, "HARBOUR-NUC", "6.4.0", 9),
)
# Seven printers: four with colour, and three with black toner alone. One black cartridge is at 6 % and one cyan at
# 14 %; the others are comfortable. Behind a device: its counters, its toner, minutes since its last report.
DEVICES: tuple[tuple[tuple[Any, ...], tuple[int, ...], tuple[int, ...], int], ...] = (
    (("730101", NORTHGATE, OFFICE, "Front desk", "192.0.2.21", "Calder", "C4120 MFP", "CLD4120-0077315",
      [MANAGED, COLOR_PRICE]), (184_220, 121_504, 62_716, 58_013, 22_190), (6, 48, 55, 61), 125),
    (("730102", NORTHGATE, OFFICE, "Accounts, room 12", "192.0.2.22", "Orion", "LX 350dn", "OR35N1190442",
      [MANAGED]), (40_871, 40_871, 0, 0, 0), (72,), 125),
    (("730103", NORTHGATE, PRESS_ROOM, "Proofing table", "192.0.2.37", "Calder", "C7550", "CLD7550-0012006",
      [MANAGED, COLOR_PRICE]), (902_417, 310_088, 592_329, 0, 0), (44, 39, 67, 81), 108),
    (("730104", NORTHGATE, PRESS_ROOM, "Dispatch", "192.0.2.38", "Orion", "LX 350dn", "OR35N1190497",
      []), (77_905, 77_905, 0, 0, 0), (31,), 9 * 24 * 60),
    (("730215", HARBOUR, STUDIO, "Drawing office", "198.51.100.14", "Tessera", "OfficeColor 560", "TS560X8830021",
      [MANAGED, COLOR_PRICE]), (58_330, 20_914, 37_416, 19_402, 31_870), (58, 14, 66, 70), 200),
    (("730216", HARBOUR, STUDIO, "Meeting room 2", "198.51.100.15", "Tessera", "OfficeColor 320", "TS320X5520167",
      [COLOR_PRICE]), (12_046, 5_118, 6_928, 2_204, 4_011), (88, 91, 79, 84), 200),
    (("730217", HARBOUR, RECEPTION, "Reception desk", "198.51.100.30", "Orion", "LX 210", "OR21N0663310",
      []), (9_733, 9_733, 0, 0, 0), (53,), 200),
)
SILENT, WITH_COUNTERS_AS_TEXT = "730104", "730216"
# fmt: on


def tables() -> dict[str, Table]:
    """Return everything as it is in a new sandbox."""
    now = datetime.now(UTC)
    collectors = tuple((*facts, _utc(now - timedelta(minutes=ago))) for *facts, ago in COLLECTORS)
    rows = ROWS | {"data_collectors": collectors}
    made = {name: Table(kind, kind.rows(*rows.get(name, ()))) for name, kind in KINDS.items()}
    for device, counters, toner, minutes in DEVICES:
        [record] = KINDS["devices"].rows(device)
        made["devices"].put(record | _reported(counters, toner, now - timedelta(minutes=minutes)))
    silent, texted = made["devices"].one(SILENT), made["devices"].one(WITH_COUNTERS_AS_TEXT)
    silent["alerts"].append(_alert("NoContact", "No report for more than 7 days", now - timedelta(days=2)))
    texted["counters"] = {name: str(count) for name, count in texted["counters"].items()}
    return made


def _reported(counters: tuple[int, ...], toner: tuple[int, ...], at: datetime) -> Document:
    """Return what a device reports of itself."""
    supplies = [{"type": "toner", "color": each, "partNumber": PART_NUMBERS[each]} for each in COLORS]
    supplies = supplies[: len(toner)]
    report: Document = {
        "counters": dict(zip(COUNTERS, counters, strict=True)),
        "supplies": supplies,
        "alerts": [],
    }
    for color, percent in zip(COLORS, toner, strict=False):
        report_level(report, color, percent, at)
    return report


def report_level(device: Document, color: str, percent: float, at: datetime) -> None:
    """Let a device report the level of a toner it has: it may raise an alert, or end one."""
    supply = next(each for each in device["supplies"] if each["color"] == color)
    supply["levelPercent"] = percent
    device["lastReport"] = at.strftime("%Y-%m-%dT%H:%M:%S")
    code = f"TonerLow{color.capitalize()}"
    raised = any(each["code"] == code for each in device["alerts"])
    if percent > LOW_PERCENT:
        device["alerts"] = [each for each in device["alerts"] if each["code"] != code]
    elif not raised:
        device["alerts"].append(_alert(code, f"{color.capitalize()} toner is low", at))


def report_counters(device: Document, counters: Mapping[str, int | None], at: str | None) -> None:
    """Let a device report some of its counters, at a time or now."""
    device["counters"] |= counters
    device["lastReport"] = at or datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S")


def _alert(code: str, message: str, since: datetime) -> Document:
    return {"code": code, "text": message, "since": _utc(since)}


def _utc(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")
