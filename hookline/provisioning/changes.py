"""A change that `hookline apply` makes."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

AS_IT_IS = "as it is"
MADE = "made"


async def _nothing() -> None:
    return None


@dataclass(frozen=True)
class Change:
    """One thing on a server, and what `apply` does to it."""

    kind: str
    name: str
    change: str
    make: Callable[[], Awaitable[Any]]

    def row(self) -> dict[str, str]:
        """Return it as a row of a table."""
        return {"kind": self.kind, "name": self.name, "change": self.change}


def unchanged(kind: str, name: str, result: str = AS_IT_IS) -> Change:
    """Return a thing that is left as it is, and why."""
    return Change(kind, name, result, _nothing)
