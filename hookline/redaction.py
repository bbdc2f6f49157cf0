"""
Masking of secrets in everything that is shown or stored: reasons, log lines, texts of errors, addresses.

A secret that this process knows (`learn`) is masked wherever it is; `redact` masks what looks like one, too.
"""

import base64
import json
import logging
import re
from collections.abc import Iterable
from typing import Any, Final
from urllib.parse import quote, quote_plus

MASK: Final = "***"
MIN_SECRET = 4  # shorter ones would blot out ordinary words
KEY_PREFIX: Final = "whsec_"
"""Of a secret of Standard Webhooks, which is known without it too."""

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


class _Known:
    """The secrets of this process."""

    def __init__(self) -> None:
        self.secrets: set[str] = set()
        self.pattern: re.Pattern[str] | None = None

    def add(self, secrets: Iterable[str]) -> None:
        """Add those that are too long to be ordinary words."""
        new = {secret for secret in secrets if len(secret) >= MIN_SECRET} - self.secrets
        if new:
            self.secrets |= new
            self.pattern = pattern_of(self.secrets)


_known = _Known()


def learn(secrets: Iterable[str]) -> None:
    """Mask these from now on in everything that this process shows or stores."""
    _known.add(secrets)


def mask(text: str) -> str:
    """Return the text with every secret masked that this process knows."""
    pattern = _known.pattern
    return text if pattern is None else pattern.sub(MASK, text)


def redact(text: str, secrets: Iterable[str] = ()) -> str:
    """Return the text without these and the known secrets, plain or quoted, and without all that looks like one."""
    more = {secret for secret in secrets if len(secret) >= MIN_SECRET} - _known.secrets
    text = mask(pattern_of(more).sub(MASK, text) if more else text)
    for pattern, replacement in _PATTERNS:
        text = pattern.sub(replacement, text)
    return text


def mask_logs() -> None:
    """Mask known secrets in every record of this process, its traceback too, whichever handler writes it."""
    factory = logging.getLogRecordFactory()
    if not isinstance(factory, _MaskedRecords):
        logging.setLogRecordFactory(_MaskedRecords(factory))


class _MaskedRecords:
    """A factory of log records without secrets."""

    def __init__(self, factory: Any) -> None:
        self.factory = factory
        self.formatter = logging.Formatter()

    def __call__(self, *args: Any, **kwargs: Any) -> logging.LogRecord:
        record: logging.LogRecord = self.factory(*args, **kwargs)
        if _known.pattern is not None:
            self._mask(record)
        return record

    def _mask(self, record: logging.LogRecord) -> None:
        try:
            message = record.getMessage()
        except Exception:  # noqa: BLE001  (a handler reports it)
            return
        if (masked := mask(message)) != message:
            record.msg, record.args = masked, None
        if record.exc_info:
            record.exc_text = mask(self.formatter.formatException(record.exc_info))


def masked(formatter: logging.Formatter | None) -> logging.Formatter:
    """Return a formatter that writes as this one does, with known secrets masked."""
    return _Masked(formatter or logging.Formatter())


class _Masked(logging.Formatter):
    def __init__(self, inner: logging.Formatter) -> None:
        super().__init__()
        self.inner = inner

    def format(self, record: logging.LogRecord) -> str:
        return mask(self.inner.format(record))


def pattern_of(secrets: Iterable[str], flags: re.RegexFlag = re.NOFLAG) -> re.Pattern[str]:
    """Return a pattern that finds any of the secrets in any spelling, the longest first."""
    found = {spelling for secret in secrets for spelling in _spellings(secret)}
    return re.compile("|".join(map(re.escape, sorted(found, key=len, reverse=True))), flags)


def _spellings(secret: str) -> set[str]:
    """Return a secret as it is, and as headers, addresses, log-ins, JSON and Python write it."""
    has_prefix = secret.startswith(KEY_PREFIX) and len(secret) > MIN_SECRET + len(KEY_PREFIX)
    return {
        spelling
        for text in {secret, secret.removeprefix(KEY_PREFIX) if has_prefix else secret}
        for spelling in (
            text,
            text.encode(errors="surrogatepass").decode("latin-1"),  # as a header comes
            *_in_addresses(text.encode(errors="surrogatepass")),
            base64.b64encode(text.encode(errors="surrogatepass")).decode().rstrip("="),
            json.dumps(text)[1:-1],
            json.dumps(text, ensure_ascii=False)[1:-1],
            repr(text)[1:-1],
        )
    }


def _in_addresses(octets: bytes) -> tuple[str, str, str]:
    return quote(octets), quote(octets, safe=""), quote_plus(octets)
