"""
What more engines and a second Prefect server give: the main job on several machines, all of them this one.

All share its processors, so the rates say little about real machines. What does is the processor time of an order by
process: a process that has one core is full at a thousand milliseconds divided by it.

    python -m benchmarks.growing [--quick] [--json] [--write]
"""

import asyncio
import os
from dataclasses import dataclass, field
from pathlib import Path

from rich.progress import Progress

from benchmarks import processes, report
from benchmarks.machines import Machines, machines, seen_from_outside
from hookline.cli.output import console
from hookline.sandbox.paid_orders import PaidOrders, Timing, Trigger, milliseconds, per_second, webhooks

PAGE = Path(__file__).parents[1] / "docs" / "growing.md"
NO_BATCHES = {"HOOKLINE_BATCH_BACKLOG": "0"}
FEW_MS = 0.5
"""A process that needs less of an order is left out."""


@dataclass(frozen=True)
class Step:
    """So many engines and Prefect servers."""

    engines: int
    prefects: int

    def __str__(self) -> str:
        engines = f"{self.engines} engine{'s' * (self.engines > 1)}"
        return f"{engines}, {self.prefects} Prefect server{'s' * (self.prefects > 1)}"


STEPS = (Step(1, 1), Step(2, 1), Step(3, 1), Step(3, 2))


@dataclass(frozen=True)
class Size:
    """How many orders are measured at each step."""

    light: int
    burst: int
    single: int
    """Orders at once with a flow run for each."""
    steps: tuple[Step, ...]


WHOLE = Size(20, 300, 60, STEPS)
QUICK = Size(3, 10, 5, (STEPS[0], STEPS[-1]))


@dataclass
class Measured:
    """What was measured at a step."""

    step: Step
    light: list[Timing] = field(default_factory=list)
    burst: list[Timing] = field(default_factory=list)
    single: list[Timing] = field(default_factory=list)
    cpu: dict[str, float] = field(default_factory=dict)
    """Milliseconds of an order of the burst, by process."""
    single_cpu: dict[str, float] = field(default_factory=dict)

    def as_json(self) -> dict[str, object]:
        """Return the figures."""
        return {
            "engines": self.step.engines,
            "prefect_servers": self.step.prefects,
            "last_call_ms_p50": milliseconds([each.to_last for each in self.light], 50),
            "last_call_ms_p95": milliseconds([each.to_last for each in self.light], 95),
            "orders_a_second": round(per_second(self.burst), 2),
            "orders_a_second_without_batches": round(per_second(self.single), 2),
            "cpu_ms_an_order": self.cpu,
            "cpu_ms_an_order_without_batches": self.single_cpu,
        }


async def measure(progress: Progress, size: Size) -> list[Measured]:
    """Measure one step after another, on machines that stay."""
    most = max(step.engines for step in size.steps)
    async with machines() as made:
        for number in (1, 2):
            made.add("prefect", number)
            made.add("gateway", number)
        made.add("prefect-services", 3)
        for number in range(1, most + 1):
            made.add("engine", number)
        made.proxy_to([1, 2], [1])
        await made.start("prefect 1", "prefect-services 3", "gateway 1", "gateway 2")
        await made.apply()
        async with (
            seen_from_outside(made) as sandbox,
            PaidOrders.of(sandbox, progress) as orders,
            webhooks(sandbox) as webhook,
        ):
            return [await _Step(made, orders, webhook, step).measure(size) for step in size.steps]


class _Step:
    def __init__(self, made: Machines, orders: PaidOrders, webhook: Trigger, step: Step) -> None:
        self.made = made
        self.orders = orders
        self.webhook = webhook
        self.step = step
        self.engines = [f"engine {number}" for number in range(1, step.engines + 1)]

    async def measure(self, size: Size) -> Measured:
        found = Measured(self.step)
        if self.step.prefects > 1 and self.made.parts["prefect 2"].process is None:
            await self.made.start("prefect 2")
            self.made.proxy_to([1, 2], [1, 2])
        await self._start_engines({})
        await self.orders.warm_up(self.webhook)
        what = str(self.step)
        found.light = await self.orders.paced(f"{what}: one a second", self.webhook, size.light, rate=1)
        found.burst, found.cpu = await self._burst(f"{what}: at once", size.burst)
        await self._start_engines(NO_BATCHES)
        await self.orders.at_once(f"{what}: warming up", self.webhook, len(self.engines))
        found.single, found.single_cpu = await self._burst(f"{what}: at once, no batches", size.single)
        await self._stop_engines()
        return found

    async def _burst(self, what: str, number: int) -> tuple[list[Timing], dict[str, float]]:
        before = processes.cpu_seconds()
        timings = await self.orders.at_once(what, self.webhook, number)
        cpu = {name: 1000 * seconds / number for name, seconds in processes.cpu_since(before).items()}
        return timings, {
            name: round(cost, 1) for name, cost in sorted(cpu.items(), key=lambda each: -each[1])
        }

    async def _start_engines(self, environment: dict[str, str]) -> None:
        await self._stop_engines()
        for name in self.engines:
            part = self.made.parts[name]
            part.environment = {
                k: v for k, v in part.environment.items() if k not in NO_BATCHES
            } | environment
        await self.made.start(*self.engines)

    async def _stop_engines(self) -> None:
        await asyncio.gather(*(asyncio.to_thread(self.made.parts[name].stop) for name in self.engines))


def as_text(found: list[Measured]) -> str:
    """Return the figures in Markdown."""
    first = found[0]
    head = ["on one machine", "last call p50 ms", "p95", "at once, orders a second", "times the first"]
    head += ["a flow run for each, a second", "times the first"]
    rows = []
    for each in found:
        light = [timing.to_last for timing in each.light]
        cells = [f"{milliseconds(light, 50):.0f}", f"{milliseconds(light, 95):.0f}"]
        for now, then in ((each.burst, first.burst), (each.single, first.single)):
            cells += [f"{per_second(now):.3g}", f"{per_second(now) / per_second(then):.2f}"]
        rows.append([str(each.step), *cells])
    load = f"The load of the machine was {os.getloadavg()[0]:.1f} at the end."
    return "\n\n".join([report.table(head, rows), _cpu_table(found[-1]), load])


def _cpu_table(last: Measured) -> str:
    """Return the processor time of an order at the last step, and how many orders a second fill one core."""
    names = [
        name
        for name in dict.fromkeys([*last.cpu, *last.single_cpu])
        if max(last.cpu.get(name, 0), last.single_cpu.get(name, 0)) >= FEW_MS
    ]
    rows = []
    for name in names:
        cells = []
        for cost in (last.cpu.get(name, 0.0), last.single_cpu.get(name, 0.0)):
            cells += [f"{cost:.1f}", f"{1000 / cost:.0f}" if cost else ""]
        rows.append([name, *cells])
    head = [f"{last.step}: processor", "ms an order at once", "orders a second that fill a core"]
    head += ["ms, a flow run for each", "orders a second that fill a core"]
    return report.table(head, rows)


def main() -> None:
    """Measure, print, and with `--write` put it into the docs."""
    options = report.options_with_quick(__doc__, page="into docs/growing.md")
    out = console(stderr=options.json)
    with Progress(console=out, transient=True) as progress:
        found = asyncio.run(measure(progress, QUICK if options.quick else WHOLE))
    data = [each.as_json() for each in found]
    report.publish("growing", as_text(found), data, out, options, to=PAGE)


if __name__ == "__main__":
    main()
