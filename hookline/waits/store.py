"""The SQL of waits: begin one, answer it, let it time out, cancel it, wake what waited, find them."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import asyncpg

from hookline import text
from hookline.database.types import Connection, Row
from hookline.errors import HooklineError
from hookline.inbox.audit import acting
from hookline.inbox.deliveries import CHANNEL, NOT_HELD
from hookline.waits.errors import WaitChanged

MAX_PATHS: Final = 50
"""Different sets of paths that waits for one source may have at once: each costs something with each delivery."""
CLOCKS_DIFFER: Final = timedelta(minutes=1)
"""The order of arrival is the order of the times but for moments."""
AT_ONCE: Final = 500
OVER: Final = """
    EXISTS (SELECT FROM waits WHERE state = 'waiting' AND until <= now()) OR EXISTS (SELECT FROM waits WHERE wake)"""
TO_BACKFILL: Final = "EXISTS (SELECT FROM waits WHERE state = 'waiting' AND backfill_from IS NOT NULL)"
"""The conditions that the time of a wait is over or its run goes on, and that one is compared with what came before."""
ANSWERED_A_WAIT: Final = "it answered a run that waited for it"
# In time, and nobody has compared it yet: it is still to be routed, or to be read from its list. After a day a list is
# waited for no longer.
_MAY_HAVE_COME: Final = """(
    EXISTS (SELECT FROM deliveries d WHERE d.source = w.source AND d.state = 'received' AND d.received_at <= w.until)
    OR EXISTS (SELECT FROM polls p WHERE p.source = w.source AND coalesce(p.polled_at < w.until, true)
               AND w.until > now() - interval '1 day'))"""
_LOCK: Final = "hashtextextended('waits for ' || $1, 0)"


@dataclass(frozen=True)
class NewWait:
    """What a run waits for."""

    scope: str
    """Whose wait it is: a flow run's, or a business's, for all of its runs."""
    name: str
    """Which one of these."""
    kind: str
    fingerprint: str
    what: str
    flow_run_id: UUID
    dispatch_id: UUID | None
    began: datetime
    """The start of the run, as Prefect has it; that of its dispatch counts where it has one."""
    timeout: timedelta
    source: str | None = None
    conditions: Mapping[str, str] | None = None
    match_key: str | None = None
    since: datetime | timedelta = timedelta(0)
    """What came before does not count: a time, or so long before the start of the run."""
    form: Mapping[str, Any] | None = None
    people: Sequence[str] = ()
    later: Sequence[Mapping[str, Any]] = field(default_factory=list)
    """Who is asked next, each for as long, or at last the answer that holds then."""


@dataclass(frozen=True)
class Answer:
    """An answer of a person."""

    value: Mapping[str, Any]
    by: str
    """Who gave it."""
    way: str
    """How: link, page, shell, Prefect UI."""


async def begin(database: asyncpg.Pool, new: NewWait) -> Row:
    """
    Return the wait of this name, and note that the run waits for it unless it is over.

    It is made the first time. Where a run had failed of its end, it begins again.

    Raises:
        WaitChanged: it waits for something else.
        PostgresError: as ever; a wait for another transaction that waits for this one is tried again.
    """
    try:
        return await _begin(database, new)
    except asyncpg.DeadlockDetectedError:
        return await _begin(database, new)


async def _begin(database: asyncpg.Pool, new: NewWait) -> Row:
    async with database.acquire() as connection, connection.transaction():
        if new.source is not None:
            # An engine that writes what it matched holds the same lock, shared: it sees this wait, or this waits for
            # it and the delivery is found by looking back.
            await connection.execute(f"SELECT pg_advisory_xact_lock({_LOCK})", new.source)
        await _insert(connection, new)
        row = await _locked(connection, new)
        if row["state"] in {"expired", "cancelled"} and row["ended_run"]:
            row = await _again(connection, row["id"], new, "its run began again")
        await _note_run(connection, row, new)
    return row


async def _locked(connection: Connection, new: NewWait) -> Row:
    """Return the wait, locked; raises WaitChanged where it waits for something else."""
    row = await connection.fetchrow(
        "SELECT * FROM waits WHERE scope = $1 AND name = $2 FOR UPDATE", new.scope, new.name
    )
    assert row is not None  # noqa: S101  (it was inserted, or was there)
    if row["fingerprint"] != new.fingerprint:
        raise WaitChanged(
            f"The run waits at {new.name!r} for something else than before: {row['what']}; now {new.what}. The flow "
            "was changed meanwhile. Give the new wait another name, or end the old one: "
            f"hookline waits cancel {row['id']}"
        )
    return row


async def _note_run(connection: Connection, row: Row, new: NewWait) -> None:
    """Note that the run waits, or waits no more."""
    if row["state"] == "waiting":
        if new.form is not None:  # the code of the flow may have got another field meanwhile
            await connection.execute("UPDATE waits SET form = $2 WHERE id = $1", row["id"], new.form)
        await connection.execute(
            """
            INSERT INTO waiting_runs (wait_id, flow_run_id, dispatch_id) VALUES ($1, $2, $3)
            ON CONFLICT (wait_id, flow_run_id) DO UPDATE SET dispatch_id = EXCLUDED.dispatch_id
            """,
            row["id"],
            new.flow_run_id,
            new.dispatch_id,
        )
    else:
        await connection.execute(
            "DELETE FROM waiting_runs WHERE wait_id = $1 AND flow_run_id = $2", row["id"], new.flow_run_id
        )


async def _insert(connection: Connection, new: NewWait) -> None:
    is_time = isinstance(new.since, datetime)
    made = await connection.fetchval(
        """
        WITH run AS (
            SELECT coalesce((SELECT created_at FROM dispatches WHERE id = $6 OR flow_run_id = $5
                             ORDER BY created_at LIMIT 1), $7) AS began
        ), looking AS (
            SELECT coalesce($12, began - $13::interval) AS since FROM run
        )
        INSERT INTO waits (scope, name, kind, fingerprint, flow_run_id, dispatch_id, what, until, source, paths, match,
                           match_key, since, backfill_from, form, people, later, patience)
        SELECT $1, $2, $3, $4, $5, $6, $8, now() + $9::interval, $10, $11, $14, $15,
               CASE WHEN $15::text IS NOT NULL THEN since END,
               CASE WHEN $15::text IS NOT NULL THEN coalesce((
                   SELECT seq FROM deliveries WHERE received_at < since - $16::interval
                   ORDER BY received_at DESC LIMIT 1), 0) END,
               $17, $18, $19, $9
        FROM looking
        ON CONFLICT (scope, name) DO NOTHING RETURNING id
        """,
        new.scope,
        new.name,
        new.kind,
        new.fingerprint,
        new.flow_run_id,
        new.dispatch_id,
        new.began,
        text.one_line(new.what, 1_000),
        new.timeout,
        new.source,
        None if new.conditions is None else sorted(new.conditions),
        new.since if is_time else None,
        timedelta(0) if is_time else new.since,
        None if new.conditions is None else dict(new.conditions),
        new.match_key,
        CLOCKS_DIFFER,
        new.form,
        list(new.people),
        list(new.later),
    )
    if made is not None:
        if new.source is not None and len(await paths(connection, new.source)) > MAX_PATHS:
            raise HooklineError(
                f"Runs wait for deliveries of {new.source} by more than {MAX_PATHS} different sets of paths. A path "
                "names a place in the delivery; what differs from run to run belongs into its value."
            )
        await _ask(connection, made, new.people)
        await connection.execute("SELECT pg_notify($1, '')", CHANNEL)


async def _ask(connection: Connection, wait_id: UUID, people: Iterable[str]) -> None:
    """Let a message be sent to each of these."""
    await connection.execute(
        """
        INSERT INTO questions (wait_id, person) SELECT $1, person FROM unnest($2::text[]) AS asked (person)
        ON CONFLICT (wait_id, person) DO UPDATE SET next_at = now(), tries = 0, sent_at = NULL, error = NULL
        """,
        wait_id,
        list(people),
    )


async def _again(connection: Connection, wait_id: UUID, new: NewWait, reason: str) -> Row:
    """Let a wait begin again; what came meanwhile counts."""
    row = await connection.fetchrow(
        """
        UPDATE waits SET state = 'waiting', reason = $2, until = now() + $3::interval, people = $4, later = $5,
            ended_run = false, answer = NULL, answered_by = NULL, answered_way = NULL,
            backfill_from = CASE WHEN match_key IS NOT NULL THEN coalesce((
                SELECT seq FROM deliveries WHERE received_at < since - $6::interval
                ORDER BY received_at DESC LIMIT 1), 0) END
        WHERE id = $1 RETURNING *
        """,
        wait_id,
        reason,
        new.timeout,
        list(new.people),
        list(new.later),
        CLOCKS_DIFFER,
    )
    assert row is not None  # noqa: S101  (it is locked)
    await _ask(connection, wait_id, new.people)
    return row


async def refuse_answer(database: asyncpg.Pool, row: Row, new: NewWait, why: str) -> None:
    """Ask again for an answer that the flow's form refuses, though its schema took it."""
    async with database.acquire() as connection, connection.transaction():
        locked = await connection.fetchval(
            "SELECT id FROM waits WHERE id = $1 AND state = 'answered' FOR UPDATE", row["id"]
        )
        if locked is not None:
            await _again(connection, row["id"], new, text.reason(f"the answer cannot be used: {why}"))


async def answer(database: asyncpg.Pool, wait_id: UUID, given_answer: Answer) -> bool:
    """Store a person's answer; return False if the wait was over before: the first answer holds."""
    reason = text.reason(f"answered by {given_answer.by} ({given_answer.way}): {summary(given_answer.value)}")
    async with database.acquire() as connection, acting(connection, given_answer.by, reason):
        return await _close(
            connection,
            wait_id,
            "answered",
            reason,
            answer=dict(given_answer.value),
            by=given_answer.by,
            way=given_answer.way,
        )


async def cancel(database: asyncpg.Pool, wait_id: UUID, *, actor: str, reason: str) -> bool:
    """End a wait without an answer; return False if it was over before."""
    async with database.acquire() as connection, acting(connection, actor, reason):
        return await _close(
            connection, wait_id, "cancelled", text.reason(f"cancelled by {actor}: {reason}"), by=actor
        )


async def reopen(database: asyncpg.Pool, wait_id: UUID, *, actor: str, reason: str) -> bool:
    """
    Ask people again, whatever was answered, for as long as one of them had; return False if nothing is to be reopened.

    What a run did with the answer stays done: the next run of it, or of its business, meets the new answer.
    """
    async with database.acquire() as connection, acting(connection, actor, reason):
        people = await connection.fetchval(
            """
            UPDATE waits SET state = 'waiting', reason = $2, until = now() + patience, later = '[]', ended_run = false,
                answer = NULL, answered_by = NULL, answered_way = NULL
            WHERE id = $1 AND state <> 'waiting' AND kind = 'answer' RETURNING people
            """,
            wait_id,
            text.reason(f"reopened by {actor}: {reason}"),
        )
        if people is not None:
            await _ask(connection, wait_id, people)
    return people is not None


async def _close(
    connection: Connection,
    wait_id: UUID,
    state: str,
    reason: str,
    *,
    answer: dict[str, Any] | None = None,
    by: str | None = None,
    way: str | None = None,
) -> bool:
    closed = await connection.fetchval(
        """
        WITH closed AS (
            UPDATE waits SET state = $2, reason = $3, answer = $4, answered_by = $5, answered_way = $6
            WHERE id = $1 AND state = 'waiting' RETURNING id
        )
        SELECT pg_notify($7, '') IS NOT NULL FROM closed
        """,
        wait_id,
        state,
        reason,
        answer,
        by,
        way,
        CHANNEL,
    )
    return closed is not None


# ---- Deliveries ----


async def paths(database: "asyncpg.Pool | Connection", source: str) -> set[tuple[str, ...]]:
    """Return the sets of paths on which waits for a source have conditions, by leaps over the index."""
    rows = await database.fetch(
        """
        WITH RECURSIVE found AS (
            (SELECT paths FROM waits WHERE source = $1 AND state = 'waiting' AND match_key IS NOT NULL
             ORDER BY paths LIMIT 1)
            UNION ALL
            SELECT (SELECT w.paths FROM waits w WHERE w.source = $1 AND w.state = 'waiting' AND w.match_key IS NOT NULL
                    AND w.paths > found.paths ORDER BY w.paths LIMIT 1)
            FROM found WHERE found.paths IS NOT NULL
        )
        SELECT paths FROM found WHERE paths IS NOT NULL LIMIT $2
        """,
        source,
        MAX_PATHS + 1,
    )
    return {tuple(row["paths"]) for row in rows}


async def lock_source(connection: Connection, source: str) -> None:
    """Let no wait for this source begin until the transaction ends: what is matched is all there is."""
    await connection.execute(f"SELECT pg_advisory_xact_lock_shared({_LOCK})", source)


async def sources(database: asyncpg.Pool) -> set[str]:
    """Return the sources of which a run waits for a delivery, by leaps over the index."""
    rows = await database.fetch(
        """
        WITH RECURSIVE found AS (
            (SELECT source FROM waits WHERE state = 'waiting' AND match_key IS NOT NULL ORDER BY source LIMIT 1)
            UNION ALL
            SELECT (SELECT w.source FROM waits w WHERE w.state = 'waiting' AND w.match_key IS NOT NULL
                    AND w.source > found.source ORDER BY w.source LIMIT 1)
            FROM found WHERE found.source IS NOT NULL
        )
        SELECT source FROM found WHERE source IS NOT NULL
        """
    )
    return {row["source"] for row in rows}


async def answer_by_deliveries(
    connection: Connection, keys: Mapping[UUID, Collection[str]]
) -> dict[UUID, int]:
    """
    Answer every wait that one of these deliveries is for, each by the earliest of them.

    Args:
        connection: in a transaction.
        keys: the digests of each delivery.

    Returns:
        The number of waits that each delivery has answered, now or earlier.
    """
    if not keys:
        return {}
    pairs = [(delivery_id, key) for delivery_id, all_keys in keys.items() for key in all_keys]
    if pairs:
        await connection.execute(
            """
            WITH came AS (
                SELECT d.id, d.seq, d.received_at, m.match_key
                FROM unnest($1::uuid[], $2::text[]) AS m (id, match_key) JOIN deliveries d USING (id)
            ), open AS MATERIALIZED (
                SELECT w.id, w.match_key, w.since FROM waits w
                WHERE w.match_key = ANY($2) AND w.state = 'waiting' AND w.match_key IS NOT NULL
                ORDER BY w.id FOR UPDATE
            ), first AS (
                SELECT DISTINCT ON (open.id) open.id, came.id AS delivery_id
                FROM open JOIN came ON came.match_key = open.match_key AND came.received_at >= open.since
                ORDER BY open.id, came.seq
            ), answered AS (
                UPDATE waits w SET state = 'answered', delivery_id = first.delivery_id, answered_way = 'delivery',
                    answered_by = 'delivery ' || first.delivery_id, reason = 'delivery ' || first.delivery_id || ' came'
                FROM first WHERE w.id = first.id RETURNING 1
            )
            SELECT pg_notify($3, '') FROM answered LIMIT 1
            """,
            [delivery_id for delivery_id, _ in pairs],
            [key for _, key in pairs],
            CHANNEL,
        )
    rows = await connection.fetch(
        "SELECT delivery_id, count(*) AS number FROM waits WHERE delivery_id = ANY($1) GROUP BY delivery_id",
        list(keys),
    )
    return {row["delivery_id"]: row["number"] for row in rows}


@dataclass(frozen=True)
class Backfill:
    """Waits for one source that have not looked at all that came before."""

    source: str
    waits: Sequence[UUID]
    after: int
    """The deliveries behind this one are still to be looked at."""


async def to_backfill(database: asyncpg.Pool) -> Backfill | None:
    """Return the waits of one source that are still to look back, if there are any."""
    rows = await database.fetch(
        f"""
        SELECT id, source, backfill_from FROM waits
        WHERE state = 'waiting' AND backfill_from IS NOT NULL AND {NOT_HELD} AND source = (
            SELECT source FROM waits WHERE state = 'waiting' AND backfill_from IS NOT NULL ORDER BY seq LIMIT 1)
        ORDER BY backfill_from LIMIT 10000
        """  # noqa: S608  (constants)
    )
    if not rows:
        return None
    return Backfill(rows[0]["source"], [row["id"] for row in rows], rows[0]["backfill_from"])


async def deliveries_after(
    database: asyncpg.Pool, source: str, after: int, limit: int
) -> list[asyncpg.Record]:
    """
    Return deliveries of a source behind one, in order of arrival, to be looked at.

    What is still to be routed is matched then; a bundle is, item by item; what a person set aside does not count.
    """
    return await database.fetch(
        """
        SELECT id, seq, source, external_id, method, query, headers, content_type, altered, received_at, only_route,
               envelope, changed, body, state NOT IN ('received', 'held', 'discarded', 'rejected', 'split') AS counts
        FROM deliveries WHERE source = $1 AND seq > $2 ORDER BY seq LIMIT $3
        """,
        source,
        after,
        limit,
    )


async def looked_at(
    database: asyncpg.Pool, looking: Backfill, keys: Mapping[UUID, Collection[str]], *, up_to: int | None
) -> None:
    """
    Answer waits by deliveries that came before they began, and store how far they were looked at.

    Args:
        database: of the waits.
        looking: the waits.
        keys: the digests of each delivery.
        up_to: the last one that was looked at; None: there are no more.
    """
    async with database.acquire() as connection, connection.transaction():
        answered = await answer_by_deliveries(connection, keys)
        await connection.execute(
            "UPDATE deliveries SET state = 'done', reason = $2 WHERE id = ANY($1) AND state = 'unrouted'",
            list(answered),
            ANSWERED_A_WAIT,
        )
        await connection.execute(
            """
            UPDATE waits SET backfill_from = CASE WHEN $2::bigint IS NULL THEN NULL
                                                   ELSE greatest(backfill_from, $2) END
            WHERE id = ANY($1) AND state = 'waiting' AND backfill_from IS NOT NULL
            """,
            list(looking.waits),
            up_to,
        )


# ---- The end of a wait, and its runs ----


async def time_out(database: asyncpg.Pool) -> int:
    """
    End the waits whose time is over: another person is asked, another answer holds, or nothing.

    What came in time counts, also if no engine ran meanwhile: a wait ends once it was compared with all of it.

    Returns:
        Their number.
    """
    async with database.acquire() as connection, connection.transaction():
        due = await connection.fetch(
            f"""
            SELECT id, later, people FROM waits w WHERE state = 'waiting' AND until <= now() AND {NOT_HELD}
              AND backfill_from IS NULL AND NOT {_MAY_HAVE_COME}
            ORDER BY until LIMIT $1 FOR UPDATE SKIP LOCKED
            """,  # noqa: S608  (constants)
            AT_ONCE,
        )
        expired = [row["id"] for row in due if not row["later"]]
        await connection.execute(
            """
            UPDATE waits SET state = 'expired', reason = concat_ws(' ', 'no answer came until',
                to_char(until AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI') || ' UTC',
                CASE WHEN people <> '{}' THEN 'from ' || array_to_string(people, ', ') END)
            WHERE id = ANY($1)
            """,
            expired,
        )
        for row in due:
            if row["later"]:
                await _next_stage(connection, row)
    return len(due)


async def _next_stage(connection: Connection, row: Row) -> None:
    first, *rest = row["later"]
    if "answer" in first:
        reason = f"nobody answered in time: {', '.join(row['people'])}; {summary(first['answer'])} holds"
        await _close(
            connection,
            row["id"],
            "answered",
            text.reason(reason),
            answer=first["answer"],
            by="nobody in time",
            way="default",
        )
        return
    await connection.execute(
        """
        UPDATE waits SET until = now() + patience, later = $2,
            people = people || (SELECT coalesce(array_agg(one), '{}') FROM unnest($3::text[]) AS one
                                WHERE one <> ALL(people)),
            reason = $4
        WHERE id = $1
        """,
        row["id"],
        rest,
        first["people"],
        text.reason(f"{', '.join(row['people'])} did not answer in time: {', '.join(first['people'])} asked"),
    )
    await _ask(connection, row["id"], first["people"])


async def wake(database: asyncpg.Pool) -> int:
    """
    Queue the held dispatches whose wait is over; return their number.

    One that is not held yet, for its run is just being suspended, has its turn the next time.
    """
    async with database.acquire() as connection, connection.transaction():
        woken = await connection.fetch(
            f"""
            WITH due AS (
                SELECT DISTINCT ON (d.id) d.id, w.id AS wait_id, w.reason
                FROM waits w JOIN waiting_runs r ON r.wait_id = w.id JOIN dispatches d ON d.id = r.dispatch_id
                WHERE w.wake AND d.state = 'held' AND {NOT_HELD} ORDER BY d.id, w.closed_at LIMIT $1
            ), locked AS (
                SELECT d.id FROM dispatches d JOIN due USING (id) WHERE d.state = 'held' ORDER BY d.seq
                FOR UPDATE OF d SKIP LOCKED
            ), gone AS (
                DELETE FROM waiting_runs r USING due, locked
                WHERE due.id = locked.id AND r.wait_id = due.wait_id AND r.dispatch_id = due.id
            )
            UPDATE dispatches d SET state = 'dispatched', reason = due.reason, unbatched = true, not_before = now()
            FROM due, locked WHERE d.id = due.id AND due.id = locked.id RETURNING d.id
            """,  # noqa: S608  (constants)
            AT_ONCE,
        )
        if woken:
            await connection.execute("SELECT pg_notify($1, '')", CHANNEL)
        await connection.execute(
            """
            UPDATE waits SET wake = false WHERE id IN (
                SELECT w.id FROM waits w WHERE w.wake AND NOT EXISTS (SELECT FROM waiting_runs r WHERE r.wait_id = w.id)
                ORDER BY w.id LIMIT $1 FOR UPDATE SKIP LOCKED)
            """,
            AT_ONCE,
        )
    return len(woken)


async def runs_in_worker(database: asyncpg.Pool, limit: int) -> list[asyncpg.Record]:
    """Return runs without a dispatch whose wait is over: `wait_id`, `flow_run_id`, `reason`."""
    return await database.fetch(
        f"""
        SELECT r.wait_id, r.flow_run_id, w.reason FROM waits w JOIN waiting_runs r ON r.wait_id = w.id
        WHERE w.wake AND r.dispatch_id IS NULL AND {NOT_HELD} ORDER BY random() LIMIT $1
        """,  # noqa: S608  (constants)
        limit,
    )


async def forget_run(database: asyncpg.Pool, wait_id: UUID, flow_run_id: UUID) -> None:
    """Note that a run waits no more."""
    await database.execute(
        "DELETE FROM waiting_runs WHERE wait_id = $1 AND flow_run_id = $2", wait_id, flow_run_id
    )


async def ended_run(database: asyncpg.Pool, wait_id: UUID) -> None:
    """Note that a run failed of the end of this wait: the next run waits again."""
    await database.execute("UPDATE waits SET ended_run = true WHERE id = $1 AND state <> 'waiting'", wait_id)


async def prune(database: asyncpg.Pool, older_than: timedelta) -> None:
    """Delete waits of flow runs that were over so long ago, and whose delivery is gone; those of a business stay."""
    await database.execute(
        """
        DELETE FROM waits WHERE id IN (
            SELECT w.id FROM waits w
            WHERE w.closed_at < now() - $1::interval AND w.scope = 'flow run ' || w.flow_run_id
              AND NOT EXISTS (SELECT FROM dispatches p WHERE p.id = w.dispatch_id OR p.flow_run_id = w.flow_run_id)
              AND NOT EXISTS (SELECT FROM waiting_runs r WHERE r.wait_id = w.id)
            ORDER BY w.closed_at LIMIT 10000)
        """,
        older_than,
    )


# ---- Reading ----

COLUMNS: Final = """
    w.id, w.kind, w.state, w.what, w.reason, w.name, w.scope, w.source, w.match, w.people, w.until, w.created_at,
    w.closed_at, w.since, w.answer, w.answered_by, w.answered_way, w.delivery_id, w.flow_run_id, w.dispatch_id, w.form,
    (SELECT p.delivery_id FROM dispatches p WHERE p.id = w.dispatch_id) AS waiting_delivery_id,
    (SELECT count(*) FROM waiting_runs r WHERE r.wait_id = w.id) AS runs"""


async def find(
    database: asyncpg.Pool, *, state: str | None = "waiting", kind: str | None = None, limit: int = 100
) -> list[dict[str, Any]]:
    """Return waits in a state, of a kind: those that are open the one that times out first, others the latest first."""
    rows = await database.fetch(
        f"""
        SELECT {COLUMNS} FROM waits w WHERE ($1::text IS NULL OR w.state = $1) AND ($2::text IS NULL OR w.kind = $2)
        ORDER BY w.state <> 'waiting', CASE WHEN w.state = 'waiting' THEN w.until END, w.closed_at DESC, w.seq LIMIT $3
        """,  # noqa: S608  (constants)
        state,
        kind,
        limit,
    )
    return [dict(row) for row in rows]


async def read(database: asyncpg.Pool, wait_id: UUID) -> dict[str, Any] | None:
    """Return a wait, with the `questions` that were put to people; None if there is none."""
    row = await database.fetchrow(f"SELECT {COLUMNS} FROM waits w WHERE w.id = $1", wait_id)  # noqa: S608
    if row is None:
        return None
    questions = await database.fetch(
        "SELECT person, sent_at, tries, error FROM questions WHERE wait_id = $1 ORDER BY person", wait_id
    )
    return {**row, "questions": [dict(question) for question in questions]}


async def with_prefix(database: asyncpg.Pool, prefix: str) -> list[UUID]:
    """Return the ids of waits that begin so; two at most."""
    low, high = prefix.ljust(32, "0"), prefix.ljust(32, "f")
    rows = await database.fetch(
        "SELECT id FROM waits WHERE id BETWEEN $1 AND $2 LIMIT 2", UUID(low), UUID(high)
    )
    return [row["id"] for row in rows]


async def of(
    database: asyncpg.Pool, *, dispatches: Collection[Row] = (), delivery_ids: Collection[UUID] = ()
) -> list[dict[str, Any]]:
    """Return the waits of these dispatches, and those that these deliveries have answered."""
    rows = await database.fetch(
        f"""
        SELECT {COLUMNS} FROM waits w WHERE w.id IN (
            SELECT id FROM waits WHERE dispatch_id = ANY($1)
            UNION SELECT id FROM waits WHERE flow_run_id = ANY($2)
            UNION SELECT wait_id FROM waiting_runs WHERE dispatch_id = ANY($1)
            UNION SELECT id FROM waits WHERE delivery_id = ANY($3))
        ORDER BY w.seq LIMIT 200
        """,  # noqa: S608  (constants)
        [row["id"] for row in dispatches],
        [row["flow_run_id"] for row in dispatches if row["flow_run_id"]],
        list(delivery_ids),
    )
    return [dict(row) for row in rows]


async def counts(database: "asyncpg.Pool | Connection", *, seconds: float | None = None) -> dict[str, int]:
    """Return the number of open waits of each kind."""
    rows = await database.fetch(
        "SELECT kind, count(*) AS number FROM waits WHERE state = 'waiting' GROUP BY kind", timeout=seconds
    )
    return {row["kind"]: row["number"] for row in rows}


async def unasked(database: "asyncpg.Pool | Connection", *, seconds: float | None = None) -> list[str]:
    """Return the people who could not be asked what a run waits for, each once with the reason."""
    rows = await database.fetch(
        """
        SELECT DISTINCT q.person, q.error FROM questions q JOIN waits w ON w.id = q.wait_id
        WHERE w.state = 'waiting' AND q.error IS NOT NULL ORDER BY q.person LIMIT 20
        """,
        timeout=seconds,
    )
    return [f"{row['person']} could not be asked: {row['error']}" for row in rows]


async def concerned(database: asyncpg.Pool, wait: Mapping[str, Any]) -> dict[str, str]:
    """Return whom and what a wait concerns, as the delivery of its run is labelled, by what each is."""
    row = await database.fetchrow(
        "SELECT label, about FROM dispatches WHERE id = $1 OR flow_run_id = $2 LIMIT 1",
        wait["dispatch_id"],
        wait["flow_run_id"],
    )
    return (
        {} if row is None else {"for": row["label"], **row["about"]} if row["label"] else dict(row["about"])
    )


def question(wait: Mapping[str, Any]) -> str:
    """Return what a person is asked, without who is asked: a name has no colon."""
    what: str = wait["what"]
    return what.partition(": ")[2] or what


def summary(value: Mapping[str, Any], form: Mapping[str, Any] | None = None) -> str:
    """Return an answer in a line, in the order of its form: PostgreSQL does not keep that of the answer."""
    fields = (form or {}).get("properties", {})
    names = sorted(value, key=lambda name: fields.get(name, {}).get("position", 0))
    return text.one_line(", ".join(f"{name}: {value[name]}" for name in names) or "yes", 200)
