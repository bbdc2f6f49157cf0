"""
The record of a try: how a body is read, and what each route of its source would do with it.

`hookline.engine.trying` makes it; the commands and the page render it, and compare two of them by `differences`.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal, TypeAlias

from hookline.hooks.templates import MISSING

Verdict: TypeAlias = Literal["taken", "not taken", "off", "waits", "rejected", "fits"]

TAKEN: Verdict = "taken"
NOT_TAKEN: Verdict = "not taken"
VERDICTS: dict[str, Verdict] = {
    "unrouted": NOT_TAKEN,
    "held": "off",
    "received": "waits",
    "rejected": "rejected",
}
"""The verdict on a route, by the state of a delivery that has only this route."""


@dataclass(frozen=True)
class TriedRoute:
    """What one route would do with a body."""

    route: str
    verdict: Verdict
    """`fits`: it would take the body, but another route of the source rejects or holds it."""
    why: str | None
    """What stands against it."""
    when: str
    """Its condition."""
    values: Mapping[str, str]
    """What the condition looks up in the body, each value by its beginning."""
    deployment: str
    parameters: Mapping[str, Any] | None = None
    key: str | None = None
    """The ordering key."""
    unbatched: bool = False
    limit: int | None = None
    """The flow runs that the deployment allows at once."""
    debounce: str | None = None
    """How long it waits for more of its key."""
    label: str | None = None
    """What people call the delivery on this route."""
    about: Mapping[str, str] = field(default_factory=dict)
    """The names and values by which they find it."""
    label_problem: str | None = None
    """Why a part of these is missing."""

    def row(self) -> dict[str, str]:
        """Return it as a row for people, each value as a text."""
        about = ", ".join(f"{name}: {value}" for name, value in self.about.items())
        limits = [
            *([f"{self.limit} at once"] if self.limit else []),
            *(["unbatched"] if self.unbatched else []),
            *([self.debounce] if self.debounce else []),
        ]
        return {
            "route": self.route,
            "verdict": self.verdict,
            "deployment": self.deployment,
            "parameters": json.dumps(self.parameters, ensure_ascii=False) if self.parameters else "",
            "key": self.key or "",
            "label": "; ".join(filter(None, (self.label, about, self.label_problem))),
            "limits": ", ".join(limits),
            "why": self.why or self._condition,
        }

    @property
    def _condition(self) -> str:
        """Return the condition with what it finds, for people."""
        if self.when == "true":
            return "it has no condition"
        truth = "false" if self.verdict == NOT_TAKEN else "true"
        values = [
            f"{path} is missing" if value == MISSING else f"{path} = {value}"
            for path, value in self.values.items()
        ]
        return "; ".join([f"when {self.when}: {truth}", *values])


@dataclass(frozen=True)
class Tried:
    """What would happen to a body of a source."""

    source: str
    delivery: str | None
    """The id of a stored delivery."""
    state: str | None
    """What it would become; None where it would not be stored, or cannot be tried: `reason` says why."""
    reason: str | None = None
    id: str | None = None
    """The deduplication key that the gateway would give it."""
    stored_id: str | None = None
    """The one that a stored delivery has, where it is another."""
    kind: str | None = None
    """As what it is read: `json`, `form`, `multipart`, `xml` or `other`."""
    charset: str | None = None
    """As which it is read, unless that is the kind's own."""
    bytes: int | None = None
    altered: Sequence[str] = ()
    """What was done to it before it was stored, or would be."""
    repeats: str | None = None
    """The id of the stored delivery that it repeats."""
    same_body: bool = True
    """False: that one has another body."""
    remarks: Sequence[str] = ()
    routes: Sequence[TriedRoute] = ()
    items: int = 0
    """Of a bundle."""
    tried_items: Sequence["Tried"] = ()
    """The first of them."""

    @property
    def name(self) -> str:
        """Return a short name for people."""
        return self.delivery[:8] if self.delivery else f"a body of {self.source}"

    def facts(self) -> Iterator[tuple[str, str]]:
        """Yield what is known of it but for its routes, for people."""
        form = [self.kind, self.charset and f"charset {self.charset}", *self.altered]
        yield "source", self.source
        if self.delivery:
            yield "delivery", self.delivery
        if self.kind:
            yield "read as", ", ".join(filter(None, form)) + f", {self.bytes:,} bytes"
        if self.id:
            yield "id", self.id + (f" (stored as {self.stored_id})" if self.stored_id else "")
        if self.repeats:
            also = "" if self.same_body else ", with another body: it is stored beside it, and nothing starts"
            yield "repeats", self.repeats + (also or ": nothing starts")
        yield "would be", f"{self.state or 'not stored'}{f': {self.reason}' if self.reason else ''}"
        if self.items > len(self.tried_items):
            yield "items tried", f"the first {len(self.tried_items)} of {self.items:,}"

    @property
    def is_taken(self) -> bool:
        """Return True if something starts of it: of a bundle, of one of its items."""
        if self.tried_items:
            return any(each.is_taken for each in self.tried_items)
        return any(route.verdict == TAKEN for route in self.routes)

    def with_items(self) -> Iterator["Tried"]:
        """Yield it, and the items that were tried."""
        yield self
        yield from self.tried_items


@dataclass(frozen=True)
class Difference:
    """One thing that differs between two tries of the same body."""

    delivery: str
    """The short name of what was tried."""
    what: str
    """The place, such as `route jiwa-order: parameters.invoice_id`."""
    now: str
    """By the files in force."""
    then: str
    """By the changed file."""


@dataclass(frozen=True)
class Result:
    """The result of a try of some bodies."""

    tried: Sequence[Tried]
    """By the changed file if there is one, else by the files in force."""
    differences: Sequence[Difference] | None = None
    """From the files in force; None without a changed file."""

    def record(self) -> dict[str, Any]:
        """Return it as JSON can hold it."""
        return {**asdict(self), "taken": all(each.is_taken for each in self.tried)}

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> "Result":
        """Return the result of a `record` that came through JSON."""
        found = record["differences"]
        return cls(
            [_tried(each) for each in record["tried"]],
            None if found is None else [Difference(**each) for each in found],
        )


def differences(now: Tried, then: Tried) -> list[Difference]:
    """Return what differs between two tries of a body; what a route that takes nothing looks at does not count."""
    before, after = dict(_facts(now)), dict(_facts(then))
    places = [*before, *(place for place in after if place not in before)]
    return [
        Difference(now.name, place, before.get(place, _absent(place)), after.get(place, _absent(place)))
        for place in places
        if before.get(place, _absent(place)) != after.get(place, _absent(place))
    ]


_COMPARED = ("state", "reason", "id", "kind", "charset", "altered", "repeats", "remarks", "items")


def _facts(tried: Tried, before: str = "") -> Iterator[tuple[str, str]]:
    """Yield the places of a try and what stands there; nothing for what is empty, or takes no part."""
    for name in _COMPARED:
        if value := getattr(tried, name):
            yield f"{before}{name.replace('_', ' ')}", _text(value)
    for route in tried.routes:
        if route.verdict != NOT_TAKEN:
            yield from _facts_of_route(route, before)
    for number, item in enumerate(tried.tried_items, 1):
        yield from _facts(item, f"item {number}: ")


def _facts_of_route(route: TriedRoute, before: str) -> Iterator[tuple[str, str]]:
    place = f"{before}route {route.route}: "
    for each in fields(route):
        value = getattr(route, each.name)
        if each.name in {"route", "when", "values"} or value in (None, False, {}):
            continue
        if isinstance(value, Mapping):
            for name, inner in value.items():
                yield f"{place}{each.name}.{name}", _text(inner)
        else:
            yield f"{place}{each.name}", _text(value)


def _absent(place: str) -> str:
    return NOT_TAKEN if place.endswith(": verdict") else "nothing"


def _text(value: Any) -> str:
    return (
        value
        if isinstance(value, str)
        else ", ".join(value)
        if isinstance(value, list | tuple)
        else repr(value)
    )


def _tried(record: Mapping[str, Any]) -> Tried:
    routes = [TriedRoute(**each) for each in record["routes"]]
    items = [_tried(each) for each in record["tried_items"]]
    return Tried(**{**record, "routes": routes, "tried_items": items})
