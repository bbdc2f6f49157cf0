"""What a proven sender may cost, what of its secrets is kept, and who sees that it was refused."""

import asyncio
import gc
import json
import time
from itertools import pairwise

import psutil
import pytest
from pydantic import SecretStr

from hookline.errors import ConfigurationError
from hookline.gateway.app import create_app
from hookline.gateway.body_reader import Reader
from hookline.inbox import refusals
from hookline.inbox.refusals import MAX_OF_SOURCE, Refusal
from hookline.schemes import SignedRequest
from hookline.schemes.hmacs import Hmac

SECRET = "a-secret/with+signs-of-these-sources"
TOKEN = "a-token-that-travels-in-addresses"
JSON = {"Content-Type": "application/json"}
KEY = {"X-Hookline-Key": SECRET}
HOOKS = """
sources:
  plain: {scheme: shared-secret}
  xml: {scheme: shared-secret, accept: [json, xml]}
  query: {scheme: shared-secret, in: query, parameter: key}
  careful: {scheme: shared-secret, redact: [$..card], accept: [json, form]}
  template: {scheme: shared-secret, id: "{{ body.ids | sort | join('-') }}"}
  named: {scheme: shared-secret, id: {header: X-Id}}
  meta:
    scheme: hmac
    header: X-Hub-Signature-256
    prefix: sha256=
    handshakes:
      - {method: GET, verified: false, when: query.token is defined, token: "{{ query.token }}", reply: "hello"}
  large: {scheme: shared-secret, max_body: 3000000}
"""
HOSTILE = {
    "defaults of attributes": (
        "xml",
        "text/xml",
        b"<!DOCTYPE a [<!ATTLIST b "
        + b" ".join(b"c%d CDATA 'x'" % n for n in range(3_000))
        + b">]><a>"
        + b"<b/>" * 20_000
        + b"</a>",
    ),
    "entities": ("xml", "text/xml", b"<!DOCTYPE x [<!ENTITY a 'ha'>]><x>&a;</x>"),
    "a long document": ("xml", "text/xml", b"<a>" + b"<b/>" * 200_000 + b"</a>"),
    "paths that look everywhere": ("careful", "application/json", b'{"a":[' + b"{}," * 300_000 + b"{}]}"),
    "many numbers": ("plain", "application/json", b"[" + b"9" * 4_000 + (b"," + b"9" * 4_000) * 200 + b"]"),
    "many objects": ("large", "application/json", b"[" + b'{"a":{}},' * 300_000 + b"{}]"),
}


@pytest.fixture(scope="module")
def hooks(tmp_path_factory):
    path = tmp_path_factory.mktemp("hooks") / "hooks.yaml"
    path.write_text(HOOKS)
    return path


@pytest.fixture(scope="module")
async def gateway(database_settings, serve, hooks):
    with pytest.MonkeyPatch.context() as patch:
        for name in ("PLAIN", "XML", "QUERY", "CAREFUL", "TEMPLATE", "NAMED", "META", "LARGE"):
            patch.setenv(f"HOOKLINE_SECRET_{name}", SECRET)
        patch.setenv("HOOKLINE_TOKEN_META", TOKEN)
        async with serve(database_settings, hooks=hooks, max_failed_auth=100_000) as client:
            yield client


async def post(gateway, name, body, content_type="application/json", **headers):
    headers = {**KEY, "Content-Type": content_type, **headers}
    return await gateway.post(f"/hooks/{name}", content=body, headers=headers, timeout=60)


async def kept(database):
    return [dict(row) for row in await database.fetch("SELECT * FROM deliveries ORDER BY seq")]


async def noted(database, source):
    """What was refused of a source, once it is written down."""
    async with asyncio.timeout(30):
        while not (found := (await refusals.by_source(database)).get(source)):
            await asyncio.sleep(0.1)
    return found


@pytest.fixture(autouse=True)
async def none_noted(gateway, database):
    while (await gateway.get("/readyz")).status_code != 200:  # a busy machine takes its time
        await asyncio.sleep(0.1)
    await asyncio.sleep(1.2)  # what the test before was refused is written down
    await database.execute("DELETE FROM refusals")


@pytest.mark.parametrize("name", HOSTILE)
async def test_a_costly_body_is_kept_or_refused_and_holds_up_no_other(gateway, database, name):
    source, content_type, body = HOSTILE[name]
    costly = [asyncio.create_task(post(gateway, source, body, content_type)) for _ in range(3)]
    await asyncio.sleep(0.05)
    others = [(await post(gateway, "plain", json.dumps({"n": n}).encode())).status_code for n in range(5)]

    assert [202] * 5 == others
    assert {answer.status_code for answer in await asyncio.gather(*costly)} <= {200, 202, 400, 413, 503}
    assert (
        202 == (await post(gateway, "xml", b"<a/>", "text/xml")).status_code
    )  # the processes are there again


async def test_what_takes_too_long_to_redact_is_to_be_sent_again_and_listed(gateway, database, monkeypatch):
    for reader in _readers():  # the gateway's, and those that other tests of this process left behind
        monkeypatch.setattr(reader._processes, "seconds", 0.2)
    answer = await post(gateway, "careful", b'{"a":[' + b"{}," * 300_000 + b"{}]}")

    assert (503, "5", []) == (answer.status_code, answer.headers["retry-after"], await kept(database))
    assert "too long" in answer.json()["detail"]
    [refusal] = await noted(database, "careful")
    assert (503, 1, SECRET not in repr(refusal)) == (refusal.status, refusal.count, True)


def _readers():
    return [each for each in gc.get_objects() if isinstance(each, Reader)]


@pytest.mark.parametrize(
    "body",
    [
        b'{"card": 4111, "card": 1}',
        b'{"a": {"card": 4111, "card": 1}}',
        b'{"a": [{"b": 1, "b": 2}]}',
        b'{"card": 1, "\\u0063ard": 4111}',
    ],
)
async def test_a_name_that_is_there_twice_passes_no_redaction(gateway, database, body):
    answer = await post(gateway, "careful", body)

    assert (400, []) == (answer.status_code, await kept(database))
    assert "the same name twice" in answer.json()["detail"]
    assert 202 == (await post(gateway, "plain", body)).status_code


@pytest.mark.parametrize(
    "query",
    [
        "key={s}&Key={s}",
        "KEY={s}&key={s}",
        "key={s}&key={s}",
        "key={s}&other={s}",
        "key={s}&{s}=1",
        "key={s}&url=/hooks?key%3D{s}",
        "key={s}&other=x{s}y",
    ],
)
async def test_a_secret_is_never_kept_of_an_address(gateway, database, query):
    written = query.format(s="a-secret%2Fwith%2Bsigns-of-these-sources")
    answer = await gateway.post(f"/hooks/query?{written}", content=b"{}", headers=JSON)

    [row] = await kept(database)
    assert 202 == answer.status_code
    assert "signs-of-these-sources" not in repr(row)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("X-Original-URL", f"/hooks/plain?key={SECRET}"),
        ("X-Original-URL", "/hooks/plain?key=a-secret%2fwith%2bsigns-of-these-sources"),
        ("X-Hookline-Key-Copy", SECRET),
        ("Referer", f"https://shop.example/{SECRET}/"),
        ("X-Upper", SECRET.upper()),
        ("Content-Type", f"application/json; x={SECRET}"),
    ],
)
async def test_a_secret_is_never_kept_of_a_header(gateway, database, name, value):
    answer = await post(gateway, "plain", b"{}", **{name: value})

    [row] = await kept(database)
    assert 202 == answer.status_code
    assert "signs-of-these-sources" not in repr(row).lower()


async def test_a_secret_is_never_a_delivery_s_id(gateway, database):
    await post(gateway, "named", b"{}", **{"X-Id": f"id-{SECRET}"})
    await post(gateway, "named", b"{}", **{"X-Id": "id-1"})

    ids = [row["external_id"] for row in await kept(database)]
    assert (True, "id-1") == (ids[0].startswith("sha256:"), ids[1])


async def test_an_id_that_a_template_works_out_is_the_same_in_another_process(gateway, database):
    body = b'{"ids": ["b", "a"]}'
    answers = [(await post(gateway, "template", body)).status_code for _ in range(2)]

    assert [202, 200] == answers
    assert ["a-b"] == [row["external_id"] for row in await kept(database)]


async def test_a_handshake_s_token_signs_no_delivery(gateway, database):
    scheme = Hmac(header="X-Hub-Signature-256", prefix="sha256=")
    proof = scheme.sign(SecretStr(TOKEN), SignedRequest({}, body=b"{}"), identifier="1", now=time.time())
    forged = await gateway.post("/hooks/meta", content=b"{}", headers={**JSON, **proof.headers})
    greeted = await gateway.get("/hooks/meta", params={"token": TOKEN})

    assert (401, 200, "hello") == (forged.status_code, greeted.status_code, greeted.text)


async def test_without_a_token_its_handshake_is_not_there(gateway, monkeypatch):
    monkeypatch.delenv("HOOKLINE_TOKEN_META")

    assert 404 == (await gateway.get("/hooks/meta", params={"token": SECRET})).status_code


@pytest.mark.parametrize("source", ["META", "PLAIN"])
async def test_a_token_that_proves_deliveries_is_refused_when_it_starts(
    database_settings, hooks, monkeypatch, source, tmp_path
):
    monkeypatch.setenv("HOOKLINE_TOKEN_META", "the-same-secret-as-a-token")
    monkeypatch.setenv(f"HOOKLINE_SECRET_{source}", "another-secret-of-it,the-same-secret-as-a-token")

    with pytest.raises(ConfigurationError, match="HOOKLINE_TOKEN_META") as raised:
        create_app(database_settings.model_copy(update={"hooks": hooks, "home": tmp_path}))
    assert "the-same-secret" not in str(raised.value)


@pytest.mark.parametrize("path", ["/hooks/plain/", "/hooks/plain//", "/login/", "/healthz/", "//hooks/plain"])
async def test_no_answer_sends_anybody_to_where_the_host_header_says(gateway, path):
    answer = await gateway.post(path, content=b"{}", headers={**JSON, **KEY, "Host": "evil.example"})

    assert answer.status_code in {401, 404, 405}
    assert "evil.example" not in repr(answer.headers) + answer.text


@pytest.mark.parametrize(
    ("source", "body", "headers", "status"),
    [
        ("plain", b"x" * 1_048_577, {}, 413),
        (
            "careful",
            b"a=%e9",
            {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"},
            400,
        ),
    ],
)
async def test_a_proven_sender_that_is_refused_leaves_a_trace(
    gateway, database, source, body, headers, status
):
    headers = {"X-Sender": "shop", "X-Copy": SECRET, **headers}
    for _ in range(3):
        assert status == (await post(gateway, source, body, **headers)).status_code

    [refusal] = await noted(database, source)
    while refusal.count < 3:
        await asyncio.sleep(0.2)
        [refusal] = await noted(database, source)
    assert (status, 3, "127.0.0.1") == (refusal.status, refusal.count, refusal.peer)
    assert ("shop", "[redacted]", "[redacted]") == tuple(
        refusal.headers[name] for name in ("x-sender", "x-copy", "x-hookline-key")
    )
    assert SECRET not in repr(refusal)


async def test_of_a_wrong_proof_only_the_names_of_headers_are_kept(gateway, database):
    wrong = {"X-Hookline-Key": "the-old-secret-of-the-shop", "X-Sender": "shop"}
    await gateway.post("/hooks/plain", content=b"{}", headers={**JSON, **wrong})

    [refusal] = await noted(database, "plain")
    assert (401, "Unauthorized") == (refusal.status, refusal.reason)
    assert {"(not verified)"} == set(refusal.headers.values())
    assert {"x-hookline-key", "x-sender"} <= set(refusal.headers)


async def test_refusals_of_a_source_take_only_so_many_rows(gateway, database):
    for number in range(MAX_OF_SOURCE + 30):
        await post(gateway, "careful", f'{{"{number}": 1, "{number}": 2}}'.encode() + b"{" * number)
    await asyncio.sleep(3)

    found = (await refusals.by_source(database))["careful"]
    assert len(found) <= MAX_OF_SOURCE


async def test_old_refusals_are_pruned_and_a_source_s_are_forgotten(database):
    await post_refusals(database, "old", "-40 days")
    await post_refusals(database, "new", "0 days")

    assert 1 == await refusals.prune(database, 30)
    assert ["new"] == list(await refusals.by_source(database))
    assert 1 == await refusals.forget(database, "new")
    assert {} == await refusals.by_source(database)


async def post_refusals(database, source, ago):
    now = await database.fetchval("SELECT now() + $1::text::interval", ago)
    async with database.acquire() as connection:
        await refusals.add_all(connection, [Refusal(source, 400, "why", 1, now, now, "127.0.0.1", {})])


async def test_what_the_database_cannot_keep_is_refused_for_good_and_others_are_kept(gateway, database):
    await database.execute(
        "ALTER TABLE deliveries ADD CONSTRAINT odd CHECK (1 / (length(body) - 7) IS NOT NULL)"
    )
    try:
        odd, other = await asyncio.gather(post(gateway, "plain", b'{"a":1}'), post(gateway, "plain", b"{}"))
    finally:
        await database.execute("ALTER TABLE deliveries DROP CONSTRAINT odd")

    assert (400, 202) == (odd.status_code, other.status_code)
    assert "The database cannot store this" in odd.json()["detail"]


async def test_the_memory_of_bodies_is_let_go(gateway, database):
    """What the allocator keeps differs from one round to the next; what is never let go would be more in each."""

    async def twenty(beginning):
        for number in range(20):
            await post(gateway, "large", json.dumps({"n": beginning + number, "x": "y" * 2_900_000}).encode())
        return psutil.Process().memory_info().rss

    rounds = [await twenty(100 * number) for number in range(5)]

    assert min(after - before for before, after in pairwise(rounds)) < 25_000_000
