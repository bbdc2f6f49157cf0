"""Constant-time comparison, timestamps and encodings, which the schemes share."""

import base64
import binascii
import hmac
import math
from collections.abc import Sequence
from typing import Literal, TypeAlias

from pydantic import SecretStr

Encoding: TypeAlias = Literal["hex", "base64", "base64url"]

MAX_SIGNATURES = 16
"""The signatures of one request that are checked; those after them are ignored."""


def any_equal(received: Sequence[bytes], expected: Sequence[bytes]) -> bool:
    """Return True if a value is among both; every pair is compared, so that the time taken tells nothing."""
    found = False
    for one in received:
        for other in expected:
            found |= hmac.compare_digest(one, other)
    return found


def is_one_of(text: str, secrets: Sequence[SecretStr]) -> bool:
    """Return True if the text is one of the secrets, or tokens; in constant time over all of them."""
    return any_equal([octets(text)], [octets(secret.get_secret_value()) for secret in secrets])


def octets(text: str) -> bytes:
    """Return the text as UTF-8; halves of surrogate pairs do not make it raise."""
    return text.encode(errors="surrogatepass")


def is_near(timestamp: str, now: float, tolerance: int, *, per_second: int = 1) -> bool:
    """Return True if a time in plain digits, `per_second` to a second since 1970, is within the tolerance."""
    try:
        moment = float(timestamp) if timestamp.isascii() and timestamp.isdigit() else math.nan
    except ValueError:
        return False
    return abs(now - moment / per_second) <= tolerance


def decode(text: str, encoding: Encoding) -> bytes | None:
    """Return the bytes that a text stands for; None if it is not of the encoding."""
    try:
        match encoding:
            case "hex":
                return binascii.unhexlify(text)
            case "base64":
                return base64.b64decode(text, validate=True)
            case "base64url":
                return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except ValueError:  # binascii.Error is one too
        return None


def encode(content: bytes, encoding: Encoding) -> str:
    """Return the bytes as text."""
    match encoding:
        case "hex":
            return content.hex()
        case "base64":
            return base64.b64encode(content).decode()
        case "base64url":
            return base64.urlsafe_b64encode(content).decode().rstrip("=")
