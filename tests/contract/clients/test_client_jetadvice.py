"""JetAdvice's operations against its simulator."""

import json

import pytest

from hookline.clients import (
    AnswerLost,
    NotAllowed,
    NotFound,
    Refused,
)

NORTHGATE, HARBOUR = "48211", "48236"
PRINTER, PRINTER_WITH_TEXTS = "730101", "730216"
REPORT, BROKEN_REPORT = "5002", "4417"
COUNTERS = ("total", "mono", "color", "copies", "scan")


async def finished(jetadvice, report, output):
    """The run of a report, once it is over."""
    run = await jetadvice.request_report_run(reportId=report, OutputFormat=output)
    while True:
        reported = await jetadvice.get_report_run(ReportRunGuid=run.ReportRequestGuid)
        if reported.Status not in ("Queued", "Running"):
            return reported


# Sessions ---------------------------------------------------------------------------------------------------


async def test_a_log_in_by_hand_answers_a_token(jetadvice):
    assert 20 == len((await jetadvice.login()).token.get_secret_value())


async def test_a_write_refused_for_its_token_is_done_once_after_a_new_log_in(sandbox, jetadvice):
    await jetadvice.list_tags()
    sandbox.jetadvice.end_sessions()

    made = await jetadvice.create_tag(name="Lease")

    assert [made.tagId] == [
        each["tagId"] for each in sandbox.jetadvice.records()["tags"] if each["name"] == "Lease"
    ]


async def test_a_user_without_the_privilege_is_reported_so_and_stays_logged_in(
    sandbox, clients, open_clients
):
    client = await open_clients(
        clients.jetadvice(sandbox, "reader@sandbox.example", "sandbox-jetadvice-reader")
    )
    await client.list_customers()

    with pytest.raises(NotAllowed, match="insufficient rights"):
        await client.create_tag(name="Lease")
    await client.list_customers()

    assert 2 == len(sandbox.jetadvice.requests(operation="login"))
    assert 2 == len(sandbox.jetadvice.requests(operation="create_tag"))


# Customers, levels, users -----------------------------------------------------------------------------------


async def test_a_customer_is_created_changed_and_listed(jetadvice):
    made = await jetadvice.create_customer(name="Ærø Print", externalNumber="10001", city="Marstal")
    changed = await jetadvice.update_customer(
        id=made.customerId, name=made.name, phone="+45 1", more={"vat": "x"}
    )

    [listed] = [each for each in await jetadvice.list_customers() if each.externalNumber == "10001"]

    assert ("Ærø Print", "Marstal", "+45 1") == (listed.name, listed.city, listed.phone)
    assert changed == listed


async def test_a_level_is_created_changed_and_listed(jetadvice):
    top = await jetadvice.create_level(customerId=HARBOUR, name="Archive")
    made = await jetadvice.create_level(customerId=HARBOUR, name="Cellar", parentLevelId=top.levelId)
    await jetadvice.update_level(id=made.levelId, name="Basement")

    levels = {each.levelId: each for each in await jetadvice.list_levels(customerId=HARBOUR)}

    assert ("Basement", top.levelId, "") == (
        levels[made.levelId].name,
        levels[made.levelId].parentLevelId,
        levels[top.levelId].parentLevelId,
    )
    assert {HARBOUR} == {each.customerId for each in levels.values()}


async def test_a_user_is_created_changed_and_listed(jetadvice):
    made = await jetadvice.create_user(customerId=HARBOUR, userName="jo.ek", firstName="Jo", lastName="Ek")
    await jetadvice.update_user(id=made.userId, email="jo.ek@harbourarchitects.example")

    [listed] = [each for each in await jetadvice.list_users(customerId=HARBOUR) if each.userName == "jo.ek"]

    assert ("Jo", "jo.ek@harbourarchitects.example") == (listed.firstName, listed.email)


# Devices, tags, views ---------------------------------------------------------------------------------------


async def test_devices_are_listed_with_meters_supplies_and_alerts(jetadvice):
    devices = {each.deviceId: each for each in await jetadvice.list_devices()}

    printer = devices[PRINTER]
    black = next(each for each in printer.supplies if each.color == "black")
    assert ("toner", 6, True) == (black.type, black.levelPercent, bool(black.partNumber))
    assert [("TonerLowBlack", True)] == [(each.code, each.since is not None) for each in printer.alerts]
    assert [printer.lastReport.tzinfo] == [None]


async def test_counters_that_come_as_text_are_numbers(sandbox, jetadvice):
    [device] = [each for each in await jetadvice.list_devices() if each.deviceId == PRINTER_WITH_TEXTS]

    [held] = [
        each for each in sandbox.jetadvice.records()["devices"] if each["deviceId"] == PRINTER_WITH_TEXTS
    ]
    assert {str} == set(map(type, held["counters"].values()))
    assert [int(each) for each in held["counters"].values()] == [
        getattr(device.counters, name) for name in COUNTERS
    ]


async def test_a_device_is_changed(jetadvice):
    tag = await jetadvice.create_tag(name="Lease")
    await jetadvice.update_device(id=PRINTER, location="Hall", tagIds=[tag.tagId])

    [device] = [
        each for each in await jetadvice.list_devices(customerId=NORTHGATE) if each.deviceId == PRINTER
    ]

    assert ("Hall", [tag.tagId]) == (device.location, device.tagIds)
    assert "Lease" in [each.name for each in await jetadvice.list_tags()]


@pytest.mark.parametrize("operation", ["list_devices", "list_data_collectors", "list_data_collector_ranges"])
async def test_lists_are_narrowed_to_a_customer(jetadvice, operation):
    call = getattr(jetadvice, operation)

    everything, some = await call(), await call(customerId=HARBOUR)

    assert [each for each in everything if each.customerId == HARBOUR] == some
    assert len(everything) > len(some) > 0


# Reports ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("output", "begins"), [(1, "Customer,ExternalNumber,"), (2, "<?xml "), (5, '[{"Customer": ')]
)
async def test_a_report_is_run_and_its_file_read_in_the_format_asked_for(jetadvice, output, begins):
    run = await finished(jetadvice, REPORT, output)

    [file] = run.Files
    content = await jetadvice.get_report_file(fileId=file.FileId)

    assert ("Completed", file.Size) == (run.Status, len(content.encode()))
    assert content.startswith(begins)


async def test_a_report_is_made_of_a_view_and_run(jetadvice):
    view = next(each for each in await jetadvice.list_views() if each.name == "Supplies")
    made = await jetadvice.create_report(name="Toner at the harbour", customerId=HARBOUR, viewId=view.viewId)

    assert made in await jetadvice.list_reports(customerId=HARBOUR)
    [file] = (await finished(jetadvice, made.reportId, 5)).Files
    rows = json.loads(await jetadvice.get_report_file(fileId=file.FileId))
    assert {"Harbour Architects"} == {row["Customer"] for row in rows}


async def test_a_run_that_failed_says_why(jetadvice):
    run = await finished(jetadvice, BROKEN_REPORT, 1)

    assert ("Failed", [], True) == (run.Status, run.Files, "view" in run.Message)


async def test_a_run_whose_answer_is_lost_may_have_begun_and_is_not_begun_twice(sandbox, jetadvice):
    await jetadvice.list_reports()  # logged in, so that the fault strikes the run and no refusal
    sandbox.jetadvice.faults.add("request_report_run", "lose")

    with pytest.raises(AnswerLost) as failure:
        await jetadvice.request_report_run(reportId=REPORT, OutputFormat=1)

    assert (True, 1) == (failure.value.maybe_applied, len(sandbox.jetadvice.records()["report_runs"]))


async def test_the_api_describes_itself(jetadvice):
    assert "/reports/RunRequest" in await jetadvice.get_documentation()


# Unhappy answers --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("operation", "inputs", "kind", "text"),
    [
        ("update_customer", {"id": "1", "name": "x"}, NotFound, "There is no customer 1"),
        ("update_device", {"id": "1", "location": "x"}, NotFound, "There is no device 1"),
        ("list_devices", {"customerId": "1"}, NotFound, "There is no customer 1"),
        ("create_level", {"customerId": "1", "name": "x"}, Refused, "there is no customer 1"),
        ("update_device", {"id": PRINTER, "tagIds": ["1"]}, Refused, "there is no tag 1"),
        ("create_user", {"customerId": HARBOUR, "userName": "ida.solberg"}, Refused, "already in use"),
        ("create_report", {"name": "x"}, Refused, "viewId must be given"),
        ("request_report_run", {"reportId": "1", "OutputFormat": 1}, NotFound, "There is no report 1"),
        ("get_report_run", {"ReportRunGuid": "1"}, NotFound, "There is no report run 1"),
        ("get_report_file", {"fileId": "1"}, NotFound, "There is no file 1"),
    ],
)
async def test_a_failure_is_reported_in_plain_text(jetadvice, operation, inputs, kind, text):
    with pytest.raises(kind, match=text) as failure:
        await getattr(jetadvice, operation)(**inputs)

    assert not failure.value.maybe_applied
