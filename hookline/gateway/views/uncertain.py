"""The page of effects that a person decides about: uncertain ones, doubled ones, and what can still be taken back."""

import re
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from hookline.database import lent, pool
from hookline.errors import HooklineError
from hookline.gateway.views import confirming, queries
from hookline.gateway.views.addresses import local
from hookline.gateway.views.base import AdminViews, Refused, not_found
from hookline.journal import choices, store
from hookline.journal.resolution import by_hand, keep
from hookline.journal.resolution import resolve as resolve_effect
from hookline.journal.resolution import take_back as take_back_decision
from hookline.journal.resolution import undo as undo_effect
from hookline.text import typed

SAID: Mapping[str, choices.Name] = {"yes": "happened", "no": "send again", "by hand": "by hand"}


async def show(views: AdminViews, request: Request) -> Response:
    """Show the effects that wait for a decision, the oldest first, and the decisions that can be taken back."""
    await views.require_session(request)
    database = await pool(views.settings)
    return await views.page(
        request,
        "uncertain.html",
        effects=await queries.uncertain(database),
        decisions=await store.open_decisions(database),
    )


async def resolve(views: AdminViews, request: Request) -> Response:
    """Resolve an effect by what a person found out, or did, once they have confirmed it."""
    form = await views.form(request)
    number, happened = _number(request), form.get("happened", "")
    if happened not in SAID:
        raise not_found("effect")
    reference, confirmed = _lines(form.get("reference", "")), confirming.is_confirmed(form)
    options: dict[str, Any] = {
        "reference": reference,
        "actor": views.actor(request),
        "dry_run": not confirmed,
    }
    try:
        if happened == "by hand":
            fields = (line.partition("=") for line in _lines(form.get("answer", "")))
            answer = {name.strip(): value.strip() for name, _, value in fields}
            sentence = await by_hand(views.settings, number, answer=answer, **options)
        else:
            sentence = await resolve_effect(views.settings, number, happened=happened == "yes", **options)
    except HooklineError as error:
        raise Refused(409, "Not resolved", str(error)) from None
    if not confirmed:
        return await _ask(views, request, form, number, SAID[happened], reference)
    return views.redirect(request, local(form.get("back", "")), sentence)


async def undo(views: AdminViews, request: Request) -> Response:
    """Undo what a doubled effect brought too often, or keep it, once a person has confirmed it."""
    form = await views.form(request)
    number, choice = _number(request), form.get("undo")
    if choice not in {"yes", "no"}:
        raise not_found("effect")
    surplus, actor = form.get("surplus", "").splitlines(), views.actor(request)
    if not confirming.is_confirmed(form):
        return await _ask(views, request, form, number, "undo" if choice == "yes" else "keep")
    try:
        if choice == "yes":
            sentence = await undo_effect(views.settings, number, surplus=surplus, actor=actor)
        else:
            sentence = await keep(views.settings, number, actor=actor)
    except HooklineError as error:
        raise Refused(409, "Not undone", str(error)) from None
    return views.redirect(request, local(form.get("back", "")), sentence)


async def take_back(views: AdminViews, request: Request) -> Response:
    """Take the last decision about an effect back."""
    form = await views.form(request)
    try:
        sentence = await take_back_decision(views.settings, _number(request), actor=views.actor(request))
    except HooklineError as error:
        raise Refused(409, "Not taken back", str(error)) from None
    return views.redirect(request, local(form.get("back", "")), sentence)


async def _ask(
    views: AdminViews,
    request: Request,
    form: Mapping[str, str],
    number: int,
    name: choices.Name,
    reference: list[str] | None = None,
) -> Response:
    try:
        async with lent(views.settings) as connection:
            choice = await choices.choice(views.settings, connection, number, name, reference or [])
    except HooklineError as error:
        raise Refused(409, "Nothing to decide", str(error)) from None
    return await confirming.ask(
        views,
        request,
        form,
        title=choice.title,
        facts=choice.facts,
        follows=choice.follows,
        button=f"{choices.QUESTIONS[name]}: yes",
        back="/uncertain",
    )


def _number(request: Request) -> int:
    """Return the effect's number in the address; raises Refused if it is none."""
    number: str = request.path_params["effect_id"]
    if not re.fullmatch(r"[0-9]{1,18}", number, re.ASCII):
        raise not_found("effect")
    return int(number)


def _lines(text: str) -> list[str]:
    """Return the lines that a person typed, without the empty ones."""
    return [line for line in map(typed, text.splitlines()) if line]
