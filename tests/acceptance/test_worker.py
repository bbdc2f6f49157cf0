"""What the worker runs has an owner, whatever becomes of the worker: real processes, real signals."""

import signal
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
from prefect.client.orchestration import get_client
from prefect.settings import PREFECT_API_URL, temporary_settings

from hookline.database import pool
from hookline.engine import worker_runs
from hookline.provisioning import schedules

TICKETS = "ticket-to-invoice"


@pytest.fixture
async def tickets(prefect_api, sandbox, until):
    """The deployment with one slot, with no run but the test's, whose vendor may answer late, so that a run lasts."""
    tickets = Tickets(prefect_api, sandbox, until)
    place = f"deployments/{tickets.deployment()['id']}"
    prefect_api.post(f"{place}/pause_deployment").raise_for_status()
    await until(lambda: tickets.taken_slots() == 0, "a run still has the slot")
    yield tickets
    sandbox.clear_faults("jifeline")
    prefect_api.post(f"{place}/resume_deployment").raise_for_status()


class Tickets:
    def __init__(self, prefect_api, sandbox, until):
        self.api, self.sandbox, self.until = prefect_api, sandbox, until

    def slow(self, seconds):
        self.sandbox.fault("jifeline", operation="*", kind="latency", seconds=seconds, times=1)

    def deployment(self):
        return self.api.get(f"deployments/name/{TICKETS}/default").raise_for_status().json()

    def begin(self):
        answer = self.api.post(
            f"deployments/{self.deployment()['id']}/create_flow_run", json={"state": {"type": "SCHEDULED"}}
        )
        return answer.raise_for_status().json()["id"]

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

    def taken_slots(self):
        return self.deployment()["global_concurrency_limit"]["active_slots"]


async def running(tickets, seconds):
    tickets.slow(seconds)
    flow_run_id = tickets.begin()
    await tickets.comes_to(flow_run_id, "RUNNING")
    return flow_run_id


async def test_a_run_whose_worker_was_killed_is_crashed_and_the_next_one_runs(tickets, business):
    flow_run_id = await running(tickets, 60)

    business.process("hookline", "worker").send_signal(signal.SIGKILL)

    assert "its process has gone" in (await tickets.comes_to(flow_run_id, "CRASHED"))["message"].lower()
    tickets.sandbox.clear_faults("jifeline")
    await tickets.comes_to(tickets.begin(), "COMPLETED")
    assert 0 == tickets.taken_slots()


async def test_a_run_that_was_being_cancelled_when_its_worker_died_is_cancelled(tickets, business):
    flow_run_id = await running(tickets, 60)
    worker = business.process("hookline", "worker")
    worker.send_signal(signal.SIGSTOP)  # nobody enforces the wish

    cancelling = {"state": {"type": "CANCELLING"}, "force": True}
    tickets.api.post(f"flow_runs/{flow_run_id}/set_state", json=cancelling).raise_for_status()
    worker.send_signal(signal.SIGKILL)

    assert "Cancelled" == (await tickets.comes_to(flow_run_id, "CANCELLED"))["name"]
    assert 0 == tickets.taken_slots()


async def test_a_worker_that_is_asked_to_stop_lets_its_run_end(tickets, business):
    flow_run_id = await running(tickets, 4)

    business.process("hookline", "worker").send_signal(signal.SIGTERM)

    assert "COMPLETED" == (await tickets.comes_to(flow_run_id, "COMPLETED", "CRASHED", "SCHEDULED"))["type"]


async def test_what_does_not_end_in_time_begins_again_with_the_next_worker(tickets, business, until):
    flow_run_id = await running(tickets, 120)

    asked_at = time.monotonic()
    business.process("hookline", "worker").send_signal(signal.SIGTERM)
    await tickets.until(lambda: tickets.state(flow_run_id)["type"] != "RUNNING", "it still runs")
    tickets.sandbox.clear_faults("jifeline")

    assert time.monotonic() - asked_at > 15
    await tickets.comes_to(flow_run_id, "COMPLETED")
    run = tickets.api.get(f"flow_runs/{flow_run_id}").json()
    assert 2 == run["run_count"]


async def test_a_run_with_a_process_and_a_run_of_another_worker_are_left_alone(tickets, sandbox, business):
    flow_run_id = await running(tickets, 8)
    with temporary_settings({PREFECT_API_URL: sandbox.settings.prefect_api_url}):
        async with get_client() as client:
            database = await pool(sandbox.settings)
            name = worker_runs.worker_name(sandbox.settings.home)

            closed = [await worker_runs.close_abandoned(client, database, each) for each in (name, "another")]

    assert [[], []] == closed
    await tickets.comes_to(flow_run_id, "COMPLETED")


async def test_slots_that_nobody_holds_are_freed(tickets, sandbox):
    limit = tickets.deployment()["global_concurrency_limit"]["id"]
    tickets.api.patch(f"v2/concurrency_limits/{limit}", json={"active_slots": 1}).raise_for_status()

    with temporary_settings({PREFECT_API_URL: sandbox.settings.prefect_api_url}):
        async with get_client() as client:
            await worker_runs.free_slots(client)

    assert 0 == tickets.taken_slots()


async def test_a_schedule_of_which_no_run_completes_is_overdue(sandbox):
    with temporary_settings({PREFECT_API_URL: sandbox.settings.prefect_api_url}):
        async with get_client() as client:
            soon = await schedules.overdue(client, datetime.now(UTC))
            later = await schedules.overdue(client, datetime.now(UTC) + timedelta(hours=2))

    assert [] == soon
    assert "ticket-to-invoice/default" in [each.deployment for each in later]
