"""A task that calls a vendor: retried by the one policy, and a plain call within a batch."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from prefect import Task

from hookline import context
from hookline.journal import Readback
from hookline.prefect_adapter.retries import VENDOR_CALL

P = ParamSpec("P")
R = TypeVar("R")


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


def vendor_task(function: Callable[P, R]) -> VendorTask[P, R]:
    """Make a task of a function that calls a vendor, tried again after errors that may pass."""
    return VendorTask(function, **VENDOR_CALL)
