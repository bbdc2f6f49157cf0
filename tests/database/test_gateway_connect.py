"""The way back of the connect page: one session, one time, ten minutes. The whole way: tests/flows/test_http_accounts.py."""

import json
import re
import secrets
from urllib.parse import urlsplit

import httpx
import pytest
from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.requests import Request

from hookline.gateway import views
from hookline.gateway.views import connect, session
from hookline.hooks import load_hooks

TOKEN = "the-admin-token-of-these-tests"
HERE = "https://hooks.example.com"
NOT_KNOWN = "This way back is not known here"


@pytest.fixture
async def browse(database, database_settings):
    """Makes browsers that have logged in at one gateway."""
    settings = database_settings.model_copy(update={"admin_token": SecretStr(TOKEN), "public_url": HERE})
    app = Starlette()
    gateway = views.add_to(app, settings, load_hooks(settings.hooks))
    opened = []

    async def browser(*, log_in=True):
        transport = httpx.ASGITransport(app, client=("127.0.0.1", 1))
        opened.append(httpx.AsyncClient(transport=transport, base_url=HERE))
        if log_in:
            await opened[-1].post("/login", data={"token": TOKEN}, headers={"Origin": HERE})
        opened[-1].gateway = gateway
        return opened[-1]

    yield browser
    for each in opened:
        await each.aclose()


async def begun(browser, account="acme"):
    """The state of a person who is on the way to the vendor."""
    cookie = f"{session.SESSION}={browser.cookies[session.SESSION]}"
    request = Request({"type": "http", "headers": [(b"cookie", cookie.encode())]})
    state = secrets.token_urlsafe(32)
    await connect._remember(browser.gateway, request, state, account)
    return state


async def back(browser, state, **query):
    return await browser.get(connect.CALLBACK, params={"state": state, "error": "access_denied", **query})


async def test_a_way_back_is_taken_once(browse):
    browser = await browse()
    state = await begun(browser)
    first, second = await back(browser, state), await back(browser, state)

    assert [400, 400] == [first.status_code, second.status_code]
    assert "The vendor says: access_denied" in first.text
    assert NOT_KNOWN in second.text


async def test_another_session_cannot_finish_and_leaves_the_way_open(browse):
    mine, other = await browse(), await browse()
    state = await begun(mine)
    stolen = await back(other, state)
    own = await back(mine, state)

    assert NOT_KNOWN in stolen.text
    assert "The vendor says" in own.text


async def test_a_way_back_ends_after_ten_minutes(browse, database):
    browser = await browse()
    state = await begun(browser)
    left = await database.fetchval("SELECT extract(epoch FROM expires_at - now()) FROM connecting")
    await database.execute("UPDATE connecting SET expires_at = now()")

    assert 590 < left <= 600
    assert NOT_KNOWN in (await back(browser, state)).text


async def test_two_ways_at_once_do_not_meet(browse):
    browser = await browse()
    first, second = await begun(browser), await begun(browser, "other")

    assert "Begin again at /connect/http/other" in (await back(browser, second)).text
    assert "Begin again at /connect/http/acme" in (await back(browser, first)).text


async def test_ways_that_nobody_comes_back_on_are_forgotten(browse, database):
    browser = await browse()
    for _ in range(connect.MAX_OPEN + 5):
        await begun(browser)

    assert connect.MAX_OPEN == await database.fetchval("SELECT count(*) FROM connecting")


@pytest.mark.parametrize("state", ["", "x", "é" * 43, "A" * 43, "A" * 5000, "'; DROP TABLE connecting; --"])
async def test_a_state_that_nobody_made_is_refused(browse, state):
    assert NOT_KNOWN in (await back(await browse(), state)).text


async def test_without_a_code_nothing_is_exchanged(browse):
    browser = await browse()
    answers = [await back(browser, await begun(browser), error="", code=code) for code in ("", "c" * 5000)]

    assert ["no code", "no code"] == [
        "no code" if "sent no code" in each.text else each.text for each in answers
    ]


async def test_what_the_vendor_says_is_text_and_no_page(browse):
    browser = await browse()
    answer = await back(browser, await begun(browser), error="<script>alert(1)</script>")

    assert "<script>alert" not in answer.text


@pytest.mark.parametrize("path", [connect.CALLBACK, "/connect/http/acme"])
async def test_nobody_connects_without_a_log_in(browse, path):
    stranger = await browse(log_in=False)
    shown = await stranger.get(path)
    begun = await stranger.post("/connect/http/acme", headers={"Origin": HERE})

    assert (303, "/login") == (shown.status_code, urlsplit(shown.headers["location"]).path)
    assert begun.status_code in {401, 303}


async def test_another_site_s_page_cannot_begin(browse):
    answer = await (await browse()).post("/connect/http/acme", headers={"Origin": "https://evil.example"})

    assert 403 == answer.status_code


@pytest.mark.parametrize("account", ["ACME", "a b", "-a", "a" * 200, ".."])
async def test_a_name_that_no_account_has_is_not_found(browse, account):
    assert 404 == (await (await browse()).get(f"/connect/http/{account}")).status_code


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ({"since": None, "by": None}, "not connected"),
        (
            {"since": "2026-11-29T12:00:00+00:00", "by": "Pat"},
            "connected since 2026-11-29 12:00:00 UTC by Pat",
        ),
        ({"problem": "There is no block."}, "There is no block."),
    ],
)
async def test_the_page_shows_what_the_process_of_the_blocks_says(
    browse, monkeypatch, tmp_path, found, expected
):
    known = {"base_url": "https://api.example", "origin": "https://login.example", "scope": "orders"}
    answer = json.dumps(found if "problem" in found else known | found)
    (tmp_path / "stand_in_for_blocks.py").write_text(f"print({answer!r})", encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(connect, "PROCESS", "stand_in_for_blocks")
    page = await (await browse()).get("/connect/http/acme")

    assert 200 == page.status_code
    assert expected in " ".join(re.sub("<[^>]+>", "", page.text).split())
    assert ("problem" in found) != (
        "form-action 'self' https://login.example" in page.headers["content-security-policy"]
    )


@pytest.mark.parametrize("name", ["Pat", "Jürgen Müller", "李雷", "a; b=c"])
async def test_a_persons_name_in_any_script_comes_back_with_them(browse, monkeypatch, tmp_path, name):
    (tmp_path / "stand_in_for_blocks.py").write_text(
        "import json, sys\n"
        "asked = json.load(sys.stdin)\n"
        f"open({str(tmp_path / 'asked')!r}, 'w').write(json.dumps(asked))\n"
        "print(json.dumps({'address': f'https://login.example/?state={asked.get(\"state\")}', 'renews': True}))\n",
        encoding="utf-8",
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(connect, "PROCESS", "stand_in_for_blocks")
    browser = await browse()
    begun = await browser.post("/connect/http/acme", data={"your name": name}, headers={"Origin": HERE})
    state = urlsplit(begun.headers["location"]).query.removeprefix("state=")
    await browser.get(connect.CALLBACK, params={"state": state, "code": "c"})

    assert json.loads((tmp_path / "asked").read_text())["by"].startswith(f"{name} (")
