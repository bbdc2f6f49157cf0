"""
The last fence of a process that rehearses: a flow opens no connection and starts no program.

Flows may use any library, and not all that they do goes through a vendor's client. Python reports each connection and
each program to an audit hook, before it is made. That is no prison: code that wants to get around it can.
"""

import os
import socket
import sys
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from multiprocessing.util import get_temp_dir
from typing import Any, Final, TypeAlias
from urllib.parse import parse_qsl, urlsplit

CONNECTIONS: Final = frozenset({"socket.connect", "socket.sendto", "socket.sendmsg"})
PROGRAMS: Final = frozenset(
    {"subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork"}
)

Address: TypeAlias = str | tuple[Any, ...]
"""The path of a socket, or a host and a port."""

_open: ContextVar[bool] = ContextVar("hookline_rehearsal_open", default=False)
_in_flow: ContextVar[bool] = ContextVar("hookline_rehearsal_in_flow", default=False)


@contextmanager
def opened() -> Iterator[None]:
    """Let connections be made within: for what is Hookline's own, and reads that a person allowed."""
    token = _open.set(True)
    try:
        yield
    finally:
        _open.reset(token)


@contextmanager
def in_flow() -> Iterator[None]:
    """Let no program be started within."""
    tokens = _in_flow.set(True), _open.set(False)
    try:
        yield
    finally:
        _in_flow.reset(tokens[0])
        _open.reset(tokens[1])


def guard(addresses: Collection[Address], refuse: Callable[[str], Exception]) -> None:
    """
    Fence this process in until it ends.

    Args:
        addresses: what may be reached by all: the Prefect server here, and the databases.
        refuse: makes the error of what is tried all the same, from words that say what it is.
    """
    own_processes = f"{get_temp_dir()}{os.sep}"  # those of `hookline.confined`

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event in CONNECTIONS:
            address = _address(arguments)
            if _open.get() or address is None or address in addresses:
                return
            if not str(address).startswith(own_processes):
                raise refuse(f"a connection to {_in_words(address)}")
        elif event in PROGRAMS and _in_flow.get():
            raise refuse("a program that it starts")

    sys.addaudithook(hook)


def addresses_of(url: str) -> set[Address]:
    """Return the addresses of a server by its URL; of one that nobody knows, none."""
    parts = urlsplit(url)
    query = dict(parse_qsl(parts.query))
    host, port = parts.hostname or query.get("host", "localhost"), parts.port or int(query.get("port", 5432))
    if host.startswith("/"):
        return {f"{host}/.s.PGSQL.{port}"}
    with suppress(OSError):
        return {found[4][:2] for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)}
    return set()


def _address(arguments: tuple[Any, ...]) -> Address | None:
    """Return where a connection leads; None: it is connected, which was asked about before."""
    match arguments[1] if len(arguments) > 1 else None:
        case str() | bytes() as path:
            return os.fsdecode(path)
        case (host, port, *_):
            return host, port
        case _:
            return None


def _in_words(address: Address) -> str:
    return address if isinstance(address, str) else f"{address[0]}, port {address[1]}"
