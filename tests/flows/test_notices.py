"""Issues, and vendors that are away or back, are told to a real Prefect server: once each, and in words."""

from uuid import uuid4

import pytest
from prefect.client.orchestration import get_client
from prefect.settings import PREFECT_API_URL, temporary_settings

from hookline import issues
from hookline.engine.notices import drop_notices, send_notices
from hookline.outages import store
from hookline.outages.store import Failure, Intervals

PAGE = "https://hooks.example.com"
AT_ONCE = Intervals(first=0, longest=0)


@pytest.fixture
async def send(sandbox, database):
    async def send():
        with temporary_settings({PREFECT_API_URL: sandbox.settings.prefect_api_url}):
            async with get_client() as client:
                await send_notices(database, client, PAGE)

    return send


@pytest.fixture
def feed(prefect_api, until):
    """Wait for so many events about something of this name, the oldest first."""

    async def feed(name, count=1):
        about = {"event": {"prefix": ["hookline.issue", "hookline.vendor"]}, "order": "DESC"}

        def found():
            events = prefect_api.post("events/filter", json={"filter": about}).json()["events"]
            mine = [event for event in reversed(events) if name == event["resource"]["prefect.resource.name"]]
            return mine if len(mine) >= count else None

        return await until(found, f"no {count} events about {name}")

    return feed


async def test_an_issue_is_told_once_with_what_to_do_and_where(database, send, feed):
    title = f"Jiwa is silent {uuid4().hex}"
    for _ in range(3):
        async with database.acquire() as connection:
            number = await issues.report(
                connection,
                cause="silence of jiwa",
                title=title,
                advice="Look at its webhooks.",
                kind="silence",
            )
        await send()
    [opened] = await feed(title)

    assert "hookline.issue.opened" == opened["event"]
    assert "Look at its webhooks." == opened["payload"]["advice"]
    assert f"{title} (silence). Look at its webhooks. {PAGE}/issues/{number}" == opened["payload"]["what"]


async def test_an_outage_that_lasts_is_told_once_and_so_is_its_end(database, send, feed):
    account = f"zentitle/{uuid4().hex[:8]}"

    async def fail(by, times):
        for _ in range(times):
            await store.may_call(database, account, by)
            failure = Failure("get_company", "Unavailable at get_company", by, 0, is_long=False)
            await store.failed(database, account, "zentitle", failure, AT_ONCE)
            await send()

    await fail("a", store.AWAY_AFTER + 6)
    await store.may_call(database, account, "a")
    await store.succeeded(database, account, "get_company", "a", ends_probe=True)
    await send()
    await send()
    events = await feed(account, 2)

    assert ["hookline.vendor.away", "hookline.vendor.back"] == [event["event"] for event in events]
    assert "goes on by itself" in events[0]["payload"]["what"]


async def test_with_events_off_nothing_is_due_later(database):
    async with database.acquire() as connection:
        await issues.report(connection, cause="c", title="t", advice="a", kind="silence")
    await drop_notices(database)

    assert 0 == await database.fetchval("SELECT count(*) FROM issues WHERE event_due")
