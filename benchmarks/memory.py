"""
What everything that `hookline up --sandbox` starts takes at rest: memory and processor; the growth of the engine.

Idle is so many seconds after it was ready and had done one order. A page that several processes share counts in
parts (PSS), so that the sum is the memory in use; this figure exists on Linux only. The processor time at rest is
that of the half minute behind it.

The growth is that of the engine's own memory (USS) after the warm-up.

    python -m benchmarks.memory [--idle 60] [--orders 5000] [--batches-off] [--quick] [--json] [--write]
"""

import argparse
import asyncio
import dataclasses
import time
from collections.abc import Iterable
from dataclasses import dataclass

import psutil
from rich.progress import Progress

from benchmarks import processes, report, systems
from benchmarks.processes import SIMULATORS, name_of
from hookline.cli.output import console
from hookline.sandbox.paid_orders import PaidOrders, Trigger, measured_sandbox, webhooks
from hookline.sandbox.stack import SandboxStack

WARM_UP = 200
SAMPLES = 11
"""Samples after the warm-up; the last is at the end."""
PAUSE_SECONDS = 3
GOAL_MB, GOAL_PERCENT = 900, 10
HEAD = ["idle after one order", "processes", "PSS MB", "USS MB", "RSS MB", "processor, ms a second"]


@dataclass(frozen=True)
class Used:
    """The memory of the processes of one name, in bytes."""

    name: str
    processes: int
    pss: int
    uss: int
    rss: int


@dataclass(frozen=True)
class Result:
    """The results."""

    idle: list[Used]
    """The memory before any order."""
    worked: list[Used]
    """The memory after one order and the same idle time."""
    processor: dict[str, float]
    """The milliseconds of processor a second behind that time, by process."""
    growth: list[tuple[int, int]]
    """The engine's USS in bytes after so many orders; the first is after the warm-up."""

    @property
    def percent(self) -> float:
        """The growth of the engine in percent."""
        (_, warm), *_, (_, end) = self.growth
        return 100 * (end / warm - 1)


def by_name(processes: Iterable[psutil.Process]) -> list[Used]:
    """Return the memory of processes, by name, the largest first."""
    found: dict[str, Used] = {}
    for process in processes:
        try:
            name, memory = name_of(process.cmdline()), process.memory_full_info()
        except psutil.NoSuchProcess:
            continue
        sofar = found.get(name, Used(name, 0, 0, 0, 0))
        found[name] = Used(
            name,
            sofar.processes + 1,
            sofar.pss + memory.pss,
            sofar.uss + memory.uss,
            sofar.rss + memory.rss,
        )
    return sorted(found.values(), key=lambda used: used.pss, reverse=True)


def total(used: Iterable[Used]) -> int:
    """Return the sum of the PSS, in bytes."""
    return sum(each.pss for each in used)


class _Measurement:
    """A sandbox whose processes are measured between orders."""

    def __init__(self, sandbox: SandboxStack, progress: Progress, options: argparse.Namespace) -> None:
        self.sandbox = sandbox
        self.progress = progress
        self.options = options

    async def all(self) -> Result:
        """Measure everything."""
        idle = await self._idle("idle")
        async with PaidOrders.of(self.sandbox, self.progress) as orders, webhooks(self.sandbox) as webhook:
            await orders.at_once("one order", webhook, 1)
            worked = await self._idle("idle after one order")
            processor = await self._processor()
            return Result(idle, worked, processor, await self._growth(orders, webhook))

    async def _idle(self, what: str) -> list[Used]:
        """Wait, until no run of a schedule is left either; then measure."""
        seconds = self.progress.add_task(what, total=self.options.idle)
        for _ in range(round(self.options.idle)):
            await asyncio.sleep(1)
            self.progress.advance(seconds)
        worker = systems.supervised(self.sandbox, "hookline worker")
        while worker.children():
            await asyncio.sleep(1)
        self.progress.remove_task(seconds)
        supervisor = psutil.Process(self.sandbox.process.pid)
        return by_name([supervisor, *supervisor.children(recursive=True)])

    async def _processor(self) -> dict[str, float]:
        """Return the milliseconds of processor a second that each process takes at rest."""
        before, began = processes.cpu_seconds(), time.monotonic()
        await asyncio.sleep(self.options.idle / 2)
        seconds = time.monotonic() - began
        return {name: 1000 * used / seconds for name, used in processes.cpu_since(before).items()}

    async def _growth(self, orders: PaidOrders, webhook: Trigger) -> list[tuple[int, int]]:
        engine = systems.supervised(self.sandbox, "hookline engine")
        samples: list[tuple[int, int]] = []
        for number in steps(self.options.orders, self.options.warm_up):
            done = samples[-1][0] if samples else 0
            await orders.at_once(f"orders {done + 1} to {number}", webhook, number - done)
            await asyncio.sleep(PAUSE_SECONDS)
            samples.append((number, engine.memory_full_info().uss))
        return samples


def steps(orders: int, warm_up: int) -> list[int]:
    """Return the numbers of orders after which the engine is measured: after the warm-up, then at even steps."""
    return [warm_up, *(warm_up + round((orders - warm_up) * n / SAMPLES) for n in range(1, SAMPLES + 1))]


def as_text(result: Result, *, batch: bool) -> str:
    """Return the figures in Markdown."""
    rows = [
        [
            each.name,
            str(each.processes),
            *(_mb(value) for value in (each.pss, each.uss, each.rss)),
            f"{result.processor.get(each.name, 0):.0f}",
        ]
        for each in result.worked
    ]
    own = [each for each in result.worked if each.name != SIMULATORS]
    warm, end = result.growth[0][1], result.growth[-1][1]
    how = "at default settings" if batch else "with a flow run for each order"
    together = (
        f"Together {_mb(total(result.worked))} MB (PSS), {_mb(total(own))} MB without the simulators; before "
        f"that order {_mb(total(result.idle))} MB. The goal is under {GOAL_MB} MB. At rest they take "
        f"{sum(result.processor.values()):.0f} ms of processor a second."
    )
    growth = [[str(number), _mb(uss), f"{100 * (uss / warm - 1):+.1f} %"] for number, uss in result.growth]
    grown = (
        f"The engine, {how}, went from {_mb(warm)} MB after {result.growth[0][0]} orders to {_mb(end)} MB after "
        f"{result.growth[-1][0]}: {result.percent:+.1f} %. The goal is under {GOAL_PERCENT} %."
    )
    return "\n\n".join(
        [
            report.table(HEAD, rows),
            together,
            report.table(["orders", "engine, USS MB", "since it was warm"], growth),
            grown,
        ]
    )


def as_json(result: Result) -> dict[str, object]:
    """Return the figures as JSON values, in bytes."""
    return dataclasses.asdict(result) | {
        "idle_pss": total(result.idle),
        "worked_pss": total(result.worked),
        "growth_percent": round(result.percent, 2),
    }


def _mb(memory: int) -> str:
    return f"{memory / 1e6:.0f}"


def _options() -> argparse.Namespace:
    parser = report.parser(__doc__)
    parser.add_argument("--idle", type=float, default=60, help="seconds")
    parser.add_argument("--orders", type=int, default=5000, help="with those of the warm-up")
    parser.add_argument("--warm-up", type=int, default=WARM_UP, help="orders until the engine counts as warm")
    parser.add_argument("--batches-off", action="store_true", help="a flow run for each order; takes long")
    parser.add_argument("--quick", action="store_true", help="few orders, to see that it works")
    options = parser.parse_args()
    if options.quick:
        options.idle, options.orders, options.warm_up = 5, 15, 4
        if options.write:
            parser.error("--quick measures too little to write it down")
    if options.orders < options.warm_up + SAMPLES:
        parser.error(f"--orders must be {SAMPLES} more than --warm-up, or more")
    return options


def main() -> None:
    """Measure, print, and with `--write` put it into the docs."""
    options = _options()
    out = console(stderr=options.json)
    backlog = systems.batch_backlog(batch=not options.batches_off)
    with measured_sandbox(out, HOOKLINE_BATCH_BACKLOG=backlog) as (sandbox, progress):
        result = asyncio.run(_Measurement(sandbox, progress, options).all())
    text = as_text(result, batch=not options.batches_off)
    report.publish("memory", text, as_json(result), out, options)


if __name__ == "__main__":
    main()
