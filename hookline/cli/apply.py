"""`hookline apply`: make the Prefect server match the files and the environment."""

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, TypeAlias

from cyclopts import Parameter

from hookline import runtime
from hookline.catalog import read_catalog
from hookline.cli.output import AsJson, show
from hookline.errors import ConfigurationError
from hookline.hooks import load_hooks
from hookline.in_force import Problem
from hookline.settings import Settings
from hookline.text import one_line

if TYPE_CHECKING:
    from hookline.provisioning.automations import Automation
    from hookline.provisioning.deployments import Deployment

    _Files: TypeAlias = tuple[Mapping[str, Deployment], list[Automation], list[Problem]]


def apply(
    *,
    dry_run: Annotated[
        bool, Parameter(negative="", help="Show what would change at Prefect and at Jiwa; change nothing.")
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
        Parameter(negative="", help="If a file is wrong, apply what is right and what was good before."),
    ] = False,
    wait: Annotated[float, Parameter(help="Seconds to wait for a Prefect server that is starting.")] = 0,
    as_json: AsJson = False,
) -> None:
    """
    Make blocks, `default` credentials and their limits from the environment, deployments and automations.

    Running gateways and engines read their files again, without a restart. If a file is wrong, nothing is changed;
    if a vendor's variables are wrong, its credentials stay as they were. Changes are made one after another: if the
    server fails in between, the changes before stay; run the command again to make the rest.

    Files and environment win: `default` credentials, their limits, deployments and schedules that were changed in the
    Prefect UI are set back. Automations that a person changed are left alone, and what is no longer in a file stays
    on the server. Block types are registered each time.

    It imports the flow files, which runs the code at their top level, also with --dry-run. Like most commands, it
    makes HOOKLINE_HOME with its keys if it is missing.

    Try:
        hookline apply --dry-run
        hookline apply
        hookline apply --subscribe --url https://hooks.example.com
    """
    settings = runtime.bootstrap()

    from hookline.provisioning.apply import apply as apply_to_prefect  # Prefect's settings
    from hookline.provisioning.subscriptions import subscribe_jiwa

    deployments, automations, problems = (_usable_files if keep_going else _all_files)(settings)
    # The simulator is on this machine, whatever the gateway's public address is.
    address = url or (settings.gateway_url if settings.sandbox else settings.base_url)

    async def work() -> list[dict[str, str]]:
        changes = await apply_to_prefect(
            settings, deployments, automations, dry_run=dry_run, first_runs=first_runs, wait=wait
        )
        subscriptions = await subscribe_jiwa(settings, address, dry_run=dry_run) if subscribe else []
        return [change.row() for change in (*changes, *subscriptions)]

    rows = asyncio.run(work())
    rows += [{"kind": each.kind, "name": each.name, "change": f"left alone: {each}"} for each in problems]
    show(rows, ["kind", "name", "change"], as_json=as_json)


def _all_files(settings: Settings) -> "_Files":
    """Read the files, none of which may be wrong; raises ConfigurationError."""
    from hookline.polling.fit import wrong_polls
    from hookline.provisioning.automations import load_automations  # Prefect's settings
    from hookline.provisioning.deployments import check_routes, load_deployments

    hooks = load_hooks(settings.hooks)
    read_catalog(settings.catalog)
    deployments = load_deployments(settings.deployments)
    check_routes(hooks, deployments)
    if wrong := wrong_polls(hooks):
        raise ConfigurationError(f"{settings.hooks} is not right:\n  " + "\n  ".join(wrong.values()))
    return deployments, load_automations(settings.automations), []


def _usable_files(settings: Settings) -> "_Files":
    """Read the files as an engine does, with their problems; raises ConfigurationError if nothing can be used."""
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
