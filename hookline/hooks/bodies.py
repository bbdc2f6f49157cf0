"""Parsing of bodies by content type: JSON, a form, XML, or text."""

import json
import math
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, Literal, TypeAlias
from urllib.parse import parse_qsl
from xml.parsers import expat

import xmltodict

from hookline.hooks.limits import MAX_DEPTH, deeper_than

Kind: TypeAlias = Literal["json", "form", "xml", "other"]

MAX_FIELDS = 1_000
TOO_DEEP = f"more than {MAX_DEPTH} values within each other"


class _OddNumber(ValueError):
    """A number that Python accepts and JSON does not have."""


def kind(content_type: str) -> Kind:
    """Return the kind of content that a `Content-Type` names."""
    media = content_type.partition(";")[0].strip().lower()
    if media in {"application/json", "text/json"} or media.endswith("+json"):
        return "json"
    if media == "application/x-www-form-urlencoded":
        return "form"
    if media in {"application/xml", "text/xml"} or media.endswith("+xml"):
        return "xml"
    return "other"


def parse(content_type: str, body: bytes) -> Any:
    """
    Parse a body.

    Returns:
        Of JSON its value, of a form a mapping (a repeated field is a list), of XML what xmltodict makes of it, of
        anything else its text.

    Raises:
        ValueError: it does not match its content type; says why in words for people.
    """
    match kind(content_type):
        case "json":
            return _json(body)
        case "form":
            return _form(body)
        case "xml":
            return _xml(body)
        case _:
            return body.decode(errors="replace")


def _json(body: bytes) -> Any:
    try:
        value = json.loads(body, parse_float=_finite, parse_constant=_no_number)
    except RecursionError:
        raise ValueError(f"The body is not JSON that we accept: {TOO_DEEP}.") from None
    except (json.JSONDecodeError, UnicodeDecodeError, _OddNumber) as error:
        raise ValueError(f"The body is not JSON: {error}.") from None
    except ValueError:  # Python's own limit of digits in a number
        raise ValueError("The body is not JSON that we accept: a number has too many digits.") from None
    brackets = body.count(b"{") + body.count(b"[")  # the depth is no larger; most bodies need no closer check
    if brackets > MAX_DEPTH and deeper_than(value, MAX_DEPTH):
        raise ValueError(f"The body is not JSON that we accept: {TOO_DEEP}.")
    return value


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise _OddNumber(f"{text[:20]} is larger than any number that can be stored")
    return number


def _no_number(name: str) -> float:
    raise _OddNumber(f"{name} is not a number of JSON")


def _form(body: bytes) -> dict[str, str | list[str]]:
    try:
        fields = parse_qsl(
            body.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=MAX_FIELDS
        )
    except ValueError as error:
        raise ValueError(f"The body is not a form: {error}.") from None
    repeated: dict[str, list[str]] = {}
    for name, value in fields:
        repeated.setdefault(name, []).append(value)
    return {name: values if len(values) > 1 else values[0] for name, values in repeated.items()}


def _xml(body: bytes) -> dict[str, Any]:
    try:
        parsed: dict[str, Any] = xmltodict.parse(body, expat=_EXPAT, postprocessor=_not_too_deep)
    except (ValueError, LookupError, expat.ExpatError) as error:  # LookupError: an unknown encoding
        raise ValueError(f"The body is not XML that we accept: {error}.") from None
    return parsed


def _parser(encoding: str | None, namespace_separator: str | None) -> expat.XMLParserType:
    """Return an expat parser that refuses a document type: its entities make gigabytes of a few bytes."""
    parser = expat.ParserCreate(encoding, namespace_separator)
    parser.StartDoctypeDeclHandler = _refuse_doctype
    return parser


_EXPAT = SimpleNamespace(ParserCreate=_parser)
"""The part of a parser's module that xmltodict needs."""


def _refuse_doctype(*_declared: object) -> None:
    raise ValueError("it has a DOCTYPE, which is refused")


def _not_too_deep(path: Sequence[object], key: str, value: Any) -> tuple[str, Any]:
    if len(path) > MAX_DEPTH:
        raise ValueError(f"more than {MAX_DEPTH} elements within each other")
    return key, value
