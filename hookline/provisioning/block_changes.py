"""The credentials blocks on the Prefect server: types, the accounts of the environment, and their limits."""

import os
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.actions import GlobalConcurrencyLimitCreate, GlobalConcurrencyLimitUpdate
from prefect.exceptions import ObjectNotFound

from blocks import BLOCKS
from blocks.base import LIMITS, Limit, VendorCredentials, logo_at
from hookline.account_keys import DEFAULT
from hookline.errors import ConfigurationError
from hookline.prefect_adapter.block_types import is_registered
from hookline.provisioning.changes import (
    CHANGED,
    HIDDEN,
    MADE,
    REMOVED,
    Change,
    Difference,
    differences,
    unchanged,
)
from hookline.settings import Settings, read_dotenv


async def block_changes(settings: Settings, client: PrefectClient) -> AsyncIterator[Change]:
    """Yield the changes of block types, of the credentials in the environment and of their limits."""
    read_dotenv()
    for vendor, block in BLOCKS.items():
        block._logo_url = logo_at(settings.base_url, vendor)  # noqa: SLF001  (Prefect's name for it)
        yield await _type_change(client, block)
        for account in sorted({DEFAULT, *block.accounts_in(os.environ)}):
            try:
                credentials = block.from_environment(account)
            except ConfigurationError as error:
                yield unchanged("block", f"{vendor} {account}", f"left alone: {_first_problem(error)}")
                continue
            yield await _credentials_change(client, credentials, account)
            async for change in limit_changes(client, f"{vendor}-{account}-", credentials.limits(account)):
                yield change


async def _type_change(client: PrefectClient, block: type[VendorCredentials]) -> Change:
    kind, name = "block type", block.get_block_type_slug()
    if await is_registered(client, block):
        return unchanged(kind, name)
    return Change(kind, name, "registered", block.register_type_and_schema)


async def vendors_without_account(client: PrefectClient) -> list[str]:
    """Return the vendors with no `default` account, on the server or in the environment."""
    return [vendor for vendor, block in BLOCKS.items() if not await _has_account(client, block)]


async def _has_account(client: PrefectClient, block: type[VendorCredentials]) -> bool:
    with suppress(ConfigurationError):
        block.from_environment()
        return True
    with suppress(ObjectNotFound):
        await client.read_block_document_by_name(DEFAULT, block.get_block_type_slug())
        return True
    return False


async def _credentials_change(client: PrefectClient, credentials: VendorCredentials, account: str) -> Change:
    kind, name = "block", f"{credentials.vendor} {account}"
    save = partial(credentials.save, account, overwrite=True, client=client)
    try:
        stored = await client.read_block_document_by_name(
            account, credentials.get_block_type_slug(), include_secrets=True
        )
    except ObjectNotFound:
        return Change(kind, name, "made from the environment", save)
    desired = credentials.model_dump(mode="json", context={"include_secrets": True})
    plain = credentials.model_dump(mode="json")
    found = tuple(
        Difference(field, stored.data.get(field), desired[field])
        if plain[field] == desired[field]
        else Difference(field, HIDDEN, HIDDEN)
        for field in type(credentials).model_fields
        if stored.data.get(field) != desired[field]
    )
    return Change(kind, name, "changed from the environment", save, found) if found else unchanged(kind, name)


async def limit_changes(client: PrefectClient, prefix: str, limits: Sequence[Limit]) -> AsyncIterator[Change]:
    """Yield the changes that leave exactly these limits of the account whose limits begin with the prefix."""
    own = {f"{prefix}{kind}" for kind in LIMITS}  # jiwa-north-2-calls is another account's
    existing = {}
    for name in own:
        with suppress(ObjectNotFound):
            existing[name] = await client.read_global_concurrency_limit_by_name(name)
    for limit in limits:
        facts: dict[str, Any] = {
            "limit": limit.slots,
            "slot_decay_per_second": limit.freed_per_second,
            "active": True,
        }
        current = existing.pop(limit.name, None)
        if current is None:
            new = GlobalConcurrencyLimitCreate(name=limit.name, **facts)
            yield Change("limit", limit.name, MADE, partial(client.create_global_concurrency_limit, new))
        elif found := differences({name: getattr(current, name) for name in facts}, facts):
            update = GlobalConcurrencyLimitUpdate(**facts)
            make = partial(client.update_global_concurrency_limit, limit.name, update)
            yield Change("limit", limit.name, CHANGED, make, found)
        else:
            yield unchanged("limit", limit.name)
    for name in existing:
        yield Change("limit", name, REMOVED, partial(client.delete_global_concurrency_limit_by_name, name))


def _first_problem(error: ConfigurationError) -> str:
    lines = str(error).splitlines()
    return lines[1].strip() if len(lines) > 1 else lines[0]
