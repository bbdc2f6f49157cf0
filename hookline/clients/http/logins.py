"""The log-ins of any HTTP API: none, a header, a parameter, tokens of OAuth 2 for a client or by a person."""

import base64
from collections import deque
from collections.abc import AsyncGenerator
from typing import Protocol

import httpx
from pydantic import SecretStr

from hookline.clients.auth import Exchange, Session, SessionAuth, VendorAuth
from hookline.clients.http.oauth2 import MAX_SECONDS, OAuthClient, TokenAddress, Tokens, lasting, tokens_in
from hookline.errors import ConfigurationError


class NoLogin(VendorAuth):
    """An API that anybody may call."""

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        """Send the request as it is."""
        yield request


class HeaderLogin(VendorAuth):
    """A header that opens the API: `Authorization: Bearer …`, a user with a password, or the vendor's own."""

    def __init__(self, name: str, value: SecretStr, secret: SecretStr | None = None) -> None:
        text = value.get_secret_value()
        if not (text and text.isascii() and text.isprintable() and text == text.strip()):
            raise ConfigurationError(
                "The token or key is empty or holds a character that cannot be sent. Set it again."
            )
        self.name, self.value, self.secret = name, value, secret or value

    @classmethod
    def bearer(cls, token: SecretStr) -> "HeaderLogin":
        """Return the log-in by a bearer token."""
        return cls("Authorization", SecretStr(f"Bearer {token.get_secret_value()}"), token)

    @classmethod
    def basic(cls, username: str, password: SecretStr) -> "HeaderLogin":
        """Return the log-in of a user with a password."""
        pair = base64.b64encode(f"{username}:{password.get_secret_value()}".encode()).decode()
        return cls("Authorization", SecretStr(f"Basic {pair}"), password)

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        """Send the request with the header."""
        request.headers[self.name] = self.value.get_secret_value()
        yield request


class QueryLogin(VendorAuth):
    """A parameter of the address that opens the API."""

    def __init__(self, name: str, value: SecretStr) -> None:
        if not value.get_secret_value():
            raise ConfigurationError("The key is empty. Set it again.")
        self.name, self.value = name, value

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        """Send the request with the parameter."""
        request.url = request.url.copy_set_param(self.name, self.value.get_secret_value())
        yield request


class ClientCredentials(SessionAuth):
    """A client's id and secret, traded for tokens that all calls of the process share."""

    def __init__(self, client: OAuthClient) -> None:
        self.client = client
        self.client_secret = client.client_secret  # among `vars`, so that it is masked

    def login_request(self, _base_url: str) -> httpx.Request:
        """Return the token request."""
        return self.client.client_credentials()

    def open_session(self, _base_url: str, answer: httpx.Response, session: Session) -> None:
        """Use the token until shortly before it ends."""
        issued = TokenAddress.fetch_token.read(answer)
        tokens = tokens_in(answer)
        seconds = MAX_SECONDS if issued.expires_in is None else min(issued.expires_in, MAX_SECONDS)
        session.open(tokens.access, seconds=lasting(seconds))

    def authenticate(self, request: httpx.Request, session: Session) -> httpx.Request:
        """Return the request with the token."""
        request.headers["Authorization"] = f"Bearer {session.token}"
        return request

    def session_ended(self, answer: httpx.Response) -> bool:
        """Return True for a 401, which did nothing."""
        return answer.status_code == httpx.codes.UNAUTHORIZED


class Grants(Protocol):
    """The tokens of an account that a person connected, wherever they are stored."""

    async def current(self) -> Tokens:
        """Return tokens that do not end soon; raise a `VendorError` where there are none."""

    async def renewed(self, stale: str) -> Tokens:
        """Return other tokens than those with this access token, which the vendor refused."""


class AuthorizationCode(VendorAuth):
    """Tokens that a person's agreement brought; they are renewed before they end, and once on a 401."""

    def __init__(self, client: OAuthClient, grants: Grants) -> None:
        self.client_secret = client.client_secret
        self.grants = grants
        self._seen: deque[str] = deque(maxlen=16)

    def secrets(self, base_url: str) -> list[str]:
        """Return every value that must not be shown."""
        return [*super().secrets(base_url), *self._seen]

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        """Send with the current token; once more with a new one if the vendor refuses that, and so did nothing."""
        exchange = Exchange.of(request)
        tokens = await self.grants.current()
        for is_last in (False, True):
            self._seen += tokens.secrets()
            request.headers["Authorization"] = f"Bearer {tokens.access}"
            answer = yield request
            if is_last or answer.status_code != httpx.codes.UNAUTHORIZED:
                return
            await answer.aread()
            if exchange is not None:
                exchange.sending = False
            tokens = await self.grants.renewed(tokens.access)
