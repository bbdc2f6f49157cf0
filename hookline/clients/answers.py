"""What can be read from a vendor's response whoever the vendor is."""

import math
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final

import httpx
from pydantic_core import from_json

LONGEST_WAIT: Final = 86_400.0  # seconds; a vendor that asks for more is asked again after a day
LONGEST_QUOTE: Final = 10_000  # bytes
_REQUEST_ID_HEADERS = ("x-request-id", "request-id", "x-correlation-id")
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def retry_after(header: str | None, now: datetime | None = None) -> float | None:
    """Seconds to wait by a `Retry-After` header, 0 to a day; None if there is none or it makes no sense."""
    if header is None:
        return None
    with suppress(ValueError, TypeError, OverflowError):
        seconds = float(header) if header.isascii() else math.nan
        return min(max(seconds, 0.0), LONGEST_WAIT) if math.isfinite(seconds) else None
    with suppress(ValueError, TypeError, OverflowError, IndexError):
        moment = parsedate_to_datetime(header)
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return min(max((moment - (now or datetime.now(UTC))).total_seconds(), 0.0), LONGEST_WAIT)
    return None


def clock_ahead(header: str | None, now: datetime) -> float | None:
    """Seconds by which a `Date` header is ahead of `now`; None if there is none or it makes no sense."""
    with suppress(ValueError, TypeError, OverflowError, IndexError):
        moment = parsedate_to_datetime(header or "")
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return (moment - now).total_seconds()
    return None


def request_id(response: httpx.Response) -> str | None:
    """The vendor's own id of the request, if a header tells it."""
    found = (response.headers.get(name) for name in _REQUEST_ID_HEADERS)
    return next((value for value in found if value), None)


def json_value(response: httpx.Response) -> Any:
    """The body as JSON; raises ValueError if it is none."""
    return from_json(response.content.removeprefix(_BYTE_ORDER_MARK), allow_inf_nan=False)


def loose_json(response: httpx.Response) -> Any:
    """The body as JSON, or None."""
    with suppress(ValueError):
        return json_value(response)
    return None


def start_of(response: httpx.Response) -> str:
    """The beginning of an answer that cannot be read, for the error's text, which is cut after masking."""
    return response.content[:LONGEST_QUOTE].decode("utf-8", "replace")
