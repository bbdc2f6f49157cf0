"""A month's meters become one order for each customer, once, of the readings that a person has seen."""

import random

import pytest
from billed_meters import DRAWING_OFFICE, FRONT_DESK, HARBOUR, METERS, NORTHGATE, Fleet, month
from main_flow import stored


@pytest.fixture
def fleet(sandbox, jetadvice, jiwa, environment, repository, tmp_path):
    environment.setenv("HOOKLINE_RETRY_SECONDS", "0.1")
    environment.setenv("HOOKLINE_PROBE_SECONDS", "0.1")
    with stored(jetadvice, jiwa):
        yield Fleet(sandbox, jetadvice, jiwa, environment, repository, tmp_path / "catalog.yaml")


@pytest.fixture
async def billed(fleet):
    """A fleet whose first readings are in the journal, of two months ago; since then it printed."""
    await fleet.propose(back=2)
    await fleet.bill(back=2)
    fleet.print(FRONT_DESK, mono=500, color=40)
    fleet.print(DRAWING_OFFICE, mono=30)
    return fleet


ORDERS = [{"CLICK-COLOR": 40, "CLICK-MONO": 500}, {"CLICK-MONO": 30}]


async def test_first_readings_bring_no_order_and_the_next_ones_one_for_each_customer(billed):
    before = billed.orders()
    proposed = await billed.propose()
    between = billed.orders(), len(await billed.bills())

    end = await billed.bill()

    assert ([], ([], 2)) == (before, between)
    assert ("Proposed", "Completed") == (proposed.state.name, end.state.name)
    assert f"2 orders of {month()} proposed" in proposed.state.message
    assert ORDERS == billed.orders()
    assert 2 == billed.reports()
    assert ["C4120 MFP CLD4120-0077315 (730101): Mono 121504 to 122004 = 500, Color 62716 to 62756 = 40"] == [
        text for text in billed.comments() if FRONT_DESK in text
    ]


async def test_it_bills_what_was_proposed_and_not_what_was_printed_since(billed):
    await billed.propose()
    billed.print(FRONT_DESK, mono=7)

    await billed.bill()
    again = await billed.bill(readings="newest")
    billed.print(FRONT_DESK, mono=1)
    await billed.run(period=month(0))
    await billed.run(period=month(0), dry_run=False)

    assert "Completed" == again.state.name
    assert [*ORDERS, {"CLICK-MONO": 8}] == billed.orders()


async def test_nothing_is_billed_that_was_not_proposed_unless_the_newest_readings_are_asked_for(billed):
    refused = await billed.bill()
    orders = billed.orders()
    end = await billed.bill(readings="newest")

    assert "so there is nothing to bill that a person has seen" in str(refused.error)
    assert ([], ORDERS) == (orders, billed.orders())
    assert "Completed" == end.state.name


@pytest.mark.parametrize("kind", ["lose", "refuse"])
@pytest.mark.parametrize(
    ("vendor", "operation"),
    [
        ("jiwa", "create_sales_order"),
        ("jiwa", "query_debtors"),
        ("jetadvice", "request_report_run"),
        ("jetadvice", "get_report_run"),
        ("jetadvice", "get_report_file"),
        ("jetadvice", "list_devices"),
    ],
)
async def test_what_breaks_off_is_completed_when_it_is_run_again_and_nothing_is_done_twice(
    billed, vendor, operation, kind
):
    getattr(billed.sandbox, vendor).faults.add(
        operation, kind, times=1, **({"status": 503} if kind == "refuse" else {})
    )

    await billed.propose()
    await billed.bill()
    end = await billed.bill()

    assert end.is_done, end.state.message
    assert ORDERS == sorted(billed.orders(), key=len, reverse=True)


async def test_a_bill_whose_order_jiwa_refused_is_billed_as_it_was_once_the_catalog_is_right(billed):
    await billed.propose()
    billed.rules(parts=METERS["parts"] | {"Color": "CLICK-COLOUR"})
    proposed, refused = await billed.propose(), await billed.bill()
    between = billed.orders()
    billed.rules()

    await billed.bill()

    assert all(
        "Jiwa has no part 'CLICK-COLOUR' for Color" in each.state.message for each in (proposed, refused)
    )
    assert (["Proposed", "Failed"], [ORDERS[1]]) == ([proposed.state.name, refused.state.name], between)
    assert [ORDERS[1], ORDERS[0]] == billed.orders()


async def test_an_order_that_a_broken_off_run_left_out_comes_before_the_next_month(billed):
    await billed.propose()
    billed.sandbox.jiwa.faults.add("create_sales_order", "refuse", status=400, times=99)
    failed = await billed.bill()
    billed.sandbox.jiwa.faults.clear()
    billed.print(FRONT_DESK, mono=9)
    proposed = await billed.run(period=month(0))

    end = await billed.run(period=month(0), dry_run=False)
    older = await billed.bill()

    assert ["Failed", "Proposed", "Completed"] == [each.state.name for each in (failed, proposed, end)]
    assert ([ORDERS[0]], [ORDERS[1]], [{"CLICK-MONO": 9}]) == (
        billed.orders(1, NORTHGATE),
        billed.orders(1, HARBOUR),
        billed.orders(0),
    )
    assert "Completed" == older.state.name


async def test_a_month_is_not_billed_behind_a_later_one(billed):
    await billed.run(period=month(0))
    await billed.run(period=month(0), dry_run=False)
    billed.print(FRONT_DESK, mono=5)
    await billed.propose()

    end = await billed.bill()

    assert f"{month(0)} is billed already: what was left of {month()} is part of that" in end.state.message
    assert ([], 2) == (billed.orders(1), len(billed.orders()))


async def test_a_device_that_is_doubtful_stops_no_other_and_is_billed_once_it_is_confirmed(billed):
    billed.report(FRONT_DESK, mono=10, color=70_000)
    proposed, failed = await billed.propose(), await billed.bill()
    between = billed.orders()

    await billed.propose(confirmed=[FRONT_DESK])
    end = await billed.bill(confirmed=["CLD4120-0077315"])
    unknown = await billed.bill(confirmed=["730199"])

    assert ["Proposed", "Failed", "Completed"] == [each.state.name for each in (proposed, failed, end)]
    assert all("Mono went back from 121504 to 10" in each.state.message for each in (proposed, failed))
    assert [ORDERS[1]] == between
    assert "the report has no device 730199. Nothing was billed." in str(unknown.error)
    # The order of the month is made without it: a customer has one, and the rest is part of the next.
    assert [ORDERS[1]] == billed.orders(1, HARBOUR)
    assert [{"CLICK-MONO": 10, "CLICK-COLOR": 7284}] == billed.orders(1, NORTHGATE)


async def test_a_device_that_moved_or_was_deleted_is_left_to_a_person(billed):
    async with billed.jetadvice.get_client() as client:
        await client.update_device(id=FRONT_DESK, customerId=HARBOUR, levelId="60131")
    await billed.propose()
    billed.sandbox.jetadvice.delete_device(DRAWING_OFFICE)
    moved = await billed.bill()
    gone = await billed.propose(back=0)
    first = await billed.run(period=month(0), dry_run=False)
    again = await billed.run(period=month(0), dry_run=False)

    assert "It moved here from customer 48211" in moved.state.message
    assert [{"CLICK-MONO": 30}] == billed.orders(
        1
    )  # of the readings that were proposed before it was deleted
    assert all("TS560X8830021 (730215)" in each.state.message for each in (gone, first))
    assert "TS560X8830021 (730215)" not in again.state.message


async def test_a_customer_without_an_account_is_said_so_and_is_billed_by_the_one_of_the_catalog(billed):
    await billed.propose()
    billed.rules(debtors={HARBOUR: "9999"})
    wrong = await billed.bill(customers=["2002"])
    billed.rules(debtors={HARBOUR: "2001"})

    end = await billed.bill(customers=[HARBOUR])
    unknown = await billed.bill(customers=["48299"])

    assert "Jiwa has no account '9999' of Harbour Architects" in wrong.state.message
    assert ("Completed", [ORDERS[1]]) == (end.state.name, billed.orders())
    assert "JetAdvice has no customer 48299. Nothing was billed." in str(unknown.error)


async def test_a_report_that_fails_is_empty_or_no_longer_there_is_begun_again_by_the_next_run(billed):
    billed.rules(report="4417")  # its view is gone
    failed = await billed.propose()
    twice = await billed.propose()
    begun = billed.reports()
    billed.rules(report="5002")  # a report of supplies
    other = await billed.propose()
    billed.rules()
    billed.sandbox.jetadvice.faults.add("get_report_run", "refuse", status=404, times=1)

    end = await billed.propose()

    assert all(
        "could not make report 4417: The view of this report" in str(each.error) for each in (failed, twice)
    )
    assert 3 == begun
    assert "has no column" in str(other.error)
    assert ("Proposed", 6) == (end.state.name, billed.reports())


async def test_a_report_that_takes_too_long_is_gone_on_with_by_the_next_run(billed):
    billed.rules(report_within="1s")
    billed.sandbox.jetadvice.polls = 10**6
    late = await billed.propose()
    billed.sandbox.jetadvice.polls = 2
    for run in billed.sandbox.jetadvice._runs.values():
        run.polls = 0

    end = await billed.propose()

    assert "JetAdvice still says Running of report 5001" in str(late.error)
    assert ("Proposed", 2) == (end.state.name, billed.reports())


async def test_an_empty_report_bills_nothing(billed):
    async with billed.jetadvice.get_client() as client:
        empty = await client.create_customer(name="Nobody")
        report = await client.create_report(name="Meters", viewId="301", customerId=empty.customerId)
    billed.rules(report=report.reportId)

    end = await billed.propose()

    assert "is empty: nothing is billed" in str(end.error)


async def test_an_order_of_before_a_restore_is_a_person_s_to_compare_and_is_made_no_second_time(
    billed, database
):
    await billed.propose()
    async with billed.jiwa.get_client() as client:
        await client.create_sales_order(
            DebtorAccountNo="2001",
            OrderNo=f"METERS-{month()}-{NORTHGATE}",
            SOReference=f"Meters {month()}",
            Lines=[{"PartNo": "CLICK-MONO", "QuantityOrdered": 499}],
        )
    await database.execute("UPDATE lineage SET readback_first_since = clock_timestamp()")

    ends = [await billed.bill(customers=[NORTHGATE]) for _ in range(2)]

    assert ["Failed", "Failed"] == [end.state.name for end in ends]
    assert all("hookline effects resolve" in end.state.message for end in ends)
    assert [{"CLICK-MONO": 499}] == billed.orders(1)


async def test_a_catalog_without_meters_does_nothing_and_a_month_must_be_one_to_bill(billed):
    billed.rules(since=month(0))
    early = await billed.propose()
    future = await billed.run(period="2099-01")
    billed.rules(parts=None)
    off = await billed.propose()

    assert ("Nothing to bill", "Switched off") == (early.state.name, off.state.name)
    assert "2099-01 has not begun" in str(future.error)


@pytest.mark.parametrize("seed", range(4))
async def test_however_runs_break_off_what_jiwa_is_asked_for_is_what_was_printed(fleet, database, seed):
    """Faults at every vendor call, runs repeated, months left out, orders refused; at the end all is completed."""
    chance = random.Random(seed)
    printed = {"mono": 0, "color": 0}
    await fleet.propose(back=12)
    await fleet.bill(back=12)
    for back in range(11, -1, -1):
        clicks = {"mono": chance.randrange(400), "color": chance.randrange(90)}
        fleet.print(FRONT_DESK, **clicks)
        printed = {kind: printed[kind] + clicks[kind] for kind in printed}
        for operation, vendor in (("create_sales_order", "jiwa"), ("get_report_run", "jetadvice")):
            kind = chance.choice(["lose", "refuse", None, None])
            if kind:
                status = {"status": chance.choice([400, 503])} if kind == "refuse" else {}
                getattr(fleet.sandbox, vendor).faults.add(
                    operation, kind, times=chance.randrange(1, 4), **status
                )
        await database.execute("DELETE FROM vendor_accounts")  # nobody is away for longer
        await fleet.run(period=month(back), tries=2, waits=2)
        for _ in range(chance.randrange(3) if back else 0):
            await fleet.run(period=month(back), dry_run=False, tries=2, waits=2)
    for simulator in fleet.sandbox:
        simulator.faults.clear()
    await database.execute("DELETE FROM vendor_accounts")
    proposed = await fleet.propose(back=0, readings="newest")

    end = await fleet.bill(back=0)

    orders = fleet.orders(customer=NORTHGATE)
    assert proposed.error is None, str(proposed.error)
    assert end.state.is_completed(), end.state.message
    assert (printed["mono"], printed["color"]) == tuple(
        sum(order.get(part, 0) for order in orders) for part in ("CLICK-MONO", "CLICK-COLOR")
    )
