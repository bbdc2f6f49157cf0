"""The ports of the processes, checked before anything is started."""

import errno
import socket
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import psutil

from hookline.errors import HooklineError

BACKLOG = 2048
"""Connections that wait to be accepted; the kernel may allow fewer."""


@dataclass(frozen=True)
class Port:
    """A port that a process will listen on, its purpose, and the variable that changes it."""

    number: int
    purpose: str
    variable: str
    host: str = "127.0.0.1"


def require_free(ports: Iterable[Port]) -> None:
    """
    Check that every port can be listened on.

    Raises:
        HooklineError: one cannot; names each such port, its purpose, the process on it and the variable to change.
    """
    problems = []
    by_number: dict[int, Port] = {}
    for port in ports:
        twin = by_number.setdefault(port.number, port)
        if twin is not port:
            problems.append(
                f"Port {port.number} is used twice: for {twin.purpose} ({twin.variable}) "
                f"and for {port.purpose} ({port.variable})."
            )
        elif problem := _problem(port):
            problems.append(f"Port {port.number}, for {port.purpose}, {problem}")
    if problems:
        raise HooklineError("\n".join(problems))


def listen(port: Port) -> socket.socket:
    """
    Listen on a port; a connection waits until a process accepts it.

    Raises:
        HooklineError: it cannot be listened on; names the process that uses it and the variable that changes it.
    """
    try:
        family, kind, _, _, address = _address(port)
        listener = socket.socket(family, kind)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
            listener.listen(BACKLOG)
        except OSError:
            listener.close()
            raise
    except OSError as error:
        problem = _problem(port) or f"cannot be listened on: {error.strerror}."
        raise HooklineError(f"Port {port.number}, for {port.purpose}, {problem}") from None
    return listener


def _address(port: Port) -> tuple[Any, ...]:
    return socket.getaddrinfo(port.host, port.number, type=socket.SOCK_STREAM)[0]


def _problem(port: Port) -> str | None:
    try:
        family, kind, _, _, address = _address(port)
        with socket.socket(family, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            return f"is used by {_holder(port.number)}. Stop it, or set {port.variable} to another port."
        reason = error.strerror or str(error)
        return f"cannot be listened on at {port.host}: {reason}. Set {port.variable} to another port."
    return None


def _holder(number: int) -> str:
    with suppress(psutil.Error, OSError):
        for connection in psutil.net_connections("tcp"):
            listening = connection.status == psutil.CONN_LISTEN and connection.laddr[1:] == (number,)
            if listening and connection.pid is not None:
                name = psutil.Process(connection.pid).name()
                return f"{name} (pid {connection.pid})"
    return "a process that cannot be seen from here (another user's?)"
