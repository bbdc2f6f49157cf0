"""Jiwa is given another secret while its messages wait, at a real gateway: each of them is stored."""

import asyncio
from pathlib import Path

import pytest
from pydantic import SecretStr

from hookline.cli.secrets import _rotate
from hookline.clients.jiwa import JiwaClient, JiwaKey
from hookline.errors import ConfigurationError
from hookline.inbox import refusals
from hookline.provisioning.subscriptions import AS_IT_IS, GIVEN, subscriptions
from hookline.simulators import Sandbox, running
from hookline.simulators.jiwa import JiwaSimulator
from hookline.simulators.jiwa.webhooks import RetryPolicy

KEY = "sandbox-jiwa-key"
OLD, NEW = "the-old-secret-of-jiwa", "the-new-secret-of-jiwa"
HOOKS = Path(__file__).parents[2] / "deployments" / "hooks.yaml"
PATIENT = RetryPolicy(first_wait=0.02, longest_wait=0.02, attempts=10_000)


@pytest.fixture
async def jiwa(monkeypatch):
    async with running(sandbox=Sandbox(jiwa=JiwaSimulator(retries=PATIENT))) as sandbox:
        account = {"JIWA_BASE_URL": sandbox.jiwa.url, "JIWA_API_KEY": KEY, "HOOKLINE_SECRET_JIWA": OLD}
        for name, value in account.items():
            monkeypatch.setenv(name, value)
        async with JiwaClient(sandbox.jiwa.url, JiwaKey(SecretStr(KEY))) as client:
            yield client


@pytest.fixture
async def change(jiwa):
    """Changes an order, of which Jiwa then tells."""
    order = await jiwa.create_sales_order(DebtorAccountNo="1001")

    async def change(text):
        await jiwa.create_sales_order_note(InvoiceID=order.InvoiceID, NoteText=text)

    return change


async def stored(database, count):
    """How many deliveries there are, once there are so many."""
    for _ in range(1000):
        found = await database.fetchval("SELECT count(*) FROM deliveries")
        if found >= count:
            break
        await asyncio.sleep(0.01)
    return found


async def test_each_message_that_waits_is_stored_while_the_secret_changes(
    serve, database, database_settings, change, monkeypatch
):
    settings = database_settings.model_copy(update={"hooks": HOOKS})
    async with serve(settings) as gateway:
        url, port = f"http://127.0.0.1:{gateway.base_url.port}", gateway.base_url.port
        await subscriptions(settings, url, dry_run=False)
    settings = settings.model_copy(update={"gateway_port": port})
    await change("while the gateway is away")
    monkeypatch.setenv("HOOKLINE_SECRET_JIWA", f"{NEW},{OLD}")
    with pytest.raises(ConfigurationError, match="start it first"):
        await _rotate(settings, "jiwa", url, dry_run=False)

    async with serve(settings, port=port):
        rotated = await _rotate(settings, "jiwa", url, dry_run=False)
        waited = await stored(database, 1)
        await change("with the new secret")
        later = await stored(database, 2)
        again = await _rotate(settings, "jiwa", url, dry_run=False)

    assert [GIVEN] * 2 == [each.result for each in rotated]
    assert (1, 2) == (waited, later)
    assert [(AS_IT_IS, 0)] * 2 == [(each.result, each.waiting) for each in again]
    assert "jiwa" not in await refusals.by_source(database)


async def test_the_only_secret_is_not_rotated_while_jiwa_sends_another(
    serve, database, database_settings, jiwa, monkeypatch
):
    settings = database_settings.model_copy(update={"hooks": HOOKS})
    async with serve(settings) as gateway:
        url = f"http://127.0.0.1:{gateway.base_url.port}"
        await subscriptions(settings, url, dry_run=False)
        monkeypatch.setenv("HOOKLINE_SECRET_JIWA", NEW)

        with pytest.raises(ConfigurationError, match="holds one secret, and Jiwa still sends another"):
            await _rotate(settings, "jiwa", url, dry_run=False)
