"""Bounded reading of a vendor's response: body, JSON, `Retry-After`, `Date`, request id; the same for all vendors."""

import json
import math
import re
import zlib
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final, cast

import httpx
from pydantic_core import from_json

from hookline.clients.errors import MAX_INTEGER
from hookline.text import storable, storable_json

MAX_WAIT: Final = 86_400.0  # seconds; longer waits are cut to a day
MAX_QUOTE: Final = 10_000  # bytes
MAX_ANSWER_BYTES: Final = 10 * 2**20
"""The longest answer, unpacked, where its operation says nothing else."""
MAX_DEPTH: Final = 100
"""Lists and objects within each other; the same limit as for deliveries."""
MAX_VALUES: Final = 1_000_000
"""Values in one answer: ten megabytes of `[],` would take twenty times as much in memory."""
_PIECE: Final = 65_536  # bytes unpacked at a time
_REQUEST_ID_HEADERS = ("x-request-id", "request-id", "x-correlation-id")
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_PACKED = {"gzip": 47, "x-gzip": 47, "deflate": 47}  # zlib's window bits: gzip or zlib, whichever it is
_NOT_STORABLE = re.compile(rb"\\u(?:0000|[dD][89a-fA-F])")
_GIANT = re.compile(rb"[0-9]{19}")
_INFINITE = re.compile(rb"[0-9]{300}|[0-9.][eE]\+?[0-9]{3}")
_HALF_PAIR = re.compile(rb"\\u[dD][89a-fA-F]")


class AnswerTooLarge(httpx.DecodingError):
    """An answer is longer than its operation allows; the rest was not read."""


async def read_bounded(response: httpx.Response, max_bytes: int) -> None:
    """
    Read an answer piece by piece, unpacked, up to `max_bytes`.

    Raises:
        AnswerTooLarge: it is longer, packed or unpacked.
        httpx.DecodingError: it cannot be unpacked, or is packed in a way that was not asked for.
    """
    packed, content = 0, bytearray()
    unpack = _Unpacker(response)
    stream = cast("httpx.AsyncByteStream", response.stream)
    async for chunk in stream:
        packed += len(chunk)
        for piece in unpack(chunk):
            content += piece
            if max(packed, len(content)) > max_bytes:
                raise AnswerTooLarge(f"it is larger than {max_bytes} bytes", request=response.request)
    unpack.end()
    await stream.aclose()
    for name in ("content-encoding", "transfer-encoding", "content-length"):
        response.headers.pop(name, None)
    response.stream = httpx.ByteStream(bytes(content))


class _Unpacker:
    """An unpacker that works in small pieces, so that it can be stopped after any of them."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        encoding = response.headers.get("content-encoding", "").strip().lower()
        if encoding not in {"", "identity", *_PACKED}:
            raise self._error(f"it is packed as {encoding[:40]}, which was not asked for")
        self.unpacker = zlib.decompressobj(_PACKED[encoding]) if encoding in _PACKED else None
        self.started = False

    def __call__(self, chunk: bytes) -> Iterator[bytes]:
        if self.unpacker is None:
            yield chunk
            return
        self.started = self.started or bool(chunk)
        while chunk and not self.unpacker.eof:
            try:
                piece = self.unpacker.decompress(chunk, _PIECE)
            except zlib.error as error:
                raise self._error(f"it cannot be unpacked: {error}") from None
            chunk = self.unpacker.unconsumed_tail
            yield piece

    def end(self) -> None:
        """Raise if the answer ended in the middle."""
        if self.unpacker is not None and self.started and not self.unpacker.eof:
            raise self._error("it cannot be unpacked: it breaks off")

    def _error(self, problem: str) -> httpx.DecodingError:
        return httpx.DecodingError(problem, request=self.response.request)


def retry_after(header: str | None, now: datetime | None = None) -> float | None:
    """Return the seconds to wait by a `Retry-After` header, 0 to a day; None if it is absent or makes no sense."""
    if header is None:
        return None
    with suppress(ValueError, TypeError, OverflowError):
        seconds = float(header) if header.isascii() else math.nan
        return min(max(seconds, 0.0), MAX_WAIT) if math.isfinite(seconds) else None
    with suppress(ValueError, TypeError, OverflowError, IndexError):
        seconds = (_http_date(header) - (now or datetime.now(UTC))).total_seconds()
        return min(max(seconds, 0.0), MAX_WAIT)
    return None


def clock_ahead(header: str | None, now: datetime) -> float | None:
    """Return the seconds by which a `Date` header is ahead of `now`; None if it is absent or makes no sense."""
    with suppress(ValueError, TypeError, OverflowError, IndexError):
        return (_http_date(header or "") - now).total_seconds()
    return None


def _http_date(header: str) -> datetime:
    moment = parsedate_to_datetime(header)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def request_id(response: httpx.Response) -> str | None:
    """Return the vendor's own id of the request, if a header holds one."""
    values = (response.headers.get(name) for name in _REQUEST_ID_HEADERS)
    return next((value for value in values if value), None)


def json_value(response: httpx.Response) -> Any:
    """
    Return the body as JSON that can be stored; raise ValueError if it is none, too deep or too large.

    Integers may be of any size; see `may_hold_giants`.
    """
    content = response.content.removeprefix(_BYTE_ORDER_MARK)
    opened = content.count(b"[") + content.count(b"{")
    if content.count(b",") + opened > MAX_VALUES:
        raise ValueError(f"it holds more than {MAX_VALUES} values")
    value = _parsed(content)
    if (opened > MAX_DEPTH or _INFINITE.search(content)) and not _is_within(value, MAX_DEPTH):
        raise ValueError(f"more than {MAX_DEPTH} lists or objects within each other")
    return storable_json(value) if _NOT_STORABLE.search(content) else value


def _parsed(content: bytes) -> Any:
    try:
        return from_json(content, allow_inf_nan=False)
    except ValueError:
        if not _HALF_PAIR.search(content):
            raise
    try:  # pydantic's parser refuses half an emoji, which Python's takes
        return json.loads(content, parse_constant=_refuse)
    except RecursionError:
        raise ValueError("too many lists or objects within each other") from None


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")


def _is_within(value: Any, depth: int) -> bool:
    """Return True if a JSON value is no deeper than that; raise ValueError for a number that JSON does not have."""
    level = [value]
    while level:
        if depth < 0:
            return False
        inner: list[Any] = []
        for one in level:
            if isinstance(one, dict):
                inner += one.values()
            elif isinstance(one, list):
                inner += one
            elif isinstance(one, float) and not math.isfinite(one):
                raise ValueError("it holds a number that is too large")
        level, depth = inner, depth - 1
    return True


def may_hold_giants(response: httpx.Response) -> bool:
    """Return True if the body has enough digits in a row for an integer beyond 64 bits."""
    return _GIANT.search(response.content) is not None


def texts_for_giants(value: Any) -> Any:
    """Return the JSON value with integers beyond 64 bits as texts: such integers are ids, not amounts."""
    match value:
        case int() if abs(value) > MAX_INTEGER:
            return str(value)
        case dict():
            return {name: texts_for_giants(inner) for name, inner in value.items()}
        case list():
            return [texts_for_giants(inner) for inner in value]
        case _:
            return value


def giant_in(value: Any, place: tuple[str, ...] = ()) -> str | None:
    """Return the place of an integer beyond 64 bits in a value; None if there is none."""
    match value:
        case int() if abs(value) > MAX_INTEGER:
            return ".".join(place) or "it"
        case dict():
            parts: list[tuple[Any, Any]] = list(value.items())
        case list() | tuple():
            parts = list(enumerate(value))
        case _:
            return None
    return next(filter(None, (giant_in(inner, (*place, str(name))) for name, inner in parts)), None)


def absent_from(value: Any, fields: str) -> str | None:
    """
    Return the first of these fields that a JSON value does not have; None if it has them all.

    Args:
        value: an object, or a list of them: it is enough that one has the field, and an empty one lacks nothing.
        fields: names in any case, with blanks between; `Lines.PartNo` is a field of what `Lines` has, if there is any;
            of `PartNo|CommentLine`, the second is enough where it is true.
    """
    return next((field for field in fields.split() if not _has(value, field.lower().split("."))), None)


def _has(value: Any, names: list[str]) -> bool:
    if isinstance(value, list):
        return not value or any(_has(each, names) for each in value)
    if not isinstance(value, dict):
        return False
    own = {name.lower(): each for name, each in value.items()}
    if len(names) == 1:
        name, *instead = names[0].split("|")
        return name in own or any(own.get(each) for each in instead)
    return own.get(names[0]) is None or _has(own[names[0]], names[1:])


def loose_json(response: httpx.Response) -> Any:
    """Return the body as JSON, or None if it is none."""
    with suppress(ValueError):
        return json_value(response)
    return None


def start_of(response: httpx.Response) -> str:
    """Return the start of an unreadable answer for the error's text, which is cut after masking."""
    return storable(response.content[:MAX_QUOTE].decode("utf-8", "replace"))
