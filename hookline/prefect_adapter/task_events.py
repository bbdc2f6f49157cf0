"""
Fewer events of task runs: what lasts for less than a second is told to Prefect once, when it is over.

Prefect's engine sends three for each task run, and the last of them says all: its server makes the task run of any of
them. They are most of what an order costs the server, and nine tenths of what it stores of it. A task run that lasts
longer is seen as pending or running, a second late.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final
from uuid import UUID

import prefect.task_engine
from prefect.client.schemas.objects import State, TaskRun
from prefect.events import Event

from hookline.prefect_adapter.patching import wrap

HOLD_SECONDS: Final = 1.0
EMIT: Final = "emit_task_run_state_change_event"
SHORT: Final = {"Pending", "Running"}
"""The names of the states that are told late, or not at all."""

Emit = Callable[..., Event | None]


def install() -> None:
    """
    Tell of short states late, from here on.

    Raises:
        RuntimeError: this version of Prefect sends its events in another way.
    """
    wrap(prefect.task_engine, EMIT, _holding)


def _holding(emit: Emit) -> Emit:
    held: dict[UUID, asyncio.TimerHandle] = {}

    def tell_late(task_run: TaskRun, *states: Any) -> None:
        del held[task_run.id]
        emit(task_run, *states)

    def emit_or_hold(
        task_run: TaskRun,
        initial_state: State[Any] | None,
        validated_state: State[Any],
        follows: Event | None = None,
    ) -> Event | None:
        if (waiting := held.pop(task_run.id, None)) is not None:
            waiting.cancel()
        if validated_state.name in SHORT:
            with suppress(RuntimeError):  # a thread without an event loop
                loop = asyncio.get_running_loop()
                held[task_run.id] = loop.call_later(
                    HOLD_SECONDS, tell_late, task_run, initial_state, validated_state, follows
                )
                return follows
        return emit(task_run, initial_state, validated_state, follows)

    return emit_or_hold
