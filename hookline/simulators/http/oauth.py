"""The authorization server of the simulator: clients, codes with PKCE, tokens that end, refresh tokens that rotate."""

import base64
import binascii
import hashlib
import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import unquote_plus, urlencode, urlsplit

from hookline.simulators.records import Clock, Tokens

CLIENT_ID: Final = "sandbox-http-client"
CLIENT_SECRET: Final = "sandbox-http-secret"  # noqa: S105  (opens nothing but the sandbox)
CODE_SECONDS: Final = 60.0


class OAuthError(Exception):
    """A token request that is refused, by its code of RFC 6749."""

    def __init__(self, code: str, description: str, status: int = 400) -> None:
        super().__init__(code)
        self.code, self.description, self.status = code, description, status


@dataclass(frozen=True)
class Agreement:
    """What a person agreed to, and a code stands for."""

    redirect_uri: str
    challenge: str
    scope: str


class AuthorizationServer:
    """Clients, codes and tokens."""

    def __init__(self, clock: Clock, token_seconds: float) -> None:
        self.token_seconds = token_seconds
        self.rotates = True
        """False: a refresh token stays good."""
        self.redirect_uris: set[str] = set()
        """The addresses that are registered; none: any address of this machine."""
        self.access: Tokens[str] = Tokens(clock)
        self.codes: Tokens[Agreement] = Tokens(clock)
        self.refresh: set[str] = set()
        self.used: set[str] = set()
        """Codes that were exchanged; one that comes again ends all that came of it."""

    def end_sessions(self) -> None:
        """Let every access token lapse; refresh tokens stay."""
        self.access.clear()

    def checked(self, query: Mapping[str, str]) -> Agreement:
        """Return what a person is asked to agree to; raise `OAuthError` where the request is wrong."""
        uri = query.get("redirect_uri", "")
        own = urlsplit(uri).hostname in {"127.0.0.1", "localhost"}
        if query.get("client_id") != CLIENT_ID:
            raise OAuthError("invalid_client", "The client is not known.", 401)
        if uri not in self.redirect_uris and not (own and not self.redirect_uris):
            raise OAuthError("invalid_request", "The redirect address is not registered.")
        if query.get("response_type") != "code" or query.get("code_challenge_method") != "S256":
            raise OAuthError("invalid_request", "Ask for a code, with PKCE by S256.")
        return Agreement(uri, query.get("code_challenge", ""), query.get("scope", ""))

    def agreed(self, query: Mapping[str, str]) -> str:
        """Return the address to which the person's browser goes with the code."""
        agreement = self.checked(query)
        code = secrets.token_urlsafe(24)
        self.codes.add(code, CODE_SECONDS, agreement)
        return f"{agreement.redirect_uri}?{urlencode({'code': code, 'state': query.get('state', '')})}"

    def declined(self, query: Mapping[str, str]) -> str:
        """Return the address to which the browser goes without a code."""
        there = {"error": "access_denied", "state": query.get("state", "")}
        return f"{self.checked(query).redirect_uri}?{urlencode(there)}"

    def issue(self, form: Mapping[str, str], authorization: str) -> dict[str, Any]:
        """Answer a token request; raise `OAuthError`."""
        client = _basic(authorization) or (form.get("client_id", ""), form.get("client_secret", ""))
        if client[0] != CLIENT_ID or not hmac.compare_digest(client[1].encode(), CLIENT_SECRET.encode()):
            raise OAuthError("invalid_client", "The client or its secret is wrong.", 401)
        match form.get("grant_type"):
            case "client_credentials":
                return self._tokens(form.get("scope", ""), with_refresh=False)
            case "authorization_code":
                return self._by_code(form)
            case "refresh_token":
                return self._by_refresh(form)
            case _:
                raise OAuthError("unsupported_grant_type", "This grant is not known.")

    def _by_code(self, form: Mapping[str, str]) -> dict[str, Any]:
        code = form.get("code", "")
        if code in self.used:
            self.access.clear()
            self.refresh.clear()
            raise OAuthError("invalid_grant", "The code was used before; what came of it has ended.")
        agreement = self.codes.get(code)
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).decode().rstrip("=")
        if agreement is None or agreement.redirect_uri != form.get("redirect_uri"):
            raise OAuthError("invalid_grant", "The code is not known, or was for another address.")
        if not hmac.compare_digest(challenge, agreement.challenge):
            raise OAuthError("invalid_grant", "The verifier is wrong.")
        self.used.add(code)
        return self._tokens(agreement.scope, with_refresh=True)

    def _by_refresh(self, form: Mapping[str, str]) -> dict[str, Any]:
        token = form.get("refresh_token", "")
        if token not in self.refresh:
            raise OAuthError("invalid_grant", "The refresh token is not known, or was used before.")
        if self.rotates:
            self.refresh.discard(token)
        return self._tokens("", with_refresh=self.rotates)

    def _tokens(self, scope: str, *, with_refresh: bool) -> dict[str, Any]:
        access = secrets.token_urlsafe(32)
        self.access.add(access, self.token_seconds, scope)
        issued = {"access_token": access, "token_type": "Bearer", "expires_in": int(self.token_seconds)}
        if with_refresh:
            issued["refresh_token"] = secrets.token_urlsafe(32)
            self.refresh.add(str(issued["refresh_token"]))
        return issued


def _basic(authorization: str) -> tuple[str, str] | None:
    """Return the user and password of a header, unquoted as RFC 6749 quotes them."""
    scheme, _, text = authorization.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        user, _, password = base64.b64decode(text, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    return unquote_plus(user), unquote_plus(password)
