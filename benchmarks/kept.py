"""
The cost of an order, and of looking for one, by how much the inbox and the journal keep.

What is kept are copies of a real order that this sandbox did: its delivery, its dispatch, its effects and its audit
trail, under other ids, keys and names, of the last sixty days. They are written by PostgreSQL without the triggers,
which wrote the original. A million take 10 GB and eight minutes.

    python -m benchmarks.kept [--orders 0 10000 100000 1000000] [--quick] [--json] [--write]
"""

import asyncio
import dataclasses
import statistics
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Self

import asyncpg
import httpx
from rich.progress import Progress

from benchmarks import processes, report
from hookline import runtime
from hookline.cli.output import console
from hookline.database.connection import close_pool, database_url
from hookline.sandbox.paid_orders import (
    PaidOrders,
    Trigger,
    measured_sandbox,
    milliseconds,
    per_second,
    webhooks,
)
from hookline.sandbox.stack import SandboxStack

KEPT = (0, 10_000, 100_000, 1_000_000)
AT_ONCE, PACED = 200, 15
"""Orders of a burst, and orders that come one a second."""
AT_A_TIME = 10_000
"""Orders that one statement copies."""
TIMES = 5
"""How often is looked; the median counts."""

_COPY = """
WITH given AS (SELECT n, md5('delivery ' || n)::uuid AS delivery, md5('dispatch ' || n)::uuid AS dispatch,
                      md5('run ' || n)::uuid AS run, now() - (n % 86400) * interval '60 s' AS at
               FROM generate_series($2::int, $3::int) AS n)
"""
_TABLES = ("deliveries", "dispatches", "effects", "changes")
_OTHER = {
    "deliveries": {"id": "g.delivery", "external_id": "'kept ' || g.n", "received_at": "g.at"},
    "dispatches": {
        "id": "g.dispatch",
        "delivery_id": "g.delivery",
        "key": "'jiwa order kept' || g.n",
        "label": "'order K' || g.n || ' · Customer ' || g.n % 50",
        "about": "jsonb_build_object('order', 'K' || g.n, 'customer', g.n % 50)",
        "flow_run_id": "g.run",
        "created_at": "g.at",
        "started_at": "g.at",
        "finished_at": "g.at",
    },
    "effects": {
        "key": "'kept' || g.n",
        "label": "'order K' || g.n",
        "reference": "ARRAY(SELECT 'K' || g.n || ' ' || one FROM unnest(t.reference) AS one)",
        "depends_on": "ARRAY(SELECT 'K' || g.n || ' ' || one FROM unnest(t.depends_on) AS one)",
        "flow_run_id": "g.run",
        "dispatch_id": "g.dispatch",
        "created_at": "g.at",
        "finished_at": "g.at",
    },
    "changes": {"at": "g.at", "delivery_id": "g.delivery", "dispatch_id": "g.dispatch"},
}
"""The columns in which a copy differs."""
_OF_ONE = {
    "deliveries": "t.id = $1",
    "dispatches": "t.delivery_id = $1",
    "effects": "t.dispatch_id IN (SELECT id FROM dispatches WHERE delivery_id = $1)",
    "changes": "t.delivery_id = $1",
}


@dataclass(frozen=True)
class Result:
    """The figures with so many orders kept."""

    kept: int
    megabytes: int
    at_once: float
    """Orders a second."""
    processor: dict[str, float]
    """Milliseconds an order of the burst, by process."""
    first_ms: float
    """From the webhook to the first vendor call, one order a second; the median, as all below."""
    list_ms: float
    find_ms: float
    trace_ms: float
    page_ms: float
    find_on_page_ms: float


class Copies:
    """The copies of one order in a sandbox's database."""

    def __init__(self, connection: asyncpg.Connection, progress: Progress) -> None:
        self.connection = connection
        self.progress = progress
        self.number = 0

    async def make(self, number: int) -> None:
        """Copy an order until there are so many copies."""
        original = await self.connection.fetchval(
            "SELECT delivery_id FROM dispatches WHERE state = 'done' AND route = 'jiwa-order' ORDER BY seq LIMIT 1"
        )
        copying = self.progress.add_task(f"copying an order to {number:,}", total=number - self.number)
        statements = [await self._statement(table) for table in _TABLES]
        await self.connection.execute("SET session_replication_role = replica")
        while self.number < number:
            last = min(self.number + AT_A_TIME, number)
            for statement in statements:
                await self.connection.execute(statement, original, self.number + 1, last)
            self.progress.advance(copying, last - self.number)
            self.number = last
        await self.connection.execute("VACUUM ANALYZE")
        self.progress.remove_task(copying)

    async def _statement(self, table: str) -> str:
        rows = await self.connection.fetch(
            """
            SELECT column_name FROM information_schema.columns
            WHERE table_schema = 'public' AND table_name = $1 AND is_identity = 'NO' AND is_generated = 'NEVER'
            """,
            table,
        )
        columns = [row["column_name"] for row in rows]
        values = [_OTHER[table].get(column, f"t.{column}") for column in columns]
        return (
            f"{_COPY} INSERT INTO {table} ({', '.join(columns)}) "  # noqa: S608  (our own names)
            f"SELECT {', '.join(values)} FROM given g CROSS JOIN {table} t WHERE {_OF_ONE[table]} ORDER BY g.n"
        )


async def measure(sandbox: SandboxStack, progress: Progress, sizes: list[int], at_once: int) -> list[Result]:
    """Measure with each of these numbers of orders kept, in a growing order."""
    connection = await asyncpg.connect(database_url(sandbox.settings))
    try:
        async with PaidOrders.of(sandbox, progress) as orders, webhooks(sandbox) as webhook:
            await orders.warm_up(webhook)
            copies, results = Copies(connection, progress), []
            for kept in sizes:
                await copies.make(kept)
                results.append(await _measured(sandbox, connection, orders, webhook, kept, at_once))
            return results
    finally:
        await connection.close()
        await close_pool()


async def _measured(
    sandbox: SandboxStack,
    connection: asyncpg.Connection,
    orders: PaidOrders,
    webhook: Trigger,
    kept: int,
    at_once: int,
) -> Result:
    paced = await orders.paced(f"{kept:,} kept, one a second", webhook, PACED, rate=1)
    before = processes.cpu_seconds()
    burst = await orders.at_once(f"{kept:,} kept, at once", webhook, at_once)
    used = processes.cpu_since(before)
    name = f"K{kept // 2}" if kept else burst[0].invoice
    size = await connection.fetchval("SELECT pg_database_size(current_database())")
    async with InboxPage.of(sandbox) as page:
        return Result(
            kept=kept,
            megabytes=round(size / 1e6),
            at_once=round(per_second(burst), 1),
            processor={each: round(1000 * seconds / at_once, 1) for each, seconds in used.items()},
            first_ms=milliseconds([each.to_first for each in paced], 50),
            list_ms=await _median(lambda: _command("inbox", "list")),
            find_ms=await _median(lambda: _command("inbox", "list", "--key", name)),
            trace_ms=await _median(lambda: _command("trace", name)),
            page_ms=await _median(lambda: page.get("/")),
            find_on_page_ms=await _median(lambda: page.get(f"/?key={name}")),
        )


class InboxPage:
    """The inbox page, as somebody sees it who has logged in."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self.http = http

    @classmethod
    @asynccontextmanager
    async def of(cls, sandbox: SandboxStack) -> AsyncIterator[Self]:
        """Log in at a sandbox."""
        url = sandbox.settings.gateway_url
        async with httpx.AsyncClient(base_url=url, headers={"Origin": url}, timeout=60) as http:
            token = runtime.local_secret(sandbox.settings.home, "admin-token")
            await http.post("/login", data={"token": token})
            yield cls(http)

    async def get(self, path: str) -> None:
        """Read a page; raises httpx.HTTPStatusError where it is none."""
        (await self.http.get(path)).raise_for_status()


async def _command(*arguments: str) -> None:
    """Run a command in a process of its own, as a person does."""
    await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "hookline", *arguments],
        check=True,
        stdout=subprocess.DEVNULL,
    )


async def _median(work: Callable[[], Awaitable[None]]) -> float:
    """Return the median of the milliseconds that some work takes."""
    took = []
    for _ in range(TIMES):
        began = time.perf_counter()
        await work()
        took.append(1000 * (time.perf_counter() - began))
    return round(statistics.median(took), 1)


def as_text(results: list[Result]) -> str:
    """Return the figures in Markdown."""
    head = [
        "orders kept",
        "MB",
        "at once, a second",
        "PostgreSQL, ms an order",
        "engine, ms an order",
        "first call p50 ms",
        "`hookline inbox list` ms",
        "one of them by name ms",
        "`hookline trace` ms",
        "inbox page ms",
        "one of them by name ms",
    ]
    rows = [
        [
            f"{each.kept:,}",
            f"{each.megabytes:,}",
            f"{each.at_once:g}",
            f"{each.processor.get('PostgreSQL', 0):.0f}",
            f"{each.processor.get('engine', 0):.0f}",
            *(
                f"{value:.0f}"
                for value in (
                    each.first_ms,
                    each.list_ms,
                    each.find_ms,
                    each.trace_ms,
                    each.page_ms,
                    each.find_on_page_ms,
                )
            ),
        ]
        for each in results
    ]
    return report.table(head, rows)


def main() -> None:
    """Measure, print, and with `--write` put it into the docs."""
    parser = report.parser(__doc__)
    parser.add_argument("--orders", type=int, nargs="+", default=list(KEPT))
    options = report.with_quick(parser)
    sizes, at_once = ([0, 100], 10) if options.quick else (sorted(options.orders), AT_ONCE)
    out = console(stderr=options.json)
    with measured_sandbox(out) as (sandbox, progress):
        results = asyncio.run(measure(sandbox, progress, sizes, at_once))
    data = [dataclasses.asdict(each) for each in results]
    report.publish("kept", as_text(results), data, out, options)


if __name__ == "__main__":
    main()
