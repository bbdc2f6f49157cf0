"""The retry policy of tasks: the error decides; a task only says which question is asked of it."""

from collections.abc import Callable
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final, ParamSpec, SupportsIndex, TypedDict, TypeVar

from prefect import Task
from prefect.cache_policies import NO_CACHE, CachePolicy
from prefect.client.schemas.objects import State

from hookline import context
from hookline.settings import settings

P = ParamSpec("P")
R = TypeVar("R")

RETRIES: Final = 3
GROWTH: Final = 5
"""The factor from one wait to the next."""

_retry_after: ContextVar[float] = ContextVar("retry_after", default=0.0)


async def when_transient(task: object, run: object, state: State[Any]) -> bool:  # noqa: ARG001
    """Return True if the error may pass: for reads, and for writes, which the journal reads back before a repeat."""
    error = await state.aresult(raise_on_failure=False)
    _retry_after.set(getattr(error, "retry_after", None) or 0.0)
    return bool(getattr(error, "transient", False))


class Waits(list[float]):
    """
    Seconds before each new attempt: ours, or what the vendor asked for if that is longer.

    Prefect reads the wait from the task right after `when_transient` has seen the error, in the same context;
    it has no means of its own to let an error say how long. The run is AwaitingRetry until then.
    """

    def __init__(self) -> None:
        super().__init__(GROWTH**attempt for attempt in range(RETRIES))

    def __getitem__(self, attempt: SupportsIndex | slice) -> Any:
        """Return the wait before this attempt."""
        growth: Any = super().__getitem__(attempt)
        return max(settings().retry_seconds * growth, _retry_after.get())


class Policy(TypedDict):
    """The options of a task that say how it is repeated."""

    retries: int
    retry_delay_seconds: list[float]
    retry_condition_fn: Any
    cache_policy: CachePolicy


# No cache: two credentials that differ only in their secret would be one to Prefect.
VENDOR_CALL = Policy(
    retries=RETRIES,
    retry_delay_seconds=Waits(),
    retry_condition_fn=when_transient,
    cache_policy=NO_CACHE,
)


class VendorTask(Task[P, R]):
    """A task that is a plain call in a batch: there the whole order is one task run, with these retries."""

    if not TYPE_CHECKING:  # callers see the overloads of Prefect's own

        def __call__(self, *args: Any, **kwargs: Any) -> Any:
            """Run it, as a task run of its own unless it is part of a batch's task run."""
            if context.in_batch() and not kwargs.keys() & {"return_state", "wait_for"}:
                return self.fn(*args, **kwargs)
            return super().__call__(*args, **kwargs)


def vendor_task(function: Callable[P, R]) -> VendorTask[P, R]:
    """Make a task of a function that calls a vendor, tried again after errors that may pass."""
    return VendorTask(function, **VENDOR_CALL)
