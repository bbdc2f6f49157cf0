"""The page of effects that a person decides about: uncertain ones, and doubled ones."""

import re

from starlette.requests import Request
from starlette.responses import Response

from hookline.database import pool
from hookline.errors import HooklineError
from hookline.gateway.views import queries
from hookline.gateway.views.addresses import local
from hookline.gateway.views.base import AdminViews, Refused, not_found
from hookline.journal.resolution import keep
from hookline.journal.resolution import resolve as resolve_effect
from hookline.journal.resolution import undo as undo_effect
from hookline.text import typed


async def show(views: AdminViews, request: Request) -> Response:
    """Show the effects that wait for a decision, the oldest first."""
    await views.require_session(request)
    return await views.page(
        request, "uncertain.html", effects=await queries.uncertain(await pool(views.settings))
    )


async def resolve(views: AdminViews, request: Request) -> Response:
    """Resolve an uncertain effect by what a person found out."""
    form = await views.form(request)
    effect_id, happened = request.path_params["effect_id"], form.get("happened")
    if happened not in {"yes", "no"} or not re.fullmatch(r"[0-9]{1,18}", effect_id, re.ASCII):
        raise not_found("effect")
    reference = [typed(line) for line in form.get("reference", "").splitlines()]
    try:
        sentence = await resolve_effect(
            views.settings,
            int(effect_id),
            happened=happened == "yes",
            reference=[line for line in reference if line],
            actor=views.actor(request),
        )
    except HooklineError as error:
        raise Refused(409, "Not resolved", str(error)) from None
    return views.redirect(request, local(form.get("back", "")), sentence)


async def undo(views: AdminViews, request: Request) -> Response:
    """Undo what a doubled effect brought too often, or keep it, as a person confirms."""
    form = await views.form(request)
    effect_id, choice = request.path_params["effect_id"], form.get("undo")
    if choice not in {"yes", "no"} or not re.fullmatch(r"[0-9]{1,18}", effect_id, re.ASCII):
        raise not_found("effect")
    if choice == "yes" and form.get("confirmed") != "yes":
        raise Refused(409, "Not undone", "Tick what is to be undone first: it cannot be taken back here.")
    surplus, actor = form.get("surplus", "").splitlines(), views.actor(request)
    try:
        if choice == "yes":
            sentence = await undo_effect(views.settings, int(effect_id), surplus=surplus, actor=actor)
        else:
            sentence = await keep(views.settings, int(effect_id), actor=actor)
    except HooklineError as error:
        raise Refused(409, "Not undone", str(error)) from None
    return views.redirect(request, local(form.get("back", "")), sentence)
