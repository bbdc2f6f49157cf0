"""The business that a task's write belongs to; and the journal, for tasks."""

import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pkgutil import resolve_name
from typing import Any, Concatenate, Final, ParamSpec, Self, TypeVar, overload
from uuid import UUID

from prefect import Task
from prefect.client.orchestration import get_client
from prefect.runtime import flow_run
from pydantic import SecretStr
from pydantic_core import to_jsonable_python

from blocks import BLOCKS, VendorCredentials
from hookline import context, journal
from hookline.database.types import Row
from hookline.errors import HooklineError
from hookline.journal import BusinessFailure, CompensationStep, CountReadback, Effect, Outcome
from hookline.journal.effect import Readback
from hookline.settings import settings

PYDANTIC_MASK: Final = str(SecretStr("secret"))


@dataclass(frozen=True)
class BusinessKey:
    """What a workflow is about: an order, a ticket, a printer; and, `at` one of its writes, which."""

    workflow: str
    key: str
    """The business key; with the workflow and the step, it makes an effect unique."""
    label: str
    """The key in a person's words, such as `order 100123`."""
    step: str = ""
    """Which write of the business; "" is named after the operation and what it is done to."""
    resend: bool = False
    """Where nobody can know whether the write happened: send it again instead of asking a person."""
    depends_on: tuple[str, ...] = ()
    """What the write builds upon, by its vendor's references: no other business undoes that any more."""
    round: int = 0
    """Within `compensated()`: which try of the business this is."""
    undoes: int | None = None
    """The number of the effect that the write undoes."""

    def at(self, step: str, *, resend: bool = False, depends_on: Iterable[object] = ()) -> Self:
        """
        The same business, at this write of it.

        Args:
            step: which write of the business.
            resend: where nobody can know whether it happened, send it again instead of asking a person.
            depends_on: what it builds upon that another business may have made and could undo, such as a company's id.
        """
        return replace(self, step=step, resend=resend, depends_on=tuple(map(str, depends_on)))

    @property
    def token(self) -> str:
        """What stands in a text at a vendor so that this write of the business can be found again."""
        again = f", round {self.round}" if self.round > 1 else ""
        return f"[{self.workflow} {self.key}{': ' * bool(self.step)}{self.step}{again}]"

    def exclusive(
        self, *, max_wait: timedelta = journal.LOCK_TIMEOUT_SECONDS
    ) -> AbstractAsyncContextManager[None]:
        """
        Within, no other run is at this business, whichever process or machine it is in.

        The key alone counts: workflows that are about the same thing take turns too. A run that is suspended or
        killed lets go of it.

        Args:
            max_wait: how long to wait for another run.

        Raises:
            BusinessBusy: another run was at it for longer; says which.
        """
        run = f"flow run {flow_run.name}" if flow_run.id else ""
        return journal.exclusive(settings(), self.key, label=self.label, run=run, max_wait=max_wait)

    @asynccontextmanager
    async def compensated(self) -> AsyncIterator["Compensation"]:
        """
        Within, alone with this business, a `BusinessFailure` undoes what was done; a technical failure does not.

        Begin it before anything else is done for the business. What is done within, at `compensation.at(step)`,
        counts as undone together; what cannot be taken back, such as a mail, belongs behind it.

        Raises:
            BusinessFailure: a rule said no, and everything is given back; or so it was when this run was
                interrupted. A replay begins anew.
            HooklineError: it was begun in a lane for backlogs; nothing was done.
        """
        if context.in_batch():  # its story (which no, of which run) is told by its flow run
            raise HooklineError(
                f"{self.label} needs a flow run of its own, for what it does may be undone. To begin there at once, "
                "say so in the route: unbatched: true."
            )
        saga = journal.Compensation(
            settings(),
            self.workflow,
            self.key,
            self.label,
            perform=self._perform,
            flow_run_id=_flow_run_id(),
            dispatch_id=context.dispatch_id(),
            over=_ended_with,
        )
        async with self.exclusive():
            compensation = Compensation(replace(self, round=await saga.enter()))
            try:
                yield compensation
            except BusinessFailure as failure:
                raise await saga.compensate(
                    failure, compensation.undos, compensation.business.round
                ) from None
            await saga.commit()

    async def _perform(self, row: Row) -> None:
        """Do a step of an undoing, wherever it was declared."""
        await perform(replace(self, step=row["step"], round=row["round"], undoes=row["undoes"]), row["undo"])


P = ParamSpec("P")
C = TypeVar("C", bound=VendorCredentials)
Done = Coroutine[Any, Any, Any]


class Compensation:
    """What a business does within `compensated()`, and how it is undone."""

    def __init__(self, business: BusinessKey) -> None:
        self.business = business
        """The business, for tasks that name their step themselves."""
        self.undos: list[CompensationStep] = []

    def at(self, step: str, *, depends_on: Iterable[object] = ()) -> BusinessKey:
        """The business at this write of it, which is undone with the others; see `Business.at`."""
        return self.business.at(step, depends_on=depends_on)

    def compensate(self, done: BusinessKey) -> "HowUndone":
        """
        Say how a write that is done is undone, should a rule say no: `compensation.undo(step).by(task, …)`.

        Writes are undone in reverse; one may take several steps. What another run did, for another business, is left
        to that one; what another business builds upon (`uses`) is kept.

        Args:
            done: the business at the step of that write.
        """
        if not done.step:
            raise TypeError("What is to be undone needs a step: business.at('license').")
        return HowUndone(self.undos, done)


@dataclass(frozen=True)
class HowUndone:
    """How one write is undone."""

    undos: list[CompensationStep]
    done: BusinessKey

    @overload
    def by(
        self, task: Task[Concatenate[C, BusinessKey, P], Done], account: C, *args: P.args, **inputs: P.kwargs
    ) -> None: ...
    @overload
    def by(
        self, task: Task[Concatenate[C, P], Done], account: C, *args: P.args, **inputs: P.kwargs
    ) -> None: ...
    def by(self, task: Task[..., Done], account: VendorCredentials, *args: Any, **inputs: Any) -> None:
        """
        By this task, on this account, with these inputs, which are written down: another process may have to do it.

        Args:
            task: a task of a vendor's module.
            account: stored credentials.
            args: the task's inputs behind the business.
            inputs: those that are given by name.

        Raises:
            TypeError: the inputs are not the task's, hold a secret, or the task or account cannot be found by name.
        """
        signature = inspect.signature(task.fn)
        first = (account, self.done) if "business" in signature.parameters else (account,)
        bound = signature.bind(*first, *args, **inputs).arguments
        given = dict(list(bound.items())[len(first) :])
        given |= given.pop("more", {})  # inputs that only the vendor knows
        self.undos.append(
            CompensationStep(
                workflow=self.done.workflow,
                key=self.done.key,
                step=self.done.step,
                operation=f"{account.vendor}.{task.name}",
                words=task.name.replace("_", " "),
                call={"task": _name_of(task), **_stored(account), "inputs": _kept(task, given)},
            )
        )


async def once(
    business: BusinessKey,
    step: str,
    operation: str,
    request: Mapping[str, Any],
    send: Callable[[], Awaitable[Outcome]],
    *,
    look: Readback | CountReadback | None = None,
    wanted: int = 0,
    resend: bool = False,
) -> Outcome:
    """
    Do one write of a business once; see `hookline.journal.once`.

    Args:
        business: what it is for.
        step: which write of that business; the same step is never done twice.
        operation: `vendor.operation`.
        request: what makes it this write: the same step with another request is refused.
        send: makes the write.
        look: finds it at the vendor if an answer was lost.
        wanted: how many vendor references it must bring.
        resend: without a look, send again instead of asking a person.
    """
    effect = Effect(
        workflow=business.workflow,
        key=business.key,
        step=step if business.undoes is None else business.step,
        label=business.label,
        operation=operation,
        request=request,
        wanted=wanted,
        flow_run_id=_flow_run_id(),
        dispatch_id=context.dispatch_id(),
        depends_on=business.depends_on,
        round=business.round,
        undoes=business.undoes,
    )
    await journal.ensure_exclusive()
    async with context.effect():
        return await journal.once(settings(), effect, send, look=look, resend=resend)


async def known(business: BusinessKey) -> Outcome | None:
    """What the write at this step of a business brought, where the journal knows that it is done."""
    return await journal.known(settings(), business.workflow, business.key, business.step)


async def now_known_as(business: BusinessKey, reference: str) -> None:
    """Note by which reference what the write at this step brought was found, if the journal knows of another."""
    await journal.now_known_as(settings(), business.workflow, business.key, business.step, reference)


async def perform(business: BusinessKey, call: Mapping[str, Any]) -> None:
    """
    Do a step of an undoing, as it was written down.

    Args:
        business: at the step.
        call: the task, the account and the inputs.
    """
    task: Task[..., Done] = resolve_name(call["task"])
    account = await BLOCKS[call["vendor"]].named(call["account"])
    inputs = call["inputs"]
    if "business" in inspect.signature(task.fn).parameters:
        await task(account, business, **inputs)
        return

    async def send() -> Outcome:
        await task(account, **inputs)
        return Outcome()

    operation = f"{account.vendor}.{task.name}"
    await once(business, business.step, operation, inputs, send, look=_never_found)


async def _never_found() -> None:
    """What is safe to repeat is sent again."""


async def _ended_with(rule: str) -> bool:
    """Whether this flow run was at its end with that no before: then a person has begun it again."""
    if not flow_run.id:
        return False
    async with get_client() as client:
        states = await client.read_flow_run_states(UUID(flow_run.id))
    return any(
        state.is_completed() or (state.is_failed() and rule in (state.message or "")) for state in states
    )


def _flow_run_id() -> UUID | None:
    """The run that this is; none in a lane, which many share: the dispatch tells whose it is."""
    return UUID(flow_run.id) if flow_run.id and not context.in_batch() else None


def _name_of(task: Task[..., Done]) -> str:
    name = f"{task.fn.__module__}:{task.fn.__name__}"
    try:
        found = resolve_name(name)
    except (ImportError, AttributeError):
        found = None
    if found is not task:
        raise TypeError(f"{task.name} undoes nothing: it must be a task of a module, found there as {name}.")
    return name


def _stored(account: VendorCredentials) -> dict[str, str]:
    if not account.stored_as:
        raise TypeError(
            f"The {account.vendor} account is not stored, so another process could not undo what was done with it. "
            f"Load it by its name: await {type(account).__name__}.named('default')."
        )
    return {"vendor": account.vendor, "account": account.stored_as}


def _kept(task: Task[..., Done], inputs: Mapping[str, Any]) -> dict[str, Any]:
    kept: dict[str, Any] = to_jsonable_python(inputs, exclude_none=True)
    if PYDANTIC_MASK in str(kept):
        raise TypeError(f"{task.name} takes a secret, which is not written down: undo it by another task.")
    return kept
