"""
The engine's loop: wake, route, claim, run, finish; and drain when told to stop.

Everything it knows is in PostgreSQL. It may be killed at any moment: its leases run out, and another engine
(or this one, started again) goes on with the same flow runs.
"""

import asyncio
import logging
import os
import socket
from collections.abc import Mapping
from contextlib import AsyncExitStack, suppress
from datetime import timedelta
from uuid import uuid4

import httpx
from prefect.client.orchestration import PrefectClient
from prefect.context import AsyncClientContext

import hookline.prefect_adapter.waits  # noqa: F401  (from here on, Prefect tells where it waits)
from hookline.clients import SharedConnections
from hookline.context import working_on
from hookline.crash_points import crash_point
from hookline.database import CONNECTION_ERRORS, connect, pool
from hookline.engine.deployments import Deployment
from hookline.engine.events import BATCH as EVENTS
from hookline.engine.events import tell_nobody, tell_prefect
from hookline.engine.lane import Backlog, Lane, WantsOwnRun
from hookline.engine.leases import InHand, Leases, Stop
from hookline.engine.reconcile import Reconciler
from hookline.engine.routing import BATCH, route_received
from hookline.engine.runs import Ending, EngineStops, FlowRuns, NotOurs
from hookline.engine.upkeep import prune_hourly
from hookline.engine.watch import watching
from hookline.hooks import Hooks
from hookline.inbox import dispatches
from hookline.inbox.audit import acting
from hookline.inbox.deliveries import CHANNEL
from hookline.settings import Settings

logger = logging.getLogger(__name__)

IDLE_SECONDS = 5.0
"""How long a notification may be missed before the inbox is looked at anyway."""
RECONCILE_SECONDS = 2.0
TELL_SECONDS = 1.0
WAITS_SECONDS = 0.5
DRAIN_SECONDS = 20.0
STEP, STEP_SECONDS = 2, 0.2
"""So many flow runs are begun at a time, and the next ones later: the rest of a burst is for a lane."""
LANE_SLOTS = 2
"""So many times as many dispatches run at once in a lane: they cost this machine little, and wait for vendors."""
GATHER_SECONDS = 0.03
"""How long slots in a lane become free until they are filled together."""
CUT_SECONDS = 5.0
"""How long what did not end in time is given to be put back."""
BLOCKED_SECONDS = 5.0
PREFECT_AWAY = (httpx.HTTPError, OSError)


class Engine:
    """Runs dispatches until told to stop; any number may run side by side."""

    def __init__(self, settings: Settings, hooks: Hooks, deployments: Mapping[str, Deployment]) -> None:
        self.settings = settings
        self.hooks = hooks
        self.deployments = deployments
        self.name = f"{socket.gethostname()}:{os.getpid()}:{uuid4().hex[:8]}"
        self.leases = Leases(settings, self.name)
        self.slots = self.leases.slots
        self.stopping = asyncio.Event()
        self.wake = asyncio.Event()
        self.running: set[asyncio.Task[None]] = set()

    def stop(self) -> None:
        """Take nothing new; what runs is given time to end."""
        self.stopping.set()
        self.wake.set()

    async def serve(self, *, ready: asyncio.Event | None = None) -> None:
        """Work until stopped."""
        async with AsyncExitStack() as stack:
            stack.enter_context(
                watching(self._in_hand, min(BLOCKED_SECONDS, self.settings.lease_seconds / 3))
            )
            context = await stack.enter_async_context(AsyncClientContext.get_or_create())
            await stack.enter_async_context(SharedConnections())
            database = await pool(self.settings)
            self.database, self.runs = database, FlowRuns(database, context.client, self.deployments)
            self.backlog = Backlog(self.settings, database, context.client, self.hooks, self.deployments)
            loop = asyncio.get_running_loop()
            self.slots.free = lambda: loop.call_soon_threadsafe(self.wake.set)
            helpers = [
                asyncio.create_task(self._listen()),
                asyncio.create_task(self._tell_waits()),
                asyncio.create_task(self.leases.keep()),
                asyncio.create_task(self._reconcile(context.client)),
                asyncio.create_task(self._tell(context.client)),
                asyncio.create_task(prune_hourly(database, self.settings, self.hooks)),
            ]
            if ready:
                ready.set()
            try:
                while not self.stopping.is_set():
                    await self._turn()
                await self._drain()
                await self.backlog.close()
            finally:
                for helper in helpers:
                    helper.cancel()
                await asyncio.gather(*helpers, return_exceptions=True)

    async def _turn(self) -> None:
        """Route and claim what there is, then wait for more."""
        self.wake.clear()
        try:
            keys = self.settings.body_keys
            while await route_received(self.database, self.hooks, self.deployments, keys) == BATCH:
                pass
            more = await self._claim()
            if more or self.slots.at_work() >= STEP:
                await asyncio.sleep(STEP_SECONDS if self.backlog.lane is None else GATHER_SECONDS)
            if more:
                return
            due = await dispatches.seconds_to_next(self.database)
        except CONNECTION_ERRORS as error:
            logger.warning("the database is away: %s", error)
            due = 1.0
        timeout = IDLE_SECONDS if due is None else min(max(due, 0.02), IDLE_SECONDS)
        with suppress(TimeoutError):
            await asyncio.wait_for(self.wake.wait(), timeout)

    async def _claim(self) -> bool:
        """Begin what may run now and has a slot; whether that left some."""
        in_lane = self.backlog.lane is not None
        self.slots.at_once = self.settings.engine_concurrency * (LANE_SLOTS if in_lane else 1)
        most = self.slots.free_now() if in_lane else min(self.slots.free_now(), STEP)
        if most <= 0:
            return False
        claimed = await self.leases.claim(most, self.slots.open_to(self.deployments))
        more = len(claimed) == most
        await self.backlog.open(more=more)
        for hand in claimed:
            self._start(hand)
        if not more:
            self.backlog.close_lane()
        return more

    def _start(self, hand: InHand) -> None:
        task = asyncio.create_task(self._run(hand, self.backlog.lane_for(hand)))
        self.running.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self.running.discard(task)
        self.wake.set()
        if not task.cancelled() and (error := task.exception()):
            logger.error("%r; the lease of its dispatch runs out and it is taken up again", error)

    async def _run(self, hand: InHand, lane: Lane | None) -> None:
        dispatch = hand.dispatch
        what = f"dispatch {hand.id} of delivery {dispatch['delivery_id']}"
        logger.info("%s starts (%s, key %s)", what, dispatch["deployment"], dispatch["key"])
        crash_point("dispatch claimed")
        try:
            with working_on(dispatch["delivery_id"], hand.id, hand, slot=hand.slot):
                if lane is None:
                    end = await self.runs.run(hand)
                else:
                    end = await lane.carry(hand, self.deployments[dispatch["deployment"]])
        except NotOurs as error:
            logger.warning("%s is left to others: %s", what, error)
        except WantsOwnRun as error:
            logger.warning("%s begins anew in a flow run of its own: %s", what, error)
            self.leases.let_go(hand)
            await dispatches.give_own_run(self.database, hand.id, self.name, str(error))
        except EngineStops as error:
            await self._put_back(hand, str(error), seconds=0)
        except PREFECT_AWAY as error:
            await self._wait_again(hand, f"Prefect is away: {error or type(error).__name__}")
        except Exception as error:  # noqa: BLE001  (whatever it is, the delivery must not be lost to it)
            await self._wait_again(hand, str(error) or type(error).__name__)
        else:
            logger.info("%s is %s%s", what, end.state, f": {end.reason}" if end.reason else "")
            crash_point("flow run ended")
            await self._finish(hand, end)
        finally:
            self.leases.let_go(hand)

    async def _finish(self, hand: InHand, end: Ending) -> None:
        self.leases.let_go(hand)  # from here on, a lease that cannot be renewed is no reason to stop anything
        async with self.database.acquire() as connection, AsyncExitStack() as stack:
            if end.actor:
                await stack.enter_async_context(acting(connection, end.actor, end.reason or end.state))
            if not await dispatches.finish(
                connection, hand.id, self.name, end.state, end.reason, waits_for=end.waits_for
            ):
                logger.warning("dispatch %s was taken over meanwhile; its end is left to others", hand.id)

    async def _wait_again(self, hand: InHand, reason: str) -> None:
        await self._put_back(hand, reason, seconds=min(2 ** min(hand.dispatch["attempts"], 6), 60))

    async def _put_back(self, hand: InHand, reason: str, seconds: int) -> None:
        logger.warning("dispatch %s waits %d s: %s", hand.id, seconds, reason)
        self.leases.let_go(hand)
        await dispatches.put_back(self.database, hand.id, self.name, reason, timedelta(seconds=seconds))

    async def _listen(self) -> None:
        """Be woken by the gateway; without it, the inbox is looked at every few seconds."""
        while True:
            try:
                async with AsyncExitStack() as stack:
                    connection = await connect(self.settings)
                    stack.push_async_callback(connection.close)
                    gone = asyncio.Event()
                    connection.add_termination_listener(lambda _, gone=gone: gone.set())
                    await connection.add_listener(CHANNEL, lambda *_: self.wake.set())
                    self.wake.set()
                    await gone.wait()
            except CONNECTION_ERRORS as error:
                logger.warning("not listening to the inbox: %s", error)
            await asyncio.sleep(1)

    async def _reconcile(self, client: PrefectClient) -> None:
        """Honour what people do, in the Prefect UI and in the inbox."""
        reconciler = Reconciler(self.database, client, self.leases, self.deployments)
        while True:
            await asyncio.sleep(RECONCILE_SECONDS)
            try:
                await reconciler.look()
            except (*PREFECT_AWAY, *CONNECTION_ERRORS) as error:
                logger.debug("cannot reconcile now: %s", error)

    async def _tell(self, client: PrefectClient) -> None:
        """Let Prefect know what happens in the inbox."""
        while True:
            told = 0
            try:
                if self.settings.events:
                    told = await tell_prefect(self.database, client, self.hooks, self.settings.body_keys)
                else:
                    await tell_nobody(self.database)
            except (*PREFECT_AWAY, *CONNECTION_ERRORS) as error:
                logger.debug("cannot tell Prefect now: %s", error)
            if told < EVENTS:
                await asyncio.sleep(TELL_SECONDS)

    async def _tell_waits(self) -> None:
        """Say in the inbox what waits for what."""
        while True:
            await asyncio.sleep(WAITS_SECONDS)
            try:
                await self.slots.tell(self.database, self.name, self.deployments)
            except CONNECTION_ERRORS as error:
                logger.debug("cannot say what waits: %s", error)

    async def _drain(self) -> None:
        """Let what runs end; what does not in time is stopped before its next effect, and put back."""
        if not self.running:
            return
        logger.info("stopping: %d runs are given %d s to end", len(self.running), DRAIN_SECONDS)
        _, left = await asyncio.wait(self.running, timeout=DRAIN_SECONDS)
        for hand in self.leases.in_hand.values():
            hand.halt(Stop.ENGINE_STOPS)
        if left:
            await asyncio.wait(left, timeout=CUT_SECONDS)
        for task in self.running:
            task.cancel()
        await asyncio.gather(*self.running, return_exceptions=True)

    def _in_hand(self) -> str:
        names = (
            f"dispatch {hand.id} ({hand.dispatch['deployment']})" for hand in self.leases.in_hand.values()
        )
        return ", ".join(names) or "nothing"
