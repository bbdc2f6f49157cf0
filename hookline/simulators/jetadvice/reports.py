"""
JetAdvice's reports: a view of the devices, as CSV, XML or JSON, made by a job that is polled.

A job is done after some polls and not after some time, so that nobody who polls needs to wait. The columns and the XML
are the sandbox's own.
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

from hookline.simulators.records import Document

COUNTERS_AND_TONER, SUPPLIES, ALERTS = "301", "302", "303"
COLORS = ("black", "cyan", "magenta", "yellow")
COUNTERS = ("total", "mono", "color", "copy", "scan")
DONE = ("Completed", "Failed")

Described = tuple[Document, Document]
"""A device, and the columns that name it in a row."""


@dataclass(slots=True)
class ReportFile:
    """The file of a finished job."""

    file_id: str
    name: str
    media_type: str
    content: str


@dataclass(slots=True)
class Run:
    """A report's job."""

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

    def to_json(self) -> Document:
        """Return the job as its poll answers it."""
        files = [
            {"FileId": each.file_id, "FileName": each.name, "Size": len(each.content.encode())}
            for each in (self.file,)
            if each
        ]
        return {"Status": self.status, "Message": self.message, "Files": files}

    def poll(self, rows_of: Callable[["Run"], list[Document] | None]) -> Document:
        """
        Return the state of the job; each poll brings it on.

        Args:
            rows_of: Gives the rows of the job's report; none when its view is gone.
        """
        self.polled += 1
        if self.polled <= self.polls:
            self.status = "Queued" if self.polled == 1 else "Running"
        elif self.status not in DONE:
            self._finish(rows_of(self))
        return self.to_json()

    def _finish(self, rows: list[Document] | None) -> None:
        if rows is None:
            self.status, self.message = "Failed", "The view of this report no longer exists."
            return
        suffix, media_type, write = OUTPUTS[self.output]
        name = f"report-{datetime.now(UTC):%Y%m%d-%H%M}.{suffix}"
        self.file = ReportFile(str(uuid.uuid4()), name, media_type, write(rows))
        self.status = "Completed"


# Views: the columns of a device's rows, behind those that name it


def _counters_and_toner(device: Document) -> list[Document]:
    levels = {each["color"]: each["levelPercent"] for each in device["supplies"]}
    counters = {name.capitalize(): device["counters"].get(name) for name in COUNTERS}
    toner = {f"Toner{color.capitalize()}": levels.get(color) for color in COLORS}
    return [{"LastReport": device["lastReport"]} | counters | toner]


def _columns(part: str, *names: str) -> Callable[[Document], list[Document]]:
    """Return the view with a row for each of the device's supplies or alerts."""
    columns = {name: name[0].upper() + name[1:] for name in names}
    return lambda device: [{columns[name]: each[name] for name in names} for each in device[part]]


VIEWS: Mapping[str, Callable[[Document], list[Document]]] = {
    COUNTERS_AND_TONER: _counters_and_toner,
    SUPPLIES: _columns("supplies", "type", "color", "levelPercent", "partNumber"),
    ALERTS: _columns("alerts", "code", "text", "since"),
}


def report_rows(view: str, devices: Iterable[Described]) -> list[Document] | None:
    """Return the rows of a view; none when there is no such view."""
    columns = VIEWS.get(view)
    return columns and [names | row for device, names in devices for row in columns(device)]


# The forms of an answer


def as_csv(rows: list[Document]) -> str:
    """Return a line for each row, below the names of the columns."""
    out = io.StringIO()
    if rows:
        writer = csv.DictWriter(out, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    return out.getvalue()


def as_xml(value: Any, name: str = "Response") -> str:
    """Return a document in which objects are nested elements, and a list's members are called Item."""
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
"""By OutputFormat: the end of the file's name, its media type, and its writer."""
