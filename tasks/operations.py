"""
The factory of Prefect tasks from vendor operations.

A task's inputs are the operation's; its retries follow from what a repeat would do. Operations that are safe to
repeat become calls. The others become writes through the journal, which reads back before it sends again.
"""

import hashlib
import inspect
import json
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field, replace
from typing import Any, Concatenate, Final, Generic, ParamSpec, TypeVar, cast, get_origin

from prefect import Task
from pydantic_core import to_jsonable_python

from blocks import VendorCredentials
from hookline import context, journal
from hookline.account_keys import key_at
from hookline.clients import InvalidInput, Operation, VendorClient, VendorError
from hookline.clients.models import Input
from hookline.clients.operation import Repeat
from hookline.errors import HooklineError
from hookline.journal import CountReadback, Outcome
from hookline.redaction import MASK
from tasks.effects import BusinessKey, run_write
from tasks.policies import VendorTask, vendor_task

P = ParamSpec("P")
T = TypeVar("T")
C = TypeVar("C", bound=VendorCredentials)
Client = TypeVar("Client", bound=VendorClient)
Inputs = TypeVar("Inputs", bound=Input)

FindReadback = Callable[[Client, Inputs, str], Awaitable[Outcome | None]]
"""Finds a write by the client, its inputs and the token of its business; None: it is not there."""

AddToken = Callable[[Any, str], Any]
"""Puts the token of a business into an input."""

CountFactory = Callable[[Client, Inputs], CountReadback | None]
"""Makes the count of what a write without a token would add to; None where this one is found all the same."""


@dataclass(frozen=True)
class RecordReadback(CountReadback):
    """A counting read-back for a write that returns the whole parent record, with what the write brought in it."""

    counted: Callable[[Any], set[str]]
    """Returns those parts of such a record that are counted."""
    read: Callable[[list[str]], Awaitable[Any]]
    """Reads the record again, by what the write brought; None where there is none."""
    expected: int = 1
    """The number that the write brings."""


AFTERWARDS: Final = {
    "safe": "Safe to repeat: tried again after errors that may pass.",
    "readback": "Done once for its business: if an answer is lost, it is looked up before it is sent again.",
    "never": "Done once for its business: if an answer is lost, it is *uncertain* and a person decides.",
}


class VendorTasks(Generic[C]):
    """
    The tasks of one vendor.

    Args:
        credentials: the vendor's block; every task takes one first, in the vendor's name.
        module: the module that has the tasks.
    """

    def __init__(self, credentials: type[C], module: str) -> None:
        self.credentials = credentials
        self.module = module

    def call(self, operation: Operation[P, T]) -> Task[Concatenate[C, P], Coroutine[Any, Any, T]]:
        """Make the task of an operation that may be repeated: tried again after errors that may pass."""
        _expect(operation, "safe")

        async def run(credentials: C, /, *args: P.args, **kwargs: P.kwargs) -> T:
            inputs = operation.validate(*args, **kwargs)
            permit = nullcontext() if operation.reads else context.write_permit()
            async with credentials.get_client() as client, permit:
                return await client.send(operation, inputs)

        return self._task(operation, run, [self._account(operation)])

    def write_task(
        self,
        operation: Operation[P, T],
        *,
        readback: FindReadback[Any, Any] | None = None,
        count_readback: CountFactory[Any, Any] | None = None,
        of: str | tuple[str, ...] = (),
        identity: tuple[str, ...] | None = None,
        wording: tuple[str, ...] = (),
        found_by: tuple[str, ...] = (),
        carrier: str | None = None,
        add_token: AddToken = lambda text, token: f"{text or ''}\n{token}".lstrip(),
        reference: str | None = None,
        expected: Callable[[Any], int] = lambda _inputs: 0,
        named: Callable[[Any], list[str]] = lambda _inputs: [],
        harmless: bool = False,
    ) -> Task[Concatenate[C, BusinessKey, P], Coroutine[Any, Any, T]]:
        """
        Make the task of an operation that must not happen twice but can be read back: done once for its business.

        Args:
            operation: which.
            readback: finds the write if its answer was lost.
            count_readback: in its place, for a write without a token: counts before and after.
            of: the inputs that tell one write of a business from the next, where its path does not; they name
                the step, unless the business is at a `step`.
            identity: the inputs that make it this write and no other: the same step with others is refused.
                Texts, templates and the like are wording, and do not belong here. All inputs, unless said.
            wording: the inputs that say how, not which; where the business names no step, they tell one write
                from the next all the same.
            found_by: inputs by which `readback` finds the write; one of them is required. A field of one is written
                `order.reference`, here and in `of` and `reference`.
            carrier: the input to whose text the token of the business is added, for `readback` to find.
            add_token: adds it where that input is no text.
            reference: the name, in the answer or else in the inputs, of the vendor's id for it; the first of
                `of`, unless it is counted.
            expected: how many references the write must bring; a `RecordReadback` says it itself.
            named: returns the references that the inputs name themselves; they go before any other.
            harmless: in place of a read-back, where a repeat changes nothing: it is sent again at once.
        """
        _expect(operation, "readback", *_names(of), *(identity or ()), *wording, *found_by)
        if readback is None and count_readback is None and not harmless:
            raise TypeError(f"{operation!r} needs a read-back.")
        if reference is None and count_readback is None:
            reference = next(iter(_names(of)), None)

        async def run(credentials: C, business: BusinessKey, /, *args: P.args, **kwargs: P.kwargs) -> T:
            inputs = operation.validate(*args, **kwargs)
            call = None if harmless else self._call_of(operation, credentials, inputs)
            business = replace(business, resend=business.resend or harmless)
            business = _at_step(operation, inputs, business, _names(of), wording)
            inputs = with_token(inputs, business)
            if found_by and not any(value_at(inputs, name) for name in found_by):
                raise InvalidInput(
                    f"{operation.vendor} {operation.name} was not sent: give {' or '.join(found_by)}, by which it "
                    "can be found again if its answer is lost."
                )
            async with credentials.get_client() as client, client.slot():
                write = write_of(client, inputs, business)
                counts = write.count_readback
                brings = counts.expected if isinstance(counts, RecordReadback) else expected(inputs)
                landing = credentials.landing_seconds
                outcome = await write.run(identity, expected=brings, landing=landing, call=call)
                return await write.answer(outcome)

        validate = cast("Callable[..., Input]", operation.validate)

        def with_token(inputs: Input, business: BusinessKey) -> Input:
            if carrier is None:
                return inputs
            token = {carrier: add_token(getattr(inputs, carrier), business.token)}
            return validate(**(dict(inputs) | token))

        def write_of(client: VendorClient, inputs: Input, business: BusinessKey) -> _Write[T]:
            counts = count_readback and count_readback(client, inputs)
            return _Write(operation, client, inputs, business, readback, counts, reference, named)

        def reopen(
            client: VendorClient, inputs: Mapping[str, Any], business: BusinessKey
        ) -> journal.Readback | None:
            again = with_token(validate(**inputs), business)
            return write_of(client, again, business).journal_readback()

        task = self._task(operation, run, [self._account(operation), _BUSINESS])
        task.reopen = reopen
        return task

    def blind_write_task(
        self,
        operation: Operation[P, T],
        *,
        of: str | tuple[str, ...] = (),
        identity: tuple[str, ...] | None = None,
        wording: tuple[str, ...] = (),
    ) -> Task[Concatenate[C, BusinessKey, P], Coroutine[Any, Any, T | None]]:
        """
        Make the task of an operation that must not happen twice and cannot be read back: done once for its business.

        If its answer is lost, it is *uncertain* until a person resolves it; the vendor's answer is then not known,
        and the task returns None. See `write_task`.
        """
        _expect(operation, "never", *_names(of), *(identity or ()), *wording)

        async def run(
            credentials: C, business: BusinessKey, /, *args: P.args, **kwargs: P.kwargs
        ) -> T | None:
            inputs = operation.validate(*args, **kwargs)
            business = _at_step(operation, inputs, business, _names(of), wording)
            async with credentials.get_client() as client, client.slot():
                outcome = await _Write(operation, client, inputs, business).run(identity)
            return None if outcome.answer is None else operation.load(outcome.answer)

        return self._task(operation, run, [self._account(operation), _BUSINESS])

    def _call_of(
        self, operation: Operation[..., Any], credentials: C, inputs: Input
    ) -> dict[str, Any] | None:
        """Return what is stored to look for a write again; None where the account or an input is not stored."""
        if not credentials.stored_as or inputs.secrets():
            return None
        return {
            "task": f"{self.module}:{operation.name}",
            "vendor": operation.vendor,
            "account": credentials.stored_as,
            "inputs": inputs.model_dump(mode="json", exclude_none=True),
        }

    def _account(self, operation: Operation[..., Any]) -> inspect.Parameter:
        return inspect.Parameter(operation.vendor, _FIRST, annotation=self.credentials)

    def _task(
        self,
        operation: Operation[..., Any],
        run: Callable[P, Coroutine[Any, Any, T]],
        first: list[inspect.Parameter],
    ) -> VendorTask[P, Coroutine[Any, Any, T]]:
        """Make the task of this function, which Prefect and people see as if it were written out."""
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
    inputs: Input
    business: BusinessKey
    readback: FindReadback[Any, Any] | None = None
    count_readback: CountReadback | None = None
    reference: str | None = None
    named: Callable[[Any], list[str]] = lambda _inputs: []
    before: set[str] = field(default_factory=set)
    """The last count before the write was sent."""

    async def run(
        self,
        identity: tuple[str, ...] | None,
        *,
        expected: int = 0,
        landing: float | None = None,
        call: Mapping[str, Any] | None = None,
    ) -> Outcome:
        """Do it, unless the journal knows that it is done."""
        return await run_write(
            self.business,
            self.business.step_name,
            f"{self.operation.vendor}.{self.operation.name}",
            _request(self.inputs, identity),
            self._send,
            readback=self.journal_readback(),
            expected=expected,
            needs=self._needs(),
            resend=self.business.resend,
            landing=landing,
            call=call,
            account=self.client.account,
            inputs=_request(self.inputs, None),
        )

    async def answer(self, outcome: Outcome) -> T:
        """Return the vendor's answer; where only the effect was found, what is known of it."""
        is_journals = self.count_readback is not None and isinstance(outcome.answer, str)
        if outcome.answer is not None and not is_journals:
            return self.operation.load(outcome.answer)
        known: dict[Any, Any] = {list: outcome.reference, str: outcome.answer or "", type(None): None}
        kind = get_origin(self.operation.answer) or self.operation.answer
        if kind in known:
            return self.operation.load(known[kind])
        record = await self._read(outcome.reference)
        if record is None:
            raise HooklineError(
                f"{self.operation.vendor} {self.operation.name} of {self.business.label} was resolved by a person, "
                "but the vendor does not show it, and the next step needs it. Correct it at the vendor, then do by "
                "hand what is left of this run."
            )
        return self.operation.load(self.operation.dump(record))

    def _needs(self) -> dict[str, str] | None:
        """Return the required fields of an answer that is a record: a person who did the write is asked for them."""
        if self.operation.repeat == "never" or isinstance(self.count_readback, RecordReadback):
            return None  # the next step goes without the answer, or the record is read
        fields = getattr(self.operation.answer, "model_fields", None)
        return fields and {
            field.serialization_alias or name: "number" if field.annotation is int else "text"
            for name, field in fields.items()
            if field.is_required()
        }

    def journal_readback(self) -> journal.Readback | None:
        """Return the read-back as the journal takes it."""
        if self.count_readback is None:
            return self._find if self.readback else None
        count_readback = of_account(self.count_readback, self.client)

        async def count() -> set[str]:
            self.before = await count_readback.count()
            return self.before

        return replace(count_readback, count=count)

    async def _send(self) -> Outcome:
        outcome = self._outcome(await self.client.send(self.operation, self.inputs))
        if self.count_readback is None or outcome.reference:
            return outcome
        with suppress(VendorError):  # the write is done, and its answer may come only once
            return replace(outcome, reference=sorted(await self.count_readback.count() - self.before))
        return outcome

    async def _find(self) -> Outcome | None:
        found = await self._found()
        if found is None or found.reference:
            return found
        return replace(self._outcome(found.answer), copies=found.copies)

    async def _read(self, reference: list[str]) -> Any:
        if isinstance(self.count_readback, RecordReadback):
            return await self.count_readback.read(reference)
        found = await self._found()
        return found and found.answer

    async def _found(self) -> Outcome | None:
        if self.readback is None:
            return None
        return await self.readback(self.client, self.inputs, self.business.token)

    def _outcome(self, answer: Any) -> Outcome:
        """Return what to store of an answer; None is that of a write which was found, but not its answer."""
        stored = None if answer is None else _masked(self.operation.dump(answer), self.inputs.secrets())
        return Outcome(self._references(answer), stored)

    def _references(self, answer: Any) -> list[str]:
        if own := self.named(self.inputs):
            return own
        if isinstance(self.count_readback, RecordReadback):
            return sorted(self.count_readback.counted(answer) - self.before)
        if isinstance(answer, list) and all(isinstance(each, str) for each in answer):
            return answer
        name = self.reference or ""
        reference = value_at(answer, name) or value_at(self.inputs, name)
        return [str(reference)] if reference else []


def of_account(readback: CountReadback, client: VendorClient) -> CountReadback:
    """Return a count in a scope of its account alone: of others, it says nothing."""
    vendor, _, name = client.account.partition("/")
    return replace(readback, scope=key_at(readback.scope, **({vendor: name} if name else {})))


_FIRST = inspect.Parameter.POSITIONAL_OR_KEYWORD
_BUSINESS = inspect.Parameter("business", _FIRST, annotation=BusinessKey)


def _at_step(
    operation: Operation[..., Any],
    inputs: Input,
    business: BusinessKey,
    names: tuple[str, ...],
    wording: tuple[str, ...],
) -> BusinessKey:
    """Return the business at its step: the one it names, or one named after what is done and to what."""
    if business.step_name:
        return business
    values = (value_at(inputs, name) for name in names or operation.placeholders)
    which = ", ".join(str(each) for each in values if each not in (None, ""))
    step = f"{operation.name.replace('_', ' ')}{' of ' * bool(which)}{which}"
    if wording:
        texts = json.dumps(_request(inputs, wording), sort_keys=True)
        step += f" ({hashlib.sha256(texts.encode()).hexdigest()[:8]})"
    return replace(business, step_name=step)


def _expect(operation: Operation[..., Any], repeat: Repeat, *inputs: str) -> None:
    if operation.repeat != repeat:
        raise TypeError(f"{operation!r} is not of the kind {repeat!r}, but {operation.repeat!r}.")
    if unknown := {name.partition(".")[0] for name in inputs} - set(operation.input.model_fields):
        raise TypeError(f"{operation!r} does not take {', '.join(sorted(unknown))}.")


def value_at(record: Any, place: str) -> Any:
    """Return a field, or a field of one (`order.reference`), of a list the first one's; None if there is none."""
    for name in place.split("."):
        record = next(iter(record), None) if isinstance(record, list) else record
        record = getattr(record, name, None)
    return record


def _names(of: str | tuple[str, ...]) -> tuple[str, ...]:
    return (of,) if isinstance(of, str) else of


def _documentation(operation: Operation[..., Any]) -> str:
    effect, _, source = (operation.__doc__ or "").partition("\n\n")
    inputs = " ".join((operation.input.__doc__ or "").split())
    return f"{effect}\n\n{AFTERWARDS[operation.repeat]}\n\nInputs: {inputs}\n\n{source}"


def _inputs(model: type[Input]) -> list[inspect.Parameter]:
    """Return the inputs of an operation as keyword parameters."""
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


def _request(inputs: Input, names: tuple[str, ...] | None) -> dict[str, Any]:
    """Return inputs, all or those of these names, as the journal may store them: secrets as asterisks."""
    include = None if names is None else set(names)
    plain = to_jsonable_python(inputs.model_dump(exclude_none=True, include=include))
    masked: dict[str, Any] = _masked(plain, inputs.secrets())
    return masked


def _masked(value: Any, secrets: list[str]) -> Any:
    """Return a JSON value with these texts as asterisks, anywhere in it."""
    if isinstance(value, Mapping):
        return {name: _masked(each, secrets) for name, each in value.items()}
    if isinstance(value, list):
        return [_masked(each, secrets) for each in value]
    return MASK if value and value in secrets else value
