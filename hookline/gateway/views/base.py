"""What all pages share: who may, the frame around a page, forms that are ours, refusals."""

import asyncio
import base64
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, TypeAlias
from urllib.parse import parse_qsl, quote
from uuid import UUID

from starlette.requests import ClientDisconnect, HTTPConnection, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from hookline import runtime
from hookline.database import CONNECTION_ERRORS
from hookline.gateway.browsers import HARMLESS, Origins
from hookline.gateway.views import session
from hookline.gateway.views.addresses import local
from hookline.gateway.views.rendering import TEMPLATES
from hookline.hooks import Hooks
from hookline.inbox import search
from hookline.peers import Attempts, is_https, peer
from hookline.settings import Settings
from hookline.text import typed

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; "
        "frame-ancestors 'none'; base-uri 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}
UNAUTHORIZED = 401
MISDIRECTED = 421
MAX_FORM = 65_536
SECONDS_TO_SEND = 10
MAX_REASON = 1_000
SAID = "hookline_said"


class Refused(Exception):
    """The page cannot be shown, or the action not be done; says why."""

    def __init__(self, status: int, title: str, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.title = title
        self.detail = detail


class AdminViews:
    """Where a person works on the inbox, having shown the admin token."""

    def __init__(self, settings: Settings, hooks: Hooks) -> None:
        self.settings = settings
        self.hooks = hooks
        self.attempts = Attempts(session.ATTEMPTS)
        self.origins = Origins(settings)

    @cached_property
    def sessions(self) -> session.Sessions:
        """Made when first needed: it may have to make the token's file."""
        token = self.settings.admin_token
        text = token.get_secret_value() if token else runtime.local_secret(self.settings.home, "admin-token")
        return session.Sessions(self.settings, text.strip())

    def peer(self, request: Request) -> str:
        """The address of whoever asks."""
        return peer(request.scope, self.settings.trusted_proxies)

    def actor(self, request: Request) -> str:
        """Who acts, for the audit trail: the page knows no more than the token and the address."""
        return f"admin token at {self.peer(request)}"

    def verified(self, source: str) -> str:
        """How the deliveries of a source were verified, as a sentence."""
        known = self.hooks.sources.get(source)
        if known is None:
            return "hooks.yaml no longer names this source, so how it was verified is not known here."
        return known.auth_scheme.describe(source)

    async def has_session(self, request: HTTPConnection) -> bool:
        """Return True if whoever asks has shown the admin token within twelve hours, and not logged out."""
        return await self.sessions.is_open(request.cookies.get(session.SESSION, ""))

    async def require_session(self, request: Request) -> None:
        """Raise Refused if whoever asks has not logged in."""
        if not await self.has_session(request):
            raise Refused(UNAUTHORIZED, "Please log in", "This needs the admin token.")
        request.state.known = True

    async def form(self, request: Request) -> dict[str, str]:
        """The fields of a form, for whoever has logged in; raises Refused otherwise."""
        await self.require_session(request)
        return await read_form(request)

    async def page(self, request: Request, template: str, **values: Any) -> HTMLResponse:
        """A page for whoever has logged in; raises Refused otherwise."""
        await self.require_session(request)
        return await self.render(request, template, **values)

    def require_own_page(self, request: Request) -> None:
        """Raise Refused where another site's page asks, or where the name asked for is none of ours."""
        if not self.origins.knows_host(request.headers):
            raise Refused(
                MISDIRECTED,
                "This address is not known here",
                "Set HOOKLINE_PUBLIC_URL to the address that people use, such as https://hooks.example.com.",
            )
        if not self.origins.may_ask(request.method, request.url.path, request.headers):
            raise Refused(
                403, "Not done", "This did not come from a page of Hookline. Open it again and retry."
            )

    async def render(self, request: Request, template: str, status: int = 200, **values: Any) -> HTMLResponse:
        """A page, rendered in a thread so that no delivery waits for it."""
        said = self._heard(request)
        text = await asyncio.to_thread(
            TEMPLATES.get_template(template).render,
            now=datetime.now(UTC),
            prefect=self.settings.prefect_ui_url.rstrip("/"),
            said=said,
            known=getattr(request.state, "known", False),
            **values,
        )
        response = HTMLResponse(text, status)
        if said:
            response.delete_cookie(SAID)
        return response

    async def refusal(
        self, request: Request, refused: Refused, headers: Mapping[str, str] | None = None
    ) -> Response:
        """A page that says why not, and where to go."""
        known = getattr(request.state, "known", False)
        response = await self.render(
            request,
            "refused.html",
            refused.status,
            refused=refused,
            back=local(request.url.path.rpartition("/")[0]) if known else "/login",
        )
        response.headers.update(headers or {})
        return response

    def said(self, request: Request, destination: str, sentence: str) -> Response:
        """Go on to a page that will show the sentence once; signed, for an address could be made up."""
        response = RedirectResponse(destination, 303)
        text = base64.urlsafe_b64encode(sentence[:500].encode()).decode()
        signature = session.sign(request.cookies.get(session.SESSION, ""), text)
        self.set_cookie(response, request, SAID, f"{text}.{signature}", 60)
        return response

    def _heard(self, request: Request) -> str | None:
        text, _, signature = request.cookies.get(SAID, "").partition(".")
        cookie = request.cookies.get(session.SESSION, "")
        if not text or not cookie or not session.is_signed(cookie, text, signature):
            return None
        return base64.urlsafe_b64decode(text).decode(errors="replace")

    def set_cookie(self, response: Response, request: Request, name: str, value: str, seconds: int) -> None:
        """Set a cookie that goes to our pages alone, and to no script; over HTTPS, to no other connection."""
        response.set_cookie(
            name,
            value,
            max_age=seconds,
            path="/",
            httponly=True,
            samesite="lax",  # a link in a mail leads in; that no other page acts is seen to by Origins
            secure=is_https(request.scope, self.settings),
        )


Handler: TypeAlias = Callable[[AdminViews, Request], Awaitable[Response]]


def answering(views: AdminViews, handler: Handler) -> Callable[[Request], Awaitable[Response]]:
    """The handler with what holds for every page: its headers, its refusals, the database away."""

    async def answer(request: Request) -> Response:
        try:
            views.require_own_page(request)
            response = await handler(views, request)
        except Refused as refused:
            if refused.status == UNAUTHORIZED and _is_page(request):
                incoming = request.url.path + (f"?{request.url.query}" if request.url.query else "")
                response = RedirectResponse(f"/login?next={quote(incoming, safe='')}", 303)
            else:
                response = await views.refusal(request, refused)
        except search.TooWide as error:
            response = await views.refusal(request, Refused(503, "This takes too long", str(error)))
        except CONNECTION_ERRORS as error:
            away = Refused(503, "The database is away", f"Nothing was changed. {error}")
            response = await views.refusal(request, away)
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)
        return response

    return answer


def _is_page(request: Request) -> bool:
    """Return True if a person waits for the answer, who can be led to the log-in, and no script of a page."""
    mode = request.headers.get("sec-fetch-mode", "navigate")
    return request.method in HARMLESS and mode == "navigate"


async def read_form(request: Request) -> dict[str, str]:
    """The fields of a form, which may be only so long and so slow; raises Refused otherwise."""
    body = bytearray()
    try:
        async with asyncio.timeout(SECONDS_TO_SEND):
            async for chunk in request.stream():
                body += chunk
                if len(body) > MAX_FORM:
                    raise Refused(413, "Too long", f"A form may have {MAX_FORM} bytes.")
    except (TimeoutError, ClientDisconnect):
        raise Refused(408, "Too slow", "The form did not arrive.") from None
    try:
        return dict(parse_qsl(body.decode(errors="replace"), keep_blank_values=True, max_num_fields=20))
    except ValueError:
        return {}


def reason_of(form: Mapping[str, str]) -> str:
    """The reason that a person gave; raises Refused without one."""
    reason = typed(form.get("reason", ""))[:MAX_REASON]
    if not reason:
        raise Refused(400, "A reason is missing", "Say why; others will want to know.")
    return reason


def delivery_id(request: Request) -> UUID:
    """The delivery that the address names; raises Refused if it names none."""
    try:
        return UUID(request.path_params["delivery_id"])
    except ValueError:
        raise not_found("delivery") from None


def not_found(what: str) -> Refused:
    """There is no such thing."""
    return Refused(404, "Not found", f"There is no such {what}.")
