"""The manners of Zentitle: bodies on GET, errors as text in a 200 answer, spellings that change."""

import json
import re

import httpx
import pytest

from hookline.simulators.zentitle import ZentitleSimulator

PRO = "6453300110"
TEAM = "6872450105"
DESKTOP = "3659410102"
IMPORTED = "900000000000000001"
STUDIO_CODE, EDUCATION_CODE, SITE_CODE = "286450110220930851", "286450110220930852", "312450225741720701"

OPENS = {
    "key": lambda _, path: path != "/api/DataStreamer",
    "readonly": lambda verb, _: verb == "GET",
    "offline": lambda _, path: path == "/api/OfflineActivation",
    "ds": lambda _, path: path == "/api/DataStreamer",
}


@pytest.fixture
async def code(ask):
    """A license code of the perpetual product."""
    return (await ask("POST", "LicenseCode", productid=PRO, numcodes=1)).split(" : ")[1]


@pytest.fixture
async def company(ask):
    """The number of a company that all products share."""
    await ask("POST", "Company", company="Baxter", productid=PRO, **{"global": 1})
    return (await ask("GET", "CompanyID", company="Baxter"))["companyID"]


@pytest.fixture
def with_key(sandbox):
    """Calls a controller with another key, and returns the response whatever it is."""

    async def call(key, verb, path, **inputs):
        headers = {"Authorization": f"Bearer 1234:{key}"}
        async with httpx.AsyncClient(base_url=sandbox.zentitle.url, headers=headers, verify=False) as client:
            return await client.request(verb, path, json=inputs)

    return call


# Keys


@pytest.mark.parametrize(
    "header",
    [
        {},
        {"Authorization": "bearer 1234:wrong"},
        {"Authorization": "bearer 999:sandbox-zentitle-key"},
        {"Authorization": "bearer sandbox-zentitle-key"},
        {"Authorization": "basic 1234:sandbox-zentitle-key"},
    ],
)
async def test_a_wrong_key_is_not_let_in(sandbox, header):
    async with httpx.AsyncClient(base_url=sandbox.zentitle.url, headers=header) as stranger:
        response = await stranger.request("GET", "/api/Products", json={})

    assert (401, ["Message"]) == (response.status_code, list(response.json()))


@pytest.mark.parametrize("name", ZentitleSimulator.operations)
async def test_a_key_opens_what_its_kind_may_call_and_nothing_else(with_key, name):
    operation = ZentitleSimulator.operations[name]
    [verb], path = operation.verbs, operation.path

    statuses = {key: (await with_key(f"sandbox-zentitle-{key}", verb, path)).status_code for key in OPENS}

    assert {key: 200 if opens(verb, path) else 403 for key, opens in OPENS.items()} == statuses


async def test_a_key_of_the_wrong_kind_is_told_so_and_does_nothing(sandbox, with_key):
    read = await with_key("sandbox-zentitle-readonly", "GET", "/api/Products")
    written = await with_key(
        "sandbox-zentitle-readonly", "POST", "/api/LicenseCode", productid=PRO, numcodes=1
    )

    assert (200, 403) == (read.status_code, written.status_code)
    assert "This API key is READ-ONLY; the call needs a READ-WRITE key." == written.json()["Message"]
    assert [] == sandbox.zentitle.records()["licenses"]


# Inputs


async def test_a_query_string_is_refused(zentitle):
    response = await zentitle.get("/api/Product", params={"productid": PRO})

    assert 400 == response.status_code


async def test_names_of_inputs_are_read_without_regard_to_case_and_numbers_as_strings(ask):
    answer = await ask("POST", "LicenseCode", ProductID=PRO, NumCodes="2")

    assert re.fullmatch(r"License Codes Created Successfully : \d{18},\d{18}", answer)


@pytest.mark.parametrize(("body", "kind"), [(b"nonsense", "application/json"), (b"[]", "application/json")])
async def test_a_body_that_is_no_object_is_a_bad_request(zentitle, body, kind):
    response = await zentitle.request("GET", "/api/Product", content=body, headers={"Content-Type": kind})

    assert (400, ["Message"]) == (response.status_code, list(response.json()))


async def test_a_body_of_another_type_is_not_read(zentitle):
    response = await zentitle.request("GET", "/api/Product", data={"productid": PRO})

    assert 415 == response.status_code


@pytest.mark.parametrize(
    "body",
    [b"[" * 100_000, b'{"productid": "\\ud800"}', b'{"productid": "\xff"}', b'{"productid": 1' + b"0" * 5000],
)
async def test_json_that_nobody_can_answer_is_a_bad_request(zentitle, body):
    headers = {"Content-Type": "application/json"}
    response = await zentitle.request("GET", "/api/Product", content=body, headers=headers)

    assert 400 == response.status_code


@pytest.mark.parametrize(
    ("controller", "name", "value", "description"),
    [
        ("LicenseCode", "numcodes", "Infinity", "numcodes must be an integer"),
        ("LicenseCode", "numcodes", "NaN", "numcodes must be an integer"),
        ("LicenseCode", "numcodes", "[1]", "numcodes must be an integer"),
        ("Product", "productname", '{"a": 1}', "productname must be a string"),
        (
            "Product",
            "subscriptionenddate",
            '"0001-01-01T00:00+12:00"',
            "subscriptionenddate must be a datetime",
        ),
    ],
)
async def test_a_value_of_no_use_is_a_text(zentitle, controller, name, value, description):
    body = (
        f'{{"productid": "{PRO}", "productname": "New", "licensetype": "expirationdate", "{name}": {value}}}'
    )
    headers = {"Content-Type": "application/json"}
    response = await zentitle.post(f"/api/{controller}", content=body, headers=headers)

    assert (200, description) == (response.status_code, response.json())


# Faults and records


async def test_records_tell_what_came_and_keep_the_seed_apart(sandbox, ask, code):
    await ask(
        "POST", "LicenseNote", productid=DESKTOP, licensecode=STUDIO_CODE, type="system", description="x"
    )

    records = sandbox.zentitle.records()

    assert [code] == [each["licenseCode"] for each in records["licenses"]]
    assert STUDIO_CODE in [each["licenseCode"] for each in records["seeded"]["licenses"]]
    assert [(STUDIO_CODE, "x")] == [(each["licenseCode"], each["description"]) for each in records["notes"]]
    assert "password" not in json.dumps(records)


async def test_an_event_goes_into_the_stream_as_often_as_it_is_sent(sandbox, with_key):
    event = {"event": "order.paid", "productId": PRO, "payload": {"order": "100123"}}
    answers = [
        (await with_key("sandbox-zentitle-ds", "POST", "/api/DataStreamer", **event)).json() for _ in range(2)
    ]
    text = await with_key("sandbox-zentitle-ds", "POST", "/api/DataStreamer", event="e", payload="as text")
    unnamed = await with_key("sandbox-zentitle-ds", "POST", "/api/DataStreamer", payload={})
    of_nothing = await with_key("sandbox-zentitle-ds", "POST", "/api/DataStreamer", event="e", productId="1")

    assert ["DataStreamer Event Created Successfully"] * 2 == answers
    assert ("event is mandatory", "ProductID does not exist") == (unnamed.json(), of_nothing.json())
    assert text.json() == answers[0]
    assert [("order.paid", '{"order":"100123"}')] * 2 + [("e", "as text")] == [
        (each["event"], each["payload"]) for each in sandbox.zentitle.records()["events"]
    ]


# License codes


async def test_an_import_keeps_the_codes_given_and_a_second_one_is_an_error(sandbox, ask):
    inputs = {"productid": PRO, "licensecodes": IMPORTED, "numcodes": 9}
    answers = [await ask("POST", "LicenseCode", **inputs) for _ in range(2)]

    assert ["OK", f"License codes already exist : {IMPORTED}"] == answers
    assert [IMPORTED] == [each["licenseCode"] for each in sandbox.zentitle.records()["licenses"]]


async def test_one_code_is_a_list_of_one_and_says_true_with_a_capital(ask, code):
    [single] = await ask("GET", "LicenseCode", licensecode=code)

    assert (code, PRO, "True", 0, "Default") == (
        single["licenseCode"],
        single["productID"],
        single["enabledforuse"],
        single["companyID"],
        single["profilename"],
    )
    assert {"reference", "created", "modified", "serverFunctions"}.isdisjoint(single)


async def test_many_codes_say_true_without_a_capital_and_have_dates_but_no_company_number(ask, code):
    [listed] = await ask("GET", "LicenseCodes", productid=PRO, pagenumber=1)

    assert (code, "true", 1, "") == (
        listed["licenseCode"],
        listed["enabledforuse"],
        listed["activationsAllowed"],
        listed["profilename"],
    )
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,3})?", listed["created"])
    assert {"companyID", "clientsallowed", "notes"}.isdisjoint(listed)


@pytest.mark.parametrize("page", [{}, {"pagenumber": 0}, {"pagenumber": "0"}])
async def test_page_nought_is_only_the_count(ask, code, page):
    assert 1 == await ask("GET", "LicenseCodes", productid=PRO, **page)


async def test_codes_come_in_pages(ask):
    codes = (await ask("POST", "LicenseCode", productid=PRO, numcodes=5)).split(" : ")[1].split(",")

    pages = [
        await ask("GET", "LicenseCodes", productid=PRO, pagenumber=page, pagesize=2) for page in (1, 2, 3, 4)
    ]

    assert [codes[:2], codes[2:4], codes[4:], []] == [
        [each["licenseCode"] for each in page] for page in pages
    ]


async def test_the_codes_of_a_company_are_found_by_number_or_name_but_not_both(ask, code, company):
    await ask("POST", "LicenseCode", productid=PRO, licensecodes=IMPORTED, companyid=company)

    by_number = await ask("GET", "LicenseCodes", productid=PRO, companyId=company, pagenumber=1)
    by_name = await ask("GET", "LicenseCodes", company="Baxter", pagenumber=1)
    by_both = await ask("GET", "LicenseCodes", company="Baxter", companyid=company, pagenumber=1)

    assert [IMPORTED] == [each["licenseCode"] for each in by_number]
    assert by_number == by_name
    assert "Please supply either company or companyID, not both" == by_both


async def test_a_code_that_moves_to_another_company_is_found_there(ask, code, company):
    await ask("PUT", "LicenseCode", productid=PRO, licensecode=code, companyid=company)

    found = await ask("GET", "LicenseCodes", companyid=company, pagenumber=1)

    assert [(code, "Baxter")] == [(each["licenseCode"], each["company"]) for each in found]


async def test_an_update_changes_what_is_named_and_nothing_else(ask, code):
    before = (await ask("GET", "LicenseCode", licensecode=code))[0]

    answer = await ask("PUT", "LicenseCode", productid=PRO, licensecode=code, clientsallowed="7")

    assert "License Code Details Updated Successfully" == answer
    assert before | {"clientsallowed": 7} == (await ask("GET", "LicenseCode", licensecode=code))[0]


async def test_days_offline_go_in_and_hours_come_out(ask, code):
    await ask("PUT", "LicenseCode", productid=PRO, licensecode=code, clientOfflineLeaseperiod="365")

    [single] = await ask("GET", "LicenseCode", licensecode=code)

    assert 8760 == single["clientOfflineLeaseperiod"]


async def test_a_period_given_again_extends_the_subscription(ask, code):
    period = {"licensetype": "subscriptionperiod", "subscriptionperiod": 30}
    for _ in range(2):
        await ask("PUT", "LicenseCode", productid=PRO, licensecode=code, **period)

    [single] = await ask("GET", "LicenseCode", licensecode=code)

    assert ("SubscriptionPeriod", 60) == (single["licensetype"], single["subscriptionperiod"])


async def test_an_expiration_date_given_again_stays_the_same(ask, code):
    date = {"licensetype": "expirationdate", "subscriptionenddate": "2030-06-30"}
    for _ in range(2):
        await ask("PUT", "LicenseCode", productid=PRO, licensecode=code, **date)

    [single] = await ask("GET", "LicenseCode", licensecode=code)

    assert ("ExpirationDate", "2030-06-30T00:00:00") == (single["licensetype"], single["subscriptionEnddate"])


async def test_features_functions_and_fields_of_a_code_can_be_set(ask):
    code = (await ask("POST", "LicenseCode", productid=TEAM, numcodes=1, profilename="team")).split(" : ")[1]
    await ask(
        "PUT",
        "LicenseCode",
        productid=TEAM,
        licensecode=code,
        features=[
            {"featurecode": "EXPORT", "featureavailability": "off"},
            {"featurecode": "SEATS", "limit": "8"},
        ],
        udfvalues=[{"fieldname": "EDITION", "defaultvalue": "School"}],
        serverfunctions=[{"functionname": "LTCO", "enabled": "on", "parametervalue": 20}],
        concurrencymode="network",
        heartbeat="5",
        networkseats="3",
        maintenanceenddate="2031-01-01",
    )

    [single] = await ask("GET", "LicenseCode", licensecode=code, getsfs=1, showfeatures="on")

    assert [("CLOUDSYNC", []), ("SEATS", ["MaximumActive : 8", "TotalActive : 0"])] == [
        (each["featureCode"], each["featureDetails"]) for each in single["features"]
    ]
    assert [{"fieldName": "EDITION", "defaultValue": "School"}] == single["udfValues"]
    assert [
        {"functionName": "LTCO", "enabled": "ON", "parameterValue": "20"},
        {"functionName": "FeatureAvailability", "enabled": "ON", "parameterValue": ""},
    ] == single["serverFunctions"]
    assert ("Team", "Network", 5, 3, "2031-01-01T00:00:00") == (
        single["profilename"],
        single["concurrencyMode"],
        single["heartbeat"],
        single["networkseats"],
        single["maintenanceEnddate"],
    )


async def test_what_one_code_changes_another_of_its_profile_keeps(ask):
    codes = (await ask("POST", "LicenseCode", productid=TEAM, numcodes=2)).split(" : ")[1].split(",")
    off = [{"featurecode": "EXPORT", "featureavailability": "off"}]
    await ask("PUT", "LicenseCode", productid=TEAM, licensecode=codes[0], features=off)

    [other] = await ask("GET", "LicenseCode", licensecode=codes[1])

    assert "ON" == other["features"][0]["featureAvailability"]


async def test_the_reference_is_kept_but_never_shown(sandbox, ask):
    await ask("POST", "LicenseCode", productid=PRO, numcodes=1, reference="order-1")

    answers = [
        await ask("GET", "LicenseCodes", pagenumber=1),
        await ask("GET", "LicenseCode", licensecode=sandbox.zentitle.records()["licenses"][0]["licenseCode"]),
    ]

    assert "order-1" not in json.dumps(answers)
    assert "order-1" == sandbox.zentitle.records()["licenses"][0]["reference"]


@pytest.mark.parametrize("filters", [{"productid": DESKTOP}, {"company": "Tidewater College"}, {}])
@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("used", "true", {STUDIO_CODE, EDUCATION_CODE, SITE_CODE}),
        ("activated", True, {STUDIO_CODE, EDUCATION_CODE, SITE_CODE}),
        ("acquiredbywebservice", "TRUE", {"286450110220930855"}),
        ("profilename", "education", {EDUCATION_CODE}),
    ],
)
async def test_codes_are_found_by_what_they_are(ask, filters, name, value, expected):
    everything = {
        each["licenseCode"]: each for each in await ask("GET", "LicenseCodes", pagenumber=1, **filters)
    }

    found = await ask("GET", "LicenseCodes", pagenumber=1, **filters, **{name: value})

    seeded_elsewhere = {"274865102015706621"}
    assert expected & set(everything) == {each["licenseCode"] for each in found} - seeded_elsewhere


async def test_a_code_of_two_products_is_two_licenses(ask):
    for product in (PRO, TEAM):
        await ask("POST", "LicenseCode", productid=product, licensecodes=IMPORTED)

    every = await ask("GET", "LicenseCode", licensecode=IMPORTED)
    one = await ask("GET", "LicenseCode", licensecode=IMPORTED, productid=TEAM)

    assert [PRO, TEAM] == [each["productID"] for each in every]
    assert [TEAM] == [each["productID"] for each in one]


async def test_a_counted_feature_tells_how_much_of_it_is_in_use(ask):
    [single] = await ask("GET", "LicenseCode", licensecode=SITE_CODE)

    assert {
        "SEATS": ["MaximumActive : 25", "TotalActive : 7"],
        "STORE": ["ElementLimit : 1000", "ElementCount : 412"],
        "VAULT": [],
    } == {each["featureCode"]: each["featureDetails"] for each in single["features"]}


async def test_a_code_takes_the_terms_of_its_profile_only_when_told_to(ask):
    of = {"productid": DESKTOP, "licensecode": STUDIO_CODE}
    await ask("PUT", "LicenseCode", **of, profilename="Education")
    [moved] = await ask("GET", "LicenseCode", **of)

    await ask("PUT", "LicenseCode", **of, inheritprofile="true", clientofflineleaseperiod=1)
    [inherited] = await ask("GET", "LicenseCode", **of)
    await ask("PUT", "LicenseCode", **of, profilename="default")
    [left] = await ask("GET", "LicenseCode", **of)

    assert [("Education", 2, 720), ("Education", 30, 24), ("Default", 30, 24)] == [
        (each["profilename"], each["clientsallowed"], each["clientOfflineLeaseperiod"])
        for each in (moved, inherited, left)
    ]


# Codes that are taken


async def test_a_taken_code_is_not_given_again(ask):
    made = (await ask("POST", "LicenseCode", productid=PRO, numcodes=3)).split(" : ")[1].split(",")

    first = await ask("GET", "NextLicenseCode", productid=PRO)
    rest = await ask("GET", "NextLicenseCode", productid=PRO, amount="9")
    none = await ask("GET", "NextLicenseCode", productid=PRO)

    assert (made[:1], made[1:], []) == (first, rest, none)
    assert 3 == await ask("GET", "LicenseCodes", productid=PRO, acquiredbywebservice="true")


async def test_a_code_with_activity_or_of_another_profile_is_not_taken(sandbox, ask):
    used, other = [
        (await ask("POST", "LicenseCode", productid=TEAM, numcodes=1, profilename=name)).split(" : ")[1]
        for name in ("", "Team")
    ]
    sandbox.zentitle.activate(used)

    default = await ask("GET", "NextLicenseCode", productid=TEAM)
    named = await ask("GET", "NextLicenseCode", productid=TEAM, profilename="Team")

    assert ([], [other]) == (default, named)


async def test_a_code_that_was_let_go_can_be_taken_again(ask, code):
    await ask("GET", "NextLicenseCode", productid=PRO)
    await ask("PUT", "LicenseCode", productid=PRO, licensecode=code, acquiredbywebservice="false")

    assert [code] == await ask("GET", "NextLicenseCode", productid=PRO)


# Notes


async def test_a_note_of_the_dashboard_tells_who_wrote_it(ask):
    [note] = await ask("GET", "LicenseNote", productid=DESKTOP, licensecode=EDUCATION_CODE)

    assert ("General", "s.ode") == (note["type"], note["createdBy"])


async def test_notes_are_added_changed_and_deleted_one_by_one(sandbox, ask, code):
    of = {"productid": PRO, "licensecode": code}
    for text in ("first", "second"):
        await ask("POST", "LicenseNote", **of, type="general", description=text)
    first, second = await ask("GET", "LicenseNote", **of)

    await ask("PUT", "LicenseNote", **of, noteid=str(first["noteID"]), description="changed")
    await ask("DELETE", "LicenseNote", **of, noteid=second["noteID"])

    assert [first | {"description": "changed"}] == await ask("GET", "LicenseNote", **of)
    assert ("General", "") == (first["type"], first["createdBy"])
    assert [(code, PRO, "changed")] == [
        (each["licenseCode"], each["productID"], each["description"])
        for each in sandbox.zentitle.records()["notes"]
    ]


@pytest.mark.parametrize("noteid", [{}, {"noteid": 0}])
async def test_deleting_notes_without_a_number_deletes_them_all(ask, code, noteid):
    of = {"productid": PRO, "licensecode": code}
    for text in ("first", "second"):
        await ask("POST", "LicenseNote", **of, type="system", description=text)

    await ask("DELETE", "LicenseNote", **of, **noteid)

    assert [] == await ask("GET", "LicenseNote", **of)


async def test_notes_of_an_update_are_deleted_before_new_ones_are_added(ask, code):
    await ask("POST", "LicenseNote", productid=PRO, licensecode=code, type="general", description="old")
    notes = [{"type": "general", "description": "new"}, {"type": "deleteall"}]

    await ask("PUT", "LicenseCode", productid=PRO, licensecode=code, notes=notes)

    [single] = await ask("GET", "LicenseCode", licensecode=code, getnotes=1)
    assert ["new"] == [each["description"] for each in single["notes"]]


async def test_numbers_and_codes_do_not_come_again_after_a_reset(sandbox, ask, company):
    code = (await ask("POST", "LicenseCode", productid=PRO, numcodes=1)).split(" : ")[1]
    sandbox.zentitle.reset()
    await ask("POST", "Company", company="Baxter", productid=PRO, **{"global": 1})
    again = (await ask("POST", "LicenseCode", productid=PRO, numcodes=1)).split(" : ")[1]

    assert code != again
    assert company != (await ask("GET", "CompanyID", company="Baxter"))["companyID"]
