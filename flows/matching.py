"""Which record at a vendor is a customer's, and which fields of it are written: rules alone, that ask nobody."""

import unicodedata
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

NUMBER: Final = "account number"
NAME: Final = "name"
EMAIL: Final = "e-mail"
PHONE: Final = "phone"

Conflict = Literal["", "gone", "several", "another's", "alike"]
"""
Why a person decides: the record was deleted there; several have the number; it is another customer's; or one or several
without a number have the same name or address.
"""


@dataclass(frozen=True)
class Record:
    """A record at a vendor."""

    key: str
    """The vendor's id."""
    values: Mapping[str, str]
    """What it says, by our names of the fields; "" where it says nothing."""

    def says(self, name: str) -> str:
        """Return a value as it is compared."""
        return folded(self.values.get(name, ""))


@dataclass(frozen=True)
class Match:
    """What was found for a customer: a record, nothing at all, or something that a person decides."""

    record: Record | None = None
    conflict: Conflict = ""
    candidates: Sequence[Record] = ()
    """The records between which a person decides."""

    @property
    def proposal(self) -> Record | None:
        """The one record that is alike and no customer's, which a person may take."""
        if self.conflict == "alike" and len(self.candidates) == 1:
            return self.candidates[0]
        return None


def match(
    ours: Mapping[str, str],
    records: Collection[Record],
    *,
    linked: str | None = None,
    former: Collection[str] = (),
) -> Match:
    """
    Find the record of a customer.

    A link that was made before counts first, then the account number. A name or an address alone proposes, and no more.

    Args:
        ours: what Jiwa says of the customer.
        records: those at the vendor that could be the one; all that have its number, name or address.
        linked: the key of the record that was its before; None: it never had one.
        former: account numbers that it had.
    """
    number = folded(ours[NUMBER])
    numbered = _sorted(record for record in records if record.says(NUMBER) == number)
    for known in records:
        if known.key == linked:
            return _linked(known, numbered, {"", number, *map(folded, former)})
    if len(numbered) > 1:
        return Match(conflict="several", candidates=numbered)
    if numbered:
        return Match(numbered[0])
    return Match(conflict="gone") if linked is not None else _alike(ours, records)


def _linked(known: Record, numbered: Sequence[Record], own: Collection[str]) -> Match:
    """Return the record that was the customer's, unless it or its number is another's by now."""
    if known.says(NUMBER) not in own:
        return Match(conflict="another's", candidates=[known])
    others = [record for record in numbered if record.key != known.key]
    return Match(conflict="several", candidates=[known, *others]) if others else Match(known)


def _alike(ours: Mapping[str, str], records: Collection[Record]) -> Match:
    """Return what has the same name or address, which is never taken by that alone."""
    alike = _sorted(record for record in records if _is_alike(ours, record))
    if taken := [record for record in alike if record.says(NUMBER)]:
        return Match(conflict="another's", candidates=taken)
    return Match(conflict="alike", candidates=alike) if alike else Match()


def _is_alike(ours: Mapping[str, str], record: Record) -> bool:
    return any(
        name in ours and record.says(name) and record.says(name) == folded(ours[name])
        for name in (NAME, EMAIL)
    )


def _sorted(records: Iterable[Record]) -> list[Record]:
    return sorted(records, key=lambda record: record.key)


def folded(text: str) -> str:
    """Return a text as it is compared: in one form of Unicode, in small letters, with single blanks."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


@dataclass(frozen=True)
class Synced:
    """A field as it was last synced."""

    sent: str
    """What Jiwa had then."""
    stored: str
    """What the vendor had after it: it may write a phone number in another way, or cut a name."""


@dataclass(frozen=True)
class Merge:
    """What is to be done about the fields of a record."""

    write: dict[str, str] = field(default_factory=dict)
    edited: dict[str, str] = field(default_factory=dict)
    """The fields that somebody changed at the vendor, with what it has: left to a person."""


def merge(
    ours: Mapping[str, str],
    theirs: Mapping[str, str],
    last: Mapping[str, Synced],
    *,
    overwrite: bool = False,
) -> Merge:
    """
    Decide which fields of a record are written.

    Jiwa's value is written where the vendor has none, or has what it had when it was last synced. What somebody
    changed there since then, or entered there before, is left to a person. What Jiwa has not is never cleared.

    Args:
        ours: what Jiwa says.
        theirs: what the vendor says.
        last: both, when they were last synced; a field that never was is not in it.
        overwrite: write also over what somebody changed at the vendor.
    """
    merged = Merge()
    for name, value in ours.items():
        there, before = theirs.get(name, ""), last.get(name)
        if not value.strip() or _same(value, there):
            continue
        untouched = _same(there, before.stored) if before else not there.strip()
        if before and untouched and _same(value, before.sent):
            continue  # the vendor writes it in its own way
        if untouched or overwrite:
            merged.write[name] = value
        else:
            merged.edited[name] = there
    return merged


def _same(one: str, other: str) -> bool:
    """Return True if two texts are the same to people who read them; capitals count, for a person may correct them."""
    return " ".join(unicodedata.normalize("NFC", one).split()) == " ".join(
        unicodedata.normalize("NFC", other).split()
    )
