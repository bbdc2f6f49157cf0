"""Mask answers: names of fields, types, lengths and punctuation stay, and the vendor's own sentences; no data does."""

import re
from collections.abc import Collection, Mapping
from typing import Any, Final

from hookline.redaction import redact

MAX_TEXT: Final = 200
MAX_ROWS: Final = 3
"""Rows of a list that are recorded; the others look alike."""

FEW: Final = 10
"""Numbers below it say how many or which way, and nothing about anybody."""

_SPEAKING = re.compile(
    r"(?i)(error\w*|result|event\w*|.*message|.*status|.*type|code|detail|title|state|status_?code|result_?code)"
)
"""Names of fields that hold words of the vendor: `code` is one, and the code of a license or a post code is not."""
_SENTENCE = re.compile(r"[A-Za-z]{2,}")
_MARKUP = re.compile(r"(?s)<[!/?A-Za-z].*")
"""A page for people, which may greet somebody by name."""
_PERSONAL = re.compile(r"\S+@\S+|\d{4,}")


def shape(value: Any, name: str = "", secrets: Collection[str] = ()) -> Any:
    """Return a JSON value with letters as `a` and `A` and digits as `9`; sentences of the vendor's stay, masked."""
    match value:
        case Mapping():
            return {key: shape(inner, key, secrets) for key, inner in value.items()}
        case list():
            rows = [shape(inner, name, secrets) for inner in value[:MAX_ROWS]]
            return rows if len(value) <= MAX_ROWS else [*rows, f"and {len(value) - MAX_ROWS} more"]
        case str():
            speaks = (name == "" or _SPEAKING.fullmatch(name)) and _SENTENCE.search(value)
            return sentence(value, secrets) if speaks else _letters(redact(value, secrets))
        case int() | float() if not isinstance(value, bool) and abs(value) >= FEW:
            return type(value)(re.sub(r"\d", "9", str(value)[:15]))
        case _:
            return value


def sentence(text: str, secrets: Collection[str] = ()) -> str:
    """Return a vendor's sentence without secrets, addresses, long numbers and pages, at most 200 characters of it."""
    text = _MARKUP.sub(lambda found: _letters(found[0]), redact(text, secrets))
    return _PERSONAL.sub(lambda found: _letters(found[0]), text)[:MAX_TEXT]


def folded(value: Any) -> dict[str, Any]:
    """Return the fields of an object, their names in small letters; none for what is no object."""
    return {name.lower(): part for name, part in value.items()} if isinstance(value, Mapping) else {}


def names_in(value: Any) -> str:
    """Return the names of an object's fields as they came; the kind of what is no object."""
    return ", ".join(value) if isinstance(value, Mapping) else type(value).__name__


def _letters(text: str) -> str:
    text = re.sub(r"[^\W\d_]", lambda found: "A" if found[0].isupper() else "a", text)
    return re.sub(r"\d", "9", text)[:MAX_TEXT]
