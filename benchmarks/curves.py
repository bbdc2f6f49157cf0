"""
Load curves: the throughput and the latency of the main job at growing rates, as a table and a picture.

It takes ten minutes, on a machine that does nothing else.

    python -m benchmarks.curves [--quick] [--json] [--write]
"""

import asyncio
import dataclasses
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from functools import partial
from itertools import zip_longest
from pathlib import Path

from rich.progress import Progress

from benchmarks import report, systems
from hookline.cli.output import console
from hookline.sandbox.paid_orders import PaidOrders, Timing, Trigger, measured_sandbox, milliseconds
from hookline.sandbox.stack import SandboxStack

CURVES: dict[str, Callable[[SandboxStack], AbstractAsyncContextManager[Trigger]]] = {
    "Hookline": systems.hookline,
    "batches off": partial(systems.hookline, batch=False),
    "two engines": partial(systems.hookline, engines=2),
    f"vendors take {systems.VENDOR_SECONDS:g} s": systems.hookline_with_slow_vendors,
}
RATES, SECONDS = (1, 2, 4, 6, 8, 12, 16, 24, 32, 48, 96, 150), 10
"""Orders a second, and the seconds of each rate."""
QUICK_RATES, QUICK_SECONDS = (0.5, 2, 8), 4

PICTURE = "images/orders-curve.png"
KEEPS_UP, FAR_BEYOND = 0.9, 0.5
"""Shares of the offered rate."""
COLOURS = ("#b45309", "#1d4ed8", "#047857", "#7c3aed")
TICKS = (0.5, 1, 2, 4, 8, 16, 32, 64, 128)


@dataclass(frozen=True)
class Point:
    """One offered rate: orders completed a second, and the time to the last call."""

    offered: float
    completed: float
    """Orders a second, until the last of them was done."""
    p50_ms: float
    p95_ms: float

    @property
    def keeps_up(self) -> bool:
        """True if no backlog grew."""
        return self.completed >= KEEPS_UP * self.offered

    @property
    def is_far_beyond_collapse(self) -> bool:
        """True if a higher rate would only make the queue longer."""
        return self.completed < FAR_BEYOND * self.offered


def point(offered: float, timings: Sequence[Timing]) -> Point:
    """Return the point of orders that were offered at this rate."""
    lasts = [each.to_last for each in timings]
    # An order needs its time also without a queue: that is no lack of throughput.
    queued = max(each.last for each in timings) - min(each.due for each in timings) - min(lasts)
    due = len(timings) / offered
    completed = len(timings) / max(due, queued)
    return Point(offered, round(completed, 2), milliseconds(lasts, 50), milliseconds(lasts, 95))


def as_table(curves: Mapping[str, Sequence[Point]]) -> str:
    """Return a table in Markdown, with a row for each rate."""
    head = ["offered a second"]
    for name in curves:
        head += [f"{name}: completed", "p50 ms", "p95 ms"]
    rows = []
    for points in zip_longest(*curves.values()):
        offered = next(each.offered for each in points if each is not None)
        cells = [_cells(each) for each in points]
        rows.append([f"{offered:g}", *(text for each in cells for text in each)])
    return report.table(head, rows)


def as_sentence(name: str, points: Sequence[Point]) -> str:
    """Return a sentence: the rate up to which the system keeps up, and lower rates at which it did not."""
    kept_up = [each.offered for each in points if each.keeps_up]
    most = max(each.completed for each in points)
    last = kept_up[-1] if kept_up else 0
    up_to = f"keeps up with {last:g} orders a second" if kept_up else "keeps up with none of these"
    behind = [f"{each.offered:g}" for each in points if each.offered < last and not each.keeps_up]
    gaps = f", though not with {' and '.join(behind)}," if behind else ""
    more = [each.offered for each in points if each.offered > last]
    end = f"and no longer with {more[0]:g}" if more else "and was offered no more"
    return f"{name}: {up_to}{gaps} {end}; it completed {most:.3g} a second at most."


def draw(curves: Mapping[str, Sequence[Point]], path: Path) -> None:
    """Draw completed orders and their latency against the offered rate."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, (rates, times) = plt.subplots(2, sharex=True, figsize=(8, 7.5), layout="constrained")
    offered = sorted({each.offered for points in curves.values() for each in points})
    rates.plot(offered, offered, color="#9ca3af", linestyle=":", label="all that is offered")
    for (name, points), colour in zip(curves.items(), COLOURS, strict=False):
        across = [each.offered for each in points]
        rates.plot(across, [each.completed for each in points], color=colour, marker="o", label=name)
        times.plot(
            across, [each.p50_ms / 1000 for each in points], color=colour, marker="o", label=f"{name}, p50"
        )
        times.plot(
            across,
            [each.p95_ms / 1000 for each in points],
            color=colour,
            linestyle="--",
            label=f"{name}, p95",
        )
    rates.set(ylabel="orders completed a second")
    times.set(ylabel="seconds from webhook to last call", xlabel="orders offered a second")
    for axes in (rates, times):
        axes.set(xscale="log", yscale="log")
        axes.xaxis.set_major_locator(mpl.ticker.FixedLocator(TICKS))
        axes.xaxis.set_minor_locator(mpl.ticker.NullLocator())
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter(mpl.ticker.FuncFormatter(lambda value, _: f"{value:g}"))
            axis.set_minor_formatter(mpl.ticker.NullFormatter())
        axes.yaxis.set_major_locator(mpl.ticker.LogLocator(subs=(1, 2, 5)))
        axes.grid(color="#e5e7eb")
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False)
    figure.savefig(path, dpi=120, metadata={"Software": None})
    plt.close(figure)


def _cells(each: Point | None) -> list[str]:
    if each is None:
        return ["", "", ""]
    return [f"{each.completed:.3g}", f"{each.p50_ms:.0f}", f"{each.p95_ms:.0f}"]


async def measure(sandbox: SandboxStack, progress: Progress, *, quick: bool) -> dict[str, list[Point]]:
    """Raise the rate of each system, one after another, until it is far beyond its capacity."""
    curves: dict[str, list[Point]] = {}
    with systems.own_engine_paused(sandbox):
        async with PaidOrders.of(sandbox, progress) as orders:
            for name, system in CURVES.items():
                async with system(sandbox) as webhook:
                    await orders.warm_up(webhook)
                    curves[name] = await _curve(name, orders, webhook, quick=quick)
    return curves


async def _curve(name: str, orders: PaidOrders, webhook: Trigger, *, quick: bool) -> list[Point]:
    points: list[Point] = []
    seconds = QUICK_SECONDS if quick else SECONDS
    for rate in QUICK_RATES if quick else RATES:
        number = max(2, round(rate * seconds))
        timings = await orders.paced(f"{name}: {rate:g} a second", webhook, number, rate=rate)
        points.append(point(rate, timings))
        if points[-1].is_far_beyond_collapse:
            break
    return points


def as_text(curves: Mapping[str, Sequence[Point]]) -> str:
    """Return the table and a sentence for each curve, in Markdown."""
    return "\n\n".join([as_table(curves), *map(as_sentence, curves, curves.values())])


def main() -> None:
    """Measure, print, and with `--write` put it into the docs."""
    options = report.options_with_quick(__doc__, page="into docs/benchmarks.md, with the picture")
    out = console(stderr=options.json)
    with measured_sandbox(out, HOOKLINE_ENGINE_CONCURRENCY=str(systems.CONCURRENCY)) as (sandbox, progress):
        curves = asyncio.run(measure(sandbox, progress, quick=options.quick))
    if options.write:
        draw(curves, report.PAGE.parent / PICTURE)
    picture = f"\n\n![Orders completed, and how long they take]({PICTURE})"
    data = {name: [dataclasses.asdict(each) for each in points] for name, points in curves.items()}
    report.publish("curves", as_text(curves), data, out, options, more=picture)


if __name__ == "__main__":
    main()
