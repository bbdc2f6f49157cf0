"""Deliveries and dispatches: accepted once, claimed once, in order, and never lost to a dead engine."""

import asyncio
from datetime import timedelta

import pytest

from hookline.inbox import deliveries, dispatches

LEASE = timedelta(seconds=30)
EXPIRED = timedelta(seconds=-1)


async def accept(database, external_id="one", source="jiwa", body=b"{}"):
    return await deliveries.accept(
        database,
        source=source,
        external_id=external_id,
        headers={"host": "here"},
        content_type="application/json",
        body=body,
    )


async def dispatch(database, external_id="one", key=None, route="r"):
    receipt = await accept(database, external_id)
    async with database.acquire() as connection:
        await dispatches.add(
            connection, receipt.id, route=route, deployment="f/d", parameters={"id": external_id}, key=key
        )
    return receipt.id


async def claim(database, owner="engine-1", limit=10, lease=LEASE):
    return [
        row["parameters"]["id"] for row in await dispatches.claim(database, owner, limit=limit, lease=lease)
    ]


async def test_a_repeat_is_told_the_first_id_however_many_come_at_once(database):
    receipts = await asyncio.gather(*(accept(database) for _ in range(20)))

    assert (1, 19) == (len({r.id for r in receipts}), sum(r.duplicate for r in receipts))
    assert 19 == await database.fetchval("SELECT duplicates FROM deliveries")


async def test_two_sources_may_use_the_same_id(database):
    receipts = [await accept(database, source="jiwa"), await accept(database, source="standard")]

    assert [False, False] == [receipt.duplicate for receipt in receipts]


async def test_a_delivery_wakes_the_engines(database, connect):
    woken = asyncio.Event()
    listener = await connect()
    await listener.add_listener(deliveries.CHANNEL, lambda *_: woken.set())

    await accept(database)

    await asyncio.wait_for(woken.wait(), 5)
    await listener.close()


async def test_engines_that_claim_at_once_share_the_work_and_take_nothing_twice(database):
    for number in range(30):
        await dispatch(database, f"d{number}")

    shares = await asyncio.gather(*(claim(database, f"engine-{n}", limit=10) for n in range(6)))

    taken = [name for share in shares for name in share]
    assert sorted(f"d{n}" for n in range(30)) == sorted(taken)


async def test_deliveries_of_one_key_are_worked_on_one_after_another(database):
    await dispatch(database, "first", key="order 1")
    await dispatch(database, "second", key="order 1")
    await dispatch(database, "other", key="order 2")

    at_once = await claim(database)
    await database.execute("UPDATE dispatches SET state = 'done' WHERE parameters->>'id' = 'first'")
    after = await claim(database)

    assert (["first", "other"], ["second"]) == (sorted(at_once), after)


async def test_a_failed_delivery_does_not_hold_up_the_next_of_its_key(database):
    await dispatch(database, "first", key="order 1")
    await dispatch(database, "second", key="order 1")
    await claim(database)
    await database.execute("UPDATE dispatches SET state = 'failed' WHERE parameters->>'id' = 'first'")

    assert ["second"] == await claim(database)


async def test_what_a_silent_engine_held_passes_to_another(database):
    await dispatch(database, "held")
    await claim(database, "dead-engine", lease=EXPIRED)

    assert ["held"] == await claim(database, "engine-2")


async def test_a_renewed_lease_keeps_others_away(database):
    await dispatch(database, "held")
    await claim(database, "slow-engine", lease=EXPIRED)
    await dispatches.renew(database, "slow-engine", LEASE)

    assert [] == await claim(database, "engine-2")


async def test_an_engine_that_lost_its_dispatch_cannot_end_it(database):
    await dispatch(database, "held")
    [lost] = await dispatches.claim(database, "slow-engine", limit=1, lease=EXPIRED)
    await claim(database, "engine-2")

    await dispatches.finish(database, lost["id"], "slow-engine", "failed", "too late")

    assert "running" == await database.fetchval("SELECT state FROM dispatches")


async def test_what_was_put_back_waits_for_its_time(database):
    await dispatch(database, "early")
    [row] = await dispatches.claim(database, "engine-1", limit=1, lease=LEASE)
    await dispatches.put_back(database, row["id"], "engine-1", "Prefect is away", timedelta(seconds=60))

    assert [] == await claim(database)
    assert 50 < await dispatches.seconds_to_next(database) <= 60


async def test_one_pair_of_delivery_and_route_is_one_dispatch(database):
    await dispatch(database, "one", route="r")
    await dispatch(database, "one", route="r")
    await dispatch(database, "one", route="other")

    assert 2 == await database.fetchval("SELECT count(*) FROM dispatches")


@pytest.mark.parametrize(
    ("state", "replays", "keeps_run"), [("failed", 0, True), ("uncertain", 0, True), ("done", 1, False)]
)
async def test_a_replay_continues_what_failed_and_begins_anew_what_is_done(
    database, state, replays, keeps_run
):
    delivery = await dispatch(database, "one")
    await database.execute("UPDATE dispatches SET state = $1, flow_run_id = gen_random_uuid()", state)

    async with database.acquire() as connection:
        replayed = await deliveries.replay(connection, delivery)

    row = await database.fetchrow("SELECT state, replays, flow_run_id IS NOT NULL AS keeps FROM dispatches")
    assert (True, ("waiting", replays, keeps_run)) == (replayed, tuple(row))


async def test_what_runs_is_not_replayed(database):
    delivery = await dispatch(database, "one")
    await claim(database)
    await database.execute("UPDATE deliveries SET state = 'dispatched'")

    async with database.acquire() as connection:
        assert not await deliveries.replay(connection, delivery)


async def test_a_discarded_delivery_is_left_alone_and_says_why(database):
    delivery = await dispatch(database, "one")

    async with database.acquire() as connection:
        discarded = await deliveries.discard(connection, delivery, "test order")

    assert (True, [], "test order") == (
        discarded,
        await claim(database),
        await database.fetchval("SELECT reason FROM dispatches"),
    )


async def test_deliveries_are_found_by_id_sender_id_key_and_its_end(database):
    delivery = await dispatch(database, "evt_1", key="jiwa order 5244dd")
    await dispatch(database, "evt_2", key="jiwa order 9999")

    found = [
        [row["id"] for row in await deliveries.find(database, key=key)]
        for key in (str(delivery), "evt_1", "jiwa order 5244dd", "5244dd", "nothing")
    ]

    assert [[delivery]] * 4 + [[]] == found
