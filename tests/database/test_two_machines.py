"""What two Prefect servers have in common: their database, which one of them migrates, and a Redis."""

import base64
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from uuid import uuid4

import asyncpg
import httpx
import pytest
from pydantic import SecretStr

from hookline.database.connection import database_url
from hookline.health.servers import check_redis

SECONDS = 200
PASSWORD = "the-password-of-this-redis"
TOKEN = "the-admin-token-of-these-tests"
AUTH = "hookline:the-log-in-of-these-tests"

needs_redis = pytest.mark.skipif(shutil.which("redis-server") is None, reason="redis-server is not installed")


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


@contextmanager
def started(log, *command, **options):
    with log.open("ab") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, **options)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(30)
        process.kill()
        process.wait()


@contextmanager
def redis(folder, port, *words):
    folder.mkdir(exist_ok=True)
    words = [
        "--bind",
        "127.0.0.1",
        "--port",
        str(port),
        "--requirepass",
        PASSWORD,
        "--dir",
        str(folder),
        *words,
    ]
    with started(folder / "log", "redis-server", *words) as process:
        until(lambda: socket.create_connection(("127.0.0.1", port), 1).close(), folder / "log")
        yield process


def until(ask, log):
    deadline = time.monotonic() + SECONDS
    while True:
        try:
            return ask()
        except (OSError, httpx.HTTPError, AssertionError):
            if time.monotonic() > deadline:
                raise AssertionError(log.read_text(errors="replace")) from None
            time.sleep(0.2)


def redis_url(port):
    return f"redis://:{PASSWORD}@127.0.0.1:{port}/0"


# Prefect servers -------------------------------------------------------------------------------------------


@pytest.fixture
async def prefect_database(database_settings):
    """An empty database for Prefect; and one of its own for Hookline, with the name that goes with it."""
    name = f"machines_{uuid4().hex[:8]}"
    address, _, query = database_url(database_settings).partition("?")
    server = address.rpartition("/")[0]
    yield f"{server}/{name}?{query}"
    connection = await asyncpg.connect(f"{server}/postgres?{query}")
    for each in (name, f"{name}_prefect"):
        await connection.execute(f'DROP DATABASE IF EXISTS "{each}" WITH (FORCE)')
    await connection.close()


@needs_redis
async def test_two_prefect_servers_that_start_at_once_are_one(prefect_database, tmp_path):
    """
    One migrates and the other waits; a lease that one gives, the other knows; the services write what both report.

    One goes on without the other. Without Redis it is not ready, and all goes on when Redis is back.
    """
    redis_port, ports = free_port(), [free_port(), free_port()]
    shared = os.environ | {
        "HOOKLINE_DATABASE_URL": prefect_database,
        "HOOKLINE_PREFECT_REDIS_URL": redis_url(redis_port),
        "HOOKLINE_ADMIN_TOKEN": TOKEN,
        "PREFECT_SERVER_API_AUTH_STRING": AUTH,
        "PREFECT_SERVER_ENCRYPTION_KEY": base64.urlsafe_b64encode(bytes(32)).decode(),
        "PREFECT_API_URL": f"http://127.0.0.1:{ports[0]}/api",
    }
    logs = [tmp_path / f"prefect-{number}.log" for number in range(3)]

    def server(number, command):
        own = {
            "HOOKLINE_HOME": str(tmp_path / f"home-{number}"),
            "HOOKLINE_PREFECT_PORT": str(ports[number % 2]),
        }
        return started(logs[number], sys.executable, "-m", "hookline", command, env=shared | own)

    with (
        redis(tmp_path / "redis", redis_port, "--appendonly", "yes") as messages,
        server(0, "prefect"),
        server(1, "prefect") as second,
        server(2, "prefect-services"),
    ):
        log_in = httpx.BasicAuth(*AUTH.split(":"))
        first, other = (
            httpx.Client(base_url=f"http://127.0.0.1:{port}/api", auth=log_in, timeout=30) for port in ports
        )
        with first, other:
            for client, log in ((first, logs[0]), (other, logs[1])):
                until(lambda client=client: client.get("/ready").raise_for_status(), log)
            lease = lease_of(first)
            renewed = other.post(f"/v2/concurrency_limits/leases/{lease}/renew", json={"lease_duration": 60})
            number = str(uuid4())
            first.post("/events", json=[event(number)]).raise_for_status()
            until(lambda: seen(other, number), logs[2])
            second.kill()
            second.wait()
            alone = first.get("/ready").status_code
            messages.kill()
            messages.wait()
            without_redis = first.get("/ready").status_code
            with redis(tmp_path / "redis", redis_port, "--appendonly", "yes"):
                until(lambda: first.get("/ready").raise_for_status(), logs[0])
                number = str(uuid4())
                first.post("/events", json=[event(number)]).raise_for_status()
                until(lambda: seen(first, number), logs[2])

    assert (204, 200, 503) == (renewed.status_code, alone, without_redis)
    assert not [log for log in logs if "Traceback" in log.read_text() and "migrat" in log.read_text().lower()]


def lease_of(prefect):
    made = prefect.post("/v2/concurrency_limits/", json={"name": "shared", "limit": 1})
    assert made.is_success, made.text
    body = {"names": ["shared"], "slots": 1, "mode": "concurrency", "lease_duration": 60}
    given = prefect.post("/v2/concurrency_limits/increment-with-lease", json=body)
    assert given.is_success, given.text
    return given.json()["lease_id"]


def event(number):
    return {
        "occurred": "2026-01-01T00:00:00Z".replace("2026-01-01", time.strftime("%Y-%m-%d", time.gmtime())),
        "event": "machines.tried",
        "resource": {"prefect.resource.id": f"machines.{number}"},
        "id": number,
        "payload": {},
    }


def seen(prefect, number):
    asked = {"filter": {"id": {"id": [number]}}, "limit": 1}
    found = prefect.post("/events/filter", json=asked).raise_for_status().json()
    assert 1 == len(found["events"])


# Redis -----------------------------------------------------------------------------------------------------


@needs_redis
@pytest.mark.parametrize(
    ("words", "state", "detail"),
    [
        (("--appendonly", "yes"), "ok", "writes to disk"),
        (("--appendonly", "no"), "warning", "appendonly is off"),
        (
            ("--appendonly", "yes", "--maxmemory-policy", "allkeys-lru"),
            "warning",
            "maxmemory-policy allkeys-lru",
        ),
    ],
)
async def test_doctor_says_how_redis_is(database_settings, tmp_path, words, state, detail):
    port = free_port()
    settings = database_settings.model_copy(update={"prefect_redis_url": SecretStr(redis_url(port))})
    with redis(tmp_path / "redis", port, *words):
        [found] = await check_redis(settings)

    assert state == found.state
    assert detail in found.detail


@needs_redis
async def test_doctor_says_that_redis_is_away_or_refuses(database_settings, tmp_path):
    port = free_port()
    named = {"prefect_redis_url": SecretStr(redis_url(port))}
    [away] = await check_redis(database_settings.model_copy(update=named))
    with redis(tmp_path / "redis", port):
        wrong = {"prefect_redis_url": SecretStr(redis_url(port).replace(PASSWORD, "another"))}
        [refused] = await check_redis(database_settings.model_copy(update=wrong))

    assert ("problem", "problem") == (away.state, refused.state)
    assert f"127.0.0.1:{port} does not answer" in away.detail
    assert PASSWORD not in away.detail + refused.detail


async def test_with_one_prefect_server_doctor_asks_for_no_redis(database_settings):
    assert [] == await check_redis(database_settings)
