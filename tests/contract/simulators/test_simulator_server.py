"""The sandbox as a server: ports, signals, and an end without leftovers."""

import asyncio
import signal
import socket
import sys

import httpx
import pytest

from hookline.errors import HooklineError
from hookline.simulators import JiwaSimulator, Sandbox, running


def free_ports():
    """Three free ports in a row."""
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        try:
            for offset in range(3):
                with socket.socket() as probe:
                    probe.bind(("127.0.0.1", port + offset))
        except (OSError, OverflowError):
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

    assert [f"http://127.0.0.1:{port + offset}" for offset in range(3)] == urls


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
        vendors = [await health(client, port + offset) for offset in range(3)]
        process.send_signal(stop)
        output, _ = await process.communicate()

    assert ["jiwa", "zentitle", "sensorpro"] == vendors
    assert (0, b"") == (process.returncode, output)


async def health(client, port):
    """The vendor on a port, once it answers."""
    for _ in range(600):
        try:
            return (await client.get(f"http://127.0.0.1:{port}/healthz")).json()["vendor"]
        except httpx.ConnectError:
            await asyncio.sleep(0.05)
    raise AssertionError(f"nothing answers on {port}")
