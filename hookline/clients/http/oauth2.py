"""
The requests of OAuth 2 and the tokens in its answers (RFC 6749, PKCE of RFC 7636); nothing here touches the network.

The three forms and one answer that a client needs are written out: see docs/adr/0050 for the libraries.
"""

import base64
import hashlib
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, ClassVar, Final
from urllib.parse import parse_qsl, quote_plus

import httpx
from pydantic import BaseModel, ConfigDict, Field, SecretStr

from hookline.clients.answers import loose_json
from hookline.clients.auth import is_sendable
from hookline.clients.errors import NotAuthenticated, UnexpectedAnswer, kind_of
from hookline.clients.models import Answer, NoInput, Secret
from hookline.clients.operation import HEADERS, Operation, post
from hookline.clients.transport import checked_address
from hookline.errors import ConfigurationError

MARGIN: Final = 60.0
"""Seconds before its end at which a token is renewed; half of its life where that is shorter."""
MAX_SECONDS: Final = 10 * 365 * 86_400
_WRONG_GRANT = ("invalid_client", "invalid_grant", "unauthorized_client", "access_denied")


class Issued(Answer):
    """Tokens as their address answers them."""

    access_token: SecretStr
    refresh_token: SecretStr | None = None
    expires_in: float | None = Field(None, ge=0)
    scope: str = ""


class Tokens(BaseModel):
    """The tokens of an account, as they are stored; times are those of the machine that fetched them."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    access_token: Secret
    refresh_token: Secret | None = None
    renew_at: float | None = None
    """When it is due to be renewed; None: it does not end."""
    scope: str = ""

    @property
    def access(self) -> str:
        """Return the token of a call."""
        return self.access_token.get_secret_value()

    @property
    def is_due(self) -> bool:
        """Return True if the token ends soon, by the clock of this machine."""
        return self.renew_at is not None and time.time() >= self.renew_at

    def secrets(self) -> list[str]:
        """Return what must not be shown."""
        return [each.get_secret_value() for each in (self.access_token, self.refresh_token) if each]


class TokenAddress:
    """The address that issues tokens, as a vendor with one operation."""

    vendor: ClassVar[str] = "http"
    reference: ClassVar[str] = "RFC 6749"
    body_on_every_verb: ClassVar[bool] = False

    fetch_token = post(
        "/",
        NoInput,
        Issued,
        "Exchange a secret, a code or a refresh token for a token.",
        repeat="safe",
        trust="public",
        session="opens",
    )

    @classmethod
    def decode(cls, operation: Operation[..., Any], response: httpx.Response) -> Any:
        """Return the JSON of a good answer; nothing of another is quoted but its error: it may hold a token."""
        value = loose_json(response)
        fields = value if isinstance(value, Mapping) else {}
        message = ": ".join(str(fields[name]) for name in ("error", "error_description") if fields.get(name))
        if fields.get("error") in _WRONG_GRANT:
            raise operation.error(NotAuthenticated, response, message)
        if response.is_redirect:
            raise operation.error(
                UnexpectedAnswer, response, "the token address redirects; it is not followed"
            )
        if not response.is_success:
            raise operation.error(
                kind_of(response.status_code), response, message or "the token address failed"
            )
        if not fields.get("access_token"):
            kind = response.headers.get("content-type", "").partition(";")[0] or "without a type"
            raise operation.error(
                UnexpectedAnswer, response, message or f"the token address answered no token but {kind[:60]}"
            )
        return value


def _web_address(text: str) -> httpx.URL:
    """Return the address at which a person agrees; raise `ConfigurationError` if no browser can go there."""
    with suppress(httpx.InvalidURL):
        url = httpx.URL(text)
        if url.scheme in ("http", "https") and url.host:
            return url
    raise ConfigurationError(
        "HTTP_<account>_AUTHORIZE_URL must begin with https:// (or http://) and name a host. Set it, then run "
        "`hookline apply`."
    )


def _fields(text: str) -> tuple[tuple[str, str], ...]:
    return tuple(parse_qsl(text, keep_blank_values=True))


@dataclass(frozen=True)
class OAuthClient:
    """
    A client at an authorization server.

    Attributes:
        client_id: its id.
        client_secret: its secret, unless it is a public client.
        token_url: the address that issues tokens.
        authorize_url: the address at which a person agrees.
        scope: what is asked for.
        secret_in_header: send the id and secret as a user and password, as RFC 6749 prefers; else in the form.
        token_params: more fields of the token request, such as `audience=…`.
        authorize_params: more parameters of the address at which a person agrees, such as `prompt=consent`.
    """

    client_id: str
    client_secret: SecretStr | None
    token_url: str
    authorize_url: str = ""
    scope: str = ""
    secret_in_header: bool = True
    token_params: str = ""
    authorize_params: str = ""

    def __post_init__(self) -> None:
        checked_address(self.token_url)

    def token_request(self, **grant: str) -> httpx.Request:
        """Return the request that exchanges a grant for tokens."""
        form = {**dict(_fields(self.token_params)), **grant}
        headers = dict(HEADERS)
        secret = self.client_secret.get_secret_value() if self.client_secret else ""
        if secret and self.secret_in_header:
            pair = (
                f"{quote_plus(self.client_id)}:{quote_plus(secret)}"  # RFC 6749, 2.3.1: quoted as in a form
            )
            headers["Authorization"] = "Basic " + base64.b64encode(pair.encode()).decode()
        else:
            form |= {"client_id": self.client_id} | ({"client_secret": secret} if secret else {})
        return httpx.Request("POST", self.token_url, headers=headers, data=form)

    def client_credentials(self) -> httpx.Request:
        """Return the request for a token of the client itself."""
        return self.token_request(grant_type="client_credentials", **self._scope)

    def code(self, code: str, verifier: str, redirect_uri: str) -> httpx.Request:
        """Return the request that exchanges the code that a person's agreement brought."""
        return self.token_request(
            grant_type="authorization_code", code=code, redirect_uri=redirect_uri, code_verifier=verifier
        )

    def refresh(self, refresh_token: str) -> httpx.Request:
        """Return the request that exchanges a refresh token for new tokens."""
        return self.token_request(grant_type="refresh_token", refresh_token=refresh_token)

    def authorization_address(self, redirect_uri: str, state: str, verifier: str) -> str:
        """Return the address at which a person agrees; `verifier` stays here, only its digest is sent."""
        digest = hashlib.sha256(verifier.encode()).digest()
        asked = {
            "response_type": "code",
            "client_id": self.client_id,
            "redirect_uri": redirect_uri,
            **self._scope,
            "state": state,
            "code_challenge": base64.urlsafe_b64encode(digest).decode().rstrip("="),
            "code_challenge_method": "S256",
        }
        address = _web_address(self.authorize_url)
        return str(address.copy_merge_params({**dict(_fields(self.authorize_params)), **asked}))

    @property
    def _scope(self) -> dict[str, str]:
        return {"scope": self.scope} if self.scope else {}


def tokens_in(response: httpx.Response, before: Tokens | None = None) -> Tokens:
    """
    Return the tokens in an answer; a refresh token that it leaves out stays as it was.

    Raises:
        VendorError: it holds none; says what the address answered.
    """
    issued = TokenAddress.fetch_token.read(response)
    if not is_sendable(issued.access_token.get_secret_value()):
        raise TokenAddress.fetch_token.error(UnexpectedAnswer, response, "the token cannot be sent")
    seconds = None if issued.expires_in is None else min(issued.expires_in, MAX_SECONDS)
    return Tokens(
        access_token=issued.access_token,
        refresh_token=issued.refresh_token or (before.refresh_token if before else None),
        renew_at=None if seconds is None else time.time() + lasting(seconds),
        scope=issued.scope,
    )


def lasting(seconds: float) -> float:
    """Return how long a token is used that ends after so many seconds."""
    return max(seconds - MARGIN, seconds / 2)
