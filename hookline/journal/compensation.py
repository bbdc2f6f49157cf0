"""
Undo what a business did, where one of its rules says no: a saga, with its compensation on disk.

What is to be undone, by what and why, is written down in one transaction before the first step. From then on the
business goes on undoing, in whichever process: the rule is not asked again. Each step is an effect like any other.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from hookline.database import lent
from hookline.database.types import Connection, Row
from hookline.errors import HooklineError
from hookline.journal import store
from hookline.journal.effect import Effect, EffectError
from hookline.settings import Settings


class BusinessFailure(HooklineError):
    """
    A rule of the business says no, and what was done for it is given back.

    Raised by a flow with the rule in words. It is no failure of the technique: nothing is tried again.
    """

    transient = False

    def __init__(self, rule: str, *, undone: Sequence[str] = (), kept: Sequence[str] = ()) -> None:
        self.rule = rule.rstrip(".")
        parts = {"": [self.rule], "Given back: ": undone, "Kept: ": kept}
        super().__init__(" ".join(f"{name}{'; '.join(words)}." for name, words in parts.items() if words))
        self.undone, self.kept = tuple(undone), tuple(kept)

    def __reduce__(
        self,
    ) -> tuple[Callable[..., "BusinessFailure"], tuple[str, tuple[str, ...], tuple[str, ...]]]:
        """Pickles by its parts: Prefect stores the error of a failed run."""
        return _failure, (self.rule, self.undone, self.kept)


def _failure(rule: str, undone: Sequence[str], kept: Sequence[str]) -> BusinessFailure:
    return BusinessFailure(rule, undone=undone, kept=kept)


@dataclass(frozen=True)
class CompensationStep:
    """How an effect is undone."""

    workflow: str
    key: str
    step: str
    """Which effect it undoes."""
    operation: str
    """`vendor.operation` of what undoes it."""
    words: str
    """The same for people."""
    call: Mapping[str, Any]
    """All it takes to do so, as JSON: it may be another process that does."""


Perform = Callable[[Row], Awaitable[None]]
"""Does a step of an undoing, through the journal; it finds its `call` under `undo`."""

Over = Callable[[str], Awaitable[bool]]
"""Whether this run came to an end already with a rule's no: whoever runs it again wants it anew."""


async def _not_over(_rule: str) -> bool:
    return False


@dataclass(frozen=True)
class Compensation:
    """What one business does as a whole, and its undoing; whoever works on it has the business to himself."""

    settings: Settings
    workflow: str
    key: str
    label: str
    perform: Perform
    flow_run_id: UUID | None = None
    dispatch_id: UUID | None = None
    over: Over = field(default=_not_over)

    async def enter(self) -> int:
        """
        Go on undoing, where that was begun; then the number of the round that may begin.

        Raises:
            BusinessFailure: this run has had its no, in this process or in one that died.
        """
        async with lent(self.settings) as connection:
            steps = await store.undoing(connection, self.workflow, self.key)
        if not steps:
            return 1
        decision = steps[0]["undo"]
        failure = await self._go_on(steps)
        mine = self.flow_run_id is not None and decision["run"] == str(self.flow_run_id)
        if mine and not await self.over(decision["rule"]):
            raise failure
        return int(steps[0]["round"]) + 1

    async def commit(self) -> None:
        """The business is through: what it did stands, and no later no undoes it."""
        async with lent(self.settings) as connection:
            await store.commit(connection, self.workflow, self.key)

    async def compensate(
        self, failure: BusinessFailure, undos: Sequence[CompensationStep], number: int
    ) -> BusinessFailure:
        """
        Write down what is to be undone, the last first, and do so; the failure with what was given back.

        Args:
            failure: the rule's no.
            undos: what is undone and how, in the order in which it was done.
            number: of the round, as `enter` said.

        Raises:
            EffectError: something of it stands for good, or was never done; nothing is undone then.
        """
        async with lent(self.settings) as connection:
            async with connection.transaction():
                for compensate in reversed(undos):
                    await self._intend(connection, failure.rule, compensate, number)
            steps = await store.undoing(connection, self.workflow, self.key)
        begun = [step for step in steps if step["round"] == number]
        return await self._go_on(begun) if begun else failure

    async def _intend(
        self, connection: Connection, rule: str, compensate: CompensationStep, number: int
    ) -> None:
        done = await store.undoable(
            connection, compensate.workflow, compensate.key, compensate.step, self.flow_run_id
        )
        if (compensate.workflow, compensate.key) == (self.workflow, self.key):
            _check_own(self.label, rule, compensate, done)
        elif done is not None and not done["mine"]:
            done = None  # another run did it, for another business
        if done is None:
            return
        steps = await store.steps_against(connection, done["id"], number)
        effect = Effect(
            workflow=self.workflow,
            key=self.key,
            step=f"undo {done['id']}: {compensate.words}{f' ({steps + 1})' if steps else ''}",
            label=self.label,
            operation=compensate.operation,
            request=compensate.call["inputs"],
            flow_run_id=self.flow_run_id,
            dispatch_id=self.dispatch_id,
            round=number,
            undoes=done["id"],
        )
        run = str(self.flow_run_id) if self.flow_run_id else None
        await store.intend_compensation(connection, effect, {**compensate.call, "rule": rule, "run": run})

    async def _go_on(self, steps: Sequence[Row]) -> BusinessFailure:
        for step in steps:
            if step["state"] not in ("done", "kept"):
                await self._take(step)
        async with lent(self.settings) as connection:
            ended = await store.undoing(connection, self.workflow, self.key)
        return _told(ended)

    async def _take(self, step: Row) -> None:
        """One step; none, where another business builds upon what it would undo."""
        async with lent(self.settings) as connection:
            if step["attempted_at"] is None and (other := await store.dependent(connection, step)):
                await store.keep(connection, step, f"{other} builds upon it")
                return
        await self.perform(step)
        async with lent(self.settings) as connection:
            taken = await store.read(connection, step["id"])
            if taken is None or taken["state"] != "done":
                raise EffectError(
                    f"{step['step']} of {self.label} did not go through the journal as that step. A task that "
                    "undoes something does one effect, at the step of its business."
                )


def _check_own(label: str, rule: str, compensate: CompensationStep, done: Row | None) -> None:
    if done is None:
        raise EffectError(
            f"{label} has nothing done at the step {compensate.step!r}, so that cannot be undone, and nothing was. "
            f"The rule was: {rule}."
        )
    if done["round"] == 0:
        raise EffectError(
            f"{compensate.step} of {label} stands since a run before, which went through; so nothing is undone, "
            f"although now: {rule}. If it is not to stand, give it back by hand at the vendor."
        )


def _told(steps: Sequence[Row]) -> BusinessFailure:
    """What a business was told, and what became of what it had done; each thing once."""
    undone = [_words(step) for step in steps if step["state"] == "done"]
    kept = [f"{_words(step)}, for {step['reason']}" for step in steps if step["state"] == "kept"]
    return BusinessFailure(steps[0]["undo"]["rule"], undone=list(dict.fromkeys(undone)), kept=kept)


def _words(step: Row) -> str:
    references = ", ".join(step["gone"])
    return f"{step['what']} ({references})" if references else str(step["what"])
