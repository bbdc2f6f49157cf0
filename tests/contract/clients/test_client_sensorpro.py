"""Sensorpro's operations against its simulator."""

import asyncio

import pytest

from hookline.clients import NotAuthenticated, Refused
from hookline.clients.sensorpro_models import Mailbox, NewContact

CAMPAIGN = "3f0c6a52-9d1e-4b7a-8c35-5e0f7a9b2d14"
ANN = NewContact(PersonalEMail="ann@example.com", FirstName="Ann")


async def test_a_contact_is_added_and_read(sensorpro):
    await sensorpro.upsert_contacts(Contact=[ANN], AddToList=["customers"])

    found = await sensorpro.get_contacts(PersonalEMail="ann@example.com")

    assert [("ann@example.com", "Ann")] == [(each.PersonalEMail, each.FirstName) for each in found.Contact]


async def test_a_stored_mail_is_sent(sandbox, sensorpro):
    await sensorpro.trigger_email(
        CampId=CAMPAIGN, BroadcastId=1, ContactData=ANN, NamedPairsParameters={"codes": "111,222"}
    )

    mails = sandbox.sensorpro.records()["mails"]
    status = await sensorpro.get_broadcast_status(CampId=CAMPAIGN, BroadcastId=1)

    assert [("ann@example.com", {"codes": "111,222"})] == [(each["to"], each["parameters"]) for each in mails]
    assert 1 == status.TotalSent


async def test_a_mail_is_sent_in_full(sandbox, sensorpro):
    await sensorpro.send_email(
        From=Mailbox(Email="shop@example.com"),
        To=[Mailbox(Email="ann@example.com")],
        Subject="Your licence",
        HTMLMessageEncoded="<p>Hello</p>",
        Headers={"X-Run": "1"},
    )

    [mail] = sandbox.sensorpro.records()["mails"]

    assert ("ann@example.com", "Your licence", {"X-Run": "1"}) == (
        mail["to"],
        mail["subject"],
        mail["headers"],
    )


async def test_an_error_in_the_body_is_a_refusal_with_its_rows(sensorpro):
    with pytest.raises(Refused) as failure:
        await sensorpro.trigger_email(CampId="nosuchcampaign", BroadcastId=1, ContactData=ANN)

    assert [0] == [row["Sequence"] for row in failure.value.rows]
    assert failure.value.request_id


async def test_one_sign_in_serves_many_clients(sandbox, clients):
    for _ in range(3):
        async with clients.sensorpro(sandbox) as client:
            await client.get_contacts()

    assert 1 == len(sandbox.sensorpro.requests(operation="sign_in"))


async def test_a_token_that_ended_is_renewed_once_for_fifty_calls(sandbox, sensorpro):
    await sensorpro.get_contacts()
    sandbox.sensorpro.end_sessions()

    answers = await asyncio.gather(*(sensorpro.get_contacts() for _ in range(50)))

    assert (50, 2) == (len(answers), len(sandbox.sensorpro.requests(operation="sign_in")))


async def test_a_mail_refused_for_its_token_is_sent_once_after_a_new_sign_in(sandbox, sensorpro):
    await sensorpro.get_contacts()
    sandbox.sensorpro.end_sessions()

    await sensorpro.trigger_email(CampId=CAMPAIGN, BroadcastId=1, ContactData=ANN)

    assert 1 == len(sandbox.sensorpro.records()["mails"])


async def test_the_old_form_of_signing_in_works_too(sandbox, clients, open_clients):
    client = await open_clients(clients.sensorpro(sandbox, form="log_in"))
    await client.get_contacts()

    assert 1 == len(sandbox.sensorpro.requests(operation="log_in"))


async def test_logging_off_ends_the_session(sandbox, sensorpro):
    await sensorpro.get_contacts()
    await sensorpro.log_off()
    await sensorpro.get_contacts()

    assert 2 == len(sandbox.sensorpro.requests(operation="sign_in"))


async def test_a_wrong_password_is_not_let_in_and_not_tried_again(sandbox, clients, open_clients):
    client = await open_clients(clients.sensorpro(sandbox, password="wrong-password"))

    with pytest.raises(NotAuthenticated):
        await client.get_contacts()

    assert 1 == len(sandbox.sensorpro.requests())
