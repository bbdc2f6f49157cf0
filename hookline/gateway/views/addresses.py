"""The addresses of the pages: filters as query parameters, and a check that an address is ours."""

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from hookline.inbox.search import Filter
from hookline.local_time import from_here, here
from hookline.states import DELIVERIES

MAX_FIELD = 512

_LOCAL = re.compile(
    r"/(?:uncertain|sources|replay|discard|deliveries/[0-9a-f-]{36}|prefect/[\w/.~-]*)?(?:\?[\w=&%.+-]*)?",
    re.ASCII,
)
_NUMBER = re.compile(r"[0-9]{1,18}", re.ASCII)


def local(address: str) -> str:
    """Return the address if it is one of our pages; else that of the inbox."""
    return address if _LOCAL.fullmatch(address) else "/"


def read_filter(fields: Mapping[str, str]) -> Filter:
    """Return the filter in an address or a form; a value that makes no sense is ignored."""
    state = fields.get("state", "")
    return Filter(
        source=_text(fields, "source"),
        state=state if state in DELIVERIES.states else "",
        key=_text(fields, "key").strip(),
        about=_text(fields, "about").strip(),
        since=_time(fields, "since"),
        until=_time(fields, "until"),
        text=_text(fields, "text"),
        after=_number(fields, "after"),
        before=_number(fields, "before"),
    )


def fields_of(filter_: Filter, **changed: Any) -> dict[str, str]:
    """Return a filter as the fields of an address or a form, without the empty ones."""
    fields = vars(replace(filter_, **changed)) if changed else vars(filter_)
    return {name: _written(value) for name, value in fields.items() if value not in {"", None}}


def link(path: str, filter_: Filter, **changed: Any) -> str:
    """Return the address of a page with the filter, after these changes."""
    fields = fields_of(filter_, **changed)
    return f"{path}?{urlencode(fields)}" if fields else path


def _text(fields: Mapping[str, str], name: str) -> str:
    return fields.get(name, "").replace("\0", "")[:MAX_FIELD]


def _number(fields: Mapping[str, str], name: str) -> int | None:
    text = fields.get(name, "")
    return int(text) if _NUMBER.fullmatch(text) else None


def _time(fields: Mapping[str, str], name: str) -> datetime | None:
    """Return a time as browsers write it, `2026-03-04T10:00`; in the firm's zone, unless it names another."""
    try:
        time = datetime.fromisoformat(fields.get(name, "").strip())
        return from_here(time)
    except (ValueError, OverflowError):
        return None


def _written(value: Any) -> str:
    if isinstance(value, datetime):
        plain = here(value).replace(tzinfo=None, fold=0)
        is_clear = from_here(plain) == value  # else the hour comes twice that night
        return (plain if is_clear else value).isoformat(timespec="seconds")
    return str(value)
