"""
The independent check: what the vendors hold, held against what was ordered and what was acknowledged.

It reads the simulators' own records, the inbox and Prefect's flow runs, and asks neither the journal nor any code
of Hookline what should be there. It is plain comparison over plain rows, so that it can be shown to fail.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.chaos.plan import Order
from tests.chaos.shop import Placed, Sent

REFERENCE = re.compile(r"order (\S+) ")
"""The order's number in the reference of a license."""
NAMED = re.compile(r"'(\d{17,19})'")
"""A license code in the reason of an effect that a person is asked about, since more than expected are there."""
STANDS = ("failed", "uncertain", "doubled", "discarded")
FINAL = ("done", *STANDS)
BY_A_VENDOR = re.compile(
    r"(retried in the Prefect UI: )?(\w+: (jiwa|zentitle|sensorpro) \w+ |EffectUncertain: )"
)
"""How the reason begins of what may stand: whatever of our own was killed, no order fails for it."""
OVER = {"CANCELLED": "discarded", "COMPLETED": "done or doubled", "FAILED": "failed, uncertain or doubled"}
"""How a flow run may end, and what its dispatch may say then."""

ON_ITS_WAY = 2.0
"""The seconds for which an answer may be on its way."""
INTERRUPTED = "Interrupted"
"""How the run of a backlog ends whose engine was killed; what it had claimed has other runs."""

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Evidence:
    """All that the check looks at."""

    placed: list[Placed]
    sent: list[Sent]
    zentitle: Row
    jiwa: Row
    sensorpro: Row
    deliveries: list[Row]
    dispatches: list[Row]
    flow_runs: list[Row]
    shown: list[Row] = field(default_factory=list)
    """The effects that Hookline shows as doubled, or as uncertain."""
    excused: Counter[str] = field(default_factory=Counter)
    """By operation, the calls that were sent twice on their way, or landed later than any landing time allows for."""
    misled: Counter[str] = field(default_factory=Counter)
    """By the order's number, mails that a person let be sent again although they had been sent."""
    fixed: bool = False
    """A person has seen to everything that stood: now nothing may."""


@dataclass
class Verdict:
    """What was found: figures for people, what stands for a person to see to, and everything that should not be."""

    figures: dict[str, int | str] = field(default_factory=dict)
    standing: list[str] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)


def judge(evidence: Evidence) -> Verdict:
    """Check everything, when it is quiet; nothing is wrong if there are no violations."""
    verdict = Verdict(standing=sorted(_standing(evidence)))
    for part in (_orders, _beyond_excuses, _strangers, _inbox, _prefect, _passed_over):
        verdict.violations += part(evidence, verdict.figures)
    return verdict


def never(evidence: Evidence) -> list[str]:
    """Check what may not be at any moment, whatever is going on: too much of something, or an answer forgotten."""
    return [*_beyond_excuses(evidence, {}), *_strangers(evidence, {}), *_forgotten(evidence)]


def while_full(
    full: Collection[tuple[float, float]], answers: Iterable[tuple[float, int]]
) -> tuple[int, list[str]]:
    """
    Look at what the gateways answered while nothing could be written: how often 503, and what was acknowledged.

    Args:
        full: when it was so, from and to.
        answers: their times and statuses; what was on its way when it began may be acknowledged.
    """
    meanwhile = [
        status for at, status in answers if any(began + ON_ITS_WAY < at < ended for began, ended in full)
    ]
    acknowledged = sum(200 <= status < 300 for status in meanwhile)
    return meanwhile.count(503), [
        f"{acknowledged} deliveries were acknowledged while nothing could be written to the disk"
    ] * bool(acknowledged)


def side_by_side(actors: Iterable[str], old: str, new: str) -> tuple[dict[str, int | str], list[str]]:
    """
    Look at who began the dispatches: both versions must have done so, and at the same time.

    Args:
        actors: who began each, in order; a name begins with its version.
        old: how the names of the one begin.
        new: how those of the other begin.
    """
    begun = [actor.split(" ", 1)[0] for actor in actors]
    first_new = begun.index(new) if new in begun else len(begun)
    last_old = max((place for place, version in enumerate(begun) if version == old), default=-1)
    beside = Counter(begun[first_new : last_old + 1])
    figures: dict[str, int | str] = {
        "dispatches begun by the old code": begun.count(old),
        "dispatches begun by the newer code": begun.count(new),
        "of which while both were at work": f"{beside[old]} and {beside[new]}",
    }
    if strangers := set(begun) - {old, new}:
        return figures, [f"dispatches were begun by neither version: {sorted(strangers)}"]
    if not beside[old] or not beside[new]:
        return figures, ["the old code and the newer one never worked side by side"]
    return figures, []


# Orders ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Held:
    """What the vendors hold about one order."""

    licenses: list[Row]
    consumer_records: Counter[str]
    license_notes: Counter[str]
    mails: list[Row]
    notes: list[Row]

    @property
    def codes(self) -> list[str]:
        """Its license codes."""
        return [row["licenseCode"] for row in self.licenses]

    def __bool__(self) -> bool:
        return bool(self.licenses or self.mails or self.notes)


def _orders(evidence: Evidence, figures: dict[str, int | str]) -> Iterator[str]:
    held = _held(evidence)
    dispatches = _by_order(evidence)
    tally: Counter[str] = Counter()
    for placed in evidence.placed:
        mine, name = held[placed.invoice_no], f"order {placed.invoice_no}"
        if not placed.paid or not _calls_for_licenses(placed.order):
            tally["orders that call for nothing"] += 1
            if mine:
                yield f"{name} calls for nothing and has {_counts(mine)}"
            continue
        tally["paid orders that call for licenses"] += 1
        hidden = _too_many(placed.order, mine) - _shown(evidence, placed) - _asked_for(evidence, placed)
        yield from (f"{name}: {problem}" for problem in _doubled(placed.order, mine, hidden))
        missing = [*_missing(placed.order, mine)]
        if not missing:
            tally["licensed, recorded, mailed and noted"] += 1
            continue
        state = _stands_as(dispatches[placed.invoice_id])
        if state not in STANDS or evidence.fixed:
            yield f"{name}: {'; '.join(missing)}; and it stands as {state}"
        else:
            tally[f"{state}, with the reason"] += 1
    figures |= tally
    figures |= {
        "licenses": sum(len(each.licenses) for each in held.values()),
        "consumer records": sum(each.consumer_records.total() for each in held.values()),
        "mails": sum(len(each.mails) for each in held.values()),
        "notes on orders": sum(len(each.notes) for each in held.values()),
    }


def _stands_as(dispatches: Collection[Row]) -> str:
    """The state of an order's last dispatch; what an earlier one has doubled needs a person as long as it is so."""
    if any(row["state"] == "doubled" for row in dispatches):
        return "doubled"
    return max(dispatches, key=lambda row: row["seq"])["state"] if dispatches else "nothing"


def _held(evidence: Evidence) -> dict[str, Held]:
    """What the vendors hold, by the order's number."""
    licenses: defaultdict[str, list[Row]] = defaultdict(list)
    for row in evidence.zentitle["licenses"]:
        licenses[_order_of(row)].append(row)
    mails: defaultdict[str, list[Row]] = defaultdict(list)
    for row in evidence.sensorpro["mails"]:
        mails[row["parameters"].get("order", "")].append(row)
    notes = {row["InvoiceNo"]: row["Notes"] for row in evidence.jiwa["orders"]}
    records = Counter(row["licenseCode"] for row in evidence.zentitle["consumer_records"])
    license_notes = Counter(row["licenseCode"] for row in evidence.zentitle["notes"])
    in_use = {
        placed.invoice_no: _in_use(placed.order, licenses[placed.invoice_no]) for placed in evidence.placed
    }
    return {
        number: Held(
            licenses=mine,
            consumer_records=_of(records, mine),
            license_notes=_of(license_notes, mine),
            mails=mails[number],
            notes=notes.get(number) or [],
        )
        for number, mine in in_use.items()
    }


def _in_use(order: Order, licenses: Iterable[Row]) -> list[Row]:
    """An order's licenses, without those beyond what was ordered that were taken back: disabled."""
    wanted, _ = _wanted(order)
    there = Counter(row["productID"] for row in licenses)
    in_use = []
    for row in licenses:
        if row["enabledforuse"] != "True" and there[row["productID"]] > wanted[row["productID"]]:
            there[row["productID"]] -= 1
        else:
            in_use.append(row)
    return in_use


def _of(counted: Counter[str], licenses: Iterable[Row]) -> Counter[str]:
    return Counter({row["licenseCode"]: counted[row["licenseCode"]] for row in licenses})


def _order_of(license_: Row) -> str:
    found = REFERENCE.search(license_["reference"] or "")
    return found[1] if found else ""


def _calls_for_licenses(order: Order) -> bool:
    return any(line.codes for line in order.lines)


def _wanted(order: Order) -> tuple[Counter[str], Counter[str]]:
    """License codes and seats by Zentitle's product."""
    codes: Counter[str] = Counter()
    seats: Counter[str] = Counter()
    for line in order.lines:
        if line.product is not None:
            codes[line.product] += line.codes
            seats[line.product] += line.quantity
    return codes, seats


def _too_many(order: Order, held: Held) -> Counter[str]:
    """By operation, how much there is more than once, or more than was ordered."""
    wanted, _ = _wanted(order)
    there = Counter(row["productID"] for row in held.licenses)
    return +Counter(
        {
            "zentitle.create_license_codes": (there - wanted).total(),
            "zentitle.create_consumer_data": sum(number - 1 for number in (+held.consumer_records).values()),
            "zentitle.create_license_note": sum(number - 1 for number in (+held.license_notes).values()),
            "sensorpro.trigger_email": max(0, len(held.mails) - 1),
            "jiwa.create_sales_order_note": max(0, len(held.notes) - 1),
        }
    )


def _shown(evidence: Evidence, placed: Placed) -> Counter[str]:
    """By operation, how much of this order Hookline shows as too much; once it was seen to, nothing counts."""
    shown: Counter[str] = Counter()
    for effect in evidence.shown:
        if effect["label"] == f"order {placed.invoice_no}" and not evidence.fixed:
            named = len(NAMED.findall(effect["reason"] or "")) - effect["expected"]
            shown[effect["operation"]] += len(effect["surplus"]) if effect["state"] == "doubled" else named
    return +shown


def _asked_for(evidence: Evidence, placed: Placed) -> Counter[str]:
    """By operation, what a person has let be done again, and was wrong."""
    return Counter({"sensorpro.trigger_email": evidence.misled[placed.invoice_no]})


def _doubled(order: Order, held: Held, hidden: Counter[str]) -> Iterator[str]:
    """What there is too much of, and not shown as such."""
    wanted, _ = _wanted(order)
    if hidden["zentitle.create_license_codes"]:
        there = Counter(row["productID"] for row in held.licenses)
        for product, number in (there - wanted).items():
            yield f"licenses doubled: {number} too many of product {product} ({there[product]} codes)"
    for what, operation, counted in (
        ("consumer records", "zentitle.create_consumer_data", held.consumer_records),
        ("license notes", "zentitle.create_license_note", held.license_notes),
    ):
        if hidden[operation]:
            yield f"{what} doubled: of {', '.join(code for code, number in counted.items() if number > 1)}"
    for what, operation, rows in (
        ("mails", "sensorpro.trigger_email", held.mails),
        ("notes", "jiwa.create_sales_order_note", held.notes),
    ):
        if hidden[operation]:
            yield f"{what} doubled: there are {len(rows)}"


def _beyond_excuses(evidence: Evidence, figures: dict[str, int | str]) -> Iterator[str]:
    """Whatever was done more often than vendors, proxies and people have made inevitable."""
    held = _held(evidence)
    too_many: Counter[str] = Counter()
    for placed in evidence.placed:
        # One call may bring several codes, so orders are counted.
        too_many.update(
            (_too_many(placed.order, held[placed.invoice_no]) - _asked_for(evidence, placed)).keys()
        )
    for operation, number in too_many.items():
        figures[f"doubled: {operation}"] = number
        if number > evidence.excused[operation]:
            yield f"{operation}: doubled in {number} orders, and {evidence.excused[operation]} could not be helped"


def _missing(order: Order, held: Held) -> Iterator[str]:
    """Whatever is not there, or not as it was ordered."""
    wanted, seats = _wanted(order)
    there = Counter(row["productID"] for row in held.licenses)
    for product, number in (wanted - there).items():
        yield f"{number} licenses of product {product} are missing"
    allowed: Counter[str] = Counter()
    for row in held.licenses:
        allowed[row["productID"]] += int(row["clientsallowed"])
        if row["enabledforuse"] != "True":
            yield f"license {row['licenseCode']} is not enabled"
    if allowed != seats:
        yield f"seats by product are {dict(allowed)}, not {dict(seats)}"
    yield from _untold(held)


def _untold(held: Held) -> Iterator[str]:
    """Where a license is there, and its record, its note or a word to the customer is not."""
    for what, there in (("consumer record", held.consumer_records), ("license note", held.license_notes)):
        if without := [code for code in held.codes if not there[code]]:
            yield f"{', '.join(without)} has no {what}"
    told = [mail["parameters"].get("licenses", "") for mail in held.mails]
    written = [note["NoteText"] for note in held.notes]
    for what, texts in (("mail", told), ("note", written)):
        if not texts:
            yield f"there is no {what}"
        elif left_out := [code for code in held.codes if code not in texts[0]]:
            yield f"the {what} leaves out {', '.join(left_out)}"


def _counts(held: Held) -> str:
    return f"{len(held.licenses)} licenses, {len(held.mails)} mails, {len(held.notes)} notes"


def _strangers(evidence: Evidence, _figures: dict[str, int | str]) -> Iterator[str]:
    """What belongs to no order, and customers whom a vendor knows twice."""
    numbers = {placed.invoice_no for placed in evidence.placed}
    codes = {row["licenseCode"] for row in evidence.zentitle["licenses"]}
    for row in evidence.zentitle["licenses"]:
        if _order_of(row) not in numbers:
            yield f"license {row['licenseCode']} belongs to no order: {row['reference']!r}"
    for row in evidence.zentitle["consumer_records"]:
        if row["licenseCode"] not in codes:
            yield f"a consumer record is of no license: {row['licenseCode']}"
    for mail in evidence.sensorpro["mails"]:
        if mail["parameters"].get("licenses") and mail["parameters"].get("order") not in numbers:
            yield f"a mail about licenses is of no order: {mail['parameters']}"
    customers = {placed.customer for placed in evidence.placed}
    companies = Counter(
        row["company"] for row in evidence.zentitle["companies"] if row["company"] in customers
    )
    yield from (f"{name} is a company {number} times" for name, number in companies.items() if number > 1)


def _standing(evidence: Evidence) -> Iterator[str]:
    numbers = {placed.invoice_id: placed.invoice_no for placed in evidence.placed}
    for row in evidence.dispatches:
        if row["state"] in STANDS:
            yield f"{row['state']}: order {numbers[row['parameters']['invoice_id']]}: {row['reason']}"


def _forgotten(evidence: Evidence) -> Iterator[str]:
    """What was acknowledged and is not there."""
    there = {str(row["id"]) for row in evidence.deliveries}
    for sent in evidence.sent:
        if sent.ids - there:
            yield f"delivery of {sent.source} about order {sent.placed.invoice_no}: was acknowledged and is not in the inbox"


# The inbox -------------------------------------------------------------------------------------------------


def _inbox(evidence: Evidence, figures: dict[str, int | str]) -> Iterator[str]:
    rows = {str(row["id"]): row for row in evidence.deliveries}
    dispatches: defaultdict[str, list[Row]] = defaultdict(list)
    for row in evidence.dispatches:
        dispatches[str(row["delivery_id"])].append(row)
    for sent in evidence.sent:
        what = f"delivery of {sent.source} about order {sent.placed.invoice_no}"
        if not sent.acknowledged:
            yield f"{what}: never acknowledged in {sent.attempts} attempts; {sent.refusals}"
        elif len(sent.ids) > 1:
            yield f"{what}: {len(sent.ids)} times in the inbox: {sorted(sent.ids)}"
        else:
            [number] = sent.ids
            yield from (
                f"{what} ({number}) {problem}"
                for problem in _kept(sent, rows.get(number), dispatches[number])
            )
    if strays := set(rows) - {number for sent in evidence.sent for number in sent.ids}:
        yield f"{len(strays)} deliveries are in the inbox that nobody was told of: {sorted(strays)[:5]}"
    figures |= {
        "deliveries": len(evidence.sent),
        "times they were sent": sum(sent.attempts for sent in evidence.sent),
        "times they were acknowledged": sum(sent.acknowledged for sent in evidence.sent),
        "dispatches taken up again": sum(row["attempts"] > 1 for row in evidence.dispatches),
        "the most attempts at one": max((row["attempts"] for row in evidence.dispatches), default=0),
    }


def _kept(sent: Sent, row: Row | None, dispatches: Collection[Row]) -> Iterator[str]:
    """What is wrong with an acknowledged delivery in the inbox."""
    if row is None:
        yield "was acknowledged and is not in the inbox"
        return
    if row["state"] not in FINAL:
        yield f"is {row['state']}: {row['reason']}"
    if not sent.acknowledged - 1 <= row["duplicates"] < sent.attempts:
        yield f"came {row['duplicates'] + 1} times by the inbox, and was sent {sent.attempts} times"
    if len(dispatches) != 1:
        yield f"has {len(dispatches)} dispatches"
    for dispatch in dispatches:
        if dispatch["state"] in ("failed", "uncertain") and not BY_A_VENDOR.match(dispatch["reason"] or ""):
            yield f"is {dispatch['state']}, by no vendor's doing: {dispatch['reason']}"


def _by_order(evidence: Evidence) -> defaultdict[str, list[Row]]:
    """The dispatches, by the InvoiceID."""
    found: defaultdict[str, list[Row]] = defaultdict(list)
    for row in evidence.dispatches:
        found[row["parameters"]["invoice_id"]].append(row)
    return found


def _passed_over(evidence: Evidence, _figures: dict[str, int | str]) -> Iterator[str]:
    """What is shown as doubled, while its dispatch says that all is done."""
    done = {row["id"] for row in evidence.dispatches if row["state"] == "done"}
    for effect in evidence.shown:
        if effect["state"] == "doubled" and effect["dispatch_id"] in done:
            yield f"{effect['step']} of {effect['label']} is doubled, and its dispatch is done"


# Prefect ---------------------------------------------------------------------------------------------------


def _prefect(evidence: Evidence, figures: dict[str, int | str]) -> Iterator[str]:
    runs = {run["id"]: run for run in evidence.flow_runs}
    for run in runs.values():
        if run["state_type"] not in OVER and not (run["carries_many"] and run["state_name"] == INTERRUPTED):
            yield f"flow run {run['name']} ({run['id']}) is left {run['state_name']}"
    for dispatch in evidence.dispatches:
        yield from (f"dispatch {dispatch['id']} {problem}" for problem in _disagreement(dispatch, runs))
    wanted = Counter({f"delivery:{row['delivery_id']}": 1 + row["replays"] for row in evidence.dispatches})
    there = Counter(tag for run in runs.values() for tag in run["tags"] if tag.startswith("delivery:"))
    yield from (f"{tag} has {there[tag]} flow runs" for tag in there - wanted)
    figures |= {
        "flow runs": len(runs),
        "of which went on after a crash": sum(run["run_count"] > 1 for run in runs.values()),
        "how they ended": ", ".join(
            f"{number} {state.lower()}"
            for state, number in Counter(run["state_type"] for run in runs.values()).items()
        ),
    }


def _disagreement(dispatch: Row, runs: Mapping[str, Row]) -> Iterator[str]:
    """Where the inbox and Prefect tell different things of a dispatch that is over."""
    if dispatch["state"] not in FINAL:
        return
    run = runs.get(str(dispatch["flow_run_id"]))
    if run is None:
        yield f"is {dispatch['state']} and its flow run {dispatch['flow_run_id']} is not there"
    elif not run["carries_many"] and dispatch["state"] not in OVER.get(run["state_type"], ""):
        yield f"is {dispatch['state']} and its flow run is {run['state_name']}"
