"""`hookline trace`: follow an order from the webhook to each vendor's reference, or back from one."""

from typing import Annotated, Any
from uuid import UUID

import asyncpg
from cyclopts import Parameter
from rich.console import Console
from rich.text import Text
from rich.tree import Tree

from hookline import runtime
from hookline.cli.inbox.filters import on_database
from hookline.cli.inbox.show import copy_remark
from hookline.cli.output import AsJson, console, in_style, print_json
from hookline.errors import HooklineError
from hookline.inbox import search
from hookline.journal import store
from hookline.local_time import here, local_time
from hookline.settings import Settings
from hookline.text import one_line
from hookline.waits import store as waits


def trace(
    key: Annotated[
        str,
        Parameter(
            help="An order's number or id, a label or a word of it, a delivery, a dispatch, a flow run, "
            "a vendor's reference."
        ),
    ],
    *,
    as_json: AsJson = False,
) -> None:
    """
    Follow one order or ticket: delivery, dispatch, flow run, effects, vendor references.

    Try:
        hookline trace 100123
        hookline trace 646186717608805844      a license code leads back to its order
    """
    settings = runtime.bootstrap()
    found = on_database(lambda database: follow(database, key))
    if as_json:
        print_json(found)
        return
    show_trace(settings, key, found, console())


async def follow(database: asyncpg.Pool, key: str) -> dict[str, list[dict[str, Any]]]:
    """
    Find the deliveries and effects that belong to what the key names.

    Raises:
        HooklineError: nothing has that key.
    """
    effects = {row["id"]: dict(row) for row in await store.find(database, state=None, key=key)}
    inbox = await _deliveries(database, key)
    # An order's effects lead to its deliveries, and those to the order's other effects.
    business = {row["key"] for row in effects.values()}
    runs = {str(row["flow_run_id"]) for row in effects.values() if row["flow_run_id"]}
    for other in business | runs:
        inbox |= await _deliveries(database, other)
    dispatches = [dispatch for row in inbox.values() for dispatch in row["dispatches"]]
    of_runs = {str(dispatch[name]) for dispatch in dispatches for name in ("id", "flow_run_id")}
    for one in of_runs | business:
        effects |= {row["id"]: dict(row) for row in await store.find(database, state=None, key=one)}
    if not effects and not inbox:
        raise HooklineError(f"Nothing was found for {key}. See: hookline inbox list, hookline effects list")
    by_arrival = sorted(inbox.values(), key=lambda row: row["seq"])
    return {
        "deliveries": by_arrival,
        "effects": [effects[number] for number in sorted(effects)],
        "waits": await waits.of(database, dispatches=dispatches, delivery_ids=list(inbox)),
    }


async def _deliveries(database: asyncpg.Pool, key: str) -> dict[UUID, dict[str, Any]]:
    found = await search.find(database, search.Filter(key=key))
    return {row["id"]: row for row in found.deliveries}


def show_trace(settings: Settings, key: str, found: dict[str, list[dict[str, Any]]], out: Console) -> None:
    """Print a trace as a tree: deliveries with their flow runs and the effects of each."""
    tree = Tree(Text(one_line(key), "bold"))
    left = {effect["id"]: effect for effect in found["effects"]}
    for delivery in found["deliveries"]:
        more = delivery["duplicates"]
        again = f", came {'once' if more == 1 else f'{more} times'} more" if more else ""
        when = f"{here(delivery['received_at']):%H:%M:%S}"
        copied = copy_remark(delivery)
        branch = tree.add(
            f"delivery {delivery['id']} from {delivery['source']} at {when}{again}"
            + (f", a copy of {copied}" if copied else "")
        )
        if not delivery["dispatches"]:
            branch.add(Text.assemble(in_style(delivery["state"]), _called(delivery), _why(delivery)))
        for wait in found["waits"]:
            if wait["delivery_id"] == delivery["id"]:
                branch.add(f"answered wait {wait['id']} of flow run {wait['flow_run_id']}")
        for dispatch in delivery["dispatches"]:
            _add_run(branch, settings, dispatch, left, found["waits"])
    for effect in left.values():
        tree.add(_effect(effect))
    out.print(tree)


def _add_run(
    branch: Tree,
    settings: Settings,
    dispatch: dict[str, Any],
    left: dict[int, dict[str, Any]],
    all_waits: list[dict[str, Any]],
) -> None:
    """Add a dispatch with its flow run, its effects, which are left no more, and its waits."""
    state = in_style(dispatch["state"])
    run = branch.add(Text.assemble(f"{dispatch['route']}: ", state, _called(dispatch), _why(dispatch)))
    if dispatch["flow_run_id"]:
        run.add(f"flow run {settings.prefect_ui_url}/runs/flow-run/{dispatch['flow_run_id']}")
    for effect in [effect for effect in left.values() if _is_of(effect, dispatch)]:
        run.add(_effect(left.pop(effect["id"])))
    for wait in all_waits:
        if dispatch["id"] == wait["dispatch_id"] or dispatch["flow_run_id"] == wait["flow_run_id"]:
            run.add(_wait(wait))


def _is_of(effect: dict[str, Any], dispatch: dict[str, Any]) -> bool:
    """Return True if the effect is of the dispatch; in a batch, several dispatches share one flow run."""
    if effect["flow_run_id"] is None:
        return bool(effect["dispatch_id"] == dispatch["id"])
    return bool(effect["flow_run_id"] == dispatch["flow_run_id"])


def _effect(effect: dict[str, Any]) -> Text:
    reference = f" -> {', '.join(effect['reference'])}" if effect["reference"] else ""
    times = f" ({effect['attempts']} attempts)" if effect["attempts"] > 1 else ""
    why = "" if effect["state"] == "done" else _why(effect)
    what = one_line(f"{effect['step']}{reference}{times}")
    return Text.assemble(in_style(effect["state"]), f" {what}{why} ", (one_line(effect["operation"]), "dim"))


def _wait(wait: dict[str, Any]) -> Text:
    until = f" until {local_time(wait['until'], seconds=False)}" if wait["state"] == "waiting" else ""
    return Text.assemble(in_style(wait["state"]), f" {one_line(wait['what'])}{until}{_why(wait)}")


def _called(row: dict[str, Any]) -> str:
    return f"  {one_line(row['label'])}" if row["label"] else ""


def _why(row: dict[str, Any]) -> str:
    return f"  {one_line(row['reason'])}" if row["reason"] else ""
