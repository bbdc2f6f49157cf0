"""The pages and their actions: who may, what is asked, what is answered."""

import asyncio
import base64
import hashlib
import mimetypes
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode
from uuid import UUID

import jinja2
from fastapi import FastAPI
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from hookline import runtime
from hookline.database import pool
from hookline.errors import HooklineError
from hookline.gateway.pages import queries, session, words
from hookline.gateway.receive import DATABASE_AWAY
from hookline.hooks import Hooks, load_hooks
from hookline.hooks.config import SharedSecret
from hookline.inbox import deliveries
from hookline.journal.settle import settle
from hookline.settings import Settings

HERE = Path(__file__).parent
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; "
        "frame-ancestors 'none'; base-uri 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
STATIC = {name: (HERE / "static" / name).read_bytes() for name in ("style.css", "icon.svg")}
UNAUTHORIZED = 401
LARGEST_FORM = 65_536
SECONDS_TO_SEND = 10
LONGEST_REASON = 1_000
SAID = "hookline_said"

_LOCAL = re.compile(r"/(?:uncertain|deliveries/[0-9a-f-]{36})?(?:\?[\w=&%.+-]*)?", re.ASCII)

Handler = Callable[[Request], Awaitable[Response]]


class Refused(Exception):
    """The page cannot be shown, or the action not be done; says why."""

    def __init__(self, status: int, title: str, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.title = title
        self.detail = detail


def add_to(app: FastAPI, settings: Settings) -> None:
    """Add the inbox page to the gateway; whoever holds the admin token may see it."""
    pages = Pages(settings)
    for method, path, handler in (
        ("GET", "/", pages.inbox),
        ("GET", "/uncertain", pages.uncertain),
        ("GET", "/deliveries/{delivery_id}", pages.delivery),
        ("GET", "/deliveries/{delivery_id}/body", pages.body),
        ("POST", "/deliveries/{delivery_id}/replay", pages.replay),
        ("POST", "/deliveries/{delivery_id}/discard", pages.discard),
        ("POST", "/effects/{effect_id}/settle", pages.settle),
        ("POST", "/logout", pages.logout),
        ("GET", "/login", pages.login_form),
        ("POST", "/login", pages.login),
        ("GET", "/static/{name}", pages.static),
    ):
        app.router.routes.append(Route(path, _answering(pages, handler), methods=[method]))


class Pages:
    """The inbox for one person at a time, who has shown the admin token."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.attempts = session.Attempts()

    @cached_property
    def signer(self) -> session.Signer:
        """Made when first needed: it may have to make the token's file."""
        token = self.settings.admin_token
        return session.Signer(
            token.get_secret_value() if token else runtime.local_secret(self.settings.home, "admin-token")
        )

    @cached_property
    def hooks(self) -> Hooks:
        """The sources, for saying how a delivery was verified."""
        return load_hooks(self.settings.hooks)

    async def inbox(self, request: Request) -> Response:
        """The deliveries, the latest first."""
        given = self._pass(request)
        wanted = _wanted(request.query_params)
        database = await pool(self.settings)
        known = await queries.sources(database)
        return await self.page(
            request,
            "inbox.html",
            csrf=self.signer.csrf(given),
            counts=await queries.counts(database),
            sources=known,
            wanted=wanted,
            listing=await queries.listing(database, wanted, known),
            link=lambda **changed: _link(wanted, **changed),
        )

    async def uncertain(self, request: Request) -> Response:
        """The effects of which nobody knows whether they happened."""
        given = self._pass(request)
        database = await pool(self.settings)
        return await self.page(
            request,
            "uncertain.html",
            csrf=self.signer.csrf(given),
            effects=await queries.uncertain(database),
        )

    async def delivery(self, request: Request) -> Response:
        """One delivery: as it came, and what became of it."""
        given = self._pass(request)
        database = await pool(self.settings)
        row = await queries.delivery(database, _delivery_id(request), words.SHOWN_BYTES)
        if row is None:
            raise _not_found("delivery")
        return await self.page(
            request,
            "delivery.html",
            csrf=self.signer.csrf(given),
            delivery=row,
            effects=await queries.effects_of(database, row["dispatches"]),
            verified=self._verified(row["source"]),
            shown_bytes=words.SHOWN_BYTES,
        )

    async def body(self, request: Request) -> Response:
        """The body to the last byte, to be saved and never shown."""
        self._pass(request)
        found = await queries.body(await pool(self.settings), _delivery_id(request))
        if found is None:
            raise _not_found("delivery")
        name = f"delivery-{_delivery_id(request)}.bin"
        return Response(
            found,
            media_type="application/octet-stream",
            headers={"Content-Disposition": f'attachment; filename="{name}"'},
        )

    async def replay(self, request: Request) -> Response:
        """Let a delivery go through again."""
        await self._form(request)
        delivery_id = _delivery_id(request)
        async with (await pool(self.settings)).acquire() as connection:
            if not await deliveries.replay(connection, delivery_id):
                raise Refused(409, "Nothing to replay", "It is waiting or running already.")
        return self._said(
            request, f"/deliveries/{delivery_id}", "It goes through again. What is done is not repeated."
        )

    async def discard(self, request: Request) -> Response:
        """Set a delivery aside, with the person's reason."""
        form = await self._form(request)
        delivery_id = _delivery_id(request)
        reason = words.typed(form.get("reason", ""))[:LONGEST_REASON]
        if not reason:
            raise Refused(400, "A reason is missing", "Say why it is set aside; others will want to know.")
        async with (await pool(self.settings)).acquire() as connection:
            if not await deliveries.discard(connection, delivery_id, reason):
                raise Refused(409, "Nothing to set aside", "What runs or is done stays as it is.")
        return self._said(request, f"/deliveries/{delivery_id}", "It is set aside.")

    async def settle(self, request: Request) -> Response:
        """Write down what a person found out about an uncertain effect."""
        form = await self._form(request)
        effect_id, happened = request.path_params["effect_id"], form.get("happened")
        if happened not in {"yes", "no"} or not re.fullmatch(r"[0-9]{1,18}", effect_id, re.ASCII):
            raise _not_found("effect")
        reference = [words.typed(line) for line in form.get("reference", "").splitlines()]
        try:
            sentence = await settle(
                self.settings,
                int(effect_id),
                happened=happened == "yes",
                reference=[line for line in reference if line],
            )
        except HooklineError as error:
            raise Refused(409, "Not settled", str(error)) from None
        return self._said(request, _local(form.get("back", "")), sentence)

    async def login_form(self, request: Request) -> Response:
        """Ask for the admin token."""
        if self._has_pass(request):
            return RedirectResponse(_local(request.query_params.get("next", "")), 303)
        return await self._ask_for_token(request, _local(request.query_params.get("next", "")))

    async def login(self, request: Request) -> Response:
        """Give a pass for the admin token."""
        peer, now = request.client.host if request.client else "unknown", time.time()
        if seconds := self.attempts.seconds_to_wait(peer, now):
            refused = Refused(429, "Too many attempts", f"Try again in {seconds} seconds.")
            return await self.refusal(request, refused, {"Retry-After": str(seconds)})
        form = await _read_form(request)
        given = request.cookies.get(session.LOGIN_FORM, "")
        destination = _local(form.get("next", ""))
        if not self.signer.accepts("login", given, now=now) or not self._csrf_fits(form, given):
            problem = "This form was out of date. Please try again."
            return await self._ask_for_token(request, destination, 403, problem)
        if not self.signer.is_token(form.get("token", "").strip()):
            self.attempts.failed(peer, now)
            return await self._ask_for_token(request, destination, 401, "That is not the admin token.")
        response = RedirectResponse(destination, 303)
        issued = self.signer.issue("session", now=now, seconds=session.SESSION_SECONDS)
        _set_cookie(response, request, session.SESSION, issued, session.SESSION_SECONDS)
        response.delete_cookie(session.LOGIN_FORM)
        return response

    async def logout(self, request: Request) -> Response:
        """Take the pass back."""
        await self._form(request)
        response = RedirectResponse("/login", 303)
        response.delete_cookie(session.SESSION)
        return response

    async def static(self, request: Request) -> Response:
        """The style sheet and the icon; they tell nothing and need no pass."""
        name = request.path_params["name"]
        if name not in STATIC:
            raise _not_found("page")
        kind = mimetypes.guess_type(name)[0]
        return Response(STATIC[name], media_type=kind, headers={"Cache-Control": "max-age=86400"})

    async def page(self, request: Request, template: str, status: int = 200, **values: Any) -> HTMLResponse:
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
        back = _local(request.url.path.rpartition("/")[0])
        known = self._has_pass(request)
        response = await self.page(
            request,
            "refused.html",
            refused.status,
            refused=refused,
            back=back if known else "/login",
            csrf=self.signer.csrf(request.cookies[session.SESSION]) if known else None,
        )
        response.headers.update(headers or {})
        return response

    async def _ask_for_token(
        self, request: Request, destination: str, status: int = 200, problem: str | None = None
    ) -> Response:
        given = request.cookies.get(session.LOGIN_FORM, "")
        if not self.signer.accepts("login", given, now=time.time()):
            given = self.signer.issue("login", now=time.time(), seconds=session.LOGIN_FORM_SECONDS)
        response = await self.page(
            request,
            "login.html",
            status,
            csrf=self.signer.csrf(given),
            destination=destination,
            problem=problem,
        )
        _set_cookie(response, request, session.LOGIN_FORM, given, session.LOGIN_FORM_SECONDS)
        return response

    def _has_pass(self, request: Request) -> bool:
        given = request.cookies.get(session.SESSION, "")
        return self.signer.accepts("session", given, now=time.time())

    def _pass(self, request: Request) -> str:
        """The pass of whoever asks; raises Refused without one."""
        if not self._has_pass(request):
            raise Refused(UNAUTHORIZED, "Please log in", "This needs the admin token.")
        return request.cookies[session.SESSION]

    async def _form(self, request: Request) -> dict[str, str]:
        """The fields of a form that came from a page of ours; raises Refused otherwise."""
        given = self._pass(request)
        form = await _read_form(request)
        if not self._csrf_fits(form, given):
            raise Refused(403, "Not done", "The form did not come from this page. Open it again and retry.")
        return form

    def _csrf_fits(self, form: Mapping[str, str], given: str) -> bool:
        return self.signer.is_signed("csrf", given, form.get("csrf", ""))

    def _verified(self, source: str) -> str:
        scheme = self.hooks.sources.get(source)
        if scheme is None:
            return "hooks.yaml no longer names this source, so how it was verified is not known here."
        if isinstance(scheme, SharedSecret):
            return f"The shared secret of {source}, in the header {scheme.header}."
        return f"A Standard Webhooks signature over the raw bytes, with the secret of {source}."

    def _said(self, request: Request, destination: str, sentence: str) -> Response:
        """Go on to a page that will show the sentence once; signed, for an address could be made up."""
        response = RedirectResponse(destination, 303)
        text = base64.urlsafe_b64encode(sentence[:500].encode()).decode()
        _set_cookie(response, request, SAID, f"{text}.{self.signer.sign('said', text)}", 60)
        return response

    def _heard(self, request: Request) -> str | None:
        text, _, signature = request.cookies.get(SAID, "").partition(".")
        if not text or not self.signer.is_signed("said", text, signature):
            return None
        return base64.urlsafe_b64decode(text).decode()


def _answering(pages: Pages, handler: Handler) -> Handler:
    """The handler with what holds for every page: its headers, its refusals, the database away."""

    async def answer(request: Request) -> Response:
        try:
            response = await handler(request)
        except Refused as refused:
            if refused.status == UNAUTHORIZED and request.method in {"GET", "HEAD"}:
                asked = request.url.path + (f"?{request.url.query}" if request.url.query else "")
                response = RedirectResponse(f"/login?next={quote(asked, safe='')}", 303)
            else:
                response = await pages.refusal(request, refused)
        except (*DATABASE_AWAY, HooklineError) as error:
            away = Refused(503, "The database is away", f"Nothing was changed. {error}")
            response = await pages.refusal(request, away)
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)
        return response

    return answer


async def _read_form(request: Request) -> dict[str, str]:
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


def _wanted(query: Mapping[str, str]) -> queries.Wanted:
    """What the address narrows the list to; what makes no sense narrows nothing."""
    state, before = query.get("state", ""), query.get("before", "")
    return queries.Wanted(
        source=query.get("source", "").replace("\0", ""),
        state=state if state in words.STATES else "",
        key=query.get("key", "").replace("\0", "").strip()[:512],
        before=int(before) if re.fullmatch(r"[0-9]{1,18}", before, re.ASCII) else None,
    )


def _link(wanted: queries.Wanted, **changed: object) -> str:
    """The address of the list, narrowed otherwise."""
    fields: dict[str, object] = {
        "source": wanted.source,
        "state": wanted.state,
        "key": wanted.key,
        "before": None,
    }
    chosen = {name: value for name, value in (fields | changed).items() if value}
    return f"/?{urlencode(chosen)}" if chosen else "/"


def _local(address: str) -> str:
    """The address, if it is one of our pages; else the inbox."""
    return address if _LOCAL.fullmatch(address) else "/"


def _delivery_id(request: Request) -> UUID:
    try:
        return UUID(request.path_params["delivery_id"])
    except ValueError:
        raise _not_found("delivery") from None


def _not_found(what: str) -> Refused:
    return Refused(404, "Not found", f"There is no such {what}.")


def _set_cookie(response: Response, request: Request, name: str, value: str, seconds: int) -> None:
    response.set_cookie(
        name,
        value,
        max_age=seconds,
        path="/",
        httponly=True,
        samesite="strict",
        secure=request.url.scheme == "https",
    )


def _address(name: str) -> str:
    """Where a file of ours is, with its version, so that a browser may keep it."""
    return f"/static/{name}?v={hashlib.sha256(STATIC[name]).hexdigest()[:12]}"


def _templates() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=words.visible,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals |= {
        "static": _address,
        "STATES": words.STATES,
        "WORDS": words.WORDS,
        "MEANING": words.MEANING,
        "RARE": queries.RARE,
        "MOST_EFFECTS": queries.MOST_EFFECTS,
    }
    environment.filters |= {
        "age": words.age,
        "moment": words.moment,
        "size": words.size,
        "readable": words.readable,
    }
    return environment


TEMPLATES = _templates()
