"""An incoming request for an existing source, before anything of its body is read."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from pydantic import SecretStr
from starlette.types import Scope

from hookline.gateway.request_parsing import read_headers, read_query
from hookline.hooks import Hooks
from hookline.hooks.sources import Source
from hookline.peers import peer
from hookline.schemes import SignedRequest, masked
from hookline.schemes.base import Redacted
from hookline.settings import Settings
from hookline.source_secrets import handshake_tokens, webhook_secrets


@dataclass
class IncomingRequest:
    """A request, the source that it is for, and what the source holds to verify it."""

    name: str
    """Of the source."""
    source: Source
    secrets: Sequence[SecretStr]
    tokens: Sequence[SecretStr]
    """Of handshakes; none of them proves a delivery."""
    method: str
    peer: str
    headers: Mapping[str, str]
    query: Mapping[str, str]
    path_secret: str
    url: str = ""
    """The whole address, as the sender knows it."""
    verified: bool = False
    """The sender has authenticated."""
    began: int = field(default_factory=time.time_ns)
    """When it came, in nanoseconds."""

    @property
    def can_authenticate(self) -> bool:
        """Return True for a request that senders sign: a delivery, or a handshake that must be verified."""
        return self.method == "POST" or any(
            each.verified and each.method == self.method for each in self.source.handshakes
        )

    @property
    def content_type(self) -> str:
        """The content type that the sender names."""
        return self.headers.get("content-type", "")

    @cached_property
    def context(self) -> dict[str, Any]:
        """The values that templates may use of it: without what authenticates the sender."""
        redacted = self._redacted(self._secrets)
        return {"source": self.name, "method": self.method, **redacted._asdict()}

    @cached_property
    def stored(self) -> Redacted:
        """The query and the headers as they may be stored: without the token of a handshake, too."""
        return self._redacted(self.confidential)

    @property
    def confidential(self) -> Sequence[SecretStr]:
        """The values that must not be stored, wherever they came; a public key of the sender is no secret."""
        return *self._secrets, *self.tokens

    @property
    def _secrets(self) -> Sequence[SecretStr]:
        scheme = self.source.auth_scheme
        return [secret for secret in self.secrets if not scheme.is_public(secret.get_secret_value())]

    def _redacted(self, known: Sequence[SecretStr]) -> Redacted:
        return self.source.auth_scheme.redact(self.headers, self.query, known)

    def masked(self, text: str) -> str:
        """Return the text without confidential values."""
        return masked(text, self.confidential)

    def signed(self, body: bytes, document: bytes | None = None) -> SignedRequest:
        """Return the parts by which the sender may authenticate; `document` is what was fetched for it."""
        return SignedRequest(
            self.headers, self.query, self.path_secret, body, self.method, self.url, document
        )

    def question(self, body: bytes) -> bytes | None:
        """Return what is posted to the address of what verifies the request; None where it is there for anybody."""
        return self.source.auth_scheme.question(self.signed(body), self.secrets)

    def verify(self, body: bytes = b"", document: bytes | None = None) -> bool:
        """Return True if the sender has authenticated, and note it."""
        request = self.signed(body, document)
        self.verified = self.source.auth_scheme.verify(request, self.secrets, now=time.time())
        return self.verified


def resolve_request(hooks: Hooks, settings: Settings, scope: Scope) -> IncomingRequest | None:
    """Return the request with its source; None without such a source, one that is on, or the method."""
    name, path_secret = scope["path_params"]["source"], scope["path_params"].get("secret", "")
    source = hooks.sources.get(name)
    if source is None or not source.takes_requests or not source.enabled:
        return None
    secrets = webhook_secrets(name)
    if not secrets and source.auth_scheme.needs_secret:
        return None
    if scope["method"] not in {"POST", *(each.method for each in source.handshakes)}:
        return None
    if path_secret and not source.auth_scheme.in_path:
        return None
    return IncomingRequest(
        name=name,
        source=source,
        secrets=secrets,
        tokens=handshake_tokens(name),
        method=scope["method"],
        peer=peer(scope, settings.trusted_proxies),
        headers=read_headers(scope),
        query=read_query(scope),
        path_secret=path_secret,
        url=_url(source, settings, scope),
    )


def _url(source: Source, settings: Settings, scope: Scope) -> str:
    """Return the address of a request as its sender knows it, by our settings alone: anyone may write a `Host`."""
    path, query = scope["raw_path"].decode("latin-1"), scope["query_string"].decode("latin-1")
    address = source.auth_scheme.given_url or f"{settings.base_url}{path}"
    return f"{address}?{query}" if query else address
