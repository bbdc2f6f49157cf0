"""`hookline inbox tail`: follow every change, live."""

import asyncio
import sys
from contextlib import suppress
from typing import Annotated

import asyncpg
from cyclopts import Parameter
from rich.text import Text

from hookline import runtime
from hookline.cli.inbox.filters import DeliveryFilter, on_database
from hookline.cli.output import AsJson, console, in_style, print_json
from hookline.database import CONNECTION_ERRORS
from hookline.database.connection import connect, unreachable
from hookline.database.types import Row
from hookline.inbox import search
from hookline.inbox.change_feed import ChangeFeed
from hookline.inbox.deliveries import CHANNEL
from hookline.local_time import here
from hookline.settings import Settings
from hookline.text import one_line

POLL_SECONDS = 1.0
MIN_SECONDS = 0.05
"""Least time between two polls."""


def tail(
    *,
    source: Annotated[str | None, Parameter(help="Only of this source.")] = None,
    state: Annotated[str | None, Parameter(help="Only changes to this state.")] = None,
    as_json: AsJson = False,
) -> None:
    """
    Follow new deliveries and every change, live, until Ctrl-C; times are those of HOOKLINE_TIME_ZONE.

    Try:
        hookline inbox tail
        hookline inbox tail --source jiwa
        hookline inbox tail --state failed --json
    """
    filter_ = DeliveryFilter(source=source, state=state).filter()
    settings = runtime.bootstrap()
    with suppress(KeyboardInterrupt):
        on_database(lambda database: _follow(settings, database, filter_, as_json=as_json))


async def _follow(
    settings: Settings, database: asyncpg.Pool, filter_: search.Filter, *, as_json: bool
) -> None:
    """Print every change that the filter matches, until cancelled; wait for a database that is unavailable."""
    feed = await ChangeFeed.begin(database)
    woken = asyncio.Event()
    listening = asyncio.create_task(_listen(settings, woken))
    away = False
    try:
        while True:
            changes = []
            try:
                changes = await feed.changes()
                away = False
            except CONNECTION_ERRORS as error:
                if not away:
                    console(stderr=True).print(f"{unreachable(settings, error)} Waiting for it.")
                away = True
            for change in changes:
                if filter_.source in {"", change["source"]} and filter_.state in {"", change["became"]}:
                    _print(change, as_json=as_json)
            await asyncio.sleep(MIN_SECONDS)
            with suppress(TimeoutError):  # wait_for may lose a Ctrl-C at the moment of an event
                async with asyncio.timeout(POLL_SECONDS):
                    await woken.wait()
            woken.clear()
    finally:
        listening.cancel()


async def _listen(settings: Settings, woken: asyncio.Event) -> None:
    """Set the event at each notification of the database; if they do not come, the poll remains."""
    while True:
        with suppress(*CONNECTION_ERRORS):
            connection = await connect(settings)
            gone = asyncio.Event()
            connection.add_termination_listener(lambda _, gone=gone: gone.set())
            await connection.add_listener(CHANNEL, lambda *_: woken.set())
            await gone.wait()
        await asyncio.sleep(POLL_SECONDS)


def _print(change: Row, *, as_json: bool) -> None:
    if as_json:
        print_json(dict(change))
    else:
        console().print(_line(change), soft_wrap=True)
    sys.stdout.flush()


def _line(change: Row) -> Text:
    """Return a change as one line, which no text of a sender can break."""
    what = change["route"] or (f"effect {change['effect_id']}" if change["effect_id"] else change["subject"])
    what += f" {change['person']}" if change["person"] else ""
    delivery = str(change["delivery_id"] or "")[:8]
    was = f"{one_line(change['was'])} → " if change["was"] else ""
    label = f"{one_line(change['label'])}  " if change["label"] else ""
    return Text.assemble(
        f"{here(change['at']):%H:%M:%S}  {one_line(change['source'] or ''):<10} {delivery:<8}  ",
        f"{one_line(what)}  {label}{was}",
        in_style(change["became"]),
        f"  {one_line(change['reason'])}" if change["reason"] else "",
        (f"  {one_line(change['actor'])}", "dim"),
    )
