"""The vendor accounts: which of them the files name, which are stored as blocks, and what is wrong with that."""

import os
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from typing import Any, Final, TypeAlias

from prefect.client.orchestration import PrefectClient
from pydantic import SecretStr, ValidationError

from blocks import BLOCKS, VendorCredentials
from blocks.stored import stored_blocks
from hookline.account_keys import DEFAULT
from hookline.catalog import Catalog
from hookline.errors import ConfigurationError
from hookline.hooks import Hooks
from hookline.provisioning.changes import Change, unchanged
from hookline.provisioning.deployments import Deployment
from hookline.settings import VENDORS, read_dotenv

Account: TypeAlias = tuple[str, str]
"""A vendor, and the name of a block."""

MISSING: Final = "missing"


def named_accounts(
    hooks: Hooks | None, catalog: Catalog | None, deployments: Mapping[str, Deployment]
) -> dict[Account, list[str]]:
    """Return the accounts that files name, but for the `default` ones, each with the places that do."""
    places: defaultdict[Account, list[str]] = defaultdict(list)
    for account, place in (
        *(_of_hooks(hooks) if hooks else ()),
        *((each, "catalog.yaml") for each in (catalog.blocks() if catalog else ())),
        *(pair for name, each in deployments.items() for pair in _of_deployment(name, each)),
    ):
        if account[1] != DEFAULT and place not in places[account]:
            places[account].append(place)
    return {account: found for account, found in sorted(places.items()) if found}


def _of_hooks(hooks: Hooks) -> Iterator[tuple[Account, str]]:
    for name, source in hooks.sources.items():
        if source.poll and source.enabled:
            yield (source.poll.vendor, source.poll.account), f"sources.{name}"
    for route in hooks.routes:
        for account in _accounts_among({**route.parameters, **route.blocks}):
            yield account, f"routes.{route.name}"


def _of_deployment(name: str, deployment: Deployment) -> Iterator[tuple[Account, str]]:
    for parameters in (deployment.parameters, *(each.parameters for each in deployment.schedules)):
        for account in _accounts_among(parameters):
            yield account, f"prefect.yaml, {name}"


def _accounts_among(parameters: Mapping[str, Any]) -> Iterator[Account]:
    """Yield the accounts that are named; one in a template is known only with a delivery."""
    for vendor in VENDORS:
        if isinstance(name := parameters.get(vendor), str):
            yield vendor, name


async def stored_accounts(client: PrefectClient) -> dict[Account, VendorCredentials | None]:
    """Return the credentials that are stored at the Prefect server; None where they are not complete."""
    found: dict[Account, VendorCredentials | None] = {}
    async for stored in stored_blocks(client, secrets=True):
        try:
            found[stored.vendor, stored.name] = BLOCKS[stored.vendor](**stored.data)
        except ValidationError:
            found[stored.vendor, stored.name] = None
    return found


def accounts_of_environment() -> set[Account]:
    """Return the accounts of which the environment sets a variable."""
    read_dotenv()
    return {(vendor, name) for vendor, kind in VENDORS.items() for name in kind.accounts_in(os.environ)}


def problems(
    named: Mapping[Account, Collection[str]], stored: Mapping[Account, VendorCredentials | None]
) -> dict[Account, str]:
    """Return what is wrong with accounts, for people: one that is named and not there, and two that are one."""
    found = {
        account: _missing(account, places, stored)
        for account, places in named.items()
        if account not in stored
    }
    return found | dict(_doubles(stored))


def _missing(account: Account, places: Collection[str], stored: Collection[Account]) -> str:
    vendor, name = account
    others = [other for other, existing in stored if existing == name]
    hint = f"; the block {name} is one of {' and of '.join(others)}" if others else ""
    there = ", ".join(existing for other, existing in stored if other == vendor) or "none"
    return (
        f"{MISSING}: {', '.join(places)} name{'s' if len(places) == 1 else ''} it, and {vendor} has {there}{hint}. "
        "Make it at Prefect, or set its variables (docs/accounts.md): what needs it fails until then"
    )


def _doubles(stored: Mapping[Account, VendorCredentials | None]) -> Iterator[tuple[Account, str]]:
    first: dict[tuple[Any, ...], Account] = {}
    for account, credentials in sorted(stored.items(), key=lambda each: (each[0][1] != DEFAULT, each[0])):
        if credentials is None or (identity := _identity(credentials)) is None:
            continue
        other = first.setdefault(identity, account)
        if other != account:
            yield (
                account,
                (
                    f"has the address and the log-in of {'/'.join(other)}: one account at the vendor, and two here, so "
                    "an order could be licensed once by each. Name one of them everywhere, and delete the other"
                ),
            )


def _identity(credentials: VendorCredentials) -> tuple[Any, ...] | None:
    """Return what makes an account at its vendor: the address and the log-in."""
    try:
        client = credentials.get_client()
    except ConfigurationError:
        return None
    login = (
        value.get_secret_value() if isinstance(value, SecretStr) else value
        for value in vars(client.auth).values()
    )
    return credentials.vendor, client.base_url.rstrip("/").lower(), *login


async def account_problems(client: PrefectClient, named: Mapping[Account, Collection[str]]) -> list[Change]:
    """Return the problems of accounts as things that `apply` leaves alone; what the environment has is made by it."""
    stored = await stored_accounts(client)
    made = {account: None for account in accounts_of_environment() if account not in stored}
    found = problems(named, {**stored, **made})
    return [unchanged("block", " ".join(account), problem) for account, problem in found.items()]


def are_missing(changes: Collection[Change]) -> bool:
    """Return True if a file names an account that is not there."""
    return any(each.kind == "block" and each.change.startswith(f"{MISSING}:") for each in changes)
