"""What a client asks before each call of an account, and reports after it."""

import asyncio
import logging
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final
from weakref import WeakKeyDictionary

import asyncpg

from hookline import context
from hookline.clients.errors import (
    AnswerLost,
    NotAllowed,
    NotAuthenticated,
    RateLimited,
    Unavailable,
    UnexpectedAnswer,
    Unreachable,
    VendorAway,
    VendorError,
    VendorGivenUp,
)
from hookline.database import is_connection_error, pool
from hookline.database.types import Row
from hookline.outages import store
from hookline.outages.store import Failure, Intervals
from hookline.outages.waiting import run_of
from hookline.settings import Settings

logger = logging.getLogger(__name__)

LONG_WAIT: Final = 30.0
"""Seconds of a `Retry-After` that are long enough to count as being away."""
FRESH_SECONDS: Final = 1.0
"""The time for which what is known of all accounts is used again."""


@dataclass
class _Known:
    """The accounts as this process last read them."""

    accounts: Mapping[str, Row] = field(default_factory=dict)
    until: float = 0.0


_known: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[object, _Known]] = WeakKeyDictionary()


@dataclass(frozen=True)
class AccountWatch:
    """The watch over the calls of one account."""

    settings: Settings
    vendor: str
    account: str

    async def before(self, operation: str) -> None:
        """
        Let a call begin, unless the account is away and another run tries it.

        Raises:
            VendorAway: the run should wait.
            VendorGivenUp: it has waited for too long.
        """
        try:
            row = (await self._accounts()).get(self.account)
            if row is None or row["away_since"] is None:
                return
            database = await pool(self.settings)
            if await store.may_call(database, self.account, _this_run()):
                return
            given_up = await self._has_given_up(database, row)
        except Exception as error:  # noqa: BLE001  (the journal needs the database too, and says so better)
            _ignore(error)
            return
        if given_up:
            raise self._given_up(operation, row)
        raise self._away(operation, row)

    async def succeeded(self, operation: str) -> None:
        """Note that a call was answered."""
        try:
            row = (await self._accounts()).get(self.account)
            if row is None or (row["away_since"] is None and operation not in row["failing"]):
                return
            by = _this_run()
            in_engine = context.dispatch_id() is not None
            await store.succeeded(
                await pool(self.settings), self.account, operation, by, ends_probe=not in_engine
            )
            self._forget()
        except Exception as error:  # noqa: BLE001  (as above; the call itself has its answer)
            _ignore(error)

    async def failed(self, operation: str, error: VendorError) -> None:
        """
        Note that a call failed.

        Raises:
            VendorAway: the account is away, now or before; in place of the error, with all that it says.
        """
        if isinstance(error, VendorAway | VendorGivenUp | NotAuthenticated | NotAllowed):
            return
        if not is_outage(error):
            await self.succeeded(operation)
            return
        wait = error.retry_after or 0.0
        reason = f"{type(error).__name__} at {error.operation}" + (
            f": {error.detail}" if error.detail else ""
        )
        failure = Failure(operation, reason, _this_run(), wait, is_long=wait >= LONG_WAIT)
        intervals = Intervals(self.settings.retry_seconds, self.settings.probe_seconds)
        try:
            row = await store.failed(await pool(self.settings), self.account, self.vendor, failure, intervals)
            self._forget()
        except Exception as broken:  # noqa: BLE001  (as above)
            _ignore(broken)
            return
        if row["away_since"] is not None:
            raise self._away(operation, row, maybe_applied=error.maybe_applied) from error

    async def _has_given_up(self, database: asyncpg.Pool, row: Row) -> bool:
        give_up = timedelta(hours=self.settings.give_up_hours)
        if (dispatch_id := context.dispatch_id()) is not None:
            return await store.has_given_up(database, dispatch_id, give_up)
        return bool(datetime.now(UTC) - row["away_since"] > give_up)

    def _away(self, operation: str, row: Row, *, maybe_applied: bool = False) -> VendorAway:
        next_try = row["next_try_at"] or datetime.now(UTC)
        return VendorAway(
            vendor=self.vendor,
            operation=operation,
            account=self.account,
            since=row["away_since"],
            next_try=next_try,
            detail=row["reason"] or "",
            retry_after=max((next_try - datetime.now(UTC)).total_seconds(), self.settings.retry_seconds),
            maybe_applied=maybe_applied,
        )

    def _given_up(self, operation: str, row: Row) -> VendorGivenUp:
        hours = f"{self.settings.give_up_hours:g}"
        detail = (
            f"{self.account} is away since {row['away_since']:%Y-%m-%d %H:%M} UTC, {hours} hours were waited"
        )
        return VendorGivenUp(vendor=self.vendor, operation=operation, detail=detail)

    async def _accounts(self) -> Mapping[str, Row]:
        known = self._cache()
        now = time.monotonic()
        if now >= known.until:
            known.until = (
                now + FRESH_SECONDS
            )  # before the wait: one call reads, the others go on with what is known
            known.accounts = await store.all_accounts(await pool(self.settings))
        return known.accounts

    def _forget(self) -> None:
        self._cache().until = 0.0

    def _cache(self) -> _Known:
        of_loop = _known.setdefault(asyncio.get_running_loop(), {})
        return of_loop.setdefault((self.settings.home, self.settings.database_url), _Known())


def watch(settings: Settings, vendor: str, account: str) -> AccountWatch:
    """Return the watch over an account of a vendor."""
    return AccountWatch(settings, vendor, f"{vendor}/{account}")


def is_outage(error: VendorError) -> bool:
    """Return True for an error that says nothing of the call, but of the vendor: it cannot answer just now."""
    if isinstance(error, UnexpectedAnswer):  # a page of a proxy or of maintenance
        return error.transient
    return isinstance(error, Unavailable | Unreachable | AnswerLost | RateLimited)


def _this_run() -> str:
    dispatch_id = context.dispatch_id()
    return f"process {os.getpid()}" if dispatch_id is None else run_of(dispatch_id)


def _ignore(error: Exception) -> None:
    level = logging.INFO if is_connection_error(error) else logging.ERROR
    logger.log(level, "the health of a vendor cannot be noted: %r", error)
