"""
Notices when the event loop is blocked, and ends the process when it stays so.

A flow that computes for long, or calls something that blocks, keeps the engine from everything else: other runs,
leases, people's wishes. Nothing in the loop itself can say so while it lasts; a thread can. Code that does not even let
go of Python's lock (a regular expression that never ends) stops that thread as well: then `faulthandler` ends the
process, from a thread of its own that needs no lock.
"""

import asyncio
import faulthandler
import logging
import math
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager

logger = logging.getLogger(__name__)

LOOKS_A_SECOND = 2
FRAMES = 30
EXIT_CODE = 75
"""Of a process that ended itself because its loop was blocked."""
MARGIN_SECONDS = 10.0
"""So much later than the thread, `faulthandler` ends the process."""
REARM_SECONDS = 2.0
STDERR = 2


@contextmanager
def guard_loop(claimed: Callable[[], str], patience: float, limit: float) -> Iterator[None]:
    """
    Watch this event loop from a thread; once for each block, say what is in hand and where the loop is stuck.

    Args:
        claimed: names what is worked on; called in that thread.
        patience: seconds without a sign of life after which it is said.
        limit: seconds without a sign of life after which the process is ended.
    """
    watch = _Watch(asyncio.get_running_loop(), claimed, patience, limit)
    thread = threading.Thread(target=watch.run, name="watch", daemon=True)
    thread.start()
    try:
        yield
    finally:
        watch.over.set()
        faulthandler.cancel_dump_traceback_later()


def end_unless_answered(loop: asyncio.AbstractEventLoop, tell: Callable[[], None], patience: float) -> None:
    """Call something in the loop, from another thread; end the process if the loop does not come to it in time."""
    answered = threading.Event()

    def answer() -> None:
        tell()
        answered.set()

    loop.call_soon_threadsafe(answer)
    if not answered.wait(patience):
        logger.critical(
            "told to stop, but the event loop has been blocked for %g s: ending this process", patience
        )
        os._exit(EXIT_CODE)


class _Watch:
    def __init__(
        self, loop: asyncio.AbstractEventLoop, claimed: Callable[[], str], patience: float, limit: float
    ) -> None:
        self.loop = loop
        self.claimed = claimed
        self.patience = min(patience, limit)
        self.limit = limit
        self.rearmed = -math.inf
        self.looped_in = threading.get_ident()
        self.over = threading.Event()

    def run(self) -> None:
        self._rearm()
        while not self.over.wait(1 / LOOKS_A_SECOND):
            alive = threading.Event()
            asked = time.monotonic()
            self.loop.call_soon_threadsafe(alive.set)
            if alive.wait(self.patience) or self.over.is_set():
                self._rearm()
                continue
            if time.monotonic() - asked > 2 * self.patience:  # this thread stood still as well
                logger.warning("this process stood still for %.1f s", time.monotonic() - asked)
                continue
            logger.error(
                "the event loop has been blocked for %.1f s; in hand: %s; it is at:\n%s",
                self.patience,
                self.claimed(),
                self._stack(),
            )
            if not self._comes_back(alive):
                logger.critical("the event loop stays blocked: ending this process, to be started again")
                os._exit(EXIT_CODE)
            logger.warning("the event loop goes on, after %.1f s", time.monotonic() - asked)

    def _comes_back(self, alive: threading.Event) -> bool:
        """Whether the loop goes on before the limit, as far as this thread ran meanwhile: a process may stand still."""
        left = self.limit - self.patience
        while not alive.wait(min(left, 1 / LOOKS_A_SECOND)):
            left -= 1 / LOOKS_A_SECOND
            if left <= 0:
                return self.over.is_set()
        return True

    def _rearm(self) -> None:
        """Put off the end that comes where not even this thread can run."""
        if time.monotonic() - self.rearmed > REARM_SECONDS and not self.over.is_set():
            self.rearmed = time.monotonic()
            faulthandler.dump_traceback_later(self.limit + MARGIN_SECONDS, exit=True, file=STDERR)

    def _stack(self) -> str:
        frame = sys._current_frames().get(self.looped_in)  # noqa: SLF001  (the documented way to another thread)
        return "".join(traceback.format_stack(frame, FRAMES)).rstrip()
