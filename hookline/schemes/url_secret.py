"""`url-secret`: the secret as the last part of the address."""

import re
from collections.abc import Sequence
from typing import ClassVar

from pydantic import SecretStr

from hookline.schemes.base import AuthScheme, RequestAuth, SignedRequest
from hookline.schemes.crypto import is_one_of

SEGMENT = re.compile(r"[A-Za-z0-9._~-]+")
"""A part of an address that needs no escapes."""


class UrlSecret(AuthScheme):
    """The secret is the last segment of the address that the sender was given."""

    name: ClassVar[str] = "url-secret"
    in_path: ClassVar[bool] = True

    @property
    def signs_body(self) -> bool:
        """Return False: the secret stands by itself."""
        return False

    @property
    def reads_body(self) -> bool:
        """Return False: the address is enough."""
        return False

    def verify(self, request: SignedRequest, secrets: Sequence[SecretStr], *, now: float) -> bool:  # noqa: ARG002
        """Return True if the last segment is one of the secrets."""
        return is_one_of(request.path_secret, secrets)

    def sign(self, secret: SecretStr, request: SignedRequest, *, identifier: str, now: float) -> RequestAuth:  # noqa: ARG002
        """Return the secret as the last segment."""
        return RequestAuth(path_secret=secret.get_secret_value())

    def describe(self, source: str) -> str:
        """Return the place of the secret."""
        return f"The secret of {source}, as the last part of the address."

    def secret_length(self, secret: str) -> int | None:
        """Return its bytes; raises ValueError where an address would need escapes."""
        if not SEGMENT.fullmatch(secret):
            raise ValueError("not of letters, digits and . _ ~ - alone, so that no address can carry it")
        return super().secret_length(secret)
