"""The processes that `hookline up` runs on this machine: which of them end again and again."""

import json
import os
from collections.abc import Mapping
from pathlib import Path

import psutil

from hookline.health.finding import Finding


def write(home: Path, troubles: Mapping[str, str]) -> None:
    """Write down, for whoever looks, which processes end again and again; nothing once this process has gone."""
    told = {"pid": os.getpid(), "since": psutil.Process().create_time(), "troubles": dict(troubles)}
    draft = _file(home).with_suffix(".draft")
    draft.write_text(json.dumps(told), encoding="utf-8")
    draft.replace(_file(home))


def clear(home: Path) -> None:
    """Say nothing any more."""
    _file(home).unlink(missing_ok=True)


def read(home: Path) -> Mapping[str, str] | None:
    """Return the processes that end again and again, and how; None where no `hookline up` runs and is ready."""
    try:
        told = json.loads(_file(home).read_text(encoding="utf-8"))
        if psutil.Process(told["pid"]).create_time() != told["since"]:
            return None
        return {str(name): str(how) for name, how in told["troubles"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, psutil.Error):
        return None


def check(home: Path) -> Finding:
    """Return a problem for processes that end again and again."""
    troubles = read(home)
    if troubles is None:
        return Finding("processes", "skipped", "no `hookline up` is ready on this machine and home")
    if troubles:
        told = "; ".join(f"{name} {how}" for name, how in troubles.items())
        return Finding("processes", "problem", told, "Look at the lines of `hookline up` about them.")
    return Finding("processes", "ok", "all that `hookline up` started are ready")


def _file(home: Path) -> Path:
    return home / "processes.json"
