"""A source that is silent for longer than it ever was, or than it may be, is an issue; until it sends again."""

from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from rows import arrival

from hookline.errors import ConfigurationError
from hookline.hooks import Hooks
from hookline.hooks.config import load_hooks
from hookline.hooks.sources import read_source
from hookline.inbox import commands, silences
from hookline.inbox.deliveries import accept

SHOP = {"scheme": "shared-secret"}
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture(autouse=True)
def secret(monkeypatch):
    monkeypatch.setenv("HOOKLINE_SECRET_SHOP", "a-secret-of-the-shop-1234")


@pytest.fixture
def look(database):
    """Look at the source once; the open issue about it."""

    async def look(**fields):
        hooks = Hooks(Path("hooks.yaml"), {"shop": read_source(SHOP | fields, Path())})
        await silences.watch(database, hooks)
        return await database.fetchrow("SELECT * FROM issues WHERE kind = 'silence' AND closed_at IS NULL")

    return look


@pytest.fixture
def send(database):
    async def send():
        await accept(database, arrival(uuid4().hex, source="shop"))

    return send


@pytest.fixture
def known(database):
    """What is known of the source: since when, its longest gap, how many, and since when it is silent."""

    async def known(*, since, longest, gaps, quiet):
        await database.execute(
            """
            UPDATE silences SET since = now() - $1::interval, longest = $2, gaps = $3,
                quiet_since = now() - $4::interval WHERE source = 'shop'
            """,
            since,
            longest,
            gaps,
            quiet,
        )

    return known


async def test_a_silence_longer_than_ever_is_one_issue_and_is_over_with_the_next_delivery(look, send, known):
    await look()
    await known(since=30 * DAY, longest=4 * HOUR, gaps=100, quiet=6 * HOUR)

    first, second = await look(), await look()
    await send()
    after = await look()

    assert first["title"].startswith("shop has been silent since")
    assert "never before longer than 4 h" in first["title"]
    assert (first["id"], 1) == (second["id"], second["count"])
    assert after is None


@pytest.mark.parametrize(
    "history",
    [
        {"since": 13 * DAY, "longest": HOUR, "gaps": 100, "quiet": 9 * DAY},  # seen for too short a time
        {"since": 30 * DAY, "longest": HOUR, "gaps": 19, "quiet": 9 * DAY},  # too seldom
        {"since": 30 * DAY, "longest": 8 * HOUR, "gaps": 100, "quiet": 9 * HOUR},  # hardly longer
        {"since": 30 * DAY, "longest": timedelta(seconds=9), "gaps": 100, "quiet": HOUR / 2},  # short
    ],
)
async def test_a_silence_of_which_too_little_is_known_or_that_is_nothing_special_is_no_issue(
    look, known, history
):
    await look()
    await known(**history)

    assert await look() is None


async def test_a_source_that_says_how_long_it_may_be_silent_is_an_issue_without_any_history(look, known):
    await look(silent_after="2h")
    await known(since=HOUR, longest=None, gaps=0, quiet=3 * HOUR)

    assert "`silent_after` allows 2h" in (await look(silent_after="2h"))["title"]


async def test_the_longest_gap_is_learned_from_what_comes(look, send, known, database):
    await look()
    await known(since=30 * DAY, longest=HOUR, gaps=5, quiet=7 * HOUR)
    await send()
    await look()

    row = await database.fetchrow("SELECT * FROM silences")
    assert (6, 7) == (row["gaps"], round(row["longest"] / HOUR))
    await look()
    assert 6 == await database.fetchval("SELECT gaps FROM silences")


async def test_while_it_is_paused_or_nobody_looks_nothing_counts_as_silence(look, send, known, database):
    await look()
    async with database.acquire() as connection:
        await commands.pause(connection, "shop", actor="ann", reason="stock-taking")
        await known(since=30 * DAY, longest=HOUR, gaps=100, quiet=50 * HOUR)
        paused = await look()
        await commands.resume(connection, "shop", actor="ann")
    resumed = await look()
    await known(since=30 * DAY, longest=HOUR, gaps=100, quiet=50 * HOUR)
    await database.execute("UPDATE silences SET looked_at = now() - interval '6 minutes'")
    unseen = await look()
    await send()
    await look()

    assert [None, None, None] == [paused, resumed, unseen]
    assert HOUR == await database.fetchval("SELECT longest FROM silences")


async def test_a_source_that_is_off_is_not_looked_for(look, known, monkeypatch):
    await look()
    await known(since=30 * DAY, longest=HOUR, gaps=100, quiet=50 * HOUR)
    monkeypatch.delenv("HOOKLINE_SECRET_SHOP")

    assert await look() is None


async def test_a_silence_that_hooks_yaml_allows_since_then_is_no_issue_any_more(look, known):
    await look()
    await known(since=30 * DAY, longest=HOUR, gaps=100, quiet=6 * HOUR)

    assert await look()
    assert await look(silent_after="7d") is None


async def test_a_silence_of_a_source_that_hooks_yaml_has_no_more_is_no_issue_any_more(look, known, database):
    await look()
    await known(since=30 * DAY, longest=HOUR, gaps=100, quiet=6 * HOUR)
    await look()
    await silences.watch(database, Hooks(Path("hooks.yaml"), {}))

    assert [] == await database.fetch("SELECT FROM issues WHERE closed_at IS NULL")


async def test_a_route_that_says_how_long_nothing_may_come_for_it_is_an_issue_though_its_source_sends(
    database, send, tmp_path
):
    path = tmp_path / "hooks.yaml"
    path.write_text(
        """
        sources: {shop: {scheme: shared-secret}}
        routes:
          paid: {source: shop, when: body.paid, deployment: f/d, silent_after: 2h}
          all: {source: shop, deployment: f/d}
        """
    )
    hooks = load_hooks(path)
    assert ["shop", "route paid"] == [each.name for each in silences.watched_of(hooks)]

    async def look():
        await silences.watch(database, hooks)
        return await database.fetchval(
            "SELECT title FROM issues WHERE kind = 'silence' AND closed_at IS NULL"
        )

    async def route(name):
        await send()
        await database.execute(
            """
            INSERT INTO dispatches (delivery_id, source, route, deployment, parameters)
            SELECT id, source, $1, 'f/d', '{}' FROM deliveries ORDER BY seq DESC LIMIT 1
            """,
            name,
        )

    await look()
    await database.execute("UPDATE silences SET quiet_since = now() - interval '3 h'")
    await route("all")
    silent = await look()
    await route("paid")

    assert silent.startswith("route paid has been silent since")
    assert await look() is None


def test_a_route_whose_time_cannot_be_read_is_refused_with_its_place(tmp_path):
    path = tmp_path / "hooks.yaml"
    path.write_text(
        "sources: {shop: {scheme: shared-secret}}\n"
        "routes: {paid: {source: shop, deployment: f/d, silent_after: soon}}\n"
    )

    with pytest.raises(ConfigurationError, match=r"routes\.paid\.silent_after"):
        load_hooks(path)
