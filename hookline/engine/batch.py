"""
A lane for backlogs: while many dispatches wait, one flow run carries many of them, each as a task run.

A flow run costs the Prefect server and this process 0.1 s of CPU each, whatever it does; a task run a small part of
that. The journal makes it safe: an order that is begun again, in whatever run, repeats no effect. What does not end
well here begins anew in a flow run of its own, where a person finds it.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from contextvars import Context, copy_context
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
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
from prefect.task_engine import run_task_async

from hookline.context import working_on
from hookline.crash_points import crash_point
from hookline.database import CONNECTION_ERRORS
from hookline.database.types import Connection
from hookline.engine.leases import ClaimedDispatch, Stop
from hookline.engine.runs import Discarded, Ending, EngineStops, LeaseLost, cancel, ensure_lease
from hookline.errors import HooklineError
from hookline.hooks import Hooks
from hookline.inbox import batches, dispatches
from hookline.prefect_adapter.flow_run_engine import RunHere, is_cancelled, no_exit
from hookline.provisioning.deployments import Deployment
from hookline.provisioning.parameters import validated
from hookline.settings import Settings
from tasks.policies import VENDOR_CALL

logger = logging.getLogger(__name__)

NAME = "backlog"
UNBATCHED = "given a flow run of their own"
NOT_FINAL = [StateType.PENDING, StateType.RUNNING, StateType.SCHEDULED]
PAGE = 200
"""The most task runs that Prefect tells of at once."""
LEFT = "Its engine died. What it had in hand begins anew, each in a flow run of its own."


class MustNotBatch(HooklineError):
    """A dispatch did not end well in the lane; it begins anew in a flow run of its own."""


@dataclass(frozen=True)
class _BatchItem:
    claimed: ClaimedDispatch
    deployment: Deployment

    @property
    def name(self) -> str:
        """What its task run is called."""
        dispatch = self.claimed.dispatch
        return dispatch["key"] or f"{dispatch['route']} {dispatch['delivery_id']}"

    async def run(self) -> Any:
        """The flow itself."""
        dispatch, flow = self.claimed.dispatch, self.deployment.flow()
        parameters = validated(flow, {**self.deployment.parameters, **dispatch["parameters"]})
        with no_exit():
            return await flow.fn(**parameters)


class _Run(RunHere):
    """The flow run of a lane, which never fails: what goes wrong with it is no dispatch's fault."""

    async def handle_exception(self, exc: Exception, *_: Any, **__: Any) -> State[Any]:
        """Leave the run as it is; an engine ends it."""
        raise exc


class BatchRun:
    """One flow run, open for whatever waits."""

    def __init__(self, database: asyncpg.Pool, client: PrefectClient, lease: timedelta) -> None:
        self.id = uuid4()
        self.database = database
        self.client = client
        self.lease = lease
        self.taken = 0
        """How many dispatches were given to it."""
        self.over = asyncio.Event()
        """Nothing more is given to it."""
        self.cancelled = False
        """A person wants it so."""
        self._carried: dict[str, _BatchItem] = {}
        self._at_work: set[asyncio.Task[Any]] = set()
        self._ends = Counter[str]()
        self._flow = Flow(self._until_over, name=NAME, persist_result=False, validate_parameters=False)
        self._task = Task(self._run_item, name="dispatch", task_run_name="{name}", **VENDOR_CALL)
        self._opened: asyncio.Future[tuple[UUID, Context]] = asyncio.get_running_loop().create_future()
        self._run = asyncio.create_task(self._serve(), name=NAME)

    async def run(self, claimed: ClaimedDispatch, deployment: Deployment) -> Ending:
        """
        Run a dispatch in it.

        Raises:
            WantsOwnRun: it did not end well, or a person ended the lane.
            httpx.HTTPError, OSError: Prefect is away, and the lane could not be opened.
            NotOurs: another engine may have it.
            EngineStops: it did not end in time.
            Discarded: a person wants it so.
        """
        this = asyncio.current_task()
        assert this is not None  # noqa: S101  (a coroutine runs in one)
        self._at_work.add(this)
        try:
            flow_run_id, context = await asyncio.shield(self._opened)
            await ensure_lease(claimed)
            await dispatches.note_flow_run(self.database, claimed.id, flow_run_id)
            claimed.flow_run_id = flow_run_id
            crash_point("dispatch in lane")
            end = self._ending(claimed, await self._final_state(_BatchItem(claimed, deployment), context))
        finally:
            self._at_work.discard(this)
        self._ends[end.state] += 1
        return end

    async def close(self) -> None:
        """Take nothing more, and end the flow run when what is in hand has ended."""
        self.over.set()
        await asyncio.gather(self._run, self._opened, return_exceptions=True)

    async def _final_state(self, item: _BatchItem, context: Context) -> State[Any] | None:
        """How a dispatch's task run ended; None where it was stopped."""
        claimed, key = item.claimed, str(item.claimed.id)
        self._carried[key] = item
        claimed.flow = asyncio.create_task(self._task_run(item), context=context.copy())
        if claimed.stop is not None:
            claimed.request_stop(claimed.stop)
        try:
            state: State[Any] = await claimed.flow
            return state  # noqa: TRY300
        except asyncio.CancelledError:
            if claimed.stop is None and is_cancelled():
                raise
            return None
        finally:
            claimed.flow = None
            del self._carried[key]

    async def _task_run(self, item: _BatchItem) -> Any:
        claimed = item.claimed
        parameters = {"name": item.name, "key": str(claimed.id)}
        with working_on(
            claimed.dispatch["delivery_id"], claimed.id, claimed, slot=claimed.slot, in_batch=True
        ):
            return await run_task_async(self._task, parameters=parameters, return_type="state")

    async def _run_item(self, name: str, key: str) -> Any:  # noqa: ARG002  (the name is the task run's)
        return await self._carried[key].run()

    def _ending(self, claimed: ClaimedDispatch, state: State[Any] | None) -> Ending:
        if claimed.stop is Stop.LEASE_LOST:
            raise LeaseLost(claimed.stop.value)
        if state is not None and state.is_completed():
            return Ending("done", state.message if state.name != "Completed" else None)
        if claimed.stop is Stop.DISCARDED:
            raise Discarded(claimed.stop.value)
        if claimed.stop is Stop.ENGINE_STOPS:
            raise EngineStops(claimed.stop.value)
        self._ends[UNBATCHED] += 1
        if claimed.stop is not None:
            self.cancelled = True
            self.over.set()
            raise MustNotBatch("The run of the backlog was ended in the Prefect UI.")
        raise MustNotBatch((state and state.message) or "It did not end.")

    async def _serve(self) -> None:
        """The flow run, from its beginning to its end; while it is written down, some engine sees to its end."""
        try:
            await batches.renew_lease(self.database, self.id, self.lease)
            keeper = asyncio.create_task(self._keep())
            try:
                await self._run_to_its_end()
            finally:
                keeper.cancel()
                await asyncio.gather(keeper, return_exceptions=True)
            await batches.close(self.database, self.id)
        except Exception as error:  # noqa: BLE001  (what it carried is taken up again, whatever it is)
            logger.warning("the run of the backlog cannot go on: %r", error)
            self.over.set()
            if not self._opened.done():
                self._opened.set_exception(error)

    async def _run_to_its_end(self) -> None:
        name = f"{NAME} of {datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC"
        tags = ["hookline", _tag(self.id)]
        flow_run = await self.client.create_flow_run(self._flow, name=name, state=Pending(), tags=tags)
        run = _Run(flow=self._flow, flow_run=flow_run, parameters={})
        with suppress(Abort):  # a person has ended it
            await run.to_its_end()
        if not run.state.is_final():  # a person wants it cancelled
            await cancel(self.client, flow_run.id, self._summary())

    async def _keep(self) -> None:
        while True:
            await asyncio.sleep(self.lease.total_seconds() / 3)
            with suppress(*CONNECTION_ERRORS):
                await batches.renew_lease(self.database, self.id, self.lease)

    async def _until_over(self) -> State[Any]:
        """The flow, into whose context the dispatches are brought from outside."""
        self._opened.set_result((UUID(str(runtime.flow_run.id)), copy_context()))
        await self.over.wait()
        while self._at_work:
            await asyncio.wait(self._at_work)
        return Completed(message=self._summary())

    def _summary(self) -> str:
        ends = ", ".join(f"{number} {end}" for end, number in sorted(self._ends.items()))
        return f"{self._ends.total()} dispatches: {ends or 'none'}."


class Batches:
    """When there is a lane, and what goes into it."""

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
        self.refused = False
        """A person ended the lane of this backlog: the rest of it has runs of its own."""
        self._closing: set[asyncio.Task[None]] = set()

    async def open(self, *, more: bool) -> None:
        """
        After a claim: open a lane, where many wait.

        Args:
            more: as many dispatches were claimed as there were places, so more may wait.
        """
        if (batch := self.batch) is not None and (
            batch.over.is_set() or batch.taken >= self.settings.batch_size
        ):
            self.refused |= batch.cancelled
            self.close_batch()
        self.refused &= more
        if more and self.batch is None and not self.refused and await self._is_long():
            logger.info("a backlog: one flow run carries up to %d dispatches", self.settings.batch_size)
            lease = timedelta(seconds=self.settings.lease_seconds)
            self.batch = BatchRun(self.database, self.client, lease)

    def batch_for(self, claimed: ClaimedDispatch) -> BatchRun | None:
        """The lane that a dispatch goes into; None: it has a flow run of its own."""
        dispatch, batch = claimed.dispatch, self.batch
        if (
            batch is None
            or batch.over.is_set()
            or dispatch["unbatched"]
            or dispatch["flow_run_id"] is not None
        ):
            return None
        if dispatch["engine_deaths"]:
            return None
        unbatched = {route.name for route in self.hooks.routes if route.unbatched}
        if dispatch["route"] in unbatched or self.deployments[dispatch["deployment"]].must_not_batch():
            return None
        batch.taken += 1
        return batch

    def close_batch(self) -> None:
        """Give nothing more to the lane; its flow run is over when what it has in hand is."""
        if self.batch is not None:
            closing = asyncio.create_task(self.batch.close())
            self._closing.add(closing)
            closing.add_done_callback(self._closing.discard)
            self.batch = None

    async def close(self) -> None:
        """Wait until every lane is over."""
        self.close_batch()
        await asyncio.gather(*self._closing)

    async def _is_long(self) -> bool:
        threshold = self.settings.batch_backlog
        return 0 < threshold <= await dispatches.backlog(self.database, threshold)


async def end_abandoned(connection: Connection, client: PrefectClient) -> None:
    """
    End the flow runs of lanes whose engines died; their dispatches go on by themselves.

    Raises:
        httpx.HTTPError: Prefect is away.
    """
    for batch_id in await batches.abandoned(connection):
        wanted = FlowRunFilter(tags=FlowRunFilterTags(all_=[_tag(batch_id)]))
        for flow_run in await client.read_flow_runs(flow_run_filter=wanted):
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
    """By which the flow run of a lane is found, also where its engine died before it knew of it."""
    return f"lane:{batch_id}"


def _interrupted() -> State[Any]:
    """Not crashed: nothing is left for a person to do."""
    return Cancelled(name="Interrupted", message=LEFT)
