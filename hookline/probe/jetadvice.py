"""The probe of JetAdvice: how it logs in, and how its records look; with `--write` one run of a report."""

import asyncio
from collections.abc import Mapping
from typing import Any, Final, Literal, cast

import httpx

from hookline.clients import NotFound, Operation
from hookline.clients.jetadvice import JetadviceClient, JetadviceUser
from hookline.clients.jetadvice.models import Device
from hookline.probe.frame import Exchange, Probe, step
from hookline.probe.shapes import folded, names_in

LISTS: Final[tuple[Operation[..., Any], ...]] = (
    JetadviceClient.list_levels,
    JetadviceClient.list_users,
    JetadviceClient.list_tags,
    JetadviceClient.list_views,
    JetadviceClient.list_reports,
    JetadviceClient.list_data_collectors,
    JetadviceClient.list_data_collector_ranges,
    JetadviceClient.get_documentation,
)
NO_SUCH_PATH: Final = (httpx.codes.NOT_FOUND, httpx.codes.METHOD_NOT_ALLOWED)
DEVICE_FIELDS: Final = {name.lower() for name in Device.model_fields}
SUPPLY_FIELDS: Final = {"color", "levelpercent"}
ASKED: Final = 30
"""Times that a report run is asked for, with waits of up to five seconds."""


@step("log-in", "Log in", confirms=("login-takes", "login-answers"))
async def log_in(probe: Probe) -> None:
    """See which of the two ways lets us in; the other steps go on with that."""
    user = cast("JetadviceUser", probe.client.auth)
    exchange = await probe.knock(JetadviceClient.login)
    form = user.form
    if exchange.status is not None and not httpx.codes.is_success(exchange.status):
        refused, form = exchange, _other(user.form)
        probe.client.auth = JetadviceUser(user.username, user.password, form)
        exchange = await probe.call(JetadviceClient.login)
        if exchange.error is not None:
            probe.client.auth = user
            seen = f"{user.form}: {refused.error}; {form}: {exchange.error}"
            probe.fails("login-takes", seen)
            return
    probe.saw("login-takes", form)
    if exchange.error is not None:
        probe.fails("login-answers", "it holds no token that we could find")
    else:
        probe.saw("login-answers", _kind_of_token(exchange.json))


@step("token", "Call with a token that is none", confirms=("forbidden-is-two-things",))
async def token(probe: Probe) -> None:
    """See how an ended session is told."""
    user = cast("JetadviceUser", probe.client.auth)
    dead = _Unrenewed(user.username, user.password, user.form)
    dead.session(probe.client.base_url).open("NONETOKENNONETOKENNO", seconds=60)
    probe.client.auth = dead
    try:
        exchange = await probe.knock(JetadviceClient.list_customers)
    finally:
        probe.client.auth = user
    if exchange.status == httpx.codes.FORBIDDEN:
        probe.holds("forbidden-is-two-things")
    else:
        probe.fails("forbidden-is-two-things", f"status {exchange.status}")


@step("customers", "List the customers", confirms=("lists-come", "ids-are", "names-are-spelt"))
async def customers(probe: Probe) -> None:
    """See how a list comes, and how its records are spelt."""
    exchange = await probe.call(JetadviceClient.list_customers)
    if exchange.error is not None:
        probe.fails("lists-come", f"{exchange.error}; it holds {names_in(exchange.json)}")
        return
    probe.saw("lists-come", "wrapped" if isinstance(exchange.json, Mapping) else "bare")
    for row in _rows(exchange)[:1]:
        name = next((name for name in row if name.lower() == "customerid"), "")
        probe.saw("names-are-spelt", "pascal" if name[:1].isupper() else "camel", f"{name!r}")
        probe.saw("ids-are", "texts" if isinstance(row.get(name), str) else "numbers")


@step(
    "devices",
    "List the devices",
    confirms=(
        "record-fields",
        "supplies-in-devices",
        "counters-and-alerts-in-devices",
        "counters-are",
        "times-are",
    ),
)
async def devices(probe: Probe) -> None:
    """See what a device has, which `supply-alert` lives by."""
    exchange = await probe.call(JetadviceClient.list_devices)
    rows = _rows(exchange)
    if exchange.error is not None:
        probe.fails("record-fields", f"{exchange.error}; a device has {names_in(next(iter(rows), None))}")
        return
    if not rows:
        return
    device = folded(rows[0])
    lacks = sorted(DEVICE_FIELDS - set(device))
    _judge(probe, "record-fields", not lacks, f"lacks {', '.join(lacks)}; has {names_in(rows[0])}")
    supply = _first(folded(each).get("supplies") for each in rows)
    _judge(
        probe, "supplies-in-devices", set(folded(supply)) >= SUPPLY_FIELDS, f"a supply has {names_in(supply)}"
    )
    counters = next((found for each in rows if (found := folded(folded(each).get("counters")))), {})
    is_there = "total" in counters and isinstance(device.get("alerts"), list)
    _judge(probe, "counters-and-alerts-in-devices", is_there, f"counters have {names_in(counters)}")
    if "total" in counters:
        probe.saw("counters-are", "texts" if isinstance(counters["total"], str) else "numbers")
    if reported := device.get("lastreport"):
        zoned = str(reported).endswith("Z") or "+" in str(reported)
        probe.saw("times-are", "utc" if zoned else "bare", f"{len(str(reported))} characters")


@step("filter", "List the devices of one customer", confirms=("customer-filter",))
async def narrowed(probe: Probe) -> None:
    """See if a list can be narrowed to a customer."""
    known = await probe.call(JetadviceClient.list_customers)
    if not known.answer or len(known.answer) == 1:
        return  # of one customer, a list that is not narrowed looks the same
    customer = known.answer[0].customerId
    exchange = await probe.call(JetadviceClient.list_devices, customerId=customer)
    others = [each for each in exchange.answer or () if each.customerId != customer]
    seen = str(exchange.error or f"{len(others)} devices of other customers")
    _judge(probe, "customer-filter", exchange.error is None and not others, seen)


@step("lists", "Read each other list", confirms=("paths",))
async def lists(probe: Probe) -> None:
    """See if the paths exist; a right that is missing says nothing of that."""
    statuses = {each.name: (await probe.knock(each)).status for each in LISTS}
    missing = [name for name, status in statuses.items() if status in NO_SUCH_PATH]
    _judge(probe, "paths", not missing, f"not there: {', '.join(missing)}")


@step(
    "report",
    "Run one report, and read its file",
    confirms=("report-runs", "run-inputs", "run-answer", "run-files"),
    writes=True,
    needs=("report",),
)
async def report(probe: Probe) -> None:
    """Run a report once; there is no way to take a run back, and it changes nothing."""
    asked = await probe.call(
        JetadviceClient.request_report_run, reportId=probe.inputs["report"], OutputFormat=1
    )
    if isinstance(asked.error, NotFound):
        raise asked.error  # such as: there is no such report
    if asked.error is not None:
        refused = asked.status is not None and httpx.codes.is_client_error(asked.status)
        probe.fails("run-inputs" if refused else "report-runs", str(asked.error))
        return
    ended = await _ended(probe, asked.answer.ReportRequestGuid)
    if ended.error is not None:
        probe.fails("run-answer", f"{ended.error}; it has {names_in(ended.json)}")
        return
    _judge(probe, "run-answer", ended.answer.Status in ("Completed", "Failed"), ended.answer.Status)
    file = _first([folded(ended.json).get("files")])
    if file is None:
        return
    probe.saw("run-files", "objects" if isinstance(file, Mapping) else "identifiers")
    read = await probe.call(JetadviceClient.get_report_file, fileId=ended.answer.Files[0].FileId)
    _judge(probe, "run-inputs", read.error is None, str(read.error))
    _judge(probe, "report-runs", read.error is None, str(read.error))


async def _ended(probe: Probe, guid: str) -> Exchange:
    """Ask for a run until it is over."""
    for number in range(ASKED):
        exchange = await probe.call(JetadviceClient.get_report_run, ReportRunGuid=guid)
        if exchange.error is not None or exchange.answer.Status not in ("Queued", "Running"):
            break
        await asyncio.sleep(min(0.5 * number, 5))
    return exchange


class _Unrenewed(JetadviceUser):
    """The same user, who does not log in again."""

    def session_ended(self, _answer: httpx.Response) -> bool:
        """Return False, whatever was answered."""
        return False


def _other(form: str) -> Literal["basic", "query"]:
    return "query" if form == "basic" else "basic"


def _kind_of_token(value: Any) -> str:
    if isinstance(value, str):
        return "json-text"
    return "object" if isinstance(value, Mapping) else "bare-text"


def _judge(probe: Probe, fact: str, holds: bool, seen: str) -> None:
    if holds:
        probe.holds(fact)
    else:
        probe.fails(fact, seen)


def _rows(exchange: Exchange) -> list[dict[str, Any]]:
    """Return the rows of a list, as they came."""
    value = exchange.json
    if isinstance(value, Mapping):
        value = next((part for part in value.values() if isinstance(part, list)), [])
    return [row for row in value or () if isinstance(row, dict)]


def _first(parts: Any) -> Any:
    """Return the first row of the first list that has one; None if there is none."""
    return next((part[0] for part in parts if isinstance(part, list) and part), None)
