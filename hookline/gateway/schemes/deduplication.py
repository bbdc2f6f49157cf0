"""By what a delivery is known: the sender's id of it, else a digest of what was sent."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import SecretStr

from hookline.gateway.schemes.crypto import SignedRequest, octets
from hookline.gateway.schemes.redaction import masked
from hookline.hooks.auth_schemes import Asymmetric, Hmac, SharedSecret, StandardWebhooks, UrlSecret
from hookline.hooks.sources import IdHeader, Source
from hookline.hooks.templates import Template, TemplateError

MAX_ID = 256


def external_id(
    source: Source, request: SignedRequest, names: Mapping[str, Any], known: Sequence[SecretStr] = ()
) -> str:
    """
    The delivery's id: what `id` of the source gives, else the scheme's own, else a digest.

    One that holds a known secret is kept as its digest.

    `names` are what a template may use. A sender's repeat has the same id: a digest is of the body (and, where
    nothing is signed, of the address's parameters), never of a timestamp or a signature, which a repeat renews.
    """
    given = _chosen(source.id, request, names) or _of_scheme(source, request)
    if not given:
        return _digest(_sent(source, request))
    fits = len(given) <= MAX_ID and given.isprintable() and masked(given, known) == given
    return given if fits else _digest(octets(given))


def _chosen(where: IdHeader | Template | None, request: SignedRequest, names: Mapping[str, Any]) -> str:
    match where:
        case IdHeader():
            return request.headers.get(where.header.lower(), "")
        case Template():
            return _rendered(where, names)
        case None:
            return ""


def _rendered(template: Template, names: Mapping[str, Any]) -> str:
    """The template's value if it is a text or a whole number; a delivery without one is still a delivery."""
    try:
        value = template.render(names)
    except TemplateError:
        return ""
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""


def _of_scheme(source: Source, request: SignedRequest) -> str:
    match source.auth_scheme:
        case StandardWebhooks(header_prefix=prefix):
            return request.headers.get(f"{prefix}-id", "")
        case Hmac(id_header=str(header)) | Asymmetric(id_header=str(header)):
            return request.headers.get(header.lower(), "")
        case _:
            return ""


def _sent(source: Source, request: SignedRequest) -> bytes:
    if not isinstance(source.auth_scheme, SharedSecret | UrlSecret):
        return request.body  # the address is not signed: with it, a request that was seen could be sent anew
    secret = getattr(source.auth_scheme, "parameter", None)
    query = {name: value for name, value in sorted(request.query.items()) if name != secret}
    return (json.dumps(query).encode() if query else b"") + request.body


def _digest(content: bytes) -> str:
    return "sha256:" + hashlib.sha256(content).hexdigest()
