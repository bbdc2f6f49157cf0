"""What a person may do to deliveries: replay, discard, pause and resume; each stands in the audit trail."""

from uuid import UUID

from hookline import text
from hookline.database.types import Connection
from hookline.inbox.audit import acting
from hookline.inbox.deliveries import CHANNEL
from hookline.inbox.dispatches import QUARANTINE_AT


async def replay(
    connection: Connection,
    delivery_id: UUID,
    *,
    route: str | None = None,
    actor: str,
    reason: str = "replayed",
) -> bool:
    """
    Let a delivery go through again.

    One that never became a dispatch is routed again. A dispatch that failed goes on in its own flow run; one
    that is done or discarded gets a new one. What the journal has as done is not repeated.

    Args:
        connection: outside a transaction.
        delivery_id: the delivery.
        route: only this route; if it never took the delivery, it does now, whatever its condition says.
        actor: who does so, for the audit trail.
        reason: why, for the audit trail.

    Returns:
        Whether there was anything to replay (what waits or runs is left alone).
    """
    async with acting(connection, actor, reason):
        dispatched = await connection.fetch(
            """
            WITH ended AS (
                SELECT id, state IN ('done', 'discarded') AS over FROM dispatches
                WHERE delivery_id = $1 AND route = coalesce($2, route)
                  AND state IN ('done', 'failed', 'uncertain', 'discarded')
                ORDER BY seq FOR UPDATE
            )
            UPDATE dispatches p
            SET replays = replays + ended.over::int, state = 'dispatched', reason = NULL, alone = true,
                deaths = least(deaths, $3), discard_reason = NULL, discard_actor = NULL,
                flow_run_id = CASE WHEN ended.over THEN NULL ELSE flow_run_id END,
                not_before = now(), finished_at = NULL
            FROM ended WHERE p.id = ended.id RETURNING p.id
            """,
            delivery_id,
            route,
            QUARANTINE_AT,
        )
        routed = await connection.fetch(
            """
            UPDATE deliveries d
            SET state = 'received', reason = NULL, only_route = $2, routing_attempts = 0, routing_until = NULL
            WHERE id = $1 AND state NOT IN ('received', 'held') AND body IS NOT NULL
              AND NOT EXISTS (SELECT FROM dispatches p
                              WHERE p.delivery_id = d.id AND p.route = coalesce($2, p.route))
            RETURNING id
            """,
            delivery_id,
            route,
        )
        await connection.execute("SELECT pg_notify($1, '')", CHANNEL)
    return bool(dispatched or routed)


async def discard(connection: Connection, delivery_id: UUID, *, actor: str, reason: str) -> bool:
    """
    Set a delivery aside, with the reason.

    What runs is stopped before its next effect, by whoever runs it, and is discarded then; it is done after all if it
    ends before that. Where its engine is dead or blocked, it is discarded when it is taken over.

    Returns:
        Whether anything was open.
    """
    reason = text.reason(reason)
    async with acting(connection, actor, reason):
        running = await connection.fetch(
            """
            UPDATE dispatches
            SET discard_reason = $2, discard_actor = $3,
                reason = left('stops before its next step, to be discarded: ' || $2, $4)
            WHERE delivery_id = $1 AND state = 'running' RETURNING id
            """,
            delivery_id,
            reason,
            actor,
            text.MAX_REASON,
        )
        dispatches = await connection.fetch(
            """
            UPDATE dispatches SET state = 'discarded', reason = $2, finished_at = now()
            WHERE delivery_id = $1 AND state IN ('dispatched', 'held', 'failed', 'uncertain') RETURNING id
            """,
            delivery_id,
            text.reason(reason),
        )
        deliveries = await connection.fetch(
            """
            UPDATE deliveries SET state = 'discarded', reason = $2
            WHERE id = $1 AND state IN ('received', 'held', 'unrouted', 'rejected')
              AND NOT EXISTS (SELECT FROM dispatches p WHERE p.delivery_id = $1)
            RETURNING id
            """,
            delivery_id,
            text.reason(reason),
        )
    return bool(running or dispatches or deliveries)


async def pause(connection: Connection, source: str, *, actor: str, reason: str) -> bool:
    """
    Hold what a source sends: it is accepted and kept, and nothing of it is started; what runs goes on.

    Returns:
        Whether it was not paused already.
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
    Let a paused source go on, with what was held, in order of arrival.

    Returns:
        How many deliveries were held; None if the source was not paused.
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
