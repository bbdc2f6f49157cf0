"""Whatever a call of Zentitle's holds, it is answered, and so is every call after it."""

import json

import httpx
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hookline.simulators.zentitle import ZentitleSimulator

SOUND = {
    "productid": "3659410102",
    "licensecode": "286450110220930851",
    "profilename": "Education",
    "companyid": 2,
    "company": "Harrow & Pike Architects",
    "computerid": "kQe0MRH1+bYgemkYW2bc",
    "clientid": "0123456789",
    "clientinfo": {"email": "a@b.example"},
    "groupid": 10,
    "groupuserid": 9,
    "username": "june.lund",
    "password": "secret",
    "type": "general",
    "description": "text",
    "noteid": 101,
    "numcodes": 1,
    "pagenumber": 1,
    "productname": "Draftline Mobile",
    "featurecode": "EXPORT",
    "featuregroupname": "Extensions",
    "fieldname": "EDITION",
    "features": [{"featurecode": "EXPORT", "featurename": "Export", "notes": "x"}],
    "featuregroups": [{"featuregroupname": "Extensions"}],
    "udfvalues": [{"fieldname": "EDITION", "defaultvalue": "x"}],
    "event": "order.paid",
}
"""Inputs with which most calls work."""

OTHERS = {
    "licensecodes": "900000000000000001",
    "amount": 2,
    "details": 1,
    "getnotes": 1,
    "getsfs": 1,
    "getsysinfo": 1,
    "showfeatures": "on",
    "pagesize": 2,
    "activationcertificate": "7b7d",
    "deactivationcertificate": "7b7d",
    "notes": [{"type": "deleteall"}],
    "serverfunctions": [{"functionname": "LTCO", "parametervalue": 1}],
    "newfeaturegroupname": "Others",
    "intrial": "true",
    "trialperiod": 3,
    "licensetype": "expirationdate",
    "subscriptionperiod": 30,
    "subscriptionenddate": "2030-01-01",
    "maintenanceenddate": "reset",
    "clientsallowed": 3,
    "clientleaseperiod": 3,
    "clientofflineleaseperiod": 3,
    "heartbeat": 5,
    "reference": "order",
    "reseller": "Northgate Software",
    "inheritprofile": "true",
    "newprofilename": "Schools",
    "enabledforuse": "true",
    "concurrencymode": "network",
    "justlast": "false",
    "startdate": "2020-01-01",
    "enddate": "2030-01-01",
    "expiresbefore": "2030-01-01",
    "createdafter": "2020-01-01",
    "expireswithindays": 9,
    "createdwithindays": 9,
    "trialstatus": "intrial",
    "converted": "true",
    "global": 1,
    "companydata": {"email": "a@b.example"},
    "groupname": "Harrow & Pike",
    "mastergroupid": 9,
    "firstname": "Ann",
    "additionaldata": {"EUPMaster": "true"},
    "profileid": 13,
    "payload": {"a": 1},
}

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-3, 10**12)
    | st.floats()
    | st.text(st.characters(), max_size=20)  # half surrogate pairs too
    | st.sampled_from(
        ["", "0", "-1", "reset", "true", "9999-12-31T23:59:59-12:00", "0001-01-01T00:00+12:00"]
    ),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from(sorted(SOUND | OTHERS)), inner, max_size=3)
    ),
    max_leaves=4,
)


@st.composite
def inputs(draw):
    """Sound inputs, of which some are missing and a few are anything at all."""
    left_out = draw(st.sets(st.sampled_from(sorted(SOUND)), max_size=4))
    more = draw(st.sets(st.sampled_from(sorted(OTHERS)), max_size=6))
    odd = draw(st.dictionaries(st.sampled_from(sorted(SOUND | OTHERS)), JSON, max_size=3))
    sound = {name: value for name, value in SOUND.items() if name not in left_out}
    return sound | {name: OTHERS[name] for name in more} | odd


@given(name=st.sampled_from(sorted(ZentitleSimulator.operations)), inputs=inputs())
@settings(deadline=None, max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_whatever_is_sent_is_answered(sandbox, name, inputs):
    operation = ZentitleSimulator.operations[name]
    key = "sandbox-zentitle-ds" if name == "create_datastreamer_event" else "sandbox-zentitle-key"
    headers = {"Authorization": f"bearer 1234:{key}", "Content-Type": "application/json"}
    async with httpx.AsyncClient(base_url=sandbox.zentitle.url, headers=headers, verify=False) as client:
        response = await client.request(operation.verbs[0], operation.path, content=json.dumps(inputs))
        records = await client.get("/_sandbox/records")

    assert response.status_code in (200, 400), response.text
    assert 200 == records.status_code
