"""`hookline apply`: what the files and the environment say becomes so on the Prefect server."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

from cyclopts import Parameter
from pydantic import ValidationError

from hookline import runtime
from hookline.catalog import read_catalog
from hookline.cli.output import AsJson, show
from hookline.database import DatabaseUnavailable, connect
from hookline.errors import ConfigurationError, HooklineError
from hookline.hooks import load_hooks
from hookline.in_force import Problem
from hookline.inbox import configuration
from hookline.provisioning.automation_changes import automation_changes
from hookline.provisioning.changes import AS_IT_IS, Change, nothing
from hookline.provisioning.subscriptions import subscribe_jiwa
from hookline.settings import Settings
from hookline.text import one_line

if TYPE_CHECKING:
    from prefect.client.orchestration import PrefectClient

    from blocks.base import Limit
    from hookline.provisioning.automations import Automation
    from hookline.provisioning.deployments import Deployment

    _Read: TypeAlias = tuple[Mapping[str, Deployment], list[Automation], list[Problem]]


def apply(
    *,
    dry_run: Annotated[
        bool,
        Parameter(negative="", help="Say what would change at Prefect and at Jiwa; change nothing there."),
    ] = False,
    subscribe: Annotated[
        bool, Parameter(negative="", help="Also make Jiwa send its order webhooks to this gateway.")
    ] = False,
    url: Annotated[
        str | None, Parameter(help="Address under which Jiwa reaches the gateway; with --subscribe.")
    ] = None,
    first_runs: Annotated[
        bool, Parameter(negative="", help="Also start each scheduled deployment that is made now, once.")
    ] = False,
    keep_going: Annotated[
        bool,
        Parameter(negative="", help="Where a file is wrong, apply what is right and what was good before."),
    ] = False,
    wait: Annotated[float, Parameter(help="Seconds to wait for a Prefect server that is starting.")] = 0,
    as_json: AsJson = False,
) -> None:
    """
    Make blocks, `default` credentials and their limits from the environment, deployments and automations.

    Gateways and engines that run read their files again, without a restart. Where a file is wrong, nothing is
    changed; where a vendor's variables are, its credentials stay as they were. Changes are made one after another:
    where the server fails in between, those before stay, and running it again makes the rest.

    Files and environment win: credentials named `default`, their limits, deployments and schedules that were changed
    in the Prefect UI are set back. Automations that a person changed are left alone, and what is no longer in a file
    stays on the server. Types of blocks are registered each time.

    It imports the flow files, so what stands at their top is run; with --dry-run, too. Like most commands, it makes
    HOOKLINE_HOME with its keys where there is none.

    Try:
        hookline apply --dry-run
        hookline apply
        hookline apply --subscribe --url https://hooks.example.com
    """
    settings = runtime.enter()
    deployments, automations, problems = (_what_is_right if keep_going else _all)(settings)
    rows = asyncio.run(
        _apply(
            settings,
            deployments,
            automations,
            dry_run=dry_run,
            first_runs=first_runs,
            subscribe=subscribe,
            url=url,
            wait=wait,
        )
    )
    rows += [{"kind": each.kind, "name": each.name, "change": f"left alone: {each}"} for each in problems]
    show(rows, ["kind", "name", "change"], as_json=as_json)


def _all(settings: Settings) -> "_Read":
    """Read the files, of which none may be wrong; raises ConfigurationError."""
    from hookline.provisioning.automations import load_automations  # Prefect's settings
    from hookline.provisioning.deployments import check_routes, load_deployments

    hooks = load_hooks(settings.hooks)
    read_catalog(settings.catalog)
    deployments = load_deployments(settings.deployments)
    check_routes(hooks, deployments)
    return deployments, load_automations(settings.automations), []


def _what_is_right(settings: Settings) -> "_Read":
    """Read the files as an engine does, with what is wrong in them; raises ConfigurationError where all is wrong."""
    from hookline.engine.configuration import Configuration
    from hookline.provisioning.automations import load_automations  # Prefect's settings

    found = Configuration(settings)
    problems = list(found.problems)
    try:
        automations = load_automations(settings.automations)
    except ConfigurationError as error:
        automations = []
        problems.append(Problem("file", str(settings.automations), one_line(error), "none of it is changed"))
    return found.deployments, automations, problems


async def _apply(
    settings: Settings,
    deployments: "Mapping[str, Deployment]",
    automations: "list[Automation]",
    *,
    dry_run: bool,
    first_runs: bool,
    subscribe: bool,
    url: str | None,
    wait: float,
) -> list[dict[str, str]]:
    import httpx
    from prefect.client.orchestration import get_client  # Prefect's settings

    rows = []
    try:
        async with get_client() as client:
            await _await_server(client, wait)
            async for change in _changes(settings, client, deployments, automations, first_runs=first_runs):
                if not dry_run:
                    await change.make()
                rows.append({"kind": change.kind, "name": change.name, "change": change.change})
    except (httpx.HTTPError, OSError) as error:
        raise HooklineError(
            f"The Prefect server at {settings.prefect_api_url} does not answer as it should: {error}. "
            "Start it with `hookline up`, or set PREFECT_API_URL."
        ) from None
    if not dry_run:
        rows.append(await _tell_processes(settings))
    if subscribe:
        # The simulator is on this machine, whatever the gateway is called elsewhere.
        here = settings.gateway_url if settings.sandbox else settings.base_url
        rows += await subscribe_jiwa(settings, url or here, dry_run=dry_run)
    return rows


async def _tell_processes(settings: Settings) -> dict[str, str]:
    """Let gateways and engines that run read their files again, on whatever machine."""
    change = "told to read their files again"
    try:
        connection = await connect(settings)
        try:
            await configuration.ask_to_reload(connection)
        finally:
            await connection.close()
    except DatabaseUnavailable as error:
        change = f"not told: {one_line(error)}"
    return {"kind": "processes", "name": "gateways and engines", "change": change}


async def _await_server(client: "PrefectClient", seconds: float) -> None:
    """Wait until the server answers, so long at most."""
    deadline = time.monotonic() + seconds
    while await client.api_healthcheck() is not None and time.monotonic() < deadline:
        await asyncio.sleep(0.2)


async def _changes(
    settings: Settings,
    client: "PrefectClient",
    deployments: "Mapping[str, Deployment]",
    automations: "list[Automation]",
    *,
    first_runs: bool,
) -> AsyncIterator[Change]:
    from blocks import BLOCKS

    async for change in _blocks(settings, client):
        yield change
    for pool in {deployment.work_pool.name for deployment in deployments.values()}:
        async for change in _work_pool(client, pool):
            yield change
    unset = [vendor for vendor in BLOCKS if not await _has_account(client, vendor)]
    for name, deployment in deployments.items():
        missing = [vendor for vendor in unset if vendor in deployment.tags] if deployment.schedules else []
        change = await _deployment(client, name, deployment, scheduled=not missing)
        yield change
        if missing:
            yield Change("schedule", name, f"off: there is no default of {', '.join(missing)}", nothing)
        elif first_runs and change.change == "made" and deployment.schedules:
            yield Change("flow run", name, "started", partial(_start, client, name))
    async for change in automation_changes(client, automations, deployments):
        yield change


async def _has_account(client: "PrefectClient", vendor: str) -> bool:
    """Whether there is, or will be, a `default` account of the vendor."""
    from prefect.exceptions import ObjectNotFound

    from blocks import BLOCKS

    with suppress(ConfigurationError, ValidationError):
        BLOCKS[vendor].from_environment()
        return True
    with suppress(ObjectNotFound):
        await client.read_block_document_by_name("default", BLOCKS[vendor].get_block_type_slug())
        return True
    return False


async def _blocks(settings: Settings, client: "PrefectClient") -> AsyncIterator[Change]:
    from prefect.exceptions import ObjectNotFound

    from blocks import BLOCKS
    from blocks.base import logo_at

    for vendor, block in BLOCKS.items():
        block._logo_url = logo_at(settings.base_url, vendor)  # noqa: SLF001  (Prefect's name for it)
        yield Change("block type", block.get_block_type_slug(), "registered", block.register_type_and_schema)
        try:
            credentials = block.from_environment()
        except (ConfigurationError, ValidationError) as error:
            yield Change("block", f"{vendor} default", f"left alone: {_first_problem(error)}", nothing)
            continue
        try:
            stored = await client.read_block_document_by_name(
                "default", block.get_block_type_slug(), include_secrets=True
            )
            wanted = credentials.model_dump(mode="json", context={"include_secrets": True})
            same = all(stored.data.get(field) == wanted[field] for field in block.model_fields)
            change = AS_IT_IS if same else "changed from the environment"
        except ObjectNotFound:
            change = "made from the environment"

        async def save(credentials: Any = credentials) -> None:
            await credentials.save("default", overwrite=True, client=client)

        yield Change("block", f"{vendor} default", change, nothing if change == AS_IT_IS else save)
        async for limit in limit_changes(client, f"{vendor}-default-", credentials.limits("default")):
            yield limit


async def limit_changes(client: "PrefectClient", prefix: str, wanted: "list[Limit]") -> AsyncIterator[Change]:
    """The limits whose names begin so: those that an account wants are made, those it no longer wants go."""
    from prefect.client.schemas.actions import GlobalConcurrencyLimitCreate, GlobalConcurrencyLimitUpdate

    found = await client.read_global_concurrency_limits(limit=200)
    stand = {limit.name: limit for limit in found if limit.name.startswith(prefix)}
    for limit in wanted:
        facts: dict[str, Any] = {
            "limit": limit.slots,
            "slot_decay_per_second": limit.freed_per_second,
            "active": True,
        }
        known = stand.pop(limit.name, None)
        if known is None:
            new = GlobalConcurrencyLimitCreate(name=limit.name, **facts)
            yield Change("limit", limit.name, "made", partial(client.create_global_concurrency_limit, new))
        elif any(getattr(known, name) != value for name, value in facts.items()):
            change = GlobalConcurrencyLimitUpdate(**facts)
            update = partial(client.update_global_concurrency_limit, limit.name, change)
            yield Change("limit", limit.name, "changed", update)
        else:
            yield Change("limit", limit.name, AS_IT_IS, nothing)
    for name in stand:
        yield Change("limit", name, "removed", partial(client.delete_global_concurrency_limit_by_name, name))


async def _work_pool(client: "PrefectClient", name: str) -> AsyncIterator[Change]:
    from prefect.client.schemas.actions import WorkPoolCreate
    from prefect.exceptions import ObjectNotFound
    from prefect.workers.process import ProcessWorker

    try:
        await client.read_work_pool(name)
        yield Change("work pool", name, AS_IT_IS, nothing)
    except ObjectNotFound:
        pool = WorkPoolCreate(
            name=name, type="process", base_job_template=ProcessWorker.get_default_base_job_template()
        )
        yield Change("work pool", name, "made", lambda: client.create_work_pool(pool))


async def _deployment(
    client: "PrefectClient", name: str, deployment: "Deployment", *, scheduled: bool
) -> Change:
    """The deployment, its schedules switched off where a vendor that it is tagged with has no account."""
    from prefect.exceptions import ObjectNotFound

    flow = deployment.flow()
    schedules = deployment.prefect_schedules()
    if not scheduled:
        schedules = [each.model_copy(update={"active": False}) for each in schedules]
    wanted: dict[str, Any] = {
        "description": deployment.description,
        "tags": deployment.tags,
        "parameters": deployment.parameters,
        "work_pool_name": deployment.work_pool.name,
        "job_variables": deployment.work_pool.job_variables,
        "entrypoint": deployment.entrypoint,
        "pull_steps": [
            {"prefect.deployments.steps.set_working_directory": {"directory": str(Path.cwd())}},
        ],
        "parameter_openapi_schema": flow.parameters.model_dump_for_openapi(),
    }
    try:
        existing = await client.read_deployment_by_name(name)
        same = all(getattr(existing, field) == value for field, value in wanted.items())
        limit = existing.global_concurrency_limit
        same = same and (limit and limit.limit) == deployment.concurrency_limit
        same = same and _schedules(existing.schedules) == _schedules(schedules)
        change = AS_IT_IS if same else "changed"
    except ObjectNotFound:
        change = "made"

    async def make() -> None:
        flow_id = await client.create_flow(flow)
        await client.create_deployment(
            flow_id,
            name=deployment.name,
            schedules=schedules,
            concurrency_limit=deployment.concurrency_limit,
            **wanted,
        )

    return Change("deployment", name, change, nothing if change == AS_IT_IS else make)


async def _start(client: "PrefectClient", name: str) -> None:
    deployment = await client.read_deployment_by_name(name)
    await client.create_flow_run_from_deployment(deployment.id, name="first run")


def _schedules(schedules: Iterable[Any]) -> list[str]:
    """What makes schedules the same, in an order of our own; Prefect adds ids and times to them."""
    return sorted(
        f"{schedule.schedule.model_dump_json(exclude={'anchor_date'})} {schedule.active is not False} "
        f"{schedule.parameters or {}}"
        for schedule in schedules
    )


def _first_problem(error: Exception) -> str:
    if isinstance(error, ValidationError):
        return error.errors()[0]["msg"]
    lines = str(error).splitlines()
    return lines[1].strip() if len(lines) > 1 else lines[0]
