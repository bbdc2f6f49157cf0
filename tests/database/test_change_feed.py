"""Following the audit trail: every change once, also those that are seen late."""

import pytest

from hookline.inbox import change_feed
from hookline.inbox.change_feed import ChangeFeed


async def note(connection, what):
    """A change of this source, in the transaction that the connection is in."""
    await connection.execute(
        "INSERT INTO changes (subject, source, became, actor) VALUES ('source', $1, 'paused', 'ann')", what
    )


@pytest.fixture
def told():
    """What a watch tells now."""

    async def told(following):
        return [row["source"] for row in await following.changes()]

    return told


async def test_a_watch_begins_now_and_tells_each_change_once(database, told):
    await note(database, "before")
    following = await ChangeFeed.begin(database)

    nothing = await told(following)
    await note(database, "one")
    await note(database, "two")

    assert ([], ["one", "two"], []) == (nothing, await told(following), await told(following))


async def test_a_change_that_was_written_before_others_and_is_seen_after_them_is_told(database, told):
    following = await ChangeFeed.begin(database)
    async with database.acquire() as slow, slow.transaction():
        await note(slow, "late")
        await note(database, "early")
        meanwhile = [await told(following) for _ in range(4)]

    assert ([["early"], [], [], []], ["late"]) == (meanwhile, await told(following))


async def test_a_change_in_writing_when_the_watch_began_is_told(database, told):
    async with database.acquire() as slow, slow.transaction():
        await note(slow, "late")
        await note(database, "before")
        following = await ChangeFeed.begin(database)

    assert ["late"] == await told(following)


async def test_what_cannot_come_again_is_not_remembered(database, told, monkeypatch):
    monkeypatch.setattr(change_feed, "MAX_LATE", 2)
    for number in range(5):
        await note(database, str(number))
    following = await ChangeFeed.begin(database)
    begun = following.floor, set(following.seen)

    for number in range(5):
        await note(database, str(number))
        await told(following)
    await told(following)
    await told(following)

    assert ((3, {4, 5}), (10, set())) == (begun, (following.floor, following.seen))
