"""JetAdvice: its log-in to the byte, what it is asked, and what is read from its answers."""

import asyncio
import base64
import json
import logging
import re
from contextlib import suppress
from uuid import uuid4

import httpx
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import SecretStr
from vendor_answers import answer

from hookline.clients import (
    AnswerLost,
    InvalidInput,
    NotAllowed,
    NotFound,
    Refused,
    Unavailable,
    UnexpectedAnswer,
    VendorError,
    operations,
)
from hookline.clients.jetadvice import JetadviceClient, JetadviceUser
from hookline.errors import ConfigurationError

ROOT = "https://api2.jetadvice.example"
PASSWORD = "the-password-of-all"
OPERATIONS = operations(JetadviceClient)
UPDATES = {name: operation for name, operation in OPERATIONS.items() if operation.verb == "PUT"}


def user(password=PASSWORD):
    return JetadviceUser("api@firm.example", SecretStr(password))


def client_of(answer, password=PASSWORD):
    """A client whose requests are answered by a function, at an address of its own: sessions are shared."""
    return JetadviceClient(
        f"https://{uuid4().hex}.example", user(password), transport=httpx.MockTransport(answer)
    )


class Vendor:
    """A small JetAdvice on a real socket, which keeps the bytes of every request."""

    def __init__(self):
        self.heads = []
        self.given_out = []
        self.living = set()
        self.allows = True

    @property
    def log_ins(self):
        return sum(head.startswith(b"GET /login ") for head in self.heads)

    async def __call__(self, reader, writer):
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while head := await reader.readuntil(b"\r\n\r\n"):
                self.heads.append(head)
                length = re.search(rb"(?i)\r\ncontent-length: (\d+)", head)
                await reader.readexactly(int(length[1]) if length else 0)
                status, body = self.answer(head)
                headers = f"Content-Type: text/plain\r\nContent-Length: {len(body)}"
                writer.write(f"HTTP/1.1 {status} X\r\n{headers}\r\n\r\n{body}".encode())
        writer.close()

    def answer(self, head):
        if head.startswith(b"GET /login "):
            right = base64.b64encode(f"api@firm.example:{PASSWORD}".encode())
            if b"Authorization: Basic " + right not in head:
                return 403, "Unknown user or wrong password."
            self.given_out.append(f"TOKEN{len(self.given_out):015d}")
            self.living.add(self.given_out[-1])
            return 200, json.dumps(self.given_out[-1])
        key = re.search(rb"\r\nX-AuthKey: (\w+)\r\n", head)
        if key is None or key[1].decode() not in self.living:
            return 403, "Missing or invalid token."
        return (200, "[]") if self.allows else (403, "The user lacks the privilege.")


@pytest.fixture
async def vendor():
    vendor = Vendor()
    server = await asyncio.start_server(vendor, "127.0.0.1")
    vendor.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    yield vendor
    server.close()


# Logging in -------------------------------------------------------------------------------------------------


async def test_the_token_travels_over_http_1_in_a_header_of_exactly_this_case(vendor):
    async with JetadviceClient(vendor.url, user()) as client:
        await client.list_customers()

    [_, head] = vendor.heads
    assert head.startswith(b"GET /customers HTTP/1.1\r\n")
    assert [b"X-AuthKey: TOKEN000000000000000"] == re.findall(rb"(?i)x-authkey:[^\r]*", head)
    assert b"Authorization" not in head


async def test_user_and_password_stand_in_no_address(vendor):
    async with JetadviceClient(vendor.url, user()) as client:
        await client.list_customers()

    log_in = vendor.heads[0]
    assert log_in.startswith(b"GET /login HTTP/1.1\r\n")
    assert b"X-AuthKey" not in log_in


async def test_a_missing_privilege_is_reported_after_one_more_log_in(vendor):
    async with JetadviceClient(vendor.url, user()) as client:
        await client.list_customers()
        vendor.allows = False
        with pytest.raises(NotAllowed, match="The user lacks the privilege") as failure:
            await client.create_tag(name="x")

    sent = [head.partition(b" HTTP")[0] for head in vendor.heads[2:]]
    assert [b"POST /tags", b"GET /login", b"POST /tags"] == sent
    assert (403, False) == (failure.value.status, failure.value.maybe_applied)


async def test_a_fresh_token_that_is_refused_is_no_reason_to_log_in_again(vendor):
    vendor.allows = False
    async with JetadviceClient(vendor.url, user()) as client:
        with pytest.raises(NotAllowed):
            await client.list_customers()

    assert 2 == len(vendor.heads)


async def test_fifty_calls_without_the_privilege_log_in_once(vendor):
    vendor.allows = False
    async with JetadviceClient(vendor.url, user()) as client:
        reported = await asyncio.gather(*(client.list_customers() for _ in range(50)), return_exceptions=True)

    assert ({NotAllowed}, 1, 51) == (set(map(type, reported)), vendor.log_ins, len(vendor.heads))


async def test_a_missing_privilege_does_not_end_the_session_of_others(vendor):
    async with JetadviceClient(vendor.url, user()) as client:
        await client.list_customers()
        vendor.allows = False
        await asyncio.gather(*(client.list_customers() for _ in range(5)), return_exceptions=True)
        vendor.allows = True
        before = vendor.log_ins
        await client.list_customers()

    assert (2, 2) == (before, vendor.log_ins)


async def test_each_answered_call_prolongs_the_session(clock):
    log_ins = []

    def answers(request):
        log_ins.extend([1] * (request.url.path == "/login"))
        return answer("TOKEN" if request.url.path == "/login" else [], 200)

    async with client_of(answers) as client:
        for passed in (0, 500, 1000, 1500):
            clock[0] = passed
            await client.list_customers()
        before = len(log_ins)
        clock[0] += 530
        await client.list_customers()
        still = len(log_ins)
        clock[0] += 541
        await client.list_customers()

    assert (1, 1, 2) == (before, still, len(log_ins))


async def test_a_call_without_an_answer_prolongs_nothing(clock):
    log_ins = []

    def answers(request):
        if request.url.path == "/login":
            log_ins.append(1)
            return answer("TOKEN")
        if clock[0] == 500:
            raise httpx.ReadTimeout("slow")
        return answer([])

    async with client_of(answers) as client:
        await client.list_customers()
        clock[0] = 500
        with pytest.raises(AnswerLost):
            await client.list_customers()
        clock[0] = 600
        await client.list_customers()

    assert 2 == len(log_ins)


@pytest.mark.parametrize(
    "body",
    [
        b'"ZTFGCXCTLYAAYEZZLPWL"',
        b"ZTFGCXCTLYAAYEZZLPWL",
        b"\xef\xbb\xbfZTFGCXCTLYAAYEZZLPWL\r\n",
        b'{"token": "ZTFGCXCTLYAAYEZZLPWL"}',
        b'{"User": "api", "AuthKey": "ZTFGCXCTLYAAYEZZLPWL"}',
        b'{"KEY": "ZTFGCXCTLYAAYEZZLPWL"}',
    ],
)
def test_the_token_is_read_in_each_form_it_may_have(body):
    reported = JetadviceClient.login.read(httpx.Response(200, content=body))

    assert "ZTFGCXCTLYAAYEZZLPWL" == reported.token.get_secret_value()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b"7",
        b'""',
        b'{"token": null}',
        b'{"token": {"key": "SECRETSECRET"}}',
        b'{"token":"SECRETSECRET"',
        b'{"secret":"SECRETSECRET"}',
        b"SECRETSECRET\r\nX-Evil: 1",
        b'"SECRET SECRET"',
        b"<html>SECRETSECRET</html>",
        "SECRETSECRÉT".encode(),
    ],
)
def test_what_is_no_token_is_no_answer_and_is_not_shown(body):
    with pytest.raises(UnexpectedAnswer, match="it holds no token") as failure:
        JetadviceClient.login.read(httpx.Response(200, content=body))

    assert "SECRET" not in repr(vars(failure.value))


@pytest.mark.parametrize("name", ["", "a:b"])
def test_a_user_name_that_cannot_be_sent_is_refused(name):
    with pytest.raises(ConfigurationError, match="user name"):
        JetadviceUser(name, SecretStr("x"))


MARK = "Zq9"
SECRETS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=30).map(
    MARK.__add__
)
TOKENS = st.from_regex(r"[A-Za-z0-9._~+/-]{1,30}", fullmatch=True).map(MARK.__add__)


@settings(max_examples=15, deadline=None)
@given(password=SECRETS, token=TOKENS, status=st.sampled_from([200, 400, 403, 500]), at_login=st.booleans())
@example(password='Zq9-with"quote\\and/slash', token="Zq9TOKEN", status=400, at_login=True)
def test_no_secret_is_shown_even_if_the_vendor_repeats_what_it_was_sent(password, token, status, at_login):
    def repeats(request):
        if request.url.path == "/login" and not at_login:
            return answer(token)
        logging.getLogger("httpx").info("HTTP Request: %s %s", request.url, request.headers.raw)
        key = request.headers.get("authorization", "").removeprefix("Basic ")
        text = f"{key} {request.headers.get('x-authkey')} {dict(request.headers)} {password} {request.url}"
        return httpx.Response(status, content=text.encode(), headers={"content-type": "text/plain"})

    async def reported():
        async with client_of(repeats, password) as client:
            with pytest.raises(VendorError) as failure:
                await client.list_devices(customerId="1")
            return f"{failure.value} {vars(failure.value)} {client!r} {client.auth!r}"

    said = asyncio.run(reported())

    assert MARK not in said
    assert base64.b64encode(f"api@firm.example:{password}".encode()).decode() not in said


# Requests ---------------------------------------------------------------------------------------------------


def test_lists_are_narrowed_in_the_query():
    request = JetadviceClient.list_devices.request(ROOT, customerId="C 1&2")

    assert f"{ROOT}/devices?customerId=C+1%262" == str(request.url)


def test_a_record_is_created_from_its_body():
    request = JetadviceClient.create_customer.request(ROOT, name="Ærø Print", externalNumber="10001")

    assert ("POST", f"{ROOT}/customers") == (request.method, str(request.url))
    assert {"name": "Ærø Print", "externalNumber": "10001"} == json.loads(request.content)


def test_a_record_is_changed_at_its_own_address():
    request = JetadviceClient.update_device.request(ROOT, id="d-1", location="", tagIds=[])

    assert ("PUT", f"{ROOT}/devices/d-1") == (request.method, str(request.url))
    assert {"location": "", "tagIds": []} == json.loads(request.content)


def test_fields_that_are_not_foreseen_go_in_more():
    request = JetadviceClient.update_device.request(
        ROOT, id="1", location="Hall", more={"costCenter": 7, "owner": None}
    )

    assert {"location": "Hall", "costCenter": 7, "owner": None} == json.loads(request.content)


@pytest.mark.parametrize("operation", UPDATES.values(), ids=UPDATES)
@pytest.mark.parametrize("inputs", [{}, {"more": {}}, {"more": None}])
def test_an_empty_change_is_refused_because_it_may_clear_the_record(operation, inputs):
    with pytest.raises(InvalidInput, match="give at least one field"):
        operation.request(ROOT, id="1", **inputs)


@pytest.mark.parametrize("name", ["id", "ID", "Name", "more"])
def test_more_is_no_second_way_to_a_named_field(name):
    with pytest.raises(InvalidInput, match=f"give {name} by its own name"):
        JetadviceClient.update_customer.request(ROOT, id="1", more={name: "x"})


@pytest.mark.parametrize("format_", [0, 3, 4, 6, "CSV", None])
def test_a_report_is_csv_xml_or_json(format_):
    with pytest.raises(InvalidInput, match=r"OutputFormat: Input should be 1, 2 or 5"):
        JetadviceClient.request_report_run.request(ROOT, reportId="r-1", OutputFormat=format_)


def test_a_report_run_is_asked_for_by_a_get():
    request = JetadviceClient.request_report_run.request(ROOT, reportId="r-1", OutputFormat=5, customerId="9")

    assert f"{ROOT}/reports/RunRequest?reportId=r-1&OutputFormat=5&customerId=9" == str(request.url)


def test_the_result_of_a_run_is_asked_for_as_json_and_without_the_file():
    request = JetadviceClient.get_report_run.request(ROOT, ReportRunGuid="g-1")

    assert f"{ROOT}/reports/RunResult?ReportRunGuid=g-1&NoDownload=true" == str(request.url)
    assert "application/json" == request.headers["accept"]


def test_the_deprecated_form_of_a_result_cannot_be_asked_for():
    with pytest.raises(InvalidInput, match="NoDownload"):
        JetadviceClient.get_report_run.request(ROOT, ReportRunGuid="g-1", NoDownload=False)


@pytest.mark.parametrize("how", ["lost", "fault"])
async def test_a_report_run_that_may_have_begun_is_not_asked_for_again(how):
    requests = []

    def answers(request):
        if request.url.path == "/login":
            return answer("TOKEN")
        requests.append(request.url.path)
        if how == "lost":
            raise httpx.ReadTimeout("slow")
        return answer(status=503, headers={"retry-after": "0"})

    async with client_of(answers) as client:
        with pytest.raises((AnswerLost, Unavailable)) as failure:
            await client.request_report_run(reportId="r-1", OutputFormat=1)

    assert (1, True) == (len(requests), failure.value.maybe_applied)


# Answers ----------------------------------------------------------------------------------------------------


def test_a_device_is_read_with_meters_supplies_and_alerts():
    record = {
        "DeviceID": 17,
        "customerId": "c-1",
        "lastReport": "2025-07-01T10:20:30",
        "counters": {"Total": "120345", "mono": 100000, "color": "", "copy": 40, "scan": None},
        "supplies": [{"type": "toner", "color": "black", "levelPercent": "12.5", "partNumber": 4711}],
        "alerts": [{"code": 808, "text": "Toner low", "since": "2025-07-01T09:00:00Z"}],
        "tagIds": [1, "2"],
        "costCenter": "Hall",
    }

    [device] = JetadviceClient.list_devices.read(answer([record]))

    counters, [supply], [alert] = device.counters, device.supplies, device.alerts
    assert ("17", None, "Hall") == (device.deviceId, device.lastReport.tzinfo, device.costCenter)
    assert (120345, 100000, None, 40, None) == (
        counters.total,
        counters.mono,
        counters.color,
        counters.copies,
        counters.scan,
    )
    assert ("black", 12.5, "4711") == (supply.color, supply.levelPercent, supply.partNumber)
    assert ("808", 2025, ["1", "2"]) == (alert.code, alert.since.year, device.tagIds)


def test_a_device_that_tells_nothing_is_read():
    [device] = JetadviceClient.list_devices.read(
        answer([{"deviceId": "1", "counters": None, "supplies": None}])
    )

    assert (None, [], None) == (device.counters.total, device.supplies, device.lastReport)


@pytest.mark.parametrize(
    ("reported", "level"), [(6, 6.0), ("6", 6.0), (0, 0.0), ("", None), (" ", None), (None, None)]
)
def test_a_level_may_be_a_text_or_unknown(reported, level):
    supplies = [{"color": "black", "levelPercent": reported}]

    [device] = JetadviceClient.list_devices.read(answer([{"deviceId": "1", "supplies": supplies}]))

    assert [level] == [supply.levelPercent for supply in device.supplies]


def test_a_device_survives_json():
    [device] = JetadviceClient.list_devices.read(
        answer([{"deviceId": "1", "counters": {"copy": 4}, "lastReport": "2025-07-01T10:20:30", "x": 1}])
    )

    assert device == type(device).model_validate_json(device.model_dump_json())


@pytest.mark.parametrize(
    "value",
    [
        {"error": "not now", "details": []},
        {"customers": [], "levels": []},
        {},
        "none",
        [{"name": "x"}],
        [None],
        ["x"],
    ],
)
def test_a_list_is_one_of_records_with_ids(value):
    with pytest.raises(UnexpectedAnswer):
        JetadviceClient.list_customers.read(answer(value))


def test_a_state_that_is_not_known_yet_is_read():
    run = JetadviceClient.get_report_run.read(answer({"Status": "Archived", "Message": None, "Files": None}))

    assert ("Archived", "", []) == (run.Status, run.Message, run.Files)


@pytest.mark.parametrize(
    ("content", "kind", "text"),
    [
        (b'[{"a": 1}]', "application/json", '[{"a": 1}]'),
        (b"\xef\xbb\xbfa;b\r\n", "text/csv", "a;b\r\n"),
        (b"Stra\xdfe", "text/csv; charset=windows-1252", "Straße"),
        ("Straße".encode("utf-16"), "text/csv; charset=utf-16", "Straße"),
        ("Straße".encode(), "text/csv; charset=no-such-thing", "Straße"),
        ("Straße".encode(), "text/csv; charset=hex", "Straße"),
        ("Straße".encode(), "text/csv; charset=idna", "Straße"),
        (b"", "text/csv", ""),
    ],
)
def test_a_file_is_the_text_it_is(content, kind, text):
    assert text == JetadviceClient.get_report_file.read(
        httpx.Response(200, content=content, headers={"content-type": kind})
    )


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, Refused),
        (403, NotAllowed),
        (404, NotFound),
        (500, Unavailable),
        (301, UnexpectedAnswer),
        (303, UnexpectedAnswer),
    ],
)
def test_a_failure_is_reported_in_the_vendors_own_text(status, kind):
    text = b"  \r\n Ugyldigt kundenummer: f\xf8rst 5 cifre.\r\n"

    with pytest.raises(kind) as failure:
        JetadviceClient.create_customer.read(
            httpx.Response(status, content=text, headers={"content-type": "text/plain; charset=iso-8859-1"})
        )

    assert "): Ugyldigt kundenummer: først 5 cifre. " in str(failure.value)


def test_an_error_that_looks_like_json_stays_text():
    with pytest.raises(Refused) as failure:
        JetadviceClient.create_customer.read(httpx.Response(400, content=b'{"customerId": 1'))

    assert '{"customerId": 1' == failure.value.detail


def test_a_result_in_xml_is_no_answer():
    with pytest.raises(UnexpectedAnswer, match="<ReportRun>"):
        JetadviceClient.get_report_run.read(httpx.Response(200, content=b"<ReportRun>"))
