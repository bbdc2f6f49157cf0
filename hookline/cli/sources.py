"""`hookline sources`: who may send and what is polled, what came of each, and what was refused."""

from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from typing import Annotated, Any

import asyncpg
from cyclopts import App, Parameter

from hookline import runtime
from hookline.cli.inbox.filters import on_database
from hookline.cli.inbox.pausing import SourceName
from hookline.cli.output import AsJson, console, print_json, show
from hookline.cli.output import confirm as ask
from hookline.database.types import Row
from hookline.errors import ConfigurationError, HooklineError
from hookline.gateway.fetching import Fetcher, NotFetched
from hookline.hooks import Hooks, load_hooks
from hookline.inbox import confirmations, polls, refusals, stats
from hookline.inbox.confirmations import Visit
from hookline.inbox.refusals import Refusal
from hookline.local_time import local_time, table_time

app = App(name="sources", help="Who may send and what is polled: what came of each, and what was refused.")

COLUMNS = ["source", "is", "verified", "deliveries", "last_received"]
REFUSED = ["source", "status", "count", "last_at", "peer", "reason"]
FAILING = ["source", "failing_since", "failures", "next_at", "error"]
HINT = (
    "A refused request is not stored: fix the cause, and let the sender send again. "
    "Clear it with: hookline sources forget SOURCE"
)


@app.default
def sources(*, as_json: AsJson = False) -> None:
    """
    List every source, and its refused requests, the latest first; times are those of HOOKLINE_TIME_ZONE.

    This is the only place that shows a sender with a wrong secret, or one whose request was refused.

    Try:
        hookline sources
        hookline sources --json
    """
    hooks = load_hooks(runtime.bootstrap().hooks)
    rows = on_database(lambda database: find(database, hooks))
    if as_json:
        print_json(rows)
        return
    show([row | {"deliveries": _counts(row)} for row in rows], COLUMNS, as_json=False)
    if failing := [row for row in rows if row["poll"] and row["poll"]["failures"]]:
        lines = [{"source": row["source"], **row["poll"]} for row in failing]
        console().print()
        show(lines, FAILING, as_json=False, title="Polls that fail")
    if refused := [_line(each) for row in rows for each in row["refusals"]]:
        console().print()
        show(refused, REFUSED, as_json=False, title="Refused requests")
        console().print(HINT, style="dim", markup=False)


@app.command
def forget(source: SourceName) -> None:
    """
    Clear the refused requests of a source, once the cause is fixed.

    Try:
        hookline sources forget jiwa
    """
    forgotten = on_database(lambda database: refusals.forget(database, source))
    console().print(f"{source}: {forgotten} kinds of refusals cleared.", markup=False)


@app.command
def confirm(
    source: SourceName,
    *,
    yes: Annotated[bool, Parameter(name="--yes", negative="", help="Do not ask.")] = False,
    as_json: AsJson = False,
) -> None:
    """
    Visit the address by which a sender asks to have ours confirmed, as AWS SNS does.

    The address must be at one of the hosts that `confirm` of the source names, and is fetched by https only.

    Try:
        hookline sources confirm aws-sns
    """
    settings = runtime.bootstrap()
    found = load_hooks(settings.hooks).sources.get(source)
    if found is None or found.confirm is None:
        raise ConfigurationError(f"{settings.hooks}: there is no source {source!r} with `confirm`.")
    declared, keys = found.confirm, list(settings.body_keys)
    requests = on_database(lambda database: confirmations.asked(database, source, declared, keys))
    if not requests:
        raise HooklineError(
            f"No delivery of {source} of the last {confirmations.DAYS} days asks for a visit."
        )
    latest = requests[0]
    asked = f"{local_time(latest.received_at)}, delivery {str(latest.delivery_id)[:8]}"
    if not yes and not ask(f"Asked at {asked}: visit {latest.address} ?"):
        raise HooklineError("Nothing was visited.")
    answer = on_database(lambda database: _visit(database, source, latest))
    if as_json:
        print_json(
            {"source": source, "delivery": str(latest.delivery_id), "answer": answer.decode(errors="replace")}
        )
    else:
        console().print(f"{source} is confirmed.", markup=False)


async def _visit(database: asyncpg.Pool, source: str, request: Visit) -> bytes:
    """Visit the address of a sender; who let it, and what came of it, is in the audit trail, the first of it before."""
    note = partial(confirmations.note, database, source, request, actor=runtime.person())
    await note("visited", why="allowed by a person")
    try:
        answer = await Fetcher().visit(request.address)
    except NotFetched as error:
        await note("not confirmed", was="visited", why=str(error))
        raise HooklineError(f"{source} is not confirmed: {error}. Have the sender ask again.") from None
    await note("confirmed", was="visited", why="it answered with success")
    return answer


async def find(database: asyncpg.Pool, hooks: Hooks) -> list[dict[str, Any]]:
    """Return every source, of hooks.yaml or that ever sent something: whether it is open, its counts and refusals."""
    sent = {each.source: each for each in await stats.by_source(database)}
    refused = await refusals.by_source(database)
    polled = await polls.all_polls(database)
    return [
        _row(hooks, name, sent.get(name) or stats.Source(name), refused.get(name, []))
        | {"poll": _poll(polled.get(name)) if _is_polled(hooks, name) else None}
        for name in sorted({*hooks.sources, *sent, *refused})
    ]


def _row(hooks: Hooks, name: str, sent: stats.Source, refused: Sequence[Refusal]) -> dict[str, Any]:
    source = hooks.sources.get(name)
    off = hooks.why_off(name)
    return {
        "source": name,
        "is": "paused" if sent.paused else f"off: {off}" if off else "open",
        "verified": source.auth_scheme.describe(name) if source else None,
        "states": sent.states,
        "last_received": table_time(sent.last_received) if sent.last_received else None,
        "refusals": [asdict(each) for each in refused],
    }


def _is_polled(hooks: Hooks, name: str) -> bool:
    return name in hooks.sources and hooks.sources[name].poll is not None


def _poll(row: Row | None) -> dict[str, Any]:
    """Return how a polled source stands; one that was never polled has no row."""
    times = ("polled_at", "next_at", "failing_since")
    if row is None:
        return dict.fromkeys((*times, "cursor", "error", "failures"))
    written = {name: table_time(row[name]) if row[name] else None for name in times}
    return {**written, "cursor": row["cursor"], "error": row["error"], "failures": row["failures"]}


def _counts(row: dict[str, Any]) -> str:
    return ", ".join(f"{number} {state}" for state, number in row["states"].items()) or "none"


def _line(refusal: dict[str, Any]) -> dict[str, Any]:
    return refusal | {"last_at": table_time(refusal["last_at"])}
