"""Deliveries and dispatches: accepted once, claimed once, in order, and never lost to a dead engine."""

import asyncio
from datetime import timedelta

from rows import arrival, bring

from hookline.inbox import deliveries, dispatches

LEASE = timedelta(seconds=30)
EXPIRED = timedelta(seconds=-1)
ANY = (0, dispatches.LAST)


async def accept(database, external_id="one", source="jiwa", body=b"{}"):
    return await deliveries.accept(
        database,
        arrival(external_id, source=source, headers={"host": "here"}, body=body),
    )


async def dispatch(database, external_id="one", key=None, route="r", source="jiwa"):
    receipt = await accept(database, external_id, source)
    async with database.acquire() as connection:
        await dispatches.add_all(
            connection,
            [
                dispatches.NewDispatch(
                    receipt.id, route=route, deployment="f/d", parameters={"id": external_id}, key=key
                )
            ],
        )
    return receipt.id


async def claim(database, owner="engine-1", limit=10, lease=LEASE, **named):
    rows = await dispatches.claim(database, owner, limit=limit, lease=lease, **named)
    return [row["parameters"]["id"] for row in rows]


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


async def test_of_one_ordering_key_only_the_first_counts_as_a_backlog(database):
    for number in range(3):
        await dispatch(database, f"same {number}", key="order 1")
    await dispatch(database, "other", key="order 2")
    await dispatch(database, "without")
    waiting = await dispatches.backlog(database, 10)

    await claim(database, limit=1)

    assert (3, 2, 1) == (
        waiting,
        await dispatches.backlog(database, 10),
        await dispatches.backlog(database, 1),
    )


async def test_deliveries_of_one_key_are_worked_on_one_after_another(database):
    await dispatch(database, "first", key="order 1")
    await dispatch(database, "second", key="order 1")
    await dispatch(database, "other", key="order 2")

    at_once = await claim(database)
    await bring(database, "dispatches", "done", "parameters->>'id' = 'first'")
    after = await claim(database)

    assert (["first", "other"], ["second"]) == (sorted(at_once), after)


async def test_a_failed_delivery_does_not_hold_up_the_next_of_its_key(database):
    await dispatch(database, "first", key="order 1")
    await dispatch(database, "second", key="order 1")
    await claim(database)
    await bring(database, "dispatches", "failed", "parameters->>'id' = 'first'")

    assert ["second"] == await claim(database)


async def test_what_a_silent_engine_held_passes_to_another(database):
    await dispatch(database, "held")
    await claim(database, "dead-engine", lease=EXPIRED)

    before = await claim(database, "engine-2", takeovers=ANY)
    await dispatches.take_over(database)

    assert ([], ["held"]) == (before, await claim(database, "engine-2", takeovers=ANY))


async def test_a_renewed_lease_keeps_others_away(database):
    await dispatch(database, "held")
    [held] = await dispatches.claim(database, "slow-engine", limit=1, lease=EXPIRED)
    await dispatches.renew(database, "slow-engine", [held["id"]], LEASE)

    assert [] == await dispatches.take_over(database)


async def test_an_engine_that_lost_its_dispatch_cannot_end_it(database):
    await dispatch(database, "held")
    [lost] = await dispatches.claim(database, "slow-engine", limit=1, lease=EXPIRED)
    await dispatches.take_over(database)
    await claim(database, "engine-2", takeovers=ANY)

    await dispatches.finish(database, lost["id"], "slow-engine", "failed", "too late")

    assert "running" == await database.fetchval("SELECT state FROM dispatches")


async def test_what_was_requeued_waits_for_its_time(database):
    await dispatch(database, "early")
    [row] = await dispatches.claim(database, "engine-1", limit=1, lease=LEASE)
    await dispatches.requeue(database, row["id"], "engine-1", "Prefect is away", timedelta(seconds=60))

    assert [] == await claim(database)
    assert 50 < await dispatches.seconds_to_next(database) <= 60


async def test_one_pair_of_delivery_and_route_is_one_dispatch(database):
    await dispatch(database, "one", route="r")
    await dispatch(database, "one", route="r")
    await dispatch(database, "one", route="other")

    assert 2 == await database.fetchval("SELECT count(*) FROM dispatches")


async def test_a_burst_of_one_source_does_not_keep_another(database):
    for number in range(20):
        await dispatch(database, f"burst-{number}")
    await dispatch(database, "quiet", source="standard")

    taken = await claim(database, limit=4)

    assert ["burst-0", "burst-1", "burst-2", "quiet"] == sorted(taken)


async def test_a_delivery_is_where_its_dispatches_are_and_what_needs_a_person_comes_first(database):
    delivery = await dispatch(database, "one", route="first")
    await dispatch(database, "one", route="second")
    seen = [await database.fetchval("SELECT state FROM deliveries")]
    for route, state in (
        ("first", "running"),
        ("second", "running"),
        ("second", "done"),
        ("first", "failed"),
        ("second", "dispatched"),
        ("second", "running"),
        ("second", "uncertain"),
        ("second", "discarded"),
        ("first", "done"),
    ):
        await database.execute(
            "UPDATE dispatches SET state = $2, reason = $3 WHERE route = $1", route, state, f"{route} {state}"
        )
        row = await database.fetchrow("SELECT state, reason FROM deliveries WHERE id = $1", delivery)
        seen.append(tuple(row))

    assert [
        "dispatched",
        ("running", "first running"),
        ("running", "first running"),
        ("running", "first running"),
        ("failed", "first failed"),
        ("failed", "first failed"),
        ("failed", "first failed"),
        ("uncertain", "second uncertain"),
        ("failed", "first failed"),
        ("done", "first done"),
    ] == seen


async def test_two_dispatches_that_end_at_once_leave_the_delivery_where_both_are(database):
    for _ in range(20):
        await database.execute("DELETE FROM deliveries")
        for route in ("first", "second"):
            await dispatch(database, "one", route=route)
        await asyncio.gather(
            *(bring(database, "dispatches", "done", "route = $1", route) for route in ("first", "second"))
        )

        assert "done" == await database.fetchval("SELECT state FROM deliveries")


async def test_what_ended_some_time_ago_is_told_from_what_ended_just_now_and_from_what_is_open(database):
    ended = {
        "long ago": -3600,
        "just now": -1,
        "after the question": 1,
        "before the clock was set back": 3600,
    }
    ids = {}
    for name in (*ended, "open"):
        delivery = await dispatch(database, name)
        ids[name] = await database.fetchval("SELECT id FROM dispatches WHERE delivery_id = $1", delivery)
    for name, seconds in ended.items():
        await bring(database, "dispatches", "done", "id = $1", ids[name])
        await database.execute(
            "UPDATE dispatches SET finished_at = now() + $2 WHERE id = $1",
            ids[name],
            timedelta(seconds=seconds),
        )

    async with database.acquire() as connection, connection.transaction():
        found = await dispatches.finished_before(connection, ids.values(), since=timedelta(minutes=1))

    expected = {(ids[name], "done") for name in ("long ago", "before the clock was set back")}
    assert expected == {(row["id"], row["state"]) for row in found}


async def test_of_deliveries_that_are_routed_only_the_claim_of_these_is_renewed(database):
    renewed, left = [(await accept(database, name)).id for name in ("renewed", "left")]
    await database.execute("UPDATE deliveries SET routing_until = now() - interval '1 s'")

    await deliveries.renew_routing(database, [renewed])

    rows = await database.fetch("SELECT id, routing_until > now() AS is_claimed FROM deliveries")
    assert {renewed: True, left: False} == dict(map(tuple, rows))
