"""
Whatever strangers send, and whatever a `hooks.yaml` asks of it, an innocent delivery behind it goes its way.

A gateway and the routing of an engine run here, on real sockets and a real PostgreSQL. Each example is a generated
`hooks.yaml` and requests to it, each followed by an innocent one of another source.
"""

import asyncio
import json
import os

import pytest
import yaml
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from hookline.engine.deployments import Deployment
from hookline.engine.routing import Router
from hookline.hooks import load_hooks
from hookline.text import reason

SECRET = "a-secret-of-the-strangers"
PAIRS = 10
"""In one example."""
PATIENCE_SECONDS = 60

NASTY = [
    "",
    "a\0b",
    "a\ud800b",
    "\udfff",
    "\r\n2026 ERROR forged",
    "\x1b[31m[link=x]y[/link]",
    "<img src=x onerror=alert(1)>",
    "{{ 7 * 7 }}",
    "{% for x in body %}{% endfor %}",
    "__class__",
    "$ref",
    "__prefect_kind",
    "\u202e\u2066",
    "KeyError",
    "OSError",
    "SystemExit",
    "x" * 5_000,
    "\U0001f9fe" * 300,
]
texts = st.sampled_from(NASTY) | st.text(max_size=20)
numbers = (
    st.sampled_from([0, -1, 2**53, 2**63 - 1, 2**63, -(2**64), 10**22, 1e22, 1e300, 0.1]) | st.integers()
)
names = st.sampled_from(["a", "data", "key", "id", "typed", "items", "$ref", "__prefect_kind"]) | texts
values = st.recursive(
    texts | numbers | st.booleans() | st.none(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=4),
    max_leaves=12,
)
JSON = "application/json"
written = st.sampled_from(
    [
        b"[" * 300 + b"]" * 300,
        b"[" * 99 + b"]" * 99,
        b'{"data":' * 100_000,
        b'{"data":' * 98 + b"1" + b"}" * 98,
        b'{"data": NaN}',
        b'{"data": 1e999, "key": -Infinity}',
        b'{"data": ' + b"9" * 22 + b"}",
        b'{"data": ' + b"9" * 5_000 + b"}",
        b'{"data": ["' + b"x" * 600_000 + b'"]}',
        b'{"id": 1, "id": 2, "key": "a", "key": {"b": [1]}}',
        b'{"a\\u0000b": 1}',
        b'{"a\\ud800b": 1, "data": "\\ud83d"}',
        b'{"data": {"$ref": {"block_document_id": "x"}}}',
        b'{"data": [[[{"__prefect_kind": "jinja", "template": "{{ 1 }}"}]]]}',
        b"[1, 1.0, true, [1], [1]]",
        "[1]".encode("utf-16"),
        b"\xff\xfe\x00",
        b"",
    ]
)
bodies = st.one_of(
    st.tuples(st.just(JSON), values.map(lambda value: json.dumps(value).encode())),
    st.tuples(st.just(JSON), written),
    st.tuples(
        st.sampled_from(["application/x-www-form-urlencoded", "text/xml", "text/plain", JSON, ""]),
        st.binary(max_size=200)
        | st.sampled_from(
            [
                b"data=%00&data=%ED%A0%80&key=%0d%0a",
                b"<data a='1'>\x00</data>",
                b"<a>" * 300 + b"</a>" * 300,
                b"<data><key>&#0;</key></data>",
                b"<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>",
            ]
        ),
    ),
)
SCHEMAS = [
    None,
    {"$ref": "#/$defs/a", "$defs": {"a": {"additionalProperties": {"$ref": "#/$defs/a"}}}},
    {"additionalProperties": {"$ref": "#"}, "items": {"$ref": "#"}},
    {"additionalProperties": False, "properties": {"data": {"type": "string", "maxLength": 3}}},
    {"uniqueItems": True, "contains": {"type": "array"}},
    {"not": {"required": ["data"]}},
    {"oneOf": [{"type": "object"}, {"required": ["key"]}]},
    {"propertyNames": {"pattern": "^[a-z]+$"}},
    {"properties": {"data": {"const": "secret"}}, "required": ["id"]},
    {"properties": {"data": {"multipleOf": 1e-300}}},
    False,
]
TEMPLATES = [
    "{{ body }}",
    "{{ body.data }}",
    "{{ body.data | default(none) }}",
    "x {{ body.key }} y",
    "{{ body.a.b.c }}",
    "{{ body | tojson }}",
    "{{ body.data * 3 }}",
    "{{ 1 / body.key }}",
    "{{ body | list }}",
    "{{ headers }}",
    "{{ body.items }}",
    "{{ 10 ** 30 }}",
    "{{ 1e300 * 1e300 }}",
    "{{ [[[[body]]]] }}",
    "{% for one in body %}{{ loop.index }}{{ one }}{% endfor %}",
]
templates = st.sampled_from(TEMPLATES)
sources = st.fixed_dictionaries(
    {
        "scheme": st.just("shared-secret"),
        "accept": st.sampled_from([["any"], ["json", "form", "xml"], ["json"]]),
    },
    optional={
        "schema": st.sampled_from([schema for schema in SCHEMAS if schema is not None]),
        "id": st.sampled_from(["{{ body.id }}", "{{ body }}", "{{ headers['x-id'] }}"])
        | st.just({"header": "X-Id"}),
        "max_body": st.just(1_000_000),
    },
)
redacting = st.builds(
    lambda source, paths: {**source, "accept": ["json", "form"], "redact": paths},
    sources,
    st.lists(st.sampled_from(["$..data", "$.*", "$[?@.a > 1]", "$..['$ref']"]), min_size=1, max_size=2),
)
routes = st.fixed_dictionaries(
    {
        "source": st.just("stranger"),
        "deployment": st.just("takes/test"),
        "parameters": st.fixed_dictionaries(
            {}, optional={"data": templates | st.just([{"deep": TEMPLATES[0]}])}
        ),
    },
    optional={
        "key": templates,
        "when": st.sampled_from(
            ["true", "body.data is defined", "body.key > 3", "body.data.a.b == 1", "1 / body.key"]
        ),
    },
)
typed = st.fixed_dictionaries(
    {
        "source": st.just("stranger"),
        "deployment": st.just("typed/test"),
        "parameters": st.fixed_dictionaries({"value": templates}),
    }
)
files = st.builds(
    lambda source, several: {
        "sources": {"stranger": source, "innocent": {"scheme": "shared-secret"}},
        "routes": {
            **{f"route-{number}": route for number, route in enumerate(several)},
            "innocent": {
                "source": "innocent",
                "deployment": "takes/test",
                "parameters": {"data": "{{ body.n }}"},
                "key": "innocent {{ body.n }}",
            },
        },
    },
    sources | redacting,
    st.lists(routes | typed, max_size=3),
)
headers = st.dictionaries(
    st.sampled_from(["X-Id", "X-Other", "X-Forwarded-For"]),
    st.binary(max_size=30).map(lambda raw: bytes(byte for byte in raw if byte >= 32 and byte != 127).strip()),
    max_size=2,
)
requests = st.lists(st.tuples(bodies, headers), min_size=PAIRS, max_size=PAIRS)

DEPLOYMENTS = {
    f"{name}/test": Deployment(
        name="test", entrypoint=f"tests/hostile/takers.py:{name}", work_pool={"name": "hookline"}
    )
    for name in ("takes", "typed")
}


@pytest.fixture(scope="module")
async def world(session_pool, database_settings, serve, tmp_path_factory):
    """Sends requests to a gateway with such a `hooks.yaml`, while an engine routes; what became of them."""
    os.environ.update({f"HOOKLINE_SECRET_{name}": SECRET for name in ("STRANGER", "INNOCENT")})
    await session_pool.execute("TRUNCATE deliveries, dispatches, pauses, changes RESTART IDENTITY")
    path = tmp_path_factory.mktemp("hostile") / "hooks.yaml"
    path.write_text(yaml.safe_dump({"sources": {"innocent": {"scheme": "shared-secret"}}}))
    router = Router(session_pool, load_hooks(path), DEPLOYMENTS)
    routing = asyncio.create_task(router.serve())
    number = 0

    async def through(file, sent):
        nonlocal number
        path.write_text(yaml.safe_dump(file))
        router.hooks = load_hooks(path)
        async with serve(database_settings, hooks=path) as gateway:
            first = number
            for (content_type, body), more in sent:
                given_headers = {"X-Hookline-Key": SECRET, "Content-Type": content_type, **more}
                answer = await gateway.post("/hooks/stranger", content=body, headers=given_headers)
                assert answer.status_code < 500, answer.text
                number += 1
                innocent = await gateway.post(
                    "/hooks/innocent", json={"n": number}, headers={"X-Hookline-Key": SECRET}
                )
                assert 202 == innocent.status_code
                router.wake.set()
        await _all_routed(session_pool, number - first)
        assert not routing.done()
        return await session_pool.fetch("DELETE FROM deliveries RETURNING *")

    yield through
    router.stop()
    await routing
    for name in ("STRANGER", "INNOCENT"):
        del os.environ[f"HOOKLINE_SECRET_{name}"]


async def _all_routed(database, innocent):
    async with asyncio.timeout(PATIENCE_SECONDS):
        while await database.fetchval("SELECT count(*) FROM deliveries WHERE state = 'received'"):
            await asyncio.sleep(0.01)
    states = await database.fetch(
        "SELECT d.state, p.parameters FROM deliveries d LEFT JOIN dispatches p ON p.delivery_id = d.id"
        " WHERE d.source = 'innocent'"
    )
    assert [{"dispatched"}, innocent] == [{row["state"] for row in states}, len(states)]


async def _each_is_followed_by_an_innocent_one(world, file, sent):
    for row in await world(file, sent):
        assert row["state"] in {"dispatched", "unrouted", "rejected"}
        assert row["reason"] is None or row["reason"] == reason(row["reason"])


def examples(number):
    return hypothesis_settings(
        max_examples=number,
        deadline=None,
        phases=[Phase.explicit, Phase.generate],  # an example is shrunk by hand
        suppress_health_check=list(HealthCheck),
    )


@examples(100)
@given(file=files, sent=requests)
async def test_a_thousand_times_an_innocent_delivery_behind_a_hostile_one_is_dispatched(world, file, sent):
    await _each_is_followed_by_an_innocent_one(world, file, sent)


@pytest.mark.long
@examples(2_000)
@given(file=files, sent=requests)
async def test_twenty_thousand_times_an_innocent_delivery_behind_a_hostile_one_is_dispatched(
    world, file, sent
):
    await _each_is_followed_by_an_innocent_one(world, file, sent)
