"""The credentials blocks that are stored at the Prefect server, of every vendor and name."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

import httpx
from prefect.client.orchestration import PrefectClient

from blocks import BLOCKS

PAGE: Final = 200


@dataclass(frozen=True)
class StoredBlock:
    """One stored block of credentials; what it shows of itself has no secrets."""

    vendor: str
    name: str
    id: UUID
    """Of its document, by which the Prefect UI shows it."""
    version: datetime
    """When it was last saved."""
    data: dict[str, Any] = field(default_factory=dict, repr=False)

    @property
    def account(self) -> str:
        """The account, such as `zentitle/default`."""
        return f"{self.vendor}/{self.name}"


async def stored_blocks(client: PrefectClient, *, secrets: bool = False) -> AsyncIterator[StoredBlock]:
    """
    Yield the stored credentials blocks of every vendor, with their secrets only where these are asked for.

    Raises:
        httpx.HTTPError: Prefect is unavailable.
    """
    for vendor, block in BLOCKS.items():
        offset = 0
        while True:
            try:
                page = await client.read_block_documents_by_type(
                    block.get_block_type_slug(), offset=offset, limit=PAGE, include_secrets=secrets
                )
            except httpx.HTTPStatusError as error:
                if error.response.status_code == httpx.codes.NOT_FOUND:  # its type is not registered yet
                    break
                raise
            for document in page:
                version = document.updated or datetime.fromtimestamp(0, UTC)
                yield StoredBlock(vendor, document.name or "", document.id, version, document.data)
            offset += len(page)
            if len(page) < PAGE:
                break
