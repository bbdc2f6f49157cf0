"""
Counts of deliveries by source and state, in a time that does not grow with the inbox.

Two samples are read, each along an index and at most `COUNT_CAP` rows long: the oldest of each state, and the latest
of each source. If one of them is complete, the number is exact; if neither is, it is a minimum.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import asyncpg

from hookline.database.types import Row
from hookline.inbox import search
from hookline.states import DELIVERIES, OPEN

COUNT_CAP = 10_000


@dataclass
class Source:
    """Deliveries of one source, counted."""

    source: str
    states: dict[str, int] = field(default_factory=dict)
    at_least: list[str] = field(default_factory=list)
    """The states of which there may be more."""
    oldest_open: datetime | None = None
    last_received: datetime | None = None
    duplicates: int = 0
    """Of its latest `COUNT_CAP` deliveries."""
    paused: dict[str, Any] | None = None
    """If it is: `since`, `actor` and `reason`."""


async def paused(database: asyncpg.Pool) -> list[asyncpg.Record]:
    """Return the sources that are paused: `source`, `since`, `actor`, `reason`."""
    return await database.fetch("SELECT source, since, actor, reason FROM pauses ORDER BY source")


async def waiting(database: asyncpg.Pool, source: str) -> int:
    """Return the number of deliveries of a source that wait: for it to be resumed, or for an engine."""
    n: int = await database.fetchval(
        "SELECT count(*) FROM deliveries WHERE source = $1 AND state IN ('received', 'held', 'dispatched')",
        source,
    )
    return n


async def by_source(database: asyncpg.Pool) -> list[Source]:
    """Return every source that sent something or is paused, by name."""
    pauses = {row["source"]: row for row in await paused(database)}
    sources = sorted({*await search.sources(database), *pauses})
    async with database.acquire() as connection, connection.transaction(readonly=True):
        await connection.execute(
            "SET LOCAL enable_sort = off"
        )  # each sample is read along its index, and stops
        of_states = await connection.fetch(OLDEST_OF_EACH_STATE, DELIVERIES.states, COUNT_CAP + 1)
        of_sources = await connection.fetch(LATEST_OF_EACH_SOURCE, sources, COUNT_CAP + 1)
    return [
        _source(name, of_states, [row for row in of_sources if row["source"] == name], pauses.get(name))
        for name in sources
    ]


def _source(name: str, of_states: Sequence[Row], latest: Sequence[Row], pause: Row | None) -> Source:
    """Return one source, from the samples of each state and of its latest deliveries."""
    entry = Source(
        name,
        last_received=max((row["last"] for row in latest), default=None),
        duplicates=sum(row["duplicates"] for row in latest),
        paused=None if pause is None else {each: pause[each] for each in ("since", "actor", "reason")},
    )
    opened = []
    for state in DELIVERIES.states:
        of_state = [row for row in of_states if row["state"] == state]
        samples = [row for row in (*of_state, *latest) if (row["source"], row["state"]) == (name, state)]
        n = max((row["n"] for row in samples), default=0)
        if not (_is_complete(latest) or _is_complete(of_state)):
            entry.at_least.append(state)
        if n or state in entry.at_least:
            entry.states[state] = min(n, COUNT_CAP)
        if state in OPEN:
            opened += [row["oldest"] for row in samples]
    entry.oldest_open = min(opened, default=None)
    return entry


def _is_complete(sample: Sequence[Row]) -> bool:
    """Return True if a sample has all rows there are."""
    n: int = sum(row["n"] for row in sample)
    return n <= COUNT_CAP


# BETWEEN, and the same in ORDER BY: for an equality the planner may go along the order of arrival instead, past
# everything that is of another state or source.
_SAMPLE = """
    SELECT d.source, d.state, count(*) AS n, min(d.received_at) AS oldest, max(d.received_at) AS last,
           sum(d.duplicates)::int AS duplicates
    FROM unnest($1::text[]) AS asked (name) CROSS JOIN LATERAL (
        SELECT source, state, received_at, duplicates FROM deliveries
        WHERE {column} BETWEEN name AND name ORDER BY {column} {order}, seq {order} LIMIT $2
    ) d GROUP BY d.source, d.state"""

OLDEST_OF_EACH_STATE = _SAMPLE.format(column="state", order="ASC")
LATEST_OF_EACH_SOURCE = _SAMPLE.format(column="source", order="DESC")
