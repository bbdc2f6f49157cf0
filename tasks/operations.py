"""
Makes the Prefect task of a vendor operation.

A task's inputs are the operation's; its retries follow from what a repeat would do. Operations that are safe to
repeat become calls. The others become effects: they go through the journal, which looks before it sends again.
"""

import inspect
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar, cast, get_origin

from prefect import Task
from pydantic import BaseModel, TypeAdapter, ValidationError

from blocks import VendorCredentials
from hookline.clients import Operation, VendorClient
from hookline.clients.models import Input
from hookline.journal import Census, Outcome
from tasks.effects import Business, once
from tasks.policies import VENDOR_CALL

P = ParamSpec("P")
T = TypeVar("T")
C = TypeVar("C", bound=VendorCredentials)
V = TypeVar("V", bound=VendorClient)
I = TypeVar("I", bound=Input)  # noqa: E741  (for inputs)

Look = Callable[[V, I, str], Awaitable[Outcome | None]]
"""Finds a write by the client, its inputs and the mark of its business; None: it is not there."""

CensusOf = Callable[[V, I], Census]
"""Counts what a write without any mark would add to."""


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
        _expect(operation, operation.repeat == "safe", "is not safe to repeat: make it an effect")

        async def run(credentials: C, /, *args: P.args, **inputs: P.kwargs) -> T:
            async with credentials.get_client() as client:
                return await client.send(operation, operation.given(*args, **inputs))

        return self._task(operation, run, [self._account(operation)])

    def effect(
        self,
        operation: Operation[P, T],
        *,
        of: str | tuple[str, ...] = (),
        look: Look[Any, Any] | None = None,
        census: CensusOf[Any, Any] | None = None,
        marked: str | None = None,
        reference: str | None = None,
        wanted: Callable[[Any], int] = lambda _given: 0,
    ) -> Task[Concatenate[C, Business, P], Coroutine[Any, Any, T]]:
        """
        The task of an operation that must not happen twice: done once for a business and a step of it.

        Args:
            operation: which.
            of: the inputs that tell one write of a business from the next, where its path does not; they name
                the step, unless the business is given `at` a step.
            look: finds the write if its answer was lost; needed where `repeat` is `look`.
            census: in its place, for writes that leave no mark: counts before and after.
            marked: the input to whose text the mark of the business is added, for `look` to find.
            reference: the name, in the answer or else in the inputs, of what the vendor calls it.
            wanted: how many references the write must bring.
        """
        can_look = look is not None or census is not None
        _expect(operation, operation.repeat != "safe", "is safe to repeat: make it a call")
        _expect(operation, can_look == (operation.repeat == "look"), "needs a look-up exactly if it has one")
        names = (of,) if isinstance(of, str) else of or tuple(operation.placeholders)

        async def run(credentials: C, business: Business, /, *args: P.args, **inputs: P.kwargs) -> T:
            if marked is not None:
                inputs[marked] = f"{inputs.get(marked) or ''}\n{business.mark}".lstrip()
            given = operation.given(*args, **inputs)
            async with credentials.get_client() as client:

                async def send() -> Outcome:
                    return _outcome(operation, given, await client.send(operation, given), reference)

                async def find() -> Outcome | None:
                    found = await cast("Look[Any, Any]", look)(client, given, business.mark)
                    return found and _outcome(operation, given, found.answer, reference, found.reference)

                outcome = await once(
                    business,
                    business.step or _step(operation, given, names),
                    f"{operation.vendor}.{operation.name}",
                    _shown(given),
                    send,
                    look=census(client, given) if census else find if look else None,
                    wanted=wanted(given),
                    resend=business.resend,
                )
            return _answer(operation, outcome)

        return self._task(operation, run, [self._account(operation), _BUSINESS])

    def _account(self, operation: Operation[..., Any]) -> inspect.Parameter:
        return inspect.Parameter(operation.vendor, _FIRST, annotation=self.credentials)

    def _task(
        self,
        operation: Operation[..., Any],
        run: Callable[P, Coroutine[Any, Any, T]],
        first: list[inspect.Parameter],
    ) -> Task[P, Coroutine[Any, Any, T]]:
        run.__name__ = run.__qualname__ = operation.name
        run.__module__ = self.module
        run.__doc__ = _documentation(operation, effect=len(first) > 1)
        signature = inspect.Signature([*first, *_inputs(operation.input)], return_annotation=operation.answer)
        run.__signature__ = signature  # type: ignore[attr-defined]
        run.__annotations__ = {each.name: each.annotation for each in signature.parameters.values()} | {
            "return": operation.answer
        }
        return Task(run, **VENDOR_CALL)


_FIRST = inspect.Parameter.POSITIONAL_OR_KEYWORD
_BUSINESS = inspect.Parameter("business", _FIRST, annotation=Business)


def _expect(operation: Operation[..., Any], holds: bool, complaint: str) -> None:
    if not holds:
        raise TypeError(f"{operation!r} {complaint}.")


def _documentation(operation: Operation[..., Any], *, effect: bool) -> str:
    effects = {
        "look": "Done once for its business: if an answer is lost, it is looked up before it is sent again.",
        "never": "Done once for its business: if an answer is lost, it is *uncertain* and a person decides.",
    }
    said = effects[operation.repeat] if effect else "Safe to repeat: tried again on whatever may pass."
    what, _, source = (operation.__doc__ or "").partition("\n\n")
    inputs = " ".join((operation.input.__doc__ or "").split())
    return f"{what}\n\n{said}\n\nInputs: {inputs}\n\n{source}"


def _inputs(model: type[Input]) -> list[inspect.Parameter]:
    """The inputs of an operation as parameters, given by name."""
    kind = inspect.Parameter.KEYWORD_ONLY
    parameters = [
        inspect.Parameter(
            name,
            kind,
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


def _step(operation: Operation[..., Any], given: Input, names: tuple[str, ...]) -> str:
    which = ", ".join(str(getattr(given, name)) for name in names)
    return f"{operation.name.replace('_', ' ')}{' of ' * bool(which)}{which}"


def _shown(given: Input) -> dict[str, Any]:
    """The inputs as the journal may keep them: secrets as asterisks."""
    values = given.model_dump(exclude_none=True)
    shown: dict[str, Any] = TypeAdapter(Any).dump_python(values, mode="json")
    return shown


def _outcome(
    operation: Operation[..., Any],
    given: Input,
    answer: Any,
    reference: str | None,
    found: list[str] | None = None,
) -> Outcome:
    if isinstance(answer, list) and all(isinstance(each, str) for each in answer):
        references = answer
    else:
        value = getattr(answer, reference or "", None) or getattr(given, reference or "", None)
        references = found or ([str(value)] if value else [])
    return Outcome(references, operation.dump(answer))


def _answer(operation: Operation[..., T], outcome: Outcome) -> T:
    """The answer as the vendor gave it, then or now; after a person settled it, what is known of it."""
    try:
        return operation.load(outcome.answer)
    except ValidationError:
        return operation.load(_known(operation.answer, outcome))


def _known(answer: Any, outcome: Outcome) -> Any:
    if get_origin(answer) is list:
        return outcome.reference
    return {} if isinstance(answer, type) and issubclass(answer, BaseModel) else str(outcome.answer or "")
