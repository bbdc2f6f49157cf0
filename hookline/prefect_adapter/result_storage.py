"""
The server's choice of a storage for results, cached before a run asks for it.

In each run Prefect asks its server again, by a client made for that one question, and blocks the event loop until it
has the answer: with all that runs beside it, and for minutes if the server does not answer.
"""

import math
import time
from uuid import UUID

from prefect import results
from prefect.client.orchestration import PrefectClient

from hookline.prefect_adapter.patching import replace

MAX_AGE_SECONDS = 60.0


class ResultStorage:
    """The server's choice, which seldom changes; from the first instance on, runs in this process go by it."""

    def __init__(self) -> None:
        self.block_id: UUID | None = None
        self.read_at = -math.inf
        # Prefect has no setting that says "the local default, and do not ask".
        replace(results, "_read_server_default_result_storage_block_id", lambda: self.block_id)

    async def refresh(self, client: PrefectClient) -> None:
        """
        Read the choice from the server if the last answer is old.

        Raises:
            httpx.HTTPError: Prefect is unavailable.
        """
        if time.monotonic() - self.read_at < MAX_AGE_SECONDS:
            return
        chosen = await client.read_server_default_result_storage()
        self.block_id = chosen.default_result_storage_block_id
        if self.block_id is not None:
            await results.aget_default_result_storage()  # from here on, Prefect has its block
        self.read_at = time.monotonic()
