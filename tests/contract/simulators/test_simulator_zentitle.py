"""The manners of Zentitle: bodies on GET, errors as text in a 200 answer, spellings that change."""

import json
import re

import httpx
import pytest

PRO = "6453300110"
TEAM = "6872450105"
IMPORTED = "900000000000000001"


@pytest.fixture
async def code(ask):
    """A license code of the perpetual product."""
    return (await ask("POST", "LicenseCode", productid=PRO, numcodes=1)).split(" : ")[1]


@pytest.fixture
async def company(ask):
    """The number of a company that all products share."""
    await ask("POST", "Company", company="Baxter", productid=PRO, **{"global": 1})
    return (await ask("GET", "CompanyID", company="Baxter"))["companyID"]


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


async def test_a_read_only_key_reads_and_is_refused_a_write(sandbox):
    header = {"Authorization": "Bearer 1234:sandbox-zentitle-readonly"}
    async with httpx.AsyncClient(base_url=sandbox.zentitle.url, headers=header) as reader:
        read = await reader.request("GET", "/api/Products", json={})
        written = await reader.post("/api/LicenseCode", json={"productid": PRO, "numcodes": 1})

    assert (200, 403) == (read.status_code, written.status_code)
    assert "READ-ONLY" in written.json()["Message"]
    assert [] == sandbox.zentitle.records()["licenses"]


# Inputs


async def test_a_query_string_is_refused(zentitle):
    response = await zentitle.get("/api/Product", params={"productid": PRO})

    assert 400 == response.status_code


async def test_names_of_inputs_are_read_without_regard_to_case_and_numbers_as_strings(ask):
    answer = await ask("POST", "LicenseCode", ProductID=PRO, NumCodes="2")

    assert re.fullmatch(r"License Codes Created Successfully : \d{18},\d{18}", answer)


@pytest.mark.parametrize(
    ("inputs", "description"),
    [
        ({}, "productid is mandatory"),
        ({"productid": "1"}, "ProductID does not exist"),
        ({"productid": PRO}, "numcodes is mandatory when no licensecodes are supplied"),
        ({"productid": PRO, "numcodes": "many"}, "numcodes must be an integer"),
        ({"productid": PRO, "numcodes": 1, "companyid": 5}, "Company does not exist"),
        ({"productid": PRO, "numcodes": 1, "profilename": "Team"}, "Profile does not exist"),
        ({"productid": PRO, "licensecodes": "12"}, "License codes must have 17 to 19 digits"),
        ({"productid": PRO, "licensecodes": f"{IMPORTED},{IMPORTED}"}, "License codes must be unique"),
    ],
)
async def test_an_error_is_a_text_in_the_answers_place(sandbox, ask, inputs, description):
    answer = await ask("POST", "LicenseCode", **inputs)

    assert description == answer
    assert [] == sandbox.zentitle.records()["licenses"]


@pytest.mark.parametrize(("body", "kind"), [(b"nonsense", "application/json"), (b"[]", "application/json")])
async def test_a_body_that_is_no_object_is_a_bad_request(zentitle, body, kind):
    response = await zentitle.request("GET", "/api/Product", content=body, headers={"Content-Type": kind})

    assert (400, ["Message"]) == (response.status_code, list(response.json()))


async def test_a_body_of_another_type_is_not_read(zentitle):
    response = await zentitle.request("GET", "/api/Product", data={"productid": PRO})

    assert 415 == response.status_code


# License codes


async def test_an_import_keeps_the_codes_given_and_a_second_one_is_an_error(sandbox, ask):
    inputs = {"productid": PRO, "licensecodes": IMPORTED, "numcodes": 9}
    answers = [await ask("POST", "LicenseCode", **inputs) for _ in range(2)]

    assert ["OK", f"License codes already exist : {IMPORTED}"] == answers
    assert [IMPORTED] == [each["licenseCode"] for each in sandbox.zentitle.records()["licenses"]]


async def test_an_import_is_all_or_nothing(sandbox, ask):
    await ask("POST", "LicenseCode", productid=PRO, licensecodes=IMPORTED)

    await ask("POST", "LicenseCode", productid=PRO, licensecodes=f"900000000000000002,{IMPORTED}")

    assert 1 == len(sandbox.zentitle.records()["licenses"])


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
    [listed] = await ask("GET", "LicenseCodes", pagenumber=1)

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
    assert 1 == await ask("GET", "LicenseCodes", **page)


async def test_codes_come_in_pages(ask):
    codes = (await ask("POST", "LicenseCode", productid=PRO, numcodes=5)).split(" : ")[1].split(",")

    pages = [await ask("GET", "LicenseCodes", pagenumber=page, pagesize=2) for page in (1, 2, 3, 4)]

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


@pytest.mark.parametrize(
    "wrong",
    [
        {"clientofflineleaseperiod": 501},
        {"clientleaseperiod": 8761},
        {"heartbeat": 4},
        {"enabledforuse": "yes"},
        {"licensetype": "monthly"},
        {"licensetype": "expirationdate"},
        {"licensetype": "subscriptionperiod", "subscriptionperiod": 5001},
        {"subscriptionperiod": 10},
        {"maintenanceenddate": "soon"},
        {"features": [{"featurecode": "NONE"}]},
        {"notes": [{"type": "delete", "description": "7"}]},
        {"companyid": 9},
    ],
)
async def test_an_update_with_one_wrong_value_changes_nothing(ask, code, wrong):
    before = await ask("GET", "LicenseCode", licensecode=code, getnotes=1)

    answer = await ask(
        "PUT",
        "LicenseCode",
        **{"productid": PRO, "licensecode": code, "clientsallowed": 9} | wrong,
    )

    assert "License Code Details Updated Successfully" != answer
    assert before == await ask("GET", "LicenseCode", licensecode=code, getnotes=1)


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
        concurrencymode="off",
        maintenanceenddate="2031-01-01",
    )

    [single] = await ask("GET", "LicenseCode", licensecode=code, getsfs=1, showfeatures="on")

    assert [("CLOUDSYNC", []), ("SEATS", ["MaximumActive : 8", "TotalActive : 0"])] == [
        (each["featureCode"], each["featureDetails"]) for each in single["features"]
    ]
    assert [{"fieldName": "EDITION", "defaultValue": "School"}] == single["udfValues"]
    assert [{"functionName": "LTCO", "enabled": "ON", "parameterValue": "20"}] == single["serverFunctions"]
    assert ("Team", "None", "2031-01-01T00:00:00") == (
        single["profilename"],
        single["concurrencyMode"],
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


async def test_activity_is_empty_then_an_object_then_a_list(sandbox, ask, code):
    seen = []
    for computer in ("one", "two", None):
        seen.append(await ask("GET", "LicenseCodeActivity", productid=PRO, licensecode=code))
        if computer:
            sandbox.zentitle.activate(code, computer)

    assert [] == seen[0]
    assert ("one", "1900-01-01T00:00:00") == (seen[1]["computerID"], seen[1]["deactivated"])
    assert ["one", "two"] == [each["computerID"] for each in seen[2]]
    assert 1 == await ask("GET", "LicenseCodes", activated="true")


async def test_a_code_is_activated_from_outside_by_the_control_route(ask, zentitle, code):
    response = await zentitle.post(f"/_sandbox/licenses/{code}/activate", json={"computerID": "one"})

    assert 201 == response.status_code
    assert 1 == (await ask("GET", "LicenseCode", licensecode=code))[0]["numActivations"]


# Products and profiles


async def test_products_spell_their_number_another_way(ask):
    products = await ask("GET", "Products")

    assert [PRO, TEAM] == [each["productId"] for each in products]
    assert [products[1]] == await ask("GET", "Product", productid=TEAM)


async def test_a_profile_is_spelt_one_way_alone_and_another_in_the_list(ask):
    [single] = await ask("GET", "Profile", productid=TEAM, profilename="Team")
    [listed] = await ask("GET", "Profiles", productId=TEAM, pageNumber=1)

    assert (single["profileID"], single["enabledforuse"], single["clientLeaseperiod"]) == (
        listed["profileId"],
        listed["enabledForUse"].capitalize(),
        listed["clientLeasePeriod"],
    )
    assert 1 == await ask("GET", "Profiles")


# Consumer data


async def test_consumer_data_goes_in_as_an_object_and_comes_out_as_a_string(ask, code):
    information = {"firstname": "Ann", "email": "ann@shop.example", "order": "7"}
    answer = await ask(
        "POST", "ConsumerData", productid=PRO, computerid="c1", licensecode=code, clientinfo=information
    )

    [row] = await ask("GET", "ConsumerData", productid=PRO, pagenumber=1)

    assert answer.endswith("Successfully")
    assert information == json.loads(row.pop("clientInfo"))
    assert row.pop("created")
    assert {
        "productID": PRO,
        "computerID": "c1",
        "licenseCode": code,
        "firstName": "Ann",
        "lastName": "",
        "company": "",
        "email": "ann@shop.example",
    } == row


async def test_consumer_data_hides_history_unless_asked(ask, code):
    for order in ("1", "2"):
        await ask(
            "POST",
            "ConsumerData",
            productid=PRO,
            computerid="c1",
            licensecode=code,
            clientinfo={"order": order},
        )

    last = await ask("GET", "ConsumerData", productid=PRO, computerid="c1", pagenumber=1)
    every = await ask("GET", "ConsumerData", productid=PRO, computerid="c1", pagenumber=1, justlast="false")

    assert ['{"order":"2"}'] == [each["clientInfo"] for each in last]
    assert ['{"order":"1"}', '{"order":"2"}'] == [each["clientInfo"] for each in every]
    assert 2 == await ask("GET", "ConsumerData", productid=PRO, justlast="false")


async def test_consumer_data_is_told_apart_by_kind_and_date(ask, code):
    await ask("POST", "ConsumerData", productid=PRO, computerid="trial", clientinfo={})
    await ask("POST", "ConsumerData", productid=PRO, computerid="paid", licensecode=code, clientinfo={})

    kinds = {
        kind: [
            each["computerID"]
            for each in await ask("GET", "ConsumerData", productid=PRO, type=kind, pagenumber=1)
        ]
        for kind in ("trials", "activations", "all")
    }

    assert {"trials": ["trial"], "activations": ["paid"], "all": ["trial", "paid"]} == kinds
    assert 0 == await ask("GET", "ConsumerData", productid=PRO, enddate="2001-01-01")
    assert 2 == await ask("GET", "ConsumerData", productid=PRO, startdate="2001-01-01")


# Companies


async def test_a_company_made_twice_is_two_companies_and_the_oldest_is_found(sandbox, ask):
    for _ in range(2):
        await ask("POST", "Company", company="Baxter", productid=PRO, **{"global": "1"})

    found = await ask("GET", "CompanyID", company="Baxter")

    assert sandbox.zentitle.records()["companies"][0]["companyID"] == int(found["companyID"])
    assert ("0", "") == (found["productID"], found["productName"])
    assert 2 == len(await ask("GET", "CompaniesProducts"))


async def test_a_company_of_one_product_is_not_found_among_those_of_all(ask):
    await ask("POST", "Company", company="Baxter", productid=PRO)

    assert "Company does not exist" == await ask("GET", "CompanyID", company="Baxter")
    assert PRO == (await ask("GET", "CompanyID", company="Baxter", productid=PRO))["productID"]


async def test_a_company_does_not_repeat_its_number_and_holds_its_data_as_a_string(ask, company):
    answer = await ask(
        "PUT", "Company", companyid=company, productid=PRO, companydata={"email": "a@b.example"}, search2="x"
    )

    found = await ask("GET", "Company", companyid=company)

    assert answer.endswith("Successfully")
    assert found.pop("created")
    assert {
        "company": "Baxter",
        "companyData": '{"email":"a@b.example"}',
        "firstName": "",
        "email": "a@b.example",
        "search1": "",
        "search2": "x",
        "search3": "",
        "productID": "0",
    } == found


async def test_a_new_company_name_must_be_free(ask, company):
    await ask("POST", "Company", company="Marlin", productid=PRO, **{"global": 1})

    taken = await ask("PUT", "Company", companyid=company, productid=PRO, company="Marlin")
    free = await ask("PUT", "Company", companyid=company, productid=PRO, company="Okafor")

    assert ("Company name already exists", "Company Updated Successfully") == (taken, free)
    assert company == (await ask("GET", "CompanyID", company="Okafor"))["companyID"]


# Notes


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
