"""`hookline issues`: what needs a person, grouped by its cause."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated, Any

import asyncpg
from cyclopts import App, Parameter, validators

from hookline import runtime
from hookline.cli.inbox.filters import on_database, require_reason
from hookline.cli.output import AsJson, agree, console, print_json, show, show_more, show_record
from hookline.errors import ConfigurationError, HooklineError
from hookline.issues import commands, store
from hookline.issues.advice import advice_for
from hookline.issues.commands import Acted

app = App(
    name="issues", help="What needs a person, one entry for each cause: list, acknowledge, replay, discard."
)

COLUMNS = ["id", "kind", "title", "count", "waiting", "first_at", "last_at", "acknowledged_by"]
MEMBERS = ["delivery_id", "label", "external_id", "route", "state", "received_at", "reason"]

MAX_NAMED = 20
"""Deliveries that are named before all of an issue are changed."""

Number = Annotated[int, Parameter(help="The issue's number.")]
Yes = Annotated[bool, Parameter(negative="", help="Do not ask first.")]


@app.command(name="list")
def list_(
    *,
    closed: Annotated[bool, Parameter(negative="", help="Those that are closed, too.")] = False,
    limit: Annotated[
        int, Parameter(help="Most issues.", validator=validators.Number(gte=1, lte=10_000))
    ] = 100,
    as_json: AsJson = False,
) -> None:
    """
    List the issues, the latest first.

    An issue closes itself once all that belongs to it is done or discarded.

    Try:
        hookline issues list
        hookline issues list --closed --json
    """
    rows = on_database(lambda database: find(database, closed=closed, limit=limit + 1))
    show(rows[:limit], COLUMNS, as_json=as_json)
    if len(rows) > limit:
        show_more(limit, as_json=as_json)


@app.command(name="show")
def show_(
    number: Number,
    *,
    limit: Annotated[
        int, Parameter(help="Most deliveries.", validator=validators.Number(gte=1, lte=10_000))
    ] = 100,
    as_json: AsJson = False,
) -> None:
    """
    Show one issue: what to do, and the deliveries that belong to it.

    Try:
        hookline issues show 3
    """

    async def find(database: asyncpg.Pool) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        return await read(database, number), await store.members(database, number, limit=limit)

    issue, members = on_database(find)
    if as_json:
        print_json(issue | {"deliveries": members})
        return
    show_record({name: value for name, value in issue.items() if value is not None and name != "cause"})
    console().print()
    show(members, MEMBERS, as_json=False, title="Deliveries")


@app.command
def ack(number: Number) -> None:
    """
    Note that you take care of an issue; others see your name.

    Try:
        hookline issues ack 3
    """
    actor = runtime.person()
    console().print(on_database(lambda database: acknowledge(database, number, actor)))


@app.command
def replay(
    number: Number,
    *,
    reason: Annotated[str, Parameter(help="Reason for the audit trail.")] = "replayed",
    yes: Yes = False,
) -> None:
    """
    Run all deliveries of an issue again that wait for a person; what is done at the vendors is not repeated.

    Try:
        hookline issues replay 3
        hookline issues replay 3 --reason "key renewed" --yes
    """
    _act_for(number, "Replay", commands.replay, "replayed", reason, yes=yes)


@app.command
def discard(
    number: Number, *, reason: Annotated[str, Parameter(help="Reason, stored with each.")], yes: Yes = False
) -> None:
    """
    Set all deliveries of an issue aside that wait for a person; a replay undoes it.

    Try:
        hookline issues discard 3 --reason "test orders"
    """
    require_reason(reason)
    _act_for(number, "Discard", commands.discard, "discarded", reason, yes=yes)


@app.command
def resolve(
    number: Number,
    *,
    happened: Annotated[bool, Parameter(negative="", help="The vendor did each of them.")] = False,
    send_again: Annotated[
        bool, Parameter(negative="", help="The vendor did none of them: send each again.")
    ] = False,
    yes: Yes = False,
) -> None:
    """
    Say of all uncertain effects of an issue what happened to them; their runs then go on.

    Check at the vendor first. Where one brought references, such as license codes, resolve each by itself:
    hookline effects resolve.

    Try:
        hookline issues resolve 3 --send-again
        hookline issues resolve 3 --happened
    """
    if happened == send_again:
        raise ConfigurationError("Use either --happened or --send-again.")
    settings, actor = runtime.bootstrap(), runtime.person()
    _act(
        number,
        "Resolve",
        lambda database: commands.resolve(settings, database, number, happened=happened, actor=actor),
        "resolved",
        yes=yes,
    )


def _act_for(
    number: int, verb: str, act: Callable[..., Awaitable[Acted]], done: str, reason: str, *, yes: bool
) -> None:
    """Do it for a reason, in the name of the one who types it."""
    by_whom = {"actor": runtime.person(), "reason": reason}
    _act(number, verb, lambda database: act(database, number, **by_whom), done, yes=yes)


def _act(
    number: int, verb: str, act: Callable[[asyncpg.Pool], Awaitable[Acted]], done: str, *, yes: bool
) -> None:
    """Do it to all deliveries of an issue, after confirmation."""
    issue = on_database(lambda database: read(database, number))
    ensure_waits(issue)
    names = on_database(lambda database: named(database, number))
    console(stderr=True).print(f"For: {'; '.join(names)}{' …' if len(names) < issue['waiting'] else ''}")
    question = f"{verb} {issue['waiting']:,} of issue {number}: {issue['title']}?"
    agree(question, yes=yes, otherwise=f"Nothing was {done}.")
    console().print(in_words(on_database(act), done))


async def named(database: asyncpg.Pool, number: int) -> list[str]:
    """Return how people call the first deliveries of an issue that wait for a person."""
    return [row["name"] for row in await store.waiting(database, number, limit=MAX_NAMED)]


def ensure_waits(issue: Mapping[str, Any]) -> None:
    """Raise HooklineError if nothing of the issue waits for a person."""
    if not issue["waiting"]:
        raise HooklineError(f"Nothing of issue {issue['id']} waits for a person.")


def in_words(acted: Acted, done: str) -> str:
    """Return what was done to an issue as a sentence."""
    left = f" Left: {acted.left:,}." if acted.left else ""
    return f"{acted.done:,} {done}.{left}"


async def acknowledge(database: asyncpg.Pool, number: int, actor: str) -> str:
    """Note who takes care of an issue; raises HooklineError if there is none, or it is closed."""
    await read(database, number)
    if not await store.acknowledge(database, number, actor):
        raise HooklineError(f"Issue {number} is closed already.")
    return f"Noted: {actor} takes care of issue {number}."


async def find(database: asyncpg.Pool, *, closed: bool, limit: int) -> list[dict[str, Any]]:
    """Return the issues with their advice, the latest first."""
    return [
        row | {"advice": advice_for(row)} for row in await store.find(database, closed=closed, limit=limit)
    ]


async def read(database: asyncpg.Pool, number: int) -> dict[str, Any]:
    """Return one issue with its advice; raises HooklineError if there is none of this number."""
    issue = await store.read(database, number)
    if issue is None:
        raise HooklineError(f"There is no issue {number}. See: hookline issues list")
    return issue | {"advice": advice_for(issue)}
