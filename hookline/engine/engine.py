"""
The engine: a loop that claims dispatches, runs them and writes their outcomes, and that drains when it is stopped.

All its state is in PostgreSQL. It may be killed at any moment: its leases expire, and another engine (or this one,
started again) goes on with the same flow runs. Beside the loop, deliveries are routed (`routing`).
"""

import asyncio
import logging
import os
import socket
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from datetime import timedelta
from functools import partial
from typing import TypeAlias, assert_never
from uuid import uuid4

import asyncpg
from prefect.client.orchestration import PrefectClient

from hookline import timings, tracing
from hookline.clients import SharedConnections
from hookline.clients.errors import VendorAway
from hookline.context import working_on
from hookline.crash_points import crash_point
from hookline.database import connect, high_water, is_connection_error, pool, schema
from hookline.database.connection import outside
from hookline.database.errors import OtherSchema
from hookline.engine.batch import CALM_SECONDS, Batches, BatchRun
from hookline.engine.caretaker import watch_worker_and_schedules
from hookline.engine.configuration import Configuration
from hookline.engine.due import Due
from hookline.engine.events import BATCH as EVENTS
from hookline.engine.events import drop_events, send_event_of_hold, send_events
from hookline.engine.late_checks import SECONDS as LATE_CHECK_SECONDS
from hookline.engine.late_checks import check_late
from hookline.engine.leases import ClaimedDispatch, Leases
from hookline.engine.liveness import alive
from hookline.engine.loop_watchdog import guard_loop
from hookline.engine.maintenance import PRUNE_SECONDS, prune_old
from hookline.engine.notices import drop_notices, send_notices
from hookline.engine.outcomes import Discarded, LeaseLost, NewState, Outcome, Requeue, Unbatch
from hookline.engine.quarantine import Quarantine
from hookline.engine.reconcile import Reconciler
from hookline.engine.routing import Router
from hookline.engine.runs import FlowRuns
from hookline.engine.threads import Threads
from hookline.engine.trouble import Troubles
from hookline.engine.waits import ASK_SECONDS, BACKFILL_SECONDS, GO_ON_SECONDS, backfill, go_on
from hookline.errors import HooklineError
from hookline.hooks import Hooks
from hookline.inbox import dispatches, engines, silences
from hookline.inbox.audit import acting
from hookline.inbox.configuration import RELOAD
from hookline.inbox.deliveries import CHANNEL
from hookline.issues import store as issues
from hookline.outages import store as outages
from hookline.outages import waiting
from hookline.polling.poller import OpenClient, Poller
from hookline.prefect_adapter import errors, storable, task_events, vendor_waits, waits
from hookline.prefect_adapter.client import shared_client
from hookline.prefect_adapter.control import Stop
from hookline.provisioning.deployments import Deployment
from hookline.settings import Settings
from hookline.waits import people

logger = logging.getLogger(__name__)

IDLE_SECONDS = 5.0
"""The interval of polls of the inbox, should a notification be missed."""
RECONCILE_SECONDS = 2.0
EVENTS_SECONDS = 1.0
REQUESTS_SECONDS = 1.0
"""The interval of polls for discards."""
DUE_SECONDS = 0.4
"""The interval of questions about what is due, and for the dispatches of dead engines."""
RECONNECT_SECONDS = 0.2
HEARTBEAT_SECONDS = 2.0
SILENCE_SECONDS = 30.0
POLL_SECONDS = 1.0
"""The interval of looks for polled sources that are due."""
VENDORS_SECONDS = 1.0
"""The interval at which what waits for a vendor goes on, and issues are closed."""
SCHEMA_SECONDS = 1.0
TIMINGS_SECONDS = 2.0
REMEMBER_SECONDS = 1.0
"""The interval in which it is written down, outside of the database, how far it is."""
APART_SECONDS = 0.02
"""The time between the first turns of what the engine does beside its runs."""
MAX_ATTEMPTS = 5
"""The attempts after which a dispatch fails of an unexpected error, or of an error of Prefect though it is ready."""
REPORT_WAITS_SECONDS = 0.5
DRAIN_SECONDS = 20.0
RAMP_UP, RAMP_UP_SECONDS = 2, 0.2
"""The flow runs that are begun at a time, and the time until the next ones: the rest of a burst is for a batch."""
BATCH_SLOTS = 2
"""The factor of dispatches at work at once in a batch: they cost this machine little, and wait for vendors."""
GATHER_SECONDS = 0.03
"""The time in which slots in a batch become free until they are filled together."""
MAX_BACKOFF_SECONDS = 60
PREFECT_IS_AWAY = "Prefect is away"
CUT_SECONDS = 5.0
"""The time in which runs that were stopped end their flow runs, before they are requeued."""
BLOCKED_SECONDS = 5.0
_Loop: TypeAlias = tuple[str, Callable[[], Awaitable[bool | None]], float]


class Engine:
    """Runs dispatches until it is stopped; any number of engines may run side by side."""

    def __init__(
        self,
        settings: Settings,
        hooks: Hooks,
        deployments: Mapping[str, Deployment],
        configuration: Configuration | None = None,
        open_client: OpenClient | None = None,
    ) -> None:
        self.settings = settings
        self.configuration = configuration
        self.open_client = open_client
        self.hooks = hooks
        self.deployments = deployments
        self.name = f"{socket.gethostname()}:{os.getpid()}:{uuid4().hex[:8]}"
        self.leases = Leases(settings, self.name)
        self.slots = self.leases.slots
        self.threads = Threads(settings.engine_threads)
        self.quarantine = Quarantine(self.leases, deployments)
        self.troubles = Troubles()
        self.session: int | None = None
        """Tells other engines that this one lives; None while it has no connection of its own."""
        self.failure: OtherSchema | None = None
        """Why it stops by itself."""
        self.stopping = asyncio.Event()
        self.wake = asyncio.Event()
        self.running: set[asyncio.Task[None]] = set()
        self.poller: Poller | None = None

    def stop(self) -> None:
        """Claim nothing more; runs are given time to end."""
        self.stopping.set()
        self.wake.set()

    def reload(self) -> None:
        """Read the files again before the next turn; runs go on with the code that they began with."""
        if self.configuration:
            self.configuration.request_reload()
            self.wake.set()

    async def serve(self, *, ready: asyncio.Event | None = None) -> None:
        """
        Work until stopped.

        Raises:
            OtherSchema: it has stopped by itself, for the database is another version's now.
        """
        async with AsyncExitStack() as stack:
            warn_seconds = min(BLOCKED_SECONDS, self.settings.lease_seconds / 3)
            stack.enter_context(
                guard_loop(self._describe_claimed, warn_seconds, self.settings.blocked_seconds)
            )
            stack.enter_context(alive(self.settings.home, self.name))
            storable.install()
            task_events.install()
            waits.install()
            vendor_waits.install()
            client = await stack.enter_async_context(shared_client())
            await stack.enter_async_context(SharedConnections())
            database = await pool(self.settings)
            self.database = database
            self.due = Due(database)
            self.runs = FlowRuns(database, client, self.deployments, self.threads)
            self.backlog = Batches(self.settings, database, client, self.hooks, self.deployments)
            self.router = Router(
                database,
                self.hooks,
                self.deployments,
                self.settings.body_keys,
                owner=self.name,
                on_routed=self.wake.set,
            )
            routing = asyncio.create_task(self.router.serve())
            loop = asyncio.get_running_loop()
            self.slots.on_free = lambda: loop.call_soon_threadsafe(self.wake.set)
            helpers = self._start_helpers(database, client)
            if ready:
                ready.set()
            try:
                while not self.stopping.is_set():
                    if self.configuration and self.configuration.due:
                        self.configuration.reload()
                    await self._turn()
                self.router.stop()
                await routing
                await self._drain()
                await self.backlog.close()
                await self.troubles.fenced("remembering how far the database is", self._remember, None)
                await self.troubles.fenced("adding up timings", partial(timings.add, database), None)
            finally:
                for helper in (routing, *helpers):
                    helper.cancel()
                if self.poller:
                    await self.poller.stop()
                await asyncio.gather(routing, *helpers, return_exceptions=True)
                await self.troubles.fenced("leaving", self._leave, None)
        if self.failure is not None:
            raise self.failure

    def _start_helpers(self, database: asyncpg.Pool, client: PrefectClient) -> list[asyncio.Task[None]]:
        reconciler = Reconciler(database, client, self.leases, self.deployments, self.troubles)
        report_waits = partial(self.slots.report_waits, database, self.name, self.deployments)
        prune = partial(prune_old, database, self.settings, self.hooks)
        due = self.due.only
        loops: Sequence[_Loop] = (
            ("listening to the inbox", self._listen, RECONNECT_SECONDS),
            ("renewing leases", self.leases.renew_all, self.settings.lease_seconds / 3),
            ("asking what is due", self._ask_what_is_due, DUE_SECONDS),
            ("stopping what is discarded", self.leases.stop_discarded, REQUESTS_SECONDS),
            ("writing its heartbeat", self._beat, HEARTBEAT_SECONDS),
            ("remembering how far the database is", self._remember, REMEMBER_SECONDS),
            ("watching the schema", self._watch_schema, SCHEMA_SECONDS),
            ("reporting what waits", report_waits, REPORT_WAITS_SECONDS),
            ("reconciling with Prefect", reconciler.reconcile, RECONCILE_SECONDS),
            ("sending events to Prefect", due("events", partial(self._send_events, client)), EVENTS_SECONDS),
            (
                "looking again",
                due("late checks", partial(check_late, database, self.settings)),
                LATE_CHECK_SECONDS,
            ),
            ("watching over vendors", due("vendors", self._watch_vendors), VENDORS_SECONDS),
            ("looking for silent sources", partial(silences.watch, database, self.hooks), SILENCE_SECONDS),
            ("letting runs go on that waited", due("waits", partial(go_on, database, client)), GO_ON_SECONDS),
            (
                "looking back for runs that wait",
                due("backfill", partial(backfill, database, self.router)),
                BACKFILL_SECONDS,
            ),
            (
                "asking people",
                due("questions", partial(people.ask_due, database, self.settings)),
                ASK_SECONDS,
            ),
            ("adding up timings", partial(timings.add, database), TIMINGS_SECONDS),
            ("pruning", prune, PRUNE_SECONDS),
        )
        # One after another, so that they share a few connections: all at once, each would open its own.
        helpers = [
            asyncio.create_task(self.troubles.for_ever(*loop, first=place * APART_SECONDS))
            for place, loop in enumerate(loops)
        ]
        if self.open_client and self.settings.polls:
            self.poller = Poller(database, self.settings, self.hooks, self.name, self.open_client)
            polling = self.troubles.for_ever("polling", self.poller.poll_due, POLL_SECONDS)
            helpers.append(asyncio.create_task(polling))
        helpers.append(asyncio.create_task(watch_worker_and_schedules(client, database, self.settings)))
        if self.configuration:
            helpers.append(asyncio.create_task(self.configuration.report_problems(database, client)))
        return helpers

    async def _turn(self) -> None:
        """Claim what is due, then wait for more."""
        self.wake.clear()
        more = await self.troubles.fenced("claiming dispatches", self._claim, otherwise=False)
        if more or self.slots.at_work() >= RAMP_UP:
            await asyncio.sleep(RAMP_UP_SECONDS if self.backlog.batch is None else GATHER_SECONDS)
        if more:
            return
        timeout = await self.troubles.fenced("polling for what is due", self._seconds_to_next, 1.0)
        with suppress(TimeoutError):
            await asyncio.wait_for(self.wake.wait(), timeout)

    async def _seconds_to_next(self) -> float:
        due = await dispatches.seconds_to_next(self.database)
        longest = IDLE_SECONDS if self.backlog.batch is None else CALM_SECONDS
        return longest if due is None else min(max(due, 0.02), longest)

    async def _claim(self) -> bool:
        """Claim and start dispatches up to the free slots; return True if more may wait."""
        in_batch = self.backlog.batch is not None
        self.slots.at_once = self.settings.engine_concurrency * (BATCH_SLOTS if in_batch else 1)
        limit = self.slots.free_now() if in_batch else min(self.slots.free_now(), RAMP_UP)
        if limit <= 0 or self.quarantine.is_closed:
            return False
        open_to = self.slots.open_to(self.deployments)
        claimed = [] if self.quarantine.makes_room else await self.leases.claim(limit, open_to)
        more = len(claimed) == limit
        try:
            await self.backlog.open(claimed, more=more)
        finally:  # what is claimed is started, whatever happens: its lease is renewed for as long as it is claimed
            for each in claimed:
                self._start(each)
        if more:
            return True
        await self.backlog.close_if_calm()
        free_slots = limit - len(claimed)
        suspects = await self.quarantine.claim(free_slots)
        for suspect in suspects:
            self._start(suspect)
        return len(suspects) == free_slots

    def _start(self, claimed: ClaimedDispatch) -> None:
        task = asyncio.create_task(self._run(claimed, self.backlog.batch_for(claimed)))
        self.running.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self.running.discard(task)
        self.wake.set()
        if not task.cancelled() and (error := task.exception()):
            logger.error("%r; the lease of its dispatch expires, and it is claimed again", error)

    async def _run(self, claimed: ClaimedDispatch, batch: BatchRun | None) -> None:
        """Run a dispatch, and write its outcome."""
        dispatch = claimed.dispatch
        logger.info("%s starts (%s, key %s)", claimed, dispatch["deployment"], dispatch["key"])
        crash_point("dispatch claimed")
        with tracing.span(
            f"dispatch {dispatch['route']}",
            "consumer",
            parent=dispatch["traceparent"],
            source=dispatch["source"],
            delivery=dispatch["delivery_id"],
            dispatch=claimed.id,
            route=dispatch["route"],
            deployment=dispatch["deployment"],
            attempt=dispatch["attempts"],
            in_batch=batch is not None,
        ) as note:
            try:
                outcome = await self._outcome(claimed, batch)
                note(flow_run=claimed.flow_run_id, outcome=_name(outcome))
                await self._write(claimed, outcome, in_batch=batch is not None)
                await self._note_probe(claimed, outcome)
            finally:
                self.leases.release(claimed)

    async def _outcome(self, claimed: ClaimedDispatch, batch: BatchRun | None) -> Outcome:
        dispatch = claimed.dispatch
        try:
            with working_on(
                dispatch["delivery_id"], claimed.id, claimed, slot=claimed.slot, received=claimed.received
            ):
                if batch is None:
                    return await self.runs.run(claimed)
                return await batch.run(claimed, self.deployments[dispatch["deployment"]])
        except VendorAway as away:
            return Requeue(away.reason, account=away.account)
        except Exception as error:  # noqa: BLE001  (whatever it is, the delivery must not be lost to it)
            return await self._outcome_of_error(claimed, error)

    async def _outcome_of_error(self, claimed: ClaimedDispatch, error: Exception) -> Outcome:
        """Requeue a dispatch during an outage; fail it if Prefect refuses it, or the error comes again and again."""
        message = errors.message(error)
        if errors.is_refusal(error):
            return _failed(claimed, f"Prefect refuses it: {message}", error)
        if errors.is_unavailable(error):
            if await self._is_poison(claimed, error):
                return _failed(
                    claimed, f"Prefect fails on it each time, though it is ready: {message}", error
                )
            return Requeue(f"{PREFECT_IS_AWAY}: {message.removeprefix(PREFECT_IS_AWAY).lstrip(': ')}")
        if isinstance(error, HooklineError) or is_connection_error(error):
            return Requeue(message)
        if claimed.dispatch["attempts"] < MAX_ATTEMPTS:
            logger.error("dispatch %s cannot be run", claimed.id, exc_info=error)
            return Requeue(f"{type(error).__name__}: {message}")
        return _failed(claimed, f"It cannot be run: {type(error).__name__}: {message}", error)

    async def _is_poison(self, claimed: ClaimedDispatch, error: Exception) -> bool:
        """Return True if Prefect fails on this dispatch, and is ready otherwise."""
        often = claimed.dispatch["attempts"] >= MAX_ATTEMPTS
        return often and errors.failed_inside(error) and await errors.is_ready(self.runs.client)

    async def _note_probe(self, claimed: ClaimedDispatch, outcome: Outcome) -> None:
        """Let a vendor's account be back if this run tried it and is through; else another run may try it."""
        if isinstance(outcome, LeaseLost):
            return
        done = isinstance(outcome, NewState) and outcome.state == "done"
        ended = partial(outages.ended, self.database, waiting.run_of(claimed.id), done=done)
        if "vendors away" in self.due or claimed.dispatch["probed_at"]:
            await self.troubles.fenced("noting the health of vendors", ended, None)

    async def _write(self, claimed: ClaimedDispatch, outcome: Outcome, *, in_batch: bool) -> None:
        """Write the outcome to the inbox, unless another engine may have the dispatch."""
        level = logging.INFO if isinstance(outcome, NewState) else logging.WARNING
        logger.log(level, "%s: %s", claimed, outcome)
        if isinstance(outcome, LeaseLost):
            return
        # From here on, a lease that cannot be renewed is no reason to stop anything.
        self.leases.release(claimed)
        match outcome:
            case NewState():
                crash_point("flow run ended")
                await self._finish(claimed, outcome)
                claimed.note_end(outcome.state)
            case Requeue(reason, _, str(account)):
                await waiting.wait(self.database, claimed.id, self.name, account, reason, in_batch=in_batch)
            case Requeue():
                await self._requeue(claimed, outcome)
            case Unbatch():
                await dispatches.unbatch(self.database, claimed.id, self.name, outcome.reason)
            case Discarded():
                await dispatches.stopped(self.database, claimed.id, self.name)
            case _:
                assert_never(outcome)

    async def _finish(self, claimed: ClaimedDispatch, new: NewState) -> None:
        async with self.database.acquire() as connection, AsyncExitStack() as stack:
            if new.actor:
                await stack.enter_async_context(acting(connection, new.actor, new.reason or new.state))
            if not await dispatches.finish(
                connection, claimed.id, self.name, new.state, new.reason, waits_for=new.waits_for
            ):
                logger.warning(
                    "%s was claimed by another engine meanwhile; its outcome is left to it", claimed
                )

    async def _requeue(self, claimed: ClaimedDispatch, requeue: Requeue) -> None:
        seconds = requeue.seconds
        if seconds is None:
            seconds = min(2 ** min(claimed.dispatch["attempts"], 6), MAX_BACKOFF_SECONDS)
        await dispatches.requeue(
            self.database, claimed.id, self.name, requeue.reason, timedelta(seconds=seconds)
        )

    async def _listen(self) -> None:
        """Listen for the notifications of the gateway; without them, the inbox is polled every few seconds."""
        async with AsyncExitStack() as stack:
            connection = await connect(self.settings)
            stack.push_async_callback(connection.close)
            stack.callback(setattr, self, "session", None)
            closed = asyncio.Event()
            connection.add_termination_listener(lambda *_: closed.set())
            await connection.add_listener(CHANNEL, lambda *_: self._wake())
            await connection.add_listener(RELOAD, lambda *_: self.reload())
            self.session = await engines.begin_session(connection)
            await self._beat()
            self._wake()
            await closed.wait()

    def _wake(self) -> None:
        self.wake.set()
        self.router.wake.set()

    async def _ask_what_is_due(self) -> None:
        """Ask what is due; requeue the dispatches of dead engines, and count the suspects among those that wait."""
        await self.due.refresh()
        is_any = await self.leases.take_over(may_be_lost="losses" in self.due)
        if is_any or self.quarantine.max_takeovers:
            await self.quarantine.refresh(self.database)
        if self.quarantine.max_takeovers:
            self.wake.set()

    async def _watch_vendors(self) -> None:
        """Try vendors that are away, release what waits for one that is back, and close issues that are over."""
        await waiting.go_on(self.database, timedelta(hours=self.settings.give_up_hours))
        await issues.close_done(self.database)

    async def _beat(self) -> None:
        """Write this engine's heartbeat, with what it cannot do; see how many share its work."""
        host, pid, _ = self.name.rsplit(":", 2)
        trouble, since = self.troubles.now
        await engines.beat(
            self.database,
            self.name,
            host=host,
            pid=int(pid),
            trouble=trouble,
            since=since,
            session=self.session,
            claims=self.slots.is_moving(CALM_SECONDS),
        )
        if "losses" in self.due:
            await dispatches.is_alive(self.database, self.name)
        self.backlog.engines = 1 + await engines.others_that_claim(self.database, self.name)

    async def _leave(self) -> None:
        await dispatches.is_alive(self.database, self.name)
        await engines.forget(self.database, [self.name])

    async def _remember(self) -> None:
        """Write down how far the database is, or hold everything if it is older than it was."""
        await high_water.check(self.database, outside(self.settings), on_disk=True)

    async def _watch_schema(self) -> None:
        """Stop in order where another version has changed the schema: what this code writes may not fit it."""
        try:
            await schema.require(self.database)
        except OtherSchema as error:
            if self.failure is None:
                logger.warning("stopping: %s", error)
            self.failure = error
            self.stop()

    async def _send_events(self, client: PrefectClient) -> bool:
        """Send changes of the inbox to Prefect as events; return True if there are more."""
        if self.settings.events:
            await send_notices(self.database, client, self.settings.base_url)
            await send_event_of_hold(self.database, client)
            return await send_events(self.database, client, self.hooks, self.settings.body_keys) == EVENTS
        await drop_notices(self.database)
        await drop_events(self.database)
        return False

    async def _drain(self) -> None:
        """Let runs end; stop those that do not in time before their next effect, and requeue them."""
        if not self.running:
            return
        logger.info("stopping: %d runs are given %d s to end", len(self.running), DRAIN_SECONDS)
        _, left = await asyncio.wait(self.running, timeout=DRAIN_SECONDS)
        for claimed in self.leases.claimed.values():
            claimed.request_stop(Stop.ENGINE_STOPS)
        if left:
            await asyncio.wait(left, timeout=CUT_SECONDS)
        cut = list(self.leases.claimed.values())
        for task in self.running:
            task.cancel()
        await asyncio.gather(*self.running, return_exceptions=True)
        for claimed in cut:  # as after a crash, but it was not the run's
            self.leases.release(claimed)
            requeue = Requeue(Stop.ENGINE_STOPS.value, seconds=0)
            await self.troubles.fenced("stopping", partial(self._requeue, claimed, requeue), None)

    def _describe_claimed(self) -> str:
        names = (
            f"dispatch {claimed.id} ({claimed.dispatch['deployment']})"
            for claimed in self.leases.claimed.values()
        )
        return ", ".join(names) or "nothing"


def _name(outcome: Outcome) -> str:
    """Return the name of an outcome: it has no text of a vendor or a person."""
    return outcome.state if isinstance(outcome, NewState) else type(outcome).__name__


def _failed(claimed: ClaimedDispatch, reason: str, error: Exception) -> NewState:
    logger.error("%s is failed: %s", claimed, reason, exc_info=error)
    return NewState("failed", reason)
