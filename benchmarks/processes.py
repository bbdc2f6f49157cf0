"""The processes of a sandbox: their names and their processor time."""

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
    "benchmarks.serve_dbos": "DBOS",
    "prefect worker start": "Prefect's process worker",
    "hookline worker": "Prefect's process worker",
    "prefect_adapter.server --services": "Prefect's services",
    "prefect_adapter.server": "Prefect server",
    "prefect.server": "Prefect server",
    "redis-server": "Redis",
    "nginx": "proxy",
    "postgres": "PostgreSQL",
    "multiprocessing": "processes that read bodies",
}
"""The name of a process by words in its command line; the first match counts."""


def name_of(command: Sequence[str]) -> str:
    """Return the name of a process by its command line."""
    line = " ".join(command)
    return next((name for words, name in NAMES.items() if words in line), line[:60])


def cpu_seconds() -> dict[int, tuple[str, float]]:
    """Return the name and the processor time of each descendant of this process, by process id."""
    used = {}
    for process in psutil.Process().children(recursive=True):
        try:
            times = process.cpu_times()
            used[process.pid] = name_of(process.cmdline()), times.user + times.system
        except psutil.NoSuchProcess:
            continue
    return used


def cpu_since(before: Mapping[int, tuple[str, float]]) -> dict[str, float]:
    """Return the processor time used since then, by name, of processes that still run."""
    used: defaultdict[str, float] = defaultdict(float)
    for pid, (name, seconds) in cpu_seconds().items():
        used[name] += seconds - before.get(pid, (name, 0.0))[1]
    return dict(used)
