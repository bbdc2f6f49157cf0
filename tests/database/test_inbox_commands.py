"""What a person does to deliveries: done once, written down with name and reason, and nothing lost by it."""

import asyncio
from datetime import timedelta

import pytest
from rows import arrival, bring

from hookline.inbox import audit, commands, deliveries, dispatches, search

ANN = "ann at desk"
LEASE = timedelta(seconds=30)


async def accept(database, external_id="one", source="jiwa"):
    receipt = await deliveries.accept(
        database,
        arrival(external_id, source=source),
    )
    return receipt.id


async def dispatch(database, external_id="one", *, route="r", state="dispatched", source="jiwa"):
    delivery = await accept(database, external_id, source)
    async with database.acquire() as connection:
        await dispatches.add_all(
            connection,
            [dispatches.NewDispatch(delivery, route=route, deployment="f/d", parameters={}, key=None)],
        )
    of_route = "delivery_id = $1 AND route = $2"
    await bring(database, "dispatches", state, of_route, delivery, route)
    await database.execute(
        f"UPDATE dispatches SET flow_run_id = gen_random_uuid() WHERE {of_route}", delivery, route
    )
    return delivery


async def act(database, what, *arguments, **named):
    async with database.acquire() as connection:
        return await what(connection, *arguments, actor=ANN, **named)


async def routed(database):
    return await database.fetch("SELECT route, state, replays FROM dispatches ORDER BY seq")


async def trail(database, delivery):
    return [
        (row["subject"], row["was"], row["became"], row["actor"] == ANN, row["reason"])
        for row in await audit.trail(database, delivery)
    ]


@pytest.mark.parametrize(
    ("state", "replays", "keeps_run"),
    [("failed", 0, True), ("uncertain", 0, True), ("done", 1, False), ("discarded", 1, False)],
)
async def test_a_replay_continues_what_failed_and_begins_anew_what_is_over(
    database, state, replays, keeps_run
):
    delivery = await dispatch(database, state=state)

    replayed = await act(database, commands.replay, [delivery])

    row = await database.fetchrow("SELECT state, replays, flow_run_id IS NOT NULL AS keeps FROM dispatches")
    assert ({delivery}, ("dispatched", replays, keeps_run)) == (replayed, tuple(row))


@pytest.mark.parametrize("state", ["dispatched", "running", "held"])
async def test_what_waits_or_runs_is_not_replayed(database, state):
    delivery = await dispatch(database, state=state)

    assert not await act(database, commands.replay, [delivery])


@pytest.mark.parametrize("state", ["unrouted", "rejected", "discarded"])
async def test_what_never_became_a_dispatch_is_routed_again(database, state):
    delivery = await accept(database)
    await bring(database, "deliveries", state)

    assert await act(database, commands.replay, [delivery])
    assert ("received", None) == tuple(await database.fetchrow("SELECT state, only_route FROM deliveries"))


async def test_a_replay_to_one_route_leaves_the_others_alone(database):
    delivery = await dispatch(database, route="first", state="done")
    await dispatch(database, route="second", state="done")

    assert await act(database, commands.replay, [delivery], route="second")
    assert [("first", "done", 0), ("second", "dispatched", 1)] == [
        tuple(row) for row in await routed(database)
    ]


async def test_a_replay_to_a_route_that_did_not_take_it_asks_for_just_that_route(database):
    delivery = await dispatch(database, route="first", state="done")

    assert await act(database, commands.replay, [delivery], route="third")
    assert ("received", "third") == tuple(await database.fetchrow("SELECT state, only_route FROM deliveries"))
    assert [("first", "done", 0)] == [tuple(row) for row in await routed(database)]


async def test_a_replay_to_another_route_is_not_lost_when_a_dispatch_ends_meanwhile(database):
    delivery = await dispatch(database, route="first", state="running")
    await act(database, commands.replay, [delivery], route="third")

    await database.execute("UPDATE dispatches SET state = 'done'")

    assert ("received", "third") == tuple(await database.fetchrow("SELECT state, only_route FROM deliveries"))


async def test_a_discarded_delivery_is_left_alone_and_says_why(database):
    delivery = await dispatch(database)

    discarded = await act(database, commands.discard, [delivery], reason="test order")

    assert ({delivery}, [], ("discarded", "test order")) == (
        discarded,
        await dispatches.claim(database, "engine", limit=9, lease=LEASE),
        tuple(await database.fetchrow("SELECT state, reason FROM deliveries")),
    )


async def test_what_is_done_is_not_discarded(database):
    delivery = await dispatch(database, state="done")

    assert not await act(database, commands.discard, [delivery], reason="too late")


async def running(database):
    """A delivery whose dispatch an engine has claimed; it, and the dispatch's id."""
    delivery = await dispatch(database)
    [claimed] = await dispatches.claim(database, "engine", limit=1, lease=LEASE)
    return delivery, claimed["id"]


@pytest.mark.parametrize("how", ["stopped", "put back", "begun again", "taken over"])
async def test_what_runs_is_discarded_when_its_engine_lets_go_of_it_in_whatever_way(database, how):
    delivery, id_ = await running(database)

    asked = await act(database, commands.discard, [delivery], reason="test order")
    before = await database.fetchrow("SELECT state, reason FROM dispatches")
    to_stop = await dispatches.to_be_discarded(database, [id_])
    match how:
        case "stopped":
            await dispatches.stopped(database, id_, "engine")
        case "put back":
            await dispatches.requeue(database, id_, "engine", "Prefect is away", timedelta(0))
        case "begun again":
            await dispatches.unbatch(database, id_, "engine", "it did not end well")
        case "taken over":
            await dispatches.take_over(database, dead=["engine"])

    assert ({delivery}, {id_}) == (asked, to_stop)
    assert ("running", "stops before its next step, to be discarded: test order") == tuple(before)
    assert ("dispatch", "running", "discarded", True, "test order") == (await trail(database, delivery))[-1]
    assert ("discarded", "test order") == tuple(
        await database.fetchrow("SELECT state, reason FROM deliveries")
    )


async def test_what_ends_before_it_could_be_stopped_is_done_and_not_discarded_later(database):
    delivery, id_ = await running(database)
    await act(database, commands.discard, [delivery], reason="test order")

    await dispatches.finish(database, id_, "engine", "done", None)
    await act(database, commands.replay, [delivery])
    await dispatches.claim(database, "engine", limit=1, lease=LEASE)

    assert "done" in [row[2] for row in await trail(database, delivery)]
    assert set() == await dispatches.to_be_discarded(database, [id_])


async def test_a_discarded_delivery_that_is_replayed_is_not_discarded_again(database):
    delivery, id_ = await running(database)
    await act(database, commands.discard, [delivery], reason="test order")
    await dispatches.stopped(database, id_, "engine")

    await act(database, commands.replay, [delivery])
    await dispatches.claim(database, "engine", limit=1, lease=LEASE)

    assert set() == await dispatches.to_be_discarded(database, [id_])


async def test_a_reason_that_cannot_be_stored_is_no_reason_to_fail(database):
    delivery = await dispatch(database)

    await act(database, commands.discard, [delivery], reason="a\x00b\ud800" + "long" * 1000)

    reason = await database.fetchval("SELECT reason FROM dispatches")
    assert (True, 500) == (reason.startswith("a\\u{0}b"), len(reason))


async def test_the_audit_trail_has_every_change_with_its_actor_and_reason(database):
    delivery = await dispatch(database)
    await database.execute("UPDATE dispatches SET state = 'running'")
    await database.execute("UPDATE dispatches SET state = 'failed', reason = 'refused'")
    await act(database, commands.replay, [delivery], reason="fixed in Jiwa")
    await act(database, commands.discard, [delivery], reason="test order")

    assert [
        ("delivery", None, "received", False, None),
        ("dispatch", None, "dispatched", False, None),
        ("dispatch", "dispatched", "running", False, None),
        ("dispatch", "running", "failed", False, "refused"),
        ("dispatch", "failed", "dispatched", True, "fixed in Jiwa"),
        ("dispatch", "dispatched", "discarded", True, "test order"),
    ] == await trail(database, delivery)


async def test_what_no_person_did_has_the_process_as_its_actor(database):
    await accept(database)

    actor = await database.fetchval("SELECT actor FROM changes")

    assert actor.startswith("hookline ")


async def test_what_a_paused_source_sends_is_held_and_let_go_in_order(database):
    before = await accept(database, "before")
    await act(database, commands.pause, "jiwa", reason="Jiwa is being upgraded")
    meanwhile = await accept(database, "meanwhile")
    other = await accept(database, "other", source="standard")
    held = [row["state"] for row in await database.fetch("SELECT state FROM deliveries ORDER BY seq")]

    released = await act(database, commands.resume, "jiwa")

    async with database.acquire() as connection, connection.transaction():
        freed = [row["id"] for row in await deliveries.claim_received(connection, 9)]
    assert (["held", "held", "received"], 2, [before, meanwhile, other]) == (held, released, freed)


async def test_nothing_of_a_paused_source_is_started(database):
    await dispatch(database)
    await dispatch(database, "other", source="standard")
    await act(database, commands.pause, "jiwa", reason="wait")

    paused = [row["source"] for row in await dispatches.claim(database, "engine", limit=9, lease=LEASE)]
    await act(database, commands.resume, "jiwa")
    resumed = [row["source"] for row in await dispatches.claim(database, "engine", limit=9, lease=LEASE)]

    assert (["standard"], ["jiwa"]) == (paused, resumed)


async def test_what_came_before_its_source_was_paused_is_held_with_the_reason_of_the_pause(database):
    delivery = await accept(database)

    await act(database, commands.pause, "jiwa", reason="stock-taking")

    assert ("held", "stock-taking") == tuple(
        await database.fetchrow("SELECT state, reason FROM deliveries WHERE id = $1", delivery)
    )


async def test_a_pause_is_made_and_ended_once_and_both_stand_in_the_trail(database):
    paused = [await act(database, commands.pause, "jiwa", reason="upgrade") for _ in range(2)]
    assert [("jiwa", ANN, "upgrade")] == [
        tuple(row) for row in await database.fetch("SELECT source, actor, reason FROM pauses")
    ]
    resumed = [await act(database, commands.resume, "jiwa") for _ in range(2)]

    rows = await database.fetch("SELECT became, actor, reason FROM changes WHERE source = 'jiwa' ORDER BY id")
    assert ([True, False], [0, None]) == (paused, resumed)
    assert [("paused", ANN, "upgrade"), ("resumed", ANN, "resumed")] == [tuple(row) for row in rows]


async def test_no_delivery_stays_held_that_came_while_its_source_was_resumed(database):
    for round_ in range(10):
        await act(database, commands.pause, "jiwa", reason="race")
        await asyncio.gather(
            *(accept(database, f"{round_}-{number}") for number in range(10)),
            act(database, commands.resume, "jiwa"),
        )

    assert {"received"} == {row["state"] for row in await database.fetch("SELECT state FROM deliveries")}


async def test_deliveries_are_found_by_id_sender_id_key_and_its_end(database):
    found_by = await accept(database, "evt_1")
    async with database.acquire() as connection:
        await dispatches.add_all(
            connection,
            [
                dispatches.NewDispatch(
                    found_by, route="r", deployment="f/d", parameters={}, key="jiwa order 5244dd"
                )
            ],
        )
    await accept(database, "evt_2")

    found = [
        [row["id"] for row in (await search.find(database, search.Filter(key=key))).deliveries]
        for key in (str(found_by), "evt_1", "jiwa order 5244dd", "5244dd", "nothing")
    ]

    assert [[found_by]] * 4 + [[]] == found
