"""Logging in with the admin token, and out."""

import time

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from hookline.gateway.views import session
from hookline.gateway.views.addresses import local
from hookline.gateway.views.base import Desk, Refused, read_form


async def show(desk: Desk, request: Request) -> Response:
    """Ask for the admin token."""
    destination = local(request.query_params.get("next", ""))
    if await desk.has_session(request):
        return RedirectResponse(destination, 303)
    return await _ask_for_token(desk, request, destination)


async def log_in(desk: Desk, request: Request) -> Response:
    """Begin a session for the admin token."""
    address, now = desk.peer(request), time.time()
    if seconds := desk.attempts.seconds_to_wait(address, now):
        refused = Refused(429, "Too many attempts", f"Try again in {seconds} seconds.")
        return await desk.refusal(request, refused, {"Retry-After": str(seconds)})
    # Counted before anything is waited for: many at once must not each find the count as it was.
    desk.attempts.failed(address, now)
    form = await read_form(request)
    destination = local(form.get("next", ""))
    if not desk.sessions.is_token(form.get("token", "").strip()):
        return await _ask_for_token(desk, request, destination, 401, "That is not the admin token.")
    desk.attempts.forgive(address)
    response = RedirectResponse(destination, 303)
    cookie = await desk.sessions.open()
    desk.set_cookie(response, request, session.SESSION, cookie, session.SESSION_SECONDS)
    return response


async def log_out(desk: Desk, request: Request) -> Response:
    """End the session."""
    await desk.require_session(request)
    await desk.sessions.close(request.cookies[session.SESSION])
    response = RedirectResponse("/login", 303)
    response.delete_cookie(session.SESSION)
    return response


async def _ask_for_token(
    desk: Desk, request: Request, destination: str, status: int = 200, problem: str | None = None
) -> Response:
    return await desk.render(request, "login.html", status, destination=destination, problem=problem)
