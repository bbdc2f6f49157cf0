"""
The fence before the wire: a request leaves while the journal can say when it left, or not at all.

A process may be stopped for minutes between `intended` and the first byte (a paused machine, a debugger, swapping).
Its session at PostgreSQL is lost meanwhile, another run looks for the write, finds nothing and sends it. So a request
that did not leave soon after its attempt began is written down again first, by the session that has the effect's lock;
where that session is gone, nothing leaves.
"""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

from hookline import context
from hookline.journal.clock import now
from hookline.journal.store import MAY_LEAVE_SECONDS

FRESH_SECONDS = 1.0
"""The age up to which what is written down of an attempt is near enough."""


class Fence:
    """The fence of one attempt, made before the attempt is written down."""

    def __init__(self) -> None:
        self._written_at = now()

    def begin(self) -> None:
        """Note that another attempt is about to be written down."""
        self._written_at = now()

    @contextmanager
    def around(self, write_again: Callable[[], Awaitable[None]]) -> Iterator[None]:
        """
        Let the requests of the attempt pass here.

        Args:
            write_again: writes down that a request leaves only now, by the session that has the effect's lock.
        """

        async def may_leave() -> None:
            asked_at = now()
            if asked_at - self._written_at > FRESH_SECONDS:
                try:
                    await write_again()
                except Exception as error:
                    raise context.NotSent(f"its attempt could not be written down again: {error}") from error
                self._written_at = asked_at
            if now() - self._written_at > MAY_LEAVE_SECONDS:
                raise context.NotSent("this process stood still, and another one may send it")

        token = context.fence.set(may_leave)
        try:
            yield
        finally:
            context.fence.reset(token)
