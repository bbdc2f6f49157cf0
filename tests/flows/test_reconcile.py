"""Paid orders, the journal and the licenses are compared, and what is missing is repaired only where it is asked for."""

import json
import re

import httpx
import pytest
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterFlowRunId

from flows import reconcile as reconciled
from flows.reconcile import reconcile
from hookline.database import pool

LINK = re.compile(r"^\[(.+)\]\(https://.+\)$")


@pytest.fixture
def nothing_in_work(monkeypatch):
    """No order is too young to be judged."""
    monkeypatch.setattr(reconciled, "IN_WORK_FOR", -reconciled.IN_WORK_FOR)


@pytest.fixture
async def compare(run_flow, nothing_in_work, ask_prefect):
    """Run reconcile: its final state, and the rows of its table about what is named."""

    async def compare(*about, **parameters):
        state = await run_flow(reconcile, days=1, **parameters)
        artifacts = await ask_prefect(
            lambda client: client.read_artifacts(
                artifact_filter=ArtifactFilter(
                    flow_run_id=ArtifactFilterFlowRunId(any_=[state.state_details.flow_run_id])
                )
            )
        )
        [table] = [each for each in artifacts if each.key == "reconcile"]
        rows = [row | {"what": LINK.sub(r"\1", row["what"])} for row in json.loads(table.data)]
        return state, [row for row in rows if any(each in row["what"] for each in about)]

    return compare


def numbers(state):
    """The counts of the line: paid, licensed, mailed."""
    line = state.message.splitlines()[0]
    return [int(part.split()[0].replace(",", "")) for part in line.split(";")[0].split(", ")[:3]]


async def test_an_order_that_is_licensed_is_no_difference_and_is_counted(compare, business, run):
    before, _ = await compare()
    order = await business.order(("LIC-PRO", 2))
    assert "Completed" == (await run(order)).name

    state, rows = await compare(order.InvoiceNo)

    assert [] == rows
    assert [1, 1, 1] == [now - then for now, then in zip(numbers(state), numbers(before), strict=True)]


async def test_a_paid_order_that_nobody_noticed_is_a_difference_and_only_reported(
    compare, business, jiwa, sandbox
):
    order = await business.order(("LIC-PRO", 1))

    state, rows = await compare(order.InvoiceNo)

    assert ("Differences", [("paid, with no license, no mail, no note", True)]) == (
        state.name,
        [(row["problem"].replace("\\", ""), row["repairable"]) for row in rows],
    )
    database = await pool(sandbox.settings)
    assert 0 == await database.fetchval("SELECT count(*) FROM deliveries WHERE source = 'reconcile'")
    assert "reconcile: " in await database.fetchval(
        "SELECT title FROM issues WHERE starts_with(cause, $1) AND closed_at IS NULL", reconciled.CAUSE
    )


async def test_with_repair_what_is_missing_is_done_once_by_the_inbox(compare, business, jiwa):
    order = await business.order(("LIC-PRO", 1))

    state, _ = await compare(order.InvoiceNo, repair=True)
    await business.noted(order)
    [delivery] = await business.finished(order)
    _, rows = await compare(order.InvoiceNo, repair=True)
    await business.finished(order)

    assert "given to order-to-license" in state.message
    assert "reconcile" == delivery["source"]
    assert {"licenses": 1, "consumer_records": 1, "mails": 1, "notes": 1} == business.counts(order)
    assert [] == rows


async def test_an_order_that_is_not_paid_or_calls_for_no_license_is_no_difference(compare, business, jiwa):
    unpaid = await business.order(("LIC-PRO", 1), paid=False)
    goods = await business.order(("TON-BLK-410", 1))

    _, rows = await compare(unpaid.InvoiceNo, goods.InvoiceNo)

    assert [] == rows


async def test_a_license_that_the_journal_does_not_know_and_one_that_is_gone_are_differences(
    compare, business, run, sandbox
):
    order = await business.order(("LIC-PRO", 1))
    await run(order)
    database = await pool(sandbox.settings)
    [code] = await database.fetchval(
        "SELECT reference FROM effects WHERE key = $1 AND step = 'license LIC-PRO'", order.InvoiceID
    )
    other = "999999999999999999"
    noted = "UPDATE effects SET reference = array_replace(reference, $2, $3) WHERE key = $1"
    try:  # as if another code had been noted than the one that was given
        await database.execute(noted, order.InvoiceID, code, other)
        state, rows = await compare(code, order.InvoiceNo)
    finally:
        await database.execute(noted, order.InvoiceID, other, code)

    assert "Differences" == state.name
    assert {
        f"license {code}",
        f"order {order.InvoiceNo}",
    } == {each["what"] for each in rows}
    assert any("and no more at Zentitle" in each["problem"] for each in rows)
    assert any("not in the journal" in each["problem"] for each in rows)


async def test_an_order_of_another_window_is_left_alone(compare, business, jiwa):
    order = await business.order(("LIC-PRO", 1))

    state, rows = await compare(order.InvoiceNo, until="2026-01-31T00:00:00+00:00")

    assert ([], [0, 0, 0]) == (rows, numbers(state))


async def test_a_vendor_that_is_away_fails_the_comparison_and_reports_no_difference(run_flow, sandbox):
    httpx.post(
        f"{sandbox.simulator('zentitle')}/_sandbox/faults",
        json={"operation": "list_license_codes", "kind": "refuse", "status": 403, "times": 0},
        timeout=30,
    ).raise_for_status()

    state = await run_flow(reconcile, days=1)
    sandbox.clear_faults("zentitle")

    assert "Failed" == state.name
    assert "list_license_codes" in state.message
