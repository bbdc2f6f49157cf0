"""A dispatch of which something is doubled is never `done`, at whatever moment it ends and by anybody."""

import asyncio
from datetime import timedelta

import pytest
from rows import bring
from test_inbox_commands import dispatch

from hookline.inbox import dispatches
from hookline.journal import store

REASON = "vendor shows 771 too"


@pytest.fixture
async def claimed(database):
    """A dispatch that an engine runs, and which has made two effects."""
    await dispatch(database, "paid", state="dispatched")
    [claimed] = await dispatches.claim(database, "e", limit=1, lease=timedelta(seconds=30))
    for step in ("license 1", "license 2"):
        await database.execute(
            """INSERT INTO effects (workflow, key, step, label, operation, digest, request, state, dispatch_id)
               VALUES ('w', 'k', $2, 'order 1', 'zentitle.create_license_codes', '', '{}', 'done', $1)""",
            claimed["id"],
            step,
        )
    return claimed["id"]


async def find_doubled(connection, *, effect=1):
    return await store.doubled(connection, effect, ["771"], REASON, next_after=None)


async def finish(connection, claimed):
    assert await dispatches.finish(connection, claimed, "e", "done", None)


async def state(database):
    return tuple(await database.fetchrow("SELECT state, reason, waits_for FROM dispatches"))


async def waits_for_a_lock(database):
    async with asyncio.timeout(20):
        while not await database.fetchval(
            "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
        ):
            await asyncio.sleep(0.01)


async def test_what_was_found_doubled_while_it_ran_is_doubled_at_its_end(database, claimed):
    async with database.acquire() as connection:
        await find_doubled(connection)
        await finish(connection, claimed)

    assert ("doubled", REASON, 1) == await state(database)


@pytest.mark.parametrize("first", ["the late check", "the end"])
async def test_a_double_that_is_found_just_when_the_run_ends_is_seen_by_one_of_the_two(
    database, claimed, first
):
    async with database.acquire() as one, database.acquire() as other:
        both = [(find_doubled, (one,)), (finish, (other, claimed))]
        (does, holding), (follows, waiting) = both if first == "the late check" else both[::-1]
        async with holding[0].transaction():
            await does(*holding)
            later = asyncio.create_task(follows(*waiting))
            await waits_for_a_lock(database)
        await later

    assert ("doubled", REASON, 1) == await state(database)


@pytest.mark.parametrize("was", ["held", "failed", "uncertain", "discarded"])
async def test_what_a_person_retries_in_the_prefect_ui_is_doubled_when_it_has_ended(database, claimed, was):
    await bring(database, "dispatches", was)
    await database.execute("UPDATE dispatches SET flow_run_id = gen_random_uuid()")
    async with database.acquire() as connection:
        await find_doubled(connection)
        row = await connection.fetchrow("SELECT id, state, flow_run_id FROM dispatches")
        await dispatches.sync_from_prefect(connection, row, "done", "retried in the Prefect UI")

    assert ("doubled", REASON, 1) == await state(database)


async def test_it_is_done_when_the_last_of_its_doubles_is_undone(database, claimed):
    seen = []
    async with database.acquire() as connection:
        await finish(connection, claimed)
        for effect in (1, 2):
            await find_doubled(connection, effect=effect)
        for effect in (2, 1):
            await store.undoubled(connection, effect, ["771"], "disabled")
            seen.append(await state(database))

    assert [("doubled", REASON, 1), ("done", None, None)] == seen
