"""The table of a run of `meter-billing` in the Prefect UI, and its final state."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from prefect.artifacts import acreate_table_artifact
from prefect.client.schemas.objects import State
from prefect.runtime import flow_run
from prefect.states import Completed, Failed

from flows.meter_orders import Made
from flows.meters import Bill, LeftOut, Plan, Readings
from flows.report import artifact_key
from hookline.account_keys import label_at
from hookline.catalog import Meters
from hookline.clients.jetadvice.models import Customer
from hookline.record_links import Record, record_link
from hookline.settings import settings
from hookline.text import markdown
from tasks.about import about

MAX_ROWS: Final = 2_000
MAX_REASONS: Final = 50
ALL: Final = "all devices"
COLUMNS: Final = {
    "customer": "customer",
    "device": "device",
    "kind": "kind",
    "from": "start",
    "to": "end",
    "clicks": "clicks",
    "part": "part",
    "order": "order",
    "note": "note",
    "problem": "problem",
}
"""The columns of the table, and what an entry calls each."""


@dataclass(frozen=True)
class Entry:
    """A row: the clicks of a kind of one device, or of all of a customer's; or what is left to a person."""

    customer: str
    device: str = ""
    kind: str = ""
    start: int | None = None
    end: int | None = None
    clicks: int | None = None
    part: str = ""
    order: str = ""
    note: str = ""
    problem: str = ""
    records: Mapping[str, Record] = field(default_factory=dict)
    """The records that cells lead to, by their column."""

    def cells(self, addresses: Mapping[str, str]) -> dict[str, str]:
        """Return the row for people, inert in Markdown but for the links to records."""
        return {
            column: self._cell(column, getattr(self, name), addresses) for column, name in COLUMNS.items()
        }

    def _cell(self, column: str, value: object, addresses: Mapping[str, str]) -> str:
        text = "" if value is None else str(value)
        record = self.records.get(column)
        return record_link(replace(record, name=text), addresses) if text and record else markdown(text)


def named(customer: Customer) -> str:
    """Return what people call a customer."""
    return " ".join(each for each in (customer.name, customer.externalNumber or customer.customerId) if each)


def entries_of(
    rules: Meters, made: Made, bill: Bill, *, order: Record | None = None, note: str = "", problem: str = ""
) -> list[Entry]:
    """Return the rows of a bill: those of its order, then those of its devices."""
    whose = named(made.customer)
    number = order.name if order else ""
    customer = Record("jetadvice", "customer", made.customer.customerId, made.jetadvice)
    records = {"customer": customer} | ({"order": order} if order else {})
    found = []
    for kind, clicks in bill.quantities.items():
        included = sum(line.clicks for line in bill.lines if line.kind == kind) - clicks
        about = ", ".join(each for each in (f"{included} included" if included else "", note) if each)
        part = rules.parts.get(kind, "") if clicks else ""
        found.append(Entry(whose, ALL, kind, None, None, clicks, part, number, about, problem, records))
    found += [
        Entry(
            whose,
            f"{line.model} {line.serial} ({line.device})".strip(),
            line.kind,
            line.start,
            line.end,
            line.clicks,
            note=line.note,
            records={
                "customer": customer,
                "device": Record("jetadvice", "device", line.device, made.jetadvice),
            },
        )
        for line in bill.lines
    ]
    rest = Entry(whose, order=number, note=note, problem=problem, records=records)
    return found or ([rest] if problem else [])


def left_out(whose: str, devices: Iterable[LeftOut]) -> list[Entry]:
    """Return the rows of devices that are left to a person."""
    return [Entry(whose, each.device, problem=each.problem) for each in devices]


def nobodys(plan: Plan) -> list[Entry]:
    """Return the rows of devices whose customer JetAdvice does not have."""
    whose = f"customer {plan.customer}" if plan.customer else "nobody"
    devices = {line.device: f"{line.model} {line.serial} ({line.device})".strip() for line in plan.lines}
    problem = (
        f"JetAdvice has no customer {plan.customer}: nothing is billed. Give the device its customer there."
    )
    return [
        *left_out(whose, plan.left_out),
        *(Entry(whose, name, problem=problem) for name in devices.values()),
    ]


async def conclude(
    workflow: str,
    period: str,
    readings: Readings,
    entries: Sequence[Entry],
    *,
    dry_run: bool,
    accounts: Mapping[str, str],
) -> State[None]:
    """Make the table and the final state of a run; its name says the accounts that are not the `default` ones."""
    orders = len({(each.customer, each.order) for each in entries if each.device == ALL and each.part})
    problems = [each for each in entries if each.problem]
    devices = {(each.customer, each.device, each.problem) for each in problems}
    number = f"{orders} {'order' if orders == 1 else 'orders'}"
    what = f"{number} of {period}{' proposed' if dry_run else ''}"
    taken = f"from readings {readings.number} of {readings.taken:%Y-%m-%d %H:%M} UTC"
    summary = f"{what}, {taken}; left to a person: {len(devices) or 'nothing'}"
    if flow_run.id and entries:
        rest = len(entries) - MAX_ROWS
        more = f". {rest} more rows are not here: see them by `customers`" if rest > 0 else ""
        await acreate_table_artifact(
            key=artifact_key(label_at(workflow, **accounts)),
            description=markdown(label_at(summary + more, **accounts)),
            table=[each.cells(settings().record_urls) for each in sorted(entries, key=_by_need)[:MAX_ROWS]],
        )
    left = f", {len(devices)} left to a person" if devices else ""
    name = label_at(f"meters of {period}", **accounts)
    await about(f"{name}: {number}{' proposed' if dry_run else ''}{left}")
    reasons = [f"{each.device or each.kind} of {each.customer}: {each.problem}" for each in problems]
    more_reasons = [f"and {len(reasons) - MAX_REASONS} more"] if len(reasons) > MAX_REASONS else []
    text = "\n".join([summary, *dict.fromkeys(reasons[:MAX_REASONS]), *more_reasons])
    if dry_run:
        return Completed(name="Proposed" if entries else "Nothing to bill", message=text)
    if problems:
        return Failed(
            message=f"{text}\nOnce their causes are fixed, run it again: it completes what is missing."
        )
    return Completed(name="Completed" if orders else "Nothing to bill", message=text)


def _by_need(entry: Entry) -> tuple[bool, str]:
    """Order rows so that what a person must see comes first, and a customer's rows stay together."""
    return not entry.problem, entry.customer
