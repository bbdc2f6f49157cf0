"""Zentitle's operations as values: what is sent, what is refused before it, what is read."""

import json
from datetime import date, datetime

import httpx
import pytest
from pydantic import SecretStr

from hookline.clients import InvalidInput, NotAllowed, NotFound, Refused, UnexpectedAnswer, operations, pages
from hookline.clients.zentitle import ZentitleClient, ZentitleKey

ROOT = "https://vendor.example"
OPERATIONS = operations(ZentitleClient)
PRODUCT = "6453300110"
CODE = {"productid": PRODUCT, "licensecode": "206454320110930859"}
COMPUTER = "oLh+T3o+A39g5Sz/8Ug8"
ON_COMPUTER = {"productid": PRODUCT, "computerid": COMPUTER}
PERSON = {"username": "ann", "password": SecretStr("her-password")}
FLOATING = {
    "featurename": "n",
    "featurecode": "c",
    "notes": "x",
    "featuretype": "floating",
    "availableintrials": True,
}
NORMAL = {"featureCode": "C", "featureName": "N", "notes": "x"}
CERTIFICATE = "8595e2ecc3e0fad7002bfc0b99051c2a5a3b0a8699f9cc86"


def sent(name, **inputs):
    """The body that an operation sends for these inputs."""
    return json.loads(OPERATIONS[name].request(ROOT, **inputs).content)


def read(name, value, status=200):
    """What an operation reads from this JSON."""
    return OPERATIONS[name].read(httpx.Response(status, content=json.dumps(value).encode()))


# What is sent -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "inputs", "otherwise"),
    [
        ("take_next_license_codes", {"productid": PRODUCT, "amount": 2}, {}),
        ("list_activated_license_codes", {"computerid": COMPUTER}, {}),
        ("list_license_code_activity", CODE | {"activated": 1}, {}),
        ("return_license_code_activations", CODE, {}),
        (
            "create_passive_license",
            {"productid": PRODUCT, "clientid": "3487abcdef", "features": [{"featurecode": "FEAT1"}]},
            {},
        ),
        ("create_network_master_license", {"productid": PRODUCT, "companyid": 17}, {}),
        ("update_license_note", CODE | {"noteid": 10, "description": "x"}, {}),
        (
            "create_product",
            {
                "productname": "Draftline",
                "intrial": True,
                "clientsallowed": 2,
                "licensetype": "expirationdate",
                "subscriptionenddate": date(2030, 1, 31),
                "featuregroups": [{"featuregroupname": "G"}],
                "features": [
                    {"featurename": "N", "featurecode": "C", "notes": "x", "featuretype": "consumptiontokens"}
                ],
                "udfvalues": [{"fieldname": "TEST1", "defaultvalue": "1"}],
            },
            {"intrial": "true", "subscriptionenddate": "2030-01-31"},
        ),
        (
            "update_product",
            {"productid": PRODUCT, "licenseType": "perpetual", "subscriptionEndDate": "reset"},
            {},
        ),
        (
            "update_product_feature_groups",
            {"productId": PRODUCT, "featureGroups": [{"featureGroupName": "a", "newFeatureGroupName": "b"}]},
            {},
        ),
        (
            "create_product_features",
            {"productId": PRODUCT, "features": [NORMAL | {"availableInTrials": True}]},
            {"features": [NORMAL | {"availableInTrials": "true"}]},
        ),
        (
            "update_product_udf",
            {"productId": PRODUCT, "udfValues": [{"fieldName": "TEST1", "newFieldName": "TEST2"}]},
            {},
        ),
        (
            "create_profile",
            {
                "productid": PRODUCT,
                "profilename": "Team",
                "heartbeat": 5,
                "serverFunctions": [{"functionname": "Otherfunc", "enabled": "off"}],
                "maintenanceenddate": datetime.fromisoformat("2030-01-31T12:30"),
            },
            {"maintenanceenddate": "2030-01-31T12:30:00"},
        ),
        ("list_profiles", {}, {"pageNumber": 1, "pageSize": 10_000}),
        (
            "list_trials",
            {"trialStatus": "inTrial", "converted": False, "expiresWithinDays": 7, "pageNumber": 0},
            {"converted": "false", "pageSize": 10_000},
        ),
        ("delete_trial", ON_COMPUTER, {}),
        ("get_offline_activation", {"productid": PRODUCT, "activationcertificate": "d080km4t5G"}, {}),
        ("update_company", {"companyid": 3, "productid": PRODUCT, "companydata": {"a": [1]}}, {}),
        ("delete_company", {"companyid": 5}, {}),
        ("get_group", {"groupname": "Head office"}, {}),
        ("create_group", {"groupname": "g", "type": "master", "mastergroupid": 0}, {}),
        (
            "create_group_user",
            PERSON | {"groupid": 9, "email": "a@example.com", "additionaldata": {"EUPMaster": True}},
            {"password": "her-password"},
        ),
        ("update_group_user_password", PERSON, {"password": "her-password"}),
        ("unassign_group_license_code", CODE | {"groupid": 7}, {}),
        ("create_datastreamer_event", {"event": "e", "productId": PRODUCT, "payload": {"id": "1"}}, {}),
    ],
)
def test_inputs_are_sent_as_zentitle_spells_them(name, inputs, otherwise):
    """As they are given, except for what is sent otherwise."""
    assert inputs | otherwise == sent(name, **inputs)


def test_a_company_is_made_for_all_products_by_a_word_that_python_reserves():
    assert 1 == sent("update_company", companyid=3, productid=PRODUCT, global_=1)["global"]


@pytest.mark.parametrize("name", OPERATIONS)
def test_what_zentitle_calls_mandatory_cannot_be_left_empty(name):
    mandatory = [field for field, info in OPERATIONS[name].input.model_fields.items() if info.is_required()]

    for field in mandatory:
        with pytest.raises(InvalidInput, match=field):
            OPERATIONS[name].request(ROOT, **dict.fromkeys(mandatory, ""))


def test_a_password_is_among_the_secrets_of_its_call():
    assert ["her-password"] == ZentitleClient.authenticate_user.validate(**PERSON).secrets()


# What would do more than it seems ---------------------------------------------------------------------------

FEATURE = {"productId": PRODUCT, "features": [{"featureCode": "FEAT1", "notes": "new"}]}
INTO_GROUP = CODE | {"groupid": 7}


@pytest.mark.parametrize(
    ("name", "inputs", "sentence"),
    [
        ("delete_license_note", CODE, "deletes every note .*all_notes=True"),
        ("delete_license_note", CODE | {"noteid": 0}, "deletes every note .*all_notes=True"),
        ("delete_license_note", CODE | {"noteid": 10, "all_notes": True}, "not both"),
        ("delete_license_code_activity", CODE, "deletes all activity .*all_activity=True"),
        (
            "delete_license_code_activity",
            CODE | {"computerid": ""},
            "deletes all activity .*all_activity=True",
        ),
        ("delete_license_code_activity", CODE | {"computerid": COMPUTER, "all_activity": True}, "not both"),
        ("update_license_code", CODE | {"notes": [{"type": "deleteall"}]}, "every note .*all_notes=True"),
        ("update_license_code", CODE | {"notes": [{"type": "delete"}]}, "the note's id"),
        ("update_license_code", CODE | {"notes": [{"type": "delete", "description": "0"}]}, "the note's id"),
        ("update_product_features", FEATURE, "out of trials: set availableInTrials=True"),
        ("assign_group_license_code", INTO_GROUP, "out of its company and profile: give both"),
        ("assign_group_license_code", INTO_GROUP | {"companyid": 2}, "out of its company and profile"),
        ("assign_group_license_code", INTO_GROUP | {"profileid": 1}, "out of its company and profile"),
    ],
)
def test_an_omission_that_would_destroy_is_refused_with_what_it_would_have_done(name, inputs, sentence):
    with pytest.raises(InvalidInput, match=sentence):
        OPERATIONS[name].request(ROOT, **inputs)


@pytest.mark.parametrize(
    ("name", "inputs", "otherwise"),
    [
        ("delete_license_note", CODE | {"noteid": 10}, {}),
        ("delete_license_note", CODE | {"all_notes": True}, {}),
        ("delete_license_code_activity", CODE | {"computerid": COMPUTER}, {}),
        ("delete_license_code_activity", CODE | {"all_activity": True}, {}),
        (
            "update_license_code",
            CODE | {"notes": [{"type": "deleteall"}], "all_notes": True},
            {"inheritprofile": "false"},
        ),
        (
            "update_license_code",
            CODE | {"notes": [{"type": "delete", "description": "102509"}]},
            {"inheritprofile": "false"},
        ),
        (
            "update_product_features",
            {"productId": PRODUCT, "features": [{"featureCode": "FEAT1", "availableInTrials": False}]},
            {"features": [{"featureCode": "FEAT1", "availableInTrials": "false"}]},
        ),
        ("assign_group_license_code", INTO_GROUP | {"companyid": 0, "profileid": 1}, {}),
    ],
)
def test_a_confirmed_input_is_sent_without_our_confirmation(name, inputs, otherwise):
    requests = {field: value for field, value in inputs.items() if field not in ("all_notes", "all_activity")}

    assert requests | otherwise == sent(name, **inputs)


@pytest.mark.parametrize(
    ("name", "inputs"),
    [("update_license_code", CODE), ("update_profile", {"productid": "1", "profilename": "T"})],
)
def test_a_profile_is_handed_down_only_where_it_is_set(name, inputs):
    assert "false" == sent(name, **inputs)["inheritprofile"]
    assert "true" == sent(name, **inputs, inheritprofile=True)["inheritprofile"]


# The vendor's limits ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "inputs", "limit"),
    [
        ("update_license_code", CODE | {"clientleaseperiod": 8761}, "8760"),
        ("update_license_code", CODE | {"clientofflineleaseperiod": 501}, "500"),
        ("update_license_code", CODE | {"vmleaseperiod": 501}, "500"),
        ("update_license_code", CODE | {"heartbeat": 4}, "5"),
        ("update_license_code", CODE | {"heartbeat": 1441}, "1440"),
        ("update_license_code", CODE | {"networkseats": 2**31}, "2147483647"),
        ("update_license_code", CODE | {"concurrencymode": "lan"}, "'off', 'cloud' or 'network'"),
        ("update_license_code", CODE | {"subscriptionperiod": 30}, "send the licence type"),
        ("update_license_code", CODE | {"subscriptionenddate": "reset"}, "send the licence type"),
        ("update_license_code", CODE | {"licensetype": "subscriptionperiod"}, "1 to 5000 days"),
        (
            "update_license_code",
            CODE | {"licensetype": "subscriptionperiod", "subscriptionperiod": 0},
            "1 to 5000 days",
        ),
        (
            "update_license_code",
            CODE | {"licensetype": "subscriptionperiod", "subscriptionperiod": 5001},
            "5000",
        ),
        ("update_license_code", CODE | {"licensetype": "expirationdate"}, "needs its end date"),
        (
            "update_license_code",
            CODE | {"licensetype": "expirationdate", "subscriptionenddate": "reset"},
            "cannot be reset",
        ),
        ("update_license_code", CODE | {"maintenanceenddate": "never"}, "maintenanceenddate"),
        (
            "update_license_code",
            CODE | {"serverFunctions": [{"functionname": "Otherfunc", "parametervalue": 1}]},
            "only LTCO",
        ),
        (
            "update_license_code",
            CODE | {"features": [{"featurecode": "F", "featureavailability": "ON"}]},
            "'on'",
        ),
        ("list_license_codes", {"company": "Ace", "companyId": 1}, "company or companyId, not both"),
        ("list_license_codes", {"pagesize": 10_001}, "10000"),
        ("list_license_codes", {"pagenumber": -1}, "0"),
        ("list_profiles", {"pageSize": 10_001}, "10000"),
        ("list_trials", {"trialStatus": "converted"}, "'inTrial' or 'expired'"),
        ("list_consumer_data", {"productid": "1", "type": "users"}, "'trials', 'activations' or 'all'"),
        ("get_license_code", {"licensecode": "1", "showfeatures": "off"}, "'on' or 'all'"),
        ("get_license_code", {"licensecode": "1", "details": 2}, "0 or 1"),
        ("create_license_codes", {"productid": "1", "numcodes": 0}, "1"),
        ("take_next_license_codes", {"productid": "1", "amount": 0}, "1"),
        ("create_passive_license", {"productid": "1", "clientid": "123456789"}, "10"),
        ("create_passive_license", {"productid": "1", "clientid": "x" * 256}, "255"),
        ("create_license_note", CODE | {"description": "x", "type": "delete"}, "'general' or 'system'"),
        ("create_product", {"productname": "x", "clientsallowed": 50_001}, "50000"),
        ("create_product", {"productname": "x", "clientsallowed": 0}, "1"),
        (
            "create_product",
            {"productname": "x", "licensetype": "expirationdate"},
            "needs its subscriptionenddate",
        ),
        ("create_product", {"productname": "x", "features": [FLOATING]}, "only a normal feature"),
        (
            "create_product_features",
            {
                "productId": "1",
                "features": [NORMAL | {"featureType": "secureStore", "availableInTrials": True}],
            },
            "only a normal feature",
        ),
        ("update_product", {"productid": "1", "subscriptionPeriod": 30}, "send the licence type"),
        ("update_profile", {"productid": "1", "profilename": "T", "subscriptionperiod": 30}, "licence type"),
        ("create_profile", {"productid": "1", "profilename": "T", "maintenanceenddate": "reset"}, "date"),
        ("get_group", {}, "either groupid or groupname, not both"),
        ("get_group", {"groupid": 9, "groupname": "g"}, "either groupid or groupname, not both"),
        ("delete_group", {"groupid": 9, "groupname": "g"}, "either groupid or groupname, not both"),
        ("get_group_user", {"groupuserid": 7, "username": "ann"}, "either groupuserid or username, not both"),
        ("create_group", {"groupname": "g", "type": "Master"}, "'master' or 'standard'"),
    ],
)
def test_a_limit_is_kept_and_reported(name, inputs, limit):
    with pytest.raises(InvalidInput, match=f"zentitle {name} was not sent: .*{limit}"):
        OPERATIONS[name].request(ROOT, **inputs)


def test_a_perpetual_licence_may_name_a_period_of_no_days_as_in_the_vendors_sample():
    body = sent("update_license_code", **CODE, licensetype="perpetual", subscriptionperiod=0)

    assert ("perpetual", 0) == (body["licensetype"], body["subscriptionperiod"])


# Keys -------------------------------------------------------------------------------------------------------


def permits(key, operation):
    try:
        key.permit(operation)
    except NotAllowed:
        return False
    return True


@pytest.mark.parametrize(
    ("kind", "opened"),
    [
        ("read-write", set(OPERATIONS) - {"create_datastreamer_event"}),
        ("read-only", {name for name, each in OPERATIONS.items() if each.verb == "GET"}),
        ("offline", {"get_offline_activation", "delete_offline_activation"}),
        ("ds", {"create_datastreamer_event"}),
    ],
)
def test_each_kind_of_key_opens_what_the_vendors_table_says(kind, opened):
    key = ZentitleKey("1234", SecretStr("the-key"), kind)

    assert opened == {name for name, operation in OPERATIONS.items() if permits(key, operation)}


def test_a_read_only_key_may_take_codes_and_check_passwords():
    key = ZentitleKey("1234", SecretStr("the-key"), "read-only")

    key.permit(ZentitleClient.take_next_license_codes)
    key.permit(ZentitleClient.authenticate_user)


# What is read -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1234, "1234", " 1234 "])
@pytest.mark.parametrize("name", ["list_license_codes", "list_profiles", "list_trials", "list_consumer_data"])
def test_a_bare_number_is_the_count_of_a_list(name, count):
    answer = read(name, count)

    assert (1234, []) == (answer.Total, answer.Results)


def test_the_rows_of_a_page_are_its_results():
    answer = read("list_license_codes", [{"licenseCode": "1"}, {"licenseCode": 2}])

    assert (None, ["1", "2"]) == (answer.Total, [code.licenseCode for code in answer.Results])


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("Product does not exist", NotFound),
        ("12 codes", Refused),
        (True, UnexpectedAnswer),
        (1.5, UnexpectedAnswer),
    ],
)
def test_what_is_neither_rows_nor_a_count_is_an_error(value, kind):
    with pytest.raises(kind):
        read("list_license_codes", value)


@pytest.mark.parametrize(
    ("number", "most", "expected"),
    [
        (1200, 500, [1, 0, 2, 3]),
        (250, 100, [1, 0, 2, 3]),  # the vendor's pages are shorter than asked for
        (100, 500, [1, 0]),
        (99, 500, [1]),
        (0, 500, [1]),
    ],
)
async def test_the_total_is_asked_for_where_the_first_page_leaves_it_open(client_for, number, most, expected):
    requests = []

    def answers(request):
        body = json.loads(request.content)
        requests.append(body["pageNumber"])
        first = (body["pageNumber"] - 1) * most
        rows = [{"profileName": str(each)} for each in range(number)]
        return httpx.Response(200, json=rows[first : first + most] if body["pageNumber"] else str(number))

    async with client_for("zentitle", answers) as client:
        names = [profile.profileName async for profile in pages(client.list_profiles)]

    assert expected == requests
    assert [str(each) for each in range(number)] == names


@pytest.mark.parametrize(
    ("value", "codes"),
    [
        (["312410225741720791", 312454637520703730], ["312410225741720791", "312454637520703730"]),
        ([{"licenseCode": "1"}, {"LicenseCode": 2, "productID": "3"}], ["1", "2"]),
        ("111,222", ["111", "222"]),
        ("111", ["111"]),
        (312410225741720791, ["312410225741720791"]),
        ("License Codes Acquired Successfully : 111,222", ["111", "222"]),
        ([], []),
        (None, []),
    ],
)
def test_taken_codes_are_read_however_they_are_listed(value, codes):
    assert codes == read("take_next_license_codes", value)


@pytest.mark.parametrize(
    ("value", "kind", "maybe"),
    [
        ("Not enough license codes", Refused, False),
        ("Profile does not exist", NotFound, False),
        ([None], UnexpectedAnswer, True),
        ([{"code": "1"}], UnexpectedAnswer, True),
        ([True], UnexpectedAnswer, True),
        ([10**40], UnexpectedAnswer, True),
        ("Successfully taken", UnexpectedAnswer, True),
    ],
)
def test_taken_codes_that_cannot_be_read_may_be_lost(value, kind, maybe):
    with pytest.raises(kind) as failure:
        read("take_next_license_codes", value)

    assert maybe == failure.value.maybe_applied


def test_activity_is_read_alone_or_in_a_list_or_not_at_all():
    row = {
        "licenseCode": "206454320110930859",
        "computerID": COMPUTER,
        "systemInfo": {"bitage": "64", "cores": "4", "memory": "8090", "type": ""},
        "status": "ACTIVATED",
        "activated": "2018-01-01T00:00:00",
        "deactivated": "1900-01-01T00:00:00",
    }

    [alone] = read("list_license_code_activity", row)

    assert [alone, alone] == read("list_license_code_activity", [row, row])
    assert [] == read("list_license_code_activity", None) == read("list_license_code_activity", "")
    assert (64, 4, 8090) == (alone.systemInfo.bitage, alone.systemInfo.cores, alone.systemInfo.memory)
    assert (datetime.fromisoformat("2018-01-01"), None) == (alone.activated, alone.deactivated)


@pytest.mark.parametrize(
    ("reported", "expected"),
    [
        (["MaximumActive : 100", "totalActive : 0"], {"MaximumActive": 100, "TotalActive": 0}),
        ([], {}),
        (["MaximumActive : many"], ["MaximumActive : many"]),
        (["MaximumActive : 1", {"computerID": "x"}], ["MaximumActive : 1", {"computerID": "x"}]),
    ],
)
def test_the_counts_of_a_feature_are_read_from_their_texts(reported, expected):
    value = [{"licenseCode": "1", "features": [{"featureCode": "F", "featureDetails": reported}]}]

    assert expected == read("list_license_codes", value).Results[0].features[0].featureDetails


def test_server_functions_are_read_with_their_empty_parameters():
    functions = [
        {"functionName": "LTCO", "enabled": "ON", "parameterValue": "20"},
        {"functionName": "Otherfunc", "enabled": "OFF", "parameterValue": ""},
    ]

    profile = read("get_profile", [{"profileName": "Team", "serverFunctions": functions}])

    assert [(True, 20), (False, None)] == [
        (each.enabled, each.parameterValue) for each in profile.serverFunctions
    ]


def test_both_spellings_of_a_profile_are_one():
    single = {"profileName": "Team", "profileID": 12, "clientLeaseperiod": 12, "acquiredbywebservice": "True"}
    listed = {"profileName": "Team", "profileId": 12, "clientLeasePeriod": 12, "acquiredByWebservice": "true"}

    assert [read("get_profile", [single])] == read("list_profiles", [listed]).Results


def test_a_trial_is_read_with_its_number_in_text_and_its_words():
    row = {
        "computerId": "kQe0MRH12bYgemkYW2bc",
        "trialPeriod": "30",
        "expires": "2019-03-02T10:00:00",
        "converted": "true",
        "trialStatus": "Trial Expired",
        "licenseCode": 3274861020157066211,
    }

    [trial] = read("list_trials", [row]).Results

    assert (30, True, "3274861020157066211") == (trial.trialPeriod, trial.converted, trial.licenseCode)


def test_a_group_is_read_with_its_licences_users_and_subgroups():
    group = read(
        "get_group",
        {
            "groupID": 9,
            "groupLicenses": [{"licenseCode": 278371835707856940}],
            "groupUsers": [{"userName": "ann", "additionalData": '{"EUPMaster":"true"}'}],
            "subGroups": [{"groupID": 10, "groupName": "Subgroup1"}],
        },
    )

    assert "278371835707856940" == group.groupLicenses[0].licenseCode
    assert {"EUPMaster": "true"} == group.groupUsers[0].additionalData
    assert 10 == group.subGroups[0].groupID


def test_the_company_of_all_products_is_read_with_its_id_in_text():
    [company] = read("list_companies_products", [{"companyID": "6", "company": "BigCorp", "productID": "0"}])

    assert (6, "0", "") == (company.companyID, company.productID, company.productName)


def test_a_certificate_is_read_behind_its_sentence_or_alone():
    passive = read("create_passive_license", f"Passive License Created Successfully.\n{CERTIFICATE}")
    offline = read("get_offline_activation", CERTIFICATE)
    alone = read("create_network_master_license", CERTIFICATE)
    text = read("create_network_master_license", "Network Master License Created Successfully")

    assert ("Passive License Created Successfully.", CERTIFICATE) == (passive.message, passive.certificate)
    assert [CERTIFICATE, CERTIFICATE, ""] == [each.certificate for each in (offline, alone, text)]


@pytest.mark.parametrize(
    ("name", "value", "kind", "maybe"),
    [
        ("get_offline_activation", "Invalid activation certificate", Refused, False),
        ("get_offline_activation", "License code does not exist", NotFound, False),
        ("get_offline_activation", {"licenseCode": "1"}, UnexpectedAnswer, True),
        ("create_passive_license", "No license codes left", Refused, False),
        ("create_passive_license", "Passive License Created Successfully.", UnexpectedAnswer, True),
        ("create_network_master_license", "No license codes left", UnexpectedAnswer, True),
        ("delete_offline_activation", "Deactivation certificate is invalid", Refused, False),
        ("delete_trial", "Trial has been activated", Refused, False),
        ("delete_trial", "Trial was not deleted successfully", UnexpectedAnswer, True),
        ("update_product_udf", "Field TEST1 does not exist", Refused, False),
        ("create_group", "Group exists", UnexpectedAnswer, True),
        ("create_datastreamer_event", None, UnexpectedAnswer, True),
        ("update_company", "Company name exists", UnexpectedAnswer, False),
    ],
)
def test_a_text_in_the_answers_place_is_distinguished_from_an_unknown_one(name, value, kind, maybe):
    with pytest.raises(kind) as failure:
        read(name, value)

    assert maybe == failure.value.maybe_applied


@pytest.mark.parametrize(
    "name", [name for name, each in OPERATIONS.items() if each.confirmation and each.answer is str]
)
def test_the_documented_sentence_is_a_success(name):
    assert OPERATIONS[name].confirmation == read(name, OPERATIONS[name].confirmation)


def test_the_state_of_a_trial_is_read_as_the_vendors_text():
    assert "In Trial" == read("get_trial", "In Trial")


@pytest.mark.parametrize("value", ["", None, 7, {"status": "In Trial"}])
def test_a_trial_without_words_has_no_state(value):
    with pytest.raises(UnexpectedAnswer):
        read("get_trial", value)


@pytest.mark.parametrize("value", [True, "true", "OK", "Valid", "User Authenticated Successfully", "Success"])
def test_a_right_password_is_accepted(value):
    assert read("authenticate_user", value) is True


@pytest.mark.parametrize(
    "value",
    [
        False,
        "false",
        "Invalid username or password",
        "User not authenticated",
        "User was not authenticated successfully",
        "Unauthorized",
        "Unsuccessful",
        "The password isn't valid",
        "User does not exist",
        "Authentication failed",
    ],
)
def test_a_wrong_password_is_not(value):
    assert read("authenticate_user", value) is False


@pytest.mark.parametrize("value", [None, "", "Try again later", 1, {"userName": "ann"}, ["OK"]])
def test_what_is_neither_yes_nor_no_is_never_taken_for_a_yes(value):
    with pytest.raises(UnexpectedAnswer):
        read("authenticate_user", value)
