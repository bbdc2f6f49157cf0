"""
The last good version of each part of a configuration file, on disk: it stays in force while the file is wrong.

A file is edited while others depend on it. A part that was good once stays in force, across restarts, until its
replacement is good too.
"""

import hashlib
import json
import logging
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

logger = logging.getLogger(__name__)

STAYS = "its last good version stays in force"
OFF = "it is switched off"


@dataclass(frozen=True)
class Problem:
    """A part of a file that cannot be used, and what is in force instead."""

    kind: str
    """The kind of part: `file`, `source`, `route` or `flow file`."""
    name: str
    """The file's path, or the part's name in it."""
    detail: str
    """The file, the place and the mistake there."""
    instead: str
    """The version in force meanwhile, in words."""

    def __str__(self) -> str:
        return f"{self.detail.rstrip('.')}; {self.instead}"


class LastGood:
    """The last good version of the parts of one file, such as its sources; kept apart for each path."""

    def __init__(self, home: Path, kind: str, path: Path) -> None:
        self._file = path.absolute()  # not resolved: a link that is replaced leads to another file each time
        digest = hashlib.sha256(str(self._file).encode()).hexdigest()[:12]
        self._record = home / "in-force" / f"{kind}-{digest}.json"

    def read(self) -> dict[str, str] | None:
        """Return the parts by name, each as text; None where nothing was ever in force."""
        try:
            record = json.loads(self._record.read_text(encoding="utf-8"))
            return {str(name): str(part) for name, part in record["parts"].items()}
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            logger.warning("the last good version cannot be read from %s: %s", self._record, error)
            return None

    def write(self, parts: Mapping[str, str]) -> None:
        """Write the parts that are in force from now on; where that fails, it is logged and nothing else suffers."""
        text = json.dumps({"file": str(self._file), "parts": dict(parts)}, indent=1)
        try:
            if not self._record.exists() or self._record.read_text(encoding="utf-8") != text:
                _replace(self._record, text)
        except (OSError, ValueError) as error:
            logger.warning("the version in force cannot be written to %s: %s", self._record, error)


def _replace(path: Path, text: str) -> None:
    """Replace a file in one step, readable by its owner only: a process that dies here leaves the old one."""
    path.parent.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.parent.mkdir(mode=0o700, exist_ok=True)
    file, draft = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)  # made with mode 0600
    with os.fdopen(file, "w", encoding="utf-8") as opened:
        opened.write(text)
        opened.flush()
        os.fsync(opened.fileno())
    Path(draft).replace(path)
