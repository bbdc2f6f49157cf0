"""Counts of the inbox: exact where they can be quick, and the least that there are where not."""

import pytest

from hookline.inbox import stats
from hookline.states import DELIVERIES


@pytest.fixture
def fill(database):
    """So many deliveries of a source in a state."""

    async def fill(source, state, number):
        await database.execute(
            """
            INSERT INTO deliveries (source, external_id, method, query, headers, content_type, state, duplicates)
            SELECT $1, $2 || n, 'POST', '{}', '{}', '', $2, 1 FROM generate_series(1, $3::int) n
            """,
            source,
            state,
            number,
        )

    return fill


async def test_what_is_within_reach_is_counted_exactly(database, fill, monkeypatch):
    monkeypatch.setattr(stats, "COUNT_CAP", 5)
    await fill("jiwa", "failed", 5)  # all that failed
    await fill("jiwa", "done", 20)
    await fill("shop", "done", 4)  # all of this source

    jiwa, shop = await stats.by_source(database)

    assert ({"done": 5, "failed": 5}, ["done"]) == (jiwa.states, jiwa.at_least)
    assert ({"done": 4}, []) == (shop.states, shop.at_least)


async def test_of_a_source_that_waits_are_counted_those_that_nothing_began_with(database, fill):
    for source, state in (
        *(("jiwa", state) for state in ("received", "held", "dispatched", "running", "done")),
        ("shop", "held"),
    ):
        await fill(source, state, 1)

    assert 3 == await stats.waiting(database, "jiwa")


async def test_a_state_that_nobody_can_tell_of_is_not_told_to_be_empty(database, fill, monkeypatch):
    monkeypatch.setattr(stats, "COUNT_CAP", 5)
    await fill("shop", "unrouted", 6)
    await fill("jiwa", "done", 6)

    jiwa, _ = await stats.by_source(database)

    assert ({"done": 5, "unrouted": 0}, ["done", "unrouted"]) == (
        jiwa.states,
        sorted(jiwa.at_least),
    )


async def test_a_source_has_its_oldest_open_its_last_and_its_repeats(database, fill):
    await fill("jiwa", "done", 1)
    await fill("jiwa", "received", 2)
    await fill("jiwa", "running", 1)
    await database.execute("UPDATE deliveries SET received_at = now() - (10 - seq) * interval '1 minute'")

    [jiwa] = await stats.by_source(database)

    times = [
        row["received_at"] for row in await database.fetch("SELECT received_at FROM deliveries ORDER BY seq")
    ]
    assert (times[1], times[3], 4) == (jiwa.oldest_open, jiwa.last_received, jiwa.duplicates)


async def test_a_paused_source_that_sent_nothing_is_there(database):
    await database.execute("INSERT INTO pauses (source, actor, reason) VALUES ('jiwa', 'ann', 'upgrade')")

    [jiwa] = await stats.by_source(database)

    assert ({}, "ann", "upgrade") == (jiwa.states, jiwa.paused["actor"], jiwa.paused["reason"])


@pytest.mark.parametrize(
    ("look", "index", "names"),
    [
        (stats.OLDEST_OF_EACH_STATE, "deliveries_state", list(DELIVERIES.states)),
        (stats.LATEST_OF_EACH_SOURCE, "deliveries_source", ["jiwa", "shop"]),
    ],
)
async def test_no_look_goes_past_what_is_not_wanted(database, fill, look, index, names):
    await fill("jiwa", "done", 20_000)
    await fill("shop", "failed", 10)
    await database.execute("ANALYZE deliveries")

    async with database.acquire() as connection, connection.transaction():
        await connection.execute("SET LOCAL enable_sort = off")
        plan = "\n".join(row[0] for row in await connection.fetch(f"EXPLAIN {look}", names, 101))

    assert f"using {index} on deliveries" in plan
    assert plan.count("on deliveries") == 1
