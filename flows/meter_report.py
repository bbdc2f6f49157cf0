"""The readings of a month: a report that JetAdvice makes in a job, begun once, polled, read, and written down."""

import asyncio
import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from prefect.runtime import flow_run
from pydantic import TypeAdapter, ValidationError

from blocks.jetadvice import JetadviceCredentials
from flows.meters import Reading, Readings
from hookline import context
from hookline.catalog import Meters
from hookline.clients import NotFound
from hookline.clients.jetadvice.models import Device, ReportRun
from hookline.clients.models import Moment
from hookline.errors import HooklineError
from hookline.journal import Outcome
from hookline.settings import settings
from hookline.text import one_line
from tasks import jetadvice as jetadvice_tasks
from tasks.effects import BusinessKey, remembered, run_write, steps_of

WORKFLOW: Final = "meter-billing"
JSON: Final = 5
MAX_POLL_SECONDS: Final = 60.0
MAX_ROWS: Final = 50_000
MAX_COUNT: Final = 10**12
_moment: Final = TypeAdapter[datetime | None](Moment)


class ReportEnded(HooklineError):
    """A report that brings no readings any more: another one must be begun."""


class ReportExpired(ReportEnded):
    """JetAdvice no longer has a report that was begun."""


def month_of(period: str, jetadvice: str) -> BusinessKey:
    """Return the key of the readings of a month."""
    return BusinessKey(WORKFLOW, f"meters {period}", f"meters of {period}").at(jetadvice=jetadvice)


def month_to_bill(period: str | None) -> str:
    """Return the month that is billed: the last one, unless it is said; raises HooklineError for one to come."""
    today = datetime.now(UTC)
    month = period or f"{today.replace(day=1) - timedelta(days=1):%Y-%m}"
    if month > f"{today:%Y-%m}":
        raise HooklineError(f"{month} has not begun: there are no readings of it.")
    return month


async def recorded(business: BusinessKey, value: Mapping[str, Any]) -> Mapping[str, Any]:
    """Write down a value at this step of a business, once; return what was written down first."""
    found = [each for each in await steps_of(business, business.step_name) if each.name == business.step_name]
    value = found[0].request if found else value

    async def send() -> Outcome:
        return Outcome()

    if not (found and found[0].is_done):
        await run_write(business, business.step_name, "hookline.choose", value, send, resend=True)
    return value


async def readings_of(
    jetadvice: JetadviceCredentials, rules: Meters, period: str, *, newest: bool, may_begin: bool
) -> Readings:
    """
    Return the readings of a month: those that were taken last, or newer ones.

    A report that was begun and not read is gone on with, whatever died meanwhile.

    Args:
        jetadvice: where the report is made.
        rules: of the catalog.
        period: the month.
        newest: take new readings, although there are some; once for a flow run.
        may_begin: begin a report where there are no readings.

    Raises:
        HooklineError: there are none, or JetAdvice has not made the report.
    """
    business, prefix = month_of(period, jetadvice.stored_as), f"report {rules.report}: "
    steps = {each.name.removeprefix(prefix): each for each in await steps_of(business, prefix)}
    begun = max((int(name) for name in steps if name.isdigit()), default=0)
    taken = max((int(name.split()[0]) for name in steps if name.endswith(" readings")), default=0)
    is_open = begun > taken and f"{begun} ended" not in steps
    number = begun if is_open else begun + 1
    if newest and (run := flow_run.id or context.dispatch_id()):
        [chosen] = await remembered(business, f"newest for {run}", lambda: [str(number)], expected=1)
        number = int(chosen)
    elif taken and not newest:
        return Readings.model_validate(await recorded(business.step(f"{prefix}{taken} readings"), {}))
    if not may_begin:
        raise HooklineError(
            f"No readings of {period} were proposed, so there is nothing to bill that a person has seen. Run it with "
            "dry_run first and look at its table; or bill the newest readings at once: readings: newest."
        )
    while f"{number} ended" in steps:  # a run that was begun again
        number += 1
    for attempt in (number, number + 1):
        step = business.step(f"{prefix}{attempt} readings")
        if f"{attempt} readings" in steps:
            return Readings.model_validate(await recorded(step, {}))
        try:
            return await _taken(jetadvice, rules, business, prefix, attempt)
        except ReportEnded as error:
            ended = error
        reason = one_line(ended)
        await remembered(business, f"{prefix}{attempt} ended", lambda: [reason])  # noqa: B023
        if not isinstance(ended, ReportExpired):
            break
    raise ended


async def _taken(
    jetadvice: JetadviceCredentials, rules: Meters, business: BusinessKey, prefix: str, number: int
) -> Readings:
    """Begin a report, or go on with it; write down its readings and return them."""
    begun = await jetadvice_tasks.request_report_run(
        jetadvice, business.step(f"{prefix}{number}"), reportId=rules.report, OutputFormat=JSON
    )
    try:
        run = await _completed(jetadvice, rules, begun.ReportRequestGuid)
        files = [await jetadvice_tasks.get_report_file(jetadvice, fileId=each.FileId) for each in run.Files]
    except NotFound as error:
        raise ReportExpired(
            f"JetAdvice no longer has the report that was begun for it. The next run begins another one. ({error})"
        ) from None
    if not (rows := [row for file in files for row in rows_of(file)]):
        raise ReportEnded(
            f"JetAdvice's report {rules.report} is empty: nothing is billed. See at JetAdvice which devices it has; "
            "the next run begins another one."
        )
    devices = await jetadvice_tasks.list_devices(jetadvice)
    readings = Readings(number=number, taken=datetime.now(UTC), rows=read_rows(rows, devices, rules))
    step = business.step(f"{prefix}{number} readings")
    return Readings.model_validate(await recorded(step, readings.model_dump(mode="json")))


async def _completed(jetadvice: JetadviceCredentials, rules: Meters, guid: str) -> ReportRun:
    """Wait until JetAdvice has made a report."""
    for delay in _delays(rules.report_within.total_seconds()):
        run = await jetadvice_tasks.get_report_run(jetadvice, ReportRunGuid=guid)
        match run.Status.casefold():  # fact: run-answer
            case "completed":
                return run
            case "failed":
                raise ReportEnded(
                    f"JetAdvice could not make report {rules.report}: {run.Message or 'it does not say why'}. See to "
                    "it there; the next run begins another one."
                )
        with context.waiting("waits for JetAdvice's report", grace=0):
            await asyncio.sleep(delay)
    raise HooklineError(
        f"JetAdvice still says {run.Status or 'nothing'} of report {rules.report}, and it was waited for as long as "
        "meters.report_within says. Run it again: it goes on with the same report."
    )


def _delays(limit: float) -> Iterator[float]:
    """Yield growing times to wait, until they come to the limit."""
    delay, waited = settings().retry_seconds, 0.0
    while waited < limit:
        yield min(delay, limit - waited)
        waited += delay
        delay = min(delay * 2, MAX_POLL_SECONDS)


def rows_of(file: str) -> list[Mapping[str, Any]]:
    """
    Return the rows of a report's file, by the names of their columns in small letters.

    Raises:
        ReportEnded: it has none.
    """
    if not file.strip():
        return []
    try:
        value = json.loads(file, parse_float=Decimal)
    except (ValueError, RecursionError):
        value = None
    if isinstance(value, Mapping):  # its rows, under whatever name
        lists = [part for part in value.values() if isinstance(part, list)]
        value = lists[0] if len(lists) == 1 else None
    if not isinstance(value, list) or not all(isinstance(row, Mapping) for row in value):
        raise ReportEnded(
            f"The file of JetAdvice's report is no list of rows: it begins {one_line(file, 80)!r}. The next run begins "
            "another one."
        )
    if len(value) > MAX_ROWS:
        raise ReportEnded(
            f"JetAdvice's report has {len(value):,} rows, more than {MAX_ROWS:,}. Divide it there, and name a part of "
            "it in meters.report."
        )
    return [{str(name).casefold(): part for name, part in row.items()} for row in value]


def read_rows(rows: list[Mapping[str, Any]], devices: Iterable[Device], rules: Meters) -> list[Reading]:
    """
    Return the reading of each device of a report.

    A device that is in it twice has its later reading; one of the same time and other meters cannot be used.

    Raises:
        ReportEnded: the report lacks a column that the catalog names.
    """
    columns = {name for row in rows for name in row}  # fact: report-columns
    needed = [rules.device_column, rules.reported_column, *rules.parts]
    if missing := [name for name in needed if name.casefold() not in columns]:
        raise ReportEnded(
            f"JetAdvice's report {rules.report} has no column {', '.join(missing)}; it has "
            f"{', '.join(sorted(columns))}. Correct `meters` in catalog.yaml, or the report."
        )
    known: dict[str, Device] = {}
    for device in devices:
        known |= {device.serialNumber: device} if device.serialNumber else {}
        known |= {device.deviceId: device}
    found: dict[str, Reading] = {}
    for number, row in enumerate(rows, 1):
        reading = _read(row, known, rules, number)
        found[reading.device] = _later(found.get(reading.device, reading), reading)
    return list(found.values())


def _read(row: Mapping[str, Any], known: Mapping[str, Device], rules: Meters, number: int) -> Reading:
    name = str(row.get(rules.device_column.casefold()) or "").strip()
    if not name:
        return Reading(device=f"row {number}", problem="The row names no device.")
    device = known.get(name) or Device(
        deviceId=name, serialNumber=_text(row, "serialnumber"), model=_text(row, "model")
    )
    counters: dict[str, int] = {}
    at, problem = None, ""
    try:
        at = _time(row.get(rules.reported_column.casefold()))
        for kind in rules.parts:
            if (count := _count(row.get(kind.casefold()), kind)) is not None:
                counters[kind] = count
    except ValueError as error:
        problem = str(error)
    return Reading(
        device=device.deviceId,
        serial=device.serialNumber,
        model=device.model,
        customer=device.customerId,
        at=at,
        counters=counters,
        problem=problem,
    )


def _later(one: Reading, other: Reading) -> Reading:
    """Return the later of two readings of a device."""
    if one == other or other.problem or other.at is None:
        return one
    if one.problem or one.at is None or one.at < other.at:
        return other
    if one.at > other.at:
        return one
    return one.model_copy(
        update={"problem": f"The report has it twice, with other meters at {one.at:%Y-%m-%d %H:%M} UTC."}
    )


def _time(value: Any) -> datetime | None:
    try:
        at = _moment.validate_python(value)
    except ValidationError:
        raise ValueError(f"The time of its reading cannot be read: {one_line(value, 40)!r}.") from None
    if at is None:
        return None
    return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)  # fact: times-are


def _count(value: Any, kind: str) -> int | None:
    """Return a counter, which may come as text; None where the device has none. Thousands are not separated."""
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    try:
        count = Decimal(str(value).strip()) if not isinstance(value, bool) else Decimal("NaN")
    except InvalidOperation:
        count = Decimal("NaN")
    if not count.is_finite() or count != count.to_integral_value() or not 0 <= count <= MAX_COUNT:
        raise ValueError(f"{kind} is no count of clicks: {one_line(value, 40)!r}.")
    return int(count)


def _text(row: Mapping[str, Any], name: str) -> str:
    return one_line(row.get(name) or "", 100)
