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

import asyncpg
import httpx
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
from prefect.context import AsyncClientContext

from hookline.database import connect, pool
from hookline.engine.deployments import Deployment
from hookline.engine.routing import BATCH, route_received
from hookline.engine.runs import FlowRuns, ending
from hookline.errors import HooklineError
from hookline.hooks import Hooks
from hookline.inbox import dispatches
from hookline.inbox.deliveries import CHANNEL
from hookline.settings import Settings

logger = logging.getLogger(__name__)

IDLE_SECONDS = 5.0
"""How long a notification may be missed before the inbox is looked at anyway."""
RECONCILE_SECONDS = 5.0
RECONCILE_DAYS = 14
DRAIN_SECONDS = 20.0
PREFECT_AWAY = (httpx.HTTPError, OSError)


class Engine:
    """Runs dispatches until told to stop; any number may run side by side."""

    def __init__(self, settings: Settings, hooks: Hooks, deployments: Mapping[str, Deployment]) -> None:
        self.settings = settings
        self.hooks = hooks
        self.deployments = deployments
        self.name = f"{socket.gethostname()}:{os.getpid()}:{uuid4().hex[:8]}"
        self.lease = timedelta(seconds=settings.lease_seconds)
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
            context = await stack.enter_async_context(AsyncClientContext.get_or_create())
            database = await pool(self.settings)
            self.database, self.runs = database, FlowRuns(database, context.client, self.deployments)
            helpers = [
                asyncio.create_task(self._listen()),
                asyncio.create_task(self._renew()),
                asyncio.create_task(self._reconcile(context.client)),
            ]
            if ready:
                ready.set()
            try:
                while not self.stopping.is_set():
                    await self._turn()
                await self._drain()
            finally:
                for helper in helpers:
                    helper.cancel()
                await asyncio.gather(*helpers, return_exceptions=True)

    async def _turn(self) -> None:
        """Route and claim all there is, then wait for more."""
        self.wake.clear()
        try:
            while await route_received(self.database, self.hooks, self.deployments) == BATCH:
                pass
            free = self.settings.engine_concurrency - len(self.running)
            if free > 0:
                for dispatch in await dispatches.claim(
                    self.database, self.name, limit=free, lease=self.lease
                ):
                    self._start(dispatch)
            due = await dispatches.seconds_to_next(self.database)
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            logger.warning("the database is away: %s", error)
            due = 1.0
        timeout = IDLE_SECONDS if due is None else min(max(due, 0.02), IDLE_SECONDS)
        with suppress(TimeoutError):
            await asyncio.wait_for(self.wake.wait(), timeout)

    def _start(self, dispatch: asyncpg.Record) -> None:
        task = asyncio.create_task(self._run(dispatch), name=f"dispatch {dispatch['id']}")
        self.running.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self.running.discard(task)
        self.wake.set()
        if not task.cancelled() and (error := task.exception()):
            logger.error("%s: %r; its lease runs out and it is taken up again", task.get_name(), error)

    async def _run(self, dispatch: asyncpg.Record) -> None:
        what = f"dispatch {dispatch['id']} of delivery {dispatch['delivery_id']}"
        logger.info("%s starts (%s, key %s)", what, dispatch["deployment"], dispatch["key"])
        try:
            end = await self.runs.run(dispatch)
        except PREFECT_AWAY as error:
            await self._wait_again(dispatch, f"Prefect is away: {error or type(error).__name__}")
        except Exception as error:  # noqa: BLE001  (whatever it is, the delivery must not be lost to it)
            await self._wait_again(dispatch, str(error) or type(error).__name__)
        else:
            logger.info("%s is %s%s", what, end.state, f": {end.reason}" if end.reason else "")
            await dispatches.finish(self.database, dispatch["id"], self.name, end.state, end.reason)

    async def _wait_again(self, dispatch: asyncpg.Record, reason: str) -> None:
        delay = timedelta(seconds=min(2 ** min(dispatch["attempts"], 6), 60))
        logger.warning("dispatch %s waits %d s: %s", dispatch["id"], delay.seconds, reason)
        await dispatches.put_back(self.database, dispatch["id"], self.name, reason, delay)

    async def _listen(self) -> None:
        """Be woken by the gateway; without it, the inbox is looked at every few seconds."""
        while True:
            try:
                connection = await connect(self.settings)
                gone = asyncio.Event()
                connection.add_termination_listener(lambda _, gone=gone: gone.set())
                await connection.add_listener(CHANNEL, lambda *_: self.wake.set())
                self.wake.set()
                await gone.wait()
            except (HooklineError, OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
                logger.warning("not listening to the inbox: %s", error)
            await asyncio.sleep(1)

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(self.lease.total_seconds() / 3)
            try:
                await dispatches.renew(self.database, self.name, self.lease)
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
                logger.warning("cannot renew leases: %s", error)

    async def _reconcile(self, client: PrefectClient) -> None:
        """See what people made of failed runs in the Prefect UI, so that the inbox says the same."""
        while True:
            await asyncio.sleep(RECONCILE_SECONDS)
            try:
                bad = await dispatches.ended_badly(self.database, timedelta(days=RECONCILE_DAYS))
                by_run = {row["flow_run_id"]: row["id"] for row in bad}
                if not by_run:
                    continue
                wanted = FlowRunFilter(id=FlowRunFilterId(any_=list(by_run)))
                for flow_run in await client.read_flow_runs(flow_run_filter=wanted, limit=200):
                    if flow_run.state is not None and (
                        flow_run.state.is_completed() or flow_run.state.is_cancelled()
                    ):
                        end = await ending(self.database, flow_run.id, flow_run.state)
                        reason = f"retried in the Prefect UI{f': {end.reason}' if end.reason else ''}"
                        await dispatches.adopt(self.database, by_run[flow_run.id], end.state, reason)
            except (*PREFECT_AWAY, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
                logger.debug("cannot reconcile now: %s", error)

    async def _drain(self) -> None:
        """Let what runs end; what does not in time is left to its lease."""
        if self.running:
            logger.info("stopping: %d runs are given %d s to end", len(self.running), DRAIN_SECONDS)
            await asyncio.wait(self.running, timeout=DRAIN_SECONDS)
        for task in self.running:
            task.cancel()
        await asyncio.gather(*self.running, return_exceptions=True)
