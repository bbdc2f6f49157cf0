"""One dispatch, one flow run: created on its deployment, run here, and found again after a crash."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast
from uuid import UUID

import asyncpg
from prefect import Flow
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.objects import FlowRun, State
from prefect.exceptions import ObjectNotFound
from prefect.flow_engine import run_flow_async
from prefect.states import Pending

from hookline.engine.deployments import Deployment
from hookline.errors import HooklineError
from hookline.inbox import dispatches

PREFECT_PREAMBLE = "Flow run encountered an exception: "


@dataclass(frozen=True)
class Ending:
    """How a dispatch ended, in the words of the inbox."""

    state: str
    reason: str | None


class FlowRuns:
    """Creates, resumes and runs flow runs in this process."""

    def __init__(
        self, database: asyncpg.Pool, client: PrefectClient, deployments: Mapping[str, Deployment]
    ) -> None:
        self.database = database
        self.client = client
        self.deployments = deployments
        self.ids: dict[str, UUID] = {}

    async def run(self, dispatch: asyncpg.Record) -> Ending:
        """
        Run the flow run of a dispatch to its end; after a crash, the same one goes on.

        Raises:
            httpx.HTTPError: Prefect is away; the dispatch should wait.
            HooklineError: the deployment is not on the Prefect server.
        """
        flow_run = await self._flow_run(dispatch)
        if dispatch["flow_run_id"] != flow_run.id:
            await dispatches.note_flow_run(self.database, dispatch["id"], flow_run.id)
        state = flow_run.state or Pending()
        if not _is_over(state):
            if not state.is_pending():
                await self._take_back(flow_run)
            state = await self._run_here(flow_run, self.deployments[dispatch["deployment"]].flow())
        return await ending(self.database, flow_run.id, state)

    async def _run_here(self, flow_run: FlowRun, flow: Flow[..., Any]) -> State[Any]:
        state = await run_flow_async(
            flow, flow_run=flow_run, parameters=flow_run.parameters, return_type="state"
        )
        return cast("State[Any]", state)  # as asked for by return_type

    async def _flow_run(self, dispatch: asyncpg.Record) -> FlowRun:
        replay = f":replay-{dispatch['replays']}" if dispatch["replays"] else ""
        return await self.client.create_flow_run_from_deployment(
            await self._deployment_id(dispatch["deployment"]),
            parameters=dispatch["parameters"],
            idempotency_key=f"{dispatch['id']}{replay}",
            # Pending, not Scheduled: no worker may take what this engine is about to run.
            state=Pending(message="Started by a webhook."),
            tags=[f"delivery:{dispatch['delivery_id']}", f"route:{dispatch['route']}"],
        )

    async def _take_back(self, flow_run: FlowRun) -> None:
        """Put a run that another process left in the middle, or that failed, back to where it may run."""
        await self.client.set_flow_run_state(
            flow_run.id, Pending(message="Goes on where it stopped."), force=True
        )
        flow_run.state = (await self.client.read_flow_run(flow_run.id)).state

    async def _deployment_id(self, name: str) -> UUID:
        if name not in self.ids:
            try:
                self.ids[name] = (await self.client.read_deployment_by_name(name)).id
            except ObjectNotFound:
                raise HooklineError(
                    f"The Prefect server has no deployment {name}. Make it with: hookline apply"
                ) from None
        return self.ids[name]


async def ending(database: asyncpg.Pool, flow_run_id: UUID, state: State[Any]) -> Ending:
    """What the inbox says of a flow run that ended in this state."""
    if state.is_completed():
        return Ending("done", state.message if state.name != "Completed" else None)
    if state.is_cancelled():
        return Ending("discarded", state.message or "cancelled in the Prefect UI")
    unknown = await database.fetchval(
        "SELECT reason FROM effects WHERE flow_run_id = $1 AND state = 'uncertain' LIMIT 1", flow_run_id
    )
    reason = (state.message or state.name or "").removeprefix(PREFECT_PREAMBLE)
    return Ending("failed" if unknown is None else "uncertain", reason)


def _is_over(state: State[Any]) -> bool:
    """A failed or crashed run goes on when its dispatch is claimed again; these do not."""
    return state.is_completed() or state.is_cancelled()
