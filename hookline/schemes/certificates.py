"""`certificate`: RSA signatures by a certificate whose address the sender names, and `hooks.yaml` allows."""

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Annotated, ClassVar, Literal, TypeAlias

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from pydantic import Field, SecretStr, model_validator

from hookline.schemes.asymmetric import DIGESTS, MIN_RSA
from hookline.schemes.base import HeaderName, SignedRequest, plain
from hookline.schemes.crypto import is_one_of, octets
from hookline.schemes.fields import FieldPath, read_body, text_at
from hookline.schemes.signature import PIECES, Claim, Signature

AddressPattern: TypeAlias = Annotated[
    str, Field(max_length=200, pattern=r"^https://[a-z0-9*-]+(\.[a-z0-9*-]+)*\.[a-z]+/[A-Za-z0-9/._*-]*$")
]
"""An address with `*` for letters, digits and dashes: never for a dot or a slash."""


MAX_ADDRESS = 500


class Certificate(Signature):
    """The sender signs with the key of a certificate, which we fetch where the sender says and `hooks.yaml` allows."""

    name: ClassVar[str] = "certificate"
    pieces: ClassVar[frozenset[str]] = frozenset(PIECES)
    key_pairs: ClassVar[Literal["never", "possible", "always"]] = "always"
    replacement_hint: ClassVar[str] = "It is no secret: take it from the sender's page."

    address_header: HeaderName | None = Field(
        default=None, description="Carries the address of the certificate."
    )
    address_field: FieldPath | None = Field(
        default=None, description="Instead: the field of the body with the address of the certificate."
    )
    addresses: tuple[AddressPattern, ...] = Field(
        min_length=1,
        max_length=20,
        description="The addresses that are fetched, `*` for letters, digits and dashes; all others prove nothing.",
    )
    identity_field: FieldPath | None = Field(
        default=None,
        description="The signed field that must be our value, such as a topic; or `{secret}` in signs.",
    )
    digest: Literal["sha256", "sha384", "sha512"] = Field(default="sha256", description="The digest.")

    @model_validator(mode="after")
    def _names_its_places(self) -> "Certificate":
        if bool(self.address_header) == bool(self.address_field):
            raise ValueError("the address stands in address_header or in address_field: name one of them")
        if bool(self.identity_field) == self._signs("secret"):
            raise ValueError(
                "the certificate signs for all customers of the sender: what is ours stands in signs as "
                "{secret}, or in identity_field"
            )
        if self.identity_field and not (self._signs("body") or self._signs_field(self.identity_field)):
            raise ValueError("identity_field must be signed: {body} in signs, or the field among fields")
        return self

    def describe(self, source: str) -> str:
        """Return the place of the signature, and what says that it is for us."""
        return f"A signature by the sender's certificate in {self.place}, for the value of {source}."

    def is_public(self, secret: str) -> bool:  # noqa: ARG002  (a name, such as a topic's)
        """Return True: it only says which of the sender's messages are ours."""
        return True

    def address_of(self, request: SignedRequest) -> str | None:
        """Return the address that the request names, if it is an allowed one."""
        if self.address_header:
            address = request.headers.get(self.address_header.lower(), "")
        else:
            document = read_body(request.content_type, request.body)
            address = text_at(document, str(self.address_field)) or ""
        if len(address) > MAX_ADDRESS:
            return None
        allowed = any(re.fullmatch(_as_regex(pattern), address) for pattern in self.addresses)
        return address if allowed else None

    def verify(self, request: SignedRequest, secrets: Sequence[SecretStr], *, now: float) -> bool:
        """Return True if the certificate, in force now, signed a message that is ours."""
        key = _public_key(request.document or b"", now)
        if key is None or self.address_of(request) is None:
            return False
        claims = self._claims(request, now)
        return bool(claims) and all(self._is_ours(key, claim, secrets) for claim in claims)

    def _is_ours(self, key: RSAPublicKey, claim: Claim, secrets: Sequence[SecretStr]) -> bool:
        if self.identity_field and not is_one_of(text_at(claim.item, self.identity_field) or "", secrets):
            return False
        return any(self._signed(key, claim, octets(secret)) for secret in plain(secrets))

    def _signed(self, key: RSAPublicKey, claim: Claim, secret: bytes) -> bool:
        content = claim.content(secret)
        for signature in claim.signatures:
            try:
                key.verify(signature, content, padding.PKCS1v15(), DIGESTS[self.digest])
            except (InvalidSignature, UnsupportedAlgorithm, ValueError):
                continue
            return True
        return False

    @property
    def _reads_fields(self) -> bool:
        return super()._reads_fields or self.identity_field is not None

    def _is_by_any(self, claim: Claim, keys: Sequence[str]) -> bool:  # noqa: ARG002  (see verify)
        return False

    def _signer(self, key: str) -> Callable[[bytes], bytes]:  # noqa: ARG002  (the same)
        raise ValueError("no key of a certificate: only the sender has one at its own address")


def _as_regex(pattern: str) -> str:
    return "[A-Za-z0-9-]+".join(re.escape(part) for part in pattern.split("*"))


def _public_key(document: bytes, now: float) -> RSAPublicKey | None:
    """Return the key of a certificate in PEM, the first if there is a chain; None if it is not in force, or weak."""
    try:
        certificate = x509.load_pem_x509_certificates(document)[0]
        key = certificate.public_key()
        at = datetime.fromtimestamp(now, UTC)
    except (ValueError, IndexError, UnsupportedAlgorithm, OverflowError):
        return None
    in_force = certificate.not_valid_before_utc <= at <= certificate.not_valid_after_utc
    strong = isinstance(key, RSAPublicKey) and key.key_size >= MIN_RSA
    return key if in_force and strong and isinstance(key, RSAPublicKey) else None
