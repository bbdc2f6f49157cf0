"""The revision of the schema: the one of the database, and those that this process knows."""

from pathlib import Path
from typing import Final

import asyncpg

from hookline.database.types import Connection

VERSIONS = Path(__file__).with_name("migrations") / "versions"
KNOWN: Final = sorted(path.name[:4] for path in VERSIONS.glob("[0-9]*.py"))
"""
The revisions, oldest first: migrations are numbered, and their files begin with the number.

Read when the process starts: an upgrade may replace the files while it runs.
"""


def head() -> str:
    """Return the latest revision."""
    return KNOWN[-1]


async def revision(connection: "Connection | asyncpg.Pool") -> str | None:
    """Return the revision of the database; None if it has none yet."""
    try:
        found: str | None = await connection.fetchval("SELECT version_num FROM alembic_version")
    except asyncpg.UndefinedTableError:
        return None
    return found
