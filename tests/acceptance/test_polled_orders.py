"""Every webhook of Jiwa is lost: the polls find each paid order, and with the webhooks nothing is done twice."""

import asyncio
import signal
import time
from collections import Counter

import pytest

from hookline.clients.paging import pages
from hookline.database import pool
from tests.installation import business_of, own_sandbox

pytestmark = pytest.mark.alone

ORDERS = 24
ONE_OF_EACH = {"licenses": 1, "consumer_records": 1, "mails": 1, "notes": 1}


@pytest.fixture(scope="module")
def everything(tmp_path_factory, repository):
    """A sandbox whose polls are as shipped, but more often."""
    hooks = tmp_path_factory.mktemp("firm") / "hooks.yaml"
    shipped = (repository / "deployments/hooks.yaml").read_text()
    hooks.write_text(shipped.replace("every: 60s", "every: 2s").replace("every: 2m", "every: 3s"))
    with own_sandbox(
        HOOKLINE_HOOKS=str(hooks),
        HOOKLINE_POLLS="true",
        HOOKLINE_LEASE_SECONDS="3",
        HOOKLINE_RETRY_SECONDS="0.2",
    ) as running:
        yield running


@pytest.fixture
async def business(everything):
    async with business_of(everything) as business:
        yield business


async def webhooks(jiwa, *, enabled):
    async for subscriber in pages(jiwa.list_webhook_subscribers):
        await jiwa.update_webhook_subscriber(SubscriberID=subscriber.SubscriberID, IsEnabled=enabled)


async def polled_once(until, everything):
    """Wait until both lists were read: what comes from now on is new."""

    async def read():
        database = await pool(everything.settings)
        rows = await database.fetch("SELECT source FROM polls WHERE polled_at IS NOT NULL")
        return {"jiwa-orders", "jiwa-payments"} <= {row["source"] for row in rows}

    await until(read, "the lists of Jiwa are not polled")


async def deliveries_of(everything, order):
    database = await pool(everything.settings)
    rows = await database.fetch(
        "SELECT source FROM deliveries WHERE convert_from(body, 'UTF8') LIKE '%' || $1 || '%'",
        order.InvoiceID,
    )
    return Counter(row["source"] for row in rows)


async def allocate(everything, order):
    path = f"/_sandbox/orders/{order.InvoiceID}/allocate"
    answer = await asyncio.to_thread(everything.http.post, everything.simulator("jiwa") + path, json={})
    answer.raise_for_status()


def engine_of(business):
    try:
        return business.process("hookline", "engine")
    except AssertionError:
        return None


async def licensed(until, business, orders, *, seconds=120):
    async def all_of_them():
        counted = [await asyncio.to_thread(business.counts, order) for order in orders]
        return all(each == ONE_OF_EACH for each in counted)

    async with asyncio.timeout(seconds):
        await until(all_of_them, "some orders are not licensed")


async def test_every_paid_order_is_licensed_once_although_no_webhook_comes_and_the_engine_is_killed(
    everything, business, until, record_property
):
    await webhooks(business.jiwa, enabled=False)
    await polled_once(until, everything)
    paid, paid_at = [], {}
    for number in range(ORDERS):
        order = await business.order(("LIC-PRO", 1), paid=number % 2 == 0)
        if number % 2:
            await allocate(everything, order)
        paid.append(order)
        paid_at[order.InvoiceID] = time.time()
        if number in (ORDERS // 3, 2 * ORDERS // 3):
            (await until(lambda: engine_of(business), "no engine is started again")).send_signal(
                signal.SIGKILL
            )
    unpaid = await business.order(("LIC-PRO", 1), paid=False)

    await licensed(until, business, paid)
    for order in paid:
        await business.finished(order)

    assert [ONE_OF_EACH] * ORDERS == [business.counts(order) for order in paid]
    assert dict.fromkeys(ONE_OF_EACH, 0) == business.counts(unpaid)
    sources = [await deliveries_of(everything, order) for order in paid]
    assert {source for each in sources for source in each} <= {"jiwa-orders", "jiwa-payments"}
    assert 0 == sum(each["jiwa"] for each in sources)
    noted = {row["path"]: row["at"] for row in business.requested("create_sales_order_note", "jiwa")}
    waits = [noted[f"/SalesOrders/{order}/Notes"] - at for order, at in paid_at.items()]
    record_property("longest seconds from a payment to the note", round(max(waits), 1))


async def test_with_the_webhook_and_the_polls_each_order_is_licensed_once(everything, business, until):
    await webhooks(business.jiwa, enabled=True)
    await polled_once(until, everything)
    paid = [await business.order(("LIC-PRO", 1)) for _ in range(4)]
    for order in paid:
        await allocate(everything, order)

    await licensed(until, business, paid)

    async def told_by_all():
        told = [await deliveries_of(everything, order) for order in paid]
        return all({"jiwa", "jiwa-orders", "jiwa-payments"} <= set(each) for each in told)

    await until(told_by_all, "not all of webhook and polls told of an order")
    for order in paid:
        await business.finished(order)
    assert [ONE_OF_EACH] * len(paid) == [business.counts(order) for order in paid]
