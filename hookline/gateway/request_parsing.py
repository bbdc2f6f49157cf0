"""A request as the gateway reads it: bounded, and never in a way that a stranger's bytes could break."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from urllib.parse import parse_qsl

from starlette.responses import JSONResponse
from starlette.types import Receive, Scope

MAX_PARAMETERS = 1_000
RETRY_AFTER = "5"
"""Seconds, for senders that are asked to come again."""


class Rejection(Exception):  # an answer, not a fault
    """An answer other than 2xx: nothing was kept."""

    def __init__(self, status: int, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(status, detail, headers)  # so that it comes whole out of another process
        self.status = status
        self.detail = detail
        self._headers = headers

    @property
    def response(self) -> JSONResponse:
        """What the sender is told."""
        return JSONResponse({"detail": self.detail}, self.status, headers=self._headers)


class BrokenOff(Rejection):
    """A body that did not come whole, though bytes of it were taken."""


class InFlight:
    """Counts the bytes of bodies that are held: so many in all, and so many for each who has them held."""

    def __init__(self) -> None:
        self._max = self._max_of_one = 0
        self._all = 0
        self._of: Counter[str] = Counter()

    def resize(self, most: int, max_of_one: int) -> None:
        """Allow so many bytes in all, and so many for each."""
        self._max, self._max_of_one = most, max_of_one

    @contextmanager
    def held(self, holder: str) -> Iterator[Callable[[int], None]]:
        """Give a function that counts so many more bytes, or raises Rejection; at the end they are let go."""
        mine = 0

        def more(number: int) -> None:
            nonlocal mine
            if self._of[holder] + number > self._max_of_one or self._all + number > self._max:
                raise come_again("Too much is being sent at once; send it again.")
            self._of[holder] += number
            self._all += number
            mine += number

        try:
            yield more
        finally:
            self._all -= mine
            self._of[holder] -= mine
            if not self._of[holder]:
                del self._of[holder]


def read_headers(scope: Scope) -> dict[str, str]:
    """The headers by names in lower case; what came several times is joined, as HTTP says."""
    headers: dict[str, str] = {}
    for raw_name, raw_value in scope["headers"]:
        name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers


def read_query(scope: Scope) -> dict[str, str]:
    """The parameters of the address, the last value of each; none if there are too many."""
    text = scope["query_string"].decode("latin-1").replace("%00", "%EF%BF%BD")  # PostgreSQL keeps no NUL
    if not text:
        return {}
    try:
        return dict(parse_qsl(text, keep_blank_values=True, errors="replace", max_num_fields=MAX_PARAMETERS))
    except ValueError:
        return {}


async def read_body(
    receive: Receive, headers: Mapping[str, str], *, limit: int, seconds: float, more: Callable[[int], None]
) -> bytes:
    """
    The body as it came, no longer than `limit` bytes and no slower than `seconds`.

    `more` counts the bytes that are held, and raises Rejection where they are too many.

    Raises:
        BrokenOff: it is longer, slower, or breaks off.
        Rejection: it says itself that it is longer, or too much is held already.
    """
    announced = headers.get("content-length", "0")
    if not announced.isdecimal() or int(announced[:20]) > limit:
        raise Rejection(413, _too_long(limit))
    try:
        async with asyncio.timeout(seconds):
            return b"".join(await _chunks(receive, limit, more))
    except TimeoutError:
        detail = f"The body took longer than {seconds:g} seconds."
        raise BrokenOff(408, detail, {"Connection": "close"}) from None


async def _chunks(receive: Receive, limit: int, more: Callable[[int], None]) -> list[bytes]:
    chunks, length, unfinished = [], 0, True
    while unfinished:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise BrokenOff(400, "The body broke off.")
        chunk = message.get("body", b"")
        more(len(chunk))
        chunks.append(chunk)
        length += len(chunk)
        if length > limit:
            raise BrokenOff(413, _too_long(limit))
        unfinished = message.get("more_body", False)
    return chunks


def require_plain(headers: Mapping[str, str]) -> None:
    """
    Check that the body is not compressed: what is signed and kept is what came, and nothing is unpacked.

    Raises:
        Rejection: it is.
    """
    encoding = headers.get("content-encoding", "identity").strip().lower()
    if encoding not in {"", "identity"}:
        raise Rejection(415, "Send the body as it is, without a Content-Encoding.")


def come_again(detail: str = "Cannot keep this now; send it again.") -> Rejection:
    """The answer to what cannot be taken just now."""
    return Rejection(503, detail, {"Retry-After": RETRY_AFTER})


def _too_long(limit: int) -> str:
    return f"The body is longer than {limit} bytes."
