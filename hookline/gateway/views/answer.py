"""
The page behind a link in a message: a person answers without a log-in.

To open it decides nothing: mail scanners open links too. The token in the address is all that is needed, so no other
site can post in a person's name without it; an answer holds once, and what comes later says so.
"""

import time
from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from hookline.database import pool
from hookline.gateway.views import confirming
from hookline.gateway.views.base import AdminViews, Refused, read_form
from hookline.waits import forms, links, store
from hookline.waits.forms import NotUsable
from hookline.waits.store import Answer

GONE = 410
UNUSABLE = 422


async def show(views: AdminViews, request: Request) -> Response:
    """Show the question with its form, or who has answered it."""
    wait = await _wait(views, request)
    return await _render(views, request, wait)


async def answer(views: AdminViews, request: Request) -> Response:
    """Store the answer, and show that it holds; or what is wrong with it."""
    wait = await _wait(views, request)
    form = await read_form(request)
    confirmed = confirming.is_confirmed(form)
    form.pop(confirming.CONFIRMED, None)
    if wait["state"] != "waiting":
        return await _render(views, request, wait)
    try:
        value = forms.read(wait["form"], form)
    except NotUsable as error:
        return await _render(views, request, wait, form, error.problems)
    if not confirmed:
        return await confirming.ask(
            views,
            request,
            form,
            title=f"Answer: {store.summary(value, wait['form'])}?",
            facts={
                "question": store.question(wait),
                **await store.concerned(await pool(views.settings), wait),
            },
            follows=[
                "It goes on with this answer, at once.",
                "Your answer holds: it cannot be changed here.",
            ],
            button="Answer: yes",
            back=request.url.path,
        )
    await store.answer(await pool(views.settings), wait["id"], Answer(value, wait["person"], "link"))
    return RedirectResponse(request.url.path, 303)


async def _wait(views: AdminViews, request: Request) -> dict[str, Any]:
    """Return the wait of the link; raises Refused without one, or after many wrong ones."""
    address, now = views.peer(request), time.time()
    if seconds := views.link_attempts.seconds_to_wait(address, now):
        raise Refused(429, "Too many attempts", f"Try again in {seconds} seconds.")
    wait = await links.read(await pool(views.settings), request.path_params["token"])
    if wait is None:
        views.link_attempts.count_failure(address, now)
        raise Refused(
            404,
            "This link leads to nothing",
            "Part of it may be missing: open it from the message again. Or what it asked is over long since.",
        )
    return wait


async def _render(
    views: AdminViews,
    request: Request,
    wait: dict[str, Any],
    values: dict[str, str] | None = None,
    problems: dict[str, str] | None = None,
) -> Response:
    is_open = wait["state"] == "waiting"
    mine = wait["answered_way"] == "link" and wait["answered_by"] == wait["person"]
    status = UNUSABLE if problems else 200 if is_open or mine else GONE
    return await views.render(
        request,
        "answer.html",
        status,
        wait=wait,
        mine=mine,
        question=store.question(wait),
        fields=forms.fields_of(wait["form"]),
        values=values or {},
        problems=problems or {},
        summary=store.summary(wait["answer"], wait["form"]) if wait["answer"] is not None else None,
    )
