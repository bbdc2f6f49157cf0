"""What JetAdvice keeps, a table for each kind, and how a request's body becomes a record of it."""

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from hookline.simulators.control import RefusedError, folded

Document = dict[str, Any]
Read = Callable[[str, Any], Any]


def text(name: str, given: Any) -> str | None:
    """
    A text, or nothing; a number counts as its digits.

    Raises:
        RefusedError: it is something else.
    """
    if isinstance(given, bool | list | dict):
        raise RefusedError(400, f"{name} must be a text.")
    return None if given is None else str(given)


def texts(name: str, given: Any) -> list[str | None]:
    """
    A list of texts.

    Raises:
        RefusedError: it is something else.
    """
    if not isinstance(given, list):
        raise RefusedError(400, f"{name} must be a list.")
    return [text(name, each) for each in given]


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of record."""

    name: str
    key: str
    """The field that identifies a record."""
    settable: Mapping[str, Read]
    """What a request may set; whatever else it holds is dropped without a word (assumed)."""
    required: tuple[str, ...] = ()
    """What must not be empty."""

    def read(self, body: Mapping[str, Any]) -> Document:
        """
        The fields that a body sets, whatever the case of their names.

        Raises:
            RefusedError: one of them cannot be read.
        """
        given = folded(body)
        return {
            name: read(name, given[name.lower()])
            for name, read in self.settable.items()
            if name.lower() in given
        }

    def check(self, record: Document) -> None:
        """
        Is everything there that must be?

        Raises:
            RefusedError: no; names the field.
        """
        for name in self.required:
            if not record[name]:
                raise RefusedError(400, f"{name} must be given.")


def _texts_of(*names: str) -> dict[str, Read]:
    return dict.fromkeys(names, text)


CUSTOMER = Kind(
    "customer",
    "customerId",
    _texts_of("name", "externalNumber", "address", "city", "country", "email", "phone"),
    required=("name",),
)
LEVEL = Kind(
    "level", "levelId", _texts_of("customerId", "parentLevelId", "name"), required=("customerId", "name")
)
USER = Kind(
    "user",
    "userId",
    _texts_of("customerId", "levelId", "userName", "firstName", "lastName", "email"),
    required=("customerId", "userName"),
)
# What the data collector reads from the device is not for callers to set.
DEVICE = Kind(
    "device",
    "deviceId",
    _texts_of("customerId", "levelId", "serialNumber", "manufacturer", "model", "ipAddress", "location")
    | {"tagIds": texts},
    required=("customerId",),
)
TAG = Kind("tag", "tagId", _texts_of("name"), required=("name",))
VIEW = Kind("view", "viewId", {})
REPORT = Kind("report", "reportId", _texts_of("customerId", "name", "viewId"), required=("name", "viewId"))
DATA_COLLECTOR = Kind("data collector", "dataCollectorId", {})
DATA_COLLECTOR_RANGE = Kind("data collector range", "rangeId", {})


class Table:
    """The records of one kind."""

    def __init__(self, kind: Kind, rows: list[Document]) -> None:
        self.kind = kind
        self.rows = {row[kind.key]: row for row in rows}

    def one(self, key: str) -> Document:
        """
        The record with this key.

        Raises:
            RefusedError: there is none.
        """
        if key not in self.rows:
            raise RefusedError(404, f"There is no {self.kind.name} {key}.")
        return self.rows[key]

    def draft(self, body: Mapping[str, Any]) -> Document:
        """
        A new record, not yet kept; another one each time.

        Raises:
            RefusedError: something is missing or cannot be read.
        """
        blank: Document = dict.fromkeys(self.kind.settable)
        record = {self.kind.key: self._new_key()} | blank | self.kind.read(body)
        self.kind.check(record)
        return record

    def changed(self, key: str, body: Mapping[str, Any]) -> Document:
        """
        A record as a change would leave it, not yet kept; what is left out stays (assumed).

        Raises:
            RefusedError: there is none, or something is empty that must not be, or cannot be read.
        """
        record = self.one(key) | self.kind.read(body)
        self.kind.check(record)
        return record

    def keep(self, record: Document) -> Document:
        """Put a record in its place."""
        self.rows[record[self.kind.key]] = record
        return record

    def _new_key(self) -> str:
        """A fresh key, drawn at random: one of an earlier sandbox must not mean something else in this one."""
        while True:
            key = str(secrets.randbelow(900_000_000) + 100_000_000)
            if key not in self.rows:
                return key
