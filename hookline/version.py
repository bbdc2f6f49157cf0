"""Which Hookline this is: its version, and the commit of its code."""

import os
import subprocess
from contextlib import suppress
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Final

VERSION: Final = version("hookline")
WRITTEN: Final = Path("hookline", "commit.txt")
"""A file with the commit, from its folder: `git archive` and the build of an image fill it in."""

_GIT_SECONDS = 10
_LENGTH = 12


@cache
def commit() -> str | None:
    """Return the commit of this code, `-dirty` where a file of it was changed since; None where nobody knows."""
    return commit_of(Path(__file__).parents[1])


def this_hookline() -> str:
    """Return the version and the commit, such as `0.1.0 (fbf6e1959b1a)`."""
    return f"{VERSION} ({found})" if (found := commit()) else VERSION


def commit_of(folder: Path) -> str | None:
    """Return the commit of the code in a folder, as `commit` does."""
    with suppress(FileNotFoundError):
        written = (folder / WRITTEN).read_text(encoding="utf-8").strip()
        if not written.startswith("$Format"):
            return written or None
    return _asked(folder) if (folder / ".git").exists() else None


def _asked(folder: Path) -> str | None:
    """Return what Git says; the folder may be another user's, as root's is for a service."""
    command = [
        *("git", "--no-optional-locks", "-c", f"safe.directory={folder}", "-C", str(folder)),
        *("describe", "--always", "--dirty", f"--abbrev={_LENGTH}", "--exclude=*"),
    ]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    try:
        asked = subprocess.run(  # noqa: S603
            command, capture_output=True, text=True, env=environment, timeout=_GIT_SECONDS, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return asked.stdout.strip() or None
