"""JetAdvice's operations, log-in and errors: printers with meters and supplies, their customers, and reports."""

import base64
import re
from collections.abc import Mapping
from typing import Any, ClassVar, Final, Literal, Self, Unpack, get_origin

import httpx
from pydantic import SecretStr

from hookline.clients.answers import MAX_QUOTE, json_value
from hookline.clients.auth import Session, SessionAuth
from hookline.clients.errors import NotAllowed, NotAuthenticated, UnexpectedAnswer, VendorError, kind_of
from hookline.clients.jetadvice import models
from hookline.clients.models import NoInput
from hookline.clients.operation import Operation, get, post, put
from hookline.clients.transport import Options, VendorClient
from hookline.errors import ConfigurationError
from hookline.shipped.jetadvice import JetadviceSettings
from hookline.text import storable

IDLE: Final = 540.0  # seconds without a call after which we log in again; JetAdvice waits about 600
_SLOW = ("idna", "punycode")
"""Encodings of names: a text in them takes time by the square of its length."""
_TOKEN_NAMES = ("token", "authkey", "key")
_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]+=*")


class JetadviceClient(VendorClient):
    """JetAdvice by a user of JetAdvice Manager (`JetadviceUser`); lists have no pages."""

    vendor: ClassVar[str] = "jetadvice"
    reference: ClassVar[str] = "JetAdvice API v2"

    # fmt: off
    # Session: https://api2.jetadvice.com/docs/use-cases/login.html
    login = get("/login", NoInput, models.LoggedIn,
        "Open a session for the client's user.", repeat="safe", session="opens")

    # Customers, their levels and users
    list_customers = get("/customers", NoInput, list[models.Customer],
        "Read every customer that the user may see.", repeat="safe")
    create_customer = post("/customers", models.NewCustomer, models.Customer,
        "Create a customer; a repeat creates another.", repeat="readback")
    update_customer = put("/customers/{id}", models.ChangedCustomer, models.Customer,
        "Change a customer; fields that are absent may be cleared.", repeat="safe")
    list_levels = get("/levels", models.Scope, list[models.Level],
        "Read the levels, of one customer or of all.", repeat="safe")
    create_level = post("/levels", models.NewLevel, models.Level,
        "Create a level; a repeat creates another.", repeat="readback")
    update_level = put("/levels/{id}", models.ChangedLevel, models.Level,
        "Change a level; fields that are absent may be cleared.", repeat="safe")
    list_users = get("/users", models.Scope, list[models.User],
        "Read the users, of one customer or of all.", repeat="safe")
    create_user = post("/users", models.NewUser, models.User,
        "Create a user; a repeat creates another.", repeat="readback")
    update_user = put("/users/{id}", models.ChangedUser, models.User,
        "Change a user; fields that are absent may be cleared.", repeat="safe")

    # Devices, tags, views
    list_devices = get("/devices", models.Scope, list[models.Device],
        "Read the devices with meters, supplies and alerts, of one customer or of all.", repeat="safe")
    update_device = put("/devices/{id}", models.ChangedDevice, models.Device,
        "Change a device; fields that are absent may be cleared.", repeat="safe")
    list_tags = get("/tags", NoInput, list[models.Tag],
        "Read every tag.", repeat="safe")
    create_tag = post("/tags", models.NewTag, models.Tag,
        "Create a tag; a repeat creates another.", repeat="readback")
    list_views = get("/views", NoInput, list[models.View],
        "Read every saved view.", repeat="safe")

    # Reports: https://api2.jetadvice.com/docs/use-cases/run-report.html
    list_reports = get("/reports", models.Scope, list[models.Report],
        "Read the reports, of one customer or of all.", repeat="safe")
    create_report = post("/reports", models.NewReport, models.Report,
        "Create a report; a repeat creates another.", repeat="readback")
    request_report_run = get("/reports/RunRequest", models.RequestReportRun, models.RequestedReportRun,
        "Start a run of a report; though it is a GET, a repeat starts another run.", repeat="readback",
        trust="public")
    get_report_run = get("/reports/RunResult", models.GetReportRun, models.ReportRun,
        "Read the state of a report run, and its files once it is done.", repeat="safe", trust="public")
    get_report_file = get("/reports/RunResultFile", models.GetReportFile, str,
        "Read a whole file of a report run, as text.", repeat="safe", trust="public", max_bytes=50 * 2**20)

    # Data collectors, and the API's own description
    list_data_collectors = get("/datacollectors", models.Scope, list[models.DataCollector],
        "Read the agents that collect from devices, of one customer or of all.", repeat="safe")
    list_data_collector_ranges = get("/datacollectorranges", models.Scope, list[models.DataCollectorRange],
        "Read the network ranges that data collectors search, of one customer or of all.", repeat="safe")
    get_documentation = get("/doc", NoInput, str,
        "Read the API's description of itself, a page for people.", repeat="safe")
    # fmt: on

    @classmethod
    def connect(cls, account: JetadviceSettings, **options: Unpack[Options]) -> Self:
        """Return a client of an account."""
        return cls(
            account.base_url, JetadviceUser(account.username, account.password, account.login), **options
        )

    @classmethod
    def decode(cls, operation: Operation[..., Any], response: httpx.Response) -> Any:
        """Return the JSON of a good answer, or its text where the answer is a text; failures are plain text."""
        if not response.is_success:
            raise _failure(operation, response)
        if operation.session == "opens":
            return {"token": _token(operation, response)}
        if operation.answer is str:
            return _text(response)
        lists = get_origin(operation.answer) is list
        if lists and not response.content.strip():
            return []
        try:
            value = json_value(response)
        except ValueError:
            raise operation.error(UnexpectedAnswer, response, _start(response)) from None
        return _rows(value) if lists else value


class JetadviceUser(SessionAuth):
    """
    A user of JetAdvice Manager with the API role. 403 is both a dead token and a missing privilege.

    Args:
        form: where the log-in has user and password: in a header (`basic`), or in the address (`query`).
    """

    fresh_is_alive: ClassVar[bool] = True

    def __init__(self, username: str, password: SecretStr, form: Literal["basic", "query"] = "basic") -> None:
        if not username or ":" in username:
            raise ConfigurationError("The JetAdvice user name is empty or holds a colon. Set it again.")
        self.username = username
        self.password = password
        self.form = form

    def secrets(self, base_url: str) -> list[str]:
        """Return every value that must not be shown, also the encoded password."""
        return [*super().secrets(base_url), self._credentials()]

    def prepare_login(self, request: httpx.Request) -> httpx.Request:
        """Return the log-in with user and password: in a header, so that no address holds them, if that will do."""
        if self.form == "basic":
            request.headers["Authorization"] = f"Basic {self._credentials()}"
        else:
            account = {"username": self.username, "password": self.password.get_secret_value()}
            request.url = request.url.copy_merge_params(account)
        return request

    def login_request(self, base_url: str) -> httpx.Request:
        """Return the log-in that `prepare_login` completes."""
        return JetadviceClient.login.request(base_url)

    def open_session(self, _base_url: str, answer: httpx.Response, session: Session) -> None:
        """Open a session that each answered call prolongs, to be renewed a minute before its end."""
        token = JetadviceClient.login.read(answer).token.get_secret_value()
        session.open(token, seconds=IDLE, sliding=True)

    def authenticate(self, request: httpx.Request, session: Session) -> httpx.Request:
        """Return the request with the token in its header, whose name JetAdvice reads by its exact case."""
        request.headers["X-AuthKey"] = session.token
        return request

    def session_ended(self, answer: httpx.Response) -> bool:
        """Return True for a 403: a dead token or a missing privilege, and nothing was done."""
        return answer.status_code == httpx.codes.FORBIDDEN

    def _credentials(self) -> str:
        return base64.b64encode(f"{self.username}:{self.password.get_secret_value()}".encode()).decode()


def _failure(operation: Operation[..., Any], response: httpx.Response) -> VendorError:
    kind = kind_of(response.status_code)
    if operation.session == "opens" and kind is NotAllowed:
        kind = NotAuthenticated
    return operation.error(kind, response, _start(response))


def _token(operation: Operation[..., Any], response: httpx.Response) -> str:
    """
    Return the token: a JSON text, a bare text, or a part of an object.

    Another answer is not quoted in the error: it may hold the token.
    """
    try:
        value = json_value(response)
    except ValueError:
        value = _text(response).strip()
    if isinstance(value, Mapping):
        parts = {name.lower(): part for name, part in value.items()}
        value = next((parts[name] for name in _TOKEN_NAMES if name in parts), None)
    if not (isinstance(value, str) and _TOKEN.fullmatch(value)):
        raise operation.error(UnexpectedAnswer, response, "it holds no token")
    return value


def _rows(value: Any) -> Any:
    """Return the rows of a list that comes by itself, or in an object with counts alone; none for null."""
    if isinstance(value, Mapping):
        lists = [part for part in value.values() if isinstance(part, list)]
        others = [part for part in value.values() if not isinstance(part, list)]
        only_counts = all(part is None or isinstance(part, int) for part in others)
        return lists[0] if len(lists) == 1 and only_counts else value
    return [] if value is None else value


def _start(response: httpx.Response) -> str:
    return _text(response)[:MAX_QUOTE]


def _text(response: httpx.Response) -> str:
    """Return the body as text, in the encoding that the vendor names, else UTF-8."""
    charset = (response.charset_encoding or "utf-8").lower()
    try:
        text = response.content.decode("utf-8" if charset in _SLOW else charset, "replace")
    except (LookupError, ValueError):  # an encoding that does not exist, or is none of text
        text = response.content.decode("utf-8", "replace")
    return storable(text.removeprefix("\ufeff"))
