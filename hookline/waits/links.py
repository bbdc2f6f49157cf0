"""Links by which a person answers without a log-in: a random token in the address, of which only a digest is stored."""

import secrets
from hashlib import sha256
from typing import Final
from uuid import UUID

import asyncpg

from hookline.waits import store

PATH: Final = "/answer/"
TOKEN_BYTES: Final = 32
LENGTH: Final = 43
"""Characters of a token."""


async def make(database: asyncpg.Pool, wait_id: UUID, person: str) -> str:
    """Return the path of a new link for this person; an earlier one stays good, for its message may have arrived."""
    token = secrets.token_urlsafe(TOKEN_BYTES)
    await database.execute(
        "INSERT INTO wait_links (digest, wait_id, person) VALUES ($1, $2, $3)",
        _digest(token),
        wait_id,
        person,
    )
    return f"{PATH}{token}"


async def read(database: asyncpg.Pool, token: str) -> dict[str, object] | None:
    """Return the wait of a link, with the `person` whom it was sent to; None if there is no such link."""
    if len(token) != LENGTH:
        return None
    row = await database.fetchrow(
        f"SELECT {store.COLUMNS}, l.person FROM wait_links l JOIN waits w ON w.id = l.wait_id WHERE l.digest = $1",  # noqa: S608  (constants)
        _digest(token),
    )
    return None if row is None else dict(row)


def _digest(token: str) -> bytes:
    return sha256(token.encode()).digest()
