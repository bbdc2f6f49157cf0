"""The revision of the schema: the one of the database, and those that this process knows."""

from pathlib import Path
from typing import Final

import asyncpg

from hookline.database.errors import OtherSchema
from hookline.database.types import Connection
from hookline.version import this_hookline

VERSIONS = Path(__file__).with_name("migrations") / "versions"
KNOWN: Final = sorted(path.name[:4] for path in VERSIONS.glob("[0-9]*.py"))
"""
The revisions, oldest first: migrations are numbered, and their files begin with the number.

Read when the process starts: an upgrade may replace the files while it runs.
"""

WAY_BACK: Final = "docs/backup-and-upgrade.md"


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


async def require(connection: "Connection | asyncpg.Pool") -> None:
    """
    Check that the database has the schema of this process's code; one without any is about to get it.

    Raises:
        OtherSchema: it has not; says which it has, which this code knows, and what to do.
    """
    found = await revision(connection)
    if found in KNOWN[:-1]:
        raise OtherSchema(
            f"The database has the schema {found}, and this code needs {head()}. Bring it up to date: `hookline up` "
            "does so at its start, and so does python -m hookline.database"
        )
    await require_known(connection, found)


async def require_known(connection: "Connection | asyncpg.Pool", found: str | None) -> None:
    """
    Check that this code knows the schema of the database, and could bring it up to date.

    Raises:
        OtherSchema: another Hookline made it; says which, and what to do.
    """
    if found is None or found in KNOWN:
        return
    maker = await made_by(connection) or "another Hookline"
    raise OtherSchema(
        f"The database has the schema {found}, made by {maker}, and this code, Hookline {this_hookline()}, knows "
        f"{', '.join(KNOWN)}: no work is done on it. Run the code that made it; or go back to a backup of this code, "
        f"as {WAY_BACK} says."
    )


async def made_by(connection: "Connection | asyncpg.Pool") -> str | None:
    """Return which Hookline made the schema, such as `Hookline 0.1.0 (fbf6e1959b1a)`; None where it did not say."""
    found: str | None = await connection.fetchval("SELECT obj_description(to_regclass('alembic_version'))")
    return found


def signature() -> str:
    """Return the statement by which the code that makes a schema says so, for older code to name it."""
    quoted = this_hookline().replace("'", "''")
    return f"COMMENT ON TABLE alembic_version IS 'Hookline {quoted}'"
