"""
A client for any HTTP API: the path, the body and the form of the answer come with each call.

| module | what is there |
| --- | --- |
| `client` | `HttpClient`: reads and writes, and what a status means |
| `account` | the log-in of an account, by its settings |
| `exchange` | the exchange of a grant for tokens |
| `models` | the inputs of a call, and which of them are secret |
| `addresses` | a call goes to the account's own address, and to no other |
| `logins` | a key in a header or in the address, a user with a password, tokens of OAuth 2 |
| `oauth2` | the requests of OAuth 2, and the tokens in its answers |
| `lists` | lists in pages |
"""

from hookline.clients.http.client import HttpClient
from hookline.clients.http.logins import (
    AuthorizationCode,
    ClientCredentials,
    Grants,
    HeaderLogin,
    NoLogin,
    QueryLogin,
)
from hookline.clients.http.models import Read, Write
from hookline.clients.http.oauth2 import OAuthClient, Tokens

__all__ = [
    "AuthorizationCode",
    "ClientCredentials",
    "Grants",
    "HeaderLogin",
    "HttpClient",
    "NoLogin",
    "OAuthClient",
    "QueryLogin",
    "Read",
    "Tokens",
    "Write",
]
