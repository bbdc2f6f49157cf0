"""The credentials blocks on the Prefect server: types, the `default` accounts of the environment, and their limits."""

from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.actions import GlobalConcurrencyLimitCreate, GlobalConcurrencyLimitUpdate
from prefect.exceptions import ObjectNotFound

from blocks import BLOCKS
from blocks.base import Limit, VendorCredentials, logo_at
from hookline.errors import ConfigurationError
from hookline.provisioning.changes import MADE, Change, unchanged
from hookline.settings import Settings

NAME = "default"
"""The name of the block that the environment fills."""


async def block_changes(settings: Settings, client: PrefectClient) -> AsyncIterator[Change]:
    """Yield the changes of block types, of `default` credentials and of their limits."""
    for vendor, block in BLOCKS.items():
        block._logo_url = logo_at(settings.base_url, vendor)  # noqa: SLF001  (Prefect's name for it)
        yield Change("block type", block.get_block_type_slug(), "registered", block.register_type_and_schema)
        try:
            credentials = block.from_environment()
        except ConfigurationError as error:
            yield unchanged("block", f"{vendor} {NAME}", f"left alone: {_first_problem(error)}")
            continue
        yield await _credentials_change(client, credentials)
        async for change in limit_changes(client, f"{vendor}-{NAME}-", credentials.limits(NAME)):
            yield change


async def vendors_without_account(client: PrefectClient) -> list[str]:
    """Return the vendors with no `default` account, on the server or in the environment."""
    return [vendor for vendor, block in BLOCKS.items() if not await _has_account(client, block)]


async def _has_account(client: PrefectClient, block: type[VendorCredentials]) -> bool:
    with suppress(ConfigurationError):
        block.from_environment()
        return True
    with suppress(ObjectNotFound):
        await client.read_block_document_by_name(NAME, block.get_block_type_slug())
        return True
    return False


async def _credentials_change(client: PrefectClient, credentials: VendorCredentials) -> Change:
    kind, name = "block", f"{credentials.vendor} {NAME}"
    save = partial(credentials.save, NAME, overwrite=True, client=client)
    try:
        stored = await client.read_block_document_by_name(
            NAME, credentials.get_block_type_slug(), include_secrets=True
        )
    except ObjectNotFound:
        return Change(kind, name, "made from the environment", save)
    desired = credentials.model_dump(mode="json", context={"include_secrets": True})
    if all(stored.data.get(field) == desired[field] for field in type(credentials).model_fields):
        return unchanged(kind, name)
    return Change(kind, name, "changed from the environment", save)


async def limit_changes(client: PrefectClient, prefix: str, limits: Sequence[Limit]) -> AsyncIterator[Change]:
    """Yield the changes that leave exactly these limits among those whose names begin with the prefix."""
    found = await client.read_global_concurrency_limits(limit=200)
    existing = {limit.name: limit for limit in found if limit.name.startswith(prefix)}
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
        elif any(getattr(current, name) != value for name, value in facts.items()):
            update = GlobalConcurrencyLimitUpdate(**facts)
            make = partial(client.update_global_concurrency_limit, limit.name, update)
            yield Change("limit", limit.name, "changed", make)
        else:
            yield unchanged("limit", limit.name)
    for name in existing:
        yield Change("limit", name, "removed", partial(client.delete_global_concurrency_limit_by_name, name))


def _first_problem(error: ConfigurationError) -> str:
    lines = str(error).splitlines()
    return lines[1].strip() if len(lines) > 1 else lines[0]
