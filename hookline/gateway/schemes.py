"""
Was this request sent by somebody who holds one of our secrets?

Pure: bytes in, a yes or no out; nothing a stranger sends makes it raise.
"""

import base64
import binascii
import hashlib
import hmac
import math
from collections.abc import Mapping, Sequence

from pydantic import SecretStr

from hookline.hooks.config import SharedSecret, StandardWebhooks

SHORTEST_SECRET = 16
"""Bytes."""
LONGEST_ID = 256

SECRET_HEADERS = {
    "authorization",
    "cookie",
    "proxy-authorization",
    "webhook-signature",
    "x-hookline-key",
}


def verify(
    scheme: SharedSecret | StandardWebhooks,
    headers: Mapping[str, str],
    body: bytes,
    secrets: Sequence[SecretStr],
    *,
    now: float,
) -> bool:
    """Whether the request proves one of the secrets; `now` in seconds since the epoch. No secrets: no."""
    plain = [secret.get_secret_value() for secret in secrets]
    if isinstance(scheme, SharedSecret):
        return shared_secret(headers.get(scheme.header.lower(), ""), plain)
    return standard_webhooks(headers, body, plain, tolerance=scheme.tolerance, now=now)


def shared_secret(given: str, secrets: Sequence[str]) -> bool:
    """Whether the header holds one of the secrets; every secret is compared, in constant time."""
    return _any_equal([given.encode("latin-1", "replace")], [secret.encode() for secret in secrets])


def standard_webhooks(
    headers: Mapping[str, str], body: bytes, secrets: Sequence[str], *, tolerance: int, now: float
) -> bool:
    """Whether a signature of Standard Webhooks v1 is right and its timestamp within the tolerance."""
    identifier, timestamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not identifier or not _near(timestamp, now, tolerance):
        return False
    given = [part[3:].encode() for part in headers.get("webhook-signature", "").split() if part[:3] == "v1,"]
    expected = [sign_standard_webhooks(secret, identifier, timestamp, body).encode() for secret in secrets]
    return _any_equal(given[:16], expected)


def sign_standard_webhooks(secret: str, identifier: str, timestamp: str, body: bytes) -> str:
    """
    The signature (base64) of a Standard Webhooks message.

    Raises:
        ValueError: the secret is not base64, with or without `whsec_` before it.
    """
    content = b".".join((identifier.encode(), timestamp.encode(), body))
    digest = hmac.new(standard_webhooks_key(secret), content, hashlib.sha256).digest()
    return base64.b64encode(digest).decode()


def standard_webhooks_key(secret: str) -> bytes:
    """
    The bytes of a Standard Webhooks secret.

    Raises:
        ValueError: it is not base64, with or without `whsec_` before it.
    """
    try:
        key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("not a Standard Webhooks secret (whsec_ and base64)") from None
    if not key:
        raise ValueError("empty, so that anybody could sign")
    return key


def require_strong(scheme: SharedSecret | StandardWebhooks, secret: str) -> None:
    """
    Check that a secret of the environment is one.

    Raises:
        ValueError: it could be guessed, or is not of the scheme's form; does not show it.
    """
    key = standard_webhooks_key(secret) if isinstance(scheme, StandardWebhooks) else secret.encode()
    if len(key) < SHORTEST_SECRET:
        raise ValueError(f"shorter than {SHORTEST_SECRET} bytes, so that it could be guessed")


def external_id(scheme: SharedSecret | StandardWebhooks, headers: Mapping[str, str], body: bytes) -> str:
    """The sender's id of the delivery; where a sender has none, a digest of the body."""
    if isinstance(scheme, StandardWebhooks):
        given = headers["webhook-id"]
        return given if len(given) <= LONGEST_ID else _digest(given.encode())
    return _digest(body)


def redact(headers: Mapping[str, str], scheme: SharedSecret | StandardWebhooks) -> dict[str, str]:
    """The headers as they may be kept: what proves the sender is left out."""
    secret = SECRET_HEADERS | ({scheme.header.lower()} if isinstance(scheme, SharedSecret) else set())
    return {name: "[redacted]" if name in secret else value for name, value in headers.items()}


def _any_equal(given: Sequence[bytes], expected: Sequence[bytes]) -> bool:
    """Whether one is among the other; every pair is compared, so that the time taken tells nothing."""
    found = False
    for one in given:
        for other in expected:
            found |= hmac.compare_digest(one, other)
    return found


def _digest(content: bytes) -> str:
    return "sha256:" + hashlib.sha256(content).hexdigest()


def _near(timestamp: str, now: float, tolerance: int) -> bool:
    try:
        moment = float(timestamp) if timestamp.isascii() and timestamp.isdigit() else math.nan
    except ValueError:
        return False
    return abs(now - moment) <= tolerance
