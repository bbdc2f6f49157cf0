"""
The firm's own files in a backup: the project; or, where there is none, `.env`, `deployments/` and `flows/`.

They are never restored together with the data: there they may be newer, and settings say where the data is. A person
lets them be written into a folder, and is asked before a file with another content is replaced.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from hookline.backup.archive import Backup
from hookline.errors import HooklineError
from hookline.file_writes import replace
from hookline.settings import Settings, dotenv_path

WITHOUT_PROJECT = (".env", "deployments", "flows")
MAX_FILE = 1 << 26
MAX_FILES = 10_000
_PRIVATE = 0o600
_GENERATED = {"__pycache__", "node_modules"}


@dataclass
class Files:
    """The files of a folder that go into a backup, and what of it does not."""

    folder: Path
    paths: list[Path] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)

    @property
    def names(self) -> Iterator[tuple[str, Path]]:
        """Each file by its path from the folder."""
        return ((path.relative_to(self.folder).as_posix(), path) for path in self.paths)


def folder_of(settings: Settings) -> Path:
    """Return the project's folder; or, where there is none, the one with `.env`."""
    return settings.project or dotenv_path().parent


def files_of(settings: Settings) -> Files:
    """
    Return the files of the project; or, where there is none, those in the working directory that a person changes.

    Hidden folders (`.git`, `.venv`), what is generated and the data folder are left out in silence.
    """
    found = Files(folder_of(settings))
    inside = [found.folder] if settings.project else [found.folder / name for name in WITHOUT_PROJECT]
    for path in inside:
        _gather(path, settings.home.absolute(), found)
    elsewhere = {
        f"HOOKLINE_{name.upper()}": path
        for name in ("hooks", "catalog", "deployments", "automations", "templates")
        if (path := getattr(settings, name)) is not None
    }
    found.left_out += [
        f"{path.absolute()} ({name})"
        for name, path in elsewhere.items()
        if not any(path.absolute().is_relative_to(each) for each in inside)
    ]
    return found


def _gather(path: Path, home: Path, found: Files) -> None:
    if path.is_dir():
        if path.is_symlink() and path != found.folder:
            found.left_out.append(f"{path}, a link to a folder")
            return
        for each in sorted(path.iterdir()):
            if each == home or (each.is_dir() and (each.name.startswith(".") or each.name in _GENERATED)):
                continue
            _gather(each, home, found)
    elif path.is_file():
        if not os.access(path, os.R_OK):
            found.left_out.append(f"{path}, which cannot be read")
        elif path.stat().st_size > MAX_FILE or len(found.paths) >= MAX_FILES:
            found.left_out.append(f"{path}, beyond {MAX_FILES:,} files or {MAX_FILE / 1e6:.0f} MB")
        else:
            found.paths.append(path)


@dataclass(frozen=True)
class Compared:
    """The files of a backup beside those of a folder."""

    missing: list[str]
    other: list[str]
    same: list[str]


def compare(backup: Backup, folder: Path) -> Compared:
    """Return which files of the backup the folder lacks, has with another content, and has as they are."""
    compared = Compared([], [], [])
    for name in backup.manifest.files:
        path = folder / name
        if not path.exists() and not path.is_symlink():
            compared.missing.append(name)
        elif path.is_file() and path.read_bytes() == backup.file(name):
            compared.same.append(name)
        else:
            compared.other.append(name)
    return compared


def write(backup: Backup, folder: Path, compared: Compared) -> list[str]:
    """
    Write what is missing or other into a folder; return where the files are now that were there before.

    Raises:
        HooklineError: a file cannot be written, or its place is outside of the folder; says which.
    """
    stamp, before = datetime.now(UTC).strftime("%Y%m%dt%H%M%S"), []
    for name in (*compared.missing, *compared.other):
        path = folder / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if not path.parent.resolve().is_relative_to(folder.resolve()):
                raise HooklineError(f"{path} is not in {folder}: a link leads away. It was not written.")
            if name in compared.other:
                kept = path.with_name(f"{path.name}.before-{stamp}")
                path.rename(kept)
                before.append(str(kept))
            mode = _PRIVATE if path.name == ".env" else backup.mode(name) or 0o644
            replace(path, backup.file(name), mode=mode)
        except OSError as error:
            raise HooklineError(f"Cannot write {path}: {error.strerror or error}.") from None
    return before
