"""The sources: how each proves itself, what it may start, whether it is paused; and pausing it."""

from dataclasses import dataclass, field

from starlette.requests import Request
from starlette.responses import Response

from hookline.database import pool
from hookline.gateway.pages.addresses import local
from hookline.gateway.pages.desk import Desk, Refused, not_found, reason_of
from hookline.hooks import Hooks
from hookline.inbox import acts, configuration, search, stats
from hookline.settings import webhook_secrets


@dataclass(frozen=True)
class Card:
    """What the page says of a source."""

    name: str
    off: str | None
    """Why nothing is taken from it; None if it is."""
    verified: str
    sent: stats.Source
    """What it sent, and whether it is paused."""
    routes: list[tuple[str, str]] = field(default_factory=list)
    """Their names, and the deployments that they start."""


async def show(desk: Desk, request: Request) -> Response:
    """Every source of `hooks.yaml`, and every other that ever sent something."""
    desk.require_pass(request)
    problems = await configuration.problems(await pool(desk.settings))
    return await desk.page(request, "sources.html", cards=await _cards(desk), problems=problems)


async def pause(desk: Desk, request: Request) -> Response:
    """Hold what a source sends, with the person's reason."""
    form = await desk.form(request)
    source, reason = await _source(desk, request), reason_of(form)
    async with (await pool(desk.settings)).acquire() as connection:
        if not await acts.pause(connection, source, actor=desk.actor(request), reason=reason):
            raise Refused(409, "Nothing to pause", f"{source} is paused already.")
    return desk.said(request, "/sources", f"{source} is paused: what it sends is kept, and held.")


async def resume(desk: Desk, request: Request) -> Response:
    """Let a paused source go on."""
    form = await desk.form(request)
    source = await _source(desk, request)
    async with (await pool(desk.settings)).acquire() as connection:
        held = await acts.resume(connection, source, actor=desk.actor(request))
    if held is None:
        raise Refused(409, "Nothing to resume", f"{source} is not paused.")
    said = f"{source} goes on" + (f", with {held:,} that were held." if held else ".")
    return desk.said(request, local(form.get("back", "")), said)


async def _cards(desk: Desk) -> list[Card]:
    sent = {each.source: each for each in await stats.by_source(await pool(desk.settings))}
    return [
        Card(
            name=name,
            off=_why_off(name, desk.hooks),
            verified=desk.verified(name),
            sent=sent.get(name) or stats.Source(name),
            routes=[
                (route.name, "nothing: it is switched off" if route.off else route.deployment)
                for route in desk.hooks.routes
                if route.source == name
            ],
        )
        for name in sorted({*desk.hooks.sources, *sent, *_wrong(desk.hooks)})
    ]


def _wrong(hooks: Hooks) -> list[str]:
    """The sources of the file that cannot be read."""
    return [problem.name for problem in hooks.problems if problem.kind == "source"]


def _why_off(name: str, hooks: Hooks) -> str | None:
    source = hooks.sources.get(name)
    if source is None:
        wrong = [each.detail for each in hooks.problems if (each.kind, each.name) == ("source", name)]
        return wrong[0] if wrong else "hooks.yaml does not name it"
    if not source.enabled:
        return "hooks.yaml says so"
    return None if webhook_secrets(name) else "it has no secret"


async def _source(desk: Desk, request: Request) -> str:
    """The source that the address names; raises Refused if there is none."""
    name: str = request.path_params["source"]
    if name in desk.hooks.sources or name in await search.sources(await pool(desk.settings)):
        return name
    raise not_found("source")
