"""Signatures in headers, as `hmac` and `asymmetric` describe them: where they stand and what they are over."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from hookline.gateway.schemes.crypto import (
    MAX_SIGNATURES,
    AuthScheme,
    SignedRequest,
    decode,
    encode,
    is_near,
    octets,
)
from hookline.hooks.auth_schemes import PIECE, Parts, Signature

PER_SECOND = {"seconds": 1, "milliseconds": 1000}
MAX_PARTS = 64


@dataclass(frozen=True)
class Claim:
    """What a request says of itself: signatures, and the bytes that they are to be of."""

    signatures: list[bytes]
    content: bytes


def claim(scheme: Signature, request: SignedRequest, now: float) -> Claim | None:
    """What the request claims; None if something is missing, not of its form, or out of time."""
    given = _header(request, scheme.header)
    identifier = _header(request, scheme.id_header)
    if scheme.parts:
        texts, timestamp = _of_parts(scheme.parts, given)
    else:
        texts, timestamp = [given.removeprefix(scheme.prefix)] if given.startswith(scheme.prefix) else [], ""
    timestamp = timestamp or _header(request, scheme.timestamp_header)
    if scheme.id_header and not identifier:
        return None
    if "{timestamp}" in scheme.signs and not _in_time(scheme, timestamp, now):
        return None
    decoded = [decode(text, scheme.encoding) for text in texts[:MAX_SIGNATURES]]
    content = _content(scheme.signs, timestamp=octets(timestamp), id=octets(identifier), body=request.body)
    return Claim([signature for signature in decoded if signature is not None], content)


def signed(
    scheme: Signature, body: bytes, *, identifier: str, now: float, signer: Callable[[bytes], bytes]
) -> AuthScheme:
    """The headers of a request that `signer` signs."""
    timestamp = str(int(now * PER_SECOND[scheme.timestamp_unit]))
    content = _content(scheme.signs, timestamp=octets(timestamp), id=octets(identifier), body=body)
    signature = scheme.prefix + encode(signer(content), scheme.encoding)
    headers = {}
    if scheme.parts:
        stamp = [f"{scheme.parts.timestamp}={timestamp}"] if scheme.parts.timestamp else []
        signature = scheme.parts.separator.join([*stamp, f"{scheme.parts.signature}={signature}"])
    if scheme.timestamp_header:
        headers[scheme.timestamp_header] = timestamp
    if scheme.id_header:
        headers[scheme.id_header] = identifier
    return AuthScheme(headers=headers | {scheme.header: signature})


def _header(request: SignedRequest, name: str | None) -> str:
    return request.headers.get(name.lower(), "") if name else ""


def _of_parts(names: Parts, header: str) -> tuple[list[str], str]:
    """The signatures, and the timestamp if there is exactly one: of two, nobody knows which is meant."""
    parts = [part.strip().partition("=") for part in header.split(names.separator, MAX_PARTS)]
    signatures = [value for name, _, value in parts if name == names.signature]
    timestamps = [value for name, _, value in parts if name == names.timestamp]
    return signatures, timestamps[0] if len(timestamps) == 1 else ""


def _in_time(scheme: Signature, timestamp: str, now: float) -> bool:
    return is_near(timestamp, now, scheme.tolerance, per_second=PER_SECOND[scheme.timestamp_unit])


def _content(signs: str, **pieces: bytes) -> bytes:
    """What is signed; `pieces` are the timestamp, the id and the body."""
    parts = [pieces[text] if is_piece else octets(text) for text, is_piece in _pieces(signs)]
    return b"".join(part for part in parts if part)  # of one part alone, which may be large, there is no copy


@cache
def _pieces(signs: str) -> list[tuple[str, bool]]:
    """The fixed texts of a signing string and, in turn with them, the names of its pieces."""
    return [(text, place % 2 == 1) for place, text in enumerate(PIECE.split(signs))]
