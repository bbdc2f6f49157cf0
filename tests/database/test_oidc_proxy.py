"""`deploy/apache-oidc.conf` in the real Apache with mod_auth_openidc, before a real gateway; people log in at a provider."""

import os
import re
import shutil
import sys
from contextlib import contextmanager
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import httpx
import pytest
from pydantic import SecretStr
from test_proxies import HERE, NAME, ROOT, changed, free_port, running, self_signed

from hookline import people
from hookline.people import Role
from hookline.settings import Settings

MODULES = Path("/usr/lib/apache2/modules")
SECRET = "secret-between-apache-and-hookline"
LOADED = [
    "mpm_event",
    "authn_core",
    "authz_core",
    "authz_user",
    "headers",
    "ssl",
    "proxy",
    "proxy_http",
    "auth_openidc",
    "socache_shmcb",
    "alias",
]

pytestmark = [
    pytest.mark.alone,
    pytest.mark.skipif(
        shutil.which("apache2") is None or not (MODULES / "mod_auth_openidc.so").exists(),
        reason="apache2 with libapache2-mod-auth-openidc is not installed",
    ),
]


@pytest.fixture(scope="module")
def provider(tmp_path_factory):
    """An OpenID Connect provider that knows three people; the one who types a name is that person."""
    port, folder = free_port(), tmp_path_factory.mktemp("provider")
    claims = [
        f'{{"sub": "{name}", "email": "{email}", "email_verified": true}}'
        for name, email in (("anna", "Anna@example.com"), ("eve", "eve@example.com"), ("admin", "admin"))
    ]
    command = (
        sys.executable,
        "-m",
        "oidc_provider_mock",
        "--port",
        str(port),
        *(f"--user-claims={each}" for each in claims),
    )
    with running(folder, *command, port=port, env={"PATH": os.environ["PATH"]}):
        yield f"http://127.0.0.1:{port}"


@contextmanager
def apache(folder, gateway_port, provider):
    port = free_port()
    self_signed(folder)
    ours = {
        "127.0.0.1:8400": f"127.0.0.1:{gateway_port}",
        "*:443": f"127.0.0.1:{port}",
        "/etc/letsencrypt/live/hooks.example.com/fullchain.pem": str(folder / "certificate.pem"),
        "/etc/letsencrypt/live/hooks.example.com/privkey.pem": str(folder / "key.pem"),
        "https://login.example.com": provider,
    }
    shipped = changed((ROOT / "deploy/apache-oidc.conf").read_text(), **ours)
    modules = "".join(f"LoadModule {name}_module {MODULES}/mod_{name}.so\n" for name in LOADED)
    user = "User www-data\nGroup www-data\n" if os.geteuid() == 0 else ""
    (folder / "apache.conf").write_text(
        f"ServerRoot {folder}\nDefaultRuntimeDir {folder}\nPidFile {folder}/pid\nErrorLog {folder}/errors\n{modules}{user}"
        f"Listen 127.0.0.1:{port}\nServerName {NAME}\n{shipped}"
    )
    with running(folder, "apache2", "-f", str(folder / "apache.conf"), "-DFOREGROUND", port=port):
        yield port


class Form(HTMLParser):
    """The fields of a page's form."""

    def __init__(self, text):
        super().__init__()
        self.fields, self.action = {}, ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        if tag == "form":
            self.action = attrs.get("action") or ""
        if tag == "input" and attrs.get("name"):
            self.fields[attrs["name"]] = attrs.get("value") or ""


class Browser:
    """A browser without a window, for which the public name leads to Apache."""

    def __init__(self, port):
        self.client = httpx.AsyncClient(verify=False, timeout=60)
        self.port = port

    async def ask(self, method, url, **options):
        """Ask for a page, wherever redirects lead."""
        for _ in range(10):
            parts = urlsplit(url)
            headers = dict(options.pop("headers", {}))
            if parts.hostname == NAME:
                headers["Host"] = NAME
                there = parts._replace(netloc=f"127.0.0.1:{self.port}").geturl()
            else:
                there = url
            answer = await self.client.request(method, there, headers=headers, **options)
            if not answer.is_redirect:
                return answer, url
            method, url, options = "GET", urljoin(url, answer.headers["location"]), {}
        raise AssertionError(url)

    async def log_in(self, name, path="/"):
        """Log in at the provider, on the way to a page of Hookline."""
        page, url = await self.ask("GET", f"{HERE}{path}")
        form = Form(page.text)
        return await self.ask(
            "POST", urljoin(url, form.action) if form.action else url, data=form.fields | {"sub": name}
        )


@pytest.fixture
async def gateway(database_settings, database, serve, tmp_path):
    async with database.acquire() as connection:
        await people.add(connection, "anna", Role.OPERATE, identity="anna@example.com", actor="test")
    (tmp_path / "hooks.yaml").write_text("sources:\n  jiwa: {scheme: shared-secret}\n")
    settings = {
        "hooks": tmp_path / "hooks.yaml",
        "public_url": HERE,
        "trusted_proxies": Settings(trusted_proxies="127.0.0.1").trusted_proxies,
        "identity_header": "X-Forwarded-Email",
        "identity_secret": SecretStr(SECRET),
        "identity_logout": "/oidc?logout=https%3A%2F%2Fhooks.example.com%2Foidc-ended",
        "admin_token": SecretStr("the-admin-token-of-these-tests"),
    }
    async with serve(database_settings, **settings) as client:
        yield client


async def test_people_of_the_provider_are_who_they_are_and_no_header_makes_them_another(
    gateway, provider, database, tmp_path
):
    forged = {
        "X-Forwarded-Email": "anna@example.com",
        "X-Hookline-Proxy": SECRET,
        "OIDC_CLAIM_email": "anna@example.com",
    }
    with apache(tmp_path, gateway.base_url.port, provider) as port:
        anna, eve, stranger = Browser(port), Browser(port), Browser(port)
        page, where = await anna.log_in("anna", "/sources")
        paused, _ = await anna.ask(
            "POST", f"{HERE}/sources/jiwa/pause", data={"reason": "r"}, headers={"Origin": HERE}
        )
        pausing = await database.fetchval("SELECT actor FROM pauses")
        decided, _ = await anna.ask("POST", f"{HERE}/effects/1/resolve", headers={"Origin": HERE})
        refused, _ = await eve.log_in("eve")
        as_anna, _ = await eve.ask("GET", f"{HERE}/", headers=forged)
        unknown, there = await stranger.ask("GET", f"{HERE}/", headers=forged)
        open_to_all = [
            (await stranger.ask("GET", f"{HERE}{path}", headers=forged))[0].status_code
            for path in ("/healthz", "/static/style.css", "/answer/x", "/hooks/jiwa")
        ]
        _, beside = await stranger.ask("GET", f"{HERE}/answer/%2e%2e/", headers=forged)
        await anna.ask("GET", f"{HERE}/oidc?logout=https%3A%2F%2Fhooks.example.com%2Foidc-ended")
        _, provider_again = await anna.ask("GET", f"{HERE}/")
    for each in (anna, eve, stranger):
        await each.client.aclose()

    assert (200, "/sources", True) == (page.status_code, urlsplit(where).path, ">anna<" in page.text)
    assert 'href="/oidc?logout=' in page.text
    assert (200, "anna") == (paused.status_code, pausing)
    assert (403, True) == (decided.status_code, "This needs the role decide" in decided.text)
    assert [403, 403] == [refused.status_code, as_anna.status_code]
    assert "You are logged in as eve@example.com" in refused.text
    assert (200, provider) == (unknown.status_code, re.sub(r"(?<=\d)/.*", "", there))
    assert [200, 200, 404, 404] == open_to_all
    assert [provider] * 2 == [re.sub(r"(?<=\d)/.*", "", each) for each in (beside, provider_again)]
