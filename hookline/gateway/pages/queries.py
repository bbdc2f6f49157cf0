"""
What the pages ask the database.

Written to stay quick at millions of deliveries: what is rare is found through an index and shown whole; what
is common is looked for among the next `WINDOW` deliveries, and the page says how far it looked.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import asyncpg

from hookline.database.types import Row
from hookline.gateway.pages.words import STATES

PAGE = 50
WINDOW = 20_000
RARE = 10_000
"""Up to so many are counted, and found whole."""
MOST_EFFECTS = 200
MOST_REQUEST = 8_000
"""Characters of an effect's request that are shown."""

OF_DELIVERY = {"waiting": "received", "failed": "failed", "unrouted": "unrouted", "discarded": "discarded"}
"""States of the page that a delivery itself can have, and its own word for them."""

# The states stand in the SQL as they are: as parameters they would hide the partial indexes.
_OPEN = {
    "waiting": """
        SELECT id FROM deliveries WHERE state = 'received'
        UNION ALL SELECT delivery_id FROM dispatches WHERE state = 'waiting'""",
    "running": "SELECT delivery_id AS id FROM dispatches WHERE state = 'running'",
    "failed": """
        SELECT id FROM deliveries WHERE state = 'failed'
        UNION ALL SELECT delivery_id FROM dispatches WHERE state = 'failed'""",
    "uncertain": "SELECT delivery_id AS id FROM dispatches WHERE state = 'uncertain'",
    "discarded": """
        SELECT id FROM deliveries WHERE state = 'discarded'
        UNION ALL SELECT delivery_id FROM dispatches WHERE state = 'discarded'""",
}

_SOURCES = """
    WITH RECURSIVE found AS (
        (SELECT source FROM deliveries ORDER BY source LIMIT 1)
        UNION ALL
        SELECT (SELECT source FROM deliveries WHERE source > found.source ORDER BY source LIMIT 1)
        FROM found WHERE found.source IS NOT NULL
    )
    SELECT source FROM found WHERE source IS NOT NULL"""

# $1 the key, $2 its last word, $3 and $4 the range of ids that begin so (or nulls), $5 the sources.
_BY_KEY = """
    SELECT id FROM deliveries WHERE id BETWEEN $3 AND $4
    UNION SELECT id FROM deliveries WHERE source = ANY($5::text[]) AND external_id = $1
    UNION SELECT delivery_id FROM dispatches WHERE id BETWEEN $3 AND $4
    UNION SELECT delivery_id FROM dispatches WHERE flow_run_id BETWEEN $3 AND $4
    UNION SELECT delivery_id FROM dispatches
          WHERE split_part(key, ' ', -1) = $2 AND (key = $1 OR right(key, length($1) + 1) = ' ' || $1)
    UNION SELECT p.delivery_id FROM of_business e JOIN dispatches p ON p.flow_run_id = e.flow_run_id
    UNION SELECT p.delivery_id FROM of_business e JOIN dispatches p ON split_part(p.key, ' ', -1) = e.key"""

_OF_BUSINESS = """
    SELECT key, flow_run_id FROM effects WHERE key = $1
    UNION SELECT key, flow_run_id FROM effects
          WHERE split_part(label, ' ', -1) = $2 AND (label = $1 OR right(label, length($1) + 1) = ' ' || $1)
    UNION SELECT key, flow_run_id FROM effects WHERE reference @> ARRAY[$1]"""

_COLUMNS = "d.seq, d.id, d.source, d.external_id, d.received_at, d.state, d.reason, d.duplicates"
_ID_BEGINNING = re.compile(r"[0-9a-fA-F]{8,32}")


@dataclass(frozen=True)
class Wanted:
    """What the list is narrowed to."""

    source: str = ""
    state: str = ""
    key: str = ""
    before: int | None = None
    """The `seq` that the page before ended with."""

    def __post_init__(self) -> None:
        if self.state and self.state not in STATES:  # it goes into the SQL as it is
            raise ValueError(f"no such state: {self.state}")


@dataclass(frozen=True)
class Listing:
    """One page of deliveries, each with its dispatches."""

    deliveries: list[dict[str, Any]] = field(default_factory=list)
    older: int | None = None
    """`before` of the next page, if there may be one."""
    searched: int | None = None
    """Only so many deliveries were looked at to find these, for what is wanted is common."""


async def counts(database: asyncpg.Pool) -> dict[str, int]:
    """How much is waiting, running, failed and uncertain; counted up to `RARE` and one."""
    row = await database.fetchrow(
        f"""
        SELECT {", ".join(f"({_up_to(_OPEN[state])}) AS {state}" for state in ("waiting", "running", "failed"))},
               ({_up_to("SELECT 1 FROM effects WHERE state = 'uncertain'")}) AS uncertain
        """  # noqa: S608  (constants)
    )
    return dict(row or {})


async def sources(database: asyncpg.Pool) -> list[str]:
    """Every source that ever sent something, by leaps over the index."""
    return [row["source"] for row in await database.fetch(_SOURCES)]


async def listing(database: asyncpg.Pool, wanted: Wanted, known_sources: Sequence[str]) -> Listing:
    """The deliveries that are wanted, the latest first."""
    arguments: list[Any] = []
    conditions = ["true"]

    def argument(value: Any) -> str:
        arguments.append(value)
        return f"${len(arguments)}"

    narrow = await _narrow(database, wanted, known_sources, arguments)
    if wanted.before is not None:
        conditions.append(f"d.seq < {argument(wanted.before)}")
    window = f"SELECT * FROM deliveries d WHERE {conditions[-1]} ORDER BY d.seq DESC LIMIT {WINDOW}"  # noqa: S608
    window_arguments = list(arguments)
    if wanted.source:
        conditions.append(f"d.source = {argument(wanted.source)}")
    if wanted.state:
        conditions.append(_in_state(wanted.state))
    through_index = narrow is not None or wanted.state == "unrouted"
    rows = await database.fetch(
        f"""
        {f"WITH {narrow}" if narrow else ""}
        SELECT {_COLUMNS} FROM {"deliveries" if through_index else f"({window})"} d
        WHERE {" AND ".join(conditions)} {"AND d.id IN (SELECT id FROM found)" if narrow else ""}
        ORDER BY d.seq DESC LIMIT {PAGE + 1}
        """,  # noqa: S608  (constants and placeholders)
        *arguments,
    )
    deliveries = await _with_dispatches(database, rows[:PAGE])
    if len(rows) > PAGE:
        return Listing(deliveries, older=rows[PAGE - 1]["seq"])
    if through_index:
        return Listing(deliveries)
    end = await database.fetchrow(
        f"SELECT min(seq) AS seq, count(*) AS n FROM ({window}) AS w",  # noqa: S608  (constants and placeholders)
        *window_arguments,
    )
    if end is None or end["n"] < WINDOW:
        return Listing(deliveries)
    return Listing(deliveries, older=end["seq"], searched=WINDOW)


async def delivery(database: asyncpg.Pool, delivery_id: UUID, body_bytes: int) -> dict[str, Any] | None:
    """One delivery with its dispatches and the beginning of its body; None if there is none."""
    rows = await database.fetch(
        f"""
        SELECT {_COLUMNS}, d.headers, d.content_type, d.duplicate_at, octet_length(d.body) AS body_bytes,
               substring(d.body FROM 1 FOR $2) AS body
        FROM deliveries d WHERE d.id = $1
        """,  # noqa: S608  (constants)
        delivery_id,
        body_bytes,
    )
    found = await _with_dispatches(database, rows)
    return found[0] if found else None


async def body(database: asyncpg.Pool, delivery_id: UUID) -> bytes | None:
    """The whole body of a delivery, as it came."""
    found: bytes | None = await database.fetchval("SELECT body FROM deliveries WHERE id = $1", delivery_id)
    return found


async def effects_of(database: asyncpg.Pool, dispatches: Sequence[Row]) -> list[asyncpg.Record]:
    """What the flow runs of these dispatches wrote at the vendors, and all else that was written for their keys."""
    workflows, keys = _businesses(dispatches)
    return await database.fetch(
        f"""
        SELECT {_EFFECT_COLUMNS} FROM effects e
        WHERE e.id IN (SELECT id FROM effects WHERE flow_run_id = ANY($1)
                       UNION SELECT id FROM effects
                             JOIN unnest($2::text[], $3::text[]) AS business (workflow, key) USING (workflow, key))
        ORDER BY e.id LIMIT {MOST_EFFECTS}
        """,  # noqa: S608  (constants)
        [row["flow_run_id"] for row in dispatches if row["flow_run_id"]],
        workflows,
        keys,
    )


async def uncertain(database: asyncpg.Pool) -> list[asyncpg.Record]:
    """Effects that wait for a person, the one that waits longest first, each with its delivery if it has one."""
    return await database.fetch(
        f"""
        SELECT {_EFFECT_COLUMNS},
               (SELECT p.delivery_id FROM dispatches p WHERE p.flow_run_id = e.flow_run_id LIMIT 1) AS delivery_id
        FROM effects e WHERE e.state = 'uncertain' ORDER BY e.id LIMIT {PAGE}
        """  # noqa: S608  (constants)
    )


_EFFECT_COLUMNS = f"""
    e.id, e.label, e.step, e.operation, e.state, e.reason, e.wanted, e.reference, e.attempts, e.flow_run_id,
    e.created_at, e.attempted_at, e.finished_at, left(jsonb_pretty(e.request), {MOST_REQUEST}) AS request"""


async def _narrow(
    database: asyncpg.Pool, wanted: Wanted, known_sources: Sequence[str], arguments: list[Any]
) -> str | None:
    """The ids to choose from, where an index yields few, as common table expressions; else None."""
    if wanted.key:
        low, high = _ids_that_begin(wanted.key)
        arguments += [wanted.key, wanted.key.rpartition(" ")[2], low, high, list(known_sources)]
        return f"of_business AS MATERIALIZED ({_OF_BUSINESS}), found AS MATERIALIZED ({_BY_KEY})"
    if wanted.state in _OPEN and await database.fetchval(_up_to(_OPEN[wanted.state])) <= RARE:
        return f"found AS MATERIALIZED ({_OPEN[wanted.state]})"
    if wanted.source:
        of_source = "SELECT id FROM deliveries WHERE source = $1"
        if await database.fetchval(_up_to(of_source), wanted.source) <= RARE:
            arguments.append(wanted.source)
            return f"found AS MATERIALIZED ({of_source})"
    return None


async def _with_dispatches(database: asyncpg.Pool, rows: Sequence[Row]) -> list[dict[str, Any]]:
    """The deliveries with their dispatches, each with the label that its business has in the journal."""
    dispatches = await database.fetch(
        """
        SELECT id, delivery_id, route, deployment, key, state, reason, attempts, replays, flow_run_id,
               created_at, started_at, finished_at, not_before
        FROM dispatches WHERE delivery_id = ANY($1) ORDER BY seq
        """,
        [row["id"] for row in rows],
    )
    labels = await _labels(database, dispatches)
    of: dict[UUID, list[dict[str, Any]]] = {row["id"]: [] for row in rows}
    for dispatch in dispatches:
        of[dispatch["delivery_id"]].append({**dispatch, "label": labels.get(_business(dispatch))})
    return [{**row, "dispatches": of[row["id"]]} for row in rows]


async def _labels(database: asyncpg.Pool, dispatches: Sequence[Row]) -> dict[tuple[str, str], str]:
    workflows, keys = _businesses(dispatches)
    rows = await database.fetch(
        """
        SELECT DISTINCT e.workflow, e.key, e.label FROM effects e
        JOIN unnest($1::text[], $2::text[]) AS wanted (workflow, key) USING (workflow, key)
        """,
        workflows,
        keys,
    )
    return {(row["workflow"], row["key"]): row["label"] for row in rows}


def _business(dispatch: Mapping[str, Any] | asyncpg.Record) -> tuple[str, str]:
    """The workflow and business key of a dispatch, as the journal has them: its ordering key ends with it."""
    return dispatch["deployment"].partition("/")[0], (dispatch["key"] or "").rpartition(" ")[2]


def _businesses(dispatches: Sequence[Row]) -> tuple[list[str], list[str]]:
    found = {_business(dispatch) for dispatch in dispatches if dispatch["key"]}
    return [workflow for workflow, _ in found], [key for _, key in found]


def _in_state(state: str) -> str:
    """A condition; by way of an array, for an EXISTS the planner may turn into a hash of the whole table."""
    of_dispatch = f"'{state}' = ANY (ARRAY(SELECT p.state FROM dispatches p WHERE p.delivery_id = d.id))"  # noqa: S608
    if state == "unrouted":
        return "d.state = 'unrouted'"
    if state in OF_DELIVERY:
        return f"(d.state = '{OF_DELIVERY[state]}' OR {of_dispatch})"
    return of_dispatch


def _up_to(rows: str) -> str:
    return f"SELECT count(*) FROM (SELECT 1 FROM ({rows}) AS r LIMIT {RARE + 1}) AS n"  # noqa: S608  (constants)


def _ids_that_begin(text: str) -> tuple[UUID | None, UUID | None]:
    """The first and the last id that begin with the text; nothing, if it is not the beginning of an id."""
    digits = text.replace("-", "")
    if not _ID_BEGINNING.fullmatch(digits):
        return None, None
    return UUID(digits.ljust(32, "0")), UUID(digits.ljust(32, "f"))
