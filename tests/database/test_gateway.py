"""The gateway on a socket: what is believed is on disk before it is answered, what is not leaves nothing."""

import json
import time

import httpx
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from hookline.schemes.standard_webhooks import sign_standard_webhooks

KEY = "sandbox-secret-of-jiwa-1"
STANDARD = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
JSON = {"Content-Type": "application/json"}
ORDER = b'{"InvoiceID": "5244dd5e199749f4b6fe"}'


@pytest.fixture(scope="module")
async def gateway(database_settings, serve):
    patch = pytest.MonkeyPatch()
    patch.setenv("HOOKLINE_SECRET_JIWA", f"{KEY},the-older-secret-of-jiwa")
    patch.setenv("HOOKLINE_SECRET_STANDARD", STANDARD)
    async with serve(database_settings, max_failed_auth=100_000) as client:
        yield client
    patch.undo()


async def to_jiwa(gateway, body=ORDER, **headers):
    return await gateway.post("/hooks/jiwa", content=body, headers={**JSON, "X-Hookline-Key": KEY, **headers})


def signed(body, identifier="msg_1", at=None, secret=STANDARD):
    timestamp = str(int(time.time() if at is None else at))
    return {
        **JSON,
        "webhook-id": identifier,
        "webhook-timestamp": timestamp,
        "webhook-signature": f"v1,{sign_standard_webhooks(secret, identifier, timestamp, body)}",
    }


async def count(database):
    return await database.fetchval("SELECT count(*) FROM deliveries")


async def test_what_is_accepted_is_on_disk_as_it_came(gateway, database):
    answer = await to_jiwa(gateway)

    row = await database.fetchrow("SELECT id::text, body, source, headers FROM deliveries")
    assert (202, {"id": row["id"], "duplicate": False}) == (answer.status_code, answer.json())
    assert (ORDER, "jiwa") == (row["body"], row["source"])


async def test_a_repeat_is_answered_with_the_first_id(gateway, database):
    first = (await to_jiwa(gateway)).json()
    again = await to_jiwa(gateway)

    assert (200, {"id": first["id"], "duplicate": True}) == (again.status_code, again.json())
    assert 1 == await count(database)


async def test_both_secrets_of_a_rotation_are_taken_and_neither_is_kept(gateway, database):
    older = await to_jiwa(gateway, **{"X-Hookline-Key": "the-older-secret-of-jiwa"})

    kept = await database.fetchval("SELECT headers::text || encode(body, 'escape') FROM deliveries")
    assert 202 == older.status_code
    assert "the-older-secret-of-jiwa" not in kept
    assert "[redacted]" in kept


async def test_a_standard_webhook_is_known_by_its_own_id(gateway, database):
    first = await gateway.post("/hooks/standard", content=b'{"n": 1}', headers=signed(b'{"n": 1}'))
    again = await gateway.post(
        "/hooks/standard", content=b'{"n": 1}', headers=signed(b'{"n": 1}', at=time.time() - 9)
    )

    assert (202, 200) == (first.status_code, again.status_code)
    assert "msg_1" == await database.fetchval("SELECT external_id FROM deliveries")


@pytest.mark.parametrize(
    "headers",
    [
        {},
        signed(ORDER, at=time.time() - 3600),
        signed(ORDER, at=time.time() + 3600),
        signed(ORDER, secret="whsec_bm90LXRoZS1yaWdodC1zZWNyZXQtYXQtYWxs"),
        {**signed(ORDER), "webhook-id": "msg_2"},
        {**signed(ORDER), "webhook-timestamp": "soon"},
        {**signed(ORDER), "webhook-signature": "v1,nonsense v1 , v2,x"},
    ],
    ids=["none", "old", "future", "other secret", "other id", "no time", "garbled"],
)
async def test_a_wrong_proof_is_refused_and_nothing_is_kept(gateway, database, headers):
    answer = await gateway.post("/hooks/standard", content=ORDER, headers={**JSON, **headers})

    assert (401, 0) == (answer.status_code, await count(database))


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/hooks/nobody"),
        ("GET", "/hooks/jiwa"),
        ("PUT", "/hooks/jiwa"),
        ("POST", "/hooks"),
        ("GET", "/x"),
    ],
)
async def test_everything_that_is_not_there_is_not_there_alike(gateway, database, method, path):
    answer = await gateway.request(method, path, content=ORDER, headers={"X-Hookline-Key": KEY})

    assert (404, {"detail": "Not Found"}) == (answer.status_code, answer.json())


async def test_a_source_without_a_secret_is_not_there(gateway, database, monkeypatch):
    monkeypatch.delenv("HOOKLINE_SECRET_JIWA")

    assert 404 == (await to_jiwa(gateway, **{"X-Hookline-Key": ""})).status_code


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (b"{not json", {}),
        (b"\xff\xfe", {}),
        (b"[" * 100_000, {}),
        (b"a=1", {"Content-Type": "application/x-www-form-urlencoded"}),
        (b"\x1f\x8b", {"Content-Encoding": "gzip"}),
    ],
    ids=["text", "bytes", "deep", "form", "compressed"],
)
async def test_what_a_proven_sender_sent_and_nobody_can_read_is_on_disk_as_it_came(
    gateway, database, body, headers
):
    answer = await to_jiwa(gateway, body, **headers)
    again = await to_jiwa(gateway, body, **headers)

    assert [(202, False), (200, True)] == [
        (each.status_code, each.json()["duplicate"]) for each in (answer, again)
    ]
    assert [body] == [row["body"] for row in await database.fetch("SELECT body FROM deliveries")]


async def test_a_body_that_is_too_long_is_refused_with_the_limit(gateway, database):
    answer = await to_jiwa(gateway, b"x" * 1_048_577)

    assert (413, 0) == (answer.status_code, await count(database))
    assert "1048576" in answer.json()["detail"]


async def test_a_body_of_unannounced_length_is_cut_off_at_the_limit(gateway, database):
    async def endless():
        for _ in range(64):
            yield b"x" * 65_536

    answer = await gateway.post("/hooks/jiwa", content=endless(), headers={**JSON, "X-Hookline-Key": KEY})

    assert (413, 0) == (answer.status_code, await count(database))


async def test_metrics_tell_what_came_and_what_waits(gateway, database):
    await to_jiwa(gateway)
    await to_jiwa(gateway, **{"X-Hookline-Key": "wrong"})

    told = (await gateway.get("/metrics")).text

    assert 'hookline_requests_total{source="jiwa",status="202"}' in told
    assert 'hookline_not_verified_total{source="jiwa"}' in told
    assert 'hookline_deliveries{source="jiwa",state="received"} 1.0' in told


names = st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=1, max_size=20)
values = st.binary(max_size=100).map(lambda raw: bytes(b for b in raw if b >= 32 and b != 127).strip())


@hypothesis_settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    source=st.sampled_from(["jiwa", "standard", "nobody"]),
    body=st.binary(max_size=300) | st.from_type(str).map(json.dumps).map(str.encode),
    known=st.dictionaries(
        st.sampled_from(
            ["webhook-id", "webhook-timestamp", "webhook-signature", "x-hookline-key", "content-type"]
        ),
        values,
    ),
    others=st.dictionaries(names, values, max_size=3),
)
async def test_nothing_that_a_stranger_sends_makes_it_fail(gateway, database, source, body, known, others):
    headers = [(name.encode(), value) for name, value in {**others, **known}.items()]

    try:
        answer = await gateway.post(f"/hooks/{source}", content=body, headers=headers)
    except (httpx.RemoteProtocolError, httpx.LocalProtocolError):
        return  # no HTTP: either side's library refuses it before us

    assert answer.status_code in {400, 401, 404, 413, 415}
