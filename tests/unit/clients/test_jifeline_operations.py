"""Jifeline: where its token and secret go, what it is asked, and what is read from its answers."""

import asyncio
import json
import logging
from datetime import UTC, datetime
from decimal import Decimal
from urllib.parse import parse_qs
from uuid import uuid4

import httpx
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import SecretStr
from vendor_answers import answer

from hookline.clients import (
    InvalidInput,
    NotAllowed,
    NotAuthenticated,
    NotFound,
    Refused,
    Unavailable,
    UnexpectedAnswer,
    VendorError,
    operations,
    pages,
)
from hookline.clients.jifeline import JifelineApp, JifelineClient
from hookline.errors import ConfigurationError

ROOT = "https://partner-api.example"
TICKET = "2f500382-0f8e-4298-83ee-e205a6a419df"
CUSTOMER = "35e258c1-f707-43d8-acb9-c44c5d84b8db"
ULID = "01J9ZK3V5M8Q2R4T6W8Y0B2D4F"
SECRET = "the-client-secret-of-all"
OPERATIONS = operations(JifelineClient)
LISTS = {name: each for name, each in OPERATIONS.items() if "limit" in each.input.model_fields}
BY_UUID = {
    name: each
    for name, each in OPERATIONS.items()
    if each.placeholders and name not in ("get_vehicle_model", "get_vehicle_make", "mark_ticket_processed")
}


def app(secret=SECRET, **options):
    return JifelineApp("the-client-id", SecretStr(secret), **options)


def client_of(answer, auth=None):
    """A client whose requests are answered by a function, at an address of its own: sessions are shared."""
    root = f"https://{uuid4().hex}.example"
    return JifelineClient(root, auth or app(), transport=httpx.MockTransport(answer))


def token(name="the-access-token", expires_in=3600):
    return answer({"access_token": name, "expires_in": expires_in, "token_type": "Bearer"})


def problem(status, **facts):
    headers = {"content-type": "application/problem+json"}
    return answer({"type": "about:blank", "status": status} | facts, status, headers=headers)


def listed(*rows, **more):
    return answer({"query": {"limit": 25}, "result": list(rows)} | more)


class Vendor:
    """Answers token requests and everything else, and keeps what it was asked."""

    def __init__(self, *answers, expires_in=3600):
        self.answers = iter(answers)
        self.expires_in = expires_in
        self.requests = []
        self.tokens = 0

    def __call__(self, request):
        self.requests.append(request)
        if not request.url.path.endswith("/oauth2/token"):
            return next(self.answers, listed(total=0))
        self.tokens += 1
        return token(f"token-{self.tokens}", self.expires_in)


# Tokens -----------------------------------------------------------------------------------------------------


async def test_a_token_is_asked_for_in_a_form_and_travels_in_a_header():
    vendor = Vendor()
    async with client_of(vendor) as client:
        await client.list_tickets()

    [requests, call] = vendor.requests
    assert ("POST", "/oauth2/token", b"") == (requests.method, requests.url.path, requests.url.query)
    assert "application/x-www-form-urlencoded" == requests.headers["content-type"]
    assert {
        "grant_type": ["client_credentials"],
        "client_id": ["the-client-id"],
        "client_secret": [SECRET],
    } == parse_qs(requests.content.decode())
    assert "Bearer token-1" == call.headers["authorization"]


@pytest.mark.parametrize("by_hand", [False, True])
async def test_the_secret_goes_to_the_token_address_only_and_the_token_to_the_api_only(by_hand):
    vendor = Vendor()
    auth = app(
        token_url="https://pool.auth.example/tenant/oauth2/token", api_key=SecretStr("the-older-api-key")
    )
    async with client_of(vendor, auth) as client:
        await (client.fetch_token() if by_hand else client.list_tickets())

    for request in vendor.requests:
        sent = f"{request.headers.raw} {request.content}"
        at_the_pool = request.url.host == "pool.auth.example"
        assert (at_the_pool, not at_the_pool) == (SECRET in sent, "the-older-api-key" in sent)
        assert at_the_pool == ("authorization" not in request.headers)
    assert "https://pool.auth.example/tenant/oauth2/token" == str(vendor.requests[0].url)


async def test_an_api_key_goes_with_every_call_to_the_api():
    vendor = Vendor()
    async with client_of(vendor, app(api_key=SecretStr("the-older-api-key"))) as client:
        await client.list_tickets()

    assert ["the-older-api-key"] * 2 == [request.headers.get("x-api-key") for request in vendor.requests]


async def test_a_token_by_hand_is_answered_and_hidden():
    async with client_of(Vendor()) as client:
        reported = await client.fetch_token()

    assert ("token-1", 3600) == (reported.access_token.get_secret_value(), reported.expires_in)
    assert "token-1" not in repr(reported)


@pytest.mark.parametrize(
    ("expires_in", "before", "after"), [(3600, 3539, 3541), (5400, 5339, 5341), (60, 29, 31)]
)
async def test_a_token_is_renewed_before_it_ends(clock, expires_in, before, after):
    vendor = Vendor(expires_in=expires_in)
    async with client_of(vendor) as client:
        await client.list_tickets()
        clock[0] = before
        await client.list_tickets()
        still = vendor.tokens
        clock[0] = after
        await client.list_tickets()

    assert (1, 2) == (still, vendor.tokens)


async def test_an_answered_call_does_not_prolong_a_token(clock):
    vendor = Vendor()
    async with client_of(vendor) as client:
        for passed in (0, 3000, 3600):
            clock[0] = passed
            await client.list_tickets()

    assert 2 == vendor.tokens


async def test_a_refused_token_is_renewed_once_and_the_call_repeated():
    vendor = Vendor(problem(401), answer({"id": TICKET}, 201))
    async with client_of(vendor) as client:
        ticket = await client.create_prepared_ticket(customer_id=CUSTOMER)

    paths = [request.url.path for request in vendor.requests]
    assert (TICKET, ["/oauth2/token", "/v2/tickets/prepared-tickets"] * 2) == (ticket.id, paths)
    assert "Bearer token-2" == vendor.requests[-1].headers["authorization"]


async def test_a_second_refusal_is_the_callers():
    vendor = Vendor(problem(401), problem(401, detail="The token is not valid"))
    async with client_of(vendor) as client:
        with pytest.raises(NotAuthenticated, match="The token is not valid"):
            await client.list_tickets()

    assert 4 == len(vendor.requests)


@pytest.mark.parametrize(
    "refusal",
    [
        answer({"error": "invalid_client", "error_description": "No such client"}, 400),
        answer({"error": "unauthorized_client"}, 401),
        problem(401, title="Unauthorized"),
    ],
)
async def test_a_wrong_client_is_not_let_in_and_not_tried_again(refusal):
    requests = []

    def answers(request):
        requests.append(request)
        return refusal

    async with client_of(answers) as client:
        with pytest.raises(NotAuthenticated) as failure:
            await client.list_tickets()

    assert ("fetch_token", 1) == (failure.value.operation, len(requests))


@pytest.mark.parametrize(
    "reported",
    [
        answer({"access_token": "SECRET TOKEN", "expires_in": 3600}),
        answer({"access_token": "SECRETTÖKEN", "expires_in": 3600}),
        answer({"access_token": "", "expires_in": 3600}),
        answer({"access_token": "SECRET"}),
        answer({"access_token": "SECRET", "expires_in": -1}),
        httpx.Response(200, content=b'{"access_token": "SECRET'),
        httpx.Response(200, content=b"SECRET"),
    ],
)
async def test_what_is_no_token_is_no_answer_and_is_not_shown(reported):
    async with client_of(lambda request: reported) as client:
        with pytest.raises(UnexpectedAnswer) as failure:
            await client.list_tickets()

    assert "fetch_token" == failure.value.operation
    assert "SECRET" not in repr(vars(failure.value))


@pytest.mark.parametrize(
    "wrong",
    [
        {"client_id": ""},
        {"client_secret": SecretStr("")},
        {"token_url": "partner-api.example/oauth2/token"},
        {"token_url": "https://me:pw@partner-api.example/oauth2/token"},
        {"api_key": SecretStr("with space")},
    ],
)
def test_credentials_that_cannot_work_are_refused(wrong):
    with pytest.raises(ConfigurationError) as failure:
        JifelineApp(**{"client_id": "id", "client_secret": SecretStr("x")} | wrong)

    assert "with space" not in str(failure.value)


MARK = "Zq9"
ANY_SECRET = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=30).map(
    MARK.__add__
)
HEADER_SECRET = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=30).map(
    MARK.__add__
)


@settings(max_examples=15, deadline=None)
@given(
    secret=ANY_SECRET,
    access_token=HEADER_SECRET,
    api_key=HEADER_SECRET,
    status=st.sampled_from([200, 400, 401, 403, 500]),
    at_login=st.booleans(),
)
@example(
    secret='Zq9-with"quote\\and/slash',
    access_token="Zq9token",
    api_key="Zq9api-key",
    status=400,
    at_login=True,
)
def test_no_secret_is_shown_even_if_the_vendor_repeats_what_it_was_sent(
    secret, access_token, api_key, status, at_login
):
    def repeats(request):
        if request.url.path == "/oauth2/token" and not at_login:
            return token(access_token)
        logging.getLogger("httpx").info("HTTP Request: %s %s", request.url, request.headers.raw)
        values = request.headers.get("authorization", "").removeprefix("Bearer ")
        text = f"{values} {request.headers.get('x-api-key')} {secret} {request.content.decode()}"
        facts = {"detail": text, "errors": [{"field": "x", "message": text}], "error": text}
        return problem(status, **facts)

    async def reported():
        async with client_of(repeats, app(secret, api_key=SecretStr(api_key))) as client:
            with pytest.raises(VendorError) as failure:
                await client.get_ticket(id=TICKET)
            return f"{failure.value} {vars(failure.value)} {client!r} {client.auth!r}"

    assert MARK not in asyncio.run(reported())


# Requests ---------------------------------------------------------------------------------------------------


def test_filters_stand_in_the_query_and_moments_are_sent_in_utc():
    request = JifelineClient.list_closed_tickets.request(
        ROOT,
        ticket_number=17386048,
        finished_after=datetime.fromisoformat("2025-07-01T02:00:00+02:00"),
        externally_processed=False,
        limit=1000,
        offset=0,
    )

    assert "/v2/tickets/closed-tickets" == request.url.path
    assert {
        "ticket_number": "17386048",
        "finished_after": "2025-07-01T00:00:00Z",
        "externally_processed": "false",
        "limit": "1000",
        "offset": "0",
    } == dict(request.url.params)


@pytest.mark.parametrize("operation", LISTS.values(), ids=LISTS)
@pytest.mark.parametrize("limit", [-1, 1001, "many"])
def test_a_page_holds_at_most_a_thousand_rows(operation, limit):
    with pytest.raises(InvalidInput, match="limit"):
        operation.request(ROOT, limit=limit)


@pytest.mark.parametrize("operation", LISTS.values(), ids=LISTS)
def test_the_largest_and_the_empty_page_may_be_asked_for(operation):
    assert ["0", "1000"] == [operation.request(ROOT, limit=limit).url.params["limit"] for limit in (0, 1000)]


@pytest.mark.parametrize("operation", BY_UUID.values(), ids=BY_UUID)
@pytest.mark.parametrize("value", ["17386048", TICKET[:-1], f"{TICKET}0", f"{TICKET}\n", ULID, ""])
def test_an_id_is_a_uuid(operation, value):
    with pytest.raises(InvalidInput, match=rf"{operation.name} was not sent: id"):
        operation.request(ROOT, id=value)


def test_the_id_of_an_event_is_passed_unchanged():
    request = JifelineClient.list_system_events.request(ROOT, after_id=ULID)

    assert f"after_id={ULID}" == request.url.query.decode()


def test_a_vehicle_model_has_a_number():
    request = JifelineClient.get_vehicle_model.request(ROOT, id=8123)

    assert f"{ROOT}/v2/vehicles/models/8123" == str(request.url)


@pytest.mark.parametrize(
    ("inputs", "named"),
    [
        ({"vin": "WVWZZZ1JZXW00000"}, "vin"),
        ({"vin": "WVWZZZ1JZXW0000011"}, "vin"),
        ({"voucher_code": "ABC"}, "voucher_code"),
        ({"voucher_code": "ABCDEFGH1"}, "voucher_code"),
        ({"voucher_code": "abcd"}, "voucher_code"),
        ({"preparer_external_reference": "x" * 256}, "preparer_external_reference"),
        ({"vehicle_model_id": -1}, "vehicle_model_id"),
        ({"vehicle_model_id": 2**63}, "vehicle_model_id"),
        ({"customer_id": "1"}, "customer_id"),
    ],
)
def test_a_prepared_ticket_keeps_the_vendors_limits(inputs, named):
    with pytest.raises(InvalidInput, match=rf"create_prepared_ticket was not sent: {named}"):
        JifelineClient.create_prepared_ticket.request(ROOT, **{"customer_id": CUSTOMER} | inputs)


def test_a_prepared_ticket_is_sent_as_it_was_given():
    given_ = {
        "customer_id": CUSTOMER,
        "vehicle_model_id": 8123,
        "vin": "WVWZZZ1JZXW000001",
        "voucher_code": "AB12",
        "preparer_external_reference": "x" * 255,
    }

    request = JifelineClient.create_prepared_ticket.request(ROOT, **given_)

    assert given_ == json.loads(request.content)


def test_a_mark_says_only_what_it_is_given():
    request = JifelineClient.mark_ticket_processed.request(ROOT, id=TICKET, externally_processed=False)

    assert ("PUT", f"{ROOT}/v2/tickets/tickets/{TICKET}") == (request.method, str(request.url))
    assert {"externally_processed": False} == json.loads(request.content)


@pytest.mark.parametrize("inputs", [{}, {"external_reference": "x" * 256}])
def test_a_mark_that_says_nothing_or_too_much_is_refused(inputs):
    with pytest.raises(InvalidInput, match="external_reference"):
        JifelineClient.mark_ticket_processed.request(ROOT, id=TICKET, **inputs)


@pytest.mark.parametrize(
    ("operation", "inputs"),
    [
        (JifelineClient.list_tickets, {"state": "open"}),
        (JifelineClient.list_connectors, {"type": "wired"}),
        (JifelineClient.list_openobd_sessions, {"state": "closed"}),
        (JifelineClient.list_pending_tickets, {"state": "pending"}),
        (JifelineClient.list_customers, {"name": "Mill Road Garage"}),
        (JifelineClient.list_providers, {"name": "Trailer Remote"}),
        (JifelineClient.list_products, {"type": "extra"}),
        (JifelineClient.list_product_lines, {"ticket_id": "17386048"}),
        (JifelineClient.list_prepared_tickets, {"created_after": "2025-07-01T00:00:00"}),
        (JifelineClient.list_prepared_tickets, {"created_after": "0001-01-01T00:00:00+14:00"}),
        (JifelineClient.list_vehicles, {"vin": "short"}),
        (JifelineClient.list_channel_messages, {"channel_id": ""}),
        (JifelineClient.list_channel_messages, {}),
    ],
)
def test_a_filter_that_cannot_be_right_is_refused(operation, inputs):
    with pytest.raises(InvalidInput):
        operation.request(ROOT, **inputs)


# Answers ----------------------------------------------------------------------------------------------------


def test_a_closed_ticket_is_read():
    record = {
        "id": TICKET,
        "state": "closed",
        "ticket_number": 17386048,
        "finished_at": "2025-07-01T10:20:30Z",
        "customer_id": CUSTOMER,
        "externally_processed": None,
        "vehicle_battery_voltage": "12v",
        "language": "nl",
    }

    ticket = JifelineClient.get_ticket.read(answer(record))

    assert (17386048, datetime(2025, 7, 1, 10, 20, 30, tzinfo=UTC)) == (
        ticket.ticket_number,
        ticket.finished_at,
    )
    assert (False, "nl") == (ticket.externally_processed, ticket.language)


@pytest.mark.parametrize(
    "written", ["2025-12-15T16:15:44Z", "2025-12-15T17:15:44+01:00", "2025-12-15T16:15:44.000+0000"]
)
def test_a_time_is_read_in_each_way_in_which_the_vendor_writes_it(written):
    ticket = JifelineClient.get_ticket.read(answer({"id": TICKET, "finished_at": written}))

    assert datetime(2025, 12, 15, 16, 15, 44, tzinfo=UTC) == ticket.finished_at


LINE = {"ticket_id": TICKET, "product_id": CUSTOMER, "quantity": 2}


def test_a_product_line_tells_what_was_done_how_often_and_for_how_much():
    price = {"amount": 40.7, "currency": "EUR", "customer_amount": 463.98, "customer_currency": "SEK"}

    [line] = JifelineClient.list_product_lines.read(listed(LINE | {"unit_gross_price": price})).Results

    assert (TICKET, CUSTOMER, 2) == (line.ticket_id, line.product_id, line.quantity)
    assert (Decimal("40.7"), "EUR", Decimal("463.98"), "SEK", None) == (
        line.unit_gross_price.amount,
        line.unit_gross_price.currency,
        line.unit_gross_price.customer_amount,
        line.unit_gross_price.customer_currency,
        line.gross_price,
    )


@pytest.mark.parametrize(
    "wrong",
    [{"ticket_id": None}, {"product_id": ""}, {"quantity": None}, {"quantity": 0}, {"quantity": 1.5}],
)
def test_a_product_line_that_does_not_say_what_to_bill_is_no_answer(wrong):
    with pytest.raises(UnexpectedAnswer):
        JifelineClient.list_product_lines.read(listed(LINE | wrong))


def test_a_state_that_is_not_known_yet_is_read():
    ticket = JifelineClient.get_ticket.read(answer({"id": TICKET, "state": "frozen"}))
    session = JifelineClient.get_openobd_session.read(answer({"id": TICKET, "state": "paused"}))

    assert ("frozen", "paused") == (ticket.state, session.state)


def test_a_page_tells_its_rows_and_how_many_there_are():
    page = JifelineClient.list_tickets.read(listed({"id": "1"}, total=7))

    assert (["1"], 7) == ([ticket.id for ticket in page.Results], page.Total)


@pytest.mark.parametrize("value", [{}, {"data": [], "total": 0}, {"result": None}, {"result": {}}, [], None])
def test_a_page_without_rows_under_their_name_is_no_answer(value):
    """A public client that looked under another name reported no tickets, ever."""
    with pytest.raises(UnexpectedAnswer):
        JifelineClient.list_tickets.read(answer(value))


def test_an_event_names_ticket_customer_and_parent():
    record = {
        "id": ULID,
        "type": "tickets.ticket.created",
        "occurred_at": "2025-07-01T10:20:30Z",
        "payload": {
            "customer": {"id": CUSTOMER, "name": "Garage"},
            "ticket": {"id": TICKET, "number": 1, "ticket_number": 2},
            "parent_ticket": None,
        },
    }

    [event] = JifelineClient.list_system_events.read(listed(record)).Results

    payload = event.payload
    assert (ULID, TICKET, 1, 2) == (
        event.id,
        payload.ticket.id,
        payload.ticket.number,
        payload.ticket.ticket_number,
    )
    assert ("Garage", None) == (payload.customer.name, payload.parent_ticket)


def test_an_event_of_an_unknown_kind_is_read():
    [event] = JifelineClient.list_system_events.read(
        listed({"id": ULID, "type": "customers.connector.moved", "payload": {"connector": {"id": "1"}}})
    ).Results

    assert ({"id": "1"}, None) == (event.payload.connector, event.payload.ticket)


def test_what_is_secret_in_an_answer_is_hidden():
    connector = JifelineClient.get_connector.read(answer({"id": "1", "pin": 12345, "name": 23568}))
    session = JifelineClient.get_openobd_session.read(answer({"id": "1", "authentication_token": "once"}))

    assert ("12345", "once") == (
        connector.pin.get_secret_value(),
        session.authentication_token.get_secret_value(),
    )
    assert "12345" not in f"{connector!r}{connector.model_dump_json()}"
    assert "once" not in f"{session!r}{session.model_dump_json()}"


def elsewhere(place):
    return answer(None, 303, headers={"location": place})


@pytest.mark.parametrize(
    "place",
    [
        "/login",
        "https://id.example/login?next=/v2/tickets/tickets/1",
        f"/login/{TICKET}",
        "/v2/tickets/tickets",
        "//[",
    ],
)
def test_a_change_that_is_answered_with_a_way_to_a_page_is_no_answer(place):
    with pytest.raises(UnexpectedAnswer):
        JifelineClient.mark_ticket_processed.read(elsewhere(place))


def test_a_ticket_that_is_said_to_be_elsewhere_is_made_and_known_by_its_id():
    ticket = JifelineClient.create_prepared_ticket.read(elsewhere(f"/v2/tickets/prepared-tickets/{TICKET}"))

    assert (TICKET, False) == (ticket.id, ticket.unfinished)


def test_a_read_that_is_answered_with_a_way_to_the_record_is_no_answer():
    with pytest.raises(UnexpectedAnswer):
        JifelineClient.get_ticket.read(elsewhere(f"/v2/tickets/tickets/{TICKET}"))


CHANGES = [JifelineClient.mark_ticket_processed, JifelineClient.interrupt_openobd_session]


@pytest.mark.parametrize("operation", CHANGES, ids=lambda each: each.name)
@pytest.mark.parametrize(
    ("response", "reported"),
    [
        (answer({"id": "1", "state": "active"}, 202), ("1", "active", True)),
        (answer(None, 202), ("", "", True)),
        (answer({"message": "accepted"}, 202), ("", "", True)),
        (answer({"id": "1", "state": "interrupted"}), ("1", "interrupted", False)),
        (answer(None, 204), ("", "", False)),
        (elsewhere(f"/v2/tickets/tickets/{TICKET}"), (TICKET, "", False)),
        (elsewhere(f"{ROOT}/v2/open-obd/sessions/{TICKET}"), (TICKET, "", False)),
    ],
    ids=["202 with the record", "202 without", "202 with words", "200", "204", "303", "303 with the host"],
)
def test_a_change_tells_whether_it_is_finished(operation, response, reported):
    changed = operation.read(response)

    assert reported == (changed.id, changed.state, changed.unfinished)


@pytest.mark.parametrize("operation", CHANGES, ids=lambda each: each.name)
@pytest.mark.parametrize("value", [{}, {"message": "done"}, [], "done"])
def test_a_finished_change_that_is_about_something_else_is_no_answer(operation, value):
    with pytest.raises(UnexpectedAnswer):
        operation.read(answer(value))


@pytest.mark.parametrize("response", [answer(None, 202), answer(None, 204), answer({}, 202), answer({}, 201)])
def test_a_ticket_whose_id_is_missing_may_have_been_prepared(response):
    with pytest.raises(UnexpectedAnswer) as failure:
        JifelineClient.create_prepared_ticket.read(response)

    assert failure.value.maybe_applied


def test_a_ticket_that_is_accepted_only_is_reported_so():
    ticket = JifelineClient.create_prepared_ticket.read(answer({"id": TICKET, "state": "prepared"}, 202))

    assert (TICKET, True) == (ticket.id, ticket.unfinished)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (301, UnexpectedAnswer),
        (303, UnexpectedAnswer),
        (400, Refused),
        (403, NotAllowed),
        (404, NotFound),
        (409, Refused),
        (500, Unavailable),
    ],
)
def test_a_failure_is_read_from_its_problem_body(status, kind):
    with pytest.raises(kind) as failure:
        JifelineClient.interrupt_openobd_session.read(
            problem(status, title="Conflict", detail="The session has ended.")
        )

    assert ("The session has ended.", status) == (failure.value.detail, failure.value.status)


def test_fields_of_a_problem_are_rows():
    errors = [
        {"field": "vin", "message": "is not 17 long"},
        {"field": "customer_id", "message": "is unknown"},
    ]

    with pytest.raises(Refused) as failure:
        JifelineClient.create_prepared_ticket.read(problem(400, title="Not valid", errors=errors))

    assert "Not valid; vin is not 17 long; customer_id is unknown" == failure.value.detail
    assert (tuple(errors), False) == (failure.value.rows, failure.value.maybe_applied)


@pytest.mark.parametrize("facts", [{"errors": 7}, {"errors": [7, None]}, {"detail": {}}, {"title": None}])
def test_a_problem_of_another_shape_is_still_a_refusal(facts):
    with pytest.raises(Refused, match="about:blank"):
        JifelineClient.create_prepared_ticket.read(problem(400, **facts))


def test_a_page_of_a_gateway_is_quoted():
    with pytest.raises(Unavailable, match="<h1>502</h1>"):
        JifelineClient.list_tickets.read(httpx.Response(502, content=b"<h1>502</h1>"))


# Paging -----------------------------------------------------------------------------------------------------


async def test_every_row_is_read_page_by_page_up_to_the_total():
    vendor = Vendor(
        listed({"id": "1"}, {"id": "2"}, total=5),
        listed({"id": "3"}, {"id": "4"}, total=5),
        listed({"id": "5"}, total=5),
    )
    async with client_of(vendor) as client:
        rows = [ticket.id async for ticket in pages(client.list_tickets, state="closed")]

    requests = [dict(request.url.params) for request in vendor.requests[1:]]
    assert ["1", "2", "3", "4", "5"] == rows
    assert [{"state": "closed", "limit": "250", "offset": offset} for offset in ("0", "2", "4")] == requests


async def test_events_are_followed_by_their_last_id_until_a_page_is_not_full():
    ids = [f"01J9ZK3V5M8Q2R4T6W8Y0{number:05d}" for number in range(501)]
    vendor = Vendor(
        *(listed(*({"id": each} for each in ids[first : first + 250])) for first in (0, 250, 500))
    )
    since = datetime(2025, 7, 1, tzinfo=UTC)
    async with client_of(vendor) as client:
        events = [event.id async for event in pages(client.list_system_events, occurred_after=since)]

    requests = [dict(request.url.params) for request in vendor.requests[1:]]
    assert ids == events
    assert [
        {"occurred_after": "2025-07-01T00:00:00Z", "limit": "250"},
        {"after_id": ids[249], "limit": "250"},
        {"after_id": ids[499], "limit": "250"},
    ] == requests


@pytest.mark.parametrize(
    "two",
    [
        {"after_id": ULID, "type": "tickets.ticket.closed"},
        {"after_id": ULID, "occurred_after": "2025-07-01T00:00:00Z"},
        {"occurred_after": "2025-07-01T00:00:00Z", "type": "tickets.ticket.closed"},
    ],
)
def test_events_are_asked_for_by_one_filter_because_the_vendor_refuses_two(two):
    with pytest.raises(InvalidInput, match="one filter of events a call"):
        JifelineClient.list_system_events.request(ROOT, **two)


def test_an_event_by_which_the_feed_cannot_go_on_is_no_answer():
    with pytest.raises(UnexpectedAnswer, match="id"):
        JifelineClient.list_system_events.read(listed({"id": ""}))


async def test_the_feed_goes_on_after_the_id_that_was_kept():
    vendor = Vendor(listed())
    async with client_of(vendor) as client:
        assert [] == [event async for event in pages(client.list_system_events, after_id=ULID)]

    assert {"after_id": ULID, "limit": "250"} == dict(vendor.requests[-1].url.params)


async def test_messages_are_followed_by_their_token_however_short_a_page_is():
    vendor = Vendor(
        listed({"id": "1"}, next_token="a/b=="), listed({"id": "2"}, next_token="c"), listed({"id": "3"})
    )
    async with client_of(vendor) as client:
        messages = [each.id async for each in pages(client.list_channel_messages, channel_id="ch-1")]

    requests = [dict(request.url.params) for request in vendor.requests[1:]]
    assert ["1", "2", "3"] == messages
    assert [{}, {"next_token": "a/b=="}, {"next_token": "c"}] == [
        {name: value for name, value in each.items() if name != "channel_id"} for each in requests
    ]


async def test_a_hundred_thousand_rows_are_held_a_page_at_a_time():
    furthest = []

    def answers(request):
        if request.url.path == "/oauth2/token":
            return token()
        offset, limit = (int(request.url.params[name]) for name in ("offset", "limit"))
        furthest.append(offset + limit)
        return listed(*({"id": str(number)} for number in range(offset, offset + limit)), total=100_000)

    async with client_of(answers) as client:
        ahead, read = 0, 0
        async for ticket in pages(client.list_tickets):
            ahead = max(ahead, furthest[-1] - int(ticket.id))
            read += 1

    assert (100_000, 250) == (read, ahead)
