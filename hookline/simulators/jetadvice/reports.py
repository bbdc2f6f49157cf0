"""
JetAdvice's reports: what a view shows of the devices, as CSV, XML or JSON, made by a job that is polled.

A job is done after some polls and not after some time, so that whoever watches need not wait. The statuses,
the columns and the XML are assumed.
"""

import csv
import io
import json
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from xml.sax.saxutils import escape

Document = dict[str, Any]
Described = tuple[Document, Document]
"""A device, and what names it in a row."""

COUNTERS_AND_TONER, SUPPLIES, ALERTS = "301", "302", "303"

COLORS = ("black", "cyan", "magenta", "yellow")
COUNTERS = ("total", "mono", "color", "copy", "scan")

DONE = ("Completed", "Failed")


@dataclass(slots=True)
class ReportFile:
    """What a finished job has made."""

    file_id: str
    name: str
    media_type: str
    content: str


@dataclass(slots=True)
class Run:
    """One job."""

    report: Document
    customer_id: str | None
    """The scope asked for; none for all customers."""
    output: str
    polls: int
    """Polls that find it not yet done."""
    guid: str = field(default_factory=lambda: str(uuid.uuid4()))
    status: str = "Queued"
    message: str = ""
    file: ReportFile | None = None
    polled: int = 0

    def shown(self) -> Document:
        """The job as its poll tells it."""
        files = [
            {"FileId": each.file_id, "FileName": each.name, "Size": len(each.content.encode())}
            for each in (self.file,)
            if each
        ]
        return {"Status": self.status, "Message": self.message, "Files": files}

    def poll(self, rows_of: Callable[["Run"], list[Document] | None]) -> Document:
        """
        How the job stands; each poll brings it on.

        Args:
            rows_of: Gives the rows of the job's report; none when its view is gone.
        """
        self.polled += 1
        if self.polled <= self.polls:
            self.status = "Queued" if self.polled == 1 else "Running"
        elif self.status not in DONE:
            self._finish(rows_of(self))
        return self.shown()

    def _finish(self, rows: list[Document] | None) -> None:
        if rows is None:
            self.status, self.message = "Failed", "The view of this report no longer exists."
            return
        suffix, media_type, write = OUTPUTS[self.output]
        stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M")
        self.file = ReportFile(str(uuid.uuid4()), f"report-{stamp}.{suffix}", media_type, write(rows))
        self.status = "Completed"


# What the views show


def report_rows(view: str, devices: Iterable[Described]) -> list[Document] | None:
    """The rows of a view; none when there is no such view."""
    show = VIEWS.get(view)
    return show and [row for device, names in devices for row in show(device, names)]


def _counters_and_toner(device: Document, names: Document) -> list[Document]:
    """A row for the device: its counters, and the level of each of its toners."""
    levels = {each["color"]: each["levelPercent"] for each in device["supplies"]}
    counters = {name.capitalize(): device["counters"].get(name) for name in COUNTERS}
    toner = {f"Toner{color.capitalize()}": levels.get(color) for color in COLORS}
    return [names | {"LastReport": device["lastReport"]} | counters | toner]


def _supplies(device: Document, names: Document) -> list[Document]:
    """A row for each supply of the device."""
    return [
        names
        | {
            "Type": each["type"],
            "Color": each["color"],
            "LevelPercent": each["levelPercent"],
            "PartNumber": each["partNumber"],
        }
        for each in device["supplies"]
    ]


def _alerts(device: Document, names: Document) -> list[Document]:
    """A row for each alert of the device."""
    return [
        names | {"Code": each["code"], "Text": each["text"], "Since": each["since"]}
        for each in device["alerts"]
    ]


VIEWS: Mapping[str, Callable[[Document, Document], list[Document]]] = {
    COUNTERS_AND_TONER: _counters_and_toner,
    SUPPLIES: _supplies,
    ALERTS: _alerts,
}


# The forms of an answer


def as_csv(rows: list[Document]) -> str:
    """A line for each row, below the names of the columns."""
    out = io.StringIO()
    if rows:
        writer = csv.DictWriter(out, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    return out.getvalue()


def as_xml(value: Any, name: str = "Response") -> str:
    """A document in which objects are nested elements, and a list's members are called Item."""
    return f'<?xml version="1.0" encoding="utf-8"?>{_element(name, value)}'


def _element(name: str, value: Any) -> str:
    if isinstance(value, Mapping):
        inner = "".join(_element(key, each) for key, each in value.items())
    elif isinstance(value, list):
        inner = "".join(_element("Item", each) for each in value)
    else:
        inner = "" if value is None else escape(str(value))
    return f"<{name}>{inner}</{name}>"


OUTPUTS: Mapping[str, tuple[str, str, Callable[[list[Document]], str]]] = {
    "1": ("csv", "text/csv", as_csv),
    "2": ("xml", "application/xml", lambda rows: as_xml(rows, "Report")),
    "5": ("json", "application/json", json.dumps),
}
"""By OutputFormat: the end of the file's name, its media type, and who writes it."""
