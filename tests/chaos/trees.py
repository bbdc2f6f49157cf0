"""
Two copies of the code: the one that runs, and the newer one that it is replaced by, process by process.

Each copy says in the audit trail which it is, by a line that no product has: so that a check can prove who did what.
"""

import shutil
from dataclasses import dataclass
from importlib.metadata import distribution
from pathlib import Path

FOLDERS = ("hookline", "tasks", "flows", "blocks", "deployments")
OLD, NEW = "old", "newer"
"""How the name of each process of a copy begins; of different lengths, so that no compiled file counts for both."""
MARK = """

_unmarked = process_name


def process_name() -> str:
    return f"{mark} {{_unmarked()}}"[:63]
"""
METADATA = "Metadata-Version: 2.1\nName: hookline\nVersion: {version}\n"


@dataclass(frozen=True)
class Trees:
    """Where the two are."""

    running: Path
    """The one that the supervisor began with; the newer one is put in its place, as `git pull` does."""
    newer: Path

    @classmethod
    def made(cls, folder: Path) -> "Trees":
        """Make both in a folder."""
        return cls(_copied(folder / OLD, OLD, "1.0.old"), _copied(folder / NEW, NEW, "2.0.newer"))

    def replace(self) -> None:
        """Put the newer one in the place of the other."""
        shutil.copytree(self.newer, self.running, dirs_exist_ok=True)


def _copied(folder: Path, mark: str, version: str) -> Path:
    here = Path(__file__).parents[2]
    for name in FOLDERS:
        shutil.copytree(here / name, folder / name)
    with (folder / "hookline" / "database" / "connection.py").open("a") as module:
        module.write(MARK.format(mark=mark))
    metadata = folder / "hookline-0.dist-info"  # found before the installed one
    metadata.mkdir()
    (metadata / "METADATA").write_text(METADATA.format(version=version))
    (metadata / "entry_points.txt").write_text(distribution("hookline").read_text("entry_points.txt") or "")
    return folder
