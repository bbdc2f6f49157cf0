"""Meters are billed on a real Prefect server, once, although a run is killed and an answer lost; the cases are in contract tests."""

import json
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import httpx
import pytest
import yaml
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterFlowRunId

from flows.meter_billing import meter_billing

METERS = {"report": "5001", "since": "2020-01", "parts": {"Mono": "CLICK-MONO", "Color": "CLICK-COLOR"}}
RUN = "import asyncio, flows.meter_billing as f; asyncio.run(f.meter_billing(period={!r}, dry_run=False, return_state=True))"
FRONT_DESK, DRAWING_OFFICE = "730101", "730215"


def month(back):
    first = datetime.now(UTC).replace(day=1)
    for _ in range(back):
        first = (first - timedelta(days=1)).replace(day=1)
    return f"{first:%Y-%m}"


@pytest.fixture
def fleet(sandbox, environment, repository, tmp_path):
    catalog = yaml.safe_load((repository / "deployments/catalog.yaml").read_text()) | {"meters": METERS}
    (tmp_path / "catalog.yaml").write_text(yaml.safe_dump(catalog))
    environment.setenv("HOOKLINE_CATALOG", str(tmp_path / "catalog.yaml"))
    yield Fleet(sandbox)
    for vendor in ("jiwa", "jetadvice"):
        sandbox.clear_faults(vendor)


class Fleet:
    def __init__(self, sandbox):
        self.sandbox, self.at = sandbox, datetime.now(UTC) - timedelta(days=2)
        for device in self.devices():
            self.report(device)

    def devices(self):
        return {row["deviceId"]: row for row in self.sandbox.records("jetadvice")["devices"]}

    def report(self, device, **more):
        self.at += timedelta(hours=1)
        counters = self.devices()[device]["counters"]
        counts = {kind: int(counters[kind]) + clicks for kind, clicks in more.items()}
        url = f"{self.sandbox.simulator('jetadvice')}/_sandbox/devices/{device}/counters"
        body = counts | {"lastReport": self.at.strftime("%Y-%m-%dT%H:%M:%S")}
        httpx.post(url, json=body, timeout=30).raise_for_status()

    def orders(self):
        return [
            (
                each["OrderNo"],
                {line["PartNo"]: line["QuantityOrdered"] for line in each["Lines"] if line.get("PartNo")},
            )
            for each in self.sandbox.records("jiwa")["orders"]
            if (each["OrderNo"] or "").startswith("METERS-")
        ]


async def test_a_month_is_billed_once_although_its_run_is_killed_and_an_answer_is_lost(
    fleet, run_flow, ask_prefect, until, repository
):
    first = [await run_flow(meter_billing, period=month(2), dry_run=dry) for dry in (True, False)]
    fleet.report(FRONT_DESK, mono=500, color=40)
    fleet.report(DRAWING_OFFICE, mono=30)
    proposed = await run_flow(meter_billing, period=month(1))
    before = fleet.orders()
    fleet.sandbox.fault("jiwa", operation="create_sales_order", kind="latency", seconds=4)
    address = {"PREFECT_API_URL": fleet.sandbox.settings.prefect_api_url}
    process = subprocess.Popen(
        [sys.executable, "-c", RUN.format(month(1))], env=os.environ | address, cwd=repository
    )
    asked = lambda: fleet.sandbox.requests("jiwa")[-1]["operation"] == "create_sales_order"  # noqa: E731
    await until(lambda: asked() or process.poll() is not None, "no order is made")
    process.send_signal(signal.SIGKILL)
    killed = process.wait(30)
    await until(fleet.orders, "the order of the killed run does not land")
    fleet.sandbox.fault("jiwa", operation="create_sales_order", kind="lose")

    states = [await run_flow(meter_billing, period=month(1), dry_run=False) for _ in range(2)]

    assert (["Proposed", "Nothing to bill"], "Proposed", []) == (
        [state.name for state in first],
        proposed.name,
        before,
    )
    assert (-signal.SIGKILL, ["Completed", "Completed"]) == (killed, [state.name for state in states])
    assert [
        (f"METERS-{month(1)}-48211", {"CLICK-MONO": 500, "CLICK-COLOR": 40}),
        (f"METERS-{month(1)}-48236", {"CLICK-MONO": 30}),
    ] == fleet.orders()

    run = proposed.state_details.flow_run_id
    artifacts = await ask_prefect(
        lambda client: client.read_artifacts(
            artifact_filter=ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=[run]))
        )
    )
    found = {each.type: json.loads(each.data) if each.type == "table" else each.data for each in artifacts}
    assert 100 == float(found["progress"])
    assert {("121504", "122004", "500"), ("62716", "62756", "40")} == {
        (row["from"], row["to"], row["clicks"]) for row in found["table"] if FRONT_DESK in row["device"]
    }
    named = await ask_prefect(lambda client: client.read_flow_run(run))
    assert f"meters of {month(1)}: 2 orders" == named.name.partition(" proposed")[0]
