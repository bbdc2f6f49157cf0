"""A task that calls a vendor: retried by the one policy, and a plain call within a batch."""

from collections.abc import Callable, Iterable, Mapping
from datetime import date
from typing import TYPE_CHECKING, Any, Final, ParamSpec, TypeVar, cast

from prefect import Task

from hookline import context
from hookline.journal import Readback
from hookline.prefect_adapter.retries import VENDOR_CALL
from hookline.redaction import mask
from hookline.text import one_line
from tasks.effects import BusinessKey

P = ParamSpec("P")
R = TypeVar("R")

MAX_THING: Final = 100


class VendorTask(Task[P, R]):
    """A task that is a plain call in a batch: there the whole order is one task run, with these retries."""

    reopen: Callable[[Any, Mapping[str, Any], Any], Readback | None] | None = None
    """Of a write in the journal: makes its read-back again, of an open client, its inputs and its business."""

    if not TYPE_CHECKING:  # callers see the overloads of Prefect's own

        def __call__(self, *args: Any, **kwargs: Any) -> Any:
            """Run it, as a task run of its own unless it is part of a batch's task run."""
            if context.in_batch() and not kwargs.keys() & {"return_state", "wait_for"}:
                return self.fn(*args, **kwargs)
            return super().__call__(*args, **kwargs)


def vendor_task(
    function: Callable[P, R], does: Callable[[Mapping[str, Any]], str] | None = None
) -> VendorTask[P, R]:
    """
    Make a task of a function that calls a vendor, tried again after errors that may pass.

    Args:
        function: which.
        does: returns what it does, by its parameters, for the names of its runs; None: its own name says it.
    """

    def run_name(parameters: Mapping[str, Any]) -> str:
        name = does(parameters) if does else function.__name__
        thing = thing_of(parameters.values() if does is None else [parameters.get("business")])
        return f"{name} · {thing}" if thing else name

    # Its type asks for a method that no plain function has.
    return VendorTask(function, task_run_name=cast("Callable[[], str]", run_name), **VENDOR_CALL)


def thing_of(values: Iterable[object]) -> str:
    """
    Return what a task does and to which thing, for people: the step of its business, or its first plain input.

    Addresses of people are left out: names of task runs are not erased with a delivery. "" where nothing is left.
    """
    texts = []
    for value in values:
        if isinstance(value, BusinessKey):
            texts = [": ".join(filter(None, (value.label, value.step_name)))]
            break
        if isinstance(value, str | int | date) and not isinstance(value, bool) and value != "":
            texts.append(str(value))
    return one_line(mask(next((text for text in texts if "@" not in text), "")), MAX_THING)
