"""A vendor's bad night: what needs it waits, the rest goes on, and afterwards all is done, once, without a click."""

import asyncio

import pytest

from hookline.database import pool

ORDERS = 24
GOOD = {"licenses": 1, "consumer_records": 1, "mails": 1, "notes": 1}


@pytest.fixture
async def inbox(sandbox):
    return await pool(sandbox.settings)


async def _waiting(inbox):
    return await inbox.fetchval("SELECT count(*) FROM dispatches WHERE waits_account = 'zentitle/default'")


async def test_orders_of_a_vendors_bad_night_wait_and_are_done_once_when_it_is_back(
    sandbox, business, inbox, until, prefect_api
):
    last_change = await inbox.fetchval("SELECT coalesce(max(id), 0) FROM changes")
    issues_before = await inbox.fetchval("SELECT count(*) FROM issues")
    # The first codes are made, and nobody hears of it; then nothing is answered any more.
    sandbox.fault("zentitle", operation="create_license_codes", kind="lose", times=2)
    sandbox.fault("zentitle", operation="*", kind="refuse", times=0, skip=8)
    orders = [await business.order(("LIC-PRO", 1)) for _ in range(ORDERS)]
    try:
        await until(lambda: _waits(inbox, ORDERS - 2), "the orders do not wait for Zentitle")
        # However many of them were in a batch, one that comes later has a flow run of its own.
        await until(lambda: _no_batch(inbox), "a batch is left open")
        orders.append(await business.order(("LIC-PRO", 1)))
        in_prefect = await until(lambda: _waiting_runs(prefect_api), "Prefect shows no run that waits")
        away = business.cli("vendors", "--json")
        waiting = await inbox.fetchval(
            """SELECT count(*) FROM deliveries
               WHERE state = 'dispatched' AND reason LIKE 'waits for zentitle/default, away since %'"""
        )
    finally:
        sandbox.clear_faults("zentitle")
    for order in orders:
        await business.noted(order)
    await business.finished(orders[-1])
    await until(lambda: _is_up(business), "Zentitle is not back")
    became = {
        row["became"]
        for row in await inbox.fetch("SELECT DISTINCT became FROM changes WHERE id > $1", last_change)
    }

    waited = {run["id"] for run in in_prefect}
    await until(lambda: not _waiting_runs(prefect_api), "a run waits for ever in Prefect")
    steps = [run for run in _runs(prefect_api, "task", "Waits for a vendor") if run["flow_run_id"] in waited]

    [zentitle] = [account for account in away if account["account"] == "zentitle/default"]
    assert "away" == zentitle["health"]
    assert ORDERS - 2 <= zentitle["waiting"]
    assert ORDERS - 3 <= waiting
    assert "It is tried again at" in in_prefect[0]["state"]["message"]
    assert {"CANCELLED"} == {run["state"]["type"] for run in steps}
    assert [GOOD] * len(orders) == [business.counts(order) for order in orders]
    assert set() == became & {"failed", "uncertain", "rejected", "held"}
    assert issues_before == await inbox.fetchval("SELECT count(*) FROM issues")


async def _waits(inbox, least):
    await asyncio.sleep(0.2)
    return await _waiting(inbox) >= least


async def _no_batch(inbox):
    return 0 == await inbox.fetchval("SELECT count(*) FROM batches")


def _is_up(business):
    return all(account["health"] == "up" for account in business.cli("vendors", "--json"))


def _waiting_runs(prefect_api):
    """The flow runs that wait for Zentitle in Prefect."""
    runs = _runs(prefect_api, "flow", "AwaitingRetry")
    return [run for run in runs if "waits for zentitle/default, away since" in run["state"]["message"]]


def _runs(prefect_api, kind, state):
    """The flow runs or task runs that are in this state in Prefect."""
    wanted = {f"{kind}_runs": {"state": {"name": {"any_": [state]}}}}
    return prefect_api.post(f"{kind}_runs/filter", json=wanted).raise_for_status().json()
