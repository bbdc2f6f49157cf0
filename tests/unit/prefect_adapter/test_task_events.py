"""Short states of a task run are told to Prefect late, or not at all."""

import asyncio
import inspect
from types import SimpleNamespace
from uuid import uuid4

import prefect.task_engine
import pytest
from prefect.states import AwaitingRetry, Completed, Failed, Pending, Retrying, Running
from prefect.task_engine import AsyncTaskRunEngine, SyncTaskRunEngine

from hookline.prefect_adapter import task_events


@pytest.fixture
def told():
    """What was told, as pairs of states."""
    return []


@pytest.fixture
def change(told):
    """Tell of a change of state, as Prefect's engine does."""
    task_run = SimpleNamespace(id=uuid4())

    def emit(_, before, after, follows=None):
        told.append((before and before.name, after.name))
        return follows

    emit_or_hold = task_events._holding(emit)
    return lambda before, after: emit_or_hold(task_run, before, after)


async def test_a_short_task_run_is_told_once_when_it_is_over(change, told, monkeypatch):
    monkeypatch.setattr(task_events, "HOLD_SECONDS", 0.05)
    change(None, Pending())
    change(Pending(), Running())
    change(Running(), Completed())
    await asyncio.sleep(0.1)

    assert [("Running", "Completed")] == told


async def test_a_task_run_that_lasts_is_told_of_while_it_does(change, told, monkeypatch):
    monkeypatch.setattr(task_events, "HOLD_SECONDS", 0.05)
    change(None, Pending())
    change(Pending(), Running())
    await asyncio.sleep(0.1)
    meanwhile = list(told)
    change(Running(), Failed())

    assert [("Pending", "Running")] == meanwhile
    assert [("Pending", "Running"), ("Running", "Failed")] == told


async def test_what_a_person_looks_for_is_told_at_once(change, told):
    change(None, Pending())
    change(Pending(), Running())
    change(Running(), AwaitingRetry())
    change(AwaitingRetry(), Retrying())

    assert [("Running", "AwaitingRetry"), ("AwaitingRetry", "Retrying")] == told


def test_in_a_thread_without_an_event_loop_all_is_told_at_once(change, told):
    change(None, Pending())
    change(Pending(), Running())
    change(Running(), Completed())

    assert [(None, "Pending"), ("Pending", "Running"), ("Running", "Completed")] == told


@pytest.mark.parametrize("engine", [AsyncTaskRunEngine, SyncTaskRunEngine])
def test_prefects_engine_tells_of_states_by_the_function_that_is_wrapped(engine):
    assert f"self._last_event = {task_events.EMIT}(" in inspect.getsource(engine.set_state)
    assert hasattr(prefect.task_engine, task_events.EMIT)
