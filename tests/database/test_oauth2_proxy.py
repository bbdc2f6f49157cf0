"""The lines of docs/people.md in the real nginx and the real Caddy, before a real gateway; oauth2-proxy is a stand-in."""

import json
import os
import shutil
import sys
import threading
from http.cookies import SimpleCookie
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import httpx
import pytest
import websockets
from pydantic import SecretStr
from test_proxies import HERE, NAME, ROOT, anybody, caddy, changed, free_port, nginx, running, until_certified

from hookline import people
from hookline.people import Role
from hookline.settings import Settings

SECRET = "secret-between-the-proxy-and-hookline"
SHIPPED = {"nginx": "deploy/nginx.conf", "caddy": "deploy/Caddyfile"}
NEEDS = {
    name: pytest.mark.skipif(shutil.which(name) is None, reason=f"{name} is not installed")
    for name in SHIPPED
}
HOOK = "secret-of-the-source-of-these-tests"
FORGED = {
    "X-Forwarded-Email": "anna@example.com",
    "X_Forwarded_Email": "anna@example.com",
    "X-Auth-Request-Email": "anna@example.com",
    "X-Hookline-Proxy": SECRET,
}


def lines_of_the_page(language):
    page = (ROOT / "docs/people.md").read_text()
    return [each.partition("```")[0] for each in page.split(f"```{language}\n")[1:]]


def with_oauth2(name):
    """The shipped file with the lines of the page at the places that the page names."""
    text = (ROOT / SHIPPED[name]).read_text()
    if name == "caddy":
        [instead] = lines_of_the_page("caddyfile")
        return changed(text, **{"\treverse_proxy 127.0.0.1:8400\n": instead})
    of_the_server, of_the_location = lines_of_the_page("nginx")
    return changed(
        text,
        **{
            "    location /hooks/ {\n": f"{of_the_server}    location /hooks/ {{\n",
            "    location / {\n": f"    location / {{\n{of_the_location}",
        },
    )


class OAuth2Proxy:
    """
    Answers as oauth2-proxy does with `--set-xauthrequest`: the cookie is the name, which is the e-mail address.

    With `nameless`, somebody is logged in of whom the provider says no address: then there is no header.
    """

    def __init__(self):
        self.asked = []
        stand_in = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                morsel = SimpleCookie(self.headers["Cookie"]).get("_oauth2_proxy")
                if urlsplit(self.path).path == "/oauth2/auth":
                    stand_in.asked.append((self.command, self.headers))
                    self.answer(202 if morsel else 401, morsel.value if morsel else "")
                else:
                    self.answer(200, text=f"please sign in: {self.path}")

            do_POST = do_GET  # noqa: N815

            def answer(self, status, name="", text=""):
                self.send_response(status)
                if name and name != "nameless":
                    self.send_header("X-Auth-Request-User", name)
                    self.send_header("X-Auth-Request-Email", f"{name}@example.com")
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_port
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture(scope="module")
def prefect_port(database_settings, tmp_path_factory):
    """Hookline's own Prefect server, by itself."""
    port = free_port()
    env = {
        **os.environ,
        "HOOKLINE_HOME": str(database_settings.home),
        "HOOKLINE_PREFECT_PORT": str(port),
        "HOOKLINE_PUBLIC_URL": HERE,
    }
    folder = tmp_path_factory.mktemp("prefect")
    with running(folder, sys.executable, "-m", "hookline", "prefect", port=port, env=env):
        yield port


@pytest.fixture
def oauth2():
    stand_in = OAuth2Proxy()
    yield stand_in
    stand_in.server.shutdown()
    stand_in.server.server_close()


def sent_to(answer):
    """The status of an answer, and where it leads to; the name of the server and its port are no part of it."""
    location = answer.headers.get("location")
    return answer.status_code, location and urlsplit(location)._replace(scheme="", netloc="").geturl()


class Browser:
    """A browser of somebody, at the proxy; None has not logged in."""

    def __init__(self, port, trust):
        self.port, self.trust = port, trust

    async def ask(self, who, path, method="GET", *, headers=None, **options):
        cookie = {} if who is None else {"Cookie": f"_oauth2_proxy={who}"}
        async with httpx.AsyncClient(verify=self.trust, timeout=60) as client:
            return await client.request(
                method,
                f"https://127.0.0.1:{self.port}{path}",
                headers={"Host": NAME, "Origin": HERE, **cookie, **(headers or {})},
                extensions={"sni_hostname": NAME},
                **options,
            )


@pytest.fixture(params=[pytest.param(name, marks=NEEDS[name]) for name in SHIPPED])
async def browser(request, database_settings, database, serve, prefect_port, oauth2, tmp_path, environment):
    async with database.acquire() as connection:
        await people.add(connection, "anna", Role.OPERATE, identity="anna@example.com", actor="test")
    (tmp_path / "hooks.yaml").write_text("sources:\n  jiwa: {scheme: shared-secret}\n")
    environment.setenv("HOOKLINE_SECRET_JIWA", HOOK)
    settings = {
        "hooks": tmp_path / "hooks.yaml",
        "prefect_port": prefect_port,
        "public_url": HERE,
        "trusted_proxies": Settings(trusted_proxies="127.0.0.1").trusted_proxies,
        "identity_header": "X-Forwarded-Email",
        "identity_secret": SecretStr(SECRET),
        "identity_logout": "/oauth2/sign_out",
        "admin_token": SecretStr("the-admin-token-of-these-tests"),
    }
    ours = {"127.0.0.1:4180": f"127.0.0.1:{oauth2.port}", "the-value-of-HOOKLINE_IDENTITY_SECRET": SECRET}
    proxy = {"nginx": nginx, "caddy": caddy}[request.param]
    async with serve(database_settings, **settings) as gateway:
        with proxy(tmp_path, gateway.base_url.port, changed(with_oauth2(request.param), **ours)) as port:
            trust = anybody()
            await until_certified(port, trust)
            yield Browser(port, trust)


async def test_somebody_who_logged_in_has_the_role_of_theirs(browser, database, oauth2):
    page = await browser.ask("anna", "/sources?all=1")
    paused = await browser.ask("anna", "/sources/jiwa/pause", "POST", data={"reason": "r"})
    decided = await browser.ask("anna", "/effects/1/resolve", "POST")
    pauses = await database.fetch("SELECT actor, reason FROM pauses")
    [(method, asked), *_] = oauth2.asked

    assert (200, True) == (page.status_code, ">anna<" in page.text)
    assert 'href="/oauth2/sign_out"' in page.text
    assert (303, [("anna", "r")]) == (paused.status_code, [tuple(row) for row in pauses])
    assert (403, True) == (decided.status_code, "This needs the role decide" in decided.text)
    assert ("GET", "/sources?all=1", NAME, "127.0.0.1") == (
        method,
        *(asked[name] for name in ("X-Forwarded-Uri", "Host", "X-Real-IP")),
    )


async def test_no_header_of_a_browser_makes_it_somebody_else(browser):
    stranger = await browser.ask(None, "/sources", headers=FORGED)
    eve = await browser.ask("eve", "/sources", headers=FORGED)
    nameless = await browser.ask("nameless", "/sources", headers=FORGED)
    past = [  # what the proxy takes for a path that needs no log-in, and the gateway for one of Prefect
        await browser.ask(who, path, headers=FORGED)
        for who in (None, "eve", "anna")
        for path in ("/prefect/..%2fstatic/x", "/prefect/%2e%2e/static/x")
    ]

    assert (302, "/oauth2/sign_in?rd=/sources") == sent_to(stranger)
    assert (403, True) == (eve.status_code, "You are logged in as eve@example.com" in eve.text)
    assert sent_to(nameless) in ((303, "/login?next=%2Fsources"), (403, None))
    assert "anna" not in nameless.text
    assert {(303, "/login?next=%2Fprefect%2F..%2Fstatic%2Fx")} == {sent_to(each) for each in past}


@pytest.mark.parametrize(
    "browser",
    [pytest.param("caddy", marks=NEEDS["caddy"])],
    indirect=True,
)
async def test_caddy_takes_away_what_a_browser_wrote_before_anybody_is_named(browser, oauth2):
    """Where nobody is named, some versions of Caddy pass it on; the one here does not, and cannot show it."""
    await browser.ask("nameless", "/sources", headers=FORGED)
    [(_, asked)] = oauth2.asked

    assert (None, "anna@example.com") == (asked["X-Forwarded-Email"], asked["X-Auth-Request-Email"])


async def test_who_has_not_logged_in_is_sent_to_do_so_and_programs_need_not(browser):
    page = await browser.ask(None, "/sources?all=1")
    posted = await browser.ask(None, "/sources/jiwa/pause", "POST", data={"reason": "r"})
    form = await browser.ask(None, "/oauth2/sign_in?rd=/sources")
    key = {"X-Hookline-Key": HOOK}
    hook = await browser.ask(None, "/hooks/jiwa", "POST", json={"n": 1}, headers=key)
    refused = await browser.ask(None, "/hooks/jiwa", "POST", json={"n": 1}, headers=FORGED)
    past = [
        (await browser.ask(None, path)).status_code for path in ("/healthz", "/static/style.css", "/answer/x")
    ]

    assert (302, "/oauth2/sign_in?rd=/sources?all=1") == sent_to(page)
    assert (302, "/oauth2/sign_in?rd=/sources/jiwa/pause") == sent_to(posted)
    assert (200, "please sign in: /oauth2/sign_in?rd=/sources") == (form.status_code, form.text)
    assert (202, 401) == (hook.status_code, refused.status_code)
    assert [200, 200, 404] == past


async def test_the_websocket_of_the_prefect_ui_opens_for_who_logged_in_alone(browser):
    path = "/prefect/api/events/out"
    async with websockets.connect(
        f"wss://{NAME}{path}",
        host="127.0.0.1",
        port=browser.port,
        ssl=browser.trust,
        subprotocols=["prefect"],
        origin=HERE,
        additional_headers={"Cookie": "_oauth2_proxy=anna"},
        proxy=None,
    ) as events:
        await events.send(json.dumps({"type": "auth", "token": None}))
        welcome = json.loads(await events.recv())
    asking = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
    }
    stranger = await browser.ask(None, path, headers=asking | FORGED)

    assert "auth_success" == welcome["type"]
    assert (302, f"/oauth2/sign_in?rd={path}") == sent_to(stranger)
