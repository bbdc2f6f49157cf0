"""
Do a vendor write once.

The order of things is the whole point: `intended` is on disk before the request leaves, `done` is on disk
before anything builds upon it, and whoever comes upon `intended` looks before sending again.
"""

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable

from hookline import context
from hookline.crash_points import crash_point
from hookline.database import DatabaseUnavailable, lent
from hookline.database.connection import reaching
from hookline.database.types import Connection, Row
from hookline.journal import store
from hookline.journal.effect import (
    CountReadback,
    Effect,
    EffectBusy,
    EffectConflict,
    EffectError,
    EffectUncertain,
    Outcome,
    Readback,
)
from hookline.settings import Settings

logger = logging.getLogger(__name__)

OFF = os.environ.get("HOOKLINE_WITHOUT_JOURNAL") == "licenses may be doubled"
"""The journal is off, so that tests/chaos can show what it is good for; nothing else sets this."""


async def once(
    settings: Settings,
    effect: Effect,
    send: Callable[[], Awaitable[Outcome]],
    *,
    look: Readback | CountReadback | None = None,
    resend: bool = False,
) -> Outcome:
    """
    Send the write unless it is done; if an earlier attempt ended in the dark, look for it first.

    Args:
        settings: where the journal is, and how long a write in flight is given to land.
        effect: which write this is.
        send: makes the write. An exception with `maybe_applied` False changed nothing; any other might have.
        look: finds the write at the vendor (None: not there), or counts by a census; absent: it cannot be
            looked up, and an attempt that ended in the dark is *uncertain*.
        resend: without a look, send again instead of asking a person: the flow has chosen so.

    Returns:
        What came of it: now, then, or as found at the vendor.

    Raises:
        EffectUncertain: nobody can know whether it happened.
        EffectConflict: the step was done, or may have been, with another request.
        EffectBusy: another run is at it, or undoes what it builds upon; try again.
        EffectError: what it builds upon was undone, or its own business is being undone.
        DatabaseUnavailable: PostgreSQL is away; try again, and what was begun is looked for.
    """
    if OFF:
        logger.critical("THE JOURNAL IS OFF: %s is sent, whatever was sent before", effect)
        return await send()
    async with lent(settings) as connection:
        with context.waiting(f"waits for another run that is at {effect}"):
            await store.lock(connection, f"effect {effect}")
        # Where nothing has to be looked at before: both in one, on disk before the request leaves.
        row = await store.intend(
            connection, effect, begin=not isinstance(look, CountReadback) and not effect.depends_on
        )
        if row["state"] == "done":
            return _known(effect, row)
        if row["state"] == "uncertain":
            _same_request(effect, row)
            raise EffectUncertain(row["id"], str(effect), row["reason"])
        attempt = _Attempt(settings, connection, effect, row["id"], look)
        if not row["begun"]:
            found = await attempt.begin(row, resend=resend)
            if found is not None:
                return found
        return await attempt.make(send, resend=resend)


async def known(settings: Settings, workflow: str, key: str, step: str) -> Outcome | None:
    """
    What an effect brought that is done; None: it is not, was undone, or the vendor refused what builds upon it.

    Raises:
        DatabaseUnavailable: PostgreSQL is away.
    """
    async with lent(settings) as connection:
        row = await store.standing(connection, workflow, key, step)
    return None if row is None else _outcome(row)


async def now_known_as(settings: Settings, workflow: str, key: str, step: str, reference: str) -> None:
    """
    Note by which reference what an effect brought was found at the vendor, if the journal knows of another.

    Raises:
        DatabaseUnavailable: PostgreSQL is away.
    """
    async with lent(settings) as connection:
        await store.correct(connection, workflow, key, step, [reference])


class _Attempt:
    """One effect in hand, its locks held."""

    def __init__(
        self,
        settings: Settings,
        connection: Connection,
        effect: Effect,
        effect_id: int,
        look: Readback | CountReadback | None,
    ) -> None:
        self.settings = settings
        self.connection = connection
        self.effect = effect
        self.effect_id = effect_id
        self.look = look

    async def begin(self, row: Row, *, resend: bool) -> Outcome | None:
        """Begin an attempt, unless an earlier one is found to have been the last: then what it brought about."""
        scope = self.look.scope if isinstance(self.look, CountReadback) else None
        if scope is not None:
            with context.waiting(f"waits for another run that counts at {scope}"):
                await store.lock(self.connection, f"scope {scope}")
        await _may_begin(self.connection, self.effect, row)
        if row["attempted_at"] is not None:
            _same_request(self.effect, row)
            if (found := await self._find_earlier(row, resend=resend)) is not None:
                await store.done(self.connection, self.effect_id, found)
                return found
        elif not _is_of(self.effect, row):  # nothing was changed: what a person has mended since may be sent
            await store.renew(self.connection, self.effect_id, self.effect)
        baseline = await self._baseline()
        await store.begin(self.connection, self.effect_id, self.effect, scope=scope, baseline=baseline)
        return None

    async def make(self, send: Callable[[], Awaitable[Outcome]], *, resend: bool) -> Outcome:
        """Send, and write down how it ended."""
        crash_point(f"intended {self.effect.operation}")
        try:
            outcome = await send()
        except Exception as error:
            if not getattr(error, "maybe_applied", True):
                state = "intended" if getattr(error, "transient", False) else "failed"
                await store.not_applied(self.connection, self.effect_id, state=state, reason=str(error))
            elif self.look is None and not resend:
                raise await self._uncertain(str(error)) from error
            raise
        crash_point(f"sent {self.effect.operation}")
        if len(outcome.reference) < self.effect.wanted:
            raise await self._uncertain(
                f"{self.effect.wanted} were asked for and {len(outcome.reference)} came: {outcome.reference}."
            )
        await self._done(outcome)
        crash_point(f"done {self.effect.operation}")
        return outcome

    async def _done(self, outcome: Outcome) -> None:
        """Write down what came of it; by another connection where ours fell, for later nobody may find it out."""
        try:
            with reaching(self.settings):
                await store.done(self.connection, self.effect_id, outcome)
        except DatabaseUnavailable:
            async with lent(self.settings) as connection:
                await store.done(connection, self.effect_id, outcome)

    async def _find_earlier(self, row: Row, *, resend: bool) -> Outcome | None:
        """What an earlier attempt brought about; None if it is known to have changed nothing."""
        if self.look is None:
            if resend:
                return None
            raise await self._uncertain("The answer was lost, and the vendor offers no way to look it up.")
        await self._let_land(row)
        if isinstance(self.look, CountReadback):
            return await self._count_new(self.look, row)
        return await self.look()

    async def _count_new(self, count_readback: CountReadback, row: Row) -> Outcome | None:
        for neighbour in await store.open_neighbours(self.connection, self.effect_id, count_readback.scope):
            if neighbour["attempted_at"] > row["attempted_at"]:
                await self._wait_for(neighbour)
        taken = set(row["baseline"] or []) | await store.claimed(
            self.connection, count_readback.scope, row["attempted_at"]
        )
        new = await count_readback.count() - taken
        if new and len(new) != self.effect.wanted:
            raise await self._uncertain(
                f"{self.effect.wanted} were asked for; new at the vendor are {sorted(new)}."
            )
        return Outcome(sorted(new), "found at the vendor after the answer was lost") if new else None

    async def _wait_for(self, neighbour: Row) -> None:
        # A later write of the same scope is the only one that could be mistaken for this one.
        other = f"{neighbour['step']} of {neighbour['label']} (effect {neighbour['id']})"
        if neighbour["state"] == "uncertain":
            raise await self._uncertain(f"It cannot be told apart from {other}, which is uncertain too.")
        raise EffectBusy(f"{self.effect} waits for {other}, which must be settled first.")

    async def _baseline(self) -> set[str] | None:
        if not isinstance(self.look, CountReadback):
            return None
        for neighbour in await store.open_neighbours(self.connection, self.effect_id, self.look.scope):
            await self._let_land(neighbour)
        return await self.look.count()

    async def _let_land(self, row: Row) -> None:
        settled = self.settings.readback_grace_seconds
        seconds = await store.seconds_until(self.connection, row["attempted_at"], settled)
        with context.waiting(f"waits until an earlier attempt of {self.effect} has landed"):
            await asyncio.sleep(seconds)

    async def _uncertain(self, why: str) -> EffectUncertain:
        await store.uncertain(self.connection, self.effect_id, why)
        return EffectUncertain(self.effect_id, str(self.effect), why)


def _known(effect: Effect, row: Row) -> Outcome:
    _same_request(effect, row)
    return _outcome(row)


def _outcome(row: Row) -> Outcome:
    return Outcome(list(row["reference"]), row["answer"])


async def _may_begin(connection: Connection, effect: Effect, row: Row) -> None:
    """
    Whether nothing that is undone, now or before, stands against an effect.

    Its row is there already: whoever undoes what it builds upon comes before or after, and sees it or is seen.
    """
    if row["undoing"] and effect.undoes is None:
        raise EffectError(
            f"{effect.label} is being undone, so {effect.step} was not begun. Its run goes on undoing where it "
            "enters `compensated()`: nothing of the business may stand before that."
        )
    for ground in await store.depends_on(connection, effect):
        if ground["state"] == "undone":
            raise EffectError(
                f"{effect} builds upon {ground['what']} (effect {ground['id']}), which was undone meanwhile. "
                "Run this again."
            )
        if ground["undoing"]:
            raise EffectBusy(f"{effect} waits: {ground['what']} (effect {ground['id']}) is being undone.")


def _is_of(effect: Effect, row: Row) -> bool:
    """Whether the row says what the effect does, all that a person could have mended."""
    same = ("digest", "wanted", "operation", "label", "round")
    return tuple(row["uses"]) == effect.depends_on and all(
        row[name] == getattr(effect, name) for name in same
    )


def _same_request(effect: Effect, row: Row) -> None:
    if row["digest"] != effect.digest:
        changed = {
            name: f"{row['request'].get(name)!r} then, {effect.request.get(name)!r} now"
            for name in sorted({*row["request"], *effect.request})
            if row["request"].get(name) != effect.request.get(name)
        }
        raise EffectConflict(
            f"{effect} was begun with another request (effect {row['id']}, {row['state']}): {changed}. "
            "Nothing was sent. Make the difference good by hand at the vendor."
        )
