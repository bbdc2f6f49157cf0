"""
The connect page: a person agrees at the vendor that Hookline uses an account, by OAuth 2 with PKCE.

The way there begins and ends in one session: the database knows a `state` by its digest, with that of the session,
for ten minutes and takes it once: no code is exchanged twice, and no other browser can finish. The verifier of
PKCE is made of the session's cookie and the state, so it is stored nowhere. Blocks and vendors are another process's.
"""

import hashlib
import json
import re
import secrets
from datetime import datetime
from typing import Any, Final
from urllib.parse import quote, unquote

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from hookline.database import pool
from hookline.gateway.engine_process import NotAnswered, answer_of
from hookline.gateway.views import session
from hookline.gateway.views.base import HEADERS, AdminViews, Refused, not_found
from hookline.text import one_line, typed

PROCESS: Final = "blocks.connecting"
CALLBACK: Final = "/connect/http/callback"
MINUTES: Final = 10
MAX_OPEN: Final = 100
"""Begun at once by one session; the oldest are forgotten."""
MAX_NAME: Final = 100
MAX_CODE: Final = 4_000
_ACCOUNT = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_ORIGIN = re.compile(r"https?://[A-Za-z0-9.:\[\]-]+")
_STATE = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)


async def show(views: AdminViews, request: Request) -> Response:
    """Show the account, whether it is connected, and the address to register at the vendor."""
    account = _account(request)
    found = await _answer_to({"do": "show", "account": account})
    response = await views.page(
        request,
        "connect.html",
        account=account,
        found=found,
        since=datetime.fromisoformat(found["since"]) if found.get("since") else None,
        redirect_uri=_redirect_uri(views),
    )
    # Browsers hold the way on from a form to the page's `form-action`, too.
    if _ORIGIN.fullmatch(found.get("origin", "")):
        policy = HEADERS["Content-Security-Policy"]
        own = "form-action 'self'"
        response.headers["Content-Security-Policy"] = policy.replace(own, f"{own} {found['origin']}")
    return response


async def begin(views: AdminViews, request: Request) -> Response:
    """Send the person to the vendor, to agree there."""
    form = await views.form(request)
    account, state = _account(request), secrets.token_urlsafe(32)
    name = typed(form.get("your name", ""))[:MAX_NAME]
    question = {
        "do": "begin",
        "account": account,
        "redirect_uri": _redirect_uri(views),
        "state": state,
        "verifier": _verifier(views, request, state),
    }
    found = await _answer_to(question)
    if "problem" in found:
        raise Refused(409, "Not connected", found["problem"])
    await _remember(views, request, state, account)
    response = RedirectResponse(found["address"], 303)
    views.set_cookie(response, request, _cookie(state), quote(name) or "-", MINUTES * 60)
    return response


async def finish(views: AdminViews, request: Request) -> Response:
    """Exchange the code with which the person comes back."""
    state = request.query_params.get("state", "")
    account = await _take(views, request, state)
    if account is None:
        raise Refused(
            400,
            "Not connected",
            "This way back is not known here: it was taken before, is older than ten minutes, or began in another "
            f"browser. Begin again at {views.settings.base_url}/connect/http/<account>.",
        )
    if error := request.query_params.get("error"):
        message = one_line(f"{error} {request.query_params.get('error_description', '')}".strip(), 300)
        raise Refused(
            400, "Not connected", f"The vendor says: {message}. Begin again at /connect/http/{account}."
        )
    code = request.query_params.get("code", "")
    if not code or len(code) > MAX_CODE:
        raise Refused(
            400, "Not connected", f"The vendor sent no code. Begin again at /connect/http/{account}."
        )
    name = typed(unquote(request.cookies.get(_cookie(state), "")))[:MAX_NAME].strip("-")
    question = {
        "do": "finish",
        "account": account,
        "code": code,
        "verifier": _verifier(views, request, state),
        "redirect_uri": _redirect_uri(views),
        "by": views.actor(request, name),
    }
    found = await _answer_to(question)
    if "problem" in found:
        raise Refused(502, "Not connected", f"{found['problem']} Begin again at /connect/http/{account}.")
    message = f"http/{account} is connected."
    if not found["renews"]:
        message += " The vendor gave no refresh token: it must be connected again once its token ends."
    response = views.redirect(request, f"/connect/http/{account}", message)
    response.delete_cookie(_cookie(state))
    return response


async def _answer_to(question: dict[str, Any]) -> dict[str, Any]:
    """Return what the process of the blocks says."""
    try:
        answer: dict[str, Any] = json.loads(await answer_of(PROCESS, json.dumps(question).encode()))
    except NotAnswered as error:
        return {"problem": str(error)}
    except ValueError:  # it ended before it answered; its log has the reason
        return {"problem": "The account could not be read; the gateway's log says why."}
    return answer


def _account(request: Request) -> str:
    account: str = request.path_params["account"]
    if not _ACCOUNT.fullmatch(account) or len(account) > MAX_NAME:
        raise not_found("account")
    return account


def _redirect_uri(views: AdminViews) -> str:
    """Return the address to which the vendor sends the person back; the vendor compares it letter by letter."""
    return f"{views.settings.base_url}{CALLBACK}"


def _verifier(views: AdminViews, request: Request, state: str) -> str:
    """Return the verifier of PKCE: only the session that began can make it again."""
    return session.sign(views.visit(request).key, f"verifier {state}")


def _cookie(state: str) -> str:
    """Return the name of the cookie with the person's name."""
    return f"hookline_connect_{hashlib.sha256(state.encode()).hexdigest()[:16]}"


def _digests(views: AdminViews, request: Request, state: str) -> tuple[bytes, bytes]:
    own = session.sign(views.visit(request).key, "connecting")
    return hashlib.sha256(state.encode()).digest(), bytes.fromhex(own)


async def _remember(views: AdminViews, request: Request, state: str, account: str) -> None:
    digest, own = _digests(views, request, state)
    async with (await pool(views.settings)).acquire() as connection, connection.transaction():
        await connection.execute(
            """
            DELETE FROM connecting WHERE expires_at <= now() OR state IN
                (SELECT state FROM connecting WHERE session = $1 ORDER BY expires_at DESC OFFSET $2)
            """,
            own,
            MAX_OPEN - 1,
        )
        await connection.execute(
            "INSERT INTO connecting (state, session, account, expires_at) "
            "VALUES ($1, $2, $3, now() + make_interval(mins => $4))",
            digest,
            own,
            account,
            MINUTES,
        )


async def _take(views: AdminViews, request: Request, state: str) -> str | None:
    """Return the account for which this session began with this state; nobody gets it a second time."""
    if not _STATE.fullmatch(state):
        return None
    digest, own = _digests(views, request, state)
    account: str | None = await (await pool(views.settings)).fetchval(
        "DELETE FROM connecting WHERE state = $1 AND session = $2 AND expires_at > now() RETURNING account",
        digest,
        own,
    )
    return account
