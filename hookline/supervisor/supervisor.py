"""The supervisor: starts processes in order, restarts those that end, and stops them so that nothing is left."""

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

MAX_STARTS = 5  # a process that ends so often before it was ever ready cannot start
MAX_EXITS = 3  # after so many exits without a healthy uptime in between, `ready` is withdrawn
_OWN_NAME = "hookline"
_POLL_SECONDS = 0.1
_REMINDER_SECONDS = 30
_REPORT_SECONDS = 2.0
_UPTIME_SECONDS = 1
_STABLE_SECONDS = 20.0  # a process that kept ending must be ready for so long before it counts again


Troubles: TypeAlias = Mapping[str, str]
"""The processes that keep ending, and how; if there are none, all is ready."""


def supervise(
    processes: Iterable[Process], *, on_change: Callable[[Troubles], None], home: Path | None = None
) -> None:
    """
    Run processes in the foreground until SIGINT or SIGTERM; a second signal kills at once.

    SIGHUP is passed on to processes that can reload, unless it came because the terminal was closed. When this
    returns or raises, none of the started processes and of their children is left.

    Args:
        processes: what to run.
        on_change: called when all of them are ready for the first time, and when one begins to keep ending or is
            stable again.
        home: the data folder, in which other commands may request a restart.

    Raises:
        HooklineError: a process cannot start, or a job failed; with its last lines.
    """
    asyncio.run(Supervisor(processes, on_change=on_change, home=home).run())


class _Child:
    """The state of a process: not yet running, running, ready, ended, running again."""

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
        self.exits = 0
        self.in_a_row = 0
        """Exits since it was last healthy."""
        self.backoff = Backoff(maximum=process.max_wait)
        self.last_lines: deque[str] = deque(maxlen=20)

    def signal(self, number: signal.Signals, *, group: bool = False) -> None:
        if self.popen is not None:
            with suppress(
                ProcessLookupError, PermissionError
            ):  # ended; macOS raises this for a group of zombies
                if group:  # of which it is the leader
                    os.killpg(self.popen.pid, number)
                else:
                    self.popen.send_signal(number)


class Supervisor:
    """The supervisor of a set of processes; see `supervise`."""

    def __init__(
        self,
        processes: Iterable[Process],
        *,
        on_change: Callable[[Troubles], None],
        log: Log | None = None,
        home: Path | None = None,
    ) -> None:
        """
        Order the processes.

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
        self._reported_ready = False
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
        loop.add_signal_handler(signal.SIGCHLD, self._note_exits)
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._ask_to_stop, number)
        if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:  # nohup
            loop.add_signal_handler(signal.SIGHUP, self._on_sighup)
        with _guard(self._run), self._listeners():
            tasks = [asyncio.create_task(self._run_or_fail(child)) for child in self._children.values()]
            if self._home is not None:
                tasks.append(asyncio.create_task(control.answer_requests(self._home, self._handle)))
            try:
                await self._stop.wait()
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
                await self._stop_all()
        if self._failure is not None:
            raise self._failure

    def log(self, text: str) -> None:
        """Write a line of the supervisor's own."""
        self._log.line(_OWN_NAME, text)

    @contextmanager
    def _listeners(self) -> Iterator[None]:
        """Listen for the processes that must be reachable during a restart."""
        with ExitStack() as stack:
            for child in self._children.values():
                if child.process.listens is not None:
                    child.listener = stack.enter_context(listen(child.process.listens))
            yield

    # Requests

    async def _handle(self, request: str) -> str:
        """
        Handle a request of another command: `restart NAME`.

        Raises:
            HooklineError: it cannot be done; says why.
        """
        verb, _, name = request.partition(" ")
        child = self._children.get(name)
        if verb != "restart" or child is None or not child.process.restart:
            raise HooklineError(f"`hookline up` runs no process {name!r} that can be restarted.")
        return await self._restart(child)

    async def _restart(self, child: _Child) -> str:
        """Stop a process, and wait until its successor is ready."""
        loop = asyncio.get_running_loop()
        began, exits = loop.time(), child.exits
        self.log(f"{child.name} is restarted by a command")
        if not child.ended.is_set():
            child.is_asked_to_restart = True
            child.ready.clear()
            await self._end(child)
        while not await _within(_POLL_SECONDS, child.ready):
            if child.exits > exits:
                raise HooklineError(f"{child.name} does not start. Its last lines:{_last_lines(child)}")
        return f"{child.name} restarted, ready after {loop.time() - began:.1f} s"

    # A process's life

    async def _run_or_fail(self, child: _Child) -> None:
        try:
            await self._keep_running(child)
        except Exception as error:  # noqa: BLE001  (raised by run, once all are stopped)
            self._failure = self._failure or error
            self._stop.set()

    async def _keep_running(self, child: _Child) -> None:
        """Start a process, and again whenever it ends; return when it is a job that is done."""
        loop = asyncio.get_running_loop()
        while True:
            await self._all_ready(child.process.after)
            began = loop.time()
            code = await self._run_once(child)
            if not child.process.restart and code == 0:
                self._set_ready(child, loop.time() - began, "done")
                return
            if child.is_asked_to_restart:
                child.is_asked_to_restart = False
                continue
            child.exits += 1
            how = "cannot be executed" if code is None else how_it_ended(code)
            given_up = not child.process.restart and child.exits >= child.process.tries
            if given_up or (not child.was_ready and child.exits >= MAX_STARTS):
                raise HooklineError(_exit_report(child, how))
            uptime = loop.time() - began
            wait = child.backoff.after(uptime)
            self.log(f"{child.name} died ({how}), restarting in {wait:g} s")
            self._count_exit(child, uptime)
            await asyncio.sleep(wait)

    async def _all_ready(self, names: Iterable[str]) -> None:
        for name in names:
            await self._children[name].ready.wait()

    async def _run_once(self, child: _Child) -> int | None:
        """Start a process and wait for its end; return the exit code, or None if it could not be executed."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        self.log(f"{child.name} starting")
        with self._turn(child) as turn:
            try:
                popen = await self._start(child, turn)
            except OSError as error:
                child.last_lines.append(f"{error.strerror}: {error.filename}")
                return None
            if await self._becomes_ready(child):
                self._set_ready(child, loop.time() - began, "ready")
                if child.name in self._troubles and not await _within(_STABLE_SECONDS, child.ended):
                    child.in_a_row = 0
                    del self._troubles[child.name]
                    self._report()
            await child.ended.wait()
        child.ready.clear()
        await self._clear_up(child)
        return popen.returncode

    @contextmanager
    def _turn(self, child: _Child) -> Iterator[int | None]:
        """Yield the pipe by which a process learns that it may begin, if it waits for others; it lives as long."""
        if not child.process.begins_after:
            yield None
            return
        read, write = os.pipe()
        giving = asyncio.create_task(self._give_turn(child.process.begins_after, write))
        try:
            yield read
        finally:
            giving.cancel()
            os.close(read)
            os.close(write)

    async def _give_turn(self, names: Iterable[str], pipe: int) -> None:
        await self._all_ready(names)
        os.write(pipe, b"1")

    async def _start(self, child: _Child, turn: int | None) -> subprocess.Popen[bytes]:
        def on_line(line: str) -> None:
            child.last_lines.append(line)
            self._log.line(child.name, line)

        read, write = os.pipe()
        output, source = Output(on_line), os.fdopen(read, "rb", buffering=0)
        try:
            # No await between the start and the record of it: SIGCHLD is handled only after that.
            popen = child.process.start(f"{self._run}/{child.name}/", write, child.listener, turn)
        except OSError:
            source.close()
            raise
        finally:
            os.close(write)
        child.popen, child.output = popen, output
        child.ended.clear()
        await asyncio.get_running_loop().connect_read_pipe(lambda: output, source)
        return popen

    async def _becomes_ready(self, child: _Child) -> bool:
        """Wait until it is ready (True) or has ended."""
        process, loop = child.process, asyncio.get_running_loop()
        while not all(self._children[name].ready.is_set() for name in process.begins_after):
            if await _within(_POLL_SECONDS, child.ended):
                return False
        if process.ready is None:
            return process.restart and not await _within(_UPTIME_SECONDS, child.ended)
        reminded = began = loop.time()
        while not await _within(_POLL_SECONDS, child.ended):
            if await process.ready() and not child.ended.is_set():
                return True
            if loop.time() - reminded >= _REMINDER_SECONDS:
                reminded = loop.time()
                self.log(f"still waiting for {child.name} ({reminded - began:.0f} s)")
                if self._reported_ready:
                    self._troubles[child.name] = f"has been starting for {reminded - began:.0f} s"
                    self._report()
        return False

    def _set_ready(self, child: _Child, seconds: float, word: str) -> None:
        child.was_ready = True
        child.ready.set()
        self.log(f"{child.name} {word} ({seconds:.1f} s)")
        if not self._reported_ready and all(other.ready.is_set() for other in self._children.values()):
            self._reported_ready = True
            self._report()

    def _count_exit(self, child: _Child, uptime: float) -> None:
        """Count an exit; a process that keeps ending withdraws that all is ready."""
        child.in_a_row = 1 if uptime >= HEALTHY_SECONDS else child.in_a_row + 1
        if child.in_a_row >= MAX_EXITS:
            last = child.last_lines[-1] if child.last_lines else "it wrote nothing"
            self._troubles[child.name] = f"died {child.in_a_row} times: {one_line(last, 200)}"
            self._report()

    def _report(self) -> None:
        """Report whether all is ready; where that cannot be written, as to a full disk, try again."""
        if not self._reported_ready:
            return
        try:
            self._on_change(dict(self._troubles))
        except OSError as error:
            self.log(f"cannot report whether all is ready, and tries again: {error}")
            asyncio.get_running_loop().call_later(_REPORT_SECONDS, self._report)

    async def _clear_up(self, child: _Child) -> None:
        """Kill what it left behind (as systemd does), and read the rest of its output."""
        child.signal(signal.SIGKILL, group=True)
        sweep.sweep(MARKER, f"{self._run}/{child.name}/")
        if child.output is not None:
            await _within(1, child.output.closed)

    # The end

    def _note_exits(self) -> None:
        for child in self._children.values():
            if child.popen is not None and child.popen.poll() is not None:
                child.ended.set()

    def _on_sighup(self) -> None:
        """Let processes reload their files; stop if the terminal of this process was closed."""
        if self._has_terminal and not _is_there_a_terminal():
            self._ask_to_stop(signal.SIGHUP)
            return
        for child in self._children.values():
            if child.process.reload_signal is not None and not child.ended.is_set():
                self.log(f"{child.name} reads its files again")
                child.signal(child.process.reload_signal)

    def _ask_to_stop(self, number: signal.Signals) -> None:
        if not self._stop.is_set():
            self.log(f"stopping ({number.name})")
            self._stop.set()
        elif not self._at_once:
            self._at_once = True
            self.log("stopping at once")
            for child in self._children.values():
                if not child.ended.is_set():
                    child.signal(signal.SIGKILL, group=True)

    async def _stop_all(self) -> None:
        """Stop each process after those that depend on it."""
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
        self.log(f"{child.name} stopped")

    async def _end(self, child: _Child) -> None:
        """Ask a process to stop, and kill it if it does not stop in time."""
        seconds = child.process.stop_seconds
        child.signal(child.process.stop_signal)
        if not await _within(seconds, child.ended):
            self.log(f"{child.name} did not stop within {seconds:g} s: killed")
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
    """Sweep when this process ends, even by SIGKILL: another process waits for that."""
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
    """Wait for an event for so many seconds at most; return True if it came, though it may be cleared again."""
    try:
        await asyncio.wait_for(event.wait(), seconds)
    except TimeoutError:
        return event.is_set()
    return True


def _exit_report(child: _Child, how: str) -> str:
    times = "" if child.exits == 1 else f" {child.exits} times, at last"
    verb = "ended" if child.process.restart else "failed"
    before = " before it was ready" if child.process.restart else ""
    return f"{child.name} {verb}{before}{times} ({how}). Its last lines:{_last_lines(child)}"


def _last_lines(child: _Child) -> str:
    return "".join(f"\n  {line}" for line in child.last_lines) or " It wrote nothing."
