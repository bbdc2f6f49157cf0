"""Signatures in headers, as `hmac` and `asymmetric` have them: the fields, and the bytes that are signed."""

import re
from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, SecretStr, model_validator

from hookline.schemes.base import (
    AuthScheme,
    HeaderName,
    RequestAuth,
    SignedRequest,
    Strict,
    Tolerance,
    plain,
)
from hookline.schemes.crypto import MAX_SIGNATURES, decode, encode, is_near, octets

PIECE = re.compile(r"\{(timestamp|id|body)\}")
"""The pieces of a signing string, beside fixed text."""
PER_SECOND = {"seconds": 1, "milliseconds": 1000}
MAX_PARTS = 64


def _signing_string(text: str) -> str:
    if text.count("{body}") != 1:
        raise ValueError("must hold {body} once, or the body would not be proven")
    if unknown := re.search(r"\{\w*\}", PIECE.sub("", text)):
        raise ValueError(f"uses {unknown[0]}, but only {{timestamp}}, {{id}} and {{body}} are known")
    return text


class Parts(Strict):
    """One header with several named parts, such as `t=1614265330,v1=5257a8…`."""

    signature: str = Field(pattern=r"^[\w-]{1,32}$", description="The part that is a signature; may repeat.")
    timestamp: str | None = Field(
        default=None, pattern=r"^[\w-]{1,32}$", description="The part that is the timestamp."
    )
    separator: Literal[",", ";"] = Field(default=",", description="The character between two parts.")

    def split(self, header: str) -> tuple[list[str], str]:
        """Return the signatures, and the timestamp if there is exactly one: of two, neither is trusted."""
        parts = [part.strip().partition("=") for part in header.split(self.separator, MAX_PARTS)]
        signatures = [value for name, _, value in parts if name == self.signature]
        timestamps = [value for name, _, value in parts if name == self.timestamp]
        return signatures, timestamps[0] if len(timestamps) == 1 else ""

    def join(self, signature: str, timestamp: str) -> str:
        """Return the header of a signature and, where it is a part, the timestamp."""
        stamp = [f"{self.timestamp}={timestamp}"] if self.timestamp else []
        return self.separator.join([*stamp, f"{self.signature}={signature}"])


@dataclass(frozen=True)
class Claim:
    """The signatures of a request, and the bytes that they must be of."""

    signatures: list[bytes]
    content: bytes


class HeaderSignature(AuthScheme):
    """A signature in a header; a subclass says of which kind."""

    header: HeaderName = Field(description="Carries the signature.")
    encoding: Literal["hex", "base64", "base64url"] = Field(
        default="hex", description="How the signature is written."
    )
    prefix: str = Field(
        default="", max_length=32, description="The text before the signature, such as `sha256=`."
    )
    parts: Parts | None = Field(
        default=None, description="The names of the parts of such a header as `t=…,v1=…`."
    )
    signs: Annotated[str, AfterValidator(_signing_string)] = Field(
        default="{body}", max_length=200, description="What is signed, of `{timestamp}`, `{id}` and `{body}`."
    )
    timestamp_header: HeaderName | None = Field(default=None, description="Carries the time of sending.")
    timestamp_unit: Literal["seconds", "milliseconds"] = Field(
        default="seconds", description="What the timestamp counts since 1970."
    )
    id_header: HeaderName | None = Field(default=None, description="Carries the sender's id of the delivery.")
    tolerance: Tolerance = 300

    @model_validator(mode="after")
    def _fits(self) -> "HeaderSignature":
        in_parts = self.parts.timestamp if self.parts else None
        if self.timestamp_header and in_parts:
            raise ValueError("the timestamp stands in timestamp_header or in parts.timestamp, not in both")
        if bool(self.timestamp_header or in_parts) != ("{timestamp}" in self.signs):
            raise ValueError(
                "a timestamp needs both: {timestamp} in signs, and timestamp_header or parts.timestamp"
            )
        if bool(self.id_header) != ("{id}" in self.signs):
            raise ValueError("an id needs both: {id} in signs, and id_header (an unsigned id goes into `id`)")
        if "tolerance" in self.model_fields_set and "{timestamp}" not in self.signs:
            raise ValueError("tolerance is for a signature over a timestamp")
        if self.parts and self.prefix:
            raise ValueError("prefix is for a header without parts")
        return self

    def verify(self, request: SignedRequest, secrets: Sequence[SecretStr], *, now: float) -> bool:
        """Return True if a signature is by one of the keys, and in time."""
        claim = self._claim(request, now)
        return claim is not None and self._is_by_any(claim, plain(secrets))

    def sign(self, secret: SecretStr, body: bytes, *, identifier: str, now: float) -> RequestAuth:
        """Return the headers of a signed request."""
        signer = self._signer(secret.get_secret_value())
        timestamp = str(int(now * PER_SECOND[self.timestamp_unit]))
        content = _content(self.signs, timestamp=octets(timestamp), id=octets(identifier), body=body)
        signature = encode(signer(content), self.encoding)
        headers = {}
        if self.timestamp_header:
            headers[self.timestamp_header] = timestamp
        if self.id_header:
            headers[self.id_header] = identifier
        headers[self.header] = (
            self.parts.join(signature, timestamp) if self.parts else self.prefix + signature
        )
        return RequestAuth(headers=headers)

    @abstractmethod
    def _is_by_any(self, claim: Claim, keys: Sequence[str]) -> bool:
        """Return True if a signature is by one of the keys; never raises."""

    @abstractmethod
    def _signer(self, key: str) -> Callable[[bytes], bytes]:
        """Return what signs bytes with a key; raises ValueError if it cannot."""

    @property
    def auth_header(self) -> str:
        """The header of the signature."""
        return self.header

    @property
    def delivery_id_header(self) -> str | None:
        """The header of the signed id."""
        return self.id_header

    def _claim(self, request: SignedRequest, now: float) -> Claim | None:
        """Return what the request claims; None if something is missing, not of its form, or out of time."""
        received = _header(request, self.header)
        identifier = _header(request, self.id_header)
        timestamp = ""
        if self.parts:
            signatures, timestamp = self.parts.split(received)
        else:
            signatures = [received.removeprefix(self.prefix)] if received.startswith(self.prefix) else []
        timestamp = timestamp or _header(request, self.timestamp_header)
        if self.id_header and not identifier:
            return None
        per_second = PER_SECOND[self.timestamp_unit]
        if "{timestamp}" in self.signs and not is_near(timestamp, now, self.tolerance, per_second=per_second):
            return None
        decoded = [decode(text, self.encoding) for text in signatures[:MAX_SIGNATURES]]
        content = _content(self.signs, timestamp=octets(timestamp), id=octets(identifier), body=request.body)
        return Claim([signature for signature in decoded if signature is not None], content)


def _header(request: SignedRequest, name: str | None) -> str:
    return request.headers.get(name.lower(), "") if name else ""


def _content(signs: str, **pieces: bytes) -> bytes:
    """Return the signed bytes; `pieces` are the timestamp, the id and the body."""
    parts = [pieces[text] if is_piece else octets(text) for text, is_piece in _pieces(signs)]
    return b"".join(part for part in parts if part)  # one part alone, which may be large, is not copied


@cache
def _pieces(signs: str) -> list[tuple[str, bool]]:
    """Return the fixed texts of a signing string and, in turn with them, the names of its pieces."""
    return [(text, place % 2 == 1) for place, text in enumerate(PIECE.split(signs))]
