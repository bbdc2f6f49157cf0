"""Which delivery and dispatch this process is at, for the log and the journal; whether it may still write, and how."""

from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from hookline.errors import HooklineError


class RunStopped(HooklineError):
    """The run here must not go on (it was cancelled, or another engine has it); nothing was sent."""

    transient = False


class Permit(Protocol):
    """What a run needs to write at a vendor."""

    def effect(self) -> AbstractAsyncContextManager[None]:
        """Around one effect; raises `RunStopped` where it must not begin."""


@dataclass(frozen=True)
class _At:
    delivery_id: UUID
    dispatch_id: UUID
    permit: Permit | None
    in_lane: bool


_at: ContextVar[_At | None] = ContextVar("hookline_at", default=None)


@contextmanager
def working_on(
    delivery_id: UUID, dispatch_id: UUID, permit: Permit | None = None, *, in_lane: bool = False
) -> Iterator[None]:
    """
    Within, and in the tasks begun within, this is what is worked on, as long as the permit lasts.

    Args:
        delivery_id: of which delivery.
        dispatch_id: which dispatch.
        permit: asked before each write.
        in_lane: it shares its flow run with others of a backlog.
    """
    token = _at.set(_At(delivery_id, dispatch_id, permit, in_lane))
    try:
        yield
    finally:
        _at.reset(token)


def delivery_id() -> UUID | None:
    """The delivery that is worked on here, if one is."""
    return at.delivery_id if (at := _at.get()) else None


def dispatch_id() -> UUID | None:
    """The dispatch that is worked on here, if one is."""
    return at.dispatch_id if (at := _at.get()) else None


def in_lane() -> bool:
    """Whether what is worked on here shares its flow run with others of a backlog; its one task run is its own."""
    return (at := _at.get()) is not None and at.in_lane


@asynccontextmanager
async def effect() -> AsyncIterator[None]:
    """
    Around every effect: it begins only while the run may go on, and what has begun is let end.

    Raises:
        RunStopped: the run must not go on; nothing was sent.
    """
    at = _at.get()
    if at is None or at.permit is None:
        yield
        return
    async with at.permit.effect():
        yield
