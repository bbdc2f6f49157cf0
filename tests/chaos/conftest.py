"""A sandbox in which a process dies at a place of the test's choosing."""

import asyncio
import json

import pytest

from hookline.clients.paging import pages
from hookline.sandbox.stack import own_ports, sandbox_stack
from tests.chaos.blows import Kept
from tests.conftest import PREFECT_AUTH


@pytest.fixture(scope="session")
def crash_file(tmp_path_factory):
    """Holds the name of the place at which the next process that comes by dies."""
    return tmp_path_factory.mktemp("crash") / "place"


@pytest.fixture(scope="session")
def everything(crash_file):
    """What `hookline up --sandbox` runs, in real processes."""
    with sandbox_stack(
        **own_ports(),
        HOOKLINE_CRASH_FILE=str(crash_file),
        HOOKLINE_LEASE_SECONDS="3",
        HOOKLINE_LANDING_SECONDS="0.5",
        HOOKLINE_TAKE_BACK_SECONDS="0",
        HOOKLINE_RETRY_SECONDS="0.2",
        HOOKLINE_FIRST_RUNS="false",
        HOOKLINE_ENGINE_CONCURRENCY="2",  # so that few orders are a backlog
        HOOKLINE_BATCH_BACKLOG="2",
        PREFECT_API_AUTH_STRING=PREFECT_AUTH,
    ) as running:
        yield running


@pytest.fixture(scope="session")
async def second_engine(everything):
    """Takes over what an engine leaves that dies; and may be the one that dies."""
    keeper = asyncio.create_task(Kept(everything.log.with_name("second-engine.log"), "engine").keep())
    yield
    keeper.cancel()
    await asyncio.gather(keeper, return_exceptions=True)


@pytest.fixture
def sandbox(everything, second_engine):
    """The same with a second engine, under the name by which the other tests know theirs."""
    return everything


@pytest.fixture
async def deliver(business, tmp_path):
    """Send the webhook of an order, once, as the only one about it; what the gateway answers."""
    for subscriber in [row async for row in pages(business.jiwa.list_webhook_subscribers)]:
        await business.jiwa.delete_webhook_subscriber(SubscriberID=subscriber.SubscriberID)
    body = tmp_path / "order.json"

    def deliver(order):
        body.write_text(json.dumps({"InvoiceID": order.InvoiceID}))
        return business.run("send", "jiwa", str(body), "--json")

    return deliver
