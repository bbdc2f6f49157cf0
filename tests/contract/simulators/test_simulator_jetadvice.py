"""The manners of JetAdvice: a header in its exact case, plain text for errors, reports made by jobs."""

import csv
import io
import json
import re
import xml.etree.ElementTree as ET
from base64 import b64encode
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from hookline.simulators import InvalidControlError, Sandbox, running
from hookline.simulators.jetadvice import JetadviceSimulator

OPERATIONS = JetadviceSimulator.operations
BEHIND_THE_LOGIN = sorted(OPERATIONS.keys() - {"login"})
WRITES = sorted(name for name, each in OPERATIONS.items() if each.verbs[0] in {"POST", "PUT"})

NORTHGATE, HARBOUR = "48211", "48236"
LISTS = {
    "/customers": 2,
    "/levels": 4,
    "/users": 3,
    "/devices": 7,
    "/tags": 2,
    "/views": 3,
    "/reports": 4,
    "/datacollectors": 2,
    "/datacollectorranges": 3,
}
NARROWED = {
    "/levels": 2,
    "/users": 2,
    "/devices": 4,
    "/reports": 1,
    "/datacollectors": 1,
    "/datacollectorranges": 1,
}
NEW = {
    "/customers": ("customerId", {"name": "Quay Bakery", "externalNumber": "2003", "city": "Vejle"}),
    "/levels": ("levelId", {"customerId": HARBOUR, "parentLevelId": "60131", "name": "Model shop"}),
    "/users": ("userId", {"customerId": HARBOUR, "userName": "per.lund", "email": "per@lund.example"}),
    "/tags": ("tagId", {"name": "Spare"}),
    "/reports": ("reportId", {"customerId": None, "name": "Supplies everywhere", "viewId": "302"}),
}
NO_TOKEN = "The token key is missing or invalid. Log in again."


class Clock:
    """A time that passes when told."""

    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
async def reader(sandbox):
    """A client of the user who may only read."""
    async with httpx.AsyncClient(base_url=sandbox.jetadvice.url) as client:
        login = await client.get("/login", auth=("reader@sandbox.example", "sandbox-jetadvice-reader"))
        client.headers["X-AuthKey"] = login.json()
        yield client


def text(response):
    """An error's text, which is plain."""
    assert response.headers["content-type"].startswith("text/plain")
    return response.text


async def call(client, name):
    """Any call of an operation, whether or not its inputs make sense."""
    operation = OPERATIONS[name]
    return await client.request(operation.verbs[0], operation.path.replace("{id}", "1"))


async def listed(client, path, **query):
    response = await client.get(path, params=query)
    assert 200 == response.status_code, response.text
    return response.json()


async def device(client, key="730101"):
    return next(each for each in await listed(client, "/devices") if each["deviceId"] == key)


# Logging in ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "credentials",
    [
        {"auth": ("api@sandbox.example", "sandbox-jetadvice-password")},
        {"auth": ("API@sandbox.example", "sandbox-jetadvice-password")},
    ],
)
async def test_the_token_is_twenty_capital_letters_in_a_json_string(sandbox, credentials):
    async with httpx.AsyncClient(base_url=sandbox.jetadvice.url) as client:
        response = await client.get("/login", **credentials)
        token = response.json()
        customers = await client.get("/customers", headers={"X-AuthKey": token})

    assert re.fullmatch(r"[A-Z]{20}", token)
    assert (200, 200) == (response.status_code, customers.status_code)


async def test_a_dialect_takes_the_credentials_in_the_address_alone(sandbox):
    sandbox.jetadvice.dialect.speak({"login-takes": "query"})
    account = {"Username": "api@sandbox.example", "password": "sandbox-jetadvice-password"}
    async with httpx.AsyncClient(base_url=sandbox.jetadvice.url) as client:
        taken = await client.get("/login", params=account)
        refused = await client.get("/login", auth=tuple(account.values()))

    assert (200, 403) == (taken.status_code, refused.status_code)


@pytest.mark.parametrize(
    "credentials",
    [
        {},
        {"auth": ("api@sandbox.example", "wrong")},
        {"auth": ("reader@sandbox.example", "sandbox-jetadvice-password")},
        {"params": {"username": "api@sandbox.example"}},
        {"headers": {"Authorization": "Basic !!!"}},
        {"headers": {"Authorization": "Basic"}},
        {"headers": {"Authorization": "Basic " + b64encode(b"\xff:\xff").decode()}},
        {"headers": {"Authorization": "Bearer sandbox-jetadvice-password"}},
    ],
)
async def test_wrong_credentials_are_403_and_a_sentence(jetadvice, credentials):
    response = await jetadvice.get("/login", **credentials)

    assert 403 == response.status_code
    assert text(response).startswith("The user name or password is wrong")


@pytest.mark.parametrize("name", BEHIND_THE_LOGIN)
async def test_no_operation_is_open_without_a_token(jetadvice, name):
    del jetadvice.headers["X-AuthKey"]

    response = await call(jetadvice, name)

    assert (403, NO_TOKEN) == (response.status_code, text(response))


@pytest.mark.parametrize("name", ["x-authkey", "X-Authkey", "X-AUTHKEY", "X-Auth-Key"])
async def test_the_header_s_name_counts_in_its_exact_case_alone(jetadvice, name):
    token = jetadvice.headers.pop("X-AuthKey")

    other = await jetadvice.get("/tags", headers={name: token})
    right = await jetadvice.get("/tags", headers={"X-AuthKey": token})

    assert (403, NO_TOKEN) == (other.status_code, text(other))
    assert 200 == right.status_code


@pytest.mark.parametrize("name", ["x-authkey", "X-AuthKey"])
async def test_the_token_may_stand_in_the_query_in_whatever_case(sandbox, jetadvice, name):
    token = jetadvice.headers.pop("X-AuthKey")

    response = await jetadvice.get("/tags", params={name: token})

    assert 200 == response.status_code
    assert token not in str(sandbox.jetadvice.requests())


async def test_ten_minutes_without_a_call_end_a_token_and_each_call_counts_anew():
    clock = Clock()
    sandbox = Sandbox(jetadvice=JetadviceSimulator(clock=clock))
    async with running(sandbox=sandbox), httpx.AsyncClient(base_url=sandbox.jetadvice.url) as client:
        login = await client.get("/login", auth=("api@sandbox.example", "sandbox-jetadvice-password"))
        client.headers["X-AuthKey"] = login.json()
        statuses = []
        for seconds in (599, 599, 599, 600, 0):
            clock.now += seconds
            statuses.append((await client.get("/tags")).status_code)

    assert [200, 200, 200, 403, 403] == statuses


async def test_when_sessions_end_every_token_is_dead(sandbox, jetadvice):
    sandbox.jetadvice.end_sessions()

    assert 403 == (await jetadvice.get("/tags")).status_code


@pytest.mark.parametrize("name", WRITES)
async def test_who_may_only_read_cannot_write(sandbox, reader, name):
    before = sandbox.jetadvice.records()

    response = await call(reader, name)

    assert (403, "You have insufficient rights for this operation.") == (response.status_code, text(response))
    assert before == sandbox.jetadvice.records()


@pytest.mark.parametrize("path", LISTS)
async def test_who_may_only_read_can_read(reader, path):
    assert 200 == (await reader.get(path)).status_code


# Faults ----------------------------------------------------------------------------------------------------


async def test_a_lost_answer_to_a_new_customer_has_made_it(sandbox, jetadvice):
    sandbox.jetadvice.faults.add("create_customer", "lose")

    with pytest.raises(httpx.TransportError):
        await jetadvice.post("/customers", json={"name": "Quay Bakery"})

    assert "Quay Bakery" == (await listed(jetadvice, "/customers"))[-1]["name"]


# Lists -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("path", "count"), LISTS.items())
async def test_a_list_is_whole_and_bare(jetadvice, path, count):
    assert count == len(await listed(jetadvice, path))


@pytest.mark.parametrize(("path", "count"), NARROWED.items())
@pytest.mark.parametrize("name", ["customerId", "customerid"])
async def test_a_list_is_narrowed_to_a_customer(jetadvice, path, count, name):
    rows = await listed(jetadvice, path, **{name: NORTHGATE})

    assert [NORTHGATE] * count == [each["customerId"] for each in rows]


@pytest.mark.parametrize("path", NARROWED)
async def test_a_customer_who_is_not_there_is_not_found(jetadvice, path):
    response = await jetadvice.get(path, params={"customerId": "1"})

    assert (404, "There is no customer 1.") == (response.status_code, text(response))


@pytest.mark.parametrize("accept", ["application/xml", "text/xml"])
async def test_whoever_asks_for_xml_gets_it(jetadvice, accept):
    await jetadvice.post("/customers", json={"name": "Rope & Sail <Ltd>"})

    response = await jetadvice.get("/customers", headers={"Accept": accept})

    assert "application/xml" == response.headers["content-type"]
    assert ["Northgate Printing", "Harbour Architects", "Rope & Sail <Ltd>"] == [
        each.findtext("name") for each in ET.fromstring(response.text)
    ]


async def test_customers_carry_the_dealer_s_numbers(jetadvice):
    assert [("Northgate Printing", "2001"), ("Harbour Architects", "2002")] == [
        (each["name"], each["externalNumber"]) for each in await listed(jetadvice, "/customers")
    ]


async def test_two_cartridges_are_low_and_the_others_comfortable(jetadvice):
    devices = await listed(jetadvice, "/devices")
    toner = [supply for each in devices for supply in each["supplies"]]

    assert [("black", 6), ("cyan", 14)] == [
        (each["color"], each["levelPercent"]) for each in toner if each["levelPercent"] < 30
    ]
    assert {
        "black": "TON-BLK-410",
        "cyan": "TON-CYN-410",
        "magenta": "TON-MAG-410",
        "yellow": "TON-YEL-410",
    } == {each["color"]: each["partNumber"] for each in toner}


async def test_counters_are_numbers_but_on_one_device_text(jetadvice):
    kinds = [
        {type(count) for count in each["counters"].values()} for each in await listed(jetadvice, "/devices")
    ]

    assert (6, 1) == (kinds.count({int}), kinds.count({str}))


async def test_a_device_s_last_report_has_no_zone_and_one_device_is_silent(jetadvice):
    reports = [datetime.fromisoformat(each["lastReport"]) for each in await listed(jetadvice, "/devices")]
    week_ago = datetime.now(UTC).replace(tzinfo=None) - timedelta(days=7)

    assert [None] * 7 == [each.tzinfo for each in reports]
    assert 1 == sum(each < week_ago for each in reports)


async def test_what_records_name_is_there_but_for_the_view_of_one_old_report(jetadvice):
    rows = {path: await listed(jetadvice, path) for path in LISTS}
    keys = {
        "customerId": "/customers",
        "levelId": "/levels",
        "parentLevelId": "/levels",
        "viewId": "/views",
        "dataCollectorId": "/datacollectors",
    }

    missing = [
        (row["name"], name)
        for path in rows
        for row in rows[path]
        for name, owner in keys.items()
        if row.get(name) and row[name] not in {each[name.replace("parentL", "l")] for each in rows[owner]}
    ]

    assert [("Paper use (old)", "viewId")] == missing
    tags = {each["tagId"] for each in rows["/tags"]}
    assert tags == {tag for each in rows["/devices"] for tag in each["tagIds"]}


# Creating and changing -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("path", "new"), NEW.items())
async def test_what_is_created_is_answered_and_listed(jetadvice, path, new):
    key, inputs = new

    response = await jetadvice.post(path, json=inputs)

    record = response.json()
    assert 201 == response.status_code
    assert inputs == {name: record[name] for name in inputs}
    assert record == (await listed(jetadvice, path))[-1]
    assert isinstance(record[key], str)


@pytest.mark.parametrize("path", sorted(NEW.keys() - {"/users"}))
async def test_creating_again_makes_another(jetadvice, path):
    key, inputs = NEW[path]

    first, second = [(await jetadvice.post(path, json=inputs)).json() for _ in range(2)]

    assert first[key] != second[key]
    assert first | {key: None} == second | {key: None}


@pytest.mark.parametrize("body", [b"nonsense", b"\xff", b"{"])
async def test_a_body_that_is_no_json_is_told_so(jetadvice, body):
    response = await jetadvice.post("/tags", content=body)

    assert (400, "The body is not JSON.") == (response.status_code, text(response))


async def test_names_are_read_in_whatever_case_and_what_is_not_known_is_dropped(jetadvice):
    record = (await jetadvice.post("/customers", json={"NAME": "A", "ExternalNumber": 2003, "vat": 1})).json()

    assert ("A", "2003") == (record["name"], record["externalNumber"])
    assert "vat" not in record


@pytest.mark.parametrize(
    ("path", "key", "change"),
    [
        ("/customers", NORTHGATE, {"phone": "+45 55 50 99 99"}),
        ("/levels", "60105", {"name": "Pressroom", "parentLevelId": None}),
        ("/users", "70340", {"lastName": "Sol"}),
        ("/levels", "60105", {"parentLevelId": ""}),
        ("/users", "70340", {"userName": "ida.solberg"}),
        ("/devices", "730104", {"location": "Dispatch, rear door", "tagIds": ["911"], "levelId": "60104"}),
    ],
)
async def test_a_change_sets_what_it_names_and_leaves_the_rest(jetadvice, path, key, change):
    name = {"/customers": "customerId", "/levels": "levelId", "/users": "userId", "/devices": "deviceId"}[
        path
    ]
    before = await listed(jetadvice, path)

    response = await jetadvice.put(f"{path}/{key}", json=change)

    assert 200 == response.status_code
    assert [each | change if each[name] == key else each for each in before] == await listed(jetadvice, path)
    assert response.json() in await listed(jetadvice, path)


async def test_what_a_device_tells_of_itself_is_not_for_callers_to_set(jetadvice):
    before = await device(jetadvice)
    change = {
        "counters": {},
        "supplies": [],
        "alerts": [],
        "lastReport": "2020-01-01T00:00:00",
        "deviceId": "1",
    }

    response = await jetadvice.put("/devices/730101", json=change | {"location": "Hall"})

    assert before | {"location": "Hall"} == response.json()


@pytest.mark.parametrize(
    ("verb", "path", "status"),
    [
        ("DELETE", f"/customers/{NORTHGATE}", 405),
        ("POST", "/devices", 405),
        ("GET", "/customers/48211", 405),
        ("GET", "/printers", 404),
    ],
)
async def test_what_is_not_offered_is_told_in_plain_text(jetadvice, verb, path, status):
    response = await jetadvice.request(verb, path)

    assert status == response.status_code
    assert text(response)


async def test_the_documentation_is_a_page(jetadvice):
    response = await jetadvice.get("/doc")

    assert response.headers["content-type"].startswith("text/html")
    assert "/reports/RunRequest" in response.text


# Mistakes --------------------------------------------------------------------------------------------------

RUN = "/reports/RunRequest?reportId=5001&OutputFormat="
NO_FORM, BELOW_ITSELF = (
    "OutputFormat must be one of 1, 2, 5.",
    "parentLevelId: a level cannot be below itself.",
)
# fmt: off
MISTAKES = [
    ("POST /customers", {}, 400, "name must be given."),
    ("POST /customers", {"name": ""}, 400, "name must be given."),
    ("POST /customers", {"name": "A", "city": ["B"]}, 400, "city must be a text."),
    ("POST /customers", [], 400, "The body is not a JSON object."),
    ("POST /levels", {"name": "A"}, 400, "customerId must be given."),
    ("POST /levels", {"name": "A", "customerId": "1"}, 400, "customerId: there is no customer 1."),
    ("POST /levels", {"name": "A", "customerId": HARBOUR, "parentLevelId": "60104"}, 400,
        "parentLevelId: level 60104 is of another customer."),
    ("POST /users", {"customerId": HARBOUR}, 400, "userName must be given."),
    ("POST /users", {"customerId": HARBOUR, "userName": "a", "levelId": "1"}, 400, "levelId: there is no level 1."),
    ("POST /users", {"customerId": HARBOUR, "userName": "ida.solberg"}, 400,
        "userName: ida.solberg is already in use."),
    ("POST /tags", {"name": True}, 400, "name must be a text."),
    ("POST /reports", {"name": "A"}, 400, "viewId must be given."),
    ("POST /reports", {"name": "A", "viewId": "1"}, 400, "viewId: there is no view 1."),
    ("PUT /customers/1", {}, 404, "There is no customer 1."),
    ("PUT /levels/1", {}, 404, "There is no level 1."),
    ("PUT /users/1", {}, 404, "There is no user 1."),
    ("PUT /devices/1", {}, 404, "There is no device 1."),
    (f"PUT /customers/{NORTHGATE}", {"name": None}, 400, "name must be given."),
    ("PUT /devices/730101", {"tagIds": ["1"]}, 400, "tagIds: there is no tag 1."),
    ("PUT /devices/730101", {"tagIds": "911"}, 400, "tagIds must be a list."),
    ("PUT /devices/730101", {"levelId": "60131"}, 400, "levelId: level 60131 is of another customer."),
    ("PUT /devices/730101", {"customerId": HARBOUR}, 400, "levelId: level 60104 is of another customer."),
    ("PUT /levels/60104", {"parentLevelId": "60105"}, 400, BELOW_ITSELF),
    ("PUT /levels/60104", {"parentLevelId": "60104"}, 400, BELOW_ITSELF),
    ("PUT /users/70311", {"userName": "tomas.brink"}, 400, "userName: tomas.brink is already in use."),
    ("GET /reports/RunRequest?OutputFormat=5", None, 400, "reportId must be given."),
    ("GET /reports/RunRequest?reportId=5001", None, 400, NO_FORM),
    (f"GET {RUN}3", None, 400, NO_FORM),
    ("GET /reports/RunRequest?reportId=1&OutputFormat=5", None, 404, "There is no report 1."),
    (f"GET {RUN}5&customerId=1", None, 404, "There is no customer 1."),
    ("GET /reports/RunResult", None, 400, "ReportRunGuid must be given."),
    ("GET /reports/RunResult?ReportRunGuid=x", None, 404, "There is no report run x."),
    ("GET /reports/RunResultFile", None, 400, "fileId must be given."),
    ("GET /reports/RunResultFile?fileId=x", None, 404, "There is no file x."),
]
# fmt: on


@pytest.mark.parametrize(("call", "body", "status", "complaint"), MISTAKES)
async def test_a_mistake_is_a_sentence_and_changes_nothing(sandbox, jetadvice, call, body, status, complaint):
    verb, path = call.split()
    before = sandbox.jetadvice.records()

    response = await jetadvice.request(verb, path, json=body)

    assert (status, complaint) == (response.status_code, text(response))
    assert before == sandbox.jetadvice.records()


# Reports ---------------------------------------------------------------------------------------------------


JSON = {"Accept": "application/json"}


async def start(client, report="5001", output=5, **query):
    response = await client.get(
        "/reports/RunRequest", params={"reportId": report, "OutputFormat": output} | query
    )
    assert 200 == response.status_code, response.text
    return response.json()["ReportRequestGuid"]


async def poll(client, guid, **query):
    query = {"ReportRunGuid": guid, "NoDownload": "true"} | query
    response = await client.get("/reports/RunResult", params=query, headers=JSON)
    assert 200 == response.status_code, response.text
    return response.json()


async def finished(client, guid):
    for _ in range(3):
        answer = await poll(client, guid)
    return answer


async def content(client, **query):
    """The response with the file of a report."""
    answer = await finished(client, await start(client, **query))
    [file] = answer["Files"]
    response = await client.get("/reports/RunResultFile", params={"fileId": file["FileId"]})
    assert (200, file["Size"]) == (response.status_code, len(response.content))
    assert file["FileName"] in response.headers["content-disposition"]
    return response


async def test_a_report_s_job_is_done_after_some_polls(jetadvice):
    guid = await start(jetadvice)

    answers = [await poll(jetadvice, guid) for _ in range(4)]

    assert ["Queued", "Running", "Completed", "Completed"] == [each["Status"] for each in answers]
    assert [0, 0, 1, 1] == [len(each["Files"]) for each in answers]
    assert answers[2] == answers[3]


async def test_each_request_starts_another_job(sandbox, jetadvice):
    first, second = [await start(jetadvice) for _ in range(2)]

    assert first != second
    assert [(first, "Queued"), (second, "Queued")] == [
        (each["ReportRequestGuid"], each["Status"]) for each in sandbox.jetadvice.records()["report_runs"]
    ]


async def test_a_lost_answer_has_started_the_job(sandbox, jetadvice):
    sandbox.jetadvice.faults.add("request_report_run", "lose")

    with pytest.raises(httpx.TransportError):
        await start(jetadvice)

    assert ["5001"] == [each["reportId"] for each in sandbox.jetadvice.records()["report_runs"]]


async def test_the_report_tells_counters_and_toner_of_every_device_in_json(jetadvice):
    rows = (await content(jetadvice)).json()
    devices = await listed(jetadvice, "/devices")

    assert [(each["serialNumber"], each["counters"]["total"]) for each in devices] == [
        (row["SerialNumber"], row["Total"]) for row in rows
    ]
    assert ("Northgate Printing", "2001", "Head office", 6, 48) == tuple(
        rows[0][name] for name in ("Customer", "ExternalNumber", "Level", "TonerBlack", "TonerCyan")
    )
    assert (72, None) == (rows[1]["TonerBlack"], rows[1]["TonerCyan"])


async def test_the_report_s_form_is_the_one_asked_for_whatever_is_accepted(jetadvice):
    jetadvice.headers["Accept"] = "application/pdf"
    as_csv, as_xml, as_json = [await content(jetadvice, output=output) for output in (1, 2, 5)]

    rows = as_json.json()
    texts = [{name: "" if each is None else str(each) for name, each in row.items()} for row in rows]
    assert texts == list(csv.DictReader(io.StringIO(as_csv.text)))
    assert texts == [{each.tag: each.text or "" for each in row} for row in ET.fromstring(as_xml.text)]
    assert ["text/csv; charset=utf-8", "application/xml", "application/json"] == [
        each.headers["content-type"] for each in (as_csv, as_xml, as_json)
    ]


async def test_a_name_that_looks_like_markup_or_a_separator_comes_through(jetadvice):
    name = 'Rope, "Sail" & <Sons>'
    await jetadvice.put(f"/customers/{NORTHGATE}", json={"name": name})

    as_csv, as_xml = [await content(jetadvice, output=output) for output in (1, 2)]

    assert name == next(csv.DictReader(io.StringIO(as_csv.text)))["Customer"]
    assert name == ET.fromstring(as_xml.text)[0].findtext("Customer")


async def test_other_views_show_supplies_and_alerts(jetadvice):
    supplies = (await content(jetadvice, report="5002")).json()
    alerts = (await content(jetadvice, report="5003")).json()

    assert {"Northgate Printing"} == {row["Customer"] for row in supplies}
    assert ("CLD4120-0077315", "black", 6, "TON-BLK-410") == tuple(
        supplies[0][name] for name in ("SerialNumber", "Color", "LevelPercent", "PartNumber")
    )
    assert ["TonerLowBlack", "NoContact"] == [row["Code"] for row in alerts]


@pytest.mark.parametrize(
    ("report", "customer", "count"),
    [("5001", NORTHGATE, 4), ("5001", HARBOUR, 3), ("5002", NORTHGATE, 10), ("5002", HARBOUR, 0)],
)
async def test_a_job_s_scope_narrows_that_of_its_report(jetadvice, report, customer, count):
    rows = (await content(jetadvice, report=report, customerId=customer)).json()

    assert count == len(rows)


@pytest.mark.parametrize(
    ("output", "empty"), [(1, ""), (2, '<?xml version="1.0" encoding="utf-8"?><Report></Report>'), (5, "[]")]
)
async def test_a_report_about_nothing_is_a_file_all_the_same(jetadvice, output, empty):
    response = await content(jetadvice, report="5002", customerId=HARBOUR, output=output)

    assert empty == response.text


async def test_a_job_whose_view_is_gone_fails_and_says_so(jetadvice):
    answer = await finished(jetadvice, await start(jetadvice, report="4417"))

    assert {"Status": "Failed", "Message": "The view of this report no longer exists.", "Files": []} == answer


@pytest.mark.parametrize("accept", ["*/*", "application/xml", "text/html"])
async def test_a_job_s_status_is_xml_unless_json_is_asked_for(jetadvice, accept):
    guid = await start(jetadvice)
    query = {"ReportRunGuid": guid, "NoDownload": "true"}

    answers = [
        await jetadvice.get("/reports/RunResult", params=query, headers={"Accept": accept}) for _ in range(3)
    ]

    assert ["application/xml"] * 3 == [each.headers["content-type"] for each in answers]
    statuses = [ET.fromstring(each.text) for each in answers]
    assert ["Queued", "Running", "Completed"] == [each.findtext("Status") for each in statuses]
    assert statuses[2].findtext("Files/Item/FileName").endswith(".json")


async def test_without_no_download_the_finished_job_is_the_file_itself(jetadvice):
    guid = await start(jetadvice, output=1)

    answers = [
        await jetadvice.get("/reports/RunResult", params={"reportRunGuid": guid}, headers=JSON)
        for _ in range(3)
    ]

    assert ["application/json", "application/json", "text/csv; charset=utf-8"] == [
        each.headers["content-type"] for each in answers
    ]
    assert 8 == len(answers[2].text.splitlines())


async def test_a_finished_job_shows_the_devices_as_they_were_then(sandbox, jetadvice):
    guid = await start(jetadvice)
    first = await finished(jetadvice, guid)
    sandbox.jetadvice.set_supply("730101", "black", 100)

    query = {"fileId": first["Files"][0]["FileId"]}
    rows = json.loads((await jetadvice.get("/reports/RunResultFile", params=query)).text)

    assert 6 == rows[0]["TonerBlack"]


# What devices do -------------------------------------------------------------------------------------------


async def set_level(client, key, color, percent):
    return await client.post(f"/_sandbox/devices/{key}/supplies/{color}", json={"levelPercent": percent})


def codes(record):
    return [each["code"] for each in record["alerts"]]


async def test_a_device_reports_its_toner_s_level_and_complains_while_it_is_low(jetadvice):
    levels = [60, 10, 3, 0, 11]

    answers = [(await set_level(jetadvice, "730103", "magenta", each)).json() for each in levels]

    assert levels == [each["supplies"][2]["levelPercent"] for each in answers]
    assert [[], ["TonerLowMagenta"], ["TonerLowMagenta"], ["TonerLowMagenta"], []] == [
        codes(each) for each in answers
    ]
    assert answers[1]["alerts"] == answers[3]["alerts"]
    assert answers[-1] == await device(jetadvice, "730103")


async def test_a_new_cartridge_ends_the_alert_and_is_reported_now(sandbox, jetadvice):
    before = await device(jetadvice)
    sandbox.jetadvice.set_supply("CLD4120-0077315", "black", 100)
    after = await device(jetadvice)

    assert (["TonerLowBlack"], []) == (codes(before), codes(after))
    assert before["lastReport"] < after["lastReport"]
    assert before["counters"] == after["counters"]


def test_a_level_that_makes_no_sense_is_refused_in_process_too(sandbox):
    with pytest.raises(InvalidControlError, match="levelPercent"):
        sandbox.jetadvice.set_supply("730101", "black", 200)


# The sandbox -----------------------------------------------------------------------------------------------


async def test_a_reset_goes_back_to_the_seed_and_logs_everybody_out(sandbox, jetadvice):
    await jetadvice.post("/tags", json={"name": "Spare"})
    await jetadvice.put("/devices/730101", json={"tagIds": []})
    await start(jetadvice)

    await jetadvice.post("/_sandbox/reset")

    records = sandbox.jetadvice.records()
    assert (2, [], ["911", "912"]) == (
        len(records["tags"]),
        records["report_runs"],
        records["devices"][0]["tagIds"],
    )
    assert 403 == (await jetadvice.get("/tags")).status_code


async def test_the_records_are_what_the_api_shows(sandbox, jetadvice):
    records = (await jetadvice.get("/_sandbox/records")).json()

    assert records == sandbox.jetadvice.records()
    for path in LISTS:
        name = {"/datacollectors": "data_collectors", "/datacollectorranges": "data_collector_ranges"}
        assert await listed(jetadvice, path) == records[name.get(path, path[1:])]
