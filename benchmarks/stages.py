"""
The stages of an order with its own flow run: when each was reached, at one order a second.

The times are those that PostgreSQL, the Prefect server and Jiwa's simulator recorded, all by this machine's clock.

    python -m benchmarks.stages [--orders 40] [--json] [--write]
"""

import asyncio
import statistics
from collections.abc import Mapping
from typing import TYPE_CHECKING

from rich.progress import Progress

from benchmarks import report
from hookline.cli.output import console
from hookline.database.connection import close_pool, pool
from hookline.database.types import Row
from hookline.sandbox.paid_orders import PaidOrders, Timing, measured_sandbox, webhooks
from hookline.sandbox.stack import SandboxStack

if TYPE_CHECKING:
    from prefect.client.schemas.objects import FlowRun

MAX = 200
"""Flow runs that Prefect returns at once."""
STAGES = (
    "on disk in the inbox, and acknowledged from then on",
    "routed, and claimed by the engine",
    "its flow run made at Prefect, as Running",
    "first vendor call",
    "last vendor call",
    "its flow run Completed at Prefect",
    "done in the inbox",
)


async def measure(sandbox: SandboxStack, progress: Progress, number: int) -> list[list[float]]:
    """Return for each order the milliseconds from its request until each stage."""
    try:
        async with PaidOrders.of(sandbox, progress) as orders, webhooks(sandbox) as webhook:
            await orders.warm_up(webhook)
            timings = await orders.paced("one order a second", webhook, number, rate=1)
            await asyncio.sleep(2)  # until the last one is done in the inbox, too
            return await _reached(sandbox, {timing.invoice: timing for timing in timings})
    finally:
        await close_pool()


async def _reached(sandbox: SandboxStack, timings: Mapping[str, Timing]) -> list[list[float]]:
    from prefect.client.orchestration import get_client  # Prefect's settings
    from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId

    database = await pool(sandbox.settings)
    rows = await database.fetch(
        """
        SELECT d.received_at, p.parameters ->> 'invoice_id' AS invoice, p.started_at, p.finished_at, p.flow_run_id
        FROM dispatches p JOIN deliveries d ON d.id = p.delivery_id
        WHERE p.parameters ->> 'invoice_id' = ANY($1)
        """,
        list(timings),
    )
    ours = FlowRunFilter(id=FlowRunFilterId(any_=[row["flow_run_id"] for row in rows]))
    async with get_client() as client:
        runs = {run.id: run for run in await client.read_flow_runs(flow_run_filter=ours)}
    return [_stages(timings[row["invoice"]], row, runs[row["flow_run_id"]]) for row in rows]


def _stages(timing: Timing, row: Row, run: "FlowRun") -> list[float]:
    before = [row["received_at"], row["started_at"], run.created]
    behind = [run.end_time, row["finished_at"]]
    at = [
        *(moment.timestamp() for moment in before),
        timing.first,
        timing.last,
        *(moment.timestamp() for moment in behind),
    ]
    return [1000 * (each - timing.due) for each in at]


def as_rows(reached: list[list[float]]) -> list[tuple[str, float, float]]:
    """Return each stage, when it was reached and how long it took; medians, in milliseconds."""
    at = [statistics.median(times) for times in zip(*reached, strict=True)]
    return [(name, now, now - before) for name, now, before in zip(STAGES, at, [0.0, *at[:-1]], strict=True)]


def as_text(reached: list[list[float]]) -> str:
    """Return the figures in Markdown."""
    rows = [[name, f"{now:.0f}", f"{took:.0f}"] for name, now, took in as_rows(reached)]
    return report.table([f"p50 of {len(reached)} orders", "ms since it was sent", "of these"], rows)


def main() -> None:
    """Measure, print, and with `--write` put it into the docs."""
    parser = report.parser(__doc__)
    parser.add_argument("--orders", type=int, default=40)
    options = parser.parse_args()
    if not 1 <= options.orders <= MAX:
        parser.error(f"--orders must be from 1 to {MAX}")
    out = console(stderr=options.json)
    with measured_sandbox(out) as (sandbox, progress):
        reached = asyncio.run(measure(sandbox, progress, options.orders))
    data = {name: round(now, 1) for name, now, _ in as_rows(reached)}
    report.publish("stages", as_text(reached), data, out, options)


if __name__ == "__main__":
    main()
