"""The buttons that let everything go on after the database went back in time, and that end looking first."""

from starlette.requests import Request
from starlette.responses import Response

from hookline.database import pool
from hookline.errors import HooklineError
from hookline.gateway.views.base import AdminViews, Refused, reason_of
from hookline.inbox import holding


async def release(views: AdminViews, request: Request) -> Response:
    """Let everything go on, looking first."""
    reason = reason_of(await views.form(request))
    try:
        async with (await pool(views.settings)).acquire() as connection:
            await holding.release(connection, actor=views.actor(request), reason=reason)
    except HooklineError as error:
        raise Refused(409, "Nothing is held", str(error)) from None
    return views.redirect(request, "/", "It goes on. What the journal does not know is looked for first.")


async def close(views: AdminViews, request: Request) -> Response:
    """Look first no more."""
    reason = reason_of(await views.form(request))
    try:
        async with (await pool(views.settings)).acquire() as connection:
            await holding.close(connection, actor=views.actor(request), reason=reason)
    except HooklineError as error:
        raise Refused(409, "Nothing to close", str(error)) from None
    return views.redirect(request, "/", "As usual again: nothing is looked for before it is sent.")
