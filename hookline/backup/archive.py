"""
The file of a backup: a zip without compression, whose last part is a manifest with the checksum of each other one.

A zip has its directory at its end: a file that was cut off has none. The dumps are compressed by `pg_dump`.
"""

import hashlib
import json
import re
import zipfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import IO, Final, Self

from hookline.errors import HooklineError

FORMAT: Final = 2
DUMPS: Final = {"hookline": "hookline.dump", "prefect": "prefect.dump"}
MANIFEST: Final = "manifest.json"
SECRETS: Final = "secrets/"
FILES: Final = "files/"

_CHUNK = 1 << 20
_MAX_MANIFEST = 1 << 22
_MAX_SECRET = 1 << 16
_MAX_FILE = 1 << 26
_MAX_PARTS = 11_000
_SECRET_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}", re.ASCII)


class BadBackup(HooklineError):
    """A file that is no backup, is damaged, or is of another version."""


@dataclass(frozen=True)
class Part:
    """One part of a backup."""

    bytes: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """What a backup says of itself."""

    created_at: str
    version: str
    """Of Hookline."""
    schema: str
    """The revision of Hookline's database."""
    prefect_version: str
    prefect_schema: str | None
    """The revision of Prefect's database; None: it is not in the file."""
    host: str
    environment: list[str]
    """Keys that were set by the environment, and so are not in the file."""
    commit: str | None = None
    """Of Hookline's code."""
    home: str = ""
    """The data folder that was backed up."""
    folder: str = ""
    """The folder whose files are in it."""
    left_out: list[str] = field(default_factory=list)
    """What belongs to these files and is not in it."""
    parts: dict[str, Part] = field(default_factory=dict)
    format: int = FORMAT

    @property
    def moment(self) -> datetime:
        """When it was made."""
        return datetime.fromisoformat(self.created_at)

    @property
    def secrets(self) -> list[str]:
        """The names of the keys in it."""
        return self._names(SECRETS)

    @property
    def files(self) -> list[str]:
        """The firm's own files in it, by their paths from their folder."""
        return self._names(FILES)

    @property
    def made_by(self) -> str:
        """Which Hookline made it, such as `Hookline 0.1.0 (fbf6e1959b1a)`."""
        return f"Hookline {self.version} ({self.commit})" if self.commit else f"Hookline {self.version}"

    def _names(self, folder: str) -> list[str]:
        return sorted(name.removeprefix(folder) for name in self.parts if name.startswith(folder))


class Writer:
    """Writes the parts of a backup one after another, and counts their checksums."""

    def __init__(self, archive: zipfile.ZipFile, on_bytes: Callable[[int], None]) -> None:
        self._archive = archive
        self._on_bytes = on_bytes
        self.parts: dict[str, Part] = {}

    def add(self, name: str, chunks: Iterable[bytes], *, mode: int = 0) -> None:
        """Write one part; of a file, with the permissions that it has."""
        digest, size = hashlib.sha256(), 0
        head = zipfile.ZipInfo(name)
        head.external_attr = mode << 16
        with self._archive.open(head, "w", force_zip64=True) as part:
            for chunk in chunks:
                part.write(chunk)
                digest.update(chunk)
                size += len(chunk)
                self._on_bytes(len(chunk))
        self.parts[name] = Part(size, digest.hexdigest())

    def finish(self, manifest: Manifest) -> None:
        """Write the manifest."""
        self._archive.writestr(zipfile.ZipInfo(MANIFEST), json.dumps(asdict(manifest), indent=1))


@contextmanager
def writing(file: IO[bytes], on_bytes: Callable[[int], None]) -> Iterator[Writer]:
    """Write a backup to an open file."""
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        yield Writer(archive, on_bytes)


class Backup:
    """A backup that was opened, with parts that may be trusted to be what was written."""

    def __init__(self, path: Path, archive: zipfile.ZipFile, manifest: Manifest) -> None:
        self.path = path
        self.manifest = manifest
        self._archive = archive

    @classmethod
    @contextmanager
    def open(cls, path: Path) -> Iterator[Self]:
        """
        Open a backup and read its manifest; `verify` reads the rest.

        Raises:
            BadBackup: it is none, or of a newer format.
        """
        try:
            with zipfile.ZipFile(path) as archive:
                yield cls(path, archive, _manifest(path, archive))
        except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError) as error:
            raise _damaged(path, str(error)) from None
        except OSError as error:
            raise HooklineError(f"Cannot read {path}: {error.strerror or error}.") from None

    def verify(self, on_bytes: Callable[[int], None] = lambda _size: None) -> None:
        """
        Read every part and compare it with its checksum.

        Raises:
            BadBackup: one is not what was written.
        """
        for name, part in self.manifest.parts.items():
            digest, size = hashlib.sha256(), 0
            for chunk in self.chunks(name):
                digest.update(chunk)
                size += len(chunk)
                on_bytes(len(chunk))
            if (size, digest.hexdigest()) != (part.bytes, part.sha256):
                raise _damaged(self.path, f"{name} is not what was written")

    def chunks(self, name: str) -> Iterator[bytes]:
        """Yield the content of a part."""
        with self._archive.open(name) as part:
            while chunk := part.read(_CHUNK):
                yield chunk

    def secret(self, name: str) -> bytes:
        """Return one of the keys."""
        return b"".join(self.chunks(f"{SECRETS}{name}"))

    def file(self, name: str) -> bytes:
        """Return the content of one of the firm's own files."""
        return b"".join(self.chunks(f"{FILES}{name}"))

    def mode(self, name: str) -> int:
        """Return the permissions that this file had."""
        return (self._archive.getinfo(f"{FILES}{name}").external_attr >> 16) & 0o777


def is_secret_name(name: str) -> bool:
    """Return True for a name that a key may have: no folder, nothing hidden."""
    return _SECRET_NAME.fullmatch(name) is not None


def is_file_name(name: str) -> bool:
    """Return True for the path of a file that stays in its folder."""
    parts = PurePosixPath(name).parts
    return bool(parts) and name == "/".join(parts) and not {"/", ".."} & {*parts} and "\0" not in name


def _manifest(path: Path, archive: zipfile.ZipFile) -> Manifest:
    rows = archive.infolist()
    names = [row.filename for row in rows]
    if MANIFEST not in names:
        raise BadBackup(f"{path} is no backup of Hookline: it has no {MANIFEST}.")
    if len(rows) > _MAX_PARTS or len(set(names)) != len(names):
        raise _damaged(path, "it has too many parts, or one twice")
    for row in rows:
        _ensure_harmless(path, row)
    try:
        raw = json.loads(archive.read(MANIFEST))
        if int(raw["format"]) > FORMAT:
            raise BadBackup(
                f"{path} was made by a newer Hookline ({raw.get('version')}). Restore it with that version."
            )
        manifest = Manifest(**{**raw, "parts": {name: Part(**part) for name, part in raw["parts"].items()}})
        moment = manifest.moment
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise _damaged(path, f"its {MANIFEST} cannot be read: {error}") from None
    if moment.tzinfo is None or {*manifest.parts, MANIFEST} != set(names):
        raise _damaged(path, f"its parts are not those of its {MANIFEST}")
    if DUMPS["hookline"] not in names or (DUMPS["prefect"] in names) != bool(manifest.prefect_schema):
        raise _damaged(path, "a database is missing")
    return manifest


def _ensure_harmless(path: Path, row: zipfile.ZipInfo) -> None:
    """Refuse what Hookline does not write: other names, paths, compression, keys and files without end."""
    name, limit = row.filename, None
    if name == MANIFEST:
        limit = _MAX_MANIFEST
    elif name.startswith(SECRETS) and is_secret_name(name.removeprefix(SECRETS)):
        limit = _MAX_SECRET
    elif name.startswith(FILES) and is_file_name(name.removeprefix(FILES)):
        limit = _MAX_FILE
    elif name not in DUMPS.values():
        raise _damaged(path, f"it has a part {name!r}, which no backup has")
    if row.compress_type != zipfile.ZIP_STORED or (limit is not None and row.file_size > limit):
        raise _damaged(path, f"its part {name!r} is of a kind or size that no backup has")


def _damaged(path: Path, why: str) -> BadBackup:
    return BadBackup(f"{path} is damaged or was changed: {why}. Nothing was restored. Take another backup.")
