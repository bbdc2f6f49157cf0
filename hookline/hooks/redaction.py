"""Redaction of bodies: values that are removed before storing, found by JSONPaths (RFC 9535)."""

import json
from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias, cast
from urllib.parse import urlencode

import jsonpath

from hookline.hooks.bodies import AS_NAMED, Reading, parameter

REDACTED = "[redacted]"
ASCII = "".join(map(chr, range(32, 127)))

JSONPath: TypeAlias = jsonpath.JSONPath

_environment = jsonpath.JSONPathEnvironment(strict=True)  # of the library's own additions, some name no value


def compile_path(text: str) -> JSONPath:
    """
    Compile a JSONPath.

    Raises:
        ValueError: it is no JSONPath, or selects the whole body.
    """
    try:
        path = cast("JSONPath", _environment.compile(text))  # several in one are such an addition
    except (jsonpath.JSONPathError, ValueError) as error:
        raise ValueError(f"{text!r} is not a JSONPath{_reason(error)}") from None
    if path.empty():
        raise ValueError(f"{text!r} selects the whole body, so that nothing would be left")
    return path


def matches(path: JSONPath, value: Any) -> Iterator[jsonpath.JSONPathMatch]:
    """Yield what a path selects; of a text nothing, in which the library would look for JSON."""
    return iter(()) if isinstance(value, str) else iter(path.finditer(value))


def redact(paths: Sequence[JSONPath], content_type: str, body: bytes, reading: Reading = AS_NAMED) -> bytes:
    """
    Return the body of JSON or a form with "[redacted]" in place of each value that a path selects.

    Where no path finds anything it is the same, to the last byte; else it is written again, JSON in UTF-8.

    Raises:
        ValueError: it is neither JSON nor a form, whatever the source accepts: its values would be stored. Or it cannot
            be parsed, is nested more deeply than the paths reach, or has a name twice in one object: of two values the
            paths see the last, and the first would be stored.
    """
    form = reading.kind_of(content_type)
    if form not in {"json", "form"}:
        raise ValueError(
            "The body cannot be redacted: its content type is neither that of JSON nor of a form."
        )
    if form == "form" and not _keeps_names(parameter(content_type, "charset") or "utf-8"):
        raise ValueError("The body cannot be redacted: its charset writes names in another way than ASCII.")
    value = reading.parse(content_type, body)
    if form == "json":
        json.loads(body, object_pairs_hook=_require_single)
    try:
        found = [match for path in paths for match in matches(path, value)]
    except jsonpath.JSONPathError as error:
        raise ValueError(f"The body cannot be redacted{_reason(error)}.") from None
    if not found:
        return body
    for match in found:
        if match.parent is not None:
            around: Any = match.parent.obj
            around[match.parts[-1]] = REDACTED
    if form == "form":
        return urlencode(value, doseq=True, encoding=parameter(content_type, "charset") or "utf-8").encode()
    return json.dumps(value, ensure_ascii=False).encode(errors="surrogatepass")


def _keeps_names(charset: str) -> bool:
    """Return True if the paths find in this charset the names that the scheme found in ASCII."""
    try:
        return ASCII.encode().decode(charset) == ASCII
    except (LookupError, ValueError):
        return False


def _require_single(pairs: list[tuple[str, Any]]) -> None:
    """Raise ValueError where an object has a name twice."""
    if len({name for name, _ in pairs}) < len(pairs):
        raise ValueError("The body cannot be redacted: an object in it has the same name twice.")


def _reason(error: Exception) -> str:
    """Return the reason on one line: the library's own text has several, and fails at the end of a path."""
    return f": {error.args[0]}" if error.args else ""
