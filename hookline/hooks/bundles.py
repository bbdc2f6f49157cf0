"""Splitting of a bundle: one request with many items, each of which is a delivery of its own."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import jsonpath
from pydantic import SecretStr

from hookline.hooks.ids import canonical, item_id
from hookline.hooks.redaction import matches
from hookline.hooks.sources import Source, source_of
from hookline.inbox import bodies
from hookline.text import storable_json

MAX_ITEMS: Final = 10_000
MAX_FIELDS: Final = 100
MAX_TEXT: Final = 1_000
"""Characters of a text around an item that are stored with it."""
MAX_BYTES: Final = 64 * 1_048_576
"""Of all items of a bundle, each with what is stored beside it."""
JSON: Final = "application/json"


@dataclass(frozen=True)
class Item:
    """One item of a bundle, as it is stored."""

    external_id: str
    body: bytes
    altered: Sequence[str]
    fingerprints: Sequence[bytes]
    envelope: Mapping[str, Any]
    """The plain values around it in the bundle, the nearest first: templates have them as `envelope`."""
    times: int = 1
    """How often it stands in the bundle."""


def split(
    spec: str,
    content_type: str,
    body: bytes,
    context: Mapping[str, Any],
    altered: Sequence[str],
    keys: Sequence[SecretStr],
) -> list[Item]:
    """
    Return the items of a bundle in their order, each content of an id once.

    Args:
        spec: of a source with `split`.
        content_type: of the request.
        body: of the request, decrypted.
        context: the values that templates may use, but for `body` and `envelope`.
        altered: what was done to the request's body.
        keys: encrypt what is stored, as they do for a request.

    Raises:
        ValueError: it cannot be parsed, has too many items, or they are too long together; for people.
    """
    source = source_of(spec)
    found = _matches(source, source.reading.parse(content_type, body))
    beside = len(json.dumps([context.get("headers"), context.get("query")]))
    items: dict[tuple[str, bytes], Item] = {}
    times: Counter[tuple[str, bytes]] = Counter()
    came: Counter[str] = Counter()
    size = 0
    for match in found:
        envelope = _envelope(match)
        content = json.dumps(match.obj, ensure_ascii=False).encode(errors="surrogatepass")
        size += len(content) + len(json.dumps(envelope)) + beside
        if size > MAX_BYTES:
            raise ValueError(f"The items of the bundle have more than {MAX_BYTES:,} bytes together.")
        key = item_id(source, {**context, "body": match.obj, "envelope": envelope}, match.obj, came)
        redacted = [each for each in altered if each == "redacted"]
        stored = bodies.sealed(keys, content, redacted, says=canonical(match.obj))
        one = key, stored.fingerprints[0]
        items.setdefault(one, Item(key, *stored, envelope))
        times[one] += 1
    return [replace(item, times=times[one]) for one, item in items.items()]


def _matches(source: Source, value: Any) -> list[jsonpath.JSONPathMatch]:
    if source.split is None:
        raise TypeError("the source has no `split`")
    found = []
    try:
        for match in matches(source.split, value):
            found.append(match)
            if len(found) > MAX_ITEMS:
                raise ValueError(f"The bundle has more than {MAX_ITEMS:,} items.")
    except jsonpath.JSONPathError as error:
        raise ValueError(
            f"The bundle cannot be split: {error.args[0] if error.args else 'it nests too deeply'}."
        ) from None
    return found


def _envelope(match: jsonpath.JSONPathMatch) -> dict[str, Any]:
    """Return the plain values of the objects that an item is in; of two with one name, the nearest."""
    envelope: dict[str, Any] = {}
    outer = match.parent
    while outer is not None:
        if isinstance(outer.obj, Mapping):
            plain = {
                name: value for name, value in outer.obj.items() if len(name) <= MAX_TEXT and _is_plain(value)
            }
            envelope = plain | envelope
        outer = outer.parent
    stored: dict[str, Any] = storable_json(dict(list(envelope.items())[:MAX_FIELDS]))
    return stored


def _is_plain(value: Any) -> bool:
    return not isinstance(value, Mapping | list) and len(str(value)) <= MAX_TEXT
