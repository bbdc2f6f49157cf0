"""`asymmetric`: ed25519, RSA and ECDSA signatures in a header, verified with the sender's public key."""

import base64
import binascii
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, ClassVar, Literal, TypeAlias

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDSA,
    EllipticCurvePrivateKey,
    EllipticCurvePublicKey,
)
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from pydantic import Field

from hookline.schemes.signature import Claim, Signature

MIN_RSA = 2048
"""Bits."""
RAW = 32
"""Bytes of an ed25519 key without an envelope."""
DIGESTS: dict[str, hashes.HashAlgorithm] = {
    "sha256": hashes.SHA256(),
    "sha384": hashes.SHA384(),
    "sha512": hashes.SHA512(),
}

PublicKey: TypeAlias = Ed25519PublicKey | RSAPublicKey | EllipticCurvePublicKey
PrivateKey: TypeAlias = Ed25519PrivateKey | RSAPrivateKey | EllipticCurvePrivateKey
PUBLIC_KEYS: dict[str, type[PublicKey]] = {
    "ed25519": Ed25519PublicKey,
    "rsa-pkcs1v15": RSAPublicKey,
    "rsa-pss": RSAPublicKey,
    "ecdsa": EllipticCurvePublicKey,
}
PRIVATE_KEYS: dict[str, type[PrivateKey]] = {
    "ed25519": Ed25519PrivateKey,
    "rsa-pkcs1v15": RSAPrivateKey,
    "rsa-pss": RSAPrivateKey,
    "ecdsa": EllipticCurvePrivateKey,
}


class Asymmetric(Signature):
    """The sender signs with its private key, whose public half we hold."""

    name: ClassVar[str] = "asymmetric"
    key_pairs: ClassVar[Literal["never", "possible", "always"]] = "always"
    replacement_hint: ClassVar[str] = "Ask the sender for its public key."

    algorithm: Literal["ed25519", "rsa-pkcs1v15", "rsa-pss", "ecdsa"] = Field(
        description="The kind of the key, and for RSA the padding; ECDSA signatures are in DER."
    )
    digest: Literal["sha256", "sha384", "sha512"] = Field(
        default="sha256", description="The digest that RSA and ECDSA sign; ed25519 has its own."
    )

    def describe(self, source: str) -> str:
        """Return the algorithm and the place."""
        return f"An {self.algorithm} signature in {self.place}, with the public key of {source}."

    def secret_length(self, secret: str) -> None:
        """Check the public key; raises ValueError if it is none of the algorithm."""
        load_public_key(secret, self.algorithm)

    def is_public(self, secret: str) -> bool:  # noqa: ARG002  (all are)
        """Return True: we hold public keys only."""
        return True

    def _is_by_any(self, claim: Claim, keys: Sequence[str]) -> bool:
        content = claim.content(b"")
        return any(self._is_signed(key, signature, content) for key in keys for signature in claim.signatures)

    def _is_signed(self, text: str, signature: bytes, content: bytes) -> bool:
        try:
            match load_public_key(text, self.algorithm):
                case Ed25519PublicKey() as key:
                    key.verify(signature, content)
                case RSAPublicKey() as key:
                    key.verify(signature, content, self._padding(padding.PSS.AUTO), DIGESTS[self.digest])
                case EllipticCurvePublicKey() as key:
                    key.verify(signature, content, ECDSA(DIGESTS[self.digest]))
        except (InvalidSignature, ValueError, UnsupportedAlgorithm):
            return False
        return True

    def _signer(self, key: str) -> Callable[[bytes], bytes]:
        match load_private_key(key, self.algorithm):
            case Ed25519PrivateKey() as ed25519:
                return ed25519.sign
            case RSAPrivateKey() as rsa:
                padded = self._padding(padding.PSS.DIGEST_LENGTH)
                return lambda content: rsa.sign(content, padded, DIGESTS[self.digest])
            case EllipticCurvePrivateKey() as ec:
                return lambda content: ec.sign(content, ECDSA(DIGESTS[self.digest]))

    def _padding(self, salt: Any) -> padding.AsymmetricPadding:
        """Return the padding; `salt` is a length as `padding.PSS` names them."""
        if self.algorithm == "rsa-pkcs1v15":
            return padding.PKCS1v15()
        return padding.PSS(mgf=padding.MGF1(DIGESTS[self.digest]), salt_length=salt)


@lru_cache(maxsize=256)
def load_public_key(text: str, algorithm: str) -> PublicKey:
    """
    Return a public key written in PEM, or in base64 or hex: the bytes of an ed25519 key, or DER.

    Raises:
        ValueError: it is no public key of that algorithm, or too short.
    """
    try:
        if "-----BEGIN" in text:
            key = serialization.load_pem_public_key(_pem(text))
        elif len(content := _bytes(text)) == RAW and algorithm == "ed25519":
            key = Ed25519PublicKey.from_public_bytes(content)
        else:
            key = serialization.load_der_public_key(content)
    except (ValueError, UnsupportedAlgorithm):
        raise ValueError(f"no public key of {algorithm} in PEM, base64 or hex") from None
    if not isinstance(key, PUBLIC_KEYS[algorithm]):
        raise ValueError(f"a public key, but not one of {algorithm}")  # noqa: TRY004  (a mistake of the environment)
    if isinstance(key, RSAPublicKey) and key.key_size < MIN_RSA:
        raise ValueError(f"shorter than {MIN_RSA} bits, so that it could be broken")
    return key


def load_private_key(text: str, algorithm: str) -> PrivateKey:
    """
    Return a private key written in PEM without a password, or the bytes of an ed25519 key in base64 or hex.

    Raises:
        ValueError: it is no private key of that algorithm.
    """
    try:
        if "-----BEGIN" in text:
            key = serialization.load_pem_private_key(_pem(text), password=None)
        else:
            key = Ed25519PrivateKey.from_private_bytes(_bytes(text))
    except (ValueError, TypeError, UnsupportedAlgorithm):  # TypeError: it has a password
        raise ValueError(f"no private key of {algorithm} in PEM without a password") from None
    if not isinstance(key, PRIVATE_KEYS[algorithm]):
        raise ValueError(f"a private key, but not one of {algorithm}")  # noqa: TRY004  (the same)
    return key


def _pem(text: str) -> bytes:
    r"""Return the lines of a PEM text, which a file of variables may hold as one line, with `\n` in it."""
    return text.replace("\\n", "\n").encode()


def _bytes(text: str) -> bytes:
    """Return what base64 or hex stands for; 64 digits of hex would be base64 too, but of no key."""
    text = text.strip()
    try:
        return binascii.unhexlify(text)
    except ValueError:
        return base64.b64decode(text, validate=True)
