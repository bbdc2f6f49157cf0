"""One replay, discard or decision for all that belongs to an issue."""

from collections.abc import Collection
from dataclasses import dataclass
from uuid import UUID

import asyncpg

from hookline.inbox import commands
from hookline.issues import store
from hookline.journal.resolution import resolve as resolve_effect
from hookline.settings import Settings

BATCH = 100
"""Deliveries that are changed in one transaction."""


@dataclass(frozen=True)
class Acted:
    """What was done to an issue."""

    done: int
    left: int
    """Deliveries that still wait for a person."""


async def replay(
    database: asyncpg.Pool, number: int, *, actor: str, reason: str, limit: int | None = None
) -> Acted:
    """Replay the deliveries of an issue that wait for a person, the oldest first; each batch in a transaction."""
    done: set[UUID] = set()
    seen: set[UUID] = set()
    while limit is None or len(seen) < limit:
        rows = await store.waiting(
            database, number, limit=min(BATCH, (limit or BATCH) - len(seen) if limit else BATCH), skip=seen
        )
        if not rows:
            break
        for route in {row["route"] for row in rows}:
            ids = [row["delivery_id"] for row in rows if row["route"] == route]
            async with database.acquire() as connection:
                # A rejected delivery has no route yet; of the others, only the one that has the issue.
                done |= await commands.replay(connection, ids, actor=actor, reason=reason, route=route)
        seen |= {row["delivery_id"] for row in rows}
    return Acted(len(done), await _left(database, number))


async def discard(
    database: asyncpg.Pool, number: int, *, actor: str, reason: str, limit: int | None = None
) -> Acted:
    """Set the deliveries of an issue aside that wait for a person, with the reason."""
    done: set[UUID] = set()
    seen: set[UUID] = set()
    while (limit is None or len(seen) < limit) and (
        rows := await store.waiting(database, number, limit=BATCH, skip=seen)
    ):
        for route in {row["route"] for row in rows}:
            ids = [row["delivery_id"] for row in rows if row["route"] == route]
            async with database.acquire() as connection:
                done |= await commands.discard(connection, ids, actor=actor, reason=reason, route=route)
        seen |= {row["delivery_id"] for row in rows}
    return Acted(len(done), await _left(database, number))


async def resolve(
    settings: Settings, database: asyncpg.Pool, number: int, *, happened: bool, actor: str
) -> Acted:
    """
    Resolve every uncertain effect that the deliveries of an issue wait for, all in the same way.

    Raises:
        HooklineError: one needs a reference, so each is to be resolved by itself; those before it are resolved.
    """
    done: set[int] = set()
    while effects := _effects(await store.waiting(database, number, limit=BATCH)) - done:
        for effect in sorted(effects):
            await resolve_effect(settings, effect, happened=happened, reference=[], actor=actor)
        done |= effects
    return Acted(len(done), await _left(database, number))


def _effects(rows: Collection[asyncpg.Record]) -> set[int]:
    return {row["waits_for"] for row in rows if row["waits_for"] is not None}


async def _left(database: asyncpg.Pool, number: int) -> int:
    issue = await store.read(database, number)
    return 0 if issue is None else int(issue["waiting"])
