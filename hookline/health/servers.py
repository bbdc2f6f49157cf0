"""Checks of the servers: PostgreSQL and the work in it, Prefect's encryption key, the gateway."""

import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

import asyncpg

from hookline.database.connection import connect, prefect_database_url
from hookline.database.migrate import head as current_schema
from hookline.errors import HooklineError
from hookline.health import running
from hookline.health.finding import CHECK_SECONDS, START, Finding, clock_finding, problem, redacted_line
from hookline.settings import Settings

SWALLOWED_WITHIN: Final = timedelta(days=7)


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
