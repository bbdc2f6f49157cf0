"""
Jiwa's list queries: filters by a field's name and a suffix, order, paging and a choice of fields.

A filter whose name is not known is ignored, as at the vendor: a misspelt one returns everything. So does one
without a value.
"""

import operator
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Any

from hookline.simulators.control import Call, RefusedError
from hookline.simulators.records import names

Row = Mapping[str, Any]
Test = Callable[[Any], bool]

MAX_ROWS = 1000  # fact: rows-limited
"""The cap on the rows in one answer."""

CONTROLS = frozenset(names("skip take orderby orderbydesc fields include meta format apikey"))

ORDERED: dict[str, Callable[[Any, Any], bool]] = {
    "": operator.eq,
    "GreaterThan": operator.gt,
    "GreaterThanOrEqualTo": operator.ge,
    "LessThan": operator.lt,
    "LessThanOrEqualTo": operator.le,
    "NotEqualTo": operator.ne,
}


def _like(value: str, pattern: str) -> bool:
    """Compare as SQL's LIKE does: % stands for any characters, _ for one."""
    wild = {"%": ".*", "_": "."}
    parts = (wild.get(character, re.escape(character)) for character in pattern)
    return re.fullmatch("".join(parts), value, re.DOTALL) is not None


TEXT: dict[str, Callable[[str, str], bool]] = {
    "": operator.eq,
    "StartsWith": str.startswith,
    "EndsWith": str.endswith,
    "Contains": operator.contains,
    "Like": _like,
}


def columns(text: str = "", number: str = "", flag: str = "", date: str = "") -> dict[str, type]:
    """Return the fields of a list view with their kinds, each kind's names in a text."""
    kinds = {str: text, float: number, bool: flag, datetime: date}
    return {name: kind for kind, fields in kinds.items() for name in fields.split()}


def answer(
    rows: Iterable[Row], fields: Mapping[str, type], call: Call, *, always_counts: bool
) -> dict[str, Any]:
    """
    Return the query response: the page asked for, and the total where `Include=Total` asks for it, or always.

    Raises:
        RefusedError: a value cannot be read, or there is no such field to order by.
    """
    params = {name.lower(): value for name, value in call.query.multi_items()}
    tests = _tests(params, fields)
    found = [row for row in rows if all(row[name] is not None and test(row[name]) for name, test in tests)]
    _order(found, params, fields)
    skip, take = _count(params, "skip", 0), _count(params, "take", MAX_ROWS)
    start = call.start(skip)
    page = found[start : start + min(take, MAX_ROWS)]
    wants_total = always_counts or "total" in params.get("include", "").lower().split(",")
    return {
        "Offset": skip,
        "Total": len(found) if wants_total else 0,
        "Results": [_chosen(row, params.get("fields", "")) for row in page],
    }


def _tests(params: Mapping[str, str], fields: Mapping[str, type]) -> list[tuple[str, Test]]:
    known = {}
    for field, kind in fields.items():
        for suffix in _suffixes(kind):
            known[(field + suffix).lower()] = (field, suffix)
    return [
        (known[name][0], _test(known[name][1], fields[known[name][0]], name, value))
        for name, value in params.items()
        if name not in CONTROLS and name in known and value  # fact: unknown-filter-ignored
    ]


def _suffixes(kind: type) -> tuple[str, ...]:
    if kind is bool:
        return ("",)
    if kind is str:
        return (*TEXT, "Between", "In")
    return (*ORDERED, "Between", "In")


def _test(suffix: str, kind: type, name: str, value: str) -> Test:
    read = _reader(kind, name)
    if suffix == "In":
        values = {read(part) for part in value.split(",")}  # fact: several-values-in-one
        return lambda each: read(each) in values
    if suffix == "Between":
        low, _, high = value.partition(",")
        first, last = read(low), read(high)
        return lambda each: bool(first <= read(each) <= last)
    compare = TEXT[suffix] if kind is str else ORDERED[suffix]
    against = read(value)
    return lambda each: compare(read(each), against)


def _reader(kind: type, name: str) -> Callable[[Any], Any]:
    """Return a reader of a value of a row or of the query; text without regard to case, as the database does."""

    def read(value: Any) -> Any:
        try:
            if kind is datetime:
                moment = datetime.fromisoformat(value)
                return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
            if kind is bool:
                return value if isinstance(value, bool) else {"true": True, "false": False}[value.lower()]
            return str(value).strip().lower() if kind is str else float(value)
        except (ValueError, KeyError, TypeError):
            raise RefusedError(400, f"{name}: cannot read {value!r}.", "SerializationException") from None

    return read


def _order(found: list[Row], params: Mapping[str, str], fields: Mapping[str, type]) -> None:
    keys = [(name.strip(), False) for name in params.get("orderby", "").split(",") if name.strip()]
    keys += [(name.strip(), True) for name in params.get("orderbydesc", "").split(",") if name.strip()]
    names = {field.lower(): field for field in fields}
    # The sort is stable, so the last key goes first.
    for name, descending in reversed(keys):
        field = names.get(name.lstrip("-").lower())
        if field is None:
            raise RefusedError(400, f"Could not find field '{name}'.", "ArgumentException")
        found.sort(key=partial(_rank, field), reverse=descending != name.startswith("-"))


def _rank(field: str, row: Row) -> tuple[bool, Any]:
    """Return what a row is sorted by; nulls come first."""
    return row[field] is not None, row[field]


def _count(params: Mapping[str, str], name: str, default: int) -> int:
    value = params.get(name, "")
    if not value:
        return default
    if not re.fullmatch("[0-9]{1,9}", value):
        raise RefusedError(400, f"{name}: cannot read {value!r}.", "SerializationException")
    return int(value)


def _chosen(row: Row, fields: str) -> Row:
    """Return the fields that were asked for; nulls are left out."""
    chosen = {name.strip().lower() for name in (fields or ",".join(row)).split(",")}
    return {name: value for name, value in row.items() if name.lower() in chosen and value is not None}
