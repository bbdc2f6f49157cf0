"""Refused requests, counted and written down for people; no answer ever waits for that."""

import asyncio
import logging
from datetime import UTC, datetime

from hookline.database import is_connection_error, pool
from hookline.gateway.incoming import IncomingRequest
from hookline.gateway.request_parsing import Rejection
from hookline.health.pressure import DATABASE_SECONDS
from hookline.inbox.refusals import MAX_OF_SOURCE, Refusal, add_all
from hookline.settings import Settings
from hookline.text import one_line, reason

logger = logging.getLogger(__name__)

NOTED = {400, 401, 408, 413, 429}
"""Statuses that sending again does not change. A missing source has no page to show it, and 503 is our own fault."""
WRITE_SECONDS = 1.0
MAX_HEADER = 200
"""Characters."""
NOT_VERIFIED = "(not verified)"
OTHER_REASONS = "other reasons, too many to list"


class Refusals:
    """Counts refusals and writes them down once a second, a limited number of kinds for each source."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._gathered: dict[tuple[str, int, str], Refusal] = {}

    def note(self, incoming: IncomingRequest, rejection: Rejection) -> None:
        """Count a refused request; of an unverified one, only the names of its headers are stored."""
        if rejection.status not in NOTED and not rejection.is_listed:
            return
        now = datetime.now(UTC)
        key = incoming.name, rejection.status, reason(incoming.masked(rejection.detail))
        if key not in self._gathered and self._reasons_of(incoming.name) >= MAX_OF_SOURCE:
            key = incoming.name, rejection.status, OTHER_REASONS
        noted = self._gathered.setdefault(key, Refusal(*key, 0, now, now, "", {}))
        noted.count += 1
        noted.last_at, noted.peer, noted.headers = now, incoming.peer, _headers(incoming)

    async def write_forever(self) -> None:
        """Write the counts down once a second."""
        while True:
            await asyncio.sleep(WRITE_SECONDS)
            await self.write()

    async def write(self) -> None:
        """Write the counts down; while the database does not answer they wait, and go on growing."""
        if not (gathered := self._gathered):
            return
        self._gathered = {}
        try:
            async with (await pool(self._settings)).acquire(timeout=DATABASE_SECONDS) as connection:
                async with asyncio.timeout(DATABASE_SECONDS):
                    await add_all(connection, list(gathered.values()))
        except Exception as error:
            if not is_connection_error(error):
                logger.exception("cannot write down the refused requests")
                return
            for key, refusal in gathered.items():
                later = self._gathered.setdefault(key, refusal)
                if later is not refusal:
                    later.count += refusal.count
                    later.first_at = refusal.first_at

    def _reasons_of(self, source: str) -> int:
        return sum(key[0] == source for key in self._gathered)


def _headers(incoming: IncomingRequest) -> dict[str, str]:
    """Return the headers as a person sees them."""
    if not incoming.verified:
        return {one_line(name, MAX_HEADER): NOT_VERIFIED for name in incoming.headers}
    return {name: one_line(value, MAX_HEADER) for name, value in incoming.stored.headers.items()}
