"""The way to the network: what its failures mean, and what never leaves it."""

import asyncio
import logging
import pickle
import string
import time
import traceback
from uuid import uuid4

import httpx
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from hookline.clients import AnswerLost, NotAuthenticated, UnexpectedAnswer, Unreachable, VendorError, pages
from hookline.clients.jiwa import JiwaClient, JiwaKey, JiwaUser
from hookline.clients.sensorpro import SensorproClient, SensorproUser
from hookline.clients.transport import tls
from hookline.clients.zentitle import ZentitleKey
from hookline.errors import ConfigurationError, HooklineError
from hookline.redaction import redact

TOKEN = "6b1f0f0e-5555-4444-8888-0123456789ab"


def raises(failure):
    def answer(request):
        raise failure

    return answer


def sensorpro_session(base, token=TOKEN, expires_in=3600):
    return {"Token": token, "ExpiresIn": expires_in, "APIEndpoint": base, "Result": {"TotalErrors": 0}}


@pytest.mark.parametrize(
    ("failures", "kind", "maybe_applied"),
    [
        (
            "ConnectError ConnectTimeout PoolTimeout ProxyError UnsupportedProtocol LocalProtocolError",
            Unreachable,
            False,
        ),
        ("ReadTimeout WriteTimeout ReadError WriteError CloseError RemoteProtocolError", AnswerLost, True),
    ],
    ids=["before anything was sent", "after that"],
)
async def test_only_a_failure_after_the_bytes_began_to_leave_may_have_been_done(
    client_for, failures, kind, maybe_applied
):
    for name in failures.split():
        async with client_for("jiwa", raises(getattr(httpx, name)("it failed"))) as client:
            with pytest.raises(kind, match=name) as error:
                await client.create_debtor(AccountNo="1", Name="x")

        assert (True, maybe_applied) == (error.value.transient, error.value.maybe_applied)


async def test_an_answer_that_cannot_be_unpacked_may_have_been_done(client_for):
    def answer(request):
        return httpx.Response(201, headers={"content-encoding": "gzip"}, stream=httpx.ByteStream(b"no gzip"))

    async with client_for("jiwa", answer) as client:
        with pytest.raises(UnexpectedAnswer) as error:
            await client.create_debtor(AccountNo="1", Name="x")

    assert error.value.maybe_applied


async def test_cookies_are_not_sent_back(client_for):
    cookies = []

    def answer(request):
        cookies.append(request.headers.get("cookie"))
        return httpx.Response(200, json={}, headers={"set-cookie": "ss-id=abc; Path=/"})

    async with client_for("jiwa", answer) as client:
        await client.get_system_info()
        await client.get_system_info()

    assert [None, None] == cookies


async def test_keys_go_in_their_headers(client_for):
    sent = []

    def answer(request):
        sent.append(request.headers["authorization"])
        return httpx.Response(200, json=[])

    async with client_for("jiwa", answer) as jiwa, client_for("zentitle", answer) as zentitle:
        await jiwa.list_webhook_events()
        await zentitle.list_products()

    assert ["Bearer the-secret-key", "bearer 1234:the-secret-key"] == sent


async def test_a_closed_client_says_how_to_open_it(client_for):
    client = client_for("jiwa", raises(AssertionError))

    with pytest.raises(RuntimeError, match="async with"):
        await client.get_system_info()


async def test_making_a_client_takes_less_than_a_millisecond():
    tls()
    times = []
    for _ in range(50):
        started = time.perf_counter()
        async with JiwaClient("https://jiwa.example", JiwaKey(SecretStr("abcd"))):
            times.append(time.perf_counter() - started)

    assert 0.001 > min(times)


@pytest.mark.parametrize(
    "address",
    [
        "",
        "jiwa.example",
        "ftp://jiwa.example",
        "https://",
        "https://a:b@jiwa.example",
        "https://x/?a=1",
        "https://x/#a",
    ],
)
def test_an_address_that_calls_cannot_be_built_on_is_refused(address):
    with pytest.raises(ConfigurationError):
        JiwaClient(address, JiwaKey(SecretStr("abcd")))


@pytest.mark.parametrize("key", ["", "with space", "with\nnewline", "schlüssel"])
def test_a_key_that_cannot_be_sent_is_refused_without_showing_it(key):
    with pytest.raises(ConfigurationError) as error:
        JiwaKey(SecretStr(key))

    assert not key or key not in str(error.value)


def test_a_customer_id_is_not_a_place_for_something_else():
    with pytest.raises(ConfigurationError):
        ZentitleKey("1234:key", SecretStr("key"))


# Sessions ---------------------------------------------------------------------------------------------------


async def test_a_second_401_after_a_new_log_in_is_the_callers(client_for):
    requests = []

    def answer(request):
        requests.append(request.url.path)
        return (
            httpx.Response(200, json={"SessionId": "s"}) if requests[-1] == "/auth" else httpx.Response(401)
        )

    async with client_for("jiwa_user", answer) as client:
        with pytest.raises(NotAuthenticated) as error:
            await client.get_system_info()

    assert ("get_system_info", ["/auth", "/SystemInfo/"] * 2) == (error.value.operation, requests)


async def test_a_jiwa_session_goes_in_its_header(client_for):
    sent = []

    def answer(request):
        sent.append(request.headers.get("x-ss-id"))
        return httpx.Response(200, json={"SessionId": "abc"})

    async with client_for("jiwa_user", answer) as client:
        await client.get_system_info()

    assert [None, "abc"] == sent


async def test_no_call_goes_out_with_a_session_that_was_logged_out(client_for):
    sent = []

    def answer(request):
        sent.append((request.url.path, request.headers.get("x-ss-id")))
        return httpx.Response(200, json={"SessionId": f"session-{len(sent)}"})

    async with client_for("jiwa_user", answer) as client:
        await client.logout()
        await client.get_system_info()

    assert [("/auth/logout", "session-1"), ("/auth", None), ("/SystemInfo/", "session-3")] == sent[1:]


@pytest.mark.parametrize("session", ["a\r\nX-Evil: 1", "ü", ""])
async def test_a_session_that_cannot_be_sent_is_no_session(client_for, session):
    async with client_for(
        "jiwa_user", lambda request: httpx.Response(200, json={"SessionId": session})
    ) as client:
        with pytest.raises(UnexpectedAnswer):
            await client.get_system_info()


async def test_later_calls_go_where_sensorpro_says_if_it_may_hold_the_token(client_for):
    seen = []

    def answer(request):
        seen.append((request.headers["host"], str(request.url)))
        body = sensorpro_session("https://two.sensorpro.net/v9/")
        return httpx.Response(200, json=body)

    root = f"https://{uuid4().hex}.sensorpro.net"
    async with client_for("sensorpro", answer, root=root) as client:
        await client.get_contacts()

    assert [
        (root.removeprefix("https://"), f"{root}/auth/sys/signin"),
        ("two.sensorpro.net", f"https://two.sensorpro.net/v9/api/Contact/GetContacts/{TOKEN}"),
    ] == seen


async def test_the_token_stays_at_home_when_sensorpro_names_a_stranger(client_for):
    seen = []

    def answer(request):
        seen.append((request.url.host, request.headers["host"]))
        return httpx.Response(200, json=sensorpro_session("https://evil.example/"))

    root = f"https://{uuid4().hex}.example"
    async with client_for("sensorpro", answer, root=root) as client:
        await client.get_contacts()

    assert [(root.removeprefix("https://"),) * 2] * 2 == seen


@pytest.mark.parametrize("token", ["a/b", "..", "", "%2e%2e"])
async def test_a_token_that_would_change_the_route_is_no_token(client_for, token):
    async with client_for(
        "sensorpro", lambda request: httpx.Response(200, json=sensorpro_session("", token))
    ) as client:
        with pytest.raises(UnexpectedAnswer) as error:
            await client.get_contacts()

    assert "sign_in" == error.value.operation


async def test_a_token_is_renewed_before_it_ends(client_for, clock):
    signed_in = []

    def answer(request):
        signed_in.extend([1] * (request.url.path == "/auth/sys/signin"))
        return httpx.Response(200, json=sensorpro_session("", expires_in=3622))

    async with client_for("sensorpro", answer) as client:
        for clock[0] in (0.0, 3622 - 70):
            await client.get_contacts()
        before = len(signed_in)
        clock[0] = 3622 - 50
        await client.get_contacts()

    assert (1, 2) == (before, len(signed_in))


async def test_a_call_survives_a_log_in_cancelled_by_somebody_else(client_for):
    hold = asyncio.Event()
    logins = []

    async def answer(request):
        if request.url.path == "/auth" and not logins:
            logins.append(1)
            await hold.wait()
        return httpx.Response(200, json={"SessionId": "abc"})

    async with client_for("jiwa_user", answer) as client:
        first = asyncio.create_task(client.get_system_info())
        await asyncio.sleep(0.01)
        second = asyncio.create_task(client.get_system_info())
        await asyncio.sleep(0.01)
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)

        assert await asyncio.wait_for(second, 1)


# Secrets ----------------------------------------------------------------------------------------------------

MARK = "Zq9"  # begins every secret, so that none is a word that stands in our own texts
SECRETS = st.text(string.ascii_letters + string.digits + "-_.~!$*+=:@%&", min_size=1, max_size=40).map(
    MARK.__add__
)
PASSWORDS = st.text(string.printable, min_size=1, max_size=40).map(MARK.__add__)


class Records(logging.Handler):
    """Keeps every record of every logger as text, with its traceback."""

    def __init__(self):
        super().__init__(level=0)
        self.lines = []

    def emit(self, record):
        self.lines.append(self.format(record))


def everything_said(client, call):
    """What a failing call says, in every form a caller could write down."""
    records = Records()
    root = logging.getLogger()
    loud = [
        root,
        *(logging.getLogger(name) for name in ("httpx", "httpcore.http11", "hookline.clients.transport")),
    ]
    levels = [logger.level for logger in loud]
    for logger in loud:
        logger.setLevel(logging.DEBUG)
    root.addHandler(records)
    try:
        asyncio.run(failing(client, call, said := []))
    finally:
        root.removeHandler(records)
        for logger, level in zip(loud, levels, strict=True):
            logger.setLevel(level)
    assert any("hookline" in line or "jiwa" in line or "sensorpro" in line for line in records.lines)
    return "\n".join([repr(client), repr(client.auth), *said, *records.lines])


async def failing(client, call, said):
    async with client:
        try:
            await call(client)
        except HooklineError as error:
            said += [str(error), repr(error), repr(pickle.dumps(error)), repr(vars(error))]
            said += traceback.format_exception(error)


def echoes(request, status):
    """The worst vendor: it repeats address, headers and body of the request in its error."""
    logging.getLogger("httpx").info("HTTP Request: %s %s", request.method, request.url)
    logging.getLogger("httpcore.http11").debug("headers %s", request.headers.raw)
    last = str(request.url).rpartition("/")[2]
    text = f"{last} is wrong. You sent {request.url} {dict(request.headers)} {request.content.decode()}"
    return httpx.Response(
        status,
        json={
            "ResponseStatus": {"ErrorCode": "X", "Message": text, "Errors": [{"Message": text}]},
            "Result": {"TotalErrors": 1, "RequestId": "r", "ErrorMessages": [{"Description": text}]},
        },
        headers={"x-request-id": request.headers.get("authorization", "")},
    )


@settings(max_examples=30, deadline=None)
@given(
    auth=SECRETS.map(lambda key: JiwaKey(SecretStr(key)))
    | PASSWORDS.map(lambda password: JiwaUser("api", SecretStr(password))),
    status=st.sampled_from([200, 400, 401, 403, 404, 409, 500]),
)
@example(auth=JiwaKey(SecretStr("Zq9-the-secret-key-of-all")), status=400)
@example(auth=JiwaUser("api", SecretStr('Zq9with"quote\\and/slash')), status=400)
def test_no_key_and_no_password_is_shown(auth, status):
    transport = httpx.MockTransport(lambda request: echoes(request, status))
    client = JiwaClient("https://vendor.example", auth, transport=transport)

    said = everything_said(client, lambda client: client.get_system_info())

    assert MARK not in said


@settings(max_examples=15, deadline=None)
@given(password=PASSWORDS, token=SECRETS, form=st.sampled_from(["sign_in", "log_in"]))
@example(password="Zq9-the-password-of-all", token=MARK + TOKEN, form="log_in")
def test_no_sensorpro_token_is_shown(password, token, form):
    def answer(request):
        if request.url.path.startswith("/auth"):
            logging.getLogger("httpx").info("HTTP Request: %s", request.url)
            return httpx.Response(200, json=sensorpro_session("", token))
        return echoes(request, 200)

    user = SensorproUser("org", "user", SecretStr(password), SecretStr("the-api-key-of-all"), form)
    client = SensorproClient("https://vendor.example", user, transport=httpx.MockTransport(answer))

    said = everything_said(client, lambda client: client.get_contacts())

    assert MARK not in said
    assert "the-api-key-of-all" not in said


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        (f"POST https://x/api/Contact/GetContacts/{TOKEN}", "POST https://x/api/Contact/GetContacts/***"),
        (f"https://x/auth/sys/logoff/{TOKEN}?a=1", "https://x/auth/sys/logoff/***?a=1"),
        ("https://x/auth/sys/login/Org/Me/pass%2Fword", "https://x/auth/sys/login/***/***/***"),
        (
            "GET https://x/Webhooks/Subscribers/0a1b2c/Messages?Take=5",
            "GET https://x/Webhooks/Subscribers/***/Messages?Take=5",
        ),
        ("GET https://x/Webhooks/Subscribers/", "GET https://x/Webhooks/Subscribers/"),
        ("GET /SalesOrders/1?apikey=abc&x=1", "GET /SalesOrders/1?apikey=***&x=1"),
        ("Authorization: Bearer abc.def", "Authorization: Bearer ***"),
        ("authorization: bearer 1234:abc", "authorization: bearer ***"),
        ('{"UserName":"api","Password":"abc"}', '{"UserName":"api","Password":"***"}'),
        ("/SalesOrders/1/Notes", "/SalesOrders/1/Notes"),
    ],
)
def test_what_looks_like_a_secret_is_masked_though_it_is_not_known(text, masked):
    assert masked == redact(text)


@pytest.mark.parametrize("padding", range(0, 600, 7))
async def test_a_secret_is_masked_before_the_text_is_cut(client_for, padding):
    secret = "0123456789-the-key"
    answer = {"ResponseStatus": {"Message": "x" * padding + secret}}
    async with client_for("jiwa", lambda request: httpx.Response(400, json=answer), secret=secret) as client:
        with pytest.raises(VendorError) as error:
            await client.get_system_info()

    assert "01" not in error.value.detail


@pytest.mark.parametrize(
    ("vendor", "operation", "page"),
    [
        ("zentitle", "list_license_codes", [{"licenseCode": str(number)} for number in range(500)]),
        (
            "jiwa",
            "query_debtors",
            {"Results": [{"DebtorID": str(number)} for number in range(100)], "Total": 250},
        ),
        (
            "sensorpro",
            "get_contacts_paged",
            sensorpro_session("") | {"Contact": [{"PersonalEMail": "a@b.example"}]},
        ),
    ],
    ids=["no total", "a total that is never reached", "pages of any size"],
)
async def test_a_vendor_that_answers_the_same_page_again_ends_the_list(client_for, vendor, operation, page):
    requests = []

    def answer(request):
        requests.append(request)
        assert len(requests) < 5, "the list goes on for ever"
        return httpx.Response(200, json=page)

    async with client_for(vendor, answer) as client:
        rows = [row async for row in pages(getattr(client, operation))]

    assert {"zentitle": 500, "jiwa": 100, "sensorpro": 1}[vendor] == len(rows)


async def test_an_operation_without_pages_says_so(client_for):
    async with client_for("zentitle", raises(AssertionError)) as client:
        with pytest.raises(TypeError, match="list_products"):
            await anext(pages(client.list_products))


async def test_other_peoples_httpx_lines_pass(caplog):
    caplog.set_level(logging.INFO, "httpx")
    async with httpx.AsyncClient(transport=httpx.MockTransport(lambda request: httpx.Response(200))) as other:
        await other.get("https://prefect.example/api/health")

    assert ["https://prefect.example/api/health" in caplog.text] == [True]


async def test_our_own_line_tells_call_outcome_and_time(client_for, caplog):
    caplog.set_level(logging.DEBUG, "hookline.clients.transport")
    async with client_for(
        "jiwa", lambda request: httpx.Response(200, json={}), root="https://vendor.example"
    ) as client:
        await client.get_system_info()

    [line] = [record.getMessage() for record in caplog.records if record.name.startswith("hookline")]
    assert line.startswith("jiwa get_system_info GET https://vendor.example/SystemInfo/: 200 in ")


async def test_the_id_of_a_subscriber_which_is_its_only_credential_is_not_in_our_line(client_for, caplog):
    caplog.set_level(logging.DEBUG, "hookline.clients.transport")
    async with client_for("jiwa", lambda request: httpx.Response(204)) as client:
        await client.list_webhook_subscriptions(SubscriberID="0a1b2c3d4e")

    assert "/Webhooks/Subscribers/***/Subscriptions/" in caplog.text
    assert "0a1b2c3d4e" not in caplog.text


async def test_the_password_of_a_log_in_given_by_hand_is_not_shown(client_for):
    async with client_for("jiwa", lambda request: echoes(request, 400)) as client:
        with pytest.raises(VendorError) as error:
            await client.login(UserName="api", Password=SecretStr("by-hand-password"))

    assert "by-hand-password" not in repr(vars(error.value))
