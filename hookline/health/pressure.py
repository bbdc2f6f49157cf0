"""Backpressure: a probe, once a second, of the database and the disk that new deliveries need."""

import asyncio
import logging
import shutil
from contextlib import suppress

from hookline.database import CONNECTION_ERRORS, pool, schema
from hookline.database.errors import OtherSchema
from hookline.settings import Settings
from hookline.states import OPEN

logger = logging.getLogger(__name__)

DATABASE_SECONDS = 5.0
"""Seconds that the gateway waits for the database."""
PROBE_SECONDS = 1.0
SILENT_SECONDS = 2.0
"""Seconds without an answer after which the database counts as unavailable."""
OTHER = "another version of Hookline has the database"
MB = 1_000_000


class Pressure:
    """The reason why no delivery can be accepted now; requests read it, and not the database or the disk."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._probing: asyncio.Task[str | None] | None = None
        self.reason: str | None = None
        """Text that anybody may read; None while deliveries are accepted."""

    async def run(self) -> None:
        """Probe once a second, until cancelled."""
        while True:
            await self.refresh()
            await asyncio.sleep(PROBE_SECONDS)

    async def refresh(self) -> None:
        """Probe, and wait at most two seconds for the result."""
        # A probe that hangs is not cancelled, which could hang too: it ends by its own timeouts.
        self._probing = self._probing or asyncio.create_task(self._probe())
        await asyncio.wait([self._probing], timeout=SILENT_SECONDS)
        if self._probing.done():
            reason, self._probing = self._probing.result(), None
        else:
            reason = "the database does not answer"
        if reason and not self.reason:
            logger.warning("deliveries are answered 503: %s", reason)
        elif self.reason and not reason:
            logger.info("deliveries are accepted again")
        self.reason = reason

    async def _probe(self) -> str | None:
        """Return why no delivery can be accepted; None if it can."""
        if _free_mb(self._settings) < self._settings.min_free_mb:
            return "the disk is nearly full"
        try:
            async with (await pool(self._settings)).acquire(timeout=DATABASE_SECONDS) as connection:
                await schema.require(connection)
                [[open_]] = await connection.fetch(
                    "SELECT count(*) FROM (SELECT FROM deliveries WHERE state = ANY ($1) LIMIT $2) AS open",
                    OPEN,
                    self._settings.max_backlog + 1,
                    timeout=DATABASE_SECONDS,
                )
        except CONNECTION_ERRORS as error:
            if not self.reason:
                logger.warning("%s", str(error) or "the database does not answer")
            return OTHER if isinstance(error, OtherSchema) else "the database is away"
        return "the backlog is too large" if open_ > self._settings.max_backlog else None


def _free_mb(settings: Settings) -> int:
    with suppress(FileNotFoundError):  # not made yet, and the database may be on another machine
        return shutil.disk_usage(settings.home).free // MB
    return settings.min_free_mb
