"""
A stand-in for Sensorpro.

Errors stand in the body of a 200 answer, the token is the last segment of each path, and a mail cannot be
looked for once it is sent. Facts and how far they are known: the vendor notes, section 1.
"""

import copy
import hmac
import json
import time
import uuid
from collections.abc import Sequence
from typing import Any, ClassVar

from starlette.responses import JSONResponse, Response

from hookline.simulators.control import Call, RefusedError, Simulator, folded, operation

ORGANIZATION = "sandbox"
USER = "api@sandbox.example"
PASSWORD = "sandbox-sensorpro-password"  # noqa: S105  (opens nothing but the sandbox)
API_KEY = "00000000-0000-4000-8000-00000000c0de"

CAMPAIGN = "3f0c6a52-9d1e-4b7a-8c35-5e0f7a9b2d14"
BROADCASTS = {(CAMPAIGN, 1): "Your licenses"}

# The vendor publishes no list of codes; these are ours.
BAD_LOGIN = "LOGIN_FAILED"
BAD_TOKEN = "TOKEN_INVALID"  # noqa: S105
BAD_REQUEST = "REQUEST_INVALID"
BAD_CONTACT = "CONTACT_INVALID"
NO_BROADCAST = "BROADCAST_NOT_FOUND"

Errors = Sequence[dict[str, Any]]


class SensorproSimulator(Simulator):
    """Sensorpro: sign-in, contacts, one campaign with one stored broadcast, and relay mail."""

    vendor = "sensorpro"
    secret_placeholders: ClassVar[frozenset[str]] = frozenset({"Organization", "User", "Password", "Token"})

    def __init__(self, *, expires_in: int = 3622) -> None:
        self.expires_in = expires_in
        """Seconds for which a token is good, counted from the sign-in; use does not extend it."""
        super().__init__()

    def seed(self) -> None:
        """Forget everything; the stored broadcast stays."""
        self._tokens: dict[str, float] = {}
        self._contacts: dict[str, dict[str, Any]] = {}
        self._mails: list[dict[str, Any]] = []

    def records(self) -> dict[str, Any]:
        """The mails sent and the contacts held."""
        return copy.deepcopy({"mails": self._mails, "contacts": list(self._contacts.values())})

    def end_sessions(self) -> None:
        """Let every token lapse."""
        self._tokens.clear()

    def authorize(self, call: Call) -> None:
        """Let a caller with a live token in. How a bad one is answered is not documented: assumed."""
        if self._tokens.get(call.path["Token"].lower(), 0) < time.monotonic():
            raise RefusedError(200, "The token is not valid or has expired.", BAD_TOKEN)

    def render(self, _: Call, value: Any) -> Response:
        """The handler's fields and the `Result` that every answer carries."""
        return JSONResponse({"Result": _result()} | value)

    def refusal(self, error: RefusedError) -> Response:
        """An error in the body; the status says 200 for all that the vendor itself refuses."""
        return JSONResponse(
            {"Result": _result([_error(0, error.message, error.code)])},
            error.status,
        )

    # Signing in and out

    @operation("POST", "/auth/sys/signin", public=True)
    def sign_in(self, call: Call) -> Any:
        """Hand out a token for credentials in the body."""
        body = _body(call)
        return self._sign_in(call, body.get("organization"), body.get("user"), body.get("password"))

    @operation("POST", "/auth/sys/login/{Organization}/{User}/{Password}", public=True)
    def log_in(self, call: Call) -> Any:
        """Hand out a token for credentials in the path, the old form."""
        return self._sign_in(call, *call.path.values())

    def _sign_in(self, call: Call, *credentials: Any) -> Any:
        given = [str(each) for each in (*credentials, call.headers.get("x-apikey", "").lower())]
        wanted = [ORGANIZATION, USER, PASSWORD, API_KEY]
        if not hmac.compare_digest(json.dumps(given).encode(), json.dumps(wanted).encode()):
            raise RefusedError(200, "Organization, user, password or API key is wrong.", BAD_LOGIN)
        now = time.monotonic()
        self._tokens = {token: until for token, until in self._tokens.items() if until >= now}
        token = str(uuid.uuid4())
        self._tokens[token] = now + self.expires_in
        return {"ExpiresIn": self.expires_in, "APIEndpoint": f"{self.url}/", "Token": token}

    @operation("POST", "/auth/sys/logoff/{Token}")
    def log_off(self, call: Call) -> Response:
        """End a token; the vendor answers nothing at all."""
        del self._tokens[call.path["Token"].lower()]
        return Response()

    # Contacts

    @operation("POST", "/api/Contact/UpdateAdd/{Token}")
    def upsert_contacts(self, call: Call) -> Any:
        """Add or update each contact; a bad row is reported by its index and the others are applied."""
        body = _body(call)
        if str(body.get("updatebykey", "email")).lower() != "email":
            raise RefusedError(200, "UpdateByKey must be email.", BAD_REQUEST)
        rows = body.get("contact")
        if not isinstance(rows, list) or not rows:
            raise RefusedError(200, "Contact must be a list of contacts.", BAD_REQUEST)
        errors = [
            _error(sequence, "PersonalEMail is missing or no e-mail address.", BAD_CONTACT)
            for sequence, row in enumerate(rows)
            if not self._upsert(row, body)
        ]
        answer: dict[str, Any] = {"Result": _result(errors)}
        if body.get("returnfailedrequests"):
            answer["FailedRequests"] = [rows[error["Sequence"]] for error in errors]
        return answer

    def _upsert(self, row: Any, body: dict[str, Any]) -> bool:
        address = _address(row)
        if not address:
            return False
        contact = self._contacts.get(address.lower())
        if contact is None:
            # Tags are documented for contacts as they are created; for those at hand nothing is said.
            tags = body.get("addtolist") or []
            contact = {"ContactId": str(uuid.uuid4()), "PersonalEMail": address, "Tags": list(tags)}
            self._contacts[address.lower()] = contact
        contact |= {name: each for name, each in row.items() if name.lower() != "personalemail"}
        if body.get("sendwelcomeemail"):
            # Each time, as the worst reading of the vendor's page allows: a repeat mails again.
            self._mail(address, kind="welcome")
        return True

    @operation("POST", "/api/Contact/GetContacts/{Token}")
    def get_contacts(self, call: Call) -> Any:
        """The contacts with this address or tag; all of them without a filter. The filter is assumed."""
        body = _body(call)
        address, tag = body.get("personalemail"), body.get("tag")
        found = [
            contact
            for contact in self._contacts.values()
            if (not address or contact["PersonalEMail"].lower() == str(address).lower())
            and (not tag or tag in contact["Tags"])
        ]
        return {"Contact": found}

    # Mail

    @operation("POST", "/api/Campaign/TriggerEmail/{Token}")
    def trigger_email(self, call: Call) -> Any:
        """Send a stored broadcast to one contact, each time it is asked."""
        body = _body(call)
        campaign, broadcast = _broadcast(body)
        address = _address(body.get("contactdata"))
        if not address:
            raise RefusedError(200, "ContactData.PersonalEMail is missing or no e-mail address.", BAD_CONTACT)
        parameters = body.get("namedpairsparameters") or {}
        self._mail(address, kind="triggered", campaign=campaign, broadcast=broadcast, parameters=parameters)
        return {}

    @operation("POST", "/api/Email/SendEmail/{Token}")
    def send_email(self, call: Call) -> Any:
        """Relay a mail given in full, to each of its recipients."""
        body = _body(call)
        sender = folded(body.get("from") or {}).get("email")
        named = [each for field in ("to", "cc", "bcc") for each in body.get(field) or []]
        recipients = [folded(each).get("email") for each in named]
        if not sender or not body.get("to") or not all(_is_address(each) for each in (sender, *recipients)):
            raise RefusedError(200, "From and To need e-mail addresses.", BAD_REQUEST)
        for recipient in recipients:
            self._mail(
                str(recipient),
                kind="relayed",
                subject=body.get("subject", ""),
                html=body.get("htmlmessageencoded", ""),
                text=body.get("plaintextmessage", ""),
                headers=body.get("headers") or {},
            )
        return {}

    @operation("POST", "/api/Campaign/GetBroadcastStatus/{Token}")
    def get_broadcast_status(self, call: Call) -> Any:
        """How many mails a broadcast has sent; to whom, the vendor does not say. The shape is assumed."""
        campaign, broadcast = _broadcast(_body(call))
        sent = sum((mail["campaign"], mail["broadcast"]) == (campaign, broadcast) for mail in self._mails)
        return {
            "CampId": campaign,
            "BroadcastId": broadcast,
            "Name": BROADCASTS[campaign, broadcast],
            "Status": "Active",
            "TotalSent": sent,
        }

    def _mail(self, to: str, **rest: Any) -> None:
        unset: dict[str, Any] = {"campaign": None, "broadcast": None, "parameters": {}}
        self._mails.append({"at": time.time(), "to": to} | unset | rest)


def _body(call: Call) -> dict[str, Any]:
    try:
        body = call.json()
    except ValueError:
        raise RefusedError(200, "The body is not JSON.", BAD_REQUEST) from None
    if not isinstance(body, dict):
        raise RefusedError(200, "The body is not a JSON object.", BAD_REQUEST)
    return folded(body)


def _broadcast(body: dict[str, Any]) -> tuple[str, int]:
    """The stored broadcast that a body names."""
    campaign = str(body.get("campid", "")).lower()
    try:
        broadcast = int(body.get("broadcastid", 0))
    except (TypeError, ValueError):
        broadcast = 0
    if (campaign, broadcast) not in BROADCASTS:
        raise RefusedError(200, "There is no such campaign or broadcast.", NO_BROADCAST)
    return campaign, broadcast


def _address(row: Any) -> str:
    """The contact's address, or nothing when it has none that could be one."""
    address = folded(row).get("personalemail") if isinstance(row, dict) else None
    return str(address) if _is_address(address) else ""


def _is_address(value: Any) -> bool:
    name, _, domain = value.partition("@") if isinstance(value, str) else ("", "", "")
    return bool(name.strip() and domain.strip())


def _error(sequence: int, description: str, code: str) -> dict[str, Any]:
    return {"Sequence": sequence, "Description": description, "Code": code}


def _result(errors: Errors = ()) -> dict[str, Any]:
    return {
        "RequestId": str(uuid.uuid4()),
        "ErrorMessages": list(errors),
        "StatusMesssages": [],  # three s, as the vendor sends it
        "TotalStatusMessages": 0,
        "TotalErrors": len(errors),
    }
