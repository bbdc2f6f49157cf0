"""
Retention: deliveries and bodies are deleted once they are old enough.

Only closed deliveries are deleted: what waits, runs or needs a person stays, however old, and so does what answered a
run that waited for it, until that run is done. A delivery's age counts from the last event: its arrival, its last
duplicate, the last change in its trail. Its dispatches and its trail are deleted with it. The journal's effects stay:
they keep a write from happening twice.
"""

from dataclasses import dataclass
from datetime import timedelta

import asyncpg

from hookline.hooks import Hooks
from hookline.inbox import listening, refusals, search
from hookline.settings import Settings
from hookline.states import CLOSED

BATCH = 500

_IS_OLD = """
    d.state = ANY ($2) AND d.received_at < now() - $3::interval
    AND greatest(d.received_at, d.duplicate_at, (SELECT max(c.at) FROM changes c WHERE c.delivery_id = d.id))
        < now() - $3::interval
    AND NOT EXISTS (SELECT FROM waits w JOIN dispatches p ON p.id = w.dispatch_id   -- a run may read it once more
                    WHERE w.delivery_id = d.id AND p.state NOT IN ('done', 'discarded'))"""

# The next deliveries of a source in order of arrival, and those of them that are old; `last` is NULL where
# all are young: so are those after them. Locked ones are left for the next time.
_STEP = f"""
    step AS MATERIALIZED (
        SELECT id, seq, received_at FROM deliveries WHERE source = $1 AND seq > $4 ORDER BY seq LIMIT $5
    ), last AS (
        SELECT max(seq) AS seq FROM step HAVING min(received_at) < now() - $3::interval
    ), batch AS MATERIALIZED (
        SELECT d.id FROM step JOIN deliveries d USING (id) WHERE {_IS_OLD}"""  # noqa: S608  (constants, as below)

# A transaction that locks a dispatch may lock its delivery next, which we have locked: we do not wait for it.
_DELETE_DELIVERIES = f"""
    WITH {_STEP} FOR UPDATE OF d SKIP LOCKED
    ), free AS MATERIALIZED (
        SELECT id FROM dispatches WHERE delivery_id IN (SELECT id FROM batch) FOR UPDATE SKIP LOCKED
    ), deleted AS (
        DELETE FROM deliveries d USING batch b
        WHERE d.id = b.id AND NOT EXISTS (SELECT FROM dispatches p WHERE p.delivery_id = d.id
                                          AND p.id NOT IN (SELECT id FROM free))
        RETURNING d.id
    )
    SELECT (SELECT seq FROM last) AS last, (SELECT count(*) FROM deleted) AS deleted
"""  # noqa: S608

_DELETE_BODIES = f"""
    WITH {_STEP} AND d.body IS NOT NULL FOR UPDATE OF d SKIP LOCKED
    ), deleted AS (
        UPDATE deliveries d SET body = NULL, altered = array_append(d.altered, 'removed'),
            envelope = CASE WHEN d.envelope IS NOT NULL THEN '{{}}'::jsonb END   -- values of its bundle's body
        FROM batch b WHERE d.id = b.id RETURNING d.id
    )
    SELECT (SELECT seq FROM last) AS last, (SELECT count(*) FROM deleted) AS deleted
"""  # noqa: S608

_COUNT = f"""
    SELECT count(*) FILTER (WHERE is_old) AS deliveries, count(*) FILTER (WHERE NOT is_old AND has_body) AS bodies
    FROM (SELECT {_IS_OLD.replace("$3", "$4")} AS is_old, d.body IS NOT NULL AS has_body
          FROM deliveries d WHERE d.source = $1 AND {_IS_OLD}) d
"""  # noqa: S608


@dataclass(frozen=True)
class Pruned:
    """The numbers that were, or would be, deleted of a source."""

    source: str
    keep_days: int
    deliveries: int
    keep_bodies_days: int
    bodies: int
    """Of deliveries that stay."""


@dataclass(frozen=True)
class _Policy:
    """The age at which deliveries of a source, and their bodies, are deleted."""

    source: str
    delivery: timedelta
    body: timedelta


async def prune(database: asyncpg.Pool, settings: Settings, hooks: Hooks) -> list[Pruned]:
    """
    Delete old deliveries and bodies, a batch at a time; several processes may do so at once.

    Returns:
        What was deleted of each source, by its name.
    """
    pruned = []
    for policy in await _policies(database, settings, hooks):
        deliveries = await _delete(database, _DELETE_DELIVERIES, policy.source, policy.delivery)
        bodies = 0
        if policy.body < policy.delivery:
            bodies = await _delete(database, _DELETE_BODIES, policy.source, policy.body)
        pruned.append(_pruned(policy, deliveries, bodies))
    await refusals.prune(database, settings.keep_days)
    await listening.forget_gone(database)
    return pruned


async def prunable(database: asyncpg.Pool, settings: Settings, hooks: Hooks) -> list[Pruned]:
    """Return what `prune` would delete now."""
    pruned = []
    for policy in await _policies(database, settings, hooks):
        [row] = await database.fetch(_COUNT, policy.source, CLOSED, policy.body, policy.delivery)
        pruned.append(_pruned(policy, row["deliveries"], row["bodies"]))
    return pruned


async def _policies(database: asyncpg.Pool, settings: Settings, hooks: Hooks) -> list[_Policy]:
    """Return the policy of each source that ever sent something; the settings' where `hooks.yaml` has none."""
    policies = []
    for name in await search.sources(database):
        source = hooks.sources.get(name)
        days = (source and source.keep_days) or settings.keep_days
        bodies_days = (source and source.keep_bodies_days) or settings.keep_bodies_days or days
        policies.append(_Policy(name, timedelta(days=days), timedelta(days=min(days, bodies_days))))
    return policies


async def _delete(database: asyncpg.Pool, statement: str, source: str, age: timedelta) -> int:
    """Run the statement batch after batch, each from where the last one ended; return the number of deliveries."""
    deleted, last = 0, 0
    while last is not None:
        [row] = await database.fetch(statement, source, CLOSED, age, last, BATCH)
        deleted, last = deleted + row["deleted"], row["last"]
    return deleted


def _pruned(policy: _Policy, deliveries: int, bodies: int) -> Pruned:
    return Pruned(policy.source, policy.delivery.days, deliveries, policy.body.days, bodies)
