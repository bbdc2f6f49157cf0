"""The buttons that let everything go on after the database went back in time, and that end looking first."""

from collections.abc import Awaitable, Callable
from functools import partial

from starlette.requests import Request
from starlette.responses import Response

from hookline.database import pool
from hookline.database.connection import outside
from hookline.errors import HooklineError
from hookline.gateway.views.base import AdminViews, Refused, reason_of
from hookline.inbox import holding


async def release(views: AdminViews, request: Request) -> Response:
    """Let everything go on, looking first."""
    let_go_on = partial(holding.release, remembered=outside(views.settings))
    done = "It goes on. What the journal does not know is looked for first."
    return await _act(views, request, let_go_on, refused="Nothing is held", done=done)


async def close(views: AdminViews, request: Request) -> Response:
    """Look first no more."""
    done = "As usual again: nothing is looked for before it is sent."
    return await _act(views, request, holding.close, refused="Nothing to close", done=done)


async def _act(
    views: AdminViews, request: Request, act: Callable[..., Awaitable[object]], *, refused: str, done: str
) -> Response:
    reason = reason_of(await views.form(request))
    try:
        async with (await pool(views.settings)).acquire() as connection:
            await act(connection, actor=views.actor(request), reason=reason)
    except HooklineError as error:
        raise Refused(409, refused, str(error)) from None
    return views.redirect(request, "/", done)
