"""Sensorpro's operations as values: what is sent, what is refused before it, what is read."""

import json
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
from pydantic import SecretStr

from hookline.clients import InvalidInput, Refused, UnexpectedAnswer, VendorError, operations, pages
from hookline.clients.sensorpro import SensorproClient, SensorproUser
from hookline.clients.sensorpro.models import NO_FORM

ROOT = "https://vendor.example"
SAMPLES = Path(__file__).parents[2] / "samples" / "sensorpro"
OPERATIONS = operations(SensorproClient)
ANN = {"PersonalEMail": "ann@example.com"}
DEFAULTS = {
    "AddToList": [],
    "Options": {"Parameters": {}, "Action": ""},
    "ReturnFailedRequests": False,
    "UpdateByKey": "email",
    "SendWelcomeEmail": False,
    "SignupFormId": NO_FORM,
}
BATCH = {"Contact": [ANN]}
DEFINITION = {
    "ImportData": {"Name": "orders2030"},
    "FTPConfiguration": {
        "FTPSite": "ftp.example.com",
        "FTPUser": "u",
        "FTPPwd": "the-ftp-password",
        "FTPFileName": "a.csv",
    },
    "FieldMap": [{"FromField": "email", "ToField": "personalemail"}],
}
BROADCAST = {"CampaignId": 53, "DesignId": 7, "SegmentId": 9}
TOKEN = str(uuid4())


def sent(name, **inputs):
    """The body that an operation sends for these inputs."""
    return json.loads(OPERATIONS[name].request(ROOT, **inputs).content)


def result(*errors, **more):
    rows = [{"Sequence": number, "Description": text, "Code": "X"} for number, text in errors]
    return {"Result": {"RequestId": "r-1", "ErrorMessages": rows, "TotalErrors": len(rows)}} | more


def read(name, value):
    """What an operation reads from this JSON."""
    return OPERATIONS[name].read(httpx.Response(200, content=json.dumps(value).encode()))


# What is sent -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "inputs", "body"),
    [
        ("add_contacts", BATCH | {"AddToList": ["a"]}, DEFAULTS | {"Contact": [ANN], "AddToList": ["a"]}),
        ("update_contacts", BATCH, DEFAULTS | {"Contact": [ANN]}),
        ("get_contacts_paged", {"Tag": "a"}, {"Tag": "a", "PageNumber": 1, "PageSize": 100}),
        ("change_opt_out_status", ANN | {"OptOut": True}, ANN | {"OptOut": True}),
        ("change_opt_out_status", ANN | {"OptOut": False}, ANN | {"OptOut": False}),
        ("get_campaign_results", {"CampaignId": 53}, {"CampaignId": 53}),
        ("get_campaign_result_links", {"CampaignId": 53}, {"CampaignId": 53}),
        ("execute_ftp_import", {"Tag": "List_A"}, {"Tag": "List_A"}),
        ("get_import_status", {"ImportId": 12}, {"ImportId": 12}),
    ],
)
def test_inputs_are_sent_as_sensorpro_spells_them(name, inputs, body):
    assert body == sent(name, **inputs)


def test_an_import_is_sent_in_full_and_destroys_nothing_that_was_not_set():
    definition = sent("execute_ftp_import", ImportDefinition=DEFINITION)["ImportDefinition"]

    assert (False, True) == (
        definition["ImportData"]["ClearCrossXRef"],
        definition["ImportData"]["ExecuteImport"],
    )
    assert definition["FTPConfiguration"]["DeleteFileAfterImport"] is False
    assert "the-ftp-password" == definition["FTPConfiguration"]["FTPPwd"]


def test_the_password_of_a_file_is_among_the_secrets_of_its_call():
    given_ = SensorproClient.execute_ftp_import.validate(ImportDefinition=DEFINITION)

    assert ["the-ftp-password"] == given_.secrets()
    assert [] == SensorproClient.execute_ftp_import.validate(Tag="a").secrets()
    assert "the-ftp-password" not in repr(given_)


async def test_the_password_of_a_file_is_not_shown_by_an_error(client_for):
    def answers(request):
        if request.url.path.startswith("/auth"):
            return httpx.Response(200, json=result(Token=TOKEN, ExpiresIn=3600, APIEndpoint=""))
        return httpx.Response(200, json=result((0, f"no log-in with {request.content.decode()}")))

    async with client_for("sensorpro", answers) as client:
        with pytest.raises(Refused) as failure:
            await client.execute_ftp_import(ImportDefinition=DEFINITION)

    assert "the-ftp-password" not in repr(vars(failure.value))


async def test_the_token_is_at_the_end_of_every_address(client_for):
    addresses = []

    def answers(request):
        if request.url.path.startswith("/auth"):
            return httpx.Response(200, json=result(Token=TOKEN, ExpiresIn=3600, APIEndpoint=""))
        addresses.append((request.method, request.url.path))
        return httpx.Response(200, json=result())

    async with client_for("sensorpro", answers) as client:
        await client.change_opt_out_status(**ANN, OptOut=True)
        await client.forget_contact(**ANN, for_good=True)

    assert [
        ("PUT", f"/api/Contact/ChangeOptOutStatus/{TOKEN}"),
        ("POST", f"/api/Contact/ForgetMe/{TOKEN}"),
    ] == addresses


# What would do more than it seems ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "inputs", "sentence"),
    [
        ("forget_contact", ANN, "erases the contact .*for_good=True"),
        ("forget_contact", ANN | {"for_good": False}, "erases the contact .*for_good=True"),
        ("add_broadcast", BROADCAST, "mails everybody in the segment.*mass_send=True"),
        ("upsert_contacts", BATCH | {"SendWelcomeEmail": True}, "would mail the welcome again.*add_contacts"),
        ("update_contacts", BATCH | {"SendWelcomeEmail": True}, "would mail the welcome again.*add_contacts"),
    ],
)
def test_what_cannot_be_taken_back_is_refused_with_what_it_would_have_done(name, inputs, sentence):
    with pytest.raises(InvalidInput, match=f"sensorpro {name} was not sent: .*{sentence}"):
        OPERATIONS[name].request(ROOT, **inputs)


@pytest.mark.parametrize(
    ("name", "inputs", "body"),
    [
        ("forget_contact", ANN | {"for_good": True}, ANN),
        ("add_broadcast", BROADCAST | {"mass_send": True}, BROADCAST),
        (
            "add_contacts",
            BATCH | {"SendWelcomeEmail": True},
            DEFAULTS | {"Contact": [ANN], "SendWelcomeEmail": True},
        ),
    ],
)
def test_a_confirmed_input_is_sent_without_our_confirmation(name, inputs, body):
    assert body == sent(name, **inputs)


def test_an_import_destroys_what_is_set():
    definition = DEFINITION | {
        "ImportData": {"Name": "a", "ClearCrossXRef": True},
        "FTPConfiguration": DEFINITION["FTPConfiguration"] | {"DeleteFileAfterImport": True},
    }

    reported = sent("execute_ftp_import", ImportDefinition=definition)["ImportDefinition"]

    assert (True, True) == (
        reported["ImportData"]["ClearCrossXRef"],
        reported["FTPConfiguration"]["DeleteFileAfterImport"],
    )


# What the vendor publishes ---------------------------------------------------------------------------------


def sample(name):
    """A published sample, with values of our own."""
    return json.loads((SAMPLES / f"{name}.json").read_text())


@pytest.mark.parametrize("name", ["sign_in", "upsert_contacts", "trigger_email", "send_email"])
def test_what_is_sent_has_the_names_of_the_published_sample_in_their_order(name):
    published = sample(f"{name}.request")
    given_ = {key: value for key, value in published.items() if value is not None}

    body = OPERATIONS[name].request(ROOT, **given_).content

    assert [*given_.items()] == [*json.loads(body).items()]


@pytest.mark.parametrize("name", ["sign_in", "execute_ftp_import"])
def test_a_published_answer_is_read_whole(name):
    published = sample(f"{name}.answer")

    answer = read(name, published)

    assert {name for name in published if name != "Result"} <= set(type(answer).model_fields)
    assert {} == answer.model_extra
    assert (published["Result"]["RequestId"], 0) == (answer.Result.RequestId, answer.Result.TotalErrors)


@pytest.mark.parametrize(
    ("text", "code", "known", "ended"),
    [
        ("The token is not valid", "", None, True),
        ("Session timed out", 4, None, True),
        ("You are not authorised.", "E1", None, True),
        ("", "TOKEN_INVALID", None, True),
        ("", "TokenExpired", None, True),
        ("Please ask the office", "E17", None, False),
        ("Please ask the office", "E17", "please ask THE office", True),
        ("Please ask the office", "E17", "e17", True),
        ("There is no such campaign", "E18", "E17", False),
        ("", "", "E17", False),
    ],
)
def test_an_ended_session_is_known_by_words_and_by_what_this_account_is_known_to_say(
    text, code, known, ended
):
    rows = [{"Sequence": 0, "Description": text, "Code": code}]
    answer = httpx.Response(400, json={"Result": {"ErrorMessages": rows, "TotalErrors": 1}})
    user = SensorproUser("o", "u", SecretStr("hunter22"), SecretStr("key"), ended=known)

    assert ended == user.session_ended(answer)


def test_a_refusal_is_one_whatever_its_status_and_tells_its_rows():
    answer = httpx.Response(400, json=result((0, "There is no such campaign")))

    with pytest.raises(Refused) as failure:
        OPERATIONS["trigger_email"].read(answer)

    assert (False, [0]) == (failure.value.maybe_applied, [row["Sequence"] for row in failure.value.rows])


# The vendor's limits ----------------------------------------------------------------------------------------


def named(name):
    return {"ImportDefinition": DEFINITION | {"ImportData": {"Name": name}}}


@pytest.mark.parametrize(
    ("name", "inputs", "limit"),
    [
        ("execute_ftp_import", {}, "give Tag, or ImportDefinition"),
        ("execute_ftp_import", named("x" * 17), "at most 16 characters"),
        ("execute_ftp_import", named("Orders"), "a-z0-9"),
        ("execute_ftp_import", named("or ders"), "a-z0-9"),
        (
            "execute_ftp_import",
            {"ImportDefinition": DEFINITION | {"ImportData": {"Name": "a", "QuoteChar": "''"}}},
            "at most 1 character",
        ),
        ("execute_ftp_import", {"ImportDefinition": DEFINITION | {"FieldMap": []}}, "at least 1 item"),
        ("add_contacts", BATCH | {"Contact": []}, "at least 1 item"),
        ("add_contacts", BATCH | {"Contact": [{"FirstName": "Ann"}]}, "PersonalEMail"),
        ("upsert_contacts", BATCH | {"UpdateByKey": "phone"}, "'email'"),
        ("change_opt_out_status", {"PersonalEMail": "ann", "OptOut": True}, "PersonalEMail"),
        ("change_opt_out_status", ANN, "OptOut"),
        ("get_contacts_paged", {"PageNumber": 0}, "1"),
    ],
)
def test_a_limit_is_kept_and_reported(name, inputs, limit):
    with pytest.raises(InvalidInput, match=f"sensorpro {name} was not sent: .*{limit}"):
        OPERATIONS[name].request(ROOT, **inputs)


# What is read -----------------------------------------------------------------------------------------------


def test_the_rows_that_failed_are_reported_by_their_places_in_the_batch():
    with pytest.raises(Refused) as failure:
        read("add_contacts", result((6, "The contact exists"), (8, "No address")))

    assert [(6, "The contact exists"), (8, "No address")] == [
        (row["Sequence"], row["Description"]) for row in failure.value.rows
    ]
    assert ("r-1", False) == (failure.value.request_id, failure.value.maybe_applied)


@pytest.mark.parametrize(
    "name", ["add_contacts", "forget_contact", "add_broadcast", "execute_ftp_import", "send_email"]
)
@pytest.mark.parametrize("value", [None, {}, {"Result": None}, {"Result": {}}, "OK"])
def test_a_write_whose_result_is_missing_may_have_been_done(name, value):
    with pytest.raises(UnexpectedAnswer) as failure:
        read(name, value)

    assert failure.value.maybe_applied


def test_an_import_that_was_begun_without_its_number_may_be_running():
    with pytest.raises(UnexpectedAnswer, match="ImportId") as failure:
        read("execute_ftp_import", result())

    assert failure.value.maybe_applied


def test_the_number_of_an_import_is_read_and_its_status_with_fields_we_do_not_know():
    started = read("execute_ftp_import", result(ImportId="12"))
    status = read("get_import_status", result(importId=12, Status="Running", Percent=40))

    assert 12 == started.ImportId
    assert (12, "Running", 40) == (status.ImportId, status.Status, status.Percent)


def test_figures_of_a_campaign_are_read_from_numbers_and_texts():
    results = read("get_campaign_results", result(TotalSent="120", totalclicks=7, TotalBounces=""))
    [link] = read("get_campaign_result_links", result(Links=[{"Url": "https://x", "TotalClicks": "3"}])).Links

    assert (120, 7, None) == (results.TotalSent, results.TotalClicks, results.TotalBounces)
    assert ("https://x", 3) == (link.Url, link.TotalClicks)


@pytest.mark.parametrize(
    "more", [{"Contact": [ANN]}, {"Contacts": [ANN], "Total": "1"}, {"contact": [ANN], "TotalRecords": 1}]
)
def test_a_page_of_contacts_is_read_in_each_of_its_spellings(more):
    page = read("get_contacts_paged", result(**more))

    assert ["ann@example.com"] == [contact.PersonalEMail for contact in page.Results]
    assert page.Total in (None, 1)


@pytest.mark.parametrize("reported", [{}, {"Total": 250}])
async def test_contacts_are_fetched_page_by_page(client_for, reported):
    requests = []

    def answers(request):
        if request.url.path.startswith("/auth"):
            return httpx.Response(200, json=result(Token=TOKEN, ExpiresIn=3600, APIEndpoint=""))
        body = json.loads(request.content)
        requests.append((body["Tag"], body["PageNumber"]))
        first = (body["PageNumber"] - 1) * body["PageSize"]
        rows = [{"PersonalEMail": f"{number}@example.com"} for number in range(250)]
        return httpx.Response(200, json=result(Contact=rows[first : first + body["PageSize"]], **reported))

    async with client_for("sensorpro", answers) as client:
        found = [contact.PersonalEMail async for contact in pages(client.get_contacts_paged, Tag="a")]

    assert [f"{number}@example.com" for number in range(250)] == found
    assert [("a", number) for number in range(1, 4 if reported else 5)] == requests


def test_secrets_are_shown_as_asterisks():
    assert "hunter22" not in repr(
        SensorproClient.sign_in.validate(Organization="o", User="u", Password=SecretStr("hunter22"))
    )


def test_a_fault_that_speaks_of_the_session_may_have_mailed_and_is_not_sent_again():
    rows = [{"Sequence": 0, "Description": "Session timed out", "Code": ""}]
    answer = httpx.Response(500, json={"Result": {"ErrorMessages": rows, "TotalErrors": 1}})
    user = SensorproUser("o", "u", SecretStr("hunter22"), SecretStr("key"))

    assert not user.session_ended(answer)
    with pytest.raises(VendorError) as raised:
        SensorproClient.decode(OPERATIONS["trigger_email"], answer)
    assert raised.value.maybe_applied
