"""
A sandbox for work whose cost a stranger decides: processes with limits of time and memory.

A body of a hundred bytes may keep a regular expression busy for a year, and one of 100 KB may ask for gigabytes. What
reads bodies (parse, redact, validate, render) runs here: the event loop goes on meanwhile, and work that takes too
long or too much is ended with its process, which is then started again.
"""

import asyncio
import importlib
import multiprocessing
import os
import resource
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import TimeoutError as FutureTimeoutError
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from typing import ParamSpec, TypeVar

import psutil
from pebble import ProcessExpired, ProcessPool

from hookline.errors import HooklineError

P = ParamSpec("P")
T = TypeVar("T")

SECONDS = 2.0
MEGABYTES = 300
"""Above what the process needs for itself."""
MB = 1_048_576
OUT_OF_MEMORY = 12
"""The exit code of a process that ran out of memory; as errno's ENOMEM."""


class TooCostly(HooklineError):
    """The work took more time or memory than it may; it has no result."""

    def __init__(self, message: str, *, slow: bool = False) -> None:
        super().__init__(message)
        self.slow = slow
        """It took too long, by the clock: on a machine with less to do it may be quick enough."""


class Confined:
    """A pool of confined processes; started at first use, ended by `close`."""

    def __init__(
        self,
        *,
        processes: int = 1,
        seconds: float = SECONDS,
        megabytes: int = MEGABYTES,
        modules: Sequence[str] = (),
    ) -> None:
        """
        Set the limits.

        Args:
            processes: how many work at once.
            seconds: what one call may take.
            megabytes: what one call may take above what the process needs for itself.
            modules: imported when a process starts, so that no call pays for it.
        """
        self.seconds = seconds
        self.megabytes = megabytes
        # Not forks of this process, which has threads that a fork would leave half alive: of a server without any,
        # which has imported what they need, so that one that was ended is there again within milliseconds.
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload([__name__, *modules])
        self._start = partial(
            ProcessPool, processes, context=context, initializer=_confine, initargs=(modules,)
        )
        self._pool = self._start()
        self._up: ProcessPool | None = None
        """The pool whose processes are started."""
        self._starting = threading.Lock()

    async def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """
        Call a function of a module there; an error that it raises is raised here.

        Raises:
            TooCostly: it took longer than `seconds`, or more memory than `megabytes`, or its process died.
        """
        work = partial(_bounded, self.megabytes, partial(function, *args, **kwargs))
        try:
            try:
                result: T = await self._done(work)
            except BrokenProcessPool:  # another's work broke it, or no process could be started: once more
                result = await self._done(work)
        except (TimeoutError, FutureTimeoutError):
            raise TooCostly(f"it takes longer than {self.seconds:g} s to read", slow=True) from None
        except ProcessExpired as error:
            if error.exitcode == OUT_OF_MEMORY:
                raise TooCostly(f"it takes more than {self.megabytes} MB of memory to read") from None
            raise TooCostly("the process that reads it crashed") from None
        except BrokenProcessPool:
            raise TooCostly("the process that reads it crashed") from None
        return result

    async def _done(self, work: Callable[[], T]) -> T:
        if self._up is not self._pool or not self._pool.active:
            await asyncio.to_thread(self._bring_up)
        result: T = await asyncio.wrap_future(self._pool.schedule(work, timeout=self.seconds))
        return result

    def _bring_up(self) -> None:
        """Start the processes, or start them again; that takes a while, in which the event loop must not wait."""
        with self._starting:
            if not self._pool.active:  # which starts it, where it never was
                self._pool = self._start()
            if self._pool.active:
                self._up = self._pool

    def close(self) -> None:
        """End the processes, and the work in them."""
        self._pool.stop()  # type: ignore[no-untyped-call]
        self._pool.join()


def _confine(modules: Sequence[str]) -> None:
    """Prepare a new process: signals are for its parent, and modules are imported ahead."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM, signal.SIGINT})
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.set_int_max_str_digits(4300)
    for module in modules:
        importlib.import_module(module)


def _bounded(megabytes: int, work: Callable[[], T]) -> T:
    """Run one piece of work within so much memory above what the process has by now."""
    limit = psutil.Process().memory_info().data + megabytes * MB
    resource.setrlimit(resource.RLIMIT_DATA, (limit, resource.RLIM_INFINITY))
    try:
        return work()
    except MemoryError:
        os._exit(OUT_OF_MEMORY)  # it might never give the memory back: the next process starts without it
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
