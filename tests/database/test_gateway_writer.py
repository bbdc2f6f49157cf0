"""The writer of the gateway, which puts on disk together what arrives at the same time."""

import asyncio

import asyncpg
import pytest
from rows import arrival

from hookline.gateway.writer import MAX_AT_ONCE, MAX_BYTES_AT_ONCE, Writer
from hookline.inbox.deliveries import Receipt


async def test_one_that_cannot_be_kept_takes_no_other_with_it(database, database_settings):
    writer = Writer(database_settings)

    kept = await asyncio.gather(
        *(writer.store(arrival(each)) for each in ("1", "\0", "2")), return_exceptions=True
    )

    assert [Receipt, Receipt] == [type(kept[0]), type(kept[2])]
    assert isinstance(kept[1], asyncpg.DataError)
    assert 2 == await database.fetchval("SELECT count(*) FROM deliveries")


async def test_repeats_that_arrive_at_the_same_time_are_told_from_the_first(database, database_settings):
    writer = Writer(database_settings)
    receipts = await asyncio.gather(*(writer.store(arrival("1")) for _ in range(5)))

    assert [False, True, True, True, True] == [receipt.duplicate for receipt in receipts]
    assert 1 == len({receipt.id for receipt in receipts})


async def test_what_nobody_waits_for_any_more_is_not_written(database, database_settings):
    writer = Writer(database_settings)
    given_up = asyncio.ensure_future(writer.store(arrival("1")))
    await asyncio.sleep(0)
    given_up.cancel()
    await writer.store(arrival("2"))

    assert ["2"] == [row["external_id"] for row in await database.fetch("SELECT external_id FROM deliveries")]


@pytest.mark.parametrize(
    ("number", "size"),
    [(3 * MAX_AT_ONCE, 1), (20, MAX_BYTES_AT_ONCE // 4)],
    ids=["many", "large"],
)
async def test_all_that_arrive_are_kept_however_many_and_large_they_are(
    database, database_settings, number, size
):
    writer = Writer(database_settings)
    await asyncio.gather(*(writer.store(arrival(str(each), body=b"x" * size)) for each in range(number)))

    assert number == await database.fetchval("SELECT count(*) FROM deliveries WHERE length(body) = $1", size)
