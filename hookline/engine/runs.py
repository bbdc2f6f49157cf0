"""Flow runs of dispatches: one for each, created on its deployment, run here, and found again after a crash."""

import asyncio
from collections.abc import Coroutine, Mapping
from typing import Any
from uuid import UUID

import asyncpg
import httpx
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.objects import FlowRun, State
from prefect.client.schemas.responses import SetStateStatus
from prefect.exceptions import ObjectNotFound
from prefect.states import AwaitingRetry, Cancelled, Pending, Scheduled, Suspended

from hookline import tracing
from hookline.crash_points import crash_point
from hookline.database.connection import close_pool
from hookline.engine.leases import ClaimedDispatch
from hookline.engine.outcomes import DELETED, UI, Discarded, LeaseLost, NewState, Outcome, Requeue, in_pool
from hookline.engine.run_keys import key_of
from hookline.engine.slots import WAITS
from hookline.engine.threads import Threads
from hookline.errors import HooklineError
from hookline.inbox import dispatches
from hookline.journal import store as effects
from hookline.labels import Label
from hookline.prefect_adapter import run_spans, suspension
from hookline.prefect_adapter.control import Stop
from hookline.prefect_adapter.flow_run_engine import DispatchFlowRun
from hookline.prefect_adapter.opening import KnownDeployments, begins_at_once, open_running
from hookline.prefect_adapter.result_storage import ResultStorage
from hookline.prefect_adapter.run_marks import mark_for_engine
from hookline.prefect_adapter.run_names import PREFECT_PREAMBLE
from hookline.prefect_adapter.threaded_run import DistantControl, ThreadedFlowRun, in_own_loop
from hookline.provisioning.deployments import Deployment
from hookline.provisioning.placement import POOL_TAG, Where
from hookline.waits import store as waits
from hookline.waits.errors import WaitOver

STARTED = "Started by a webhook."
ELSEWHERE = NewState("running", "runs in a process of Prefect's worker")


class FlowRuns:
    """Creates, resumes and runs flow runs in this process."""

    def __init__(
        self,
        database: asyncpg.Pool,
        client: PrefectClient,
        deployments: Mapping[str, Deployment],
        threads: Threads,
    ) -> None:
        self.database = database
        self.client = client
        self.deployments = deployments
        self.threads = threads
        self.known = KnownDeployments(client)
        self.storage = ResultStorage()

    async def run(self, claimed: ClaimedDispatch) -> Outcome:
        """
        Run the flow run of a dispatch until it ends or waits for a person; after a crash, the same one goes on.

        Raises:
            httpx.HTTPError, PrefectUnavailable: Prefect is unavailable, or refuses the dispatch.
            DatabaseUnavailable: PostgreSQL is unavailable.
            HooklineError: the deployment is not on the Prefect server.
        """
        deployment = self.deployments[claimed.dispatch["deployment"]]
        flow_run, is_opened = await self._flow_run(claimed.dispatch, deployment)
        crash_point("flow run created")
        if not await claimed.ensure_lease():
            return LeaseLost()
        is_new = claimed.flow_run_id != flow_run.id
        if is_new:
            await dispatches.note_flow_run(self.database, claimed.id, flow_run.id)
            claimed.flow_run_id = flow_run.id
        if claimed.stop is Stop.DISCARDED:
            return Discarded()
        if is_opened:
            return await self._execute(claimed, flow_run, is_opened=True)
        is_ours = is_new or claimed.dispatch["left_by"] is not None
        return await self._go_on(claimed, flow_run, deployment, is_ours=is_ours)

    async def _go_on(
        self, claimed: ClaimedDispatch, flow_run: FlowRun, deployment: Deployment, *, is_ours: bool
    ) -> Outcome:
        """Run a flow run that does not run here yet, or leave it to whom it belongs, by its state at Prefect."""
        state = flow_run.state or Pending()
        if _is_over(state) or state.is_cancelling():
            return await self._end(claimed, flow_run.id, state)
        if state.is_paused() and not suspension.is_ours(state):
            return await self._wait_for_input(claimed, flow_run.id, state)
        if deployment.placement().where is Where.POOL:
            return await self._leave_to_pool(claimed, flow_run.id, state, deployment, is_ours=is_ours)
        return await self._start(claimed, flow_run, state, is_ours=is_ours) or await self._execute(
            claimed, flow_run
        )

    async def _leave_to_pool(
        self,
        claimed: ClaimedDispatch,
        flow_run_id: UUID,
        state: State[Any],
        deployment: Deployment,
        *,
        is_ours: bool,
    ) -> Outcome:
        """
        Leave a flow run to the workers of its pool; the reconciler follows it to its end.

        One that has failed is scheduled again if the dispatch was replayed. Where only the engine that had created it
        has died, its end is the dispatch's.
        """
        if state.is_final():
            if is_ours:
                return await self._end(claimed, flow_run_id, state)
            if not await claimed.ensure_lease():
                return LeaseLost()
            again: State[Any] = AwaitingRetry(message="Replayed.")
            await self.client.set_flow_run_state(flow_run_id, again, force=True)
        return NewState("running", in_pool(deployment.work_pool.name))

    async def _flow_run(self, dispatch: asyncpg.Record, deployment: Deployment) -> tuple[FlowRun, bool]:
        """Create the flow run of a dispatch, or find the one made before; return it, and True if it is running now."""
        name, where = dispatch["deployment"], deployment.placement().where
        label = Label(dispatch["label"], dispatch["about"])
        new = {
            "parameters": dispatch["parameters"],
            "idempotency_key": key_of(dispatch),
            "name": label.text,
            "labels": run_spans.labels(tracing.traceparent()),
            "tags": [
                f"delivery:{dispatch['delivery_id']}",
                f"route:{dispatch['route']}",
                *([POOL_TAG] if where is Where.POOL else []),
                *label.tags,
            ],
        }
        try:
            known = await self.known.get(name)
            if where is Where.LOOP and begins_at_once(known):
                return await open_running(self.client, known, deployment.flow(), message=STARTED, **new)
            # Pending, not Scheduled: no worker may take what this engine is about to run.
            state: State[Any] = (Scheduled if where is Where.POOL else Pending)(message=STARTED)
            return await self.client.create_flow_run_from_deployment(known.id, state=state, **new), False
        except ObjectNotFound:
            raise _no_deployment(name) from None
        except httpx.HTTPStatusError as error:
            if error.response.status_code != httpx.codes.NOT_FOUND:
                raise
            self.known.forget(name)  # it may have been made again, with another id
            raise _no_deployment(name) from None

    async def _start(
        self, claimed: ClaimedDispatch, flow_run: FlowRun, state: State[Any], *, is_ours: bool
    ) -> Outcome | None:
        """
        Set the flow run to Pending, so that it may run here; return an outcome if it may not.

        A scheduled run (resumed, or retried) is due in Prefect's worker too. The server lets one of the two have it.
        """
        if is_ours and state.is_pending():
            return None
        if not is_ours and (state.is_pending() or state.is_running()):
            return ELSEWHERE
        if not await claimed.ensure_lease():
            return LeaseLost()
        why = claimed.dispatch["reason"] if suspension.is_ours(state) else None
        pending: State[Any] = Pending(message=why or "Goes on where it stopped.")
        answer = await self.client.set_flow_run_state(flow_run.id, pending, force=not state.is_scheduled())
        if answer.status == SetStateStatus.WAIT:
            return Requeue("The deployment has as many runs as its concurrency limit allows.")
        flow_run.state = answer.state
        return None if answer.status == SetStateStatus.ACCEPT else ELSEWHERE

    async def _execute(
        self, claimed: ClaimedDispatch, flow_run: FlowRun, *, is_opened: bool = False
    ) -> Outcome:
        mark_for_engine(flow_run)
        await self.storage.refresh(self.client)
        deployment = self.deployments[claimed.dispatch["deployment"]]
        run, executing = self._made(claimed, deployment, flow_run, is_opened=is_opened)
        await claimed.run(executing)
        return await self._outcome(claimed, flow_run.id, run)

    def _made(
        self, claimed: ClaimedDispatch, deployment: Deployment, flow_run: FlowRun, *, is_opened: bool
    ) -> tuple[DispatchFlowRun | ThreadedFlowRun, Coroutine[None, None, None]]:
        """Return the run of a flow, and what executes it: in the event loop here, or in a thread."""
        flow = deployment.flow()
        options: dict[str, Any] = {"flow": flow, "flow_run": flow_run, "parameters": flow_run.parameters}
        if deployment.placement().where is Where.LOOP:
            here = DispatchFlowRun(control=claimed, is_opened=is_opened, **options)
            return here, here.execute()
        control = DistantControl(claimed, asyncio.get_running_loop())
        run: DispatchFlowRun | ThreadedFlowRun
        if flow.isasync:
            run = DispatchFlowRun(control=control, **options)
            call = in_own_loop(run, close_pool)
        else:
            run = ThreadedFlowRun(control=control, **options)
            call = run.execute
        return run, self.threads.run(call, name=str(claimed), on_left=control.left.set)

    async def _outcome(
        self, claimed: ClaimedDispatch, flow_run_id: UUID, run: DispatchFlowRun | ThreadedFlowRun
    ) -> Outcome:
        """Return the outcome of a run that has ended, or was stopped."""
        state = run.state
        match claimed.stop:
            case Stop.LEASE_LOST:
                return LeaseLost()
            case Stop.DELETED:
                return DELETED
            case Stop.DISCARDED if not state.is_completed():
                return Discarded()
            case None if state.is_cancelled():
                return NewState("discarded", state.message or "the flow itself says that it is cancelled")
        if state.is_failed():
            await self._note_end_of_wait(run.error)
        if claimed.stop is not None or not state.is_final():
            state = (await self.client.read_flow_run(flow_run_id)).state or state
        return await self._outcome_of_state(claimed, flow_run_id, state) or Requeue(
            f"Prefect does not let the flow run go on from {state.name}: {run.refused}"
        )

    async def _note_end_of_wait(self, error: BaseException | None) -> None:
        """Note that the run fails of the end of a wait: the next run waits again."""
        if isinstance(error, WaitOver) and error.wait_id is not None:
            await waits.ended_run(self.database, error.wait_id)

    async def _outcome_of_state(
        self, claimed: ClaimedDispatch, flow_run_id: UUID, state: State[Any]
    ) -> Outcome | None:
        """Return the outcome by the state at Prefect; None if the run should not have ended in it."""
        if state.is_paused():
            return await self._wait_for_input(claimed, flow_run_id, state)
        if _is_over(state) or state.is_failed() or state.is_crashed() or state.is_cancelling():
            return await self._end(claimed, flow_run_id, state)
        if claimed.stop is Stop.ENGINE_STOPS:
            return await self._leave_to_others(claimed, flow_run_id)
        return None

    async def _leave_to_others(self, claimed: ClaimedDispatch, flow_run_id: UUID) -> Outcome:
        pending: State[Any] = Pending(message="Its engine was stopped; another one goes on.")
        if not await claimed.ensure_lease():
            return LeaseLost()
        await self.client.set_flow_run_state(flow_run_id, pending, force=True)
        return Requeue(Stop.ENGINE_STOPS.value, seconds=0)

    async def _end(self, claimed: ClaimedDispatch, flow_run_id: UUID, state: State[Any]) -> Outcome:
        """Return the outcome of a run that is over; cancel it first if only we can."""
        if state.is_cancelling():
            if not await claimed.ensure_lease():
                return LeaseLost()
            state = await cancel(self.client, flow_run_id, "Cancelled before its next effect.")
        return await new_state(self.database, state)

    async def _wait_for_input(
        self, claimed: ClaimedDispatch, flow_run_id: UUID, state: State[Any]
    ) -> Outcome:
        """
        Let a run wait for its answer without a process.

        A paused run had one, which has died: as a suspended one, it can be resumed all the same.
        """
        if suspension.is_ours(state):
            return NewState("held", state.message or WAITS)
        details = state.state_details
        if not details.pause_reschedule:
            suspended: State[Any] = Suspended(message="Its engine has died; it waits without a process.")
            suspended.state_details = details.model_copy(update={"pause_reschedule": True})
            if not await claimed.ensure_lease():
                return LeaseLost()
            await self.client.set_flow_run_state(flow_run_id, suspended, force=True)
        return NewState("held", WAITS)


def _no_deployment(name: str) -> HooklineError:
    return HooklineError(f"The Prefect server has no deployment {name}. Make it with: hookline apply")


async def cancel(client: PrefectClient, flow_run_id: UUID, message: str) -> State[Any]:
    """Set a flow run to Cancelled, from any state; return the new state."""
    state: State[Any] = Cancelled(message=message)
    await client.set_flow_run_state(flow_run_id, state, force=True)
    return state


async def new_state(database: asyncpg.Pool, state: State[Any]) -> NewState:
    """Return the state of a dispatch whose flow run ended in this state."""
    if state.is_completed():
        return NewState("done", state.message if state.name != "Completed" else None)
    if state.is_cancelled():
        return NewState("discarded", "cancelled in the Prefect UI", actor=UI)
    reason = (state.message or state.name or "").removeprefix(PREFECT_PREAMBLE)
    # What the run met decides, not whose effect it is: another delivery about the same order may have begun it.
    effect_id = await effects.uncertain_of(database, state.state_details.flow_run_id)
    if effect_id is None:
        return NewState("failed", reason)
    return NewState("uncertain", reason, waits_for=effect_id)


def _is_over(state: State[Any]) -> bool:
    """Return True if the run cannot go on; a failed or crashed run does when its dispatch is claimed again."""
    return state.is_completed() or state.is_cancelled()
