"""PostgreSQL's own programs: `pg_dump`, `pg_restore` and `psql`, the embedded ones or newer ones of this machine."""

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Self, cast
from urllib.parse import unquote, urlsplit, urlunsplit

import asyncpg

from hookline.database import embedded
from hookline.errors import HooklineError
from hookline.redaction import redact

CONNECT_SECONDS = 10
_CHUNK = 1 << 20
_MAX_ERRORS = 4_000
# Servers before 17 do not know it, and it is the default.
_ONLY_NEWER = b"SET transaction_timeout = 0;\n"
_HEAD = 4_096


@dataclass(frozen=True)
class Database:
    """One database, by its address for asyncpg and PostgreSQL's programs."""

    url: str

    @property
    def name(self) -> str:
        """Its name."""
        return unquote(urlsplit(self.url).path.lstrip("/"))

    @property
    def server(self) -> str:
        """The server it is on, without the password."""
        parts = urlsplit(self.url)
        return f"{parts.netloc.rpartition('@')[2]}?{parts.query}"

    def sibling(self, name: str) -> "Database":
        """Return another database of the same server."""
        return Database(urlunsplit(urlsplit(self.url)._replace(path=f"/{name}")))

    async def connect(self) -> asyncpg.Connection:
        """
        Open a connection.

        Raises:
            HooklineError: no server answers, or it refuses.
        """
        try:
            return await asyncpg.connect(self.url, timeout=CONNECT_SECONDS)
        except asyncpg.InvalidCatalogNameError:
            raise HooklineError(f"There is no database {self.name} on the server.") from None
        except (OSError, TimeoutError, asyncpg.PostgresError) as error:
            raise HooklineError(f"Cannot reach the database {self.name}: {error}.") from None

    @property
    def _plain(self) -> tuple[str, str | None]:
        """The address without the password, and the password."""
        parts = urlsplit(self.url)
        user, _, host = parts.netloc.rpartition("@")
        name, _, password = user.partition(":")
        return urlunsplit(parts._replace(netloc=f"{name}@{host}" if user else host)), unquote(
            password
        ) or None

    def environment(self) -> dict[str, str]:
        """Return the environment of a program that connects; a command line would show the password."""
        environment = {"LC_ALL": "C", "PGAPPNAME": "hookline backup"}
        for name in ("PATH", "LD_LIBRARY_PATH", "HOME", "PGSSLROOTCERT", "PGPASSFILE"):
            if name in os.environ:
                environment[name] = os.environ[name]
        if password := self._plain[1]:
            environment["PGPASSWORD"] = password
        return environment

    @property
    def address(self) -> str:
        """The address without the password."""
        return self._plain[0]


async def programs_for(connection: asyncpg.Connection) -> Path:
    """
    Return the folder with programs that this server understands: the embedded ones, or newer ones of this machine.

    Raises:
        HooklineError: the server is newer than all of them.
    """
    needed = connection.get_server_version().major
    own = embedded.programs()
    if needed <= int(embedded.MAJOR_VERSION):
        return own
    found = shutil.which("pg_dump")
    if found and _major(found) >= needed:
        return Path(found).parent
    raise HooklineError(
        f"The server is PostgreSQL {needed}, and the `pg_dump` that Hookline brings is {embedded.MAJOR_VERSION}, which "
        f"cannot read it. Install the client programs of PostgreSQL {needed}, and have `pg_dump` in the PATH."
    )


def _major(program: str) -> int:
    message = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)  # noqa: S603
    found = re.search(r"(\d+)", message.stdout)
    return int(found[1]) if found else 0


def dump(programs: Path, database: Database) -> Iterator[bytes]:
    """
    Yield a dump of a database, as it is at one moment.

    Raises:
        HooklineError: `pg_dump` fails.
    """
    command = [
        *(str(programs / "pg_dump"), "--format=custom", "--no-owner", "--no-privileges", "--no-password"),
        f"--dbname={database.address}",
    ]
    with _Program(command, database) as program:
        yield from program.output()


def load(programs: Path, database: Database, chunks: Iterable[bytes]) -> None:
    """
    Load a dump into an empty database, in one transaction.

    Raises:
        HooklineError: it cannot be loaded; the database is as empty as before.
    """
    read = [str(programs / "pg_restore"), "--no-owner", "--no-privileges", "--file=-"]
    write = [
        *(str(programs / "psql"), "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "--single-transaction"),
        *("--no-password", "--output=/dev/null", f"--dbname={database.address}"),
    ]
    with (
        _Program(write, database) as psql,
        _Program(read, database) as pg_restore,
        ThreadPoolExecutor(1) as thread,
    ):
        fed = thread.submit(pg_restore.feed, chunks)
        psql.feed(_for_any_server(pg_restore.output()))
        fed.result()


def contents(programs: Path, database: Database, chunks: Iterable[bytes]) -> int:
    """
    Return the number of tables with data in a dump.

    Raises:
        HooklineError: it is no dump.
    """
    with (
        _Program([str(programs / "pg_restore"), "--list"], database) as pg_restore,
        ThreadPoolExecutor(1) as thread,
    ):
        fed = thread.submit(pg_restore.feed, chunks)
        listed = b"".join(pg_restore.output())
        fed.result()
    return listed.count(b" TABLE DATA ")


def _for_any_server(script: Iterable[bytes]) -> Iterator[bytes]:
    """Leave out of the head of a script what only newer servers know."""
    head, rest = b"", iter(script)
    for chunk in rest:
        head += chunk
        if _ONLY_NEWER in head or len(head) > _HEAD:
            break
    yield head.replace(_ONLY_NEWER, b"", 1)
    yield from rest


class _Program:
    """A program of PostgreSQL that runs; at the end of the context it has ended well."""

    def __init__(self, command: list[str], database: Database) -> None:
        self._command = command
        self._environment = database.environment()

    def __enter__(self) -> Self:
        self._errors = tempfile.TemporaryFile()
        try:
            process = subprocess.Popen(  # noqa: S603
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._errors,
                env=self._environment,
            )
        except OSError as error:
            raise HooklineError(f"Cannot run {self._command[0]}: {error.strerror}.") from None
        self._process, self._stdin, self._stdout = (
            process,
            cast("IO[bytes]", process.stdin),
            cast("IO[bytes]", process.stdout),
        )
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            self._process.kill()
        for pipe in (self._stdin, self._stdout):
            with suppress(OSError):
                pipe.close()
        code = self._process.wait()
        self._errors.seek(0)
        message = self._errors.read(_MAX_ERRORS).decode(errors="replace").strip()
        self._errors.close()
        if kind is None and code != 0:
            raise HooklineError(
                f"{Path(self._command[0]).name} failed: {redact(message) or f'exit code {code}'}"
            )

    def feed(self, chunks: Iterable[bytes]) -> None:
        """Write its input; if it has ended before, how it ended says why."""
        with suppress(BrokenPipeError):
            for chunk in chunks:
                self._stdin.write(chunk)
            self._stdin.close()

    def output(self) -> Iterator[bytes]:
        """Yield its output."""
        while chunk := self._stdout.read(_CHUNK):
            yield chunk
