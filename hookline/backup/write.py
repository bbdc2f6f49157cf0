"""A backup is made: both databases and the keys, into one file, while everything runs."""

import asyncio
import os
import socket
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from dotenv import dotenv_values

from hookline.backup.archive import (
    DUMPS,
    FILES,
    SECRETS,
    Backup,
    Manifest,
    Writer,
    is_file_name,
    is_secret_name,
    writing,
)
from hookline.backup.files import Files, files_of
from hookline.backup.postgres import Database, contents, dump, programs_for
from hookline.database import embedded, prefects, schema
from hookline.database.connection import database_url, prefect_postgres_url
from hookline.errors import HooklineError
from hookline.settings import Settings, dotenv_path
from hookline.supervisor.lock import is_running, only_one
from hookline.version import VERSION, commit

OnBytes = Callable[[str, int], None]
"""Told what is done, and of how many bytes more."""

KEYS_OF_ENVIRONMENT = ("PREFECT_SERVER_ENCRYPTION_KEY", "HOOKLINE_BODY_KEYS", "HOOKLINE_ADMIN_TOKEN")


@dataclass(frozen=True)
class Source:
    """What is backed up."""

    hookline: Database
    prefect: Database | None
    programs: Path
    schema: str
    prefect_schema: str | None


def make(settings: Settings, path: Path, on_bytes: OnBytes, *, replace: bool = False) -> Manifest:
    """
    Write a backup to `path`: whole, checked by reading it again, readable by its owner alone, or not at all.

    Args:
        settings: what is backed up.
        path: the file.
        on_bytes: is told of the progress.
        replace: another file of that name is replaced.

    Raises:
        HooklineError: it cannot be made; says why. Nothing is left behind.
    """
    if path.exists() and not replace:
        raise HooklineError(f"{path} is there already. Choose another name, or add --replace.")
    with _server(settings), _draft(path) as draft:
        source = asyncio.run(_source(settings))
        with draft.open("r+b") as file:
            with writing(file, lambda size: on_bytes("writing", size)) as archive:
                manifest = _write(settings, source, archive)
            file.flush()
            os.fsync(file.fileno())
        _check(draft, source, on_bytes)
        draft.replace(path)
        _sync_folder(path.parent)
    return manifest


def _write(settings: Settings, source: Source, archive: Writer) -> Manifest:
    created = datetime.now(UTC)
    for name in _secret_names(settings.home):
        archive.add(f"{SECRETS}{name}", [(settings.home / "secrets" / name).read_bytes()])
    files = _add_files(settings, archive)
    if source.prefect is not None:
        archive.add(DUMPS["prefect"], dump(source.programs, source.prefect))
    # The last, for an old journal does more harm than old flow runs.
    archive.add(DUMPS["hookline"], dump(source.programs, source.hookline))
    manifest = Manifest(
        created_at=created.isoformat(),
        version=VERSION,
        commit=commit(),
        schema=source.schema,
        prefect_version=prefects.installed(),
        prefect_schema=source.prefect_schema,
        host=socket.gethostname(),
        environment=[name for name in KEYS_OF_ENVIRONMENT if _is_in_no_file(settings, name)],
        home=str(settings.home.absolute()),
        folder=str(files.folder),
        left_out=files.left_out,
        parts=archive.parts,
    )
    archive.finish(manifest)
    return manifest


def _add_files(settings: Settings, archive: Writer) -> Files:
    files = files_of(settings)
    for name, path in files.names:
        if not is_file_name(name):
            files.left_out.append(f"{path}, for its name")
            continue
        try:
            content, mode = path.read_bytes(), stat.S_IMODE(path.stat().st_mode)
        except OSError as error:
            files.left_out.append(f"{path}: {error.strerror}")
        else:
            archive.add(f"{FILES}{name}", [content], mode=mode)
    return files


def _check(path: Path, source: Source, on_bytes: OnBytes) -> None:
    """Read what was written: each checksum, and whether `pg_restore` knows the dumps."""
    with Backup.open(path) as backup:
        backup.verify(lambda size: on_bytes("checking", size))
        for database, part in ((source.hookline, DUMPS["hookline"]), (source.prefect, DUMPS["prefect"])):
            if database is not None and not contents(source.programs, database, backup.chunks(part)):
                raise HooklineError(f"The dump of {database.name} has no tables. Nothing was written.")


async def _source(settings: Settings) -> Source:
    """Find out what is to be backed up, and with which programs."""
    own, prefects = Database(database_url(settings)), prefect_postgres_url(settings)
    connection = await own.connect()
    try:
        programs, found = await programs_for(connection), await schema.revision(connection)
        await schema.require_known(connection, found)
    finally:
        await connection.close()
    if found is None:
        raise HooklineError("The database is empty: `hookline up` has not made its tables yet.")
    if prefects is None:
        return Source(own, None, programs, found, None)
    prefect = Database(prefects)
    connection = await prefect.connect()
    try:
        prefect_schema = await schema.revision(connection)
    finally:
        await connection.close()
    return Source(own, prefect if prefect_schema else None, programs, found, prefect_schema)


def _server(settings: Settings) -> AbstractContextManager[None]:
    """Start the embedded PostgreSQL, if it is the one and does not run."""
    if settings.database_url is not None or is_running(settings.home):
        return nullcontext()
    return _served(settings.home)


@contextmanager
def _served(home: Path) -> Iterator[None]:
    if not (home / "postgres" / "data").exists():
        raise HooklineError(f"There is nothing to back up: {home} has no database.")
    with only_one(home), embedded.served(home):
        yield


@contextmanager
def _draft(path: Path) -> Iterator[Path]:
    """Make a file beside `path` that only its owner may read; it is removed unless it is renamed."""
    try:
        number, name = tempfile.mkstemp(prefix=f".{path.name}-", suffix=".part", dir=path.parent)  # mode 0600
    except OSError as error:
        raise HooklineError(f"Cannot write to {path.parent}: {error.strerror}.") from None
    os.close(number)
    try:
        yield Path(name)
    except OSError as error:
        raise HooklineError(f"Cannot write {path}: {error.strerror or error}. Nothing was left.") from None
    finally:
        Path(name).unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _secret_names(home: Path) -> list[str]:
    folder = home / "secrets"
    return sorted(path.name for path in folder.glob("*") if path.is_file() and is_secret_name(path.name))


def _is_in_no_file(settings: Settings, name: str) -> bool:
    """Return True if a key is set by the environment, not by `.env` or a file of the home."""
    value, file = os.environ.get(name), settings.home / "secrets" / "prefect-encryption-key"
    if value and dotenv_values(dotenv_path()).get(name) == value:
        return False
    if name == "PREFECT_SERVER_ENCRYPTION_KEY" and file.is_file() and file.read_text().strip() == value:
        return False
    return bool(value)
