"""What proves a sender is not kept, wherever it stands."""

import base64
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from urllib.parse import quote, quote_plus

from pydantic import SecretStr

from hookline.gateway.schemes.standard import PUBLIC_KEY, SECRET
from hookline.hooks.auth_schemes import Asymmetric, Hmac, Scheme, SharedSecret

REDACTED = "[redacted]"
SECRET_HEADERS = {
    "authorization",
    "cookie",
    "proxy-authorization",
    "svix-signature",
    "webhook-signature",
    "x-hookline-key",
}


def redact_headers(
    headers: Mapping[str, str], auth_scheme: Scheme, known: Sequence[SecretStr] = ()
) -> dict[str, str]:
    """Return the headers as they may be kept: a proxy may have written the secret into any of them."""
    secret = SECRET_HEADERS | (
        {auth_scheme.header.lower()} if isinstance(auth_scheme, SharedSecret | Hmac | Asymmetric) else set()
    )
    return {name: REDACTED if name in secret else masked(value, known) for name, value in headers.items()}


def redact_query(
    query: Mapping[str, str], auth_scheme: Scheme, known: Sequence[SecretStr] = ()
) -> dict[str, str]:
    """Return the parameters of the address as they may be kept, however the secret's name is written."""
    secret = (
        auth_scheme.parameter.lower()
        if isinstance(auth_scheme, SharedSecret) and auth_scheme.place == "query"
        else None
    )
    return {
        masked(name, known): REDACTED if name.strip().lower() == secret else masked(value, known)
        for name, value in query.items()
    }


def masked(text: str, known: Sequence[SecretStr]) -> str:
    """Return the text without the known secrets, plain or as addresses and log-ins write them."""
    pattern = _pattern(tuple(secret.get_secret_value() for secret in known))
    return pattern.sub(REDACTED, text) if pattern else text


@lru_cache(maxsize=256)
def _pattern(secrets: tuple[str, ...]) -> re.Pattern[str] | None:
    written = {each for secret in secrets if not _is_public(secret) for each in _spellings(secret)}
    if not written:
        return None
    longest_first = sorted(written, key=len, reverse=True)
    return re.compile("|".join(map(re.escape, longest_first)), re.IGNORECASE)  # %2f is %2F


def _is_public(secret: str) -> bool:
    return secret.startswith(PUBLIC_KEY)


def _spellings(secret: str) -> set[str]:
    plain = secret.removeprefix(SECRET)
    octets = plain.encode(errors="surrogatepass")
    return {
        plain,
        octets.decode("latin-1"),  # as a header comes
        quote(octets),
        quote(octets, safe=""),
        quote_plus(octets),
        base64.b64encode(octets).decode().rstrip("="),
    }
