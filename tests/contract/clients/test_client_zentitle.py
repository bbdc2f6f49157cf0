"""Zentitle's operations against its simulator."""

import httpx
import pytest
from pydantic import SecretStr

from hookline.clients import (
    NotAllowed,
    NotAuthenticated,
    NotFound,
    Refused,
    UnexpectedAnswer,
    pages,
)

# What the simulator holds from the start.
PRO, DESKTOP, SERVER, VIEWER = "6453300110", "3659410102", "6503310104", "3117410103"
STUDIO, STUDIO_CODE, STUDIO_PC = 2, "286450110220930851", "kQe0MRH1+bYgemkYW2bc"
IN_USE = {"productid": DESKTOP, "licensecode": STUDIO_CODE}
UNUSED = ["286450110220930853", "286450110220930854"]
STUDIO_GROUP, EDUCATION = 9, 13


async def test_generated_codes_are_returned_and_read_back(zentitle):
    codes = await zentitle.create_license_codes(productid=PRO, numcodes=2, reference="order-1")

    read = [await zentitle.get_license_code(licensecode=code, productid=PRO) for code in codes]

    assert codes == [each.licenseCode for each in read]
    assert 2 == len(set(codes))


async def test_imported_codes_are_not_repeated_in_the_answer(zentitle):
    codes = await zentitle.create_license_codes(productid=PRO, licensecodes="900000000000000001")

    read = await zentitle.get_license_code(licensecode="900000000000000001")

    assert ([], "900000000000000001", PRO) == (codes, read.licenseCode, read.productID)


async def test_a_code_imported_twice_is_refused(zentitle):
    await zentitle.create_license_codes(productid=PRO, licensecodes="900000000000000001")

    with pytest.raises(Refused):
        await zentitle.create_license_codes(productid=PRO, licensecodes="900000000000000001")


async def test_a_licence_is_configured(zentitle):
    [code] = await zentitle.create_license_codes(productid=PRO, numcodes=1)
    await zentitle.update_license_code(
        productid=PRO,
        licensecode=code,
        enabledforuse=False,
        licensetype="expirationdate",
        subscriptionenddate="2030-06-30",
        clientsallowed=7,
    )

    read = await zentitle.get_license_code(licensecode=code)

    assert (False, 7, 2030) == (read.enabledforuse, read.clientsallowed, read.subscriptionEnddate.year)


async def test_an_unknown_code_is_not_there(zentitle):
    with pytest.raises((NotFound, Refused)):
        await zentitle.get_license_code(licensecode="1")


async def test_a_note_is_added_and_listed(zentitle):
    [code] = await zentitle.create_license_codes(productid=PRO, numcodes=1)
    await zentitle.create_license_note(productid=PRO, licensecode=code, description="order 100123")

    notes = await zentitle.list_license_notes(productid=PRO, licensecode=code)

    assert "order 100123" in [note.description for note in notes]


async def test_every_code_is_listed_page_by_page(zentitle, monkeypatch):
    monkeypatch.setattr(zentitle.list_license_codes.operation.input, "page_size", 2)
    before = {code.licenseCode async for code in pages(zentitle.list_license_codes, productid=PRO)}
    made = set(await zentitle.create_license_codes(productid=PRO, numcodes=5))

    listed = {code.licenseCode async for code in pages(zentitle.list_license_codes, productid=PRO)}

    assert made == listed - before


async def test_products_and_profiles_are_read(zentitle):
    products = await zentitle.list_products()
    one = await zentitle.get_product(productid=PRO)

    assert PRO in [product.productId for product in products]
    assert PRO == one.productId


async def test_a_profile_is_read(zentitle):
    profile = await zentitle.get_profile(productid="6872450105", profilename="Team")

    assert "Team" == profile.profileName


async def test_a_consumer_record_is_kept_with_its_details(zentitle):
    [code] = await zentitle.create_license_codes(productid=PRO, numcodes=1)
    person = {"firstname": "Ann", "email": "ann@example.com", "order": "100123"}
    await zentitle.create_consumer_data(
        productid=PRO, computerid="order-100123", clientinfo=person, licensecode=code
    )

    records = await zentitle.list_consumer_data(productid=PRO, justlast=False)

    assert [person] == [record.clientInfo for record in records.Results]


async def test_a_company_is_created_and_found_by_name(zentitle):
    await zentitle.create_company(company="Ace Ltd", productid=PRO, companydata={"debtor": "1001"})

    found = await zentitle.get_company_id(company="Ace Ltd", productid=PRO)
    company = await zentitle.get_company(companyid=found.companyID, productid=PRO)

    assert ("Ace Ltd", {"debtor": "1001"}) == (company.company, company.companyData)


async def test_a_global_company_is_created_and_found_by_name(zentitle):
    await zentitle.create_company(company="Ace Ltd", productid=PRO, global_=1)

    found = await zentitle.get_company_id(company="Ace Ltd")

    assert "Ace Ltd" == found.company


async def test_an_unknown_company_is_not_found(zentitle):
    with pytest.raises(NotFound):
        await zentitle.get_company_id(company="Nobody")


# Lists ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "inputs"),
    [
        ("list_license_codes", {}),
        ("list_profiles", {}),
        ("list_trials", {}),
        ("list_consumer_data", {"productid": DESKTOP, "justlast": False}),
    ],
)
async def test_the_count_of_a_list_is_that_of_its_rows(zentitle, name, inputs):
    call = getattr(zentitle, name)
    page = {field: 0 for field in call.operation.input.model_fields if field.lower() == "pagenumber"}

    counted = await call(**inputs, **page)
    rows = [row async for row in pages(call, **inputs)]

    assert counted.Total == len(rows) > 1
    assert [] == counted.Results


async def test_lists_are_narrowed_by_their_filters(zentitle):
    taken = await zentitle.list_license_codes(productid=DESKTOP, acquiredbywebservice=True)
    unused = await zentitle.list_license_codes(productid=DESKTOP, used=False, acquiredbywebservice=False)
    converted = await zentitle.list_trials(productId=VIEWER, converted=True)
    expired = await zentitle.list_trials(productId=VIEWER, trialStatus="expired", createdBefore="2100-01-01")

    assert [True] == [code.acquiredbywebservice for code in taken.Results]
    assert set(UNUSED) <= {code.licenseCode for code in unused.Results}
    assert [30] == [trial.trialPeriod for trial in converted.Results]
    assert {"Trial Expired"} == {trial.trialStatus for trial in expired.Results}


# Codes ------------------------------------------------------------------------------------------------------


async def test_codes_are_taken_once_and_may_be_fewer_than_asked_for(zentitle):
    taken = await zentitle.take_next_license_codes(productid=DESKTOP, amount=5)
    none = await zentitle.take_next_license_codes(productid=DESKTOP)
    await zentitle.update_license_code(productid=DESKTOP, licensecode=taken[0], acquiredbywebservice=False)

    again = await zentitle.take_next_license_codes(productid=DESKTOP)

    assert set(UNUSED) <= set(taken)
    assert ([], taken[:1]) == (none, again)


async def test_codes_of_an_unknown_profile_are_not_taken(zentitle):
    with pytest.raises(NotFound):
        await zentitle.take_next_license_codes(productid=DESKTOP, profilename="Nobody")


async def test_a_licence_is_read_with_its_limits_and_its_functions(zentitle):
    read = await zentitle.get_license_code(**IN_USE, getsfs=1, showfeatures="all")

    [checkout] = [each for each in read.serverFunctions if each.functionName == "LTCO"]
    limits = {each.featureCode: each.featureDetails for each in read.features}
    assert (False, None) == (checkout.enabled, checkout.parameterValue)
    assert {"TokenLimit": 100, "TokenCount": 20} == limits["RENDER"]
    assert {} == limits["EXPORT"]


async def test_days_offline_are_hours_when_read(zentitle):
    await zentitle.update_license_code(**IN_USE, clientofflineleaseperiod=2)

    read = await zentitle.get_license_code(**IN_USE)

    assert 48 == read.clientOfflineLeaseperiod


async def test_a_date_is_reset_and_a_function_set(zentitle):
    functions = [{"functionname": "LTCO", "enabled": "on", "parametervalue": 20}]
    await zentitle.update_license_code(**IN_USE, maintenanceenddate="2030-01-31", serverFunctions=functions)
    with_date = await zentitle.get_license_code(**IN_USE, getsfs=1)
    await zentitle.update_license_code(**IN_USE, maintenanceenddate="reset")

    without = await zentitle.get_license_code(**IN_USE)

    assert (2030, None) == (with_date.maintenanceEnddate.year, without.maintenanceEnddate)
    assert 20 in [each.parameterValue for each in with_date.serverFunctions]


async def test_a_licence_without_network_is_made_with_its_certificate(zentitle):
    before = (await zentitle.list_license_codes(productid=SERVER, pagenumber=0)).Total

    passive = await zentitle.create_passive_license(
        productid=SERVER, clientid="3487abcdefgh12345", features=[{"featurecode": "SEATS"}]
    )
    master = await zentitle.create_network_master_license(productid=SERVER, companyid=STUDIO)
    after = (await zentitle.list_license_codes(productid=SERVER, pagenumber=0)).Total

    assert "Passive License Created Successfully." == passive.message
    assert 500 < min(len(passive.certificate), len(master.certificate))
    assert 2 == after - before


async def test_a_licence_of_an_unknown_product_is_refused(zentitle):
    with pytest.raises(Refused):
        await zentitle.create_passive_license(productid="1", clientid="3487abcdefgh12345")


# Activity ---------------------------------------------------------------------------------------------------


async def test_activity_is_read_returned_and_deleted(zentitle):
    before = await zentitle.list_license_code_activity(**IN_USE, getsysinfo=1)
    active = await zentitle.list_license_code_activity(**IN_USE, activated=1)
    await zentitle.return_license_code_activations(**IN_USE)
    returned = await zentitle.list_license_code_activity(**IN_USE, activated=1)
    await zentitle.delete_license_code_activity(**IN_USE, computerid=STUDIO_PC)
    one_less = await zentitle.list_license_code_activity(**IN_USE)
    await zentitle.delete_license_code_activity(**IN_USE, all_activity=True)

    none = await zentitle.list_license_code_activity(**IN_USE)

    assert ([False, True], 64) == ([each.deactivated is None for each in before], before[0].systemInfo.bitage)
    assert [STUDIO_PC] == [each.computerID for each in active]
    assert (0, 1, 0) == (len(returned), len(one_less), len(none))


async def test_the_activity_of_a_computer_that_has_none_is_not_reported_as_done(zentitle):
    with pytest.raises(UnexpectedAnswer) as failure:
        await zentitle.delete_license_code_activity(**IN_USE, computerid="no-such-computer")

    assert failure.value.maybe_applied


async def test_a_computer_tells_its_codes_and_itself(zentitle):
    codes = await zentitle.list_activated_license_codes(computerid=STUDIO_PC)
    details = await zentitle.get_system_details(productid=DESKTOP, computerid=STUDIO_PC)

    assert [STUDIO_CODE] == [each.licenseCode for each in codes]
    assert (STUDIO_PC, 64, 1920) == (details.computerID, details.bitage, details.screenresx)


async def test_an_unknown_computer_has_no_codes_and_no_details(zentitle):
    assert [] == await zentitle.list_activated_license_codes(computerid="no-such-computer")
    with pytest.raises(NotFound):
        await zentitle.get_system_details(productid=DESKTOP, computerid="no-such-computer")


async def test_a_program_is_activated_and_deactivated_offline(sandbox, zentitle):
    async with httpx.AsyncClient(base_url=sandbox.zentitle.url) as program:
        made = (await program.post(f"/_sandbox/licenses/{UNUSED[0]}/certificates")).json()
    requests = {"productid": made["productID"]}

    unlocked = await zentitle.get_offline_activation(
        **requests, activationcertificate=made["activationcertificate"]
    )
    active = await zentitle.list_activated_license_codes(computerid=made["computerID"])
    done = await zentitle.delete_offline_activation(
        **requests, deactivationcertificate=made["deactivationcertificate"]
    )
    with pytest.raises(Refused):
        await zentitle.delete_offline_activation(
            **requests, deactivationcertificate=made["deactivationcertificate"]
        )

    assert 500 < len(unlocked.certificate)
    assert ([UNUSED[0]], "OK") == ([each.licenseCode for each in active], done)


async def test_a_certificate_that_is_none_is_refused(zentitle):
    with pytest.raises(Refused, match="not valid"):
        await zentitle.get_offline_activation(productid=DESKTOP, activationcertificate="d080km4t5G")


# Notes ------------------------------------------------------------------------------------------------------


async def test_notes_are_changed_and_deleted_one_by_one_or_all(zentitle):
    for text in ("first", "second", "third"):
        await zentitle.create_license_note(**IN_USE, description=text)
    first, second, _ = await zentitle.list_license_notes(**IN_USE)
    await zentitle.update_license_note(**IN_USE, noteid=first.noteID, description="changed", type="system")
    await zentitle.delete_license_note(**IN_USE, noteid=second.noteID)
    left = await zentitle.list_license_notes(**IN_USE)
    await zentitle.delete_license_note(**IN_USE, all_notes=True)

    assert [("changed", "System"), ("third", "General")] == [(each.description, each.type) for each in left]
    assert [] == await zentitle.list_license_notes(**IN_USE)


async def test_notes_are_replaced_with_the_licence(zentitle):
    await zentitle.create_license_note(**IN_USE, description="old")
    await zentitle.update_license_code(
        **IN_USE, notes=[{"type": "general", "description": "new"}, {"type": "deleteall"}], all_notes=True
    )

    read = await zentitle.get_license_code(**IN_USE, getnotes=1)

    assert ["new"] == [note.description for note in read.notes]


async def test_an_unknown_note_is_not_reported_as_done(zentitle):
    with pytest.raises(UnexpectedAnswer, match="does not exist"):
        await zentitle.delete_license_note(**IN_USE, noteid=999_999_999)


# Products ---------------------------------------------------------------------------------------------------


async def product_named(zentitle, name):
    return next(each for each in await zentitle.list_products() if each.productName == name)


async def test_a_product_is_created_with_its_parts_and_changed(zentitle):
    await zentitle.create_product(
        productname="Draftline Cloud",
        intrial=True,
        licensetype="subscriptionperiod",
        subscriptionperiod=100,
        clientofflineleaseperiod=1,
        featuregroups=[{"featuregroupname": "Extras"}],
        features=[
            {"featurename": "Maps", "featurecode": "MAPS", "notes": "x", "featuregroupname": "Extras"},
            {"featurename": "Tokens", "featurecode": "TOK", "notes": "x", "featuretype": "consumptiontokens"},
        ],
        udfvalues=[{"fieldname": "EDITION", "defaultvalue": "Cloud"}],
    )
    made = await product_named(zentitle, "Draftline Cloud")
    await zentitle.update_product(productid=made.productId, productname="Draftline Sky", clientsAllowed=7)

    changed = await zentitle.get_product(productid=made.productId)

    assert (30, 24, "Extras") == (
        made.trialPeriod,
        made.clientOfflineLeasePeriod,
        made.features[0].featureGroup,
    )
    assert [("EDITION", "Cloud")] == [(each.fieldName, each.defaultValue) for each in made.udfValues]
    assert ("Draftline Sky", 7) == (changed.productName, changed.clientsAllowed)


async def test_the_parts_of_a_product_are_made_changed_and_deleted(zentitle):
    product = {"productId": VIEWER}
    await zentitle.create_product_feature_groups(**product, featureGroups=[{"featureGroupName": "Extras"}])
    await zentitle.update_product_feature_groups(
        **product, featureGroups=[{"featureGroupName": "Extras", "newFeatureGroupName": "More"}]
    )
    await zentitle.create_product_features(
        **product,
        features=[{"featureCode": "A", "featureName": "a", "notes": "x", "featureGroupName": "More"}],
    )
    await zentitle.update_product_features(
        **product, features=[{"featureCode": "A", "newfeatureCode": "B", "availableInTrials": True}]
    )
    await zentitle.create_product_udf(**product, udfValues=[{"fieldName": "F"}])
    await zentitle.update_product_udf(**product, udfValues=[{"fieldName": "F", "newFieldName": "G"}])
    made = await zentitle.get_product(productid=VIEWER)
    await zentitle.delete_product_feature(**product, featureCode="B")
    await zentitle.delete_product_udf(**product, fieldName="G")
    await zentitle.delete_product_feature_group(**product, featureGroupName="More")

    left = await zentitle.get_product(productid=VIEWER)

    assert ("B", "More") in [(each.featureCode, each.featureGroup) for each in made.features]
    assert "G" in [each.fieldName for each in made.udfValues]
    assert "B" not in [each.featureCode for each in left.features]
    assert "G" not in [each.fieldName for each in left.udfValues]


@pytest.mark.parametrize(
    ("name", "inputs"),
    [
        ("update_product", {"productid": "1", "productname": "x"}),
        (
            "update_product_feature_groups",
            {"productId": VIEWER, "featureGroups": [{"featureGroupName": "No"}]},
        ),
        ("delete_product_feature_group", {"productId": VIEWER, "featureGroupName": "No"}),
        (
            "create_product_features",
            {
                "productId": VIEWER,
                "features": [{"featureCode": "EXPORT", "featureName": "Twice", "notes": "x"}],
            },
        ),
        (
            "update_product_features",
            {"productId": VIEWER, "features": [{"featureCode": "No", "availableInTrials": False}]},
        ),
        ("delete_product_feature", {"productId": VIEWER, "featureCode": "No"}),
        ("create_product_udf", {"productId": VIEWER, "udfValues": [{"fieldName": "EDITION"}]}),
        ("update_product_udf", {"productId": VIEWER, "udfValues": [{"fieldName": "No"}]}),
        ("delete_product_udf", {"productId": VIEWER, "fieldName": "No"}),
        ("update_profile", {"productid": DESKTOP, "profilename": "No"}),
        ("delete_trial", {"productid": VIEWER, "computerid": "no-such-computer"}),
        ("delete_offline_activation", {"productid": DESKTOP, "deactivationcertificate": "x"}),
    ],
)
async def test_where_the_good_sentence_is_known_another_is_a_refusal(zentitle, name, inputs):
    with pytest.raises(Refused) as failure:
        await getattr(zentitle, name)(**inputs)

    assert not failure.value.maybe_applied


# Profiles ---------------------------------------------------------------------------------------------------


async def test_a_profile_is_made_and_handed_down_to_its_codes_only_if_asked_to(zentitle):
    name = {"productid": DESKTOP, "profilename": "Shop"}
    await zentitle.create_profile(**name, clientsallowed=3, enabledforuse=True, reseller="Northgate Software")
    [code] = await zentitle.create_license_codes(**name, numcodes=1)
    allowed = []
    for inherits in (False, True):
        await zentitle.update_profile(**name, clientsallowed=9, inheritprofile=inherits)
        allowed.append((await zentitle.get_license_code(licensecode=code)).clientsallowed)
    await zentitle.update_profile(**name, newprofilename="Webshop")

    profile = await zentitle.get_profile(productid=DESKTOP, profilename="Webshop")

    assert [3, 9] == allowed
    assert (9, True, 3) == (profile.clientsallowed, profile.enabledforuse, profile.resellerID)


async def test_a_profile_is_listed_as_it_is_read_alone(zentitle):
    alone = await zentitle.get_profile(productid=DESKTOP, profilename="Education", getsfs=1)
    [listed] = [
        each
        for each in (await zentitle.list_profiles(productId=DESKTOP, getSfs=1)).Results
        if each.profileName == "Education"
    ]

    assert alone.clientsallowed == listed.clientsallowed == 30
    assert alone.features == listed.features
    assert alone.serverFunctions == listed.serverFunctions


async def test_an_unknown_profile_is_not_found(zentitle):
    with pytest.raises(NotFound):
        await zentitle.get_profile(productid=DESKTOP, profilename="No")


# Trials -----------------------------------------------------------------------------------------------------


async def test_a_trial_is_reported_and_reset(zentitle):
    computer = "BLX4RrZJ5T9imK7qPrJS"
    running = await zentitle.get_trial(productid=VIEWER, computerid=computer)
    said = await zentitle.delete_trial(productid=VIEWER, computerid=computer)

    gone = await zentitle.get_trial(productid=VIEWER, computerid=computer)

    assert ("In Trial", "Trial Deleted Successfully") == (running, said)
    assert "not exist" in gone


# Companies --------------------------------------------------------------------------------------------------


async def test_a_company_is_changed_listed_and_deleted(zentitle):
    await zentitle.update_company(companyid=STUDIO, productid=DESKTOP, company="Harrow", search2="ref")
    changed = await zentitle.get_company(companyid=STUDIO)
    listed = {each.companyID: each.company for each in await zentitle.list_companies_products()}
    await zentitle.delete_company(companyid=STUDIO)

    with pytest.raises(NotFound):
        await zentitle.get_company(companyid=STUDIO)

    assert ("Harrow", "2001", "ref", "0") == (
        changed.company,
        changed.search1,
        changed.search2,
        changed.productID,
    )
    assert "Harrow" == listed[STUDIO]


async def test_a_name_that_is_taken_is_not_reported_as_done(zentitle):
    with pytest.raises(UnexpectedAnswer, match="already exists"):
        await zentitle.update_company(companyid=STUDIO, productid=DESKTOP, company="Tidewater College")


# Groups -----------------------------------------------------------------------------------------------------


async def test_a_group_is_made_changed_and_deleted(zentitle):
    await zentitle.create_group(groupname="York", type="standard", mastergroupid=STUDIO_GROUP)
    made = await zentitle.get_group(groupname="York")
    await zentitle.update_group(groupid=made.groupID, description="new", type="master")
    changed = await zentitle.get_group(groupid=made.groupID)
    master = await zentitle.get_group(groupid=STUDIO_GROUP)
    await zentitle.delete_group(groupid=made.groupID)

    with pytest.raises(NotFound):
        await zentitle.get_group(groupname="York")

    assert (STUDIO_GROUP, "new", "Master") == (changed.masterGroupID, changed.description, changed.type)
    assert "York" in [each.groupName for each in master.subGroups]


async def test_a_user_is_made_changed_let_in_and_deleted(zentitle):
    who = {"username": "ann", "password": SecretStr("her-first-password")}
    await zentitle.create_group_user(
        **who, groupid=STUDIO_GROUP, firstname="Ann", additionaldata={"EUPMaster": "true"}
    )
    made = await zentitle.get_group_user(username="ann")
    await zentitle.update_group_user(groupuserid=made.groupUserID, groupid=10, lastname="Hall")
    await zentitle.update_group_user_password(username="ann", password=SecretStr("her-second-password"))
    changed = await zentitle.get_group_user(groupuserid=made.groupUserID)
    first = await zentitle.authenticate_user(**who)
    second = await zentitle.authenticate_user(username="ann", password=SecretStr("her-second-password"))
    await zentitle.delete_group_user(groupuserid=made.groupUserID)

    with pytest.raises(NotFound):
        await zentitle.get_group_user(username="ann")

    assert ({"EUPMaster": "true"}, 10, "Ann", "Hall") == (
        changed.additionalData,
        changed.groupID,
        changed.firstName,
        changed.lastName,
    )
    assert (False, True) == (first, second)


async def test_a_code_is_assigned_to_a_group_with_its_company_and_profile(zentitle):
    code = {"productid": DESKTOP, "licensecode": UNUSED[0]}
    await zentitle.assign_group_license_code(
        **code, groupid=STUDIO_GROUP, companyid=STUDIO, profileid=EDUCATION
    )
    assigned = await zentitle.get_group_license_code(**code)
    read = await zentitle.get_license_code(**code)
    await zentitle.unassign_group_license_code(**code, groupid=STUDIO_GROUP)

    with pytest.raises((NotFound, Refused)):
        await zentitle.get_group_license_code(**code)

    assert (STUDIO_GROUP, STUDIO, "Education") == (assigned.groupID, read.companyID, read.profilename)


async def test_group_user_and_licence_are_made_at_once_and_not_twice(zentitle):
    inputs = {
        "groupname": "Shop",
        "productid": DESKTOP,
        "licensecode": UNUSED[0],
        "username": "ann",
        "password": SecretStr("her-password"),
    }
    await zentitle.create_group_user_license(**inputs)
    with pytest.raises(UnexpectedAnswer) as failure:
        await zentitle.create_group_user_license(**inputs)

    group = await zentitle.get_group(groupname="Shop")

    assert ["ann"] == [each.userName for each in group.groupUsers]
    assert [UNUSED[0]] == [each.licenseCode for each in group.groupLicenses]
    assert failure.value.maybe_applied


# Keys -------------------------------------------------------------------------------------------------------


async def test_an_event_is_sent_with_the_key_for_it_and_no_other(sandbox, clients, open_clients, zentitle):
    streamer = await open_clients(clients.zentitle(sandbox, key="sandbox-zentitle-ds", kind="ds"))
    await streamer.create_datastreamer_event(event="paid", productId=PRO, payload={"order": "100123"})

    with pytest.raises(NotAllowed):
        await zentitle.create_datastreamer_event(event="paid")
    with pytest.raises(NotAllowed, match="not sent"):
        await streamer.list_products()

    assert ["paid"] == [each["event"] for each in sandbox.zentitle.records()["events"]]


async def test_a_wrong_key_is_not_let_in(sandbox, clients, open_clients):
    client = await open_clients(clients.zentitle(sandbox, key="wrong-key"))

    with pytest.raises(NotAuthenticated):
        await client.list_products()


async def test_a_key_that_does_not_open_a_call_is_not_sent(sandbox, clients, open_clients):
    client = await open_clients(clients.zentitle(sandbox, key="sandbox-zentitle-readonly", kind="read-only"))
    await client.list_products()

    with pytest.raises(NotAllowed, match="not sent"):
        await client.create_license_codes(productid=PRO, numcodes=1)

    assert ["list_products"] == [entry["operation"] for entry in sandbox.zentitle.requests()]
