"""An account's limits hold for all its calls, wherever they come from; without a limit nothing is asked of Prefect."""

import asyncio
from contextlib import nullcontext

import httpx
import pytest
from prefect.client.orchestration import get_client
from prefect.settings import PREFECT_API_URL, temporary_settings

from blocks import JiwaCredentials
from hookline.clients import JiwaClient, JiwaKey


class Busy(httpx.AsyncHTTPTransport):
    """Counts the calls that are under way at once."""

    now = most = 0

    async def handle_async_request(self, request):
        self.now += 1
        self.most = max(self.most, self.now)
        await asyncio.sleep(0.05)
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
def apply(business, monkeypatch):
    """`hookline apply` with these variables; its changes of limits. Afterwards the account has none."""

    def apply(**variables):
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        rows = business.cli("apply", "--json")
        return {row["name"]: row["change"] for row in rows if row["kind"] == "limit"}

    yield apply
    for name in ("JIWA_CONCURRENT_CALLS", "JIWA_CALLS_PER_SECOND"):
        monkeypatch.delenv(name, raising=False)
    business.cli("apply", "--json")


async def calls(account, number):
    """The most calls under way at once, of so many that begin together."""
    transport = Busy()
    key = JiwaKey(account.api_key)
    async with JiwaClient(
        account.base_url, key, admission=account.admission(), transport=transport
    ) as client:
        await asyncio.gather(*(client.get_system_info() for _ in range(number)))
    return transport.most


async def test_no_more_calls_are_under_way_than_the_account_allows(prefect, apply):
    made = apply(JIWA_CONCURRENT_CALLS="2")
    account = await JiwaCredentials.aload("default")

    most = await calls(account, 8)

    assert ({"jiwa-default-calls": "made"}, 2) == (made, most)


async def test_calls_a_second_are_counted_by_prefect(prefect, apply):
    apply(JIWA_CALLS_PER_SECOND="3.5")
    account = await JiwaCredentials.aload("default")

    await calls(account, 2)

    limit = await prefect.read_global_concurrency_limit_by_name("jiwa-default-rate")
    assert (3, 3.5) == (limit.limit, limit.slot_decay_per_second)
    assert limit.active_slots > 0


async def test_apply_changes_a_limit_and_takes_it_away_when_the_variable_is_gone(prefect, apply):
    first = apply(JIWA_CONCURRENT_CALLS="2")
    second = apply(JIWA_CONCURRENT_CALLS="5")
    same = apply(JIWA_CONCURRENT_CALLS="5")
    gone = apply(JIWA_CONCURRENT_CALLS="")

    changes = [change["jiwa-default-calls"] for change in (first, second, same, gone)]
    assert ["made", "changed", "as it is", "removed"] == changes


async def test_without_a_limit_a_call_asks_prefect_nothing(prefect, apply):
    apply()
    account = await JiwaCredentials.aload("default")

    assert nullcontext is account.admission()
    assert 8 == await calls(account, 8)
