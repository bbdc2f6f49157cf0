"""The sizes of the databases, day by day, so that people hear how long the disk lasts."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import unquote, urlsplit

import asyncpg

from hookline.database.connection import database_url, prefect_postgres_url
from hookline.database.types import Connection
from hookline.settings import Settings

KEEP_DAYS = 400


@dataclass(frozen=True)
class Size:
    """The bytes of both databases, with indexes, at a time; Prefect's counts where the same server has it."""

    at: datetime
    of_bytes: int


async def note(database: asyncpg.Pool, settings: Settings) -> None:
    """Write down how large the databases are; of each day, the latest size stays."""
    await database.execute(
        """
        INSERT INTO sizes (day, at, bytes)
        SELECT current_date, now(), sum(pg_database_size(datname)) FROM pg_database WHERE datname = ANY ($1)
        ON CONFLICT (day) DO UPDATE SET at = excluded.at, bytes = excluded.bytes
        """,
        _names(settings),
    )
    await database.execute("DELETE FROM sizes WHERE day < current_date - $1::integer", KEEP_DAYS)


async def latest(connection: Connection, days: int) -> Sequence[Size]:
    """Return the sizes of so many days, the oldest first."""
    rows = await connection.fetch(
        "SELECT at, bytes FROM sizes WHERE day > current_date - $1::integer ORDER BY day", days
    )
    return [Size(row["at"], row["bytes"]) for row in rows]


def _names(settings: Settings) -> list[str]:
    """Return the names of the databases on our server."""
    own, prefects = urlsplit(database_url(settings)), urlsplit(prefect_postgres_url(settings) or "")
    return [unquote(each.path.lstrip("/")) for each in (own, prefects) if each.netloc == own.netloc]
