"""Limits of values from outside, as PostgreSQL, Prefect and Python have them anyway."""

import json
import math
from collections.abc import Iterator, Mapping
from hashlib import sha256
from reprlib import Repr
from typing import Any

from hookline.text import storable, storable_json

MAX_DEPTH = 100
"""Values, or elements of XML, within each other."""
MAX_PARAMETERS = 500_000
"""Bytes of JSON; Prefect refuses 524,288 for good (`PREFECT_SERVER_API_MAX_PARAMETER_SIZE`)."""
MAX_KEY = 200
"""Characters; a page of an index of PostgreSQL holds some 2,700 bytes."""
DIGEST = 32
MIN_NUMBER, MAX_NUMBER = -(2**63), 2**63 - 1
"""Prefect's server stores larger numbers, and then fails to return them: orjson has 64 bits."""

_short = Repr()
_short.maxstring = _short.maxother = 60
_short.maxlevel = 3
_short.maxlong = 24


def deeper_than(value: Any, depth: int) -> bool:
    """Return True if more than `depth` lists and maps are within each other; uses no stack."""
    level = [value]
    for _ in range(depth):
        level = [inner for each in level if isinstance(each, dict | list | tuple) for inner in _inner(each)]
        if not level:
            return False
    return any(isinstance(each, dict | list | tuple) for each in level)


def bounded(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """
    Return parameters as PostgreSQL and Prefect can store them: with U+FFFD for NUL and for halves of surrogate pairs.

    Raises:
        ValueError: one is too deep or too long, or has a number that they cannot store; names it and the place.
    """
    for name, value in parameters.items():
        if deeper_than(value, MAX_DEPTH):
            raise ValueError(f"parameter {name}: more than {MAX_DEPTH} values within each other")
    _require_size(parameters)
    for name, value in parameters.items():
        for place, number in _numbers(value):
            if problem := _problem(number):
                raise ValueError(f"parameter {name}: {place}: {problem}")
    stored: dict[str, Any] = storable_json(parameters)
    return stored


def _require_size(parameters: Mapping[str, Any]) -> None:
    sizes = {name: len(json.dumps(value)) for name, value in parameters.items()}
    if (size := sum(sizes.values())) > MAX_PARAMETERS:
        longest = max(sizes, key=lambda name: sizes[name])
        raise ValueError(
            f"parameter {longest}: all parameters have {size} bytes of JSON, and Prefect accepts {MAX_PARAMETERS}; "
            "let the flow take `delivery` and read the body itself"
        )


def _problem(number: float) -> str | None:
    if not math.isfinite(number):
        return f"{number} is not a number of JSON"
    # PostgreSQL's jsonb writes 1e22 out as an integer of 23 digits.
    return None if MIN_NUMBER <= number <= MAX_NUMBER else "a number beyond 64 bits; send it as a text"


def bounded_key(text: str) -> str:
    """Return an ordering key that can be stored: a long one becomes its beginning and a digest; equals stay equal."""
    key = storable(text)
    if len(key) <= MAX_KEY:
        return key
    digest = sha256(key.encode()).hexdigest()[:DIGEST]
    return f"{key[: MAX_KEY - DIGEST - 1]}…{digest}"


def shortened(value: object) -> str:
    """Return the beginning of a value, as a message may quote it."""
    return _short.repr(value)[:80]


def _inner(value: Any) -> Any:
    return value.values() if isinstance(value, dict) else value


def _numbers(value: Any) -> Iterator[tuple[str, int | float]]:
    """Yield each number within a value, and its place."""
    left = [("$", value)]
    while left:
        place, each = left.pop()
        match each:
            case dict():
                left += [(f"{place}.{str(name)[:40]}"[-120:], inner) for name, inner in each.items()]
            case list() | tuple():
                left += [(f"{place}[{number}]"[-120:], inner) for number, inner in enumerate(each)]
            case int() | float() if not isinstance(each, bool):
                yield place, each
            case _:
                pass
