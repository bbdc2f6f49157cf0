"""The simulators on real sockets, and plain HTTP clients that are logged in."""

from collections.abc import AsyncIterator, Awaitable, Callable

import httpx
import pytest

from hookline.simulators import Sandbox, running


@pytest.fixture(scope="session")
async def started() -> AsyncIterator[Sandbox]:
    async with running() as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(started: Sandbox) -> Sandbox:
    """The sandbox as if just started."""
    started.reset()
    return started


@pytest.fixture
async def jiwa(sandbox: Sandbox) -> AsyncIterator[httpx.AsyncClient]:
    headers = {"Authorization": "Bearer sandbox-jiwa-key"}
    async with httpx.AsyncClient(base_url=sandbox.jiwa.url, headers=headers) as client:
        yield client


@pytest.fixture
async def zentitle(sandbox: Sandbox) -> AsyncIterator[httpx.AsyncClient]:
    headers = {"Authorization": "bearer 1234:sandbox-zentitle-key"}
    async with httpx.AsyncClient(base_url=sandbox.zentitle.url, headers=headers) as client:
        yield client


@pytest.fixture
async def sensorpro(sandbox: Sandbox) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=sandbox.sensorpro.url) as client:
        yield client


@pytest.fixture
async def token(sensorpro: httpx.AsyncClient) -> str:
    response = await sensorpro.post(
        "/auth/sys/signin",
        json={
            "Organization": "sandbox",
            "User": "api@sandbox.example",
            "Password": "sandbox-sensorpro-password",
        },
        headers={"x-apikey": "00000000-0000-4000-8000-00000000c0de"},
    )
    return response.json()["Token"]


def plain_client(url: str) -> httpx.AsyncClient:
    """A client that does not spend 50 ms on loading certificates, which no simulator has."""
    return httpx.AsyncClient(base_url=url, verify=False)


@pytest.fixture
async def jetadvice(sandbox: Sandbox) -> AsyncIterator[httpx.AsyncClient]:
    async with plain_client(sandbox.jetadvice.url) as client:
        login = await client.get("/login", auth=("api@sandbox.example", "sandbox-jetadvice-password"))
        client.headers["X-AuthKey"] = login.json()
        yield client


@pytest.fixture
async def jifeline(sandbox: Sandbox) -> AsyncIterator[httpx.AsyncClient]:
    form = {
        "grant_type": "client_credentials",
        "client_id": "sandbox-jifeline",
        "client_secret": "sandbox-jifeline-secret",
    }
    async with plain_client(sandbox.jifeline.url) as client:
        token = (await client.post("/oauth2/token", data=form)).json()["access_token"]
        client.headers["Authorization"] = f"Bearer {token}"
        yield client


@pytest.fixture
def ask(zentitle: httpx.AsyncClient) -> Callable[..., Awaitable[object]]:
    """Calls a Zentitle controller, with the inputs in a JSON body for every verb."""

    async def call(verb: str, controller: str, **inputs: object) -> object:
        response = await zentitle.request(verb, f"/api/{controller}", json=inputs)
        assert 200 == response.status_code, response.text
        return response.json()

    return call
