"""Changes of files that people write, too: a file is changed as a whole or not at all, by one command at a time."""

import fcntl
import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from hookline.errors import HooklineError


@contextmanager
def changing(*folders: Path) -> Iterator[None]:
    """Wait until no other command of ours changes a file in these folders, and keep others waiting."""
    with ExitStack() as stack:
        for folder in sorted(
            {each.resolve() for each in folders}
        ):  # in one order: none waits for another in turn
            folder.mkdir(parents=True, exist_ok=True)
            held = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
            stack.callback(os.close, held)
            fcntl.flock(held, fcntl.LOCK_EX)
        yield


def replace(path: Path, content: bytes, *, mode: int) -> None:
    """
    Write a file that is there as it was, or complete, whenever the power fails; it stays what, and whose, it is.

    Args:
        path: of the file; of a link, what it leads to is written.
        content: all of it.
        mode: of a file that is new; another keeps its own.

    Raises:
        HooklineError: it cannot be written; nothing was changed.
    """
    path = path.resolve()
    try:
        existing = path.stat() if path.exists() else None
        if existing and not stat.S_ISREG(existing.st_mode):
            raise HooklineError(f"Nothing was written to {path}: it is not a file.")
        file, draft = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
        try:
            with os.fdopen(file, "wb") as opened:
                os.fchmod(file, stat.S_IMODE(existing.st_mode) if existing else mode)
                if existing and (existing.st_uid, existing.st_gid) != (os.geteuid(), os.getegid()):
                    os.fchown(file, existing.st_uid, existing.st_gid)
                opened.write(content)
                opened.flush()
                os.fsync(file)
            Path(draft).replace(path)
        except BaseException:
            Path(draft).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise HooklineError(f"Nothing was written to {path}: {error.strerror}.") from None
