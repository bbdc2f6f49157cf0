"""Fields of a body that is not verified yet: read for a proof that stands in it, or is over some of it."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, TypeAlias
from urllib.parse import parse_qsl, urlencode

from pydantic import Field

FORM = "application/x-www-form-urlencoded"
MAX_FIELDS = 1_000
PLACE = re.compile(r"[0-9]{1,5}")
MAX_ITEMS = 1_000
"""The items of a list that are verified; a longer list is not believed."""

FieldPath: TypeAlias = Annotated[
    str, Field(max_length=200, pattern=r"^[A-Za-z0-9_$@-]+(\.[A-Za-z0-9_$@-]+){0,9}$")
]
"""The names that lead to a field, with dots between them; a number names an item of a list."""


def read_body(content_type: str, body: bytes) -> Any:
    """Return what a body says, numbers as they are written; None where it is neither JSON nor a form."""
    if content_type == FORM:
        pairs = read_form(body)
        names = [name for name, _ in pairs or ()]
        return dict(pairs) if pairs and len(set(names)) == len(names) else None
    try:
        return json.loads(body, parse_int=str, parse_float=str, parse_constant=_no_number)
    except (ValueError, RecursionError):
        return None


def read_form(body: bytes) -> list[tuple[str, str]] | None:
    """Return the fields of a form in their order; None if it is none."""
    try:
        return parse_qsl(
            body.decode("ascii"), keep_blank_values=True, errors="surrogateescape", max_num_fields=MAX_FIELDS
        )
    except ValueError:
        return None


def value_at(document: Any, path: str | None) -> Any:
    """Return what stands at a path; the document itself without one, and None where nothing does."""
    for name in path.split(".") if path else ():
        match document:
            case Mapping():
                document = document.get(name)
            case list() if PLACE.fullmatch(name) and int(name) < len(document):
                document = document[int(name)]
            case _:
                return None
    return document


def text_at(document: Any, path: str) -> str | None:
    """Return a text, a number or a truth value as its sender writes it; None where there is none of these."""
    match value_at(document, path):
        case bool() as value:
            return "true" if value else "false"
        case str() as value:
            return value
        case _:
            return None


def items_at(document: Any, path: str | None) -> Sequence[Any]:
    """Return the items of the list at a path, or the document alone without one; none where there is no such list."""
    if path is None:
        return [document]
    found = value_at(document, path)
    return found if isinstance(found, list) and len(found) <= MAX_ITEMS else []


def with_text(content_type: str, body: bytes, path: str, text: str, *, each: str | None = None) -> bytes:
    """
    Return a body with a text at a path, as a sender writes its proof into it.

    Args:
        content_type: of the body: JSON or a form.
        body: as it is without.
        path: of the field.
        text: the proof.
        each: the path of a list of which each item gets the text.

    Raises:
        ValueError: the body is of another kind, or nothing in it can hold the field.
    """
    document = read_form_as_map(body) if content_type == FORM else _json_or_refuse(body)
    try:
        for item in items_at(document, each):
            _set(item, path.split("."), text)
    except (AttributeError, TypeError, ValueError, IndexError):
        raise ValueError(f"for a body that can hold a field {path}") from None
    return (urlencode(document) if content_type == FORM else json.dumps(document)).encode()


def read_form_as_map(body: bytes) -> dict[str, str]:
    """Return the fields of a form by their names."""
    return dict(read_form(body) or ())


def _json_or_refuse(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise ValueError("for a body of JSON or a form, and this is neither") from None


def _set(document: Any, names: Sequence[str], text: str) -> None:
    place = document
    for name in names[:-1]:
        place = place[int(name)] if isinstance(place, list) else place.setdefault(name, {})
    place[names[-1]] = text


def _no_number(name: str) -> Any:
    raise ValueError(f"{name} is not a number of JSON")
