"""The outcomes of running a dispatch: a closed union, which `Engine` matches in one place."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class NewState:
    """The dispatch has another state: its run ended, waits for a person, or goes on in another process."""

    state: str
    """The state in the inbox; `running`: in a process of Prefect's worker."""
    reason: str | None
    actor: str | None = None
    """The person who caused it, for the audit trail."""
    waits_for: int | None = None
    """The number of the effect that a person must resolve first."""

    def __str__(self) -> str:
        return f"{self.state}: {self.reason}" if self.reason else self.state


@dataclass(frozen=True)
class Requeue:
    """The dispatch waits, and is claimed again."""

    reason: str
    seconds: int | None = None
    """The time until then; None: longer with each attempt."""
    account: str | None = None
    """The vendor's account that it waits for, unclaimed until that is tried again."""

    def __str__(self) -> str:
        return f"waits: {self.reason}"


@dataclass(frozen=True)
class Unbatch:
    """The dispatch did not end well in a batch; it starts again in a flow run of its own."""

    reason: str

    def __str__(self) -> str:
        return f"starts again in a flow run of its own: {self.reason}"


@dataclass(frozen=True)
class Discarded:
    """The run was stopped because a person discards its dispatch; its flow run is still to be cancelled."""

    def __str__(self) -> str:
        return "stopped: a person discards it"


@dataclass(frozen=True)
class LeaseLost:
    """The run was stopped because another engine may have it; nothing is to be written."""

    def __str__(self) -> str:
        return "left to the engine that has its lease"


Outcome = NewState | Requeue | Unbatch | Discarded | LeaseLost

UI: Final = "a person in the Prefect UI"
"""The actor in the audit trail: a Prefect server without accounts does not know more."""
DELETED: Final = NewState(
    "failed", "Its flow run was deleted in the Prefect UI. Replay it for a new one, or discard it.", actor=UI
)

_IN_POOL: Final = "in the work pool "


def in_pool(pool: str, what: str = "") -> str:
    """Return the reason of a dispatch that the workers of a pool run."""
    return f"{_IN_POOL}{pool}{what and ': '}{what}"


def pool_of(reason: str | None) -> str:
    """Return the pool whose workers run the dispatch of this reason; empty if none do."""
    if reason is None or not reason.startswith(_IN_POOL):
        return ""
    return reason.removeprefix(_IN_POOL).partition(": ")[0]
