"""
The threads of an engine: flows that block run in one each, beside the event loop, and only so many at once.

A thread cannot be killed. When its run is stopped, it is interrupted as soon as it executes Python; one that blocks
elsewhere (a sleep, a socket) is left after a few seconds. It has a place until it ends, so that threads do not add up,
and what it still wants to write is refused by the fence: its run is stopped.
"""

import asyncio
import logging
import threading
from collections.abc import Callable
from contextlib import suppress
from contextvars import copy_context
from typing import Final

from hookline.context import waiting
from hookline.prefect_adapter.threaded_run import Interrupted, interrupt

logger = logging.getLogger(__name__)

INTERRUPT_SECONDS: Final = 0.5
"""The interval of interruptions: a flow may catch one."""
LEFT_SECONDS: Final = 4.0
"""The time in which a stopped thread may end; shorter than the engine's own for runs that it stops."""


class Threads:
    """The threads of one engine; use it in its event loop."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.running: set[threading.Thread] = set()
        self.left: set[threading.Thread] = set()
        """Those whose runs were stopped, and that do not end."""
        self._free = asyncio.Semaphore(limit)

    async def run(self, call: Callable[[], None], name: str, on_left: Callable[[], None]) -> None:
        """
        Run a call in a thread of its own, with the context of here, when one is free.

        Args:
            call: what blocks.
            name: of the thread.
            on_left: called if the call was stopped, and its thread does not end.
        """
        await self._place()
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()
        context = copy_context()

        def target() -> None:
            error: BaseException | None = None
            try:
                context.run(call)
            except Interrupted:
                pass
            except BaseException as raised:  # noqa: BLE001  (it is raised where it is waited for)
                error = raised
            with suppress(RuntimeError):  # the loop has ended, and the engine with it
                loop.call_soon_threadsafe(self._ended, thread, done, error)

        # Not of a pool: its threads would be waited for at the end of the process, and a late interruption ends one.
        thread = threading.Thread(target=target, name=name, daemon=True)
        self.running.add(thread)
        thread.start()
        try:
            await asyncio.shield(done)
        except asyncio.CancelledError:
            if not done.done():
                await self._stop(thread, done, on_left)
            raise

    async def _place(self) -> None:
        if not self._free.locked():
            await self._free.acquire()
            return
        stuck = f", of which {len(self.left)} were stopped and do not end" if self.left else ""
        with waiting(f"waits for a free thread: {self.limit} of {self.limit} run flows that block{stuck}"):
            await self._free.acquire()

    async def _stop(
        self, thread: threading.Thread, done: asyncio.Future[None], on_left: Callable[[], None]
    ) -> None:
        """Interrupt a thread until it ends, or leave it."""
        try:
            async with asyncio.timeout(LEFT_SECONDS):
                while not done.done():
                    interrupt(thread)
                    await asyncio.wait({done}, timeout=INTERRUPT_SECONDS)
        except TimeoutError:
            pass
        finally:
            if not done.done():
                self.left.add(thread)
                on_left()
                logger.warning("%s was stopped, and blocks: it is left, and keeps its place", thread.name)

    def _ended(
        self, thread: threading.Thread, done: asyncio.Future[None], error: BaseException | None
    ) -> None:
        self.running.discard(thread)
        self.left.discard(thread)
        self._free.release()
        if done.done():
            return
        if error is None:
            done.set_result(None)
        else:
            done.set_exception(_raisable(error))
            done.exception()  # nobody may wait for it any more


def _raisable(error: BaseException) -> Exception:
    """Return an error that may be raised in an event loop, which ends for some."""
    if isinstance(error, Exception):
        return error
    wrapped = RuntimeError(f"the flow raised {type(error).__name__}: {error}")
    wrapped.__cause__ = error
    return wrapped
