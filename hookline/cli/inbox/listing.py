"""`hookline inbox list`: deliveries with their dispatches."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import asyncpg
from cyclopts import Parameter, validators

from hookline import runtime
from hookline.cli.inbox.filters import ALL, DeliveryFilter, on_database, pause_remarks
from hookline.cli.output import AsJson, console, more_than, print_json, show
from hookline.inbox import bodies, full_rows, search
from hookline.local_time import table_time

COLUMNS = [
    "id",
    "received_at",
    "source",
    "state",
    "route",
    "label",
    "key",
    "duplicates",
    "copy_of",
    "flow_run",
    "reason",
]


def list_(
    *,
    chosen: DeliveryFilter = ALL,
    limit: Annotated[
        int, Parameter(help="Most deliveries, the latest first.", validator=validators.Number(gte=1))
    ] = search.PAGE,
    as_json: AsJson = False,
) -> None:
    """
    List deliveries with their dispatches, the latest first; times are those of HOOKLINE_TIME_ZONE.

    Try:
        hookline inbox list --state failed
        hookline inbox list --source jiwa --since 2h
        hookline inbox list --text INV-100123 --until 2026-11-08
        hookline inbox list --key 100123 --json
        hookline inbox list --about customer=1001 --state failed
    """
    filter_, keys = chosen.filter(), runtime.bootstrap().body_keys

    async def find(database: asyncpg.Pool) -> tuple[list[dict[str, Any]], list[str]]:
        found = await search.find(database, filter_, limit=limit)
        remarks = [*await left_out(database, found, limit), *await pause_remarks(database)]
        ids = [row["id"] for row in found.deliveries]
        return await full_rows.read(database, ids, keys) if as_json else found.deliveries, remarks

    rows, remarks = on_database(find)
    if as_json:
        print_json([{**row, "body": bodies.as_json(row["body"])} for row in rows])
    else:
        show([line for row in rows for line in _lines(row)], COLUMNS, as_json=False)
    for remark in remarks:
        console(stderr=as_json).print(remark, style="dim")


def _lines(row: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield a line for each dispatch, or one for a delivery that has none."""
    for part in row["dispatches"] or [row]:
        yield {
            "id": str(row["id"])[:8],
            "received_at": table_time(row["received_at"]),
            "source": row["source"],
            "state": part["state"],
            "route": part.get("route"),
            "label": part["label"],
            "key": part.get("key"),
            "duplicates": row["duplicates"] or None,
            "copy_of": row["changed"] and str(row["copy_of"] or "")[:8],
            "flow_run": str(part.get("flow_run_id") or "")[:8],
            "reason": part["reason"],
        }


async def left_out(database: asyncpg.Pool, found: search.Listing, limit: int) -> list[str]:
    """Return remarks about what the list leaves out, and how to see it."""
    if found.searched:
        oldest = await database.fetchval("SELECT received_at FROM deliveries WHERE seq = $1", found.older)
        searched = f"It was searched in the latest {found.searched:,} deliveries that fit the rest."
        return [f"{searched} Search further back with: --until {oldest:%Y-%m-%dT%H:%M:%S.%fZ}"]
    return [more_than(limit)] if found.older else []
