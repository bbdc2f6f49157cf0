"""Readiness probes of starting processes."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import psutil

_PATIENCE = 3.0
READY_FILE = "HOOKLINE_READY_FILE"


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
        answer = await _exchange(lambda: asyncio.open_connection(host, port), request, 12)
        return answer.startswith((b"HTTP/1.1 2", b"HTTP/1.0 2"))

    return ask


def postgres_ready(socket: Path) -> Callable[[], Awaitable[bool]]:
    """A question that is True once the PostgreSQL behind this unix socket lets `postgres` in."""
    wish = b"user\0postgres\0database\0postgres\0\0"
    greeting = (len(wish) + 8).to_bytes(4) + (3 << 16).to_bytes(4) + wish
    bye = b"X\0\0\0\4"

    async def ask() -> bool:
        # A server that is starting or stopping answers E (an error), one that is up R (authentication).
        return await _exchange(lambda: asyncio.open_unix_connection(socket), greeting, 1, bye) == b"R"

    return ask


async def _exchange(
    connect: Callable[[], Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]],
    request: bytes,
    length: int,
    bye: bytes = b"",
) -> bytes:
    """The first bytes of the answer; none when there is no answer."""
    with suppress(OSError, TimeoutError, asyncio.IncompleteReadError):
        async with asyncio.timeout(_PATIENCE):
            reader, writer = await connect()
            try:
                writer.write(request)
                answer = await reader.readexactly(length)
                writer.write(bye)
                return answer
            finally:
                writer.close()
                with suppress(OSError):
                    await writer.wait_closed()
    return b""
