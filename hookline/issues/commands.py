"""One replay, discard or decision for all that belongs to an issue."""

from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from dataclasses import dataclass
from functools import partial
from uuid import UUID

import asyncpg

from hookline.errors import HooklineError
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
    """
    Replay the deliveries of an issue that wait for a person, the oldest first; each batch in a transaction.

    Raises:
        HooklineError: it is an issue of doubles, which a replay does not undo.
    """
    issue = await store.read(database, number)
    if issue is not None and issue["kind"] == "doubled":
        raise HooklineError(
            "A replay undoes no double. Undo or keep each by itself: hookline effects list --state doubled"
        )
    act = partial(commands.replay, actor=actor, reason=reason)
    return await _act(database, number, act, limit)


async def discard(
    database: asyncpg.Pool, number: int, *, actor: str, reason: str, limit: int | None = None
) -> Acted:
    """Set the deliveries of an issue aside that wait for a person, with the reason."""
    return await _act(database, number, partial(commands.discard, actor=actor, reason=reason), limit)


async def resolve(
    settings: Settings, database: asyncpg.Pool, number: int, *, happened: bool, actor: str
) -> Acted:
    """
    Resolve every uncertain effect that the deliveries of an issue wait for, all in the same way.

    Raises:
        HooklineError: one needs a reference, so each is to be resolved by itself; those before it are resolved.
    """
    done: set[int] = set()
    async for rows in _waiting(database, number, None):
        effects = _effects(rows) - done
        for effect in sorted(effects):
            await resolve_effect(settings, effect, happened=happened, reference=[], actor=actor)
        done |= effects
    return Acted(len(done), await _left(database, number))


async def _act(
    database: asyncpg.Pool, number: int, act: Callable[..., Awaitable[set[UUID]]], limit: int | None
) -> Acted:
    done: set[UUID] = set()
    async for rows in _waiting(database, number, limit):
        for route in {row["route"] for row in rows}:
            ids = [row["delivery_id"] for row in rows if row["route"] == route]
            async with database.acquire() as connection:
                # A rejected delivery has no route yet; of the others, only the one that has the issue.
                done |= await act(connection, ids, route=route)
    return Acted(len(done), await _left(database, number))


async def _waiting(
    database: asyncpg.Pool, number: int, limit: int | None
) -> AsyncIterator[list[asyncpg.Record]]:
    """Yield what waits for a person, a batch after another, each delivery once."""
    seen: set[UUID] = set()
    while limit is None or len(seen) < limit:
        at_most = BATCH if limit is None else min(BATCH, limit - len(seen))
        if not (rows := await store.waiting(database, number, limit=at_most, skip=seen)):
            return
        yield rows
        seen |= {row["delivery_id"] for row in rows}


def _effects(rows: Collection[asyncpg.Record]) -> set[int]:
    return {row["waits_for"] for row in rows if row["waits_for"] is not None}


async def _left(database: asyncpg.Pool, number: int) -> int:
    issue = await store.read(database, number)
    return 0 if issue is None else int(issue["waiting"])
