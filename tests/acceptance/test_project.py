"""A firm's own project in real processes: shipped workflows by name, and a flow and a text of its own beside them."""

import json
import os
import subprocess
import sys
import time

import httpx
import pytest
from projects import new_flow

from hookline import runtime
from hookline.new_project import make_project
from hookline.sandbox.stack import own_ports, sandbox_stack
from hookline.settings import settings

FROM_VENDORS = "\nfrom vendors.greeting import GREETING\n"
SECONDS = 60


@pytest.fixture
def acme(tmp_path):
    """A project in a folder as people name them, with a flow that uses a vendor's package of its own."""
    before, path = dict(os.environ), sys.path.copy()
    folder = tmp_path / "Müller & Söhne"
    make_project(folder)
    new_flow(folder, "late-orders", "standard")
    (folder / "vendors" / "greeting.py").write_text("GREETING = 'of our own vendor'\n")
    flow = folder / "flows" / "late_orders.py"
    flow.write_text(
        flow.read_text()
        .replace(
            "\nfrom prefect import flow, get_run_logger\n",
            "\nfrom prefect import flow, get_run_logger\n" + FROM_VENDORS,
        )
        .replace("return number", "return f'{number} {GREETING}'")
    )
    yield folder
    os.environ.clear()
    os.environ.update(before)
    sys.path[:] = path
    settings.cache_clear()


def hookline(*words, cwd, **options):
    command = [sys.executable, "-m", "hookline", *words]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=120, **options)


def state_of(run, prefect_api):
    return prefect_api.get(f"flow_runs/{run}").raise_for_status().json()["state"]["type"]


def until(found, what):
    deadline = time.monotonic() + SECONDS
    while not (answer := found()):
        assert time.monotonic() < deadline, what
        time.sleep(0.3)
    return answer


def test_a_project_runs_shipped_workflows_and_its_own_flow(acme, tmp_path):
    os.environ["HOOKLINE_PROJECT"] = str(acme)
    (acme / ".env").write_text("JIWA_BASE_URL=https://jiwa.invalid\nJIWA_API_KEY=not-to-be-used\n")
    with sandbox_stack(
        **own_ports(), HOOKLINE_FIRST_RUNS="false", PREFECT_WORKER_QUERY_SECONDS="1"
    ) as running:
        assert os.environ["JIWA_BASE_URL"] == running.simulator("jiwa")

        # From a folder below: `up` has applied the project's own files.
        tried = hookline("apply", "--dry-run", "--json", cwd=acme / "flows")
        assert tried.stderr == ""
        rows = [
            row for row in json.loads(tried.stdout) if row["kind"] in ("deployment", "automation", "route")
        ]
        assert {row["change"] for row in rows} == {"as it is"}
        assert {"late-orders/default", "order-to-license/default"} <= {row["name"] for row in rows}

        # The firm's own flow, by a webhook: in the engine.
        message = tmp_path / "message.json"
        message.write_text(json.dumps({"type": "late-orders", "data": {"number": "100123"}}))
        sent = hookline("send", "standard", str(message), cwd=acme)
        assert sent.returncode == 0, sent.stdout + sent.stderr

        def deliveries():
            listed = hookline("inbox", "list", "--source", "standard", "--json", cwd=acme)
            return [each["state"] for each in json.loads(listed.stdout)]

        assert until(lambda: "done" in deliveries() and deliveries(), running.last_lines()) == ["done"]

        # And by hand in Prefect: in the worker's process, which finds flow and vendor too; so for a shipped workflow.
        for deployment, parameters in (("late-orders", {"number": "7"}), ("reconcile", {"days": 1})):
            with prefect(running) as api:
                of = api.get(f"deployments/name/{deployment}/default").raise_for_status().json()
                run = api.post(
                    f"deployments/{of['id']}/create_flow_run",
                    json={"state": {"type": "SCHEDULED"}, "parameters": parameters},
                )
                made = run.raise_for_status().json()["id"]
                ends = ("COMPLETED", "FAILED", "CRASHED")
                ended = until(lambda: (state := state_of(made, api)) in ends and state, running.last_lines())  # noqa: B023
                assert (deployment, ended) == (deployment, "COMPLETED"), running.last_lines()


def prefect(running):
    user, _, password = runtime.prefect_auth(running.settings).partition(":")
    return httpx.Client(base_url=f"{running.settings.prefect_api_url}/", auth=(user, password), timeout=30)
