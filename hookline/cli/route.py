"""`hookline route`: what the routes of hooks.yaml would do with a delivery or a body."""

import asyncio
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import asyncpg
from cyclopts import App, Parameter, validators

from hookline import runtime
from hookline.cli.inbox.filters import find_one, on_database
from hookline.cli.output import AsJson, console, print_json, show, show_record
from hookline.errors import ConfigurationError, HooklineError
from hookline.inbox import search
from hookline.inbox.search import Filter
from hookline.inbox.tries import Result, Tried, TriedRoute

if TYPE_CHECKING:
    from hookline.engine.trying import Files, Request
    from hookline.settings import Settings

app = App(name="route", help="What the routes of hooks.yaml would do with a delivery or a body.")

NOT_TAKEN, DIFFERS = 3, 4
"""Exit codes."""
MAX_LAST = 1_000
HEADER = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+): *([^\r\n\0]*)")
ROUTES = ["item", "route", "verdict", "deployment", "parameters", "key", "label", "limits", "why"]
DELIVERIES = ["delivery", "source", "state", "route", "verdict", "key", "label", "why"]
DIFFERENCES = ["delivery", "what", "now", "then"]


@app.command(name="try")
def try_(
    *,
    delivery: Annotated[
        tuple[str, ...],
        Parameter(help="A stored delivery by its id, or the beginning of it; may be repeated.", negative=""),
    ] = (),
    last: Annotated[
        int | None,
        Parameter(
            help="The latest so many deliveries, with --source only of that one.",
            validator=validators.Number(gte=1, lte=MAX_LAST),
        ),
    ] = None,
    file: Annotated[
        str | None, Parameter(help="A body; - for standard input.", allow_leading_hyphen=True)
    ] = None,
    source: Annotated[str | None, Parameter(help="A source of hooks.yaml.")] = None,
    header: Annotated[
        tuple[str, ...],
        Parameter(help="A header that comes with --file, as 'Name: value'; may be repeated.", negative=""),
    ] = (),
    hooks: Annotated[
        Path | None, Parameter(help="A changed hooks.yaml, in place of the one in force.")
    ] = None,
    as_json: AsJson = False,
) -> int:
    """
    Say what the routes would do with a delivery or a body, as an engine would; store nothing, start nothing.

    It says how the body is read, which id it has, and of every route of the source if it takes the body and with
    what, or why not. With --hooks it tries a changed file, and says what differs from the files in force; paths in
    that file are relative to its folder. The proof of a sender is not asked for. It imports the flow files.

    The exit code is 0 if everything is taken by a route, with --hooks if nothing differs; 3 if something is not
    taken; 4 if something differs; 1 if it cannot be tried; 2 if an argument or a file is wrong.

    Try:
        hookline route try --delivery 3f9c2a
        hookline route try --source standard --file order.json --header 'webhook-id: msg_1'
        hookline route try --last 50 --source jiwa --hooks deployments/hooks.new.yaml
    """
    _require_one(delivery=delivery, last=last, file=file)
    request = None if file is None else (source, file, _headers(header))
    if request is None and header:
        raise ConfigurationError("--header comes with --file: a stored delivery has its own headers.")
    if delivery and source:
        raise ConfigurationError(
            "--source comes with --file or --last: a stored delivery has its own source."
        )
    settings = runtime.bootstrap()
    present, changed = _files(settings, hooks)
    if request:
        result = _try_request(settings, _request(*request), present, changed)
    else:
        result = _try_deliveries(settings, delivery, last, source, present, changed)
    _show(result, hooks, as_json=as_json)
    return _exit_code(result)


def _require_one(**options: object) -> None:
    chosen = [f"--{name}" for name, value in options.items() if value not in (None, ())]
    if not chosen:
        raise ConfigurationError(
            "What is to be tried? Name stored deliveries by --delivery ID or --last N, or a body by --file FILE "
            "--source SOURCE."
        )
    if len(chosen) > 1:
        raise ConfigurationError(f"{' and '.join(chosen)} exclude each other: use one of them.")


def _headers(options: Sequence[str]) -> dict[str, str]:
    found = {"content-type": "application/json"}
    for each in options:
        if not (read := HEADER.fullmatch(each)):
            raise ConfigurationError(f"--header {each!r} is not 'Name: value'.")
        found[read[1].lower()] = read[2].strip()
    return found


def _files(settings: "Settings", hooks: Path | None) -> "tuple[Files, Files | None]":
    from hookline.engine.trying import changed_files, files_in_force  # Prefect, and the flow files

    present = files_in_force(settings)
    return present, None if hooks is None else changed_files(present, hooks)


def _request(source: str | None, file: str, headers: dict[str, str]) -> "Request":
    from hookline.engine.trying import Request

    if source is None:
        raise ConfigurationError("--file needs --source SOURCE, the source of hooks.yaml that sends it.")
    return Request(source, _body(file), headers)


def _body(file: str) -> bytes:
    from hookline.engine.trying import MAX_BODY

    try:
        if file == "-":
            body = sys.stdin.buffer.read(MAX_BODY + 1)
        else:
            with Path(file).open("rb") as opened:
                body = opened.read(MAX_BODY + 1)
    except OSError as error:
        raise ConfigurationError(f"Cannot read {file}: {error.strerror}.") from None
    if len(body) > MAX_BODY:
        raise ConfigurationError(f"{file} is longer than {MAX_BODY:,} bytes, more than any source accepts.")
    return body


def _try_request(
    settings: "Settings", request: "Request", present: "Files", changed: "Files | None"
) -> Result:
    """Try a body; without a database, if it repeats a stored one is not known."""
    from hookline.database.errors import DatabaseUnavailable
    from hookline.engine.trying import try_request

    async def work(database: asyncpg.Pool | None) -> Result:
        return await try_request(settings, database, request, present, changed)

    with suppress(DatabaseUnavailable):
        return on_database(work)
    return asyncio.run(work(None))


def _try_deliveries(
    settings: "Settings",
    numbers: Sequence[str],
    last: int | None,
    source: str | None,
    present: "Files",
    changed: "Files | None",
) -> Result:
    from hookline.engine.trying import try_deliveries

    async def work(database: asyncpg.Pool) -> Result:
        if last is None:
            ids = [(await find_one(database, each))["id"] for each in numbers]
        else:
            ids = await _latest(database, last, source)
        return await try_deliveries(settings, database, ids, present, changed)

    result = on_database(work)
    if numbers and (untried := [each for each in result.tried if each.state is None]):
        raise HooklineError("\n".join(f"Delivery {each.name}: {each.reason}." for each in untried))
    return result


async def _latest(database: asyncpg.Pool, number: int, source: str | None) -> list[UUID]:
    found = await search.select(database, Filter(source=source or ""), limit=number)
    if not found.ids:
        known = ", ".join(await search.sources(database)) or "none"
        of = f" of {source}" if source else ""
        raise HooklineError(f"There is no stored delivery{of}. There are some of: {known}.")
    return found.ids


def _exit_code(result: Result) -> int:
    if result.differences is not None:
        return DIFFERS if result.differences else 0
    return 0 if all(each.is_taken for each in result.tried) else NOT_TAKEN


def _show(result: Result, hooks: Path | None, *, as_json: bool) -> None:
    if as_json:
        print_json({"hooks": hooks and str(hooks), **result.record()})
        return
    if len(result.tried) == 1:
        _show_one(result.tried[0])
    elif result.differences is None:
        show([row for each in result.tried for row in _lines(each)], DELIVERIES, as_json=False)
    if result.differences is not None:
        _show_differences(result, hooks)


def _show_one(tried: Tried) -> None:
    show_record(dict(tried.facts()))
    for remark in tried.remarks:
        console().print(remark, style="dim")
    rows = [row for number, each in enumerate(tried.with_items()) for row in _rows(each, number)]
    if rows:
        columns = [column for column in ROUTES if any(row[column] not in (None, "") for row in rows)]
        console().print()
        show(rows, columns, as_json=False)
    elif tried.state:
        console().print("\nNo route of hooks.yaml is of this source.")


def _rows(tried: Tried, number: int) -> Iterator[dict[str, Any]]:
    for route in tried.routes:
        yield {"item": number or None, **route.row()}


def _lines(tried: Tried) -> Iterator[dict[str, Any]]:
    """Yield a line for each route of a delivery and of its items, or one for a delivery that has none."""
    routes: list[TriedRoute] = [route for each in tried.with_items() for route in each.routes]
    common = {"delivery": tried.name, "source": tried.source, "state": tried.state or "not tried"}
    if not routes:
        yield {**common, "why": tried.reason}
    for route in routes:
        yield {**common, **route.row()}


def _show_differences(result: Result, hooks: Path | None) -> None:
    found = result.differences or []
    changed = {each.delivery for each in found}
    untried = sum(each.state is None for each in result.tried)
    if found:
        console().print()
        show([vars(each) for each in found], DIFFERENCES, as_json=False)
    rest = f", and {untried} cannot be tried" if untried else ""
    console().print(
        f"\nOf {len(result.tried)} tried, {len(changed)} would go another way by {hooks}{rest}.", markup=False
    )
