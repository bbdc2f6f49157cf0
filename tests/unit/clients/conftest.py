"""Clients that talk to a function instead of a network, and a clock for their sessions."""

import time
from uuid import uuid4

import httpx
import pytest
from clocks import set_clock
from pydantic import SecretStr

from hookline.clients.jiwa import JiwaClient, JiwaKey, JiwaUser
from hookline.clients.sensorpro import SensorproClient, SensorproUser
from hookline.clients.zentitle import ZentitleClient, ZentitleKey

AUTHS = {
    "jiwa": (JiwaClient, lambda secret: JiwaKey(SecretStr(secret))),
    "jiwa_user": (JiwaClient, lambda secret: JiwaUser("api", SecretStr(secret))),
    "zentitle": (ZentitleClient, lambda secret: ZentitleKey("1234", SecretStr(secret))),
    "sensorpro": (
        SensorproClient,
        lambda secret: SensorproUser("org", "user", SecretStr(secret), SecretStr("the-api-key-of-all")),
    ),
}


@pytest.fixture
def client_for():
    """Makes a client whose requests are answered by a function."""

    def make(kind, answer, secret="the-secret-key", root=None, **options):
        client, auth = AUTHS[kind]
        root = (
            root or f"https://{uuid4().hex}.example"
        )  # sessions are shared: an address of its own for each test
        return client(root, auth(secret), transport=httpx.MockTransport(answer), **options)

    return make


@pytest.fixture
def clock(monkeypatch):
    """The time, which a test may move on."""
    start = time.monotonic()
    passed = [0.0]
    set_clock(monkeypatch, "hookline.clients.auth", lambda: start + passed[0])
    return passed
