"""The processes of `hookline up` that keep ending, in a file for other processes of this machine."""

import json
import os
from collections.abc import Mapping
from pathlib import Path

import psutil

from hookline.health.finding import Finding


def write(home: Path, troubles: Mapping[str, str]) -> None:
    """Write the processes that keep ending; the file counts only while this process lives."""
    record = {"pid": os.getpid(), "since": psutil.Process().create_time(), "troubles": dict(troubles)}
    draft = _file(home).with_suffix(".draft")
    draft.write_text(json.dumps(record), encoding="utf-8")
    draft.replace(_file(home))


def clear(home: Path) -> None:
    """Remove the file."""
    _file(home).unlink(missing_ok=True)


def read(home: Path) -> Mapping[str, str] | None:
    """Return the processes that keep ending, and how; None if no `hookline up` is ready."""
    try:
        record = json.loads(_file(home).read_text(encoding="utf-8"))
        if psutil.Process(record["pid"]).create_time() != record["since"]:
            return None
        return {str(name): str(how) for name, how in record["troubles"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, psutil.Error):
        return None


def check(home: Path) -> Finding:
    """Check that no process of `hookline up` keeps ending."""
    troubles = read(home)
    if troubles is None:
        return Finding("processes", "skipped", "no `hookline up` is ready on this machine and home")
    if troubles:
        details = "; ".join(f"{name} {how}" for name, how in troubles.items())
        return Finding("processes", "problem", details, "See their lines in the output of `hookline up`.")
    return Finding("processes", "ok", "all processes of `hookline up` are ready")


def _file(home: Path) -> Path:
    return home / "processes.json"
