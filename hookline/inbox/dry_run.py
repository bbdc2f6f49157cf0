"""
Dry runs: a command of `hookline.inbox.commands`, run in a transaction that is rolled back (`rolled_back`).

Nothing of it stays or leaves: PostgreSQL sends a notification when a transaction commits, and the audit trail's rows
go with it. A batch is small and waits for no lock for long, so that engines and gateways do not wait for a dry run.
"""

from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from uuid import UUID

import asyncpg

from hookline.database.types import Connection, Row
from hookline.errors import HooklineError
from hookline.inbox import commands
from hookline.inbox.commands import Command
from hookline.states import OPEN

BATCH = 100
LOCK_TIMEOUT_SECONDS = 5
NOBODY = "dry run"
"""The actor of what is rolled back."""


@dataclass(frozen=True)
class Part:
    """So many deliveries of one source and state, which the command changes, or leaves alone and why."""

    source: str
    state: str
    deliveries: int
    left_alone: str | None


async def replay(
    database: asyncpg.Pool, delivery_ids: Sequence[UUID], route: str | None = None
) -> list[Part]:
    """Return what a replay of these deliveries would do, on all their routes or on one."""
    command = partial(commands.replay, route=route, actor=NOBODY)
    return await _run(database, command, delivery_ids, _why_not_replayed)


async def discard(database: asyncpg.Pool, delivery_ids: Sequence[UUID]) -> list[Part]:
    """Return what a discard of these deliveries would do."""
    command = partial(commands.discard, actor=NOBODY, reason=NOBODY)
    return await _run(database, command, delivery_ids, lambda _: "is over")


def _why_not_replayed(delivery: Row) -> str:
    if delivery["is_empty"] and delivery["state"] not in OPEN:
        return "its body is no longer stored"
    return "is a bundle: only its items have routes" if delivery["state"] == "split" else "waits or runs"


async def _run(
    database: asyncpg.Pool, command: Command, delivery_ids: Sequence[UUID], why_not: Callable[[Row], str]
) -> list[Part]:
    """Run the command on a batch after another, and roll each back; raises as `rolled_back`."""
    counts: Counter[tuple[str, str, str | None]] = Counter()
    async with database.acquire() as connection:
        for start in range(0, len(delivery_ids), BATCH):
            batch = delivery_ids[start : start + BATCH]
            async with rolled_back(connection):
                rows = await connection.fetch(
                    "SELECT id, source, state, body IS NULL AS is_empty FROM deliveries WHERE id = ANY($1)",
                    batch,
                )
                changed = await command(connection, batch)
            for row in rows:
                counts[row["source"], row["state"], None if row["id"] in changed else why_not(row)] += 1
    in_order = sorted(counts.items(), key=lambda item: (item[0][2] or "", *item[0][:2]))
    return [Part(source, state, n, left_alone) for (source, state, left_alone), n in in_order]


@asynccontextmanager
async def rolled_back(connection: Connection) -> AsyncIterator[None]:
    """
    Open a transaction that is rolled back at its end, and waits for no lock for long.

    Raises:
        HooklineError: another process has one of the deliveries locked.
    """
    transaction = connection.transaction()
    await transaction.start()
    try:
        await connection.execute(f"SET LOCAL lock_timeout = '{int(LOCK_TIMEOUT_SECONDS * 1000)}ms'")
        yield
    except asyncpg.LockNotAvailableError:
        raise HooklineError("Some of these deliveries are locked just now. Try again.") from None
    finally:
        await transaction.rollback()
