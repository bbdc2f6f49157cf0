"""
Any service with JSON over HTTP: how its answers are read, and how its callers usually log in.

The base of the clients that `hookline new vendor` writes.
"""

import base64
from collections.abc import AsyncGenerator, Mapping
from typing import Any, ClassVar, Final
from urllib.parse import quote

import httpx
from pydantic import Field, SecretStr

from hookline.clients.answers import json_value, loose_json, start_of
from hookline.clients.auth import HeaderKey, Session, SessionAuth, VendorAuth, is_sendable, sendable
from hookline.clients.errors import NotAuthenticated, Refused, UnexpectedAnswer, VendorError, kind_of
from hookline.clients.models import Answer
from hookline.clients.operation import HEADERS, Operation
from hookline.clients.transport import VendorClient, checked_address
from hookline.errors import ConfigurationError

MARGIN: Final = 60.0  # seconds before its end at which a token is renewed
HOUR: Final = 3600.0
_SENTENCES: Final = (
    "error",
    "error_description",
    "title",
    "message",
    "detail",
    "Message",
    "Detail",
    "reason",
)
_ROWS: Final = ("errors", "Elements", "fieldErrors")
_WRONG_CLIENT: Final = ("invalid_client", "unauthorized_client", "invalid_grant")


class RestClient(VendorClient):
    """A client of a service that answers JSON, and an error by its status and a sentence."""

    @classmethod
    def decode(cls, operation: Operation[..., Any], response: httpx.Response) -> Any:
        """Return the JSON of a good answer; an operation that answers nothing is not read."""
        if not response.is_success:
            raise _failure(operation, response)
        if operation.answer is type(None):
            return None
        try:
            return json_value(response)
        except ValueError:
            quoted = "" if operation.session == "opens" else start_of(response)
            raise operation.error(UnexpectedAnswer, response, quoted) from None


class NoLogin(VendorAuth):
    """No credentials."""


class WithHeaders(VendorAuth):
    """
    Credentials with headers that every call needs, such as the id of a tenant.

    Args:
        login: the credentials.
        headers: by name; one that is None is not sent, and one that is a secret is masked.
    """

    def __init__(self, login: VendorAuth, headers: Mapping[str, str | SecretStr | None]) -> None:
        self.login = login
        self.masked = [each.get_secret_value() for each in headers.values() if isinstance(each, SecretStr)]
        self.headers = {
            name: value.get_secret_value() if isinstance(value, SecretStr) else value
            for name, value in headers.items()
            if value is not None
        }
        if wrong := [name for name, value in self.headers.items() if not is_sendable(value)]:
            raise ConfigurationError(f"The header {wrong[0]} is empty or cannot be sent. Set it again.")

    def stored_secrets(self) -> list[str]:
        """Return the secrets among the credentials themselves."""
        return [*self.masked, *self.login.stored_secrets()]

    def secrets(self, base_url: str) -> list[str]:
        """Return every value that must not be shown."""
        return [*self.masked, *self.login.secrets(base_url)]

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        """Send the request with the headers, as the credentials send it; a log-in between has none of them."""
        request.headers.update(self.headers)
        flow = self.login.async_auth_flow(request)
        sent = await anext(flow)
        while True:
            answer = yield sent
            try:
                sent = await flow.asend(answer)
            except StopAsyncIteration:
                return


class BearerKey(HeaderKey):
    """A key or token that is sent as `Authorization: Bearer …`."""


class BasicUser(HeaderKey):
    """A user with a password, sent as `Authorization: Basic …`."""

    scheme: ClassVar[str] = "Basic"

    def __init__(self, username: str, password: SecretStr) -> None:
        self.username = username
        self.password = password

    def secrets(self, base_url: str) -> list[str]:
        """Return every value that must not be shown."""
        return [*super().secrets(base_url), self.credentials()]

    def credentials(self) -> str:
        """Return the header's text after the scheme."""
        return base64.b64encode(f"{self.username}:{self.password.get_secret_value()}".encode()).decode()


class KeyInHeader(VendorAuth):
    """A key in a header of its own."""

    def __init__(self, name: str, api_key: SecretStr) -> None:
        self.name = name
        self.api_key = api_key
        if not (value := api_key.get_secret_value()).isprintable() or not value.strip():
            raise ConfigurationError("The API key is empty or cannot be sent. Set it again.")

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        """Send the request with the key."""
        request.headers[self.name] = self.api_key.get_secret_value()
        yield request


class KeyInQuery(VendorAuth):
    """A key in the address."""

    def __init__(self, name: str, api_key: SecretStr) -> None:
        self.name = name
        self.api_key = sendable("API key", api_key)

    def secrets(self, base_url: str) -> list[str]:
        """Return every value that must not be shown, also as addresses spell it."""
        return [*super().secrets(base_url), quote(self.api_key.get_secret_value(), safe="")]

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        """Send the request with the key."""
        request.url = request.url.copy_merge_params({self.name: self.api_key.get_secret_value()})
        yield request


class IssuedToken(Answer):
    """A token, and the seconds until it ends; an hour, where the vendor does not say."""

    access_token: SecretStr
    expires_in: float = Field(default=HOUR, ge=0, le=10_000_000)


class ClientCredentials(SessionAuth):
    """
    An application's id and secret, exchanged for tokens (OAuth 2, client credentials).

    Args:
        fetch: the operation that reads the token.
        client_id: its id.
        client_secret: its secret; it goes to the token address only.
        token_url: the address of the token request; a path is one at the API.
        scope: what the token may do, where the vendor wants it said.
    """

    def __init__(
        self,
        fetch: Operation[[], IssuedToken],
        client_id: str,
        client_secret: SecretStr,
        token_url: str,
        scope: str | None = None,
    ) -> None:
        if not (client_id and client_secret.get_secret_value()):
            raise ConfigurationError("The client's id or secret is empty. Set it again.")
        self.fetch = fetch
        self.client_id = client_id
        self.client_secret = client_secret
        self.token_url = token_url if token_url.startswith("/") else checked_address(token_url)
        self.scope = scope or ""

    def prepare_login(self, request: httpx.Request) -> httpx.Request:
        """Return the token request: a form, sent to the address of the tokens."""
        form = {
            "grant_type": "client_credentials",
            "client_id": self.client_id,
            "client_secret": self.client_secret.get_secret_value(),
        }
        form |= {"scope": self.scope} if self.scope else {}
        url = request.url if self.token_url.startswith("/") else httpx.URL(self.token_url)
        return httpx.Request("POST", url, headers=HEADERS, data=form, extensions=request.extensions)

    def login_request(self, base_url: str) -> httpx.Request:
        """Return the token request that `prepare_login` completes."""
        path = self.token_url if self.token_url.startswith("/") else ""
        return httpx.Request("POST", base_url + path, headers=HEADERS)

    def open_session(self, _base_url: str, answer: httpx.Response, session: Session) -> None:
        """Use the token until shortly before it ends."""
        issued = self.fetch.read(answer)
        token = issued.access_token.get_secret_value()
        if not is_sendable(token):
            raise self.fetch.error(UnexpectedAnswer, answer, "the token cannot be sent")
        session.open(token, seconds=max(issued.expires_in - MARGIN, issued.expires_in / 2))

    def authenticate(self, request: httpx.Request, session: Session) -> httpx.Request:
        """Return the request with the token in its header."""
        request.headers["Authorization"] = f"Bearer {session.token}"
        return request

    def session_ended(self, answer: httpx.Response) -> bool:
        """Return True for a 401, which did nothing."""
        return answer.status_code == httpx.codes.UNAUTHORIZED


def _failure(operation: Operation[..., Any], response: httpx.Response) -> VendorError:
    """Return the error of a status, with what the vendor says about it."""
    value = loose_json(response)
    problem = value if isinstance(value, Mapping) else {}
    rows = [row for name in _ROWS for row in _rows(problem.get(name))]
    texts = [str(problem[name]) for name in _SENTENCES if isinstance(problem.get(name), str)]
    texts += [str(row.get("message") or row.get("detail") or row) for row in rows]
    wrong_client = operation.session == "opens" and problem.get("error") in _WRONG_CLIENT
    kind = NotAuthenticated if wrong_client else kind_of(response.status_code)
    facts = {"rows": rows} if kind is Refused else {}
    return operation.error(kind, response, "; ".join(dict.fromkeys(texts)) or start_of(response), **facts)


def _rows(value: Any) -> list[Mapping[str, Any]]:
    return [each for each in value if isinstance(each, Mapping)] if isinstance(value, list) else []
