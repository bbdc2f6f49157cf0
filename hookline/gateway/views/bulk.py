"""Replaying or setting aside all deliveries that a filter finds: first asked, then done a batch at a time."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response

from hookline.database import pool
from hookline.gateway.views import formatting, queries
from hookline.gateway.views.addresses import fields_of, link, wanted
from hookline.gateway.views.base import MAX_REASON, AdminViews, Refused, reason_of
from hookline.inbox import commands, dry_run, search
from hookline.inbox.commands import Command
from hookline.inbox.search import Filter
from hookline.text import typed

BATCH = 100
MAX_PREVIEW = 1_000
"""Deliveries of the dry run that the page asks about; it says if there are more."""
BUSY_SECONDS = 10.0
"""After so long the page says how far it came, and asks again for the rest."""


@dataclass(frozen=True)
class Progress:
    """How far it came."""

    acted: int
    left_alone: int
    rest: Filter
    """What is still to be done."""
    over: bool
    """That is nothing."""


async def ask(views: AdminViews, request: Request) -> Response:
    """Say how many deliveries of which state it would be, and ask whether it shall be."""
    await views.require_session(request)
    filter_ = _narrowed(wanted(request.query_params))
    database = await pool(views.settings)
    filter_ = replace(filter_, before=filter_.before or await queries.end(database))  # none that come later
    found = await search.select(database, filter_, limit=MAX_PREVIEW)
    act = request.url.path.strip("/")
    parts = await (dry_run.replay if act == "replay" else dry_run.discard)(database, found.ids)
    return await views.page(
        request,
        "many.html",
        act=act,
        parts=parts,
        acted=sum(part.deliveries for part in parts if part.left_alone is None),
        found=found,
        wanted=filter_ if found.after is None else replace(filter_, after=found.after),
        reason=typed(request.query_params.get("reason", ""))[:MAX_REASON],
        back=_list(filter_),
    )


async def replay(views: AdminViews, request: Request) -> Response:
    """Let them go through again, as many as can be in ten seconds."""
    form = await views.form(request)
    reason = typed(form.get("reason", ""))[:MAX_REASON]
    act = partial(commands.replay, actor=views.actor(request), reason=reason or "replayed")
    said = "{} went back to the engines; what is done is not repeated."
    return _answer(views, request, await _work(views, form, act), said, reason)


async def discard(views: AdminViews, request: Request) -> Response:
    """Set them aside, as many as can be in ten seconds."""
    form = await views.form(request)
    reason = reason_of(form)
    act = partial(commands.discard, actor=views.actor(request), reason=reason)
    return _answer(views, request, await _work(views, form, act), "{} set aside.", reason)


async def _work(views: AdminViews, form: Mapping[str, str], act: Command) -> Progress:
    """Act on what the form wants, in order of arrival, each batch in a transaction of its own."""
    filter_, database = _narrowed(wanted(form)), await pool(views.settings)
    acted = left_alone = 0
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        found, after = await search.batch(database, filter_, limit=BATCH)
        async with database.acquire() as connection:
            changed = await act(connection, [delivery_id for _, delivery_id in found])
        acted, left_alone = acted + len(changed), left_alone + len(found) - len(changed)
        filter_ = replace(filter_, after=after)
        if after is None or time.monotonic() >= deadline:
            return Progress(acted, left_alone, filter_, over=after is None)


def _answer(views: AdminViews, request: Request, progress: Progress, sentence: str, reason: str) -> Response:
    """Say how far it came; where that is not the end, ask again for the rest."""
    said = sentence.format(formatting.plural(progress.acted, "delivery", "deliveries"))
    if progress.left_alone:
        said += (
            f" {formatting.plural(progress.left_alone, 'was', 'were')} left alone: there was nothing to do."
        )
    if progress.over:
        return views.said(request, _list(progress.rest), said)
    again = f"{link(request.url.path, progress.rest)}&{urlencode({'reason': reason})}"
    return views.said(request, again, f"{said} Go on with the rest below.")


def _narrowed(filter_: Filter) -> Filter:
    """The filter, if it is one; raises Refused: what would change everything is a slip."""
    if not fields_of(filter_, before=None, after=None):
        raise Refused(400, "Which deliveries?", "Narrow the list first.")
    return filter_


def _list(filter_: Filter) -> str:
    """The list that it began with."""
    return link("/", filter_, before=None, after=None)
