"""`hookline vendors`: the health of each vendor account, and the vendors that are registered."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import Annotated, Any

import asyncpg
from cyclopts import Parameter

from hookline import vendors as registry
from hookline.cli.inbox.filters import on_database
from hookline.cli.output import AsJson, console, show
from hookline.clients import CLIENTS, operations
from hookline.outages import store

REGISTERED_COLUMNS = ["vendor", "title", "operations", "place", "problem"]
COLUMNS = ["account", "health", "since", "waiting", "next_try_at", "tries", "reason"]


def vendors(
    *,
    registered: Annotated[
        bool, Parameter(negative="", help="Show the registered vendors, and where each comes from, instead.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """
    Show the vendor accounts that ever failed: which are away, since when, and what waits for them.

    What waits goes on by itself once an account is back; nothing is to be done here.

    Try:
        hookline vendors
        hookline vendors --json
        hookline vendors --registered     the vendors that flows can call, and what is wrong with one
    """
    if registered:
        show(list(_registered()), REGISTERED_COLUMNS, as_json=as_json)
        return

    async def find(database: asyncpg.Pool) -> list[dict[str, Any]]:
        return [asdict(account) for account in await store.health(database)]

    rows = on_database(find)
    if not rows and not as_json:
        console().print("No vendor ever failed.")
        return
    show(rows, COLUMNS, as_json=as_json)


def _registered() -> Iterator[dict[str, Any]]:
    wrong = {error.name: str(error) for error in registry.problems()}
    for name, vendor in registry.vendors().items():
        yield {
            "vendor": name,
            "title": vendor.title,
            "operations": len(operations(CLIENTS[name])) if name in CLIENTS else 0,
            "place": registry.place(name),
            "problem": wrong.pop(name, ""),
        }
    for name, problem in wrong.items():
        yield {"vendor": name, "title": "", "operations": 0, "place": "", "problem": problem}
