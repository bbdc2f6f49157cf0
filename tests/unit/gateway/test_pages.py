"""The inbox page where nothing must run: who gets in, and what strangers' bytes become."""

import json
import re
import time
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from urllib.parse import parse_qsl, quote, urlsplit
from uuid import uuid4

import httpx
import pytest
import xmltodict
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr
from starlette.applications import Starlette

from hookline.gateway import pages
from hookline.gateway.pages import addresses, desk, queries, session, words
from hookline.gateway.pages.rendering import TEMPLATES
from hookline.gateway.pages.session import Signer
from hookline.gateway.pages.shown import indented_json, indented_xml, shown
from hookline.gateway.pages.sources import Card
from hookline.inbox import plans, stats
from hookline.inbox.refusals import Refusal
from hookline.inbox.search import Filter, Listing, Selection
from hookline.settings import Settings
from hookline.text import typed

TOKEN = "the-admin-token"
NOW = 1_800_000_000
HOUR = 3600

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


def signer(token=TOKEN):
    return Signer(token)


class Browser:
    """A browser without a window: it keeps cookies and finds the hidden fields of forms."""

    def __init__(self, home, scheme="http", peer="127.0.0.1", **settings):
        app = Starlette()
        pages.add_to(app, Settings(home=home, admin_token=SecretStr(TOKEN), **settings))
        self.client = self.at(app, scheme, peer)
        self.app = app

    @staticmethod
    def at(app, scheme, peer):
        transport = httpx.ASGITransport(app, client=(peer, 1))
        return httpx.AsyncClient(transport=transport, base_url=f"{scheme}://hookline.example")

    async def get(self, path):
        return await self.client.get(path)

    async def log_in(self, token=TOKEN, **fields):
        form = await self.get("/login")
        hidden = re.search(r'name="csrf" value="(\w+)"', form.text)
        return await self.client.post("/login", data={"csrf": hidden[1], "token": token, **fields})


@pytest.fixture
async def browser(tmp_path):
    browser = Browser(tmp_path)
    yield browser
    await browser.client.aclose()


def test_a_pass_is_good_until_its_time_is_over():
    issued = signer().issue("session", now=NOW, seconds=12 * HOUR)

    good = [signer().accepts("session", issued, now=NOW + hours * HOUR) for hours in (0, 11.99, 12, 13)]

    assert [True, True, False, False] == good


def test_a_new_admin_token_makes_every_pass_worthless():
    issued = signer().issue("session", now=NOW, seconds=HOUR)

    assert not signer("another-token").accepts("session", issued, now=NOW)


def test_a_pass_of_the_login_form_opens_no_page():
    issued = signer().issue("login", now=NOW, seconds=HOUR)

    assert signer().accepts("login", issued, now=NOW)
    assert not signer().accepts("session", issued, now=NOW)


@given(st.integers(0, 120), anything)
def test_a_pass_that_was_changed_is_refused(place, change):
    issued = signer().issue("session", now=NOW, seconds=HOUR)
    changed = issued[:place] + change + issued[place + 1 :]

    accepted = signer().accepts("session", changed, now=NOW)

    assert accepted == (changed == issued)


@given(anything)
def test_nothing_a_stranger_makes_up_is_a_pass_a_token_or_a_signature(made_up):
    keeper = signer()

    assert not keeper.accepts("session", made_up, now=0)
    assert not keeper.is_token(made_up)
    assert not keeper.is_signed("csrf", made_up, made_up)


def test_the_hidden_field_of_one_pass_does_not_fit_another():
    keeper = signer()
    mine, theirs = (keeper.issue("session", now=NOW, seconds=HOUR) for _ in range(2))

    assert keeper.is_signed("csrf", mine, keeper.csrf(mine))
    assert not keeper.is_signed("csrf", mine, keeper.csrf(theirs))


async def test_the_right_token_opens_a_session_of_twelve_hours(browser):
    answer = await browser.log_in()

    cookie = answer.headers["set-cookie"].partition("\n")[0]
    assert (303, "/") == (answer.status_code, answer.headers["location"])
    assert re.match(
        r"hookline_session=\d+\.\w{32}\.\w{64}; HttpOnly; Max-Age=43200; Path=/; SameSite=strict", cookie
    )
    assert "Secure" not in cookie


async def test_over_https_the_cookies_stay_on_https(tmp_path):
    browser = Browser(tmp_path, scheme="https")

    form, answer = await browser.get("/login"), await browser.log_in()

    assert "Secure" in form.headers["set-cookie"]
    assert "Secure" in answer.headers.get_list("set-cookie")[0]
    await browser.client.aclose()


async def test_a_wrong_token_opens_nothing_and_is_not_repeated_on_the_page(browser):
    answer = await browser.log_in("guessed-7f3a")

    assert 401 == answer.status_code
    assert "hookline_session" not in answer.headers.get("set-cookie", "")
    assert "guessed-7f3a" not in answer.text


async def test_a_login_form_that_another_site_made_opens_nothing(browser):
    await browser.get("/login")
    answers = [
        await browser.client.post("/login", data={"token": TOKEN, "csrf": csrf}) for csrf in ("", "0" * 64)
    ]
    browser.client.cookies.clear()
    answers.append(await browser.client.post("/login", data={"token": TOKEN}))

    assert [403, 403, 403] == [answer.status_code for answer in answers]
    assert "hookline_session" not in browser.client.cookies


async def test_after_ten_wrong_tokens_even_the_right_one_must_wait_but_not_for_other_peers(browser):
    statuses = [(await browser.log_in("wrong")).status_code for _ in range(session.ATTEMPTS)]
    late = await browser.log_in()
    browser.client = browser.at(browser.app, "http", "10.0.0.9")
    elsewhere = await browser.log_in()

    assert [401] * session.ATTEMPTS == statuses
    assert 429 == late.status_code
    assert 0 < int(late.headers["retry-after"]) <= 61
    assert 303 == elsewhere.status_code
    await browser.client.aclose()


async def test_a_form_may_be_only_so_long(browser):
    answer = await browser.client.post("/login", content=b"x" * (desk.LARGEST_FORM + 1))

    assert 413 == answer.status_code


async def test_without_a_pass_pages_lead_to_the_login_and_actions_are_refused(browser):
    delivery = uuid4()
    seen = {}
    for path in (
        "/",
        "/?state=failed&key=a%20b",
        "/uncertain",
        "/sources",
        "/replay?state=failed",
        f"/deliveries/{delivery}",
        f"/deliveries/{delivery}/body",
    ):
        answer = await browser.get(path)
        seen[path] = (answer.status_code, answer.headers["location"])
    actions = (
        f"/deliveries/{delivery}/replay",
        f"/deliveries/{delivery}/discard",
        "/effects/1/settle",
        "/sources/jiwa/pause",
        "/sources/jiwa/resume",
        "/replay",
        "/discard",
        "/logout",
    )
    refused = [(await browser.client.post(path)).status_code for path in actions]

    assert {path: (303, f"/login?next={quote(path, safe='')}") for path in seen} == seen
    assert [401] * len(actions) == refused


async def test_with_a_pass_but_without_the_hidden_field_actions_are_refused(browser):
    await browser.log_in()
    keeper = signer()
    stranger = keeper.csrf(keeper.issue("session", now=time.time(), seconds=HOUR))
    actions = (
        f"/deliveries/{uuid4()}/replay",
        f"/deliveries/{uuid4()}/discard",
        "/effects/1/settle",
        "/sources/jiwa/pause",
        "/sources/jiwa/resume",
        "/replay",
        "/discard",
        "/logout",
    )

    refused = {
        (await browser.client.post(path, data=form)).status_code
        for path in actions
        for form in ({}, {"csrf": ""}, {"csrf": stranger}, {"csrf": "é"})
    }

    assert {403} == refused


async def test_a_session_ends_after_twelve_hours(browser, monkeypatch):
    await browser.log_in()
    later = time.time() + session.SESSION_SECONDS + 1
    monkeypatch.setattr(desk.time, "time", lambda: later)

    answer = await browser.get("/")

    assert (303, "/login?next=%2F") == (answer.status_code, answer.headers["location"])


async def test_where_the_database_is_away_the_page_says_so(browser):
    await browser.log_in()

    answer = await browser.get("/")

    assert 503 == answer.status_code
    assert "Cannot reach the embedded PostgreSQL" in answer.text


@pytest.mark.parametrize(
    "address",
    [
        "//evil.example",
        "/\\evil.example",
        "https://evil.example",
        "/login",
        "/?a=b\r\nX: y",
        "javascript:x",
        "/logout",
    ],
)
async def test_the_login_leads_to_no_other_place_than_our_pages(browser, address):
    answer = await browser.log_in(next=address)

    assert "/" == answer.headers["location"]


async def test_the_login_leads_to_the_page_that_was_asked_for(browser):
    wanted = [f"/deliveries/{uuid4()}", "/uncertain", "/sources", "/?state=failed&key=a%20b"]

    reached = []
    for path in wanted:
        browser.client.cookies.clear()
        reached.append((await browser.log_in(next=path)).headers["location"])

    assert wanted == reached


async def test_without_a_token_of_ones_own_the_one_in_the_home_opens_the_inbox(tmp_path):
    app = Starlette()
    pages.add_to(app, Settings(home=tmp_path))
    file = tmp_path / "secrets" / "admin-token"
    assert not file.exists()
    browser = Browser(tmp_path)
    browser.client = browser.at(app, "http", "127.0.0.1")
    await browser.get("/login")

    answer = await browser.log_in(file.read_text().strip())

    assert 303 == answer.status_code
    assert 0o600 == file.stat().st_mode & 0o777
    await browser.client.aclose()


async def test_a_sentence_to_be_shown_cannot_be_made_up(browser):
    await browser.log_in()
    browser.client.cookies.set("hookline_said", "T3duZWQ=.0000")

    answer = await browser.get("/uncertain")

    assert "Owned" not in answer.text


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
        "state": "uncertain",
        "reason": text,
        "attempts": 1,
        "replays": 0,
        "flow_run_id": FLOW_RUN,
        "created_at": moment,
        "started_at": moment,
        "finished_at": moment,
        "not_before": moment,
    }
    effect = {
        "id": 1,
        "label": text,
        "step": text,
        "operation": "v.o",
        "state": "uncertain",
        "reason": text,
        "wanted": 2,
        "reference": [text],
        "attempts": 1,
        "flow_run_id": FLOW_RUN,
        "created_at": moment,
        "attempted_at": moment,
        "finished_at": None,
        "request": text,
    }
    change = {
        "at": moment, "subject": "delivery", "route": None, "effect_id": None, "was": "failed",
        "became": "discarded", "actor": text, "reason": text,
    }  # fmt: skip
    pause = {"source": "s", "since": moment, "actor": text, "reason": text}
    delivery = {
        "id": DELIVERY, "source": "s", "external_id": text, "received_at": moment, "state": "uncertain",
        "method": "POST", "query": headers, "reason": text, "duplicates": 1, "duplicate_at": moment,
        "headers": headers, "content_type": text, "altered": ["redacted"], "dispatches": [dispatch],
    }  # fmt: skip
    common = {"now": moment + timedelta(hours=1), "prefect": "http://prefect", "said": text, "csrf": "c" * 64}
    typed = text.encode(errors="replace").decode()  # as Starlette decodes it
    filter_ = Filter(source=typed, key=typed, text=typed, state="failed")
    sent = stats.Source("s", {"failed": 3}, ["failed"], moment, moment, 1, pause)
    refused = Refusal("s", 400, typed, 3, moment, moment, typed, {typed: typed})
    source = Card("s", None, text, sent, [("r", "f/d")], [refused])
    html = {
        "delivery": {
            "delivery": delivery,
            "effects": [effect],
            "trail": [change],
            "verified": text,
            "body": shown(body, content_type),
            "absence": None,
            "can": {"replay": True, "discard": True, "again": {"r"}, "routes": ["another"]},
        },
        "uncertain": {"effects": [effect | {"delivery_id": DELIVERY}]},
        "inbox": {
            "counts": dict.fromkeys((*queries.COUNTED, "uncertain"), 3),
            "pauses": [pause],
            "sources": ["s"],
            "wanted": Filter(key=typed, text=typed),
            "narrowed": False,
            "listing": Listing([delivery], older=7),
        },
        "sources": {"cards": [source]},
        "many": {
            "act": "discard",
            "parts": [plans.Part("s", "failed", 3, None), plans.Part("s", "done", 1, "runs or is over")],
            "acted": 3,
            "found": Selection([DELIVERY] * 4, more=True, searched=9),
            "wanted": filter_,
            "reason": text,
            "back": "/",
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


@given(
    st.binary() | anything.map(lambda text: text.encode(errors="surrogatepass")), anything, anything, anything
)
def test_whatever_was_sent_is_shown_as_text_and_adds_no_tag_attribute_or_address(body, name, value, text):
    outlines, html = pages_of(body + b".", headers={name: f".{value}"}, text=f".{text}")  # not empty

    assert [outline.tags for outline in PLAIN] == [outline.tags for outline in outlines]
    assert paths(PLAIN) == paths(outlines)
    assert "<script" not in html.lower()


@given(st.binary())
def test_a_body_is_shown_byte_for_byte_where_it_is_text(body):
    outlines, _ = pages_of(body, headers={}, text="", content_type="text/plain")

    expected = str(words.shown(body.decode(errors="backslashreplace")))
    assert expected.removeprefix("\n") == outlines[0].body.removeprefix("\n")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | anything.filter(str.isprintable),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(json_values, st.booleans())
def test_indenting_json_changes_nothing_but_the_space_between(value, ascii_only):
    text = json.dumps(value, ensure_ascii=ascii_only)

    assert value == json.loads(indented_json(text))
    assert json.dumps(value, indent=2, ensure_ascii=ascii_only) == indented_json(text)


def test_numbers_and_repeated_names_stay_as_they_were_sent():
    assert '{\n  "a": 1.10,\n  "a": 1e400\n}' == indented_json('{"a":1.10,"a":1e400}')


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

    text = shown(hostile, kind).text

    assert time.perf_counter() - began < 2
    assert len(text) < 4_000_000


def test_only_the_first_64_kilobytes_of_a_body_are_shown():
    long = shown(b"x" * 100_000, "text/plain")

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
    found = shown(body, content_type)

    assert (form, text) == (found.form, found.text)


def test_a_form_is_shown_by_its_fields_with_repeated_ones():
    found = shown(b"a=1&b=%E9&a=", "application/x-www-form-urlencoded; charset=utf-8")

    assert ("form", [("a", "1"), ("b", "\\xe9"), ("a", "")]) == (found.form, found.fields)


@given(anything | st.text(alphabet="<>/a! \n"))
def test_indenting_xml_changes_nothing_but_space(text):
    assert "".join(text.split()) == "".join(indented_xml(text).split())


@given(
    st.recursive(
        st.just("<a/>") | st.just("<b>t</b>"),
        lambda e: st.lists(e, min_size=1).map(lambda i: f"<e>{''.join(i)}</e>"),
    )
)
def test_indented_xml_says_the_same(text):
    assert xmltodict.parse(text) == xmltodict.parse(indented_xml(text))


def test_characters_that_hide_or_turn_text_are_shown_by_their_number():
    assert "a\\u{202e}b\\u{0}c\\u{1b}d\ne\tf" == words.shown("a\u202eb\x00c\x1bd\ne\tf")


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

    assert expected == words.age(now - timedelta(seconds=seconds), now)


arrived = anything.map(lambda text: text.encode(errors="replace").decode())


@given(st.dictionaries(st.sampled_from([*vars(Filter()), "x"]), arrived | st.datetimes().map(str)))
def test_an_address_that_makes_no_sense_narrows_nothing_and_the_rest_comes_back_as_it_was(fields):
    wanted = addresses.wanted(fields)
    address = addresses.link("/", wanted)

    assert wanted.state in {"", *words.STATES}
    assert wanted.before is None or 0 <= wanted.before < 2**63
    assert "\0" not in wanted.key + wanted.source + wanted.text
    again = addresses.wanted(dict(parse_qsl(urlsplit(address).query)))
    assert addresses.fields_of(wanted) == addresses.fields_of(again)


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
    assert expected == addresses.wanted({"since": given}).since
