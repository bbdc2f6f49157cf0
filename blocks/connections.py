"""
The tokens of accounts that people connect by OAuth 2: stored as blocks, renewed by one process at a time.

Vendors that rotate refresh tokens take each of them once: two processes that renewed at the same time would end the
connection. So a renewal holds an advisory lock in PostgreSQL, reads what is stored, and stores the new tokens before it
lets go; and it is a task of its own, which goes on where the run that asked for it is stopped.
"""

import asyncio
import hashlib
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, TypeVar
from weakref import WeakKeyDictionary

from prefect.exceptions import ObjectNotFound
from pydantic import SecretStr

from blocks.base import CACHE_SECONDS
from blocks.http import HttpConnection
from hookline.clients.errors import NotAllowed, NotAuthenticated, Refused, Unreachable, VendorError
from hookline.clients.http.exchange import fetch
from hookline.clients.http.oauth2 import OAuthClient, TokenAddress, Tokens
from hookline.database import lent
from hookline.issues import store
from hookline.journal import locks
from hookline.redaction import learn
from hookline.settings import settings

logger = logging.getLogger(__name__)

T = TypeVar("T")

SAVE_TRIES: Final = 6
SAVE_SECONDS: Final = 0.5
"""The wait after the first failed try to store tokens; each next one is twice as long."""


class StoredGrants:
    """The tokens of one stored account."""

    def __init__(self, name: str, client: OAuthClient) -> None:
        self.name = name
        self.client = client

    @property
    def account(self) -> str:
        """The account, such as `http/acme`."""
        return f"http/{self.name}"

    async def current(self) -> Tokens:
        """Return tokens that do not end soon; raise a `VendorError` where there are none."""
        known = _known_of(self.name)
        if known.tokens is None or known.is_old:
            known.tokens = await self._read_again(known)
        return await self.renewed(known.tokens.access) if known.tokens.is_due else known.tokens

    async def renewed(self, stale: str) -> Tokens:
        """Return other tokens than those with this access token; raise a `VendorError` where none can be had."""
        known = _known_of(self.name)
        if known.tokens is not None and known.tokens.access != stale and not known.tokens.is_due:
            return known.tokens
        if known.renewal is None or known.renewal.done():
            known.renewal = asyncio.create_task(_reaching(lambda: self._renew(stale)))
            known.renewal.add_done_callback(_retrieved)
        return await asyncio.shield(known.renewal)

    async def connect(self, tokens: Tokens, by: str) -> None:
        """Store the tokens of a person's agreement, whatever was stored before."""
        async with lent(settings()) as connection:
            await locks.lock(connection, f"connection {self.account}")
            await self._save(tokens, by)
            await store.close(connection, cause=self._cause)
        known = _known_of(self.name)
        known.tokens, known.read_at, known.unsaved = tokens, time.monotonic(), False

    async def connected(self) -> HttpConnection | None:
        """Return what is stored; None where nobody has connected the account."""
        try:
            return await HttpConnection.aload(self.name)
        except ValueError as error:
            if isinstance(error.__cause__, ObjectNotFound):
                return None
            raise

    async def _read_again(self, known: "_Known") -> Tokens:
        """Return what is stored, which may be of another agreement by now; where it cannot be read, what is known."""
        try:
            stored = await _reaching(self._stored)
        except Unreachable:
            if known.tokens is None:
                raise
            return known.tokens
        known.read_at = time.monotonic()
        return known.tokens if known.unsaved and known.tokens else stored

    async def _renew(self, stale: str) -> Tokens:
        known = _known_of(self.name)
        async with lent(settings()) as connection:
            await locks.lock(connection, f"connection {self.account}")
            tokens = known.tokens if known.unsaved and known.tokens else await self._stored()
            if tokens.access == stale or tokens.is_due:
                tokens = await self._exchanged(tokens)
                await store.close(connection, cause=self._cause)
            known.tokens, known.read_at = tokens, time.monotonic()
        return tokens

    async def _exchanged(self, tokens: Tokens) -> Tokens:
        """Exchange the refresh token, and store what it brings before anybody uses it."""
        known = _known_of(self.name)
        if tokens.refresh_token is None:
            raise await self._ended("its token has ended, and the vendor gave no refresh token")
        request = self.client.refresh(tokens.refresh_token.get_secret_value())
        # With the client's own secret: once a person has corrected that, it is asked for again.
        content = request.headers.get("authorization", "").encode() + request.content
        digest = hashlib.sha256(content).digest()
        if known.refused == digest:  # to ask again could lock the account
            raise await self._ended("the vendor has refused the refresh token before")
        try:
            renewed = await fetch(request, tokens)
        except (NotAuthenticated, NotAllowed, Refused) as error:
            if isinstance(error, NotAuthenticated):  # any other may be a firewall's, and pass
                known.refused = digest
            raise await self._ended(f"the vendor refused the refresh token: {error.detail}") from None
        learn(renewed.secrets())
        known.tokens, known.unsaved = renewed, True
        await self._save_patiently(renewed)
        return renewed

    async def _save_patiently(self, tokens: Tokens) -> None:
        """Store renewed tokens; where Prefect is away for long, this process alone has them."""
        for number in range(SAVE_TRIES):
            try:
                before = await self.connected()
                await self._save(tokens, before.by if before else "", before.since if before else None)
            except Exception as error:  # noqa: BLE001  (whatever it is: the old refresh token may be of no use now)
                logger.warning("the renewed tokens of %s are not stored yet: %r", self.account, error)
                await asyncio.sleep(SAVE_SECONDS * 2**number)
            else:
                _known_of(self.name).unsaved = False
                return

    async def _save(self, tokens: Tokens, by: str, since: datetime | None = None) -> None:
        text = SecretStr(tokens.model_dump_json())
        block = HttpConnection(tokens=text, by=by, since=since or datetime.now(UTC))
        await block.asave(self.name, overwrite=True)

    async def _stored(self) -> Tokens:
        found = await self.connected()
        if found is None:
            raise await self._ended("nobody has connected it yet")
        tokens = Tokens.model_validate_json(found.tokens.get_secret_value())
        learn(tokens.secrets())
        return tokens

    async def _ended(self, why: str) -> NotAuthenticated:
        """Return the error of an account that a person must connect, and open its issue."""
        advice = f"Connect {self.account} at {self.page}; then replay what failed."
        async with lent(settings()) as connection:
            await store.report(
                connection,
                cause=self._cause,
                kind="connection",
                title=f"{self.account} is not connected: {why}.",
                advice=advice,
            )
        error = TokenAddress.fetch_token.error(NotAuthenticated, None, f"{self.account}: {why}")
        error.advice = advice  # type: ignore[misc]
        return error

    @property
    def page(self) -> str:
        """The page at which a person connects the account."""
        return f"{settings().base_url}/connect/http/{self.name}"

    @property
    def _cause(self) -> str:
        return f"connection of {self.account}"


@dataclass
class _Known:
    """What this process knows of the tokens of an account."""

    tokens: Tokens | None = None
    read_at: float = 0.0
    """When they were read last; a person may have connected another account meanwhile."""
    unsaved: bool = False
    """True if only this process has them."""
    refused: bytes = b""
    """The digest of a request with a refresh token that the vendor refused."""
    renewal: asyncio.Task[Tokens] | None = None

    @property
    def is_old(self) -> bool:
        """True if what is stored should be read again; not where only this process has the latest."""
        return not self.unsaved and time.monotonic() - self.read_at > CACHE_SECONDS


_known: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, _Known]] = WeakKeyDictionary()


def _known_of(name: str) -> _Known:
    return _known.setdefault(asyncio.get_running_loop(), {}).setdefault(name, _Known())


async def _reaching(work: Callable[[], Awaitable[T]]) -> T:
    """Do something about tokens; what fails there on our side means that the call was not sent."""
    try:
        return await work()
    except VendorError:
        raise
    except Exception as error:
        detail = f"the tokens cannot be read or renewed: {type(error).__name__} {error}"
        raise TokenAddress.fetch_token.error(Unreachable, None, detail) from error


def _retrieved(task: asyncio.Task[Tokens]) -> None:
    """Take the error of a renewal that nobody waits for any more."""
    if not task.cancelled() and (error := task.exception()) is not None:
        logger.info("a renewal failed: %s", error)
