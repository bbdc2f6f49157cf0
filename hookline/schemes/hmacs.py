"""`hmac`: a digest with a secret that both sides know."""

import hmac
from collections.abc import Callable, Sequence
from typing import ClassVar, Literal

from pydantic import Field

from hookline.schemes.crypto import any_equal, octets
from hookline.schemes.header_signature import Claim, HeaderSignature


class Hmac(HeaderSignature):
    """The sender signs with a secret that we share."""

    name: ClassVar[str] = "hmac"

    algorithm: Literal["sha1", "sha256", "sha384", "sha512"] = Field(
        default="sha256", description="The digest."
    )

    def describe(self, source: str) -> str:
        """Return the algorithm and the header."""
        return f"An HMAC ({self.algorithm}) in the header {self.header}, with the secret of {source}."

    def _is_by_any(self, claim: Claim, keys: Sequence[str]) -> bool:
        return any_equal(claim.signatures, [self._signer(key)(claim.content) for key in keys])

    def _signer(self, key: str) -> Callable[[bytes], bytes]:
        return lambda content: hmac.digest(octets(key), content, self.algorithm)
