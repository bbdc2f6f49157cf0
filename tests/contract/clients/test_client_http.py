"""Any HTTP API by its simulator: log-ins, forms of answers, lists in pages, and what a bad answer means."""

import gzip
import logging

import httpx
import pytest
from pydantic import SecretStr

from hookline.clients import AnswerLost, InvalidInput, NotAuthenticated, NotFound, Refused, UnexpectedAnswer
from hookline.clients.errors import RateLimited, Unavailable
from hookline.clients.http import HttpClient
from hookline.clients.http.lists import Pages, all_items
from hookline.clients.http.models import Read, Write
from hookline.errors import ConfigurationError
from hookline.shipped.http import HttpSettings

TOKEN = SecretStr("sandbox-http-token")
LOGINS = {
    "bearer": {"token": TOKEN},
    "basic": {"username": "sandbox", "password": SecretStr("sandbox-http-password")},
    "header": {"login_name": "X-Api-Key", "token": TOKEN},
    "query": {"login_name": "api_key", "token": TOKEN},
}


def account(url, login="bearer", **changed):
    return HttpSettings(**{"base_url": url, "login": login, **LOGINS.get(login, {}), **changed})


@pytest.fixture
async def acme(sandbox):
    async with HttpClient.connect(account(sandbox.http.url)) as client:
        yield client


def answered_by(answer, **changed):
    settings = account("https://acme.example/v1", **changed)
    client = HttpClient.connect(settings)
    client.transport = httpx.MockTransport(answer)
    return client


async def read(client, path="/records/orders", **inputs):
    return await client.call(Read(path=path, **inputs), repeat="safe")


async def write(client, method="POST", path="/records/orders", repeat="never", **inputs):
    return await client.call(Write(method=method, path=path, **inputs), repeat=repeat)


@pytest.mark.parametrize("login", LOGINS)
async def test_each_log_in_opens_the_api(sandbox, login):
    async with HttpClient.connect(account(sandbox.http.url, login)) as client:
        found = await read(client)

    assert ["100123", "100124", "100125"] == [each["number"] for each in found]


@pytest.mark.parametrize("login", LOGINS)
async def test_a_wrong_key_is_not_let_in_and_shown_nowhere(sandbox, login):
    wrong = SecretStr("wrong-secret-0815")
    changed = {"password": wrong} if login == "basic" else {"token": wrong}
    async with HttpClient.connect(account(sandbox.http.url, login, **changed)) as client:
        with pytest.raises(NotAuthenticated) as caught:
            await read(client)

    assert "wrong-secret-0815" not in str(caught.value) + repr(vars(caught.value))


async def test_records_are_made_changed_and_deleted(acme):
    made = await write(acme, body={"number": "7"})
    changed = await write(acme, "PATCH", f"/records/orders/{made['id']}", body={"status": "paid"})
    gone = await write(acme, "DELETE", f"/records/orders/{made['id']}")

    assert ("7", "paid", None) == (made["number"], changed["status"], gone)
    with pytest.raises(NotFound, match="There is no orders"):
        await read(acme, f"/records/orders/{made['id']}")
    assert None is await write(acme, "DELETE", f"/records/orders/{made['id']}", done_at=(404,))


async def test_forms_and_texts_are_read_where_they_are_asked_for(acme):
    form = await write(acme, path="/forms/notes", body={"text": "a & b"}, sent_as="form", answer="form")
    text = await read(acme, "/texts/notes", answer="text")

    assert "ok" == form["status"]
    assert '"text": "a & b"' in text


PAGES = {
    "page": ("/records/rows", Pages("page", param="page", size_param="per_page", size=20)),
    "page without a size": ("/records/rows", Pages("page", param="page")),
    "offset": ("/records/rows", Pages("offset", param="offset", size_param="limit", size=30)),
    "link": ("/records/rows", Pages("link", size_param="per_page", size=40)),
    "cursor": ("/lists/rows", Pages("cursor", items="data", at="next_cursor", param="cursor")),
    "next": ("/lists/rows", Pages("next", items="data", at="next")),
}


@pytest.mark.parametrize("style", PAGES)
async def test_a_list_in_pages_of_each_form_is_read_whole(sandbox, acme, style):
    for number in range(123):
        sandbox.http._store("rows", {"n": number})
    path, pages = PAGES[style]

    found = await all_items(acme, Read(path=path), pages)

    assert list(range(123)) == [each["n"] for each in found]


@pytest.mark.parametrize("style", ["page", "offset"])
async def test_a_vendor_that_makes_pages_smaller_than_asked_for_gives_the_whole_list(sandbox, acme, style):
    for number in range(450):
        sandbox.http._store("rows", {"n": number})
    size = {"page": "per_page", "offset": "limit"}[style]
    pages = Pages(style, param=style, size_param=size, size=500)  # the vendor's most are 200

    assert 450 == len(await all_items(acme, Read(path="/records/rows"), pages))


async def test_a_vendor_without_a_page_behind_the_last_one_has_the_list_ended_there():
    pages = iter([httpx.Response(200, json=[1, 2]), httpx.Response(404, json={"detail": "Invalid page."})])
    async with answered_by(lambda _request: next(pages)) as client:
        found = await all_items(client, Read(path="/rows"), Pages("page", param="page"))

    assert [1, 2] == found


async def test_a_header_of_a_call_takes_the_place_of_the_accounts_in_any_spelling():
    seen = []

    def answer(request):
        seen.append(request.headers.get_list("x-tenant"))
        return httpx.Response(200, json=1)

    async with answered_by(answer, headers="X-Tenant: 17") as client:
        await read(client, "/x")
        await read(client, "/x", headers={"x-tenant": "18"})

    assert [["17"], ["18"]] == seen


@pytest.mark.parametrize(
    "changed",
    [
        {"idempotency_header": "Idempotency Key"},
        {"idempotency_header": "Authorization"},
        {"login": "header", "login_name": "X Key", "token": TOKEN},
    ],
)
def test_a_header_that_cannot_be_sent_is_refused_with_the_account(changed):
    with pytest.raises(ValueError, match="word of ASCII letters"):
        HttpSettings(**{"base_url": "https://acme.example", "login": "bearer", "token": TOKEN, **changed})


async def test_a_list_that_is_longer_than_allowed_is_an_error_and_not_half_of_it(sandbox, acme):
    for number in range(60):
        sandbox.http._store("rows", {"n": number})
    with pytest.raises(UnexpectedAnswer, match="more than 50 items"):
        await all_items(acme, Read(path="/records/rows"), Pages("page", param="page", max_items=50))


async def test_pages_in_a_circle_end_with_an_error():
    client = answered_by(lambda _request: httpx.Response(200, json={"data": [1], "next": "/v1/x"}))
    async with client:
        with pytest.raises(UnexpectedAnswer, match="circle"):
            await all_items(client, Read(path="/x"), Pages("next", items="data", at="next"))


async def test_a_next_page_at_another_host_is_refused_before_the_key_goes_there():
    seen = []

    def answer(request):
        seen.append(request.url.host)
        return httpx.Response(200, json={"data": [1], "next": "https://evil.example/v1/x"})

    async with answered_by(answer) as client:
        with pytest.raises(InvalidInput, match="not the address of this account"):
            await all_items(client, Read(path="/x"), Pages("next", items="data", at="next"))

    assert ["acme.example"] == seen


@pytest.mark.parametrize(
    ("status", "kind", "transient", "maybe_applied"),
    [
        (400, Refused, False, False),
        (401, NotAuthenticated, False, False),
        (404, NotFound, False, False),
        (409, Refused, False, False),
        (422, Refused, False, False),
        (429, RateLimited, True, False),
        (500, Unavailable, True, True),
        (503, Unavailable, True, True),
        (302, UnexpectedAnswer, False, True),
    ],
)
async def test_a_status_of_a_write_means_one_of_our_errors(status, kind, transient, maybe_applied):
    def answer(_request):
        headers = {"Retry-After": "30", "Location": "https://login.example/?token=abc"}
        return httpx.Response(
            status, json={"title": "No", "detail": "The period is closed."}, headers=headers
        )

    async with answered_by(answer) as client:
        with pytest.raises(kind) as caught:
            await write(client)

    error = caught.value
    assert (transient, maybe_applied) == (error.transient, error.maybe_applied)
    assert "http POST /records/orders" in str(error)
    assert status == 302 or ("The period is closed" in str(error) and error.retry_after == 30)
    assert "abc" not in str(error)


async def test_a_redirect_is_not_followed_with_the_key():
    hosts = []

    def answer(request):
        hosts.append(request.url.host)
        return httpx.Response(307, headers={"Location": "https://evil.example/v1/orders"})

    async with answered_by(answer) as client:
        with pytest.raises(
            UnexpectedAnswer, match=r"https://evil\.example/v1/orders, where the log-in is not sent"
        ):
            await read(client)

    assert ["acme.example"] == hosts


@pytest.mark.parametrize(
    ("headers", "content", "said"),
    [
        ({"Content-Type": "text/html"}, b"<html>Maintenance</html>", "no JSON but text/html"),
        ({"Content-Type": "image/png"}, b"\x89PNG\r\n", "no JSON but image/png"),
        ({"Content-Type": "application/json"}, b'{"a":', "no JSON but application/json"),
        ({"Content-Type": "application/json"}, b"[" * 500 + b"]" * 500, "recursion limit"),
        ({}, b"\xff\xfe\x00", "without a type"),
    ],
)
async def test_an_answer_that_is_no_json_is_an_error_with_its_beginning(headers, content, said):
    async with answered_by(lambda _request: httpx.Response(200, headers=headers, content=content)) as client:
        with pytest.raises(UnexpectedAnswer, match=said):
            await read(client)


async def test_a_huge_answer_is_not_read_to_its_end():
    huge = b'"' + b"x" * 3_000_000 + b'"'
    async with answered_by(lambda _request: httpx.Response(200, content=huge), max_answer_mb=1) as client:
        with pytest.raises(UnexpectedAnswer, match="larger than 1048576 bytes"):
            await read(client)


async def test_a_gzip_bomb_is_unpacked_no_further_than_the_limit():
    bomb = gzip.compress(b"0" * 300_000_000, 9)
    headers = {"Content-Encoding": "gzip", "Content-Type": "application/json"}

    def answer(_request):
        return httpx.Response(200, headers=headers, stream=httpx.ByteStream(bomb))

    async with answered_by(answer) as client:
        with pytest.raises(UnexpectedAnswer, match="larger than"):
            await read(client)


async def test_a_lost_answer_of_a_write_may_have_been_done_and_of_a_safe_one_not(sandbox, acme):
    sandbox.http.faults.add("create_record", "lose", times=2)
    errors = []
    for repeat in ("never", "safe"):
        with pytest.raises(AnswerLost) as caught:
            await write(acme, repeat=repeat, body={"number": "8"})
        errors.append(caught.value.maybe_applied)

    assert [True, False] == errors


async def test_secrets_of_a_call_are_masked_in_its_error():
    def answer(_request):
        return httpx.Response(422, json={"message": "IBAN DE02120300000000202051 is closed, key k-4711-4711"})

    async with answered_by(answer, secret_fields="iban") as client:
        with pytest.raises(Refused) as caught:
            await write(
                client,
                path="/x?api_key=k-4711-4711",
                body={"iban": "DE02120300000000202051"},
            )

    assert "DE0212" not in str(caught.value)
    assert "4711" not in str(caught.value)


async def test_no_parameter_of_a_call_is_in_a_log(caplog):
    with caplog.at_level(logging.DEBUG):
        async with answered_by(lambda _request: httpx.Response(200, json=[]), secret_fields="iban") as client:
            await read(client, "/x?iban=DE02-in-the-path", params={"pin": "4711-in-the-params"})

    assert "http GET /x GET https://acme.example/v1/x: 200" in caplog.text
    assert "in-the-pa" not in caplog.text


async def test_headers_of_the_account_go_with_every_call():
    sent = {}

    def answer(request):
        sent.update(request.headers)
        return httpx.Response(200, json={})

    async with answered_by(answer, headers="X-Tenant: 17; X-Version: 2") as client:
        await client.send(HttpClient.read, HttpClient.read.validate(path="/x"))

    assert ("17", "2", "Bearer sandbox-http-token") == (
        sent["x-tenant"],
        sent["x-version"],
        sent["authorization"],
    )


@pytest.mark.parametrize(
    "changed",
    [
        {"base_url": "api.acme.example"},
        {"base_url": "https://user:pw@acme.example"},
        {"base_url": "https://acme.example?x=1"},
        {"token": SecretStr("ümlaut")},
    ],
)
async def test_a_wrong_account_says_so_before_anything_is_sent(changed):
    with pytest.raises(ConfigurationError):
        HttpClient.connect(account("https://acme.example", **changed))


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"token": None}, "needs HTTP_TOKEN"),
        ({"login": "client_credentials"}, "needs HTTP_CLIENT_ID, HTTP_CLIENT_SECRET, HTTP_TOKEN_URL"),
        ({"login": "digest"}, "login"),
        ({"headers": "Authorization: x"}, "write headers as"),
    ],
)
def test_settings_that_open_nothing_are_refused(changed, said):
    with pytest.raises(ValueError, match=said):
        HttpSettings(**{"base_url": "https://acme.example", "login": "bearer", "token": TOKEN, **changed})
