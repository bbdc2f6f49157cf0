"""
The sweep: kills all processes with a marker in their environment, which a supervisor gives to all that it starts.

As a script it is the supervisor's guard: it waits until its standard input ends, which happens when the supervisor
ends in any way, and sweeps. The kernel kills the supervisor's children then; the guard kills theirs.
"""

import contextlib
import os
import signal
import sys
import time

import psutil

_TIMEOUT_SECONDS = 5.0


def sweep(variable: str, value: str) -> None:
    """Kill each process whose environment has the variable, beginning with the value, until there is none."""
    deadline = (
        time.monotonic() + _TIMEOUT_SECONDS
    )  # for one that the kernel cannot end, as on a dead network disk
    while found := [process for process in psutil.process_iter() if _has_marker(process, variable, value)]:
        for process in found:
            with contextlib.suppress(psutil.Error):
                process.kill()
        if time.monotonic() > deadline:
            return
        time.sleep(0.01)


def _has_marker(process: psutil.Process, variable: str, value: str) -> bool:
    try:
        return (
            process.pid != os.getpid()
            and process.environ().get(variable, "").startswith(value)
            and process.status() != psutil.STATUS_ZOMBIE
        )
    except (psutil.Error, OSError):  # gone meanwhile, or somebody else's
        return False


if __name__ == "__main__":
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    sys.stdin.buffer.read()
    sweep(sys.argv[1], sys.argv[2])
