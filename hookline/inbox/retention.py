"""
How long deliveries are kept, and taking those away whose time is over.

Only what is closed is taken away: what waits, runs, or waits for a person stays, however old. A delivery's age
counts from the last that happened to it: its arrival, its last repeat, the last change in its trail. With it go
its dispatches and its trail. The journal's effects stay: they are what keeps a write from happening twice.
"""

from dataclasses import dataclass
from datetime import timedelta

import asyncpg

from hookline.hooks import Hooks
from hookline.inbox import refusals, search
from hookline.settings import Settings
from hookline.states import CLOSED

BATCH = 500

_OVER = """
    d.state = ANY ($2) AND d.received_at < now() - $3::interval
    AND greatest(d.received_at, d.duplicate_at, (SELECT max(c.at) FROM changes c WHERE c.delivery_id = d.id))
        < now() - $3::interval"""

# The next deliveries of a source in order of arrival, and those of them whose time is over; `last` is NULL where
# all are young: so are those after them. What somebody works on is left for the next time.
_STEP = f"""
    step AS MATERIALIZED (
        SELECT id, seq, received_at FROM deliveries WHERE source = $1 AND seq > $4 ORDER BY seq LIMIT $5
    ), last AS (
        SELECT max(seq) AS seq FROM step HAVING min(received_at) < now() - $3::interval
    ), batch AS MATERIALIZED (
        SELECT d.id FROM step JOIN deliveries d USING (id) WHERE {_OVER}"""  # noqa: S608  (from constants, as below)

# Who works on a dispatch may want its delivery next, which we hold: we do not wait for it.
_TAKE_DELIVERIES = f"""
    WITH {_STEP} FOR UPDATE OF d SKIP LOCKED
    ), free AS MATERIALIZED (
        SELECT id FROM dispatches WHERE delivery_id IN (SELECT id FROM batch) FOR UPDATE SKIP LOCKED
    ), taken AS (
        DELETE FROM deliveries d USING batch b
        WHERE d.id = b.id AND NOT EXISTS (SELECT FROM dispatches p WHERE p.delivery_id = d.id
                                          AND p.id NOT IN (SELECT id FROM free))
        RETURNING d.id
    )
    SELECT (SELECT seq FROM last) AS last, (SELECT count(*) FROM taken) AS taken
"""  # noqa: S608

_TAKE_BODIES = f"""
    WITH {_STEP} AND d.body IS NOT NULL FOR UPDATE OF d SKIP LOCKED
    ), taken AS (
        UPDATE deliveries d SET body = NULL, altered = array_append(d.altered, 'removed')
        FROM batch b WHERE d.id = b.id RETURNING d.id
    )
    SELECT (SELECT seq FROM last) AS last, (SELECT count(*) FROM taken) AS taken
"""  # noqa: S608

_COUNT = f"""
    SELECT count(*) FILTER (WHERE over) AS deliveries, count(*) FILTER (WHERE NOT over AND has_body) AS bodies
    FROM (SELECT {_OVER.replace("$3", "$4")} AS over, d.body IS NOT NULL AS has_body
          FROM deliveries d WHERE d.source = $1 AND {_OVER}) d
"""  # noqa: S608


@dataclass(frozen=True)
class Pruned:
    """What was, or would be, taken away of a source."""

    source: str
    keep_days: int
    deliveries: int
    keep_bodies_days: int
    bodies: int
    """Of deliveries that stay."""


@dataclass(frozen=True)
class _Policy:
    """How long what a source sent is kept."""

    source: str
    delivery: timedelta
    body: timedelta


async def prune(database: asyncpg.Pool, settings: Settings, hooks: Hooks) -> list[Pruned]:
    """
    Take away the deliveries and bodies whose time is over, a batch at a time; several may do so at once.

    Returns:
        What was taken of each source, by its name.
    """
    pruned = []
    for policy in await _policies(database, settings, hooks):
        deliveries = await _take(database, _TAKE_DELIVERIES, policy.source, policy.delivery)
        bodies = 0
        if policy.body < policy.delivery:
            bodies = await _take(database, _TAKE_BODIES, policy.source, policy.body)
        pruned.append(_told(policy, deliveries, bodies))
    await refusals.prune(database, settings.keep_days)
    return pruned


async def prunable(database: asyncpg.Pool, settings: Settings, hooks: Hooks) -> list[Pruned]:
    """What `prune` would take away now."""
    pruned = []
    for policy in await _policies(database, settings, hooks):
        [row] = await database.fetch(_COUNT, policy.source, CLOSED, policy.body, policy.delivery)
        pruned.append(_told(policy, row["deliveries"], row["bodies"]))
    return pruned


async def _policies(database: asyncpg.Pool, settings: Settings, hooks: Hooks) -> list[_Policy]:
    """One for each source that ever sent something; the settings' for what `hooks.yaml` says nothing of."""
    policies = []
    for name in await search.sources(database):
        source = hooks.sources.get(name)
        days = (source and source.keep_days) or settings.keep_days
        bodies_days = (source and source.keep_bodies_days) or settings.keep_bodies_days or days
        policies.append(_Policy(name, timedelta(days=days), timedelta(days=min(days, bodies_days))))
    return policies


async def _take(database: asyncpg.Pool, statement: str, source: str, age: timedelta) -> int:
    """Run the statement batch after batch, each from where the last one ended; how many were taken."""
    taken, last = 0, 0
    while last is not None:
        [row] = await database.fetch(statement, source, CLOSED, age, last, BATCH)
        taken, last = taken + row["taken"], row["last"]
    return taken


def _told(policy: _Policy, deliveries: int, bodies: int) -> Pruned:
    return Pruned(policy.source, policy.delivery.days, deliveries, policy.body.days, bodies)
