"""The journal for tasks: the business key that a write belongs to, and how it is compensated."""

import inspect
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Mapping
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
from hookline.account_keys import key_at, label_at
from hookline.database.types import Row
from hookline.errors import HooklineError
from hookline.journal import (
    BusinessFailure,
    CompensationStep,
    CountReadback,
    Effect,
    Journal,
    Outcome,
    Readback,
    Send,
    Step,
)
from hookline.journal.whom import whom
from hookline.settings import settings
from tasks.sentences import reporting

PYDANTIC_MASK: Final = str(SecretStr("secret"))


@dataclass(frozen=True)
class BusinessKey:
    """The key of what a workflow is about (an order, a ticket, a printer); with a step, of one of its writes."""

    workflow: str
    key: str
    """The business key; with the workflow and the step, it makes an effect unique."""
    label: str
    """The key in a person's words, such as `order 100123`."""
    step_name: str = ""
    """The write of the business; "" is named after the operation and what it is done to."""
    resend: bool = False
    """Send again instead of asking a person, where nobody can know whether the write happened."""
    depends_on: tuple[str, ...] = ()
    """The vendor's references of what the write needs: no other business undoes that any more."""
    generation: int = 0
    """Within `compensated()`, the number of this try of the business."""

    def step(self, name: str, *, resend: bool = False, depends_on: Iterable[object] = ()) -> Self:
        """
        Return the key of one write of the business.

        Args:
            name: which write.
            resend: where nobody can know whether it happened, send it again instead of asking a person.
            depends_on: what it needs that another business may have made and could undo, such as a company's id.
        """
        return replace(self, step_name=name, resend=resend, depends_on=tuple(map(str, depends_on)))

    def at(self, **accounts: str) -> Self:
        """
        Return the key as it is unique among all accounts: a vendor's id is unique within its account alone.

        `BusinessKey("order-to-license", invoice_id, f"order {number}").at(jiwa=jiwa)`; of `default` accounts, it is
        the key itself.

        Args:
            accounts: by vendor, the name of the block whose id is in the key.
        """
        return replace(self, key=key_at(self.key, **accounts), label=label_at(self.label, **accounts))

    @property
    def token(self) -> str:
        """The text that is put into a record at a vendor so that this write of the business can be found again."""
        step = f": {self.step_name}" if self.step_name else ""
        generation = f", generation {self.generation}" if self.generation > 1 else ""
        return f"[{self.workflow} {self.key}{step}{generation}]"

    def exclusive(
        self, *, max_wait: timedelta = journal.LOCK_TIMEOUT_SECONDS
    ) -> AbstractAsyncContextManager[None]:
        """
        Keep every other run, in any process on any machine, away from this business.

        The key alone counts: workflows that are about the same thing take turns too. A run that is suspended or
        killed releases it.

        Args:
            max_wait: how long to wait for another run.

        Raises:
            BusinessBusy: another run worked on it for longer; says which.
        """
        run = f"flow run {flow_run.name}" if flow_run.id else ""
        return journal.exclusive(settings(), self.key, label=self.label, run=run, max_wait=max_wait)

    @asynccontextmanager
    async def compensated(self) -> AsyncIterator["Compensation"]:
        """
        Undo what was done within if a `BusinessFailure` is raised; a technical failure undoes nothing.

        The run has the business to itself. Begin it before anything else is done for the business. What is done
        within, at `compensation.step(name)`, counts as undone together; what cannot be taken back, such as a mail,
        belongs behind it.

        Raises:
            BusinessFailure: a rule said no, and everything is undone; or so it was when this run was interrupted.
                A replay is a new try.
            HooklineError: it was begun in a batch; nothing was done.
        """
        if context.in_batch():  # a no belongs to one flow run, by its id
            raise HooklineError(
                f"{self.label} needs a flow run of its own, for what it does may be undone. To begin there at once, "
                "say so in the route: unbatched: true."
            )
        saga = journal.Saga(
            settings(),
            self.workflow,
            self.key,
            self.label,
            perform=self._perform,
            flow_run_id=_flow_run_id(),
            dispatch_id=context.dispatch_id(),
            ended_with=_ended_with,
        )
        async with self.exclusive():
            generation = await saga.enter()
            compensation = Compensation(replace(self, generation=generation))
            try:
                yield compensation
            except BusinessFailure as failure:
                raise await saga.compensate(failure, compensation.steps, generation) from None
            await saga.commit()

    async def _perform(self, row: Row) -> None:
        """Perform a compensation step, wherever it was declared."""
        await perform(replace(self, step_name=row["step"], generation=row["generation"]), row["call"])


P = ParamSpec("P")
C = TypeVar("C", bound=VendorCredentials)
Done = Coroutine[Any, Any, Any]


class Compensation:
    """All that a business does within `compensated()`, and how it is undone."""

    def __init__(self, business: BusinessKey) -> None:
        self.business = business
        """The business, for tasks that name their step themselves."""
        self.steps: list[CompensationStep] = []

    def step(self, name: str, *, depends_on: Iterable[object] = ()) -> BusinessKey:
        """Return the key of one write, which is undone with the others; see `BusinessKey.step`."""
        return self.business.step(name, depends_on=depends_on)

    def compensate(self, done: BusinessKey) -> "CompensationOf":
        """
        Declare how a write that is done is undone, should a rule say no: `compensation.compensate(step).by(task, …)`.

        Writes are undone in reverse; one may take several steps. What another run did, for another business, is left
        to that one; what another business depends on (`depends_on`) is kept.

        Args:
            done: the key of that write.
        """
        if not done.step_name:
            raise TypeError("What is to be undone needs a step: business.step('license').")
        return CompensationOf(self.steps, done)


@dataclass(frozen=True)
class CompensationOf:
    """A write that is done, for which it is declared how it is undone."""

    steps: list[CompensationStep]
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
        Undo it by this task, on this account, with these inputs, all stored: another process may have to do it.

        Args:
            task: a task of a vendor's module.
            account: stored credentials.
            args: the task's inputs behind the business.
            inputs: those that are given by name.

        Raises:
            TypeError: the inputs are not the task's, have a secret, or the task or account cannot be found by name.
        """
        signature = inspect.signature(task.fn)
        first = (account, self.done) if "business" in signature.parameters else (account,)
        bound = signature.bind(*first, *args, **inputs).arguments
        named = dict(list(bound.items())[len(first) :])
        named |= named.pop("more", {})  # inputs that only the vendor knows
        self.steps.append(
            CompensationStep(
                workflow=self.done.workflow,
                key=self.done.key,
                step=self.done.step_name,
                operation=f"{account.vendor}.{task.name}",
                summary=task.name.replace("_", " "),
                call={"task": _name_of(task), **_stored(account), "inputs": _to_json(task, named)},
                account=f"{account.vendor}/{account.stored_as}",
            )
        )


async def run_write(
    business: BusinessKey,
    step: str,
    operation: str,
    request: Mapping[str, Any],
    send: Send,
    *,
    readback: Readback | None = None,
    expected: int = 0,
    needs: Mapping[str, str] | None = None,
    resend: bool = False,
    landing: float | None = None,
    call: Mapping[str, Any] | None = None,
    forgotten: CountReadback | None = None,
    account: str = "",
    inputs: Any = None,
) -> Outcome:
    """
    Do one write of a business once, through the journal; see `hookline.journal.Journal.run`.

    Args:
        business: what it is for; if it is at a step, that one counts.
        step: which write of that business; the same step is never done twice.
        operation: `vendor.operation`.
        request: what makes it this write: the same step with another request is refused.
        send: makes the write.
        readback: finds it at the vendor if an answer was lost.
        expected: how many vendor references it must bring.
        needs: where its answer is a record, the fields that it must have, each `text` or `number`.
        resend: without a read-back, send again instead of asking a person.
        landing: seconds after which it can no longer appear once its answer was lost; None: HOOKLINE_LANDING_SECONDS.
        call: the task, its account and its inputs, by which a later check looks for it again.
        forgotten: without a read-back, counts what was done and forgotten, once the database went back in time.
        account: the vendor's account, as its client names it.
        inputs: all that is sent, as JSON has it: whom it reaches is noted, for a person who decides about it.
    """
    effect = Effect(
        workflow=business.workflow,
        key=business.key,
        step=business.step_name or step,
        label=business.label,
        operation=operation,
        request=request,
        expected=expected,
        needs=needs,
        flow_run_id=_flow_run_id(),
        dispatch_id=context.dispatch_id(),
        depends_on=business.depends_on,
        landing_seconds=landing,
        call=call,
        generation=business.generation,
        account=account,
        about=whom(request if inputs is None else inputs, operation),
    )
    await journal.ensure_exclusive()
    async with context.write_permit(), reporting(operation, send) as sending:
        return await Journal(settings()).run(effect, sending, readback, resend=resend, forgotten=forgotten)


async def outcome_of(business: BusinessKey) -> Outcome | None:
    """Return the outcome of the write at this step, where the journal knows that it is done."""
    return await Journal(settings()).outcome_of(business.workflow, business.key, business.step_name)


async def remembered(
    business: BusinessKey,
    step: str,
    choose: Callable[[], list[str]],
    *,
    expected: int = 0,
    forgotten: CountReadback | None = None,
) -> list[str]:
    """
    Return what was chosen at this step of a business; choose it the first time, and whatever dies, never again.

    Args:
        business: what it is for.
        step: which choice.
        choose: makes it; nothing outside may change by that.
        expected: the number of things that are chosen.
        forgotten: counts at the vendor what was chosen and forgotten, once the database went back in time.
    """

    async def send() -> Outcome:
        return Outcome(choose())

    outcome = await run_write(
        business, step, "hookline.choose", {}, send, expected=expected, resend=True, forgotten=forgotten
    )
    return outcome.reference


async def steps_of(business: BusinessKey, prefix: str) -> list[Step]:
    """Return the steps of a business that begin so and were written down, the oldest first."""
    return await Journal(settings()).steps(business.workflow, business.key, prefix)


async def keys_of(workflow: str, prefix: str) -> list[str]:
    """Return the business keys of a workflow that begin so."""
    return await Journal(settings()).keys(workflow, prefix)


async def correct_reference(business: BusinessKey, reference: str) -> None:
    """Note the reference by which what the write at this step brought was found, if the journal knows another."""
    await Journal(settings()).correct_reference(
        business.workflow, business.key, business.step_name, reference
    )


async def perform(business: BusinessKey, call: Mapping[str, Any]) -> None:
    """
    Perform a compensation step, as it was stored.

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

    # Safe to repeat: it is sent again, and nothing is looked for.
    operation = f"{account.vendor}.{task.name}"
    await run_write(
        business,
        business.step_name,
        operation,
        inputs,
        send,
        resend=True,
        account=f"{account.vendor}/{account.stored_as}",
    )


async def _ended_with(rule: str) -> bool:
    """Return True if this flow run already ended with this no, so that a rerun is a new try."""
    if not flow_run.id:
        return False
    async with get_client() as client:
        states = await client.read_flow_run_states(UUID(flow_run.id))
    return any(
        state.is_completed() or (state.is_failed() and rule in (state.message or "")) for state in states
    )


def _flow_run_id() -> UUID | None:
    """Return the flow run here; None in a batch, which many share: the dispatch says whose write it is."""
    return UUID(flow_run.id) if flow_run.id and not context.in_batch() else None


def _name_of(task: Task[..., Done]) -> str:
    name = f"{task.fn.__module__}:{task.fn.__name__}"
    try:
        found = resolve_name(name)
    except (ImportError, AttributeError):
        found = None
    if found is not task:
        raise TypeError(
            f"{task.name} cannot undo anything: it must be a task of a module, found there as {name}."
        )
    return name


def _stored(account: VendorCredentials) -> dict[str, str]:
    if not account.stored_as:
        raise TypeError(
            f"The {account.vendor} account is not stored, so another process could not undo what was done with it. "
            f"Load it by its name: await {type(account).__name__}.named('default')."
        )
    return {"vendor": account.vendor, "account": account.stored_as}


def _to_json(task: Task[..., Done], inputs: Mapping[str, Any]) -> dict[str, Any]:
    plain: dict[str, Any] = to_jsonable_python(inputs, exclude_none=True)
    if PYDANTIC_MASK in str(plain):
        raise TypeError(f"{task.name} takes a secret, which is not stored: undo it by another task.")
    return plain
