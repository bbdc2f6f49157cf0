"""What `hookline apply` makes, one thing at a time."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

AS_IT_IS = "as it is"


@dataclass(frozen=True)
class Change:
    """One thing that `apply` makes as the files say."""

    kind: str
    name: str
    change: str
    make: Callable[[], Awaitable[Any]]


async def nothing() -> None:
    """For what is as it should be."""
