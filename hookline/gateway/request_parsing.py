"""Parsing of requests: headers, query and body within limits, whatever bytes a stranger sends."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from urllib.parse import parse_qsl

from starlette.responses import JSONResponse
from starlette.types import Receive, Scope

CHECK_HEADER = "x-hookline-check"
"""Of a request that asks if its secret is accepted: it is verified, answered 204, and delivers nothing."""
MAX_PARAMETERS = 1_000
RETRY_AFTER = "5"
"""Seconds, for senders that should try again."""


class Rejection(Exception):  # an answer, not a fault
    """An answer other than 2xx: nothing was stored."""

    def __init__(
        self,
        status: int,
        detail: str,
        headers: Mapping[str, str] | None = None,
        *,
        is_listed: bool = False,
    ) -> None:
        super().__init__(status, detail, headers)  # so that it comes whole out of another process
        self.is_listed = is_listed
        """People see it among the refused requests, though its status is not one of those that are listed anyway."""
        self.status = status
        self.detail = detail
        self._headers = headers

    @property
    def response(self) -> JSONResponse:
        """The answer to the sender."""
        return JSONResponse({"detail": self.detail}, self.status, headers=self._headers)


class IncompleteBody(Rejection):
    """A body that did not arrive complete, though bytes of it were read."""


class InFlight:
    """A limiter for bytes of bodies in memory: a limit in all, and a limit for each holder, such as a source."""

    def __init__(self) -> None:
        self._max = self._max_of_one = 0
        self._all = 0
        self._of: Counter[str] = Counter()

    def resize(self, maximum: int, max_of_one: int) -> None:
        """Set both limits, in bytes."""
        self._max, self._max_of_one = maximum, max_of_one

    @contextmanager
    def reserving(self, holder: str) -> Iterator[Callable[[int], None]]:
        """Yield a function that reserves bytes, or raises Rejection; they are released at the end."""
        mine = 0

        def reserve(number: int) -> None:
            nonlocal mine
            if self._of[holder] + number > self._max_of_one or self._all + number > self._max:
                raise retry_later("Too much is being sent at once; send it again.")
            self._of[holder] += number
            self._all += number
            mine += number

        try:
            yield reserve
        finally:
            self._all -= mine
            self._of[holder] -= mine
            if not self._of[holder]:
                del self._of[holder]


def read_headers(scope: Scope) -> dict[str, str]:
    """Return the headers by names in lower case; one that came several times is joined, as HTTP says."""
    headers: dict[str, str] = {}
    for raw_name, raw_value in scope["headers"]:
        name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers


def read_query(scope: Scope) -> dict[str, str]:
    """Return the parameters of the address, the last value of each; none if there are too many."""
    text = scope["query_string"].decode("latin-1").replace("%00", "%EF%BF%BD")  # PostgreSQL stores no NUL
    if not text:
        return {}
    try:
        return dict(parse_qsl(text, keep_blank_values=True, errors="replace", max_num_fields=MAX_PARAMETERS))
    except ValueError:
        return {}


async def read_body(
    receive: Receive,
    headers: Mapping[str, str],
    *,
    limit: int,
    seconds: float,
    reserve: Callable[[int], None],
) -> bytes:
    """
    Return the body as it came, no longer than `limit` bytes and no slower than `seconds`.

    Raises:
        IncompleteBody: it is longer, slower, or the connection is lost.
        Rejection: its header announces more, or `reserve` finds too many bytes in memory.
    """
    announced = headers.get("content-length", "0")
    if not announced.isdecimal() or int(announced[:20]) > limit:
        raise Rejection(413, _too_long(limit))
    try:
        async with asyncio.timeout(seconds):
            return b"".join(await _chunks(receive, limit, reserve))
    except TimeoutError:
        detail = f"The body took longer than {seconds:g} seconds."
        raise IncompleteBody(408, detail, {"Connection": "close"}) from None


async def _chunks(receive: Receive, limit: int, reserve: Callable[[int], None]) -> list[bytes]:
    chunks, length, unfinished = [], 0, True
    while unfinished:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise IncompleteBody(400, "The body broke off.")
        chunk = message.get("body", b"")
        reserve(len(chunk))
        chunks.append(chunk)
        length += len(chunk)
        if length > limit:
            raise IncompleteBody(413, _too_long(limit))
        unfinished = message.get("more_body", False)
    return chunks


def retry_later(detail: str = "Cannot store this now; send it again.") -> Rejection:
    """Return the answer to a request that cannot be stored just now."""
    return Rejection(503, detail, {"Retry-After": RETRY_AFTER})


def _too_long(limit: int) -> str:
    return f"The body is longer than {limit} bytes."
