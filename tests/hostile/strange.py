"""What strangers send, and what a `hooks.yaml` asks of it, made from the number of a round."""

import json
import random
from dataclasses import dataclass
from urllib.parse import quote_from_bytes

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

STRANGERS = [f"stranger-{number}" for number in range(4)]
INNOCENT = "innocent"
FLOWS = ("takes", "says", "fails", "typed", "counted")
JSON = "application/json"
STRANGE_REQUESTS, MOODY_REQUESTS = 96, 3
"""In a round, and one that is costly: what fails in a flow, and what is costly, costs seconds."""

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
objects = st.fixed_dictionaries({}, optional=dict.fromkeys(("data", "key", "id"), values))
written = st.sampled_from(
    [
        b"[" * 300 + b"]" * 300,
        b"[" * 99 + b"]" * 99,
        b'{"data":' * 100_000,
        b'{"data":' * 98 + b"1" + b"}" * 98,
        b'{"data":' * 300 + b"1" + b"}" * 300,
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
    st.tuples(st.just(JSON), (objects | values).map(lambda value: json.dumps(value).encode())),
    st.tuples(st.just(JSON), written),
    st.tuples(
        st.sampled_from(["application/x-www-form-urlencoded", "text/xml", "text/plain", JSON, ""]),
        st.binary(max_size=200)
        | st.sampled_from(
            [
                b"data=%00&data=%ED%A0%80&key=%0d%0a",
                b"data=" + b"&a=b" * 2_000,
                b"<data a='1'>\x00</data>",
                b"<a>" * 300 + b"</a>" * 300,
                b"<data><key>&#0;</key></data>",
                b"<data><id>1</id>" + b"<a/>" * 5_000 + b"</data>",
                b"<?xml version='1.0' encoding='nobody-knows'?><a/>",
                b"<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>",
            ]
        ),
    ),
)
headers = st.dictionaries(
    st.sampled_from(["X-Id", "X-Other", "X-Forwarded-For", "X-Request-Id", "Forwarded"]),
    st.binary(max_size=30).map(lambda raw: bytes(byte for byte in raw if byte >= 32 and byte != 127).strip())
    | st.just(b"x" * 5_000),
    max_size=2,
)
queries = st.just("") | st.binary(max_size=20).map(quote_from_bytes)


@dataclass(frozen=True)
class Request:
    """One hostile request."""

    source: str
    content_type: str
    body: bytes
    headers: dict[str, bytes]
    query: str = ""

    def __str__(self):
        return f"{self.source}?{self.query} {self.content_type!r} {self.headers} {self.body[:300]!r}"


strange = st.builds(
    lambda source, content, headers, query: Request(source, *content, headers, query),
    st.sampled_from(STRANGERS),
    bodies,
    headers,
    queries,
)
moody = texts.map(lambda text: Request("moody", JSON, json.dumps({"text": text}).encode(), {}))
HARD = [
    ({"schema": {"uniqueItems": True}}, JSON, json.dumps([{"n": n} for n in range(6_000)]).encode()),
    ({"schema": {"pattern": "^(a+)+$"}}, JSON, json.dumps("a" * 40 + "!").encode()),
    (
        {"redact": ["$..*..*..*..*"], "accept": ["json"]},
        JSON,
        b"[" * 90 + b"1," * 100_000 + b"1" + b"]" * 90,
    ),
    ({"accept": ["xml"]}, "text/xml", b"<!DOCTYPE a [<!ENTITY b '" + b"c" * 900_000 + b"'>]><a>&b;</a>"),
    ({"accept": ["xml"]}, "text/xml", b"<a>" + b"<b/>" * 200_000 + b"</a>"),
]
"""What may cost much: what the source asks of a body, and such a body."""

KINDS = ["string", "number", "integer", "object", "array", "boolean", "null"]
schemas = st.recursive(
    st.booleans()
    | st.sampled_from(KINDS).map(lambda kind: {"type": kind})
    | values.map(lambda value: {"const": _without_halves(value)})
    | st.sampled_from([{"pattern": "^[a-z]+$"}, {"maxLength": 3}, {"multipleOf": 1e-300}, {"$ref": "#"}]),
    lambda inner: st.one_of(
        st.dictionaries(st.sampled_from(["data", "key", "id"]), inner, max_size=2).map(
            lambda found: {"properties": found, "required": list(found)[:1]}
        ),
        inner.map(lambda found: {"additionalProperties": found, "items": found}),
        st.lists(inner, min_size=1, max_size=3).map(lambda found: {"anyOf": found}),
        inner.map(lambda found: {"not": found}),
    ),
    max_leaves=4,
) | st.sampled_from(
    [
        {"$ref": "#/$defs/a", "$defs": {"a": {"additionalProperties": {"$ref": "#/$defs/a"}}}},
        {"uniqueItems": True, "contains": {"type": "array"}},
        {"oneOf": [{"type": "object"}, {"required": ["key"]}]},
    ]
)
templates = st.sampled_from(
    [
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
        "{{ query }}",
        "{{ body.items }}",
        "{{ 10 ** 30 }}",
        "{{ 1e300 * 1e300 }}",
        "{{ [[[[body]]]] }}",
        "{% for one in body %}{{ loop.index }}{{ one }}{% endfor %}",
    ]
)
sources = st.fixed_dictionaries(
    {
        "scheme": st.just("shared-secret"),
        "accept": st.sampled_from([["any"], ["json", "form", "xml"], ["json", "form"]]),
    },
    optional={
        "schema": schemas.filter(lambda schema: isinstance(schema, dict)),
        "id": st.sampled_from(["{{ body.id }}", "{{ body }}", "{{ headers['x-id'] }}"])
        | st.just({"header": "X-Id"}),
        "max_body": st.sampled_from([1_000, 1_000_000]),
    },
)
redacting = st.builds(
    lambda source, paths: {**source, "accept": ["json", "form"], "redact": paths},
    sources,
    st.lists(st.sampled_from(["$..data", "$.*", "$[?@.a > 1]", "$..['$ref']"]), min_size=1, max_size=2),
)
leading = st.one_of(
    st.fixed_dictionaries(
        {"deployment": st.just("takes/test")},
        optional={
            "parameters": st.fixed_dictionaries({"data": templates | st.just([{"deep": "{{ body }}"}])})
        },
    ),
    st.fixed_dictionaries(
        {
            "deployment": st.just("typed/test"),
            "parameters": st.fixed_dictionaries({"value": templates}),
        }
    ),
    st.fixed_dictionaries(
        {
            "deployment": st.just("counted/test"),
            "parameters": st.fixed_dictionaries({"number": templates, "texts": templates}),
        }
    ),
    st.fixed_dictionaries(
        {
            "deployment": st.just("says/test"),
            "parameters": st.fixed_dictionaries({"text": st.just("{{ body.data | string }}") | templates}),
        }
    ),
)
routes = st.builds(
    lambda leads, more: leads | more,
    leading,
    st.fixed_dictionaries(
        {},
        optional={
            "key": templates,
            "when": st.sampled_from(
                ["true", "body.data is defined", "body.key > 3", "body.data.a.b == 1", "1 / body.key"]
            ),
        },
    ),
)
broken = st.sampled_from(
    [
        {"scheme": "of nobody"},
        {"scheme": "shared-secret", "redact": ["$["]},
        {"scheme": "shared-secret", "schema": {"type": 7}},
        {"scheme": "shared-secret", "id": "{{ body"},
        [],
        None,
    ]
)
broken_routes = st.sampled_from(
    [
        {"source": INNOCENT, "deployment": "of nobody", "when": "{{"},
        {"source": "of-nobody", "deployment": "takes/test"},
        {"source": "moody", "deployment": "takes/test", "key": "{{ body", "when": "false"},
        7,
    ]
)


def _hooks(strangers, leads, broken, broken_route):
    return {
        "sources": {
            **dict(zip(STRANGERS, strangers, strict=True)),
            **{name: {"scheme": "shared-secret"} for name in ("moody", "costly", INNOCENT)},
            "broken": broken,
        },
        "routes": {
            **{
                f"{name}-{number}": {"source": name, **route}
                for name, several in zip(STRANGERS, leads, strict=True)
                for number, route in enumerate(several)
            },
            "moody": {
                "source": "moody",
                "deployment": "fails/test",
                "parameters": {"text": "{{ body.text }}"},
            },
            "costly": {"source": "costly", "deployment": "takes/test", "parameters": {"data": "{{ body }}"}},
            INNOCENT: {
                "source": INNOCENT,
                "deployment": "takes/test",
                "parameters": {"data": "{{ body }}"},
                "key": "innocent {{ body.n }}",
            },
            "broken": broken_route,
        },
    }


files = st.builds(
    _hooks,
    st.tuples(*[sources | redacting] * len(STRANGERS)),
    st.tuples(*[st.lists(routes, min_size=1, max_size=2)] * len(STRANGERS)),
    broken,
    broken_routes,
)


def file_of(number):
    """The `hooks.yaml` of this round."""
    *_, file = examples(files, 5, number)  # the first ones are always the simplest
    asks, _, _ = HARD[number % len(HARD)]
    file["sources"]["costly"] |= asks
    file["routes"][broken_route_of(number)] = file["routes"].pop("broken")
    return file


def broken_route_of(number):
    """What the route is called that is switched off in this round."""
    return f"broken-{number}-route"


def requests_of(number):
    """The hostile requests of this round."""
    _, content_type, body = HARD[number % len(HARD)]
    requests = [
        *examples(strange, STRANGE_REQUESTS, number),
        *examples(moody, MOODY_REQUESTS, number),
        Request("costly", content_type, body, {}),
    ]
    random.Random(number).shuffle(requests)
    return requests


def _without_halves(value):
    """No file holds halves of surrogate pairs."""
    return json.loads(json.dumps(value, ensure_ascii=False).encode(errors="replace"))


def examples(strategy, number, of):
    """So many examples, the same for the same seed."""
    made = []

    @seed(of)
    @settings(
        max_examples=number,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def collect(example):
        made.append(example)

    collect()
    return made
