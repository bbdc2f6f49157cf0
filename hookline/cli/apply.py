"""`hookline apply`: make the Prefect server match the files and the environment."""

import asyncio
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated, TypeAlias

from cyclopts import Parameter

from hookline import runtime
from hookline.catalog import catalog_in_force, read_catalog
from hookline.cli.output import AsJson, show
from hookline.database import DatabaseUnavailable, connect
from hookline.database.errors import OtherSchema
from hookline.errors import ConfigurationError
from hookline.files import not_right
from hookline.hooks import load_hooks
from hookline.in_force import Problem
from hookline.project import why_too_new, write_schemas
from hookline.settings import Settings
from hookline.text import one_line
from hookline.texts import Texts, read_texts
from hookline.vendors import problems as unusable_vendors

if TYPE_CHECKING:
    from hookline.catalog import Catalog
    from hookline.hooks import Hooks
    from hookline.provisioning.automations import Automation
    from hookline.provisioning.changes import Change
    from hookline.provisioning.deployments import Deployment
    from hookline.provisioning.file_changes import Files

    _Files: TypeAlias = tuple[
        Hooks, Catalog | None, Mapping[str, Deployment], list[Automation], list[Problem]
    ]


def apply(
    *,
    dry_run: Annotated[
        bool,
        Parameter(
            negative="",
            help="Show what would change, field by field; change nothing. Exit code 2: something would.",
        ),
    ] = False,
    subscribe: Annotated[
        bool, Parameter(negative="", help="Also make Jiwa send its order webhooks to this gateway.")
    ] = False,
    url: Annotated[
        str | None, Parameter(help="Address under which Jiwa reaches the gateway; with --subscribe.")
    ] = None,
    prune: Annotated[
        bool,
        Parameter(
            negative="", help="Also remove deployments and automations that it made and no file names now."
        ),
    ] = False,
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
    Make blocks, credentials and their limits from the environment, deployments and automations.

    Running gateways and engines read their files again, without a restart. If a file is wrong, nothing is changed;
    if a vendor's variables are wrong, its credentials stay as they were. Changes are made one after another: if the
    server fails in between, the changes before stay; run the command again to make the rest.

    Files and environment win: credentials of the environment, their limits, deployments and schedules that were
    changed in the Prefect UI are set back. Automations that a person changed are left alone. What no file names any
    longer stays on the server; with --prune, what an earlier `apply` made of these files goes.

    A block that a file names and that is not there is named too, and the exit code is 1: what needs it fails until it
    is made (docs/accounts.md).

    A dry run compares sources, routes, the catalog and the texts with what gateways and engines of this machine have
    in force.

    It imports the flow files, which runs the code at their top level, also with --dry-run. Like most commands, it
    makes HOOKLINE_HOME with its keys if it is missing.

    Try:
        hookline apply --dry-run
        hookline apply
        hookline apply --prune --dry-run
        hookline apply --subscribe --url https://hooks.example.com
    """
    settings = runtime.bootstrap()
    asyncio.run(_require_schema(settings))

    from hookline.provisioning.accounts import are_missing, named_accounts  # Prefect's settings
    from hookline.provisioning.apply import apply as apply_to_prefect
    from hookline.provisioning.changes import unchanged
    from hookline.provisioning.file_changes import file_changes, record
    from hookline.provisioning.subscriptions import subscribe_jiwa

    changes: list[Change] = []
    if keep_going:
        hooks, catalog, deployments, automations, problems = _usable_files(settings)
    else:
        files, deployments, automations = _all_files(settings)
        hooks, catalog = files.hooks, files.catalog
        changes += file_changes(settings, files)
        problems = []
        if not dry_run:
            record(settings, files)
    if settings.project and not dry_run:
        with suppress(OSError):  # an editor's schemas; the folder may be for reading alone
            write_schemas(settings.project)
    # The simulator is on this machine, whatever the gateway's public address is.
    address = url or (settings.gateway_url if settings.sandbox else settings.base_url)

    async def work() -> "list[Change]":
        made = await apply_to_prefect(
            settings,
            deployments,
            automations,
            dry_run=dry_run,
            prune=prune,
            first_runs=first_runs,
            wait=wait,
            named=named_accounts(hooks, catalog, deployments),
        )
        subscriptions = await subscribe_jiwa(settings, address, dry_run=dry_run) if subscribe else []
        return [*made, *subscriptions]

    changes += asyncio.run(work())
    changes += [unchanged(each.kind, each.name, f"left alone: {each}") for each in problems]
    changes += [unchanged("vendor", each.name, f"left alone: {each}") for each in unusable_vendors()]
    _show(changes, as_json=as_json)
    if not keep_going and are_missing(changes):
        sys.exit(1)
    if dry_run and any(change.is_change for change in changes):
        sys.exit(2)


async def _require_schema(settings: Settings) -> None:
    """
    Let no older code set back what newer code made; a database that is away is no reason to wait.

    Raises:
        OtherSchema: the database is another version's.
    """
    try:
        await (await connect(settings)).close()
    except OtherSchema:
        raise
    except DatabaseUnavailable:
        return


def _show(changes: Sequence["Change"], *, as_json: bool) -> None:
    rows = [change.row() for change in changes]
    if not as_json:
        rows = [
            row | {"differences": [str(each) for each in change.differences]}
            for row, change in zip(rows, changes, strict=True)
        ]
    more = ["differences"] if any(row["differences"] for row in rows) else []
    show(rows, ["kind", "name", "change", *more], as_json=as_json)


def _all_files(settings: Settings) -> "tuple[Files, Mapping[str, Deployment], list[Automation]]":
    """Read the files, none of which may be wrong; raises ConfigurationError."""
    from hookline.polling.fit import wrong_polls
    from hookline.provisioning.automations import load_automations  # Prefect's settings
    from hookline.provisioning.deployments import check_routes, load_deployments
    from hookline.provisioning.file_changes import Files

    if settings.project and (too_new := why_too_new(settings.project)):
        raise ConfigurationError(too_new)
    hooks = load_hooks(settings.hooks)
    catalog = read_catalog(settings.catalog)
    deployments = load_deployments(settings.deployments)
    check_routes(hooks, deployments)
    if wrong := wrong_polls(hooks):
        raise not_right(settings.hooks, wrong.values())
    automations = load_automations(settings.automations)
    texts = asyncio.run(read_texts(Texts.of_settings(settings, catalog.language.default)))
    return Files(hooks, catalog, texts), deployments, automations


def _usable_files(settings: Settings) -> "_Files":
    """Read the files as an engine does, with their problems; raises ConfigurationError if nothing can be used."""
    from hookline.engine.configuration import Configuration
    from hookline.provisioning.automations import load_automations  # Prefect's settings

    found = Configuration(settings)
    problems = list(found.problems)
    if settings.project and (too_new := why_too_new(settings.project)):
        problems.append(Problem("project", settings.project.name, too_new, "what is right in it is in force"))
    try:
        automations = load_automations(settings.automations)
    except ConfigurationError as error:
        automations = []
        problems.append(Problem("file", str(settings.automations), one_line(error), "none of it is changed"))
    try:
        catalog, _ = catalog_in_force(settings.catalog, settings.home)
    except ConfigurationError:
        catalog = None  # which is among the problems
    return found.hooks, catalog, found.deployments, automations, problems
