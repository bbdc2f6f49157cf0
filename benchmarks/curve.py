"""What becomes of a system when it is offered more and more: its points, and how they are shown."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

from benchmarks import report
from hookline.sandbox.paid_orders import Timing, milliseconds

PICTURE = "images/orders-curve.png"
KEEPS_UP, FAR_BEYOND = 0.9, 0.5
"""Shares of what is offered."""
COLOURS = ("#b45309", "#1d4ed8")
TICKS = (0.5, 1, 2, 4, 8, 16, 32, 64, 128)


@dataclass(frozen=True)
class Point:
    """What was completed of so many orders a second, and how long they took to the last call."""

    offered: float
    completed: float
    """A second, until the last of them was done."""
    p50_ms: float
    p95_ms: float

    @property
    def keeps_up(self) -> bool:
        """Whether no backlog grew."""
        return self.completed >= KEEPS_UP * self.offered

    @property
    def is_far_beyond_collapse(self) -> bool:
        """Whether more would only be a longer queue."""
        return self.completed < FAR_BEYOND * self.offered


def point(offered: float, timings: Sequence[Timing]) -> Point:
    """What came of orders that were offered at this rate."""
    lasts = [each.to_last for each in timings]
    # An order takes its time also where nothing waits: that is no lack of throughput.
    queued = max(each.last for each in timings) - min(each.due for each in timings) - min(lasts)
    due = len(timings) / offered
    completed = len(timings) / max(due, queued)
    return Point(offered, round(completed, 2), milliseconds(lasts, 50), milliseconds(lasts, 95))


def as_table(curves: Mapping[str, Sequence[Point]]) -> str:
    """A row for each rate, in Markdown."""
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
    """Where it collapses, and at which lower rates it fell behind as well."""
    kept = [each.offered for each in points if each.keeps_up]
    most = max(each.completed for each in points)
    last = kept[-1] if kept else 0
    up_to = f"keeps up with {last:g} orders a second" if kept else "keeps up with none of these"
    behind = [f"{each.offered:g}" for each in points if each.offered < last and not each.keeps_up]
    gaps = f", though not with {' and '.join(behind)}," if behind else ""
    more = [each.offered for each in points if each.offered > last]
    end = f"and no longer with {more[0]:g}" if more else "and was offered no more"
    return f"{name}: {up_to}{gaps} {end}; it completed {most:.3g} a second at most."


def draw(curves: Mapping[str, Sequence[Point]], path: Path) -> None:
    """Draw what was completed, and the time it took, against what was offered."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, (rates, times) = plt.subplots(2, sharex=True, figsize=(8, 7.5), layout="constrained")
    offered = sorted({each.offered for points in curves.values() for each in points})
    rates.plot(offered, offered, color="#9ca3af", linestyle=":", label="all that is offered")
    for (name, points), colour in zip(curves.items(), COLOURS, strict=True):
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
