"""The context of a run: its delivery and dispatch, its permit to write, and its slot in the engine."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
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
from hookline.local_time import local_time
from hookline.timings import Received

GRACE_SECONDS = 2.0
"""The wait, in seconds, that keeps its slot and is too short to report."""


class RunStopped(HooklineError):
    """The run here must not go on (it was cancelled, or another engine has it); nothing was sent."""

    transient = False


class NotSent(HooklineError):
    """A request did not leave, because of something on our side; nothing was done."""


class Permit(Protocol):
    """The permit of a run to write at vendors."""

    def write_permit(self) -> AbstractAsyncContextManager[None]:
        """Surround one effect; raise `RunStopped` where it must not begin."""


class Slot(Protocol):
    """The slot of a run in its engine, which is free for others while it waits."""

    def waiting(self, why: str, *, grace: float, untold: float) -> AbstractContextManager[None]:
        """Surround one wait; see `waiting`."""

    def vendor_slot(self, vendor: str, address: str) -> AbstractAsyncContextManager[None]:
        """Surround the calls to one vendor; see `vendor_slot`."""


@dataclass(frozen=True)
class _Context:
    delivery_id: UUID
    dispatch_id: UUID
    permit: Permit | None
    slot: Slot | None
    in_batch: bool
    received: Received | None


_context: ContextVar[_Context | None] = ContextVar("hookline_context", default=None)
fence: ContextVar[Callable[[], Awaitable[None]] | None] = ContextVar("hookline_fence", default=None)
"""Called before the first byte of each request leaves; raises `NotSent` where it must not."""
_vendor_slots: ContextVar[frozenset[str]] = ContextVar("hookline_vendor_slots", default=frozenset())


@contextmanager
def working_on(
    delivery_id: UUID,
    dispatch_id: UUID,
    permit: Permit | None = None,
    *,
    slot: Slot | None = None,
    in_batch: bool = False,
    received: Received | None = None,
) -> Iterator[None]:
    """
    Set the context for what runs within, and for the tasks begun within.

    Args:
        delivery_id: of which delivery.
        dispatch_id: which dispatch.
        permit: asked before each write.
        slot: free for others while the run waits.
        in_batch: it shares its flow run with others of a backlog.
        received: when its delivery came.
    """
    token = _context.set(_Context(delivery_id, dispatch_id, permit, slot, in_batch, received))
    try:
        yield
    finally:
        _context.reset(token)


def delivery_id() -> UUID | None:
    """Return the delivery that this run is for, if there is one."""
    return current.delivery_id if (current := _context.get()) else None


def dispatch_id() -> UUID | None:
    """Return the dispatch that this run is for, if there is one."""
    return current.dispatch_id if (current := _context.get()) else None


def in_batch() -> bool:
    """Return True if the run here is one task run in the flow run of a batch, shared with others of a backlog."""
    return (current := _context.get()) is not None and current.in_batch


def calling() -> None:
    """Note that a vendor is called: the first call of a delivery is timed."""
    if (current := _context.get()) is not None and current.received is not None:
        current.received.calling()


@asynccontextmanager
async def write_permit() -> AsyncIterator[None]:
    """
    Surround every effect: it begins only while the run may go on, and is not interrupted once it has begun.

    Raises:
        RunStopped: the run must not go on; nothing was sent.
    """
    current = _context.get()
    if current is None or current.permit is None:
        yield
        return
    async with current.permit.write_permit():
        yield


@contextmanager
def waiting(why: str, *, grace: float = GRACE_SECONDS, untold: float = 0.0) -> Iterator[None]:
    """
    Surround every wait: a long one releases its slot in the engine, and the inbox says why it waits.

    Args:
        why: such as `waits for another run`.
        grace: seconds that it may last before that; 0 where it is known to be long.
        untold: seconds from then on until the inbox says so; more than 0 where such waits are ordinary.
    """
    slot = _slot()
    if slot is None:
        yield
        return
    with slot.waiting(why, grace=grace, untold=untold):
        yield


@contextmanager
def waiting_for_next_attempt(seconds: float) -> Iterator[None]:
    """Surround the wait for a next attempt, which is so many seconds away."""
    at = datetime.now(UTC) + timedelta(seconds=max(seconds, 0))
    grace = 0.0 if seconds > GRACE_SECONDS else GRACE_SECONDS
    with waiting(f"waits for its next attempt at {local_time(at)}", grace=grace):
        yield


@asynccontextmanager
async def vendor_slot(vendor: str, address: str) -> AsyncIterator[None]:
    """
    Surround the calls to one vendor: it has no more at once than the engine has slots.

    A run that has one for this address needs no second one.
    """
    slot, own = _slot(), _vendor_slots.get()
    if slot is None or address in own:
        yield
        return
    async with slot.vendor_slot(vendor, address):
        token = _vendor_slots.set(own | {address})
        try:
            yield
        finally:
            _vendor_slots.reset(token)


async def leaving() -> None:
    """
    Pass the fence, right before the first byte of a request.

    Raises:
        NotSent: it must not leave.
    """
    if (may_leave := fence.get()) is not None:
        await may_leave()


def _slot() -> Slot | None:
    return current.slot if (current := _context.get()) else None
