"""`standard-webhooks`: v1 (HMAC-SHA256) and v1a (ed25519) of standardwebhooks.com."""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Sequence
from typing import ClassVar, Literal

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from pydantic import Field, SecretStr

from hookline.redaction import KEY_PREFIX as SECRET
from hookline.schemes.base import AuthScheme, RequestAuth, SignedRequest, Tolerance, plain
from hookline.schemes.crypto import MAX_SIGNATURES, any_equal, is_near, octets

PUBLIC_KEY, PRIVATE_KEY = "whpk_", "whsk_"
SEED = 32
"""Bytes of an ed25519 key; a `whsk_` may hold the public key after them."""


class StandardWebhooks(AuthScheme):
    """The sender signs as standardwebhooks.com says: v1 (HMAC-SHA256) or v1a (ed25519)."""

    name: ClassVar[str] = "standard-webhooks"
    key_pairs: ClassVar[Literal["never", "possible", "always"]] = "possible"
    replacement_hint: ClassVar[str] = "Make another: whsec_ and: openssl rand -base64 32"

    header_prefix: Literal["webhook", "svix"] = Field(
        default="webhook", description="The beginning of the three headers: `webhook-id` or `svix-id`."
    )
    tolerance: Tolerance = 300

    def verify(self, request: SignedRequest, secrets: Sequence[SecretStr], *, now: float) -> bool:
        """Return True if a signature is right and the timestamp within the tolerance."""
        identifier, timestamp, signed = (
            request.headers.get(f"{self.header_prefix}-{name}", "")
            for name in ("id", "timestamp", "signature")
        )
        if not identifier or not is_near(timestamp, now, self.tolerance):
            return False
        content = _content(identifier, timestamp, request.body)
        signatures, texts = signed.split(), plain(secrets)
        shared = any_equal(
            _of_version("v1", signatures),
            [
                base64.b64encode(hmac.digest(key, content, "sha256"))
                for text in texts
                if (key := _key_or_none(text))
            ],
        )
        return shared or _any_public(_of_version("v1a", signatures), content, texts)

    def sign(self, secret: SecretStr, request: SignedRequest, *, identifier: str, now: float) -> RequestAuth:
        """Return the three headers of a message; with a `whsk_` key its signature is of v1a."""
        text, timestamp = secret.get_secret_value(), str(int(now))
        if text.startswith(PRIVATE_KEY):
            signed = _private_key(text).sign(_content(identifier, timestamp, request.body))
            signature = f"v1a,{base64.b64encode(signed).decode()}"
        else:
            signature = f"v1,{sign_standard_webhooks(text, identifier, timestamp, request.body)}"
        values = {"id": identifier, "timestamp": timestamp, "signature": signature}
        return RequestAuth(headers={f"{self.header_prefix}-{name}": value for name, value in values.items()})

    def describe(self, source: str) -> str:
        """Return the standard, and the key."""
        return f"A Standard Webhooks signature over the raw bytes, with the secret of {source}."

    @property
    def delivery_id_header(self) -> str:
        """The header of the message's id."""
        return f"{self.header_prefix}-id"

    def secret_length(self, secret: str) -> int | None:
        """Return the bytes of a secret, None for a public key; raises ValueError if it is neither."""
        if not self.is_public(secret):
            return len(standard_webhooks_key(secret))
        if len(_bytes_of(secret, PUBLIC_KEY)) != SEED:
            raise ValueError(f"not a public key of Standard Webhooks (whpk_ and {SEED} bytes in base64)")
        return None

    def is_public(self, secret: str) -> bool:
        """Return True for a `whpk_` key."""
        return secret.startswith(PUBLIC_KEY)


def sign_standard_webhooks(secret: str, identifier: str, timestamp: str, body: bytes) -> str:
    """
    Return the v1 signature (base64) of a Standard Webhooks message.

    Raises:
        ValueError: the secret is not base64, with or without `whsec_` before it.
    """
    content = _content(identifier, timestamp, body)
    return base64.b64encode(
        hmac.new(standard_webhooks_key(secret), content, hashlib.sha256).digest()
    ).decode()


def standard_webhooks_key(secret: str) -> bytes:
    """
    Return the bytes of a Standard Webhooks secret.

    Raises:
        ValueError: it is not base64, with or without `whsec_` before it.
    """
    if secret.startswith(PUBLIC_KEY):
        raise ValueError("a public key, which can sign nothing; only the sender's private key can")
    if not (key := _bytes_of(secret, SECRET)):
        raise ValueError("empty, so that anybody could sign")
    return key


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


def _any_public(signatures: Sequence[bytes], content: bytes, secrets: Sequence[str]) -> bool:
    """Return True if one of the signatures is by one of the public keys; nothing of them is secret."""
    keys = [secret for secret in secrets if secret.startswith(PUBLIC_KEY)]
    return any(_is_signed(key, signature, content) for key in keys for signature in signatures)


def _is_signed(public_key: str, signature: bytes, content: bytes) -> bool:
    try:
        key = Ed25519PublicKey.from_public_bytes(_bytes_of(public_key, PUBLIC_KEY))
        key.verify(base64.b64decode(signature, validate=True), content)
    except (InvalidSignature, ValueError):
        return False
    return True
