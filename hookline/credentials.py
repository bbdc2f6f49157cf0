"""
The SQL of credentials: whether their vendors accept them, since when, and the day on which they end.

`flows/credential_check.py` writes it, an engine sends the events of what changed, and `hookline doctor` reads it.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final, Literal

import asyncpg

from hookline import text
from hookline.database.types import Connection, Row

Result = Literal["accepted", "refused", "away"]

AGAIN_AFTER: Final = timedelta(days=1)
"""The time after which refused credentials are tried again, though nobody changed them: more often could lock them."""
LAST_DAYS: Final = (7, 1)
"""Days before the end on which people are warned once more."""


@dataclass(frozen=True)
class Checked:
    """The result of one check of one block."""

    account: str
    vendor: str
    version: datetime
    """When the block was last saved."""
    result: Result
    detail: str
    advice: str = ""
    expires: date | None = None


@dataclass(frozen=True)
class Credentials:
    """What is known of one block."""

    account: str
    accepted: bool | None
    since: datetime | None
    detail: str
    advice: str
    away_since: datetime | None
    away_detail: str
    expires: date | None
    version: datetime | None
    tried_at: datetime | None

    @property
    def result(self) -> Result:
        """The result that people see: a refusal stays one while its vendor is away."""
        if self.accepted is False:
            return "refused"
        return "away" if self.away_since else "accepted"


async def read(database: "Connection | asyncpg.Pool") -> dict[str, Credentials]:
    """Return what is known of each block, by its account."""
    rows = await database.fetch("SELECT * FROM credentials ORDER BY account")
    return {row["account"]: _credentials(row) for row in rows}


def is_due(known: Credentials | None, version: datetime, now: datetime) -> bool:
    """Return True unless the vendor refused this version of the block within the last day."""
    if known is None or known.accepted is not False or known.tried_at is None:
        return True
    return known.version != version or now - known.tried_at >= AGAIN_AFTER


async def note(connection: Connection, checked: Checked, today: date, warn_days: int) -> None:
    """Note the result of a check; of what changed, events are due."""
    async with connection.transaction():
        await connection.execute(
            "INSERT INTO credentials (account, vendor) VALUES ($1, $2) ON CONFLICT DO NOTHING",
            checked.account,
            checked.vendor,
        )
        row = await connection.fetchrow(
            "SELECT * FROM credentials WHERE account = $1 FOR UPDATE", checked.account
        )
        assert row is not None  # noqa: S101  (it was inserted)
        if checked.result == "away":
            await _away(connection, checked)
        else:
            await _answered(connection, checked, row)
        await _ends(connection, checked, row, warnings_until(checked.expires, today, warn_days))


async def forget_others(connection: Connection, accounts: Collection[str]) -> None:
    """Forget the blocks that are stored no more."""
    await connection.execute("DELETE FROM credentials WHERE account <> ALL($1)", list(accounts))


def warnings_until(expires: date | None, today: date, warn_days: int) -> int:
    """Return how many warnings of an end are due until today: `warn_days` before it, and on the last days."""
    if expires is None:
        return 0
    left = (expires - today).days
    return sum(left <= days for days in {warn_days, *(each for each in LAST_DAYS if each < warn_days)})


async def _away(connection: Connection, checked: Checked) -> None:
    await connection.execute(
        "UPDATE credentials SET away_since = coalesce(away_since, now()), away_detail = $2 WHERE account = $1",
        checked.account,
        text.reason(checked.detail),
    )


async def _answered(connection: Connection, checked: Checked, row: Row) -> None:
    """Note whether they are accepted: the first answer is news only if they are not."""
    accepted = checked.result == "accepted"
    is_news = accepted != (row["accepted"] is not False)
    await connection.execute(
        """
        UPDATE credentials
        SET since = CASE WHEN accepted IS DISTINCT FROM $2 THEN now() ELSE since END, accepted = $2,
            detail = $3, advice = $4, version = $5, tried_at = now(), away_since = NULL, away_detail = '',
            events_due = events_due || $6::text[]
        WHERE account = $1
        """,
        checked.account,
        accepted,
        text.reason(checked.detail),
        text.reason(checked.advice),
        checked.version,
        [checked.result] if is_news else [],
    )


async def _ends(connection: Connection, checked: Checked, row: Row, due: int) -> None:
    warned = row["warned"] if row["expires"] == checked.expires else 0
    await connection.execute(
        """
        UPDATE credentials SET expires = $2, warned = $3, events_due = events_due || $4::text[]
        WHERE account = $1
        """,
        checked.account,
        checked.expires,
        max(warned, due),
        ["expiring"] if due > warned else [],
    )


def _credentials(row: Row) -> Credentials:
    return Credentials(**{name: row[name] for name in Credentials.__dataclass_fields__})
