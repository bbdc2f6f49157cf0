"""What a proven sender sends is never lost, whatever it is: stored as it came, rejected in words, replayed after a fix."""

import asyncio
import gzip
import json
from collections.abc import Iterator

import pytest

from hookline.hooks import load_hooks
from hookline.inbox import commands
from hookline.provisioning.deployments import load_deployments

KEY = "sandbox-secret-of-all-of-them"
JSON = "application/json"
FORM = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data; boundary=x"
PART = b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n'

SOURCES = {
    "plain": "",
    "form": "accept: [form, multipart], charset: {field: charset}, json_fields: [payload]",
    "xml": "accept: [xml]",
    "any": "accept: [any], id: {header: X-Id}",
    "chosen": 'id: "{{ body.id }}", repeats: {within: 60s}',
    "costly": 'id: "{{ body.id | string | upper }}"',
    "fits": "schema: {type: object, required: [order]}",
    "many": 'split: "$.items[*]", id: "{{ body.id }}"',
    "anything": 'accept: [any], split: "$..id"',
}
ROUTE = 'parameters: {invoice_id: "{{ body.order }}"}, key: "{{ body.key }}"'

OF_JSON = {
    "empty": b"",
    "nul": b"\0\0",
    "escaped nul": b'{"order": "\\u0000", "id": "\\u0000", "key": "\\u0000"}',
    "nul in a text": b'{"order": "\0"}',
    "byte order mark": b"\xef\xbb\xbf{}",
    "utf-16": '{"order": "1"}'.encode("utf-16"),
    "latin-1": '{"order": "ë"}'.encode("latin-1"),
    "half of a pair": b'{"order": "\\ud800", "id": "\\ud800", "key": "\\ud800"}',
    "half, raw": b'{"order": "\xed\xa0\x80"}',
    "deep, open": b"[" * 200_000,
    "deep, closed": b"[" * 5_000 + b"]" * 5_000,
    "deep, objects": b'{"a":' * 100_000,
    "deep, as allowed": b'{"items":' + b"[" * 99 + b"]" * 99 + b"}",
    "digits": b'{"order": ' + b"9" * 5_000 + b', "id": ' + b"9" * 5_000 + b"}",
    "long number": b'{"id": ' + b"9" * 4_300 + b', "order": ' + b"9" * 4_300 + b"}",
    "exponent": b'{"order": 1e400, "id": 1e400}',
    "large float": b'{"id": 1e22, "order": 1e22}',
    "not a number": b'{"order": NaN}',
    "names twice": b'{"order": "1", "order": "2", "id": 1, "id": 2}',
    "trailing": b'{"order": "1"} x',
    "two": b'{"order": "1"}{"order": "2"}',
    "cut": b'{"order": "1"',
    "compressed": gzip.compress(b'{"order": "1"}', mtime=0),
    "null": b"null",
    "a text": b'"text"',
    "long id": json.dumps({"id": "x" * 10_000, "order": "1"}).encode(),
    "empty id": b'{"id": "", "order": "1"}',
    "blank id": b'{"id": " \\n\\t", "order": "1"}',
    "list for an id": b'{"id": [1], "order": "1"}',
    "controls in the id": b'{"id": "\\u202e\\u001b[31m\\u2028"}',
    "long key": json.dumps({"key": "x" * 100_000, "order": "1"}).encode(),
    "long parameter": json.dumps({"order": "x" * 600_000}).encode(),
    "items are no list": b'{"items": {"id": 1}}',
    "items are null": b'{"items": null}',
    "items of all kinds": b'{"items": [1, null, "x", [], {}, {"id": "\\u0000"}, {"id": {}}, {"id": 1}, {"id": 1}]}',
    "too many items": json.dumps({"items": list(range(11_000))}).encode(),
}
OF_FORM = {
    "form": b"order=1&id=22",
    "form of no charset": b"order=%ff&%ff=1&charset=%ff",
    "form of many": b"&".join(b"a%d=1" % number for number in range(100_000)),
    "form in utf-7": b"charset=utf-7&order=%2BAGE-",
    "form of charsets": b"charset=%7B%22order%22%3A%22utf-16%22%7D&order=%ff",
    "form of half charsets": b"charset=%7B",
    "form of deep charsets": b"charset=" + b"%7B%22a%22%3A" * 3_000,
    "form of deep JSON": b"payload=" + b"%5B" * 20_000,
    "form, not ASCII": "order=é".encode("latin-1"),
    "form in a costly charset": b"charset=idna&a=xn--" + b"a" * 50_000,
}
OF_MULTIPART = {
    "part": PART + b"--x--\r\n",
    "parts, cut": PART + b"--x\r\nContent-Disp",
    "parts, many": PART * 5_000 + b"--x--\r\n",
    "parts without an end": PART,
    "part with a long header": b"--x\r\n" + b"A" * 100_000,
    "part with odd names": b'--x\r\nContent-Disposition: form-data; name="\xff\0"; filename="../\0\xff"\r\n\r\n\0\r\n--x--\r\n',
}
OF_XML = {
    "xml": b"<order>1</order>",
    "entities": b'<!DOCTYPE a [<!ENTITY b "bbbbbbbb"><!ENTITY c "&b;&b;&b;&b;&b;&b;">]><a>&c;&c;&c;</a>',
    "outer entity": b'<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>',
    "deep elements": b"<a>" * 100_000,
    "deep elements, closed": b"<a>" * 3_000 + b"</a>" * 3_000,
    "no such encoding": b'<?xml version="1.0" encoding="klingon"?><a/>',
    "cut element": b"<a",
    "many attributes": b"<a " + b" ".join(b'b%d="1"' % number for number in range(20_000)) + b"/>",
    "nul in an element": b"<a>\0</a>",
}
BODIES = {
    **{name: (JSON, body) for name, body in OF_JSON.items()},
    **{name: (FORM, body) for name, body in OF_FORM.items()},
    **{name: (MULTIPART, body) for name, body in OF_MULTIPART.items()},
    **{name: ("text/xml", body) for name, body in OF_XML.items()},
}


def hooks_text(more="", route=ROUTE):
    sources = (
        f"  {name}: {{scheme: shared-secret, {', '.join(filter(None, [fields, more]))}}}\n"
        for name, fields in SOURCES.items()
    )
    routes = (
        f"  {name}: {{source: {name}, deployment: order-to-license/default, {route}}}\n" for name in SOURCES
    )
    return f"sources:\n{''.join(sources)}routes:\n{''.join(routes)}"


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """The file as it is, and as a person fixes it: all is read as text, and routed."""
    folder = tmp_path_factory.mktemp("hooks")
    (folder / "hooks.yaml").write_text(hooks_text())
    fixed = hooks_text("parse: text, charset: latin-1", "parameters: {invoice_id: fixed}")
    for field in (", schema: {type: object, required: [order]}", ", charset: {field: charset}"):
        fixed = fixed.replace(field, "")
    (folder / "fixed.yaml").write_text(fixed.replace("{scheme: shared-secret, schema", "{schema"))
    return folder


@pytest.fixture(scope="module")
async def gateway(database_settings, serve, written):
    with pytest.MonkeyPatch.context() as patch:
        for name in SOURCES:
            patch.setenv(f"HOOKLINE_SECRET_{name.upper()}", KEY)
        async with serve(database_settings, hooks=written / "hooks.yaml") as client:
            yield client


@pytest.fixture
def route(route_received, written, repository):
    deployments = load_deployments(repository / "deployments/prefect.yaml")

    async def route(file="hooks.yaml"):
        await route_received(load_hooks(written / file), deployments)

    return route


@pytest.fixture
def send(gateway):
    async def send(source, body, content_type=JSON, **headers):
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        return await gateway.post(
            f"/hooks/{source}",
            content=body,
            headers={"X-Hookline-Key": KEY, "Content-Type": content_type, "Connection": "close", **headers},
        )

    return send


@pytest.mark.parametrize("source", SOURCES)
async def test_whatever_comes_is_stored_as_it_came_and_goes_through_once_hooks_yaml_takes_it(
    database, send, route, source
):
    answers = {}
    for name, (content_type, body) in BODIES.items():
        while (answer := await send(source, body, content_type, X_Id=name)).status_code == 503:
            await asyncio.sleep(0.1)  # on a busy machine, what its sender is to send again
        answers[answer.json().get("id")] = (name, answer.status_code, body)
    rows = {str(row["id"]): row["body"] for row in await database.fetch("SELECT id, body FROM deliveries")}

    assert {202} == {status for _, status, _ in answers.values()}
    assert {id_: body for id_, (_, _, body) in answers.items()} == rows

    await route()
    states = await database.fetch("SELECT id, state, reason FROM deliveries WHERE bundle_id IS NULL")
    assert {"rejected", "dispatched", "split", "unrouted"} >= {row["state"] for row in states}
    rejected = [row for row in states if row["state"] == "rejected"]
    assert len(rejected) > 20
    assert all(row["reason"].isprintable() and len(row["reason"]) > 20 for row in rejected)

    async with database.acquire() as connection:
        replayed = await commands.replay(connection, [row["id"] for row in rejected], actor="ann")
    await route("fixed.yaml")
    after = {row["id"]: row["state"] for row in await database.fetch("SELECT id, state FROM deliveries")}
    expected = "unrouted" if "split" in SOURCES[source] else "dispatched"  # a text has no items
    assert {expected} == {after[id_] for id_ in replayed} == {after[row["id"]] for row in rejected}


@pytest.mark.parametrize(
    "headers",
    [{"X_Id": "x" * 10_000}, {"X_Id": ""}, {"X_Id": b"\xff\xfe"}, {"X_Id": "a\tb"}, {"X_Other": b"\xff" * 9_000}],
    ids=["long", "empty", "not UTF-8", "tab", "other"],
)  # fmt: skip
async def test_an_odd_header_or_id_costs_no_delivery_and_a_repeat_is_still_one(
    database, send, route, headers
):
    body = b'{"order": "1", "key": "1"}'
    answers = [await send("any", body, **headers) for _ in range(2)]
    await route()

    assert [(202, False), (200, True)] == [(each.status_code, each.json()["duplicate"]) for each in answers]
    [row] = await database.fetch("SELECT state, external_id FROM deliveries")
    assert ("dispatched", True) == (row["state"], row["external_id"].isprintable())


async def test_a_body_in_pieces_of_any_size_is_one_body(database, send):
    async def pieces() -> Iterator[bytes]:
        for piece in (b"{", b"", b'"order"', b": " * 1, b'"1"}'):
            yield piece

    assert 202 == (await send("plain", pieces())).status_code
    assert b'{"order": "1"}' == await database.fetchval("SELECT body FROM deliveries")


@pytest.mark.parametrize(
    ("source", "body", "wrong", "right"),
    [
        ("plain", b'{"order": "1", "key": "1"}', FORM, JSON),
        ("any", b'{"order": "1", "key": "1"}', "text/plain", f"{JSON}; charset=utf-8"),
        ("form", b"order=%EB&key=1", FORM, f"{FORM}; charset=windows-1252"),
    ],
)
async def test_what_is_sent_again_with_the_right_content_type_is_no_repeat_of_what_nobody_could_read(
    database, send, route, source, body, wrong, right
):
    """As by `curl -d`, whose content type is that of a form unless it is told another."""
    for content_type in (wrong, right, right):
        await send(source, body, content_type)
    await route()

    rows = await database.fetch("SELECT state, duplicates FROM deliveries ORDER BY seq")
    assert [("rejected", 0), ("dispatched", 1)] == [tuple(row) for row in rows]


async def test_under_an_id_of_a_header_the_right_content_type_is_stored_beside_the_wrong_one(
    database, send, route
):
    for content_type in ("text/plain", JSON, JSON):
        await send("any", b'{"order": "1", "key": "1"}', content_type, X_Id="1")
    await route()
    beside = await database.fetchval("SELECT id FROM deliveries WHERE repeats_id IS NOT NULL")
    async with database.acquire() as connection:
        await commands.replay(connection, [beside], actor="ann")
    await route()

    rows = await database.fetch("SELECT state, duplicates FROM deliveries ORDER BY seq")
    assert [("rejected", 2), ("dispatched", 1)] == [tuple(row) for row in rows]


async def test_what_came_compressed_is_kept_and_says_so(database, send, route):
    body = gzip.compress(b'{"order": "1", "key": "1"}')
    await send("plain", body, Content_Encoding="gzip")
    await route()

    [row] = await database.fetch("SELECT state, reason, body FROM deliveries")
    assert ("rejected", body) == (row["state"], row["body"])
    assert row["reason"].startswith("The body is compressed (gzip)")
