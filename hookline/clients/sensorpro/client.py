"""Sensorpro's operations, log-in and errors. Reads are POSTs too, and the body, not the status, means success."""

import re
from collections.abc import Mapping
from typing import Any, ClassVar, Literal, Self, Unpack
from urllib.parse import quote

import httpx
from pydantic import SecretStr, ValidationError

from hookline.clients.answers import loose_json, start_of
from hookline.clients.auth import Exchange, Session, SessionAuth, sendable
from hookline.clients.errors import (
    NotAuthenticated,
    RateLimited,
    Refused,
    Unavailable,
    UnexpectedAnswer,
    kind_of,
)
from hookline.clients.models import NoInput
from hookline.clients.operation import Operation, is_one_segment, post, put
from hookline.clients.sensorpro import models
from hookline.clients.transport import Options, VendorClient
from hookline.shipped.sensorpro import SensorproSettings

_TOKEN_PLACE = b"/%7BToken%7D"
_VENDOR_HOSTS = ".sensorpro.net"
_MARGIN = 60.0  # seconds before its end at which a token is renewed
_ABOUT_THE_SESSION = re.compile(
    r"(?i)\b(invalid|expired|unknown)\s+((access|session|security|api)\s+)?(token|session)\b"
    r"|\b(token|session)\s+((is|has|was)\s+)?(not valid|invalid|expired|ended|unknown|timed out|not recogni[sz]ed)\b"
    r"|\bnot (logged|signed) (in|on)\b"
)
_PERHAPS_ABOUT_IT = re.compile(
    r"(?i)\b(token|session)\b|\b(not|un) ?authori[sz]ed\b|\bauthori[sz]ation\b|\bauthenticat(ed|ion)\b"
    r"|\baccess (is )?denied\b|\b(log|sign) ?(in|on)\b"
)
"""Words that a missing right would have too: worth one new sign-in, as what was refused was not done."""


class SensorproClient(VendorClient):
    """Sensorpro by an API user; the token of its session is the last part of every address."""

    vendor: ClassVar[str] = "sensorpro"
    reference: ClassVar[str] = "Sensorpro API"

    # fmt: off
    # Signing in: https://sensorpro.net/api/
    sign_in = post("/auth/sys/signin", models.SignIn, models.SignedIn,
        "Open a session.", repeat="safe", trust="public", session="opens")
    log_in = post("/auth/sys/login/{Organization}/{User}/{Password}", models.SignInByPath, models.SignedIn,
        "Open a session by the old form, which shows the password in the address.", repeat="safe",
        session="opens")
    log_off = post("/auth/sys/logoff/{Token}", NoInput, type(None),
        "End the session.", repeat="safe", session="ends")

    # Contacts: https://sensorpro.net/api/contacts.html
    upsert_contacts = post("/api/Contact/UpdateAdd/{Token}", models.UpsertContacts, models.Done,
        "Update contacts by their address and add those that are new.", repeat="safe", trust="public")
    add_contacts = post("/api/Contact/Add/{Token}", models.AddContacts, models.Done,
        "Add contacts that are new; one that exists is an error of its row.", repeat="readback", trust="public")
    update_contacts = put("/api/Contact/Update/{Token}", models.UpdateContacts, models.Done,
        "Update contacts by their address.", repeat="safe", trust="public")
    get_contacts = post("/api/Contact/GetContacts/{Token}", models.GetContacts, models.Contacts,
        "Read contacts.", repeat="safe", trust="public")
    get_contacts_paged = post("/api/Contact/GetContactsPaged/{Token}", models.GetContactsPaged,
        models.ContactsPage, "Read a page of contacts.", repeat="safe", trust="public")
    change_opt_out_status = put("/api/Contact/ChangeOptOutStatus/{Token}", models.ChangeOptOutStatus,
        models.Done, "Set whether a contact has opted out of mails.", repeat="safe", trust="public")
    forget_contact = post("/api/Contact/ForgetMe/{Token}", models.ForgetContact, models.Done,
        "Erase a contact for good.", repeat="readback", trust="public")

    # Mail and campaigns: https://sensorpro.net/api/campaigns.html
    trigger_email = post("/api/Campaign/TriggerEmail/{Token}", models.TriggerEmail, models.Done,
        "Send a stored broadcast to one contact; a repeat sends it again.", repeat="never", trust="public")
    send_email = post("/api/Email/SendEmail/{Token}", models.SendEmail, models.Done,
        "Send a mail; a repeat sends it again.", repeat="never", trust="public")
    add_broadcast = post("/api/Campaign/AddBroadcast/{Token}", models.AddBroadcast, models.Broadcast,
        "Send a stored design to everybody in a segment; a repeat sends it again.", repeat="never",
        trust="public")
    get_broadcast_status = post("/api/Campaign/GetBroadcastStatus/{Token}", models.GetBroadcastStatus,
        models.BroadcastStatus, "Read the status of a broadcast.", repeat="safe", trust="public")
    get_campaign_results = post("/api/Campaign/GetCampaignResults/{Token}", models.OneCampaign,
        models.CampaignResults, "Count how often the mails of a campaign were opened, clicked and returned.",
        repeat="safe", trust="public")
    get_campaign_result_links = post("/api/Campaign/GetCampaignResultsLinks/{Token}", models.OneCampaign,
        models.CampaignLinks, "Count how often each link of a campaign was clicked.", repeat="safe",
        trust="public")

    # Imports: https://sensorpro.net/api/imports.html
    execute_ftp_import = post("/api/import/ExecuteFTPImport/{Token}", models.ExecuteFTPImport,
        models.StartedImport, "Import contacts from a CSV file on an FTP or SFTP site; a repeat imports again.",
        repeat="never", trust="public")
    get_import_status = post("/api/import/GetImportStatus/{Token}", models.OneImport, models.ImportStatus,
        "Read the status of an import.", repeat="safe", trust="public")
    # fmt: on

    @classmethod
    def connect(cls, account: SensorproSettings, **options: Unpack[Options]) -> Self:
        """Return a client of an account."""
        auth = SensorproUser(
            account.organization,
            account.user,
            account.password,
            account.api_key,
            account.sign_in,
            account.session_ended,
        )
        return cls(account.base_url, auth, **options)

    @classmethod
    def decode(cls, operation: Operation[..., Any], response: httpx.Response) -> Any:
        """Return the JSON of a good answer: one with a good status and a `Result` without errors."""
        value = loose_json(response)
        result = result_of(value)
        if result is not None and result.TotalErrors:
            raise _failure(operation, response, result)
        if not response.is_success:
            raise operation.error(kind_of(response.status_code), response, start_of(response))
        if operation.answer is type(None) and not response.content.strip():
            return None
        if result is None:
            raise operation.error(UnexpectedAnswer, response, f"no Result in: {start_of(response)}")
        return None if operation.answer is type(None) else value


class SensorproUser(SessionAuth):
    """
    An API user and the organization's API key; `form` chooses the way to sign in.

    Args:
        ended: the text or code of the error by which this account says that a session has ended, beside those known.
    """

    fresh_is_alive: ClassVar[bool] = True

    def __init__(
        self,
        organization: str,
        user: str,
        password: SecretStr,
        api_key: SecretStr,
        form: Literal["sign_in", "log_in"] = "sign_in",
        ended: str | None = None,
    ) -> None:
        self.organization = organization
        self.user = user
        self.password = password
        self.api_key = sendable("Sensorpro API key", api_key)
        self.form = form
        self.ended = ended

    def prepare_login(self, request: httpx.Request) -> httpx.Request:
        """Return the sign-in with the organization's key."""
        request.headers["x-apikey"] = self.api_key.get_secret_value()
        return request

    def login_request(self, base_url: str) -> httpx.Request:
        """Return the sign-in; by default the password is in the body, so that no server's log holds it."""
        operation = SensorproClient.sign_in if self.form == "sign_in" else SensorproClient.log_in
        account = {"Organization": self.organization, "User": self.user, "Password": self.password}
        return operation.build(base_url, operation.input(**account))

    def open_session(self, base_url: str, answer: httpx.Response, session: Session) -> None:
        """Use the token as long as it lasts, at the address for later calls if that is trusted."""
        login = SensorproClient.sign_in.read(answer)
        token = login.Token.get_secret_value()
        if not is_one_segment(token):
            raise SensorproClient.sign_in.error(
                UnexpectedAnswer, answer, "the token cannot stand in an address"
            )
        trusted = is_trusted_endpoint(login.APIEndpoint, base_url)
        session.open(
            token,
            seconds=max(login.ExpiresIn - _MARGIN, login.ExpiresIn / 2),
            base_url=login.APIEndpoint.rstrip("/") if trusted else base_url,
        )

    def authenticate(self, request: httpx.Request, session: Session) -> httpx.Request:
        """Return a copy of the request with the token at the end of its address."""
        exchange = Exchange.of(request)
        base_url = exchange.base_url if exchange else session.base_url
        path = str(request.url)[len(base_url) :].encode().removesuffix(_TOKEN_PLACE).decode()
        url = f"{session.base_url}{path}/{quote(session.token, safe='')}"
        headers = [(name, value) for name, value in request.headers.items() if name != "host"]
        return httpx.Request(
            request.method, url, headers=headers, content=request.content, extensions=request.extensions
        )

    def session_ended(self, answer: httpx.Response) -> bool:
        """Return True for a 401, or a body with one error that may be about the token; a fault may have mailed."""
        if httpx.codes.is_server_error(answer.status_code):
            return False
        if answer.status_code == httpx.codes.UNAUTHORIZED:
            return True
        result = result_of(loose_json(answer))
        if result is None or len(result.ErrorMessages) != 1:
            return False
        [row] = result.ErrorMessages
        messages = {row.Description.casefold(), row.Code.casefold()}
        return bool(ending(row)) or (self.ended or "\0").casefold() in messages


def is_trusted_endpoint(endpoint: str, base_url: str) -> bool:
    """
    Return True if later calls, which carry the token, may go to the address in the sign-in's answer.

    It must be the address of the sign-in itself or, if both are https, a host of the vendor.
    """
    try:
        there, here = httpx.URL(endpoint), httpx.URL(base_url)
    except (httpx.InvalidURL, ValueError, TypeError):
        return False
    if there.userinfo or there.query or there.fragment:
        return False
    if (there.scheme, there.host, there.port) == (here.scheme, here.host, here.port):
        return True
    return (
        there.scheme == here.scheme == "https" and there.port is None and there.host.endswith(_VENDOR_HOSTS)
    )


def result_of(value: Any) -> models.Outcome | None:
    """Return the `Result` in an answer; None if it has none."""
    if not isinstance(value, Mapping):
        return None
    result = next((part for name, part in value.items() if name.lower() == "result"), None)
    if not isinstance(result, Mapping) or "totalerrors" not in {name.lower() for name in result}:
        return None
    try:
        return models.Outcome.model_validate(result)
    except ValidationError:
        return None


def ending(row: models.ResultRow) -> Literal["token", "rights", ""]:
    """Return what an error is about: the token or session, the caller's rights (as it may be worded), or neither."""
    words = re.sub(
        r"_|(?<=[a-z])(?=[A-Z])", " ", f"{row.Description} {row.Code}"
    )  # TOKEN_INVALID, TokenInvalid
    if _ABOUT_THE_SESSION.search(words):
        return "token"
    return "rights" if _PERHAPS_ABOUT_IT.search(words) else ""


def _failure(operation: Operation[..., Any], response: httpx.Response, result: models.Outcome) -> Exception:
    rows = [row.model_dump(include={"Sequence", "Description", "Code"}) for row in result.ErrorMessages]
    texts = [f"{row['Description']} {row['Code']}".strip() for row in rows]
    detail = "; ".join(texts) or f"{result.TotalErrors} errors"
    request_id = result.RequestId or None
    kind = Refused if response.is_success else kind_of(response.status_code)
    about_the_session = len(result.ErrorMessages) == 1 and ending(result.ErrorMessages[0]) == "token"
    about_the_session = about_the_session and not httpx.codes.is_server_error(response.status_code)
    says_no = operation.session == "opens" and kind not in (Unavailable, RateLimited)
    if says_no or about_the_session:
        kind = NotAuthenticated
    if kind is Refused:
        return operation.error(Refused, response, detail, rows=rows, request_id=request_id)
    return operation.error(kind, response, detail, request_id=request_id)
