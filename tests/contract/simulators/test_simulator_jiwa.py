"""The manners of Jiwa: sessions and cookies, orders that add up, list views, fields that are ignored."""

import re

import httpx
import pytest
from jiwa_calls import DATE_TIME, LOGIN, complaint


@pytest.fixture
async def stranger(sandbox):
    async with httpx.AsyncClient(base_url=sandbox.jiwa.url) as client:
        yield client


@pytest.fixture
async def order(jiwa):
    """An order of two perpetual licenses."""
    return await ordered(jiwa, DebtorAccountNo="1001", Lines=[{"PartNo": "LIC-PRO", "QuantityOrdered": 2}])


async def ordered(jiwa, **body):
    response = await jiwa.post("/SalesOrders", json={"DebtorAccountNo": "1001"} | body)
    assert 201 == response.status_code, response.text
    return response.json()


async def read(jiwa, order):
    return (await jiwa.get(f"/SalesOrders/{order['InvoiceID']}")).json()


async def rows(jiwa, **query):
    return (await jiwa.get("/Queries/SalesOrderList", params=query)).json()["Results"]


def history(order):
    return f"/SalesOrders/{order['InvoiceID']}/Historys/{order['Histories'][-1]['InvoiceHistoryID']}"


# Sessions


@pytest.mark.parametrize(
    "request_",
    [
        {
            "method": "POST",
            "json": {"provider": "credentials", "UserName": "api", "Password": LOGIN["password"]},
        },
        {"method": "GET", "json": LOGIN},
        {"method": "GET", "params": LOGIN},
    ],
)
async def test_a_user_logs_in_by_body_or_query(stranger, request_):
    response = await stranger.request(url="/auth", **request_)

    assert (200, "api", {}) == (
        response.status_code,
        response.json()["UserName"],
        response.json()["ResponseStatus"],
    )
    assert response.cookies["ss-id"] == response.json()["SessionId"]


@pytest.mark.parametrize("change", [{"password": "wrong"}, {"username": "other"}, {"password": None}])
async def test_a_wrong_log_in_is_refused(stranger, change):
    response = await stranger.post("/auth", json=LOGIN | change)

    assert (401, "Unauthorized") == complaint(response)
    assert "set-cookie" not in response.headers


@pytest.mark.parametrize("carrier", ["cookie", "header"])
async def test_a_session_is_carried_by_cookie_or_header(sandbox, stranger, carrier):
    session = (await stranger.post("/auth", json=LOGIN)).json()["SessionId"]
    headers = {"Cookie": f"ss-id={session}"} if carrier == "cookie" else {"X-ss-id": session}
    async with httpx.AsyncClient(base_url=sandbox.jiwa.url, headers=headers) as client:
        response = await client.get("/Sessions/Current")

    assert (session, "credentials") == (response.json()["Id"], response.json()["AuthProvider"])


@pytest.mark.parametrize(
    "credentials",
    [
        {},
        {"headers": {"Authorization": "Bearer wrong"}},
        {"headers": {"X-ss-id": "x"}},
        {"params": {"apikey": "x"}},
    ],
)
async def test_without_good_credentials_nothing_is_answered(stranger, credentials):
    response = await stranger.get("/Queries/DebtorList", **credentials)

    assert (401, "Unauthorized") == complaint(response)


async def test_a_key_works_in_the_query_too(stranger):
    response = await stranger.get("/SystemInfo", params={"apikey": "sandbox-jiwa-key"})

    assert 200 == response.status_code


async def test_a_key_sets_a_cookie_that_stays_good_when_the_key_is_not(jiwa):
    await jiwa.get("/SystemInfo/")

    response = await jiwa.get("/SystemInfo/", headers={"Authorization": "Bearer wrong"})

    assert 200 == response.status_code


async def test_a_session_lapses(sandbox, stranger):
    await stranger.post("/auth", json=LOGIN)
    before = await stranger.get("/KeepAlive")
    sandbox.jiwa.end_sessions()

    after = await stranger.get("/KeepAlive")

    assert (204, 401) == (before.status_code, after.status_code)


async def test_a_session_lapses_at_its_time(sandbox, stranger, monkeypatch):
    monkeypatch.setattr(sandbox.jiwa, "session_seconds", 0)
    await stranger.post("/auth", json=LOGIN)

    response = await stranger.get("/Sessions/Current")

    assert 401 == response.status_code


async def test_logging_out_ends_the_session(stranger):
    await stranger.post("/auth", json=LOGIN)
    goodbye = await stranger.get("/auth/logout")

    after = await stranger.get("/Sessions/Current")

    assert "api" == goodbye.json()["Username"]
    assert 401 == after.status_code


async def test_a_browser_gets_a_page_unless_it_asks_for_json(jiwa):
    page = await jiwa.get("/SystemInfo/", headers={"Accept": "text/html,*/*"})
    as_json = await jiwa.get("/SystemInfo/?format=json", headers={"Accept": "text/html,*/*"})

    assert "text/html; charset=utf-8" == page.headers["content-type"]
    assert "application/json" == as_json.headers["content-type"]


async def test_keep_alive_extends_a_session(sandbox, stranger, monkeypatch):
    await stranger.post("/auth", json=LOGIN)
    monkeypatch.setattr(sandbox.jiwa, "session_seconds", 0)
    await stranger.get("/KeepAlive")

    response = await stranger.get("/KeepAlive")

    assert 401 == response.status_code  # to the life that sessions have by now, which is none


async def test_the_installation_tells_its_version_its_clock_and_its_routes(jiwa):
    system = (await jiwa.get("/SystemInfo/")).json()
    routes = {(each["Path"], each["AllowedVerbs"]): each for each in (await jiwa.get("/RestPaths")).json()}

    assert ("8.0.61.0", "AUD") == (system["JiwaVersion"], system["CurrencyShortName"])
    assert re.fullmatch(DATE_TIME, system["SQLServerDateTime"])
    assert "SalesOrderPATCHRequest" == routes["/SalesOrders/{InvoiceID}", "PATCH"]["RequestType"]
    assert "Answer a document in full." == routes["/SalesOrders/{InvoiceID}", "GET"]["Summary"]


# Orders


async def test_a_new_order_is_priced_from_the_inventory_and_adds_up(order):
    [line], [delivery] = order["Lines"], order["Histories"]

    assert (349, 2, 69.8, 767.8) == (
        line["PriceExGst"],
        line["QuantityOrdered"],
        line["TaxToCharge"],
        line["LineTotal"],
    )
    assert (767.8, 0, 1) == (delivery["HistoryTotal"], delivery["AmountPaid"], delivery["HistoryNo"])


async def test_a_new_order_has_the_vendors_shapes(order):
    assert re.fullmatch(r"[0-9a-f]{20}", order["InvoiceID"])
    assert re.fullmatch(r"\d+", order["InvoiceNo"])
    assert re.fullmatch(DATE_TIME, order["InvoiceInitDate"])
    assert re.fullmatch(DATE_TIME + r"\+00:00", order["LastSavedDateTime"])
    assert "e_SalesOrderEntered" == order["Status"]
    assert "e_SalesOrderHistoryStatusEntered" == order["Histories"][0]["Status"]


async def test_an_order_takes_lines_notes_payments_and_fields_in_one_call(jiwa):
    order = await ordered(
        jiwa,
        orderno="PO-77",
        InvoiceInitDate="2025-07-01",
        Lines=[
            {"PartNo": "pap-a4-80", "QuantityOrdered": "2"},
            {"PartNo": "LIC-TEAM", "QuantityOrdered": 3, "DiscountedPrice": 100},
            {"CommentLine": True, "CommentText": "Thank you"},
        ],
        Notes=[{"NoteText": "ext-1"}],
        Payments=[{"AmountPaid": 40.7, "PaymentRef": "p-1", "CardNumber": "4111"}],
        CustomFieldValues=[{"SettingID": "4f6a9c1e80b24d7f9a15", "Contents": 7}],
    )

    assert ("PO-77", "2025-07-01T00:00:00.0000000") == (order["OrderNo"], order["InvoiceInitDate"])
    assert [40.7, 330, 0] == [line["LineTotal"] for line in order["Lines"]]
    assert (370.7, 40.7) == (order["Histories"][0]["HistoryTotal"], order["Histories"][0]["AmountPaid"])
    assert ["ext-1"] == [note["NoteText"] for note in order["Notes"]]
    assert "CardNumber" not in order["Payments"][0]
    assert ["7", ""] == [value["Contents"] for value in order["CustomFieldValues"]]


async def test_what_a_new_order_may_not_set_is_ignored(jiwa):
    order = await ordered(
        jiwa, InvoiceID="mine", Status="e_SalesOrderProcessed", DebtorEmailAddress="x@y.example", Tpyo=1
    )

    assert "mine" != order["InvoiceID"]
    assert "e_SalesOrderEntered" == order["Status"]
    assert "accounts@baxterlowe.example" == order["DebtorEmailAddress"]
    assert "Tpyo" not in order


@pytest.mark.parametrize("body", [b"{", b"[]", b"\xff", b"[" * 100_000])
async def test_a_body_that_is_no_json_object_is_refused(jiwa, body):
    response = await jiwa.post("/SalesOrders", content=body)

    assert (400, "SerializationException") == complaint(response)


async def test_a_patch_changes_what_is_named_and_ignores_the_customer(jiwa, order):
    response = await jiwa.patch(
        f"/SalesOrders/{order['InvoiceID']}",
        json={"SOReference": "ext-2", "DebtorAccountNo": "1002", "LogicalID": "x", "OrderNo": None},
    )

    changed = response.json()
    assert 200 == response.status_code
    assert changed["LastSavedDateTime"] > order["LastSavedDateTime"]
    assert ("ext-2", "1001", order["LogicalID"], order["OrderNo"]) == (
        changed["SOReference"],
        changed["DebtorAccountNo"],
        changed["LogicalID"],
        changed["OrderNo"],
    )


async def test_a_line_with_a_key_is_changed_and_one_without_is_appended_at_each_repeat(jiwa, order):
    lines = [
        {"InvoiceLineID": order["Lines"][0]["InvoiceLineID"], "QuantityOrdered": 3},
        {"PartNo": "LBL-62", "QuantityOrdered": 1},
    ]
    for _ in range(2):
        await jiwa.patch(f"/SalesOrders/{order['InvoiceID']}", json={"Lines": lines})

    changed = await read(jiwa, order)

    assert [("LIC-PRO", 3), ("LBL-62", 1), ("LBL-62", 1)] == [
        (line["PartNo"], line["QuantityOrdered"]) for line in changed["Lines"]
    ]
    assert 1201.86 == changed["Histories"][0]["HistoryTotal"]


async def test_a_line_is_appended_by_its_own_route_too(jiwa, order):
    response = await jiwa.post(f"{history(order)}/Lines", json={"PartNo": "LBL-62", "QuantityOrdered": 2})

    assert (201, 50.16) == (response.status_code, response.json()["LineTotal"])
    assert ["LIC-PRO", "LBL-62"] == [
        line["PartNo"] for line in (await jiwa.get(f"{history(order)}/Lines")).json()
    ]


async def test_payments_make_up_the_amount_paid(jiwa, order):
    for amount, status in ((700, "Authorised"), (67.8, "NoAuthorisationNeeded"), (5, "Declined")):
        response = await jiwa.post(
            f"{history(order)}/Payments",
            json={"AmountPaid": amount, "PaymentRef": "p", "AuthorisationStatus": status},
        )
        assert 201 == response.status_code

    payments = (await jiwa.get(f"/SalesOrders/{order['InvoiceID']}/Payments")).json()

    assert 767.8 == (await read(jiwa, order))["Histories"][0]["AmountPaid"]
    assert [700, 67.8, 5] == [payment["AmountPaid"] for payment in payments]
    assert {"EFT"} == {payment["PaymentType"]["Name"] for payment in payments}


async def test_processing_is_a_get_that_invoices_once(jiwa, order):
    first = await jiwa.get(f"/SalesOrders/{order['InvoiceID']}/Process")
    second = await jiwa.get(f"/SalesOrders/{order['InvoiceID']}/Process")

    assert ("e_SalesOrderProcessed", "e_SalesOrderHistoryStatusInvoiced") == (
        first.json()["Status"],
        first.json()["Histories"][0]["Status"],
    )
    assert re.fullmatch(DATE_TIME, first.json()["Histories"][0]["DateProcessed"])
    assert 409 == second.status_code


async def test_a_processed_order_takes_notes_but_no_lines(jiwa, order):
    await jiwa.get(f"/SalesOrders/{order['InvoiceID']}/Process")

    line = await jiwa.post(f"{history(order)}/Lines", json={"PartNo": "LBL-62"})
    note = await jiwa.post(f"/SalesOrders/{order['InvoiceID']}/Notes", json={"NoteText": "x"})

    assert (409, 201) == (line.status_code, note.status_code)


async def test_what_is_on_back_order_goes_into_a_second_history_with_its_own_row(jiwa):
    lines = [{"PartNo": "TON-BK-12", "QuantityOrdered": 5, "QuantityThisDel": 2}]
    order = await ordered(jiwa, Lines=lines)
    processed = (await jiwa.get(f"/SalesOrders/{order['InvoiceID']}/Process")).json()

    assert "e_SalesOrderEntered" == processed["Status"]
    assert [(1, 283.8), (2, 425.7)] == [
        (each["HistoryNo"], each["HistoryTotal"]) for each in processed["Histories"]
    ]
    assert [(1, 8, 283.8), (2, 1, 425.7)] == [
        (each["HistoryNo"], each["HistoryStatus"], each["LocalInvoiceTotalIncTax"])
        for each in await rows(jiwa, InvoiceID=order["InvoiceID"])
    ]


async def test_histories_are_listed_with_their_totals(jiwa, order):
    listed = (await jiwa.get(f"/SalesOrders/{order['InvoiceID']}/Historys")).json()

    assert order["Histories"] == listed


# Notes and custom fields


async def test_notes_are_added_read_changed_and_deleted(jiwa, order):
    notes = f"/SalesOrders/{order['InvoiceID']}/Notes"
    added = await jiwa.post(notes, json={"NoteText": "one"})
    one = f"{notes}/{added.json()['NoteID']}"
    changed = await jiwa.patch(one, json={"NoteText": "two"})
    found = (await jiwa.get(one)).json()
    statuses = [added.status_code, changed.status_code]
    statuses += [(await jiwa.delete(one)).status_code for _ in range(2)]

    assert [201, 200, 204, 404] == statuses
    assert "two" == found["NoteText"]
    assert "General" == found["NoteType"]["Description"]
    assert added.json()["RowHash"] != found["RowHash"]


async def test_a_list_with_nothing_in_it_has_no_body(jiwa, order):
    responses = [
        await jiwa.get(f"/SalesOrders/{order['InvoiceID']}/{what}") for what in ("Notes", "Payments")
    ]

    assert [(204, b""), (204, b"")] == [(each.status_code, each.content) for each in responses]


async def test_a_custom_field_is_set_by_its_setting(jiwa, order):
    values = f"/SalesOrders/{order['InvoiceID']}/CustomFieldValues"
    setting = (await jiwa.get(values)).json()[0]["SettingID"]

    changed = await jiwa.patch(f"{values}/{setting}", json={"Contents": "111,222"})
    unknown = await jiwa.patch(f"{values}/none", json={"Contents": "x"})

    assert (200, 404) == (changed.status_code, unknown.status_code)
    assert ["111,222", ""] == [each["Contents"] for each in (await jiwa.get(values)).json()]


# Queries


async def test_the_total_is_only_told_when_asked_for(jiwa):
    plain = (await jiwa.get("/Queries/DebtorList", params={"Take": 2})).json()
    counted = (await jiwa.get("/Queries/DebtorList", params={"Take": 0, "Include": "Total"})).json()

    assert (0, 2) == (plain["Total"], len(plain["Results"]))
    assert (10, []) == (counted["Total"], counted["Results"])


async def test_rows_are_ordered_paged_and_cut_to_fields(jiwa):
    query = {"OrderByDesc": "AccountNo", "Skip": 1, "Take": 2, "Fields": "AccountNo"}

    page = (await jiwa.get("/Queries/DebtorList", params=query)).json()

    assert (1, [{"AccountNo": "3001"}, {"AccountNo": "2002"}]) == (page["Offset"], page["Results"])


@pytest.mark.parametrize(
    ("query", "accounts"),
    [
        ({"AccountNo": "1003"}, ["1003"]),
        ({"accountno": "1003"}, ["1003"]),
        ({"Name": "marlin bay DENTAL"}, ["1002"]),
        ({"NameStartsWith": "Ok"}, ["1003"]),
        ({"NameEndsWith": "school"}, ["1004"]),
        ({"NameContains": "creek"}, ["1006"]),
        ({"NameLike": "%hard%"}, ["1005"]),
        ({"NameLike": "b%_rchit%s"}, ["1001"]),
        ({"AccountNoIn": "1001,1006"}, ["1001", "1006"]),
        ({"AccountNoBetween": "1002,1003"}, ["1002", "1003"]),
        ({"AccountOnHold": "true"}, []),
        ({"AccountNo": "1001", "CurrentBalanceGreaterThan": "5"}, []),
        ({"AccountNo": "1001", "CurrentBalanceLessThanOrEqualTo": "0"}, ["1001"]),
        ({"AccountNoStartsWth": "9", "AccountNoStartsWith": "100"}, [f"100{each}" for each in range(1, 7)]),
        ({"Name": "", "AccountNoStartsWith": "20"}, ["2001", "2002"]),
    ],
)
async def test_rows_are_filtered_and_an_unknown_filter_is_ignored(jiwa, query, accounts):
    response = await jiwa.get("/Queries/DebtorList", params=query | {"OrderBy": "AccountNo"})

    assert accounts == [each["AccountNo"] for each in response.json()["Results"]]


@pytest.mark.parametrize(
    "query",
    [
        {"Take": "x"},
        {"Skip": "9" * 5000},
        {"CurrentBalance": "x"},
        {"OrderBy": "None"},
        {"LastSavedDateTime": "soon"},
    ],
)
async def test_a_query_that_cannot_be_read_is_refused(jiwa, query):
    response = await jiwa.get("/Queries/DebtorList", params=query)

    assert 400 == response.status_code


async def test_an_order_is_found_by_its_reference_and_its_status_is_a_number(jiwa, order):
    await ordered(jiwa, OrderNo="PO-1", SOReference="ext-1")

    [by_number] = await rows(jiwa, OrderNo="PO-1")
    [by_reference] = await rows(jiwa, SOReference="ext-1", DebtorID=order["DebtorID"])

    assert by_number == by_reference
    assert (0, 1, False) == (by_number["Status"], by_number["HistoryStatus"], by_number["CreditNote"])


async def test_orders_are_read_on_from_a_time(jiwa, order):
    later = await ordered(jiwa)

    found = await rows(jiwa, LastSavedDateTimeGreaterThan=order["LastSavedDateTime"])

    assert [later["InvoiceID"]] == [each["InvoiceID"] for each in found]


async def test_cash_allocated_in_the_ledger_shows_in_the_list_alone(jiwa, order):
    key = order["InvoiceID"]
    for body in ({"amount": 700}, {}):
        response = await jiwa.post(f"/_sandbox/orders/{key}/allocate", json=body)
        assert 201 == response.status_code

    [row] = await rows(jiwa, InvoiceID=key)

    assert (767.8, 767.8) == (row["TotalAllocated"], row["LocalInvoiceTotalIncTax"])
    assert order == await read(jiwa, order)


async def test_the_list_shows_a_change_at_once_and_cash_stays_allocated(sandbox, jiwa, order):
    sandbox.jiwa.allocate(order["InvoiceID"], 5)
    before = await rows(jiwa, InvoiceID=order["InvoiceID"])
    await jiwa.patch(f"/SalesOrders/{order['InvoiceID']}", json={"SOReference": "ext-3"})

    after = await rows(jiwa, InvoiceID=order["InvoiceID"])

    assert [("", 5)] == [(each["SOReference"], each["TotalAllocated"]) for each in before]
    assert [("ext-3", 5)] == [(each["SOReference"], each["TotalAllocated"]) for each in after]


async def test_numbers_do_not_come_again_after_a_reset(sandbox, jiwa, order):
    sandbox.jiwa.reset()

    again = await ordered(jiwa)

    assert int(order["InvoiceNo"]) < int(again["InvoiceNo"])
    assert order["InvoiceID"] != again["InvoiceID"]
