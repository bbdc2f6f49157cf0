"""
Sources that are silent for longer than they ever were: what should have come and did not.

The longest gap of each source is kept beyond its deliveries, and nothing is learned of a time in which nobody could
see: while the source was paused or off, and while no engine was there.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import asyncpg

from hookline import issues
from hookline.database.types import Connection, Row
from hookline.hooks import Hooks
from hookline.hooks.poll import in_words
from hookline.local_time import local_time

UNSEEN = timedelta(minutes=5)
"""After so long without a look, nothing is known of the time in between."""
HISTORY = timedelta(days=14)
"""The time for which a source must have been seen before its silence means anything: two weekends."""
MIN_GAPS = 20
MIN_SILENCE = timedelta(hours=1)
"""A shorter silence is never an issue, unless `silent_after` says so."""
MARGIN = 1.25
"""The factor by which a silence must be longer than the longest: a record alone is no reason to wake anybody."""


@dataclass(frozen=True)
class Watched:
    """A source, or a route that says how long nothing may come for it."""

    source: str
    allowed: timedelta | None
    is_on: bool
    route: str | None = None

    @property
    def name(self) -> str:
        """The name by which its silence is kept; no source has a blank in its name."""
        return self.source if self.route is None else f"route {self.route}"


def watched_of(hooks: Hooks) -> list[Watched]:
    """Return what is watched: each source but our own, and the routes with a time of their own."""
    on = {name: hooks.why_off(name) is None for name, source in hooks.sources.items() if not source.internal}
    sources = [Watched(name, hooks.sources[name].silent_after, is_on) for name, is_on in on.items()]
    return sources + [
        Watched(route.source, route.silent_after, on[route.source] and not route.off, route.name)
        for route in hooks.routes
        if route.silent_after and route.source in on
    ]


async def watch(database: asyncpg.Pool, hooks: Hooks) -> None:
    """Look at each source: learn its gaps, report its silence as an issue, and close that when it is over."""
    all_watched = watched_of(hooks)
    for each in all_watched:
        async with database.acquire() as connection, connection.transaction():
            await _watch_one(connection, each)
    async with database.acquire() as connection, connection.transaction():
        watched = [each.name for each in all_watched]
        gone = "SELECT source FROM silences WHERE reported AND source <> ALL($1) FOR UPDATE SKIP LOCKED"
        for row in await connection.fetch(gone, watched):
            await _close(connection, row["source"])


async def all_silences(database: "asyncpg.Pool | Connection") -> Mapping[str, Row]:
    """Return what is known of the gaps of each source, by its name."""
    return {row["source"]: row for row in await database.fetch("SELECT * FROM silences ORDER BY source")}


async def _watch_one(connection: Connection, watched: Watched) -> None:
    await connection.execute("INSERT INTO silences (source) VALUES ($1) ON CONFLICT DO NOTHING", watched.name)
    row = await connection.fetchrow(
        """
        SELECT s.*, now() AS now, EXISTS (SELECT FROM pauses p WHERE p.source = $2) AS paused,
               CASE WHEN $3::text IS NULL
                    THEN (SELECT d.received_at FROM deliveries d
                          WHERE d.source = $2 AND d.changed IS NULL ORDER BY d.seq DESC LIMIT 1)
                    ELSE (SELECT max(d.received_at) FROM deliveries d JOIN dispatches p ON p.delivery_id = d.id
                          WHERE d.source = $2 AND d.changed IS NULL AND d.received_at > s.quiet_since
                            AND p.route = $3) END AS latest
        FROM silences s WHERE source = $1 FOR UPDATE OF s SKIP LOCKED
        """,
        watched.name,
        watched.source,
        watched.route,
    )
    if row is None:
        return  # another engine looks at it
    unseen = row["now"] - row["looked_at"] > UNSEEN
    if not watched.is_on or row["paused"] or unseen:
        await _begin_again(connection, row)
    elif row["latest"] and row["latest"] > row["quiet_since"]:
        await _learn(connection, row)
    else:
        await _judge(connection, row, watched.allowed)


async def _begin_again(connection: Connection, row: Row) -> None:
    """Count the silence from now on: of the time before, nothing is known."""
    await connection.execute(
        "UPDATE silences SET quiet_since = now(), looked_at = now() WHERE source = $1", row["source"]
    )
    if row["reported"]:
        await _close(connection, row["source"])


async def _learn(connection: Connection, row: Row) -> None:
    """Note the gap before the first delivery since the last look."""
    await connection.execute(
        """
        UPDATE silences s SET gaps = gaps + 1, quiet_since = $2, looked_at = now(),
            longest = greatest(longest, (
                SELECT min(d.received_at) FROM deliveries d
                WHERE d.source = s.source AND d.changed IS NULL AND d.received_at > s.quiet_since) - s.quiet_since)
        WHERE source = $1
        """,
        row["source"],
        row["latest"],
    )
    if row["reported"]:
        await _close(connection, row["source"])


async def _judge(connection: Connection, row: Row, allowed: timedelta | None) -> None:
    """Report a silence that lasts for too long, once."""
    await connection.execute("UPDATE silences SET looked_at = now() WHERE source = $1", row["source"])
    most = allowed or learned(row)
    silent = row["now"] - row["quiet_since"]
    if most is None or silent <= most:
        if row["reported"]:  # hooks.yaml allows more by now
            await _close(connection, row["source"])
        return
    if row["reported"]:
        return
    why = (
        f"`silent_after` allows {in_words(allowed)}" if allowed else f"never before longer than {_text(row)}"
    )
    await issues.report(
        connection,
        cause=cause(row["source"]),
        title=f"{row['source']} has been silent since {local_time(row['quiet_since'], seconds=False)}; {why}",
        advice=f"See if its sender still sends, and whether its requests are refused: hookline sources. If it may be "
        f"silent for so long, set silent_after of {row['source']} in hooks.yaml.",
        kind="silence",
    )
    await connection.execute("UPDATE silences SET reported = true WHERE source = $1", row["source"])


def learned(row: Row) -> timedelta | None:
    """Return the longest silence that is nothing special; None while too little is known."""
    since: datetime = row["since"]
    if row["longest"] is None or row["gaps"] < MIN_GAPS or row["now"] - since < HISTORY:
        return None
    longest: timedelta = row["longest"]
    return max(MIN_SILENCE, MARGIN * longest)


def cause(source: str) -> str:
    """Return the cause of the issue about the silence of a source."""
    return f"silence of {source}"


async def _close(connection: Connection, source: str) -> None:
    await issues.close(connection, cause=cause(source))
    await connection.execute("UPDATE silences SET reported = false WHERE source = $1", source)


def _text(row: Row) -> str:
    minutes = round(row["longest"].total_seconds() / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes / 60:.0f} h"  # noqa: PLR2004
