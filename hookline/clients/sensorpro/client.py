"""Sensorpro: contacts and mails. Reads are POSTs too, and success is told by the body, not by the status."""

import re
from collections.abc import Mapping
from typing import Any, ClassVar, Literal
from urllib.parse import quote

import httpx
from pydantic import SecretStr, ValidationError

from hookline.clients.answers import loose_json, start_of
from hookline.clients.auth import Exchange, Session, SessionAuth, sendable
from hookline.clients.errors import NotAuthenticated, Refused, UnexpectedAnswer, kind_of
from hookline.clients.models import NoInput
from hookline.clients.operation import Operation, is_one_segment, post, put
from hookline.clients.sensorpro.models import (
    AddBroadcast,
    AddContacts,
    Broadcast,
    BroadcastStatus,
    CampaignLinks,
    CampaignResults,
    ChangeOptOutStatus,
    Contacts,
    ContactsPage,
    Done,
    ExecuteFTPImport,
    ForgetContact,
    GetBroadcastStatus,
    GetContacts,
    GetContactsPaged,
    ImportStatus,
    OneCampaign,
    OneImport,
    Outcome,
    SendEmail,
    SignedIn,
    SignIn,
    SignInByPath,
    StartedImport,
    TriggerEmail,
    UpdateContacts,
    UpsertContacts,
)
from hookline.clients.transport import VendorClient

_TOKEN_PLACE = b"/%7BToken%7D"
_VENDOR_HOSTS = ".sensorpro.net"
_MARGIN = 60.0  # seconds before its end at which a token is renewed
_SESSION_ENDED = re.compile(
    r"(?i)\b(invalid|expired|unknown)\s+((access|session|security|api)\s+)?(token|session)\b"
    r"|\b(token|session)\s+((is|has|was)\s+)?(not valid|invalid|expired|unknown|not recogni[sz]ed)\b"
    r"|\bnot (logged|signed) (in|on)\b"
)


class SensorproClient(VendorClient):
    """Sensorpro by an API user; the token of its session is the last part of every address."""

    vendor: ClassVar[str] = "sensorpro"
    reference: ClassVar[str] = "Sensorpro API"

    # fmt: off
    # Signing in: https://sensorpro.net/api/
    sign_in = post("/auth/sys/signin", SignIn, SignedIn,
        "Open a session.", repeat="safe", trust="public", session="opens")
    log_in = post("/auth/sys/login/{Organization}/{User}/{Password}", SignInByPath, SignedIn,
        "Open a session by the old form, which shows the password in the address.",
        repeat="safe", session="opens")
    log_off = post("/auth/sys/logoff/{Token}", NoInput, type(None),
        "End the session.", repeat="safe", session="ends")

    # Contacts: https://sensorpro.net/api/contacts.html
    upsert_contacts = post("/api/Contact/UpdateAdd/{Token}", UpsertContacts, Done,
        "Update contacts by their address and add those that are new.", repeat="safe", trust="public")
    add_contacts = post("/api/Contact/Add/{Token}", AddContacts, Done,
        "Add contacts that are new; one that exists is an error of its row.",
        repeat="look", trust="public", assumed="the inputs are those of UpdateAdd")
    update_contacts = put("/api/Contact/Update/{Token}", UpdateContacts, Done,
        "Update contacts by their address.",
        repeat="safe", trust="public", assumed="the inputs are those of UpdateAdd")
    get_contacts = post("/api/Contact/GetContacts/{Token}", GetContacts, Contacts,
        "Read contacts.", repeat="safe", trust="public", assumed="inputs and answer")
    get_contacts_paged = post("/api/Contact/GetContactsPaged/{Token}", GetContactsPaged, ContactsPage,
        "Read a page of contacts.", repeat="safe", trust="public", assumed="the verb, inputs and answer")
    change_opt_out_status = put("/api/Contact/ChangeOptOutStatus/{Token}", ChangeOptOutStatus, Done,
        "Set whether a contact takes mails no more.", repeat="safe", trust="public", assumed="the inputs")
    forget_contact = post("/api/Contact/ForgetMe/{Token}", ForgetContact, Done,
        "Erase a contact for good.", repeat="look", trust="public", assumed="the verb and inputs")

    # Mail and campaigns: https://sensorpro.net/api/campaigns.html
    trigger_email = post("/api/Campaign/TriggerEmail/{Token}", TriggerEmail, Done,
        "Send a stored broadcast to one contact; a repeat sends it again.", repeat="never", trust="public")
    send_email = post("/api/Email/SendEmail/{Token}", SendEmail, Done,
        "Send a mail; a repeat sends it again.", repeat="never", trust="public")
    add_broadcast = post("/api/Campaign/AddBroadcast/{Token}", AddBroadcast, Broadcast,
        "Send a stored design to everybody in a segment; a repeat sends it again.",
        repeat="never", trust="public", assumed="the verb, inputs and answer")
    get_broadcast_status = post(
        "/api/Campaign/GetBroadcastStatus/{Token}", GetBroadcastStatus, BroadcastStatus,
        "Tell what became of a broadcast.", repeat="safe", trust="public", assumed="inputs and answer")
    get_campaign_results = post(
        "/api/Campaign/GetCampaignResults/{Token}", OneCampaign, CampaignResults,
        "Tell how often the mails of a campaign were opened, clicked and returned.",
        repeat="safe", trust="public", assumed="the answer's fields")
    get_campaign_result_links = post(
        "/api/Campaign/GetCampaignResultsLinks/{Token}", OneCampaign, CampaignLinks,
        "Tell how often each link of a campaign was clicked.",
        repeat="safe", trust="public", assumed="the answer's fields")

    # Imports: https://sensorpro.net/api/imports.html
    execute_ftp_import = post("/api/import/ExecuteFTPImport/{Token}", ExecuteFTPImport, StartedImport,
        "Import contacts from a CSV file on an FTP or SFTP site; a repeat imports again.",
        repeat="never", trust="public", assumed="how the definition is nested")
    get_import_status = post("/api/import/GetImportStatus/{Token}", OneImport, ImportStatus,
        "Tell how far an import is.", repeat="safe", trust="public", assumed="the answer's fields")
    # fmt: on

    @classmethod
    def decode(cls, operation: Operation[..., Any], response: httpx.Response) -> Any:
        """The JSON of a good answer: a good status, and a `Result` without errors."""
        value = loose_json(response)
        result = _result(value)
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
    """An API user and the organization's API key; `form` chooses the way to sign in."""

    def __init__(
        self,
        organization: str,
        user: str,
        password: SecretStr,
        api_key: SecretStr,
        form: Literal["sign_in", "log_in"] = "sign_in",
    ) -> None:
        self.organization = organization
        self.user = user
        self.password = password
        self.api_key = sendable("Sensorpro API key", api_key)
        self.form = form

    def introduced(self, request: httpx.Request) -> httpx.Request:
        """A sign-in carries the organization's key as well."""
        request.headers["x-apikey"] = self.api_key.get_secret_value()
        return request

    def log_in(self, base_url: str) -> httpx.Request:
        """By default in a body, so that the password stands in no server's log."""
        operation = SensorproClient.sign_in if self.form == "sign_in" else SensorproClient.log_in
        given = {"Organization": self.organization, "User": self.user, "Password": self.password}
        return operation.build(base_url, operation.input(**given))

    def opened(self, base_url: str, answer: httpx.Response, session: Session) -> None:
        """The token, its life, and the address for later calls if it may be trusted with the token."""
        signed_in = SensorproClient.sign_in.read(answer)
        token = signed_in.Token.get_secret_value()
        if not is_one_segment(token):
            raise SensorproClient.sign_in.error(
                UnexpectedAnswer, answer, "the token cannot stand in an address"
            )
        trusted = may_hold_the_token(signed_in.APIEndpoint, base_url)
        session.open(
            token,
            seconds=max(signed_in.ExpiresIn - _MARGIN, signed_in.ExpiresIn / 2),
            base_url=signed_in.APIEndpoint.rstrip("/") if trusted else base_url,
        )

    def signed(self, request: httpx.Request, session: Session) -> httpx.Request:
        """A copy with the token at the end of its address."""
        given = Exchange.of(request)
        base_url = given.base_url if given else session.base_url
        path = str(request.url)[len(base_url) :].encode().removesuffix(_TOKEN_PLACE).decode()
        url = f"{session.base_url}{path}/{quote(session.token, safe='')}"
        headers = [(name, value) for name, value in request.headers.items() if name != "host"]
        return httpx.Request(
            request.method, url, headers=headers, content=request.content, extensions=request.extensions
        )

    def ended(self, answer: httpx.Response) -> bool:
        """A 401, or a body with one error, about the token."""
        if answer.status_code == httpx.codes.UNAUTHORIZED:
            return True
        result = _result(loose_json(answer))
        return result is not None and _is_about_the_session(result)


def may_hold_the_token(endpoint: str, base_url: str) -> bool:
    """
    Whether later calls, which carry the token, may go where the sign-in's answer says.

    The very place we signed in at; or, from one https address to another, a host of the vendor.
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


def _result(value: Any) -> Outcome | None:
    if not isinstance(value, Mapping):
        return None
    found = next((part for name, part in value.items() if name.lower() == "result"), None)
    if not isinstance(found, Mapping) or "totalerrors" not in {name.lower() for name in found}:
        return None
    try:
        return Outcome.model_validate(found)
    except ValidationError:
        return None


def _is_about_the_session(result: Outcome) -> bool:
    return len(result.ErrorMessages) == 1 and bool(_SESSION_ENDED.search(result.ErrorMessages[0].Description))


def _failure(operation: Operation[..., Any], response: httpx.Response, result: Outcome) -> Exception:
    rows = [row.model_dump(include={"Sequence", "Description", "Code"}) for row in result.ErrorMessages]
    said = [f"{row['Description']} {row['Code']}".strip() for row in rows]
    detail = "; ".join(said) or f"{result.TotalErrors} errors"
    request_id = result.RequestId or None
    if operation.session == "opens" or _is_about_the_session(result):
        return operation.error(NotAuthenticated, response, detail, request_id=request_id)
    if response.is_success:
        return operation.error(Refused, response, detail, rows=rows, request_id=request_id)
    return operation.error(kind_of(response.status_code), response, detail, request_id=request_id)
