"""The inbox page where nothing must run: who gets in, and what strangers' bytes become."""

import json
import time
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from urllib.parse import parse_qsl, urlsplit
from uuid import uuid4

import pytest
import xmltodict
from hypothesis import given, settings
from hypothesis import strategies as st

from hookline.gateway.views import addresses, formatting, queries
from hookline.gateway.views.copying import Text, exact
from hookline.gateway.views.preview import indented_json, indented_xml, preview
from hookline.gateway.views.rendering import TEMPLATES
from hookline.gateway.views.session import Visit
from hookline.gateway.views.sources import Card
from hookline.health.running import Running, Trouble
from hookline.inbox import dry_run, stats
from hookline.inbox.holding import Holding
from hookline.inbox.refusals import Refusal
from hookline.inbox.search import Filter, Listing, Selection
from hookline.labels import about_value
from hookline.outages.store import Account
from hookline.people import ADMIN
from hookline.states import DELIVERIES, WAITS
from hookline.text import typed
from hookline.waits.forms import Field

anything = (
    st.text()
    | st.text(alphabet="<>\"'&/=scriptSCRIPT{}%\x00\x1b\u202e\ud800")
    | st.sampled_from(
        [
            "<script>alert(1)</script>",
            '"><img src=x onerror=alert(1)>',
            "{{ 7 * 7 }}",
            "</pre></textarea>",
            "javascript:x",
        ]
    )
)


class Outline(HTMLParser):
    """The tags of a page with their attributes' names, its addresses, and the text of the body shown."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.addresses, self.body, self._in_body = set(), set(), "", False
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attributes):
        names = dict(attributes)
        self.tags.add((tag, frozenset(names)))
        self.addresses |= {names[name] for name in ("href", "src", "action") if name in names}
        if "body" == names.get("class"):
            self._in_body = True

    def handle_endtag(self, tag):
        self._in_body = self._in_body and tag != "pre"

    def handle_data(self, data):
        self.body += data if self._in_body else ""


FLOW_RUN, DELIVERY = uuid4(), uuid4()


def pages_of(body, *, headers, text, content_type="application/json"):
    """Every page on which a stranger had his way with everything he can reach, and a person with reasons."""
    moment = datetime(2026, 3, 4, tzinfo=UTC)
    dispatch = {
        "route": "r",
        "deployment": "f/d",
        "key": text,
        "label": text,
        "about": {"order": about_value(f".{text}")},
        "label_problem": text,
        "state": "uncertain",
        "reason": text,
        "replaced_by": DELIVERY,
        "attempts": 1,
        "replays": 0,
        "flow_run_id": FLOW_RUN,
        "created_at": moment,
        "started_at": moment,
        "finished_at": moment,
        "not_before": moment,
        "issue_id": 7,
    }
    effect = {
        "id": 1,
        "label": text,
        "step": text,
        "operation": "v.o",
        "state": "uncertain",
        "reason": text,
        "expected": 2,
        "needs": {text: "text"},
        "reference": [text],
        "attempts": 1,
        "flow_run_id": FLOW_RUN,
        "created_at": moment,
        "attempted_at": moment,
        "finished_at": None,
        "request": text,
        "facts": {"for": text},
    }
    decision = {
        "id": 1, "step": text, "label": text, "what": text, "actor": text, "decided_at": moment,
        "goes_on_at": moment, "has_runs": True,
    }  # fmt: skip
    change = {
        "at": moment, "subject": "delivery", "route": None, "effect_id": None, "was": "failed",
        "became": "discarded", "actor": text, "reason": text,
    }  # fmt: skip
    pause = {"source": "s", "since": moment, "actor": text, "reason": text}
    wrong = {"kind": text, "name": text, "detail": text, "since": moment, "processes": [text]}
    delivery = {
        "id": DELIVERY, "source": "s", "external_id": text, "received_at": moment, "state": "uncertain",
        "method": "POST", "query": headers, "reason": text, "duplicates": 1, "duplicate_at": moment, "others": 2, "repeats_id": DELIVERY,
        "headers": headers, "content_type": text, "altered": ["redacted"], "dispatches": [dispatch], "issue_id": None, "bundle_id": DELIVERY,
        "copy_of": DELIVERY, "copies": 2, "listened_from": text, "listened_id": DELIVERY, "changed": {"body": True, "parameters": {text: {text: text}}},
        "label": text, "about": {"customer": about_value(f".{text}")}, "label_problem": text, "replaces": 1,
    }  # fmt: skip
    common = {
        "now": moment + timedelta(hours=1),
        "prefect": "http://prefect",
        "flash": text,
        "visit": Visit(ADMIN, "key"),
        "may": lambda _role: True,
        "logout": None,
    }
    typed = text.encode(errors="replace").decode()  # as Starlette decodes it
    filter_ = Filter(source=typed, key=typed, about=typed, text=typed, state="failed")
    sent = stats.Source("s", {"failed": 3}, ["failed"], moment, moment, 1, pause)
    refused = Refusal("s", 400, typed, 3, moment, moment, typed, {typed: typed})
    listener = {"source": "s", "actor": text, "since": moment}
    source = Card("s", None, text, sent, [("r", "f/d")], [refused], listeners=[listener])
    issue = {
        "id": 7, "kind": "failed", "title": text, "advice": text, "reason": text, "count": 3, "waiting": 2,
        "before": 1, "first_at": moment, "last_at": moment, "acknowledged_by": text, "acknowledged_at": moment,
        "closes_itself": True, "closed_at": None,
    }  # fmt: skip
    wait = {
        "id": DELIVERY, "what": text, "reason": text, "state": "waiting", "until": moment, "closed_at": moment,
        "created_at": moment, "since": moment, "flow_run_id": FLOW_RUN, "delivery_id": DELIVERY, "people": [text, "ben"],
        "waiting_delivery_id": DELIVERY, "answered_by": text, "answered_way": "link", "person": text,
        "questions": [{"person": text, "sent_at": None, "error": text}],
    }  # fmt: skip
    fields = [
        Field("yes", text, text, "boolean", required=True, default=None),
        Field("text", text, text, "text", required=False, default=text),
        Field("short", text, text, "text", required=True, default=text, max_length=20),
        Field("one", text, text, "choice", required=True, default=text, choices=[text, "b"]),
    ]
    asked = {"fields": fields, "values": {"text": text}, "problems": {text: text}, "summary": text}
    away = Account("zentitle/default", "zentitle", "away", moment, text, moment, 3, 12)
    html = {
        "delivery": {
            "delivery": delivery,
            "effects": [effect, effect | {"state": "failed"}],
            "trail": [change],
            "waits": [wait],
            "decisions": [decision],
            "verified": text,
            "body": preview(body, content_type),
            "absence": None,
            "can": {"replay": True, "discard": True, "again": {"r"}, "routes": ["another"], "change": True},
        },
        "copy": {
            "delivery": delivery,
            "text": Text(typed),
            "problem": text,
            "body": exact(typed),
            "route": text,
            "reason": exact(typed),
            "routes": [{"name": text, "parameters": text, "field": text, "typed": exact(typed)}],
        },
        "copy_preview": {
            "delivery": delivery,
            "original": DELIVERY,
            "change": text,
            "fields": {"body": exact(typed)},
            "rehearsed": {
                "items": 3,
                "starts": [{"route": text, "deployment": text, "key": text, "lines": [(text, text, text)]}],
            },
        },
        "uncertain": {
            "effects": [effect | {"delivery_id": DELIVERY, "delivery_label": text}],
            "decisions": [decision],
        },
        "confirm": {
            "title": text,
            "facts": {"for": text},
            "follows": [text],
            "action": "/effects/1/resolve",
            "fields": {"reference": text},
            "button": text,
            "back": "/uncertain",
        },
        "inbox": {
            "counts": dict.fromkeys((*queries.COUNTED_STATES, "uncertain"), 3),
            "running": Running(
                1,
                [Trouble(text, text, moment)],
                DELIVERY,
                45.0,
                [wrong],
                vendors=[away],
                holding=Holding(moment, text),
            ),
            "processes": {text: text},
            "pauses": [pause],
            "sources": ["s"],
            "filter": Filter(key=typed, about=typed, text=typed),
            "narrowed": False,
            "listing": Listing([delivery], older=7),
        },
        "sources": {"cards": [source], "problems": [wrong]},
        "waits": {
            "waits": [wait],
            "state": "waiting",
            "states": WAITS.states,
            "counts": {"answer": 1},
            "MAX_WAITS": 9,
        },
        "wait": {"wait": wait, **asked},
        "answer": {"wait": wait, "mine": False, "question": text, **asked},
        "bulk": {
            "act": "discard",
            "parts": [dry_run.Part("s", "failed", 3, None), dry_run.Part("s", "done", 1, "is over")],
            "acted": 3,
            "found": Selection([DELIVERY] * 4, more=True, searched=9),
            "filter": filter_,
            "reason": text,
            "back": "/",
        },
        "issues": {"issues": [issue], "closed": False, "accounts": [away]},
        "issue": {
            "issue": issue,
            "members": [
                {
                    "delivery_id": DELIVERY,
                    "source": "s",
                    "external_id": text,
                    "route": None,
                    "label": text,
                    "state": "failed",
                    "reason": text,
                    "waits_for": None,
                    "received_at": moment,
                },
            ],
            "MAX_MEMBERS": 100,
        },
    }
    rendered = [
        TEMPLATES.get_template(f"{name}.html").render(common | values) for name, values in html.items()
    ]
    return [Outline(page.encode().decode()) for page in rendered], "".join(rendered)


def paths(outlines):
    """The addresses of pages, without what they narrow a list to."""
    return [{address.partition("?")[0] for address in outline.addresses} for outline in outlines]


PLAIN, _ = pages_of(b"{}", headers={"a": "b"}, text="plain")


@settings(deadline=None)
@given(
    st.binary() | anything.map(lambda text: text.encode(errors="surrogatepass")), anything, anything, anything
)
def test_whatever_was_sent_is_shown_as_text_and_adds_no_tag_attribute_or_address(body, name, value, text):
    outlines, html = pages_of(body + b".", headers={name: f".{value}"}, text=f".{text}")  # not empty

    assert [outline.tags for outline in PLAIN] == [outline.tags for outline in outlines]
    assert paths(PLAIN) == paths(outlines)
    assert "<script" not in html.lower()


@settings(deadline=None)
@given(st.binary())
def test_a_body_is_shown_byte_for_byte_where_it_is_text(body):
    outlines, _ = pages_of(body, headers={}, text="", content_type="text/plain")

    expected = str(formatting.escaped(body.decode(errors="backslashreplace")))
    assert expected.removeprefix("\n") == outlines[0].body.removeprefix("\n")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | anything.filter(str.isprintable),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@settings(deadline=None)
@given(json_values, st.booleans())
def test_indenting_json_changes_nothing_but_the_space_between(value, ascii_only):
    text = json.dumps(value, ensure_ascii=ascii_only)

    assert value == json.loads(indented_json(text))
    assert json.dumps(value, indent=2, ensure_ascii=ascii_only) == indented_json(text)


def test_numbers_and_repeated_names_stay_as_they_were_sent():
    assert '{\n  "a": 1.10,\n  "a": 1e400\n}' == indented_json('{"a":1.10,"a":1e400}')


@settings(deadline=None)
@given(json_values, st.integers(0, 400))
def test_json_that_is_cut_off_is_still_indented(value, length):
    text = json.dumps(value)[:length]

    assert "".join(text.split()) == "".join(indented_json(text).split())


@pytest.mark.parametrize("kind", ["application/json", "application/xml", "application/x-www-form-urlencoded"])
@pytest.mark.parametrize(
    "hostile",
    [
        b"<" * 65_536,
        b"<a>" * 21_845,
        b"<!--" * 16_384,
        b"&=" * 32_768,
        b"[" * 65_536,
        b'"' * 65_536,
        b'"\\' * 32_768,
        b"[1,[" * 16_384,
        b"\\" * 65_536,
    ],
)
def test_a_body_made_to_be_slow_is_not(hostile, kind):
    began = time.perf_counter()

    text = preview(hostile, kind).text

    assert time.perf_counter() - began < 2
    assert len(text) < 4_000_000


def test_only_the_first_64_kilobytes_of_a_body_are_shown():
    long = preview(b"x" * 100_000, "text/plain")

    assert (65_536, 65_536, 100_000, True) == (len(long.text), long.bytes, long.size, long.is_cut)


@pytest.mark.parametrize(
    ("body", "content_type", "form", "text"),
    [
        (b"{}", "application/problem+json", "json", "{}"),
        (b"<a><b>1</b><c/></a>", "text/xml", "xml", "<a>\n  <b>1</b>\n  <c/>\n</a>"),
        (b"caf\xe9", "application/xml", "xml", "caf\\xe9"),
        (b"caf\xe9", "text/plain", "text", "caf\\xe9"),
        (b"&&", "application/x-www-form-urlencoded", "text", "&&"),
        (b"\x89PNG", "image/png", "binary", f"00000000  {'89 50 4e 47':<47}  .PNG"),
        ("é".encode() * 40_000 + b"x", "", "text", "é" * 32_768),
        (b"x" + "é".encode() * 40_000, "", "text", "x" + "é" * 32_767 + "\\xc3"),
        (b"", "", "text", ""),
    ],
)
def test_a_body_is_shown_by_its_kind(body, content_type, form, text):
    found = preview(body, content_type)

    assert (form, text) == (found.form, found.text)


def test_a_form_is_shown_by_its_fields_with_repeated_ones():
    found = preview(b"a=1&b=%E9&a=", "application/x-www-form-urlencoded; charset=utf-8")

    assert ("form", [("a", "1"), ("b", "\\xe9"), ("a", "")]) == (found.form, found.fields)


@settings(deadline=None)
@given(anything | st.text(alphabet="<>/a! \n"))
def test_indenting_xml_changes_nothing_but_space(text):
    assert "".join(text.split()) == "".join(indented_xml(text).split())


@settings(deadline=None)
@given(
    st.recursive(
        st.just("<a/>") | st.just("<b>t</b>"),
        lambda e: st.lists(e, min_size=1).map(lambda i: f"<e>{''.join(i)}</e>"),
    )
)
def test_indented_xml_says_the_same(text):
    assert xmltodict.parse(text) == xmltodict.parse(indented_xml(text))


def test_characters_that_hide_or_turn_text_are_shown_by_their_number():
    assert "a\\u{202e}b\\u{0}c\\u{1b}d\ne\tf" == formatting.escaped("a\u202eb\x00c\x1bd\ne\tf")


def test_characters_that_a_person_pasted_without_seeing_them_are_left_out():
    assert "LIC-1" == typed(" \u200bLIC-1\ufeff\r\n")


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (-5, "just now"),
        (0.2, "just now"),
        (59, "59 s ago"),
        (60, "1 min ago"),
        (7200, "2 h ago"),
        (172_800, "2 days ago"),
    ],
)
def test_an_age_is_said_roughly(seconds, expected):
    now = datetime(2026, 3, 4, tzinfo=UTC)

    assert expected == formatting.age(now - timedelta(seconds=seconds), now)


arrived = anything.map(lambda text: text.encode(errors="replace").decode())


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from([*vars(Filter()), "x"]), arrived | st.datetimes().map(str)))
def test_an_address_that_makes_no_sense_narrows_nothing_and_the_rest_comes_back_as_it_was(fields):
    found = addresses.read_filter(fields)
    address = addresses.link("/", found)

    assert found.state in {"", *DELIVERIES.states}
    assert found.before is None or 0 <= found.before < 2**63
    assert "\0" not in found.key + found.source + found.text
    again = addresses.read_filter(dict(parse_qsl(urlsplit(address).query)))
    assert addresses.fields_of(found) == addresses.fields_of(again)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("2026-03-04T10:00", datetime(2026, 3, 4, 10, tzinfo=UTC)),
        ("2026-03-04T10:00:07+01:00", datetime(2026, 3, 4, 9, 0, 7, tzinfo=UTC)),
        ("2026-03-04", datetime(2026, 3, 4, tzinfo=UTC)),
        ("9999-12-31T23:59:59-23:59", None),
        ("yesterday", None),
    ],
)
def test_a_time_of_an_address_is_in_utc_unless_it_says_otherwise(given, expected):
    assert expected == addresses.read_filter({"since": given}).since
