"""Retries of a task that calls a vendor: the error decides if there is one, and after how many seconds."""

from contextvars import ContextVar
from typing import Any, Final, SupportsIndex, TypedDict

from prefect.cache_policies import NO_CACHE, CachePolicy
from prefect.client.schemas.objects import State, TaskRun

from hookline.clients.errors import VendorAway
from hookline.settings import settings

RETRIES: Final = 3
RETRIES_WHILE_AWAY: Final = 100_000
"""The retries of a run in Prefect's worker while a vendor is away; `HOOKLINE_GIVE_UP_HOURS` ends them."""
GROWTH: Final = 5
"""The factor from one delay to the next."""

_retry_after: ContextVar[float] = ContextVar("retry_after", default=0.0)
_is_away: ContextVar[bool] = ContextVar("is_away", default=False)


async def when_transient(task: object, run: TaskRun, state: State[Any]) -> bool:  # noqa: ARG001
    """
    Return True if the error is transient; for reads, and for writes in the journal, which reads back first.

    Where a vendor is away, a run in Prefect's worker waits for as long as it takes; one in an engine leaves it.
    """
    error = await state.aresult(raise_on_failure=False)
    _retry_after.set(getattr(error, "retry_after", None) or 0.0)
    _is_away.set(isinstance(error, VendorAway))
    if isinstance(error, VendorAway):
        return True
    return bool(getattr(error, "transient", False)) and run.run_count <= RETRIES


class RetryDelays(list[float]):
    """
    Seconds before each new attempt: ours, or the vendor's `Retry-After` if that is longer; of one away, its next try.

    Prefect reads the delay from the task right after `when_transient` has seen the error, in the same context;
    it has no means of its own to let an error say how long. The run is AwaitingRetry until then.
    """

    def __init__(self) -> None:
        super().__init__(GROWTH**attempt for attempt in range(RETRIES))

    def __getitem__(self, attempt: SupportsIndex | slice) -> Any:
        """Return the delay before this attempt, in seconds."""
        growth: Any = super().__getitem__(attempt)
        return max(settings().retry_seconds * (1 if _is_away.get() else growth), _retry_after.get())


class Policy(TypedDict):
    """The part of a task's options that says how it is repeated."""

    retries: int
    retry_delay_seconds: list[float]
    retry_condition_fn: Any
    cache_policy: CachePolicy


# No cache: two credentials that differ only in their secret would be one to Prefect.
VENDOR_CALL = Policy(
    retries=RETRIES_WHILE_AWAY,
    retry_delay_seconds=RetryDelays(),
    retry_condition_fn=when_transient,
    cache_policy=NO_CACHE,
)
