"""
The state of runs that wait for a vendor which is away: AwaitingRetry, with the reason and the time of the next try.

A run in an engine leaves it, and is begun again when the vendor is back; Prefect's own retries would keep it there. A
run in Prefect's worker waits in its process, in Prefect's own way (`retries`).
"""

import functools
from collections.abc import Callable
from typing import Any, Final
from uuid import UUID

import prefect.task_engine
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterId,
    TaskRunFilter,
    TaskRunFilterState,
    TaskRunFilterStateName,
)
from prefect.client.schemas.objects import State, StateType
from prefect.states import AwaitingRetry, Cancelled

from hookline import context
from hookline.clients.errors import VendorAway
from hookline.prefect_adapter.patching import wrap

NAME: Final = "AwaitingRetry"
BEGUN_AGAIN: Final = "The vendor was away; its flow run began this step again."


def install() -> None:
    """
    Let tasks of engines wait for a vendor without being failed, from here on.

    Raises:
        RuntimeError: this version of Prefect handles errors elsewhere.
    """
    wrap(prefect.task_engine.AsyncTaskRunEngine, "handle_exception", _waiting)


def vendor_away(error: BaseException) -> VendorAway | None:
    """Return the error that says that a vendor is away, if that is all that went wrong."""
    if isinstance(error, VendorAway):
        return error
    if isinstance(error, BaseExceptionGroup):
        found = [vendor_away(one) for one in error.exceptions]
        return found[0] if all(found) else None
    return None


def awaiting_retry(away: VendorAway) -> State[Any]:
    """
    Return the state of a flow run that waits for a vendor.

    Its type is Pending: a run that is scheduled would be taken by Prefect's worker once its time has come.
    """
    return State(type=StateType.PENDING, name=NAME, message=str(away))


async def close_waiting_tasks(client: PrefectClient, flow_run_id: UUID) -> None:
    """End the task runs with which a flow run waited for a vendor: it begins them again, under other ids."""
    waiting = await client.read_task_runs(
        flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=[flow_run_id])),
        task_run_filter=TaskRunFilter(state=TaskRunFilterState(name=TaskRunFilterStateName(any_=[NAME]))),
    )
    for task_run in waiting:
        await client.set_task_run_state(
            task_run.id, Cancelled(name="Superseded", message=BEGUN_AGAIN), force=True
        )


def _waiting(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    async def handle_exception(engine: Any, exc: Exception) -> None:
        away = vendor_away(exc) if context.dispatch_id() is not None else None
        if away is None:
            await original(engine, exc)
            return
        await engine.set_state(_state(away), force=True)
        raise away

    return handle_exception


def _state(away: VendorAway) -> State[Any]:
    """Return the state of a task run; in a batch it is over, for the dispatch goes on in another flow run."""
    if context.in_batch():
        return Cancelled(name="Waits for a vendor", message=str(away))
    return AwaitingRetry(scheduled_time=away.next_try, message=str(away))
