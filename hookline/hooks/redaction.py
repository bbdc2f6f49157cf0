"""Values that are taken out of a body before it is kept, found by JSONPaths (RFC 9535)."""

import json
from collections.abc import Sequence
from typing import Any, TypeAlias, cast
from urllib.parse import urlencode

import jsonpath

from hookline.hooks.bodies import kind, parse

REDACTED = "[redacted]"

JSONPath: TypeAlias = jsonpath.JSONPath

_environment = jsonpath.JSONPathEnvironment(strict=True)  # of the library's own additions, some name no value


def compile_path(text: str) -> JSONPath:
    """
    The path that a text writes.

    Raises:
        ValueError: it is no JSONPath, or names the whole body.
    """
    try:
        path = cast("JSONPath", _environment.compile(text))  # several in one are such an addition
    except (jsonpath.JSONPathError, ValueError) as error:
        raise ValueError(f"{text!r} is no JSONPath{_reason(error)}") from None
    if path.empty():
        raise ValueError(f"{text!r} names the whole body, of which nothing would be left")
    return path


def redact(paths: Sequence[JSONPath], content_type: str, body: bytes) -> bytes:
    """
    The body of JSON or a form with "[redacted]" in place of each value that a path names.

    Where no path finds anything it is the same, to the last byte; else it is written anew, JSON in UTF-8.

    Raises:
        ValueError: it cannot be parsed, is nested more deeply than the paths can look, or has a name twice in one
            object: of two values the paths see the last, and the first would be kept.
    """
    said = parse(content_type, body)
    if kind(content_type) == "json":
        json.loads(body, object_pairs_hook=_require_single)
    try:
        found = [match for path in paths for match in path.finditer(said)]
    except jsonpath.JSONPathError as error:
        raise ValueError(f"The body cannot be redacted{_reason(error)}.") from None
    if not found:
        return body
    for match in found:
        if match.parent is not None:
            around: Any = match.parent.obj
            around[match.parts[-1]] = REDACTED
    return _written(content_type, said)


def _require_single(pairs: list[tuple[str, Any]]) -> None:
    """Raise ValueError where an object has a name twice."""
    if len({name for name, _ in pairs}) < len(pairs):
        raise ValueError("The body cannot be redacted: an object in it has the same name twice.")


def _written(content_type: str, said: Any) -> bytes:
    if kind(content_type) == "form":
        return urlencode(said, doseq=True).encode()
    return json.dumps(said, ensure_ascii=False).encode(errors="surrogatepass")


def _reason(error: Exception) -> str:
    """Why, on one line: the library's own text draws a picture, and fails at the end of a path."""
    return f": {error.args[0]}" if error.args else ""
