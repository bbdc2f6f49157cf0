"""
What people do to runs in the Prefect UI, brought to the inbox; and what they do in the inbox, brought to Prefect.

Nobody else enforces a cancellation of a run that is in an engine. One question to Prefect each few seconds, about
all that may have changed; the engines take turns at what none of them has in hand.
"""

import logging
from collections.abc import Collection, Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg
from prefect._flow_run_suspension import mark_flow_run_suspension_requested
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
from prefect.client.schemas.objects import State
from prefect.exceptions import ObjectNotFound

from hookline.database.types import Connection
from hookline.engine.leases import InHand, Leases, Stop
from hookline.engine.runs import DELETED, UI, WAITS, Ending, cancel, ending
from hookline.inbox import dispatches
from hookline.inbox.audit import acting

logger = logging.getLogger(__name__)

FOLLOW = timedelta(days=14)
"""For how long the retry of a run that failed is noticed."""
SOME = 50
"""Of what has failed: so many of the latest are looked at each time, and so many of the others in turns."""
PAGE = 200
"""The most flow runs that Prefect tells of at once."""

RETRIED = "retried in the Prefect UI"
WORKER = "Prefect's worker"

States = Mapping[UUID, State[Any]]


class Reconciler:
    """Looks at Prefect and at the inbox, and makes them agree."""

    def __init__(
        self, database: asyncpg.Pool, client: PrefectClient, leases: Leases, deployments: Collection[str]
    ) -> None:
        self.database = database
        self.client = client
        self.leases = leases
        self.deployments = deployments
        self.after = 0

    async def look(self) -> None:
        """
        Look once.

        Raises:
            httpx.HTTPError: Prefect is away.
        """
        async with self.database.acquire() as connection:  # which also lets go of the lock
            turn = await connection.fetchval("SELECT pg_try_advisory_lock(hashtextextended('reconcile', 0))")
            await self._look(connection, await self._followed(connection) if turn else [])

    async def _look(self, connection: Connection, followed: list[asyncpg.Record]) -> None:
        in_hand = {
            hand.flow_run_id: hand for hand in self.leases.in_hand.values() if hand.flow and hand.flow_run_id
        }
        states = await self._states([*in_hand, *(row["flow_run_id"] for row in followed)])
        for flow_run_id, hand in in_hand.items():
            await self._see(hand, flow_run_id, states)
        for dispatch in followed:
            await self._follow(connection, dispatch, states.get(dispatch["flow_run_id"]))

    async def _followed(self, connection: Connection) -> list[asyncpg.Record]:
        await dispatches.note_strangers(connection, self.deployments)
        rows = await dispatches.followed(connection, after=self.after, limit=SOME, within=FOLLOW)
        self.after = max((row["seq"] for row in rows if row["in_turn"]), default=0)
        return rows

    async def _states(self, flow_run_ids: list[UUID]) -> States:
        states = {}
        for start in range(0, len(flow_run_ids), PAGE):
            wanted = FlowRunFilter(id=FlowRunFilterId(any_=flow_run_ids[start : start + PAGE]))
            for flow_run in await self.client.read_flow_runs(flow_run_filter=wanted, limit=PAGE):
                if flow_run.state is not None:
                    states[flow_run.id] = flow_run.state
        return states

    async def _see(self, hand: InHand, flow_run_id: UUID, states: States) -> None:
        """What Prefect says of a run in hand."""
        if hand.stop is not None:  # it was told so; an effect may have been in flight
            hand.halt(hand.stop)
            return
        state = states.get(flow_run_id)
        if state is None:
            if await self._is_deleted(flow_run_id):
                hand.halt(Stop.DELETED)
            return
        hand.waits = state.is_paused()  # it blocks, but nothing is done meanwhile
        if state.is_cancelling():
            hand.halt(Stop.CANCELLED)
        elif state.is_paused() and state.state_details.pause_reschedule:
            mark_flow_run_suspension_requested(flow_run_id, state)  # it ends before its next task
        elif state.is_final() and hand.seen_over:  # seen once, it may be ending here by itself
            hand.halt(Stop.ENDED)
        hand.seen_over = state.is_final()

    async def _follow(
        self, connection: Connection, dispatch: asyncpg.Record, state: State[Any] | None
    ) -> None:
        """What Prefect says of a run that no engine has in hand."""
        if dispatch["state"] == "discarded" and _is_left_open(dispatch, state):
            if state is not None and not state.is_final():
                message = f"Discarded in the inbox: {dispatch['reason']}"
                await cancel(self.client, dispatch["flow_run_id"], message)
            await dispatches.closed(connection, dispatch["id"])
        elif became := await self._became(dispatch, state):
            logger.info("dispatch %s is %s: %s", dispatch["id"], became.state, became.reason)
            reason = became.reason or f"{dispatch['state']} no more"
            async with acting(connection, became.actor or UI, reason):
                await dispatches.follow(connection, dispatch, became.state, became.reason)

    async def _became(self, dispatch: asyncpg.Record, state: State[Any] | None) -> Ending | None:
        """What became of a dispatch, where Prefect says something else than the inbox."""
        was, flow_run_id = dispatch["state"], dispatch["flow_run_id"]
        if state is None:
            is_open = was in {"held", "running"}
            return DELETED if is_open and await self._is_deleted(flow_run_id) else None
        if was == "held":
            return await self._answered(dispatch, state)
        if state.is_paused():
            return Ending("held", WAITS)
        if state.is_final():
            return await self._ended(dispatch, state)
        return Ending("running", RETRIED) if was != "running" else None

    async def _ended(self, dispatch: asyncpg.Record, state: State[Any]) -> Ending | None:
        """What became of a dispatch that Prefect's worker may have run."""
        was = dispatch["state"]
        end = await ending(self.database, dispatch["id"], dispatch["flow_run_id"], state)
        if end.state == "discarded":
            return end if was != "discarded" else None
        reason = RETRIED + (f": {end.reason}" if end.reason else "")
        if was == "running":
            return Ending(end.state, reason, WORKER)
        return Ending(end.state, reason) if end.state == "done" else None

    async def _answered(self, dispatch: asyncpg.Record, state: State[Any]) -> Ending | None:
        """What became of a dispatch that waited for a person."""
        if state.is_paused():
            return None
        if state.is_cancelling():  # it has no process that could end it
            state = await cancel(self.client, dispatch["flow_run_id"], "Cancelled while it waited.")
        if state.is_final():
            return await ending(self.database, dispatch["id"], dispatch["flow_run_id"], state)
        return Ending("dispatched" if state.is_scheduled() else "running", "resumed in the Prefect UI")

    async def _is_deleted(self, flow_run_id: UUID) -> bool:
        try:
            await self.client.read_flow_run(flow_run_id)
        except ObjectNotFound:
            return True
        return False


def _is_left_open(dispatch: asyncpg.Record, state: State[Any] | None) -> bool:
    """
    Whether the run of a discarded dispatch is still to be cancelled.

    It was discarded while it waited: for a person, or for an engine that would take it up again. One that is
    scheduled or runs for another reason was retried in the Prefect UI after it had been discarded.
    """
    waited = state is not None and (state.is_paused() or state.name == "Resuming")
    return waited or dispatch["lease_owner"] is not None
