"""What the worker runs has an owner, whatever becomes of the worker: real processes, real signals."""

import signal
import subprocess
import sys
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from prefect.client.orchestration import get_client
from prefect.settings import PREFECT_API_URL, temporary_settings

from hookline.database import pool
from hookline.engine import worker_runs
from hookline.provisioning import schedules

COMPARISON = "reconcile"
WEBHOOKS = "order-to-license"
"""A flow whose runs engines make."""
HASTY_WORKER = """
import asyncio
from datetime import timedelta
from hookline import runtime

settings = runtime.bootstrap()  # before Prefect is imported, which reads them

from hookline.engine import worker, worker_runs

worker.REQUEUE_SECONDS, worker_runs.UNCLAIMED = 1.0, timedelta(seconds=5)
asyncio.run(worker.serve(settings))
"""
NO_ORDERS = {"days": 1, "until": "2026-01-31T00:00:00+00:00"}


@pytest.fixture
async def comparisons(prefect_api, sandbox, until):
    """The deployment with one slot, with no run but the test's, whose vendor may answer late, so that a run lasts."""
    comparisons = Comparisons(prefect_api, sandbox, until)
    place = f"deployments/{comparisons.deployment()['id']}"
    prefect_api.post(f"{place}/pause_deployment").raise_for_status()
    # The first run of its schedule may wait for a slot that a test before has, and take it in the middle of this one.
    await until(
        lambda: (comparisons.taken_slots(), comparisons.open_runs()) == (0, []),
        lambda: f"slots {comparisons.taken_slots()}, runs {comparisons.open_runs()}",
    )
    yield comparisons
    sandbox.clear_faults("jiwa")
    prefect_api.post(f"{place}/resume_deployment").raise_for_status()


class Comparisons:
    def __init__(self, prefect_api, sandbox, until):
        self.api, self.sandbox, self.until = prefect_api, sandbox, until

    def slow(self, seconds):
        """Let each answer of the vendor be late: one alone might be that of a poll."""
        self.sandbox.fault("jiwa", operation="*", kind="latency", seconds=seconds, times=0)

    def deployment(self):
        return self.api.get(f"deployments/name/{COMPARISON}/default").raise_for_status().json()

    def begin(self):
        answer = self.api.post(
            f"deployments/{self.deployment()['id']}/create_flow_run",
            json={"state": {"type": "SCHEDULED"}, "parameters": NO_ORDERS},
        )
        return answer.raise_for_status().json()["id"]

    def take(self, flow, key):
        """Make a run as one is that somebody has taken, and that nobody has begun."""
        deployment = self.api.get(f"deployments/name/{flow}/default").raise_for_status().json()
        answer = self.api.post(
            f"deployments/{deployment['id']}/create_flow_run",
            json={
                "state": {"type": "PENDING"},
                "parameters": NO_ORDERS,
                "enforce_parameter_schema": False,
                "idempotency_key": key,
            },
        )
        return answer.raise_for_status().json()["id"]

    def set_state(self, flow_run_id, state):
        wish = {"state": {"type": state}, "force": True}
        self.api.post(f"flow_runs/{flow_run_id}/set_state", json=wish).raise_for_status()

    def state(self, flow_run_id):
        return self.api.get(f"flow_runs/{flow_run_id}").raise_for_status().json()["state"]

    async def comes_to(self, flow_run_id, *states):
        """Wait for longer than elsewhere: a process is started, which takes long on a busy machine."""
        for _ in range(2):
            with suppress(AssertionError):
                await self.until(lambda: self.state(flow_run_id)["type"] in states, "not yet")
        state = self.state(flow_run_id)
        assert state["type"] in states, f"{flow_run_id} is {state['name']}, none of {states}"
        return state

    def open_runs(self):
        """Return the runs that have not ended, but for those of the coming days: id, name and message of the state."""
        asked = {
            "deployments": {"id": {"any_": [self.deployment()["id"]]}},
            "flow_runs": {
                "state": {"type": {"any_": ["SCHEDULED", "PENDING", "RUNNING", "CANCELLING"]}},
                "expected_start_time": {"before_": (datetime.now(UTC) + timedelta(minutes=5)).isoformat()},
            },
        }
        runs = self.api.post("flow_runs/filter", json=asked).raise_for_status().json()
        return [(run["id"], run["state"]["name"], run["state"]["message"]) for run in runs]

    def taken_slots(self):
        return self.deployment()["global_concurrency_limit"]["active_slots"]


async def running(comparisons, seconds):
    comparisons.slow(seconds)
    flow_run_id = comparisons.begin()
    await comparisons.comes_to(flow_run_id, "RUNNING")
    return flow_run_id


async def test_a_run_whose_worker_was_killed_is_crashed_and_the_next_one_runs(comparisons, business):
    flow_run_id = await running(comparisons, 60)

    business.process("hookline", "worker").send_signal(signal.SIGKILL)

    assert "its process has gone" in (await comparisons.comes_to(flow_run_id, "CRASHED"))["message"].lower()
    comparisons.sandbox.clear_faults("jiwa")
    await comparisons.comes_to(comparisons.begin(), "COMPLETED")
    assert 0 == comparisons.taken_slots()


async def test_a_run_that_was_being_cancelled_when_its_worker_died_is_cancelled(comparisons, business):
    flow_run_id = await running(comparisons, 60)
    worker = business.process("hookline", "worker")
    worker.send_signal(signal.SIGSTOP)  # nobody enforces the wish

    comparisons.set_state(flow_run_id, "CANCELLING")
    worker.send_signal(signal.SIGKILL)

    assert "Cancelled" == (await comparisons.comes_to(flow_run_id, "CANCELLED"))["name"]
    assert 0 == comparisons.taken_slots()


async def test_a_worker_that_is_asked_to_stop_lets_its_run_end(comparisons, business):
    flow_run_id = await running(comparisons, 4)

    business.process("hookline", "worker").send_signal(signal.SIGTERM)

    assert (
        "COMPLETED" == (await comparisons.comes_to(flow_run_id, "COMPLETED", "CRASHED", "SCHEDULED"))["type"]
    )


async def test_what_does_not_end_in_time_begins_again_with_the_next_worker(comparisons, business, until):
    flow_run_id = await running(comparisons, 120)

    asked_at = time.monotonic()
    business.process("hookline", "worker").send_signal(signal.SIGTERM)
    await comparisons.until(lambda: comparisons.state(flow_run_id)["type"] != "RUNNING", "it still runs")
    waited, left = time.monotonic() - asked_at, comparisons.state(flow_run_id)
    comparisons.sandbox.clear_faults("jiwa")

    assert waited > 15, left
    await comparisons.comes_to(flow_run_id, "COMPLETED")
    run = comparisons.api.get(f"flow_runs/{flow_run_id}").json()
    assert 2 == run["run_count"]


async def test_a_run_with_a_process_and_a_run_of_another_worker_are_left_alone(
    comparisons, sandbox, business
):
    flow_run_id = await running(comparisons, 8)
    with temporary_settings({PREFECT_API_URL: sandbox.settings.prefect_api_url}):
        async with get_client() as client:
            database = await pool(sandbox.settings)
            name = worker_runs.worker_name(sandbox.settings.home)

            closed = [await worker_runs.close_abandoned(client, database, each) for each in (name, "another")]

    assert [[], []] == closed
    await comparisons.comes_to(flow_run_id, "COMPLETED")


@pytest.fixture
def hasty_worker(sandbox, repository, tmp_path):
    """A worker beside the sandbox's, that looks each second for what nobody has begun."""
    with (tmp_path / "worker.log").open("wb") as log:
        worker = subprocess.Popen(
            [sys.executable, "-c", HASTY_WORKER], cwd=repository, stdout=log, stderr=log
        )
    yield
    worker.kill()
    worker.wait()


@pytest.mark.usefixtures("hasty_worker")
async def test_what_a_worker_took_without_giving_its_name_before_it_died_is_begun(comparisons):
    taken = comparisons.take(COMPARISON, key=f"scheduled {uuid4()}")  # as Prefect's scheduler names its runs
    an_engines = comparisons.take(WEBHOOKS, key=str(uuid4()))
    try:
        ended = await comparisons.comes_to(taken, "COMPLETED")
        left = comparisons.state(an_engines)
    finally:
        for each in (taken, an_engines):
            comparisons.set_state(each, "CANCELLED")

    assert ("COMPLETED", "PENDING", 0) == (ended["type"], left["type"], comparisons.taken_slots())


async def test_a_run_that_is_deleted_while_it_is_scheduled_again_is_passed_over(
    comparisons, sandbox, monkeypatch
):
    taken = comparisons.take(COMPARISON, key=f"scheduled {uuid4()}")
    monkeypatch.setattr(worker_runs, "UNCLAIMED", timedelta(0))
    with temporary_settings({PREFECT_API_URL: sandbox.settings.prefect_api_url}):
        async with get_client() as client:
            set_state = client.set_flow_run_state

            async def set_later(*given):
                comparisons.api.delete(f"flow_runs/{taken}").raise_for_status()
                return await set_state(*given)

            monkeypatch.setattr(client, "set_flow_run_state", set_later)
            await worker_runs.requeue_unclaimed(client)

    assert (0, []) == (comparisons.taken_slots(), comparisons.open_runs())
    assert 404 == comparisons.api.get(f"flow_runs/{taken}").status_code


async def test_slots_that_nobody_holds_are_freed(comparisons, sandbox):
    limit = comparisons.deployment()["global_concurrency_limit"]["id"]
    comparisons.api.patch(f"v2/concurrency_limits/{limit}", json={"active_slots": 1}).raise_for_status()

    with temporary_settings({PREFECT_API_URL: sandbox.settings.prefect_api_url}):
        async with get_client() as client:
            await worker_runs.free_slots(client)

    assert (0, []) == (comparisons.taken_slots(), comparisons.open_runs())


async def test_a_schedule_of_which_no_run_completes_is_overdue(sandbox):
    with temporary_settings({PREFECT_API_URL: sandbox.settings.prefect_api_url}):
        async with get_client() as client:
            soon = await schedules.overdue(client, datetime.now(UTC))
            later = await schedules.overdue(client, datetime.now(UTC) + timedelta(days=10))

    assert [] == soon
    assert "reconcile/default" in [each.deployment for each in later]
