"""Bulk actions: replay or set aside all deliveries that a filter finds, after a confirmation, in batches."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response

from hookline.database import pool
from hookline.gateway.views import formatting, queries
from hookline.gateway.views.addresses import fields_of, link, read_filter
from hookline.gateway.views.base import MAX_REASON, AdminViews, Refused, reason_of
from hookline.inbox import commands, dry_run, search
from hookline.inbox.commands import Command
from hookline.inbox.search import Filter
from hookline.text import typed

BATCH = 100
MAX_PREVIEW = 1_000
"""Deliveries of the dry run that the page asks about; it says if there are more."""
MAX_SECONDS = 10.0
"""After so long the page shows the progress, and asks for confirmation of the rest."""


@dataclass(frozen=True)
class Progress:
    """The progress of a bulk action."""

    acted: int
    skipped: int
    rest: Filter
    """The deliveries that are left."""
    done: bool
    """True when no matching delivery is left."""


async def ask(views: AdminViews, request: Request) -> Response:
    """Show how many deliveries of which state would be changed, and ask for confirmation."""
    filter_ = _required(read_filter(request.query_params))
    database = await pool(views.settings)
    filter_ = replace(filter_, before=filter_.before or await queries.end(database))  # none that come later
    found = await search.select(database, filter_, limit=MAX_PREVIEW)
    act = request.url.path.strip("/")
    parts = await (dry_run.replay if act == "replay" else dry_run.discard)(database, found.ids)
    return await views.page(
        request,
        "bulk.html",
        act=act,
        parts=parts,
        acted=sum(part.deliveries for part in parts if part.left_alone is None),
        found=found,
        filter=filter_ if found.after is None else replace(filter_, after=found.after),
        reason=typed(request.query_params.get("reason", ""))[:MAX_REASON],
        back=_list(filter_),
    )


async def replay(views: AdminViews, request: Request) -> Response:
    """Replay the deliveries, as many as fit into ten seconds."""
    form = await views.form(request)
    reason = typed(form.get("reason", ""))[:MAX_REASON]
    act = partial(commands.replay, actor=views.actor(request), reason=reason or "replayed")
    message = "{} will run again; what is done at the vendors is not repeated."
    return _answer(views, request, await _work(views, form, act), message, reason)


async def discard(views: AdminViews, request: Request) -> Response:
    """Set the deliveries aside, as many as fit into ten seconds."""
    form = await views.form(request)
    reason = reason_of(form)
    act = partial(commands.discard, actor=views.actor(request), reason=reason)
    return _answer(views, request, await _work(views, form, act), "{} set aside.", reason)


async def _work(views: AdminViews, form: Mapping[str, str], act: Command) -> Progress:
    """Act on the deliveries of the form's filter, in order of arrival, each batch in a transaction of its own."""
    filter_, database = _required(read_filter(form)), await pool(views.settings)
    acted = skipped = 0
    deadline = time.monotonic() + MAX_SECONDS
    while True:
        found, after = await search.batch(database, filter_, limit=BATCH)
        async with database.acquire() as connection:
            changed = await act(connection, [delivery_id for _, delivery_id in found])
        acted, skipped = acted + len(changed), skipped + len(found) - len(changed)
        filter_ = replace(filter_, after=after)
        if after is None or time.monotonic() >= deadline:
            return Progress(acted, skipped, filter_, done=after is None)


def _answer(views: AdminViews, request: Request, progress: Progress, sentence: str, reason: str) -> Response:
    """Redirect to a page with the progress: the list, or the confirmation of the rest."""
    message = sentence.format(formatting.plural(progress.acted, "delivery", "deliveries"))
    if progress.skipped:
        message += (
            f" {formatting.plural(progress.skipped, 'was', 'were')} not changed: there was nothing to do."
        )
    if progress.done:
        return views.redirect(request, _list(progress.rest), message)
    rest = f"{link(request.url.path, progress.rest)}&{urlencode({'reason': reason})}"
    return views.redirect(request, rest, f"{message} Continue with the rest below.")


def _required(filter_: Filter) -> Filter:
    """Return the filter; raises Refused for an empty one, which would change everything by mistake."""
    if not fields_of(filter_, before=None, after=None):
        raise Refused(400, "Which deliveries?", "Choose a filter first.")
    return filter_


def _list(filter_: Filter) -> str:
    """Return the address of the list that the action began with."""
    return link("/", filter_, before=None, after=None)
