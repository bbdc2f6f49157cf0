"""Faults, the request log and the other control routes, which all simulators share."""

import asyncio
from contextlib import suppress

import httpx
import pytest

from hookline.simulators import InvalidControlError, running
from hookline.simulators.control import REMEMBERED_REQUESTS, RequestLog
from hookline.simulators.forms import SENTENCE

PRODUCT = "6453300110"
DRAW = {"productid": PRODUCT, "numcodes": 1}


async def draw(zentitle):
    return await zentitle.post("/api/LicenseCode", json=DRAW)


async def arrived(simulator):
    """Wait for a call to be on its way through the simulator."""
    for _ in range(1000):
        if simulator.requests():
            return
        await asyncio.sleep(0.01)


async def order_fault(client, **fault):
    return await client.post("/_sandbox/faults", json=fault)


async def test_a_refused_call_does_nothing(sandbox, zentitle):
    await order_fault(zentitle, operation="create_license_codes", kind="refuse", status=500)

    statuses = [(await draw(zentitle)).status_code for _ in range(2)]

    assert [500, 200] == statuses
    assert 1 == len(sandbox.zentitle.records()["licenses"])


async def test_a_lost_answer_is_acted_on_and_then_the_connection_breaks(sandbox, zentitle):
    await order_fault(zentitle, operation="create_license_codes", kind="lose")

    with pytest.raises((httpx.ReadError, httpx.RemoteProtocolError)):
        await draw(zentitle)

    assert 1 == len(sandbox.zentitle.records()["licenses"])


async def test_a_garbled_answer_is_acted_on_and_cannot_be_read(sandbox, zentitle):
    await order_fault(zentitle, operation="create_license_codes", kind="garble")

    response = await draw(zentitle)

    assert (200, "application/json") == (response.status_code, response.headers["content-type"])
    with pytest.raises(ValueError, match="utf-8"):
        response.json()
    assert 1 == len(sandbox.zentitle.records()["licenses"])


async def test_after_a_lost_answer_the_same_client_is_answered_again(zentitle):
    await order_fault(zentitle, operation="*", kind="lose")
    with suppress(httpx.TransportError):
        await draw(zentitle)

    response = await draw(zentitle)

    assert 200 == response.status_code


async def test_a_lost_answer_breaks_only_its_own_connection(sandbox, zentitle):
    sandbox.zentitle.faults.add("create_license_codes", "lose", skip=2)

    outcomes = await asyncio.gather(*(draw(zentitle) for _ in range(5)), return_exceptions=True)

    assert 1 == sum(isinstance(outcome, httpx.TransportError) for outcome in outcomes)
    assert 5 == len(sandbox.zentitle.records()["licenses"])


async def test_a_throttled_call_does_nothing_and_says_when_to_come_again(sandbox, zentitle):
    await order_fault(zentitle, operation="create_license_codes", kind="throttle", seconds=7)

    response = await draw(zentitle)

    assert (429, "7") == (response.status_code, response.headers["Retry-After"])
    assert [] == sandbox.zentitle.records()["licenses"]


async def test_latency_waits_before_it_acts(sandbox, zentitle):
    sandbox.zentitle.faults.add("create_license_codes", "latency", seconds=0.2)
    slow = asyncio.create_task(draw(zentitle))
    await arrived(sandbox.zentitle)
    before = len(sandbox.zentitle.records()["licenses"])

    response = await slow

    assert 0 == before
    assert 200 == response.status_code
    assert 1 == len(sandbox.zentitle.records()["licenses"])


async def licenses_when(sandbox, number):
    """Wait until there are so many licenses; how many there are."""
    for _ in range(1000):
        if number == len(found := sandbox.zentitle.records()["licenses"]):
            break
        await asyncio.sleep(0.01)
    return len(found)


async def test_a_late_call_loses_its_answer_and_lands_afterwards(sandbox, zentitle):
    await order_fault(zentitle, operation="create_license_codes", kind="late", seconds=0.2)

    with pytest.raises((httpx.ReadError, httpx.RemoteProtocolError)):
        await draw(zentitle)
    before = len(sandbox.zentitle.records()["licenses"])
    landing = (await zentitle.get("/_sandbox/landing")).json()

    assert (0, ["create_license_codes"]) == (before, [each["operation"] for each in landing])
    assert 1 == await licenses_when(sandbox, 1)
    assert [] == sandbox.zentitle.landing.listed()
    [entry] = sandbox.zentitle.requests()
    assert entry["at"] < entry["landed_at"]


async def test_a_late_call_that_is_held_lands_though_its_caller_hung_up(sandbox, zentitle):
    await order_fault(zentitle, operation="create_license_codes", kind="late", answer="hold", seconds=0.3)

    held = asyncio.create_task(zentitle.post("/api/LicenseCode", json=DRAW, timeout=0.4))
    await arrived(sandbox.zentitle)
    [waiting] = sandbox.zentitle.landing.listed()
    with pytest.raises(httpx.ReadTimeout):
        await held
    before = len(sandbox.zentitle.records()["licenses"])

    assert (None, 0) == (waiting["seconds_left"], before)
    assert 1 == await licenses_when(sandbox, 1)


async def test_a_late_call_may_be_answered_with_an_error_and_lands_all_the_same(sandbox, zentitle):
    await order_fault(
        zentitle, operation="create_license_codes", kind="late", answer="error", status=504, seconds=0.1
    )

    response = await draw(zentitle)

    assert (504, 1) == (response.status_code, await licenses_when(sandbox, 1))


async def test_what_is_to_land_stays_when_the_faults_are_cleared_and_is_forgotten_at_a_reset(
    sandbox, zentitle
):
    sandbox.zentitle.faults.add("create_license_codes", "late", answer="error", seconds=600)
    await draw(zentitle)
    await zentitle.delete("/_sandbox/faults")
    left = [each["operation"] for each in sandbox.zentitle.landing.listed()]

    sandbox.reset()

    assert (["create_license_codes"], []) == (left, sandbox.zentitle.landing.listed())


async def test_closing_lets_go_of_what_is_held_and_of_what_is_to_land(caplog):
    async with httpx.AsyncClient(headers={"Authorization": "bearer 1234:sandbox-zentitle-key"}) as client:
        async with running() as sandbox:
            sandbox.zentitle.faults.add("create_license_codes", "late", answer="hold", seconds=600)
            held = asyncio.create_task(client.post(f"{sandbox.zentitle.url}/api/LicenseCode", json=DRAW))
            await arrived(sandbox.zentitle)

        with pytest.raises(httpx.TransportError):
            await held
        await asyncio.sleep(0)

    assert [] == sandbox.zentitle.landing.listed()
    assert [] == sandbox.zentitle.records()["licenses"]
    assert "" == caplog.text


async def listed_codes(zentitle):
    answer = await zentitle.request(
        "GET", "/api/LicenseCodes", json={"productid": PRODUCT, "pagenumber": 1, "pagesize": 100}
    )
    return {row["licenseCode"] for row in answer.json()}


async def test_a_list_shows_a_new_row_late_and_a_read_by_its_key_at_once(sandbox, zentitle):
    sandbox.zentitle.faults.add("create_license_codes", "show_late", seconds=0.5)
    before = await listed_codes(zentitle)
    answer = (await draw(zentitle)).json()
    code = answer.rpartition(" ")[2]

    during = await listed_codes(zentitle)
    read = await zentitle.request("GET", "/api/LicenseCode", json={"licensecode": code})
    for _ in range(1000):
        if code in (after := await listed_codes(zentitle)):
            break
        await asyncio.sleep(0.01)

    assert code not in before
    assert before == during
    assert [code] == [row["licenseCode"] for row in read.json()]
    assert before | {code} == after


@pytest.mark.parametrize("vendor", ["jiwa", "zentitle", "sensorpro", "jetadvice", "jifeline"])
def test_each_vendor_can_be_behind_and_its_copy_does_not_change_with_it(vendor, sandbox):
    simulator = getattr(sandbox, vendor)
    before = simulator.records()

    copied = simulator._copy()
    simulator.seed()

    assert before == copied.records()
    assert copied.faults is simulator.faults


async def test_what_a_proxy_sends_twice_is_done_twice_and_answered_once(sandbox, zentitle):
    await order_fault(zentitle, operation="create_license_codes", kind="twice")

    response = await draw(zentitle)

    records = sandbox.zentitle.records()["licenses"]
    assert (200, 2) == (response.status_code, len(records))
    assert response.json().rpartition(" ")[2] == records[-1]["licenseCode"]
    assert 1 == len(sandbox.zentitle.requests())


async def test_the_answer_to_what_a_proxy_sends_twice_may_be_lost(sandbox, zentitle):
    sandbox.zentitle.faults.add("create_license_codes", "twice", answer="break")
    sandbox.zentitle.faults.add("create_license_codes", "twice", answer="error", status=502)

    with pytest.raises((httpx.ReadError, httpx.RemoteProtocolError)):
        await draw(zentitle)
    response = await draw(zentitle)

    assert (502, 4) == (response.status_code, len(sandbox.zentitle.records()["licenses"]))


@pytest.mark.parametrize(("rows", "starts"), [(1, 1), (-1, 3), (-3, 5), (5, 0)])
async def test_a_page_shifts_by_the_rows_that_came_or_went_before_it(rows, starts, sandbox, zentitle):
    async def page(number):
        asked = {"productid": PRODUCT, "pagenumber": number, "pagesize": 2}
        answer = await zentitle.request("GET", "/api/LicenseCodes", json=asked)
        return [row["licenseCode"] for row in answer.json()]

    await zentitle.post("/api/LicenseCode", json=DRAW | {"numcodes": 9})
    everything = [code for number in range(1, 8) for code in await page(number)]
    sandbox.zentitle.faults.add("list_license_codes", "shift", rows=rows, skip=1)

    first, second = await page(1), await page(2)
    sandbox.zentitle.faults.add("list_license_codes", "shift", rows=rows)

    assert [everything[:2]] * 2 == [first, await page(1)]
    assert everything[starts : starts + 2] == second


async def test_a_page_shifts_in_jiwas_lists_too(sandbox, jiwa):
    async def page(skip):
        answer = await jiwa.get("/Queries/SalesOrderList", params={"Skip": skip, "Take": 1})
        return [row["InvoiceNo"] for row in answer.json()["Results"]]

    numbers = [*await page(0), *await page(1)]
    sandbox.jiwa.faults.add("query_sales_orders", "shift")

    assert (numbers[:1], numbers[1:]) == (await page(1), await page(1))


async def test_closing_lets_go_of_held_calls_without_acting(caplog):
    async with httpx.AsyncClient(headers={"Authorization": "bearer 1234:sandbox-zentitle-key"}) as client:
        async with running() as sandbox:
            sandbox.zentitle.faults.add("create_license_codes", "latency", seconds=3600)
            held = asyncio.create_task(client.post(f"{sandbox.zentitle.url}/api/LicenseCode", json=DRAW))
            await arrived(sandbox.zentitle)

        with pytest.raises(httpx.TransportError):
            await held

    assert [] == sandbox.zentitle.records()["licenses"]
    assert "" == caplog.text  # uvicorn would complain of a call that it had to cancel


async def test_a_fault_strikes_as_often_as_told_after_letting_some_pass(sandbox, zentitle):
    sandbox.zentitle.faults.add("create_license_codes", "refuse", times=2, skip=1)

    statuses = [(await draw(zentitle)).status_code for _ in range(4)]

    assert [200, 503, 503, 200] == statuses


async def test_a_fault_without_a_number_strikes_until_the_faults_are_cleared(zentitle):
    await order_fault(zentitle, operation="*", kind="refuse", times=0)
    during = [(await draw(zentitle)).status_code for _ in range(3)]
    await zentitle.delete("/_sandbox/faults")

    after = await draw(zentitle)

    assert [503, 503, 503] == during
    assert 200 == after.status_code


async def test_a_fault_leaves_other_operations_alone(sandbox, zentitle):
    sandbox.zentitle.faults.add("list_products", "refuse", times=0)

    response = await draw(zentitle)

    assert 200 == response.status_code


async def test_faults_strike_one_at_a_time_in_the_order_added(sandbox, zentitle):
    sandbox.zentitle.faults.add("*", "throttle")
    sandbox.zentitle.faults.add("create_license_codes", "refuse", status=502)

    statuses = [(await draw(zentitle)).status_code for _ in range(3)]

    assert [429, 502, 200] == statuses


async def test_an_answer_may_come_as_if_a_call_was_done_that_was_not(sandbox, zentitle):
    await order_fault(zentitle, operation="create_license_codes", kind="garble", form="sentence", done=False)

    response = await draw(zentitle)

    assert (200, SENTENCE) == (response.status_code, response.json())
    assert [] == sandbox.zentitle.records()["licenses"]


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ("missing_field", {"InvoiceNo": True, "PartNo": False}),
        ("changed_type", {"InvoiceNo": True, "PartNo": {"value": "LIC-PRO"}}),
    ],
)
async def test_a_field_of_the_lines_is_left_out_or_of_another_type_and_all_else_is_as_it_was(
    jiwa, form, expected
):
    lines = [{"PartNo": "LIC-PRO", "QuantityOrdered": 1}]
    order = (await jiwa.post("/SalesOrders", json={"DebtorAccountNo": "1001", "Lines": lines})).json()
    await order_fault(jiwa, operation="get_sales_order", kind="garble", form=form, field="lines.partNo")

    bad, good = [(await jiwa.get(f"/SalesOrders/{order['InvoiceID']}")).json() for _ in range(2)]

    assert expected == {"InvoiceNo": "InvoiceNo" in bad, "PartNo": bad["Lines"][0].get("PartNo", False)}
    assert bad["Lines"][0] | {"PartNo": "LIC-PRO"} == good["Lines"][0]


async def test_a_redirect_leads_to_a_page_where_one_logs_in(zentitle):
    await order_fault(zentitle, operation="list_products", kind="garble", form="redirect")

    there = await zentitle.get("/api/Products", follow_redirects=True)

    assert ([302], 200) == ([each.status_code for each in there.history], there.status_code)
    assert "Log in" in there.text


async def test_waiting_faults_are_listed_with_what_they_did(sandbox, zentitle):
    sandbox.zentitle.faults.add("create_license_codes", "refuse", times=3)
    await draw(zentitle)

    listed = (await zentitle.get("/_sandbox/faults")).json()

    assert [
        {
            "operation": "create_license_codes",
            "kind": "refuse",
            "times": 3,
            "status": 503,
            "seconds": 2.0,
            "answer": None,
            "rows": 1,
            "skip": 0,
            "form": "cut",
            "field": "",
            "done": True,
            "seen": 1,
            "struck": 1,
        }
    ] == listed


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"operation": "make_tea"}, "operation"),
        ({"form": "verse"}, "form"),
        ({"form": "html", "field": "Lines"}, "field"),
        ({"done": 0}, "done"),
        ({"operation": 7}, "operation"),
        ({"operation": None}, "operation"),
        ({"kind": "explode"}, "kind"),
        ({"times": -1}, "times"),
        ({"times": "2"}, "times"),
        ({"times": True}, "times"),
        ({"status": 200}, "status"),
        ({"seconds": -0.1}, "seconds"),
        ({"seconds": "soon"}, "seconds"),
        ({"skip": 1.5}, "skip"),
        ({"kind": "late", "seconds": 601}, "seconds"),
        ({"kind": "show_late", "seconds": 601}, "seconds"),
        ({"kind": "late", "answer": "later"}, "answer"),
        ({"kind": "shift", "rows": "1"}, "rows"),
        ({"kind": "shift", "rows": True}, "rows"),
        ({"kind": "shift", "rows": 1001}, "rows"),
        ({"tmies": 2}, "tmies"),
    ],
)
async def test_a_fault_that_makes_no_sense_is_refused_by_the_name_of_its_field(zentitle, change, field):
    response = await order_fault(zentitle, **{"operation": "*", "kind": "refuse"} | change)

    assert (400, field) == (response.status_code, response.json()["error"].split(":")[0])


@pytest.mark.parametrize("missing", ["operation", "kind"])
async def test_a_fault_needs_an_operation_and_a_kind(zentitle, missing):
    fault = {"operation": "*", "kind": "lose"}
    del fault[missing]

    response = await order_fault(zentitle, **fault)

    assert (400, {"error": f"{missing}: is missing"}) == (response.status_code, response.json())


@pytest.mark.parametrize("body", [b"nonsense", b"[1]", b"\xff"])
async def test_control_input_that_is_no_json_object_is_refused(zentitle, body):
    response = await zentitle.post("/_sandbox/faults", content=body)

    assert (400, "body") == (response.status_code, response.json()["error"].split(":")[0])


def test_a_fault_that_makes_no_sense_is_refused_in_process_too(sandbox):
    with pytest.raises(InvalidControlError, match="operation"):
        sandbox.jiwa.faults.add("create_license_codes", "lose")


async def test_the_request_log_speaks_in_operations(sandbox, zentitle):
    sandbox.zentitle.faults.add("create_license_codes", "lose", skip=1)
    await draw(zentitle)
    with suppress(httpx.TransportError):
        await draw(zentitle)

    log = (await zentitle.get("/_sandbox/requests")).json()

    assert [
        ("create_license_codes", "POST", "/api/LicenseCode", 200, None),
        ("create_license_codes", "POST", "/api/LicenseCode", None, "lose"),
    ] == [(each["operation"], each["verb"], each["path"], each["status"], each["fault"]) for each in log]


async def test_the_request_log_can_be_read_on_from_a_number(zentitle):
    await draw(zentitle)
    first = (await zentitle.get("/_sandbox/requests")).json()[-1]
    await zentitle.request("GET", "/api/Products")

    rest = (await zentitle.get("/_sandbox/requests", params={"since": first["seq"]})).json()

    assert [(first["seq"] + 1, "list_products")] == [(each["seq"], each["operation"]) for each in rest]
    assert first["at"] <= rest[0]["at"]


async def test_the_request_log_refuses_a_number_that_is_none(zentitle):
    response = await zentitle.get("/_sandbox/requests?since=yesterday")

    assert (400, "since") == (response.status_code, response.json()["error"].split(":")[0])


def test_the_request_log_forgets_the_oldest():
    log = RequestLog()
    for _ in range(REMEMBERED_REQUESTS + 1):
        log.receive("login", "POST", "/auth")

    remembered = log.since(0)

    assert (2, REMEMBERED_REQUESTS) == (remembered[0]["seq"], len(remembered))


async def test_control_calls_are_not_logged(sandbox, zentitle):
    await zentitle.get("/_sandbox/records")

    assert [] == sandbox.zentitle.requests()


async def test_a_reset_goes_back_to_the_seed_and_numbers_on(sandbox, zentitle):
    await draw(zentitle)
    sandbox.zentitle.faults.add("*", "refuse")
    before = sandbox.zentitle.requests()[-1]["seq"]

    response = await zentitle.post("/_sandbox/reset")

    assert 204 == response.status_code
    assert [] == sandbox.zentitle.records()["licenses"]
    assert [] == sandbox.zentitle.faults.listed()
    assert [] == sandbox.zentitle.requests()
    await draw(zentitle)
    assert before + 1 == sandbox.zentitle.requests()[-1]["seq"]


@pytest.mark.parametrize(
    ("verb", "path", "status"), [("GET", "/api/Nothing", 404), ("PATCH", "/api/Product", 405)]
)
async def test_what_is_not_an_operation_is_not_found_or_not_allowed(zentitle, verb, path, status):
    response = await zentitle.request(verb, path)

    assert status == response.status_code


async def test_paths_are_read_without_regard_to_case_or_a_last_slash(sandbox, jiwa):
    await jiwa.get("/systeminfo")

    assert ["get_system_info"] == [each["operation"] for each in sandbox.jiwa.requests()]
