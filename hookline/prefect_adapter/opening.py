"""
The opening of a flow run: made at Prefect as running, with all that its engine would tell it of afterwards.

Before the first line of a flow, Prefect's own engine makes four requests more: about the policy of its run, the state
Pending, the state Running, and the run as it is then. All of that is this process's own decision, so one request says
it. Where the server has a say (a limit of its deployment, a run that was there before), it is asked as Prefect asks it.
"""

import time
from collections.abc import Iterable, Mapping
from typing import Any, Final
from uuid import UUID

import httpx
from prefect import Flow
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.objects import FlowRun, FlowRunPolicy
from prefect.client.schemas.responses import DeploymentResponse
from prefect.states import Running, to_state_create
from typing_extensions import override

from hookline.prefect_adapter.run_marks import FOR_ENGINE

FRESH_SECONDS: Final = 5.0
"""The time for which a deployment is taken to be as it was read: people change its parameters and limits in the UI."""
DIRECTIVE: Final = "__prefect_kind"
"""The name by which a default parameter asks the server to fill it in."""


class KnownDeployments:
    """The deployments of Prefect's server, each read again after some seconds."""

    def __init__(self, client: PrefectClient) -> None:
        self.client = client
        self._read: dict[str, tuple[float, DeploymentResponse]] = {}

    async def get(self, name: str) -> DeploymentResponse:
        """
        Return a deployment by its full name.

        Raises:
            ObjectNotFound: the server has none of this name.
        """
        at, deployment = self._read.get(name, (0.0, None))
        if deployment is None or time.monotonic() - at > FRESH_SECONDS:
            self.forget(name)
            deployment = await self.client.read_deployment_by_name(name)
            self._read[name] = time.monotonic(), deployment
        return deployment

    def forget(self, name: str) -> None:
        """Read a deployment again when it is next asked for."""
        self._read.pop(name, None)


def begins_at_once(deployment: DeploymentResponse) -> bool:
    """Return True if the server has no say in whether, and with what, a run of this deployment begins."""
    return deployment.global_concurrency_limit is None and DIRECTIVE not in repr(deployment.parameters)


async def open_running(
    client: PrefectClient,
    deployment: DeploymentResponse,
    flow: Flow[..., Any],
    *,
    parameters: Mapping[str, Any],
    idempotency_key: str,
    name: str | None,
    labels: Mapping[str, Any],
    tags: Iterable[str],
    message: str,
) -> tuple[FlowRun, bool]:
    """
    Make a flow run that is running, or find the one that was made with this key before.

    Returns:
        The run, and True if it was made now.

    Raises:
        httpx.HTTPError: Prefect is unavailable, or refuses it.
    """
    policy = FlowRunPolicy(retry_type=FOR_ENGINE)
    policy.retries, policy.retry_delay = flow.retries, flow.retry_delay_seconds  # type: ignore[assignment]  # as Prefect does
    answer = await client.request(
        "POST",
        "/flow_runs/",
        json={
            "flow_id": str(deployment.flow_id),
            "deployment_id": str(deployment.id),
            "flow_version": flow.version,
            "work_pool_name": deployment.work_pool_name,
            "work_queue_name": deployment.work_queue_name,
            "parameters": {**deployment.parameters, **parameters},
            "idempotency_key": idempotency_key,
            **({"name": name} if name else {}),
            "labels": dict(labels),
            "tags": sorted({*deployment.tags, *tags}),
            "empirical_policy": policy.model_dump(mode="json"),
            "state": to_state_create(Running(message=message)).model_dump(mode="json", exclude_unset=True),
        },
    )
    return FlowRun.model_validate(answer.json()), answer.status_code == httpx.codes.CREATED


class OpenedRunClient(PrefectClient):
    """The client of one flow run that was opened a moment ago: it need not ask what its engine asks first."""

    def __init__(self, client: PrefectClient, flow_run: FlowRun) -> None:
        vars(self).update(vars(client))  # its connections, and its log-in
        self._opened: FlowRun | None = flow_run

    @override
    async def update_flow_run(self, flow_run_id: UUID, *arguments: Any, **changes: Any) -> httpx.Response:
        """Change a flow run; not where the change was sent with its opening."""
        if self._opened is not None and changes.keys() == {"flow_version", "empirical_policy"}:
            return httpx.Response(httpx.codes.NO_CONTENT)
        return await super().update_flow_run(flow_run_id, *arguments, **changes)

    @override
    async def read_flow_run(self, flow_run_id: UUID) -> FlowRun:
        """Return a flow run; the first time, the opened one as it was opened."""
        opened, self._opened = self._opened, None
        return opened if opened is not None else await super().read_flow_run(flow_run_id)
