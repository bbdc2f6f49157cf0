"""Which delivery and dispatch this process is at, for the log and the journal; whether it may still write, and how."""

from collections.abc import AsyncIterator, Iterator
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    asynccontextmanager,
    contextmanager,
)
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol
from uuid import UUID

from hookline.errors import HooklineError

GRACE_SECONDS = 2.0
"""A wait that is over sooner keeps its slot, and is not worth telling."""


class RunStopped(HooklineError):
    """The run here must not go on (it was cancelled, or another engine has it); nothing was sent."""

    transient = False


class Permit(Protocol):
    """What a run needs to write at a vendor."""

    def effect(self) -> AbstractAsyncContextManager[None]:
        """Around one effect; raises `RunStopped` where it must not begin."""


class Slot(Protocol):
    """The slot of a run in its engine, which it gives back while it waits."""

    def waiting(self, why: str, *, grace: float) -> AbstractContextManager[None]:
        """Around one wait; see `waiting`."""

    def vendor_slot(self, vendor: str, address: str) -> AbstractAsyncContextManager[None]:
        """Around what is asked of one vendor; see `vendor_slot`."""


@dataclass(frozen=True)
class _At:
    delivery_id: UUID
    dispatch_id: UUID
    permit: Permit | None
    slot: Slot | None
    in_batch: bool


_at: ContextVar[_At | None] = ContextVar("hookline_at", default=None)
_slots_held: ContextVar[frozenset[str]] = ContextVar("hookline_slots_held", default=frozenset())


@contextmanager
def working_on(
    delivery_id: UUID,
    dispatch_id: UUID,
    permit: Permit | None = None,
    *,
    slot: Slot | None = None,
    in_batch: bool = False,
) -> Iterator[None]:
    """
    Within, and in the tasks begun within, this is what is worked on, as long as the permit lasts.

    Args:
        delivery_id: of which delivery.
        dispatch_id: which dispatch.
        permit: asked before each write.
        slot: given back while it waits.
        in_batch: it shares its flow run with others of a backlog.
    """
    token = _at.set(_At(delivery_id, dispatch_id, permit, slot, in_batch))
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


def in_batch() -> bool:
    """Whether what is worked on here shares its flow run with others of a backlog; its one task run is its own."""
    return (at := _at.get()) is not None and at.in_batch


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


@contextmanager
def waiting(why: str, *, grace: float = GRACE_SECONDS) -> Iterator[None]:
    """
    Around every wait: one that lasts gives its slot in the engine back, and the inbox says why it waits.

    Args:
        why: such as `waits for another run`.
        grace: seconds that it may last before that; 0 where it is known to last.
    """
    slot = _slot()
    if slot is None:
        yield
        return
    with slot.waiting(why, grace=grace):
        yield


@contextmanager
def waiting_for_next_attempt(seconds: float) -> Iterator[None]:
    """Around the wait for a next attempt, which is so many seconds away."""
    at = datetime.now(UTC) + timedelta(seconds=max(seconds, 0))
    grace = 0.0 if seconds > GRACE_SECONDS else GRACE_SECONDS
    with waiting(f"waits for its next attempt at {at:%H:%M:%S} UTC", grace=grace):
        yield


@asynccontextmanager
async def vendor_slot(vendor: str, address: str) -> AsyncIterator[None]:
    """
    Around what is asked of one vendor: only a share of the engine's slots is for each, so that others go on.

    Whoever has one for this address needs no second one.
    """
    slot, held = _slot(), _slots_held.get()
    if slot is None or address in held:
        yield
        return
    async with slot.vendor_slot(vendor, address):
        token = _slots_held.set(held | {address})
        try:
            yield
        finally:
            _slots_held.reset(token)


def _slot() -> Slot | None:
    return at.slot if (at := _at.get()) else None
