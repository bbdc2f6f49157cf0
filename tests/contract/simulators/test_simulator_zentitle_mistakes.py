"""What Zentitle's simulator answers to mistakes: a text in the answer's place, and nothing is changed."""

import copy

import pytest

PRO, DESKTOP, SERVER = "6453300110", "3659410102", "6503310104"
STUDIO_CODE, EDUCATION_CODE, UNUSED_CODE = "286450110220930851", "286450110220930852", "286450110220930853"
UNKNOWN_CODE = "900000000000000001"

NEW_CODE = {"productid": PRO, "numcodes": 1}
OF_UNUSED = {"productid": DESKTOP, "licensecode": UNUSED_CODE, "clientsallowed": 9}
OF_EDUCATION = {"productid": DESKTOP, "licensecode": EDUCATION_CODE}
OF_STUDIO = {"productid": DESKTOP, "licensecode": STUDIO_CODE}
OF_DESKTOP = {"productid": DESKTOP}
MOBILE = {"productname": "Draftline Mobile"}
NEW_FEATURE = {"featureCode": "NEW", "featureName": "New", "notes": "x"}
PROFILE = {"productid": DESKTOP, "profilename": "New"}
EDUCATION = {"productid": DESKTOP, "profilename": "Education"}
CONSUMER = {"productid": PRO, "computerid": "c1"}
COMPANY = {"company": "New", "productid": PRO}
NEW_GROUP = {"groupname": "New", "type": "standard"}
USER = {"groupid": 9, "username": "new", "password": "x"}
PASSIVE = {"productid": DESKTOP, "clientid": "plotter-00417"}
GROUP_USER_LICENSE = {
    "groupName": "Fen Lane",
    "userName": "owen.prosser",
    "password": "oak",
    "productid": DESKTOP,
    "licensecode": UNUSED_CODE,
}
NO_TYPE = "Please supply the licensetype to update the subscription"
NOT_BOTH = "Please supply either groupid or groupname, not both"
NO_DEFAULT = "The Default FeatureGroup cannot be renamed or deleted"
NOT_IN_TRIALS = "availableInTrials can be true only for the normal featureType"
CLIENT_ID = "clientid must be at least 10 and less than 256 characters long"

# fmt: off
MISTAKES = {
    "POST LicenseCode": [
        ({}, "productid is mandatory"),
        ({"productid": "1"}, "ProductID does not exist"),
        ({"productid": PRO}, "numcodes is mandatory when no licensecodes are supplied"),
        (NEW_CODE | {"numcodes": "many"}, "numcodes must be an integer"),
        (NEW_CODE | {"companyid": 999}, "Company does not exist"),
        (NEW_CODE | {"profilename": "Team"}, "Profile does not exist"),
        ({"productid": PRO, "licensecodes": "12"}, "License codes must have 17 to 19 digits"),
        ({"productid": PRO, "licensecodes": f"{UNKNOWN_CODE},{UNKNOWN_CODE}"}, "License codes must be unique"),
        ({"productid": DESKTOP, "licensecodes": f"{UNKNOWN_CODE},{STUDIO_CODE}"},
            f"License codes already exist : {STUDIO_CODE}"),
    ],
    "PUT LicenseCode": [
        (OF_UNUSED | {"clientofflineleaseperiod": 501}, "clientofflineleaseperiod must be between 0 and 500"),
        (OF_UNUSED | {"clientleaseperiod": 8761}, "clientleaseperiod must be between 0 and 8760"),
        (OF_UNUSED | {"heartbeat": 4}, "heartbeat must be between 5 and 1440"),
        (OF_UNUSED | {"enabledforuse": "yes"}, "enabledforuse must be true or false"),
        (OF_UNUSED | {"licensetype": "monthly"},
            "licensetype must be perpetual or subscriptionperiod or expirationdate"),
        (OF_UNUSED | {"licensetype": "expirationdate"}, "subscriptionenddate is mandatory"),
        (OF_UNUSED | {"licensetype": "subscriptionperiod", "subscriptionperiod": 5001},
            "subscriptionperiod must be between 1 and 5000"),
        (OF_UNUSED | {"subscriptionperiod": 10}, NO_TYPE),
        (OF_UNUSED | {"maintenanceenddate": "soon"}, "maintenanceenddate must be a datetime"),
        (OF_UNUSED | {"features": [{"featurecode": "NONE"}]}, "Feature NONE does not exist"),
        (OF_UNUSED | {"notes": [{"type": "delete", "description": "7"}]}, "Note does not exist"),
        (OF_UNUSED | {"companyid": 999}, "Company does not exist"),
        (OF_UNUSED | {"reference": ["order-1"]}, "reference must be a string"),
        (OF_UNUSED | {"udfvalues": [{"fieldname": "NONE", "defaultvalue": "x"}]}, "UDF NONE does not exist"),
        (OF_UNUSED | {"serverfunctions": [{"functionname": "LTCO", "parametervalue": -1}]},
            "parametervalue must be between 0 and 2147483647"),
    ],
    "GET LicenseCode": [
        ({}, "licensecode is mandatory"),
        ({"licensecode": UNKNOWN_CODE}, "License code does not exist"),
        ({"licensecode": STUDIO_CODE, "productid": PRO}, "License code does not exist"),
        ({"licensecode": STUDIO_CODE, "productid": "1"}, "ProductID does not exist"),
        ({"licensecode": STUDIO_CODE, "details": 2}, "details must be between 0 and 1"),
        ({"licensecode": STUDIO_CODE, "userdetails": "x"}, "userdetails must be an integer"),
        ({"licensecode": STUDIO_CODE, "showfeatures": "off"}, "showfeatures must be on or all"),
    ],
    "GET NextLicenseCode": [
        ({}, "productid is mandatory"),
        ({"productid": PRO, "amount": 0}, "amount must be between 1 and 10000"),
        ({"productid": PRO, "profilename": "Nobody's"}, "Profile does not exist"),
    ],
    "GET LicenseNote": [(OF_EDUCATION | {"licensecode": UNKNOWN_CODE}, "License code does not exist")],
    "POST LicenseNote": [
        (OF_EDUCATION | {"description": "x"}, "type is mandatory"),
        (OF_EDUCATION | {"type": "general"}, "description is mandatory"),
        (OF_EDUCATION | {"type": "delete", "description": "x"}, "type must be general or system"),
    ],
    "PUT LicenseNote": [
        (OF_EDUCATION | {"description": "x"}, "noteid is mandatory"),
        (OF_EDUCATION | {"noteid": 7, "description": "x"}, "Note does not exist"),
    ],
    "DELETE LicenseNote": [(OF_EDUCATION | {"noteid": 7}, "Note does not exist")],
    "GET LicenseCodeActivity": [(OF_STUDIO | {"productid": PRO}, "License code does not exist")],
    "PUT LicenseCodeActivity": [(OF_STUDIO | {"productid": PRO}, "License code does not exist")],
    "DELETE LicenseCodeActivity": [(OF_STUDIO | {"productid": PRO}, "License code does not exist")],
    "POST PassiveLicense": [
        (PASSIVE | {"clientid": "123456789"}, CLIENT_ID),
        (PASSIVE | {"clientid": "x" * 256}, CLIENT_ID),
        (PASSIVE | {"clientid": ""}, "clientid is mandatory"),
        (PASSIVE | {"features": [{"featurecode": "NONE"}]}, "Feature NONE does not exist"),
        (PASSIVE | {"companyid": 999}, "Company does not exist"),
    ],
    "GET Product": [({"productid": "1"}, "ProductID does not exist"), ({}, "productid is mandatory")],
    "POST Product": [
        (MOBILE | {"productname": ""}, "productname is mandatory"),
        (MOBILE | {"productname": "Draftline Pro"}, "Product name already exists"),
        (MOBILE | {"clientsallowed": 0}, "clientsallowed must be between 1 and 50000"),
        (MOBILE | {"vmleaseperiod": 501}, "vmleaseperiod must be between 0 and 500"),
        (MOBILE | {"licensetype": "expirationdate"}, "subscriptionenddate is mandatory"),
        (MOBILE | {"features": [{"featurecode": "X", "featurename": "X"}]}, "notes is mandatory"),
        (MOBILE | {"featuregroups": [{"featuregroupname": "Default"}]}, "FeatureGroup Default already exists"),
        (MOBILE | {"udfvalues": [{"fieldname": "A"}, {"fieldname": "A"}]}, "UDF A already exists"),
        (MOBILE | {"udfvalues": "A"}, "udfvalues must be a list of objects"),
    ],
    "POST ProductFeatureGroups": [
        (OF_DESKTOP, "featuregroups is mandatory"),
        (OF_DESKTOP | {"featureGroups": [{}]}, "featuregroupname is mandatory"),
        (OF_DESKTOP | {"featureGroups": [{"featureGroupName": "New"}, {"featureGroupName": "Extensions"}]},
            "FeatureGroup Extensions already exists"),
    ],
    "PUT ProductFeatureGroups": [
        (OF_DESKTOP | {"featureGroups": [{"featureGroupName": "None"}]}, "FeatureGroup None does not exist"),
        (OF_DESKTOP | {"featureGroups": [{"featureGroupName": "Extensions", "newFeatureGroupName": "Default"}]},
            "FeatureGroup Default already exists"),
        (OF_DESKTOP | {"featureGroups": [{"featureGroupName": "Default", "newFeatureGroupName": "Main"}]},
            NO_DEFAULT),
    ],
    "DELETE ProductFeatureGroups": [
        (OF_DESKTOP | {"featureGroupName": "None"}, "FeatureGroup None does not exist"),
        (OF_DESKTOP | {"featureGroupName": "Default"}, NO_DEFAULT),
        (OF_DESKTOP, "featuregroupname is mandatory"),
    ],
    "POST ProductFeatures": [
        (OF_DESKTOP | {"features": []}, "features is mandatory"),
        (OF_DESKTOP | {"features": [NEW_FEATURE | {"featureCode": "EXPORT"}]}, "Feature EXPORT already exists"),
        (OF_DESKTOP | {"features": [NEW_FEATURE, NEW_FEATURE]}, "Feature NEW already exists"),
        (OF_DESKTOP | {"features": [NEW_FEATURE | {"featureName": ""}]}, "featurename is mandatory"),
        (OF_DESKTOP | {"features": [NEW_FEATURE | {"featureGroupName": "None"}]},
            "FeatureGroup None does not exist"),
        (OF_DESKTOP | {"features": [NEW_FEATURE | {"featureType": "counted"}]},
            "featuretype must be normal or floating or elementpool or consumptiontokens or securestore"),
        (OF_DESKTOP | {"features": [NEW_FEATURE | {"featureType": "floating", "availableInTrials": "true"}]},
            NOT_IN_TRIALS),
    ],
    "PUT ProductFeatures": [
        (OF_DESKTOP | {"features": [{"featureCode": "NEW"}]}, "Feature NEW does not exist"),
        (OF_DESKTOP | {"features": [{"featureCode": "EXPORT", "newFeatureCode": "RENDER"}]},
            "Feature RENDER already exists"),
        (OF_DESKTOP | {"features": [{"featureCode": "EXPORT", "notes": "new"},
                                    {"featureCode": "RENDER", "availableInTrials": "true"}]}, NOT_IN_TRIALS),
    ],
    "POST ProductUDF": [
        (OF_DESKTOP | {"udfValues": [{"fieldName": "EDITION"}]}, "UDF EDITION already exists"),
        (OF_DESKTOP, "udfvalues is mandatory"),
    ],
    "PUT ProductUDF": [(OF_DESKTOP | {"udfValues": [{"fieldName": "NONE"}]}, "UDF NONE does not exist")],
    "DELETE ProductUDF": [
        (OF_DESKTOP | {"fieldName": "NONE"}, "UDF NONE does not exist"),
        (OF_DESKTOP, "fieldname is mandatory"),
    ],
    "GET Profile": [
        (OF_DESKTOP, "profilename is mandatory"),
        (PROFILE, "Profile does not exist"),
    ],
    "POST Profile": [
        (PROFILE | {"profilename": "education"}, "Profile name already exists"),
        (PROFILE | {"profilename": "Default"}, "Profile name already exists"),
        (PROFILE | {"reseller": "Nobody"}, "Reseller does not exist"),
        (PROFILE | {"licensetype": "expirationdate"}, "subscriptionenddate is mandatory"),
        (PROFILE | {"features": [{"featurecode": "X"}]}, "Feature X does not exist"),
    ],
    "PUT Profile": [
        (PROFILE, "Profile does not exist"),
        (EDUCATION | {"heartbeat": 4}, "heartbeat must be between 5 and 1440"),
        (EDUCATION | {"clientsallowed": 1, "subscriptionperiod": 5}, NO_TYPE),
    ],
    "POST ConsumerData": [
        ({"productid": PRO}, "computerid is mandatory"),
        (CONSUMER, "clientinfo must be JSON"),
        (CONSUMER | {"clientinfo": "no object"}, "clientinfo must be JSON"),
        (CONSUMER | {"clientinfo": {}, "licensecode": "1"}, "License code does not exist"),
    ],
    "GET Trials": [
        ({"trialStatus": "Trial Expired"}, "trialstatus must be intrial or expired"),
        ({"converted": 1}, "converted must be true or false"),
        ({"expiresBefore": "soon"}, "expiresbefore must be a datetime"),
        ({"expiresWithinDays": -1}, "expireswithindays must be between 0 and 36500"),
    ],
    "GET Company": [
        ({}, "companyid is mandatory"),
        ({"companyid": 999}, "Company does not exist"),
        ({"companyid": 3, "productid": PRO}, "Company does not exist"),
    ],
    "POST Company": [
        ({"company": "New"}, "productid is mandatory"),
        ({"productid": PRO}, "company is mandatory"),
        (COMPANY | {"reseller": "Nobody"}, "Reseller does not exist"),
        (COMPANY | {"companydata": "x"}, "companydata must be JSON"),
    ],
    "PUT Company": [
        ({"companyid": 2}, "productid is mandatory"),
        ({"companyid": 3, "productid": PRO, "search1": "x"}, "Company does not exist"),
        ({"companyid": 2, "productid": PRO, "search1": ["x"]}, "search1 must be a string"),
    ],
    "DELETE Company": [({}, "companyid is mandatory")],
    "GET Group": [
        ({}, "groupid or groupname is mandatory"),
        ({"groupid": 9, "groupname": "Harrow & Pike"}, NOT_BOTH),
        ({"groupid": 999}, "Group does not exist"),
    ],
    "DELETE Group": [({"groupid": 9, "groupname": "Harrow & Pike"}, NOT_BOTH)],
    "POST Group": [
        ({"groupname": "New"}, "type is mandatory"),
        (NEW_GROUP | {"type": "small"}, "type must be master or standard"),
        ({"type": "master"}, "groupname is mandatory"),
        (NEW_GROUP | {"groupname": "Harrow & Pike"}, "Group name already exists"),
        (NEW_GROUP | {"mastergroupid": 999}, "Master group does not exist"),
        (NEW_GROUP | {"companyid": 999}, "Company does not exist"),
    ],
    "PUT Group": [
        ({"groupname": "New"}, "groupid is mandatory"),
        ({"groupid": 999}, "Group does not exist"),
        ({"groupid": 10, "groupname": "Harrow & Pike"}, "Group name already exists"),
        ({"groupid": 9, "mastergroupid": 9}, "A group cannot be its own master group"),
        ({"groupid": 9, "type": "standard", "description": ["x"]}, "description must be a string"),
    ],
    "GET GroupUser": [
        ({}, "groupuserid or username is mandatory"),
        ({"groupuserid": 7, "username": "morag.hale"}, "Please supply either groupuserid or username, not both"),
        ({"groupuserid": 999}, "Group user does not exist"),
    ],
    "POST GroupUser": [
        ({"username": "new", "password": "x"}, "groupid is mandatory"),
        (USER | {"groupid": 999}, "Group does not exist"),
        ({"groupid": 9, "username": "new"}, "password is mandatory"),
        (USER | {"username": "june.lund"}, "Username already exists"),
    ],
    "PUT GroupUser": [
        ({"groupuserid": 7}, "groupid is mandatory"),
        ({"groupuserid": 7, "groupid": 10, "username": "june.lund"}, "Username already exists"),
        ({"groupuserid": 7, "groupid": 10, "email": {}}, "email must be a string"),
    ],
    "DELETE GroupUser": [
        ({"groupuserid": 999}, "Group user does not exist"),
        ({}, "groupuserid is mandatory"),
    ],
    "PUT GroupUserPassword": [
        ({"username": "nobody", "password": "x"}, "Group user does not exist"),
        ({"username": "june.lund"}, "password is mandatory"),
    ],
    "GET AuthenticateUser": [
        ({"username": "nobody", "password": "x"}, "Invalid username or password"),
        ({"username": "june.lund", "password": "pässword"}, "Invalid username or password"),
        ({"username": "june.lund"}, "password is mandatory"),
        ({"password": "x"}, "username is mandatory"),
    ],
    "GET GroupLicenseCode": [
        (OF_EDUCATION, "License code is not assigned to a group"),
        (OF_EDUCATION | {"licensecode": "1"}, "License code does not exist"),
    ],
    "POST GroupLicenseCode": [
        (OF_EDUCATION, "groupid is mandatory"),
        (OF_EDUCATION | {"groupid": 999}, "Group does not exist"),
        (OF_EDUCATION | {"groupid": 9, "companyid": 999}, "Company does not exist"),
        (OF_EDUCATION | {"groupid": 9, "profileid": 14}, "Profile does not exist"),
        (OF_STUDIO | {"groupid": 10}, "License code is already assigned to a group"),
    ],
    "DELETE GroupLicenseCode": [
        (OF_EDUCATION | {"groupid": 9}, "License code is not assigned to a group"),
        (OF_STUDIO | {"groupid": 9}, "License code is not assigned to this group"),
    ],
    "POST GroupUserLicense": [
        (GROUP_USER_LICENSE | {"groupName": "Harrow & Pike"}, "Group name already exists"),
        (GROUP_USER_LICENSE | {"userName": "june.lund"}, "Username already exists"),
        (GROUP_USER_LICENSE | {"password": ""}, "password is mandatory"),
        (GROUP_USER_LICENSE | {"licensecode": STUDIO_CODE}, "License code is already assigned to a group"),
        (GROUP_USER_LICENSE | {"licensecode": "1"}, "License code does not exist"),
    ],
}
# fmt: on


def everything(simulator):
    """What the account holds, the records and what they leave out."""
    return copy.deepcopy((simulator.records(), simulator._products, simulator._profiles, simulator._assigned))


@pytest.mark.parametrize(
    ("call", "inputs", "description"),
    [(call, *mistake) for call, mistakes in MISTAKES.items() for mistake in mistakes],
)
async def test_a_mistake_is_a_text_and_changes_nothing(sandbox, ask, call, inputs, description):
    verb, controller = call.split()
    before = everything(sandbox.zentitle)

    assert description == await ask(verb, controller, **inputs)
    assert before == everything(sandbox.zentitle)
