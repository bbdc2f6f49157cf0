"""The SQL of vendor accounts: failures in a row, since when one is away, who probes it, and that it is back."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import asyncpg

from hookline import text
from hookline.database.types import Connection, Row

AWAY_AFTER: Final = 4
"""
Failures in a row of one operation after which its account is away: as many as one run makes of a call.

So no run comes to the end of its attempts while nobody else has more luck than it.
"""
IN_A_ROW: Final = timedelta(minutes=10)
"""The longest time between two failures that count as being in a row."""
PROBE_LEASE: Final = timedelta(minutes=2)
"""The time that a probe has from one call to the next; then another may probe."""
NOTIFY_AT: Final = 3
"""The failed probes from which on people are told: shorter outages pass by themselves."""
MAX_WAIT: Final = timedelta(hours=1)
"""The longest `Retry-After` that is honoured."""
MAX_BLAMED: Final = 20
FIRST_RELEASED: Final = 4
"""The dispatches that are released first, once an account is back; each second twice as many."""
COUNT_CAP: Final = 100_000


@dataclass(frozen=True)
class Failure:
    """One failed call, as far as the health of its account is concerned."""

    operation: str
    reason: str
    by: str
    """The run that made it."""
    wait: float
    """The seconds that the vendor asks to wait; 0: it does not say."""
    is_long: bool
    """True if it asks for a wait that is long enough to count as being away."""


@dataclass(frozen=True)
class Intervals:
    """The seconds between probes."""

    first: float
    longest: float

    def after(self, tries: int) -> float:
        """Return the seconds to the next probe after so many that failed."""
        return min(self.first * 2.0 ** min(tries, 30), self.longest)


async def all_accounts(database: asyncpg.Pool) -> dict[str, Row]:
    """Return every account that ever failed, by its name."""
    return {row["account"]: row for row in await database.fetch("SELECT * FROM vendor_accounts")}


async def failed(
    database: asyncpg.Pool, account: str, vendor: str, failure: Failure, intervals: Intervals
) -> Row:
    """Count a failure; return the account as it is now."""
    async with database.acquire() as connection, connection.transaction():
        row = await _locked(connection, account, vendor)
        if row["away_since"] is not None:
            if row["probe_by"] == failure.by:
                await _probe_failed(connection, row, failure, intervals)
        else:
            await _count(connection, row, failure, intervals)
        return await _read(connection, account)


async def _locked(connection: Connection, account: str, vendor: str) -> Row:
    await connection.execute(
        "INSERT INTO vendor_accounts (account, vendor) VALUES ($1, $2) ON CONFLICT DO NOTHING",
        account,
        vendor,
    )
    row = await connection.fetchrow(
        """
        SELECT *, coalesce(failed_at < now() - $2::interval, false) AS is_old
        FROM vendor_accounts WHERE account = $1 FOR UPDATE
        """,
        account,
        IN_A_ROW,
    )
    assert row is not None  # noqa: S101  (nothing deletes them)
    return row


async def _count(connection: Connection, row: Row, failure: Failure, intervals: Intervals) -> None:
    if failure.by in row["blamed"]:  # alone it fails, while the calls of others succeed
        return
    failing = with_failure({} if row["is_old"] else row["failing"], failure)
    is_away = failure.is_long or len(failing[failure.operation]) >= AWAY_AFTER
    wait = timedelta(seconds=max(intervals.after(0), failure.wait))
    await connection.execute(
        """
        UPDATE vendor_accounts
        SET failing = $2, failed_at = now(), reason = $3, away_since = CASE WHEN $4 THEN now() END,
            next_try_at = CASE WHEN $4 THEN now() + least($5::interval, $6::interval) END,
            tries = 0, probe_by = NULL, probe_until = NULL, suspected = $7
        WHERE account = $1
        """,
        row["account"],
        failing,
        text.reason(failure.reason),
        is_away,
        wait,
        MAX_WAIT,
        sorted({run for runs in failing.values() for run in runs})[:MAX_BLAMED] if is_away else [],
    )


def with_failure(failing: Mapping[str, list[str]], failure: Failure) -> dict[str, list[str]]:
    """Return the failures in a row of each operation, by the run that made each, with one more."""
    own = [*failing.get(failure.operation, []), failure.by]
    return {**failing, failure.operation: own[-AWAY_AFTER:]}


async def _probe_failed(connection: Connection, row: Row, failure: Failure, intervals: Intervals) -> None:
    tries = row["tries"] + 1
    notify = tries >= NOTIFY_AT and not row["notified"]
    await connection.execute(
        """
        UPDATE vendor_accounts
        SET failing = $2, failed_at = now(), reason = $3, tries = $4,
            probe_by = NULL, probe_until = NULL, answered = false,
            next_try_at = now() + least($5::interval, $6::interval), notified = notified OR $7,
            event_due = CASE WHEN $7 THEN 'away' ELSE event_due END, suspected = $8
        WHERE account = $1
        """,
        row["account"],
        with_failure(row["failing"], failure),
        text.reason(failure.reason),
        tries,
        timedelta(seconds=max(intervals.after(tries), failure.wait)),
        MAX_WAIT,
        notify,
        sorted({*row["suspected"], failure.by})[:MAX_BLAMED],
    )


async def succeeded(
    database: asyncpg.Pool, account: str, operation: str, by: str, *, ends_probe: bool
) -> None:
    """
    Note that a call was answered, whatever the answer.

    While the account is away, only a probe counts: what was sent before says nothing of now.

    Args:
        database: where the accounts are.
        account: whose call it was.
        operation: of which operation.
        by: the run that made it.
        ends_probe: the account is back where nothing fails any more; else the end of the run decides (`ended`).
    """
    async with database.acquire() as connection, connection.transaction():
        row = await connection.fetchrow(
            "SELECT * FROM vendor_accounts WHERE account = $1 FOR UPDATE", account
        )
        if row is None or (row["away_since"] is not None and row["probe_by"] != by):
            return
        failing = {name: runs for name, runs in row["failing"].items() if name != operation}
        if row["away_since"] is not None and ends_probe and not failing:
            await _back(connection, row, by)
        else:
            await connection.execute(
                "UPDATE vendor_accounts SET failing = $2, answered = away_since IS NOT NULL WHERE account = $1",
                account,
                failing,
            )


async def ended(database: asyncpg.Pool, by: str, *, done: bool) -> None:
    """Note that a run is over: where it was a probe and was answered, the account is back; else another probes."""
    async with database.acquire() as connection, connection.transaction():
        rows = await connection.fetch(
            "SELECT * FROM vendor_accounts WHERE probe_by = $1 AND away_since IS NOT NULL FOR UPDATE", by
        )
        for row in rows:
            if row["answered"] and (done or not row["failing"]):
                await _back(connection, row, by)
            else:
                await connection.execute(
                    """
                    UPDATE vendor_accounts SET probe_by = NULL, probe_until = NULL, answered = false
                    WHERE account = $1
                    """,
                    row["account"],
                )


async def _back(connection: Connection, row: Row, by: str) -> None:
    # What failed all by itself, and what another run then did well, is the fault of that run's data.
    lone = row["suspected"] if len(row["suspected"]) == 1 and by not in row["suspected"] else []
    await connection.execute(
        """
        UPDATE vendor_accounts
        SET away_since = NULL, back_at = now(), next_try_at = NULL, tries = 0, failing = '{}', suspected = '{}',
            reason = NULL, probe_by = NULL, probe_until = NULL, answered = false, release = $2, blamed = $3,
            notified = false,
            event_due = CASE WHEN notified AND event_due IS DISTINCT FROM 'away' THEN 'back' END
        WHERE account = $1
        """,
        row["account"],
        FIRST_RELEASED,
        [*row["blamed"], *lone][-MAX_BLAMED:],
    )


async def may_call(database: asyncpg.Pool, account: str, by: str) -> bool:
    """Return True if the account is not away, or this run probes it, or may begin to."""
    allowed: bool | None = await database.fetchval(
        """
        WITH probing AS (
            UPDATE vendor_accounts
            SET answered = answered AND probe_by IS NOT DISTINCT FROM $2, probe_by = $2, probe_until = now() + $3
            WHERE account = $1 AND away_since IS NOT NULL
              AND (probe_by = $2 OR (next_try_at <= now() AND coalesce(probe_until <= now(), true)))
            RETURNING true
        )
        SELECT true FROM probing
        UNION ALL SELECT away_since IS NULL FROM vendor_accounts
                  WHERE account = $1 AND NOT EXISTS (SELECT FROM probing)
        """,
        account,
        by,
        PROBE_LEASE,
    )
    return allowed is not False


async def _read(connection: Connection, account: str) -> Row:
    row = await connection.fetchrow("SELECT * FROM vendor_accounts WHERE account = $1", account)
    assert row is not None  # noqa: S101  (nothing deletes them)
    return row


async def has_given_up(database: asyncpg.Pool, dispatch_id: Any, give_up: timedelta) -> bool:
    """Return True if a dispatch has waited for vendors for so long."""
    given_up: bool | None = await database.fetchval(
        "SELECT vendor_wait_since < now() - $2::interval FROM dispatches WHERE id = $1", dispatch_id, give_up
    )
    return bool(given_up)


@dataclass(frozen=True)
class Account:
    """The health of an account, for people."""

    account: str
    vendor: str
    health: str
    """`up`, `away`, or `back`: up again, and some that waited are still to follow."""
    since: datetime | None
    reason: str | None
    next_try_at: datetime | None
    tries: int
    waiting: int
    """Dispatches that wait for it, up to `COUNT_CAP`."""


async def health(database: "Connection | asyncpg.Pool") -> list[Account]:
    """Return the health of each account that ever failed, by its name."""
    rows = await database.fetch(
        """
        SELECT a.*, (SELECT count(*) FROM (SELECT FROM dispatches d WHERE d.waits_account = a.account
                                           AND d.state = 'dispatched' LIMIT $1) AS waiting) AS waiting
        FROM vendor_accounts a ORDER BY account
        """,
        COUNT_CAP,
    )
    return [
        Account(
            account=row["account"],
            vendor=row["vendor"],
            health="away" if row["away_since"] else "back" if row["waiting"] else "up",
            since=row["away_since"] or row["back_at"],
            reason=row["reason"],
            next_try_at=row["next_try_at"],
            tries=row["tries"],
            waiting=row["waiting"],
        )
        for row in rows
    ]
