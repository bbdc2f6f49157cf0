"""The health of a vendor's account, shared by all processes: away, tried by one run, back, and what waits for it."""

from datetime import timedelta
from uuid import uuid4

import pytest
from test_inbox_commands import dispatch

from hookline.inbox import dispatches
from hookline.outages import store, waiting
from hookline.outages.store import Failure, Intervals

ZENTITLE = "zentitle/default"
AT_ONCE = Intervals(first=0, longest=0)
LATER = Intervals(first=60, longest=240)
LEASE = timedelta(seconds=30)
GIVE_UP = timedelta(hours=72)


def failure(by, operation="get_company", *, wait=0.0):
    return Failure(operation, f"Unavailable at {operation}", by, wait, is_long=wait >= 30)


async def fail(database, by, operation="get_company", *, times=1, intervals=AT_ONCE, wait=0.0):
    for _ in range(times):
        row = await store.failed(database, ZENTITLE, "zentitle", failure(by, operation, wait=wait), intervals)
    return row


async def is_away(database):
    [account] = await store.health(database)
    return account.health == "away"


async def waiting_dispatch(database, external_id, *, key=None):
    await dispatch(database, external_id)
    if key:
        await database.execute(
            "UPDATE dispatches SET key = $1 WHERE seq = (SELECT max(seq) FROM dispatches)", key
        )
    id_ = await database.fetchval("SELECT id FROM dispatches ORDER BY seq DESC LIMIT 1")
    await database.execute("UPDATE dispatches SET state = 'running', lease_owner = 'e' WHERE id = $1", id_)
    await waiting.wait(database, id_, "e", ZENTITLE, "waits for zentitle", in_batch=False)
    return id_


async def claimable(database):
    return [row["id"] for row in await dispatches.claim(database, "e", limit=10_000, lease=LEASE)]


async def test_an_account_is_away_after_as_many_failures_in_a_row_as_a_run_makes_of_a_call(database):
    before = (await fail(database, "a", times=store.AWAY_AFTER - 1))["away_since"]
    after = (await fail(database, "b"))["away_since"]

    assert (True, False) == (before is None, after is None)


async def test_a_success_of_the_operation_ends_the_row_and_that_of_another_does_not(database):
    await fail(database, "a", times=3)
    await store.succeeded(database, ZENTITLE, "get_company", "b", ends_probe=False)
    await fail(database, "a", times=3)
    healthy = await is_away(database)
    await store.succeeded(database, ZENTITLE, "list_products", "b", ends_probe=False)
    await fail(database, "a")

    assert (False, True) == (healthy, await is_away(database))


async def test_failures_of_yesterday_do_not_count_with_those_of_today(database):
    await fail(database, "a", times=3)
    await database.execute("UPDATE vendor_accounts SET failed_at = now() - interval '1 day'")
    await fail(database, "a")

    assert not await is_away(database)


async def test_one_long_wait_that_the_vendor_asks_for_is_enough_and_is_waited_for(database):
    row = await fail(database, "a", wait=900.0)
    seconds = (row["next_try_at"] - row["away_since"]).total_seconds()

    assert 900 == seconds


async def test_one_run_tries_an_account_that_is_away_and_only_once_it_is_time(database):
    await fail(database, "a", times=4, intervals=LATER)
    early = await store.may_call(database, ZENTITLE, "a")
    await database.execute("UPDATE vendor_accounts SET next_try_at = now()")
    allowed = [await store.may_call(database, ZENTITLE, by) for by in ("a", "b", "a")]

    assert (False, [True, False, True]) == (early, allowed)


async def test_a_probe_that_died_is_followed_by_another(database):
    await fail(database, "a", times=4)
    await store.may_call(database, ZENTITLE, "a")
    await database.execute("UPDATE vendor_accounts SET probe_until = now()")

    assert [True, False] == [await store.may_call(database, ZENTITLE, by) for by in ("b", "c")]


async def test_the_time_between_probes_grows_up_to_the_longest(database):
    intervals = Intervals(first=2, longest=240)

    assert [2, 4, 8, 128, 240, 240] == [intervals.after(tries) for tries in (0, 1, 2, 6, 7, 10_000)]


async def test_only_the_run_that_tries_it_moves_the_next_try(database):
    await fail(database, "a", times=4)
    await store.may_call(database, ZENTITLE, "a")
    other = await fail(database, "b", intervals=LATER)
    probe = await fail(database, "a", intervals=LATER)

    assert (0, 1) == (other["tries"], probe["tries"])


async def test_an_account_is_back_when_the_run_that_tries_it_is_through_and_not_before(database):
    await fail(database, "a", times=4)
    await store.may_call(database, ZENTITLE, "a")
    await store.succeeded(database, ZENTITLE, "get_company", "a", ends_probe=False)
    away = await is_away(database)
    await store.ended(database, "a", done=True)

    assert (True, False) == (away, await is_away(database))


async def test_what_was_sent_before_says_nothing_of_now(database):
    await fail(database, "a", times=4)
    await store.may_call(database, ZENTITLE, "a")
    await store.succeeded(database, ZENTITLE, "get_company", "late", ends_probe=True)
    await store.ended(database, "late", done=True)

    assert await is_away(database)


async def test_a_probe_that_ends_without_an_answer_leaves_the_try_to_another(database):
    await fail(database, "a", times=4)
    await store.may_call(database, ZENTITLE, "a")
    await store.ended(database, "a", done=False)

    assert (True, True) == (await is_away(database), await store.may_call(database, ZENTITLE, "b"))


async def test_a_run_that_did_not_call_the_account_says_nothing_of_it(database):
    await fail(database, "a", times=4)
    await store.may_call(database, ZENTITLE, "a")
    await store.ended(database, "a", done=True)

    assert await is_away(database)


async def test_in_prefects_worker_the_call_itself_ends_the_probe(database):
    await fail(database, "process 1", times=4)
    await store.may_call(database, ZENTITLE, "process 1")
    await store.succeeded(database, ZENTITLE, "get_company", "process 1", ends_probe=True)

    assert not await is_away(database)


async def test_a_run_that_failed_all_alone_takes_nothing_away_once_another_does_well(database):
    """Else one order on which the vendor breaks would hold up all others, again and again."""
    poison = waiting.run_of(uuid4())
    await fail(database, poison, times=4)
    await store.may_call(database, ZENTITLE, "good")
    await store.succeeded(database, ZENTITLE, "get_company", "good", ends_probe=False)
    await store.ended(database, "good", done=True)
    await fail(database, poison, times=8)

    assert not await is_away(database)


async def test_people_are_told_of_an_outage_that_lasts_and_of_its_end_and_of_no_short_one(database):
    async def due():
        return await database.fetchval("SELECT event_due FROM vendor_accounts")

    async def outage(probes):
        await fail(database, "a", times=4)
        for _ in range(probes):
            await store.may_call(database, ZENTITLE, "a")
            await fail(database, "a")
        told = await due()
        await database.execute("UPDATE vendor_accounts SET event_due = NULL")
        await store.may_call(database, ZENTITLE, "a")
        await store.succeeded(database, ZENTITLE, "get_company", "a", ends_probe=True)
        return told, await due()

    assert [(None, None), ("away", "back")] == [await outage(1), await outage(store.NOTIFY_AT)]


async def test_what_waits_for_an_account_is_not_claimed_and_what_does_not_is(database):
    await fail(database, "a", times=4, intervals=LATER)
    await waiting_dispatch(database, "waits")
    await dispatch(database, "free")
    await waiting.go_on(database, GIVE_UP)

    assert 1 == len(await claimable(database))
    assert None is await dispatches.seconds_to_next(database)
    assert 0 == await dispatches.backlog(database, 10)


async def test_one_is_woken_to_try_the_account_and_they_take_turns(database):
    await fail(database, "a", times=4)
    first, second = [await waiting_dispatch(database, name) for name in ("one", "two")]
    woken = []
    for _ in range(3):
        await waiting.go_on(database, GIVE_UP)
        await waiting.go_on(database, GIVE_UP)
        [probe] = await claimable(database)
        woken.append(probe)
        await fail(database, waiting.run_of(probe))
        await waiting.wait(database, probe, "e", ZENTITLE, "waits", in_batch=False)

    assert [first, second, first] == woken


async def test_the_order_of_a_key_is_kept_while_it_waits(database):
    await fail(database, "a", times=4, intervals=LATER)
    first = await waiting_dispatch(database, "one", key="order 1")
    await dispatch(database, "two")
    await database.execute("UPDATE dispatches SET key = 'order 1'")
    blocked = await claimable(database)
    await database.execute("UPDATE vendor_accounts SET next_try_at = now()")
    await waiting.go_on(database, GIVE_UP)

    assert ([], [first]) == (blocked, await claimable(database))


async def test_what_waited_follows_at_a_rising_rate_in_its_order(database):
    await fail(database, "a", times=4)
    waited = [await waiting_dispatch(database, f"d{number}") for number in range(30)]
    await waiting.go_on(database, GIVE_UP)
    [probe] = await claimable(database)
    await store.succeeded(database, ZENTITLE, "get_company", waiting.run_of(probe), ends_probe=False)
    await store.ended(database, waiting.run_of(probe), done=True)
    steps = []
    for _ in range(4):
        await waiting.go_on(database, GIVE_UP)
        await waiting.go_on(database, GIVE_UP)  # another engine asks in the same second
        steps.append(await claimable(database))
        await database.execute("UPDATE vendor_accounts SET released_at = now() - interval '1 second'")

    assert [4, 8, 16, 1] == [len(step) for step in steps]
    assert [id_ for id_ in waited if id_ != probe] == [
        id_ for step in steps for id_ in sorted(step, key=waited.index)
    ]


async def test_while_it_is_away_again_the_rest_goes_on_waiting(database):
    await fail(database, "a", times=4)
    for number in range(10):
        await waiting_dispatch(database, f"d{number}")
    await waiting.go_on(database, GIVE_UP)
    [probe] = await claimable(database)
    await store.succeeded(database, ZENTITLE, "get_company", waiting.run_of(probe), ends_probe=False)
    await store.ended(database, waiting.run_of(probe), done=True)
    await waiting.go_on(database, GIVE_UP)
    released = await claimable(database)
    await fail(database, "b", times=4, intervals=LATER)
    await waiting.go_on(database, GIVE_UP)

    assert (4, []) == (len(released), await claimable(database))


@pytest.mark.parametrize(("hours", "expected"), [(71, False), (73, True)])
async def test_after_the_time_that_is_waited_a_dispatch_is_run_once_more_to_fail(database, hours, expected):
    await fail(database, "a", times=4, intervals=LATER)
    id_ = await waiting_dispatch(database, "d")
    await database.execute(
        "UPDATE dispatches SET vendor_wait_since = now() - $1::interval", timedelta(hours=hours)
    )
    await waiting.go_on(database, GIVE_UP)

    assert ([id_] if expected else [], expected) == (
        await claimable(database),
        await store.has_given_up(database, id_, GIVE_UP),
    )


async def test_a_dispatch_that_a_person_discards_while_it_runs_is_discarded_and_does_not_wait(database):
    id_ = await waiting_dispatch(database, "d")
    await database.execute("UPDATE dispatches SET waits_account = NULL")
    await claimable(database)
    await database.execute("UPDATE dispatches SET discard_reason = 'test', discard_actor = 'ann'")
    await waiting.wait(database, id_, "e", ZENTITLE, "waits", in_batch=False)

    assert "discarded" == await database.fetchval("SELECT state FROM dispatches")


async def test_the_wait_for_one_account_does_not_count_for_the_next(database):
    """Woken to try Zentitle after 71 hours, the dispatch gets on, and meets Jiwa, which is away since a minute."""
    await fail(database, "a", times=4)
    id_ = await waiting_dispatch(database, "d")
    await database.execute("UPDATE dispatches SET vendor_wait_since = now() - interval '71 hours'")
    await waiting.go_on(database, GIVE_UP)
    assert [id_] == await claimable(database)
    jiwa = failure("b", wait=3600)
    await store.failed(database, "jiwa/default", "jiwa", jiwa, LATER)

    await waiting.wait(database, id_, "e", "jiwa/default", "waits for jiwa", in_batch=False)

    waited = await database.fetchval("SELECT now() - vendor_wait_since FROM dispatches")
    assert waited < timedelta(minutes=5)


async def test_a_dispatch_that_was_given_up_and_is_retried_in_prefect_waits_anew(database):
    await fail(database, "a", times=4, intervals=LATER)
    id_ = await waiting_dispatch(database, "d")
    await database.execute(
        "UPDATE dispatches SET vendor_wait_since = now() - interval '73 hours', flow_run_id = $1", uuid4()
    )
    await waiting.go_on(database, GIVE_UP)
    [id_] = await claimable(database)
    await dispatches.finish(database, id_, "e", "failed", "was given up")

    async with database.acquire() as connection:
        row = await connection.fetchrow("SELECT * FROM dispatches")
        await dispatches.sync_from_prefect(connection, row, "dispatched", None)

    assert not await store.has_given_up(database, id_, GIVE_UP)
