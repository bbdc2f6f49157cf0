"""An account at any HTTP API: its log-in, and its client at the authorization server."""

from collections.abc import Callable

from pydantic import SecretStr

from hookline.clients.auth import VendorAuth
from hookline.clients.http.logins import (
    AuthorizationCode,
    ClientCredentials,
    Grants,
    HeaderLogin,
    NoLogin,
    QueryLogin,
)
from hookline.clients.http.oauth2 import OAuthClient
from hookline.errors import ConfigurationError
from hookline.shipped.http import HttpSettings, Login


def oauth_of(account: HttpSettings) -> OAuthClient:
    """Return the client of an account at its authorization server."""
    return OAuthClient(
        client_id=account.client_id or "",
        client_secret=account.client_secret,
        token_url=account.token_url or "",
        authorize_url=account.authorize_url or "",
        scope=account.scope or "",
        secret_in_header=account.secret_in == "header",  # noqa: S105  (a place)
        token_params=account.token_params or "",
        authorize_params=account.authorize_params or "",
    )


def login_of(account: HttpSettings, grants: Grants | None) -> VendorAuth:
    """Return the log-in of an account; `grants` has the tokens where a person connects it."""
    token, name = account.token or SecretStr(""), account.login_name or ""
    logins: dict[Login, Callable[[], VendorAuth]] = {
        "none": NoLogin,
        "bearer": lambda: HeaderLogin.bearer(token),
        "basic": lambda: HeaderLogin.basic(account.username or "", account.password or SecretStr("")),
        "header": lambda: HeaderLogin(name, token),
        "query": lambda: QueryLogin(name, token),
        "client_credentials": lambda: ClientCredentials(oauth_of(account)),
        "authorization_code": lambda: _by_a_person(account, grants),
    }
    return logins[account.login]()


def _by_a_person(account: HttpSettings, grants: Grants | None) -> AuthorizationCode:
    if grants is None:
        raise ConfigurationError(
            "A person must connect this account, and its tokens are stored beside its block: run `hookline apply`, "
            "connect it at /connect/http/<account> of the gateway, and use the block."
        )
    return AuthorizationCode(oauth_of(account), grants)
