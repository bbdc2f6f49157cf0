"""Checks of the environment: unknown variables, and the secrets of webhook sources."""

from collections.abc import Iterable
from typing import Final

from hookline import source_secrets
from hookline.health.finding import Finding, problem
from hookline.hooks import Hooks
from hookline.settings import NO_DOTENV, NOT_OURS, VENDORS, FromEnvironment, Settings
from hookline.text import nearest
from hookline.vendors import problems, vendors

INTERNAL_VARIABLES: Final = {"HOOKLINE_READY_FILE", NO_DOTENV}


def check_variables(environment: Iterable[str], hooks: Hooks | None) -> Finding:
    """Check that every variable with one of our prefixes is known; `hooks` is None if it cannot be read."""
    kinds: list[type[FromEnvironment]] = [Settings, *VENDORS.values()]
    known = {variable for kind in kinds for variable in kind.variables().values()}
    environment = dict.fromkeys(environment, "set")
    for vendor in VENDORS.values():
        known |= {
            v for account in vendor.accounts_in(environment) for v in vendor.variables(account).values()
        }
    for source in hooks.sources if hooks else ():
        known |= {source_secrets.secret_variable(source), source_secrets.token_variable(source)}
    ours = [name for name in environment if name.upper().startswith(tuple(kind.prefix for kind in kinds))]
    ours = [name for name in ours if name.upper() not in NOT_OURS]
    if hooks is None:
        ours = [name for name in ours if not name.startswith(source_secrets.PREFIXES)]
    unknown = sorted(name for name in ours if name.upper() not in known | INTERNAL_VARIABLES)
    if not unknown:
        return Finding("environment", "ok", f"{len(ours)} variables, all known")
    return Finding(
        "environment",
        "warning",
        f"not a variable of Hookline: {', '.join(unknown)}",
        " ".join(_correction(name, known) for name in unknown),
    )


def check_vendors() -> list[Finding]:
    """Check that the package of every vendor can be used, with each of its parts."""
    unusable = [problem(f"vendor {error.name}", error) for error in problems()]
    return unusable or [Finding("vendors", "ok", ", ".join(vendors()))]


def check_secrets(hooks: Hooks | None) -> list[Finding]:
    """Check the secrets of every source of `hooks.yaml`."""
    if hooks is None:
        return [Finding("webhook secrets", "skipped", "hooks.yaml cannot be read")]
    return [
        source_secrets.check_secrets(name, source.auth_scheme, source_secrets.webhook_secrets(name))
        for name, source in hooks.sources.items()
        if source.takes_requests
    ]


def check_shared_secrets(hooks: Hooks | None) -> list[Finding]:
    """Check that no two senders have one secret: what one sends would be taken at the address of the other."""
    first: dict[str, str] = {}
    findings = []
    for name, source in hooks.sources.items() if hooks else ():
        for secret in source_secrets.webhook_secrets(name) if source.takes_requests else ():
            text = secret.get_secret_value()
            if (
                source.auth_scheme.secret_length(text) is None
            ):  # a public key, which proves who sends and not to whom
                continue
            if (other := first.setdefault(text, name)) != name:
                detail = f"is one with that of {other}: what {other} sends would be taken here too"
                advice = f"Give each a secret of its own: {source_secrets.secret_variable(name)}."
                findings.append(Finding(f"secret of {name}", "problem", detail, advice))
    return findings


def check_addresses(hooks: Hooks | None, public_url: str | None) -> list[Finding]:
    """Check that the address is known which the senders of some sources sign."""
    unknown = [
        name
        for name, source in (hooks.sources if hooks else {}).items()
        if source.auth_scheme.signs_address and not source.auth_scheme.given_url and public_url is None
    ]
    if not unknown:
        return []
    detail = f"not set, and {', '.join(unknown)}: the sender signs the address that it was given"
    advice = "Set HOOKLINE_PUBLIC_URL to what senders reach, or `url` of the source to its whole address."
    return [Finding("HOOKLINE_PUBLIC_URL", "warning", detail, advice)]


def _correction(name: str, known: set[str]) -> str:
    near = nearest(name, known)
    return f"Rename {name} to {near}." if near else f"Remove {name}."
