"""
A world in which nothing is real but the journal: its database, its vendor and the time are here.

The journal's own code runs, step by step (`tests.simulation.schedule`). Wherever it waits for something, the schedule
decides who goes on, how much time passes, who dies, and what the vendor does. The same seed is the same world.
"""

import itertools
from collections.abc import Awaitable, Callable, Generator, Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Any

from hookline import context
from hookline.database import DatabaseUnavailable
from hookline.journal.effect import CountReadback, Effect, Outcome

CALL_SECONDS = 30.0


class Step:
    """A point at which the schedule decides who goes on."""

    def __await__(self) -> Generator["Step", None, None]:
        yield self


@dataclass
class Sleep(Step):
    """A wait until a time."""

    until: float

    __await__ = Step.__await__


@dataclass
class Blocked(Step):
    """A wait for a lock."""

    name: str

    __await__ = Step.__await__


@dataclass(eq=False)
class Session:
    """A session at PostgreSQL; what it has locked is free when it is lost."""

    alive: bool = True


class VendorFault(Exception):
    """An error of a vendor's call, as the client raises it."""

    def __init__(self, *, transient: bool, maybe_applied: bool) -> None:
        super().__init__(f"transient {transient}, maybe applied {maybe_applied}")
        self.transient, self.maybe_applied = transient, maybe_applied
        self.retry_after: float | None = None


@dataclass
class World:
    """The time, the database and the vendor of one schedule."""

    random: Random
    landing: float
    """The longest time after which a write appears that nobody waits for any more, as Hookline was told."""
    beyond: bool = False
    """True if the vendor may take longer than that."""
    now: float = 1_000_000.0
    rows: list[dict[str, Any]] = field(default_factory=list)
    locks: dict[str, Session] = field(default_factory=dict)
    things: list[tuple[str, str, float]] = field(default_factory=list)
    """What the vendor has: a reference, the key that it is for, and since when lists show it."""
    on_their_way: list[tuple[float, str, float]] = field(default_factory=list)
    """When a write lands, its key, and when lists show it at the latest."""
    stand_still: Callable[[], Awaitable[None]] = field(default=Step)
    """Lets the process that is about to send stand still, or not, as the schedule says."""
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    # Time

    def pass_time(self, seconds: float) -> None:
        """Let time pass, and land what is due by then."""
        self.now += seconds
        for landing in sorted(self.on_their_way):
            if landing[0] <= self.now:
                self.on_their_way.remove(landing)
                self.act(landing[1], landing[2] - self.now)

    # The vendor

    def act(self, key: str, within: float) -> str:
        """Do a write; lists may show it later, within so many seconds."""
        shows_late = self.random.random() < 0.1
        since = self.now + (self.random.uniform(0, max(within, 0.0)) if shows_late else 0)
        reference = f"thing-{next(self.numbers)}"
        self.things.append((reference, key, since))
        return reference

    def shown(self, key: str | None = None) -> list[str]:
        """Return what lists show, of one key or of all."""
        return [ref for ref, of, since in self.things if since <= self.now and key in (None, of)]

    async def call(self, key: str) -> Outcome:
        """Make one write; its fate is drawn."""
        await Step()
        await self.stand_still()
        await context.leaving()
        left_at = self.now
        fate = self.random.choice(FATES)
        if fate == "refused":
            raise VendorFault(transient=False, maybe_applied=False)
        if fate == "throttled":
            raise VendorFault(transient=True, maybe_applied=False)
        if fate in ("done", "done and lost", "done and unreadable"):
            reference = self.act(key, self.landing)
            if fate == "done":
                await Step()
                return Outcome([reference])
        hangs = 0.0 if fate == "late and 503" else self.random.uniform(0, CALL_SECONDS)
        if fate.startswith("late"):
            longest = self._longest()
            lands_at = left_at + hangs + self.random.uniform(0, longest)
            self.on_their_way.append((lands_at, key, left_at + hangs + longest))
        await Sleep(left_at + hangs)
        raise VendorFault(transient="unreadable" not in fate, maybe_applied=True)

    def _longest(self) -> float:
        return self.landing * (10 if self.beyond and self.random.random() < 0.5 else 1)

    def by_token(self, key: str) -> Any:
        """Return a read-back that finds a write by its token."""

        async def find() -> Outcome | None:
            await Step()
            found = self.shown(key)
            return Outcome(found[:1], copies=found) if found else None

        return find

    def by_count(self) -> CountReadback:
        """Return a read-back that counts all writes."""

        async def count() -> set[str]:
            await Step()
            return set(self.shown())

        return CountReadback("all things", count)


FATES = (
    *("done",) * 6,
    *("done and lost", "lost", "late", "late and 503") * 2,
    *("refused", "throttled", "unreadable", "done and unreadable"),
)


@dataclass
class Store:
    """The journal's store, in memory: one statement is one step, and a lost session answers nothing."""

    world: World

    async def _statement(self, session: Session) -> None:
        await Step()
        if not session.alive:
            raise DatabaseUnavailable("the session is lost")

    def _age(self, row: dict[str, Any]) -> dict[str, Any]:
        since = row["given_up_at"] or row["attempted_at"]
        return {
            **row,
            "age": None if since is None else self.world.now - since,
            "ended": row["given_up_at"] is not None,
        }

    async def intend(
        self, session: Session, effect: Effect, *, begin: bool = False, check_after: float | None = None
    ) -> dict[str, Any]:
        await self._statement(session)
        for row in self.world.rows:
            if row["state"] != "undone" and row["key"] == effect.key:
                return {**self._age(row), "begun": False}
        row = {
            **{name: getattr(effect, name) for name in COPIED},
            "id": len(self.world.rows) + 1,
            "depends_on": effect.depends_on,
            "state": "intended",
            "scope": None,
            "baseline": None,
            "reference": [],
            "answer": None,
            "reason": None,
            "attempts": int(begin),
            "attempted_at": self.world.now if begin else None,
            "given_up_at": None,
            "clock": None,
            "checks": 0,
            "check_at": self._after(check_after) if begin else None,
            "surplus": [],
            "decided": [],
            "being_compensated": False,
            "was_undone": False,
            "finished_at": float("-inf"),
            **WHOLE,
        }
        self.world.rows.append(row)
        await Step()  # it is on disk, and its process may die before it hears so
        return {**row, "begun": begin}

    async def begin(
        self,
        session: Session,
        number: int,
        effect: Effect,
        *,
        scope: str | None,
        baseline: set[str] | None,
        check_after: float | None,
    ) -> dict[str, Any] | None:
        await self._statement(session)
        row = self._row(number)
        if row["state"] not in ("intended", "failed"):
            return None
        changes = {"attempts": row["attempts"] + 1, "scope": scope or row["scope"]}
        row |= {"checks": 0, "check_at": self._after(check_after)}
        row |= changes | {"state": "intended", "attempted_at": self.world.now, "given_up_at": None}
        row["baseline"] = None if baseline is None else sorted(baseline)
        await Step()
        return {**self._age(row), "begun": False}

    async def leaves_now(self, session: Session, number: int) -> None:
        await self._statement(session)
        self._row(number)["attempted_at"] = self.world.now

    async def give_up(
        self, session: Session, number: int, reason: str, effect: Effect, *, check_after: float | None
    ) -> None:
        await self._statement(session)
        self._row(number).update(given_up_at=self.world.now, checks=0, check_at=self._after(check_after))

    async def done(
        self,
        session: Session,
        number: int,
        outcome: Outcome,
        *,
        call: Any = None,
        check_after: float | None = None,
    ) -> bool:
        await self._statement(session)
        if self._row(number)["state"] not in ("intended", "failed", "uncertain"):
            return False
        self._row(number).update(
            state="done",
            reference=outcome.reference,
            checks=0,
            check_at=self._after(check_after),
            finished_at=self.world.now,
        )
        return True

    async def read(self, session: Session, number: int) -> dict[str, Any]:
        await self._statement(session)
        return self._age(self._row(number))

    async def not_applied(
        self,
        session: Session,
        number: int,
        *,
        state: str,
        reason: str,
        earlier: tuple[Any, Any, Any] = (None, None, None),
        check_after: float | None = None,
    ) -> None:
        await self._statement(session)
        check_at = None if earlier[:2] == (None, None) else self._after(check_after)
        self._row(number).update(
            state=state, attempted_at=earlier[0], given_up_at=earlier[1], checks=0, check_at=check_at
        )

    async def uncertain(self, session: Session, number: int, reason: str, effect: Effect) -> None:
        await self._statement(session)
        row = self._row(number)
        row.update(state="uncertain", reason=reason, given_up_at=row["given_up_at"] or self.world.now)

    async def renew(self, session: Session, number: int, effect: Effect) -> None:
        await self._statement(session)

    async def open_neighbours(self, session: Session, number: int, scope: str) -> list[dict[str, Any]]:
        await self._statement(session)
        found = [
            self._age(row) | {"goes_on": False}
            for row in self.world.rows
            if row["scope"] == scope
            and row["id"] != number
            and row["state"] in ("intended", "uncertain", "failed")
            and row["attempted_at"] is not None
        ]
        return sorted(found, key=lambda row: -row["attempted_at"])

    async def dependencies(self, session: Session, effect: Effect) -> list[dict[str, Any]]:
        await self._statement(session)
        return []

    async def references_of_others(self, session: Session, scope: str, since: float) -> set[str]:
        await self._statement(session)
        rows = (
            row
            for row in self.world.rows
            if row["scope"] == scope
            and (
                row["state"] in ("done", "doubled")
                or (row["state"] == "undone" and row["finished_at"] > since)
            )
        )
        return {each for row in rows for each in (*row["reference"], *row["surplus"])}

    async def references(self, session: Session, scope: str) -> set[str]:
        await self._statement(session)
        rows = (row for row in self.world.rows if row["scope"] == scope)
        return {each for row in rows for each in (*row["reference"], *row["surplus"])}

    async def hurry_checks(self, session: Session, numbers: list[int]) -> None:
        for number in numbers:
            if self._row(number)["state"] in ("intended", "failed"):
                self._row(number)["check_at"] = self.world.now

    async def found_late(
        self,
        session: Session,
        row: dict[str, Any],
        reference: list[str],
        reason: str,
        *,
        scope: str | None,
        next_after: float | None,
    ) -> bool:
        await self._statement(session)
        current = self._row(row["id"])
        if (current["state"], current["attempts"]) != (row["state"], row["attempts"]):
            return False
        current.update(
            state="done", reference=reference, scope=current["scope"] or scope, finished_at=self.world.now
        )
        await self.checked(session, row["id"], next_after=next_after)
        return True

    async def others_at_step(self, session: Session, row: dict[str, Any]) -> list[dict[str, Any]]:
        return [each for each in self.world.rows if each["key"] == row["key"] and each["id"] != row["id"]]

    def due_checks(self) -> list[dict[str, Any]]:
        """Return what the late checks that are due look for."""
        return [
            dict(row)
            for row in self.world.rows
            if row["check_at"] is not None
            and row["check_at"] <= self.world.now
            and row["state"] in LOOKED_FOR
        ]

    async def postpone_check(self, session: Session, number: int, seconds: float) -> None:
        self._row(number)["check_at"] = self.world.now + seconds

    async def checked(self, session: Session, number: int, *, next_after: float | None) -> None:
        row = self._row(number)
        row["checks"] += 1
        row["check_at"] = None if next_after is None else self.world.now + next_after

    async def doubled(
        self, session: Session, number: int, surplus: list[str], reason: str, *, next_after: float | None
    ) -> bool:
        row = self._row(number)
        if row["state"] not in ("done", "doubled", "undone"):
            return False
        await self.checked(session, number, next_after=next_after)
        row.update(state="doubled", surplus=sorted({*row["surplus"], *surplus}))
        return True

    def resolve(self, number: int, reference: list[str], check_after: float) -> None:
        """Write down a person's word: it happened, with this reference, or it is to be sent again."""
        row = self._row(number)
        if reference:
            row.update(state="done", reference=reference, check_at=self._after(check_after))
        else:
            row.update(state="intended", attempted_at=None, check_at=self._after(check_after))

    def undo(self, key: str) -> None:
        """Write down that what is done of a business is undone; at the vendor, it is gone."""
        for row in self.world.rows:
            if row["key"] == key and row["state"] in ("done", "failed"):
                self.world.things = [each for each in self.world.things if each[0] not in row["reference"]]
                row.update(state="undone", was_undone=True)

    def _after(self, seconds: float | None) -> float | None:
        return None if seconds is None else self.world.now + seconds

    def _row(self, number: int) -> dict[str, Any]:
        return self.world.rows[number - 1]


COPIED = (
    "workflow",
    "key",
    "step",
    "label",
    "operation",
    "digest",
    "request",
    "expected",
    "generation",
    "call",
)
LOOKED_FOR = ("done", "doubled", "undone", "failed", "intended")
"""The states of what late checks look for."""
WHOLE = {
    "lineage": None,
    "held_reason": None,
    "readback_first_since": None,
    "first_readback_at": None,
    "mark": None,
}
"""The state of a database that never went back in time."""
