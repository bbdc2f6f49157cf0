"""Zentitle's tasks: whatever becomes of an answer, each write happens once."""

import json
from datetime import date

import pytest
from pydantic import SecretStr
from writes import ReadBack, SentBlindly, Vendor, Write

from blocks.zentitle import ZentitleCredentials
from hookline.clients import AnswerLost, InvalidInput, Unavailable, UnexpectedAnswer
from hookline.journal import EffectUncertain
from hookline.simulators.zentitle.seed import (
    COLLEGE,
    DESKTOP,
    EDUCATION,
    JOINERS,
    LEEDS_GROUP,
    SERVER,
    SITE_CODE,
    STUDIO,
    STUDIO_CODE,
    STUDIO_GROUP,
    STUDIO_PC,
    UNUSED_CODES,
    VIEWER,
)
from tasks import zentitle as tasks
from tasks.effects import BusinessKey

UNUSED, SPARE = UNUSED_CODES
IMPORTED = "900000000000000001"
NEW_PC = "Zq3/9fTnC6uW0qEoD2gK"
TRIAL_PC = "BLX4RrZJ5T9imK7qPrJS"
TOKEN = "[workflow key]"
PASSWORD = "correct horse battery"

SET_AGAIN = (1, 2)
"""What is only set, or asked for, is sent again, which does no harm."""

ON_UNUSED = {"productid": DESKTOP, "licensecode": UNUSED}
ON_STUDIO = {"productid": DESKTOP, "licensecode": STUDIO_CODE}


def with_inputs(**inputs):
    async def prepare(_client):
        return dict(inputs)

    return prepare


def rows(simulator, kind):
    held = simulator.records()
    return held[kind] + held["seeded"][kind]


def held(kind, **fields):
    """Counts the records of a kind that have these values."""

    def count(simulator, _inputs):
        return sum(all(row[name] == value for name, value in fields.items()) for row in rows(simulator, kind))

    return count


def product(simulator, number=DESKTOP):
    return simulator._products[number]


def license_of(simulator, code=UNUSED):
    [row] = [row for row in rows(simulator, "licenses") if row["licenseCode"] == code]
    return row


def activation(purpose, code, computer):
    """What a licensed program shows a person who has to carry it to Zentitle."""
    return json.dumps({"for": purpose, "code": code, "computer": computer}).encode().hex()


# What each needs at the vendor, beside what could be mistaken for it -----------------------------------------


async def a_code_of_the_same_company(client):
    await client.create_license_codes(productid=DESKTOP, companyid=STUDIO, numcodes=1)
    return {"productid": DESKTOP, "companyid": STUDIO, "numcodes": 1}


async def a_code_of_a_profile(client):
    profile = {"productid": DESKTOP, "profilename": "Education"}
    await client.create_license_codes(**profile, numcodes=1)
    return profile


async def a_subscription_of_thirty_days(client):
    extended = ON_UNUSED | {"licensetype": "subscriptionperiod", "subscriptionperiod": 30}
    await client.update_license_code(**extended)
    return extended


async def a_note_of_the_same_text(client):
    await client.create_license_note(**ON_UNUSED, description="Renewed")
    return ON_UNUSED | {"description": "Renewed"}


async def the_same_note_beside_an_extension(client):
    await a_note_of_the_same_text(client)
    extended = await a_subscription_of_thirty_days(client)
    return extended | {"notes": [{"type": "general", "description": "Renewed"}]}


async def one_of_two_notes(client):
    for text in ("to be kept", "to go"):
        await client.create_license_note(**ON_UNUSED, description=text)
    notes = await client.list_license_notes(**ON_UNUSED)
    return ON_UNUSED | {"noteid": notes[1].noteID}


async def two_notes_of_which_one_goes_by_an_update(client):
    one = await one_of_two_notes(client)
    return ON_UNUSED | {"notes": [{"type": "delete", "description": str(one["noteid"])}]}


async def two_notes_that_go(client):
    await one_of_two_notes(client)
    return ON_UNUSED | {"notes": [{"type": "deleteall"}], "all_notes": True}


async def a_record_of_the_same_computer_and_code(client):
    record = ON_UNUSED | {"computerid": NEW_PC, "clientinfo": {"firstname": "Ines"}}
    await client.create_consumer_data(**record)
    with_token = {"licensecode": SPARE, "clientinfo": {"hookline": TOKEN}}
    await client.create_consumer_data(**record | with_token)
    return record


async def a_record_of_the_same_trial(client):
    record = {"productid": VIEWER, "computerid": TRIAL_PC, "clientinfo": {"firstname": "Ines"}}
    await client.create_consumer_data(**record)
    return record


async def a_company_of_the_same_name(client):
    company = {"company": "Smith Ltd", "productid": DESKTOP, "global_": 1}
    await client.create_company(**company, search1="1")
    await client.create_company(**company | {"productid": SERVER, "global_": 0}, search1="2")
    return company | {"search1": "2", "companydata": {"email": "a@b.example"}}


async def a_group_without_features(client):
    group = {"featureGroupName": "Old", "notes": "unused"}
    await client.create_product_feature_groups(productId=DESKTOP, featureGroups=[group])
    return {"productId": DESKTOP, "featureGroupName": "Old"}


async def two_groups_without_features(client):
    await a_group_without_features(client)
    renamed = {"featureGroupName": "Extensions", "newFeatureGroupName": "Add-ons"}
    return {
        "productId": DESKTOP,
        "featureGroups": [renamed, {"featureGroupName": "Old", "notes": "changed"}],
    }


PRODUCT = {
    "productname": "Draftline Mobile",
    "intrial": True,
    "trialperiod": 14,
    "clientofflineleaseperiod": 7,
    "licensetype": "subscriptionperiod",
    "subscriptionperiod": 30,
    "featuregroups": [{"featuregroupname": "Extras"}],
    "features": [
        {
            "featurename": "Ink",
            "featurecode": "INK",
            "notes": "Pens",
            "featuretype": "consumptiontokens",
            "featuregroupname": "Extras",
            "availableintrials": False,
        },
        {"featurename": "View", "featurecode": "VIEW", "notes": "Looks", "featuregroupname": "default"},
    ],
    "udfvalues": [{"fieldname": "EDITION", "defaultvalue": "Mobile"}, {"fieldname": "REGION"}],
}
PROFILE = {
    "productid": DESKTOP,
    "profilename": "Trade",
    "enabledforuse": True,
    "acquiredbywebservice": False,
    "licensetype": "expirationdate",
    "subscriptionenddate": date(2033, 1, 31),
    "maintenanceenddate": date(2034, 1, 31),
    "clientofflineleaseperiod": 7,
    "concurrencymode": "off",
    "concurrentprocesses": 0,
    "clientsallowed": 3,
    "reseller": "Northgate Software",
    "features": [
        {"featurecode": "RENDER", "featureavailability": "on", "limit": 50},
        {"featurecode": "EXPORT", "featureavailability": "off"},
    ],
    "udfvalues": [{"fieldname": "EDITION", "defaultvalue": "Trade"}],
    "serverFunctions": [{"enabled": "on", "parametervalue": 20}],
}
USER = {"username": "new.user", "password": PASSWORD, "firstname": "Ines", "email": "ines@b.example"}


def terms(field, value, code=UNUSED, lost=(1, 1), **changed):
    """A change of the terms of a license, seen in a field of it."""
    which = {"productid": SERVER if code == SITE_CODE else DESKTOP, "licensecode": code}
    return Write(
        "update_license_code",
        with_inputs(**which, **changed),
        lambda simulator, _: int(license_of(simulator, code)[field] == value),
        lost,
    )


def feature(name, **expected):
    """Counts the features of the product that have these values."""
    return lambda simulator, _: sum(
        all(getattr(each, field) == value for field, value in (expected | {"code": name}).items())
        for each in product(simulator).features
    )


def udf(name):
    return lambda simulator, _: sum(each.name == name for each in product(simulator).udfs)


def active_on(code, computer):
    def count(simulator, _inputs):
        [found] = [each for each in simulator._licenses.values() if each.code == code]
        return sum(each.active and each.computer == computer for each in found.activity)

    return count


def days(simulator, _inputs):
    """How often thirty days were given."""
    return license_of(simulator)["subscriptionperiod"] // 30


def assigned(simulator, inputs):
    return int((inputs["productid"], inputs["licensecode"]) in simulator._assigned)


LICENSES = [
    Write("create_license_codes", a_code_of_the_same_company, held("licenses", companyID=STUDIO)),
    Write(
        "create_license_codes",
        with_inputs(productid=DESKTOP, companyid=STUDIO, licensecodes=f"{IMPORTED}, "),
        held("licenses", licenseCode=IMPORTED),
    ),
    Write("update_license_code", a_subscription_of_thirty_days, days),
    Write("update_license_code", the_same_note_beside_an_extension, days),
    Write("update_license_code", the_same_note_beside_an_extension, held("notes", licenseCode=UNUSED)),
    Write("update_license_code", two_notes_of_which_one_goes_by_an_update, held("notes", licenseCode=UNUSED)),
    Write(
        "update_license_code",
        two_notes_that_go,
        lambda simulator, _: int(not held("notes", licenseCode=UNUSED)(simulator, _)),
    ),
    terms("clientsallowed", 7, clientsallowed=7),
    terms("enabledforuse", "False", enabledforuse=False),
    terms("clientOfflineLeaseperiod", 9 * 24, clientofflineleaseperiod=9),
    terms("concurrencyMode", "Cloud", concurrencymode="cloud"),
    terms("concurrencyMode", "None", SITE_CODE, concurrencymode="off"),
    terms("maintenanceEnddate", None, SITE_CODE, maintenanceenddate="reset"),
    terms("maintenanceEnddate", "2031-05-06T00:00:00", maintenanceenddate=date(2031, 5, 6)),
    terms("companyID", STUDIO, companyid=STUDIO),
    terms("companyID", 0, SITE_CODE, companyid=0),
    terms("profilename", "Education", profilename="education"),
    terms("profilename", "Default", SITE_CODE, profilename="default"),
    terms(
        "udfValues",
        [{"fieldName": "EDITION", "defaultValue": "Gift"}],
        udfvalues=[{"fieldname": "EDITION", "defaultvalue": "Gift"}],
    ),
    terms("clientsallowed", 30, lost=SET_AGAIN, profilename="Education", inheritprofile=True),
    terms("reference", "order 7", lost=SET_AGAIN, reference="order 7"),
    Write(
        "update_license_code",
        with_inputs(
            productid=SERVER, licensecode=SITE_CODE, features=[{"featurecode": "SEATS", "limit": 40}]
        ),
        lambda simulator, _: int("MaximumActive : 40" in str(license_of(simulator, SITE_CODE)["features"])),
        SET_AGAIN,
    ),
    Write(
        "take_next_license_codes",
        with_inputs(productid=DESKTOP),
        held("licenses", acquiredbywebservice="True"),
    ),
    Write("take_next_license_codes", a_code_of_a_profile, held("licenses", acquiredbywebservice="True")),
    Write(
        "delete_license_code_activity",
        with_inputs(**ON_STUDIO, computerid=STUDIO_PC),
        active_on(STUDIO_CODE, STUDIO_PC),
    ),
    Write(
        "delete_license_code_activity",
        with_inputs(**ON_STUDIO, all_activity=True),
        active_on(STUDIO_CODE, STUDIO_PC),
    ),
    Write("create_license_note", a_note_of_the_same_text, held("notes", licenseCode=UNUSED)),
    Write("delete_license_note", one_of_two_notes, held("notes", licenseCode=UNUSED)),
]

PRODUCTS = [
    Write(
        "create_product",
        with_inputs(**PRODUCT),
        lambda simulator, _: sum(
            each.name == PRODUCT["productname"] for each in simulator._products.values()
        ),
    ),
    Write(
        "create_product_feature_groups",
        with_inputs(productId=DESKTOP, featureGroups=[{"featureGroupName": "New", "notes": "Fresh"}]),
        lambda simulator, _: int(product(simulator).groups.get("New") == "Fresh"),
    ),
    Write(
        "update_product_feature_groups",
        with_inputs(productId=DESKTOP, featureGroups=[{"featureGroupName": "Extensions", "notes": "Paid"}]),
        lambda simulator, _: int(product(simulator).groups["Extensions"] == "Paid"),
        SET_AGAIN,
    ),
    Write(
        "delete_product_feature_group",
        a_group_without_features,
        lambda simulator, _: int("Old" in product(simulator).groups),
    ),
    Write(
        "create_product_features",
        with_inputs(
            productId=DESKTOP,
            features=[
                {
                    "featureCode": "INK",
                    "featureName": "Ink",
                    "notes": "Pens",
                    "featureType": "consumptionTokens",
                    "featureGroupName": "Extensions",
                    "availableInTrials": False,
                }
            ],
        ),
        feature("INK"),
    ),
    Write(
        "update_product_features",
        with_inputs(
            productId=DESKTOP,
            features=[{"featureCode": "EXPORT", "newfeatureCode": "SAVE", "availableInTrials": True}],
        ),
        feature("SAVE"),
    ),
    Write(
        "update_product_features",
        with_inputs(
            productId=DESKTOP, features=[{"featureCode": "EXPORT", "notes": "X", "availableInTrials": True}]
        ),
        feature("EXPORT", notes="X"),
        SET_AGAIN,
    ),
    Write(
        "delete_product_feature", with_inputs(productId=DESKTOP, featureCode="PLUGINS"), feature("PLUGINS")
    ),
    Write(
        "create_product_udf",
        with_inputs(productId=DESKTOP, udfValues=[{"fieldName": "REGION", "defaultValue": "North"}]),
        udf("REGION"),
    ),
    Write(
        "update_product_udf",
        with_inputs(productId=DESKTOP, udfValues=[{"fieldName": "EDITION", "newFieldName": "VERSION"}]),
        udf("VERSION"),
    ),
    Write(
        "update_product_udf",
        with_inputs(productId=DESKTOP, udfValues=[{"fieldName": "EDITION", "defaultValue": "Gift"}]),
        lambda simulator, _: sum(each.default == "Gift" for each in product(simulator).udfs),
        SET_AGAIN,
    ),
    Write("delete_product_udf", with_inputs(productId=DESKTOP, fieldName="EDITION"), udf("EDITION")),
    Write(
        "create_profile",
        with_inputs(**PROFILE),
        lambda simulator, _: sum(each.name == "Trade" for each in simulator._profiles.values()),
    ),
]

CUSTOMERS = [
    Write(
        "create_consumer_data",
        a_record_of_the_same_computer_and_code,
        held("consumer_records", computerID=NEW_PC),
    ),
    Write(
        "create_consumer_data",
        a_record_of_the_same_trial,
        held("consumer_records", computerID=TRIAL_PC),
    ),
    Write(
        "delete_trial",
        with_inputs(productid=VIEWER, computerid=TRIAL_PC),
        held("trials", computerId=TRIAL_PC),
    ),
    Write(
        "get_offline_activation",
        with_inputs(productid=DESKTOP, activationcertificate=activation("activate", UNUSED, NEW_PC)),
        active_on(UNUSED, NEW_PC),
        SET_AGAIN,
    ),
    Write(
        "delete_offline_activation",
        with_inputs(
            productid=DESKTOP, deactivationcertificate=activation("deactivate", STUDIO_CODE, STUDIO_PC)
        ),
        active_on(STUDIO_CODE, STUDIO_PC),
    ),
    Write("create_company", a_company_of_the_same_name, held("companies", company="Smith Ltd")),
    Write("delete_company", with_inputs(companyid=COLLEGE), held("companies", companyID=COLLEGE)),
    Write("delete_company", with_inputs(companyid=JOINERS), held("companies", companyID=JOINERS)),
    Write(
        "create_group",
        with_inputs(
            groupname="York", type="standard", description="New", mastergroupid=STUDIO_GROUP, companyid=0
        ),
        held("groups", groupName="York"),
    ),
    Write(
        "delete_group",
        with_inputs(groupname="Harrow & Pike Leeds"),
        held("groups", groupID=LEEDS_GROUP),
    ),
    Write(
        "create_group_user",
        with_inputs(groupid=LEEDS_GROUP, **USER),
        held("group_users", userName="new.user"),
    ),
    Write("delete_group_user", with_inputs(groupuserid=9), held("group_users", groupUserID=9)),
    Write(
        "assign_group_license_code",
        with_inputs(**ON_UNUSED, groupid=LEEDS_GROUP, companyid=STUDIO, profileid=EDUCATION),
        assigned,
    ),
    Write("unassign_group_license_code", with_inputs(**ON_STUDIO, groupid=LEEDS_GROUP), assigned),
    Write(
        "create_group_user_license",
        with_inputs(groupname="York", **ON_UNUSED, **USER),
        held("group_users", userName="new.user"),
    ),
]

CERTIFICATES = [
    Write(
        "create_passive_license",
        with_inputs(productid=DESKTOP, clientid="a-machine-offline", companyid=STUDIO),
        held("licenses", companyID=STUDIO),
    ),
    Write(
        "create_network_master_license",
        with_inputs(productid=SERVER, companyid=STUDIO),
        held("licenses", companyID=STUDIO),
    ),
]

GROUPS = [
    Write(
        "update_product_feature_groups",
        two_groups_without_features,
        lambda simulator, _: int("Add-ons" in product(simulator).groups),
        (1, 3),
    )
]

EVENT = Write("create_datastreamer_event", with_inputs(event="Renewed"), held("events", event="Renewed"))


@pytest.fixture
def vendor(sandbox, zentitle):
    return Vendor(tasks, zentitle, sandbox.zentitle)


@pytest.fixture
async def client(zentitle):
    async with zentitle.get_client() as client:
        yield client


@pytest.mark.parametrize("write", [*LICENSES, *PRODUCTS, *CUSTOMERS], ids=str)
class TestLookedFor(ReadBack):
    """Writes that are found again."""


@pytest.mark.parametrize("write", GROUPS, ids=str)
class TestLookedForByItself(ReadBack):
    """No call lists the groups of features: for each name, old or new, a change is sent that changes nothing."""

    async def test_failed_before_it_did_anything_it_is_sent_again(self, case):
        case.misbehave("refuse", status=503)
        with pytest.raises(Unavailable):
            await case.call()

        answer = await case.call()

        assert (1, 4) == (case.happened, case.sent)
        assert case.answers(answer)


@pytest.mark.parametrize("write", CERTIFICATES, ids=str)
class TestNotToBeFoundAgain(ReadBack):
    """A certificate is shown in the answer only, and another costs another license code."""

    async def test_with_its_answer_lost_it_happens_once(self, case):
        case.misbehave("lose")
        with pytest.raises(AnswerLost):
            await case.call()

        for _ in range(2):
            with pytest.raises(EffectUncertain, match="new at the vendor are"):
                await case.call()

        assert (1, 1) == (case.happened, case.sent)


@pytest.mark.parametrize("write", [EVENT], ids=str)
class TestSentBlindly(SentBlindly):
    """Events bear nothing by which they are known, and cannot be read."""

    @pytest.fixture
    def vendor(self, sandbox):
        key = SecretStr("sandbox-zentitle-ds")
        credentials = ZentitleCredentials(base_url=sandbox.zentitle.url, customer_id="1234", api_key=key)
        return Vendor(tasks, credentials, sandbox.zentitle)


def test_every_write_is_among_those_that_are_tried():
    tried = {write.operation for write in (*LICENSES, *PRODUCTS, *CUSTOMERS, *CERTIFICATES, *GROUPS, EVENT)}
    written = {
        name
        for name, task in vars(tasks).items()
        if "business" in getattr(getattr(task, "fn", None), "__annotations__", {})
    }

    assert written - {"add_company", "choose_license_codes", "set_license_terms"} == tried


# What is not taken for ours ---------------------------------------------------------------------------------


async def test_a_group_of_the_same_name_that_is_another_is_not_taken_for_ours(vendor, client, business):
    await client.create_group(groupname="York", type="master")
    inputs = {"groupname": "York", "type": "standard"}

    for _ in range(2):
        with pytest.raises(UnexpectedAnswer, match="already exists"):
            await vendor.call("create_group", business, inputs)

    assert "Master" == (await client.get_group(groupname="York")).type


@pytest.mark.parametrize("other", [{"password": "another"}, {"groupid": STUDIO_GROUP}], ids=str)
async def test_a_user_of_the_same_name_that_is_another_is_not_taken_for_ours(vendor, client, business, other):
    inputs = {"groupid": LEEDS_GROUP, "username": "new.user", "password": PASSWORD}
    await client.create_group_user(**inputs | other)

    for _ in range(2):
        with pytest.raises(UnexpectedAnswer, match="already exists"):
            await vendor.call("create_group_user", business, inputs)


@pytest.mark.parametrize("other", [{"password": "another"}, {"username": "old.user"}], ids=str)
async def test_a_licensed_group_with_another_user_is_not_taken_for_ours(vendor, client, business, other):
    inputs = {"groupname": "York", **ON_UNUSED, **USER}
    await client.create_group_user_license(**inputs | other)

    for _ in range(2):
        with pytest.raises(UnexpectedAnswer, match="already exists"):
            await vendor.call("create_group_user_license", business, inputs)


@pytest.mark.parametrize(
    "other", [{"companyid": COLLEGE, "profileid": EDUCATION}, {"companyid": STUDIO, "profileid": 0}]
)
async def test_a_code_in_its_group_with_another_company_or_profile_is_not_taken_for_ours(
    vendor, client, business, other
):
    inputs = ON_UNUSED | {"groupid": LEEDS_GROUP, "companyid": STUDIO, "profileid": EDUCATION}
    await client.assign_group_license_code(**inputs | other)

    for _ in range(2):
        with pytest.raises(UnexpectedAnswer, match="already assigned"):
            await vendor.call("assign_group_license_code", business, inputs)


async def test_a_code_behind_a_certificate_is_not_taken_for_one_that_was_to_be_generated(
    vendor, business, database
):
    generated = {"productid": DESKTOP, "companyid": STUDIO, "numcodes": 1}
    vendor.misbehave("create_license_codes", "refuse")
    with pytest.raises(Unavailable):
        await vendor.call("create_license_codes", business, generated)
    passive = {"productid": DESKTOP, "companyid": STUDIO, "clientid": "a-machine-offline"}
    await vendor.call("create_passive_license", BusinessKey("workflow", "other", "thing 8"), passive)

    [code] = await vendor.call("create_license_codes", business, generated)

    [[behind]] = await database.fetchval("SELECT array_agg(reference) FROM effects WHERE key = 'other'")
    assert code != behind
    assert {code, behind} == {row["licenseCode"] for row in vendor.simulator.records()["licenses"]}


async def test_a_code_taken_of_another_profile_is_not_taken_for_ours(vendor, client, business):
    of_profile = await a_code_of_a_profile(client)
    vendor.misbehave("take_next_license_codes", "refuse")
    with pytest.raises(Unavailable):
        await vendor.call("take_next_license_codes", business, {"productid": DESKTOP})
    others = await client.take_next_license_codes(**of_profile)

    ours = await vendor.call("take_next_license_codes", business, {"productid": DESKTOP})

    assert (1, 1) == (len(ours), len(others))
    assert ours != others


async def test_codes_of_no_company_are_counted_together_whichever_way_that_is_said(
    vendor, business, database
):
    for step, none in (("one", {}), ("two", {"companyid": 0})):
        with_inputs = {"productid": DESKTOP, "numcodes": 1} | none
        await vendor.call("create_license_codes", business.step(step), with_inputs)

    assert 1 == await database.fetchval("SELECT count(DISTINCT scope) FROM effects")


async def test_a_change_that_brings_a_note_is_known_by_it_whatever_becomes_of_its_days(
    vendor, client, business
):
    extended = await the_same_note_beside_an_extension(client)
    vendor.simulator.log.clear()
    vendor.misbehave("update_license_code", "lose")
    with pytest.raises(AnswerLost):
        await vendor.call("update_license_code", business, extended)
    await client.update_license_code(**ON_UNUSED, licensetype="perpetual")
    await a_subscription_of_thirty_days(client)  # as it was before

    await vendor.call("update_license_code", business, extended)

    theirs = 2
    assert 1 == vendor.sent("update_license_code") - theirs


async def test_what_a_person_mends_between_attempts_does_not_make_it_another_company(
    vendor, client, business
):
    inputs = await a_company_of_the_same_name(client)
    vendor.simulator.log.clear()
    vendor.misbehave("create_company", "lose")
    with pytest.raises(AnswerLost):
        await vendor.call("create_company", business, inputs)

    await vendor.call("create_company", business, inputs | {"companydata": {"email": "fixed@b.example"}})

    assert 1 == vendor.sent("create_company")


# What people see of it --------------------------------------------------------------------------------------


async def test_a_certificate_reaches_its_caller_even_where_the_code_behind_it_cannot_be_told(
    vendor, business, database
):
    before_and_after = 2  # each time, first their number is asked for
    vendor.misbehave("list_license_codes", "refuse", skip=before_and_after)
    passive = {"productid": DESKTOP, "companyid": STUDIO, "clientid": "a-machine-offline"}

    license_ = await vendor.call("create_passive_license", business, passive)

    assert license_.certificate
    assert "done" == await database.fetchval("SELECT state FROM effects")


async def test_a_change_that_is_counted_answers_in_the_vendor_s_words(vendor, client, business):
    extended = await a_subscription_of_thirty_days(client)

    said = await vendor.call("update_license_code", business, extended)

    assert "License Code Details Updated Successfully" == said


async def test_fewer_codes_than_were_asked_for_are_told_to_a_person(vendor, business):
    with pytest.raises(EffectUncertain, match=f"4 were asked for and 3 came: .*{UNUSED}.*{SPARE}"):
        await vendor.call("take_next_license_codes", business, {"productid": DESKTOP, "amount": 4})


async def test_a_company_that_could_not_be_told_from_its_namesakes_is_not_made(vendor, business):
    with pytest.raises(InvalidInput, match="give search1 or search2 or search3"):
        await vendor.call("create_company", business, {"company": "Smith Ltd", "productid": DESKTOP})

    assert 0 == vendor.sent("create_company")


async def test_notes_and_records_bear_the_mark_of_their_business(vendor, client, business):
    notes = [{"type": "system", "description": "Renewed"}]
    await vendor.call("update_license_code", business, ON_UNUSED | {"notes": notes})
    await vendor.call(
        "create_consumer_data",
        business,
        ON_UNUSED | {"computerid": NEW_PC, "clientinfo": {"firstname": "Ines"}},
    )

    [note] = await client.list_license_notes(**ON_UNUSED)
    [record] = (await client.list_consumer_data(productid=DESKTOP, computerid=NEW_PC)).Results
    changed, recorded = (
        f"[workflow key: {step} of {which}]"
        for step, which in (
            ("update license code", UNUSED),
            ("create consumer data", f"{UNUSED}, {NEW_PC}"),
        )
    )
    assert f"Renewed\n{changed}" == note.description
    assert {"firstname": "Ines", "hookline": recorded} == record.clientInfo


async def test_a_password_is_not_written_into_the_journal(vendor, business, database):
    await vendor.call("create_group_user", business, {"groupid": LEEDS_GROUP, **USER})

    assert PASSWORD not in await database.fetchval("SELECT effects::text FROM effects")
