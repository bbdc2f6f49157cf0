"""
Sessions: a browser that logged in with the admin token may see the pages for twelve hours.

A cookie is a random text and has nothing of the token in it. The database has its digest, so that a log-out ends the
session at every gateway, and a new admin token ends every session.
"""

import hashlib
import hmac
import re
import secrets
import time
from collections import OrderedDict

from hookline.database import pool
from hookline.settings import Settings

SESSION = "hookline_session"
SESSION_SECONDS = 12 * 3600

ATTEMPTS = 10
"""Wrong tokens from one address in a minute."""

CACHE_SECONDS = 2.0
"""A session that was logged out at another gateway may be accepted here for so long."""
MAX_CACHED = 1_000

_COOKIE = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)


class Sessions:
    """The sessions of the pages, with a short cache."""

    def __init__(self, settings: Settings, admin_token: str) -> None:
        self._settings = settings
        self._token = hashlib.sha256(admin_token.encode()).digest()
        self._found: OrderedDict[bytes, float] = OrderedDict()

    def is_token(self, text: str) -> bool:
        """Return True for the admin token; takes as long for any other."""
        return hmac.compare_digest(hashlib.sha256(text.encode(errors="surrogatepass")).digest(), self._token)

    async def open(self) -> str:
        """Begin a session; return the value of its cookie."""
        cookie = secrets.token_urlsafe(32)
        async with (await pool(self._settings)).acquire() as connection:
            await connection.execute("DELETE FROM sessions WHERE expires_at <= now()")
            await connection.execute(
                "INSERT INTO sessions (digest, expires_at) VALUES ($1, now() + make_interval(secs => $2))",
                self._digest(cookie),
                SESSION_SECONDS,
            )
        return cookie

    async def is_open(self, cookie: str) -> bool:
        """Return True if this cookie is of an open session."""
        if not _COOKIE.fullmatch(cookie):
            return False
        digest = self._digest(cookie)
        if self._found.get(digest, 0) > time.monotonic():
            return True
        database = await pool(self._settings)
        if not await database.fetchval(
            "SELECT EXISTS (SELECT FROM sessions WHERE digest = $1 AND expires_at > now())", digest
        ):
            self._found.pop(digest, None)
            return False
        self._found[digest] = time.monotonic() + CACHE_SECONDS
        self._found.move_to_end(digest)
        while len(self._found) > MAX_CACHED:
            self._found.popitem(last=False)
        return True

    async def close(self, cookie: str) -> None:
        """End a session, for every gateway."""
        digest = self._digest(cookie)
        self._found.pop(digest, None)
        await (await pool(self._settings)).execute("DELETE FROM sessions WHERE digest = $1", digest)

    def _digest(self, cookie: str) -> bytes:
        return hashlib.sha256(self._token + cookie.encode(errors="surrogatepass")).digest()


def sign(cookie: str, text: str) -> str:
    """Return the signature of a text within a session: no other session has the same."""
    content = text.encode(errors="surrogatepass")
    return hmac.new(cookie.encode(errors="surrogatepass"), content, hashlib.sha256).hexdigest()


def is_signed(cookie: str, text: str, signature: str) -> bool:
    """Return True if the signature was made within this session."""
    return hmac.compare_digest(sign(cookie, text).encode(), signature.encode(errors="surrogatepass"))
