"""
Notices when the event loop is blocked.

A flow that computes for long, or calls something that blocks, keeps the engine from everything else: other runs,
leases, people's wishes. Nothing in the loop itself can say so while it lasts; a thread can.
"""

import asyncio
import logging
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager

logger = logging.getLogger(__name__)

LOOKS_A_SECOND = 2
FRAMES = 30


@contextmanager
def watching(in_hand: Callable[[], str], patience: float) -> Iterator[None]:
    """
    Watch this event loop from a thread; once for each block, say what is in hand and where the loop is stuck.

    Args:
        in_hand: names what is worked on; called in that thread.
        patience: seconds without a sign of life after which it is said.
    """
    watch = _Watch(asyncio.get_running_loop(), in_hand, patience)
    thread = threading.Thread(target=watch.run, name="watch", daemon=True)
    thread.start()
    try:
        yield
    finally:
        watch.over.set()


class _Watch:
    def __init__(self, loop: asyncio.AbstractEventLoop, in_hand: Callable[[], str], patience: float) -> None:
        self.loop = loop
        self.in_hand = in_hand
        self.patience = patience
        self.looped_in = threading.get_ident()
        self.over = threading.Event()

    def run(self) -> None:
        while not self.over.wait(1 / LOOKS_A_SECOND):
            alive = threading.Event()
            asked = time.monotonic()
            self.loop.call_soon_threadsafe(alive.set)
            if alive.wait(self.patience) or self.over.is_set():
                continue
            if time.monotonic() - asked > 2 * self.patience:  # this thread stood still as well
                logger.warning("this process stood still for %.1f s", time.monotonic() - asked)
                continue
            logger.error(
                "the event loop has been blocked for %.1f s; in hand: %s; it is at:\n%s",
                self.patience,
                self.in_hand(),
                self._stack(),
            )
            alive.wait()
            logger.warning("the event loop goes on, after %.1f s", time.monotonic() - asked)

    def _stack(self) -> str:
        frame = sys._current_frames().get(self.looped_in)  # noqa: SLF001  (the documented way to another thread)
        return "".join(traceback.format_stack(frame, FRAMES)).rstrip()
