"""
The waits of Prefect within a run, reported to the engine so that the run gives its slot back meanwhile.

Prefect has no hook for it: these are its functions that sleep. Each is looked up by its name at `install`, so that a
Prefect without it fails there.
"""

import functools
import inspect
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

import prefect.concurrency._asyncio
import prefect.concurrency._sync
import prefect.concurrency.asyncio
import prefect.flow_engine
import prefect.task_engine

from hookline.context import waiting, waiting_for_next_attempt
from hookline.prefect_adapter.patching import wrap

TASK_ENGINES: Final = (prefect.task_engine.AsyncTaskRunEngine, prefect.task_engine.SyncTaskRunEngine)
READY: Final = "wait_until_ready"
"""The method of a task's engine that sleeps until the time of its state, if that is `AwaitingRetry` or scheduled."""
LIMITS: Final = (
    (prefect.concurrency._asyncio, "aacquire_concurrency_slots_with_lease"),  # noqa: SLF001  (`concurrency()`, tags)
    (prefect.concurrency._sync, "aacquire_concurrency_slots_with_lease"),  # noqa: SLF001  (the same, in threads)
    (prefect.concurrency.asyncio, "aacquire_concurrency_slots"),  # `rate_limit()`
)
"""The functions that take slots of global concurrency limits by `names`, and sleep while the server answers 423."""
PROPOSE: Final = (prefect.flow_engine, "propose_state")
"""The function that proposes a flow run's state, and sleeps while the server answers WAIT: a subflow's retry."""


def install() -> None:
    """
    Report the waits of all runs in this process, from here on.

    Raises:
        RuntimeError: this version of Prefect waits elsewhere.
    """
    for engine in TASK_ENGINES:
        wrap(engine, READY, _reporting_task)
    for module, name in LIMITS:
        wrap(module, name, _reporting_limit)
    wrap(*PROPOSE, _reporting_proposal)


def _reporting_task(original: Callable[..., Any]) -> Callable[..., Any]:
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


def _reporting_limit(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    async def acquire(names: list[str], *args: Any, **options: Any) -> Any:
        with waiting(f"waits for the limit {', '.join(names)} in Prefect"):
            return await original(names, *args, **options)

    return acquire


def _reporting_proposal(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    async def propose_state(*args: Any, **options: Any) -> Any:
        with waiting("waits until Prefect lets its flow run go on"):
            return await original(*args, **options)

    return propose_state
