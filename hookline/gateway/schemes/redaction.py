"""What proves a sender is not kept."""

from collections.abc import Mapping

from hookline.hooks.proofs import Asymmetric, Hmac, Scheme, SharedSecret

REDACTED = "[redacted]"
SECRET_HEADERS = {
    "authorization",
    "cookie",
    "proxy-authorization",
    "svix-signature",
    "webhook-signature",
    "x-hookline-key",
}


def redact_headers(headers: Mapping[str, str], proof: Scheme) -> dict[str, str]:
    """The headers as they may be kept."""
    secret = SECRET_HEADERS | (
        {proof.header.lower()} if isinstance(proof, SharedSecret | Hmac | Asymmetric) else set()
    )
    return {name: REDACTED if name in secret else value for name, value in headers.items()}


def redact_query(query: Mapping[str, str], proof: Scheme) -> dict[str, str]:
    """The parameters of the address as they may be kept."""
    secret = proof.parameter if isinstance(proof, SharedSecret) and proof.place == "query" else None
    return {name: REDACTED if name == secret else value for name, value in query.items()}
