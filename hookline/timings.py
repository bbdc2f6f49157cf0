"""
Timings: histograms that engines measure and every gateway shows, for they are added up in the database.

A process counts in memory and adds what is new every few seconds (`add`). So Prometheus asks one address, however many
engines there are and wherever they run, and nothing begins at zero with a new process. What a process that is killed
had counted since its last addition is lost.
"""

import threading
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, TypeAlias

import asyncpg

if TYPE_CHECKING:
    from hookline.database.types import Connection

CALL_BUCKETS: Final = (0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
WAY_BUCKETS: Final = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 7200, 86_400)


@dataclass(frozen=True)
class Timing:
    """One histogram; each of its labels has a bounded set of values, none of them a sender's text."""

    name: str
    help: str
    labels: Sequence[str]
    buckets: Sequence[float]

    def observe(self, seconds: float, *values: str) -> None:
        """Count one duration; clocks of two machines may differ, so one below zero is none."""
        seconds = max(seconds, 0.0)
        with _lock:
            counted = _new.setdefault((self.name, values), Counted([0] * (len(self.buckets) + 1)))
            counted.counts[bisect_left(self.buckets, seconds)] += 1
            counted.seconds += seconds

    def observe_since(self, then: datetime, *values: str) -> None:
        """Count the time since another one."""
        self.observe((datetime.now(UTC) - then).total_seconds(), *values)


@dataclass
class Counted:
    """The observations of one series: how many in each bucket, the last for all that is longer, and their sum."""

    counts: list[int]
    seconds: float = 0.0

    def __add__(self, other: "Counted") -> "Counted":
        counts = [one + another for one, another in zip(self.counts, other.counts, strict=True)]
        return Counted(counts, self.seconds + other.seconds)


Series: TypeAlias = tuple[str, tuple[str, ...]]
"""The name of a timing, and the values of its labels."""

CALLS: Final = Timing(
    "hookline_vendor_call_seconds",
    "Time of one call of a vendor, from the engine, log-in included.",
    ("vendor", "operation", "outcome"),
    CALL_BUCKETS,
)
EFFECTS: Final = Timing(
    "hookline_effect_seconds",
    "Time from the intention of a write until its outcome is on disk.",
    ("operation", "outcome"),
    WAY_BUCKETS,
)
FIRST_CALLS: Final = Timing(
    "hookline_first_call_seconds",
    "Time from the receipt of a delivery until its run first calls a vendor.",
    ("source",),
    WAY_BUCKETS,
)
ENDS: Final = Timing(
    "hookline_end_seconds",
    "Time from the receipt of a delivery until a dispatch of it ends.",
    ("source", "outcome"),
    WAY_BUCKETS,
)
ALL: Final[Mapping[str, Timing]] = {each.name: each for each in (CALLS, EFFECTS, FIRST_CALLS, ENDS)}

_new: dict[Series, Counted] = {}
_lock = threading.Lock()


@dataclass
class Received:
    """The receipt of a delivery whose dispatch runs for the first time."""

    source: str
    at: datetime
    called: bool = field(default=False)

    def calling(self) -> None:
        """Count the time to the first call of a vendor."""
        if not self.called:
            self.called = True
            FIRST_CALLS.observe_since(self.at, self.source)


async def add(database: asyncpg.Pool) -> None:
    """Add to the database what this process has counted since the last time."""
    with _lock:
        new = dict(_new)
        _new.clear()
    if not new:
        return
    try:
        await database.executemany(
            """
            INSERT INTO timings AS t (name, labels, counts, seconds) VALUES ($1, $2, $3, $4)
            ON CONFLICT (name, labels) DO UPDATE SET
                counts = ARRAY(SELECT coalesce(a, 0) + b FROM unnest(t.counts, excluded.counts) AS u (a, b)),
                seconds = t.seconds + excluded.seconds
            """,
            # In one order, so that two engines do not wait for each other.
            [
                (name, labels, each.counts, each.seconds)
                for (name, labels), each in sorted(new.items(), key=_key)
            ],
        )
    except BaseException:
        with _lock:
            for series, counted in new.items():
                _new[series] = counted + _new[series] if series in _new else counted
        raise


async def read(connection: "Connection", *, seconds: float | None = None) -> dict[Series, Counted]:
    """Return what all processes have counted; a row of another version's buckets is left out."""
    rows = await connection.fetch("SELECT name, labels, counts, seconds FROM timings", timeout=seconds)
    return {
        (row["name"], tuple(row["labels"])): Counted(row["counts"], row["seconds"])
        for row in rows
        if (timing := ALL.get(row["name"])) and len(row["counts"]) == len(timing.buckets) + 1
    }


def _key(item: tuple[Series, Counted]) -> Series:
    return item[0]
