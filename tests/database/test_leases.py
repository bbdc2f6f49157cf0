"""A claimed dispatch is its engine's own for as long as its lease lasts, and its run writes nothing afterwards."""

import asyncio
from datetime import timedelta
from uuid import uuid4

import pytest
from rows import arrival, bring

from hookline.context import RunStopped
from hookline.engine.leases import Leases
from hookline.inbox import deliveries, dispatches
from hookline.prefect_adapter.control import Stop

LONG = timedelta(minutes=5)
ANY = (0, dispatches.LAST)


@pytest.fixture
def engine(database, database_settings):
    """An engine's leases; they last for a tenth of a second at most."""

    def make(name):
        leases = Leases(database_settings, name)
        leases.lease = timedelta(seconds=0.1)
        return leases

    return make


async def dispatch(database, external_id="one", deployment="f/d"):
    receipt = await deliveries.accept(
        database,
        arrival(external_id),
    )
    async with database.acquire() as connection:
        await dispatches.add_all(
            connection,
            [dispatches.NewDispatch(receipt.id, route="r", deployment=deployment, parameters={}, key=None)],
        )


async def ran_out():
    await asyncio.sleep(0.15)


async def test_all_that_is_claimed_is_renewed_and_what_another_engine_has_is_stopped(database, engine):
    for name in ("one", "two"):
        await dispatch(database, name)
    slow = engine("slow")
    [kept, lost] = await slow.claim(2, ["f/d"])
    await database.execute("UPDATE dispatches SET lease_owner = 'quick' WHERE id = $1", lost.id)
    slow.lease = LONG

    await slow.renew_all()

    assert (None, Stop.LEASE_LOST) == (kept.stop, lost.stop)
    assert [kept.id] == [
        row["id"]
        for row in await database.fetch("SELECT id FROM dispatches WHERE lease_until > now() + $1", LONG / 2)
    ]


async def test_what_a_person_discards_is_stopped_and_nothing_else(database, engine):
    for name in ("one", "two"):
        await dispatch(database, name)
    ours = engine("ours")
    [discarded, kept] = await ours.claim(2, ["f/d"])
    await database.execute("UPDATE dispatches SET discard_reason = 'no' WHERE id = $1", discarded.id)

    await ours.stop_discarded()

    assert (Stop.DISCARDED, None) == (discarded.stop, kept.stop)


async def test_a_run_whose_lease_another_engine_has_begins_no_further_effect(database, engine):
    await dispatch(database)
    [claimed] = await engine("slow").claim(1, ["f/d"])
    await ran_out()  # as after a blocked event loop: nothing in this process knows of it yet
    quick = engine("quick")
    await quick.take_over()
    [taken] = await quick.claim(1, ["f/d"], ANY)

    with pytest.raises(RunStopped, match="its lease ran out"):
        async with claimed.write_permit():
            raise AssertionError("it was written")

    assert (claimed.id, "slow", Stop.LEASE_LOST) == (taken.id, taken.dispatch["left_by"], claimed.stop)


async def test_a_late_engine_goes_on_if_nobody_has_taken_its_dispatch(database, engine):
    await dispatch(database)
    leases = engine("slow")
    [claimed] = await leases.claim(1, ["f/d"])
    await ran_out()
    await leases.take_over()
    own = await leases.claim(1, ["f/d"], ANY)
    leases.lease = LONG

    async with claimed.write_permit():
        pass

    await engine("quick").take_over()
    assert ([], None) == (own, claimed.stop)
    assert [] == await engine("quick").claim(1, ["f/d"], ANY)


async def test_what_is_in_flight_ends_before_the_run_is_stopped(database, engine):
    await dispatch(database)
    [claimed] = await engine("one").claim(1, ["f/d"])
    claimed.until += LONG.total_seconds()
    begun, answered = asyncio.Event(), asyncio.Event()

    async def flow():
        async with claimed.write_permit():
            begun.set()
            await answered.wait()
        await asyncio.sleep(LONG.total_seconds())

    claimed.flow = asyncio.create_task(flow())
    await begun.wait()
    claimed.request_stop(Stop.CANCELLED)
    await asyncio.sleep(0)
    in_flight = not claimed.flow.done()
    answered.set()
    await asyncio.sleep(0.01)
    claimed.request_stop(Stop.CANCELLED)

    with pytest.raises(asyncio.CancelledError):
        await claimed.flow
    assert in_flight


async def test_an_engine_takes_only_what_it_can_run_and_says_who_might(database, engine):
    await dispatch(database, "known", "f/known")
    await dispatch(database, "new", "f/new")

    taken = await engine("old").claim(9, ["f/known"])
    async with database.acquire() as connection:
        await dispatches.flag_unroutable(connection, ["f/known"])

    reason = await database.fetchval("SELECT reason FROM dispatches WHERE state = 'dispatched'")
    assert ["f/known"] == [claimed.dispatch["deployment"] for claimed in taken]
    assert "waits for an engine whose prefect.yaml has f/new" == reason


async def test_a_run_that_waits_for_a_person_takes_no_slot(database, engine):
    for number in range(3):
        await dispatch(database, f"d{number}")
    leases = engine("one")
    leases.slots.at_once = 3
    first, *_ = await leases.claim(3, ["f/d"])
    full = leases.slots.free_now()
    first.awaiting_input = True

    assert (0, 1) == (full, leases.slots.free_now())


async def test_what_was_requeued_remembers_that_an_engine_left_it_open(database, engine):
    await dispatch(database)
    [claimed] = await engine("one").claim(1, ["f/d"])
    await dispatches.requeue(database, claimed.id, "one", "this engine is stopping", timedelta(0))

    [again] = await engine("two").claim(1, ["f/d"])

    assert (None, "one") == (claimed.dispatch["left_by"], again.dispatch["left_by"])


async def test_failed_runs_are_looked_at_in_turns_and_what_waits_each_time(database):
    async with database.acquire() as connection:
        for number in range(8):
            await dispatch(database, f"d{number}")
        await bring(connection, "dispatches", "failed")
        await connection.execute(
            "UPDATE dispatches SET flow_run_id = gen_random_uuid(), finished_at = now() - seq * interval '1 s'"
        )
        await connection.execute(
            "UPDATE dispatches SET state = 'held' WHERE seq = (SELECT max(seq) FROM dispatches)"
        )
        first = await connection.fetchval("SELECT min(seq) FROM dispatches")
        seen, after = [], 0
        for _ in range(4):
            rows = await dispatches.in_progress(
                connection, after=after, held_after=0, limit=2, held_limit=2, within=LONG
            )
            after = max((row["seq"] for row in rows if row["in_turn"]), default=0)
            seen.append(sorted(row["seq"] - first for row in rows))

    assert [[0, 1, 2, 3, 7], [0, 1, 4, 5, 7], [0, 1, 6, 7], [0, 1, 7]] == seen


async def test_what_waits_is_asked_about_in_turns_however_much_it_is(database):
    async with database.acquire() as connection:
        for number in range(5):
            await dispatch(database, f"d{number}")
        await bring(connection, "dispatches", "held")
        await connection.execute("UPDATE dispatches SET flow_run_id = gen_random_uuid()")
        first = await connection.fetchval("SELECT min(seq) FROM dispatches")
        pages = [
            await dispatches.in_progress(
                connection, after=0, held_after=first - 1 + skip, limit=2, held_limit=2, within=LONG
            )
            for skip in (0, 2, 4)
        ]
        resumed = await dispatches.held_with(connection, [pages[2][0]["flow_run_id"], uuid4()])

    assert [[0, 1], [2, 3], [4]] == [[row["seq"] - first for row in page] for page in pages]
    assert [pages[2][0]["id"]] == [row["id"] for row in resumed]
