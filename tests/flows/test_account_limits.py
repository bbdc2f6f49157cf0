"""An account's limits hold for all its calls, wherever they come from; without a limit nothing is asked of Prefect."""

import asyncio
from contextlib import nullcontext

import httpx
import pytest
from prefect.client.orchestration import get_client
from prefect.settings import PREFECT_API_URL, temporary_settings

from blocks.jiwa import JiwaCredentials
from hookline.clients.jiwa import JiwaClient, JiwaKey
from hookline.provisioning.block_changes import limit_changes

MAX = {"concurrent_calls": 2}


class Busy(httpx.AsyncHTTPTransport):
    """Counts the calls that are under way at once."""

    now = most = 0

    def __init__(self, seconds):
        super().__init__()
        self.seconds = seconds

    async def handle_async_request(self, request):
        self.now += 1
        self.most = max(self.most, self.now)
        await asyncio.sleep(self.seconds)
        try:
            return await super().handle_async_request(request)
        finally:
            self.now -= 1


@pytest.fixture
async def prefect(sandbox):
    with temporary_settings({PREFECT_API_URL: sandbox.settings.prefect_api_url}):
        async with get_client() as client:
            yield client


@pytest.fixture
async def limited(prefect):
    """Stored credentials with these limits, as `hookline apply` makes them; and what it said of the limits."""

    async def limited(**limits):
        account = JiwaCredentials.from_environment().model_copy(update=limits)
        await account.save("limited", overwrite=True)
        said = []
        async for change in limit_changes(prefect, "jiwa-limited-", account.limits("limited")):
            await change.make()
            said.append(change.change)
        return await JiwaCredentials.aload("limited"), said

    yield limited
    await limited()
    await JiwaCredentials.adelete("limited")


async def calls(account, number, seconds=0.05):
    """The most calls under way at once, of so many that begin together and take so long."""
    transport = Busy(seconds)
    key = JiwaKey(account.api_key)
    async with JiwaClient(account.base_url, key, limiter=account.limiter(), transport=transport) as client:
        await asyncio.gather(*(client.get_system_info() for _ in range(number)))
    return transport.most


async def test_no_more_calls_are_under_way_than_the_account_allows(limited):
    account, _ = await limited(concurrent_calls=2)

    # Longer than it takes to ask Prefect for a slot, or the second would never begin before the first ends.
    assert 2 == await calls(account, 8, seconds=0.5)


async def test_calls_a_second_are_counted_by_prefect(prefect, limited):
    account, _ = await limited(calls_per_second=3.5)

    await calls(account, 2)

    limit = await prefect.read_global_concurrency_limit_by_name("jiwa-limited-rate")
    assert (3, 3.5) == (limit.limit, limit.slot_decay_per_second)
    assert limit.active_slots > 0


async def test_apply_changes_a_limit_and_takes_it_away_when_it_is_no_longer_wanted(limited):
    said = [(await limited(**limits))[1] for limits in (MAX, MAX | {"concurrent_calls": 5}, MAX, {}, {})]

    assert [["made"], ["changed"], ["changed"], ["removed"], []] == said


async def test_applying_the_same_limit_again_changes_nothing(limited):
    await limited(**MAX)

    assert ["as it is"] == (await limited(**MAX))[1]


async def test_without_a_limit_a_call_asks_prefect_nothing(limited):
    account, _ = await limited()

    assert nullcontext is account.limiter()
    assert 8 == await calls(account, 8)


def test_the_environment_sets_the_limits(monkeypatch, sandbox):
    monkeypatch.setenv("JIWA_CONCURRENT_CALLS", "2")
    monkeypatch.setenv("JIWA_CALLS_PER_SECOND", "0.5")

    limits = JiwaCredentials.from_environment().limits("default")

    assert [("jiwa-default-calls", 2, 0.0), ("jiwa-default-rate", 1, 0.5)] == [
        (limit.name, limit.slots, limit.freed_per_second) for limit in limits
    ]
