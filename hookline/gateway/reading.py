"""A request as the gateway reads it: bounded, and never in a way that a stranger's bytes could break."""

import asyncio
from collections.abc import Mapping
from urllib.parse import parse_qsl

from starlette.responses import JSONResponse
from starlette.types import Receive, Scope

MOST_PARAMETERS = 1_000
RETRY_AFTER = "5"
"""Seconds, for senders that are asked to come again."""


class Rejection(Exception):  # an answer, not a fault
    """An answer other than 2xx: nothing was kept."""

    def __init__(self, status: int, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.response = JSONResponse({"detail": detail}, status, headers=headers)


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
        return dict(parse_qsl(text, keep_blank_values=True, errors="replace", max_num_fields=MOST_PARAMETERS))
    except ValueError:
        return {}


async def read_body(receive: Receive, headers: Mapping[str, str], *, limit: int, seconds: float) -> bytes:
    """
    The body as it came, no longer than `limit` bytes and no slower than `seconds`.

    Raises:
        Rejection: it is longer, slower, or breaks off.
    """
    announced = headers.get("content-length", "0")
    if not announced.isdecimal() or int(announced[:20]) > limit:
        raise _too_long(limit)
    body = bytearray()
    try:
        async with asyncio.timeout(seconds):
            more = True
            while more:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise Rejection(400, "The body broke off.")
                body += message.get("body", b"")
                if len(body) > limit:
                    raise _too_long(limit)
                more = message.get("more_body", False)
    except TimeoutError:
        raise Rejection(
            408, f"The body took longer than {seconds:g} seconds.", {"Connection": "close"}
        ) from None
    return bytes(body)


def require_plain(headers: Mapping[str, str]) -> None:
    """
    Check that the body is not compressed: what is signed and kept is what came, and nothing is unpacked.

    Raises:
        Rejection: it is.
    """
    encoding = headers.get("content-encoding", "identity").strip().lower()
    if encoding not in {"", "identity"}:
        raise Rejection(415, "Send the body as it is, without a Content-Encoding.")


def _too_long(limit: int) -> Rejection:
    return Rejection(413, f"The body is longer than {limit} bytes.")
