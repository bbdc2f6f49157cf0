"""`jwt`: a JSON Web Token in a header, verified by a secret, a public key, or the keys (JWKS) of its issuer."""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Annotated, Any, ClassVar, Literal, TypeAlias

import jwt
from jwt.algorithms import get_default_algorithms
from pydantic import Field, SecretStr, field_validator, model_validator

from hookline.schemes.asymmetric import MIN_RSA, load_private_key, load_public_key
from hookline.schemes.base import AuthScheme, HeaderName, RequestAuth, SignedRequest, Strict, Tolerance, plain
from hookline.schemes.crypto import Encoding, any_equal, encode, octets
from hookline.schemes.fields import FieldPath, value_at

Algorithm: TypeAlias = Literal["HS256", "RS256", "ES256"]

KINDS: Mapping[str, str] = {"RS256": "rsa-pkcs1v15", "ES256": "ecdsa"}
"""The algorithms of key pairs, as `asymmetric` names them."""
KEY_TYPES = {"RS256": "RSA", "ES256": "EC"}
MIN_SECRET = 32
"""Bytes."""
TOKEN = re.compile(r"(?:(?:bearer|jwt) )?([\w-]+\.[\w-]+\.[\w-]+)", re.ASCII | re.IGNORECASE)
MAX_TOKEN = 16_384
MAX_KEYS = 100
"""The keys of a JWKS that are looked at."""
KEY_ID = re.compile(r"[!-~]{1,200}")
CLAIM = r"^[\w.:/-]+$"


class KeyQuestion(Strict):
    """The question by which a sender gives the key that a token names to the owner of an account."""

    address: str = Field(
        pattern=r"^https://[!-~]{1,400}$", description="Where it is posted: an address of https."
    )
    ask: dict[str, Annotated[str, Field(max_length=200)]] = Field(
        min_length=1, max_length=10, description="What is posted, of the pieces {kid}, {user} and {password}."
    )
    field: FieldPath | None = Field(default=None, description="The field of the answer that is the key.")

    @field_validator("ask")
    @classmethod
    def _asks_for_the_key(cls, ask: dict[str, str]) -> dict[str, str]:
        if "{kid}" not in ask.values():
            raise ValueError("asks for no key: one of its values is {kid}, the key that a token names")
        return ask

    def of(self, kid: str, credentials: str) -> bytes:
        """Return the question for a key; the credentials are a user and a password, with a colon between them."""
        user, _, password = credentials.partition(":")
        pieces = {"{kid}": kid, "{user}": user, "{password}": password}
        return json.dumps({name: pieces.get(value, value) for name, value in self.ask.items()}).encode()


class Jwt(AuthScheme):
    """The sender puts a JSON Web Token into a header."""

    name: ClassVar[str] = "jwt"
    key_pairs: ClassVar[Literal["never", "possible", "always"]] = "possible"

    header: HeaderName = Field(
        default="Authorization",
        description="Carries the token, with or without the word `Bearer` or `JWT` before it.",
    )
    algorithm: Algorithm = Field(default="HS256", description="The only algorithm that is believed.")
    jwks: Annotated[str, Field(pattern=r"^https://[!-~]{1,400}$")] | dict[str, Any] | None = Field(
        default=None,
        description="The sender's public keys: an address that begins with https, or a file beside `hooks.yaml`.",
    )
    key_at: KeyQuestion | None = Field(
        default=None, description="The question by which the sender gives the key that a token names."
    )
    issuer: str | None = Field(default=None, max_length=400, description="What `iss` must be.")
    audience: str | None = Field(
        default=None, max_length=400, description="What `aud` must be, or have among its values."
    )
    body_claim: str | None = Field(
        default=None,
        max_length=100,
        pattern=CLAIM,
        description="The claim that is the digest (SHA-256) of the body.",
    )
    body_encoding: Encoding = Field(default="hex", description="How the digest is written.")
    tolerance: Tolerance = 300

    @field_validator("jwks")
    @classmethod
    def _has_keys(cls, jwks: str | dict[str, Any] | None) -> str | dict[str, Any] | None:
        if isinstance(jwks, dict) and not _keys_of(jwks):
            raise ValueError("holds no key: a JWKS is a map with a list of `keys`")
        return jwks

    @model_validator(mode="after")
    def _fits(self) -> "Jwt":
        if self.jwks is not None and self.algorithm == "HS256":
            raise ValueError("jwks holds public keys: name the algorithm, RS256 or ES256")
        if self.key_at is not None and (self.jwks is not None or self.algorithm == "HS256"):
            raise ValueError("key_at gives a public key: name the algorithm, RS256 or ES256, and no jwks")
        if "body_encoding" in self.model_fields_set and not self.body_claim:
            raise ValueError("body_encoding is for body_claim")
        return self

    @property
    def signs_body(self) -> bool:
        """Return True if the token has a digest of the body."""
        return self.body_claim is not None

    @property
    def reads_body(self) -> bool:
        """Return True if the token has a digest of the body."""
        return self.signs_body

    @property
    def needs_secret(self) -> bool:
        """Return False where a JWKS has the keys."""
        return self.jwks is None

    @property
    def auth_header(self) -> str:
        """The header of the token."""
        return self.header

    def describe(self, source: str) -> str:
        """Return the algorithm, and whose key verifies it."""
        if self.key_at:
            key = "a key that is asked for by the credentials"
        elif self.jwks is not None:
            key = "the published keys"
        else:
            key = "the secret" if self.algorithm == "HS256" else "the public key"
        return f"A JSON Web Token ({self.algorithm}) in the header {self.header}, with {key} of {source}."

    def is_public(self, secret: str) -> bool:  # noqa: ARG002  (all of an algorithm are)
        """Return True unless it is the secret of HS256, or credentials."""
        return self.algorithm != "HS256" and self.key_at is None

    def secret_length(self, secret: str) -> int | None:
        """Return the bytes of a secret, None for a public key; raises ValueError if it is neither."""
        if self.key_at:
            user, colon, password = secret.partition(":")
            if not user or not colon:
                raise ValueError("not the user and the password of an account, with a colon between them")
            return len(octets(password))
        if self.algorithm == "HS256":
            if len(octets(secret)) < MIN_SECRET:
                raise ValueError(f"shorter than {MIN_SECRET} bytes, which HS256 asks for (RFC 7518)")
            return len(octets(secret))
        load_public_key(secret, KINDS[self.algorithm])
        return None

    def address_of(self, request: SignedRequest) -> str | None:
        """Return the address of the JWKS, or the one that is asked for the key of the token."""
        if self.key_at:
            return self.key_at.address if self._kid(request) else None
        return self.jwks if isinstance(self.jwks, str) else None

    def question(self, request: SignedRequest, secrets: Sequence[SecretStr]) -> bytes | None:
        """Return the question for the key of the token; None where a JWKS is there for anybody."""
        kid = self._kid(request)
        return self.key_at.of(kid, plain(secrets)[0]) if self.key_at and kid and secrets else None

    def _kid(self, request: SignedRequest) -> str | None:
        kid = _key_id(_token(request.headers.get(self.header.lower(), "")))
        return kid if kid and KEY_ID.fullmatch(kid) else None

    def verify(self, request: SignedRequest, secrets: Sequence[SecretStr], *, now: float) -> bool:
        """Return True if the token is signed by one of the keys, in force, and of this body."""
        token = _token(request.headers.get(self.header.lower(), ""))
        for key in self._keys(token, request, plain(secrets)):
            claims = self._claims(token, key)
            if claims is not None:
                return (
                    self._is_in_time(claims, now) and self._is_for_us(claims) and self._is_of(claims, request)
                )
        return False

    def sign(self, secret: SecretStr, request: SignedRequest, *, identifier: str, now: float) -> RequestAuth:
        """Return the header with a token that is good for the tolerance."""
        if self.key_at:
            raise ValueError("no key of the sender: it gives its public keys only")
        text = secret.get_secret_value()
        key = text if self.algorithm == "HS256" else load_private_key(text, KINDS[self.algorithm])
        claims: dict[str, Any] = {"iat": int(now), "exp": int(now) + self.tolerance, "jti": identifier}
        named = {"iss": self.issuer, "aud": self.audience}
        claims |= {name: value for name, value in named.items() if value is not None}
        if self.body_claim:
            claims[self.body_claim] = _body_digest(request.body, self.body_encoding)
        token = jwt.encode(claims, key, algorithm=self.algorithm)
        word = "Bearer " if self.header.lower() == "authorization" else ""
        return RequestAuth(headers={self.header: word + token})

    def _keys(self, token: str, request: SignedRequest, secrets: Sequence[str]) -> list[Any]:
        """Return the keys that may have signed the token."""
        if self.key_at:
            found = value_at(_document(request.document), self.key_at.field)
            document: Any = {"keys": [found]} if secrets else None
        elif self.jwks is None:
            return [key for each in secrets if (key := self._own_key(each)) is not None]
        else:
            document = self.jwks if isinstance(self.jwks, dict) else _document(request.document)
        named = _key_id(token)
        return [
            key
            for each in _keys_of(document)
            if (named is None or named == each.get("kid")) and (key := self._public_key(each)) is not None
        ]

    def _own_key(self, text: str) -> Any:
        if self.algorithm == "HS256":
            return octets(text) if len(octets(text)) >= MIN_SECRET else None
        try:
            return load_public_key(text, KINDS[self.algorithm])
        except ValueError:
            return None

    def _public_key(self, key: Mapping[str, Any]) -> Any:
        if key.get("kty") != KEY_TYPES[self.algorithm] or key.get("use", "sig") != "sig":
            return None
        if key.get("expired_at") is not None:  # as Plaid calls back a key
            return None
        try:
            read = _algorithm(self.algorithm).from_jwk(dict(key))
        except Exception:  # noqa: BLE001  (whatever stands there instead of a key is none)
            return None
        return read if self.algorithm != "RS256" or read.key_size >= MIN_RSA else None

    def _claims(self, token: str, key: Any) -> Mapping[str, Any] | None:
        """Return what a token claims that this key signed; None of any other."""
        try:
            payload = jwt.PyJWS().decode(token, key, algorithms=[self.algorithm])
            claims = json.loads(payload)
        except Exception:  # noqa: BLE001  (a stranger wrote it; the library raises whatever its parts raise)
            return None
        return claims if isinstance(claims, dict) else None

    def _is_in_time(self, claims: Mapping[str, Any], now: float) -> bool:
        """Return True if a token is in force: it says until when, or when it was made, unless it is of one body."""
        times = {name: claims[name] for name in ("exp", "nbf", "iat") if name in claims}
        if not (times.keys() & {"exp", "iat"} or self.body_claim):
            return False
        if not all(_is_time(each) for each in times.values()):
            return False
        if "exp" not in times and now - times.get("iat", now) > self.tolerance:
            return False
        not_before = max(times.get("nbf", 0), times.get("iat", 0))
        return bool(not_before - self.tolerance <= now <= times.get("exp", now) + self.tolerance)

    def _is_for_us(self, claims: Mapping[str, Any]) -> bool:
        audience = claims.get("aud")
        of_us = audience if isinstance(audience, list) else [audience]
        return (self.issuer is None or claims.get("iss") == self.issuer) and (
            self.audience is None or self.audience in of_us
        )

    def _is_of(self, claims: Mapping[str, Any], request: SignedRequest) -> bool:
        if not self.body_claim:
            return True
        named = claims.get(self.body_claim)
        right = octets(_body_digest(request.body, self.body_encoding))
        return isinstance(named, str) and any_equal([octets(named)], [right])


def _token(header: str) -> str:
    """Return the token of a header; empty where there is anything but one."""
    found = TOKEN.fullmatch(header) if len(header) <= MAX_TOKEN else None
    return found[1] if found else ""


@lru_cache(maxsize=1)
def _algorithms() -> Mapping[str, Any]:
    return get_default_algorithms()


def _algorithm(name: str) -> Any:
    return _algorithms()[name]


def _is_time(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1e12  # noqa: PLR2004


def _body_digest(body: bytes, encoding: Encoding) -> str:
    return encode(hashlib.sha256(body).digest(), encoding)


def _key_id(token: str) -> str | None:
    """Return the id of the key that a token names, which nothing proves yet."""
    try:
        named = jwt.get_unverified_header(token).get("kid")
    except Exception:  # noqa: BLE001  (as for the claims)
        return None
    return named if isinstance(named, str) else None


def _document(content: bytes | None) -> Any:
    try:
        return json.loads(content or b"")
    except (ValueError, RecursionError):
        return None


def _keys_of(document: Any) -> list[Mapping[str, Any]]:
    keys = document.get("keys") if isinstance(document, dict) else None
    return [each for each in keys[:MAX_KEYS] if isinstance(each, dict)] if isinstance(keys, list) else []
