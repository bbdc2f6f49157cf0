"""One schedule: runs of orders, interleaved step by step, with deaths, lost sessions and time between."""

import contextvars
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from random import Random
from types import SimpleNamespace
from typing import Any, cast
from unittest.mock import patch

from hookline import context
from hookline.database import DatabaseUnavailable, high_water
from hookline.journal import (
    Effect,
    EffectBusy,
    EffectLanding,
    EffectUncertain,
    Journal,
    fence,
    journal,
    late_check,
    readback_first,
)
from tests.simulation.world import CALL_SECONDS, Blocked, Session, Sleep, Step, Store, VendorFault, World

LANDING = 120.0
LATE_CHECKS = (60.0, 600.0, 3600.0, 86_400.0)
SETTINGS: Any = SimpleNamespace(
    landing_seconds=LANDING, call_seconds=CALL_SECONDS, late_check_seconds=LATE_CHECKS
)
KINDS: dict[str, dict[str, bool]] = {
    "within": {},
    "beyond": {"beyond": True},
    "goes-back": {"goes_back": True},
    "taken-back": {"goes_back": True, "takes_back": True},
}
MAX_STEPS = 4_000
RETRIES = 3
CHECK_SECONDS = 60.0
RESTORE_SECONDS = 10.0, 600.0
"""The shortest and the longest time that a restore takes: other processes than ours may live on meanwhile."""
SET_ASIDE, UNDONE = 0.05, 0.1
"""How often an order is given up after an error, and after it was done."""
TAKEN_BACK = 0.7
"""How often a person's word is taken back, if nothing is built on it by then."""

OVER = ("intended", "failed", "uncertain", "undone")
"""How an effect may end that is done, or doubled, in an order that nobody gave up."""


class Killed(BaseException):
    """The process dies."""


@dataclass(eq=False)
class Run:
    """A run of one order in a process of its own."""

    key: str
    coroutine: Coroutine[Any, Any, None]
    context: contextvars.Context
    sessions: list[Session] = field(default_factory=list)
    waits: Step | None = None
    over: bool = False


@dataclass
class Problem(AssertionError):
    """What must never be."""

    seed: int
    what: str

    def __str__(self) -> str:
        return f"seed {self.seed}: {self.what}"


class Schedule:
    """A schedule of some orders, from its seed alone."""

    def __init__(
        self, seed: int, *, beyond: bool = False, goes_back: bool = False, takes_back: bool = False
    ) -> None:
        self.seed = seed
        self.random = Random(seed)
        self.world = World(self.random, LANDING, beyond, goes_back)
        self.world.stand_still = self._stand_still
        self.store = Store(self.world)
        self.beyond = beyond
        self.takes_back = takes_back
        self.counts = self.random.random() < 0.5
        self.keys = [f"order-{number}" for number in range(self.random.choice((1, 1, 2, 3)))]
        self.runs: list[Run] = []
        self.current: Run | None = None
        self.deaths = self.random.choice((0, 0, 1, 2, 4))
        self.set_aside: set[str] = set()
        """The orders that a person set aside, or that were undone: nobody goes on with them."""
        self.restores = self.random.choice((1, 1, 2)) if goes_back else 0
        self.backup = self.world.backup()
        self.unknown: set[str] = set()
        """The orders of which the database has forgotten that they were undone: it cannot know what came then."""
        self.went_back = False
        """From then on nobody gives up an order: what is forgotten of it would never be looked for."""

    def play(self) -> None:
        """
        Play it to its end.

        Raises:
            Problem: an order was done twice, or not at all, or a double is not shown.
        """
        with self._patched(), self._ending():
            for key in self.keys:
                self._begin(key)
                if self.random.random() < 0.2:
                    self._begin(key)  # a second delivery about it
            if self.restores:
                self._begin_run("", self._check_late())
            for _ in range(MAX_STEPS):
                if not (running := self._running()):
                    break
                self._turn(running)
                self._watch()
            else:
                raise Problem(self.seed, "it never ends")
            self._let_a_week_pass()

    def _running(self) -> list[Run]:
        """Return the runs that go on; empty when all orders are over, and stay so."""
        running = [run for run in self.runs if not run.over]
        if any(run.key for run in running):
            return running
        if not self.restores:
            return []
        self._go_back()
        return self._running()

    # Turns

    def _turn(self, running: list[Run]) -> None:
        if self.world.goes_back and self._turn_back():
            return
        chance = self.random.random()
        if self.deaths and chance < 0.02:
            self.deaths -= 1
            self._kill(self.random.choice(running))
        elif self.deaths and chance < 0.04:
            self.deaths -= 1
            self._cut(self.random.choice(running))
        elif chance < 0.06:
            self.world.pass_time(self.random.choice((0.5, 3, 7, 40, 200, 400)))
        elif ready := [run for run in running if self._is_ready(run)]:
            self._resume(self.random.choice(ready))
        else:
            self.world.pass_time(self._until_next(running))

    def _turn_back(self) -> bool:
        """Make a backup, go back to it, or let all go on; return True if that was all of this turn."""
        chance = self.random.random()
        if chance < 0.02:
            self.backup = self.world.backup()
        elif chance < 0.03 and self.restores:
            self._go_back()
            return True
        elif chance < 0.06 and self.world.lineage.held_reason:
            self.world.release()
        return False

    def _go_back(self) -> None:
        """
        Put the backup in the place of the database.

        Our own restore holds, and nothing runs meanwhile. By hand it may be done under running processes: they lose
        their sessions, and only what is remembered outside tells.
        """
        self.restores -= 1
        self.went_back = True
        is_ours = self.random.random() < 0.5
        for run in [run for run in self.runs if not run.over]:
            if is_ours and run.key:
                self._end(run)
            for session in run.sessions:
                session.alive = False
        self.world.pass_time(self.random.uniform(*RESTORE_SECONDS))
        self.world.restore(self.backup)
        self.unknown |= {
            row["key"]
            for row in self.world.rows
            if not row["was_undone"] and self.world.taken_back & {*row["reference"]}
        }
        if is_ours:
            self.world.hold_for("The database was restored.")
        self.set_aside.clear()
        for key in self.keys:  # their orders are changed, and come again
            self._begin(key, self.random.uniform(0, 400))

    def _is_ready(self, run: Run) -> bool:
        match run.waits:
            case Sleep(until):
                return until <= self.world.now
            case Blocked(name):
                return self._is_free(name)
        return True

    def _is_free(self, name: str) -> bool:
        holder = self.world.locks.get(name)
        return holder is None or not holder.alive

    def _until_next(self, running: list[Run]) -> float:
        times = [run.waits.until for run in running if isinstance(run.waits, Sleep)]
        times += [at for at, *_ in self.world.on_their_way]
        return max(0.0, min(times, default=self.world.now + 1) - self.world.now) + 0.001

    def _resume(self, run: Run) -> None:
        self.current = run
        try:
            run.waits = run.context.run(run.coroutine.send, None)
        except StopIteration:
            run.over = True

    def _kill(self, run: Run) -> None:
        """The process dies; another one goes on with its order."""
        self._end(run)
        self._begin_again(run)

    def _begin_again(self, run: Run) -> None:
        after = self.random.uniform(0, 40)
        if run.key:
            self._begin(run.key, after)
        else:
            self._begin_run("", self._check_late())

    def _end(self, run: Run) -> None:
        self.current, run.over = run, True
        with suppress(Killed):
            run.context.run(run.coroutine.throw, Killed())

    def _end_all(self) -> None:
        for run in self.runs:
            if not run.over:
                self._end(run)

    @contextmanager
    def _ending(self) -> Iterator[None]:
        """End every run that is left, while the world is still there."""
        try:
            yield
        finally:
            self._end_all()

    def _cut(self, run: Run) -> None:
        """The process loses its sessions and goes on; another one takes its order over, too."""
        for session in run.sessions:
            session.alive = False
        if run.key:
            self._begin(run.key, self.random.uniform(0, 40))

    async def _stand_still(self) -> None:
        """The process of the current run stands still for minutes, and its sessions are lost meanwhile."""
        if self.deaths and self.current is not None and self.random.random() < 0.1:
            self.deaths -= 1
            self._cut(self.current)
            await Sleep(self.world.now + self.random.uniform(0, 500))

    # Runs

    def _begin(self, key: str, after: float = 0.0) -> None:
        self._begin_run(key, self._order(key, after))

    def _begin_run(self, key: str, coroutine: Coroutine[Any, Any, None]) -> None:
        self.runs.append(Run(key, coroutine, contextvars.copy_context()))

    async def _check_late(self) -> None:
        """Make the late checks that are due, as an engine does; no order is its key."""
        while True:
            await Sleep(self.world.now + CHECK_SECONDS)
            with suppress(DatabaseUnavailable):
                async with journal.lent(SETTINGS):
                    due = self.store.due_checks()
                for row in due:
                    await self._check(row)

    async def _order(self, key: str, after: float) -> None:
        """Run an order as a task and people do: retried, replayed, resolved; until it is done."""
        world, failed, restores_left = self.world, 0, self.restores
        await Sleep(world.now + after)
        effect = Effect("test", key, "license", key, "vendor.act", {"n": 1}, expected=1, call={})
        readback = world.by_count() if self.counts else world.by_token(key)
        while key not in self.set_aside:
            try:
                await Journal(SETTINGS).run(effect, lambda: world.call(key), readback)
            except EffectLanding as landing:
                await Sleep(world.now + landing.retry_after)
            except EffectUncertain as uncertain:
                await self._ask_a_person(uncertain.effect_id, key)
            except (VendorFault, DatabaseUnavailable, EffectBusy, context.NotSent) as error:
                if getattr(error, "is_wait", False):
                    await Sleep(world.now + error.retry_after)
                    continue
                failed += 1
                if self.random.random() < SET_ASIDE and not self.went_back:
                    self._end_business(key)
                asked = getattr(error, "retry_after", None) or 0.0
                is_retried = getattr(error, "transient", False) and failed % (RETRIES + 1)
                await Sleep(world.now + max(asked, 2.0 * 5 ** (failed % 3) if is_retried else 300.0))
            else:
                if self.random.random() < UNDONE:
                    await Sleep(world.now + self.random.uniform(0, 100))
                    if restores_left == self.restores:  # else it is forgotten
                        self._end_business(key)
                return

    def _end_business(self, key: str) -> None:
        """A person sets the order aside, or a rule of it says no and what was done is given back."""
        self.set_aside.add(key)
        if self.random.random() < 0.7:
            self.store.undo(key)

    async def _ask_a_person(self, number: int, key: str) -> None:
        """A person looks when all has landed, and says what is there."""
        await Sleep(self.world.now + 20 * LANDING)
        row = self.world.rows[number - 1] if number <= len(self.world.rows) else None
        if row is not None and (row["key"], row["state"]) == (key, "uncertain"):
            known = {each for other in self.world.rows for each in other["reference"]}
            there = [each for each in self.world.shown(key) if each not in known]
            self.store.resolve(number, there[:1], LATE_CHECKS[0])
            if self.takes_back and self.random.random() < TAKEN_BACK:
                self._begin_run("", self._take_back(number, key))

    async def _take_back(self, number: int, key: str) -> None:
        """A person takes back what they said a moment ago, and is asked again."""
        await Sleep(self.world.now + self.random.uniform(0, 10))
        if number <= len(self.world.rows) and self.world.rows[number - 1]["key"] == key:
            self.store.take_back(number)

    # What must be

    def _watch(self) -> None:
        if self.beyond:
            return
        # What is counted is all alike: it matters how much there is, and not whose request brought it.
        for key in [None] if self.counts else self.keys:
            number = sum(key in (None, of) for _, of, _ in self.world.things)
            if number > (len(self.keys) if key is None else 1):
                raise Problem(self.seed, f"{key or 'all'} was done {number} times")

    def _let_a_week_pass(self) -> None:
        """Let a week pass with its late checks, then compare the journal with the vendor."""
        self._end_all()
        if self.world.lineage.held_reason:
            self.world.release()
        for _ in range(60):
            self.world.pass_time(3 * 3600)
            for row in self.store.due_checks():
                _finish(self._check(row))
        for row in self.world.rows:
            is_over = row["was_undone"] or (row["key"] in self.set_aside and row["state"] in OVER)
            if not is_over and (row["state"] not in ("done", "doubled") or len(row["reference"]) != 1):
                raise Problem(self.seed, f"{row['key']} ends {row['state']} with {row['reference']}")
        if self.counts:
            self._compare(self.world.rows, None)
        else:
            for key in self.keys:
                self._compare([row for row in self.world.rows if row["key"] == key], key)

    async def _check(self, row: dict[str, Any]) -> None:
        readback = self.world.by_count() if self.counts else self.world.by_token(row["key"])
        await late_check.check(SETTINGS, row, readback, "")

    def _compare(self, rows: list[dict[str, Any]], key: str | None) -> None:
        """Compare what the journal shows with what the vendor has: all of it, and each thing once."""
        rows = [row for row in rows if row["key"] not in self.unknown]
        keys = ({*self.keys} if key is None else {key}) - self.unknown
        there = sorted(reference for reference, of, _ in self.world.things if of in keys)
        wanted = [each for row in rows for each in _wanted(row)]
        shown = sorted([*wanted, *(each for row in rows for each in row["surplus"])])
        doubled = any(row["state"] == "doubled" for row in rows)
        if there != shown or doubled != (len(there) > len(wanted)):
            states = [row["state"] for row in rows]
            raise Problem(self.seed, f"{states} with {shown}, and the vendor has {there}")

    # The world around the journal

    @contextmanager
    def _patched(self) -> Iterator[None]:
        @asynccontextmanager
        async def lent(_settings: Any) -> AsyncIterator[Session]:
            session = Session()
            if self.current is not None:
                self.current.sessions.append(session)
            if self.world.goes_back:  # each new connection is checked before it is used
                await high_water.check(cast(Any, session), self.world.outside)
            try:
                yield session
            finally:
                session.alive = False

        async def lock(session: Session, name: str) -> None:
            while not self._is_free(name):
                await Blocked(name)
            if not session.alive:
                raise DatabaseUnavailable("the session is lost")
            self.world.locks[name] = session

        locks = SimpleNamespace(lock=lock)
        with ExitStack() as stack:
            # Histograms compare with the real clock, and the world has its own.
            stack.enter_context(
                patch.object(journal, "EFFECTS", SimpleNamespace(observe_since=lambda *_: None))
            )
            for module in (journal, late_check, readback_first):
                stack.enter_context(patch.object(module, "store", self.store))
            for module in (journal, late_check):
                stack.enter_context(patch.object(module, "locks", locks))
                stack.enter_context(patch.object(module, "lent", lent))
            stack.enter_context(patch.object(journal, "outside", lambda _settings: self.world.outside))
            stack.enter_context(patch.object(high_water, "position", self.world.position))
            stack.enter_context(patch.object(high_water, "hold", self.world.hold))
            stack.enter_context(patch.object(fence, "now", lambda: self.world.now))
            yield


def _wanted(row: dict[str, Any]) -> list[str]:
    """Return what an effect brought that was not given back."""
    return [] if row["was_undone"] else row["reference"]


def _finish(coroutine: Coroutine[Any, Any, None]) -> None:
    """Run a coroutine that nobody disturbs."""
    try:
        while True:
            coroutine.send(None)
    except StopIteration:
        return
