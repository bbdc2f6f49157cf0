"""Run the simulators: in the foreground for the demo, embedded for tests."""

import asyncio
import signal
import socket
import struct
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from typing import Any, Final, TypeVar

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from hookline.errors import HooklineError
from hookline.simulators.control import ABORT, SENT_HEADERS, Simulator
from hookline.vendors import Parts, report, sandbox_ports

S = TypeVar("S", bound=Simulator)

KEEP_ALIVE_SECONDS = 120
"""Longer than any pooled client keeps an idle connection, so that none is closed under a request."""

HARD_RESET = struct.pack("ii", 1, 0)
"""SO_LINGER on, for no time: closing sends RST, which no client can take for a polite end."""


SIMULATORS: Final[Mapping[str, type[Simulator]]] = Parts("simulator")
"""The stand-in for each vendor that has one."""


class Sandbox:
    """
    The simulators of one sandbox, by vendor; ports in this order, one after another.

    Args:
        simulators: those to use, by vendor, in place of new ones.
    """

    def __init__(self, **simulators: Simulator) -> None:
        self.simulators: dict[str, Simulator] = {}
        for vendor, simulator in SIMULATORS.items():
            try:
                self.simulators[vendor] = simulators.get(vendor) or simulator()
            except Exception as error:  # noqa: BLE001  (one that cannot be made stops no other)
                report(vendor, "simulator", error)

    def __getattr__(self, vendor: str) -> Any:
        try:
            return self.__dict__["simulators"][vendor]
        except KeyError:
            raise AttributeError(vendor) from None

    def __iter__(self) -> Iterator[Simulator]:
        return iter(self.simulators.values())

    def speak(self, seed: int) -> None:
        """Speak the dialect that a seed draws, all of them; 0: what is likeliest."""
        for simulator in self:
            simulator.speak(seed)

    def reset(self) -> None:
        """Return to the seed data, all of them."""
        for simulator in self:
            simulator.reset()


async def serve(
    port: int,
    host: str = "127.0.0.1",
    *,
    dialect: int = 0,
    on_ready: Callable[[Sandbox], None] = lambda _sandbox: None,
) -> None:
    """
    Run the vendors' simulators on `port` and the next ones, until SIGTERM or SIGINT.

    Args:
        port: the first port.
        host: the address to listen on.
        dialect: the seed of the dialect that they speak; 0: what is likeliest.
        on_ready: called once all of them answer.

    Raises:
        HooklineError: a port is taken; names vendor and port.
    """
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    signals = (signal.SIGTERM, signal.SIGINT)
    for each in signals:
        loop.add_signal_handler(each, stopped.set)
    try:
        sandbox = Sandbox()
        sandbox.speak(dialect)
        async with running(port, host, sandbox=sandbox):
            on_ready(sandbox)
            await stopped.wait()
    finally:
        for each in signals:
            loop.remove_signal_handler(each)


@asynccontextmanager
async def running(
    port: int = 0, host: str = "127.0.0.1", *, sandbox: Sandbox | None = None
) -> AsyncIterator[Sandbox]:
    """
    Run the simulators in this event loop; on free ports unless one is named.

    Raises:
        HooklineError: a port is taken; names vendor and port.
    """
    sandbox = sandbox or Sandbox()
    async with AsyncExitStack() as stack:
        listeners = []
        # Every port is taken before anything answers: a half-started sandbox would be worse than none.
        ports = sandbox_ports(port)
        for simulator in sandbox:
            listeners.append(_listen(simulator, host, ports[simulator.vendor] if port else 0))
            stack.callback(listeners[-1].close)
        servers: list[_Server] = []
        stack.push_async_callback(_stop, servers)
        for simulator, listener in zip(sandbox, listeners, strict=True):
            simulator.url = _url(listener)
            servers.append(await _started(simulator, listener))
            # Entered after its server, so that it closes first and releases the calls that wait in it.
            await stack.enter_async_context(simulator)
        yield sandbox


@asynccontextmanager
async def serving(simulator: S, host: str = "127.0.0.1") -> AsyncIterator[S]:
    """Run one simulator in this event loop, on a free port."""
    async with AsyncExitStack() as stack:
        listener = _listen(simulator, host, 0)
        stack.callback(listener.close)
        simulator.url = _url(listener)
        servers: list[_Server] = []
        stack.push_async_callback(_stop, servers)
        servers.append(await _started(simulator, listener))
        await stack.enter_async_context(simulator)
        yield simulator


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _listen(simulator: Simulator, host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio sets TCP_NODELAY only where the protocol is named; without it each answer takes 40 ms.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen()
    except (OSError, OverflowError) as error:
        listener.close()
        raise HooklineError(
            f"The {simulator.vendor} simulator cannot listen on {host}, port {port}: {error}. "
            "Stop what uses the port, or set HOOKLINE_SANDBOX_PORT to another."
        ) from error
    return listener


async def _started(simulator: Simulator, listener: socket.socket) -> "_Server":
    server = _Server(
        uvicorn.Config(
            simulator,
            http=AbortableProtocol,
            ws="none",
            lifespan="off",
            log_config=None,  # the process that embeds us has its own
            server_header=False,
            date_header=True,  # by it a client knows how far its clock is off
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=5,
        )
    )
    server.task = asyncio.create_task(server.serve(sockets=[listener]))
    while not (server.started or server.task.done()):
        await asyncio.sleep(0)
    return server


async def _stop(servers: list["_Server"]) -> None:
    for server in servers:
        server.should_exit = True
    await asyncio.gather(*(server.task for server in servers))


class _Server(uvicorn.Server):
    """A server that leaves the process's signals to its host."""

    task: asyncio.Task[None]

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield


class AbortableProtocol(HttpToolsProtocol):
    """
    Uvicorn's HTTP/1.1, with two ASGI extensions.

    By one the application breaks its connection, by the other it sees the case of the headers' names.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # Here and not in the configuration, which would silence the whole process.
        self.access_log = False

    def on_message_begin(self) -> None:
        """Begin a request."""
        super().on_message_begin()
        self.sent_headers: list[tuple[bytes, bytes]] = []
        extensions: dict[str, Any] = {ABORT: self._abort, SENT_HEADERS: self.sent_headers}
        self.scope["extensions"] = extensions

    def on_header(self, name: bytes, value: bytes) -> None:
        """Store a header as it was sent; everybody else sees its name in lower case."""
        self.sent_headers.append((name, value))
        super().on_header(name, value)

    def _abort(self) -> None:
        self.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, HARD_RESET)
        self.transport.abort()
