"""The lock of a home: at most one supervisor runs on it."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hookline.errors import HooklineError


def is_running(home: Path) -> bool:
    """Return True if a process holds the lock of this home."""
    try:
        file = os.open(home / "up.lock", os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(file)
    return False


@contextmanager
def only_one(home: Path) -> Iterator[None]:
    """
    Hold `home/up.lock` with this process's id in it; the home is made (0700) if it is missing.

    The kernel releases the lock when the holder ends, in any way.

    Raises:
        HooklineError: another process holds it (names it), or the home cannot be written to.
    """
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = os.open(home / "up.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise HooklineError(
            f"Cannot write to the data folder {home}: {error.strerror}. "
            f"Set HOOKLINE_HOME to one that you may write to."
        ) from None
    try:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(file, 20).decode(errors="replace").strip() or "unknown"
            raise HooklineError(
                f"Hookline is already running on this home (pid {holder}): {home}. "
                f"Stop it, or set HOOKLINE_HOME to another folder."
            ) from None
        os.truncate(file, 0)
        os.write(file, f"{os.getpid()}\n".encode())
        yield
        os.truncate(file, 0)
    finally:
        os.close(file)
