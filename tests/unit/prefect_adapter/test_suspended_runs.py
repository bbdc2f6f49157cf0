"""The functions in which Prefect waits within a run; see `hookline.prefect_adapter.waits`."""

import inspect
from datetime import UTC, datetime, timedelta

import prefect.concurrency._asyncio as limits
import prefect.concurrency.asyncio as limits_for_all
import prefect.flow_engine
import prefect.task_engine
import pytest
from prefect.states import AwaitingRetry, Running

from hookline.prefect_adapter import waits


def parameters(function):
    return list(inspect.signature(function).parameters)


@pytest.mark.parametrize("engine", waits.TASK_ENGINES, ids=lambda engine: engine.__name__)
def test_a_tasks_engine_waits_for_its_next_attempt_in_wait_until_ready(engine):
    runner = (
        prefect.task_engine.run_task_async
        if "Async" in engine.__name__
        else prefect.task_engine.run_task_sync
    )
    source = inspect.getsource(runner)

    assert ["self"] == parameters(engine.wait_until_ready)
    assert f"{engine.__name__}[" in source
    assert "engine.wait_until_ready()" in source
    assert "sleep(sleep_time" in inspect.getsource(engine.wait_until_ready)


def test_a_state_that_awaits_a_retry_says_when_it_comes():
    at = datetime.now(UTC) + timedelta(minutes=10)

    assert at == AwaitingRetry(scheduled_time=at).state_details.scheduled_time
    assert None is Running().state_details.scheduled_time


def test_limits_are_taken_by_functions_that_their_users_look_up_by_name():
    concurrency = inspect.getsource(limits.concurrency)
    rate_limit = inspect.getsource(limits_for_all.rate_limit)

    assert "await aacquire_concurrency_slots_with_lease(" in concurrency
    assert "await aacquire_concurrency_slots(" in rate_limit
    assert limits_for_all._concurrency_internal is limits.concurrency
    assert {"names"} == {parameters(function)[0] for function in (
        limits.aacquire_concurrency_slots_with_lease, limits_for_all.aacquire_concurrency_slots)}  # fmt: skip


def test_a_flow_run_asks_for_its_states_by_propose_state_which_waits_where_the_server_says_so():
    engine = inspect.getsource(prefect.flow_engine.AsyncFlowRunEngine.set_state)

    assert "await propose_state(" in engine
    assert "anyio.sleep(response.details.delay_seconds)" in inspect.getsource(
        prefect.flow_engine.propose_state
    )


@pytest.mark.parametrize(
    ("owner", "name"),
    [*((engine, waits.READY) for engine in waits.TASK_ENGINES), *waits.LIMITS, waits.PROPOSE],
)
def test_each_of_them_reports_that_it_waits(owner, name):
    waits.install()

    assert hasattr(getattr(owner, name), "__wrapped__")
