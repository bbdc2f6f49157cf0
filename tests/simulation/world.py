"""
A world in which nothing is real but the journal: its database, its vendor and the time are here.

The journal's own code runs, step by step (`tests.simulation.schedule`). Wherever it waits for something, the schedule
decides who goes on, how much time passes, who dies, and what the vendor does. The same seed is the same world.
"""

import itertools
from collections.abc import Awaitable, Callable, Generator, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID

from hookline import context
from hookline.database import DatabaseUnavailable
from hookline.database.high_water import Mark, Outside, Position
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

    def ensure_alive(self) -> None:
        """Raise if it is lost."""
        if not self.alive:
            raise DatabaseUnavailable("the session is lost")


class VendorFault(Exception):
    """An error of a vendor's call, as the client raises it."""

    def __init__(self, *, transient: bool, maybe_applied: bool) -> None:
        super().__init__(f"transient {transient}, maybe applied {maybe_applied}")
        self.transient, self.maybe_applied = transient, maybe_applied
        self.retry_after: float | None = None


FIRST = UUID(int=0)


@dataclass(frozen=True)
class Lineage:
    """The history that the database has: whether it is held, and looks first."""

    id: UUID = FIRST
    before: frozenset[UUID] = frozenset()
    held_reason: str | None = None
    readback_first_since: float | None = None
    released_at: float = float("-inf")


class Remembered(Outside):
    """What is remembered outside of the database, without files."""

    def __init__(self) -> None:
        super().__init__(Path(), "")
        self._marks: dict[UUID, Mark] = {}
        self._here: UUID | None = None

    def marks(self) -> dict[UUID, Mark]:
        return dict(self._marks)

    def lineage_here(self) -> UUID | None:
        return self._here

    def note(self, lineage: UUID, mark: Mark, *, on_disk: bool = False) -> None:
        self._marks[lineage] = self._marks.get(lineage, Mark()) | mark

    def note_here(self, lineage: UUID) -> None:
        self._here = lineage


@dataclass
class World:
    """The time, the database and the vendor of one schedule."""

    random: Random
    landing: float
    """The longest time after which a write appears that nobody waits for any more, as Hookline was told."""
    beyond: bool = False
    """True if the vendor may take longer than that."""
    goes_back: bool = False
    """True if the database may go back in time."""
    now: float = 1_000_000.0
    rows: list[dict[str, Any]] = field(default_factory=list)
    lineage: Lineage = Lineage()
    attempts: int = 0
    """The number of the last attempt of all."""
    outside: Remembered = field(default_factory=Remembered)
    taken_back: set[str] = field(default_factory=set)
    """What was undone; the database may have forgotten it."""
    marked: set[str] = field(default_factory=set)
    """What says at the vendor whose it is."""
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

    # The database goes back

    def backup(self) -> tuple[list[dict[str, Any]], Lineage, int]:
        """Return a copy of all that is in the database."""
        return [dict(row) for row in self.rows], self.lineage, self.attempts

    def restore(self, backup: tuple[list[dict[str, Any]], Lineage, int]) -> None:
        """Put a copy in the place of the database; the vendor has what it has."""
        rows, self.lineage, self.attempts = backup
        self.rows = [dict(row) for row in rows]
        self.locks.clear()

    def hold_for(self, reason: str) -> None:
        """Hold everything."""
        if self.lineage.held_reason is None:
            self.lineage = replace(self.lineage, held_reason=reason)

    def release(self) -> None:
        """Let everything go on, as a person does."""
        self.lineage = Lineage(
            UUID(int=self.random.getrandbits(128)),
            self.lineage.before | {self.lineage.id} | self.outside.lineages(),
            readback_first_since=self.now,
            released_at=self.now,
        )

    async def position(self, session: Session) -> Position:
        """Return where the database is."""
        await Step()
        session.ensure_alive()
        mark = Mark(attempts=max((row["mark"] or 0 for row in self.rows), default=0))
        return Position(self.lineage.id, self.lineage.before, mark, self.lineage.held_reason is not None)

    async def hold(self, session: Session, reason: str) -> None:
        """Hold everything, as `hookline.database.high_water` asks for."""
        await Step()
        session.ensure_alive()
        self.hold_for(reason)

    # The vendor

    def act(self, key: str, within: float) -> str:
        """Do a write; lists may show it later, within so many seconds."""
        shows_late = self.random.random() < 0.1
        since = self.now + (self.random.uniform(0, max(within, 0.0)) if shows_late else 0)
        reference = f"thing-{next(self.numbers)}"
        self.things.append((reference, key, since))
        if self.goes_back and self.random.random() < 0.7:
            self.marked.add(reference)
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

        async def texts(thing: str) -> list[str]:
            await Step()
            return [
                f"[test {key}: note]" for ref, key, _ in self.things if ref == thing and ref in self.marked
            ]

        return CountReadback("all things", count, texts=texts)


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
        session.ensure_alive()

    def _age(self, row: dict[str, Any]) -> dict[str, Any]:
        since = row["given_up_at"] or row["attempted_at"]
        return {
            **row,
            **self._lineage(),
            "age": None if since is None else self.world.now - since,
            "ended": row["given_up_at"] is not None,
        }

    def _lineage(self) -> dict[str, Any]:
        lineage = self.world.lineage
        since = lineage.readback_first_since
        return {
            "lineage": lineage.id,
            "held_reason": lineage.held_reason,
            "readback_first_since": since,
            "readback_first_age": None if since is None else self.world.now - since,
        }

    def _next_mark(self) -> int:
        self.world.attempts += 1
        return self.world.attempts

    async def intend(
        self, session: Session, effect: Effect, *, begin: bool = False, check_after: float | None = None
    ) -> dict[str, Any]:
        await self._statement(session)
        for row in self.world.rows:
            if row["state"] != "undone" and row["key"] == effect.key:
                return {**self._age(row), "begun": False}
        lineage = self.world.lineage
        begin = begin and lineage.held_reason is None and lineage.readback_first_since is None
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
            "decision": None,
            "being_compensated": False,
            "was_undone": False,
            "finished_at": float("-inf"),
            "created_at": self.world.now,
            "first_readback": None,
            "first_readback_at": None,
            "mark": self._next_mark() if begin else None,
        }
        self.world.rows.append(row)
        answer = {**row, **self._lineage(), "begun": begin}
        await Step()  # it is on disk, and its process may die before it hears so
        return answer

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
        self._build(row)
        changes = {"attempts": row["attempts"] + 1, "scope": scope or row["scope"]}
        row |= {"checks": 0, "check_at": self._after(check_after)}
        row |= changes | {"state": "intended", "attempted_at": self.world.now, "given_up_at": None}
        row["baseline"] = None if baseline is None else sorted(baseline)
        row["mark"] = self._next_mark()
        answer = {**self._age(row), "begun": False}
        await Step()
        return answer

    async def build_on(self, session: Session, number: int, run: str) -> bool:
        await self._statement(session)
        row = self._found(number)
        if row is None or row["decision"] is None or row["state"] not in ("done", "doubled"):
            return False
        self._build(row)
        return True

    async def leaves_now(self, session: Session, number: int) -> int:
        await self._statement(session)
        mark = self._next_mark()
        self._row(number).update(attempted_at=self.world.now, mark=mark)
        return mark

    async def give_up(
        self, session: Session, number: int, reason: str, effect: Effect, *, check_after: float | None
    ) -> None:
        await self._statement(session)
        self._row(number).update(given_up_at=self.world.now, checks=0, check_at=self._after(check_after))

    async def done(
        self,
        session: Session,
        effect_id: int,
        effect: Effect,
        outcome: Outcome,
        *,
        scope: str | None,
        call: Any = None,
        check_after: float | None = None,
    ) -> bool:
        await self._statement(session)
        row = self._found(effect_id)
        if row is None or (row["key"], row["state"]) not in ((effect.key, state) for state in OPEN):
            return False
        row.update(
            state="done",
            reference=outcome.reference,
            scope=row["scope"] or scope,
            checks=0,
            check_at=self._after(check_after),
            finished_at=self.world.now,
        )
        return True

    async def read(self, session: Session, number: int) -> dict[str, Any] | None:
        await self._statement(session)
        row = self._found(number)
        return None if row is None else self._age(row)

    async def read_again(self, session: Session, row: dict[str, Any]) -> dict[str, Any] | None:
        await self._statement(session)
        found = self._found(row["id"])
        return None if found is None or found["created_at"] != row["created_at"] else self._age(found)

    async def is_to_check(self, session: Session, row: dict[str, Any]) -> bool:
        found = await self.read_again(session, row)
        return found is not None and self.world.lineage.held_reason is None

    async def is_of_before(self, session: Session, row: dict[str, Any]) -> bool:
        await self._statement(session)
        times = (row["attempted_at"], row["given_up_at"], row["created_at"])
        return next(time for time in times if time is not None) < self.world.lineage.released_at

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

    async def uncertain(self, session: Session, number: int, reason: str, effect: Effect) -> bool:
        await self._statement(session)
        row = self._row(number)
        if row["state"] not in OPEN:
            return False
        row.update(state="uncertain", reason=reason, given_up_at=row["given_up_at"] or self.world.now)
        return True

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

    async def note_first_readback(
        self, session: Session, number: int, found: str, scope: str | None, baseline: set[str] | None
    ) -> None:
        await self._statement(session)
        row = self._row(number)
        row.update(first_readback=found, first_readback_at=self.world.now, scope=scope or row["scope"])
        if baseline is not None:
            row["baseline"] = sorted(baseline)

    async def began_since(self, session: Session, effect: Effect, since: float) -> bool:
        await self._statement(session)
        return False  # each order has one step

    async def known_of(self, session: Session, scope: str, began: float | None) -> set[str]:
        await self._statement(session)
        rows = [row for row in self.world.rows if row["scope"] == scope]
        before = [row for row in rows if was_before(row, began)]
        return {each for row in rows for each in row["reference"]} | {
            each for row in before for each in row["baseline"] or []
        }

    async def hurry_checks(self, session: Session, numbers: list[int]) -> None:
        session.ensure_alive()
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
        self._build(current)
        current.update(
            state="done", reference=reference, scope=current["scope"] or scope, finished_at=self.world.now
        )
        await self.checked(session, row["id"], next_after=next_after)
        return True

    async def others_at_step(self, session: Session, row: dict[str, Any]) -> list[dict[str, Any]]:
        return [each for each in self.world.rows if each["key"] == row["key"] and each["id"] != row["id"]]

    def due_checks(self) -> list[dict[str, Any]]:
        """Return what the late checks that are due look for; nothing while all is held."""
        if self.world.lineage.held_reason:
            return []
        return [
            dict(row)
            for row in self.world.rows
            if row["check_at"] is not None
            and row["check_at"] <= self.world.now
            and row["state"] in LOOKED_FOR
        ]

    async def postpone_check(self, session: Session, number: int, seconds: float) -> None:
        session.ensure_alive()
        self._row(number)["check_at"] = self.world.now + seconds

    async def checked(self, session: Session, number: int, *, next_after: float | None) -> None:
        session.ensure_alive()
        row = self._row(number)
        row["checks"] += 1
        row["check_at"] = None if next_after is None else self.world.now + next_after

    async def doubled(
        self, session: Session, number: int, surplus: list[str], reason: str, *, next_after: float | None
    ) -> bool:
        session.ensure_alive()
        row = self._found(number)
        if row is None or row["state"] not in ("done", "doubled", "undone"):
            return False
        self._build(row)
        await self.checked(session, number, next_after=next_after)
        row.update(state="doubled", surplus=sorted({*row["surplus"], *surplus}))
        return True

    def resolve(self, number: int, reference: list[str], check_after: float) -> None:
        """Write down a person's word: it happened, with this reference, or it is to be sent again."""
        row = self._row(number)
        row["decision"] = {name: row[name] for name in ("state", "reference", "attempted_at", "check_at")}
        if reference:
            row.update(state="done", reference=reference, check_at=self._after(check_after))
        else:
            row.update(state="intended", attempted_at=None, check_at=self._after(check_after))

    def take_back(self, number: int) -> None:
        """Write an effect down as it was before a person's word, unless something is built on that."""
        row = self._found(number)
        if row is not None and row["decision"] is not None and "built_at" not in row["decision"]:
            row.update(row["decision"], decision=None)

    def _build(self, row: dict[str, Any]) -> None:
        if row["decision"] is not None:
            row["decision"] = {**row["decision"], "built_at": self.world.now}

    def undo(self, key: str) -> None:
        """Write down that what is done of a business is undone; at the vendor, it is gone."""
        for row in self.world.rows:
            if row["key"] == key and row["state"] in ("done", "failed"):
                self.world.things = [each for each in self.world.things if each[0] not in row["reference"]]
                self.world.taken_back.update(row["reference"])
                self._build(row)
                row.update(state="undone", was_undone=True)

    def _after(self, seconds: float | None) -> float | None:
        return None if seconds is None else self.world.now + seconds

    def _row(self, number: int) -> dict[str, Any]:
        return self.world.rows[number - 1]

    def _found(self, number: int) -> dict[str, Any] | None:
        """Return a row; None where the database has forgotten it."""
        return self._row(number) if number <= len(self.world.rows) else None


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
    "account",
)


def was_before(row: dict[str, Any], began: float | None) -> bool:
    """Return True if what was there when an effect began is known to be of others than the one that began so."""
    is_as_usual, attempted_at = row["first_readback_at"] is None, row["attempted_at"]
    return is_as_usual and (began is None or (attempted_at is not None and attempted_at <= began))


OPEN = ("intended", "failed", "uncertain")
LOOKED_FOR = ("done", "doubled", "undone", "failed", "intended")
"""The states of what late checks look for."""
