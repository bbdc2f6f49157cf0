"""A clock that nobody sets: what is a fault of the wall clock, of this machine or of PostgreSQL, is none of it."""

import time
from functools import cache
from pathlib import Path
from uuid import uuid4


def stamp() -> str:
    """Return the time of a clock that nobody sets, with the machine's boot: another machine cannot compare it."""
    return f"{_boot()} {now():.3f}"


def seconds_since(written: str | None) -> float | None:
    """Return the seconds since a stamp; None if it is of another machine, or of a boot before this one."""
    boot, _, then = (written or "").partition(" ")
    return now() - float(then) if then and boot == _boot() else None


@cache
def _boot() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:  # no Linux: the clock of the database counts
        return uuid4().hex


def now() -> float:
    """Return seconds of a clock that goes on while this machine sleeps, and that nobody sets."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()
