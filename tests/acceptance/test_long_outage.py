"""
Zentitle is away for a night, eight hours in minutes, while thousands of orders come.

The waits are scaled: tries at most every half second instead of four minutes, given up after nine nights, as three days
are of eight hours; a night is as long as a slow machine needs to begin all orders.
`ORDERS=300 make test ARGS='-m long tests/acceptance/test_long_outage.py'` is a shorter night.
"""

import asyncio
import io
import os
import time
from collections import Counter

import pytest
from rich.console import Console

from hookline.database import pool
from hookline.database.connection import close_pool
from hookline.sandbox import paid_orders
from hookline.sandbox.paid_orders import PaidOrders, measured_sandbox, per_second, webhooks

ORDERS = int(os.environ.get("ORDERS", "5000"))
SLOW_RATE = 5
"""The orders that a slow machine begins in a second."""
BASELINE = max(ORDERS // 10, 300)
SHORTEST_NIGHT_SECONDS = 60
NIGHT_SECONDS = max(SHORTEST_NIGHT_SECONDS, ORDERS // SLOW_RATE)
SCALED = {
    "HOOKLINE_RETRY_SECONDS": "0.1",
    "HOOKLINE_PROBE_SECONDS": "0.5",
    "HOOKLINE_GIVE_UP_HOURS": str(9 * NIGHT_SECONDS / 3600),
    "HOOKLINE_LANDING_SECONDS": "0.5",
    "HOOKLINE_TAKE_BACK_SECONDS": "0",
}


@pytest.fixture
def night():
    """A sandbox of its own, with the waits of a night scaled."""
    with measured_sandbox(Console(file=io.StringIO()), **SCALED) as made:
        yield made


@pytest.mark.long
async def test_a_night_without_zentitle_costs_no_order_no_double_no_click_and_at_most_half_the_rate(night):
    sandbox, progress = night
    database = await pool(sandbox.settings)
    seeded = {order["InvoiceID"] for order in sandbox.records("jiwa")["orders"]}
    async with PaidOrders.of(sandbox, progress) as orders, webhooks(sandbox) as webhook:
        await orders.warm_up(webhook)
        usual = per_second(await orders.at_once("the usual rate", webhook, BASELINE))
        paid = await orders.pay_orders("orders of the night", ORDERS)
        before = await database.fetchval("SELECT max(id) FROM changes")

        began = time.time()
        sandbox.fault("zentitle", operation="create_license_codes", kind="lose", times=5)
        sandbox.fault("zentitle", operation="*", kind="latency", seconds=3600, times=8, skip=20)
        sandbox.fault("zentitle", operation="*", kind="refuse", times=0, skip=40)
        await asyncio.gather(*(webhook(order) for order in paid))
        await _all_wait(database)
        await asyncio.sleep(max(0, began + SHORTEST_NIGHT_SECONDS - time.time()))
        calls = len(sandbox.requests("zentitle"))
        away = await database.fetchrow("SELECT * FROM vendor_accounts WHERE vendor = 'zentitle'")

        sandbox.clear_faults("zentitle")
        back = time.time()
        await orders.until_done("after the night", [order.InvoiceID for order in paid])
        last = max(orders.log.last[order.InvoiceID] for order in paid)
        await _all_done(database)
    rate = ORDERS / (last - back)
    became = Counter(
        row["became"]
        for row in await database.fetch(
            "SELECT became FROM changes WHERE id > $1 AND subject = 'dispatch'", before
        )
    )
    issues = await database.fetchval("SELECT count(*) FROM issues")
    records = {name: sandbox.records(name) for name in ("zentitle", "sensorpro", "jiwa")}
    await close_pool()
    print(  # noqa: T201
        f"{usual:.1f} orders a second usually, {rate:.1f} after the night; {calls} calls; {dict(became)}"
    )

    total = paid_orders.CUSTOMERS + BASELINE + ORDERS
    notes = [len(order["Notes"]) for order in records["jiwa"]["orders"] if order["InvoiceID"] not in seeded]
    assert None is not away["away_since"]
    assert (0, 0) == (issues, sum(became[state] for state in ("failed", "uncertain", "held", "discarded")))
    assert total == len(records["zentitle"]["consumer_records"])
    assert total == len({row["reference"] for row in _licenses(records)}) == len(_licenses(records))
    assert total == len(records["sensorpro"]["mails"])
    assert [1] * total == notes
    assert usual / 2 <= rate


def _licenses(records):
    return [row for row in records["zentitle"]["licenses"] if "order " in (row["reference"] or "")]


async def _all_wait(database):
    """Until every order waits for Zentitle, or is done: the first of the night were still served."""
    while (
        await database.fetchval(
            """SELECT count(*) FROM deliveries d LEFT JOIN dispatches p ON p.delivery_id = d.id
           WHERE d.state IN ('received', 'dispatched', 'running') AND p.waits_account IS NULL"""
        )
        > 1
    ):  # one may try
        await asyncio.sleep(0.5)


async def _all_done(database):
    while await database.fetchval("SELECT count(*) FROM deliveries WHERE state <> 'done'"):
        await asyncio.sleep(0.5)
