"""`standard-webhooks`: v1 (HMAC-SHA256) and v1a (ed25519) of standardwebhooks.com."""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Sequence

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from hookline.gateway.schemes.crypto import (
    MAX_SIGNATURES,
    AuthScheme,
    SignedRequest,
    any_equal,
    is_near,
    octets,
)
from hookline.hooks.auth_schemes import StandardWebhooks

SECRET, PUBLIC_KEY, PRIVATE_KEY = "whsec_", "whpk_", "whsk_"
SEED = 32
"""Bytes of an ed25519 key; a `whsk_` may hold the public key after them."""


def verify(scheme: StandardWebhooks, request: SignedRequest, secrets: Sequence[str], now: float) -> bool:
    """Whether a signature is right and the timestamp within the tolerance."""
    identifier = request.headers.get(f"{scheme.header_prefix}-id", "")
    timestamp = request.headers.get(f"{scheme.header_prefix}-timestamp", "")
    if not identifier or not is_near(timestamp, now, scheme.tolerance):
        return False
    content = _content(identifier, timestamp, request.body)
    signatures = request.headers.get(f"{scheme.header_prefix}-signature", "").split()
    keys = [key for secret in secrets if (key := _key_or_none(secret))]
    shared = any_equal(
        _of_version("v1", signatures), [base64.b64encode(hmac.digest(key, content, "sha256")) for key in keys]
    )
    return shared or _any_public(_of_version("v1a", signatures), content, secrets)


def sign(scheme: StandardWebhooks, secret: str, body: bytes, *, identifier: str, now: float) -> AuthScheme:
    """
    The three headers of a message; with a `whsk_` key its signature is of v1a.

    Raises:
        ValueError: the secret is none that can sign.
    """
    timestamp = str(int(now))
    if secret.startswith(PRIVATE_KEY):
        signed = _private_key(secret).sign(_content(identifier, timestamp, body))
        signature = f"v1a,{base64.b64encode(signed).decode()}"
    else:
        signature = f"v1,{sign_standard_webhooks(secret, identifier, timestamp, body)}"
    prefix = scheme.header_prefix
    return AuthScheme(
        headers={
            f"{prefix}-id": identifier,
            f"{prefix}-timestamp": timestamp,
            f"{prefix}-signature": signature,
        }
    )


def sign_standard_webhooks(secret: str, identifier: str, timestamp: str, body: bytes) -> str:
    """
    The v1 signature (base64) of a Standard Webhooks message.

    Raises:
        ValueError: the secret is not base64, with or without `whsec_` before it.
    """
    content = _content(identifier, timestamp, body)
    return base64.b64encode(
        hmac.new(standard_webhooks_key(secret), content, hashlib.sha256).digest()
    ).decode()


def standard_webhooks_key(secret: str) -> bytes:
    """
    The bytes of a Standard Webhooks secret.

    Raises:
        ValueError: it is not base64, with or without `whsec_` before it.
    """
    if secret.startswith(PUBLIC_KEY):
        raise ValueError("a public key, which can sign nothing; only the sender's private key can")
    if not (key := _bytes_of(secret, SECRET)):
        raise ValueError("empty, so that anybody could sign")
    return key


def require_public_key(secret: str) -> None:
    """
    Check a `whpk_` key.

    Raises:
        ValueError: it is not 32 bytes in base64.
    """
    if len(_bytes_of(secret, PUBLIC_KEY)) != SEED:
        raise ValueError(f"not a public key of Standard Webhooks (whpk_ and {SEED} bytes in base64)")


def _private_key(secret: str) -> Ed25519PrivateKey:
    seed = _bytes_of(secret, PRIVATE_KEY)[:SEED]
    if len(seed) != SEED:
        raise ValueError(f"not a private key of Standard Webhooks (whsk_ and {SEED} bytes in base64)")
    return Ed25519PrivateKey.from_private_bytes(seed)


def _bytes_of(secret: str, prefix: str) -> bytes:
    try:
        return base64.b64decode(secret.removeprefix(prefix), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError(f"not a Standard Webhooks secret ({prefix} and base64)") from None


def _key_or_none(secret: str) -> bytes | None:
    try:
        return standard_webhooks_key(secret)
    except ValueError:
        return None


def _content(identifier: str, timestamp: str, body: bytes) -> bytes:
    return b".".join((octets(identifier), octets(timestamp), body))


def _of_version(version: str, signatures: Sequence[str]) -> list[bytes]:
    prefix = f"{version},"
    found = [octets(each.removeprefix(prefix)) for each in signatures if each.startswith(prefix)]
    return found[:MAX_SIGNATURES]


def _any_public(given: Sequence[bytes], content: bytes, secrets: Sequence[str]) -> bool:
    """Whether one of the signatures is of one of the public keys; nothing of them is secret."""
    keys = [secret for secret in secrets if secret.startswith(PUBLIC_KEY)]
    return any(_is_signed(key, signature, content) for key in keys for signature in given)


def _is_signed(public_key: str, signature: bytes, content: bytes) -> bool:
    try:
        key = Ed25519PublicKey.from_public_bytes(_bytes_of(public_key, PUBLIC_KEY))
        key.verify(base64.b64decode(signature, validate=True), content)
    except (InvalidSignature, ValueError):
        return False
    return True
