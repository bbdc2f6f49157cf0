"""Meters: what is billed of the readings of a month, and what is left to a person. Nothing is read or written here."""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from pydantic import BaseModel, ConfigDict

from hookline.catalog import Meters
from hookline.errors import HooklineError

FIRST: Final = "first reading: billed from here on"
STARTED: Final = "from the starting reading in catalog.yaml"
BEGAN_AGAIN: Final = "the counter began again: billed from 0, as a person confirmed"
MOVED: Final = "moved here since its last bill, as a person confirmed"
FUTURE: Final = timedelta(days=1)
"""A reading later than this after now has a wrong time; up to it, it may be of another time zone."""


class _Stored(BaseModel):
    model_config = ConfigDict(frozen=True)


class Reading(_Stored):
    """The meters of one device, as the report has them."""

    device: str
    """JetAdvice's id, or what the report has in its place."""
    serial: str = ""
    model: str = ""
    customer: str = ""
    """JetAdvice's id of its customer when the report was read; "" for a device that JetAdvice does not list."""
    at: datetime | None = None
    counters: dict[str, int] = {}
    """By kind of click, as the catalog spells it."""
    problem: str = ""
    """Why it cannot be used; "" if it can."""

    def named_in(self, names: Collection[str]) -> bool:
        """Return True if a person named the device, by its id or its serial number."""
        return self.device in names or (bool(self.serial) and self.serial in names)


class Readings(_Stored):
    """The readings of a report, and when they were taken."""

    number: int
    taken: datetime
    rows: list[Reading]


class Line(_Stored):
    """One kind of click of one device in a bill: from the last billed reading to this one."""

    device: str
    serial: str
    model: str
    kind: str
    start: int
    end: int
    at: datetime
    """When the device had the reading `end`."""
    note: str = ""

    @property
    def clicks(self) -> int:
        """The clicks that are billed."""
        return self.end - self.start


class Bill(_Stored):
    """What is billed to a customer for a month: written down before its order is made, and never changed."""

    period: str
    lines: list[Line] = []
    quantities: dict[str, int] = {}
    """By kind, the clicks of all devices without those that are included."""
    gone: dict[str, datetime] = {}
    """Devices that a person was asked about because they are gone, by the time of their last billed reading."""

    @property
    def needs_order(self) -> bool:
        """True if there is anything to charge."""
        return any(self.quantities.values())


@dataclass
class Ledger:
    """The bills of all customers: which months they have, and the last billed reading of each device and kind."""

    bills: dict[str, dict[str, Bill]] = field(default_factory=dict)
    """By customer and month."""
    last: dict[str, dict[str, Line]] = field(default_factory=dict)
    customers: dict[str, str] = field(default_factory=dict)
    """By device, the customer to whom it was billed last."""
    gone: dict[str, datetime] = field(default_factory=dict)

    def add(self, customer: str, bill: Bill) -> None:
        """Add a bill; those of a customer from the oldest on. Of each device and kind the latest reading counts."""
        self.bills.setdefault(customer, {})[bill.period] = bill
        self.gone |= {device: at for device, at in bill.gone.items() if at >= self.gone.get(device, at)}
        for line in bill.lines:
            newest = self.billed_at(line.device)
            if newest is None or line.at >= newest:
                self.customers[line.device] = customer
            of_device = self.last.setdefault(line.device, {})
            serial = next((each.serial for each in of_device.values()), line.serial)
            if serial and line.serial and line.serial != serial:  # another machine: its counters are others
                if newest is not None and line.at <= newest:
                    continue
                of_device.clear()
            if line.kind not in of_device or line.at >= of_device[line.kind].at:
                of_device[line.kind] = line

    def billed_at(self, device: str) -> datetime | None:
        """Return the time of the last billed reading of a device; None if none was billed."""
        return max((line.at for line in self.last.get(device, {}).values()), default=None)


@dataclass(frozen=True)
class LeftOut:
    """A device that is left to a person, and why."""

    device: str
    problem: str


@dataclass
class Plan:
    """What would be billed to one customer."""

    customer: str
    lines: list[Line] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)
    gone: dict[str, datetime] = field(default_factory=dict)

    def bill(self, rules: Meters, period: str) -> Bill:
        """Return the bill of it: the sum of each kind, without the clicks that the customer's order includes."""
        included = _spelt_as(rules.parts, rules.allowances.get(self.customer, {}))
        clicks = {kind: 0 for kind in rules.parts if any(line.kind == kind for line in self.lines)}
        for line in self.lines:
            clicks[line.kind] += line.clicks
        quantities = {kind: max(0, each - included.get(kind, 0)) for kind, each in clicks.items()}
        return Bill(period=period, lines=self.lines, quantities=quantities, gone=self.gone)


def require_devices(confirmed: Collection[str], readings: Readings) -> None:
    """Raise HooklineError where a person confirmed a device that is not in the report."""
    names = {name for reading in readings.rows for name in (reading.device, reading.serial)}
    if unknown := [name for name in confirmed if name not in names]:
        raise HooklineError(f"confirmed: the report has no device {', '.join(unknown)}. Nothing was billed.")


def plans_of(readings: Readings, ledger: Ledger, rules: Meters, confirmed: Collection[str]) -> list[Plan]:
    """
    Return what is billed to each customer, from the last billed reading of each device to the one in the report.

    A device about which a person must decide is left out as a whole: its clicks are billed later, from where they
    were billed last.

    Args:
        readings: of the report.
        ledger: what was billed before.
        rules: of the catalog.
        confirmed: ids or serial numbers of devices whose jump, reset or move a person has checked.
    """
    plans: dict[str, Plan] = {}

    def plan(customer: str) -> Plan:
        return plans.setdefault(customer, Plan(customer))

    for reading in readings.rows:
        lines, problem = _judged(reading, readings.taken, ledger, rules, confirmed)
        of = plan(reading.customer or ledger.customers.get(reading.device, ""))
        of.lines += lines
        if problem:
            of.left_out.append(LeftOut(_name(reading), problem))
    there = {reading.device for reading in readings.rows}
    for device, lines_of in ledger.last.items():
        at = ledger.billed_at(device)
        if device in there or at is None or ledger.gone.get(device) == at:
            continue
        of = plan(ledger.customers[device])
        of.gone[device] = at
        of.left_out.append(LeftOut(_name(next(iter(lines_of.values()))), _gone(lines_of.values())))
    return sorted(plans.values(), key=lambda each: each.customer)


def _judged(
    reading: Reading, taken: datetime, ledger: Ledger, rules: Meters, confirmed: Collection[str]
) -> tuple[list[Line], str]:
    """Return the lines of a device, and what a person must see to."""
    if (problem := _unusable(reading, taken, rules)) or (at := reading.at) is None:
        return [], problem
    last = ledger.last.get(reading.device, {})
    is_confirmed = reading.named_in(confirmed)
    moved = bool(last) and ledger.customers[reading.device] != reading.customer
    if moved and not is_confirmed:
        return [], (
            f"It moved here from customer {ledger.customers[reading.device]} since its last bill, and nobody knows "
            f"which clicks are whose. Confirm the device to bill all of them here. {_figures(last.values())}"
        )
    before = next(iter(last.values())).serial if last else ""
    if before and reading.serial and before != reading.serial:
        lines, problem = _lines(reading, at, {}, rules, is_confirmed=is_confirmed)
        return lines, problem or (
            f"It took the place of {before}, whose clicks after its last bill are not known: bill them by hand. "
            f"{_figures(last.values())}"
        )
    if lost := [kind for kind in last if kind in rules.parts and kind not in reading.counters]:
        return [], f"It reports no {' and no '.join(lost)} any more. {_figures(last.values())}"
    lines, problem = _lines(reading, at, last, rules, is_confirmed=is_confirmed)
    if moved:
        lines = [line.model_copy(update={"note": line.note or MOVED}) for line in lines]
    return lines, problem


def _unusable(reading: Reading, taken: datetime, rules: Meters) -> str:
    """Return why nothing of a reading can be used; "" if it can."""
    at = reading.at or taken
    reported = f"{at:%Y-%m-%d %H:%M} UTC"
    doubts = {
        reading.problem: bool(reading.problem),
        "It is in the report and not among JetAdvice's devices: it may be deleted there. Bill its last clicks by "
        "hand.": not reading.customer,
        "It has never reported.": reading.at is None,
        f"Its reading is of {reported}, which is to come. Correct the device's clock.": at > taken + FUTURE,
        f"It has not reported since {reported}. See to it: its clicks are billed once it reports again.": at
        < taken - timedelta(days=rules.silent_days),
        f"It reports none of {', '.join(rules.parts)}.": not reading.counters,
    }
    return next((doubt for doubt, holds in doubts.items() if holds), "")


def _lines(
    reading: Reading, at: datetime, last: Mapping[str, Line], rules: Meters, *, is_confirmed: bool
) -> tuple[list[Line], str]:
    """Return the lines of a device's kinds; where one is doubtful, none, and why."""
    starts = rules.starts.get(reading.device) or rules.starts.get(reading.serial) or {}
    starts = _spelt_as(rules.parts, starts)
    lines, doubts = [], []
    for kind, end in reading.counters.items():
        billed = last.get(kind)
        if billed is not None and at <= billed.at:
            continue  # an older reading that came late, or the one that is billed
        start, note = (
            (billed.end, "") if billed else (starts[kind], STARTED) if kind in starts else (end, FIRST)
        )
        if end < start and is_confirmed:
            start, note = 0, BEGAN_AGAIN
        if end < start:
            doubts.append(
                f"{kind} went back from {start} to {end}. If the counter began again at 0, confirm the device to "
                f"bill {end} clicks; those between {start} and the reset are not known."
            )
        elif end - start > rules.max_jump and not is_confirmed:
            doubts.append(
                f"{kind} went from {start} to {end}: {end - start} clicks are more than max_jump. Confirm the device "
                "if that is right."
            )
        lines.append(
            Line(
                device=reading.device,
                serial=reading.serial,
                model=reading.model,
                kind=kind,
                start=start,
                end=end,
                at=at,
                note=note,
            )
        )
    return ([], " ".join(doubts)) if doubts else (lines, "")


def _gone(last: Iterable[Line]) -> str:
    return (
        f"It is no longer in the report: it may be deleted, or replaced by another. Bill by hand what it printed "
        f"after its last bill. {_figures(last)}"
    )


def _figures(last: Iterable[Line]) -> str:
    """Return the last billed reading of a device in words."""
    each = ", ".join(f"{line.kind} {line.end} on {line.at:%Y-%m-%d}" for line in last)
    return f"Billed last: {each}."


def _name(device: Reading | Line) -> str:
    """Return what people call a device, with the id by which they confirm it."""
    known_as = " ".join(each for each in (device.model, device.serial) if each)
    return f"{known_as} ({device.device})" if known_as else device.device


def comments(lines: Iterable[Line]) -> list[str]:
    """Return for each device a line of text with its readings, as it stands on the order."""
    of_devices: dict[str, list[Line]] = {}
    for line in lines:
        of_devices.setdefault(line.device, []).append(line)
    kinds: Callable[[list[Line]], str] = lambda each: ", ".join(  # noqa: E731
        f"{line.kind} {line.start} to {line.end} = {line.clicks}" for line in each
    )
    return [f"{_name(each[0])}: {kinds(each)}" for each in of_devices.values()]


def _spelt_as(parts: Iterable[str], clicks: Mapping[str, int]) -> dict[str, int]:
    """Return figures by kind, spelt as in `parts`."""
    spelt = {kind.casefold(): kind for kind in parts}
    return {spelt[kind.casefold()]: each for kind, each in clicks.items()}
