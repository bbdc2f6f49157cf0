"""
A stand-in for JetAdvice's REST API, version 2: customers and their printers, and reports made by jobs.

Lists are whole, errors are plain text, and a caller who is not let in meets 403. Facts and how far they are known:
hookline/clients/jetadvice/facts.yaml.
"""

import base64
import binascii
import copy
import hmac
import secrets
import string
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, ClassVar

from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response

from hookline.simulators.control import Call, RefusedError, control, control_order, folded, operation
from hookline.simulators.faults import InvalidControlError, is_number
from hookline.simulators.jetadvice import seed
from hookline.simulators.jetadvice.reports import COUNTERS, OUTPUTS, ReportFile, Run, as_xml, report_rows
from hookline.simulators.jetadvice.spelling import spelt
from hookline.simulators.records import (
    Clock,
    Document,
    Listing,
    RecordSimulator,
    Table,
    Tokens,
    create,
    rows,
    update,
)

USER = "api@sandbox.example"
PASSWORD = "sandbox-jetadvice-password"  # noqa: S105  (opens nothing but the sandbox)
READER = "reader@sandbox.example"
READER_PASSWORD = "sandbox-jetadvice-reader"  # noqa: S105

TOKEN_HEADER = b"X-AuthKey"
TOKEN_LETTERS = 20
NO_TOKEN = "The token key is missing or invalid. Log in again."  # noqa: S105
READS, WRITES = "reads", "writes"
RUNS = ("request_report_run", "get_report_run")
"""The calls whose names a page shows: no dialect spells them otherwise."""


class JetadviceSimulator(RecordSimulator):
    """JetAdvice with a dealer's two API users, of whom one may only read."""

    vendor = "jetadvice"
    references: ClassVar[Mapping[str, str]] = {
        "customerId": "customers",
        "levelId": "levels",
        "parentLevelId": "levels",
        "viewId": "views",
        "tagIds": "tags",
    }

    # fmt: off
    list_customers             = rows("/customers", "customers")
    create_customer            = create("/customers", "customers")
    update_customer            = update("/customers/{id}", "customers")
    list_levels                = rows("/levels", "levels")
    create_level               = create("/levels", "levels")
    update_level               = update("/levels/{id}", "levels")
    list_users                 = rows("/users", "users")
    create_user                = create("/users", "users")
    update_user                = update("/users/{id}", "users")
    list_devices               = rows("/devices", "devices")
    update_device              = update("/devices/{id}", "devices")
    list_tags                  = rows("/tags", "tags")
    create_tag                 = create("/tags", "tags")
    list_views                 = rows("/views", "views")
    list_data_collectors       = rows("/datacollectors", "data_collectors")
    list_data_collector_ranges = rows("/datacollectorranges", "data_collector_ranges")
    list_reports               = rows("/reports", "reports")
    create_report              = create("/reports", "reports")
    # fmt: on

    def __init__(self, *, idle_seconds: float = 600, polls: int = 2, clock: Clock = time.monotonic) -> None:
        self.idle_seconds = idle_seconds
        """Seconds without a call after which a token lapses."""
        self.polls = polls
        """Polls that find a report's job not yet done."""
        self._tokens: Tokens[str] = Tokens(clock)
        super().__init__()

    def seed(self) -> None:
        """Set up two customers with seven printers; nobody logged in and no job."""
        self._tokens.clear()
        self.tables = seed.tables()
        self._runs: dict[str, Run] = {}
        self._files: dict[str, ReportFile] = {}

    def records(self) -> Document:
        """Return every record, and every job of a report."""
        runs = [
            {"ReportRequestGuid": run.guid, "reportId": run.report["reportId"]} | run.to_json()
            for run in self._runs.values()
        ]
        return super().records() | {"report_runs": runs}

    def end_sessions(self) -> None:
        """Let every token lapse."""
        self._tokens.clear()

    # The vendor's manners

    def authorize(self, call: Call) -> None:
        """Let a token in, and count its time from now; one of the reader only to read. All else is 403."""
        token = next((each for each in _tokens(call) if self._tokens.get(each)), "")
        opens = self._tokens.get(token)
        if opens is None:
            raise RefusedError(403, NO_TOKEN)
        self._tokens.add(token, self.idle_seconds, opens)
        if call.request.method in {"POST", "PUT"} and opens != WRITES:
            raise RefusedError(403, "You have insufficient rights for this operation.")

    def render(self, call: Call, value: Any) -> Response:
        """Answer JSON unless XML is asked for; a job's status the other way round, as at the vendor."""
        accepted = call.headers.get("accept", "")
        polls = call.operation.name == "get_report_run"
        if "json" not in accepted and (polls or "xml" in accepted):
            return Response(as_xml(value), media_type="application/xml")
        if call.operation.name == "login":
            return self._handed_out(value)
        if call.operation.name not in RUNS:
            value = spelt(self.dialect, value)
        return self._listed(value) if call.operation.lists else _answered(call, value)

    def _listed(self, rows: list[Document]) -> Response:
        """Answer a list."""
        if not rows and self.dialect["empty-lists-come"] == "no-content":
            return Response(status_code=204)
        if not rows and self.dialect["empty-lists-come"] == "nothing":
            return JSONResponse(None)
        wrapped = self.dialect["lists-come"] == "wrapped"
        return JSONResponse({"Items": rows, "Count": len(rows)} if wrapped else rows)

    def _handed_out(self, token: str) -> Response:
        """Answer a token."""
        match self.dialect["login-answers"]:
            case "bare-text":
                return PlainTextResponse(token)
            case "object":
                return JSONResponse({"Token": token})
            case _:
                return JSONResponse(token)

    def refusal(self, error: RefusedError) -> Response:
        """Answer a sentence for a person."""
        return PlainTextResponse(error.message, error.status)

    def listed(self, call: Call, listing: Listing) -> list[Document]:
        """Answer the whole list, or the records in it of the customer asked for."""
        scoped = "customerId" in self.tables[listing.table].kind.settable
        customer = self._customer_of(call) if scoped else None
        return [row for row in self.select(listing) if customer in (None, row.get("customerId"))]

    def _customer_of(self, call: Call) -> str | None:
        customer = folded(call.query).get("customerid")
        return None if customer is None else str(self.tables["customers"].one(customer)["customerId"])

    def check_reference(self, name: str, table: Table, key: Any, record: Document) -> None:
        """Check that what a record names exists, and is of the same customer."""
        super().check_reference(name, table, key, record)
        if table.kind.name == "level" and table.one(key)["customerId"] != record["customerId"]:
            raise RefusedError(400, f"{name}: level {key} is of another customer.")

    def check(self, table: Table, record: Document) -> None:
        """Check a record; besides, a level is not above itself."""
        super().check(table, record)
        above = record.get("parentLevelId")
        while above:
            if above == record["levelId"]:
                raise RefusedError(400, "parentLevelId: a level cannot be below itself.")
            above = table.one(above)["parentLevelId"]

    @operation("GET", "/login", public=True)
    def login(self, call: Call) -> Any:
        """Answer a token for a user's name and password."""
        name, password = _credentials(call, self.dialect["login-takes"])
        opens = None
        for user, secret, rights in ((USER, PASSWORD, WRITES), (READER, READER_PASSWORD, READS)):
            if hmac.compare_digest(f"{name.lower()}\n{password}".encode(), f"{user}\n{secret}".encode()):
                opens = rights
        if opens is None:
            raise RefusedError(403, "The user name or password is wrong, or the user lacks the API role.")
        token = "".join(secrets.choice(string.ascii_uppercase) for _ in range(TOKEN_LETTERS))
        self._tokens.add(token, self.idle_seconds, opens)
        return token

    @operation("GET", "/doc")
    def get_documentation(self, _: Call) -> Response:
        """Answer a page about the API."""
        calls = [f"<li>{verb} {each.path}</li>" for each in self.operations.values() for verb in each.verbs]
        body = f"<h1>Endpoints</h1><ul>{''.join(calls)}</ul>"
        return HTMLResponse(f"<html><head><title>JetAdvice API</title></head><body>{body}</body></html>")

    # Devices

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
        record = self.tables["devices"].named(device, "deviceId", "serialNumber")
        if color not in {each["color"] for each in record["supplies"]}:
            raise InvalidControlError(f"color: {device} has no {color} toner")
        if not is_number(percent, high=100):
            raise InvalidControlError("levelPercent: must be a number, 0 to 100")
        seed.report_level(record, color, percent, datetime.now(UTC))
        return copy.deepcopy(record)

    @control("POST", "/_sandbox/devices/{device}/counters")
    def _set_counters(self, call: Call) -> Any:
        counters = control_order(call, *COUNTERS, "lastReport")
        return self.set_counters(call.path["device"], counters.pop("lastReport", None), counters)

    def set_counters(self, device: str, at: str | None, counters: Mapping[str, Any]) -> Document:
        """
        Let a device report some of its counters, whatever they were before.

        Args:
            device: Id or serial number.
            at: When it reported; None: now.
            counters: The new count of each kind; None: it counts none of the kind.

        Raises:
            InvalidControlError: there is no such device, or a count is none.
        """
        record = self.tables["devices"].named(device, "deviceId", "serialNumber")
        for name, count in counters.items():
            if count is not None and not is_number(count, high=10**9):
                raise InvalidControlError(f"{name}: must be a number, 0 to 1000000000")
        seed.report_counters(record, counters, at)
        return copy.deepcopy(record)

    @control("DELETE", "/_sandbox/devices/{device}")
    def _delete_device(self, call: Call) -> Any:
        return self.delete_device(call.path["device"])

    def delete_device(self, device: str) -> Document:
        """
        Let a person delete a device at JetAdvice.

        Args:
            device: Id or serial number.

        Raises:
            InvalidControlError: there is no such device.
        """
        record = self.tables["devices"].named(device, "deviceId", "serialNumber")
        return self.tables["devices"].remove(record)

    # Reports

    @operation("GET", "/reports/RunRequest")
    def request_report_run(self, call: Call) -> Any:
        """Start a job, another one each time. A GET, and yet it does something."""
        query = folded(call.query)
        output = query.get("outputformat", "")
        if output not in OUTPUTS:
            raise RefusedError(400, f"OutputFormat must be one of {', '.join(OUTPUTS)}.")
        report = self.tables["reports"].one(_required(query, "reportId"))
        run = Run(report, self._customer_of(call), output, self.polls)
        self._runs[run.guid] = run
        return {"ReportRequestGuid": run.guid}

    @operation("GET", "/reports/RunResult")
    def get_report_run(self, call: Call) -> Any:
        """Answer the state of a job; once it is done and `NoDownload=true` is not given, the file itself."""
        query = folded(call.query)
        guid = _required(query, "ReportRunGuid")
        run = self._runs.get(guid.lower())
        if run is None:
            raise RefusedError(404, f"There is no report run {guid}.")
        state = run.poll(self._rows)  # fact: run-answer
        if self.dialect["run-files"] == "identifiers":
            state["Files"] = [each["FileId"] for each in state["Files"]]
        if run.file is None:
            return state
        self._files[run.file.file_id] = run.file
        return state if query.get("nodownload", "").lower() == "true" else _download(run.file)

    @operation("GET", "/reports/RunResultFile")
    def get_report_file(self, call: Call) -> Response:
        """Answer a file of a job that is done, in the form that the job was asked for."""
        key = _required(folded(call.query), "fileId")
        if key.lower() not in self._files:
            raise RefusedError(404, f"There is no file {key}.")
        return _download(self._files[key.lower()])

    def _rows(self, run: Run) -> list[Document] | None:
        """Return the report's rows of the devices in the scopes of the report and of the job."""
        scopes = {each for each in (run.report["customerId"], run.customer_id) if each}
        devices = [each for each in self.tables["devices"] if scopes <= {each["customerId"]}]
        return report_rows(run.report["viewId"], [(each, self._names(each)) for each in devices])

    def _names(self, device: Document) -> Document:
        customer = self.tables["customers"].one(device["customerId"])
        level = self.tables["levels"].get(device["levelId"]) or {}
        return {
            "Customer": customer["name"],
            "ExternalNumber": customer["externalNumber"],
            "Level": level.get("name"),
            "DeviceId": device["deviceId"],
            "SerialNumber": device["serialNumber"],
            "Manufacturer": device["manufacturer"],
            "Model": device["model"],
        }


def _tokens(call: Call) -> list[str]:
    """Return the tokens sent: in the header, whose name must be exactly right, or in the query, in any case."""
    sent = [value.decode("latin-1") for name, value in call.sent_headers if name == TOKEN_HEADER]
    return sent + [value for name, value in call.query.multi_items() if name.lower() == "x-authkey"]


def _credentials(call: Call, taken: str) -> tuple[str, str]:
    """Return user name and password of a log-in, from where they are taken."""
    if taken == "query":
        query = folded(call.query)
        return query.get("username", ""), query.get("password", "")
    scheme, _, encoded = call.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return "", ""
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


def _answered(call: Call, value: Any) -> Response:
    return JSONResponse(value, 201 if call.request.method == "POST" else 200)


def _download(file: ReportFile) -> Response:
    headers = {"Content-Disposition": f'attachment; filename="{file.name}"'}
    return Response(file.content, 200, headers, media_type=file.media_type)
