"""
The reconciler: polls Prefect, and makes the inbox and Prefect agree on what people did in either.

Nobody else enforces a cancellation of a run that is in an engine. One request to Prefect each few seconds is about all
runs that may have changed; the engines take turns at those that none of them has claimed.

Flow runs that an engine left open at Prefect are closed, too; see `_close_left_open`.
"""

import logging
from collections.abc import Awaitable, Collection, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg
import httpx
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterId,
    FlowRunFilterState,
    FlowRunFilterStateName,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.client.schemas.sorting import FlowRunSort
from prefect.exceptions import ObjectNotFound
from prefect.states import Cancelling

from hookline.database import is_connection_error
from hookline.database.session import changes_session
from hookline.database.types import Connection
from hookline.engine.batch import end_abandoned
from hookline.engine.leases import ClaimedDispatch, Leases
from hookline.engine.outcomes import DELETED, UI, NewState, pool_of
from hookline.engine.run_keys import dispatch_of
from hookline.engine.runs import cancel, new_state
from hookline.engine.slots import WAITS
from hookline.engine.trouble import Troubles
from hookline.errors import HooklineError
from hookline.inbox import dispatches
from hookline.inbox.audit import acting
from hookline.prefect_adapter.control import Stop
from hookline.prefect_adapter.errors import failed_inside, is_ready, is_unavailable, message
from hookline.prefect_adapter.run_marks import is_retried
from hookline.prefect_adapter.suspension import RESUMING, is_ours

logger = logging.getLogger(__name__)

FOLLOW = timedelta(days=14)
"""The age up to which the retry of a failed run is noticed."""
SAMPLE = 50
"""The number of failed runs to poll each time: so many of the latest, and so many of the others in turns."""
PAGE = 200
"""The most flow runs that Prefect returns at once."""
OPEN = [StateType.PENDING, StateType.RUNNING, StateType.PAUSED, StateType.CANCELLING]
OPEN_EVERY = 5
"""The number of polls from one for runs left open to the next."""
LEFT_OPEN = timedelta(seconds=10)
"""The time after the end of its dispatch from which a flow run is open by mistake."""
CLOSED = {
    "done": StateType.COMPLETED,
    "failed": StateType.FAILED,
    "uncertain": StateType.FAILED,
    "doubled": StateType.COMPLETED,
    "discarded": StateType.CANCELLED,
}
"""The last state of a flow run that was left open, by the state of its dispatch."""

RETRIED = "retried in the Prefect UI"
WORKER = "Prefect's worker"


class ReconcileIncomplete(HooklineError):
    """Some runs could not be reconciled; all others were."""


FlowRunsById = Mapping[UUID, FlowRun]


class Reconciler:
    """Polls Prefect and the inbox, and makes them agree."""

    def __init__(
        self,
        database: asyncpg.Pool,
        client: PrefectClient,
        leases: Leases,
        deployments: Collection[str],
        troubles: Troubles,
    ) -> None:
        self.database = database
        self.client = client
        self.leases = leases
        self.deployments = deployments
        self.troubles = troubles
        self.after = 0
        self.held_after = 0
        self.polls = 0
        self._failed: dict[str, Exception] = {}
        """The errors of this poll, by the run that they concern."""
        self.offset = 0
        """The number of open flow runs that had their turn."""

    async def reconcile(self) -> None:
        """
        Poll once, and bring changes to the other side.

        Raises:
            httpx.HTTPError: Prefect is unavailable.
            ReconcileIncomplete: some runs could not be reconciled; the others were.
        """
        self._failed = {}
        async with self.database.acquire() as connection:  # which also releases the lock
            changes_session(connection)
            turn = await connection.fetchval("SELECT pg_try_advisory_lock(hashtextextended('reconcile', 0))")
            if turn:
                await self._one("the run of a backlog", end_abandoned(connection, self.client))
            await self._poll(connection, await self._in_progress(connection) if turn else [])
            self.polls += 1
            if turn and self.polls % OPEN_EVERY == 0:
                await self._close_left_open(connection)
        if self._failed:
            raise ReconcileIncomplete(
                "; ".join(f"{what}: {message(error)}" for what, error in self._failed.items())
            )

    async def _poll(self, connection: Connection, in_progress: list[asyncpg.Record]) -> None:
        own = {
            claimed.flow_run_id: claimed
            for claimed in self.leases.claimed.values()
            if claimed.flow and claimed.flow_run_id
        }
        flow_runs = await self._flow_runs([*own, *(row["flow_run_id"] for row in in_progress)])
        for flow_run_id, claimed in own.items():
            await self._one(f"dispatch {claimed.id}", self._obey(claimed, flow_run_id, flow_runs))
        for dispatch in in_progress:
            flow_run = flow_runs.get(dispatch["flow_run_id"])
            await self._one(f"dispatch {dispatch['id']}", self._sync(connection, dispatch, flow_run))

    async def _one(self, what: str, reconciled: Awaitable[None]) -> None:
        """
        Reconcile one run; note its error, so that it keeps no other run from its turn.

        Raises:
            httpx.HTTPError: Prefect is unavailable.
            OSError, asyncpg.InterfaceError, asyncpg.PostgresError: PostgreSQL is unavailable.
        """
        try:
            await reconciled
        except Exception as error:
            is_poison = failed_inside(error) and await is_ready(self.client)
            if is_connection_error(error) or (is_unavailable(error) and not is_poison):
                raise
            self._failed[what] = error

    async def _in_progress(self, connection: Connection) -> list[asyncpg.Record]:
        await dispatches.flag_unroutable(connection, self.deployments)
        rows = await dispatches.in_progress(
            connection,
            after=self.after,
            held_after=self.held_after,
            limit=SAMPLE,
            held_limit=PAGE,
            within=FOLLOW,
        )
        self.after = max((row["seq"] for row in rows if row["in_turn"]), default=0)
        held = [row["seq"] for row in rows if row["state"] == "held"]
        is_more = self.held_after > 0 or len(held) == PAGE
        self.held_after = max(held) if len(held) == PAGE else 0
        return rows + (await self._resumed_runs(connection, {row["id"] for row in rows}) if is_more else [])

    async def _resumed_runs(self, connection: Connection, seen: Collection[UUID]) -> list[asyncpg.Record]:
        """Return the dispatches whose runs a person has resumed, where too many wait to ask about each of them."""
        resuming = FlowRunFilter(state=FlowRunFilterState(name=FlowRunFilterStateName(any_=[RESUMING])))
        page = await self.client.read_flow_runs(
            flow_run_filter=resuming, sort=FlowRunSort.ID_DESC, limit=PAGE
        )
        held = await dispatches.held_with(connection, [flow_run.id for flow_run in page])
        return [row for row in held if row["id"] not in seen]

    async def _flow_runs(self, flow_run_ids: list[UUID]) -> FlowRunsById:
        found: dict[UUID, FlowRun] = {}
        for start in range(0, len(flow_run_ids), PAGE):
            found |= await self._page(flow_run_ids[start : start + PAGE])
        return found

    async def _page(self, flow_run_ids: list[UUID]) -> dict[UUID, FlowRun]:
        """
        Read some flow runs, without those that Prefect cannot show.

        It answers 500 to a whole page if it holds one with a number of more than 64 bits.
        """
        by_id = FlowRunFilter(id=FlowRunFilterId(any_=flow_run_ids))
        try:
            page = await self.client.read_flow_runs(flow_run_filter=by_id, limit=PAGE)
        except httpx.HTTPStatusError as error:
            if not failed_inside(error) or not await is_ready(self.client):
                raise
            if len(flow_run_ids) == 1:
                self._failed[f"flow run {flow_run_ids[0]}"] = error
                return {}
            middle = len(flow_run_ids) // 2
            return await self._page(flow_run_ids[:middle]) | await self._page(flow_run_ids[middle:])
        return {flow_run.id: flow_run for flow_run in page}

    async def _close_left_open(self, connection: Connection) -> None:
        """
        Close flow runs that are open though their dispatch has ended: one page of the open ones at each call.

        An engine that was stopped between its last check of its lease and a call to Prefect makes that call when it
        wakes, however late, when another engine has long ended the run. It is searched from Prefect's side, where
        little more is open than is claimed, while all dispatches that ever were have ended.
        """
        is_open = FlowRunFilter(state=FlowRunFilterState(type=FlowRunFilterStateType(any_=OPEN)))
        offset, self.offset = self.offset, self.offset + PAGE  # also past a page that Prefect cannot show
        page = await self.client.read_flow_runs(
            flow_run_filter=is_open, sort=FlowRunSort.ID_DESC, limit=PAGE, offset=offset
        )
        if len(page) < PAGE:
            self.offset = 0
        of = {flow_run.id: dispatch_of(flow_run) for flow_run in page if not is_retried(flow_run)}
        async with connection.transaction():
            finished_before = await dispatches.finished_before(
                connection, filter(None, of.values()), since=LEFT_OPEN
            )
            by_id = {dispatch["id"]: dispatch for dispatch in finished_before}
            for flow_run_id, dispatch_id in of.items():
                if dispatch_id in by_id:
                    await self._one(f"flow run {flow_run_id}", self._close(flow_run_id, by_id[dispatch_id]))

    async def _close(self, flow_run_id: UUID, dispatch: asyncpg.Record) -> None:
        why = f"Its dispatch is {dispatch['state']}" + (
            f": {dispatch['reason']}" if dispatch["reason"] else "."
        )
        logger.info("flow run %s of dispatch %s was left open: %s", flow_run_id, dispatch["id"], why)
        state: State[Any] = State(type=CLOSED[dispatch["state"]], message=why)
        await self.client.set_flow_run_state(flow_run_id, state, force=True)

    async def _obey(self, claimed: ClaimedDispatch, flow_run_id: UUID, flow_runs: FlowRunsById) -> None:
        """Stop a run in this engine if a person cancelled, suspended, ended or deleted it."""
        if claimed.stop is not None:  # requested before, but an effect may have been in flight
            claimed.request_stop(claimed.stop)
            return
        state = _state(flow_runs.get(flow_run_id))
        if state is None:
            if await self._is_deleted(flow_run_id):
                claimed.request_stop(Stop.DELETED)
            return
        claimed.awaiting_input = state.is_paused()  # it blocks, but does nothing meanwhile
        if state.is_cancelling():
            claimed.request_stop(Stop.CANCELLED)
        elif state.is_paused() and state.state_details.pause_reschedule:
            claimed.request_stop(Stop.SUSPENDED)
        elif state.is_final() and claimed.seen_over:  # seen once, it may be ending here by itself
            claimed.request_stop(Stop.ENDED)
        claimed.seen_over = state.is_final()

    async def _sync(self, connection: Connection, dispatch: asyncpg.Record, flow_run: FlowRun | None) -> None:
        """Bring the state of a run that no engine has claimed to the other side."""
        state = _state(flow_run)
        if dispatch["state"] == "discarded" and _is_left_open(dispatch, state):
            if state is not None and not state.is_final() and _is_of(flow_run, dispatch):
                message = f"Discarded in the inbox: {dispatch['reason']}"
                await cancel(self.client, dispatch["flow_run_id"], message)
            await dispatches.mark_run_closed(connection, dispatch["id"])
        elif new := await self._new_state(dispatch, flow_run):
            logger.info("dispatch %s is %s", dispatch["id"], new)
            reason = new.reason or f"{dispatch['state']} no more"
            async with acting(connection, new.actor or UI, reason):
                await dispatches.sync_from_prefect(
                    connection, dispatch, new.state, new.reason, waits_for=new.waits_for
                )

    async def _new_state(self, dispatch: asyncpg.Record, flow_run: FlowRun | None) -> NewState | None:
        """Return the new state of a dispatch whose flow run has another state; None if it has not."""
        was, flow_run_id, state = dispatch["state"], dispatch["flow_run_id"], _state(flow_run)
        if flow_run is None or state is None:
            is_open = was in {"held", "running"}
            return DELETED if is_open and await self._is_deleted(flow_run_id) else None
        if not _is_of(flow_run, dispatch):  # of a batch: its state is not this dispatch's
            return None
        if was == "held":
            return await self._resumed(dispatch, state)
        if was == "dispatched":
            return await self._cancelled_while_waiting(flow_run_id, state)
        if was == "running" and dispatch["discard_reason"]:
            return await self._discarded_elsewhere(dispatch, state)
        return await self._retried(dispatch, flow_run, state)

    async def _retried(
        self, dispatch: asyncpg.Record, flow_run: FlowRun, state: State[Any]
    ) -> NewState | None:
        """Return the new state of a dispatch that a person may have retried in the Prefect UI."""
        if state.is_paused():
            return NewState("held", (is_ours(state) and state.message) or WAITS)
        if state.is_final():
            return await self._ended(dispatch, state)
        is_new = dispatch["state"] != "running" and is_retried(flow_run)
        return NewState("running", RETRIED) if is_new else None

    async def _cancelled_while_waiting(self, flow_run_id: UUID, state: State[Any]) -> NewState | None:
        """Return the new state of a dispatch that waits for an engine, if a person cancels it."""
        if not state.is_cancelling():
            return None
        cancelled = await cancel(self.client, flow_run_id, "Cancelled while it waited.")
        return await new_state(self.database, cancelled)

    async def _discarded_elsewhere(self, dispatch: asyncpg.Record, state: State[Any]) -> NewState | None:
        """Return the new state of a dispatch that a person discards while Prefect's worker runs it."""
        if state.is_completed():
            return await self._ended(dispatch, state)
        if state.is_final():
            return NewState("discarded", dispatch["discard_reason"])
        if not state.is_cancelling():
            await self.client.set_flow_run_state(
                dispatch["flow_run_id"], Cancelling(message="Discarded in the inbox.")
            )
        return None

    async def _ended(self, dispatch: asyncpg.Record, state: State[Any]) -> NewState | None:
        """Return the new state of a dispatch that Prefect's worker may have run."""
        was = dispatch["state"]
        end = await new_state(self.database, state)
        if end.state == "discarded":
            return end if was != "discarded" else None
        if was == "running" and pool_of(dispatch["reason"]):
            return replace(end, actor=WORKER)
        reason = RETRIED + (f": {end.reason}" if end.reason else "")
        if was == "running":
            return replace(end, reason=reason, actor=WORKER)
        return NewState(end.state, reason) if end.state == "done" else None

    async def _resumed(self, dispatch: asyncpg.Record, state: State[Any]) -> NewState | None:
        """Return the new state of a dispatch that waited for a person."""
        if state.is_paused():
            return None
        if state.is_cancelling():  # it has no process that could end it
            state = await cancel(self.client, dispatch["flow_run_id"], "Cancelled while it waited.")
        if state.is_final():
            return await new_state(self.database, state)
        return NewState("dispatched" if state.is_scheduled() else "running", "resumed in the Prefect UI")

    async def _is_deleted(self, flow_run_id: UUID) -> bool:
        try:
            await self.client.read_flow_run(flow_run_id)
        except ObjectNotFound:
            return True
        return False


def _state(flow_run: FlowRun | None) -> State[Any] | None:
    return flow_run.state if flow_run is not None else None


def _is_of(flow_run: FlowRun | None, dispatch: asyncpg.Record) -> bool:
    """Return True if a flow run is of one dispatch, not of a batch."""
    return flow_run is not None and dispatch_of(flow_run) == dispatch["id"]


def _is_left_open(dispatch: asyncpg.Record, state: State[Any] | None) -> bool:
    """
    Return True if the run of a discarded dispatch is still to be cancelled.

    It was discarded while it waited: for a person, or for an engine that would take it up again. One that is
    scheduled or runs for another reason was retried in the Prefect UI after it had been discarded.
    """
    waited = state is not None and (state.is_paused() or state.name == "Resuming")
    return waited or dispatch["lease_owner"] is not None
