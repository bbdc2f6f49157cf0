"""The addresses of the pages: what one narrows the list to, and which are ours."""

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from hookline.inbox.search import Filter
from hookline.states import DELIVERIES

LONGEST = 512

_LOCAL = re.compile(
    r"/(?:uncertain|sources|replay|discard|deliveries/[0-9a-f-]{36}|prefect/[\w/.~-]*)?(?:\?[\w=&%.+-]*)?",
    re.ASCII,
)
_NUMBER = re.compile(r"[0-9]{1,18}", re.ASCII)


def local(address: str) -> str:
    """The address, if it is one of our pages; else the inbox."""
    return address if _LOCAL.fullmatch(address) else "/"


def wanted(fields: Mapping[str, str]) -> Filter:
    """What an address or a form narrows the list to; what makes no sense narrows nothing."""
    state = fields.get("state", "")
    return Filter(
        source=_text(fields, "source"),
        state=state if state in DELIVERIES.states else "",
        key=_text(fields, "key").strip(),
        since=_time(fields, "since"),
        until=_time(fields, "until"),
        text=_text(fields, "text"),
        after=_number(fields, "after"),
        before=_number(fields, "before"),
    )


def fields_of(filter_: Filter, **changed: Any) -> dict[str, str]:
    """A filter as the fields of an address or a form, those that narrow anything."""
    fields = vars(replace(filter_, **changed)) if changed else vars(filter_)
    return {name: _written(value) for name, value in fields.items() if value not in {"", None}}


def link(path: str, filter_: Filter, **changed: Any) -> str:
    """The address of a page, narrowed by the filter with these changes."""
    fields = fields_of(filter_, **changed)
    return f"{path}?{urlencode(fields)}" if fields else path


def _text(fields: Mapping[str, str], name: str) -> str:
    return fields.get(name, "").replace("\0", "")[:LONGEST]


def _number(fields: Mapping[str, str], name: str) -> int | None:
    given = fields.get(name, "")
    return int(given) if _NUMBER.fullmatch(given) else None


def _time(fields: Mapping[str, str], name: str) -> datetime | None:
    """A time as browsers write it, `2026-03-04T10:00`; UTC, like all times of the pages."""
    try:
        given = datetime.fromisoformat(fields.get(name, "").strip())
        return given.astimezone(UTC) if given.tzinfo else given.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None


def _written(value: Any) -> str:
    if isinstance(value, datetime):
        return value.replace(tzinfo=None).isoformat(timespec="seconds")
    return str(value)
