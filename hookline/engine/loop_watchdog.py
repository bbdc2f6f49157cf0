"""
The watchdog of the event loop: warns when the loop is blocked, and ends the process if it stays blocked.

A flow that computes for long, or calls something that blocks, keeps the engine from everything else: other runs,
leases, requests of people. Nothing in the loop itself can report it while it lasts; a thread can. Code that does not
even release Python's lock (a regular expression that never ends) stops that thread as well: then `faulthandler` ends
the process, from a thread of its own that needs no lock.
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

PROBES_PER_SECOND = 2
FRAMES = 30
EXIT_CODE = 75
"""The exit code of a process that ended itself because its loop was blocked."""
MARGIN_SECONDS = 10.0
"""The time by which `faulthandler` ends the process later than the thread would."""
REARM_SECONDS = 2.0
STDERR = 2


@contextmanager
def guard_loop(claimed: Callable[[], str], warn_seconds: float, limit: float) -> Iterator[None]:
    """
    Probe this event loop from a thread; once for each block, log what runs and where the loop is blocked.

    Args:
        claimed: names the claimed dispatches; called in that thread.
        warn_seconds: time without an answer of the loop after which it is logged.
        limit: seconds without an answer of the loop after which the process is ended.
    """
    watch = _Watchdog(asyncio.get_running_loop(), claimed, warn_seconds, limit)
    thread = threading.Thread(target=watch.run, name="loop watchdog", daemon=True)
    thread.start()
    try:
        yield
    finally:
        watch.over.set()
        faulthandler.cancel_dump_traceback_later()


def end_unless_answered(loop: asyncio.AbstractEventLoop, call: Callable[[], None], timeout: float) -> None:
    """Call a function in the loop, from another thread; end the process if the loop does not call it in time."""
    answered = threading.Event()

    def answer() -> None:
        call()
        answered.set()

    loop.call_soon_threadsafe(answer)
    if not answered.wait(timeout):
        logger.critical(
            "asked to stop, but the event loop has been blocked for %g s: ending this process", timeout
        )
        os._exit(EXIT_CODE)


class _Watchdog:
    def __init__(
        self, loop: asyncio.AbstractEventLoop, claimed: Callable[[], str], warn_seconds: float, limit: float
    ) -> None:
        self.loop = loop
        self.claimed = claimed
        self.warn_seconds = min(warn_seconds, limit)
        self.limit = limit
        self.rearmed = -math.inf
        self.looped_in = threading.get_ident()
        self.over = threading.Event()

    def run(self) -> None:
        self._rearm()
        while not self.over.wait(1 / PROBES_PER_SECOND):
            alive = threading.Event()
            probed_at = time.monotonic()
            self.loop.call_soon_threadsafe(alive.set)
            if alive.wait(self.warn_seconds) or self.over.is_set():
                self._rearm()
                continue
            if time.monotonic() - probed_at > 2 * self.warn_seconds:  # this thread stood still as well
                logger.warning("this process stood still for %.1f s", time.monotonic() - probed_at)
                continue
            logger.error(
                "the event loop has been blocked for %.1f s; claimed: %s; it is at:\n%s",
                self.warn_seconds,
                self.claimed(),
                self._stack(),
            )
            if not self._comes_back(alive):
                logger.critical("the event loop stays blocked: ending this process, to be started again")
                os._exit(EXIT_CODE)
            logger.warning("the event loop goes on, after %.1f s", time.monotonic() - probed_at)

    def _comes_back(self, alive: threading.Event) -> bool:
        """Return True if the loop goes on before the limit, counted while this thread ran: a process may sleep."""
        left = self.limit - self.warn_seconds
        while not alive.wait(min(left, 1 / PROBES_PER_SECOND)):
            left -= 1 / PROBES_PER_SECOND
            if left <= 0:
                return self.over.is_set()
        return True

    def _rearm(self) -> None:
        """Postpone the end by `faulthandler`, which comes if not even this thread can run."""
        if time.monotonic() - self.rearmed > REARM_SECONDS and not self.over.is_set():
            self.rearmed = time.monotonic()
            faulthandler.dump_traceback_later(self.limit + MARGIN_SECONDS, exit=True, file=STDERR)

    def _stack(self) -> str:
        frame = sys._current_frames().get(self.looped_in)  # noqa: SLF001  (the documented way to another thread)
        return "".join(traceback.format_stack(frame, FRAMES)).rstrip()
