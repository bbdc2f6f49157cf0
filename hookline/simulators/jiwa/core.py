"""Jiwa's manners, which all its calls share: sessions, permissions, answers, errors; and the calls about itself."""

import hmac
import re
import secrets
import time
from abc import abstractmethod
from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, ClassVar, Final, Self

from starlette.responses import HTMLResponse, JSONResponse, Response

from hookline.simulators.control import Call, RefusedError, Simulator, folded, operation
from hookline.simulators.jiwa import autoquery
from hookline.simulators.jiwa.autoquery import Row
from hookline.simulators.jiwa.sessions import Caller, Session
from hookline.simulators.jiwa.values import CLASH, RULE, STAFF, body_of, now, read_fields, timestamp
from hookline.simulators.jiwa.webhooks import RetryPolicy, Webhooks
from hookline.simulators.records import Tokens, names

API_KEY = "sandbox-jiwa-key"
"""A staff member's key: it may do all that the user may."""
DEBTOR_API_KEY = "sandbox-jiwa-debtor-key"
"""A customer's key."""
USER = "api"
PASSWORD = "sandbox-jiwa-password"  # noqa: S105  (opens nothing but the sandbox)

FIRST_NUMBER = datetime(2025, 1, 1, tzinfo=UTC).timestamp()

OPEN_TO_DEBTORS = frozenset(
    names("""
        logout keep_alive get_current_session get_api_key_debtor get_inventory_item query_inventory_items
        query_sales_orders query_sales_quotes query_debtor_transactions
    """)
) | {
    f"{act}_sales_{what}"
    for acts, whats in (
        ("create get update save abandon", "order quote"),
        ("create get update delete", "order_line quote_line"),
    )
    for act in acts.split()
    for what in whats.split()
}
"""The calls that the vendor recommends to open to customers."""  # fact: debtor-keys

HIDDEN_FROM_DEBTORS = frozenset(("UnitCost", "LCost"))
"""The vendor's page says that fields are withheld, and not which."""

RULE_STATUS: Final = {"conflict": 409, "server-error": 500, "bad-request": 400}
CLASH_WORDS: Final = {
    "changed-by-another": "has been changed by another user since it was read.",
    "modified-since": "has been modified since it was read. Please reload.",
    "optimistic": "was not saved: optimistic locking failed.",
}
_ZONE = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{7})\+00:00")


class JiwaCore(Simulator):
    """The base of every part of Jiwa."""

    vendor = "jiwa"
    # A subscriber's key opens its subscriptions and messages to anyone who knows it.
    secret_placeholders: ClassVar[frozenset[str]] = frozenset({"SubscriberID"})

    def __init__(self, *, session_seconds: float = 1200, retries: RetryPolicy | None = None) -> None:
        self.session_seconds = session_seconds
        """Life of a session from log-in or KeepAlive; the vendor's is not known."""
        self.webhooks = Webhooks(
            retries or RetryPolicy(), lambda: self.dialect["waiting-messages-headers"] == "kept"
        )
        self.key_debtor_id = ""
        """The debtor that the customer's key belongs to."""
        self._last_number = 0
        self._sessions: Tokens[Session] = Tokens()
        self._key_sessions: dict[str, str] = {}
        super().__init__()

    def seed(self) -> None:
        """Forget everything: nobody is logged in, and there are no subscribers."""
        self.end_sessions()
        self.webhooks.forget()

    def records(self) -> dict[str, Any]:
        """Return the records of the parts of Jiwa."""
        return {}

    def end_sessions(self) -> None:
        """Let every session lapse; records in work are gone."""
        self._sessions.clear()
        self._key_sessions.clear()

    def shared(self) -> Iterable[object]:
        """Return the subscribers with what is sent to them."""
        return (self.webhooks,)

    def next_number(self) -> str:
        """Return a document's number. Counted from the clock: a restarted sandbox must not use one twice."""
        self._last_number = max(self._last_number + 1, int((time.time() - FIRST_NUMBER) * 1000))
        return str(self._last_number)

    async def __aenter__(self) -> Self:
        self.webhooks.open()
        return await super().__aenter__()

    async def __aexit__(self, *_: object) -> None:
        await super().__aexit__()
        await self.webhooks.close()

    # The vendor's manners

    def authorize(self, call: Call) -> None:
        """Let a session or an API key in; a customer's key opens only what customers may do."""
        session = self._session(call)
        if session is None:
            raise RefusedError(401, "Not Authenticated", "Unauthorized")
        if session.debtor_id and call.operation.name not in OPEN_TO_DEBTORS:
            raise RefusedError(403, "You do not have permission to use this route.", "Forbidden")
        call.request.state.session = session

    def caller(self, call: Call) -> Caller:
        """Return the caller, once they are let in."""
        return Caller(_session_of(call), call.headers.get("jiwa-stateful", "").lower() == "true")

    def _session(self, call: Call) -> Session | None:
        sent = call.headers.get("x-ss-id") or call.request.cookies.get("ss-id", "")
        if session := self._sessions.get(sent):
            # Also with a wrong key beside it: a client with cookies stays logged in. The vendor does so.
            return session
        scheme, _, key = call.headers.get("authorization", "").partition(" ")
        key = key.strip() if scheme.lower() == "bearer" else call.query.get("apikey", "")
        for known, debtor_id in ((API_KEY, ""), (DEBTOR_API_KEY, self.key_debtor_id)):
            if _same(key, known):
                return self._session_of_key(call, known, debtor_id)
        return None

    def _session_of_key(self, call: Call, key: str, debtor_id: str) -> Session:
        """Return the session of all calls with the key, whose cookie is set although nobody asked for one."""
        session = self._sessions.get(self._key_sessions.get(key, ""))
        if session is None:
            session = self._open_session("apikey", debtor_id)
            self._key_sessions[key] = session.key
        call.set_cookies |= {"ss-id": session.key}
        return session

    def _open_session(self, provider: str, debtor_id: str = "") -> Session:
        session = Session(secrets.token_urlsafe(15), provider, timestamp(), debtor_id)
        return self._sessions.add(session.key, self.session_seconds, session)

    def render(self, call: Call, value: Any) -> Response:
        """Answer 201 for POST, 204 for DELETE and for nothing to say, otherwise 200."""
        verb = call.request.method
        is_nothing = value is None or (
            value == [] and verb == "GET" and self.dialect["empty-lists"] == "no-content"
        )
        if verb == "DELETE" or is_nothing:
            return Response(status_code=204)
        if call.query.get("format") != "json" and call.headers.get("accept", "").startswith("text/html"):
            return HTMLResponse("<html><body>Snapshot of the response, for browsers</body></html>")
        if not call.operation.public and _session_of(call).debtor_id:
            value = without(value, HIDDEN_FROM_DEBTORS)
        if self.dialect["saved-times"] == "without-zone":
            value = _without_zone(value)
        is_created = verb == "POST" and self.dialect["created-status"] == "created"
        return JSONResponse(value, 201 if is_created else 200)

    def refusal(self, error: RefusedError) -> Response:
        """Answer an error as ServiceStack words it."""
        status, message = error.status, error.message
        if status in (401, 403) and self.dialect["refusals-worded"] == "empty":
            return Response(status_code=status)
        if (status, error.code) == (409, RULE):
            status = RULE_STATUS[self.dialect["business-rule-status"]]
        if error.code == CLASH:
            message = f"{message} {CLASH_WORDS[self.dialect['clash-words']]}"
        return JSONResponse(  # fact: error-body
            {"ResponseStatus": {"ErrorCode": error.code or str(status), "Message": message}}, status
        )

    def queried(self, rows: Iterable[Row], fields: Mapping[str, type], call: Call) -> dict[str, Any]:
        """Return the answer to a query."""
        always_counts = self.dialect["total-counted"] == "always"
        return autoquery.answer(rows, fields, call, always_counts=always_counts)

    # Sessions

    @operation("POST", "GET", "/auth", public=True)
    def login(self, call: Call) -> Response:
        """Open a session for a user's name and password, in the query or in a JSON body, with GET too."""
        inputs = read_fields(folded(dict(call.query)) | folded(body_of(call)), ("UserName", "Password"))
        name, password = inputs.get("UserName", ""), inputs.get("Password", "")
        if not (_same(name.lower(), USER) & _same(password, PASSWORD)):
            raise RefusedError(401, "Invalid Username or Password", "Unauthorized")
        session = self._open_session("credentials")
        call.set_cookies |= {"ss-id": session.key}
        return JSONResponse(
            {"SessionId": session.key, "UserName": USER, "DisplayName": "", "ResponseStatus": {}}
        )

    @operation("GET", "/auth/logout")
    def logout(self, call: Call) -> Any:
        """End the session; records in work are gone."""
        session = _session_of(call)
        self._sessions.remove(session.key)
        return {"Username": USER, "LoginDateTime": session.created, "LogoutDateTime": timestamp()}

    @operation("GET", "/KeepAlive")
    def keep_alive(self, call: Call) -> Any:
        """Extend the session; nothing else does."""  # fact: session-end
        session = _session_of(call)
        self._sessions.add(session.key, self.session_seconds, session)

    @operation("GET", "/Sessions/Current")
    def get_current_session(self, call: Call) -> Any:
        """Answer the session, and its user."""
        session = _session_of(call)
        current = {
            "Id": session.key,
            "AuthProvider": session.provider,
            "CreatedAt": session.created,
            "UserName": USER,
            "DisplayName": "Integration User",
            "JiwaStaffID": STAFF["StaffID"],
            "JiwaStaffUsername": STAFF["StaffUserName"],
        }
        if session.provider == "apikey":
            current["APIKey_Type"] = "Debtor" if session.debtor_id else "Staff"
        if session.debtor_id:
            current |= {"DebtorID": session.debtor_id, "DebtorName": self.name_of(session.debtor_id)}
        return current

    @abstractmethod
    def name_of(self, debtor_id: str) -> str:
        """Return a debtor's name."""

    # The calls about the installation

    @operation("GET", "/SystemInfo/")
    def get_system_info(self, _: Call) -> Any:
        """Answer versions and the server's clock."""
        return {
            "JiwaVersion": "8.0.61.0",
            "JiwaRESTAPIPluginVersion": "8.0.61.0",
            "ServiceStackVersion": "6.10",
            "SQLServerDateTime": now(),
            "DatabaseName": "Sandbox",
            "LicensedCompany": "Hookline Sandbox",
            "CurrencyName": "Australian dollar",
            "CurrencyShortName": "AUD",
            "MoneyDecimalPlaces": 2,
        }

    @operation("GET", "/RestPaths")
    def list_rest_paths(self, _: Call) -> Any:
        """Answer the routes of this installation."""  # fact: rest-paths
        missing = set()
        if self.dialect["order-deletion"] == "no-route":
            missing.add("delete_sales_order")
        if self.dialect["request-headers-replaced"] == "missing":
            missing.add("replace_webhook_request_headers")
        return [
            {
                "Path": each.path,
                "RequestType": _request_type(each.name, verb),
                "Summary": (each.handler.__doc__ or "").strip().partition("\n")[0],
                "AllowedVerbs": verb,
            }
            for each in sorted(self.operations.values(), key=lambda one: one.path)
            if each.name not in missing
            for verb in each.verbs
        ]


def _without_zone(value: Any) -> Any:
    """Return a JSON value whose times say no zone."""
    if isinstance(value, dict):
        return {name: _without_zone(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_without_zone(each) for each in value]
    return _ZONE.sub(r"\1", value) if isinstance(value, str) else value


def without(value: Any, hidden: Collection[str]) -> Any:
    """Return a JSON value without the fields of these names, at any depth."""
    if isinstance(value, dict):
        return {name: without(each, hidden) for name, each in value.items() if name not in hidden}
    return [without(each, hidden) for each in value] if isinstance(value, list) else value


def _session_of(call: Call) -> Session:
    """Return the session that `authorize` let in."""
    session: Session = call.request.state.session
    return session


def _request_type(name: str, verb: str) -> str:
    """Return the name of an operation's request: its subject, then its act."""
    what, *about = name.split("_")
    done = {"list": "GETMany", "save": "SAVE", "abandon": "ABANDON", "process": "PROCESS"}.get(what, verb)
    return "".join(word.capitalize() for word in about or [what]) + done + "Request"


def _same(sent: str, expected: str) -> bool:
    """Compare in a time that reveals nothing."""
    return hmac.compare_digest(sent.encode(), expected.encode())
