"""
The people who may open the pages: each has a name, a role, and a token or the name that a proxy in front knows them by.

The names are those by which flows ask people (`HOOKLINE_PERSON_<NAME>`), and the actors of the audit trail. The admin
is none of these rows: anyone who has the admin token is the admin.
"""

import hashlib
import re
import secrets
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from hookline import text
from hookline.database.types import Connection
from hookline.errors import ConfigurationError, HooklineError
from hookline.inbox.audit import acting
from hookline.waits.addresses import NAME

if TYPE_CHECKING:
    import asyncpg

_IDENTITY = re.compile(r"[!-+\--:<-~]{1,254}", re.ASCII)
"""No space, comma or semicolon, which join several; no letter that looks like another."""


class Role(StrEnum):
    """What a person may do; each role may do all that those before it may."""

    LOOK = "look"
    OPERATE = "operate"
    DECIDE = "decide"
    ADMIN = "admin"

    def includes(self, needed: "Role") -> bool:
        """Return True if this role may do what that one may."""
        roles = list(Role)
        return roles.index(self) >= roles.index(needed)


GRANTED: Final = (Role.LOOK, Role.OPERATE, Role.DECIDE)
"""The roles that a person may have."""
MEANINGS: Final = {
    Role.LOOK: "opens every page, and changes nothing",
    Role.OPERATE: "replays, discards, copies and tries, pauses sources, connects accounts, lets go on what is held",
    Role.DECIDE: "says whether an effect happened, undoes doubles, answers waits",
    Role.ADMIN: "has the admin token: all of Prefect, too, and `hookline listen`",
}


@dataclass(frozen=True)
class Person:
    """Somebody who is known: by name, with a role."""

    name: str
    role: Role


ADMIN: Final = Person("admin", Role.ADMIN)


def digest(token: str) -> bytes:
    """Return what is stored of a token: it is long and random, so that no slow hash is needed."""
    return hashlib.sha256(token.encode(errors="surrogatepass")).digest()


def is_identity(name: str) -> bool:
    """Return True for what a proxy may call a person: printable ASCII, one word."""
    return _IDENTITY.fullmatch(name) is not None


async def by_identity(database: "asyncpg.Pool", identity: str) -> Person | None:
    """Return the person whom a proxy in front calls so, in capitals or not."""
    if not is_identity(identity):
        return None
    row = await database.fetchrow("SELECT name, role FROM people WHERE identity = $1", identity.lower())
    return Person(row["name"], Role(row["role"])) if row else None


async def everybody(database: "asyncpg.Pool") -> list[dict[str, Any]]:
    """Return all people, by name, without their tokens."""
    rows = await database.fetch(
        """
        SELECT name, role, identity, token IS NOT NULL AS token, since,
               (SELECT count(*) FROM sessions s WHERE s.person = p.name AND s.expires_at > now()) AS sessions
        FROM people p ORDER BY name
        """
    )
    return [dict(row) for row in rows]


async def add(
    connection: Connection, name: str, role: Role, *, identity: str | None = None, actor: str
) -> str | None:
    """
    Add a person.

    Args:
        connection: to the database.
        name: as in the audit trail.
        role: what they may do.
        identity: what the proxy in front calls them; without it they get a token.
        actor: who adds them, for the audit trail.

    Returns:
        Their token, which nobody can read again; None where a proxy knows them.

    Raises:
        HooklineError: the name or the identity cannot be used; says why.
    """
    if not NAME.fullmatch(name) or name == ADMIN.name:
        raise ConfigurationError(f"{name!r} can be no name here; one is such as anna or anna-berg.")
    known_by = _identity(identity)
    token = None if known_by else secrets.token_urlsafe(32)
    await _ensure_free(connection, known_by, name)
    async with acting(connection, actor, ""):
        added = await connection.fetchval(
            """
            INSERT INTO people (name, role, token, identity) VALUES ($1, $2, $3, $4)
            ON CONFLICT (name) DO NOTHING RETURNING name
            """,
            name,
            role,
            digest(token) if token else None,
            known_by,
        )
    if added is None:
        raise HooklineError(f"There is {name} already. To change the role: hookline people change {name}")
    return token


async def change(
    connection: Connection,
    name: str,
    *,
    role: Role | None = None,
    identity: str | None = None,
    new_token: bool = False,
    actor: str,
) -> str | None:
    """
    Change a person, at once and for open sessions, too; a new token ends these.

    Returns:
        The new token, if one was asked for.

    Raises:
        HooklineError: there is no such person, or the identity cannot be used; says why.
    """
    known_by, token = _identity(identity), secrets.token_urlsafe(32) if new_token else None
    await _ensure_free(connection, known_by, name)
    async with acting(connection, actor, ""):
        changed = await connection.fetchval(
            """
            UPDATE people SET role = coalesce($2, role), identity = coalesce($3, identity), token = coalesce($4, token)
            WHERE name = $1 RETURNING name
            """,
            name,
            role,
            known_by,
            digest(token) if token else None,
        )
        if token:
            await connection.execute("DELETE FROM sessions WHERE person = $1", name)
    if changed is None:
        raise _unknown(name)
    return token


async def remove(connection: Connection, name: str, *, actor: str) -> None:
    """Remove a person, whose sessions end at once; raises HooklineError if there is none of the name."""
    async with acting(connection, actor, ""):
        removed = await connection.fetchval("DELETE FROM people WHERE name = $1 RETURNING name", name)
    if removed is None:
        raise _unknown(name)


async def _ensure_free(connection: Connection, identity: str | None, name: str) -> None:
    other = await connection.fetchval(
        "SELECT name FROM people WHERE identity = $1 AND name <> $2", identity, name
    )
    if other is not None:
        raise HooklineError(f"The proxy's name {identity} is {other}'s already.")


def _identity(identity: str | None) -> str | None:
    if identity is not None and not is_identity(identity):
        raise ConfigurationError(
            f"{text.one_line(identity, 80)!r} can be no proxy's name of a person; one is such as anna@example.com: "
            "letters of ASCII, no space, comma or semicolon."
        )
    return identity and identity.lower()


def _unknown(name: str) -> HooklineError:
    return HooklineError(f"There is no {text.one_line(name, 80)}. See: hookline people list")
