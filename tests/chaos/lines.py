"""
The network of one engine, which can be cut: its ways to PostgreSQL, Prefect and the vendors lead through here.

A line that is cut is half open. Nothing is refused and nothing is closed; what is sent is not answered, until the line
is whole again and all of it arrives. No right of root is needed, so it runs everywhere.
"""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

from hookline.database.embedded import socket_dir
from hookline.sandbox.stack import SandboxStack
from hookline.settings import VENDORS

CHUNK = 65_536
SOCKET = ".s.PGSQL.5432"
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Lines:
    """The lines of one engine, whole or cut, all at once."""

    def __init__(self) -> None:
        self._whole = asyncio.Event()
        self._whole.set()
        self.environment: dict[str, str] = {}
        """What sends a process through them."""

    @classmethod
    @asynccontextmanager
    async def open(cls, sandbox: SandboxStack) -> AsyncIterator["Lines"]:
        """Lines to everything that an engine talks to."""
        lines = cls()
        async with AsyncExitStack() as stack:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="lines-"))
            database = str(socket_dir(sandbox.settings.home) / SOCKET)
            server = await asyncio.start_unix_server(
                lines._joined(lambda: asyncio.open_unix_connection(database)), Path(folder) / SOCKET
            )
            await stack.enter_async_context(server)
            url = f"postgresql://postgres@/hookline?host={folder}&port=5432"
            lines.environment = {"HOOKLINE_DATABASE_URL": url}
            addresses = {f"{vendor.upper()}_BASE_URL": sandbox.simulator(vendor) for vendor in VENDORS}
            for name, address in (addresses | {"PREFECT_API_URL": sandbox.settings.prefect_api_url}).items():
                lines.environment[name] = await lines._line(stack, address)
            yield lines

    @asynccontextmanager
    async def cut(self) -> AsyncIterator[None]:
        """Within, nothing comes through."""
        self._whole.clear()
        try:
            yield
        finally:
            self._whole.set()

    async def _line(self, stack: AsyncExitStack, address: str) -> str:
        """Another address for the same."""
        to = urlsplit(address)
        server = await asyncio.start_server(
            self._joined(lambda: asyncio.open_connection(to.hostname, to.port)), "127.0.0.1", 0
        )
        await stack.enter_async_context(server)
        return f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}{to.path}"

    def _joined(self, connect: Callable[[], Awaitable[Streams]]) -> Callable[..., Awaitable[None]]:
        async def join(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            # asyncio of Python 3.11 logs it as an error where a connection is closed by cancelling this.
            with suppress(asyncio.CancelledError):
                await self._whole.wait()
                try:
                    there, back = await connect()
                except OSError:
                    writer.transport.abort()
                    return
                await asyncio.gather(self._pump(reader, back), self._pump(there, writer))

        return join

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while chunk := await reader.read(CHUNK):
                await self._whole.wait()
                writer.write(chunk)
                await writer.drain()
        await self._whole.wait()
        writer.close()
