"""
Debounce: of many dispatches of one route and ordering key that have not begun, the one that came last stands for all.

A dispatch of such a route waits until its key was quiet for a while. One that comes meanwhile takes its place, in the
transaction in which it is routed; so nothing is between the two, whatever process dies. What was claimed once, or is
replayed, is not debounced: `quiet` is NULL from then on.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from hookline.database.types import Connection

FIRST_ROUTED: Final = """NOT EXISTS (SELECT FROM changes c WHERE c.delivery_id = d.id
                                     AND c.became NOT IN ('received', 'held'))"""
"""True for a delivery that is routed for the first time: a replay is not debounced."""


@dataclass(frozen=True)
class Debounce:
    """The waits of a route that debounces."""

    quiet: timedelta
    """For so long nothing more must come of a key."""
    at_most: timedelta
    """The longest wait since the first of them."""


async def lock_keys(connection: "Connection", keys: Collection[tuple[str, str]]) -> None:
    """Let one engine at a time route deliveries of each of these routes and keys, until the transaction ends."""
    for route, key in sorted(set(keys)):
        await connection.execute(
            "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", f"debounce {route} {key}"
        )


async def replace_earlier(
    connection: "Connection", keys: Sequence[tuple[str, str]], debounces: Sequence[Debounce]
) -> None:
    """
    Let the last delivery of each of these routes and keys take the place of the others that wait.

    The last is the one that arrived last, in whatever order they were routed.

    Args:
        connection: in the transaction that adds the new ones, with the locks of `lock_keys`.
        keys: routes and keys.
        debounces: of each.
    """
    await connection.execute(
        """
        WITH waiting AS MATERIALIZED (
            SELECT p.id, p.route, p.key, p.delivery_id, p.quiet_since, d.seq AS arrival, k.quiet, k.at_most
            FROM unnest($1::text[], $2::text[], $3::interval[], $4::interval[]) AS k (route, key, quiet, at_most)
                JOIN dispatches p ON p.key = k.key AND p.route = k.route
                JOIN deliveries d ON d.id = p.delivery_id
            WHERE p.state = 'dispatched' AND p.quiet IS NOT NULL
            ORDER BY p.seq FOR UPDATE OF p
        ), last AS (
            SELECT DISTINCT ON (route, key) id, route, key, delivery_id,
                   min(quiet_since) OVER (PARTITION BY route, key) AS since, quiet, at_most
            FROM waiting ORDER BY route, key, arrival DESC
        ), replaced AS (
            UPDATE dispatches p
            SET state = 'replaced', reason = 'replaced by the later delivery ' || last.delivery_id,
                replaced_by = last.delivery_id, quiet = NULL, finished_at = now()
            FROM waiting JOIN last USING (route, key) WHERE p.id = waiting.id AND p.id <> last.id
        )
        UPDATE dispatches p
        SET quiet = last.quiet, quiet_since = last.since,
            not_before = least(now() + last.quiet, last.since + last.at_most)
        FROM last WHERE p.id = last.id
        """,
        [route for route, _ in keys],
        [key for _, key in keys],
        [each.quiet for each in debounces],
        [each.at_most for each in debounces],
    )
