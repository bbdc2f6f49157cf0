"""The pages of waits: what runs wait for, and an answer in a person's place."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response

from hookline.database import pool
from hookline.gateway.views import confirming
from hookline.gateway.views.answer import UNUSABLE
from hookline.gateway.views.base import AdminViews, Refused, not_found, reason_of
from hookline.states import WAITS
from hookline.text import typed
from hookline.waits import forms, store
from hookline.waits.forms import NotUsable
from hookline.waits.store import Answer

OVER = "It was over already; the first answer holds."
ANSWERED = (
    "Its run goes on with this answer.",
    "The first answer holds. Who was asked too sees that it is over.",
)
CANCELLED = (
    "Nobody is asked any more.",
    "Its run goes on without an answer, and fails unless its flow can do without.",
)
REOPENED = (
    "The people are asked once more, by a message.",
    "What the run did with the earlier answer stays done.",
)

MAX_WAITS = 100
MAX_NAME = 100


async def show(views: AdminViews, request: Request) -> Response:
    """Show the open waits, the one that times out first; on request those that are over."""
    database = await pool(views.settings)
    state = request.query_params.get("state", "waiting")
    if state not in WAITS.states:
        raise not_found("state")
    rows = await store.find(database, state=state, limit=MAX_WAITS)
    return await views.page(
        request,
        "waits.html",
        waits=rows,
        state=state,
        states=WAITS.states,
        counts=await store.counts(database),
        MAX_WAITS=MAX_WAITS,
    )


async def show_one(views: AdminViews, request: Request) -> Response:
    """Show a wait: what it is for, who was asked, and its form if a person is to answer."""
    return await _render(views, request, await _wait(views, request))


async def answer(views: AdminViews, request: Request) -> Response:
    """Answer in a person's place."""
    form = await views.form(request)
    wait = await _wait(views, request)
    if wait["form"] is None:
        raise Refused(409, "Not answered", "It waits for a delivery, which only its sender can send.")
    if wait["state"] != "waiting":
        raise Refused(409, "Not answered", OVER)
    confirmed = confirming.is_confirmed(form)
    form.pop(confirming.CONFIRMED, None)
    name = typed(form.pop("your name", ""))[:MAX_NAME]
    by = views.actor(request, name)
    try:
        value = forms.read(wait["form"], form)
    except NotUsable as error:
        return await _render(views, request, wait, form, error.problems)
    if not confirmed:
        return await _ask(
            views,
            request,
            form | {"your name": name},
            wait,
            f"Answer: {store.summary(value, wait['form'])}?",
            "Answer: yes",
            ANSWERED,
        )
    if not await store.answer(await pool(views.settings), wait["id"], Answer(value, by, "page")):
        raise Refused(409, "Not answered", OVER)
    return views.redirect(request, f"/waits/{wait['id']}", "Answered. Its run goes on.")


async def cancel(views: AdminViews, request: Request) -> Response:
    """End a wait without an answer, with the person's reason."""
    form = await views.form(request)
    wait, reason = await _wait(views, request), reason_of(form)
    if wait["state"] == "waiting" and not confirming.is_confirmed(form):
        return await _ask(views, request, form, wait, "Cancel this wait?", "Cancel it: yes", CANCELLED)
    if not await store.cancel(
        await pool(views.settings), wait["id"], actor=views.actor(request), reason=reason
    ):
        raise Refused(409, "Not cancelled", "It was over already.")
    return views.redirect(
        request, f"/waits/{wait['id']}", "Cancelled. Its run goes on, and fails unless it can do without."
    )


async def reopen(views: AdminViews, request: Request) -> Response:
    """Ask people again, with the person's reason."""
    form = await views.form(request)
    wait, reason = await _wait(views, request), reason_of(form)
    if wait["state"] != "waiting" and wait["form"] and not confirming.is_confirmed(form):
        return await _ask(views, request, form, wait, "Ask again?", "Ask again: yes", REOPENED)
    if not await store.reopen(
        await pool(views.settings), wait["id"], actor=views.actor(request), reason=reason
    ):
        raise Refused(409, "Not reopened", "It is open, or waits for a delivery.")
    message = "Asked again. Replay the delivery whose run is to use the answer."
    return views.redirect(request, f"/waits/{wait['id']}", message)


async def _ask(
    views: AdminViews,
    request: Request,
    form: Mapping[str, str],
    wait: dict[str, Any],
    title: str,
    button: str,
    follows: Sequence[str],
) -> Response:
    return await confirming.ask(
        views,
        request,
        form,
        title=title,
        facts={"question": store.question(wait), **await store.concerned(await pool(views.settings), wait)},
        follows=follows,
        button=button,
        back=f"/waits/{wait['id']}",
    )


async def _wait(views: AdminViews, request: Request) -> dict[str, Any]:
    try:
        wait_id = UUID(request.path_params["wait_id"])
    except ValueError:
        raise not_found("wait") from None
    wait = await store.read(await pool(views.settings), wait_id)
    if wait is None:
        raise not_found("wait")
    return wait


async def _render(
    views: AdminViews,
    request: Request,
    wait: dict[str, Any],
    values: dict[str, str] | None = None,
    problems: dict[str, str] | None = None,
) -> Response:
    return await views.render(
        request,
        "wait.html",
        UNUSABLE if problems else 200,
        wait=wait,
        fields=forms.fields_of(wait["form"]) if wait["form"] is not None else [],
        values=values or {},
        problems=problems or {},
        summary=store.summary(wait["answer"], wait["form"]) if wait["answer"] is not None else None,
    )
