"""Who gets into the pages: the log-in, its session, and what pages of other origins may ask."""

import asyncio
import re
from urllib.parse import quote
from uuid import uuid4

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import SecretStr
from starlette.applications import Starlette

from hookline.database import high_water
from hookline.gateway import views
from hookline.gateway.views import base, session
from hookline.gateway.views.session import SESSION, Sessions
from hookline.hooks import load_hooks
from hookline.inbox import holding
from hookline.settings import Settings

TOKEN = "the-admin-token-of-these-tests"
HERE = "https://hooks.example.com"
ACTIONS = (
    f"/deliveries/{uuid4()}/replay",
    f"/deliveries/{uuid4()}/discard",
    "/effects/1/resolve",
    "/sources/jiwa/pause",
    "/sources/jiwa/resume",
    "/hold/release",
    "/hold/close",
    "/replay",
    "/discard",
    "/logout",
)


class Browser:
    """A browser without a window, which keeps cookies and says where a request comes from."""

    def __init__(self, given, *, base_url=HERE, peer="127.0.0.1", **changed):
        self.settings = given.model_copy(
            update={"admin_token": SecretStr(TOKEN), "public_url": HERE, **changed}
        )
        self.app = Starlette()
        views.add_to(self.app, self.settings, load_hooks(self.settings.hooks))
        self.client = self.at(base_url, peer)

    def at(self, base_url=HERE, peer="127.0.0.1"):
        transport = httpx.ASGITransport(self.app, client=(peer, 1))
        return httpx.AsyncClient(transport=transport, base_url=base_url)

    async def get(self, path, **headers):
        return await self.client.get(path, headers=headers)

    async def post(self, path, data=None, **headers):
        return await self.client.post(path, data=data, headers={"Origin": HERE, **headers})

    async def log_in(self, token=TOKEN, **fields):
        return await self.post("/login", {"token": token, **fields})


@pytest.fixture
async def browse(database_settings, session_pool):
    opened = []

    def make(**changed):
        opened.append(Browser(database_settings, **changed))
        return opened[-1]

    yield make
    for browser in opened:
        await browser.client.aclose()


@pytest.fixture
def browser(browse):
    return browse()


async def test_the_right_token_opens_a_session_of_twelve_hours(browser):
    answer = await browser.log_in()

    assert (303, "/") == (answer.status_code, answer.headers["location"])
    assert re.match(
        r"hookline_session=[\w-]{43}; HttpOnly; Max-Age=43200; Path=/; SameSite=lax; Secure",
        answer.headers["set-cookie"],
    )


async def test_the_cookie_tells_nothing_of_the_token_and_the_database_nothing_of_the_cookie(
    browser, session_pool
):
    cookies = set()
    for _ in range(2):
        await browser.log_in()
        cookies.add(browser.client.cookies[SESSION])
    stored = {row["digest"] for row in await session_pool.fetch("SELECT digest FROM sessions")}

    assert 2 == len(cookies)
    assert not {cookie.encode() for cookie in cookies} & stored


@pytest.mark.parametrize(
    ("headers", "trusted", "secure"),
    [
        ({}, (), False),
        ({"X-Forwarded-Proto": "https"}, ("127.0.0.0/8",), True),
        ({"X-Forwarded-Proto": "http"}, ("127.0.0.0/8",), False),
        ({"X-Forwarded-Proto": "http, https"}, ("127.0.0.0/8",), True),
        ({"X-Forwarded-Proto": "https"}, ("10.0.0.0/8",), False),
        ({"X-Forwarded-Proto": "https"}, (), False),
    ],
)
async def test_the_cookie_is_secure_where_a_proxy_that_we_trust_speaks_https(
    browse, headers, trusted, secure
):
    networks = Settings(trusted_proxies=",".join(trusted)).trusted_proxies
    browser = browse(public_url=None, base_url="http://127.0.0.1:8400", trusted_proxies=networks)

    answer = await browser.client.post("/login", data={"token": TOKEN}, headers=headers)

    assert (303, secure) == (answer.status_code, "; Secure" in answer.headers["set-cookie"])


async def test_behind_a_proxy_that_says_nothing_the_public_address_makes_the_cookie_secure(browse):
    browser = browse(base_url="http://hooks.example.com")

    answer = await browser.log_in()

    assert "; Secure" in answer.headers["set-cookie"]


async def test_a_wrong_token_opens_nothing_and_is_not_repeated_on_the_page(browser):
    answer = await browser.log_in("guessed-7f3a")

    assert 401 == answer.status_code
    assert SESSION not in answer.headers.get("set-cookie", "")
    assert "guessed-7f3a" not in answer.text


async def test_after_ten_wrong_tokens_even_the_right_one_must_wait_but_not_for_other_peers(browser):
    statuses = [(await browser.log_in("wrong")).status_code for _ in range(session.ATTEMPTS)]
    late = await browser.log_in()
    browser.client = browser.at(peer="10.0.0.9")
    elsewhere = await browser.log_in()

    assert [401] * session.ATTEMPTS == statuses
    assert 429 == late.status_code
    assert 0 < int(late.headers["retry-after"]) <= 61
    assert 303 == elsewhere.status_code


async def test_two_hundred_guesses_at_once_are_no_more_than_ten(browser):
    waiting = asyncio.Event()

    async def slowly():
        await waiting.wait()
        yield b"token=wrong"

    guesses = [
        asyncio.create_task(browser.client.post("/login", content=slowly(), headers={"Origin": HERE}))
        for _ in range(200)
    ]
    await asyncio.sleep(0.2)
    waiting.set()
    statuses = [answer.status_code for answer in await asyncio.gather(*guesses)]

    assert (session.ATTEMPTS, 190) == (statuses.count(401), statuses.count(429))


async def test_a_person_with_the_token_logs_in_as_often_as_they_like(browser):
    statuses = {(await browser.log_in()).status_code for _ in range(3 * session.ATTEMPTS)}

    assert {303} == statuses


async def test_a_form_may_be_only_so_long(browser):
    answer = await browser.client.post("/login", content=b"x" * (base.MAX_FORM + 1))

    assert 413 == answer.status_code


async def test_logging_out_ends_the_session_for_whoever_kept_the_cookie(browse):
    here, elsewhere = browse(), browse()
    await here.log_in()
    kept = here.client.cookies[SESSION]
    left = await here.post("/logout")
    answers = []
    for browser in (here, elsewhere):
        browser.client.cookies.set(SESSION, kept)
        answers.append((await browser.get("/uncertain")).status_code)

    assert (303, "/login") == (left.status_code, left.headers["location"])
    assert [303, 303] == answers


async def test_a_session_opened_at_one_gateway_is_good_at_another_until_logged_out_there(browse):
    here, elsewhere = browse(), browse()
    await here.log_in()
    elsewhere.client.cookies.set(SESSION, here.client.cookies[SESSION])
    before = (await elsewhere.get("/uncertain")).status_code
    await here.post("/logout")
    after = (await elsewhere.get("/uncertain")).status_code

    assert (200, 303) == (before, after)


async def test_a_new_admin_token_ends_every_session(browse):
    old, new = browse(), browse(admin_token=SecretStr("another-token-of-sixteen"))
    await old.log_in()
    new.client.cookies.set(SESSION, old.client.cookies[SESSION])

    statuses = [(await browser.get("/uncertain")).status_code for browser in (old, new)]

    assert [200, 303] == statuses


async def test_a_session_ends_after_twelve_hours(browser, session_pool):
    await browser.log_in()
    before = (await browser.get("/uncertain")).status_code
    await session_pool.execute("UPDATE sessions SET expires_at = now() - interval '1 s'")

    answer = await browser.get("/")

    assert (200, 303) == (before, answer.status_code)
    assert "/login?next=%2F" == answer.headers["location"]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(made_up=st.text() | st.from_regex(r"[A-Za-z0-9_-]{43}", fullmatch=True))
async def test_nothing_a_stranger_makes_up_is_a_session_or_a_token(database_settings, session_pool, made_up):
    sessions = Sessions(database_settings, TOKEN)

    assert None is await sessions.visit(made_up)
    assert not sessions.is_token(made_up)


async def test_without_a_session_pages_lead_to_the_login_and_actions_are_refused(browser):
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
    refused = [(await browser.post(path)).status_code for path in ACTIONS]

    assert {path: (303, f"/login?next={quote(path, safe='')}") for path in seen} == seen
    assert [401] * len(ACTIONS) == refused


FOREIGN = [
    {},
    {"Origin": "https://evil.example"},
    {"Origin": "https://hooks.example.com:8443"},
    {"Origin": "http://127.0.0.1:9999", "Sec-Fetch-Site": "same-site"},
    {"Origin": "null"},
    {"Origin": "https://hooks.example.com.evil.example"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Origin": "https://[", "Sec-Fetch-Site": "cross-site"},
]


@pytest.mark.parametrize("headers", FOREIGN, ids=str)
async def test_no_page_of_another_origin_acts_or_logs_in(browser, headers):
    await browser.log_in()
    refused = [(await browser.client.post(path, headers=headers)).status_code for path in ACTIONS]
    login = await browser.client.post("/login", data={"token": TOKEN}, headers=headers)

    assert [403] * len(ACTIONS) == refused
    assert (
        403 if headers else 303
    ) == login.status_code  # a program may log in, which says nothing of a page


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}, 200),
        ({"Sec-Fetch-Site": "none", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}, 200),
        ({"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"}, 403),
        ({"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"}, 403),
        ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty"}, 403),
        ({"Origin": "https://evil.example"}, 403),
    ],
)
async def test_a_page_of_another_origin_may_link_to_us_and_nothing_more(browser, headers, status):
    await browser.log_in()

    answer = await browser.get("/uncertain", **headers)

    assert status == answer.status_code
    assert ("same-origin", "same-origin") == (
        answer.headers["cross-origin-resource-policy"],
        answer.headers["cross-origin-opener-policy"],
    )


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("hooks.example.com", 200),
        ("HOOKS.example.com:443", 200),
        ("127.0.0.1:8400", 200),
        ("localhost:8400", 200),
        ("[::1]:8400", 200),
        ("192.0.2.7:8400", 200),
        ("evil.example", 421),
        ("127.0.0.1.evil.example", 421),
        ("hooks.example.com.evil.example", 421),
        ("hooks.example.com@evil.example", 421),
        ("[", 421),
        ("", 421),
    ],
)
async def test_pages_answer_to_our_names_alone(browser, host, status):
    answer = await browser.get("/login", Host=host)

    assert status == answer.status_code


async def test_where_the_database_is_away_the_page_says_so(tmp_path, browse):
    browser = browse(home=tmp_path)
    browser.client.cookies.set(SESSION, "x" * 43)

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
        "/prefect",
        "/prefect//evil.example\r\nX: y",
        "/prefect/\\evil.example",
        "//evil.example/prefect/",
    ],
)
async def test_the_login_leads_to_no_other_place_than_our_pages(browser, address):
    answer = await browser.log_in(next=address)

    assert "/" == answer.headers["location"]


async def test_the_login_leads_to_the_page_that_was_asked_for(browser):
    wanted = [
        f"/deliveries/{uuid4()}",
        "/uncertain",
        "/sources",
        "/?state=failed&key=a%20b",
        f"/prefect/runs/flow-run/{uuid4()}?tab=Logs",
    ]

    reached = []
    for path in wanted:
        browser.client.cookies.clear()
        reached.append((await browser.log_in(next=path)).headers["location"])

    assert wanted == reached


async def test_without_a_token_of_ones_own_the_one_in_the_home_opens_the_inbox(browse, database_settings):
    file = database_settings.home / "secrets" / "admin-token"
    browser = browse(admin_token=None)
    await browser.get("/login")

    answer = await browser.log_in(file.read_text().strip())

    assert 303 == answer.status_code
    assert 0o600 == file.stat().st_mode & 0o777


async def test_a_sentence_to_be_shown_cannot_be_made_up(browser):
    await browser.log_in()
    browser.client.cookies.set("hookline_flash", "T3duZWQ=.0000")

    answer = await browser.get("/uncertain")

    assert (200, False) == (answer.status_code, "Owned" in answer.text)


async def test_a_sentence_of_one_session_is_not_shown_in_another(browser):
    await browser.log_in()
    text, cookie = "T3duZWQ=", browser.client.cookies[SESSION]
    browser.client.cookies.set("hookline_flash", f"{text}.{session.sign(cookie, text)}")
    own = (await browser.get("/uncertain")).text
    browser.client.cookies.clear()
    await browser.log_in()
    browser.client.cookies.set("hookline_flash", f"{text}.{session.sign(cookie, text)}")
    another = (await browser.get("/uncertain")).text

    assert (True, False) == ("Owned" in own, "Owned" in another)


async def test_a_person_lets_an_older_database_go_on_and_ends_reading_back_first(browser, database):
    await high_water.hold(database, "The database was restored.")
    await browser.log_in()

    held = (await browser.get("/")).text
    without_reason = await browser.post("/hold/release")
    released = await browser.post("/hold/release", {"reason": "it was looked at", "is confirmed": "yes"})
    looking = (await browser.get("/")).text
    again = await browser.post("/hold/release", {"reason": "it was looked at", "is confirmed": "yes"})
    ended = await browser.post("/hold/close", {"reason": "all compared", "is confirmed": "yes"})

    assert "The database was restored. Nothing starts" in held
    assert "each write that the journal does not know is looked for" in looking
    assert [400, 303, 409, 303] == [each.status_code for each in (without_reason, released, again, ended)]
    assert "as usual" == (await holding.read(database)).state
