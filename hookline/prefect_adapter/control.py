"""The control of an engine over a flow run: the reasons to stop it, and the check of its lease."""

from enum import Enum
from typing import Protocol


class Stop(Enum):
    """A reason why a run must not go on in this process."""

    CANCELLED = "it was cancelled in the Prefect UI"
    SUSPENDED = "it was suspended in the Prefect UI"
    ENDED = "its flow run was given another end in the Prefect UI"
    DELETED = "its flow run was deleted in the Prefect UI"
    DISCARDED = "a person discards it"
    LEASE_LOST = "its lease ran out, and another engine may have it"
    ENGINE_STOPS = "this engine is stopping"

    @property
    def forbids_states(self) -> bool:
        """True if the run must not report a state: the state at Prefect is another engine's, or a person's."""
        return self in {Stop.LEASE_LOST, Stop.SUSPENDED}


class Control(Protocol):
    """The engine's control over one run."""

    @property
    def stop(self) -> Stop | None:
        """The reason to stop; None while it may go on."""

    async def ensure_lease(self) -> bool:
        """Renew the lease if it may have expired; return False, and set `stop`, if it was lost."""
