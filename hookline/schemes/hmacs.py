"""`hmac` and `digest`: signatures with a secret that both sides know."""

import hashlib
import hmac
from collections.abc import Callable, Sequence
from typing import ClassVar, Literal

from pydantic import Field, model_validator

from hookline.schemes.crypto import any_equal, decode, octets
from hookline.schemes.signature import PIECES, Claim, Signature


class Hmac(Signature):
    """The sender signs with a secret that we share."""

    name: ClassVar[str] = "hmac"

    algorithm: Literal["sha1", "sha256", "sha384", "sha512"] = Field(
        default="sha256", description="The digest."
    )
    secret_encoding: Literal["text", "hex", "base64", "base64url"] = Field(
        default="text", description="How the secret stands for its bytes; `text`: they are the key."
    )

    def describe(self, source: str) -> str:
        """Return the algorithm and the place."""
        return f"An HMAC ({self.algorithm}) in {self.place}, with the secret of {source}."

    def secret_length(self, secret: str) -> int:
        """Return the bytes of a secret; raises ValueError if it is not of its encoding."""
        return len(self._key(secret))

    def _is_by_any(self, claim: Claim, keys: Sequence[str]) -> bool:
        content = claim.content(b"")
        return any_equal(claim.signatures, [self._signer(key)(content) for key in keys if self._is_key(key)])

    def _signer(self, key: str) -> Callable[[bytes], bytes]:
        decoded = self._key(key)
        return lambda content: hmac.digest(decoded, content, self.algorithm)

    def _is_key(self, secret: str) -> bool:
        return self._bytes(secret) is not None

    def _key(self, secret: str) -> bytes:
        key = self._bytes(secret)
        if key is None:
            raise ValueError(f"not written in {self.secret_encoding}, as `secret_encoding` says")
        return key

    def _bytes(self, secret: str) -> bytes | None:
        match self.secret_encoding:
            case "text":
                return octets(secret)
            case encoding:
                return decode(secret, encoding)


class Digest(Signature):
    """The sender sends a plain digest of the secret and the text: weaker than `hmac`, but some know no other."""

    name: ClassVar[str] = "digest"
    pieces: ClassVar[frozenset[str]] = frozenset(PIECES)

    algorithm: Literal["sha256", "sha384", "sha512"] = Field(default="sha256", description="The digest.")

    @model_validator(mode="after")
    def _holds_the_secret(self) -> "Digest":
        if self.signs.count("{secret}") != 1:
            raise ValueError("signs must hold {secret} once, or anybody could make the digest")
        return self

    def describe(self, source: str) -> str:
        """Return the algorithm and the place."""
        return f"A digest ({self.algorithm}) with the secret of {source} in it, in {self.place}."

    def _is_by_any(self, claim: Claim, keys: Sequence[str]) -> bool:
        return any_equal(claim.signatures, [self._signer(key)(claim.content(octets(key))) for key in keys])

    def _signer(self, key: str) -> Callable[[bytes], bytes]:  # noqa: ARG002  (it stands in the content)
        return lambda content: hashlib.new(self.algorithm, content).digest()
