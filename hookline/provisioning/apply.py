"""`hookline apply`: makes the Prefect server match the files and the environment, one change after another."""

import asyncio
import time
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from functools import partial
from types import MappingProxyType

import httpx
from prefect.client.orchestration import PrefectClient, get_client

from hookline.database import DatabaseUnavailable, connect
from hookline.errors import HooklineError
from hookline.inbox import configuration
from hookline.provisioning.accounts import Account, account_problems
from hookline.provisioning.automation_changes import automation_changes, surplus_automations
from hookline.provisioning.automations import Automation
from hookline.provisioning.block_changes import block_changes, vendors_without_account
from hookline.provisioning.changes import MADE, Change, unchanged
from hookline.provisioning.deployment_changes import (
    deployment_change,
    deployments_there,
    start_run,
    surplus_deployments,
    work_pool_change,
)
from hookline.provisioning.deployments import Deployment
from hookline.provisioning.placement import Where
from hookline.settings import Settings
from hookline.text import one_line


async def apply(
    settings: Settings,
    deployments: Mapping[str, Deployment],
    automations: Sequence[Automation],
    *,
    dry_run: bool,
    prune: bool = False,
    first_runs: bool = False,
    wait: float = 0,
    named: Mapping[Account, Collection[str]] = MappingProxyType({}),
) -> list[Change]:
    """
    Make every change that the Prefect server needs, and return all changes.

    Args:
        settings: lead to the server and to the database.
        deployments: by their full names.
        automations: in the order of the file.
        dry_run: change nothing.
        prune: remove what an earlier `apply` made and the files no longer name.
        first_runs: start each scheduled deployment that is made now, once.
        wait: seconds to wait for a Prefect server that is starting.
        named: the accounts that the files name, each with the places that do.

    Raises:
        HooklineError: the server does not answer as it should; the changes before that stay.
    """
    done = []
    try:
        async with get_client() as client:
            await _wait_for_server(client, wait)
            async for change in _changes(
                settings, client, deployments, automations, first_runs=first_runs, prune=prune
            ):
                if not dry_run:
                    await change.make()
                done.append(change)
            done += await account_problems(client, named)
    except (httpx.HTTPError, OSError) as error:
        raise HooklineError(
            f"The Prefect server at {settings.prefect_api_url} does not answer as it should: {error}. "
            "Start it with `hookline up`, or set PREFECT_API_URL."
        ) from None
    if not dry_run:
        done.append(await _reload_processes(settings))
    return done


async def _wait_for_server(client: PrefectClient, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while await client.api_healthcheck() is not None and time.monotonic() < deadline:
        await asyncio.sleep(0.2)


async def _changes(
    settings: Settings,
    client: PrefectClient,
    deployments: Mapping[str, Deployment],
    automations: Sequence[Automation],
    *,
    first_runs: bool,
    prune: bool,
) -> AsyncIterator[Change]:
    async for change in block_changes(settings, client):
        yield change
    for pool in {deployment.work_pool.name for deployment in deployments.values()}:
        yield await work_pool_change(client, pool)
    unset, there = await vendors_without_account(client), await deployments_there(client)
    for name, deployment in deployments.items():
        missing = [vendor for vendor in unset if vendor in deployment.tags] if deployment.schedules else []
        change = deployment_change(client, name, deployment, there.get(name), scheduled=not missing)
        yield change
        if (place := deployment.placement()).where is not Where.LOOP:
            yield unchanged("place", name, f"runs in a {place}")
        if missing:
            yield unchanged("schedule", name, f"off: there is no default of {', '.join(missing)}")
        elif first_runs and change.change == MADE and deployment.schedules:
            yield Change("flow run", name, "started", partial(start_run, client, name))
    async for change in automation_changes(client, automations, deployments):
        yield change
    # Last, so that an automation goes before the deployment that it runs.
    names = {each.name for each in automations}
    async for change in surplus_automations(client, names, prune=prune):
        yield change
    for change in surplus_deployments(client, there, deployments, prune=prune):
        yield change


async def _reload_processes(settings: Settings) -> Change:
    """Ask running gateways and engines, on every machine, to read their files again."""
    result = "asked to read their files again"
    try:
        connection = await connect(settings)
        try:
            await configuration.ask_to_reload(connection)
        finally:
            await connection.close()
    except DatabaseUnavailable as error:
        result = f"not asked: {one_line(error)}"
    return unchanged("processes", "gateways and engines", result)
