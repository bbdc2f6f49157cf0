"""The simulators, started once on real sockets and set back before each test; and clients for them."""

from contextlib import AsyncExitStack
from types import SimpleNamespace

import pytest
from pydantic import SecretStr

from hookline.clients.jetadvice import JetadviceClient, JetadviceUser
from hookline.clients.jifeline import JifelineApp, JifelineClient
from hookline.clients.jiwa import JiwaClient, JiwaKey, JiwaUser
from hookline.clients.sensorpro import SensorproClient, SensorproUser
from hookline.clients.zentitle import ZentitleClient, ZentitleKey
from hookline.simulators.server import running

PRO = "6453300110"  # a product of the simulator


@pytest.fixture(scope="session")
async def simulators(dialect):
    async with running() as sandbox:
        sandbox.speak(dialect)
        yield sandbox


@pytest.fixture
def sandbox(simulators):
    simulators.reset()
    return simulators


def jiwa_by_key(sandbox, key="sandbox-jiwa-key", **options):
    return JiwaClient(sandbox.jiwa.url, JiwaKey(SecretStr(key)), **options)


def jiwa_by_user(sandbox, password="sandbox-jiwa-password", **options):
    return JiwaClient(sandbox.jiwa.url, JiwaUser("api", SecretStr(password)), **options)


def zentitle_by_key(sandbox, key="sandbox-zentitle-key", kind=None, **options):
    return ZentitleClient(sandbox.zentitle.url, ZentitleKey("1234", SecretStr(key), kind), **options)


def sensorpro_by_user(sandbox, password="sandbox-sensorpro-password", form="sign_in", **options):
    api_key = SecretStr("00000000-0000-4000-8000-00000000c0de")
    user = SensorproUser("sandbox", "api@sandbox.example", SecretStr(password), api_key, form)
    return SensorproClient(sandbox.sensorpro.url, user, **options)


def jetadvice_by_user(sandbox, name="api@sandbox.example", password="sandbox-jetadvice-password"):
    return JetadviceClient(sandbox.jetadvice.url, JetadviceUser(name, SecretStr(password)))


def jifeline_by_app(sandbox, password="sandbox-jifeline-secret", **options):
    return JifelineClient(
        sandbox.jifeline.url, JifelineApp("sandbox-jifeline", SecretStr(password), **options)
    )


@pytest.fixture
def clients():
    """Ways to make a client, for tests that want more than the usual one."""
    return SimpleNamespace(
        jiwa_by_key=jiwa_by_key,
        jiwa_by_user=jiwa_by_user,
        zentitle=zentitle_by_key,
        sensorpro=sensorpro_by_user,
        jetadvice=jetadvice_by_user,
        jifeline=jifeline_by_app,
    )


@pytest.fixture
async def jiwa(sandbox):
    async with jiwa_by_key(sandbox) as client:
        yield client


@pytest.fixture
async def zentitle(sandbox):
    async with zentitle_by_key(sandbox) as client:
        yield client


@pytest.fixture
async def sensorpro(sandbox):
    async with sensorpro_by_user(sandbox) as client:
        yield client


@pytest.fixture
async def jetadvice(sandbox):
    async with jetadvice_by_user(sandbox) as client:
        yield client


@pytest.fixture
async def jifeline(sandbox):
    async with jifeline_by_app(sandbox) as client:
        yield client


@pytest.fixture
async def open_clients():
    """Enters clients and closes them after the test."""
    async with AsyncExitStack() as stack:
        yield stack.enter_async_context
