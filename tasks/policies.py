"""When a task may be tried again. The error decides; a task only says which question is asked of it."""

from typing import Any, TypedDict

from prefect.cache_policies import NO_CACHE, CachePolicy
from prefect.client.schemas.objects import State


async def when_transient(task: object, run: object, state: State[Any]) -> bool:  # noqa: ARG001
    """For reads, and for writes that go through the journal: it looks before it sends again."""
    error = await state.aresult(raise_on_failure=False)
    return bool(getattr(error, "transient", False))


class Policy(TypedDict):
    """The part of a task's options that says how it is repeated."""

    retries: int
    retry_delay_seconds: list[float]
    retry_condition_fn: Any
    cache_policy: CachePolicy


# No cache: two credentials that differ only in their secret would be one to Prefect.
VENDOR_CALL = Policy(
    retries=3,
    retry_delay_seconds=[2, 10, 60],
    retry_condition_fn=when_transient,
    cache_policy=NO_CACHE,
)
