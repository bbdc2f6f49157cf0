"""The manners of Sensorpro: tokens in the path, errors in a 200 answer, mails that go out each time."""

import json
import uuid
from pathlib import Path

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

CAMPAIGN = "3f0c6a52-9d1e-4b7a-8c35-5e0f7a9b2d14"
CREDENTIALS = {
    "Organization": "sandbox",
    "User": "api@sandbox.example",
    "Password": "sandbox-sensorpro-password",
}
API_KEY = {"x-apikey": "00000000-0000-4000-8000-00000000c0de"}
SAMPLES = Path(__file__).parents[2] / "samples" / "sensorpro"
OPTIONS = {"Options": {"Parameters": {}, "Action": ""}}


def trigger(**changes):
    return {
        "CampId": CAMPAIGN,
        "BroadcastId": 1,
        "Delay": 0,
        "ContactData": {"PersonalEMail": "buyer@shop.example"},
        "NamedPairsParameters": {"codes": "111"},
    } | changes


@pytest.fixture
def ask(sensorpro, token):
    """Calls an operation and answers what it says, once it said that all went well."""

    async def call(path, verb="POST", **body):
        response = await sensorpro.request(verb, f"/api/{path}/{token}", json=body)
        assert [] == errors(response)
        return response.json()

    return call


@pytest.fixture
def fail(sensorpro, token):
    """Calls an operation and answers its errors."""

    async def call(path, verb="POST", **body):
        return errors(await sensorpro.request(verb, f"/api/{path}/{token}", json=body))

    return call


def errors(response):
    """The errors in an answer, whose status is 200 all the same."""
    assert 200 == response.status_code
    result = response.json()["Result"]
    assert len(result["ErrorMessages"]) == result["TotalErrors"]
    return [(each["Sequence"], each["Code"]) for each in result["ErrorMessages"]]


async def test_signing_in_gives_a_token_its_life_and_where_to_go(sandbox, sensorpro):
    answer = (await sensorpro.post("/auth/sys/signin", json=CREDENTIALS, headers=API_KEY)).json()

    assert (3622, f"{sandbox.sensorpro.url}/") == (answer["ExpiresIn"], answer["APIEndpoint"])
    assert answer["Token"] == str(uuid.UUID(answer["Token"]))
    assert {"RequestId", "ErrorMessages", "StatusMesssages", "TotalStatusMessages", "TotalErrors"} == set(
        answer["Result"]
    )


async def test_the_old_log_in_has_the_password_in_its_path_and_the_log_hides_it(sandbox, sensorpro):
    path = "/auth/sys/login/sandbox/api%40sandbox.example/sandbox-sensorpro-password"

    response = await sensorpro.post(path, headers=API_KEY)

    assert [] == errors(response)
    assert ["/auth/sys/login/***/***/***"] == [each["path"] for each in sandbox.sensorpro.requests()]


@pytest.mark.parametrize(
    ("change", "headers"),
    [
        ({"Organization": "other"}, API_KEY),
        ({"User": "someone"}, API_KEY),
        ({"Password": "wrong"}, API_KEY),
        ({"Password": None}, API_KEY),
        ({}, {}),
        ({}, {"x-apikey": str(uuid.uuid4())}),
    ],
)
async def test_wrong_credentials_are_an_error_in_the_body(sensorpro, change, headers):
    response = await sensorpro.post("/auth/sys/signin", json=CREDENTIALS | change, headers=headers)

    assert [(0, "LOGIN_FAILED")] == errors(response)
    assert "Token" not in response.json()


async def test_a_wrong_token_is_an_error_in_the_body(sensorpro):
    response = await sensorpro.post(f"/api/Contact/GetContacts/{uuid.uuid4()}", json={})

    assert [(0, "TOKEN_INVALID")] == errors(response)


async def test_a_token_lapses(sandbox, sensorpro, token):
    sandbox.sensorpro.end_sessions()

    response = await sensorpro.post(f"/api/Contact/GetContacts/{token}", json={})

    assert [(0, "TOKEN_INVALID")] == errors(response)


async def test_logging_off_answers_nothing_and_ends_the_token(sensorpro, token):
    goodbye = await sensorpro.post(f"/auth/sys/logoff/{token}", json={})
    after = await sensorpro.post(f"/api/Contact/GetContacts/{token}", json={})

    assert (200, b"") == (goodbye.status_code, goodbye.content)
    assert [(0, "TOKEN_INVALID")] == errors(after)


async def test_the_request_log_hides_the_token(sandbox, sensorpro, token):
    await sensorpro.post(f"/api/Contact/GetContacts/{token}", json={})
    await sensorpro.post(f"/api/No/Such/{token}", json={})

    paths = [each["path"] for each in sandbox.sensorpro.requests()]

    assert ["/auth/sys/signin", "/api/Contact/GetContacts/***", "/api/No/Such/***"] == paths


async def test_a_triggered_mail_goes_out_each_time_it_is_asked_for(sandbox, sensorpro, token):
    answers = [await sensorpro.post(f"/api/Campaign/TriggerEmail/{token}", json=trigger()) for _ in range(2)]

    assert [[], []] == [errors(answer) for answer in answers]
    assert [("buyer@shop.example", CAMPAIGN, 1, {"codes": "111"})] * 2 == [
        (mail["to"], mail["campaign"], mail["broadcast"], mail["parameters"])
        for mail in sandbox.sensorpro.records()["mails"]
    ]


async def test_a_lost_answer_to_a_mail_has_sent_it(sandbox, sensorpro, token):
    sandbox.sensorpro.faults.add("trigger_email", "lose")

    with pytest.raises(httpx.TransportError):
        await sensorpro.post(f"/api/Campaign/TriggerEmail/{token}", json=trigger())

    assert 1 == len(sandbox.sensorpro.records()["mails"])


async def test_a_relayed_mail_goes_to_each_of_its_recipients(sandbox, sensorpro, token):
    mail = {
        "From": {"DisplayName": "Us", "Email": "us@firm.example"},
        "To": [
            {"DisplayName": "A", "Email": "a@shop.example"},
            {"DisplayName": "B", "Email": "b@shop.example"},
        ],
        "Subject": "Your licenses",
        "PlainTextMessage": "111",
    }

    response = await sensorpro.post(f"/api/Email/SendEmail/{token}", json=mail)

    assert [] == errors(response)
    assert [("a@shop.example", "Your licenses"), ("b@shop.example", "Your licenses")] == [
        (each["to"], each["subject"]) for each in sandbox.sensorpro.records()["mails"]
    ]


async def test_the_status_of_a_broadcast_counts_what_was_sent(sensorpro, token):
    await sensorpro.post(f"/api/Campaign/TriggerEmail/{token}", json=trigger())

    answer = (
        await sensorpro.post(
            f"/api/Campaign/GetBroadcastStatus/{token}", json={"CampId": CAMPAIGN, "BroadcastId": 1}
        )
    ).json()

    assert 1 == answer["TotalSent"]


async def test_a_bad_contact_is_told_by_its_index_and_the_others_are_kept(sandbox, sensorpro, token):
    rows = [{"PersonalEMail": "a@shop.example"}, {"FirstName": "Nobody"}, {"Personalemail": "b@shop.example"}]

    response = await sensorpro.post(
        f"/api/Contact/UpdateAdd/{token}", json=OPTIONS | {"Contact": rows, "ReturnFailedRequests": True}
    )

    assert [(1, "CONTACT_INVALID")] == errors(response)
    assert [{"FirstName": "Nobody"}] == response.json()["FailedRequests"]
    assert ["a@shop.example", "b@shop.example"] == [
        each["PersonalEMail"] for each in sandbox.sensorpro.records()["contacts"][-2:]
    ]


async def test_a_contact_is_updated_by_its_address_and_found_again(sandbox, sensorpro, token):
    for name in ("Ann", "Anna"):
        row = {"PersonalEMail": "a@shop.example", "FirstName": name}
        body = OPTIONS | {"AddToList": ["Buyers"], "Contact": [row]}
        await sensorpro.post(f"/api/Contact/UpdateAdd/{token}", json=body)

    found = await sensorpro.post(
        f"/api/Contact/GetContacts/{token}", json={"PersonalEMail": "A@shop.example"}
    )

    assert [("Anna", ["Buyers"])] == [(each["FirstName"], each["Tags"]) for each in found.json()["Contact"]]


async def test_a_welcome_mail_goes_out_at_each_repeat(sandbox, sensorpro, token):
    body = OPTIONS | {"Contact": [{"PersonalEMail": "a@shop.example"}], "SendWelcomeEmail": True}
    for _ in range(2):
        await sensorpro.post(f"/api/Contact/UpdateAdd/{token}", json=body)

    assert ["welcome", "welcome"] == [mail["kind"] for mail in sandbox.sensorpro.records()["mails"]]


@pytest.mark.parametrize("given_", [{}, {"Options": {}}, {"Options": {"Parameters": {}}}])
async def test_an_upsert_without_its_options_is_refused(fail, sandbox, given_):
    row = {"PersonalEMail": "a@shop.example"}

    assert [(0, "REQUEST_INVALID")] == await fail("Contact/UpdateAdd", Contact=[row], **given_)
    sandbox.sensorpro.dialect.speak({"upsert-needs-options": "ignored"})
    assert [] == await fail("Contact/UpdateAdd", Contact=[row], **given_)


@pytest.mark.parametrize("body", [b"nonsense", b"[]", b"\xff", b"[" * 100_000])
async def test_a_body_that_is_no_object_is_an_error_in_the_body(sensorpro, token, body):
    response = await sensorpro.post(f"/api/Contact/UpdateAdd/{token}", content=body)

    assert [(0, "REQUEST_INVALID")] == errors(response)


@pytest.mark.parametrize("value", ["NaN", "1e999", '"half a pair: \\ud800"'])
async def test_a_value_that_no_answer_could_repeat_is_an_error_in_the_body(sandbox, sensorpro, token, value):
    before = sandbox.sensorpro.records()["contacts"]
    body = f'{{"Contact": [{{"PersonalEMail": "a@shop.example", "Size": {value}}}]}}'

    response = await sensorpro.post(f"/api/Contact/UpdateAdd/{token}", content=body)

    assert [(0, "REQUEST_INVALID")] == errors(response)
    assert before == sandbox.sensorpro.records()["contacts"]


@pytest.mark.parametrize(
    "path", ["/auth/sys/signin", "/auth/sys/logoff/{token}", "/api/Contact/GetContacts/{token}"]
)
async def test_a_post_without_a_body_is_stopped_by_the_web_server(sandbox, sensorpro, token, path):
    response = await sensorpro.post(path.format(token=token), headers=API_KEY)

    assert (411, "text/html; charset=utf-8") == (response.status_code, response.headers["content-type"])


# Contacts


async def test_what_went_well_is_told_in_status_messages_with_three_s(ask):
    rows = [{"PersonalEMail": "new@shop.example"}, {"PersonalEMail": "accounts@baxterlowe.example"}]

    result = (await ask("Contact/UpdateAdd", **OPTIONS, Contact=rows))["Result"]

    assert (2, 0) == (result["TotalStatusMessages"], result["TotalErrors"])
    assert [(0, "CONTACT_ADDED"), (1, "CONTACT_UPDATED")] == [
        (each["Sequence"], each["Code"]) for each in result["StatusMesssages"]
    ]


async def test_adding_a_contact_that_is_there_is_an_error_of_its_row(sandbox, ask, fail):
    rows = [
        {"PersonalEMail": "new@shop.example", "FirstName": "Nora"},
        {"PersonalEMail": "ACCOUNTS@baxterlowe.example", "FirstName": "Impostor"},
    ]

    found = await fail("Contact/Add", **OPTIONS, Contact=rows, AddToList=["Buyers"])

    stored = {each["PersonalEMail"]: each for each in sandbox.sensorpro.records()["contacts"]}
    assert [(1, "CONTACT_EXISTS")] == found
    assert ("Nora", ["Buyers"]) == (
        stored["new@shop.example"]["FirstName"],
        stored["new@shop.example"]["Tags"],
    )
    assert "Iris" == stored["accounts@baxterlowe.example"]["FirstName"]


async def test_updating_a_contact_that_is_not_there_is_an_error_of_its_row(ask, fail):
    rows = [
        {"PersonalEMail": "new@shop.example"},
        {"PersonalEMail": "accounts@baxterlowe.example", "title": "Ms"},
    ]

    found = await fail("Contact/Update", "PUT", **OPTIONS, Contact=rows, AddToList=["Buyers"])

    [contact] = (await ask("Contact/GetContacts", PersonalEMail="accounts@baxterlowe.example"))["Contact"]
    assert [(0, "CONTACT_NOT_FOUND")] == found
    assert ("Ms", ["Licensees"]) == (contact["Title"], contact["Tags"])


async def test_a_contacts_own_fields_are_not_to_be_overwritten(ask):
    row = {
        "PersonalEMail": "a@shop.example",
        "Tags": "x",
        "OptOut": True,
        "ContactId": 1,
        "Size": 9,
        "List": [],
    }
    await ask("Contact/UpdateAdd", **OPTIONS, Contact=[row])

    [contact] = (await ask("Contact/GetContacts", PersonalEMail="a@shop.example"))["Contact"]

    assert ([], False, 9) == (contact["Tags"], contact["OptOut"], contact["Size"])
    assert "List" not in contact


async def test_contacts_come_in_pages(ask):
    pages = [
        await ask("Contact/GetContactsPaged", PageNumber=number, PageSize="3") for number in (1, 2, 3, 4)
    ]

    assert [3, 3, 1, 0] == [len(page["Contact"]) for page in pages]
    assert [(7, 3)] * 4 == [(page["TotalRecords"], page["TotalPages"]) for page in pages]
    assert 7 == len({each["ContactId"] for page in pages for each in page["Contact"]})


async def test_contacts_of_a_tag_come_in_pages_too(ask):
    page = await ask("Contact/GetContactsPaged", Tag="Print fleets")

    assert ["Priya", "Tom"] == [each["FirstName"] for each in page["Contact"]]


async def test_who_opted_out_is_sent_no_broadcast_until_they_opt_in(sandbox, ask, fail):
    buyer = {"PersonalEMail": "buyer@shop.example"}
    await ask("Contact/UpdateAdd", **OPTIONS, Contact=[buyer])
    await ask("Contact/ChangeOptOutStatus", "PUT", **buyer, OptOut=True)
    refused = await fail("Campaign/TriggerEmail", **trigger())
    await ask("Contact/ChangeOptOutStatus", "PUT", **buyer, OptOut=False)

    await ask("Campaign/TriggerEmail", **trigger())

    assert [(0, "CONTACT_OPTED_OUT")] == refused
    assert 1 == len(sandbox.sensorpro.records()["mails"])


async def test_who_is_forgotten_is_gone(ask, fail):
    person = {"PersonalEMail": "Accounts@BaxterLowe.example"}
    await ask("Contact/ForgetMe", **person)

    assert [] == (await ask("Contact/GetContacts", **person))["Contact"]
    assert [(0, "CONTACT_NOT_FOUND")] == await fail("Contact/ForgetMe", **person)


# Campaigns


@pytest.mark.parametrize(
    ("campaign", "name"),
    [
        ("3f0c6a52-9d1e-4b7a-8c35-5e0f7a9b2d14", "Your licenses"),
        ("8b1d4f70-2c6e-4a95-b3f8-6d20c97e5a41", "Supply alert"),
        ("c52e90ab-7f34-4d18-9a60-1eb84d3f7c26", "Diagnostics survey"),
    ],
)
async def test_the_firm_has_a_stored_broadcast_for_each_of_its_trades(ask, campaign, name):
    status = await ask("Campaign/GetBroadcastStatus", CampId=campaign.upper(), BroadcastId="1")

    assert (name, "Active", 0) == (status["Name"], status["Status"], status["TotalSent"])


async def test_a_broadcast_goes_to_everybody_in_its_segment_who_has_not_opted_out(sandbox, ask):
    made = await ask("Campaign/AddBroadcast", CampaignId=53, DesignId=13, SegmentId=23, Name="May survey")

    status = await ask("Campaign/GetBroadcastStatus", CampId=made["CampId"], BroadcastId=made["BroadcastId"])
    assert ("May survey", "Sent", 2) == (status["Name"], status["Status"], status["TotalSent"])
    assert ["workshop@millroadgarage.example", "service@elmstreetmotors.example"] == [
        mail["to"] for mail in sandbox.sensorpro.records()["mails"]
    ]


@pytest.mark.parametrize(
    "schedule",
    [
        {"DelayByMinutes": 60},
        {"DelayUntilUTC": "2999-01-01T00:00:00"},
        {"DelayUntilUTC": "2999-01-01T00:00Z"},
    ],
)
async def test_a_broadcast_waits_for_its_time(sandbox, ask, schedule):
    made = await ask("Campaign/AddBroadcast", CampaignId=53, DesignId=13, SegmentId=23, Schedule=schedule)

    status = await ask("Campaign/GetBroadcastStatus", CampId=made["CampId"], BroadcastId=made["BroadcastId"])

    assert ("Scheduled", 0) == (status["Status"], status["TotalSent"])
    assert [] == sandbox.sensorpro.records()["mails"]


async def test_what_was_put_off_is_done_at_its_time(sandbox, ask):
    await ask(
        "Campaign/AddBroadcast", CampaignId=53, DesignId=13, SegmentId=23, Schedule={"DelayByMinutes": 60}
    )
    sandbox.sensorpro.hurry()

    assert 2 == len(sandbox.sensorpro.records()["mails"])


async def test_the_results_of_a_campaign_count_what_became_of_its_mails(sandbox, sensorpro, ask):
    help_page = {"url": "https://firm.example/help"}
    for address in ("a@shop.example", "b@shop.example", "c@shop.example"):
        await ask("Contact/UpdateAdd", **OPTIONS, Contact=[{"PersonalEMail": address}])
        await ask("Campaign/TriggerEmail", **trigger(ContactData={"PersonalEMail": address}))
    reactions = [(1, "open", {}), (1, "click", help_page), (1, "click", help_page), (2, "click", help_page)]
    for mail, deed, body in [*reactions, (3, "bounce", {})]:
        response = await sensorpro.post(f"/_sandbox/mails/{mail}/{deed}", json=body)
        assert (201, mail) == (response.status_code, response.json()["id"])
    await ask("Contact/ChangeOptOutStatus", "PUT", PersonalEMail="b@shop.example", OptOut=True)

    results = await ask("Campaign/GetCampaignResults", CampaignId=51)
    links = (await ask("Campaign/GetCampaignResultsLinks", CampaignId=51))["Links"]

    assert {
        "TotalSent": 3,
        "TotalDelivered": 2,
        "TotalOpens": 4,
        "UniqueOpens": 2,
        "TotalClicks": 3,
        "UniqueClicks": 2,
        "TotalBounces": 1,
        "TotalOptOuts": 1,
    } == {name: value for name, value in results.items() if name.startswith(("Total", "Unique"))}
    assert [("https://firm.example/download", 0, 0), ("https://firm.example/help", 3, 2)] == [
        (each["Url"], each["TotalClicks"], each["UniqueClicks"]) for each in links
    ]


async def test_a_campaign_without_mails_has_results_of_nothing(ask):
    results = await ask("Campaign/GetCampaignResults", CampaignId="52")

    assert ("Supply alert", 0) == (results["Name"], results["TotalSent"])


async def test_a_triggered_mail_may_be_put_off(sandbox, ask):
    await ask("Campaign/TriggerEmail", **trigger(Delay=10))

    assert [] == sandbox.sensorpro.records()["mails"]


# Imports


FIELD_MAP = [
    {"FromField": "Email", "ToField": "personalemail"},
    {"FromField": "First name", "ToField": "FirstName"},
    {"FromField": "Company", "ToField": "Company"},
]


def definition(data=None, site=None, fields=FIELD_MAP):
    return {
        "ImportData": {"Name": "fleet", "ExecuteImport": True} | (data or {}),
        "FTPConfiguration": {
            "FTPSite": "ftp.firm.example",
            "FTPUser": "u",
            "FTPPwd": "secret-of-the-site",
            "FTPFileName": "customers.csv",
        }
        | (site or {}),
        "FieldMap": fields,
    }


async def test_an_import_takes_its_time_and_then_its_contacts_are_there(sandbox, ask, monkeypatch):
    monkeypatch.setattr(sandbox.sensorpro, "import_seconds", 3600)
    begun = await ask("import/ExecuteFTPImport", Tag="Fleet", ImportDefinition=definition())
    during = await ask("import/GetImportStatus", ImportId=begun["ImportId"])
    sandbox.sensorpro.hurry()

    after = await ask("import/GetImportStatus", ImportId=begun["ImportId"])

    contacts = (await ask("Contact/GetContacts", Tag="Fleet"))["Contact"]
    assert ("Running", 0) == (during["Status"], during["TotalRecords"])
    assert ("Completed", 4, 3, 1) == tuple(
        after[name] for name in ("Status", "TotalRecords", "TotalImported", "TotalFailed")
    )
    assert {("Priya", "Northgate Printing"), ("Tom", "Harbour Architects"), ("Jo", "Moor Street Books")} == {
        (each["FirstName"], each["Company"]) for each in contacts
    }
    assert "secret-of-the-site" not in json.dumps(sandbox.sensorpro.records())


@pytest.fixture
def quick(sandbox, monkeypatch):
    """Imports are done at once."""
    monkeypatch.setattr(sandbox.sensorpro, "import_seconds", 0)


async def test_each_call_imports_again_and_an_import_that_is_known_runs_by_its_tag(quick, ask):
    runs = [await ask("import/ExecuteFTPImport", Tag="Customers") for _ in range(2)]

    states = [await ask("import/GetImportStatus", ImportId=run["ImportId"]) for run in runs]

    assert [(1, "Completed"), (2, "Completed")] == [(each["ImportId"], each["Status"]) for each in states]
    assert 3 == len((await ask("Contact/GetContacts", Tag="Customers"))["Contact"])


async def test_a_file_that_is_deleted_after_its_import_cannot_be_imported_again(quick, ask):
    body = {"ImportDefinition": definition(site={"DeleteFileAfterImport": True})}
    runs = [await ask("import/ExecuteFTPImport", **body) for _ in range(2)]

    states = [(await ask("import/GetImportStatus", ImportId=run["ImportId"]))["Status"] for run in runs]

    assert ["Completed", "Failed"] == states


async def test_an_import_may_drop_who_was_imported_before(quick, ask):
    await ask(
        "Contact/UpdateAdd", **OPTIONS, Contact=[{"PersonalEMail": "old@shop.example"}], AddToList=["fleet"]
    )
    before = [each["PersonalEMail"] for each in (await ask("Contact/GetContacts", Tag="fleet"))["Contact"]]

    await ask("import/ExecuteFTPImport", ImportDefinition=definition({"ClearCrossXRef": True}))

    after = [each["PersonalEMail"] for each in (await ask("Contact/GetContacts", Tag="fleet"))["Contact"]]
    assert ["old@shop.example"] == before
    assert (3, False) == (len(after), "old@shop.example" in after)


async def test_an_import_may_be_defined_now_and_run_later(quick, ask):
    defined = await ask("import/ExecuteFTPImport", ImportDefinition=definition({"ExecuteImport": False}))
    run = await ask("import/ExecuteFTPImport", Tag="fleet")

    states = [
        (await ask("import/GetImportStatus", ImportId=each["ImportId"]))["Status"] for each in (defined, run)
    ]

    assert ["Defined", "Completed"] == states


# Mistakes

PERSON = {"PersonalEMail": "a@shop.example"}
BROADCAST = {"CampaignId": 53, "DesignId": 13, "SegmentId": 23}
RELAYED = {"From": {"Email": "us@firm.example"}, "To": [{"Email": "a@shop.example"}], "Subject": "x"}
# fmt: off
MISTAKES = {
    "POST Campaign/TriggerEmail": [
        (trigger(CampId="8d1f4b76-2f5c-4c11-b1d8-7a0e5c9b6f21"), "BROADCAST_NOT_FOUND"),
        (trigger(BroadcastId=2), "BROADCAST_NOT_FOUND"),
        (trigger(BroadcastId="two"), "BROADCAST_NOT_FOUND"),
        (trigger(ContactData={}), "CONTACT_INVALID"),
        (trigger(ContactData={"PersonalEMail": "nobody"}), "CONTACT_INVALID"),
    ],
    "POST Email/SendEmail": [
        (RELAYED | {"From": {}}, "REQUEST_INVALID"),
        (RELAYED | {"From": "us@firm.example"}, "REQUEST_INVALID"),
        (RELAYED | {"To": []}, "REQUEST_INVALID"),
        (RELAYED | {"To": [{"Email": "nobody"}]}, "REQUEST_INVALID"),
        (RELAYED | {"Cc": ["c@shop.example"]}, "REQUEST_INVALID"),
        (RELAYED | {"Schedule": {"DelayByMinutes": "soon"}}, "REQUEST_INVALID"),
    ],
    "POST Contact/UpdateAdd": [
        ({"Contact": []}, "REQUEST_INVALID"),
        ({"Contact": "a@shop.example"}, "REQUEST_INVALID"),
        ({"Contact": [PERSON], "UpdateByKey": "phone"}, "REQUEST_INVALID"),
        ({"Contact": [PERSON], "AddToList": "Buyers"}, "REQUEST_INVALID"),
    ],
    "POST Contact/GetContactsPaged": [
        ({"PageNumber": 0}, "REQUEST_INVALID"),
        ({"PageSize": "many"}, "REQUEST_INVALID"),
        ({"PageSize": -1}, "REQUEST_INVALID"),
        ({"PageNumber": True}, "REQUEST_INVALID"),
    ],
    "PUT Contact/ChangeOptOutStatus": [
        ({"PersonalEMail": "nobody@shop.example", "OptOut": True}, "CONTACT_NOT_FOUND"),
        ({"OptOut": True}, "CONTACT_INVALID"),
        ({"PersonalEMail": "accounts@baxterlowe.example", "OptOut": "yes"}, "REQUEST_INVALID"),
    ],
    "POST Campaign/AddBroadcast": [
        (BROADCAST | {"CampaignId": 99}, "CAMPAIGN_NOT_FOUND"),
        (BROADCAST | {"DesignId": 99}, "DESIGN_NOT_FOUND"),
        (BROADCAST | {"SegmentId": 99}, "SEGMENT_NOT_FOUND"),
        (BROADCAST | {"SegmentId": None}, "REQUEST_INVALID"),
        (BROADCAST | {"Schedule": {"DelayUntilUTC": "soon"}}, "REQUEST_INVALID"),
        (BROADCAST | {"Schedule": {"DelayByMinutes": -1}}, "REQUEST_INVALID"),
    ],
    "POST Campaign/GetCampaignResults": [
        ({}, "CAMPAIGN_NOT_FOUND"),
        ({"CampaignId": 99}, "CAMPAIGN_NOT_FOUND"),
        ({"CampaignId": CAMPAIGN}, "CAMPAIGN_NOT_FOUND"),
    ],
    "POST Campaign/GetCampaignResultsLinks": [({"CampaignId": 99}, "CAMPAIGN_NOT_FOUND")],
    "POST import/ExecuteFTPImport": [
        ({}, "IMPORT_NOT_FOUND"),
        ({"Tag": "Unknown"}, "IMPORT_NOT_FOUND"),
        ({"ImportDefinition": definition({"Name": "Fleet customers"})}, "REQUEST_INVALID"),
        ({"ImportDefinition": definition({"Name": "a" * 17})}, "REQUEST_INVALID"),
        ({"ImportDefinition": definition({"QuoteChar": "''"})}, "REQUEST_INVALID"),
        ({"ImportDefinition": definition(site={"FTPFileName": ""})}, "REQUEST_INVALID"),
        ({"ImportDefinition": definition(fields=FIELD_MAP[1:])}, "REQUEST_INVALID"),
        ({"ImportDefinition": definition(fields="personalemail")}, "REQUEST_INVALID"),
    ],
    "POST import/GetImportStatus": [
        ({"ImportId": 9}, "IMPORT_NOT_FOUND"),
        ({"ImportId": "x"}, "REQUEST_INVALID"),
        ({}, "REQUEST_INVALID"),
    ],
}
# fmt: on


@pytest.mark.parametrize(
    ("call", "body", "code"),
    [(call, *mistake) for call, mistakes in MISTAKES.items() for mistake in mistakes],
)
async def test_a_mistake_is_one_error_in_the_body_and_changes_nothing(sandbox, fail, call, body, code):
    verb, path = call.split()
    before = sandbox.sensorpro.records()

    assert [(0, code)] == await fail(path, verb, **body)
    assert before == sandbox.sensorpro.records()


# Whatever is sent

NAMES = """
    Contact PersonalEMail AddToList Tags UpdateByKey ReturnFailedRequests SendWelcomeEmail CampId CampaignId BroadcastId
    ContactData NamedPairsParameters Delay DesignId SegmentId Schedule DelayByMinutes DelayUntilUTC From To Cc Email
    Headers OptOut PageNumber PageSize Tag ImportDefinition ImportData FTPConfiguration FTPFileName FieldMap FromField
    ToField QuoteChar Name ImportId
"""
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(st.characters(exclude_categories=())),
    st.sampled_from(
        [
            "a@shop.example",
            CAMPAIGN,
            "51",
            "fleet",
            "customers.csv",
            "personalemail",
            "0001-01-01T00:00:00+14:00",
        ]
    ),
)
BODIES = st.recursive(
    SCALARS,
    lambda value: (
        st.lists(value, max_size=3) | st.dictionaries(st.sampled_from(NAMES.split()), value, max_size=5)
    ),
    max_leaves=15,
)
CALLS = [
    *(
        "Contact/UpdateAdd",
        "Contact/Add",
        "Contact/GetContacts",
        "Contact/GetContactsPaged",
        "Contact/ForgetMe",
    ),
    *("Campaign/TriggerEmail", "Email/SendEmail", "Campaign/AddBroadcast", "Campaign/GetBroadcastStatus"),
    *("Campaign/GetCampaignResults", "import/ExecuteFTPImport", "import/GetImportStatus"),
]


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(call=st.sampled_from(CALLS), body=BODIES)
async def test_no_body_is_too_odd_for_an_answer_with_a_result(quick, sensorpro, token, call, body):
    response = await sensorpro.post(f"/api/{call}/{token}", content=json.dumps(body).encode())

    assert (200, "application/json") == (response.status_code, response.headers["content-type"])
    assert isinstance(response.json()["Result"]["TotalErrors"], int)


# The vendor's own samples, with values of our own


def sample(name):
    return json.loads((SAMPLES / f"{name}.json").read_text())


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("upsert_contacts", "Contact/UpdateAdd"),
        ("trigger_email", "Campaign/TriggerEmail"),
        ("send_email", "Email/SendEmail"),
        ("execute_ftp_import", "import/ExecuteFTPImport"),
    ],
)
async def test_a_published_sample_is_taken(ask, name, path):
    await ask(path, **sample(f"{name}.request"))


async def test_answers_have_the_names_of_the_published_samples(sensorpro, ask):
    signed_in = (await sensorpro.post("/auth/sys/signin", json=CREDENTIALS, headers=API_KEY)).json()
    imported = await ask("import/ExecuteFTPImport", **sample("execute_ftp_import.request"))

    for answer, name in ((signed_in, "sign_in"), (imported, "execute_ftp_import")):
        published = sample(f"{name}.answer")
        assert set(published) == set(answer)
        assert set(published["Result"]) == set(answer["Result"])
