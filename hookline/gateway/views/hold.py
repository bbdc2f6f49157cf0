"""The buttons that let everything go on after the database went back in time, and that end looking first."""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial

from starlette.requests import Request
from starlette.responses import Response

from hookline.database import pool
from hookline.database.connection import outside
from hookline.errors import HooklineError
from hookline.gateway.views import confirming
from hookline.gateway.views.base import AdminViews, Refused, reason_of
from hookline.inbox import holding

RELEASED = (
    "Everything that waits starts now, for all customers.",
    "What the journal does not know is looked for at the vendors before it is sent.",
    "What cannot be looked for, such as a mail, is put to you.",
)
CLOSED = (
    "What the database has forgotten, and nobody looked for yet, counts as never done: it may be done a second time.",
)


async def release(views: AdminViews, request: Request) -> Response:
    """Let everything go on, looking first."""
    let_go_on = partial(holding.release, remembered=outside(views.settings))
    done = "It goes on. What the journal does not know is looked for first."
    ask = ("Let everything go on?", "Let it go on: yes", RELEASED)
    return await _act(views, request, let_go_on, ask, refused="Nothing is held", done=done)


async def close(views: AdminViews, request: Request) -> Response:
    """Look first no more."""
    done = "As usual again: nothing is looked for before it is sent."
    ask = ("Look first no more?", "Look first no more: yes", CLOSED)
    return await _act(views, request, holding.close, ask, refused="Nothing to close", done=done)


async def _act(
    views: AdminViews,
    request: Request,
    act: Callable[..., Awaitable[object]],
    ask: tuple[str, str, Sequence[str]],
    *,
    refused: str,
    done: str,
) -> Response:
    form = await views.form(request)
    reason = reason_of(form)
    if not confirming.is_confirmed(form):
        title, button, follows = ask
        facts = {"reason": reason}
        return await confirming.ask(
            views, request, form, title=title, facts=facts, follows=follows, button=button, back="/"
        )
    try:
        async with (await pool(views.settings)).acquire() as connection:
            await act(connection, actor=views.actor(request), reason=reason)
    except HooklineError as error:
        raise Refused(409, refused, str(error)) from None
    return views.redirect(request, "/", done)
