"""`hookline inbox replay` and `discard`: deliveries by their ids, or all of a filter."""

import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Annotated
from uuid import UUID

import asyncpg
from cyclopts import Parameter
from rich.progress import Progress

from hookline import runtime
from hookline.cli.inbox import copying
from hookline.cli.inbox.filters import (
    ALL,
    DeliveryFilter,
    Limit,
    find_one,
    hooks_now,
    on_database,
    pause_remarks,
    require_reason,
)
from hookline.cli.output import confirm, console, show
from hookline.errors import ConfigurationError, HooklineError
from hookline.inbox import commands, search
from hookline.inbox import dry_run as dry
from hookline.inbox.commands import Command

Numbers = Annotated[str, Parameter(name="ID", help="Deliveries by their ids, or the beginnings of these.")]
DryRun = Annotated[bool, Parameter(negative="", help="Show what would be done; change nothing.")]
Yes = Annotated[bool, Parameter(negative="", help="Do not ask first.")]

BATCH = 100
MAX_NAMED = 20
"""Deliveries that are named before it acts on them."""
"""Deliveries that are changed in one transaction."""
MANY = 20
"""Deliveries from which on there is a progress bar."""


@dataclass(frozen=True)
class Act:
    """The action on each delivery, with the words for it."""

    verb: str
    done: str
    rehearse: Callable[[asyncpg.Pool, Sequence[UUID]], Awaitable[list[dry.Part]]]
    do: Command
    asks: bool = False
    """True if it asks before it acts on deliveries that are named, too."""


@dataclass(frozen=True)
class Chosen:
    """The chosen deliveries: by their ids, or by a filter."""

    numbers: tuple[str, ...]
    filter: search.Filter
    limit: int | None
    source: str | None
    """The only source that ids may be of; None for any."""

    async def ids(self, database: asyncpg.Pool) -> list[UUID]:
        """Return their ids in order of arrival, which must be kept among deliveries of one key."""
        if self.numbers:
            rows = {row["seq"]: row for row in [await find_one(database, each) for each in self.numbers]}
            for row in rows.values():
                if self.source not in {None, row["source"]}:
                    raise ConfigurationError(
                        f"Delivery {row['id']} is of {row['source']}; the route is for deliveries of {self.source}."
                    )
            return [rows[seq]["id"] for seq in sorted(rows)]
        found: list[UUID] = []
        async for each in search.ids(database, self.filter):
            if len(found) == self.limit:
                break
            found.append(each)
        return found


def replay(
    *deliveries: Numbers,
    chosen: DeliveryFilter = ALL,
    limit: Limit = None,
    route: Annotated[
        str | None,
        Parameter(help="Only this route; also if its condition did not match the delivery."),
    ] = None,
    reason: Annotated[str | None, Parameter(help="Reason for the audit trail.")] = None,
    body: Annotated[
        str | None,
        Parameter(
            help="Run a copy with this body: a file, or - for standard input.", allow_leading_hyphen=True
        ),
    ] = None,
    parameter: Annotated[
        tuple[str, ...],
        Parameter(
            help="Run a copy with this parameter of the flow, as NAME=JSON, or NAME=TEXT; may be repeated.",
            negative="",
        ),
    ] = (),
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """
    Run deliveries again; what is done at the vendors is not repeated.

    A failed run continues; one that is done or discarded starts again. What waits or runs is left alone.
    Name deliveries by their ids, or choose them by a filter; before it acts on a filter, it asks.

    With --body or --parameter, a copy of one delivery runs: a delivery of its own, which names what it is a copy of
    and what was changed. The one that came stays as it is. It shows what would run, and asks.

    Try:
        hookline inbox replay 3f9c2a
        hookline inbox replay 3f9c2a --route jiwa-order
        hookline inbox replay 3f9c2a --body fixed.json --dry-run
        hookline inbox replay 3f9c2a --route jiwa-order --parameter invoice_id=5244dd5e
        hookline inbox replay --state failed --since 2h --dry-run
        hookline inbox replay --state rejected --reason "schema fixed" --yes
    """
    if body is not None or parameter:
        if len(deliveries) != 1 or chosen.narrows or limit:
            raise ConfigurationError("--body and --parameter are for one delivery: name it by its id.")
        copying.copy(
            copying.CopyRequest(deliveries[0], body, parameter, route, reason or ""), dry_run=dry_run, yes=yes
        )
        return
    source = None if route is None else source_of(route)
    deliveries_chosen = _choose(deliveries, chosen, limit, source)
    actor = runtime.person()
    sources = _act(
        replaying(route, actor=actor, reason=reason or "replayed"),
        deliveries_chosen,
        dry_run=dry_run,
        yes=yes,
    )
    if sources:
        remarks = on_database(lambda database: pause_remarks(database, sources))
        for remark in ["What is done at the vendors is not repeated.", *remarks]:
            console().print(remark)


def discard(
    *deliveries: Numbers,
    reason: Annotated[str, Parameter(help="Reason, stored with the delivery.")],
    chosen: DeliveryFilter = ALL,
    limit: Limit = None,
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """
    Set deliveries aside: nothing of them that waits or failed is tried again.

    What runs is stopped before its next step. Name deliveries by their ids, or choose them by a filter. It names them
    and asks first. A replay undoes it.

    Try:
        hookline inbox discard 3f9c2a --reason "test order"
        hookline inbox discard --until 2026-11-01 --reason "old" --dry-run
        hookline inbox discard --text test-mode --reason "test" --limit 10
    """
    require_reason(reason)
    deliveries_chosen = _choose(deliveries, chosen, limit, None)
    actor = runtime.person()
    _act(
        discarding(actor=actor, reason=reason),
        deliveries_chosen,
        dry_run=dry_run,
        yes=yes,
    )


def _choose(
    numbers: tuple[str, ...], chosen: DeliveryFilter, limit: int | None, source: str | None
) -> Chosen:
    """Return the chosen deliveries; raises ConfigurationError if the command line names none, or in two ways."""
    if bool(numbers) == chosen.narrows or (numbers and limit):
        raise ConfigurationError(
            "Name deliveries by their ids, or choose them by --source, --state, --key, --text, --since or "
            "--until; not both."
        )
    if source is not None and chosen.source not in {None, source}:
        raise ConfigurationError(f"The route is for deliveries of {source}, not of {chosen.source}.")
    filter_ = chosen.filter() if source is None else chosen.of(source).filter()
    return Chosen(numbers, filter_, limit, source)


def replaying(route: str | None, *, actor: str, reason: str) -> Act:
    """Return the replay, on one route or on all."""
    return Act(
        verb="replay",
        done="replayed",
        rehearse=partial(dry.replay, route=route),
        do=partial(commands.replay, route=route, actor=actor, reason=reason),
    )


def discarding(*, actor: str, reason: str) -> Act:
    """Return the discard."""
    return Act(
        verb="discard",
        done="discarded",
        rehearse=dry.discard,
        do=partial(commands.discard, actor=actor, reason=reason),
        asks=True,
    )


def source_of(route: str) -> str:
    """Return the source of a route; raises ConfigurationError if hooks.yaml does not have it."""
    hooks = hooks_now()
    routes = {each.name: each.source for each in hooks.routes}
    if route not in routes:
        known = ", ".join(routes) or "none"
        raise ConfigurationError(f"{hooks.path} has no route {route!r}. There are: {known}.")
    return routes[route]


def _act(act: Act, chosen: Chosen, *, dry_run: bool, yes: bool) -> set[str]:
    """Do it, after confirmation if a filter chose or the act asks; return the sources with a changed delivery."""
    asks = not (yes or dry_run) and (act.asks or not chosen.numbers)
    if asks and not sys.stdin.isatty():
        raise ConfigurationError(
            f"There is no terminal to ask for confirmation. Nothing was {act.done}; add --yes, or see first what "
            f"would be {act.done} with --dry-run."
        )
    ids, parts = on_database(lambda database: rehearse(database, act, chosen))
    planned = number_of(parts)
    if dry_run or asks:
        show(map(asdict, parts), ["source", "state", "deliveries", "left_alone"], as_json=False)
    if dry_run:
        console().print(would_be(act, parts))
        return set()
    if asks and planned:
        names = on_database(lambda database: search.names(database, ids[:MAX_NAMED]))
        console(stderr=True).print(f"For: {'; '.join(names)}{' …' * (len(ids) > MAX_NAMED)}")
        _agree(act, planned)
    acted = on_database(lambda database: each(database, act, ids)) if planned else 0
    message = outcome(act, ids, parts, acted)
    if chosen.numbers and not acted:
        raise HooklineError(message)
    console().print(message)
    return {part.source for part in parts if part.left_alone is None} if acted else set()


def number_of(parts: Sequence[dry.Part]) -> int:
    """Return the number of deliveries that would be changed."""
    return sum(part.deliveries for part in parts if part.left_alone is None)


def would_be(act: Act, parts: Sequence[dry.Part]) -> str:
    """Return what a dry run found, as a sentence."""
    return f"{_so_many(number_of(parts))} would be {act.done}; nothing was changed."


def outcome(act: Act, ids: Sequence[UUID], parts: Sequence[dry.Part], acted: int) -> str:
    """Return what was done, and what was left alone and why, as sentences."""
    reasons = sorted({part.left_alone for part in parts if part.left_alone})
    message = f"{_so_many(acted)} {act.done}."
    if acted < len(ids):
        message += f" Left alone: {len(ids) - acted:,} ({', '.join(reasons) or 'changed meanwhile'})."
    return message


async def rehearse(database: asyncpg.Pool, act: Act, chosen: Chosen) -> tuple[list[UUID], list[dry.Part]]:
    """Return the deliveries, and what would be done to them by source and state."""
    ids = await chosen.ids(database)
    return ids, await act.rehearse(database, ids)


def _agree(act: Act, number: int) -> None:
    """Raise unless the person at the terminal agrees."""
    if not confirm(f"{act.verb.capitalize()} {_so_many(number)}?"):
        raise HooklineError(f"Nothing was {act.done}.")


async def each(database: asyncpg.Pool, act: Act, ids: Sequence[UUID]) -> int:
    """Do it to all, a batch after another; return the number of those that were changed."""
    screen = console(stderr=True)
    bar = Progress(console=screen, transient=True, disable=len(ids) < MANY or not screen.is_terminal)
    batches = [ids[start : start + BATCH] for start in range(0, len(ids), BATCH)]
    left, acted = len(batches), 0
    try:
        with bar:
            async with database.acquire() as connection:
                for batch in bar.track(batches, description=act.done):
                    acted += len(await act.do(connection, batch))
                    left -= 1
    finally:
        if left:
            screen.print(f"Stopped: {acted:,} of {len(ids):,} {act.done}; the others are as they were.")
    return acted


def _so_many(number: int) -> str:
    return f"{number:,} {'delivery' if number == 1 else 'deliveries'}"
