"""Sensorpro's operations against its simulator."""

import asyncio

import pytest

from hookline.clients import Refused, pages
from hookline.clients.sensorpro.models import Mailbox, NewContact

# What the simulator holds from the start.
CAMPAIGN, CAMPAIGN_ID = "3f0c6a52-9d1e-4b7a-8c35-5e0f7a9b2d14", 51
DESIGN, GARAGES, MEMBERS_WITH_MAIL = 11, 23, 2
FTP_FILE = {
    "FTPSite": "ftp.example",
    "FTPUser": "u",
    "FTPPwd": "the-ftp-password",
    "FTPFileName": "customers.csv",
}
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


async def test_contacts_are_added_once_and_updated_where_they_are(sensorpro):
    bob = NewContact(PersonalEMail="bob@example.com")
    await sensorpro.add_contacts(Contact=[ANN], AddToList=["customers"])
    with pytest.raises(Refused) as added_twice:
        await sensorpro.add_contacts(Contact=[bob, ANN])
    await sensorpro.update_contacts(Contact=[NewContact(PersonalEMail="ann@example.com", LastName="Hall")])
    with pytest.raises(Refused) as not_there:
        await sensorpro.update_contacts(Contact=[NewContact(PersonalEMail="nobody@example.com")])

    [ann] = (await sensorpro.get_contacts(PersonalEMail="ann@example.com")).Contact
    [_bob] = (await sensorpro.get_contacts(PersonalEMail="bob@example.com")).Contact

    assert ("Ann", "Hall", ["customers"]) == (ann.FirstName, ann.LastName, ann.Tags)
    assert [1] == [row["Sequence"] for row in added_twice.value.rows]
    assert [0] == [row["Sequence"] for row in not_there.value.rows]


async def test_a_welcome_is_mailed_only_where_it_is_asked_for(sandbox, sensorpro):
    await sensorpro.add_contacts(Contact=[ANN])
    await sensorpro.upsert_contacts(Contact=[ANN])
    silent = sandbox.sensorpro.records()["mails"]
    await sensorpro.add_contacts(Contact=[NewContact(PersonalEMail="bob@example.com")], SendWelcomeEmail=True)

    [mail] = sandbox.sensorpro.records()["mails"]

    assert ([], "bob@example.com", "welcome") == (silent, mail["to"], mail["kind"])


async def test_contacts_are_read_page_by_page(sensorpro):
    new = [NewContact(PersonalEMail=f"{number}@example.com") for number in range(5)]
    await sensorpro.upsert_contacts(Contact=new, AddToList=["many"])

    page = await sensorpro.get_contacts_paged(Tag="many", PageNumber=2, PageSize=2)
    every = [each.PersonalEMail async for each in pages(sensorpro.get_contacts_paged, Tag="many", PageSize=2)]

    assert (5, ["2@example.com", "3@example.com"]) == (
        page.Total,
        [each.PersonalEMail for each in page.Results],
    )
    assert [each.PersonalEMail for each in new] == every


async def test_a_contact_that_opted_out_gets_no_mail_until_it_opts_in(sandbox, sensorpro):
    await sensorpro.upsert_contacts(Contact=[ANN])
    await sensorpro.change_opt_out_status(PersonalEMail="ann@example.com", OptOut=True)
    with pytest.raises(Refused):
        await sensorpro.trigger_email(CampId=CAMPAIGN, BroadcastId=1, ContactData=ANN)
    await sensorpro.change_opt_out_status(PersonalEMail="ann@example.com", OptOut=False)
    await sensorpro.trigger_email(CampId=CAMPAIGN, BroadcastId=1, ContactData=ANN)

    assert 1 == len(sandbox.sensorpro.records()["mails"])


async def test_a_contact_is_forgotten_and_then_unknown(sensorpro):
    await sensorpro.upsert_contacts(Contact=[ANN])
    await sensorpro.forget_contact(PersonalEMail="ann@example.com", for_good=True)

    found = await sensorpro.get_contacts(PersonalEMail="ann@example.com")
    with pytest.raises(Refused):
        await sensorpro.forget_contact(PersonalEMail="ann@example.com", for_good=True)
    with pytest.raises(Refused):
        await sensorpro.change_opt_out_status(PersonalEMail="ann@example.com", OptOut=True)

    assert [] == found.Contact


async def test_a_broadcast_reaches_a_segment_and_its_results_are_reported(sandbox, sensorpro):
    sent = await sensorpro.add_broadcast(
        CampaignId=CAMPAIGN_ID, DesignId=DESIGN, SegmentId=GARAGES, Name="News", mass_send=True
    )
    [first, *_] = sandbox.sensorpro.records()["mails"]
    sandbox.sensorpro.react(first["id"], "click", "https://firm.example/help")

    status = await sensorpro.get_broadcast_status(CampId=CAMPAIGN, BroadcastId=sent.BroadcastId)
    results = await sensorpro.get_campaign_results(CampaignId=CAMPAIGN_ID)
    links = await sensorpro.get_campaign_result_links(CampaignId=CAMPAIGN_ID)

    assert ("News", MEMBERS_WITH_MAIL) == (status.Name, status.TotalSent)
    assert (MEMBERS_WITH_MAIL, 1, 1, 0) == (
        results.TotalSent,
        results.TotalOpens,
        results.TotalClicks,
        results.TotalBounces,
    )
    assert {"https://firm.example/help": 1, "https://firm.example/download": 0} == {
        each.Url: each.TotalClicks for each in links.Links
    }


async def test_a_campaign_that_is_unknown_has_no_results(sandbox, sensorpro):
    for call in (sensorpro.get_campaign_results, sensorpro.get_campaign_result_links):
        with pytest.raises(Refused):
            await call(CampaignId=999)
    with pytest.raises(Refused):
        await sensorpro.add_broadcast(CampaignId=CAMPAIGN_ID, DesignId=DESIGN, SegmentId=999, mass_send=True)

    assert [] == sandbox.sensorpro.records()["mails"]


async def test_a_file_is_imported_and_left_where_it_is(sensorpro):
    definition = {
        "ImportData": {"Name": "customers"},
        "FTPConfiguration": FTP_FILE,
        "FieldMap": [
            {"FromField": "Email", "ToField": "personalemail"},
            {"FromField": "Last name", "ToField": "lastname"},
        ],
    }
    imported = []
    for _ in range(2):
        started = await sensorpro.execute_ftp_import(Tag="imported", ImportDefinition=definition)
        imported.append(await finished(sensorpro, started.ImportId))

    found = await sensorpro.get_contacts(Tag="imported")

    assert [("Completed", 4, 3, 1)] * 2 == [
        (each.Status, each.TotalRecords, each.TotalImported, each.TotalFailed) for each in imported
    ]
    assert {"Nair", "Castell", "Moor, senior"} == {each.LastName for each in found.Contact}


async def finished(sensorpro, number):
    """The status of an import once it runs no more."""
    while (status := await sensorpro.get_import_status(ImportId=number)).Status == "Running":
        await asyncio.sleep(0.05)
    return status


async def test_an_import_that_is_unknown_is_refused(sensorpro):
    with pytest.raises(Refused):
        await sensorpro.execute_ftp_import(Tag="nosuchtag")
    with pytest.raises(Refused):
        await sensorpro.get_import_status(ImportId=999)


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
