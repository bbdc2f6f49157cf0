# ruff: noqa: S608  (statements are put together from constants; values are arguments)
"""
Search for deliveries, written to stay quick at millions of them.

A key, a source, a state or a time is found through an index. A text is searched in the latest deliveries that match
the rest, `WINDOW` of them and `WINDOW_BYTES` of their bodies, and the result says how far it searched. So is a word
that more than `COMMON` deliveries have in their label, or are about: an index would find all of them first.
"""

import json
import re
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from hookline.account_keys import account_in
from hookline.database.types import Connection, Row
from hookline.errors import HooklineError
from hookline.local_time import local_time
from hookline.states import DELIVERIES

PAGE = 50
BATCH = 1_000
WINDOW = 20_000
WINDOW_BYTES = 64_000_000
COMMON = 2_000
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


def labelled(term: str) -> str:
    """Return the condition that a label, one of its words or what it is about is this; as the partial indexes are."""
    return f"(label IS NOT NULL OR about <> '{{}}') AND terms_of(label, about) @> ARRAY[lower({term})]"


def _has(condition: str) -> str:
    """Return the condition that a delivery `d`, or one of its dispatches, fulfils this one of labels."""
    # No EXISTS, for which PostgreSQL may read all dispatches that fulfil it: there are many.
    return f"({condition} OR (SELECT true FROM dispatches WHERE delivery_id = d.id AND {condition} LIMIT 1))"


# What was found is handed on in arrays: of a subquery, PostgreSQL guesses more rows the larger its table is, and would
# at last read the whole of the next table for them.
# $1 the key, $2 its last word, $3 and $4 the range of ids that begin so (or nulls), $5 the sources.
_BY_KEY = """
    of_business AS MATERIALIZED (
        SELECT key, flow_run_id, dispatch_id FROM effects WHERE key = $1
        UNION SELECT key, flow_run_id, dispatch_id FROM effects
              WHERE position('@' IN key) > 0 AND split_part(key, '@', 1) = $1     -- of another account
        UNION SELECT key, flow_run_id, dispatch_id FROM effects
              WHERE split_part(label, ' ', -1) = $2 AND (label = $1 OR right(label, length($1) + 1) = ' ' || $1)
        UNION SELECT key, flow_run_id, dispatch_id FROM effects WHERE reference @> ARRAY[$1]
    ),
    of_key AS MATERIALIZED (
        SELECT id FROM deliveries WHERE id BETWEEN $3 AND $4
        UNION SELECT id FROM deliveries WHERE bundle_id BETWEEN $3 AND $4
        UNION SELECT id FROM deliveries WHERE repeats_id BETWEEN $3 AND $4
        UNION SELECT id FROM deliveries WHERE copy_of BETWEEN $3 AND $4
        UNION SELECT delivery_id FROM dispatches WHERE replaced_by BETWEEN $3 AND $4
        UNION SELECT id FROM deliveries WHERE source = ANY($5::text[]) AND external_id = $1
        UNION SELECT delivery_id FROM dispatches WHERE id BETWEEN $3 AND $4
        UNION SELECT delivery_id FROM dispatches WHERE flow_run_id BETWEEN $3 AND $4
        UNION SELECT delivery_id FROM dispatches
              WHERE split_part(key, ' ', -1) = $2 AND (key = $1 OR right(key, length($1) + 1) = ' ' || $1)
        UNION SELECT delivery_id FROM dispatches
              WHERE position('@' IN key) > 0 AND split_part(split_part(key, ' ', -1), '@', 1) = $2
                AND right(' ' || split_part(key, '@', 1), length($1) + 1) = ' ' || $1
        UNION SELECT delivery_id FROM dispatches WHERE flow_run_id = ANY (ARRAY(SELECT flow_run_id FROM of_business))
        UNION SELECT delivery_id FROM dispatches WHERE id = ANY (ARRAY(SELECT dispatch_id FROM of_business))
        UNION SELECT delivery_id FROM dispatches
              WHERE split_part(key, ' ', -1) = ANY (ARRAY(SELECT key FROM of_business))
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
    d.duplicates, d.duplicate_at, d.issue_id, d.repeats_id, d.bundle_id, d.envelope, d.label, d.about, d.label_problem,
    d.copy_of, d.changed, d.listened_from, d.listened_id"""
_HEX = re.compile(r"[0-9a-fA-F]{1,32}")
MIN_OF_AN_ID = 8
"""Characters; fewer could be an order's number."""


@dataclass(frozen=True)
class Filter:
    """A filter of deliveries; an empty field matches all."""

    source: str = ""
    state: str = ""
    key: str = ""
    """An order, the sender's id, (the beginning of) an id of ours, a flow run, a vendor's reference, a label."""
    about: str = ""
    """`NAME=VALUE`, or a value under any name, as the label of a route has it."""
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
    """Only so many deliveries were searched, for a text or for a word that many have."""


@dataclass(frozen=True)
class Selection:
    """The ids of all deliveries that match, the latest first."""

    ids: list[UUID]
    more: bool = False
    """There are more than the limit."""
    searched: int | None = None
    """Only so many deliveries were searched, for a text or for a word that many have."""
    after: int | None = None
    """Their `seq` are above this one, if there is more to search below."""


class TooWide(HooklineError):
    """A search took too long."""


async def sources(database: asyncpg.Pool) -> list[str]:
    """Return every source that ever sent something, by leaps over the index."""
    return [row["source"] for row in await database.fetch(_SOURCES)]


async def accounts_of(connection: Connection, vendor: str, about: str) -> list[str]:
    """Return the accounts of a vendor of which something by this id or number is known, in the inbox or the journal."""
    rows = await connection.fetch(
        f"""
        SELECT split_part(key, ' ', -1) AS key FROM dispatches
        WHERE {labelled("$2::text")} AND starts_with(key, $1 || ' ')
        UNION SELECT split_part(key, ' ', -1) FROM dispatches
              WHERE split_part(key, ' ', -1) = $2 AND starts_with(key, $1 || ' ')
        UNION SELECT split_part(key, ' ', -1) FROM dispatches
              WHERE position('@' IN key) > 0 AND split_part(split_part(key, ' ', -1), '@', 1) = $2
                AND starts_with(key, $1 || ' ')
        UNION SELECT key FROM effects
              WHERE split_part(label, ' ', -1) = $2 AND right(' ' || label, length($2) + 7) = ' order ' || $2
                AND $1 = 'jiwa'
        UNION SELECT '@' || account FROM effects WHERE reference @> ARRAY[$2] AND starts_with(account, $1 || '/')
        LIMIT 100
        """,
        vendor,
        about,
    )
    return sorted({account_in(row["key"], vendor) for row in rows})


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


async def names(database: asyncpg.Pool, delivery_ids: Sequence[UUID]) -> list[str]:
    """Return what people call these deliveries: their labels, or else their keys or the sender's ids."""
    rows = await database.fetch(
        """
        SELECT coalesce((SELECT coalesce(p.label, p.key) FROM dispatches p WHERE p.delivery_id = d.id
                         ORDER BY p.seq LIMIT 1), d.label, d.external_id)
        FROM deliveries d WHERE d.id = ANY($1) ORDER BY d.seq
        """,
        list(delivery_ids),
    )
    return [row[0] for row in rows]


async def read(database: asyncpg.Pool, beginning: str) -> dict[str, Any] | None:
    """Return one delivery without its body, by its id or the beginning of it; None if it is not exactly one."""
    low, high = ids_that_begin(beginning, min_length=1)
    rows = await database.fetch(
        f"""
        SELECT {COLUMNS}, d.headers, d.query,
               (SELECT count(*) FROM dispatches r WHERE r.replaced_by = d.id) AS replaces
        FROM deliveries d WHERE id BETWEEN $1 AND $2 LIMIT 2
        """,
        low,
        high,
    )
    return (await with_dispatches(database, rows))[0] if len(rows) == 1 else None


async def with_dispatches(database: "asyncpg.Pool | Connection", rows: Sequence[Row]) -> list[dict[str, Any]]:
    """
    Return the deliveries with their dispatches; one that its route gives no label has that of the journal.

    `others` is the number of those that came under the id of a delivery with another body, `copies` of its copies.
    """
    dispatches = await database.fetch(
        """
        SELECT id, delivery_id, route, deployment, parameters, key, label, about, label_problem, state, reason,
               attempts, replays, flow_run_id, created_at, started_at, finished_at, not_before, issue_id, waits_account,
               quiet, replaced_by
        FROM dispatches WHERE delivery_id = ANY($1) ORDER BY seq
        """,
        [row["id"] for row in rows],
    )
    labels = await _labels(database, dispatches)
    of: dict[UUID, list[dict[str, Any]]] = {row["id"]: [] for row in rows}
    for dispatch in dispatches:
        label = dispatch["label"] or labels.get(_business(dispatch))
        reason = dispatch["reason"] or _waits_for_quiet(dispatch)
        of[dispatch["delivery_id"]].append({**dispatch, "label": label, "reason": reason})
    beside = await _beside(database, list(of))
    return [{**row, **beside[row["id"]], "dispatches": of[row["id"]]} for row in rows]


async def _beside(database: "asyncpg.Pool | Connection", ids: Sequence[UUID]) -> dict[UUID, dict[str, int]]:
    """Return how many deliveries there are beside each of these, for what reason."""
    rows = await database.fetch(
        """
        SELECT 'others' AS what, repeats_id AS id, count(*) AS n FROM deliveries WHERE repeats_id = ANY($1) GROUP BY 2
        UNION ALL SELECT 'copies', copy_of, count(*) FROM deliveries WHERE copy_of = ANY($1) GROUP BY 2
        """,
        ids,
    )
    beside = {each: {"others": 0, "copies": 0} for each in ids}
    for row in rows:
        beside[row["id"]][row["what"]] = row["n"]
    return beside


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
    common: Sequence[str]
    """Conditions that many deliveries fulfil: they are looked for in a window."""
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
        if not (self.needles or self.common):
            return f"{self.narrow} SELECT {COLUMNS} {self._matching} LIMIT {limit}"
        within = " AND ".join(["d.near", *self.common, *self._has_text()])
        return (
            f"{self.narrow} SELECT {COLUMNS} FROM ({self._window}) d WHERE {within}"
            f" ORDER BY d.seq {self.order} LIMIT {limit}"
        )

    def _has_text(self) -> Iterator[str]:
        """Yield the condition that the text is in the body, the reason or the sender's id."""
        if self.needles:
            texts = [
                f"${len(self.arguments) + number}::text" for number, _ in enumerate(self.needles, start=1)
            ]
            clear = "NOT 'encrypted' = ANY (d.altered)"  # else letters would match that nobody wrote
            places = [f"({clear} AND position(convert_to({text}, 'UTF8') in d.body) > 0)" for text in texts]
            places += [f"position({texts[0]} in d.{column}) > 0" for column in ("reason", "external_id")]
            yield f"({' OR '.join(places)})"

    async def searched(self, connection: Connection) -> tuple[int | None, int | None]:
        """Return the number of deliveries that were searched, and the last's `seq`; None if it was all."""
        if not (self.needles or self.common):
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
        """Return the statement for the deliveries that are searched: those that are near enough."""
        if not self.needles:
            return f"SELECT *, true AS near FROM (SELECT * {self._matching} LIMIT {WINDOW}) w"
        return f"""
            SELECT *, coalesce(sum(octet_length(body)) OVER
                       (ORDER BY seq {self.order} ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0)
                      < {WINDOW_BYTES} AS near
            FROM (SELECT * {self._matching} LIMIT {WINDOW}) w"""


async def _query(connection: Connection, filter_: Filter, *, order: str = "DESC") -> _Query:
    narrow: list[str] = []
    conditions = ["true"]
    common: list[str] = []
    arguments: list[Any] = []
    if filter_.key:
        low, high = ids_that_begin(filter_.key)
        known = [row["source"] for row in await connection.fetch(_SOURCES)]
        arguments = [filter_.key, filter_.key.rpartition(" ")[2], low, high, known]
        is_labelled = labelled("$1::text")
        narrow.append(_BY_KEY)
        if await _is_common(connection, filter_.key):
            common.append(f"(d.id IN (SELECT id FROM of_key) OR {_has(is_labelled)})")
        else:
            narrow.append(_of("of_label", is_labelled))
            conditions.append("d.id = ANY (ARRAY(SELECT id FROM of_key UNION SELECT id FROM of_label))")
    if filter_.about:
        name, equals, about = filter_.about.partition("=")
        arguments += [name.strip(), about.strip()] if equals else ["", filter_.about.strip()]
        named, valued = f"${len(arguments) - 1}::text", f"${len(arguments)}::text"
        is_about = _about(named, valued)
        if await _is_common(connection, arguments[-1]):
            narrow.append(f"asked AS (SELECT {named}, {valued})")  # a statement must use each argument
            common.append(_has(is_about))
        else:
            narrow.append(_of("of_about", is_about))
            conditions.append("d.id = ANY (ARRAY(SELECT id FROM of_about))")
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
    tables = f"WITH {', '.join(narrow)}" if narrow else ""
    return _Query(tables, conditions, common, arguments, needles, order)


async def _is_common(connection: Connection, term: str) -> bool:
    """Return True if more deliveries than an index should find are labelled so, or about it."""
    counted = " UNION ALL ".join(
        f"(SELECT FROM {table} WHERE {labelled('$1::text')} LIMIT {COMMON + 1})"
        for table in ("dispatches", "deliveries")
    )
    count: int = await connection.fetchval(f"SELECT count(*) FROM ({counted}) AS found", term)
    return count > COMMON


def _about(name: str, value: str) -> str:
    """Return the condition to be about this; the arguments are the name, or "", and the value."""
    return f"{labelled(value)} AND ({name} = '' OR lower(about ->> {name}) = lower({value}))"


def _of(table: str, condition: str) -> str:
    """Return the table of the deliveries that fulfil a condition of labels, or of which a dispatch does."""
    return f"""
    {table} AS MATERIALIZED (
        SELECT delivery_id AS id FROM dispatches WHERE {condition} UNION SELECT id FROM deliveries WHERE {condition}
    )"""


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


def _waits_for_quiet(dispatch: Row) -> str | None:
    """Return what a dispatch waits for whose route debounces; None once it has begun."""
    if dispatch["quiet"] is None or dispatch["state"] != "dispatched":
        return None
    return f"waits until {local_time(dispatch['not_before'])} for a later delivery of its key"


def _business(dispatch: Mapping[str, Any] | asyncpg.Record) -> tuple[str, str]:
    """Return the workflow and business key of a dispatch: its ordering key ends with the latter."""
    return dispatch["deployment"].partition("/")[0], (dispatch["key"] or "").rpartition(" ")[2]
