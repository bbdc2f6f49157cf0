"""The deduplication key of a delivery: the sender's id of it, else a digest of what was sent."""

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import uuid4

from pydantic import SecretStr

from hookline.hooks.sources import IdHeader, Source
from hookline.hooks.templates import Template, TemplateError
from hookline.schemes import SignedRequest, masked
from hookline.schemes.crypto import octets

MAX_ID = 256
BUNDLE = "bundle "
"""What the id of a request begins with whose items are deliveries of their own, and have ids of their own."""


def external_id(
    source: Source, request: SignedRequest, context: Mapping[str, Any] | None, known: Sequence[SecretStr] = ()
) -> str:
    """
    Return the delivery's id: what `id` of the source gives, else the scheme's own, else a digest.

    A sender's repeat has the same id: a digest is of the body (and, where nothing is signed, of the address's
    parameters), never of a timestamp or a signature, which a repeat renews.

    Args:
        source: where the id may be found.
        request: as it came.
        context: what a template may use; None where the body is too costly to read, and no template may.
        known: secrets; an id that holds one is stored as its digest.
    """
    found = _chosen(source, request, context) or _header(request, source.auth_scheme.delivery_id_header)
    by_body = not found or source.repeats.kind == "by-body"
    key = _digest(_content(source, request)) if by_body else _fitting(found, known)
    return _once(source, key if source.split is None else BUNDLE + key)


def item_id(source: Source, context: Mapping[str, Any], item: Any, came: Counter[str]) -> str:
    """
    Return the id of an item of a bundle: what the template `id` of the source gives, else a digest of the item.

    Of equal items without an id, the second in a bundle is another one than the first, and the same as the second of
    them in the next bundle. Where nothing is a repeat, an id is of its bundle alone, so that the bundle's replay brings
    no item again.

    Args:
        source: where the id may be found.
        context: what a template may use.
        item: as it stands in the bundle.
        came: counts the ids of the bundle; this one is counted.
    """
    found = _rendered(source.id, context) if isinstance(source.id, Template) else ""
    by_content = source.repeats.kind == "by-body"
    key = _fitting(found) if found and not by_content else _digest(canonical(item))
    came[key] += 1
    if source.repeats.kind != "never":
        return key if found or by_content or came[key] == 1 else f"{key} {came[key]}"
    return f"{key} {hashlib.sha256(octets(context['delivery_id'])).hexdigest()[:32]} {came[key]}"


def canonical(item: Any) -> bytes:
    """Return what an item of a bundle says, in whatever order its fields come."""
    return json.dumps(item, sort_keys=True).encode()


def _once(source: Source, key: str) -> str:
    """Return the key, or where nothing is a repeat, one that no other delivery has."""
    return f"{key} {uuid4().hex}" if source.repeats.kind == "never" else key


def _fitting(found: str, known: Sequence[SecretStr] = ()) -> str:
    """Return an id as it can be stored and shown: in place of any other, its digest."""
    fits = len(found) <= MAX_ID and found.isprintable() and masked(found, known) == found
    return found if fits else _digest(octets(found))


def _chosen(source: Source, request: SignedRequest, context: Mapping[str, Any] | None) -> str:
    match source.id:
        case IdHeader():
            return _header(request, source.id.header)
        case Template() if source.split is None and context is not None:
            return _rendered(source.id, context)
        case _:
            return ""


def _rendered(template: Template, context: Mapping[str, Any]) -> str:
    """Return the template's value if it is a text or a whole number; a delivery without one is still a delivery."""
    try:
        value = template.render(context)
    except TemplateError:
        return ""
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""


def _header(request: SignedRequest, name: str | None) -> str:
    return request.headers.get(name.lower(), "") if name else ""


def _content(source: Source, request: SignedRequest) -> bytes:
    scheme = source.auth_scheme
    # The same bytes, sent again with the right content type, are no repeat of what nobody could read.
    written_as = source.reading.written_as(request.headers.get("content-type", ""))
    body = written_as.encode(errors="replace") + request.body
    if scheme.signs_body:
        return body  # the address is not signed: with it, a request that was seen could be sent again
    query = {name: value for name, value in sorted(request.query.items()) if name != scheme.secret_parameter}
    return (json.dumps(query).encode() if query else b"") + body


def _digest(content: bytes) -> str:
    return "sha256:" + hashlib.sha256(content).hexdigest()
