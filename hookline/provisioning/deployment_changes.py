"""
The deployments of `prefect.yaml` on the Prefect server, and their work pools.

Prefect's `RunnerDeployment.apply` makes the same request, but shows no difference beforehand; it leaves schedules
that the file no longer has, and replaces the automations that the deployment owns.
"""

from collections.abc import Collection, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.client.schemas.filters import FlowFilter, FlowFilterId
from prefect.client.schemas.responses import DeploymentResponse
from prefect.client.schemas.sorting import DeploymentSort
from prefect.exceptions import ObjectNotFound
from prefect.runner.storage import LocalStorage
from prefect.workers.process import ProcessWorker

from hookline.project import find_project
from hookline.provisioning.changes import (
    CHANGED,
    MADE,
    NOT_NAMED,
    REMOVED,
    Change,
    differences,
    unchanged,
)
from hookline.provisioning.deployments import Deployment

VERSION = "hookline apply"
"""The version of each deployment that `apply` makes: a mark, by which --prune knows its own."""
PAGE = 200


async def work_pool_change(client: PrefectClient, name: str) -> Change:
    """Return the change of a work pool."""
    try:
        await client.read_work_pool(name)
    except ObjectNotFound:
        template = ProcessWorker.get_default_base_job_template()
        pool = WorkPoolCreate(name=name, type=ProcessWorker.type, base_job_template=template)
        return Change("work pool", name, MADE, partial(client.create_work_pool, pool))
    return unchanged("work pool", name)


async def deployments_there(client: PrefectClient) -> dict[str, DeploymentResponse]:
    """Return the deployments of the server by their full names, two requests for each page of them."""
    there: dict[str, DeploymentResponse] = {}
    offset = 0
    while page := await client.read_deployments(limit=PAGE, offset=offset, sort=DeploymentSort.NAME_ASC):
        offset += len(page)
        of_page = FlowFilter(id=FlowFilterId(any_=list({each.flow_id for each in page})))
        flows = {flow.id: flow.name for flow in await client.read_flows(flow_filter=of_page, limit=PAGE)}
        there |= {f"{flows[each.flow_id]}/{each.name}": each for each in page if each.flow_id in flows}
    return there


def deployment_change(
    client: PrefectClient,
    name: str,
    deployment: Deployment,
    current: DeploymentResponse | None,
    *,
    scheduled: bool,
) -> Change:
    """
    Return the change of a deployment.

    Args:
        client: makes the change.
        name: its full name.
        deployment: as the files want it.
        current: as the server has it; None: it has none.
        scheduled: False switches its schedules off.
    """
    flow = deployment.flow()
    schedules = deployment.prefect_schedules()
    if not scheduled:
        schedules = [each.model_copy(update={"active": False}) for each in schedules]
    desired: dict[str, Any] = {
        "version": VERSION,
        "description": deployment.page(),
        "tags": deployment.tags,
        "parameters": deployment.parameters,
        "work_pool_name": deployment.work_pool.name,
        "job_variables": deployment.work_pool.job_variables,
        "entrypoint": deployment.entrypoint_of_run,
        "pull_steps": deployment.pull or _pull_steps(),
        "parameter_openapi_schema": flow.parameters.model_dump_for_openapi(),
    }

    async def make() -> None:
        await client.create_deployment(
            await client.create_flow(flow),
            name=deployment.name,
            schedules=schedules,
            concurrency_limit=deployment.concurrency_limit,
            **desired,
        )

    if current is None:
        return Change("deployment", name, MADE, make)
    found = differences(
        {field: getattr(current, field) for field in desired}
        | {"concurrency_limit": _concurrency_limit(current), "schedules": _comparable(current.schedules)},
        desired | {"concurrency_limit": deployment.concurrency_limit, "schedules": _comparable(schedules)},
    )
    return Change("deployment", name, CHANGED, make, found) if found else unchanged("deployment", name)


def surplus_deployments(
    client: PrefectClient, there: Mapping[str, DeploymentResponse], names: Collection[str], *, prune: bool
) -> Iterable[Change]:
    """
    Yield the deployments that `apply` made of these files, and that they no longer name.

    Args:
        client: makes the changes.
        there: the deployments of the server, by their full names.
        names: the full names in the files.
        prune: remove them; else they are only named.
    """
    for name, each in there.items():
        if name in names or each.version != VERSION or each.pull_steps != _pull_steps():
            continue
        if prune:
            yield Change("deployment", name, REMOVED, partial(client.delete_deployment, each.id))
        else:
            yield unchanged("deployment", name, NOT_NAMED)


def _pull_steps() -> list[dict[str, Any]]:
    """Return the steps by which a worker comes to the files: their folder, which also tells whose they are."""
    return [LocalStorage(str(find_project() or Path.cwd())).to_pull_step()]


async def start_run(client: PrefectClient, name: str) -> None:
    """Start a run of a deployment."""
    deployment = await client.read_deployment_by_name(name)
    await client.create_flow_run_from_deployment(deployment.id, name="first run")


def _concurrency_limit(deployment: DeploymentResponse) -> int | None:
    limit = deployment.global_concurrency_limit
    return limit.limit if limit else None


def _comparable(schedules: Iterable[Any]) -> list[str]:
    """Return what makes schedules the same, in a fixed order; Prefect adds ids and times to them."""
    return sorted(
        f"{schedule.schedule.model_dump_json(exclude={'anchor_date'})} {schedule.active is not False} "
        f"{schedule.parameters or {}}"
        for schedule in schedules
    )
