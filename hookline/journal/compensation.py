"""
Compensation: undo what a business did, where one of its rules says no; a saga, with its steps on disk.

What is to be undone, by what and why, is written down in one transaction before the first step. From then on the
business goes on undoing, in any process: the rule is not asked again. Each step is performed by an effect like any
other.
"""

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import UUID

from hookline.database import lent
from hookline.database.types import Connection, Row
from hookline.errors import HooklineError
from hookline.journal import compensation_steps, store
from hookline.journal.effect import Effect, EffectError
from hookline.settings import Settings


class BusinessFailure(HooklineError):
    """
    A rule of the business says no, and what was done for it is undone.

    Raised by a flow with the rule in words. It is no failure of the technique: nothing is tried again.
    """

    transient = False

    def __init__(self, rule: str, *, undone: Sequence[str] = (), kept: Sequence[str] = ()) -> None:
        self.rule = rule.rstrip(".")
        parts = {"": [self.rule], "Given back: ": undone, "Kept: ": kept}
        super().__init__(" ".join(f"{name}{'; '.join(items)}." for name, items in parts.items() if items))
        self.undone, self.kept = tuple(undone), tuple(kept)

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        """Pickle by its parts: Prefect stores the error of a failed run."""
        return partial(BusinessFailure, undone=self.undone, kept=self.kept), (self.rule,)


@dataclass(frozen=True)
class CompensationStep:
    """The declaration of how one effect is undone."""

    workflow: str
    key: str
    step: str
    """The step of the effect that it undoes, with its workflow and key."""
    operation: str
    """`vendor.operation` of the call that undoes it."""
    summary: str
    """The operation for people."""
    call: Mapping[str, Any]
    """The task, account and inputs, as JSON: another process may have to perform it."""
    account: str = ""
    """The vendor's account, such as `zentitle/default`."""


Perform = Callable[[Row], Awaitable[None]]
"""Performs a step, through the journal; its row has the `call`."""

EndedWith = Callable[[str], Awaitable[bool]]
"""Returns True if this flow run already ended with this rule's no, so that a rerun is a new try."""


@dataclass(frozen=True)
class Saga:
    """All that one business does as a whole, and its compensation; the run has the business to itself."""

    settings: Settings
    workflow: str
    key: str
    label: str
    perform: Perform
    ended_with: EndedWith
    flow_run_id: UUID | None = None
    dispatch_id: UUID | None = None

    async def enter(self) -> int:
        """
        Finish a compensation that was begun; then return the number of the generation that may begin.

        Raises:
            BusinessFailure: this run got its no before, in this process or in one that died.
        """
        steps = await self._latest_steps()
        if not steps:
            return 1
        decision = steps[0]
        failure = await self._finish(steps)
        is_own = self.flow_run_id is not None and decision["decided_by"] == self.flow_run_id
        if is_own and not await self.ended_with(decision["rule"]):
            raise failure
        return int(decision["generation"]) + 1

    async def commit(self) -> None:
        """Write down that the business is through: no later no undoes what it did."""
        async with lent(self.settings) as connection:
            await compensation_steps.commit(connection, self.workflow, self.key)

    async def compensate(
        self, failure: BusinessFailure, declared: Sequence[CompensationStep], generation: int
    ) -> BusinessFailure:
        """
        Write down what is to be undone, the last first, and undo it; return the failure with what was undone.

        Args:
            failure: the rule's no.
            declared: what is undone and how, in the order in which it was done.
            generation: the one that `enter` returned.

        Raises:
            EffectError: a part of it was committed before, or was never done; nothing is undone then.
        """
        numbers = Counter[int]()
        async with lent(self.settings) as connection, connection.transaction():
            for each in reversed(declared):
                if (done := await self._done(connection, failure.rule, each)) is not None:
                    numbers[done["id"]] += 1
                    effect = self._effect(each, done["id"], numbers[done["id"]], generation)
                    await compensation_steps.plan(connection, effect, done["id"], failure.rule, each.call)
        begun = [step for step in await self._latest_steps() if step["generation"] == generation]
        return await self._finish(begun) if begun else failure

    async def _done(self, connection: Connection, rule: str, declared: CompensationStep) -> Row | None:
        """Return the effect that is to be undone; None: another run did it for another business, or nobody did."""
        workflow, key, step = declared.workflow, declared.key, declared.step
        done = await compensation_steps.candidate(connection, workflow, key, step, self.flow_run_id)
        if (workflow, key) == (self.workflow, self.key):
            _ensure_undoable(self.label, rule, declared, done)
            return done
        return done if done is not None and done["is_own"] else None

    def _effect(self, declared: CompensationStep, undone: int, number: int, generation: int) -> Effect:
        return Effect(
            workflow=self.workflow,
            key=self.key,
            step=f"undo {undone}: {declared.summary}{f' ({number})' if number > 1 else ''}",
            label=self.label,
            operation=declared.operation,
            request=declared.call["inputs"],
            flow_run_id=self.flow_run_id,
            dispatch_id=self.dispatch_id,
            generation=generation,
            account=declared.account,
        )

    async def _finish(self, steps: Sequence[Row]) -> BusinessFailure:
        for step in steps:
            if step["state"] not in {"done", "kept"}:
                await self._take_step(step)
        return _result(await self._latest_steps())

    async def _take_step(self, step: Row) -> None:
        """Perform one step; skip it where another business depends on what it would undo."""
        async with lent(self.settings) as connection:
            is_new = step["attempted_at"] is None
            if is_new and (other := await compensation_steps.dependent(connection, step)):
                await compensation_steps.skip(connection, step, f"{other} depends on it")
                return
        await self.perform(step)
        async with lent(self.settings) as connection:
            performed = await store.read(connection, step["id"])
        if performed is None or performed["state"] != "done":
            raise EffectError(
                f"{step['step']} of {self.label} did not go through the journal as that step. A task that "
                "undoes something does one effect, at the step of its business."
            )

    async def _latest_steps(self) -> Sequence[Row]:
        async with lent(self.settings) as connection:
            return await compensation_steps.latest(connection, self.workflow, self.key)


def _ensure_undoable(label: str, rule: str, declared: CompensationStep, done: Row | None) -> None:
    if done is None:
        raise EffectError(
            f"{label} has nothing done at the step {declared.step!r}, so that cannot be undone, and nothing was. "
            f"The rule was: {rule}."
        )
    if done["generation"] == 0:
        raise EffectError(
            f"{declared.step} of {label} is from an earlier run, which went through; so nothing is undone, although "
            f"now: {rule}. If it is not to stay, undo it by hand at the vendor."
        )


def _result(steps: Sequence[Row]) -> BusinessFailure:
    """Return the no with what was undone, each thing once, and what was kept."""
    undone = [_described(step) for step in steps if step["state"] == "done"]
    kept = [f"{_described(step)}, for {step['reason']}" for step in steps if step["state"] == "kept"]
    return BusinessFailure(steps[0]["rule"], undone=list(dict.fromkeys(undone)), kept=kept)


def _described(step: Row) -> str:
    references = ", ".join(step["undone_reference"])
    return f"{step['what']} ({references})" if references else str(step["what"])
