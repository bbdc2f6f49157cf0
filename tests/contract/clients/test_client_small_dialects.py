"""Sensorpro and JetAdvice in each variant of a fact that no document decides: their clients do right in all of them."""

import pytest
from pydantic import SecretStr

from hookline.clients import Refused
from hookline.clients.jetadvice import JetadviceClient, JetadviceUser
from hookline.clients.sensorpro import SensorproClient, SensorproUser
from hookline.clients.sensorpro.models import NewContact
from hookline.facts import facts_of

CAMPAIGN = "3f0c6a52-9d1e-4b7a-8c35-5e0f7a9b2d14"
ANN = NewContact(PersonalEMail="ann@example.com", FirstName="Ann")
OTHER_WORDS = "Please contact the administrator."
OPTED_OUT = "greta.holm@holmmotors.example"
HARBOUR, PRINTER = "48236", "730101"
SEEDS = range(1, 9)


def variants(vendor):
    return [(fact.id, name) for fact in facts_of(vendor).facts for name in fact.variants]


@pytest.fixture
async def sensorpro_here(sandbox):
    key = SecretStr("00000000-0000-4000-8000-00000000c0de")
    password = SecretStr("sandbox-sensorpro-password")
    user = SensorproUser("sandbox", "api@sandbox.example", password, key, ended=OTHER_WORDS)
    async with SensorproClient(sandbox.sensorpro.url, user) as client:
        yield client


async def uses_sensorpro(sandbox, client):
    """Does what the workflows and the read-backs do, with a session that ends in between."""
    await client.add_contacts(Contact=[ANN], AddToList=["Licensees"])
    await client.upsert_contacts(Contact=[ANN])
    sandbox.sensorpro.end_sessions()
    await client.trigger_email(
        CampId=CAMPAIGN, BroadcastId=1, ContactData=ANN, NamedPairsParameters={"order": "100123"}
    )
    with pytest.raises(Refused) as refused:
        await client.trigger_email(CampId=CAMPAIGN, BroadcastId=9, ContactData=ANN)
    status = await client.get_broadcast_status(CampId=CAMPAIGN, BroadcastId=1)
    found = await client.get_contacts(PersonalEMail="ann@example.com")
    nobody = await client.get_contacts(PersonalEMail="nobody@example.com")
    page = await client.get_contacts_paged(PageSize=2)

    mails = [(mail["to"], mail["parameters"]) for mail in sandbox.sensorpro.records()["mails"]]
    assert [("ann@example.com", {"order": "100123"})] == mails
    assert (False, [0]) == (refused.value.maybe_applied, [row["Sequence"] for row in refused.value.rows])
    assert (1, ["ann@example.com"], []) == (
        status.TotalSent,
        [each.PersonalEMail for each in found.Contact],
        nobody.Contact,
    )
    assert 2 == len(page.Results)


@pytest.mark.parametrize(("fact", "variant"), variants("sensorpro"))
async def test_sensorpro_is_used_rightly_in_each_variant(sandbox, sensorpro_here, fact, variant):
    sandbox.sensorpro.dialect.speak({fact: variant})

    await uses_sensorpro(sandbox, sensorpro_here)


@pytest.mark.parametrize("seed", SEEDS)
async def test_sensorpro_is_used_rightly_in_dialects(sandbox, sensorpro_here, seed):
    sandbox.sensorpro.dialect.draw(seed)

    await uses_sensorpro(sandbox, sensorpro_here)


async def test_an_ended_session_in_words_that_nobody_knows_is_a_refusal_and_no_mail(sandbox, sensorpro):
    await sensorpro.get_contacts()  # signs in: an earlier test's session is gone
    sandbox.sensorpro.dialect.speak({"session-ended": "other-words"})
    sandbox.sensorpro.end_sessions()

    with pytest.raises(Refused, match=OTHER_WORDS) as refused:
        await sensorpro.trigger_email(CampId=CAMPAIGN, BroadcastId=1, ContactData=ANN)

    assert (False, []) == (refused.value.maybe_applied, sandbox.sensorpro.records()["mails"])


@pytest.mark.parametrize(("variant", "mails"), [("refused", 0), ("dropped", 0), ("sent", 1)])
async def test_who_opted_out_may_get_a_mail_or_none_and_only_a_refusal_is_told(
    sandbox, sensorpro, variant, mails
):
    sandbox.sensorpro.dialect.speak({"opted-out-mail": variant})
    told = False
    try:
        await sensorpro.trigger_email(
            CampId=CAMPAIGN, BroadcastId=1, ContactData=NewContact(PersonalEMail=OPTED_OUT)
        )
    except Refused:
        told = True

    assert (variant == "refused", mails) == (told, len(sandbox.sensorpro.records()["mails"]))


async def uses_jetadvice(sandbox):
    """Reads what `supply-alert` reads, and runs a report; the probe has told how to log in."""
    form = sandbox.jetadvice.dialect["login-takes"]
    user = JetadviceUser("api@sandbox.example", SecretStr("sandbox-jetadvice-password"), form)
    async with JetadviceClient(sandbox.jetadvice.url, user) as client:
        customers = {each.customerId: each for each in await client.list_customers()}
        printer = next(each for each in await client.list_devices() if each.deviceId == PRINTER)
        empty = await client.create_customer(name="New")
        none = await client.list_devices(customerId=empty.customerId)
        asked = await client.request_report_run(reportId="5001", OutputFormat=1)
        while not (run := await client.get_report_run(ReportRunGuid=asked.ReportRequestGuid)).Files:
            assert run.Status in ("Queued", "Running")
        file = await client.get_report_file(fileId=run.Files[0].FileId)

    black = next(each for each in printer.supplies if each.color == "black")
    assert ("2002", []) == (customers[HARBOUR].externalNumber, none)
    assert (6, "TON-BLK-410", 184_220, True) == (
        black.levelPercent,
        black.partNumber,
        printer.counters.total,
        customers[printer.customerId].name == "Northgate Printing",
    )
    assert "TonerBlack" in file


@pytest.mark.parametrize(("fact", "variant"), variants("jetadvice"))
async def test_jetadvice_is_read_rightly_in_each_variant(sandbox, fact, variant):
    sandbox.jetadvice.dialect.speak({fact: variant})

    await uses_jetadvice(sandbox)


@pytest.mark.parametrize("seed", SEEDS)
async def test_jetadvice_is_read_rightly_in_dialects(sandbox, seed):
    sandbox.jetadvice.dialect.draw(seed)

    await uses_jetadvice(sandbox)
