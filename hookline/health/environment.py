"""Checks of the environment: unknown variables, and the secrets of webhook sources."""

from collections.abc import Callable, Iterable, Sequence
from typing import Final

from pydantic import SecretStr

from hookline.health.finding import Finding
from hookline.hooks import Hooks
from hookline.hooks.auth_schemes import Scheme, SharedSecret
from hookline.settings import (
    SECRET_PREFIX,
    TOKEN_PREFIX,
    VENDORS,
    FromEnvironment,
    Settings,
    variable_of,
    webhook_secrets,
)
from hookline.text import nearest

MIN_WEBHOOK_SECRET: Final = 24
NEW_SECRET: Final = {
    "standard-webhooks": "Make another: whsec_ and: openssl rand -base64 32",
    "asymmetric": "Ask the sender for its public key.",
}
INTERNAL_VARIABLES: Final = {"HOOKLINE_READY_FILE"}

SecretLength = Callable[[Scheme, str], int | None]
"""Return the length of a secret of a scheme; None for a public key. Raise ValueError if it has the wrong form."""


def check_variables(environment: Iterable[str], hooks: Hooks | None) -> Finding:
    """Check that every variable with one of our prefixes is known; `hooks` is None if it cannot be read."""
    kinds: list[type[FromEnvironment]] = [Settings, *VENDORS.values()]
    known = {variable for kind in kinds for variable in kind.variables().values()}
    sources = hooks.sources if hooks else {}
    known |= {variable_of(prefix, source) for source in sources for prefix in (SECRET_PREFIX, TOKEN_PREFIX)}
    ours = [name for name in environment if name.upper().startswith(tuple(kind.prefix for kind in kinds))]
    if hooks is None:
        ours = [name for name in ours if not name.startswith((SECRET_PREFIX, TOKEN_PREFIX))]
    unknown = sorted(name for name in ours if name.upper() not in known | INTERNAL_VARIABLES)
    if not unknown:
        return Finding("environment", "ok", f"{len(ours)} variables, all known")
    return Finding(
        "environment",
        "warning",
        f"not a variable of Hookline: {', '.join(unknown)}",
        " ".join(_correction(name, known) for name in unknown),
    )


def check_secrets(hooks: Hooks | None, secret_length: SecretLength) -> list[Finding]:
    """Check the secrets of every source of `hooks.yaml`."""
    if hooks is None:
        return [Finding("webhook secrets", "skipped", "hooks.yaml cannot be read")]
    return [
        check_secret(name, source.auth_scheme, webhook_secrets(name), secret_length)
        for name, source in hooks.sources.items()
    ]


def check_secret(
    source: str, scheme: Scheme, secrets: Sequence[SecretStr], secret_length: SecretLength
) -> Finding:
    """Check that a source has secrets, of the right form and too long to guess."""
    check, variable = f"secret of {source}", variable_of(SECRET_PREFIX, source)
    if not secrets:
        advice = f"Set {variable}; leave it if nobody sends here."
        return Finding(check, "warning", "none, so its endpoint is off", advice)
    advice = NEW_SECRET.get(scheme.kind, "Make another: openssl rand -hex 32")
    try:
        lengths = [_length(scheme, secret.get_secret_value(), secret_length) for secret in secrets]
    except ValueError as error:
        return Finding(check, "problem", f"{variable}: {error}", advice)
    shortest = min((length for length in lengths if length is not None), default=MIN_WEBHOOK_SECRET)
    if shortest < MIN_WEBHOOK_SECRET:
        detail = f"{variable} is {shortest} long; a safe one has {MIN_WEBHOOK_SECRET} or more"
        return Finding(check, "warning", detail, advice)
    several = "" if len(secrets) == 1 else f", {len(secrets)} of them"
    return Finding(check, "ok", f"set{several}, long enough")


def _length(scheme: Scheme, secret: str, secret_length: SecretLength) -> int | None:
    if isinstance(scheme, SharedSecret) and not (secret.isascii() and secret.isprintable()):
        raise ValueError("has a character that no header can carry")
    return secret_length(scheme, secret)


def _correction(name: str, known: set[str]) -> str:
    near = nearest(name, known)
    return f"Rename {name} to {near}." if near else f"Remove {name}."
