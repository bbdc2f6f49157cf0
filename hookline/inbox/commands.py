"""Commands of people: replay, discard, pause and resume; each is in the audit trail, with its actor and reason."""

from collections.abc import Awaitable, Callable, Collection
from uuid import UUID

from hookline import text
from hookline.database.types import Connection
from hookline.inbox.audit import acting
from hookline.inbox.deliveries import CHANNEL
from hookline.inbox.dispatches import QUARANTINE_AT
from hookline.states import DISPATCHES, ENDED, in_sql

Command = Callable[[Connection, Collection[UUID]], Awaitable[set[UUID]]]
"""A command on a batch of deliveries, in one transaction; returns the ids of those that it changed."""

_DISCARDED_AT_ONCE = in_sql(
    state for state in DISPATCHES.states if (state, "discarded") in DISPATCHES.pairs and state != "running"
)


async def replay(
    connection: Connection,
    delivery_ids: Collection[UUID],
    *,
    route: str | None = None,
    actor: str,
    reason: str = "replayed",
) -> set[UUID]:
    """
    Let deliveries go through again.

    One that never became a dispatch is routed again. A dispatch that failed goes on in its own flow run; one
    that is done, replaced or discarded gets a new one. What the journal has as done is not repeated. Dispatches
    that wait or run are left alone.

    Args:
        connection: to the inbox.
        delivery_ids: of a batch of deliveries.
        route: only this route; if it never took the delivery, it does now, whatever its condition says.
        actor: who does so, for the audit trail.
        reason: why, for the audit trail.

    Returns:
        The ids of those of which anything was to be replayed.
    """
    async with acting(connection, actor, reason):
        dispatched = await connection.fetch(
            f"""
            WITH ended AS (
                SELECT id, state IN ('done', 'replaced', 'discarded') AS starts_new FROM dispatches
                WHERE delivery_id = ANY($1) AND route = coalesce($2, route) AND state IN {in_sql(ENDED)}
                ORDER BY seq FOR UPDATE
            )
            UPDATE dispatches p
            SET replays = replays + ended.starts_new::int, state = 'dispatched', reason = NULL, unbatched = true,
                engine_deaths = least(engine_deaths, $3), takeovers = least(takeovers, $3), lost_by = '{{}}',
                discard_reason = NULL, discard_actor = NULL,
                flow_run_id = CASE WHEN ended.starts_new THEN NULL ELSE flow_run_id END,
                not_before = now(), quiet = NULL, replaced_by = NULL, finished_at = NULL, waits_account = NULL,
                vendor_wait_since = NULL
            FROM ended WHERE p.id = ended.id RETURNING p.delivery_id
            """,  # noqa: S608  (constants)
            delivery_ids,
            route,
            QUARANTINE_AT,
        )
        routed = await connection.fetch(
            """
            UPDATE deliveries d
            SET state = 'received', reason = NULL, only_route = $2, routing_attempts = 0, routing_until = NULL
            WHERE id = ANY($1) AND state NOT IN ('received', 'held') AND body IS NOT NULL
              AND (state <> 'split' OR $2::text IS NULL)   -- only the items of a bundle have routes
              AND NOT EXISTS (SELECT FROM dispatches p
                              WHERE p.delivery_id = d.id AND p.route = coalesce($2, p.route))
            RETURNING id
            """,
            delivery_ids,
            route,
        )
        await connection.execute("SELECT pg_notify($1, '')", CHANNEL)
    return {row["delivery_id"] for row in dispatched} | {row["id"] for row in routed}


async def discard(
    connection: Connection,
    delivery_ids: Collection[UUID],
    *,
    actor: str,
    reason: str,
    route: str | None = None,
) -> set[UUID]:
    """
    Set deliveries aside, with the reason; with a route, only what it started of them.

    A dispatch that runs is stopped before its next effect, by its engine, and is discarded then; it is done after all
    if it ends before that. Where its engine is dead or blocked, it is discarded when another one takes it over.

    Returns:
        The ids of those of which anything was open.
    """
    reason = text.reason(reason)
    async with acting(connection, actor, reason):
        # All of them before any delivery, in the order in which an engine locks: so neither waits for the other.
        await connection.execute(
            """
            SELECT FROM dispatches WHERE delivery_id = ANY($1) AND route = coalesce($2, route)
            ORDER BY seq FOR UPDATE
            """,
            delivery_ids,
            route,
        )
        running = await connection.fetch(
            """
            UPDATE dispatches
            SET discard_reason = $2, discard_actor = $3,
                reason = left('stops before its next step, to be discarded: ' || $2, $4)
            WHERE delivery_id = ANY($1) AND route = coalesce($5, route) AND state = 'running' RETURNING delivery_id
            """,
            delivery_ids,
            reason,
            actor,
            text.MAX_REASON,
            route,
        )
        dispatches = await connection.fetch(
            f"""
            UPDATE dispatches SET state = 'discarded', reason = $2, finished_at = now()
            WHERE delivery_id = ANY($1) AND route = coalesce($3, route) AND state IN {_DISCARDED_AT_ONCE}
            RETURNING delivery_id
            """,  # noqa: S608  (constants)
            delivery_ids,
            reason,
            route,
        )
        deliveries = await connection.fetch(
            """
            UPDATE deliveries SET state = 'discarded', reason = $2
            WHERE id = ANY($1) AND state IN ('received', 'held', 'unrouted', 'rejected')
              AND NOT EXISTS (SELECT FROM dispatches p WHERE p.delivery_id = deliveries.id)
            RETURNING id AS delivery_id
            """,
            delivery_ids,
            reason,
        )
    return {row["delivery_id"] for row in (*running, *dispatches, *deliveries)}


async def pause(connection: Connection, source: str, *, actor: str, reason: str) -> bool:
    """
    Pause a source: its deliveries are accepted and held, and nothing of them is started; what runs goes on.

    Returns:
        False if it was paused already.
    """
    async with acting(connection, actor, reason):
        paused = await connection.fetch(
            "INSERT INTO pauses (source, actor, reason) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING RETURNING source",
            source,
            actor,
            text.reason(reason),
        )
        if paused:
            await connection.execute(
                "UPDATE deliveries SET state = 'held', reason = $2 WHERE state = 'received' AND source = $1",
                source,
                text.reason(reason),
            )
    return bool(paused)


async def resume(connection: Connection, source: str, *, actor: str, reason: str = "resumed") -> int | None:
    """
    Resume a paused source, with what was held, in order of arrival.

    Returns:
        The number of deliveries that were held; None if the source was not paused.
    """
    async with acting(connection, actor, reason):
        if not await connection.fetch("DELETE FROM pauses WHERE source = $1 RETURNING source", source):
            return None
        released = await connection.fetch(
            """
            UPDATE deliveries d SET state = 'received', reason = NULL
            WHERE state = 'held' AND source = $1
              AND NOT EXISTS (SELECT FROM dispatches p WHERE p.delivery_id = d.id)
            RETURNING id
            """,
            source,
        )
        await connection.execute("SELECT pg_notify($1, '')", CHANNEL)
    return len(released)
