# ruff: noqa: S608  (statements are put together from constants; values are arguments)
"""
Search for deliveries, written to stay quick at millions of them.

A key, a source, a state or a time is found through an index. A text is searched in the latest deliveries that match
the rest, `WINDOW` of them and `WINDOW_BYTES` of their bodies, and the result says how far it searched.
"""

import json
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from hookline.database.types import Connection, Row
from hookline.errors import HooklineError
from hookline.states import DELIVERIES

PAGE = 50
BATCH = 1_000
WINDOW = 20_000
WINDOW_BYTES = 64_000_000
TIMEOUT_SECONDS = 20
"""A search is given up after so long, so that it takes the disk from no delivery."""

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
    WITH of_business AS MATERIALIZED (
        SELECT key, flow_run_id, dispatch_id FROM effects WHERE key = $1
        UNION SELECT key, flow_run_id, dispatch_id FROM effects
              WHERE split_part(label, ' ', -1) = $2 AND (label = $1 OR right(label, length($1) + 1) = ' ' || $1)
        UNION SELECT key, flow_run_id, dispatch_id FROM effects WHERE reference @> ARRAY[$1]
    ),
    of_key AS MATERIALIZED (
        SELECT id FROM deliveries WHERE id BETWEEN $3 AND $4
        UNION SELECT id FROM deliveries WHERE bundle_id BETWEEN $3 AND $4
        UNION SELECT id FROM deliveries WHERE repeats_id BETWEEN $3 AND $4
        UNION SELECT id FROM deliveries WHERE source = ANY($5::text[]) AND external_id = $1
        UNION SELECT delivery_id FROM dispatches WHERE id BETWEEN $3 AND $4
        UNION SELECT delivery_id FROM dispatches WHERE flow_run_id BETWEEN $3 AND $4
        UNION SELECT delivery_id FROM dispatches
              WHERE split_part(key, ' ', -1) = $2 AND (key = $1 OR right(key, length($1) + 1) = ' ' || $1)
        UNION SELECT p.delivery_id FROM of_business e JOIN dispatches p ON p.flow_run_id = e.flow_run_id
        UNION SELECT p.delivery_id FROM of_business e JOIN dispatches p ON p.id = e.dispatch_id
        UNION SELECT p.delivery_id FROM of_business e JOIN dispatches p ON split_part(p.key, ' ', -1) = e.key
    )"""

# The order of arrival is the order of the times but for moments, and for clocks that were set back.
_SEQ_OF_TIMES = """
    SELECT (SELECT seq FROM deliveries WHERE received_at < $1::timestamptz - interval '1 hour'
            ORDER BY received_at DESC LIMIT 1) AS after,
           (SELECT seq FROM deliveries WHERE received_at > $2::timestamptz + interval '1 hour'
            ORDER BY received_at LIMIT 1) AS before"""

# All but the body, which may be large: `bodies.read` has it.
COLUMNS = """
    d.id, d.seq, d.source, d.external_id, d.received_at, d.method, d.content_type, d.state, d.reason, d.altered,
    d.duplicates, d.duplicate_at, d.issue_id, d.repeats_id, d.bundle_id, d.envelope,
    (SELECT count(*) FROM deliveries o WHERE o.repeats_id = d.id) AS others"""
_HEX = re.compile(r"[0-9a-fA-F]{1,32}")
MIN_OF_AN_ID = 8
"""Characters; fewer could be an order's number."""


@dataclass(frozen=True)
class Filter:
    """A filter of deliveries; an empty field matches all."""

    source: str = ""
    state: str = ""
    key: str = ""
    """An order, the sender's id, (the beginning of) an id of ours, a flow run, a vendor's reference."""
    since: datetime | None = None
    until: datetime | None = None
    text: str = ""
    """Part of the body as it is stored, of the reason or of the sender's id."""
    after: int | None = None
    before: int | None = None
    """Only deliveries between these two `seq`."""

    def __post_init__(self) -> None:
        if self.state and self.state not in DELIVERIES.states:
            raise ValueError(f"there is no state {self.state!r}; there are: {', '.join(DELIVERIES.states)}")


@dataclass(frozen=True)
class Listing:
    """One page of deliveries, the latest first, each with its `dispatches`."""

    deliveries: list[dict[str, Any]] = field(default_factory=list)
    older: int | None = None
    """`before` of the next page, if there may be one."""
    searched: int | None = None
    """The text was searched in only so many deliveries."""


@dataclass(frozen=True)
class Selection:
    """The ids of all deliveries that match, the latest first."""

    ids: list[UUID]
    more: bool = False
    """There are more than the limit."""
    searched: int | None = None
    """The text was searched in only so many deliveries."""
    after: int | None = None
    """Their `seq` are above this one, if there is more to search below."""


class TooWide(HooklineError):
    """A search took too long."""


async def sources(database: asyncpg.Pool) -> list[str]:
    """Return every source that ever sent something, by leaps over the index."""
    return [row["source"] for row in await database.fetch(_SOURCES)]


async def find(database: asyncpg.Pool, filter_: Filter, *, limit: int = PAGE) -> Listing:
    """Return a page of the deliveries that match, the latest first."""
    async with _reading(database) as connection:
        query = await _query(connection, filter_)
        rows = await connection.fetch(query.rows(limit + 1), *query.all_arguments)
        deliveries = await with_dispatches(connection, rows[:limit])
        if len(rows) > limit:
            return Listing(deliveries, older=rows[limit - 1]["seq"])
        searched, end = await query.searched(connection)
        return Listing(deliveries, older=end, searched=searched)


async def select(database: asyncpg.Pool, filter_: Filter, *, limit: int) -> Selection:
    """Return the ids of all deliveries that match, or of the latest up to the limit."""
    async with _reading(database) as connection:
        query = await _query(connection, filter_)
        rows = await connection.fetch(f"SELECT id FROM ({query.rows(limit + 1)}) d", *query.all_arguments)
        found = [row["id"] for row in rows]
        if len(found) > limit:
            return Selection(found[:limit], more=True)
        searched, end = await query.searched(connection)
        return Selection(found, searched=searched, after=None if end is None else end - 1)


async def ids(database: asyncpg.Pool, filter_: Filter) -> AsyncIterator[UUID]:
    """Yield the ids of all deliveries that match, in order of arrival; they are read a batch at a time."""
    after = filter_.after
    while True:
        found, after = await batch(database, replace(filter_, after=after), limit=BATCH)
        for _, delivery_id in found:
            yield delivery_id
        if after is None:
            return


async def batch(
    database: asyncpg.Pool, filter_: Filter, *, limit: int
) -> tuple[list[tuple[int, UUID]], int | None]:
    """
    Return the first deliveries that match, in order of arrival.

    Returns:
        The `seq` and the id of each; and the `after` of the next batch, None if there is none.
    """
    async with _reading(database) as connection:
        query = await _query(connection, filter_, order="ASC")
        rows = await connection.fetch(query.rows(limit), *query.all_arguments)
        found = [(row["seq"], row["id"]) for row in rows]
        if len(found) == limit:
            return found, found[-1][0]
        _, end = await query.searched(connection)
        return found, end


async def read(database: asyncpg.Pool, beginning: str) -> dict[str, Any] | None:
    """Return one delivery without its body, by its id or the beginning of it; None if it is not exactly one."""
    low, high = ids_that_begin(beginning, min_length=1)
    rows = await database.fetch(
        f"SELECT {COLUMNS}, d.headers, d.query FROM deliveries d WHERE id BETWEEN $1 AND $2 LIMIT 2",
        low,
        high,
    )
    return (await with_dispatches(database, rows))[0] if len(rows) == 1 else None


async def with_dispatches(database: "asyncpg.Pool | Connection", rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Return the deliveries with their dispatches, each with the label of its business key in the journal."""
    dispatches = await database.fetch(
        """
        SELECT id, delivery_id, route, deployment, parameters, key, state, reason, attempts, replays, flow_run_id,
               created_at, started_at, finished_at, not_before, issue_id, waits_account
        FROM dispatches WHERE delivery_id = ANY($1) ORDER BY seq
        """,
        [row["id"] for row in rows],
    )
    labels = await _labels(database, dispatches)
    of: dict[UUID, list[dict[str, Any]]] = {row["id"]: [] for row in rows}
    for dispatch in dispatches:
        of[dispatch["delivery_id"]].append({**dispatch, "label": labels.get(_business(dispatch))})
    return [{**row, "dispatches": of[row["id"]]} for row in rows]


def businesses(dispatches: Sequence[Row]) -> tuple[list[str], list[str]]:
    """Return the workflows and the business keys of dispatches, as the journal has them."""
    found = {_business(dispatch) for dispatch in dispatches if dispatch["key"]}
    return [workflow for workflow, _ in found], [key for _, key in found]


def ids_that_begin(text: str, *, min_length: int = MIN_OF_AN_ID) -> tuple[UUID | None, UUID | None]:
    """Return the first and the last id that begin with the text; None if it is not the beginning of an id."""
    digits = text.replace("-", "")
    if len(digits) < min_length or not _HEX.fullmatch(digits):
        return None, None
    return UUID(digits.ljust(32, "0")), UUID(digits.ljust(32, "f"))


@asynccontextmanager
async def _reading(database: asyncpg.Pool) -> AsyncIterator[Connection]:
    """Open a snapshot of the inbox, whose statements are planned for their values and not for the average."""
    try:
        async with (
            database.acquire() as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            await connection.execute(
                "SET LOCAL plan_cache_mode = force_custom_plan;"
                f"SET LOCAL statement_timeout = '{TIMEOUT_SECONDS}s'"
            )
            yield connection
    except asyncpg.QueryCanceledError:
        raise TooWide(
            f"The search was given up after {TIMEOUT_SECONDS} seconds. Narrow it by source, state or time."
        ) from None


@dataclass(frozen=True)
class _Query:
    """A filter as SQL."""

    narrow: str
    conditions: Sequence[str]
    arguments: Sequence[Any]
    needles: Sequence[str]
    """The text that is searched, and the same as JSON would write it."""
    order: str

    @property
    def all_arguments(self) -> list[Any]:
        """Return the arguments of `rows`."""
        return [*self.arguments, *self.needles]

    def rows(self, limit: int) -> str:
        """Return the statement for the deliveries that match, up to the limit."""
        if not self.needles:
            return f"{self.narrow} SELECT {COLUMNS} {self._matching} LIMIT {limit}"
        texts = [f"${len(self.arguments) + number}::text" for number, _ in enumerate(self.needles, start=1)]
        clear = "NOT 'encrypted' = ANY (d.altered)"  # else letters would match that nobody wrote
        places = [f"({clear} AND position(convert_to({text}, 'UTF8') in d.body) > 0)" for text in texts]
        places += [f"position({texts[0]} in d.{column}) > 0" for column in ("reason", "external_id")]
        return (
            f"{self.narrow} SELECT {COLUMNS} FROM ({self._window}) d WHERE d.near AND ({' OR '.join(places)})"
            f" ORDER BY d.seq {self.order} LIMIT {limit}"
        )

    async def searched(self, connection: Connection) -> tuple[int | None, int | None]:
        """Return the number of deliveries in which a text was searched and the last's `seq`; None if in all."""
        if not self.needles:
            return None, None
        farthest = "min" if self.order == "DESC" else "max"
        row = await connection.fetchrow(
            f"""
            {self.narrow} SELECT count(*) FILTER (WHERE near) AS n, {farthest}(seq) FILTER (WHERE near) AS seq,
                   count(*) = {WINDOW} OR NOT bool_and(near) AS more FROM ({self._window}) w
            """,
            *self.arguments,
        )
        return (row["n"], row["seq"]) if row and row["more"] else (None, None)

    @property
    def _matching(self) -> str:
        return f"FROM deliveries d WHERE {' AND '.join(self.conditions)} ORDER BY d.seq {self.order}"

    @property
    def _window(self) -> str:
        """Return the statement for the deliveries in which a text is searched: those that are near enough."""
        return f"""
            SELECT *, coalesce(sum(octet_length(body)) OVER
                       (ORDER BY seq {self.order} ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0)
                      < {WINDOW_BYTES} AS near
            FROM (SELECT * {self._matching} LIMIT {WINDOW}) w"""


async def _query(connection: Connection, filter_: Filter, *, order: str = "DESC") -> _Query:
    narrow, conditions = "", ["true"]
    arguments: list[Any] = []
    if filter_.key:
        low, high = ids_that_begin(filter_.key)
        known = [row["source"] for row in await connection.fetch(_SOURCES)]
        narrow, conditions = _BY_KEY, ["d.id IN (SELECT id FROM of_key)"]
        arguments = [filter_.key, filter_.key.rpartition(" ")[2], low, high, known]
    bounds: Row = {"after": None, "before": None}
    if filter_.since or filter_.until:
        bounds = (await connection.fetch(_SEQ_OF_TIMES, filter_.since, filter_.until))[0]
    for column, sign, value in (
        ("source", "=", filter_.source),
        ("state", "=", filter_.state),
        ("received_at", ">=", filter_.since),
        ("received_at", "<", filter_.until),
        ("seq", ">", bounds["after"]),
        ("seq", "<", bounds["before"]),
        ("seq", ">", filter_.after),
        ("seq", "<", filter_.before),
    ):
        if value not in {"", None}:
            arguments.append(value)
            conditions.append(f"d.{column} {sign} ${len(arguments)}")
    in_json = json.dumps(filter_.text)[1:-1]
    needles = list(dict.fromkeys((filter_.text, in_json))) if filter_.text else []
    return _Query(narrow, conditions, arguments, needles, order)


async def _labels(
    database: "asyncpg.Pool | Connection", dispatches: Sequence[Row]
) -> dict[tuple[str, str], str]:
    workflows, keys = businesses(dispatches)
    rows = await database.fetch(
        """
        SELECT DISTINCT e.workflow, e.key, e.label FROM effects e
        JOIN unnest($1::text[], $2::text[]) AS business (workflow, key) USING (workflow, key)
        """,
        workflows,
        keys,
    )
    return {(row["workflow"], row["key"]): row["label"] for row in rows}


def _business(dispatch: Mapping[str, Any] | asyncpg.Record) -> tuple[str, str]:
    """Return the workflow and business key of a dispatch: its ordering key ends with the latter."""
    return dispatch["deployment"].partition("/")[0], (dispatch["key"] or "").rpartition(" ")[2]
