"""A rehearsal says what stored deliveries would do by changed files, and touches nothing that is real."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from uuid import uuid4

import httpx
import pytest

from hookline.database import pool
from hookline.source_secrets import webhook_secrets
from tests.conftest import SHIPPED_CATALOG

pytestmark = pytest.mark.alone

TABLES = ("deliveries", "dispatches", "effects", "changes", "waits", "vendor_accounts")
VENDORS = ("jiwa", "zentitle", "sensorpro")


@pytest.fixture
async def lived(business, until):
    """What happened: two licensed orders, and a credit note that Jiwa does not know; since when, and their ids."""
    since, credit_note = datetime.now(UTC).isoformat(), uuid4().hex
    single, team = await business.order(("LIC-PRO", 2)), await business.order(("LIC-TEAM", 5))
    await post(business, {"InvoiceID": credit_note, "InvoiceNo": "C1", "CreditNote": True})
    for order in (single, team):
        await business.noted(order)
        await business.finished(order)
    await until(lambda: ended(business, credit_note), "the credit note does not end")
    return since, team, credit_note


async def post(business, body):
    secret = webhook_secrets("jiwa")[0].get_secret_value()
    async with httpx.AsyncClient(timeout=30, headers={"X-Hookline-Key": secret}) as sender:
        answer = await sender.post(f"{business.sandbox.settings.gateway_url}/hooks/jiwa", json=body)
    answer.raise_for_status()


async def ended(business, key):
    database = await pool(business.sandbox.settings)
    return await database.fetchval(
        "SELECT state FROM dispatches WHERE key = $1 AND state IN ('done', 'failed')", f"jiwa order {key}"
    )


async def everything_real(business, prefect_api, until):
    """What a rehearsal must not touch: the tables, the requests to vendors, the runs at Prefect."""
    await until(lambda: nothing_runs(prefect_api), "the first runs of the schedules do not end")
    database = await pool(business.sandbox.settings)
    tables = {
        name: await database.fetchval(f"SELECT md5(string_agg(t::text, '' ORDER BY t::text)) FROM {name} t")
        for name in TABLES
    }
    requests = {vendor: len(business.sandbox.requests(vendor)) for vendor in VENDORS}
    runs = prefect_api.post("flow_runs/count", json={"flows": {"name": {"any_": ["order-to-license"]}}})
    return tables, requests, runs.json()


async def nothing_runs(prefect_api):
    now = datetime.now(UTC).isoformat()
    running = {"type": {"any_": ["RUNNING", "PENDING"]}}, {"name": {"any_": ["Late"]}}
    due = {"state": {"type": {"any_": ["SCHEDULED"]}}, "expected_start_time": {"before_": now}}
    filters = [*({"state": state} for state in running), due]
    return all(prefect_api.post("flow_runs/count", json={"flow_runs": one}).json() == 0 for one in filters)


def rehearse(*options, **variables):
    command = [sys.executable, "-m", "hookline", "rehearse", "--json", *options]
    done = subprocess.run(command, env=os.environ | variables, capture_output=True, text=True, timeout=300)
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout.splitlines()[-1])


async def test_an_unchanged_folder_differs_in_nothing_and_nothing_real_is_touched(
    lived, business, prefect_api, until
):
    before = await everything_real(business, prefect_api, until)

    code, report = rehearse("--since", lived[0], "--source", "jiwa")

    assert before == await everything_real(business, prefect_api, until)
    assert (0, []) == (code, report["differences"]), report
    # Before an order was paid, it was looked for in Jiwa's list, which nobody records.
    assert {"the answer to jiwa.query_sales_orders"} >= {
        each["why"] for each in report["not_rehearsed"] if each["route"] == "jiwa-order"
    }
    assert 2 <= report["alike"]
    assert 20 <= report["writes"]


@pytest.fixture
def changed(tmp_path, lived):
    """A project: another product for LIC-PRO, a route that does not take the second order, a flow that raises."""
    team = lived[1]
    (tmp_path / "flows").mkdir()
    (tmp_path / "flows" / "raising.py").write_text(RAISING)
    (tmp_path / "prefect.yaml").write_text(DEPLOYMENTS)
    (tmp_path / "hooks.yaml").write_text(ROUTES % team.InvoiceID)
    catalog = SHIPPED_CATALOG.read_text(encoding="utf-8")
    (tmp_path / "catalog.yaml").write_text(catalog.replace(f'"{PRODUCT}"', f'"{OTHER_PRODUCT}"'))
    return {"HOOKLINE_PROJECT": str(tmp_path), "HOOKLINE_CATALOG": ""}


async def test_a_changed_folder_differs_in_exactly_what_was_changed(
    lived, changed, business, prefect_api, until
):
    before = await everything_real(business, prefect_api, until)

    code, report = rehearse("--since", lived[0], "--source", "jiwa", **changed)

    assert before == await everything_real(business, prefect_api, until)
    found = {
        (each["kind"], each["route"], each["what"], each["examples"][0]["then"], each["examples"][0]["now"])
        for each in report["differences"]
    }
    failed = (
        "failure",
        "jiwa-credit-note",
        "fails",
        f"done: Jiwa has no credit note {lived[2]}; nothing was done.",
        "failed: ValueError: the new code does not like it",
    )
    assert (1, EXPECTED | {failed}) == (code, found), report


PRODUCT, OTHER_PRODUCT = "6453300110", "3659410102"
DEPLOYMENTS = """
deployments:
  - use: order-to-license
  - name: default
    entrypoint: flows/raising.py:raising
    work_pool: {name: hookline}
"""
ROUTES = """
sources:
  jiwa: {use: jiwa}
routes:
  jiwa-order:
    use: jiwa-order
    when: body.InvoiceID is defined and not body.CreditNote | default(false) and body.InvoiceID != "%s"
  jiwa-credit-note: {use: jiwa-credit-note}
"""
RAISING = """
from prefect import flow


@flow(name="credit-to-revoke")
async def raising(credit_note_id: str):
    raise ValueError("the new code does not like it")
"""
EXPECTED = {
    (
        "route",
        "jiwa-order",
        "starts nothing",
        "started order-to-license/default",
        "no route's condition holds",
    ),
    *(
        ("write changed", "jiwa-order", f"zentitle.{operation}: productid", PRODUCT, OTHER_PRODUCT)
        for operation in ("create_license_codes", "create_license_note", "create_consumer_data")
    ),
}
