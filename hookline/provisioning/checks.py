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

from blocks import BLOCKS, VendorCredentials
from hookline.account_keys import DEFAULT
from hookline.catalog import Catalog
from hookline.confined import Confined, TooCostly
from hookline.errors import HooklineError
from hookline.health.finding import CORRECT, START, Finding, clock_finding, in_time, redacted_line
from hookline.hooks import Hooks, load_hooks
from hookline.provisioning import schedules
from hookline.provisioning.accounts import (
    accounts_of_environment,
    named_accounts,
    problems,
    stored_accounts,
)
from hookline.provisioning.deployments import Deployment, deployments_in_force, wrong_routes
from hookline.provisioning.flow_files import being_imported
from hookline.provisioning.placement import WORK_POOL, Where
from hookline.settings import VENDORS, Settings

IMPORT_SECONDS: Final = 60.0
ASKING_SECONDS: Final = 20.0
"""For a check that asks Prefect once or more for each deployment, which takes a while on a busy machine."""


@dataclass(frozen=True)
class Flows:
    """The result of importing the flows of `prefect.yaml` in a process of its own."""

    work_pools: Mapping[str, str] = field(default_factory=dict)
    """The work pool of each deployment."""
    elsewhere: Mapping[str, str] = field(default_factory=dict)
    """Where the dispatches of each deployment run, and why, unless in the event loop of an engine."""
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
    placed = {name: deployment.placement() for name, deployment in found.items()}
    elsewhere = {name: str(place) for name, place in placed.items() if place.where is not Where.LOOP}
    return Flows(pools, elsewhere, [problem.detail for problem in found.problems], wrong)


def check_flows(flows: Flows, hooks: Hooks | None) -> list[Finding]:
    """Check that every flow can be loaded, and that the routes fit the parameters of their flows."""
    findings = [Finding("prefect.yaml", "problem", redacted_line(each), CORRECT) for each in flows.problems]
    findings = findings or [Finding("prefect.yaml", "ok", ", ".join(flows.work_pools))]
    if flows.elsewhere:
        detail = "; ".join(f"{name} in a {place}" for name, place in flows.elsewhere.items())
        findings.append(Finding("places", "ok", f"{detail}; all others in the event loop of an engine"))
    if hooks is None or not flows.work_pools:
        return [*findings, Finding("routes", "skipped", "hooks.yaml or prefect.yaml cannot be read")]
    if flows.wrong_routes:
        detail = f"{hooks.path}: {'; '.join(flows.wrong_routes)}"
        return [*findings, Finding("routes", "problem", redacted_line(detail), CORRECT)]
    return [*findings, Finding("routes", "ok", "all fit the parameters of their flows")]


async def check_prefect(settings: Settings, work_pools: Mapping[str, str] | None) -> list[Finding]:
    """Check the Prefect API and what `hookline apply` makes there; `work_pools` is None if they are not known."""
    async with get_client() as client:
        [api] = await in_time("Prefect API", _check_api(client, settings))
        if api.state == "problem":
            return [api, *_skipped("the Prefect API does not answer")]
        if work_pools is None:
            return [api, *_skipped("prefect.yaml cannot be read")]
        found = await asyncio.gather(
            in_time("deployments", _check_applied(client, work_pools), ASKING_SECONDS),
            in_time("work pool", _check_work_pools(client, work_pools.values())),
            in_time("schedules", schedules.check(client), ASKING_SECONDS),
        )
        return [api, *(finding for part in found for finding in part)]


def _skipped(why: str) -> list[Finding]:
    return [Finding(check, "skipped", why) for check in ("deployments", "work pool")]


async def _check_api(client: PrefectClient, settings: Settings) -> list[Finding]:
    if failure := await client.api_healthcheck():
        url, why = settings.prefect_api_url, redacted_line(failure) or type(failure).__name__
        advice = START if settings.has_own_prefect else "Check PREFECT_API_URL."
        return [Finding("Prefect API", "problem", f"{url} does not answer: {why}", advice)]
    server_version = await client.api_version()
    if server_version != prefect_version:
        detail = f"{settings.prefect_api_url} is {server_version}, and Hookline uses {prefect_version}"
        return [Finding("Prefect API", "warning", detail, "Install the same version for both.")]
    return [Finding("Prefect API", "ok", f"{server_version} at {settings.prefect_api_url}")]


async def _check_applied(client: PrefectClient, deployments: Iterable[str]) -> list[Finding]:
    missing = []
    for name in deployments:
        try:
            await client.read_deployment_by_name(name)
        except ObjectNotFound:
            missing.append(name)
    if missing:
        return [Finding("deployments", "problem", f"missing: {', '.join(missing)}", "hookline apply")]
    return [Finding("deployments", "ok", ", ".join(deployments))]


async def _check_work_pools(client: PrefectClient, names: Iterable[str]) -> list[Finding]:
    return [await _check_work_pool(client, name) for name in sorted(set(names))]


async def _check_work_pool(client: PrefectClient, name: str) -> Finding:
    try:
        workers = await client.read_workers_for_work_pool(name)
    except ObjectNotFound:
        return Finding("work pool", "problem", f"{name} is missing", "hookline apply")
    online = [worker for worker in workers if worker.status == WorkerStatus.ONLINE]
    if not online:
        detail = f"{name} has no worker online: schedules, runs from the Prefect UI and what engines leave to it wait"
        advice = (
            "hookline up, or: hookline worker" if name == WORK_POOL else f"prefect worker start --pool {name}"
        )
        return Finding("work pool", "warning", detail, advice)
    return Finding("work pool", "ok", f"{name}, workers online: {len(online)}")


async def check_vendor(vendor: str, environment: Mapping[str, str], account: str = DEFAULT) -> list[Finding]:
    """Check that the vendor accepts the log-in of the environment, and its clock."""
    prefix = VENDORS[vendor].prefix
    if not VENDORS[vendor].set_in(environment):
        return [Finding(vendor, "skipped", f"not configured: no variable {prefix}… is set")]
    if account == DEFAULT and account not in (names := VENDORS[vendor].accounts_in(environment)) and names:
        return [Finding(vendor, "skipped", f"no `default` account is set, but {', '.join(names)}")]
    return [await _check_account(name_of(vendor, account), BLOCKS[vendor].from_environment(account))]


def name_of(vendor: str, account: str) -> str:
    """Return the name of the check of an account."""
    return vendor if account == DEFAULT else f"{vendor}/{account}"


async def _check_account(name: str, credentials: VendorCredentials) -> Finding:
    connection = await credentials.check_connection()
    detail = f"{credentials.get_client().base_url} accepts us as {connection.accepted_as}"
    ahead = connection.clock_difference
    if ahead is None or not math.isfinite(ahead):
        return Finding(name, "ok", detail)
    return clock_finding(name, detail, ahead)


async def check_blocks(
    hooks: Hooks | None, catalog: Catalog | None, deployments: Mapping[str, Deployment] | None = None
) -> list[Finding]:
    """Check the accounts that only Prefect has, and that those which the files name are there, and are not one."""
    async with get_client() as client:
        if await client.api_healthcheck():
            return [Finding("blocks", "skipped", "the Prefect API does not answer")]
        stored = await stored_accounts(client)
    found = problems(named_accounts(hooks, catalog, deployments or {}), stored)
    findings = [
        Finding(
            name_of(*account), "problem", redacted_line(problem), "hookline apply, or see docs/accounts.md"
        )
        for account, problem in found.items()
    ]
    others = {
        account: credentials
        for account, credentials in stored.items()
        if account not in accounts_of_environment() and account not in found
    }
    checks = [
        in_time(name_of(*account), _findings(name_of(*account), credentials))
        for account, credentials in others.items()
    ]
    return findings + [each for found in await asyncio.gather(*checks) for each in found]


async def _findings(name: str, credentials: VendorCredentials | None) -> list[Finding]:
    if credentials is None:
        return [Finding(name, "problem", "the block is not complete", "Complete it in the Prefect UI.")]
    return [await _check_account(name, credentials)]
