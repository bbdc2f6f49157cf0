"""
The journal: do a vendor write once.

The order of things is the whole point: `intended` is on disk before the request leaves, `done` is on disk before
anything depends on it, and a run that finds `intended` reads back before it sends again. What the read-back finds
counts at once; what it does not find may still be on its way, until the vendor's landing time is over.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto
from functools import partial
from typing import Any, NoReturn

from hookline import context
from hookline.crash_points import crash_point
from hookline.database import DatabaseUnavailable, lent
from hookline.database.connection import outside, process_name, reaching
from hookline.database.types import Connection, Row
from hookline.journal import late_check, locks, readback_first, store
from hookline.journal.clock import seconds_since
from hookline.journal.effect import (
    CountReadback,
    Effect,
    EffectBusy,
    EffectConflict,
    EffectError,
    EffectLanding,
    EffectUncertain,
    Outcome,
    Readback,
    Retryable,
    Send,
)
from hookline.journal.fence import Fence
from hookline.journal.store import MAY_LEAVE_SECONDS
from hookline.settings import Settings
from hookline.text import one_line

MAX_SHOWN = 500
"""The characters of a part of a request in the text of an error."""
READBACK_AGAIN_SECONDS = 10.0
"""The time until an effect looks again that waits for a later one of its scope, or for a held database."""
DONE = ("done", "doubled")
"""The states of an effect that happened."""


@dataclass(frozen=True)
class Step:
    """A step of a business as the journal knows it."""

    name: str
    is_done: bool
    may_be_done: bool
    """False where it is known that nothing was done, such as after a refusal."""
    request: Mapping[str, Any]
    reference: list[str]


@dataclass(frozen=True)
class Journal:
    """The one door to vendor writes that must happen once."""

    settings: Settings
    """The settings with the database, and the landing time of vendors whose accounts do not say."""

    async def run(
        self,
        effect: Effect,
        send: Send,
        readback: Readback | None = None,
        *,
        resend: bool = False,
        forgotten: CountReadback | None = None,
    ) -> Outcome:
        """
        Send the write unless it is done; if the end of an earlier attempt is unknown, read back first.

        Args:
            effect: which write this is.
            send: makes the write. An exception with `maybe_applied` False changed nothing; any other might have.
            readback: finds the write at the vendor, or counts; None: it cannot be found, and an attempt whose end is
                unknown is *uncertain*.
            resend: without a read-back, send again instead of asking a person: the flow has chosen so.
            forgotten: without a read-back, counts what was done and forgotten, once the database went back in time.

        Returns:
            The outcome: of now, of then, or as found at the vendor.

        Raises:
            EffectUncertain: nobody can know whether it happened.
            EffectConflict: the step was done, or may have been, with another request.
            EffectBusy: another run works on it, or undoes what it depends on; try again.
            EffectLanding: an earlier attempt may still appear at the vendor; says when to try again.
            EffectError: what it depends on was undone, or its own business is being undone.
            DatabaseUnavailable: PostgreSQL is away; try again, and what was begun is read back.
        """
        async with lent(self.settings) as connection:
            with context.waiting(f"waits for another run that works on {effect}"):
                await locks.lock(connection, f"effect {effect}")
            # Where nothing has to be read before: both in one, on disk before the request leaves.
            at_once = not isinstance(readback, CountReadback) and not effect.depends_on
            fence = Fence()
            row = await store.intend(
                connection, effect, begin=at_once, check_after=late_check.delay_of_attempt(self.settings)
            )
            if not await _may_build_on(connection, row):
                raise EffectBusy(f"A person took back just now what was decided about {effect}.")
            write = _Write(self.settings, connection, effect, row, readback, resend, fence, forgotten)
            return await write.run(send)

    async def outcome_of(self, workflow: str, key: str, step: str) -> Outcome | None:
        """
        Return the outcome of an effect that is done.

        None: it is not, was undone, or the vendor refused what depends on it.

        Raises:
            DatabaseUnavailable: PostgreSQL is away.
        """
        async with lent(self.settings) as connection:
            row = await store.current(connection, workflow, key, step)
            is_usable = row is not None and await _may_build_on(connection, row)
        return _outcome(row) if row is not None and is_usable else None

    async def steps(self, workflow: str, key: str, prefix: str) -> list[Step]:
        """
        Return the steps of a business that begin so and were written down, the oldest first.

        Raises:
            DatabaseUnavailable: PostgreSQL is away.
        """
        async with lent(self.settings) as connection:
            rows = [
                row
                if await _may_build_on(connection, row)
                else await store.read(connection, row["id"]) or row
                for row in await store.steps(connection, workflow, key, prefix)
            ]
        return [
            Step(row["step"], row["state"] in DONE, _may_be_done(row), row["request"], list(row["reference"]))
            for row in rows
        ]

    async def keys(self, workflow: str, prefix: str) -> list[str]:
        """
        Return the business keys of a workflow that begin so.

        Raises:
            DatabaseUnavailable: PostgreSQL is away.
        """
        async with lent(self.settings) as connection:
            return await store.keys(connection, workflow, prefix)

    async def correct_reference(self, workflow: str, key: str, step: str, reference: str) -> None:
        """
        Note the reference by which the vendor now has what an effect brought, if the journal knows another.

        Raises:
            DatabaseUnavailable: PostgreSQL is away.
        """
        async with lent(self.settings) as connection:
            await store.correct(connection, workflow, key, step, [reference])


async def _may_build_on(connection: Connection, row: Row) -> bool:
    """Note that a run goes on from what a person decided; return False if that was taken back meanwhile."""
    decision = row["decision"]
    if row["state"] not in DONE or decision is None or "built_at" in decision:
        return True
    return await store.build_on(connection, row["id"], process_name())


class Next(Enum):
    """The next thing to do about an effect."""

    ANSWER = auto()
    """Return the stored outcome."""
    ASK = auto()
    """Ask a person: nobody can know."""
    READ_BACK = auto()
    """Look for the earlier attempt at the vendor, and begin another one if it is not there and cannot come."""
    BEGIN = auto()
    """Write down that an attempt begins, then send."""
    READBACK_FIRST = auto()
    """The database has forgotten what was done since its backup: look for it at the vendor, then begin."""
    SEND = auto()
    """Send: that the first attempt begins is written down with the effect itself."""


def next_for(row: Row, *, can_read_back: bool, resend: bool) -> Next:
    """Return what to do about an effect of which the journal says this."""
    end_is_unknown = row["attempted_at"] is not None
    match row["state"], end_is_unknown:
        case "done" | "doubled", _:
            return Next.ANSWER
        case "uncertain", _:
            return Next.ASK
        case _, False:  # new, or known to have changed nothing
            return Next.READBACK_FIRST if readback_first.is_due(row) else Next.BEGIN
        case _ if row["begun"]:
            return Next.SEND
        case _ if can_read_back:
            return Next.READ_BACK
        case _:
            return Next.BEGIN if resend else Next.ASK


def state_after(error: Exception, *, may_repeat: bool) -> str | None:
    """
    Return the state of an effect whose sending raised this error; None: it stays as it is, its end unknown.

    An error that says nothing of itself may have been applied: when in doubt, the journal reads back or asks.
    """
    match getattr(error, "maybe_applied", True), getattr(error, "transient", False):
        case False, True:
            return "intended"
        case False, _:
            return "failed"
        case _:
            return None if may_repeat else "uncertain"


@dataclass
class _Write:
    """One effect that this run works on; its lock is held."""

    settings: Settings
    connection: Connection
    effect: Effect
    row: Row
    readback: Readback | None
    resend: bool
    fence: Fence
    forgotten: CountReadback | None = None
    counted: set[str] | None = None
    """What was there when it was looked for here."""
    looked_first: bool = False
    """True if it is known of all that was there that it is not ours."""
    earlier: tuple[datetime | None, datetime | None, str | None] = (None, None, None)
    """When the attempt before the current one was made and given up, if its end is not known."""

    async def run(self, send: Send) -> Outcome:
        if self.row["held_reason"] and self.row["state"] not in DONE:
            held = EffectBusy(f"{self.effect} waits: {self.row['held_reason']} See: hookline hold show")
            raise held.as_wait(READBACK_AGAIN_SECONDS)
        match next_for(self.row, can_read_back=self.readback is not None, resend=self.resend):
            case Next.ANSWER:
                self._ensure_decided()
                self._ensure_same_request()
                return _outcome(self.row)
            case Next.ASK:
                self._ensure_same_request()
                await self._ask(self.row["reason"] or "The answer was lost, and it cannot be looked up.")
            case Next.READ_BACK:
                await self._ensure_may_begin()
                if self.row["state"] != "failed":
                    self._ensure_same_request()
                if (found := await self._read_back()) is not None:
                    self._ensure_same_request()
                    return await self._adopt(found)
                self._ensure_landed(self.row, f"the answer to attempt {self.row['attempts']} was lost")
                self._ensure_forgotten_landed()
                await self._renew()
                await self._begin()
            case Next.BEGIN:
                await self._ensure_may_begin()
                await self._renew()
                await self._begin()
            case Next.READBACK_FIRST:
                await self._ensure_may_begin()
                await self._renew()
                if (found := await self._read_back_first()) is not None:
                    return await self._adopt_forgotten(found)
                await self._begin()
        self._remember(self.row["mark"])
        return await self._send(send)

    # After a restore

    async def _read_back_first(self) -> Outcome | None:
        """Return what was done and forgotten; None if it is known that it was not."""
        readback = self.readback or self.forgotten
        first = readback_first.FirstReadback(
            self.connection, self.effect, self.row, readback, self._ensure_forgotten_landed
        )
        if readback is None and self.resend:
            return None
        try:
            found = await first.find()
        except readback_first.Unknown as unknown:
            uncertain = await self._uncertain(str(unknown))
            await first.note("asked")
            raise uncertain from None
        self.looked_first = True
        return found

    async def _adopt_forgotten(self, found: Outcome) -> Outcome:
        """Take what was found for the outcome; nothing is sent, so nothing can land late."""
        if found.copies:
            return await self._adopt(found)
        if not await self._done(found, check_after=None):
            raise self._done_by_another()
        return found

    def _remember(self, mark: int) -> None:
        """Write down outside of the database that an attempt has this mark, before its request leaves."""
        outside(self.settings).note_attempt(self.row["lineage"], mark)

    async def _leave_now(self) -> None:
        """Write down, in the database and outside of it, that the request leaves only now; raises LookupError."""
        mark = await store.leaves_now(self.connection, self.row["id"])
        if mark is None:
            raise LookupError("the database has forgotten it")
        self._remember(mark)

    # Before it is sent

    async def _ensure_may_begin(self) -> None:
        """
        Raise if its business, or what it depends on, is being undone or was.

        Its row is there already: a compensation of what it depends on comes before or after, and sees it or is seen.
        """
        await self._lock_scope()
        if self.row["being_compensated"]:
            raise EffectError(
                f"{self.effect.label} is being undone, so {self.effect.step} was not begun. Its run goes on undoing "
                "where it enters `compensated()`: nothing else of the business may begin before that."
            )
        for needed in await store.dependencies(self.connection, self.effect):
            what = f"{needed['what']} (effect {needed['id']})"
            if needed["state"] == "undone":
                raise EffectError(
                    f"{self.effect} depends on {what}, which was undone meanwhile. Run this again."
                )
            if needed["being_undone"]:
                raise EffectBusy(f"{self.effect} waits: {what} is being undone.")

    async def _lock_scope(self) -> None:
        if isinstance(self.readback, CountReadback):
            with context.waiting(f"waits for another run that counts at {self.readback.scope}"):
                await locks.lock(self.connection, f"scope {self.readback.scope}")

    async def _renew(self) -> None:
        """Take the request as it is now, where nothing was changed: a person may have corrected it since."""
        if self.row["attempted_at"] is not None and self.row["state"] != "failed":
            self._ensure_same_request()
        elif not _says_the_same(self.row, self.effect):
            await store.renew(self.connection, self.row["id"], self.effect)

    async def _begin(self) -> None:
        scope, baseline = None, None
        if isinstance(self.readback, CountReadback):
            scope, baseline = self.readback.scope, await self._baseline(self.readback)
        self.earlier = self.row["attempted_at"], self.row["given_up_at"], self.row["clock"]
        self.fence.begin()
        begun = await store.begin(
            self.connection,
            self.row["id"],
            self.effect,
            scope=scope,
            baseline=baseline,
            check_after=late_check.delay_of_attempt(self.settings),
        )
        if begun is None:
            raise self._done_by_another()
        self.row = begun

    async def _baseline(self, readback: CountReadback) -> set[str]:
        """Return what was there before this attempt: what comes from now on may be ours."""
        neighbours = await store.open_neighbours(self.connection, self.row["id"], readback.scope)
        for neighbour in neighbours:
            other = f"{neighbour['step']} of {neighbour['label']} (effect {neighbour['id']})"
            self._ensure_landed(neighbour, f"the answer to {other} was lost, from which it could not be told")
        there = await readback.count() if self.counted is None else self.counted
        before = self.row["baseline"]
        if not self._is_sent_again_for_a_person or self.looked_first or before is None:
            return there
        # A person may be wrong: it may have come already, unless that is what another one brought.
        if neighbours and there - {*before} - await store.references(self.connection, readback.scope):
            await self._stop_for(neighbours[0])
        return there & {*before}

    def _ensure_decided(self) -> None:
        """Raise if it was undone with an earlier try of its business, but for a surplus."""
        if self.row["state"] == "doubled" and 0 < self.row["generation"] < self.effect.generation:
            number = self.row["id"]
            raise EffectError(
                f"{self.effect} is doubled (effect {number}), and an earlier try of its business was undone. Decide "
                f"first about the surplus: hookline effects undo {number}. Then run this again."
            )

    def _ensure_same_request(self) -> None:
        then, now = self.row["request"], self.effect.request
        if self.row["digest"] != self.effect.digest:
            changed = {
                name: f"{_short(then.get(name))} then, {_short(now.get(name))} now"
                for name in sorted({*then, *now})
                if then.get(name) != now.get(name)
            }
            raise EffectConflict(
                f"{self.effect} was begun with another request (effect {self.row['id']}, {self.row['state']}): "
                f"{changed}. Nothing was sent. Correct the difference by hand at the vendor."
            )

    # Sending

    async def _send(self, send: Send) -> Outcome:
        operation, expected = self.effect.operation, self.effect.expected
        crash_point(f"intended {operation}")
        try:
            with self.fence.around(self._leave_now):
                outcome = await send()
        except Exception as error:
            if (found := await self._failed(error)) is None:
                raise
            return await self._adopt(found)
        crash_point(f"sent {operation}")
        if len(outcome.reference) < expected:
            await self._ask(
                f"{expected} were asked for and {len(outcome.reference)} came: {outcome.reference}."
            )
        check_after = late_check.delay(self.settings, 0) if self._is_repeat else None
        if not await self._done(outcome, check_after=check_after):
            await self._note_double(outcome)
        crash_point(f"done {operation}")
        return outcome

    async def _failed(self, error: Exception) -> Outcome | None:
        """
        Write down what an error means; return the outcome if the write is found at once.

        After an answer that cannot be read, it is looked for at once. Where it is not there, it may be on its way, and
        the error is one to try again after. So it is where a later attempt is refused: the vendor may have done an
        earlier one by then, and refuse to do it twice.
        """
        state = state_after(error, may_repeat=self.readback is not None or self.resend)
        if state == "uncertain":
            await self._ask(str(error), error)
        if state is not None:
            found = await self._read_back() if state == "failed" and self._is_repeat else None
            if found is None:
                await store.not_applied(
                    self.connection,
                    self.row["id"],
                    state=state,
                    reason=str(error),
                    earlier=self.earlier,
                    check_after=late_check.delay(self.settings, 0),
                )
            return found
        await store.give_up(
            self.connection,
            self.row["id"],
            str(error),
            self.effect,
            check_after=late_check.delay(self.settings, 0),
        )
        if self.readback is None or not isinstance(error, Retryable) or error.transient:
            return None
        if (found := await self._read_back()) is None:
            error.transient, error.retry_after = True, self._landing_seconds
        return found

    @property
    def _is_sent_again_for_a_person(self) -> bool:
        """True if an attempt before may have worked, though a person says that it did not."""
        return self.row["attempted_at"] is None and self.row["given_up_at"] is not None

    @property
    def _is_repeat(self) -> bool:
        """True if there was an attempt before the current one."""
        return bool(self.row["attempts"] > 1)

    async def _adopt(self, found: Outcome) -> Outcome:
        """Take what was found at the vendor for the outcome; where it is there more than once, see at once to that."""
        is_doubled = len(found.copies) > max(self.effect.expected, 1)
        if not await self._done(found, check_after=0 if is_doubled else late_check.delay(self.settings, 0)):
            raise self._done_by_another()
        return found

    async def _note_double(self, outcome: Outcome) -> None:
        """Write down what came of our request beside what another process has written down, if it is another thing."""
        async with lent(self.settings) as connection:
            row = await store.read_again(connection, self.row)
            known = [] if row is None else [*row["reference"], *row["surplus"], *row["decided"]]
            if row and (surplus := [each for each in outcome.reference if each not in known]):
                await late_check.note(self.settings, connection, row, surplus)

    def _done_by_another(self) -> EffectBusy:
        """Return the error for an outcome that another process wrote down without the lock, which it had lost."""
        return EffectBusy(f"{self.effect} was done by another run just now.")

    async def _done(self, outcome: Outcome, *, check_after: float | None) -> bool:
        """
        Write the outcome down; return False if another process did so meanwhile.

        By another connection where ours is lost, for later nobody may find it out.
        """
        call = None if check_after is None else self.effect.call
        write = partial(
            store.done,
            effect_id=self.row["id"],
            effect=self.effect,
            outcome=outcome,
            scope=self.readback.scope if isinstance(self.readback, CountReadback) else None,
            call=call,
            check_after=None if call is None else check_after,
        )
        try:
            with reaching(self.settings):
                return await write(self.connection)
        except DatabaseUnavailable:
            async with lent(self.settings) as connection:
                return await write(connection)

    async def _ask(self, why: str, cause: Exception | None = None) -> NoReturn:
        raise await self._uncertain(why) from cause

    async def _uncertain(self, why: str) -> EffectUncertain:
        """Write down that a person must say; what a late check has found meanwhile is done."""
        if not await store.uncertain(self.connection, self.row["id"], why, self.effect):
            raise self._done_by_another()
        return EffectUncertain(self.row["id"], str(self.effect), why)

    # Read-back

    async def _read_back(self) -> Outcome | None:
        """Return what an attempt brought, as far as the vendor shows it by now."""
        if isinstance(self.readback, CountReadback):
            if readback_first.is_due(self.row):  # what is new may be of others that are forgotten
                return await self._read_back_first()
            return await self._count_new(self.readback)
        return await self.readback() if self.readback else None

    def _ensure_landed(self, row: Row, why: str) -> None:
        """
        Raise while an attempt may still appear at the vendor, to be tried again when it cannot any more.

        On one machine a clock counts that nobody sets. Else that of the database does, and where it was set back, this
        waits no longer than the landing time.
        """
        age = row["age"] if (on_this_machine := seconds_since(row["clock"])) is None else on_this_machine
        self._ensure_past(age, why, ended=row["ended"])

    def _ensure_forgotten_landed(self) -> None:
        """Raise while an attempt may still appear that the database forgot when it went back in time."""
        if (age := self.row["readback_first_age"]) is not None:
            self._ensure_past(
                age, "the database went back in time, and may have forgotten an attempt", ended=False
            )

    def _ensure_past(self, age: float, why: str, *, ended: bool) -> None:
        # A process that died may have sent its request late, and another may hold the call that it lost to it.
        waited = 0.0 if ended else MAY_LEAVE_SECONDS + self.settings.call_seconds
        longest = self._landing_seconds + waited
        if (seconds := longest - age) > 0:
            raise self._landing(min(seconds, longest), why)

    def _landing(self, seconds: float, why: str) -> EffectLanding:
        return EffectLanding(str(self.effect), why, seconds)

    @property
    def _landing_seconds(self) -> float:
        own = self.effect.landing_seconds
        return self.settings.landing_seconds if own is None else own

    async def _count_new(self, readback: CountReadback) -> Outcome | None:
        began = self.row["attempted_at"]
        neighbours = await store.open_neighbours(self.connection, self.row["id"], readback.scope)
        others = await store.references_of_others(self.connection, readback.scope, began)
        there = await readback.count()
        self.counted = (
            None if neighbours else there
        )  # else they may bring something until the next attempt begins
        new = sorted(there - set(self.row["baseline"] or []) - others)
        if not new:
            return None
        for neighbour in neighbours:
            if neighbour["attempted_at"] > began:
                await self._stop_for(neighbour)
        if len(new) != self.effect.expected:
            await self._ask(f"{self.effect.expected} were asked for; new at the vendor are {new}.")
        return Outcome(new, "found at the vendor after the answer was lost")

    async def _stop_for(self, neighbour: Row) -> None:
        """Raise: a later write of the same scope is the only one that could be mistaken for this one."""
        other = f"{neighbour['step']} of {neighbour['label']} (effect {neighbour['id']})"
        if neighbour["state"] == "failed":  # nobody goes on with it; once it can no longer appear, it did not
            self._ensure_landed(neighbour, f"an answer to {other} was lost, from which it could not be told")
            return
        if neighbour["state"] == "uncertain":
            await self._ask(f"It cannot be distinguished from {other}, which is uncertain too.")
        busy = EffectBusy(f"{self.effect} waits for {other}, which must be resolved first.")
        raise busy.as_wait(READBACK_AGAIN_SECONDS) if neighbour["goes_on"] else busy


def _outcome(row: Row) -> Outcome:
    return Outcome(list(row["reference"]), row["answer"])


def _may_be_done(row: Row) -> bool:
    return row["state"] in (*DONE, "uncertain") or row["attempted_at"] is not None


def _short(value: object) -> str:
    """Return a part of a request for an error's text: one of an API that nobody here knows may have megabytes."""
    return one_line(repr(value), MAX_SHOWN)


def _says_the_same(row: Row, effect: Effect) -> bool:
    """Return True if the row has all of the effect that a person could have corrected."""
    same = ("digest", "expected", "operation", "label", "generation", "account")
    return tuple(row["depends_on"]) == effect.depends_on and all(
        row[name] == getattr(effect, name) for name in same
    )
