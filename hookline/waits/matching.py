"""
The deliveries that a wait is for: values at paths of a delivery, as one digest that an index finds.

Values are compared as text, so that a number and its text are the same: senders write ids in both ways.
"""

import json
import re
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from hashlib import sha256
from typing import Any, Final
from uuid import UUID

from pydantic import SecretStr

from hookline.errors import ConfigurationError
from hookline.hooks.matching import Incoming
from hookline.hooks.templates import CONTEXT
from hookline.text import do_you_mean, storable

MAX_CONDITIONS: Final = 10
MAX_VALUE: Final = 500
"""Characters of a value."""
_SEGMENT: Final = re.compile(r"[^.\s]+")
_INDEX: Final = re.compile(r"[0-9]{1,6}", re.ASCII)

Paths = tuple[str, ...]


def conditions_of(match: Mapping[str, object]) -> dict[str, str]:
    """
    Return the conditions of a wait, by their paths, each value as text.

    Raises:
        ConfigurationError: a path or a value cannot be compared; says which and why.
    """
    if not match or len(match) > MAX_CONDITIONS:
        raise ConfigurationError(
            f"wait_for: match has {len(match)} conditions; it needs one, and takes {MAX_CONDITIONS} at most."
        )
    return {path: _text_of(path, match[path]) for path in sorted(match, key=_require_path)}


def digest(source: str, conditions: Mapping[str, str]) -> str:
    """Return the digest by which a wait with these conditions is found."""
    return sha256(json.dumps([source, sorted(conditions.items())]).encode()).hexdigest()


def keys_of(
    delivery: Incoming, source: str, all_paths: Sequence[Paths], body_keys: Sequence[SecretStr]
) -> list[str]:
    """
    Return the digests of all waits, with conditions on these paths, that a delivery would answer.

    It runs in a confined process, as routing does.

    Raises:
        ValueError: the body cannot be read.
    """
    body = delivery.reading.parse(delivery.content_type, delivery.content(body_keys))
    context = {**delivery.context, "body": body}
    found = ({path: _at(context, path) for path in paths} for paths in all_paths)
    return [digest(source, values) for values in map(_complete, found) if values is not None]


def in_words(source: str, conditions: Mapping[str, str]) -> str:
    """Return the deliveries of a wait, in words."""
    return f"a delivery of {source} with " + ", ".join(
        f"{path} = {value}" for path, value in conditions.items()
    )


def _require_path(path: str) -> str:
    first, *rest = path.split(".")
    if first not in CONTEXT:
        near = do_you_mean(first, CONTEXT)
        raise ConfigurationError(
            f"wait_for: match names {path!r}; a path begins with one of {', '.join(CONTEXT)}{near}."
        )
    if not all(map(_SEGMENT.fullmatch, rest)):
        raise ConfigurationError(
            f"wait_for: match names {path!r}; a path is such as body.order.id, or body.lines.0."
        )
    return path


def _text_of(path: str, value: object) -> str:
    match value:
        case Enum():
            return _text_of(path, value.value)
        case Decimal() if value.is_finite():
            text = _number(value)
        case UUID() | datetime() | date():
            text = str(value)
        case _:
            text = _text(value) or ""
    if not text or len(text) > MAX_VALUE:
        raise ConfigurationError(
            f"wait_for: match has no value for {path} that a delivery could have: it must be a text, a number, or "
            f"true or false, of {MAX_VALUE} characters at most."
        )
    return storable(text)


def _text(value: object) -> str | None:
    """Return a value of JSON as it is compared; None for what is no single value."""
    match value:
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case float():
            return _number(Decimal(repr(value)))
        case str():
            return storable(value)
        case _:
            return None


def _number(value: Decimal) -> str:
    return format(value.normalize() + 0, "f")


def _at(context: Mapping[str, Any], path: str) -> str | None:
    value: Any = context
    for segment in path.split("."):
        if isinstance(value, Mapping):
            value = value.get(segment)
        elif isinstance(value, list) and _INDEX.fullmatch(segment):
            value = value[int(segment)] if int(segment) < len(value) else None
        else:
            return None
    return _text(value)


def _complete(values: Mapping[str, str | None]) -> dict[str, str] | None:
    complete = {path: value for path, value in values.items() if value is not None}
    return complete if len(complete) == len(values) else None
