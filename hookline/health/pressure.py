"""Whether deliveries can be taken in just now, looked at once a second."""

import asyncio
import logging
import shutil
from contextlib import suppress

from hookline.database import CONNECTION_ERRORS, pool
from hookline.gateway.writer import DATABASE_SECONDS
from hookline.settings import Settings
from hookline.states import OPEN

logger = logging.getLogger(__name__)

LOOK_SECONDS = 1.0
SILENT_SECONDS = 2.0
"""A database that has not answered for so long is taken to be away."""
MB = 1_000_000


class Pressure:
    """Says why nothing more can be taken in; requests ask it, and not the database or the disk."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._looking: asyncio.Task[str | None] | None = None
        self.reason: str | None = None
        """In words that anybody may read; None while all is well."""

    async def watch(self) -> None:
        """Look once a second, for ever."""
        while True:
            await self.refresh()
            await asyncio.sleep(LOOK_SECONDS)

    async def refresh(self) -> None:
        """Look, and wait two seconds for it at most."""
        # A look that hangs is waited for and not cancelled, which could hang too: it has an end of its own.
        self._looking = self._looking or asyncio.create_task(self._look())
        await asyncio.wait([self._looking], timeout=SILENT_SECONDS)
        if self._looking.done():
            reason, self._looking = self._looking.result(), None
        else:
            reason = "the database does not answer"
        if reason and not self.reason:
            logger.warning("deliveries are answered 503: %s", reason)
        elif self.reason and not reason:
            logger.info("deliveries are taken in again")
        self.reason = reason

    async def _look(self) -> str | None:
        """Why nothing can be taken in, by the disk and the database; None if all is well."""
        if _free_mb(self._settings) < self._settings.min_free_mb:
            return "the disk is nearly full"
        try:
            async with (await pool(self._settings)).acquire(timeout=DATABASE_SECONDS) as connection:
                [[open_]] = await connection.fetch(
                    "SELECT count(*) FROM (SELECT FROM deliveries WHERE state = ANY ($1) LIMIT $2) AS open",
                    OPEN,
                    self._settings.max_backlog + 1,
                    timeout=DATABASE_SECONDS,
                )
        except CONNECTION_ERRORS as error:
            if not self.reason:
                logger.warning("%s", str(error) or "the database does not answer")
            return "the database is away"
        return "the backlog is too large" if open_ > self._settings.max_backlog else None


def _free_mb(settings: Settings) -> int:
    with suppress(FileNotFoundError):  # nobody has made it yet, and the database may be on another machine
        return shutil.disk_usage(settings.home).free // MB
    return settings.min_free_mb
