"""What a body says, by its content type; whatever a stranger sends, it is a value or a ValueError."""

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from hookline.hooks.bodies import AS_NAMED, MAX_FIELDS, kind
from hookline.hooks.limits import MAX_DEPTH

FORM = "application/x-www-form-urlencoded"


@pytest.mark.parametrize(
    ("content_type", "expected"),
    [
        ("application/json", "json"),
        ("Application/JSON; charset=utf-8", "json"),
        (" application/cloudevents+json ;v=1", "json"),
        ("text/json", "json"),
        (FORM, "form"),
        (f"{FORM}; charset=UTF-8", "form"),
        ("application/xml", "xml"),
        ("text/xml", "xml"),
        ("application/soap+xml; action=x", "xml"),
        ("text/plain", "other"),
        ("multipart/form-data; boundary=x", "multipart"),
        ("multipart/mixed; boundary=x", "other"),
        ("application/jsonp", "other"),
        ("json", "other"),
        ("", "other"),
        ("; application/json", "other"),
    ],
)
def test_the_kind_is_what_the_content_type_names(content_type, expected):
    assert expected == kind(content_type)


@pytest.mark.parametrize(
    ("content_type", "body", "expected"),
    [
        ("application/json", b'{"a": [1, null]}', {"a": [1, None]}),
        ("application/json", '"é"'.encode(), "é"),
        (FORM, b"a=1&b=x+y%2Fz&a=2&c=", {"a": ["1", "2"], "b": "x y/z", "c": ""}),
        (FORM, b"", {}),
        ("text/xml", b"<o><id>7</id><l a='1'>x</l><l/></o>", {"o": {"id": "7", "l": [{"@a": "1", "#text": "x"}, None]}}),
        ("application/xml", "<?xml version='1.0' encoding='latin-1'?><o>é</o>".encode("latin-1"), {"o": "é"}),
        ("text/plain", b"hello", "hello"),
        ("", b"\xff", "\ufffd"),
    ],
)  # fmt: skip
def test_a_body_is_read_as_its_kind_is(content_type, body, expected):
    assert expected == AS_NAMED.parse(content_type, body)


BOMB = b"<!DOCTYPE x [<!ENTITY a 'ha'><!ENTITY b '&a;&a;&a;'>]><x>&b;</x>"
OUTSIDE = b"<!DOCTYPE x [<!ENTITY a SYSTEM 'file:///etc/passwd'>]><x>&a;</x>"


@pytest.mark.parametrize(
    ("content_type", "body", "said"),
    [
        ("application/json", b"{", "The body is not JSON: "),
        ("application/json", b"", "The body is not JSON: "),
        ("application/json", b"\xff\xff", "The body is not JSON: "),
        ("application/json", b"[" * 100_000, f"more than {MAX_DEPTH} values within each other"),
        ("application/json", b"[" * 101 + b"]" * 101, f"more than {MAX_DEPTH} values within each other"),
        ("application/json", b'{"a":' * 101 + b"1" + b"}" * 101, f"more than {MAX_DEPTH} values"),
        ("application/json", ("[" * 101 + "]" * 101).encode("utf-16"), f"more than {MAX_DEPTH} values"),
        ("application/json", b"9" * 10_000, "too many digits"),
        ("application/json", b"[NaN]", "NaN is not a number of JSON"),
        ("application/json", b'{"a": -Infinity}', "-Infinity is not a number of JSON"),
        ("application/json", b"[1e999]", "1e999 is larger than any number that can be stored"),
        ("application/json", b"-" + b"9" * 400 + b".0", "is larger than any number"),
        (FORM, b"a=%ff", "The body is not a form: "),
        (FORM, b"\xff", "The body is not a form: "),
        (FORM, b"a&" * (MAX_FIELDS + 1), "The body is not a form: "),
        ("text/xml", b"", "The body is not XML that we accept: "),
        ("text/xml", b"<a>", "The body is not XML that we accept: "),
        ("text/xml", b"<a/><b/>", "The body is not XML that we accept: "),
        ("text/xml", b"\xff<a/>", "The body is not XML that we accept: "),
        (
            "text/xml",
            b"<?xml version='1.0' encoding='nonsense'?><a/>",
            "The body is not XML that we accept: ",
        ),
        ("text/xml", BOMB, "DOCTYPE"),
        ("text/xml", OUTSIDE, "DOCTYPE"),
        ("text/xml", b"<a>" * 100_000 + b"</a>" * 100_000, f"more than {MAX_DEPTH} elements"),
    ],
)
def test_what_cannot_be_read_is_said_in_words(content_type, body, said):
    with pytest.raises(ValueError, match=said):
        AS_NAMED.parse(content_type, body)


def test_xml_may_be_as_deep_as_the_limit():
    assert AS_NAMED.parse("text/xml", b"<a>" * MAX_DEPTH + b"</a>" * MAX_DEPTH)


@hypothesis_settings(deadline=None, max_examples=300)
@given(
    content_type=st.sampled_from(["application/json", FORM, "text/xml", "text/plain"]) | st.text(max_size=20),
    body=st.binary(max_size=200) | st.text(alphabet="<>&;=%/![]{}\"'a1 ", max_size=200).map(str.encode),
)
def test_whatever_is_sent_is_a_value_of_json_or_a_value_error(content_type, body):
    with contextlib.suppress(ValueError):
        json.dumps(AS_NAMED.parse(content_type, body))


@pytest.mark.parametrize(
    "codec", ["punycode", "idna", "unicode_escape", "raw_unicode_escape", "undefined", "zip"]
)
def test_a_codec_that_is_no_charset_reads_no_body(codec):
    with pytest.raises(ValueError, match="There is no charset"):
        AS_NAMED.parse(f"text/plain; charset={codec}", b"a-b9z")
