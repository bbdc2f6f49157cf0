"""
Jifeline's list queries: filters, limit and offset, and the envelope that answers them.

A parameter that is not known is ignored; one whose value cannot be read is a problem.
"""

import operator
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from starlette.datastructures import QueryParams

from hookline.simulators.control import Call, RefusedError
from hookline.simulators.records import Document

MAX_ROWS = 1000
USUAL_ROWS = 25
INT64 = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Filter:
    """A filter of a list: its field, how its value is read, and how the row's is compared with it."""

    field: str
    read: Callable[[str], Any]
    passes: Callable[[Any, Any], bool] = operator.eq


Filters = Mapping[str, Filter]


def invalid(field: str, message: str) -> RefusedError:
    """Return the problem that names a field: 400."""
    return RefusedError(400, message, field)


def envelope(call: Call, rows: Iterable[Document], filters: Filters) -> Document:
    """
    Return the page asked for, the parameters that were applied, and the number of rows in all.

    Raises:
        RefusedError: a value cannot be read.
    """
    query = call.query
    offset, limit = number(query, "offset", 0, high=INT64), number(query, "limit", USUAL_ROWS)
    matched, start = matching(query, rows, filters), call.start(offset)
    return {
        "query": applied(query, filters) | {"limit": limit, "offset": offset},
        "result": matched[start : start + limit],
        "total": len(matched),
    }


def matching(query: QueryParams, rows: Iterable[Document], filters: Filters) -> list[Document]:
    """Return the rows that pass every filter of the query."""
    tests = [(each, value(query, name, each.read)) for name, each in filters.items() if name in query]
    return [row for row in rows if all(each.passes(row.get(each.field), limit) for each, limit in tests)]


def applied(query: QueryParams, filters: Iterable[str]) -> Document:
    """Return the filters of the query, as they were written."""
    return {name: query[name] for name in filters if name in query}


def number(query: QueryParams, name: str, default: int, *, high: int = MAX_ROWS) -> int:
    """Return a whole number of the query, 0 or more."""
    return int(value(query, name, whole(high))) if name in query else default


def value(query: QueryParams, name: str, read: Callable[[str], Any]) -> Any:
    """
    Return a value of the query, read.

    Raises:
        RefusedError: it cannot be.
    """
    try:
        return read(query[name])
    except ValueError as error:
        raise invalid(name, str(error)) from None


# Readers of a value


def whole(high: int = INT64) -> Callable[[str], int]:
    """Read whole numbers from 0 on."""

    def read(raw: str) -> int:
        if not (raw.isdecimal() and int(raw) <= high):
            raise ValueError(f"must be a whole number, 0 to {high}")
        return int(raw)

    return read


def truth(raw: str) -> bool:
    """Read true and false."""
    if raw not in {"true", "false"}:
        raise ValueError("must be true or false")
    return raw == "true"


def word(*words: str) -> Callable[[str], str]:
    """Read one of some words."""

    def read(raw: str) -> str:
        if raw not in words:
            raise ValueError(f"must be one of {', '.join(words)}")
        return raw

    return read


def moment(raw: str) -> datetime:
    """Read a date with a time; without a zone it is UTC."""
    try:
        read = datetime.fromisoformat(raw)
    except ValueError:
        raise ValueError("must be a date and time as in ISO 8601") from None
    return read if read.tzinfo else read.replace(tzinfo=UTC)


# Filters; a text matches in any case, and a time neither before nor after itself


def same(field: str) -> Filter:
    """Match the field's text."""
    return Filter(field, str.lower, lambda stored, text: text == str(stored or "").lower())


def containing(field: str) -> Filter:
    """Match a part of the field's text."""
    return Filter(field, str.lower, lambda stored, text: text in str(stored or "").lower())


def present(field: str) -> Filter:
    """Match a field that holds something, or nothing."""
    return Filter(field, truth, lambda stored, expected: expected is (stored is not None))


def after(field: str) -> Filter:
    """Match a later time."""
    return Filter(field, moment, lambda stored, limit: moment(stored) > limit)


def before(field: str) -> Filter:
    """Match an earlier time."""
    return Filter(field, moment, lambda stored, limit: moment(stored) < limit)
