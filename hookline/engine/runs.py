"""One dispatch, one flow run: created on its deployment, run here, and found again after a crash."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import asyncpg
import httpx
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.objects import FlowRun, State
from prefect.client.schemas.responses import SetStateStatus
from prefect.exceptions import ObjectNotFound
from prefect.states import Cancelled, Pending, Suspended

from hookline.crash_points import crash_point
from hookline.engine.leases import ClaimedDispatch
from hookline.engine.slots import WAITS
from hookline.errors import HooklineError
from hookline.inbox import dispatches
from hookline.journal import store as effects
from hookline.prefect_adapter.control import Stop
from hookline.prefect_adapter.flow_run_engine import DispatchFlowRun
from hookline.prefect_adapter.result_storage import ResultStorage
from hookline.prefect_adapter.run_marks import mark_for_engine
from hookline.provisioning.deployments import Deployment

PREFECT_PREAMBLE = "Flow run encountered an exception: "
UI = "a person in the Prefect UI"
"""Who did it, in the audit trail: a Prefect server without accounts does not know more."""


class LeaseLost(HooklineError):
    """The run here was stopped because another engine may have it; nothing is to be written down."""


class Discarded(HooklineError):
    """The run here was stopped because a person discards its dispatch; its flow run is still to be cancelled."""


class EngineStops(HooklineError):
    """The run here was stopped because the engine is; it goes on elsewhere or later."""


@dataclass(frozen=True)
class Ending:
    """How the work on a dispatch ended, in the words of the inbox."""

    state: str
    """One of its states; `running`: elsewhere, by Prefect's worker."""
    reason: str | None
    actor: str | None = None
    """Who did it, where it was a person."""
    waits_for: int | None = None
    """The number of the effect that a person must settle first."""


DELETED = Ending(
    "failed", "Its flow run was deleted in the Prefect UI. Replay it for a new one, or discard it.", actor=UI
)


class FlowRuns:
    """Creates, resumes and runs flow runs in this process."""

    def __init__(
        self, database: asyncpg.Pool, client: PrefectClient, deployments: Mapping[str, Deployment]
    ) -> None:
        self.database = database
        self.client = client
        self.deployments = deployments
        self.ids: dict[str, UUID] = {}
        self.storage = ResultStorage()

    async def run(self, claimed: ClaimedDispatch) -> Ending:
        """
        Run the flow run of a dispatch until it ends or waits for a person; after a crash, the same one goes on.

        Raises:
            httpx.HTTPError, PrefectUnavailable: Prefect is away, and the dispatch should wait; or refuses it.
            Discarded: a person wants it so.
            NotOurs: another engine may have it; leave the dispatch alone.
            EngineStops: it did not end in time; another engine goes on.
            DatabaseUnavailable: PostgreSQL is away; the dispatch should wait.
            HooklineError: the deployment is not on the Prefect server, or the server refuses to let it run.
        """
        flow_run = await self._flow_run(claimed.dispatch)
        crash_point("flow run created")
        await ensure_lease(claimed)
        is_new = claimed.flow_run_id != flow_run.id
        if is_new:
            await dispatches.note_flow_run(self.database, claimed.id, flow_run.id)
            claimed.flow_run_id = flow_run.id
        if claimed.stop is Stop.DISCARDED:
            raise Discarded(claimed.stop.value)
        state = flow_run.state or Pending()
        if _is_over(state) or state.is_cancelling():
            return await self._end(claimed, flow_run.id, state)
        if state.is_paused():
            return await self._hold(claimed, flow_run.id, state)
        if not await self._take(
            claimed, flow_run, state, ours=is_new or claimed.dispatch["left_by"] is not None
        ):
            return Ending("running", "runs in a process of Prefect's worker")
        mark_for_engine(flow_run)
        await self.storage.refresh(self.client)
        flow = self.deployments[claimed.dispatch["deployment"]].flow()
        run = DispatchFlowRun(control=claimed, flow=flow, flow_run=flow_run, parameters=flow_run.parameters)
        await claimed.run(run.execute())
        return await self._conclude(claimed, flow_run.id, run)

    async def _flow_run(self, dispatch: asyncpg.Record) -> FlowRun:
        replay = f":replay-{dispatch['replays']}" if dispatch["replays"] else ""
        deployment = dispatch["deployment"]
        try:
            return await self.client.create_flow_run_from_deployment(
                await self._deployment_id(deployment),
                parameters=dispatch["parameters"],
                idempotency_key=f"{dispatch['id']}{replay}",
                # Pending, not Scheduled: no worker may take what this engine is about to run.
                state=Pending(message="Started by a webhook."),
                tags=[f"delivery:{dispatch['delivery_id']}", f"route:{dispatch['route']}"],
            )
        except httpx.HTTPStatusError as error:
            if error.response.status_code != httpx.codes.NOT_FOUND:
                raise
            del self.ids[deployment]  # it may be made anew, with another id
            raise _no_deployment(deployment) from None

    async def _take(
        self, claimed: ClaimedDispatch, flow_run: FlowRun, state: State[Any], *, ours: bool
    ) -> bool:
        """
        Put the run where it may run here; False: another process runs it.

        A scheduled run (resumed, or retried) is wanted by Prefect's worker too. The server lets one of us have it.
        """
        if ours and state.is_pending():
            return True
        if not ours and (state.is_pending() or state.is_running()):
            return False
        goes_on: State[Any] = Pending(message="Goes on where it stopped.")
        await ensure_lease(claimed)
        answer = await self.client.set_flow_run_state(flow_run.id, goes_on, force=not state.is_scheduled())
        if answer.status == SetStateStatus.WAIT:
            raise HooklineError("The deployment has as many runs as its concurrency limit allows.")
        flow_run.state = answer.state
        return answer.status == SetStateStatus.ACCEPT

    async def _conclude(self, claimed: ClaimedDispatch, flow_run_id: UUID, run: DispatchFlowRun) -> Ending:
        """What it means for the dispatch that the run has ended, or was stopped."""
        if claimed.stop is Stop.LEASE_LOST:
            raise LeaseLost(claimed.stop.value)
        if claimed.stop is Stop.DELETED:
            return DELETED
        state = run.state
        if claimed.stop is Stop.DISCARDED and not state.is_completed():
            raise Discarded(claimed.stop.value)
        if claimed.stop is None and state.is_cancelled():
            return Ending("discarded", state.message or "the flow itself says that it is cancelled")
        if claimed.stop is not None or not state.is_final():
            state = (await self.client.read_flow_run(flow_run_id)).state or state
        if state.is_paused():
            return await self._hold(claimed, flow_run_id, state)
        if _is_over(state) or state.is_failed() or state.is_crashed() or state.is_cancelling():
            return await self._end(claimed, flow_run_id, state)
        if claimed.stop is Stop.ENGINE_STOPS:
            waits: State[Any] = Pending(message="Its engine was stopped; another one goes on.")
            await ensure_lease(claimed)
            await self.client.set_flow_run_state(flow_run_id, waits, force=True)
            raise EngineStops(claimed.stop.value)
        raise HooklineError(f"Prefect does not let the flow run go on from {state.name}: {run.refused}")

    async def _end(self, claimed: ClaimedDispatch, flow_run_id: UUID, state: State[Any]) -> Ending:
        """The ending of a run that is over, or that only we can let be over."""
        if state.is_cancelling():
            await ensure_lease(claimed)
            state = await cancel(self.client, flow_run_id, "Cancelled before its next effect.")
        return await ending(self.database, state)

    async def _hold(self, claimed: ClaimedDispatch, flow_run_id: UUID, state: State[Any]) -> Ending:
        """
        Let a run wait for its answer without a process.

        A paused run had one, which has died: as a suspended one, it can be resumed all the same.
        """
        details = state.state_details
        if not details.pause_reschedule:
            waiting: State[Any] = Suspended(message="Its engine has died; it waits without a process.")
            waiting.state_details = details.model_copy(update={"pause_reschedule": True})
            await ensure_lease(claimed)
            await self.client.set_flow_run_state(flow_run_id, waiting, force=True)
        return Ending("held", WAITS)

    async def _deployment_id(self, name: str) -> UUID:
        if name not in self.ids:
            try:
                self.ids[name] = (await self.client.read_deployment_by_name(name)).id
            except ObjectNotFound:
                raise _no_deployment(name) from None
        return self.ids[name]


def _no_deployment(name: str) -> HooklineError:
    return HooklineError(f"The Prefect server has no deployment {name}. Make it with: hookline apply")


async def ensure_lease(claimed: ClaimedDispatch) -> None:
    """Before anything is noted of a run, or forced upon it: an engine that slept may have another's before it."""
    await claimed.check()
    if claimed.stop is Stop.LEASE_LOST:
        raise LeaseLost(claimed.stop.value)


async def cancel(client: PrefectClient, flow_run_id: UUID, message: str) -> State[Any]:
    """Let a flow run be cancelled, whatever state it is in; that state."""
    state: State[Any] = Cancelled(message=message)
    await client.set_flow_run_state(flow_run_id, state, force=True)
    return state


async def ending(database: asyncpg.Pool, state: State[Any]) -> Ending:
    """What the inbox says of a dispatch whose flow run ended in this state."""
    if state.is_completed():
        return Ending("done", state.message if state.name != "Completed" else None)
    if state.is_cancelled():
        return Ending("discarded", "cancelled in the Prefect UI", actor=UI)
    reason = (state.message or state.name or "").removeprefix(PREFECT_PREAMBLE)
    # What the run met decides, not whose effect it is: another delivery about the same order may have begun it.
    effect_id = await effects.uncertain_of(database, state.state_details.flow_run_id)
    if effect_id is None:
        return Ending("failed", reason)
    return Ending("uncertain", reason, waits_for=effect_id)


def _is_over(state: State[Any]) -> bool:
    """A failed or crashed run goes on when its dispatch is claimed again; these do not."""
    return state.is_completed() or state.is_cancelled()
