"""
What holds although a file is wrong: the last good version of each of its parts, on disk.

A file of people is edited while others depend on it. What was good once stays in force, across restarts, until what
takes its place is good too.
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
    """Something in a file that cannot be used, and what holds instead."""

    kind: str
    """What it is: `file`, `source`, `route` or `flow file`."""
    name: str
    """Which one: the file's path, or the name in it."""
    detail: str
    """File, place and what is wrong there."""
    instead: str
    """What holds meanwhile."""

    def __str__(self) -> str:
        return f"{self.detail.rstrip('.')}; {self.instead}"


class LastGood:
    """The last good version of the parts of one file, such as its sources; for a file of this path alone."""

    def __init__(self, home: Path, kind: str, path: Path) -> None:
        self._file = path.resolve()
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
            logger.warning("what was last in force cannot be read from %s: %s", self._record, error)
            return None

    def write(self, parts: Mapping[str, str]) -> None:
        """Write down what is in force from now on; what cannot be written is said and harms nothing else."""
        text = json.dumps({"file": str(self._file), "parts": dict(parts)}, indent=1)
        try:
            if not self._record.exists() or self._record.read_text(encoding="utf-8") != text:
                _replace(self._record, text)
        except (OSError, ValueError) as error:
            logger.warning("what is in force cannot be written to %s: %s", self._record, error)


def _replace(path: Path, text: str) -> None:
    """Put a text in place of a file, at once and for its owner alone: whoever dies here leaves the old one."""
    path.parent.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.parent.mkdir(mode=0o700, exist_ok=True)
    file, draft = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)  # made with mode 0600
    with os.fdopen(file, "w", encoding="utf-8") as opened:
        opened.write(text)
        opened.flush()
        os.fsync(opened.fileno())
    Path(draft).replace(path)
