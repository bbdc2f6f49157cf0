"""Differences between what happened and what would happen, each with the deliveries that it has, in bounded groups."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias

from hookline.redaction import redact
from hookline.text import one_line

Kind: TypeAlias = Literal[
    "route", "parameters", "write changed", "write missing", "write new", "failure", "end"
]

MAX_GROUPS: Final = 500
MAX_EXAMPLES: Final = 10
"""Of a group."""
MAX_SHOWN: Final = 300
NOTHING: Final = "nothing"
_ABSENT: Final = object()


@dataclass(frozen=True)
class Difference:
    """One thing that differs."""

    kind: Kind
    route: str
    what: str
    """What differs: the same text for all deliveries in which the same differs."""
    then: str
    """As it was."""
    now: str
    """As it would be."""

    @property
    def group(self) -> tuple[str, ...]:
        """What it has in common with others of its kind."""
        return self.kind, self.route, self.what


@dataclass(frozen=True)
class Unknown:
    """The reason why a run cannot be rehearsed, or only up to a point."""

    route: str
    what: str
    details: str = ""

    @property
    def group(self) -> tuple[str, ...]:
        """What it has in common with others of its kind."""
        return self.route, self.what


@dataclass
class Group:
    """All that differs alike."""

    of: Any
    deliveries: int = 0
    examples: list[dict[str, str]] = field(default_factory=list)
    latest: str = ""


@dataclass
class Report:
    """What was found so far; its size does not grow with the number of deliveries."""

    deliveries: int = 0
    different: int = 0
    """Deliveries of which something differs."""
    alike: int = 0
    """Deliveries that were rehearsed to the end, and of which nothing differs."""
    runs: int = 0
    writes: int = 0
    """Writes that were compared."""
    more: int = 0
    """Differences beyond the groups that are stored."""
    _differences: dict[tuple[str, ...], Group] = field(default_factory=dict)
    _unknown: dict[tuple[str, ...], Group] = field(default_factory=dict)

    def add(self, delivery: str, differences: Sequence[Difference], unknown: Sequence[Unknown]) -> None:
        """Add what was found of a delivery."""
        self.deliveries += 1
        self.different += bool(differences)
        self.alike += not differences and not unknown
        for each in dict.fromkeys(differences):
            self._count(self._differences, each, {"delivery": delivery, "then": each.then, "now": each.now})
        for gap in dict.fromkeys(unknown):
            self._count(self._unknown, gap, {"delivery": delivery, "details": gap.details})

    def _count(
        self, groups: dict[tuple[str, ...], Group], one: Difference | Unknown, example: dict[str, str]
    ) -> None:
        group = groups.get(one.group)
        if group is None:
            if len(groups) >= MAX_GROUPS:
                self.more += 1
                return
            group = groups[one.group] = Group(one)
        group.deliveries += example["delivery"] != group.latest
        group.latest = example["delivery"]
        if len(group.examples) < MAX_EXAMPLES:
            group.examples.append(example)

    @property
    def differences(self) -> list[Group]:
        """The groups of differences, by kind and route, those with more deliveries first."""
        return sorted(
            self._differences.values(), key=lambda each: (each.of.kind, each.of.route, -each.deliveries)
        )

    @property
    def unknown(self) -> list[Group]:
        """The groups of what cannot be rehearsed, those with more deliveries first."""
        return sorted(self._unknown.values(), key=lambda each: -each.deliveries)

    def record(self) -> dict[str, Any]:
        """Return it as JSON can hold it."""
        return {
            "deliveries": self.deliveries,
            "alike": self.alike,
            "different": self.different,
            "runs": self.runs,
            "writes": self.writes,
            "differences": [
                {
                    "kind": each.of.kind,
                    "route": each.of.route,
                    "what": each.of.what,
                    "deliveries": each.deliveries,
                    "examples": each.examples,
                }
                for each in self.differences
            ],
            "not_rehearsed": [
                {
                    "route": each.of.route,
                    "why": each.of.what,
                    "deliveries": each.deliveries,
                    "examples": each.examples,
                }
                for each in self.unknown
            ],
            "more_differences": self.more,
        }


def changed_fields(then: Any, now: Any) -> Iterator[tuple[str, str, str]]:
    """Yield the place of each value that differs between two JSON values, with both; a list is one value."""
    yield from _changed("", then, now)


def _changed(place: str, then: Any, now: Any) -> Iterator[tuple[str, str, str]]:
    if isinstance(then, Mapping) and isinstance(now, Mapping):
        for name in dict.fromkeys([*then, *now]):
            inner = f"{place}.{name}" if place else str(name)
            yield from _changed(inner, then.get(name, _ABSENT), now.get(name, _ABSENT))
    elif then is _ABSENT or now is _ABSENT or _plain(then) != _plain(now):
        yield place, text_of(then), text_of(now)


def _plain(value: Any) -> str:
    return json.dumps(value, sort_keys=True, default=str)  # to Python, 1 and true are the same


def text_of(value: Any) -> str:
    """Return a JSON value as one bounded line without secrets."""
    if value is _ABSENT or value is None:
        return NOTHING
    plain = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return one_line(redact(plain[: 40 * MAX_SHOWN]), MAX_SHOWN)
