"""The gateway when it is too much: 503 and 429, each with when to come again, and never a 2xx that is not on disk."""

import asyncio
import hmac
from contextlib import contextmanager

import psutil
import pytest
from pydantic import SecretStr
from rows import bring

from hookline.gateway import writer
from hookline.health import pressure
from hookline.settings import Settings
from hookline.states import OPEN

KEY = "sandbox-secret-of-jiwa-1"
STANDARD = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
JSON = {"Content-Type": "application/json"}


@pytest.fixture(autouse=True)
def secrets(monkeypatch):
    monkeypatch.setenv("HOOKLINE_SECRET_JIWA", KEY)
    monkeypatch.setenv("HOOKLINE_SECRET_STANDARD", STANDARD)


async def to_jiwa(gateway, key=KEY, peer=None, **body):
    headers = {**JSON, "X-Hookline-Key": key} | ({"X-Forwarded-For": peer} if peer else {})
    return await gateway.post("/hooks/jiwa", json=body, headers=headers)


async def until_ready(gateway, status):
    while (answer := await gateway.get("/readyz")).status_code != status:
        await asyncio.sleep(0.05)
    return answer.json()["status"]


@contextmanager
def stopped(home):
    """PostgreSQL with all its processes stopped in mid-air, as if its machine hung."""
    [pid] = (home / "postgres").glob("*/postmaster.pid")
    server = psutil.Process(int(pid.read_text().split()[0]))
    processes = [server, *server.children()]
    for process in processes:
        process.suspend()
    try:
        yield
    finally:
        for process in processes:
            process.resume()


async def test_a_backlog_that_is_too_large_is_answered_503_until_it_is_worked_off(
    database, database_settings, serve
):
    async with serve(database_settings, max_backlog=3) as gateway:
        statuses = [(await to_jiwa(gateway, n=number)).status_code for number in range(4)]
        reason = await until_ready(gateway, 503)
        refused = await to_jiwa(gateway, n=5)
        await bring(database, "deliveries", "done")
        await until_ready(gateway, 200)
        taken = await to_jiwa(gateway, n=5)

    assert [202] * 4 == statuses
    assert "the backlog is too large" == reason
    assert (503, "5") == (refused.status_code, refused.headers["retry-after"])
    assert 202 == taken.status_code


@pytest.mark.parametrize("state", OPEN)
async def test_all_that_is_open_is_backlog(database, database_settings, serve, state):
    async with serve(database_settings) as gateway:
        await to_jiwa(gateway, n=1)
        await to_jiwa(gateway, n=2)
    await bring(database, "deliveries", state)

    async with serve(database_settings, max_backlog=1) as gateway:
        assert "the backlog is too large" == await until_ready(gateway, 503)


async def test_a_disk_that_is_nearly_full_is_answered_503(database, database_settings, serve):
    async with serve(database_settings, min_free_mb=1_000_000_000) as gateway:
        reason = await until_ready(gateway, 503)
        answer = await to_jiwa(gateway)

    assert "the disk is nearly full" == reason
    assert (503, "5") == (answer.status_code, answer.headers["retry-after"])
    assert 0 == await database.fetchval("SELECT count(*) FROM deliveries")


async def test_without_a_database_it_says_so_and_asks_to_come_again(tmp_path, serve):
    async with serve(Settings(home=tmp_path)) as gateway:
        answer = await to_jiwa(gateway)
        reason = await until_ready(gateway, 503)
        alive = await gateway.get("/healthz")

    assert (503, "5", 200) == (answer.status_code, answer.headers["retry-after"], alive.status_code)
    assert "the database is away" == reason


async def test_a_database_that_hangs_is_answered_503_and_nothing_is_lost_or_doubled(
    database, database_settings, serve, monkeypatch
):
    monkeypatch.setattr(writer, "DATABASE_SECONDS", 1)
    monkeypatch.setattr(pressure, "SILENT_SECONDS", 1)
    async with serve(database_settings) as gateway:
        before = (await to_jiwa(gateway, n=0)).json()
        with stopped(database_settings.home):
            waiting = await asyncio.gather(*(to_jiwa(gateway, n=number) for number in range(1, 40)))
            reason = await until_ready(gateway, 503)
            refused = await to_jiwa(gateway, n=99)
        await until_ready(gateway, 200)
        again = [await to_jiwa(gateway, n=number) for number in range(40)]

    assert {503} == {answer.status_code for answer in waiting}
    assert "the database" in reason
    assert 503 == refused.status_code
    assert {200, 202} >= {answer.status_code for answer in again}
    assert before["id"] == again[0].json()["id"]
    assert 40 == await database.fetchval("SELECT count(*) FROM deliveries")


async def test_what_arrives_at_the_same_time_is_kept_once_each(database, database_settings, serve):
    async with serve(database_settings) as gateway:
        answers = await asyncio.gather(*(to_jiwa(gateway, n=number % 40) for number in range(120)))

    assert [40, 80] == [sum(answer.status_code == status for answer in answers) for status in (202, 200)]
    ids = [answer.json()["id"] for answer in answers]
    assert 40 == len(set(ids)) == await database.fetchval("SELECT count(*) FROM deliveries")
    assert ids[:40] == ids[40:80] == ids[80:]
    assert 80 == await database.fetchval("SELECT sum(duplicates) FROM deliveries")


async def test_two_gateways_on_one_inbox_keep_each_delivery_once(database, database_settings, serve):
    async with serve(database_settings) as one, serve(database_settings) as other:
        answers = await asyncio.gather(
            *(to_jiwa(one, n=number) for number in range(100)),
            *(to_jiwa(other, n=number) for number in reversed(range(100))),
        )

    assert {200, 202} == {answer.status_code for answer in answers}
    assert 100 == sum(answer.status_code == 202 for answer in answers)
    assert 100 == await database.fetchval("SELECT count(*) FROM deliveries")


@pytest.fixture
async def behind_a_proxy(database, database_settings, serve, monkeypatch):
    """A gateway that believes this machine who asked it, and bears three failed proofs a minute."""
    monkeypatch.setenv("HOOKLINE_TRUSTED_PROXIES", "127.0.0.0/8, 10.0.0.0/8")
    trusted = Settings.from_environment().trusted_proxies
    async with serve(database_settings, trusted_proxies=trusted, max_failed_auth=3) as gateway:
        yield gateway


async def test_a_peer_that_fails_too_often_must_wait_and_no_other(behind_a_proxy):
    failed = [(await to_jiwa(behind_a_proxy, "wrong", "203.0.113.1")).status_code for _ in range(3)]
    late = await to_jiwa(behind_a_proxy, "wrong", "203.0.113.1")
    elsewhere = await to_jiwa(behind_a_proxy, "wrong", "203.0.113.2")

    assert [401] * 3 == failed
    assert 429 == late.status_code
    assert 0 < int(late.headers["retry-after"]) <= 61
    assert 401 == elsewhere.status_code


async def test_a_right_secret_is_let_in_whatever_others_of_its_address_do(behind_a_proxy):
    for _ in range(4):
        await to_jiwa(behind_a_proxy, "wrong", "203.0.113.1")

    assert 202 == (await to_jiwa(behind_a_proxy, KEY, "203.0.113.1")).status_code


async def test_forgeries_to_one_source_do_not_close_the_others(behind_a_proxy):
    for _ in range(5):
        await behind_a_proxy.post("/hooks/standard", json={}, headers={"X-Forwarded-For": "203.0.113.1"})
    closed = await behind_a_proxy.post("/hooks/standard", json={}, headers={"X-Forwarded-For": "203.0.113.1"})

    assert 429 == closed.status_code
    assert 401 == (await to_jiwa(behind_a_proxy, "wrong", "203.0.113.1")).status_code
    assert 202 == (await to_jiwa(behind_a_proxy, KEY, "203.0.113.1")).status_code


async def test_a_body_that_breaks_off_without_a_proof_is_a_failed_proof(behind_a_proxy):
    for _ in range(3):
        _, writer = await asyncio.open_connection(behind_a_proxy.base_url.host, behind_a_proxy.base_url.port)
        head = ["POST /hooks/standard HTTP/1.1", "X-Forwarded-For: 203.0.113.1", "Content-Length: 9", "", "{"]
        writer.write("\r\n".join(head).encode())
        await writer.drain()
        await asyncio.sleep(0.1)
        writer.close()
        await writer.wait_closed()
    await asyncio.sleep(0.1)
    late = await behind_a_proxy.post("/hooks/standard", json={}, headers={"X-Forwarded-For": "203.0.113.1"})

    assert 429 == late.status_code


async def hold(gateway, size):
    """Begin a body of this size that proves nothing yet, and send all but its last byte."""
    reader, writer = await asyncio.open_connection(
        gateway.base_url.host, gateway.base_url.port, local_addr=("127.0.0.9", 0)
    )
    writer.write(f"POST /hooks/large HTTP/1.1\r\nContent-Length: {size + 1}\r\n\r\n".encode() + b"x" * size)
    await writer.drain()
    return reader, writer


async def test_bodies_of_strangers_are_held_up_to_a_limit_and_others_get_in(
    database, database_settings, serve, tmp_path, monkeypatch
):
    hooks = tmp_path / "hooks.yaml"
    hooks.write_text(
        "sources: {large: {scheme: hmac, header: X-S, max_body: 400000}, jiwa: {scheme: shared-secret, max_body: 1000}}"
    )
    monkeypatch.setenv("HOOKLINE_SECRET_LARGE", "another-secret-of-another")
    before = psutil.Process().memory_info().rss
    async with serve(database_settings, hooks=hooks, max_unproven_mb=1, send_seconds=30) as gateway:
        held = [await hold(gateway, 390_000) for _ in range(20)]
        await asyncio.sleep(0.5)
        grown = psutil.Process().memory_info().rss - before
        answers = [asyncio.create_task(reader.readline()) for reader, _ in held]
        refused, waiting = await asyncio.wait(answers, timeout=5)
        taken = await to_jiwa(gateway, n=1)
        body = b'{"n": "' + b"x" * 350_000 + b'"}'
        signature = hmac.new(b"another-secret-of-another", body, "sha256").hexdigest()
        signed = await gateway.post("/hooks/large", content=body, headers={**JSON, "X-S": signature})
        for _, writer in held:
            writer.close()
        await asyncio.gather(*waiting, return_exceptions=True)

    assert {b"HTTP/1.1 503 Service Unavailable\r\n"} == {answer.result() for answer in refused}
    assert len(waiting) <= 1  # of this address, no more than one such body is held
    assert (202, 202) == (taken.status_code, signed.status_code)
    assert grown < 20_000_000


async def test_a_body_of_a_peer_that_failed_too_often_is_not_waited_for(behind_a_proxy):
    for _ in range(3):
        await behind_a_proxy.post("/hooks/standard", json={}, headers={"X-Forwarded-For": "203.0.113.1"})
    reader, writer = await asyncio.open_connection(behind_a_proxy.base_url.host, behind_a_proxy.base_url.port)
    head = ["POST /hooks/standard HTTP/1.1", "X-Forwarded-For: 203.0.113.1", "Content-Length: 9", "", ""]
    writer.write("\r\n".join(head).encode())
    status = await reader.readline()
    writer.close()

    assert status.startswith(b"HTTP/1.1 429 ")


async def test_a_network_of_ipv6_is_one_peer(behind_a_proxy):
    for number in range(3):
        await to_jiwa(behind_a_proxy, "wrong", f"2001:db8::{number}")

    assert 429 == (await to_jiwa(behind_a_proxy, "wrong", "2001:db8::ffff")).status_code
    assert 401 == (await to_jiwa(behind_a_proxy, "wrong", "2001:db8:0:1::1")).status_code


async def test_what_a_stranger_says_of_its_address_is_not_believed(database, database_settings, serve):
    async with serve(database_settings, max_failed_auth=3) as gateway:
        statuses = [
            (await to_jiwa(gateway, "wrong", f"203.0.113.{number}")).status_code for number in range(4)
        ]

    assert [401, 401, 401, 429] == statuses


async def test_metrics_are_for_this_machine_unless_there_is_a_token(behind_a_proxy):
    statuses = [
        (await behind_a_proxy.get("/metrics", headers=headers)).status_code
        for headers in ({}, {"X-Forwarded-For": "203.0.113.1"}, {"X-Forwarded-For": "nonsense"})
    ]

    assert [200, 404, 200] == statuses


async def test_with_a_token_metrics_need_it(database, database_settings, serve):
    token = SecretStr("a-token-for-prometheus")
    async with serve(database_settings, metrics_token=token) as gateway:
        statuses = [
            (await gateway.get("/metrics", headers={"Authorization": given})).status_code
            for given in ("Bearer a-token-for-prometheus", "Bearer wrong", "a-token-for-prometheus", "")
        ]

    assert [200, 404, 404, 404] == statuses


async def test_no_name_of_a_stranger_becomes_a_label(database, database_settings, serve):
    async with serve(database_settings) as gateway:
        await gateway.post("/hooks/made-up-by-a-stranger", json={})
        told = (await gateway.get("/metrics")).text

    assert 'hookline_requests_total{source="unknown",status="404"}' in told
    assert "made-up-by-a-stranger" not in told


async def test_metrics_count_what_is_open_by_source_and_state(database, database_settings, serve):
    async with serve(database_settings) as gateway:
        await to_jiwa(gateway, n=1)
        await to_jiwa(gateway, n=2)
        await database.execute(
            "UPDATE deliveries SET state = 'failed' WHERE seq = (SELECT min(seq) FROM deliveries)"
        )
        told = (await gateway.get("/metrics")).text

    assert 'hookline_deliveries{source="jiwa",state="received"} 1.0' in told
    assert 'hookline_deliveries{source="jiwa",state="failed"} 1.0' in told
    assert 'hookline_ack_seconds_count{source="jiwa"}' in told
    assert "hookline_effects_uncertain 0.0" in told
