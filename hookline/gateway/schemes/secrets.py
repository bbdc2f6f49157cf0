"""The secret itself in the request: `shared-secret` and `url-secret`."""

import base64
from collections.abc import Sequence

from hookline.gateway.schemes.crypto import AuthScheme, SignedRequest, any_equal, decode, octets
from hookline.hooks.auth_schemes import SharedSecret, UrlSecret


def verify(scheme: SharedSecret | UrlSecret, request: SignedRequest, secrets: Sequence[str]) -> bool:
    """Whether the place of the secret holds one of them."""
    if isinstance(scheme, UrlSecret):
        return is_one_of(request.path_secret, secrets)
    match scheme.place:
        case "header":
            return _in_header(request.headers.get(scheme.header.lower(), ""), secrets)
        case "bearer":
            return _in_header(_credentials(request, "bearer"), secrets)
        case "basic":
            given = decode(_credentials(request, "basic"), "base64") or b""
            return any_equal([given], [octets(f"{scheme.username}:{secret}") for secret in secrets])
        case "query":
            return is_one_of(request.query.get(scheme.parameter, ""), secrets)


def is_one_of(text: str, secrets: Sequence[str]) -> bool:
    """Whether the text is one of the secrets; every secret is compared, in constant time."""
    return any_equal([octets(text)], [octets(secret) for secret in secrets])


def sign(scheme: SharedSecret | UrlSecret, secret: str) -> AuthScheme:
    """The request's proof: the secret in its place."""
    if isinstance(scheme, UrlSecret):
        return AuthScheme(path_secret=secret)
    match scheme.place:
        case "header":
            return AuthScheme(headers={scheme.header: secret})
        case "bearer":
            return AuthScheme(headers={"Authorization": f"Bearer {secret}"})
        case "basic":
            login = base64.b64encode(octets(f"{scheme.username}:{secret}")).decode()
            return AuthScheme(headers={"Authorization": f"Basic {login}"})
        case "query":
            return AuthScheme(query={scheme.parameter: secret})


def _in_header(given: str, secrets: Sequence[str]) -> bool:
    """A header comes as Latin-1, whatever the sender took it for."""
    return any_equal([given.encode("latin-1", "replace")], [octets(secret) for secret in secrets])


def _credentials(request: SignedRequest, kind: str) -> str:
    named, _, credentials = request.headers.get("authorization", "").partition(" ")
    return credentials if named.lower() == kind else ""
