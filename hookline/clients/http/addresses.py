"""The address of a call: a path at the account's own address. No input leads a log-in to another host."""

import re
from typing import Final
from urllib.parse import parse_qs, unquote, urlsplit

from hookline.text import one_line

MAX_ADDRESS: Final = 8_000
_UNSENDABLE = re.compile(r"[\x00-\x20\x7f-\U0010ffff\\]")
_SLASH = re.compile(r"[/\\]")
_OF_ONE_RECORD = re.compile(r"[\d@]")
_PORTS = {"http": 80, "https": 443}


def address_of(base_url: str, path: str) -> str:
    """
    Return the whole address of a call.

    Args:
        base_url: the account's address.
        path: begins with a slash, and is added to it; or a whole address that begins with the account's own, such as
            an answer gives for the next page.

    Raises:
        ValueError: it leads elsewhere, or is no path; says why.
    """
    if len(path) > MAX_ADDRESS:
        raise ValueError(f"the path is longer than {MAX_ADDRESS} characters")
    if _UNSENDABLE.search(path):
        raise ValueError(
            "the path holds a blank, a backslash or another character that must be quoted with %"
        )
    if "#" in path:
        raise ValueError("the path holds a number sign, which is not sent: quote it as %23")
    rest = path if path.startswith("/") and not path.startswith("//") else _within(base_url, path)
    for segment in rest.partition("?")[0].split("/"):
        if _is_up(segment):
            raise ValueError("the path holds `.` or `..`, which would change the address")
    return base_url.rstrip("/") + rest


def name_of(method: str, path: str) -> str:
    """Return the name of a call for people, the same for every record: `PUT /orders/…`."""
    try:
        segments = urlsplit(path).path.split("/")
    except ValueError:  # no address; it is refused where it is built
        segments = ["…"]
    return one_line(
        f"{method} " + "/".join("…" if _OF_ONE_RECORD.search(each) else each for each in segments), 120
    )


def query_of(path: str) -> dict[str, list[str]]:
    """Return the query that a path holds itself; a name may come more than once."""
    return parse_qs(path.partition("?")[2], keep_blank_values=True)


def _within(base_url: str, path: str) -> str:
    """Return the part of a whole address behind the account's own."""
    try:
        own, there = urlsplit(base_url), urlsplit(path)
        places = [(each.scheme, each.hostname, each.port or _PORTS.get(each.scheme)) for each in (own, there)]
    except ValueError:
        raise ValueError("the address cannot be read") from None
    if not (there.scheme or there.netloc):
        raise ValueError("a path begins with a slash")
    place = one_line(f"{there.scheme or own.scheme}://{there.hostname}", 100)
    prefix = own.path.rstrip("/")
    if there.username is not None or there.password is not None:
        raise ValueError(f"the address at {place} holds a user or a password")
    if places[0] != places[1] or not there.path.startswith(f"{prefix}/"):
        raise ValueError(
            f"{place} is not the address of this account, {base_url}; its log-in goes nowhere else. What is at "
            "another address has an account of its own"
        )
    return there.path.removeprefix(prefix) + (f"?{there.query}" if there.query else "")


def _is_up(segment: str) -> bool:
    """Return True for `.` and `..`, however often they are quoted, and with what servers strip behind them (`..;x`)."""
    while (decoded := unquote(segment)) != segment:
        segment = decoded
    return any(each.partition(";")[0] in (".", "..") for each in _SLASH.split(segment))
