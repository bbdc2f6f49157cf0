"""Assumes how Prefect decides whether to register a block type again: by its texts and the checksum of its schema."""

from prefect.blocks.core import Block, _should_update_block_type
from prefect.client.orchestration import PrefectClient
from prefect.exceptions import ObjectNotFound


async def is_registered(client: PrefectClient, block: type[Block]) -> bool:
    """Return True if the server has the block type and the schema of this class, and nothing of them would change."""
    try:
        there = await client.read_block_type_by_slug(block.get_block_type_slug())
        await client.read_block_schema_by_checksum(
            block._calculate_schema_checksum(),  # noqa: SLF001
            version=block.get_block_schema_version(),
        )
    except ObjectNotFound:
        return False
    return not _should_update_block_type(block._to_block_type(), there)  # noqa: SLF001
