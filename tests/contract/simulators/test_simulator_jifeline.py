"""The manners of Jifeline: tokens that are given again, envelopes, a feed with ULIDs, problems for errors."""

import uuid
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from hookline.simulators import InvalidControlError, Sandbox, running
from hookline.simulators.jifeline import JifelineSimulator, tickets

FORM = {
    "grant_type": "client_credentials",
    "client_id": "sandbox-jifeline",
    "client_secret": "sandbox-jifeline-secret",
}
OPERATIONS = JifelineSimulator.operations
BEHIND_THE_LOGIN = sorted(OPERATIONS.keys() - {"fetch_token"})

UNKNOWN = (
    "0b6a1d52-94c3-4f0e-8a7d-5c2e9f1b3a64"  # of nothing; the same in every process that collects the tests
)
TICKETS = "/v2/tickets/tickets"
PREPARED = "/v2/tickets/prepared-tickets"
CLOSED = "/v2/tickets/closed-tickets"
LINES = "/v2/tickets/product-lines"
CUSTOMERS = "/v2/customers/customers"
EMPLOYEES = "/v2/customers/employees"
EVENTS = "/v2/system/events"
MESSAGES = "/v2/tickets/messenger-channel/messages"
SESSIONS = "/v2/open-obd/sessions"

LISTS = {
    TICKETS: 8,
    PREPARED: 1,
    "/v2/tickets/pending-tickets": 1,
    "/v2/tickets/in-progress-tickets": 1,
    "/v2/tickets/outsourced-tickets": 1,
    "/v2/tickets/closed-tickets": 3,
    "/v2/tickets/cancelled-tickets": 1,
    LINES: 4,
    CUSTOMERS: 2,
    "/v2/customers/locations": 3,
    "/v2/customers/contact-points": 4,
    "/v2/customers/connectors": 5,
    "/v2/products/products": 4,
    "/v2/providers/providers": 3,
    "/v2/vehicles/vehicles": 4,
    "/v2/vehicles/models": 4,
    "/v2/vehicles/makes": 3,
    SESSIONS: 3,
}
WITH_ONE = [
    TICKETS,
    CUSTOMERS,
    "/v2/customers/locations",
    EMPLOYEES,
    "/v2/customers/contact-points",
    "/v2/customers/connectors",
    "/v2/products/products",
    "/v2/providers/providers",
    "/v2/vehicles/vehicles",
    "/v2/vehicles/models",
    "/v2/vehicles/makes",
    SESSIONS,
]


@pytest.fixture(autouse=True)
def with_rows(sandbox):
    """A refusal names its field in a row, so that a test can tell which it was."""
    sandbox.jifeline.dialect.speak({"refusal-rows": "rows"})


class Clock:
    """A time that passes when told."""

    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
async def timed():
    """A simulator whose time stands still, and a client that is not logged in."""
    clock = Clock()
    async with (
        running(sandbox=Sandbox(jifeline=JifelineSimulator(clock=clock))) as sandbox,
        httpx.AsyncClient(base_url=sandbox.jifeline.url) as client,
    ):
        yield clock, client


async def token(client, **change):
    return (await client.post("/oauth2/token", data=FORM | change)).json()


async def status_with(client, key):
    return (await client.get(CUSTOMERS, headers={"Authorization": f"Bearer {key}"})).status_code


async def call(client, name):
    """Any call of an operation, whether or not its inputs make sense."""
    operation = OPERATIONS[name]
    return await client.request(operation.verbs[0], operation.path.replace("{id}", str(uuid.uuid4())))


async def listed(client, path, **query):
    response = await client.get(path, params=query)
    assert 200 == response.status_code, response.text
    return response.json()


async def results(client, path, **query):
    return (await listed(client, path, **query))["result"]


async def refused_fields(response):
    """The fields that a problem names; it is one, in its own media type."""
    assert 400 == response.status_code
    return [each["field"] for each in problem(response)["errors"]]


def problem(response):
    assert "application/problem+json" == response.headers["content-type"]
    body = response.json()
    assert response.status_code == body["status"]
    assert {"type", "title", "status", "detail"} <= body.keys()
    return body


# Tokens ----------------------------------------------------------------------------------------------------


async def test_a_token_is_given_for_the_credentials_in_a_form(jifeline):
    response = await jifeline.post("/oauth2/token", data=FORM)

    answer = response.json()
    assert (200, "no-store") == (response.status_code, response.headers["cache-control"])
    assert (3600, "Bearer") == (answer["expires_in"], answer["token_type"])
    assert 200 == await status_with(jifeline, answer["access_token"])


async def test_asking_again_gives_the_same_token_until_the_window_closes(timed):
    clock, client = timed
    first = await token(client)
    clock.now += 1799
    second = await token(client)
    clock.now += 1
    third = await token(client)

    assert first == second
    assert third["access_token"] not in {None, first["access_token"]}


async def test_a_token_lives_as_long_as_was_said_also_when_it_was_given_late(timed):
    clock, client = timed
    key = (await token(client))["access_token"]
    clock.now += 1799
    assert key == (await token(client))["access_token"]
    clock.now += 3600
    still = await status_with(client, key)
    clock.now += 1

    assert (200, 401) == (still, await status_with(client, key))


@pytest.mark.parametrize(
    ("change", "status", "error"),
    [
        ({"client_secret": "wrong"}, 401, "invalid_client"),
        ({"client_id": "somebody"}, 401, "invalid_client"),
        ({"client_secret": ""}, 401, "invalid_client"),
        ({"grant_type": "password"}, 400, "unsupported_grant_type"),
        ({"grant_type": ""}, 400, "unsupported_grant_type"),
    ],
)
async def test_a_token_request_that_is_wrong_is_told_so_in_oauth_s_own_words(jifeline, change, status, error):
    response = await jifeline.post("/oauth2/token", data=FORM | change)

    assert (status, {"error": error}) == (response.status_code, response.json())


async def test_credentials_are_not_read_from_json(jifeline):
    response = await jifeline.post("/oauth2/token", json=FORM)

    assert (400, {"error": "invalid_request"}) == (response.status_code, response.json())


@pytest.mark.parametrize("body", [b"", b"\xff=\xff&&", b"grant_type=%ff"])
async def test_a_form_that_cannot_be_read_is_refused(jifeline, body):
    form = {"Content-Type": "application/x-www-form-urlencoded"}

    response = await jifeline.post("/oauth2/token", content=body, headers=form)

    assert (400, {"error": "unsupported_grant_type"}) == (response.status_code, response.json())


@pytest.mark.parametrize("name", BEHIND_THE_LOGIN)
@pytest.mark.parametrize("header", [None, "Bearer wrong", "Bearer", "Basic c2FuZGJveDo="])
async def test_no_operation_is_open_without_a_live_token(jifeline, name, header):
    del jifeline.headers["Authorization"]
    if header:
        jifeline.headers["Authorization"] = header

    response = await call(jifeline, name)

    assert 401 == problem(response)["status"]
    assert "Bearer" == response.headers["www-authenticate"]


async def test_a_live_token_opens_nothing_under_another_scheme(jifeline):
    key = (await token(jifeline))["access_token"]

    statuses = [
        (await jifeline.get(CUSTOMERS, headers={"Authorization": f"{scheme} {key}"})).status_code
        for scheme in ("bearer", "Basic", "Token")
    ]

    assert [200, 401, 401] == statuses


async def test_when_sessions_end_a_new_token_is_another(sandbox, jifeline):
    old = (await token(jifeline))["access_token"]
    sandbox.jifeline.end_sessions()
    new = (await token(jifeline))["access_token"]

    assert (401, 200) == (await status_with(jifeline, old), await status_with(jifeline, new))


# Faults ----------------------------------------------------------------------------------------------------


async def test_a_status_that_has_no_name_is_a_problem_too(sandbox, jifeline):
    sandbox.jifeline.faults.add("list_customers", "refuse", status=599)

    assert "Error" == problem(await jifeline.get(CUSTOMERS))["title"]


async def test_a_lost_answer_to_a_prepared_ticket_has_made_it(sandbox, jifeline):
    before = await listed(jifeline, PREPARED)
    sandbox.jifeline.faults.add("create_prepared_ticket", "lose")

    with pytest.raises(httpx.TransportError):
        await prepare(jifeline, preparer_external_reference="order 7")

    after = await listed(jifeline, PREPARED)
    assert before["total"] + 1 == after["total"]
    assert "order 7" == after["result"][0]["preparer_external_reference"]


# Lists -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("path", "total"), LISTS.items())
async def test_a_list_comes_in_an_envelope_that_tells_what_was_asked(jifeline, path, total):
    answer = await listed(jifeline, path)

    assert {"query", "result", "total"} == answer.keys()
    assert {"limit": 25, "offset": 0} == answer["query"]
    assert (total, total) == (answer["total"], len(answer["result"]))


@pytest.mark.parametrize(("path", "total"), LISTS.items())
async def test_pages_hold_every_row_once(jifeline, path, total):
    whole = await results(jifeline, path)

    pages = [await listed(jifeline, path, limit=2, offset=offset) for offset in range(0, total + 2, 2)]

    assert [total] * len(pages) == [page["total"] for page in pages]
    assert whole == [row for page in pages for row in page["result"]]


@pytest.mark.parametrize("path", [*LISTS, EVENTS])
async def test_a_limit_of_none_is_an_empty_page_and_a_thousand_is_the_most(jifeline, path):
    assert [] == await results(jifeline, path, limit=0)
    assert 1000 == (await listed(jifeline, path, limit=1000))["query"]["limit"]


@pytest.mark.parametrize("path", LISTS)
@pytest.mark.parametrize(
    "query",
    [
        {"limit": "1001"},
        {"limit": "-1"},
        {"limit": "many"},
        {"limit": ""},
        {"limit": "9" * 5000},
        {"offset": "-1"},
        {"offset": "1.5"},
        {"offset": "9" * 19 + "9"},
    ],
)
async def test_a_limit_or_offset_out_of_bounds_is_a_problem_that_names_it(jifeline, path, query):
    response = await jifeline.get(path, params=query)

    assert [*query] == await refused_fields(response)


async def test_a_refusal_has_a_sentence_and_in_one_dialect_a_row_for_the_field_too(sandbox, jifeline):
    with_a_row = problem(await jifeline.get(CUSTOMERS, params={"limit": "many"}))
    sandbox.jifeline.dialect.speak({"refusal-rows": "detail"})

    without = problem(await jifeline.get(CUSTOMERS, params={"limit": "many"}))

    assert with_a_row == without | {"errors": [{"field": "limit", "message": without["detail"]}]}


async def test_a_parameter_that_is_not_known_is_ignored_and_not_told_as_applied(jifeline):
    answer = await listed(jifeline, CUSTOMERS, nmae="Mill")

    assert (2, {"limit": 25, "offset": 0}) == (answer["total"], answer["query"])


async def test_tickets_in_every_state_are_seeded(jifeline):
    tickets = await results(jifeline, TICKETS)

    assert {"prepared", "pending", "in_progress", "outsourced", "closed", "cancelled"} == {
        each["state"] for each in tickets
    }
    assert sorted((each["created_at"] for each in tickets), reverse=True) == [
        each["created_at"] for each in tickets
    ]


@pytest.mark.parametrize("state", ["prepared", "pending", "in_progress", "outsourced", "closed", "cancelled"])
async def test_a_state_s_own_list_is_the_filter_by_state(jifeline, state):
    filtered = await listed(jifeline, TICKETS, state=state)
    own = await listed(jifeline, f"/v2/tickets/{state.replace('_', '-')}-tickets")

    assert state == filtered["query"]["state"]
    assert ([each["id"] for each in own["result"]], own["total"]) == (
        [each["id"] for each in filtered["result"]],
        filtered["total"],
    )
    assert {state} == {each["state"] for each in filtered["result"]}


async def test_two_closed_tickets_wait_for_their_invoice(jifeline):
    waiting = await results(jifeline, CLOSED, externally_processed="false")
    finished = await results(jifeline, CLOSED, externally_processed="true")

    assert [["Code a control unit", "Calibrate a camera"], ["Initialise trailer module"]] == [
        await services(jifeline, each) for each in waiting
    ]
    assert ["billed by hand"] == [each["external_reference"] for each in finished]


async def services(jifeline, ticket):
    """The names of the products on a ticket."""
    products = {each["id"]: each["name"] for each in await results(jifeline, "/v2/products/products")}
    return [products[line["product_id"]] for line in await results(jifeline, LINES, ticket_id=ticket["id"])]


async def test_lines_name_ticket_product_quantity_and_prices(jifeline):
    closed = {each["id"] for each in await results(jifeline, CLOSED)}
    lines = await results(jifeline, LINES)

    assert closed == {line["ticket_id"] for line in lines}
    for line in lines:
        price = line["unit_gross_price"]
        assert price | {"amount": price["amount"] * line["quantity"]} == line["gross_price"]
        assert {"amount", "currency", "customer_amount", "customer_currency"} == price.keys()


FIELDS = {
    "closed": """id created_at customer_id ticket_number vehicle_model_id vin finished_at externally_processed
                 external_reference operator_id vehicle_battery_voltage connection_id""",
    "cancelled": """id created_at customer_id ticket_number vehicle_model_id vin finished_at cancel_reason_id
                    externally_processed operator_id external_reference vehicle_battery_voltage connection_id""",
    "outsourced": """id created_at customer_id ticket_number vehicle_model_id vin outsource_provider_id
                     outsource_ticket_id reclaimable voucher_code connection_id""",
    "prepared": """id created_at customer_id ticket_number vehicle_model_id vin voucher_code
                   preparer_external_reference""",
}
"""The fields in the vendor's published samples."""


@pytest.mark.parametrize("state", FIELDS)
async def test_a_ticket_in_the_list_of_its_state_has_the_fields_of_the_published_sample(jifeline, state):
    for ticket in await results(jifeline, f"/v2/tickets/{state}-tickets"):
        assert set(FIELDS[state].split()) == ticket.keys()


async def test_fields_are_set_in_the_states_they_belong_to(jifeline):
    by_state = {each["state"]: each for each in await results(jifeline, TICKETS)}

    def where_set(name):
        return {state for state, each in by_state.items() if each[name] is not None}

    assert by_state.keys() - {"prepared"} == where_set("customer_channel_id")
    assert {"closed", "cancelled"} == where_set("finished_at")
    assert {"cancelled"} == where_set("cancel_reason_id")
    assert {"in_progress", "outsourced", "closed"} == where_set("operator_id")


async def test_tickets_are_found_by_number_customer_and_time(jifeline):
    tickets = await results(jifeline, TICKETS)
    one = tickets[4]

    by_number = await results(jifeline, TICKETS, ticket_number=one["ticket_number"])
    by_customer = await results(jifeline, TICKETS, customer_id=one["customer_id"].upper())

    assert [one] == by_number
    assert [each for each in tickets if each["customer_id"] == one["customer_id"]] == by_customer


async def test_prepared_tickets_are_found_by_when_they_were_prepared(jifeline):
    [ticket] = await results(jifeline, PREPARED)

    assert [ticket] == await results(jifeline, PREPARED, created_after=last_second(ticket["created_at"]))
    assert [] == await results(jifeline, PREPARED, created_after=ticket["created_at"])
    assert [] == await results(jifeline, PREPARED, created_before=ticket["created_at"])


async def test_closed_tickets_are_found_by_when_they_were_closed(jifeline):
    path = CLOSED
    ticket = (await results(jifeline, path))[-1]

    assert [ticket] == [
        each
        for each in await results(jifeline, path, finished_before=next_second(ticket["finished_at"]))
        if each in await results(jifeline, path, finished_after=last_second(ticket["finished_at"]))
    ]
    assert ticket not in await results(jifeline, path, finished_after=ticket["finished_at"])


def next_second(text):
    return (datetime.fromisoformat(text) + timedelta(seconds=1)).isoformat()


def last_second(text):
    return (datetime.fromisoformat(text) - timedelta(seconds=1)).isoformat()


async def test_a_time_without_a_zone_is_utc(jifeline):
    times = ["2020-01-01T00:00:00", "2020-01-01", "2020-01-01T02:00:00+02:00", "2020-01-01T00:00:00Z"]

    assert [1] * 4 == [(await listed(jifeline, PREPARED, created_after=each))["total"] for each in times]
    assert [0] * 4 == [(await listed(jifeline, PREPARED, created_before=each))["total"] for each in times]


@pytest.mark.parametrize(
    ("path", "field", "value"),
    [
        (TICKETS, "state", "open"),
        (TICKETS, "ticket_number", "T-7"),
        (TICKETS, "externally_processed", "no"),
        (PREPARED, "created_after", "yesterday"),
        ("/v2/tickets/closed-tickets", "finished_before", "2020-13-01"),
        ("/v2/customers/connectors", "assigned", "1"),
        ("/v2/customers/connectors", "type", "wireless"),
        (EMPLOYEES, "enabled", "perhaps"),
        ("/v2/vehicles/models", "make_id", "Halden"),
        (EVENTS, "after_id", UNKNOWN),
        (EVENTS, "occurred_after", ""),
        (EVENTS, "limit", "1001"),
    ],
)
async def test_a_filter_that_cannot_be_read_is_a_problem_that_names_it(jifeline, path, field, value):
    response = await jifeline.get(path, params={field: value})

    assert [field] == await refused_fields(response)


@pytest.mark.parametrize(
    ("path", "query", "field", "values"),
    [
        (EMPLOYEES, {}, "given_name", ["Ann", "Bas", "Dee"]),
        (EMPLOYEES, {"enabled": "false"}, "given_name", ["Cor"]),
        ("/v2/products/products", {"product_number": "diag-calib"}, "name", ["Calibrate a camera"]),
        ("/v2/vehicles/models", {"model_group_id": "6210"}, "name", ["Corvo 1.2"]),
        ("/v2/customers/connectors", {"name": "23568"}, "name", ["23568"]),
        ("/v2/customers/connectors", {"assigned": "false"}, "name", ["24977"]),
        ("/v2/customers/connectors", {"assigned": "true", "type": "virtual"}, "name", ["90017"]),
        ("/v2/vehicles/vehicles", {"vin": "ybLcv12a9mb003381"}, "license_plate", ["L-955-ZT"]),
        ("/v2/vehicles/vehicles", {"license_plate": "V-306-HN"}, "vin", ["ZNVHL350XRC417702"]),
    ],
)
async def test_rows_are_found_by_what_they_hold(jifeline, path, query, field, values):
    assert values == [each[field] for each in await results(jifeline, path, **query)]


# One of a kind ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", WITH_ONE)
async def test_a_row_of_a_list_is_also_answered_alone(jifeline, path):
    for row in await results(jifeline, path):
        response = await jifeline.get(f"{path}/{row['id']}")
        assert (200, row) == (response.status_code, response.json())


async def test_a_vehicle_s_model_is_found_by_its_number(jifeline):
    for vehicle in await results(jifeline, "/v2/vehicles/vehicles"):
        model = (await jifeline.get(f"/v2/vehicles/models/{vehicle['vehicle_model_id']}")).json()
        assert vehicle["vehicle_model_id"] == model["id"]
        make = (await jifeline.get(f"/v2/vehicles/makes/{model['make_id']}")).json()
        assert {"id", "enabled", "name"} == make.keys()


@pytest.mark.parametrize("path", [*WITH_ONE, "/v2/vehicles/models"])
@pytest.mark.parametrize("key", [UNKNOWN, "17386041", "..%2f..", "%00"])
async def test_what_is_not_there_is_not_found(jifeline, path, key):
    response = await jifeline.get(f"{path}/{key}")

    assert 404 == problem(response)["status"]


@pytest.mark.parametrize("path", ["/v2/customers", "/v2/tickets", "/v2/tickets/{id}", "/v2/customers/{id}"])
async def test_paths_that_leave_the_group_s_name_out_are_not_found(jifeline, path):
    ticket = (await results(jifeline, TICKETS))[0]

    response = await jifeline.get(path.replace("{id}", ticket["id"]))

    assert 404 == problem(response)["status"]


async def test_there_is_no_patch(jifeline):
    ticket = (await results(jifeline, TICKETS))[0]

    response = await jifeline.patch(f"{TICKETS}/{ticket['id']}", json={"externally_processed": True})

    assert 405 == problem(response)["status"]


# Marks -----------------------------------------------------------------------------------------------------


async def test_a_mark_stays_on_the_ticket_and_takes_it_off_the_list_of_the_unprocessed(jifeline):
    closed = "/v2/tickets/closed-tickets"
    first, second = await results(jifeline, closed, externally_processed="false")
    marks = {"external_reference": "invoice 100123", "externally_processed": True}

    response = await jifeline.put(f"{TICKETS}/{first['id']}", json=marks)

    assert (200, marks) == (response.status_code, {name: response.json()[name] for name in marks})
    assert [second] == await results(jifeline, closed, externally_processed="false")
    assert response.json() == (await jifeline.get(f"{TICKETS}/{first['id']}")).json()


async def test_a_mark_that_is_left_out_stays_and_everything_else_is_not_for_us_to_change(jifeline):
    [ticket] = await results(jifeline, TICKETS, externally_processed="true")

    answer = await jifeline.put(f"{TICKETS}/{ticket['id']}", json={"state": "pending", "ticket_number": 1})
    cleared = await jifeline.put(f"{TICKETS}/{ticket['id']}", json={"external_reference": None})

    assert ticket == answer.json()
    assert ticket | {"external_reference": None} == cleared.json()


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"externally_processed": True, "external_reference": "x" * 256}, "external_reference"),
        ({"externally_processed": True, "external_reference": 7}, "external_reference"),
        ({"external_reference": "x", "externally_processed": "true"}, "externally_processed"),
        ({"external_reference": "x", "externally_processed": None}, "externally_processed"),
        ([], "body"),
    ],
)
async def test_a_mark_that_makes_no_sense_changes_nothing(jifeline, body, field):
    ticket = (await results(jifeline, TICKETS, state="closed"))[0]

    response = await jifeline.put(f"{TICKETS}/{ticket['id']}", json=body)

    assert [field] == await refused_fields(response)
    assert ticket == (await jifeline.get(f"{TICKETS}/{ticket['id']}")).json()


async def test_a_body_that_is_no_json_is_a_problem(jifeline):
    ticket = (await results(jifeline, TICKETS))[0]

    response = await jifeline.put(f"{TICKETS}/{ticket['id']}", content=b"\xff{")

    assert ["body"] == await refused_fields(response)


# Prepared tickets ------------------------------------------------------------------------------------------


async def prepare(jifeline, **change):
    customer = (await results(jifeline, CUSTOMERS))[0]
    return await jifeline.post(PREPARED, json={"customer_id": customer["id"]} | change)


async def test_a_prepared_ticket_waits_for_the_workshop_and_the_feed_tells_of_it(jifeline):
    last = (await results(jifeline, EVENTS))[-1]["id"]
    inputs = {
        "vehicle_model_id": 5101,
        "vin": "XHDTR20B7NA104466",
        "voucher_code": "PLAN8",
        "preparer_external_reference": "order 7",
    }

    response = await prepare(jifeline, **inputs)

    ticket = response.json()
    assert (201, "prepared", False) == (response.status_code, ticket["state"], ticket["externally_processed"])
    assert inputs == {name: ticket[name] for name in inputs}
    listed_ = (await results(jifeline, PREPARED))[0]
    assert listed_ == {name: ticket[name] for name in listed_}
    [event] = await results(jifeline, EVENTS, after_id=last)
    assert ("tickets.ticket.created", ticket["id"], ticket["ticket_number"], "Mill Road Garage") == (
        event["type"],
        event["payload"]["ticket"]["id"],
        event["payload"]["ticket"]["ticket_number"],
        event["payload"]["customer"]["name"],
    )


async def test_preparing_again_makes_another_ticket_and_a_voucher_of_its_own(jifeline):
    first, second = [
        (await prepare(jifeline, preparer_external_reference="order 7")).json() for _ in range(2)
    ]

    assert first["id"] != second["id"]
    assert first["ticket_number"] < second["ticket_number"]
    assert first["voucher_code"] != second["voucher_code"]
    assert ["order 7", "order 7"] == [
        each["preparer_external_reference"] for each in (await results(jifeline, PREPARED))[:2]
    ]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"customer_id": None}, "customer_id"),
        ({"customer_id": UNKNOWN}, "customer_id"),
        ({"customer_id": ["x"]}, "customer_id"),
        ({"vehicle_model_id": 1}, "vehicle_model_id"),
        ({"vehicle_model_id": True}, "vehicle_model_id"),
        ({"vehicle_model_id": "5101"}, "vehicle_model_id"),
        ({"vin": "TOO-SHORT"}, "vin"),
        ({"vin": "XHDTR20B7-A104466"}, "vin"),
        ({"vin": 12345678901234567}, "vin"),
        ({"voucher_code": "abc"}, "voucher_code"),
        ({"voucher_code": "TOOLONG99"}, "voucher_code"),
        ({"voucher_code": "lower1"}, "voucher_code"),
        ({"preparer_external_reference": "x" * 256}, "preparer_external_reference"),
    ],
)
async def test_a_prepared_ticket_that_makes_no_sense_is_not_made(jifeline, change, field):
    response = await prepare(jifeline, **change)

    assert [field] == await refused_fields(response)
    assert 1 == (await listed(jifeline, PREPARED))["total"]


# Events ----------------------------------------------------------------------------------------------------


async def test_the_feed_goes_from_the_oldest_on_and_has_no_total(jifeline):
    answer = await listed(jifeline, EVENTS)

    ids, times = ([each[name] for each in answer["result"]] for name in ("id", "occurred_at"))
    assert {"query", "result"} == answer.keys()
    assert (sorted(ids), sorted(times)) == (ids, times)
    assert {26} == {len(each) for each in ids}


async def test_the_feed_can_be_read_on_from_an_id(jifeline):
    everything = await results(jifeline, EVENTS)
    read, last = [], None
    while page := await results(jifeline, EVENTS, limit=3, **({"after_id": last} if last else {})):
        read += page
        last = page[-1]["id"].lower()  # an id is the same in whatever case

    assert everything == read
    assert [] == await results(jifeline, EVENTS, after_id=last)


async def test_an_id_s_time_is_that_of_the_event(jifeline):
    letters = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
    for event in await results(jifeline, EVENTS):
        milliseconds = 0
        for letter in event["id"][:10]:
            milliseconds = milliseconds * 32 + letters.index(letter)
        assert datetime.fromisoformat(event["occurred_at"]) == datetime.fromtimestamp(
            milliseconds // 1000, UTC
        )


async def test_ids_grow_also_when_much_happens_at_once(sandbox, jifeline):
    last = (await results(jifeline, EVENTS))[-1]["id"]
    for _ in range(200):
        sandbox.jifeline.create_ticket("3001")

    ids = [each["id"] for each in await results(jifeline, EVENTS, after_id=last, limit=1000)]

    assert (200, sorted(set(ids))) == (len(ids), ids)


async def test_events_are_found_by_kind_and_time(jifeline):
    everything = await results(jifeline, EVENTS)
    middle = everything[len(everything) // 2]["occurred_at"]

    closed = await results(jifeline, EVENTS, type="tickets.ticket.closed")
    later = await results(jifeline, EVENTS, occurred_after=middle)

    assert [each for each in everything if each["type"] == "tickets.ticket.closed"] == closed
    assert 3 == len(closed)
    assert [each for each in everything if each["occurred_at"] > middle] == later
    assert [] == await results(jifeline, EVENTS, type="tickets.ticket.reopened")


async def test_two_filters_of_events_are_refused_as_the_vendor_does(jifeline):
    two = {"type": "tickets.ticket.closed", "occurred_after": "2020-01-01T00:00:00Z"}

    response = await jifeline.get(EVENTS, params=two)

    assert (400, "Only one filter parameter per request can be used.") == (
        response.status_code,
        problem(response)["detail"],
    )


async def test_every_ticket_s_life_is_in_the_feed(jifeline):
    events = {}
    for event in await results(jifeline, EVENTS):
        events.setdefault(event["payload"]["ticket"]["id"], []).append(
            event["type"].removeprefix("tickets.ticket.")
        )

    for ticket in await results(jifeline, TICKETS):
        lines = ["product_added"] * len(await results(jifeline, LINES, ticket_id=ticket["id"]))
        end = [ticket["state"]] if ticket["state"] in {"closed", "cancelled"} else []
        assert ["created", *lines, *end] == events[ticket["id"]]


# Messages --------------------------------------------------------------------------------------------------


async def talk(jifeline):
    """The channel in which something was said."""
    for ticket in await results(jifeline, TICKETS, state="closed"):
        answer = await listed(jifeline, MESSAGES, channel_id=ticket["customer_channel_id"])
        if answer["result"]:
            return ticket["customer_channel_id"], answer
    raise AssertionError("nothing was said")


async def test_a_channel_s_messages_come_with_senders_and_attachments(jifeline):
    channel, answer = await talk(jifeline)

    assert {"query", "result", "next_token"} == answer.keys()
    assert (channel, None) == (answer["query"]["channel_id"], answer["next_token"])
    assert ["text", "text", "attachment", "text", "text"] == [each["type"] for each in answer["result"]]
    assert [each["type"] == "attachment" for each in answer["result"]] == [
        each["attachment"] is not None for each in answer["result"]
    ]


async def test_messages_are_read_on_by_the_token_told(jifeline):
    channel, whole = await talk(jifeline)
    read, more = [], {}
    while True:
        page = await listed(jifeline, MESSAGES, channel_id=channel, limit=2, **more)
        read += page["result"]
        if page["next_token"] is None:
            break
        more = {"next_token": page["next_token"]}

    assert whole["result"] == read


async def test_a_channel_in_which_nothing_was_said_is_empty(sandbox, jifeline):
    ticket = sandbox.jifeline.create_ticket("3001")

    assert [] == await results(jifeline, MESSAGES, channel_id=ticket["customer_channel_id"])


async def test_messages_need_a_channel_that_there_is_and_a_token_that_was_told(jifeline):
    channel, _ = await talk(jifeline)

    without = await jifeline.get(MESSAGES)
    unknown = await jifeline.get(MESSAGES, params={"channel_id": str(uuid.uuid4())})
    nonsense = await jifeline.get(MESSAGES, params={"channel_id": channel, "next_token": "x"})

    assert ["channel_id"] == await refused_fields(without)
    assert 404 == problem(unknown)["status"]
    assert ["next_token"] == await refused_fields(nonsense)


# Sessions --------------------------------------------------------------------------------------------------


async def session(jifeline, state):
    return next(each for each in await results(jifeline, SESSIONS) if each["state"] == state)


async def test_a_session_s_token_is_there_until_it_is_used(jifeline):
    tokens = {each["state"]: each["authentication_token"] for each in await results(jifeline, SESSIONS)}

    assert tokens["available"]
    assert (None, None) == (tokens["active"], tokens["finished"])


@pytest.mark.parametrize("poll", ["one", "list"])
async def test_an_interruption_is_accepted_first_and_done_one_look_later(jifeline, poll):
    key = (await session(jifeline, "active"))["id"]

    async def state():
        if poll == "one":
            return (await jifeline.get(f"{SESSIONS}/{key}")).json()["state"]
        return next(each["state"] for each in await results(jifeline, SESSIONS) if each["id"] == key)

    response = await jifeline.put(f"{SESSIONS}/{key}/interrupt")
    states = [await state() for _ in range(3)]

    assert (202, b"") == (response.status_code, response.content)
    assert ["active", "interrupted", "interrupted"] == states


async def test_a_session_that_has_not_begun_is_interrupted_at_once_and_again_without_harm(jifeline):
    waiting = await session(jifeline, "available")
    stopped = waiting | {"state": "interrupted", "authentication_token": None}

    responses = [await jifeline.put(f"{SESSIONS}/{waiting['id']}/interrupt") for _ in range(2)]

    assert [(200, stopped)] * 2 == [(each.status_code, each.json()) for each in responses]


async def test_a_session_that_is_over_cannot_be_interrupted(jifeline):
    key = (await session(jifeline, "finished"))["id"]

    response = await jifeline.put(f"{SESSIONS}/{key}/interrupt")

    assert 409 == problem(response)["status"]
    assert "finished" == (await jifeline.get(f"{SESSIONS}/{key}")).json()["state"]


async def test_a_session_that_is_not_there_cannot_be_interrupted(jifeline):
    response = await jifeline.put(f"{SESSIONS}/{uuid.uuid4()}/interrupt")

    assert 404 == problem(response)["status"]


# What workshops and operators do ---------------------------------------------------------------------------


@pytest.mark.parametrize("customer", ["3002", "Elm Street Motors"])
async def test_a_customer_s_new_ticket_is_pending_and_told(jifeline, customer):
    last = (await results(jifeline, EVENTS))[-1]["id"]

    made = await jifeline.post("/_sandbox/tickets", json={"customer": customer, "vehicle": "L-955-ZT"})

    ticket = made.json()
    assert (201, "pending", "YBLCV12A9MB003381", 6212) == (
        made.status_code,
        ticket["state"],
        ticket["vin"],
        ticket["vehicle_model_id"],
    )
    waiting = (await results(jifeline, "/v2/tickets/pending-tickets"))[0]
    assert waiting == {name: ticket[name] for name in waiting}
    assert [("tickets.ticket.created", ticket["id"])] == [
        (each["type"], each["payload"]["ticket"]["id"])
        for each in await results(jifeline, EVENTS, after_id=last)
    ]


async def test_a_ticket_is_closed_with_what_was_done_and_told(sandbox, jifeline):
    number = sandbox.jifeline.create_ticket("3001")["ticket_number"]
    last = (await results(jifeline, EVENTS))[-1]["id"]
    lines = [{"product": "DIAG-INIT"}, {"product": "Code a control unit", "quantity": 2, "price": 99.5}]

    made = await jifeline.post(f"/_sandbox/tickets/{number}/close", json={"product_lines": lines})

    ticket = made.json()
    done = await results(jifeline, LINES, ticket_id=ticket["id"])
    assert ("closed", [(1, 85.0, 85.0), (2, 99.5, 199.0)]) == (
        ticket["state"],
        [
            (each["quantity"], each["unit_gross_price"]["amount"], each["gross_price"]["amount"])
            for each in done
        ],
    )
    assert ["Initialise trailer module", "Code a control unit"] == await services(jifeline, ticket)
    assert ticket["id"] == (await results(jifeline, CLOSED, externally_processed="false"))[0]["id"]
    assert ["product_added", "product_added", "closed"] == [
        each["type"].removeprefix("tickets.ticket.")
        for each in await results(jifeline, EVENTS, after_id=last)
    ]


@pytest.mark.parametrize("state", ["prepared", "pending", "in_progress", "outsourced"])
async def test_a_ticket_in_any_open_state_can_be_closed(sandbox, jifeline, state):
    ticket = (await results(jifeline, TICKETS, state=state))[0]

    sandbox.jifeline.close_ticket(ticket["id"])

    closed = (await jifeline.get(f"{TICKETS}/{ticket['id']}")).json()
    assert ("closed", []) == (closed["state"], await results(jifeline, LINES, ticket_id=ticket["id"]))
    assert closed["customer_channel_id"]


@pytest.mark.parametrize("state", ["closed", "cancelled"])
async def test_a_ticket_that_has_ended_cannot_be_closed(sandbox, jifeline, state):
    ticket = (await results(jifeline, TICKETS, state=state))[0]

    with pytest.raises(InvalidControlError, match=state):
        sandbox.jifeline.close_ticket(ticket["id"])


# The sandbox -----------------------------------------------------------------------------------------------


async def test_a_ticket_number_means_one_ticket_also_across_a_reset(sandbox):
    first = sandbox.jifeline.create_ticket("3001")
    sandbox.jifeline.reset()
    second = sandbox.jifeline.create_ticket("3001")

    assert first["ticket_number"] < second["ticket_number"]
    assert first["id"] != second["id"]


async def test_seeded_things_have_the_same_ids_in_every_sandbox(sandbox):
    kinds = [
        "tickets",
        "customers",
        "employees",
        "connectors",
        "products",
        "providers",
        "vehicles",
        "sessions",
    ]
    before = sandbox.jifeline.records()
    sandbox.jifeline.create_ticket("3001")
    sandbox.jifeline.reset()
    after = sandbox.jifeline.records()

    assert {kind: [each["id"] for each in before[kind]] for kind in kinds} == {
        kind: [each["id"] for each in after[kind]] for kind in kinds
    }


async def test_a_reset_logs_everybody_out(sandbox, jifeline):
    await jifeline.post("/_sandbox/reset")

    assert 401 == (await jifeline.get(CUSTOMERS)).status_code


async def test_the_records_are_what_the_api_shows(sandbox, jifeline):
    records = (await jifeline.get("/_sandbox/records")).json()

    assert records == sandbox.jifeline.records()
    assert await results(jifeline, TICKETS) == [
        {name: ticket[name] for name in tickets.FIELDS} for ticket in records["tickets"][::-1]
    ]
    assert await results(jifeline, LINES) == records["product_lines"]
    assert await results(jifeline, EVENTS) == records["events"]
