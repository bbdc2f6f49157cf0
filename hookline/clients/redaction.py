"""Hides secrets in everything that leaves this package: texts of errors, log lines, addresses."""

import json
import logging
import re
from collections.abc import Iterable
from contextvars import ContextVar
from typing import Final
from urllib.parse import quote, quote_plus

MASK: Final = "***"
SHORTEST_SECRET = 4  # shorter ones would blot out ordinary words

in_vendor_call: ContextVar[bool] = ContextVar("in_vendor_call", default=False)

_LOGGERS_THAT_PRINT_URLS_OR_COOKIES = (
    "httpx",
    "httpcore.connection",
    "httpcore.http11",
    "httpcore.http2",
    "httpcore.proxy",
    "httpcore.socks",
)
_PATTERNS = (
    (re.compile(r"(?i)(/auth/sys/login)/[^/\s]+/[^/\s]+/[^/\s?#]+"), rf"\1/{MASK}/{MASK}/{MASK}"),
    (re.compile(r"(?i)(/auth/sys/logoff|/api/[A-Za-z]+/[A-Za-z]+)/[^/\s?#]+"), rf"\1/{MASK}"),
    (re.compile(r"(?i)(/Webhooks/Subscribers)/[^/\s?#]+"), rf"\1/{MASK}"),
    (
        re.compile(r"(?i)\b(apikey|password|token|access_token|ss-id|x-authkey|client_secret)=[^&\s;]+"),
        rf"\1={MASK}",
    ),
    (re.compile(r"(?i)\b(bearer|basic)\s+[^\s\"',]+"), rf"\1 {MASK}"),
    (
        re.compile(r"(?i)(\"(?:password|apikey|x-apikey|token|access_token|sessionid)\"\s*:\s*)\"[^\"]*\""),
        rf'\1"{MASK}"',
    ),
)


def redact(text: str, secrets: Iterable[str] = ()) -> str:
    """The text with the given secrets, plain or quoted, and whatever looks like one masked."""
    for secret in sorted(set(secrets), key=len, reverse=True):
        if len(secret) >= SHORTEST_SECRET:
            for form in _forms(secret):
                text = text.replace(form, MASK)
    for pattern, replacement in _PATTERNS:
        text = pattern.sub(replacement, text)
    return text


def _forms(secret: str) -> set[str]:
    """The ways a secret may be written: plain, in an address, in JSON, in Python."""
    addressed = {quote(secret, safe=""), quote(secret), quote_plus(secret)}
    return {
        secret,
        json.dumps(secret)[1:-1],
        json.dumps(secret, ensure_ascii=False)[1:-1],
        repr(secret)[1:-1],
    } | addressed


def _outside_vendor_calls(_record: logging.LogRecord) -> bool:
    return not in_vendor_call.get()


def silence_foreign_loggers() -> None:
    """
    Drop what httpx and httpcore log during our calls: they print whole addresses and cookies.

    Their records about other people's calls pass. Our own line, redacted, is logged by the transport at
    DEBUG.
    """
    for name in _LOGGERS_THAT_PRINT_URLS_OR_COOKIES:
        logging.getLogger(name).addFilter(_outside_vendor_calls)
