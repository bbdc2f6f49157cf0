"""`asymmetric`: ed25519, RSA and ECDSA signatures, checked with the sender's public key."""

import base64
import binascii
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, TypeAlias

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

from hookline.gateway.schemes.crypto import AuthScheme, SignedRequest
from hookline.gateway.schemes.signatures import claim, signed
from hookline.hooks.auth_schemes import Asymmetric

MIN_RSA = 2048
"""Bits."""
RAW = 32
"""Bytes of an ed25519 key that is written as it is."""
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


def verify(scheme: Asymmetric, request: SignedRequest, keys: Sequence[str], now: float) -> bool:
    """Whether a signature is of one of the public keys, and in time."""
    claimed = claim(scheme, request, now)
    return claimed is not None and any(
        _is_signed(scheme, key, signature, claimed.content)
        for key in keys
        for signature in claimed.signatures
    )


def sign(scheme: Asymmetric, private_key: str, body: bytes, *, identifier: str, now: float) -> AuthScheme:
    """
    The headers that prove a body.

    Raises:
        ValueError: that is no private key of the scheme's kind.
    """
    key = load_private_key(private_key, scheme.algorithm)
    return signed(
        scheme, body, identifier=identifier, now=now, signer=lambda content: _sign(scheme, key, content)
    )


@lru_cache(maxsize=256)
def load_public_key(text: str, algorithm: str) -> PublicKey:
    """
    A public key in PEM, or in base64 or hex: the bytes of an ed25519 key, or DER.

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
    A private key in PEM without a password, or the bytes of an ed25519 key in base64 or hex.

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
    r"""The lines of a PEM text, which a file of variables may hold as one line, with `\n` in it."""
    return text.replace("\\n", "\n").encode()


def _bytes(text: str) -> bytes:
    """What base64 or hex stands for; 64 digits of hex would be base64 too, but of no key."""
    text = text.strip()
    try:
        return binascii.unhexlify(text)
    except ValueError:
        return base64.b64decode(text, validate=True)


def _is_signed(scheme: Asymmetric, text: str, signature: bytes, content: bytes) -> bool:
    try:
        match load_public_key(text, scheme.algorithm):
            case Ed25519PublicKey() as key:
                key.verify(signature, content)
            case RSAPublicKey() as key:
                key.verify(signature, content, _padding(scheme, padding.PSS.AUTO), DIGESTS[scheme.digest])
            case EllipticCurvePublicKey() as key:
                key.verify(signature, content, ECDSA(DIGESTS[scheme.digest]))
    except (InvalidSignature, ValueError, UnsupportedAlgorithm):
        return False
    return True


def _sign(scheme: Asymmetric, key: PrivateKey, content: bytes) -> bytes:
    match key:
        case Ed25519PrivateKey():
            return key.sign(content)
        case RSAPrivateKey():
            return key.sign(content, _padding(scheme, padding.PSS.DIGEST_LENGTH), DIGESTS[scheme.digest])
        case EllipticCurvePrivateKey():
            return key.sign(content, ECDSA(DIGESTS[scheme.digest]))


def _padding(scheme: Asymmetric, salt: Any) -> padding.AsymmetricPadding:
    """The padding; `salt` is a length as `padding.PSS` names them."""
    if scheme.algorithm == "rsa-pkcs1v15":
        return padding.PKCS1v15()
    return padding.PSS(mgf=padding.MGF1(DIGESTS[scheme.digest]), salt_length=salt)
