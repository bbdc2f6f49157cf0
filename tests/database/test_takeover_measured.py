"""The measurement of takeovers sees what happens to the dispatches of a dead engine."""

import asyncio
import time
from datetime import timedelta

import pytest
from rows import arrival

from benchmarks.takeover import claimed_by, takeover
from hookline.inbox import deliveries, dispatches

DEAD, LIVING = "here:4711:a", "here:4712:b"


@pytest.fixture
async def claim(database):
    receipt = await deliveries.accept(database, arrival("one"))
    async with database.acquire() as connection:
        await dispatches.add_all(
            connection,
            [dispatches.NewDispatch(receipt.id, route="r", deployment="f/d", parameters={}, key=None)],
        )

    async def claim(engine):
        [claimed] = await dispatches.claim(
            database,
            engine,
            limit=1,
            lease=timedelta(minutes=5),
            claimed_ids=(),
            deployments=["f/d"],
            takeovers=(0, dispatches.LAST),
        )
        return claimed["id"]

    return claim


async def test_it_ends_when_another_engine_has_claimed_what_was_freed(database, database_settings, claim):
    await claim(DEAD)
    claimed = await claimed_by(database_settings, 4711)
    watching = asyncio.create_task(takeover(database_settings, claimed, time.monotonic()))
    await asyncio.sleep(0.3)
    before = watching.done()
    await dispatches.take_over(database, dead=[DEAD])
    await asyncio.sleep(0.3)
    freed_only = watching.done()
    await claim(LIVING)

    found = await asyncio.wait_for(watching, 20)

    assert (False, False, True) == (before, freed_only, found.freed < found.claimed)


async def test_what_was_done_before_its_engine_died_is_no_takeover(database, database_settings, claim):
    dispatch = await claim(DEAD)
    claimed = await claimed_by(database_settings, 4711)
    async with database.acquire() as connection:
        await dispatches.finish(connection, dispatch, DEAD, "done", None)

    assert [1] == list(claimed.values())
    assert None is await asyncio.wait_for(takeover(database_settings, claimed, time.monotonic()), 20)


async def test_an_engine_that_claimed_nothing_is_known(database_settings, claim):
    await claim(LIVING)

    assert {} == await claimed_by(database_settings, 4711)
