"""Logging in with the admin token, and out."""

import time

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from hookline.gateway.pages import session
from hookline.gateway.pages.addresses import local
from hookline.gateway.pages.desk import Desk, Refused, read_form, set_cookie


async def show(desk: Desk, request: Request) -> Response:
    """Ask for the admin token."""
    destination = local(request.query_params.get("next", ""))
    if desk.has_pass(request):
        return RedirectResponse(destination, 303)
    return await _ask_for_token(desk, request, destination)


async def log_in(desk: Desk, request: Request) -> Response:
    """Give a pass for the admin token."""
    address, now = desk.peer(request), time.time()
    if seconds := desk.attempts.seconds_to_wait(address, now):
        refused = Refused(429, "Too many attempts", f"Try again in {seconds} seconds.")
        return await desk.refusal(request, refused, {"Retry-After": str(seconds)})
    form = await read_form(request)
    given = request.cookies.get(session.LOGIN_FORM, "")
    destination = local(form.get("next", ""))
    if not desk.signer.accepts("login", given, now=now) or not desk.csrf_fits(form, given):
        problem = "This form was out of date. Please try again."
        return await _ask_for_token(desk, request, destination, 403, problem)
    if not desk.signer.is_token(form.get("token", "").strip()):
        desk.attempts.failed(address, now)
        return await _ask_for_token(desk, request, destination, 401, "That is not the admin token.")
    response = RedirectResponse(destination, 303)
    issued = desk.signer.issue("session", now=now, seconds=session.SESSION_SECONDS)
    set_cookie(response, request, session.SESSION, issued, session.SESSION_SECONDS)
    response.delete_cookie(session.LOGIN_FORM)
    return response


async def log_out(desk: Desk, request: Request) -> Response:
    """Take the pass back."""
    await desk.form(request)
    response = RedirectResponse("/login", 303)
    response.delete_cookie(session.SESSION)
    return response


async def _ask_for_token(
    desk: Desk, request: Request, destination: str, status: int = 200, problem: str | None = None
) -> Response:
    given, now = request.cookies.get(session.LOGIN_FORM, ""), time.time()
    if not desk.signer.accepts("login", given, now=now):
        given = desk.signer.issue("login", now=now, seconds=session.LOGIN_FORM_SECONDS)
    response = await desk.render(
        request,
        "login.html",
        status,
        csrf=desk.signer.csrf(given),
        destination=destination,
        problem=problem,
    )
    set_cookie(response, request, session.LOGIN_FORM, given, session.LOGIN_FORM_SECONDS)
    return response
