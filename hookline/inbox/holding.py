"""
A database that is older than it was: everything is held until a person lets it go on; from then on, it looks first.

While it is held, deliveries are accepted and stored, and nothing starts. Once it goes on, a step that the journal does
not know is looked for at the vendor before it is sent (`hookline.journal`), until a person says that this is over.
"""

from dataclasses import dataclass
from datetime import datetime

import asyncpg

from hookline.database.high_water import Outside
from hookline.database.types import Connection
from hookline.errors import HooklineError
from hookline.inbox.audit import acting
from hookline.inbox.deliveries import CHANNEL
from hookline.local_time import local_time

ADVICE = "Read docs/backup-and-upgrade.md (Going back to a backup), then let it go on: hookline hold release"
READS_BACK_FIRST = (
    "Since {since}, each write that the journal does not know is looked for at the vendor before it "
    "is sent, and a person is asked about what cannot be looked for."
)


@dataclass(frozen=True)
class Holding:
    """Whether the database is held because it is older than it was, or goes on and looks first."""

    held_since: datetime | None = None
    held_reason: str | None = None
    readback_first_since: datetime | None = None
    readback_first_actor: str | None = None

    @property
    def state(self) -> str:
        """The state in a word."""
        return "held" if self.held_since else "looks first" if self.readback_first_since else "as usual"

    @property
    def text(self) -> str:
        """What that means, and what to do; empty if all is as usual."""
        if self.held_since:
            return (
                f"{self.held_reason} Nothing starts; deliveries are accepted and wait, since "
                f"{local_time(self.held_since, seconds=False)}."
            )
        return (
            READS_BACK_FIRST.format(since=local_time(self.readback_first_since, seconds=False))
            if self.readback_first_since
            else ""
        )


async def read(database: "Connection | asyncpg.Pool", *, seconds: float | None = None) -> Holding:
    """Return whether the database is held."""
    row = await database.fetchrow(
        "SELECT held_since, held_reason, readback_first_since, readback_first_actor FROM lineage",
        timeout=seconds,
    )
    return Holding(**row) if row else Holding()


async def release(connection: Connection, remembered: Outside, *, actor: str, reason: str) -> None:
    """
    Let everything go on, looking first.

    From now on the database is of another lineage, so that a copy of an earlier one is known for older. What is
    remembered outside of it of others that were here counts as before it: a person knows of them.

    Raises:
        HooklineError: it is not held.
    """
    async with acting(connection, actor, reason):
        released = await connection.fetchval(
            """
            UPDATE lineage
            SET before = before || id || $2::uuid[], id = gen_random_uuid(), held_since = NULL, held_reason = NULL,
                event_due = false, released_at = clock_timestamp(), readback_first_since = clock_timestamp(),
                readback_first_actor = $1
            WHERE held_since IS NOT NULL RETURNING true
            """,
            actor,
            list(remembered.lineages()),
        )
        if not released:
            raise HooklineError("Nothing is held. See: hookline hold show")
        await connection.execute("SELECT pg_notify($1, '')", CHANNEL)


async def close(connection: Connection, *, actor: str, reason: str) -> None:
    """
    Look first no more: "no row" means "never done" again.

    Raises:
        HooklineError: it is held, or does not look first.
    """
    async with acting(connection, actor, reason):
        ended = await connection.fetchval(
            """
            UPDATE lineage SET readback_first_since = NULL, readback_first_actor = NULL
            WHERE held_since IS NULL AND readback_first_since IS NOT NULL RETURNING true
            """
        )
        if not ended:
            raise HooklineError("There is nothing to close: it is held, or as usual. See: hookline hold show")
