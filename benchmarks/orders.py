"""
The main benchmark: latency and throughput of orders, beside stock Prefect and the bare calls, in one sandbox.

The main job: the webhook of a paid order, and the vendor calls that follow from it until its note is on the order.
Times are read from the log of requests of Jiwa's simulator, the same for all; a time counts from the moment the
order was due, so that a slow driver makes nothing look faster.

It takes ten minutes, on a machine that does nothing else.

    python -m benchmarks.orders [--quick] [--json] [--write]
"""

import asyncio
import random
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field

from rich.progress import Progress

from benchmarks import processes, report, systems
from benchmarks.systems import CONCURRENCY
from hookline.cli.output import console
from hookline.sandbox.paid_orders import (
    PaidOrders,
    Timing,
    Trigger,
    bare_calls,
    in_process,
    measured_sandbox,
    milliseconds,
    per_second,
)
from hookline.sandbox.stack import SandboxStack

SEED = 1
ENGINES = {"Hookline": True, "Hookline, batches off": False}
"""The engines, and whether they use batches."""
SERVED, WORKER = "Prefect's `serve()`", "Prefect's process worker"
DBOS = "the bare calls as DBOS steps"
IN_PROCESS, BARE = "the flow in one process", "the bare calls"


@dataclass(frozen=True)
class Size:
    """The size of a measurement."""

    light: int
    burst: int
    batch_burst: int
    """Orders at once, enough for batches."""
    stock: int
    """Orders of both loads of stock Prefect, which needs two to four seconds for one."""
    stock_pause: float
    """Longest pause before an order at stock Prefect, in seconds: its default poll interval."""


WHOLE = Size(
    light=40,
    burst=100,
    batch_burst=600,
    stock=8,
    stock_pause=10,
)
QUICK = Size(light=3, burst=5, batch_burst=10, stock=2, stock_pause=1)


@dataclass
class Measured:
    """The timings of one system."""

    system: str
    light: list[Timing]
    """Orders one a second; at stock Prefect one after another."""
    burst: list[Timing]
    cpu: dict[str, float] = field(default_factory=dict)
    """Processor time of the burst in seconds, by process name."""

    @property
    def figures(self) -> dict[str, float]:
        """The figures, in milliseconds and orders a second."""
        times = {
            "first_call": [each.to_first for each in self.light],
            "last_call": [each.to_last for each in self.light],
        }
        if self.system not in (IN_PROCESS, BARE):  # these return only when the order is done
            times["ack"] = [each.to_triggered for each in self.light]
        return {
            **{
                f"{part}_ms_p{p}": milliseconds(seconds, p)
                for part, seconds in times.items()
                for p in (50, 95)
            },
            "orders_per_second": round(per_second(self.burst), 2),
        }

    @property
    def cpu_an_order(self) -> dict[str, float]:
        """The processor time of an order in milliseconds, the largest first."""
        cost = {name: round(1000 * seconds / len(self.burst), 1) for name, seconds in self.cpu.items()}
        return dict(sorted(cost.items(), key=lambda item: -item[1]))


@dataclass
class Result:
    """The results of all systems."""

    systems: list[Measured] = field(default_factory=list)

    def as_json(self) -> dict[str, object]:
        """Return the results as JSON values."""
        return {
            "systems": {each.system: each.figures for each in self.systems},
            "cpu_ms_an_order": {each.system: each.cpu_an_order for each in self.systems if each.cpu},
        }


class _Measurement:
    """A sandbox, in which one system after another gets the same work."""

    def __init__(self, sandbox: SandboxStack, orders: PaidOrders, size: Size) -> None:
        self.sandbox = sandbox
        self.orders = orders
        self.size = size
        self.result = Result()

    async def all(self) -> Result:
        """Measure everything."""
        for name, batch in ENGINES.items():
            async with systems.hookline(self.sandbox, batch=batch) as webhook:
                burst = self.size.batch_burst if batch else self.size.burst
                await self._system(name, webhook, burst)
        await self._stock(SERVED, systems.served(self.sandbox))
        await self._stock(WORKER, systems.worker(self.sandbox))
        async with in_process() as flow:
            await self._system(IN_PROCESS, flow, self.size.burst)
        async with systems.dbos(self.sandbox) as durable:
            await self._system(DBOS, durable, self.size.batch_burst)
        await self._system(BARE, bare_calls(self.orders.jiwa), self.size.burst)
        return self.result

    async def _system(self, name: str, trigger: Trigger, burst: int) -> None:
        # A system without a queue gets as many at a time as the engine runs.
        most = CONCURRENCY if name in (IN_PROCESS, BARE) else None
        await self.orders.warm_up(trigger, most=most)
        light = await self.orders.paced(f"{name}: one a second", trigger, self.size.light, rate=1)
        before = processes.cpu_seconds()
        many = await self.orders.at_once(f"{name}: {burst} at once", trigger, burst, most=most)
        cpu = processes.cpu_since(before) if name in (*ENGINES, DBOS) else {}
        self.result.systems.append(Measured(name, light, many, cpu))

    async def _stock(self, name: str, system: AbstractAsyncContextManager[Trigger]) -> None:
        """Measure stock Prefect; its light load is one order after another, for one a second is too many."""
        pauses = random.Random(SEED)  # noqa: S311  (so that orders come at different times between two polls)
        async with system as trigger:
            await self.orders.at_once(f"{name}: warming up", trigger, 1)
            light = []
            for number in range(self.size.stock):
                await asyncio.sleep(pauses.uniform(0, self.size.stock_pause))
                what = f"{name}: {number + 1} of {self.size.stock}, one after another"
                light += await self.orders.at_once(what, trigger, 1)
            many = await self.orders.at_once(f"{name}: {self.size.stock} at once", trigger, self.size.stock)
        self.result.systems.append(Measured(name, light, many))


async def measure(sandbox: SandboxStack, progress: Progress, size: Size) -> Result:
    """Measure all systems, one after another."""
    with systems.own_engine_paused(sandbox):
        async with PaidOrders.of(sandbox, progress) as orders:
            return await _Measurement(sandbox, orders, size).all()


def as_text(result: Result) -> str:
    """Return the figures in Markdown."""
    served = next(each for each in result.systems if each.system == SERVED)
    rows = [_row(each, per_second(served.burst)) for each in result.systems]
    head = ["", "orders", "ack p50 ms", "p95", "first call p50 ms", "p95", "last call p50 ms", "p95"]
    systems_table = report.table([*head, "at once, a second", "times `serve()`"], rows)
    return f"{systems_table}\n\n{_cpu_table(result)}"


def _cpu_table(result: Result) -> str:
    """Return a table of the processor time of an order, by process name."""
    measured = [each for each in result.systems if each.cpu]
    names = [name for each in measured for name, cost in each.cpu_an_order.items() if cost >= 1]
    rows = [
        [name, *(f"{each.cpu_an_order.get(name, 0):.0f}" for each in measured)]
        for name in dict.fromkeys(names)
    ]
    rows.append(["together", *(f"{sum(each.cpu_an_order.values()):.0f}" for each in measured)])
    return report.table(["processor, ms an order at once", *(each.system for each in measured)], rows)


def _row(measured: Measured, served: float) -> list[str]:
    figures = measured.figures
    times = [
        f"{figures[name]:.0f}" if (name := f"{part}_ms_p{percentile}") in figures else ""
        for part in ("ack", "first_call", "last_call")
        for percentile in (50, 95)
    ]
    orders = f"{len(measured.light)} + {len(measured.burst)}"
    rate = figures["orders_per_second"]
    return [measured.system, orders, *times, f"{rate:.3g}", f"{rate / served:.3g}"]


def main() -> None:
    """Measure, print, and with `--write` put it into the docs."""
    options = report.options_with_quick(__doc__)
    out = console(stderr=options.json)
    with measured_sandbox(out, HOOKLINE_ENGINE_CONCURRENCY=str(CONCURRENCY)) as (sandbox, progress):
        result = asyncio.run(measure(sandbox, progress, QUICK if options.quick else WHOLE))
    report.publish("orders", as_text(result), result.as_json(), out, options)


if __name__ == "__main__":
    main()
