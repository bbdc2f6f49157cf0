"""`hookline inbox`: what was received, and what became of it."""

import asyncio
import json
from collections.abc import Mapping
from typing import Annotated, Any

from cyclopts import App, Parameter

from hookline import runtime
from hookline.cli.output import AsJson, console, print_json, show
from hookline.database import pool
from hookline.database.types import Row
from hookline.errors import HooklineError
from hookline.inbox import deliveries

app = App(name="inbox", help="The inbox: what was received, and what became of it.")

COLUMNS = ["id", "received_at", "source", "state", "route", "key", "duplicates", "flow_run", "reason"]
Number = Annotated[str, Parameter(help="The delivery's id, or its beginning.")]


@app.command(name="list")
def list_(
    *,
    state: Annotated[str | None, Parameter(help="A state, of the delivery or of a dispatch.")] = None,
    source: Annotated[str | None, Parameter(help="Only deliveries of this source.")] = None,
    key: Annotated[
        str | None, Parameter(help="An ordering key or its end, an id, or a flow run's id.")
    ] = None,
    limit: Annotated[int, Parameter(help="At most so many, the latest first.")] = 50,
    as_json: AsJson = False,
) -> None:
    """
    List deliveries with their dispatches, the latest first.

    Try:
        hookline inbox list --state failed
        hookline inbox list --source jiwa --json
    """

    async def find() -> list[Mapping[str, Any]]:
        database = await pool(runtime.enter())
        rows = await deliveries.find(database, source=source, state=state, key=key, limit=limit)
        return [as_dict(row) for row in rows]

    rows = asyncio.run(find())
    if as_json:
        print_json(rows)
        return
    show([line for row in rows for line in _lines(row)], COLUMNS, as_json=False)


@app.command(name="show")
def show_(delivery: Number, *, as_json: AsJson = False) -> None:
    """
    Show one delivery as it came, and its dispatches.

    Try:
        hookline inbox show 3f9c2a
    """
    row = asyncio.run(_read(delivery))
    if as_json:
        print_json(row)
        return
    dispatches = row.pop("dispatches")
    show([{"field": name, "value": value} for name, value in row.items()], ["field", "value"], as_json=False)
    show(
        dispatches,
        ["id", "route", "state", "key", "attempts", "flow_run_id", "reason"],
        as_json=False,
        title="\nDispatches",
    )


@app.command
def replay(delivery: Number) -> None:
    """
    Let a delivery go through again; what is done at the vendors is not repeated.

    A run that failed goes on; one that is done runs anew.

    Try:
        hookline inbox replay 3f9c2a
    """

    async def again() -> bool:
        database = await pool(runtime.enter())
        row = await _row(delivery)
        async with database.acquire() as connection:
            return await deliveries.replay(connection, row["id"])

    if not asyncio.run(again()):
        raise HooklineError(f"Delivery {delivery} is waiting or running already.")
    console().print(f"Delivery {delivery} goes through again.")


@app.command
def discard(
    delivery: Number, *, reason: Annotated[str, Parameter(help="Why; it is kept with the delivery.")]
) -> None:
    """
    Set a delivery aside: nothing of it that waits or failed is tried again.

    Try:
        hookline inbox discard 3f9c2a --reason "test order"
    """

    async def aside() -> bool:
        database = await pool(runtime.enter())
        row = await _row(delivery)
        async with database.acquire() as connection:
            return await deliveries.discard(connection, row["id"], reason)

    if not asyncio.run(aside()):
        raise HooklineError(f"Nothing of delivery {delivery} is open: what runs or is done stays as it is.")
    console().print(f"Delivery {delivery} is set aside.")


def as_dict(row: Row) -> dict[str, Any]:
    """A delivery as JSON can hold it: the body as the value it stands for, or as text."""
    plain = dict(row)
    try:
        plain["body"] = json.loads(row["body"])
    except ValueError:
        plain["body"] = row["body"].decode(errors="replace")
    return plain


def _lines(row: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A line for each dispatch, or one for a delivery that has none."""
    head = {
        "id": str(row["id"])[:8],
        "received_at": f"{row['received_at']:%Y-%m-%d %H:%M:%S}",
        "source": row["source"],
        "state": row["state"],
        "duplicates": row["duplicates"] or None,
        "reason": row["reason"],
    }
    return [
        {
            **head,
            "state": dispatch["state"],
            "route": dispatch["route"],
            "key": dispatch["key"],
            "flow_run": (dispatch["flow_run_id"] or "")[:8],
            "reason": dispatch["reason"],
        }
        for dispatch in row["dispatches"]
    ] or [head]


async def _row(delivery: str) -> Row:
    row = await deliveries.read(await pool(runtime.enter()), delivery)
    if row is None:
        raise HooklineError(f"There is no delivery {delivery}, or several begin so. See: hookline inbox list")
    return row


async def _read(delivery: str) -> dict[str, Any]:
    return as_dict(await _row(delivery))
