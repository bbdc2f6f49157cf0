"""`hookline inbox show`: one delivery with everything about it."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import asyncpg
from rich.console import Console

from hookline import runtime
from hookline.cli.inbox.filters import Number, find_one, on_database
from hookline.cli.output import AsJson, console, print_json, show, show_record
from hookline.inbox import audit, bodies, full_rows
from hookline.local_time import table_time
from hookline.settings import Settings

DISPATCH = ["route", "state", "label", "key", "attempts", "reason"]
EFFECT = ["id", "state", "label", "step", "operation", "reference", "attempts", "reason"]
CHANGE = ["at", "what", "was", "state", "actor", "reason"]


def show_delivery(delivery: Number, *, as_json: AsJson = False) -> None:
    """
    Show one delivery with everything about it; times are those of HOOKLINE_TIME_ZONE.

    That is the request without its secrets, its dispatches with their flow runs in the Prefect UI, the effects at the
    vendors, and every change: when, by whom and why.

    Try:
        hookline inbox show 3f9c2a
        hookline inbox show 3f9c2a --json
    """
    settings = runtime.bootstrap()
    row = on_database(lambda database: read(database, settings, delivery))
    if as_json:
        print_json({**row, "body": bodies.as_json(row["body"])})
    else:
        _print(row, console())


async def read(database: asyncpg.Pool, settings: Settings, delivery: str) -> dict[str, Any]:
    """Return one delivery with its body, `dispatches`, `effects` and `trail`; raises as `find_one`."""
    found = await find_one(database, delivery)
    [row] = await full_rows.read(database, [found["id"]], settings.body_keys)
    for dispatch in row["dispatches"]:
        run = dispatch["flow_run_id"]
        dispatch["flow_run_url"] = run and f"{settings.prefect_ui_url}/runs/flow-run/{run}"
    return {
        **row,
        "replaces": found["replaces"],
        "effects": [dict(effect) for effect in await full_rows.effects(database, row["dispatches"])],
        "trail": [dict(change) for change in await audit.trail(database, row["id"])],
    }


def _print(row: Mapping[str, Any], out: Console) -> None:
    repeats = row["duplicates"] and f"{row['duplicates']}, the last at {_when(row['duplicate_at'])}"
    if row["others"]:
        repeats += f"; with another body: {row['others']} (hookline inbox list --key {row['id']})"
    labelled = [row, *row["dispatches"]]
    facts = {
        "id": row["id"],
        "source": row["source"],
        "sender's id": row["external_id"],
        "received at": _when(row["received_at"]),
        "state": row["state"],
        "reason": row["reason"],
        "label": row["label"],
        "about": ", ".join(f"{name}: {value}" for name, value in _about(labelled).items()),
        "missing of its label": "; ".join(
            each["label_problem"] for each in labelled if each["label_problem"]
        ),
        "repeats": repeats,
        "came under the id of": row["repeats_id"],
        "took the place of": row["replaces"]
        and f"{row['replaces']} of its key (hookline inbox list --key {row['id']})",
        "item of": row["bundle_id"],
        "a copy of": copy_remark(row),
        "listened from": row["listened_from"] and f"{row['listened_from']}, where it is {row['listened_id']}",
        "its copies": row["copies"] and f"{row['copies']} (hookline inbox list --key {row['id']})",
        "around it": row["envelope"] and json.dumps(row["envelope"], ensure_ascii=False),
        "its items": f"hookline inbox list --key {row['id']}" if row["state"] == "split" else None,
    }
    show_record({name: value for name, value in facts.items() if value})
    _heading("Request", out)
    _print_request(row, out)
    if row["dispatches"]:
        _heading("Dispatches", out)
        show(row["dispatches"], DISPATCH, as_json=False)
        for dispatch in row["dispatches"]:
            if url := dispatch["flow_run_url"]:
                out.print(f"flow run of {dispatch['route']}: {url}", soft_wrap=True)
    if row["effects"]:
        _heading("Effects at the vendors", out)
        show(row["effects"], EFFECT, as_json=False)
    _heading("What happened", out)
    show([_change(change) for change in row["trail"]], CHANGE, as_json=False)


def _about(labelled: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Return all that a delivery and its dispatches are about."""
    return {name: value for each in labelled for name, value in each["about"].items()}


def copy_remark(row: Mapping[str, Any]) -> str | None:
    """Return what a copy is of, and what was changed; None for what is no copy."""
    if row["changed"] is None:
        return None
    parameters = [
        f"{route}: {', '.join(names)}" for route, names in row["changed"].get("parameters", {}).items()
    ]
    changes = (["another body"] if row["changed"]["body"] else []) + parameters
    return f"{row['copy_of'] or 'a delivery that is deleted, or a new item'}, with {'; '.join(changes)}"


def _print_request(row: Mapping[str, Any], out: Console) -> None:
    """Print the request, with its control characters made visible."""
    query = "&".join(f"{name}={value}" for name, value in row["query"].items())
    lines = [f"{row['method']} /hooks/{row['source']}{'?' * bool(query)}{query}"]
    lines += [f"{name}: {value}" for name, value in row["headers"].items()]
    lines += ["", *_body_lines(row)]
    for line in lines:
        out.print(line, soft_wrap=True)
    if row["altered"]:
        out.print(f"(changed before it was stored: {', '.join(row['altered'])})", style="dim")


def _body_lines(row: Mapping[str, Any]) -> Sequence[str]:
    """Return the beginning of the body as a person can read it, or why there is none."""
    from hookline.gateway.views.preview import preview  # the page's packages, which `--json` need not load

    body: bytes | None = row["body"]
    if not body:
        return [bodies.absence(row["altered"]) if body is None else "(an empty body)"]
    beginning = preview(body, row["content_type"])
    lines = [f"{name}={value}" for name, value in beginning.fields] or beginning.text.split("\n")
    if beginning.is_cut:
        lines.append(f"… of {len(body):,} bytes; all of it: hookline inbox export --key {row['id']}")
    return lines


def _change(change: Mapping[str, Any]) -> dict[str, Any]:
    return {
        **change,
        "at": _when(change["at"]),
        "what": change["route"]
        or (f"effect {change['effect_id']}" if change["effect_id"] else change["subject"]),
        "state": change["became"],
    }


def _heading(text: str, out: Console) -> None:
    out.print(f"\n{text}", style="bold")


def _when(moment: Any) -> str:
    return table_time(moment)
