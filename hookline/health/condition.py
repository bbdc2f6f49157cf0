"""How the work behind the gateway goes, asked every few seconds: for those who ask `/readyz`."""

import asyncio
import logging

from hookline.database import CONNECTION_ERRORS, pool
from hookline.gateway.writer import DATABASE_SECONDS
from hookline.health import processes, running
from hookline.settings import Settings

logger = logging.getLogger(__name__)

ASK_SECONDS = 5.0


class Condition:
    """What is not as it should be, although deliveries can be taken in."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.warnings: list[str] = []
        """In words that anybody may read."""

    async def watch(self) -> None:
        """Ask again and again, for ever."""
        while True:
            try:
                await self.refresh()
            except Exception:
                logger.exception("cannot tell how the work goes")
            await asyncio.sleep(ASK_SECONDS)

    async def refresh(self) -> None:
        """Ask once; where the database is away, `Pressure` says so."""
        try:
            now = await running.look(await pool(self._settings), seconds=DATABASE_SECONDS)
        except (TimeoutError, *CONNECTION_ERRORS):
            return
        warnings = now.warnings(processes.read(self._settings.home) or {})
        for warning in warnings if now.waits_too_long and not self.warnings else []:
            logger.warning("%s", warning)
        self.warnings = warnings
