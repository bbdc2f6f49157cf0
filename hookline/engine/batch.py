"""
The batch: while many dispatches wait, one flow run carries many of them, each as a task run.

A flow run costs the Prefect server and this process 0.1 s of CPU each; a task run a small part of that. The journal
makes it safe: a dispatch that is run again, in any flow run, repeats no effect. A dispatch that does not end well here
starts again in a flow run of its own, where a person finds it.
"""

import asyncio
import logging
import time
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from contextvars import Context, copy_context
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import ceil
from typing import Any
from uuid import UUID, uuid4

import asyncpg
from prefect import Flow, Task, runtime
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterId,
    FlowRunFilterTags,
    TaskRunFilter,
    TaskRunFilterState,
    TaskRunFilterStateType,
)
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.exceptions import Abort
from prefect.states import Cancelled, Completed, Pending

from hookline import tracing
from hookline.context import working_on
from hookline.crash_points import crash_point
from hookline.database import CONNECTION_ERRORS
from hookline.database.types import Connection
from hookline.engine.leases import ClaimedDispatch
from hookline.engine.outcomes import Discarded, LeaseLost, NewState, Outcome, Requeue, Unbatch
from hookline.engine.runs import cancel
from hookline.hooks import Hooks
from hookline.inbox import batches, dispatches
from hookline.prefect_adapter.control import Stop
from hookline.prefect_adapter.flow_run_engine import BatchFlowRun, no_exit
from hookline.prefect_adapter.retries import VENDOR_CALL
from hookline.provisioning.deployments import Deployment
from hookline.provisioning.parameters import validated
from hookline.settings import Settings

logger = logging.getLogger(__name__)

NAME = "backlog"
"""The name of the flow, in the Prefect UI."""
CALM, CALM_SECONDS = 6, 2.0
"""So many dispatches in so many seconds keep a batch open though none waits: in flow runs of their own some would."""
UNBATCHED = "given a flow run of their own"
NOT_FINAL = [StateType.PENDING, StateType.RUNNING, StateType.SCHEDULED]
PAGE = 200
"""The most task runs that Prefect returns at once."""
ENGINE_DIED = "Its engine died. The dispatches that it carried start again, each in a flow run of its own."


@dataclass(frozen=True)
class _BatchItem:
    claimed: ClaimedDispatch
    deployment: Deployment

    @property
    def name(self) -> str:
        """The name of its task run."""
        dispatch = self.claimed.dispatch
        return dispatch["label"] or dispatch["key"] or f"{dispatch['route']} {dispatch['delivery_id']}"

    async def run(self) -> Any:
        """Run the flow itself."""
        dispatch, flow = self.claimed.dispatch, self.deployment.flow()
        parameters = validated(flow, {**self.deployment.parameters, **dispatch["parameters"]})
        with no_exit():
            return await flow.fn(**parameters)


class BatchRun:
    """One flow run that carries dispatches, open until it is full or the backlog is over."""

    def __init__(self, database: asyncpg.Pool, client: PrefectClient, lease: timedelta, size: int) -> None:
        self.id = uuid4()
        self.database = database
        self.client = client
        self.lease = lease
        self.size = size
        """The most dispatches that it carries."""
        self.carried = 0
        """The number of dispatches that were given to it."""
        self.over = asyncio.Event()
        """Set when it takes no more dispatches."""
        self.cancelled = False
        """True if a person ended it."""
        self._items: dict[str, _BatchItem] = {}
        self._running: set[asyncio.Task[Any]] = set()
        self._ends = Counter[str]()
        self._flow = Flow(self._until_over, name=NAME, persist_result=False, validate_parameters=False)
        self._task = Task(self._run_item, name="dispatch", task_run_name="{name}", **VENDOR_CALL)
        self._opened: asyncio.Future[tuple[UUID, Context]] = asyncio.get_running_loop().create_future()
        self._run = asyncio.create_task(self._serve(), name=NAME)

    @property
    def is_full(self) -> bool:
        """True if it has carried as many dispatches as one flow run may."""
        return self.carried >= self.size

    async def run(self, claimed: ClaimedDispatch, deployment: Deployment) -> Outcome:
        """
        Run a dispatch as a task run of this flow run.

        Raises:
            httpx.HTTPError, OSError: Prefect is unavailable, and the flow run could not be created.
        """
        this = asyncio.current_task()
        assert this is not None  # noqa: S101  (a coroutine runs in one)
        self._running.add(this)
        try:
            flow_run_id, context = await asyncio.shield(self._opened)
            if not await claimed.ensure_lease():
                return LeaseLost()
            await dispatches.note_flow_run(self.database, claimed.id, flow_run_id)
            claimed.flow_run_id = flow_run_id
            crash_point("dispatch in batch")
            state = await self._final_state(_BatchItem(claimed, deployment), context)
            outcome = outcome_of(claimed.stop, state)
        finally:
            self._running.discard(this)
        match outcome:
            case NewState():
                self._ends[outcome.state] += 1
            case Unbatch():
                self._ends[UNBATCHED] += 1
                if claimed.stop is not None:
                    self.cancelled = True
                    self.over.set()
        return outcome

    async def close(self) -> None:
        """Take no more dispatches, and end the flow run when all that it carries have ended."""
        self.over.set()
        await asyncio.gather(self._run, self._opened, return_exceptions=True)

    async def _final_state(self, item: _BatchItem, context: Context) -> State[Any] | None:
        """Return the last state of a dispatch's task run; None if it was stopped."""
        key = str(item.claimed.id)
        self._items[key] = item
        try:
            return await item.claimed.run(self._task_run(item, tracing.Current()), context.copy())
        finally:
            del self._items[key]

    async def _task_run(self, item: _BatchItem, span: tracing.Current) -> Any:
        claimed = item.claimed
        with (
            span.current(),
            working_on(
                claimed.dispatch["delivery_id"],
                claimed.id,
                claimed,
                slot=claimed.slot,
                in_batch=True,
                received=claimed.received,
            ),
        ):
            running: Any = self._task(name=item.name, key=str(claimed.id), return_state=True)
            return await running

    async def _run_item(self, name: str, key: str) -> Any:  # noqa: ARG002  (the name is the task run's)
        return await self._items[key].run()

    async def _serve(self) -> None:
        """Run the flow run, from beginning to end; its record in the inbox lets an engine end it after a crash."""
        try:
            await batches.renew_lease(self.database, self.id, self.lease)
            renewing = asyncio.create_task(self._renew_lease())
            try:
                await self._execute()
            finally:
                renewing.cancel()
                await asyncio.gather(renewing, return_exceptions=True)
            await batches.close(self.database, self.id)
        except Exception as error:  # noqa: BLE001  (the dispatches in it start again, whatever it is)
            logger.warning("the run of the backlog cannot go on: %r", error)
            self.over.set()
            if not self._opened.done():
                self._opened.set_exception(error)

    async def _execute(self) -> None:
        name = f"{NAME} of {datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC"
        tags = ["hookline", _tag(self.id)]
        flow_run = await self.client.create_flow_run(self._flow, name=name, state=Pending(), tags=tags)
        run = BatchFlowRun(flow=self._flow, flow_run=flow_run, parameters={})
        with suppress(Abort):  # a person has ended it
            await run.execute()
        if not run.state.is_final():  # a person cancels it
            await cancel(self.client, flow_run.id, self._summary())

    async def _renew_lease(self) -> None:
        while True:
            await asyncio.sleep(self.lease.total_seconds() / 3)
            with suppress(*CONNECTION_ERRORS):
                await batches.renew_lease(self.database, self.id, self.lease)

    async def _until_over(self) -> State[Any]:
        """Wait until all has ended: the flow, in whose context the dispatches are run from outside."""
        self._opened.set_result((UUID(str(runtime.flow_run.id)), copy_context()))
        await self.over.wait()
        while self._running:
            await asyncio.wait(self._running)
        return Completed(message=self._summary())

    def _summary(self) -> str:
        ends = ", ".join(f"{number} {end}" for end, number in sorted(self._ends.items()))
        return f"{self._ends.total()} dispatches: {ends or 'none'}."


def outcome_of(stop: Stop | None, state: State[Any] | None) -> Outcome:
    """
    Return the outcome of a dispatch in a batch.

    Args:
        stop: the reason why it was stopped, if it was.
        state: the last state of its task run, unless it was stopped before.
    """
    if stop is Stop.LEASE_LOST:
        return LeaseLost()
    if state is not None and state.is_completed():
        return NewState("done", state.message if state.name != "Completed" else None)
    match stop:
        case None:
            return Unbatch((state and state.message) or "It did not end.")
        case Stop.DISCARDED:
            return Discarded()
        case Stop.ENGINE_STOPS:
            return Requeue(stop.value, seconds=0)
        case _:
            return Unbatch("The run of the backlog was ended in the Prefect UI.")


class Batches:
    """The batches of an engine: opens one while there is a backlog, and decides what goes into it."""

    def __init__(
        self,
        settings: Settings,
        database: asyncpg.Pool,
        client: PrefectClient,
        hooks: Hooks,
        deployments: Mapping[str, Deployment],
    ) -> None:
        self.settings = settings
        self.database = database
        self.client = client
        self.deployments = deployments
        self.hooks = hooks
        self.batch: BatchRun | None = None
        self.engines = 1
        """The number of engines that share what comes, this one included."""
        self.refused = False
        """True if a person ended the batch of this backlog: the rest of it has runs of its own."""
        self._closing: set[asyncio.Task[None]] = set()
        self._taken_at: deque[float] = deque(maxlen=CALM)
        """The times at which the last dispatches were given to a batch."""
        self._came_at: deque[float] = deque(maxlen=settings.batch_backlog)
        """The times at which the last dispatches were claimed that may be in a batch."""

    async def open(self, claimed: Sequence[ClaimedDispatch], *, more: bool) -> None:
        """
        Open a batch if many dispatches wait or come, and close one that takes no more; call it after a claim.

        Args:
            claimed: what was claimed just now.
            more: as many dispatches were claimed as there were slots, so more may wait.
        """
        if (batch := self.batch) is not None and (batch.over.is_set() or batch.is_full):
            self.refused |= batch.cancelled
            self.close_batch()
        now = time.monotonic()
        came = [now for each in claimed if self._may_batch(each)]
        self._came_at.extend(came)
        many = self._come_in_numbers(now)
        self.refused &= more or many
        if not came or self.batch is not None or self.refused:
            return
        if many or (more and await self._is_backlog()):
            size = self.settings.batch_size
            logger.info("a backlog: one flow run carries up to %d dispatches", size)
            lease = timedelta(seconds=self.settings.lease_seconds)
            self.batch = BatchRun(self.database, self.client, lease, size)

    def batch_for(self, claimed: ClaimedDispatch) -> BatchRun | None:
        """Return the batch for a dispatch; None if it has a flow run of its own."""
        batch = self.batch
        if batch is None or batch.over.is_set() or not self._may_batch(claimed):
            return None
        batch.carried += 1
        self._taken_at.append(time.monotonic())
        return batch

    async def close_if_calm(self) -> None:
        """
        Close the batch once few dispatches come: each can have a flow run of its own; call it after a claim.

        That nothing was claimed just now says little while many wait: others may have locked them for a moment.
        """
        lately = time.monotonic() - CALM_SECONDS
        taken = sum(at > lately for at in self._taken_at)
        if taken < self._share_of(CALM) and not (taken and await self._is_backlog()):
            self.close_batch()

    def close_batch(self) -> None:
        """Give the batch no more dispatches; its flow run ends when those that it carries have ended."""
        if self.batch is not None:
            closing = asyncio.create_task(self.batch.close())
            self._closing.add(closing)
            closing.add_done_callback(self._closing.discard)
            self.batch = None

    async def close(self) -> None:
        """Wait until every batch has ended."""
        self.close_batch()
        await asyncio.gather(*self._closing)

    def _may_batch(self, claimed: ClaimedDispatch) -> bool:
        """Return True unless a dispatch needs a flow run of its own."""
        dispatch = claimed.dispatch
        if dispatch["unbatched"] or dispatch["flow_run_id"] is not None or dispatch["takeovers"]:
            return False
        if any(route.unbatched for route in self.hooks.routes if route.name == dispatch["route"]):
            return False
        try:
            return not self.deployments[dispatch["deployment"]].must_not_batch()
        except Exception:  # noqa: BLE001  (a run of its own will say what is wrong with its flow)
            return False

    def _come_in_numbers(self, now: float) -> bool:
        """Return True if as many came lately as would be a backlog: flow runs of their own would soon make one."""
        share = self._share_of(self.settings.batch_backlog)
        return 0 < share <= len(self._came_at) and now - self._came_at[-share] < CALM_SECONDS

    def _share_of(self, dispatches_of_all: int) -> int:
        """Return this engine's share of what comes to all engines: each sees only what it claims. One is no crowd."""
        return min(dispatches_of_all, max(2, ceil(dispatches_of_all / self.engines)))

    async def _is_backlog(self) -> bool:
        threshold = self.settings.batch_backlog
        return 0 < threshold <= await dispatches.backlog(self.database, threshold)


async def end_abandoned(connection: Connection, client: PrefectClient) -> None:
    """
    End the flow runs of batches whose engines died; their dispatches go on by themselves.

    Raises:
        httpx.HTTPError: Prefect is unavailable.
    """
    for batch_id in await batches.abandoned(connection):
        tagged = FlowRunFilter(tags=FlowRunFilterTags(all_=[_tag(batch_id)]))
        for flow_run in await client.read_flow_runs(flow_run_filter=tagged):
            logger.info("ending flow run %s of a backlog: its engine died", flow_run.name)
            await _end(client, flow_run)
        await batches.close(connection, batch_id)


async def _end(client: PrefectClient, flow_run: FlowRun) -> None:
    if flow_run.state is None or not flow_run.state.is_final():
        await client.set_flow_run_state(flow_run.id, _interrupted(), force=True)
    still_running = await client.read_task_runs(
        flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=[flow_run.id])),
        task_run_filter=TaskRunFilter(state=TaskRunFilterState(type=TaskRunFilterStateType(any_=NOT_FINAL))),
        limit=PAGE,
    )
    for task_run in still_running:
        await client.set_task_run_state(task_run.id, _interrupted(), force=True)


def _tag(batch_id: UUID) -> str:
    """Return the tag by which the flow run of a batch is found, also if its engine died before it knew of it."""
    return f"batch:{batch_id}"


def _interrupted() -> State[Any]:
    """Return the state of a run whose engine died; not Crashed, because nothing is left for a person to do."""
    return Cancelled(name="Interrupted", message=ENGINE_DIED)
