"""The sandbox as a server: ports, signals, and an end without leftovers."""

import asyncio
import random
import re
import signal
import socket
import sys

import httpx
import pytest

from hookline.errors import HooklineError
from hookline.simulators import Sandbox, running
from hookline.simulators.dialect import Dialect
from hookline.simulators.jiwa import JiwaSimulator

VENDORS = ["jiwa", "zentitle", "sensorpro", "jetadvice", "jifeline", "http"]


def free_ports():
    """As many free ports in a row as there are vendors, below those that other connections are given."""
    while True:
        port = random.randrange(20_000, 32_000)
        try:
            for offset in range(len(VENDORS)):
                with socket.socket() as probe:
                    probe.bind(("127.0.0.1", port + offset))
        except OSError:
            continue
        return port


async def test_a_port_that_is_taken_is_named_with_its_vendor():
    port = free_ports()
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", port + 1))
        holder.listen()

        with pytest.raises(HooklineError, match=f"zentitle.*port {port + 1}"):
            async with running(port):
                pass


async def test_after_a_failed_start_the_other_ports_are_free_again():
    port = free_ports()
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", port + 2))
        holder.listen()
        with pytest.raises(HooklineError):
            async with running(port):
                pass

    async with running(port) as sandbox:
        urls = [simulator.url for simulator in sandbox]

    assert [f"http://127.0.0.1:{port + offset}" for offset in range(len(VENDORS))] == urls


async def test_an_application_sees_each_request_s_header_names_as_they_were_sent():
    """Also when the requests share a connection, where the next one waits behind the last."""
    names = ["X-AuthKey", "x-authkey", "X-AUTHKEY", "X-AuthKey"]
    async with running() as sandbox, httpx.AsyncClient(base_url=sandbox.jetadvice.url) as client:
        login = await client.get("/login", auth=("api@sandbox.example", "sandbox-jetadvice-password"))
        requests = [f"GET /tags HTTP/1.1\r\nHost: sandbox\r\n{name}: {login.json()}\r\n" for name in names]
        reader, writer = await asyncio.open_connection(client.base_url.host, client.base_url.port)
        writer.write(("\r\n".join(requests) + "Connection: close\r\n\r\n").encode())
        answers = (await reader.read()).decode()
        writer.close()
        await writer.wait_closed()

    assert ["200", "403", "403", "200"] == re.findall(r"HTTP/1.1 (\d+)", answers)


async def test_a_simulator_can_be_given_with_its_own_settings():
    short = Sandbox(jiwa=JiwaSimulator(session_seconds=-1))
    async with running(sandbox=short) as sandbox, httpx.AsyncClient(base_url=sandbox.jiwa.url) as client:
        login = {"username": "api", "password": "sandbox-jiwa-password"}
        session = (await client.post("/auth", json=login)).json()["SessionId"]
        response = await client.get("/KeepAlive", headers={"X-ss-id": session})

    assert 401 == response.status_code


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
async def test_served_in_the_foreground_it_ends_cleanly_at_a_signal(stop):
    port = free_ports()
    code = f"import asyncio; from hookline.simulators import serve; asyncio.run(serve({port}))"
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-W",
        "error",
        "-c",
        code,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with httpx.AsyncClient(transport=httpx.AsyncHTTPTransport(retries=0)) as client:
        vendors = [await health(client, port + offset) for offset in range(len(VENDORS))]
        process.send_signal(stop)
        output, _ = await process.communicate()

    assert VENDORS == vendors
    assert (0, b"") == (process.returncode, output)


async def health(client, port):
    """The vendor on a port, once it answers."""
    for _ in range(600):
        try:
            return (await client.get(f"http://127.0.0.1:{port}/healthz")).json()["vendor"]
        except httpx.ConnectError:
            await asyncio.sleep(0.05)
    raise AssertionError(f"nothing answers on {port}")


async def test_a_sandbox_speaks_its_dialect_after_a_reset_too():
    sandbox = Sandbox()
    sandbox.speak(7)

    sandbox.jiwa.dialect.speak({"empty-lists": "empty"})
    sandbox.reset()

    assert [7] * len(VENDORS) == [simulator.dialect.seed for simulator in sandbox]
    assert Dialect("jiwa", 7).spoken == sandbox.jiwa.dialect.spoken != Dialect("jiwa").spoken
