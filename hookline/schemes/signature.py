"""Signatures, as `hmac`, `digest`, `asymmetric` and `certificate` have them: where they stand, and what is signed."""

import re
import zlib
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, ClassVar, Literal, TypeAlias
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator

from hookline.schemes.base import (
    AuthScheme,
    HeaderName,
    RequestAuth,
    SignedRequest,
    Strict,
    Tolerance,
    plain,
)
from hookline.schemes.crypto import (
    MAX_SIGNATURES,
    TimestampUnit,
    decode,
    encode,
    is_near,
    octets,
    written_time,
)
from hookline.schemes.fields import (
    FORM,
    FieldPath,
    items_at,
    read_body,
    read_form,
    text_at,
    with_text,
)

PIECES = ("timestamp", "id", "body", "form", "fields", "crc32", "url", "path", "method", "secret")
"""The pieces of a signing string, beside fixed text."""
PIECE = re.compile(rf"\{{({'|'.join(PIECES)})\}}")
OF_BODY = {"body", "form", "fields", "crc32"}
MAX_PARTS = 64
ADDRESS = r"^https?://[^\s?#]+$"
# No {1,32} after a class of Unicode: pydantic's expressions take a megabyte for it, in each process.
PartName: TypeAlias = Annotated[str, Field(max_length=32, pattern=r"^[\w-]+$")]


class Parts(Strict):
    """One header with several named parts, such as `t=1614265330,v1=5257a8…`."""

    signature: PartName = Field(description="The part that is a signature; may repeat.")
    timestamp: PartName | None = Field(default=None, description="The part that is the timestamp.")
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


class SignedFields(Strict):
    """Some fields of the body, in the order in which they are signed."""

    names: tuple[FieldPath, ...] = Field(
        min_length=1, max_length=50, description="The fields, in the order in which they are signed."
    )
    written: str = Field(
        default="{value}", max_length=50, description="How each is written, of `{name}` and `{value}`."
    )
    separator: str = Field(default="", max_length=8, description="Stands between two of them.")
    missing: Literal["empty", "omit", "refuse"] = Field(
        default="empty", description="What is signed of a field that is not there."
    )

    @field_validator("written")
    @classmethod
    def _has_the_value(cls, text: str) -> str:
        if text.count("{value}") != 1:
            raise ValueError("must hold {value} once")
        return text

    def text(self, item: Any) -> str | None:
        """Return what is signed of an item; None where a field must be there and is not."""
        values = {name: text_at(item, name) for name in self.names}
        if self.missing == "refuse" and None in values.values():
            return None
        before, _, after = self.written.partition("{value}")
        return self.separator.join(
            before.replace("{name}", name) + (value or "") + after.replace("{name}", name)
            for name, value in values.items()
            if value is not None or self.missing == "empty"
        )


@dataclass(frozen=True)
class Claim:
    """The signatures of a request, or of an item in it, and what they must be of."""

    signatures: Sequence[bytes]
    content: Callable[[bytes], bytes]
    """Returns the signed bytes, given the secret, which some senders sign too."""
    item: Any = None
    """The fields over which the signature is, where the scheme reads them."""


class Signature(AuthScheme):
    """A signature in a header or in the body; a subclass says of which kind."""

    pieces: ClassVar[frozenset[str]] = frozenset(PIECES) - {"secret"}
    """The pieces that this kind can sign."""

    header: HeaderName | None = Field(default=None, description="Carries the signature.")
    field: FieldPath | None = Field(
        default=None, description="Instead of `header`: the field of the body that is the signature."
    )
    each: FieldPath | None = Field(
        default=None, description="The list of the body of which every item is signed by itself."
    )
    encoding: Literal["hex", "base64", "base64url"] = Field(
        default="hex", description="How the signature is written."
    )
    prefix: str = Field(
        default="", max_length=32, description="The text before the signature, such as `sha256=`."
    )
    parts: Parts | None = Field(
        default=None, description="The names of the parts of such a header as `t=…,v1=…`."
    )
    signs: str = Field(
        default="{body}",
        max_length=500,
        description="What is signed: fixed text and pieces such as `{body}`.",
    )
    fields_: SignedFields | None = Field(
        default=None, alias="fields", description="The fields of the body that `{fields}` stands for."
    )
    url: str | None = Field(
        default=None,
        max_length=400,
        pattern=ADDRESS,
        description="The address that the sender was given, if not `HOOKLINE_PUBLIC_URL/hooks/SOURCE`.",
    )
    timestamp_header: HeaderName | None = Field(default=None, description="Carries the time of sending.")
    timestamp_field: FieldPath | None = Field(
        default=None, description="The field of the body that is the time of sending."
    )
    timestamp_unit: TimestampUnit = Field(
        default="seconds", description="What the timestamp counts since 1970, or `iso8601`."
    )
    id_header: HeaderName | None = Field(default=None, description="Carries the sender's id of the delivery.")
    tolerance: Tolerance = 300

    @field_validator("signs")
    @classmethod
    def _can_be_read(cls, text: str) -> str:
        used = PIECE.findall(text)
        known = [name for name in PIECES if name in cls.pieces]
        named = ", ".join(f"{{{name}}}" for name in known)
        if odd := next((name for name in used if name not in cls.pieces), None):
            raise ValueError(f"uses {{{odd}}}, but only {named} are known here")
        if unknown := re.search(r"\{\w*\}", PIECE.sub("", text)):
            raise ValueError(f"uses {unknown[0]}, but only {named} are known")
        if sum(name in OF_BODY for name in used) != 1:
            raise ValueError(
                "must hold {body}, {form}, {fields} or {crc32} once, or the body would not be proven"
            )
        return text

    @model_validator(mode="after")
    def _fits(self) -> "Signature":
        if bool(self.header) == bool(self.field):
            raise ValueError("the signature stands in header or in field: name one of them")
        if self.field and (odd := self._idle_in_body()):
            raise ValueError(f"{odd} is for a signature in a header")
        if self.parts and self.prefix:
            raise ValueError("prefix is for a header without parts")
        if bool(self.fields_) != self._signs("fields"):
            raise ValueError("signed fields need both: {fields} in signs, and fields")
        if self.each and not (self.field and self._signs("fields")):
            raise ValueError("each is for a signature of {fields} that stands in field")
        if bool(self.id_header) != self._signs("id"):
            raise ValueError("an id needs both: {id} in signs, and id_header (an unsigned id goes into `id`)")
        if self.url and not self.signs_address:
            raise ValueError("url is for a signature over {url} or {path}")
        return self

    @model_validator(mode="after")
    def _timestamp_fits(self) -> "Signature":
        in_parts = self.parts.timestamp if self.parts else None
        places = [each for each in (self.timestamp_header, in_parts, self.timestamp_field) if each]
        if len(places) > 1:
            raise ValueError(
                "the timestamp stands in timestamp_header, in parts.timestamp or in timestamp_field"
            )
        if self.timestamp_field:
            if not (
                self._signs("timestamp") or self._signs("body") or self._signs_field(self.timestamp_field)
            ):
                raise ValueError("timestamp_field must be signed: {body} in signs, or the field among fields")
        elif bool(places) != self._signs("timestamp"):
            raise ValueError(
                "a timestamp needs both: {timestamp} in signs, and timestamp_header or parts.timestamp"
            )
        if "tolerance" in self.model_fields_set and not places:
            raise ValueError("tolerance is for a signature over a timestamp")
        return self

    def _idle_in_body(self) -> str | None:
        return "parts" if self.parts else None

    def _signs(self, piece: str) -> bool:
        return f"{{{piece}}}" in self.signs

    def _signs_field(self, name: str) -> bool:
        return bool(self.fields_ and name in self.fields_.names)

    @property
    def _reads_fields(self) -> bool:
        return bool(self.field or self.fields_ or self.timestamp_field)

    def verify(self, request: SignedRequest, secrets: Sequence[SecretStr], *, now: float) -> bool:
        """Return True if a signature is by one of the keys, and in time; with `each`, one for every item."""
        claims = self._claims(request, now)
        return bool(claims) and all(self._is_by_any(claim, plain(secrets)) for claim in claims)

    def sign(self, secret: SecretStr, request: SignedRequest, *, identifier: str, now: float) -> RequestAuth:
        """Return the headers, or the body, of a signed request."""
        key = secret.get_secret_value()
        timestamp = written_time(now, self.timestamp_unit)
        body = request.body
        if self.timestamp_field:
            body = with_text(request.content_type, body, self.timestamp_field, timestamp, each=self.each)
        if self.field:
            return RequestAuth(body=self._signed_body(key, request, body, timestamp))
        contents = self._contents(_with_body(request, body), timestamp, identifier)
        if not contents:
            raise ValueError("for another kind of body: what is signed cannot be read in this one")
        signature = self._signature(key, contents[0])
        headers = {}
        if self.timestamp_header:
            headers[self.timestamp_header] = timestamp
        if self.id_header:
            headers[self.id_header] = identifier
        headers[str(self.header)] = (
            self.parts.join(signature, timestamp) if self.parts else self.prefix + signature
        )
        return RequestAuth(headers=headers, body=body if self.timestamp_field else None)

    def _signed_body(self, key: str, request: SignedRequest, body: bytes, timestamp: str) -> bytes:
        """Return the body with a signature at `field`; each item of a list has one of its own."""
        contents = self._contents(_with_body(request, body), timestamp, "")
        if not contents:
            raise ValueError("for another kind of body: what is signed cannot be read in this one")
        for number, claim in enumerate(contents):
            place = f"{self.each}.{number}.{self.field}" if self.each else str(self.field)
            signature = self.prefix + self._signature(key, claim)
            body = with_text(request.content_type, body, place, signature)
        return body

    def _signature(self, key: str, claim: Claim) -> str:
        return encode(self._signer(key)(claim.content(octets(key))), self.encoding)

    @abstractmethod
    def _is_by_any(self, claim: Claim, keys: Sequence[str]) -> bool:
        """Return True if a signature is by one of the keys; never raises."""

    @abstractmethod
    def _signer(self, key: str) -> Callable[[bytes], bytes]:
        """Return what signs bytes with a key; raises ValueError if it cannot."""

    @property
    def place(self) -> str:
        """The place of the signature, in words."""
        return f"the header {self.header}" if self.header else f"the field {self.field} of the body"

    @property
    def signs_address(self) -> bool:
        """True where the address is among what is signed."""
        return self._signs("url") or self._signs("path")

    @property
    def given_url(self) -> str | None:
        """The address that the sender was given, where `hooks.yaml` names it."""
        return self.url

    @property
    def auth_header(self) -> str | None:
        """The header of the signature."""
        return self.header

    @property
    def delivery_id_header(self) -> str | None:
        """The header of the signed id."""
        return self.id_header

    def _claims(self, request: SignedRequest, now: float) -> list[Claim]:
        """Return what the request claims; nothing if something is missing, not of its form, or out of time."""
        received = _header(request, self.header)
        identifier = _header(request, self.id_header)
        whole = self._without_prefix(received), ""
        signatures, timestamp = self.parts.split(received) if self.parts else whole
        timestamp = timestamp or _header(request, self.timestamp_header)
        if self.id_header and not identifier:
            return []
        contents = self._contents(request, timestamp, identifier)
        if not all(self._is_in_time(claim, timestamp, now) for claim in contents):
            return []
        decoded = [self._decoded(signatures)] * len(contents)
        if self.field:
            texts = [text_at(claim.item, self.field) or "" for claim in contents]
            decoded = [self._decoded(self._without_prefix(text)) for text in texts]
        return [
            Claim(found, claim.content, claim.item) for found, claim in zip(decoded, contents, strict=True)
        ]

    def _without_prefix(self, text: str) -> list[str]:
        return [text.removeprefix(self.prefix)] if text.startswith(self.prefix) else []

    def _decoded(self, signatures: Sequence[str]) -> list[bytes]:
        decoded = [decode(text, self.encoding) for text in signatures[:MAX_SIGNATURES]]
        return [signature for signature in decoded if signature is not None]

    def _is_in_time(self, claim: Claim, timestamp: str, now: float) -> bool:
        if self.timestamp_field:
            timestamp = text_at(claim.item, self.timestamp_field) or ""
        elif not self._signs("timestamp"):
            return True
        return is_near(timestamp, now, self.tolerance, unit=self.timestamp_unit)

    def _contents(self, request: SignedRequest, timestamp: str, identifier: str) -> list[Claim]:
        """Return what must be signed of a request, once for each item of `each`; none where it cannot be read."""
        items: Sequence[Any] = [None]
        if self._reads_fields:
            document = read_body(request.content_type, request.body)
            items = items_at(document, self.each) if document is not None else []
        contents = [self._content(request, item, timestamp, identifier) for item in items]
        return [] if None in contents else [each for each in contents if each]

    def _content(self, request: SignedRequest, item: Any, timestamp: str, identifier: str) -> Claim | None:
        of_body = self._of_body(request, item)
        if of_body is None:
            return None
        if self.timestamp_field:
            timestamp = text_at(item, self.timestamp_field) or ""
        values = {
            **dict.fromkeys(OF_BODY, of_body),  # one of them is used
            "timestamp": octets(timestamp),
            "id": octets(identifier),
            "method": octets(request.method),
            "url": octets(request.url),
            "path": octets(_path(request.url)) if self._signs("path") else b"",
        }
        return Claim([], lambda secret: _joined(self.signs, {**values, "secret": secret}), item)

    def _of_body(self, request: SignedRequest, item: Any) -> bytes | None:
        """Return what stands for the body in what is signed; None where this body cannot be signed so."""
        if self._signs("form"):
            return _form(request)
        if self._signs("crc32"):
            return str(zlib.crc32(request.body)).encode()
        if self.fields_:
            text = self.fields_.text(item)
            return None if text is None else octets(text)
        return request.body


def _with_body(request: SignedRequest, body: bytes) -> SignedRequest:
    return SignedRequest(
        request.headers, request.query, request.path_secret, body, request.method, request.url
    )


def _header(request: SignedRequest, name: str | None) -> str:
    return request.headers.get(name.lower(), "") if name else ""


def _path(url: str) -> str:
    """Return the path of an address, with its query."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    return parts.path + (f"?{parts.query}" if parts.query else "")


def _form(request: SignedRequest) -> bytes | None:
    """Return the fields of a form, names and values in order; None where a body is there that is no form."""
    if not request.body:
        return b""
    fields = read_form(request.body) if request.content_type == FORM else None
    if fields is None:
        return None
    pairs = sorted({(_raw(name), _raw(value)) for name, value in fields})
    return b"".join(name + value for name, value in pairs)


def _raw(text: str) -> bytes:
    """Return a form's text as the bytes that it came as."""
    return text.encode(errors="surrogateescape")


def _joined(signs: str, values: Mapping[str, bytes]) -> bytes:
    parts = [values[text] if is_piece else octets(text) for text, is_piece in _pieces(signs)]
    return b"".join(part for part in parts if part)  # one part alone, which may be large, is not copied


@cache
def _pieces(signs: str) -> list[tuple[str, bool]]:
    """Return the fixed texts of a signing string and, in turn with them, the names of its pieces."""
    return [(text, place % 2 == 1) for place, text in enumerate(PIECE.split(signs))]
