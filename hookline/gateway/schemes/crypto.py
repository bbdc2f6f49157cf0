"""What every scheme needs: a request's proof as values, comparing in constant time, times and encodings."""

import base64
import binascii
import hmac
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

Encoding: TypeAlias = Literal["hex", "base64", "base64url"]

MAX_SIGNATURES = 16
"""More in one request are not looked at."""


@dataclass(frozen=True)
class SignedRequest:
    """What a request proves itself with."""

    headers: Mapping[str, str]
    """By names in lower case; of a header that came several times, the values joined with a comma and a space."""
    query: Mapping[str, str] = field(default_factory=dict)
    path_secret: str = ""
    """The segment of the path after the source."""
    body: bytes = b""


@dataclass(frozen=True)
class AuthScheme:
    """What a sender adds to a request so that it is believed."""

    headers: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    path_secret: str = ""


def any_equal(given: Sequence[bytes], expected: Sequence[bytes]) -> bool:
    """Whether one is among the other; every pair is compared, so that the time taken tells nothing."""
    found = False
    for one in given:
        for other in expected:
            found |= hmac.compare_digest(one, other)
    return found


def octets(text: str) -> bytes:
    """The text as UTF-8; a text that is none never raises."""
    return text.encode(errors="surrogatepass")


def is_near(timestamp: str, now: float, tolerance: int, *, per_second: int = 1) -> bool:
    """Whether a time in plain digits, so many to a second since 1970, is within the tolerance, either way."""
    try:
        moment = float(timestamp) if timestamp.isascii() and timestamp.isdigit() else math.nan
    except ValueError:
        return False
    return abs(now - moment / per_second) <= tolerance


def decode(text: str, encoding: Encoding) -> bytes | None:
    """The bytes that a text stands for; None if it is not of the encoding."""
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
    """The bytes as text."""
    match encoding:
        case "hex":
            return content.hex()
        case "base64":
            return base64.b64encode(content).decode()
        case "base64url":
            return base64.urlsafe_b64encode(content).decode().rstrip("=")
