"""
Work whose cost a stranger decides, in a process of its own with an end to its time and memory.

A body of a hundred bytes may keep a regular expression busy for a year, and one of 100 KB may ask for gigabytes. What
reads bodies (parse, redact, validate, render) runs here: the event loop goes on meanwhile, and work that takes too
long or too much is ended by its process, which is then started again.
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
"""What a process ends with that ran out of it."""


class TooCostly(HooklineError):
    """The work took more time or memory than it is given; nothing came of it."""


class Confined:
    """Processes that do such work; made at first use, ended by `close`."""

    def __init__(
        self,
        *,
        processes: int = 1,
        seconds: float = SECONDS,
        megabytes: int = MEGABYTES,
        modules: Sequence[str] = (),
    ) -> None:
        """
        Make them.

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
        self._make = partial(ProcessPool, processes, context=context, initializer=_confine)
        self._modules = modules
        self._pool = self._started()

    def _started(self) -> ProcessPool:
        return self._make(initargs=(self.megabytes, self._modules))

    async def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """
        Call a function of a module there; whatever it raises is raised here.

        Raises:
            TooCostly: it took longer than `seconds`, or more memory than `megabytes`, or its process died.
        """
        call = partial(function, *args, **kwargs)
        try:
            try:
                return await self._run(call)
            except (
                BrokenProcessPool
            ):  # of another's work, or it could not be started: not the fault of this one
                return await self._run(call)
        except (TimeoutError, FutureTimeoutError):
            raise TooCostly(f"it takes longer than {self.seconds:g} s to read") from None
        except ProcessExpired as died:
            if died.exitcode == OUT_OF_MEMORY:
                raise TooCostly(f"it takes more than {self.megabytes} MB of memory to read") from None
            raise TooCostly("the process that reads it died of it") from None
        except BrokenProcessPool:
            raise TooCostly("the process that reads it died of it") from None

    async def _run(self, call: Callable[[], T]) -> T:
        if not self._pool.active:
            self._pool = self._started()
        future = self._pool.schedule(_called, args=(call,), timeout=self.seconds)
        result: T = await asyncio.wrap_future(future)
        return result

    def resize(self, megabytes: int) -> None:
        """Give each piece of work another limit of memory; what is begun ends under the one that it began with."""
        if megabytes == self.megabytes:
            return
        before, self.megabytes = self._pool, megabytes
        self._pool = self._started()
        threading.Thread(target=_finish, args=(before,), daemon=True).start()

    def close(self) -> None:
        """End the processes, and whatever they are at."""
        self._pool.stop()  # type: ignore[no-untyped-call]
        self._pool.join()


def _called(call: Callable[[], T]) -> T:
    """Do the work; a process that ran out of memory ends, for it might not even take the next work."""
    try:
        return call()
    except MemoryError:
        os._exit(OUT_OF_MEMORY)


def _finish(pool: ProcessPool) -> None:
    pool.close()  # type: ignore[no-untyped-call]
    pool.join()


def _confine(megabytes: int, modules: Sequence[str]) -> None:
    """Run first in the new process: signals are its parent's business, and memory has an end."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM, signal.SIGINT})
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.set_int_max_str_digits(4300)
    for module in modules:
        importlib.import_module(module)
    limit = psutil.Process().memory_info().data + megabytes * MB
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
