"""The people whom Zentitle's simulator knows: consumers, those who only try, companies, groups and users."""

import json

import pytest

PRO = "6453300110"
DESKTOP = "3659410102"
SERVER = "6503310104"
VIEWER = "3117410103"
STUDIO_CODE, EDUCATION_CODE, SITE_CODE = "286450110220930851", "286450110220930852", "312450225741720701"
UNUSED_CODE = "286450110220930853"
OF_EDUCATION = {"productid": DESKTOP, "licensecode": EDUCATION_CODE}
TRYING, TRIED, CONVERTED = "BLX4RrZJ5T9imK7qPrJS", "w7Zk+2mQv5Rt8LsN1xHy", "MauY6w89/Gh34567890w"
ENDING, ENDED = "aJ3/9fTnC6uW0qEoD2gK", "V8bX1iPz4rMh7SyUe5cG"


@pytest.fixture
async def code(ask):
    """A license code of the perpetual product."""
    return (await ask("POST", "LicenseCode", productid=PRO, numcodes=1)).split(" : ")[1]


@pytest.fixture
async def company(ask):
    """The number of a company that all products share."""
    await ask("POST", "Company", company="Baxter", productid=PRO, **{"global": 1})
    return (await ask("GET", "CompanyID", company="Baxter"))["companyID"]


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


# Trials


@pytest.mark.parametrize(
    ("product", "computer", "status"),
    [
        (VIEWER, TRYING, "In Trial"),
        (VIEWER, TRIED, "Trial has expired"),
        (VIEWER, CONVERTED, "Trial has been activated"),
        (PRO, TRYING, "Trial does not exist"),
    ],
)
async def test_a_trial_tells_in_words_where_it_stands(ask, product, computer, status):
    assert status == await ask("GET", "Trial", productid=product, computerid=computer)


@pytest.mark.parametrize(
    ("product", "computer", "answer"),
    [
        (VIEWER, TRYING, "Trial Deleted Successfully"),
        (VIEWER, TRIED, "Trial Deleted Successfully"),
        (VIEWER, CONVERTED, "Trial has been activated"),
        (PRO, TRYING, "Trial does not exist"),
    ],
)
async def test_a_trial_is_deleted_unless_it_became_a_license(sandbox, ask, product, computer, answer):
    before = len(sandbox.zentitle.records()["seeded"]["trials"])

    assert answer == await ask("DELETE", "Trial", productid=product, computerid=computer)
    assert before - answer.endswith("Successfully") == len(sandbox.zentitle.records()["seeded"]["trials"])


async def test_a_trial_in_the_list_has_its_period_as_text_and_another_word_for_its_status(ask):
    [trial] = await ask("GET", "Trials", computerId=TRIED, pageNumber="1")

    assert (VIEWER, "30", "Trial Expired", "false", "") == (
        trial["productId"],
        trial["trialPeriod"],
        trial["trialStatus"],
        trial["converted"],
        trial["licenseCode"],
    )
    assert trial["created"] < trial["leaseEndDate"] < trial["expires"]


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({"productId": SERVER}, {ENDING, ENDED}),
        ({"trialStatus": "inTrial"}, {TRYING, ENDING, CONVERTED}),
        ({"trialStatus": "expired", "converted": "false"}, {TRIED, ENDED}),
        ({"converted": "true", "productid": VIEWER}, {CONVERTED}),
        ({"expiresWithinDays": 3}, {ENDING}),
        ({"expiresWithinDays": "0"}, set()),
        ({"createdWithinDays": 5}, {TRYING}),
        ({"createdBefore": "2001-01-01"}, set()),
        ({"createdAfter": "2001-01-01", "productid": SERVER}, {ENDING, ENDED}),
        ({"expiresAfter": "2999-01-01"}, set()),
        ({"expiresBefore": "2999-01-01", "productid": SERVER}, {ENDING, ENDED}),
    ],
)
async def test_trials_are_found_by_product_time_and_fate(ask, filters, expected):
    found = await ask("GET", "Trials", pagenumber=1, **filters)

    assert expected == {each["computerId"] for each in found}
    assert len(expected) == await ask("GET", "Trials", **filters)


async def test_trials_come_in_pages(ask):
    every = await ask("GET", "Trials", pagenumber=1)

    assert every == [(await ask("GET", "Trials", pagenumber=page, pagesize=1))[0] for page in range(1, 7)]


async def test_a_trial_begins_by_the_control_route_and_ends_with_a_license(sandbox, ask, zentitle, code):
    started = await zentitle.post(
        "/_sandbox/trials", json={"productID": PRO, "computerID": "c1", "daysAgo": 29}
    )
    before = await ask("GET", "Trial", productid=PRO, computerid="c1")
    sandbox.zentitle.activate(code, "c1")

    [trial] = await ask("GET", "Trials", productid=PRO, pagenumber=1)

    assert (201, "In Trial") == (started.status_code, before)
    assert ("true", code) == (trial["converted"], trial["licenseCode"])
    assert [trial] == sandbox.zentitle.records()["trials"]


async def test_a_product_without_trials_is_not_tried(ask, zentitle):
    await ask("POST", "Product", productname="Draftline Mobile")
    product = (await ask("GET", "Products"))[-1]["productId"]

    response = await zentitle.post("/_sandbox/trials", json={"productID": product})

    assert (400, "productID") == (response.status_code, response.json()["error"].split(":")[0])


# Companies


async def test_a_company_made_twice_is_two_companies_and_the_oldest_is_found(sandbox, ask):
    for _ in range(2):
        await ask("POST", "Company", company="Baxter", productid=PRO, **{"global": "1"})

    found = await ask("GET", "CompanyID", company="Baxter")

    assert sandbox.zentitle.records()["companies"][0]["companyID"] == int(found["companyID"])
    assert ("0", "") == (found["productID"], found["productName"])
    assert 2 == [each["company"] for each in await ask("GET", "CompaniesProducts")].count("Baxter")


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

    in_use = await ask("PUT", "Company", companyid=company, productid=PRO, company="Marlin")
    free = await ask("PUT", "Company", companyid=company, productid=PRO, company="Okafor")

    assert ("Company name already exists", "Company Updated Successfully") == (in_use, free)
    assert company == (await ask("GET", "CompanyID", company="Okafor"))["companyID"]


async def test_the_oldest_of_one_name_stays_the_one_that_is_found(ask, company):
    await ask("POST", "Company", company="Baxter", productid=PRO, **{"global": 1})
    await ask("PUT", "Company", companyid=company, productid=PRO, search1="1001")

    assert company == (await ask("GET", "CompanyID", company="Baxter"))["companyID"]


async def test_a_deleted_company_has_no_codes_and_no_groups(ask):
    answers = [await ask("DELETE", "Company", companyid=2) for _ in range(2)]

    [code] = await ask("GET", "LicenseCode", licensecode=STUDIO_CODE)
    group = await ask("GET", "Group", groupid=9)
    assert ["Company Deleted Successfully", "Company does not exist"] == answers
    assert ("", 0, 0) == (code["company"], code["companyID"], group["companyID"])
    assert "Company does not exist" == await ask("GET", "CompanyID", company="Harrow & Pike Architects")
    assert 0 == await ask("GET", "LicenseCodes", companyid=2)


async def test_companies_are_listed_with_their_products(ask):
    listed = await ask("GET", "CompaniesProducts")

    assert {
        "companyID": "3",
        "company": "Castellan Surveying",
        "productID": DESKTOP,
        "productName": "Draftline Desktop 4",
    } in listed
    assert {
        "companyID": "5",
        "company": "Tidewater College",
        "productID": "0",
        "productName": "",
    } in listed


# Groups


async def test_a_group_shows_its_codes_users_and_subgroups(ask):
    group = await ask("GET", "Group", groupname="Harrow & Pike")

    assert group == await ask("GET", "Group", groupid="9")
    assert (9, "Master", 0, 2) == (
        group["groupID"],
        group["type"],
        group["masterGroupID"],
        group["companyID"],
    )
    assert [(9, SERVER, SITE_CODE)] == [
        (each["groupID"], each["productID"], each["licenseCode"]) for each in group["groupLicenses"]
    ]
    assert [("morag.hale", '{"EUPMaster":"true"}'), ("peter.osei", "{}")] == [
        (each["userName"], each["additionalData"]) for each in group["groupUsers"]
    ]
    assert [{"groupID": 10, "groupName": "Harrow & Pike Leeds"}] == group["subGroups"]
    assert "sandbox-user-password" not in json.dumps(group)


async def test_a_group_is_made_and_changed(ask):
    created = await ask(
        "POST", "Group", groupname="Harrow & Pike York", type="standard", mastergroupid="9", companyid=2
    )
    made = await ask("GET", "Group", groupname="Harrow & Pike York")
    updated = await ask("PUT", "Group", groupid=made["groupID"], type="Master", description="Since May")

    changed = await ask("GET", "Group", groupid=made["groupID"])

    assert ("Group Created Successfully", "Group Updated Successfully") == (created, updated)
    assert ("Standard", "", 9, 2, [], [], []) == (
        made["type"],
        made["description"],
        made["masterGroupID"],
        made["companyID"],
        made["groupLicenses"],
        made["groupUsers"],
        made["subGroups"],
    )
    assert made | {"type": "Master", "description": "Since May", "modified": changed["modified"]} == changed


async def test_a_deleted_group_takes_its_users_along_and_lets_go_of_codes_and_subgroups(ask):
    answers = [await ask("DELETE", "Group", groupname="Harrow & Pike") for _ in range(2)]

    assert ["Group Deleted Successfully", "Group does not exist"] == answers
    assert "Group user does not exist" == await ask("GET", "GroupUser", username="peter.osei")
    assert "License code is not assigned to a group" == await ask(
        "GET", "GroupLicenseCode", productid=SERVER, licensecode=SITE_CODE
    )
    assert 0 == (await ask("GET", "Group", groupid=10))["masterGroupID"]


# Users


async def test_a_user_is_made_changed_and_deleted(ask):
    person = {"username": "ada.finch", "firstname": "Ada", "email": "ada@harrowpikearchitects.example"}
    more = {"EUPMaster": "true"}
    created = await ask("POST", "GroupUser", groupid="10", password="p", **person, additionaldata=more)
    made = await ask("GET", "GroupUser", username="ada.finch")
    updated = await ask("PUT", "GroupUser", groupuserid=made["groupUserID"], groupid=9, lastname="Finch")
    changed = await ask("GET", "GroupUser", groupuserid=str(made["groupUserID"]))
    deleted = await ask("DELETE", "GroupUser", groupuserid=made["groupUserID"])

    assert [
        "Group User Created Successfully",
        "Group User Updated Successfully",
        "Group User Deleted Successfully",
    ] == [created, updated, deleted]
    assert (10, "Ada", "", '{"EUPMaster":"true"}') == (
        made["groupID"],
        made["firstName"],
        made["lastName"],
        made["additionalData"],
    )
    assert made | {"groupID": 9, "lastName": "Finch", "modified": changed["modified"]} == changed
    assert "Group user does not exist" == await ask("GET", "GroupUser", username="ada.finch")


async def test_a_user_is_known_by_the_password_and_then_by_the_new_one(ask):
    person = {"username": "june.lund"}
    before = await ask("GET", "AuthenticateUser", **person, password="sandbox-user-password")

    answer = await ask("PUT", "GroupUserPassword", **person, password="another one")

    after = [
        await ask("GET", "AuthenticateUser", **person, password=password)
        for password in ("sandbox-user-password", "another one")
    ]
    assert "User Authenticated Successfully" == before
    assert "Group User Password Updated Successfully" == answer
    assert ["Invalid username or password", "User Authenticated Successfully"] == after


# License codes of groups


async def test_a_code_given_to_a_group_loses_its_company_and_profile_unless_they_are_named(ask):
    bare = await ask("POST", "GroupLicenseCode", groupid=10, **OF_EDUCATION)
    [wiped] = await ask("GET", "LicenseCode", **OF_EDUCATION)
    unassigned = await ask("DELETE", "GroupLicenseCode", groupid="10", **OF_EDUCATION)
    await ask("POST", "GroupLicenseCode", groupid=10, **OF_EDUCATION, companyid=5, profileid="13")
    [named] = await ask("GET", "LicenseCode", **OF_EDUCATION)

    assignment = await ask("GET", "GroupLicenseCode", **OF_EDUCATION)

    assert "Group License Code Assigned Successfully" == bare
    assert "Group License Code Unassigned Successfully" == unassigned
    assert [("", "Default"), ("Tidewater College", "Education")] == [
        (each["company"], each["profilename"]) for each in (wiped, named)
    ]
    assert assignment.pop("created")
    assert {"groupID": 10, "productID": DESKTOP, "licenseCode": EDUCATION_CODE} == assignment
    assert 1 == await ask("GET", "LicenseCodes", companyid=5)


NEW_USER = {
    "groupName": "Fen Lane",
    "userName": "owen.prosser",
    "password": "oak",
    "productid": DESKTOP,
    "licensecode": UNUSED_CODE,
    "email": "owen@fenlanejoinery.example",
}


async def test_a_group_a_user_and_a_license_come_in_one_call(ask):
    answer = await ask("POST", "GroupUserLicense", **NEW_USER)

    group = await ask("GET", "Group", groupname="Fen Lane")
    assert "Group User License Created Successfully" == answer
    assert ("Standard", ["owen.prosser"], [UNUSED_CODE]) == (
        group["type"],
        [each["userName"] for each in group["groupUsers"]],
        [each["licenseCode"] for each in group["groupLicenses"]],
    )
    assert "User Authenticated Successfully" == await ask(
        "GET", "AuthenticateUser", username="owen.prosser", password="oak"
    )
