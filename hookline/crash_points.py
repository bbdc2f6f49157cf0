"""
Named places in the code where a test may kill the process, as a power cut would.

Nothing happens unless HOOKLINE_CRASH_FILE names a file, and that file holds the name of the place: then the
file goes, so that it happens once, and the process kills itself. Only the tests of this repository set it.
"""

import os
import signal
from contextlib import suppress
from pathlib import Path

_file = Path(path) if (path := os.environ.get("HOOKLINE_CRASH_FILE")) else None


def crash_point(name: str) -> None:
    """Die here, if a test has said so."""
    if _file is None:
        return
    with suppress(FileNotFoundError):
        if _file.read_text() == name:
            _file.unlink()
            os.kill(os.getpid(), signal.SIGKILL)
