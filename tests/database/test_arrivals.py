"""Deliveries that are put on disk together."""

import asyncio

from rows import arrival

from hookline.inbox.deliveries import accept_all


async def test_they_are_numbered_as_they_came_and_answered_in_that_order(database):
    arrivals = [arrival(external_id) for external_id in ("zebra", "ant", "mole")]
    receipts = await accept_all(database, arrivals)

    rows = await database.fetch("SELECT id, external_id FROM deliveries ORDER BY seq")
    assert ["zebra", "ant", "mole"] == [row["external_id"] for row in rows]
    assert [row["id"] for row in rows] == [receipt.id for receipt in receipts]


async def test_a_repeat_among_new_ones_is_told_from_them(database):
    [first] = await accept_all(database, [arrival("1")])
    receipts = await accept_all(database, [arrival("2"), arrival("1"), arrival("1", source="other")])

    assert [False, True, False] == [receipt.duplicate for receipt in receipts]
    assert first.id == receipts[1].id
    assert 3 == await database.fetchval("SELECT count(*) FROM deliveries")


async def test_what_a_paused_source_sends_is_held_and_nothing_else(database):
    await database.execute("INSERT INTO pauses (source, actor, reason) VALUES ('jiwa', 'me', 'a test')")
    await accept_all(database, [arrival("1"), arrival("2", source="other")])

    rows = await database.fetch("SELECT source, state FROM deliveries ORDER BY seq")
    assert [("jiwa", "held"), ("other", "received")] == [tuple(row) for row in rows]


async def test_what_was_done_to_each_body_is_written_down(database):
    done = [(), ("redacted",), ("redacted", "encrypted")]
    await accept_all(database, [arrival(str(number), altered=altered) for number, altered in enumerate(done)])

    assert done == [
        tuple(row["altered"]) for row in await database.fetch("SELECT altered FROM deliveries ORDER BY seq")
    ]


async def test_two_gateways_that_keep_the_same_do_not_wait_for_each_other_for_ever(database):
    for attempt in range(5):
        some = [arrival(f"{attempt}-{number}") for number in range(400)]
        receipts = await asyncio.gather(accept_all(database, some), accept_all(database, some[::-1]))

        assert [receipt.id for receipt in receipts[0]] == [receipt.id for receipt in receipts[1][::-1]]
