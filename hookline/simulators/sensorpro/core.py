"""
Sensorpro's manners, which all its calls share: tokens in the path, errors in the body of a 200, deferred work.

The vendor publishes no list of its codes: those here are the sandbox's own.
"""

import hmac
import json
import math
import re
import time
import uuid
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from starlette.responses import HTMLResponse, JSONResponse, Response

from hookline.simulators.control import Call, RefusedError, Simulator, folded, operation
from hookline.simulators.records import Document, Tokens

ORGANIZATION = "sandbox"
USER = "api@sandbox.example"
PASSWORD = "sandbox-sensorpro-password"  # noqa: S105  (opens nothing but the sandbox)
API_KEY = "00000000-0000-4000-8000-00000000c0de"

BAD_LOGIN = "LOGIN_FAILED"
BAD_TOKEN = "TOKEN_INVALID"  # noqa: S105
BAD_REQUEST = "REQUEST_INVALID"

UNAUTHORIZED = 401
NO_LENGTH = 411


STATUS_MESSAGES = {"three-s": "StatusMesssages", "two-s": "StatusMessages"}
REFUSED = {"ok": 200, "bad-request": 400}
ENDED = {
    "token": ("The token is not valid or has expired.", BAD_TOKEN),
    "rights": ("You are not authorised to make this request.", "ERR_17"),
    "code": ("", BAD_TOKEN),
    "unauthorized": ("", BAD_TOKEN),
    "other-words": ("Please contact the administrator.", "ERR_17"),
}
"""The error of a token that is none, by its text and its code."""


def message(sequence: int, description: str, code: str) -> Document:
    """Return an error or a status; the sequence is the index of the row that it is about, from 0."""
    return {"Sequence": sequence, "Description": description, "Code": code}


def refused(code: str, why: str) -> RefusedError:
    """Return an error as the vendor answers it."""
    return RefusedError(200, why, code)


def bad_request(why: str) -> RefusedError:
    """Return the error for a body that cannot be read."""
    return refused(BAD_REQUEST, why)


@dataclass(order=True, slots=True)
class Job:
    """An action at its time."""

    due: float
    """On the clock of `time.monotonic`."""
    action: Callable[[], None] = field(compare=False)


class SensorproCore(Simulator):
    """The base of every part of Sensorpro."""

    vendor = "sensorpro"
    secret_placeholders: ClassVar[frozenset[str]] = frozenset({"Organization", "User", "Password", "Token"})

    def __init__(self, *, expires_in: int = 3622, import_seconds: float = 0.5) -> None:
        self.expires_in = expires_in
        """Seconds for which a token is good, counted from the sign-in; use does not extend it."""
        self.import_seconds = import_seconds
        """Seconds that an import takes."""
        super().__init__()

    def seed(self) -> None:
        """Forget everything: nobody is signed in, and there is nothing to do."""
        self._tokens: Tokens[bool] = Tokens()
        self._jobs: list[Job] = []

    def records(self) -> dict[str, Any]:
        """Return the records of the parts of Sensorpro, once all that is due is done."""
        self._catch_up()
        return {}

    def end_sessions(self) -> None:
        """Let every token lapse."""
        self._tokens.clear()

    # The vendor's manners

    def authorize(self, call: Call) -> None:
        """Let a caller with a live token in."""
        check_length(call)
        token = call.path["Token"].lower()
        if not self._tokens.get(token):
            ended = self.dialect["session-ended"]
            text, code = ENDED[ended]
            raise RefusedError(UNAUTHORIZED, "") if ended == "unauthorized" else refused(code, text)
        if self.dialect["token-lasts"] == "sliding":
            self._tokens.add(token, self.expires_in, opens=True)
        self._catch_up()

    def render(self, _: Call, value: Any) -> Response:
        """Answer the handler's fields and the `Result`."""
        return JSONResponse({"Result": self.result()} | value)

    def refusal(self, error: RefusedError) -> Response:
        """Answer an error in the body, whatever the status."""
        if error.status == UNAUTHORIZED:
            return Response(status_code=error.status)
        if error.status == NO_LENGTH:
            return HTMLResponse(f"<h2>{error.message}</h2>", error.status)  # by the web server before it
        status = error.status
        if status == REFUSED["ok"]:
            status = REFUSED[self.dialect["refusal-status"]]
        return JSONResponse({"Result": self.result([message(0, error.message, error.code)])}, status)

    def result(self, errors: Sequence[Document] = (), statuses: Sequence[Document] = ()) -> Document:
        """Return the `Result` that every answer carries: for each row an error, or a status for information."""
        return {
            "RequestId": str(uuid.uuid4()),
            "ErrorMessages": [self._coded(each) for each in errors],
            STATUS_MESSAGES[self.dialect["status-messages-are-spelt"]]: [
                self._coded(each) for each in statuses
            ],
            "TotalStatusMessages": len(statuses),
            "TotalErrors": len(errors),
        }

    def _coded(self, row: Document) -> Document:
        """Return an error or a status whose code is a number, in a dialect of numbers."""
        if self.dialect["codes-are"] == "texts" or self.dialect["session-ended"] == "code":
            return row
        return row | {"Code": zlib.crc32(row["Code"].encode()) % 1000}

    def figure(self, number: int) -> int | str:
        """Return a count as this dialect writes it."""
        return number if self.dialect["figures-are"] == "numbers" else str(number)

    # Deferred work

    def do_at(self, due: float, action: Callable[[], None]) -> None:
        """Do something at its time, at once if that has come; `due` is on the monotonic clock."""
        self._jobs.append(Job(due, action))
        self._catch_up()

    def hurry(self) -> None:
        """Do at once all that is deferred, as if its time had come."""
        self._catch_up(math.inf)

    def _catch_up(self, now: float | None = None) -> None:
        """Do what is due by now. It is called before every read, so that nobody sees that it was not done before."""
        now = time.monotonic() if now is None else now
        due = sorted(job for job in self._jobs if job.due <= now)
        self._jobs = [job for job in self._jobs if job.due > now]
        for job in due:
            job.action()

    # Signing in and out

    @operation("POST", "/auth/sys/signin", public=True)
    def sign_in(self, call: Call) -> Any:
        """Hand out a token for credentials in the body."""
        check_length(call)
        body = body_of(call)
        return self._sign_in(call, body.get("organization"), body.get("user"), body.get("password"))

    @operation("POST", "/auth/sys/login/{Organization}/{User}/{Password}", public=True)
    def log_in(self, call: Call) -> Any:
        """Hand out a token for credentials in the path, the old form; it needs no body."""
        return self._sign_in(call, *call.path.values())

    def _sign_in(self, call: Call, *credentials: Any) -> Any:
        sent = [str(each) for each in (*credentials, call.headers.get("x-apikey", "").lower())]
        expected = [ORGANIZATION, USER, PASSWORD, API_KEY]
        if not hmac.compare_digest(json.dumps(sent).encode(), json.dumps(expected).encode()):
            raise refused(BAD_LOGIN, "Organization, user, password or API key is wrong.")
        token = str(uuid.uuid4())
        self._tokens.add(token, self.expires_in, opens=True)
        return {"ExpiresIn": self.expires_in, "APIEndpoint": f"{self.url}/", "Token": token}

    @operation("POST", "/auth/sys/logoff/{Token}")
    def log_off(self, call: Call) -> Response:
        """End a token; the vendor answers nothing at all."""
        self._tokens.remove(call.path["Token"].lower())
        return Response()


def check_length(call: Call) -> None:
    """Refuse a POST without a body, as some of the vendor's servers do."""
    if call.request.method == "POST" and not call.content:
        raise RefusedError(NO_LENGTH, "Length Required")


def body_of(call: Call) -> dict[str, Any]:
    """
    Return the JSON object in the body, with its names in lower case.

    Raises:
        RefusedError: there is none, or it holds what no answer could repeat: NaN, half a surrogate pair.
    """
    body = call.document(lambda why: bad_request(f"The body {why}."))
    try:
        json.dumps(body, allow_nan=False)
    except ValueError:
        raise bad_request("The body is not JSON.") from None
    return folded(body)


def part_of(body: dict[str, Any], name: str) -> dict[str, Any]:
    """Return an object in a body, with its names in lower case; an empty one where there is none."""
    part = body.get(name.lower())
    return folded(part) if isinstance(part, dict) else {}


def whole(body: dict[str, Any], name: str, default: int | None = None) -> int:
    """Return a whole number, 0 or more, or the default; one in a string counts too."""
    value = body.get(name.lower())
    if value is None and default is not None:
        return default
    if isinstance(value, str) and re.fullmatch("[0-9]{1,10}", value):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**31:
        raise bad_request(f"{name} must be a whole number.")
    return value


def texts(body: dict[str, Any], name: str) -> list[str]:
    """Return a list of strings; an empty one where there is none."""
    values = body.get(name.lower()) or []
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise bad_request(f"{name} must be a list of strings.")
    return values
