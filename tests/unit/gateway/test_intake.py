"""Whatever bytes a proven sender sends, they are stored as they came, and routed or rejected in words."""

import json

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pydantic import SecretStr

from hookline.gateway.intake import RequestData, read_request
from hookline.gateway.request_parsing import Rejection
from hookline.hooks import load_hooks
from hookline.hooks.matching import Candidate, Incoming, match_routes, split_bundle
from hookline.schemes import SignedRequest

HOOKS = """
sources:
  plain: {scheme: shared-secret, id: "{{ body.id }}", schema: {type: object}}
  form: {scheme: shared-secret, accept: [form, multipart], charset: {field: charset}, json_fields: [a]}
  any: {scheme: shared-secret, accept: [any], id: {header: X-Id}, repeats: by-body}
  xml: {scheme: shared-secret, parse: xml, charset: utf-16, repeats: never}
  items: {scheme: shared-secret, split: "$..a", id: "{{ body.id }}-{{ envelope.id }}"}
  redacted: {scheme: shared-secret, accept: [json, form], redact: ["$..a"]}
routes:
  plain: &route {source: plain, deployment: a/b, key: "{{ body.key }}", parameters: {a: "{{ body.a }}"}}
  form: {<<: *route, source: form}
  any: {<<: *route, source: any, when: "body.a < 7 or headers['x-id'] == 'x'"}
  xml: {<<: *route, source: xml}
  items: {<<: *route, source: items}
  redacted: {<<: *route, source: redacted}
"""

names = st.sampled_from(["a", "id", "key", "charset"]) | st.text(max_size=5)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=4),
    max_leaves=20,
)
written = st.builds(
    lambda value, encoding: json.dumps(value).encode(encoding), values, st.sampled_from(["utf-8", "utf-16"])
)
pieces = st.lists(
    st.sampled_from(
        [
            *(b"[", b"{", b'{"a":', b'"a":1,', b"}", b"]", b"1e999", b'"', b"\xef\xbb\xbf", b"\0"),
            *(b"a=1", b"&", b"%00", b"%ff", b"charset=utf-16", b"<a>", b"</a>", b"<!DOCTYPE a>"),
            *(b"--x\r\n", b'Content-Disposition: form-data; name="a"\r\n', b"\r\n", b"--x--\r\n"),
        ]
    )
    | st.binary(max_size=9),
    max_size=30,
).map(b"".join)
nested = st.builds(
    lambda piece, times: piece * times, st.sampled_from([b"[", b'{"a":', b"<a>"]), st.integers(1, 3000)
)
content_types = st.sampled_from(
    [
        "application/json",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "text/xml",
        "",
        "text/plain; charset=klingon",
        "application/x-www-form-urlencoded; charset=utf-16",
    ]
) | st.text(max_size=30)


@pytest.fixture(scope="module")
def hooks(tmp_path_factory):
    path = tmp_path_factory.mktemp("hooks") / "hooks.yaml"
    path.write_text(HOOKS)
    return load_hooks(path)


def taken(spec, content_type, body, context):
    """What the gateway makes of a request; the status where it refuses it."""
    request = RequestData(
        spec=spec,
        method="POST",
        content_type=content_type,
        context=context,
        keys={"secret": [SecretStr("s")], "token": []},
        confidential=[],
        signed=SignedRequest(context["headers"], body=body),
    )
    try:
        return read_request(request)
    except Rejection as rejection:
        return rejection.status


def routed(stored, route):
    """What the engine makes of a delivery: its dispatches or items, or why there are none."""
    try:
        if route.source == "items":
            return split_bundle(stored, [])
        return match_routes(stored, [Candidate(route.name, route.spec)], [])
    except ValueError as error:
        return str(error)


@hypothesis_settings(deadline=None, max_examples=500)
@given(
    source=st.sampled_from(["plain", "form", "any", "xml", "items", "redacted"]),
    body=written | pieces | nested,
    content_type=content_types,
    odd=st.none() | st.text(st.characters(max_codepoint=255), max_size=300),
    encoding=st.sampled_from([None, "gzip", "identity"]),
)
def test_whatever_is_sent_is_stored_as_it_came_and_routed_or_rejected_in_words(
    hooks, source, body, content_type, odd, encoding
):
    headers = {"content-type": content_type, "x-id": odd, "content-encoding": encoding}
    headers = {name: value for name, value in headers.items() if value is not None}
    context = {"headers": headers, "query": {}, "method": "POST", "source": source}
    spec = hooks.sources[source].spec

    intake = taken(spec, content_type, body, context)
    if intake == 400 and source == "redacted":
        return
    assert intake.external_id.isprintable()
    assert 0 < len(intake.external_id) < 300
    assert intake.body is None or source == "redacted"

    stored = Incoming(
        content_type=content_type,
        body=body if intake.body is None else intake.body,
        altered=intake.altered,
        context={**context, "delivery_id": intake.external_id, "received_at": "", "envelope": {}},
        source=spec,
    )
    assert routed(stored, next(each for each in hooks.routes if each.source == source)) != ""
