"""What all pages share: who may, the frame around a page, forms that are ours, refusals."""

import asyncio
import base64
import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, TypeAlias
from urllib.parse import parse_qsl, quote
from uuid import UUID

from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from hookline import runtime
from hookline.database import CONNECTION_ERRORS
from hookline.gateway.pages import session
from hookline.gateway.pages.addresses import local
from hookline.gateway.pages.rendering import TEMPLATES
from hookline.gateway.peers import Attempts, peer
from hookline.hooks import Hooks
from hookline.inbox import search
from hookline.settings import Settings
from hookline.text import typed

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; "
        "frame-ancestors 'none'; base-uri 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
UNAUTHORIZED = 401
LARGEST_FORM = 65_536
SECONDS_TO_SEND = 10
LONGEST_REASON = 1_000
SAID = "hookline_said"


class Refused(Exception):
    """The page cannot be shown, or the action not be done; says why."""

    def __init__(self, status: int, title: str, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.title = title
        self.detail = detail


class Desk:
    """Where a person works on the inbox, having shown the admin token."""

    def __init__(self, settings: Settings, hooks: Hooks) -> None:
        self.settings = settings
        self.hooks = hooks
        self.attempts = Attempts(session.ATTEMPTS)

    @cached_property
    def signer(self) -> session.Signer:
        """Made when first needed: it may have to make the token's file."""
        token = self.settings.admin_token
        return session.Signer(
            token.get_secret_value() if token else runtime.local_secret(self.settings.home, "admin-token")
        )

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
        return known.proof.described(source)

    def has_pass(self, request: Request) -> bool:
        """Whether whoever asks has shown the admin token within twelve hours."""
        given = request.cookies.get(session.SESSION, "")
        return self.signer.accepts("session", given, now=time.time())

    def require_pass(self, request: Request) -> str:
        """The pass of whoever asks; raises Refused without one."""
        if not self.has_pass(request):
            raise Refused(UNAUTHORIZED, "Please log in", "This needs the admin token.")
        return request.cookies[session.SESSION]

    async def form(self, request: Request) -> dict[str, str]:
        """The fields of a form that came from a page of ours; raises Refused otherwise."""
        given = self.require_pass(request)
        form = await read_form(request)
        if not self.csrf_fits(form, given):
            raise Refused(403, "Not done", "The form did not come from this page. Open it again and retry.")
        return form

    def csrf_fits(self, form: Mapping[str, str], given: str) -> bool:
        """Whether the form was shown to the holder of this pass."""
        return self.signer.is_signed("csrf", given, form.get("csrf", ""))

    async def page(self, request: Request, template: str, **values: Any) -> HTMLResponse:
        """A page for whoever has a pass; raises Refused without one."""
        csrf = self.signer.csrf(self.require_pass(request))
        return await self.render(request, template, csrf=csrf, **values)

    async def render(self, request: Request, template: str, status: int = 200, **values: Any) -> HTMLResponse:
        """A page, rendered in a thread so that no delivery waits for it."""
        said = self._heard(request)
        text = await asyncio.to_thread(
            TEMPLATES.get_template(template).render,
            now=datetime.now(UTC),
            prefect=self.settings.prefect_ui_url.rstrip("/"),
            said=said,
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
        known = self.has_pass(request)
        response = await self.render(
            request,
            "refused.html",
            refused.status,
            refused=refused,
            back=local(request.url.path.rpartition("/")[0]) if known else "/login",
            csrf=self.signer.csrf(request.cookies[session.SESSION]) if known else None,
        )
        response.headers.update(headers or {})
        return response

    def said(self, request: Request, destination: str, sentence: str) -> Response:
        """Go on to a page that will show the sentence once; signed, for an address could be made up."""
        response = RedirectResponse(destination, 303)
        text = base64.urlsafe_b64encode(sentence[:500].encode()).decode()
        set_cookie(response, request, SAID, f"{text}.{self.signer.sign('said', text)}", 60)
        return response

    def _heard(self, request: Request) -> str | None:
        text, _, signature = request.cookies.get(SAID, "").partition(".")
        if not text or not self.signer.is_signed("said", text, signature):
            return None
        return base64.urlsafe_b64decode(text).decode(errors="replace")


Handler: TypeAlias = Callable[[Desk, Request], Awaitable[Response]]


def answering(desk: Desk, handler: Handler) -> Callable[[Request], Awaitable[Response]]:
    """The handler with what holds for every page: its headers, its refusals, the database away."""

    async def answer(request: Request) -> Response:
        try:
            response = await handler(desk, request)
        except Refused as refused:
            if refused.status == UNAUTHORIZED and request.method in {"GET", "HEAD"}:
                asked = request.url.path + (f"?{request.url.query}" if request.url.query else "")
                response = RedirectResponse(f"/login?next={quote(asked, safe='')}", 303)
            else:
                response = await desk.refusal(request, refused)
        except search.TooWide as error:
            response = await desk.refusal(request, Refused(503, "This takes too long", str(error)))
        except CONNECTION_ERRORS as error:
            away = Refused(503, "The database is away", f"Nothing was changed. {error}")
            response = await desk.refusal(request, away)
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)
        return response

    return answer


async def read_form(request: Request) -> dict[str, str]:
    """The fields of a form, which may be only so long and so slow; raises Refused otherwise."""
    body = bytearray()
    try:
        async with asyncio.timeout(SECONDS_TO_SEND):
            async for chunk in request.stream():
                body += chunk
                if len(body) > LARGEST_FORM:
                    raise Refused(413, "Too long", f"A form may have {LARGEST_FORM} bytes.")
    except (TimeoutError, ClientDisconnect):
        raise Refused(408, "Too slow", "The form did not arrive.") from None
    try:
        return dict(parse_qsl(body.decode(errors="replace"), keep_blank_values=True, max_num_fields=20))
    except ValueError:
        return {}


def reason_of(form: Mapping[str, str]) -> str:
    """The reason that a person gave; raises Refused without one."""
    reason = typed(form.get("reason", ""))[:LONGEST_REASON]
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


def set_cookie(response: Response, request: Request, name: str, value: str, seconds: int) -> None:
    """A cookie that goes to our pages alone, and to no script."""
    response.set_cookie(
        name,
        value,
        max_age=seconds,
        path="/",
        httponly=True,
        samesite="strict",
        secure=request.url.scheme == "https",
    )
