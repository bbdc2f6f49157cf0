"""
A stand-in for an HTTP API that Hookline has no client for: records of any kind, lists in pages, and OAuth 2.

It takes whatever JSON object it is sent, as a record with an `id`, and keeps the manners that APIs have in common: each
POST makes another record unless its `Idempotency-Key` came before, an unknown id is 404, a list comes in pages.
"""

import base64
import copy
import html
import itertools
import json
import time
from collections.abc import Mapping
from typing import Any, ClassVar, Final
from urllib.parse import parse_qsl, urlencode

from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, RedirectResponse, Response

from hookline.simulators.control import Call, RefusedError, Simulator, operation
from hookline.simulators.http.oauth import AuthorizationServer, OAuthError
from hookline.simulators.records import Clock

Document = dict[str, Any]

TOKEN: Final = "sandbox-http-token"  # noqa: S105  (opens nothing but the sandbox)
USER, PASSWORD = "sandbox", "sandbox-http-password"
KEY_HEADER, KEY_PARAMETER = "x-api-key", "api_key"
PAGE: Final = 50
MAX_PAGE: Final = 200
OURS = frozenset({KEY_PARAMETER, "page", "per_page", "offset", "limit", "cursor"})
"""Parameters of a list that filter nothing."""
FORM: Final = "application/x-www-form-urlencoded"


class HttpSimulator(Simulator):
    """An API with records of any kind."""

    vendor = "http"
    secret_placeholders: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, *, token_seconds: float = 1800, clock: Clock = time.monotonic) -> None:
        self._clock, self._token_seconds = clock, token_seconds
        super().__init__()

    def seed(self) -> None:
        """Set up three orders, and nobody connected."""
        self.oauth = AuthorizationServer(self._clock, self._token_seconds)
        self.kinds: dict[str, dict[str, Document]] = {}
        self._answered: dict[str, Document] = {}
        """What was answered to a POST with an idempotency key."""
        self._ids = itertools.count(1)
        for number in ("100123", "100124", "100125"):
            self._store("orders", {"number": number, "status": "open"})

    def records(self) -> dict[str, Any]:
        """Return every record, by kind."""
        return copy.deepcopy({kind: list(rows.values()) for kind, rows in self.kinds.items()})

    def end_sessions(self) -> None:
        """Let every access token lapse."""
        self.oauth.end_sessions()

    # The vendor's manners

    def authorize(self, call: Call) -> None:
        """Let in who has the key, in whatever place, the user's password or a live token."""
        scheme, _, text = call.headers.get("authorization", "").partition(" ")
        key = call.headers.get(KEY_HEADER) or call.query.get(KEY_PARAMETER)
        basic = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        is_bearer = scheme == "Bearer" and (text == TOKEN or self.oauth.access.get(text) is not None)
        if not (is_bearer or key == TOKEN or (scheme == "Basic" and text == basic)):
            raise RefusedError(401, "The token or key is missing, wrong or has ended.", "unauthorized")

    def render(self, _call: Call, value: Any, /) -> Response:
        """Answer JSON."""
        return Response(status_code=204) if value is None else JSONResponse(value)

    def refusal(self, error: RefusedError) -> Response:
        """Answer a problem as RFC 9457 writes it."""
        problem = {"title": error.code or "refused", "status": error.status, "detail": error.message}
        return JSONResponse(problem, error.status, media_type="application/problem+json")

    # Records

    @operation("GET", "/records/{kind}")
    def list_records(self, call: Call) -> Any:
        """Answer a page as a list, by its number or by an offset; the header says where the next one is."""
        rows = self._selected(call)
        size = _number(call, "per_page" if "offset" not in call.query else "limit", PAGE, MAX_PAGE)
        start = (
            _number(call, "offset", 0) if "offset" in call.query else (_number(call, "page", 1) - 1) * size
        )
        start = call.start(max(0, start))
        response = JSONResponse(rows[start : start + size])
        if start + size < len(rows):
            following = {**dict(call.query), "page": str(start // size + 2), "per_page": str(size)}
            address = f"{self.url}{call.request.url.path}?{urlencode(following)}"
            response.headers["Link"] = f'<{address}>; rel="next"'
        return response

    @operation("GET", "/lists/{kind}")
    def list_enveloped(self, call: Call) -> Any:
        """Answer a page in an envelope, with a cursor and the address of the next one."""
        rows = self._selected(call)
        start, size = _number(call, "cursor", 0), _number(call, "limit", PAGE, MAX_PAGE)
        page: Document = {
            "data": rows[start : start + size],
            "meta": {"total": len(rows)},
            "next_cursor": None,
        }
        if start + size < len(rows):
            page["next_cursor"] = str(start + size)
            query = urlencode({**dict(call.query), "cursor": page["next_cursor"]})
            page["next"] = f"{call.request.url.path}?{query}"
        return page

    @operation("POST", "/records/{kind}")
    def create_record(self, call: Call) -> Any:
        """Add a record, another one each time; the same one where its idempotency key came before."""
        key = call.headers.get("idempotency-key", "")
        if key in self._answered:
            return JSONResponse(self._answered[key], 201)
        record = self._store(call.path["kind"], self._body(call))
        if key:
            self._answered[key] = dict(record)
        return JSONResponse(record, 201)

    @operation("GET", "/records/{kind}/{id}")
    def read_record(self, call: Call) -> Any:
        """Answer a record."""
        return self._one(call)

    @operation("PUT", "/records/{kind}/{id}")
    def replace_record(self, call: Call) -> Any:
        """Put a record in the place of the one with its id, or where none was."""
        record = {**self._body(call), "id": call.path["id"]}
        self.kinds.setdefault(call.path["kind"], {})[call.path["id"]] = record
        return record

    @operation("PATCH", "/records/{kind}/{id}")
    def change_record(self, call: Call) -> Any:
        """Change the fields that are sent."""
        record = self._one(call)
        record.update({**self._body(call), "id": record["id"]})
        return record

    @operation("DELETE", "/records/{kind}/{id}")
    def delete_record(self, call: Call) -> None:
        """Delete a record; its answer is empty."""
        self.kinds[call.path["kind"]].pop(self._one(call)["id"])

    @operation("POST", "/forms/{kind}")
    def post_form(self, call: Call) -> Any:
        """Add a record that comes as a form, and answer its id as one."""
        if call.headers.get("content-type", "").partition(";")[0] != FORM:
            raise RefusedError(415, "Send a form.", "unsupported")
        record = self._store(call.path["kind"], dict(parse_qsl(call.content.decode(errors="replace"))))
        return Response(urlencode({"id": record["id"], "status": "ok"}), media_type=FORM)

    @operation("GET", "/texts/{kind}")
    def read_text(self, call: Call) -> Any:
        """Answer the records of a kind as lines of text."""
        rows = self.kinds.get(call.path["kind"], {}).values()
        return PlainTextResponse("".join(f"{json.dumps(row, sort_keys=True)}\n" for row in rows))

    # OAuth 2

    @operation("GET", "/oauth/authorize", public=True)
    def ask_person(self, call: Call) -> Any:
        """Ask a person on a page; there is no log-in, for everybody is at home in the sandbox."""
        try:
            self.oauth.checked(call.query)
        except OAuthError as error:
            return PlainTextResponse(f"{error.code}: {error.description}", error.status)
        query = html.escape(call.request.url.query)
        return HTMLResponse(
            "<!DOCTYPE html><html lang=en><title>Sandbox</title><h1>Let Hookline in?</h1>"
            f'<form method="post" action="/oauth/authorize?{query}">'
            '<button name="answer" value="yes">Allow</button> <button name="answer" value="no">Decline</button>'
            "</form></html>"
        )

    @operation("POST", "/oauth/authorize", public=True)
    def take_answer(self, call: Call) -> Any:
        """Send the person's browser back, with a code or without."""
        agreed = dict(parse_qsl(call.content.decode(errors="replace"))).get("answer") == "yes"
        try:
            address = self.oauth.agreed(call.query) if agreed else self.oauth.declined(call.query)
        except OAuthError as error:
            return PlainTextResponse(f"{error.code}: {error.description}", error.status)
        return RedirectResponse(address, 302)

    @operation("POST", "/oauth/token", public=True)
    def issue_token(self, call: Call) -> Any:
        """Exchange a grant for tokens."""
        form = dict(parse_qsl(call.content.decode(errors="replace"), keep_blank_values=True))
        try:
            issued = self.oauth.issue(form, call.headers.get("authorization", ""))
        except OAuthError as error:
            refused = {"error": error.code, "error_description": error.description}
            return JSONResponse(refused, error.status)
        return JSONResponse(issued, headers={"Cache-Control": "no-store"})

    # What is stored

    def _store(self, kind: str, body: Mapping[str, Any]) -> Document:
        record = {**body, "id": f"{kind[:3]}-{next(self._ids)}"}
        self.kinds.setdefault(kind, {})[record["id"]] = record
        return record

    def _one(self, call: Call) -> Document:
        kind, number = call.path["kind"], call.path["id"]
        found = self.kinds.get(kind, {}).get(number)
        if found is None:
            raise RefusedError(404, f"There is no {kind} {number}.", "not found")
        return found

    def _selected(self, call: Call) -> list[Document]:
        """Return the records of a kind, or those whose fields have the values that the query asks for."""
        asked = {name: value for name, value in call.query.items() if name not in OURS}
        rows = self.kinds.get(call.path["kind"], {}).values()
        return [row for row in rows if all(str(row.get(name)) == value for name, value in asked.items())]

    def _body(self, call: Call) -> Document:
        return call.document(lambda why: RefusedError(400, f"The body {why}.", "bad request"))


def _number(call: Call, name: str, default: int, maximum: int = 10**9) -> int:
    text = call.query.get(name, str(default))
    if not text.isdecimal():
        raise RefusedError(400, f"{name} must be a whole number.", "bad request")
    return min(int(text), maximum)
