"""A change that `hookline apply` makes, with the fields that differ."""

from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from hookline.text import one_line

AS_IT_IS = "as it is"
MADE = "made"
CHANGED = "changed"
REMOVED = "removed"
NOT_NAMED = "left alone: no file names it; --prune removes it"

HIDDEN = "another secret"
MAX_VALUE = 80
"""Characters of a value in a table."""


async def _nothing() -> None:
    return None


@dataclass(frozen=True)
class Difference:
    """A field whose value is another one; None: there is none."""

    field: str
    before: Any
    after: Any

    def __str__(self) -> str:
        if HIDDEN in (self.before, self.after):
            return f"{self.field}: {HIDDEN}"
        before, after = (
            "nothing" if each is None else one_line(each, MAX_VALUE) for each in (self.before, self.after)
        )
        return f"{self.field}: {before} → {after}"


@dataclass(frozen=True)
class Change:
    """One thing on a server or in a file, and what `apply` does to it."""

    kind: str
    name: str
    change: str
    make: Callable[[], Awaitable[Any]] = _nothing
    differences: tuple[Difference, ...] = ()
    is_change: bool = True
    """False: the thing is as it should be, or is left alone."""

    def row(self) -> dict[str, Any]:
        """Return it as a row of a table."""
        return {
            "kind": self.kind,
            "name": self.name,
            "change": self.change,
            "differences": [asdict(each) for each in self.differences],
        }


def unchanged(kind: str, name: str, result: str = AS_IT_IS) -> Change:
    """Return a thing that is left as it is, and why."""
    return Change(kind, name, result, is_change=False)


def differences(before: Any, after: Any, place: str = "") -> tuple[Difference, ...]:
    """Return the differences between two values as JSON has them, each with the place of its field."""
    return tuple(_differences(before, after, place))


def _differences(before: Any, after: Any, place: str) -> Iterator[Difference]:
    if before == after:
        return
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for name in dict.fromkeys((*before, *after)):
            yield from _differences(
                before.get(name), after.get(name), f"{place}.{name}" if place else str(name)
            )
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for number, (old, new) in enumerate(zip(before, after, strict=True)):
            yield from _differences(old, new, f"{place}[{number}]")
    else:
        yield Difference(place, before, after)
