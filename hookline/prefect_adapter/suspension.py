"""
The suspension of a flow run by our own waits: the run here, its state at Prefect, its form, and how it is resumed.

Prefect's own `suspend_flow_run` does not say what a run waits for, ends a run whose time is over, and knows an answer
by the order of the pauses in the code. Here the answer is in a row of ours, and Prefect shows it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, NoReturn
from uuid import UUID, uuid4

import httpx
from prefect._internal.pydantic.v2_schema import create_v2_schema
from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.objects import State
from prefect.client.schemas.responses import SetStateStatus
from prefect.context import FlowRunContext, TaskRunContext
from prefect.exceptions import Abort, ObjectNotFound, Pause
from prefect.input.actions import acreate_flow_run_input, adelete_flow_run_input, aread_flow_run_input
from prefect.input.run_input import run_input_subclass_from_type
from prefect.logging import get_run_logger
from prefect.states import Scheduled, Suspended
from pydantic import BaseModel

from hookline.crash_points import crash_point
from hookline.errors import HooklineError

_KEY: Final = "hookline "
"""The beginning of the pause key of each state that is ours."""
_COUNTER: Final = "hookline: "
RESUMING: Final = "Resuming"
"""The name of the state of a run that was suspended and is to go on; as Prefect's own resume sets it."""


@dataclass(frozen=True)
class ThisRun:
    """The flow run that this code runs in, as far as a wait needs it."""

    id: UUID
    name: str
    began: datetime
    _seen: dict[str, int]

    def nth(self, name: str) -> int:
        """Return how often the flow has come to a wait of this name since it began, or began again."""
        self._seen[_COUNTER + name] = number = self._seen.get(_COUNTER + name, 0) + 1
        return number


def this_run(what: str) -> ThisRun:
    """
    Return the flow run here.

    Raises:
        HooklineError: it cannot be suspended; says why.
    """
    context = FlowRunContext.get()
    if TaskRunContext.get() is not None:
        raise HooklineError(f"{what} belongs in the flow, not in a task: a task cannot be suspended.")
    if context is None or context.flow_run is None:
        raise HooklineError(f"{what} needs a flow run: call it in a flow.")
    flow_run = context.flow_run
    if flow_run.parent_task_run_id is not None:
        raise HooklineError(f"{what} belongs in the flow that was started, not in a flow that it calls.")
    if flow_run.deployment_id is None:
        raise HooklineError(
            f"{what} needs a run of a deployment: this one was started as a function, and nobody could begin it again "
            "when the answer is there. Start it by a route, or by: prefect deployment run"
        )
    began = flow_run.start_time or flow_run.expected_start_time or datetime.now(UTC)
    return ThisRun(flow_run.id, flow_run.name, began, context.observed_flow_pauses)


async def suspend(
    run: ThisRun, wait_id: UUID, message: str, *, form: Mapping[str, Any] | None = None, title: str = ""
) -> NoReturn:
    """
    Suspend this flow run and leave it; with a form, Prefect's own dialog asks for an answer.

    Raises:
        Pause: always, so that Prefect's engine leaves the run.
        Abort: a person cancelled or ended it meanwhile.
        HooklineError: Prefect does not allow it.
        httpx.HTTPError: Prefect is unavailable.
    """
    # Each suspension has a key of its own, or Prefect would refuse the second: the answer is ours to find.
    state: State[Any] = Suspended(pause_key=f"{_KEY}{wait_id} {uuid4().hex[:8]}", message=message)
    if form is not None:
        state.state_details.run_input_keyset = _keyset(wait_id)
    async with get_client() as client:
        answer = await client.set_flow_run_state(run.id, state)
        if answer.status != SetStateStatus.ACCEPT or answer.state is None or not answer.state.is_paused():
            current = (await client.read_flow_run(run.id)).state
            if current is not None and not current.is_running():
                raise Abort(f"it is {current.name}")  # a person was quicker: that state counts
            raise HooklineError(
                f"Prefect does not suspend the flow run: {getattr(answer.details, 'reason', answer.status)}"
            )
    crash_point("run suspended")
    if form is not None:  # Prefect deletes what is there under these keys when it sets the state
        keys = _keyset(wait_id)
        await acreate_flow_run_input(key=keys["schema"], value=form, flow_run_id=run.id)
        await acreate_flow_run_input(key=keys["description"], value=title, flow_run_id=run.id)
    raise Pause(state=answer.state)


async def response(run: ThisRun, wait_id: UUID) -> dict[str, Any] | None:
    """Return what a person answered in Prefect's dialog; None if nobody did."""
    found = await aread_flow_run_input(_keyset(wait_id)["response"], flow_run_id=run.id)
    return found if isinstance(found, dict) else None


async def was_resumed(run: ThisRun, wait_id: UUID, since: datetime) -> bool:
    """
    Return True if a person resumed the run from this wait in Prefect: of an empty answer, nothing else is left.

    Args:
        run: it.
        wait_id: the wait.
        since: what was resumed before is an answer to an earlier question.
    """
    async with get_client() as client:
        states = sorted(await client.read_flow_run_states(run.id), key=lambda state: state.timestamp)
    paused = [number for number, state in enumerate(states) if state.is_paused()]
    if not paused or not (states[paused[-1]].state_details.pause_key or "").startswith(f"{_KEY}{wait_id} "):
        return False
    following = states[paused[-1] + 1 :]
    return bool(following) and following[0].name == RESUMING and following[0].timestamp > since


async def forget_response(run: ThisRun, wait_id: UUID) -> None:
    """Delete an answer that cannot be used."""
    try:
        await adelete_flow_run_input(_keyset(wait_id)["response"], flow_run_id=run.id)
    except httpx.HTTPStatusError as error:
        if error.response.status_code != httpx.codes.NOT_FOUND:
            raise


def schema_of(form: type[BaseModel]) -> dict[str, Any]:
    """Return the JSON Schema of a form, as Prefect's dialog reads it."""
    model = run_input_subclass_from_type(form)
    schema: dict[str, Any] = create_v2_schema(form.__name__, model_base=model)
    schema["title"] = form.__name__
    for position, raw in enumerate(
        schema.get("properties", {}).values()
    ):  # which JSON in PostgreSQL does not keep
        raw.setdefault("position", position)
    return schema


def is_ours(state: State[Any]) -> bool:
    """Return True for a state in which a run waits by a row of ours."""
    return state.is_paused() and (state.state_details.pause_key or "").startswith(_KEY)


async def resume(client: PrefectClient, flow_run_id: UUID, message: str) -> bool:
    """
    Let a run that Prefect's worker left go on there; return False if it is still being suspended.

    Raises:
        httpx.HTTPError: Prefect is unavailable.
    """
    try:
        state = (await client.read_flow_run(flow_run_id)).state
    except ObjectNotFound:
        return True
    if state is None or not is_ours(state):
        return state is not None and (state.is_final() or state.is_scheduled() or state.is_paused())
    resuming: State[Any] = Scheduled(name=RESUMING, message=message)
    return (await client.set_flow_run_state(flow_run_id, resuming)).status == SetStateStatus.ACCEPT


def log(message: str) -> None:
    """Write a line to the log of the flow run here, which the Prefect UI shows."""
    get_run_logger().info("%s", message)


def _keyset(wait_id: UUID) -> dict[str, str]:
    """Return the keys of Prefect's dialog: the same for each suspension of a wait."""
    return {name: f"hookline-{wait_id}-{name}" for name in ("description", "response", "schema")}
