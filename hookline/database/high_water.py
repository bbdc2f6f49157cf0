"""
The high-water mark: how far the database was, written outside of it, so that an older copy is known for one.

A dump that was loaded, a disk that was set back, a replica that missed the last moments: whatever it was, the database
has forgotten vendor writes, and "no row" no longer means "never done". So the database is held: nothing starts until a
person lets it go on (`hookline.inbox.holding`).

The database has an id of its history, its *lineage*, and two numbers that only grow: of the last change of a state,
and of the last attempt at a vendor. Both come from committed rows, so a crash does not set them back; what is deleted
counts as well (`keep_floor`). They are in one small file for each lineage: the attempt before its request leaves, the
other once a second. Another file for each address of a database says which lineage was there.
"""

import fcntl
import hashlib
import logging
import os
import struct
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID, uuid4

import asyncpg

from hookline.database.types import Connection

logger = logging.getLogger(__name__)

_FORMAT = struct.Struct("<qq")
_SUFFIX = ".mark"


@dataclass(frozen=True)
class Mark:
    """How far a database is, or was."""

    changes: int = 0
    """The number of the last change of a state."""
    attempts: int = 0
    """The number of the last attempt at a vendor."""

    def __or__(self, other: "Mark") -> "Mark":
        """Return the higher of each number."""
        return Mark(max(self.changes, other.changes), max(self.attempts, other.attempts))

    def missing(self, now: "Mark") -> str:
        """Return in words what a database that is at `now` lacks; empty if it lacks nothing."""
        lacks = {
            "changes of deliveries and runs": self.changes - now.changes,
            "attempts at vendors": self.attempts - now.attempts,
        }
        return " and ".join(f"{number} {what}" for what, number in lacks.items() if number > 0)


@dataclass(frozen=True)
class Position:
    """The database as it is: its lineage, and how far it is."""

    lineage: UUID
    before: frozenset[UUID]
    mark: Mark
    is_held: bool


class Outside:
    """The files that remember how far the database was."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder = folder
        address = url.partition("@")[2] or url  # without the password
        self._on_disk: dict[UUID, Mark] = {}
        """What this process saw written to the disk: it need not be written again."""
        self._address = self.folder / f"database-{hashlib.sha256(address.encode()).hexdigest()[:16]}"

    def marks(self) -> dict[UUID, Mark]:
        """Return how far a database of each known lineage was."""
        return {UUID(path.stem): _unpacked(path.read_bytes()) for path in self.folder.glob(f"*{_SUFFIX}")}

    def lineage_here(self) -> UUID | None:
        """Return the lineage that was last seen at this address; None if there was none."""
        with suppress(FileNotFoundError, ValueError):
            return UUID(self._address.read_text().strip())
        return None

    def lineages(self) -> set[UUID]:
        """Return every lineage that was seen, here or with a mark."""
        here = self.lineage_here()
        return {*self.marks()} | ({here} if here else set())

    def note(self, lineage: UUID, mark: Mark, *, on_disk: bool = False) -> None:
        """Write down how far the database is; several processes may do so at once, and it never falls."""
        file = self._open(lineage)
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
            data = os.pread(file, _FORMAT.size, 0)
            before = _unpacked(data)
            if (after := before | mark) != before or not data:
                os.pwrite(file, _FORMAT.pack(after.changes, after.attempts), 0)
            if on_disk and (not data or self._on_disk.get(lineage) != after):
                os.fsync(file)
                self._on_disk[lineage] = after
        finally:
            os.close(file)

    def note_attempt(self, lineage: UUID, mark: int) -> None:
        """Write down that this attempt begins; where it cannot be written, `check` says so."""
        with suppress(OSError):
            self.note(lineage, Mark(attempts=mark))

    def note_here(self, lineage: UUID) -> None:
        """Write down that this lineage is at this address."""
        if self.lineage_here() == lineage:
            return
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = self._address.with_name(f".{uuid4()}")
        draft.write_text(f"{lineage}\n")
        draft.chmod(0o600)
        draft.replace(self._address)

    def _open(self, lineage: UUID) -> int:
        path, flags = f"{self.folder}/{lineage}{_SUFFIX}", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
        try:
            return os.open(path, flags, 0o600)
        except FileNotFoundError:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            return os.open(path, flags, 0o600)


def older(then: UUID | None, mark: Mark | None, now: Position) -> str | None:
    """
    Return why the database counts as older than it was; None if it does not.

    Args:
        then: the lineage that was here.
        mark: how far this lineage was; read, like `then`, before the database was.
        now: the database.
    """
    if mark is not None and (missing := mark.missing(now.mark)):
        return f"it lacks {missing}."
    if then is None or then == now.lineage or then in now.before:
        return None
    if mark is not None:
        return "it is from before an earlier restore was let go on."
    return "it is another one than was here, and knows nothing of what that one did."


def _unpacked(data: bytes) -> Mark:
    return Mark(*_FORMAT.unpack(data)) if len(data) == _FORMAT.size else Mark()


async def position(connection: "Connection | asyncpg.Pool") -> Position | None:
    """Return where the database is; None if it has no tables yet."""
    try:
        row = await connection.fetchrow(
            """
            SELECT id, before, held_since IS NOT NULL AS is_held,
                   greatest(changes_floor, (SELECT max(id) FROM changes)) AS changes,
                   greatest(attempts_floor, (SELECT max(mark) FROM effects)) AS attempts
            FROM lineage
            """
        )
    except (asyncpg.UndefinedTableError, asyncpg.UndefinedColumnError):
        return None
    if row is None:
        return None
    return Position(
        row["id"], frozenset(row["before"]), Mark(row["changes"], row["attempts"]), row["is_held"]
    )


async def check(connection: "Connection | asyncpg.Pool", outside: Outside, *, on_disk: bool = False) -> bool:
    """
    Compare the database with what is remembered of it: hold it if it is older, else remember how far it is.

    Returns:
        False if it is held.
    """
    then, known = outside.lineage_here(), outside.marks()  # before the database is read: it only grows
    now = await position(connection)
    if now is None:
        return True
    if now.is_held:
        return False
    if why := older(then, known.get(now.lineage), now):
        await hold(connection, f"The database is older than it was: {why}")
        return False
    try:
        outside.note(now.lineage, now.mark, on_disk=on_disk)
        outside.note_here(now.lineage)
    except OSError as error:
        logger.warning("how far the database is cannot be written to %s: %s", outside.folder, error)
    return True


async def hold(connection: "Connection | asyncpg.Pool", reason: str) -> None:
    """Hold everything: from now on nothing starts, until a person lets it go on."""
    await connection.execute(
        """
        UPDATE lineage SET held_since = now(), held_reason = $1, event_due = true WHERE held_since IS NULL
        """,
        reason,
    )
