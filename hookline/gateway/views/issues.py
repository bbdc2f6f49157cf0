"""The page of issues: what needs a person, one entry for each cause, with one act for all of it; and vendors away."""

import re
from collections.abc import Mapping, Sequence
from functools import partial

from starlette.requests import Request
from starlette.responses import Response

from hookline.database import pool
from hookline.errors import HooklineError
from hookline.gateway.views import confirming, formatting
from hookline.gateway.views.base import MAX_REASON, AdminViews, Refused, not_found, reason_of
from hookline.issues import commands, store
from hookline.issues.advice import advice_for
from hookline.issues.commands import Acted
from hookline.outages import store as outages
from hookline.text import typed

MAX_ISSUES = 100
MAX_MEMBERS = 100
MAX_NAMED = 20
"""Deliveries that are named before all of an issue are changed."""
DISCARDED = (
    "They do nothing more; what is done at the vendors stays done.",
    "A replay takes them up again.",
)
RESOLVED = {
    "yes": (
        "All of them happened",
        ["None is sent a second time.", "Their runs go on; each can be taken back by itself."],
    ),
    "no": (
        "Send all again",
        [
            "Each is sent again: what did happen is there twice, and a mail that arrived comes twice.",
            "Their runs go on; each can be taken back by itself until then.",
        ],
    ),
}
AT_ONCE = 1_000
"""Deliveries that one click changes; the page says how many are left."""


async def show(views: AdminViews, request: Request) -> Response:
    """Show the open issues, the latest first, and the vendors that are away; on request the closed issues too."""
    database = await pool(views.settings)
    closed = request.query_params.get("closed") == "yes"
    rows = await store.find(database, closed=closed, limit=MAX_ISSUES)
    return await views.page(
        request,
        "issues.html",
        issues=[row | {"advice": advice_for(row)} for row in rows],
        closed=closed,
        accounts=[account for account in await outages.health(database) if account.health != "up"],
    )


async def show_one(views: AdminViews, request: Request) -> Response:
    """Show an issue with the deliveries that belong to it."""
    database = await pool(views.settings)
    number = _number(request)
    issue = await store.read(database, number)
    if issue is None:
        raise not_found("issue")
    return await views.page(
        request,
        "issue.html",
        issue=issue | {"advice": advice_for(issue)},
        members=await store.members(database, number, limit=MAX_MEMBERS),
        MAX_MEMBERS=MAX_MEMBERS,
    )


async def acknowledge(views: AdminViews, request: Request) -> Response:
    """Note that a person takes care of an issue."""
    form = await views.form(request)
    number = _number(request)
    name = typed(form.get("name", ""))[:100]
    actor = views.actor(request, name)
    if not await store.acknowledge(await pool(views.settings), number, actor):
        raise Refused(409, "Not noted", "This issue is closed already.")
    return _back(views, request, number, "Noted: others see that you take care of it.")


async def replay(views: AdminViews, request: Request) -> Response:
    """Replay the deliveries of an issue that wait for a person."""
    form = await views.form(request)
    number, database = _number(request), await pool(views.settings)
    reason = typed(form.get("reason", ""))[:MAX_REASON] or "replayed"
    act = partial(commands.replay, actor=views.actor(request), reason=reason, limit=AT_ONCE)
    return _acted(views, request, number, await act(database, number), "will run again")


async def discard(views: AdminViews, request: Request) -> Response:
    """Set the deliveries of an issue aside, with the person's reason."""
    form = await views.form(request)
    number, database = _number(request), await pool(views.settings)
    reason = reason_of(form)
    if not confirming.is_confirmed(form):
        return await _ask(views, request, form, "Set all aside", DISCARDED)
    act = partial(commands.discard, actor=views.actor(request), reason=reason, limit=AT_ONCE)
    return _acted(views, request, number, await act(database, number), "set aside")


async def resolve(views: AdminViews, request: Request) -> Response:
    """Resolve all uncertain effects of an issue by what a person found out."""
    form = await views.form(request)
    number, happened = _number(request), form.get("happened")
    if happened not in {"yes", "no"}:
        raise not_found("issue")
    if not confirming.is_confirmed(form):
        button, follows = RESOLVED[happened]
        return await _ask(views, request, form, button, follows)
    try:
        acted = await commands.resolve(
            views.settings,
            await pool(views.settings),
            number,
            happened=happened == "yes",
            actor=views.actor(request),
        )
    except HooklineError as error:
        raise Refused(409, "Not all resolved", str(error)) from None
    return _acted(views, request, number, acted, "resolved")


async def _ask(
    views: AdminViews, request: Request, form: Mapping[str, str], button: str, follows: Sequence[str]
) -> Response:
    """Ask before something is done to all deliveries of an issue; name them."""
    database, number = await pool(views.settings), _number(request)
    issue = await store.read(database, number)
    if issue is None:
        raise not_found("issue")
    waiting = await store.waiting(database, number, limit=MAX_NAMED)
    names = [row["name"] for row in waiting[:MAX_NAMED]]
    more = [f"and {issue['waiting'] - MAX_NAMED:,} more"] if issue["waiting"] > MAX_NAMED else []
    return await confirming.ask(
        views,
        request,
        form,
        title=f"{button}: {formatting.plural(issue['waiting'], 'delivery', 'deliveries')}?",
        facts={"issue": issue["title"], "for": "; ".join([*names, *more])},
        follows=follows,
        button=f"{button}: yes",
        back=f"/issues/{number}",
    )


def _acted(views: AdminViews, request: Request, number: int, acted: Acted, done: str) -> Response:
    left = f" {formatting.plural(acted.left, 'is', 'are')} left." if acted.left else ""
    return _back(
        views, request, number, f"{formatting.plural(acted.done, 'delivery', 'deliveries')} {done}.{left}"
    )


def _back(views: AdminViews, request: Request, number: int, message: str) -> Response:
    return views.redirect(request, f"/issues/{number}", message)


def _number(request: Request) -> int:
    """Return the issue's number in the address; raises Refused if it is none."""
    number: str = request.path_params["number"]
    if not re.fullmatch(r"[0-9]{1,18}", number, re.ASCII):
        raise not_found("issue")
    return int(number)
