"""
Sessions: a browser that logged in with a token may open the pages for twelve hours, as the person whose token it is.

A cookie is a random text and has nothing of the token in it. The database has its digest, so that a log-out ends the
session at every gateway, a new admin token ends every session, and a person's role is the one of this moment.
"""

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass

from hookline import people
from hookline.database import pool
from hookline.people import ADMIN, Person, Role
from hookline.settings import Settings

SESSION = "hookline_session"
SESSION_SECONDS = 12 * 3600

ATTEMPTS = 10
"""Wrong tokens from one address in a minute."""

_COOKIE = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)
_OPEN_FOR_ADMIN = """
    INSERT INTO sessions (digest, expires_at) VALUES ($1, now() + make_interval(secs => $2)) RETURNING true"""
_OPEN_FOR_PERSON = """
    INSERT INTO sessions (digest, expires_at, person)
    SELECT $1, now() + make_interval(secs => $2), name FROM people WHERE token = $3 FOR KEY SHARE RETURNING true"""


@dataclass(frozen=True)
class Visit:
    """A person who asks for a page, and what signs for them."""

    person: Person
    key: str
    by_proxy: bool = False
    """The proxy in front names the person, who cannot log out here."""


class Sessions:
    """The sessions of the pages."""

    def __init__(self, settings: Settings, admin_token: str) -> None:
        self._settings = settings
        self._token = hashlib.sha256(admin_token.encode()).digest()

    def is_token(self, text: str) -> bool:
        """Return True for the admin token; takes as long for any other."""
        return hmac.compare_digest(people.digest(text), self._token)

    async def open(self, token: str) -> str | None:
        """Begin a session for the one whose token this is; return the value of its cookie, None for a wrong token."""
        cookie = secrets.token_urlsafe(32)
        new = self._digest(cookie), SESSION_SECONDS
        async with (await pool(self._settings)).acquire() as connection:
            await connection.execute("DELETE FROM sessions WHERE expires_at <= now()")
            if self.is_token(token):
                opened = await connection.fetchval(_OPEN_FOR_ADMIN, *new)
            else:
                opened = await connection.fetchval(_OPEN_FOR_PERSON, *new, people.digest(token))
        return cookie if opened else None

    async def visit(self, cookie: str) -> Visit | None:
        """Return the visit of an open session; None if this cookie is of none."""
        if not _COOKIE.fullmatch(cookie):
            return None
        found = await (await pool(self._settings)).fetchrow(
            """
            SELECT s.person, p.role FROM sessions s LEFT JOIN people p ON p.name = s.person
            WHERE s.digest = $1 AND s.expires_at > now()
            """,
            self._digest(cookie),
        )
        if found is None:
            return None
        person = ADMIN if found["person"] is None else Person(found["person"], Role(found["role"]))
        return Visit(person, cookie)

    async def named(self, identity: str) -> Visit | None:
        """Return the visit of a person whom the proxy in front names; None for one who may not come in."""
        person = await people.by_identity(await pool(self._settings), identity)
        if person is None and self._settings.identity_look and people.is_identity(identity):
            person = Person(identity, Role.LOOK)
        if person is None:
            return None
        key = hmac.new(
            self._token, b"named by the proxy: " + person.name.encode(), hashlib.sha256
        ).hexdigest()
        return Visit(person, key, by_proxy=True)

    async def close(self, cookie: str) -> None:
        """End a session, for every gateway."""
        await (await pool(self._settings)).execute(
            "DELETE FROM sessions WHERE digest = $1", self._digest(cookie)
        )

    def _digest(self, cookie: str) -> bytes:
        return hashlib.sha256(self._token + cookie.encode(errors="surrogatepass")).digest()


def sign(key: str, text: str) -> str:
    """Return the signature of a text by the key of a visit: no other session has the same."""
    content = text.encode(errors="surrogatepass")
    return hmac.new(key.encode(errors="surrogatepass"), content, hashlib.sha256).hexdigest()


def is_signed(key: str, text: str, signature: str) -> bool:
    """Return True if the signature was made by this key."""
    return hmac.compare_digest(sign(key, text).encode(), signature.encode(errors="surrogatepass"))
