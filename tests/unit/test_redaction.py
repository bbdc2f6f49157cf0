"""Values that a source never wants kept are gone from the body, and nothing else of it is lost."""

import json
from contextlib import suppress
from urllib.parse import parse_qs

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookline.errors import ConfigurationError
from hookline.hooks import load_hooks
from hookline.hooks.bodies import AS_NAMED
from hookline.hooks.redaction import compile_path, redact

JSON = "application/json"
FORM = "application/x-www-form-urlencoded"

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=20,
)


def redacted(body, *paths, content_type=JSON):
    return redact([compile_path(path) for path in paths], content_type, body)


def as_json(body, *paths):
    return json.loads(redacted(json.dumps(body).encode(), *paths))


@pytest.mark.parametrize(
    ("path", "left"),
    [
        ("$.card", {"card": "[redacted]", "people": [{"pin": 1}, {"pin": 2, "card": "x"}]}),
        ("$['card']['number']", {"card": {"number": "[redacted]"}, "people": [{"pin": 1}, {"pin": 2, "card": "x"}]}),
        ("$.people[*].pin", {"card": {"number": 4}, "people": [{"pin": "[redacted]"}, {"pin": "[redacted]", "card": "x"}]}),
        ("$.people[-1].pin", {"card": {"number": 4}, "people": [{"pin": 1}, {"pin": "[redacted]", "card": "x"}]}),
        ("$.people[?@.pin == 1]", {"card": {"number": 4}, "people": ["[redacted]", {"pin": 2, "card": "x"}]}),
        ("$..card", {"card": "[redacted]", "people": [{"pin": 1}, {"pin": 2, "card": "[redacted]"}]}),
        ("$.people", {"card": {"number": 4}, "people": "[redacted]"}),
    ],
)  # fmt: skip
def test_what_a_path_names_is_replaced(path, left):
    body = {"card": {"number": 4}, "people": [{"pin": 1}, {"pin": 2, "card": "x"}]}

    assert left == as_json(body, path)


def test_paths_within_each_other_are_both_replaced():
    assert {"a": "[redacted]"} == as_json({"a": {"b": {"c": 1}}}, "$.a.b.c", "$.a", "$..b")


def test_a_path_that_finds_nothing_changes_no_byte():
    body = b'{ "a":1.50,\r\n "b" : "\\u00fc", "d": {"a": 2} }'

    assert body is redacted(body, "$.c", "$.a.b", "$[0]", "$..e")


@given(body=values, secret=st.text(min_size=1))
def test_nothing_but_what_is_named_is_lost(body, secret):
    whole = {"kept": body, "secret": secret}

    assert {"kept": body, "secret": "[redacted]"} == as_json(whole, "$.secret")


def test_letters_stay_letters_so_that_a_text_is_found():
    assert (
        '{"name": "Müller", "pin": "[redacted]"}'
        == redacted(json.dumps({"name": "Müller", "pin": 1}).encode(), "$.pin").decode()
    )


def test_half_a_character_is_kept_as_it_is():
    body = redacted(b'{"text": "\\ud83d", "pin": 1}', "$.pin")

    assert {"text": "\ud83d", "pin": "[redacted]"} == json.loads(body)


@given(
    fields=st.dictionaries(
        st.text(min_size=1), st.lists(st.text(), min_size=1, max_size=3), min_size=1, max_size=5
    )
)
def test_a_field_of_a_form_is_replaced_by_its_name(fields):
    from urllib.parse import urlencode

    body = urlencode({**fields, "card": "4111"}, doseq=True).encode()

    left = parse_qs(
        redacted(body, "$.card", content_type=FORM).decode(), keep_blank_values=True, strict_parsing=True
    )

    assert {**fields, "card": ["[redacted]"]} == left


def test_a_field_that_is_there_twice_is_replaced_whole_or_by_number():
    assert {"pin": "[redacted]"} == AS_NAMED.parse(FORM, redacted(b"pin=1&pin=2", "$.pin", content_type=FORM))
    assert {"pin": ["1", "[redacted]"]} == AS_NAMED.parse(
        FORM, redacted(b"pin=1&pin=2", "$.pin[1]", content_type=FORM)
    )


def test_what_is_nested_too_deeply_to_look_through_is_refused():
    body = b'{"a":' * 150 + b"1" + b"}" * 150

    with pytest.raises(ValueError, match="more than 100 values within each other"):
        redacted(body, "$..pin")


@given(body=st.binary(), content_type=st.sampled_from([JSON, FORM]))
def test_hostile_bytes_are_redacted_or_refused_in_words(body, content_type):
    with suppress(ValueError):
        redacted(body, "$..pin", "$.*", "$[?@.a > 1]", content_type=content_type)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("card", "is not a JSONPath"),
        ("", "is not a JSONPath"),
        ("$.", "is not a JSONPath"),
        ("$.a[", "is not a JSONPath"),
        ("$.a.~b", "is not a JSONPath"),  # the library's own: names a key, not a value
        ("$.a | $.b", "is not a JSONPath"),
        ("$", "selects the whole body"),
    ],
)
def test_a_path_that_is_none_is_refused_when_hooks_are_read(tmp_path, text, complaint):
    path = hooks(tmp_path, f"redact: [{json.dumps(text)}]")

    with pytest.raises(ConfigurationError, match=complaint) as told:
        load_hooks(path)
    assert "sources.shop.redact" in str(told.value)


@pytest.mark.parametrize("kind", ["xml", "any"])
def test_redacting_what_cannot_be_redacted_is_refused_when_hooks_are_read(tmp_path, kind):
    path = hooks(tmp_path, f"redact: [$.pin], accept: [json, {kind}]")

    with pytest.raises(ConfigurationError, match=f"with {kind} accepted, values would be stored"):
        load_hooks(path)


def hooks(folder, source):
    path = folder / "hooks.yaml"
    path.write_text(f"sources: {{shop: {{scheme: shared-secret, header: X-Key, {source}}}}}\n")
    return path


def test_a_text_that_holds_json_is_a_text():
    body = json.dumps('{"card": 1}').encode()

    assert body == redacted(body, "$.card")
    assert b'"no JSON"' == redacted(b'"no JSON"', "$.card")


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("text/plain", b'{"card": 1}'),
        ("", b'{"card": 1}'),
        ("application/xml", b"<card>1</card>"),
        ("multipart/form-data; boundary=x", b'--x\r\nContent-Disposition: form-data; name="card"\r\n\r\n1\r\n--x--\r\n'),
        (f"{FORM}; charset=cp037", b"%63ard=1"),
        (f"{FORM}; charset=utf-16", b"%63ards=1"),
    ],
)  # fmt: skip
def test_a_body_in_which_no_path_can_look_is_refused_and_never_stored_as_it_is(content_type, body):
    with pytest.raises(ValueError, match="cannot be redacted"):
        redacted(body, "$.card", "$.cards", content_type=content_type)
