"""`hookline rehearse`: what stored deliveries would do by the code and the files of here."""

import asyncio
import logging
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import asyncpg
from cyclopts import Parameter, validators
from rich.progress import Progress

from hookline.account_keys import DEFAULT
from hookline.cli.inbox.filters import database_errors, moment
from hookline.cli.output import AsJson, console, print_json, show
from hookline.errors import ConfigurationError, HooklineError
from hookline.rehearsal.recorded import Choice

if TYPE_CHECKING:
    from hookline.hooks import Hooks
    from hookline.rehearsal.report import Group, Report
    from hookline.settings import Settings

DIFFERS, CANNOT = 1, 2
"""Exit codes."""
LIMIT = 1_000
DIFFERENCES = ["kind", "route", "what", "deliveries", "then", "now", "example"]
UNKNOWN = ["route", "needs", "deliveries", "example"]


class CannotRehearse(HooklineError):
    """Nothing could be rehearsed; says why, and what to do."""

    exit_code = CANNOT


OLDER = (
    "The database of what runs has an older schema, which this code cannot read. Leave it as it is: restore a backup "
    "of it into a home of its own, start that with this code, which holds everything, and rehearse with its "
    "HOOKLINE_HOME (docs/rehearsing.md)."
)


def rehearse(
    *,
    since: Annotated[
        str, Parameter(help="Received at this time or later: 2026-11-22T14:30, or 45m, 2h, 3d ago.")
    ] = "30d",
    source: Annotated[str | None, Parameter(help="Only of this source.")] = None,
    route: Annotated[str | None, Parameter(help="Only by this route.")] = None,
    limit: Annotated[
        int, Parameter(help="The latest so many deliveries.", validator=validators.Number(gte=1))
    ] = LIMIT,
    read_from_vendors: Annotated[
        bool,
        Parameter(
            negative="",
            help="Read what nobody recorded from the vendors, by the accounts of the environment; write nothing.",
        ),
    ] = False,
    as_json: AsJson = False,
) -> int:
    """
    Say what stored deliveries would do by the code, hooks.yaml and catalog of here, before these are in force.

    Each delivery is routed and run again, in a throwaway PostgreSQL and Prefect. No vendor is called and the database
    is read only: every write is compared with the one in the journal, which also answers it. What a flow reads is
    answered from the journal, as far as it knows; what nobody recorded is reported as not rehearsed. Stand in the new
    checkout or project, and lead HOOKLINE_HOME or HOOKLINE_DATABASE_URL to the installation that runs.

    The exit code is 0 if nothing differs, 1 if something does, and 2 if nothing could be rehearsed.

    Try:
        hookline rehearse --since 30d
        hookline rehearse --since 7d --route jiwa-order --json
        hookline rehearse --since 2d --limit 100 --read-from-vendors
    """
    begin = moment("--since", since, datetime.now(UTC)) or datetime.now(UTC)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that everything is cleaned up
    try:
        report = _rehearse(
            Choice(begin, source, route, limit), read_from_vendors=read_from_vendors, quiet=as_json
        )
    except HooklineError as error:
        raise CannotRehearse(str(error)) from None
    _show(report, as_json=as_json)
    if report.deliveries and not report.alike and not report.different:
        return CANNOT
    return DIFFERS if report.different else 0


def _rehearse(choice: Choice, *, read_from_vendors: bool, quiet: bool) -> "Report":
    from hookline.cli.up import processes
    from hookline.rehearsal.world import servers, throwaway_home
    from hookline.settings import settings

    real = settings()
    screen = console(stderr=True)
    with (
        Progress(console=screen, transient=True, disable=quiet or not screen.is_terminal) as progress,
        ExitStack() as stack,
    ):
        task = progress.add_task("starting", total=None)
        asyncio.run(_require_reachable(real))  # known at once, and not after the servers have started
        current = stack.enter_context(throwaway_home())
        stack.enter_context(
            servers(
                current.home,
                processes(current),
                lambda name: progress.update(task, description=f"starting {name}"),
            )
        )

        def on_progress(done: int, total: int) -> None:
            progress.update(task, description="rehearsing", completed=done, total=total)

        return asyncio.run(_run(real, current, choice, on_progress, read_from_vendors=read_from_vendors))


async def _require_reachable(real: "Settings") -> None:
    """Raise HooklineError if no database answers, or one of newer code; an older schema may do."""
    from hookline.database import schema
    from hookline.database.connection import connect_to_any

    connection = await connect_to_any(real)
    try:
        await schema.require_known(connection, await schema.revision(connection))
    finally:
        await connection.close()


@contextmanager
def _old_schema() -> Iterator[None]:
    """Say what to do where what is read is not there yet: never to bring up to date what older code works on."""
    try:
        yield
    except (asyncpg.UndefinedTableError, asyncpg.UndefinedColumnError):
        raise CannotRehearse(OLDER) from None


async def _run(
    real: "Settings",
    current: "Settings",
    choice: Choice,
    on_progress: Callable[[int, int], None],
    *,
    read_from_vendors: bool,
) -> "Report":
    from prefect.events.worker import EventsWorker  # Prefect's settings

    from hookline.confined import Confined
    from hookline.database.connection import close_pool, database_url, read_only_pool
    from hookline.engine.trying import files_in_force
    from hookline.hooks.matching import match_routes
    from hookline.rehearsal import doors, network
    from hookline.rehearsal.answers import Recorded
    from hookline.rehearsal.runs import AT_ONCE, Rehearsal

    logging.getLogger("asyncpg.pool").setLevel(logging.ERROR)
    files = files_in_force(current)
    choice = _chosen(files.hooks, choice)
    outside = Recorded(real, read_from_vendors)
    confined = Confined(modules=[match_routes.__module__])
    await read_only_pool(real, 2 * AT_ONCE)
    if read_from_vendors:
        await _make_limits()
    urls = (current.prefect_api_url, database_url(current), database_url(real))
    network.guard(set().union(*map(network.addresses_of, urls)), outside.missing)
    try:
        with doors.rehearsing(outside), database_errors(real), _old_schema():
            return await Rehearsal(real, current, files, confined).run(choice, on_progress)
    finally:  # Prefect's threads in this process must send their rest before the server stops
        confined.close()
        await close_pool()
        await asyncio.to_thread(EventsWorker.drain_all, timeout=10)


async def _make_limits() -> None:
    """Make the limits of the accounts of the environment at the throwaway Prefect: reads keep to them."""
    from prefect.client.orchestration import get_client  # Prefect's settings

    from blocks import BLOCKS
    from hookline.provisioning.block_changes import limit_changes

    async with get_client() as client:
        for vendor, block in BLOCKS.items():
            for account in sorted({DEFAULT, *block.accounts_in(os.environ)}):
                with suppress(ConfigurationError):  # it is not complete, and no run finds it
                    limits = block.from_environment(account).limits(account)
                    async for change in limit_changes(client, f"{vendor}-{account}-", limits):
                        await change.make()


def _chosen(hooks: "Hooks", choice: Choice) -> Choice:
    """Return the choice with the source of its route; raises ConfigurationError where these do not fit."""
    sources = {each.name: each.source for each in hooks.routes}
    if choice.route is None:
        return choice
    if choice.route not in sources:
        raise ConfigurationError(
            f"{hooks.path} has no route {choice.route!r}. There are: {', '.join(sources)}."
        )
    source = sources[choice.route]
    if choice.source not in (None, source):
        raise ConfigurationError(f"The route {choice.route} is of {source}, and not of {choice.source}.")
    return replace(choice, source=source)


def _show(report: "Report", *, as_json: bool) -> None:
    if as_json:
        print_json(report.record())
        return
    if report.differences:
        show(
            [
                {**vars(each.of), "deliveries": each.deliveries, "example": _example(each)}
                for each in report.differences
            ],
            DIFFERENCES,
            as_json=False,
            title="What would differ",
        )
    if report.unknown:
        console().print()
        show(
            [
                {
                    "route": each.of.route,
                    "needs": each.of.what,
                    "deliveries": each.deliveries,
                    "example": _example(each),
                }
                for each in report.unknown
            ],
            UNKNOWN,
            as_json=False,
            title="Not rehearsed to the end",
        )
    console().print("\n" + _summary(report))


def _example(group: "Group") -> str:
    return group.examples[0]["delivery"][:8]


def _summary(report: "Report") -> str:
    rest = report.deliveries - report.alike - report.different
    text = (
        f"Of {report.deliveries:,} deliveries, {report.different:,} would differ, {report.alike:,} would not, and "
        f"{rest:,} cannot be rehearsed to their end. {report.runs:,} runs, {report.writes:,} writes compared."
    )
    return text + (f" {report.more:,} more differences are not listed." if report.more else "")
