"""Credentials: what is news, what people are warned of, and when refused ones are tried again."""

from datetime import UTC, date, datetime, timedelta

import pytest

from hookline import credentials
from hookline.credentials import Checked
from hookline.health.servers import check_credentials

SAVED = datetime(2026, 11, 1, 12, tzinfo=UTC)
TODAY = date(2026, 11, 29)
ACCOUNT = "jiwa/sydney"


def checked(result="accepted", *, detail="as the staff", expires=None, version=SAVED, account=ACCOUNT):
    return Checked(account, account.partition("/")[0], version, result, detail, "Look.", expires)


async def note(database, *results, today=TODAY, warn_days=30):
    async with database.acquire() as connection:
        for each in results:
            await credentials.note(connection, each, today, warn_days)
    return await known(database)


async def known(database):
    return (await credentials.read(database)).get(ACCOUNT)


async def events(database):
    return await database.fetchval("SELECT events_due FROM credentials WHERE account = $1", ACCOUNT)


@pytest.mark.parametrize(
    ("results", "expected"),
    [
        (["accepted"], []),
        (["refused"], ["refused"]),
        (["refused", "refused"], ["refused"]),
        (["accepted", "refused"], ["refused"]),
        (["accepted", "refused", "accepted"], ["refused", "accepted"]),
        (["refused", "accepted", "accepted"], ["refused", "accepted"]),
        (["away"], []),
        (["accepted", "away", "accepted"], []),
        (["refused", "away", "refused"], ["refused"]),
        (["away", "refused"], ["refused"]),
    ],
)
async def test_only_a_change_of_what_the_vendor_says_is_news(database, results, expected):
    await note(database, *map(checked, results))

    assert expected == await events(database)


async def test_a_vendor_that_is_away_says_nothing_about_credentials(database):
    accepted = await note(database, checked())
    away = await note(database, checked("away", detail="no answer"))
    refused = await note(database, checked("refused"))
    both = await note(database, checked("away"))

    assert ["accepted", "away", "refused", "refused"] == [
        each.result for each in (accepted, away, refused, both)
    ]
    assert (accepted.since, "no answer") == (away.since, away.away_detail)
    assert (refused.since, None) != (both.since, both.away_since)


async def test_what_was_refused_stays_so_since_the_first_time(database):
    first = await note(database, checked("refused"))
    await database.execute("UPDATE credentials SET since = since - interval '2 hours'")
    second = await note(database, checked("refused", detail="another text"))

    assert (first.since - timedelta(hours=2), "another text") == (second.since, second.detail)


@pytest.mark.parametrize(
    ("change", "due"),
    [
        ({}, False),
        ({"hours": 23}, False),
        ({"hours": 24}, True),
        ({"version": SAVED + timedelta(seconds=1)}, True),
        ({"version": SAVED - timedelta(days=1)}, True),  # a server that was restored
    ],
)
async def test_refused_credentials_are_tried_again_when_they_changed_or_after_a_day(database, change, due):
    refused = await note(database, checked("refused"))

    now = refused.tried_at + timedelta(hours=change.get("hours", 1))

    assert due == credentials.is_due(refused, change.get("version", SAVED), now)


async def test_a_try_while_the_vendor_was_away_is_none(database):
    await note(database, checked("refused"))
    away = await note(database, checked("away", version=SAVED + timedelta(hours=1)))

    assert credentials.is_due(away, SAVED + timedelta(hours=1), away.tried_at)


async def test_accepted_and_unknown_credentials_are_always_tried(database):
    accepted = await note(database, checked())

    assert credentials.is_due(accepted, SAVED, accepted.tried_at)
    assert credentials.is_due(None, SAVED, SAVED)


async def test_people_are_warned_of_an_end_thirty_seven_and_one_day_before_and_once_each(database):
    warned = []
    for left in (40, 31, 30, 29, 8, 7, 6, 2, 1, 0, -1):
        await note(database, checked(expires=date(2027, 1, 15)), today=date(2027, 1, 15) - timedelta(left))
        warned += [left] * len(await events(database))
        await database.execute("UPDATE credentials SET events_due = '{}'")

    assert [30, 7, 1] == warned


async def test_another_end_is_warned_of_again_and_none_is_never(database):
    await note(database, checked(expires=TODAY))
    await note(database, checked(expires=None))
    await note(database, checked(expires=TODAY + timedelta(5)))

    assert ["expiring", "expiring"] == await events(database)


async def test_an_end_is_warned_of_also_while_the_vendor_is_away(database):
    await note(database, checked("away", expires=TODAY))

    assert ["expiring"] == await events(database)


async def test_a_block_that_is_stored_no_more_is_forgotten(database):
    await note(database, checked(), checked(account="jiwa/perth"))
    async with database.acquire() as connection:
        await credentials.forget_others(connection, ["jiwa/perth"])

    assert ["jiwa/perth"] == list(await credentials.read(database))


async def test_the_doctor_names_what_is_refused_and_since_when(database):
    async with database.acquire() as connection:
        before = await check_credentials(connection)
        await note(database, checked())
        fine = await check_credentials(connection)
        refused = await note(database, checked("refused", detail="HTTP 401"))
        finding = await check_credentials(connection)

    assert ["skipped", "ok", "problem"] == [before.state, fine.state, finding.state]
    assert f"refused: {ACCOUNT} since {refused.since:%Y-%m-%d %H:%M} UTC: HTTP 401" == finding.detail
