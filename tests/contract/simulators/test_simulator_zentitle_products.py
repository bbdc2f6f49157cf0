"""What Zentitle's simulator sells: products with their groups, features and fields; profiles."""

import pytest

PRO = "6453300110"
TEAM = "6872450105"
DESKTOP = "3659410102"
SERVER = "6503310104"
EDUCATION_CODE = "286450110220930852"


@pytest.fixture
def product(ask):
    """Reads a product."""

    async def read(productid=DESKTOP):
        [found] = await ask("GET", "Product", productid=productid)
        return found

    return read


@pytest.fixture
def feature(product):
    """Reads a feature of a product."""

    async def read(code, productid=DESKTOP):
        found = await product(productid)
        return next((each for each in found["features"] if each["featureCode"] == code), None)

    return read


# Products


async def test_products_spell_their_number_another_way(ask):
    products = await ask("GET", "Products")

    assert [PRO, TEAM] == [each["productId"] for each in products[:2]]
    assert [products[1]] == await ask("GET", "Product", productid=TEAM)


async def test_a_product_is_made_with_groups_features_and_fields(ask):
    answer = await ask(
        "POST",
        "Product",
        productname="Draftline Mobile",
        clientleaseperiod="2",
        clientOfflineLeaseperiod="3",
        clientsallowed="2",
        intrial="true",
        licensetype="subscriptionperiod",
        subscriptionperiod=100,
        featuregroups=[{"featuregroupname": "Sketching", "notes": "pens"}],
        features=[
            {
                "featurecode": "PEN",
                "featurename": "Pen",
                "notes": "ink",
                "featuregroupname": "Sketching",
                "availableintrials": "true",
            },
            {"featurecode": "INK", "featurename": "Ink", "notes": "ml", "featuretype": "ConsumptionTokens"},
        ],
        udfvalues=[{"fieldname": "EDITION", "defaultvalue": "Mobile"}, {"fieldname": "COLOUR"}],
    )

    made = next(each for each in await ask("GET", "Products") if each["productName"] == "Draftline Mobile")
    assert "Product Created Successfully" == answer
    assert 10 == len(made.pop("productId"))
    assert {
        "productName": "Draftline Mobile",
        "clientLeasePeriod": 2,
        "vmLeasePeriod": 0,
        "clientOfflineLeasePeriod": 72,
        "trialPeriod": 30,
        "licenseType": "subscriptionperiod",
        "clientsAllowed": 2,
        "features": [
            {
                "featureCode": "PEN",
                "featureAvailability": "ON",
                "featureType": "Normal",
                "featureName": "Pen",
                "featureNotes": "ink",
                "featureGroup": "Sketching",
            },
            {
                "featureCode": "INK",
                "featureAvailability": "OFF",
                "featureType": "ConsumptionToken",
                "featureName": "Ink",
                "featureNotes": "ml",
                "featureGroup": "Default",
            },
        ],
        "udfValues": [
            {"fieldName": "EDITION", "defaultValue": "Mobile"},
            {"fieldName": "COLOUR", "defaultValue": ""},
        ],
    } == made


async def test_an_update_of_a_product_changes_what_is_named_and_no_code(ask, product):
    before, [code] = await product(), await ask("GET", "LicenseCode", licensecode=EDUCATION_CODE)

    answer = await ask(
        "PUT",
        "Product",
        productId=DESKTOP,
        clientLeasePeriod="48",
        trialPeriod="10",
        productName="Draftline 4",
    )

    assert "Product Updated Successfully" == answer
    assert (
        before
        | {
            "clientLeasePeriod": 48,
            "trialPeriod": 10,
            "productName": "Draftline 4",
        }
        == await product()
    )
    assert [code] == await ask("GET", "LicenseCode", licensecode=EDUCATION_CODE)


async def test_an_end_date_goes_with_its_type_and_is_reset_with_another(ask, product):
    alone = await ask("PUT", "Product", productid=PRO, subscriptionEndDate="2030-01-01")
    dated = await ask(
        "PUT", "Product", productid=PRO, licenseType="expirationDate", subscriptionEndDate="2030-01-01"
    )
    code = (await ask("POST", "LicenseCode", productid=PRO, numcodes=1)).split(" : ")[1]
    [single] = await ask("GET", "LicenseCode", licensecode=code)
    await ask("PUT", "Product", productid=PRO, licenseType="perpetual", subscriptionEndDate="reset")

    assert "Please supply the licensetype to update the subscription" == alone
    assert "Product Updated Successfully" == dated
    assert ("ExpirationDate", "2030-01-01T00:00:00") == (single["licensetype"], single["subscriptionEnddate"])
    assert "perpetual" == (await product(PRO))["licenseType"]


async def test_a_new_product_name_must_be_free(ask):
    in_use = await ask("PUT", "Product", productid=PRO, productname="draftline team")
    own = await ask("PUT", "Product", productid=PRO, productname="Draftline Pro")

    assert ("Product name already exists", "Product Updated Successfully") == (in_use, own)


# Feature groups


async def test_feature_groups_are_made_renamed_and_deleted(ask, feature):
    of = {"productId": DESKTOP}
    created = await ask("POST", "ProductFeatureGroups", **of, featureGroups=[{"featureGroupName": "Files"}])
    moved = await ask(
        "PUT",
        "ProductFeatures",
        **of,
        features=[{"featureCode": "EXPORT", "featureGroupName": "Files", "availableInTrials": "true"}],
    )
    renamed = await ask(
        "PUT",
        "ProductFeatureGroups",
        **of,
        featureGroups=[{"featureGroupName": "Files", "newFeatureGroupName": "Formats", "notes": "DWG"}],
    )
    after_rename = (await feature("EXPORT"))["featureGroup"]
    deleted = await ask("DELETE", "ProductFeatureGroups", **of, featureGroupName="Formats")

    assert [
        "Product FeatureGroups Created Successfully",
        "Product Features Updated Successfully",
        "Product FeatureGroups Updated Successfully",
        "Product FeatureGroup Deleted Successfully",
    ] == [created, moved, renamed, deleted]
    assert ("Formats", "Default") == (after_rename, (await feature("EXPORT"))["featureGroup"])


# Features


async def test_a_new_feature_is_off_in_the_codes_there_are(ask):
    new = {"featureCode": "SCRIPTS", "featureName": "Scripts", "notes": "x", "availableInTrials": "true"}
    answer = await ask("POST", "ProductFeatures", productId=DESKTOP, features=[new])
    fresh = (await ask("POST", "LicenseCode", productid=DESKTOP, numcodes=1)).split(" : ")[1]

    seen = [(await ask("GET", "LicenseCode", licensecode=code))[0] for code in (EDUCATION_CODE, fresh)]

    assert "Product Features Created Successfully" == answer
    assert [("SCRIPTS", "OFF"), ("SCRIPTS", "ON")] == [
        (each["features"][-1]["featureCode"], each["features"][-1]["featureAvailability"]) for each in seen
    ]


async def test_a_new_name_of_a_feature_reaches_every_code(ask, feature):
    change = {"featureCode": "EXPORT", "newFeatureCode": "FILES", "availableInTrials": "true"}
    answer = await ask("PUT", "ProductFeatures", productId=DESKTOP, features=[change])

    [code] = await ask("GET", "LicenseCode", licensecode=EDUCATION_CODE)

    assert "Product Features Updated Successfully" == answer
    assert ("FILES", "ON") == (
        code["features"][0]["featureCode"],
        code["features"][0]["featureAvailability"],
    )
    assert ("Export", "ON") == (
        (await feature("FILES"))["featureName"],
        (await feature("FILES"))["featureAvailability"],
    )


async def test_a_feature_of_which_trials_are_left_out_is_no_longer_in_trials(ask, feature):
    before = await feature("EXPORT")

    await ask(
        "PUT", "ProductFeatures", productId=DESKTOP, features=[{"featureCode": "EXPORT", "notes": "new"}]
    )

    assert before | {"featureAvailability": "OFF", "featureNotes": "new"} == await feature("EXPORT")


async def test_features_under_the_name_of_the_vendors_sample_are_changed_too(ask, feature):
    answer = await ask(
        "PUT", "ProductFeatures", productId=DESKTOP, featureGroups=[{"featureCode": "EXPORT", "notes": "new"}]
    )

    assert "Product Features Updated Successfully" == answer
    assert "new" == (await feature("EXPORT"))["featureNotes"]


async def test_a_deleted_feature_is_gone_from_every_code(ask):
    of = {"productId": DESKTOP, "featureCode": "EXPORT"}
    answers = [await ask("DELETE", "ProductFeatures", **of) for _ in range(2)]

    [code] = await ask("GET", "LicenseCode", licensecode=EDUCATION_CODE)

    assert ["Product Feature Deleted Successfully", "Feature EXPORT does not exist"] == answers
    assert ["PLUGINS", "RENDER"] == [each["featureCode"] for each in code["features"]]


# User-defined fields


async def test_fields_are_made_changed_and_deleted(ask, product):
    of = {"productId": DESKTOP}
    answers = [
        await ask("POST", "ProductUDF", **of, udfValues=[{"fieldName": "SITE", "defaultValue": "HQ"}]),
        await ask("PUT", "ProductUDF", **of, udfValues=[{"fieldName": "SITE", "newFieldName": "OFFICE"}]),
    ]
    [code] = await ask("GET", "LicenseCode", licensecode=EDUCATION_CODE)
    answers.append(await ask("DELETE", "ProductUDF", **of, fieldName="OFFICE"))

    # The second sentence is that of another call, as the vendor prints it.
    assert [
        "Product UDF Created Successfully",
        "Product Features Updated Successfully",
        "Product UDF Deleted Successfully",
    ] == answers
    assert [("EDITION", "Education"), ("OFFICE", "HQ")] == [
        (each["fieldName"], each["defaultValue"]) for each in code["udfValues"]
    ]
    assert [{"fieldName": "EDITION", "defaultValue": "Desktop"}] == (await product())["udfValues"]


# Profiles


async def test_a_profile_is_spelt_one_way_alone_and_another_in_the_list(ask):
    [single] = await ask("GET", "Profile", productid=SERVER, profilename="site", getsfs=1)
    [listed] = await ask("GET", "Profiles", productId=SERVER, pageNumber=1, getSfs="1")

    assert ("True", "Perpetual", "Network", 3) == (
        single["enabledforuse"],
        single["licensetype"],
        single["concurrencyMode"],
        single["resellerID"],
    )
    assert ("true", "perpetual", "network", 3) == (
        listed["enabledForUse"],
        listed["licenseType"],
        listed["concurrencyMode"],
        listed["resellerId"],
    )
    assert (single["profileID"], single["clientLeaseperiod"]) == (
        listed["profileId"],
        listed["clientLeasePeriod"],
    )
    assert (["MaximumActive : 25", "TotalActive : 0"], ["maximumActive : 25", "totalActive : 0"]) == (
        single["features"][0]["featureDetails"],
        listed["features"][0]["featureDetails"],
    )
    assert single["serverFunctions"] == listed["serverFunctions"]
    assert (3, 1) == (await ask("GET", "Profiles"), await ask("GET", "Profiles", productid=TEAM))


async def test_a_new_profile_is_disabled_and_for_nobody_unless_told_otherwise(ask):
    answer = await ask("POST", "Profile", productid=DESKTOP, profilename="Plain")

    [plain] = await ask("GET", "Profile", productid=DESKTOP, profilename="Plain")

    assert "Profile Created Successfully" == answer
    assert ("False", "Perpetual", 0, "False", "None", 0, {"OFF"}) == (
        plain["enabledforuse"],
        plain["licensetype"],
        plain["clientsallowed"],
        plain["acquiredbywebservice"],
        plain["concurrencyMode"],
        plain["heartbeat"],
        {each["featureAvailability"] for each in plain["features"]},
    )
    assert "serverFunctions" not in plain


async def test_codes_begin_with_the_terms_of_their_profile(ask):
    await ask(
        "POST",
        "Profile",
        productid=DESKTOP,
        profilename="Hire",
        enabledforuse="true",
        licensetype="SubscriptionPeriod",
        subscriptionperiod="30",
        clientsallowed="2",
        clientofflineleaseperiod="2",
        concurrencymode="network",
        reseller="Northgate Software",
        maintenanceenddate="2030-10-10T00:12:00",
        features=[{"featurecode": "PLUGINS", "featureavailability": "on"}],
        udfvalues=[{"fieldname": "EDITION", "defaultvalue": "Hire"}],
        serverfunctions=[{"functionname": "LTCO", "enabled": "on", "parametervalue": "20"}],
    )
    code = (await ask("POST", "LicenseCode", productid=DESKTOP, numcodes=1, profilename="Hire")).split(" : ")[
        1
    ]

    [single] = await ask("GET", "LicenseCode", licensecode=code, showfeatures="on")

    assert {
        "profilename": "Hire",
        "enabledforuse": "True",
        "licensetype": "SubscriptionPeriod",
        "subscriptionperiod": 30,
        "clientsallowed": 2,
        "clientOfflineLeaseperiod": 48,
        "concurrencyMode": "Network",
        "heartbeat": 5,
        "maintenanceEnddate": "2030-10-10T00:12:00",
        "udfValues": [{"fieldName": "EDITION", "defaultValue": "Hire"}],
    }.items() <= single.items()
    assert ["PLUGINS"] == [each["featureCode"] for each in single["features"]]


@pytest.mark.parametrize(("inherit", "expected"), [({}, 9), ({"inheritprofile": "true"}, 40)])
async def test_an_update_of_a_profile_rewrites_its_codes_only_when_told_to(ask, inherit, expected):
    await ask("PUT", "LicenseCode", productid=DESKTOP, licensecode=EDUCATION_CODE, clientsallowed=9)

    answer = await ask(
        "PUT", "Profile", productid=DESKTOP, profilename="Education", clientsallowed=40, **inherit
    )

    [code] = await ask("GET", "LicenseCode", licensecode=EDUCATION_CODE)
    assert "Profile Updated Successfully" == answer
    assert expected == code["clientsallowed"]


async def test_a_renamed_profile_keeps_its_codes_and_what_was_not_named(ask):
    [before] = await ask("GET", "Profile", productid=DESKTOP, profilename="Education")
    await ask("PUT", "Profile", productid=DESKTOP, profilename="Education", newprofilename="Schools")

    [after] = await ask("GET", "Profile", productid=DESKTOP, profilename="Schools")
    [code] = await ask("GET", "LicenseCode", licensecode=EDUCATION_CODE)

    assert before | {"profileName": "Schools", "modified": after["modified"]} == after
    assert "Schools" == code["profilename"]
    assert "Profile does not exist" == await ask("GET", "Profile", productid=DESKTOP, profilename="Education")


async def test_only_floating_features_and_element_pools_take_a_limit(ask):
    for product, profile, code in (
        (SERVER, "Site", "SEATS"),
        (SERVER, "Site", "STORE"),
        (SERVER, "Site", "VAULT"),
        (DESKTOP, "Education", "RENDER"),
    ):
        limited = [{"featurecode": code, "limit": "15"}]
        await ask("PUT", "Profile", productid=product, profilename=profile, features=limited)

    [site] = await ask("GET", "Profile", productid=SERVER, profilename="Site")
    [education] = await ask("GET", "Profile", productid=DESKTOP, profilename="Education")

    assert {
        "SEATS": ["MaximumActive : 15", "TotalActive : 0"],
        "STORE": ["ElementLimit : 15", "ElementCount : 0"],
        "VAULT": [],
    } == {each["featureCode"]: each["featureDetails"] for each in site["features"]}
    assert ["TokenLimit : 100", "TokenCount : 0"] == education["features"][-1]["featureDetails"]
