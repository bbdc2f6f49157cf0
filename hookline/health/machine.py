"""Checks of this machine: Python, the project, the data folder, the file permissions of secrets."""

import platform
import stat
import tempfile
from pathlib import Path
from typing import Final

from hookline.health.finding import Finding
from hookline.project import VERSION as VERSION_FIELD
from hookline.project import made_by, why_too_new
from hookline.version import VERSION, commit

PYTHONS: Final = ((3, 11), (3, 14))
"""The lowest version, and the first that is too new."""
OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO
"""Permissions of anyone but the owner."""


def check_version(schema: str) -> Finding:
    """Say which Hookline this is: what a report of a fault needs first."""
    return Finding("Hookline", "ok", f"{VERSION}, commit {commit() or 'unknown'}, schema {schema}")


def check_python(version: tuple[int, ...]) -> Finding:
    """Check that Hookline runs on this Python and this system."""
    lowest, below = PYTHONS
    here = f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    if not lowest <= version < below:
        needed = f"{_dotted(lowest)} or later, below {_dotted(below)}"
        return Finding("Python", "problem", here, f"Use Python {needed}: make PYTHON=python3.11 setup")
    if platform.system() not in ("Linux", "Darwin"):
        return Finding("Python", "problem", here, "Use Linux or macOS; on Windows, WSL.")
    return Finding("Python", "ok", here)


def check_project(folder: Path) -> Finding:
    """Check that this version of Hookline understands the project."""
    this, made = VERSION, made_by(folder)
    if too_new := why_too_new(folder):
        detail, _, advice = too_new.partition(". ")
        return Finding("project", "problem", detail, advice)
    if made is None:
        detail = f"{folder / 'prefect.yaml'} does not say which version of Hookline made the project"
        return Finding("project", "warning", detail, f"Add a line to it: `{VERSION_FIELD}: {this}`")
    since = (
        ""
        if made == this
        else f"; this is {this}: CHANGELOG.md says what changed, hookline apply --dry-run what it does"
    )
    return Finding("project", "ok", f"{folder}, made by Hookline {made}{since}")


def check_home(home: Path) -> Finding:
    """Check that the data folder, made if it is missing, is writable for us and closed to others."""
    check = "HOOKLINE_HOME"
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=home):
            pass
        # Passing through a folder is harmless; as root, PostgreSQL's own user must.
        open_folder = [home] * bool(home.stat().st_mode & OTHERS & ~(stat.S_IXGRP | stat.S_IXOTH))
        open_files = [path for path in home.glob("secrets/*") if path.stat().st_mode & OTHERS]
    except (OSError, ValueError) as error:
        advice = "Set HOOKLINE_HOME to a folder that you may write to."
        why = getattr(error, "strerror", None) or error
        return Finding(check, "problem", f"cannot be used: {home}: {why}", advice)
    if open_files:
        names = " ".join(map(str, open_files))
        return Finding(check, "problem", f"others may read these secrets: {names}", f"chmod 600 {names}")
    if open_folder:
        return Finding(check, "warning", f"others may read or write {home}", f"chmod go-rw {home}")
    return Finding(check, "ok", f"{home}, writable and private")


def check_dotenv(path: Path) -> Finding:
    """Check that others cannot read `.env`, which holds the vendors' log-ins."""
    check = ".env"
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return Finding(check, "skipped", "there is none; settings come from the environment")
    except OSError as error:
        return Finding(check, "problem", f"cannot read {path}: {error.strerror}", f"ls -l {path}")
    if mode & OTHERS:
        detail = f"other users of this machine may read or write {path} (mode {stat.S_IMODE(mode):04o})"
        return Finding(check, "problem", detail, f"chmod 600 {path}")
    return Finding(check, "ok", f"{path} is private")


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))
