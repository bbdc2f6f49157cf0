"""
Engine for stateful REST records: a table for each kind, and the calls that list, read, create and change them.

A vendor declares its kinds of records, and one line for each call; how it answers a list, what it checks and how
it words an error are methods of its simulator.
"""

import copy
import secrets
import time
from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic, TypeVar

from hookline.simulators.control import Call, Operation, RefusedError, Simulator, folded, operation
from hookline.simulators.faults import InvalidControlError

Document = dict[str, Any]
Read = Callable[[str, Any], Any]
Clock = Callable[[], float]
T = TypeVar("T")


def names(text: str) -> tuple[str, ...]:
    """Return the names in a text, as tables of fields are written."""
    return tuple(text.split())


class Kind:
    """A kind of record: its noun, its fields, and how a request sets them."""

    def __init__(
        self,
        name: str,
        fields: str,
        *,
        required: str = "",
        unique: str = "",
        read: Read | None = None,
        **reads: Read,
    ) -> None:
        self.name = name
        self.key, *self.settable = fields.split()
        """The first field identifies a record; a request may set the others, and what else it holds is dropped."""
        self.required = required.split()
        """Fields that must not be empty."""
        self.unique = unique
        """A field of which no two records have the same value."""
        self._read = dict.fromkeys(self.settable, read) | reads

    def rows(self, *rows: tuple[Any, ...]) -> Iterator[Document]:
        """Build records from their values, in the order of the fields."""
        return (dict(zip((self.key, *self.settable), row, strict=True)) for row in rows)

    def inputs(self, body: Mapping[str, Any]) -> Document:
        """
        Read the fields that a body sets, whatever the case of their names.

        Raises:
            RefusedError: one of them cannot be read.
        """
        raw = folded(body)
        known = {name: read for name, read in self._read.items() if name.lower() in raw}
        return {
            name: read(name, raw[name.lower()]) if read else raw[name.lower()] for name, read in known.items()
        }


class Table:
    """The records of one kind, by key."""

    def __init__(self, kind: Kind, rows: Iterable[Document] = ()) -> None:
        self.kind = kind
        self._rows = {str(row[kind.key]): row for row in rows}

    def __iter__(self) -> Iterator[Document]:
        return iter(self._rows.values())

    def __reversed__(self) -> Iterator[Document]:
        return reversed(self._rows.values())

    def __len__(self) -> int:
        return len(self._rows)

    def get(self, key: Any) -> Document | None:
        """Return the record with this key, if there is one."""
        return self._rows.get(str(key))

    def one(self, key: Any) -> Document:
        """
        Return the record with this key.

        Raises:
            RefusedError: there is none.
        """
        if (row := self.get(key)) is None:
            raise RefusedError(404, f"There is no {self.kind.name} {key}.")
        return row

    def put(self, record: Document) -> Document:
        """Store a record, in the place of the one with its key."""
        self._rows[str(record[self.kind.key])] = record
        return record

    def remove(self, record: Document) -> Document:
        """Take a record away, and return it."""
        return self._rows.pop(str(record[self.kind.key]))

    def named(self, value: Any, *fields: str) -> Document:
        """
        Return the record of which one of these fields is what an order to the sandbox names.

        Raises:
            InvalidControlError: there is none.
        """
        for row in self:
            if str(value) in {str(row[name]) for name in fields}:
                return row
        raise InvalidControlError(f"{self.kind.name}: there is no {self.kind.name} {value!r}")

    def new_key(self) -> str:
        """Draw a fresh key at random: one of an earlier sandbox must not mean something else in this one."""
        while (key := str(secrets.randbelow(900_000_000) + 100_000_000)) in self._rows:
            pass
        return key


@dataclass(frozen=True, slots=True)
class Listing:
    """A list: its table, the filters that a request may use, and the values that its records' fields have."""

    table: str
    filters: Any = None
    where: Document = field(default_factory=dict)


class RecordSimulator(Simulator):
    """A vendor whose state is tables of records."""

    references: ClassVar[Mapping[str, str]] = {}
    """By field, the table in which what it names must be."""

    tables: dict[str, Table]

    def records(self) -> Document:
        """Return a copy of every record, by table."""
        return copy.deepcopy({name: list(table) for name, table in self.tables.items()})

    def body(self, call: Call) -> Document:
        """Return the JSON object in the body."""
        return call.document(lambda why: RefusedError(400, f"The body {why}."))

    @abstractmethod
    def listed(self, call: Call, listing: Listing) -> Any:
        """Answer a list: the vendor's filters and paging come here."""

    def select(self, listing: Listing) -> list[Document]:
        """Return the records of a list, before any filter of the request."""
        where = listing.where.items()
        return [row for row in self.tables[listing.table] if all(row[name] == value for name, value in where)]

    def check(self, table: Table, record: Document) -> None:
        """
        Check a record before it is stored: its required fields are there, what it names exists, its name is free.

        Raises:
            RefusedError: one of these fails; names the field.
        """
        for name in table.kind.required:
            if not record[name]:
                raise RefusedError(400, f"{name} must be given.")
        for name, other in self.references.items():
            value = None if name == table.kind.key else record.get(name)
            for key in value if isinstance(value, list) else [value] if value else []:
                self.check_reference(name, self.tables[other], key, record)
        unique, key = table.kind.unique, table.kind.key
        if unique and any(each[unique] == record[unique] and each[key] != record[key] for each in table):
            raise RefusedError(400, f"{unique}: {record[unique]} is already in use.")

    def check_reference(self, name: str, table: Table, key: Any, _record: Document) -> None:
        """
        Check that what a record names exists.

        Raises:
            RefusedError: it does not; names the field.
        """
        if table.get(key) is None:
            raise RefusedError(400, f"{name}: there is no {table.kind.name} {key}.")

    def save(self, table: Table, record: Document) -> Document:
        """Check and store a record."""
        self.check(table, record)
        return table.put(record)


# The calls, one line each in a simulator's class


def rows(path: str, table: str, filters: Any = None, **where: Any) -> Operation:
    """Declare the call that lists a table, or the records in it whose fields have these values."""
    listing = Listing(table, filters, where)
    return operation("GET", path)(lambda self, call: self.listed(call, listing))


def row(path: str, table: str) -> Operation:
    """Declare the call that reads the record whose key is in the path."""
    return operation("GET", path)(lambda self, call: self.tables[table].one(call.path["id"].lower()))


def create(path: str, table: str) -> Operation:
    """Declare the call that adds a record, another one each time."""

    def handler(self: RecordSimulator, call: Call) -> Document:
        target = self.tables[table]
        blank: Document = dict.fromkeys(target.kind.settable)
        return self.save(
            target, {target.kind.key: target.new_key()} | blank | target.kind.inputs(self.body(call))
        )

    return operation("POST", path)(handler)


def update(path: str, table: str) -> Operation:
    """Declare the call that changes the record whose key is in the path; what is left out stays."""

    def handler(self: RecordSimulator, call: Call) -> Document:
        target = self.tables[table]
        return self.save(target, target.one(call.path["id"]) | target.kind.inputs(self.body(call)))

    return operation("PUT", path)(handler)


# Tokens


class Tokens(Generic[T]):
    """Tokens that were handed out, each with its end on the clock and what it opens."""

    def __init__(self, clock: Clock = time.monotonic) -> None:
        self._clock = clock
        self._live: dict[str, tuple[float, T]] = {}

    def add(self, token: str, seconds: float, opens: T) -> T:
        """Store a token for so many seconds, again if it is known; those that have lapsed are dropped."""
        now = self._clock()
        self._live = {each: one for each, one in self._live.items() if one[0] > now}
        self._live[token] = (now + seconds, opens)
        return opens

    def get(self, token: str) -> T | None:
        """Return what a live token opens."""
        until, opens = self._live.get(token, (float("-inf"), None))
        return opens if until > self._clock() else None

    def remove(self, token: str) -> None:
        """End a token."""
        self._live.pop(token, None)

    def clear(self) -> None:
        """End every token."""
        self._live.clear()
