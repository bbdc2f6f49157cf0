"""Clients in one engine share their connections; elsewhere each has its own."""

import asyncio

import pytest
from pydantic import SecretStr

from hookline.clients import SharedConnections
from hookline.clients import transport as transport_module
from hookline.clients.zentitle import ZentitleClient, ZentitleKey

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n[]"


class Vendor:
    """Answers every request with an empty list, and counts the connections that it got."""

    def __init__(self):
        self.connections = 0
        self.open = 0
        self.url = ""

    async def serve(self, reader, writer):
        self.connections += 1
        self.open += 1
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                writer.write(ANSWER)
        finally:
            self.open -= 1

    def client(self):
        return ZentitleClient(self.url, ZentitleKey("1", SecretStr("key")))

    async def ask(self):
        async with self.client() as client:
            await client.list_products()


@pytest.fixture
async def vendor():
    vendor = Vendor()

    async def serve(reader, writer):
        try:
            await vendor.serve(reader, writer)
        except asyncio.IncompleteReadError:
            writer.close()
            await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1")
    vendor.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server:
        yield vendor


async def test_clients_of_one_address_send_over_one_connection(vendor):
    async with SharedConnections():
        for _ in range(3):
            await vendor.ask()

    assert 1 == vendor.connections


async def test_a_connection_that_was_idle_for_long_is_not_used_again(vendor, monkeypatch):
    monkeypatch.setattr(transport_module, "IDLE_SECONDS", 0.05)
    async with SharedConnections():
        await vendor.ask()
        await asyncio.sleep(0.1)
        await vendor.ask()

    assert 2 == vendor.connections


async def test_clients_that_are_open_together_have_each_their_own_and_leave_them_to_the_next(vendor):
    async with SharedConnections():
        for _ in range(2):
            await asyncio.gather(*(vendor.ask() for _ in range(3)))

    assert 3 == vendor.connections


async def test_connections_that_nobody_needs_any_more_are_closed(vendor, monkeypatch):
    monkeypatch.setattr(transport_module, "IDLE_SECONDS", 0.05)
    async with SharedConnections():
        await asyncio.gather(*(vendor.ask() for _ in range(3)))
        await asyncio.sleep(0.1)
        await vendor.ask()
        await asyncio.sleep(0.1)

        assert 1 == vendor.open


async def test_a_client_that_outlives_the_sharing_closes_its_own(vendor):
    client = vendor.client()
    async with SharedConnections():
        await client.__aenter__()
        await client.list_products()
    await client.list_products()
    await client.__aexit__()
    await asyncio.sleep(0.1)

    assert (1, 0) == (vendor.connections, vendor.open)


async def test_where_nothing_is_shared_each_client_has_its_own_and_closes_it(vendor):
    for _ in range(2):
        await vendor.ask()

    assert 2 == vendor.connections
