"""
Makes the Prefect task of a vendor operation.

A task's inputs are the operation's; its retries follow from what a repeat would do. Operations that are safe to
repeat become calls. The others become effects: they go through the journal, which looks before it sends again.
"""

import inspect
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field, replace
from typing import Any, Concatenate, Final, Generic, ParamSpec, TypeVar, get_origin

from prefect import Task
from pydantic_core import to_jsonable_python

from blocks import VendorCredentials
from hookline import context
from hookline.clients import InvalidInput, Operation, VendorClient, VendorError
from hookline.clients.models import Input
from hookline.clients.operation import Repeat
from hookline.errors import HooklineError
from hookline.journal import CountReadback, Outcome
from hookline.redaction import MASK
from tasks.effects import BusinessKey, once
from tasks.policies import vendor_task

P = ParamSpec("P")
T = TypeVar("T")
C = TypeVar("C", bound=VendorCredentials)
Client = TypeVar("Client", bound=VendorClient)
Given = TypeVar("Given", bound=Input)

Readback = Callable[[Client, Given, str], Awaitable[Outcome | None]]
"""Finds a write by the client, its inputs and the mark of its business; None: it is not there."""

AddToken = Callable[[Any, str], Any]
"""Puts the mark of a business into an input."""

CensusOf = Callable[[Client, Given], CountReadback | None]
"""Counts what a write that leaves no mark would add to; None where this one is looked for all the same."""


@dataclass(frozen=True)
class RecordReadback(CountReadback):
    """A census of a write whose answer is a record, which shows among others what the write brought."""

    counted: Callable[[Any], set[str]]
    """What of such a record the census counts."""
    read: Callable[[list[str]], Awaitable[Any]]
    """Reads the record anew, by what the write brought; None where there is none."""
    wanted: int = 1
    """How many the write brings."""


AFTERWARDS: Final = {
    "safe": "Safe to repeat: tried again on whatever may pass.",
    "readback": "Done once for its business: if an answer is lost, it is looked up before it is sent again.",
    "never": "Done once for its business: if an answer is lost, it is *uncertain* and a person decides.",
}


class VendorTasks(Generic[C]):
    """
    Makes the tasks of one vendor.

    Args:
        credentials: the vendor's block; every task takes one first, in the vendor's name.
        module: the module in which the tasks stand.
    """

    def __init__(self, credentials: type[C], module: str) -> None:
        self.credentials = credentials
        self.module = module

    def call(self, operation: Operation[P, T]) -> Task[Concatenate[C, P], Coroutine[Any, Any, T]]:
        """The task of an operation that may be repeated: tried again on whatever may pass."""
        _expect(operation, "safe")

        async def run(credentials: C, /, *args: P.args, **inputs: P.kwargs) -> T:
            given = operation.validate(*args, **inputs)
            gate = nullcontext() if operation.reads else context.effect()
            async with credentials.get_client() as client, gate:
                return await client.send(operation, given)

        return self._task(operation, run, [self._account(operation)])

    def effect(
        self,
        operation: Operation[P, T],
        *,
        look: Readback[Any, Any] | None = None,
        count_readback: CensusOf[Any, Any] | None = None,
        of: str | tuple[str, ...] = (),
        essential: tuple[str, ...] = (),
        found_by: tuple[str, ...] = (),
        marked: str | None = None,
        add_token: AddToken = lambda text, token: f"{text or ''}\n{token}".lstrip(),
        reference: str | None = None,
        wanted: Callable[[Any], int] = lambda _given: 0,
    ) -> Task[Concatenate[C, BusinessKey, P], Coroutine[Any, Any, T]]:
        """
        The task of an operation that must not happen twice but can be looked up: done once for its business.

        Args:
            operation: which.
            look: finds the write if its answer was lost.
            count_readback: in its place, for a write that leaves no mark: counts before and after (see `Tally`).
            of: the inputs that tell one write of a business from the next, where its path does not; they name
                the step, unless the business is given `at` a step.
            essential: the inputs that make it this write and no other: the same step with others is refused;
                all, unless said.
            found_by: inputs by which `look` finds the write; one of them must be given.
            marked: the input to whose text the mark of the business is added, for `look` to find.
            add_token: adds it where that input is no text.
            reference: the name, in the answer or else in the inputs, of what the vendor calls it.
            wanted: how many references the write must bring; a `Tally` says it itself.
        """
        _expect(operation, "readback", *_names(of), *essential, *found_by)
        if look is None and count_readback is None:
            raise TypeError(f"{operation!r} needs a look or a census.")

        async def run(credentials: C, business: BusinessKey, /, *args: P.args, **inputs: P.kwargs) -> T:
            given = operation.validate(*args, **inputs)
            if marked is not None:
                inputs[marked] = add_token(getattr(given, marked), business.token)
                given = operation.validate(*args, **inputs)
            if found_by and not any(getattr(given, name) for name in found_by):
                raise InvalidInput(
                    f"{operation.vendor} {operation.name} was not sent: give {' or '.join(found_by)}, by which it "
                    "can be found again if its answer is lost."
                )
            async with credentials.get_client() as client, client.slot():
                counts = count_readback and count_readback(client, given)
                write = _Write(operation, client, given, business, look, counts, reference)
                brings = counts.wanted if isinstance(counts, RecordReadback) else wanted(given)
                return await write.answered(await write.once(of, essential, wanted=brings))

        return self._task(operation, run, [self._account(operation), _BUSINESS])

    def blind_effect(
        self, operation: Operation[P, T], *, of: str | tuple[str, ...] = (), essential: tuple[str, ...] = ()
    ) -> Task[Concatenate[C, BusinessKey, P], Coroutine[Any, Any, T | None]]:
        """
        The task of an operation that must not happen twice and cannot be looked up: done once for its business.

        If its answer is lost, it is *uncertain* until a person settles it; what the vendor answered is then not
        known, and the task answers None. See `effect`.
        """
        _expect(operation, "never", *_names(of), *essential)

        async def run(
            credentials: C, business: BusinessKey, /, *args: P.args, **inputs: P.kwargs
        ) -> T | None:
            given = operation.validate(*args, **inputs)
            async with credentials.get_client() as client, client.slot():
                outcome = await _Write(operation, client, given, business).once(of, essential)
            return None if outcome.answer is None else operation.load(outcome.answer)

        return self._task(operation, run, [self._account(operation), _BUSINESS])

    def _account(self, operation: Operation[..., Any]) -> inspect.Parameter:
        return inspect.Parameter(operation.vendor, _FIRST, annotation=self.credentials)

    def _task(
        self,
        operation: Operation[..., Any],
        run: Callable[P, Coroutine[Any, Any, T]],
        first: list[inspect.Parameter],
    ) -> Task[P, Coroutine[Any, Any, T]]:
        """The task of this function, which looks to Prefect and to people as if it were written out."""
        answer = operation.answer | None if operation.repeat == "never" else operation.answer
        signature = inspect.Signature([*first, *_inputs(operation.input)], return_annotation=answer)
        run.__name__ = run.__qualname__ = operation.name
        run.__module__ = self.module
        run.__doc__ = _documentation(operation)
        run.__signature__ = signature  # type: ignore[attr-defined]
        run.__annotations__ = {each.name: each.annotation for each in signature.parameters.values()}
        run.__annotations__["return"] = answer
        return vendor_task(run)


@dataclass
class _Write(Generic[T]):
    """One write of a business, with an open client."""

    operation: Operation[..., T]
    client: VendorClient
    given: Input
    business: BusinessKey
    look: Readback[Any, Any] | None = None
    count_readback: CountReadback | None = None
    reference: str | None = None
    before: set[str] = field(default_factory=set)
    """What the census counted last, before the write was sent."""

    async def once(
        self, of: str | tuple[str, ...], essential: tuple[str, ...], *, wanted: int = 0
    ) -> Outcome:
        """Do it, unless the journal knows that it is done."""
        return await once(
            self.business,
            self.business.step or self._step(_names(of)),
            f"{self.operation.vendor}.{self.operation.name}",
            _shown(self.given, essential),
            self._send,
            look=self._looking(),
            wanted=wanted,
            resend=self.business.resend,
        )

    async def answered(self, outcome: Outcome) -> T:
        """The vendor's answer; where only its effect was found, what is known of it."""
        counted = self.count_readback is not None and isinstance(
            outcome.answer, str
        )  # the journal's word, no answer
        if outcome.answer is not None and not counted:
            return self.operation.load(outcome.answer)
        known: dict[Any, Any] = {list: outcome.reference, str: outcome.answer or "", type(None): None}
        kind = get_origin(self.operation.answer) or self.operation.answer
        if kind in known:
            return self.operation.load(known[kind])
        record = await self._read(outcome.reference)
        if record is None:
            raise HooklineError(
                f"{self.operation.vendor} {self.operation.name} of {self.business.label} was settled by a person, "
                "but the vendor does not show it, and what comes next needs to know it. Make it good at the "
                "vendor, then do by hand what is left of this run."
            )
        return self.operation.load(self.operation.dump(record))

    def _looking(self) -> Callable[[], Awaitable[Outcome | None]] | CountReadback | None:
        count_readback = self.count_readback
        if count_readback is None:
            return self._find if self.look else None

        async def count() -> set[str]:
            self.before = await count_readback.count()
            return self.before

        return replace(count_readback, count=count)

    async def _send(self) -> Outcome:
        outcome = self._outcome(await self.client.send(self.operation, self.given))
        if self.count_readback is None or outcome.reference:
            return outcome
        with suppress(VendorError):  # the write is done, and what it answered may be told only once
            return replace(outcome, reference=sorted(await self.count_readback.count() - self.before))
        return outcome

    async def _find(self) -> Outcome | None:
        found = await self.look(self.client, self.given, self.business.token) if self.look else None
        return found if found is None or found.reference else self._outcome(found.answer)

    async def _read(self, reference: list[str]) -> Any:
        if isinstance(self.count_readback, RecordReadback):
            return await self.count_readback.read(reference)
        found = await self.look(self.client, self.given, self.business.token) if self.look else None
        return found and found.answer

    def _outcome(self, answer: Any) -> Outcome:
        """What to write down of an answer; None is that of a write which was found, but not its answer."""
        kept = None if answer is None else _masked(self.operation.dump(answer), self.given.secrets())
        return Outcome(self._references(answer), kept)

    def _references(self, answer: Any) -> list[str]:
        if isinstance(self.count_readback, RecordReadback):
            return sorted(self.count_readback.counted(answer) - self.before)
        if isinstance(answer, list) and all(isinstance(each, str) for each in answer):
            return answer
        name = self.reference or ""
        called = getattr(answer, name, None) or getattr(self.given, name, None)
        return [str(called)] if called else []

    def _step(self, names: tuple[str, ...]) -> str:
        given = (getattr(self.given, name, None) for name in names or self.operation.placeholders)
        which = ", ".join(str(each) for each in given if each not in (None, ""))
        return f"{self.operation.name.replace('_', ' ')}{' of ' * bool(which)}{which}"


_FIRST = inspect.Parameter.POSITIONAL_OR_KEYWORD
_BUSINESS = inspect.Parameter("business", _FIRST, annotation=BusinessKey)


def _expect(operation: Operation[..., Any], repeat: Repeat, *inputs: str) -> None:
    if operation.repeat != repeat:
        raise TypeError(f"{operation!r} is not of the kind {repeat!r}, but {operation.repeat!r}.")
    if unknown := set(inputs) - set(operation.input.model_fields):
        raise TypeError(f"{operation!r} does not take {', '.join(sorted(unknown))}.")


def _names(of: str | tuple[str, ...]) -> tuple[str, ...]:
    return (of,) if isinstance(of, str) else of


def _documentation(operation: Operation[..., Any]) -> str:
    effect, _, source = (operation.__doc__ or "").partition("\n\n")
    inputs = " ".join((operation.input.__doc__ or "").split())
    return f"{effect}\n\n{AFTERWARDS[operation.repeat]}\n\nInputs: {inputs}\n\n{source}"


def _inputs(model: type[Input]) -> list[inspect.Parameter]:
    """The inputs of an operation as parameters, given by name."""
    parameters = [
        inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            annotation=field.annotation,
            default=inspect.Parameter.empty
            if field.is_required()
            else field.get_default(call_default_factory=True),
        )
        for name, field in model.model_fields.items()
    ]
    if model.model_config.get("extra") == "allow":
        parameters.append(inspect.Parameter("more", inspect.Parameter.VAR_KEYWORD, annotation=Any))
    return parameters


def _shown(given: Input, names: tuple[str, ...]) -> dict[str, Any]:
    """Inputs, all or those of these names, as the journal may keep them: secrets as asterisks."""
    inputs = given.model_dump(exclude_none=True, include=set(names) or None)
    shown: dict[str, Any] = _masked(to_jsonable_python(inputs), given.secrets())
    return shown


def _masked(value: Any, secrets: list[str]) -> Any:
    """A JSON value with these texts as asterisks, wherever they stand in it."""
    if isinstance(value, Mapping):
        return {name: _masked(each, secrets) for name, each in value.items()}
    if isinstance(value, list):
        return [_masked(each, secrets) for each in value]
    return MASK if value and value in secrets else value
