"""The page of a replay with a change: it shows what would start, and makes one copy however often one clicks."""

import re
from html import unescape

import pytest
from rows import arrival
from test_gateway_login import Browser

from hookline.gateway.views import copying
from hookline.inbox import bodies, deliveries

HOOKS = """
sources:
  jiwa: {scheme: shared-secret, accept: [any]}
  latin: {scheme: shared-secret, accept: [any], charset: latin-1}
routes:
  jiwa-order:
    source: jiwa
    deployment: order-to-license/default
    parameters: {invoice_id: "{{ body.InvoiceID }}"}
"""
BODY = b'{\n  "InvoiceID": "A"\n}'


@pytest.fixture
async def browser(database_settings, tmp_path):
    (tmp_path / "hooks.yaml").write_text(HOOKS)
    browser = Browser(database_settings.model_copy(update={"hooks": tmp_path / "hooks.yaml"}))
    await browser.log_in()
    return browser


async def accept(database, body=BODY, external_id="one", source="jiwa", **fields):
    receipt = await deliveries.accept(
        database, arrival(external_id, source=source, body=body, fingerprints=bodies.sealed((), body).fingerprints, **fields)
    )  # fmt: skip
    return receipt.id


async def copies_made(database):
    return await database.fetch("SELECT * FROM deliveries WHERE changed IS NOT NULL")


def copy_id(page):
    return re.search(r'name="copy" value="([0-9a-f-]{36})"', page)[1]


async def test_a_copy_is_seen_before_it_is_made_and_two_clicks_make_one(browser, database):
    first = await accept(database)
    form = {
        "body": '{\r\n  "InvoiceID": "B"\r\n}',
        "route": "",
        "reason": "typo",
        "parameters of jiwa-order": "",
    }

    page = (await browser.post(f"/deliveries/{first}/copy", form)).text
    assert [] == await copies_made(database)
    confirmed = form | {"copy": copy_id(page)}
    answers = [await browser.post(f"/deliveries/{first}/copy", confirmed) for _ in range(2)]

    assert "jiwa-order starts order-to-license/default" in page
    assert '<code>"B"</code>' in unescape(page)
    assert [(303, f"/deliveries/{copy_id(page)}")] * 2 == [
        (answer.status_code, answer.headers["location"]) for answer in answers
    ]
    [row] = await copies_made(database)
    assert (first, b'{\n  "InvoiceID": "B"\n}', 0) == (row["copy_of"], row["body"], row["duplicates"])
    actor, reason = await database.fetchrow("SELECT actor, reason FROM changes WHERE became = 'copied'")
    assert (True, f"as {row['id']} with another body: typo") == (actor.startswith("admin at"), reason)


async def test_parameters_that_do_not_fit_are_refused_and_what_was_typed_stays(browser, database):
    first = await accept(database)

    for typed, problem in (
        ('{"invoice_id": 7}', "routes.jiwa-order: parameter invoice_id: Input should be a valid string"),
        ("{", "The parameters of jiwa-order are not JSON"),
        ("[]", "are not a JSON object"),
        ("", "Nothing is changed"),
    ):
        page = unescape(
            (await browser.post(f"/deliveries/{first}/copy", {"parameters of jiwa-order": typed})).text
        )
        assert (True, True) == (f"Nothing was stored. {problem}" in page or problem in page, typed in page), (
            page
        )

    assert [] == await copies_made(database)


async def test_a_form_can_be_changed_again_and_a_route_that_is_not_there_is_not_found(browser, database):
    first = await accept(database)
    back = await browser.post(f"/deliveries/{first}/copy", {"body": "{}  é", "copy": "x", "back": "yes"})
    wrong = await browser.post(f"/deliveries/{first}/copy", {"body": "{}", "route": "nothing"})
    odd = await browser.post(f"/deliveries/{first}/copy", {"body": "{}", "copy": "x"})
    nothing = await browser.get(f"/deliveries/{'0' * 8}-0000-0000-0000-{'0' * 12}/copy")

    assert (200, True) == (back.status_code, "{}  é</textarea>" in back.text)
    assert [404, 400, 404] == [answer.status_code for answer in (wrong, odd, nothing)]


@pytest.mark.parametrize(
    ("body", "source", "fields", "why"),
    [
        (b"\x89PNG", "jiwa", {}, "it is no text in utf-8"),
        (b"a\rb", "jiwa", {}, "characters that a browser does not keep"),
        (b"a\r\nb\nc", "jiwa", {}, "characters that a browser does not keep"),
        ("a\u200bb".encode(), "jiwa", {}, "characters that a browser does not keep"),
        (b"x" * (copying.MAX_TEXT + 1), "jiwa", {}, "the page takes 64.0 KB"),
        (BODY, "jiwa", {"altered": ["redacted"]}, "some of its values were removed"),
        (b"gAAAA", "jiwa", {"altered": ["encrypted"]}, "a key that is not in HOOKLINE_BODY_KEYS"),
    ],
    ids=["bytes", "line ends", "mixed", "unseen", "long", "redacted", "no key"],
)
async def test_a_body_that_a_browser_cannot_keep_says_why(browser, database, body, source, fields, why):
    first = await accept(database, body, source=source, **fields)

    page = unescape((await browser.get(f"/deliveries/{first}/copy")).text)

    assert (True, False) == (why in page, 'name="body"' in page), page


@pytest.mark.parametrize("body", [b"a\r\nb\r\n", b"\n\na\n", b"{}", "é".encode()])
async def test_a_body_that_was_not_touched_is_the_same_bytes(browser, database, body):
    first = await accept(database, body)
    page = (await browser.get(f"/deliveries/{first}/copy")).text
    # As a browser reads it (without the first line end), and sends it.
    shown = unescape(re.search(r'name="body"[^>]*>\n(.*?)</textarea>', page, re.DOTALL)[1])

    answer = await browser.post(f"/deliveries/{first}/copy", {"body": shown.replace("\n", "\r\n")})

    assert "Nothing is changed" in answer.text


async def test_another_charset_is_kept_and_what_it_lacks_is_refused(browser, database):
    first = await accept(database, "é".encode("latin-1"), source="latin", content_type="text/plain")
    page = (await browser.get(f"/deliveries/{first}/copy")).text
    refused = unescape((await browser.post(f"/deliveries/{first}/copy", {"body": "€"})).text)

    assert "\né</textarea>" in page
    assert "The body is in latin-1, which has no '€'" in refused
