"""The page of effects that a person decides about: uncertain ones, and doubled ones."""

import re

from starlette.requests import Request
from starlette.responses import Response

from hookline.database import pool
from hookline.errors import HooklineError
from hookline.gateway.views import queries
from hookline.gateway.views.addresses import local
from hookline.gateway.views.base import AdminViews, Refused, not_found
from hookline.journal.resolution import by_hand, keep
from hookline.journal.resolution import resolve as resolve_effect
from hookline.journal.resolution import undo as undo_effect
from hookline.text import typed


async def show(views: AdminViews, request: Request) -> Response:
    """Show the effects that wait for a decision, the oldest first."""
    return await views.page(
        request, "uncertain.html", effects=await queries.uncertain(await pool(views.settings))
    )


async def resolve(views: AdminViews, request: Request) -> Response:
    """Resolve an effect by what a person found out, or did."""
    form = await views.form(request)
    effect_id, happened = request.path_params["effect_id"], form.get("happened")
    if happened not in {"yes", "no", "by hand"} or not re.fullmatch(r"[0-9]{1,18}", effect_id, re.ASCII):
        raise not_found("effect")
    number, reference, actor = int(effect_id), _lines(form.get("reference", "")), views.actor(request)
    try:
        if happened == "by hand":
            fields = (line.partition("=") for line in _lines(form.get("answer", "")))
            answer = {name.strip(): value.strip() for name, _, value in fields}
            sentence = await by_hand(views.settings, number, reference=reference, answer=answer, actor=actor)
        else:
            sentence = await resolve_effect(
                views.settings, number, happened=happened == "yes", reference=reference, actor=actor
            )
    except HooklineError as error:
        raise Refused(409, "Not resolved", str(error)) from None
    return views.redirect(request, local(form.get("back", "")), sentence)


def _lines(text: str) -> list[str]:
    """Return the lines that a person typed, without the empty ones."""
    return [line for line in map(typed, text.splitlines()) if line]


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
