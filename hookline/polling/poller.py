"""The polls of an engine: each source by itself, so that the outage of one vendor stops no other."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial

import asyncpg

from hookline import tracing
from hookline.clients import VendorClient, VendorError
from hookline.database import CONNECTION_ERRORS, is_connection_error
from hookline.errors import HooklineError
from hookline.hooks import Hooks, Source
from hookline.hooks.poll import Poll
from hookline.inbox import bodies, polls, refusals
from hookline.inbox.deliveries import Arrival
from hookline.inbox.polls import Claim, ClaimLost
from hookline.polling.fit import operation_of, wrong_polls
from hookline.polling.reader import Found, Item, Reader
from hookline.settings import Settings
from hookline.text import one_line
from hookline.waits import store as waits

logger = logging.getLogger(__name__)

AT_ONCE = 4
"""Polls of one engine at a time."""
POLL_SECONDS = 300.0
"""The longest time that one poll may take."""
RENEW_SECONDS = polls.CLAIM_SECONDS / 3
READABLE_AGAIN = timedelta(seconds=5)
"""The wait for credentials that cannot be read just now."""
PEER = "poll"


class NoAccount(HooklineError):
    """An account has no stored credentials, such as that of a vendor that this firm does not use."""


class AccountUnreadable(HooklineError):
    """The stored credentials of an account cannot be read just now, as while the Prefect server starts."""


OpenClient = Callable[[str, str], Awaitable[VendorClient]]
"""
Returns a client for an account: of a vendor, and by the name of its stored credentials.

Raises NoAccount or AccountUnreadable: the vendor is not to blame, and the poll waits.
"""


@dataclass(frozen=True)
class Polled:
    """What came of one poll."""

    source: str
    rows: int
    new: int
    more: bool
    items: tuple[str, ...] = ()
    """The ids of what is new, oldest first."""


class Poller:
    """Polls what is due, of the sources in force."""

    def __init__(
        self, database: asyncpg.Pool, settings: Settings, hooks: Hooks, owner: str, open_client: OpenClient
    ) -> None:
        self.database = database
        self.settings = settings
        self.hooks = hooks
        self.owner = owner
        self.open_client = open_client
        self._running: dict[str, asyncio.Task[None]] = {}
        self._turn = 0
        self._checked: tuple[Mapping[str, Source], Collection[str]] = {}, ()
        """The sources that were looked at last, and which of them cannot be polled."""

    async def names(self) -> list[str]:
        """Return the sources that are polled: right, switched on, and with a route, or with a run that waits."""
        wrong = self._wrong_polls()
        right = [
            name
            for name, source in self.hooks.sources.items()
            if source.poll and source.enabled and name not in wrong
        ]
        taken = {name for name in right if self.hooks.takes(name)}
        waited = await waits.sources(self.database) if len(taken) < len(right) else set()
        return [name for name in right if name in taken or name in waited]

    async def poll_due(self) -> None:
        """Start the polls that are due, up to the most at a time; they go on by themselves."""
        names = await self.names()
        due = await polls.due(self.database, names) if names else set()
        for name in self._in_turn(name for name in names if name in due):
            if len(self._running) >= AT_ONCE:
                return
            if name in self._running:
                continue
            source = self.hooks.sources[name]
            claimed = await polls.claim(self.database, name, _poll(source), self.owner)
            if claimed is not None:
                task = asyncio.create_task(self._fenced(claimed, source))
                self._running[name] = task
                task.add_done_callback(partial(self._ended, name))

    async def stop(self) -> None:
        """Stop the polls that run; what they read is read again."""
        running = list(self._running.values())
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    async def poll(self, claimed: Claim, source: Source, *, dry_run: bool = False) -> Polled:
        """
        Make a poll that was claimed.

        Args:
            claimed: it.
            source: as `hooks.yaml` describes it.
            dry_run: read, and store nothing.

        Raises:
            HooklineError: it failed; nothing was stored.
            ClaimLost: another engine makes it.
        """
        poll = _poll(source)
        async with asyncio.timeout(POLL_SECONDS):
            async with (
                self._renewing(claimed),
                await self.open_client(poll.vendor, poll.account) as client,
            ):
                reader = Reader(
                    client=client,
                    operation=operation_of(poll),
                    poll=poll,
                    source=source,
                    now=datetime.now(UTC),
                    unknown=partial(polls.unknown, self.database, claimed.source),
                    on_page=partial(polls.renew, self.database, claimed),
                    seconds=POLL_SECONDS / 2,
                )
                found = await reader.read(claimed)
            new = tuple(item.id for item in found.new)
            if dry_run:
                await polls.release(self.database, claimed)
                return Polled(claimed.source, found.rows, len(new), found.more, new)
            stored = await self._store(claimed, source, found)
        return Polled(claimed.source, found.rows, stored, found.more, new)

    @asynccontextmanager
    async def _renewing(self, claimed: Claim) -> AsyncIterator[None]:
        """Renew a claim for as long as this lasts: one page may take longer than a claim does."""
        renewing = asyncio.create_task(self._renew_for_ever(claimed))
        try:
            yield
        finally:
            renewing.cancel()
            await asyncio.gather(renewing, return_exceptions=True)

    async def _renew_for_ever(self, claimed: Claim) -> None:
        while True:
            await asyncio.sleep(RENEW_SECONDS)
            with suppress(*CONNECTION_ERRORS):
                await polls.renew(self.database, claimed)

    async def _store(self, claimed: Claim, source: Source, found: Found) -> int:
        arrivals, refused, unfit = [], [], []
        for item in found.new:
            try:
                arrivals.append(self._arrival(claimed.source, source, item))
            except ValueError as error:
                refused.append(_refusal(claimed.source, item, error))
                unfit.append(item.id)
        wait = timedelta(0) if found.more else _poll(source).every
        if refused:  # first: once stored as seen, they come no more
            async with self.database.acquire() as connection:
                await refusals.add_all(connection, refused)
        return await polls.store(
            self.database, claimed, arrivals, found.reading, seen=[*found.seen, *unfit], wait=wait
        )

    def _arrival(self, name: str, source: Source, item: Item) -> Arrival:
        """Return an item as a delivery; raises ValueError where it cannot be stored."""
        if len(item.body) > source.max_body:
            raise ValueError(f"an item of {len(item.body)} bytes; max_body is {source.max_body}")
        sealed = bodies.seal(source, self.settings.body_keys, "application/json", item.body)
        return Arrival(name, item.id, "GET", {}, {}, "application/json", *sealed)

    async def _fenced(self, claimed: Claim, source: Source) -> None:
        """Make a poll; note why it failed, where people see it."""
        try:
            with tracing.span(f"poll {claimed.source}", source=claimed.source):
                polled = await self.poll(claimed, source)
        except ClaimLost:
            logger.info("the poll of %s is another engine's now", claimed.source)
        except asyncio.CancelledError:
            with suppress(Exception):
                await polls.release(self.database, claimed)
            raise
        except Exception as error:  # noqa: BLE001  (whatever it is, the next poll must come)
            await self._note(claimed, source, error)
        else:
            if polled.new:
                logger.info("%s: %d new of %d items that were read", claimed.source, polled.new, polled.rows)

    async def _note(self, claimed: Claim, source: Source, error: Exception) -> None:
        reason, is_failure = why(error), not isinstance(error, NoAccount | AccountUnreadable)
        if is_failure:
            logger.warning("the poll of %s fails, and is tried again: %s", claimed.source, reason)
        wait = max(_poll(source).every, timedelta(seconds=_retry_after(error)))
        if isinstance(error, AccountUnreadable):
            wait = READABLE_AGAIN
        try:
            await polls.note_failure(
                self.database, claimed, reason, wait=wait, counts=is_failure, passes=passes(error)
            )
        except Exception as second:
            if not is_connection_error(second):
                logger.exception("the failed poll of %s cannot be noted", claimed.source)

    def _wrong_polls(self) -> Collection[str]:
        """Return the sources that cannot be polled; files that are read again bring others."""
        if self._checked[0] is not self.hooks.sources:
            self._checked = self.hooks.sources, wrong_polls(self.hooks)
        return self._checked[1]

    def _ended(self, name: str, _task: "asyncio.Task[None]") -> None:
        self._running.pop(name, None)

    def _in_turn(self, names: Iterable[str]) -> list[str]:
        """Return the names, from another one on each time: no source waits for ever behind others."""
        ordered = list(names)
        self._turn += 1
        first = self._turn % len(ordered) if ordered else 0
        return ordered[first:] + ordered[:first]


def why(error: BaseException) -> str:
    """Return why a poll failed, for people."""
    if isinstance(error, TimeoutError):
        return f"it took longer than {POLL_SECONDS:g} s"
    return one_line(error, 500) or type(error).__name__


def passes(error: BaseException) -> bool:
    """Return True if waiting may help: that of a vendor who is away, or of our own side."""
    return error.transient if isinstance(error, VendorError) else not isinstance(error, HooklineError)


def _retry_after(error: Exception) -> float:
    return (error.retry_after or 0.0) if isinstance(error, VendorError) else 0.0


def _poll(source: Source) -> Poll:
    assert source.poll is not None  # noqa: S101  (for mypy)
    return source.poll


def _refusal(name: str, item: Item, error: ValueError) -> refusals.Refusal:
    now = datetime.now(UTC)
    reason = one_line(f"{item.id}: {error}", 200)
    return refusals.Refusal(name, 413, reason, 1, now, now, PEER, {})
