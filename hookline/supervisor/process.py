"""A process of the supervisor: its declaration, and how it is started."""

import ctypes
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from hookline.supervisor.ports import Port
from hookline.supervisor.ready import TURN

MARKER = "HOOKLINE_SUPERVISED"
HEALTHY_SECONDS = 60.0
"""Uptime after which a process counts as healthy."""
LISTENER = "HOOKLINE_LISTEN_FD"
_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


@dataclass(frozen=True, kw_only=True)
class Process:
    """
    One process for the supervisor to run.

    Attributes:
        name: Its name in the log and in `after`.
        command: The program and its arguments; no shell.
        env: Its whole environment, as for `subprocess.Popen`; None: the supervisor's own.
        ready: The readiness probe, called until it returns True. None: ready after a second.
        after: Names of the processes that must be ready before it starts; they are stopped after it.
        begins_after: Names of further ones for which it waits once it has loaded its code (`ready.wait_for_turn`).
        depends_on: Names of further processes that are stopped after it, without waiting for them at the start.
        stop_signal: The signal to stop.
        reload_signal: The signal to read its files again; None: it reads none.
        stop_seconds: Time to stop before it is killed.
        user: Runs as this user (the supervisor being root), with no further groups than `group`.
        group: The same for the group.
        cwd: Its working directory; None: the supervisor's own.
        listens: The port on which the supervisor listens for it; HOOKLINE_LISTEN_FD has the socket's number. A
            connection during a restart is not refused, but waits.
        restart: Start it again whenever it ends. False: a job, which must end by itself with exit code 0; it
            counts as ready from then on (or when `ready` returns True), and any other end stops everything.
        tries: Number of starts of a job until it ends well.
        max_wait: Longest wait before it is started again, in seconds.
    """

    name: str
    command: Sequence[str]
    env: Mapping[str, str] | None = None
    ready: Callable[[], Awaitable[bool]] | None = None
    after: Sequence[str] = ()
    begins_after: Sequence[str] = ()
    depends_on: Sequence[str] = ()
    stop_signal: signal.Signals = signal.SIGTERM
    reload_signal: signal.Signals | None = None
    stop_seconds: float = 10
    user: int | str | None = None
    group: int | str | None = None
    cwd: Path | None = None
    listens: Port | None = None
    restart: bool = True
    tries: int = 1
    max_wait: float = 10

    @property
    def stopped_before(self) -> tuple[str, ...]:
        """Names of the processes that are stopped after it."""
        return (*self.after, *self.begins_after, *self.depends_on)

    def start(
        self, marker: str, output: int, listener: socket.socket | None = None, turn: int | None = None
    ) -> subprocess.Popen[bytes]:
        """
        Start it in a session of its own, so that a Ctrl-C in the terminal does not reach it.

        Args:
            marker: tells its descendants from all other processes.
            output: where it writes.
            listener: the socket on which the supervisor listens for it.
            turn: the pipe that says when it begins its work.

        Raises:
            OSError: the program cannot be executed.
        """
        passed = {LISTENER: listener.fileno()} if listener else {}
        if turn is not None:
            passed[TURN] = turn
        # Safe with preexec_fn: the supervisor has one thread, and libc is loaded before the fork.
        return subprocess.Popen(  # noqa: S603
            self.command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env={
                "PYTHONUNBUFFERED": "1",
                **(os.environ if self.env is None else self.env),
                MARKER: marker,
                **{name: str(number) for name, number in passed.items()},
            },
            pass_fds=list(passed.values()),
            cwd=self.cwd,
            user=self.user,
            group=self.group,
            extra_groups=None if self.user is None else [],
            start_new_session=True,
            preexec_fn=_end_with(os.getpid(), ignores=self.reload_signal),  # noqa: PLW1509
        )


def _end_with(parent: int, *, ignores: signal.Signals | None) -> Callable[[], None]:
    """Return what ties a new process to its parent; it runs after the change of user, which would undo it."""

    def prepare() -> None:
        if ignores is not None:  # until the process handles it itself
            signal.signal(ignores, signal.SIG_IGN)
        if _libc is not None:
            _libc.prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
            if os.getppid() != parent:  # it ended before the request took effect
                os._exit(1)

    return prepare


class Backoff:
    """The wait before the next start: twice as long each time, until the process was healthy."""

    def __init__(self, first: float = 0.5, maximum: float = 10, healthy: float = HEALTHY_SECONDS) -> None:
        self._first, self._maximum, self._healthy = first, maximum, healthy
        self._next = first

    def after(self, uptime: float) -> float:
        """Return the seconds to wait after a process has ended with this uptime."""
        wait = self._first if uptime >= self._healthy else self._next
        self._next = min(2 * wait, self._maximum)
        return wait


def how_it_ended(code: int) -> str:
    """Return an exit code in words: `signal 9`, `exit code 3`."""
    return f"signal {-code}" if code < 0 else f"exit code {code}"
