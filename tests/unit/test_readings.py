"""How a source says its bodies are read: as what, in which charset, with JSON in which fields, and files."""

import json
from urllib.parse import urlencode

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookline.errors import ConfigurationError
from hookline.hooks import load_hooks
from hookline.hooks.bodies import MAX_FIELDS, Reading, parts_of

FORM = "application/x-www-form-urlencoded"


@pytest.fixture
def source(tmp_path):
    def read(**fields):
        path = tmp_path / "hooks.yaml"
        whole = {"sources": {"shop": {"scheme": "shared-secret", **fields}}, "routes": {}}
        path.write_text(json.dumps(whole))
        return load_hooks(path).sources["shop"]

    return read


def multipart(fields, files):
    """What an HTTP client of others makes of fields and files."""
    request = httpx.Request("POST", "http://x", data=fields, files=files)
    return request.headers["content-type"], request.read()


@pytest.mark.parametrize(
    ("fields", "content_type", "body", "expected"),
    [
        ({"parse": "json"}, "text/plain; charset=UTF-8", b'{"Type": "Notification"}', {"Type": "Notification"}),
        ({"parse": "json"}, "", b"[1]", [1]),
        ({"parse": "text"}, "application/json", b"no JSON", "no JSON"),
        ({"accept": ["form"]}, f"{FORM}; charset=windows-1252", b"name=Zo%EB", {"name": "Zoë"}),
        ({"accept": ["form"], "charset": "windows-1252"}, FORM, b"name=Zo%EB", {"name": "Zoë"}),
        ({"accept": ["form"], "charset": "windows-1252"}, f"{FORM}; charset=utf-8", b"n=%EB", {"n": "ë"}),
        ({"accept": ["xml"]}, "text/xml; charset=iso-8859-1", b"<n>Zo\xeb</n>", {"n": "Zoë"}),
        ({"accept": ["xml"]}, "text/xml", b'<?xml version="1.0" encoding="iso-8859-1"?><n>\xeb</n>', {"n": "ë"}),
        (
            {"accept": ["xml"], "charset": "windows-1252"},
            "text/xml",
            b'<?xml version="1.0" encoding="utf-8"?><n>\x80</n>',
            {"n": "€"},
        ),
        ({}, "application/json; charset=iso-8859-1", '"ë"'.encode(), "ë"),
        ({"charset": "windows-1252"}, "application/json", b'"\x80"', "€"),
        ({"accept": ["any"]}, "text/plain; charset=iso-8859-1", b"\xeb", "ë"),
    ],
)  # fmt: skip
def test_a_body_is_read_as_its_source_says(source, fields, content_type, body, expected):
    read = source(**fields)
    read.require_accepted(content_type)

    assert expected == read.reading.parse(content_type, body)


def test_paypal_names_the_charset_in_a_field(source):
    # https://developer.paypal.com/api/nvp-soap/ipn/IPNandPDTVariables/: charset, windows-1252 unless it is changed
    reading = source(accept=["form"], charset={"field": "charset"}).reading

    body = b"first_name=Zo%EB&charset=windows-1252&mc_gross=19.95"
    assert {"first_name": "Zoë", "charset": "windows-1252", "mc_gross": "19.95"} == reading.parse(FORM, body)
    assert {"first_name": "Zoë"} == reading.parse(FORM, b"first_name=Zo%C3%AB")


def test_sendgrid_names_the_charset_of_each_field(source):
    # https://www.twilio.com/docs/sendgrid/for-developers/parsing-email/setting-up-the-inbound-parse-webhook: charsets
    reading = source(accept=["multipart"], charset={"field": "charsets"}).reading
    charsets = json.dumps({"from": "UTF-8", "text": "iso-8859-1"})
    content_type, body = multipart(
        {"charsets": charsets, "from": "Zoë", "text": "placeholder"}, {"file": b""}
    )

    parsed = reading.parse(content_type, body.replace(b"placeholder", b"\xeb"))
    assert ("Zoë", "ë") == (parsed["from"], parsed["text"])


def test_sendgrid_names_the_charset_of_each_field_of_a_mail_without_files_too(source):
    """Such a mail comes as a form without parts."""
    reading = source(accept=["form"], charset={"field": "charsets"}).reading
    charsets = {"from": "UTF-8", "text": "iso-8859-1", "subject": "Shift_JIS"}
    fields = {
        "charsets": json.dumps(charsets).encode(),
        "from": "Zoë".encode(),
        "text": b"\xeb",
        "subject": "題".encode("shift_jis"),
        "html": b"\x80",
    }

    parsed = reading.parse(f"{FORM}; charset=windows-1252", urlencode(fields).encode())
    assert {**parsed, "from": "Zoë", "text": "ë", "subject": "題", "html": "€"} == parsed
    with pytest.raises(ValueError, match="The body is not a form"):
        reading.parse(FORM, urlencode(fields).encode())
    with pytest.raises(ValueError, match="There is no charset 'klingon'"):
        reading.parse(FORM, urlencode({"charsets": json.dumps({"a": "klingon"})}).encode())


def test_github_s_and_slack_s_payload_is_json_in_a_field(source):
    # https://docs.github.com/en/webhooks/webhook-events-and-payloads: payload, of application/x-www-form-urlencoded
    reading = source(accept=["form"], json_fields=["payload"]).reading

    assert {"payload": {"action": "opened"}} == reading.parse(
        FORM, b"payload=%7B%22action%22%3A%22opened%22%7D"
    )
    assert {"payload": "opened"} == reading.parse(FORM, b"payload=opened")


def test_the_message_of_sns_is_json_in_a_text(source):
    # https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html: Message, sent as text/plain
    reading = source(parse="json", json_fields=["Message"]).reading
    body = json.dumps({"Type": "Notification", "Message": '{"order": 7}'}).encode()

    assert {"order": 7} == reading.parse("text/plain", body)["Message"]


def test_the_files_of_a_form_are_named_and_their_bytes_stay(source):
    image = bytes(range(256))
    content_type, body = multipart(
        {"subject": "Zoë", "to": ["a", "b"]}, {"photo": ("a.png", image, "image/png")}
    )

    parsed = source(accept=["multipart"]).reading.parse(content_type, body)
    assert {
        "subject": "Zoë",
        "to": ["a", "b"],
        "photo": {"filename": "a.png", "content_type": "image/png", "size": 256},
    } == parsed
    assert [image] == [part.content for part in parts_of(content_type, body) if part.filename]


@pytest.mark.parametrize(
    ("content_type", "body", "why"),
    [
        ("multipart/form-data", b"", "names no boundary"),
        ("multipart/form-data; boundary=x", b"", "not a form with parts"),
        ("multipart/form-data; boundary=x", b"--x\r\n\r\nno header\r\n--x--", "not a form with parts"),
        ("multipart/form-data; boundary=x", b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\ncut', "parts"),
        (
            "multipart/form-data; boundary=x",
            b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n\r\n' * (MAX_FIELDS + 1) + b"--x--\r\n",
            "not a form with parts",
        ),
        (f"{FORM}; charset=klingon", b"a=1", "There is no charset 'klingon'"),
        (f"{FORM}; charset=zip", b"a=1", "There is no charset 'zip'"),
        (f"{FORM}; charset=utf-8", b"a=%EB", "not a form"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_says_why(content_type, body, why):
    with pytest.raises(ValueError, match=why):
        Reading().parse(content_type, body)


@pytest.mark.parametrize(
    ("fields", "place"),
    [
        ({"charset": "klingon"}, ".charset: Value error, There is no charset 'klingon'."),
        ({"charset": {"file": "x"}}, ".charset"),
        ({"parse": "csv"}, ".parse"),
        ({"parse": "xml", "redact": ["$.a"]}, "redact works on json and form; with xml"),
        ({"accept": ["multipart"], "redact": ["$.a"]}, "with multipart accepted"),
        ({"charset": "utf-8", "redact": ["$.a"]}, "redact does not work with charset"),
        ({"json_fields": ["a"], "redact": ["$.a"]}, "redact does not work with charset or json_fields"),
    ],
)
def test_a_mistake_in_how_bodies_are_read_is_named_with_its_place(source, fields, place):
    with pytest.raises(ConfigurationError) as raised:
        source(**fields)

    assert place in str(raised.value)


content_types = st.sampled_from(
    [
        "multipart/form-data; boundary=x",
        FORM,
        "application/json",
        "text/xml",
        "",
        'multipart/form-data; boundary="',
    ]
) | st.text(max_size=60)


@given(
    content_types,
    st.binary(max_size=200)
    | st.dictionaries(
        st.sampled_from(["charset", "a", "b"]),
        st.binary(max_size=9) | st.sampled_from([b'{"a": "big5"}', b"{"]),
    ).map(lambda fields: urlencode(fields).encode())
    | st.sampled_from([b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n--x--']),
    st.sampled_from([None, "json", "form", "xml", "multipart", "other"]),
    st.sampled_from([None, "utf-8", "utf-16", "windows-1252", "utf-7"]),
    st.sampled_from([None, "charset", "a"]),
)
def test_whatever_is_sent_is_read_or_refused_in_words(content_type, body, kind, charset, field):
    outcome = "The body is read"
    try:
        Reading(kind, charset, field, ("a",)).parse(content_type, body)
    except ValueError as error:
        outcome = str(error)

    assert outcome.startswith(("The body ", "There is no charset "))
