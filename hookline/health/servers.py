"""Checks of the servers: PostgreSQL and the work in it, Prefect's encryption key, the gateway."""

import os
import shutil
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

import asyncpg

from hookline import credentials
from hookline.database import sizes
from hookline.database.connection import connect, prefect_database_url
from hookline.database.schema import head as current_schema
from hookline.database.sizes import Size
from hookline.errors import HooklineError
from hookline.health import running
from hookline.health.finding import CHECK_SECONDS, START, Finding, clock_finding, problem, redacted_line
from hookline.local_time import local_time
from hookline.settings import Settings

SWALLOWED_WITHIN: Final = timedelta(days=7)
LABELS: Final = 1_000
"""The latest dispatches whose labels are looked at."""
GROWN_DAYS: Final = 14
"""The latest days that tell how fast the databases grow."""
SHORTEST: Final = timedelta(hours=20)
"""The time between two sizes that tells it at the least."""
LASTS_DAYS: Final = 30
"""Days that the disk should last."""
MB: Final = 1_000_000


async def check_database(settings: Settings) -> list[Finding]:
    """Check PostgreSQL, its schema, and the work in it."""
    schema, work = "database schema", "open work"
    try:
        connection = await connect(settings)
    except HooklineError as error:
        skipped = [Finding(check, "skipped", "PostgreSQL does not answer") for check in (schema, work)]
        return [problem("PostgreSQL", error), *skipped]
    try:
        server = await _check_server(connection)
        revision = await _revision(connection)
        if revision != current_schema():
            detail = f"{revision or 'none'}; this version needs {current_schema()}"
            return [
                server,
                Finding(schema, "problem", detail, "Bring it up to date: python -m hookline.database"),
                Finding(work, "skipped", "the schema is not up to date"),
            ]
        return [
            server,
            Finding(schema, "ok", f"at {revision}, the latest"),
            await check_open_work(connection),
            *await check_repeats(connection),
            *await check_labels(connection),
            await check_credentials(connection),
            check_disk(settings, await sizes.latest(connection, GROWN_DAYS)),
            *running.check(await running.read(connection)),
        ]
    finally:
        await connection.close()


async def _check_server(connection: asyncpg.Connection) -> Finding:
    version = await connection.fetchval("SHOW server_version")
    before = datetime.now(UTC)
    there = await connection.fetchval("SELECT clock_timestamp()")
    here = before + (datetime.now(UTC) - before) / 2
    return clock_finding("PostgreSQL", version.split()[0], (there - here).total_seconds())


async def _revision(connection: asyncpg.Connection) -> str | None:
    try:
        return str(await connection.fetchval("SELECT version_num FROM alembic_version"))
    except asyncpg.UndefinedTableError:
        return None


async def check_open_work(connection: asyncpg.Connection) -> Finding:
    """Count what waits for a person, and name the paused sources."""
    rows = await connection.fetch(
        """
        SELECT 'inbox' AS place, state, count(*) AS n FROM deliveries
        WHERE state IN ('failed', 'uncertain', 'doubled', 'rejected')
              OR (state = 'held' AND source NOT IN (SELECT source FROM pauses))   -- its flow waits for an answer
        GROUP BY state
        UNION ALL SELECT 'effects', state, count(*) FROM effects
        WHERE state IN ('uncertain', 'doubled') GROUP BY state
        """
    )
    paused = await connection.fetch("SELECT source FROM pauses ORDER BY source")
    counts = {(row["place"], row["state"]): row["n"] for row in rows}
    return open_work(counts, [row["source"] for row in paused])


def open_work(counts: Mapping[tuple[str, str], int], paused: Sequence[str] = ()) -> Finding:
    """Return a finding for what waits for a person, by command and state, and for paused sources."""
    things = {"inbox": "deliveries", "effects": "effects"}
    waiting = [(place, state, n) for (place, state), n in sorted(counts.items()) if n]
    if not waiting and not paused:
        return Finding("open work", "ok", "nothing waits for a person")
    details = [f"{things[place]} {state}: {n}" for place, state, n in waiting]
    advice = [f"hookline {place} list --state {state}" for place, state, _ in waiting]
    details += [f"{source} is paused" for source in paused]
    advice += [f"hookline inbox resume {source}" for source in paused]
    return Finding("open work", "warning", ", ".join(details), "; ".join(advice))


def check_disk(settings: Settings, noted: Sequence[Size]) -> Finding:
    """
    Say how large the databases are, how fast they grow, and how long their disk lasts.

    Args:
        settings: say where the data is; the disk of a PostgreSQL of one's own cannot be seen from here.
        noted: the sizes that engines have noted, the oldest first.
    """
    check = "disk"
    if not noted:
        return Finding(check, "skipped", "how large the databases are is noted by an engine, each hour")
    there = f"the databases have {_mb(noted[-1].of_bytes)}"
    time = noted[-1].at - noted[0].at
    if time < SHORTEST:
        return Finding(check, "ok", f"{there}; how fast they grow is known after a day")
    a_day = (noted[-1].of_bytes - noted[0].of_bytes) / (time / timedelta(days=1))
    grew = f"{there} and grew by {_mb(a_day)} a day" if a_day > 0 else f"{there} and do not grow"
    if settings.database_url is not None:
        return Finding(check, "ok", f"{grew}; their disk is on the server of HOOKLINE_DATABASE_URL")
    free = max(0, shutil.disk_usage(settings.home).free - settings.min_free_mb * MB)
    if a_day <= 0:
        return Finding(check, "ok", f"{grew}; {_mb(free)} are free")
    days = free / a_day
    if days > LASTS_DAYS:
        return Finding(check, "ok", f"{grew}; {_mb(free)} are free: enough for {days:,.0f} days")
    return Finding(
        check,
        "warning",
        f"{grew}; {_mb(free)} are free: full in {days:,.0f} days, and then no delivery is accepted",
        "Give the disk more room, or store less: HOOKLINE_KEEP_DAYS, HOOKLINE_KEEP_BODIES_DAYS and "
        "HOOKLINE_KEEP_RUNS_DAYS.",
    )


def _mb(size: float) -> str:
    return f"{size / MB / 1000:,.1f} GB" if size >= 1000 * MB else f"{size / MB:,.1f} MB"


async def check_repeats(connection: asyncpg.Connection) -> list[Finding]:
    """Name the sources whose ids swallow deliveries: under one that was there came another body."""
    rows = await connection.fetch(
        """
        SELECT source, count(*) AS n FROM deliveries
        WHERE repeats_id IS NOT NULL AND received_at > now() - $1::interval GROUP BY source ORDER BY source
        """,
        SWALLOWED_WITHIN,
    )
    days = SWALLOWED_WITHIN.days
    return [
        Finding(
            f"ids of {row['source']}",
            "warning",
            f"deliveries in {days} days that came under the id of an earlier one with another body, and were set "
            f"aside: {row['n']}",
            f"Look at them (hookline inbox list --source {row['source']} --state discarded). If they are deliveries "
            "of their own, let `id` of the source name what tells them apart, or set `repeats: by-body`, and replay "
            "them.",
        )
        for row in rows
    ]


async def check_labels(connection: asyncpg.Connection) -> list[Finding]:
    """Name the routes whose `label` or `about` could not be rendered for some of the latest dispatches."""
    rows = await connection.fetch(
        """
        SELECT route, count(*) AS n, (array_agg(label_problem ORDER BY seq DESC))[1] AS latest
        FROM (SELECT seq, route, label_problem FROM dispatches ORDER BY seq DESC LIMIT $1) AS d
        WHERE label_problem IS NOT NULL GROUP BY route ORDER BY route
        """,
        LABELS,
    )
    return [
        Finding(
            f"label of {row['route']}",
            "warning",
            f"of the latest {LABELS:,} dispatches, those of which a part of the label is missing: {row['n']}; "
            f"the last: {row['latest']}",
            f"Correct `label` or `about` of the route {row['route']} in hooks.yaml; where a body may lack a name, say "
            "so: {{ body.name | default('') }}",
        )
        for row in rows
    ]


async def check_credentials(connection: asyncpg.Connection) -> Finding:
    """Name the blocks whose credentials their vendor refuses, as the last run of credential-check found them."""
    check, known = "credentials", await credentials.read(connection)
    refused = [each for each in known.values() if each.result == "refused"]
    if not known:
        return Finding(check, "skipped", "credential-check has not run yet")
    if not refused:
        return Finding(check, "ok", f"no block is refused, of {len(known)}")
    details = [
        f"{each.account} since {local_time(each.since, seconds=False) if each.since else 'the first check'}: "
        f"{each.detail}"
        for each in refused
    ]
    return Finding(
        check,
        "problem",
        "refused: " + "; ".join(details),
        "Correct the block in the Prefect UI, or the environment and then: hookline apply",
    )


async def check_encryption_key(settings: Settings) -> list[Finding]:
    """Check that the key with which Prefect encrypts credentials is not in the database beside them."""
    check = "encryption key"
    if not settings.has_own_prefect:
        return [Finding(check, "skipped", "the Prefect server of PREFECT_API_URL has its own")]
    if not os.environ.get("PREFECT_SERVER_ENCRYPTION_KEY"):
        detail = "PREFECT_SERVER_ENCRYPTION_KEY is empty, so Prefect stores the key beside what it encrypts"
        return [Finding(check, "problem", detail, "Remove the empty variable.")]
    stored = await _is_key_in_database(settings)
    if stored is None:
        return [Finding(check, "ok", "set; Prefect's database could not be read")]
    if stored:
        detail = (
            "there is one in Prefect's database, from a server that ran without PREFECT_SERVER_ENCRYPTION_KEY"
        )
        advice = "Change the credentials that were saved at that time, and save them again."
        return [Finding(check, "warning", detail, advice)]
    return [Finding(check, "ok", "set, and not in the database")]


async def _is_key_in_database(settings: Settings) -> bool | None:
    """Return True if Prefect has made a key of its own; None if its database cannot be read."""
    url = prefect_database_url(settings)
    if not url.startswith("postgresql+asyncpg://"):
        return None
    try:
        connection = await asyncpg.connect(url.replace("+asyncpg", "", 1), timeout=CHECK_SECONDS)
    except (OSError, asyncpg.PostgresError):
        return None
    try:
        return bool(
            await connection.fetchval("SELECT count(*) FROM configuration WHERE key = 'ENCRYPTION_KEY'")
        )
    except asyncpg.UndefinedTableError:
        return False
    finally:
        await connection.close()


async def check_gateway(settings: Settings) -> list[Finding]:
    """Check that the gateway answers that it is ready."""
    import httpx  # not for the pages and `/metrics`

    url = f"{settings.gateway_url}/readyz"
    try:
        async with httpx.AsyncClient(trust_env=False, timeout=CHECK_SECONDS) as client:
            response = await client.get(url)
    except httpx.HTTPError as error:
        detail = f"{url} does not answer: {redacted_line(error) or type(error).__name__}"
        return [Finding("gateway", "problem", detail, START)]
    if response.is_success:
        return [Finding("gateway", "ok", f"ready at {settings.gateway_url}")]
    detail = f"{url} answers {response.status_code}: {redacted_line(response.text)[:200]}"
    advice = "See the gateway's log, and check which other program uses the port."
    return [Finding("gateway", "problem", detail, advice)]
