"""The errors of a wait, for the flow that waited and for people."""

from typing import Any
from uuid import UUID

from hookline.errors import HooklineError


class WaitOver(HooklineError):
    """A wait ended without an answer; a run that fails of it and is replayed waits again."""

    def __init__(self, message: str, wait_id: UUID | None = None) -> None:
        super().__init__(message)
        self.wait_id = wait_id

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (str(self), self.wait_id)


class TimedOut(WaitOver):
    """No answer came in time."""


class WaitCancelled(WaitOver):
    """A person cancelled the wait."""


class WaitChanged(HooklineError):
    """A wait of this name waits for something else: the flow was changed meanwhile."""
