"""Log-in with a token, and log-out."""

import time

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from hookline.gateway.views import session
from hookline.gateway.views.addresses import local
from hookline.gateway.views.base import AdminViews, Refused, read_form


async def show(views: AdminViews, request: Request) -> Response:
    """Ask for a token."""
    destination = local(request.query_params.get("next", ""))
    if await views.identify(request):
        return RedirectResponse(destination, 303)
    return await _ask_for_token(views, request, destination)


async def log_in(views: AdminViews, request: Request) -> Response:
    """Begin a session for the one whose token it is, and end the one that the browser had."""
    address, now = views.peer(request), time.time()
    if seconds := views.attempts.seconds_to_wait(address, now):
        refused = Refused(429, "Too many attempts", f"Try again in {seconds} seconds.")
        return await views.refusal(request, refused, {"Retry-After": str(seconds)})
    # Counted before the first await: many at once must not all find the old count.
    views.attempts.count_failure(address, now)
    form = await read_form(request)
    destination = local(form.get("next", ""))
    cookie = await views.sessions.open(form.get("token", "").strip())
    if cookie is None:
        return await _ask_for_token(views, request, destination, 401, "That is nobody's token.")
    views.attempts.forgive(address)
    await views.sessions.close(request.cookies.get(session.SESSION, ""))
    response = RedirectResponse(destination, 303)
    views.set_cookie(response, request, session.SESSION, cookie, session.SESSION_SECONDS)
    return response


async def log_out(views: AdminViews, request: Request) -> Response:
    """End the session."""
    await views.sessions.close(request.cookies.get(session.SESSION, ""))
    response = RedirectResponse("/login", 303)
    response.delete_cookie(session.SESSION)
    return response


async def _ask_for_token(
    views: AdminViews, request: Request, destination: str, status: int = 200, problem: str | None = None
) -> Response:
    return await views.render(request, "login.html", status, destination=destination, problem=problem)
