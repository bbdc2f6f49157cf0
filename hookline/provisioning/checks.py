"""Checks of `hookline doctor` that need Prefect's library: flow files, the Prefect server, the vendors' accounts."""

import asyncio
import math
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from prefect import __version__ as prefect_version
from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.objects import WorkerStatus
from prefect.exceptions import ObjectNotFound

from blocks import BLOCKS
from hookline.confined import Confined, TooCostly
from hookline.errors import HooklineError
from hookline.health.finding import CORRECT, START, Finding, clock_finding, redacted_line
from hookline.hooks import Hooks, load_hooks
from hookline.provisioning import schedules
from hookline.provisioning.deployments import deployments_in_force, wrong_routes
from hookline.provisioning.flow_files import being_imported
from hookline.settings import VENDORS, Settings

IMPORT_SECONDS: Final = 60.0


@dataclass(frozen=True)
class Flows:
    """The result of importing the flows of `prefect.yaml` in a process of its own."""

    work_pools: Mapping[str, str] = field(default_factory=dict)
    """The work pool of each deployment."""
    problems: Sequence[str] = ()
    wrong_routes: Sequence[str] = ()


def import_flows(deployments: Path, hooks: Path) -> Flows:
    """Import the flows in another process: a flow file that ends it, or never ends, does not harm this one."""
    confined = Confined(seconds=IMPORT_SECONDS, megabytes=4000)
    with tempfile.TemporaryDirectory() as folder:  # a home in which nothing was in force before
        try:
            return asyncio.run(confined.run(_import_flows, deployments, hooks, Path(folder)))
        except TooCostly:
            file = being_imported(Path(folder)) or "a flow file"
            why = f"{file} ends the process that imports it, or takes longer than {IMPORT_SECONDS:g} s"
            return Flows(problems=[f"{deployments}: {why}"])
        except Exception as error:  # noqa: BLE001  (one broken check must not hide the others)
            return Flows(problems=[redacted_line(error)])
        finally:
            confined.close()


def _import_flows(path: Path, hooks: Path, home: Path) -> Flows:
    with redirect_stdout(sys.stderr):
        found = deployments_in_force(path, home)
        try:
            wrong = wrong_routes(load_hooks(hooks), found)
        except HooklineError:
            wrong = []  # the check of hooks.yaml reports it
    pools = {name: deployment.work_pool.name for name, deployment in found.items()}
    return Flows(pools, [problem.detail for problem in found.problems], wrong)


def check_flows(flows: Flows, hooks: Hooks | None) -> list[Finding]:
    """Check that every flow can be loaded, and that the routes fit the parameters of their flows."""
    findings = [Finding("prefect.yaml", "problem", redacted_line(each), CORRECT) for each in flows.problems]
    findings = findings or [Finding("prefect.yaml", "ok", ", ".join(flows.work_pools))]
    if hooks is None or not flows.work_pools:
        return [*findings, Finding("routes", "skipped", "hooks.yaml or prefect.yaml cannot be read")]
    if flows.wrong_routes:
        detail = f"{hooks.path}: {'; '.join(flows.wrong_routes)}"
        return [*findings, Finding("routes", "problem", redacted_line(detail), CORRECT)]
    return [*findings, Finding("routes", "ok", "all fit the parameters of their flows")]


async def check_prefect(settings: Settings, work_pools: Mapping[str, str] | None) -> list[Finding]:
    """Check the Prefect API and what `hookline apply` makes there; `work_pools` is None if they are not known."""
    async with get_client() as client:
        if failure := await client.api_healthcheck():
            url, why = settings.prefect_api_url, redacted_line(failure) or type(failure).__name__
            advice = START if settings.has_own_prefect else "Check PREFECT_API_URL."
            api = Finding("Prefect API", "problem", f"{url} does not answer: {why}", advice)
            return [api, *_skipped("the Prefect API does not answer")]
        api = await _check_version(client, settings)
        if work_pools is None:
            return [api, *_skipped("prefect.yaml cannot be read")]
        pools = sorted(set(work_pools.values()))
        return [
            api,
            await _check_applied(client, work_pools),
            *[await _check_work_pool(client, pool) for pool in pools],
            await schedules.check(client),
        ]


def _skipped(why: str) -> list[Finding]:
    return [Finding(check, "skipped", why) for check in ("deployments", "work pool")]


async def _check_version(client: PrefectClient, settings: Settings) -> Finding:
    server_version = await client.api_version()
    if server_version != prefect_version:
        detail = f"{settings.prefect_api_url} is {server_version}, and Hookline uses {prefect_version}"
        return Finding("Prefect API", "warning", detail, "Install the same version for both.")
    return Finding("Prefect API", "ok", f"{server_version} at {settings.prefect_api_url}")


async def _check_applied(client: PrefectClient, deployments: Iterable[str]) -> Finding:
    missing = []
    for name in deployments:
        try:
            await client.read_deployment_by_name(name)
        except ObjectNotFound:
            missing.append(name)
    if missing:
        return Finding("deployments", "problem", f"missing: {', '.join(missing)}", "hookline apply")
    return Finding("deployments", "ok", ", ".join(deployments))


async def _check_work_pool(client: PrefectClient, name: str) -> Finding:
    try:
        workers = await client.read_workers_for_work_pool(name)
    except ObjectNotFound:
        return Finding("work pool", "problem", f"{name} is missing", "hookline apply")
    online = [worker for worker in workers if worker.status == WorkerStatus.ONLINE]
    if not online:
        detail = f"{name} has no worker online: schedules and runs from the Prefect UI wait"
        return Finding("work pool", "warning", detail, "hookline up, or: hookline worker")
    return Finding("work pool", "ok", f"{name}, workers online: {len(online)}")


async def check_vendor(vendor: str, environment: Mapping[str, str]) -> list[Finding]:
    """Check that the vendor accepts the log-in of the environment, and its clock."""
    prefix = VENDORS[vendor].prefix
    if not any(name.upper().startswith(prefix) and value for name, value in environment.items()):
        return [Finding(vendor, "skipped", f"not configured: no variable {prefix}… is set")]
    credentials = BLOCKS[vendor].from_environment()
    connection = await credentials.check_connection()
    detail = f"{credentials.get_client().base_url} accepts us as {connection.accepted_as}"
    ahead = connection.clock_difference
    if ahead is None or not math.isfinite(ahead):
        return [Finding(vendor, "ok", detail)]
    return [clock_finding(vendor, detail, ahead)]
