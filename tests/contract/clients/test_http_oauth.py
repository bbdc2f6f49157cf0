"""
OAuth 2 of our client: with its simulator, and with oauthlib's server, which nobody here wrote.

Where tokens are stored is the blocks' part: tests/contract/tasks/test_http_connections.py.
"""

import asyncio
import base64
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from oauthlib.oauth2 import RequestValidator, Server
from pydantic import SecretStr

from hookline.clients import NotAuthenticated, UnexpectedAnswer, Unreachable
from hookline.clients.http import HttpClient, OAuthClient
from hookline.clients.http.account import oauth_of
from hookline.clients.http.exchange import fetch
from hookline.clients.http.models import Read
from hookline.clients.http.oauth2 import Tokens, lasting, tokens_in
from hookline.errors import ConfigurationError
from hookline.shipped.http import HttpSettings

VERIFIER = "v" * 64
REDIRECT = "http://127.0.0.1:8400/connect/http/callback"


def account(url, token_url=None, **changed):
    inputs = {
        "base_url": url,
        "login": "client_credentials",
        "client_id": "sandbox-http-client",
        "client_secret": SecretStr("sandbox-http-secret"),
        "token_url": token_url or f"{url}/oauth/token",
    }
    return HttpSettings(**{**inputs, **changed})


async def read(client):
    return await client.call(Read(path="/records/orders"), repeat="safe")


@pytest.mark.parametrize("place", ["header", "body"])
async def test_a_client_trades_its_secret_for_a_token_once_for_many_calls(sandbox, place):
    async with HttpClient.connect(account(sandbox.http.url, secret_in=place)) as client:
        await asyncio.gather(*(read(client) for _ in range(5)))

    assert 1 == len(sandbox.http.requests(operation="issue_token"))


async def test_a_token_that_ended_is_fetched_again_once(sandbox):
    async with HttpClient.connect(account(sandbox.http.url, scope="again")) as client:
        await read(client)
        sandbox.http.end_sessions()
        await read(client)

    assert 2 == len(sandbox.http.requests(operation="issue_token"))


async def test_a_refusal_after_a_new_token_is_told_and_not_tried_a_third_time(sandbox):
    tokens = []

    def answer(request):
        if request.url.path.endswith("/token"):
            tokens.append(1)
            return httpx.Response(200, json={"access_token": f"t{len(tokens)}", "expires_in": 3600})
        return httpx.Response(401, json={"title": "Not you"})

    client = HttpClient.connect(account("https://refusing.example"))
    client.transport = httpx.MockTransport(answer)
    async with client:
        with pytest.raises(NotAuthenticated, match="Not you"):
            await read(client)

    assert 2 == len(tokens)


@pytest.mark.parametrize(
    ("response", "kind", "said"),
    [
        (httpx.Response(200, html="<html>secret-in-page</html>"), UnexpectedAnswer, "no token but text/html"),
        (httpx.Response(200, json={"error": "invalid_grant"}), NotAuthenticated, "invalid_grant"),
        (
            httpx.Response(400, json={"error": "invalid_client", "error_description": "No."}),
            NotAuthenticated,
            "No",
        ),
        (httpx.Response(302, headers={"Location": "https://evil.example"}), UnexpectedAnswer, "not followed"),
        (httpx.Response(200, json={"access_token": "two words"}), UnexpectedAnswer, "cannot be sent"),
        (
            httpx.Response(200, json={"access_token": "t", "expires_in": "soon"}),
            UnexpectedAnswer,
            "expires_in",
        ),
        (httpx.Response(500, text="secret-in-page"), Exception, "the token address failed"),
    ],
)
def test_a_token_address_that_answers_no_token_is_an_error_that_quotes_no_page(response, kind, said):
    response.request = httpx.Request("POST", "https://login.example/token")
    with pytest.raises(kind, match=said) as caught:
        tokens_in(response)

    assert "secret-in-page" not in str(caught.value)


async def test_a_token_address_that_nobody_answers_at_sent_nothing():
    client = OAuthClient("id", SecretStr("secret"), "http://127.0.0.1:9/token")
    with pytest.raises(Unreachable, match="the token address"):
        await fetch(client.client_credentials())


@pytest.mark.parametrize("seconds", [0, 1, 30, 90, 3600])
def test_a_token_is_used_for_most_of_its_life_and_never_beyond(seconds):
    assert seconds / 2 <= lasting(seconds) <= seconds


def test_a_clock_that_was_set_back_or_on_makes_a_token_due_at_most_once():
    ahead = Tokens(access_token=SecretStr("t"), renew_at=time.time() - 3600)
    behind = Tokens(access_token=SecretStr("t"), renew_at=time.time() + 3600)
    endless = Tokens(access_token=SecretStr("t"))

    assert [True, False, False] == [each.is_due for each in (ahead, behind, endless)]


def test_no_address_shows_the_secret_or_the_verifier(sandbox):
    client = oauth_of(account(sandbox.http.url, authorize_url=f"{sandbox.http.url}/oauth/authorize"))
    address = client.authorization_address(REDIRECT, "the-state", VERIFIER)
    asked = parse_qs(urlsplit(address).query)

    assert ["the-state"] == asked["state"]
    assert [REDIRECT] == asked["redirect_uri"]
    assert VERIFIER not in address
    assert "sandbox-http-secret" not in address
    assert "sandbox-http-secret" not in repr(client)


# Against a server that nobody here wrote ---------------------------------------------------------------------


class Rules(RequestValidator):
    """What oauthlib asks of the one who runs its server: the clients, and what was issued to them."""

    def __init__(self):
        self.codes, self.access, self.refreshes, self.rotate = {}, {}, {}, True

    def authenticate_client(self, request, *args, **kwargs):
        request.client = SimpleNamespace(client_id="a client")
        # RFC 6749 quotes both as in a form before base64, which plain basic authentication does not.
        pair = base64.b64encode(b"a+client:its%2Fsecret+%26+more%2B").decode()
        in_form = request.client_id == "a client" and request.client_secret == "its/secret & more+"
        return in_form or request.headers.get("Authorization") == f"Basic {pair}"

    def client_authentication_required(self, request, *args, **kwargs):
        return True

    def validate_client_id(self, client_id, request, *args, **kwargs):
        return client_id == "a client"

    def validate_redirect_uri(self, client_id, redirect_uri, request, *args, **kwargs):
        return redirect_uri == REDIRECT

    def validate_response_type(self, client_id, response_type, client, request, *args, **kwargs):
        return response_type == "code"

    def validate_grant_type(self, client_id, grant_type, client, request, *args, **kwargs):
        return True

    def validate_scopes(self, client_id, scopes, client, request, *args, **kwargs):
        return set(scopes) <= {"orders", "offline"}

    def get_default_scopes(self, client_id, request, *args, **kwargs):
        return ["orders"]

    def is_pkce_required(self, client_id, request):
        return True

    def save_authorization_code(self, client_id, code, request, *args, **kwargs):
        self.codes[code["code"]] = SimpleNamespace(
            challenge=request.code_challenge,
            method=request.code_challenge_method,
            uri=request.redirect_uri,
            scopes=request.scopes,
        )

    def validate_code(self, client_id, code, client, request, *args, **kwargs):
        request.user, request.scopes = "pat", getattr(self.codes.get(code), "scopes", [])
        return code in self.codes

    def get_code_challenge(self, code, request):
        return self.codes[code].challenge

    def get_code_challenge_method(self, code, request):
        return self.codes[code].method

    def confirm_redirect_uri(self, client_id, code, redirect_uri, client, request, *args, **kwargs):
        return self.codes[code].uri == redirect_uri

    def invalidate_authorization_code(self, client_id, code, request, *args, **kwargs):
        del self.codes[code]

    def save_bearer_token(self, token, request, *args, **kwargs):
        self.access[token["access_token"]] = token
        if "refresh_token" in token:
            self.refreshes[token["refresh_token"]] = token
        if request.refresh_token and self.rotate:
            self.refreshes.pop(request.refresh_token, None)

    def rotate_refresh_token(self, request):
        return self.rotate

    def validate_refresh_token(self, refresh_token, client, request, *args, **kwargs):
        request.user = "pat"
        return refresh_token in self.refreshes

    def get_original_scopes(self, refresh_token, request, *args, **kwargs):
        return ["orders"]


@pytest.fixture
def foreign(monkeypatch):
    """Oauthlib's server on a real socket."""
    monkeypatch.setenv("OAUTHLIB_INSECURE_TRANSPORT", "1")  # it speaks no TLS here
    rules = Rules()
    server = Server(rules, token_expires_in=3600)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            parts = urlsplit(self.path)
            if parts.path == "/records/orders":
                token = self.headers.get("Authorization", "").removeprefix("Bearer ")
                found = token in rules.access
                self._answer(200 if found else 401, {}, "[]" if found else '{"title": "No token"}')
                return
            scopes, credentials = server.validate_authorization_request(
                self._url, "GET", "", dict(self.headers)
            )
            headers, body, status = server.create_authorization_response(
                self._url, "GET", "", dict(self.headers), scopes, credentials
            )
            self._answer(status, headers, body)

        def do_POST(self):
            content = self.rfile.read(int(self.headers["Content-Length"])).decode()
            headers, body, status = server.create_token_response(
                self._url, "POST", content, dict(self.headers)
            )
            self._answer(status, headers, body)

        @property
        def _url(self):
            return f"http://127.0.0.1:{self.server.server_port}{self.path}"

        def _answer(self, status, headers, body):
            content = (body or "").encode()
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_args):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        thread = threading.Thread(target=listening.serve_forever)
        thread.start()
        rules.url = f"http://127.0.0.1:{listening.server_port}"
        yield rules
        listening.shutdown()
        thread.join()


def client_of(foreign, **changed):
    inputs = {
        "client_id": "a client",
        "client_secret": SecretStr("its/secret & more+"),
        "token_url": f"{foreign.url}/token",
        "authorize_url": f"{foreign.url}/authorize",
        "scope": "orders",
    }
    return OAuthClient(**{**inputs, **changed})


async def agreed(client, state="the-state", verifier=VERIFIER):
    """A person agrees; what the browser brings back."""
    async with httpx.AsyncClient() as browser:
        response = await browser.get(client.authorization_address(REDIRECT, state, verifier))
    return {name: each[0] for name, each in parse_qs(urlsplit(response.headers["location"]).query).items()}


@pytest.mark.parametrize("in_header", [True, False])
async def test_a_foreign_server_exchanges_code_and_refresh_token_with_pkce(foreign, in_header):
    client = client_of(foreign, secret_in_header=in_header)
    back = await agreed(client)
    first = await fetch(client.code(back["code"], VERIFIER, REDIRECT))
    second = await fetch(client.refresh(first.refresh_token.get_secret_value()), first)

    assert "the-state" == back["state"]
    assert second.access in foreign.access
    assert second.refresh_token != first.refresh_token
    with pytest.raises(NotAuthenticated, match="invalid_grant"):
        await fetch(client.refresh(first.refresh_token.get_secret_value()), first)


async def test_a_foreign_server_that_does_not_rotate_leaves_the_refresh_token_good(foreign):
    foreign.rotate = False
    client = client_of(foreign)
    first = await fetch(client.code((await agreed(client))["code"], VERIFIER, REDIRECT))
    second = await fetch(client.refresh(first.refresh_token.get_secret_value()), first)
    third = await fetch(client.refresh(second.refresh_token.get_secret_value()), second)

    assert first.refresh_token == second.refresh_token == third.refresh_token


@pytest.mark.parametrize(
    ("verifier", "redirect", "replays"),
    [("w" * 64, REDIRECT, 0), (VERIFIER, f"{REDIRECT}/x", 0), (VERIFIER, REDIRECT, 1)],
)
async def test_a_foreign_server_refuses_another_verifier_another_address_and_a_code_twice(
    foreign, verifier, redirect, replays
):
    client = client_of(foreign)
    code = (await agreed(client))["code"]
    for _ in range(replays):
        await fetch(client.code(code, verifier, redirect))
    with pytest.raises(Exception, match=r"invalid_grant|mismatching|Mismatching|invalid_request"):
        await fetch(client.code(code, verifier, redirect))


async def test_a_foreign_server_gives_a_client_its_own_token(foreign):
    changed = {"client_id": "a client", "client_secret": SecretStr("its/secret & more+")}
    async with HttpClient.connect(account(foreign.url, f"{foreign.url}/token", **changed)) as client:
        assert [] == await read(client)


@pytest.mark.parametrize("secret_in_header", [True, False])
async def test_what_a_token_address_repeats_of_the_request_is_shown_nowhere(secret_in_header):
    class Echo(BaseHTTPRequestHandler):
        def do_POST(self):
            sent = self.rfile.read(int(self.headers["Content-Length"])).decode()
            pair = base64.b64decode(self.headers.get("Authorization", "Basic ").partition(" ")[2]).decode()
            answer = json.dumps({"error": "invalid_grant", "error_description": f"{sent} {pair}"}).encode()
            self.send_response(400)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    threading.Thread(target=server.serve_forever).start()
    address = f"http://127.0.0.1:{server.server_port}/token"
    client = OAuthClient("id", SecretStr("s3cret-of/us"), address, secret_in_header=secret_in_header)
    try:
        for request in (client.code("the-c0de", "v3rifier", REDIRECT), client.refresh("r3fresh-t")):
            with pytest.raises(NotAuthenticated) as caught:
                await fetch(request)
            shown = f"{caught.value} {vars(caught.value)}"
            assert [] == [each for each in ("s3cret", "the-c0de", "v3rifier", "r3fresh") if each in shown]
            assert "invalid_grant" in shown
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize("address", ["login.example/authorize", "javascript:alert(1)", "https://"])
def test_an_address_to_which_no_browser_can_go_is_said(address):
    client = OAuthClient("id", None, "https://login.example/token", authorize_url=address)
    with pytest.raises(ConfigurationError, match="AUTHORIZE_URL must begin with"):
        client.authorization_address(REDIRECT, "state", VERIFIER)
