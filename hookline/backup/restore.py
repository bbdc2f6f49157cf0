"""
A backup takes the place of what is there: all or nothing, while nothing runs.

New databases and a new folder of keys are made beside the old ones; only when all of it is loaded do they change names.
What was there before stays, under other names. The restored database is held: it has forgotten what was done since, and
a person lets it go on.
"""

import asyncio
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack, ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import asyncpg

from hookline.backup.archive import DUMPS, Backup, BadBackup
from hookline.backup.postgres import Database, load, programs_for
from hookline.backup.write import KEYS_OF_ENVIRONMENT, OnBytes
from hookline.database import embedded, high_water, prefects, schema
from hookline.database.connection import database_url, prefect_postgres_url
from hookline.database.migrate import migrate
from hookline.errors import HooklineError
from hookline.local_time import local_time
from hookline.settings import Settings
from hookline.supervisor.lock import only_one
from hookline.version import this_hookline

_MAX_NAME = 63


@dataclass(frozen=True)
class Target:
    """A database that a dump takes the place of."""

    part: str
    database: Database
    stamp: str

    @property
    def new(self) -> Database:
        """The database beside it, into which the dump is loaded."""
        return self.database.sibling(self._named("restoring"))

    @property
    def before(self) -> str:
        """The name that what is there now will have."""
        return self._named("before")

    def _named(self, what: str) -> str:
        ending = f"_{what}_{self.stamp}"
        return f"{self.database.name[: _MAX_NAME - len(ending)]}{ending}"


@dataclass
class Restored:
    """What was restored, and where what was there before is now."""

    created_at: str
    databases: list[str] = field(default_factory=list)
    secrets: list[str] = field(default_factory=list)
    before: list[str] = field(default_factory=list)
    missing_keys: list[str] = field(default_factory=list)
    """Keys that the environment had when the backup was made, and now has not."""


@contextmanager
def ready(settings: Settings, path: Path, on_bytes: OnBytes) -> Iterator["Restoring"]:
    """
    Check the backup, and that nothing runs; within, nothing can start on this home.

    Raises:
        HooklineError: the file is damaged or of a newer version, or Hookline runs.
    """
    with ExitStack() as stack:
        backup = stack.enter_context(Backup.open(path))
        _ensure_known(backup)
        backup.verify(lambda size: on_bytes("checking", size))
        stack.enter_context(only_one(settings.home))
        if settings.database_url is None:
            stack.enter_context(embedded.served(settings.home))
        yield Restoring(settings, backup)


class Restoring:
    """A restore that may begin: nothing runs."""

    def __init__(self, settings: Settings, backup: Backup) -> None:
        self.settings = settings
        self.backup = backup
        self._stamp = datetime.now(UTC).strftime("%Y%m%dt%H%M%S")

    def replaces(self) -> list[str]:
        """
        Return what is there and would be replaced, in words; empty if nothing is.

        Raises:
            HooklineError: somebody is connected to it.
        """
        return asyncio.run(self._replaces())

    def run(self, on_bytes: OnBytes) -> Restored:
        """
        Restore.

        Raises:
            HooklineError: it fails; what was there is as it was.
        """
        manifest = self.backup.manifest
        targets = self._targets()
        secrets = self._write_secrets()
        try:
            asyncio.run(self._load(targets, on_bytes))
            before = asyncio.run(_swap(targets, self._move_secrets(secrets)))
        except BaseException:
            shutil.rmtree(secrets, ignore_errors=True)
            with suppress(HooklineError, OSError, asyncpg.PostgresError):
                asyncio.run(_drop(targets))
            raise
        return Restored(
            created_at=manifest.created_at,
            databases=[target.database.name for target in targets],
            secrets=manifest.secrets,
            before=before,
            missing_keys=[
                name
                for name in manifest.environment
                if name in KEYS_OF_ENVIRONMENT and not os.environ.get(name)
            ],
        )

    def _targets(self) -> list[Target]:
        targets = [Target(DUMPS["hookline"], Database(database_url(self.settings)), self._stamp)]
        if self.backup.manifest.prefect_schema is None:
            return targets
        prefects = prefect_postgres_url(self.settings)
        if prefects is None:
            raise HooklineError(
                "The backup has Prefect's database, and here Prefect's server or database is not Hookline's own. "
                "Unset PREFECT_API_URL and PREFECT_SERVER_DATABASE_CONNECTION_URL. Nothing was changed."
            )
        return [Target(DUMPS["prefect"], Database(prefects), self._stamp), *targets]

    async def _replaces(self) -> list[str]:
        found = []
        for target in self._targets():
            server = await _administering(target.database)
            try:
                await _ensure_unused(server, target.database.name)
                if await _exists(server, target.database.name):
                    found += await _described(target.database)
            finally:
                await server.close()
        return found

    async def _load(self, targets: Sequence[Target], on_bytes: OnBytes) -> None:
        for target in targets:
            server = await _administering(target.database)
            try:
                await server.execute(f"CREATE DATABASE {_quoted(target.new.name)}")
                programs = await programs_for(server)
            except asyncpg.InsufficientPrivilegeError as error:
                raise HooklineError(
                    f"A database cannot be made on the server: {error}. The role needs CREATEDB. Nothing was changed."
                ) from None
            finally:
                await server.close()
            await asyncio.to_thread(load, programs, target.new, self._counted(target.part, on_bytes))
            await self._finish(target)

    def _counted(self, part: str, on_bytes: OnBytes) -> Iterator[bytes]:
        for chunk in self.backup.chunks(part):
            on_bytes("loading", len(chunk))
            yield chunk

    async def _finish(self, target: Target) -> None:
        """Check what was loaded, and hold it."""
        manifest = self.backup.manifest
        is_own = target.part == DUMPS["hookline"]
        connection = await target.new.connect()
        try:
            found = await schema.revision(connection)
            if found != (manifest.schema if is_own else manifest.prefect_schema):
                raise BadBackup(f"{target.part} is not what its manifest says. Nothing was changed.")
            if is_own:
                if found != schema.head():
                    await asyncio.to_thread(migrate, target.new.url)
                await connection.execute(
                    "DELETE FROM sessions; DELETE FROM connecting; DELETE FROM engines; DELETE FROM batches"
                )
                await high_water.hold(
                    connection,
                    f"The database was restored from the backup of {local_time(manifest.moment)}.",
                )
        finally:
            await connection.close()

    def _write_secrets(self) -> Path:
        """Write the keys into a new folder, which is moved into its place later."""
        folder = Path(tempfile.mkdtemp(prefix=f"secrets-restoring-{self._stamp}-", dir=self.settings.home))
        for name in self.backup.manifest.secrets:
            file = os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(file, "wb") as opened:
                opened.write(self.backup.secret(name))
                opened.flush()
                os.fsync(opened.fileno())
        return folder

    def _move_secrets(self, new: Path) -> "_Move":
        home = self.settings.home
        return _Move(new, home / "secrets", home / f"secrets-before-{self._stamp}")


@dataclass(frozen=True)
class _Move:
    """A folder that takes the place of another one."""

    new: Path
    place: Path
    before: Path

    def do(self) -> None:
        """Move both folders, or none."""
        if self.place.exists():
            self.place.rename(self.before)
        try:
            self.new.rename(self.place)
        except OSError:
            self._revert()
            raise

    def undo(self) -> None:
        """Move both back."""
        self.place.rename(self.new)
        self._revert()

    def _revert(self) -> None:
        if self.before.exists():
            self.before.rename(self.place)


async def _swap(targets: Sequence[Target], secrets: _Move) -> list[str]:
    """
    Give the new databases and keys the names of the old ones; return where the old ones are.

    Databases of one server change names in one transaction, and the keys are moved before it is committed.
    """
    before, moved = [], False
    try:
        async with AsyncExitStack() as stack:
            servers: dict[str, asyncpg.Connection] = {}
            for target in targets:
                name = target.database.name
                server = servers.get(target.database.server)
                if server is None:
                    server = servers[target.database.server] = await _administering(target.database)
                    stack.push_async_callback(server.close)
                    await stack.enter_async_context(server.transaction())
                await _ensure_unused(server, name)
                if await _exists(server, name):
                    await server.execute(f"ALTER DATABASE {_quoted(name)} RENAME TO {_quoted(target.before)}")
                    before.append(f"database {target.before}")
                await server.execute(f"ALTER DATABASE {_quoted(target.new.name)} RENAME TO {_quoted(name)}")
            secrets.do()
            moved = True
    except BaseException as error:
        if moved:
            secrets.undo()
        if isinstance(error, asyncpg.PostgresError):
            raise HooklineError(f"The databases cannot change names: {error}. Nothing was changed.") from None
        raise
    if secrets.before.exists():
        before.append(f"folder {secrets.before}")
    return before


async def _drop(targets: Sequence[Target]) -> None:
    """Drop what was loaded beside the old databases."""
    for target in targets:
        server = await _administering(target.database)
        try:
            await server.execute(f"DROP DATABASE IF EXISTS {_quoted(target.new.name)} WITH (FORCE)")
        finally:
            await server.close()


async def _administering(database: Database) -> asyncpg.Connection:
    return await database.sibling("postgres").connect()


async def _exists(server: asyncpg.Connection, name: str) -> bool:
    return bool(await server.fetchval("SELECT true FROM pg_database WHERE datname = $1", name))


async def _ensure_unused(server: asyncpg.Connection, name: str) -> None:
    users = await server.fetch(
        "SELECT DISTINCT coalesce(nullif(application_name, ''), 'a program') AS name FROM pg_stat_activity "
        "WHERE datname = $1 AND pid <> pg_backend_pid() AND backend_type = 'client backend' ORDER BY 1",
        name,
    )
    if users:
        names = ", ".join(row["name"] for row in users)
        raise HooklineError(
            f"The database {name} is in use, by {names}. Stop every `hookline` on it, on every machine. Nothing was "
            "changed."
        )


async def _described(database: Database) -> list[str]:
    """Return what a database holds, in words; empty if it has no tables."""
    connection = await database.connect()
    try:
        found = await schema.revision(connection)
        if found is None:
            return []
        if found not in schema.KNOWN and (maker := await schema.made_by(connection)):
            return [f"{database.name}: the schema {found} of {maker}"]
        with suppress(asyncpg.UndefinedTableError, asyncpg.UndefinedColumnError):
            [counts] = await connection.fetch(
                "SELECT (SELECT count(*) FROM deliveries) AS deliveries, (SELECT count(*) FROM effects) AS effects, "
                "(SELECT max(at) FROM changes) AS last"
            )
            last = f", the last change of {local_time(counts['last'])}" if counts["last"] else ""
            return [f"{database.name}: {counts['deliveries']} deliveries, {counts['effects']} effects{last}"]
        return [f"{database.name}: Prefect's"]
    finally:
        await connection.close()


def _ensure_known(backup: Backup) -> None:
    """Refuse a backup of a newer schema: this code could not read it."""
    manifest = backup.manifest
    if manifest.schema not in schema.KNOWN:
        raise BadBackup(
            f"{backup.path} was made by {manifest.made_by} and has the schema {manifest.schema}; this code, Hookline "
            f"{this_hookline()}, knows {', '.join(schema.KNOWN)}. Restore it with the code that made it; nothing was "
            "changed."
        )
    known = prefects.known_revisions()
    if manifest.prefect_schema is not None and known and manifest.prefect_schema not in known:
        raise BadBackup(
            f"{backup.path} has the database of Prefect {manifest.prefect_version}, which the installed one does "
            f"not know. Restore it with the code that made it, {manifest.made_by}; nothing was changed."
        )


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
