"""The base of all pages: sessions, rendering, forms, flash messages and refusals."""

import asyncio
import base64
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from functools import cached_property, partial
from typing import Any, TypeAlias
from urllib.parse import parse_qsl, quote
from uuid import UUID

import asyncpg
from starlette.requests import ClientDisconnect, HTTPConnection, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from hookline import runtime
from hookline.database import CONNECTION_ERRORS, pool, schema
from hookline.database.errors import OtherSchema
from hookline.gateway.browsers import HARMLESS, Origins
from hookline.gateway.endpoints import Answer, Needs
from hookline.gateway.views import session
from hookline.gateway.views.addresses import local
from hookline.gateway.views.rendering import TEMPLATES
from hookline.hooks import Hooks
from hookline.inbox import search
from hookline.peers import Attempts, identity, is_https, peer
from hookline.people import ADMIN, Person, Role
from hookline.settings import Settings
from hookline.text import one_line, typed

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
FORBIDDEN = 403
MISDIRECTED = 421
MAX_FORM = 65_536
MAX_FIELDS = 24
SEND_TIMEOUT_SECONDS = 10
MAX_REASON = 1_000
MAX_NAMED = 100
"""Characters of a proxy's name that the page repeats."""
FLASH = "hookline_flash"
MAX_WRONG_LINKS = 20
"""Links that lead to nothing, from one address in a minute."""


class Refused(Exception):
    """A page that cannot be shown, or an action that cannot be done; says why."""

    def __init__(self, status: int, title: str, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.title = title
        self.detail = detail


class AdminViews:
    """The pages for people."""

    def __init__(self, settings: Settings, hooks: Hooks) -> None:
        self.settings = settings
        self.hooks = hooks
        self.attempts = Attempts(session.ATTEMPTS)
        self.link_attempts = Attempts(MAX_WRONG_LINKS)
        self.origins = Origins(settings)

    @cached_property
    def sessions(self) -> session.Sessions:
        """The sessions; made when first needed, which may make the token's file."""
        token = self.settings.admin_token
        text = token.get_secret_value() if token else runtime.local_secret(self.settings.home, "admin-token")
        return session.Sessions(self.settings, text.strip())

    def peer(self, request: Request) -> str:
        """Return the address of the browser."""
        return peer(request.scope, self.settings.trusted_proxies)

    def actor(self, request: Request, name: str = "") -> str:
        """
        Return the actor for the audit trail: the person, by name.

        Of the admin there may be several, so that the address says more, and the name that one of them typed.
        """
        visit = self.visit(request)
        if visit.person != ADMIN:
            return visit.person.name
        admin = f"{ADMIN.name} at {self.peer(request)}"
        return f"{name} ({admin})" if name else admin

    def verified(self, source: str) -> str:
        """Return how the deliveries of a source were verified, as a sentence."""
        known = self.hooks.sources.get(source)
        if known is None:
            return "Not known: hooks.yaml no longer has this source."
        return known.auth_scheme.describe(source)

    async def identify(self, request: HTTPConnection) -> session.Visit | None:
        """Return who asks; None for a stranger; raises Refused for a name of the proxy that is not known here."""
        named = identity(request.scope, self.settings)
        if named is None:
            return await self.sessions.visit(request.cookies.get(session.SESSION, ""))
        visit = await self.sessions.named(named)
        if visit is None:
            raise Refused(
                FORBIDDEN,
                "You are not known here",
                f"You are logged in as {one_line(named, MAX_NAMED)}, who is not among the people of this Hookline. "
                "Ask the one who runs it to add you, by what you are logged in as: hookline people add NAME --identity",
            )
        return visit

    async def require(self, request: Request, role: Role) -> None:
        """Let the person in who asks; raises Refused if nobody is logged in, or the role is too small."""
        visit = await self.identify(request)
        if visit is None:
            raise Refused(UNAUTHORIZED, "Please log in", "This needs a token.")
        request.state.visit = visit
        require_role(visit.person, role)

    def visit(self, request: Request) -> session.Visit:
        """Return the visit of the person who was let in; raises Refused if nobody was."""
        visit = _visit(request)
        if visit is None:
            raise Refused(UNAUTHORIZED, "Please log in", "This needs a token.")
        return visit

    async def form(self, request: Request) -> dict[str, str]:
        """Return the fields of a form of the person who was let in."""
        self.visit(request)
        return await read_form(request)

    async def page(self, request: Request, template: str, **values: Any) -> HTMLResponse:
        """Return a page for the person who was let in."""
        self.visit(request)
        return await self.render(request, template, **values)

    def require_own_page(self, request: Request) -> None:
        """Raise Refused where another site's page asks, or the host name is none of ours."""
        if not self.origins.knows_host(request.headers):
            raise Refused(
                MISDIRECTED,
                "This address is not known here",
                "Set HOOKLINE_PUBLIC_URL to the address that people use, such as https://hooks.example.com.",
            )
        if not self.origins.may_ask(request.method, request.url.path, request.headers):
            raise Refused(
                FORBIDDEN,
                "Not done",
                "This request did not come from a page of Hookline. Open the page again and repeat it.",
            )

    async def render(self, request: Request, template: str, status: int = 200, **values: Any) -> HTMLResponse:
        """Return a page, rendered in a thread so that no delivery waits for it."""
        flash, visit = self._flash(request), _visit(request)
        text = await asyncio.to_thread(
            TEMPLATES.get_template(template).render,
            now=datetime.now(UTC),
            prefect=self.settings.prefect_ui_url.rstrip("/"),
            flash=flash,
            visit=visit,
            may=partial(_may, visit),
            logout=self.settings.identity_logout,
            **values,
        )
        response = HTMLResponse(text, status)
        if flash:
            response.delete_cookie(FLASH)
        return response

    async def refusal(
        self, request: Request, refused: Refused, headers: Mapping[str, str] | None = None
    ) -> Response:
        """Return a page with the reason of a refusal, and a link to go on."""
        response = await self.render(
            request,
            "refused.html",
            refused.status,
            refused=refused,
            back=local(request.url.path.rpartition("/")[0]) if _visit(request) else "/login",
        )
        response.headers.update(headers or {})
        return response

    def redirect(self, request: Request, destination: str, message: str) -> Response:
        """Redirect to a page that shows a flash message once; it is signed, so that nobody else can write one."""
        response = RedirectResponse(destination, 303)
        text = base64.urlsafe_b64encode(message[:500].encode()).decode()
        signature = session.sign(self.visit(request).key, text)
        self.set_cookie(response, request, FLASH, f"{text}.{signature}", 60)
        return response

    def _flash(self, request: Request) -> str | None:
        text, _, signature = request.cookies.get(FLASH, "").partition(".")
        visit = _visit(request)
        if not text or visit is None or not session.is_signed(visit.key, text, signature):
            return None
        return base64.urlsafe_b64decode(text).decode(errors="replace")

    def set_cookie(self, response: Response, request: Request, name: str, value: str, seconds: int) -> None:
        """Set a cookie that goes to our pages only, and to no script; with HTTPS, over no other connection."""
        response.set_cookie(
            name,
            value,
            max_age=seconds,
            path="/",
            httponly=True,
            samesite="lax",  # so that a link in a mail works; Origins keeps other sites from acting
            secure=is_https(request.scope, self.settings),
        )


Handler: TypeAlias = Callable[[AdminViews, Request], Awaitable[Response]]


def require_role(person: Person, role: Role) -> None:
    """Raise Refused if the person's role is too small; says who it is and which one is needed."""
    if not person.role.includes(role):
        raise Refused(
            FORBIDDEN,
            "Your role is too small",
            f"You are {person.name}, with the role {person.role}. This needs the role {role}: ask the one who runs "
            "this Hookline.",
        )


def _visit(request: Request) -> session.Visit | None:
    visit: session.Visit | None = getattr(request.state, "visit", None)
    return visit


def _may(visit: session.Visit | None, role: str) -> bool:
    """Return True if the one who asks has this role, for the templates."""
    return visit is not None and visit.person.role.includes(Role(role))


def answering(views: AdminViews, needs: Needs, handler: Handler) -> Answer:
    """Return the handler with what every page has: its role, security headers, refusals, an answer without database."""

    async def answer(request: Request) -> Response:
        try:
            views.require_own_page(request)
            response = await _handled(views, needs, handler, request)
        except Refused as refused:
            if refused.status == UNAUTHORIZED and _is_page(request):
                incoming = request.url.path + (f"?{request.url.query}" if request.url.query else "")
                response = RedirectResponse(f"/login?next={quote(incoming, safe='')}", 303)
            else:
                response = await views.refusal(request, refused)
        except search.TooWide as error:
            response = await views.refusal(request, Refused(503, "This takes too long", str(error)))
        except OtherSchema as error:
            other = Refused(503, "Another Hookline has the database", f"Nothing was changed. {error}")
            response = await views.refusal(request, other)
        except CONNECTION_ERRORS as error:
            lost = Refused(503, "The database does not answer", f"Nothing was changed. {error}")
            response = await views.refusal(request, lost)
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)
        return response

    return answer


async def _handled(views: AdminViews, needs: Needs, handler: Handler, request: Request) -> Response:
    """
    Return what the handler answers to one who may ask for it.

    Nothing is done on a schema of other code, which may come while this one runs.

    Raises:
        OtherSchema: the database has one.
        Refused: the one who asks has not the role that it needs.
    """
    try:
        if isinstance(needs, Role):
            await views.require(request, needs)
        if request.method not in HARMLESS:
            await schema.require(await pool(views.settings))
        return await handler(views, request)
    except asyncpg.SyntaxOrAccessError:  # a table or column is not there any more
        await schema.require(await pool(views.settings))
        raise


def _is_page(request: Request) -> bool:
    """Return True if a person opens a page, who can be sent to the log-in; not for a script of a page."""
    mode = request.headers.get("sec-fetch-mode", "navigate")
    return request.method in HARMLESS and mode == "navigate"


async def read_form(
    request: Request, *, maximum: int = MAX_FORM, max_fields: int = MAX_FIELDS
) -> dict[str, str]:
    """Return the fields of a form; raises Refused if it is too long or too slow."""
    body = await read_bounded(request, maximum)
    try:
        return dict(
            parse_qsl(body.decode(errors="replace"), keep_blank_values=True, max_num_fields=max_fields)
        )
    except ValueError:
        return {}


async def read_bounded(request: Request, maximum: int) -> bytes:
    """Return the body of a request; raises Refused if it has more than `maximum` bytes, or takes ten seconds."""
    body = bytearray()
    try:
        async with asyncio.timeout(SEND_TIMEOUT_SECONDS):
            async for chunk in request.stream():
                body += chunk
                if len(body) > maximum:
                    raise Refused(413, "Too long", f"At most {maximum} bytes are accepted here.")
    except (TimeoutError, ClientDisconnect):
        raise Refused(408, "Too slow", "The request did not arrive in time.") from None
    return bytes(body)


def reason_of(form: Mapping[str, str]) -> str:
    """Return the reason that a person gave; raises Refused without one."""
    reason = typed(form.get("reason", ""))[:MAX_REASON]
    if not reason:
        raise Refused(400, "A reason is missing", "Write the reason, so that others can read it later.")
    return reason


def delivery_id(request: Request) -> UUID:
    """Return the delivery's id in the address; raises Refused if there is none."""
    try:
        return UUID(request.path_params["delivery_id"])
    except ValueError:
        raise not_found("delivery") from None


def not_found(what: str) -> Refused:
    """Return the refusal for something that does not exist."""
    return Refused(404, "Not found", f"There is no such {what}.")
