"""What the supervisor is told of a process, and how such a process is started."""

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

MARKER = "HOOKLINE_SUPERVISED"
HEALTHY_SECONDS = 60.0
"""A process that lived for so long has lived well."""
LISTENER = "HOOKLINE_LISTEN_FD"
_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


@dataclass(frozen=True, kw_only=True)
class Process:
    """
    One process for the supervisor to run.

    Attributes:
        name: What it is called in the log and in `after`.
        command: The program and its arguments; no shell.
        env: Its whole environment, as for `subprocess.Popen`; None: the supervisor's own.
        ready: Asked again and again until it says True. None: ready once it has lived for a second.
        after: Names of the processes that must be ready before it starts; they are stopped after it.
        uses: Names of further processes that are stopped after it, but that it need not wait for.
        stop_signal: Asks it to stop.
        reload_signal: Asks it to read its files again; None: it has none that it could.
        stop_seconds: Time it is given for that, before it is killed.
        user: Runs as this user (the supervisor being root), with no further groups than `group`.
        group: The same for the group.
        cwd: Its working directory; None: the supervisor's own.
        listens: Where the supervisor listens for it; it finds the socket's number in HOOKLINE_LISTEN_FD. Whoever
            connects while it starts again is not refused, but waits.
        restart: Started again whenever it ends. False: a job, which must end by itself with exit code 0;
            it counts as ready from then on (or from when `ready` says so), and any other end ends everything.
        tries: How often a job is started until it ends well.
    """

    name: str
    command: Sequence[str]
    env: Mapping[str, str] | None = None
    ready: Callable[[], Awaitable[bool]] | None = None
    after: Sequence[str] = ()
    uses: Sequence[str] = ()
    stop_signal: signal.Signals = signal.SIGTERM
    reload_signal: signal.Signals | None = None
    stop_seconds: float = 10
    user: int | str | None = None
    group: int | str | None = None
    cwd: Path | None = None
    listens: Port | None = None
    restart: bool = True
    tries: int = 1

    @property
    def stopped_before(self) -> tuple[str, ...]:
        """Names of the processes that are stopped after it."""
        return (*self.after, *self.uses)

    def start(
        self, marker: str, output: int, listener: socket.socket | None = None
    ) -> subprocess.Popen[bytes]:
        """
        Start it in a session of its own, so that a Ctrl-C in the terminal does not reach it.

        Raises:
            OSError: the program cannot be executed.
        """
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
                **({LISTENER: str(listener.fileno())} if listener else {}),
            },
            pass_fds=[listener.fileno()] if listener else [],
            cwd=self.cwd,
            user=self.user,
            group=self.group,
            extra_groups=None if self.user is None else [],
            start_new_session=True,
            preexec_fn=_dies_with(os.getpid(), ignores=self.reload_signal),  # noqa: PLW1509
        )


def _dies_with(parent: int, *, ignores: signal.Signals | None) -> Callable[[], None]:
    """Runs in the new process, after its change of user (which would clear the wish)."""

    def prepare() -> None:
        if ignores is not None:  # until the process itself looks after it
            signal.signal(ignores, signal.SIG_IGN)
        if _libc is not None:
            _libc.prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
            if os.getppid() != parent:  # it died before the wish was known
                os._exit(1)

    return prepare


class Backoff:
    """How long to wait before the next start: twice as long each time, until it has lived well."""

    def __init__(self, first: float = 0.5, longest: float = 10, healthy: float = HEALTHY_SECONDS) -> None:
        self._first, self._longest, self._healthy = first, longest, healthy
        self._next = first

    def after(self, lived: float) -> float:
        """Seconds to wait now that a process has ended that lived for so many seconds."""
        wait = self._first if lived >= self._healthy else self._next
        self._next = min(2 * wait, self._longest)
        return wait


def how_it_ended(code: int) -> str:
    """An exit code in words: `signal 9`, `exit code 3`."""
    return f"signal {-code}" if code < 0 else f"exit code {code}"
