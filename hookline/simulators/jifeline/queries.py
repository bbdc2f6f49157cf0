"""
Jifeline's list queries: filters, limit and offset, and the envelope that answers them.

A parameter that is not known is ignored; one whose value cannot be read is a problem that names it (assumed).
"""

import operator
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from starlette.datastructures import QueryParams

from hookline.simulators.control import RefusedError

Document = dict[str, Any]

MOST_ROWS = 1000
USUAL_ROWS = 25
INT64 = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Filter:
    """One filter of a list: which field it looks at, how its value is read, and which rows pass."""

    field: str
    read: Callable[[str], Any]
    passes: Callable[[Any, Any], bool] = operator.eq
    """Given what the row holds, and what is wanted."""


def invalid(field: str, message: str) -> RefusedError:
    """The problem that names a field: 400."""
    return RefusedError(400, message, field)


def envelope(query: QueryParams, rows: Iterable[Document], filters: Mapping[str, Filter]) -> Document:
    """
    The page asked for, the parameters that were applied, and how many rows there are in all.

    Raises:
        RefusedError: a value cannot be read.
    """
    offset, limit = number(query, "offset", 0, high=INT64), number(query, "limit", USUAL_ROWS)
    found = matching(query, rows, filters)
    return {
        "query": applied(query, filters) | {"limit": limit, "offset": offset},
        "result": found[offset : offset + limit],
        "total": len(found),
    }


def matching(query: QueryParams, rows: Iterable[Document], filters: Mapping[str, Filter]) -> list[Document]:
    """
    The rows that pass every filter given.

    Raises:
        RefusedError: a value cannot be read.
    """
    tests = [
        (each, value(query, name, each.read)) for name, each in filters.items() if query.get(name) is not None
    ]
    return [row for row in rows if all(each.passes(row.get(each.field), wanted) for each, wanted in tests)]


def applied(query: QueryParams, filters: Iterable[str]) -> Document:
    """The filters given, as they were written."""
    return {name: query[name] for name in filters if name in query}


def number(query: QueryParams, name: str, default: int, *, high: int = MOST_ROWS) -> int:
    """
    A whole number of the query, 0 or more.

    Raises:
        RefusedError: it is none, or too high.
    """
    return default if query.get(name) is None else int(value(query, name, whole(high)))


def value(query: QueryParams, name: str, read: Callable[[str], Any]) -> Any:
    """
    A value of the query, read.

    Raises:
        RefusedError: it cannot be.
    """
    try:
        return read(query[name])
    except ValueError as error:
        raise invalid(name, str(error)) from None


# What a value may be


def whole(high: int = INT64) -> Callable[[str], int]:
    """Reads whole numbers from 0 on."""

    def read(given: str) -> int:
        if not (given.isdecimal() and int(given) <= high):
            raise ValueError(f"must be a whole number, 0 to {high}")
        return int(given)

    return read


def truth(given: str) -> bool:
    """Reads true and false."""
    if given not in {"true", "false"}:
        raise ValueError("must be true or false")
    return given == "true"


def word(*words: str) -> Callable[[str], str]:
    """Reads one of some words."""

    def read(given: str) -> str:
        if given not in words:
            raise ValueError(f"must be one of {', '.join(words)}")
        return given

    return read


def moment(given: str) -> datetime:
    """Reads a date with a time; without a zone it is UTC."""
    try:
        read = datetime.fromisoformat(given)
    except ValueError:
        raise ValueError("must be a date and time as in ISO 8601") from None
    return read if read.tzinfo else read.replace(tzinfo=UTC)


# Filters


def equal(field: str, read: Callable[[str], Any]) -> Filter:
    """The field is what is wanted."""
    return Filter(field, read)


def same(field: str) -> Filter:
    """The field is the text wanted, in whatever case."""
    return Filter(field, str.lower, lambda held, wanted: wanted == str(held or "").lower())


def containing(field: str) -> Filter:
    """The field contains the text wanted, in whatever case."""
    return Filter(field, str.lower, lambda held, wanted: wanted in str(held or "").lower())


def present(field: str) -> Filter:
    """The field holds something, or nothing."""
    return Filter(field, truth, lambda held, wanted: wanted is (held is not None))


def after(field: str) -> Filter:
    """The field's time is later than the one given; the same moment is not."""
    return Filter(field, moment, lambda held, wanted: moment(held) > wanted)


def before(field: str) -> Filter:
    """The field's time is earlier than the one given; the same moment is not."""
    return Filter(field, moment, lambda held, wanted: moment(held) < wanted)
