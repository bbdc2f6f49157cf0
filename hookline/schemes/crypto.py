"""Constant-time comparison, timestamps and encodings, which the schemes share."""

import base64
import binascii
import hmac
import math
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Literal, TypeAlias

from pydantic import SecretStr

Encoding: TypeAlias = Literal["hex", "base64", "base64url"]

TimestampUnit: TypeAlias = Literal["seconds", "milliseconds", "iso8601"]
ISO8601 = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(?:[.,](\d{1,12}))?([Zz]|[+-]\d\d:?\d\d)", re.ASCII
)
"""A date and a time with an offset, as RFC 3339 and ISO 8601 write them, with any fraction of a second."""

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


def is_near(timestamp: str, now: float, tolerance: int, *, unit: TimestampUnit = "seconds") -> bool:
    """Return True if a time as the sender writes it is within the tolerance."""
    return abs(now - _moment(timestamp, unit)) <= tolerance


def written_time(now: float, unit: TimestampUnit) -> str:
    """Return a time as a sender writes it."""
    match unit:
        case "seconds":
            return str(int(now))
        case "milliseconds":
            return str(int(now * 1000))
        case "iso8601":
            return datetime.fromtimestamp(now, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _moment(timestamp: str, unit: TimestampUnit) -> float:
    """Return the seconds since 1970; NaN, which is near to nothing, where the text is no time."""
    if unit == "iso8601":
        return _iso_moment(timestamp)
    try:
        moment = float(timestamp) if timestamp.isascii() and timestamp.isdigit() else math.nan
    except ValueError:
        return math.nan
    return moment / (1000 if unit == "milliseconds" else 1)


def _iso_moment(timestamp: str) -> float:
    if not (read := ISO8601.fullmatch(timestamp[:64])):
        return math.nan
    date, time, fraction, offset = read.groups()
    try:
        whole = datetime.fromisoformat(f"{date}T{time}{'+00:00' if offset in 'Zz' else offset}")
    except ValueError:  # such as the 30th of February
        return math.nan
    return (whole - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds() + float(f"0.{fraction or 0}")


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
