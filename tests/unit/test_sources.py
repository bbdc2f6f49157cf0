"""Sources of `hooks.yaml`: what may be said of one, and how a mistake is told."""

import json
from contextlib import nullcontext

import pytest

from hookline.errors import ConfigurationError
from hookline.hooks import TemplateError, load_hooks
from hookline.hooks.presets import PRESETS
from hookline.hooks.sources import IdHeader, Source
from hookline.schemes import SCHEMES

HMAC = {"scheme": "hmac", "header": "X-Signature"}
CERTIFICATE = {
    "scheme": "certificate",
    "header": "X-S",
    "address_header": "X-C",
    "addresses": ["https://a.example/*.pem"],
    "signs": "{secret}{body}",
}
PARTS = {"timestamp": "t", "signature": "v1"}
META = {
    "method": "GET",
    "verified": False,
    "when": "query['hub.mode'] == 'subscribe'",
    "token": "{{ query['hub.verify_token'] }}",
    "reply": "{{ query['hub.challenge'] }}",
}


@pytest.fixture
def read(tmp_path):
    """The source that the fields describe, as the file says it."""

    def write_and_load(**fields):
        path = tmp_path / "hooks.yaml"
        path.write_text(json.dumps({"sources": {"shop": fields}}))
        return load_hooks(path).sources["shop"]

    return write_and_load


def request_names(**others):
    return {"source": "shop", "method": "GET", "query": {}, "headers": {}, "body": None} | others


def test_what_is_left_out_has_its_default(read):
    source = read(scheme="url-secret")

    assert (True, 1_048_576, ("json",), None, (), None, (), None, None) == (
        source.enabled,
        source.max_body,
        source.accept,
        source.id,
        source.handshakes,
        source.schema_,
        source.redact,
        source.keep_days,
        source.keep_bodies_days,
    )
    assert (None, None) == (source.response.status, source.response.body)


def test_all_that_can_be_said_of_a_source_is_kept(read):
    source = read(
        **HMAC,
        enabled=False,
        max_body=5,
        accept=["form", "json"],
        id={"header": "X-Id"},
        response={"status": 204, "body": "ok", "content_type": "text/plain"},
        handshakes=[META],
        schema={"type": "object", "required": ["a"]},
        redact=["$.card", "$..token"],
        keep_days=10,
        keep_bodies_days=2,
    )

    assert (False, 5, ("form", "json"), IdHeader(header="X-Id"), 204, 10, 2) == (
        source.enabled,
        source.max_body,
        source.accept,
        source.id,
        source.response.status,
        source.keep_days,
        source.keep_bodies_days,
    )
    assert (True, False) == (source.schema_.is_valid({"a": 1}), source.schema_.is_valid({}))
    assert [["1"], ["2"]] == [path.findall({"card": "1", "in": {"token": "2"}}) for path in source.redact]


@pytest.mark.parametrize("name", SCHEMES)
def test_every_scheme_says_how_its_sender_was_verified(name):
    needed = {
        "hmac": {"header": "X-S"},
        "digest": {"header": "X-S", "signs": "{secret}{body}"},
        "asymmetric": {"header": "X-S", "algorithm": "ed25519"},
        "certificate": {
            "header": "X-S",
            "address_header": "X-C",
            "addresses": ["https://a.example/*.pem"],
            "signs": "{secret}{body}",
        },
    }

    proof = SCHEMES[name].model_validate(needed.get(name, {}))

    assert (name, True) == (proof.name, " of shop" in proof.describe("shop"))


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("header", "in the header X-Hookline-Key"),
        ("bearer", "as a bearer token"),
        ("basic", "as the password of hookline"),
        ("query", "in the query parameter key"),
    ],
)
def test_a_shared_secret_says_where_it_is_expected(place, said):
    scheme = SCHEMES["shared-secret"].model_validate({"in": place})

    assert f"The shared secret of shop, {said}." == scheme.describe("shop")


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_is_the_same_as_its_fields_written_out(read, name):
    short, long = read(preset=name), read(**PRESETS[name])

    assert short.auth_scheme == long.auth_scheme
    assert (short.accept, short.response) == (long.accept, long.response)


def test_a_field_of_a_preset_can_be_said_otherwise(read):
    source = read(preset="slack", tolerance=60, id={"header": "X-Id"}, accept=["json"], handshakes=[])

    assert (60, "v0=", IdHeader(header="X-Id"), ("json",), ()) == (
        source.auth_scheme.tolerance,
        source.auth_scheme.prefix,
        source.id,
        source.accept,
        source.handshakes,
    )


@pytest.mark.parametrize(
    ("accept", "content_type", "verdict"),
    [
        (["json"], "application/json", True),
        (["json"], "application/x-www-form-urlencoded", False),
        (["json", "form"], "application/x-www-form-urlencoded", True),
        (["xml"], "application/soap+xml", True),
        (["xml"], "text/plain", False),
        (["any"], "text/plain", True),
        (["any"], "", True),
    ],
)
def test_a_source_takes_the_kinds_that_it_accepts(read, accept, content_type, verdict):
    source = read(scheme="url-secret", accept=accept)

    with nullcontext() if verdict else pytest.raises(ValueError, match="`accept` of the source says"):
        source.require_accepted(content_type)


@pytest.mark.parametrize(
    ("fields", "place"),
    [
        ({}, "scheme: is missing; name one of asymmetric, certificate, hmac"),
        ({"scheme": "magic"}, "scheme: there is no scheme 'magic'; there are: asymmetric"),
        ({"scheme": ["hmac"]}, "scheme: there is no scheme ['hmac']"),
        ({"preset": "strip"}, "preset: there is no preset 'strip'; there are: stripe, github"),
        ({"preset": ["stripe"]}, "preset: there is no preset ['stripe']"),
        ({"preset": "stripe", "scheme": "hmac"}, "scheme: the preset stripe has one already"),
        ({"preset": "stripe", "heder": "X"}, "heder: there is no such field"),
        ({"scheme": "url-secret", "proof": {}}, "proof: there is no such field"),
        ({"scheme": "hmac"}, "the signature stands in header or in field: name one of them"),
        ({**HMAC, "header": "X:Y"}, "header: String should match"),
        ({**HMAC, "algorithm": "md5"}, "algorithm: Input should be 'sha1', 'sha256'"),
        ({**HMAC, "encoding": "base32"}, "encoding: Input should be 'hex'"),
        ({**HMAC, "signs": "{timestamp}"}, "signs: Value error, must hold {body}, {form}, {fields} or {crc32} once"),
        ({**HMAC, "signs": "{body}{crc32}"}, "signs: Value error, must hold {body}, {form}, {fields} or {crc32} once"),
        ({**HMAC, "signs": "{uri}{body}"}, "signs: Value error, uses {uri}, but only"),
        ({**HMAC, "signs": "{secret}{body}"}, "signs: Value error, uses {secret}, but only"),
        ({**HMAC, "url": "https://a.example/x"}, "url is for a signature over {url} or {path}"),
        ({**HMAC, "signs": "{url}{body}", "url": "https://a.example/x?y"}, "url: String should match"),
        ({**HMAC, "field": "signature"}, "the signature stands in header or in field: name one of them"),
        ({"scheme": "hmac", "field": "a b"}, "field: String should match"),
        ({"scheme": "hmac", "field": "a", "parts": {"signature": "v1"}}, "parts is for a signature in a header"),
        ({**HMAC, "signs": "{fields}"}, "signed fields need both: {fields} in signs, and fields"),
        ({**HMAC, "fields": {"names": ["a"]}}, "signed fields need both: {fields} in signs, and fields"),
        ({**HMAC, "signs": "{fields}", "fields": {"names": []}}, "fields.names: Tuple should have at least 1 item"),
        ({**HMAC, "signs": "{fields}", "fields": {"names": ["a"], "written": "x"}}, "fields.written: Value error, must hold {value} once"),
        ({**HMAC, "each": "items"}, "each is for a signature of {fields} that stands in field"),
        ({**HMAC, "signs": "{crc32}", "timestamp_field": "at"}, "timestamp_field must be signed"),
        ({**HMAC, "secret_encoding": "base32"}, "secret_encoding: Input should be 'text', 'hex'"),
        ({"scheme": "digest", "header": "X-S"}, "signs must hold {secret} once"),
        ({**HMAC, "signs": "{timestamp}{body}"}, "a timestamp needs both"),
        ({**HMAC, "timestamp_header": "X-T"}, "a timestamp needs both"),
        ({**HMAC, "parts": PARTS}, "a timestamp needs both"),
        (
            {**HMAC, "parts": PARTS, "timestamp_header": "X-T", "signs": "{timestamp}{body}"},
            "the timestamp stands in timestamp_header, in parts.timestamp or in timestamp_field",
        ),
        ({**HMAC, "id_header": "X-Id"}, "an id needs both"),
        ({**HMAC, "signs": "{id}{body}"}, "an id needs both"),
        ({**HMAC, "tolerance": 5}, "tolerance is for a signature over a timestamp"),
        ({**HMAC, "parts": {"signature": "v1"}, "prefix": "x"}, "prefix is for a header without parts"),
        ({**HMAC, "parts": {"signature": "v 1"}}, "parts.signature: String should match"),
        ({"scheme": "asymmetric", "header": "X"}, "algorithm: Field required"),
        ({"scheme": "asymmetric", "header": "X", "algorithm": "rsa"}, "algorithm: Input should be 'ed25519'"),
        ({"scheme": "shared-secret", "in": "cookie"}, "in: Input should be 'header', 'bearer'"),
        ({"scheme": "shared-secret", "in": "body"}, "with `in: body`, name the field that is the secret"),
        ({"scheme": "shared-secret", "field": "a"}, "field is for `in: body`"),
        ({"scheme": "jwt", "jwks": "https://a.example/keys"}, "jwks holds public keys: name the algorithm"),
        ({"scheme": "jwt", "jwks": "http://a.example/keys", "algorithm": "RS256"}, "jwks"),
        ({"scheme": "jwt", "jwks": "nothing.json", "algorithm": "RS256"}, "jwks: cannot read "),
        ({"scheme": "jwt", "body_encoding": "hex"}, "body_encoding is for body_claim"),
        ({**CERTIFICATE, "address_field": "a"}, "the address stands in address_header or in address_field"),
        ({**CERTIFICATE, "addresses": ["https://*/x.pem"]}, "addresses.0: String should match"),
        ({**CERTIFICATE, "addresses": ["http://a.example/x.pem"]}, "addresses.0: String should match"),
        ({**CERTIFICATE, "signs": "{body}"}, "what is ours stands in signs as {secret}, or in identity_field"),
        ({**CERTIFICATE, "signs": "{crc32}", "identity_field": "topic"}, "identity_field must be signed"),
        ({"scheme": "shared-secret", "in": "bearer", "header": "X"}, "header is for `in: header`"),
        ({"scheme": "shared-secret", "parameter": "x"}, "parameter is for `in: query`"),
        ({"scheme": "shared-secret", "in": "basic", "username": "a:b"}, "username: String should match"),
        ({"scheme": "standard-webhooks", "header_prefix": "hook"}, "header_prefix: Input should be 'webhook'"),
        ({"scheme": "url-secret", "enabled": "perhaps"}, "enabled: Input should be a valid boolean"),
        ({"scheme": "url-secret", "accept": []}, "accept: Tuple should have at least 1 item"),
        ({"scheme": "url-secret", "accept": ["jsn"]}, "accept.0: Input should be 'json', 'form'"),
        ({"scheme": "url-secret", "id": {"hedder": "X"}}, "id"),
        ({"scheme": "url-secret", "id": 7}, "id: Value error, Input should be a valid string"),
        ({"scheme": "url-secret", "id": "{{ boddy.id }}"}, "id: Value error, uses boddy, but only body"),
        ({"scheme": "url-secret", "id": "{{ delivery_id }}"}, "id: Value error, uses delivery_id, which"),
        ({"scheme": "url-secret", "response": {"status": 302}}, "response.status: Input should be less"),
        ({"scheme": "url-secret", "response": {"body": "x" * 1001}}, "response.body: String should have at most"),
        ({"scheme": "url-secret", "response": {"content_type": "a/b\r\nX: y"}}, "response.content_type: String"),
        ({"scheme": "url-secret", "handshakes": [{**META, "method": "PUT"}]}, "handshakes.0.method: Input should"),
        ({"scheme": "url-secret", "handshakes": [{**META, "when": "query["}]}, "handshakes.0.when: Value error, cannot"),
        ({"scheme": "url-secret", "handshakes": [{**META, "when": True}]}, "handshakes.0.when: Value error, Input"),
        (
            {"scheme": "url-secret", "handshakes": [{**META, "reply": "{{ body.challenge }}"}]},
            "handshakes.0: Value error, without `verified` it cannot use the body",
        ),
        (
            {"scheme": "url-secret", "handshakes": [{**META, "reply": "{{ received_at }}"}]},
            "handshakes.0.reply: Value error, uses received_at, which a request does not have yet",
        ),
        (
            {"scheme": "url-secret", "handshakes": [{**META, "content_type": "text/html\r\nX: y"}]},
            "handshakes.0.content_type: String should match",
        ),
        (
            {"scheme": "url-secret", "handshakes": [{**META, "headers": {"X Y": "a"}}]},
            "handshakes.0.headers.X Y.[key]: String should match",
        ),
        (
            {"scheme": "url-secret", "handshakes": [{**META, "reply": "{{ signature }}"}]},
            "handshakes.0: Value error, a signature needs both",
        ),
        (
            {"scheme": "url-secret", "handshakes": [{**META, "sign": {"value": "{{ query.a }}"}}]},
            "handshakes.0: Value error, a signature needs both",
        ),
        (
            {"scheme": "url-secret", "handshakes": [{**META, "when": "signature is defined"}]},
            "handshakes.0.when: Value error, uses signature, but only",
        ),
        ({"scheme": "url-secret", "schema": {"type": "objct"}}, "schema: Value error, is not a JSON Schema: $.type: "),
        ({"scheme": "url-secret", "schema": {"pattern": "("}}, "schema: Value error, is not a JSON Schema: $.pattern: "),
        ({"scheme": "url-secret", "schema": {"$schema": "urn:x"}}, "schema: Value error, $schema: 'urn:x' is not a known draft"),
        ({"scheme": "url-secret", "schema": {"$schema": 7}}, "schema: Value error, $schema: 7 is not a known draft"),
        ({"scheme": "url-secret", "schema": [1]}, "schema: Value error, is not a JSON Schema: it is a mapping"),
        ({"scheme": "url-secret", "schema": "nothing.json"}, "schema: cannot read "),
        (
            {"scheme": "url-secret", "schema": {"properties": {"a": {"$ref": "https://example.com/a.json"}}}},
            "schema: Value error, refers to https://example.com/a.json, which it does not contain",
        ),
        (
            {"scheme": "url-secret", "schema": {"items": {"$ref": "#/$defs/a"}}},
            "schema: Value error, refers to #/$defs/a, which it does not contain",
        ),
        (
            {"scheme": "url-secret", "schema": {"$ref": "#/x/y", "x": {"y": {"$ref": "https://example.com/a.json"}}}},
            "schema: Value error, refers to https://example.com/a.json, which it does not contain",
        ),
        ({"scheme": "url-secret", "redact": ["$.a["]}, "redact.0: Value error, '$.a[' is not a JSONPath"),
        ({"scheme": "url-secret", "redact": [7]}, "redact.0: Value error, Input should be a valid string"),
        ({"scheme": "url-secret", "keep_days": 0}, "keep_days: Input should be greater"),
        ({"scheme": "url-secret", "keep_days": 1, "keep_bodies_days": 2}, "keep_bodies_days is more than keep_days"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_said_with_its_place(read, fields, place):
    with pytest.raises(ConfigurationError) as raised:
        read(**fields)

    assert any(
        line.strip().startswith(("sources.shop.", "sources.shop: "))
        for line in str(raised.value).splitlines()[1:]
    )
    assert place in str(raised.value)


def test_everything_that_does_not_fit_is_told_at_once(tmp_path):
    path = tmp_path / "hooks.yaml"
    path.write_text(
        "sources: {a: {scheme: hmac, header: 'X:Y', max_body: 0, keep_days: 0}, b: {scheme: nothing}}"
    )

    with pytest.raises(ConfigurationError) as raised:
        load_hooks(path)

    assert ["sources.a.header", "sources.a.max_body", "sources.a.keep_days", "sources.b.scheme"] == [
        line.strip().split(":")[0] for line in str(raised.value).splitlines()[1:]
    ]


# Schemas ---------------------------------------------------------------------------------------------------


def test_a_schema_may_stand_in_a_file_beside_hooks_yaml(read, tmp_path):
    (tmp_path / "schemas").mkdir()
    (tmp_path / "schemas" / "order.json").write_text('{"required": ["id"]}')

    schema = read(scheme="url-secret", schema="schemas/order.json").schema_

    assert (True, False) == (schema.is_valid({"id": 1}), schema.is_valid({}))


def test_a_schema_file_that_is_not_json_is_named(read, tmp_path):
    (tmp_path / "order.json").write_text("{")

    with pytest.raises(ConfigurationError, match=r"order\.json is not JSON"):
        read(scheme="url-secret", schema="order.json")


@pytest.mark.parametrize(
    ("draft", "verdict"),
    [
        ("http://json-schema.org/draft-04/schema#", False),
        ("http://json-schema.org/draft-07/schema#", True),
        ("http://json-schema.org/draft-07/schema", True),
        ("https://json-schema.org/draft/2020-12/schema", True),
    ],
)
def test_a_schema_is_of_the_draft_that_it_names(read, draft, verdict):
    """A whole number may be written 1.0 since draft 6."""
    schema = read(scheme="url-secret", schema={"$schema": draft, "type": "integer"}).schema_

    assert verdict is schema.is_valid(1.0)


@pytest.mark.parametrize(
    "schema",
    [
        {"$defs": {"a": {"type": "string"}}, "properties": {"a": {"$ref": "#/$defs/a"}}},
        {"$id": "https://example.com/s", "$defs": {"a": {"$anchor": "b", "type": "string"}}, "properties": {"a": {"$ref": "s#b"}}},
        {"properties": {"a": {"type": "string"}, "$ref": {"type": "string"}}},
        {"properties": {"a": {"$ref": "#"}}, "type": ["object", "string"]},
        {"properties": {"a": {"$id": "https://example.com/a", "$ref": "#/$defs/b", "$defs": {"b": {"type": "string"}}}}},
    ],
)  # fmt: skip
def test_a_schema_may_refer_to_its_own_parts(read, schema):
    found = read(scheme="url-secret", schema=schema).schema_

    assert (True, False) == (found.is_valid({"a": "text"}), found.is_valid({"a": 1}))


# Handshakes ------------------------------------------------------------------------------------------------


def test_a_handshake_is_meant_by_its_condition_and_answers_by_its_template(read):
    (meta,) = read(scheme="url-secret", handshakes=[META]).handshakes
    asked = request_names(query={"hub.mode": "subscribe", "hub.verify_token": "t", "hub.challenge": "42"})

    assert (True, False) == (meta.when.render(asked), meta.when.render(request_names()))
    assert ("t", "42") == (meta.token.render(asked), meta.answer(asked))


def test_slack_s_handshake_comes_with_its_preset(read):
    (challenge,) = read(preset="slack").handshakes
    asked = request_names(body={"type": "url_verification", "challenge": "3eZbrw1a"}, method="POST")

    assert ("POST", True, True) == (challenge.method, challenge.verified, challenge.when.render(asked))
    assert "3eZbrw1a" == challenge.answer(asked)
    assert not challenge.when.render(request_names(body={"type": "event_callback"}))


def test_a_reply_that_is_no_text_is_json(read):
    (pong,) = read(
        scheme="url-secret",
        handshakes=[
            {"method": "POST", "when": "body.type == 1", "reply": "{{ {'type': 1} }}", "content_type": "application/json"}
        ],
    ).handshakes  # fmt: skip

    assert '{"type": 1}' == pong.answer(request_names(body={"type": 1}))


def test_a_reply_that_lacks_its_value_is_an_error_of_the_template(read):
    (meta,) = read(scheme="url-secret", handshakes=[META]).handshakes

    with pytest.raises(TemplateError):
        meta.answer(request_names())


def test_a_source_cannot_be_changed(read):
    source = read(scheme="url-secret")

    with pytest.raises(ValueError, match="frozen"):
        source.enabled = False
    assert isinstance(source, Source)
