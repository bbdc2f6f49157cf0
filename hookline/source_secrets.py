"""
Secrets and tokens of sources: the environment variables that hold them, and the checks that they must pass.

`HOOKLINE_SECRET_<SOURCE>` proves the deliveries of a source. `HOOKLINE_TOKEN_<SOURCE>` only answers handshakes: it
travels in addresses, which proxies log. Both hold values separated by commas, the newest first.
"""

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from pydantic import SecretStr

from hookline.health.finding import Finding

if TYPE_CHECKING:  # a command that only reads the variables need not load cryptography
    from hookline.hooks.sources import Source
    from hookline.schemes import AuthScheme

SECRET_PREFIX: Final = "HOOKLINE_SECRET_"  # noqa: S105  (a variable's name, not a secret)
TOKEN_PREFIX: Final = "HOOKLINE_TOKEN_"  # noqa: S105  (the same)
PREFIXES: Final = (SECRET_PREFIX, TOKEN_PREFIX)
MIN_BYTES: Final = 16
"""A shorter secret could be guessed: the gateway does not start with it."""
RECOMMENDED_BYTES: Final = 24
"""Of a shorter secret, the doctor warns."""


def secret_variable(source: str) -> str:
    """Return the variable of a source's secrets."""
    return SECRET_PREFIX + source.upper().replace("-", "_")


def token_variable(source: str) -> str:
    """Return the variable of a source's handshake tokens."""
    return TOKEN_PREFIX + source.upper().replace("-", "_")


def webhook_secrets(source: str) -> list[SecretStr]:
    """Return the secrets of a source, or its sender's public keys, the newest first."""
    return _values(secret_variable(source))


def handshake_tokens(source: str) -> list[SecretStr]:
    """Return the tokens of a source's handshakes, the newest first; none of them proves a delivery."""
    return _values(token_variable(source))


def values_of_environment(prefixes: tuple[str, ...] = PREFIXES) -> set[str]:
    """Return every secret and token, also of sources that `hooks.yaml` does not name: none may be shown."""
    variables = [name for name in os.environ if name.startswith(prefixes)]
    return {value.get_secret_value() for name in variables for value in _values(name)}


def require_usable(name: str, source: "Source") -> None:
    """
    Check that the secrets of a source are strong and of its scheme's form, and that no token is also a secret.

    Raises:
        ValueError: names the variable, never the secret.
    """
    for secret in webhook_secrets(name):
        try:
            require_strong(source.auth_scheme, secret.get_secret_value())
        except ValueError as error:
            raise ValueError(f"{secret_variable(name)}: one of its secrets is {error}.") from None
    secrets = values_of_environment((SECRET_PREFIX,))
    if any(token.get_secret_value() in secrets for token in handshake_tokens(name)):
        raise ValueError(
            f"{token_variable(name)}: one of its tokens is also a webhook secret. It travels in an "
            "address, where others may read it, and could then sign deliveries: choose another token."
        )


def require_strong(scheme: "AuthScheme", secret: str) -> None:
    """
    Check that a secret, or a public key, is one.

    Raises:
        ValueError: it could be guessed, or is not of the scheme's form; does not show it.
    """
    length = scheme.secret_length(secret)
    if length is not None and length < MIN_BYTES:
        raise ValueError(f"shorter than {MIN_BYTES} bytes, so that it could be guessed")


def check_secrets(source: str, scheme: "AuthScheme", secrets: Sequence[SecretStr]) -> Finding:
    """Return the doctor's finding about the secrets of a source: set, of the scheme's form, and long enough."""
    check, variable = f"secret of {source}", secret_variable(source)
    if not secrets and not scheme.needs_secret:
        return Finding(check, "ok", "it needs none")
    if not secrets:
        advice = f"Set {variable}, or leave it so if nobody sends here."
        return Finding(check, "warning", "none, so its endpoint is off", advice)
    try:
        lengths = [_portable_length(scheme, secret.get_secret_value()) for secret in secrets]
    except ValueError as error:
        return Finding(check, "problem", f"{variable}: {error}", scheme.replacement_hint)
    shortest = min((length for length in lengths if length is not None), default=RECOMMENDED_BYTES)
    if shortest < RECOMMENDED_BYTES:
        detail = f"{variable} is {shortest} long; {RECOMMENDED_BYTES} is the least that is safe"
        return Finding(check, "warning", detail, scheme.replacement_hint)
    several = "" if len(secrets) == 1 else f", {len(secrets)} of them"
    return Finding(check, "ok", f"set{several}, long enough")


def _portable_length(scheme: "AuthScheme", secret: str) -> int | None:
    """Return the bytes of a secret that every sender can send; raises ValueError for any other."""
    if problem := scheme.unsendable(secret):
        raise ValueError(problem)
    return scheme.secret_length(secret)


def _values(variable: str) -> list[SecretStr]:
    return [SecretStr(part.strip()) for part in os.environ.get(variable, "").split(",") if part.strip()]
