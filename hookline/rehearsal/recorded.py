"""The real database, read only: deliveries, their dispatches and effects, as they were recorded."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from hookline.database.types import Row
from hookline.inbox import deliveries

DONE = ("done", "doubled")
MAX_BODIES = 10
"""Of one record, in which it is looked for."""


@dataclass(frozen=True)
class Choice:
    """The deliveries that are rehearsed."""

    since: datetime
    source: str | None = None
    """Of this source."""
    route: str | None = None
    """By this route, which is of that source."""
    limit: int | None = None
    """The latest so many."""


@dataclass(frozen=True)
class Stored:
    """A delivery as it was received, routed and ended."""

    row: Row
    """As it would be routed."""
    body: bytes | None
    """As it is stored."""
    state: str
    reason: str | None
    dispatches: Mapping[str, Row]
    """By route."""


async def chosen(database: asyncpg.Pool, choice: Choice) -> list[UUID]:
    """Return the deliveries of a choice in the order of arrival; of a bundle, its items alone."""
    rows = await database.fetch(
        """
        SELECT id FROM (
            SELECT id, seq FROM deliveries
            WHERE received_at >= $1 AND state <> 'split' AND ($2::text IS NULL OR source = $2)
            ORDER BY seq DESC LIMIT $3
        ) latest ORDER BY seq
        """,
        choice.since,
        choice.source,
        choice.limit,
    )
    return [row["id"] for row in rows]


async def stored(database: asyncpg.Pool, ids: Sequence[UUID]) -> list[Stored]:
    """Return some deliveries, in the order of arrival; what was deleted meanwhile is left out."""
    rows = await deliveries.unclaimed(database, ids)
    ends = {
        row["id"]: row
        for row in await database.fetch("SELECT id, state, reason FROM deliveries WHERE id = ANY($1)", ids)
    }
    dispatches: defaultdict[UUID, dict[str, Row]] = defaultdict(dict)
    for each in await database.fetch(
        "SELECT * FROM dispatches WHERE delivery_id = ANY($1) ORDER BY seq", ids
    ):
        dispatches[each["delivery_id"]][each["route"]] = each
    return [
        Stored(
            row,
            await deliveries.body_of(database, row["id"])
            if row["body"] is None and row["has_body"]
            else row["body"],
            ends[row["id"]]["state"],
            ends[row["id"]]["reason"],
            dispatches[row["id"]],
        )
        for row in rows
        if row["id"] in ends
    ]


async def effect(database: asyncpg.Pool, workflow: str, key: str, step: str) -> Row | None:
    """Return the effect of a step, unless it was undone."""
    return await database.fetchrow(
        """
        SELECT * FROM effects
        WHERE workflow = $1 AND key = $2 AND step = $3 AND state NOT IN ('undone', 'kept')
        """,
        workflow,
        key,
        step,
    )


async def effects_of_dispatch(database: asyncpg.Pool, dispatch_id: UUID) -> Sequence[Row]:
    """Return what a dispatch did, in order."""
    return await database.fetch(
        "SELECT * FROM effects WHERE dispatch_id = $1 AND state = ANY($2) ORDER BY id", dispatch_id, DONE
    )


async def about_the_same(database: asyncpg.Pool, delivery: Stored, record: str) -> Sequence[Row]:
    """Return the bodies of other deliveries whose ordering keys end with this record, the nearest in time first."""
    return await database.fetch(
        """
        SELECT d.body, d.altered FROM dispatches p JOIN deliveries d ON d.id = p.delivery_id
        WHERE split_part(p.key, ' ', -1) = $1 AND d.id <> $2 AND d.body IS NOT NULL
        ORDER BY abs(extract(epoch FROM d.received_at - $3)) LIMIT $4
        """,
        record,
        delivery.row["id"],
        delivery.row["received_at"],
        MAX_BODIES,
    )


async def answer_with(
    database: asyncpg.Pool, operations: Sequence[str], account: str, field: str, value: str
) -> Any:
    """Return the latest answer of one of these operations that is a record with this value; None: there is none."""
    return await database.fetchval(
        """
        SELECT answer FROM effects
        WHERE reference @> ARRAY[$4] AND operation = ANY($1) AND account = $2 AND answer ->> $3 = $4
          AND state = ANY($5)
        ORDER BY id DESC LIMIT 1
        """,
        operations,
        account,
        field,
        value,
        DONE,
    )


async def generation(database: asyncpg.Pool, workflow: str, key: str) -> int:
    """Return the latest generation of a business; 1 if there was none."""
    found: int = await database.fetchval(
        "SELECT coalesce(max(generation), 1) FROM effects WHERE workflow = $1 AND key = $2", workflow, key
    )
    return max(found, 1)
