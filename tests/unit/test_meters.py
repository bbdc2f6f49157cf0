"""What is billed of readings: the difference to the last billed one, once, and what is doubtful is left to a person."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from flows.meter_orders import ensure_is_ours, texts_of
from flows.meter_report import ReportEnded, read_rows, rows_of
from flows.meters import Bill, Ledger, Line, Reading, Readings, plans_of, require_devices
from hookline.catalog import Meters
from hookline.clients.jetadvice.models import Device
from hookline.clients.jiwa.models import SalesOrder
from hookline.errors import HooklineError

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)
RULES = Meters(report="5001", since="2026-10", parts={"Mono": "CLICK-MONO", "Color": "CLICK-COLOR"})
HERE, THERE = "48211", "48236"


def rules(**changes):
    return Meters.model_validate(RULES.model_dump() | changes)


def device(at=NOON, *, name="730101", serial="S-1", customer=HERE, **counters):
    return Reading(device=name, serial=serial, model="C4120", customer=customer, at=at, counters=counters)


def plans(*readings, ledger=None, given=RULES, confirmed=(), taken=NOON):
    found = Readings(number=1, taken=taken, rows=list(readings))
    return plans_of(found, ledger or Ledger(), given, confirmed)


def billed(*bills):
    """A ledger with these bills: month, customer and reading."""
    ledger = Ledger()
    for month, reading in bills:
        [plan] = plans(reading, ledger=ledger, taken=reading.at)
        ledger.add(reading.customer, plan.bill(RULES, month))
    return ledger


def clicks(plan):
    return {(line.device, line.kind): (line.start, line.end) for line in plan.lines}


OCTOBER = ("2026-09", device(NOON - timedelta(days=31), Mono=1000, Color=50))


# What is billed ---------------------------------------------------------------------------------------------


def test_the_first_reading_of_a_device_is_where_it_is_billed_from():
    [plan] = plans(device(Mono=184_220, Color=62_716))

    assert {("730101", "Mono"): (184_220, 184_220), ("730101", "Color"): (62_716, 62_716)} == clicks(plan)
    assert not plan.bill(RULES, "2026-10").needs_order


@pytest.mark.parametrize("named", ["730101", "S-1"])
def test_a_starting_reading_of_the_catalog_is_where_a_device_is_billed_from(named):
    [plan] = plans(device(Mono=1500, Color=70), given=rules(starts={named: {"mono": 1200}}))

    assert {("730101", "Mono"): (1200, 1500), ("730101", "Color"): (70, 70)} == clicks(plan)


def test_later_readings_are_billed_from_the_last_billed_one():
    [plan] = plans(device(Mono=1500, Color=50), ledger=billed(OCTOBER))

    assert {("730101", "Mono"): (1000, 1500), ("730101", "Color"): (50, 50)} == clicks(plan)
    assert {"Mono": 500, "Color": 0} == plan.bill(RULES, "2026-10").quantities


def test_what_an_order_includes_is_taken_off_once_for_all_devices_of_the_customer():
    given = rules(allowances={HERE: {"MONO": 600}}, starts={"a": {"Mono": 0}, "b": {"Mono": 0}})
    [plan] = plans(device(name="a", Mono=400), device(name="b", Mono=500), given=given)

    assert 300 == plan.bill(given, "2026-10").quantities["Mono"]
    assert 0 == plan.bill(rules(allowances={HERE: {"Mono": 901}}), "2026-10").quantities["Mono"]


def test_a_month_that_was_not_billed_is_part_of_the_next_one():
    silent = device(NOON - timedelta(days=20), Mono=1200, Color=50)
    [first] = plans(silent, ledger=billed(OCTOBER))
    [second] = plans(device(Mono=1500, Color=60), ledger=billed(OCTOBER))

    assert ({}, "It has not reported since 2026-10-12 12:00 UTC") == (
        clicks(first),
        first.left_out[0].problem.partition(". ")[0],
    )
    assert (1000, 1500) == clicks(second)["730101", "Mono"]


@pytest.mark.parametrize("at", [OCTOBER[1].at, OCTOBER[1].at - timedelta(hours=1)])
def test_a_reading_that_is_not_later_than_the_billed_one_is_billed_never_again(at):
    late = device(at, Mono=990, Color=50)
    [plan] = plans(late, ledger=billed(OCTOBER), taken=at)

    assert ({}, []) == (clicks(plan), plan.left_out)


# What is left to a person ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reading", "problem"),
    [
        (device(Mono=999, Color=50), "Mono went back from 1000 to 999"),
        (device(Mono=101_001, Color=50), "100001 clicks are more than max_jump"),
        (device(Mono=1500), "It reports no Color any more. Billed last: Mono 1000 on 2026-10-01, Color 50"),
        (device(), "It reports none of Mono, Color."),
        (device(None, Mono=1500, Color=60), "It has never reported."),
        (device(NOON + timedelta(days=2), Mono=1500, Color=60), "2026-11-03 12:00 UTC, which is to come"),
        (device(NOON - timedelta(days=8), Mono=1500, Color=60), "It has not reported since"),
        (device(Mono=1500, Color=60, customer=THERE), "It moved here from customer 48211"),
        (device(Mono=1500, Color=60, customer=""), "not among JetAdvice's devices"),
        (device(Mono=1500, Color=60).model_copy(update={"problem": "Twice."}), "Twice."),
    ],
    ids=lambda value: value[:20] if isinstance(value, str) else "",
)
def test_what_is_doubtful_is_billed_as_a_whole_to_nobody(reading, problem):
    [plan] = plans(reading, ledger=billed(OCTOBER))

    [left_out] = plan.left_out
    assert ({}, "C4120 S-1 (730101)") == (clicks(plan), left_out.device)
    assert problem in left_out.problem


@pytest.mark.parametrize("named", ["730101", "S-1"])
@pytest.mark.parametrize(
    ("reading", "expected"),
    [
        (device(Mono=300, Color=60), {"Mono": (0, 300), "Color": (50, 60)}),
        (device(Mono=500_000, Color=60), {"Mono": (1000, 500_000), "Color": (50, 60)}),
        (device(Mono=1500, Color=60, customer=THERE), {"Mono": (1000, 1500), "Color": (50, 60)}),
    ],
)
def test_what_a_person_confirmed_is_billed(reading, expected, named):
    [plan] = plans(reading, ledger=billed(OCTOBER), confirmed=[named])

    assert ([], reading.customer) == (plan.left_out, plan.customer)
    assert expected == {kind: figures for (_, kind), figures in clicks(plan).items()}


def test_another_machine_in_the_place_of_one_begins_by_itself_and_the_rest_of_the_old_one_is_a_person_s():
    ledger = billed(OCTOBER)
    new = device(Mono=12, serial="S-2")
    [plan] = plans(new, ledger=ledger)
    ledger.add(HERE, plan.bill(RULES, "2026-10"))
    [after] = plans(
        device(NOON + timedelta(days=30), Mono=40, serial="S-2"),
        ledger=ledger,
        taken=NOON + timedelta(days=30),
    )

    assert {("730101", "Mono"): (12, 12)} == clicks(plan)
    assert "It took the place of S-1" in plan.left_out[0].problem
    assert ({("730101", "Mono"): (12, 40)}, []) == (clicks(after), after.left_out)


def test_a_device_that_is_gone_is_said_so_until_it_is_in_a_bill():
    ledger = billed(OCTOBER)
    other = device(name="730102", serial="S-9", Mono=7)
    [plan] = plans(other, ledger=ledger)
    said = [each.problem for each in plan.left_out]
    ledger.add(HERE, plan.bill(RULES, "2026-10"))
    [after] = plans(other, ledger=ledger)
    back = device(NOON + timedelta(hours=1), Mono=1100, Color=50)
    [again] = plans(other, back, ledger=ledger)

    assert [True] == [
        "no longer in the report" in each and "Mono 1000 on 2026-10-01" in each for each in said
    ]
    assert [] == after.left_out
    assert (1000, 1100) == clicks(again)["730101", "Mono"]


def test_only_devices_of_the_report_can_be_confirmed():
    found = Readings(number=1, taken=NOON, rows=[device(Mono=1)])

    require_devices(["730101", "S-1"], found)
    with pytest.raises(HooklineError, match=r"the report has no device 730199\. Nothing was billed\."):
        require_devices(["S-1", "730199"], found)


# Whatever happens to devices ---------------------------------------------------------------------------------

MONTHS = st.lists(
    st.fixed_dictionaries(
        {
            "clicks": st.integers(0, 300),
            "what": st.sampled_from(["report", "absent", "silent", "late", "moves", "reset"]),
            "bills": st.sampled_from(["once", "twice", "later"]),
        }
    ),
    max_size=24,
)


@given(MONTHS, st.integers(0, 10**6))
def test_however_months_go_what_is_billed_is_what_the_counter_counted_and_nothing_twice(months, start):
    """A reset comes right after a reading that was billed: clicks between the two are seen by nobody."""
    world = World(start)
    first = {"clicks": 0, "what": "report", "bills": "once"}

    for month in (first, *months, first | {"clicks": 1}):
        world.month(**month)

    assert world.printed == sum(line.clicks for line in world.billed)


class World:
    """One device that prints, reports or not, and is billed or not."""

    def __init__(self, start):
        self.ledger, self.billed = Ledger(), []
        self.count, self.printed = start, 0
        self.at, self.customer = NOON, HERE
        self.late = []

    def month(self, clicks, what, bills):
        self.at += timedelta(days=30)
        before = self.count
        self.count = clicks if what == "reset" and self._is_billed() and before > clicks else before + clicks
        self.printed += clicks
        self.customer = THERE if what == "moves" else self.customer
        reading = device(self.at, Mono=self.count, customer=self.customer)
        self.late.append(reading)
        if what == "silent":  # whose reading is not believed
            reading = device(self.at - timedelta(days=20), Mono=before, customer=self.customer)
        elif what == "late":
            reading = self.late[len(self.late) // 2]
        begins_again = self.count < before  # a person sees it at once: later, nobody could
        for number in range({"once": 1, "twice": 2, "later": int(begins_again)}[bills]):
            self._bill([] if what == "absent" else [reading], f"{self.at:%Y-%m}-{number}")

    def _is_billed(self):
        return [line.end for line in self.ledger.last.get("730101", {}).values()] == [self.count]

    def _bill(self, readings, month):
        given, confirmed = rules(max_jump=100), [each.device for each in readings]
        for plan in plans(*readings, ledger=self.ledger, given=given, confirmed=confirmed, taken=self.at):
            self.billed += plan.lines
            if plan.lines or plan.gone:
                self.ledger.add(plan.customer, plan.bill(given, month))


# The report ---------------------------------------------------------------------------------------------------

DEVICES = [
    Device(deviceId="730101", customerId=HERE, serialNumber="S-1", model="C4120"),
    Device(deviceId="730102", customerId=THERE, serialNumber="S-2", model="LX"),
]
ROW = {"DeviceId": "730101", "LastReport": "2026-11-01T12:00:00", "Mono": 1000, "Color": 50}


def read(*rows, **changes):
    given = rules(**changes)
    folded = [{name.casefold(): part for name, part in row.items()} for row in rows]
    return read_rows(folded, DEVICES, given)


def test_a_row_is_a_reading_of_its_device_as_jetadvice_lists_it():
    [reading] = read(ROW)

    assert ("730101", "S-1", "C4120", HERE, NOON, {"Mono": 1000, "Color": 50}, "") == tuple(
        getattr(reading, name)
        for name in ("device", "serial", "model", "customer", "at", "counters", "problem")
    )


def test_the_columns_are_those_of_the_catalog():
    [reading] = read(
        {"Serial": "S-2", "Seen": "2026-11-01T13:00:00+01:00", "A3 mono": "7"},
        device_column="serial",
        reported_column="SEEN",
        parts={"A3 Mono": "CLICK-A3"},
    )

    assert ("730102", NOON, {"A3 Mono": 7}) == (reading.device, reading.at, reading.counters)


@pytest.mark.parametrize(
    ("count", "expected"),
    [("1000", 1000), (" 12 ", 12), (12.0, 12), (Decimal("12.0"), 12), (None, None), ("", None), (0, 0)],
)
def test_a_count_may_come_as_text_or_not_at_all(count, expected):
    [reading] = read(ROW | {"Mono": count})

    assert (expected, "") == (reading.counters.get("Mono"), reading.problem)


@pytest.mark.parametrize("count", ["1,000", "1.5", 1.5, -1, True, "n/a", "NaN", "1e99", [1]])
def test_what_is_no_whole_number_is_no_count(count):
    [reading] = read(ROW | {"Mono": count})

    assert "Mono is no count of clicks: " in reading.problem


def test_a_time_that_cannot_be_read_is_left_to_a_person_and_one_without_zone_is_utc():
    assert (
        "The time of its reading cannot be read: '31/12/2026'."
        == read(ROW | {"LastReport": "31/12/2026"})[0].problem
    )
    assert [None, NOON] == [read(ROW | {"LastReport": at})[0].at for at in ("", "2026-11-01T12:00:00Z")]


def test_of_a_device_that_is_in_it_twice_the_later_reading_counts():
    older = ROW | {"LastReport": "2026-10-31T12:00:00", "Mono": 900}

    for rows in ([older, ROW], [ROW, older], [ROW, ROW], [ROW | {"LastReport": ""}, ROW]):
        [reading] = read(*rows)
        assert (1000, "") == (reading.counters["Mono"], reading.problem)
    [reading] = read(ROW, ROW | {"Mono": 1001})
    assert "The report has it twice, with other meters at 2026-11-01 12:00 UTC." == reading.problem


def test_a_row_without_a_device_and_a_device_that_jetadvice_does_not_list_are_left_to_a_person():
    nameless, deleted = read(ROW | {"DeviceId": None}, ROW | {"DeviceId": "730999", "SerialNumber": "S-7"})

    assert ("row 1", "The row names no device.") == (nameless.device, nameless.problem)
    assert ("730999", "S-7", "") == (deleted.device, deleted.serial, deleted.customer)


def test_a_report_without_the_columns_says_which_it_has():
    with pytest.raises(ReportEnded, match="has no column Color; it has deviceid, lastreport, mono"):
        read({name: part for name, part in ROW.items() if name != "Color"})


@pytest.mark.parametrize("file", ['[{"A": 1}]', '{"Rows": [{"A": 1}], "Count": 1}', '\n[{"a": 1}]'])
def test_the_rows_of_a_file_come_by_themselves_or_in_an_object(file):
    assert [{"a": 1}] == rows_of(file)


@pytest.mark.parametrize(
    "file", ["DeviceId,Mono\n1,2", "<Report/>", '{"a": [], "b": []}', "[1]", "7", "[" * 10**5]
)
def test_another_file_is_no_report(file):
    with pytest.raises(ReportEnded, match="is no list of rows"):
        rows_of(file)


def test_a_bill_is_the_same_after_the_journal_had_it():
    [plan] = plans(device(Mono=1500), given=rules(starts={"S-1": {"Mono": 7}}))
    bill = plan.bill(RULES, "2026-10")

    assert bill == Bill.model_validate(bill.model_dump(mode="json"))


def test_an_order_with_other_clicks_than_the_bill_is_not_taken_for_its_own():
    def order(**quantities):
        lines = [{"PartNo": part, "QuantityOrdered": clicks} for part, clicks in quantities.items()]
        return SalesOrder(InvoiceID="i", InvoiceNo="100123", Lines=[*lines, {"CommentText": "C4120"}])

    ensure_is_ours(order(MONO=500, color=40), {"MONO": 500, "COLOR": 40})
    ensure_is_ours(SalesOrder(InvoiceID="i"), {"MONO": 500})  # an answer without its lines
    with pytest.raises(HooklineError, match=r"with 499 MONO in place of 500 MONO\. Make the difference"):
        ensure_is_ours(order(MONO=499), {"MONO": 500})


def test_an_order_names_the_readings_of_the_first_devices_and_counts_the_others():
    lines = [
        Line(device=str(number), serial="", model="", kind="Mono", start=0, end=number, at=NOON)
        for number in range(203)
    ]

    texts = texts_of(Bill(period="2026-10", lines=lines))

    assert (201, "1: Mono 0 to 1 = 1", "and 2 more devices") == (len(texts), texts[0], texts[-1])


# The catalog ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"parts": {"Total": "A", "color": "B"}}, "the same click would be billed twice"),
        ({"parts": {"Mono": "A", "mono": "B"}}, "is there twice"),
        ({"parts": {}}, "at least 1"),
        ({"allowances": {HERE: {"Scan": 5}}}, "allowances.48211: Scan is no kind among parts"),
        ({"starts": {"S-1": {"Scan": 5}}}, "starts.S-1: Scan is no kind among parts"),
        ({"starts": {"S-1": {"Mono": -5}}}, "greater than or equal to 0"),
        ({"since": "2026-13"}, "match pattern"),
    ],
)
def test_a_wrong_rule_is_refused(changes, complaint):
    with pytest.raises(ValidationError, match=complaint):
        rules(**changes)
