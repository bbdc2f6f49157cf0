"""Slots: what waits gives its own back and says so, and a vendor has no more than its share."""

import asyncio
import time
from contextlib import AsyncExitStack
from uuid import uuid4

import httpx
import pytest
from pydantic import SecretStr

from hookline import context
from hookline.clients.errors import VendorError
from hookline.clients.jiwa import JiwaClient, JiwaKey
from hookline.clients.transport import ANSWER_SECONDS
from hookline.engine.leases import Leases
from hookline.engine.slots import CLAIMED_PER_SLOT, WAITS

VENDOR, ADDRESS = "zentitle", "http://zentitle.example"


async def dispatch(database, deployment="f/d", key=None):
    delivery = await database.fetchval(
        """
        INSERT INTO deliveries (source, external_id, method, query, headers, content_type, body, state)
        VALUES ('s', $1, 'POST', '{}', '{}', 'application/json', '{}', 'dispatched') RETURNING id
        """,
        uuid4().hex,
    )
    await database.execute(
        "INSERT INTO dispatches (delivery_id, source, route, deployment, parameters, key) VALUES ($1, 's', 'r', $2, '{}', $3)",
        delivery,
        deployment,
        key,
    )
    return delivery


@pytest.fixture
def leases(database, database_settings):
    def leases(at_once):
        return Leases(database_settings.model_copy(update={"engine_concurrency": at_once}), "engine")

    return leases


@pytest.fixture
def claim(database, leases):
    """The slots of an engine, and dispatches that it has claimed."""

    async def claim(number, at_once=4):
        for _ in range(number):
            await dispatch(database)
        engine = leases(at_once)
        all_claimed = await engine.claim(number, ["f/d"])
        return engine.slots, all_claimed

    return claim


def at(claimed):
    return context.working_on(claimed.dispatch["delivery_id"], claimed.id, claimed, slot=claimed.slot)


async def reasons(database, all_claimed):
    ids = [claimed.id for claimed in all_claimed]
    rows = await database.fetch(
        """
        SELECT p.reason, d.reason AS of_delivery FROM dispatches p JOIN deliveries d ON d.id = p.delivery_id
        WHERE p.id = ANY($1) ORDER BY p.seq
        """,
        ids,
    )
    return [tuple(row) for row in rows]


async def test_a_run_that_waits_for_its_next_attempt_gives_its_slot_back_at_once(claim):
    slots, [claimed, _] = await claim(2)
    free = []

    with at(claimed):
        free.append(slots.free_now())
        with context.waiting_for_next_attempt(600):
            free.append(slots.free_now())
        free.append(slots.free_now())

    assert [2, 3, 2] == free


async def test_a_wait_of_which_nobody_knows_how_long_it_is_gives_its_slot_back_once_it_lasts(claim):
    slots, [claimed] = await claim(1)

    with at(claimed), context.waiting("waits for something", grace=0.05):
        before = slots.free_now()
        await asyncio.sleep(0.06)

        assert (3, 4) == (before, slots.free_now())


async def test_an_ordinary_wait_gives_its_slot_back_before_the_inbox_says_so(claim):
    slots, [claimed] = await claim(1)

    with at(claimed), context.waiting("waits for an answer", grace=0, untold=0.05):
        before = slots.free_now(), claimed.slot.reason()
        await asyncio.sleep(0.06)

        assert ((4, None), "waits for an answer") == (before, claimed.slot.reason())


async def test_a_call_to_a_slow_vendor_leaves_its_slot_to_others_and_is_at_work_all_the_same(claim):
    slots, [claimed] = await claim(1)
    seen = [slots.free_now()]

    async def answer(_request):
        await asyncio.sleep(ANSWER_SECONDS * 2)
        seen.extend((slots.free_now(), claimed.is_at_work, claimed.slot.reason()))
        return httpx.Response(404, json={})

    key = JiwaKey(SecretStr("a-key-of-jiwa"))
    async with JiwaClient("http://127.0.0.1:9", key, transport=httpx.MockTransport(answer)) as jiwa:
        with at(claimed), pytest.raises(VendorError):
            await jiwa.get_sales_order(InvoiceID="1")

    assert [3, 4, True, None, 3] == [*seen, slots.free_now()]


async def test_of_two_waits_the_later_one_is_the_reason(claim):
    _, [claimed] = await claim(1)

    with at(claimed), context.waiting("waits for its key", grace=0), context.waiting("waits", grace=0):
        assert "waits" == claimed.slot.reason()


async def test_an_engine_moves_when_it_claims_something_and_not_when_there_is_nothing(database, leases):
    engine = leases(1)
    engine.slots._progress_at -= 60
    await engine.claim(1, ["f/d"])
    idle = engine.slots.is_moving(30)
    await dispatch(database)
    await engine.claim(1, ["f/d"])

    assert (False, True) == (idle, engine.slots.is_moving(30))


async def test_a_vendor_has_as_many_calls_as_there_are_slots_of_this_moment(claim):
    slots, _ = await claim(1)
    share = slots.share(VENDOR, ADDRESS)
    before = share.limit()

    slots.at_once = 9

    assert (4, 9) == (before, share.limit())


async def test_who_waits_for_a_vendors_share_is_let_in_in_turn_and_one_that_is_stopped_takes_none(claim):
    slots, all_claimed = await claim(4, at_once=2)
    seen, go_on = [], asyncio.Event()

    async def call(name, claimed):
        with at(claimed):
            async with context.vendor_slot(VENDOR, ADDRESS), context.vendor_slot(VENDOR, ADDRESS):
                seen.append(name)
                await go_on.wait()

    calls = [
        asyncio.create_task(call(name, claimed)) for name, claimed in zip("abcd", all_claimed, strict=True)
    ]
    await asyncio.sleep(0.05)
    first = list(seen)
    calls[2].cancel()
    go_on.set()
    await asyncio.gather(*calls, return_exceptions=True)

    assert (["a", "b"], ["a", "b", "d"], 0) == (first, seen, slots.share(VENDOR, ADDRESS).in_use)


async def test_one_that_is_stopped_as_its_turn_comes_leaves_it_to_the_next(claim):
    slots, _ = await claim(1, at_once=2)
    share = slots.share(VENDOR, ADDRESS)
    for _ in range(2):
        await share.acquire()
    stopped, next_one = (asyncio.create_task(share.acquire()) for _ in range(2))
    await asyncio.sleep(0)

    share.release()
    stopped.cancel()
    await asyncio.wait_for(next_one, 5)

    assert 2 == share.in_use


async def test_one_that_is_stopped_at_its_turn_leaves_it_to_the_next(claim):
    slots, _ = await claim(1, at_once=1)
    share = slots.share(VENDOR, ADDRESS)
    await share.acquire()
    stopped, next_one = (asyncio.create_task(share.acquire()) for _ in range(2))
    await asyncio.sleep(0)

    share.release()
    asyncio.get_running_loop().call_soon(stopped.cancel)
    await asyncio.wait_for(next_one, 5)

    assert 1 == share.in_use


async def test_one_vendor_that_hangs_leaves_the_share_of_another_alone(claim):
    slots, all_claimed = await claim(4, at_once=2)
    async with AsyncExitStack() as stack:
        for claimed in all_claimed[:2]:
            stack.enter_context(at(claimed))
            await stack.enter_async_context(claimed.slot.vendor_slot(VENDOR, ADDRESS))
        waiting = asyncio.create_task(all_claimed[2].slot.vendor_slot(VENDOR, ADDRESS).__aenter__())
        with at(all_claimed[3]):
            async with asyncio.timeout(5), context.vendor_slot("jiwa", "http://jiwa.example"):
                pass
        waiting.cancel()

    assert 0 == slots.share("jiwa", "http://jiwa.example").in_use


async def test_the_inbox_says_what_a_dispatch_waits_for_and_takes_it_back(database, claim):
    slots, [paused, full, first, second, working] = await claim(5, at_once=2)
    paused.awaiting_input = True
    async with AsyncExitStack() as stack:
        for claimed in (first, second):
            await stack.enter_async_context(claimed.slot.vendor_slot(VENDOR, ADDRESS))
        with at(full):
            waiting = asyncio.create_task(slots.share(VENDOR, ADDRESS).acquire())
            await asyncio.sleep(0)
        [wait] = full.slot._waits
        wait.told_from = time.monotonic()
        with at(second), context.waiting_for_next_attempt(600):
            await slots.report_waits(database, "engine", ["f/d"])
            told = await reasons(database, [paused, full, first, second, working])
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        paused.awaiting_input = False
        await slots.report_waits(database, "engine", ["f/d"])

    in_flight = "waits for a free slot: 2 of 2 calls to zentitle are in flight"
    next_attempt = told[3][0]
    assert next_attempt.startswith("waits for its next attempt at ")
    assert [(WAITS,) * 2, (in_flight,) * 2, (None,) * 2, (next_attempt,) * 2, (None,) * 2] == told
    assert [(None, None)] * 5 == await reasons(database, [paused, full, first, second, working])


async def test_what_an_engine_said_before_it_died_is_taken_back_by_the_next(database, claim, leases):
    slots, [claimed] = await claim(1)
    with at(claimed), context.waiting_for_next_attempt(600):
        await slots.report_waits(database, "engine", ["f/d"])
    await database.execute("UPDATE dispatches SET lease_until = now() - interval '1 s'")

    other = leases(4)
    await other.take_over()
    await database.execute("UPDATE dispatches SET takeovers = 0")
    [again] = await other.claim(1, ["f/d"])
    await other.slots.report_waits(database, "engine", ["f/d"])

    [said] = await reasons(database, [again])
    assert ["its engine died"] * 2 == [reason.partition(",")[0] for reason in said]


async def test_of_what_moves_nothing_is_written(database, claim):
    slots, _ = await claim(4)
    waiting = await dispatch(database)

    await slots.report_waits(database, "engine", ["f/d"])

    assert None is await database.fetchval("SELECT reason FROM dispatches WHERE delivery_id = $1", waiting)


async def test_a_dispatch_that_waits_for_a_slot_says_so_and_one_that_waits_for_its_key_does_not(
    database, claim
):
    slots, _ = await claim(4)
    waiting = await dispatch(database, key="one")
    behind = await dispatch(database, key="one")
    slots._progress_at -= 60

    await slots.report_waits(database, "engine", ["f/d"])

    said = [
        await database.fetchval("SELECT reason FROM deliveries WHERE id = $1", delivery)
        for delivery in (waiting, behind)
    ]
    assert ["waits for a free slot: 4 of 4 dispatches are at work in this engine, and 0 wait", None] == said


async def test_however_many_of_one_deployment_wait_there_is_room_for_others(database, claim):
    slots, all_claimed = await claim(CLAIMED_PER_SLOT // 2, at_once=1)
    for claimed in all_claimed:
        claimed.awaiting_input = True

    assert ["f/other"] == slots.open_to(["f/d", "f/other"])
    assert 1 == slots.free_now()


async def test_the_last_room_is_for_a_deployment_of_which_nothing_is_claimed(database, leases):
    for deployment, number in (("f/d", CLAIMED_PER_SLOT - 2), ("f/other", 1)):
        for _ in range(number):
            await dispatch(database, deployment)
    engine = leases(1)
    await engine.claim(CLAIMED_PER_SLOT, ["f/d", "f/other"])

    assert ["f/third"] == engine.slots.open_to(["f/d", "f/other", "f/third"])


async def test_no_more_are_claimed_than_an_engine_can_hold(claim):
    slots, all_claimed = await claim(CLAIMED_PER_SLOT, at_once=1)
    for claimed in all_claimed:
        claimed.awaiting_input = True

    assert 0 == slots.free_now()
