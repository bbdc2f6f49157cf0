"""
The growth of the databases with each order, by what is stored: before and after so many orders in a sandbox.

Counted are the files of each table with its indexes, after PostgreSQL has vacuumed, and the results that Prefect stores
beside it. What retention deletes after its days is in it: the growth of the first month.

    python -m benchmarks.growth [--orders 2000] [--batches-off] [--quick] [--json] [--write]
"""

import asyncio
import dataclasses
from collections import Counter
from dataclasses import dataclass

import asyncpg
from rich.progress import Progress

from benchmarks import report, systems
from hookline.cli.output import console
from hookline.database.connection import database_url, prefect_postgres_url
from hookline.sandbox.paid_orders import PaidOrders, measured_sandbox, webhooks
from hookline.sandbox.stack import SandboxStack

GOOD = frozenset({"effects", "compensation_steps"})
"""Tables that are never pruned."""
SHOWN = 8
WRITTEN_SECONDS = 10
"""The time in which Prefect writes the last task runs, logs and events."""
SIZES = """
SELECT relname, pg_total_relation_size(oid) AS bytes FROM pg_class
WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace
"""

Sizes = dict[tuple[str, str], int]
"""Bytes by database and table."""


@dataclass(frozen=True)
class Result:
    """The results."""

    orders: int
    grown: Sizes
    """Bytes that came with these orders."""

    def an_order(self, *databases: str, tables: frozenset[str] = frozenset()) -> float:
        """Return the kilobytes an order in these databases; only of these tables, if any are named."""
        found = (
            grown
            for (database, table), grown in self.grown.items()
            if database in databases and (not tables or table in tables)
        )
        return sum(found) / self.orders / 1000


async def measure(sandbox: SandboxStack, progress: Progress, number: int) -> Result:
    """Run the orders, and compare."""
    async with PaidOrders.of(sandbox, progress) as orders, webhooks(sandbox) as webhook:
        await orders.warm_up(webhook)
        before = await sizes(sandbox)
        await orders.at_once(f"{number} orders", webhook, number)
        after = await sizes(sandbox)
    grown = {place: size - before.get(place, 0) for place, size in after.items()}
    return Result(number, {place: size for place, size in grown.items() if size > 0})


async def sizes(sandbox: SandboxStack) -> Sizes:
    """Return the size of each table, when all is written."""
    await asyncio.sleep(WRITTEN_SECONDS)
    found: Sizes = {}
    addresses = {
        "Hookline": database_url(sandbox.settings),
        "Prefect": prefect_postgres_url(sandbox.settings) or "",
    }
    for database, address in addresses.items():
        connection = await asyncpg.connect(address)
        try:
            await connection.execute("VACUUM")
            found |= {(database, row["relname"]): row["bytes"] for row in await connection.fetch(SIZES)}
        finally:
            await connection.close()
    return found


def as_text(result: Result, *, batch: bool) -> str:
    """Return the figures in Markdown."""
    largest = Counter(result.grown).most_common(SHOWN)
    rows = [
        [database, f"`{table}`", f"{grown / result.orders / 1000:.1f}"]
        for (database, table), grown in largest
    ]
    how = "many of them together in shared flow runs" if batch else "each with a flow run of its own"
    own, good, prefects = (
        result.an_order("Hookline"),
        result.an_order("Hookline", tables=GOOD),
        result.an_order("Prefect"),
    )
    sentence = (
        f"After {result.orders:,} orders at once, {how}: {own:.0f} KB an order in Hookline's database, {good:.0f} KB "
        f"of them for good, and {prefects:.0f} KB in Prefect's."
    )
    return f"{report.table(['database', 'table, with its indexes', 'KB an order'], rows)}\n\n{sentence}"


def main() -> None:
    """Measure, print, and with `--write` put it into the docs."""
    parser = report.parser(__doc__)
    parser.add_argument("--orders", type=int, default=2000)
    parser.add_argument("--batches-off", action="store_true", help="a flow run for each order; takes long")
    options = report.with_quick(parser)
    out = console(stderr=options.json)
    backlog = systems.batch_backlog(batch=not options.batches_off)
    with measured_sandbox(out, HOOKLINE_BATCH_BACKLOG=backlog) as (sandbox, progress):
        result = asyncio.run(measure(sandbox, progress, 20 if options.quick else options.orders))
    text = as_text(result, batch=not options.batches_off)
    data = dataclasses.asdict(result) | {"grown": [[*place, size] for place, size in result.grown.items()]}
    report.publish("growth" if not options.batches_off else "growth, a run each", text, data, out, options)


if __name__ == "__main__":
    main()
