"""`hookline vendors`: the health of each vendor account."""

from dataclasses import asdict
from typing import Any

import asyncpg

from hookline.cli.inbox.filters import on_database
from hookline.cli.output import AsJson, console, show
from hookline.outages import store

COLUMNS = ["account", "health", "since", "waiting", "next_try_at", "tries", "reason"]


def vendors(*, as_json: AsJson = False) -> None:
    """
    Show the vendor accounts that ever failed: which are away, since when, and what waits for them.

    What waits goes on by itself once an account is back; nothing is to be done here. Times are UTC.

    Try:
        hookline vendors
        hookline vendors --json
    """

    async def find(database: asyncpg.Pool) -> list[dict[str, Any]]:
        return [asdict(account) for account in await store.health(database)]

    rows = on_database(find)
    if not rows and not as_json:
        console().print("No vendor ever failed.")
        return
    show(rows, COLUMNS, as_json=as_json)
