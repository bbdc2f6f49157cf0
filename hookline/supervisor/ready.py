"""Readiness probes of starting processes."""

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import psutil

_TIMEOUT_SECONDS = 3.0
READY_FILE = "HOOKLINE_READY_FILE"
TURN = "HOOKLINE_TURN_FD"


def wait_for_turn() -> bool:
    """
    Wait until what this process needs is there, as its supervisor knows; return False at once where there is none.

    Loading code takes seconds, and needs nobody: a process does so before.

    Raises:
        SystemExit: the supervisor is gone.
    """
    number = os.environ.pop(TURN, None)
    if number is None:
        return False
    with os.fdopen(int(number), "rb") as turn:
        if not turn.read(1):
            sys.exit(1)
    return True


def report_ready() -> None:
    """Report to the supervisor, in the file that it named, that this process is ready."""
    if path := os.environ.get(READY_FILE):
        draft = Path(f"{path}.{os.getpid()}")
        draft.write_text(_identity(psutil.Process()))
        draft.replace(path)


def file_ready(path: Path) -> Callable[[], Awaitable[bool]]:
    """Return a probe that is True while the process lives that reported itself ready in this file."""

    async def ask() -> bool:
        return _lives(path)

    return ask


def _lives(path: Path) -> bool:
    with suppress(OSError, ValueError, IndexError, psutil.Error):
        reported = path.read_text()
        process = psutil.Process(int(reported.split()[0]))
        return reported == _identity(process) and process.status() != psutil.STATUS_ZOMBIE
    return False


def _identity(process: psutil.Process) -> str:
    """Return the process id with its start time: another process may get the same id later."""
    return f"{process.pid} {process.create_time()}"


def http_ready(url: str) -> Callable[[], Awaitable[bool]]:
    """Return a probe that is True once `GET url` (http only) is answered 2xx."""
    parts = urlsplit(url)
    host, port = parts.hostname or "127.0.0.1", parts.port or 80
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    request = f"GET {target} HTTP/1.1\r\nHost: {parts.netloc}\r\nConnection: close\r\n\r\n".encode()

    async def ask() -> bool:
        with suppress(OSError, TimeoutError, asyncio.IncompleteReadError):
            async with asyncio.timeout(_TIMEOUT_SECONDS):
                reader, writer = await asyncio.open_connection(host, port)
                try:
                    writer.write(request)
                    answer = await reader.readexactly(12)
                    return answer.startswith((b"HTTP/1.1 2", b"HTTP/1.0 2"))
                finally:
                    writer.close()
                    with suppress(OSError):
                        await writer.wait_closed()
        return False

    return ask
