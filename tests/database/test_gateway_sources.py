"""What a source of `hooks.yaml` says, kept on a socket: handshakes, answers, kinds of content, ids, what is redacted."""

import json
import time
from urllib.parse import urlencode

import httpx
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pydantic import SecretStr

from hookline.hooks import load_hooks
from hookline.schemes import SignedRequest

SECRET = "a-secret-that-all-these-sources-share"
TOKEN = "a-token-that-travels-in-addresses"
JSON = {"Content-Type": "application/json"}
KEY = {"X-Hookline-Key": SECRET}
HOOKS = """
sources:
  plain: {scheme: shared-secret}
  disabled: {scheme: shared-secret, enabled: false}
  bare: {scheme: shared-secret}
  slack: {preset: slack}
  github: {preset: github}
  meta:
    scheme: hmac
    header: X-Hub-Signature-256
    prefix: sha256=
    handshakes:
      - method: GET
        when: query['hub.mode'] == 'subscribe'
        token: "{{ query['hub.verify_token'] }}"
        reply: "{{ query['hub.challenge'] }}"
        verified: false
  in-url: {scheme: url-secret}
  in-query: {scheme: shared-secret, in: query, parameter: key}
  polite:
    scheme: shared-secret
    response: {status: 201, body: "<ok/>", content_type: application/xml}
  silent: {scheme: shared-secret, response: {status: 204}}
  forms: {scheme: shared-secret, accept: [form, xml], id: "{{ body.number }}"}
  all: {scheme: shared-secret, accept: [any]}
  careful: {scheme: shared-secret, redact: [$.card.number]}
  small: {scheme: shared-secret, max_body: 10}
"""


@pytest.fixture(scope="module")
async def gateway(database_settings, serve, tmp_path_factory):
    hooks = tmp_path_factory.mktemp("hooks") / "hooks.yaml"
    hooks.write_text(HOOKS)
    with pytest.MonkeyPatch.context() as patch:
        for name in load_hooks(hooks).sources.keys() - {"bare"}:
            patch.setenv(f"HOOKLINE_SECRET_{name.upper().replace('-', '_')}", SECRET)
        patch.setenv("HOOKLINE_TOKEN_META", TOKEN)
        async with serve(database_settings, hooks=hooks, max_failed_auth=100_000) as client:
            client.sources = load_hooks(hooks).sources
            yield client


async def signed(gateway, name, body, at=None, **headers):
    now = time.time() if at is None else at
    proof = gateway.sources[name].auth_scheme.sign(
        SecretStr(SECRET), SignedRequest({}, body=body), identifier="msg_1", now=now
    )
    return await gateway.post(f"/hooks/{name}", content=body, headers={**JSON, **proof.headers, **headers})


async def kept(database):
    return [dict(row) for row in await database.fetch("SELECT * FROM deliveries ORDER BY seq")]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/hooks/nobody"),
        ("POST", "/hooks/disabled"),
        ("POST", "/hooks/bare"),
        ("GET", "/hooks/plain"),
        ("PUT", "/hooks/plain"),
        ("DELETE", "/hooks/slack"),
        ("GET", "/hooks/meta"),
        ("POST", f"/hooks/plain/{SECRET}"),
        ("POST", "/hooks/a/b/c"),
        ("POST", "/x"),
    ],
)
async def test_everything_that_is_not_there_is_not_there_alike(gateway, database, method, path):
    answer = await gateway.request(method, path, content=b"{}", headers={**JSON, **KEY})
    nowhere = await gateway.post("/hooks/no-such-source", content=b"{}", headers={**JSON, **KEY})

    drop_date = {"date": ""}
    assert {**nowhere.headers, **drop_date} == {**answer.headers, **drop_date}
    assert (404, nowhere.content) == (answer.status_code, answer.content)
    assert [] == await kept(database)


async def test_a_challenge_is_answered_only_to_who_signed_it_and_is_no_delivery(gateway, database):
    challenge = json.dumps({"type": "url_verification", "challenge": "3eZbrw1a"}).encode()
    answer = await signed(gateway, "slack", challenge)
    stranger = await gateway.post("/hooks/slack", content=challenge, headers=JSON)

    assert (200, "3eZbrw1a") == (answer.status_code, answer.text)
    assert 401 == stranger.status_code
    assert [] == await kept(database)


async def test_what_is_no_challenge_is_a_delivery_answered_as_the_source_wants(gateway, database):
    answer = await signed(gateway, "slack", b'{"type": "event_callback", "event_id": "Ev1"}')

    assert 200 == answer.status_code
    assert ["Ev1"] == [row["external_id"] for row in await kept(database)]


@pytest.mark.parametrize(
    ("token", "expected"),
    [
        (TOKEN, (200, "1158201444")),
        ("wrong", (401, '{"detail":"Unauthorized"}')),
        (SECRET, (401, '{"detail":"Unauthorized"}')),
    ],
)
async def test_a_subscription_is_confirmed_to_who_knows_the_token(gateway, database, token, expected):
    query = {"hub.mode": "subscribe", "hub.verify_token": token, "hub.challenge": "1158201444"}
    answer = await gateway.get("/hooks/meta", params=query)

    assert expected == (answer.status_code, answer.text)
    assert [] == await kept(database)


async def test_what_a_stranger_makes_us_repeat_is_no_page(gateway):
    query = {"hub.mode": "subscribe", "hub.verify_token": TOKEN, "hub.challenge": "<script>1</script>"}
    answer = await gateway.get("/hooks/meta", params=query)

    assert "<script>1</script>" == answer.text
    assert "text/plain; charset=utf-8" == answer.headers["content-type"]
    assert "nosniff" == answer.headers["x-content-type-options"]


async def test_a_handshake_that_lacks_its_answer_is_refused(gateway):
    query = {"hub.mode": "subscribe", "hub.verify_token": TOKEN}

    assert 400 == (await gateway.get("/hooks/meta", params=query)).status_code


async def test_a_secret_in_the_address_opens_it_and_is_not_kept(gateway, database):
    right = await gateway.post(f"/hooks/in-url/{SECRET}", content=b'{"n": 1}', headers=JSON)
    wrong = [
        (await gateway.post(path, content=b"{}", headers=JSON)).status_code
        for path in ("/hooks/in-url", "/hooks/in-url/wrong", "/hooks/in-query?key=wrong", "/hooks/in-query")
    ]
    also = await gateway.post(f"/hooks/in-query?key={SECRET}&shop=1", content=b'{"n": 2}', headers=JSON)

    assert [202, 202] == [right.status_code, also.status_code]
    assert [401] * 4 == wrong
    rows = await kept(database)
    assert SECRET not in repr(rows)
    assert {"key": "[redacted]", "shop": "1"} == rows[1]["query"]


async def test_a_source_answers_as_its_sender_wants_it(gateway, database, caplog):
    polite = await gateway.post("/hooks/polite", content=b"{}", headers={**JSON, **KEY})
    silent = await gateway.post("/hooks/silent", content=b"{}", headers={**JSON, **KEY})

    assert (201, "<ok/>") == (polite.status_code, polite.text)
    assert polite.headers["content-type"].startswith("application/xml")
    assert (204, b"") == (silent.status_code, silent.content)
    assert [] == [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert 2 == len(await kept(database))


@pytest.mark.parametrize(
    ("name", "content_type", "body", "status"),
    [
        ("forms", "application/x-www-form-urlencoded", b"number=12", 202),
        ("forms", "text/xml", b"<order><number>12</number></order>", 202),
        ("forms", "application/json", b"{}", 202),
        ("forms", "text/xml", b"<order", 202),
        ("forms", "text/xml", b'<!DOCTYPE o [<!ENTITY a "b">]><o>&a;</o>', 202),
        ("all", "image/png", b"\x89PNG\0\xff", 202),
        ("all", "application/json", b"no JSON", 202),
        ("plain", "application/vnd.firm+json; charset=utf-8", b"{}", 202),
        ("plain", "", b"{}", 202),
        ("small", "application/json", b'"12345678"', 202),
        ("small", "application/json", b'"123456789"', 413),
    ],
)
async def test_whatever_a_proven_sender_sends_within_the_limit_is_kept_as_it_came(
    gateway, database, name, content_type, body, status
):
    answer = await gateway.post(f"/hooks/{name}", content=body, headers={**KEY, "Content-Type": content_type})

    assert status == answer.status_code
    assert ([body] if status == 202 else []) == [row["body"] for row in await kept(database)]


async def test_what_must_not_be_kept_is_not_kept(gateway, database):
    order = {"order": 1, "card": {"number": "4111 1111 1111 1111"}}
    answer = await gateway.post("/hooks/careful", json=order, headers=KEY)
    again = await gateway.post("/hooks/careful", json=order, headers=KEY)

    [row] = await kept(database)
    assert (202, 200) == (answer.status_code, again.status_code)
    assert {"order": 1, "card": {"number": "[redacted]"}} == json.loads(row["body"])
    assert ["redacted"] == row["altered"]
    assert "4111" not in repr(row)


@pytest.mark.parametrize("seconds", [-299, 299])
async def test_a_clock_that_is_a_little_off_is_borne(gateway, database, seconds):
    assert 200 == (await signed(gateway, "slack", b'{"n": 1}', at=time.time() + seconds)).status_code


@pytest.mark.parametrize("seconds", [-301, -86_400, 301 + 5, 86_400])
async def test_a_message_of_long_ago_or_of_the_future_is_refused(gateway, database, seconds):
    assert 401 == (await signed(gateway, "slack", b'{"n": 1}', at=time.time() + seconds)).status_code
    assert [] == await kept(database)


async def test_a_message_that_an_eavesdropper_sends_again_is_a_repeat(gateway, database):
    first = await signed(gateway, "github", b'{"n": 9}')
    again = await signed(gateway, "github", b'{"n": 9}')

    assert (200, first.json()["id"], True) == (
        again.status_code,
        again.json()["id"],
        again.json()["duplicate"],
    )
    assert 1 == len(await kept(database))


async def test_the_id_that_a_sender_gives_in_a_header_is_the_deliverys(gateway, database):
    await signed(gateway, "github", b"{}", **{"X-GitHub-Delivery": "72d3162e"})

    assert ["72d3162e"] == [row["external_id"] for row in await kept(database)]


hostile = (
    st.text()
    | st.binary(max_size=200).map(lambda raw: raw.decode("latin-1"))
    | st.sampled_from(["{{ 7 * 7 }}", "{% for x in range(9**9) %}{% endfor %}", "\0", "\ud800", "x" * 5_000])
)
values = hostile | st.integers() | st.floats() | st.none() | st.booleans()
bodies = st.recursive(
    values, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(hostile, inner, max_size=4)
)
LATIN = str.maketrans("", "", "".join(map(chr, (*range(32), 127))))


@hypothesis_settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    name=st.sampled_from(["plain", "forms", "all", "careful", "in-query", "polite"]),
    content_type=st.sampled_from(
        ["application/json", "application/x-www-form-urlencoded", "text/xml", "text/plain", ""]
    ),
    body=bodies.map(lambda body: json.dumps(body).encode()) | st.binary(max_size=200),
    query=st.dictionaries(hostile, hostile, max_size=4),
    header=hostile,
)
async def test_nothing_that_a_sender_with_the_secret_sends_makes_it_fail(
    gateway, database, name, content_type, body, query, header
):
    address = f"/hooks/{name}?{urlencode(query | {'key': SECRET}, errors='surrogatepass')}"
    value = header.translate(LATIN).encode("latin-1", "replace")[:2_000].strip()
    headers = [
        (b"x-hookline-key", SECRET.encode()),
        (b"content-type", content_type.encode()),
        (b"x-other", value),
    ]

    try:
        answer = await gateway.post(address, content=body, headers=headers)
    except (httpx.InvalidURL, httpx.RemoteProtocolError):
        return  # longer than an address may be

    assert answer.status_code in {200, 201, 202, 400, 413, 415, 431}


async def test_a_template_in_a_body_or_a_header_stays_the_text_that_it_is(gateway, database):
    injected = "{{ 7 * 7 }}{% raw %}"
    body = json.dumps({"type": "url_verification", "challenge": injected}).encode()
    echoed = await signed(gateway, "slack", body)
    named = await signed(gateway, "github", b"{}", **{"X-GitHub-Delivery": injected})

    assert injected == echoed.text
    assert 202 == named.status_code
    assert [injected] == [row["external_id"] for row in await kept(database)]
