"""The pages of the texts: what there is, a preview of one, and of a change that is saved nowhere."""

import asyncio
from html import unescape

import pytest
from test_gateway_login import Browser

MAIL = "/texts/order-to-license/mail"


@pytest.fixture
async def browser(database_settings, repository, tmp_path):
    folder = tmp_path / "templates"
    (folder / "order-to-license").mkdir(parents=True)
    (folder / "order-to-license/mail.fr.j2").write_text("{% block body %}Bonjour {{ contact }}{% endblock %}")
    changed = {"templates": folder, "catalog": repository / "deployments/catalog.yaml"}
    browser = Browser(database_settings.model_copy(update=changed))
    await browser.log_in()
    return browser


async def page(browser, address, form=None):
    answer = await (browser.get(address) if form is None else browser.post(address, form))
    assert 200 == answer.status_code
    return unescape(answer.text)


async def test_every_text_is_listed_with_its_languages(browser):
    listed = await page(browser, "/texts")

    assert f'href="{MAIL}?language=fr"' in listed
    assert 'href="/texts/ticket-to-invoice/survey?language=nl"' in listed
    assert "A file is wrong" not in listed


async def test_a_wrong_file_is_named_with_its_line(browser):
    (browser.settings.templates / "order-to-license/mail.fr.j2").write_text(
        "{% block body %}\n{{ kontact }}{% endblock %}"
    )

    assert "mail.fr.j2, line 2: kontact is not a value of this text (do you mean contact?)" in await page(
        browser, "/texts"
    )
    assert "line 2: kontact is not a value" in await page(browser, f"{MAIL}?language=fr")


async def test_a_text_is_seen_with_its_examples_and_its_values(browser):
    seen = await page(browser, f"{MAIL}?language=de")

    assert "<pre>Ihre Lizenzen zum Auftrag 100123</pre>" in seen
    assert "All license codes of the order." in seen


async def test_a_change_is_previewed_and_not_saved(browser):
    file = browser.settings.templates / "order-to-license/mail.fr.j2"
    before = file.read_text()

    seen = await page(
        browser, f"{MAIL}?language=fr", {"source": "{% block body %}\r\nSalut {{ contact }}{% endblock %}"}
    )

    assert "<pre>Salut Anna Berg</pre>" in seen
    assert "Nothing is saved" in seen
    assert before == file.read_text()


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("{% block body %}{{ kontact }}{% endblock %}", "line 1: kontact is not a value of this text"),
        ("{% block body %}{{ 'x' * 9999999999 }}{% endblock %}", "cannot be rendered"),
        ("{% block body %}", "line 1: Unexpected end of template"),
    ],
)
async def test_a_change_that_is_wrong_is_named_and_does_no_harm(browser, source, message):
    assert message in await page(browser, MAIL, {"source": source})


COSTLY = (
    "{% block body %}"
    + "".join(f"{{% for a{depth} in x %}}" for depth in range(90))
    + "{{ a1 }}" * 4000
    + "{% endfor %}" * 90
    + "{% endblock %}"
)


async def test_others_are_answered_while_a_long_text_is_read_for_mistakes(browser):
    async def ask_often():
        for _ in range(20):
            assert 404 == (await browser.get("/texts/order-to-license/nothing")).status_code

    reading = asyncio.create_task(page(browser, MAIL, {"source": COSTLY}), name="the text")
    others = asyncio.create_task(ask_often(), name="the others")
    first, _ = await asyncio.wait({reading, others}, return_when=asyncio.FIRST_COMPLETED)
    seen = await reading

    assert {"the others"} == {task.get_name() for task in first}
    assert "x is not a value of this text" in seen or "takes longer than" in seen


async def test_what_a_text_holds_is_inert_on_the_page(browser):
    answer = await browser.post(
        MAIL, {"source": "{% block body %}<script>alert(1)</script></textarea>{% endblock %}"}
    )

    assert "<script>" not in answer.text
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]


async def test_there_is_no_page_of_an_unknown_text(browser):
    assert 404 == (await browser.get("/texts/order-to-license/nothing")).status_code
    assert 404 == (await browser.get("/texts/../mail")).status_code


async def test_a_text_needs_the_admin_token(browser):
    stranger = Browser(browser.settings)

    answers = [await stranger.get("/texts"), await stranger.get(MAIL)]
    posted = await stranger.post(MAIL, {"source": "x"})

    assert [303, 303] == [answer.status_code for answer in answers]
    assert 200 != posted.status_code


async def test_another_sites_page_cannot_ask_for_a_preview(browser):
    answer = await browser.post(MAIL, {"source": "x"}, Origin="https://evil.example")

    assert 403 == answer.status_code
