"""The parts of Jiwa's orders, each by its own route, and what the business logic refuses."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jiwa_calls import complaint

NAMES = [
    *("DebtorID", "DebtorAccountNo", "InvoiceInitDate", "CreditNote", "Lines", "Notes", "Payments"),
    *("CustomFieldValues", "SettingID", "Contents", "PartNo", "QuantityOrdered", "QuantityThisDel"),
    *("DiscountedPrice", "CommentLine", "LineDetails", "NoteType", "NoteID", "PaymentType", "AmountPaid"),
    *("PaymentDate", "AuthorisationStatus", "InvoiceLineID", "ScheduledDate", "RowHash"),
]
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(st.characters(exclude_categories=())),
    st.sampled_from(["1001", "TON-BLK-410", "0001-01-01T00:00:00+14:00", "9999-12-31", "Declined"]),
)
BODIES = st.recursive(
    SCALARS,
    lambda value: st.lists(value, max_size=3) | st.dictionaries(st.sampled_from(NAMES), value, max_size=4),
    max_leaves=12,
)


@pytest.fixture
async def order(jiwa):
    """An order of two cartridges and a comment."""
    lines = [
        {"PartNo": "TON-BLK-410", "QuantityOrdered": 2},
        {"CommentLine": True, "CommentText": "Black as night"},
    ]
    return (await jiwa.post("/SalesOrders", json={"DebtorAccountNo": "2001", "Lines": lines})).json()


def address(order, *rest):
    return "/".join(("/SalesOrders", order["InvoiceID"], *rest))


def history(order, *rest):
    return address(order, "Historys", order["Histories"][-1]["InvoiceHistoryID"], *rest)


async def read(jiwa, order):
    return (await jiwa.get(address(order))).json()


async def test_a_history_is_read_with_its_lines_and_totals(jiwa, order):
    found = (await jiwa.get(history(order))).json()

    assert order["Histories"][0] == found
    assert (259.6, order["Lines"]) == (found["HistoryTotal"], found["Lines"])
    assert "0001-01-01T00:00:00.0000000" == found["DateProcessed"]


async def test_a_line_is_read_changed_and_deleted(jiwa, order):
    one = history(order, "Lines", order["Lines"][0]["InvoiceLineID"])
    before = (await jiwa.get(one)).json()
    changed = await jiwa.patch(
        one, json={"quantityordered": "3", "QuantityThisDel": 1, "UnitCost": 0, "Tpyo": 1}
    )
    statuses = [(await jiwa.delete(one)).status_code for _ in range(2)]

    assert order["Lines"][0] == before
    assert (200, 3, 1, 2, 129.8) == (
        changed.status_code,
        changed.json()["QuantityOrdered"],
        changed.json()["QuantityThisDel"],
        changed.json()["QuantityBackOrd"],
        changed.json()["LineTotal"],
    )
    assert before["UnitCost"] == changed.json()["UnitCost"]
    assert [204, 404] == statuses
    assert [(1, "Black as night")] == [
        (line["ItemNo"], line["CommentText"]) for line in (await read(jiwa, order))["Lines"]
    ]


@pytest.mark.parametrize(
    ("change", "quantities"),
    [({"Description": "Ink"}, (2, 1)), ({"QuantityOrdered": 4}, (4, 4)), ({"QuantityThisDel": 2}, (2, 2))],
)
async def test_what_is_delivered_stays_until_more_is_ordered_or_it_is_named(jiwa, order, change, quantities):
    one = history(order, "Lines", order["Lines"][0]["InvoiceLineID"])
    await jiwa.patch(one, json={"QuantityThisDel": 1})

    line = (await jiwa.patch(one, json=change)).json()

    assert quantities == (line["QuantityOrdered"], line["QuantityThisDel"])


async def test_a_comment_stays_one_and_costs_nothing(jiwa, order):
    one = history(order, "Lines", order["Lines"][1]["InvoiceLineID"])

    changed = await jiwa.patch(one, json={"CommentText": "Blacker", "QuantityOrdered": 5})

    assert ("Blacker", 0, 0) == tuple(
        changed.json()[name] for name in ("CommentText", "QuantityOrdered", "LineTotal")
    )


async def test_a_line_takes_serial_numbers_and_custom_fields(jiwa, order):
    setting = order["Lines"][0]["CustomFieldValues"][0]["SettingID"]
    body = {
        "PartNo": "LBL-62",
        "LineDetails": [{"SerialNo": "s-1", "Quantity": 1}],
        "CustomFieldValues": [{"SettingID": setting, "Contents": "ticket 9"}],
    }

    line = (await jiwa.post(history(order, "Lines"), json=body)).json()

    assert [("s-1", 1)] == [(each["SerialNo"], each["Quantity"]) for each in line["LineDetails"]]
    assert ["ticket 9"] == [each["Contents"] for each in line["CustomFieldValues"]]


async def test_a_custom_field_is_read_by_its_setting(jiwa, order):
    setting = order["CustomFieldValues"][0]["SettingID"]
    await jiwa.patch(address(order, "CustomFieldValues", setting), json={"Contents": 0})

    found = (await jiwa.get(address(order, "CustomFieldValues", setting))).json()

    assert ("LicenseCodes", "0") == (found["SettingName"], found["Contents"])


@pytest.mark.parametrize(("verb", "body"), [("PATCH", {"QuantityOrdered": 1}), ("DELETE", None)])
async def test_the_lines_of_an_invoice_stay_as_they_are(jiwa, order, verb, body):
    await jiwa.get(address(order, "Process"))
    before = await read(jiwa, order)

    response = await jiwa.request(
        verb, history(order, "Lines", order["Lines"][0]["InvoiceLineID"]), json=body
    )

    assert (409, "JiwaException") == complaint(response)
    assert before == await read(jiwa, order)


async def test_an_order_that_is_not_processed_can_be_deleted(jiwa, order):
    statuses = [(await jiwa.delete(address(order))).status_code for _ in range(2)]

    listed = (await jiwa.get("/Queries/SalesOrderList", params={"InvoiceID": order["InvoiceID"]})).json()

    assert ([204, 404], []) == (statuses, listed["Results"])


@pytest.mark.parametrize("tie", ["Process", "Payments"])
async def test_an_order_that_was_invoiced_or_paid_cannot_be_deleted(jiwa, order, tie):
    if tie == "Process":
        await jiwa.get(address(order, "Process"))
    else:
        await jiwa.post(history(order, "Payments"), json={"AmountPaid": 1, "PaymentRef": "p"})

    response = await jiwa.delete(address(order))

    assert (409, "JiwaException") == complaint(response)


async def test_a_note_is_not_changed_over_what_somebody_else_wrote(jiwa, order):
    note = (await jiwa.post(address(order, "Notes"), json={"NoteText": "one"})).json()
    one = address(order, "Notes", note["NoteID"])
    first = await jiwa.patch(one, json={"NoteText": "two", "RowHash": note["RowHash"]})

    second = await jiwa.patch(one, json={"NoteText": "three", "RowHash": note["RowHash"]})

    assert 200 == first.status_code
    assert (409, "ConcurrencyException") == complaint(second)
    assert "two" == (await jiwa.get(one)).json()["NoteText"]


async def test_a_note_takes_a_type_that_there_is(jiwa, order):
    delivery = {"NoteTypeID": "d04c92a76e1b4f83b5e8"}

    good = await jiwa.post(address(order, "Notes"), json={"NoteText": "x", "NoteType": delivery})
    bad = await jiwa.post(address(order, "Notes"), json={"NoteText": "x", "NoteType": {"NoteTypeID": "none"}})

    assert "Delivery" == good.json()["NoteType"]["Description"]
    assert (404, "RecordNotFoundException") == complaint(bad)


async def test_a_time_with_a_zone_is_moved_to_the_servers(jiwa, order):
    changed = await jiwa.patch(address(order), json={"InvoiceInitDate": "2025-07-01T01:30:00.25+10:00"})

    assert "2025-06-30T15:30:00.2500000" == changed.json()["InvoiceInitDate"]


async def test_the_firms_orders_are_invoiced_owed_on_back_order_and_open(jiwa):
    query = {"OrderBy": "InvoiceNo,HistoryNo", "InvoiceNoStartsWith": "1001"}

    rows = (await jiwa.get("/Queries/SalesOrderList", params=query)).json()["Results"]

    assert [
        ("2001", 8, True),
        ("2002", 8, False),
        ("2002", 1, False),
        ("3001", 8, False),
        ("1004", 1, False),
    ] == [
        (row["AccountNo"], row["HistoryStatus"], row["TotalAllocated"] == row["LocalInvoiceTotalIncTax"])
        for row in rows
    ]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SOReference", "half a pair: \ud800"),
        ("SOReference", ["x"]),
        ("InvoiceInitDate", "0001-01-01T00:00:00+14:00"),
        ("DropShipment", "perhaps"),
    ],
)
async def test_a_value_that_cannot_be_kept_is_refused_by_its_name(jiwa, order, name, value):
    response = await jiwa.patch(address(order), content=json.dumps({name: value}))

    assert (400, "SerializationException") == complaint(response)
    assert name == response.json()["ResponseStatus"]["Message"].split(":")[0]
    assert order == await read(jiwa, order)


async def test_an_order_of_the_last_days_of_time_is_due_on_the_very_last(jiwa):
    body = {"DebtorAccountNo": "2001", "InvoiceInitDate": "9999-12-31"}
    key = (await jiwa.post("/SalesOrders", json=body)).json()["InvoiceID"]

    [row] = (await jiwa.get("/Queries/SalesOrderList", params={"InvoiceID": key})).json()["Results"]

    assert "9999-12-31T23:59:59.9999990" == row["DueDate"]


@pytest.mark.parametrize(
    "path", ["", "/{InvoiceID}", "/{InvoiceID}/Notes", "/{InvoiceID}/Historys/{history}/Lines"]
)
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=BODIES)
async def test_no_body_is_too_odd_for_an_answer_in_the_vendors_form(jiwa, order, path, body):
    path = path.format(InvoiceID=order["InvoiceID"], history=order["Histories"][0]["InvoiceHistoryID"])
    verb = "PATCH" if path.endswith(order["InvoiceID"]) else "POST"

    response = await jiwa.request(verb, f"/SalesOrders{path}", content=json.dumps(body).encode())

    assert "application/json" == response.headers["content-type"], response.text
    assert response.status_code in (200, 201, 400, 404, 409, 500)
    assert (response.status_code >= 400) == bool(response.json().get("ResponseStatus"))
