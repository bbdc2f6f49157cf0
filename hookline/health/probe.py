"""The warnings of `/readyz`: a probe, every few seconds, of the work behind the gateway."""

import asyncio
import logging

from hookline.database import CONNECTION_ERRORS, pool
from hookline.health import processes, running
from hookline.health.pressure import DATABASE_SECONDS
from hookline.settings import Settings

logger = logging.getLogger(__name__)

PROBE_SECONDS = 5.0


class HealthProbe:
    """The warnings about the work, while deliveries are still accepted."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.warnings: list[str] = []
        """Texts that anybody may read."""

    async def run(self) -> None:
        """Probe every few seconds, until cancelled."""
        while True:
            try:
                await self.refresh()
            except Exception:
                logger.exception("cannot check the work behind the gateway")
            await asyncio.sleep(PROBE_SECONDS)

    async def refresh(self) -> None:
        """Probe once; that the database is unavailable is reported by `Pressure`."""
        try:
            current = await running.read(await pool(self._settings), seconds=DATABASE_SECONDS)
        except (TimeoutError, *CONNECTION_ERRORS):
            return
        warnings = current.warnings(processes.read(self._settings.home) or {})
        for warning in warnings if current.waits_too_long and not self.warnings else []:
            logger.warning("%s", warning)
        self.warnings = warnings
