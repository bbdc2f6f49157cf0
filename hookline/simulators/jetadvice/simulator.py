"""
A stand-in for JetAdvice's REST API, version 2: customers and their printers, and reports made by jobs.

Lists are whole, errors are plain text, and whoever is not let in meets 403. Facts and how far they are known:
the vendor notes, section 3; the fields of the records are assumed.
"""

import base64
import binascii
import copy
import hmac
import secrets
import string
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response

from hookline.simulators.control import (
    Call,
    RefusedError,
    Simulator,
    control,
    control_order,
    folded,
    operation,
)
from hookline.simulators.faults import InvalidControlError
from hookline.simulators.jetadvice import records as kinds
from hookline.simulators.jetadvice import seed as jetadvice_seed
from hookline.simulators.jetadvice.devices import report_level
from hookline.simulators.jetadvice.records import Table
from hookline.simulators.jetadvice.reports import OUTPUTS, ReportFile, Run, as_xml, report_rows

Document = dict[str, Any]

USER = "api@sandbox.example"
PASSWORD = "sandbox-jetadvice-password"  # noqa: S105  (opens nothing but the sandbox)
READER = "reader@sandbox.example"
READER_PASSWORD = "sandbox-jetadvice-reader"  # noqa: S105

TOKEN_HEADER = b"X-AuthKey"
TOKEN_LETTERS = 20
WRITES = ("POST", "PUT")
NO_TOKEN = "The token key is missing or invalid. Log in again."  # noqa: S105


@dataclass(slots=True)
class Session:
    """Somebody who is logged in."""

    writes: bool
    until: float


class JetadviceSimulator(Simulator):
    """JetAdvice with a dealer's two API users, of whom one may only read."""

    vendor = "jetadvice"

    def __init__(
        self,
        *,
        idle_seconds: float = 600,
        polls: int = 2,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.idle_seconds = idle_seconds
        """Seconds without a call after which a token lapses."""
        self.polls = polls
        """Polls that find a report's job not yet done."""
        self._clock = clock
        super().__init__()

    def seed(self) -> None:
        """Two customers with seven printers; nobody logged in and no job."""
        self._sessions: dict[str, Session] = {}
        self._customers = Table(kinds.CUSTOMER, jetadvice_seed.customers())
        self._levels = Table(kinds.LEVEL, jetadvice_seed.levels())
        self._users = Table(kinds.USER, jetadvice_seed.users())
        self._devices = Table(kinds.DEVICE, jetadvice_seed.devices())
        self._tags = Table(kinds.TAG, jetadvice_seed.tags())
        self._views = Table(kinds.VIEW, jetadvice_seed.views())
        self._reports = Table(kinds.REPORT, jetadvice_seed.reports())
        self._collectors = Table(kinds.DATA_COLLECTOR, jetadvice_seed.data_collectors())
        self._ranges = Table(kinds.DATA_COLLECTOR_RANGE, jetadvice_seed.data_collector_ranges())
        self._runs: dict[str, Run] = {}
        self._files: dict[str, ReportFile] = {}

    def records(self) -> dict[str, Any]:
        """Every record, and every job of a report."""
        tables = {
            "customers": self._customers,
            "levels": self._levels,
            "users": self._users,
            "devices": self._devices,
            "tags": self._tags,
            "views": self._views,
            "reports": self._reports,
            "data_collectors": self._collectors,
            "data_collector_ranges": self._ranges,
        }
        rows: Document = {name: list(table.rows.values()) for name, table in tables.items()}
        runs = [
            {"ReportRequestGuid": run.guid, "reportId": run.report["reportId"]} | run.shown()
            for run in self._runs.values()
        ]
        return copy.deepcopy(rows | {"report_runs": runs})

    def end_sessions(self) -> None:
        """Let every token lapse."""
        self._sessions.clear()

    # The vendor's manners

    def authorize(self, call: Call) -> None:
        """Let a token in, and count its time anew; one of the reader only to read. All else is 403."""
        now = self._clock()
        session = next((each for each in map(self._sessions.get, _tokens(call)) if each), None)
        if session is None or session.until <= now:
            raise RefusedError(403, NO_TOKEN)
        session.until = now + self.idle_seconds
        if call.request.method in WRITES and not session.writes:
            raise RefusedError(403, "You have insufficient rights for this operation.")

    def render(self, call: Call, value: Any) -> Response:
        """JSON unless XML is asked for; a job's status the other way round, as at the vendor."""
        accepted = call.headers.get("accept", "")
        polls = call.operation.name == "get_report_run"
        if "json" not in accepted and (polls or "xml" in accepted):
            return Response(as_xml(value), media_type="application/xml")
        return JSONResponse(value, 201 if call.request.method == "POST" else 200)

    def refusal(self, error: RefusedError) -> Response:
        """A sentence for a person."""
        return PlainTextResponse(error.message, error.status)

    @operation("GET", "/login", public=True)
    def login(self, call: Call) -> Any:
        """A token for a user's name and password, in the header or in the query (both assumed)."""
        name, password = _credentials(call)
        writes = None
        for user, secret, may_write in ((USER, PASSWORD, True), (READER, READER_PASSWORD, False)):
            if hmac.compare_digest(f"{name.lower()}\n{password}".encode(), f"{user}\n{secret}".encode()):
                writes = may_write
        if writes is None:
            raise RefusedError(403, "The user name or password is wrong, or the user lacks the API role.")
        now = self._clock()
        self._sessions = {token: each for token, each in self._sessions.items() if each.until > now}
        token = "".join(secrets.choice(string.ascii_uppercase) for _ in range(TOKEN_LETTERS))
        self._sessions[token] = Session(writes, now + self.idle_seconds)
        return token

    @operation("GET", "/doc")
    def get_documentation(self, _: Call) -> Response:
        """A page about the API."""
        rows = "".join(
            f"<li>{verb} {each.path}</li>" for each in self.operations.values() for verb in each.verbs
        )
        return HTMLResponse(
            f"<html><head><title>JetAdvice API</title></head><body><h1>Endpoints</h1><ul>{rows}</ul></body></html>"
        )

    # Customers, levels, users

    @operation("GET", "/customers")
    def list_customers(self, _: Call) -> Any:
        """Every customer."""
        return list(self._customers.rows.values())

    @operation("POST", "/customers")
    def create_customer(self, call: Call) -> Any:
        """Add a customer; another one each time, also of the same name."""
        return self._create(self._customers, call)

    @operation("PUT", "/customers/{id}")
    def update_customer(self, call: Call) -> Any:
        """Change a customer."""
        return self._update(self._customers, call)

    @operation("GET", "/levels")
    def list_levels(self, call: Call) -> Any:
        """Levels."""
        return self._listed(self._levels, call)

    @operation("POST", "/levels")
    def create_level(self, call: Call) -> Any:
        """Add a level; another one each time."""
        return self._create(self._levels, call)

    @operation("PUT", "/levels/{id}")
    def update_level(self, call: Call) -> Any:
        """Change a level."""
        return self._update(self._levels, call)

    @operation("GET", "/users")
    def list_users(self, call: Call) -> Any:
        """Users."""
        return self._listed(self._users, call)

    @operation("POST", "/users")
    def create_user(self, call: Call) -> Any:
        """Add a user; a name that is taken is refused."""
        return self._create(self._users, call)

    @operation("PUT", "/users/{id}")
    def update_user(self, call: Call) -> Any:
        """Change a user."""
        return self._update(self._users, call)

    # Devices

    @operation("GET", "/devices")
    def list_devices(self, call: Call) -> Any:
        """Devices with counters, supplies and alerts."""
        return self._listed(self._devices, call)

    @operation("PUT", "/devices/{id}")
    def update_device(self, call: Call) -> Any:
        """Change what is kept about a device; what it reports itself stays."""
        return self._update(self._devices, call)

    @control("POST", "/_sandbox/devices/{device}/supplies/{color}")
    def _set_supply(self, call: Call) -> Any:
        percent = control_order(call, "levelPercent").get("levelPercent")
        return self.set_supply(call.path["device"], call.path["color"], percent)

    def set_supply(self, device: str, color: str, percent: Any) -> Document:
        """
        Let a device report the level of one of its toners: used up, or a new cartridge put in.

        At 10 % and below the device raises an alert, above it the alert ends.

        Args:
            device: Id or serial number.
            color: `black`, `cyan`, `magenta` or `yellow`.
            percent: The level, 0 to 100.

        Raises:
            InvalidControlError: there is no such device or toner, or the level is none.
        """
        found = next(
            (
                each
                for each in self._devices.rows.values()
                if device in (each["deviceId"], each["serialNumber"])
            ),
            None,
        )
        if found is None:
            raise InvalidControlError(f"device: there is no device {device}")
        if color not in {each["color"] for each in found["supplies"]}:
            raise InvalidControlError(f"color: {device} has no {color} toner")
        if isinstance(percent, bool) or not isinstance(percent, int | float) or not 0 <= percent <= 100:  # noqa: PLR2004
            raise InvalidControlError("levelPercent: must be a number, 0 to 100")
        report_level(found, color, percent, datetime.now(UTC))
        return copy.deepcopy(found)

    # Tags, views, data collectors

    @operation("GET", "/tags")
    def list_tags(self, _: Call) -> Any:
        """Every tag."""
        return list(self._tags.rows.values())

    @operation("POST", "/tags")
    def create_tag(self, call: Call) -> Any:
        """Add a tag; another one each time."""
        return self._create(self._tags, call)

    @operation("GET", "/views")
    def list_views(self, _: Call) -> Any:
        """Every view."""
        return list(self._views.rows.values())

    @operation("GET", "/datacollectors")
    def list_data_collectors(self, call: Call) -> Any:
        """Data collectors."""
        return self._listed(self._collectors, call)

    @operation("GET", "/datacollectorranges")
    def list_data_collector_ranges(self, call: Call) -> Any:
        """The addresses that data collectors search."""
        return self._listed(self._ranges, call)

    # Reports

    @operation("GET", "/reports")
    def list_reports(self, call: Call) -> Any:
        """Reports."""
        return self._listed(self._reports, call)

    @operation("POST", "/reports")
    def create_report(self, call: Call) -> Any:
        """Add a report; another one each time."""
        return self._create(self._reports, call)

    @operation("GET", "/reports/RunRequest")
    def request_report_run(self, call: Call) -> Any:
        """Start a job, another one each time. A GET, and yet it does something."""
        query = folded(call.query)
        output = query.get("outputformat", "")
        if output not in OUTPUTS:
            raise RefusedError(400, f"OutputFormat must be one of {', '.join(OUTPUTS)}.")
        report = self._reports.one(_required(query, "reportId"))
        run = Run(report, self._customer_asked_for(call), output, self.polls)
        self._runs[run.guid] = run
        return {"ReportRequestGuid": run.guid}

    @operation("GET", "/reports/RunResult")
    def get_report_run(self, call: Call) -> Any:
        """How a job stands; once it is done and `NoDownload=true` is not given, the file itself."""
        query = folded(call.query)
        guid = _required(query, "ReportRunGuid")
        run = self._runs.get(guid.lower())
        if run is None:
            raise RefusedError(404, f"There is no report run {guid}.")
        told = run.poll(self._rows)
        if run.file is None:
            return told
        self._files[run.file.file_id] = run.file
        return told if query.get("nodownload", "").lower() == "true" else _download(run.file)

    @operation("GET", "/reports/RunResultFile")
    def get_report_file(self, call: Call) -> Response:
        """A file of a job that is done, in the form that the job was asked for, whatever is accepted."""
        key = _required(folded(call.query), "fileId")
        if key.lower() not in self._files:
            raise RefusedError(404, f"There is no file {key}.")
        return _download(self._files[key.lower()])

    def _rows(self, run: Run) -> list[Document] | None:
        """What the report shows of the devices in the scopes of the report and of the job."""
        scopes = {each for each in (run.report["customerId"], run.customer_id) if each}
        return report_rows(
            run.report["viewId"],
            (
                (each, self._names(each))
                for each in self._devices.rows.values()
                if scopes <= {each["customerId"]}
            ),
        )

    def _names(self, device: Document) -> Document:
        customer = self._customers.one(device["customerId"])
        return {
            "Customer": customer["name"],
            "ExternalNumber": customer["externalNumber"],
            "Level": self._levels.rows.get(device["levelId"], {}).get("name"),
            "DeviceId": device["deviceId"],
            "SerialNumber": device["serialNumber"],
            "Manufacturer": device["manufacturer"],
            "Model": device["model"],
        }

    # What the kinds of records have in common

    def _listed(self, table: Table, call: Call) -> list[Document]:
        """The whole list, or what of it belongs to the customer asked for."""
        customer = self._customer_asked_for(call)
        return [row for row in table.rows.values() if customer in (None, row["customerId"])]

    def _customer_asked_for(self, call: Call) -> str | None:
        customer = folded(call.query).get("customerid")
        return None if customer is None else str(self._customers.one(customer)["customerId"])

    def _create(self, table: Table, call: Call) -> Document:
        record = table.draft(_body(call))
        self._check(table, record)
        return table.keep(record)

    def _update(self, table: Table, call: Call) -> Document:
        record = table.changed(call.path["id"], _body(call))
        self._check(table, record)
        return table.keep(record)

    def _check(self, table: Table, record: Document) -> None:
        """Does all that a record names exist, and belong to the same customer?"""
        for name, named in (
            ("customerId", self._customers),
            ("levelId", self._levels),
            ("parentLevelId", self._levels),
            ("viewId", self._views),
        ):
            key = record.get(name)
            if not key or name == table.kind.key:
                continue
            found = named.rows.get(key)
            if found is None:
                raise RefusedError(400, f"{name}: there is no {named.kind.name} {key}.")
            if named is self._levels and found["customerId"] != record["customerId"]:
                raise RefusedError(400, f"{name}: level {key} is of another customer.")
        for tag in record.get("tagIds", ()):
            if tag not in self._tags.rows:
                raise RefusedError(400, f"tagIds: there is no tag {tag}.")
        if table is self._levels:
            self._check_above(record)
        if table is self._users:
            self._check_user_name(record)

    def _check_above(self, level: Document) -> None:
        """A level is not above itself."""
        above = level["parentLevelId"]
        while above:
            if above == level["levelId"]:
                raise RefusedError(400, "parentLevelId: a level cannot be below itself.")
            above = self._levels.rows[above]["parentLevelId"]

    def _check_user_name(self, user: Document) -> None:
        for each in self._users.rows.values():
            if each["userName"] == user["userName"] and each["userId"] != user["userId"]:
                raise RefusedError(400, f"userName: {user['userName']} is already in use.")


def _tokens(call: Call) -> list[str]:
    """The tokens given: in the header, whose name must be exactly right, or in the query, however it is written."""
    sent = [value.decode("latin-1") for name, value in call.sent_headers if name == TOKEN_HEADER]
    return sent + [value for name, value in call.query.multi_items() if name.lower() == "x-authkey"]


def _credentials(call: Call) -> tuple[str, str]:
    """User name and password of a log-in."""
    scheme, _, encoded = call.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        query = folded(call.query)
        return query.get("username", ""), query.get("password", "")
    try:
        name, _, password = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    return name, password


def _required(query: Mapping[str, str], name: str) -> str:
    value = query.get(name.lower(), "")
    if not value:
        raise RefusedError(400, f"{name} must be given.")
    return value


def _download(file: ReportFile) -> Response:
    headers = {"Content-Disposition": f'attachment; filename="{file.name}"'}
    return Response(file.content, 200, headers, media_type=file.media_type)


def _body(call: Call) -> Document:
    try:
        body = call.json()
    except ValueError:
        raise RefusedError(400, "The body cannot be parsed as JSON.") from None
    if not isinstance(body, dict):
        raise RefusedError(400, "The body must be a JSON object.")
    return body
