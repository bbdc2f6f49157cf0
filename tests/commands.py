"""Commands as they are typed: as a process, or in this one, which saves the second that Python takes to begin."""

import asyncio
import io
import logging
import os
import subprocess
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from hookline.cli import main
from hookline.database.connection import close_pool
from hookline.settings import settings


def run_process(*words, **options):
    """Run `hookline WORDS` as a process, to its end."""
    return subprocess.run(
        [sys.executable, "-m", "hookline", *words], capture_output=True, text=True, timeout=120, **options
    )


def run_here(*words, given="", env=None, cwd="."):
    """
    Run `hookline WORDS` in a thread, for a command has an event loop of its own; it ends as its process would.

    A terminal, a signal, or Prefect that is read with this environment needs a process.
    """
    stdin = io.TextIOWrapper(io.BytesIO(given.encode()))
    out, err = io.StringIO(), io.StringIO()
    with (
        pytest.MonkeyPatch.context() as patch,
        _environment(os.environ if env is None else env),
        _log(),
        warnings.catch_warnings(),
        ThreadPoolExecutor(1) as thread,
    ):
        # It reads argv, as the command does; in a test, Cyclopts takes that for a mistake.
        warnings.filterwarnings("ignore", "Cyclopts application invoked without tokens")
        patch.chdir(cwd)
        process = {"argv": ["hookline", *words], "stdin": stdin, "stdout": out, "stderr": err}
        process["path"] = [*sys.path]  # a command adds its project
        for name, value in process.items():
            patch.setattr(sys, name, value)
        patch.setattr(asyncio, "run", _closing(asyncio.run))
        code = thread.submit(_exit_code).result()
    return subprocess.CompletedProcess(words, code, out.getvalue(), err.getvalue())


def _exit_code():
    with pytest.raises(SystemExit) as ended:
        main()
    return ended.value.code or 0


def _closing(run):
    """A process ends with its pool; here, it must be closed."""

    async def ended(coroutine):
        try:
            return await coroutine
        finally:
            await close_pool()

    return lambda coroutine: run(ended(coroutine))


@contextmanager
def _environment(given):
    """What a command adds to its environment goes with it."""
    before, given = dict(os.environ), dict(given)
    try:
        _become(given)
        yield
    finally:
        _become(before)


def _become(environment):
    for name in os.environ.keys() - environment.keys():
        del os.environ[name]
    os.environ.update(environment)
    settings.cache_clear()


@contextmanager
def _log():
    """A command makes the log its own."""
    root, httpx = logging.getLogger(), logging.getLogger("httpx")
    handlers, levels = root.handlers, (root.level, httpx.level)
    root.handlers = []
    try:
        yield
    finally:
        root.handlers = handlers
        root.setLevel(levels[0])
        httpx.setLevel(levels[1])
