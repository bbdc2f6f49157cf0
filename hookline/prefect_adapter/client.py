"""The client of Prefect that all runs of one process share."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from prefect.client.orchestration import PrefectClient
from prefect.context import AsyncClientContext


@asynccontextmanager
async def shared_client() -> AsyncIterator[PrefectClient]:
    """Provide the client that each flow run begun within uses, instead of one of its own."""
    async with AsyncClientContext.get_or_create() as context:
        yield context.client
