"""Fields of a body in which, or over which, a proof stands: read as their sender wrote them, and written for a test."""

import json
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookline.schemes.fields import FORM, MAX_ITEMS, items_at, read_body, text_at, value_at, with_text

JSON = "application/json"
TEXTS = st.text(st.characters(codec="utf-8"), max_size=8)
NAMES = st.from_regex(r"\A[A-Za-z][A-Za-z0-9_]{0,5}\Z")


@pytest.mark.parametrize("number", ["1", "-0", "1.10", "1e3", "9007199254740993", "0.1000"])
def test_a_number_is_read_as_it_is_written(number):
    assert number == text_at(read_body(JSON, b'{"a": %s}' % number.encode()), "a")


@pytest.mark.parametrize("body", [b"", b"{", b'{"a": NaN}', b"[" * 10_000, b"\xff"])
def test_what_is_no_json_has_no_fields(body):
    assert None is read_body(JSON, body)


@given(st.dictionaries(NAMES, TEXTS, min_size=1, max_size=4))
def test_a_form_has_its_fields_by_their_names(fields):
    assert fields == read_body(FORM, urlencode(fields).encode())


def test_a_form_that_has_a_name_twice_says_nothing():
    assert None is read_body(FORM, b"a=1&b=2&a=1")


@given(st.dictionaries(NAMES, TEXTS, max_size=4), NAMES, TEXTS, st.sampled_from([JSON, FORM]))
def test_a_text_that_was_written_into_a_body_stands_there_beside_all_else(fields, name, text, kind):
    before = json.dumps(fields) if kind == JSON else urlencode(fields)

    after = read_body(kind, with_text(kind, before.encode(), name, text))

    assert {**fields, name: text} == after


def test_a_text_is_written_where_its_path_leads():
    body = with_text(JSON, b'{"list": [{}, {"a": {"b": 1}}]}', "list.1.a.proof", "x")

    assert {"list": [{}, {"a": {"b": 1, "proof": "x"}}]} == json.loads(body)


def test_a_text_is_written_into_each_item_of_a_list():
    body = with_text(JSON, b'{"value": [{"id": 1}, {"id": 2}]}', "state.proof", "x", each="value")

    assert [{"proof": "x"}] * 2 == [item["state"] for item in json.loads(body)["value"]]


@pytest.mark.parametrize(("kind", "body"), [(JSON, b"7"), (JSON, b"[]"), (JSON, b"no JSON"), (FORM, b"a=1")])
def test_a_body_that_cannot_hold_the_text_is_refused_in_words(kind, body):
    with pytest.raises(ValueError, match=r"for a body (that can hold a field a\.b|of JSON or a form)"):
        with_text(kind, body, "a.b", "x")


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (None, {"a": [1, {"b": 2}], "": 3}),
        ("", {"a": [1, {"b": 2}], "": 3}),
        ("a.0", 1),
        ("a.1.b", 2),
        ("a.2", None),
        ("a.-1", None),
        ("a.b", None),
        ("a.0.b", None),
        ("c", None),
    ],
)
def test_a_path_leads_through_objects_and_lists_or_to_nothing(path, value):
    assert value == value_at({"a": [1, {"b": 2}], "": 3}, path)


@pytest.mark.parametrize(("number", "read"), [(MAX_ITEMS, MAX_ITEMS), (MAX_ITEMS + 1, 0)])
def test_a_list_that_is_too_long_to_be_verified_has_no_items(number, read):
    assert read == len(items_at({"value": [{}] * number}, "value"))
