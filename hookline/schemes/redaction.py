"""Redaction of requests: what authenticates a sender is not stored, in whatever place and spelling it came."""

import re
from collections.abc import Sequence
from functools import lru_cache

from pydantic import SecretStr

from hookline.redaction import pattern_of

REDACTED = "[redacted]"
SECRET_HEADERS = {
    "authorization",
    "cookie",
    "proxy-authorization",
    "svix-signature",
    "webhook-signature",
    "x-hookline-key",
    "x-hookline-proxy",
}


def masked(text: str, known: Sequence[SecretStr]) -> str:
    """Return the text without the known secrets, plain or as addresses and log-ins write them."""
    pattern = _pattern(tuple(secret.get_secret_value() for secret in known))
    return pattern.sub(REDACTED, text) if pattern else text


@lru_cache(maxsize=256)
def _pattern(secrets: tuple[str, ...]) -> re.Pattern[str] | None:
    return pattern_of(secrets, re.IGNORECASE) if secrets else None  # %2f is %2F
