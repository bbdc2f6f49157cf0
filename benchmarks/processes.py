"""The processes of a sandbox, by what they are."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

import psutil

SIMULATORS = "simulators of the vendors"
NAMES = {
    "hookline up": "supervisor",
    "supervisor/sweep.py": "its guard",
    "hookline gateway": "gateway",
    "hookline engine": "engine",
    "hookline sandbox": SIMULATORS,
    "prefect worker start": "Prefect's process worker",
    "hookline worker": "Prefect's process worker",
    "prefect_adapter.server": "Prefect server",
    "prefect.server": "Prefect server",
    "postgres": "PostgreSQL",
}
"""What a process is, by words in its command line; the first that fit count."""


def name_of(command: Sequence[str]) -> str:
    """What a process is, by its command line."""
    line = " ".join(command)
    return next((name for words, name in NAMES.items() if words in line), line[:60])


def cpu_seconds() -> dict[int, tuple[str, float]]:
    """What each process that this one started, or they did, has used of the processor; by its number."""
    used = {}
    for process in psutil.Process().children(recursive=True):
        try:
            times = process.cpu_times()
            used[process.pid] = name_of(process.cmdline()), times.user + times.system
        except psutil.NoSuchProcess:
            continue
    return used


def cpu_since(before: Mapping[int, tuple[str, float]]) -> dict[str, float]:
    """Seconds of processor that were used since, by what used them; of processes that are still there."""
    used: defaultdict[str, float] = defaultdict(float)
    for pid, (name, seconds) in cpu_seconds().items():
        used[name] += seconds - before.get(pid, (name, 0.0))[1]
    return dict(used)
