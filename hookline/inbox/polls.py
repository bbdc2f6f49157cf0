"""Polled sources: who reads which list now, how far it was read, and what was new in it."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import asyncpg

from hookline import issues, text
from hookline.database.types import Connection
from hookline.hooks.poll import Poll
from hookline.inbox.deliveries import Arrival, accept_all

CLAIM_SECONDS = 60
"""A poll belongs to its engine for so long after each page that it has read."""
MAX_WAIT = timedelta(minutes=15)
"""The longest time until a poll that failed is tried again, unless it is due less often."""
SEEN_AGAIN = timedelta(days=1)
"""An item of a list is noted as still there as rarely as this."""
FORGOTTEN = timedelta(days=30)
"""An item that was in a list no more for so long is forgotten."""
TOLD_AT = 3
"""After so many failures, one after another, that no waiting helps, a poll is an issue."""
EVER = datetime.fromisoformat("2000-01-01T00:00:00+00:00")


class ClaimLost(Exception):
    """Another engine polls this source now, or a person set its cursor: what was read here is not stored."""


@dataclass(frozen=True)
class Reading:
    """How far a list was read."""

    cursor: str | None = None
    trail: Sequence[tuple[str, str]] = ()
    """Earlier ids with the times at which they were the last, oldest first."""
    place: Mapping[str, Any] | None = None
    """Where the reading goes on; None at its end."""


@dataclass(frozen=True)
class Claim:
    """A poll that is this engine's to make."""

    source: str
    number: int
    began_at: datetime
    reading: Reading = field(default_factory=Reading)

    @classmethod
    def of(cls, row: asyncpg.Record) -> "Claim":
        """Return the claim in a row."""
        trail = [(at, identifier) for at, identifier in row["trail"]]
        return cls(row["source"], row["claim"], row["began_at"], Reading(row["cursor"], trail, row["place"]))


# A time that is far ahead was written before the clock was set back.
_IS_DUE = "(p.next_at <= now() OR p.next_at > now() + interval '8 days')"
_IS_FREE = f"""(p.claimed_until IS NULL OR p.claimed_until <= now()
               OR p.claimed_until > now() + make_interval(secs => {CLAIM_SECONDS}))"""


async def due(database: asyncpg.Pool, sources: Collection[str]) -> set[str]:
    """Return those of these sources whose poll is due, and that no engine makes just now; also of paused ones."""
    rows = await database.fetch(
        f"""
        SELECT asked.source FROM unnest($1::text[]) AS asked (source) LEFT JOIN polls p USING (source)
        WHERE p.source IS NULL OR ({_IS_DUE} AND {_IS_FREE})
        """,  # noqa: S608  (constants)
        list(sources),
    )
    return {row["source"] for row in rows}


async def claim(
    database: asyncpg.Pool, source: str, poll: Poll, owner: str, *, now: bool = False
) -> Claim | None:
    """
    Claim the poll of a source if it is due and no other engine makes it; None if not, or if the source is paused.

    Args:
        database: of the inbox.
        source: its name.
        poll: as `hooks.yaml` describes it; a cursor of another kind, list or account is begun again.
        owner: the engine.
        now: make it although it is not due.
    """
    reach = None if poll.since == "ever" else poll.since
    row = await database.fetchrow(
        f"""
        INSERT INTO polls AS p (source, kind, began_at, claim, claimed_by, claimed_until)
        SELECT $1, $2, coalesce(now() - $3::interval, $4), 1, $5, now() + make_interval(secs => $6)
        WHERE NOT EXISTS (SELECT FROM pauses WHERE source = $1)
        ON CONFLICT (source) DO UPDATE SET
            claim = p.claim + 1, claimed_by = EXCLUDED.claimed_by, claimed_until = EXCLUDED.claimed_until,
            kind = EXCLUDED.kind,
            began_at = CASE WHEN p.kind = EXCLUDED.kind THEN p.began_at ELSE EXCLUDED.began_at END,
            cursor = CASE WHEN p.kind = EXCLUDED.kind THEN p.cursor END,
            trail = CASE WHEN p.kind = EXCLUDED.kind THEN p.trail ELSE '[]' END,
            place = CASE WHEN p.kind = EXCLUDED.kind THEN p.place END
        WHERE ($7 OR {_IS_DUE}) AND {_IS_FREE}
        RETURNING *
        """,  # noqa: S608  (constants)
        source,
        poll.cursor_of,
        reach,
        EVER,
        owner,
        CLAIM_SECONDS,
        now,
    )
    return None if row is None else Claim.of(row)


async def renew(database: asyncpg.Pool, claimed: Claim) -> None:
    """Renew a claim; raises ClaimLost."""
    renewed = await database.execute(
        "UPDATE polls SET claimed_until = now() + make_interval(secs => $3) WHERE source = $1 AND claim = $2",
        claimed.source,
        claimed.number,
        CLAIM_SECONDS,
    )
    if renewed != "UPDATE 1":
        raise ClaimLost(claimed.source)


async def unknown(database: asyncpg.Pool, source: str, ids: Collection[str]) -> set[str]:
    """Return those of these ids that no delivery of the source has, and that were not in its list before."""
    rows = await database.fetch(
        """
        SELECT asked.item FROM unnest($2::text[]) AS asked (item)
        WHERE NOT EXISTS (SELECT FROM deliveries d WHERE d.source = $1 AND d.external_id = asked.item)
          AND NOT EXISTS (SELECT FROM poll_items i WHERE i.source = $1 AND i.external_id = asked.item)
        """,
        source,
        list(ids),
    )
    return {row["item"] for row in rows}


async def store(
    database: asyncpg.Pool,
    claimed: Claim,
    arrivals: Sequence[Arrival],
    reading: Reading,
    *,
    seen: Collection[str] = (),
    wait: timedelta,
) -> int:
    """
    Store what a poll found, and how far it read, in one transaction; end the claim.

    Args:
        database: of the inbox.
        claimed: this poll.
        arrivals: what is new, oldest first.
        reading: how far the list is read with them.
        seen: ids that are known from now on: those in a list without a cursor, and those that cannot be stored.
        wait: the time until the next poll.

    Returns:
        The number of deliveries that are new.

    Raises:
        ClaimLost: nothing was stored.
    """
    async with database.acquire() as connection, connection.transaction():
        await _lock(connection, claimed)
        receipts = await accept_all(connection, arrivals) if arrivals else []
        stored = sum(not receipt.duplicate for receipt in receipts)
        if seen:
            await _note_seen(connection, claimed.source, seen)
        await connection.execute(
            """
            UPDATE polls SET cursor = $2, trail = $3, place = $4, next_at = now() + $5::interval,
                claimed_by = NULL, claimed_until = NULL, items = items + $6, failures = 0, error = NULL,
                failing_since = NULL, polled_at = CASE WHEN $4::jsonb IS NULL THEN now() ELSE polled_at END
            WHERE source = $1
            """,
            claimed.source,
            reading.cursor,
            [list(each) for each in reading.trail],
            reading.place,
            wait,
            stored,
        )
        await issues.close(connection, cause=f"poll of {claimed.source}")
    return stored


async def note_failure(
    database: asyncpg.Pool,
    claimed: Claim,
    reason: str,
    *,
    wait: timedelta,
    counts: bool = True,
    passes: bool = True,
) -> None:
    """
    Note that a poll failed, and let it be tried again: after `wait`, and twice as long after each failure.

    Args:
        database: of the inbox.
        claimed: the poll.
        reason: why, for people.
        wait: the time until it is tried again, the first time.
        counts: False where it only waits for something, such as credentials.
        passes: False where a person must act, as of a key that is refused: then it becomes an issue.
    """
    async with database.acquire() as connection, connection.transaction():
        failures = await _note_failure(connection, claimed, reason, wait, counts=counts)
        if counts and not passes and (failures or 0) >= TOLD_AT:
            await issues.report(
                connection,
                cause=f"poll of {claimed.source}",
                title=f"{claimed.source} cannot be read: {reason}",
                advice=f"Correct what it says, then: hookline poll {claimed.source}. Nothing new comes from it until "
                "then.",
                kind="poll",
            )


async def _note_failure(
    connection: Connection, claimed: Claim, reason: str, wait: timedelta, *, counts: bool
) -> int | None:
    failures: int | None = await connection.fetchval(
        """
        UPDATE polls SET failures = failures + $6::int, error = $3,
            failing_since = CASE WHEN $6::int = 1 THEN coalesce(failing_since, now()) END,
            claimed_by = NULL, claimed_until = NULL,
            next_at = now() + least(greatest($4::interval, $5::interval), $4::interval * power(2, least(failures, 10)))
        WHERE source = $1 AND claim = $2 RETURNING failures
        """,
        claimed.source,
        claimed.number,
        text.reason(reason),
        wait,
        MAX_WAIT,
        int(counts),
    )
    return failures


async def release(database: asyncpg.Pool, claimed: Claim) -> None:
    """End a claim without a result: the next poll begins where this one did."""
    await database.execute(
        "UPDATE polls SET claimed_by = NULL, claimed_until = NULL WHERE source = $1 AND claim = $2",
        claimed.source,
        claimed.number,
    )


async def begin_again(connection: Connection, source: str, kind: str, since: datetime) -> None:
    """
    Let a source be read from a time on, as if it were polled for the first time; what is stored stays.

    What could not be stored is tried again. Of a list without a cursor, what came since the last poll is still news.
    """
    is_list = kind.startswith("list")
    if not is_list:
        await connection.execute("DELETE FROM poll_items WHERE source = $1", source)
    await connection.execute(
        """
        INSERT INTO polls (source, kind, began_at, cursor) VALUES ($1, $2, $3, $4)
        ON CONFLICT (source) DO UPDATE SET kind = $2, began_at = $3, cursor = $4, trail = '[]', place = NULL,
            claim = polls.claim + 1, claimed_by = NULL, claimed_until = NULL, next_at = now(),
            failures = 0, error = NULL, failing_since = NULL
        """,
        source,
        kind,
        since,
        since.isoformat() if is_list else None,
    )


async def all_polls(database: "asyncpg.Pool | Connection", *, seconds: float | None = None) -> dict[str, Any]:
    """Return how each polled source stands, by its name."""
    rows = await database.fetch("SELECT * FROM polls ORDER BY source", timeout=seconds)
    return {row["source"]: row for row in rows}


async def prune(database: asyncpg.Pool, polled: Collection[str]) -> None:
    """
    Delete what was not in its list for long, up to the last poll: while nobody reads it, nothing is forgotten.

    Args:
        database: of the inbox.
        polled: the sources that are polled; of others it is no trouble any more that the last poll failed.
    """
    gone = await database.fetch(
        """
        UPDATE polls SET failures = 0, error = NULL, failing_since = NULL
        WHERE failures > 0 AND source <> ALL($1) RETURNING source
        """,
        list(polled),
    )
    async with database.acquire() as connection:
        for row in gone:
            await issues.close(connection, cause=f"poll of {row['source']}")
    await database.execute(
        "DELETE FROM poll_items i USING polls p WHERE p.source = i.source AND i.seen_at < p.polled_at - $1::interval",
        FORGOTTEN,
    )


async def _lock(connection: Connection, claimed: Claim) -> None:
    row = await connection.fetchrow(
        "SELECT claim FROM polls WHERE source = $1 AND claim = $2 FOR UPDATE", claimed.source, claimed.number
    )
    if row is None:
        raise ClaimLost(claimed.source)


async def _note_seen(connection: Connection, source: str, ids: Collection[str]) -> None:
    await connection.execute(
        """
        INSERT INTO poll_items AS i (source, external_id) SELECT $1, asked.item FROM unnest($2::text[]) AS asked (item)
        ON CONFLICT (source, external_id) DO UPDATE SET seen_at = now() WHERE i.seen_at < now() - $3::interval
        """,
        source,
        sorted(set(ids)),
        SEEN_AGAIN,
    )
