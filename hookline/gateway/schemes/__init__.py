"""
Was this request sent by somebody who holds one of our secrets?

Pure: bytes in, a yes or no out; nothing a stranger sends makes it raise. `hookline.hooks.auth_schemes` describes the
schemes; here is a module for each family of them.
"""

import re
from collections.abc import Sequence

from pydantic import SecretStr

from hookline.gateway.schemes import asymmetric, hmacs, secrets, standard
from hookline.gateway.schemes.crypto import AuthScheme, SignedRequest
from hookline.gateway.schemes.deduplication import external_id
from hookline.gateway.schemes.redaction import REDACTED, SECRET_HEADERS, masked, redact_headers, redact_query
from hookline.gateway.schemes.standard import sign_standard_webhooks, standard_webhooks_key
from hookline.hooks.auth_schemes import Asymmetric, Hmac, Scheme, SharedSecret, StandardWebhooks, UrlSecret

__all__ = [
    "REDACTED",
    "SECRET_HEADERS",
    "AuthScheme",
    "SignedRequest",
    "can_sign",
    "external_id",
    "is_secret",
    "masked",
    "needs_body",
    "redact_headers",
    "redact_query",
    "require_strong",
    "secret_length",
    "sign",
    "sign_standard_webhooks",
    "standard_webhooks_key",
    "verify",
]

MIN_SECRET = 16
"""Bytes."""
SEGMENT = re.compile(r"[A-Za-z0-9._~-]+")
"""What stands in an address as it is."""


def verify(auth_scheme: Scheme, request: SignedRequest, held: Sequence[SecretStr], *, now: float) -> bool:
    """Whether the request proves one of the secrets; `now` in seconds since the epoch. No secrets: no."""
    plain = _plain(held)
    match auth_scheme:
        case SharedSecret() | UrlSecret():
            return secrets.verify(auth_scheme, request, plain)
        case StandardWebhooks():
            return standard.verify(auth_scheme, request, plain, now)
        case Hmac():
            return hmacs.verify(auth_scheme, request, plain, now)
        case Asymmetric():
            return asymmetric.verify(auth_scheme, request, plain, now)


def needs_body(auth_scheme: Scheme) -> bool:
    """Whether the proof is over the body; if not, it is decided before a byte of the body is read."""
    return not isinstance(auth_scheme, SharedSecret | UrlSecret)


def is_secret(text: str, held: Sequence[SecretStr]) -> bool:
    """Return True if the text is one of the secrets, or tokens; in constant time over all of them."""
    return secrets.is_one_of(text, _plain(held))


def sign(auth_scheme: Scheme, secret: SecretStr, body: bytes, *, identifier: str, now: float) -> AuthScheme:
    """
    What a sender would add to its request; for an asymmetric scheme `secret` is the sender's private key.

    `identifier` is the delivery's id, in schemes that have one.

    Raises:
        ValueError: the secret is none that can sign; does not show it.
    """
    plain = secret.get_secret_value()
    match auth_scheme:
        case SharedSecret() | UrlSecret():
            return secrets.sign(auth_scheme, plain)
        case StandardWebhooks():
            return standard.sign(auth_scheme, plain, body, identifier=identifier, now=now)
        case Hmac():
            return hmacs.sign(auth_scheme, plain, body, identifier=identifier, now=now)
        case Asymmetric():
            return asymmetric.sign(auth_scheme, plain, body, identifier=identifier, now=now)


def can_sign(auth_scheme: Scheme, secret: SecretStr) -> bool:
    """Whether what we hold can sign: of a public key, the sender keeps the other half."""
    return not isinstance(auth_scheme, Asymmetric) and not (
        isinstance(auth_scheme, StandardWebhooks)
        and secret.get_secret_value().startswith(standard.PUBLIC_KEY)
    )


def require_strong(auth_scheme: Scheme, secret: str) -> None:
    """
    Check that a secret, or a public key, of the environment is one.

    Raises:
        ValueError: it could be guessed, or is not of the scheme's form; does not show it.
    """
    length = secret_length(auth_scheme, secret)
    if length is not None and length < MIN_SECRET:
        raise ValueError(f"shorter than {MIN_SECRET} bytes, so that it could be guessed")


def secret_length(auth_scheme: Scheme, secret: str) -> int | None:
    """
    The bytes of a secret; None for a public key, which is none.

    Raises:
        ValueError: it is not of the scheme's form; does not show it.
    """
    match auth_scheme:
        case Asymmetric():
            asymmetric.load_public_key(secret, auth_scheme.algorithm)
            return None
        case StandardWebhooks() if secret.startswith(standard.PUBLIC_KEY):
            standard.require_public_key(secret)
            return None
        case StandardWebhooks():
            return len(standard_webhooks_key(secret))
        case UrlSecret() if not SEGMENT.fullmatch(secret):
            raise ValueError("not of letters, digits and . _ ~ - alone, so that no address can carry it")
        case _:
            return len(secret.encode())


def _plain(held: Sequence[SecretStr]) -> list[str]:
    return [secret.get_secret_value() for secret in held]
