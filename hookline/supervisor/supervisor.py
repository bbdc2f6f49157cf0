"""Starts processes in order, watches them, starts the dead again, and stops them so that nothing is left."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import uuid
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from graphlib import TopologicalSorter
from pathlib import Path
from typing import TypeAlias

from hookline.errors import HooklineError
from hookline.supervisor import control, sweep
from hookline.supervisor.log import Log, Output
from hookline.supervisor.ports import listen
from hookline.supervisor.process import HEALTHY_SECONDS, MARKER, Backoff, Process, how_it_ended
from hookline.text import one_line

STARTS = 5  # a process that ends so often before it was ever ready cannot start
DEATHS = 3  # a process that ends so often, and lives no longer in between, takes `ready` back
_OWN_NAME = "hookline"
_ASK_SECONDS = 0.1
_STILL_SECONDS = 30
_LIVED_SECONDS = 1
_STEADY_SECONDS = (
    20.0  # a process that ended again and again has lived so long, ready, before it counts again
)


Troubles: TypeAlias = Mapping[str, str]
"""The processes that end again and again, and how: none, and all is ready."""


def supervise(
    processes: Iterable[Process], *, on_change: Callable[[Troubles], None], home: Path | None = None
) -> None:
    """
    Run processes in the foreground until SIGINT or SIGTERM; a second signal kills at once.

    SIGHUP is passed on to those that read their files again, unless it says that the terminal has gone. When this
    returns or raises, no process is left of those started here and of those they started.

    Args:
        processes: what to run.
        on_change: called when all of them are ready for the first time, and whenever one begins or ceases to end
            again and again.
        home: where commands typed beside it may ask for a restart.

    Raises:
        HooklineError: a process cannot start, or a job failed; with its last lines.
    """
    asyncio.run(Supervisor(processes, on_change=on_change, home=home).run())


class _Child:
    """A process as it lives: not yet running, running, ready, ended, running again."""

    def __init__(self, process: Process) -> None:
        self.process = process
        self.name = process.name
        self.popen: subprocess.Popen[bytes] | None = None
        self.output: Output | None = None
        self.ready = asyncio.Event()
        self.ended = asyncio.Event()
        self.ended.set()
        self.was_ready = False
        self.is_asked_to_restart = False
        self.listener: socket.socket | None = None
        self.deaths = 0
        self.in_a_row = 0
        """Deaths since it last lived well."""
        self.backoff = Backoff()
        self.last_lines: deque[str] = deque(maxlen=20)

    def signal(self, number: signal.Signals, *, group: bool = False) -> None:
        if self.popen is not None:
            with suppress(ProcessLookupError, PermissionError):  # gone; macOS says so of a group of zombies
                if group:  # of which it is the leader
                    os.killpg(self.popen.pid, number)
                else:
                    self.popen.send_signal(number)


class Supervisor:
    """Runs a set of processes, see `supervise`."""

    def __init__(
        self,
        processes: Iterable[Process],
        *,
        on_change: Callable[[Troubles], None],
        log: Log | None = None,
        home: Path | None = None,
    ) -> None:
        """
        Take the processes.

        Raises:
            ValueError: two have the same name, or `after` names none of them or runs in a circle.
        """
        processes = list(processes)
        by_name = {process.name: process for process in processes}
        order = list(TopologicalSorter({p.name: p.stopped_before for p in processes}).static_order())
        if len(by_name) < len(processes) or len(order) > len(by_name):
            raise ValueError(f"names are missing or there twice: {[p.name for p in processes]}, {order}")
        self._children = {name: _Child(by_name[name]) for name in order}
        self._log = log or Log([_OWN_NAME, *by_name])
        self._on_change = on_change
        self._home = home
        self._announced = False
        self._troubles: dict[str, str] = {}
        self._has_terminal = _is_there_a_terminal()
        self._stop = asyncio.Event()
        self._at_once = False
        self._failure: BaseException | None = None
        self._run = uuid.uuid4().hex

    async def run(self) -> None:
        """
        Run them until a signal or a failure; in the main thread.

        Raises:
            HooklineError: a process cannot start, or a job failed; with its last lines.
        """
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGCHLD, self._see_who_ended)
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._ask_to_stop, number)
        if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:  # nohup
            loop.add_signal_handler(signal.SIGHUP, self._hang_up)
        with _guard(self._run), self._listeners():
            keepers = [asyncio.create_task(self._keep_or_fail(child)) for child in self._children.values()]
            if self._home is not None:
                keepers.append(asyncio.create_task(control.answer_requests(self._home, self._do)))
            try:
                await self._stop.wait()
            finally:
                for keeper in keepers:
                    keeper.cancel()
                await asyncio.gather(*keepers, return_exceptions=True)
                await self._stop_all()
        if self._failure is not None:
            raise self._failure

    def say(self, text: str) -> None:
        """Write a line of the supervisor's own."""
        self._log.line(_OWN_NAME, text)

    @contextmanager
    def _listeners(self) -> Iterator[None]:
        """Listen for those that are to be reached while they start again."""
        with ExitStack() as stack:
            for child in self._children.values():
                if child.process.listens is not None:
                    child.listener = stack.enter_context(listen(child.process.listens))
            yield

    # Requests

    async def _do(self, request: str) -> str:
        """
        Do what a command asks for: `restart NAME`.

        Raises:
            HooklineError: it cannot be done; says why.
        """
        verb, _, name = request.partition(" ")
        child = self._children.get(name)
        if verb != "restart" or child is None or not child.process.restart:
            raise HooklineError(f"`hookline up` runs no process {name!r} that can be restarted.")
        return await self._restart(child)

    async def _restart(self, child: _Child) -> str:
        """Stop a process in order, and wait until the next one is ready."""
        loop = asyncio.get_running_loop()
        began, deaths = loop.time(), child.deaths
        self.say(f"{child.name} is restarted, as a command asks for")
        if not child.ended.is_set():
            child.is_asked_to_restart = True
            child.ready.clear()
            await self._end(child)
        while not await _within(_ASK_SECONDS, child.ready):
            if child.deaths > deaths:
                raise HooklineError(f"{child.name} does not start. Its last lines:{_last_lines(child)}")
        return f"{child.name} restarted, ready after {loop.time() - began:.1f} s"

    # A process's life

    async def _keep_or_fail(self, child: _Child) -> None:
        try:
            await self._keep(child)
        except Exception as error:  # noqa: BLE001  (raised by run, once all are stopped)
            self._failure = self._failure or error
            self._stop.set()

    async def _keep(self, child: _Child) -> None:
        """Start a process, and again whenever it ends; return when it is a job that is done."""
        loop = asyncio.get_running_loop()
        while True:
            for name in child.process.after:
                await self._children[name].ready.wait()
            began = loop.time()
            code = await self._live(child)
            if not child.process.restart and code == 0:
                self._is_ready(child, loop.time() - began, "done")
                return
            if child.is_asked_to_restart:
                child.is_asked_to_restart = False
                continue
            child.deaths += 1
            how = "cannot be executed" if code is None else how_it_ended(code)
            given_up = not child.process.restart and child.deaths >= child.process.tries
            if given_up or (not child.was_ready and child.deaths >= STARTS):
                raise HooklineError(_obituary(child, how))
            lived = loop.time() - began
            wait = child.backoff.after(lived)
            self.say(f"{child.name} died ({how}), restarting in {wait:g} s")
            self._note_death(child, lived)
            await asyncio.sleep(wait)

    async def _live(self, child: _Child) -> int | None:
        """One life: from the start to the exit code, or None when it could not be executed."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        self.say(f"{child.name} starting")
        try:
            popen = await self._start(child)
        except OSError as error:
            child.last_lines.append(f"{error.strerror}: {error.filename}")
            return None
        if await self._comes_up(child):
            self._is_ready(child, loop.time() - began, "ready")
            if child.name in self._troubles and not await _within(_STEADY_SECONDS, child.ended):
                child.in_a_row = 0
                del self._troubles[child.name]
                self._tell()
        await child.ended.wait()
        child.ready.clear()
        await self._clear_up(child)
        return popen.returncode

    async def _start(self, child: _Child) -> subprocess.Popen[bytes]:
        def tell(line: str) -> None:
            child.last_lines.append(line)
            self._log.line(child.name, line)

        read, write = os.pipe()
        output, source = Output(tell), os.fdopen(read, "rb", buffering=0)
        try:
            # No await between the start and the notes of it: SIGCHLD is looked at only after them.
            popen = child.process.start(f"{self._run}/{child.name}/", write, child.listener)
        except OSError:
            source.close()
            raise
        finally:
            os.close(write)
        child.popen, child.output = popen, output
        child.ended.clear()
        await asyncio.get_running_loop().connect_read_pipe(lambda: output, source)
        return popen

    async def _comes_up(self, child: _Child) -> bool:
        """Wait until it is ready (True) or has ended."""
        process, loop = child.process, asyncio.get_running_loop()
        if process.ready is None:
            return process.restart and not await _within(_LIVED_SECONDS, child.ended)
        said = began = loop.time()
        while not await _within(_ASK_SECONDS, child.ended):
            if await process.ready() and not child.ended.is_set():
                return True
            if loop.time() - said >= _STILL_SECONDS:
                said = loop.time()
                self.say(f"still waiting for {child.name} ({said - began:.0f} s)")
                if self._announced:
                    self._troubles[child.name] = f"has been starting for {said - began:.0f} s"
                    self._tell()
        return False

    def _is_ready(self, child: _Child, seconds: float, word: str) -> None:
        child.was_ready = True
        child.ready.set()
        self.say(f"{child.name} {word} ({seconds:.1f} s)")
        if not self._announced and all(other.ready.is_set() for other in self._children.values()):
            self._announced = True
            self._tell()

    def _note_death(self, child: _Child, lived: float) -> None:
        """Count it; a process that ends again and again takes back that all is ready."""
        child.in_a_row = 1 if lived >= HEALTHY_SECONDS else child.in_a_row + 1
        if child.in_a_row >= DEATHS:
            last = child.last_lines[-1] if child.last_lines else "it wrote nothing"
            self._troubles[child.name] = f"died {child.in_a_row} times: {one_line(last, 200)}"
            self._tell()

    def _tell(self) -> None:
        if self._announced:
            self._on_change(dict(self._troubles))

    async def _clear_up(self, child: _Child) -> None:
        """End what it left behind (as systemd does), and hear its last words."""
        child.signal(signal.SIGKILL, group=True)
        sweep.sweep(MARKER, f"{self._run}/{child.name}/")
        if child.output is not None:
            await _within(1, child.output.closed)

    # The end

    def _see_who_ended(self) -> None:
        for child in self._children.values():
            if child.popen is not None and child.popen.poll() is not None:
                child.ended.set()

    def _hang_up(self) -> None:
        """Let files be read again; where the terminal has gone from which this was started, all ends."""
        if self._has_terminal and not _is_there_a_terminal():
            self._ask_to_stop(signal.SIGHUP)
            return
        for child in self._children.values():
            if child.process.reload_signal is not None and not child.ended.is_set():
                self.say(f"{child.name} reads its files again")
                child.signal(child.process.reload_signal)

    def _ask_to_stop(self, number: signal.Signals) -> None:
        if not self._stop.is_set():
            self.say(f"stopping ({number.name})")
            self._stop.set()
        elif not self._at_once:
            self._at_once = True
            self.say("stopping at once")
            for child in self._children.values():
                if not child.ended.is_set():
                    child.signal(signal.SIGKILL, group=True)

    async def _stop_all(self) -> None:
        """Stop each once those that need it are stopped."""
        stops: dict[str, asyncio.Task[None]] = {}
        for name in reversed(self._children):
            dependants = [
                stops[other] for other in stops if name in self._children[other].process.stopped_before
            ]
            stops[name] = asyncio.create_task(self._stop_one(self._children[name], dependants))
        await asyncio.gather(*stops.values())

    async def _stop_one(self, child: _Child, dependants: list[asyncio.Task[None]]) -> None:
        await asyncio.gather(*dependants)
        if child.ended.is_set():
            return
        await self._end(child)
        await self._clear_up(child)
        self.say(f"{child.name} stopped")

    async def _end(self, child: _Child) -> None:
        """Ask a process to stop, and kill it when it does not in its time."""
        seconds = child.process.stop_seconds
        child.signal(child.process.stop_signal)
        if not await _within(seconds, child.ended):
            self.say(f"{child.name} did not stop within {seconds:g} s: killed")
            child.signal(signal.SIGKILL, group=True)
            await child.ended.wait()


def _is_there_a_terminal() -> bool:
    """Return True if this process has a terminal that signals could come from."""
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False
    return True


@contextmanager
def _guard(run: str) -> Iterator[None]:
    """Sweep when this process has gone, even by SIGKILL: another process waits for that."""
    guard = subprocess.Popen(  # noqa: S603
        [sys.executable, "-P", sweep.__file__, MARKER, f"{run}/"],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield
    finally:
        guard.communicate()


async def _within(seconds: float, event: asyncio.Event) -> bool:
    """Wait for an event, for so long at most; has it come?"""
    with suppress(TimeoutError):
        await asyncio.wait_for(event.wait(), seconds)
    return event.is_set()


def _obituary(child: _Child, how: str) -> str:
    times = "" if child.deaths == 1 else f" {child.deaths} times, at last"
    verb = "ended" if child.process.restart else "failed"
    before = " before it was ready" if child.process.restart else ""
    return f"{child.name} {verb}{before}{times} ({how}). Its last lines:{_last_lines(child)}"


def _last_lines(child: _Child) -> str:
    return "".join(f"\n  {line}" for line in child.last_lines) or " It wrote nothing."
