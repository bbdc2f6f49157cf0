"""
The liveness of engines on one data folder: a file lock tells a dead engine from a living one at once.

Each engine has a lock on a file of its own for as long as it lives; the kernel releases the lock when the process
dies, in whatever way. Unlike a process id it is never another program's, means the same in every container that shares
the folder, and needs no clock. An engine on another folder is known by its session with PostgreSQL
(`hookline.inbox.engines.begin_session`), and behind a broken network by its lease.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_SUFFIX = ".lock"
_FELL = ".fell"


@contextmanager
def alive(home: Path, name: str) -> Iterator[None]:
    """Lock the file of the engine of this name for as long as the context lasts."""
    folder = _folder(home)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft, path = folder / f".{name}", folder / f"{name}{_SUFFIX}"
    file = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX)
        draft.rename(path)  # it is never there without its lock
        yield
    finally:
        path.unlink(missing_ok=True)
        os.close(file)


def dead_engines(home: Path) -> list[str]:
    """Return the names of engines that have died, until `forget` is called for them."""
    return [path.name.removesuffix(_SUFFIX) for path in _folder(home).glob(f"*{_SUFFIX}") if _is_free(path)]


def note_fall(home: Path) -> None:
    """Note that the engines which are dead now died with all that ran here; call it before anything starts again."""
    for name in dead_engines(home):
        path = _folder(home) / f"{name}{_SUFFIX}"
        with suppress(FileNotFoundError):
            path.rename(path.with_name(f"{name}{_FELL}"))


def fallen_engines(home: Path) -> list[str]:
    """Return the names of engines that died with all that ran here, until `forget` is called for them."""
    return [path.name.removesuffix(_FELL) for path in _folder(home).glob(f"*{_FELL}")]


def forget(home: Path, name: str) -> None:
    """Remove the file of a dead engine; call it when no dispatch is leased to it any more."""
    for suffix in (_SUFFIX, _FELL):
        (_folder(home) / f"{name}{suffix}").unlink(missing_ok=True)


def _folder(home: Path) -> Path:
    return home / "engines"


def _is_free(path: Path) -> bool:
    with suppress(OSError):  # the engine has ended by itself meanwhile
        file = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        else:
            return True
        finally:
            os.close(file)
    return False
