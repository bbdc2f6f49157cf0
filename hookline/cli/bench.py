"""`hookline bench`: measure the main job, the same flow without Hookline, and the bare vendor calls."""

import asyncio
from typing import Annotated

from cyclopts import Parameter
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from hookline.cli.output import AsJson, console, print_json
from hookline.sandbox.paid_orders import (
    PaidOrders,
    bare_calls,
    in_process,
    measured_sandbox,
    milliseconds,
    per_second,
    webhooks,
)
from hookline.sandbox.stack import SandboxStack

CONCURRENCY = 8
FEW = 20
"""Orders at once that start no batch: some run at once, so that fewer wait than a batch needs."""


def bench(
    *,
    orders: Annotated[int, Parameter(help="Orders at light load, one a second.")] = 30,
    burst: Annotated[int, Parameter(help="Orders at once, as a backlog.")] = 300,
    as_json: AsJson = False,
) -> None:
    """
    Measure acknowledgement, first and last vendor call, and orders a second, beside the bare calls.

    Everything runs in a throwaway sandbox. Compare the ratios, not the times, of different runs or machines.
    Run it on a machine that does nothing else.

    Try:
        hookline bench
        hookline bench --orders 60 --burst 300 --json
    """
    out = console(stderr=as_json)
    with measured_sandbox(out, HOOKLINE_ENGINE_CONCURRENCY=str(CONCURRENCY)) as (sandbox, progress):
        result = asyncio.run(_measure(sandbox, orders, burst, progress))
    _show(out, result)
    if as_json:
        print_json(result)


async def _measure(sandbox: SandboxStack, orders: int, burst: int, progress: Progress) -> dict[str, float]:
    async with PaidOrders.of(sandbox, progress) as paid:
        async with webhooks(sandbox) as webhook:
            await paid.warm_up(webhook)
            light = await paid.paced("one order a second", webhook, orders, rate=1)
            few = await paid.at_once(f"{FEW} orders at once", webhook, FEW)
            many = await paid.at_once(f"{burst} orders at once", webhook, burst)
        async with in_process() as flow:
            await paid.at_once("warming up the flow in this process", flow, 1)
            direct = await paid.at_once("the flow in this process", flow, FEW, most=CONCURRENCY)
        # One after another: ten a second leaves each of them time.
        bare = await paid.paced("the bare calls", bare_calls(paid.jiwa), orders, rate=10)
    ack = [order.to_triggered for order in light]
    last = [order.to_last for order in light]
    return {
        "ack_ms_p50": milliseconds(ack, 50),
        "ack_ms_p99": milliseconds(ack, 99),
        "first_call_ms_p50": milliseconds([order.to_first for order in light], 50),
        "last_call_ms_p50": milliseconds(last, 50),
        "last_call_ms_p95": milliseconds(last, 95),
        "own_runs_orders_per_second": round(per_second(few), 2),
        "orders_per_second": round(per_second(many), 2),
        "in_process_orders_per_second": round(per_second(direct), 2),
        "bare_calls_ms_p50": milliseconds([order.to_triggered for order in bare], 50),
    }


def _show(out: Console, result: dict[str, float]) -> None:
    bare, in_process = result["bare_calls_ms_p50"], result["in_process_orders_per_second"]
    table = Table(box=None, header_style="bold")
    for column in ("", "p50", "p95 or p99", "times the bare calls"):
        table.add_column(column, justify="left" if not column else "right")
    table.add_row("webhook acknowledged", f"{result['ack_ms_p50']} ms", f"{result['ack_ms_p99']} ms", "")
    table.add_row("first vendor call", f"{result['first_call_ms_p50']} ms", "", "")
    last = result["last_call_ms_p50"]
    table.add_row("last vendor call", f"{last} ms", f"{result['last_call_ms_p95']} ms", f"{last / bare:.1f}")
    table.add_row("the bare calls", f"{bare} ms", "", "1.0")
    out.print(table)
    few, many = result["own_runs_orders_per_second"], result["orders_per_second"]
    out.print(f"\norders a second, of the same flow awaited in one process: {in_process}")
    out.print(f"orders a second, {FEW} at once: {few}, that is {few / in_process:.2f} times as many")
    out.print(f"orders a second, in a backlog: {many}, that is {many / in_process:.2f} times as many")
