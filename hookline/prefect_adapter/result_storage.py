"""
Where Prefect's server wants results to be stored, known before a run asks.

In each run Prefect asks its server anew, by a client made for that one question, and blocks the event loop until it
has the answer: with all that runs beside it, and for minutes where the server does not answer.
"""

import math
import time
from uuid import UUID

from prefect import results
from prefect.client.orchestration import PrefectClient

BELIEVED_SECONDS = 60.0


class ResultStorage:
    """The server's choice, which seldom changes; from the first of these on, runs in this process go by it."""

    def __init__(self) -> None:
        self.block_id: UUID | None = None
        self.asked = -math.inf
        # Prefect has no setting that says "the local default, and do not ask".
        results._read_server_default_result_storage_block_id = lambda: self.block_id  # noqa: SLF001

    async def keep_known(self, client: PrefectClient) -> None:
        """
        Ask, where the last answer is old.

        Raises:
            httpx.HTTPError: Prefect is away.
        """
        if time.monotonic() - self.asked < BELIEVED_SECONDS:
            return
        chosen = await client.read_server_default_result_storage()
        self.block_id = chosen.default_result_storage_block_id
        if self.block_id is not None:
            await results.aget_default_result_storage()  # from here on, Prefect has its block
        self.asked = time.monotonic()
