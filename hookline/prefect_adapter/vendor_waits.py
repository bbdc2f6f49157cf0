"""
The states of runs that wait for a vendor which is away, with the reason and the time of the next try.

A run in an engine leaves it, and is begun again when the vendor is back; Prefect's own retries would keep it there. A
run in Prefect's worker waits in its process, in Prefect's own way (`retries`).
"""

import functools
from collections.abc import Callable
from typing import Any, Final

import prefect.task_engine
from prefect.client.schemas.objects import State, StateType
from prefect.states import Cancelled

from hookline import context
from hookline.clients.errors import VendorAway
from hookline.prefect_adapter.patching import wrap

NAME: Final = "AwaitingRetry"
LEFT: Final = "Waits for a vendor"
"""The name of the state of a task run that was left."""


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


def _waiting(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    async def handle_exception(engine: Any, exc: Exception) -> None:
        away = vendor_away(exc) if context.dispatch_id() is not None else None
        if away is None:
            await original(engine, exc)
            return
        # It is over: the run begins the step again, in a task run of its own, and perhaps another flow run.
        await engine.set_state(Cancelled(name=LEFT, message=str(away)), force=True)
        raise away

    return handle_exception
