"""
Sessions at Jiwa, and the records in work in them.

With the header `jiwa-stateful: true` the server keeps a record in the session: all later calls of the session
see and change that copy, nobody else does, until it is saved or abandoned.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, Self, TypeVar

from hookline.simulators.control import RefusedError
from hookline.simulators.jiwa.values import conflict, missing


class Record(Protocol):
    """Something with a key that belongs to a debtor and can be changed as a copy."""

    @property
    def key(self) -> str:
        """Its key."""

    @property
    def debtor_id(self) -> str:
        """The debtor it belongs to, whose API key opens nothing else."""

    def draft(self) -> Self:
        """Return a copy to change."""

    def stamp(self) -> None:
        """Write down that it is saved now."""


R = TypeVar("R", bound=Record)
T = TypeVar("T")


@dataclass(slots=True)
class Pending:
    """A record in work, and the saved one when it was read; none for one that is new."""

    record: Any
    base: Any


@dataclass(slots=True)
class Session:
    """A caller who is logged in."""

    key: str
    provider: str
    created: str
    debtor_id: str = ""
    """The debtor whose API key it is; empty for staff."""
    pending: dict[tuple[str, str], Pending] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Caller:
    """The session a call belongs to, and whether the call is stateful."""

    session: Session
    stateful: bool

    def may_see(self, record: Record) -> bool:
        """Return True if it is theirs. Staff see everything."""
        return self.session.debtor_id in ("", record.debtor_id)


class Table(Generic[R]):
    """
    The records of one kind, as they are saved, and the way to read and change them.

    A change is made to a copy that takes the record's place when it worked, so one that fails leaves no trace.
    """

    def __init__(self, kind: str, saved: Callable[[R, bool], None]) -> None:
        self._kind = kind
        self._saved = saved
        """Called with each record saved, and True if it is new."""
        self._rows: dict[str, R] = {}

    def __iter__(self) -> Iterator[R]:
        return iter(self._rows.values())

    def named(self, key: str) -> R:
        """Return the record as it is saved."""
        row = self._rows.get(key)
        if row is None:
            raise self._missing(key)
        return row

    def seen_by(self, caller: Caller) -> Iterator[R]:
        """Return the saved records that a caller may see."""
        return (row for row in self if caller.may_see(row))

    def put(self, record: R) -> None:
        """Store a record, as if it had been there all along: no webhook is sent."""
        self._rows[record.key] = record

    def read(self, caller: Caller, key: str) -> R:
        """Return the record as the caller sees it; after a stateful call it is in work."""
        pending = self._pending(caller, key)
        if pending:
            return self._theirs(caller, pending.record)
        row = self._theirs(caller, self.named(key))
        if caller.stateful:
            caller.session.pending[self._kind, key] = Pending(row, row)
        return row

    def add(self, caller: Caller, record: R) -> R:
        """Add a new record; from a stateful call it is in work until it is saved."""
        if caller.stateful:
            caller.session.pending[self._kind, record.key] = Pending(record, None)
        else:
            self._save(record, new=True)
        return record

    def change(self, caller: Caller, key: str, change: Callable[[R], T]) -> T:
        """Change a copy of the record and put it in the record's place: the saved one, or that in work."""
        draft = self.read(caller, key).draft()
        value = change(draft)
        pending = self._pending(caller, key)
        if pending:
            pending.record = draft
        else:
            self._save(draft, new=False)
        return value

    def save(self, caller: Caller, key: str) -> R:
        """
        Save what the session has in work; with nothing in work there is nothing to do.

        Raises:
            RefusedError: somebody else saved the record meanwhile. It stays in work until it is abandoned.
        """
        pending = caller.session.pending.get((self._kind, key))
        if pending is None:
            return self._theirs(caller, self.named(key))
        if self._rows.get(key) is not pending.base:
            raise conflict(f"{self._kind} {key}")
        if pending.record is not pending.base:
            self._save(pending.record, new=pending.base is None)
        del caller.session.pending[self._kind, key]
        return self.named(key)

    def abandon(self, caller: Caller, key: str) -> None:
        """Drop what the session has in work."""
        if caller.session.pending.pop((self._kind, key), None) is None:
            self._theirs(caller, self.named(key))

    def delete(self, caller: Caller, key: str) -> None:
        """Delete a saved record."""
        self._theirs(caller, self.named(key))
        del self._rows[key]

    def _pending(self, caller: Caller, key: str) -> Pending | None:
        return caller.session.pending.get((self._kind, key)) if caller.stateful else None

    def _theirs(self, caller: Caller, record: R) -> R:
        if not caller.may_see(record):
            raise self._missing(record.key)
        return record

    def _save(self, record: R, *, new: bool) -> None:
        record.stamp()
        self._rows[record.key] = record
        self._saved(record, new)

    def _missing(self, key: str) -> RefusedError:
        return missing(f"{self._kind} {key}")
