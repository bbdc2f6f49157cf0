"""Where the codes of Zentitle's simulator are in use: activity, computers, certificates."""

import json
import re

import pytest

PRO = "6453300110"
DESKTOP = "3659410102"
SERVER = "6503310104"
VIEWER = "3117410103"
STUDIO_CODE, SITE_CODE = "286450110220930851", "312450225741720701"
STUDIO_PC, STUDIO_OLD_PC, STUDIO_SERVER = (
    "kQe0MRH1+bYgemkYW2bc",
    "P5oSK0sA6aH1lCp/STgV",
    "oLh3T3o8A39g5Sz5+Ug8",
)
REFUNDED_CODE = "286450110220930856"
OF_STUDIO = {"productid": DESKTOP, "licensecode": STUDIO_CODE}


@pytest.fixture
async def code(ask):
    """A license code of the perpetual product, for one client."""
    return (await ask("POST", "LicenseCode", productid=PRO, numcodes=1)).split(" : ")[1]


@pytest.fixture
def certificates(zentitle):
    """What the licensed program shows on a computer that is offline."""

    async def certificates(code, computer):
        response = await zentitle.post(
            f"/_sandbox/licenses/{code}/certificates", json={"computerID": computer}
        )
        assert 201 == response.status_code, response.text
        return response.json()

    return certificates


# Activity


async def test_activity_is_empty_then_an_object_then_a_list(sandbox, ask, code):
    seen = []
    for computer in ("one", "two", ""):
        seen.append(await ask("GET", "LicenseCodeActivity", productid=PRO, licensecode=code))
        if computer:
            sandbox.zentitle.activate(code, computer)

    assert [] == seen[0]
    assert ("one", "1900-01-01T00:00:00") == (seen[1]["computerID"], seen[1]["deactivated"])
    assert ["one", "two"] == [each["computerID"] for each in seen[2]]
    assert 1 == await ask("GET", "LicenseCodes", productid=PRO, activated="true")


async def test_a_code_is_activated_from_outside_by_the_control_route(ask, zentitle, code):
    response = await zentitle.post(f"/_sandbox/licenses/{code}/activate", json={"computerID": "one"})

    assert 201 == response.status_code
    assert 1 == (await ask("GET", "LicenseCode", licensecode=code))[0]["numActivations"]


async def test_a_code_activated_twice_on_a_computer_is_there_once(sandbox, ask, code):
    for _ in range(2):
        sandbox.zentitle.activate(code, "one")

    assert 1 == (await ask("GET", "LicenseCode", licensecode=code))[0]["numActivations"]


async def test_activity_shows_what_is_returned_unless_only_the_present_is_asked_for(ask):
    every = await ask("GET", "LicenseCodeActivity", **OF_STUDIO)
    present = await ask("GET", "LicenseCodeActivity", **OF_STUDIO, activated="1")

    assert [(STUDIO_OLD_PC, "DEACTIVATED"), (STUDIO_PC, "ACTIVATED")] == [
        (each["computerID"], each["status"]) for each in every
    ]
    assert (STUDIO_PC, "morag.hale") == (present["computerID"], present["username"])
    assert "systemInfo" not in present


async def test_a_computer_tells_numbers_as_text(ask):
    made = await ask("GET", "LicenseCodeActivity", **OF_STUDIO, activated=1, getsysinfo=1)
    details = await ask("GET", "SystemDetails", productid=DESKTOP, computerid=STUDIO_PC)

    assert details == made["systemInfo"]
    assert (STUDIO_PC, "64", "Activated") == (
        details["computerID"],
        details["bitage"],
        details["licensestatus"],
    )
    assert all(isinstance(value, str) for value in details.values())
    assert 17 == len(details)


async def test_a_computer_is_known_after_its_code_was_returned_and_while_it_only_tries(ask):
    returned = await ask("GET", "SystemDetails", productid=DESKTOP, computerid=STUDIO_OLD_PC)
    trying = await ask("GET", "SystemDetails", productid=VIEWER, computerid="BLX4RrZJ5T9imK7qPrJS")

    assert ("Deactivated", "Trial") == (returned["licensestatus"], trying["licensestatus"])


async def test_a_computer_is_not_known_to_another_product(ask):
    assert "System details do not exist" == await ask(
        "GET", "SystemDetails", productid=SERVER, computerid=STUDIO_PC
    )


async def test_the_codes_of_a_computer_are_those_that_are_active_on_it(sandbox, ask, code):
    sandbox.zentitle.activate(code, STUDIO_PC)

    present = await ask("GET", "ActivatedLicenseCodes", computerid=STUDIO_PC)
    returned = await ask("GET", "ActivatedLicenseCodes", computerid=STUDIO_OLD_PC)

    assert [(DESKTOP, STUDIO_CODE), (PRO, code)] == [
        (each["productID"], each["licenseCode"]) for each in present
    ]
    assert [] == returned
    assert "computerid is mandatory" == await ask("GET", "ActivatedLicenseCodes")


async def test_returning_a_code_returns_it_everywhere_with_all_that_it_used(ask):
    answers = [
        await ask("PUT", "LicenseCodeActivity", productid=SERVER, licensecode=SITE_CODE) for _ in range(2)
    ]

    [single] = await ask("GET", "LicenseCode", licensecode=SITE_CODE)
    [listed] = await ask("GET", "LicenseCodes", productid=SERVER, pagenumber=1, used="true")
    assert ["License Code Activity Updated Successfully"] * 2 == answers
    assert (0, 1) == (listed["numActivations"], listed["numDeActivations"])
    assert ["MaximumActive : 25", "TotalActive : 0"] == single["features"][0]["featureDetails"]
    assert single["subscriptionlastActivated"]


async def test_activity_is_deleted_of_one_computer_or_without_one_of_all(ask):
    one = await ask("DELETE", "LicenseCodeActivity", **OF_STUDIO, computerid=STUDIO_OLD_PC)
    again = await ask("DELETE", "LicenseCodeActivity", **OF_STUDIO, computerid=STUDIO_OLD_PC)
    left = await ask("GET", "LicenseCodeActivity", **OF_STUDIO)
    every = await ask("DELETE", "LicenseCodeActivity", **OF_STUDIO)

    assert "License Code Activity Deleted Successfully" == one == every
    assert ("Activity does not exist", STUDIO_PC) == (again, left["computerID"])
    assert [] == await ask("GET", "LicenseCodeActivity", **OF_STUDIO)


# Offline


async def test_a_code_is_activated_and_returned_by_certificates(ask, certificates, code):
    made = await certificates(code, "a computer offline")
    request = {"productid": PRO, "activationcertificate": made["activationcertificate"]}

    first = await ask("GET", "OfflineActivation", **request)
    again = await ask("GET", "OfflineActivation", **request)
    during = await ask("GET", "LicenseCodeActivity", productid=PRO, licensecode=code, activated=1)
    returned = await ask(
        "DELETE",
        "OfflineActivation",
        productid=PRO,
        deactivationcertificate=made["deactivationcertificate"],
    )

    assert re.fullmatch(r"[0-9a-f]{1000,}", first)
    assert first == again
    assert ("a computer offline", "OK") == (during["computerID"], returned)
    assert [] == await ask("GET", "LicenseCodeActivity", productid=PRO, licensecode=code, activated=1)


async def test_a_certificate_is_not_used_twice_to_return(ask, certificates):
    made = await certificates(STUDIO_CODE, STUDIO_PC)
    inputs = {"productid": DESKTOP, "deactivationcertificate": made["deactivationcertificate"]}

    answers = [await ask("DELETE", "OfflineActivation", **inputs) for _ in range(2)]

    assert ["OK", "License code is not activated on this computer"] == answers


async def test_a_code_without_activations_left_is_refused(ask, certificates, code):
    first, second = [await certificates(code, computer) for computer in ("one", "two")]
    await ask("GET", "OfflineActivation", productid=PRO, activationcertificate=first["activationcertificate"])

    refused = await ask(
        "GET", "OfflineActivation", productid=PRO, activationcertificate=second["activationcertificate"]
    )

    assert "License code has no activations left" == refused


async def test_a_disabled_code_is_refused(ask, certificates):
    made = await certificates(REFUNDED_CODE, "one")

    assert "License code is not enabled for use" == await ask(
        "GET", "OfflineActivation", productid=DESKTOP, activationcertificate=made["activationcertificate"]
    )


@pytest.mark.parametrize(
    "certificate",
    ["nonsense", "00", b"[]".hex(), b'{"for": "activate"}'.hex(), b"[".hex() * 5000, b"\xff".hex()],
)
@pytest.mark.parametrize("verb", ["GET", "DELETE"])
async def test_a_certificate_that_nobody_made_is_refused(ask, verb, certificate):
    name = "activationcertificate" if verb == "GET" else "deactivationcertificate"

    answer = await ask(verb, "OfflineActivation", **{"productid": PRO, name: certificate})

    assert f"{name} is not valid" == answer


async def test_a_certificate_for_a_computer_that_cannot_be_named_is_refused(ask):
    certificate = json.dumps({"for": "activate", "code": STUDIO_CODE, "computer": "\ud800"}).encode().hex()

    assert "activationcertificate is not valid" == await ask(
        "GET", "OfflineActivation", productid=DESKTOP, activationcertificate=certificate
    )


async def test_a_certificate_for_another_purpose_or_product_is_refused(ask, certificates, code):
    made = await certificates(code, "one")

    swapped = await ask(
        "GET", "OfflineActivation", productid=PRO, activationcertificate=made["deactivationcertificate"]
    )
    elsewhere = await ask(
        "GET", "OfflineActivation", productid=SERVER, activationcertificate=made["activationcertificate"]
    )

    assert "activationcertificate is not valid" == swapped
    assert "License code does not exist" == elsewhere


async def test_a_passive_license_is_one_string_with_its_certificate_and_takes_a_code(sandbox, ask):
    answer = await ask(
        "POST",
        "PassiveLicense",
        productid=DESKTOP,
        clientid="plotter-00417",
        companyid=2,
        features=[{"featurecode": "PLUGINS"}],
        udfValues=[{"fieldname": "EDITION", "defaultvalue": "Plotter"}],
    )

    [made] = sandbox.zentitle.records()["licenses"]
    message, certificate = answer.split("\n")
    assert "Passive License Created Successfully." == message
    assert re.fullmatch(r"[0-9a-f]{1000,}", certificate)
    assert ("Harrow & Pike Architects", 1) == (made["company"], made["numActivations"])
    assert ["EXPORT", "PLUGINS"] == [
        each["featureCode"] for each in made["features"] if each["featureAvailability"] == "ON"
    ]
    assert [{"fieldName": "EDITION", "defaultValue": "Plotter"}] == made["udfValues"]


async def test_a_master_license_is_a_code_for_a_network(sandbox, ask):
    answer = await ask("POST", "NetworkMasterLicense", productid=PRO, companyid="2")

    [made] = sandbox.zentitle.records()["licenses"]
    assert re.fullmatch(r"Network Master License Created Successfully\.\n[0-9a-f]{1000,}", answer)
    assert (PRO, 2, "Network", 5) == (
        made["productID"],
        made["companyID"],
        made["concurrencyMode"],
        made["heartbeat"],
    )
    assert "ProductID does not exist" == await ask("POST", "NetworkMasterLicense", productid="1")
