"""Prefect's own database: which of its schemas the installed Prefect knows, without importing it."""

import re
from contextlib import suppress
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

import asyncpg

from hookline.database.errors import OtherSchema
from hookline.database.schema import WAY_BACK, revision

_REVISION = re.compile(r"^revision(?:: str)? = [\"'](\w+)[\"']", re.MULTILINE)


@cache
def known_revisions() -> frozenset[str]:
    """Return the revisions of Prefect's database that the installed one knows; none where it cannot be found."""
    spec = find_spec("prefect")
    if spec is None or spec.origin is None:
        return frozenset()
    folder = Path(spec.origin).parent / "server/database/_migrations/versions/postgresql"
    found = (_REVISION.search(path.read_text(encoding="utf-8")) for path in folder.glob("*.py"))
    return frozenset(each[1] for each in found if each)


def installed() -> str:
    """Return the version of the installed Prefect."""
    with suppress(PackageNotFoundError):
        return version("prefect")
    return "?"


async def require_known(connection: asyncpg.Connection) -> None:
    """
    Check that the installed Prefect knows the schema of its database.

    Raises:
        OtherSchema: a newer one made it; says what to do.
    """
    known = known_revisions()
    if not known or await connection.fetchval("SELECT to_regclass('alembic_version')") is None:
        return  # asked first: the server would log an error for a table that is not there yet
    found = await revision(connection)
    if found is None or found in known:
        return
    name = await connection.fetchval("SELECT current_database()")
    raise OtherSchema(
        f"Prefect's database {name} has the schema {found}, which the installed Prefect {installed()} does not know: "
        "another Hookline made it, with another Prefect. Run that code; or go back to a backup of this code, as "
        f"{WAY_BACK} says."
    )
