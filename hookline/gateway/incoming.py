"""A request for a source that is there, as it stands before anything of its body is read."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from pydantic import SecretStr
from starlette.types import Scope

from hookline.gateway import schemes
from hookline.gateway.request_parsing import read_headers, read_query
from hookline.gateway.schemes import SignedRequest
from hookline.hooks import Hooks
from hookline.hooks.auth_schemes import Asymmetric, UrlSecret
from hookline.hooks.sources import Source
from hookline.peers import peer
from hookline.settings import Network, handshake_tokens, webhook_secrets


@dataclass
class IncomingRequest:
    """What is asked of which source, by whom."""

    name: str
    source: Source
    secrets: Sequence[SecretStr]
    tokens: Sequence[SecretStr]
    """Of handshakes; none of them proves a delivery."""
    method: str
    peer: str
    headers: Mapping[str, str]
    query: Mapping[str, str]
    path_secret: str
    proven: bool = False
    """Whether the sender has proved itself, as far as we have looked."""

    @property
    def can_authenticate(self) -> bool:
        """Whether it is of a sort that a sender proves: a delivery, or a handshake with a proof."""
        return self.method == "POST" or any(
            each.verified and each.method == self.method for each in self.source.handshakes
        )

    @property
    def content_type(self) -> str:
        """As the sender names it."""
        return self.headers.get("content-type", "")

    @cached_property
    def names(self) -> dict[str, Any]:
        """What templates may use of it: what proves the sender is left out."""
        return {"source": self.name, "method": self.method, **self._without(self._secret)}

    @cached_property
    def kept(self) -> dict[str, dict[str, str]]:
        """The query and the headers as they may be kept: without the token of a handshake, too."""
        return self._without(self.known)

    @property
    def known(self) -> Sequence[SecretStr]:
        """What must not be kept wherever it stands; a public key of the sender is no secret."""
        return *self._secret, *self.tokens

    @property
    def _secret(self) -> Sequence[SecretStr]:
        return () if isinstance(self.source.auth_scheme, Asymmetric) else self.secrets

    def _without(self, known: Sequence[SecretStr]) -> dict[str, dict[str, str]]:
        return {
            "query": schemes.redact_query(self.query, self.source.auth_scheme, known),
            "headers": schemes.redact_headers(self.headers, self.source.auth_scheme, known),
        }

    def masked(self, text: str) -> str:
        """The text without what must not be kept."""
        return schemes.masked(text, self.known)

    def signed(self, body: bytes) -> SignedRequest:
        """What the sender proves itself with."""
        return SignedRequest(self.headers, self.query, self.path_secret, body)

    def is_proven(self, body: bytes = b"") -> bool:
        """Whether the sender has proved itself."""
        return schemes.verify(self.source.auth_scheme, self.signed(body), self.secrets, now=time.time())


def resolve_request(hooks: Hooks, trusted: Sequence[Network], scope: Scope) -> IncomingRequest | None:
    """What a request asks for; None where there is nothing: no such source, or none that is on, or another verb."""
    name, path_secret = scope["path_params"]["source"], scope["path_params"].get("secret", "")
    source = hooks.sources.get(name)
    if source is None or not source.enabled or not (secrets := webhook_secrets(name)):
        return None
    if scope["method"] not in {"POST", *(each.method for each in source.handshakes)}:
        return None
    if path_secret and not isinstance(source.auth_scheme, UrlSecret):
        return None
    return IncomingRequest(
        name=name,
        source=source,
        secrets=secrets,
        tokens=handshake_tokens(name),
        method=scope["method"],
        peer=peer(scope, trusted),
        headers=read_headers(scope),
        query=read_query(scope),
        path_secret=path_secret,
    )
