"""The page of sources: how each authenticates, its routes, its refusals; pause and resume."""

from dataclasses import dataclass, field

from starlette.requests import Request
from starlette.responses import Response

from hookline.database import pool
from hookline.database.types import Row
from hookline.gateway.views.addresses import local
from hookline.gateway.views.base import AdminViews, Refused, not_found, reason_of
from hookline.hooks.poll import Poll
from hookline.inbox import commands, configuration, listening, polls, refusals, search, stats
from hookline.inbox.refusals import Refusal


@dataclass(frozen=True)
class Card:
    """A source as the page shows it."""

    name: str
    off: str | None
    """The reason that nothing is accepted from it; None if it is on."""
    verified: str
    sent: stats.Source
    """The statistics of its deliveries, and its pause."""
    routes: list[tuple[str, str]] = field(default_factory=list)
    """Their names, and the deployments that they start."""
    refused: list[Refusal] = field(default_factory=list)
    """The refused requests, the latest first."""
    poll: Poll | None = None
    """The list that is read, where nobody sends."""
    polled: Row | None = None
    """How far it was read; None if it never was."""
    listeners: list[Row] = field(default_factory=list)
    """Those of other Hooklines who are sent its deliveries now."""


async def show(views: AdminViews, request: Request) -> Response:
    """Show every source of `hooks.yaml`, and every other that ever sent something."""
    problems = await configuration.problems(await pool(views.settings))
    return await views.page(request, "sources.html", cards=await _cards(views), problems=problems)


async def pause(views: AdminViews, request: Request) -> Response:
    """Pause a source, with the person's reason."""
    form = await views.form(request)
    source, reason = await _source(views, request), reason_of(form)
    async with (await pool(views.settings)).acquire() as connection:
        if not await commands.pause(connection, source, actor=views.actor(request), reason=reason):
            raise Refused(409, "Nothing to pause", f"{source} is paused already.")
    return views.redirect(request, "/sources", f"{source} is paused: its deliveries are stored, and wait.")


async def resume(views: AdminViews, request: Request) -> Response:
    """Resume a paused source."""
    form = await views.form(request)
    source = await _source(views, request)
    async with (await pool(views.settings)).acquire() as connection:
        waiting = await commands.resume(connection, source, actor=views.actor(request))
    if waiting is None:
        raise Refused(409, "Nothing to resume", f"{source} is not paused.")
    message = f"{source} is resumed" + (f"; {waiting:,} that waited will run now." if waiting else ".")
    return views.redirect(request, local(form.get("back", "")), message)


async def _cards(views: AdminViews) -> list[Card]:
    database = await pool(views.settings)
    sent = {each.source: each for each in await stats.by_source(database)}
    refused = await refusals.by_source(database)
    polled = await polls.all_polls(database)
    listeners = await listening.listeners(database)
    return [
        Card(
            name=name,
            off=views.hooks.why_off(name),
            verified=views.verified(name),
            sent=sent.get(name) or stats.Source(name),
            routes=[
                (route.name, "nothing: it is switched off" if route.off else route.deployment)
                for route in views.hooks.routes
                if route.source == name
            ],
            refused=refused.get(name, []),
            poll=views.hooks.sources[name].poll if name in views.hooks.sources else None,
            polled=polled.get(name),
            listeners=[each for each in listeners if each["source"] == name],
        )
        for name in sorted({*views.hooks.sources, *sent, *refused, *views.hooks.wrong_sources})
    ]


async def _source(views: AdminViews, request: Request) -> str:
    """Return the source in the address; raises Refused if there is none."""
    name: str = request.path_params["source"]
    if name in views.hooks.sources or name in await search.sources(await pool(views.settings)):
        return name
    raise not_found("source")
