"""`hookline inbox replay --body` and `--parameter`: a copy of a delivery, with a change."""

import asyncio
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg

from hookline import runtime
from hookline.cli.inbox.filters import find_one, hooks_now, on_database, pause_remarks
from hookline.cli.output import confirm, console, show
from hookline.errors import ConfigurationError, HooklineError
from hookline.hooks import Hooks
from hookline.inbox import copies
from hookline.settings import Settings

NOT_REPEATED = (
    "What the journal has as done for a business key, such as an order, is not repeated, by a copy neither."
)


@dataclass(frozen=True)
class CopyRequest:
    """The change as it was typed."""

    number: str
    """The delivery's id, or its beginning."""
    body: str | None
    parameters: tuple[str, ...]
    route: str | None
    reason: str


def copy(request: CopyRequest, *, dry_run: bool, yes: bool) -> None:
    """Copy one delivery with a change: show what it would start, ask, and store it."""
    asks = not (yes or dry_run)
    if asks and (request.body == "-" or not sys.stdin.isatty()):
        raise ConfigurationError(
            "There is no terminal to ask for confirmation. Nothing was stored; add --yes, or see first what would "
            "run with --dry-run."
        )
    settings, hooks = runtime.bootstrap(), hooks_now()
    body = None if request.body is None else _content(request.body)
    prepared, dispatches = on_database(lambda database: _prepare(database, settings, hooks, request, body))
    _rehearse(settings, prepared, dispatches)
    if dry_run:
        console().print(f"A copy with {prepared.change} would be made; nothing was changed.")
        return
    if asks and not confirm("Start this copy?"):
        raise HooklineError("Nothing was stored.")
    source = prepared.row["source"]
    remarks = on_database(lambda database: _store(database, prepared, request.reason))
    console().print(
        f"Delivery {prepared.id} of {source} is a copy of {prepared.original_id} with {prepared.change}."
    )
    for remark in [NOT_REPEATED, *remarks]:
        console().print(remark)


def _content(file: str) -> bytes:
    try:
        return sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    except OSError as error:
        raise ConfigurationError(f"Cannot read {file}: {error.strerror}.") from None


async def _prepare(
    database: asyncpg.Pool, settings: Settings, hooks: Hooks, request: CopyRequest, body: bytes | None
) -> tuple[copies.Copy, Sequence[Mapping[str, Any]]]:
    """Return the copy that is to be made, and the dispatches of what is copied."""
    found = await find_one(database, request.number)
    if request.route is not None:
        _require_route(hooks, found["source"], request.route)
    parameters = {}
    if request.parameters:
        route = request.route or _only_route(hooks, found)
        parameters = {route: _values(request.parameters)}
    change = copies.Change(body, parameters, request.route)
    original = await copies.original(database, found["id"])
    source = hooks.sources.get(found["source"])
    return copies.copied(original, uuid4(), change, source, settings.body_keys), found["dispatches"]


def _require_route(hooks: Hooks, source: str, route: str) -> None:
    known = [each.name for each in hooks.routes if each.source == source]
    if route not in known:
        raise ConfigurationError(
            f"{hooks.path} has no route {route!r} of {source}. There are: {', '.join(known) or 'none'}."
        )


def _only_route(hooks: Hooks, found: Mapping[str, Any]) -> str:
    """Return the route whose parameters are meant: the one that took the delivery, or the only one of its source."""
    taken: list[str] = [dispatch["route"] for dispatch in found["dispatches"]]
    routes = taken or [each.name for each in hooks.routes if each.source == found["source"]]
    if len(routes) != 1:
        raise ConfigurationError(
            f"--parameter is for one route: name it with --route. There are: {', '.join(routes) or 'none'}."
        )
    return routes[0]


def _values(words: Sequence[str]) -> dict[str, Any]:
    """Return the parameters of a command line; a value that is not JSON is a text."""
    values: dict[str, Any] = {}
    for number, word in enumerate(words, 1):
        name, equals, text = word.partition("=")
        if not (name and equals):
            raise ConfigurationError(f"--parameter {number} is not NAME=VALUE.")
        if name in values:
            raise ConfigurationError(f"--parameter {name} is there twice.")
        try:
            values[name] = json.loads(text)
        except (ValueError, RecursionError):
            values[name] = text
    return values


def _rehearse(settings: Settings, copy: copies.Copy, dispatches: Sequence[Mapping[str, Any]]) -> None:
    """Show what a copy would start; raise where it must not be stored."""
    from hookline.confined import Confined
    from hookline.engine.rehearsal import rehearse  # Prefect, which the other commands do without
    from hookline.engine.trying import files_in_force

    files, confined = files_in_force(settings), Confined()
    try:
        rehearsed = asyncio.run(rehearse(files, copy.unsealed, confined))
    finally:
        confined.close()
    if rehearsed.problem:
        raise HooklineError(f"The copy is refused: {rehearsed.problem.rstrip('.')}. Nothing was stored.")
    if rehearsed.items is not None:
        console().print(
            f"It is a bundle with {rehearsed.items:,} items. Those that came before as they are now are left alone."
        )
    before = {dispatch["route"]: dispatch["parameters"] for dispatch in dispatches}
    for start in rehearsed.starts:
        key = f", key {start.key}" if start.key else ""
        console().print(f"{start.route} would start {start.deployment}{key}", style="bold")
        was = before.get(start.route, {})
        names = dict.fromkeys((*was, *start.parameters))
        show(
            [
                {"parameter": name, "before": _json(was, name), "after": _json(start.parameters, name)}
                for name in names
            ],
            ["parameter", "before", "after"],
            as_json=False,
        )


def _json(parameters: Mapping[str, Any], name: str) -> str | None:
    return json.dumps(parameters[name], ensure_ascii=False) if name in parameters else None


async def _store(database: asyncpg.Pool, copy: copies.Copy, reason: str) -> list[str]:
    """Store the copy; return remarks about what it waits for."""
    async with database.acquire() as connection:
        await copies.store(connection, copy, actor=runtime.person(), reason=reason)
    return await pause_remarks(database, {copy.row["source"]})
