"""Retries of a task that calls a vendor: the error decides if there is one, and after how many seconds."""

from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Final, SupportsIndex, TypedDict

from prefect.cache_policies import NO_CACHE, CachePolicy
from prefect.client.schemas.objects import State

from hookline.settings import settings

RETRIES: Final = 3
"""The attempts after the first one that fail; waits do not count."""
ENDLESS: Final = 10_000
"""The retries that Prefect allows, for it counts waits too."""
GROWTH: Final = 5
"""The factor from one delay to the next."""


@dataclass(frozen=True)
class _Attempts:
    """The attempts at one task run, in this process; those at the tasks around it stay below."""

    task_run_id: object
    failed: int = 0
    seconds: float = 0.0
    """The time to the next one, as the error or our growing delay says."""


_attempts: ContextVar[tuple[_Attempts, ...]] = ContextVar("attempts", default=())
"""Of the task runs that failed last, the latest first: a task may call another."""
MAX_NESTED: Final = 20


async def when_transient(task: object, run: Any, state: State[Any]) -> bool:  # noqa: ARG001
    """
    Return True if the error is transient, and its task has not failed too often.

    For reads, and for writes in the journal, which reads back first. An error that `is_wait` is no failure.
    """
    error = await state.aresult(raise_on_failure=False)
    run_id = getattr(run, "id", None)
    others = tuple(each for each in _attempts.get() if each.task_run_id != run_id)[: MAX_NESTED - 1]
    own = [each for each in _attempts.get() if run_id is not None and each.task_run_id == run_id]
    failed = own[0].failed if own else 0
    asked = getattr(error, "retry_after", None) or 0.0
    if getattr(error, "is_wait", False):
        _attempts.set((_Attempts(run_id, failed, asked or settings().retry_seconds), *others))
        return True
    ours = settings().retry_seconds * GROWTH ** min(failed, RETRIES - 1)
    _attempts.set((_Attempts(run_id, failed + 1, max(ours, asked)), *others))
    return bool(getattr(error, "transient", False)) and failed < RETRIES


class RetryDelays(list[float]):
    """
    Seconds before each new attempt: ours, or the vendor's `Retry-After` if that is longer; of one away, its next try.

    Prefect reads the delay from the task right after `when_transient` has seen the error, in the same context;
    it has no means of its own to let an error say how long. The run is AwaitingRetry until then.
    """

    def __init__(self) -> None:
        super().__init__(GROWTH**attempt for attempt in range(RETRIES))

    def __getitem__(self, attempt: SupportsIndex | slice) -> Any:
        """Return the delay before the next attempt, in seconds."""
        growth: Any = super().__getitem__(attempt)
        current = _attempts.get()
        return current[0].seconds if current else settings().retry_seconds * growth


class Policy(TypedDict):
    """The part of a task's options that says how it is repeated."""

    retries: int
    retry_delay_seconds: list[float]
    retry_condition_fn: Any
    cache_policy: CachePolicy


# No cache: two credentials that differ only in their secret would be one to Prefect.
VENDOR_CALL = Policy(
    retries=ENDLESS,
    retry_delay_seconds=RetryDelays(),
    retry_condition_fn=when_transient,
    cache_policy=NO_CACHE,
)
