"""The dispatches that wait for a vendor's account: unclaimed, until it is tried again or back."""

from datetime import timedelta

import asyncpg

from hookline import text
from hookline.inbox.deliveries import CHANNEL
from hookline.inbox.dispatches import ACQUITTED, FIRST_OF_KEY
from hookline.outages.store import FIRST_RELEASED, PROBE_LEASE

DUE = "EXISTS (SELECT FROM dispatches WHERE waits_account IS NOT NULL)"
AWAY = "EXISTS (SELECT FROM vendor_accounts WHERE away_since IS NOT NULL)"
"""The conditions that a dispatch waits for an account, and that one is away."""
GIVEN_UP_AT_ONCE = 100
"""The dispatches whose time is over that are run once more, to fail, each second."""
MAX_RELEASED = 100_000
RELEASE_EVERY = timedelta(seconds=0.9)
"""The least time between two steps: engines ask each second."""


async def wait(
    database: asyncpg.Pool, dispatch_id: object, owner: str, account: str, reason: str, *, in_batch: bool
) -> None:
    """
    Let a dispatch wait for an account that is away, without an engine.

    Its owner stays stored, without a lease: the flow run was left open by an engine. One of a batch has none.
    """
    await database.execute(
        f"""
        UPDATE dispatches
        SET state = CASE WHEN discard_reason IS NULL THEN 'dispatched' ELSE 'discarded' END,
            finished_at = CASE WHEN discard_reason IS NOT NULL THEN now() END,
            reason = coalesce(discard_reason, $4), waits_account = $3,
            vendor_wait_since = greatest(coalesce(vendor_wait_since, now()),    -- an earlier wait was for another
                                         (SELECT away_since FROM vendor_accounts WHERE account = $3)),
            attempts = greatest(attempts - 1, 0),
            {ACQUITTED}, not_before = now(), lease_until = NULL,
            flow_run_id = CASE WHEN $5 THEN NULL ELSE flow_run_id END,
            lease_owner = CASE WHEN $5 THEN NULL ELSE lease_owner END
        WHERE id = $1 AND lease_owner = $2 AND state = 'running'
        """,  # noqa: S608  (constants)
        dispatch_id,
        owner,
        account,
        text.reason(reason),
        in_batch,
    )


async def go_on(database: asyncpg.Pool, give_up: timedelta) -> None:
    """Wake a probe for each account that is to be tried, release what waits for one that is back, and give up."""
    await _give_up(database, give_up)
    for account in await _accounts(database, "away_since IS NOT NULL AND next_try_at <= now()"):
        await _wake_probe(database, account)
    for account in await _accounts(database, "away_since IS NULL"):
        await _release(database, account)


async def _accounts(database: asyncpg.Pool, condition: str) -> list[str]:
    """Return the accounts in this condition that something waits for."""
    rows = await database.fetch(
        f"""
        SELECT account FROM vendor_accounts a
        WHERE {condition} AND EXISTS (SELECT FROM dispatches d WHERE d.waits_account = a.account)
        """  # noqa: S608  (constants)
    )
    return [row["account"] for row in rows]


async def _wake_probe(database: asyncpg.Pool, account: str) -> None:
    """Let one dispatch go on as the probe: the one whose last probe is longest ago, so that they take turns."""
    async with database.acquire() as connection, connection.transaction():
        due = await connection.fetchrow(
            """
            SELECT account FROM vendor_accounts
            WHERE account = $1 AND away_since IS NOT NULL AND next_try_at <= now()
              AND coalesce(probe_until <= now(), true)
            FOR UPDATE SKIP LOCKED
            """,
            account,
        )
        if due is None:
            return
        woken = await connection.fetchval(
            f"""
            UPDATE dispatches SET waits_account = NULL, probed_at = now(), not_before = now() WHERE id = (
                SELECT d.id FROM dispatches d
                WHERE d.waits_account = $1 AND d.state = 'dispatched' AND {FIRST_OF_KEY}
                  AND d.source NOT IN (SELECT source FROM pauses)
                ORDER BY d.probed_at NULLS FIRST, d.seq LIMIT 1 FOR UPDATE SKIP LOCKED)
            RETURNING id
            """,  # noqa: S608  (constants)
            account,
        )
        if woken is not None:
            await connection.execute(
                """
                UPDATE vendor_accounts SET probe_by = $2, probe_until = now() + $3, answered = false
                WHERE account = $1
                """,
                account,
                run_of(woken),
                PROBE_LEASE,
            )
            await connection.execute("SELECT pg_notify($1, '')", CHANNEL)


async def _release(database: asyncpg.Pool, account: str) -> None:
    """Release some of what waits for an account that is back, the oldest first: each time twice as many."""
    async with database.acquire() as connection, connection.transaction():
        number = await connection.fetchval(
            """
            UPDATE vendor_accounts SET release = least(greatest(release, $2) * 2, $3), released_at = now()
            WHERE account = (SELECT account FROM vendor_accounts
                             WHERE account = $1 AND away_since IS NULL
                               AND coalesce(released_at < now() - $4::interval, true)   -- by whichever engine
                             FOR UPDATE SKIP LOCKED)
            RETURNING release / 2
            """,
            account,
            FIRST_RELEASED,
            MAX_RELEASED,
            RELEASE_EVERY,
        )
        if number is None:
            return
        await connection.execute(
            """
            UPDATE dispatches SET waits_account = NULL, vendor_wait_since = NULL, not_before = now() WHERE id IN (
                SELECT id FROM dispatches WHERE waits_account = $1 AND state = 'dispatched'
                ORDER BY seq LIMIT $2 FOR UPDATE SKIP LOCKED)
            """,
            account,
            number,
        )
        await connection.execute("SELECT pg_notify($1, '')", CHANNEL)


async def _give_up(database: asyncpg.Pool, give_up: timedelta) -> None:
    """Let dispatches run that have waited for too long: their next call ends them, so that Prefect has it too."""
    await database.execute(
        """
        WITH woken AS (
            UPDATE dispatches SET waits_account = NULL, not_before = now() WHERE id IN (
                SELECT id FROM dispatches
                WHERE waits_account IS NOT NULL AND state = 'dispatched' AND vendor_wait_since < now() - $1::interval
                ORDER BY seq LIMIT $2 FOR UPDATE SKIP LOCKED) RETURNING 1
        )
        SELECT pg_notify($3, '') FROM woken LIMIT 1
        """,
        give_up,
        GIVEN_UP_AT_ONCE,
        CHANNEL,
    )


def run_of(dispatch_id: object) -> str:
    """Return the name of a dispatch's run, as its calls are noted."""
    return f"dispatch {dispatch_id}"
