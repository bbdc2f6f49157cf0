"""`hmac`: a digest with a secret that both sides know."""

import hmac
from collections.abc import Sequence

from hookline.gateway.schemes.crypto import AuthScheme, SignedRequest, any_equal, octets
from hookline.gateway.schemes.signatures import claim, signed
from hookline.hooks.auth_schemes import Hmac


def verify(scheme: Hmac, request: SignedRequest, secrets: Sequence[str], now: float) -> bool:
    """Whether a signature is of one of the secrets, and in time."""
    claimed = claim(scheme, request, now)
    if claimed is None:
        return False
    expected = [hmac.digest(octets(secret), claimed.content, scheme.algorithm) for secret in secrets]
    return any_equal(claimed.signatures, expected)


def sign(scheme: Hmac, secret: str, body: bytes, *, identifier: str, now: float) -> AuthScheme:
    """The headers that prove a body."""
    return signed(
        scheme,
        body,
        identifier=identifier,
        now=now,
        signer=lambda content: hmac.digest(octets(secret), content, scheme.algorithm),
    )
