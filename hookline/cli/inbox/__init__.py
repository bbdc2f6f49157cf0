"""`hookline inbox`: what was received, and what became of it."""

import sys
from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import asyncpg
from cyclopts import App, Parameter, validators

from hookline import runtime
from hookline.cli.inbox.commands import discard, replay
from hookline.cli.inbox.export import export
from hookline.cli.inbox.filters import ALL, Wanted, ask, pauses
from hookline.cli.inbox.pausing import pause, resume
from hookline.cli.inbox.show import show_delivery
from hookline.cli.inbox.stats import stats
from hookline.cli.inbox.tail import tail
from hookline.cli.output import AsJson, console, print_json, show
from hookline.inbox import bodies, full_rows, search

app = App(name="inbox", help="The inbox: what was received, and what became of it.")

COLUMNS = ["id", "received_at", "source", "state", "route", "key", "duplicates", "flow_run", "reason"]


@app.command(name="list")
def list_(
    *,
    wanted: Wanted = ALL,
    limit: Annotated[
        int, Parameter(help="At most so many, the latest first.", validator=validators.Number(gte=1))
    ] = search.PAGE,
    as_json: AsJson = False,
) -> None:
    """
    List deliveries with their dispatches, the latest first; times are UTC.

    Try:
        hookline inbox list --state failed
        hookline inbox list --source jiwa --since 2h
        hookline inbox list --text INV-100123 --until 2026-11-08
        hookline inbox list --key 100123 --json
    """
    given, keys = wanted.filter(), runtime.bootstrap().body_keys

    async def find(database: asyncpg.Pool) -> tuple[list[dict[str, Any]], list[str]]:
        found = await search.find(database, given, limit=limit)
        remarks = [*await _left_out(database, found, limit), *await pauses(database)]
        ids = [row["id"] for row in found.deliveries]
        return await full_rows.read(database, ids, keys) if as_json else found.deliveries, remarks

    rows, remarks = ask(find)
    if as_json:
        print_json([{**row, "body": bodies.as_json(row["body"])} for row in rows])
    else:
        show([line for row in rows for line in _lines(row)], COLUMNS, as_json=False)
    for remark in remarks:
        console(stderr=as_json).print(remark, style="dim")


app.command(show_delivery, name="show")
for command in (replay, discard, pause, resume, stats, export, tail):
    app.command(command)
# Loaded when called, for it reads `hooks.yaml`; so it cannot tell of itself in the list of commands.
_lists_commands = sys.argv[2:3] in ([], ["--help"], ["-h"])
app.command(
    "hookline.cli.inbox.prune:prune",
    name="prune",
    help="Take away the deliveries and bodies whose time is over." if _lists_commands else None,
)


def _lines(row: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """A line for each dispatch, or one for a delivery that has none."""
    for part in row["dispatches"] or [row]:
        yield {
            "id": str(row["id"])[:8],
            "received_at": f"{row['received_at']:%Y-%m-%d %H:%M:%S}",
            "source": row["source"],
            "state": part["state"],
            "route": part.get("route"),
            "key": part.get("key"),
            "duplicates": row["duplicates"] or None,
            "flow_run": str(part.get("flow_run_id") or "")[:8],
            "reason": part["reason"],
        }


async def _left_out(database: asyncpg.Pool, found: search.Listing, limit: int) -> list[str]:
    """What the list does not have, and how to see it."""
    if found.searched:
        oldest = await database.fetchval("SELECT received_at FROM deliveries WHERE seq = $1", found.older)
        told = f"The text was looked for in the latest {found.searched:,} deliveries that fit the rest."
        return [f"{told} Look further back with: --until {oldest:%Y-%m-%dT%H:%M:%S.%f}"]
    return [f"There are more than these {limit:,}: raise --limit, or narrow it."] if found.older else []
