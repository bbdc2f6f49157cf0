"""Events about issues, vendors and credentials, by which people are notified: when it begins, and when it is over."""

from datetime import UTC, datetime
from typing import Final

import asyncpg
from prefect.client.orchestration import PrefectClient

from hookline import text
from hookline.database.types import Row
from hookline.engine.events import event_id, post_events
from hookline.issues.advice import advice_for
from hookline.local_time import local_time

BATCH = 100
DUE: Final = """
    EXISTS (SELECT FROM issues WHERE event_due) OR EXISTS (SELECT FROM vendor_accounts WHERE event_due IS NOT NULL)
    OR EXISTS (SELECT FROM credentials WHERE events_due <> '{}')"""
"""The condition that something of issues, vendors or credentials is to be told."""


async def send_notices(database: asyncpg.Pool, client: PrefectClient, base_url: str) -> None:
    """
    Send the events of issues, vendors and credentials that are due.

    Raises:
        httpx.HTTPError: Prefect is unavailable; they stay due.
    """
    async with database.acquire() as connection, connection.transaction():
        issues = await connection.fetch(
            """
            SELECT i.*, coalesce((SELECT label FROM dispatches WHERE issue_id = i.id ORDER BY seq LIMIT 1),
                                 (SELECT label FROM deliveries WHERE issue_id = i.id ORDER BY seq LIMIT 1)) AS label
            FROM issues i WHERE event_due ORDER BY id LIMIT $1 FOR UPDATE SKIP LOCKED
            """,
            BATCH,
        )
        accounts = await connection.fetch(
            "SELECT * FROM vendor_accounts WHERE event_due IS NOT NULL FOR UPDATE SKIP LOCKED"
        )
        credentials = await connection.fetch(
            "SELECT * FROM credentials WHERE events_due <> '{}' FOR UPDATE SKIP LOCKED"
        )
        events = [
            *(_of_issue(row, base_url) for row in issues),
            *(_of_account(row) for row in accounts),
            *(_of_credentials(row, what) for row in credentials for what in row["events_due"]),
        ]
        if not events:
            return
        await post_events(client, events)
        await connection.execute(
            "UPDATE issues SET event_due = false WHERE id = ANY($1)", [row["id"] for row in issues]
        )
        await connection.execute(
            "UPDATE vendor_accounts SET event_due = NULL WHERE account = ANY($1)",
            [row["account"] for row in accounts],
        )
        await connection.execute(
            "UPDATE credentials SET events_due = '{}' WHERE account = ANY($1)",
            [row["account"] for row in credentials],
        )


async def drop_notices(database: asyncpg.Pool) -> None:
    """Let no such event be due; for an engine that sends none."""
    await database.execute("UPDATE issues SET event_due = false WHERE event_due")
    await database.execute("UPDATE vendor_accounts SET event_due = NULL WHERE event_due IS NOT NULL")
    await database.execute("UPDATE credentials SET events_due = '{}' WHERE events_due <> '{}'")


def _of_issue(row: Row, base_url: str) -> dict[str, object]:
    advice = advice_for(dict(row))
    first = f", first of {row['label']}" if row["label"] else ""
    facts = ("kind", "title", "label", "source", "route", "operation", "error", "reason", "count")
    return {
        "id": event_id(f"issue:{row['id']}:{row['first_at']}"),
        "occurred": row["first_at"].isoformat(),
        "event": "hookline.issue.opened",
        "resource": {
            "prefect.resource.id": f"hookline.issue.{row['id']}",
            "prefect.resource.name": row["title"],
        },
        "related": [],
        "payload": {
            "id": row["id"],
            **{fact: row[fact] for fact in facts},
            "advice": advice,
            "what": text.one_line(
                f"{row['title']} ({row['kind']}{first}). {row['reason'] or ''} {advice} {base_url}/issues/{row['id']}",
                1500,
            ),
        },
    }


def _of_account(row: Row) -> dict[str, object]:
    is_away = row["event_due"] == "away"
    at = (row["away_since"] if is_away else row["back_at"]) or row["failed_at"]
    since = local_time(at, seconds=False)
    what = (
        f"{row['account']} is away since {since}: {row['reason']}. What needs it waits and goes on "
        "by itself; nothing is to be done in Hookline."
        if is_away
        else f"{row['account']} is back since {since}. What waited goes on by itself."
    )
    return {
        "id": event_id(f"vendor:{row['account']}:{row['event_due']}:{at}"),
        "occurred": at.isoformat(),
        "event": f"hookline.vendor.{row['event_due']}",
        "resource": {
            "prefect.resource.id": f"hookline.vendor.{row['account'].replace('/', '.')}",
            "prefect.resource.name": row["account"],
        },
        "related": [],
        "payload": {
            "account": row["account"],
            "vendor": row["vendor"],
            "reason": row["reason"],
            "title": f"{row['vendor']} is {'away' if is_away else 'back'}",
            "what": what,
        },
    }


def _of_credentials(row: Row, became: str) -> dict[str, object]:
    account, since = row["account"], row["since"] or datetime.now(UTC)
    match became:
        case "refused":
            title = f"{account} is refused"
            what = (
                f"The credentials of {account} are refused since {local_time(since, seconds=False)}: {row['detail']}. "
                f"{row['advice']}"
            )
        case "accepted":
            title = f"{account} is accepted again"
            what = (
                f"The credentials of {account} are accepted again since {local_time(since, seconds=False)}."
            )
        case _:
            title = f"{account} ends soon"
            what = (
                f"The credentials of {account} end on {row['expires']}. Make new ones at the vendor, and put them, "
                "with their own end, where these are: the environment, or the block in the Prefect UI."
            )
    stage = f"{row['expires']}:{row['warned']}" if became == "expiring" else since
    return {
        "id": event_id(f"credentials:{account}:{became}:{stage}"),
        "occurred": datetime.now(UTC).isoformat() if became == "expiring" else since.isoformat(),
        "event": f"hookline.credentials.{became}",
        "resource": {
            "prefect.resource.id": f"hookline.credentials.{account.replace('/', '.')}",
            "prefect.resource.name": account,
        },
        "related": [],
        "payload": {
            "account": account,
            "vendor": row["vendor"],
            "detail": row["detail"],
            "advice": row["advice"],
            "expires": row["expires"] and row["expires"].isoformat(),
            "title": title,
            "what": text.one_line(what, 1500),
        },
    }
