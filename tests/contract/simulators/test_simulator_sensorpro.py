"""The manners of Sensorpro: tokens in the path, errors in a 200 answer, mails that go out each time."""

import uuid

import httpx
import pytest

CAMPAIGN = "3f0c6a52-9d1e-4b7a-8c35-5e0f7a9b2d14"
CREDENTIALS = {
    "Organization": "sandbox",
    "User": "api@sandbox.example",
    "Password": "sandbox-sensorpro-password",
}
API_KEY = {"x-apikey": "00000000-0000-4000-8000-00000000c0de"}


def trigger(**changes):
    return {
        "CampId": CAMPAIGN,
        "BroadcastId": 1,
        "Delay": 0,
        "ContactData": {"PersonalEMail": "buyer@shop.example"},
        "NamedPairsParameters": {"codes": "111"},
    } | changes


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


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"CampId": str(uuid.uuid4())}, "BROADCAST_NOT_FOUND"),
        ({"BroadcastId": 2}, "BROADCAST_NOT_FOUND"),
        ({"BroadcastId": "two"}, "BROADCAST_NOT_FOUND"),
        ({"ContactData": {}}, "CONTACT_INVALID"),
        ({"ContactData": {"PersonalEMail": "nobody"}}, "CONTACT_INVALID"),
    ],
)
async def test_a_mail_that_cannot_be_sent_is_an_error_row_and_is_not_sent(
    sandbox, sensorpro, token, change, code
):
    response = await sensorpro.post(f"/api/Campaign/TriggerEmail/{token}", json=trigger(**change))

    assert [(0, code)] == errors(response)
    assert [] == sandbox.sensorpro.records()["mails"]


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
        f"/api/Contact/UpdateAdd/{token}", json={"Contact": rows, "ReturnFailedRequests": True}
    )

    assert [(1, "CONTACT_INVALID")] == errors(response)
    assert [{"FirstName": "Nobody"}] == response.json()["FailedRequests"]
    assert ["a@shop.example", "b@shop.example"] == [
        each["PersonalEMail"] for each in sandbox.sensorpro.records()["contacts"]
    ]


async def test_a_contact_is_updated_by_its_address_and_found_again(sandbox, sensorpro, token):
    for name in ("Ann", "Anna"):
        body = {"AddToList": ["Buyers"], "Contact": [{"PersonalEMail": "a@shop.example", "FirstName": name}]}
        await sensorpro.post(f"/api/Contact/UpdateAdd/{token}", json=body)

    found = await sensorpro.post(
        f"/api/Contact/GetContacts/{token}", json={"PersonalEMail": "A@shop.example"}
    )

    assert [("Anna", ["Buyers"])] == [(each["FirstName"], each["Tags"]) for each in found.json()["Contact"]]
    assert 1 == len(sandbox.sensorpro.records()["contacts"])


async def test_a_welcome_mail_goes_out_at_each_repeat(sandbox, sensorpro, token):
    body = {"Contact": [{"PersonalEMail": "a@shop.example"}], "SendWelcomeEmail": True}
    for _ in range(2):
        await sensorpro.post(f"/api/Contact/UpdateAdd/{token}", json=body)

    assert ["welcome", "welcome"] == [mail["kind"] for mail in sandbox.sensorpro.records()["mails"]]


@pytest.mark.parametrize("body", [b"", b"nonsense", b"[]", b"\xff"])
async def test_a_body_that_is_no_object_is_an_error_in_the_body(sensorpro, token, body):
    response = await sensorpro.post(f"/api/Contact/UpdateAdd/{token}", content=body)

    assert [(0, "REQUEST_INVALID")] == errors(response)
