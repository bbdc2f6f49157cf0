"""A gateway that ends answers what a sender has begun to send."""

import asyncio
import socket
from contextlib import suppress

import pytest

from hookline.gateway.server import server
from hookline.settings import Settings

REQUEST = b"GET / HTTP/1.1\r\nHost: here\r\n\r\n"


async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        while (await receive())["type"] != "lifespan.shutdown":
            await send({"type": "lifespan.startup.complete"})
        await send({"type": "lifespan.shutdown.complete"})
    else:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})


@pytest.fixture
async def running():
    """A server on a free port."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        ours = server(app, Settings())
        serving = asyncio.create_task(ours.serve([listening]))
        while not ours.started:
            await asyncio.sleep(0.01)
        yield ours, listening.getsockname()
        ours.should_exit = True
        await serving


@pytest.fixture
async def connected(running):
    """The server, and a connection that it has taken."""
    ours, address = running
    reader, writer = await asyncio.open_connection(*address)
    while not ours.server_state.connections:
        await asyncio.sleep(0.01)
    yield ours, reader, writer
    writer.close()


@pytest.mark.parametrize("begun", [0, 10], ids=["nothing", "half a head"])
async def test_what_comes_on_a_connection_that_was_taken_before_the_end_is_answered(connected, begun):
    ours, reader, writer = connected
    writer.write(REQUEST[:begun])
    await asyncio.sleep(0.1)

    ours.should_exit = True
    await asyncio.sleep(0.3)
    writer.write(REQUEST[begun:])
    answer = await reader.read()

    assert answer.startswith(b"HTTP/1.1 200")
    assert b"connection: close" in answer


async def test_a_connection_on_which_nothing_comes_is_closed_at_the_end(connected):
    ours, reader, _ = connected

    ours.should_exit = True
    with suppress(ConnectionResetError):
        assert b"" == await reader.read()

    assert not ours.server_state.connections
