"""
Where Prefect waits within a run, Hookline is told, so that the run gives its slot back meanwhile.

Prefect has no hook for it: from 3.8 on, these are its functions that sleep. Each is looked up by its name when this
module is imported, so that a Prefect without it fails there.
"""

import functools
import inspect
from collections.abc import Callable
from datetime import UTC, datetime
from types import ModuleType
from typing import Any, Final

import prefect.concurrency._asyncio
import prefect.concurrency.asyncio
import prefect.flow_engine
import prefect.task_engine

from hookline.context import waiting, waiting_for_next_attempt

TASK_ENGINES: Final = (prefect.task_engine.AsyncTaskRunEngine, prefect.task_engine.SyncTaskRunEngine)
READY: Final = "wait_until_ready"
"""Of a task's engine: sleeps until the time of its state, where that is `AwaitingRetry` or scheduled."""
LIMITS: Final = (
    (prefect.concurrency._asyncio, "aacquire_concurrency_slots_with_lease"),  # noqa: SLF001  (`concurrency()`, tags)
    (prefect.concurrency.asyncio, "aacquire_concurrency_slots"),  # `rate_limit()`
)
"""Take slots of global concurrency limits, given by their `names`, and sleep while the server answers 423."""
PROPOSE: Final = (prefect.flow_engine, "propose_state")
"""Asks the server for a flow run's state, and sleeps while it answers WAIT: a subflow that awaits its retry."""


def _task_that_tells(original: Callable[..., Any]) -> Callable[..., Any]:
    if inspect.iscoroutinefunction(original):

        @functools.wraps(original)
        async def wait_until_ready(engine: Any) -> None:
            with _next_attempt(engine):
                await original(engine)
    else:

        @functools.wraps(original)
        def wait_until_ready(engine: Any) -> None:
            with _next_attempt(engine):
                original(engine)

    return wait_until_ready


def _next_attempt(engine: Any) -> Any:
    at = engine.state.state_details.scheduled_time
    return waiting_for_next_attempt((at - datetime.now(UTC)).total_seconds() if at else 0)


def _limit_that_tells(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    async def acquire(names: list[str], *args: Any, **given: Any) -> Any:
        with waiting(f"waits for the limit {', '.join(names)} in Prefect"):
            return await original(names, *args, **given)

    return acquire


def _proposal_that_tells(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    async def propose_state(*args: Any, **given: Any) -> Any:
        with waiting("waits until Prefect lets its flow run go on"):
            return await original(*args, **given)

    return propose_state


def _replace(owner: type | ModuleType, name: str, made: Callable[..., Callable[..., Any]]) -> None:
    setattr(owner, name, made(getattr(owner, name)))


for _engine in TASK_ENGINES:
    _replace(_engine, READY, _task_that_tells)
for _module, _name in LIMITS:
    _replace(_module, _name, _limit_that_tells)
_replace(*PROPOSE, _proposal_that_tells)
