"""
The engine's loop: wake, claim, run, finish; and drain when told to stop. Beside it, what comes is routed.

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
from functools import partial
from uuid import uuid4

from prefect.client.orchestration import PrefectClient

from hookline.clients import SharedConnections
from hookline.context import working_on
from hookline.crash_points import crash_point
from hookline.database import connect, is_connection_error, pool
from hookline.engine.batch import Batches, BatchRun, MustNotBatch
from hookline.engine.caretaker import look_after
from hookline.engine.configuration import Configuration
from hookline.engine.events import BATCH as EVENTS
from hookline.engine.events import tell_nobody, tell_prefect
from hookline.engine.leases import ClaimedDispatch, Leases
from hookline.engine.liveness import alive
from hookline.engine.loop_watchdog import guard_loop
from hookline.engine.maintenance import PRUNE_SECONDS, prune_old
from hookline.engine.quarantine import Quarantine
from hookline.engine.reconcile import Reconciler
from hookline.engine.routing import Router
from hookline.engine.runs import Discarded, Ending, EngineStops, FlowRuns, LeaseLost
from hookline.engine.trouble import Troubles
from hookline.errors import HooklineError
from hookline.hooks import Hooks
from hookline.inbox import dispatches, engines
from hookline.inbox.audit import acting
from hookline.inbox.configuration import RELOAD
from hookline.inbox.deliveries import CHANNEL
from hookline.prefect_adapter import errors, storable, waits
from hookline.prefect_adapter.client import shared_client
from hookline.prefect_adapter.control import Stop
from hookline.provisioning.deployments import Deployment
from hookline.settings import Settings

logger = logging.getLogger(__name__)

IDLE_SECONDS = 5.0
"""How long a notification may be missed before the inbox is looked at anyway."""
RECONCILE_SECONDS = 2.0
TELL_SECONDS = 1.0
ATTEND_SECONDS = 1.0
"""From one look at what dead engines left, and at what people discard, to the next."""
BEAT_SECONDS = 2.0
UNEXPECTED = 5
"""An error that nobody foresaw, or that Prefect fails over though it is well, ends a dispatch at so many attempts."""
WAITS_SECONDS = 0.5
DRAIN_SECONDS = 20.0
RAMP_UP, STEP_SECONDS = 2, 0.2
"""So many flow runs are begun at a time, and the next ones later: the rest of a burst is for a lane."""
BATCH_SLOTS = 2
"""So many times as many dispatches run at once in a lane: they cost this machine little, and wait for vendors."""
GATHER_SECONDS = 0.03
"""How long slots in a lane become free until they are filled together."""
PREFECT_IS_AWAY = "Prefect is away"
CUT_SECONDS = 5.0
"""How long what did not end in time is given to be put back."""
BLOCKED_SECONDS = 5.0


class Engine:
    """Runs dispatches until told to stop; any number may run side by side."""

    def __init__(
        self,
        settings: Settings,
        hooks: Hooks,
        deployments: Mapping[str, Deployment],
        configuration: Configuration | None = None,
    ) -> None:
        self.settings = settings
        self.configuration = configuration
        self.hooks = hooks
        self.deployments = deployments
        self.name = f"{socket.gethostname()}:{os.getpid()}:{uuid4().hex[:8]}"
        self.leases = Leases(settings, self.name)
        self.slots = self.leases.slots
        self.quarantine = Quarantine(self.leases, deployments)
        self.troubles = Troubles()
        self.stopping = asyncio.Event()
        self.wake = asyncio.Event()
        self.running: set[asyncio.Task[None]] = set()

    def stop(self) -> None:
        """Take nothing new; what runs is given time to end."""
        self.stopping.set()
        self.wake.set()

    def reload(self) -> None:
        """Read the files again before the next turn; what runs goes on with the code that it began with."""
        if self.configuration:
            self.configuration.ask()
            self.wake.set()

    async def serve(self, *, ready: asyncio.Event | None = None) -> None:
        """Work until stopped."""
        async with AsyncExitStack() as stack:
            patience = min(BLOCKED_SECONDS, self.settings.lease_seconds / 3)
            stack.enter_context(guard_loop(self._describe_claimed, patience, self.settings.blocked_seconds))
            stack.enter_context(alive(self.settings.home, self.name))
            storable.install()
            waits.install()
            client = await stack.enter_async_context(shared_client())
            await stack.enter_async_context(SharedConnections())
            database = await pool(self.settings)
            self.database, self.runs = database, FlowRuns(database, client, self.deployments)
            self.backlog = Batches(self.settings, database, client, self.hooks, self.deployments)
            self.router = Router(
                database, self.hooks, self.deployments, self.settings.body_keys, on_routed=self.wake.set
            )
            routing = asyncio.create_task(self.router.serve())
            loop = asyncio.get_running_loop()
            self.slots.free = lambda: loop.call_soon_threadsafe(self.wake.set)
            reconciler = Reconciler(database, client, self.leases, self.deployments, self.troubles)
            loops = (
                ("listening to the inbox", self._listen, 1),
                ("renewing leases", self.leases.keep, self.settings.lease_seconds / 3),
                ("taking over from dead engines", self._take_over, ATTEND_SECONDS),
                ("stopping what is discarded", self.leases.honour_discards, ATTEND_SECONDS),
                ("saying that it lives", self._beat, BEAT_SECONDS),
                (
                    "saying what waits",
                    partial(self.slots.tell, database, self.name, self.deployments),
                    WAITS_SECONDS,
                ),
                ("reconciling with Prefect", reconciler.look, RECONCILE_SECONDS),
                ("telling Prefect of changes", partial(self._tell, client), TELL_SECONDS),
                ("pruning", partial(prune_old, database, self.settings, self.hooks), PRUNE_SECONDS),
            )
            helpers = [asyncio.create_task(self.troubles.for_ever(*loop)) for loop in loops]
            helpers.append(asyncio.create_task(look_after(client, database, self.settings)))
            if self.configuration:
                helpers.append(asyncio.create_task(self.configuration.keep_told(database, client)))
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
            finally:
                for helper in (routing, *helpers):
                    helper.cancel()
                await asyncio.gather(routing, *helpers, return_exceptions=True)
                await self.troubles.fenced("leaving", partial(engines.forget, database, [self.name]), None)

    async def _turn(self) -> None:
        """Claim what there is, then wait for more."""
        self.wake.clear()
        more = await self.troubles.fenced("claiming dispatches", self._claim, otherwise=False)
        if more or self.slots.at_work() >= RAMP_UP:
            await asyncio.sleep(STEP_SECONDS if self.backlog.batch is None else GATHER_SECONDS)
        if more:
            return
        timeout = await self.troubles.fenced("looking for what is due", self._seconds_to_next, 1.0)
        with suppress(TimeoutError):
            await asyncio.wait_for(self.wake.wait(), timeout)

    async def _seconds_to_next(self) -> float:
        due = await dispatches.seconds_to_next(self.database)
        return IDLE_SECONDS if due is None else min(max(due, 0.02), IDLE_SECONDS)

    async def _claim(self) -> bool:
        """Begin what may run now and has a slot; whether that left some."""
        in_batch = self.backlog.batch is not None
        self.slots.at_once = self.settings.engine_concurrency * (BATCH_SLOTS if in_batch else 1)
        most = self.slots.free_now() if in_batch else min(self.slots.free_now(), RAMP_UP)
        if most <= 0 or self.quarantine.is_closed:
            return False
        open_to = self.slots.open_to(self.deployments)
        innocent = [] if self.quarantine.makes_room else await self.leases.claim(most, open_to)
        more = len(innocent) == most
        try:
            await self.backlog.open(more=more)
        finally:  # what is claimed is begun, whatever happens: its lease is renewed for as long as it is in hand
            for claimed in innocent:
                self._start(claimed)
        if more:
            return True
        self.backlog.close_batch()
        free_slots = most - len(innocent)
        suspects = await self.quarantine.claim(free_slots)
        for suspect in suspects:
            self._start(suspect)
        return len(suspects) == free_slots

    def _start(self, claimed: ClaimedDispatch) -> None:
        task = asyncio.create_task(self._run(claimed, self._batch_for(claimed)))
        self.running.add(task)
        task.add_done_callback(self._ended)

    def _batch_for(self, claimed: ClaimedDispatch) -> BatchRun | None:
        try:
            return self.backlog.batch_for(claimed)
        except Exception:  # noqa: BLE001  (a run of its own will say what is wrong with its flow)
            return None

    def _ended(self, task: asyncio.Task[None]) -> None:
        self.running.discard(task)
        self.wake.set()
        if not task.cancelled() and (error := task.exception()):
            logger.error("%r; the lease of its dispatch runs out and it is taken up again", error)

    async def _run(self, claimed: ClaimedDispatch, batch: BatchRun | None) -> None:
        dispatch = claimed.dispatch
        what = f"dispatch {claimed.id} of delivery {dispatch['delivery_id']}"
        logger.info("%s starts (%s, key %s)", what, dispatch["deployment"], dispatch["key"])
        crash_point("dispatch claimed")
        try:
            with working_on(dispatch["delivery_id"], claimed.id, claimed, slot=claimed.slot):
                if batch is None:
                    end = await self.runs.run(claimed)
                else:
                    end = await batch.run(claimed, self.deployments[dispatch["deployment"]])
        except LeaseLost as error:
            logger.warning("%s is left to others: %s", what, error)
        except MustNotBatch as error:
            logger.warning("%s begins anew in a flow run of its own: %s", what, error)
            self.leases.release(claimed)
            await dispatches.unbatch(self.database, claimed.id, self.name, str(error))
        except EngineStops as error:
            await self._requeue(claimed, str(error), seconds=0)
        except Discarded as error:
            logger.info("%s was stopped: %s", what, error)
            self.leases.release(claimed)
            await dispatches.stopped(self.database, claimed.id, self.name)
        except Exception as error:  # noqa: BLE001  (whatever it is, the delivery must not be lost to it)
            await self._cannot_run(claimed, error)
        else:
            logger.info("%s is %s%s", what, end.state, f": {end.reason}" if end.reason else "")
            crash_point("flow run ended")
            await self._finish(claimed, end)
        finally:
            self.leases.release(claimed)

    async def _cannot_run(self, claimed: ClaimedDispatch, error: Exception) -> None:
        """Let a dispatch wait for what is away; end it where Prefect refuses it for good, or nobody knows better."""
        said = errors.message(error)
        if errors.is_refusal(error):
            await self._give_up(claimed, f"Prefect refuses it: {said}", error)
        elif errors.is_unavailable(error):
            if await self._is_poison(claimed, error):
                await self._give_up(
                    claimed, f"Prefect fails over it each time, though it is well: {said}", error
                )
            else:
                await self._wait_again(
                    claimed, said if said.startswith(PREFECT_IS_AWAY) else f"{PREFECT_IS_AWAY}: {said}"
                )
        elif isinstance(error, HooklineError) or is_connection_error(error):
            await self._wait_again(claimed, said)
        elif claimed.dispatch["attempts"] < UNEXPECTED:
            logger.error("dispatch %s cannot be run", claimed.id, exc_info=error)
            await self._wait_again(claimed, f"{type(error).__name__}: {said}")
        else:
            await self._give_up(claimed, f"It cannot be run: {type(error).__name__}: {said}", error)

    async def _is_poison(self, claimed: ClaimedDispatch, error: Exception) -> bool:
        """Whether Prefect cannot digest this dispatch, and is well otherwise."""
        often = claimed.dispatch["attempts"] >= UNEXPECTED
        return often and errors.failed_inside(error) and await errors.is_ready(self.runs.client)

    async def _give_up(self, claimed: ClaimedDispatch, reason: str, error: Exception) -> None:
        logger.error("dispatch %s is failed: %s", claimed.id, reason, exc_info=error)
        await self._finish(claimed, Ending("failed", reason))

    async def _finish(self, claimed: ClaimedDispatch, end: Ending) -> None:
        self.leases.release(
            claimed
        )  # from here on, a lease that cannot be renewed is no reason to stop anything
        async with self.database.acquire() as connection, AsyncExitStack() as stack:
            if end.actor:
                await stack.enter_async_context(acting(connection, end.actor, end.reason or end.state))
            if not await dispatches.finish(
                connection, claimed.id, self.name, end.state, end.reason, waits_for=end.waits_for
            ):
                logger.warning("dispatch %s was taken over meanwhile; its end is left to others", claimed.id)

    async def _wait_again(self, claimed: ClaimedDispatch, reason: str) -> None:
        await self._requeue(claimed, reason, seconds=min(2 ** min(claimed.dispatch["attempts"], 6), 60))

    async def _requeue(self, claimed: ClaimedDispatch, reason: str, seconds: int) -> None:
        logger.warning("dispatch %s waits %d s: %s", claimed.id, seconds, reason)
        self.leases.release(claimed)
        await dispatches.requeue(self.database, claimed.id, self.name, reason, timedelta(seconds=seconds))

    async def _listen(self) -> None:
        """Be woken by the gateway; without it, the inbox is looked at every few seconds."""
        async with AsyncExitStack() as stack:
            connection = await connect(self.settings)
            stack.push_async_callback(connection.close)
            gone = asyncio.Event()
            connection.add_termination_listener(lambda *_: gone.set())
            await connection.add_listener(CHANNEL, lambda *_: self._awake())
            await connection.add_listener(RELOAD, lambda *_: self.reload())
            self._awake()
            await gone.wait()

    def _awake(self) -> None:
        self.wake.set()
        self.router.wake.set()

    async def _take_over(self) -> None:
        """Let wait again what dead engines left, and see which suspects wait."""
        await self.leases.take_over()
        await self.quarantine.look(self.database)
        if self.quarantine.most_deaths:
            self.wake.set()

    async def _beat(self) -> None:
        """Say that this engine lives, and what it cannot do."""
        host, pid, _ = self.name.rsplit(":", 2)
        trouble, since = self.troubles.now
        await engines.beat(self.database, self.name, host=host, pid=int(pid), trouble=trouble, since=since)

    async def _tell(self, client: PrefectClient) -> bool:
        """Let Prefect know what happens in the inbox; whether there is more."""
        if self.settings.events:
            return await tell_prefect(self.database, client, self.hooks, self.settings.body_keys) == EVENTS
        await tell_nobody(self.database)
        return False

    async def _drain(self) -> None:
        """Let what runs end; what does not in time is stopped before its next effect, and put back."""
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
        for claimed in cut:  # as after a crash, but not by its fault
            await self.troubles.fenced(
                "stopping", partial(self._requeue, claimed, Stop.ENGINE_STOPS.value, 0), None
            )

    def _describe_claimed(self) -> str:
        names = (
            f"dispatch {claimed.id} ({claimed.dispatch['deployment']})"
            for claimed in self.leases.claimed.values()
        )
        return ", ".join(names) or "nothing"
